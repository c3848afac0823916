"""Faults that once were mistakes, one test for each, named after it."""
import os
import signal
import socket
import tempfile
import unittest
from pathlib import Path

import faults
import cairn
import test_server
import test_start
from cairn import wait_until
from faults import Fault
from subject import Subject
from test_packer import Faults as PackerFaults
from test_start import Wanted


class TestPacker(unittest.TestCase):
    def check(self, scenario, *chosen):
        with tempfile.TemporaryDirectory(prefix="cairn-faults-") as folder:
            packer = PackerFaults(scenario, Path(folder), faults.Tally("mended"))
            for fault in chosen:
                with self.subTest(str(fault)):
                    self.assertLessEqual(fault.first, packer.recorded[fault.call])
                    packer.try_fault(fault)

    def test_an_archive_that_cannot_be_read_counts_as_empty(self):
        """The search for the last commit took a read error for "there is none": the next add was
        release 1 again, over the index of the first."""
        self.check("add_next", *(Fault("pread64", how, n) for n in (1, 2, 3)
                                 for how in ("EIO", "EINTR", "short")))
        self.check("verify_archive", Fault("fstat64", "EIO", 2), Fault("pread64", "EIO", 2))

    def test_a_link_that_cannot_be_resolved_is_left_out(self):
        """Want of memory, say, was told as "a link that leads nowhere", and the release published
        without it."""
        self.check("add_next", Fault("realpath", "ENOMEM", 2), Fault("realpath", "EIO", 2))
        self.check("check", Fault("realpath", "EIO", 2))

    def test_what_kind_of_file_it_is_cannot_be_read(self):
        """An archive that could not be opened to look at its first bytes was taken for an index."""
        self.check("list", *(Fault("open64", how, 1) for how in ("EMFILE", "EIO")))
        self.check("list", *(Fault("pread64", how, 1) for how in ("EIO", "EINTR", "short")))

    def test_extract_does_not_see_that_a_folder_cannot_be_read(self):
        self.check("extract_into", Fault("readdir64", "EIO", 1))

    def test_no_memory_for_a_hash_ends_without_a_word(self):
        self.check("add_new", Fault("aligned_alloc", "ENOMEM", 1))

    def test_a_reply_that_cannot_be_read_is_called_the_servers_end(self):
        self.check("push", Fault("__getdelim", "EIO", 1))

    def test_a_uuid_of_less_random_bytes(self):
        self.check("add_new_at_any_time", Fault("getentropy", "EIO", 1))


class TestCtl(unittest.TestCase):
    def test_lines_that_there_was_no_memory_for_are_not_sent(self):
        """Only an error of the stream was told, and that is none of it."""
        with tempfile.TemporaryDirectory(prefix="cairn-faults-") as folder:
            index = cairn.pack(cairn.write_tree(Path(folder) / "tree", {"a": "a"}),
                               Path(folder) / "site.cairn")
            path = Path(folder) / "control.sock"
            with cairn.Server(index, control=[path]), faults.Table(Path(folder)) as table:
                fault = Fault("__getdelim", "ENOMEM", 1)
                table.arm(fault)
                done = cairn.run("cairn-ctl-faults", "-s", path, input=b"list\nlist\n", expect=1,
                                 env=table.environment)
                self.assertIn(f"standard input: {fault.text}", done.err)


class TestStart(test_start.TestStart):
    def test_a_file_of_flags_that_is_not_read_to_its_end(self):
        """What stood behind, such as --trust, would not count."""
        flags = self.folder / "flags"
        flags.write_text("--retain 3\n--sandbox require\n")
        wanted = Wanted(self.site, options=[f"@{flags}"])
        for call, how, first in (("__getdelim", "EIO", 1), ("__getdelim", "ENOMEM", 2),
                                 ("__getdelim", "EIO", 3), ("fopen64", "EMFILE", 1)):
            with self.subTest(call, first=first), faults.Table(self.folder) as table:
                fault = Fault(call, how, first)
                table.arm(fault)
                code, log = self.start(wanted, table, fault)
                self.assertEqual(code, 2, log)
                self.assertIn(f"@{flags}: {fault.text}", log)

    """Starts servers; what it inherits runs in test_start.py."""

    test_start = test_required = test_as_a_user = test_trusting = None
    test_what_is_not_signed_so = None

    def check(self, outcome, wanted, *chosen):
        for fault in chosen:
            with self.subTest(str(fault)):
                self.tally = faults.Tally("mended")
                self.try_fault(wanted, fault)
                self.assertEqual(dict(self.tally.outcomes), {outcome: 1})

    def test_no_random_numbers_end_it_without_a_word(self):
        self.check("did not start, with a sentence", Wanted(self.site),
                   Fault("getentropy", "ENOSYS", 1))

    def test_users_that_cannot_be_looked_up_are_called_unknown(self):
        for user, call in (("nobody", "getpwnam"), ("1234", "getpwuid"), ("0:nogroup", "getgrnam")):
            wanted = Wanted(self.site, options=["--user", user])
            self.check("did not start, with a sentence", wanted,
                       *(Fault(call, how, 1) for how in faults.CALLS[call]))

    def test_a_filter_is_given_up_when_its_bytes_come_in_pieces(self):
        """And its length was not looked at when the system could not tell it."""
        wanted = Wanted(self.site)
        recorded = self.record(wanted)
        last = recorded["pread64"]
        self.check("served", wanted, Fault("pread64", "short", last - 1, 1, 4096),
                   Fault("pread64", "short", last, 1, 4096), Fault("pread64", "EINTR", last))
        self.check("served, not confined, and said so", wanted,
                   Fault("lseek64", "EIO", recorded["lseek64"]), Fault("pread64", "EIO", last))


class TestServer(test_server.TestServing):
    """Uses one server; what it inherits runs in test_server.py."""

    test_serving = None
    test_serving_without_disk_readers = None

    def serve(self):
        self.tally = faults.Tally("mended")
        self.failed_before = {}
        subject = Subject(self.folder, self.table, self.site)
        self.addCleanup(subject.close)
        subject.await_ready()
        subject.check_serves()
        return subject

    def check_spins(self, subject, touch, call, how):
        """While `call` fails and something waits for it, the server sleeps; then it goes on."""
        self.table.arm(Fault(call, how, 1, 1 << 40), relative=True)
        touch()
        subject.check_rests(call)
        self.table.disarm(call)
        subject.check_serves()

    def test_accept_without_memory_turns_in_circles(self):
        """Only the want of descriptors made the listeners rest; the control socket never rested."""
        for how in ("ENOMEM", "ENOBUFS", "EMFILE"):
            with self.subTest(how):
                subject = self.serve()
                client = socket.socket()
                self.addCleanup(client.close)
                self.check_spins(subject, lambda: client.connect(subject.server.address),
                                 "accept4", how)
                control = socket.socket(socket.AF_UNIX)
                self.addCleanup(control.close)
                self.check_spins(subject, lambda: control.connect(os.path.relpath(subject.socket)),
                                 "accept4", how)
                subject.stop()

    def test_a_fifo_without_descriptors_is_given_up(self):
        """A writer closes it while there is no descriptor: commands from it ended for good."""
        subject = self.serve()
        self.table.arm(Fault("open64", "EMFILE", 1, 1 << 40), relative=True)
        with open(subject.fifo, "w", encoding="ascii") as fifo:
            fifo.write("help\n")
        subject.check_rests("open64")
        self.table.disarm("open64")
        with open(subject.fifo, "w", encoding="ascii") as fifo:
            fifo.write(f"load index {self.site.indexes[2]}\n")
        wait_until(lambda: "release=2" in subject.server.log(), "the command's reply")
        subject.release = 2
        subject.check_serves()
        self.assertNotIn("is gone", subject.server.log())
        subject.stop()

    def test_a_wake_up_that_is_interrupted_is_lost(self):
        """A load waited for a worker that slept."""
        subject = self.serve()
        self.table.arm(Fault("write", "EINTR", 1, 1), relative=True)
        self.assertTrue(subject.load(2).startswith("ok "))
        subject.check_serves()
        subject.stop()

    def test_a_socket_in_use_is_taken_away_without_descriptors(self):
        """Whether somebody listens could not be asked: the name was removed."""
        subject = self.serve()
        name = os.path.relpath(subject.socket)
        other = faults.Table(self.folder)
        self.addCleanup(other.__exit__)
        for fault in (Fault("socket", "EMFILE", 1, 100), Fault("connect", "ENOMEM", 1, 100)):
            with self.subTest(str(fault)):
                other.arm(fault)
                with cairn.Server(listen=[f"unix:{name}"], env=other.environment, expect_exit=1,
                                  program="cairn-serve-faults", wait_ready=False) as second:
                    self.assertIsNone(second.read_line())
                    self.assertIn(fault.text, second.log())
                other.disarm(fault.call)
                self.assertTrue(subject.load(1).startswith("ok "))
        subject.stop()

    def check_failed_successor(self, call, how, first, count):
        subject = self.serve()
        http = subject.folder / "http.sock"
        self.table.arm(Fault(call, how, first, count), relative=True)
        subject.server.signal(signal.SIGUSR2)
        subject.server.wait_log("did not come up")
        self.table.disarm(call)
        self.assertTrue(http.exists(), "the name of its socket is gone")
        self.assertTrue(subject.socket.exists(), "the name of its control socket is gone")
        subject.check_serves()
        subject.stop()

    def test_a_successor_that_fails_removes_the_sockets(self):
        """It shares them with the server that goes on."""
        self.check_failed_successor("mmap64", "ENOMEM", 1, 1000)
        self.check_failed_successor("pthread_create", "EAGAIN", 9, 1)  # the worker

    def test_a_successor_of_a_part_of_the_list(self):
        """The list of what it takes over was cut short, or not read to its end."""
        self.check_failed_successor("__getdelim", "EIO", 3, 1)
        for call, how in (("fflush", "ENOSPC"), ("fclose", "EIO"), ("dup", "EMFILE"),
                          ("fdopen", "ENOMEM"), ("pipe2", "EMFILE"), ("memfd_create", "EMFILE"),
                          ("fork", "EAGAIN")):
            with self.subTest(call):
                subject = self.serve()
                self.table.arm(Fault(call, how, 1, 1), relative=True)
                subject.server.signal(signal.SIGUSR2)
                subject.server.wait_log(os.strerror(faults.number_of(how)))
                self.table.disarm(call)
                subject.check_idle(call)
                subject.check_serves()
                subject.stop()


if __name__ == "__main__":
    unittest.main()

"""The thread that writes the access log: rotation without a lost or a divided line, and logs that
cannot be written, which lose lines and never a request."""
import fcntl
import os
import re
import resource
import signal
import struct
import sys
import termios
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, wait_until

PAGE = b"<!doctype html><title>page</title>\n"
LINE = re.compile(r'^127\.0\.0\.1 - - \[[^]]*\] "GET /\?(\d+) HTTP/1\.1" 200 35 "-" "(?:-|x*)"$')
AGENT = "User-Agent: " + "x" * 1900 + "\r\n"  # so that a buffer is full soon


class Logs(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.index = self.pack_tree({"index.html": PAGE})
        self.path = self.folder / "logs" / "access.log"
        self.path.parent.mkdir()
        self.count = 0  # requests so far, each with its number

    def serve(self, log=None, options=(), **keywords):
        server = Server(self.index, options=["--access-log", log or self.path, *options], **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        return server

    def ask(self, client, fields=""):
        self.assertEqual(client.get(f"/?{self.count}", fields=fields).body, PAGE)
        self.count += 1

    def lost(self, server):
        return int(re.search(r" log_lost=(\d+)", server.command("status")).group(1))

    def ask_until_lost(self, server, least=1):
        """Requests until so many lines are lost. Every one of them is answered."""
        with server.client() as client:
            while self.lost(server) < least:
                for _ in range(50):
                    self.ask(client, AGENT)

    def numbers(self, text):
        """The numbers of the requests in a log of whole lines."""
        self.assertTrue(text.endswith("\n") or text == "", text[-200:])
        found = []
        for line in text.splitlines():
            match = LINE.match(line)
            self.assertIsNotNone(match, line[:300])
            found.append(int(match.group(1)))
        return found

    def check_all_but_lost(self, text, server):
        """Each request is there once, but for those that count as lost."""
        found = self.numbers(text)
        self.assertEqual(len(found), len(set(found)))
        self.assertEqual(len(found) + self.lost(server), self.count)


class TestRotation(Logs):
    def rotate(self, server, number):
        """As logrotate does, with a command and a signal in turn."""
        self.path.rename(self.path.with_name(f"access.log.{number}"))
        if number % 2 == 0:
            self.assertEqual(server.command("reopen logs"), "ok reopen logs files=1")
            self.assertTrue(self.path.exists())
        else:
            server.signal(signal.SIGUSR1)
            server.wait_log("ok reopen logs files=1", (number + 1) // 2)

    def test_under_load(self):
        server = self.serve(workers=4)
        is_over = threading.Event()
        counts = [0] * 4

        def ask(which):
            with server.client() as client:
                while not is_over.is_set():
                    self.assertEqual(client.get(f"/?{which}{counts[which]:07}").status, 200)
                    counts[which] += 1
        threads = [threading.Thread(target=ask, args=(which,)) for which in range(len(counts))]
        for thread in threads:
            thread.start()
        try:
            for number in range(12):
                before = sum(counts)
                wait_until(lambda: sum(counts) > before + 50, "requests go on")
                self.rotate(server, number)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        server.stop()
        files = sorted(self.path.parent.iterdir())
        self.assertEqual(len(files), 13)
        found = sorted(number for file in files for number in self.numbers(file.read_text()))
        expected = sorted(which * 10**7 + number for which, count in enumerate(counts)
                          for number in range(count))
        self.assertEqual(found, expected)

    def test_what_cannot_be_opened(self):
        """The old file goes on, and the answer says why."""
        server = self.serve()
        self.path.rename(self.folder / "old")
        self.path.parent.rmdir()
        reply = server.command("reopen logs")
        self.assertIn(f"error reopen logs: {self.path}: No such file or directory (its folder has "
                      "to be there)", reply)
        with server.client() as client:
            self.ask(client)
        self.assertEqual(len(wait_until((self.folder / "old").read_text, "a line").splitlines()), 1)

    def test_root_follows_no_link(self):
        """Who may write the folder would choose the file that root makes, or writes to."""
        if os.geteuid() != 0:
            self.skipTest("only root is led nowhere")
        target = self.folder / "elsewhere"
        link = self.path.with_name("link")
        for is_there in False, True:
            if is_there:
                target.write_text("")
            link.unlink(missing_ok=True)
            link.symlink_to(target)
            for words in [], ["--check"]:
                done = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--access-log", link,
                                 *words, self.index, expect=1)
                self.assertIn(f"{link}: Too many levels of symbolic links (root follows no link to "
                              "a log: name the file itself)", done.out + done.err)
            self.assertEqual(target.exists(), is_there)
        through = self.folder / "through"  # folders on the way are the administrator's affair
        through.symlink_to(self.path.parent)
        server = self.serve(through / "access.log")
        self.path.rename(self.path.with_name("access.log.1"))
        self.path.symlink_to(target)
        self.assertIn("root follows no link", server.command("reopen logs"))
        with server.client() as client:
            self.ask(client)
        wait_until(self.path.with_name("access.log.1").read_text, "a line in the old file")
        self.assertEqual(target.read_text(), "")

    def test_without_a_log(self):
        with Server(self.index) as server:
            self.assertEqual(server.command("reopen logs"), "ok reopen logs files=0")
            server.signal(signal.SIGUSR1)
            server.wait_log("ok reopen logs files=0")


class TestTrouble(Logs):
    SMALL = ("--limit", "log-buffer=64k")

    def test_a_full_disk(self):
        """Its place is taken by a limit on the size of files, which can be lifted."""
        server = self.serve(options=self.SMALL, workers=1)
        with server.client() as client:
            self.ask(client, AGENT)
        wait_until(self.path.read_text, "a line")
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (10_000, hard))
        self.ask_until_lost(server)
        server.wait_log(f"access log: {self.path}: File too large; rotate it")
        self.assertEqual(self.path.stat().st_size, 10_000)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
        server.wait_log("written again; ")
        with server.client() as client:
            self.ask(client, AGENT)
        wait_until(lambda: self.path.read_text().count("\n") + self.lost(server) == self.count, "all")
        self.check_all_but_lost(self.path.read_text(), server)
        self.assertIn(f"written again; {self.lost(server)} lines were lost (File too large)",
                      server.log())
        self.assertEqual(server.log().count("access log"), 2, server.log())

    def test_a_disk_that_stays_full(self):
        server = Server(self.index, options=["--access-log", "/dev/full", *self.SMALL])
        with server:
            self.ask_until_lost(server, 100)
            server.wait_log("No space left on device; make room")
            self.assertEqual(server.log().count("No space left on device; make room"), 1)
            server.stop()
            lost = re.search(r"/dev/full: (\d+) lines were lost \(No space left", server.log())
            self.assertEqual(int(lost.group(1)), self.count)

    def test_away_from_a_full_disk(self):
        """`reopen logs` leaves it, and what waits goes to the new file, whole."""
        server = self.serve(options=self.SMALL, workers=1)
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (5_000, hard))
        self.ask_until_lost(server)
        server.wait_log(f"access log: {self.path}: File too large")
        old = self.path.with_name("old")
        self.path.rename(old)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
        self.assertEqual(server.command("reopen logs"), "ok reopen logs files=1")
        server.wait_log("written again; ")

        def whole():
            text = old.read_text()  # its last line may be torn: it is whole in the new file
            return text[:text.rfind("\n") + 1] + self.path.read_text()
        wait_until(lambda: whole().count("\n") + self.lost(server) >= self.count, "all that waited")
        self.check_all_but_lost(whole(), server)

    def test_a_reader_that_stops(self):
        os.mkfifo(self.path)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.check_reader(self.serve(options=self.SMALL, workers=1), reader, self.path)

    def test_a_pipe_that_blocks(self):
        """As standard error may be: writing waits for the reader, but nobody else does."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        server = self.serve(f"fd:{writer}", self.SMALL, workers=1, pass_fds=[writer])
        os.close(writer)
        os.set_blocking(reader, False)
        self.check_reader(server, reader, f"fd:{writer}")

    def check_reader(self, server, reader, name):
        with server.client() as client:
            for _ in range(8):  # the pipe has less room than the buffer holds now: even a late writer fills it
                self.ask(client, AGENT)
        wait_until(lambda: self.unread(reader) > 8 * len(AGENT), "they are in the pipe")
        self.ask_until_lost(server, 10)
        server.wait_log(f"access log: {name}: nobody reads it; let its reader read")
        text = self.check_reading(server, reader)
        server.wait_log(f"written again; {self.lost(server)} lines were lost (nobody read it)")
        with server.client() as client:
            for _ in range(30):
                self.ask(client, AGENT)
        self.check_reading(server, reader, text)

    @staticmethod
    def unread(reader):
        return struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, bytes(4)))[0]

    def check_reading(self, server, reader, text=b""):
        """Reads on, behind `text`, until everything has come that is not lost."""
        def read():
            nonlocal text
            try:
                text += os.read(reader, 1 << 20)
            except BlockingIOError:
                pass
            return text.count(b"\n") + self.lost(server) >= self.count
        wait_until(read, "all that is not lost")
        self.check_all_but_lost(text.decode(), server)
        return text

    def test_a_reader_that_goes(self):
        os.mkfifo(self.path)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        server = self.serve(options=self.SMALL, workers=1)
        os.close(reader)
        self.ask_until_lost(server)
        server.wait_log("Broken pipe; start its reader again")
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.check_reading(server, reader)
        server.wait_log(f"written again; {self.lost(server)} lines were lost (Broken pipe)")

    def test_the_end_with_a_reader_that_stopped(self):
        """It is not waited for without end."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        server = self.serve(f"fd:{writer}", workers=1, pass_fds=[writer])
        os.close(writer)
        with server.client() as client:
            for _ in range(100):  # more than a pipe holds
                self.ask(client, AGENT)
        server.stop()
        lost = int(re.search(r"(\d+) lines were lost \(it did not take", server.log()).group(1))
        text = os.read(reader, 1 << 20).decode()
        self.assertEqual(len(self.numbers(text[:text.rfind("\n") + 1])) + lost, self.count)


class TestStandardError(Logs):
    """What goes wrong again and again is said once."""

    def test_more_connections_than_there_may_be(self):
        with Server(self.index, workers=1, options=["--limit", "connections=2"]) as server:
            clients = []
            for _ in range(10):  # each takes the place of one that is idle
                clients.append(server.client())
                self.assertEqual(clients[-1].get("/").status, 200)
            for client in clients:
                client.close()
            log = server.wait_log("no room for another connection: 2 are open, as many as --limit "
                                  "connections lets be; idle ones give way")
            self.assertEqual(log.count("no room"), 1)

    def test_out_of_descriptors(self):
        with Server(self.index, workers=1) as server:
            in_use = len(os.listdir(f"/proc/{server.pid}/fd"))
            _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (in_use + 2, hard))
            clients = []
            for _ in range(10):
                clients.append(server.client())
                self.assertEqual(clients[-1].get("/").status, 200)
            for client in clients:
                client.close()
            log = server.wait_log(f"this process has all its {in_use + 2} descriptors in use; idle "
                                  "ones give way, others wait. Raise LimitNOFILE=")
            self.assertEqual(log.count("no room"), 1)


if __name__ == "__main__":
    unittest.main()

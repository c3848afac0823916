"""Each call that cairn-serve makes while it answers requests and takes commands fails in turn. Each
answer is right to the byte or ends early with its connection; no command is answered with ok that
was not carried out; and afterwards it serves, holds the descriptors that it held before, and sleeps
when nothing happens.
"""
import tempfile
import unittest
from pathlib import Path

import faults
from faults import Fault
from subject import Site, Subject, command, write_fifo

# What ends the process, by design, when there is no memory; the rest of calls.txt is tried.
NOT_WHILE_SERVING = faults.MEMORY + faults.OPENSSL
# With these as many connections as there may be, or commands, fail one after the other.
STORMS = {"accept4": ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"), "epoll_wait": ("EINTR",),
          "poll": ("EINTR",), "recv": ("EINTR", "EAGAIN"), "send": ("EINTR",),
          "sendmsg": ("EINTR", "EAGAIN"), "sendfile64": ("EINTR", "EAGAIN", "short"),
          "write": ("EINTR", "EIO", "ENOSPC"), "open64": ("EMFILE",), "read": ("EINTR",),
          "mincore": ("EAGAIN",), "close": ("EIO",), "mmap64": ("ENOMEM",)}


class TestServing(unittest.TestCase):
    """One server for many faults: each is chosen while it runs, and taken back."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="cairn-faults-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.table = faults.Table(self.folder)
        self.addCleanup(self.table.__exit__)
        self.site = Site(self.folder)

    def exercise(self, subject):
        """Requests, a load that is answered, commands by each channel."""
        subject.traffic()
        reply = subject.load(3 - subject.release)
        subject.traffic()
        write_fifo(subject.fifo, "list\n")
        command(subject.socket, "status")
        return reply

    def try_fault(self, subject, fault):
        self.table.arm(fault, relative=True)
        reply = self.exercise(subject)
        failed = self.table.failed(fault.call) - self.failed_before.get(fault.call, 0)
        self.table.disarm(fault.call)
        self.failed_before[fault.call] = self.table.failed(fault.call)
        if subject.server.process.poll() is not None:
            raise AssertionError(f"it ended: {subject.server.log()[-3000:]}")
        subject.find_release()
        subject.check_serves()
        if failed:
            self.tally.add(fault.call, failed, "command refused" if reply.startswith("error ")
                           else "command done" if reply else "command cut off")

    def faults_of(self, recorded):
        places = 40 if faults.EXHAUSTIVE else 1
        for fault in faults.choose(recorded, places):
            if fault.call not in NOT_WHILE_SERVING and fault.count == 1:
                yield fault
        for call, hows in STORMS.items():
            for how in hows:
                yield Fault(call, how, 1, 20)

    def begin(self, options):
        """A server, and how often it calls each function."""
        subject = Subject(self.folder, self.table, self.site, options=options)
        subject.await_ready()
        self.exercise(subject)
        before_calls = self.table.all_calls()
        self.exercise(subject)
        recorded = {call: count - before_calls[call]
                    for call, count in self.table.all_calls().items()}
        subject.check_serves()
        return subject, recorded

    def check_after(self, subject, fault):
        """True if it is as before, and can be used for the next one. A FIFO that may not be opened
        any more is given up."""
        if (fault.call, fault.how) == ("open64", "EACCES") and "FIFO is gone" in subject.server.log():
            return False
        subject.check_idle(fault)
        return True

    def run_on(self, name, options):
        self.tally = faults.Tally(name)
        self.failed_before = {}
        subject, recorded = self.begin(options)
        problems = []
        for fault in self.faults_of(recorded):
            try:
                self.try_fault(subject, fault)
                is_as_before = self.check_after(subject, fault)
            except (AssertionError, OSError) as problem:
                problems.append(f"{fault}: {problem}")
                self.table.disarm(fault.call)
                is_as_before = False
            if not is_as_before:
                subject.close()
                subject, _ = self.begin(options)
        subject.check_sleeps()
        subject.stop()
        self.tally.close()
        if problems:
            self.fail(f"{len(problems)} problems:\n" + "\n".join(problems))
        self.assertGreater(sum(self.tally.injected.values()), 50)

    def test_serving(self):
        self.run_on("server-serving", ())

    def test_serving_without_disk_readers(self):
        self.run_on("server-no-readers", ("--disk-readers", "0"))


if __name__ == "__main__":
    unittest.main()

"""The shipped programs, whole, with faults put in by strace: requests, loads and packs go on while
calls fail again and again, and whatever is answered is right to the byte.
"""
import os
import tempfile
import threading
import unittest
from pathlib import Path

import faults
import cairn
from cairn import wait_until
from subject import Site, ask, ask_slowly, command

# (what fails, how, when): after some calls of a thread, and then each n-th one again. START: behind
# those that the main thread makes while it starts.
PATTERNS = (
    ("accept4", "error=EMFILE", "3+7"), ("accept4", "error=ECONNABORTED", "2+5"),
    ("accept4", "error=ENOMEM", "4+9"), ("epoll_wait", "error=EINTR", "2+3"),
    ("sendfile", "error=EINTR", "1+4"), ("sendfile", "error=ECONNRESET", "2+9"),
    ("sendto", "error=EAGAIN", "2+5"), ("sendmsg", "error=EPIPE", "3+11"),
    ("recvfrom", "error=EINTR", "2+3"), ("recvfrom", "error=ECONNRESET", "5+9"),
    ("mmap", "error=ENOMEM", "START+2"), ("openat", "error=EMFILE", "START+2"),
    ("write", "error=EINTR", "3+4"), ("poll", "error=EINTR", "2+2"),
)
ROUNDS = 400 if faults.EXHAUSTIVE else 12


class TestStrace(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="cairn-faults-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.socket_path = os.path.relpath(self.folder / "control.sock")
        self.strace = cairn.strace()
        self.bin = cairn.plain_bin()

    def count_starting(self, site, call):
        """How often the main thread calls it until the server is ready, and until it ends."""
        log = self.folder / f"start-{call}"
        wrapper = [self.strace, "-f", "-qq", "-o", log, "-e", f"trace={call}"]
        with cairn.Server(site.indexes[1], bin_folder=self.bin, wrapper=wrapper,
                          control=[self.socket_path]):
            pass
        lines = log.read_text(errors="replace").splitlines()
        return sum(line.split()[0] == lines[0].split()[0] for line in lines)

    def run_pattern(self, site, call, how, when):
        log = self.folder / f"trace-{call}-{how}"
        if when.startswith("START"):
            when = when.replace("START", str(self.count_starting(site, call) + 1))
        wrapper = [self.strace, "-f", "-qq", "-o", log, "-e", f"trace={call}",
                   "-e", f"inject={call}:{how}:when={when}"]
        with cairn.Server(site.indexes[1], bin_folder=self.bin, wrapper=wrapper,
                          control=[self.socket_path], wait_ready=False) as server:
            server._await_ready()
            problems = []

            def read():
                try:
                    for _ in range(ROUNDS):
                        ask(server.address, ["/small.bin", "/", "/large.bin"], [1, 2])
                        ask_slowly(server.address, "/large.bin", [1, 2])
                except AssertionError as problem:
                    problems.append(problem)

            readers = [threading.Thread(target=read) for _ in range(3)]
            for reader in readers:
                reader.start()
            for i in range(ROUNDS):
                reply = command(self.socket_path, f"load index {site.indexes[1 + i % 2]}")
                self.assertTrue(reply == "" or reply.startswith(("ok ", "error ")), reply)
            for reader in readers:
                reader.join()
            self.assertEqual([], problems)
            wait_until(lambda: ask(server.address, ["/"], [1, 2]), "an answer")
        injected = log.read_text(errors="replace").count("(INJECTED)")
        self.assertGreater(injected, 0, "no fault came about")
        return injected

    def test_serving(self):
        site = Site(self.folder)
        tally = faults.Tally("strace-serving")
        for call, how, when in PATTERNS:
            with self.subTest(f"{call} {how} {when}"):
                tally.add(call, self.run_pattern(site, call, how, when), "served")
        tally.close()


if __name__ == "__main__":
    unittest.main()

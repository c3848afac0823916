"""Each call that cairn-serve makes fails in turn: while it starts, while it answers requests, and
while it takes commands. It does not start and says why, or serves; each answer is right to the byte
or ends early with its connection; no command is answered with ok that was not carried out; and
afterwards it serves, holds the descriptors that it held before, and sleeps when nothing happens.
"""
import os
import socket
import tempfile
import time
import unittest
from pathlib import Path

import faults
import cairn
from cairn import Client, Server, noise, pack, wait_until, write_tree
from faults import Fault

ENVIRONMENT = {"ASAN_OPTIONS": "allocator_may_return_null=1"}
PLAIN = cairn.PLAIN_BIN or cairn.BIN
LIMIT_S = 60
PAGES = {
    1: {"index.html": "<h1>release one</h1>", "large.bin": noise(1_500_000, 1),
        "small.bin": noise(3000, 3)},
    2: {"index.html": "<h1>release two</h1>", "large.bin": noise(1_300_000, 2),
        "small.bin": noise(2000, 4)},
}
TARGETS = {"/": "index.html", "/large.bin": "large.bin", "/small.bin": "small.bin"}


def content(release, target):
    data = PAGES[release][TARGETS[target]]
    return data.encode() if isinstance(data, str) else data


class Site:
    """An archive with the two releases."""

    def __init__(self, folder):
        self.folder = folder
        self.indexes = {}
        for release, files in PAGES.items():
            tree = write_tree(folder / f"tree-{release}", files, 1600000000 + release)
            pack(tree, folder / "site.cairn", bin_folder=PLAIN)
            self.indexes[release] = folder / f"site.{release:06}.idx"


# ---- clients ----


class Wrong(AssertionError):
    pass


def read_answer(client, targets, releases):
    """The answers to these targets, in order: each one is a release's, whole, or the connection
    ends. True: all came. A site whose files could not be read may say 503."""
    for target in targets:
        try:
            response = client.read()
        except (EOFError, ConnectionError):
            return check_rest(bytes(client._buffer), target, releases)
        if response.status == 503:
            continue
        bodies = [content(release, target) for release in releases]
        if response.status != 200 or response.body not in bodies:
            raise Wrong(f"{target}: {response.status_line}, {len(response.body)} wrong bytes")
        if int(response["content-length"]) != len(response.body):
            raise Wrong(f"{target}: a length of {response['content-length']}")
    return True


def check_rest(rest, target, releases):
    """What came of an answer before the connection ended is the beginning of a right one."""
    head, found, body = rest.partition(b"\r\n\r\n")
    if not b"HTTP/1.1 ".startswith(rest[:9]):
        raise Wrong(f"{target}: {rest[:80]!r}")
    if found and b" 200 " in head[:14]:
        if not any(content(release, target).startswith(body) for release in releases):
            raise Wrong(f"{target}: wrong bytes before the end")
    return False


def ask(address, targets, releases):
    try:
        with Client(address, timeout_s=LIMIT_S) as client:
            for target in targets:
                client.send(cairn.request(target))
            return read_answer(client, targets, releases)
    except ConnectionError:
        return False


def ask_slowly(address, target, releases):
    """The request in two pieces, and the answer through a small window."""
    try:
        with Client(address, timeout_s=LIMIT_S, receive_buffer=4096) as client:
            data = cairn.request(target)
            client.send(data[:20])
            client.send(data[20:])
            return read_answer(client, [target], releases)
    except ConnectionError:
        return False


def command(path, line):
    """The last line of a reply over the socket; "" if the connection ended without one."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(LIMIT_S)
        try:
            client.connect(os.path.relpath(path))
            client.sendall(line.encode() + b"\n")
            text = b""
            while piece := client.recv(65536):
                text += piece
                last = text.decode().splitlines()[-1] if text.endswith(b"\n") else ""
                if last.startswith(("ok ", "error ")):
                    return last
        except (ConnectionError, FileNotFoundError):
            pass
    return ""


# ---- the server ----


class Subject:
    """A server with faults, all its kinds of channels, and two releases to go back and forth."""

    def __init__(self, folder, table, site, workers=1, options=()):
        self.site = site
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.socket = self.folder / "control.sock"
        self.fifo = self.folder / "control.fifo"
        os.mkfifo(self.fifo)
        self.server = Server(
            site.indexes[1], workers=workers, control=[os.path.relpath(self.socket), self.fifo],
            listen=["127.0.0.1:0", f"unix:{os.path.relpath(self.folder / 'http.sock')}"],
            options=["--access-log", self.folder / "log", *options],
            env={**ENVIRONMENT, **table.environment}, wait_ready=False,
            program="cairn-serve-faults")
        self.release = 1

    def await_ready(self):
        self.server._await_ready()

    def descriptors(self):
        """What it holds, links resolved. A release that could not share the mapping of the one
        before it has its archive open once more, as long as it is in the list."""
        names = []
        for name in os.listdir(f"/proc/{self.server.pid}/fd"):
            try:
                names.append(os.readlink(f"/proc/{self.server.pid}/fd/{name}").split(":")[0])
            except FileNotFoundError:
                pass
        archives = {name for name in names if name.endswith(".cairn")}
        return sorted(archives) + sorted(name for name in names if name not in archives)

    def processor_ticks(self):
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def check_sleeps(self):
        """It does not turn in circles: within a second it uses less than half of one."""
        before = self.processor_ticks()
        time.sleep(1)
        used = (self.processor_ticks() - before) / os.sysconf("SC_CLK_TCK")
        if used > 0.5:
            raise AssertionError(f"idle, but {used:.2f} s of processor time within 1 s")

    def traffic(self):
        """Every kind of request. How many connections came to their end."""
        address = self.server.address
        releases = [self.release]
        return sum([ask(address, ["/"], releases), ask(address, ["/large.bin"], releases),
                    ask(address, ["/small.bin", "/", "/large.bin", "/"], releases),
                    ask_slowly(address, "/large.bin", releases)])

    def load(self, release):
        """Over the socket; what the reply says is what is served afterwards."""
        reply = command(self.socket, f"load index {self.site.indexes[release]}")
        if reply.startswith("ok "):
            self.release = release
        elif reply == "":  # who was cut off does not know: it is one of the two
            wait_until(lambda: command(self.socket, "list"), "a list")
            self.find_release()
        return reply

    def find_release(self):
        def found():
            for release in PAGES:
                try:
                    if ask(self.server.address, ["/small.bin"], [release]):
                        return release
                except Wrong:
                    pass
            return 0
        self.release = wait_until(found, "an answer")

    def check_serves(self):
        """As if nothing had been. A release whose files could not be read is loaded again."""
        def heals():
            reply = command(self.socket, f"load index {self.site.indexes[self.release]}")
            return reply.startswith("ok ") or self.server.process.poll() is not None
        wait_until(heals, "the release")
        if self.server.process.poll() is not None:
            raise AssertionError("it ended")
        with Client(self.server.address, timeout_s=LIMIT_S) as client:
            for target in TARGETS:
                response = client.get(target)
                if (response.status, response.body) != (200, content(self.release, target)):
                    raise Wrong(f"{target}: {response.status_line} after the fault")

    def stop(self):
        self.server.stop()
        self.server._holder.cleanup()


# ---- starting ----


class TestStart(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="cairn-faults-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.site = Site(self.folder)
        self.tally = faults.Tally("server-start")

    def start(self, table):
        """(exit code, or None if it serves; its log)"""
        subject = Subject(self.folder, table, self.site)
        server = subject.server
        first = server.read_line(LIMIT_S)
        if first is None:
            server.process.wait(LIMIT_S)
            left = [path.name for path in subject.folder.iterdir() if path.is_socket()]
            if server.process.returncode >= 0 and left:
                raise AssertionError(f"sockets are left: {left}")
            return server.process.returncode, server.log()
        server.ready = first
        server.ports = [int(first.split()[1].rstrip("/").rsplit(":", 1)[1])]
        try:
            subject.check_serves()
        except AssertionError:
            if server.process.poll() is None:
                raise
            return server.process.returncode, server.log()
        server.stop()
        return None, server.log()

    def try_fault(self, fault):
        with faults.Table(self.folder) as table:
            table.arm(fault)
            code, log = self.start(table)
            failed = table.failed(fault.call)
        cairn.check_no_report(log, "cairn-serve")
        if code is None:
            outcome = "served"
        elif code == -6 and fault.call in faults.MEMORY and "cairn: out of memory (" in log:
            outcome = "out of memory"
        elif code in (1, 2):
            sentences = [line for line in log.splitlines() if line.startswith("cairn-serve: ")]
            if not sentences or (fault.text is not None and fault.text not in log):
                raise AssertionError(f"the cause is not named: {log!r}")
            outcome = "did not start, with a sentence"
        else:
            raise AssertionError(f"exit code {code}: {log}")
        self.tally.add(fault.call, failed, outcome if failed else "not reached")

    def test_start(self):
        with faults.Table(self.folder) as table:
            subject = Subject(self.folder, table, self.site)
            subject.await_ready()
            recorded = table.all_calls()
            subject.stop()
        # The first write is the line that says `ready`: lost with an error, and nobody can be told.
        chosen = [fault for fault in faults.choose(recorded, 10000 if faults.EXHAUSTIVE else 2)
                  if not (fault.call == "write" and fault.first == 1
                          and fault.how in ("EIO", "ENOSPC", "EDQUOT", "EPIPE"))]
        problems = faults.in_parallel(self.try_fault, chosen)
        self.tally.close()
        self.assertGreater(sum(self.tally.injected.values()), 50)
        if problems:
            self.fail(f"{len(problems)} problems:\n" + "\n".join(problems))


# ---- serving ----

# What ends the process, by design, when there is no memory; the rest of calls.txt is tried.
NOT_WHILE_SERVING = faults.MEMORY
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

    def check_idle(self, subject, before, what):
        wait_until(lambda: subject.descriptors() == before,
                   f"the descriptors after {what}: {before} now {subject.descriptors()}", LIMIT_S)

    def faults_of(self, recorded):
        places = 40 if faults.EXHAUSTIVE else 1
        for fault in faults.choose(recorded, places):
            if fault.call not in NOT_WHILE_SERVING and fault.count == 1:
                yield fault
        for call, hows in STORMS.items():
            for how in hows:
                yield Fault(call, how, 1, 20)

    def run_on(self, name, options):
        self.tally = faults.Tally(name)
        self.failed_before = {}
        subject = Subject(self.folder, self.table, self.site, options=options)
        subject.await_ready()
        self.exercise(subject)
        before_calls = self.table.all_calls()
        self.exercise(subject)
        recorded = {call: count - before_calls[call]
                    for call, count in self.table.all_calls().items()}
        subject.check_serves()
        wait_until(lambda: command(subject.socket, "status"), "a status")
        descriptors = wait_until(lambda: steady(subject.descriptors), "steady descriptors")
        problems = []
        for fault in self.faults_of(recorded):
            try:
                self.try_fault(subject, fault)
                self.check_idle(subject, descriptors, fault)
            except (AssertionError, OSError) as problem:
                problems.append(f"{fault}: {problem}")
                self.table.disarm(fault.call)
                if subject.server.process.poll() is not None:
                    break
        if not problems:
            subject.check_sleeps()
            subject.stop()
        else:
            subject.server.kill()
        self.tally.close()
        self.assertGreater(sum(self.tally.injected.values()), 50)
        if problems:
            self.fail(f"{len(problems)} problems:\n" + "\n".join(problems))

    def test_serving(self):
        self.run_on("server-serving", ())

    def test_serving_without_disk_readers(self):
        self.run_on("server-no-readers", ("--disk-readers", "0"))


def steady(measure):
    """What is measured, once it is the same twice."""
    first = measure()
    time.sleep(0.05)
    return first if measure() == first else None


def write_fifo(path, text):
    """Whoever writes to a control FIFO; nobody may be reading it just now."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


if __name__ == "__main__":
    unittest.main()

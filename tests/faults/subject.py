"""A server that faults are tried on: its site, its clients, which know what is right to the byte,
and what must hold of it whatever fails.
"""
import os
import re
import socket
import tempfile
from pathlib import Path

import cairn
from cairn import Client, Server, noise, pack, wait_until, write_tree

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
    """An archive with the two releases, in a folder of its own."""

    def __init__(self, folder, *options, large=False):
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.folder.chmod(0o755)
        self.indexes = {}
        for release, files in PAGES.items():
            if large:  # more than one thread hashes
                files = {**files, "huge.bin": noise(17 << 20, 6)}
            tree = write_tree(self.folder / f"tree-{release}", files, 1600000000 + release)
            pack(tree, self.folder / "site.cairn", *options, bin_folder=PLAIN)
            self.indexes[release] = self.folder / f"site.{release:06}.idx"


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

    def __init__(self, folder, table, site, workers=1, options=(), index=None, owner=None,
                 bin_folder=None):
        self.site = site
        self.table = table
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.socket = self.folder / "control.sock"
        self.fifo = self.folder / "control.fifo"
        os.mkfifo(self.fifo)
        if owner is not None:  # whom it becomes: its sockets are in a folder of its own
            os.chown(self.folder, owner, -1)
            os.chown(self.fifo, owner, -1)
        self.server = Server(
            index or site.indexes[1], workers=workers, bin_folder=bin_folder,
            control=[os.path.relpath(self.socket), self.fifo],
            listen=["127.0.0.1:0", f"unix:{os.path.relpath(self.folder / 'http.sock')}"],
            options=["--access-log", self.folder / "log", *options],
            env={**ENVIRONMENT, **table.environment}, wait_ready=False,
            program="cairn-serve-faults")
        self.release = 1

    def await_ready(self):
        """Then it has no connections yet: what it holds is what it holds when it is idle."""
        self.server._await_ready()
        self.idle_descriptors = self.descriptors()

    def is_running(self):
        return self.server.process.poll() is None

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

    def check_idle(self, what):
        """It holds what it held before there were connections, commands and faults."""
        def is_idle():
            return self.descriptors() == self.idle_descriptors
        try:
            wait_until(is_idle, "it lets go", LIMIT_S)
        except AssertionError:
            raise AssertionError(f"after {what} it holds {self.descriptors()}, not "
                                 f"{self.idle_descriptors}") from None

    def sleeps(self):
        """How often its threads went to sleep so far."""
        count = 0
        for path in Path(f"/proc/{self.server.pid}/task").iterdir():
            try:
                status = (path / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            count += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M).group(1))
        return count

    def check_rests(self, call, times=5):
        """While `call` fails again and again, it sleeps each time before it tries once more."""
        sleeps, failed = self.sleeps(), self.table.failed(call)
        wait_until(lambda: self.table.failed(call) >= failed + times, f"{call} fails {times} times")
        tries = self.table.failed(call) - failed
        slept = self.sleeps() - sleeps
        if tries > slept + 2:
            raise AssertionError(f"{call} was tried {tries} times, with {slept} sleeps")

    def check_sleeps(self, commands=50):
        """It does not turn in circles: a wait that finds nothing to do is one that sleeps. Each
        command wakes it a few times."""
        sleeps, waits = self.sleeps(), self.waits()
        for _ in range(commands):
            command(self.socket, "help")
        waited = self.waits() - waits
        slept = self.sleeps() - sleeps
        if waited > slept + 10 * commands:
            raise AssertionError(f"{waited} waits with {slept} sleeps in {commands} commands")

    def waits(self):
        return self.table.calls("epoll_wait") + self.table.calls("poll")

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
            try:
                with Client(self.server.address, timeout_s=LIMIT_S) as client:
                    response = client.get("/small.bin")
            except (EOFError, ConnectionError):
                return 0
            return next((release for release in PAGES if response.status == 200
                         and response.body == content(release, "/small.bin")), 0)
        self.release = wait_until(found, "an answer")

    def check_serves(self):
        """As if nothing had been. A release whose files could not be read is loaded again."""
        def heals():
            reply = command(self.socket, f"load index {self.site.indexes[self.release]}")
            return reply.startswith("ok ") or not self.is_running()
        wait_until(heals, "the release")
        if not self.is_running():
            raise AssertionError("it ended")
        self.check_answers()

    def check_answers(self):
        try:
            with Client(self.server.address, timeout_s=LIMIT_S) as client:
                for target in TARGETS:
                    response = client.get(target)
                    if (response.status, response.body) != (200, content(self.release, target)):
                        raise Wrong(f"{target}: {response.status_line} after the fault")
        except EOFError as problem:
            raise Wrong(f"it closed after the fault: {problem}") from None

    def stop(self):
        self.server.stop()
        self.close()

    def close(self):
        """Ends it if it still runs, and gives back what it held here."""
        self.server.kill()
        self.server._holder.cleanup()


def threads(pid):
    """The fields of each thread's /proc/PID/task/TID/status; the main thread has its TID as Tgid."""
    found = []
    for path in Path(f"/proc/{pid}/task").iterdir():
        try:
            lines = (path / "status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
    return found


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

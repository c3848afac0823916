"""Where attacks take place: a server, a client that wants nothing but pages, and what is measured.

The bystander is a process of its own that fetches files without a pause, over kept connections and
new ones, and compares every byte. An attack goes on until the bystander has had so many more answers;
so no clock decides how much of both there was. Memory is the peak that the system itself keeps
(VmHWM of /proc/PID/status, set back when an attack begins), compared with a bound that is computed:

    peak <= at rest + SLACK_BYTES + connections * (CONN_BYTES + what the attack makes one keep)
"""
import ctypes
import multiprocessing
import os
import random
import re
import resource
import select
import signal
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wire"))
import cairn

HEAD_BYTES = 16384         # --limit head-size
READ_BYTES = 16384         # server/http/limits.h
ALLOCATION_BYTES = 16      # what malloc adds, at most
CONN_BYTES = 128 + ALLOCATION_BYTES
BUFFER_BYTES = 96 + ALLOCATION_BYTES  # struct conn_buffer without its bytes
INPUT_BYTES = BUFFER_BYTES + 2 * max(HEAD_BYTES, READ_BYTES)  # it doubles as it grows
RANGES = 100               # --limit range-count
SITE_HEAD_BYTES = 1024     # the longest head of a file of this site, and the text of a part
PARTS_BYTES = 256 + 16 * RANGES + ALLOCATION_BYTES
# Freed pieces between others, stacks that were not used before, pages of the program and the index
# that are touched for the first time.
SLACK_BYTES = 4 << 20

FORK = multiprocessing.get_context("fork")

FILES = {
    "index.html": b"<!doctype html><title>page</title>\n" * 20,
    "small.txt": b"small\n",
    "style.css": cairn.noise(12_000, "style"),
    "image.png": cairn.noise(90_000, "image"),
    "lines.txt": b"".join(b"%09d\n" % number for number in range(20_000)),
    "big.bin": cairn.noise(8_000_000, "big"),
}
PAGES = ["index.html", "small.txt", "style.css", "image.png", "lines.txt"]


def raise_descriptors():
    """As many as may be; returns how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


# ---- the bystander ----


class Counts(ctypes.Structure):
    _fields_ = [("answers", ctypes.c_uint64), ("wrong", ctypes.c_uint64),
                ("refused", ctypes.c_uint64), ("reopened", ctypes.c_uint64),
                ("times", ctypes.c_double * 65536), ("example", ctypes.c_char * 300)]


class Bystander:
    """`answers` of `wrong` bytes or status; `refused`: requests on a new connection that had no
    whole answer; `reopened`: kept connections that the server ended while they were idle, which any
    client has to expect (RFC 9112 §9.5)."""

    def __init__(self, address):
        self.address = address
        self.counts = FORK.RawValue(Counts)
        self.is_over = FORK.Event()
        self.process = FORK.Process(target=self._run, daemon=True)
        self.process.start()

    def _run(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        choice = random.Random(7)
        client = None
        while not self.is_over.is_set():
            is_kept = client is not None
            name = choice.choice(PAGES)
            started = time.perf_counter()
            try:
                client = client or cairn.Client(self.address)
                answer = client.get("/" + name)
            except (OSError, EOFError, ValueError) as problem:
                if is_kept and not client.has_begun():
                    self.counts.reopened += 1
                else:
                    self._note("refused", f"/{name}: {problem!r}")
                client = self._drop(client)
                continue
            self.counts.times[self.counts.answers % 65536] = time.perf_counter() - started
            if (answer.status, answer.body) != (200, FILES[name]):
                self._note("wrong", f"/{name}: {answer.status_line}, {len(answer.body)} bytes")
            self.counts.answers += 1
            if choice.random() < 0.5:
                client = self._drop(client)
        self._drop(client)

    def _note(self, kind, text):
        setattr(self.counts, kind, getattr(self.counts, kind) + 1)
        self.counts.example = f"{kind}: {text}".encode()[:299]

    @staticmethod
    def _drop(client):
        if client is not None:
            client.close()

    def wait_answers(self, more):
        """Until it has had so many more answers, or been refused as often."""
        counts = self.counts
        before = counts.answers + counts.refused
        cairn.wait_until(lambda: counts.answers + counts.refused >= before + more or
                         not self.process.is_alive(), f"{more} answers for the bystander")
        if not self.process.is_alive():
            raise AssertionError("the bystander died")

    def p99_ms(self):
        count = min(self.counts.answers, 65536)
        times = sorted(self.counts.times[:count])
        return times[int(count * 0.99)] * 1000 if times else 0.0

    def end(self):
        self.is_over.set()
        self.process.join(cairn.PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()


# ---- attackers ----


class Crowd:
    """Many sockets that do not block, from 127.0.0.2 on: as clients of their own, and because one
    address has only so many ports."""
    AT_ONCE = 500            # connections that are being made: fewer than a backlog holds
    PORTS = 5000             # of each address

    def __init__(self, address, receive_buffer=None, first=2):
        self.address = address
        self.receive_buffer = receive_buffer
        self.first = first
        self.sockets = []

    def open(self, count):
        """Makes so many connections more. Those that the server ends at once count as made."""
        left = count
        while left > 0:
            batch = [self._connect() for _ in range(min(left, self.AT_ONCE))]
            waiting = select.poll()
            for each in batch:
                waiting.register(each, select.POLLOUT)
            pending = {each.fileno() for each in batch}
            deadline = time.monotonic() + cairn.PATIENCE_S
            while pending:
                for fd, _ in waiting.poll(1000):
                    pending.discard(fd)
                    waiting.unregister(fd)
                if time.monotonic() > deadline:
                    raise AssertionError(f"{len(pending)} connections are not taken")
            self.sockets += batch
            left -= len(batch)
        return self

    def _connect(self):
        each = socket.socket()
        each.setblocking(False)
        if self.receive_buffer is not None:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        each.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        place = self.first + len(self.sockets) // self.PORTS
        each.bind((f"127.0.0.{place}", 0))
        try:
            each.connect(self.address)
        except BlockingIOError:
            pass
        return each

    def send(self, data, which=None):
        """To all, or those given, as much as each takes; returns how many bytes went out."""
        total = 0
        for each in self.sockets if which is None else which:
            try:
                total += each.send(data)
            except (BlockingIOError, ConnectionError):
                pass
        return total

    def send_whole(self, data):
        """To all, waiting for room where needed; those that the server has ended are passed over."""
        for each in self.sockets:
            left = memoryview(data)
            try:
                while left:
                    try:
                        left = left[each.send(left):]
                    except BlockingIOError:
                        if not select.select([], [each], [], cairn.PATIENCE_S)[1]:
                            raise AssertionError("the server takes no more") from None
            except ConnectionError:
                pass

    def receive(self, most):
        """What has come, up to `most` bytes from each; returns how many in all."""
        total = 0
        for each in self.sockets:
            try:
                total += len(each.recv(most))
            except (BlockingIOError, ConnectionError):
                pass
        return total

    def answers(self):
        """Everything up to the end that the server makes, of each. A reset ends it too."""
        got = []
        for each in self.sockets:
            each.settimeout(cairn.PATIENCE_S)
            piece = whole = b""
            try:
                while piece := each.recv(262144):
                    whole += piece
            except ConnectionError:
                pass
            got.append(whole)
        return got

    def close(self):
        for each in self.sockets:
            each.close()
        self.sockets = []

    def reset(self, which=None):
        """Ends them by RST (SO_LINGER 0)."""
        for each in list(self.sockets if which is None else which):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            each.close()
        kept = [] if which is None else [each for each in self.sockets if each.fileno() >= 0]
        self.sockets = kept


# ---- the stage ----


@dataclass
class Result:
    name: str
    connections: int = 0   # at a time, most
    requests: int = 0      # sent by attackers, or begun
    rest_bytes: int = 0
    peak_bytes: int = 0
    bound_bytes: int = 0
    answers: int = 0       # the bystander's
    wrong: int = 0
    refused: int = 0
    reopened: int = 0
    p99_ms: float = 0.0
    problems: list = field(default_factory=list)


class Stage:
    """A context manager: packs the site, starts the server and the bystander, and ends all."""

    def __init__(self, binaries, size, options=(), descriptors=None, control=(), workers=2,
                 seconds=20):
        self.binaries = binaries
        self.size = size
        self.options = options
        self.descriptors = descriptors
        self.control_names = control
        self.workers = workers
        self.seconds = seconds
        self.crowds = []
        self.stack = ExitStack()

    def __enter__(self):
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="cairn-")))
        tree = cairn.write_tree(self.folder / "tree", FILES)
        index = cairn.pack(tree, self.folder / "site.cairn", "--effort", "none",
                           bin_folder=self.binaries)
        self.controls = [self.folder / name for name in self.control_names]
        for path in self.controls:
            if path.suffix == ".fifo":
                os.mkfifo(path)
        self.server = self.stack.enter_context(cairn.Server(
            index, workers=self.workers, options=self.options, control=self.controls,
            bin_folder=self.binaries))
        for name in FILES:
            self.server.get("/" + name)
        if self.descriptors is not None:
            resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (self.descriptors,) * 2)
        self.at_rest()
        # one that is not counted any more may be closed a moment later
        self.start = min(self.descriptor_count() for _ in range(50) if not time.sleep(0.002))
        self.bystander = Bystander(self.server.address)
        self.stack.callback(self.bystander.end)
        self.bystander.wait_answers(50)
        return self

    def __exit__(self, *problem):
        self.send_away()
        return self.stack.__exit__(*problem)

    def status(self, name):
        return int(re.search(rf" {name}=(\d+)", self.server.command("status")).group(1))

    def descriptor_count(self):
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    def at_rest(self):
        cairn.wait_until(lambda: self.status("connections") == 0, "no connection is open")

    def memory(self, name):
        text = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M).group(1)) * 1024

    def crowd(self, **keywords):
        crowd = Crowd(self.server.address, **keywords)
        self.crowds.append(crowd)
        return crowd

    def send_away(self):
        for crowd in self.crowds:
            crowd.close()
        self.crowds = []

    def run(self, attack):
        """Carries the attack out, and tells what came of it. The bystander goes on afterwards until
        the server is as it was."""
        result = Result(attack.name)
        self.bystander.wait_answers(20)
        Path(f"/proc/{self.server.pid}/clear_refs").write_text("5")  # the peak begins anew
        result.rest_bytes = self.memory("VmRSS")
        attack.perform(self, result)
        self.bystander.wait_answers(20)
        result.peak_bytes = self.memory("VmHWM")
        result.bound_bytes = (result.rest_bytes + SLACK_BYTES + attack.extra_bytes +
                              result.connections * (CONN_BYTES + attack.kept_bytes))
        self.bystander.end()
        self.send_away()
        counts = self.bystander.counts
        for name in ("answers", "wrong", "refused", "reopened"):
            setattr(result, name, getattr(counts, name))
        result.p99_ms = self.bystander.p99_ms()
        if counts.wrong + counts.refused > 0:
            result.problems.append(counts.example.decode(errors="replace"))
        self.at_rest()
        cairn.wait_until(lambda: self.descriptor_count() <= self.start,
                         f"{self.start} descriptors are open again")
        return result

#!/usr/bin/env python3
"""Do bodies that are not in the page cache delay those that are?

    tests/bench/cold.py BIN_FOLDER [--seconds N] [--rounds N] [--servers "NAME;NAME"]
                        [--megabytes N] [--kilobytes LEAST-MOST] [--order random|turn]
                        [--cache MEGABYTES] [--evict-always] [--disk-bps BYTES] [--only-slow]
                        [--folder FOLDER] [--json FILE]

BIN_FOLDER holds cairn-pack and cairn-serve. Needs two processors, and twice --megabytes on a disk
in TMPDIR. Best as root: the clients are not made to wait for each other or for other programs then,
and the disk can be slowed down.

Each server is one process on processor 0: its loop, and the threads that read for it if it has any.
A warm client on processor 1 asks for small files, at a steady pace over a few connections, and
compares every byte. It is timed in three settings:

  quiet    nobody else asks
  memory   other connections fetch large files that are in the page cache, at the pace of the disk
  cold     other connections fetch large files that are not, as fast as they come

`memory` tells what sharing a processor with large answers costs, so the ratio of `cold` to it is
what the disk costs. A time runs from when a connection was free for the request or, if the request
had to wait for one, from when it was due.

Files are cold because their pages are dropped (posix_fadvise(2)) as soon as they were fetched; with
--cache, when so many megabytes were fetched after them, as a page cache of that size would do: then
some are fetched again while they are there, and some when they have just gone. With --evict-always
everything is dropped ten times a second, also what is under way: harsher than any page cache. That
files were cold shows in what the server's reads took from the disk (/proc/PID/io: read_bytes): the
system does not drop pages that it keeps together with those of a neighbour, so files of less than
some hundred --kilobytes stay in part.

The disk is measured as it is and, where the blkio controller of cgroup version 1 can be used,
slowed down to --disk-bps for all servers alike (0: not).
"""
import argparse
import contextlib
import gc
import json
import mmap
import multiprocessing
import os
import random
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from pathlib import Path

import peers

WARM_FILES = 64
WARM_BYTES = 4096
WARM_CONNECTIONS = 8
WARM_PACE = 2000  # requests a second
COLD_CONNECTIONS = 16
MEMORY_BYTES = 200 << 20  # of the cold files: those that are fetched from memory
PATIENCE_S = 30
PROBE_BYTES = 64 << 20
AIM = 1.5
FORK = multiprocessing.get_context("fork")
CGROUP = Path("/sys/fs/cgroup")


# ---- what is served ----

@dataclass(frozen=True)
class Piece:
    """A cold file, where its bytes lie for one server."""
    target: str
    path: Path
    offset: int
    bytes: int


def write_file(path, content):
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # only clean pages can be dropped


def write_tree(folder, binaries, megabytes, sizes):
    """tree/warm and tree/cold; warm.cairn and cold.cairn."""
    tree = folder / "tree"
    (tree / "warm").mkdir(parents=True)
    noise = random.Random(5)
    for number in range(WARM_FILES):
        write_file(tree / "warm" / f"w{number:02}.bin", noise.randbytes(WARM_BYTES))
    pack(binaries, tree, folder / "warm.cairn")
    (tree / "cold").mkdir()
    left = megabytes << 20
    number = 0
    while left > 0:
        size = noise.randint(*sizes)
        write_file(tree / "cold" / f"c{number:06}.bin", os.urandom(size))
        left -= size
        number += 1
    pack(binaries, tree / "cold", folder / "cold.cairn")


def pack(binaries, tree, archive):
    subprocess.run([binaries / "cairn-pack", "add", "--quiet", "--effort", "none", tree, archive],
                   check=True, stdout=subprocess.DEVNULL)
    with archive.open("rb") as file:
        os.fsync(file.fileno())


def cold_files(folder):
    return sorted((folder / "tree" / "cold").iterdir())


def pieces_of_tree(folder):
    return [Piece(f"/cold/{path.name}", path, 0, path.stat().st_size)
            for path in cold_files(folder)]


def pieces_of_archive(folder):
    """The files again, found in the archive by how they begin: it has them in the same order."""
    archive = folder / "cold.cairn"
    pieces = []
    at = 0
    with archive.open("rb") as file, \
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for path in cold_files(folder):
            with path.open("rb") as original:
                start = original.read(64)
            at = content.find(start, at)
            if at < 0:
                raise SystemExit(f"{path} is not in {archive}")
            pieces.append(Piece(f"/cold/{path.name}", archive, at, path.stat().st_size))
            at += pieces[-1].bytes
    return pieces


class Pages:
    """The pages that hold the pieces: so many bytes of those that were used last stay."""

    def __init__(self, pieces, room=0):
        self.files = {path: os.open(path, os.O_RDONLY) for path in {each.path for each in pieces}}
        self.room = room
        self.used = OrderedDict()

    def drop(self, piece):
        os.posix_fadvise(self.files[piece.path], piece.offset, piece.bytes, os.POSIX_FADV_DONTNEED)

    def use(self, piece):
        """It was fetched: the oldest have to go."""
        if self.used.pop(piece, None) is None:
            self.room -= piece.bytes
        self.used[piece] = True
        while self.room < 0:
            oldest, _ = self.used.popitem(last=False)
            self.room += oldest.bytes
            self.drop(oldest)

    def drop_all(self):
        for descriptor in self.files.values():
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def fill(self, piece):
        done = 0
        while done < piece.bytes:
            done += len(os.pread(self.files[piece.path], min(1 << 20, piece.bytes - done),
                                 piece.offset + done))

    def close(self):
        for descriptor in self.files.values():
            os.close(descriptor)


# ---- clients ----

class Connection:
    """One request at a time; its answer is taken as it comes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.head = b""
        self.left = None  # of the body; None: the head is not whole
        self.asked = None

    def ask(self, what, target):
        self.asked = what
        self.head, self.left = b"", None
        self.socket.send(f"GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())

    def receive(self, buffer):
        """(bytes of the body that came, now in front in `buffer`; is it whole?)"""
        got = self.socket.recv_into(buffer)
        if got == 0:
            raise SystemExit(f"closed before {self.asked} was there")
        if self.left is not None:
            self.left -= got
            return got, self.left == 0
        self.head += bytes(buffer[:got])
        head, end, body = self.head.partition(b"\r\n\r\n")
        if not end:
            return 0, False
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if b" 200 " not in head[:20] or length is None:
            raise SystemExit(f"{self.asked}: {head.decode('latin-1')}")
        self.length = int(length.group(1))
        self.left = self.length - len(body)
        buffer[:len(body)] = body
        return len(body), self.left == 0


def take_processor(number, is_urgent):
    """Its own processor; urgent: the other clients there do not make it wait."""
    os.sched_setaffinity(0, {number})
    gc.disable()
    if is_urgent:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            print("    the warm client waits for the other clients too: no SCHED_FIFO", flush=True)


class WarmClient:
    def __init__(self, port, bodies):
        self.bodies = bodies
        self.names = list(bodies)
        self.chooser = random.Random(1)
        self.connections = {}
        for _ in range(WARM_CONNECTIONS):
            connection = Connection(port)
            self.connections[connection.socket] = connection
        self.free = deque(self.connections.values())
        self.waiting = deque()  # (when it was due, did it find no connection?)
        self.next_due = self.end = 0
        self.started = {}
        self.texts = {}
        self.buffer = memoryview(bytearray(65536))
        self.times = []

    def take_due(self):
        now = time.perf_counter()
        while self.next_due <= now and self.next_due < self.end:
            self.waiting.append((self.next_due, len(self.waiting) >= len(self.free)))
            self.next_due += 1 / WARM_PACE

    def ask(self):
        while self.waiting and self.free:
            connection = self.free.popleft()
            due, has_waited = self.waiting.popleft()
            name = self.chooser.choice(self.names)
            self.texts[connection] = b""
            # a client that wakes up late is not the server's fault
            self.started[connection] = due if has_waited else time.perf_counter()
            connection.ask(name, f"/warm/{name}")

    def receive(self, connection):
        got, is_whole = connection.receive(self.buffer)
        self.texts[connection] += bytes(self.buffer[:got])
        if is_whole:
            self.times.append(time.perf_counter() - self.started[connection])
            if self.texts[connection] != self.bodies[connection.asked]:
                raise SystemExit(f"{connection.asked}: not its bytes")
            self.free.append(connection)

    def run(self, seconds):
        """The times in seconds; of those that never got a connection, how long they had waited."""
        self.next_due = time.perf_counter()
        self.end = self.next_due + seconds
        while (now := time.perf_counter()) < self.end or len(self.free) < WARM_CONNECTIONS:
            if now > self.end + PATIENCE_S:
                raise SystemExit("a warm answer did not come")
            if now < self.end:
                self.take_due()
                self.ask()
            free = set(self.free)
            busy = [each for each in self.connections if self.connections[each] not in free]
            wait = max(0.0, min(self.next_due - time.perf_counter(), 1.0)) if free else 1.0
            ready = select.select(busy, [], [], wait)[0]
            self.take_due()
            for each in ready:
                self.receive(self.connections[each])
        return self.times + [self.end - due for due, _ in self.waiting if due < self.end]


def ask_warm(port, bodies, seconds, answers):
    take_processor(1, True)
    answers.send(WarmClient(port, bodies).run(seconds))


class Choice:
    """Which file next: by chance, or each in its turn; none that is under way."""

    def __init__(self, pieces, order):
        self.pieces = list(pieces)
        self.order = order
        self.chooser = random.Random(os.getpid())
        self.chooser.shuffle(self.pieces)

    def take(self):
        at = self.chooser.randrange(len(self.pieces)) if self.order == "random" else 0
        return self.pieces.pop(at)

    def give_back(self, piece):
        self.pieces.append(piece)


@dataclass
class Fetching:
    """What the other clients do."""
    pieces: list
    seconds: float
    order: str = "turn"
    room: int | None = None      # bytes that stay in memory; None: all
    drops_always: bool = False
    bytes_per_s: float = 0       # 0: as fast as they come


def ask_cold(port, fetching, answers):
    """Sends how many bytes came a second, and in how many whole answers."""
    take_processor(1, False)
    pages = Pages(fetching.pieces, fetching.room or 0)
    choice = Choice(fetching.pieces, fetching.order)
    buffer = memoryview(bytearray(1 << 20))
    poll = select.epoll()
    by_descriptor = {}
    for _ in range(COLD_CONNECTIONS):
        connection = Connection(port)
        by_descriptor[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
    start = time.perf_counter()
    resting = list(by_descriptor.values())
    total = count = 0
    next_drop = start
    while (now := time.perf_counter()) < start + fetching.seconds:
        if fetching.drops_always and now >= next_drop:
            pages.drop_all()
            next_drop = now + 0.1
        pace = fetching.bytes_per_s
        while resting and (pace == 0 or total <= pace * (now - start)):
            piece = choice.take()
            resting.pop().ask(piece, piece.target)
        for descriptor, _ in poll.poll(0.002):
            connection = by_descriptor[descriptor]
            got, is_whole = connection.receive(buffer)
            total += got
            if is_whole:
                count += 1
                if connection.length != connection.asked.bytes:
                    raise SystemExit(f"{connection.asked}: {connection.length} bytes")
                if fetching.room is not None:
                    pages.use(connection.asked)
                choice.give_back(connection.asked)
                resting.append(connection)
    answers.send((total / (time.perf_counter() - start), count))


def spawn(function, *arguments):
    ours, theirs = FORK.Pipe(False)
    process = FORK.Process(target=function, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def result_of(spawned):
    process, answers = spawned
    try:
        return answers.recv()
    except EOFError:
        raise SystemExit("a client failed: see above") from None
    finally:
        process.join()


# ---- groups of processes ----

class Group:
    """A child of our own group in a controller of cgroup version 1. No folder: there is none."""

    def __init__(self, controller):
        own = re.search(rf"^\d+:(?:\w+,)*{controller}(?:,\w+)*:(.*)$",
                        Path("/proc/self/cgroup").read_text(), re.MULTILINE)
        self.folder = None
        if own is None:
            return
        folder = CGROUP / controller / own.group(1).lstrip("/") / f"cairn-bench-{os.getpid()}"
        try:
            folder.mkdir()
            self.folder = folder
        except OSError:
            return

    def set(self, name, value):
        (self.folder / name).write_text(f"{value}\n")

    def add(self, pid):
        if self.folder is not None:
            self.set("cgroup.procs", pid)

    def close(self):
        """Of processes that have ended."""
        if self.folder is not None:
            self.folder.rmdir()


def disk_of(path):
    """MAJOR:MINOR of the whole disk that the path is on."""
    device = os.stat(path).st_dev
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    if (block / "partition").exists():
        block = block.parent
    return (block / "dev").read_text().strip()


def time_reading(path, bytes, group):
    """Seconds for reading so many bytes that are not in the page cache, in the group."""
    def read(answers):
        if group is not None:
            group.add(os.getpid())
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        start = time.perf_counter()
        for at in range(0, bytes, 1 << 18):
            os.pread(descriptor, 1 << 18, at)
        answers.send(time.perf_counter() - start)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return result_of(spawn(read))


def slow_down(group, folder, bytes_per_s):
    """False: the system does not do it."""
    if group.folder is None:
        return False
    try:
        group.set("blkio.throttle.read_bps_device", f"{disk_of(folder)} {bytes_per_s}")
    except OSError:
        return False
    bytes = min(bytes_per_s, PROBE_BYTES)
    return 0.5 < time_reading(folder / "cold.cairn", bytes, group) / (bytes / bytes_per_s) < 2


# ---- measuring ----

@dataclass
class Variant:
    name: str
    server: peers.Server
    pieces: list


def start_variants(wanted, binaries, folder, tree):
    """Cairn's and nginx's variants, and h2o."""
    archive_pieces, tree_pieces = pieces_of_archive(folder), pieces_of_tree(folder)
    cold_site = [folder / "cold.idx", "at=/cold"]
    starts = {
        "cairn": lambda name: peers.start_cairn(binaries, folder / "warm.cairn", cold_site, name),
        "cairn --disk-readers 0": lambda name: peers.start_cairn(
            binaries, folder / "warm.cairn", ["--disk-readers", "0", *cold_site], name),
        "nginx": lambda name: peers.start_peer("nginx", tree, own_folder(folder, name)),
        "nginx, aio threads": lambda name: peers.start_peer(
            "nginx", tree, own_folder(folder, name), "aio threads;"),
        "h2o": lambda name: peers.start_peer("h2o", tree, own_folder(folder, name)),
    }
    for name in wanted:
        if name not in starts:
            raise SystemExit(f"{name}: none of {', '.join(starts)}")
    for name in wanted or starts:
        server = starts[name](name)
        if server is None:
            print(f"    {name} is not installed: left out", flush=True)
            continue
        yield Variant(name, server, archive_pieces if name.startswith("cairn") else tree_pieces)


def own_folder(folder, name):
    path = folder / re.sub(r"\W+", "-", name)
    path.mkdir(exist_ok=True)
    path.chmod(0o777)
    return path


def disk_bytes(pid):
    return int(re.search(r"^read_bytes: (\d+)", Path(f"/proc/{pid}/io").read_text(),
                         re.MULTILINE).group(1))


def major_faults(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[9])


def disk_reads(variant):
    """Pieces that the loop did not wait for itself, as Cairn counts them."""
    if not variant.name.startswith("cairn"):
        return 0
    variant.server.process.stdin.write(b"status\n")
    variant.server.process.stdin.flush()
    while True:
        line = variant.server.process.stdout.readline().decode()
        if not line:
            raise SystemExit(f"{variant.name} has ended")
        if line.startswith("ok "):
            return int(re.search(r" disk_reads=(\d+)", line).group(1))


def counts(variant):
    pid = variant.server.pid
    return {"disk_mb": disk_bytes(pid) / 1e6, "reads": disk_reads(variant),
            "faults": major_faults(pid), "cpu_s": peers.cpu_us(pid) / 1e6}


def latencies(times):
    """In microseconds."""
    ordered = sorted(seconds * 1e6 for seconds in times)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[len(ordered) * 99 // 100],
            "worst": ordered[-1]}


def fetching_of(variant, options, setting, bytes_per_s):
    if setting == "quiet":
        return None
    seconds = options.seconds + 0.5
    if setting == "cold":
        return Fetching(variant.pieces, seconds, options.order, options.cache << 20,
                        options.evict_always)
    pieces, total = [], 0
    while total < MEMORY_BYTES and len(pieces) < len(variant.pieces):
        pieces.append(variant.pieces[len(pieces)])
        total += pieces[-1].bytes
    return Fetching(pieces, seconds, bytes_per_s=bytes_per_s)


def measure(variant, bodies, options, setting, bytes_per_s=0):
    """One setting of one variant: the warm client's times, and what the others got."""
    fetching = fetching_of(variant, options, setting, bytes_per_s)
    with contextlib.closing(Pages(variant.pieces)) as pages:
        pages.drop_all()
        if setting == "memory":
            for piece in fetching.pieces:
                pages.fill(piece)
    others = spawn(ask_cold, variant.server.port, fetching) if fetching else None
    time.sleep(0.3)
    before = counts(variant)
    times = result_of(spawn(ask_warm, variant.server.port, bodies, options.seconds))
    after = counts(variant)
    figures = {name: (after[name] - before[name]) / options.seconds for name in before}
    rate, count = result_of(others) if others else (0, 0)
    if others and count == 0:
        print(f"    {variant.name}, {setting}: no large answer came to its end", flush=True)
    if setting == "cold" and options.cache == 0 and figures["disk_mb"] < rate / 2e6:
        print(f"    {variant.name}: only {figures['disk_mb']:.0f} of {rate / 1e6:.0f} MB/s came "
              "from the disk: they were not cold", flush=True)
    return latencies(times) | figures | {"rate": rate}


def measure_all(variants, bodies, options):
    rows = {variant.name: [] for variant in variants}
    order = list(variants)
    shuffler = random.Random(3)
    for _ in range(options.rounds):
        shuffler.shuffle(order)
        for variant in order:
            quiet = measure(variant, bodies, options, "quiet")
            cold = measure(variant, bodies, options, "cold")
            memory = measure(variant, bodies, options, "memory", max(cold["rate"], 1e6))
            rows[variant.name].append({"quiet": quiet, "memory": memory, "cold": cold})
    return {name: {setting: {figure: statistics.median(row[setting][figure] for row in of_variant)
                             for figure in of_variant[0][setting]}
                   for setting in of_variant[0]}
            for name, of_variant in rows.items()}


def show(title, figures):
    def of(setting):
        return f"{setting['p50']:,.0f} / {setting['p99']:,.0f} / {setting['worst']:,.0f}"
    print(f"\n{title}. Warm answers in microseconds: p50 / p99 / worst\n")
    print("| server | quiet | beside large files from memory | beside cold files "
          "| p99, cold : memory | cold : quiet | MB/s to the other clients, memory, cold "
          "| MB/s from the disk | disk_reads/s | CPU, memory, cold |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, row in figures.items():
        quiet, memory, cold = row["quiet"], row["memory"], row["cold"]
        reads = f"{cold['reads']:.0f}" if name.startswith("cairn") else ""
        print(f"| {name} | {of(quiet)} | {of(memory)} | {of(cold)} "
              f"| {cold['p99'] / memory['p99']:.2f} | {cold['p99'] / quiet['p99']:.2f} "
              f"| {memory['rate'] / 1e6:.0f}, {cold['rate'] / 1e6:.0f} | {cold['disk_mb']:.0f} "
              f"| {reads} | {memory['cpu_s']:.0%}, {cold['cpu_s']:.0%} |", flush=True)
    if "cairn" in figures:
        ratio = figures["cairn"]["cold"]["p99"] / figures["cairn"]["memory"]["p99"]
        print(f"\ncairn: p99 beside cold files is {ratio:.2f} of that beside warm ones: "
              f"{'within' if ratio <= AIM else 'above'} the aim of {AIM}", flush=True)


# ---- the whole ----

def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", type=Path)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", default="", help="names as in the table, with ; between them")
    parser.add_argument("--megabytes", type=int, default=1500)
    parser.add_argument("--kilobytes", default="1024-4096", help="of a cold file")
    parser.add_argument("--order", choices=("random", "turn"), default="random")
    parser.add_argument("--cache", type=int, default=0, metavar="MEGABYTES")
    parser.add_argument("--evict-always", action="store_true")
    parser.add_argument("--disk-bps", type=int, default=50_000_000)
    parser.add_argument("--only-slow", action="store_true", help="not the disk as it is")
    parser.add_argument("--folder", type=Path,
                        help="make the files there, or use those that are, and leave them")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@contextlib.contextmanager
def served_folder(options):
    """A folder with the tree and the archives."""
    holder = None
    folder = options.folder
    if folder is None:
        holder = tempfile.TemporaryDirectory(prefix="cairn-bench-")
        folder = Path(holder.name)
    try:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        if not (folder / "cold.idx").exists():
            need = (2 * options.megabytes + 500) << 20
            if shutil.disk_usage(folder).free < need:
                raise SystemExit(f"{folder}: less than {need >> 20} MB free")
            sizes = [int(word) << 10 for word in options.kilobytes.split("-")]
            write_tree(folder, options.binaries, options.megabytes, sizes)
        yield folder
    finally:
        if holder is not None:
            holder.cleanup()


def what_is_cold(options):
    if options.evict_always:
        return "dropped all the time"
    if options.cache:
        return f"dropped when {options.cache} MB were fetched after them"
    return "dropped when fetched"


def run(options, folder, stack):
    """Starts the servers; one table for each disk."""
    bodies = {path.name: path.read_bytes() for path in (folder / "tree" / "warm").iterdir()}
    group = Group("blkio")
    stack.callback(group.close)
    variants = []
    names = [name for name in options.servers.split(";") if name]
    for variant in start_variants(names, options.binaries, folder, folder / "tree"):
        variants.append(variant)
        stack.callback(variant.server.stop)
        group.add(variant.server.pid)
    results = {}
    if not options.only_slow:
        speed = PROBE_BYTES / time_reading(folder / "cold.cairn", PROBE_BYTES, None) / 1e6
        results["as it is"] = measure_all(variants, bodies, options)
        show(f"The disk as it is ({speed:.0f} MB/s in a row), files {what_is_cold(options)}",
             results["as it is"])
    if options.disk_bps > 0 and slow_down(group, folder, options.disk_bps):
        results["slow"] = measure_all(variants, bodies, options)
        show(f"The disk at {options.disk_bps / 1e6:.0f} MB/s, files {what_is_cold(options)}",
             results["slow"])
    elif options.disk_bps > 0:
        print("\nThe disk cannot be slowed down here (no blkio controller of cgroup version 1 that "
              "can be used): it is as fast as it is", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"when": time.strftime("%Y-%m-%d"), "disks": results},
                                           indent=1) + "\n")


def main():
    options = arguments()
    if os.cpu_count() < 2:
        sys.exit("one processor: clients and servers cannot be kept apart")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)  # other programs disturb less; servers inherit it
    with served_folder(options) as folder, contextlib.ExitStack() as stack:
        run(options, folder, stack)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Mixed traffic for a long time, while releases follow each other: nothing wrong, nothing growing.

    tests/soak/soak.sh [MINUTES] [--json FILE] [--folder DIR]      (60 minutes by default)

A site of 48 files changes again and again: every second `cairn-pack add` makes a release of it, which
is loaded. Now and then one is rolled back or unloaded, HUP loads the newest, `compact` starts a new
archive, and the archive is put out of the page cache. Meanwhile

- browsers fetch pages over kept and new connections, whole, compressed, in ranges, conditionally,
  by HEAD, several requests at once;
- slow readers take a file of 3 MB at a few hundred KB a second;
- rude ones go away in the middle, by FIN or RST, or say nothing at all; others are idle.

Each body is compared with what the release that the answer names (`X-Release`) has under that name,
byte by byte; the entity tag has to stand for these bytes alone, and the release has to be one that was
live between the request and its answer.

Every few seconds: resident and private anonymous memory, descriptors, mappings, threads. A line is
fitted through the last three quarters of the samples; what it grows by within them is the growth in
the table. Exit code 0: no wrong answer, no request that failed, nothing in the log but replies, and
growth below its limits. 1: otherwise.
"""
import argparse
import functools
import gzip
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "wire"), str(HERE.parent / "bench")]
import cairn
from reload import Board, Client, Crowd, Seen, Unanswered

FILES = 48
BIG = "big.bin"
BIG_BYTES = 3_000_000
SIZES = (300, 900, 2500, 7000, 15_000, 17_000, 40_000, 90_000)
PERIODS = (1, 1, 2, 5, 20, 100)  # a file changes with every so many releases
NAMES = [f"pages/{number}.html" if number % 3 else f"data/{number}.bin" for number in range(FILES)]
RETAIN = 5
KEEP = 3                 # releases that a compacted archive begins with
TURNS_LEAST = 4          # however slow the machine is
ARCHIVE_BYTES_MAX = 200_000_000  # more: it is compacted
GROWTH_MAX = {"private_kb": 1024, "descriptors": 12, "mappings": 12, "threads": 0}

BROWSERS, SLOW, RUDE, IDLE = 4, 3, 2, 60


# The site

def version_of(name, release):
    period = 10 if name == BIG else PERIODS[NAMES.index(name) % len(PERIODS)]
    return release // period


@functools.lru_cache(maxsize=400)
def body_of(name, version):
    """No two versions have the same length."""
    noise = random.Random(f"{name} {version}")
    if name == BIG:
        return b"version %d\n" % version + noise.randbytes(BIG_BYTES + version % 1000)
    size = SIZES[NAMES.index(name) % len(SIZES)] + version % 100
    if name.endswith(".bin"):
        return noise.randbytes(size)
    text = f"<!doctype html><title>{name} {version}</title>\n"
    while len(text) < size:
        text += f"<p>version {version}: {noise.getrandbits(64):016x}</p>\n"
    return text[:size].encode()


def write_release(tree, release):
    for name in [*NAMES, BIG]:
        version = version_of(name, release)
        if release > 1 and version == version_of(name, release - 1):
            continue
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".new").write_bytes(body_of(name, version))
        path.with_suffix(".new").rename(path)
    (tree / "_headers").write_text(f"/*\n  X-Release: {release}\n")


# Clients

class Judge:
    """What one client has learned of tags, and how it looks at answers."""

    def __init__(self, board, seen):
        self.board = board
        self.seen = seen
        self.tags = {}  # {(name, tag): version}

    def release(self, name, fields, since):
        """The release that the answer is of; notes one that was not live meanwhile."""
        release = int(fields.get("x-release", 0))
        live = set(self.board.live(since))
        if release not in live:
            self.seen.note("older", f"/{name}: release {release}, live {sorted(live)}")
        return release

    def tag(self, name, fields, version):
        known = self.tags.setdefault((name, fields.get("etag")), version)
        if known != version or not fields.get("etag"):
            self.seen.note("mixed", f"/{name}: {fields.get('etag')} for {known} and {version}")

    def whole(self, name, fields, since, body):
        release = self.release(name, fields, since)
        version = version_of(name, release)
        if fields.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if body != body_of(name, version):
            self.seen.note("mixed", f"/{name}: not the bytes of release {release}")
        self.tag(name, fields, version)

    def part(self, name, fields, since, body):
        version = version_of(name, self.release(name, fields, since))
        first, last, total = map(int, re.match(r"bytes (\d+)-(\d+)/(\d+)",
                                               fields["content-range"]).groups())
        right = body_of(name, version)
        if total != len(right) or body != right[first:last + 1]:
            self.seen.note("mixed", f"/{name}: {fields['content-range']}, not of version {version}")
        self.tag(name, fields, version)


def browse_once(client, judge, board, choice):
    name = choice.choice(NAMES)
    kind = choice.choice(("plain", "plain", "gzip", "range", "if", "head"))
    known = [tag for (of, tag) in judge.tags if of == name]
    tag = choice.choice(known[-3:]) if kind == "if" and known else None
    more = {"gzip": "Accept-Encoding: gzip\r\n",
            "range": f"Range: bytes={choice.randrange(200)}-{choice.randrange(200, 20_000)}\r\n"}
    since = board.since()
    status, fields = client.ask(name, tag, "HEAD" if kind == "head" else "GET", more.get(kind, ""))
    length = 0 if kind == "head" or status == 304 else int(fields["content-length"])
    body = b"".join(client.pieces(length))
    if status == 304 and tag is not None and fields.get("etag") == tag:
        judge.tag(name, fields, version_of(name, judge.release(name, fields, since)))
    elif status == 206 and kind == "range":
        judge.part(name, fields, since, body)
    elif status == 200 and kind == "head":
        judge.release(name, fields, since)
    elif status == 200:
        judge.whole(name, fields, since, body)
    else:
        raise Unanswered(f"{status} {fields}")


def browse(_, board, address, stop, ready, seed):
    seen, client, choice = Seen(), Client(address), random.Random(seed)
    judge = Judge(board, seen)
    while not stop.is_set():
        try:
            if client.socket and (client.lost() or choice.random() < 0.2):
                client.close()
            if not client.socket:
                client.open()
            browse_once(client, judge, board, choice)
            seen.answers += 1
        except (Unanswered, OSError, LookupError, ValueError) as error:
            seen.note("failed", repr(error))
            client.close()
        if len(judge.tags) > 5000:
            judge.tags.clear()
        ready.set()
        stop.wait(choice.random() * 0.01)
    client.close()
    return seen


def read_slowly(_, board, address, stop, ready, seed):
    """The big file again and again, over connections of a small window."""
    seen, choice = Seen(), random.Random(seed)
    while not stop.is_set():
        client = Client(address, receive_buffer=32_768)
        try:
            client.open()
            since = board.since()
            status, fields = client.ask(BIG)
            judge = Judge(board, seen)
            right = body_of(BIG, version_of(BIG, judge.release(BIG, fields, since)))
            ready.set()
            got = 0
            for piece in client.pieces(int(fields["content-length"])):
                if right[got:got + len(piece)] != piece:
                    seen.note("mixed", f"/{BIG}: other bytes from {got} on")
                got += len(piece)
                stop.wait(0.02 * choice.random() * len(piece) / 16384)
            if status != 200 or got != len(right):
                seen.note("mixed", f"/{BIG}: {status}, {got} bytes")
            seen.answers += 1
        except (Unanswered, OSError, LookupError, ValueError) as error:
            seen.note("failed", f"/{BIG}: {error!r}")
        client.close()
    return seen


def be_rude(_, board, address, stop, ready, seed):
    """Requests that nobody stays for. What comes is not looked at."""
    seen, choice = Seen(), random.Random(seed)
    request = f"GET /{BIG} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()
    page = f"GET /{NAMES[1]} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()
    while not stop.is_set():
        data = choice.choice((b"", request[:30], request, page * 50, request * 3, b"\x16\x03\x01" * 9,
                              b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc"))
        try:
            with socket.create_connection(address, timeout=20) as client:
                client.sendall(data)
                if choice.random() < 0.5:
                    client.settimeout(0.05)
                    client.recv(choice.randrange(1, 100_000))
                if choice.random() < 0.5:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except OSError:
            pass  # an answer that did not come in time, or a reset: who is rude may get them
        seen.answers += 1
        ready.set()
        stop.wait(choice.random() * 0.05)
    return seen


def be_idle(_, board, address, stop, ready, seed):
    """Connections that are kept and hardly used."""
    seen, choice = Seen(), random.Random(seed)
    judge = Judge(board, seen)
    clients = [Client(address) for _ in range(IDLE)]
    for client in clients:
        client.open()
    while not stop.is_set():
        client = choice.choice(clients)
        try:
            if client.socket and client.lost():
                client.close()
            if not client.socket:
                client.open()
            browse_once(client, judge, board, choice)
            seen.answers += 1
        except (Unanswered, OSError, LookupError, ValueError) as error:
            seen.note("failed", f"idle: {error!r}")
            client.close()
        judge.tags.clear()
        ready.set()
        stop.wait(0.1)
    for client in clients:
        client.close()
    return seen


# Releases

class Driver:
    """Packs, loads, takes back; `loaded` is what the server has, the newest first."""

    def __init__(self, folder, board, binaries):
        self.folder = folder
        self.board = board
        self.binaries = binaries
        self.tree = folder / "tree"
        self.release = 0
        self.generation = 0
        self.archive = self._generation_folder() / "site.cairn"
        self.loaded = []         # (release, index)
        self.counts = dict.fromkeys(("loads", "rollbacks", "unloads", "hups", "compactions",
                                     "evictions"), 0)
        self.choice = random.Random(1)
        self.server = None

    def _generation_folder(self):
        path = self.folder / f"generation-{self.generation}"
        path.mkdir()
        return path

    def pack(self):
        self.release += 1
        write_release(self.tree, self.release)
        index = cairn.pack(self.tree, self.archive, "--quiet", "--effort", "fast",
                           bin_folder=self.binaries)
        self._point(index)
        return self.release, index

    def _point(self, index):
        link = self.folder / "current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(index)
        link.rename(self.folder / "current.idx")

    def _command(self, release, line):
        """A command after which `release` answers."""
        self.board.commanded(release)
        reply = self.server.command(line)
        if not reply.startswith("ok "):
            raise AssertionError(f"{line}: {reply}")
        self.board.confirmed()

    def _load(self, entry):
        self._command(entry[0], f"load index {entry[1]}")
        self.loaded = [entry, *(each for each in self.loaded if each != entry)][:RETAIN]
        self.counts["loads"] += 1

    def _rollback(self):
        """And the newest again, by HUP, as an operator would."""
        taken_back = self.loaded[0]
        self._command(self.loaded[1][0], "rollback")
        self.loaded = self.loaded[1:]
        self.counts["rollbacks"] += 1
        if self.choice.random() < 0.5:
            replies = self.server.log().count("ok load index")
            self.board.commanded(taken_back[0])
            self.server.signal(signal.SIGHUP)
            self.server.wait_log("ok load index", replies + 1)
            self.board.confirmed()
            self.loaded.insert(0, taken_back)
            self.counts["hups"] += 1

    def _unload(self):
        place = self.choice.randrange(2)
        release = self.loaded[1][0] if place == 0 else self.loaded[0][0]
        self._command(release, f"unload {self.loaded[place][1]}")
        del self.loaded[place]
        self.counts["unloads"] += 1

    def _compact(self):
        old = self.archive
        self.generation += 1
        self.archive = self._generation_folder() / "site.cairn"
        cairn.run("cairn-pack", "compact", "--keep", str(KEEP), old, self.archive,
                  bin_folder=self.binaries)
        shutil.rmtree(old.parent)  # what is mapped of it stays until nobody needs it
        self.counts["compactions"] += 1

    def _evict(self):
        with open(self.archive, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.counts["evictions"] += 1

    def turn(self, number):
        self._load(self.pack())
        if number % 7 == 3 and len(self.loaded) > 2:
            self._rollback()
        if number % 11 == 5 and len(self.loaded) > 2:
            self._unload()
        if number % 9 == 4:
            self._evict()
        if number % 60 == 12 or self.archive.stat().st_size > ARCHIVE_BYTES_MAX:
            self._compact()


# What is measured

def sample(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    sizes = dict(re.findall(r"^(\w+): +(\d+) kB", text, re.M))
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {"resident_kb": int(sizes["Rss"]), "private_kb": int(sizes["Anonymous"]),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")), "mappings": maps.count("\n"),
            "threads": len(os.listdir(f"/proc/{pid}/task"))}


def growth(samples, name):
    """How much a line through the last three quarters grows by within them."""
    kept = samples[len(samples) // 4:]
    if len(kept) < 3:
        return 0.0
    slope, _ = statistics.linear_regression([each["s"] for each in kept],
                                            [each[name] for each in kept])
    return slope * (kept[-1]["s"] - kept[0]["s"])


def unexpected_lines(log):
    return [line for line in log.splitlines()
            if not re.match(r"cairn-serve: (ok load index|listening on|serving release) ", line)]


def is_sanitized(pid):
    return "libasan" in Path(f"/proc/{pid}/maps").read_text()


# The run

def drive(driver, seconds, interval_s, samples):
    pid = driver.server.pid
    started = time.monotonic()
    next_sample = number = 0
    while (now := time.monotonic() - started) < seconds or number < TURNS_LEAST:
        driver.turn(number)
        number += 1
        if now >= next_sample:
            samples.append({"s": round(now, 1), **sample(pid)})
            next_sample = now + interval_s
        rest = number - (time.monotonic() - started)
        if rest > 0:
            time.sleep(min(rest, 1))  # a release a second, or as fast as they are packed


def run(settings, folder):
    board = Board()
    driver = Driver(folder, board, cairn.BIN)
    driver.tree.mkdir()
    first = driver.pack()
    samples = []
    with cairn.Server(folder / "current.idx", workers=settings.workers, bin_folder=cairn.BIN,
                      options=("--retain", RETAIN, "--retain-for", "10m")) as server:
        driver.server = server
        driver.loaded = [first]
        board.commanded(first[0])
        board.confirmed()
        is_judged = not is_sanitized(server.pid)
        crowds = {"browsers": Crowd(BROWSERS, browse, None, board, server.address),
                  "slow readers": Crowd(SLOW, read_slowly, None, board, server.address),
                  "rude": Crowd(RUDE, be_rude, None, board, server.address),
                  "idle": Crowd(1, be_idle, None, board, server.address)}
        drive(driver, settings.minutes * 60, max(settings.minutes * 60 / 400, 0.5), samples)
        seen = {name: crowd.finish() for name, crowd in crowds.items()}
        status = server.command("status")
        cairn.wait_until(lambda: " connections=0 " in server.command("status"), "all have gone")
        log = server.log()
    return {"minutes": settings.minutes, "workers": settings.workers, "releases": driver.release,
            **driver.counts, "status": status, "samples": samples, "memory_judged": is_judged,
            "clients": {name: {kind: getattr(each, kind) for kind in
                               ("answers", "failed", "mixed", "older", "examples")}
                        for name, each in seen.items()},
            "growth": {name: round(growth(samples, name), 1) for name in GROWTH_MAX},
            "unexpected_log": unexpected_lines(log)[:20]}


def verdict(result):
    """What is wrong with it, in sentences."""
    wrong = [f"{name}: {each[kind]} {kind}" for name, each in result["clients"].items()
             for kind in ("failed", "mixed", "older") if each[kind] > 0]
    wrong += [f"{name}: no answers" for name, each in result["clients"].items()
              if each["answers"] == 0]
    wrong += [f"the log: {line}" for line in result["unexpected_log"]]
    judged = [name for name in GROWTH_MAX if name != "private_kb" or result["memory_judged"]]
    wrong += [f"{name} grew by {result['growth'][name]}, more than {GROWTH_MAX[name]}"
              for name in judged if result["growth"][name] > GROWTH_MAX[name]]
    return wrong


def print_table(result):
    print(f"{result['minutes']:g} minutes, {result['workers']} workers: " +
          ", ".join(f"{result[name]} {name}" for name in
                    ("releases", "loads", "rollbacks", "unloads", "hups", "compactions", "evictions")))
    print("\n| clients | answers | failed | wrong bytes | older than live |\n|---|---|---|---|---|")
    for name, each in result["clients"].items():
        print(f"| {name} | {each['answers']} | {each['failed']} | {each['mixed']} | {each['older']} |")
    print("\n| of the server | first | least | most | last | growth | at most |\n"
          "|---|---|---|---|---|---|---|")
    for name in ("resident_kb", *GROWTH_MAX):
        values = [each[name] for each in result["samples"]]
        limit = GROWTH_MAX.get(name, "")
        if name == "private_kb" and not result["memory_judged"]:
            limit = "not judged: sanitizer"
        print(f"| {name} | {values[0]} | {min(values)} | {max(values)} | {values[-1]} | "
              f"{growth(result['samples'], name):.1f} | {limit} |")
    print(f"\n{result['status']}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("minutes", nargs="?", type=float, default=60)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--json", type=Path, help="a file for the whole result")
    parser.add_argument("--folder", type=Path, help="where archives are made; TMPDIR otherwise")
    return parser.parse_args()


def main():
    settings = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="cairn-soak-", dir=settings.folder) as holder:
        result = run(settings, Path(holder))
    print_table(result)
    if settings.json is not None:
        settings.json.write_text(json.dumps(result, indent=1) + "\n")
    wrong = verdict(result)
    for each in result["clients"].values():
        for example in each["examples"]:
            print("  " + example, file=sys.stderr)
    print("\nverdict: " + ("; ".join(wrong) if wrong else "nothing wrong, nothing grew"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

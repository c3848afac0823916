#!/usr/bin/env python3
"""What clients notice of reloads: of cairn-serve's `load index`, and of nginx's HUP.

    tests/bench/reload.sh [--quick] [--reloads N] [--pace MS] [--rounds N] ...

Some releases of one site are packed. Each page carries the number of its release in a field of
its head (`_headers`), in its entity tag, its length and its body. While releases follow each other,

- wrk fetches one page over 64 keep-alive connections,
- checking clients fetch all pages over keep-alive connections and compare every byte: field, tag,
  length and body have to be of one release, and of one that was live during the request,
- slow downloaders fetch a file of 20 MB that differs in every release, and compare every byte with
  the release whose tag they got.

A round has three parts: no reloads, `--reloads` of them at a steady pace, then as many as go one
after the other for `--flat` seconds. Each is run twice: wrk at full speed, where its times tell
most about how many programs want a processor, and wrk with a pause of `--think` milliseconds
before every request, where they tell more about the server. The result is a Markdown table on
standard output. Exit code: 0 if no client of cairn-serve noticed anything (times and memory are
only printed), else 1.

How it is counted:
- failed: a request without its whole answer, or whose status is neither 200 nor 304. A client that
  finds its idle connection closed before it asks has lost a connection, not a request.
- closed: connections that did not outlive the part. Of wrk's, those whose socket is another one
  than when the sample before was taken (/proc/PID/fd), at least every 20th reload.
- older: a request that began after a release's `ok`, answered with an older release. nginx says no
  ok; it counts as given when a new connection is answered with the new release for the first time.
- memory: Pss of all processes of the server (each shared page once); what is dirty and private.
"""
import argparse
import contextlib
import ctypes
import mmap
import multiprocessing
import os
import random
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

CONNECTIONS = 64
CHECKERS = 8
CHECKER_PAUSE = 0.005
DOWNLOADERS = 4
DOWNLOAD = "big.bin"
DOWNLOAD_BYTES = 20_000_000
PAGE_BYTES = (900, 1400, 4000, 12_000, 30_000, 40_000, 90_000, 200_000)
PAGES = ["index.html", *(f"page-{number}.html" for number in range(1, len(PAGE_BYTES)))]
PATIENCE = 20  # seconds without a byte
FORK = multiprocessing.get_context("fork")


# Releases

@dataclass
class Release:
    number: int
    folder: Path
    index: Path | None = None


def body_of(release, name, size):
    noise = random.Random(f"{release} {name}")
    if name == DOWNLOAD:
        return f"release {release}\n".encode() + noise.randbytes(size + 1000 * release)
    text = f"<!doctype html><title>{name}, release {release}</title>\n"
    while len(text) < size + 16 * release:
        text += f"<p>release {release}: {noise.getrandbits(128):032x}\n"
    return text[:size + 16 * release].encode()  # no two releases have the same length


def write_releases(folder, count):
    releases = []
    for number in range(1, count + 1):
        tree = folder / f"r{number}"
        tree.mkdir()
        for name, size in [*zip(PAGES, PAGE_BYTES), (DOWNLOAD, DOWNLOAD_BYTES)]:
            path = tree / name
            path.write_bytes(body_of(number, name, size))
            os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
        (tree / "_headers").write_text(f"/*\n  X-Release: {number}\n")
        releases.append(Release(number, tree))
    return releases


def pack(releases, binaries, folder):
    for release in releases:
        done = subprocess.run([binaries / "cairn-pack", "add", "--quiet", "--effort", "fast",
                               release.folder, folder / "site.cairn"],
                              check=True, stdout=subprocess.PIPE, text=True)
        release.index = Path(done.stdout.strip().removeprefix("load index "))


# What the processes of a run tell each other: which release was commanded and confirmed when

class Board:
    ROOM = 1 << 20

    def __init__(self):
        self.log = FORK.RawArray(ctypes.c_uint32, self.ROOM)
        self.counts = FORK.RawArray(ctypes.c_ulong, 2)  # commanded, confirmed

    def commanded(self, release):
        self.log[self.counts[0]] = release
        self.counts[0] += 1

    def confirmed(self):
        self.counts[1] = self.counts[0]

    def reloads(self):
        return self.counts[0]

    def since(self):
        """Taken before a request: the release that is live then is the first that may answer it."""
        return max(self.counts[1] - 1, 0)

    def live(self, since):
        return self.log[since:self.counts[0]]


# Clients

class Unanswered(Exception):
    pass


class Client:
    def __init__(self, address, receive_buffer=0):
        self.address = address
        self.receive_buffer = receive_buffer
        self.socket = None
        self.buffer = b""

    def open(self):
        self.close()
        self.socket = socket.socket()
        if self.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(self.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None
        self.buffer = b""

    def lost(self):
        """Was the idle connection closed by the server?"""
        if not select.select([self.socket], [], [], 0)[0]:
            return False
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def receive(self, most):
        try:
            piece = self.socket.recv(most)
        except OSError as error:
            raise Unanswered(str(error)) from error
        if not piece:
            raise Unanswered("closed")
        return piece

    def ask(self, name, tag=None, method="GET", more=""):
        """Sends a request, with `more` field lines; (status, fields) of its answer."""
        condition = f"If-None-Match: {tag}\r\n" if tag else ""
        try:
            self.socket.sendall(f"{method} /{name} HTTP/1.1\r\nHost: a.example\r\n{condition}{more}"
                                "\r\n".encode())
        except OSError as error:
            raise Unanswered(str(error)) from error
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.receive(65536)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = dict(re.split(r":\s*", line, maxsplit=1) for line in lines)
        return int(first.split()[1]), {name.lower(): value for name, value in fields.items()}

    def pieces(self, length, most=65536):
        while length:
            piece = self.buffer[:length] or self.receive(min(length, most))
            self.buffer = self.buffer[len(piece):] if self.buffer else b""
            length -= len(piece)
            yield piece


@dataclass
class Seen:
    """What clients of one kind saw."""
    answers: int = 0
    failed: int = 0
    mixed: int = 0
    older: int = 0
    closed: int = 0
    spans: list = field(default_factory=list)
    examples: list = field(default_factory=list)

    def add(self, other):
        for name in ("answers", "failed", "mixed", "older", "closed", "spans", "examples"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def note(self, kind, text):
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples) < 3:
            self.examples.append(f"{kind}: {text}")


class Site:
    """What every file of every release has to look like: its bytes, and the tags of one server."""

    def __init__(self, releases):
        self.numbers = [release.number for release in releases]
        self.bodies = {}
        self.tags = {}
        for release in releases:
            for name in PAGES:
                self.bodies[name, release.number] = (release.folder / name).read_bytes()
            with open(release.folder / DOWNLOAD, "rb") as file:
                self.bodies[DOWNLOAD, release.number] = mmap.mmap(file.fileno(), 0,
                                                                  access=mmap.ACCESS_READ)

    def learn(self, address, release):
        """Tags of the release that is live; everything else has to be as it was packed."""
        client = Client(address)
        deadline = time.monotonic() + PATIENCE
        for name in [*PAGES, DOWNLOAD]:
            while True:
                client.open()
                status, fields = client.ask(name)
                body = b"".join(client.pieces(int(fields["content-length"])))
                if (status, fields.get("x-release")) == (200, str(release)) and \
                        body == self.bodies[name, release][:]:
                    break
                if time.monotonic() > deadline:  # until then: an old worker of nginx
                    raise SystemExit(f"{name} is not that of release {release}: {status} {fields}")
                time.sleep(0.01)
            self.tags[name, release] = fields["etag"]
        client.close()
        for name in [*PAGES, DOWNLOAD]:
            tags = [self.tags[name, number] for number in self.numbers
                    if (name, number) in self.tags]
            lengths = [len(self.bodies[name, number]) for number in self.numbers]
            if len(set(tags)) != len(tags) or len(set(lengths)) != len(lengths):
                raise SystemExit(f"two releases look the same: {name}, {tags}, {lengths}")

    def of(self, name, what, value):
        """The release whose tag or length this is."""
        for number in self.numbers:
            expected = self.tags[name, number] if what == "etag" else len(self.bodies[name, number])
            if str(expected) == value:
                return number
        return None

    def body_release(self, name, body):
        return next((number for number in self.numbers if self.bodies[name, number] == body), None)


def check_pages(site, board, address, stop, ready, seed):
    """One connection, page after page, until `stop`."""
    seen, client, choice = Seen(), Client(address), random.Random(seed)
    tags = {}
    while not stop.is_set():
        name = choice.choice(PAGES)
        tag = tags.get(name) if choice.random() < 0.25 else None
        try:
            if client.socket and client.lost():
                seen.closed += 1
                client.close()
            if not client.socket:
                client.open()
            since = board.since()
            status, fields = client.ask(name, tag)
            live = board.live(since)
            releases = {"field": int(fields.get("x-release", 0)),
                        "tag": site.of(name, "etag", fields.get("etag"))}
            if status != 304:
                length = fields["content-length"]
                releases["length"] = site.of(name, "length", length)
                releases["body"] = site.body_release(name, b"".join(client.pieces(int(length))))
            seen.answers += 1
            if status != 200 and (status, fields.get("etag")) != (304, tag):
                seen.note("failed", f"/{name}: {status} {fields}")
            elif len(set(releases.values())) > 1 or None in releases.values():
                seen.note("mixed", f"/{name}: {status}, releases by {releases}")
            elif releases["field"] not in live:
                seen.note("older", f"/{name}: release {releases['field']}, "
                                   f"live {sorted(set(live))}")
            tags[name] = fields.get("etag")
            if fields.get("connection", "").lower() == "close":
                seen.closed += 1
                client.close()
        except (Unanswered, OSError, LookupError, ValueError) as error:
            seen.note("failed", f"/{name}: {error}")
            seen.closed += client.socket is not None
            client.close()
        ready.set()
        stop.wait(CHECKER_PAUSE)
    return seen


def download(site, board, address, stop, ready, rate):
    """The big file over and over, at `rate` bytes a second; after `stop` the rest at full speed."""
    seen, client = Seen(), Client(address, receive_buffer=65536)
    while not stop.is_set():
        try:
            if client.socket and client.lost():
                seen.closed += 1
                client.close()
            if not client.socket:
                client.open()
            since, reloads = board.since(), board.reloads()
            started = time.monotonic()
            status, fields = client.ask(DOWNLOAD)
            live = board.live(since)
            ready.set()
            if status != 200:
                raise Unanswered(f"status {status}")
            release = site.of(DOWNLOAD, "etag", fields.get("etag"))
            whole = release is not None and fields.get("x-release") == str(release) and \
                site.of(DOWNLOAD, "length", fields["content-length"]) == release
            bytes_of_tag = site.bodies.get((DOWNLOAD, release), b"")
            got = 0
            for piece in client.pieces(int(fields["content-length"])):
                whole = whole and bytes_of_tag[got:got + len(piece)] == piece
                got += len(piece)
                ahead = started + got / rate - time.monotonic()
                if ahead > 0:
                    stop.wait(ahead)
            seen.answers += 1
            seen.spans.append(board.reloads() - reloads)
            if not whole:
                seen.note("mixed", f"/{DOWNLOAD}: tag of {release}, "
                                   f"field {fields.get('x-release')}, "
                                   f"length {fields['content-length']}, bytes compared {got}")
            elif release not in live:
                seen.note("older", f"/{DOWNLOAD}: release {release}, live {sorted(set(live))}")
            if fields.get("connection", "").lower() == "close":
                seen.closed += 1
                client.close()
        except (Unanswered, OSError, LookupError, ValueError) as error:
            seen.note("failed", f"/{DOWNLOAD}: {error}")
            seen.closed += client.socket is not None
            client.close()
            stop.wait(CHECKER_PAUSE)
    return seen


class Crowd:
    """A process with some clients of one kind, a thread each."""

    def __init__(self, count, work, *arguments):
        self.stop, self.result = FORK.Event(), FORK.SimpleQueue()
        self.ready = [FORK.Event() for _ in range(count)]
        self.process = FORK.Process(target=self.run, args=(work, arguments), daemon=True)
        self.process.start()
        for event in self.ready:
            if not event.wait(PATIENCE):
                raise SystemExit("a client did not get a first answer")

    def run(self, work, arguments):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.nice(10)  # wrk and the server go first: their times are measured
        total, lock, stop = Seen(), threading.Lock(), threading.Event()

        def one(number, ready):
            try:
                seen = work(*arguments[:3], stop, ready, *(arguments[3:] or (number,)))
            except Exception as error:  # a client that died must not look like one that saw nothing
                seen = Seen()
                seen.note("failed", repr(error))
            with lock:
                total.add(seen)
        threads = [threading.Thread(target=one, args=each) for each in enumerate(self.ready)]
        for thread in threads:
            thread.start()
        self.stop.wait()
        stop.set()
        for thread in threads:
            thread.join()
        self.result.put(total)

    def finish(self):
        self.stop.set()
        while self.process.is_alive() and self.result.empty():
            time.sleep(0.01)
        if self.result.empty():
            raise SystemExit("a process of clients died")
        seen = self.result.get()
        self.process.join()
        return seen


class Wrk:
    def __init__(self, url, script=None):
        options = ["-s", script] if script else []
        self.process = subprocess.Popen(
            ["wrk", "-t1", f"-c{CONNECTIONS}", "-d3600s", "--latency", *options, url],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.closed = 0
        deadline = time.monotonic() + PATIENCE
        while len(self.sockets()) < CONNECTIONS:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit("wrk did not open its connections")
            time.sleep(0.05)
        self.known = self.sockets()

    def sockets(self):
        found = set()
        folder = f"/proc/{self.process.pid}/fd"
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                target = os.readlink(f"{folder}/{name}")
                if target.startswith("socket:"):
                    found.add(target)
        return found

    def look(self):
        now = self.sockets()
        self.closed += len(self.known - now)
        self.known = now

    def finish(self):
        self.look()
        self.process.send_signal(signal.SIGINT)
        text = self.process.communicate(timeout=PATIENCE)[0]
        units = {"us": 1, "ms": 1000, "s": 1_000_000}
        times = {share: float(value) * units[unit] for share, value, unit in
                 re.findall(r"^ +(\d+)% +([\d.]+)(us|ms|s)$", text, re.M)}
        errors = re.search(r"errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        self.failed = sum(map(int, errors.groups())) if errors else 0
        self.failed += int(refused.group(1)) if refused else 0
        self.p50, self.p99 = times["50"], times["99"]
        self.rate = float(re.search(r"Requests/sec: +([\d.]+)", text).group(1))
        self.requests = int(re.search(r"(\d+) requests in", text).group(1))


# Servers

@dataclass
class Sample:
    processes: int = 0
    resident: int = 0
    private: int = 0
    descriptors: int = 0
    mappings: int = 0


def sample(pid):
    total = Sample()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in [pid, *children]:
        with contextlib.suppress(OSError):  # an old worker may end meanwhile
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
            sizes = dict(re.findall(r"^(\w+): +(\d+) kB", text, re.M))
            descriptors = len(os.listdir(f"/proc/{each}/fd"))
            mappings = len(Path(f"/proc/{each}/maps").read_text().splitlines())
            total.processes += 1
            total.resident += int(sizes["Pss"])
            total.private += int(sizes["Private_Dirty"])
            total.descriptors += descriptors
            total.mappings += mappings
    return total


def end(process):
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Cairn:
    name = "cairn"

    def __init__(self, binaries, releases, retain):
        self.releases = {release.number: release for release in releases}
        self.process = subprocess.Popen(
            [binaries / "cairn-serve", "--listen", "127.0.0.1:0", "--retain", str(retain),
             releases[0].index],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.rest = b""
        self.url = self.line().split()[1]
        port = int(self.url.rstrip("/").rsplit(":", 1)[1])
        self.address = ("127.0.0.1", port)
        self.own = []  # milliseconds by the server's clock

    def line(self):
        while b"\n" not in self.rest:
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                raise SystemExit("cairn-serve does not answer")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise SystemExit("cairn-serve has ended")
            self.rest += piece
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def reload(self, number):
        path = bytes(self.releases[number].index)
        os.write(self.process.stdin.fileno(), b"load index %s\n" % path)
        reply = self.line()
        if not reply.startswith("ok "):
            raise SystemExit(reply)
        self.own.append(float(re.search(r" ms=([\d.]+)", reply).group(1)))

    def stop(self):
        end(self.process)
        self.process.stdin.close()
        self.process.stdout.close()


NGINX = """daemon off; worker_processes {workers}; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_timeout 600; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; include {folder}/current.conf; }}
}}
"""


class Nginx:
    """current.conf is a link to the release's fields; root is a link too, or named in that file."""
    name = "nginx"

    def __init__(self, program, folder, releases, through_link):
        self.folder = folder
        self.releases = {release.number: release for release in releases}
        self.through_link = through_link
        folder.mkdir()
        for release in releases:
            root = folder / "current" if through_link else release.folder
            (folder / f"r{release.number}.conf").write_text(
                f"root {root}; add_header X-Release {release.number};\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        self.url = "http://%s:%d/" % self.address
        (folder / "nginx.conf").write_text(NGINX.format(
            folder=folder, port=self.address[1], workers=len(os.sched_getaffinity(0))))
        self.switch(releases[0].number)
        self.process = subprocess.Popen([program, "-c", folder / "nginx.conf", "-p", folder],
                                        stderr=subprocess.DEVNULL)
        self.own = []
        self.wait_for(releases[0].number)

    def switch(self, number):
        for link, target in (("current", self.releases[number].folder),
                             ("current.conf", self.folder / f"r{number}.conf")):
            (self.folder / "next").symlink_to(target)
            (self.folder / "next").rename(self.folder / link)

    def wait_for(self, number):
        deadline = time.monotonic() + PATIENCE
        client = Client(self.address)
        while time.monotonic() < deadline:
            with contextlib.suppress(Unanswered, OSError):
                client.open()
                if client.ask(PAGES[0])[1].get("x-release") == str(number):
                    client.close()
                    return
            time.sleep(0.001)
        raise SystemExit("nginx does not show the release")

    def reload(self, number):
        self.switch(number)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(number)

    def stop(self):
        end(self.process)


# The parts of a run

@dataclass
class Part:
    title: str
    full: list = field(default_factory=list)    # a Wrk for each round
    calm: list = field(default_factory=list)    # with pauses
    checkers: Seen = field(default_factory=Seen)
    downloaders: Seen = field(default_factory=Seen)
    times: list = field(default_factory=list)   # milliseconds from command to ok
    own: list = field(default_factory=list)
    samples: dict = field(default_factory=dict)  # of the first run, by the number of the reload
    seconds: float = 0
    after: list = field(default_factory=list)

    def kinds(self, name):
        return [sum(getattr(wrk, name) for wrk in self.full + self.calm),
                getattr(self.checkers, name), getattr(self.downloaders, name)]


class Bench:
    def __init__(self, server, site, settings):
        self.server, self.site, self.settings = server, site, settings
        self.board = Board()
        self.turn = 0
        for number in site.numbers:  # everything warm, and every tag known
            self.reload_next()
            site.learn(server.address, self.current)
        server.own.clear()

    def reload_next(self):
        numbers = self.site.numbers
        self.turn += 1
        self.current = numbers[self.turn % len(numbers)]
        if self.board.reloads() >= Board.ROOM - 1:
            raise SystemExit("too many reloads")
        self.board.commanded(self.current)
        started = time.perf_counter()
        self.server.reload(self.current)
        took = time.perf_counter() - started
        self.board.confirmed()
        return took * 1000

    def run(self, part, reloads, pace, seconds):
        """Twice, until there were so many reloads or it took so long; without reloads, so long."""
        self.run_once(part, part.full, None, reloads, pace, seconds)
        self.run_once(part, part.calm, self.settings.script, reloads, pace, seconds)

    def run_once(self, part, runs, script, reloads, pace, seconds):
        print(f"{part.title}, {'with pauses' if script else 'full speed'} ...", file=sys.stderr,
              flush=True)
        common = (self.site, self.board, self.server.address)
        checkers = Crowd(CHECKERS, check_pages, *common)
        downloaders = Crowd(DOWNLOADERS, download, *common,
                            DOWNLOAD_BYTES / self.settings.download_seconds)
        wrk = Wrk(self.server.url + PAGES[0], script)
        try:
            time.sleep(0.5)
            wrk.look()
            self.follow(part, wrk, reloads, pace, seconds)
            time.sleep(0.5)
            wrk.finish()
        finally:
            if wrk.process.poll() is None:
                wrk.process.kill()
        part.checkers.add(checkers.finish())
        part.downloaders.add(downloaders.finish())
        runs.append(wrk)
        part.own += self.server.own
        self.server.own.clear()
        time.sleep(0.2)
        part.after.append(sample(self.server.process.pid))

    def follow(self, part, wrk, reloads, pace, seconds):
        began = time.monotonic()
        if reloads == 0:
            time.sleep(seconds)
        done = 0
        while done < reloads and time.monotonic() - began < seconds:
            time.sleep(max(began + done * pace - time.monotonic(), 0))
            part.times.append(self.reload_next())
            done += 1
            if self.server.name == "nginx" or done % 20 == 0:
                wrk.look()
            if not part.full and (done in (10, 100, reloads) or done % 1000 == 0):
                part.samples[done] = sample(self.server.process.pid)
        part.seconds += time.monotonic() - began


# The table

def many(number):
    return f"{number:,}"


def middle(values, form):
    text = form.format(statistics.median(values))
    if len(values) > 1:
        text += f" ({form.format(min(values))} to {form.format(max(values))})"
    return text


def three(times):
    if not times:
        return "-"
    ordered = sorted(times)
    return f"{statistics.median(ordered):.2f}, {ordered[len(ordered) * 99 // 100]:.2f}, " \
        f"{ordered[-1]:.2f}"


def memory_rows(parts):
    def shown(one):
        return (f"{one.resident / 1024:.1f} MiB, {one.private / 1024:.2f}, {one.descriptors}, "
                f"{one.mappings}" + (f" in {one.processes} processes" if one.processes > 1 else ""))
    what = "resident, private MiB, descriptors, mappings"
    for title, which_one in (("10th", min), ("last", max)):
        yield (f"{what}: {title} reload of the first run",
               [f"{which_one(part.samples):,}: {shown(part.samples[which_one(part.samples)])}"
                if part.samples else "-" for part in parts])
    yield f"{what}: clients gone, first run", [shown(part.after[0]) for part in parts]
    yield f"{what}: clients gone, last run", [shown(part.after[-1]) for part in parts]


def rows(parts, baselines):
    yield "reloads", [many(len(part.times)) if part.times else "none" for part in parts]
    yield "in a second", [f"{len(part.times) / part.seconds:.0f}" if part.times else "-"
                          for part in parts]
    for title, kind in (("failed requests", "failed"), ("connections closed", "closed")):
        yield (f"{title}: wrk, checkers, downloaders",
               [", ".join(map(many, part.kinds(kind))) for part in parts])
    for title, kind in (("answers that mix releases", "mixed"),
                        ("answers older than `ok`", "older")):
        yield (f"{title}: checkers, downloaders",
               [f"{getattr(part.checkers, kind):,}, {getattr(part.downloaders, kind):,}"
                for part in parts])
    yield ("answers seen: wrk, checkers, downloaders",
           [f"{sum(wrk.requests for wrk in part.full + part.calm):,}, {part.checkers.answers:,}, "
            f"{part.downloaders.answers:,}" for part in parts])
    yield ("reloads during a download: median, most",
           [f"{statistics.median(part.downloaders.spans):,.0f}, {max(part.downloaders.spans):,}"
            if part.times and part.downloaders.spans else "-" for part in parts])
    for title, runs in (("full speed", "full"), ("pauses", "calm")):
        taken = [getattr(part, runs) for part in parts]
        bases = [getattr(base, runs) for base in baselines]
        yield (f"wrk, {title}: requests a second",
               [middle([wrk.rate for wrk in each], "{:,.0f}") for each in taken])
        yield "p50, us", [middle([wrk.p50 for wrk in each], "{:,.0f}") for each in taken]
        yield "p99, us", [middle([wrk.p99 for wrk in each], "{:,.0f}") for each in taken]
        yield ("p99 beside that of no reloads, same round",
               [middle([wrk.p99 / other.p99 * 100 - 100 for wrk, other in zip(each, base)],
                       "{:+.0f} %") if part.times else "-"
                for part, each, base in zip(parts, taken, bases)])
    yield ("command to `ok`, ms: median, p99, worst",
           [three(part.times) for part in parts])
    yield ("the same by the server's clock",
           [three(part.own) for part in parts])
    yield from memory_rows(parts)


def print_table(parts, baselines):
    print("| | " + " | ".join(part.title for part in parts) + " |")
    print("|---" * (len(parts) + 1) + "|")
    for title, cells in rows(parts, baselines):
        print(f"| {title} | " + " | ".join(cells) + " |")


# What is run

def run_cairn(settings, releases, site, table):
    server = Cairn(settings.bin, releases, settings.retain)
    try:
        bench = Bench(server, site, settings)
        none = Part("cairn, no reloads")
        paced = Part(f"cairn, one every {settings.pace:g} ms")
        flat = Part("cairn, as fast as they go")
        for _ in range(settings.rounds):
            bench.run(none, 0, 0, settings.seconds)
            bench.run(paced, settings.reloads, settings.pace / 1000, float("inf"))
            bench.run(flat, float("inf"), 0, settings.flat)
        table += [(none, none), (paced, none), (flat, none)]
    finally:
        server.stop()


def run_nginx(settings, program, folder, releases, site, table):
    none = Part("nginx, no reloads")
    for through_link, title in ((True, "root is a link"),
                                (False, "root named in the configuration")):
        server = Nginx(program, folder / f"nginx{through_link:d}", releases, through_link)
        try:
            bench = Bench(server, site, settings)
            part = Part(f"nginx, {title}, one every {settings.nginx_pace:g} ms")
            if through_link:
                bench.run(none, 0, 0, settings.seconds)
                table.append((none, none))
            bench.run(part, settings.nginx_reloads, settings.nginx_pace / 1000, float("inf"))
            table.append((part, none))
        finally:
            server.stop()


def arguments():
    words = argparse.ArgumentParser(description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "build/release/bin"
    words.add_argument("--bin", type=Path, default=Path(os.environ.get("CAIRN_BIN", default)),
                       help="folder of cairn-pack and cairn-serve (CAIRN_BIN; build/release/bin)")
    words.add_argument("--releases", type=int, default=6, help="releases of the site (6)")
    words.add_argument("--retain", type=int, default=3,
                       help="--retain of cairn-serve (3: a release falls off at each reload)")
    words.add_argument("--reloads", type=int, default=1000, help="reloads at a steady pace (1000)")
    words.add_argument("--pace", type=float, default=5, help="milliseconds between two (5)")
    words.add_argument("--rounds", type=int, default=3, help="rounds of cairn-serve's parts (3)")
    words.add_argument("--seconds", type=float, default=5, help="of a part without reloads (5)")
    words.add_argument("--flat", type=float, default=10,
                       help="seconds of reloads without a pause (10)")
    words.add_argument("--download-seconds", type=float, default=4,
                       help="what a slow download takes (4)")
    words.add_argument("--think", type=int, default=5,
                       help="milliseconds between an answer and wrk's next request (5)")
    words.add_argument("--nginx-reloads", type=int, default=50,
                       help="reloads of nginx (50; 0: none)")
    words.add_argument("--nginx-pace", type=float, default=200,
                       help="milliseconds between two (200)")
    words.add_argument("--quick", action="store_true",
                       help="about a minute: one round, 10 reloads of nginx")
    settings = words.parse_args()
    if settings.quick:
        settings.rounds = 1
        settings.seconds, settings.flat = min(settings.seconds, 4), min(settings.flat, 4)
        settings.nginx_reloads = min(settings.nginx_reloads, 10)
    if not 2 <= settings.releases <= 250:
        words.error("--releases is between 2 and 250")
    return settings


def main():
    settings = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # not without ending the servers
    nginx = which("nginx") or which("nginx", path="/usr/sbin")
    if not which("wrk"):
        sys.exit("wrk is not installed (Debian package wrk)")
    table = []
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as holder:
        folder = Path(holder)
        folder.chmod(0o755)  # nginx's workers may be somebody else
        settings.script = folder / "think.lua"
        settings.script.write_text(f"function delay() return {settings.think} end\n")
        releases = write_releases(folder, settings.releases)
        pack(releases, settings.bin, folder)
        run_cairn(settings, releases, Site(releases), table)
        if nginx and settings.nginx_reloads:
            run_nginx(settings, nginx, folder, releases, Site(releases), table)
    print_table(*zip(*table))
    noticed = 0
    for part, _ in table:
        examples = part.checkers.examples[:2] + part.downloaders.examples[:2]
        if examples:
            print(f"{part.title}, for example:", *examples, sep="\n  ", file=sys.stderr)
        if part.title.startswith("cairn"):
            noticed += sum(sum(part.kinds(kind)) for kind in ("failed", "closed"))
            noticed += sum(seen.mixed + seen.older for seen in (part.checkers, part.downloaders))
    return 1 if noticed else 0


if __name__ == "__main__":
    sys.exit(main())

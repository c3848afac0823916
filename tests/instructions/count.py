#!/usr/bin/env python3
"""Instructions that cairn-serve executes per request, compared with those in baseline.json.

    CAIRN_PLAIN_BIN=build/release/bin tests/instructions/count.py [--record] [--keep FOLDER]

CAIRN_PLAIN_BIN holds cairn-pack and cairn-serve, a Release build without sanitizers. Callgrind
(Debian package valgrind) runs the server with one worker; the client sends one request, reads the
whole answer, then sends the next. Judged are the instructions in cairn-serve itself. Those of libc,
whose string functions are chosen by the processor, and of other libraries are printed beside them.

--record       write baseline.json anew
--keep FOLDER  leave one profile per workload there, for callgrind_annotate

0: nothing grew by more than 10 %; 1: something did, or the test failed; 77: no valgrind, no plain
binaries, or a compiler or build other than the recorded one, whose counts are its own.
"""
import argparse
import json
import os
import platform
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

BASELINE = Path(__file__).resolve().with_name("baseline.json")
TOLERANCE = 0.10
WARM_UP = 20  # requests before the first count
FEW, MANY = 100, 500  # the figure is the difference of two counts: what is done once cancels out
PIPELINED = 16
SKIPPED = 77
PATIENCE_S = 60
MODIFIED_S = 1_700_000_000
# Each command on standard input enters this function, and there Callgrind writes what it has
# counted since the last one: phases are told apart without a signal or attaching to the process.
DUMP_BEFORE = "command_run"

BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://www.example.org/guide/",
    "Connection: keep-alive",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-User: ?1",
)


def noise(count):
    return random.Random(count).randbytes(count)


PAGE = "<!doctype html><title>page</title>\n" + "".join(
    f"<p>Paragraph {number} of a page that is worth compressing.</p>\n" for number in range(200))
TREE = {"k.bin": noise(1024), "m.bin": noise(16 * 1024), "h.bin": noise(100 * 1024),
        "l.bin": noise(2048 * 1024),
        "page.html": PAGE.encode()}


class Workload:
    """Requests of one kind. A target's tag goes where a field says {etag}."""

    def __init__(self, name, target, status, fields=(), expect=b"", pipelined=1, reconnects=False):
        self.name = name
        self.target = target
        self.status = status
        self.fields = fields
        self.expect = expect  # has to be in the head
        self.pipelined = pipelined
        self.reconnects = reconnects


def traced(ratio):
    """The environment of a server that records this part of its answers. Nobody takes the spans, and
    nothing is sent meanwhile: what is counted is what a worker does."""
    return ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:1",
            "OTEL_TRACES_SAMPLER=traceidratio", f"OTEL_TRACES_SAMPLER_ARG={ratio}",
            "OTEL_BSP_SCHEDULE_DELAY=3600000", "OTEL_BSP_EXPORT_TIMEOUT=1",
            "OTEL_BSP_MAX_QUEUE_SIZE=100000", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=100000")


# (files besides TREE, overlays on top, options of the server, behind variables of its environment):
# the workloads of that server
SERVERS = (
    ({}, 0, (), (
        Workload("1 KiB", "/k.bin", 200),
        Workload("1 KiB, as a browser asks", "/k.bin", 200, BROWSER),
        Workload("16 KiB", "/m.bin", 200),
        Workload("100 KiB", "/h.bin", 200),
        Workload("2 MiB, sendfile", "/l.bin", 200),
        Workload("page, br", "/page", 200, ("Accept-Encoding: gzip, deflate, br",),
                 b"\r\nContent-Encoding: br\r\n"),
        Workload("page, gzip", "/page", 200, ("Accept-Encoding: gzip",),
                 b"\r\nContent-Encoding: gzip\r\n"),
        Workload("304 by tag", "/k.bin", 304, ("If-None-Match: {etag}",)),
        Workload("404, server's own", "/missing", 404),
        Workload("206, 100 bytes", "/h.bin", 206, ("Range: bytes=500-599",),
                 b"\r\nContent-Range: bytes 500-599/102400\r\n"),
        Workload("1 KiB, 16 pipelined", "/k.bin", 200, pipelined=PIPELINED),
        Workload("1 KiB, new connection", "/k.bin", 200, ("Connection: close",), reconnects=True),
    )),
    ({"404.html": b"<title>missing</title>\n"}, 0, (), (
        Workload("404, site's 404.html", "/missing", 404, expect=b"\r\nContent-Type: text/html"),
    )),
    ({}, 4, (), (Workload("1 KiB, below 4 overlays", "/k.bin", 200),)),
    ({}, 0, ("--access-log", "/dev/null"), (Workload("1 KiB, access log", "/k.bin", 200),)),
    ({}, 0, ("--admin", "127.0.0.1:0"), (Workload("1 KiB, metrics", "/k.bin", 200),)),
    ({}, 0, traced("0.01"), (
        Workload("1 KiB, 1 % traced", "/k.bin", 200),
        Workload("1 KiB, as a browser asks, 1 % traced", "/k.bin", 200, BROWSER),
    )),
    ({}, 0, traced("1"), (Workload("1 KiB, traced", "/k.bin", 200),)),
)


# ---- profiles ----


def read_profile(path):
    """Own instructions in a profile of Callgrind: {(object, function): count}.

    The format is in Valgrind's manual, "Callgrind Format Specification". A cost line is a position
    and a count. The one behind calls= is what the called function took, which is counted there.
    """
    names = {}  # (kind, "(7)") -> name: it is written out where it first occurs
    counts = Counter()
    obj = function = None
    totals = None
    is_call = False
    for line in path.read_text().splitlines():
        if line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if not is_call:
                counts[obj, function] += int(line.split()[1])
            is_call = False
            continue
        key, separator, value = line.partition("=")
        if separator and key in ("ob", "fn", "cob", "cfn"):
            match = re.fullmatch(r"(\(\d+\))(?: (.*))?|(.*)", value)
            name = match[3]
            if match[1] is not None:
                kind = key[-2:], match[1]
                if match[2] is not None:
                    names[kind] = match[2]
                name = names[kind]
            if key == "ob":
                obj = name
            elif key == "fn":
                function = name
        elif separator and key == "calls":
            is_call = True
        elif line.startswith("events:") and line.split() != ["events:", "Ir"]:
            raise SystemExit(f"{path}: counts more than instructions: {line}")
        elif line.startswith("totals:"):
            totals = int(line.split()[1])
    if totals != sum(counts.values()):
        raise SystemExit(f"{path}: the lines make {sum(counts.values())}, not {totals}")
    return counts


class Count:
    """Instructions per request: `own` ones, in the program, in `libc` and in `other` libraries."""

    def __init__(self, few, many, requests, program):
        self.functions = Counter()
        self.own = self.libc = self.other = 0.0
        for key in few.keys() | many.keys():
            obj, function = key
            each = (many[key] - few[key]) / requests
            if obj == str(program):
                self.own += each
                self.functions[function] += each
            elif re.search(r"/libc[.-]", obj):
                self.libc += each
            else:
                self.other += each
        if self.own <= 0:
            raise SystemExit(f"no instructions of {program} in the profile")


# ---- the server, and its client ----


class Server:
    def __init__(self, program, folder, indexes, options):
        self.folder = folder
        self.dumps = 0
        variables = [word for word in options if word.startswith("OTEL_")]
        flags = options[len(variables):]
        env = {**environment(), **dict(word.split("=", 1) for word in variables)}
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["valgrind", "--command-line-only=yes", "--tool=callgrind",
                 f"--dump-before={DUMP_BEFORE}", f"--callgrind-out-file={folder}/profile", program,
                 # Valgrind makes code in the process that it runs, which the sandbox refuses
                 "--listen", "127.0.0.1:0", "--workers", "1", "--sandbox", "off", *flags,
                 *indexes],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env)
        ready = self.process.stdout.readline().decode()
        if not ready.startswith("ready "):
            self.fail(f"the server said {ready!r} first")
        self.address = ("127.0.0.1", int(ready.split()[1].rstrip("/").rsplit(":", 1)[1]))
        self.dump()  # the start, and what the first command does once

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.process.terminate()
        else:
            self.process.kill()
        if self.process.wait(PATIENCE_S) != 0 and kind is None:
            self.fail(f"the server's exit code is {self.process.returncode}")

    def fail(self, why):
        self.process.kill()
        self.process.wait()
        raise SystemExit(f"{why}; its log:\n{(self.folder / 'log').read_text(errors='replace')}")

    def wait_asleep(self):
        """Waits until every thread sleeps: until all that has arrived was dealt with. Without
        that, two events would share a turn of the loop, or not, as the processors happen to run."""
        deadline = time.monotonic() + PATIENCE_S
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            while (task / "stat").read_text().rsplit(")", 1)[1].split()[0] != "S":
                if time.monotonic() > deadline:
                    self.fail("the server does not come to rest")
                os.sched_yield()

    def dump(self):
        """Ends a phase; returns the path of its profile."""
        self.process.stdin.write(b"list\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline()).startswith(b"ok "):
            if not line:
                self.fail("the server ended")
        self.dumps += 1
        path = self.folder / f"profile.{self.dumps}"
        if not path.exists():
            self.fail(f"Callgrind wrote no {path.name}: do commands still call {DUMP_BEFORE}()?")
        return path


class Client:
    def __init__(self, server, workload):
        self.server = server
        self.workload = workload
        self.connect()
        start = f"GET {workload.target} HTTP/1.1\r\nHost: www.example.org\r\n"
        fields = "".join(f"{field}\r\n" for field in workload.fields)
        if "{etag}" in fields:
            head = self.first(f"{start}\r\n", 200)
            tag = re.search(rb'\r\nETag: ("\S+")\r\n', head)[1].decode()
            fields = fields.replace("{etag}", tag)
        request = f"{start}{fields}\r\n"
        head = self.first(request, workload.status)
        if workload.expect not in head:
            raise SystemExit(f"{workload.name}: {workload.expect} is not in {head}")
        self.expected = head[:head.index(b"\r\n")]
        self.request = request.encode() * workload.pipelined
        self.answer = bytearray(self.answer_bytes * workload.pipelined)
        if workload.reconnects:
            self.connect()

    def connect(self):
        self.socket = socket.create_connection(self.server.address)
        # not settimeout(), with which MSG_WAITALL would not wait for all
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                               struct.pack("ll", PATIENCE_S, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def first(self, request, status):
        """The head of the first answer; how long all of it is goes for those that follow, too."""
        self.socket.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.socket.recv(65536)
            if not piece:
                raise SystemExit(f"{self.workload.name}: the server closed: {answer}")
            answer += piece
        head = answer[:answer.index(b"\r\n\r\n") + 4]
        length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
        self.answer_bytes = len(head) + (int(length[1]) if length and status != 304 else 0)
        while len(answer) < self.answer_bytes:
            answer += self.socket.recv(65536)
        if not head.startswith(f"HTTP/1.1 {status} ".encode()) or len(answer) > self.answer_bytes:
            raise SystemExit(f"{self.workload.name}: not {status}, or too long: {head}")
        return head

    def ask(self, count):
        """Sends `count` requests, or groups of pipelined ones, each after the answer before it."""
        for _ in range(count):
            self.socket.sendall(self.request)
            got = self.socket.recv_into(self.answer, 0, socket.MSG_WAITALL)
            if got != len(self.answer) or not self.answer.startswith(self.expected):
                raise SystemExit(f"{self.workload.name}: {bytes(self.answer[:got])[:300]}")
            if self.workload.reconnects:
                if self.socket.recv(1):
                    raise SystemExit(f"{self.workload.name}: more came than the answer")
                self.socket.close()
                self.server.wait_asleep()
                self.connect()
            self.server.wait_asleep()


def environment():
    """What could change a count from outside is left out or fixed."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("CAIRN_") and name not in ("PORT", "LD_PRELOAD")}
    return {**kept, "SOURCE_DATE_EPOCH": str(MODIFIED_S)}


def add(program, tree, files, archive, *options):
    for name, content in files.items():
        (tree / name).write_bytes(content)
        os.utime(tree / name, (MODIFIED_S, MODIFIED_S))
    done = subprocess.run([program, "add", "-q", *options, tree, archive], check=True,
                          stdout=subprocess.PIPE, env=environment())
    return done.stdout.decode().removeprefix("load index ").rstrip("\n")


def count_server(binaries, folder, server, keep):
    """{name: Count} of the workloads of one of SERVERS."""
    files, overlays, options, workloads = server
    tree = folder / "tree"
    tree.mkdir(parents=True)
    packer = binaries / "cairn-pack"
    program = (binaries / "cairn-serve").resolve()  # as profiles name it
    indexes = [add(packer, tree, {**TREE, **files}, folder / "site.cairn")]
    for number in range(overlays):
        indexes.append(add(packer, tree, {f"over{number}.bin": noise(number + 1)},
                           folder / "site.cairn", "--overlay"))
    counts = {}
    with Server(program, folder, indexes, options) as running:
        for workload in workloads:
            client = Client(running, workload)
            client.ask(WARM_UP)
            running.dump()
            client.ask(FEW)
            few = running.dump()
            client.ask(MANY)
            many = running.dump()
            client.socket.close()
            counts[workload.name] = Count(read_profile(few), read_profile(many),
                                          (MANY - FEW) * workload.pipelined, program)
            if keep is not None:
                shutil.copy(many, keep / profile_name(workload.name))
    return counts


# ---- judging ----


def profile_name(workload):
    return re.sub(r"[^a-z0-9]+", "-", workload.lower()).strip("-")


def build_of(binaries):
    """Who made the program, and how, as it says itself."""
    image = (binaries / "cairn-serve").read_bytes()
    if re.search(rb"__(asan_init|tsan_init|ubsan_handle)", image):
        skip("CAIRN_PLAIN_BIN has sanitizers")
    made = (re.search(rb"[A-Za-z ]*clang version [^\0\n]*", image) or
            re.search(rb"GCC: \([^\0)]*\) [0-9.]+", image))
    cache = binaries.parent / "CMakeCache.txt"
    settings = cache.read_text() if cache.exists() else ""
    kind = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", settings, re.M)
    return {"build_type": kind[1] if kind else "unknown",
            "compiler": made[0].decode() if made else "unknown", "machine": platform.machine()}


def comparable(build):
    """What has to be equal for counts to be compared; of the compiler, name and major version."""
    compiler = re.search(r"(GCC|clang)\D*?(?:\([^)]*\))? ?(\d+)", build["compiler"])
    return (build["build_type"], build["machine"], compiler.groups() if compiler else None)


def skip(why):
    print(f"instructions: SKIPPED: {why}")
    sys.exit(SKIPPED)


def change(recorded, now):
    return (now - recorded) / recorded


def print_table(recorded, counts):
    print(f"{'instructions per request':28} {'recorded':>9} {'now':>9} {'change':>9}"
          f" {'libc':>7} {'other':>7}")
    for name, count in counts.items():
        before = recorded.get(name)
        row = f"{before:9} " if before else f"{'-':>9} "
        row += f"{count.own:9.1f} "
        row += f"{100 * change(before, count.own):+7.1f} %" if before else f"{'new':>9}"
        print(f"{name:28} {row} {count.libc:7.0f} {count.other:7.0f}")


def judge(recorded, counts):
    """Says what changed by more than the tolerance; the exit code."""
    grown = {name: change(recorded[name], count.own) for name, count in counts.items()
             if name in recorded and change(recorded[name], count.own) > TOLERANCE}
    shrunk = [name for name, count in counts.items()
              if name in recorded and change(recorded[name], count.own) < -TOLERANCE]
    unknown = sorted(recorded.keys() ^ counts.keys())
    if shrunk:
        print(f"\nFewer than recorded by more than {TOLERANCE:.0%}: {'; '.join(shrunk)}.\n"
              "Record it: tests/instructions/count.py --record")
    if unknown:
        print(f"\nIn baseline.json or measured, not both: {'; '.join(unknown)}.\n"
              "Record anew: tests/instructions/count.py --record")
    if grown:
        worst = max(grown, key=grown.get)
        print(f"\nMore than recorded by more than {TOLERANCE:.0%}: {'; '.join(grown)}.\n"
              f"Where a request of \"{worst}\" spends them:")
        for function, each in counts[worst].functions.most_common(12):
            print(f"{each:10.1f}  {function}")
        print("To see all of it, of this build and of the one before (with lines, if they\n"
              "are built with -DCMAKE_C_FLAGS=-g):\n"
              "  CAIRN_PLAIN_BIN=BUILD/bin tests/instructions/count.py --keep FOLDER\n"
              f"  callgrind_annotate --threshold=100 FOLDER/{profile_name(worst)}\n"
              "If it is worth it, record it and say why in the commit:\n"
              "  tests/instructions/count.py --record")
    return 1 if grown or unknown else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--keep", metavar="FOLDER", type=Path)
    arguments = parser.parse_args()
    binaries = Path(os.environ.get("CAIRN_PLAIN_BIN") or "/nonexistent").resolve()
    if not (binaries / "cairn-serve").exists():
        skip("CAIRN_PLAIN_BIN names no folder of programs without sanitizers")
    if shutil.which("valgrind") is None:
        skip("valgrind is not installed")
    build = build_of(binaries)
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)

    counts = {}
    with tempfile.TemporaryDirectory(prefix="cairn-instructions-") as folder:
        for number, server in enumerate(SERVERS):
            work = Path(folder) / str(number)
            counts.update(count_server(binaries, work, server, arguments.keep))
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    recorded = baseline.get("instructions", {})
    print_table(recorded, counts)
    if arguments.record:
        figures = {name: round(count.own) for name, count in counts.items()}
        BASELINE.write_text(json.dumps({**build, "instructions": figures}, indent=2,
                                       sort_keys=True) + "\n")
        return 0
    if not baseline:
        sys.exit("instructions: there is no baseline.json: record one with --record")
    if comparable(build) != comparable(baseline):
        was = ", ".join(baseline[name] for name in build)
        skip(f"this build is not comparable: {', '.join(build.values())}; recorded: {was}")
    return judge(recorded, counts)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Checks that the request path writes no cache line that another thread writes or reads.

    CAIRN_BIN=BIN_FOLDER tests/sharing/shared_lines.py [-v]

Compiles the server with gcc's -fsanitize=thread, so that every load and store is a call, and links
it with store_trace.c, which records the cache lines that each thread touches. Two workers then
answer requests of many kinds over 64 connections that exist already. A line that one worker wrote
and another thread touched in that time fails the test, with the code that did it.

What may be shared is in ALLOWED, and no more: the count of connections as they come and go, and the
count of a site's downloads that outlive a loop turn, both on lines that nothing else reads; and what
is in a worker's ring of log lines, with the thread that writes them, but not with other workers; and a
worker's counters, with who asks for them every few seconds. Last, the same with planted mistakes, all
of which have to be found. CAIRN_BIN holds cairn-pack. -v prints the allowed lines too. Exit code: 0 ok,
1 failed, 77 skipped.
"""
import json
import mmap
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "wire"))
import cairn  # noqa: E402
from cairn import request  # noqa: E402

EXIT_SKIPPED = 77
CONNECTIONS = 64
ROUNDS = 6
WORKER_WRITES_LEAST = 1000
SAMPLE_S = 1  # how often the admin thread asks for numbers
VERBOSE = "-v" in sys.argv[1:]

# ---- the traced server ----

COMPILER = os.environ.get("CC", "gcc")
FLAGS = ["-std=gnu17", "-O2", "-g", "-fno-pie", "-fno-omit-frame-pointer", "-D_GNU_SOURCE",
         "-D_FILE_OFFSET_BITS=64", '-DCAIRN_VERSION="traced"', '-DCAIRN_DATA_DIR="/nowhere"', f"-I{SOURCE}",
         f"-I{SOURCE}/common", f"-I{SOURCE}/server"]
# Nothing may become a store behind the back of the sanitizer's pass: memcpy() and the like stay
# calls, loops do not turn into them.
TRACED = ["-fsanitize=thread", "-fno-builtin", "-fno-tree-loop-distribute-patterns"]
WRAPPED = re.findall(r"__wrap_(\w+)\(|^WRAP\([^,]*, (\w+),", (HERE / "store_trace.c").read_text(),
                     re.MULTILINE)
WRAPS = [f"-Wl,--wrap={name}" for name in sorted({a or b for a, b in WRAPPED} - {""})]
LIBRARIES = ["-lcmph", "-ldeflate", "-ljansson", "-lcrypto", "-lseccomp", "-lsystemd", "-pthread"]
PROBE = """#if defined __clang__
#error needs gcc: clang calls other functions
#endif
int at;
int main(void) { return __atomic_fetch_add(&at, 1, 0); }
"""


class Skipped(Exception):
    pass


def compile_file(source, target, flags):
    done = subprocess.run([COMPILER, *FLAGS, *flags, "-c", source, "-o", target],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{source} does not compile:\n{done.stderr}")
    return target


def check_tools(folder):
    """The test is skipped where the compiler cannot do this at all; if it can, it has to."""
    for tool in (COMPILER, "addr2line", "nm", "cmake"):
        if shutil.which(tool) is None:
            raise Skipped(f"{tool} is not installed")
    (folder / "probe.c").write_text(PROBE)
    done = subprocess.run([COMPILER, *FLAGS, *TRACED, "-c", folder / "probe.c", "-o",
                           folder / "probe.o"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skipped(f"{COMPILER} cannot: {done.stderr}")
    names = subprocess.run(["nm", folder / "probe.o"], capture_output=True, text=True).stdout
    if "__tsan_atomic32_fetch_add" not in names:
        raise Skipped(f"{COMPILER} -fsanitize=thread calls something else:\n{names}")


def made_source(folder):
    """The script of --live-reload as C, which the build makes."""
    live_reload = SOURCE / "server/live_reload"
    path = folder / "live_script.c"
    subprocess.run(["cmake", f"-DSCRIPT={live_reload}/live-reload.js", f"-DOUTPUT={path}", "-P",
                    live_reload / "embed.cmake"], check=True)
    return path


def build(folder):
    """Two folders with a cairn-serve each: as it is, and with the mistakes of planted.c."""
    check_tools(folder)
    sources = [path for pattern in ("common/*.c", "common/*/*.c", "server/*.c", "server/*/*.c")
               for path in sorted(SOURCE.glob(pattern)) if path != SOURCE / "server/ctl.c"]
    sources.append(made_source(folder))
    plain = [HERE / "store_trace.c"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(compile_file, path, folder / f"{path.parent.name}-{path.stem}.o",
                            [] if path in plain else TRACED)
                for path in [*sources, *plain, HERE / "planted.c"]]
        objects = [job.result() for job in jobs]
    for name, linked, options in (("as-it-is", objects[:-1], []),
                                  ("planted", objects, ["-Wl,--wrap=h1_session_turn"])):
        (folder / name).mkdir()
        done = subprocess.run([COMPILER, "-no-pie", *linked, *WRAPS, *options, *LIBRARIES, "-o",
                               folder / name / "cairn-serve"], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"the traced server does not link:\n{done.stderr}")
    return folder / "as-it-is", folder / "planted"


# ---- requests ----

SMALL = cairn.noise(1024, 1)
MIDDLE = cairn.noise(20_000, 2)
LARGE = cairn.noise(102_400, 3)
HUGE = cairn.noise(8_000_000, 4)
OLD = "assets/app-5d41402abc4b2a76b9719d911017c592.js"  # immutable: the older release answers
SITES = [{"index.html": "old\n", "small": SMALL, OLD: "old script\n", "gone": "gone\n"},
         {"index.html": "<title>new</title>\n", "404.html": "nothing\n", "small": SMALL,
          "guide/index.html": "guide\n" * 100, "middle": MIDDLE, "large": LARGE, "huge": HUGE,
          "_redirects": "/moved /small 302\n/blog/* /guide/:splat 301\n",
          "_headers": "/small\n  X-Kind: small\n"}]
KINDS = {
    "1 KiB": [(request("/small"), 200)] * 4,
    "20 KB": [(request("/middle"), 200)],
    "100 KiB by sendfile": [(request("/large"), 200)],
    "HEAD": [(request("/large", "HEAD"), 200)],
    "304": [(request("/small", fields="If-None-Match: *\r\n"), 304)] * 2,
    "404": [(request("/missing/a"), 404)] * 2,
    "an older release": [(request(f"/{OLD}"), 200)],
    "redirects": [(request("/guide"), 301), (request("/moved"), 302), (request("/blog/a"), 301)],
    "a range": [(request("/large", fields="Range: bytes=500-599\r\n"), 206)],
    "several ranges": [(request("/large", fields="Range: bytes=0-9,500-599\r\n"), 206)],
    "bodies, bad methods and targets": [
        (request("/small", "GET", "Content-Length: 5\r\n") + b"12345", 200),
        (request("/small", "POST", "Content-Length: 5\r\n") + b"12345", 405),
        (request("/%zz"), 400)],
    "pipelined": [(b"".join([request("/small"), request("/"), request("/missing")] * 5),
                   (200, 200, 404) * 5)],
    "pipelined, sendfile among them": [(b"".join([request("/small"), request("/large")] * 2),
                                        (200,) * 4)],
    "a head in two pieces": [((request("/small")[:30], request("/small")[30:]), 200)],
}


def ask(clients, data, statuses):
    """All at once, so that both workers are busy together."""
    statuses = statuses if isinstance(statuses, tuple) else (statuses,)
    method = "HEAD" if data[:4] == b"HEAD" else "GET"
    for piece in data if isinstance(data, tuple) else (data,):
        for client in clients:
            client.send(piece)
    for client in clients:
        for status in statuses:
            head, _ = client.read_raw(method)
            if int(head[9:12]) != status:
                raise SystemExit(f"{data[:80]!r}: not {status} but {head!r}")
    return len(clients) * len(statuses)


def kinds_of(name):
    def run(_server, clients):
        return sum(ask(clients, data, statuses)
                   for _ in range(ROUNDS) for data, statuses in KINDS[name])
    return run


def everything(_server, clients):
    return sum(ask(clients, data, statuses)
               for _ in range(ROUNDS) for kind in KINDS.values() for data, statuses in kind)


def downloads(_server, clients):
    """More than a socket takes: each waits for its client."""
    return ask(clients[:16], request("/huge"), 200)


def new_connections(server, _clients):
    for _ in range(4):
        clients = [server.client() for _ in range(CONNECTIONS)]
        ask(clients, request("/small"), 200)
        for client in clients:
            client.close()
    return 4 * CONNECTIONS


def settled(server):
    return f" connections={CONNECTIONS} " in server.command("status")


# ---- a run ----

Run = namedtuple("Run", "requests threads lines")


def record(binaries, folder, indexes, traffic, options=()):
    """Starts a server, warms it up with the same requests, and records the second time."""
    switch, report = folder / "switch", folder / "report"
    switch.write_bytes(bytes(mmap.PAGESIZE))
    report.unlink(missing_ok=True)
    with open(switch, "r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE) as shared:
        with cairn.Server(indexes[0], workers=2, bin_folder=binaries,
                          # one thread that waits for disks: several share a queue as they start
                          # the report is written at the end, where the sandbox lets nobody write
                          options=("--disk-readers", "1", "--sandbox", "off", *options),
                          env={"STORE_TRACE_SWITCH": str(switch),
                               "STORE_TRACE_REPORT": str(report)}) as server:
            server.load(indexes[1])
            clients = [server.client(receive_buffer=1 << 20) for _ in range(CONNECTIONS)]
            traffic(server, clients)
            cairn.wait_until(lambda: settled(server), "only the clients' connections")
            shared[0] = 1
            count = traffic(server, clients)
            if "--admin" in options:
                time.sleep(2 * SAMPLE_S)  # its numbers are asked for while this is recorded, too
            shared[0] = 2
            for client in clients:
                client.close()
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    run = Run(count, [line for line in lines if "lines" in line],
              [line for line in lines if "address" in line])
    check_recorded(run)
    return run


def workers_of(run):
    """Those that answered, which wrote most. Threads that wait for disks had nothing to do but to
    start: everything is in the page cache; and the log's thread writes little but to the system."""
    others = [thread for thread in run.threads
              if not thread["is_main"] and thread["writes"] >= WORKER_WRITES_LEAST]
    return sorted(others, key=lambda thread: thread["writes"])[-2:]


def check_recorded(run):
    if any(thread["is_full"] for thread in run.threads):
        raise SystemExit(f"LINES_MAX or BLOCKS_MAX is too small: {run.threads}")
    workers = workers_of(run)
    if len(workers) != 2:
        raise SystemExit(f"not both workers were at work: {run.threads}")


# ---- names ----


class Names:
    """What lies at an address of the program."""

    def __init__(self, program, lines):
        self.program = program
        self.places = {}
        self.data = []
        self._read_data()
        self._read_places(lines)

    def _read_data(self):
        names = subprocess.run(["nm", "-S", self.program], capture_output=True, text=True,
                               check=True).stdout
        for match in re.finditer(r"^(\w+) (\w+) [bBdDrR] (\S+)$", names, re.MULTILINE):
            self.data.append((int(match[1], 16), int(match[2], 16), match[3]))

    def _read_places(self, lines):
        wanted = {address - 1 for line in lines for by in line["by"]
                  for kind in ("reads", "writes") for place in by[kind]["places"]
                  for address in place if address > 0}
        wanted |= {caller - 1 for line in lines for _, _, caller in line["blocks"]}
        if not wanted:
            return
        text = subprocess.run(["addr2line", "-a", "-f", "-i", "-e", self.program],
                              input="\n".join(map(hex, sorted(wanted))), capture_output=True,
                              text=True, check=True).stdout
        for part in re.split(r"^0x", text, flags=re.MULTILINE)[1:]:
            address, *rows = part.splitlines()
            self.places[int(address, 16) + 1] = [
                (rows[i], self._relative(rows[i + 1])) for i in range(0, len(rows) - 1, 2)]

    @staticmethod
    def _relative(place):
        path, _, number = re.sub(r" \(discriminator \d+\)", "", place).rpartition(":")
        path = os.path.realpath(path)
        return f"{os.path.relpath(path, SOURCE)}:{number}"

    def chain(self, place):
        """[(function, file:line)] from the access outwards: what is inlined, then the caller."""
        return self.places.get(place[0], []) + self.places.get(place[1], [])[:1]

    def functions(self, place):
        return {name for name, _ in self.places.get(place[0], [])}

    def things(self, line):
        """What is in the cache line."""
        first, last = line["address"], line["address"] + 63
        found = [f"{name} ({bytes_} bytes)" for at, bytes_, name in self.data
                 if at <= last and at + bytes_ > first]
        for at, bytes_, caller in line["blocks"]:
            where = ", ".join(f"{name} {place}" for name, place in self.places.get(caller, [])[:1])
            found.append(f"byte {max(first - at, 0)} of {bytes_} from the heap for {where}")
        return found


def byte_ranges(mask):
    bits = [bit for bit in range(64) if mask >> bit & 1]
    starts = [bit for bit in bits if bit - 1 not in bits]
    return ",".join(f"{start}-{next(bit for bit in range(start, 65) if bit not in bits) - 1}"
                    for start in starts)


def thread_name(run, number):
    thread = run.threads[number]
    return "main" if thread["is_main"] else f"worker {number}"


def is_true_sharing(line):
    return any(a is not b and a["writes"]["mask"] & (b["writes"]["mask"] | b["reads"]["mask"])
               for a in line["by"] for b in line["by"])


def describe(run, line, names):
    kind = ("the same bytes" if is_true_sharing(line) else
            "different bytes (false sharing)" if len(line["by"]) > 1 else
            "shared or not by luck: the edge of a block from another thread")
    print(f"  line {line['address']:#x}, {kind}: {'; '.join(names.things(line)) or 'unknown'}")
    for by in line["by"]:
        for what in ("writes", "reads"):
            accesses = by[what]
            if accesses["count"] == 0:
                continue
            print(f"    {thread_name(run, by['thread'])} {what} bytes "
                  f"{byte_ranges(accesses['mask'])}, {accesses['count']} times")
            for place in accesses["places"]:
                print("      " + " < ".join(f"{name} {where}"
                                            for name, where in names.chain(place)))


# ---- judging ----

LOG_RUN = "all of these, with an access log"
METRICS_RUN = "all of these, with metrics"
RING = {"log_ring_put", "log_ring_publish", "log_ring_lines", "log_ring_whole", "log_ring_take",
        "log_ring_await", "has_room", "is_filling", "fill", "available", "taken", "byte_at",
        "lost_lines"}
ALLOWED = {
    LOG_RUN: RING,
    "new connections": {"admission_enter", "admission_leave"},
    "downloads that outlive a turn": {"site_ref", "site_unref"},
}


def is_allowed(line, names, functions):
    """Is every access to the line one of these functions'?"""
    return all(names.functions(place) & functions
               for by in line["by"] for what in ("reads", "writes")
               for place in by[what]["places"])


def is_of_one_worker(run, line):
    """Has no more than one worker touched it?"""
    workers = workers_of(run)
    return sum(run.threads[by["thread"]] in workers for by in line["by"]) <= 1


def is_asked_for(run, line, names):
    """Is it one worker's, and touched by others only where its numbers are asked for, which is
    done now and then?"""
    workers = workers_of(run)
    return is_of_one_worker(run, line) and all(
        any(name == "workers_totals" or where.startswith("server/metrics/metrics_snapshot.c:")
            for name, where in names.chain(place))
        for by in line["by"] if run.threads[by["thread"]] not in workers
        for place in by["reads"]["places"] + by["writes"]["places"])


def judge(name, run, program):
    """Prints what is shared; returns how much of it should not be."""
    names = Names(program, run.lines)
    bad = [line for line in run.lines if not is_allowed(line, names, ALLOWED.get(name, set()))
           or (name == LOG_RUN and not is_of_one_worker(run, line))]
    if name == METRICS_RUN:
        bad = [line for line in bad if not is_asked_for(run, line, names)]
    good = [line for line in run.lines if line not in bad]
    workers = workers_of(run)
    stores = sum(thread["writes"] for thread in workers)
    print(f"{name}: {run.requests} requests, {stores / run.requests:.0f} stores each, to "
          f"{' and '.join(str(thread['lines']) for thread in workers)} lines touched: "
          f"{len(bad)} shared" + (f", {len(good)} as allowed" if good else ""), flush=True)
    for line in bad + (good if VERBOSE else []):
        describe(run, line, names)
    if name in ALLOWED and not run.lines:
        print(f"  nothing is shared that used to be: take {name!r} out of ALLOWED")
        return 1
    return len(bad)


def judge_planted(run, program):
    names = Names(program, run.lines)
    missed = 0
    for planted in ("counter", "neighbours", "copy", "mutex", "by_one"):
        wanted = f"planted_{planted} "
        found = any(thing.startswith(wanted) for line in run.lines for thing in names.things(line))
        print(f"planted: {wanted}{'found' if found else 'NOT FOUND'}", flush=True)
        missed += not found
    return missed


def main():
    with tempfile.TemporaryDirectory(prefix="cairn-sharing-") as holder:
        folder = Path(holder)
        try:
            as_it_is, planted = build(folder)
        except Skipped as why:
            print(f"sharing: SKIPPED: {why}")
            return EXIT_SKIPPED
        indexes = []
        for number, files in enumerate(SITES):
            tree = cairn.write_tree(folder / f"tree-{number}", files)
            indexes.append(cairn.pack(tree, folder / "site.cairn", "--effort", "none"))
        program = as_it_is / "cairn-serve"
        runs = {name: (kinds_of(name), ()) for name in KINDS}
        runs[LOG_RUN] = (
            everything, ("--access-log", folder / "log"))
        runs[METRICS_RUN] = (everything, ("--admin", "127.0.0.1:0"))
        runs["downloads that outlive a turn"] = (downloads, ())
        runs["new connections"] = (new_connections, ())
        problems = 0
        for name, (traffic, options) in runs.items():
            run = record(as_it_is, folder, indexes, traffic, options)
            problems += judge(name, run, program)
        run = record(planted, folder, indexes, kinds_of("1 KiB"))
        problems += judge_planted(run, planted / "cairn-serve")
    print(f"sharing: {problems} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

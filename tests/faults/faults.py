"""Faults: which calls there are, how they fail, and the table through which a test chooses them.

A fault is one function (calls.txt), one way to fail, and the calls that fail: `count` of them from
the n-th on. wrap.c counts the calls of the programs that are linked with it, and fails those.
"""
import collections
import errno
import mmap
import os
import socket
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "wire"))

EXHAUSTIVE = os.environ.get("CAIRN_FAULTS_ALL") == "1"
_NAME_BYTES = 40
_ROW = struct.Struct("40sQQQqQQ")
SHORT_BYTES = (1, 7, 4096)


def read_calls():
    """{function: [how it fails]}, in the order of calls.txt."""
    calls = {}
    for line in (HERE / "calls.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, *hows = line.split()
            calls[name] = hows
    return calls


CALLS = read_calls()
# Without the forms that some of them have: "prctl:..." is prctl().
FUNCTIONS = {name.split(":")[0] for name in CALLS}
# What common/mem.h asks for: without memory the program ends, with a sentence.
MEMORY = ("aligned_alloc", "calloc", "reallocarray", "vasprintf")
# What common/key.h and common/sha256.h ask for: as without memory.
OPENSSL = tuple(call for call, hows in CALLS.items() if "nothing" in hows)
# By what they return, not by an errno.
_NUMBERS = {"short": 0, "nothing": 0, "negative": -1}


def number_of(how):
    if how in _NUMBERS:
        return _NUMBERS[how]
    return getattr(socket, how) if how.startswith("EAI_") else getattr(errno, how)


class Fault(collections.namedtuple("Fault", "call how first count bytes")):
    """`count` calls of `call` from the `first` on fail; a short one does `bytes` at most."""

    def __new__(cls, call, how, first, count=1, bytes=1):
        return super().__new__(cls, call, how, first, count, bytes)

    def __str__(self):
        size = f" {self.bytes}" if self.how == "short" else ""
        many = f" and the {self.count - 1} after it" if self.count > 1 else ""
        return f"{self.call} {self.first}{many}: {self.how}{size}"

    @property
    def text(self):
        """What the system calls it; None for what is not an error."""
        if self.how == "short":
            return None
        if self.how in _NUMBERS or self.how.startswith("EAI_"):
            return ""
        return os.strerror(number_of(self.how))


class Table:
    """The file that CAIRN_FAULTS names: a row for each function, shared with the programs."""

    def __init__(self, folder=None):
        handle, self.path = tempfile.mkstemp(prefix="cairn-faults-", dir=folder)
        rows = b"".join(_ROW.pack(name.encode(), 0, 0, 0, 0, 0, 0) for name in CALLS)
        os.write(handle, rows)
        self._map = mmap.mmap(handle, len(rows))
        os.close(handle)
        self._at = {name: i * _ROW.size for i, name in enumerate(CALLS)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._map.close()
        os.unlink(self.path)

    @property
    def environment(self):
        return {"CAIRN_FAULTS": self.path}

    def _field(self, call, place):
        return struct.unpack_from("Q", self._map, self._at[call] + _NAME_BYTES + 8 * place)[0]

    def calls(self, call):
        return self._field(call, 0)

    def failed(self, call):
        return self._field(call, 5)

    def all_calls(self):
        return {name: self.calls(name) for name in CALLS}

    def arm(self, fault, relative=False):
        """From here on; `relative`: counted from now, not from the program's start."""
        first = fault.first + (self.calls(fault.call) if relative else 0)
        at = self._at[fault.call] + _NAME_BYTES
        # `from` comes last: what the others say counts only then
        struct.pack_into("QqQ", self._map, at + 16, fault.count, number_of(fault.how), fault.bytes)
        struct.pack_into("Q", self._map, at + 8, first)

    def disarm(self, call):
        struct.pack_into("Q", self._map, self._at[call] + _NAME_BYTES + 8, 0)


# Calls of one loop over a table, hundreds of them, which all fail in the same way.
ALIKE = {"seccomp_rule_add": 20}


def spread(count, most):
    """Up to `most` of 1 .. count: all if there are so few, else the first, the last and some between."""
    if most == 1 and count > 1:
        return [1]
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(i * (count - 1) / (most - 1)) for i in range(most)})


def choose(recorded, places, only=None):
    """Faults for a run in which each function was called `recorded` times. Each function fails at
    up to `places` of its calls; in the exhaustive run in each way at each of them, else in one way
    at each, and in every way at one at least."""
    faults = []
    for call, hows in CALLS.items():
        count = recorded.get(call, 0)
        if count == 0 or (only is not None and call not in only):
            continue
        firsts = spread(count, min(places, ALIKE.get(call, places)))
        ways = [(how, size) for how in hows
                for size in (SHORT_BYTES if how == "short" else (1,))]
        if EXHAUSTIVE:
            pairs = [(first, way) for first in firsts for way in ways]
        else:
            rounds = max(len(firsts), len(ways))
            pairs = [(firsts[i % len(firsts)], ways[i % len(ways)]) for i in range(rounds)]
        faults += [Fault(call, how, first, 1, size) for first, (how, size) in pairs]
        if "EINTR" in hows:
            faults.append(Fault(call, "EINTR", 1, 1000))
    return faults


class Tally:
    """What was injected and what came of it; run.sh adds up what the tests leave."""

    def __init__(self, name):
        self.name = name
        self.injected = collections.Counter()
        self.outcomes = collections.Counter()

    def add(self, call, count, outcome):
        self.injected[call] += count
        self.outcomes[outcome] += 1

    def close(self):
        lines = [f"{self.name}: {sum(self.injected.values())} faults in {sum(self.outcomes.values())}"
                 " runs: " + ", ".join(f"{n} {what}" for what, n in self.outcomes.most_common())]
        print("\n".join(lines), file=sys.stderr, flush=True)
        folder = os.environ.get("CAIRN_FAULTS_TALLY")
        if folder:
            with open(Path(folder) / f"{self.name}.tally", "w", encoding="ascii") as file:
                for call, count in self.injected.items():
                    file.write(f"injected {call} {count}\n")
                for outcome, count in self.outcomes.items():
                    file.write(f"outcome {outcome.replace(' ', '_')} {count}\n")


def in_parallel(work, items):
    """work(item) for each on all processors; the problems, as texts."""
    problems = []

    def one(item):
        try:
            work(item)
        except (AssertionError, OSError, subprocess.SubprocessError) as problem:
            problems.append(f"{item}: {problem}")

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for done, _ in enumerate(pool.map(one, items), 1):
            if EXHAUSTIVE and done % 200 == 0:
                print(f"  {done} of {len(items)}", file=sys.stderr, flush=True)
    return problems

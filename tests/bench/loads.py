#!/usr/bin/env python3
"""What a load costs: time from the command to `ok`, and memory, for indexes of several sizes.

    tests/bench/loads.py BIN_FOLDER [PATHS...]      (1000 100000 1000000 by default)

BIN_FOLDER holds cairn-pack and cairn-serve. For each size a site of so many tiny files is packed
twice, with one file changed, and the two releases are loaded in turn, 20 times. The time is what the
reply says (ms=) and what the one who asks sees. Private memory is Private_Dirty of
/proc/PID/smaps_rollup with one release loaded, beside none; the index itself is mapped, shared with
the page cache. Meanwhile one client asks for a page over a kept connection: its slowest answer during
the loads, and during as long a time without any. The files are made in TMPDIR and removed.
"""
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REQUEST = b"GET /0000/0000000.txt HTTP/1.1\r\nHost: a.example\r\n\r\n"


def make_tree(root, count):
    for number in range(count):
        if number % 1000 == 0:
            (root / f"{number // 1000:04}").mkdir(parents=True)
        with open(root / f"{number // 1000:04}" / f"{number:07}.txt", "w", encoding="ascii") as file:
            file.write(f"file {number}\n")


def pack(binaries, tree, archive):
    done = subprocess.run([binaries / "cairn-pack", "add", "--effort", "none", tree, archive],
                          check=True, capture_output=True, text=True)
    return done.stdout.split(" ", 2)[2].rstrip("\n")


def private_bytes(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    return 0


class Client(threading.Thread):
    """Asks again and again; remembers the slowest answer."""

    def __init__(self, port):
        super().__init__()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.slowest = 0.0
        self.is_over = False

    def run(self):
        while not self.is_over:
            started = time.perf_counter()
            self.socket.sendall(REQUEST)
            got = b""
            while not got.endswith(b"\n") or b"\r\n\r\n" not in got or got.endswith(b"\r\n\r\n"):
                got += self.socket.recv(65536)
            self.slowest = max(self.slowest, time.perf_counter() - started)
            time.sleep(0.001)

    def take_slowest(self):
        slowest, self.slowest = self.slowest, 0.0
        return slowest


def measure(binaries, folder, count):
    tree = folder / "tree"
    make_tree(tree, count)
    archive = folder / "site.cairn"
    indexes = [pack(binaries, tree, archive)]
    (tree / "0000" / "0000001.txt").write_text("changed\n")
    indexes.append(pack(binaries, tree, archive))
    server = subprocess.Popen([binaries / "cairn-serve", "--listen", "127.0.0.1:0", "--workers", "1"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL)

    def load(index):
        started = time.perf_counter()
        server.stdin.write(f"load index {index}\n")
        server.stdin.flush()
        reply = server.stdout.readline()
        seen = (time.perf_counter() - started) * 1e3
        return float(re.search(r" ms=([\d.]+)", reply).group(1)), seen

    port = int(server.stdout.readline().split()[1].rstrip("/").rsplit(":", 1)[1])
    before = private_bytes(server.pid)
    load(indexes[0])
    memory = private_bytes(server.pid) - before
    client = Client(port)
    client.start()
    own, seen = zip(*(load(indexes[number % 2]) for number in range(1, 21)))
    busy = client.take_slowest()
    time.sleep(sum(seen) / 1e3 + 0.5)
    quiet = client.take_slowest()
    client.is_over = True
    client.join()
    server.terminate()
    server.wait()
    size = os.path.getsize(indexes[0])
    print(f"| {count:,} | {size / 1e6:.1f} MB | {statistics.median(own):.1f} ms, {max(own):.1f} | "
          f"{statistics.median(seen):.1f} ms, {max(seen):.1f} | {memory / 1024:.0f} KiB | "
          f"{quiet * 1e3:.2f} ms, {busy * 1e3:.2f} |", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print("| paths | index | reply's ms: median, worst | seen: median, worst | private memory | "
          "slowest answer: quiet, during loads |\n|---|---|---|---|---|---|")
    for count in [int(word) for word in sys.argv[2:]] or [1000, 100_000, 1_000_000]:
        with tempfile.TemporaryDirectory(prefix="cairn-bench-") as holder:
            measure(Path(sys.argv[1]), Path(holder), count)


main()

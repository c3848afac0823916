#!/usr/bin/env python3
"""CPU time per request of one or more builds of cairn-serve, interleaved, medians.

    tests/bench/requests.py NAME=BIN_FOLDER [NAME=BIN_FOLDER...]

BIN_FOLDER holds cairn-pack and cairn-serve. One worker on processor 0, wrk (Debian package wrk) on
processor 1. The figure is user and system time of the server process by /proc/PID/stat, divided by
the requests that wrk counted: what stays stable on a machine that others use too. Compare builds of
one run with each other, never figures of two runs.
"""
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 9
SECONDS = "1s"
TICKS = os.sysconf("SC_CLK_TCK")
BROWSER = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: none",
    "Sec-Fetch-User: ?1",
    "Upgrade-Insecure-Requests: 1",
]
WORKLOADS = {
    "1 KiB": ("k.bin", []),
    "1 KiB, as a browser asks": ("k.bin", BROWSER),
    "100 KiB": ("h.bin", []),
    "304": ("k.bin", ["If-None-Match: *"]),
    "206, 100 bytes of 100 KiB": ("h.bin", ["Range: bytes=500-599"]),
}


def cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class Server:
    def __init__(self, name, binaries, tree, folder):
        archive = folder / f"{name}.cairn"
        subprocess.run([binaries / "cairn-pack", "add", tree, archive], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", binaries / "cairn-serve", "--listen", "127.0.0.1:0",
             "--workers", "1", archive.with_suffix(".idx")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.url = self.process.stdout.readline().decode().split()[1]

    def round(self, target, fields):
        before = cpu_ticks(self.process.pid)
        options = [word for field in fields for word in ("-H", field)]
        done = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{SECONDS}", *options,
                               self.url + target], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        count = int(re.search(r"(\d+) requests in", done.stdout).group(1))
        return (cpu_ticks(self.process.pid) - before) / TICKS / count * 1e6

    def stop(self):
        self.process.terminate()
        self.process.wait()


def main():
    builds = dict(word.split("=", 1) for word in sys.argv[1:])
    if not builds:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as holder:
        folder = Path(holder)
        tree = folder / "tree"
        tree.mkdir()
        (tree / "k.bin").write_bytes(random.Random(1).randbytes(1024))
        (tree / "h.bin").write_bytes(random.Random(2).randbytes(102400))
        servers = {name: Server(name, Path(path), tree, folder) for name, path in builds.items()}
        for workload, (target, fields) in WORKLOADS.items():
            figures = {name: [] for name in servers}
            for _ in range(ROUNDS):
                for name, server in servers.items():
                    figures[name].append(server.round(target, fields))
            shown = "  ".join(f"{name} {statistics.median(values):6.2f} (least {min(values):.2f})"
                              for name, values in figures.items())
            print(f"{workload:28} us of CPU per request: {shown}", flush=True)
        for server in servers.values():
            server.stop()


main()

#!/usr/bin/env python3
"""Cairn beside a bare epoll floor and nginx, h2o, lighttpd and Caddy: what run.sh runs.

    tests/bench/compare.py BIN_FOLDER [--rounds N] [--only REGEX] [--servers NAME,NAME]
                           [--also NAME=BIN_FOLDER]... [--json FILE]

BIN_FOLDER holds cairn-pack, cairn-serve and floor; --also NAME=BIN_FOLDER, which may stand several
times, adds another build of cairn-serve. Each server has processor 0 for itself while it is
asked, wrk (and h2load, once, to see whether they agree) has processor 1. For each workload all servers are asked in turn, N rounds of a second, in
another order each time; the figures are medians of the rounds:

  us      CPU time of the server process for a request, user and system, in microseconds
  krps    thousands of requests a second
  p50 p99 p999   latency as wrk sees it, in microseconds
  floor, peer    the ratio of `us` to the floor's, and to the best peer's

A server whose answer is not what was asked for is left out of a workload, and that is said.
"""
import argparse
import gzip
import http.client
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers

HERE = Path(__file__).resolve().parent
DOCS = Path("/usr/share/doc/openjdk-17-jre-headless/api")
PAGES = 10000
CONNECTIONS = 64


class Workload:
    def __init__(self, name, target, key=None, fields=None, status=200, bytes=None, mode=("same",),
                 floor=(), to_floor=None, to_peer=None, tree="plain"):
        self.name = name
        self.target = target
        self.fields = fields or {}
        self.status = status
        self.bytes = bytes            # of the body; None: any
        self.mode = mode              # of load.lua
        self.floor = floor            # options of the floor
        self.to_floor = to_floor      # aims: ratio of CPU time to the floor's
        self.to_peer = to_peer        # and to the best peer's
        self.tree = tree
        self.key = key or name


def workloads(pages_list):
    pages = ("pages", str(pages_list))
    return [
        Workload("1 KiB", "/1k.bin", "1k", bytes=1024, to_floor=1.08, to_peer=0.95),
        Workload("1 KiB, asked by h2load", "/1k.bin", "1k_h2load", bytes=1024, mode=("h2load",)),
        Workload("16 KiB", "/16k.bin", "16k", bytes=16384, to_floor=1.08, to_peer=0.75),
        Workload("100 KiB", "/100k.bin", "100k", bytes=102400, to_floor=1.05, to_peer=0.98),
        Workload("10 MiB", "/10m.bin", "10m", bytes=10485760, to_floor=1.05, to_peer=0.98),
        Workload("10,000 pages", None, "pages", mode=pages, floor=("--walk",), to_floor=1.15,
                 to_peer=0.50, tree="pages"),
        Workload("10,000 pages, br", None, "pages_br", {"Accept-Encoding": "br, gzip"}, mode=pages,
                 floor=("--walk",), to_floor=1.15, to_peer=0.50, tree="pages"),
        Workload("10,000 pages, gzip", None, "pages_gzip", {"Accept-Encoding": "gzip"}, mode=pages,
                 floor=("--walk",), to_floor=1.15, to_peer=0.50, tree="pages"),
        Workload("16 pipelined, 1 KiB", "/1k.bin", "pipelined", bytes=1024, mode=("pipeline", "16"),
                 floor=("--per-read", "16"), to_floor=2.5, to_peer=0.25),
        Workload("304", "/1k.bin", "304", {"If-None-Match": "{etag}"}, status=304, bytes=0,
                 to_floor=1.08, to_peer=0.85),
        Workload("404", "/there/is/none", "404", status=404, to_floor=1.08, to_peer=0.85),
        Workload("new connection each", "/1k.bin", "connections", {"Connection": "close"}, bytes=1024,
                 floor=("--close",), to_floor=1.08, to_peer=0.95),
    ]


# ---- what is served ----

def make_plain(tree):
    for name, count in (("1k", 1024), ("16k", 16384), ("100k", 102400), ("10m", 10485760)):
        (tree / f"{name}.bin").write_bytes(random.Random(count).randbytes(count))


def make_pages(tree, pages_list):
    """10,000 pages of a documentation site, each with its gzip form beside it."""
    found = sorted(DOCS.rglob("*.html"))
    if not found:
        return False
    random.Random(3).shuffle(found)
    targets = []
    for path in found[:PAGES]:
        target = path.relative_to(DOCS)
        if not re.fullmatch(r"[\w./-]+", str(target)) or target.name == "index.html":
            continue
        copy = tree / target
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_bytes()
        copy.write_bytes(text)
        targets.append(f"/{target}")
    pages_list.write_text("\n".join(targets) + "\n")
    subprocess.run(["brotli", "-q", "9", "-k", "--", *[tree / target[1:] for target in targets]],
                   check=True)
    for target in targets:
        path = tree / target[1:]
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    return True


def pack(binaries, tree, archive):
    """The forms beside the pages are the ones the archive serves: the same bytes for everybody."""
    subprocess.run([binaries / "cairn-pack", "add", "--effort", "fast", "--sidecars", tree, archive],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# ---- asking ----

def resolve_fields(workload, server):
    fields = dict(workload.fields)
    for name, value in fields.items():
        if value == "{etag}":
            fields[name] = server.ask(workload.target)[1]["ETag"]
    return fields


def targets_of(workload):
    if workload.target is not None:
        return [workload.target]
    return Path(workload.mode[1]).read_text().split()


def problem(workload, server):
    """Why this server's answers cannot be compared, or None."""
    for target in targets_of(workload)[:20]:
        status, fields, body = server.ask(target, resolve_fields(workload, server))
        if status != workload.status:
            return f"answers {status}"
        if workload.bytes is not None and len(body) != workload.bytes:
            return f"answers with {len(body)} bytes"
        accepted = workload.fields.get("Accept-Encoding", "identity").split(",")[0]
        if fields.get("Content-Encoding", "identity") not in (accepted, "gzip"):
            return f"answers with {fields['Content-Encoding']}"
        if accepted != "identity" and "Content-Encoding" not in fields:
            return "answers without coding"
    return None


def raw_answer(server, target, fields):
    """Head and body as they come over the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    request = f"GET {target} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += client.recv(65536)
        head, _, _ = got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        whole = len(head) + 4 + (int(length.group(1)) if length and b" 304 " not in head else 0)
        while len(got) < whole:
            got += client.recv(1 << 20)
    return got


def floor_answer(workload, cairn):
    """What the floor says: Cairn's own answer, or, where the answers differ, one of average size."""
    fields = resolve_fields(workload, cairn)
    answers = [raw_answer(cairn, target, fields) for target in targets_of(workload)[:2000]]
    if len(answers) == 1:
        return answers[0]
    head, _, body = answers[0].partition(b"\r\n\r\n")
    count = sum(map(len, answers)) // len(answers) - len(head) - 4
    head = re.sub(rb"(?i)(\r\ncontent-length: *)\d+",
                  lambda match: match.group(1) + str(count).encode(), head)
    return head + b"\r\n\r\n" + (body * (count // max(len(body), 1) + 1))[:count]


def run_load(command):
    done = subprocess.run(["taskset", "-c", "1", *command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def ask_by_wrk(workload, server, fields):
    options = [word for name, value in fields.items() for word in ("-H", f"{name}: {value}")]
    said = run_load(["wrk", "-t1", f"-c{CONNECTIONS}", "-d1s", *options, "-s", HERE / "load.lua",
                     f"http://127.0.0.1:{server.port}{workload.target or '/'}", "--", *workload.mode])
    return json.loads(said.splitlines()[-1])


def ask_by_h2load(workload, server):
    """It tells no percentiles."""
    said = run_load(["h2load", "--h1", "-t1", f"-c{CONNECTIONS}", "-D1",
                     f"http://127.0.0.1:{server.port}{workload.target}"])
    count = int(re.search(r" (\d+) succeeded", said).group(1))
    failed = int(re.search(r" (\d+) failed", said).group(1))
    return {"requests": count, "us": 1e6, "failed": failed, "p50": 0, "p99": 0, "p999": 0}


def ask_for_a_second(workload, server):
    fields = resolve_fields(workload, server)
    before = peers.cpu_us(server.pid)
    if workload.mode[0] == "h2load":
        seen = ask_by_h2load(workload, server)
    else:
        seen = ask_by_wrk(workload, server, fields)
    used = peers.cpu_us(server.pid) - before
    count = max(seen["requests"], 1)
    if seen["failed"] > 0 and workload.fields.get("Connection") != "close":
        print(f"    {server.name}: {seen['failed']} failed", flush=True)
    return {"us": used / count, "krps": count / seen["us"] * 1000, "p50": seen["p50"],
            "p99": seen["p99"], "p999": seen["p999"]}


def warm(workload, server):
    """Asks for everything once: caches are full when the first round begins."""
    fields = resolve_fields(workload, server)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        for target in targets_of(workload):
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n".encode())
            response = http.client.HTTPResponse(client)
            response.begin()
            response.read()


def measure(workload, servers, rounds):
    figures = {server.name: [] for server in servers}
    order = list(servers)
    shuffler = random.Random(11)
    for _ in range(rounds):
        shuffler.shuffle(order)
        for server in order:
            figures[server.name].append(ask_for_a_second(workload, server))
    return {name: {key: statistics.median(row[key] for row in rows) for key in rows[0]} |
            {"least": min(row["us"] for row in rows), "most": max(row["us"] for row in rows)}
            for name, rows in figures.items()}


def show(workload, figures):
    others = [row["us"] for name, row in figures.items() if name not in ("cairn", "floor", "walk")]
    print(f"{workload.name}", flush=True)
    for name, row in figures.items():
        to_floor = row["us"] / figures["floor"]["us"] if "floor" in figures else float("nan")
        to_peer = row["us"] / min(others) if others else float("nan")
        print(f"    {name:10} {row['us']:9.2f} us ({row['least']:.2f} to {row['most']:.2f})  "
              f"{row['krps']:8.1f} krps  p50 {row['p50']:6.0f}  p99 {row['p99']:6.0f}  "
              f"p99.9 {row['p999']:6.0f}  floor {to_floor:5.2f}  peer {to_peer:5.2f}", flush=True)


def run(workload, lasting, binaries, folder, rounds, wanted):
    """Starts the floor for this workload beside the servers that last, and measures."""
    servers = []
    for server in lasting:
        why = problem(workload, server)
        if why is None:
            servers.append(server)
        else:
            print(f"    {workload.name}: {server.name} is left out: it {why}", flush=True)
        if workload.target is None:
            warm(workload, server)
    answer = folder / "answer"
    answer.write_bytes(floor_answer(workload, servers[0]))
    floors = []
    constant = [option for option in workload.floor if option != "--walk"]
    if "floor" in wanted:
        floors.append(peers.Server("floor", [binaries / "floor", *constant, answer]))
    if "floor" in wanted and "--walk" in workload.floor:
        floors.append(peers.Server("walk", [binaries / "floor", *workload.floor, answer]))
    try:
        return measure(workload, floors + servers, rounds)
    finally:
        for floor in floors:
            floor.stop()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="")
    parser.add_argument("--servers", default="floor,cairn," + ",".join(peers.PEERS))
    parser.add_argument("--also", action="append", default=[])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def start_all(wanted, options, archive, tree, folder):
    servers = [peers.start_cairn(options.binaries, archive)] if "cairn" in wanted else []
    for build in options.also:
        name, _, binaries = build.partition("=")
        servers.append(peers.start_cairn(Path(binaries), archive, name=name))
    for name in peers.PEERS:
        server = peers.start_peer(name, tree, folder) if name in wanted else None
        if server is not None:
            servers.append(server)
        elif name in wanted:
            print(f"    {name} is not installed: left out", flush=True)
    return servers


def main():
    options = arguments()
    wanted = options.servers.split(",")
    results = {}
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as holder:
        folder = Path(holder)
        folder.chmod(0o755)
        pages_list = folder / "pages.txt"
        chosen = [workload for workload in workloads(pages_list)
                  if re.search(options.only, workload.key)]
        for tree_name in ("plain", "pages"):
            of_tree = [workload for workload in chosen if workload.tree == tree_name]
            if not of_tree:
                continue
            tree = folder / tree_name
            tree.mkdir()
            if tree_name == "plain":
                make_plain(tree)
            elif not make_pages(tree, pages_list):
                print(f"    no pages: Debian's openjdk-17-doc is not installed ({DOCS})", flush=True)
                continue
            archive = folder / f"{tree_name}.cairn"
            pack(options.binaries, tree, archive)
            servers = start_all(wanted, options, archive, tree, folder)
            try:
                for workload in of_tree:
                    figures = run(workload, servers, options.binaries, folder, options.rounds, wanted)
                    show(workload, figures)
                    results[workload.key] = {"name": workload.name, "to_floor": workload.to_floor,
                                             "to_peer": workload.to_peer, "figures": figures}
            finally:
                for server in servers:
                    server.stop()
    if options.json:
        options.json.write_text(json.dumps({"when": time.strftime("%Y-%m-%d"), "rounds": options.rounds,
                                            "workloads": results}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What a second worker costs, and what very many connections cost.

    tests/bench/scaling.py BIN_FOLDER [ROUNDS]     (5 by default; 9 s a round)

BIN_FOLDER holds cairn-pack and cairn-serve. Needs two processors and wrk (Debian package wrk).

Workers: CPU time of the serving threads (/proc/PID/task/*/schedstat) for a request (counted by
`status`), medians of interleaved rounds of a second, in three settings: one worker on processor 0
with the load on processor 1; two workers, one on each, which share them with the load; and, as what
it would cost to share nothing, two processes of one worker each in the place of those, on the same
port (SO_REUSEPORT sockets handed over as systemd does). The load takes the larger part of the
processors, so the throughput of two workers says little, and one worker has other neighbours than
two; what has to be equal is the CPU time for a request of two workers and of two processes.

Connections: as many idle ones as the descriptor limit allows, from several client processes, the
growth of the server's private memory (/proc/PID/smaps_rollup: Private_Dirty) at steps on the way,
and what 50,000 would need by that. What the kernel keeps for a socket is not in it.
"""
import multiprocessing
import os
import random
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 1
CONNECTIONS = 64
PIPELINED = 16
PIPELINE = f"""local all
function init(arguments)
  local one = {{}}
  for i = 1, {PIPELINED} do one[i] = wrk.format() end
  all = table.concat(one)
end
function request() return all end
"""
WORKLOADS = {
    "1 KiB": ("small", False),
    f"1 KiB, {PIPELINED} at a time": ("small", True),
    "100 KiB": ("large", False),
}
MANY = 50_000
STEPS = 4
SPARE = 200  # descriptors of the server that are no connections, and more
REQUEST = b"GET /small HTTP/1.1\r\nHost: a.example\r\n\r\n"


def shared_sockets(count):
    """Listening sockets of one port, among which the system spreads the connections."""
    sockets = []
    for _ in range(count):
        sockets.append(socket.socket())
        sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sockets[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[-1].bind(("127.0.0.1", sockets[0].getsockname()[1]))
    for each in sockets:
        each.listen(4096)
    return sockets


class Server:
    def __init__(self, binaries, index, workers, processor=None, listener=None):
        pinned = [] if processor is None else ["taskset", "-c", str(processor)]
        handed, listen = [], ["--listen", "127.0.0.1:0"]
        if listener is not None:  # sd_listen_fds(3): descriptor 3
            script = f'exec 3<&{listener.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
            handed, listen = ["bash", "-c", script, "bash"], []
        self.process = subprocess.Popen(
            [*handed, *pinned, binaries / "cairn-serve", *listen, "--workers", str(workers),
             "--limit", "idle-time=1h", index],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            pass_fds=() if listener is None else (listener.fileno(),))
        self.url = self.process.stdout.readline().decode().split()[1]
        self.pid = self.process.pid
        if workers > 1:
            for number, task in enumerate(self.tasks()):
                os.sched_setaffinity(task, {number % 2})

    def tasks(self):
        """The serving threads."""
        tasks = sorted(int(path.name) for path in Path(f"/proc/{self.pid}/task").iterdir())
        return [task for task in tasks if task != self.pid]

    def cpu_ns(self):
        return sum(int(Path(f"/proc/{self.pid}/task/{task}/schedstat").read_text().split()[0])
                   for task in self.tasks())

    def status(self, name):
        self.process.stdin.write(b"status\n")
        self.process.stdin.flush()
        while True:
            line = self.process.stdout.readline().decode()
            if line.startswith("ok "):
                return int(re.search(rf" {name}=(\d+)", line).group(1))

    def private_bytes(self):
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Private_Dirty: +(\d+)", rollup, re.MULTILINE).group(1)) * 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


# ---- workers ----


def load(urls, target, script, processor):
    """wrk on all of them at once."""
    pinned = [] if processor is None else ["taskset", "-c", str(processor)]
    options = [] if script is None else ["-s", script]
    running = [subprocess.Popen([*pinned, "wrk", "-t1", f"-c{CONNECTIONS // len(urls)}",
                                 f"-d{SECONDS}s", *options, url + target],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for url in urls]
    for process in running:
        out, _ = process.communicate()
        if process.returncode != 0 or "Non-2xx" in out:
            raise SystemExit(out)


class Setting:
    """Servers, and where their load comes from."""

    def __init__(self, servers, urls, load_processor):
        self.servers = servers
        self.urls = urls
        self.load_processor = load_processor

    def round(self, target, script):
        """(CPU time in microseconds for a request, requests a second)"""
        requests = -sum(server.status("requests") for server in self.servers)
        cpu_ns = -sum(server.cpu_ns() for server in self.servers)
        load(self.urls, target, script, self.load_processor)
        cpu_ns += sum(server.cpu_ns() for server in self.servers)
        requests += sum(server.status("requests") for server in self.servers)
        return cpu_ns / 1000 / requests, requests / SECONDS


def compare_workers(binaries, index, script, rounds):
    alone = Server(binaries, index, 1, 0)
    both = Server(binaries, index, 2)
    apart = [Server(binaries, index, 1, processor, listener)
             for processor, listener in enumerate(shared_sockets(2))]
    settings = {
        "1 worker, load elsewhere": Setting([alone], [alone.url], 1),
        "2 workers": Setting([both], [both.url] * 2, None),
        "2 processes": Setting(apart, [apart[0].url] * 2, None),
    }
    for workload, (target, is_pipelined) in WORKLOADS.items():
        figures = {name: [] for name in settings}
        for _ in range(rounds):
            for name, setting in settings.items():
                figures[name].append(setting.round(target, script if is_pipelined else None))
        for name, values in figures.items():
            cpu = statistics.median(value[0] for value in values)
            print(f"{workload:20} {name:25} {cpu:6.2f} us of CPU a request (least "
                  f"{min(value[0] for value in values):.2f}), {1e6 / cpu:7.0f} requests a CPU "
                  f"second, {statistics.median(value[1] for value in values):7.0f} a second",
                  flush=True)
        ratios = [two[0] / apart_[0] for two, apart_ in zip(figures["2 workers"],
                                                            figures["2 processes"])]
        print(f"{workload:20} 2 workers : 2 processes   {statistics.median(ratios):.3f} "
              f"(median of the rounds' ratios; {min(ratios):.3f} to {max(ratios):.3f})", flush=True)
    for server in (alone, both, *apart):
        server.stop()


# ---- connections ----


def hold_connections(source, port, orders, answers):
    """A client process: opens as many more as it is told, one request each, and keeps them."""
    clients = []
    while (count := orders.recv()) > 0:
        try:
            for _ in range(count):
                client = socket.create_connection(("127.0.0.1", port), 30, (source, 0))
                client.sendall(REQUEST)
                got = 0
                while got < 1024:  # the body
                    piece = client.recv(65536)
                    if not piece:
                        raise OSError("closed by the server")
                    got += len(piece)
                clients.append(client)
            answers.send("")
        except OSError as problem:
            answers.send(f"{problem} after {len(clients)} connections")


class Clients:
    """Client processes, each below its own descriptor limit, each from an address of its own."""

    def __init__(self, count, port):
        self.workers = []
        for number in range(count):
            orders, their_orders = multiprocessing.Pipe()
            answers, their_answers = multiprocessing.Pipe()
            process = multiprocessing.Process(
                target=hold_connections,
                args=(f"127.0.0.{number + 2}", port, their_orders, their_answers), daemon=True)
            process.start()
            self.workers.append((process, orders, answers))

    def open(self, count):
        share = count // len(self.workers)
        for _, orders, _ in self.workers:
            orders.send(share)
        for _, _, answers in self.workers:
            problem = answers.recv()
            if problem:
                raise SystemExit(problem)
        return share * len(self.workers)

    def stop(self):
        for process, orders, _ in self.workers:
            orders.send(0)
            process.join()


def measure_connections(binaries, index, limit):
    server = Server(binaries, index, 2)
    port = int(server.url.rstrip("/").rsplit(":", 1)[1])
    most = limit - SPARE
    clients = Clients(-(-most // (limit // 2)), port)
    clients.open(400)  # warm: what is there once
    figures = [(server.status("connections"), server.private_bytes())]
    for _ in range(STEPS):
        clients.open((most - 400) // STEPS)
        figures.append((server.status("connections"), server.private_bytes()))
    first, last = figures[0], figures[-1]
    each = (last[1] - first[1]) / (last[0] - first[0])
    for (count, private), before in zip(figures[1:], figures):
        print(f"{count:6} idle connections, 2 workers: {private / 1024:6.0f} KiB private, "
              f"{(private - before[1]) / (count - before[0]):.0f} bytes each since the step before")
    print(f"{each:.1f} bytes a connection; {MANY} would need, computed, "
          f"{(last[1] + each * (MANY - last[0])) / (1 << 20):.1f} MiB in all")
    clients.stop()
    server.stop()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if os.cpu_count() < 2:
        sys.exit("one processor: nothing to compare")
    binaries = Path(sys.argv[1])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as holder:
        folder = Path(holder)
        tree = folder / "tree"
        tree.mkdir()
        (tree / "small").write_bytes(random.Random(1).randbytes(1024))
        (tree / "large").write_bytes(random.Random(2).randbytes(102400))
        (folder / "pipeline.lua").write_text(PIPELINE)
        subprocess.run([binaries / "cairn-pack", "add", tree, folder / "site.cairn"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        index = folder / "site.idx"
        compare_workers(binaries, index, folder / "pipeline.lua",
                        int(sys.argv[2]) if len(sys.argv) > 2 else 5)
        measure_connections(binaries, index, min(hard, MANY + SPARE))


main()

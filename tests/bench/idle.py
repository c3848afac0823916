#!/usr/bin/env python3
"""Private memory per idle keep-alive connection, and what slow heads cost, beside nginx if it is there.

    tests/bench/idle.py BIN_FOLDER [CONNECTIONS]     (8000 by default)

BIN_FOLDER holds cairn-pack and cairn-serve. The figure is the growth of the process's private memory
(/proc/PID/smaps_rollup: Private_Dirty) divided by the connections; what the kernel keeps for a socket
is not in it and the same for all. Then as many connections send the beginning of a head, byte after
byte, while another client fetches a page: its times are printed.
"""
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shutil import which

PAGE = "<!doctype html><title>page</title>\n" * 20
REQUEST = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


def private_bytes(pid):
    pids = [pid] + [int(word) for task in Path(f"/proc/{pid}/task").iterdir()
                    for word in (task / "children").read_text().split()]
    total = 0
    for each in pids:
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                total += int(line.split()[1]) * 1024
    return total


def read_answer(client):
    got = b""
    while not got.endswith(b"</title>\n"):
        piece = client.recv(65536)
        if not piece:
            raise SystemExit(f"closed: {got!r}")
        got += piece


def connect(address):
    client = socket.create_connection(address)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def measure(name, pid, address, count):
    for _ in range(200):  # warm: buffers that are there once
        client = connect(address)
        client.sendall(REQUEST)
        read_answer(client)
        client.close()
    before = private_bytes(pid)
    clients = []
    for _ in range(count):
        client = connect(address)
        client.sendall(REQUEST)
        read_answer(client)
        clients.append(client)
    idle = private_bytes(pid)
    print(f"{name}: {count} idle connections, {(idle - before) / count:.0f} bytes each", flush=True)
    for piece in (b"GET / HTTP/1.1\r\n", b"Host: a", b".example\r\n", b"X: y"):
        for client in clients:
            client.sendall(piece)
    slow = private_bytes(pid)
    times = []
    for _ in range(200):
        started = time.perf_counter()
        with connect(address) as client:
            client.sendall(REQUEST)
            read_answer(client)
        times.append(time.perf_counter() - started)
    times.sort()
    print(f"{name}: {count} heads that do not end, {(slow - before) / count:.0f} bytes each; another "
          f"client's pages: median {times[100] * 1e6:.0f} us, slowest {times[-1] * 1e6:.0f} us",
          flush=True)
    for client in clients:
        client.close()


def run_cairn(binaries, tree, folder, count):
    subprocess.run([binaries / "cairn-pack", "add", tree, folder / "site.cairn"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = subprocess.Popen(
        [binaries / "cairn-serve", "--listen", "127.0.0.1:0", "--workers", "1", folder / "site.idx"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    port = int(server.stdout.readline().decode().split()[1].rstrip("/").rsplit(":", 1)[1])
    measure("cairn", server.pid, ("127.0.0.1", port), count)
    server.terminate()
    server.wait()


NGINX = """daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 65536; }}
http {{ access_log off; sendfile on; client_header_timeout 600; keepalive_timeout 600;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {tree}; }} }}
"""


def run_nginx(tree, folder, count):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, tree=tree))
    for path in (folder, tree):
        path.chmod(0o755)
    server = subprocess.Popen(["nginx", "-c", folder / "nginx.conf", "-p", folder],
                              stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while True:
        try:
            connect(("127.0.0.1", port)).close()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    measure("nginx", server.pid, ("127.0.0.1", port), count)
    server.terminate()
    server.wait()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 8000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < count + 100:
        sys.exit(f"only {hard} descriptors: ulimit -n")
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as holder:
        folder = Path(holder)
        tree = folder / "tree"
        tree.mkdir()
        (tree / "index.html").write_text(PAGE)
        run_cairn(Path(sys.argv[1]), tree, folder, count)
        if which("nginx"):
            run_nginx(tree, folder, count)
        else:
            print("nginx is not installed (Debian: nginx-light): left out")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""How soon a crowd of browsers hears of a release, and what each of them costs the server.

    tests/bench/events.py BIN_FOLDER [LISTENERS [ROUNDS]]     (5000 and 9 by default)

BIN_FOLDER holds cairn-pack and cairn-serve. All listen by WebSocket, from one process that waits for
all of them at once (epoll); what it needs to read the messages is in the times. In each round a release
is loaded, and the time runs until the last of them has its message: from the moment that the command
was sent, and from its `ok`. Then a fiftieth of as many more come that read nothing, and the rounds are
repeated with a longer message (docs/events.md says when those are given up). The memory is the growth
of the process's private memory, as in idle.py. Pages are fetched meanwhile by another client.
"""
import base64
import os
import resource
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from idle import private_bytes

PAGES = 300  # of the second series: their paths are 14 KB of a message
UPGRADE = (b"GET /events HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n")
REQUEST = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


class Server:
    def __init__(self, binaries, folder):
        self.binaries = binaries
        self.tree = folder / "tree"
        self.archive = folder / "site.cairn"
        self.tree.mkdir()
        self.release = 0
        self.process = subprocess.Popen(
            [binaries / "cairn-serve", "--listen", "127.0.0.1:0", "--events", "/events",
             "--limit", "event-ping-time=1h", self.pack(0)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        url = self.process.stdout.readline().decode().split()[1]
        self.address = ("127.0.0.1", int(url.rstrip("/").rsplit(":", 1)[1]))

    def pack(self, pages):
        """The index of another release, in which that many pages have changed, and the front page."""
        self.release += 1
        names = ["index.html"] + [f"a-page-with-a-name-of-some-length-{i}.html" for i in range(pages)]
        for name in names:
            (self.tree / name).write_text(f"{name} {self.release}\n")
        done = subprocess.run([self.binaries / "cairn-pack", "add", "--quiet", "--effort", "none",
                               self.tree, self.archive], check=True, capture_output=True)
        return done.stdout.decode().split(" ", 2)[2].strip()

    def command(self, line):
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        while not (reply := self.process.stdout.readline().decode()).startswith(("ok ", "error ")):
            pass
        if reply.startswith("error "):
            raise SystemExit(reply)
        return reply

    def listeners(self):
        words = self.command("status").split()
        return int(next(word[10:] for word in words if word.startswith("listeners=")))


def connect(address, receive_buffer=None):
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(address)
    client.sendall(UPGRADE % base64.b64encode(os.urandom(16)))
    got = b""
    while not got.endswith(b"}"):  # of the hello
        got += client.recv(4096)
    client.setblocking(False)
    return client


class Crowd:
    """Listeners, and who has to hear how many bytes more of the message under way."""

    def __init__(self, address, count):
        self.epoll = select.epoll()
        self.clients = {}
        for _ in range(count):
            client = connect(address)
            self.clients[client.fileno()] = client
            self.epoll.register(client, select.EPOLLIN)

    def hear(self):
        """Waits until all have heard a message; returns when the last had."""
        left = dict.fromkeys(self.clients)
        while left:
            for number, _ in self.epoll.poll(30):
                piece = self.clients[number].recv(1 << 20)
                if not piece:
                    raise SystemExit("a listener was closed")
                if left.get(number) is None:
                    length = piece[1]
                    head = 2 if length < 126 else 4 if length == 126 else 10
                    left[number] = head + (length if head == 2 else
                                           int.from_bytes(piece[2:head], "big"))
                left[number] -= len(piece)
                if left[number] == 0:
                    del left[number]
        return time.perf_counter()


def fetch(address, stop, times):
    with socket.create_connection(address) as client:
        while not stop.wait(0.002):
            started = time.perf_counter()
            client.sendall(REQUEST)
            client.recv(65536)
            times.append(time.perf_counter() - started)


def series(name, server, crowd, pages, rounds):
    """Loads releases, and prints how soon all had heard of them."""
    from_command, from_ok, page_times, stop = [], [], [], threading.Event()
    for _ in range(rounds):
        index = server.pack(pages)
        stop.clear()
        page = threading.Thread(target=fetch, args=(server.address, stop, page_times))
        heard = []
        crowd_thread = threading.Thread(target=lambda: heard.append(crowd.hear()))
        crowd_thread.start()
        page.start()
        started = time.perf_counter()
        server.command(f"load index {index}")
        answered = time.perf_counter()
        crowd_thread.join()
        stop.set()
        page.join()
        from_command.append(heard[0] - started)
        from_ok.append(heard[0] - answered)
    page_times.sort()
    print(f"{name}: the last has heard {statistics.median(from_ok) * 1e3:.0f} ms after ok (median of "
          f"{rounds}; slowest {max(from_ok) * 1e3:.0f}), {statistics.median(from_command) * 1e3:.0f} "
          f"ms after the command; another client's pages: median "
          f"{page_times[len(page_times) // 2] * 1e6:.0f} us, slowest {page_times[-1] * 1e3:.1f} ms",
          flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 9
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 2 * count + 1000:  # half of them are for pages
        sys.exit(f"only {hard} descriptors: ulimit -n")
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as holder:
        server = Server(Path(sys.argv[1]), Path(holder))
        for client in [connect(server.address) for _ in range(100)]:  # warm: buffers that are there once
            client.close()
        before = private_bytes(server.process.pid)
        started = time.perf_counter()
        crowd = Crowd(server.address, count)
        seconds = time.perf_counter() - started
        after = private_bytes(server.process.pid)
        print(f"{server.listeners()} listeners, {(after - before) / count:.0f} bytes each; they came in "
              f"{seconds:.1f} s", flush=True)
        series("a short message", server, crowd, 0, rounds)
        stuck = [connect(server.address, 1) for _ in range(count // 50)]
        series(f"a long message, {len(stuck)} that read nothing", server, crowd, PAGES, rounds)
        print(f"private memory {private_bytes(server.process.pid) / 1048576:.1f} MiB", flush=True)
        server.process.terminate()
        server.process.wait()


if __name__ == "__main__":
    main()

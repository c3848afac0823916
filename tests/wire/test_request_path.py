"""What a request costs: no allocation, and no system call but those that move its bytes."""
import mmap
import re
import struct
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, TemporaryFolder, request

SITE = {"index.html": b"<title>start</title>\n", "404.html": b"nothing\n", "empty": b"",
        "guide/index.html": b"guide\n", "middle.bin": cairn.noise(20_000, 1),
        "large.bin": cairn.noise(1_000_000, 2),
        **{f"small/{number}.txt": f"{number}\n".encode() for number in range(50)}}
REQUESTS = 20_000
ROUND = 50  # requests that are pipelined at a time


class TestRequestPath(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.plain = cairn.plain_bin()
        self.index = self.pack_tree(SITE)

    def mixed_round(self, tag):
        """One pipeline of ROUND requests: [(bytes, status, body)]."""
        kinds = []
        for number in range(ROUND):
            kinds.append([
                (request(f"/small/{number}.txt"), 200, SITE[f"small/{number}.txt"]),
                (request("/", fields=f'If-None-Match: "x", {tag}\r\n'), 304, b""),
                (request(f"/missing/{number}"), 404, SITE["404.html"]),
                (request("/guide?a=b"), 301, b""),
                (request("/middle.bin"), 200, SITE["middle.bin"]),
                (request("/%67uide//./index.html"), 200, SITE["guide/index.html"]),
                (request("/", "POST", "Content-Length: 0\r\n"), 405, None),
                (request("/%zz"), 400, None),
            ][number % 8])
        kinds[ROUND // 2] = (request("/large.bin"), 200, SITE["large.bin"])
        return kinds

    def serve_round(self, client, kinds):
        client.send(b"".join(data for data, _, _ in kinds))
        for _, status, body in kinds:
            head, got = client.read_raw()
            self.assertEqual(int(head[9:12]), status)
            if body is not None:
                self.assertEqual(got, body)

    def test_no_allocation(self):
        shim = cairn.shim("count_malloc")
        path = self.folder / "count"
        path.write_bytes(b"\0" * 4096)
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 4096) as shared:
            def allocations():
                return struct.unpack_from("<Q", shared)[0]
            with Server(self.index, workers=2, bin_folder=self.plain,
                        env={"LD_PRELOAD": str(shim), "CAIRN_MALLOC_COUNT": str(path)}) as server:
                self.assertGreater(allocations(), 0, "the shim counts nothing")
                clients = [server.client() for _ in range(24)]
                tag = clients[0].get("/")["ETag"]
                kinds = self.mixed_round(tag)
                for _ in range(3):
                    for client in clients:
                        self.serve_round(client, kinds)
                # a buffer for what is left of an input or a head is kept for the next time: make
                # each worker take some
                for client in clients:
                    client.send(b"GET / HT")
                for client in clients:
                    client.send(b"TP/1.1\r\nHost: x\r\n\r\n")
                    self.assertEqual(client.read().status, 200)
                before = allocations()
                for turn in range(REQUESTS // ROUND):
                    self.serve_round(clients[turn % len(clients)], kinds)
                self.assertEqual(allocations() - before, 0)
                # the counter does count in this phase
                server.command("list")
                self.assertGreater(allocations() - before, 0)
                # connections that come again use what others left
                for client in clients:
                    client.close()
                cairn.wait_until(lambda: " connections=0 " in server.command("status"), "all gone")
                before = allocations()
                for _ in range(50):
                    with server.client() as client:
                        self.serve_round(client, kinds)
                allocated = allocations() - before
                self.assertLessEqual(allocated, 16, "a connection allocates each time")

    def test_no_system_call_but_for_the_bytes(self):
        strace = cairn.strace()
        trace = self.folder / "trace"
        with Server(self.index, workers=1, bin_folder=self.plain,
                    wrapper=(strace, "-f", "-o", trace)) as server:
            with server.client() as client:
                tag = client.get("/")["ETag"]
                kinds = self.mixed_round(tag)
                self.serve_round(client, kinds)
                client.get("/marker-begin")
                begun = time.monotonic()
                for _ in range(20):
                    self.serve_round(client, kinds)
                for _ in range(200):
                    client.get("/small/1.txt")
                client.get("/marker-end")
                periods = 2 + (time.monotonic() - begun) / 0.064  # net/residency.c
        lines = trace.read_text(errors="replace").splitlines()
        begin = next(at for at, line in enumerate(lines) if "/marker-begin" in line)
        end = next(at for at, line in enumerate(lines) if "/marker-end" in line)
        worker = re.match(r"\d+", lines[begin]).group()  # the other threads are starting up, maybe
        counts = {}
        for line in lines[begin + 1:end]:
            match = re.match(r"\d+ +([a-z0-9_]+)\(", line)
            if match and "resumed" not in line and line.startswith(worker + " "):
                counts[match[1]] = counts.get(match[1], 0) + 1
        total = 20 * ROUND + 200
        print(f"\nsystem calls for {total} requests: " +
              ", ".join(f"{name} {count}" for name, count in sorted(counts.items())),
              file=sys.stderr)
        # is the archive in memory? Asked for each of its blocks now and then, not for each request
        blocks = 1 + (self.folder / "site.cairn").stat().st_size // 65536
        for name in ("mincore", "newfstatat"):
            self.assertLessEqual(counts.pop(name, 0), blocks * periods, name)
        allowed = {"recvfrom", "sendmsg", "sendto", "sendfile", "epoll_wait", "epoll_ctl",
                   "epoll_pwait", "clock_gettime"}
        self.assertEqual(set(counts) - allowed, set())
        # single requests: one recvfrom, one sendmsg, one epoll_wait each; pipelines far fewer
        self.assertLessEqual(counts["sendmsg"], 200 + 20 * 10)
        self.assertGreaterEqual(counts["sendfile"], 20)
        self.assertLessEqual(sum(counts.values()), 3 * 220 + 20 * 100)


if __name__ == "__main__":
    unittest.main(verbosity=2)

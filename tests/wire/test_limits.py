"""Limits: what exceeds them gets the answer that is meant for it, and nobody else notices."""
import re
import resource
import socket
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, request, wait_until

PAGE = b"<!doctype html><title>page</title>\n"
BIG = cairn.noise(8_000_000, "limits")


class Limits(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.index = self.pack_tree({"index.html": PAGE, "big.bin": BIG,
                                     "lines.txt": "".join(f"{i:09}\n" for i in range(2000))})

    def serve(self, *limits, workers=1, **keywords):
        options = [word for limit in limits for word in ("--limit", limit)]
        server = Server(self.index, workers=workers, options=options, **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        return server

    def client(self, server, **keywords):
        client = server.client(**keywords)
        self.addCleanup(client.close)
        return client

    def connections(self, server):
        return int(re.search(r" connections=(\d+) ", server.command("status")).group(1))


class TestSizes(Limits):
    def test_each_is_settable(self):
        server = self.serve("head-size=1k", "target-length=100", "field-count=5", "body-size=10",
                            "range-count=2")
        for data, status in (
                (request("/", fields="X: " + "y" * 900 + "\r\n"), 200),
                (request("/", fields="X: " + "y" * 1100 + "\r\n"), 431),
                (request("/" + "x" * 99), 404), (request("/" + "x" * 100), 414),
                (request("/", fields="X: y\r\n" * 4), 200), (request("/", fields="X: y\r\n" * 5), 431),
                (request("/", fields="Content-Length: 10\r\n") + b"x" * 10, 200),
                (request("/", fields="Content-Length: 11\r\n") + b"x" * 11, 413),
                (request("/", fields="Transfer-Encoding: chunked\r\n") +
                 b"5\r\nxxxxx\r\n5\r\nxxxxx\r\n0\r\n\r\n", 200),
                (request("/", fields="Transfer-Encoding: chunked\r\n") +
                 b"5\r\nxxxxx\r\n6\r\nxxxxxx\r\n0\r\n\r\n", 413),
                (request("/lines.txt", fields="Range: bytes=0-1,1000-1001\r\n"), 206),
                (request("/lines.txt", fields="Range: bytes=0-1,1000-1001,5000-5001\r\n"), 200)):
            with self.subTest(data[:60], status=status), server.client() as client:
                client.send(data)
                answer = client.read()
                self.assertEqual(answer.status, status)
                self.assertEqual(answer["Connection"], None if status in (200, 206, 404) else "close")

    def test_a_head_larger_than_one_read(self):
        server = self.serve("head-size=64k")
        for count in (20_000, 60_000):
            client = self.client(server)
            client.send(request("/", fields="X: " + "y" * count + "\r\n"))
            self.assertEqual(client.read().body, PAGE)
            self.assertEqual(client.get("/").body, PAGE)

    def test_by_the_environment_and_by_flag(self):
        server = self.serve("field-count=50", env={"CAIRN_LIMIT": "field-count=2,target-length=64"})
        self.assertEqual(server.get("/", fields="X: y\r\n" * 10).status, 200)
        self.assertEqual(server.get("/" + "x" * 64).status, 414)

    def test_what_is_no_limit(self):
        for limit, why in (("x=1", "no such limit"), ("head-size", "no such limit"),
                           ("head-size=", "not a size"), ("head-size=1x", "not a size"),
                           ("head-size=-1", "not a size"), ("head-size=10g", "not from"),
                           ("head-size=1", "not from"), ("idle-time=0", "not from"),
                           ("idle-time=1x", "not a time"), ("field-count=1k", "not a number"),
                           ("body-size=99999999999999999999", "not a size"),
                           ("body-size=9999999999999g", "not from")):
            done = cairn.run("cairn-serve", "--limit", limit, self.index, expect=2)
            self.assertIn(why, done.err, limit)
        for text in ("", "x", "-1s", "2d"):
            done = cairn.run("cairn-serve", "--drain", text, self.index, expect=2)
            self.assertIn("drain-time", done.err)
        listed = cairn.run("cairn-serve", "--limits").out
        for name in ("head-size=16k", "target-length=8k", "idle-time=75s", "body-size=1m"):
            self.assertIn(name, listed)


class TestTimes(Limits):
    """The times themselves are the unit tests' (test_h1_session); here they pass, and short."""

    def test_408_for_a_head_and_a_body_that_do_not_end(self):
        server = self.serve("head-time=200ms", "rate-time=200ms")
        for data in (b"G", b"GET / HTTP/1.1\r\nHost: x\r\n",
                     request("/", "POST", "Content-Length: 5\r\n") + b"abc",
                     request("/", "POST", "Transfer-Encoding: chunked\r\n") + b"5\r\nab"):
            client = self.client(server)
            client.send(data)
            answer = client.read()
            self.assertEqual(answer.status_line, "HTTP/1.1 408 Request Timeout")
            self.assertEqual(answer["Connection"], "close")
            self.assertTrue(client.is_closed())

    def test_silence_where_nobody_asked(self):
        client = self.client(self.serve("first-byte-time=200ms"))
        self.assertTrue(client.is_closed())
        client = self.client(self.serve("idle-time=200ms"))
        self.assertEqual(client.get("/").body, PAGE)
        self.assertTrue(client.is_closed())

    def test_a_reader_that_stopped_is_given_up(self):
        server = self.serve("rate-time=300ms")
        client = self.client(server, receive_buffer=4096)
        client.send(request("/big.bin"))
        client.socket.recv(1000)
        wait_until(lambda: self.connections(server) == 0, "the slow reader is gone")
        self.assertEqual(server.get("/").body, PAGE)

    def test_a_slow_reader_that_goes_on_is_not(self):
        """Slower than the socket's buffer fills up: what counts is what arrives."""
        server = self.serve("rate-time=300ms", "body-rate=1000")
        client = self.client(server, receive_buffer=65536)
        client.send(request("/big.bin", fields="Range: bytes=0-2999999\r\n"))
        got = bytearray()
        while b"\r\n\r\n" not in got:
            got += client.socket.recv(4096)
        del got[:got.index(b"\r\n\r\n") + 4]
        while len(got) < 3_000_000:
            piece = client.socket.recv(60_000)
            self.assertTrue(piece, f"closed after {len(got)} bytes")
            got += piece
            if len(got) < 2_000_000:
                time.sleep(0.02)  # 3 MB/s: several windows
        self.assertEqual(bytes(got), BIG[:3_000_000])


    def test_the_end_is_not_waited_for_longer_than_that(self):
        with Server(self.index, options=["--drain", "200ms"]) as server:
            client = self.client(server, receive_buffer=4096)
            client.send(request("/big.bin"))
            client.socket.recv(1000)
            server.stop()  # although the client reads no further


class TestCounts(Limits):
    def test_requests_of_a_connection(self):
        server = self.serve("connection-requests=3")
        client = self.client(server)
        answers = [client.get("/") for _ in range(3)]
        self.assertEqual([answer["Connection"] for answer in answers], [None, None, "close"])
        self.assertTrue(client.is_closed())

    def test_connections_in_all(self):
        """At the limit the one that has been idle for longest gives way to a new one."""
        server = self.serve("connections=5")
        idle = [self.client(server) for _ in range(5)]
        for client in idle:
            self.assertEqual(client.get("/").body, PAGE)
        fresh = [self.client(server) for _ in range(2)]
        for client in fresh:
            self.assertEqual(client.get("/").body, PAGE)
        self.assertTrue(idle[0].is_closed())
        self.assertTrue(idle[1].is_closed())
        for client in idle[2:]:
            self.assertEqual(client.get("/").body, PAGE)
        self.assertEqual(self.connections(server), 5)

    def test_those_that_are_served_do_not_give_way(self):
        server = self.serve("connections=2")
        busy = [self.client(server, receive_buffer=4096) for _ in range(2)]
        for client in busy:
            client.send(request("/big.bin", fields="Connection: close\r\n"))
            client.socket.recv(1000)
        refused = self.client(server)
        try:
            refused.send(request("/"))
            self.assertTrue(refused.is_closed())
        except (ConnectionResetError, BrokenPipeError):
            pass
        for client in busy:
            self.assertTrue(client.read_to_end().endswith(BIG[-1000:]))
        self.assertEqual(server.get("/").body, PAGE)

    def test_connections_of_one_address(self):
        server = self.serve("address-connections=3", workers=2)
        mine = [self.client(server) for _ in range(3)]
        for client in mine:
            self.assertEqual(client.get("/").body, PAGE)
        refused = self.client(server)
        try:
            refused.send(request("/"))
            self.assertTrue(refused.is_closed())
        except (ConnectionResetError, BrokenPipeError):
            pass
        with socket.socket() as other:  # another client of the same machine
            other.settimeout(cairn.PATIENCE_S)
            other.bind(("127.0.0.2", 0))
            other.connect(server.address)
            other.sendall(request("/"))
            self.assertIn(PAGE, other.recv(65536))
        mine[0].close()
        wait_until(lambda: self.connections(server) <= 2, "the closed one is counted out")
        self.assertEqual(self.client(server).get("/").body, PAGE)


class TestLingering(Limits):
    def test_a_client_that_still_sends_reads_its_refusal(self):
        """A close with unread input would reset the connection and take the answer along."""
        server = self.serve()
        for _ in range(20):
            client = self.client(server)
            client.send(request("/", "POST", "Content-Length: 5000000\r\n") + b"x" * 3_000_000)
            self.assertEqual(client.read().status, 413)


class TestCrowds(Limits):
    CROWD = 2000

    def test_out_of_descriptors(self):
        """Heads that never end take every descriptor; a client that asks is served all the same."""
        server = self.serve()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (200, 200))
        slow = []
        try:
            for _ in range(400):
                client = server.client()
                slow.append(client)
                client.send(b"GET / HTTP/1.1\r\nX: ")

            def served():
                try:
                    with server.client(timeout_s=2) as client:
                        return client.get("/").body == PAGE
                except (OSError, EOFError):
                    return False  # those that hold the descriptors are given a second
            wait_until(served, "a page in between")
        finally:
            for client in slow:
                client.close()

    def test_a_crowd_of_slow_heads(self):
        server = self.serve("head-time=10m", workers=2)
        crowd = []
        try:
            for number in range(self.CROWD):
                client = server.client()
                crowd.append(client)
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Number: " + str(number).encode())
            for _ in range(50):
                self.assertEqual(server.get("/").body, PAGE)
            for client in crowd:
                client.send(b"\r\n\r\n")
            for client in crowd:
                self.assertEqual(client.read().body, PAGE)
        finally:
            for client in crowd:
                client.close()


if __name__ == "__main__":
    unittest.main()

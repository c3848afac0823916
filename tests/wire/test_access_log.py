"""The access log: a line for each answer, whatever the client sends, and never at a request's cost."""
import json
import os
import re
import signal
import socket
import sys
import time
import unittest
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, request, wait_until

PAGE = b"<!doctype html><title>page</title>\n"
LINE = re.compile(r'^(\S+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "(.*?)" (\d{3}) (\d+) '
                  r'"(.*?)" "(.*?)"$')


class AccessLog(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.index = self.pack_tree({"index.html": PAGE, "big.bin": cairn.noise(200_000, "log")})
        self.path = self.folder / "access.log"

    def serve(self, *options, **keywords):
        server = Server(self.index, options=["--access-log", self.path, *options], **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        return server

    def lines(self, count):
        """The first `count` lines, taken apart: client, request, status, bytes, referrer, agent."""
        def have():
            text = self.path.read_text()
            return text.count("\n") >= count and text
        found = []
        for line in wait_until(have, f"{count} lines").splitlines()[:count]:
            match = LINE.match(line)
            self.assertIsNotNone(match, line)
            found.append(match.groups())
        return found


class TestLines(AccessLog):
    def test_one_for_each_answer_in_order(self):
        server = self.serve()
        with server.client() as client:
            client.send(request("/?a=b", fields="Referer: http://x/\r\nUser-Agent: some thing/1.0\r\n") +
                        request("/missing", "HEAD") + request("/big.bin", fields="Range: bytes=0-9\r\n") +
                        request("/", "POST", "Content-Length: 3\r\n") + b"abc" + request("/big.bin"))
            for method in ("GET", "HEAD", "GET", "POST", "GET"):
                client.read(method)
            client.send(b"nonsense\r\n\r\n")
            client.read()
        page, missing, part, post, big, bad = self.lines(6)
        self.assertEqual(page, ("127.0.0.1", "GET /?a=b HTTP/1.1", "200", str(len(PAGE)), "http://x/",
                                "some thing/1.0"))
        self.assertEqual(missing[1:4], ("HEAD /missing HTTP/1.1", "404", "0"))
        self.assertEqual(part[2:4], ("206", "10"))
        self.assertEqual(post[1:3], ("POST / HTTP/1.1", "405"))
        self.assertEqual(big[3], "200000")
        self.assertEqual(bad[1:3], ("nonsense", "400"))

    def test_nothing_a_client_sends_ends_a_field(self):
        server = self.serve(workers=1)
        server.get('/a"b\\c%0a', fields='User-Agent: "quoted" \\ \u00e9\t\r\n')
        with server.client() as client:
            client.send(b"\x16\x03\x01\x00\n")
            client.read()
        first, noise = self.lines(2)
        self.assertEqual(first[1], r"GET /a\x22b\x5cc%0a HTTP/1.1")
        self.assertEqual(first[5], r"\x22quoted\x22 \x5c \xc3\xa9")
        self.assertEqual(noise[1], r"\x16\x03\x01\x00")

    def test_requests_that_do_not_come_to_their_end(self):
        server = self.serve("--limit", "head-time=100ms", "--limit", "rate-time=100ms", workers=1)
        for data in (b"GET / HT", request("/", "POST", "Content-Length: 9\r\n")):
            with server.client() as client:
                client.send(data)
                client.read()
        first, second = self.lines(2)
        self.assertEqual(first[1:3], ("GET / HT", "408"))
        self.assertEqual(second[1:3], ("POST / HTTP/1.1", "408"))

    def test_one_line_although_the_answer_is_made_again(self):
        """Answers that a full socket did not take are thrown away and made again."""
        server = self.serve(workers=1)
        count = 400
        with server.client(receive_buffer=4096) as client:
            client.send(request("/big.bin", fields="Range: bytes=0-20000\r\n") * count)
            for _ in range(count):
                client.read()
        self.assertEqual(len(self.lines(count)), count)
        self.assertEqual(self.path.read_text().count("\n"), count)

    def test_several_workers_append_whole_lines(self):
        server = self.serve(workers=4)
        for _ in range(200):
            server.get("/")
        self.assertEqual({line[1] for line in self.lines(200)}, {"GET / HTTP/1.1"})


class TestEnds(AccessLog):
    """An answer is logged when its last byte was handed to the system, or when it was given up."""
    BYTES = 12_000_000  # more than sockets take

    def setUp(self):
        super().setUp()
        self.index = self.pack_tree({"index.html": PAGE, "huge.bin": cairn.noise(self.BYTES, "huge")})

    def begin(self, server, fields=""):
        """A client that does not take the download that it asked for."""
        client = server.client(receive_buffer=4096)
        self.addCleanup(client.close)
        client.send(request("/huge.bin", fields=fields))
        wait_until(lambda: client.socket.recv(2000, socket.MSG_PEEK).partition(b"\r\n\r\n")[2],
                   "a part of the body")
        return client

    def test_after_those_that_were_faster(self):
        server = self.serve(workers=1)
        client = self.begin(server, "User-Agent: slow\r\nReferer: http://x/\r\n")
        server.get("/")
        client.send(request("/", fields="User-Agent: behind\r\n"))
        self.assertEqual([line[1] for line in self.lines(1)], ["GET / HTTP/1.1"])
        self.assertEqual(self.path.read_text().count("\n"), 1)
        for _ in range(2):
            client.read()
        _, slow, behind = self.lines(3)
        self.assertEqual(slow, ("127.0.0.1", "GET /huge.bin HTTP/1.1", "200", str(self.BYTES),
                                "http://x/", "slow"))
        self.assertEqual(behind[5], "behind")

    def test_broken_off_by_the_client(self):
        server = self.serve(workers=1)
        for fields, status in (("", "200"), ("Range: bytes=0-6000000,6500000-\r\n", "206")):
            self.begin(server, fields).close()
        lines = self.lines(2)  # in the order in which the worker learns of the ends
        self.assertEqual(sorted(line[1:3] for line in lines),
                         [("GET /huge.bin HTTP/1.1", "200"), ("GET /huge.bin HTTP/1.1", "206")])
        for line in lines:
            self.assertTrue(0 < int(line[3]) < self.BYTES, line)

    def test_too_slow_a_client(self):
        server = self.serve("--limit", "rate-time=100ms", "--limit", "body-rate=100m", workers=1)
        self.begin(server)
        count = int(self.lines(1)[0][3])
        self.assertTrue(0 < count < self.BYTES, count)

    def test_the_end_of_the_server(self):
        server = self.serve("--drain", "0s", workers=2)
        self.begin(server)
        server.signal(signal.SIGTERM)
        count = int(self.lines(1)[0][3])
        self.assertTrue(0 < count < self.BYTES, count)


class TestJson(AccessLog):
    TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")

    def rows(self, count):
        def have():
            text = self.path.read_text(encoding="ascii")
            return text.count("\n") >= count and text
        return [json.loads(line) for line in wait_until(have, f"{count} lines").splitlines()]

    def test_what_is_in_a_line(self):
        server = self.serve("--log-format", "json", workers=1)
        page = "<!doctype html><title>page</title>\n" + "<p>text</p>\n" * 500
        index = self.pack_tree({"index.html": page}, "docs")
        self.assertIn("ok load", server.command(f"load index {index} host=*.b.example at=/docs"))
        before = time.time()
        with server.client() as client:
            client.send(b"GET /docs/?a=%7f HTTP/1.1\r\nHost: a.b.example:80\r\nAccept-Encoding: br\r\n"
                        b"User-Agent: \xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa2 \xff\\ \"\r\nReferer: r\r\n"
                        b"Cookie: secret\r\nAuthorization: secret\r\n\r\n")
            answer = client.read()
            client.send(request("/missing", "HEAD"))
            client.read("HEAD")
            client.send(b"\x16\x00\n")
            client.read()
        found, missing, noise = self.rows(3)
        after = time.time()
        self.assertNotIn("secret", self.path.read_text())
        for row in (found, missing, noise):
            self.assertRegex(row["time"], self.TIME)
            at = datetime.fromisoformat(row["time"].replace("Z", "+00:00")).timestamp()
            self.assertTrue(before - 1 <= at <= at + row["duration_s"] <= after + 1, row)
            self.assertGreaterEqual(row["duration_s"], 0)
            del row["time"], row["duration_s"]
        size = len(answer.body)
        self.assertEqual(found, {
            "client": "127.0.0.1", "host": "a.b.example:80", "method": "GET", "path": "/docs/",
            "query": "?a=%7f", "protocol": "HTTP/1.1", "status": 200, "bytes": size, "length": size,
            "complete": True, "encoding": "br", "site": 2, "release": 1, "site_host": "*.b.example",
            "site_at": "/docs", "referer": "r", "user_agent": "\u00e9\u20ac\U0001f422 \\xff\\\\ \""})
        self.assertEqual(missing, {
            "client": "127.0.0.1", "host": "test.example", "method": "HEAD", "path": "/missing",
            "protocol": "HTTP/1.1", "status": 404, "bytes": 0, "length": 0, "complete": True,
            "site": 1, "release": 1, "site_host": "*", "site_at": "/"})
        self.assertEqual(noise, {"client": "127.0.0.1", "request": "\x16\x00", "status": 400,
                                 "bytes": 16, "length": 16, "complete": True})

    def test_a_download_that_takes_its_time(self):
        """It counts from the request's head to the last byte; a body that comes late belongs to it."""
        index = self.pack_tree({"huge.bin": cairn.noise(12_000_000, "huge")}, "huge")
        with Server(index, workers=1, env={"CAIRN_LOG_FORMAT": "json"},
                    options=["--access-log", self.path]) as server:
            begun = time.monotonic()
            with server.client(receive_buffer=4096) as client:
                client.send(request("/huge.bin"))
                client.socket.recv(1, socket.MSG_PEEK)
                with server.client() as other:
                    other.send(request("/", "POST", "Content-Length: 3\r\n"))
                    server.get("/fence")  # the one worker has read that head when it answers this
                    read_s = time.monotonic()
                    wait_until(lambda: time.monotonic() - read_s > 0.1, "100 ms")
                    other.send(b"abc")
                    other.read("POST")
                client.read()
            took = time.monotonic() - begun
            _, post, whole = self.rows(3)
            self.assertEqual((post["method"], post["status"]), ("POST", 405))
            self.assertTrue(0.02 < post["duration_s"] <= took, (post, took))
            self.assertTrue(0.08 < whole["duration_s"] <= took, (whole, took))
            self.assertTrue(whole["complete"])
            with server.client(receive_buffer=4096) as client:
                client.send(request("/huge.bin"))
                wait_until(lambda: client.socket.recv(2000, socket.MSG_PEEK).partition(b"\r\n\r\n")[2],
                           "a part of the body")
            broken = self.rows(4)[3]
            self.assertFalse(broken["complete"])
            self.assertEqual(broken["length"], 12_000_000)
            self.assertTrue(0 < broken["bytes"] < broken["length"])


class TestClients(AccessLog):
    def test_behind_trusted_proxies(self):
        server = self.serve("--forwarded-from", "127.0.0.1,10.0.0.0/8", workers=1)
        rows = (("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"),
                ("X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n", "192.0.2.1"),
                ("X-Forwarded-For: 192.0.2.1, 10.1.2.3\r\n", "192.0.2.1"),
                ("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.1.2.3\r\n", "192.0.2.1"),
                ("X-Forwarded-For: nonsense\r\n", "127.0.0.1"),
                ('Forwarded: for="[2001:db8::1]:80";proto=https\r\n', "2001:db8::1"),
                ("Forwarded: for=192.0.2.1;by=10.0.0.1, for=10.0.0.2\r\n"
                 "X-Forwarded-For: 203.0.113.9\r\n", "192.0.2.1"),
                ("Forwarded: for=unknown\r\n", "127.0.0.1"),
                ("", "127.0.0.1"))
        for fields, _ in rows:
            server.get("/", fields=fields)
        self.assertEqual([line[0] for line in self.lines(len(rows))], [client for _, client in rows])

    def test_nobody_else_is_believed(self):
        server = self.serve("--forwarded-from", "10.0.0.0/8")
        server.get("/", fields="X-Forwarded-For: 192.0.2.1\r\n")
        self.assertEqual(self.lines(1)[0][0], "127.0.0.1")

    def test_proxy_protocol(self):
        server = self.serve("--proxy-protocol-from", "127.0.0.1")
        with server.client() as client:
            client.send(b"PROXY TCP6 2001:db8::7 2001:db8::8 1 2\r\n" + request("/"))
            client.read()
        self.assertEqual(self.lines(1)[0][0], "2001:db8::7")

    def test_unix_sockets(self):
        path = self.folder / "http.sock"
        with Server(self.index, listen=[f"unix:{path}"], options=["--access-log", self.path]):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(request("/"))
                self.assertIn(b"200 OK", client.recv(65536))
            self.assertEqual(self.lines(1)[0][0], "unix")


class TestWhere(AccessLog):
    def test_a_path_that_cannot_be(self):
        done = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--access-log",
                         self.folder / "no" / "log", self.index, expect=1)
        self.assertIn("No such file", done.err)
        os.mkfifo(self.path)
        done = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--access-log", self.path,
                         self.index, expect=1)
        self.assertIn("nobody reads this FIFO", done.err)
        for name, message in (("fd:x", "fd: is followed by the number of a descriptor"),
                              ("fd:987", "no such descriptor was given to this process"),
                              ("fd:0", "it is open for reading only")):
            with open(self.index, "rb") as file:
                done = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--access-log", name,
                                 self.index, expect=1, stdin=file)
            self.assertIn(f"{name}: {message}", done.err)

    def test_a_descriptor(self):
        with open(self.path, "wb") as file:
            with Server(self.index, options=["--access-log", f"fd:{file.fileno()}"],
                        pass_fds=[file.fileno()]) as server:
                server.get("/")
                self.assertEqual(self.lines(1)[0][1], "GET / HTTP/1.1")
                self.assertEqual(server.command("reopen logs"), "ok reopen logs files=0")

    def test_standard_error(self):
        with Server(self.index, env={"CAIRN_ACCESS_LOG": "-"}) as server:
            server.get("/")
            self.assertIn('"GET / HTTP/1.1" 200', server.wait_log("GET / HTTP/1.1"))


if __name__ == "__main__":
    unittest.main()

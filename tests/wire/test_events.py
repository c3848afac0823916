"""The path where browsers hear of releases (docs/events.md): who gets in, what they hear, what
happens to those who do not take it, and what pages notice of all that, which is nothing."""
import contextlib
import json
import re
import signal
import socket
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
import websocket
from cairn import Server, request, wait_until
from test_handover import Handover
from websocket import PONG, TEXT, WebSocket, frame

PATH = "/events"
EVENTS = ("--events", PATH)
STREAM = "Accept: text/event-stream\r\n"
WORKERS = 2


class EventStream(cairn.Client):
    """A client of the same as text/event-stream. Its head and first event have been read."""

    def __init__(self, address, path=PATH, fields="", version="1.1", host="test.example",
                 **keywords):
        super().__init__(address, **keywords)
        head = request(path, fields=STREAM + fields, version=version)
        self.send(head.replace(b"test.example", host.encode()))
        self.answer = cairn.Response(self.read_raw("HEAD")[0], b"")
        if self.answer.status != 200:
            raise AssertionError(f"no stream: {self.answer.status_line}")
        self.comments = 0
        self.hello = self.read_event("hello")

    def read_block(self):
        """The lines up to the next empty one."""
        while (end := self._buffer.find(b"\n\n")) < 0:
            self._fill()
        block = bytes(self._buffer[:end]).decode()
        del self._buffer[:end + 2]
        return block.split("\n")

    def read_event(self, kind):
        """The JSON of the next event, which has to be of that kind; its id is self.id."""
        while (lines := self.read_block()) == [":"]:
            self.comments += 1
        fields = dict(line.split(": ", 1) for line in lines)
        self.id = fields.get("id")
        data = json.loads(fields["data"])
        if (fields["event"], data["type"]) != (kind, kind):
            raise AssertionError(f"{fields} instead of {kind}")
        return data


def upgrade(host="test.example", fields="", path=PATH):
    return websocket.upgrade(path, fields=fields).replace(b"test.example", host.encode())


class HostSocket(WebSocket):
    """A WebSocket of another host."""

    def __init__(self, address, host):
        cairn.Client.__init__(self, address)
        self.key = websocket.new_key()
        self.send(websocket.upgrade(PATH, self.key).replace(b"test.example", host.encode()))
        self.await_open()


class Events(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.clients = []
        self.addCleanup(self.close_all)
        self.tree = cairn.write_tree(self.folder / "tree", {"index.html": "first\n",
                                                            "a.css": "a {}\n"})
        self.first = cairn.pack(self.tree, self.folder / "site.cairn")

    def next_release(self, text="second\n"):
        (self.tree / "index.html").write_text(text)
        return cairn.pack(self.tree, self.folder / "site.cairn")

    def status(self, server):
        return dict(word.split("=", 1) for word in server.command("status").split()[2:])

    def await_listeners(self, server, count):
        wait_until(lambda: self.status(server)["listeners"] == str(count), f"{count} listeners")

    @contextlib.contextmanager
    def serve(self, *words, **keywords):
        """A server; clients of open() are closed before it ends, which would wait for them."""
        with Server(*words, **keywords) as server:
            yield server
            self.close_all()

    def open(self, client):
        self.clients.append(client)
        return client

    def close_all(self):
        while self.clients:
            self.clients.pop().close()


class TestAnswers(Events):
    def test_who_gets_what(self):
        accept = "Accept: text/html, Text/Event-Stream;q=0.5\r\n"
        rows = [
            ("GET", "", 426), ("GET", "Accept: */*\r\n", 426), ("HEAD", "", 426),
            ("GET", "Accept: text/event-stream;q=0\r\n", 426),
            ("GET", "Accept: text/event-stream;q=x\r\n", 426),
            ("HEAD", STREAM, 200), ("HEAD", accept, 200),
            ("POST", "Content-Length: 0\r\n", 405), ("OPTIONS", "", 204), ("BREW", "", 501),
            ("GET", STREAM + "Origin: http://other.example\r\n", 403),
            ("GET", STREAM + "Origin: null\r\n", 403),
        ]
        with self.serve(self.first, options=EVENTS) as server, server.client() as client:
            for method, fields, status in rows:
                answer = client.get(PATH, method, fields)
                self.assertEqual(answer.status, status, (method, fields))
            told = client.get(PATH)
            self.assertEqual((told["Upgrade"], told["Connection"], told["Sec-WebSocket-Version"]),
                             ("websocket", "Upgrade", "13"))
            self.assertEqual(client.get("/%65vents").status, 426)  # the same path
            self.assertEqual(client.get("/events/").status, 404)
            self.assertEqual(client.get("/").body, b"first\n")
            self.assertEqual(self.status(server)["listeners"], "0")

    def test_a_server_without_the_flag_has_no_such_path(self):
        with self.serve(self.first) as server, server.client() as client:
            client.send(upgrade())
            self.assertEqual(client.read().status, 404)

    def test_a_path_that_is_none_is_refused(self):
        for path in ("events", "/a//b", "/a/../b", "/a%2eb", "/a?b", "/a#b", ""):
            done = cairn.run("cairn-serve", "--events", path, expect=2)
            self.assertIn("--events", done.err)

    def test_origins_without_a_path_are_refused(self):
        done = cairn.run("cairn-serve", "--events-origin", "https://app.example", expect=2)
        self.assertIn("--events PATH", done.err)
        with self.serve(self.first, options=["--live-reload", "--events-origin",
                                                "https://app.example"]):
            pass

    def test_the_first_words(self):
        with self.serve(self.first, options=EVENTS) as server:
            first = self.open(WebSocket(server.address)).hello
            self.assertRegex(first.pop("state"), r"^[0-9a-f]{16}$")
            self.assertGreaterEqual(first.pop("age_ms"), 0)
            self.assertEqual(first, {"type": "hello"})

    def test_a_stream(self):
        with self.serve(self.first, options=EVENTS) as server:
            stream = self.open(EventStream(server.address))
            hello = self.open(WebSocket(server.address)).hello
            self.assertEqual(stream.hello["state"], hello["state"])
            self.assertEqual(stream.id, hello["state"])
            self.assertEqual(stream.answer["Content-Type"], "text/event-stream")
            self.assertEqual(stream.answer["Cache-Control"], "no-store")
            self.assertEqual(stream.answer["Connection"], "close")
            self.assertIsNone(stream.answer["Content-Length"])
            self.assertIsNone(stream.answer["Access-Control-Allow-Origin"])
            self.open(EventStream(server.address, version="1.0"))

    def test_added_fields_are_in_the_head_of_a_stream(self):
        with self.serve(self.first, options=[*EVENTS, "--header", "X-Team: web"]) as server:
            self.assertEqual(self.open(EventStream(server.address)).answer["X-Team"], "web")

    def test_origins(self):
        own = ["http://test.example", "https://test.example", "http://test.example:80"]
        listed = ["https://app.example", "http://10.0.0.7:3000"]
        refused = ["http://other.example", "http://test.example:8080", "https://app.example:444",
                   "http://app.example", "null", "file://"]
        options = [*EVENTS, "--events-origin", ",".join(listed)]
        with self.serve(self.first, options=options) as server:
            for origin in own + listed:
                self.open(WebSocket(server.address, fields=f"Origin: {origin}\r\n"))
                stream = self.open(EventStream(server.address, fields=f"Origin: {origin}\r\n"))
                self.assertEqual(stream.answer["Access-Control-Allow-Origin"], origin)
                self.assertEqual(stream.answer["Vary"], "Origin")
            for origin in refused:
                for fields in ("", STREAM):
                    with server.client() as client:
                        client.send(request(PATH, fields=fields + f"Origin: {origin}\r\n")
                                    if fields else upgrade(fields=f"Origin: {origin}\r\n"))
                        self.assertEqual(client.read().status, 403, origin)

    def test_what_came_before_is_answered_before(self):
        with self.serve(self.first, options=EVENTS) as server:
            client = self.open(WebSocket(server.address, before=request("/") + request("/a.css"),
                                         behind=frame(websocket.PING, "behind")))
            self.assertEqual([answer.body for answer in client.answers_before],
                             [b"first\n", b"a {}\n"])
            client.read_pong(b"behind")

    def test_a_request_that_comes_byte_by_byte(self):
        with self.serve(self.first, options=EVENTS) as server:
            client = self.open(server.client())
            for byte in upgrade():
                client.send(bytes([byte]))
            self.assertEqual(client.read_raw("HEAD")[0].split()[1], b"101")

    def test_before_the_answer_is_out_that_a_client_is_slow_to_take(self):
        """The response before the upgrade fills the socket: the connection leaves when it is out."""
        (self.tree / "big.bin").write_bytes(cairn.noise(4_000_000, "events"))
        with self.serve(self.next_release(), options=EVENTS) as server:
            client = self.open(server.client(receive_buffer=4096))
            client.send(request("/big.bin") + upgrade())
            self.assertEqual(len(client.read().body), 4_000_000)
            self.assertEqual(client.read_raw("HEAD")[0].split()[1], b"101")

    def test_the_access_log_has_a_line_when_it_begins(self):
        log = self.folder / "access.log"
        with self.serve(self.first, options=[*EVENTS, "--access-log", log],
                        workers=1) as server:  # lines of several may change places
            self.open(WebSocket(server.address))
            self.open(EventStream(server.address))
            wait_until(lambda: log.read_text().count("\n") == 2, "two lines")
            self.assertEqual(re.findall(r'"GET /events HTTP/1.1" (\d+) 0 ', log.read_text()),
                             ["101", "200"])


class TestHosts(Events):
    def setUp(self):
        super().setUp()
        cairn.write_tree(self.folder / "other", {"index.html": "other\n"})
        self.other = cairn.pack(self.folder / "other", self.folder / "other.cairn")

    def serve_both(self):
        return self.serve(self.first, "host=a.example", self.other,
                          "host=b.example,*.b.example", options=EVENTS)

    def test_each_has_its_state(self):
        with self.serve_both() as server:
            states = {host: self.open(EventStream(server.address, host=host)).hello["state"]
                      for host in ("a.example", "A.EXAMPLE:8080", "b.example", "x.b.example")}
            self.assertEqual(states["a.example"], states["A.EXAMPLE:8080"])
            self.assertNotEqual(states["a.example"], states["b.example"])
            self.assertEqual(states["b.example"], states["x.b.example"])

    def test_a_host_that_nobody_serves(self):
        with self.serve_both() as server, server.client() as client:
            client.send(upgrade("c.example"))
            self.assertEqual(client.read().status, 421)

    def test_each_hears_of_its_own_releases(self):
        with self.serve_both() as server:
            heard = self.open(EventStream(server.address, host="a.example"))
            others = [self.open(EventStream(server.address, host=host))
                      for host in ("b.example", "x.b.example")]
            server.load(self.next_release())
            said = heard.read_event("release")
            self.assertEqual((said["release"], said["site"]), (2, "a.example/"))
            self.assertEqual(said["counts"]["changed"], len(said["changed"]))
            (self.folder / "other" / "index.html").write_text("another\n")
            server.load(cairn.pack(self.folder / "other", self.folder / "other.cairn"))
            for stream in others:  # and nothing before that
                self.assertEqual(stream.read_event("release")["release"], 2)

    def test_below_all_prefixes_of_a_host(self):
        with self.serve(self.first, "host=a.example", self.other, "host=a.example", "at=/docs",
                    options=EVENTS) as server:
            listener = self.open(HostSocket(server.address, "a.example"))
            (self.folder / "other" / "index.html").write_text("another\n")
            server.load(cairn.pack(self.folder / "other", self.folder / "other.cairn"))
            self.assertEqual(listener.read_json()["site"], "a.example/docs/")
            server.load(self.next_release())
            self.assertEqual(listener.read_json()["site"], "a.example/")


class TestReleases(Events):
    def test_all_hear_the_same(self):
        with self.serve(self.first, options=EVENTS) as server:
            socket_ = self.open(WebSocket(server.address))
            stream = self.open(EventStream(server.address))
            server.load(self.next_release())
            said = socket_.read_json()
            self.assertEqual(said, stream.read_event("release"))
            self.assertEqual(stream.id, said["state"])
            self.assertNotEqual(said["state"], socket_.hello["state"])
            self.assertEqual(self.open(WebSocket(server.address)).hello["state"], said["state"])
            server.command("rollback")
            self.assertEqual(socket_.read_json()["state"], socket_.hello["state"])

    def test_a_state_is_the_same_in_another_process(self):
        states = set()
        for _ in range(2):
            with self.serve(self.first, options=EVENTS) as server:
                states.add(self.open(WebSocket(server.address)).hello["state"])
        self.assertEqual(len(states), 1)

    def test_an_error_is_told_to_newcomers_until_it_is_mended(self):
        with self.serve(self.first, options=EVENTS) as server:
            listener = self.open(WebSocket(server.address))
            self.assertRegex(server.command("announce error no such file"), "listeners=1$")
            self.assertEqual(listener.read_json(), {"type": "error", "text": "no such file"})
            self.assertEqual(self.open(EventStream(server.address)).hello["error"],
                             "no such file")
            server.command("announce mended")
            self.assertEqual(listener.read_json(), {"type": "mended"})
            self.assertNotIn("error", self.open(WebSocket(server.address)).hello)
            server.command("announce error again")
            server.load(self.next_release())
            self.assertNotIn("error", self.open(WebSocket(server.address)).hello)

    def test_a_stuck_listener_is_cut_off_and_the_others_hear_all(self):
        options = [*EVENTS, "--limit", "event-stall-time=200ms"]
        text = "x" * 8000
        with self.serve(self.first, options=options) as server:
            good = self.open(WebSocket(server.address))
            stuck = [self.open(WebSocket(server.address, receive_buffer=1)),
                     self.open(EventStream(server.address, receive_buffer=1))]
            said = 0
            while self.status(server)["listeners"] != "1" or said < 10:
                server.command(f"announce error {said} {text}")
                self.assertEqual(good.read_json()["text"], f"{said} {text}")
                said += 1
            for client in stuck:
                with self.assertRaises(ConnectionResetError):
                    client.read_to_end()
            server.command("announce mended")
            self.assertEqual(good.read_json(), {"type": "mended"})


class TestLimits(Events):
    def test_no_room(self):
        with self.serve(self.first, options=[*EVENTS, "--limit", "event-listeners=2"]) as server:
            first = self.open(WebSocket(server.address))
            self.open(EventStream(server.address))
            with server.client() as client:
                client.send(upgrade())
                refused = client.read()
                self.assertEqual((refused.status, refused["Retry-After"]), (503, "1"))
                self.assertTrue(client.is_closed())
            self.assertEqual(server.get("/").status, 200)
            first.close()
            self.await_listeners(server, 1)
            self.open(WebSocket(server.address))

    def test_pages_have_half_of_the_connections(self):
        with self.serve(self.first, options=[*EVENTS, "--limit", "connections=8"],
                        workers=1) as server:  # which looks among its own for one that is idle
            for _ in range(4):
                self.open(WebSocket(server.address))
            with server.client() as client:
                client.send(upgrade())
                self.assertEqual(client.read().status, 503)
            pages = [self.open(server.client()) for _ in range(4)]
            for client in pages:
                self.assertEqual(client.get("/").status, 200)
            self.assertEqual(server.get("/").status, 200)  # one of those that are idle gives way
            self.await_listeners(server, 4)

    def test_listeners_count_for_their_address(self):
        with self.serve(self.first, options=[*EVENTS, "--limit", "address-connections=2"]) as server:
            first = self.open(WebSocket(server.address))
            self.open(EventStream(server.address))
            with self.assertRaises((EOFError, ConnectionError)):
                server.get("/")
            first.close()
            server_address = server.address

            def is_let_in():
                try:
                    with cairn.Client(server_address) as client:
                        return client.get("/").status == 200
                except (EOFError, ConnectionError):
                    return False
            wait_until(is_let_in, "the place is given back")

    def test_who_gives_no_sign_of_life_is_given_up(self):
        options = [*EVENTS, "--limit", "event-ping-time=100ms", "--limit", "event-pong-time=10s"]
        with self.serve(self.first, options=options) as server:
            lives = self.open(WebSocket(server.address))
            silent = self.open(WebSocket(server.address))
            stream = self.open(EventStream(server.address))
            first = silent.read_frame()
            self.assertEqual(first, (websocket.PING, b""))
            while self.status(server)["listeners"] == "3":
                self.assertEqual(lives.read_frame(), (websocket.PING, b""))
                lives.send(frame(PONG))
            while stream.comments < 2:
                self.assertEqual(stream.read_block(), [":"])
                stream.comments += 1
            self.assertEqual(self.status(server)["listeners"], "2")

    def test_a_message_that_is_too_long(self):
        with self.serve(self.first, options=[*EVENTS, "--limit", "event-message-size=100"]) as server:
            client = self.open(WebSocket(server.address))
            client.send(frame(TEXT, "x" * 100))
            client.send(frame(TEXT, "x" * 101))
            self.assertEqual(client.read_close()[0], 1009)

    def test_who_never_stops_sending_keeps_nobody_waiting(self):
        piece = frame(TEXT, "x" * 1000) * 64 + frame(websocket.PING, "flood")
        stop = threading.Event()

        def flood(client):
            client.socket.settimeout(0.1)
            while not stop.is_set():
                try:
                    client.socket.send(piece[:65536])
                except (OSError, socket.timeout):
                    pass
        with self.serve(self.first, options=EVENTS) as server:
            floods = [self.open(WebSocket(server.address)) for _ in range(2)]
            threads = [threading.Thread(target=flood, args=(client,)) for client in floods]
            for thread in threads:
                thread.start()
            try:
                client = self.open(WebSocket(server.address))
                for turn in range(50):
                    client.send(frame(websocket.PING, f"{turn}"))
                    client.read_pong(f"{turn}".encode())
            finally:
                stop.set()
                for thread in threads:
                    thread.join()

    def test_metrics(self):
        with self.serve(self.first, options=[*EVENTS, "--limit", "event-listeners=2",
                                         "--admin", "127.0.0.1:0"]) as server:
            self.open(WebSocket(server.address))
            self.open(EventStream(server.address))
            with server.client() as client:
                client.send(upgrade())
                self.assertEqual(client.read().status, 503)
            self.await_listeners(server, 2)
            admin = re.search(r"admin\S* http://127.0.0.1:(\d+)", server.log())
            with cairn.Client(("127.0.0.1", int(admin.group(1)))) as client:
                client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                text = client.read().body.decode()
            for line in ('cairn_event_listeners{kind="websocket"} 1',
                         'cairn_event_listeners{kind="stream"} 1',
                         'cairn_http_requests_total{host="",status="1xx"} 1',
                         'cairn_limit_hits_total{limit="event-listeners"} 1'):
                self.assertIn(line, text)


class TestCrowd(Events):
    LISTENERS = 500

    def test_a_crowd_hears_of_a_release(self):
        """All of many, some of whom read nothing; and pages are there meanwhile."""
        (self.tree / "more").mkdir()
        for number in range(1000):  # a message that does not fit the sockets of those
            (self.tree / "more" / f"a-page-with-a-name-of-some-length-{number}.txt").touch()
        with self.serve(self.first, options=EVENTS) as server:
            sockets = [self.open(WebSocket(server.address)) for _ in range(self.LISTENERS)]
            streams = [self.open(EventStream(server.address)) for _ in range(self.LISTENERS // 5)]
            for _ in range(10):
                self.open(WebSocket(server.address, receive_buffer=1))
            server.load(self.next_release())
            self.assertEqual(server.get("/").body, b"second\n")
            said = sockets[0].read_json()
            self.assertEqual(said["counts"]["added"], 1000)
            for client in sockets[1:]:
                self.assertEqual(client.read_json(), said)
            for client in streams:
                self.assertEqual(client.read_event("release"), said)
            heard = len(sockets) + len(streams)
            self.assertGreaterEqual(int(self.status(server)["listeners"]), heard)


class TestEnd(Events):
    def test_term_says_goodbye_and_waits_for_nobody_for_long(self):
        with self.serve(self.first, options=[*EVENTS, "--drain", "10m"]) as server:
            polite = self.open(WebSocket(server.address))
            stream = self.open(EventStream(server.address))
            self.open(WebSocket(server.address))  # answers nothing
            server.signal(signal.SIGTERM)
            self.assertEqual(polite.read_close()[0], 1001)
            polite.send(frame(websocket.CLOSE, websocket.close_body(1001)))
            self.assertTrue(polite.is_closed())
            self.assertTrue(stream.is_closed())
            server.wait()

    def test_nobody_is_let_in_during_the_drain(self):
        (self.tree / "big.bin").write_bytes(cairn.noise(8_000_000, "drain"))
        with self.serve(self.next_release(), options=EVENTS) as server:
            held = self.open(server.client(receive_buffer=4096))
            held.send(request("/big.bin") + upgrade())
            other = self.open(server.client(receive_buffer=4096))
            other.send(request("/big.bin") + request(PATH, fields=STREAM))
            listener = self.open(WebSocket(server.address))
            server.signal(signal.SIGTERM)
            listener.read_close()
            self.assertEqual(len(held.read().body), 8_000_000)
            self.assertEqual(held.read().status, 503)
            self.assertEqual(len(other.read().body), 8_000_000)
            again = other.read()  # not 503, for which an EventSource would not come back
            self.assertEqual((again.status, again["Content-Type"]), (200, "text/event-stream"))
            self.assertEqual((again["Connection"], other.read_to_end()), ("close", b"retry: 1000\n\n"))

    def test_signals_and_commands_count_while_listeners_have_their_time(self):
        """Which is short: on a machine that is slow it may be over, and the test tries again."""
        def status_at_the_end():
            with self.serve(self.first, options=EVENTS, workers=WORKERS) as server:
                tasks = Path(f"/proc/{server.pid}/task")
                threads = len(list(tasks.iterdir()))
                silent = self.open(WebSocket(server.address))
                server.signal(signal.SIGTERM)
                silent.read_close()
                wait_until(lambda: len(list(tasks.iterdir())) <= threads - WORKERS, "their end")
                try:
                    reply = server.command("status")
                except (AssertionError, OSError):
                    return False
                server.signal(signal.SIGTERM)
                server.wait()
                return reply

        self.assertIn("ok status", wait_until(status_at_the_end, "a status at the end"))


class TestHandover(Handover):
    def test_listeners_are_sent_to_the_successor(self):
        server = self.serve(self.first, options=EVENTS)
        listener = WebSocket(server.address)
        stream = EventStream(server.address)
        self.addCleanup(listener.close)
        self.addCleanup(stream.close)
        self.hand_over(server)
        self.assertEqual(listener.read_close()[0], 1012)
        self.assertTrue(stream.is_closed())
        server.process.wait(cairn.PATIENCE_S)  # until then it may accept, and have no room
        with WebSocket(server.address) as again:
            self.assertEqual(again.hello["state"], listener.hello["state"])
            self.ctl("load", "index", self.next_release("second\n"))
            self.assertEqual(again.read_json()["release"], 2)


if __name__ == "__main__":
    unittest.main()

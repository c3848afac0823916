"""WebSockets on the wire, rule by rule of RFC 6455: who gets one, every kind of frame, what is right
and what is wrong in them, however the bytes come; closing from both sides; and slow readers."""
import json
import re
import signal
import unittest

import cairn
import websocket
from websocket import (BINARY, BINARY_ON, CLOSE, END, ON, PING, PONG, TEXT, TEXT_ON, WebSocket,
                       close_body, frame, header, masked)

MASKS = (bytes(4), websocket.MASK, b"\xff\xff\xff\xff", b"\x80\x00\x01\x7f")
LIMIT = 1000  # bytes of a message, in these tests


class Endpoint(unittest.TestCase):
    """One server for all tests of a class: a connection that breaks the rules must not matter to
    the next."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.case = cairn.TemporaryFolder()
        cls.case.setUp()
        index = cls.case.pack_tree({"index.html": "page\n", "a.css": "a{}\n"})
        limits = (f"event-message-size={LIMIT}", "event-ping-time=1h", "event-stall-time=1h")
        cls.server = cairn.Server(index, options=("--events", "/events", *(
            word for limit in limits for word in ("--limit", limit))))

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.case.doCleanups()
        super().tearDownClass()

    def open(self, **keywords):
        client = WebSocket(self.server.address, **keywords)
        self.addCleanup(client.close)
        return client


# ---- the opening handshake (§4.2) ----

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"
UPGRADE = "Upgrade: websocket\r\n"
CONNECTION = "Connection: Upgrade\r\n"
GOOD = UPGRADE + CONNECTION + KEY + VERSION

REFUSED = (
    ("GET", CONNECTION + KEY + VERSION, 426),
    ("GET", "Upgrade: h2c\r\n" + CONNECTION + KEY + VERSION, 426),
    ("GET", UPGRADE + CONNECTION + KEY, 426),
    ("GET", UPGRADE + CONNECTION + KEY + "Sec-WebSocket-Version: 8\r\n", 426),
    ("GET", UPGRADE + CONNECTION + KEY + "Sec-WebSocket-Version: 25\r\n", 426),
    ("GET", GOOD + VERSION, 426),
    ("GET", UPGRADE + KEY + VERSION, 400),
    ("GET", UPGRADE + "Connection: keep-alive\r\n" + KEY + VERSION, 400),
    ("GET", UPGRADE + CONNECTION + VERSION, 400),
    ("GET", GOOD + KEY, 400),
    ("GET", UPGRADE + CONNECTION + VERSION + "Sec-WebSocket-Key: AAAA\r\n", 400),
    ("GET", UPGRADE + CONNECTION + VERSION + "Sec-WebSocket-Key: " + "A" * 24 + "\r\n", 400),
    ("GET", UPGRADE + CONNECTION + VERSION + "Sec-WebSocket-Key: " + "A" * 21 + "B==\r\n", 400),
    ("POST", GOOD, 405),
    ("PUT", GOOD, 405),
    ("DELETE", GOOD, 405),
    ("HEAD", GOOD, 426),
    ("GET", GOOD + "Origin: http://evil.example\r\n", 403),
    ("GET", GOOD + "Origin: http://test.example:8080\r\n", 403),
    ("GET", GOOD + "Origin: null\r\n", 403),
)

ACCEPTED = (
    GOOD,
    "UPGRADE: WebSocket\r\nCONNECTION: upgrade\r\n" + KEY + VERSION,
    "Upgrade: h2c, websocket\r\nConnection: keep-alive, Upgrade\r\n" + KEY + VERSION,
    UPGRADE + "Connection: close, Upgrade\r\n" + KEY + VERSION,
    GOOD + "Expect: 100-continue\r\n",
    GOOD + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    GOOD + "Sec-WebSocket-Protocol: chat, superchat\r\n",
    GOOD + "Origin: http://test.example\r\n",
    GOOD + "Origin: https://test.example\r\n",
    GOOD + "Cookie: a=b\r\nUser-Agent: x\r\nPragma: no-cache\r\n",
)


class OpeningTest(Endpoint):
    def test_what_is_no_handshake_is_refused_and_the_connection_goes_on(self):
        for method, fields, status in REFUSED:
            with self.subTest(method=method, fields=fields), self.server.client() as client:
                answer = client.get("/events", method, fields)
                self.assertEqual(answer.status, status, answer.lines)
                if status == 426:
                    self.assertEqual(answer["Upgrade"], "websocket")
                    self.assertIn("upgrade", answer["Connection"].lower())
                    self.assertEqual(answer["Sec-WebSocket-Version"], "13")
                if status == 405:
                    self.assertIn("GET", answer["Allow"])
                self.assertIsNone(answer["Sec-WebSocket-Accept"])
                self.assertEqual(client.get("/").body, b"page\n")

    def test_an_upgrade_in_http_1_0_is_none(self):
        with self.server.client() as client:
            client.send(cairn.request("/events", fields=GOOD, version="1.0"))
            self.assertTrue(client.read_raw()[0].startswith(b"HTTP/1.1 426 "))

    def test_a_handshake_with_a_body_is_refused(self):
        with self.server.client() as client:
            client.send(cairn.request("/events", fields=GOOD + "Content-Length: 4\r\n") + b"body")
            self.assertEqual(client.read().status, 400)
            self.assertEqual(client.get("/").body, b"page\n")

    def test_what_is_right_in_other_words_is_accepted(self):
        for fields in ACCEPTED:
            with self.subTest(fields=fields), self.server.client() as client:
                client.send(cairn.request("/events", fields=fields))
                answer = cairn.Response(client.read_raw("HEAD")[0], b"")
                self.assertEqual(answer.status, 101)
                self.assertEqual(answer["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                self.assertIsNone(answer["Sec-WebSocket-Extensions"])
                self.assertIsNone(answer["Sec-WebSocket-Protocol"])

    def test_the_path_in_other_words(self):
        for path in ("/events?since=1", "/%65vents", "/x/../events", "http://test.example/events",
                     "http://test.example:80/events?a"):
            with self.subTest(path=path):
                client = self.open(path=path)
                self.assertEqual(client.hello["type"], "hello")
                client.close_properly()

    def test_elsewhere_nothing_is_upgraded(self):
        with self.server.client() as client:
            self.assertEqual(client.get("/", fields=GOOD).body, b"page\n")
            self.assertEqual(client.get("/events/", fields=GOOD).status, 404)
            self.assertEqual(client.get("/Events", fields=GOOD).status, 404)

    def test_the_first_message_is_hello(self):
        client = self.open()
        self.assertEqual(client.hello["type"], "hello")
        self.assertRegex(client.hello["state"], re.compile(r"^[0-9a-f]{16}$"))
        self.assertGreaterEqual(client.hello["age_ms"], 0)
        client.close_properly()

    def test_requests_before_it_in_the_same_packet_are_answered_first(self):
        before = cairn.request("/") + cairn.request("/missing") + cairn.request("/a.css")
        client = self.open(before=before)
        self.assertEqual([answer.status for answer in client.answers_before], [200, 404, 200])
        self.assertEqual(client.answers_before[2].body, b"a{}\n")
        client.close_properly()

    def test_a_request_before_it_on_the_same_connection(self):
        with self.server.client() as plain:
            self.assertEqual(plain.get("/").body, b"page\n")
            plain.send(websocket.upgrade("/events"))
            self.assertTrue(plain.read_raw("HEAD")[0].startswith(b"HTTP/1.1 101 "))

    def test_frames_in_the_same_packet_are_heard(self):
        behind = frame(TEXT, "hello") + frame(PING, "at once")
        client = self.open(behind=behind)
        client.read_pong(b"at once")
        client.close_properly()

    def test_half_a_frame_in_the_same_packet_is_kept(self):
        ping = frame(PING, "in two halves" * 9)
        for cut in (1, 2, 5, 6, 7, len(ping) - 1):
            with self.subTest(cut=cut):
                client = self.open(behind=ping[:cut])
                client.send(ping[cut:])
                client.read_pong(b"in two halves" * 9)
                client.close_properly()

    def test_a_request_in_the_same_packet_is_no_frame(self):
        client = self.open(behind=cairn.request("/"))
        self.assertEqual(client.read_close()[0], 1002)

    def test_a_close_in_the_same_packet_is_answered(self):
        client = self.open(behind=frame(CLOSE, close_body(1001)))
        self.assertEqual(client.read_close()[0], 1001)
        client.is_closed()

    def test_a_handshake_byte_by_byte(self):
        key = websocket.new_key()
        with self.server.client() as plain:
            for byte in websocket.upgrade("/events", key) + frame(PING, "p"):
                plain.send(bytes([byte]))
            head, _ = plain.read_raw("HEAD")
            self.assertIn(websocket.accept_of(key).encode(), head)


# ---- frames (§5) ----

RIGHT = {
    "a text": (frame(TEXT, "hello"),),
    "an empty text": (frame(TEXT),),
    "a text with U+0000 and the last character": (frame(TEXT, "a\0\U0010ffff\ufffd"),),
    "a binary that is no text": (frame(BINARY, b"\xff\xfe\xc0\x80"),),
    "the longest message": (frame(TEXT, "x" * LIMIT),),
    "the longest, in fragments": (frame(BINARY_ON, b"x" * 400), frame(ON, b"x" * 400),
                                  frame(END, b"x" * 200)),
    "126 bytes": (frame(BINARY, b"x" * 126),),
    "several messages of nearly the limit": tuple(frame(TEXT, "x" * 900) for _ in range(5)),
    "fragments": (frame(TEXT_ON, "a"), frame(ON, "b"), frame(END, "c")),
    "empty fragments": (frame(TEXT_ON), frame(ON), frame(END)),
    "many fragments": (frame(BINARY_ON), *[frame(ON, b"x")] * LIMIT, frame(END)),
    "a character in fragments": (frame(TEXT_ON, b"\xf0"), frame(ON, b"\x9f"), frame(ON, b"\x98"),
                                 frame(END, b"\x80")),
    "pings between fragments": (frame(TEXT_ON, b"\xe2\x82"), frame(PING, "1"), frame(ON),
                                frame(PONG, "2"), frame(PING), frame(END, b"\xac")),
    "pongs that nobody asked for": (frame(PONG), frame(PONG, "x" * 125)),
    "every byte in a binary": (frame(BINARY, bytes(range(256))),),
}

# What is wrong, and the code that the server gives up with (§7.4.1).
WRONG = {
    "no mask": (header(TEXT, 5, is_masked=False) + b"hello", 1002),
    "a ping without a mask": (header(PING, 0, is_masked=False), 1002),
    "a close without a mask": (header(CLOSE, 2, is_masked=False) + close_body(1000), 1002),
    "the first reserved bit": (frame(TEXT | 0x40, "x"), 1002),
    "the second reserved bit": (frame(TEXT | 0x20, "x"), 1002),
    "the third reserved bit": (frame(TEXT | 0x10, "x"), 1002),
    "a reserved bit in a ping": (frame(PING | 0x40), 1002),
    "a reserved bit in a continuation": (frame(TEXT_ON, "x") + frame(END | 0x40, "x"), 1002),
    **{f"opcode {opcode}": (frame(0x80 | opcode, "x"), 1002)
       for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"opcode {opcode} within a message": (frame(TEXT_ON) + frame(0x80 | opcode), 1002)
       for opcode in (3, 11)},
    "a ping of 126 bytes": (frame(PING, "x" * 126), 1002),
    "a pong of 126 bytes": (frame(PONG, "x" * 126), 1002),
    "a close of 126 bytes": (frame(CLOSE, close_body(1000, "x" * 124)), 1002),
    "a short ping with a long length": (frame(PING, "x", length_bytes=2), 1002),
    "a ping in fragments": (frame(PING & 0x7F, "x") + frame(END, "y"), 1002),
    "a close in fragments": (frame(CLOSE & 0x7F, close_body(1000)), 1002),
    "a continuation of nothing": (frame(END, "x"), 1002),
    "a continuation of nothing that goes on": (frame(ON, "x"), 1002),
    "a continuation of what has ended": (frame(TEXT, "x") + frame(END, "x"), 1002),
    "a text within a text": (frame(TEXT_ON, "x") + frame(TEXT, "y"), 1002),
    "a binary within a text": (frame(TEXT_ON, "x") + frame(BINARY_ON, b"y"), 1002),
    "125 in two bytes": (frame(BINARY, b"x" * 125, length_bytes=2), 1002),
    "0 in eight bytes": (frame(BINARY, b"", length_bytes=8), 1002),
    "65535 in eight bytes": (header(BINARY, 65535, length_bytes=8) + websocket.MASK, 1002),
    "a negative length": (header(BINARY, 1 << 63, length_bytes=8) + websocket.MASK, 1002),
    "one byte too many": (frame(TEXT, "x" * (LIMIT + 1)), 1009),
    "one byte too many, in fragments": (frame(BINARY_ON, b"x" * LIMIT) + frame(ON)
                                        + frame(END, b"x"), 1009),
    "an announcement of too much": (header(BINARY, 1 << 40) + websocket.MASK, 1009),
    "the longest length that there is": (header(TEXT, (1 << 63) - 1) + websocket.MASK, 1009),
    "lengths whose sum runs over": (frame(BINARY_ON, b"x") + header(END, (1 << 63) - 1)
                                    + websocket.MASK, 1009),
    "a text of bad bytes": (frame(TEXT, b"\xff\xfe"), 1007),
    "a continuation byte first": (frame(TEXT, b"\x80"), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "a slash in two bytes": (frame(TEXT, b"\xc0\xaf"), 1007),
    "a slash in three bytes": (frame(TEXT, b"\xe0\x80\xaf"), 1007),
    "above U+10FFFF": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "half a character": (frame(TEXT, b"\xe2\x82"), 1007),
    "half a character, in fragments": (frame(TEXT_ON, b"\xe2") + frame(END, b"\x82"), 1007),
    "half a character, and an empty end": (frame(TEXT_ON, b"\xe2\x82") + frame(END), 1007),
    "a bad byte in the last fragment": (frame(TEXT_ON, b"\xe2") + frame(PING, "p")
                                        + frame(END, b"x"), 1007),
    "half a close code": (frame(CLOSE, b"\x03"), 1002),
    "a bad reason": (frame(CLOSE, close_body(1000, b"\xff")), 1007),
    "half a character in a reason": (frame(CLOSE, close_body(1000, b"\xe2\x82")), 1007),
}


class FramesTest(Endpoint):
    def send(self, client, data, piece):
        for at in range(0, len(data), piece or len(data)):
            client.send(data[at:at + (piece or len(data))])

    def test_what_is_right_is_heard_however_it_comes(self):
        for name, frames in RIGHT.items():
            data = b"".join(frames) + frame(PING, "probe")
            for piece in (None, 1, 7) if len(data) < 2000 else (None, 7):
                with self.subTest(name=name, piece=piece):
                    client = self.open()
                    self.send(client, data, piece)
                    client.read_pong(b"probe")
                    client.close_properly()

    def test_what_is_right_is_heard_with_every_mask(self):
        client = self.open()
        for mask in MASKS:
            for count in range(20):
                client.send(frame(TEXT_ON, "a" * count + "\xe4", mask)
                            + frame(PING, bytes([count]), mask) + frame(END, "\u20ac", mask))
                client.read_pong(bytes([count]))
        client.close_properly()

    def test_what_is_wrong_ends_with_its_code_however_it_comes(self):
        for name, (data, code) in WRONG.items():
            for piece in (None, 1) if len(data) < 300 else (None, 100):
                with self.subTest(name=name, piece=piece):
                    client = self.open()
                    try:
                        self.send(client, data, piece)
                    except (BrokenPipeError, ConnectionResetError):
                        pass  # it had heard enough
                    found, reason = client.read_close()
                    self.assertEqual(found, code, reason)
                    client.close()

    def test_what_is_wrong_ends_the_connection(self):
        client = self.open()
        client.send(frame(END, "x"))
        self.assertEqual(client.read_close()[0], 1002)
        client.send(frame(CLOSE, close_body(1002)))
        self.assertTrue(client.is_closed())

    def test_what_comes_behind_a_failure_is_not_answered(self):
        client = self.open()
        client.send(frame(TEXT, b"\xff") + frame(PING, "too late") + frame(CLOSE, close_body(1000)))
        self.assertEqual(client.read_close()[0], 1007)
        self.assertTrue(client.is_closed())

    def test_a_bad_byte_is_told_before_its_frame_has_ended(self):
        good = "good \u20ac".encode()
        for bad in (b"\xff", b"\xc0", b"\xed\xa0", b"\xf4\x90", b"\xe2x", b"\xf0\x9f\x98x"):
            with self.subTest(bad=bad):
                client = self.open()
                client.send(frame(TEXT_ON, "a") + frame(PING, "1"))
                client.read_pong(b"1")
                client.send(header(END, LIMIT - 1) + websocket.MASK + masked(good + bad))
                self.assertEqual(client.read_close()[0], 1007)

    def test_a_character_may_wait_for_its_end(self):
        client = self.open()
        client.send(frame(TEXT_ON, b"\xf0\x9f"))
        client.send(frame(PING, "between"))
        client.read_pong(b"between")
        client.send(frame(ON, b"\x98"))
        client.send(frame(PING, "again"))
        client.read_pong(b"again")
        client.send(frame(END, b"x"))
        self.assertEqual(client.read_close()[0], 1007)

    def test_pings_are_answered_with_what_they_brought(self):
        client = self.open()
        for count in range(126):
            payload = bytes((count + place) % 256 for place in range(count))
            client.send(frame(PING, payload))
            self.assertEqual(client.read_pong(payload), [])
        client.close_properly()

    def test_of_many_pings_at_once_the_last_is_answered(self):
        client = self.open()
        payloads = [f"{number:05}".encode() for number in range(2000)]
        client.send(b"".join(frame(PING, payload) for payload in payloads))
        passed = client.read_pong(payloads[-1])
        self.assertEqual(passed, sorted(set(passed)), "in their order, each once")
        self.assertLessEqual(set(passed), set(payloads))
        client.close_properly()


# ---- closing (§7) ----


class ClosingTest(Endpoint):
    ACCEPTED = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}

    def test_every_code(self):
        """The codes 0 to 4999, some hundred connections at a time, and a few above."""
        codes = [*range(5001), 9999, 32768, 65535]
        for start in range(0, len(codes), 100):
            crowd = []
            for code in codes[start:start + 100]:
                client = self.open(behind=frame(CLOSE, close_body(code, "bye")), waits=False)
                crowd.append((code, client))
            for code, client in crowd:
                client.await_open()
                found, _ = client.read_close()
                self.assertEqual(found, code if code in self.ACCEPTED else 1002, code)
                self.assertTrue(client.is_closed())
                client.close()

    def test_without_a_code(self):
        client = self.open()
        client.send(frame(CLOSE))
        self.assertEqual(client.read_close(), (websocket.NO_CODE, ""))
        self.assertTrue(client.is_closed())

    def test_with_the_longest_reason(self):
        client = self.open()
        client.send(frame(CLOSE, close_body(4000, "\u20ac" * 41)))
        self.assertEqual(client.read_close()[0], 4000)
        self.assertTrue(client.is_closed())

    def test_within_a_message(self):
        client = self.open()
        client.send(frame(TEXT_ON, b"\xe2") + frame(CLOSE, close_body(1000)))
        self.assertEqual(client.read_close()[0], 1000)
        self.assertTrue(client.is_closed())

    def test_byte_by_byte(self):
        client = self.open()
        for byte in frame(CLOSE, close_body(1000, "bye")):
            client.send(bytes([byte]))
        self.assertEqual(client.read_close()[0], 1000)
        self.assertTrue(client.is_closed())

    def test_what_comes_behind_a_close_is_ignored(self):
        client = self.open()
        client.send(frame(CLOSE, close_body(1000)) + frame(PING, "x") + b"\xff" * 50)
        self.assertEqual(client.read_close()[0], 1000)
        self.assertTrue(client.is_closed())

    def test_a_client_that_only_ends_is_let_go(self):
        for first in (b"", frame(TEXT_ON, "a"), frame(PING)[:3], frame(TEXT, "abc")[:-1]):
            with self.subTest(first=first):
                client = self.open()
                client.send(first)
                client.end_sending()
                client.read_to_end()

    def test_the_server_closes_when_it_ends_and_takes_the_answer(self):
        index = self.case.pack_tree({"index.html": "page\n"}, name="ending")
        with cairn.Server(index, options=("--events", "/events")) as server:
            clients = [WebSocket(server.address) for _ in range(3)]
            clients[1].send(frame(TEXT_ON, "in the middle"))
            server.signal(signal.SIGTERM)
            for client in clients:
                self.assertEqual(client.read_close()[0], 1001)
                client.send(frame(PONG) + frame(CLOSE, close_body(1001)))
                self.assertTrue(client.is_closed())
                client.close()
            server.wait()


# ---- readers ----


class ReaderTest(Endpoint):
    TEXT = "a line of a build error: \u20ac " * 500

    def say(self, number):
        reply = self.server.command(f'announce error {number} {self.TEXT}')
        self.assertRegex(reply, "^ok announce ")

    def test_a_slow_reader_gets_whole_messages_and_nobody_waits_for_it(self):
        slow = self.open(receive_buffer=16384, segment_bytes=536)
        quick = self.open()
        messages = 15  # one with more waiting is dropped
        for number in range(messages):
            self.say(number)
            message = quick.read_json()
            self.assertEqual(message["type"], "error")
            self.assertEqual(message["text"], f"{number} {self.TEXT}".strip())
        slow.send(frame(PING, "probe"))
        pongs = []
        heard = []
        while len(heard) < messages or not pongs:  # a pong may come between two messages
            first, payload = slow.read_frame()
            self.assertIn(first, (TEXT, PONG))
            (heard if first == TEXT else pongs).append(payload)
        self.assertEqual([json.loads(text)["text"] for text in heard],
                         [f"{number} {self.TEXT}".strip() for number in range(messages)])
        self.assertEqual(pongs, [b"probe"])
        slow.close_properly()
        self.server.command("announce mended")
        self.assertEqual(quick.read_json()["type"], "mended")
        quick.close_properly()

    def test_a_message_of_more_than_64_kib_comes_in_pieces_and_whole(self):
        names = [f"{number:04}-{'long' * 40}.css" for number in range(1200)]
        slow = self.open(receive_buffer=16384, segment_bytes=536)
        tree = {"index.html": "page\n", "a.css": "a{}\n", **dict.fromkeys(names, "a{}\n")}
        self.server.load(self.case.pack_tree(tree))
        text = slow.read_text()
        self.assertGreater(len(text), 65536)  # a length of eight bytes
        self.assertEqual(json.loads(text)["added"], [f"/{name}" for name in names])
        slow.send(frame(PING, "behind it"))
        slow.read_pong(b"behind it")
        slow.close_properly()

    def test_a_flood_of_pings_from_one_that_does_not_read_is_borne(self):
        client = self.open(receive_buffer=16384, segment_bytes=536)
        other = self.open()
        flood = b"".join(frame(PING, f"{number:06}" + "x" * 110) for number in range(5000))
        client.send(flood)
        other.send(frame(PING, "still here?"))
        other.read_pong(b"still here?")
        client.send(frame(PING, "the last"))
        client.read_pong(b"the last")
        client.close_properly()
        other.close_properly()


if __name__ == "__main__":
    unittest.main()

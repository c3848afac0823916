"""The events endpoint with an independent client: npm's ws connects, hears of releases, pings, sends
messages and closes. `npm ci` in this folder brings it; without it the tests are skipped, which they
say."""
import json
import queue
import shutil
import signal
import subprocess
import sys
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "wire"))

import cairn  # noqa: E402


def require():
    if shutil.which("node") is None:
        raise unittest.SkipTest("node is not installed")
    if not (HERE / "node_modules" / "ws").exists():
        raise unittest.SkipTest("ws is not there: npm ci in tests/ws")


class Listener:
    """Sockets of listener.js, as a context manager."""

    def __init__(self):
        require()
        self.process = subprocess.Popen(["node", HERE / "listener.js"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self._queues = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _queue(self, number):
        with self._lock:
            return self._queues.setdefault(number, queue.Queue())

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            self._queue(event.pop("socket")).put(event)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=cairn.PATIENCE_S)
        self._reader.join()
        self.process.stdout.close()

    def order(self, number, **what):
        self.process.stdin.write((json.dumps({"socket": number, **what}) + "\n").encode())
        self.process.stdin.flush()

    def next(self, number):
        try:
            return self._queue(number).get(timeout=cairn.PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"nothing happens to socket {number}") from None


class WsTest(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        require()
        self.listener = self.enter(Listener())

    def enter(self, manager):
        self.addCleanup(manager.__exit__, None, None, None)
        return manager.__enter__()

    def serve(self, *options):
        self.index = self.pack_tree({"index.html": "one\n"})
        server = self.enter(cairn.Server(self.index, options=("--events", "/events", *options)))
        self.url = f"ws://127.0.0.1:{server.ports[0]}/events"
        return server

    def expect(self, number, event, **what):
        """What happens next, but for the server's pings, which come whenever there is silence."""
        found = self.listener.next(number)
        while found["event"] == "ping" and event != "ping":
            found = self.listener.next(number)
        self.assertEqual({**found, "event": event, **what}, found)
        return found

    def open(self, number=1, **options):
        self.listener.order(number, open=self.url, options=options)
        self.expect(number, "open", protocol="", extensions="")
        hello = json.loads(self.expect(number, "message", isBinary=False)["text"])
        self.assertEqual(hello["type"], "hello")
        return hello

    def test_opens_pings_and_closes(self):
        self.serve()
        self.open()
        for payload in ("", "ping", "x" * 125):
            self.listener.order(1, ping=payload)
            self.expect(1, "pong", payload=payload)
        self.listener.order(1, close=1000, reason="bye")
        self.expect(1, "close", code=1000)

    def test_what_it_offers_is_not_taken(self):
        self.serve()
        self.open(perMessageDeflate=True)
        self.listener.order(1, close=None)
        self.expect(1, "close", code=1005)

    def test_codes(self):
        self.serve()
        codes = (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999)
        for number, code in enumerate(codes):
            self.open(number)
            self.listener.order(number, close=code, reason="a reason: \u20ac")
            self.expect(number, "close", code=code)

    def test_messages_are_taken(self):
        self.serve()
        self.open()
        self.listener.order(1, send="text \u20ac")
        self.listener.order(1, sendHex="ff00fe")
        self.listener.order(1, send="x" * 60000)
        self.listener.order(1, send="in ", fin=False)
        self.listener.order(1, ping="between")
        self.expect(1, "pong", payload="between")
        self.listener.order(1, send="pieces")
        self.listener.order(1, ping="behind")
        self.expect(1, "pong", payload="behind")

    def test_a_message_that_is_too_long(self):
        self.serve("--limit", "event-message-size=1k")
        self.open()
        self.listener.order(1, send="x" * 1024)
        self.listener.order(1, ping="fits")
        self.expect(1, "pong", payload="fits")
        self.listener.order(1, send="x" * 1025)
        self.expect(1, "close", code=1009)

    def test_its_answers_to_pings_keep_it_open(self):
        self.serve("--limit", "event-ping-time=20ms")
        self.open()
        for _ in range(5):
            self.expect(1, "ping")
        self.listener.order(1, close=1000)
        self.expect(1, "close", code=1000)

    def test_another_origin_is_refused(self):
        self.serve("--events-origin", "https://app.example")
        self.listener.order(1, open=self.url, options={"origin": "https://evil.example"})
        self.expect(1, "refused", status=403)
        self.open(2, origin="https://app.example")
        self.open(3, origin=self.url.replace("ws:", "http:").removesuffix("/events"))

    def test_the_end_of_the_server(self):
        server = self.serve()
        for number in range(3):
            self.open(number)
        server.signal(signal.SIGTERM)
        for number in range(3):
            self.expect(number, "close", code=1001)
        server.wait()

    def test_releases(self):
        server = self.serve()
        states = {self.open(number)["state"] for number in range(20)}
        self.assertEqual(len(states), 1)
        for content in ("two", "three"):
            server.load(self.pack_tree({"index.html": content, f"{content}.css": "a{}"}))
            for number in range(20):
                text = self.expect(number, "message", isBinary=False)["text"]
                message = json.loads(text)
                self.assertEqual(message["type"], "release")
                self.assertIn("/", message["changed"])
                self.assertEqual(message["added"], [f"/{content}.css"])
                states.add(message["state"])
        self.assertEqual(len(states), 3)
        self.assertEqual(self.open(100)["state"], message["state"])


if __name__ == "__main__":
    unittest.main()

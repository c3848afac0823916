"""The server under the thread sanitizer: clients, listeners, reloads on every channel and a drain.
CAIRN_TSAN_BIN names the folder with programs that were built with it."""
import os
import random
import signal
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, TemporaryFolder, request
from test_events import EventStream
from websocket import Closed, WebSocket

RELEASES = 4
RELOADS = 100


class TestThreads(TemporaryFolder):
    def setUp(self):
        super().setUp()
        value = os.environ.get("CAIRN_TSAN_BIN", "")
        if not value or not (Path(value) / "cairn-serve").exists():
            self.skipTest("CAIRN_TSAN_BIN is not set: needs programs with the thread sanitizer")
        self.tsan = Path(value).resolve()
        self.releases = [{"index.html": f"release {number}\n".encode(),
                          "large": cairn.noise(400_000, number), "same": b"same\n"}
                         for number in range(RELEASES)]
        self.indexes = [self.pack_tree(files, bin_folder=self.tsan) for files in self.releases]

    def fetch(self, server, seed, stop, problems):
        rng = random.Random(seed)
        try:
            while not stop.is_set():
                with server.client() as client:
                    for _ in range(rng.randrange(1, 20)):
                        name = rng.choice(("index.html", "large", "same"))
                        answer = client.get("/" + name)
                        if answer.body not in [files[name] for files in self.releases]:
                            problems.append((name, answer.status))
                    client.send(request("/large") * rng.randrange(3))  # and go away
        except Exception as problem:
            problems.append(problem)

    def listen(self, server, kind, stop, problems):
        """Comes, listens for a while, and goes, or ends properly."""
        rng = random.Random(kind.__name__)
        try:
            while not stop.is_set():
                try:
                    with kind(server.address) as listener:
                        for _ in range(rng.randrange(4)):
                            (listener.read_json if kind is WebSocket else listener.read_block)()
                        if kind is WebSocket and rng.randrange(2) == 0:
                            listener.close_properly()
                except (EOFError, ConnectionError, Closed):
                    continue  # cut off as too slow, which a listener has to expect
        except Exception as problem:
            problems.append(problem)

    def test_listeners_come_and_go_under_reloads(self):
        stop, problems = threading.Event(), []
        with Server(self.indexes[0], workers=2, bin_folder=self.tsan, options=(
                "--events", "/events", "--retain", "2", "--limit", "event-ping-time=50ms",
                "--admin", "127.0.0.1:0"), env={"TSAN_OPTIONS": "exitcode=66"}) as server:
            threads = [threading.Thread(target=self.listen, args=(server, kind, stop, problems))
                       for kind in (WebSocket, WebSocket, EventStream)]
            for thread in threads:
                thread.start()
            for turn in range(RELOADS):
                server.load(self.indexes[turn % RELEASES])
                server.command("announce error no" if turn % 10 == 0 else "status")
            stop.set()
            while any(thread.is_alive() for thread in threads):  # who waits for a message gets one
                server.command("announce mended")
            self.assertEqual(problems[:3], [])
            last = WebSocket(server.address)
            server.signal(signal.SIGTERM)
            self.assertEqual(last.read_close()[0], 1001)
            last.close()
            server.wait()

    def test_reloads_under_load_and_a_drain(self):
        fifo = self.folder / "control"
        os.mkfifo(fifo)
        stop, problems = threading.Event(), []
        with Server(self.indexes[0], workers=4, control=[fifo, self.folder / "control.sock"],
                    options=("--retain", "2"), bin_folder=self.tsan,
                    env={"TSAN_OPTIONS": "exitcode=66"}) as server:
            threads = [threading.Thread(target=self.fetch, args=(server, seed, stop, problems))
                       for seed in range(4)]
            for thread in threads:
                thread.start()
            for turn in range(RELOADS):
                server.load(self.indexes[turn % RELEASES])
                if turn % 10 == 0:
                    fifo.write_bytes(f"load index {self.indexes[0]}\nstatus\n".encode())
                    cairn.run("cairn-ctl", "--socket", self.folder / "control.sock", "status",
                              bin_folder=self.tsan)
            stop.set()
            for thread in threads:
                thread.join()
            self.assertEqual(problems[:3], [])
            with server.client(receive_buffer=16384) as client:
                client.send(request("/large") * 5)
                client.socket.recv(100)
                self.assertEqual(server.command("quit"), "ok quit")
                client.read_to_end()
            server.wait()


if __name__ == "__main__":
    unittest.main(verbosity=2)

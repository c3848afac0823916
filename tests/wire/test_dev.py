"""`cairn-pack dev`: a site is served while it is written, and nothing is left afterwards."""
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import PATIENCE_S, Client, TemporaryFolder, save, wait_until, write_tree

SITE = {"index.html": "<title>one</title>\n", "style.css": "p { color: red }\n",
        "docs/a.html": "<title>a</title>\n"}


class Dev:
    """A `cairn-pack dev`; `scratch` is the folder below which it makes its own."""

    def __init__(self, tree, scratch, *options, env=None):
        self.scratch = scratch
        scratch.mkdir(exist_ok=True)
        self.log_path = Path(f"{scratch}.log")
        self.lines = queue.Queue()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [cairn.BIN / "cairn-pack", "dev", *options, tree], stdout=subprocess.PIPE,
                stderr=log, env={**os.environ, "TMPDIR": str(scratch), **(env or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.first = self.lines.get(timeout=PATIENCE_S)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode().rstrip("\n"))
        self.lines.put(None)

    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def port(self):
        match = re.match(r"http://127\.0\.0\.1:(\d+)/ serves ", self.first or "")
        if match is None:
            raise AssertionError(f"{self.first!r}; log:\n{self.log()}")
        return int(match[1])

    def get(self, path):
        try:
            with Client(("127.0.0.1", self.port)) as client:
                return client.get(path)
        except OSError as problem:
            raise AssertionError(f"{problem}; log:\n{self.log()}") from None

    def wait_for(self, path, body):
        wait_until(lambda: self.get(path).body == body, f"{path}; log:\n{self.log()}")

    def server_pid(self):
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(path.read_text().split()[0])

    def folders(self):
        return list(self.scratch.glob("cairn-dev-*"))

    def end(self, expect=0):
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()
        cairn.check_no_report(self.log(), "cairn-pack dev")
        if code != expect:
            raise AssertionError(f"exit code {code}; log:\n{self.log()}")

    def stop(self, number=signal.SIGINT, expect=0):
        self.process.send_signal(number)
        self.end(expect)


def is_gone(pid):
    """It has ended, whoever has to take note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class TestDev(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.tree = write_tree(self.folder / "dist", SITE)
        self.scratch = self.folder / "scratch"

    def start(self, *options, **keywords):
        dev = Dev(self.tree, self.scratch, *options, **keywords)

        def end():
            if dev.process.poll() is None:
                dev.process.terminate()
                dev.process.wait(PATIENCE_S)
        self.addCleanup(end)
        return dev

    def test_what_is_saved_is_served_and_told(self):
        dev = self.start()
        self.assertGreaterEqual(dev.port, 8080)
        self.assertRegex(dev.get("/docs/a").body, rb"^<script [^>]+></script><title>a</title>\n$")
        save(self.tree / "style.css", "p { color: green }\n")
        dev.wait_for("/style.css", b"p { color: green }\n")
        self.assertRegex(dev.lines.get(timeout=PATIENCE_S),
                         r"^\d\d:\d\d:\d\d 1 changed, \d+ ms$")
        shutil.rmtree(self.tree / "docs")
        self.assertRegex(dev.lines.get(timeout=PATIENCE_S),
                         r"^\d\d:\d\d:\d\d 1 removed, \d+ ms$")
        self.assertEqual(dev.get("/docs/a").status, 404)
        save(self.tree / "_redirects", "/x https://example.org/:splat 200\n")
        self.assertRegex(dev.lines.get(timeout=PATIENCE_S), r"^\d\d:\d\d:\d\d _redirects:1: ")
        save(self.tree / "_redirects", "/x /style.css\n")
        self.assertRegex(dev.lines.get(timeout=PATIENCE_S), r"^\d\d:\d\d:\d\d 1 added, \d+ ms$")
        self.assertEqual(dev.get("/x")["location"], "/style.css")
        dev.stop()
        self.assertEqual(dev.folders(), [])

    def test_ends_leave_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            dev = self.start()
            server = dev.server_pid()
            self.assertEqual(len(dev.folders()), 1)
            dev.stop(number)
            self.assertTrue(is_gone(server))
            self.assertEqual(dev.folders(), [])

    def test_an_end_during_the_first_pack(self):
        """It takes its time, as brotli's best does; nobody waits for it."""
        text = cairn.noise(6_000_000, 1).hex().encode()
        for part in range(4):
            (self.tree / f"much{part}.css").write_bytes(bytes([0x61 + part]) + text)
        self.scratch.mkdir()
        with open(self.folder / "log", "wb") as log:
            process = subprocess.Popen([cairn.BIN / "cairn-pack", "dev", "--effort", "max", self.tree],
                                       stdout=subprocess.PIPE, stderr=log,
                                       env={**os.environ, "TMPDIR": str(self.scratch)})
        self.addCleanup(process.kill)
        wait_until(lambda: list(self.scratch.glob("cairn-dev-*/site1.cairn")), "an archive")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=PATIENCE_S)[0]
        self.assertEqual((process.returncode, said), (0, b""), (self.folder / "log").read_text())
        cairn.check_no_report((self.folder / "log").read_bytes(), "cairn-pack dev")
        self.assertEqual(list(self.scratch.iterdir()), [])

    def test_a_server_that_dies(self):
        dev = self.start()
        os.kill(dev.server_pid(), signal.SIGKILL)
        dev.end(expect=1)
        self.assertIn("the server has ended", dev.log())
        self.assertEqual(dev.folders(), [])

    def test_a_session_that_was_killed(self):
        """Its server ends with it, and the next one cleans up; one that lives is left alone."""
        killed = self.start()
        server = killed.server_pid()
        killed.process.kill()
        killed.end(expect=-signal.SIGKILL)
        wait_until(lambda: is_gone(server), "the end of the server")
        self.assertEqual(len(killed.folders()), 1)
        first = self.start()
        self.assertEqual(len(first.folders()), 1)
        second = self.start()
        self.assertNotEqual(first.port, second.port)
        self.assertEqual(len(first.folders()), 2)
        second.stop()
        self.assertEqual(first.get("/").status, 200)
        first.stop()
        self.assertEqual(first.folders(), [])

    def test_a_folder_of_somebody_else_is_left_alone(self):
        """Only what a run of ours looks like is removed."""
        def make(name, mode=0o700, lock=b"", files=("site1.cairn",)):
            folder = self.scratch / name
            folder.mkdir()
            for file in files:
                (folder / file).write_bytes(b"x")
            if lock is not None:
                (folder / "lock").write_bytes(lock)
            folder.chmod(mode)
            return folder
        self.scratch.mkdir()
        kept = [make("cairn-dev-notes"), make("cairn-dev-somewhat"),
                make("cairn-dev-aaaaaa", mode=0o755), make("cairn-dev-bbbbbb", lock=b"mine"),
                make("cairn-dev-cccccc", lock=None)]
        (self.scratch / "cairn-dev-dddddd").write_bytes(b"a file")
        link = make("cairn-dev-eeeeee", lock=None)
        (link / "lock").symlink_to(self.scratch / "cairn-dev-dddddd")
        mixed = make("cairn-dev-ffffff", files=("site1.cairn", "diary.txt"))
        left = make("cairn-dev-gggggg", files=("site1.cairn", "site1.idx.tmp", "lock.new"))
        self.start().stop()
        for folder in [*kept, link]:
            self.assertTrue((folder / "site1.cairn").exists(), folder)
        self.assertEqual((self.scratch / "cairn-dev-dddddd").read_bytes(), b"a file")
        self.assertEqual([path.name for path in mixed.iterdir()], ["diary.txt"])
        self.assertFalse(left.exists())

    def test_where_it_listens(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            dev = self.start("--port", str(port))
            dev.end(expect=1)
            self.assertIn("in use", dev.log())
            self.assertEqual(dev.folders(), [])
        dev = self.start("--port", str(port), env={"CAIRN_LISTEN": "127.0.0.1:1", "PORT": "2"})
        self.assertEqual(dev.port, port)
        dev.stop()
        dev = self.start("--overlay", "--listen", "127.0.0.1:0")
        self.assertEqual(dev.get("/style.css").status, 200)
        dev.stop()
        cairn.run("cairn-pack", "dev", "--port", "8080", "--listen", ":1", self.tree, expect=2)
        cairn.run("cairn-pack", "dev", "--json", self.tree, expect=2)
        done = cairn.run("cairn-pack", "dev", self.folder / "absent", expect=1,
                         env={"TMPDIR": str(self.scratch)})
        self.assertIn("absent", done.err)
        done = cairn.run("cairn-pack", "dev", self.tree, expect=1,
                         env={"TMPDIR": str(self.scratch), "CAIRN_SERVE": "/nowhere/cairn-serve"})
        self.assertIn("/nowhere/cairn-serve", done.err)
        self.assertEqual(list(self.scratch.iterdir()), [])

    def test_a_day_of_saving(self):
        """The archive does not grow for ever: one after the other takes its place."""
        dev = self.start()
        piece = 8 << 20
        for turn in range(12):  # more than the 64 MiB that are not worth a new archive
            body = cairn.noise(piece, turn)
            save(self.tree / "video.mp4", body)
            wait_until(lambda: dev.get("/video.mp4").body == body, f"save {turn}")
        folder, = dev.folders()
        wait_until(lambda: [path.name for path in folder.glob("*.cairn")] == ["site2.cairn"],
                   "one archive, another one than at first")
        self.assertLess((folder / "site2.cairn").stat().st_size, 9 * piece)
        self.assertEqual(list(folder.glob("site1.*")), [])
        self.assertEqual(dev.get("/style.css").status, 200)
        dev.stop()
        self.assertEqual(dev.folders(), [])


if __name__ == "__main__":
    unittest.main()

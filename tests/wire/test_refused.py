"""Loads that cannot be: whatever the reason, the answer says it and the old release goes on."""
import os
import resource
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server


class Refused(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.tree = cairn.write_tree(self.folder / "tree", {"index.html": "first\n"})
        self.first = cairn.pack(self.tree, self.folder / "site.cairn")
        (self.tree / "index.html").write_text("second\n")
        self.second = cairn.pack(self.tree, self.folder / "site.cairn")
        server = Server(self.first)
        self.server = server.__enter__()
        self.addCleanup(server.__exit__, None)

    def expect(self, text):
        self.assertEqual(self.server.get("/").body, text)

    def refused(self, path, why):
        reply = self.server.command(f"load index {path}")
        self.assertTrue(reply.startswith("error load index: "), reply)
        self.assertIn(why, reply)
        self.expect(b"first\n")


class TestRaces(Refused):
    def test_a_queue_of_ten_thousand(self):
        """Every command gets its answer, in order, while clients are served."""
        stop = threading.Event()
        wrong = []

        def ask():
            with self.server.client() as client:
                while not stop.is_set():
                    body = client.get("/").body
                    if body not in (b"first\n", b"second\n"):
                        wrong.append(body)
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        count = 10_000
        indexes = (self.first, self.second)

        def write():
            self.server.send("".join(f"load index {indexes[number % 2] if number % 10 else '/none'}\n"
                                     for number in range(count)))
        writer = threading.Thread(target=write)
        writer.start()
        for number in range(count):
            reply = self.server.read_reply()[-1]
            if number % 10 == 0:
                self.assertTrue(reply.startswith("error load index: /none"), reply)
            else:
                self.assertIn(f" release={number % 2 + 1} ", reply)
        writer.join()
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.expect(b"second\n")

        def mapped():
            return Path(f"/proc/{self.server.pid}/maps").read_text().count(".idx")
        cairn.wait_until(lambda: mapped() <= 3, "the others are unmapped")

    def test_replaced_while_it_is_loaded(self):
        """Somebody writes the index anew, in place and by renaming, as often as it is loaded."""
        good = self.second.read_bytes()
        target = self.folder / "site.000009.idx"
        os.symlink(self.folder / "site.cairn", self.folder / "other.cairn")
        stop = threading.Event()

        def disturb():
            number = 0
            while not stop.is_set():
                number += 1
                if number % 3 == 0:
                    target.write_bytes(good[:len(good) * (number % 7) // 7])
                elif number % 3 == 1:
                    target.write_bytes(cairn.noise(len(good), number))
                else:
                    beside = self.folder / "beside"
                    beside.write_bytes(good)
                    os.rename(beside, target)
        thread = threading.Thread(target=disturb)
        target.write_bytes(good)
        thread.start()
        answers = {"ok": 0, "error": 0}
        for _ in range(400):
            reply = self.server.command(f"load index {target}")
            answers[reply.split()[0]] += 1
            self.assertIn(self.server.get("/").status, (200, 404, 503))
        stop.set()
        thread.join()
        self.assertGreater(answers["error"], 0)
        self.server.load(self.first)
        self.expect(b"first\n")


class TestReasons(Refused):
    def test_archive_gone(self):
        os.rename(self.folder / "site.cairn", self.folder / "elsewhere.cairn")
        self.refused(self.second, "site.cairn")
        self.expect(b"first\n")  # it is mapped and open: its name does not matter
        os.rename(self.folder / "elsewhere.cairn", self.folder / "site.cairn")
        self.server.load(self.second)
        self.expect(b"second\n")

    def test_out_of_descriptors(self):
        used = len(os.listdir(f"/proc/{self.server.pid}/fd"))
        soft, hard = resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (used, hard))
        reply = self.server.command(f"load index {self.second}")
        self.assertTrue(reply.startswith("error load index: "), reply)
        self.assertIn("Too many open files", reply)
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (soft, hard))
        self.expect(b"first\n")
        self.server.load(self.second)
        self.expect(b"second\n")

    @unittest.skipIf(cairn.PLAIN_BIN is None, "needs programs without sanitizers: CAIRN_PLAIN_BIN")
    def test_out_of_memory(self):
        """No room for another mapping; what is mapped serves on."""
        with Server(self.first, workers=1, bin_folder=cairn.PLAIN_BIN) as server:
            self.assertEqual(server.get("/").body, b"first\n")
            size = int(Path(f"/proc/{server.pid}/statm").read_text().split()[0]) * 4096
            soft, hard = resource.prlimit(server.pid, resource.RLIMIT_AS)
            other = self.pack_tree({f"{number}.txt": "x\n" for number in range(5000)}, name="large")
            resource.prlimit(server.pid, resource.RLIMIT_AS, (size + 100_000, hard))
            reply = server.command(f"load index {other}")
            self.assertTrue(reply.startswith("error load index: "), reply)
            self.assertIn("Cannot allocate memory", reply)
            self.assertEqual(server.get("/").body, b"first\n")
            resource.prlimit(server.pid, resource.RLIMIT_AS, (soft, hard))
            server.load(other)
            self.assertEqual(server.get("/7.txt").body, b"x\n")

    def test_no_permission(self):
        if os.geteuid() == 0:
            self.skipTest("root reads everything")
        self.second.chmod(0)
        self.refused(self.second, "Permission denied")

    def test_not_an_index(self):
        for path, why in ((self.folder, "directory"), ("/dev/null", "not a regular file"),
                          (self.folder / "site.cairn", ""), ("relative.idx", "No such file")):
            self.refused(path, why)


if __name__ == "__main__":
    unittest.main()

"""Indexes that must not go live: each is refused in its own words while the server serves on."""
import os
import shutil
import struct
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, TemporaryFolder

HEADER_BYTES = 128
ROW_BYTES = 32
SECTION_NAMES = {1: "hash function", 2: "entries", 3: "representations", 4: "heads", 5: "text",
                 6: "rules"}
BAD_INDEXES = cairn.SOURCE / "tests" / "data" / "bad_index"

SITE = {"index.html": "<title>good</title>\n", "404.html": "nothing\n",
        **{f"pages/{number}.html": f"<p>page {number}\n" for number in range(300)}}


def sections(index):
    """[(name, offset, length)] from an index's table (docs/format.md)."""
    (count,) = struct.unpack_from("<I", index, 84)
    rows = []
    for number in range(count):
        kind, _, offset, length, _ = struct.unpack_from("<IIQQQ", index,
                                                         HEADER_BYTES + number * ROW_BYTES)
        rows.append((SECTION_NAMES[kind], offset, length))
    return rows


class BadIndex(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.good = self.pack_tree(SITE)
        self.bytes = self.good.read_bytes()
        self.archive = self.folder / "site.cairn"
        self.bad = self.folder / "bad"
        self.bad.mkdir()
        self.server = Server(self.good, options=["--archives", BAD_INDEXES,
                                                 "--archives", "/dev"]).__enter__()
        self.addCleanup(self.server.__exit__, None)
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def expect_refused(self, path, *says):
        """The reply names the file and says why; what is served is what was."""
        reply = self.server.command(f"load index {path}")
        self.assertTrue(reply.startswith("error load index: "), (path, reply))
        self.assertIn(os.fspath(path), reply)
        for text in says:
            self.assertIn(text, reply)
        self.assertEqual(self.server.command("list"), "ok list sites=1")
        for name in ("index.html", "pages/0.html", "pages/299.html"):
            self.assertEqual(self.client.get("/" + name).body, SITE[name].encode())
        self.assertEqual(self.client.get("/nothing").status, 404)
        return reply.replace(os.fspath(path), "")

    def beside_archive(self, content, name="site.000009.idx"):
        path = self.folder / name
        path.write_bytes(content)
        return path


class TestFiles(BadIndex):
    def test_things_that_are_no_index(self):
        (self.folder / "site.000002.idx").mkdir()
        os.mkfifo(self.folder / "site.000003.idx")
        os.symlink("nowhere.idx", self.folder / "site.000004.idx")
        os.symlink("site.000005.idx", self.folder / "site.000005.idx")
        reasons = [
            self.expect_refused(self.folder / "absent.idx", "No such file"),
            self.expect_refused(self.folder / "site.000002.idx", "directory"),
            self.expect_refused(self.folder / "site.000003.idx", "not a regular file"),
            self.expect_refused(self.folder / "site.000004.idx", "No such file"),
            self.expect_refused(self.folder / "site.000005.idx"),
            self.expect_refused(self.beside_archive(b""), "empty"),
            self.expect_refused(self.beside_archive(b"<html>no index\n" * 100),
                                "not a Cairn index"),
            self.expect_refused(self.beside_archive(b"\x89CRNI"), "not a Cairn index"),
            self.expect_refused(self.beside_archive(b"\0" * 4096), "not a Cairn index"),
            self.expect_refused(self.archive, "this is an archive"),
            self.expect_refused("/dev/zero"),
        ]
        self.assertEqual(len(set(reasons)), 7, reasons)

    def test_a_socket(self):
        import socket
        path = self.folder / "site.000002.idx"
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(str(path))
            self.expect_refused(path)

    def test_truncated_everywhere(self):
        """At each section's start, middle and end, and in the header and the table."""
        places = {HEADER_BYTES // 2: "header", HEADER_BYTES - 1: "header",
                  HEADER_BYTES: "section table", HEADER_BYTES + 40: "section table"}
        for name, offset, length in sections(self.bytes):
            if length > 0:
                for count in (offset, offset + 1, offset + length // 2, offset + length - 1):
                    places[count] = f"section {name}"
        for count, name in sorted(places.items()):
            with self.subTest(count=count, section=name):
                path = self.beside_archive(self.bytes[:count])
                self.expect_refused(path, "truncated in ", name)
        for count in (8, 9, 11, 12, len(self.bytes) - 1, len(self.bytes) - 63):
            self.expect_refused(self.beside_archive(self.bytes[:count]))

    def test_something_behind_the_end(self):
        self.expect_refused(self.beside_archive(self.bytes + b"\0" * 64), "bytes long")
        self.expect_refused(self.beside_archive(self.bytes + b"\0"))
        self.expect_refused(self.beside_archive(self.bytes * 2))

    def flipped(self, at, bit=0):
        changed = bytearray(self.bytes)
        changed[at] ^= 1 << bit
        return bytes(changed)

    def test_one_bit_in_each_section(self):
        for name, offset, length in sections(self.bytes):
            for at in {offset, offset + length // 2, offset + length - 1} if length else ():
                for bit in (0, 7):
                    with self.subTest(section=name, at=at, bit=bit):
                        path = self.beside_archive(self.flipped(at, bit))
                        self.expect_refused(path, f"section {name}: wrong checksum")

    def test_one_bit_anywhere_in_the_header_and_the_table(self):
        table_end = HEADER_BYTES + len(sections(self.bytes)) * ROW_BYTES
        for at in range(table_end):
            for bit in (at % 8, 7 - at % 8):
                self.expect_refused(self.beside_archive(self.flipped(at, bit)))

    def test_one_bit_in_the_padding(self):
        for name, offset, length in sections(self.bytes):
            if length % 64:
                with self.subTest(section=name):
                    self.expect_refused(self.beside_archive(self.flipped(offset + length, 3)),
                                        f"section {name}")

    def test_wrong_version(self):
        for major in (0, 1, 0xffff):
            changed = bytearray(self.bytes)
            struct.pack_into("<H", changed, 8, major)
            self.expect_refused(self.beside_archive(changed), f"version {major}.")


class TestArchives(BadIndex):
    """Good indexes with an archive that is not theirs."""

    def beside(self, archive_bytes, index_bytes=None):
        (self.bad / "site.cairn").write_bytes(archive_bytes)
        path = self.bad / "site.000001.idx"
        path.write_bytes(index_bytes or self.bytes)
        return path

    def test_archive_missing(self):
        path = self.bad / "site.000001.idx"
        path.write_bytes(self.bytes)
        self.expect_refused(path, "site.cairn", "No such file")

    def test_archive_of_another_site(self):
        other = self.pack_tree({"index.html": "other\n"}, "other")
        self.assertTrue(other.exists())
        path = self.beside((self.folder / "other.cairn").read_bytes())
        self.expect_refused(path, "not the archive that this index was made for")

    def test_same_site_packed_anew(self):
        """Same files, another UUID: the offsets might even fit."""
        again = self.folder / "again.cairn"
        cairn.pack(self.folder / "site-tree", again)
        self.expect_refused(self.beside(again.read_bytes()), "not the archive")

    def test_archive_shorter_than_committed(self):
        whole = self.archive.read_bytes()
        (committed,) = struct.unpack_from("<Q", self.bytes, 40)
        self.assertEqual(committed, len(whole))
        for count in (len(whole) - 1, len(whole) - 64, len(whole) // 2, 64):
            self.expect_refused(self.beside(whole[:count]), "site.cairn", f"needs {committed}")
        for count in (63, 10, 8):
            self.expect_refused(self.beside(whole[:count]), "site.cairn")
        self.expect_refused(self.beside(b""), "site.cairn")

    def test_archive_damaged_where_it_matters(self):
        whole = self.archive.read_bytes()
        for at in (0, 9, 20, 40, 63, len(whole) - 128, len(whole) - 64, len(whole) - 1):
            changed = bytearray(whole)
            changed[at] ^= 4
            with self.subTest(at=at):
                self.expect_refused(self.beside(changed), "site.cairn")

    def test_archive_that_is_none(self):
        self.expect_refused(self.beside(b"no archive\n" * 100_000), "site.cairn")
        self.expect_refused(self.beside(self.bytes + b"\0" * 100_000), "site.cairn")
        (self.bad / "site.cairn").unlink()
        (self.bad / "site.cairn").mkdir()
        self.expect_refused(self.bad / "site.000001.idx", "site.cairn")
        (self.bad / "site.cairn").rmdir()
        os.mkfifo(self.bad / "site.cairn")
        self.expect_refused(self.bad / "site.000001.idx", "site.cairn")

    def test_index_of_an_add_that_was_replaced(self):
        """A commit record names the one index that it was made with."""
        tree = self.folder / "site-tree"
        cairn.write_tree(tree, {"index.html": "second\n"})
        second = cairn.pack(tree, self.archive)
        mixed = bytearray(second.read_bytes())
        first_commit = self.bytes[40:48]
        mixed[40:48] = first_commit
        self.expect_refused(self.beside(self.archive.read_bytes(), bytes(mixed)))

    def test_good_ones_still_load_after_all_that(self):
        for _ in range(20):
            self.expect_refused(self.beside_archive(self.bytes[:-64]))
        tree = cairn.write_tree(self.folder / "site-tree", {"index.html": "second\n"})
        self.server.load(cairn.pack(tree, self.archive))
        self.assertEqual(self.client.get("/").body, b"second\n")


class TestMeanwhile(BadIndex):
    def test_nobody_notices(self):
        """Clients fetch all the time that bad indexes are tried: no failure, no closed connection,
        and no descriptor or mapping is left over."""
        stop = threading.Event()
        problems = []
        connected = threading.Barrier(4)

        def fetch(seed):
            try:
                with self.server.client() as client:
                    client.get("/")
                    connected.wait(60)
                    while not stop.is_set():
                        seed = (seed * 16807) % 2147483647
                        name = f"pages/{seed % 300}.html"
                        answer = client.get("/" + name)
                        if (answer.status, answer.body) != (200, SITE[name].encode()):
                            problems.append((name, answer.status, answer.body))
            except Exception as problem:
                problems.append(problem)

        threads = [threading.Thread(target=fetch, args=(seed,)) for seed in (1, 2, 3)]
        for thread in threads:
            thread.start()
        connected.wait(60)

        def count():
            maps = Path(f"/proc/{self.server.pid}/maps").read_text()
            return maps.count(str(self.folder)), len(os.listdir(f"/proc/{self.server.pid}/fd"))
        shutil.copy(self.good, self.bad / "site.000001.idx")
        before = None
        for turn in range(60):
            cut = 64 + turn * (len(self.bytes) - 64) // 60
            self.expect_refused(self.beside_archive(self.bytes[:cut]))
            self.expect_refused(self.bad / "site.000001.idx")
            before = before or count()
        self.assertEqual(count(), before)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])


class TestKeptFiles(BadIndex):
    def test_every_file_of_the_collection(self):
        """tests/data/bad_index: one damaged file for each check; EXPECTED tells the reasons."""
        if not (BAD_INDEXES / "EXPECTED").exists():
            self.skipTest("tests/data/bad_index/EXPECTED is not there")
        expected = {}
        for line in (BAD_INDEXES / "EXPECTED").read_text().splitlines():
            if line and not line.startswith("#"):
                name, reason = line.split("\t", 1)
                expected[name] = reason
        names = {path.name for path in BAD_INDEXES.glob("*.idx")}
        if "good.idx" in names:  # what the others were made from
            names.remove("good.idx")
            cairn.verify(BAD_INDEXES / "good.idx")
        self.assertEqual(names, set(expected), "EXPECTED has a line for each file, and no other")
        self.assertGreater(len(names), 20)
        for name in sorted(names):
            with self.subTest(name):
                self.expect_refused(BAD_INDEXES / name, expected[name])


if __name__ == "__main__":
    unittest.main(verbosity=2)

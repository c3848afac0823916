"""What `cairn-pack` does with releases over time: overlays, diff, rebuild, compact, sidecars, and adds
that read only what has changed."""

import gzip
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, TemporaryFolder

LONG_AGO_S = 1_600_000_000
FIXED = {"SOURCE_DATE_EPOCH": "1700000000"}


def page(number):
    return f"<!doctype html><title>{number}</title>" + f"<p>page {number} of the site</p>\n" * 40


SITE = {**{f"p{number}.html": page(number) for number in range(12)},
        "index.html": page("start"), "404.html": page("nothing"), "docs/index.html": page("docs"),
        "assets/app-ABCDEF2H.js": "console.log(1) // first\n" * 30, "copy.html": page(3),
        "image.png": cairn.noise(3000, 1), "empty.txt": "",
        "_headers": "/*\n  X-Frame-Options: DENY\n", "_redirects": "/old /p1 301\n"}


class Tools(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.tree = self.folder / "tree"
        self.archive = self.folder / "site.cairn"

    def write(self, files):
        cairn.write_tree(self.tree, files, LONG_AGO_S)

    def add(self, *options, files=None, **keywords):
        if files is not None:
            self.write(files)
        return cairn.pack(self.tree, self.archive, *options, **keywords)

    def index(self, number, name="site"):
        return self.folder / f"{name}.{number:06}.idx"

    def paths(self, index):
        listed = json.loads(cairn.run("cairn-pack", "list", "--json", index).out)
        return {row["path"]: row for row in listed["paths"]}

    def expect_extract(self, index, files):
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        cairn.run("cairn-pack", "extract", index, out)
        wanted = {name: content.encode() if isinstance(content, str) else content
                  for name, content in files.items()}
        self.assertEqual(cairn.read_tree(out), wanted)
        for path in out.rglob("*"):
            if path.is_file():
                self.assertEqual(int(path.stat().st_mtime), LONG_AGO_S)


class TestOverlay(Tools):
    def setUp(self):
        super().setUp()
        self.first = self.add(files=SITE)
        changed = {**SITE, "p1.html": page("changed"), "new.html": page("new")}
        del changed["p2.html"], changed["assets/app-ABCDEF2H.js"]
        self.changed = changed
        self.second = self.add("--overlay", files=changed)

    def test_holds_what_differs(self):
        paths = self.paths(self.second)
        self.assertEqual({path: row["kind"] for path, row in paths.items()},
                         {"/p1.html": "file", "/p1": "page", "/new.html": "file", "/new": "page",
                          "/new/": "redirect", "/p2.html": "gone", "/p2": "gone", "/p2/": "gone",
                          "/404.html": "file"})
        cairn.verify(self.second)
        self.expect_extract(self.second, self.changed)

    def test_on_the_wire(self):
        with Server(self.first) as server:
            before = server.get("/p3.html")
            server.load(self.second)
            self.assertIn(b"changed", server.get("/p1.html").body)
            self.assertEqual(server.get("/new").status, 200)
            self.assertEqual(server.get("/p2.html").status, 404)
            self.assertEqual(server.get("/p3.html").without_date(), before.without_date())
            self.assertEqual(server.get("/assets/app-ABCDEF2H.js").status, 200)  # an open tab
            self.assertEqual(server.get("/old").status, 301)
            server.load(self.first)
            self.assertEqual(server.get("/p2.html").status, 200)

    def test_on_an_overlay(self):
        third = self.add("--overlay", files={**self.changed, "p4.html": page("third")})
        self.assertEqual(set(self.paths(third)), {"/p4.html", "/p4", "/404.html"})
        again = self.add("--overlay", files={**self.changed, "p4.html": page("third")})
        self.assertEqual(set(self.paths(again)), {"/404.html"})

    def test_needs_what_it_lies_over(self):
        done = cairn.run("cairn-pack", "add", "--overlay", self.tree, self.folder / "new.cairn",
                         expect=1)
        self.assertIn("no whole release", done.err)
        self.first.unlink()
        done = cairn.run("cairn-pack", "add", "--overlay", self.tree, self.archive, expect=1)
        self.assertIn(self.first.name, done.err)


class TestDiff(Tools):
    def test_text_and_json(self):
        first = self.add(files=SITE)
        changed = {**SITE, "p1.html": page("changed!"), "new.txt": "new\n"}
        del changed["image.png"]
        second = self.add(files=changed)
        rows = cairn.run("cairn-pack", "diff", first, second).out.splitlines()
        self.assertEqual([(row[0], row.split()[-1]) for row in rows[:-1]],
                         [("-", "/image.png"), ("+", "/new.txt"), ("~", "/p1"), ("~", "/p1.html")])
        self.assertIn("1 added (4 bytes), 2 changed", rows[-1])
        parsed = json.loads(cairn.run("cairn-pack", "diff", "--json", first, second).out)
        self.assertEqual({row["path"]: row["change"] for row in parsed["paths"]},
                         {"/image.png": "removed", "/new.txt": "added", "/p1": "changed",
                          "/p1.html": "changed"})
        self.assertEqual(parsed["removed"], {"paths": 1, "bytes": 3000})
        same = cairn.run("cairn-pack", "diff", second, second).out.splitlines()
        self.assertEqual(len(same), 1)


class TestRebuild(Tools):
    def setUp(self):
        super().setUp()
        self.add(files=SITE)
        self.add("--urls", "slash", "--spa", files={**SITE, "p1.html": page("two")})
        self.third = {**SITE, "p3.html": page("three"), "_headers": "/*\n  X: y\n"}
        self.add("--overlay", files=self.third)

    def rebuild(self, expect=0):
        return cairn.run("cairn-pack", "rebuild", self.archive, expect=expect)

    def test_lost_indexes_come_back_to_the_byte(self):
        before = {number: self.index(number).read_bytes() for number in (1, 2, 3)}
        for number in before:
            self.index(number).unlink()
        (self.folder / "site.idx").unlink()
        (self.folder / "site.cache").unlink()
        done = self.rebuild()
        self.assertEqual(done.out, f"load index {self.index(3).resolve()}\n")
        for number, content in before.items():
            self.assertEqual(self.index(number).read_bytes(), content)
        self.assertEqual(os.readlink(self.folder / "site.idx"), "site.000003.idx")

    def test_a_damaged_index_is_replaced(self):
        good = self.index(2).read_bytes()
        self.index(2).write_bytes(good[:300] + bytes([good[300] ^ 1]) + good[301:])
        self.rebuild()
        self.assertEqual(self.index(2).read_bytes(), good)

    def test_nothing_lost_nothing_done(self):
        before = self.archive.read_bytes()
        self.assertEqual(self.rebuild().err, "")
        self.assertEqual(self.archive.read_bytes(), before)

    def damage(self, text):
        content = self.archive.read_bytes()
        at = content.index(text)
        with open(self.archive, "r+b") as file:
            file.seek(at)
            file.write(bytes([content[at] ^ 1]))

    def test_what_survives_damage_is_a_release(self):
        for name, mark in (("bytes", b"page 7 of"), ("a header", b"p8.html\0")):
            with self.subTest(name):
                self.damage(mark)
                for path in self.folder.glob("*.idx"):
                    path.unlink()
                done = self.rebuild()
                self.assertIn("survived", done.err)
                cairn.verify(self.archive)
                with Server(self.folder / "site.idx") as server:
                    self.assertIn(b"page 5 of", server.get("/p5.html").body)
                    self.assertEqual(server.get("/p7.html").status, 404)
        cairn.pack(self.tree, self.archive)  # and what was lost can be added again
        cairn.verify(self.archive)
        with Server(self.folder / "site.idx") as server:
            self.assertEqual(server.get("/p7.html").status, 200)
            self.assertEqual(server.get("/p8.html").status, 200)

    def test_damage_behind_a_good_index(self):
        self.damage(b"page 9 of")
        done = self.rebuild()
        self.assertIn("lost: p9.html", done.err)
        self.assertEqual(done.out, f"load index {self.index(4).resolve()}\n")
        cairn.verify(self.archive)

    def test_no_archive(self):
        for name in ("nothing.cairn", "tree"):
            done = cairn.run("cairn-pack", "rebuild", self.folder / name, expect=1)
            self.assertIn(name, done.err)
        self.assertFalse((self.folder / "nothing.cairn").exists())


class TestVerify(Tools):
    def test_every_byte_of_a_record_counts(self):
        self.add(files={"a.html": page(1), "b.txt": "b\n"})
        content = self.archive.read_bytes()
        index = self.index(1)
        missed = []
        step = 61  # all residues, all parts of records
        for at in range(64, len(content), step):
            damaged = bytearray(content)
            damaged[at] ^= 0x20
            self.archive.write_bytes(damaged)
            whole = cairn.run("cairn-pack", "verify", "--archive", self.archive, expect=None)
            of_release = cairn.run("cairn-pack", "verify", index, expect=None)
            if whole.returncode == 0 and any(content[at:at + 1]):
                missed.append(at)
            self.assertGreaterEqual(whole.returncode, of_release.returncode * 0)
        self.archive.write_bytes(content)
        self.assertIn("releases=1 ", cairn.run("cairn-pack", "verify", "--archive",
                                               self.archive).out)
        # what is not zero is under a checksum
        self.assertEqual(missed, [])


class TestCompact(Tools):
    def test_under_a_server(self):
        for number in range(5):
            self.add(files={**SITE, "p1.html": page(f"release {number}"),
                            f"only{number}.html": page(number)})
        before = self.archive.read_bytes()
        new = self.folder / "new.cairn"
        with Server(self.index(5)) as server:
            wanted = server.get("/p1.html", fields="Accept-Encoding: br\r\n")
            done = cairn.run("cairn-pack", "compact", "--keep", "2", self.archive, new)
            self.assertEqual(done.out, f"load index {self.index(5, 'new').resolve()}\n")
            self.assertEqual(self.archive.read_bytes(), before)
            self.assertEqual(server.get("/only4").status, 200)
            server.load(self.index(5, "new"))
            got = server.get("/p1.html", fields="Accept-Encoding: br\r\n")
            self.assertEqual(got.without_date(), wanted.without_date())
            self.assertEqual(got["Content-Encoding"], "br")
        self.assertEqual(sorted(path.name for path in self.folder.glob("new*")),
                         ["new.000004.idx", "new.000005.idx", "new.cairn", "new.idx"])
        for number in (4, 5):
            cairn.verify(self.index(number, "new"))
        cairn.run("cairn-pack", "verify", "--archive", new)
        self.assertLess(new.stat().st_size, len(before))
        self.assertNotIn(b"only1.html", new.read_bytes())
        self.expect_extract(self.index(4, "new"), {**SITE, "p1.html": page("release 3"),
                                                   "only3.html": page(3)})
        done = cairn.run("cairn-pack", "compact", "--keep", "1", self.archive, new, expect=1)
        self.assertIn("there already", done.err)
        cairn.pack(self.tree, new)  # it goes on from there
        cairn.verify(new)

    def test_overlays_below_which_nothing_is_kept(self):
        self.add(files=SITE)
        self.add("--overlay", files={**SITE, "p1.html": page("two")})
        new = self.folder / "new.cairn"
        cairn.run("cairn-pack", "compact", "--keep", "1", self.archive, new)
        self.assertIn("/p5.html", self.paths(new))  # it is whole now


class TestSidecars(Tools):
    SCRIPT = b"export const answer = 42;\n" * 50

    def test_used_as_given(self):
        given = gzip.compress(self.SCRIPT, 1)
        self.add("--sidecars", files={"app.js": self.SCRIPT, "app.js.gz": given,
                                      "alone.txt.gz": gzip.compress(b"alone\n")})
        self.assertNotIn("/app.js.gz", self.paths(self.index(1)))
        with Server(self.index(1)) as server:
            answer = server.get("/app.js", fields="Accept-Encoding: gzip\r\n")
            self.assertEqual((answer["Content-Encoding"], answer.body), ("gzip", given))
            self.assertEqual(server.get("/app.js").body, self.SCRIPT)
            self.assertEqual(server.get("/app.js.gz").status, 404)
            alone = server.get("/alone.txt.gz")
            self.assertEqual((alone["Content-Type"], alone["Content-Encoding"]),
                             ("application/gzip", None))

    def test_a_stale_one_is_an_error(self):
        self.write({"app.js": self.SCRIPT, "app.js.gz": gzip.compress(self.SCRIPT + b"// old\n")})
        done = cairn.run("cairn-pack", "add", "--sidecars", self.tree, self.archive, expect=1)
        self.assertIn("app.js.gz", done.err)
        self.assertFalse(self.archive.exists())
        self.add()  # without the option they are files like others
        self.assertIn("/app.js.gz", self.paths(self.index(1)))


class TestIncremental(Tools):
    def settle(self):
        """Waits until no file looks as if it might still be written within its clock's step."""
        def latest():
            return max(path.stat().st_ctime for path in self.tree.rglob("*"))
        cairn.wait_until(lambda: time.time() > latest() + 4, "the files have settled")

    def read_count(self, *options):
        done = cairn.run("cairn-pack", "add", "--json", *options, self.tree, self.archive)
        return json.loads(done.out)["read"]

    def test_reads_only_what_has_changed(self):
        self.write(SITE)
        self.settle()
        self.add()
        trace = self.folder / "trace"
        cairn.run("cairn-pack", "add", self.tree, self.archive, bin_folder=cairn.plain_bin(),
                  wrapper=[cairn.strace(), "-f", "-o", trace, "-e", "trace=openat,open"])
        opened = [line for line in trace.read_text().splitlines()
                  if str(self.tree.resolve()) in line and "O_DIRECTORY" not in line
                  and "ENOENT" not in line]
        self.assertEqual(opened, [])
        size = self.archive.stat().st_size
        self.assertEqual(self.read_count(), 0)
        self.assertEqual(self.archive.stat().st_size, size + 128)
        # the same length and time: only the inode's own time tells
        (self.tree / "p1.html").write_text(page("1").replace("page", "PAGE"))
        os.utime(self.tree / "p1.html", (LONG_AGO_S, LONG_AGO_S))
        self.assertEqual(self.read_count(), 1)
        with Server(self.folder / "site.idx") as server:
            self.assertIn(b"PAGE 1", server.get("/p1.html").body)
        self.assertEqual(self.read_count("--checksum"), len(SITE))
        (self.folder / "site.cache").unlink()
        self.assertEqual(self.read_count(), len(SITE))

    def test_a_cache_that_does_not_fit_changes_nothing(self):
        cache = self.folder / "site.cache"
        self.add(files=SITE, env=FIXED)
        good, archive = cache.read_bytes(), self.archive.read_bytes()
        results = set()
        other = self.folder / "other.cairn"
        cairn.pack(self.tree, other)
        foreign = (self.folder / "other.cache").read_bytes()
        for content in (good, good[:-1], good[:100], b"", b"noise" * 100, foreign,
                        good[:-20] + bytes([good[-20] ^ 1]) + good[-19:], None):
            self.archive.write_bytes(archive)
            self.index(2).unlink(missing_ok=True)
            cache.unlink()
            if content is not None:
                cache.write_bytes(content)
            self.add(env=FIXED)
            results.add((self.index(2).read_bytes(), self.archive.read_bytes()))
        self.assertEqual(len(results), 1)

    def test_the_same_bytes_on_any_number_of_threads(self):
        self.write({**SITE, **{f"more/{number}.txt": page(number) for number in range(300)}})
        results = set()
        for jobs in ("1", "2", "5"):
            folder = self.folder / jobs
            folder.mkdir()
            index = cairn.pack(self.tree, folder / "site.cairn", "--jobs", jobs, env=FIXED)
            results.add((index.read_bytes(), (folder / "site.cairn").read_bytes()))
        self.assertEqual(len(results), 1)

    def test_efforts(self):
        noise = cairn.noise(5000, 2)
        self.add("--effort", "none", files={**SITE, "data.bin": noise})
        self.assertEqual({len(row["representations"]) for row in self.paths(self.index(1)).values()
                          if "representations" in row}, {1})
        self.add("--effort", "fast")
        self.assertEqual(len(self.paths(self.index(2))["/p1.html"]["representations"]), 4)
        size = self.archive.stat().st_size
        self.add("--effort", "fast")  # not even what was not worth it is tried again
        self.assertEqual(self.archive.stat().st_size, size + 128)
        self.add("--effort", "default")
        self.assertGreater(self.archive.stat().st_size, size + 1000)
        size = self.archive.stat().st_size
        self.add("--effort", "fast")
        self.assertLess(self.archive.stat().st_size, size + 1000)


class TestOutput(Tools):
    def test_summary_json_and_quiet(self):
        self.write(SITE)
        done = cairn.run("cairn-pack", "add", self.tree, self.archive)
        self.assertRegex(done.err, r"^cairn-pack: \d+ paths, \d+ new, [\d.]+ [kMG]?B appended, "
                                   r"br saves \d+%, release 1, [\d.]+ s\n$")
        done = cairn.run("cairn-pack", "add", "--json", "--quiet", self.tree, self.archive)
        result = json.loads(done.out)
        self.assertEqual((result["release"], result["files"], result["new"]), (2, len(SITE), 0))
        self.assertEqual(result["command"], f"load index {self.index(2).resolve()}")
        self.assertEqual(done.err, "")

    def test_check_packs_nothing(self):
        self.write({**SITE, "_redirects": "/old /p1 301\n/bad line here\n/p2.html /p1\n"})
        for command in (["check", self.tree], ["add", "--dry-run", self.tree, self.archive]):
            done = cairn.run("cairn-pack", *command)
            self.assertIn("301  /old -> /p1  (_redirects:1)\n", done.out)
            self.assertIn("200  /p1 = p1.html  [no-cache]\n", done.out)
            self.assertRegex(done.out, r"warning  _redirects:2: /bad: ")
            self.assertRegex(done.out, r"note  _redirects:3: /p2.html: a file of the site")
            parsed = json.loads(cairn.run("cairn-pack", *command, "--json").out)
            self.assertIn({"path": "/old", "status": 301, "target": "/p1", "line": 1},
                          parsed["routes"])
            self.assertIn(("warning", 2), {(note["severity"], note["line"])
                                           for note in parsed["notes"]})
            done = cairn.run("cairn-pack", *command, "--strict", expect=1)
            self.assertIn("_redirects:2:", done.err)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["tree"])

    def test_progress_on_a_terminal_only(self):
        self.write({f"{number}.html": page(number) * 200 for number in range(40)})
        shown = {}
        for name, env in (("colours", {"TERM": "xterm"}), ("plain", {"TERM": "xterm",
                          "NO_COLOR": "1"}), ("dumb", {"TERM": "dumb"})):
            try:
                main, terminal = pty.openpty()
            except OSError as problem:
                self.skipTest(f"there are no pseudo-terminals here: {problem}")
            process = subprocess.Popen(
                [cairn.BIN / "cairn-pack", "add", "--effort", "max", "-j", "1", self.tree,
                 self.folder / f"{name}.cairn"], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=terminal,
                env={**{key: value for key, value in os.environ.items() if key != "NO_COLOR"},
                     **env})
            os.close(terminal)
            text = b""
            while True:
                try:
                    piece = os.read(main, 65536)
                except OSError:
                    break
                if not piece:
                    break
                text += piece
            process.stdout.close()
            self.assertEqual(process.wait(), 0)
            os.close(main)
            shown[name] = text.decode()
        self.assertIn("Compressing", shown["colours"])
        self.assertIn("\x1b[2m", shown["colours"])
        self.assertNotIn("\x1b[2m", shown["plain"])
        self.assertNotIn("\x1b", shown["dumb"])
        for text in shown.values():
            last = re.sub(r"\x1b\[[0-9]*[A-Za-z]", "", text).replace("\r\n", "\n").split("\r")[-1]
            self.assertRegex(last, r"^(Compressing.*)?cairn-pack: \d+ paths, .* s\n$")


class TestFullDisk(Tools):
    def test_a_small_file_system(self):
        """It fills up while contents, forms or the index are written: what was there stays whole."""
        mount = self.folder / "small"
        mount.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount],
                              capture_output=True)
        if done.returncode != 0:
            self.skipTest("no tmpfs may be mounted here")
        self.addCleanup(subprocess.run, ["umount", mount], check=True)
        archive = mount / "site.cairn"
        self.write({"index.html": page("start")})
        first = cairn.pack(self.tree, archive)
        failed = 0
        for kib in range(200, 2000, 100):
            self.write({"index.html": page("start"),
                        **{f"{number}.txt": cairn.noise(2048, kib + number).hex()
                           for number in range(kib // 8)}})
            done = cairn.run("cairn-pack", "add", "--effort", "fast", self.tree, archive,
                             expect=None)
            cairn.verify(first)
            if done.returncode == 0:
                cairn.verify(mount / "site.idx")
                for path in mount.glob("site.0*.idx"):
                    if path != first and path.name != os.readlink(mount / "site.idx"):
                        path.unlink()
                continue
            failed += 1
            self.assertEqual(done.out, "")
            self.assertRegex(done.err, rf"{re.escape(str(mount.resolve()))}/site\S*: "
                                       r"No space left on device")
            cairn.run("cairn-pack", "verify", "--archive", archive)
            cairn.verify(mount / "site.idx")
        self.assertGreater(failed, 0)


if __name__ == "__main__":
    unittest.main()

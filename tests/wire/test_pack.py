"""cairn-pack with real files: determinism, round trips, and every way in which a pack can fail.
Whatever fails, the release before it stays whole and the next pack works."""
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, TemporaryFolder

MODIFIED_S = 1_500_000_000
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}
SITE = {
    "index.html": "<title>start</title>\n",
    "404.html": "nothing\n",
    "empty": "",
    "large.bin": cairn.noise(9_000_000, "large"),
    "same-1.txt": "the same content\n",
    "same-2.txt": "the same content\n",
    "guide/index.html": "<p>guide\n",
    "guide/deep/er/page.html": "<p>deeper\n",
    "crème brûlée.txt": "dessert\n",
    "100% #1?.txt": "odd\n",
}
SITE = {name: text.encode() if isinstance(text, str) else text for name, text in SITE.items()}


class Pack(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.tree = self.folder / "tree"
        self.archive = self.folder / "site.cairn"
        self.link = self.folder / "site.idx"

    def write(self, files):
        cairn.write_tree(self.tree, files, MODIFIED_S)

    def expect_extract(self, path, files, **keywords):
        out = self.folder / "extracted"
        shutil.rmtree(out, ignore_errors=True)
        cairn.run("cairn-pack", "extract", path, out, **keywords)
        self.assertEqual(cairn.read_tree(out), files)

    def published(self):
        """All that says what is published: the link, and every index that is there."""
        target = os.readlink(self.link) if self.link.is_symlink() else None
        return target, (self.link.read_bytes() if target else None)

    def expect_failure(self, *says, options=(), wrapper=(), env=None, tree=None, archive=None):
        """Exit 1, each of `says` on standard error, and nothing published."""
        before = self.published()
        indexes = sorted(self.folder.glob("site.*.idx"))
        done = cairn.run("cairn-pack", "add", *options, tree or self.tree, archive or self.archive,
                         expect=1, wrapper=wrapper, env=env)
        self.assertEqual(done.out, "")
        for text in says:
            self.assertIn(os.fspath(text), done.err)
        self.assertTrue(done.err.strip().splitlines()[-1].startswith("cairn-pack add: "), done.err)
        self.assertEqual(self.published(), before)
        self.assertEqual(sorted(self.folder.glob("site.*.idx")), indexes)
        if before[0] is not None:
            cairn.verify(self.link)
        return done.err


class TestDeterminism(Pack):
    def test_same_tree_same_bytes(self):
        self.write(SITE)
        results = []
        for name in ("one", "two"):
            folder = self.folder / name
            folder.mkdir()
            archive = folder / "site.cairn"
            first = cairn.pack(self.tree, archive, env=EPOCH)
            shutil.copytree(self.tree, self.folder / "copy")
            (self.folder / "copy" / "new.html").write_bytes(b"new\n")
            os.utime(self.folder / "copy" / "new.html", (MODIFIED_S, MODIFIED_S))
            (self.folder / "copy" / "empty").unlink()
            second = cairn.pack(self.folder / "copy", archive, env=EPOCH)
            shutil.rmtree(self.folder / "copy")
            results.append((archive.read_bytes(), first.read_bytes(), second.read_bytes()))
        for one, two in zip(*results):
            self.assertTrue(one == two)

    def test_another_order_of_creation(self):
        results = []
        for name, order in (("one", sorted(SITE)), ("two", sorted(SITE, reverse=True))):
            cairn.write_tree(self.tree, {key: SITE[key] for key in order}, MODIFIED_S)
            archive = self.folder / name / "site.cairn"
            archive.parent.mkdir()
            index = cairn.pack(self.tree, archive, env=EPOCH)
            results.append((archive.read_bytes(), index.read_bytes()))
        self.assertTrue(results[0] == results[1])

    def test_both_builds_agree(self):
        plain = cairn.plain_bin()
        self.write(SITE)
        results = []
        for name, folder in (("one", cairn.BIN), ("two", plain)):
            archive = self.folder / name / "site.cairn"
            archive.parent.mkdir()
            index = cairn.pack(self.tree, archive, env=EPOCH, bin_folder=folder)
            results.append((archive.read_bytes(), index.read_bytes()))
        self.assertTrue(results[0] == results[1])

    def test_bad_source_date_epoch(self):
        self.write(SITE)
        for value in ("soon", "-1", "1x", "99999999999999999999"):
            done = cairn.run("cairn-pack", "add", self.tree, self.archive, expect=2,
                             env={"SOURCE_DATE_EPOCH": value})
            self.assertIn("SOURCE_DATE_EPOCH", done.err)
            self.assertFalse(self.archive.exists())


class TestReleases(Pack):
    def test_the_same_tree_again_stores_nothing_new(self):
        self.write(SITE)
        cairn.pack(self.tree, self.archive)
        before = self.archive.stat().st_size
        self.assertLess(before, sum(map(len, SITE.values())) + 10_000)
        done = cairn.run("cairn-pack", "add", self.tree, self.archive)
        self.assertIn(" paths, 0 new, 128 B appended, ", done.err)
        self.assertLessEqual(self.archive.stat().st_size - before, 256)  # a commit record
        self.expect_extract(self.folder / "site.000002.idx", SITE)

    def test_moved_and_changed_files(self):
        self.write(SITE)
        cairn.pack(self.tree, self.archive)
        before = self.archive.stat().st_size
        second = {**SITE, "moved/large.bin": SITE["large.bin"], "index.html": b"changed\n"}
        del second["large.bin"]
        del second["empty"]
        self.write(second)
        cairn.pack(self.tree, self.archive)
        self.assertLess(self.archive.stat().st_size - before, 10_000)
        self.expect_extract(self.folder / "site.000001.idx", SITE)
        self.expect_extract(self.folder / "site.000002.idx", second)
        self.expect_extract(self.archive, second)
        self.expect_extract(self.link, second)

    def test_the_names_that_it_makes(self):
        self.write(SITE)
        for number in (1, 2, 3):
            index = cairn.pack(self.tree, self.archive)
            self.assertEqual(index, self.folder.resolve() / f"site.{number:06}.idx")
            self.assertEqual(os.readlink(self.link), index.name)
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["site.000001.idx", "site.000002.idx", "site.000003.idx",
                          "site.cache", "site.cairn", "site.idx", "tree"])

    def test_bytes_that_are_there_never_change(self):
        self.write(SITE)
        cairn.pack(self.tree, self.archive)
        start = self.archive.read_bytes()
        index = (self.folder / "site.000001.idx").read_bytes()
        for number in range(3):
            self.write({**SITE, f"{number}.txt": f"{number}\n"})
            cairn.pack(self.tree, self.archive)
            now = self.archive.read_bytes()
            self.assertTrue(now.startswith(start))
            start = now
        self.assertEqual((self.folder / "site.000001.idx").read_bytes(), index)

    def test_list_verify_and_extract_with_times(self):
        self.write(SITE)
        index = cairn.pack(self.tree, self.archive)
        rows = cairn.run("cairn-pack", "list", index).out.splitlines()[1:-1]
        files = [row for row in rows if row.startswith("file ")]
        self.assertEqual({row.split(maxsplit=3)[3].split("  ")[-1].strip().split("utf-8 ")[-1]
                          .rsplit("octet-stream ", 1)[-1].strip() for row in files},
                         {"/" + name for name in SITE})
        for row in files:
            self.assertEqual(row.split()[1], "200")
            self.assertIn(int(row.split()[2]), {len(content) for content in SITE.values()})
        out = cairn.verify(index)
        self.assertTrue(out.startswith(f"ok release=1 paths={len(rows)} bytes="), out)
        self.expect_extract(index, SITE)
        for path in (self.folder / "extracted").rglob("*"):
            if path.is_file():
                self.assertEqual(int(path.stat().st_mtime), MODIFIED_S)

    def test_extract_only_into_an_empty_folder(self):
        self.write(SITE)
        index = cairn.pack(self.tree, self.archive)
        out = self.folder / "out"
        out.mkdir()
        (out / "precious").write_text("mine")
        done = cairn.run("cairn-pack", "extract", index, out, expect=1)
        self.assertIn(str(out), done.err)
        self.assertEqual(os.listdir(out), ["precious"])

    def test_verify_finds_damage(self):
        """One changed bit in any content, in the commit record or in the index."""
        self.write({**SITE, "large.bin": b"large no more\n" * 100})
        index = cairn.pack(self.tree, self.archive)
        whole = self.archive.read_bytes()
        for content in (b"<p>guide\n", b"the same content\n", b"large no more\n", b"dessert\n"):
            at = whole.index(content)
            self.archive.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
            done = cairn.run("cairn-pack", "verify", index, expect=1)
            self.assertIn("damaged", done.err)
        self.archive.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        cairn.run("cairn-pack", "verify", index, expect=1)
        self.archive.write_bytes(whole[:-64])
        cairn.run("cairn-pack", "verify", index, expect=1)
        self.archive.write_bytes(whole)
        cairn.verify(index)

    def test_empty_site(self):
        self.tree.mkdir()
        self.expect_failure("--allow-empty")
        self.assertFalse(self.archive.exists())
        index = cairn.pack(self.tree, self.archive, "--allow-empty")
        cairn.verify(index)
        self.expect_extract(index, {})
        with Server(index) as server:
            self.assertEqual(server.get("/").status, 404)


class TestLinks(Pack):
    def test_inside_outside_dangling_and_round(self):
        self.write({"index.html": "start\n", "folder/page.html": "page\n"})
        outside = self.folder / "secret.txt"
        outside.write_text("secret")
        links = {"inside.html": "index.html", "folder/up.html": "../index.html",
                 "other": "folder", "outside.txt": str(outside), "dangling": "nowhere",
                 "loop": "loop", "folder/back": "..", "outside-folder": str(self.folder),
                 "sibling": "../tree-of-another/x", "to-link.html": "inside.html"}
        (self.folder / "tree-of-another").mkdir()
        (self.folder / "tree-of-another" / "x").write_text("secret")
        for name, target in links.items():
            os.symlink(target, self.tree / name)
        done = cairn.run("cairn-pack", "add", self.tree, self.archive)
        for name in ("outside.txt", "dangling", "loop", "folder/back", "outside-folder", "sibling"):
            self.assertIn(f"left out: {name}: ", done.err)
        self.assertEqual(done.err.count("left out: "), 7)  # other/back as well
        self.expect_extract(self.link, {
            "index.html": b"start\n", "inside.html": b"start\n", "to-link.html": b"start\n",
            "folder/up.html": b"start\n", "folder/page.html": b"page\n",
            "other/up.html": b"start\n", "other/page.html": b"page\n"})
        with Server(self.link) as server:
            self.assertEqual(server.get("/other/page.html").body, b"page\n")
            for name in ("outside.txt", "dangling", "sibling", "folder/back/index.html"):
                self.assertEqual(server.get("/" + name).status, 404)

    def test_the_site_may_be_a_link(self):
        self.write({"index.html": "start\n"})
        os.symlink("tree", self.folder / "by-link")
        cairn.pack(self.folder / "by-link", self.archive)
        self.expect_extract(self.link, {"index.html": b"start\n"})

    def test_version_control_is_left_out(self):
        self.write({"index.html": "start\n", ".git/config": "x", "sub/.svn/entries": "x",
                    ".gitignore": "not served either\n", ".well-known/x": "served\n"})
        cairn.pack(self.tree, self.archive)
        self.expect_extract(self.link, {"index.html": b"start\n", ".well-known/x": b"served\n"})


class TestRefusedTrees(Pack):
    """A tree with something in it that cannot be served: named, and nothing is published."""

    def setUp(self):
        super().setUp()
        self.write({"index.html": "first\n"})
        cairn.pack(self.tree, self.archive)
        self.write({"index.html": "second\n", "folder/page.html": "page\n"})

    def tearDown(self):
        cairn.write_tree(self.tree, {"index.html": "third\n"})
        cairn.pack(self.tree, self.archive)
        self.expect_extract(self.link, {"index.html": b"third\n"})

    def test_a_fifo(self):
        os.mkfifo(self.tree / "folder" / "pipe")
        self.expect_failure(self.tree.resolve() / "folder" / "pipe")

    def test_a_socket(self):
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(str(self.tree / "sock"))
            self.expect_failure(self.tree.resolve() / "sock")

    def test_a_device(self):
        try:
            os.mknod(self.tree / "null", 0o600 | 0o020000, os.makedev(1, 3))
        except PermissionError:
            self.skipTest("devices may not be made here")
        self.expect_failure(self.tree.resolve() / "null")

    def test_names_that_are_not_utf_8(self):
        for name in (b"caf\xe9.html", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"a\x80"):
            with self.subTest(name):
                path = os.fsencode(self.tree) + b"/folder/" + name
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                self.expect_failure(self.tree.resolve() / "folder", "not UTF-8")
                os.unlink(path)

    def test_names_with_control_characters(self):
        for name in ("new\nline", "re\rturn", "tab\there", "esc\x1b[2J", "del\x7f"):
            with self.subTest(repr(name)):
                path = self.tree / name
                path.write_text("x")
                text = self.expect_failure("control character", name[:2])
                self.assertEqual(len(text.splitlines()), 1, text)
                self.assertNotIn("\x1b", text)
                path.unlink()

    def test_a_folder_with_such_a_name(self):
        (self.tree / "bad\nfolder").mkdir()
        (self.tree / "bad\nfolder" / "page").write_text("x")
        self.expect_failure("bad?folder")

    def test_an_unreadable_file(self):
        wrapper = ()
        if os.getuid() == 0:
            if shutil.which("setpriv") is None:
                self.skipTest("root reads everything, and setpriv is not installed")
            wrapper = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
            self.folder.chmod(0o755)
            for path in [self.folder, self.archive, *self.folder.glob("*.idx")]:
                os.chown(path, 65534, 65534, follow_symlinks=False)
            probe = subprocess.run([*wrapper, cairn.BIN / "cairn-pack", "--version"],
                                   capture_output=True)
            if probe.returncode != 0:
                self.skipTest(f"setpriv does not work here: {probe.stderr.decode().strip()}")
        secret = self.tree / "folder" / "secret.html"
        secret.write_text("secret")
        secret.chmod(0)
        self.expect_failure(secret.resolve(), "Permission denied", wrapper=wrapper)
        secret.unlink()
        (self.tree / "folder").chmod(0)
        self.expect_failure(self.tree.resolve() / "folder", "Permission denied", wrapper=wrapper)
        (self.tree / "folder").chmod(0o755)
        cairn.run("cairn-pack", "add", self.tree, self.archive, wrapper=wrapper)

    def while_it_changes(self, change, size):
        large = self.tree / "large.bin"
        large.write_bytes(cairn.noise(size, "changing"))
        stop = threading.Event()

        def work():
            with open(large, "r+b", buffering=0) as file:
                while not stop.is_set():
                    change(file)
        thread = threading.Thread(target=work)
        thread.start()
        failures = 0
        try:
            # now and then the writer may not run during a whole pack, and that one is right
            for _ in range(60):
                before = self.published()
                done = cairn.run("cairn-pack", "add", self.tree, self.archive, expect=None)
                if done.returncode == 1:
                    failures += 1
                    self.assertIn(f"{large.resolve()}: it changed", done.err)
                    self.assertEqual(done.out, "")
                    self.assertEqual(self.published(), before)
                else:
                    self.assertEqual(done.returncode, 0, done.err)
                cairn.verify(self.link)
                if failures == 3:
                    break
        finally:
            stop.set()
            thread.join()
            large.unlink()
        self.assertEqual(failures, 3, "the pack did not notice")

    def test_a_file_that_grows_meanwhile(self):
        size = 20_000_000

        def append(file):
            if file.seek(0, os.SEEK_END) < 5 * size:
                file.write(b"x" * 100)
            else:
                file.truncate(size)  # and grows again
        self.while_it_changes(append, size)

    def test_a_file_that_is_rewritten_meanwhile(self):
        def rewrite(file):
            file.seek(random.randrange(40_000_000))
            file.write(b"y")
        self.while_it_changes(rewrite, 40_000_000)

    def test_a_file_that_shrinks_meanwhile(self):
        def shrink(file):
            file.truncate(30_000_000)
            file.truncate(1_000_000)
        self.while_it_changes(shrink, 30_000_000)


class TestRefusedPlaces(Pack):
    def test_no_site(self):
        self.expect_failure(self.folder / "absent", tree=self.folder / "absent")
        (self.folder / "file").write_text("x")
        self.expect_failure(self.folder / "file", tree=self.folder / "file")
        self.assertFalse(self.archive.exists())

    def test_no_place_for_the_archive(self):
        self.write(SITE)
        self.expect_failure("absent", archive=self.folder / "absent" / "site.cairn")
        (self.folder / "folder.cairn").mkdir()
        self.expect_failure("folder.cairn", archive=self.folder / "folder.cairn")

    def test_an_archive_that_is_none(self):
        self.write(SITE)
        for content in (b"precious text\n" * 100, b"short", b"\x89PNG\r\n\x1a\n" + b"x" * 100):
            self.archive.write_bytes(content)
            self.expect_failure(self.archive.resolve())
            self.assertEqual(self.archive.read_bytes(), content)

    def test_usage_errors_are_2(self):
        self.write(SITE)
        for arguments in ((), ("frobnicate",), ("add",), ("add", self.tree),
                          ("add", self.tree, self.archive, "more"),
                          ("add", "--nonsense", self.tree, self.archive), ("list",), ("verify",),
                          ("verify", "a", "b"), ("extract", "a"), ("--nonsense",),
                          ("add", self.tree, self.tree / "site.cairn"),
                          ("add", self.tree, self.tree / "guide" / "site.cairn")):
            with self.subTest(arguments):
                done = cairn.run("cairn-pack", *arguments, expect=2)
                self.assertEqual(done.out, "")
                self.assertTrue(done.err.startswith("cairn-pack"), done.err)
                self.assertEqual(done.err.count("\n"), 1, done.err)
        self.assertEqual(cairn.site_files(self.tree).keys(), SITE.keys())

    def test_help_and_version(self):
        self.assertIn("usage:", cairn.run("cairn-pack", "--help").out)
        for command in ("add", "list", "verify", "extract"):
            self.assertIn("usage:", cairn.run("cairn-pack", command, "--help").out)
        self.assertRegex(cairn.run("cairn-pack", "--version").out, r"^cairn-pack \d+\.\d+\.\d+\n")

    def test_standard_output_that_takes_nothing(self):
        self.write(SITE)
        with open("/dev/full", "wb") as full:
            done = cairn.run("cairn-pack", "add", self.tree, self.archive, expect=1, stdout=full)
            self.assertIn("standard output", done.err)
            done = cairn.run("cairn-pack", "verify", self.link, expect=1, stdout=full)
            self.assertIn("standard output", done.err)
        read_end, write_end = os.pipe()
        os.close(read_end)
        done = cairn.run("cairn-pack", "add", self.tree, self.archive, expect=1, stdout=write_end)
        os.close(write_end)
        self.assertIn("standard output", done.err)
        cairn.verify(self.link)

    def test_closed_standard_descriptors(self):
        """The archive must not become standard output or standard error."""
        for closed in ("<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                self.write({**SITE, "closed": closed})
                subprocess.run(["sh", "-c", f'"$0" add "$1" "$2" {closed}',
                                cairn.BIN / "cairn-pack", self.tree, self.archive],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                cairn.pack(self.tree, self.archive)
                cairn.verify(self.link)
                self.expect_extract(self.link, {**SITE, "closed": closed.encode()})
                for index in self.folder.glob("site.0*.idx"):
                    cairn.verify(index)


class TestLock(Pack):
    def setUp(self):
        super().setUp()
        self.write({"index.html": "first\n"})
        cairn.pack(self.tree, self.archive)
        self.holder = open(self.archive, "rb")
        fcntl.flock(self.holder, fcntl.LOCK_EX)
        self.addCleanup(self.holder.close)

    def test_the_second_fails_with_a_clear_line(self):
        text = self.expect_failure(self.archive.resolve(), "another cairn-pack", "--wait")
        self.assertEqual(len(text.splitlines()), 1)
        self.holder.close()
        cairn.pack(self.tree, self.archive)

    def test_or_waits(self):
        with subprocess.Popen([cairn.BIN / "cairn-pack", "add", "--wait", self.tree, self.archive],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
            def is_waiting():
                return any("->" in line and f" {waiting.pid} " in line
                           for line in Path("/proc/locks").read_text().splitlines())
            cairn.wait_until(lambda: is_waiting() or waiting.poll() is not None, "it waits")
            self.assertIsNone(waiting.poll())
            self.holder.close()
            out, errors = waiting.communicate(timeout=cairn.PATIENCE_S)
            self.assertEqual(waiting.returncode, 0, errors)
            self.assertTrue(out.startswith(b"load index /"))
            cairn.check_no_report(errors, "cairn-pack")
        cairn.verify(self.link)

    def test_six_at_once_with_wait(self):
        self.holder.close()
        packers = [subprocess.Popen([cairn.BIN / "cairn-pack", "add", "--wait", "--quiet",
                                     self.tree, self.archive], stdout=subprocess.PIPE)
                   for _ in range(6)]
        lines = {packer.communicate(timeout=cairn.PATIENCE_S)[0] for packer in packers}
        self.assertEqual([packer.returncode for packer in packers], [0] * 6)
        self.assertEqual(len(lines), 6)
        for number in range(1, 8):
            cairn.verify(self.folder / f"site.{number:06}.idx")
        self.assertEqual(os.readlink(self.link), "site.000007.idx")

    def test_readers_do_not_need_it(self):
        cairn.verify(self.link)
        with Server(self.link) as server:
            self.assertEqual(server.get("/").body, b"first\n")


class Breakdown(Pack):
    """The plain programs with libkill_at.so before the C library."""

    def setUp(self):
        super().setUp()
        self.plain = cairn.plain_bin()
        self.shim = cairn.shim("kill_at")
        self.call_log = self.folder / "call"

    def files(self, number):
        """A tree whose contents are new for each number; more than one buffer of the packer."""
        return {"index.html": f"release {number}\n".encode(), "empty": b"",
                "kept.bin": SITE["large.bin"][:300_000],
                "large.bin": cairn.noise(1_300_000, number),
                **{f"sub/{i}.txt": f"{number} {i}\n".encode() for i in range(5)}}

    def add(self, number, at=None, mode="kill", expect=0, archive=None):
        self.write(self.files(number))
        environment = {}
        if at is not None:
            environment = {"LD_PRELOAD": str(self.shim), "CAIRN_KILL_AT": str(at),
                           "CAIRN_KILL_MODE": mode, "CAIRN_KILL_LOG": str(self.call_log)}
            self.call_log.unlink(missing_ok=True)
        return cairn.run("cairn-pack", "add", self.tree, archive or self.archive, expect=expect,
                         env=environment, bin_folder=self.plain)

    def call(self):
        return self.call_log.read_text() if self.call_log.exists() else None

    def verify_plain(self, path):
        return cairn.verify(path, bin_folder=self.plain)

    def release_in(self, path):
        """What an index really holds, by extracting it: the number of its tree."""
        out = self.folder / "extracted"
        shutil.rmtree(out, ignore_errors=True)
        cairn.run("cairn-pack", "extract", path, out, bin_folder=self.plain)
        tree = cairn.read_tree(out)
        number = int(tree["index.html"].split()[1])
        self.assertTrue(tree == self.files(number))
        return number


class TestKilled(Breakdown):
    def test_before_each_call_of_the_first_add(self):
        calls = []
        for at in range(1, 200):
            shutil.rmtree(self.folder / "new", ignore_errors=True)
            (self.folder / "new").mkdir()
            archive = self.folder / "new" / "site.cairn"
            link = self.folder / "new" / "site.idx"
            done = self.add(at, at, expect=None, archive=archive)
            if done.returncode == 0:
                self.assertIsNone(self.call())
                break
            self.assertEqual(done.returncode, -signal.SIGKILL, done.err)
            calls.append(self.call())
            with self.subTest(at=at, call=calls[-1]):
                self.assertEqual(done.out, "")
                if link.exists():
                    self.assertEqual(self.release_in(link), at)
                    self.verify_plain(link)
                done = self.add(1000 + at, archive=archive)
                self.verify_plain(link)
                self.assertEqual(self.release_in(link), 1000 + at)
                for index in archive.parent.glob("site.0*.idx"):
                    self.verify_plain(index)
        else:
            self.fail("no run survived")
        print(f"\nkilled before each of {len(calls)} calls: {' '.join(calls)}", file=sys.stderr)
        for name in ("open", "pwrite", "write", "fsync", "rename", "symlink"):
            self.assertIn(name, calls)

    def test_before_each_call_of_a_later_add(self):
        """All in one archive, so that torn tails pile up, under a server that goes on."""
        self.add(0)
        with Server(self.link, bin_folder=self.plain) as server:
            good = 0
            client = server.client()
            for at in range(1, 200):
                number = 2 * at
                done = self.add(number, at, expect=None)
                if done.returncode == 0:
                    break
                self.assertEqual(done.returncode, -signal.SIGKILL, done.err)
                with self.subTest(at=at, call=self.call()):
                    self.assertEqual(done.out, "")
                    self.verify_plain(self.link)
                    self.assertIn(self.release_in(self.link), (good, number))
                    self.assertEqual(client.get("/").body, f"release {good}\n".encode())
                    server.load(self.link)
                    self.assertEqual(client.get("/large.bin").body,
                                     cairn.noise(1_300_000, self.release_in(self.link)))
                    good = number + 1
                    done = self.add(good)
                    self.verify_plain(self.link)
                    self.assertEqual(self.release_in(self.link), good)
                    server.load(done.out[len("load index "):].strip())
                    for name, content in self.files(good).items():
                        self.assertEqual(client.get("/" + name).body, content)
            else:
                self.fail("no run survived")
            client.close()
            for index in self.folder.glob("site.0*.idx"):
                self.verify_plain(index)

    def test_at_any_moment(self):
        """Twenty rounds of SIGKILL after a random part of the time that an add takes."""
        random.seed(7)
        self.add(0)
        started = time.monotonic()
        self.add(1)
        whole_s = time.monotonic() - started
        killed = 0
        for turn in range(20):
            before = os.readlink(self.link)
            number = 2 + 2 * turn
            self.write(self.files(number))
            with subprocess.Popen([self.plain / "cairn-pack", "add", self.tree, self.archive],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as packer:
                try:
                    packer.wait(whole_s * random.random())
                except subprocess.TimeoutExpired:
                    packer.kill()
                out, _ = packer.communicate()
            killed += packer.returncode == -signal.SIGKILL
            if packer.returncode == 0:
                whole_s /= 2  # which was measured while the machine was busy
            self.verify_plain(self.link)
            if os.readlink(self.link) == before:
                self.assertEqual(out, b"")
                self.assertEqual(self.release_in(self.link), number - 1)
            else:
                self.assertEqual(self.release_in(self.link), number)
            self.add(number + 1)
            self.verify_plain(self.link)
            self.assertEqual(self.release_in(self.link), number + 1)
        print(f"\n{killed} of 20 adds were killed in time", file=sys.stderr)
        self.assertGreater(killed, 0)


class TestFailingCalls(Breakdown):
    def each_failing_call(self, mode, words):
        self.add(0)
        good = 0
        for at in range(1, 200):
            before = self.published()
            number = 2 * at
            done = self.add(number, at, mode, expect=None)
            if self.call() is None:
                self.assertEqual(done.returncode, 0, done.err)
                break
            with self.subTest(mode=mode, at=at, call=self.call()):
                self.assertIn(words, done.err)
                self.assertIn(str(self.folder.resolve()), done.err)
                if done.returncode == 0:  # only a warning: then it is published, and said to be
                    self.assertTrue(done.out.startswith("load index "))
                    self.assertEqual(self.release_in(self.link), number)
                else:
                    self.assertEqual(done.returncode, 1, done.err)
                    self.assertEqual(done.out, "")
                    self.assertEqual(self.published(), before)
            self.verify_plain(self.link)
            self.assertIn(self.release_in(self.link), (good, number))
            good = number + 1
            self.add(good)
            self.verify_plain(self.link)
            self.assertEqual(self.release_in(self.link), good)
        else:
            self.fail("no run got through")
        self.assertEqual([path.name for path in self.folder.glob("*.tmp")], [])

    def test_no_space(self):
        self.each_failing_call("enospc", "No space left on device")

    def test_no_space_in_the_middle_of_a_write(self):
        self.each_failing_call("short", "No space left on device")

    def test_input_output_error(self):
        self.each_failing_call("eio", "Input/output error")

    def test_first_add_that_fails_leaves_nothing(self):
        for mode in ("enospc", "short", "eio"):
            for at in range(1, 200):
                folder = self.folder / "new"
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                done = self.add(1, at, mode, expect=None, archive=folder / "site.cairn")
                if self.call() is None:
                    self.assertEqual(done.returncode, 0, done.err)
                    break
                with self.subTest(mode=mode, at=at, call=self.call()):
                    self.assertEqual(done.out != "", done.returncode == 0, done.err)
                    self.assertEqual((folder / "site.idx").exists(), done.returncode == 0)
                self.add(2, archive=folder / "site.cairn")
                self.verify_plain(folder / "site.idx")
                self.assertEqual(self.release_in(folder / "site.idx"), 2)


class TestTouched(Breakdown):
    def test_a_file_written_to_before_each_read(self):
        """The one file of the site: wherever the writing falls, the pack sees it."""
        self.write({"large.bin": SITE["large.bin"]})
        cairn.pack(self.tree, self.archive)
        large = self.tree.resolve() / "large.bin"
        for at in range(1, 100):
            self.write({"large.bin": SITE["large.bin"][at:]})
            self.call_log.unlink(missing_ok=True)
            before = self.published()
            done = cairn.run("cairn-pack", "add", self.tree, self.archive, expect=None,
                             bin_folder=self.plain,
                             env={"LD_PRELOAD": str(self.shim), "CAIRN_TOUCH_FILE": str(large),
                                  "CAIRN_TOUCH_AT": str(at), "CAIRN_KILL_LOG": str(self.call_log)})
            if self.call() is None:
                self.assertEqual(done.returncode, 0, done.err)
                break
            with self.subTest(at=at):
                self.assertEqual(done.returncode, 1, done.err)
                self.assertIn(f"{large}: it changed", done.err)
                self.assertEqual(self.published(), before)
                self.verify_plain(self.link)
        self.assertGreater(at, 4)


class TestFullDisk(Pack):
    def test_a_real_one(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "cairn-test", disk],
                                 capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("no file system may be mounted here: " +
                          mounted.stderr.decode().strip())
        try:
            archive = disk / "site.cairn"
            first = {"index.html": b"first\n", "data": cairn.noise(1_000_000, 1)}
            self.write(first)
            cairn.pack(self.tree, archive)
            for number in range(3):
                self.write({"index.html": b"second\n", "data": cairn.noise(3_500_000, number)})
                done = cairn.run("cairn-pack", "add", self.tree, archive, expect=1)
                self.assertEqual(done.out, "")
                self.assertIn(str(archive.resolve()), done.err)
                self.assertIn("No space left on device", done.err)
                cairn.verify(disk / "site.idx")
                self.expect_extract(disk / "site.idx", first)
            with Server(disk / "site.idx") as server:
                self.assertEqual(server.get("/data").body, first["data"])
            subprocess.run(["mount", "-o", "remount,size=32m", disk], check=True)
            self.write({"index.html": b"third\n"})
            cairn.pack(self.tree, archive)
            self.expect_extract(disk / "site.idx", {"index.html": b"third\n"})
            cairn.verify(disk / "site.000001.idx")
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_a_file_size_limit(self):
        self.write({"index.html": b"first\n"})
        cairn.pack(self.tree, self.archive)
        self.write({"index.html": b"second\n", "data": cairn.noise(3_000_000, 2)})
        self.expect_failure(self.archive.resolve(), "File too large",
                            wrapper=("sh", "-c", 'ulimit -f 1000; exec "$0" "$@"'))
        cairn.pack(self.tree, self.archive)
        cairn.verify(self.link)


if __name__ == "__main__":
    unittest.main(verbosity=2)

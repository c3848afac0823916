"""`cairn-pack add --watch`: every change of the tree is served soon, none is lost, and what is served
at the end is the tree to the byte."""
import os
import queue
import resource
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
from cairn import PATIENCE_S, Server, TemporaryFolder, save, wait_until, write_tree

SITE = {"index.html": "<title>one</title>\n", "style.css": "p { color: red }\n",
        "docs/index.html": "<title>docs</title>\n", "docs/a.html": "<title>a</title>\n",
        "404.html": "<title>missing</title>\n"}


class Watch:
    """A `cairn-pack add --watch` whose lines go to a server as they come."""

    def __init__(self, tree, archive, *options, server=None, env=None, bin_folder=None):
        self.server = server
        self.log_path = Path(f"{archive}.log")
        self.lines = queue.Queue()
        self.indexes = []
        self.said = []  # of the build, for browsers
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [(bin_folder or cairn.BIN) / "cairn-pack", "add", "--watch", *options, tree, archive],
                stdout=subprocess.PIPE, stderr=log, env={**os.environ, **(env or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith(b"announce "):
                self.said.append(line.decode().rstrip("\n"))
            else:
                self.lines.put(line.decode())
        self.lines.put(None)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def take(self, patience_s=PATIENCE_S):
        """The next index, loaded by the server, if there is one."""
        try:
            line = self.lines.get(timeout=patience_s)
        except queue.Empty:
            raise AssertionError(f"no release; its log:\n{self.log()}") from None
        if line is None:
            raise AssertionError(f"the watch has ended; its log:\n{self.log()}")
        if not line.startswith("load index /") or not line.endswith(".idx\n"):
            raise AssertionError(line)
        self.indexes.append(Path(line[len("load index "):-1]))
        if self.server is not None:
            self.server.load(self.indexes[-1])
        return self.indexes[-1]

    def take_until(self, condition, what, patience_s=PATIENCE_S):
        """Lets releases go live until the condition holds."""
        def holds():
            while not self.lines.empty():
                self.take()
            return condition()
        try:
            wait_until(holds, what, patience_s)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; log:\n{self.log()}") from None

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()
        cairn.check_no_report(self.log(), "cairn-pack add --watch")
        if code != 0:
            raise AssertionError(f"exit code {code}:\n{self.log()}")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()


def served(server, names):
    """{name: bytes, or the status} over one connection."""
    found = {}
    with server.client() as client:
        for name in names:
            answer = client.get("/" + name)
            found[name] = answer.body if answer.status == 200 else answer.status
    return found


def tree_bytes(tree):
    return {name: path.read_bytes() for name, path in cairn.site_files(tree).items()
            if name not in ("_headers", "_redirects")}


def waits_for_lock(pid):
    return any("->" in line and f" {pid} " in line
               for line in Path("/proc/locks").read_text().splitlines())


class WatchCase(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.tree = write_tree(self.folder / "dist", SITE)
        self.archive = self.folder / "site.cairn"

    def start(self, *options, **keywords):
        server = Server()
        self.addCleanup(lambda: server.kill() if server.process.poll() is None else None)
        watch = Watch(self.tree, self.archive, *options, server=server, **keywords)
        self.addCleanup(lambda: watch.kill() if watch.process.poll() is None else None)
        watch.take()
        return watch, server

    def expect_tree(self, watch, server, gone=(), patience_s=PATIENCE_S):
        """What is served comes to be the tree, and nothing at the names that are gone."""
        def is_served():
            try:
                wanted = {**tree_bytes(self.tree), **{name: 404 for name in gone}}
            except FileNotFoundError:
                return False
            return served(server, wanted) == wanted
        watch.take_until(is_served, "the tree is served", patience_s)

    def finish(self, watch, server):
        """Both end well; the archive is whole, its newest release is the tree, and all indexes can
        be made again to the byte."""
        watch.stop()
        server.stop()
        cairn.run("cairn-pack", "verify", "--archive", self.archive)
        out = self.folder / "out"
        cairn.run("cairn-pack", "extract", self.archive, out)
        self.assertEqual(cairn.read_tree(out),
                         {name: path.read_bytes()
                          for name, path in cairn.site_files(self.tree).items()})
        indexes = sorted(self.folder.glob("site.[0-9]*.idx"))
        before = [path.read_bytes() for path in indexes]
        for path in indexes:
            path.unlink()
        cairn.run("cairn-pack", "rebuild", self.archive)
        self.assertEqual([path.read_bytes() for path in indexes], before)


class TestWatch(WatchCase):
    def test_files_that_change_come_and_go(self):
        watch, server = self.start()
        self.expect_tree(watch, server)
        (self.tree / "style.css").write_text("p { color: green }\n")
        self.expect_tree(watch, server)
        beside = self.tree / ".style.css.new"
        beside.write_text("p { color: blue }\n")
        os.rename(beside, self.tree / "style.css")
        self.expect_tree(watch, server)
        (self.tree / "about.html").write_text("<title>about</title>\n")
        self.expect_tree(watch, server)
        self.assertEqual(server.get("/about").body, b"<title>about</title>\n")
        self.assertEqual(server.get("/about/")["location"], "/about")
        os.rename(self.tree / "about.html", self.tree / "team.html")
        self.expect_tree(watch, server, gone=["about.html", "about", "about/"])
        self.assertEqual(server.get("/team").status, 200)
        (self.tree / "team.html").unlink()
        (self.tree / "docs/index.html").unlink()
        self.expect_tree(watch, server, gone=["team.html", "team", "team/", "docs/", "docs"])
        self.assertIn(b"missing", server.get("/team").body)
        (self.tree / "404.html").unlink()
        self.expect_tree(watch, server, gone=["404.html"])
        self.assertNotIn(b"missing", server.get("/team").body)
        self.finish(watch, server)

    def test_folders_that_come_move_and_go(self):
        watch, server = self.start()
        outside = write_tree(self.folder / "outside", {"x/deep/b.html": "b", "x/c.css": "c"})
        (self.tree / "new/er/est").mkdir(parents=True)
        (self.tree / "new/er/est/page.html").write_text("new")
        self.expect_tree(watch, server)
        (self.tree / "new/er/est/page.html").write_text("newer")
        self.expect_tree(watch, server)
        os.rename(self.tree / "new", self.tree / "old")
        self.expect_tree(watch, server, gone=["new/er/est/page.html", "new/er/est/page"])
        (self.tree / "old/er/est/page.html").write_text("older")
        self.expect_tree(watch, server, gone=["new/er/est/page"])
        os.rename(outside / "x", self.tree / "in")
        self.expect_tree(watch, server)
        (self.tree / "in/deep/b.html").write_text("bb")
        self.expect_tree(watch, server)
        os.rename(self.tree / "in", outside / "y")
        self.expect_tree(watch, server, gone=["in/deep/b.html", "in/deep/b", "in/c.css"])
        (outside / "y/deep/b.html").write_text("nobody looks")
        shutil.rmtree(self.tree / "docs")
        self.expect_tree(watch, server, gone=["docs/", "docs/a", "docs/a.html"])
        os.mkdir(self.tree / "docs")
        (self.tree / "docs/a.html").write_text("again")
        self.expect_tree(watch, server)
        self.assertNotIn(b"nobody looks", self.archive.read_bytes())
        self.finish(watch, server)

    def test_a_build_that_empties_and_fills(self):
        watch, server = self.start()
        for turn in range(3):
            for path in self.tree.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            for number in range(20):
                path = self.tree / f"p{number % 4}/{turn}-{number}.html"
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"{turn} {number}")
            self.expect_tree(watch, server, gone=["style.css", f"p0/{turn - 1}-0.html"])
        self.finish(watch, server)

    def test_a_root_that_is_removed_and_made_anew(self):
        watch, server = self.start()
        shutil.rmtree(self.tree)
        write_tree(self.tree, {"index.html": "second"})
        self.expect_tree(watch, server, gone=["style.css", "docs/a"])
        os.rename(self.tree, self.folder / "aside")
        write_tree(self.tree, {"index.html": "third", "b.html": "b"})
        self.expect_tree(watch, server)
        (self.folder / "aside/index.html").write_text("nobody looks")
        (self.tree / "b.html").write_text("bb")
        self.expect_tree(watch, server)
        self.finish(watch, server)

    def test_a_root_that_is_a_link(self):
        write_tree(self.folder / "second", {"index.html": "second"})
        os.rename(self.tree, self.folder / "first")
        self.tree.symlink_to("first")
        watch, server = self.start()
        (self.folder / "next").symlink_to("second")
        os.rename(self.folder / "next", self.tree)
        self.expect_tree(watch, server, gone=["style.css"])
        (self.folder / "second/index.html").write_text("changed")
        self.expect_tree(watch, server)
        self.finish(watch, server)

    def test_links(self):
        write_tree(self.folder / "other", {"x.css": "secret"})
        hidden = self.tree / ".parts"
        hidden.mkdir()
        (hidden / "p.css").write_text("p")
        (self.tree / "p.css").symlink_to(".parts/p.css")
        (self.tree / "s.css").symlink_to("style.css")
        (self.tree / "d").symlink_to("docs")
        (self.tree / "late.css").symlink_to("docs/late.css")
        (self.tree / "out.css").symlink_to(self.folder / "other/x.css")
        watch, server = self.start()
        self.expect_tree(watch, server, gone=["late.css", "out.css"])
        (self.tree / "style.css").write_text("s")
        self.expect_tree(watch, server)
        (self.tree / "docs/a.html").write_text("by two names")
        self.expect_tree(watch, server)
        (hidden / "p.css").write_text("pp")
        self.expect_tree(watch, server)
        (self.tree / "docs/late.css").write_text("late")
        self.expect_tree(watch, server, gone=["out.css"])
        self.assertEqual(server.get("/late.css").body, b"late")
        (self.tree / "docs/late.css").unlink()
        self.expect_tree(watch, server, gone=["late.css", "d/late.css"])
        os.rename(self.tree / "docs", self.tree / "papers")
        self.expect_tree(watch, server, gone=["d/a.html", "d/a", "docs/a"])
        (self.tree / "d").unlink()
        (self.tree / "d").symlink_to("papers")
        self.expect_tree(watch, server)
        shutil.rmtree(self.tree / "papers")
        (self.tree / "papers").symlink_to(self.folder / "other")
        self.expect_tree(watch, server, gone=["papers/x.css", "d/x.css", "papers/a", "d/a"])
        self.assertNotIn(b"secret", self.archive.read_bytes())
        self.finish(watch, server)

    def test_rules_and_ignored_names(self):
        watch, server = self.start()
        (self.tree / "_redirects").write_text("/go /style.css 302\n/style.css /404.html 404!\n")
        watch.take_until(lambda: server.get("/go").status == 302, "the redirect")
        self.assertEqual(server.get("/style.css").status, 404)
        (self.tree / "_headers").write_text("/*\n  X-Site: watched\n")
        watch.take_until(lambda: server.get("/docs/a")["x-site"] == "watched", "the field")
        (self.tree / "_redirects").unlink()
        watch.take_until(lambda: server.get("/style.css").status == 200, "no redirect")
        self.assertEqual(server.get("/go").status, 404)
        (self.tree / ".cairnignore").write_text("*.map\ndocs/\n")
        self.expect_ignored(watch, server, {"docs/a": 404, "docs/a.html": 404, "index.html": 200})
        (self.tree / "x.map").write_text("map")
        (self.tree / ".cairnignore").write_text("*.txt\n")
        self.expect_ignored(watch, server, {"docs/a": 200, "x.map": 200, "index.html": 200})
        watch.stop()
        server.stop()

    def expect_ignored(self, watch, server, wanted):
        def holds():
            found = served(server, wanted)
            return all((200 if isinstance(found[name], bytes) else found[name]) == status
                       for name, status in wanted.items())
        watch.take_until(holds, str(wanted))

    def test_an_error_is_told_and_mended(self):
        watch, server = self.start()
        count = len(watch.indexes)
        save(self.tree / "_redirects", "/x https://example.org/:splat 200\n")
        wait_until(lambda: "_redirects:1:" in watch.log(), "the error")
        self.assertEqual(watch.log().count("_redirects:1:"), 1)
        (self.tree / "style.css").write_text("waits\n")
        save(self.tree / "_redirects", "/x /docs/a\n")
        self.expect_tree(watch, server)
        self.assertEqual(server.get("/x").status, 301)
        save(self.tree / "_redirects", "/x https://example.org/:splat 200\n")
        wait_until(lambda: watch.log().count("_redirects:1:") == 2, "the second error")
        count = len(watch.indexes)
        save(self.tree / "_redirects", "/x /docs/a\n")
        (self.tree / "index.html").write_text("on it goes")
        self.expect_tree(watch, server)
        self.assertGreater(len(watch.indexes), count)
        self.finish(watch, server)

    def test_each_error_is_told(self):
        watch, server = self.start()
        for line, word in ((1, "x"), (2, "y")):
            save(self.tree / "_redirects",
                 "\n" * (line - 1) + f"/{word} https://example.org/:splat 200\n")
            wait_until(lambda: f"_redirects:{line}:" in watch.log(), f"line {line}")
        (self.tree / "_redirects").unlink()
        wait_until(lambda: "as it was released" in watch.log(), "the end of it")
        wait_until(lambda: len(watch.said) == 3, "what is said of it")
        self.assertRegex(watch.said[0], r"^announce error .*_redirects:1: ")
        self.assertRegex(watch.said[1], r"^announce error .*_redirects:2: ")
        self.assertEqual(watch.said[2], "announce mended")
        self.finish(watch, server)

    def test_what_the_system_refuses_is_tried_again(self):
        """Without another change: there is room again some time."""
        watch, server = self.start()
        before = resource.prlimit(watch.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(watch.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        (self.tree / "style.css").write_text("comes in the end")
        wait_until(lambda: "Too many open files" in watch.log(), "the error")
        resource.prlimit(watch.process.pid, resource.RLIMIT_NOFILE, before)
        self.expect_tree(watch, server)
        self.finish(watch, server)

    def test_what_a_failed_update_stored_is_not_believed(self):
        """It was never committed: the next add stores it again."""
        watch, server = self.start()
        save(self.tree / "_redirects", "/x https://example.org/:splat 200\n")
        (self.tree / "late.css").write_bytes(cairn.noise(100_000, 1))
        wait_until(lambda: "_redirects:1:" in watch.log(), "the error")
        (self.tree / "_redirects").unlink()
        watch.process.send_signal(signal.SIGSTOP)
        watch.process.send_signal(signal.SIGTERM)
        watch.process.send_signal(signal.SIGCONT)
        watch.stop()
        server.stop()
        cairn.verify(cairn.pack(self.tree, self.archive))
        cairn.run("cairn-pack", "verify", "--archive", self.archive)
        cairn.run("cairn-pack", "extract", self.archive, self.folder / "out")
        self.assertEqual(cairn.read_tree(self.folder / "out"), tree_bytes(self.tree))

    def test_more_saves_than_a_server_keeps(self):
        """The release that overlays are laid over stays, and from time to time there is another."""
        watch, server = self.start("--effort", "fast")
        for turn in range(40):
            save(self.tree / "docs/a.html", f"<title>{turn}</title>\n" * 50)
            self.expect_tree(watch, server)
        kinds = [bool(path.read_bytes()[12] & 1) for path in watch.indexes]  # of overlays
        self.assertEqual(kinds[0], False)
        self.assertGreaterEqual(kinds.count(False), 3)
        self.assertGreaterEqual(kinds.count(True), 30)
        self.assertEqual(served(server, ["style.css"])["style.css"], SITE["style.css"].encode())
        self.finish(watch, server)


class TestEnds(WatchCase):
    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            watch = Watch(self.tree, self.archive)
            watch.take()
            watch.stop(number)
            cairn.run("cairn-pack", "verify", "--archive", self.archive)
        self.assertIsNotNone(cairn.pack(self.tree, self.archive))

    def test_a_signal_during_the_first_pack(self):
        """Which waits for another one here, as long as that goes on."""
        with Watch(self.tree, self.archive) as first:
            first.take()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                second = Watch(self.tree, self.archive, "--wait")
                wait_until(lambda: waits_for_lock(second.process.pid), "it waits")
                second.stop(number)
                self.assertEqual(second.lines.get(timeout=PATIENCE_S), None)
        cairn.run("cairn-pack", "verify", "--archive", self.archive)

    def test_what_a_first_pack_leaves(self):
        """Bytes without use: no release is in the archive, the next one goes behind them, and
        compact leaves them out."""
        text = cairn.noise(3_000_000, 1).hex().encode()  # at best effort it takes its time
        for part in range(4):
            (self.tree / f"much{part}.css").write_bytes(bytes([0x61 + part]) + text)
        with Watch(self.tree, self.archive, "--effort", "max") as watch:
            wait_until(lambda: self.archive.exists() and self.archive.stat().st_size > 1 << 20,
                       "that it writes")
            watch.stop()
        self.assertIsNone(watch.lines.get(timeout=PATIENCE_S), "a release")
        left = self.archive.stat().st_size
        done = cairn.run("cairn-pack", "verify", "--archive", self.archive, expect=1)
        self.assertIn("no release", done.err)
        write_tree(self.tree, SITE)
        cairn.pack(self.tree, self.archive)
        self.assertGreater(self.archive.stat().st_size, left)
        cairn.run("cairn-pack", "verify", "--archive", self.archive)
        small = self.folder / "small.cairn"
        cairn.run("cairn-pack", "compact", "--keep", "1", self.archive, small)
        self.assertLess(small.stat().st_size, 1 << 20)
        cairn.run("cairn-pack", "extract", small, self.folder / "out")
        self.assertEqual(cairn.read_tree(self.folder / "out"), tree_bytes(self.tree))

    def test_a_reader_that_goes(self):
        for changes in (False, True):  # told while it waits, and when it prints
            reader, writer = os.pipe()
            process = subprocess.Popen([cairn.BIN / "cairn-pack", "add", "--watch", self.tree,
                                        self.archive], stdout=writer, stderr=subprocess.PIPE)
            os.close(writer)
            with os.fdopen(reader, "rb") as lines:
                self.assertTrue(lines.readline().startswith(b"load index /"))
                if changes:
                    (self.tree / "style.css").write_text("at the same time")
            error = process.communicate(timeout=PATIENCE_S)[1].decode()
            cairn.check_no_report(error, "cairn-pack")
            self.assertEqual(process.returncode, 0, error)
            cairn.run("cairn-pack", "verify", "--archive", self.archive)

    def test_what_cannot_be_watched(self):
        cairn.run("cairn-pack", "add", "--watch", self.folder / "absent", self.archive, expect=1)
        cairn.run("cairn-pack", "add", "--watch", "--json", self.tree, self.archive, expect=2)
        with Watch(self.tree, self.archive) as watch:
            watch.take()
            done = cairn.run("cairn-pack", "add", self.tree, self.archive, expect=1)
            self.assertIn("another cairn-pack", done.err)

    def test_a_server_that_is_pushed_to(self):
        socket = self.folder / "control.sock"
        with Server(control=[socket]) as server:
            with Watch(self.tree, self.archive, "--push", socket) as watch:
                watch.take()
                wait_until(lambda: server.get("/style.css").status == 200, "the first release")
                (self.tree / "style.css").write_text("pushed")
                wait_until(lambda: server.get("/style.css").body == b"pushed", "the second")

    def test_a_server_that_is_pushed_to_and_restarts(self):
        """What an overlay is laid over is there again, without another save."""
        socket = self.folder / "control.sock"
        first = Server(control=[socket])
        self.addCleanup(first.kill)
        with Watch(self.tree, self.archive, "--push", socket) as watch:
            wait_until(lambda: "ok load index" in watch.log(), "the first release")
            first.stop()
            (self.tree / "style.css").write_text("while it is away")
            wait_until(lambda: "control.sock: " in watch.log(), "that it is away")
            with Server(control=[socket]) as server:
                wait_until(lambda: server.get("/style.css").body == b"while it is away", "the second")
                self.assertEqual(server.get("/").body, SITE["index.html"].encode())
                (self.tree / "late.css").write_text("and on")
                wait_until(lambda: server.get("/late.css").body == b"and on", "the third")
        told = [line for line in watch.log().splitlines() if "control.sock: " in line]
        self.assertEqual(len(told), len(set(told)), told)  # each reason once

    def test_a_release_that_was_not_taken(self):
        """The next one goes alone: a server finds by itself what an overlay is laid over."""
        path = self.folder / "control.sock"
        heard = queue.Queue()
        answers = ["ok load index", "error load index: not now", "ok load index"]

        def serve(listener):
            for answer in answers:
                with listener.accept()[0] as client, client.makefile("rw") as lines:
                    heard.put(lines.readline().split(".")[-2])
                    lines.write(answer + "\n")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            thread = threading.Thread(target=serve, args=(listener,), daemon=True)
            thread.start()
            with Watch(self.tree, self.archive, "--push", path) as watch:
                numbers = [heard.get(timeout=PATIENCE_S)]
                for count in (1, 2):
                    save(self.tree / "style.css", f"save {count}")
                    numbers.append(heard.get(timeout=PATIENCE_S))
                    wait_until(lambda: "not now" in watch.log(), "the refusal")
            thread.join(PATIENCE_S)
        self.assertEqual(numbers, ["000001", "000002", "000003"])

    def test_a_signal_while_a_server_does_not_answer(self):
        """Nobody waits for it: neither with a first release, nor a later one, nor a word of the
        build."""
        rows = ((signal.SIGINT, "load index "), (signal.SIGTERM, "load index "),
                (signal.SIGHUP, "announce error "))
        for answered, (number, command) in enumerate(rows):
            path = self.folder / f"{answered}.sock"
            saves = [("style.css", f"saved for {answered}"),
                     ("_redirects", "/x https://example.org/:splat 200\n")][:answered]
            with socket.socket(socket.AF_UNIX) as listener:
                listener.settimeout(PATIENCE_S)
                listener.bind(str(path))
                listener.listen()
                with Watch(self.tree, self.archive, "--push", path) as watch:
                    for name, text in saves:
                        with listener.accept()[0] as client, client.makefile("rw") as lines:
                            lines.readline()
                            lines.write("ok then\n")
                        save(self.tree / name, text)
                    with listener.accept()[0] as client, client.makefile("r") as lines:
                        self.assertTrue(lines.readline().startswith(command))
                        watch.stop(number)
                self.assertNotIn("no reply", watch.log())
        cairn.run("cairn-pack", "verify", "--archive", self.archive)

    def test_a_push_without_a_descriptor_to_spare(self):
        """It is tried again; the run goes on."""
        path = self.folder / "control.sock"
        with Watch(self.tree, self.archive, "--push", path) as watch:
            wait_until(lambda: "control.sock: No such file" in watch.log(), "that nobody is there")
            before = resource.prlimit(watch.process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(watch.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
            wait_until(lambda: "control.sock: Too many open files" in watch.log(), "the refusal")
            resource.prlimit(watch.process.pid, resource.RLIMIT_NOFILE, before)
            with Server(control=[path]) as server:
                wait_until(lambda: server.get("/style.css").status == 200, "the release")

    def test_a_pipe_into_a_server(self):
        """The two programs as they are; the one ends when nobody reads it any more."""
        with open(self.folder / "log", "wb") as log:
            pack = subprocess.Popen([cairn.BIN / "cairn-pack", "add", "--watch", self.tree,
                                     self.archive], stdout=subprocess.PIPE, stderr=log)
            serve = subprocess.Popen([cairn.BIN / "cairn-serve", "--listen", "127.0.0.1:0"],
                                     stdin=pack.stdout, stdout=subprocess.PIPE, stderr=log,
                                     text=True)
        pack.stdout.close()
        try:
            url = serve.stdout.readline().split()[1]
            self.assertTrue(serve.stdout.readline().startswith("ok load index"))
            save(self.tree / "style.css", "piped")
            self.assertTrue(serve.stdout.readline().startswith("ok load index"))
            address = ("127.0.0.1", int(url.rstrip("/").rsplit(":", 1)[1]))
            with cairn.Client(address) as client:
                self.assertEqual(client.get("/style.css").body, b"piped")
            serve.terminate()
            self.assertEqual((serve.wait(PATIENCE_S), pack.wait(PATIENCE_S)), (0, 0))
        finally:
            serve.kill()
            serve.communicate()
            pack.kill()
            pack.wait()
        cairn.check_no_report((self.folder / "log").read_bytes(), "the pipe")


if __name__ == "__main__":
    unittest.main()

"""What is said to browsers that listen: releases and what they change, and errors of a build."""
import http.client
import json
import signal
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import PATIENCE_S, Server, TemporaryFolder, save, wait_until, write_tree
from test_watch import Watch

SITE = {"index.html": "<title>one</title>\n", "style.css": "p { color: red }\n",
        "docs/index.html": "<title>docs</title>\n", "a b/ä.html": "<title>a</title>\n"}


class Listener:
    """One that listens to the event stream."""

    def __init__(self, server, host="localhost", path="/events"):
        self.connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE_S)
        self.connection.request("GET", path, headers={"Host": host, "Accept": "text/event-stream"})
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise AssertionError(f"{self.answer.status} {self.answer.reason}")
        self.greeted = None
        self.hello = self.take("hello")
        self.greeted = self.hello["state"]

    def take(self, kind):
        """The next event, which is of this kind: what it says. A hello may be ahead of the news of
        what it tells (docs/events.md): that does not count."""
        said = self.take_any()
        while said["type"] == "release" and said["state"] == self.greeted:
            said = self.take_any()
        if said["type"] != kind:
            raise AssertionError(f"{said}, and no {kind}")
        if kind == "release":
            self.greeted = None
        return said

    def take_any(self):
        fields = {}
        while True:
            line = self.answer.readline().decode().rstrip("\r\n")
            if line == "" and "data" in fields:
                break
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
        said = json.loads(fields["data"])
        if fields.get("event") not in (said["type"], None):
            raise AssertionError(fields)
        if fields.get("id", said.get("state")) != said.get("state"):
            raise AssertionError(fields)
        return said

    def release(self):
        """The paths that a release changed, added and removed; what else it says."""
        said = self.take("release")
        lists = [said[name] for name in ("changed", "added", "removed")]
        counts = {"changed": len(lists[0]), "added": len(lists[1]), "removed": len(lists[2])}
        if not said["truncated"] and said["counts"] != counts:
            raise AssertionError(said)
        return lists, said

    def close(self):
        self.answer.close()
        self.connection.close()


class AnnounceCase(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.archive = self.folder / "site.cairn"

    def pack(self, changes, *options, name="site"):
        """Packs SITE with the changes; None removes a file."""
        files = {path: text for path, text in {**SITE, **changes}.items() if text is not None}
        return cairn.pack(write_tree(self.folder / f"{name}.{len(list(self.folder.iterdir()))}",
                                     files), self.folder / f"{name}.cairn", *options)

    def start(self, *indexes, options=("--events", "/events"), **keywords):
        server = Server(*indexes, options=options, **keywords)
        self.addCleanup(lambda: server.kill() if server.process.poll() is None else None)
        return server

    def listen(self, server, **keywords):
        listener = Listener(server, **keywords)
        self.addCleanup(listener.close)
        return listener


class TestReleases(AnnounceCase):
    def test_what_a_release_changes(self):
        server = self.start(self.pack({}))
        listener = self.listen(server)
        rows = [
            ((), {"style.css": "p { color: blue }\n"}, [["/style.css"], [], []]),
            (("--overlay",), {"style.css": None, "new.css": "n"},
             [[], ["/new.css"], ["/style.css"]]),
            ((), {"_headers": "/*\n  X-A: b\n"}, None),
        ]
        for options, changes, lists in rows:
            index = self.pack(changes, *options)
            server.load(index)
            found, said = listener.release()
            if lists is not None:
                self.assertEqual(found, lists)
                self.assertFalse(said["truncated"])
            self.assertEqual((said["site"], said["release"]),
                             ("*/", int(index.name.split(".")[1])))
            self.assertNotEqual(said["state"], listener.hello["state"])
            # a newcomer is told the same state
            self.assertEqual(self.listen(server).hello["state"], said["state"])
        server.stop()

    def test_every_path_that_is_told_is_one_that_is_served(self):
        """The URLs are those that a browser asks for: in the message as in a request."""
        server = self.start()
        server.command(f'load index "{self.pack({}, name="other")}" at=/other')
        listener = self.listen(server)
        server.command(f'load index "{self.pack({})}" at=/in%20here')
        (changed, added, removed), said = listener.release()
        self.assertEqual((changed, removed, said["site"]), ([], [], "*/in%20here/"))
        self.assertIn("/in%20here/style.css", added)
        self.assertIn("/in%20here/docs/", added)
        for path in added:
            self.assertIn(server.get(path).status, (200, 301, 308), path)
        server.command("unload 2")
        (changed, gone, removed), said = listener.release()
        self.assertEqual((changed, gone, sorted(removed)), ([], [], sorted(added)))
        self.assertEqual((said["release"], said["state"]), (None, listener.hello["state"]))
        server.stop()

    def test_what_takes_back_is_told_too(self):
        first = self.pack({})
        second = self.pack({"style.css": "new", "more.css": "more"})
        server = self.start(first, second)
        listener = self.listen(server)
        self.assertTrue(server.command("rollback").startswith("ok"))
        self.assertEqual(listener.release()[0], [["/style.css"], [], ["/more.css"]])
        self.assertTrue(server.command("promote 2").startswith("ok"))
        self.assertEqual(listener.release()[0], [["/style.css"], ["/more.css"], []])
        self.assertTrue(server.load(second))  # is on top: nothing is said of it
        self.pack({"style.css": "newest"})
        server.command("announce mended")
        listener.take("mended")
        self.assertEqual(server.process.poll(), None)
        server.stop()

    def test_hup_is_told_as_one(self):
        link = self.folder / "site.idx"
        self.pack({})
        server = self.start(link)
        listener = self.listen(server)
        self.pack({"style.css": "by HUP"})
        server.signal(signal.SIGHUP)
        self.assertEqual(listener.release()[0], [["/style.css"], [], []])
        server.stop()

    def test_hosts_and_prefixes(self):
        a = self.pack({}, name="a")
        b = self.pack({}, name="b")
        server = self.start()
        server.command(f'load index "{a}" host=a.test')
        server.command(f'load index "{b}" at=/b')
        one, other = self.listen(server, host="a.test:80"), self.listen(server, host="x.test")
        server.load(self.pack({"style.css": "2"}, name="b"))
        lists, said = other.release()
        self.assertEqual((lists[0], said["site"]), (["/b/style.css"], "*/b/"))
        server.load(self.pack({"style.css": "2"}, name="a"))
        lists, said = one.release()  # and heard nothing of the other
        self.assertEqual((lists[0], said["site"]), (["/style.css"], "a.test/"))
        server.command("announce mended")
        one.take("mended")
        other.take("mended")
        server.stop()

    def test_the_state_outlives_a_restart(self):
        index = self.pack({})
        server = self.start(index)
        state = self.listen(server).hello["state"]
        server.stop()
        server = self.start(index)
        self.assertEqual(self.listen(server).hello["state"], state)
        server.stop()


class TestErrors(AnnounceCase):
    def test_an_error_and_its_end(self):
        server = self.start(self.pack({}))
        listener = self.listen(server)
        self.assertNotIn("error", listener.hello)
        self.assertEqual(server.command(r'announce error _redirects:1: "é" \n\tno\\rule \x'),
                         "ok announce error listeners=1")
        text = '_redirects:1: "é" \n\tno\\rule \\x'
        self.assertEqual(listener.take("error")["text"], text)
        newcomer = self.listen(server)
        self.assertEqual(newcomer.hello["error"], text)
        self.assertEqual(server.command("announce mended"), "ok announce mended listeners=2")
        listener.take("mended")
        newcomer.take("mended")
        self.assertNotIn("error", self.listen(server).hello)
        server.stop()

    def test_a_release_ends_an_error(self):
        server = self.start(self.pack({}))
        server.command("announce error no")
        listener = self.listen(server)
        self.assertEqual(listener.hello["error"], "no")
        # both in one line of input: they are told in their order
        server.send(f'load index "{self.pack({"style.css": "2"})}"\nannounce error again\n')
        server.read_reply()
        server.read_reply()
        listener.release()
        self.assertEqual(listener.take("error")["text"], "again")
        server.load(self.pack({"style.css": "3"}))
        listener.release()
        self.assertNotIn("error", self.listen(server).hello)
        server.stop()

    def test_words_that_are_refused(self):
        server = self.start(self.pack({}))
        for line, reply in (("announce error", "error announce error: TEXT is missing"),
                            ("announce mended x", "error announce mended: it takes no argument"),
                            ("announce", "error announce: unknown command; help lists them")):
            self.assertEqual(server.command(line), reply)
        server.stop()
        server = self.start(self.pack({}), options=())
        for line in ("announce error x", "announce mended"):
            self.assertRegex(server.command(line), r"^error announce \w+: nobody can listen")
        server.stop()


class TestWatch(AnnounceCase):
    """What the packer says of a site that is watched."""
    BROKEN = "/x https://example.org/:splat 200\n"

    def test_pushed(self):
        path = self.folder / "control.sock"
        tree = write_tree(self.folder / "dist", SITE)
        server = self.start(control=[path])
        with Watch(tree, self.archive, "--push", path, server=server) as watch:
            watch.take()
            listener = self.listen(server)
            save(tree / "_redirects", self.BROKEN)
            self.assertIn("_redirects:1: ", listener.take("error")["text"])
            (tree / "_redirects").unlink()
            listener.take("mended")
            server.stop()
            save(tree / "_redirects", self.BROKEN)
            wait_until(lambda: "control.sock: " in watch.log(), "that nobody is there")
            # who comes hears of it without another save
            server = self.start(control=[path])
            wait_until(lambda: server.get("/style.css").status == 200, "the release")
            wait_until(lambda: "error" in self.listen(server).hello, "the error")
        server.stop()

    def test_piped(self):
        """The two programs as they are; a server where nobody can listen says so, and goes on."""
        tree = write_tree(self.folder / "dist", SITE)
        for options in (["--events", "/events"], []):
            watch = subprocess.Popen([cairn.BIN / "cairn-pack", "add", "--watch", tree,
                                      self.archive], stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL)
            server = self.start(options=options, stdin=watch.stdout)
            watch.stdout.close()
            self.addCleanup(watch.kill)
            self.assertRegex(server.read_line(), "^ok load index ")
            listener = self.listen(server) if options else None
            save(tree / "_redirects", self.BROKEN)
            reply = server.read_line()
            if listener:
                self.assertEqual(reply, "ok announce error listeners=1")
                self.assertIn("_redirects:1: ", listener.take("error")["text"])
            else:
                self.assertRegex(reply, "^error announce error: nobody can listen")
            save(tree / "_redirects", "/x /docs/ 302\n")
            self.assertRegex(server.read_line(), "^ok load index ")
            (tree / "_redirects").unlink()
            self.assertRegex(server.read_line(), "^ok load index ")
            if listener:
                self.assertEqual(listener.release()[0], [[], ["/x", "/x/"], []])
                self.assertEqual(listener.release()[0], [[], [], ["/x", "/x/"]])
            watch.terminate()
            self.assertEqual(watch.wait(PATIENCE_S), 0)
            server.stop()


if __name__ == "__main__":
    unittest.main()

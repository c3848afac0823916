"""--live-reload: every page takes in one script, at the right place and with the right length, tag
and fields, and nothing else changes; where it may be used, and that no pack and no other server has
anything of it. What the script does is test_live_reload_page's."""
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import BIN, SOURCE, Server

SCRIPT = "/__cairn/live-reload.js"
OWN = (f'<script src="{SCRIPT}" data-events="/__cairn/events" async></script>').encode()
OTHER = OWN.replace(b" async", b' data-page="other" async')
LIVE = ("--live-reload",)
START = b"<!doctype html><html lang=en><head>"
PAGE = START + b"<title>a</title></head><body>text</body></html>\n"
CODINGS = "Accept-Encoding: br, gzip, zstd\r\n"


class LiveReload(cairn.TemporaryFolder):
    def serve(self, files, options=LIVE, **keywords):
        index = self.pack_tree(files, modified_s=1600000000)
        server = Server(index, options=options, **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        return server


class TestPages(LiveReload):
    def test_the_script_is_put_in_and_nothing_else_changes(self):
        """Bytes before and behind it, by kind of page; small ones, and such as go by sendfile."""
        filler = b"<p>" + cairn.noise(300000, 1).replace(b"<", b" ") + b"</p>"
        pages = {
            "plain": (START, b"<title>a</title>"),
            "text": (b"", b"no page at all"),
            "empty": (b"", b""),
            "bom": (b"\xef\xbb\xbf<!doctype html>", b"<p>a"),
            "xhtml": (b'<?xml version="1.0"?><!DOCTYPE html><html xmlns="x"><head>', b"</head></html>"),
            "open-comment": (b"<!doctype html>", b"<!-- <head>"),
            "open-script": (START, b"<script>let a = '</head>'"),
            "16k": (START, b"a" * 16384),
            "huge": (START, filler * 4),
            "late": (b"<!--" + b"-" * 200000 + b"--><!doctype html>", b"<p>" + filler),
        }
        server = self.serve({f"{name}.html": before + behind
                             for name, (before, behind) in pages.items()})
        tags = set()
        for name, (before, behind) in pages.items():
            with self.subTest(name), server.client() as client:
                answer = client.get(f"/{name}", fields=CODINGS)
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.body, before + OWN + behind)
                self.assertIsNone(answer["content-encoding"])
                self.assertIsNone(answer["accept-ranges"])
                self.assertIsNone(answer["last-modified"])
                self.assertEqual(answer["cache-control"], "no-store")
                head = client.get(f"/{name}", method="HEAD", fields=CODINGS)
                self.assertEqual(head.without_date()[:2], answer.without_date()[:2])
                tag = answer["etag"]
                self.assertRegex(tag, r'^"[A-Za-z0-9_-]{22}-[0-9a-f]{8}"$')
                tags.add(tag)
                again = client.get(f"/{name}", fields=f"If-None-Match: {tag}\r\n")
                self.assertEqual((again.status, again["etag"], again.body), (304, tag, b""))
                part = client.get(f"/{name}", fields=f"Range: bytes=1-2\r\nIf-Range: {tag}\r\n")
                self.assertEqual((part.status, part.body), (200, answer.body))
        self.assertEqual(len(tags), len(pages))

    def test_utf_16_is_left_alone(self):
        page = "\ufeff<!doctype html><p>a".encode("utf-16-le")
        server = self.serve({"a.html": page})
        self.assertEqual(server.get("/a").body, page)

    def test_pages_for_missing_paths_and_of_rules(self):
        """These say that they are not what their path names."""
        server = self.serve({
            "index.html": PAGE, "404.html": START + b"missing", "app/index.html": START + b"app",
            "gone.html": START + b"gone",
            "_redirects": "/app/* /app/index.html 200\n/old /gone.html 410\n"})
        for path, status, body in (("/app/", 200, START + OWN + b"app"),
                                   ("/app/deep/er", 200, START + OTHER + b"app"),
                                   ("/nothing", 404, START + OTHER + b"missing"),
                                   ("/old", 410, START + OTHER + b"gone")):
            with self.subTest(path):
                answer = server.get(path, fields=CODINGS)
                self.assertEqual((answer.status, answer.body), (status, body))
                self.assertEqual(answer["cache-control"], "no-store")
                self.assertEqual(answer["etag"] is None, status != 200)
        # one page, two bodies, two tags
        self.assertNotEqual(server.get("/app/")["etag"], server.get("/app/x")["etag"])

    def test_what_is_no_page_is_only_asked_for_again(self):
        """As ever, with its codings and ranges, but for what caches are told."""
        files = {"a.css": b"b { color: red }\n" * 100, "assets/app-3f9a2c71.js": b"let a = 1;\n" * 100,
                 "data.json": b"{}", "_headers": "/*\n  Cache-Control: max-age=3600\n  X-Own: yes\n"}
        live, plain = self.serve(files), self.serve(files, options=())
        for path in ("/a.css", "/assets/app-3f9a2c71.js", "/data.json"):
            for fields in ("", CODINGS, "Range: bytes=1-1\r\n", "Range: bytes=0-0,150-160\r\n",
                           "If-None-Match: *\r\n", "If-Match: \"x\"\r\n"):
                with self.subTest(path, fields=fields):
                    ours, theirs = live.get(path, fields=fields), plain.get(path, fields=fields)
                    self.assertEqual((ours.status, ours.body), (theirs.status, theirs.body))
                    policy = ours.fields.pop("cache-control")
                    was = theirs.fields.pop("cache-control")
                    self.assertEqual(policy, was if theirs.status == 412 else "no-cache")
                    self.assertEqual({**ours.fields, "date": 0}, {**theirs.fields, "date": 0})
        self.assertEqual(live.get("/a.css")["x-own"], "yes")

    def test_what_a_site_says_of_its_bytes_does_not_go_out(self):
        server = self.serve({"a.html": PAGE, "_headers": (
            "/*\n  Repr-Digest: sha-256=:x:\n  Cache-Control: public, max-age=9\n"
            "  Expires: Thu, 01 Jan 2037 00:00:00 GMT\n  X-Own: yes\n")})
        answer = server.get("/a")
        self.assertIsNone(answer["repr-digest"])
        self.assertIsNone(answer["expires"])
        self.assertEqual(answer["cache-control"], "no-store")
        self.assertEqual(answer["x-own"], "yes")

    def test_pipelined(self):
        """Pages between other answers, in order, each of its length."""
        files = {"a.html": PAGE, "b.css": b"b{}", "c.html": START + b"c" * 100000}
        server = self.serve(files)
        bodies = {"/a": START + OWN + PAGE[len(START):], "/b.css": b"b{}",
                  "/c": START + OWN + b"c" * 100000, SCRIPT: None}
        order = ["/a", "/b.css", "/c", "/a", "/a", SCRIPT, "/c", "/b.css"] * 4
        with server.client() as client:
            client.send(b"".join(cairn.request(path) for path in order))
            for path in order:
                answer = client.read()
                self.assertEqual(answer.status, 200)
                if bodies[path] is not None:
                    self.assertEqual(answer.body, bodies[path])

    def test_a_reader_that_stops_and_goes_on(self):
        """What the socket did not take is sent from where it ended."""
        body = cairn.noise(4 << 20, 2).replace(b"<", b" ")
        server = self.serve({"a.html": START + body})
        with server.client(receive_buffer=4096) as client:
            client.send(cairn.request("/a"))
            self.assertEqual(client.read().body, START + OWN + body)

    def test_a_new_release(self):
        server = self.serve({"a.html": PAGE})
        before = server.get("/a")
        cairn.write_tree(self.folder / "site-tree", {"a.html": PAGE + b"more"})
        server.load(cairn.pack(self.folder / "site-tree", self.folder / "site.cairn", "--overlay"))
        after = server.get("/a", fields=f"If-None-Match: {before['etag']}\r\n")
        self.assertEqual((after.status, after.body), (200, before.body + b"more"))


class TestScript(LiveReload):
    def test_it_is_served_before_the_site(self):
        server = self.serve({"index.html": PAGE, SCRIPT[1:]: b"the site's own"})
        answer = server.get(SCRIPT + "?v=1")
        self.assertEqual(answer.body, (SOURCE / "server/live_reload/live-reload.js").read_bytes())
        self.assertEqual(answer["content-type"], "text/javascript; charset=utf-8")
        self.assertEqual(answer["cache-control"], "no-cache")
        self.assertEqual(answer["x-content-type-options"], "nosniff")
        head = server.get(SCRIPT, method="HEAD")
        self.assertEqual(head.without_date()[:2], answer.without_date()[:2])
        same = server.get(SCRIPT, fields=f"If-None-Match: {answer['etag']}\r\n")
        self.assertEqual((same.status, same.body), (304, b""))
        self.assertEqual(server.get(SCRIPT, method="POST").status, 405)

    def test_without_the_flag_its_path_is_the_sites(self):
        server = self.serve({"index.html": PAGE, SCRIPT[1:]: b"the site's own"}, options=())
        self.assertEqual(server.get("/").body, PAGE)
        self.assertEqual(server.get(SCRIPT).body, b"the site's own")
        server = self.serve({"index.html": PAGE}, options=())
        self.assertEqual(server.get(SCRIPT).status, 404)
        self.assertEqual(server.get("/__cairn/events").status, 404)

    def test_no_pack_has_anything_of_it(self):
        """Whatever the packer writes, of a whole site, an overlay and every coding."""
        tree = cairn.write_tree(self.folder / "tree", {
            "index.html": PAGE, "404.html": PAGE, "_headers": "/*\n  X-A: b\n"})
        cairn.pack(tree, self.folder / "site.cairn", "--spa", "--effort", "none")
        (tree / "new.html").write_bytes(PAGE)
        cairn.pack(tree, self.folder / "site.cairn", "--overlay")
        written = [path for path in self.folder.iterdir() if path.is_file()]
        self.assertTrue({".cairn", ".idx"} <= {path.suffix for path in written})
        for path in written:
            for word in (b"__cairn", b"live-reload"):
                self.assertNotIn(word, path.read_bytes(), path)
        self.assertIn(b"<title>a</title>", (self.folder / "site.cairn").read_bytes())


class TestIndexThatComesLater(LiveReload):
    def setUp(self):
        super().setUp()
        self.tree = cairn.write_tree(self.folder / "tree", {"index.html": PAGE})
        self.archive = self.folder / "site.cairn"
        self.index = self.folder / "site.idx"

    def test_the_pipe_as_typed_on_a_first_run_and_on_a_second(self):
        """cairn-pack add --watch dist/ site.cairn | cairn-serve --live-reload site.idx"""
        for expected in (b"first", b"second"):
            (self.tree / "index.html").write_bytes(expected)
            packer = subprocess.Popen(
                [BIN / "cairn-pack", "add", "--watch", "--quiet", self.tree, self.archive],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                with Server(self.index, options=LIVE, stdin=packer.stdout) as server:
                    cairn.wait_until(lambda: server.get("/").body == OWN + expected, "a release")
                    (self.tree / "index.html").write_bytes(b"saved")
                    cairn.wait_until(lambda: server.get("/").body == OWN + b"saved", "a save")
            finally:
                packer.terminate()
                packer.stdout.close()
                cairn.check_no_report(packer.communicate(timeout=60)[1], "cairn-pack")

    def test_it_answers_where_the_words_behind_the_index_say(self):
        with Server(self.index, "host=test.example", "at=/docs", options=LIVE) as server:
            self.assertEqual(server.get("/docs/").status, 503)
            server.load(cairn.pack(self.tree, self.archive))
            self.assertEqual(server.get("/docs/").status, 200)
            self.assertEqual(server.get("/").status, 404)
            # another one that comes, and is awaited nowhere, is for every host
            server.load(cairn.pack(self.tree, self.folder / "other.cairn"))
            with server.client() as client:
                client.send("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n")
                self.assertEqual(client.read().status, 200)

    def test_what_is_there_has_to_be_an_index(self):
        for make in (lambda: self.index.write_bytes(b"nothing"),
                     lambda: self.index.symlink_to("nowhere.000001.idx")):
            make()
            done = cairn.run("cairn-serve", "--live-reload", "--listen", "127.0.0.1:0", self.index,
                             expect=1)
            self.assertIn("site.idx", done.err)
            self.index.unlink()

    def test_other_servers_do_not_wait(self):
        cairn.run("cairn-serve", "--listen", "127.0.0.1:0", self.index, expect=1)

    def test_check(self):
        done = cairn.run("cairn-serve", "--check", "--live-reload", "--listen", "127.0.0.1:0",
                         self.index)
        self.assertIn(f"{self.index}, once it is there", done.out)
        cairn.run("cairn-serve", "--check", "--listen", "127.0.0.1:0", self.index, expect=1)


class TestAddresses(LiveReload):
    def start(self, *words):
        index = self.pack_tree({"index.html": PAGE})
        return subprocess.run([BIN / "cairn-serve", "--live-reload", *words, index],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def test_it_is_for_this_machine(self):
        for address in (":0", "0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"):
            with self.subTest(address):
                for check in ((), ("--check",)):
                    done = self.start(*check, "--listen", "127.0.0.1:0", "--listen", address)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn("--live-reload-anywhere", done.stderr)
                    self.assertNotIn("ready", done.stdout)

    def test_local_addresses(self):
        index = self.pack_tree({"index.html": PAGE})
        path = self.folder / "http.sock"
        listen = ("127.0.0.1:0", "127.8.8.8:0", f"unix:{path}")
        with Server(index, options=LIVE, listen=listen) as server:
            self.assertIn(OWN, server.get("/").body)

    def test_anywhere(self):
        index = self.pack_tree({"index.html": PAGE})
        with Server(index, options=("--live-reload-anywhere",), listen=("0.0.0.0:0",)) as server:
            self.assertIn(OWN, server.get("/").body)


if __name__ == "__main__":
    unittest.main()

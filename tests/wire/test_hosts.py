"""Several sites in one server: by host, below a prefix; and the fields that the operator adds."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server


def page(name):
    return f"<!doctype html><title>{name}</title>\n"


class Hosts(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.indexes = {}
        for name in ("main", "docs", "blog"):
            self.indexes[name] = self.pack_tree(
                {"index.html": page(name), "404.html": page(f"{name} lacks it"),
                 "about.html": page(f"about {name}"), "guide/index.html": page(f"{name} guide"),
                 "_redirects": "/old /about.html 301\n/far https://far.example/x 302\n"
                               "/wild/* /guide/:splat 301\n"}, name)

    def ask(self, server, host, target, fields="", method="GET"):
        with server.client() as client:
            client.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")
            return client.read(method)

    def title(self, answer):
        return answer.body.decode().split("<title>")[1].split("</title>")[0]

    def expect(self, server, host, target, title, status=200):
        answer = self.ask(server, host, target)
        self.assertEqual((answer.status, self.title(answer)), (status, title), (host, target))


class TestHosts(Hosts):
    def test_names_patterns_and_the_default(self):
        with Server(self.indexes["main"], self.indexes["docs"], "host=docs.example,DOCS2.example.",
                    self.indexes["blog"], "host=*.blog.example") as server:
            for host in ("docs.example", "DOCS.example", "docs.example:8080", "docs.example.",
                         "docs2.example"):
                self.expect(server, host, "/", "docs")
            for host in ("a.blog.example", "a.b.blog.example:1"):
                self.expect(server, host, "/", "blog")
            for host in ("blog.example", "elsewhere.example", "", "[::1]:80", "127.0.0.1"):
                self.expect(server, host, "/", "main")
            self.expect(server, "docs.example", "/missing", "docs lacks it", 404)
            # the target's authority goes before the field
            self.expect(server, "docs.example", "http://x.blog.example/", "blog")

    def test_421_where_nobody_answers_for_the_host(self):
        with Server(self.indexes["docs"], "host=docs.example") as server:
            self.expect(server, "docs.example", "/", "docs")
            for host in ("elsewhere.example", "", "x.docs.example"):
                answer = self.ask(server, host, "/")
                self.assertEqual(answer.status_line, "HTTP/1.1 421 Misdirected Request")
                self.assertEqual(answer["Cache-Control"], "no-store")
            server.load(f"{self.indexes['main']} host=*")
            self.expect(server, "elsewhere.example", "/", "main")

    def test_a_prefix(self):
        with Server(self.indexes["main"], self.indexes["docs"], "at=/docs/", self.indexes["blog"],
                    "at=/docs/blog") as server:
            self.expect(server, "x", "/", "main")
            self.expect(server, "x", "/docs/", "docs")
            self.expect(server, "x", "/docs/about.html", "about docs")
            self.expect(server, "x", "/docs/../about.html", "about main")
            self.expect(server, "x", "/%64ocs/about.html", "about docs")
            self.expect(server, "x", "/docs/blog/", "blog")
            self.expect(server, "x", "/docs/missing", "docs lacks it", 404)
            self.expect(server, "x", "/docsify", "main lacks it", 404)
            for target, location in (("/docs", "/docs/"), ("/docs?a=b", "/docs/?a=b"),
                                     ("/docs/blog", "/docs/blog/"),
                                     ("/docs/guide?q", "/docs/guide/?q"),
                                     ("/docs/old", "/docs/about.html"),
                                     ("/docs/wild/x", "/docs/guide/x"),
                                     ("/docs/far", "https://far.example/x"),
                                     ("/old", "/about.html")):
                answer = self.ask(server, "x", target)
                self.assertIn(answer.status, (301, 302), target)
                self.assertEqual(answer["Location"], location)

    def test_a_prefix_with_odd_characters(self):
        with Server(self.indexes["docs"], "at=/caf%C3%A9 bar") as server:
            self.expect(server, "x", "/caf%C3%A9%20bar/about.html", "about docs")
            answer = self.ask(server, "x", "/caf%C3%A9%20bar")
            self.assertEqual(answer["Location"], "/caf%C3%A9%20bar/")
            self.assertEqual(self.ask(server, "x", "/").status, 404)

    def test_a_new_release_goes_where_its_archive_answers(self):
        """What cairn-pack prints has no host: it must not land on the default site."""
        with Server(self.indexes["main"], self.indexes["docs"], "host=docs.example",
                    "at=/manual") as server:
            tree = cairn.write_tree(self.folder / "docs-tree", {"index.html": page("newer docs")})
            newer = cairn.pack(tree, self.folder / "docs.cairn")
            reply = server.load(newer)
            self.assertEqual(reply["layers"], "2")
            self.expect(server, "docs.example", "/manual/", "newer docs")
            self.expect(server, "other.example", "/", "main")
            server.send("list\n")
            rows = server.read_reply()
            self.assertIn(" host=docs.example at=/manual/ ", rows[0])
            self.assertIn(" host=* at=/ ", rows[2])
            # and elsewhere if told so
            self.assertEqual(server.load(f"{newer} host=*")["layers"], "2")
            self.expect(server, "other.example", "/", "newer docs")
            self.expect(server, "docs.example", "/manual/", "newer docs")

    def test_hup_loads_the_sites_where_they_were(self):
        with Server(self.folder / "main.idx", self.folder / "docs.idx", "host=docs.example") as server:
            tree = cairn.write_tree(self.folder / "docs-tree", {"index.html": page("newer docs")})
            cairn.pack(tree, self.folder / "docs.cairn")
            server.signal(1)
            server.wait_log("ok load index", 2)
            self.expect(server, "docs.example", "/", "newer docs")
            self.expect(server, "x", "/", "main")

    def test_words_that_are_off(self):
        for words, why in ((["host=a.example"], "belongs behind an INDEX"),
                           ([self.indexes["main"], "host=a b"], "no host"),
                           ([self.indexes["main"], "host=a,,b"], "no host"),
                           ([self.indexes["main"], "host=*x.example"], "no host"),
                           ([self.indexes["main"], "host=a:80"], "no host"),
                           ([self.indexes["main"], "at=docs"], "not a path"),
                           ([self.indexes["main"], "at=/%zz"], "not a path")):
            done = cairn.run("cairn-serve", *words, expect=2)
            self.assertIn(why, done.err)
        with Server(self.indexes["main"]) as server:
            reply = server.command(f"load index {self.indexes['docs']} host=!")
            self.assertTrue(reply.startswith("error load index: host=!"), reply)
            reply = server.command(f"load index {self.indexes['docs']} at=x")
            self.assertTrue(reply.startswith("error load index: at=x"), reply)


class TestAddedFields(Hosts):
    def test_on_every_answer_but_once(self):
        with Server(self.indexes["main"], options=["--header", "X-Powered-By: coffee", "--header",
                                                   "Cache-Control: max-age=1"]) as server:
            for target, method, status in (("/", "GET", 200), ("/", "HEAD", 200),
                                           ("/missing", "GET", 404), ("/guide", "GET", 301),
                                           ("/", "POST", 405), ("*", "OPTIONS", 204),
                                           ("/%", "GET", 400)):
                answer = server.get(target, method)
                self.assertEqual(answer.status, status, target)
                self.assertEqual(answer["X-Powered-By"], "coffee", (target, method))
                self.assertNotEqual(answer["Cache-Control"], "max-age=1")  # the answer's own stays
            tag = server.get("/")["ETag"]
            answer = server.get("/", fields=f"If-None-Match: {tag}\r\n")
            self.assertEqual((answer.status, answer["X-Powered-By"]), (304, "coffee"))
            answer = server.get("/", fields="Range: bytes=0-1,-1\r\n")
            self.assertEqual((answer.status, answer["X-Powered-By"]), (206, "coffee"))
            with server.client() as client:
                client.send(b"nonsense\r\n\r\n")
                self.assertEqual(client.read()["X-Powered-By"], "coffee")

    def test_secure_headers_give_way_to_the_site(self):
        index = self.pack_tree({"index.html": page("x"), "other.html": page("y"),
                                "_headers": "/\n  X-Frame-Options: DENY\n"}, "strict")
        with Server(index, options=["--secure-headers"]) as server:
            answer = server.get("/")
            self.assertEqual(answer["X-Frame-Options"], "DENY")
            other = server.get("/other")
            self.assertEqual(other["X-Frame-Options"], "SAMEORIGIN")
            for answer in (answer, other, server.get("/missing")):
                for name in ("X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy",
                             "Permissions-Policy", "Cross-Origin-Opener-Policy"):
                    self.assertIsNotNone(answer[name], name)
                self.assertIsNone(answer["Strict-Transport-Security"])  # RFC 6797 7.2: not without TLS

    def test_by_the_environment(self):
        env = {"CAIRN_HEADER": "X-A: b, c\nX-D: e", "CAIRN_SECURE_HEADERS": "1"}
        with Server(self.indexes["main"], env=env) as server:
            answer = server.get("/")
            self.assertEqual((answer["X-A"], answer["X-D"]), ("b, c", "e"))
            self.assertIsNotNone(answer["Referrer-Policy"])

    def test_lines_that_are_none(self):
        for line in ("X", "X y: z", ": x", "X:", "X: a\x01", "X: a\nY: b", "Content-Length: 5",
                     "connection: close", "Transfer-Encoding: chunked", "Date: now"):
            done = cairn.run("cairn-serve", "--header", line, self.indexes["main"], expect=2)
            self.assertIn("--header", done.err, line)


if __name__ == "__main__":
    unittest.main()

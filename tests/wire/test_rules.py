"""_redirects and _headers on the wire, in both dialects, row by row."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from test_site import HTML, MISSING, NAVIGATION, URL_ROWS, SiteCase

SITE = {
    "index.html": b"start",
    "file.html": b"file",
    "page.html": b"page",
    "new.html": b"new",
    "app.js": b"script",
    "folder/index.html": b"folder",
    "blog/first.html": b"first",
    "docs/guide.html": b"guide",
    "shop/index.html": b"shop",
    "404.html": b"nothing here",
}
BOTH = ("netlify", "cloudflare")


class RulesCase(SiteCase):
    def serve_rules(self, redirects=None, headers=None, dialect="netlify", files=SITE, options=(),
                    name=None):
        files = {**files, **({} if redirects is None else {"_redirects": redirects}),
                 **({} if headers is None else {"_headers": headers})}
        return self.serve(files, "--dialect", dialect, *options, name=name or dialect)

    def ask(self, client, target, fields="", host="test.example", method="GET"):
        client.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")
        return client.read(method)

    def expect_host_rows(self, client, rows):
        for host, target, want in rows:
            with self.subTest(host=host, target=target):
                self.expect_answer(self.ask(client, target, host=host), want, target)

    def expect_warnings(self, done, lines, file):
        """Exactly these lines of a rule file are warned about."""
        warned = [int(line.split(f" {file}:", 1)[1].split(":", 1)[0])
                  for line in done.err.splitlines()
                  if line.startswith(f"cairn-pack: warning: {file}:")]
        self.assertEqual(sorted(warned), sorted(lines), done.err)


# ---- _redirects ----


class TestNetlifyRedirects(RulesCase):
    def test_statuses_and_targets(self):
        client = self.serve_rules(
            "/s0 /new\n/s301 /new 301\n/s302 /new 302\n/s303 /new 303\n/s307 /new 307\n"
            "/s308 /new 308\n/s200 /page.html 200\n/s200c /page 200\n/s200f /folder 200\n"
            "/s404 /page.html 404\n/s410 /page.html 410\n/n404 404\n/n410 410\n"
            "/away https://other.example/x\n/away2 http://other.example 302\n"
            "/query /new?a=1\n/hash /new#part\n/both /new?a=1#part\n/space /a%20b\n"
            "/utf8 /é\n/slashes //evil.example/x\n/back /\\evil.example\n")
        self.expect_rows(client, (
            ("/s0", "301 /new"), ("/s301", "301 /new"), ("/s302", "302 /new"),
            ("/s303", "303 /new"), ("/s307", "307 /new"), ("/s308", "308 /new"),
            ("/s200", b"page"), ("/s200c", b"page"), ("/s200f", b"folder"),
            ("/s404", (404, b"page")), ("/s410", (410, b"page")), ("/n404", 404), ("/n410", 410),
            ("/away", "301 https://other.example/x"), ("/away2", "302 http://other.example"),
            ("/query", "301 /new?a=1"), ("/hash", "301 /new#part"),
            ("/both", "301 /new?a=1#part"), ("/space", "301 /a%20b"), ("/utf8", "301 /%C3%A9"),
            ("/slashes", "301 /evil.example/x"), ("/back", "301 /%5Cevil.example"),
            ("/s", MISSING)))
        self.expect_warnings(self.packed, (), "_redirects")

    def test_query(self):
        client = self.serve_rules(
            "/plain /new\n/own /new?x=1\n/hash /new#part\n/away https://other.example/x\n"
            "/rewrite /page.html 200\n/d/* /e/:splat\n/down/* /e/:splat?x=1\n"
            "/dhash/* /e/:splat#part\n")
        self.expect_rows(client, (
            ("/plain?a=1&b=%20", "301 /new?a=1&b=%20"), ("/plain?", "301 /new?"),
            ("/own?a=1", "301 /new?x=1"), ("/hash?a=1", "301 /new?a=1#part"),
            ("/away?a=1", "301 https://other.example/x?a=1"), ("/rewrite?a=1", b"page"),
            ("/d/f?a=1", "301 /e/f?a=1"), ("/down/f?a=1", "301 /e/f?x=1"),
            ("/dhash/f?a=1", "301 /e/f?a=1#part"), ("/plain?//evil.example",
                                                    "301 /new?//evil.example")))

    def test_a_file_wins_unless_forced(self):
        client = self.serve_rules(
            "/file /new 301\n/file.html /new 301!\n/folder/ /new 302!\n/app.js /new.html 200!\n"
            "/blog/* /new 301\n/docs/* /new 301!\n/shop /new 404\n/page /new.html 410!\n"
            "/index.html /new 307!\n")
        self.expect_rows(client, (
            ("/file", b"file"), ("/file/", "301 /file"), ("/file.html", "301 /new"),
            ("/folder/", "302 /new"), ("/folder", "302 /new"), ("/app.js", b"new"),
            ("/blog/first.html", b"first"), ("/blog/first", b"first"),
            ("/blog/second", "301 /new"), ("/docs/guide.html", "301 /new"),
            ("/docs/guide", "301 /new"), ("/docs/none", "301 /new"), ("/shop/", b"shop"),
            ("/page", (410, b"new")), ("/index.html", "307 /new"), ("/", b"start")))

    def test_slash_at_the_end_and_case(self):
        client = self.serve_rules("/a /new\n/b/ /new\n/c/* /d/:splat\n/e/:x/ /f/:x\n/Upper /new\n"
                                  "//g///h /new\n")
        self.expect_rows(client, (
            ("/a", "301 /new"), ("/a/", "301 /new"), ("/b", "301 /new"), ("/b/", "301 /new"),
            ("/a//", "301 /new"), ("/a/x", MISSING), ("/c", "301 /d/"), ("/c/", "301 /d/"),
            ("/c/x/", "301 /d/x/"), ("/cx", MISSING), ("/e/1", "301 /f/1"), ("/e/1/", "301 /f/1"),
            ("/e/", MISSING), ("/Upper", "301 /new"), ("/upper", MISSING), ("/g/h", "301 /new")))

    def test_splats_and_placeholders(self):
        client = self.serve_rules(
            "/s/* /t/:splat\n/u/* /new\n/w/* https://other.example/:splat?from=w 302\n"
            "/p/:year/:month/:slug /blog/:slug?y=:year&m=:month\n/q/:id/edit /e/:id/:idx/:none\n"
            "/r/:id.html /x\n/in*side /x\n/z/:a/* /:splat/:a\n/y/* /:splat/y\n"
            "/api/* /blog/:splat 200\n/rest/:name /:name/guide.html 200\n/dead/* 410\n"
            "/twice/:a/:a /t/:a\n/fwd/* 200\n")
        self.expect_rows(client, (
            ("/s/a/b", "301 /t/a/b"), ("/s/a%20b%2Cc", "301 /t/a%20b,c"),
            ("/s/%C3%A9", "301 /t/%C3%A9"), ("/s/a%3Fb", "301 /t/a%3Fb"),
            ("/s/a%23b", "301 /t/a%23b"), ("/s/a%25b", "301 /t/a%25b"),
            ("/u/any/thing", "301 /new"), ("/fwd/x", MISSING),
            ("/w/a?b=c", "302 https://other.example/a?from=w"),
            ("/p/2024/05/hello", "301 /blog/hello?y=2024&m=05"), ("/p/2024/05", MISSING),
            ("/p/2024/05/a/b", MISSING), ("/p/2024//hello", MISSING),
            ("/q/7/edit", "301 /e/7/:idx/:none"), ("/q/7/8/edit", MISSING),
            ("/r/:id.html", "301 /x"), ("/r/7.html", MISSING), ("/in*side", "301 /x"),
            ("/inner-side", MISSING), ("/z/k/l/m", "301 /l/m/k"), ("/y/a", "301 /a/y"),
            ("/api/first", b"first"), ("/api/first.html", b"first"), ("/api/none", MISSING),
            ("/rest/docs", b"guide"), ("/rest/none", MISSING), ("/dead/x", 410), ("/dead", 410)))

    def test_query_conditions(self):
        client = self.serve_rules(
            "/store id=:id tag=red /red/:id 301\n/store id=:id /blog/:id 301\n"
            "/store kind=a+b /kind 302\n/store mood=a%20b /mood 302\n/store /shop/all 301\n"
            "/path/* id=:id /i/:id/:splat\n/path/* /p/:splat\n"
            "/img w=:w /:w.js 200\n/docs/guide id=:id /d/:id?own=1 301!\n"
            "/file id=:id /f/:id 301\n/only id=1 /one\n")
        self.expect_rows(client, (
            ("/store?id=7", "301 /blog/7"), ("/store?x=1&id=7", "301 /blog/7"),
            ("/store?id=7&tag=red", "301 /red/7"), ("/store?tag=red&id=7", "301 /red/7"),
            ("/store?id=7&tag=blue", "301 /blog/7"), ("/store", "301 /shop/all"),
            ("/store?id=", "301 /shop/all?id="), ("/store?ID=7", "301 /shop/all?ID=7"),
            ("/store?xid=7", "301 /shop/all?xid=7"), ("/store?id", "301 /shop/all?id"),
            ("/store/?id=7", "301 /blog/7"), ("/store?id=a%20b", "301 /blog/a%20b"),
            ("/store?id=a+b", "301 /blog/a%20b"), ("/store?kind=a+b", "302 /kind"),
            ("/store?mood=a%20b", "302 /mood"), ("/path/x/y?id=7", "301 /i/7/x/y"),
            ("/path/x", "301 /p/x"), ("/path/x?a=1", "301 /p/x?a=1"),
            ("/img?w=app", b"script"), ("/img?w=none", MISSING),
            ("/docs/guide?id=1", "301 /d/1?own=1"), ("/docs/guide", b"guide"),
            ("/file?id=1", b"file"), ("/only?id=1", "301 /one"), ("/only?id=12", MISSING),
            ("/only", MISSING)))

    def test_hosts(self):
        client = self.serve_rules(
            "http://old.example/* https://www.example/:splat 301!\n"
            "https://blog.example/x /new 302\nhttp://blog.example/file /new 302\n"
            "http://blog.example /page 302!\nhttps://a.example/who /new?a 302\n"
            "/who /new?any 302\nhttp://b.example/late /new 302\n")
        self.expect_host_rows(client, (
            ("old.example", "/a/b", "301 https://www.example/a/b"),
            ("OLD.Example:8080", "/file.html", "301 https://www.example/file.html"),
            ("old.example", "/", "301 https://www.example/"),
            ("old.example.org", "/", b"start"), ("xold.example", "/", b"start"),
            ("www.example", "/a/b", MISSING), ("blog.example", "/x", "302 /new"),
            ("blog.example:443", "/x/", "302 /new"), ("www.example", "/x", MISSING),
            ("blog.example", "/file", b"file"), ("blog.example", "/", "302 /page"),
            ("www.example", "/", b"start"), ("a.example", "/who", "302 /new?a"),
            ("b.example", "/who", "302 /new?any"), ("b.example", "/late", "302 /new"),
            ("a.example", "/late", MISSING)))

    def test_the_first_that_matches(self):
        client = self.serve_rules(
            "/a/special /one\n/a/* /two/:splat\n/a/late /three\n/a/:x /four\n"
            "/same /first\n/same /last\n/b/* /index.html 200\n/b/x /new\n/b/x.js /new.js\n")
        self.expect_rows(client, (
            ("/a/special", "301 /one"), ("/a/late", "301 /two/late"),
            ("/a/other", "301 /two/other"), ("/same", "301 /last"), ("/b/x", b"start"),
            ("/b/y", b"start"), ("/b/x.js", "301 /new.js")))
        self.expect_warnings(self.packed, (5,), "_redirects")

    def test_how_a_file_may_be_written(self):
        client = self.serve_rules(
            "\ufeff# comment\r\n\r\n  /a\t/new   302  \r\n/b /new # comment\r\n"
            "/c /new 302 # comment\r\n\t# /d /new\r\n/caf%C3%A9 /new\r\n"
            "/tea/ü /new\r\n/e /new 302")
        self.expect_rows(client, (
            ("/a", "302 /new"), ("/b", "301 /new"), ("/c", "302 /new"), ("/d", MISSING),
            ("/caf%C3%A9", "301 /new"), ("/tea/%C3%BC", "301 /new"), ("/e", "302 /new")))
        self.expect_warnings(self.packed, (), "_redirects")


class TestCloudflareRedirects(RulesCase):
    def test_statuses_and_targets(self):
        client = self.serve_rules(
            "/s0 /new\n/s301 /new 301\n/s303 /new 303\n/s307 /new 307\n/s308 /new 308\n"
            "/s200 /page.html 200\n/s200c /page 200\n/away https://other.example/x 301\n"
            "/query /new?a=1\n/hash /new#part\nbare /new\n/slashes //evil.example/x\n",
            dialect="cloudflare")
        self.expect_rows(client, (
            ("/s0", "302 /new"), ("/s301", "301 /new"), ("/s303", "303 /new"),
            ("/s307", "307 /new"), ("/s308", "308 /new"), ("/s200", b"page"), ("/s200c", b"page"),
            ("/away", "301 https://other.example/x"), ("/query", "302 /new?a=1"),
            ("/query?b=2", "302 /new?a=1"), ("/hash", "302 /new#part"), ("/s0?b=2", "302 /new?b=2"),
            ("/hash?b=2", "302 /new?b=2#part"), ("/bare", "302 /new"),
            ("/slashes", "302 /evil.example/x")))
        self.expect_warnings(self.packed, (), "_redirects")

    def test_a_rule_wins_over_a_file(self):
        client = self.serve_rules(
            "/file /new\n/app.js /new.html 200\n/blog/* /new\n/folder/ /page 301\n",
            dialect="cloudflare")
        self.expect_rows(client, (
            ("/file", "302 /new"), ("/file.html", b"file"), ("/app.js", b"new"),
            ("/blog/first.html", "302 /new"), ("/blog/first", "302 /new"),
            ("/blog/none", "302 /new"), ("/folder/", "301 /page"), ("/folder", "301 /folder/")))

    def test_patterns_are_exact(self):
        client = self.serve_rules(
            "/a /new\n/b/ /new\n/s/* /t/:splat\n/m/*/end /n/:splat\n/i-:id.html /j/:id\n"
            "/p/:x/:y /q/:y/:x\n/Upper /new\n/z/:a/* /:splat/:a\n/y/* /:splat/y\n"
            "/api/* /blog/:splat 200\n", dialect="cloudflare")
        self.expect_rows(client, (
            ("/a", "302 /new"), ("/a/", MISSING), ("/b/", "302 /new"), ("/b", MISSING),
            ("/s/x/y", "302 /t/x/y"), ("/s/", "302 /t/"), ("/s", MISSING),
            ("/m/1/2/end", "302 /n/1/2"), ("/m/1/2", MISSING), ("/i-7.html", "302 /j/7"),
            ("/i-7/8.html", MISSING), ("/p/1/2", "302 /q/2/1"), ("/p/1/2/3", MISSING),
            ("/Upper", "302 /new"), ("/upper", MISSING), ("/z/k/l", "302 /l/k"),
            ("/y/a", "302 /a/y"), ("/api/first", b"first"), ("/api/none", MISSING)))

    def test_order_duplicates_and_comments(self):
        client = self.serve_rules(
            "/a/special /one\n/a/* /two/:splat\n/a/late /three\n/same /first\n/same /last\n"
            "/c /new # comment\n/d /new 301 # comment\n/e /new#frag 301 # x\n",
            dialect="cloudflare")
        self.expect_rows(client, (
            ("/a/special", "302 /one"), ("/a/late", "302 /two/late"), ("/same", "302 /first"),
            ("/c", "302 /new"), ("/d", "301 /new"), ("/e", "301 /new#frag")))
        self.expect_warnings(self.packed, (5,), "_redirects")


class TestBothRedirects(RulesCase):
    def test_fallback(self):
        for dialect in BOTH:
            for policy in URL_ROWS:
                with self.subTest(dialect=dialect, policy=policy):
                    client = self.serve_rules("/old /new 301\n/* /index.html 200\n",
                                              dialect=dialect, options=("--urls", policy),
                                              name=f"{dialect}-{policy}")
                    self.expect_rows(client, (
                        ("/deep/link", b"start"), ("/deep/link/", b"start"), ("/", b"start"),
                        ("/old", "301 /new"), ("/app.js", b"script"), ("/folder/", b"folder"),
                        ("/missing.js", MISSING), ("/img/missing.png", MISSING)))
                    self.assertEqual(client.get("/a/b", fields=NAVIGATION)["Cache-Control"], HTML)
                    response = client.get("/data", fields="Accept: application/json\r\n")
                    self.expect_answer(response, MISSING, "/data")
                    response = client.get("/data", fields="Sec-Fetch-Mode: cors\r\n")
                    self.expect_answer(response, MISSING, "/data")

    def test_rewrites_under_every_policy(self):
        for dialect in BOTH:
            for policy in URL_ROWS:
                client = self.serve_rules(
                    "/r1 /page.html 200\n/r2 /folder/index.html 200\n/r3/* /page.html 200\n"
                    "/r4/* /blog/:splat 200\n/r5 /folder 200\n/r6/:x /:x 200\n",
                    dialect=dialect, options=("--urls", policy), name=f"{dialect}-{policy}")
                with self.subTest(dialect=dialect, policy=policy):
                    self.expect_rows(client, (
                        ("/r1", b"page"), ("/r2", b"folder"), ("/r3/x", b"page"),
                        ("/r4/first.html", b"first"), ("/r5", b"folder"), ("/r6/folder", b"folder"),
                        ("/r4/none.html", MISSING)))

    def test_nothing_gets_into_the_head(self):
        for dialect in BOTH:
            status = 301 if dialect == "netlify" else 302
            client = self.serve_rules("/s/* /t/:splat\n/p/:x /q?x=:x\n"
                                      "/h/* https://o.example/:splat\n"
                                      "/open/* /:splat\n/v/* /:splat/:splat\n",
                                      "/*\n  X-Tell: is :splat\n", dialect=dialect)
            for target, location in (
                    ("/s/%0d%0aX-Evil:%201", "/t/%0D%0AX-Evil:%201"),
                    ("/s/%0D%0A%0D%0A<script>", None), ("/p/%0aX-Evil:%201", "/q?x=%0AX-Evil:%201"),
                    ("/h/%0d%0aX-Evil:%201", "https://o.example/%0D%0AX-Evil:%201"),
                    ("/s/%7f%1b", "/t/%7F%1B"), ("/open//evil.example", "/evil.example"),
                    ("/open///evil.example/..", "/"), ("/open/./evil.example", "/evil.example"),
                    ("/open/http://evil.example", "/http:/evil.example"),
                    ("/open/%5Cevil.example", "/%5Cevil.example"),
                    ("/open/%09/evil.example", "/%09/evil.example"),
                    ("/open/@evil.example", "/@evil.example"), ("/open/", "/"),
                    ("/v/", "/"), ("/open/a%3F%23%25", "/a%3F%23%25")):
                with self.subTest(dialect=dialect, target=target):
                    response = client.get(target)
                    self.assertNotIn("x-evil", response.fields)
                    if location is None:
                        self.assertIn(response.status, (status, 400))
                    else:
                        self.expect_answer(response, f"{status} {location}", target)
            for target in ("/open/%2Fevil.example", "/open/%2F%2Fevil.example", "/s/a%2Fb"):
                with self.subTest(dialect=dialect, target=target):
                    self.expect_answer(client.get(target), MISSING, target)
            self.assertEqual(client.get("/s/%00").status, 400)
            response = client.get("/none/%0d%0aX-Evil:%201")
            self.assertEqual(response.status, 404)
            self.assertNotIn("x-evil", response.fields)

    def test_nothing_gets_into_the_head_from_the_query(self):
        client = self.serve_rules("/go to=:to /:to 302\n/say a=:a b=:b /x?a=:a&b=:b 302\n"
                                  "/host h=:h https://:h.example/ 302\n")
        for query, location in (("to=/evil.example", "/evil.example"),
                                ("to=//evil.example", "/evil.example"),
                                ("to=%2F%2Fevil.example", "/evil.example"),
                                ("to=%5Cevil.example", "/%5Cevil.example"),
                                ("to=/%5Cevil.example", "/%5Cevil.example")):
            with self.subTest(query):
                self.expect_answer(client.get(f"/go?{query}"), f"302 {location}", "/go")
        for query in ("to=%0d%0aX-Evil:1", "to=a%0d%0a%0d%0ab", "to=%00"):
            with self.subTest(query):
                response = client.get(f"/go?{query}")
                self.assertNotIn("x-evil", response.fields)
                self.assertIn(response.status, (302, 404))
        self.expect_answer(client.get("/say?a=1%262&b=%23x"), "302 /x?a=1%262&b=%23x", "/say")

    def test_fields_of_a_redirect(self):
        for dialect in BOTH:
            client = self.serve_rules("/exact /new\n/wild/* /new\n", dialect=dialect)
            for target in ("/exact", "/wild/x", "/folder"):
                with self.subTest(dialect=dialect, target=target):
                    response = client.get(target)
                    self.assertEqual(response["Cache-Control"], HTML)
                    self.assertIsNone(response["ETag"])
                    again = client.get(target, fields="If-None-Match: *\r\n")
                    self.assertEqual(again.status, response.status)

    def test_what_cannot_be_done_is_refused(self):
        good = "# one\n/old /new\n"
        rows = (
            ("netlify", "/a /b 302 Country=us"), ("netlify", "/a /b 302 country=us,ca"),
            ("netlify", "/a /b 302 Language=en"), ("netlify", "/a /b Role=admin"),
            ("netlify", "/a /b 200 Cookie=x"), ("netlify", "/api/* https://api.example/:splat 200"),
            ("netlify", "/api/* https://api.example/:splat 200!"),
            ("netlify", "/a https://api.example/ 404"),
            ("cloudflare", "/a https://api.example 200"),
            ("netlify", "/loop1 /loop2 301\n/loop2 /loop1 301"),
        )
        for dialect, line in rows:
            with self.subTest(dialect=dialect, line=line):
                files = {**SITE, "_redirects": f"{good}{line}\n"}
                done = self.pack_site(files, "--dialect", dialect, expect=1)
                self.assertIn("_redirects:3: ", done.err)
                self.assertEqual(done.out, "")
                self.assertFalse((self.folder / "site.idx").exists())

    def test_what_leads_to_itself(self):
        """Passed over or refused, but never a redirect that a browser follows for ever."""
        for dialect in BOTH:
            for line in ("/a /a", "/a /a 302", "/l/* /l/:splat", "/l/:x /l/:x",
                         "/l/* /l/:splat 308"):
                with self.subTest(dialect=dialect, line=line):
                    done = self.pack_site({**SITE, "_redirects": f"{line}\n"}, "--dialect", dialect,
                                          expect=None)
                    self.assertIn("_redirects:1: ", done.err)
                    self.assertIn(done.returncode, (0, 1))
                    if done.returncode == 0:
                        with cairn.Server(self.folder / "site.idx", workers=1) as server:
                            for target in ("/a", "/l/x"):
                                self.assertEqual(server.get(target).status, 404)

    def test_what_is_not_understood_is_passed_over(self):
        rows = (
            ("netlify", "/a"), ("netlify", "/a b"), ("netlify", "a /b"), ("netlify", "/a /b 299"),
            ("netlify", "/a /b 301 what"), ("netlify", "/a /b abc"), ("netlify", "/a 301"),
            ("netlify", "/.netlify/x /b"), ("netlify", "/a%zz /b"), ("netlify", "/a =x /b"),
            ("netlify", "http:///a /b"), ("netlify", "/a /b 30100"), ("netlify", "/a/%0d /b"),
            ("netlify", "/a /none.html 200"),
            ("cloudflare", "/a"), ("cloudflare", "/a b"), ("cloudflare", "/a /b 301 x"),
            ("cloudflare", "/a /b 404"), ("cloudflare", "/a /b 301!"), ("cloudflare", "/a /b 3x"),
            ("cloudflare", "/*/a/* /b"), ("cloudflare", "https://a.example/x /b"),
            ("cloudflare", "/a/:splat /b"),
        )
        for number, (dialect, line) in enumerate(rows):
            with self.subTest(dialect=dialect, line=line):
                files = {**SITE, "_redirects": f"# one\n\n{line}\n/good /new 301\n"}
                client = self.serve(files, "--dialect", dialect, name=f"site{number}")
                self.expect_warnings(self.packed, (3,), "_redirects")
                self.expect_rows(client, (("/good", "301 /new"), ("/a", MISSING)))
                done = self.pack_site(files, "--dialect", dialect, "--strict", name="strict",
                                      expect=1)
                self.assertIn("_redirects:3: ", done.err)

    def test_shadowed_is_no_mistake(self):
        files = {**SITE, "_redirects": "/file /new 301\n/a/* /new\n/a/b /new\n"}
        self.expect_warnings(self.pack_site(files, "--strict"), (), "_redirects")

    def test_rule_files_are_not_served(self):
        rules = {"_redirects": "/old /new\n", "_headers": "/*\n  X-A: 1\n", "_routes.json": "{}",
                 "sub/_headers": b"an ordinary file", "sub/_redirects": b"another"}
        for dialect, status in (("netlify", 301), ("cloudflare", 302)):
            client = self.serve({**SITE, **rules}, "--dialect", dialect, name=dialect)
            self.expect_rows(client, (
                ("/_redirects", MISSING), ("/_headers", MISSING), ("/_routes.json", MISSING),
                ("/%5Fheaders", MISSING), ("/sub/_headers", b"an ordinary file"),
                ("/sub/_redirects", b"another"), ("/old", f"{status} /new")))

    def test_45000_rules(self):
        for dialect, status in (("netlify", 301), ("cloudflare", 302)):
            lines = [f"/old/{number}/page-{number}.html /new/{number}" for number in range(45_000)]
            client = self.serve_rules("\n".join(lines) + "\n/many/* /few/:splat\n", dialect=dialect)
            self.expect_warnings(self.packed, (), "_redirects")
            for number in (0, 1, 777, 22_500, 44_998, 44_999):
                self.expect_rows(client, ((f"/old/{number}/page-{number}.html",
                                           f"{status} /new/{number}"),))
            self.expect_rows(client, (("/old/45000/page-45000.html", MISSING), ("/", b"start"),
                                      ("/many/x", f"{status} /few/x")))

    def test_many_rules_with_patterns(self):
        lines = [f"/p{number}/:a/*  /q{number}/:a/:splat" for number in range(3_000)]
        for dialect, status in (("netlify", 301), ("cloudflare", 302)):
            client = self.serve_rules("\n".join(lines), dialect=dialect)
            self.expect_rows(client, [(f"/p{number}/x/y/z", f"{status} /q{number}/x/y/z")
                                      for number in (0, 1500, 2999)] + [("/p3000/x/y", MISSING)])


# ---- _headers ----


class HeadersCase(RulesCase):
    def expect_fields(self, client, rows):
        """Rows of target, and what each of some fields has to be (None: not there)."""
        for target, wants in rows:
            for method in ("GET", "HEAD"):
                with self.subTest(target, method=method):
                    response = client.get(target, method)
                    got = {name: response[name] for name in wants}
                    self.assertEqual(got, wants)


class TestNetlifyHeaders(HeadersCase):
    def test_which_paths(self):
        client = self.serve_rules(None, (
            "/*\n  X-All: 1\n/file\n  X-File: 1\n/FOLDER/\n  X-Folder: 1\n/folder/*\n  X-Sub: 1\n"
            "/*.js\n  X-Js: 1\n/blog/:slug\n  X-Blog: of :slug\n/docs/*/x\n  X-Deep: 1\n"
            "/a/*/c/*\n  X-Two: 1\n"))
        self.expect_fields(client, (
            ("/", {"X-All": "1", "X-File": None, "X-Js": None}), ("/file", {"X-File": "1"}),
            ("/file.html", {"X-All": "1", "X-File": None}),
            ("/folder/", {"X-Folder": "1", "X-Sub": "1"}),
            ("/folder/index.html", {"X-Folder": None, "X-Sub": "1"}),
            ("/folder", {"X-All": "1", "X-Sub": "1"}), ("/app.js", {"X-All": "1", "X-Js": "1"}),
            ("/blog/first", {"X-Blog": "of :slug"}), ("/blog/first.html", {"X-Blog": "of :slug"}),
            ("/docs/guide", {"X-Deep": None, "X-All": "1"}),
            ("/none", {"X-All": "1", "X-Js": None}), ("/none/x.js", {"X-All": "1", "X-Js": "1"}),
            ("/docs/1/2/x", {"X-Deep": "1"}), ("/a/b/c/d", {"X-Two": "1"}),
            ("/a/b/d", {"X-Two": None})))
        self.expect_warnings(self.packed, (), "_headers")

    def test_merging(self):
        client = self.serve_rules(None, (
            "/*\n  X-A: all\n  X-B: all\n  X-Twice: 1\n  X-Twice: 2\n  X-Gone: 1\n"
            "/file\n  x-a: file\n  Content-Type: text/x-file\n/page\n  ! X-Gone\n"
            "  ! Cache-Control\n"))
        self.expect_fields(client, (
            ("/", {"X-A": "all", "X-B": "all", "X-Twice": "1, 2", "X-Gone": "1"}),
            ("/file", {"X-A": "file", "X-B": "all", "Content-Type": "text/x-file",
                       "X-Content-Type-Options": "nosniff"}),
            ("/page", {"X-Gone": None, "Cache-Control": None, "X-A": "all"})))

    def test_merging_where_nothing_is(self):
        client = self.serve_rules("/wild/* /new 302\n", (
            "/*\n  X-A: all\n  X-Gone: 1\n/wild/*\n  X-A: wild\n/sub/*\n  ! X-Gone\n  X-B: b\n"))
        self.expect_fields(client, (
            ("/none", {"X-A": "all", "X-Gone": "1", "X-B": None}),
            ("/wild/x", {"X-A": "wild", "X-Gone": "1", "Location": "/new"}),
            ("/sub/x", {"X-A": "all", "X-Gone": None, "X-B": "b"})))


class TestCloudflareHeaders(HeadersCase):
    def test_which_paths(self):
        client = self.serve_rules(None, (
            "/*\n  X-All: 1\n/file\n  X-File: 1\n/folder\n  X-Bare: 1\n/folder/\n  X-Folder: 1\n"
            "/*.js\n  X-Js: is :splat\n/blog/:slug\n  X-Blog: of :slug\n/Page\n  X-Page: 1\n"
            "/d*e.html\n  X-Mid: [:splat]\n"), dialect="cloudflare")
        self.expect_fields(client, (
            ("/", {"X-All": "1", "X-File": None}), ("/file", {"X-File": "1"}),
            ("/file.html", {"X-All": "1", "X-File": None}),
            ("/folder/", {"X-Folder": "1", "X-Bare": None}),
            ("/folder", {"X-Folder": None, "X-Bare": "1"}), ("/app.js", {"X-Js": "is app"}),
            ("/blog/first", {"X-Blog": "of first"}), ("/page", {"X-Page": None, "X-All": "1"}),
            ("/docs/guide.html", {"X-Mid": "[ocs/guid]"}), ("/none.js", {"X-Js": "is none"}),
            ("/blog/a%0d%0ab", {"X-Blog": "of a%0D%0Ab"})))
        self.expect_warnings(self.packed, (), "_headers")

    def test_merging(self):
        client = self.serve_rules("/wild/* /new 302\n/exact /new 302\n", (
            "/*\n  X-A: all\n  X-Gone: 1\n  Cache-Control: max-age=5\n"
            "/f*\n  X-A: f\n  Cache-Control: public\n/page\n  ! X-Gone\n"
            "/new\n  ! Cache-Control\n  Cache-Control: no-store\n/wild/*\n  ! X-Gone\n"
            "/*act\n  X-A: act\n"), dialect="cloudflare")
        self.expect_fields(client, (
            ("/", {"X-A": "all", "X-Gone": "1", "Cache-Control": "max-age=5"}),
            ("/file", {"X-A": "all, f", "Cache-Control": "max-age=5, public"}),
            ("/page", {"X-A": "all", "X-Gone": None}), ("/new", {"Cache-Control": "no-store"}),
            ("/wild/x", {"X-A": "all", "X-Gone": None, "Location": "/new"}),
            ("/exact", {"X-A": "all, act", "X-Gone": "1"})))

    def test_joined_where_nothing_is(self):
        client = self.serve_rules(None, "/*\n  X-A: all\n/n*\n  X-A: n\n", dialect="cloudflare")
        self.expect_fields(client, (("/none", {"X-A": "all, n"}), ("/other", {"X-A": "all"})))

    def test_captures_that_are_long(self):
        """What a client sends does not make an answer that cannot be given."""
        for lines in (1, 2, 10):
            self.serve_rules("/r/* /t/:splat\n", "/*\n" + "".join(
                f"  X-{line}: <https://www.example/:splat>\n" for line in range(lines)),
                dialect="cloudflare", name=f"lines-{lines}")
            self.expect_long(lines)

    def expect_long(self, lines):
        for target, statuses in (("/" + "a" * 4000, (404,)), ("/" + "%20" * 2600, (404,)),
                                 ("/r/" + "a" * 4000, (302,)), ("/r/" + "%20" * 2600, (302, 404))):
            with self.subTest(target[:6], lines=lines):
                with self.server.client() as client:
                    self.assertIn(client.get(target).status, statuses)

    def test_hosts(self):
        headers = ("https://www.example/*\n  X-Www: 1\nhttps://:sub.pages.example/*\n"
                   "  X-Robots-Tag: noindex\n/file\n  X-File: 1\n")
        for host, fields in (("www.example", {"X-Www": "1", "X-Robots-Tag": None}),
                             ("WWW.Example", {"X-Www": "1", "X-Robots-Tag": None}),
                             ("a.pages.example", {"X-Www": None, "X-Robots-Tag": "noindex"}),
                             ("other.example", {"X-Www": None, "X-Robots-Tag": None})):
            client = self.serve_rules(None, headers, dialect="cloudflare", name=host,
                                      options=("--host", host))
            with self.subTest(host):
                self.expect_fields(client, (("/file", {**fields, "X-File": "1"}),
                                            ("/none", fields)))
        done = self.pack_site({**SITE, "_headers": headers}, "--dialect", "cloudflare", expect=1)
        self.assertIn("_headers:1: ", done.err)


class TestBothHeaders(HeadersCase):
    def test_what_a_304_has(self):
        for dialect in BOTH:
            client = self.serve_rules(None, (
                "/*\n  X-A: 1\n  Content-Language: en\n  Content-Security-Policy: default-src *\n"
                "  Cache-Control: max-age=9\n  Vary: Origin\n"), dialect=dialect,
                files={**SITE, "big.txt": b"text " * 999})
            for target, vary in (("/file", "Origin"), ("/big.txt", "Accept-Encoding, Origin")):
                with self.subTest(dialect=dialect, target=target):
                    full = client.get(target)
                    self.assertEqual(full["Content-Language"], "en")
                    self.assertEqual(full["Vary"], vary)
                    again = client.get(target, fields=f"If-None-Match: {full['ETag']}\r\n")
                    self.assertEqual(again.status, 304)
                    for name in ("X-A", "Content-Security-Policy", "Cache-Control", "Vary"):
                        self.assertEqual(again[name], full[name])
                    self.assertIsNone(again["Content-Language"])

    def test_vary_cannot_be_lost(self):
        for dialect in BOTH:
            with self.subTest(dialect):
                client = self.serve_rules(None, "/*\n  ! Vary\n", dialect=dialect,
                                          files={**SITE, "big.txt": b"text " * 999})
                self.assertIn("Accept-Encoding", client.get("/big.txt")["Vary"] or "")

    def test_answers_that_are_no_file(self):
        """Fields for a pattern are on each of them, once; how long they are kept is not the rule's
        to say, nor what they are."""
        redirects = "/gone 410\n/hidden /page.html 404\n/exact /new 302\n/wild/* /new 302\n"
        headers = ("/*\n  X-Frame-Options: DENY\n  X-Content-Type-Options: nosniff\n"
                   "  Content-Language: en\n  Vary: Origin\n  Cache-Control: max-age=31536000\n"
                   "/n*\n  Content-Type: text/x-wrong\n")
        for page in (True, False):
            files = {name: body for name, body in SITE.items() if page or name != "404.html"}
            files["big/404.html"] = b"text " * 999
            client = self.serve_rules(redirects, headers, files=files, name=f"page-{page}")
            for target, status in (("/none", 404), ("/gone", 410), ("/hidden", 404),
                                   ("/big/none", 404), ("/folder", 301), ("/exact", 302),
                                   ("/wild/x", 302), ("/%2f", 404)):
                with self.subTest(page=page, target=target):
                    response = client.get(target)
                    self.assertEqual(response.status, status)
                    if target != "/%2f":
                        self.assertEqual(response["X-Frame-Options"], "DENY")
                    if status >= 400:
                        self.assertEqual(response["Cache-Control"], "no-store")
                        self.assertNotEqual(response["Content-Type"], "text/x-wrong")

    def test_rewritten_pages_have_fields(self):
        for dialect in BOTH:
            with self.subTest(dialect):
                client = self.serve_rules("/r /page.html 200\n/w/* /page.html 200\n",
                                          "/*\n  X-A: 1\n", dialect=dialect)
                self.expect_fields(client, (("/r", {"X-A": "1"}), ("/w/x", {"X-A": "1"}),
                                            ("/none", {"X-A": "1"})))

    def test_what_is_refused(self):
        for dialect in BOTH:
            done = self.pack_site({**SITE, "_headers": "/x\n  X-A: 1\n  Basic-Auth: me:secret\n"},
                                  "--dialect", dialect, expect=1)
            self.assertIn("_headers:3: ", done.err)
            self.assertNotIn("secret", done.err)

    def test_what_is_passed_over(self):
        rows = (
            ("both", "X-Early: 1\n/*", 1), ("both", "/*\n  Content-Length: 5", 2),
            ("both", "/*\n  transfer-encoding: chunked", 2), ("both", "/*\n  ETag: \"a\"", 2),
            ("both", "/*\n  Location: /evil", 2), ("both", "/*\n  Content-Encoding: br", 2),
            ("both", "/*\n  Bad Name: x", 2), ("both", "/*\n  : x", 2), ("both", "/*\n  X-B:", 2),
            ("both", "/*\n  X-B: a\x01b", 2), ("both", "/*\n  nonsense", 2),
            ("both", "/nothing\n/*", 1), ("both", "/*\n  ! Content-Length", 2),
            ("both", "/a%zz\n  X-B: 1\n/*", 1), ("both", "/*\n  X-B: a\rb", 2),
            ("cloudflare", "/a/*/b/*\n  X-B: 1\n/*", 1),
            ("cloudflare", "https://a.example:80/x\n  X-B: 1\n/*", 1),
            ("cloudflare", "ftp://a.example/x\n  X-B: 1\n/*", 1),
        )
        for number, (dialect, text, line) in enumerate(rows):
            for each in BOTH if dialect == "both" else (dialect,):
                with self.subTest(dialect=each, text=text):
                    files = {**SITE, "_headers": f"{text}\n  X-Good: 1\n"}
                    client = self.serve(files, "--dialect", each, name=f"site{number}-{each}")
                    self.expect_warnings(self.packed, (line,), "_headers")
                    self.expect_fields(client, (
                        ("/", {"X-Good": "1", "X-B": None, "X-Early": None, "Location": None,
                               "Content-Encoding": None, "Content-Length": "5",
                               "Transfer-Encoding": None}),))
                    done = self.pack_site(files, "--dialect", each, "--strict", name="strict",
                                          expect=1)
                    self.assertIn(f"_headers:{line}: ", done.err)

    def test_how_a_file_may_be_written(self):
        headers = ("\ufeff# comment\r\n/*\r\n# another\r\nX-A:1\r\n\r\n\tX-B :  two: parts  \r\n"
                   "  X-C: a#b\r\n  X-D: ü\r\n/caf%C3%A9\r\n  X-E: 1")
        for dialect in BOTH:
            client = self.serve_rules(None, headers, dialect=dialect,
                                      files={**SITE, "café": b"coffee"})
            with self.subTest(dialect):
                self.assertEqual(self.packed.err.count("warning"), 0, self.packed.err)
                response = client.get("/caf%C3%A9")
                self.assertEqual([response[f"X-{letter}"] for letter in "ABCDE"],
                                 ["1", "two: parts", "a#b", "ü".encode().decode("latin-1"), "1"])

    def test_many_rules(self):
        headers = "".join(f"/p{number}/*\n  X-N: {number}\n" for number in range(3_000))
        for dialect in BOTH:
            client = self.serve_rules(None, headers, dialect=dialect,
                                      files={**SITE, "p7/x.txt": b"x", "p2999/x.txt": b"x"})
            self.expect_fields(client, (
                ("/p7/x.txt", {"X-N": "7"}), ("/p2999/x.txt", {"X-N": "2999"}),
                ("/p2999/none", {"X-N": "2999"}), ("/p3000/none", {"X-N": None})))

    def test_preflight(self):
        """A browser asks by OPTIONS before another site's page may fetch with a field of its own."""
        headers = ("/data/*\n  Access-Control-Allow-Origin: *\n  X-Other: y\n"
                   "  Access-Control-Allow-Headers: X-Token\n")
        for dialect in BOTH:
            client = self.serve_rules(None, headers, dialect=dialect,
                                      files={**SITE, "data/x.json": b"{}", "plain.json": b"{}"})
            answer = client.get("/data/x.json", "OPTIONS")
            self.assertEqual(answer.status, 204)
            self.assertEqual(answer["Access-Control-Allow-Origin"], "*")
            self.assertEqual(answer["Access-Control-Allow-Headers"], "X-Token")
            self.assertIsNone(answer["X-Other"])
            self.assertIsNone(client.get("/plain.json", "OPTIONS")["Access-Control-Allow-Origin"])
            answer = client.get("/data/missing", "OPTIONS")
            self.assertEqual((answer.status, answer["Access-Control-Allow-Origin"]), (404, "*"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

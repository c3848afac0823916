"""A packed site on the wire: which form of a file goes out, how long it may be kept, which URLs
answer, and what answers where nothing is."""
import base64
import gzip
import hashlib
import random
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, TemporaryFolder

MODIFIED_S = 1_600_000_000


def prose(count, seed):
    """Text that compresses like text, and in which zstd finds more than gzip does."""
    chance = random.Random(seed)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(4000)]
    text = " ".join(chance.choices(words, k=count // 12 + 1))
    far = text[:count // 3] + "\n" + text[count // 3:]
    return (far + "\n" + text[:count // 3]).encode()


class SiteCase(TemporaryFolder):
    """Packs small sites, serves them, asks them."""

    def pack_site(self, files, *options, name="site", expect=0):
        """`cairn-pack add` of these files, whatever comes of it."""
        tree = cairn.write_tree(self.folder / f"{name}-tree", files, MODIFIED_S)
        return cairn.run("cairn-pack", "add", *options, tree, self.folder / f"{name}.cairn",
                         expect=expect)

    def serve(self, files, *options, name="site"):
        """A connection to a server of these files. One thread, so that a case starts quickly."""
        self.packed = self.pack_site(files, *options, name=name)
        self.server = Server(self.folder / f"{name}.idx", workers=1)
        self.addCleanup(self.server.__exit__, None)
        client = self.server.client()
        self.addCleanup(client.close)
        return client

    def expect_page(self, response, body, status=200):
        self.assertEqual((response.status, response.body), (status, body))
        self.assertEqual(response["Content-Length"], str(len(body)))

    def expect_answer(self, response, want, target):
        """`want`: bytes of a page with 200, (status, bytes), a status, or "301 /location"."""
        if isinstance(want, bytes):
            self.expect_page(response, want)
        elif isinstance(want, tuple):
            self.expect_page(response, want[1], want[0])
        elif isinstance(want, int):
            self.assertEqual(response.status, want)
            self.assertIsNone(response["Location"])
        else:
            self.assertEqual(f"{response.status} {response['Location']}", want)
            self.assertEqual(response.body, b"")
            self.assertEqual(response["Content-Length"], "0")
        location = response["Location"]
        if location is not None:
            self.assertNotRegex(location, r"^[/\\]{2}")
            self.assertRegex(location, r"^[!-~]+$")
            self.assertNotEqual(location, target)

    def expect_rows(self, client, rows):
        """Rows of target, answer: GET, and HEAD which says the same."""
        for target, want in rows:
            with self.subTest(target):
                response = client.get(target)
                self.expect_answer(response, want, target)
                head = client.get(target, "HEAD")
                self.assertEqual(head.without_date()[:2], response.without_date()[:2])
                self.assertEqual(head.body, b"")


# ---- representations ----

BIG_TEXT = prose(300_000, "big")
FORMS_SITE = {
    "index.html": prose(20_000, "page"),
    "big.txt": BIG_TEXT,
    "same/big.txt": BIG_TEXT,
    "style.css": prose(5_000, "style"),
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'>" + b"<path d='M0 0h9v9z'/>" * 99
                   + b"</svg>",
    "drawing.svgz": gzip.compress(b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 40, mtime=0),
    "photo.png": b"\x89PNG\r\n\x1a\n" + bytes(20_000),
    "photo.jpg": b"\xff\xd8\xff\xe0" + bytes(20_000),
    "clip.mp4": b"clip" + bytes(20_000),
    "font.woff2": b"font" + bytes(20_000),
    "bundle.zip": b"zip" + bytes(20_000),
    "archive.tar.gz": gzip.compress(bytes(200_000), mtime=0),
    "tiny.txt": b"a" * 255,
    "small.txt": b"a" * 256,
    "empty.txt": b"",
    "noise.txt": cairn.noise(20_000, "noise"),
    "unknown.xyzzy": bytes(20_000),
    "unknown-noise.xyzzy": cairn.noise(20_000, "unknown"),
    "404.html": prose(3_000, "nothing"),
}
CODINGS = ("gzip", "br", "zstd")


def decode(coding, body):
    """The bytes that were coded; skips the test, aloud, where the tool for it is missing."""
    if coding is None:
        return body
    if coding == "gzip":
        return gzip.decompress(body)
    tool = {"br": "brotli", "zstd": "zstd"}[coding]
    if shutil.which(tool) is None:
        raise unittest.SkipTest(f"{tool} is not installed: cannot decode {coding}")
    return subprocess.run([tool, "-dc"], input=body, capture_output=True, check=True).stdout


def accept(value):
    return f"Accept-Encoding: {value}\r\n"


class TestForms(SiteCase):
    def setUp(self):
        super().setUp()
        self.client = self.serve(FORMS_SITE)
        self.sizes = {coding: int(self.ask("/big.txt", coding, "HEAD")["Content-Length"])
                      for coding in CODINGS}
        self.smallest = min(CODINGS, key=self.sizes.get)

    def ask(self, target, coding=None, method="GET", more=""):
        return self.client.get(target, method, (accept(coding) if coding else "") + more)

    def test_the_sample_has_all_forms(self):
        self.assertEqual(len(set(self.sizes.values())), 3)
        self.assertLess(max(self.sizes.values()), len(BIG_TEXT) // 2)

    def test_what_is_accepted_decides(self):
        best = self.smallest
        rows = (
            (None, None), ("", None), (" ", None), ("identity", None), ("deflate", None),
            ("compress, deflate", None), ("gzip", "gzip"), ("x-gzip", "gzip"), ("GZip", "gzip"),
            ("br", "br"), ("zstd", "zstd"), ("*", best), ("gzip, deflate, br, zstd", best),
            ("gzip, deflate, br", min("gzip", "br", key=self.sizes.get)),
            ("gzip, zstd", min("gzip", "zstd", key=self.sizes.get)),
            ("br;q=0.5, gzip;q=0.6", "gzip"), ("br;q=1.0, gzip;q=0.6", "br"),
            ("zstd;q=0.1, identity;q=0", "zstd"), ("identity;q=0", None),
            ("identity;q=0, gzip", "gzip"), ("gzip;q=0", None), ("gzip;q=0.000", None),
            ("gzip;q=0.001", "gzip"), ("gzip ; q=0.8 , br ; q=0.7", "gzip"),
            ("gzip;Q=0.8,br;q=0.9", "br"), ("*;q=0", None), ("*;q=0, gzip;q=0.5", "gzip"),
            ("*;q=0.5, br;q=0, gzip;q=0", "zstd"), ("gzip;q=0.5, identity;q=0.9", None),
            ("br;q=2", None), ("br;q=", None), ("br;q=1.5, gzip", "gzip"),
            ("br;q=abc, gzip;q=0.1", "gzip"), (",, ,gzip,,", "gzip"), ("gzipped", None),
            ("gzip/br", None), ("nonsense;;;==, br", "br"),
        )
        for value, coding in rows:
            with self.subTest(accept_encoding=value):
                fields = "" if value is None else accept(value)
                response = self.client.get("/big.txt", fields=fields)
                self.assertEqual((response.status, response["Content-Encoding"]), (200, coding))
                self.assertEqual(response["Vary"], "Accept-Encoding")
                self.assertEqual(decode(coding, response.body) == BIG_TEXT, True)
                self.assertEqual(response["Content-Type"], "text/plain; charset=utf-8")

    def test_field_lines_are_one_list(self):
        response = self.ask("/big.txt", more=accept("gzip;q=0.2") + accept("deflate, zstd"))
        self.assertEqual(response["Content-Encoding"], "zstd")

    def test_each_form_decodes_to_the_file(self):
        for coding in CODINGS:
            for name in ("index.html", "big.txt", "style.css", "drawing.svg"):
                with self.subTest(coding=coding, name=name):
                    response = self.ask(f"/{name}", f"{coding}, identity;q=0")
                    used = response["Content-Encoding"]
                    if coding != "zstd":  # zstd is kept where it is smaller than gzip
                        self.assertEqual(used, coding)
                    self.assertTrue(decode(used, response.body) == FORMS_SITE[name])

    def test_tags_differ_by_form_and_not_by_path(self):
        tags = {coding: self.ask("/big.txt", coding)["ETag"]
                for coding in (*CODINGS, "identity")}
        self.assertEqual(len(set(tags.values())), 4)
        for tag in tags.values():
            self.assertRegex(tag, r'^"[A-Za-z0-9_-]{22}"$')  # strong
        for coding, tag in tags.items():
            self.assertEqual(self.ask("/same/big.txt", coding)["ETag"], tag)

    def test_tags_are_the_same_from_another_archive(self):
        other = self.serve({"elsewhere.txt": BIG_TEXT, "more.txt": b"more\n"}, name="other")
        for coding in (*CODINGS, "identity"):
            self.assertEqual(other.get("/elsewhere.txt", "HEAD", accept(coding))["ETag"],
                             self.ask("/big.txt", coding, "HEAD")["ETag"])

    def test_304_for_the_selected_form_only(self):
        tags = {coding: self.ask("/big.txt", coding)["ETag"] for coding in (*CODINGS, "identity")}
        for asked in tags:
            full = self.ask("/big.txt", asked)
            for coding, tag in tags.items():
                with self.subTest(asked=asked, tag_of=coding):
                    response = self.ask("/big.txt", asked, more=f"If-None-Match: {tag}\r\n")
                    self.assertEqual(response.status, 304 if asked == coding else 200)
                    self.assertEqual(response["ETag"], tags[asked])
                    self.assertEqual(response["Vary"], "Accept-Encoding")
                    self.assertEqual(response["Cache-Control"], full["Cache-Control"])
                    if asked == coding:
                        self.assertIsNone(response["Content-Encoding"])
                        self.assertIsNone(response["Content-Type"])

    def test_head_is_get_for_every_form(self):
        for name in FORMS_SITE:
            for coding in (*CODINGS, "identity", "*"):
                with self.subTest(name=name, coding=coding):
                    get = self.ask(f"/{name}", coding)
                    head = self.ask(f"/{name}", coding, "HEAD")
                    self.assertEqual(head.without_date()[:2], get.without_date()[:2])
                    self.assertEqual(head.body, b"")
                    self.assertEqual(get["Content-Length"], str(len(get.body)))

    def test_what_has_one_form_only(self):
        for name in ("photo.png", "photo.jpg", "clip.mp4", "font.woff2", "bundle.zip",
                     "archive.tar.gz", "tiny.txt", "empty.txt", "noise.txt",
                     "unknown-noise.xyzzy"):
            with self.subTest(name):
                response = self.ask(f"/{name}", "*")
                self.expect_page(response, FORMS_SITE[name])
                self.assertIsNone(response["Content-Encoding"])
                self.assertIsNone(response["Vary"])
                again = self.ask(f"/{name}", more=f"If-None-Match: {response['ETag']}\r\n")
                self.assertEqual((again.status, again["Vary"]), (304, None))

    def test_what_else_has_forms(self):
        for name in ("small.txt", "unknown.xyzzy", "drawing.svg", "style.css"):
            with self.subTest(name):
                response = self.ask(f"/{name}", "gzip")
                self.assertEqual(response["Content-Encoding"], "gzip")
                self.assertTrue(gzip.decompress(response.body) == FORMS_SITE[name])
                self.assertEqual(self.ask(f"/{name}")["Vary"], "Accept-Encoding")

    def test_same_bytes_under_another_type(self):
        """What a name's type says is not undone by another file with the same content."""
        client = self.serve({"data.txt": b"a" * 5000, "clip.mp4": b"a" * 5000}, name="twins")
        self.assertEqual(client.get("/data.txt", fields=accept("gzip"))["Content-Encoding"], "gzip")
        response = client.get("/clip.mp4", fields=accept("gzip"))
        self.assertEqual((response["Content-Encoding"], response["Vary"]), (None, None))

    def test_svgz_is_coded_by_itself(self):
        for coding in (None, "gzip", "identity", "br", "*"):
            with self.subTest(coding):
                response = self.ask("/drawing.svgz", coding)
                self.expect_page(response, FORMS_SITE["drawing.svgz"])
                self.assertEqual(response["Content-Type"], "image/svg+xml")
                self.assertEqual(response["Content-Encoding"], "gzip")
                self.assertIsNone(response["Vary"])

    def test_gz_by_its_own_name_is_a_file(self):
        response = self.ask("/archive.tar.gz", "gzip")
        self.assertEqual(response["Content-Type"], "application/gzip")

    def test_page_for_missing_paths_has_forms(self):
        for coding in (None, *CODINGS):
            with self.subTest(coding):
                response = self.ask("/missing", coding)
                self.assertEqual((response.status, response["Vary"]), (404, "Accept-Encoding"))
                if coding in (None, "gzip", "br"):
                    self.assertEqual(response["Content-Encoding"], coding)
                self.assertTrue(decode(response["Content-Encoding"], response.body)
                                == FORMS_SITE["404.html"])
                self.assertIsNone(response["ETag"])


class TestEffort(SiteCase):
    def test_none(self):
        client = self.serve(FORMS_SITE, "--effort", "none")
        for name in ("index.html", "big.txt", "style.css"):
            with self.subTest(name):
                response = client.get(f"/{name}", fields=accept("gzip, br, zstd, *"))
                self.expect_page(response, FORMS_SITE[name])
                self.assertIsNone(response["Content-Encoding"])
                self.assertIsNone(response["Vary"])

    def test_every_other(self):
        files = {"index.html": FORMS_SITE["index.html"]}
        for effort in ("fast", "default", "max"):
            client = self.serve(files, "--effort", effort, name=effort)
            for coding in ("gzip", "br"):
                with self.subTest(effort=effort, coding=coding):
                    response = client.get("/", fields=accept(coding))
                    self.assertEqual(response["Content-Encoding"], coding)
                    self.assertTrue(decode(coding, response.body) == files["index.html"])

    def test_sidecars(self):
        script = prose(9_000, "script")
        files = {"app.js": script, "app.js.gz": gzip.compress(script, 1, mtime=0),
                 "alone.js.gz": gzip.compress(b"alone", mtime=0)}
        client = self.serve(files, "--sidecars", "--effort", "none")
        response = client.get("/app.js", fields=accept("gzip"))
        self.assertEqual(response["Content-Encoding"], "gzip")
        self.expect_page(response, files["app.js.gz"])
        self.assertEqual(client.get("/app.js")["Vary"], "Accept-Encoding")
        self.assertEqual(client.get("/app.js.gz").status, 404)
        self.expect_page(client.get("/alone.js.gz"), files["alone.js.gz"])
        stale = {**files, "app.js": script + b"// changed\n"}
        self.assertIn("app.js.gz", self.pack_site(stale, "--sidecars", name="stale", expect=1).err)
        client = self.serve(stale, name="without")
        self.expect_page(client.get("/app.js.gz", fields=accept("gzip")), files["app.js.gz"])


# ---- cache policy and fields ----

HTML = "no-cache"
FOREVER = "public, max-age=31536000, immutable"
OTHER = "max-age=300"
CACHE_SITE = {
    "index.html": b"<title>start</title>",
    "about.html": b"<title>about</title>",
    "folder/index.html": b"<title>folder</title>",
    "page.xhtml": b"<html xmlns='http://www.w3.org/1999/xhtml'/>",
    "assets/index-BvN3kQ9x.js": b"1",
    "assets/index-Dk2LmX8q.css": b"2",
    "assets/logo.5f2a9c3be1d04c77.svg": b"<svg/>",
    "_next/static/chunks/main-4f7c2b9a1d3e5f60.js": b"3",
    "app.js": b"4",
    "robots.txt": b"5",
    "photo-2024-03-01.jpg": b"6",
    "jquery-3.7.1.min.js": b"7",
    "docs/report-BvN3kQ9x.html": b"<title>report</title>",
    "404.html": b"nothing",
}


class TestCachePolicy(SiteCase):
    def expect_cache(self, client, rows):
        for target, want in rows:
            with self.subTest(target):
                response = client.get(target)
                self.assertEqual(response["Cache-Control"], want)
                if response.status == 200:
                    again = client.get(target, fields=f"If-None-Match: {response['ETag']}\r\n")
                    self.assertEqual((again.status, again["Cache-Control"]), (304, want))

    def test_by_kind(self):
        self.expect_cache(self.serve(CACHE_SITE), (
            ("/", HTML), ("/index.html", HTML), ("/about", HTML), ("/about/", HTML),
            ("/folder", HTML), ("/folder/", HTML), ("/page.xhtml", HTML),
            ("/docs/report-BvN3kQ9x.html", HTML),
            ("/assets/index-BvN3kQ9x.js", FOREVER), ("/assets/index-Dk2LmX8q.css", FOREVER),
            ("/assets/logo.5f2a9c3be1d04c77.svg", FOREVER),
            ("/_next/static/chunks/main-4f7c2b9a1d3e5f60.js", FOREVER),
            ("/app.js", OTHER), ("/robots.txt", OTHER), ("/photo-2024-03-01.jpg", OTHER),
            ("/jquery-3.7.1.min.js", OTHER),
            ("/missing", "no-store"), ("/assets/index-AAAAAAAA.js", "no-store"),
            ("/404.html", HTML)))

    def test_errors_without_a_page(self):
        client = self.serve({"index.html": b"start"})
        for target, method, status in (("/missing", "GET", 404), ("/%zz", "GET", 400),
                                       ("/", "DELETE", 405)):
            with self.subTest(status):
                response = client.get(target, method)
                self.assertEqual((response.status, response["Cache-Control"]),
                                 (status, "no-store"))

    def test_options(self):
        self.expect_cache(self.serve(
            CACHE_SITE, "--cache", "html=max-age=1", "--cache", "fingerprinted=max-age=2",
            "--cache", "other=private, max-age=3", "--immutable", "photo-*.jpg",
            "--revalidate", "assets/*.css"), (
                ("/", "max-age=1"), ("/about", "max-age=1"), ("/about/", "max-age=1"),
                ("/assets/index-BvN3kQ9x.js", "max-age=2"),
                ("/photo-2024-03-01.jpg", "max-age=2"),
                ("/assets/index-Dk2LmX8q.css", "private, max-age=3"),
                ("/app.js", "private, max-age=3"), ("/missing", "no-store")))

    def test_revalidate_wins(self):
        self.expect_cache(self.serve(CACHE_SITE, "--immutable", "app.js", "--revalidate",
                                     "/app.js"), (("/app.js", OTHER),))

    def test_bad_options(self):
        for option in (("--cache", "pages=no-cache"), ("--cache", "html"), ("--cache", "html="),
                       ("--cache", "html=a\r\nX-Evil: 1"), ("--type", "noequals"),
                       ("--type", "x=a/b\r\nX-Evil: 1"), ("--urls", "pretty"),
                       ("--dialect", "apache"), ("--effort", "11")):
            with self.subTest(option):
                done = self.pack_site(CACHE_SITE, *option, expect=2)
                self.assertIn(option[0], done.err)
                self.assertFalse((self.folder / "site.idx").exists())

    def test_headers_file_decides_last(self):
        rules = ("/app.js\n  Cache-Control: max-age=77\n"
                 "/assets/*\n  Cache-Control: max-age=88\n"
                 "/*.css\n  Cache-Control: no-cache\n")
        self.expect_cache(self.serve({**CACHE_SITE, "_headers": rules}, "--cache", "other=x=1"), (
            ("/app.js", "max-age=77"), ("/assets/index-BvN3kQ9x.js", "max-age=88"),
            ("/assets/index-Dk2LmX8q.css", "no-cache"), ("/robots.txt", "x=1"),
            ("/assets/missing.js", "no-store"), ("/missing.css", "no-store")))

    def test_a_name_that_lied(self):
        """Once it has had other bytes it never is immutable again, in this release or a later."""
        name, other = "assets/index-BvN3kQ9x.js", "assets/index-Dk2LmX8q.css"
        self.pack_site(CACHE_SITE)
        changed = {**CACHE_SITE, name: b"changed"}
        client = self.serve(changed)
        self.assertEqual(client.get(f"/{name}").body, b"changed")
        self.expect_cache(client, ((f"/{name}", OTHER), (f"/{other}", FOREVER)))
        for release in ("third", "fourth"):
            with self.subTest(release):
                files = {**changed, "robots.txt": release.encode()}
                self.expect_cache(self.serve(files), ((f"/{name}", OTHER), (f"/{other}", FOREVER)))
        self.expect_cache(self.serve(CACHE_SITE), ((f"/{name}", OTHER),))


class TestFields(SiteCase):
    def test_nosniff_with_every_body(self):
        for page in (True, False):
            files = {**FORMS_SITE, "_redirects": "/gone 410\n/hidden /404.html 404\n/r /big.txt\n"}
            if not page:
                del files["404.html"]
                files["_redirects"] = "/gone 410\n"
            client = self.serve(files, name=f"page-{page}")
            targets = [f"/{name}" for name in FORMS_SITE]
            targets += ["/missing", "/gone", "/hidden", "/%zz"]
            for target, method in [(target, "GET") for target in targets] + [("/", "POST"),
                                                                             ("/", "HEAD")]:
                with self.subTest(page=page, target=target, method=method):
                    response = client.get(target, method)
                    self.assertEqual(response["X-Content-Type-Options"], "nosniff")
                    self.assertIsNotNone(response["Content-Type"])

    def test_digest_of_each_form(self):
        client = self.serve(FORMS_SITE, "--digest")
        for coding in (None, *CODINGS):
            for target in ("/", "/big.txt", "/photo.png", "/empty.txt"):
                with self.subTest(coding=coding, target=target):
                    response = client.get(target, fields=accept(coding or ""))
                    want = base64.b64encode(hashlib.sha256(response.body).digest()).decode()
                    self.assertEqual(response["Repr-Digest"], f"sha-256=:{want}:")
                    head = client.get(target, "HEAD", accept(coding or ""))
                    self.assertEqual(head["Repr-Digest"], response["Repr-Digest"])
        self.assertIsNone(self.serve(FORMS_SITE, name="without").get("/")["Repr-Digest"])

    def test_types(self):
        files = {"a.html": b"a", "a.js": b"a", "a.wasm": b"a", "a.webmanifest": b"a",
                 "a.unknown": b"a", "noextension": b"a", "A.HTML": b"a", "a.foo": b"a",
                 "a.md": b"a", "a.json": b"a"}
        client = self.serve(files, "--type", "foo=application/x-foo", "--type",
                            ".MD=text/markdown; charset=utf-16", "--type", "json=text/first",
                            "--type", "json=text/last")
        for target, want in (("/a.html", "text/html; charset=utf-8"),
                             ("/a.js", "text/javascript; charset=utf-8"),
                             ("/a.wasm", "application/wasm"),
                             ("/A.HTML", "text/html; charset=utf-8"),
                             ("/a.webmanifest", "application/manifest+json"),
                             ("/a.unknown", "application/octet-stream"),
                             ("/noextension", "application/octet-stream"),
                             ("/a.foo", "application/x-foo"),
                             ("/a.md", "text/markdown; charset=utf-16"),
                             ("/a.json", "text/last")):
            with self.subTest(target):
                self.assertEqual(client.get(target)["Content-Type"], want)

    def test_a_type_that_is_html_is_kept_like_html(self):
        client = self.serve({"a.tpl": b"a"}, "--type", "tpl=text/html")
        self.assertEqual(client.get("/a.tpl")["Cache-Control"], HTML)


# ---- URLs ----

URLS_SITE = {
    "index.html": b"start",
    "file.html": b"file",
    "folder/index.html": b"folder",
    "folder/page.html": b"folder page",
    "both.html": b"both as a page",
    "both/index.html": b"both as a folder",
    "old/index.htm": b"old",
    "bare/page.html": b"bare",
    "bare/data.bin": b"data",
    "odd name ?#%.html": b"odd",
    "odd dir é/index.html": b"odd folder",
    "script.js": b"script",
    "404.html": b"nothing here",
}
MISSING = (404, b"nothing here")
URL_COLUMNS = ("/file", "/file/", "/file.html", "/folder", "/folder/", "/folder/index.html",
               "/both", "/both/", "/both.html", "/both/index.html", "/folder/index")
URL_ROWS = {
    "auto": (b"file", "301 /file", b"file", "301 /folder/", b"folder", b"folder",
             b"both as a page", b"both as a folder", b"both as a page", b"both as a folder", 404),
    "drop-html": (b"file", "301 /file", "301 /file", "301 /folder/", b"folder", "301 /folder/",
                  b"both as a page", b"both as a folder", "301 /both", "301 /both/",
                  "301 /folder/"),
    "slash": ("301 /file/", b"file", "301 /file/", "301 /folder/", b"folder", "301 /folder/",
              "301 /both/", b"both as a folder", b"both as a page", "301 /both/",
              "301 /folder/"),
    "exact": (404, 404, b"file", "301 /folder/", b"folder", b"folder",
              "301 /both/", b"both as a folder", b"both as a page", b"both as a folder",
              404),
}
# what every policy answers
URL_ALWAYS = (
    ("/", b"start"), ("/script.js", b"script"), ("/script", MISSING), ("/script.js/", MISSING),
    ("/old/", b"old"), ("/old", "301 /old/"), ("/bare", MISSING), ("/bare/", MISSING),
    ("/bare/data.bin", b"data"), ("/FILE.html", MISSING), ("/File", MISSING),
    ("/file.htm", MISSING), ("/file.html/", MISSING), ("/.html", MISSING),
    ("/404.html", b"nothing here"), ("/404", MISSING),
    ("/404/", MISSING), ("/odd%20dir%20%C3%A9", "301 /odd%20dir%20%C3%A9/"),
    ("/odd%20dir%20%C3%A9/", b"odd folder"), ("//folder", "301 /folder/"),
    ("/folder//", b"folder"), ("//evil.example/..", b"start"), ("/%2ffolder", MISSING),
    ("/%2f%2fevil.example", MISSING), ("/%5cevil.example", MISSING), ("/missing/..", b"start"),
)


class TestUrls(SiteCase):
    def test_table(self):
        for policy, answers in URL_ROWS.items():
            client = self.serve(URLS_SITE, "--urls", policy, name=policy)
            with self.subTest(policy=policy):
                self.expect_rows(client, zip(URL_COLUMNS, answers))
                self.expect_rows(client, URL_ALWAYS)

    def test_auto_is_what_is_not_said(self):
        self.expect_rows(self.serve(URLS_SITE), zip(URL_COLUMNS, URL_ROWS["auto"]))

    def test_names_that_need_encoding(self):
        clean = "/odd%20name%20%3F%23%25"
        for policy, rows in (
                ("auto", ((clean, b"odd"), (clean + "/", f"301 {clean}"),
                          (clean + ".html", b"odd"))),
                ("drop-html", ((clean, b"odd"), (clean + ".html", f"301 {clean}"))),
                ("slash", ((clean + "/", b"odd"), (clean, f"301 {clean}/"),
                           (clean + ".html", f"301 {clean}/")))):
            with self.subTest(policy):
                self.expect_rows(self.serve(URLS_SITE, "--urls", policy, name=policy), rows)

    def test_query_is_kept(self):
        for policy, answers in URL_ROWS.items():
            client = self.serve(URLS_SITE, "--urls", policy, name=policy)
            for query in ("?", "?a=1&b=%20/%2F", "?//evil.example", "?q=a?b"):
                for target, want in zip(URL_COLUMNS, answers):
                    with self.subTest(policy=policy, target=target + query):
                        if isinstance(want, str):
                            want += query
                        self.expect_answer(client.get(target + query), want, target + query)

    def test_every_redirect_leads_to_a_page_at_once(self):
        for policy in URL_ROWS:
            client = self.serve(URLS_SITE, "--urls", policy, name=policy)
            targets = {f"/{quote(name)}" for name in URLS_SITE}
            targets |= {re.sub(r"(/index)?\.html?$", "", target) for target in targets}
            targets |= {target + "/" for target in targets}
            redirects = 0
            for target in sorted(targets - {""}):
                response = client.get(target)
                with self.subTest(policy=policy, target=target):
                    self.assertIn(response.status, (200, 301, 404))
                    if response.status == 301:
                        redirects += 1
                        self.assertEqual(client.get(response["Location"]).status, 200)
            self.assertGreater(redirects, 2)

    def test_folder_without_its_own_page_stays_missing(self):
        files = {"a/b.html": b"b", "a.txt": b"text"}
        for policy in URL_ROWS:
            with self.subTest(policy):
                self.expect_rows(self.serve(files, "--urls", policy, name=policy),
                                 (("/a", 404), ("/a/", 404), ("/", 404), ("/a.txt", b"text")))

    def test_a_file_without_extension_stands_before_a_page(self):
        files = {"tool": b"the file", "tool.html": b"the page"}
        for policy, rows in (
                ("auto", (("/tool", b"the file"), ("/tool.html", b"the page"))),
                ("drop-html", (("/tool", b"the file"), ("/tool.html", b"the page"))),
                ("slash", (("/tool", b"the file"), ("/tool/", b"the page"),
                           ("/tool.html", "301 /tool/")))):
            with self.subTest(policy):
                self.expect_rows(self.serve(files, "--urls", policy, name=policy), rows)


# ---- missing paths ----


class TestMissing(SiteCase):
    def test_nearest_page(self):
        client = self.serve({
            "index.html": b"start", "404.html": b"top", "docs/404.html": b"docs",
            "docs/index.html": b"docs start", "docs/api/v1/x.html": b"x",
            "docs/api/v2/404.html": b"v2", "blog/post.html": b"post", "docs.txt": b"text"})
        self.expect_rows(client, (
            ("/x", (404, b"top")), ("/docs/x", (404, b"docs")), ("/docs/x/", (404, b"docs")),
            ("/docs/api/x", (404, b"docs")), ("/docs/api/v1/y", (404, b"docs")),
            ("/docs/api/v2/y", (404, b"v2")), ("/docs/api/v2/a/b/c/d/e/f", (404, b"v2")),
            ("/docs/api/v2/", (404, b"v2")), ("/docs/api/v2", (404, b"docs")),
            ("/docs/api/v3/y", (404, b"docs")), ("/blog/x", (404, b"top")),
            ("/blog/post.html/x", (404, b"top")), ("/docsx/y", (404, b"top")),
            ("/Docs/x", (404, b"top")), ("/docs/../x", (404, b"top")),
            ("/docs/api/v2/../x", (404, b"docs")), ("/docs/x.js", (404, b"docs")),
            ("/docs/404.html", b"docs"), ("/docs/404", (404, b"docs"))))

    def test_without_one_at_the_top(self):
        client = self.serve({"index.html": b"start", "docs/404.html": b"docs"})
        self.expect_rows(client, (("/docs/x", (404, b"docs")), ("/docs/a/b/", (404, b"docs"))))
        response = client.get("/x")
        self.assertEqual((response.status, response["Content-Type"]),
                         (404, "text/plain; charset=utf-8"))
        self.assertNotEqual(response.body, b"docs")

    def test_never_304(self):
        client = self.serve({"index.html": b"start", "404.html": b"nothing"})
        tag = client.get("/404.html")["ETag"]
        for fields in (f"If-None-Match: {tag}\r\n", "If-None-Match: *\r\n",
                       "If-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT\r\n"):
            self.expect_page(client.get("/missing", fields=fields), b"nothing", 404)


NAVIGATION = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
SPA_SITE = {
    "index.html": b"app",
    "shell.html": b"shell",
    "about.html": b"about",
    "app.js": b"script",
    "docs/index.html": b"docs",
    "404.html": b"nothing",
}
NAVIGATIONS = (
    ("/deep/link", ""), ("/deep/link/", ""), ("/users/42", NAVIGATION), ("/docs/x", NAVIGATION),
    ("/v1.2/notes", NAVIGATION), ("/user/jane.doe", NAVIGATION), ("/a?b=/c.js", NAVIGATION),
    ("/a", "Accept: */*\r\n"), ("/a", "Accept: TEXT/HTML\r\n"),
    ("/a", "Sec-Fetch-Mode: navigate\r\n"), ("/a", NAVIGATION + "Sec-Fetch-Mode: navigate\r\n"),
)
NOT_NAVIGATIONS = (
    ("/x.js", ""), ("/x.css", NAVIGATION), ("/img/x.png", "Accept: */*\r\n"),
    ("/x.JS", NAVIGATION), ("/x.json", NAVIGATION), ("/assets/chunk-BvN3kQ9x.mjs", ""),
    ("/x.woff2", ""), ("/x.js", "Sec-Fetch-Mode: navigate\r\n"), ("/favicon.ico", NAVIGATION),
    ("/a", "Accept: application/json\r\n"), ("/a", "Accept: image/avif,image/webp\r\n"),
    ("/a", "Sec-Fetch-Mode: cors\r\n"), ("/a", NAVIGATION + "Sec-Fetch-Mode: no-cors\r\n"),
    ("/a", "Accept: */*\r\nSec-Fetch-Mode: same-origin\r\n"),
)


class TestSinglePageApplication(SiteCase):
    def expect_spa(self, client, page):
        for target, fields in NAVIGATIONS:
            with self.subTest(target, fields=fields):
                response = client.get(target, fields=fields)
                self.expect_page(response, page)
                self.assertEqual(response["Content-Type"], "text/html; charset=utf-8")
                self.assertEqual(response["Cache-Control"], HTML)
                head = client.get(target, "HEAD", fields)
                self.assertEqual(head.without_date()[:2], response.without_date()[:2])
        for target, fields in NOT_NAVIGATIONS:
            with self.subTest(target, fields=fields):
                response = client.get(target, fields=fields)
                self.expect_page(response, b"nothing", 404)
                self.assertEqual(response["Cache-Control"], "no-store")

    def test_index(self):
        client = self.serve(SPA_SITE, "--spa")
        self.expect_spa(client, b"app")
        self.expect_rows(client, (
            ("/", b"app"), ("/about", b"about"), ("/about/", "301 /about"), ("/app.js", b"script"),
            ("/docs/", b"docs"), ("/docs", "301 /docs/"), ("/shell", b"shell")))

    def test_another_page(self):
        client = self.serve(SPA_SITE, "--spa=shell.html")
        self.expect_spa(client, b"shell")
        self.expect_page(client.get("/"), b"app")

    def test_under_every_policy(self):
        for policy in URL_ROWS:
            with self.subTest(policy=policy):
                self.expect_spa(self.serve(SPA_SITE, "--spa", "--urls", policy, name=policy),
                                b"app")
                self.expect_spa(self.serve(SPA_SITE, "--spa=shell.html", "--urls", policy,
                                           name=f"{policy}-shell"), b"shell")

    def test_page_with_an_odd_name(self):
        for name in ("an app.html", "100%.html", "what?.html", "é#1.html", "a:b.html"):
            with self.subTest(name):
                files = {name: b"odd app", "404.html": b"nothing"}
                client = self.serve(files, f"--spa={name}", name="odd")
                self.expect_page(client.get("/deep/link"), b"odd app")

    def test_page_that_is_not_there(self):
        done = self.pack_site(SPA_SITE, "--spa=missing.html", expect=1)
        self.assertIn("missing.html", done.err)

    def test_without_it(self):
        client = self.serve(SPA_SITE)
        for target, fields in NAVIGATIONS:
            self.expect_page(client.get(target, fields=fields), b"nothing", 404)

    def test_304_and_other_methods(self):
        client = self.serve(SPA_SITE, "--spa")
        tag = client.get("/deep/link")["ETag"]
        self.assertEqual(client.get("/deep/link", fields=f"If-None-Match: {tag}\r\n").status, 304)
        self.assertEqual(client.get("/deep/link", "POST").status, 405)


# ---- what is not packed ----


class TestLeftOut(SiteCase):
    FILES = {
        "index.html": b"start",
        ".env": b"SECRET=1",
        ".htpasswd": b"me:secret",
        ".git/config": b"[core]",
        "docs/.secret": b"secret",
        "docs/.hidden/page.html": b"hidden",
        "docs/page.html": b"page",
        ".well-known/security.txt": b"Contact: me",
        ".well-known/acme/.token": b"token",
        "docs/.well-known/x.txt": b"x",
        "draft.html": b"draft",
        "notes.txt": b"notes",
        "keep/notes.txt": b"kept",
        "build/app.js.map": b"map",
        "build/app.js": b"app",
        "node_modules/m/index.js": b"module",
        ".cairnignore": "# what stays here\n/draft.html\nnotes.txt\n!keep/notes.txt\n*.map\n"
                        "node_modules/\n",
        "docs/.cairnignore": "old.*\n",
        "docs/old.html": b"old",
        "old.html": b"not old",
    }

    def test_by_name(self):
        self.expect_rows(self.serve(self.FILES), (
            ("/", b"start"), ("/.env", 404), ("/.htpasswd", 404), ("/.git/config", 404),
            ("/docs/.secret", 404), ("/docs/.hidden/page.html", 404), ("/docs/page.html", b"page"),
            ("/.well-known/security.txt", b"Contact: me"), ("/docs/.well-known/x.txt", 404),
            ("/%2eenv", 404), ("/.%65nv", 404), ("/docs/..%2f.env", 404), ("/docs/../.env", 404),
            ("/.cairnignore", 404), ("/docs/.cairnignore", 404), ("/draft.html", 404),
            ("/draft", 404), ("/notes.txt", 404), ("/keep/notes.txt", b"kept"),
            ("/build/app.js.map", 404), ("/build/app.js", b"app"),
            ("/node_modules/m/index.js", 404), ("/docs/old.html", 404), ("/old.html", b"not old")))
        self.assertIn(".env", self.packed.err)

    def test_dotfiles(self):
        self.expect_rows(self.serve(self.FILES, "--dotfiles"), (
            ("/.env", b"SECRET=1"), ("/docs/.secret", b"secret"),
            ("/docs/.hidden/page.html", b"hidden"), ("/docs/.well-known/x.txt", b"x"),
            ("/.well-known/acme/.token", b"token"), ("/.git/config", 404), ("/.cairnignore", 404),
            ("/docs/.cairnignore", 404), ("/draft.html", 404), ("/notes.txt", 404)))


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""HTTP/1.1 on the wire: what a client sees of each answer, however its bytes arrive."""
import email.utils
import re
import selectors
import socket
import struct
import sys
import tempfile
import time
import unittest
from pathlib import Path
from threading import Thread
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, request

MODIFIED_S = 1_600_000_000  # Sun, 13 Sep 2020 12:26:40 GMT
BIG = cairn.noise(20_000_000, "big")
PAGE = "<!doctype html><title>Cairn</title><p>a page\n".encode()
NOT_FOUND = "<!doctype html><title>Nothing here</title>\n".encode()

SITE = {
    "index.html": PAGE,
    "404.html": NOT_FOUND,
    "style.css": "body { margin: 0 }\n",
    "empty.txt": "",
    "big.bin": BIG,
    "middle.bin": cairn.noise(100_000, "middle"),
    "guide/index.html": "<title>guide</title>\n",
    "guide/deep/index.html": "<title>deep</title>\n",
    "plain/file.txt": "no index in this folder\n",
    ".well-known/security.txt": "Contact: mailto:nobody@example.org\n",
    **{f"small/{number}.txt": f"small file {number}\n" * number for number in range(40)},
}

ODD_NAMES = {
    "with space.txt": b"/with%20space.txt",
    "crème brûlée.html": "/cr%C3%A8me%20br%C3%BBl%C3%A9e.html".encode(),
    "日本.txt": b"/%E6%97%A5%E6%9C%AC.txt",
    "100%.txt": b"/100%25.txt",
    "%41.txt": b"/%2541.txt",
    "a+b.txt": b"/a+b.txt",
    "a&b=c;d,e.txt": b"/a&b=c;d,e.txt",
    "what?.txt": b"/what%3F.txt",
    "number#1.txt": b"/number%231.txt",
    "quote\"'.txt": b"/quote%22'.txt",
    "back\\slash.txt": b"/back%5Cslash.txt",
    "three...": b"/three...",
    "~tilde/[x].txt": b"/~tilde/%5Bx%5D.txt",
    "odd ?#%/index.html": b"/odd%20%3F%23%25/",
}
SITE.update({name: f"content of {name}\n" for name in ODD_NAMES})
SITE = {name: content.encode() if isinstance(content, str) else content
        for name, content in SITE.items()}


class Http(unittest.TestCase):
    """One server for all tests of this file, with the site's own page for missing paths."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="cairn-")
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        tree = cairn.write_tree(cls.folder / "tree", SITE, MODIFIED_S)
        cls.index = cairn.pack(tree, cls.folder / "site.cairn")
        cls.server = Server(cls.index, workers=2).__enter__()
        cls.addClassCleanup(cls.server.__exit__, None)

    def client(self, **keywords):
        client = self.server.client(**keywords)
        self.addCleanup(client.close)
        return client

    def expect_page(self, response, content):
        self.assertEqual(response.status, 200)
        self.assertEqual(response.body, content)
        self.assertEqual(response["Content-Length"], str(len(content)))


class TestAnswers(Http):
    def test_200_with_all_its_fields(self):
        response = self.client().get("/index.html")
        self.expect_page(response, PAGE)
        self.assertEqual(response.status_line, "HTTP/1.1 200 OK")
        self.assertEqual(set(response.fields),
                         {"date", "content-type", "x-content-type-options", "accept-ranges",
                          "cache-control", "etag", "last-modified", "content-length"})
        self.assertEqual(response["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(response["Accept-Ranges"], "bytes")
        self.assertEqual(response["Last-Modified"], "Sun, 13 Sep 2020 12:26:40 GMT")
        self.assertRegex(response["ETag"], r'^"[A-Za-z0-9_-]{22}"$')
        self.assertRegex(response["Date"],
                         r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} "
                         r"\d\d:\d\d:\d\d GMT$")

    def test_date_is_now(self):
        before = int(time.time())
        date = email.utils.parsedate_to_datetime(self.client().get("/")["Date"]).timestamp()
        self.assertTrue(before - 1 <= date <= time.time() + 1)

    def test_media_types(self):
        client = self.client()
        self.assertEqual(client.get("/style.css")["Content-Type"], "text/css; charset=utf-8")
        self.assertEqual(client.get("/small/1.txt")["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(client.get("/big.bin", "HEAD")["Content-Type"],
                         "application/octet-stream")

    def test_etags_tell_contents_apart(self):
        client = self.client()
        tags = {client.get(f"/small/{number}.txt", "HEAD")["ETag"] for number in range(40)}
        self.assertEqual(len(tags), 40)
        # /empty.txt and /small/0.txt hold the same: nothing
        self.assertIn(client.get("/empty.txt", "HEAD")["ETag"], tags)

    def test_head_is_get_without_the_body(self):
        client = self.client()
        for target in ("/", "/big.bin", "/empty.txt", "/missing", "/guide", "/plain/", "/%00"):
            with self.subTest(target):
                get = client.get(target)
                head = client.get(target, "HEAD")
                self.assertEqual(head.without_date()[:2], get.without_date()[:2])
                self.assertEqual(head.body, b"")

    def test_empty_file(self):
        self.expect_page(self.client().get("/empty.txt"), b"")

    def test_every_file_of_the_site(self):
        client = self.client()
        for name, content in SITE.items():
            with self.subTest(name):
                self.expect_page(client.get("/" + quote(name)), content)

    def test_large_file_byte_for_byte(self):
        client = self.client()
        for _ in range(2):
            self.expect_page(client.get("/big.bin"), BIG)
        self.expect_page(client.get("/"), PAGE)


class TestConditional(Http):
    def test_304_says_what_a_200_would_without_the_content(self):
        client = self.client()
        page = client.get("/index.html")
        answer = client.get("/index.html", fields=f"If-None-Match: {page['ETag']}\r\n")
        self.assertEqual(answer.status_line, "HTTP/1.1 304 Not Modified")
        self.assertEqual(set(answer.fields),
                         {"date", "accept-ranges", "cache-control", "etag", "last-modified"})
        for name in ("etag", "last-modified", "cache-control"):
            self.assertEqual(answer[name], page[name])
        self.expect_page(client.get("/index.html"), PAGE)  # no body was left behind

    def test_forms_of_if_none_match(self):
        client = self.client()
        tag = client.get("/index.html")["ETag"]
        other = '"AAAAAAAAAAAAAAAAAAAAAA"'
        for value, status in [
                (tag, 304), ("*", 304), (f"W/{tag}", 304), (f"{other}, {tag}", 304),
                (f"{other},{tag}", 304), (f"{other} ,\t W/{tag} ", 304), (f"{tag},{other}", 304),
                (f",, {tag}", 304), (f'"a,b", {tag}', 304), ('""', 200),
                (other, 200), (f"W/{other}", 200), (tag[1:-1], 200), (tag[:-2] + '"', 200),
                (tag.lower() if tag != tag.lower() else tag.upper(), 200), ("", 200),
                (f'"{tag[1:-1]}', 200)]:
            with self.subTest(value):
                answer = client.get("/index.html", fields=f"If-None-Match: {value}\r\n")
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.body, PAGE if status == 200 else b"")

    def test_name_in_any_case_and_in_two_fields(self):
        client = self.client()
        tag = client.get("/")["ETag"]
        for fields in (f"if-none-match: {tag}\r\n", f"IF-NONE-MATCH:{tag}\r\n",
                       f'If-None-Match: "x"\r\nIf-None-Match: {tag}\r\n'):
            self.assertEqual(client.get("/", fields=fields).status, 304)

    def test_head_too(self):
        client = self.client()
        tag = client.get("/")["ETag"]
        self.assertEqual(client.get("/", "HEAD", f"If-None-Match: {tag}\r\n").status, 304)

    def test_not_for_missing_paths_and_redirects(self):
        client = self.client()
        self.assertEqual(client.get("/missing", fields="If-None-Match: *\r\n").status, 404)
        self.assertEqual(client.get("/guide", fields="If-None-Match: *\r\n").status, 301)


class TestFolders(Http):
    def test_folder_with_a_page(self):
        client = self.client()
        for target in ("/", "/index.html"):
            self.expect_page(client.get(target), PAGE)
        for target in ("/guide/", "/guide/index.html", "/guide/?q"):
            self.expect_page(client.get(target), SITE["guide/index.html"])

    def test_301_keeps_the_query(self):
        client = self.client()
        for target, location in [
                ("/guide", "/guide/"), ("/guide?a=1&b=%20c", "/guide/?a=1&b=%20c"),
                ("/guide?", "/guide/?"), ("/guide/deep?x?y=/z", "/guide/deep/?x?y=/z"),
                ("/%67uide", "/guide/"), ("/guide//deep", "/guide/deep/"),
                ("/odd%20%3F%23%25", "/odd%20%3F%23%25/"),
                ("/odd%20%3F%23%25?q=%3F", "/odd%20%3F%23%25/?q=%3F")]:
            with self.subTest(target):
                answer = client.get(target)
                self.assertEqual(answer.status_line, "HTTP/1.1 301 Moved Permanently")
                self.assertEqual(answer["Location"], location)
                self.assertEqual((answer["Content-Length"], answer.body), ("0", b""))
                self.assertEqual(client.get(location).status, 200)

    def test_folder_without_a_page(self):
        client = self.client()
        for target in ("/plain", "/plain/", "/small/", "/.well-known/"):
            self.assertEqual(client.get(target).status, 404, target)

    def test_file_with_a_slash_behind_it(self):
        client = self.client()
        for target in ("/index.html/", "/small/1.txt/", "/empty.txt/"):
            self.assertEqual(client.get(target).status, 404, target)


class TestMissing(Http):
    def test_404_with_the_page_of_the_site(self):
        client = self.client()
        answer = client.get("/no/such/page")
        self.assertEqual(answer.status_line, "HTTP/1.1 404 Not Found")
        self.assertEqual(answer.body, NOT_FOUND)
        self.assertEqual(answer["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(answer["Content-Length"], str(len(NOT_FOUND)))
        self.assertIsNone(answer["ETag"])
        self.assertIsNone(answer["Last-Modified"])
        self.expect_page(client.get("/404.html"), NOT_FOUND)

    def test_404_without_one(self):
        tree = cairn.write_tree(self.folder / "bare", {"index.html": "x", "a/404.html": "no"})
        index = cairn.pack(tree, self.folder / "bare.cairn")
        with Server(index) as server:
            answer = server.get("/missing")
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(answer["Content-Length"], str(len(answer.body)))
        self.assertNotEqual(answer.body, b"")
        self.assertIsNone(answer["ETag"])


class TestPaths(Http):
    def test_odd_names(self):
        client = self.client()
        for name, target in ODD_NAMES.items():
            with self.subTest(name):
                self.expect_page(client.get(target), SITE[name])

    def test_every_byte_may_be_escaped(self):
        client = self.client()
        escaped = "".join(f"%{byte:02x}" if byte != 0x2f else "/" for byte in b"/guide/index.html")
        self.expect_page(client.get(escaped), SITE["guide/index.html"])
        self.expect_page(client.get(escaped.upper()), SITE["guide/index.html"])
        self.expect_page(client.get("/a%2Bb.txt"), SITE["a+b.txt"])

    def test_decoded_once_and_a_plus_is_a_plus(self):
        client = self.client()
        for target in ("/with%2520space.txt", "/with+space.txt", "/100%2525.txt",
                       "/index%252ehtml"):
            self.assertEqual(client.get(target).status, 404, target)

    def test_raw_utf8(self):
        client = self.client()
        self.expect_page(client.get("/日本.txt".encode()), SITE["日本.txt"])

    def test_queries_are_not_part_of_the_path(self):
        client = self.client()
        for target in ("/style.css?v=2", "/style.css?", "/style.css??", "/style.css?a/../b"):
            self.expect_page(client.get(target), SITE["style.css"])

    def test_slashes_and_dot_segments(self):
        client = self.client()
        for target in ("//guide/", "/guide//", "/guide///index.html", "/./guide/", "/guide/./",
                       "/guide/.", "/guide/deep/..", "/guide/deep/../", "/x/../guide/",
                       "/../guide/", "/../../../guide/index.html", "/%2e%2e/guide/",
                       "/guide/deep/%2E%2e/index.html", "/plain/.%2e/guide/", "/%2e/guide/"):
            with self.subTest(target):
                self.expect_page(client.get(target), SITE["guide/index.html"])
        for target in ("//", "/..", "/../", "/guide/..", "/guide/deep/../..", "/."):
            with self.subTest(target):
                self.expect_page(client.get(target), PAGE)

    def test_no_way_out_of_the_site(self):
        client = self.client()
        for target in ("/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                       "/..%2f..%2f..%2fetc/passwd", "/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
                       "/guide/..%2findex.html", "/guide%2findex.html", "/guide%2F",
                       "/..%5c..%5cetc%5cpasswd", "/%252e%252e/etc/passwd", "//etc/passwd",
                       "/site.cairn", "/../site.cairn", "/..%c0%af..%c0%afetc/passwd"):
            with self.subTest(target):
                answer = client.get(target)
                self.assertEqual((answer.status, answer.body), (404, NOT_FOUND))

    def test_hidden_names_that_were_packed(self):
        self.expect_page(self.client().get("/.well-known/security.txt"),
                         SITE[".well-known/security.txt"])

    def test_absolute_form(self):
        client = self.client()
        self.expect_page(client.get("http://elsewhere.example/style.css?x"), SITE["style.css"])
        self.expect_page(client.get("HTTP://elsewhere.example"), PAGE)
        self.expect_page(client.get("http://elsewhere.example?query"), PAGE)

    def test_longest_target(self):
        answer = self.client().get("/" + "x" * 8000)
        self.assertEqual(answer.status, 404)


class TestMethods(Http):
    def test_405_names_the_methods(self):
        for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
            for target in ("/index.html", "/missing"):
                with self.subTest(method=method, target=target):
                    answer = self.server.get(target, method)
                    self.assertEqual(answer.status_line, "HTTP/1.1 405 Method Not Allowed")
                    self.assertEqual(answer["Allow"], "GET, HEAD, OPTIONS")
                    self.assertEqual(answer["Content-Length"], str(len(answer.body)))

    def test_options(self):
        client = self.client()
        for target in ("*", "/", "/style.css", "/guide"):
            answer = client.get(target, "OPTIONS")
            self.assertEqual(answer.status, 204, target)
            self.assertEqual(answer["Allow"], "GET, HEAD, OPTIONS")
            self.assertIsNone(answer["Content-Length"])  # RFC 9110 8.6
        self.assertEqual(client.get("/missing", "OPTIONS").status, 404)

    def test_connect(self):
        self.assertEqual(self.server.get("test.example:443", "CONNECT").status, 405)

    def test_501_for_words_that_are_no_known_method(self):
        for method in ("BREW", "get", "Get", "GETT", "X-1"):
            self.assertEqual(self.server.get("/", method).status, 501, method)


class TestRefusals(Http):
    def expect_refusal(self, data, status):
        """The status, whole and well-formed, and then the end of the connection."""
        with self.subTest(data[:80]):
            client = self.client()
            client.send(data)
            answer = client.read()
            self.assertEqual(answer.status, status)
            self.assertEqual(answer["Connection"], "close")
            self.assertEqual(answer["Content-Length"], str(len(answer.body)))
            self.assertTrue(client.is_closed())
            client.close()

    def test_400_for_bad_request_lines(self):
        host = b"Host: x\r\n\r\n"
        for line in (b"GET\r\n", b"GET /\r\n", b"GET  / HTTP/1.1\r\n", b"GET / HTTP/1.1 \r\n",
                     b" GET / HTTP/1.1\r\n", b"GET /a b HTTP/1.1\r\n", b"GET\t/ HTTP/1.1\r\n",
                     b"GET / HTTP/1.1x\r\n", b"GET / HTTP/11\r\n", b"GET / http/1.1\r\n",
                     b"GET / HTTP/1.\r\n", b"GET / HTTQ/1.1\r\n", b"GET foo HTTP/1.1\r\n",
                     b"GET  HTTP/1.1\r\n", b"G@T / HTTP/1.1\r\n", b"GET /\x00 HTTP/1.1\r\n",
                     b"GET /\x7f HTTP/1.1\r\n", b"GET /a#b HTTP/1.1\r\n", b"GET * HTTP/1.1\r\n",
                     b"GET ftp://x/ HTTP/1.1\r\n", b"GET http:///x HTTP/1.1\r\n",
                     b"GET /\tx HTTP/1.1\r\n", b"\x00GET / HTTP/1.1\r\n", b"/ HTTP/1.1\r\n",
                     b"GET /x\r HTTP/1.1\r\n"):
            self.expect_refusal(line + host, 400)

    def test_400_for_escapes_that_are_none(self):
        client = self.client()
        for target in ("/%zz", "/%", "/%4", "/a%2", "/%%41", "/%00", "/a%00b", "/index.html%00",
                       "/%g0", "/%-1", "/% 1".replace(" ", "+")):
            self.assertEqual(client.get(target).status, 400, target)

    def test_400_for_bare_line_feeds(self):
        self.expect_refusal(b"GET / HTTP/1.1\nHost: x\n\n", 400)
        self.expect_refusal(b"GET / HTTP/1.1\r\nHost: x\n\r\n", 400)
        self.expect_refusal(b"GET / HTTP/1.1\r\nHost: x\r\n\n", 400)
        self.expect_refusal(b"\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400)

    def test_400_for_bad_fields(self):
        for fields in (b"", b"Host: a\r\nHost: a\r\n", b"Host: a\r\nhost: b\r\n",
                       b"Host: a/b\r\n", b"Host: a b\r\n", b"Host: a\r\n folded\r\n",
                       b"Host: a\r\nX-A: b\r\n\tfolded\r\n", b" Host: a\r\n", b"Host : a\r\n",
                       b"Host: a\r\nX A: b\r\n", b"Host: a\r\nno colon\r\n",
                       b"Host: a\r\n: nameless\r\n", b"Host: a\r\nX: \x00\r\n",
                       b"Host: a\r\nX: a\rb\r\n", b"Host: a\r\nX: \x01\r\n",
                       b"Host: a\r\nX: 0123456\x7f\r\n", b"Host: a\r\nX\xc3\xa9: b\r\n",
                       b"Host: a\r\nContent-Length: x\r\n", b"Host: a\r\nContent-Length: -1\r\n",
                       b"Host: a\r\nContent-Length: +1\r\n", b"Host: a\r\nContent-Length:\r\n",
                       b"Host: a\r\nContent-Length: 1, 1\r\n",
                       b"Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
                       b"Host: a\r\nContent-Length: 99999999999999999999999\r\n",
                       b"Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"):
            self.expect_refusal(b"GET / HTTP/1.1\r\n" + fields + b"\r\n", 400)

    def test_fields_that_are_fine(self):
        client = self.client()
        for fields in ("X-Empty:\r\n", "X-Tab:\ta\t \r\n", "X-Bytes: \u00e9\r\n",
                       "Cookie: a=b; c=d\r\n", "Accept: */*;q=0.8\r\nAccept: text/html\r\n",
                       "Content-Length: 0\r\n", "!#$%&'*+-.^_`|~: x\r\n"):
            self.expect_page(client.get("/", fields=fields), PAGE)

    def test_empty_host_and_port(self):
        client = self.client()
        for host in ("", "example.org:8080", "[::1]:80", "EXAMPLE.org."):
            client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
            self.expect_page(client.read(), PAGE)

    def test_505_and_a_later_minor_version(self):
        for version in ("2.0", "3.0", "0.9"):
            self.expect_refusal(request("/", version=version), 505)
        self.expect_page(self.client().get("/", version="1.2"), PAGE)

    def test_414_for_a_target_too_long(self):
        self.expect_refusal(request("/" + "x" * 9000), 414)
        self.expect_refusal(b"GET /" + b"x" * 16000, 414)  # at once, not when the line ends

    def test_431_for_fields_too_many_or_too_long(self):
        self.expect_refusal(request("/", fields="X: y\r\n" * 200), 431)
        self.expect_refusal(request("/", fields=f"X: {'y' * 17000}\r\n"), 431)
        self.expect_refusal(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 17000, 431)
        self.expect_page(self.client().get("/", fields=f"X: {'y' * 12000}\r\n"), PAGE)

    def test_501_for_a_coding_that_is_not_known(self):
        self.expect_refusal(request("/", "POST", "Transfer-Encoding: gzip, chunked\r\n"), 501)

    def test_noise_is_answered_before_a_line_ends(self):
        self.expect_refusal(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400)
        self.expect_refusal(b"\x80\x01\x02", 400)

    def test_a_refusal_ends_a_pipeline_in_its_place(self):
        client = self.client()
        client.send(request("/") + b"BAD\r\n\r\n" + request("/style.css"))
        self.expect_page(client.read(), PAGE)
        self.assertEqual(client.read().status, 400)
        self.assertTrue(client.is_closed())


class TestBodies(Http):
    HIDDEN = request("/style.css")

    def expect_one_answer(self, data, status):
        """However the bytes arrive: the answer, and then that to the next request."""
        for pieces in ([data], [data[at:at + 1] for at in range(len(data))]):
            with self.subTest(data[:60], pieces=len(pieces)):
                client = self.client()
                for piece in pieces:
                    client.send(piece)
                self.assertEqual(client.read().status, status)
                self.expect_page(client.get("/"), PAGE)
                client.close()

    def test_a_body_is_never_a_request(self):
        body = self.HIDDEN * 20
        length = f"Content-Length: {len(body)}\r\n"
        chunked = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        coding = "Transfer-Encoding: chunked\r\n"
        self.expect_one_answer(request("/", "POST", length) + body, 405)
        self.expect_one_answer(request("/", "GET", length) + body, 200)
        self.expect_one_answer(request("/", "BREW", length) + body, 501)
        self.expect_one_answer(request("/missing", "GET", length) + body, 404)
        self.expect_one_answer(request("/", "POST", coding) + chunked, 405)
        self.expect_one_answer(request("/", "GET", coding) + chunked, 200)

    def test_a_long_body_does_not_reset_the_answer_away(self):
        client = self.client()
        body = b"x" * 100_000
        client.send(request("/", "POST", f"Content-Length: {len(body)}\r\n"))
        client.send(body)
        self.assertEqual(client.read().status, 405)

    def test_a_post_without_body_keeps_the_connection(self):
        client = self.client()
        self.assertEqual(client.get("/", "POST", "Content-Length: 0\r\n").status, 405)
        self.expect_page(client.get("/"), PAGE)


class TestPersistence(Http):
    def test_http_1_1_stays_open(self):
        client = self.client()
        for _ in range(10):
            answer = client.get("/")
            self.expect_page(answer, PAGE)
            self.assertIsNone(answer["Connection"])

    def test_empty_lines_between_requests(self):
        """RFC 9112 2.2: before a request line they are passed over, however they arrive."""
        client = self.client()
        for lines in ("\r\n", "\r\n\r\n\r\n", "\r\n" * 500):
            self.expect_page(client.get("/"), PAGE)
            client.send(lines.encode())
        for byte in b"\r\n\r\n":
            client.send(bytes([byte]))
        self.expect_page(client.get("/"), PAGE)

    def test_connection_close(self):
        for value in ("close", "Close", "foo, close", "keep-alive, close", "close,foo"):
            client = self.client()
            answer = client.get("/middle.bin", fields=f"Connection: {value}\r\n")
            self.expect_page(answer, SITE["middle.bin"])
            self.assertEqual(answer["Connection"], "close")
            self.assertTrue(client.is_closed())

    def test_nothing_behind_close_is_answered(self):
        client = self.client()
        client.send(request("/", fields="Connection: close\r\n") + request("/style.css"))
        self.expect_page(client.read(), PAGE)
        self.assertTrue(client.is_closed())

    def test_http_1_0(self):
        client = self.client()
        client.send(b"GET /index.html HTTP/1.0\r\n\r\n")
        answer = client.read()
        self.expect_page(answer, PAGE)
        self.assertEqual(answer["Connection"], "close")
        self.assertTrue(client.is_closed())

    def test_http_1_0_with_keep_alive(self):
        client = self.client()
        for _ in range(3):
            client.send(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            answer = client.read()
            self.expect_page(answer, PAGE)
            self.assertEqual(answer["Connection"], "keep-alive")
        client.send(b"GET /missing HTTP/1.0\r\n\r\n")
        self.assertEqual(client.read().status, 404)
        self.assertTrue(client.is_closed())

    def test_empty_line_before_a_request(self):
        client = self.client()
        client.send(b"\r\n" + request("/") + b"\r\n" + request("/style.css"))
        self.expect_page(client.read(), PAGE)
        self.expect_page(client.read(), SITE["style.css"])

    def test_half_closed_client_is_answered(self):
        for target in ("/", "/big.bin", "/missing", "/guide"):
            with self.subTest(target):
                client = self.client()
                client.send(request(target))
                client.end_sending()
                expected = self.client().get(target)
                self.assertEqual(client.read().without_date(), expected.without_date())
                self.assertTrue(client.is_closed())

    def test_half_closed_pipeline_is_answered(self):
        client = self.client()
        client.send(request("/big.bin") + request("/middle.bin") + request("/"))
        client.end_sending()
        for content in (BIG, SITE["middle.bin"], PAGE):
            self.expect_page(client.read(), content)
        self.assertTrue(client.is_closed())

    def test_half_a_request_and_the_end(self):
        client = self.client()
        client.send(b"GET / HTTP/1.1\r\nHost: x")
        client.end_sending()
        self.assertTrue(client.is_closed())


class TestPieces(unittest.TestCase):
    """However a request is cut up, the answer is the same. One worker: a request on another
    connection that is answered tells that the piece before it was read."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="cairn-")
        cls.addClassCleanup(holder.cleanup)
        folder = Path(holder.name)
        tree = cairn.write_tree(folder / "tree", {"index.html": PAGE, "a b.txt": "x\n"})
        cls.server = Server(cairn.pack(tree, folder / "site.cairn"), workers=1).__enter__()
        cls.addClassCleanup(cls.server.__exit__, None)
        cls.fence_client = cls.server.client()
        cls.addClassCleanup(cls.fence_client.close)

    def fence(self):
        self.fence_client.send(b"HEAD / HTTP/1.1\r\nHost: f\r\n\r\n")
        self.fence_client.read_raw("HEAD")

    REQUEST = (b"GET /a%20b.txt?q HTTP/1.1\r\nHost: test.example\r\nUser-Agent: x\r\n"
               b"If-None-Match: \"no\", W/\"no\"\r\n\r\n")

    def test_byte_by_byte(self):
        with self.server.client() as client:
            for _ in range(2):
                for at in range(len(self.REQUEST)):
                    client.send(self.REQUEST[at:at + 1])
                    self.fence()
                answer = client.read()
                self.assertEqual((answer.status, answer.body), (200, b"x\n"))

    def test_every_cut_in_two(self):
        with self.server.client() as client:
            for at in range(1, len(self.REQUEST)):
                client.send(self.REQUEST[:at])
                self.fence()
                client.send(self.REQUEST[at:])
                answer = client.read()
                self.assertEqual((answer.status, answer.body), (200, b"x\n"), at)

    def test_every_cut_of_a_pipeline(self):
        two = self.REQUEST + request("/")
        with self.server.client() as client:
            for at in range(1, len(two)):
                client.send(two[:at])
                self.fence()
                client.send(two[at:])
                self.assertEqual(client.read().body, b"x\n", at)
                self.assertEqual(client.read().body, PAGE, at)

    def test_every_cut_of_refusals(self):
        for bad in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
                    b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"):
            for at in range(1, len(bad)):
                with self.server.client() as client:
                    client.send(bad[:at])
                    self.fence()
                    try:
                        client.send(bad[at:])
                    except (BrokenPipeError, ConnectionResetError):
                        pass  # refused already
                    self.assertEqual(client.read().status, 400, (bad, at))


class TestPipelining(Http):
    def mixed_requests(self, count):
        targets = [*(f"/small/{number}.txt" for number in range(40)), "/", "/guide", "/missing",
                   "/middle.bin", "/%zz", "/empty.txt", "/with%20space.txt"]
        return [targets[number * 7 % len(targets)] for number in range(count)]

    def test_a_thousand_in_order_and_exact(self):
        targets = self.mixed_requests(1000)
        with self.server.client() as single:
            expected = {target: single.get(target).without_date() for target in set(targets)}
        client = self.client()
        data = b"".join(request(target) for target in targets)
        sender = Thread(target=client.send, args=(data,))
        sender.start()
        for number, target in enumerate(targets):
            self.assertEqual(client.read().without_date(), expected[target], (number, target))
        sender.join()
        self.expect_page(client.get("/"), PAGE)

    def test_heads_and_conditionals_between(self):
        client = self.client()
        tag = client.get("/")["ETag"]
        kinds = [("HEAD", "", 200), ("GET", f"If-None-Match: {tag}\r\n", 304), ("GET", "", 200),
                 ("POST", "", 405)]
        client.send(b"".join(request("/", method, fields) for method, fields, _ in kinds * 50))
        for method, _, status in kinds * 50:
            self.assertEqual(client.read(method).status, status)

    def test_large_bodies_between_small_ones(self):
        client = self.client()
        targets = ["/", "/big.bin", "/small/3.txt", "/big.bin", "/missing", "/middle.bin", "/"]
        client.send(b"".join(request(target) for target in targets))
        for target in targets:
            name = target[1:] or "index.html"
            answer = client.read()
            self.assertEqual(answer.body, SITE.get(name, NOT_FOUND))

    def test_answers_nobody_reads_yet_do_not_lose_requests(self):
        """The socket fills up in the middle of a batch; what was not started is made again."""
        client = self.client(receive_buffer=4096)
        targets = [f"/small/{number % 40}.txt" for number in range(200)] + ["/middle.bin"] * 100
        data = b"".join(request(target) for target in targets)
        client.socket.settimeout(None)
        sender = Thread(target=client.send, args=(data,))
        sender.start()
        for target in targets:
            self.assertEqual(client.read().body, SITE[target[1:]])
        sender.join()

    def test_sixteen_leave_in_few_writes(self):
        strace = cairn.strace()
        trace = self.folder / "writes.trace"
        with Server(self.index, workers=1, bin_folder=cairn.plain_bin(),
                    wrapper=(strace, "-f", "-o", trace, "-e",
                             "trace=sendmsg,sendto,write,writev,sendfile")) as server:
            with server.client() as client:
                client.get("/small/1.txt")
                before = trace.read_text().count("sendmsg(")
                client.send(b"".join(request(f"/small/{number}.txt") for number in range(16)))
                for number in range(16):
                    self.assertEqual(client.read().body, SITE[f"small/{number}.txt"])
                client.get("/empty.txt")  # the trace has what came before it
        calls = [line for line in trace.read_text().splitlines() if "HTTP/1.1" in line]
        batch = calls[before:-1]
        print(f"16 pipelined answers left in {len(batch)} write(s)", file=sys.stderr)
        self.assertLessEqual(len(batch), 2, "\n".join(calls))


class TestManyClients(Http):
    def test_slow_reader_gets_every_byte(self):
        client = self.client(receive_buffer=16384)
        client.send(request("/big.bin"))
        step = 0
        raw = bytearray()
        while b"\r\n\r\n" not in raw:
            raw += client.socket.recv(7)
        head, _, body = bytes(raw).partition(b"\r\n\r\n")
        self.assertIn(b"Content-Length: 20000000", head)
        pieces = [body]
        count = len(body)
        while count < len(BIG):
            step += 1
            piece = client.socket.recv(1 + step * 977 % 12289)
            self.assertNotEqual(piece, b"", f"closed after {count} bytes")
            pieces.append(piece)
            count += len(piece)
            if step % 400 == 0:
                self.assertEqual(self.server.get("/").body, PAGE)  # others are served meanwhile
        self.assertEqual(b"".join(pieces), BIG)

    def test_200_connections_at_once(self):
        clients = [self.client() for _ in range(200)]
        targets = ["/", "/small/5.txt", "/middle.bin", "/missing", "/guide"]
        for turn in range(3):
            for number, client in enumerate(clients):
                client.send(request(targets[(number + turn) % len(targets)]))
            for number, client in enumerate(clients):
                target = targets[(number + turn) % len(targets)]
                answer = client.read()
                if target == "/guide":
                    self.assertEqual(answer.status, 301)
                else:
                    self.assertEqual(answer.body, SITE.get(target[1:] or "index.html", NOT_FOUND))
        self.assertIn(" connections=", self.server.command("status"))

    def test_large_file_to_twenty_at_once(self):
        selector = selectors.DefaultSelector()
        received = {}
        for _ in range(20):
            client = self.client()
            client.send(request("/big.bin", fields="Connection: close\r\n"))
            selector.register(client.socket, selectors.EVENT_READ)
            received[client.socket] = []
        open_count = len(received)
        while open_count:
            for key, _ in selector.select():
                piece = key.fileobj.recv(1 << 20)
                if piece:
                    received[key.fileobj].append(piece)
                else:
                    selector.unregister(key.fileobj)
                    open_count -= 1
        for pieces in received.values():
            head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 OK"))
            self.assertEqual(body, BIG)

    def test_clients_that_vanish(self):
        """Closed in the middle of a request, of an answer, and by a reset."""
        for number in range(60):
            client = self.server.client(receive_buffer=4096)
            if number % 3 == 0:
                client.send(b"GET / HT")
            else:
                client.send(request("/big.bin") * 3)
                client.socket.recv(1000)
            if number % 2 == 0:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))
            client.close()
        self.expect_page(self.server.get("/big.bin"), BIG)

        def connections():
            reply = self.server.command("status")
            return int(re.search(r" connections=(\d+)", reply).group(1)) == 0
        cairn.wait_until(connections, "every connection is gone again")


if __name__ == "__main__":
    unittest.main(verbosity=2)

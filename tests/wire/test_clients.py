"""Real clients against a real server: curl, Python's http.client, Node's fetch, wget, nginx as a
proxy in front, and Chromium. What they do by themselves (resume, revalidate, reuse a connection,
seek in a recording) has to come out right, to the byte."""
import gzip
import hashlib
import http.client
import io
import json
import math
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import wave
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
import chromium
from cairn import Server, wait_until

MODIFIED_S = 1_600_000_000  # Sun, 13 Sep 2020 12:26:40 GMT
MODIFIED = "Sun, 13 Sep 2020 12:26:40 GMT"
PROSE = "".join(f"Line {number} of a text that can be compressed well.\n"
                for number in range(3000)).encode()
BIG = cairn.noise(20_000_000, "clients")

SITE = {
    "index.html": "<!doctype html><title>Cairn</title><p>a page\n",
    "404.html": "<!doctype html><title>Nothing here</title>\n",
    "prose.txt": PROSE,
    "style.css": "body { margin: 0 }\n" * 200,
    "empty.txt": "",
    "big.bin": BIG,
    "middle.bin": cairn.noise(300_000, "middle"),
    "data.json": '{"stones": [1, 2, 3]}\n',
    "guide/index.html": "<title>guide</title>\n",
    "name with space.txt": "spaces\n",
    "crème brûlée.html": "<title>accents</title>\n",
    **{f"small/{number}.txt": f"small file {number}\n" * (number + 1) for number in range(50)},
}
SITE = {name: content.encode() if isinstance(content, str) else content
        for name, content in SITE.items()}


def need(program, package):
    """The path of a client; skips the class, by the name of the Debian package, without it."""
    path = shutil.which(program)
    if path is None:
        raise unittest.SkipTest(f"{program} is not installed (Debian package {package})")
    return path


def clean_environment(home):
    """No proxies, no settings of whoever runs the tests, English messages."""
    kept = {name: value for name, value in os.environ.items()
            if not name.lower().endswith("_proxy") and not name.startswith("NODE_")}
    return {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}


class ClientCase(unittest.TestCase):
    """One packed site, one server for the tests of a class, and a folder for each test."""
    site = SITE
    server_options = ()

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="cairn-")
        cls.addClassCleanup(holder.cleanup)
        cls.class_folder = Path(holder.name)
        cls.tree = cairn.write_tree(cls.class_folder / "tree", cls.site, MODIFIED_S)
        cls.index = cairn.pack(cls.tree, cls.class_folder / "site.cairn", "--effort", "fast")
        cls.socket_path = cls.class_folder / "socket"
        cls.server = Server(cls.index, workers=2, options=cls.server_options,
                            listen=("127.0.0.1:0", f"unix:{cls.socket_path}")).__enter__()
        cls.addClassCleanup(cls.server.__exit__, None)

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="cairn-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def url(self, path, port=None):
        return f"http://127.0.0.1:{port or self.server.ports[0]}{path}"

    def status(self):
        """What the server counted so far."""
        words = self.server.command("status").split()[2:]
        return {name: int(value) for name, value in (word.split("=", 1) for word in words)
                if value.isdigit()}

    def settled(self):
        """What it counted when nobody is connected: an answer is counted when it is out, which its
        client may know a moment before."""
        return wait_until(lambda: (now := self.status())["connections"] == 0 and now, "all are gone")

    def run_client(self, *command, expect=0, **options):
        """Runs a client to its end; `.out` and `.err` are text, stdout stays bytes."""
        if "stdin" not in options and "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        done = subprocess.run([os.fspath(word) for word in command], capture_output=True,
                              timeout=cairn.PATIENCE_S, cwd=self.folder,
                              env=clean_environment(self.folder), **options)
        done.out = done.stdout.decode(errors="replace")
        done.err = done.stderr.decode(errors="replace")
        if expect is not None:
            self.assertEqual(done.returncode, expect,
                             f"{command}\n{done.out[-2000:]}\n{done.err[-4000:]}")
        return done

    def expect_alive(self):
        """The server still answers, and exactly."""
        self.assertEqual(self.server.get("/prose.txt").body, PROSE)


# ---- curl ----


class TestCurl(ClientCase):
    @classmethod
    def setUpClass(cls):
        cls.program = need("curl", "curl")
        super().setUpClass()

    def curl(self, *arguments, **options):
        # -q: no settings file; --max-time: a hang is a failure with a name
        return self.run_client(self.program, "-q", "-sS", "--max-time", "60", *arguments,
                               **options)

    def written(self, form, *arguments, **options):
        """The body of one transfer, and what -w FORM says about it, as a list of words."""
        body = self.folder / "body"
        body.unlink(missing_ok=True)
        done = self.curl("-o", body, "-w", form, *arguments, **options)
        return (body.read_bytes() if body.exists() else b""), done.out.split()

    def needs_feature(self, word):
        """Skips the test where this curl was built without something."""
        version = self.curl("--version").out
        if word not in version:
            self.skipTest(f"this curl has no {word}")

    def test_every_file_over_one_connection(self):
        targets = []
        for number, name in enumerate(SITE):
            targets += ["-o", f"out{number}", self.url("/" + quote(name))]
        done = self.curl("-w", "%{http_code} %{num_connects}\n", *targets)
        rows = done.out.split("\n")[:-1]
        self.assertEqual(rows, ["200 1"] + ["200 0"] * (len(SITE) - 1))
        for number, (name, content) in enumerate(SITE.items()):
            if content:  # of an empty body curl makes no file
                self.assertEqual((self.folder / f"out{number}").read_bytes(), content, name)

    def test_head(self):
        lines = self.curl("-I", self.url("/middle.bin")).out.split("\r\n")
        self.assertEqual(lines[0], "HTTP/1.1 200 OK")
        self.assertIn("Content-Length: 300000", lines)
        self.assertIn("Accept-Ranges: bytes", lines)
        self.assertIn(f"Last-Modified: {MODIFIED}", lines)
        # as a -I of something that is not there: a head with a length, no body, no waiting for it
        for target, status in (("/missing", "404"), ("/guide", "301"), ("/%00", "400")):
            with self.subTest(target):
                self.assertEqual(self.curl("-I", self.url(target)).out.split(" ")[1], status)

    def test_compressed(self):
        head = self.folder / "head"
        body, (status, size) = self.written("%{http_code} %{size_download}", "--compressed",
                                            "-D", head, self.url("/prose.txt"))
        self.assertEqual((status, body), ("200", PROSE))
        self.assertLess(int(size), len(PROSE) // 4)
        self.assertRegex(head.read_bytes(), rb"\r\nContent-Encoding: (br|zstd|gzip)\r\n")
        body, (size,) = self.written("%{size_download}", self.url("/prose.txt"))
        self.assertEqual((body, int(size)), (PROSE, len(PROSE)))
        body, _ = self.written("", "-H", "Accept-Encoding: gzip", self.url("/prose.txt"))
        self.assertEqual(gzip.decompress(body), PROSE)

    def test_each_coding_is_decoded(self):
        version = self.curl("--version").out
        for coding, feature in (("gzip", "libz"), ("br", "brotli"), ("zstd", "zstd")):
            with self.subTest(coding):
                if feature not in version:
                    self.skipTest(f"this curl has no {feature}")
                head = self.folder / "head"
                body, _ = self.written("", "--compressed", "-H", f"Accept-Encoding: {coding}",
                                       "-D", head, self.url("/prose.txt"))
                self.assertEqual(body, PROSE)
                self.assertIn(f"Content-Encoding: {coding}\r\n", head.read_bytes().decode())

    def test_range(self):
        for words, part in (("0-99", BIG[:100]), ("19999990-", BIG[-10:]), ("-7", BIG[-7:]),
                            ("1000000-1999999", BIG[1_000_000:2_000_000])):
            with self.subTest(words):
                body, (status,) = self.written("%{http_code}", "-r", words, self.url("/big.bin"))
                self.assertEqual((status, body), ("206", part))
        body, (status,) = self.written("%{http_code}", "-r", "20000000-", self.url("/big.bin"))
        self.assertEqual(status, "416")
        self.assertLess(len(body), 1000)

    def test_several_ranges(self):
        head = self.folder / "head"
        body, (status,) = self.written("%{http_code}", "-r", "0-99,1000000-1000099", "-D", head,
                                       self.url("/big.bin"))
        self.assertEqual(status, "206")
        match = re.search(r"\r\nContent-Type: multipart/byteranges; boundary=\"?([^\"\r]+)",
                          head.read_bytes().decode())
        self.assertIsNotNone(match)
        parts = body.split(b"--" + match.group(1).encode())
        self.assertEqual(len(parts), 4)
        self.assertIn(b"\r\n\r\n" + BIG[:100] + b"\r\n", parts[1])
        self.assertIn(b"\r\n\r\n" + BIG[1_000_000:1_000_100] + b"\r\n", parts[2])

    def test_resume(self):
        half = self.folder / "half.bin"
        for have in (1, 10_000_000, len(BIG) - 1):
            with self.subTest(have):
                half.write_bytes(BIG[:have])
                done = self.curl("-C", "-", "-o", half, "-w", "%{http_code} %{size_download}",
                                 self.url("/big.bin"))
                self.assertEqual(done.out, f"206 {len(BIG) - have}")
                self.assertEqual(half.read_bytes(), BIG)

    def test_resume_of_what_is_complete(self):
        """curl asks for what is behind the end, is told 416 with the length, and is content."""
        whole = self.folder / "whole.bin"
        whole.write_bytes(BIG)
        done = self.curl("-C", "-", "-o", whole, "-w", "%{http_code}", self.url("/big.bin"))
        self.assertEqual(done.out, "416")
        self.assertEqual(whole.read_bytes(), BIG)

    def test_resume_of_a_transfer_that_was_cut(self):
        """Whoever reads from curl goes away in the middle; the rest is fetched afterwards."""
        part = self.folder / "part.bin"
        with open(part, "wb") as out:
            transfer = subprocess.Popen([self.program, "-q", "-sS", "-N", self.url("/big.bin")],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env=clean_environment(self.folder))
            out.write(transfer.stdout.read(7_654_321))
            transfer.stdout.close()
            transfer.wait(cairn.PATIENCE_S)
        self.assertNotEqual(transfer.returncode, 0)
        self.curl("-C", "-", "-o", part, self.url("/big.bin"))
        self.assertEqual(part.read_bytes(), BIG)

    def test_if_modified_since(self):
        copy = self.folder / "copy.txt"
        self.curl("-R", "-o", copy, self.url("/prose.txt"))
        self.assertEqual(int(copy.stat().st_mtime), MODIFIED_S)  # -R: the time the server told
        rows = ((copy, "304"), (MODIFIED, "304"), ("Sun, 13 Sep 2020 12:26:41 GMT", "304"),
                ("Sun, 13 Sep 2020 12:26:39 GMT", "200"),
                ("-Sun, 13 Sep 2020 12:26:41 GMT", "200"))
        for when, want in rows:
            with self.subTest(str(when)):
                # the head tells what the server said: curl calls it 304 on its own account, too
                head = self.folder / "head"
                body, _ = self.written("", "-z", when, "-D", head, self.url("/prose.txt"))
                self.assertEqual(head.read_text().split(" ")[1], want)
                self.assertEqual(body, PROSE if want == "200" else b"")
        self.curl("-z", copy, "-o", copy, self.url("/prose.txt"))
        self.assertEqual(copy.read_bytes(), PROSE)

    def test_if_unmodified_since(self):
        """-z with a dash before the date asks for the file as it was then or not at all."""
        _, (status,) = self.written("%{http_code}", "-z", "-Sun, 13 Sep 2020 12:26:39 GMT",
                                    self.url("/prose.txt"))
        self.assertEqual(status, "412")

    def test_etag_save_and_compare(self):
        tag = self.folder / "tag"
        done = self.curl("--etag-save", tag, "-o", "body", "-w", "%{http_code}",
                         self.url("/prose.txt"))
        self.assertEqual(done.out, "200")
        self.assertRegex(tag.read_text().strip(), r'^"[^"]+"$')
        for target, want in (("/prose.txt", "304"), ("/style.css", "200")):
            with self.subTest(target):
                done = self.curl("--etag-compare", tag, "-o", "again", "-w",
                                 "%{http_code} %{size_download}", self.url(target))
                self.assertEqual(done.out.split()[0], want)
                self.assertEqual(done.out == "304 0", want == "304")

    def test_redirect_keeps_the_query(self):
        body, words = self.written("%{http_code} %{num_redirects} %{num_connects} "
                                   "%{url_effective}", "-L", self.url("/guide?a=1&b=%20c"))
        self.assertEqual(body, SITE["guide/index.html"])
        self.assertEqual(words, ["200", "1", "1", self.url("/guide/?a=1&b=%20c")])

    def test_http_1_0(self):
        done = self.curl("--http1.0", "-w", "%{http_code} %{num_connects}\n",
                         "-o", "a", self.url("/middle.bin"), "-o", "b", self.url("/prose.txt"))
        self.assertEqual(done.out, "200 1\n200 1\n")  # no keep-alive unless asked for
        self.assertEqual((self.folder / "a").read_bytes(), SITE["middle.bin"])
        self.assertEqual((self.folder / "b").read_bytes(), PROSE)
        body, (status,) = self.written("%{http_code}", "--http1.0", "-r", "5-9",
                                       self.url("/middle.bin"))
        self.assertEqual((status, body), ("206", SITE["middle.bin"][5:10]))

    def then_get(self, *arguments, **options):
        """A transfer, then a GET in the same run of curl: [status, new connections] of each."""
        form = ("-w", "%{http_code} %{num_connects}\n")
        done = self.curl(*form, *arguments, "--next", *form, "-q", "-sS", "-o", "next",
                         self.url("/prose.txt"), **options)
        self.assertEqual((self.folder / "next").read_bytes(), PROSE)
        return [row.split() for row in done.out.splitlines()]

    def test_405_keeps_the_connection(self):
        upload = self.folder / "upload"
        upload.write_bytes(cairn.noise(200_000, "upload"))
        target = ("-o", "answer", self.url("/prose.txt"))
        rows = {
            "post": ("-d", "a=b", *target),
            "post of nothing": ("-d", "", *target),
            "post of 200 kB": ("--data-binary", f"@{upload}", *target),
            "form": ("-F", "name=value", "-F", f"file=@{upload}", *target),
            "put": ("-T", upload, "-H", "Expect:", *target),
            "put, chunked": ("-T", upload, "-H", "Transfer-Encoding: chunked", "-H", "Expect:",
                             *target),
            "delete": ("-X", "DELETE", *target),
            "patch": ("-X", "PATCH", "-d", "{}", *target),
        }
        for name, arguments in rows.items():
            with self.subTest(name):
                self.assertEqual(self.then_get(*arguments), [["405", "1"], ["200", "0"]])
                answer = (self.folder / "answer").read_bytes()
                self.assertGreater(len(answer), 0)
                self.assertLess(len(answer), 200)

    def test_get_with_a_body_is_a_get(self):
        rows = self.then_get("-X", "GET", "-d", "GET / HTTP/1.1\r\n\r\n", "-o", "answer",
                             self.url("/style.css"))
        self.assertEqual(rows, [["200", "1"], ["200", "0"]])
        self.assertEqual((self.folder / "answer").read_bytes(), SITE["style.css"])

    def test_options(self):
        done = self.curl("-X", "OPTIONS", "-i", self.url("/prose.txt"))
        self.assertEqual(done.out.split(" ")[1], "204")
        self.assertIn("\r\nAllow: GET, HEAD, OPTIONS\r\n", done.out)
        done = self.curl("-X", "OPTIONS", "--request-target", "*", "-i", self.url("/"))
        self.assertEqual(done.out.split(" ")[1], "204")

    def test_expect_100_is_answered_at_once(self):
        """curl holds a large body back and waits for 100: it gets the final answer, never waits
        (its own wait is set to a minute), and sends no body."""
        upload = self.folder / "upload"
        upload.write_bytes(cairn.noise(900_000, "expect"))
        held = ("--expect100-timeout", "50", "-H", "Expect: 100-continue", "-o", "answer")
        form = "%{http_code} %{size_upload}\n"
        done = self.curl(*held, "-w", form, "--data-binary", f"@{upload}", self.url("/"))
        self.assertEqual(done.out.split(), ["405", "0"])
        done = self.curl(*held, "-w", form, "-T", upload, self.url("/"))
        self.assertEqual(done.out.split(), ["405", "0"])
        # the connection was not left in doubt: the next URL is right
        rows = self.then_get(*held, "--data-binary", f"@{upload}", self.url("/"))
        self.assertEqual([row[0] for row in rows], ["405", "200"])

    def test_a_very_large_post(self):
        """Larger than the server takes. From a megabyte on curl sends Expect by itself; without
        it, the answer arrives all the same, although the connection is given up."""
        upload = self.folder / "upload"
        upload.write_bytes(cairn.noise(8_000_000, "large"))
        for name, words in (("with Expect", ("--expect100-timeout", "50")),
                            ("without", ("-H", "Expect:")),
                            ("chunked", ("-H", "Expect:", "-H", "Transfer-Encoding: chunked"))):
            with self.subTest(name):
                trace = self.folder / "trace"
                rows = self.then_get(*words, "-o", "answer", "--trace-ascii", trace,
                                     "--data-binary", f"@{upload}", self.url("/"))
                # with Expect no body comes, so what is wrong with the method is said
                self.assertEqual([row[0] for row in rows],
                                 ["405" if name == "with Expect" else "413", "200"])
                sent = re.search(r"(?m)^[0-9a-f]{4}: Expect: 100-continue", trace.read_text())
                self.assertEqual(sent is not None, name == "with Expect")

    def test_h2c_upgrade_is_ignored(self):
        self.needs_feature("HTTP2")
        trace = self.folder / "trace"
        done = self.curl("--http2", "-w", "%{http_code} %{http_version} %{num_connects}\n",
                         "--trace-ascii", trace, "-o", "a", self.url("/prose.txt"),
                         "-o", "b", self.url("/prose.txt"))
        self.assertEqual(done.out, "200 1.1 1\n200 1.1 0\n")
        self.assertIn("Upgrade: h2c", trace.read_text())
        self.assertEqual((self.folder / "a").read_bytes(), PROSE)
        self.assertEqual((self.folder / "b").read_bytes(), PROSE)

    def test_h2_without_asking_fails_cleanly(self):
        self.needs_feature("HTTP2")
        done = self.curl("--http2-prior-knowledge", "-o", "a", self.url("/prose.txt"),
                         expect=None)
        self.assertNotIn(done.returncode, (0, 28))  # 28: it waited in vain
        self.expect_alive()

    def test_as_if_the_server_were_a_proxy(self):
        """curl with a proxy sends the whole URL as the target; CONNECT is refused."""
        proxy = ("-x", self.url(""))
        body, (status,) = self.written("%{http_code}", *proxy, "http://cairn.example/prose.txt")
        self.assertEqual((status, body), ("200", PROSE))
        done = self.curl("-p", *proxy, "-w", "%{http_connect}", "http://cairn.example/",
                         expect=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.out, "405")

    def test_many_at_a_time(self):
        """-Z: fifty transfers side by side."""
        self.curl("-Z", "--parallel-max", "20", "-o", "#1", self.url("/small/[0-49].txt"))
        for number in range(50):
            self.assertEqual((self.folder / str(number)).read_bytes(),
                             SITE[f"small/{number}.txt"])

    def test_slow_reader(self):
        body, (status,) = self.written("%{http_code}", "--limit-rate", "8M",
                                       self.url("/big.bin"))
        self.assertEqual(status, "200")
        self.assertEqual(body, BIG)

    def test_unix_socket(self):
        common = ("-q", "-sS", "--unix-socket", self.socket_path,
                  "-w", "%{http_code} %{num_connects}\n")
        done = self.curl(*common, "-o", "a", "http://cairn.example/prose.txt", "--next",
                         *common, "-o", "b", "-r", "0-9", "http://cairn.example/big.bin")
        self.assertEqual(done.out, "200 1\n206 0\n")
        self.assertEqual((self.folder / "a").read_bytes(), PROSE)
        self.assertEqual((self.folder / "b").read_bytes(), BIG[:10])

    def test_proxy_header(self):
        """--haproxy-protocol: with a server that expects it, and with one that does not."""
        with Server(self.index, options=("--proxy-protocol-from", "127.0.0.1/32")) as server:
            url = self.url("/prose.txt", server.ports[0])
            body, (status,) = self.written("%{http_code}", "--haproxy-protocol", url)
            self.assertEqual((status, body), ("200", PROSE))
            self.assertNotEqual(self.curl(url, expect=None).returncode, 0)
        _, (status,) = self.written("%{http_code}", "--haproxy-protocol", self.url("/prose.txt"))
        self.assertEqual(status, "400")


# ---- Python ----


class TestPython(ClientCase):
    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.ports[0],
                                                timeout=cairn.PATIENCE_S)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, method, target, **options):
        connection.request(method, target, **options)
        response = connection.getresponse()
        return response, response.read()

    def test_several_requests_on_one_connection(self):
        before = self.status()["accepted"]
        connection = self.connect()
        for name, content in SITE.items():
            with self.subTest(name):
                response, body = self.ask(connection, "GET", "/" + quote(name))
                self.assertEqual((response.status, body), (200, content))
                response, body = self.ask(connection, "HEAD", "/" + quote(name))
                self.assertEqual((response.status, body), (200, b""))
                self.assertEqual(response.getheader("Content-Length"), str(len(content)))
        response, body = self.ask(connection, "GET", "/missing")
        self.assertEqual((response.status, body), (404, SITE["404.html"]))
        response, body = self.ask(connection, "HEAD", "/missing")
        self.assertEqual((response.status, body), (404, b""))
        self.assertEqual(self.status()["accepted"] - before, 1)

    def test_304(self):
        connection = self.connect()
        response, _ = self.ask(connection, "GET", "/prose.txt")
        tag, date = response.getheader("ETag"), response.getheader("Last-Modified")
        for fields in ({"If-None-Match": tag}, {"If-None-Match": f"W/{tag}"},
                       {"If-Modified-Since": date}):
            with self.subTest(str(fields)):
                response, body = self.ask(connection, "GET", "/prose.txt", headers=fields)
                self.assertEqual((response.status, body), (304, b""))
                self.assertEqual(response.getheader("ETag"), tag)
        response, body = self.ask(connection, "GET", "/prose.txt",
                                  headers={"If-None-Match": '"other"'})
        self.assertEqual((response.status, body), (200, PROSE))

    def test_bodies(self):
        """An iterable is sent chunked; bytes with their length. Either way the next request on
        the connection is answered right."""
        before = self.status()["accepted"]
        connection = self.connect()
        pieces = [b"x" * count for count in (1, 100, 16384, 70_000)]
        for name, body in (("bytes", b"".join(pieces)), ("chunked", pieces),
                           ("one chunk", [b"GET / HTTP/1.1\r\n\r\n"]), ("nothing", []),
                           ("file", io.BytesIO(b"0\r\n\r\n" * 1000))):
            for method, status in (("POST", 405), ("PUT", 405), ("GET", 200)):
                with self.subTest(f"{method} {name}"):
                    if isinstance(body, io.BytesIO):
                        body.seek(0)
                    response, answer = self.ask(connection, method, "/prose.txt", body=body,
                                                encode_chunked=not isinstance(body, bytes),
                                                headers={} if isinstance(body, bytes) else
                                                {"Transfer-Encoding": "chunked"})
                    self.assertEqual(response.status, status)
                    if method == "GET":
                        self.assertEqual(answer, PROSE)
                    response, answer = self.ask(connection, "GET", "/data.json")
                    self.assertEqual(json.loads(answer), {"stones": [1, 2, 3]})
        self.assertEqual(self.status()["accepted"] - before, 1)

    def test_range_and_gzip(self):
        connection = self.connect()
        response, body = self.ask(connection, "GET", "/big.bin",
                                  headers={"Range": "bytes=100-199"})
        self.assertEqual((response.status, body), (206, BIG[100:200]))
        self.assertEqual(response.getheader("Content-Range"), f"bytes 100-199/{len(BIG)}")
        response, body = self.ask(connection, "GET", "/prose.txt",
                                  headers={"Accept-Encoding": "gzip"})
        self.assertEqual(response.getheader("Content-Encoding"), "gzip")
        self.assertEqual(gzip.decompress(body), PROSE)

    def test_going_away_in_the_middle(self):
        for _ in range(20):
            connection = self.connect()
            connection.request("GET", "/big.bin")
            response = connection.getresponse()
            self.assertEqual(response.read(1000), BIG[:1000])
            response.close()
            connection.close()
        self.expect_alive()


# ---- Node ----


class TestNode(ClientCase):
    @classmethod
    def setUpClass(cls):
        cls.program = need("node", "nodejs")
        major = int(subprocess.run([cls.program, "-p", "process.versions.node.split('.')[0]"],
                                   capture_output=True, check=True).stdout)
        if major < 18:
            raise unittest.SkipTest(f"Node {major} has no fetch (Debian package nodejs, from 18)")
        super().setUpClass()

    def fetch(self, what, *arguments):
        """What tests/wire/fetch.mjs prints for one of its tasks."""
        done = self.run_client(self.program, cairn.HERE / "fetch.mjs", what, self.url(""),
                               *arguments)
        self.assertEqual(done.err, "")
        return json.loads(done.out)

    def test_gets(self):
        got = self.fetch("gets", "/prose.txt", "/data.json", "/big.bin", "/empty.txt",
                         "/" + quote("crème brûlée.html"), "/guide?a=1", "/missing", "/%00")
        digests = {target: (answer["status"], answer["sha256"])
                   for target, answer in got.items()}

        def digest(name):
            return hashlib.sha256(SITE[name]).hexdigest()

        for target, name in (("/prose.txt", "prose.txt"), ("/data.json", "data.json"),
                             ("/big.bin", "big.bin"), ("/empty.txt", "empty.txt"),
                             ("/" + quote("crème brûlée.html"), "crème brûlée.html"),
                             ("/guide?a=1", "guide/index.html")):
            with self.subTest(target):
                self.assertEqual(digests[target], (200, digest(name)))
        self.assertEqual(digests["/missing"], (404, digest("404.html")))
        self.assertEqual(digests["/%00"][0], 400)
        self.assertEqual(got["/guide?a=1"]["url"], self.url("/guide/?a=1"))
        # fetch asks for codings by itself and undoes them
        self.assertIn(got["/prose.txt"]["fields"]["content-encoding"], ("br", "gzip"))
        self.assertEqual(got["/data.json"]["fields"]["content-type"], "application/json")

    def test_keep_alive(self):
        before = self.settled()
        got = self.fetch("many", "50")
        self.assertEqual(got["right"], 50)
        after = self.settled()
        self.assertEqual(after["requests"] - before["requests"], 50)
        # a second one because fetch gives the text out before it takes its connection back
        self.assertLessEqual(after["accepted"] - before["accepted"], 2)

    def test_side_by_side(self):
        got = self.fetch("together", "50")
        self.assertEqual(got["right"], 50)

    def test_conditional_head_range_and_bodies(self):
        got = self.fetch("kinds")
        self.assertEqual(got["if-none-match"], [304, ""])
        self.assertEqual(got["if-modified-since"], [304, ""])
        self.assertEqual(got["head"], [200, ""])
        self.assertEqual(got["range"], [206, PROSE[5:15].decode()])
        self.assertEqual(got["post"][0], 405)
        self.assertEqual(got["post of a stream"][0], 405)
        self.assertEqual(got["get after that"], [200, SITE["data.json"].decode()])

    def test_abort_in_the_middle(self):
        got = self.fetch("abort", "10")
        self.assertEqual(got["aborted"], 10)
        self.assertEqual(got["first bytes"], hashlib.sha256(BIG[:1000]).hexdigest())
        self.assertEqual(got["afterwards"], [200, hashlib.sha256(BIG).hexdigest()])
        self.expect_alive()
        wait_until(lambda: self.status()["connections"] == 0, "no connection is left over")


# ---- wget ----


def mirror_site():
    """A site whose every file can be reached by links from /."""
    pages = {
        "index.html": '<!doctype html><title>start</title><link rel=stylesheet href=style.css>'
                      '<a href="guide">guide</a> <a href="/docs/first.html">docs</a>'
                      '<a href="name%20with%20space.html">space</a><img src="picture.png">'
                      '<a href="cr%C3%A8me.html">accent</a><a href="empty.html">empty</a>'
                      '<a href="data/noise.bin">data</a><a href="data/packed.tar.gz">packed</a>',
        "style.css": 'body { background: url("images/back.png") }\n',
        "guide/index.html": '<title>guide</title><a href="deep/">deeper</a> <a href="../">up</a>',
        "guide/deep/index.html": '<title>deep</title><a href="../../docs/second.html">over</a>',
        "docs/first.html": '<title>first</title><a href="second.html?a=1#x">next</a>',
        "docs/second.html": "<title>second</title>" + "<p>words and words\n" * 2000,
        "name with space.html": "<title>space</title>",
        "crème.html": "<title>accent</title>",
        "empty.html": "",
        "picture.png": cairn.noise(5000, "picture"),
        "images/back.png": cairn.noise(3000, "back"),
        "data/noise.bin": cairn.noise(2_000_000, "data"),
        "data/packed.tar.gz": gzip.compress(b"packed " * 1000, mtime=0),
    }
    return {name: content.encode() if isinstance(content, str) else content
            for name, content in pages.items()}


class TestWget(ClientCase):
    site = {**mirror_site(), "big.bin": BIG, "prose.txt": PROSE}

    @classmethod
    def setUpClass(cls):
        cls.program = need("wget", "wget")
        super().setUpClass()

    def wget(self, *arguments, **options):
        return self.run_client(self.program, "--no-config", "--no-hsts", "--no-proxy", "-nv",
                               "--tries=1", "--timeout=60", *arguments, **options)

    def test_resume(self):
        for have in (0, 1, 9_999_999, len(BIG) - 1):
            with self.subTest(have):
                (self.folder / "big.bin").write_bytes(BIG[:have])
                before = self.settled()["bytes"]
                self.wget("-c", self.url("/big.bin"))
                self.assertEqual((self.folder / "big.bin").read_bytes(), BIG)
                sent = self.settled()["bytes"] - before
                self.assertGreaterEqual(sent, len(BIG) - have)
                self.assertLess(sent, len(BIG) - have + 10_000)

    def test_resume_of_what_is_complete(self):
        (self.folder / "big.bin").write_bytes(BIG)
        before = self.settled()["bytes"]
        self.wget("-c", self.url("/big.bin"))
        self.assertEqual((self.folder / "big.bin").read_bytes(), BIG)
        self.assertLess(self.settled()["bytes"] - before, 10_000)

    def test_spider(self):
        before = self.settled()["bytes"]
        self.wget("--spider", self.url("/big.bin"))
        self.wget("--spider", self.url("/guide"))
        self.assertLess(self.settled()["bytes"] - before, 10_000)
        self.assertEqual(list(self.folder.glob("*.bin")), [])
        self.wget("--spider", self.url("/missing"), expect=8)  # 8: the server said an error

    def test_spider_through_the_site(self):
        """A check for broken links finds none."""
        done = self.wget("--spider", "-r", "-l", "inf", "-e", "robots=off", self.url("/"))
        self.assertIn("Found no broken links.", done.err)

    def test_mirror(self):
        """The whole site over kept connections: the same tree, names and bytes, and each file
        with its time."""
        before = self.settled()["accepted"]
        self.wget("-r", "-l", "inf", "-e", "robots=off", "-nH", "-P", "mirror",
                  "--restrict-file-names=nocontrol", "--trust-server-names", self.url("/"))
        got = cairn.read_tree(self.folder / "mirror")
        query = got.pop("docs/second.html?a=1")
        self.assertEqual(query, self.site["docs/second.html"])
        self.assertEqual(got, mirror_site())
        for path in (self.folder / "mirror").rglob("*.html"):
            self.assertEqual(int(path.stat().st_mtime), MODIFIED_S, path.name)
        self.assertLess(self.settled()["accepted"] - before, 4)

    def test_timestamping(self):
        """-N: what has not changed is not downloaded a second time, by a whole mirror either."""
        targets = [self.url(path) for path in ("/big.bin", "/prose.txt", "/data/noise.bin")]
        self.wget("-N", *targets)
        self.assertEqual((self.folder / "big.bin").read_bytes(), BIG)
        self.assertEqual(int((self.folder / "big.bin").stat().st_mtime), MODIFIED_S)
        before = self.settled()
        self.wget("-N", *targets)
        after = self.settled()
        self.assertLess(after["bytes"] - before["bytes"], 10_000)
        self.assertEqual(after["accepted"] - before["accepted"], 1)
        self.assertEqual((self.folder / "big.bin").read_bytes(), BIG)
        # an older copy is fetched anew
        os.utime(self.folder / "prose.txt", (MODIFIED_S - 1, MODIFIED_S - 1))
        (self.folder / "prose.txt").write_bytes(b"old")
        os.utime(self.folder / "prose.txt", (MODIFIED_S - 1, MODIFIED_S - 1))
        self.wget("-N", *targets)
        self.assertEqual((self.folder / "prose.txt").read_bytes(), PROSE)

    def test_compression(self):
        done = self.wget("--compression=auto", "-S", "-O", "out", self.url("/prose.txt"),
                         expect=None)
        if done.returncode == 2:  # usage: built without zlib
            self.skipTest("this wget has no --compression")
        self.assertEqual((self.folder / "out").read_bytes(), PROSE)
        self.assertIn("Content-Encoding: gzip", done.err)

    def test_post(self):
        self.wget("--post-data=a=b", self.url("/prose.txt"), expect=8)
        self.expect_alive()


# ---- nginx in front ----


NGINX = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 100m;
    upstream cairn {{
        server 127.0.0.1:{upstream};
        keepalive 16;
    }}
    upstream cairn_by_path {{
        server unix:{socket};
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        proxy_set_header Host $http_host;
        location / {{
            proxy_pass http://cairn;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
        location /unbuffered/ {{
            proxy_pass http://cairn/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
        }}
        location /plain/ {{
            proxy_pass http://cairn/;
        }}
        location /unix/ {{
            proxy_pass http://cairn_by_path/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


class TestNginx(ClientCase):
    """Requests reach the server through a reverse proxy, most over kept connections."""

    @classmethod
    def setUpClass(cls):
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
        if program is None:
            raise unittest.SkipTest("nginx is not installed (Debian package nginx-light)")
        super().setUpClass()
        prefix = cls.class_folder / "nginx"
        prefix.mkdir()
        # The socket is bound here and handed over, so no other program can take the port before
        # nginx does, and a connection waits in its queue until nginx is there.
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            cls.port = listener.getsockname()[1]
            configuration = prefix / "nginx.conf"
            configuration.write_text(NGINX.format(
                folder=prefix, port=cls.port, upstream=cls.server.ports[0],
                socket=cls.socket_path, user="user root;" if os.geteuid() == 0 else ""))
            os.set_inheritable(listener.fileno(), True)
            with open(prefix / "output", "wb") as output:
                cls.nginx = subprocess.Popen(
                    [program, "-p", prefix, "-e", prefix / "error.log", "-c", configuration],
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    pass_fds=(listener.fileno(),),
                    env={**clean_environment(prefix), "NGINX": f"{listener.fileno()};"})
        cls.addClassCleanup(cls.stop_nginx)
        cls.prefix = prefix

    @classmethod
    def stop_nginx(cls):
        if cls.nginx.poll() is None:
            cls.nginx.send_signal(signal.SIGQUIT)  # lets its worker end, too
            try:
                cls.nginx.wait(20)
            except subprocess.TimeoutExpired:
                cls.nginx.terminate()
        cls.nginx.wait(cairn.PATIENCE_S)

    def setUp(self):
        super().setUp()
        if self.nginx.poll() is not None:
            self.fail("nginx ended: " + (self.prefix / "output").read_text() +
                      (self.prefix / "error.log").read_text())

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=cairn.PATIENCE_S)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, target, method="GET", **options):
        connection.request(method, target, **options)
        response = connection.getresponse()
        return response, response.read()

    def expect_no_error(self):
        """nginx found nothing wrong with any answer."""
        errors = [line for line in (self.prefix / "error.log").read_text().splitlines()
                  if "a client request body is buffered" not in line and
                  "an upstream response is buffered" not in line and "[notice]" not in line]
        self.assertEqual(errors, [])

    def test_hundreds_of_requests_over_few_connections(self):
        names = [name for name in SITE if name != "big.bin"]
        before = self.status()

        def many(first):
            connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                    timeout=cairn.PATIENCE_S)
            wrong = []
            for number in range(100):
                name = names[(first * 7 + number) % len(names)]
                response, body = self.ask(connection, "/" + quote(name))
                if (response.status, body) != (200, SITE[name]):
                    wrong.append((name, response.status, len(body)))
            connection.close()
            return wrong

        with ThreadPoolExecutor(8) as threads:
            wrong = [row for rows in threads.map(many, range(8)) for row in rows]
        self.assertEqual(wrong, [])
        after = wait_until(  # nginx keeps its connections
            lambda: (now := self.status())["requests"] - before["requests"] >= 800 and now, "800")
        self.assertEqual(after["requests"] - before["requests"], 800)
        self.assertLessEqual(after["accepted"] - before["accepted"], 16)
        self.expect_no_error()

    def test_what_goes_through(self):
        connection = self.connect()
        response, body = self.ask(connection, "/big.bin", headers={"Range": "bytes=1000-1999"})
        self.assertEqual((response.status, body), (206, BIG[1000:2000]))
        self.assertEqual(response.getheader("Content-Range"), f"bytes 1000-1999/{len(BIG)}")
        response, body = self.ask(connection, "/big.bin",
                                  headers={"Range": f"bytes={len(BIG)}-"})
        self.assertEqual(response.status, 416)
        self.assertEqual(response.getheader("Content-Range"), f"bytes */{len(BIG)}")
        response, body = self.ask(connection, "/big.bin",
                                  headers={"Range": "bytes=0-99,5000-5099"})
        self.assertEqual(response.status, 206)
        self.assertRegex(response.getheader("Content-Type"), "^multipart/byteranges; boundary=")
        self.assertIn(b"\r\n\r\n" + BIG[5000:5100] + b"\r\n", body)

        response, body = self.ask(connection, "/prose.txt")
        tag = response.getheader("ETag")
        self.assertEqual((response.status, body), (200, PROSE))
        self.assertEqual(response.getheader("Last-Modified"), MODIFIED)
        for fields in ({"If-None-Match": tag}, {"If-Modified-Since": MODIFIED}):
            response, body = self.ask(connection, "/prose.txt", headers=fields)
            self.assertEqual((response.status, body), (304, b""))
            self.assertEqual(response.getheader("ETag"), tag)

        response, body = self.ask(connection, "/prose.txt", "HEAD")
        self.assertEqual((response.status, body), (200, b""))
        self.assertEqual(response.getheader("Content-Length"), str(len(PROSE)))
        response, body = self.ask(connection, "/missing")
        self.assertEqual((response.status, body), (404, SITE["404.html"]))
        response, body = self.ask(connection, "/guide?a=1")
        self.assertEqual(response.status, 301)
        self.assertTrue(response.getheader("Location").endswith("/guide/?a=1"))

        response, body = self.ask(connection, "/prose.txt", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(response.getheader("Content-Encoding"), "gzip")
        self.assertIn("Accept-Encoding", response.getheader("Vary"))
        self.assertEqual(gzip.decompress(body), PROSE)
        self.assertNotEqual(response.getheader("ETag"), tag)
        self.expect_no_error()

    def test_bodies(self):
        """nginx passes a body on; the 405 comes back, and the connection serves on."""
        connection = self.connect()
        for prefix in ("", "/unbuffered", "/unix"):
            for size in (10, 100_000, 900_000):
                with self.subTest(f"{prefix} {size}"):
                    response, _ = self.ask(connection, f"{prefix}/prose.txt", "POST",
                                           body=b"b" * size)
                    self.assertEqual(response.status, 405)
                    response, body = self.ask(connection, f"{prefix}/prose.txt")
                    self.assertEqual((response.status, body), (200, PROSE))
        self.expect_no_error()

    def test_other_ways_to_ask(self):
        """Without buffers, over HTTP/1.0 with a connection each, and over a Unix socket."""
        connection = self.connect()
        for prefix in ("", "/unbuffered", "/plain", "/unix"):
            with self.subTest(prefix):
                for name in ("prose.txt", "big.bin", "empty.txt", "prose.txt"):
                    response, body = self.ask(connection, f"{prefix}/{name}")
                    self.assertEqual(response.status, 200)
                    self.assertEqual(body, SITE[name])
        self.expect_no_error()

    def test_client_that_goes_away(self):
        for prefix in ("", "/unbuffered"):
            for _ in range(5):
                connection = self.connect()
                connection.request("GET", f"{prefix}/big.bin")
                self.assertEqual(connection.getresponse().read(1000), BIG[:1000])
                connection.close()
        response, body = self.ask(self.connect(), "/big.bin")
        self.assertEqual((response.status, body), (200, BIG))


# ---- Chromium ----


def png(width, height, colour):
    """A picture of one colour."""
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))

    rows = (b"\0" + bytes(colour) * width) * height
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def recording(seconds):
    """A tone as WAV: 16 bits, two channels."""
    rate = 44_100
    second = b"".join(struct.pack("<hh", *[int(8000 * math.sin(math.tau * 440 * at / rate))] * 2)
                      for at in range(rate))
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(second * seconds)
    return out.getvalue()


def font():
    """The smallest TrueType font that browsers take: "A" is a box, two em wide."""
    em, wide = 1000, 2000
    corners = ((0, 0), (0, 700), (1900, 700), (1900, 0))
    steps = [(x - px, y - py) for (x, y), (px, py) in zip(corners, ((0, 0),) + corners)]
    box = (struct.pack(">hhhhh", 1, 0, 0, 1900, 700) + struct.pack(">HH", 3, 0) +
           b"\x01" * 4 + b"".join(struct.pack(">h", x) for x, _ in steps) +
           b"".join(struct.pack(">h", y) for _, y in steps))
    box += b"\0" * (-len(box) % 4)
    segments = struct.pack(">HHHH", 4, 4, 1, 0)
    segments += struct.pack(">HHHHH", 65, 0xffff, 0, 65, 0xffff)
    segments += struct.pack(">hhHH", 1 - 65, 1, 0, 0)
    unicode_map = struct.pack(">HHH", 4, 6 + len(segments), 0) + segments
    names = {1: "Box", 2: "Regular", 3: "Box", 4: "Box Regular", 5: "Version 1", 6: "Box"}
    records, strings = b"", b""
    for number, text in names.items():
        data = text.encode("utf-16-be")
        records += struct.pack(">HHHHHH", 3, 1, 0x409, number, len(data), len(strings))
        strings += data
    tables = {
        b"OS/2": struct.pack(">HhHHH", 3, wide, 400, 5, 0) + struct.pack(">10h", *[500] * 10) +
                 struct.pack(">h", 0) + bytes(10) + struct.pack(">4I", 1, 0, 0, 0) + b"NONE" +
                 struct.pack(">HHH", 0x40, 65, 65) + struct.pack(">hhhHH", 800, -200, 0, 800, 200) +
                 struct.pack(">II", 1, 0) + struct.pack(">hhHHH", 500, 700, 0, 32, 1),
        b"cmap": struct.pack(">HHHHI", 0, 1, 3, 1, 12) + unicode_map,
        b"glyf": box,
        b"head": struct.pack(">IIIIHHqqhhhhHHhhh", 0x10000, 0x10000, 0, 0x5f0f3cf5, 3, em,
                             0, 0, 0, 0, 1900, 700, 0, 8, 2, 1, 0),
        b"hhea": struct.pack(">IhhhHhhhhhhhhhhhH", 0x10000, 800, -200, 0, wide, 0, 0, 1900, 1,
                             0, 0, 0, 0, 0, 0, 0, 2),
        b"hmtx": struct.pack(">HhHh", 500, 0, wide, 0),
        b"loca": struct.pack(">III", 0, 0, len(box)),
        b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 0x10000, 2, 4, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                             0),
        b"name": struct.pack(">HHH", 0, len(names), 6 + len(records)) + records + strings,
        b"post": struct.pack(">IIhhIIIII", 0x30000, 0, -100, 50, 0, 0, 0, 0, 0),
    }

    def checksum(data):
        data += b"\0" * (-len(data) % 4)
        return sum(struct.unpack(f">{len(data) // 4}I", data)) & 0xffffffff

    power = 1 << (len(tables).bit_length() - 1)
    head = struct.pack(">IHHHH", 0x10000, len(tables), power * 16, power.bit_length() - 1,
                       (len(tables) - power) * 16)
    offset, directory, bodies = 12 + 16 * len(tables), b"", b""
    for tag, data in sorted(tables.items()):
        directory += tag + struct.pack(">III", checksum(data), offset + len(bodies), len(data))
        bodies += data + b"\0" * (-len(data) % 4)
    whole = head + directory + bodies
    at = whole.index(struct.pack(">I", 0x5f0f3cf5)) - 4
    return (whole[:at] + struct.pack(">I", (0xb1b0afba - checksum(whole)) & 0xffffffff) +
            whole[at + 4:])


PAGE_SITE = {
    "index.html": """<!doctype html><html lang=en><meta charset=utf-8><title>A page</title>
<link rel=icon href=icon.png><link rel=stylesheet href=style.css>
<script type=module src=js/main.js></script>
<p id=text>AAAAAAAAAA</p><img id=picture src="pictures/a%20picture.png" alt="">
<audio id=sound preload=metadata src=tone.wav></audio>
""",
    "broken.html": "<!doctype html><title>broken</title><link rel=icon href=icon.png>"
                   "<img src=missing.png>",
    "style.css": """@font-face { font-family: Box; src: url(fonts/box.ttf) }
p { font: 16px/1 Box; display: inline-block; margin: 0; color: rgb(1, 2, 3) }
""",
    "js/main.js": """import { stones } from './part.js';
document.documentElement.dataset.stones = stones;
window.isModule = true;
""",
    "js/part.js": "export const stones = 3;\n",
    "data.json": '{"stones": [1, 2, 3], "word": "Grüße"}\n',
    "icon.png": png(16, 16, (200, 10, 10)),
    "pictures/a picture.png": png(33, 22, (10, 200, 10)),
    "fonts/box.ttf": font(),
    "second.html": "<!doctype html><title>Second</title><link rel=icon href=icon.png>",
}

SEEK = """new Promise((resolve, reject) => {
    const sound = document.getElementById('sound');
    sound.onerror = () => reject(new Error(sound.error.message));
    const seek = () => {
        sound.onseeked = () => resolve([sound.duration, sound.currentTime, sound.seekable.end(0)]);
        sound.currentTime = TIME;
    };
    sound.readyState >= 1 ? seek() : sound.onloadedmetadata = seek;
})"""


class TestChromium(ClientCase):
    site = PAGE_SITE

    @classmethod
    def setUpClass(cls):
        if chromium.find() is None:
            raise unittest.SkipTest("chromium is not installed (Debian package chromium)")
        cls.sound = recording(60)
        cls.site = {**PAGE_SITE, "tone.wav": cls.sound}
        super().setUpClass()
        cls.browser = chromium.Chromium()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self.page = self.browser.page()
        self.page.forget_cache()

    def answers(self):
        """{path: [response]} since the last open or reload."""
        found = {}
        for response in self.page.responses():
            path = response["url"].split("/", 3)[3]
            found.setdefault("/" + path, []).append(response)
        return found

    def expect_page_works(self):
        page = self.page
        self.assertEqual(page.run("document.title"), "A page")
        self.assertEqual(page.run("document.documentElement.dataset.stones"), "3")
        self.assertIs(page.run("isModule"), True)
        self.assertEqual(page.run("getComputedStyle(document.querySelector('p')).color"),
                         "rgb(1, 2, 3)")
        self.assertEqual(page.run("[picture.naturalWidth, picture.naturalHeight]"), [33, 22])
        # ten letters, each two em of 16 pixels wide: nobody else's font is like that
        page.run("document.fonts.ready.then(() => 0)")
        self.assertEqual(page.run("[...document.fonts].map(face => face.status)"), ["loaded"])
        self.assertEqual(page.run("document.getElementById('text').offsetWidth"), 320)
        self.assertEqual(page.run("fetch('data.json').then(response => response.json())"),
                         {"stones": [1, 2, 3], "word": "Grüße"})
        self.assertEqual(page.complaints(), [])

    def test_page_with_everything(self):
        self.page.open(self.url("/"))
        self.expect_page_works()
        answers = self.answers()
        for path in ("/", "/style.css", "/js/main.js", "/js/part.js", "/fonts/box.ttf",
                     "/pictures/a%20picture.png", "/data.json"):
            with self.subTest(path):
                self.assertEqual([(answer["status"], answer["cached"])
                                  for answer in answers[path]], [(200, False)])

    def test_seek_in_a_recording(self):
        """The player jumps to the middle of a minute: it needs the bytes there, and gets 206."""
        self.page.open(self.url("/?seek"))
        for want_s in (30, 55, 5):
            duration, at, end = self.page.run(SEEK.replace("TIME", str(want_s)))
            self.assertAlmostEqual(duration, 60, places=2)
            self.assertAlmostEqual(end, 60, places=2)
            self.assertAlmostEqual(at, want_s, places=2)
        answers = self.answers()["/tone.wav"]
        self.assertEqual({answer["status"] for answer in answers}, {206})
        starts = []
        for answer in answers:
            match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer["headers"]["content-range"])
            first, last, length = map(int, match.groups())
            self.assertEqual(length, len(self.sound))
            self.assertTrue(first <= last < length)
            starts.append(first)
        self.assertIn(0, starts)
        self.assertGreater(max(starts), 0)  # it did jump, not read on
        self.assertEqual(self.page.complaints(), [])

    def test_reload(self):
        """A reload asks whether the page is still right, and is told 304; a visit by a link takes
        what may be kept out of the cache. Nothing is sent twice."""
        self.page.open(self.url("/?reload"))
        self.expect_page_works()
        self.page.reload()
        self.expect_page_works()
        answers = self.answers()
        self.assertEqual([answer["status"] for answer in answers["/?reload"]], [304])
        for path in ("/style.css", "/js/main.js", "/js/part.js", "/fonts/box.ttf",
                     "/pictures/a%20picture.png"):
            with self.subTest(path):
                for answer in answers.get(path, []):
                    self.assertTrue(answer["cached"] or answer["status"] == 304, answer)
        self.page.open(self.url("/second.html"))
        self.page.open(self.url("/?reload"))
        self.expect_page_works()
        for path, rows in self.answers().items():
            if path != "/tone.wav":  # its player lets go of a download, which is not kept
                with self.subTest(path):
                    self.assertTrue(all(row["cached"] or row["status"] == 304 for row in rows))

    def test_form_is_refused_and_the_site_goes_on(self):
        self.page.open(self.url("/?form"))
        self.assertEqual(self.page.run(
            "fetch('data.json', {method: 'POST', body: 'x'.repeat(100000)})"
            ".then(response => response.status)"), 405)
        self.assertEqual(self.page.run("fetch('data.json').then(response => response.status)"),
                         200)
        self.assertEqual(self.page.run("fetch('missing').then(response => response.status)"), 404)

    def test_security_preset_breaks_nothing(self):
        with Server(self.index, options=("--secure-headers",)) as server:
            self.page.open(self.url("/", server.ports[0]))
            self.expect_page_works()
            self.page.run(SEEK.replace("TIME", "30"))
            self.assertEqual(self.page.complaints(), [])

    def test_complaints_are_noticed(self):
        """The check above is not blind: a picture that is missing, an error, an exception."""
        self.page.open(self.url("/broken.html"))
        self.assertRegex("\n".join(self.page.complaints()), r"log: error: .*missing\.png")
        self.page.open(self.url("/second.html"))
        self.assertEqual(self.page.complaints(), [])
        self.page.run("console.warn('careful'), setTimeout(() => { throw new Error('oh') }), 0")
        self.page.run("new Promise(resolve => setTimeout(resolve))")
        complaints = "\n".join(self.page.complaints())
        self.assertIn("console.warning", complaints)
        self.assertIn("exception", complaints)


if __name__ == "__main__":
    unittest.main()

"""Parts of a file, what they are parts of, and dates: as a client sees them."""
import email.parser
import email.utils
import os
import random
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, request

MODIFIED_S = 1_600_000_000  # Sun, 13 Sep 2020 12:26:40 GMT
DATES = ("Sun, 13 Sep 2020 12:26:40 GMT", "Sunday, 13-Sep-20 12:26:40 GMT",
         "Sun Sep 13 12:26:40 2020")
EARLIER = ("Sun, 13 Sep 2020 12:26:39 GMT", "Sunday, 13-Sep-20 12:26:39 GMT",
           "Sun Sep 13 12:26:39 2020")
LINES = "".join(f"{number:09}\n" for number in range(5000)).encode()
BIG = cairn.noise(5_000_000, "ranges")
SITE = {"lines.txt": LINES, "big.bin": BIG, "empty.txt": b"", "one.bin": b"x"}


def parts(response):
    """[(first, last, length, bytes)] of a multipart/byteranges body, taken apart strictly."""
    kind, boundary = response["Content-Type"].split("; boundary=")
    assert kind == "multipart/byteranges", kind
    delimiter = b"\r\n--" + boundary.encode()
    body = b"\r\n" + response.body
    assert body.endswith(delimiter + b"--\r\n"), body[-100:]
    found = []
    pieces = body[:-len(b"--\r\n") - len(delimiter)].split(delimiter)
    assert pieces[0] == b"", pieces[0]
    for piece in pieces[1:]:
        assert piece.startswith(b"\r\n")
        head, content = piece[2:].split(b"\r\n\r\n", 1)
        fields = email.parser.Parser().parsestr(head.decode())
        unit, rest = fields["Content-Range"].split(" ")
        span, length = rest.split("/")
        first, last = span.split("-")
        assert unit == "bytes"
        found.append((int(first), int(last), int(length), content, fields["Content-Type"]))
    return found


class Ranges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="cairn-")
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        tree = cairn.write_tree(cls.folder / "tree", SITE, MODIFIED_S)
        cls.server = Server(cairn.pack(tree, cls.folder / "site.cairn")).__enter__()
        cls.addClassCleanup(cls.server.__exit__, None)

    def setUp(self):
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def ask(self, target, ranges, fields="", method="GET"):
        return self.client.get(target, method, f"Range: {ranges}\r\n{fields}")

    def expect_part(self, answer, content, first, last):
        self.assertEqual(answer.status_line, "HTTP/1.1 206 Partial Content")
        self.assertEqual(answer["Content-Range"], f"bytes {first}-{last}/{len(content)}")
        self.assertEqual(answer.body, content[first:last + 1])


class TestOneRange(Ranges):
    def test_forms(self):
        end = len(LINES) - 1
        for ranges, first, last in (("bytes=0-0", 0, 0), ("bytes=0-9", 0, 9), ("bytes=10-", 10, end),
                                    ("bytes=-10", end - 9, end), ("bytes=49990-99999", 49990, end),
                                    ("bytes=-99999999", 0, end), ("Bytes=5-6", 5, 6),
                                    ("bytes=0-18446744073709551616", 0, end),
                                    ("bytes=99999-,5-6", 5, 6), ("bytes=0-4,3-9", 0, 9),
                                    ("bytes=5-9,0-4", 0, 9), ("bytes= 1-2 ", 1, 2),
                                    (f"bytes={end}-", end, end)):
            with self.subTest(ranges):
                answer = self.ask("/lines.txt", ranges)
                self.expect_part(answer, LINES, first, last)
                self.assertEqual(answer["Content-Type"], "text/plain; charset=utf-8")
        self.expect_part(self.ask("/big.bin", "bytes=1000000-3999999"), BIG, 1_000_000, 3_999_999)
        self.expect_part(self.ask("/one.bin", "bytes=0-"), b"x", 0, 0)

    def test_fields_are_those_of_the_200(self):
        whole = self.client.get("/lines.txt")
        answer = self.ask("/lines.txt", "bytes=0-9")
        for name in ("ETag", "Last-Modified", "Cache-Control", "Vary", "Content-Type",
                     "Accept-Ranges", "X-Content-Type-Options"):
            self.assertEqual(answer[name], whole[name], name)

    def test_passed_over(self):
        for ranges in ("bytes=5-2", "bytes=abc", "bytes=", "bytes", "bytes=-", "bytes=1-2-3",
                       "lines=0-9", "bytes=0-9;x", "bytes=+1-2", "bytes=0x1-2", "bytes=1-2,x",
                       "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 20200, 200))):
            with self.subTest(ranges[:40]):
                answer = self.ask("/lines.txt", ranges)
                self.assertEqual((answer.status, answer.body), (200, LINES))
                self.assertIsNone(answer["Content-Range"])
        answer = self.ask("/lines.txt", "bytes=0-9", method="HEAD")
        self.assertEqual((answer.status, answer["Content-Length"]), (200, str(len(LINES))))
        answer = self.ask("/lines.txt", "bytes=0-9", "Range: bytes=0-9\r\n")
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.ask("/empty.txt", "bytes=0-").status, 200)

    def test_416(self):
        for ranges in ("bytes=50000-", "bytes=50000-50001", "bytes=-0", "bytes=99999-,77777-88888"):
            answer = self.ask("/lines.txt", ranges)
            self.assertEqual(answer.status_line, "HTTP/1.1 416 Range Not Satisfiable")
            self.assertEqual(answer["Content-Range"], "bytes */50000")
            self.assertEqual(answer["Cache-Control"], "no-store")
            self.assertLess(len(answer.body), 100)

    def test_of_the_selected_form(self):
        for coding in ("gzip", "br", "zstd"):
            accept = f"Accept-Encoding: {coding}\r\n"
            whole = self.client.get("/lines.txt", fields=accept)
            self.assertEqual(whole["Content-Encoding"], coding)
            answer = self.ask("/lines.txt", "bytes=5-99", accept)
            self.expect_part(answer, whole.body, 5, 99)
            for name in ("ETag", "Content-Encoding", "Vary"):
                self.assertEqual(answer[name], whole[name], name)


class TestSeveralRanges(Ranges):
    def expect_parts(self, answer, content, spans):
        self.assertEqual(answer.status, 206)
        self.assertIsNone(answer["Content-Range"])
        self.assertEqual([part[:3] for part in parts(answer)],
                         [(first, last, len(content)) for first, last in spans])
        for first, last, _, body, kind in parts(answer):
            self.assertEqual(body, content[first:last + 1])
            self.assertEqual(kind, self.client.get("/" + self.name)["Content-Type"])

    def test_parts_in_the_order_asked_for(self):
        self.name = "lines.txt"
        end = len(LINES) - 1
        for ranges, spans in (
                ("bytes=0-9,1000-1009", [(0, 9), (1000, 1009)]),
                ("bytes=1000-1009,0-9,-10", [(1000, 1009), (0, 9), (end - 9, end)]),
                ("bytes=0-9,5-20,2000-2000,21-30", [(0, 30), (2000, 2000)]),
                ("bytes=0-9,60-70,500-600", [(0, 70), (500, 600)]),  # a gap that costs more than it saves
                ("bytes=0-9,99999-,500-600", [(0, 9), (500, 600)])):
            with self.subTest(ranges):
                self.expect_parts(self.ask("/lines.txt", ranges), LINES, spans)

    def test_long_parts_and_a_slow_reader(self):
        self.name = "big.bin"
        spans = [(0, 999_999), (4_000_000, 4_999_999), (2_000_000, 2_499_999), (3_000_000, 3_000_000)]
        ranges = "bytes=" + ",".join(f"{first}-{last}" for first, last in spans)
        self.expect_parts(self.ask("/big.bin", ranges), BIG, spans)
        with self.server.client(receive_buffer=4096) as slow:
            slow.send(request("/big.bin", fields=f"Range: {ranges}\r\n") * 2 + request("/one.bin"))
            for _ in range(2):
                self.expect_parts(slow.read(), BIG, spans)
            self.assertEqual(slow.read().body, b"x")

    def test_a_hundred_random_sets(self):
        self.name = "lines.txt"
        dice = random.Random(4)
        for _ in range(100):
            spans = []
            for _ in range(dice.randint(1, 30)):
                first = dice.randrange(len(LINES))
                spans.append((first, min(first + dice.randrange(2000), len(LINES) - 1)))
            answer = self.ask("/lines.txt", "bytes=" + ",".join(f"{a}-{b}" for a, b in spans))
            self.assertEqual(answer.status, 206)
            if answer["Content-Range"] is None:
                got = [(first, last) for first, last, _, body, _ in parts(answer)
                       if body == LINES[first:last + 1]]
                self.assertEqual(len(got), len(parts(answer)))
            else:
                first, last = answer["Content-Range"].split(" ")[1].split("/")[0].split("-")
                got = [(int(first), int(last))]
                self.assertEqual(answer.body, LINES[got[0][0]:got[0][1] + 1])
            covered = set()
            for first, last in got:
                self.assertFalse(covered & set(range(first, last + 1)))  # nothing twice
                covered |= set(range(first, last + 1))
            for first, last in spans:
                self.assertTrue(covered >= set(range(first, last + 1)))

    def test_with_a_site_owners_type(self):
        tree = cairn.write_tree(self.folder / "typed-tree", {"x.abc": LINES}, MODIFIED_S)
        index = cairn.pack(tree, self.folder / "typed.cairn", "--type", "abc=application/x-abc")
        with Server(index) as server:
            answer = server.get("/x.abc", fields="Range: bytes=0-1,1000-1001\r\n")
            self.assertEqual({part[4] for part in parts(answer)}, {"application/x-abc"})


class TestIfRange(Ranges):
    def test_tags_and_dates(self):
        tag = self.client.get("/lines.txt")["ETag"]
        gzip_tag = self.client.get("/lines.txt", fields="Accept-Encoding: gzip\r\n")["ETag"]
        for value, status in ((tag, 206), (f"W/{tag}", 200), ('"x"', 200), (gzip_tag, 200), ("*", 200),
                              (f"{tag}, {tag}", 200), (tag.strip('"'), 200), ("", 200),
                              *((date, 206) for date in DATES), *((date, 200) for date in EARLIER),
                              ("Sun, 13 Sep 2020 12:26:41 GMT", 200), ("yesterday", 200)):
            with self.subTest(value):
                answer = self.ask("/lines.txt", "bytes=0-9", f"If-Range: {value}\r\n")
                self.assertEqual(answer.status, status)
                self.assertEqual(len(answer.body), 10 if status == 206 else len(LINES))
        # without Range it says nothing
        self.assertEqual(self.client.get("/lines.txt", fields=f"If-Range: {tag}\r\n").status, 200)
        # a tag that does not match makes it a plain request, not 416
        answer = self.ask("/lines.txt", "bytes=99999-", 'If-Range: "x"\r\n')
        self.assertEqual(answer.status, 200)


class TestPreconditions(Ranges):
    def test_order_and_dates(self):
        tag = self.client.get("/lines.txt")["ETag"]
        match, mismatch = f"If-Match: {tag}\r\n", 'If-Match: "x"\r\n'
        none, other = f"If-None-Match: {tag}\r\n", 'If-None-Match: "x"\r\n'
        rows = [(match, 200), (mismatch, 412), (f"If-Match: W/{tag}\r\n", 412), ("If-Match: *\r\n", 200),
                (none, 304), (other, 200), (match + none, 304), (mismatch + none, 412)]
        for date, earlier in zip(DATES, EARLIER):
            rows += [(f"If-Modified-Since: {date}\r\n", 304), (f"If-Modified-Since: {earlier}\r\n", 200),
                     (f"If-Unmodified-Since: {date}\r\n", 200),
                     (f"If-Unmodified-Since: {earlier}\r\n", 412),
                     (f"{match}If-Unmodified-Since: {earlier}\r\n", 200),
                     (f"{other}If-Modified-Since: {date}\r\n", 200),
                     (f"{none}If-Modified-Since: {earlier}\r\n", 304),
                     (f"If-Unmodified-Since: {earlier}\r\n{none}", 412)]
        rows += [("If-Modified-Since: tomorrow\r\n", 200), ("If-Unmodified-Since: yesterday\r\n", 200)]
        for fields, status in rows:
            for method in ("GET", "HEAD"):
                with self.subTest(fields, method=method):
                    answer = self.client.get("/lines.txt", method, fields)
                    self.assertEqual(answer.status, status)
                    self.assertIsNotNone(answer["Date"])
            answer = self.ask("/lines.txt", "bytes=0-9", fields)
            self.assertEqual(answer.status, 206 if status == 200 else status, fields)
            self.assertEqual(self.client.get("/missing", "GET", fields).status, 404)
            self.assertEqual(self.client.get("/lines.txt", "POST", fields).status, 405)
            self.assertEqual(self.client.get("/lines.txt", "OPTIONS", fields).status, 204)


class TestDates(cairn.TemporaryFolder):
    def test_last_modified_is_never_later_than_date(self):
        """RFC 9110 8.8.2.1: clocks are wrong, and some tools set times in the future."""
        index = self.pack_tree({"x.txt": "x\n"}, modified_s=int(time.time()) + 1_000_000)
        with Server(index) as server:
            answer = server.get("/x.txt")
            modified, date = (email.utils.parsedate_to_datetime(answer[name]).timestamp()
                              for name in ("Last-Modified", "Date"))
            self.assertLessEqual(modified, date)
            self.assertGreater(modified, date - 1000)
            earlier = email.utils.formatdate(time.time() - 100, usegmt=True)
            self.assertEqual(server.get("/x.txt", fields=f"If-Modified-Since: {earlier}\r\n").status, 200)

    def test_no_date_where_it_means_nothing(self):
        for modified_s in (0, 1):
            index = self.pack_tree({"x.txt": "x\n"}, name=f"at{modified_s}", modified_s=modified_s)
            with Server(index) as server:
                answer = server.get("/x.txt")
                self.assertIsNone(answer["Last-Modified"])
                for field in ("If-Modified-Since", "If-Unmodified-Since"):
                    fields = f"{field}: {answer['Date']}\r\n"
                    self.assertEqual(server.get("/x.txt", fields=fields).status, 200)


class TestCutArchive(cairn.TemporaryFolder):
    def test_a_body_that_is_gone_ends_the_connection(self):
        """Somebody cut the archive: what was promised does not come, and nothing in its place."""
        index = self.pack_tree({"big.bin": BIG})
        with Server(index, workers=1) as server:
            archive = self.folder / "site.cairn"
            os.truncate(archive, 2_000_000)
            with server.client() as client:
                client.send(request("/big.bin"))
                got = client.read_to_end()
            head, body = got.split(b"\r\n\r\n", 1)
            self.assertIn(b"Content-Length: 5000000", head)
            self.assertLess(len(body), 2_000_001)
            self.assertEqual(body, BIG[:len(body)])


if __name__ == "__main__":
    unittest.main()

"""Every row of raw_requests.py: sent whole, byte by byte, and cut in two wherever that is. The
answers are the same each time, strictly well-formed, and the next request on the connection, where
it stays, gets its own answer."""
import random
import re
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
import raw_requests
from cairn import Server

SENTINEL = raw_requests.get("/sentinel.txt").encode()
STATUS_LINE = re.compile(r"HTTP/1\.1 [1-5]\d\d [A-Za-z ]+")
FIELD_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([\t\x20-\x7e]*)")


def take_answer(data, method):
    """(status, {name: value}, body, rest) of the first answer, or None if it is not all there."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = data[:end].decode("latin-1").split("\r\n")
    assert STATUS_LINE.fullmatch(lines[0]), lines[0]
    status = int(lines[0][9:12])
    fields = {}
    for line in lines[1:]:
        match = FIELD_LINE.fullmatch(line)
        assert match, line
        name = match.group(1).lower()
        assert name not in fields, f"{name} comes twice"
        fields[name] = match.group(2)
    assert "transfer-encoding" not in fields
    length = fields.get("content-length")
    bodiless = method == "HEAD" or status in (204, 304)
    if bodiless:
        assert status not in (204, 304) or length is None, lines
    else:
        assert length is not None, lines
    count = 0 if bodiless else int(length)
    body = data[end + 4:end + 4 + count]
    return None if len(body) < count else (status, fields, body, data[end + 4 + count:])


def methods_of(row):
    """The methods of the requests in a row, for those that answer without a body."""
    found = re.findall(rb"(?:^|\n)([A-Za-z]+) [^\r\n]* HTTP/1", row.data)
    names = [name.decode() for name in found]
    return (names + ["GET"] * len(row.statuses))[:len(row.statuses)]


class TestRawRequests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="cairn-")
        cls.addClassCleanup(holder.cleanup)
        folder = Path(holder.name)
        tree = cairn.write_tree(folder / "tree", raw_requests.SITE, raw_requests.MODIFIED_S)
        cls.server = Server(cairn.pack(tree, folder / "site.cairn"), workers=2,
                            options=["--limit", "linger-time=1h"]).__enter__()
        cls.addClassCleanup(cls.server.__exit__, None)
        tags = {"etag": ("/page.html", ""), "gzip_etag": ("/page.html", "Accept-Encoding: gzip\r\n"),
                "data_etag": ("/data.bin", "")}
        cls.values = {name: cls.server.get(target, fields=fields)["ETag"].encode()
                      for name, (target, fields) in tags.items()}

    def fill(self, data):
        for name, value in self.values.items():
            data = data.replace(b"{" + name.encode() + b"}", value)
        return data

    def exchange(self, row, pieces):
        """[(status, fields, body)] of the row's answers, then what the sentinel gets."""
        answers = []
        with self.server.client() as client:
            try:
                for piece in pieces:
                    client.send(piece)
                if not row.closes:
                    client.send(SENTINEL)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before its end
            wanted = methods_of(row) + ([] if row.closes else ["GET"])
            data = b""
            for method in wanted:
                while (taken := take_answer(data, method)) is None:
                    piece = client.socket.recv(262144)
                    if not piece:
                        raise AssertionError(f"{row.name}: closed; so far {answers} {data[:300]}")
                    data += piece
                status, fields, body, data = taken
                fields.pop("date")
                answers.append((status, fields, body))
            if row.closes:
                rest = data + self.read_to_end(row, client)
                if rest:
                    raise AssertionError(f"{row.name}: more came: {rest[:300]}")
        return answers

    @staticmethod
    def read_to_end(row, client):
        """What follows the last answer. Bytes that come after an orderly end of the connection are
        answered by the system with a reset: only a client that sends where it must not sees it."""
        try:
            return client.read_to_end()
        except ConnectionResetError:
            if not row.sends_behind_close:
                raise
            return b""

    def check(self, row, answers):
        sentinel = None if row.closes else answers[-1]
        answers = answers if row.closes else answers[:-1]
        statuses = tuple(status for status, _, _ in answers)
        if statuses != row.statuses:
            raise AssertionError(f"{row.name}: {statuses}, not {row.statuses}")
        if sentinel and (sentinel[0] != 200 or sentinel[2] != b"the sentinel answers\n"):
            raise AssertionError(f"{row.name}: the next request got {sentinel}")
        fields = answers[-1][1]
        for name, value in row.fields.items():
            if fields.get(name) != value:
                raise AssertionError(f"{row.name}: {name} is {fields.get(name)!r}, not {value!r}")
        if row.closes and fields.get("connection") != "close":
            raise AssertionError(f"{row.name}: it closes and does not say so")

    def run_rows(self, cut):
        """All rows, in pieces as cut(data) says; compared with the whole."""
        def one(row):
            data = self.fill(row.data)
            whole = self.exchange(row, [data])
            self.check(row, whole)
            for pieces in cut(data):
                got = self.exchange(row, pieces)
                if got != whole:
                    raise AssertionError(f"{row.name}, cut at {len(pieces[0])}: {got}, not {whole}")
        with ThreadPoolExecutor(8) as pool:
            failures = [str(error) for error in pool.map(lambda row: self.attempt(one, row),
                                                         raw_requests.ROWS) if error]
        self.assertFalse(failures, "\n".join(failures))

    @staticmethod
    def attempt(function, row):
        try:
            function(row)
        except (AssertionError, OSError, EOFError) as error:
            return error if isinstance(error, AssertionError) else f"{row.name}: {error!r}"

    def test_whole(self):
        self.assertGreater(len(raw_requests.ROWS), 400)
        self.run_rows(lambda data: [])

    def test_byte_by_byte(self):
        def cut(data):
            if len(data) < 3000:
                yield [data[at:at + 1] for at in range(len(data))]
            else:  # the first and last by themselves, and pieces between
                yield [data[:1], *(data[at:at + 997] for at in range(1, len(data) - 1, 997)), data[-1:]] \
                    if (len(data) - 2) % 997 == 0 else \
                    [data[:1], *(data[at:min(at + 997, len(data) - 1)]
                                 for at in range(1, len(data) - 1, 997)), data[-1:]]
        self.run_rows(cut)

    def test_cut_in_two(self):
        dice = random.Random(9112)

        def cut(data):
            places = range(1, len(data)) if len(data) < 150 else \
                sorted(dice.sample(range(1, len(data)), 25))
            for at in places:
                yield [data[:at], data[at:]]
        self.run_rows(cut)


if __name__ == "__main__":
    unittest.main()

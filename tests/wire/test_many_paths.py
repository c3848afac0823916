"""30,000 files, 100,000 paths that do not exist, and a reload of that size under load. A perfect
hash function gives an answer for every key: only comparing the path makes a 404 of it."""
import random
import re
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server

FILES = 30_000
ABSENT = 100_000
PIPELINE = 50
WORDS = ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
         "sigma tau upsilon phi chi psi omega").split()
EXTENSIONS = (".html", ".css", ".js", ".svg", ".json", ".txt", ".png", "")


def tree_of(release):
    """{name: bytes}: deterministic, in folders of different depth; some contents are equal."""
    rng = random.Random(99)
    files = {}
    while len(files) < FILES:
        number = len(files)
        folders = [rng.choice(WORDS) for _ in range(number % 5)]
        name = "/".join([*folders, f"{rng.choice(WORDS)}-{number}{rng.choice(EXTENSIONS)}"])
        if number % 1000 == 0:
            name = "/".join([*folders, f"{number}", "index.html"])
        text = f"{name} in release {release if number % 3 == 0 else 1}\n"
        files[name] = b"shared\n" if number % 500 == 1 else text.encode() * (1 + number % 7)
    return files


def absent_paths(names, count):
    """Near-misses of real paths, and noise."""
    rng = random.Random(4711)
    real = {"/" + name for name in names}
    real |= {"/" + name[:-len("index.html")] for name in names if name.endswith("/index.html")}
    folders = {path.rstrip("/") for path in real if path.endswith("/")}
    pages = {path[:-len(".html")] for path in real if path.endswith(".html")}
    folders |= pages | {page + "/" for page in pages}  # the other spellings of a page
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-._/"
    ordered = sorted(names)
    found = set()
    while len(found) < count:
        path = "/" + rng.choice(ordered)
        at = rng.randrange(1, len(path))
        kind = rng.randrange(9)
        if kind == 0:
            path = path[:at] + rng.choice(letters) + path[at + 1:]
        elif kind == 1:
            path = path[:at] + path[at + 1:]
        elif kind == 2:
            path = path[:at] + rng.choice(letters) + path[at:]
        elif kind == 3:
            path = path[:at] + path[at].swapcase() + path[at + 1:]
        elif kind == 4:
            path = path.rsplit(".", 1)[0] + rng.choice((".htm", ".php", ".html.gz", ".jsx", ""))
        elif kind == 5:
            path += "/"
        elif kind == 6:
            path += rng.choice((".", "%20", "x", "~", ".bak", "index.html"))
        elif kind == 7:
            path = path[at:] if path[at] == "/" else "/" + path[at:]
        else:
            path = "/" + "".join(rng.choice(letters) for _ in range(rng.randrange(1, 40)))
        # '//', '.' and '..' are other names of other paths: not what is tested here
        canonical = "/" + "/".join(part for part in path.split("/")[1:-1] if part) + "/" + \
            path.rsplit("/", 1)[1]
        if "//" in path or "/." in path or canonical in real or path in real or path in folders:
            continue
        found.add(path)
    return sorted(found)


class TestManyPaths(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="cairn-", dir=cairn.data_folder())
        cls.addClassCleanup(holder.cleanup)
        folder = Path(holder.name)
        cls.files = [tree_of(1), tree_of(2)]
        cls.indexes = [cairn.pack(cairn.write_tree(folder / "tree", files), folder / "site.cairn")
                       for files in cls.files]

    def ask(self, client, paths, check):
        """Pipelined, some at a time: check(path, head, body) for each answer."""
        for start in range(0, len(paths), PIPELINE):
            batch = paths[start:start + PIPELINE]
            client.send(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()
                                 for path in batch))
            for path in batch:
                head, body = client.read_raw()
                check(path, head, body)

    def test_every_file_byte_for_byte(self):
        files = self.files[0]
        contents = {"/" + quote(name): content for name, content in files.items()}
        for name, content in files.items():
            if name.endswith("/index.html"):
                contents["/" + name[:-len("index.html")]] = content
        wrong = []

        def check(path, head, body):
            if not head.startswith(b"HTTP/1.1 200 OK\r\n") or body != contents[path]:
                wrong.append((path, head, body))
        with Server(self.indexes[0]) as server, server.client() as client:
            self.ask(client, list(contents), check)
        self.assertEqual(wrong[:3], [])
        self.assertGreaterEqual(len(contents), FILES)

    def test_absent_paths_are_404(self):
        paths = absent_paths(self.files[0], ABSENT)
        self.assertEqual(len(paths), ABSENT)
        wrong = []

        def check(path, head, body):
            if not head.startswith(b"HTTP/1.1 404 ") or body != b"404 Not Found\n":
                wrong.append((path, head, body))
        with Server(*self.indexes) as server:  # two layers: both must say no
            with server.client() as client:
                self.ask(client, paths, check)
            cairn.wait_until(lambda: f" requests={ABSENT} " in server.command("status"),
                             "all are counted")
        self.assertEqual(wrong[:3], [])

    def test_reload_under_load(self):
        """Every answer is whole and of one of the two releases, none fails, and no connection is
        closed while 30,000-path indexes are loaded."""
        old, new = self.files
        names = sorted(old)
        stop = threading.Event()
        problems = []
        counts = []
        slowest_ms = []

        def fetch(seed):
            rng = random.Random(seed)
            count = 0
            slowest = 0
            try:
                with server.client() as client:
                    while not stop.is_set():
                        name = rng.choice(names)
                        started = time.monotonic()
                        client.send(f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n")
                        head, body = client.read_raw()
                        slowest = max(slowest, time.monotonic() - started)
                        if (not head.startswith(b"HTTP/1.1 200 OK\r\n") or b"close" in head or
                                body not in (old[name], new[name])):
                            problems.append((name, head, body))
                        count += 1
            except Exception as problem:
                problems.append(problem)
            counts.append(count)
            slowest_ms.append(slowest * 1000)

        with Server(self.indexes[0]) as server:
            threads = [threading.Thread(target=fetch, args=(seed,)) for seed in range(4)]
            for thread in threads:
                thread.start()
            loads_ms = []
            for turn in range(21):
                reply = server.command(f"load index {self.indexes[(turn + 1) % 2]}")
                match = re.fullmatch(r"ok load index id=\d+ release=([12]) paths=(\d+) layers=2 "
                                     r"ms=(\d+\.\d)", reply)
                self.assertIsNotNone(match, reply)
                self.assertGreaterEqual(int(match[2]), FILES)
                loads_ms.append(float(match[3]))
                release = new if match[1] == "2" else old
                self.assertEqual(server.get("/" + names[turn]).body, release[names[turn]])
            stop.set()
            for thread in threads:
                thread.join()
            self.assertIn(" accepted=25 ", server.command("status"))
        self.assertEqual(problems[:3], [])
        self.assertGreater(sum(counts), 0)
        loads_ms.sort()
        print(f"\nload index of {match[2]} paths: ms={loads_ms[0]} to {loads_ms[-1]}, median "
              f"{loads_ms[len(loads_ms) // 2]}; {sum(counts)} requests meanwhile, slowest "
              f"{max(slowest_ms):.1f} ms (four clients in one Python)", file=sys.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

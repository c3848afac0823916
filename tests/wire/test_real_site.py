"""A real site: Debian's python3.11-doc (71 MB), packed, served, compared byte for byte, and then
replaced by a second release through the control FIFO while clients fetch."""
import http.client
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server

PACKAGE = "python3.11-doc"
CLIENTS = 3
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".png": "image/png", ".svg": "image/svg+xml",
         ".txt": "text/plain; charset=utf-8", ".gz": "application/gzip",
         ".json": "application/json"}


def fetch_package():
    """The extracted package in the data folder; downloaded once. Skips if that is impossible."""
    data = cairn.data_folder()
    tree = data / PACKAGE
    if tree.is_dir():
        return tree
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise unittest.SkipTest(f"{PACKAGE} cannot be fetched: no apt-get or no dpkg")
    download = data / "download"
    download.mkdir(exist_ok=True)
    packages = sorted(download.glob(f"{PACKAGE}_*.deb"))
    if not packages:
        options = ["-o", "APT::Sandbox::User=root"] if os.getuid() == 0 else []
        command = ["apt-get", *options, "download", PACKAGE]
        done = subprocess.run(command, cwd=download, capture_output=True, timeout=300)
        if done.returncode != 0 and os.getuid() == 0:  # a new machine has no list of packages yet
            subprocess.run(["apt-get", "update"], capture_output=True, timeout=300)
            done = subprocess.run(command, cwd=download, capture_output=True, timeout=300)
        packages = sorted(download.glob(f"{PACKAGE}_*.deb"))
        if done.returncode != 0 or not packages:
            raise unittest.SkipTest(f"apt-get download {PACKAGE}: " +
                                    done.stderr.decode(errors="replace").strip())
    # beside its place first: a half-extracted tree must not be taken for a whole one
    with tempfile.TemporaryDirectory(dir=data) as holder:
        unpacked = Path(holder) / "tree"
        subprocess.run(["dpkg", "-x", packages[-1], unpacked], check=True, timeout=300)
        unpacked.rename(tree)
    return tree


def contents_of(root):
    """{name: bytes} of what a pack of root holds."""
    return {name: path.read_bytes() for name, path in cairn.site_files(root).items()}


def answers_of(files):
    """{target: bytes} of everything that answers 200: files, and folders with an index.html."""
    answers = {"/" + quote(name): content for name, content in files.items()}
    for name, content in files.items():
        if name == "index.html" or name.endswith("/index.html"):
            answers["/" + quote(name[:-len("index.html")])] = content
    return answers


def second_release(first, tree):
    """Some pages changed, some deleted, some new. Returns the new tree."""
    shutil.copytree(first, tree, symlinks=True)
    pages = sorted(path for path in tree.rglob("*.html") if path.is_file()
                   and not path.is_symlink())
    for number, page in enumerate(pages):
        if number % 11 == 3:
            page.unlink()
        elif number % 7 == 1:
            page.write_bytes(page.read_bytes() + b"<!-- the second release -->\n")
    for number in range(25):
        page = tree / "new" / f"page {number}" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<title>new page {number}</title>\n")
    return tree


class TestRealSite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.first_tree = fetch_package()
        holder = tempfile.TemporaryDirectory(prefix="cairn-", dir=cairn.data_folder())
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        cls.second_tree = second_release(cls.first_tree, cls.folder / "second")
        cls.first = contents_of(cls.first_tree)
        cls.second = contents_of(cls.second_tree)

    def fetch(self, connection, target):
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer, answer.read()

    def connect(self, server):
        connection = http.client.HTTPConnection(*server.address, timeout=cairn.PATIENCE_S)
        self.addCleanup(connection.close)
        connection.connect()
        connection.auto_open = 0  # keep-alive or nothing
        return connection

    def expect_release(self, connection, files):
        """Every file and every folder, byte for byte, over one connection."""
        for target, content in answers_of(files).items():
            answer, body = self.fetch(connection, target)
            self.assertEqual(answer.status, 200, target)
            self.assertTrue(body == content, target)
            self.assertEqual(answer.headers["Content-Length"], str(len(content)), target)
            suffix = os.path.splitext("index.html" if target.endswith("/") else target)[1]
            if suffix in TYPES:
                self.assertEqual(answer.headers["Content-Type"], TYPES[suffix], target)
            else:
                self.assertRegex(answer.headers["Content-Type"], r"^[a-z]+/[a-z0-9.+-]+")

    def expect_folders(self, connection, files):
        """With an index.html: a redirect to the slash. Without: nothing."""
        folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
        for folder in sorted(folders):
            answer, _ = self.fetch(connection, "/" + quote(folder) + "?query")
            if folder + "/index.html" in files:
                self.assertEqual(answer.status, 301)
                self.assertEqual(answer.headers["Location"], "/" + quote(folder) + "/?query")
            else:
                self.assertEqual(answer.status, 404)
                self.assertEqual(self.fetch(connection, "/" + quote(folder) + "/")[0].status, 404)

    def expect_extract(self, index, files, name):
        out = self.folder / name
        cairn.run("cairn-pack", "extract", index, out)
        extracted = cairn.read_tree(out)
        self.assertEqual(extracted.keys(), files.keys())
        for path, content in files.items():
            self.assertTrue(extracted[path] == content, path)
        shutil.rmtree(out)

    def keep_fetching(self, server, seed, stop, problems, counts):
        """One client while the release changes: each answer is wholly of the first or wholly of
        the second; once the second was seen on a connection, the first never is again."""
        first, second = answers_of(self.first), answers_of(self.second)
        targets = sorted(first.keys() | second.keys())
        rng = random.Random(seed)
        is_second = False
        count = 0
        try:
            connection = self.connect(server)
            while not stop.is_set():
                target = rng.choice(targets)
                answer, body = self.fetch(connection, target)
                count += 1
                got = body if answer.status == 200 else answer.status
                before, after = first.get(target, 404), second.get(target, 404)
                if got == after and before != after:
                    is_second = True
                elif got != after and (got != before or is_second):
                    problems.append((target, answer.status, len(body), is_second))
        except Exception as problem:
            problems.append(problem)
        counts[seed] = (count, is_second)

    def test_two_releases_from_packing_to_extracting(self):
        self.assertGreater(len(self.first), 500)
        changed = [name for name in self.first if self.second.get(name) != self.first[name]]
        self.assertGreater(len(changed), 50)
        self.assertGreater(len(self.second.keys() - self.first.keys()), 20)

        archive = self.folder / "site.cairn"
        first_index = cairn.pack(self.first_tree, archive)
        cairn.verify(first_index)
        fifo = self.folder / "control"
        os.mkfifo(fifo)
        with Server(self.folder / "site.idx", control=[fifo]) as server:
            connection = self.connect(server)
            self.expect_release(connection, self.first)
            self.expect_folders(connection, self.first)

            stop, problems, counts = threading.Event(), [], {}
            threads = [threading.Thread(target=self.keep_fetching,
                                        args=(server, seed, stop, problems, counts))
                       for seed in range(CLIENTS)]
            for thread in threads:
                thread.start()
            with open(fifo, "wb") as control:
                cairn.run("cairn-pack", "add", self.second_tree, archive, stdout=control)
            server.wait_log("ok load index id=2 release=2 ")
            # from here on nobody sees the first release
            self.expect_release(connection, self.second)
            stop.set()
            for thread in threads:
                thread.join()
            self.assertEqual(problems[:3], [])
            self.assertTrue(all(is_second for _, is_second in counts.values()), counts)
            for name in self.first.keys() - self.second.keys():
                self.assertEqual(self.fetch(connection, "/" + quote(name))[0].status, 404)
            self.expect_folders(connection, self.second)
            print(f"\n{len(self.first)} and {len(self.second)} files; "
                  f"{sum(count for count, _ in counts.values())} requests while the release "
                  "changed", file=sys.stderr)

        second_index = self.folder / "site.000002.idx"
        for index, files in ((first_index, self.first), (second_index, self.second)):
            self.assertTrue(cairn.verify(index).startswith("ok "))
            self.expect_extract(index, files, "extracted")


if __name__ == "__main__":
    unittest.main(verbosity=2)

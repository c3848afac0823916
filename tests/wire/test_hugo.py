"""examples/hugo, built by Debian's Hugo, packed and served; then changed and built again."""
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server

EXAMPLE = cairn.SOURCE / "examples" / "hugo"


@unittest.skipIf(shutil.which("hugo") is None, "hugo is not installed")
class TestHugo(cairn.TemporaryFolder):
    def build(self):
        """The folder that Hugo writes, and the name of the stylesheet in it."""
        subprocess.run(["hugo", "--quiet", "--minify", "--cleanDestinationDir"], cwd=self.project,
                       check=True, timeout=120)
        page = (self.project / "public" / "index.html").read_text()
        return self.project / "public", re.search(r"href=\"?(/style[^\" >]+)", page).group(1)

    def setUp(self):
        super().setUp()
        self.project = self.folder / "hugo"
        shutil.copytree(EXAMPLE, self.project,
                        ignore=shutil.ignore_patterns("public", "resources"))

    def test_packed_served_and_built_again(self):
        tree, style = self.build()
        archive = self.folder / "notes.cairn"
        with Server(cairn.pack(tree, archive)) as server:
            for target, path in (("/", "index.html"), ("/notes/the-fork/", "notes/the-fork/index.html")):
                answer = server.get(target)
                self.assertEqual((answer.status, answer["cache-control"]), (200, "no-cache"), target)
                self.assertEqual(answer.body, (tree / path).read_bytes(), target)
            answer = server.get("/notes/the-fork")
            self.assertEqual((answer.status, answer["location"]), (301, "/notes/the-fork/"))
            answer = server.get(style)
            self.assertEqual(answer["cache-control"], "public, max-age=31536000, immutable")
            answer = server.get("/no/such/page")
            self.assertEqual((answer.status, answer.body), (404, (tree / "404.html").read_bytes()))

            before = archive.stat().st_size
            sheet = self.project / "assets" / "style.css"
            sheet.write_text(sheet.read_text().replace("40rem", "44rem"))
            tree, new_style = self.build()
            self.assertNotEqual(style, new_style)
            server.load(cairn.pack(tree, archive))
            self.assertIn(new_style.encode(), server.get("/").body)
            self.assertEqual(server.get(style).status, 200)  # for pages that are open
            self.assertEqual(server.get(new_style).status, 200)
            self.assertGreater(archive.stat().st_size, before)


if __name__ == "__main__":
    unittest.main()

"""examples/vite as its author uses it: built by Vite, served, changed and deployed with `npm run
deploy` while a browser has the old version open."""
import gzip
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
import chromium
import vite
from cairn import Server

IMMUTABLE = "public, max-age=31536000, immutable"
NAVIGATION = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n"


class TestVite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="cairn-", dir=cairn.data_folder())
        cls.addClassCleanup(holder.cleanup)
        cls.project = vite.project(holder.name)
        cls.environment = {"CAIRN_BIN": str(cairn.BIN), "CAIRN_LISTEN": "127.0.0.1:0",
                           "CAIRN_WORKERS": "2"}
        vite.npm(cls.project, "run", "build")
        cls.first = cls.assets()
        cls.server = Server(program="cairn.sh", bin_folder=cls.project / "scripts", listen=(),
                            workers=None, options=["serve"], env=cls.environment)
        cls.addClassCleanup(cls.stop)

    @classmethod
    def stop(cls):
        cls.server.__exit__(None)

    @classmethod
    def assets(cls):
        """{name without its hash: name} of what Vite has made."""
        names = sorted(path.name for path in (cls.project / "dist" / "assets").iterdir())
        return {re.sub(r"-[\w-]{8}(?=\.\w+$)", "", name): name for name in names}

    def write(self, name, old, new):
        """Changes a source file."""
        path = self.project / name
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def deploy(self):
        """A new version, live; returns its assets."""
        done = vite.npm(self.project, "run", "deploy", **self.environment)
        self.assertRegex(done.stdout, r"cairn-pack: ok load index id=\d+ ")
        return self.assets()

    def test_assets_are_kept_for_a_year_and_coded(self):
        self.assertEqual(set(self.first), {"index.js", "index.css", "CairnPage.js", "CairnPage.css",
                                           "Building.js", "stones.svg"})
        for name in self.assets().values():
            answer = self.server.get(f"/assets/{name}")
            self.assertEqual((answer.status, answer["cache-control"]), (200, IMMUTABLE), name)
            self.assertEqual(answer.body, (self.project / "dist" / "assets" / name).read_bytes())
        script = self.assets()["index.js"]
        content = (self.project / "dist" / "assets" / script).read_bytes()
        coded = self.server.get(f"/assets/{script}", fields="Accept-Encoding: gzip\r\n")
        self.assertEqual(coded["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(coded.body), content)
        coded = self.server.get(f"/assets/{script}", fields="Accept-Encoding: gzip, br\r\n")
        self.assertEqual(coded["content-encoding"], "br")
        self.assertLess(len(coded.body), len(content) / 3)
        if shutil.which("brotli") is not None:
            plain = subprocess.run(["brotli", "-dc"], input=coded.body, capture_output=True)
            self.assertEqual(plain.stdout, content)

    def test_routes_of_the_script_get_the_page_and_missing_assets_do_not(self):
        page = (self.project / "dist" / "index.html").read_bytes()
        for target in ("/", "/building", "/cairns/grey-top", "/no/such/route"):
            answer = self.server.get(target, fields=NAVIGATION)
            self.assertEqual((answer.status, answer["cache-control"]), (200, "no-cache"), target)
            self.assertEqual(answer.body, page, target)
        for target in ("/assets/index-00000000.js", "/assets/none.css", "/favicon.ico"):
            for fields in ("", "Accept: */*\r\nSec-Fetch-Mode: no-cors\r\n"):
                answer = self.server.get(target, fields=fields)
                self.assertEqual(answer.status, 404, target)
                self.assertNotIn("html", answer["content-type"])
        self.assertEqual(self.server.get("/building", fields="Accept: image/*\r\n").status, 404)

    def test_a_tab_of_the_version_before_finds_its_chunks(self):
        if chromium.find() is None:
            self.skipTest("chromium is not installed")
        before = self.assets()
        url = self.server.urls[0]
        heading = "document.querySelector('h1')?.textContent ?? ''"

        with chromium.Chromium() as browser:
            page = browser.page()

            def click(link):
                page.run(f"[...document.querySelectorAll('a')]"
                         f".find((a) => a.textContent.trim() === {json.dumps(link)}).click()")

            def wait_for(text):
                cairn.wait_until(lambda: text in page.run("document.body.innerText"),
                                 f"{text!r} in the page")

            page.open(url)
            wait_for("A catalogue of cairns")
            asked = {Path(answer["url"]).name for answer in page.responses()}
            self.assertNotIn(before["Building.js"], asked)  # it comes when its route is gone to

            self.write("src/pages/Building.tsx", "Begin with the widest", "Start with the widest")
            self.write("src/pages/CairnPage.css", "0.25rem", "0.5rem")
            after = self.deploy()
            for chunk in ("Building.js", "CairnPage.js", "CairnPage.css", "index.js"):
                self.assertNotEqual(before[chunk], after[chunk])
                self.assertFalse((self.project / "dist" / "assets" / before[chunk]).exists())
            listed = cairn.run("cairn-pack", "list", self.project / ".cairn" / "site.idx").out
            self.assertNotIn(before["Building.js"], listed)
            self.assertIn(after["Building.js"], listed)

            click("How they are built")
            wait_for("Begin with the widest")
            self.assertTrue(page.run("location.pathname") == "/building")
            click("Catalogue")
            wait_for("A catalogue of cairns")
            click("Grey top")
            wait_for("doubled its height")
            self.assertEqual(page.run("getComputedStyle(document.querySelector('.place'))"
                                      ".borderLeftWidth"), "4px")
            answers = {Path(answer["url"]).name: answer["status"] for answer in page.responses()}
            for chunk in ("Building.js", "CairnPage.js", "CairnPage.css"):
                self.assertEqual(answers[before[chunk]], 200)
            self.assertEqual(page.complaints(), [])

            page.open(url + "cairns/grey-top")  # a link from elsewhere: all of the new version
            wait_for("doubled its height")
            self.assertEqual(page.run(heading), "Grey top")
            self.assertEqual(page.run("getComputedStyle(document.querySelector('.place'))"
                                      ".borderLeftWidth"), "8px")
            click("How they are built")
            wait_for("Start with the widest")
            names = {Path(answer["url"]).name for answer in page.responses()}
            self.assertIn(after["Building.js"], names)
            self.assertFalse(names & {before["Building.js"], before["CairnPage.css"]})
            self.assertEqual(page.complaints(), [])

    def test_deploy_without_a_server_fails_and_says_why(self):
        done = cairn.run("cairn.sh", "deploy", bin_folder=self.project / "scripts", expect=1,
                         env={**self.environment, "CAIRN_CONTROL": ".cairn/nobody.sock",
                              "CAIRN_ARCHIVE": ".cairn/other.cairn"})
        self.assertIn("nobody.sock", done.err)

    def test_the_lock_file_names_no_registry(self):
        """So that the packages come from wherever the one who builds gets them."""
        lock = json.loads((vite.EXAMPLE / "package-lock.json").read_text())
        for name, package in lock["packages"].items():
            self.assertNotIn("resolved", package, name)
            self.assertTrue(name == "" or "integrity" in package, name)


if __name__ == "__main__":
    unittest.main()

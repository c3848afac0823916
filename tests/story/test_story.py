"""docs/operations.md and docs/migrating.md, done: the packages are installed on a machine of their own,
and the commands of the documents have to print what stands there.

CAIRN_PLAIN_BIN  bin folder of the tree that packages are made of: no sanitizers, prefix /usr
CAIRN_BIN        needed by what builds examples/vite; any folder with the programs
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path[:0] = [str(SOURCE / "tests" / name) for name in ("packages", "wire")] + [str(HERE)]
import cairn
import test_packages
import vite
from test_documents import DOCUMENTS


# What the documents take for granted, and what they cannot show: a collector, and that it got the span.
BEFORE = """
<!-- file /root/collector.py -->
    import http.server
    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            with open("/root/collected", "ab") as file:
                file.write(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
    http.server.ThreadingHTTPServer(("127.0.0.1", 4318), Collector).serve_forever()
<!-- run -->
    $ systemd-run --quiet --unit=collector python3 /root/collector.py
"""
AFTER = """
<!-- run -->
    $ until grep -qa 4bf92f3577b34da6a3ce929d0e0e4736 <(od -An -v -tx1 /root/collected | tr -d ' \\n'); do sleep 0.1; done
    $ grep -qa www /root/collected
"""


def build_site(target):
    """What examples/vite builds, or, where there is no npm or nothing to be had by it, the site that is
    in the tree: the story is the same."""
    with tempfile.TemporaryDirectory(prefix="cairn-", dir=cairn.data_folder()) as folder:
        try:
            project = vite.project(folder)
        except unittest.SkipTest as reason:
            print(f"not with examples/vite: {reason}")
            shutil.copytree(SOURCE / "examples" / "site", target)
            return
        vite.npm(project, "run", "build")
        shutil.copytree(project / "dist", target)


class TestStory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        test_packages.need("cpack", "dpkg-deb", "dpkg-shlibdeps", "systemd-nspawn", "curl", "jq", "rsync")
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can make a machine")
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        test_packages.make(cls.folder / "packages")

    def test_the_documents_are_true(self):
        test_packages.need("nginx", "prometheus", "promtool", "caddy")
        place = self.folder / "place"
        place.mkdir()
        shutil.copytree(self.folder / "packages", place / "packages",
                        ignore=lambda folder, names: [name for name in names
                                                      if not name.endswith(".deb")])
        build_site(place / "dist")
        (place / "before.md").write_text(BEFORE)
        (place / "after.md").write_text(AFTER)
        documents = " ".join(["before.md", *(f"/run/source/docs/{name}" for name in DOCUMENTS),
                              "after.md"])
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private",
             SOURCE / "tests" / "packages" / "machine.sh", SOURCE, place,
             f"tests/story/console.py {documents}"], capture_output=True, text=True, timeout=540)
        if done.returncode == 77 or done.stderr.startswith("unshare: "):
            self.skipTest((done.stdout or done.stderr).strip())
        transcript = (place / "said").read_text() if (place / "said").exists() else ""
        self.assertEqual(done.returncode, 0, f"{transcript}{done.stdout[-3000:]}{done.stderr}")
        self.assertIn("console: all of it", transcript)


if __name__ == "__main__":
    unittest.main()

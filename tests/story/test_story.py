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
        documents = " ".join(f"/run/source/docs/{name}" for name in DOCUMENTS)
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private",
             SOURCE / "tests" / "packages" / "machine.sh", SOURCE, place,
             f"tests/story/console.py {documents}"], capture_output=True, text=True, timeout=540)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        transcript = (place / "said").read_text() if (place / "said").exists() else ""
        self.assertEqual(done.returncode, 0, f"{transcript}{done.stdout[-3000:]}{done.stderr}")
        self.assertIn("console: all of it", transcript)


if __name__ == "__main__":
    unittest.main()

"""The Debian packages: made here, judged by lintian, and lived with on a machine of their own, from
installation to purge. The machine is a container of systemd's over this system's files, which it
sees and cannot change; inside.py is what happens there.

CAIRN_PLAIN_BIN  bin folder of the tree that packages are made of: no sanitizers, prefix /usr
"""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
PACKAGING = SOURCE / "examples" / "packaging"


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            raise unittest.SkipTest(f"{tool} is not installed")


def build_tree():
    tree = Path(os.environ.get("CAIRN_PLAIN_BIN", "")).resolve().parent
    if not (tree / "CPackConfig.cmake").exists():
        raise unittest.SkipTest("CAIRN_PLAIN_BIN is not set: packages are made of a release")
    return tree


def make(folder, *definitions):
    """The packages of the tree by name."""
    done = subprocess.run(
        ["cpack", "--config", build_tree() / "CPackConfig.cmake", "-B", folder, *definitions],
        capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return {path.name.split("_")[0]: path for path in folder.glob("*.deb")}


def field(package, name):
    return subprocess.run(["dpkg-deb", "--field", package, name], check=True, text=True,
                          capture_output=True).stdout.strip()


class TestPackages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        need("cpack", "dpkg-deb", "dpkg-shlibdeps", "file")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.first = make(cls.folder / "1")
        cls.second = make(cls.folder / "2", "-D", "CPACK_DEBIAN_PACKAGE_RELEASE=2")

    def test_there_are_three_that_need_what_they_use(self):
        self.assertEqual(["cairn", "libcairn-dev", "libcairn0"], sorted(self.first))
        needed = {name: re.sub(r" \([^)]*\)", "", field(path, "Depends")).split(", ")
                  for name, path in self.first.items()}
        self.assertEqual(["libc6", "libssl3"], needed["libcairn0"])
        self.assertEqual(["libcairn0", "libssl-dev"], needed["libcairn-dev"])
        self.assertLessEqual({"adduser", "libc6", "libseccomp2", "libsystemd0", "libcmph0"},
                             set(needed["cairn"]))
        for packages, release in ((self.first, 1), (self.second, 2)):
            version = field(packages["libcairn0"], "Version")
            self.assertTrue(version.endswith(f"-{release}"), version)
            self.assertIn(f"libcairn0 (= {version})", field(packages["libcairn-dev"], "Depends"))

    def test_the_changelog_tells_of_this_version(self):
        top = (PACKAGING / "debian" / "changelog").read_text().splitlines()[0]
        self.assertIn(f"({field(self.first['cairn'], 'Version')})", top)

    def test_the_container_file_installs_what_building_needs(self):
        """No registry is asked here: its packages are those that the quick start builds with."""
        wanted = re.search(r"install-packages\.sh((?:.|\\\n)*)\n", (SOURCE / "examples" / "quickstart.sh").read_text())
        build = (SOURCE / "examples" / "Containerfile").read_text().split("COPY")[0]
        for word in wanted[1].replace("\\\n", " ").split():
            package = word.partition(":")[2] or word
            if package != "curl": # by which the quick start looks at its own site
                self.assertRegex(build, rf"\s{re.escape(package)}\s")

    def test_lintian_finds_nothing(self):
        need("lintian")
        done = subprocess.run(
            ["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0",
             *self.first.values()], capture_output=True, text=True, timeout=300)
        self.assertEqual((0, ""), (done.returncode, done.stdout), done.stderr)

    def test_a_life_from_installation_to_purge(self):
        need("systemd-nspawn", "unshare", "mount", "adduser", "logrotate")
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can start a container")
        place = self.folder / "place"
        (place / "packages").mkdir(parents=True)
        for number, packages in (("1", self.first), ("2", self.second)):
            for name, path in packages.items():
                shutil.copy(path, place / "packages" / f"{name}.{number}.deb")
        machine = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", HERE / "machine.sh", SOURCE, place],
            capture_output=True, text=True, timeout=540)
        said = (place / "said").read_text() if (place / "said").exists() else ""
        if machine.returncode == 77 or machine.stderr.startswith("unshare: "):
            raise unittest.SkipTest((machine.stdout or machine.stderr).strip())
        self.assertEqual(0, machine.returncode, f"{said}\n{machine.stdout[-3000:]}{machine.stderr}")
        self.assertIn("inside: all of it", said)


if __name__ == "__main__":
    unittest.main()

"""Manuals and completions say what the programs take: each flag, command and choice, no other.

CAIRN_BIN  folder with the programs; the tree that it lies in has the manuals
"""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wire"))
import cairn

COMPLETIONS = cairn.SOURCE / "examples" / "completions"
MANUALS = {"cairn-pack": 1, "cairn-ctl": 1, "cairn-serve": 8, "cairn-archive": 5, "cairn-index": 5}
PROGRAMS = ("cairn-pack", "cairn-serve", "cairn-ctl")
PATIENCE_S = 60


def need(tool):
    if shutil.which(tool) is None:
        raise unittest.SkipTest(f"{tool} is not installed")


def rows(program):
    """(command or program, name, letter, argument, choices, variable) of each flag."""
    lines = cairn.run(program, "--options").out.splitlines()
    return [tuple(line.split("\t")[:6]) for line in lines if not line.startswith("#")]


def flags(program, command=""):
    whole = f"{program} {command}".strip()
    return sorted(f"--{row[1]}" for row in rows(program) if row[0] == whole)


def control_commands():
    """The first words of what a server takes, by its own help."""
    server = subprocess.run([cairn.BIN / "cairn-serve", "--listen", "127.0.0.1:0"], text=True,
                            input="help\nquit\n", capture_output=True, timeout=PATIENCE_S)
    return set(re.findall(r"^command (\w+)", server.stdout, re.M))


class TestManuals(unittest.TestCase):
    def manual(self, name):
        return cairn.BIN.parent / "docs" / "man" / f"{name}.{MANUALS[name]}"

    def test_their_form(self):
        need("mandoc")
        ours = "|".join(f"{name} {section}" for name, section in MANUALS.items())
        for name in MANUALS:
            done = subprocess.run(["mandoc", "-Tlint", "-Wstyle", self.manual(name)],
                                  capture_output=True, text=True)
            others = [line for line in (done.stdout + done.stderr).splitlines() # not installed here
                      if not re.search(rf"manual not found: Xr ({ours})( \(|$)", line)]
            self.assertEqual([], others)

    def test_they_have_all_flags_and_variables(self):
        need("mandoc")
        for program in PROGRAMS:
            text = subprocess.run(["mandoc", "-Tascii", self.manual(program)], check=True,
                                  capture_output=True, text=True).stdout
            text = re.sub(".\b", "", text)
            for _, name, letter, _, _, variable in rows(program):
                self.assertRegex(text, rf"--{re.escape(name)}\b", program)
                self.assertTrue(not letter or re.search(rf"(^|[\s\[])-{letter}\b", text), letter)
                self.assertTrue(variable in text, f"{program}: {variable}")

    def test_they_have_all_control_commands(self):
        listed = set(re.findall(r"^\.It Cm (\w+)", self.manual("cairn-ctl").read_text(), re.M))
        self.assertEqual(control_commands(), listed)

    def test_the_formats_are_those_of_the_specification(self):
        """Rows of their tables are rows of docs/format.md, and none is missing from a table."""
        for name, tables in (("cairn-archive", 4), ("cairn-index", 6)):
            text = self.manual(name).read_text()
            self.assertEqual(tables, text.count(".Bl -column"), name)
            for table in text.split(".Bl -column")[1:]:
                self.assertGreater(table.split(".El")[0].count(".It "), 3, table[:200])


class TestCompletions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        for name in ("site.idx", "site.cairn", "key.pub", "serve.conf"):
            (cls.folder / name).write_text("")
        (cls.folder / "public").mkdir()
        cls.env = {**os.environ, "PATH": f"{cairn.BIN}:{os.environ['PATH']}", "TERM": "dumb",
                   "HOME": str(cls.folder), "XDG_CONFIG_HOME": str(cls.folder / ".config"),
                   "XDG_DATA_HOME": str(cls.folder / ".data")}

    def check_flags(self, complete):
        for program in ("cairn-serve", "cairn-ctl"):
            self.assertEqual(flags(program), sorted(complete(f"{program} --")))
        for command in ("add", "verify", "compact"):
            self.assertEqual(flags("cairn-pack", command), sorted(complete(f"cairn-pack {command} --")))

    def check_words(self, complete):
        commands = sorted({row[0].split()[1] for row in rows("cairn-pack")})
        self.assertEqual(commands, sorted(complete("cairn-pack ")))
        self.assertEqual(sorted(control_commands()), sorted(complete("cairn-ctl -s x.sock ")))
        self.assertEqual(["index"], complete("cairn-ctl load "))
        self.assertEqual(["error", "mended"], sorted(complete("cairn-ctl announce ")))
        self.assertEqual(["off", "on", "require"], sorted(complete("cairn-serve --sandbox ")))
        self.assertIn("site.idx", complete("cairn-serve si"))
        self.assertIn("site.idx", complete("cairn-ctl load index si"))
        self.assertIn("site.cairn", complete("cairn-pack rebuild si"))

    def test_bash(self):
        need("bash")

        def complete(line):
            words = line.split(" ")
            script = (f"source {COMPLETIONS}/cairn.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1));"
                      " _cairn \"$1\"; printf '%s\\n' \"${COMPREPLY[@]}\"")
            done = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], cwd=self.folder,
                                  env=self.env, capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual("", done.stderr)
            return [word for word in done.stdout.splitlines() if word]
        self.check_flags(complete)
        self.check_words(complete)
        self.assertNotIn("site.cairn", complete("cairn-serve si"))
        self.assertEqual(["key.pub"], complete("cairn-serve --trust k"))
        self.assertEqual(["@serve.conf"], complete("cairn-serve @se"))
        self.assertEqual(["require"], complete("cairn-serve --sandbox = re"))

    def test_fish(self):
        need("fish")
        place = self.folder / ".config" / "fish" / "completions"
        place.mkdir(parents=True)
        for program in PROGRAMS:
            shutil.copy(COMPLETIONS / "cairn.fish", place / f"{program}.fish")

        def complete(line):
            done = subprocess.run(["fish", "-c", "complete -C \"$argv\"", line], cwd=self.folder,
                                  env=self.env, capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual("", done.stderr)
            return [row.split("\t")[0] for row in done.stdout.splitlines()
                    if not row.startswith("public")]
        self.check_flags(complete)
        self.check_words(complete)

    def test_zsh(self):
        """At a terminal, as somebody types: what the line becomes after a tab."""
        need("zsh")
        place = self.folder / "zsh"
        place.mkdir()
        shutil.copy(COMPLETIONS / "_cairn", place)

        def typed(line, expected):
            try:
                pid, terminal = pty.fork()
            except OSError as problem:  # no /dev/pts, as in a bare chroot
                raise unittest.SkipTest(f"no terminal can be had: {problem}") from None
            if pid == 0:
                os.chdir(self.folder)
                os.execvpe("zsh", ["zsh", "-f", "-i"], {**self.env, "PS1": "", "TERM": "xterm"})
            try:
                os.write(terminal, f"fpath=({place} $fpath); autoload -U compinit; compinit -u -D;"
                                   " PS1=; PS2=; bindkey '^I' complete-word; print rea''dy\n".encode())
                self.read_until(terminal, "ready\r")
                os.write(terminal, f"{line}\t".encode())
                self.read_until(terminal, expected)
            finally:
                os.close(terminal)
                os.waitpid(pid, 0)
        for line, expected in (("cairn-serve --proxy", "--proxy-protocol-from="),
                               ("cairn-serve --sandbox=re", "--sandbox=require"),
                               ("cairn-serve site", "site.idx"),
                               ("cairn-pack reb", "rebuild"),
                               ("cairn-pack add --over", "--overlay"),
                               ("cairn-pack rebuild site", "site.cairn"),
                               ("cairn-ctl roll", "rollback"),
                               ("cairn-ctl load ind", "index"),
                               ("cairn-ctl load index site", "site.idx")):
            with self.subTest(line):
                typed(line, expected)

    def read_until(self, terminal, expected):
        """Until the terminal shows this, with what moves the cursor taken out."""
        shown = b""
        until = time.monotonic() + PATIENCE_S
        while expected not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\x07\x0f]", "",
                                     shown.decode(errors="replace")):
            ready, _, _ = select.select([terminal], [], [], max(0, until - time.monotonic()))
            if not ready:
                self.fail(f"waited in vain for {expected!r}: {shown!r}")
            shown += os.read(terminal, 65536)


if __name__ == "__main__":
    unittest.main()

"""That the flags in docs/operations.md and docs/migrating.md exist, and that a story (console.py,
test_story.py) can fail.

CAIRN_BIN  folder with the programs (needed)
"""
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path.insert(0, str(HERE))
import console

DOCUMENTS = ("operations.md", "migrating.md")


class TestConsole(unittest.TestCase):
    """That a story can fail."""

    def run_text(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.md"
            path.write_text(text)
            with contextlib.redirect_stdout(io.StringIO()):
                return console.run_document(path)

    def test_what_is_printed_has_to_match(self):
        self.assertIsNone(self.run_text("<!-- run -->\n\n    $ echo one; echo two\n    o…\n    two\n"))
        self.assertIsNone(self.run_text("<!-- run -->\n    $ seq 9\n    …\n    9\n"))
        for expected in ("one", "one\n    tw", "…\n    one", "one\n    two\n    three", ""):
            self.assertIn("had to print", self.run_text(
                f"<!-- run -->\n\n    $ echo one; echo two\n    {expected}\n"), expected)

    def test_commands_have_to_succeed_unless_they_are_to_fail(self):
        self.assertIn("exit code 1", self.run_text("<!-- run -->\n\n    $ false\n"))
        self.assertIsNone(self.run_text("<!-- run -->\n\n    $ false # fails\n"))
        self.assertIn("exit code 0", self.run_text("<!-- run -->\n\n    $ true # fails\n"))

    def test_commands_share_a_shell_and_blocks_without_a_mark_are_left_alone(self):
        self.assertIsNone(self.run_text("    $ false\n\n<!-- run -->\n\n    $ cd /usr\n    $ a=1\n"
                                        "\nText.\n\n<!-- run -->\n\n    $ echo $a \\\n      $PWD\n"
                                        "    1 /usr\n"))
        self.assertRaises(ValueError, console.blocks, "<!-- run -->\n\nno block\n")

    def test_commands_that_end_the_shell_or_do_not_end(self):
        self.assertIn("ended the shell", self.run_text("<!-- run -->\n\n    $ exit 0\n"))
        with console.Console() as shell:
            self.assertEqual(shell.run("sleep 1000", patience_s=0.2), ("", None))

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(self.run_text(f"<!-- file {folder}/a/b -->\n\n    one\n\n      two\n\n"
                                            f"<!-- append {folder}/a/b -->\n\n    three\n"))
            self.assertEqual((Path(folder) / "a" / "b").read_text(), "one\n\n  two\nthree\n")


class TestFlags(unittest.TestCase):
    """Flags that the documents show are flags that the programs have."""

    @classmethod
    def setUpClass(cls):
        cls.flags = {}  # {"cairn-pack add": {"--push", ...}}
        for program in ("cairn-pack", "cairn-serve", "cairn-ctl"):
            done = subprocess.run([Path(os.environ["CAIRN_BIN"]) / program, "--options"], check=True,
                                  capture_output=True, text=True)
            for line in done.stdout.splitlines()[1:]:
                command, name, letter = line.split("\t")[:3]
                cls.flags.setdefault(command, {"--help", "-h"}).add(f"--{name}")
                if letter:
                    cls.flags[command].add(f"-{letter}")

    def check_command(self, words, where):
        """The words of a command line of ours."""
        command = words[0] if words[0] != "cairn-pack" else " ".join(words[:2])
        if words[1:2] in (["--version"], ["--help"], ["--limits"]) or len(words) == 1:
            return
        self.assertIn(command, self.flags, where)
        for word in words[1:]:
            if word == "--":
                break
            if re.match("--?[a-z]", word):
                self.assertIn(word.split("=")[0], self.flags[command], where)

    def check_document(self, name):
        """Returns how many command lines and flags there were."""
        text = (SOURCE / "docs" / name).read_text()
        every = set().union(*self.flags.values())
        deploy = (SOURCE / "examples" / "deploy.sh").read_text()
        every |= set(re.findall(r"^#   (--[a-z-]+)", deploy, re.M))
        count = 0
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{name}:{number}: {line}"
            code = [line] if line.startswith("    ") else re.findall("`([^`]+)`", line)
            for piece in code:
                for command in re.findall(r"(?<![\w/.-])cairn-(?:pack|serve|ctl)(?: [^|;&)…]*)?", piece):
                    self.check_command(command.split(), where)
                    count += 1
                flag = re.match("(?:-- )?(--[a-z-]+)", piece)
                if flag is not None:
                    self.assertIn(flag.group(1), every, where)
                    count += 1
        return count

    def test_flags_of_documents(self):
        for name in DOCUMENTS:
            self.assertGreater(self.check_document(name), 20, name)


class TestNames(unittest.TestCase):
    """Messages that docs/operations.md explains are messages of the programs, or of the system, and its
    metrics are those of docs/metrics.md, which are compared with a server's."""

    def test_metrics(self):
        listed = set(re.findall(r"^\| `(cairn_\w+)`", (SOURCE / "docs" / "metrics.md").read_text(), re.M))
        named = set(re.findall(r"\bcairn_\w+", (SOURCE / "docs" / "operations.md").read_text()))
        self.assertGreater(len(named), 4)
        self.assertEqual({re.sub("_bucket$", "", name) for name in named} - listed, set())

    def test_messages_of_the_last_table(self):
        text = (SOURCE / "docs" / "operations.md").read_text().split("| message |")[1]
        sources = "".join(path.read_text() for folder in ("common", "packer", "server")
                          for path in sorted((SOURCE / folder).rglob("*.c")))
        sources = re.sub(r'"\s*"', "", sources)  # literals over several lines
        sources += "".join(os.strerror(number) for number in range(1, 134))
        messages = [message for row in re.findall(r"^\| (`.*?) \|", text, re.M)
                    for message in re.findall("`([^`]+)`", row)]
        self.assertGreater(len(messages), 10)
        for message in messages:
            fixed = re.split(r"…|\b[0-9][0-9.x]*\b|\b[A-Z]{2,}\b|[()]", message)
            self.assertIn(max(fixed, key=len).strip(" :;"), sources, message)


if __name__ == "__main__":
    unittest.main()

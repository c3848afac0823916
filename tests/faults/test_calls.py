"""Nothing that the programs ask of the system is forgotten: each function that they call is in
calls.txt, and so in wrap.c, or in exceptions.txt with the reason.
"""
import fnmatch
import re
import shutil
import subprocess
import unittest

import faults
import cairn


PROGRAMS = ("cairn-pack", "cairn-serve", "cairn-ctl")


def read_exceptions():
    patterns = []
    for line in (faults.HERE / "exceptions.txt").read_text().splitlines():
        if not line.startswith("#"):
            patterns += line.split()
    return patterns


def undefined(program):
    text = subprocess.run(["nm", "-u", cairn.BIN / program], check=True, text=True,
                          capture_output=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines() if line.strip()}


def plain_name(name):
    """What fortified builds call is the same function with a check before it."""
    return re.sub(r"^__(?:(.*)_chk|(open64)_2)$", r"\1\2", name)


def called_functions():
    return {plain_name(name) for program in PROGRAMS for name in undefined(program)}


def called_forms():
    """syscall:SYS_... and so on: behind these names are many calls, which only the sources tell."""
    return {f"{function}:{form}"
            for folder in ("common", "packer", "server")
            for path in (cairn.SOURCE / folder).rglob("*.c")
            for function, form in re.findall(r"\b(syscall|prctl)\((\w+)", path.read_text())}


@unittest.skipIf(shutil.which("nm") is None, "nm is not installed")
class TestCalls(unittest.TestCase):
    def test_no_call_is_forgotten(self):
        patterns = read_exceptions()
        forgotten = sorted(
            name for name in called_functions() if name not in faults.FUNCTIONS
            and name not in ("getdelim", "getline")
            and not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))
        self.assertEqual([], forgotten, "neither in calls.txt nor in exceptions.txt")
        self.assertEqual([], sorted(called_forms() - set(faults.CALLS)), "not in calls.txt")

    def test_none_goes_past_wrap(self):
        """A fortified build has other names for some of them."""
        for program in PROGRAMS:
            past = sorted(name for name in undefined(f"{program}-faults")
                          if plain_name(name) != name and plain_name(name) in faults.FUNCTIONS)
            self.assertEqual([], past, program)

    def test_what_is_listed_is_called(self):
        self.assertEqual([], sorted(set(faults.CALLS) - called_functions() - called_forms()),
                         "in calls.txt, but no program calls it any more")

    def test_each_way_to_fail_has_a_number(self):
        for call, hows in faults.CALLS.items():
            self.assertTrue(hows, call)
            for how in hows:
                self.assertIsInstance(faults.number_of(how), int)


if __name__ == "__main__":
    unittest.main()

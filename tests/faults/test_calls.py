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


def read_exceptions():
    patterns = []
    for line in (faults.HERE / "exceptions.txt").read_text().splitlines():
        if not line.startswith("#"):
            patterns += line.split()
    return patterns


def called_functions():
    names = set()
    for program in ("cairn-pack", "cairn-serve", "cairn-ctl"):
        text = subprocess.run(["nm", "-u", cairn.BIN / program], check=True, text=True,
                              capture_output=True).stdout
        names |= {line.split()[-1].split("@")[0] for line in text.splitlines() if line.strip()}
    # What fortified builds call is the same function with a check before it.
    return {re.sub(r"^__(.*)_chk$", r"\1", name) for name in names}


@unittest.skipIf(shutil.which("nm") is None, "nm is not installed")
class TestCalls(unittest.TestCase):
    def test_no_call_is_forgotten(self):
        patterns = read_exceptions()
        forgotten = sorted(
            name for name in called_functions() if name not in faults.CALLS
            and name not in ("getdelim", "getline")
            and not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))
        self.assertEqual([], forgotten, "neither in calls.txt nor in exceptions.txt")

    def test_what_is_listed_is_called(self):
        self.assertEqual([], sorted(set(faults.CALLS) - called_functions()),
                         "in calls.txt, but no program calls it any more")

    def test_each_way_to_fail_has_a_number(self):
        for call, hows in faults.CALLS.items():
            self.assertTrue(hows, call)
            for how in hows:
                self.assertIsInstance(faults.number_of(how), int)


if __name__ == "__main__":
    unittest.main()

"""Attacks of tests/abuse/attacks.py at a size for every day: memory stays below its bound, the
bystander gets right bytes and is never refused, and what was opened is closed again. The programs
under test show what is answered; programs without sanitizers, whose memory means something, the rest.
"""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import attacks
import stage as stages
from stage import cairn


def method_name(name):
    return "test_" + "".join(c if c.isalnum() else "_" for c in name.lower()).strip("_")


class Performance(unittest.TestCase):
    def perform(self, attack, binaries, is_memory_counted):
        with stages.Stage(binaries, attack.size, attack.options, attack.descriptors,
                          attack.control) as stage:
            result = stage.run(attack)
        self.assertEqual((result.wrong, result.refused, result.problems), (0, 0, []))
        self.assertGreater(result.answers, 50)
        if is_memory_counted:
            self.assertLessEqual(result.peak_bytes, result.bound_bytes, "peak of memory")


class Answers(Performance):
    """With the programs under test."""


class Memory(Performance):
    """With programs that have no sanitizers: the answers too, and the bound."""


def add_tests():
    for attack in attacks.ATTACKS:
        def test_answers(self, attack=attack):
            self.perform(attack, cairn.BIN, False)

        def test_memory(self, attack=attack):
            self.perform(attack, cairn.plain_bin(), True)
        name = method_name(attack.name)
        setattr(Memory, name, test_memory)
        if cairn.BIN != cairn.PLAIN_BIN:
            setattr(Answers, name, test_answers)


add_tests()


if __name__ == "__main__":
    unittest.main()

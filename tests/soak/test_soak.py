"""A soak of some seconds, and that its judges notice what they are there for."""
import argparse
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import soak
from reload import Board, Seen

NAME = soak.NAMES[0]


class TestSoak(unittest.TestCase):
    def test_a_few_seconds(self):
        settings = argparse.Namespace(minutes=0.15, workers=3)
        with tempfile.TemporaryDirectory(prefix="cairn-soak-") as holder:
            result = soak.run(settings, Path(holder))
        result["growth"] = dict.fromkeys(soak.GROWTH_MAX, 0)  # too short to tell
        self.assertEqual(soak.verdict(result), [], result["clients"])
        self.assertGreater(result["loads"], 2)
        self.assertGreater(result["clients"]["browsers"]["answers"], 0)


class TestJudges(unittest.TestCase):
    def setUp(self):
        self.board, self.seen = Board(), Seen()
        self.board.commanded(7)
        self.board.confirmed()
        self.judge = soak.Judge(self.board, self.seen)
        self.body = soak.body_of(NAME, soak.version_of(NAME, 7))

    def fields(self, **more):
        return {"x-release": "7", "etag": '"seven"', **more}

    def test_what_is_right(self):
        self.judge.whole(NAME, self.fields(), 0, self.body)
        self.judge.part(NAME, self.fields(**{"content-range": f"bytes 1-9/{len(self.body)}"}), 0,
                        self.body[1:10])
        self.assertEqual((self.seen.mixed, self.seen.older), (0, 0))

    def test_a_wrong_byte(self):
        self.judge.whole(NAME, self.fields(), 0, self.body[:-1] + b"!")
        self.assertEqual(self.seen.mixed, 1)

    def test_the_wrong_part(self):
        self.judge.part(NAME, self.fields(**{"content-range": f"bytes 0-8/{len(self.body)}"}), 0,
                        self.body[1:10])
        self.assertEqual(self.seen.mixed, 1)

    def test_a_tag_for_two_versions(self):
        self.judge.whole(NAME, self.fields(), 0, self.body)
        self.board.commanded(8)
        self.judge.whole(NAME, self.fields(**{"x-release": "8"}), 0,
                         soak.body_of(NAME, soak.version_of(NAME, 8)))
        self.assertEqual((self.seen.mixed, self.seen.older), (1, 0))

    def test_a_release_that_is_not_live(self):
        self.board.commanded(8)
        self.board.confirmed()
        self.judge.whole(NAME, self.fields(), self.board.since(), self.body)
        self.assertEqual((self.seen.mixed, self.seen.older), (0, 1))


class TestVerdict(unittest.TestCase):
    def result(self, **changes):
        clients = {"browsers": {"answers": 5, "failed": 0, "mixed": 0, "older": 0}}
        return {"clients": clients, "unexpected_log": [], "memory_judged": True,
                "growth": dict.fromkeys(soak.GROWTH_MAX, 0), **changes}

    def test_each_rule(self):
        self.assertEqual(soak.verdict(self.result()), [])
        for kind in ("failed", "mixed", "older"):
            result = self.result()
            result["clients"]["browsers"][kind] = 1
            self.assertEqual(len(soak.verdict(result)), 1, kind)
        for name in soak.GROWTH_MAX:
            result = self.result()
            result["growth"][name] = soak.GROWTH_MAX[name] + 1
            self.assertEqual(len(soak.verdict(result)), 1, name)
        self.assertEqual(len(soak.verdict(self.result(unexpected_log=["x"]))), 1)
        result = self.result(clients={"rude": {"answers": 0, "failed": 0, "mixed": 0, "older": 0}})
        self.assertEqual(len(soak.verdict(result)), 1)

    def test_growth_is_that_of_the_last_three_quarters(self):
        rising = [{"s": second, "x": 10 * second} for second in range(0, 100)]
        self.assertAlmostEqual(soak.growth(rising, "x"), 740)
        settled = [{"s": second, "x": min(second, 20)} for second in range(0, 100)]
        self.assertAlmostEqual(soak.growth(settled, "x"), 0)

    def test_what_the_log_may_say(self):
        self.assertEqual(soak.unexpected_lines("cairn-serve: ok load index id=1\n"), [])
        self.assertEqual(len(soak.unexpected_lines("cairn-serve: ok load index id=1\nelse\n")), 1)


if __name__ == "__main__":
    unittest.main()

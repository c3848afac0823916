"""`cairn-pack add --watch` where much happens at once, or the system does not tell: nothing is lost."""
import os
import shutil
import signal
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import write_tree
from test_watch import WatchCase

MUCH_PATIENCE_S = 3 * cairn.PATIENCE_S  # thousands of answers are compared each time


class TestMuch(WatchCase):
    def test_a_storm(self):
        """Ten thousand writes, made from several sides at once."""
        watch, server = self.start()

        def write(seed):
            rng = cairn.random.Random(seed)
            for number in range(2500):
                path = self.tree / f"storm{seed}" / f"{rng.randrange(20)}" / f"{rng.randrange(100)}.txt"
                chance = rng.random()
                if chance < 0.1:
                    path.unlink(missing_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                if chance < 0.3:
                    beside = path.with_suffix(".new")
                    beside.write_text(f"{seed} {number} beside")
                    os.rename(beside, path)
                else:
                    path.write_text(f"{seed} {number}" * rng.randrange(1, 100))

        threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gone = [f"storm{seed}/{folder}/{name}.txt" for seed in range(4) for folder in range(20)
                for name in range(100)]
        gone = [name for name in gone if not (self.tree / name).exists()]
        self.expect_tree(watch, server, gone, MUCH_PATIENCE_S)
        self.finish(watch, server)

    def test_more_events_than_the_system_keeps(self):
        limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        if limit > 100_000:
            self.skipTest(f"fs.inotify.max_queued_events is {limit}")
        watch, server = self.start()
        watch.process.send_signal(signal.SIGSTOP)
        for number in range(limit // 4 + 500):  # each more than four: create, modify, close, attrib
            path = self.tree / f"many/{number % 50}/{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(number))
            os.chmod(path, 0o640)
            if number % 3 == 0:
                path.unlink()
        watch.process.send_signal(signal.SIGCONT)
        self.expect_tree(watch, server, ["many/0/0.txt", "many/3/3.txt"], MUCH_PATIENCE_S)
        (self.tree / "many/1/1.txt").write_text("folders made meanwhile are watched")
        self.expect_tree(watch, server)
        self.finish(watch, server)

    def test_no_more_watches(self):
        plain = cairn.plain_bin()
        env = {"LD_PRELOAD": str(cairn.shim("few_watches")), "CAIRN_WATCHES": "2"}
        watch, server = self.start(env=env, bin_folder=plain)
        self.assertIn("fs.inotify.max_user_watches", watch.log())
        write_tree(self.tree / "deep/er", {"x.html": "x", "y/z.html": "z"})
        self.expect_tree(watch, server)
        (self.tree / "deep/er/y/z.html").write_text("zz")
        shutil.rmtree(self.tree / "docs")
        self.expect_tree(watch, server, gone=["docs/a", "docs/"])
        self.assertEqual(watch.log().count("fs.inotify.max_user_watches"), 1)
        self.finish(watch, server)


if __name__ == "__main__":
    unittest.main()

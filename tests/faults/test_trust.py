"""A server that trusts a key, while it serves: loads of what was not signed so are refused, whatever
fails meanwhile, and what it served before it goes on to serve; a good release is loaded or refused.
"""
import tempfile
import unittest
from pathlib import Path

import faults
from cairn import wait_until
from faults import Fault
from signed import Key, alter
from subject import Site, Subject, command

ENDS = faults.MEMORY + faults.OPENSSL


class TestTrust(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="cairn-faults-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.table = faults.Table(self.folder)
        self.addCleanup(self.table.__exit__)
        self.key = Key(self.folder)
        self.site = Site(self.folder, "--sign", self.key.path)
        self.subject = None
        self.tally = faults.Tally("server-trust")
        self.addCleanup(lambda: self.subject.close())

    def serve(self):
        """The server, or one in its place if a fault has ended it."""
        if self.subject is not None and self.subject.is_running():
            return
        if self.subject is not None:
            self.subject.close()
        self.subject = Subject(self.folder, self.table, self.site,
                               options=[*self.key.options, "--archives", self.folder])
        self.subject.await_ready()
        self.subject.check_serves()

    def sites(self):
        """How many releases are in its list."""
        def ask():
            if not self.subject.is_running():
                raise AssertionError("it ended")
            return command(self.subject.socket, "list")
        return wait_until(ask, "a list").split("sites=")[1]

    def load(self, index):
        return command(self.subject.socket, f"load index {index}")

    def count_calls(self, index):
        before = self.table.all_calls()
        reply = self.load(index)
        after = self.table.all_calls()
        return reply, {call: after[call] - before[call] for call in after}

    def try_fault(self, name, index, fault):
        self.serve()
        before, failed = self.sites(), self.table.failed(fault.call)
        self.table.arm(fault, relative=True)
        reply = self.load(index)
        self.table.disarm(fault.call)
        failed = self.table.failed(fault.call) - failed
        self.assertFalse(reply.startswith("ok "), f"{name}, {fault}: {reply}")
        try:
            outcome = "refused" if reply else "cut off"
            self.assertEqual(self.sites(), before, f"{name}, {fault}: it is in the list")
            self.subject.check_serves()
        except (AssertionError, OSError) as problem:
            log = self.subject.server.log()
            if self.subject.is_running() or fault.call not in ENDS \
                    or ("out of memory (" not in log and "OpenSSL has no " not in log):
                raise AssertionError(f"{name}, {fault}: {problem}; {log[-2000:]}") from problem
            outcome = "ended, with a sentence"
        if failed:
            self.tally.add(fault.call, failed, outcome)

    def test_what_is_not_signed_so(self):
        for name, index in alter(self.folder, self.key).items():
            with self.subTest(name):
                self.serve()
                reply, recorded = self.count_calls(index)
                self.assertTrue(reply.startswith("error load index: "), reply)
                for fault in faults.choose(recorded, 10000 if faults.EXHAUSTIVE else 2):
                    self.try_fault(name, index, fault)
        self.tally.close()
        self.assertGreater(sum(self.tally.injected.values()), 50)

    def test_a_signature_that_cannot_be_verified(self):
        """OpenSSL fails with 0 as with a negative number: neither is a good signature."""
        self.serve()
        for how in faults.CALLS["EVP_DigestVerify"]:
            self.try_fault("signed", self.site.indexes[2], Fault("EVP_DigestVerify", how, 1))
        self.assertEqual(self.tally.outcomes["refused"], 2)
        self.assertTrue(self.subject.load(2).startswith("ok "))


if __name__ == "__main__":
    unittest.main()

"""Each call that cairn-serve makes while it starts fails in turn. It does not start and says why, or
serves; and it is never less confined than it says: what `status` tells of the sandbox is held
against what the system says of each thread, and against a load from outside.
"""
import contextlib
import grp
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import faults
import cairn
from signed import Key, alter
from subject import LIMIT_S, Site, Subject, command, threads

# What the process gives up, and becomes, is done by these.
CONFINING = tuple(call for call in faults.CALLS
                  if call.startswith(("prctl:", "syscall:", "seccomp_", "set", "get", "init"))
                  ) + ("lchown", "memfd_create", "realpath", "pthread_create")
# What may not be reached is passed over when Landlock's rules are made: nobody needs it. Here it
# may be reached again afterwards, but not by this server: a load, or a sanitizer's look into /proc,
# fails.
PASSED_OVER = ("open64", "EACCES")
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")


class Wanted:
    """How servers are started, and what they are then."""

    def __init__(self, site, index=None, options=(), user=None, group=None,
                 bin_folder=None):
        self.site = site
        self.index = index
        self.options = options
        self.user = user  # whom it becomes
        self.group = group  # by its name; None: those that the user has
        self.bin_folder = bin_folder

    def subject(self, folder, table):
        options = list(self.options)
        if self.user is not None:
            group = f":{self.group}" if self.group else ""
            options += ["--user", self.user.pw_name + group]
        return Subject(folder, table, self.site, index=self.index, options=options,
                       owner=self.user.pw_uid if self.user else None, bin_folder=self.bin_folder)


class TestStart(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="cairn-faults-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.folder.chmod(0o755)
        self.site = Site(self.folder)
        self.outside = Site(self.folder).indexes[1]

    # what holds of one that serves

    def check_threads(self, subject, wanted, confinement, fault):
        has_filters = "seccomp" in confinement
        for fields in threads(subject.server.pid):
            if any(int(fields[name], 16) != 0 for name in CAPABILITIES):
                raise AssertionError(f"a thread has capabilities: {fields}")
            # One that it could not take away is worth nothing without those, and without new ones.
            if os.geteuid() == 0 and int(fields["CapBnd"], 16) != 0 \
                    and not fault.call.startswith("prctl:PR_CAPBSET"):
                raise AssertionError(f"a thread can get capabilities: {fields['CapBnd']}")
            if fields["NoNewPrivs"] != "1":
                raise AssertionError("a thread can get privileges")
            is_main = fields["Pid"] == fields["Tgid"]
            if has_filters and (fields["Seccomp"] != "2" or
                                int(fields.get("Seccomp_filters", "2")) < (1 if is_main else 2)):
                raise AssertionError(f"a thread lacks a filter: {fields}")
            if wanted.user is not None and (
                    fields["Uid"].split() != [str(wanted.user.pw_uid)] * 4
                    or fields["Gid"].split() != [str(wanted.user.pw_gid)] * 4):
                raise AssertionError(f"a thread is {fields['Uid']}, {fields['Gid']}")

    def check_confined(self, subject, wanted, fault):
        """No less than it says; and what it lacks it has said."""
        status = cairn.wait_until(
            lambda: command(subject.socket, "status") or not subject.is_running(), "its status")
        if not subject.is_running():
            return
        confinement = re.search(r" sandbox=(\S+)", status).group(1).split(",")
        self.check_threads(subject, wanted, confinement, fault)
        has_landlock = any(word.startswith("landlock:") for word in confinement)
        log = subject.server.log()
        for has, name in ((has_landlock, "Landlock: "), ("seccomp" in confinement, "call filter: ")):
            is_told = re.search(rf"not in force:.*{name}", log) is not None
            if has == is_told:
                raise AssertionError(f"{confinement}, but: {log!r}")
        if has_landlock:
            reply = command(subject.socket, f"load index {self.outside}")
            if reply.startswith("ok ") or (
                    "start it with --archives" not in reply and subject.table.failed(fault.call) == 0):
                raise AssertionError(f"{confinement}, but it reads outside: {reply!r}")

    # one start

    def start(self, wanted, table, fault):
        """(exit code, or None if it serves; its log)"""
        subject = wanted.subject(self.folder, table)
        server = subject.server
        try:
            first = server.read_line(LIMIT_S)
            if first is None:
                server.process.wait(LIMIT_S)
                left = [path.name for path in subject.folder.iterdir() if path.is_socket()]
                if server.process.returncode >= 0 and left:
                    raise AssertionError(f"sockets are left: {left}")
                return server.process.returncode, server.log()
            server.set_ready(first)
            is_passed_over = (fault.call, fault.how) == PASSED_OVER
            try:
                if is_passed_over:
                    subject.check_answers()
                else:
                    subject.check_serves()
                self.check_confined(subject, wanted, fault)
            except (AssertionError, OSError):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    server.process.wait(LIMIT_S)  # a thread of it may be about to end it
                if subject.is_running():
                    raise
            if subject.is_running():
                if not is_passed_over:
                    server.stop()
                return None, server.log()
            return server.process.wait(LIMIT_S), server.log()
        finally:
            subject.close()

    def outcome(self, wanted, code, log, fault):
        if code is None:
            return "served, not confined, and said so" if "not in force" in log else "served"
        if code == -6 and fault.call in faults.MEMORY and "cairn: out of memory (" in log:
            return "out of memory"
        if code == -6 and fault.call in faults.OPENSSL and "cairn: OpenSSL has no " in log:
            return "without OpenSSL"
        if code not in (1, 2):
            raise AssertionError(f"exit code {code}: {log}")
        if wanted.index is not None:
            return "refused"
        sentences = [line for line in log.splitlines() if line.startswith("cairn-serve: ")]
        if not sentences or (fault.text is not None and fault.text not in log):
            raise AssertionError(f"the cause is not named: {log!r}")
        return "did not start, with a sentence"

    def try_fault(self, wanted, fault):
        with faults.Table(self.folder) as table:
            table.arm(fault)
            code, log = self.start(wanted, table, fault)
            failed = table.failed(fault.call)
        cairn.check_no_report(log, "cairn-serve")
        if code is None and wanted.index is not None:
            raise AssertionError("what must never be served is")
        self.tally.add(fault.call, failed,
                       self.outcome(wanted, code, log, fault) if failed else "not reached")

    def record(self, wanted):
        """How often each function is called until it serves, or does not start."""
        with faults.Table(self.folder) as table:
            subject = wanted.subject(self.folder, table)
            try:
                subject.server.read_line(LIMIT_S)
                recorded = table.all_calls()
                if subject.is_running() and wanted.index is None:
                    self.assertNotIn("not in force", subject.server.log())
            finally:
                subject.close()
        return recorded

    def try_all(self, name, wanted, places=1, only=None):
        self.tally = faults.Tally(name)
        recorded = self.record(wanted)
        # The first write is the line that says `ready`: lost with an error, and nobody can be told.
        chosen = [fault for fault in
                  faults.choose(recorded, 10000 if faults.EXHAUSTIVE else places, only)
                  if not (fault.call == "write" and fault.first == 1
                          and fault.how in ("EIO", "ENOSPC", "EDQUOT", "EPIPE"))]
        problems = faults.in_parallel(lambda fault: self.try_fault(wanted, fault), chosen)
        self.tally.close()
        if problems:
            self.fail(f"{len(problems)} problems:\n" + "\n".join(problems))
        self.assertGreater(sum(self.tally.injected.values()), 5)

    def test_start(self):
        self.try_all("server-start", Wanted(self.site), 2)

    def test_required(self):
        """With --sandbox require nothing serves that is not confined."""
        self.try_all("server-start-required", Wanted(self.site, options=["--sandbox", "require"]),
                     only=CONFINING)
        self.assertNotIn("served, not confined, and said so", self.tally.outcomes)

    def test_as_a_user(self):
        """With all groups that it has, and with one."""
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        programs = self.folder / "bin"  # where that user can reach them
        programs.mkdir()
        programs.chmod(0o755)
        shutil.copy2(cairn.BIN / "cairn-serve-faults", programs)
        user = pwd.getpwnam("nobody")
        self.try_all("server-start-user", Wanted(self.site, user=user, bin_folder=programs),
                     only=CONFINING)
        group = grp.getgrgid(user.pw_gid).gr_name
        self.try_all("server-start-user-and-group",
                     Wanted(self.site, user=user, group=group, bin_folder=programs),
                     only=("getpwnam", "getgrnam", "setgroups", "setresgid", "setresuid"))

    # signed releases

    def test_trusting(self):
        """What is large is hashed by more threads than one."""
        key = Key(self.folder)
        site = Site(self.folder, "--sign", key.path, large=True)
        self.try_all("server-start-trusting", Wanted(site, options=key.options))

    def test_what_is_not_signed_so(self):
        """Whatever fails, no server starts with it."""
        key = Key(self.folder)
        for name, index in alter(self.folder, key).items():
            with self.subTest(name):
                self.try_all(f"server-start-{name}",
                             Wanted(self.site, index=index, options=key.options))


if __name__ == "__main__":
    unittest.main()

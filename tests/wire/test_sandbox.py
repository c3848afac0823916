"""What the server gives up (docs/security.md): seen from outside in /proc, and from inside by a
library that tries what each kind of thread must not be able to do."""
import errno
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
import websocket
from cairn import Server, wait_until
from test_handover import is_running

OK = 0
NO_CALL = errno.EPERM    # the filter
NO_NEW_CALL = errno.ENOSYS
NO_FILE = errno.EACCES   # Landlock

# attempt: (as a worker, a disk reader and the log's thread, as the main thread, without a sandbox:
# None is not judged)
ATTEMPTS = {
    "read": (NO_CALL, NO_FILE, OK),
    "write": (NO_CALL, NO_FILE, OK),
    "create": (NO_CALL, NO_FILE, OK),
    "unlink": (NO_CALL, NO_FILE, OK),
    "rename": (NO_CALL, NO_CALL, OK),
    "chmod": (NO_CALL, NO_CALL, OK),
    "inet": (NO_CALL, NO_CALL, OK),
    "unix": (NO_CALL, OK, OK),
    "bind": (NO_CALL, NO_FILE, None),
    "connect": (NO_CALL, NO_FILE, None),
    "exec": (NO_CALL, NO_FILE, errno.ENOENT),
    "fork": (NO_CALL, OK, OK),
    "namespace": (NO_CALL, NO_CALL, None),
    "clone3": (NO_NEW_CALL, NO_NEW_CALL, errno.EINVAL),
    "ptrace": (NO_CALL, NO_CALL, errno.ESRCH),
    "signal": (NO_CALL, errno.EPERM, OK),
    "code": (NO_CALL, OK, OK),
    "writable-code": (NO_CALL, NO_CALL, OK),
    "protect": (NO_CALL, NO_CALL, OK),
    "io_uring": (NO_NEW_CALL, NO_NEW_CALL, None),
    "setuid": (NO_CALL, NO_CALL, OK),
    "mount": (NO_CALL, NO_CALL, None),
}


def in_force():
    """(Landlock's version, whether there are filters): what this kernel can."""
    with Server() as server:
        words = re.search(r" sandbox=(\S+)", server.command("status")).group(1).split(",")
    version = next((int(word[9:]) for word in words if word.startswith("landlock:")), 0)
    return version, "seccomp" in words


def tasks(pid):
    """The fields of each thread's /proc/.../status."""
    found = []
    for path in Path(f"/proc/{pid}/task").iterdir():
        lines = (path / "status").read_text().splitlines()
        found.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
    return found


class Sandbox(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        (self.folder / "in").mkdir()
        (self.folder / "out").mkdir()
        self.inside = self.pack_tree({"index.html": "inside\n", "big.bin": cairn.noise(300_000, 1)},
                                     "in/site")
        self.outside = self.pack_tree({"index.html": "outside\n"}, "out/other")
        self.socket = self.folder / "run" / "control.sock"
        self.socket.parent.mkdir()

    def serve(self, *words, **keywords):
        server = Server(*words, control=[self.socket], **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        return server

    def ctl(self, *words, expect=0):
        done = cairn.run("cairn-ctl", "--socket", self.socket, "--timeout", "30", *words,
                         expect=expect)
        return done.out + done.err

    def hand_over(self, server, pid):
        """USR2 to the process; returns its successor, which is ended with the test."""
        count = server.log().count("handed over to process")
        os.kill(pid, signal.SIGUSR2)
        wait_until(lambda: server.log().count("handed over to process") > count, "it hands over")
        successor = int(re.findall(r"handed over to process (\d+)", server.log())[-1])

        def end():
            if is_running(successor):
                os.kill(successor, signal.SIGTERM)
                wait_until(lambda: not is_running(successor), "the successor ends")
        self.addCleanup(end)
        wait_until(lambda: f" pid={successor} " in self.ctl("status"), "it answers")
        return successor


class TestThreads(Sandbox):
    def test_what_the_system_says_of_each_thread(self):
        _, has_filters = in_force()
        server = self.serve(self.inside, workers=2)
        found = tasks(server.pid)
        self.assertGreaterEqual(len(found), 1 + 2 + 8)
        for fields in found:
            self.assertEqual(fields["NoNewPrivs"], "1")
            for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(fields[name], 16), 0, name)
            if os.geteuid() == 0:
                self.assertEqual(int(fields["CapBnd"], 16), 0)
            if has_filters:
                self.assertEqual(fields["Seccomp"], "2")

    def test_off(self):
        server = self.serve(self.inside, options=["--sandbox", "off"])
        mine = tasks("self")[0]
        for fields in tasks(server.pid):
            for name in ("NoNewPrivs", "CapEff", "Seccomp"):
                self.assertEqual(fields[name], mine[name], name)
        self.assertIn(" sandbox=off\n", self.ctl("status"))
        self.assertIn('"sandbox":"off"', self.ctl("status", "--json").replace(": ", ":"))
        self.assertIn("ok load index", self.ctl("load", "index", self.outside))

    def test_by_environment(self):
        with Server(self.inside, env={"CAIRN_SANDBOX": "off"}) as server:
            self.assertIn(" sandbox=off", server.command("status"))
        for words, message in ((["--sandbox", "maybe"], "--sandbox: not on, off or require: maybe"),
                               (["--archives", ""], "--archives: an empty path")):
            done = cairn.run("cairn-serve", *words, expect=2)
            self.assertIn(message, done.err)

    def probed(self, *options):
        """A server whose threads try, and a function that gives what they have told: {(thread,
        attempt): errno}."""
        results = self.folder / "results"
        results.write_bytes(b"")
        probes = self.folder / "probes"
        probes.mkdir()
        for name in ("file", "superfluous"):
            (probes / name).write_text("x")
        (probes / "program").write_text("#!/nonexistent/interpreter\n")
        (probes / "program").chmod(0o755)
        env = {"LD_PRELOAD": str(cairn.shim("probe_sandbox")),
               "CAIRN_PROBE_RESULTS": str(results), "CAIRN_PROBE_FOLDER": str(probes)}
        server = self.serve(self.inside, workers=1, env=env, bin_folder=cairn.plain_bin(),
                            options=options)

        def told():
            lines = [line.split() for line in results.read_text().splitlines()]
            return {(thread, name): int(number) for thread, name, number in lines}
        return server, told

    def attempts(self, *options):
        """{(thread, attempt): errno}, tried by threads of a server."""
        logs = self.folder / "logs"  # of its own: there the main thread may make files
        logs.mkdir()
        server, told = self.probed("--access-log", logs / "access.log", *options)

        def is_told(thread):
            if thread == "reader":  # what has left the page cache is read by such a one
                with open(self.folder / "in" / "site.cairn", "rb") as archive:
                    os.fsync(archive.fileno())
                    os.posix_fadvise(archive.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                self.assertEqual(len(server.get("/big.bin").body), 300_000)
            return (thread, "end") in told()
        server.get("/")
        threads = ["worker", "main", "log"]
        for thread in threads:
            wait_until(lambda: is_told(thread), f"the {thread} thread has tried")
        try:
            wait_until(lambda: is_told("reader"), "a disk reader has tried", 5)
            threads.append("reader")
        except AssertionError:
            print("\nSKIPPED the attempts of a disk reader: this file system keeps its files in "
                  "memory", file=sys.stderr)
        return threads, told()

    def test_what_the_thread_of_events_cannot_do(self):
        """It is known by what it asks for when it cuts off a listener that gives no sign of life."""
        version, has_filters = in_force()
        if version < 6 or not has_filters:
            self.skipTest(f"this kernel has Landlock {version}, filters: {has_filters}")
        server, told = self.probed("--events", "/events", "--limit", "event-ping-time=50ms",
                                   "--limit", "event-pong-time=50ms")
        with websocket.WebSocket(server.address):
            wait_until(lambda: ("events", "end") in told(), "the thread of events has tried")
        expected = {("events", name): row[0] for name, row in ATTEMPTS.items()}
        self.assertEqual({key: told().get(key) for key in expected}, expected)
        with websocket.WebSocket(server.address) as listener:
            self.assertIn("state", listener.hello)

    def test_what_each_thread_cannot_do(self):
        version, has_filters = in_force()
        if version < 6 or not has_filters:
            self.skipTest(f"this kernel has Landlock {version}, filters: {has_filters}")
        threads, found = self.attempts()
        expected = {(thread, name): row[1 if thread == "main" else 0]
                    for thread in threads for name, row in ATTEMPTS.items()}
        self.assertEqual({key: found.get(key) for key in expected}, expected)
        self.assertEqual(self.ctl("status").split()[:2], ["ok", "status"])

    def test_that_they_can_do_it_outside(self):
        """The attempts of the test above are such as succeed, or fail for another reason."""
        threads, found = self.attempts("--sandbox", "off")
        expected = {(thread, name): row[2] for thread in threads for name, row in ATTEMPTS.items()
                    if row[2] is not None and name != "unlink"}
        self.assertEqual({key: found[key] for key in expected}, expected)
        unlinked = sorted(found[thread, "unlink"] for thread in threads)
        self.assertEqual(unlinked, [0] + [errno.ENOENT] * (len(threads) - 1))  # whoever was first


class TestFiles(Sandbox):
    def setUp(self):
        super().setUp()
        if in_force()[0] == 0:
            self.skipTest("this kernel has no Landlock")

    def test_a_load_from_outside_is_refused(self):
        server = self.serve(self.inside)
        said = self.ctl("load", "index", self.outside, expect=1)
        self.assertIn(f"error load index: {self.outside}: outside of the folders that this server "
                      f"reads; start it with --archives {self.outside.parent}\n", said)
        self.assertEqual(server.get("/").body, b"inside\n")
        self.assertIn("ok load index", self.ctl("load", "index", self.inside))

    def test_an_archive_outside(self):
        """The index lies inside, its archive is a link that leads outside."""
        self.serve(self.inside)
        shutil.copy(self.outside, self.folder / "in" / "other.idx")
        (self.folder / "in" / "other.cairn").symlink_to(self.folder / "out" / "other.cairn")
        said = self.ctl("load", "index", self.folder / "in" / "other.idx", expect=1)
        self.assertIn(f"start it with --archives {self.folder / 'out'}\n", said)

    def test_folders_of_archives(self):
        for keywords in ({"options": ["--archives", self.folder / "out"]},
                         {"env": {"CAIRN_ARCHIVES": str(self.folder / "out")}}):
            server = Server(self.inside, **keywords)
            with server:
                self.assertIn("ok load index", server.command(f"load index {self.outside}"))
                self.assertEqual(server.get("/").body, b"outside\n")

    def test_a_folder_that_is_not_there(self):
        done = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--archives",
                         self.folder / "none", expect=1)
        self.assertIn(f"--archives: {self.folder / 'none'}: No such file", done.err)

    def test_a_link_and_where_it_leads(self):
        """INDEX is a link into another folder: releases come to both."""
        links = self.folder / "links"
        links.mkdir()
        (links / "site.idx").symlink_to(self.inside)
        server = self.serve(links / "site.idx")
        self.assertEqual(server.get("/").body, b"inside\n")
        second = self.pack_tree({"index.html": "second\n"}, "in/site")
        (links / "new").symlink_to(second)
        (links / "new").rename(links / "site.idx")
        server.signal(signal.SIGHUP)
        server.wait_log("ok load index")
        self.assertEqual(server.get("/").body, b"second\n")

    def test_without_any_it_reads_everywhere(self):
        with Server() as server:
            for index in (self.inside, self.outside):
                self.assertIn("ok load index", server.command(f"load index {index}"))


class TestHandover(Sandbox):
    def test_it_is_inherited(self):
        """Not laid over itself: neither filters nor Landlock's layers may be without end."""
        log = self.folder / "access.log"
        server = self.serve(self.inside, listen=["127.0.0.1:0"], options=["--access-log", log])
        said = re.search(r" sandbox=(\S+)", self.ctl("status")).group(1)
        pid = server.pid
        filters = None
        for number in range(3):
            pid = self.hand_over(server, pid)
            self.assertIn(f" sandbox={said}\n", self.ctl("status"))
            for fields in tasks(pid):
                self.assertEqual(fields["NoNewPrivs"], "1")
            main = next(fields for fields in tasks(pid) if fields["Pid"] == str(pid))
            filters = filters or main.get("Seccomp_filters")
            self.assertEqual(main.get("Seccomp_filters"), filters)
            self.assertEqual(server.get("/").body, b"inside\n")
            wait_until(lambda: log.read_text().count('"GET / ') == number + 1, "it is logged")
        index = self.pack_tree({"index.html": "second\n"}, "in/site")
        self.assertIn("ok load index", self.ctl("load", "index", index))
        if said.startswith("landlock"):
            self.assertIn("start it with --archives",
                          self.ctl("load", "index", self.outside, expect=1))

    def test_a_name_that_is_listened_on(self):
        """From inside no name can be looked up, and none need be."""
        server = self.serve(self.inside, listen=["localhost:0"])
        self.hand_over(server, server.pid)


class TestOldKernels(Sandbox):
    def old(self, **settings):
        return {"bin_folder": cairn.plain_bin(),
                "env": {"LD_PRELOAD": str(cairn.shim("old_kernel")),
                        **{f"CAIRN_{name.upper()}": str(value)
                           for name, value in settings.items()}}}

    def test_each_version_of_landlock(self):
        newest, _ = in_force()
        for version in range(1, min(newest, 7) + 1):
            with self.subTest(version=version):
                with Server(self.inside, **self.old(landlock=version)) as server:
                    self.assertIn(f" sandbox=landlock:{version},", server.command("status"))
                    self.assertIn("start it with --archives",
                                  server.command(f"load index {self.outside}"))
                    self.assertEqual(server.get("/").body, b"inside\n")

    def test_what_is_missing_is_said(self):
        for settings, said, line in (
                ({"landlock": 0}, "seccomp", "not in force: Landlock: Function not implemented\n"),
                ({"seccomp": 0}, None, "not in force: system call filter: "),
                ({"landlock": 0, "seccomp": 0}, "none",
                 "not in force: Landlock: Function not implemented; system call filter: ")):
            with self.subTest(**settings):
                if said == "seccomp" and not in_force()[1]:
                    continue
                server = Server(self.inside, **self.old(**settings))
                with server:
                    self.assertIn(line, server.log())
                    self.assertEqual(server.log().count("not in force"), 1)
                    if said is not None:
                        self.assertIn(f" sandbox={said}", server.command("status"))
                    self.assertEqual(server.get("/").body, b"inside\n")
                old = self.old(**settings)
                done = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--sandbox", "require",
                                 self.inside, expect=1, **old)
                self.assertIn(line.rstrip("\n"), done.err)

    def test_require(self):
        version, has_filters = in_force()
        if version == 0 or not has_filters:
            self.skipTest(f"this kernel has Landlock {version}, filters: {has_filters}")
        with Server(self.inside, options=["--sandbox", "require"]) as server:
            self.assertIn(f" sandbox=landlock:{version},seccomp", server.command("status"))


class TestUser(Sandbox):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        self.nobody = pwd.getpwnam("nobody")
        self.programs = self.folder / "bin"  # where that user can reach them
        self.programs.mkdir()
        for name in ("cairn-serve", "cairn-ctl", "cairn-pack"):
            shutil.copy2(cairn.BIN / name, self.programs / name)
        for path in (self.folder / "in").iterdir():
            if path.is_file():
                path.chmod(0o644)

    def check(self, pid, uid, gid, groups):
        for fields in tasks(pid):
            self.assertEqual(fields["Uid"].split(), [str(uid)] * 4)
            self.assertEqual(fields["Gid"].split(), [str(gid)] * 4)
            self.assertEqual(sorted(map(int, fields["Groups"].split())), sorted(groups))
            for name in ("CapPrm", "CapEff", "CapBnd"):
                self.assertEqual(int(fields[name], 16), 0, name)

    def test_a_user_by_name(self):
        http = self.folder / "run" / "http.sock"
        server = self.serve(self.inside, options=["--user", "nobody"], bin_folder=self.programs,
                            listen=["127.0.0.1:0", f"unix:{http}"])
        groups = os.getgrouplist("nobody", self.nobody.pw_gid)
        self.check(server.pid, self.nobody.pw_uid, self.nobody.pw_gid, groups)
        for path in (self.socket, http):
            self.assertEqual((path.stat().st_uid, path.stat().st_gid),
                             (self.nobody.pw_uid, self.nobody.pw_gid))
        self.assertEqual(server.get("/").body, b"inside\n")
        pid = server.pid
        for _ in range(2):
            pid = self.hand_over(server, pid)
            self.check(pid, self.nobody.pw_uid, self.nobody.pw_gid, groups)
        self.assertEqual(server.get("/").body, b"inside\n")
        index = self.pack_tree({"index.html": "second\n"}, "in/site")
        index.chmod(0o644)
        self.assertIn("ok load index", self.ctl("load", "index", index))
        self.assertEqual(server.get("/big.bin").status, 404)

    def test_its_access_log(self):
        """The file that root makes is that user's, who then opens another one, or says what it takes."""
        log = self.folder / "logs" / "access.log"
        log.parent.mkdir()
        os.chown(log.parent, self.nobody.pw_uid, self.nobody.pw_gid)
        server = self.serve(self.inside, options=["--user", "nobody", "--access-log", log],
                            bin_folder=self.programs)
        self.assertEqual(log.stat().st_uid, self.nobody.pw_uid)
        log.rename(log.with_name("first"))
        self.assertEqual(self.ctl("reopen", "logs"), "ok reopen logs files=1\n")
        self.assertEqual(log.stat().st_uid, self.nobody.pw_uid)
        server.get("/")
        wait_until(log.read_text, "a line")
        os.chown(log.parent, 0, 0)
        log.rename(log.with_name("second"))
        done = cairn.run("cairn-ctl", "--socket", self.socket, "reopen", "logs", expect=1)
        self.assertIn(f"error reopen logs: {log}: Permission denied (the server's user has to be able "
                      "to write the file, or to make it in its folder)", done.err)
        server.get("/")
        wait_until(lambda: log.with_name("second").read_text().count("\n") == 2, "the old one goes on")

    def test_numbers_and_a_group(self):
        for options in (["--user", "12345:54321"], ["--user", "12345:54321", "--sandbox", "off"]):
            with Server(self.inside, options=options, bin_folder=self.programs) as server:
                if "off" not in options:
                    self.check(server.pid, 12345, 54321, [54321])
                for fields in tasks(server.pid):
                    self.assertEqual(fields["Uid"].split(), ["12345"] * 4)
                    self.assertEqual(int(fields["CapEff"], 16), 0)
                self.assertEqual(server.get("/").body, b"inside\n")

    def test_users_that_are_not_there(self):
        for user, message in (("no-such-user", "--user: there is no user no-such-user"),
                              ("nobody:no-such-group", "--user: there is no group no-such-group"),
                              ("12345", "--user: user 12345 has no group; say 12345:GROUP"),
                              ("4294967295:1", "--user: there is no user 4294967295")):
            done = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--user", user, self.inside,
                             expect=1)
            self.assertIn(message, done.err)

    def test_only_root_can(self):
        def run(user, expect):
            return cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--user", user,
                             self.inside.with_name("none.idx") if expect == 2 else self.inside,
                             expect=1, bin_folder=self.programs, user=self.nobody.pw_uid,
                             group=self.nobody.pw_gid, extra_groups=[]).err
        self.assertIn("--user: only root can become another user", run("root", 1))
        # itself it may
        process = subprocess.Popen(
            [self.programs / "cairn-serve", "--listen", "127.0.0.1:0", "--user", "nobody",
             self.inside], user=self.nobody.pw_uid, group=self.nobody.pw_gid, extra_groups=[],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self.assertTrue(process.stdout.readline().startswith(b"ready "))
        finally:
            process.terminate()
            process.communicate(timeout=60)


if __name__ == "__main__":
    unittest.main(verbosity=2)

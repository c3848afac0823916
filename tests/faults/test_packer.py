"""Each call that cairn-pack makes fails in turn. Whatever fails: it ends by itself, with 0 and the
same bytes as without a fault, or with 1 and one sentence that names the cause; what was published
before is as it was, and the next run succeeds and leaves no litter.
"""
import errno
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import faults
import cairn
from cairn import noise, pack, read_tree, write_tree
from signed import flip

LIMIT_S = 120
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "1700000000", "ASAN_OPTIONS": "allocator_may_return_null=1"}
PLAIN = cairn.PLAIN_BIN or cairn.BIN

FIRST = {
    "index.html": "<h1>one</h1>" * 200,
    "style.css": "body { color: red }\n" * 300,
    "same.css": "body { color: red }\n" * 300,
    "folder/page.html": "<p>page</p>" * 100,
    "folder/.cairnignore": "*.tmp\n",
    "folder/left.tmp": "left out",
    "old.html": "<p>old</p>",
    "_headers": "/*\n  X-Test: yes\n",
    "_redirects": "/from /index.html 301\n",
    "noise.bin": noise(1300000, 1),
}
SECOND = {**FIRST, "index.html": "<h1>two</h1>" * 250, "new.js": "let x = 1;\n" * 400,
          "more.bin": noise(70000, 2)}
del SECOND["old.html"]
OLD_S = 1600000000


def make_tree(folder, files):
    write_tree(folder, files, OLD_S)
    os.symlink("index.html", folder / "link.html")


def plain(*arguments, expect=0):
    return cairn.run("cairn-pack", *arguments, bin_folder=PLAIN, env=ENVIRONMENT, expect=expect)


def short_path(path):
    """The path from here: that of a socket has to be short."""
    return os.path.relpath(path)


class Scenario:
    """One command on a folder that is made once and copied for each run."""

    has_new_release = False
    environment = {}
    about = None  # the functions that are called otherwise than in others; None: all are tried
    is_repeatable = True
    out_pattern = None  # of what it prints, when that differs from run to run
    prints_first = False  # that it is packed, before more is done that may fail

    def __init__(self, folder):
        self.template = folder / "template"
        self.template.mkdir()
        make_tree(self.template / "tree", FIRST)
        pack(self.template / "tree", self.template / "site.cairn", bin_folder=PLAIN,
             env=ENVIRONMENT)
        make_tree(self.template / "tree", SECOND)
        self.prepare()

    def prepare(self):
        pass

    def start(self, folder):
        """What runs beside it, if anything; called in the copy."""

    def check_success(self, folder):
        pass

    def check_failure(self, folder):
        pass


class AddNew(Scenario):
    arguments = ["add", "tree", "site.cairn"]
    has_new_release = True

    def prepare(self):
        for path in self.template.glob("site.*"):
            path.unlink()


class AddNewAtAnyTime(AddNew):
    """With a time and a UUID of its own, so that no two runs are equal."""
    about = ("getentropy", "calloc", "open64")
    environment = {"SOURCE_DATE_EPOCH": ""}
    is_repeatable = False


class AddNext(Scenario):
    arguments = ["add", "--jobs", "3", "tree", "site.cairn"]
    has_new_release = True


class AddReadAll(Scenario):
    """The cache is not used, and what is stored is read again to be compared."""
    about = ("open64", "fstat64", "lstat64", "read", "pread64", "mmap64", "madvise",
             "posix_fadvise64", "EVP_DigestUpdate")
    arguments = ["add", "--checksum", "tree", "site.cairn"]
    has_new_release = True

    def prepare(self):
        (self.template / "site.cache").unlink()


class Push(Scenario):
    about = ("socket", "connect", "send", "write", "read", "recv", "poll", "shutdown", "setsockopt",
             "dup", "fdopen", "fclose", "fflush", "__getdelim", "close", "realpath", "getcwd")
    arguments = ["add", "--push", "control.sock", "tree", "site.cairn"]
    has_new_release = True
    prints_first = True

    def start(self, folder):
        """A server that says ok to the first line of each connection, until one sends nothing."""
        path = short_path(folder / "control.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()

        def serve():
            while True:
                connection, _ = listener.accept()
                with connection:
                    line = connection.recv(4096)
                    if line == b"end":
                        return
                    try:
                        connection.sendall(b"row\nok load index id=1 release=2\n")
                    except BrokenPipeError:
                        pass  # the fault ended the client

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        def end():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b"end")
            thread.join()
            listener.close()
            os.unlink(path)
        return end


class Rebuild(Scenario):
    """The newest index is lost: it is made again, the same to the byte."""
    arguments = ["rebuild", "site.cairn"]
    has_new_release = True

    def prepare(self):
        plain("add", self.template / "tree", self.template / "site.cairn")
        (self.template / "site.000002.idx").unlink()


class Compact(Scenario):
    arguments = ["compact", "--keep", "1", "site.cairn", "small.cairn"]

    def prepare(self):
        plain("add", self.template / "tree", self.template / "site.cairn")

    def check_success(self, folder):
        plain("verify", folder / "small.idx")

    def check_failure(self, folder):
        left = sorted(path.name for path in folder.glob("small*"))
        if left:
            raise AssertionError(f"left behind: {left}")


class CompactOnto(Scenario):
    """The new archive is there already: it is refused, and never touched."""
    about = ("open64", "access", "fstat64", "stat64", "lstat64", "close", "unlink", "rename",
             "flock", "mmap64", "calloc")
    arguments = ["compact", "--keep", "1", "site.cairn", "small.cairn"]
    expected = 1

    def prepare(self):
        plain("compact", "--keep", "1", self.template / "site.cairn",
              self.template / "small.cairn")
        self.small = (self.template / "small.cairn").read_bytes()

    def check_failure(self, folder):
        if not (folder / "small.cairn").exists():
            raise AssertionError("the archive that was there before is gone")
        if (folder / "small.cairn").read_bytes() != self.small:
            raise AssertionError("the archive that was there before has changed")


class Extract(Scenario):
    arguments = ["extract", "site.cairn", "out"]

    def check_success(self, folder):
        wanted = {name: content.encode() if isinstance(content, str) else content
                  for name, content in FIRST.items() if not name.endswith((".tmp", ".cairnignore"))}
        wanted["link.html"] = wanted["index.html"]
        if read_tree(folder / "out") != wanted:
            raise AssertionError("what was extracted is not what was packed")


class ExtractInto(Extract):
    """Into a folder that is there, and empty."""
    about = ("mkdir", "opendir", "readdir64", "closedir", "stat64", "lstat64", "open64")

    def prepare(self):
        (self.template / "out").mkdir()


class Keygen(Scenario):
    arguments = ["keygen", "site.key"]
    is_repeatable = False
    out_pattern = r"key [0-9a-f]{32}\n(site\.key(\.pub)?: .*\n){2}"

    def check_success(self, folder):
        if (folder / "site.key").stat().st_mode & 0o777 != 0o600:
            raise AssertionError("the key can be read by others")
        plain("add", "--sign", folder / "site.key", folder / "tree", folder / "site.cairn")
        plain("verify", "--trust", folder / "site.key.pub", folder / "site.idx")

    def check_failure(self, folder):
        left = sorted(path.name for path in folder.glob("site.key*"))
        if left:
            raise AssertionError(f"left behind: {left}")


class Signing(Scenario):
    """Has a key, whose public half verifies what comes of it."""
    signed = "site.idx"
    about = (*faults.OPENSSL, "open64", "read", "fstat64", "close", "calloc", "pwrite64")

    def prepare(self):
        plain("keygen", self.template / "site.key")

    def check_success(self, folder):
        plain("verify", "--trust", folder / "site.key.pub", folder / self.signed)


class AddSigned(Signing):
    arguments = ["add", "--sign", "site.key", "tree", "site.cairn"]
    has_new_release = True


class CompactSigned(Signing):
    arguments = ["compact", "--sign", "site.key", "--keep", "1", "site.cairn", "small.cairn"]
    signed = "small.idx"
    check_failure = Compact.check_failure


class VerifySigned(Signing):
    arguments = ["verify", "--trust", "site.key.pub", "site.idx"]
    about = None

    def prepare(self):
        super().prepare()
        plain("add", "--sign", self.template / "site.key", self.template / "tree",
              self.template / "site.cairn")


class VerifyAltered(Signing):
    """One byte of the content is another one: whatever fails, that is not good."""
    about = None
    arguments = ["verify", "--trust", "site.key.pub", "altered/site.idx"]
    expected = 1

    def prepare(self):
        super().prepare()
        archive = self.template / "altered" / "site.cairn"
        archive.parent.mkdir()
        plain("add", "--sign", self.template / "site.key", self.template / "tree", archive)
        flip(archive, archive.read_bytes().index(FIRST["noise.bin"]) + 1000)


class VerifyUnsigned(Signing):
    arguments = ["verify", "--trust", "site.key.pub", "site.idx"]
    expected = 1


def reader(*words):
    return type("_".join(words).replace("--", ""), (Scenario,), {"arguments": list(words)})


SCENARIOS = {
    "add_new": AddNew, "add_new_at_any_time": AddNewAtAnyTime, "add_next": AddNext,
    "add_read_all": AddReadAll, "push": Push,
    "rebuild": Rebuild, "compact": Compact, "compact_onto": CompactOnto, "extract": Extract,
    "extract_into": ExtractInto,
    "verify": reader("verify", "site.cairn"),
    "verify_archive": reader("verify", "--archive", "site.cairn"),
    "list": reader("list", "site.cairn"), "check": reader("check", "tree"),
    "keygen": Keygen, "add_signed": AddSigned, "compact_signed": CompactSigned,
    "verify_signed": VerifySigned, "verify_altered": VerifyAltered,
    "verify_unsigned": VerifyUnsigned,
    "diff": reader("diff", "site.000001.idx", "site.idx"),
}
# How many calls of each function fail, when not all do.
PLACES = {"add_next": 3}


class Run:
    """One run of a scenario in a copy of its folder."""

    def __init__(self, scenario, parent):
        self.scenario = scenario
        self.folder = Path(tempfile.mkdtemp(dir=parent))
        shutil.copytree(scenario.template, self.folder, symlinks=True, dirs_exist_ok=True)
        self.end = scenario.start(self.folder)

    def run(self, table):
        try:
            done = subprocess.run([cairn.BIN / "cairn-pack-faults", *self.scenario.arguments],
                                  cwd=self.folder, timeout=LIMIT_S, capture_output=True,
                                  stdin=subprocess.DEVNULL,
                                  env={**os.environ, **ENVIRONMENT, **self.scenario.environment,
                                       **table.environment})
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {LIMIT_S} s") from None
        finally:
            if self.end is not None:
                self.end()
        done.out = done.stdout.decode(errors="replace").replace(str(self.folder), "")
        done.err = done.stderr.decode(errors="replace").replace(str(self.folder), "")
        return done

    def files(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir()
                if path.is_file() and path.suffix in (".cairn", ".idx")}

    def remove(self):
        shutil.rmtree(self.folder)


def check_sentence(done, command, fault):
    """Exactly one sentence, of the command, with the cause; everything else is a remark."""
    lines = done.err.splitlines()
    remarks = ("cairn-pack: left out: ", "cairn-pack: warning: ", "cairn-pack: ", "row")
    sentences = [line for line in lines if not line.startswith(remarks)]
    if len(sentences) != 1 or not sentences[0].startswith(f"cairn-pack {command}: "):
        raise AssertionError(f"not one sentence: {done.err!r}")
    names = [fault.text]
    if fault.text in (os.strerror(errno.EPIPE), os.strerror(errno.ECONNRESET)):
        names.append("the server ended the connection")  # which is what they say of a socket
    if fault.text is not None and not any(name in sentences[0] for name in names):
        raise AssertionError(f"the cause is not named: {sentences[0]!r}")
    if fault.text and len(sentences[0].split(": ")) < 3:
        raise AssertionError(f"nothing but the cause is named: {sentences[0]!r}")


class Faults:
    """The faults of one scenario."""

    def __init__(self, name, folder, tally):
        self.name = name
        self.tally = tally
        self.folder = folder
        self.scenario = SCENARIOS[name](folder)
        self.command = self.scenario.arguments[0]
        self.expected = getattr(self.scenario, "expected", 0)
        self.old = {path.name: path.read_bytes() for path in self.scenario.template.iterdir()
                    if path.suffix in (".cairn", ".idx") and path.exists()}
        run = Run(self.scenario, folder)
        with faults.Table(folder) as table:
            done = run.run(table)
            self.recorded = table.all_calls()
        if done.returncode != self.expected:
            raise AssertionError(f"without a fault: {done.returncode} {done.err}")
        self.out = done.out
        self.reference = run.files()
        self.tree = {name: path.read_bytes()
                     for name, path in cairn.site_files(self.scenario.template / "tree").items()
                     if not name.endswith(".tmp")}
        run.remove()

    def check_old(self, run):
        """What was committed before is there, to the byte, and verifies."""
        for name, content in self.old.items():
            path = run.folder / name
            if name == "site.idx":
                continue
            if not path.exists() or path.read_bytes()[:len(content)] != content:
                raise AssertionError(f"{name} is not what it was")
            if name.endswith(".idx"):
                plain("verify", path)

    def check_next(self, run):
        """An `add` after it succeeds, holds the tree, and leaves no litter."""
        plain("add", run.folder / "tree", run.folder / "site.cairn")
        plain("verify", run.folder / "site.idx")
        plain("verify", "--archive", run.folder / "site.cairn")
        allowed = re.compile(r"site\.(cairn|idx|cache|key|key\.pub|\d{6}\.idx)|small\.(cairn|idx|\d{6}\.idx)")
        litter = [path.name for path in run.folder.iterdir()
                  if path.is_file() and not allowed.fullmatch(path.name)]
        if litter:
            raise AssertionError(f"litter: {litter}")
        shutil.rmtree(run.folder / "out", ignore_errors=True)
        plain("extract", run.folder / "site.idx", run.folder / "out")
        if read_tree(run.folder / "out") != self.tree:
            raise AssertionError("the release after it does not hold the tree")

    def is_expected(self, out):
        pattern = self.scenario.out_pattern
        return out == self.out if pattern is None else re.fullmatch(pattern, out) is not None

    def judge(self, run, done, fault):
        cairn.check_no_report(done.err, "cairn-pack")
        if done.returncode == -6 and fault.call in faults.MEMORY:
            if not re.search(r"^cairn: out of memory \(", done.err, re.M) or \
                    (done.out and not self.scenario.prints_first):
                raise AssertionError(f"out of memory, but: {done.err!r} {done.out!r}")
            outcome = "out of memory"
        elif done.returncode == -6 and fault.call in faults.OPENSSL:
            if "cairn: OpenSSL has no " not in done.err or done.out:
                raise AssertionError(f"OpenSSL failed, but: {done.err!r} {done.out!r}")
            outcome = "without OpenSSL"
        elif done.returncode == 1:
            if self.expected == 0:
                check_sentence(done, self.command, fault)
            if self.scenario.has_new_release and done.out and not self.scenario.prints_first \
                    and fault.call != "fflush":
                raise AssertionError(f"failed, but printed {done.out!r}")
            if re.search(r"^ok ", done.out, re.M) and fault.call != "fflush":
                raise AssertionError(f"failed, but printed {done.out!r}")
            if fault.call != "fflush":  # it was done, only not told
                self.scenario.check_failure(run.folder)
            outcome = "failed with a sentence"
        elif done.returncode == 0 == self.expected:
            if not self.is_expected(done.out):
                raise AssertionError(f"ok, but printed {done.out!r}, not {self.out!r}")
            if self.scenario.is_repeatable and run.files() != self.reference:
                raise AssertionError("ok, but the archive or an index differs")
            self.scenario.check_success(run.folder)
            outcome = "succeeded"
        else:
            raise AssertionError(f"exit code {done.returncode}: {done.err}")
        self.check_old(run)
        if self.scenario.has_new_release:
            self.check_next(run)
        return outcome

    def try_fault(self, fault):
        run = Run(self.scenario, self.folder)
        with faults.Table(self.folder) as table:
            table.arm(fault)
            done = run.run(table)
            failed = table.failed(fault.call)
        outcome = self.judge(run, done, fault)
        self.tally.add(fault.call, failed, outcome if failed else "not reached")
        run.remove()

    def run(self):
        places = 10000 if faults.EXHAUSTIVE else PLACES.get(self.name, 2)
        about = None if faults.EXHAUSTIVE else self.scenario.about
        return faults.in_parallel(self.try_fault, faults.choose(self.recorded, places, about))


def scenario_test(name):
    def test(self):
        self.check_scenario(name)
    return test


class TestPacker(unittest.TestCase):
    def check_scenario(self, name):
        tally = faults.Tally(f"pack-{name}")
        with tempfile.TemporaryDirectory(prefix="cairn-faults-") as folder:
            problems = Faults(name, Path(folder), tally).run()
        tally.close()
        if problems:
            self.fail(f"{len(problems)} problems:\n" + "\n".join(problems))
        self.assertGreater(sum(tally.injected.values()), 5)


for _name in SCENARIOS:
    setattr(TestPacker, f"test_{_name}", scenario_test(_name))

if __name__ == "__main__":
    unittest.main()

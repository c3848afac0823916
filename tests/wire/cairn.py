"""What the wire tests share: running the three programs, talking to them, and judging how they end.

CAIRN_BIN        folder with the programs under test (needed)
CAIRN_PLAIN_BIN  folder with programs that have no sanitizers, for tests that preload a library or
                 trace system calls (those tests are skipped aloud without it)
CAIRN_TEST_DATA  folder for downloads and generated trees, kept between runs
CAIRN_SHIMS      folder with libkill_at.so and libcount_malloc.so (built here if absent)
"""
import os
import queue
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
PATIENCE_S = 60  # how long anything that must happen may take: generous, for slow machines


def _folder_from_environment(name):
    value = os.environ.get(name, "")
    return Path(value).resolve() if value else None


BIN = _folder_from_environment("CAIRN_BIN")
PLAIN_BIN = _folder_from_environment("CAIRN_PLAIN_BIN")
_DATA = _folder_from_environment("CAIRN_TEST_DATA")

if BIN is None or not (BIN / "cairn-serve").exists():
    raise SystemExit("CAIRN_BIN must name the folder with cairn-pack, cairn-serve and cairn-ctl")


def data_folder():
    """The kept folder, or one under the system's temporary folder."""
    folder = _DATA or Path(tempfile.gettempdir()) / f"cairn-test-data-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def plain_bin():
    """The folder of programs without sanitizers; skips the test if there is none."""
    if PLAIN_BIN is None or not (PLAIN_BIN / "cairn-pack").exists():
        raise unittest.SkipTest("CAIRN_PLAIN_BIN is not set: needs programs without sanitizers")
    return PLAIN_BIN


def shim(name):
    """The path of lib<name>.so, built on the spot where the build has not made it."""
    folder = _folder_from_environment("CAIRN_SHIMS")
    if folder is not None and (folder / f"lib{name}.so").exists():
        return folder / f"lib{name}.so"
    library = data_folder() / f"lib{name}.so"
    source = HERE / f"{name}.c"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which(os.environ.get("CC", "cc"))
        if compiler is None:
            raise unittest.SkipTest(f"no C compiler to build {name}.c with")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
                       check=True)
    return library


def strace():
    """The path of a strace that works here; skips the test otherwise."""
    program = shutil.which("strace")
    if program is None:
        raise unittest.SkipTest("strace is not installed")
    probe = subprocess.run([program, "-f", "-o", "/dev/null", "true"], capture_output=True)
    if probe.returncode != 0:
        raise unittest.SkipTest("strace may not trace here: " + probe.stderr.decode().strip())
    return program


def wait_until(condition, what, patience_s=PATIENCE_S):
    """Asks again and again until condition() is true, and returns what it gave."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s} s in vain: {what}")
        time.sleep(0.002)


_SANITIZER_MARKS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:",
                    "UndefinedBehaviorSanitizer", "Assertion `", "assertion failed")


def check_no_report(text, what):
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    for mark in _SANITIZER_MARKS:
        if mark in text:
            raise AssertionError(f"{what} reported:\n{text[-6000:]}")


def run(program, *arguments, expect=0, env=None, bin_folder=None, wrapper=(), **options):
    """Runs a program to its end, checks the exit code (expect=None: any) and sanitizer reports."""
    command = [*map(str, wrapper), str((bin_folder or BIN) / program), *map(os.fspath, arguments)]
    environment = {**os.environ, **(env or {})}
    if "stdin" not in options and "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    options.setdefault("timeout", 400)
    done = subprocess.run(command, env=environment, **options)
    done.out = (done.stdout or b"").decode(errors="replace")
    done.err = (done.stderr or b"").decode(errors="replace")
    check_no_report(done.err, program)
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}, not {expect}\n"
                             f"{done.out}{done.err}")
    return done


def pack(site, archive, *options, **keywords):
    """cairn-pack add; returns the index path that it printed."""
    done = run("cairn-pack", "add", *options, site, archive, **keywords)
    match = re.fullmatch(r"load index (/.*\.idx)\n", done.out)
    if match is None:
        raise AssertionError(f"cairn-pack add printed {done.out!r}")
    return Path(match.group(1))


def verify(path, **keywords):
    return run("cairn-pack", "verify", path, **keywords).out


# ---- trees ----


def write_tree(root, files, modified_s=None):
    """Writes {name: bytes} below root; a str is UTF-8. The root comes to hold exactly these."""
    root = Path(root)
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if modified_s is not None:
            os.utime(path, (modified_s, modified_s))
    return root


def save(path, content):
    """Writes a file beside and puts it in its place: who watches the tree sees it whole or not at
    all, and one change. What is written in place may be seen while it is still empty."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(beside, path)


def site_files(root):
    """{name: path} of what a pack of root has to hold: links that stay inside are followed."""
    root = Path(root).resolve()
    found = {}

    def visit(folder, prefix, parents):
        for entry in sorted(os.listdir(folder)):
            path = folder / entry
            if entry.startswith(".") and (prefix or entry != ".well-known"):
                continue  # stays out
            try:
                real = path.resolve(strict=True)
            except (FileNotFoundError, RuntimeError, OSError):
                continue  # leads nowhere
            if real != root and root not in real.parents:
                continue  # leads outside
            if real.is_dir():
                if real not in parents:
                    visit(path, f"{prefix}{entry}/", parents | {real})
            elif stat.S_ISREG(real.stat().st_mode):
                found[prefix + entry] = path

    visit(root, "", {root})
    return found


def read_tree(root):
    """{name: bytes} of every file below root."""
    root = Path(root)
    return {str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*") if path.is_file()}


def noise(count, seed):
    return random.Random(seed).randbytes(count)


class TemporaryFolder(unittest.TestCase):
    """A test case with a folder of its own, self.folder, that is gone afterwards."""

    def setUp(self):
        self._holder = tempfile.TemporaryDirectory(prefix="cairn-")
        self.folder = Path(self._holder.name)
        self.addCleanup(self._holder.cleanup)

    def pack_tree(self, files, name="site", modified_s=None, **keywords):
        tree = write_tree(self.folder / f"{name}-tree", files, modified_s)
        return pack(tree, self.folder / f"{name}.cairn", **keywords)


# ---- HTTP ----


class Response:
    """One response: status, head (the raw lines), fields ({lower-case name: value}), body."""

    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.status_line = lines[0]
        self.version, status, self.reason = lines[0].split(" ", 2)
        self.status = int(status)
        self.lines = lines[1:]
        self.fields = {}
        for line in self.lines:
            name, value = line.split(": ", 1)
            if name.lower() in self.fields:
                raise AssertionError(f"a field comes twice: {line}")
            self.fields[name.lower()] = value
        self.body = body

    def __getitem__(self, name):
        return self.fields.get(name.lower())

    def without_date(self):
        return (self.status_line, [line for line in self.lines if not line.startswith("Date: ")],
                self.body)


_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d+)(?:\r\n|$)")


class Client:
    """A raw connection: bytes out, responses in. With small segments the system takes little of
    what the server sends ahead of its reader."""

    def __init__(self, address, timeout_s=PATIENCE_S, receive_buffer=None, segment_bytes=None):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if segment_bytes is not None:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_bytes)
        self.socket.settimeout(timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(address)
        self._buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def end_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def _fill(self):
        piece = self.socket.recv(262144)
        if not piece:
            raise EOFError(f"the server closed; so far: {bytes(self._buffer[:200])!r}")
        self._buffer += piece

    def read_raw(self, method="GET"):
        """(head, body) of the next response, as bytes."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._fill()
        head = bytes(self._buffer[:end])
        length = _LENGTH.search(head)
        bodiless = method == "HEAD" or head[9:12] in (b"204", b"304")
        count = 0 if bodiless or length is None else int(length.group(1))
        while len(self._buffer) < end + 4 + count:
            self._fill()
        body = bytes(self._buffer[end + 4:end + 4 + count])
        del self._buffer[:end + 4 + count]
        return head, body

    def has_begun(self):
        """Has a part of an answer come that is not read yet?"""
        return len(self._buffer) > 0

    def read(self, method="GET"):
        return Response(*self.read_raw(method))

    def get(self, target, method="GET", fields="", version="1.1"):
        self.send(request(target, method, fields, version))
        return self.read(method)

    def read_to_end(self):
        """Everything until the server closes. A reset counts as more than a close: it raises."""
        while True:
            try:
                self._fill()
            except EOFError:
                break
        rest, self._buffer = bytes(self._buffer), bytearray()
        return rest

    def is_closed(self):
        """True once the server has closed, and nothing more was sent before that."""
        rest = self.read_to_end()
        if rest:
            raise AssertionError(f"more came: {rest[:300]!r}")
        return True


def request(target, method="GET", fields="", version="1.1"):
    if isinstance(target, str):
        target = target.encode()
    return (f"{method} ".encode() + target +
            f" HTTP/{version}\r\nHost: test.example\r\n{fields}\r\n".encode())


# ---- the server ----


class Server:
    """A cairn-serve with pipes. As a context manager it is stopped by TERM at the end, must then
    exit with 0, and must not have said anything a sanitizer says."""

    def __init__(self, *indexes, workers=2, listen=("127.0.0.1:0",), control=(), options=(),
                 env=None, bin_folder=None, wrapper=(), stdin=subprocess.PIPE, expect_exit=0,
                 wait_ready=True, program="cairn-serve", pass_fds=()):
        self._holder = tempfile.TemporaryDirectory(prefix="cairn-serve-")
        self.folder = Path(self._holder.name)
        self.expect_exit = expect_exit
        self.controls = [str(path) for path in control]
        arguments = []
        for address in listen:
            arguments += ["--listen", address]
        for path in self.controls:
            arguments += ["--control", path]
        if workers is not None:
            arguments += ["--workers", str(workers)]
        self.log_path = self.folder / "stderr"
        command = [*map(str, wrapper), str((bin_folder or BIN) / program), *arguments,
                   *map(str, options), *map(str, indexes)]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE,
                                            stderr=log, pass_fds=pass_fds,
                                            env={**os.environ, **(env or {})})
        self.has_wrapper = bool(wrapper)
        self.lines = queue.Queue()
        self._reader = threading.Thread(target=self._read_lines, daemon=True)
        self._reader.start()
        self.ready = None
        self.ports = []
        self.urls = []
        if wait_ready:
            self._await_ready()

    def _read_lines(self):
        for line in self.process.stdout:
            self.lines.put(line.decode(errors="replace").rstrip("\n"))
        self.lines.put(None)

    def _await_ready(self):
        line = self.read_line()
        if line is None or not line.startswith("ready "):
            self.kill()
            raise AssertionError(f"the server said {line!r} first; log:\n{self.log()}")
        self.set_ready(line)

    def set_ready(self, line):
        """Takes the addresses from the line that it said first."""
        self.ready = line
        self.urls = self.ready.split()[1:]
        self.ports = [int(url.rstrip("/").rsplit(":", 1)[1]) for url in self.urls
                      if url.startswith("http:")]

    @property
    def pid(self):
        """The server's own id, also under strace and the like."""
        if not self.has_wrapper:
            return self.process.pid
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    @property
    def address(self):
        return ("127.0.0.1", self.ports[0])

    def accepts(self):
        """Are new connections let in?"""
        try:
            self.client().close()
        except (ConnectionRefusedError, ConnectionResetError):
            return False
        return True

    def client(self, **keywords):
        return Client(self.address, **keywords)

    def get(self, target, method="GET", fields=""):
        with self.client() as client:
            return client.get(target, method, fields)

    # control

    def read_line(self, patience_s=PATIENCE_S):
        try:
            return self.lines.get(timeout=patience_s)
        except queue.Empty:
            raise AssertionError(f"no line from the server; its log:\n{self.log()}") from None

    def send(self, data):
        self.process.stdin.write(data.encode() if isinstance(data, str) else data)
        self.process.stdin.flush()

    def read_reply(self):
        """Rows and the line that ends the reply."""
        rows = []
        while True:
            line = self.read_line()
            if line is None:
                raise AssertionError(f"the server ended; its log:\n{self.log()}")
            rows.append(line)
            if line.startswith(("ok ", "error ")):
                return rows

    def command(self, line):
        """One command on standard input; the reply's last line."""
        self.send(line + "\n")
        return self.read_reply()[-1]

    def load(self, path):
        reply = self.command(f"load index {path}")
        if not reply.startswith("ok load index "):
            raise AssertionError(reply)
        return dict(word.split("=", 1) for word in reply.split()[3:])

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, text, count=1):
        """Waits until the log has `text` that many times."""
        wait_until(lambda: self.log().count(text) >= count or self.process.poll() is not None,
                   f"{text!r} in the log")
        if self.log().count(text) < count:
            raise AssertionError(f"{text!r} is not in the log:\n{self.log()}")
        return self.log()

    # life

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, patience_s=PATIENCE_S):
        """Waits for the end, checks it, and returns the exit code."""
        try:
            code = self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server does not end; its log:\n{self.log()}") from None
        self._close_pipes()
        log = self.log()
        check_no_report(log, "cairn-serve")
        if code != self.expect_exit:
            raise AssertionError(f"cairn-serve: exit code {code}, not {self.expect_exit}; {log}")
        return code

    def _close_pipes(self):
        self._reader.join(PATIENCE_S)  # a successor of the process may hold the pipe
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._close_pipes()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
            else:
                self.kill()  # the test has failed already: do not hide why
        finally:
            self._holder.cleanup()

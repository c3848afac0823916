"""The control protocol: three channels, what they answer, how the server starts, reloads, ends."""
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, TemporaryFolder, request

BIG = cairn.noise(30_000_000, "slow download")


def accepts(path):
    """Does a server listen there? A socket has its name a moment before it does."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


class ControlSocket:
    """A client of the Unix control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))  # without a timeout: waits for a place in the queue
        self.socket.settimeout(cairn.PATIENCE_S)
        self._stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def read_reply(self):
        rows = []
        while True:
            line = self._stream.readline().decode()
            if not line:
                raise EOFError(rows)
            rows.append(line.rstrip("\n"))
            if line.startswith(("ok ", "error ")):
                return rows

    def command(self, line):
        self.send(line + "\n")
        return self.read_reply()[-1]

    def read_to_end(self):
        return self._stream.read()


class Control(TemporaryFolder):
    """Two releases of a small site: self.first and self.second."""

    def setUp(self):
        super().setUp()
        self.tree = cairn.write_tree(self.folder / "tree", {"index.html": "first\n", "a": "a\n"})
        self.archive = self.folder / "site.cairn"
        self.first = cairn.pack(self.tree, self.archive)
        cairn.write_tree(self.tree, {"index.html": "second\n", "b": "b\n"})
        self.second = cairn.pack(self.tree, self.archive)
        self.current = self.folder / "site.idx"

    def expect_page(self, server, content):
        self.assertEqual(server.get("/").body, content)

    def fifo(self, name="control"):
        path = self.folder / name
        os.mkfifo(path)
        return path


class TestCommands(Control):
    def test_each_command(self):
        with Server(self.first) as server:
            server.send("help\n")
            rows = server.read_reply()
            for words in ("load index PATH [host=NAME,...] [at=/PREFIX] [traceparent=...]", "unload ID|PATH",
                          "list [--json]", "status [--json]", "quit", "help"):
                self.assertTrue(any(row.startswith(f"command {words}: ") for row in rows), words)
            self.assertEqual(rows[-1], f"ok help commands={len(rows) - 1}")
            server.send("list\n")
            rows = server.read_reply()
            self.assertEqual(len(rows), 2)
            self.assertRegex(rows[0], r"^site id=1 release=1 kind=snapshot state=live paths=3 host=\* at=/ "
                                      r"loaded=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ index=/")
            self.assertTrue(rows[0].endswith(f"index={self.first.resolve()}"))
            self.assertEqual(rows[1], "ok list sites=1")
            reply = server.command(f"load index {self.second}")
            self.assertRegex(reply, r"^ok load index id=2 release=2 paths=3 layers=2 ms=\d+\.\d$")
            self.expect_page(server, b"second\n")
            # a worker counts an answer when it is out, which its client may know a moment before
            reply = cairn.wait_until(lambda: " requests=1 " in (now := server.command("status"))
                                     and now, "the request is counted")
            self.assertRegex(reply, r"^ok status version=\S+ pid=\d+ uptime_s=\d+ workers=2 sites=2"
                                    r" connections=\d+ listeners=0 accepted=1 requests=1 bytes=\d+ log_lost=0 disk_reads=\d+ sandbox=\S+$")
            self.assertIn(f" pid={server.pid} ", reply)
            self.assertEqual(server.command("quit"), "ok quit")
            server.wait()

    def test_indexes_without_folders_that_are_gone(self):
        others = {}
        for name in "moved", "replaced":
            (self.folder / name).mkdir()
            others[name] = cairn.pack(self.tree, self.folder / name / "site.cairn")
        with Server(self.second, *others.values()) as server:
            server.send("indexes\n")
            self.assertEqual(server.read_reply()[-1], "ok indexes count=4")
            for name in others:
                (self.folder / name).rename(self.folder / f"{name}-away")
            (self.folder / "replaced").write_text("no folder\n")
            server.send("indexes\n")
            rows = server.read_reply()
            self.assertEqual(rows[-1], "ok indexes count=2")
            self.assertEqual({row.split(" path=")[1] for row in rows[:-1]},
                             {str(self.first), str(self.second)})
            server.send("list\n")  # what is loaded is loaded
            self.assertEqual(server.read_reply()[-1], "ok list sites=3")

    def test_replies_come_in_order(self):
        with Server(self.first) as server:
            server.send("".join(f"load index {self.second}\nnonsense{number}\nlist\n"
                                f"load index {self.first}\n" for number in range(100)))
            for number in range(100):
                self.assertTrue(server.read_reply()[-1].startswith("ok load index"))
                self.assertTrue(server.read_reply()[-1].startswith(f"error nonsense{number}:"))
                rows = server.read_reply()
                self.assertIn(" release=2 ", rows[0])
                self.assertTrue(server.read_reply()[-1].startswith("ok load index"))
            self.expect_page(server, b"first\n")

    def test_spaces_tabs_and_line_ends(self):
        with Server(self.first) as server:
            for line in ("  list", "list  ", "\tlist\t", "list\r", "\n\nlist", " \t \nlist"):
                self.assertTrue(server.command(line).startswith("ok list"), repr(line))
            reply = server.command(f"load   index\t {self.second}  \r")
            self.assertTrue(reply.startswith("ok load index id=2"), reply)

    def test_loading_the_same_again_changes_nothing(self):
        with Server(self.first) as server:
            for _ in range(2):
                reply = server.command(f"load index {self.first}")
                self.assertRegex(reply, r"^ok load index id=1 release=1 .* unchanged=1$")
            self.assertTrue(server.load(self.second).get("unchanged") is None)
            self.assertEqual(server.load(self.current)["unchanged"], "1")  # the link leads there

    def test_an_older_index_rolls_back(self):
        with Server(self.second) as server:
            self.expect_page(server, b"second\n")
            server.load(self.first)
            self.expect_page(server, b"first\n")
            self.assertEqual(server.get("/a").body, b"a\n")
            self.assertEqual(server.get("/b").status, 404)
            reply = server.load(self.second)
            self.assertEqual(reply["layers"], "2")  # the same release is not kept twice
            self.assertEqual(server.get("/a").status, 404)

    def test_retain_bounds_the_list(self):
        indexes = [self.first, self.second]
        for number in range(3, 8):
            cairn.write_tree(self.tree, {"index.html": f"release {number}\n"})
            indexes.append(cairn.pack(self.tree, self.archive))
        with Server(self.first, options=("--retain", "3")) as server:
            layers = [int(server.load(index)["layers"]) for index in indexes[1:]]
            self.assertEqual(layers, [2, 3, 3, 3, 3, 3])
            server.send("list\n")
            rows = server.read_reply()
            self.assertEqual([re.search(r"release=(\d+)", row)[1] for row in rows[:-1]],
                             ["7", "6", "5"])
            self.expect_page(server, b"release 7\n")
        with Server(*indexes, env={"CAIRN_RETAIN": "1"}) as server:
            self.assertEqual(server.command("list"), "ok list sites=1")

    def test_paths_with_spaces_and_quotes(self):
        for name in ("with space", 'quo"te', "back\\slash", " leading"):
            folder = self.folder / name
            folder.mkdir()
            index = cairn.pack(self.tree, folder / "my site.cairn")
            self.assertTrue(str(index).endswith("/my site.000001.idx"))
            quoted = '"' + str(index).replace("\\", "\\\\").replace('"', '\\"') + '"'
            with self.subTest(name), Server(self.first) as server:
                server.load(index)
                self.expect_page(server, b"second\n")
                server.load(self.first)
                server.load(quoted)
                self.expect_page(server, b"second\n")
        with Server(self.first) as server:
            for line in ('load index "', 'load index ""', 'load index "/x', 'load index "/x" y'):
                self.assertTrue(server.command(line).startswith("error load index: "), line)

    def test_errors_name_the_command(self):
        with Server(self.first) as server:
            for line, start in [
                    ("load index", "error load index: "), ("load index ", "error load index: "),
                    ("load", "error load: "), ("frobnicate", "error frobnicate: "),
                    ("LIST", "error LIST: "), ("list all", "error list: "),
                    ("help me", "error help: "), ("quit now", "error quit: "),
                    ("status x", "error status: "), ("loadindex /x", "error loadindex: "),
                    ("load index /no/such.idx", "error load index: /no/such.idx: "),
                    ("x" * 5000, "error xxxxx"), ("\u00e9t\u00e9", "error ")]:
                reply = server.command(line)
                self.assertTrue(reply.startswith(start), (line, reply))
                self.assertLess(len(reply), 200)
            self.expect_page(server, b"first\n")


class TestBadInput(Control):
    """Each channel: an error line for what is none, and the next good command still works."""

    def bad_lines(self):
        noise = bytes(byte for byte in cairn.noise(5000, "binary") if byte != 10)
        return [("unknown word", b"frobnicate 1 2 3\n", "error frobnicate: "),
                ("missing path", b"load index\n", "error load index: "),
                ("1 MB without newline", b"x" * 1_000_000 + b"\n", "error line: "),
                ("binary noise", noise + b"\n", "error line: "),
                ("NUL bytes", b"list\0\n", "error line: "),
                ("escape", b"\x1b[2Jlist\n", "error line: "),
                ("not UTF-8", b"\xff\xfe\xff\n", "error ")]

    def test_on_standard_input(self):
        with Server(self.first) as server:
            for what, data, start in self.bad_lines():
                with self.subTest(what):
                    server.send(data + b"list\n")
                    self.assertTrue(server.read_reply()[-1].startswith(start))
                    self.assertEqual(server.read_reply()[-1], "ok list sites=1")
            server.send("load index /half")
            server.process.stdin.close()
            self.assertTrue(server.read_reply()[-1].startswith("error line: "))
            self.expect_page(server, b"first\n")

    def test_on_a_fifo(self):
        path = self.fifo()
        with Server(self.first, control=[path]) as server:
            for number, (what, data, start) in enumerate(self.bad_lines(), 1):
                with self.subTest(what):
                    path.write_bytes(data + b"list\n")
                    server.wait_log("ok list sites=1", number)
                    self.assertIn(start, server.log())
            path.write_bytes(b"load index /half")
            server.wait_log("error line: it ended without a newline")
            path.write_bytes(f"load index {self.second}\n".encode())
            server.wait_log("ok load index id=2")
            self.expect_page(server, b"second\n")
            # nothing else was said: one line for each command
            replies = [line for line in server.log().splitlines()
                       if re.match(r"cairn-serve: (ok|error) ", line)]
            self.assertEqual(len(replies), 2 * len(self.bad_lines()) + 2, replies)

    def test_on_a_socket(self):
        path = self.folder / "control.sock"
        with Server(self.first, control=[path]) as server:
            for what, data, start in self.bad_lines():
                with self.subTest(what), ControlSocket(path) as client:
                    client.send(data + b"list\n")
                    self.assertTrue(client.read_reply()[-1].startswith(start))
                    self.assertEqual(client.read_reply()[-1], "ok list sites=1")
            with ControlSocket(path) as client:
                client.send("list\nload index /half")
                client.socket.shutdown(socket.SHUT_WR)
                replies = client.read_to_end().decode().splitlines()
                self.assertEqual(replies[1], "ok list sites=1")
                self.assertTrue(replies[2].startswith("error line: "))
                self.assertEqual(len(replies), 3)
            self.assertEqual(server.command("list"), "ok list sites=1")

    def test_a_long_line_that_never_ends(self):
        path = self.folder / "control.sock"
        with Server(self.first, control=[path]) as server:
            with ControlSocket(path) as client:
                client.send(b"y" * 3_000_000)
                self.assertTrue(client.read_reply()[-1].startswith("error line: "))
            self.assertEqual(server.command("list"), "ok list sites=1")


class TestFifo(Control):
    def test_writers_that_come_and_go(self):
        path = self.fifo()
        with Server(self.first, control=[path]) as server:
            for number in range(1, 201):
                path.write_bytes(b"list\n" if number % 2 else b"")
            server.wait_log("ok list sites=1", 100)
            self.assertEqual(server.log().count("ok list sites=1"), 100)

    def test_two_writers_at_once(self):
        path = self.fifo()
        with Server(self.first, control=[path]) as server:
            def write(word):
                for number in range(100):
                    with open(path, "wb", buffering=0) as fifo:
                        fifo.write(f"{word}{number}\n".encode())
            writers = [threading.Thread(target=write, args=(word,)) for word in ("alpha", "beta")]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join()
            server.wait_log("unknown command", 200)
            for word in ("alpha", "beta"):
                seen = re.findall(rf"error {word}(\d+): unknown", server.log())
                self.assertEqual(seen, [str(number) for number in range(100)])

    def test_a_line_in_two_pieces(self):
        path = self.fifo()
        with Server(self.first, control=[path]) as server:
            with open(path, "wb", buffering=0) as fifo:
                fifo.write(b"lo")
                server.command("list")  # another channel's answer tells that the piece was read
                fifo.write(f"ad index {self.second}\n".encode())
                server.wait_log("ok load index id=2")
            self.expect_page(server, b"second\n")

    def test_the_packer_writes_into_it(self):
        path = self.fifo()
        with Server(self.current, control=[path]) as server:
            cairn.write_tree(self.tree, {"index.html": "third\n"})
            with open(path, "wb") as fifo:
                cairn.run("cairn-pack", "add", self.tree, self.archive, stdout=fifo)
            server.wait_log("ok load index id=2 release=3")
            self.expect_page(server, b"third\n")


class TestSocket(Control):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "control.sock"

    def test_mode_0600_and_removed_at_the_end(self):
        before = os.umask(0)
        try:
            with Server(self.first, control=[self.path]):
                mode = self.path.lstat().st_mode
                self.assertTrue(stat.S_ISSOCK(mode))
                self.assertEqual(stat.S_IMODE(mode), 0o600)
        finally:
            os.umask(before)
        self.assertFalse(self.path.exists())

    def test_a_stale_socket_is_replaced(self):
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(self.path))
        stale.listen()
        stale.close()
        self.assertTrue(self.path.exists())
        with Server(self.first, control=[self.path]), ControlSocket(self.path) as client:
            self.assertEqual(client.command("list"), "ok list sites=1")

    def test_after_a_crash_it_starts_again(self):
        server = Server(self.first, control=[self.path])
        server.kill()
        server._reader.join()
        server.process.stdin.close()
        server.process.stdout.close()
        self.assertTrue(self.path.exists())
        with Server(self.first, control=[self.path]), ControlSocket(self.path) as client:
            self.assertEqual(client.command("list"), "ok list sites=1")

    def test_after_a_crash_with_the_newest_committed_release(self):
        """Packed, but not live yet, when the server was killed."""
        server = Server(self.current, control=[self.path])
        self.expect_page(server, b"second\n")
        server.kill()
        cairn.write_tree(self.tree, {"index.html": "third\n"})
        cairn.pack(self.tree, self.archive)
        with Server(self.current, control=[self.path]) as server:
            self.expect_page(server, b"third\n")

    def test_a_live_socket_is_refused(self):
        with Server(self.first, control=[self.path]) as server:
            other = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--control", self.path,
                              self.first, expect=1)
            self.assertIn(str(self.path), other.err)
            self.assertIn("another server", other.err)
            self.assertEqual(other.out, "")
            with ControlSocket(self.path) as client:  # the first one's socket is untouched
                self.assertIn(f"pid={server.pid} ", client.command("status"))

    def test_a_file_in_its_place_is_refused(self):
        self.path.write_text("precious")
        other = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--control", self.path,
                          self.first, expect=1)
        self.assertIn(str(self.path), other.err)
        self.assertEqual(self.path.read_text(), "precious")

    def test_a_path_too_long_is_refused(self):
        path = self.folder / ("x" * 120)
        other = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--control", path, self.first,
                          expect=1)
        self.assertIn("x" * 120, other.err)

    def test_several_clients_at_once(self):
        with Server(self.first, control=[self.path]) as server:
            clients = [ControlSocket(self.path) for _ in range(40)]
            for number, client in enumerate(clients):
                client.send(f"word{number}\nlist\n")
            for number, client in enumerate(clients):
                self.assertTrue(client.read_reply()[-1].startswith(f"error word{number}:"))
                self.assertEqual(client.read_reply()[-1], "ok list sites=1")
            self.assertEqual(server.command("list"), "ok list sites=1")
            for client in clients:
                client.__exit__()

    def test_more_clients_than_places_wait_their_turn(self):
        with Server(self.first, control=[self.path]):
            clients = [ControlSocket(self.path) for _ in range(100)]
            for client in clients:
                client.send("list\n")
                client.socket.shutdown(socket.SHUT_WR)
            for client in clients:
                self.assertEqual(client.read_reply()[-1], "ok list sites=1")
                client.__exit__()

    def test_a_client_that_does_not_listen(self):
        """It asks for megabytes and reads none: the others are served all the same."""
        with Server(self.first, control=[self.path]) as server:
            deaf = ControlSocket(self.path)
            deaf.socket.setblocking(False)
            try:
                for _ in range(20_000):
                    deaf.socket.send(b"help\n" * 100)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass
            self.assertEqual(server.command("list"), "ok list sites=1")
            self.expect_page(server, b"first\n")
            deaf.__exit__()
            self.assertEqual(server.command("list"), "ok list sites=1")

    def test_replies_that_nobody_takes_are_not_made(self):
        """800 commands arrive at once and ask for megabytes: one after the other, as they are read."""
        hosts = ",".join(f"host-{number}.example.org" for number in range(500))
        with Server(self.first, control=[self.path], bin_folder=cairn.plain_bin()) as server:
            self.assertIn("ok load", server.command(f"load index {self.first} host={hosts}"))

            def peak():
                text = Path(f"/proc/{server.pid}/status").read_text()
                return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1))
            before = peak()
            with ControlSocket(self.path) as deaf:
                deaf.send("list\n" * 800)
                for _ in range(10):
                    server.command("list")
                self.assertLess(peak() - before, 2000)
                for _ in range(800):
                    rows = deaf.read_reply()
                    self.assertEqual((len(rows), rows[-1]), (3, "ok list sites=2"))
            self.assertLess(peak() - before, 2000)

    def test_clients_that_hang_give_way(self):
        """As many as there may be say nothing: another one is served after a while, and the silent
        one that came first is gone."""
        with Server(self.first, control=[self.path]):
            silent = [ControlSocket(self.path) for _ in range(64)]
            with ControlSocket(self.path) as late:
                self.assertEqual(late.command("list"), "ok list sites=1")
            self.assertEqual(silent[0].socket.recv(1), b"")
            self.assertEqual(silent[63].command("list"), "ok list sites=1")
            for client in silent:
                client.__exit__()

    def test_loads_from_everywhere_at_once(self):
        fifo = self.fifo()
        with Server(self.first, control=[self.path, fifo]) as server:
            def load(index):
                with ControlSocket(self.path) as client:
                    for _ in range(30):
                        reply = client.command(f"load index {index}")
                        if not reply.startswith("ok load index"):
                            failures.append(reply)
            failures = []
            threads = [threading.Thread(target=load, args=(index,))
                       for index in (self.first, self.second, self.first, self.second)]
            for thread in threads:
                thread.start()
            for _ in range(30):
                fifo.write_bytes(f"load index {self.first}\n".encode())
                self.assertIn(server.get("/").body, (b"first\n", b"second\n"))
                server.load(self.second)
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])
            server.wait_log("cairn-serve: ok load index", 30)


class TestCtl(Control):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "control.sock"
        self.server = Server(self.first, control=[self.path]).__enter__()
        self.addCleanup(self.server.__exit__, None)

    def ctl(self, *words, expect=0, **keywords):
        return cairn.run("cairn-ctl", "--socket", self.path, *words, expect=expect, **keywords)

    def test_ok_is_0(self):
        done = self.ctl("load", "index", self.second)
        self.assertRegex(done.out, r"^ok load index id=2 release=2 .*\n$")
        self.assertEqual(done.err, "")
        self.expect_page(self.server, b"second\n")
        self.assertEqual(len(self.ctl("list").out.splitlines()), 3)
        self.assertIn("ok help", self.ctl("help").out)

    def test_error_is_1(self):
        done = self.ctl("load", "index", "/no/such.idx", expect=1)
        self.assertEqual(done.out, "")
        self.assertRegex(done.err, r"^error load index: /no/such\.idx: .*\n$")
        self.ctl("frobnicate", expect=1)

    def test_no_server_is_1(self):
        done = cairn.run("cairn-ctl", "--socket", self.folder / "none.sock", "list", expect=1)
        self.assertIn("none.sock", done.err)

    def test_usage_is_2(self):
        environment = {"CAIRN_CONTROL": ""}
        cairn.run("cairn-ctl", "list", expect=2, env=environment)
        cairn.run("cairn-ctl", "--nonsense", expect=2, env=environment)
        cairn.run("cairn-ctl", "--socket", expect=2, env=environment)

    def test_help_and_version(self):
        self.assertIn("usage:", cairn.run("cairn-ctl", "--help").out)
        self.assertRegex(cairn.run("cairn-ctl", "--version").out, r"^cairn-ctl \d+\.\d+\.\d+\n")

    def test_socket_from_the_environment(self):
        done = cairn.run("cairn-ctl", "list", env={"CAIRN_CONTROL": str(self.path)})
        self.assertIn("ok list sites=1", done.out)

    def test_commands_from_standard_input(self):
        done = self.ctl(input=f"list\n\n \nload index {self.second}\nlist".encode())
        lines = [line for line in done.out.splitlines() if line.startswith("ok ")]
        self.assertEqual([line.split()[1] for line in lines], ["list", "load", "list"])
        done = self.ctl(input=b"nonsense\nlist\n", expect=1)
        self.assertIn("ok list", done.out)
        self.assertIn("error nonsense", done.err)
        self.ctl(input=b"")

    def test_relative_path(self):
        folder = self.folder / "sub"
        folder.mkdir()
        self.ctl("load", "index", "../" + self.second.name, cwd=folder)
        self.expect_page(self.server, b"second\n")
        self.ctl("load", "index", "site.000001.idx", cwd=self.folder)
        self.expect_page(self.server, b"first\n")

    def test_path_with_spaces(self):
        folder = self.folder / "a folder"
        folder.mkdir()
        index = cairn.pack(self.tree, folder / "the site.cairn")
        self.ctl("load", "index", index)
        self.ctl("load", "index", self.first)
        self.ctl("load", "index", index.name, cwd=folder)
        self.expect_page(self.server, b"second\n")

    def test_behind_the_packer(self):
        cairn.write_tree(self.tree, {"index.html": "third\n"})
        with subprocess.Popen([cairn.BIN / "cairn-pack", "add", self.tree, self.archive],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packer:
            self.ctl(stdin=packer.stdout)
        self.expect_page(self.server, b"third\n")

    def test_quit(self):
        self.assertEqual(self.ctl("quit").out, "ok quit\n")
        self.server.wait()

    def test_server_that_ends_without_a_reply(self):
        path = self.folder / "rude.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()

        def hang_up():
            client, _ = listener.accept()
            client.recv(100)
            client.close()
        thread = threading.Thread(target=hang_up)
        thread.start()
        done = cairn.run("cairn-ctl", "--socket", path, "list", expect=1)
        thread.join()
        listener.close()
        self.assertIn("cairn-ctl:", done.err)


class TestStart(Control):
    def expect_failure(self, *arguments, code, says, env=None):
        done = cairn.run("cairn-serve", *arguments, expect=code, env=env)
        self.assertEqual(done.out, "")
        self.assertIn(says, done.err)
        self.assertTrue(done.err.startswith("cairn-serve: ") or code == 2, done.err)

    def test_no_index_serves_503_until_one_is_loaded(self):
        with Server() as server:
            answer = server.get("/")
            self.assertEqual(answer.status, 503)
            self.assertEqual(answer["Retry-After"], "1")
            self.assertEqual(server.command("list"), "ok list sites=0")
            server.load(self.first)
            self.expect_page(server, b"first\n")

    def test_the_pipe_from_the_packer(self):
        packer = subprocess.Popen([cairn.BIN / "cairn-pack", "add", self.tree, self.archive],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with Server(stdin=packer.stdout) as server:
            packer.stdout.close()
            self.assertEqual(packer.wait(), 0)
            self.assertRegex(server.read_reply()[-1], r"^ok load index id=1 release=3 ")
            self.expect_page(server, b"second\n")  # standard input has ended: it serves on

    def test_end_of_standard_input(self):
        with Server(self.first) as server:
            server.process.stdin.close()
            for _ in range(20):
                self.expect_page(server, b"first\n")
        with Server(self.first, stdin=subprocess.DEVNULL) as server:
            self.expect_page(server, b"first\n")

    def test_several_indexes_the_last_on_top(self):
        with Server(self.second, self.first) as server:
            self.expect_page(server, b"first\n")
            self.assertEqual(server.command("list"), "ok list sites=2")

    def test_the_link_and_relative_paths(self):
        with Server(self.current) as server:
            self.expect_page(server, b"second\n")
            server.send("list\n")
            self.assertIn(f"index={self.second.resolve()}", server.read_reply()[0])

    def test_two_listeners(self):
        with Server(self.first, listen=("127.0.0.1:0", "127.0.0.1:0")) as server:
            self.assertEqual(len(set(server.ports)), 2)
            for port in server.ports:
                with cairn.Client(("127.0.0.1", port)) as client:
                    self.assertEqual(client.get("/").body, b"first\n")

    def has_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            return False
        return True

    def test_ipv6(self):
        if not self.has_ipv6():
            self.skipTest("this machine has no ::1")
        with Server(self.first, listen=("[::1]:0", "127.0.0.1:0")) as server:
            self.assertRegex(server.urls[0], r"^http://\[::1\]:\d+/$")
            with cairn.Client(("::1", server.ports[0])) as client:
                self.assertEqual(client.get("/").body, b"first\n")

    def test_all_addresses(self):
        with Server(self.first, listen=(":0",)) as server:
            self.expect_page(server, b"first\n")
            if self.has_ipv6():
                with cairn.Client(("::1", server.ports[0])) as client:
                    self.assertEqual(client.get("/").body, b"first\n")

    def test_port_in_use(self):
        with Server(self.first) as server:
            address = f"127.0.0.1:{server.ports[0]}"
            self.expect_failure("--listen", address, self.first, code=1, says=address)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.expect_failure("--listen", "127.0.0.1:0", "--listen", address, self.first, code=1,
                                says=address)

    def test_restart_on_the_same_port_at_once(self):
        """Connections of the first that are still in TIME_WAIT do not keep the second out."""
        with Server(self.first) as server:
            clients = [server.client() for _ in range(20)]
            for client in clients:
                client.get("/")
            address = f"127.0.0.1:{server.ports[0]}"
        with Server(self.first, listen=(address,)) as server:
            self.expect_page(server, b"first\n")
        for client in clients:
            client.close()

    def test_an_index_that_cannot_be_loaded(self):
        missing = str(self.folder / "missing.idx")
        self.expect_failure("--listen", "127.0.0.1:0", missing, code=1, says=missing)
        self.expect_failure("--listen", "127.0.0.1:0", self.first, missing, code=1, says=missing)

    def test_environment(self):
        sock = self.folder / "from-environment.sock"
        environment = {"CAIRN_LISTEN": "127.0.0.1:0,127.0.0.1:0", "CAIRN_CONTROL": str(sock),
                       "CAIRN_WORKERS": "3", "PORT": "1"}
        with Server(self.first, listen=(), workers=None, env=environment) as server:
            self.assertEqual(len(server.ports), 2)
            with ControlSocket(sock) as client:
                self.assertIn(" workers=3 ", client.command("status"))
        with Server(self.first, workers=1, env=environment) as server:  # flags beat variables
            self.assertEqual(len(server.ports), 1)
            self.assertIn(" workers=1 ", server.command("status"))

    def test_port_variable(self):
        with Server(self.first, listen=(), env={"PORT": "0", "CAIRN_LISTEN": ""}) as server:
            self.assertNotEqual(server.ports[0], 0)
            self.expect_page(server, b"first\n")

    def test_usage_is_2(self):
        for arguments in (("--nonsense",), ("--listen",), ("--listen", "nowhere"),
                          ("--listen", "127.0.0.1:99999"), ("--listen", "127.0.0.1:"),
                          ("--listen", "::1:80"), ("--workers", "0"), ("--workers", "x"),
                          ("--workers", "1000000"), ("--workers", ""), ("--retain", "0"),
                          ("--control", "")):
            with self.subTest(arguments):
                self.expect_failure(*arguments, code=2, says="cairn-serve: ")
        for name, value in (("CAIRN_LISTEN", "x"), ("CAIRN_WORKERS", "many"), ("PORT", "x"),
                            ("CAIRN_RETAIN", "-1")):
            with self.subTest(name):
                self.expect_failure(code=2, says=value, env={"CAIRN_LISTEN": "", name: value})

    def test_help_and_version(self):
        done = cairn.run("cairn-serve", "--help", "all")
        for flag in ("--listen", "--control", "--workers", "CAIRN_LISTEN"):
            self.assertIn(flag, done.out)
        self.assertRegex(cairn.run("cairn-serve", "--version").out,
                         r"^cairn-serve \d+\.\d+\.\d+\n")

    def test_closed_standard_descriptors(self):
        """Whoever closes 0, 1 or 2 before exec must not find a socket or an archive there."""
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                sock = self.folder / "closed.sock"
                before = self.archive.read_bytes()
                process = subprocess.Popen(
                    ["sh", "-c", f'exec "$0" --listen 127.0.0.1:0 --control "$1" --workers 2 "$2" '
                     f"{closed}", cairn.BIN / "cairn-serve", sock, self.first],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                try:
                    cairn.wait_until(lambda: accepts(sock) or process.poll() is not None,
                                     "the control socket")
                    self.assertIsNone(process.poll(), "it ended at once")
                    with ControlSocket(sock) as client:
                        reply = client.command(f"load index {self.second}")
                        self.assertTrue(reply.startswith("ok load index id=2 "), reply)
                        self.assertEqual(client.command("list"), "ok list sites=2")
                        self.assertTrue(client.command("nonsense").startswith("error nonsense"))
                        self.assertEqual(client.command("quit"), "ok quit")
                    self.assertEqual(process.wait(cairn.PATIENCE_S), 0)
                    self.assertEqual(self.archive.read_bytes(), before)
                finally:
                    if process.poll() is None:
                        process.kill()
                    _, errors = process.communicate()
                    cairn.check_no_report(errors, "cairn-serve")

    def test_replies_nobody_can_read(self):
        """Standard output is a closed pipe: the server goes on."""
        sock = self.folder / "control.sock"
        read_end, write_end = os.pipe()
        with subprocess.Popen([cairn.BIN / "cairn-serve", "--listen", "127.0.0.1:0", "--control",
                               sock, self.first], stdin=subprocess.PIPE, stdout=write_end,
                              stderr=subprocess.PIPE) as process:
            os.close(write_end)
            self.assertTrue(os.read(read_end, 1000).startswith(b"ready http://"))
            os.close(read_end)
            process.stdin.write(b"list\nlist\n" + f"load index {self.second}\n".encode())
            process.stdin.flush()
            with ControlSocket(sock) as client:
                cairn.wait_until(lambda: client.command("list") == "ok list sites=2", "the load")
                client.command("quit")
            self.assertEqual(process.wait(cairn.PATIENCE_S), 0)
            cairn.check_no_report(process.stderr.read(), "cairn-serve")


class TestSignals(Control):
    def test_hup_loads_the_indexes_again(self):
        with Server(self.current) as server:
            self.expect_page(server, b"second\n")
            cairn.write_tree(self.tree, {"index.html": "third\n"})
            cairn.pack(self.tree, self.archive)
            self.expect_page(server, b"second\n")
            server.signal(signal.SIGHUP)
            server.wait_log("release=3")
            self.expect_page(server, b"third\n")
            server.signal(signal.SIGHUP)
            server.wait_log("unchanged=1")

    def test_hup_with_a_bad_index_keeps_the_old(self):
        with Server(self.current) as server:
            self.current.unlink()
            server.signal(signal.SIGHUP)
            server.wait_log("error load index: ")
            self.expect_page(server, b"second\n")

    def test_hup_makes_all_live_at_once(self):
        """Loaded one after the other, the first would answer for a moment in the second's place."""
        bodies = set()
        is_over = threading.Event()

        def ask(server):
            with server.client() as client:
                while not is_over.is_set():
                    bodies.add(client.get("/").body)

        with Server(self.first, self.second) as server:
            threads = [threading.Thread(target=ask, args=(server,)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for number in range(1, 21):
                server.signal(signal.SIGHUP)
                server.wait_log("ok load index id=", 2 * number)
            is_over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(bodies, {b"second\n"})

    def test_hup_makes_nothing_live_if_one_is_refused(self):
        other = self.pack_tree({"index.html": "other\n"}, name="other")
        whole = other.read_bytes()
        with Server(self.current, other, "host=b.example") as server:
            cairn.write_tree(self.tree, {"index.html": "third\n"})
            cairn.pack(self.tree, self.archive)
            other.unlink()
            other.write_text("no index")
            server.signal(signal.SIGHUP)
            server.wait_log("error load index", 2)
            self.assertIn("not made live, because another one was refused", server.log())
            self.assertIn(f"error load index: {other}: ", server.log())
            self.expect_page(server, b"second\n")
            other.write_bytes(whole)
            server.signal(signal.SIGHUP)
            server.wait_log("ok load index", 2)
            self.expect_page(server, b"third\n")

    def test_idle_connections_do_not_hold_up_the_end(self):
        with Server(self.first) as server:
            clients = [server.client() for _ in range(20)]
            for client in clients[:10]:
                client.get("/")
            server.signal(signal.SIGTERM)
            server.wait()
            for client in clients:
                self.assertTrue(client.is_closed())
                client.close()

    def slow_server(self, **keywords):
        index = self.pack_tree({"big": BIG, "index.html": "x"}, "slow")
        return Server(index, **keywords)

    def begin_download(self, server):
        client = server.client(receive_buffer=65536)
        client.send(request("/big"))
        head = client.socket.recv(1000)
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"))
        return client, head

    def finish_download(self, client, head):
        data = head + client.read_to_end()
        client.close()
        self.assertEqual(data.partition(b"\r\n\r\n")[2], BIG)

    def test_term_lets_a_download_finish(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), self.slow_server() as server:
                downloads = [self.begin_download(server) for _ in range(3)]
                server.signal(number)

                def refused():
                    try:
                        server.client().close()
                    except (ConnectionRefusedError, ConnectionResetError):
                        return True
                    return False
                cairn.wait_until(refused, "nobody new is let in")
                self.assertIsNone(server.process.poll())
                for client, head in downloads:
                    self.finish_download(client, head)
                server.wait()

    def test_quit_lets_a_download_finish(self):
        with self.slow_server() as server:
            client, head = self.begin_download(server)
            self.assertEqual(server.command("quit"), "ok quit")
            self.finish_download(client, head)
            server.wait()

    def test_a_second_term_ends_at_once(self):
        with self.slow_server(options=("--drain", "10m")) as server:
            client, _ = self.begin_download(server)
            server.signal(signal.SIGTERM)
            cairn.wait_until(lambda: not server.accepts(), "nobody new is let in")
            server.signal(signal.SIGTERM)
            server.wait()  # for a minute, no ten
            client.close()

    def test_a_release_that_fell_off_still_finishes_its_download(self):
        index = self.pack_tree({"big": BIG, "index.html": "x"}, "slow")
        with Server(index, options=("--retain", "1")) as server:
            client = server.client(receive_buffer=65536)
            client.send(request("/big", fields="Connection: close\r\n"))
            head = client.socket.recv(1000)
            for _ in range(5):
                server.load(self.first)
                server.load(self.second)
            index.unlink()
            self.assertEqual(server.command("list"), "ok list sites=1")
            self.finish_download(client, head)


class TestManyReloads(Control):
    def test_mappings_and_descriptors_stay_flat(self):
        sock = self.folder / "control.sock"

        def counts():
            maps = Path(f"/proc/{server.pid}/maps").read_text().splitlines()
            ours = [line for line in maps if str(self.folder.resolve()) in line]
            return len(ours), len(os.listdir(f"/proc/{server.pid}/fd")), len(maps)

        with Server(self.first, control=[sock], options=("--retain", "4")) as server:
            client = server.client()
            for _ in range(3):
                server.load(self.second)
                server.load(self.first)
                client.get("/")
            before = counts()
            for number in range(100):
                server.load(self.second)
                self.assertEqual(client.get("/").body, b"second\n")
                server.load(self.first)
                self.assertEqual(client.get("/").body, b"first\n")
                if number % 10 == 0:
                    self.assertTrue(server.command("load index /none").startswith("error "))
            cairn.wait_until(lambda: all(now <= then for now, then in zip(counts()[:2], before[:2])),
                             "old releases are let go")
            after = counts()
            if not re.search("lib[at]san", Path(f"/proc/{server.pid}/maps").read_text()):
                self.assertLessEqual(after[2], before[2] + 4)
            client.close()

    def test_new_releases_of_a_growing_archive(self):
        """Forty releases, four kept: their mappings and descriptors, not forty."""
        with Server(self.first, options=("--retain", "4")) as server:
            for number in range(40):
                cairn.write_tree(self.tree, {"index.html": f"release {number}\n",
                                             "data": cairn.noise(10_000, number)})
                server.load(cairn.pack(self.tree, self.archive))
                self.assertEqual(server.get("/").body, f"release {number}\n".encode())

            def files():
                maps = Path(f"/proc/{server.pid}/maps").read_text()
                return (maps.count(".idx"), maps.count("site.cairn"),
                        len([fd for fd in os.listdir(f"/proc/{server.pid}/fd")
                             if self.link(server, fd).endswith("site.cairn")]))
            cairn.wait_until(lambda: files() == (4, 1, 1), lambda: files())

    def link(self, server, fd):
        try:
            return os.readlink(f"/proc/{server.pid}/fd/{fd}")
        except OSError:
            return ""


if __name__ == "__main__":
    unittest.main(verbosity=2)

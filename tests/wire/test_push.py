"""Answers for programs: JSON rows, exit codes, time limits, and a pack that pushes itself."""
import json
import os
import socket
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server


class Push(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.index = self.pack_tree({"index.html": "first\n"})
        self.socket = self.folder / "control.sock"

    def ctl(self, *words, expect=0, **keywords):
        return cairn.run("cairn-ctl", "--socket", self.socket, *words, expect=expect, **keywords)


class TestJson(Push):
    def test_rows_are_objects(self):
        odd = self.folder / 'odd "name".idx'
        odd.write_bytes(self.index.read_bytes())
        os.symlink(self.folder / "site.cairn", self.folder / 'odd "name".cairn')
        with Server(self.index, odd, "host=a.example,*.b.example", "at=/x",
                    control=[self.socket]) as server:
            lines = self.ctl("list", "--json").out.splitlines()
            self.assertEqual(lines[-1], "ok list sites=2")
            top, below = [json.loads(line) for line in lines[:-1]]
            self.assertEqual((top["id"], top["hosts"], top["at"]),
                             (2, ["a.example", "*.b.example"], "/x"))
            self.assertEqual(top["index"], str(odd))
            self.assertEqual((below["hosts"], below["at"], below["state"], below["kind"]),
                             (["*"], "/", "live", "snapshot"))
            self.assertEqual(below["archive"], str(self.folder / "site.cairn"))
            server.get("/")
            row, last = self.ctl("status", "--json").out.splitlines()
            self.assertEqual(json.loads(row)["sites"], 2)
            self.assertEqual(json.loads(row)["pid"], server.pid)
            self.assertEqual(last, f"ok status version={json.loads(row)['version']}")
            self.assertEqual(self.ctl("list", "--yaml", expect=1).err,
                             "error list: it takes --json or nothing\n")


class TestCtl(Push):
    def test_a_server_that_does_not_answer(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket))
            listener.listen()
            done = self.ctl("--timeout", "0.2", "status", expect=1)
            self.assertIn("no reply within 0.2 s", done.err)
        for seconds in ("x", "-1", "", "1s", "1e9"):
            self.assertIn("--timeout", self.ctl("--timeout", seconds, "status", expect=2).err)

    def test_nobody_there(self):
        self.assertIn("No such file", self.ctl("status", expect=1).err)
        self.socket.write_text("")
        self.assertIn(str(self.socket), self.ctl("status", expect=1).err)
        done = cairn.run("cairn-ctl", "--socket", "/" + "x" * 200, "status", expect=1)
        self.assertIn("too long", done.err)

    def test_a_server_that_goes_away(self):
        with Server(self.index, control=[self.socket]):
            done = self.ctl(input=b"status\nquit\nstatus\nstatus\n", expect=None)
            self.assertTrue(done.out.startswith("ok status "))
            self.assertIn("ok quit", done.out)


class TestPush(Push):
    def push(self, text, expect=0, **keywords):
        tree = cairn.write_tree(self.folder / "site-tree", {"index.html": text})
        return cairn.run("cairn-pack", "add", "--push", self.socket, tree, self.folder / "site.cairn",
                         expect=expect, **keywords)

    def test_live_when_it_returns(self):
        with Server(self.index, control=[self.socket]) as server:
            for number in range(5):
                done = self.push(f"push {number}\n")
                self.assertEqual(server.get("/").body, f"push {number}\n".encode())
                self.assertIn(f"cairn-pack: ok load index id={number + 2} release={number + 2} ", done.err)
                self.assertRegex(done.out, r"^load index /.*\.idx\n$")

    def test_refused_or_nobody_there(self):
        done = self.push("nobody\n", expect=1)
        self.assertIn("No such file", done.err)
        self.assertRegex(done.out, r"^load index /.*000002\.idx\n$")  # it is packed
        other = self.pack_tree({"index.html": "other\n"}, name="other")
        with Server(other, control=[self.socket]) as server:
            listener = socket.socket(socket.AF_UNIX)
            self.addCleanup(listener.close)
            refusing = self.folder / "refusing.sock"
            listener.bind(str(refusing))
            listener.listen()

            def refuse():
                client, _ = listener.accept()
                with client:
                    client.recv(65536)
                    client.sendall(b"error load index: not today\n")
            thread = threading.Thread(target=refuse)
            thread.start()
            done = cairn.run("cairn-pack", "add", "--push", refusing, self.folder / "site-tree",
                             self.folder / "third.cairn", expect=1)
            thread.join()
            self.assertIn("the server did not take it: error load index: not today", done.err)
            self.assertEqual(server.get("/").body, b"other\n")

    def test_where_the_archive_answers(self):
        with Server(self.index, "host=a.example", control=[self.socket]) as server:
            self.push("pushed\n")
            with server.client() as client:
                client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
                self.assertEqual(client.read().body, b"pushed\n")
            self.assertEqual(server.get("/").status, 421)


class TestCredentials(Push):
    @unittest.skipIf(os.geteuid() != 0, "only root can become another user")
    def test_other_users_may_not_command(self):
        """Also where somebody opened the socket to them."""
        with Server(self.index, control=[self.socket]) as server:
            self.folder.chmod(0o755)
            self.socket.chmod(0o666)
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.setresuid(65534, 65534, 65534)
                    with socket.socket(socket.AF_UNIX) as client:
                        client.settimeout(20)
                        client.connect(str(self.socket))
                        try:
                            client.sendall(b"quit\n")
                        except OSError:
                            pass
                        os.write(writer, client.recv(4096))
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            reply = os.read(reader, 4096).decode()
            os.close(reader)
            os.close(writer)
            self.assertEqual(reply, "error connection: commands are for user 0 and root, "
                                    "not for user 65534\n")
            self.assertEqual(server.get("/").body, b"first\n")
            self.assertTrue(self.ctl("status").out.startswith("ok status "))


if __name__ == "__main__":
    unittest.main()

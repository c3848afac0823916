"""USR2 starts the program anew, hands it the sockets and the releases, and goes when it serves; and
what a service manager gives and is told."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, request, wait_until


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class Handover(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.tree = cairn.write_tree(self.folder / "tree", {
            "index.html": "first\n", "big.bin": cairn.noise(4_000_000, "handover"),
            "assets/index-4f9a8b2c.js": "chunk of 1\n", "assets/vendor-9c8b7a6d.js": "x\n"})
        self.first = cairn.pack(self.tree, self.folder / "site.cairn")
        self.socket = self.folder / "control.sock"

    def next_release(self, text):
        (self.tree / "index.html").write_text(text)
        return cairn.pack(self.tree, self.folder / "site.cairn")

    def serve(self, *words, **keywords):
        server = Server(*words, control=[self.socket], **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        return server

    def ctl(self, *words, expect=0):
        return cairn.run("cairn-ctl", "--socket", self.socket, "--timeout", "30", *words,
                         expect=expect).out

    def hand_over(self, server):
        """USR2, and the successor's process id, which is ended with the test."""
        before = len(self.successors(server))
        server.signal(signal.SIGUSR2)
        return self.await_successor(server, before + 1)

    def successors(self, server):
        return [int(pid) for pid in re.findall(r"handed over to process (\d+)", server.log())]

    def await_successor(self, server, count):
        """The process that the handover of this number led to; it is ended with the test."""
        wait_until(lambda: len(self.successors(server)) >= count, f"{count} handovers")
        pid = self.successors(server)[count - 1]

        def end():
            with contextlib.suppress(ProcessLookupError):
                if is_running(pid):
                    os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not is_running(pid), "the successor ends")
        self.addCleanup(end)
        return pid

    def get(self, server, target="/"):
        with server.client() as client:
            return client.get(target)


class TestUsr2(Handover):
    def test_nobody_notices(self):
        """Under load: no request fails; connections that are open are served to their end."""
        server = self.serve(self.first, workers=2)
        stop = threading.Event()
        failures = []
        served = [0]

        def ask():
            client, answered_s = None, time.monotonic()
            while not stop.is_set():
                rested_s = time.monotonic() - answered_s
                try:
                    client = client or server.client()
                    answer = client.get("/")
                    answered_s = time.monotonic()
                    if answer.body != b"first\n":
                        failures.append(answer.body)
                    served[0] += 1
                    if answer["Connection"] == "close":
                        client.close()
                        client = None
                except (EOFError, OSError) as error:
                    if client is not None and rested_s > 0.5:
                        client.close()  # it was idle for so long that its end is no failure
                        client = None
                        continue
                    failures.append(error)
                    return
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        pid = server.pid
        with server.client(receive_buffer=4096) as slow:
            slow.send(request("/big.bin"))
            slow.socket.recv(1000, socket.MSG_PEEK)
            successor = self.hand_over(server)
            self.assertTrue(is_running(pid), "it waits for the download")
            self.assertEqual(slow.read().body, cairn.noise(4_000_000, "handover"))
        server.process.wait(60)
        count = served[0]
        wait_until(lambda: served[0] > count + 200, "the successor serves")
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertIn(f"pid={successor} ", self.ctl("status"))

    def test_again_and_again(self):
        server = self.serve(self.first)
        pids = [self.hand_over(server)]
        for _ in range(3):
            os.kill(pids[-1], signal.SIGUSR2)
            pids.append(self.await_successor(server, len(pids) + 1))
            self.assertEqual(self.get(server).body, b"first\n")
        wait_until(lambda: f"pid={pids[-1]} " in self.ctl("status"), "the last one answers")

    def test_releases_as_they_were(self):
        """Also what is not on the command line: pushed, taken back, mounted aside."""
        other = self.pack_tree({"index.html": "other\n"}, name="other one")
        server = self.serve(self.first, other, "host=b.example,*.c.example", "at=/x y")
        second = self.next_release("second\n")
        os.unlink(self.tree / "assets" / "index-4f9a8b2c.js")
        third = self.next_release("third\n")
        server.load(second)
        server.load(third)
        server.load(f"{second} host=preview.example")
        server.command("rollback")
        self.assertEqual(self.get(server).body, b"second\n")
        before = [re.sub(r" (id|loaded)=\S+", "", row) for row in self.ctl("list").splitlines()]
        self.hand_over(server)
        server.process.wait(60)
        after = [re.sub(r" (id|loaded)=\S+", "", row) for row in self.ctl("list").splitlines()]
        self.assertEqual(after, before)
        self.assertEqual(self.get(server).body, b"second\n")
        self.assertEqual(self.get(server, "/assets/index-4f9a8b2c.js").body, b"chunk of 1\n")
        # and goes on: a release without words goes to the site, not to the preview
        self.ctl("load", "index", str(self.next_release("fourth\n")))
        self.assertEqual(self.get(server).body, b"fourth\n")

    def handed_releases(self, server):
        self.hand_over(server)
        server.process.wait(60)
        return [int(re.search(r" release=(\d+)", row).group(1))
                for row in self.ctl("list").splitlines()[:-1]]

    def overwrite(self, index):
        with open(index, "r+b") as file:
            file.write(bytes(index.stat().st_size))

    def test_a_damaged_release_that_answers_nothing(self):
        """It is left behind, whether it is below another one or taken back."""
        server = self.serve(self.first)
        server.load(self.next_release("second\n"))
        third = self.next_release("third\n")
        server.load(third)
        server.command("rollback")
        self.overwrite(self.first)
        self.overwrite(third)
        self.assertEqual(self.handed_releases(server), [2])
        self.assertEqual(self.get(server).body, b"second\n")

    def test_overlays_above_a_damaged_release(self):
        """They are left behind with it where a whole release is above them, so that nobody goes back
        to a part of a site."""
        server = self.serve(self.first)
        for number in (2, 3):
            (self.tree / f"{number}.html").write_text("over\n")
            server.load(cairn.pack(self.tree, self.folder / "site.cairn", "--overlay"))
        server.load(self.next_release("fourth\n"))
        self.overwrite(self.first)
        self.assertEqual(self.handed_releases(server), [4])
        self.assertEqual(self.get(server).body, b"fourth\n")

    def test_a_damaged_release_that_should_answer(self):
        """The process that answers 503 goes on, until it can be loaded."""
        server = self.serve(self.first)
        second = self.next_release("second\n")
        server.load(second)
        kept = second.read_bytes()
        self.overwrite(second)
        server.signal(signal.SIGUSR2)
        server.wait_log("did not come up")
        self.assertEqual(self.get(server).status, 503)
        with open(second, "r+b") as file:
            file.write(kept)
        self.assertEqual(self.handed_releases(server), [2, 1])
        self.assertEqual(self.get(server).body, b"second\n")

    def test_commands_that_arrive_meanwhile_wait(self):
        server = self.serve(self.first)
        second = self.next_release("second\n")
        server.signal(signal.SIGUSR2)
        out = self.ctl("load", "index", str(second))  # by whichever process
        self.assertTrue(out.startswith("ok load index "), out)
        self.await_successor(server, 1)
        server.process.wait(60)
        self.assertEqual(self.get(server).body, b"second\n")

    def control_client(self):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(cairn.PATIENCE_S)
        client.connect(str(self.socket))
        return client, client.makefile("rb")

    def test_clients_of_the_control_socket_go_along(self):
        server = self.serve(self.first)
        client, replies = self.control_client()
        client.sendall(b"status\n")
        self.assertIn(f" pid={server.pid} ".encode(), replies.readline())
        pid = self.hand_over(server)
        client.sendall(b"status\n")
        self.assertIn(f" pid={pid} ".encode(), replies.readline())

    def test_half_a_command_is_answered(self):
        server = self.serve(self.first)
        client, replies = self.control_client()
        client.sendall(b"status\nlist")
        self.assertIn(f" pid={server.pid} ".encode(), replies.readline())
        self.hand_over(server)
        self.assertTrue(replies.readline().startswith(b"error not carried out: "))
        self.assertEqual(replies.readline(), b"")

    def test_the_access_log(self):
        """The successor goes on with the file, and opens it anew too."""
        log = self.folder / "access.log"
        old = log.with_name("old")
        server = self.serve(self.first, options=["--access-log", log])
        self.get(server, "/?before")
        self.hand_over(server)
        server.process.wait(cairn.PATIENCE_S)  # until then it may take a new connection itself
        self.get(server, "/?after")
        wait_until(lambda: "/?before" in log.read_text() and "/?after" in log.read_text(), "both")
        log.rename(old)
        self.assertEqual(self.ctl("reopen", "logs"), "ok reopen logs files=1\n")
        self.get(server, "/?new")
        wait_until(lambda: "/?new" in log.read_text(), "the new file is in use")
        self.assertEqual((log.read_text() + old.read_text()).count("\n"), 3)

    def test_metrics_begin_anew(self):
        """On the same address. What /proc tells is closed to a process that begins in a sandbox."""
        server = self.serve(self.first, options=["--admin", "127.0.0.1:0"])
        log = server.wait_log("cairn-serve: admin ")
        address = ("127.0.0.1", int(re.search(r"admin http://127.0.0.1:(\d+)/", log)[1]))

        def answered():
            with cairn.Client(address) as client:
                client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                text = client.read().body.decode()
            self.assertIn("\nprocess_max_fds ", text)
            return int(re.search(r'requests_total{host="\*",status="2xx"} (\d+)', text)[1])

        for _ in range(3):
            self.assertEqual(self.get(server).status, 200)
        wait_until(lambda: answered() == 3, "three are counted")
        self.hand_over(server)
        server.process.wait(cairn.PATIENCE_S)  # until then it may take a new connection itself
        wait_until(lambda: answered() == 0, "the successor has answered nothing yet")
        self.assertEqual(self.get(server).status, 200)
        wait_until(lambda: answered() == 1, "one is counted")

    def test_unix_sockets_keep_their_names(self):
        http = self.folder / "http.sock"
        server = self.serve(self.first, listen=["127.0.0.1:0", f"unix:{http}"])
        pid = self.hand_over(server)
        server.process.wait(60)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(http))
            client.sendall(request("/"))
            self.assertIn(b"first\n", client.recv(65536))
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_running(pid), "it ends")
        self.assertFalse(http.exists())
        self.assertFalse(self.socket.exists())

    def test_a_successor_that_fails(self):
        """The program on the disk is broken: this one goes on as if nothing had been."""
        copy = self.folder / "bin"
        copy.mkdir()
        shutil.copy2(cairn.BIN / "cairn-serve", copy / "cairn-serve")
        server = self.serve(self.first, bin_folder=copy)
        for content in (b"#!/bin/sh\nexit 3\n", b"not a program\n"):
            os.unlink(copy / "cairn-serve")
            (copy / "cairn-serve").write_bytes(content)
            (copy / "cairn-serve").chmod(0o755)
            count = server.log().count("did not come up")
            server.signal(signal.SIGUSR2)
            server.wait_log("did not come up", count + 1)
            self.assertEqual(self.get(server).body, b"first\n")
            self.assertTrue(self.ctl("status").startswith("ok status "))
        os.unlink(copy / "cairn-serve")
        shutil.copy2(cairn.BIN / "cairn-serve", copy / "cairn-serve")
        self.hand_over(server)
        self.assertEqual(self.get(server).body, b"first\n")

    def test_a_successor_that_fails_leaves_the_names(self):
        """It had the sockets already when it found that an index is gone: it removed their names."""
        http = self.folder / "http.sock"
        server = self.serve(self.first, listen=["127.0.0.1:0", f"unix:{http}"])
        aside = self.first.rename(self.first.with_suffix(".aside"))
        server.signal(signal.SIGUSR2)
        server.wait_log("did not come up")
        aside.rename(self.first)
        for path in (http, self.socket):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
        self.hand_over(server)

    def test_descriptors_do_not_pile_up(self):
        server = self.serve(self.first, workers=2)
        counts = []
        pid = self.hand_over(server)
        for number in range(4):
            wait_until(lambda: f"pid={pid} " in self.ctl("status"), "it answers")
            counts.append(len(os.listdir(f"/proc/{pid}/fd")))
            os.kill(pid, signal.SIGUSR2)
            pid = self.await_successor(server, number + 2)
        self.assertLessEqual(max(counts) - min(counts), 2, counts)


class TestServiceManager(Handover):
    def start(self, listeners, *words, notify=None):
        """A cairn-serve with sockets from descriptor 3 on, as sd_listen_fds(3) has it."""
        code = ("import os, sys\n"
                "os.environ['LISTEN_PID'] = str(os.getpid())\n"
                "os.execv(sys.argv[1], sys.argv[1:])\n")
        env = {**os.environ, "LISTEN_FDS": str(len(listeners))}
        if notify is not None:
            env["NOTIFY_SOCKET"] = str(notify)
        holders = [listener.fileno() for listener in listeners]

        def place():
            for number, fd in enumerate(holders):
                os.dup2(fd, 100 + number)
            for number in range(len(holders)):
                os.dup2(100 + number, 3 + number)
                os.set_inheritable(3 + number, True)
        process = subprocess.Popen(
            [sys.executable, "-c", code, cairn.BIN / "cairn-serve", *map(str, words)], env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            close_fds=False, preexec_fn=place)

        def end():
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=60)
        self.addCleanup(end)
        return process

    def test_what_is_no_use_is_refused(self):
        """The same by --check, which looks at the sockets and leaves them as they are."""
        with socket.socket() as outer, socket.socket() as idle:
            outer.bind(("0.0.0.0", 0))
            outer.listen()
            idle.bind(("127.0.0.1", 0))
            for listener, words, said in ((outer, ["--live-reload"], "--live-reload-anywhere"),
                                          (idle, [], "does not listen")):
                for check in ([], ["--check"]):
                    with self.subTest(said, check=check):
                        process = self.start([listener], *check, *words, self.first)
                        out, err = process.communicate(timeout=cairn.PATIENCE_S)
                        self.assertEqual(process.returncode, 1, (out, err))
                        self.assertIn(said, err.decode())
            process = self.start([outer], "--check", self.first)
            self.assertIn(b"It would start.", process.communicate(timeout=cairn.PATIENCE_S)[0])

    def test_socket_activation(self):
        with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
            tcp.bind(("127.0.0.1", 0))
            tcp.listen(100)
            path = self.folder / "activated.sock"
            unix.bind(str(path))
            unix.listen(100)
            # a client that came before the server
            early = cairn.Client(tcp.getsockname())
            self.addCleanup(early.close)
            early.send(request("/"))
            process = self.start([tcp, unix], "--workers", "3", self.first)
            ready = process.stdout.readline().decode()
            self.assertEqual(ready, f"ready http://127.0.0.1:{tcp.getsockname()[1]}/ unix:{path}\n")
            self.assertEqual(early.read().body, b"first\n")
            for _ in range(30):
                with cairn.Client(tcp.getsockname()) as client:
                    self.assertEqual(client.get("/").body, b"first\n")
            process.terminate()
            process.wait(60)
            self.assertTrue(path.exists(), "it is the service manager's")

    def test_what_it_is_told(self):
        notify = self.folder / "notify.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, socket.socket() as tcp:
            manager.bind(str(notify))
            manager.settimeout(cairn.PATIENCE_S)
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            process = self.start([tcp], self.first, notify=notify)
            self.assertEqual(manager.recv(4096), b"READY=1")
            process.send_signal(signal.SIGHUP)
            self.assertRegex(manager.recv(4096), rb"^RELOADING=1\nMONOTONIC_USEC=\d+$")
            self.assertEqual(manager.recv(4096), b"READY=1")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(manager.recv(4096), b"STOPPING=1")
            self.assertEqual(process.wait(60), 0)

    def test_a_service_that_was_handed_over_does_not_stop(self):
        """systemd ends all of a service some time after one of its processes has said STOPPING=1."""
        notify = self.folder / "notify.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, socket.socket() as tcp:
            manager.bind(str(notify))
            manager.settimeout(cairn.PATIENCE_S)
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            process = self.start([tcp], self.first, notify=notify)
            self.assertEqual(manager.recv(4096), b"READY=1")
            process.send_signal(signal.SIGUSR2)
            told = {manager.recv(4096), manager.recv(4096)} # by two processes, in either order
            successor = next(int(line[8:]) for line in told if line.startswith(b"MAINPID="))
            self.assertEqual(told, {b"READY=1", b"MAINPID=%d" % successor})
            self.assertEqual(process.wait(60), 0)
            os.kill(successor, signal.SIGTERM)
            self.assertEqual(manager.recv(4096), b"STOPPING=1")
            wait_until(lambda: not is_running(successor), "the successor ends")

    def test_a_descriptor_that_does_not_listen(self):
        with socket.socket() as tcp:
            tcp.bind(("127.0.0.1", 0))
            process = self.start([tcp], self.first)
            self.assertEqual(process.wait(60), 1)
            self.assertIn(b"it does not listen", process.stderr.read())


if __name__ == "__main__":
    unittest.main()

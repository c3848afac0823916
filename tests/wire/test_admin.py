"""The admin address (docs/admin.md): what it answers, to whom, and that neither slow clients nor
many of them keep others out."""
import contextlib
import ctypes
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Client, Server, wait_until

CONNECTIONS_MAX = 32  # server/http/limits.h
QUESTIONS_MAX = 4  # server/admin/commands.h


def ask(target, method="GET", host="localhost", fields="", body="", version="1.1"):
    """The bytes of a request."""
    if body:
        fields += f"Content-Length: {len(body.encode())}\r\n"
    named = f"Host: {host}\r\n" if host is not None else ""
    return f"{method} {target} HTTP/{version}\r\n{named}{fields}\r\n{body}".encode()


@contextlib.contextmanager
def stopped_thread(test, thread_id):
    """Keeps one thread of another process from running (ptrace(2)), and no other."""
    library = ctypes.CDLL(None, use_errno=True)
    library.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    attach, detach, wait_all = 16, 17, 0x40000000
    if library.ptrace(attach, thread_id, None, None) != 0:
        test.skipTest("ptrace: " + os.strerror(ctypes.get_errno()))
    os.waitpid(thread_id, wait_all)
    try:
        yield
    finally:
        library.ptrace(detach, thread_id, None, None)


class Admin(cairn.TemporaryFolder):
    """A server with an admin address on a port of its own."""

    def setUp(self):
        super().setUp()
        self.tree = cairn.write_tree(self.folder / "tree", {"index.html": "first\n"})
        self.index = cairn.pack(self.tree, self.folder / "site.cairn")

    def next_release(self, text):
        (self.tree / "index.html").write_text(text)
        return cairn.pack(self.tree, self.folder / "site.cairn")

    def serve(self, *words, admin="127.0.0.1:0", options=(), **keywords):
        server = Server(*words, options=["--admin", admin, *options], **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        server.admin = admin_address(server)
        return server

    def client(self, server, **keywords):
        client = Client(server.admin, **keywords)
        self.addCleanup(client.close)
        return client

    def ask(self, server, *words, **keywords):
        with Client(server.admin) as client:
            client.send(ask(*words, **keywords))
            return client.read(keywords.get("method", "GET"))


def admin_address(server, count=1):
    """What the log says where the admin address is."""
    log = server.wait_log("cairn-serve: admin ", count)
    found = re.findall(r"cairn-serve: admin http://(\S+):(\d+)/\n", log)
    return (found[-1][0].strip("[]"), int(found[-1][1])) if found else None


class TestAnswers(Admin):
    def test_it_is_off_unless_asked_for(self):
        with Server(self.index) as server:
            self.assertNotIn("admin", server.log())
            self.assertEqual(server.get("/healthz").status, 404)

    def test_its_address_is_not_one_of_the_sites(self):
        server = self.serve(self.index)
        self.assertEqual(len(server.urls), 1)
        self.assertNotIn(str(server.admin[1]), server.ready)
        self.assertEqual(server.get("/").body, b"first\n")
        self.assertNotEqual(self.ask(server, "/index.html").body, b"first\n")

    def test_health(self):
        server = self.serve()  # nothing is loaded: the process works all the same
        answer = self.ask(server, "/healthz")
        self.assertEqual((answer.status, answer.body), (200, b"ok\n"))
        self.assertEqual(answer["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(answer["Cache-Control"], "no-store")

    def test_every_answer_is_guarded(self):
        server = self.serve(self.index)
        for target in "/healthz", "/nothing", "/%zz":
            answer = self.ask(server, target)
            self.assertEqual(answer["X-Content-Type-Options"], "nosniff", target)
            self.assertEqual(answer["Referrer-Policy"], "no-referrer", target)
            self.assertIn("frame-ancestors 'none'", answer["Content-Security-Policy"], target)
            self.assertIn("default-src 'none'", answer["Content-Security-Policy"], target)

    def test_readiness(self):
        server = self.serve()
        answer = self.ask(server, "/readyz")
        self.assertEqual((answer.status, answer.body), (503, b"no release is loaded\n"))
        self.assertEqual(answer["Retry-After"], "1")
        server.load(self.index)
        answer = self.ask(server, "/readyz")
        self.assertEqual((answer.status, answer.body), (200, b"ready\n"))

    def test_a_damaged_release_is_not_ready(self):
        server = self.serve(self.index)
        with open(self.index, "r+b") as file:
            file.truncate(0)
        wait_until(lambda: server.get("/").status == 503, "the damage is met")
        answer = self.ask(server, "/readyz")
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.body.decode(), f"release 1 is damaged: {self.index}\n")
        server.load(self.next_release("second\n"))
        self.assertEqual(self.ask(server, "/readyz").status, 200)

    def test_draining_is_not_ready(self):
        big = self.pack_tree({"index.html": "x", "big.bin": cairn.noise(8_000_000, 1)}, "big")
        server = self.serve(big)
        with server.client(receive_buffer=4096) as slow:  # keeps the process from ending
            slow.send(cairn.request("/big.bin"))
            wait_until(lambda: int(re.search(r" requests=(\d+)", server.command("status"))[1]) == 0
                       and slow.socket.recv(1), "the download has begun")
            server.signal(signal.SIGTERM)
            wait_until(lambda: not server.accepts(), "new connections are refused")
            answer = self.ask(server, "/readyz")
            self.assertEqual(answer.status, 503)
            self.assertTrue(answer.body.startswith(b"draining"), answer.body)
            self.assertEqual(self.ask(server, "/healthz").status, 200)

    def test_metrics(self):
        server = self.serve(self.index)
        for _ in range(3):
            self.assertEqual(server.get("/").status, 200)
        wanted = b"cairn_connections_accepted_total 3\n"
        wait_until(lambda: wanted in self.ask(server, "/metrics").body, "they are counted")
        answer = self.ask(server, "/metrics")
        self.assertEqual(answer["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(answer["Cache-Control"], "no-store")
        answer = self.ask(server, "/metrics", fields="Accept: application/openmetrics-text; "
                          "version=1.0.0\r\n")
        self.assertTrue(answer.body.endswith(b"# EOF\n"))
        self.assertTrue(answer["Content-Type"].startswith("application/openmetrics-text"))
        self.assertEqual(self.ask(server, "/metrics", host="a.example").status, 421)

    def test_methods(self):
        server = self.serve(self.index)
        with self.client(server) as client:
            client.send(ask("/healthz", method="HEAD"))
            answer = client.read("HEAD")
            self.assertEqual((answer.status, answer["Content-Length"]), (200, "3"))
            for method in "POST", "PUT", "DELETE", "OPTIONS":
                client.send(ask("/healthz", method=method))
                answer = client.read()
                self.assertEqual((answer.status, answer["Allow"]), (405, "GET, HEAD"), method)
            client.send(ask("/healthz", method="FROBNICATE"))
            self.assertEqual(client.read().status, 501)
            client.send(ask("/nothing"))
            self.assertEqual(client.read().status, 404)
            client.send(ask("/healthz"))  # the same connection all the time
            self.assertEqual(client.read().status, 200)

    def test_persistence(self):
        server = self.serve(self.index)
        with self.client(server) as client:
            client.send(ask("/healthz") * 3)  # before any answer was read
            for _ in range(3):
                self.assertEqual(client.read().body, b"ok\n")
            client.send(ask("/healthz", fields="Connection: close\r\n"))
            self.assertEqual(client.read()["Connection"], "close")
            self.assertTrue(client.is_closed())
        with self.client(server) as client:
            client.send(ask("/healthz", version="1.0", host=None))
            self.assertEqual(client.read()["Connection"], "close")
            self.assertTrue(client.is_closed())

    def test_what_is_no_request(self):
        server = self.serve(self.index)
        for data, status in ((b"GET /healthz HTTP/1.1\nHost: a\n\n", 400),
                             (b"GET  HTTP/1.1\r\n\r\n", 400),
                             (b"GET /healthz HTTP/2.0\r\n\r\n", 505),
                             (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
                             (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n", 414),
                             (ask("/healthz", fields="Cookie: " + 9000 * "x" + "\r\n"), 431)):
            with self.client(server) as client:
                client.send(data)
                answer = client.read()
                self.assertEqual((answer.status, answer["Connection"]), (status, "close"),
                                 data[:40])
                client.end_sending()
                self.assertTrue(client.is_closed())

    def test_empty_lines_before_a_request_do_not_hide_its_method(self):
        server = self.serve(self.index)
        for path, method, allow in (("/healthz", "POST", "GET, HEAD"),
                                    ("/api/rollback", "GET", "POST")):
            with self.client(server) as client:
                for lines in b"", b"\r\n", b"\r\n\r\n":
                    client.send(lines + ask(path, method=method))
                    answer = client.read()
                    self.assertEqual((answer.status, answer["Allow"]), (405, allow), lines)
                client.send(b"\r\n\r\n" + ask("/healthz"))
                self.assertEqual(client.read().status, 200)

    def test_bodies(self):
        """They are read to their end, so that the next request begins where its client thinks."""
        server = self.serve(self.index)
        with self.client(server) as client:
            client.send(ask("/healthz", method="POST", body="GET / HTTP/1.1\r\n\r\n"))
            self.assertEqual(client.read().status, 405)
            client.send(ask("/healthz"))
            self.assertEqual(client.read().status, 200)
            client.send(ask("/healthz", method="POST",
                            fields="Content-Length: 5\r\nExpect: 100-continue\r\n"))
            head, _ = client.read_raw()
            self.assertEqual(head, b"HTTP/1.1 100 Continue")
            client.send("12345")
            self.assertEqual(client.read().status, 405)
        for fields, status in (("Content-Length: 16385\r\n", 413),
                               ("Transfer-Encoding: chunked\r\n", 411)):
            with self.client(server) as client:
                client.send(ask("/healthz", method="POST", fields=fields))
                answer = client.read()
                self.assertEqual((answer.status, answer["Connection"]), (status, "close"))


class TestHosts(Admin):
    def test_a_strangers_name_is_refused(self):
        """DNS rebinding: a page's own name leads here, and the browser lets the page read."""
        server = self.serve(self.index)
        for host, status in (("attacker.example", 421), ("attacker.example:9090", 421),
                             ("127.0.0.1.attacker.example", 421), ("localhost", 404),
                             ("127.0.0.1", 404), ("[::1]:1", 404), ("a.localhost:80", 404)):
            self.assertEqual(self.ask(server, "/nothing", host=host).status, status, host)
        answer = self.ask(server, "http://attacker.example/nothing")  # beats the field
        self.assertEqual(answer.status, 421)
        self.assertIn(b"--admin-host", answer.body)

    def test_health_checks_may_come_by_any_name(self):
        server = self.serve(self.index)
        for target in "/healthz", "/readyz":
            self.assertEqual(self.ask(server, target, host="web1.internal").status, 200)

    def test_names_that_are_allowed(self):
        server = self.serve(self.index, options=["--admin-host", "web1.internal",
                                                 "--admin-host", "Status.Example"])
        for host, status in (("web1.internal:9090", 404), ("status.example", 404),
                             ("other.example", 421)):
            self.assertEqual(self.ask(server, "/nothing", host=host).status, status, host)


class TestSandbox(Admin):
    def test_its_thread_is_confined_as_the_others_are(self):
        server = self.serve(self.index)
        self.assertEqual(self.ask(server, "/metrics").status, 200)  # what it needs is allowed

        def filters():
            """(the main thread's, those of the others): how each is filtered, and by how many."""
            found = {True: set(), False: set()}
            for task in Path(f"/proc/{server.pid}/task").iterdir():
                lines = (task / "status").read_text().splitlines()
                fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
                found[task.name == str(server.pid)].add(
                    (fields["Seccomp"], int(fields.get("Seccomp_filters", 0))))
            return found[True].pop(), found[False]
        (mode, count), _ = filters()
        if mode != "2" or count == 0:
            self.skipTest("this kernel has no filters of system calls, or does not count them")
        wait_until(lambda: filters()[1] == {("2", count + 1)}, "each thread is under its own")


class TestLimits(Admin):
    def test_those_that_say_nothing_give_way(self):
        server = self.serve(self.index)
        held = []
        for _ in range(3 * CONNECTIONS_MAX):
            client = self.client(server)
            client.send("GET /healthz HTTP/1.1\r\n")
            held.append(client)
        self.assertEqual(self.ask(server, "/healthz").status, 200)
        for client in held[:CONNECTIONS_MAX]:
            with self.assertRaises((EOFError, ConnectionError)):
                client.read()
        newest = held[-1]
        newest.send("Host: localhost\r\n\r\n")
        self.assertEqual(newest.read().status, 200)

    def test_sites_are_not_kept_out(self):
        server = self.serve(self.index)
        for _ in range(CONNECTIONS_MAX):
            self.client(server).send("GET /healthz HTTP/1.1\r\n")
        self.assertEqual(server.get("/").body, b"first\n")
        fields = dict(word.split("=", 1) for word in server.command("status").split()[2:])
        self.assertEqual(fields["accepted"], "1")  # those of sites are counted

    def test_answers_that_nobody_reads(self):
        """Requests that come faster than their answers are taken wait in the sockets."""
        server = self.serve(self.index)
        with self.client(server, receive_buffer=4096) as greedy:
            greedy.socket.setblocking(False)
            sent = 0
            try:
                while sent < 64 << 20:
                    sent += greedy.socket.send(ask("/healthz") * 100)
            except BlockingIOError:
                pass
            self.assertLess(sent, 64 << 20)
            self.assertEqual(self.ask(server, "/healthz").status, 200)


class TestAddresses(Admin):
    def test_ipv6(self):
        try:
            socket.socket(socket.AF_INET6).bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        server = self.serve(self.index, admin="[::1]:0")
        self.assertEqual(server.admin[0], "::1")
        self.assertEqual(self.ask(server, "/healthz").status, 200)

    def test_unix_socket(self):
        path = self.folder / "admin.sock"
        with Server(self.index, options=["--admin", f"unix:{path}"]) as server:
            server.wait_log(f"cairn-serve: admin unix:{path}\n")
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(cairn.PATIENCE_S)
                client.connect(str(path))
                client.sendall(ask("/healthz"))
                self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n"))
            self.assertEqual(path.stat().st_mode & 0o777, 0o660)
        self.assertFalse(path.exists())

    def test_an_address_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            done = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--admin", address,
                             self.index, expect=1)
            self.assertIn(f"{address}: Address already in use", done.err)

    def test_environment(self):
        with Server(self.index, env={"CAIRN_ADMIN": "127.0.0.1:0",
                                     "CAIRN_ADMIN_HOST": "a.example,b.example"}) as server:
            server.admin = admin_address(server)
            self.assertEqual(self.ask(server, "/x", host="b.example").status, 404)
            self.assertEqual(self.ask(server, "/x", host="c.example").status, 421)

    def test_words_that_are_off(self):
        for words in (["--admin", "here"], ["--admin-host", ""], ["--admin-host", "a:80"]):
            done = cairn.run("cairn-serve", *words, self.index, expect=2)
            self.assertIn("cairn-serve: ", done.err)


TOKEN = "correct-horse-battery-staple"
JSON = "Content-Type: application/json\r\n"
BEARER = f"Authorization: Bearer {TOKEN}\r\n"


class Changes(Admin):
    def setUp(self):
        super().setUp()
        self.token = self.folder / "token"
        self.token.write_text(TOKEN + "\n")
        self.token.chmod(0o600)

    def serve(self, *words, options=(), **keywords):
        return super().serve(*words, options=["--admin-token-file", self.token, *options],
                             **keywords)

    def post(self, server, path, document, fields=JSON + BEARER, **keywords):
        answer = self.ask(server, path, method="POST", fields=fields, body=json.dumps(document),
                          **keywords)
        return answer.status, json.loads(answer.body)

    def state(self, server, query=""):
        return json.loads(self.ask(server, f"/api/state{query}").body)


class TestApi(Changes):
    def test_state(self):
        server = self.serve(self.index)
        state = self.state(server)
        [site] = state["sites"]
        self.assertEqual((site["hosts"], site["at"], site["can_roll_back"]), (["*"], "/", False))
        [release] = site["releases"]
        self.assertEqual((release["release"], release["index"], release["is_on_top"]),
                         (1, str(self.index), True))
        self.assertEqual((state["pid"], state["takes_changes"]), (server.pid, True))
        self.assertEqual(self.ask(server, "/api/state")["Content-Type"], "application/json")

    def test_one_site_with_two_names_is_told_once(self):
        server = self.serve(self.index, "host=a.example,b.example", "at=/d")
        server.load(f"{self.index} host=c.example")
        sites = self.state(server)["sites"]
        self.assertEqual(sorted((site["hosts"], site["at"]) for site in sites),
                         [(["a.example", "b.example"], "/d"), (["c.example"], "/")])

    def test_samples(self):
        server = self.serve(self.index)
        wait_until(lambda: server.get("/").status == 200 and
                   any(sample[2] > 0 for sample in self.state(server)["samples"]),
                   "an answer is in a sample")
        state = wait_until(lambda: (state := self.state(server))["sample_count"] >= 2 and state,
                           "two samples")
        count = state["sample_count"]
        self.assertEqual(len(state["samples"]), count)
        later = self.state(server, f"?after={count - 1}")
        self.assertEqual(len(later["samples"]), later["sample_count"] - count + 1)
        self.assertEqual(later["samples"][0], state["samples"][-1])
        old = self.state(server, "?after=99999999")  # of a process before this one
        self.assertEqual(len(old["samples"]), old["sample_count"])

    def test_indexes(self):
        server = self.serve(self.index)
        second = self.next_release("second\n")
        (self.folder / "junk.idx").write_text("no index")
        rows = json.loads(self.ask(server, "/api/indexes").body)["rows"]
        self.assertEqual([(row["release"], row["path"]) for row in rows],
                         [(2, str(second)), (1, str(self.index))])

    def test_load_roll_back_promote(self):
        server = self.serve(self.index)
        second = self.next_release("second\n")
        status, done = self.post(server, "/api/load", {"index": str(second)})
        self.assertEqual((status, done["release"], done["layers"]), (200, 2, 2))
        self.assertEqual(server.get("/").body, b"second\n")
        status, done = self.post(server, "/api/rollback", {"host": "*", "at": "/"})
        self.assertEqual((status, done["release"]), (200, 1))
        self.assertEqual(server.get("/").body, b"first\n")
        taken_back = self.state(server)["sites"][0]["releases"][1]
        self.assertTrue(taken_back["is_taken_back"])
        status, done = self.post(server, "/api/promote", {"id": taken_back["id"]})
        self.assertEqual((status, done["release"]), (200, 2))
        self.assertEqual(server.get("/").body, b"second\n")
        status, _ = self.post(server, "/api/rollback", {"id": taken_back["id"]})  # now of another id
        self.assertEqual(status, 409)
        status, _ = self.post(server, "/api/rollback", {"id": done["id"]})
        self.assertEqual((status, server.get("/").body), (200, b"first\n"))

    def test_what_cannot_be_done_is_said_and_noted(self):
        server = self.serve(self.index)
        missing = str(self.folder / "missing.idx")
        for path, document in (("/api/load", {"index": missing}), ("/api/rollback", {}),
                               ("/api/promote", {"id": 77})):
            status, reply = self.post(server, path, document)
            self.assertEqual(status, 409, reply)
        refused = [(one["text"], one["count"]) for one in self.state(server)["refused"]]
        self.assertEqual(refused[0], ("rollback: there is no release below 1", 1))
        self.assertIn(missing, refused[1][0])

    def test_limits_that_were_hit_are_noted(self):
        server = self.serve(self.index, options=["--limit", "head-size=256"])
        wait_until(lambda: self.state(server)["sample_count"] > 0, "a first look at the counters")
        with server.client() as client:
            client.send(cairn.request("/", fields="X: " + 300 * "x" + "\r\n"))
            self.assertEqual(client.read().status, 431)
        wait_until(lambda: [one for one in self.state(server)["refused"]
                            if one["text"] == "limit head-size"], "it is noted")

    def test_the_loop_goes_on_while_a_load_takes_its_time(self):
        """The control thread is stopped, as if it were waiting for a disk."""
        server = self.serve(self.index)
        slow, other = self.client(server), self.client(server)
        with stopped_thread(self, server.pid):
            slow.send(ask("/api/load", method="POST", fields=JSON + BEARER,
                          body=json.dumps({"index": str(self.index)})))
            for _ in range(2):
                for target in "/healthz", "/readyz", "/api/state", "/metrics":
                    self.assertEqual(self.ask(server, target).status, 200, target)
            other.send(ask("/api/indexes"))  # waits behind it
            crowd = [self.client(server) for _ in range(QUESTIONS_MAX)]
            for client in crowd:
                client.send(ask("/api/indexes"))
            busy = crowd[-1].read()
            self.assertEqual((busy.status, busy["Retry-After"]), (503, "1"))
            changing = self.client(server)  # finds a place all the same
            changing.send(ask("/api/rollback", method="POST", fields=JSON + BEARER, body="{}"))
            other.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            other.close()  # who waits may go, by a reset, and another one comes in
            wait_until(lambda: self.is_taken(server, crowd[-1]), "a place is free")
            self.assertEqual(select.select([slow.socket], [], [], 0)[0], [])
        self.assertEqual(slow.read().status, 200)
        self.assertEqual([client.read().status for client in crowd], [200] * QUESTIONS_MAX)
        self.assertEqual(changing.read().status, 409)

    def is_taken(self, server, client):
        """Asks what the control thread has to answer, which is stopped: an answer says that there
        is no place. Two others that were asked for later are out when it is."""
        client.send(ask("/api/indexes"))
        for _ in range(2):
            self.assertEqual(self.ask(server, "/healthz").status, 200)
        if not select.select([client.socket], [], [], 0)[0]:
            return True
        self.assertEqual(client.read().status, 503)
        return False


class TestWhoMayChange(Changes):
    def test_without_a_token_file_nobody(self):
        server = Admin.serve(self, self.index)
        self.assertFalse(self.state(server)["takes_changes"])
        status, reply = self.post(server, "/api/rollback", {})
        self.assertEqual(status, 403)
        self.assertIn("--admin-token-file", reply["error"])

    def test_the_token(self):
        server = self.serve(self.index)
        for fields, status in ((JSON, 401), (JSON + "Authorization: Bearer wrong\r\n", 401),
                               (JSON + f"Authorization: Basic {TOKEN}\r\n", 401),
                               (JSON + BEARER + BEARER, 401), (JSON + BEARER, 200)):
            answer = self.ask(server, "/api/load", method="POST", fields=fields,
                              body=json.dumps({"index": str(self.index)}))
            self.assertEqual(answer.status, status, fields)
            if status == 401:
                self.assertEqual(answer["WWW-Authenticate"], "Bearer")
        self.assertNotIn(TOKEN, server.log())

    def test_guesses_are_bounded_and_logged_once(self):
        server = self.serve(self.index)
        seen = {self.post(server, "/api/rollback", {}, JSON + "Authorization: Bearer no\r\n")[0]
                for _ in range(60)}
        self.assertEqual(seen, {401, 429})
        self.assertLess(server.log().count("wrong token"), 10)  # one is forgiven with each second
        self.assertEqual(self.ask(server, "/api/state").status, 200)

    def test_pages_of_others_may_not(self):
        server = self.serve(self.index)
        host = "127.0.0.1:%d" % server.admin[1]
        load = {"index": str(self.index)}
        for fields, status in ((f"Origin: http://{host}\r\n", 200),
                               (f"Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n", 200),
                               ("Origin: http://evil.example\r\n", 403),
                               ("Origin: null\r\n", 403),
                               ("Origin: http://localhost:1\r\n", 403),
                               ("Sec-Fetch-Site: cross-site\r\n", 403),
                               ("Sec-Fetch-Site: same-site\r\n", 403),
                               ("Sec-Fetch-Site: none\r\n", 403)):
            self.assertEqual(self.post(server, "/api/load", load, JSON + BEARER + fields,
                                       host=host)[0], status, fields)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
            fields = BEARER + f"Content-Type: {kind}\r\n"
            self.assertEqual(self.post(server, "/api/load", load, fields)[0], 415, kind)
        for fields, status in (("", 200), (f"Origin: http://{host}\r\n", 200),
                               ("Sec-Fetch-Site: same-origin\r\n", 200),
                               ("Sec-Fetch-Site: none\r\n", 200),  # a person typed it
                               ("Sec-Fetch-Site: cross-site\r\n", 403),
                               ("Sec-Fetch-Site: same-site\r\n", 403),
                               ("Origin: http://evil.example\r\n", 403)):
            self.assertEqual(self.ask(server, "/api/indexes", fields=fields, host=host).status,
                             status, fields)
        answer = self.ask(server, "/api/load", method="OPTIONS", fields="Origin: http://x\r\n")
        self.assertEqual((answer.status, answer["Access-Control-Allow-Origin"]), (405, None))

    def test_what_is_no_change(self):
        server = self.serve(self.index)
        for document in ({}, [], {"index": 1}, {"index": "/x\nquit"}, {"index": "/x", "y": 1}):
            self.assertEqual(self.post(server, "/api/load", document)[0], 400, document)
        self.assertEqual(self.ask(server, "/api/load").status, 405)

    def test_token_files_that_will_not_do(self):
        for text, mode, says in (("short\n", 0o600, "no token"),
                                 (TOKEN + "\n", 0o644, "chmod o=")):
            self.token.write_text(text)
            self.token.chmod(mode)
            done = cairn.run("cairn-serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                             "--admin-token-file", self.token, self.index, expect=1)
            self.assertIn(says, done.err)


class TestPageFiles(Admin):
    def test_the_page(self):
        server = self.serve(self.index)
        answer = self.ask(server, "/")
        self.assertEqual((answer.status, answer["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("frame-ancestors 'none'", answer["Content-Security-Policy"])
        for name in set(re.findall(r'(?:href|src)="(/[^"]+)"', answer.body.decode())):
            self.assertEqual(self.ask(server, name).status, 200, name)
        again = self.ask(server, "/", fields=f"If-None-Match: {answer['ETag']}\r\n")
        self.assertEqual((again.status, again.body), (304, b""))
        self.assertEqual(self.ask(server, "/", host="evil.example").status, 421)
        self.assertEqual(self.ask(server, "/", method="POST").status, 405)

    def test_without_the_page(self):
        server = self.serve(self.index, options=["--admin-page", self.folder / "none.idx"])
        self.assertIn("without its page: ", server.log())
        self.assertEqual(self.ask(server, "/").status, 404)
        self.assertEqual(self.ask(server, "/readyz").status, 200)


class TestHandover(Admin):
    def end(self, pid):
        def is_running():
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                return False
            return stat.rsplit(")", 1)[1].split()[0] != "Z"
        with contextlib.suppress(ProcessLookupError):
            if is_running():
                os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_running(), "the successor ends")

    def test_the_address_stays(self):
        server = self.serve(self.index)
        with self.client(server) as client:
            client.send(ask("/healthz"))
            self.assertEqual(client.read().status, 200)
            server.signal(signal.SIGUSR2)
            log = server.wait_log("handed over to process ")
            pid = int(re.search(r"handed over to process (\d+)", log)[1])
            self.addCleanup(self.end, pid)
            self.assertTrue(client.is_closed())  # and not by a reset
        self.assertEqual(admin_address(server, 2), server.admin)
        wait_until(lambda: server.process.poll() is not None, "the old process ends")
        self.assertEqual(self.ask(server, "/readyz").status, 200)

    def test_a_socket_of_the_service_manager(self):
        """FileDescriptorName=admin makes a socket the admin address; the flag is not asked."""
        code = ("import os, sys\n"
                "os.environ['LISTEN_PID'] = str(os.getpid())\n"
                "os.execv(sys.argv[1], sys.argv[1:])")
        with socket.socket() as site, socket.socket() as admin:
            for one in site, admin:
                one.bind(("127.0.0.1", 0))
                one.listen()
            fds = [site.fileno(), admin.fileno()]

            def place():
                for number, fd in enumerate(fds):
                    os.dup2(fd, 100 + number)
                for number in range(2):
                    os.dup2(100 + number, 3 + number)
                    os.set_inheritable(3 + number, True)
            process = subprocess.Popen(
                [sys.executable, "-c", code, cairn.BIN / "cairn-serve", self.index],
                env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:admin"},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                close_fds=False, preexec_fn=place)
            try:
                ready = process.stdout.readline().decode()
                self.assertEqual(ready, "ready http://127.0.0.1:%d/\n" % site.getsockname()[1])
                with Client(admin.getsockname()) as client:
                    client.send(ask("/readyz"))
                    self.assertEqual(client.read().body, b"ready\n")
            finally:
                process.terminate()
                _, errors = process.communicate(timeout=cairn.PATIENCE_S)
            cairn.check_no_report(errors, "cairn-serve")
            self.assertEqual(process.returncode, 0, errors)


if __name__ == "__main__":
    unittest.main()

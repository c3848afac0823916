"""Bodies that are not in the page cache: read by threads that wait for the disk, so that no other
request does; and --preload, after which there are none."""
import os
import re
import select
import socket
import struct
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, request, wait_until

SMALL = b"<!doctype html><title>warm</title>\n"
SIZES = (1, 4096, 65536, 100_000, 131_072, 131_073, 600_000, 3_000_000)
FILES = {f"{size}.bin": cairn.noise(size, f"cold {size}") for size in SIZES}
PROBE = cairn.noise(500_000, "probe")
WAIT_MS = 200  # how long each read of a disk takes, where a test makes it slow


def evict(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Cold(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.index = self.pack_tree({**FILES, "probe": PROBE}, "cold", options=("--effort", "none"))
        self.archive = self.folder / "cold.cairn"
        self.warm = self.pack_tree({"index.html": SMALL}, "warm")

    def pack_tree(self, files, name="site", options=()):
        tree = cairn.write_tree(self.folder / f"{name}-tree", files)
        return cairn.pack(tree, self.folder / f"{name}.cairn", *options)

    def serve(self, *options, **keywords):
        server = Server(self.index, "host=*", self.warm, "host=warm.example", options=options,
                        workers=1, **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)
        return server

    def reads(self, server):
        return int(re.search(r" disk_reads=(\d+)", server.command("status")).group(1))

    def evict(self, server):
        """Throws the archive out of the page cache; skips the test where that does nothing."""
        before = self.reads(server)
        evict(self.archive)
        self.assertEqual(server.get("/probe").body, PROBE)
        if self.reads(server) == before:
            self.skipTest("this file system keeps what it is told to forget")
        evict(self.archive)


class TestBytes(Cold):
    def check_all(self, server):
        for name, body in FILES.items():
            evict(self.archive)
            self.assertEqual(server.get(f"/{name}").body, body, name)

    def test_every_size(self):
        self.check_all(self.serve())

    def test_workers_read_themselves(self):
        server = self.serve("--disk-readers", "0")
        self.check_all(server)
        self.assertEqual(self.reads(server), 0)

    def serve_a_stranger(self, *strace_options):
        """The server neither owns the archive nor may write it, as far as it can see: mincore()
        would tell it nothing."""
        trace = self.folder / "trace"
        server = self.serve(bin_folder=cairn.plain_bin(),
                            wrapper=(cairn.strace(), "-f", "-o", trace, "-e",
                                     "trace=geteuid,faccessat2,preadv2,mincore", "-e",
                                     "inject=geteuid:retval=12345", "-e",
                                     "inject=faccessat2:error=EACCES", *strace_options))
        return server, trace

    def test_an_archive_of_somebody_else(self):
        server, trace = self.serve_a_stranger()
        self.check_all(server)
        self.evict(server)
        text = trace.read_text(errors="replace")
        self.assertIn("preadv2(", text)
        self.assertNotIn("mincore(", text)

    def test_a_file_system_that_cannot_tell(self):
        """Nobody knows what is in memory: it is served all the same."""
        server, _ = self.serve_a_stranger("-e", "inject=preadv2:error=EOPNOTSUPP")
        self.check_all(server)
        self.assertEqual(self.reads(server), 0)

    def test_what_was_read_stays(self):
        """A body is read once, however little of its block it is."""
        server = self.serve()
        self.evict(server)
        for name in ("1.bin", "4096.bin", "100000.bin"):
            evict(self.archive)
            self.assertEqual(server.get(f"/{name}").body, FILES[name])
            before = self.reads(server)
            for _ in range(10):
                self.assertEqual(server.get(f"/{name}").body, FILES[name])
            self.assertEqual(self.reads(server), before, name)

    def test_ranges(self):
        server = self.serve()
        whole = FILES["3000000.bin"]
        self.evict(server)
        answer = server.get("/3000000.bin", fields="Range: bytes=1000000-1999999\r\n")
        self.assertEqual((answer.status, answer.body), (206, whole[1_000_000:2_000_000]))
        evict(self.archive)
        answer = server.get("/3000000.bin",
                            fields="Range: bytes=5-9,900000-1800000,2999990-\r\n")
        self.assertEqual(answer.status, 206)
        parts = re.findall(rb"\r\nContent-Range: bytes (\d+)-(\d+)/3000000\r\n\r\n", answer.body)
        self.assertEqual(len(parts), 3)
        for first, last in parts:
            self.assertIn(whole[int(first):int(last) + 1], answer.body)

    def test_pipelined_keep_their_order(self):
        server = self.serve()
        self.evict(server)
        order = [f"{size}.bin" for size in (1, 600_000, 4096, 3_000_000, 100_000, 1, 131_073, 65536)]
        with server.client() as client:
            for _ in range(3):
                evict(self.archive)
                client.send(b"".join(request(f"/{name}") for name in order))
                for name in order:
                    self.assertEqual(client.read_raw()[1], FILES[name], name)

    def test_many_clients_ask_for_the_same(self):
        server = self.serve()
        self.evict(server)
        clients = [server.client() for _ in range(40)]
        for number, client in enumerate(clients):
            client.send(request("/600000.bin" if number % 2 else "/100000.bin"))
        for number, client in enumerate(clients):
            self.assertEqual(client.read_raw()[1],
                             FILES["600000.bin" if number % 2 else "100000.bin"])
            client.close()

    def test_random_clients_while_pages_go(self):
        """Clients that come, ask and go anywhere, while somebody evicts again and again."""
        server = self.serve()
        is_over = threading.Event()

        def evict_again():
            while not is_over.wait(0.003):
                evict(self.archive)

        evictor = threading.Thread(target=evict_again)
        evictor.start()
        try:
            names = list(FILES)
            for turn in range(120):
                with server.client() as client:
                    for step in range(1 + turn % 4):
                        name = names[(turn * 5 + step * 3) % len(names)]
                        client.send(request(f"/{name}"))
                        if turn % 3 != 0:
                            self.assertEqual(client.read_raw()[1], FILES[name], name)
        finally:
            is_over.set()
            evictor.join()
        wait_until(lambda: " connections=0 " in server.command("status"), "all are gone")


class TestWaiting(Cold):
    def serve_slowly(self, *options, trace="/dev/null", bin_folder=None, env=None):
        """The disk takes WAIT_MS for each piece: pread() is what the readers call."""
        return self.serve(*options, bin_folder=bin_folder or cairn.plain_bin(), env=env,
                          wrapper=(cairn.strace(), "-f", "-o", trace, "-e", "trace=pread64",
                                   "-e", f"inject=pread64:delay_enter={WAIT_MS * 1000}"))

    def is_silent(self, client):
        return not select.select([client.socket], [], [], 0)[0]

    def ask_warm(self, warm):
        warm.send("GET / HTTP/1.1\r\nHost: warm.example\r\n\r\n")
        self.assertEqual(warm.read().body, SMALL)

    def test_nobody_else_waits(self):
        """This process may itself be kept from asking while the disk is waited for: then again."""
        def answers_meanwhile():
            server = self.serve_slowly()
            with server.client() as cold, server.client() as warm:
                self.evict(server)
                cold.send(request("/100000.bin"))
                answers = 0
                while self.is_silent(cold):
                    self.ask_warm(warm)
                    answers += 1
                self.assertEqual(cold.read_raw()[1], FILES["100000.bin"])
            return answers
        wait_until(lambda: answers_meanwhile() > 5, "the other client is answered in the meantime")

    def test_in_the_middle_of_a_download(self):
        """The same."""
        def answers_meanwhile():
            server = self.serve_slowly()
            with server.client() as cold, server.client() as warm:
                self.evict(server)
                cold.send(request("/3000000.bin"))
                got = bytearray()
                answers = 0
                while len(got.partition(b"\r\n\r\n")[2]) < 3_000_000:
                    if self.is_silent(cold):
                        self.ask_warm(warm)
                        answers += 1
                    else:
                        piece = cold.socket.recv(1 << 20)
                        self.assertTrue(piece, "closed")
                        got += piece
                self.assertTrue(got.endswith(FILES["3000000.bin"][-1000:]))
            return answers
        wait_until(lambda: answers_meanwhile() > 5, "the other client is answered in the meantime")

    def test_who_waits_may_go(self):
        """The client leaves, the site is unloaded, the server ends: whoever waits, and for what."""
        server = self.serve_slowly()
        self.evict(server)
        for name in ("100000.bin", "3000000.bin") * 3:
            client = server.client()
            client.send(request(f"/{name}"))
            client.close()
        with server.client() as client:
            client.send(request("/65536.bin"))
            reply = server.command(f"unload {self.index}")
            self.assertTrue(reply.startswith("ok unload"), reply)
            self.assertIn(client.read_raw()[0][9:12], (b"200", b"404", b"421"))

    def reset(self, client):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    def test_who_is_gone_is_not_read_for(self):
        """Clients that ask and break off do not make those behind them wait."""
        trace = self.folder / "trace"
        server = self.serve_slowly("--disk-readers", "1", trace=trace)
        self.evict(server)
        reads = self.reads(server)
        clients = [server.client() for _ in range(100)]
        for client in clients:
            client.send(request("/3000000.bin"))
        wait_until(lambda: self.reads(server) >= reads + len(clients), "all of them wait")
        for client in clients:
            self.reset(client)
        wait_until(lambda: " connections=0 " in server.command("status"), "all are gone")
        before = trace.read_text(errors="replace").count("pread64(")
        self.assertEqual(server.get("/65536.bin").body, FILES["65536.bin"])
        after = trace.read_text(errors="replace").count("pread64(")
        self.assertLess(after - before, 20)

    def end_at_once(self, server):
        """A second signal ends what the first one lets go on."""
        server.signal(15)
        wait_until(lambda: not server.accepts(), "it drains")
        server.signal(15)
        server.wait()

    def test_the_end_while_many_wait(self):
        """More than the readers have begun to read for."""
        server = self.serve_slowly("--disk-readers", "1", bin_folder=cairn.BIN,
                                   env={"ASAN_OPTIONS": "detect_leaks=0"})  # not while traced
        self.evict(server)
        reads = self.reads(server)
        clients = [server.client() for _ in range(20)]
        for client in clients:
            client.send(request("/3000000.bin"))
        wait_until(lambda: self.reads(server) >= reads + len(clients), "all of them wait")
        self.end_at_once(server)

    def test_the_end_waits_for_the_disk(self):
        server = self.serve_slowly()
        with server.client() as client:
            self.evict(server)
            reads = self.reads(server)
            client.send(request("/600000.bin"))
            wait_until(lambda: self.reads(server) > reads, "it is waited for")
            server.signal(15)
            self.assertEqual(client.read_raw()[1], FILES["600000.bin"])
            self.assertTrue(client.is_closed())

    def test_the_end_at_once(self):
        server = self.serve_slowly()
        clients = [server.client() for _ in range(6)]
        self.evict(server)
        for client in clients:
            client.send(request("/3000000.bin"))
        self.end_at_once(server)


class TestPreload(Cold):
    def test_nothing_is_cold_after_it(self):
        evict(self.archive)
        server = self.serve("--preload")
        for name, body in FILES.items():
            self.assertEqual(server.get(f"/{name}").body, body)
        self.assertEqual(self.reads(server), 0)

    def test_by_the_environment(self):
        evict(self.archive)
        server = self.serve(env={"CAIRN_PRELOAD": "1", "CAIRN_DISK_READERS": "2"})
        for name, body in FILES.items():
            self.assertEqual(server.get(f"/{name}").body, body)
        self.assertEqual(self.reads(server), 0)

    def test_on_systems_that_cannot_populate(self):
        evict(self.archive)
        server = self.serve("--preload", bin_folder=cairn.plain_bin(),
                            wrapper=(cairn.strace(), "-f", "-o", "/dev/null", "-e", "trace=madvise",
                                     "-e", "inject=madvise:error=EINVAL"))
        for name, body in FILES.items():
            self.assertEqual(server.get(f"/{name}").body, body)
        self.assertEqual(self.reads(server), 0)

    def test_a_bad_number_is_refused(self):
        for value in ("-1", "257", "x", ""):
            done = cairn.run("cairn-serve", "--disk-readers", value, self.index, expect=2)
            self.assertIn("--disk-readers", done.err)


if __name__ == "__main__":
    unittest.main()

"""Where the server listens, and who it believes to be the client."""
import signal
import socket
import stat
import struct
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Client, Server, request

PAGE = b"<!doctype html><title>page</title>\n"
SIGNATURE_V2 = b"\r\n\r\n\0\r\nQUIT\n"


class Listeners(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.index = self.pack_tree({"index.html": PAGE, "big.bin": cairn.noise(3_000_000, "x")})


def over_unix(path, data):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(cairn.PATIENCE_S)
        client.connect(str(path))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        got = b""
        while piece := client.recv(65536):
            got += piece
        return got


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class TestAddresses(Listeners):
    def test_several_at_once(self):
        path = self.folder / "http.sock"
        addresses = ["127.0.0.1:0", f"unix:{path}", "127.0.0.1:0"]
        if has_ipv6():
            addresses.append("[::1]:0")
        else:
            print("SKIPPED a part: this machine has no IPv6", file=sys.stderr)
        with Server(self.index, listen=addresses, workers=3) as server:
            self.assertEqual(server.ready.split()[2], f"unix:{path}")
            self.assertEqual(len(server.urls), len(addresses))
            for url, port in zip([url for url in server.urls if url.startswith("http:")], server.ports):
                host = "::1" if "[::1]" in url else "127.0.0.1"
                with Client((host, port)) as client:
                    self.assertEqual(client.get("/").body, PAGE)
            for _ in range(20):  # whichever worker takes it
                self.assertTrue(over_unix(path, request("/")).endswith(PAGE))
        self.assertFalse(path.exists(), "it is removed at the end")

    def test_deferred(self):
        """A connection without bytes is not seen; with them it is answered as any other."""
        for options, env, seen in ((("--defer-accept",), {}, 1), ((), {"CAIRN_DEFER_ACCEPT": "1"}, 1),
                                   ((), {}, 2)):
            with Server(self.index, options=options, env=env, workers=1) as server:
                begun = time.monotonic()
                with server.client() as silent, server.client() as client:
                    self.assertEqual(client.get("/").body, PAGE)
                    status = server.command("status")
                    # a second later the system shows it all the same
                    if seen == 2 or time.monotonic() - begun < 0.5:
                        self.assertIn(f" accepted={seen} ", status)
                    self.assertEqual(silent.get("/").body, PAGE)
                    self.assertIn(" accepted=2 ", server.command("status"))
        path = self.folder / "deferred.sock"
        with Server(self.index, listen=(f"unix:{path}",), options=("--defer-accept",)):
            self.assertTrue(over_unix(path, request("/")).endswith(PAGE))

    def test_unix_socket_mode(self):
        for options, env, mode in (((), {}, 0o660), (("--socket-mode", "600"), {}, 0o600),
                                   (("--socket-mode", "0666"), {"CAIRN_SOCKET_MODE": "600"}, 0o666),
                                   ((), {"CAIRN_SOCKET_MODE": "640"}, 0o640)):
            path = self.folder / "mode.sock"
            with Server(self.index, listen=(f"unix:{path}",), options=options, env=env):
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), mode)
        for mode in ("", "8", "rw", "1777", "0"):
            done = cairn.run("cairn-serve", "--socket-mode", mode, self.index, expect=2)
            self.assertIn("--socket-mode", done.err)

    def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(self):
        path = self.folder / "stale.sock"
        with Server(self.index, listen=(f"unix:{path}",), expect_exit=-signal.SIGKILL) as server:
            server.kill()
            self.assertTrue(path.exists())
        with Server(self.index, listen=(f"unix:{path}",)) as server:
            self.assertTrue(over_unix(path, request("/")).endswith(PAGE))
            done = cairn.run("cairn-serve", "--listen", f"unix:{path}", self.index, expect=1)
            self.assertIn("another server listens here", done.err)
            self.assertTrue(over_unix(path, request("/")).endswith(PAGE))
        path.write_text("not a socket")
        done = cairn.run("cairn-serve", "--listen", f"unix:{path}", self.index, expect=1)
        self.assertIn("something else than a socket", done.err)
        self.assertEqual(path.read_text(), "not a socket")

    def test_a_failing_start_leaves_no_socket(self):
        path = self.folder / "left.sock"
        with Server(self.index) as server:
            done = cairn.run("cairn-serve", "--listen", f"unix:{path}", "--listen",
                             f"127.0.0.1:{server.ports[0]}", self.index, expect=1)
            self.assertIn("127.0.0.1", done.err)
        self.assertFalse(path.exists())

    def test_paths_that_cannot_be(self):
        done = cairn.run("cairn-serve", "--listen", "unix:", self.index, expect=2)
        self.assertIn("unix:", done.err)
        done = cairn.run("cairn-serve", "--listen", "unix:/" + "x" * 200, self.index, expect=2)
        self.assertIn("bytes", done.err)
        done = cairn.run("cairn-serve", "--listen", f"unix:{self.folder}/no/x.sock", self.index,
                         expect=1)
        self.assertIn("No such file", done.err)

    def test_a_long_body_over_a_unix_socket(self):
        path = self.folder / "big.sock"
        with Server(self.index, listen=(f"unix:{path}",)):
            got = over_unix(path, request("/big.bin", fields="Connection: close\r\n"))
            self.assertTrue(got.endswith(cairn.noise(3_000_000, "x")))


def v2(command, family, payload):
    return SIGNATURE_V2 + bytes([0x20 | command, family]) + struct.pack(">H", len(payload)) + payload


V4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.8") + struct.pack(">HH", 5000, 80)
V6 = (socket.inet_pton(socket.AF_INET6, "2001:db8::7") +
      socket.inet_pton(socket.AF_INET6, "2001:db8::8") + struct.pack(">HH", 5000, 80))
GOOD = [b"PROXY TCP4 192.0.2.7 192.0.2.8 5000 80\r\n", b"PROXY TCP6 2001:db8::7 2001:db8::8 1 2\r\n",
        b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN whatever there is\r\n", v2(1, 0x11, V4),
        v2(1, 0x21, V6), v2(0, 0x00, b""), v2(1, 0x11, V4 + b"\x04\x00\x01x"), v2(1, 0x31, b"\0" * 216)]
BAD = [b"", b"PROXY TCP4 192.0.2.7 192.0.2.8 5000\r\n", b"PROXY TCP4 192.0.2.7 192.0.2.8 5000 x\r\n",
       b"PROXY TCP4 2001:db8::7 2001:db8::8 1 2\r\n", b"PROXY " + b"x" * 120, b"proxy UNKNOWN\r\n",
       b"PROXY UNKNOWN\n", SIGNATURE_V2 + b"\x11\x11\0\x0c" + V4, v2(2, 0x11, V4),
       v2(1, 0x11, V4[:8]), b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" + V4]


class TestProxyProtocol(Listeners):
    def test_both_versions_whole_and_in_pieces(self):
        with Server(self.index, options=["--proxy-protocol-from", "127.0.0.0/8"]) as server:
            for header in GOOD:
                for step in (1, 7, 10_000):
                    with self.subTest(header, step=step), server.client() as client:
                        data = header + request("/") + request("/missing")
                        for at in range(0, len(data), step):
                            client.send(data[at:at + step])
                        self.assertEqual(client.read().body, PAGE)
                        self.assertEqual(client.read().status, 404)
            for header in BAD:
                with self.subTest(header), server.client() as client:
                    client.send(header + request("/"))
                    try:
                        self.assertTrue(client.is_closed())
                    except ConnectionResetError:
                        pass  # it had more to read

    def test_only_from_those_it_is_expected_of(self):
        with Server(self.index, options=["--proxy-protocol-from", "192.0.2.0/24,::1"]) as server:
            self.assertEqual(server.get("/").body, PAGE)
            with server.client() as client:
                client.send(GOOD[0] + request("/"))
                self.assertEqual(client.read().status, 400)
        path = self.folder / "proxy.sock"
        with Server(self.index, listen=(f"unix:{path}",),
                    options=["--proxy-protocol-from", "unix"]):
            self.assertTrue(over_unix(path, GOOD[0] + request("/")).endswith(PAGE))
            try:
                self.assertEqual(over_unix(path, request("/")), b"")
            except ConnectionResetError:
                pass

    def test_the_client_behind_it_counts(self):
        """The limit per address is that of the one who is spoken for."""
        options = ["--proxy-protocol-from", "127.0.0.1", "--limit", "address-connections=2"]
        with Server(self.index, options=options, workers=1) as server:
            def connect(address):
                client = server.client()
                self.addCleanup(client.close)
                client.send(f"PROXY TCP4 {address} 192.0.2.8 5000 80\r\n".encode() + request("/"))
                return client
            for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"):
                self.assertEqual(connect(address).read().body, PAGE)
            refused = connect("192.0.2.1")
            try:
                self.assertTrue(refused.is_closed())
            except ConnectionResetError:
                pass

    def test_lists_that_are_off(self):
        for text in ("x", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0", "1.2.3.4/-1"):
            done = cairn.run("cairn-serve", "--proxy-protocol-from", text, self.index, expect=2)
            self.assertIn(text, done.err)


if __name__ == "__main__":
    unittest.main()

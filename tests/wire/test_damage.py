"""Somebody cuts or overwrites the files under a running server: it goes on, says which file it was,
and the site comes back with the next good release."""
import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, request, wait_until

PAGE = b"<!doctype html><title>page</title>\n"
BIG = cairn.noise(3_000_000, "damage")


class Damage(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        files = {"index.html": PAGE, "big.bin": BIG, "404.html": b"<title>none</title>\n",
                 **{f"p/{number}.html": f"<title>{number}</title>\n" for number in range(3000)}}
        self.index = self.pack_tree(files)
        self.other = self.pack_tree({"index.html": b"<title>other</title>\n"}, name="other")

    def serve(self, **keywords):
        server = Server(self.index, self.other, "host=other.example", **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        return server

    def expect_other_goes_on(self, server):
        with server.client() as client:
            client.send("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n")
            self.assertEqual(client.read().body, b"<title>other</title>\n")

    def expect_503(self, server, target="/"):
        answer = server.get(target)
        self.assertEqual(answer.status, 503)
        self.assertIsNotNone(answer["Retry-After"])

    def repaired(self, server):
        """A good release of the same tree, packed into a new archive."""
        index = cairn.pack(self.folder / "site-tree", self.folder / "new.cairn")
        server.load(index)
        self.assertEqual(server.get("/").body, PAGE)
        self.assertEqual(server.get("/p/77.html").status, 200)


class TestIndex(Damage):
    def test_cut_anywhere(self):
        """Whichever part is gone: answers from what is left, or 503; never the end."""
        size = self.index.stat().st_size
        for keep in (0, 4096, size // 4, size // 2, size * 3 // 4, size - 4096):
            with self.subTest(keep=keep):
                copy = self.folder / f"copy{keep}.idx"
                copy.write_bytes(self.index.read_bytes())
                (self.folder / f"copy{keep}.cairn").write_bytes(
                    (self.folder / "site.cairn").read_bytes())
                with Server(copy, self.other, "host=other.example") as server:
                    self.assertEqual(server.get("/").body, PAGE)
                    os.truncate(copy, keep)
                    statuses = {server.get(f"/p/{number}.html").status for number in range(300)}
                    self.assertTrue(statuses <= {200, 503}, statuses)
                    if keep < size // 2:  # else what is asked for may all be in what is left
                        self.assertIn(503, statuses)
                    if 503 in statuses:
                        self.expect_503(server)
                        server.wait_log(f"{copy.resolve()}: cut short")
                    self.assertEqual(server.log().count(f"{copy.resolve()}: cut short"),
                                     1 if 503 in statuses else 0)
                    self.expect_other_goes_on(server)
                    self.repaired(server)
                    os.unlink(self.folder / "new.cairn")

    def test_keep_alive_connections_stay(self):
        server = self.serve(workers=1)
        with server.client() as client:
            self.assertEqual(client.get("/").body, PAGE)
            os.truncate(self.index, 0)
            for _ in range(3):
                self.assertEqual(client.get("/").status, 503)
            self.repaired(server)
            self.assertEqual(client.get("/").body, PAGE)

    def test_the_same_release_is_loaded_again(self):
        """The file comes back as it was: that is a good release too."""
        content = self.index.read_bytes()
        server = self.serve()
        os.truncate(self.index, 0)
        self.expect_503(server)
        reply = server.command(f"load index {self.index}")
        self.assertTrue(reply.startswith("error load index: "), reply)
        self.expect_503(server)
        self.index.write_bytes(content)
        reply = server.command(f"load index {self.index}")
        self.assertTrue(reply.startswith("ok load index "), reply)
        self.assertNotIn("unchanged", reply)
        self.assertEqual(server.get("/").body, PAGE)

    def test_a_pipeline_over_the_cut(self):
        server = self.serve(workers=1)
        with server.client() as client:
            self.assertEqual(client.get("/").body, PAGE)
            os.truncate(self.index, 0)
            client.send(request("/") * 20)
            self.assertEqual({client.read().status for _ in range(20)}, {503})

    def test_overwritten_with_noise(self):
        """Nobody can tell what is right then; but nothing is read outside, and the server goes on."""
        server = self.serve()
        for seed in range(5):
            with open(self.index, "r+b") as file:
                file.write(cairn.noise(self.index.stat().st_size, seed))
            for number in range(200):
                with server.client() as client:
                    client.send(request(f"/p/{number}.html", fields="Connection: close\r\n"))
                    client.read_to_end()
            self.expect_other_goes_on(server)
        self.repaired(server)

    def test_older_layers(self):
        """A retained older release is only asked for its immutable files: without it, 404."""
        chunk = "assets/index-4f9a8b2c.js"
        files = {"index.html": PAGE, chunk: "old\n", "assets/other-1a2b3c4d.js": "x\n"}
        first = self.pack_tree(files, name="stack")
        with Server(first) as server:
            tree = cairn.write_tree(self.folder / "stack-tree",
                                    {"index.html": PAGE, "assets/other-1a2b3c4d.js": "x\n"})
            server.load(cairn.pack(tree, self.folder / "stack.cairn"))
            self.assertEqual(server.get("/" + chunk).body, b"old\n")
            os.truncate(first, 0)
            self.assertEqual(server.get("/" + chunk).status, 404)
            self.assertEqual(server.get("/").body, PAGE)
            server.wait_log("cut short")


class TestOverwritten(Damage):
    """With as many bytes as there were, so that nothing is out of reach."""

    def overwrite(self, path, content, offset=0):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(content)

    def states(self, server):
        server.send("list\n")
        return [row.split(" state=")[1].split()[0] for row in server.read_reply()[:-1]]

    def expect_found(self, server, what):
        self.assertEqual(sorted(self.states(server)), ["damaged", "live"])
        server.wait_log(f"{self.index}: {what}")
        self.expect_503(server)
        self.expect_other_goes_on(server)
        self.repaired(server)
        self.assertEqual(server.log().count(what), 1)

    def test_an_index_by_another_one(self):
        files = {name: path.read_bytes()[::-1]  # as long, and other bytes
                 for name, path in cairn.site_files(self.folder / "site-tree").items()}
        another = self.pack_tree(files, name="another").read_bytes()
        self.assertEqual(len(another), self.index.stat().st_size)
        server = self.serve()
        self.overwrite(self.index, another)
        self.expect_found(server, "overwritten in its place")

    def test_one_byte_of_an_index(self):
        server = self.serve()
        for offset in range(self.index.stat().st_size - 1, 0, -1):
            last = self.index.read_bytes()[offset]
            if last != 0:  # what fills up is not looked at
                break
        self.overwrite(self.index, bytes([last ^ 1]), offset)
        server.command("status")
        self.expect_found(server, "overwritten in its place")

    def test_an_archive_by_another_one(self):
        server = self.serve()
        archive = self.folder / "site.cairn"
        self.overwrite(archive, cairn.noise(archive.stat().st_size, "another"))
        self.expect_found(server, "its archive was overwritten in its place, or cut")

    def test_an_archive_by_another_one_which_is_loaded(self):
        """The releases of the archive that is there now are good ones: its first, and those after."""
        server = self.serve()
        self.index.unlink()
        (self.folder / "site.idx").unlink()
        tree = cairn.write_tree(self.folder / "another-tree", {"index.html": PAGE * 2})
        another = cairn.pack(tree, self.folder / "another.cairn")
        content = (self.folder / "another.cairn").read_bytes()
        archive = self.folder / "site.cairn"
        self.overwrite(archive, content)
        os.truncate(archive, len(content))
        self.index.write_bytes(another.read_bytes())
        self.assertEqual(sorted(self.states(server)), ["damaged", "live"])
        self.expect_503(server)
        server.load(self.index)
        self.assertEqual(server.get("/").body, PAGE * 2)
        server.load(cairn.pack(self.folder / "site-tree", archive))
        self.assertEqual(server.get("/").body, PAGE)
        self.assertEqual(server.get("/p/77.html").status, 200)

    def test_a_load_finds_it(self):
        """The index that was put in the place of the old one is good: it is loaded, and the old one
        answers for nothing any more."""
        server = self.serve()
        newer = cairn.pack(self.folder / "site-tree", self.folder / "site.cairn")
        self.assertEqual(newer.stat().st_size, self.index.stat().st_size)
        self.overwrite(self.index, newer.read_bytes())
        self.assertEqual(server.load(self.index)["release"], "2")
        self.assertEqual(sorted(self.states(server)), ["damaged", "live", "live"])
        self.assertEqual(server.get("/").body, PAGE)

    def test_what_changes_no_byte(self):
        server = self.serve()
        self.index.chmod(0o600)
        os.utime(self.index)
        self.overwrite(self.index, self.index.read_bytes())
        cairn.pack(self.folder / "site-tree", self.folder / "site.cairn")  # the archive grows
        self.assertEqual(self.states(server), ["live", "live"])
        self.index.rename(self.folder / "away.idx")  # and a name may go to another file
        self.index.write_bytes(b"something else")
        self.assertEqual(self.states(server), ["live", "live"])
        self.assertEqual(server.get("/").body, PAGE)


class TestArchive(Damage):
    def test_cut_under_a_download(self):
        server = self.serve(workers=1)
        archive = self.folder / "site.cairn"
        with server.client(receive_buffer=4096) as client:
            client.send(request("/big.bin"))
            client.socket.recv(1000)
            os.truncate(archive, 4096)
            rest = client.read_to_end()
            self.assertLess(len(rest), len(BIG))
        server.wait_log("its archive was cut short")
        self.expect_503(server)
        self.expect_other_goes_on(server)
        self.repaired(server)
        self.assertEqual(server.log().count("was cut short"), 1)

    def test_cut_under_small_bodies(self):
        server = self.serve(workers=2)
        self.assertEqual(server.get("/").body, PAGE)
        os.truncate(self.folder / "site.cairn", 4096)

        def is_503():
            with server.client() as client:
                client.send(request("/p/5.html", fields="Connection: close\r\n"))
                try:
                    return client.read_to_end().startswith(b"HTTP/1.1 503")
                except ConnectionResetError:
                    return False
        wait_until(is_503, "the site answers 503")
        self.expect_other_goes_on(server)
        self.repaired(server)

    def test_a_load_from_a_cut_archive_is_refused(self):
        server = self.serve()
        next_index = cairn.pack(self.folder / "site-tree", self.folder / "site.cairn")
        os.truncate(self.folder / "site.cairn", 8192)
        reply = server.command(f"load index {next_index}")
        self.assertTrue(reply.startswith("error load index: "), reply)
        self.assertIn("site.cairn", reply)
        self.expect_other_goes_on(server)


if __name__ == "__main__":
    unittest.main()

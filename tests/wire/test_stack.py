"""The stack of releases: taking back, unloading, promoting, falling off; what an open tab still
gets, and what is gone."""
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, wait_until


def chunk(number):
    return f"assets/index-{number}f9a8b2c.js"


def partner(number):
    return f"assets/vendor-{number}c3d4e5f.css"


class Stack(cairn.TemporaryFolder):
    """Releases 1, 2, 3 of one site, each with a page of its own and chunks with fingerprints."""

    def setUp(self):
        super().setUp()
        self.indexes = {}
        for number in (1, 2, 3):
            tree = cairn.write_tree(self.folder / "tree", {
                "index.html": f"<title>release {number}</title>\n",
                f"only{number}.html": f"<title>only {number}</title>\n",
                chunk(number): f"chunk {number}\n", partner(number): f"/* {number} */\n"})
            self.indexes[number] = cairn.pack(tree, self.folder / "site.cairn")

    def serve(self, *numbers, **keywords):
        server = Server(*(self.indexes[number] for number in numbers), **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        return server

    def page(self, server, host="x"):
        with server.client() as client:
            client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
            answer = client.read()
            return answer.body.decode() if answer.status == 200 else answer.status

    def expect_release(self, server, number, host="x"):
        self.assertEqual(self.page(server, host), f"<title>release {number}</title>\n")

    def rows(self, server):
        """[(id, release, state)] of `list`."""
        server.send("list\n")
        return [tuple(re.search(rf" {name}=(\S+)", row).group(1) for name in ("id", "release", "state"))
                for row in server.read_reply()[:-1]]


class TestOverlays(Stack):
    """What an overlay is laid over comes with it, from beside the archive."""

    def setUp(self):
        super().setUp()
        tree = self.folder / "tree"
        for number in (4, 5):
            cairn.write_tree(tree, {**{path.relative_to(tree).as_posix(): path.read_bytes()
                                       for path in tree.rglob("*") if path.is_file()},
                                    f"only{number}.html": f"<title>only {number}</title>\n"})
            self.indexes[number] = cairn.pack(tree, self.folder / "site.cairn", "--overlay")

    def expect_whole(self, server, number=5, **keywords):
        self.expect_release(server, 3, **keywords)
        for name in range(3, 6):
            self.assertEqual(server.get(f"/only{name}.html").status, 200 if name <= number else 404)

    def test_a_start_by_the_link_to_the_newest(self):
        """As a service that its unit starts again."""
        server = Server(self.folder / "site.idx")
        server.__enter__()
        self.expect_whole(server)
        server.kill()
        with Server(self.folder / "site.idx") as server:
            self.expect_whole(server)
            self.assertEqual([row[1] for row in self.rows(server)], ["5", "4", "3"])

    def test_what_is_below_is_not_loaded_again(self):
        server = self.serve(1, 3)
        self.assertEqual(server.load(self.indexes[4])["layers"], "3")
        self.assertEqual(server.load(self.indexes[5])["layers"], "4")
        self.expect_whole(server)

    def test_one_between_is_missing(self):
        server = self.serve(3)
        self.assertEqual(server.load(self.indexes[5])["layers"], "3")
        self.expect_whole(server)

    def test_back_to_an_older_one(self):
        """It is laid over what it was laid over then, not over what is newer."""
        server = self.serve(5)
        newest = cairn.pack(cairn.write_tree(self.folder / "new", {"new.html": "new\n"}),
                            self.folder / "site.cairn")
        server.load(newest)
        self.assertEqual(server.get("/only4.html").status, 404)
        server.load(self.indexes[4])
        self.expect_whole(server, 4)
        self.assertEqual(server.get("/new.html").status, 404)

    def test_where_it_is_looked_at(self):
        server = self.serve()
        server.load(f"{self.indexes[5]} host=preview.example")
        self.expect_release(server, 3, host="preview.example")
        self.assertEqual(self.page(server, "elsewhere.example"), 421)

    def test_an_archive_is_mapped_once(self):
        with Server(self.indexes[5]) as server:
            maps = Path(f"/proc/{server.pid}/maps").read_text()
            self.assertEqual(sum(line.endswith("/site.cairn") for line in maps.splitlines()), 1)
            self.expect_whole(server)

    def test_an_archive_of_two_names(self):
        """What an overlay is laid over is looked for beside its own index."""
        server = self.serve(3)
        other = self.folder / "other"
        other.mkdir()
        (other / "site.cairn").hardlink_to(self.folder / "site.cairn")
        for number in (3, 4, 5):
            self.indexes[number].rename(other / self.indexes[number].name)
        server.load(f"{other / self.indexes[5].name} host=preview.example")
        with server.client() as client:
            for name in range(3, 6):
                client.send(f"GET /only{name}.html HTTP/1.1\r\nHost: preview.example\r\n\r\n")
                self.assertEqual(client.read().status, 200)

    def damaged(self, number):
        """Spoils an index in its place; returns what it was."""
        content = self.indexes[number].read_bytes()
        with open(self.indexes[number], "r+b") as file:
            file.write(bytes(len(content)))
        return content

    def test_a_base_that_was_damaged(self):
        """It has to be put back, and comes anew with whichever overlay above it is loaded."""
        for number in (3, 4):
            for newest in (4, 5):
                with self.subTest(damaged=number, loaded=newest):
                    server = self.serve(4)
                    content = self.damaged(number)
                    self.assertIn("damaged", [row[2] for row in self.rows(server)])
                    self.assertEqual(self.page(server), 503)
                    reply = server.command(f"load index {self.indexes[newest]}")
                    self.assertTrue(reply.startswith("error load index: "), reply)
                    self.assertIn(str(self.indexes[number]), reply)
                    self.assertEqual(self.page(server), 503)
                    with open(self.indexes[number], "r+b") as file:
                        file.write(content)
                    self.assertNotIn("unchanged", server.load(self.indexes[newest]))
                    self.expect_whole(server, newest)
                    self.assertNotIn("damaged", [row[2] for row in self.rows(server)])
                    self.assertIn("unchanged", server.load(self.indexes[newest]))

    def test_a_base_is_not_unloaded(self):
        server = self.serve(1, 5)
        for place, number in ((2, 3), (3, 4)):
            self.assertEqual(server.command(f"unload {place}"),
                             f"error unload: release {number + 1} (id {place + 1}) is laid over it")
        self.expect_whole(server)
        for place, number in ((4, 5), (3, 4), (2, 3), (1, 1)):
            self.assertTrue(server.command(f"unload {place}").startswith(
                f"ok unload id={place} release={number} "))

    def test_a_base_below_an_overlay_that_was_taken_back_is_unloaded(self):
        server = self.serve(1, 4)
        server.command("rollback")
        self.assertTrue(server.command("unload 2").startswith("ok unload id=2 release=3 "))
        self.expect_release(server, 1)

    def test_no_way_back_to_an_overlay_alone(self):
        """Its base was loaded again, and is above it now."""
        server = self.serve(5)
        server.load(self.indexes[3])
        self.expect_whole(server, 3)
        self.assertEqual(server.command("rollback"),
                         "error rollback: release 5 below it is nothing without those that it was "
                         "laid over; load it again")
        self.expect_whole(server, 3)
        server.load(self.indexes[5])
        self.expect_whole(server)
        self.assertTrue(server.command("rollback").startswith("ok rollback "))
        self.expect_whole(server, 4)

    def test_a_base_is_not_taken_back_from_below_an_overlay(self):
        """It is the newest of one host, and below the overlay of another."""
        server = self.serve(1)
        server.load(f"{self.indexes[3]} host=*,a.example")
        overlay = server.load(f"{self.indexes[4]} host=a.example")
        self.assertEqual(server.command("rollback"),
                         f"error rollback: release 4 (id {overlay['id']}) is laid over it")
        server.command("rollback host=a.example")
        self.assertTrue(server.command("rollback host=*").startswith("ok rollback id=1 "))
        self.expect_release(server, 1)

    def test_a_base_that_is_gone(self):
        server = self.serve(1)
        self.indexes[4].unlink()
        before = self.rows(server)
        reply = server.command(f"load index {self.indexes[5]}")
        self.assertRegex(reply, r"^error load index: .*000005\.idx: laid over a release that is not "
                                r"there: .*000004\.idx: ")
        self.assertEqual(self.rows(server), before)
        self.expect_release(server, 1)


class TestRollback(Stack):
    def test_back_step_by_step(self):
        server = self.serve(1, 2, 3)
        self.expect_release(server, 3)
        with server.client() as open_tab:
            self.assertEqual(open_tab.get("/").status, 200)
            reply = server.command("rollback")
            self.assertRegex(reply, r"^ok rollback id=2 release=2 paths=\d+ layers=3 ms=\d+\.\d$")
            self.expect_release(server, 2)
            # the tab has the page of release 3, and asks for its chunks
            self.assertEqual(open_tab.get("/" + chunk(3)).body, b"chunk 3\n")
        self.assertEqual(server.get("/only3.html").status, 404)
        self.assertEqual(server.get("/only2.html").status, 200)
        self.assertEqual(self.rows(server), [("2", "2", "live"), ("1", "1", "below"),
                                             ("3", "3", "retired")])
        self.assertTrue(server.command("rollback").startswith("ok rollback id=1 release=1 "))
        self.expect_release(server, 1)
        for number in (1, 2, 3):
            self.assertEqual(server.get("/" + chunk(number)).body, f"chunk {number}\n".encode())
        self.assertEqual(server.command("rollback"), "error rollback: there is no release below 1")
        self.expect_release(server, 1)

    def test_and_forward_again(self):
        server = self.serve(1, 2)
        server.command("rollback")
        self.expect_release(server, 1)
        reply = server.load(self.indexes[2])
        self.assertNotIn("unchanged", reply)
        self.expect_release(server, 2)
        self.assertEqual([row[1:] for row in self.rows(server)], [("2", "live"), ("1", "below")])

    def test_an_overlay(self):
        """What it changed is as before, also what it had deleted."""
        server = self.serve(3)
        tree = cairn.write_tree(self.folder / "over", {"index.html": "<title>overlay</title>\n"})
        overlay = cairn.pack(tree, self.folder / "site.cairn", "--overlay")
        server.load(overlay)
        self.assertEqual(self.page(server), "<title>overlay</title>\n")
        self.assertEqual(server.get("/only3.html").status, 404)  # it was deleted
        self.assertTrue(server.command("rollback").startswith("ok rollback "))
        self.expect_release(server, 3)
        self.assertEqual(server.get("/only3.html").status, 200)

    def test_of_one_of_several_sites(self):
        other = self.pack_tree({"index.html": "<title>other</title>\n"}, name="other")
        with Server(self.indexes[1], "host=a.example", self.indexes[2], other, "host=b.example",
                    "at=/x") as server:
            self.assertIn("nothing is loaded for host=* at=/", server.command("rollback"))
            self.assertIn("nothing is loaded for host=c.example", server.command("rollback host=c.example"))
            self.assertIn("no host", server.command("rollback host=!"))
            self.assertIn("it takes host=", server.command("rollback 7"))
            self.assertIn("it takes host=", server.command("rollback id=2 id=2"))
            self.assertIn("it takes host=", server.command("rollback id="))
            self.assertIn("no release below", server.command("rollback host=b.example at=/x"))
            self.assertTrue(server.command("rollback host=a.example").startswith("ok rollback id=1 "))
            self.expect_release(server, 1, "a.example")


    def test_only_of_what_was_meant(self):
        server = self.serve(1, 2, 3)
        for words in "id=2", "id=4", "id=03", "id=3x", "at=/ id=1":
            self.assertEqual(server.command(f"rollback {words}"), "error rollback: not id "
                             f"{words.split('id=')[1]} is on top, but id 3, release 3")
        self.expect_release(server, 3)
        self.assertTrue(server.command("rollback id=3 host=*").startswith("ok rollback id=2 "))
        self.assertTrue(server.command("rollback id=3").startswith("error rollback: "))
        self.expect_release(server, 2)


class TestUnload(Stack):
    def test_by_id_and_by_path(self):
        server = self.serve(1, 2, 3)
        self.assertEqual(server.command("unload 2"), "ok unload id=2 release=2 sites=2")
        self.expect_release(server, 3)
        self.assertEqual(server.get("/" + chunk(2)).status, 404)
        reply = server.command(f"unload {self.indexes[3]}")
        self.assertEqual(reply, "ok unload id=3 release=3 sites=1")
        self.expect_release(server, 1)
        self.assertEqual(server.get("/" + chunk(3)).status, 404)
        self.assertEqual(server.command("unload 1"), "ok unload id=1 release=1 sites=0")
        self.assertEqual(self.page(server), 503)
        server.load(self.indexes[2])
        self.expect_release(server, 2)

    def test_what_is_not_there(self):
        server = self.serve(1)
        for word in ("7", "0", "x", "/nonexistent.idx", str(self.indexes[2])):
            self.assertEqual(server.command(f"unload {word}"),
                             f"error unload: no loaded release has this id or path: {word}")
        self.assertTrue(server.command("unload").startswith("error unload: "))
        self.assertTrue(server.command("unload 1 host=x").startswith("error unload: it takes"))
        self.expect_release(server, 1)

    def test_retired_ones_alone_do_not_answer(self):
        server = self.serve(1, 2)
        server.command("rollback")
        self.assertTrue(server.command("unload 1").startswith("ok unload "))
        self.assertEqual(self.page(server), 503)
        self.assertEqual(self.rows(server), [])

    def test_a_download_outlives_it(self):
        big = cairn.noise(5_000_000, "stack")
        index = self.pack_tree({"big.bin": big}, name="big")
        with Server(index, workers=1) as server:
            with server.client(receive_buffer=4096) as client:
                client.send(cairn.request("/big.bin"))
                client.socket.recv(100, cairn.socket.MSG_PEEK)
                self.assertTrue(server.command("unload 1").startswith("ok unload "))
                self.assertEqual(server.get("/big.bin").status, 503)
                self.assertEqual(client.read().body, big)

            def unmapped():
                return str(self.folder / "big.cairn") not in Path(
                    f"/proc/{server.pid}/maps").read_text()
            wait_until(unmapped, "the archive is unmapped when its last response has ended")


class TestPreview(Stack):
    def test_look_at_it_and_promote_it(self):
        server = self.serve(1)
        preview = server.load(f"{self.indexes[2]} host=r2.preview.example")
        self.expect_release(server, 1)
        self.expect_release(server, 2, "r2.preview.example")
        # a deploy meanwhile goes to the site, not to the preview
        server.load(self.indexes[3])
        self.expect_release(server, 3)
        self.expect_release(server, 2, "r2.preview.example")
        reply = server.command(f"promote {preview['id']}")
        self.assertRegex(reply, r"^ok promote id=4 release=2 paths=\d+ layers=3 ms=\d+\.\d$")
        self.expect_release(server, 2)
        self.expect_release(server, 2, "r2.preview.example")
        self.assertTrue(server.command(f"unload {preview['id']}").startswith("ok unload "))
        self.expect_release(server, 2, "r2.preview.example")  # as every other host
        self.assertIn("unchanged=1", server.command(f"promote {self.indexes[2]}"))
        self.assertTrue(server.command("rollback").startswith("ok rollback id=3 "))
        self.expect_release(server, 3)

    def test_what_is_unchanged_is_named_where_it_is(self):
        """Not by the load of the same release somewhere else."""
        server = self.serve(1)
        preview = server.load(f"{self.indexes[1]} host=preview.example")
        self.assertEqual((preview["id"], "unchanged" in preview), ("2", False))
        for words, number in (("", "1"), (" host=*", "1"), (" host=preview.example", "2")):
            reply = server.load(f"{self.indexes[1]}{words}")
            self.assertEqual((reply["id"], reply["unchanged"]), (number, "1"), words)

    def test_to_a_place_that_is_named(self):
        server = self.serve(1)
        reply = server.command("promote 1 host=www.example at=/v1")
        self.assertTrue(reply.startswith("ok promote id=2 release=1 "), reply)
        with server.client() as client:
            client.send("GET /v1/ HTTP/1.1\r\nHost: www.example\r\n\r\n")
            self.assertEqual(client.read().body, b"<title>release 1</title>\n")
        self.assertTrue(server.command("promote 9").startswith("error promote: no loaded release"))
        self.assertTrue(server.command("promote").startswith("error promote: "))


class TestRetention(Stack):
    def test_for_some_time(self):
        """What was superseded falls off by itself, and what is on top never."""
        server = self.serve(1, 2, options=["--retain-for", "1s"])
        status = server.get("/" + chunk(1)).status
        if len(self.rows(server)) == 2:  # it was there all the time
            self.assertEqual(status, 200)
        wait_until(lambda: len(self.rows(server)) == 1, "release 1 fell off")
        self.assertEqual(server.get("/" + chunk(1)).status, 404)
        self.expect_release(server, 2)
        for _ in range(30):
            server.load(self.indexes[3])
            if server.command("rollback").startswith("ok rollback "):
                break
            server.load(self.indexes[2])  # it had fallen off before that: once more
        else:
            self.fail("release 2 always fell off before the rollback")
        self.expect_release(server, 2)
        wait_until(lambda: len(self.rows(server)) == 1, "the retired one fell off")
        self.expect_release(server, 2)

        def is_mapped(number):
            return str(self.indexes[number]) in Path(f"/proc/{server.pid}/maps").read_text()
        wait_until(lambda: not is_mapped(1) and not is_mapped(3), "they are unmapped")

    def test_flags(self):
        for text in ("", "0", "x", "1w", "1ss", "-1s", "99999999999d"):
            done = cairn.run("cairn-serve", "--retain-for", text, self.indexes[1], expect=2)
            self.assertIn("--retain-for", done.err)
        server = self.serve(1, env={"CAIRN_RETAIN_FOR": "7d"})
        self.expect_release(server, 1)


if __name__ == "__main__":
    unittest.main()

"""Signed releases: what cairn-pack signs, and that a server with --trust loads nothing else, nothing
that was altered, and nothing older than what it serves."""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, wait_until
from test_handover import is_running

EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}
COMMIT_BYTES, SIGNATURE_BYTES = 128, 192
ALTERED = "this is not what key {} has signed: the index or the signature was altered"


def page(text):
    return f"<!doctype html><title>{text}</title>\n" + "<p>text that compresses well</p>\n" * 40


class Signed(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.archive = self.folder / "site.cairn"
        self.tree = self.folder / "tree"
        self.key, self.id = self.keygen("k")
        self.public = Path(f"{self.key}.pub")
        self.files = {"index.html": page("first"), "a.html": page("a"),
                      "big.bin": cairn.noise(300_000, "signed")}

    def keygen(self, name):
        path = self.folder / name
        done = cairn.run("cairn-pack", "keygen", path)
        return path, re.match(r"key ([0-9a-f]{32})\n", done.out).group(1)

    def add(self, *options, files=None, key=None, expect=0, **keywords):
        """The next release, signed; returns its index."""
        cairn.write_tree(self.tree, files or self.files, 1_600_000_000)
        return cairn.pack(self.tree, self.archive, "--sign", key or self.key, *options, **keywords)

    def release(self, number, **keywords):
        return self.add(files={**self.files, "index.html": page(f"release {number}")}, **keywords)

    def trusting(self, *words, keys=None, **keywords):
        options = [word for key in keys or [self.public] for word in ("--trust", key)]
        return Server(*words, options=[*options, *keywords.pop("options", ())], **keywords)

    def expect_refused(self, server, path, *texts):
        reply = server.command(f"load index {path}")
        self.assertTrue(reply.startswith(f"error load index: {path}: "), reply)
        for text in texts:
            self.assertIn(text, reply)
        return reply

    def expect_not_started(self, *words, text, **keywords):
        with self.trusting(*words, expect_exit=1, wait_ready=False, **keywords) as server:
            server.wait()
            self.assertIn(text, server.log())


class TestKeys(Signed):
    def test_keygen(self):
        self.assertEqual(self.key.stat().st_mode & 0o7777, 0o600)
        self.assertEqual(self.public.stat().st_mode & 0o077, 0o044 & ~os.umask(os.umask(0)))
        before = self.key.read_bytes(), self.public.read_bytes()
        done = cairn.run("cairn-pack", "keygen", self.key, expect=1)
        self.assertIn(f"{self.key}: File exists", done.err)
        self.assertEqual((self.key.read_bytes(), self.public.read_bytes()), before)
        self.assertNotEqual(self.keygen("other")[1], self.id)
        cairn.run("cairn-pack", "keygen", expect=2)

    def test_a_private_key_is_never_printed(self):
        secret = self.key.read_text().splitlines()[1]
        self.key.chmod(0o644)
        done = cairn.run("cairn-pack", "add", "--sign", self.key, self.folder, self.archive, expect=1)
        self.assertIn("its mode is 0644, and a private key must be its owner's alone", done.err)
        self.key.chmod(0o600)
        shown = [done, cairn.run("cairn-pack", "verify", "--trust", self.key, self.archive, expect=1)]
        self.assertIn("this is a private key", shown[1].err)
        self.add()
        shown.append(cairn.run("cairn-pack", "list", "--json", self.archive))
        self.expect_not_started(keys=[self.key], text="this is a private key")
        for done in shown:
            self.assertNotIn(secret, done.out + done.err)
        self.assertNotIn(secret.encode(), self.archive.read_bytes())

    def test_refused_before_anything_is_packed(self):
        cairn.write_tree(self.tree, self.files)
        for key in (self.folder / "absent", self.public, self.tree):
            done = cairn.run("cairn-pack", "add", "--sign", key, self.tree, self.archive, expect=1)
            self.assertIn(str(key), done.err)
            self.assertFalse(self.archive.exists())

    def test_keys_of_the_openssl_program(self):
        openssl = shutil.which("openssl")
        if openssl is None:
            self.skipTest("openssl is not installed")

        def run(*words):
            subprocess.run([openssl, *map(str, words)], check=True, capture_output=True)
        key, public = self.folder / "o.pem", self.folder / "o.pub"
        run("genpkey", "-algorithm", "ed25519", "-out", key)
        key.chmod(0o600)
        run("pkey", "-in", key, "-pubout", "-out", public)
        index = self.add(key=key)
        self.assertIn(" key=", cairn.run("cairn-pack", "verify", "--trust", public, index).out)
        with self.trusting(index, keys=[public]) as server:
            self.assertEqual(server.get("/a").status, 200)
        # and the other way round: openssl checks what cairn-pack has signed
        index = self.release(2)
        stored = self.archive.read_bytes()[-COMMIT_BYTES - 64:-COMMIT_BYTES]
        (self.folder / "signature").write_bytes(stored)
        import hashlib
        (self.folder / "message").write_bytes(
            b"cairn release 1\0" + hashlib.sha256(index.read_bytes()).digest())
        run("pkeyutl", "-verify", "-pubin", "-inkey", self.public, "-rawin",
            "-in", self.folder / "message", "-sigfile", self.folder / "signature")

    def test_trust_that_is_none(self):
        index = self.add()
        self.expect_not_started(index, keys=[self.folder / "absent"], text="absent: No such file")
        for value in ("", ","):
            with Server(index, env={"CAIRN_TRUST": value}, expect_exit=2, wait_ready=False) as server:
                server.wait()
                self.assertIn("CAIRN_TRUST: set, but it says nothing", server.log())
        unsigned = self.pack_tree({"index.html": "unsigned\n"}, name="unsigned")
        other, _ = self.keygen("other")
        with Server(index, env={"CAIRN_TRUST": f"{other}.pub,{self.public}"}) as server:
            self.expect_refused(server, unsigned, "release 1: it is not signed")


class TestPack(Signed):
    def test_the_same_bytes_from_the_same_key(self):
        first = self.add(env=EPOCH)
        wanted = self.archive.read_bytes(), first.read_bytes()
        for path in self.folder.glob("site.*"):
            path.unlink()
        self.assertEqual(self.add(env=EPOCH), first)
        self.assertEqual((self.archive.read_bytes(), first.read_bytes()), wanted)

    def test_list_and_verify_say_who(self):
        cairn.write_tree(self.tree, self.files)
        cairn.pack(self.tree, self.archive)
        unsigned = cairn.run("cairn-pack", "list", self.archive).out
        self.assertTrue(unsigned.endswith("\nrelease 1: not signed\n"), unsigned)
        self.assertIsNone(json.loads(cairn.run("cairn-pack", "list", "--json", self.archive).out)
                          ["signed_by"])
        index = self.release(2)
        self.assertTrue(cairn.run("cairn-pack", "list", index).out
                        .endswith(f"\nrelease 2: signed by key {self.id}\n"))
        self.assertEqual(json.loads(cairn.run("cairn-pack", "list", "--json", index).out)
                         ["signed_by"], self.id)
        self.assertIn(f" key={self.id} ", self.verify(index).out)
        self.assertIn("release 1: it is not signed", self.verify("--archive", expect=1).err)
        self.assertIn("ok releases=2 ",
                      cairn.run("cairn-pack", "verify", "--archive", self.archive).out)

    def verify(self, *words, keys=None, expect=0):
        trust = [word for key in keys or [self.public] for word in ("--trust", key)]
        path = [] if words and isinstance(words[-1], Path) else [self.archive]
        return cairn.run("cairn-pack", "verify", *trust, *words, *path, expect=expect)

    def test_verify_every_release(self):
        other, other_id = self.keygen("other")
        indexes = [self.release(1), self.release(2, key=other), self.release(3)]
        self.assertIn(f"{indexes[1].name}: release 2: signed by key {other_id}, which is not trusted",
                      self.verify("--archive", expect=1).err)
        self.verify()  # the newest alone
        self.assertIn("signed=1", self.verify("--archive", keys=[f"{other}.pub", self.public]).out)
        kept = indexes[0].read_bytes()
        indexes[0].unlink()
        self.assertIn("rebuild makes lost indexes again",
                      self.verify("--archive", keys=[f"{other}.pub", self.public], expect=1).err)
        cairn.run("cairn-pack", "rebuild", self.archive)
        self.assertEqual(indexes[0].read_bytes(), kept, "the signature holds")
        self.verify("--archive", keys=[f"{other}.pub", self.public])

    def test_compact_signs_anew(self):
        for number in (1, 2, 3):
            self.release(number)
        new = self.folder / "new.cairn"
        cairn.run("cairn-pack", "compact", "--keep", "2", self.archive, new)
        done = cairn.run("cairn-pack", "verify", "--trust", self.public, new, expect=1)
        self.assertIn("release 3: it is not signed", done.err)
        newer = self.folder / "newer.cairn"
        cairn.run("cairn-pack", "compact", "--keep", "2", "--sign", self.key, self.archive, newer)
        cairn.run("cairn-pack", "verify", "--archive", "--trust", self.public, newer)
        with self.trusting(self.folder / "newer.idx") as server:
            self.assertEqual(server.get("/").body.decode(), page("release 3"))

    def test_rebuild_of_what_survived(self):
        """Another release than the one that was signed: said, and signed if there is a key."""
        for sign in (False, True):
            self.archive.unlink(missing_ok=True)
            self.add(files={"index.html": page("whole"), "lost.txt": "lost\n"})
            content = bytearray(self.archive.read_bytes())
            content[content.index(b"lost\n")] ^= 1
            self.archive.write_bytes(content)
            done = cairn.run("cairn-pack", "rebuild", *(["--sign", self.key] if sign else []),
                             self.archive)
            self.assertIn("lost: lost.txt", done.err)
            self.assertEqual("release 1 was signed, this one is not" in done.err, not sign)
            cairn.run("cairn-pack", "verify", "--trust", self.public, self.archive,
                      expect=0 if sign else 1)

    def test_tools_read_signed_archives(self):
        """Records of a signature are passed over, with the cache of the last run and without."""
        first = self.release(1)
        second = self.release(2)
        self.archive.with_suffix(".cache").unlink()
        third = self.add(files={"index.html": page("release 3")})
        overlay = self.add("--overlay", files={"index.html": page("release 4")})
        for index in (first, second, third, overlay):
            cairn.verify(index)
        self.assertIn("0 added", cairn.run("cairn-pack", "diff", first, second).out)
        for index in (first, second, third, overlay):
            index.unlink()
        done = cairn.run("cairn-pack", "rebuild", self.archive)
        self.assertNotIn("warning", done.err)
        cairn.run("cairn-pack", "verify", "--archive", "--trust", self.public, self.archive)
        cairn.run("cairn-pack", "extract", second, self.folder / "out")
        self.assertEqual(cairn.read_tree(self.folder / "out"),
                         {**{name: content.encode() if isinstance(content, str) else content
                             for name, content in self.files.items()},
                          "index.html": page("release 2").encode()})
        cairn.run("cairn-pack", "verify", "--archive", self.archive)


class TestRefusals(Signed):
    def test_unsigned_and_signed_by_another(self):
        other, other_id = self.keygen("other")
        index = self.add()
        unsigned = self.pack_tree({"index.html": "unsigned\n"}, name="unsigned")
        strange = self.release(2, key=other)
        with self.trusting(index) as server:
            self.expect_refused(server, unsigned, "release 1: it is not signed")
            self.expect_refused(server, strange,
                                f"release 2: signed by key {other_id}, which is not trusted")
            self.assertEqual(server.command("list"), "ok list sites=1")
            self.assertEqual(server.get("/").body.decode(), page("first"))
        self.expect_not_started(unsigned, text="release 1: it is not signed")
        self.expect_not_started(strange, text=f"signed by key {other_id}, which is not trusted")
        with Server(unsigned, strange) as server:  # without --trust all is as ever
            self.assertEqual(server.get("/").status, 200)
        keys = [self.public, f"{other}.pub"]  # while keys are changed, both count
        with self.trusting(index, strange, keys=keys) as server:
            self.assertEqual(server.get("/").body.decode(), page("release 2"))

    def flip(self, path, at, bit=0x20):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ bit]))

    def test_one_byte_of_the_index(self):
        index = self.add()
        count = index.stat().st_size
        sections = [struct.unpack_from("<IIQQQ", index.read_bytes(), 128 + 32 * row)
                    for row in range(6)]
        places = {0, 9, 16, 32, 40, 48, 56, 64, 88, 104, 120, 128, 152, 319, count - 1}
        for _, _, offset, length, _ in sections:
            places |= {offset, offset + length // 2, offset + length - 1} if length else set()
        with self.trusting() as server:
            for at in sorted(places):
                with self.subTest(at=at):
                    self.flip(index, at)
                    self.expect_refused(server, index)
                    self.flip(index, at)
            server.load(index)

    def test_one_byte_of_the_signature_and_of_the_commit_record(self):
        index = self.add()
        end = self.archive.stat().st_size
        with self.trusting() as server:
            for at in range(end - COMMIT_BYTES - SIGNATURE_BYTES, end, 5):
                with self.subTest(at=at - end):
                    self.flip(self.archive, at)
                    self.expect_refused(server, index)
                    self.flip(self.archive, at)
            server.load(index)

    def test_one_byte_of_each_content(self):
        """Of every stored form, at its start, middle and end: named, and nothing is served of it."""
        index = self.add(files={**self.files, "same.html": page("a"), "empty.txt": b""})
        listed = json.loads(cairn.run("cairn-pack", "list", "--json", index).out)
        whole = self.archive.read_bytes()
        forms = [(row["path"], form["coding"]) for row in listed["paths"]
                 for form in row.get("representations", ())]
        self.assertGreater(len({coding for _, coding in forms}), 2, forms)
        with Server(index) as server:
            bodies = {(path, coding): server.get(path, fields=f"Accept-Encoding: {coding}\r\n").body
                      for path, coding in forms}
        seen = 0
        with self.trusting() as server:
            for (path, coding), body in bodies.items():
                start = whole.index(body)
                for at in {start, start + len(body) // 2, start + len(body) - 1} if body else ():
                    with self.subTest(path=path, coding=coding, at=at - start):
                        self.flip(self.archive, at)
                        reply = self.expect_refused(server, index, f"signed by key {self.id}, but ",
                                                    f"{self.archive}: /")
                        self.assertTrue(reply.endswith(": not the bytes that were signed"), reply)
                        self.flip(self.archive, at)
                        seen += 1
            self.assertEqual(server.command("list"), "ok list sites=0")
            server.load(index)
        self.assertGreater(seen, 10)

    def test_the_first_of_many_is_named(self):
        """On several threads too."""
        files = {f"{number:03}.bin": cairn.noise(200_000, number) for number in range(120)}
        index = self.add(files=files)
        whole = self.archive.read_bytes()
        damaged = [40, 41, 77, 119]
        for number in damaged:
            self.flip(self.archive, whole.index(files[f"{number:03}.bin"]) + 100)
        with self.trusting() as server:
            for number in damaged:
                for _ in range(3):
                    self.expect_refused(server, index, f"/{number:03}.bin: not the bytes that were signed")
                self.flip(self.archive, whole.index(files[f"{number:03}.bin"]) + 100)
            server.load(index)

    def test_holes(self):
        """Cut, and as long as before again: the file is there, its bytes are not."""
        index = self.add()
        content = self.archive.read_bytes()
        at = content.index(self.files["big.bin"])
        with open(self.archive, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, len(content))
            file.truncate(at)
            file.seek(at + len(self.files["big.bin"]))
            file.write(content[at + len(self.files["big.bin"]):])
        with self.trusting() as server:
            self.expect_refused(server, index, "/big.bin: not the bytes that were signed")


class TestAge(Signed):
    def test_only_rollback_goes_back(self):
        first, second = self.release(1), self.release(2)
        older = "release 1: older than release 2, which its archive serves; only rollback goes back"
        with self.trusting(first) as server:
            server.load(second)
            self.expect_refused(server, first, older)
            self.assertIn(older, server.command("promote 1"))
            self.assertEqual(server.get("/").body.decode(), page("release 2"))
            self.assertTrue(server.command("rollback").startswith("ok rollback id=1 release=1 "))
            self.assertEqual(server.get("/").body.decode(), page("release 1"))
            server.load(first)
            server.load(second)
            self.expect_refused(server, first, older)
            # elsewhere it may be looked at
            self.assertTrue(server.command(f"load index {first} host=old.example").startswith("ok "))
        self.expect_not_started(second, first, text=older)
        with self.trusting(first):  # who was just started knows of nothing newer
            pass
        with Server(second) as server:  # and without --trust it is as ever
            server.load(first)

    def test_an_older_copy_of_the_archive(self):
        """Archive and index swapped for what they were: by the UUID it is the same archive."""
        first = self.release(1)
        kept = self.archive.read_bytes(), first.read_bytes()
        self.release(2)
        with self.trusting(self.folder / "site.idx") as server:
            for path, content in zip((self.archive, first), kept):
                copy = path.with_suffix(path.suffix + ".old")
                copy.write_bytes(content)
                copy.rename(path)
            os.unlink(self.folder / "site.idx")
            os.symlink(first.name, self.folder / "site.idx")
            server.signal(signal.SIGHUP)
            server.wait_log("error load index")
            self.assertIn("release 1: older than release 2", server.log())
            self.assertEqual(server.get("/").body.decode(), page("release 2"))

    def test_hup_with_overlays(self):
        """The command line names older releases before newer ones: those stay where they are."""
        self.add(env=EPOCH)
        self.add("--overlay", files={**self.files, "a.html": page("laid over")})
        indexes = [self.folder / f"site.00000{number}.idx" for number in (1, 2)]
        with self.trusting(*indexes) as server:
            server.signal(signal.SIGHUP)
            log = server.wait_log("unchanged=1", count=2)
            self.assertNotIn("error", log)
            self.assertEqual(server.get("/a").body.decode(), page("laid over"))
            self.assertEqual(server.command("list"), "ok list sites=2")


class TestOverlays(Signed):
    """What an overlay is laid over is older than the overlay, and no step back."""

    def setUp(self):
        super().setUp()
        self.indexes = [None, self.release(1)]
        for number in (2, 3):
            files = {**self.files, "index.html": page("release 1"),
                     f"only{number}.html": page(f"only {number}")}
            self.indexes.append(self.add("--overlay", files=files))

    def expect_only(self, server, *numbers, host="localhost"):
        with server.client() as client:
            for number in range(2, 4):
                client.send(f"GET /only{number} HTTP/1.1\r\nHost: {host}\r\n\r\n")
                self.assertEqual(client.read().status, 200 if number in numbers else 404)
            client.send(f"GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n")
            self.assertEqual(client.read().body.decode(), page("a"), "of release 1")

    def releases(self, server):
        server.send("list\n")
        return [int(row.split(" release=")[1].split()[0]) for row in server.read_reply()[:-1]]

    def test_it_comes_with_the_overlay(self):
        with self.trusting(self.indexes[3]) as server:
            self.expect_only(server, 3)
            self.expect_refused(server, self.indexes[2], "release 2: older than release 3")
            self.expect_refused(server, self.indexes[1], "release 1: older than release 3")
            self.assertEqual(self.releases(server), [3, 2, 1])

    def test_on_one_host_more(self):
        """Where there is a newer release on one of them already."""
        with self.trusting() as server:
            server.load(f"{self.indexes[2]} host=a.example")
            server.load(f"{self.indexes[3]} host=a.example,b.example")
            for host in ("a.example", "b.example"):
                self.expect_only(server, 3, host=host)

    def test_put_back(self):
        """An archive that was cut and is whole again."""
        content = self.archive.read_bytes()
        with self.trusting(self.indexes[2]) as server:
            os.truncate(self.archive, 1000)
            server.command("status")
            self.assertEqual(server.get("/a").status, 503)
            with open(self.archive, "r+b") as file:
                file.write(content)
            server.load(self.indexes[2])
            self.expect_only(server, 2)

    def test_hup_above_another_archive(self):
        """It lies over its own archive's site, not over what came on top of that."""
        first = self.indexes[1]
        link = self.folder / "site.idx"
        newest = link.readlink()
        link.unlink()
        link.symlink_to(first)
        tree = cairn.write_tree(self.folder / "other-tree",
                                {"index.html": page("other"), "only2.html": page("other")})
        other = cairn.pack(tree, self.folder / "other.cairn", "--sign", self.key)
        with self.trusting(link, other) as server:
            self.assertEqual(server.get("/").body.decode(), page("other"))
            link.unlink()
            link.symlink_to(newest)
            server.signal(signal.SIGHUP)
            server.wait_log("release=3 ")
            self.expect_only(server, 3)
            self.assertEqual(self.releases(server), [3, 2, 1, 1])

    def test_hup_when_it_was_damaged(self):
        """Wherever the damage is, all that is needed for the newest release is loaded anew."""
        for words in ([3], [1, 2, 3]):
            for damaged in ([1], [2], [3], [1, 2, 3]):
                with self.subTest(words=words, damaged=damaged):
                    self.hup_when_damaged([self.indexes[number] for number in words],
                                          [self.indexes[number] for number in damaged])

    def hup_when_damaged(self, words, damaged):
        contents = [index.read_bytes() for index in damaged]
        with self.trusting(*words) as server:
            for index, content in zip(damaged, contents):
                with open(index, "r+b") as file:
                    file.write(bytes(len(content)))
            server.command("status")
            self.assertEqual(server.get("/").status, 503)
            for index, content in zip(damaged, contents):
                with open(index, "r+b") as file:
                    file.write(content)
            server.signal(signal.SIGHUP)
            log = server.wait_log("ok load index ", count=len(words))
            self.assertNotIn("error", log)
            self.expect_only(server, 3)
            self.assertEqual(self.releases(server), [3, 2, 1])

    def test_it_has_to_be_trusted_as_well(self):
        """The releases below are looked at like any other, and one that is refused is one for all."""
        other, other_id = self.keygen("other")
        unknown = self.release(4, key=other)
        over = self.add("--overlay", files={**self.files, "only4.html": page("only 4")})
        with self.trusting(self.indexes[3]) as server:
            self.assertEqual(server.command(f"load index {over}"),
                             f"error load index: {unknown}: release 4: signed by key {other_id}, "
                             "which is not trusted")
            self.assertEqual(self.releases(server), [3, 2, 1])

    def test_an_older_overlay_is_a_step_back(self):
        """However few releases are kept: what it is laid over takes nothing away before it is asked."""
        newest = self.release(4)
        with self.trusting(newest, options=["--retain", "1"]) as server:
            self.expect_refused(server, self.indexes[3], "release 3: older than release 4")
            self.assertEqual(self.releases(server), [4])


class TestLoads(Signed):
    def setUp(self):
        super().setUp()
        self.socket = self.folder / "control.sock"

    def ctl(self, *words, expect=0):
        done = cairn.run("cairn-ctl", "--socket", self.socket, "--timeout", "30", *words, expect=expect)
        return done.out + done.err

    def test_hup(self):
        other, _ = self.keygen("other")
        self.release(1)
        with self.trusting(self.folder / "site.idx") as server:
            self.release(2, key=other)
            server.signal(signal.SIGHUP)
            server.wait_log("which is not trusted")
            self.assertEqual(server.get("/").body.decode(), page("release 1"))
            self.release(3)
            server.signal(signal.SIGHUP)
            server.wait_log("ok load index id=2 release=3 ")
            self.assertEqual(server.get("/").body.decode(), page("release 3"))

    def test_hup_of_what_was_damaged(self):
        """The newest release, which was put back, is loaded anew; an older one stays where it is."""
        first, second = self.release(1), self.release(2)
        content = second.read_bytes()
        with self.trusting(first, second) as server:
            for number in (3, 4):
                with open(second, "r+b") as file:
                    file.write(bytes(len(content)))
                server.command("status")
                self.assertEqual(server.get("/").status, 503)
                with open(second, "r+b") as file:
                    file.write(content)
                server.signal(signal.SIGHUP)
                log = server.wait_log(f"ok load index id={number} release=2 ")
                self.assertEqual(server.get("/").body.decode(), page("release 2"))
            self.assertEqual(log.count("ok load index id=1 release=1 "), 2)
            self.assertNotIn("error", log)

    def test_push_to_a_server_that_refuses(self):
        index = self.release(1)
        with self.trusting(index, control=[self.socket]) as server:
            other, other_id = self.keygen("other")
            cairn.write_tree(self.tree, {"index.html": page("pushed")})
            done = cairn.run("cairn-pack", "add", "--push", self.socket, "--sign", other, self.tree,
                             self.archive, expect=1)
            self.assertIn("the server did not take it: error load index: ", done.err)
            self.assertIn(f"signed by key {other_id}, which is not trusted", done.err)
            self.assertEqual(server.get("/").body.decode(), page("release 1"))
            cairn.run("cairn-pack", "add", "--push", self.socket, "--sign", self.key, self.tree,
                      self.archive)
            self.assertEqual(server.get("/").body.decode(), page("pushed"))

    def test_handover(self):
        """The successor asks for signatures as well, knows what is newest, and takes what was rolled
        back as it is."""
        first, second = self.release(1), self.release(2)
        with self.trusting(first, control=[self.socket]) as server:
            server.load(second)
            server.command("rollback")
            before = [re.sub(r" (id|loaded)=\S+", "", row) for row in self.ctl("list").splitlines()]
            server.signal(signal.SIGUSR2)
            pid = self.await_successor(server)
            server.process.wait(cairn.PATIENCE_S)
            after = [re.sub(r" (id|loaded)=\S+", "", row) for row in self.ctl("list").splitlines()]
            self.assertEqual(after, before)
            self.assertEqual(server.get("/").body.decode(), page("release 1"))
            self.assertIn("ok load index", self.ctl("load", "index", str(second)))
            self.assertIn("older than release 2", self.ctl("load", "index", str(first), expect=1))
            unsigned = self.pack_tree({"index.html": "unsigned\n"}, name="unsigned")
            self.assertIn("it is not signed", self.ctl("load", "index", str(unsigned), expect=1))
            self.end(pid)

    def await_successor(self, server):
        log = server.wait_log("handed over to process ")
        pid = int(re.search(r"handed over to process (\d+)", log).group(1))
        self.addCleanup(self.end, pid)
        return pid

    def end(self, pid):
        if is_running(pid):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not is_running(pid), "the successor ends")

    def test_handover_of_what_was_altered(self):
        """The successor refuses, so the old process goes on."""
        index = self.release(1)
        with self.trusting(index, control=[self.socket]) as server:
            content = self.archive.read_bytes()
            at = content.index(self.files["big.bin"])
            with open(self.archive, "r+b") as file:
                file.seek(at)
                file.write(b"\0" * 16)
            server.signal(signal.SIGUSR2)
            log = server.wait_log("did not come up (it ended); this one goes on")
            self.assertIn("/big.bin: not the bytes that were signed", log)
            self.assertEqual(server.get("/").status, 200)
            self.assertTrue(self.ctl("status").startswith("ok status "))

    def test_new_keys_by_handover(self):
        """The files of the command line are read again."""
        other, _ = self.keygen("other")
        trusted = self.folder / "trusted.pub"
        shutil.copy(self.public, trusted)
        index = self.release(1)
        second = self.release(2, key=other)
        with self.trusting(index, keys=[self.public, trusted], control=[self.socket]) as server:
            self.expect_refused(server, second, "which is not trusted")
            shutil.copy(f"{other}.pub", trusted)
            self.expect_refused(server, second, "which is not trusted")
            server.signal(signal.SIGUSR2)
            pid = self.await_successor(server)
            server.process.wait(cairn.PATIENCE_S)
            self.assertIn("ok load index", self.ctl("load", "index", str(second)))
            self.end(pid)

    def test_what_was_verified_is_not_read_again(self):
        """An altered byte behind a page that a loaded release vouches for is not seen by the next
        load of the same mapping, and is by a server that starts."""
        first = self.release(1)
        with self.trusting(first) as server:
            second = self.release(2)
            at = self.archive.read_bytes().index(self.files["big.bin"])
            with open(self.archive, "r+b") as file:
                file.seek(at)
                file.write(b"\0" * 16)
            server.load(second)
            new = self.archive.read_bytes().index(page("release 2").encode())
            third = self.release(3)
            with open(self.archive, "r+b") as file:
                file.seek(self.archive.read_bytes().index(page("release 3").encode()))
                file.write(b"<")
                file.seek(-1, os.SEEK_CUR)
                file.write(b"X")
            self.expect_refused(server, third, "not the bytes that were signed")
            self.assertGreater(new, at)
        self.expect_not_started(second, text="/big.bin: not the bytes that were signed")

    def test_a_damaged_release_vouches_for_nothing(self):
        """An older index that somebody cut: loads of newer ones do without it."""
        first = self.release(1)
        with self.trusting(first) as server:
            second = self.release(2)
            os.truncate(first, 0)
            server.load(second)
            server.wait_log(f"{first}: overwritten in its place")
            self.assertEqual(server.get("/").body.decode(), page("release 2"))

    def test_requests_are_served_meanwhile(self):
        """A load that hashes much: who asks in the meantime gets answers."""
        first = self.release(1)
        big = {f"{number}.bin": cairn.noise(4_000_000, number) for number in range(12)}
        second = self.add("--effort", "none", files={**self.files, **big})
        with self.trusting(first) as server, server.client() as client:
            during = 0
            for _ in range(50):  # this program may not get its turn during a load; then once more
                server.send(f"load index {second}\n")
                while server.lines.empty():
                    self.assertEqual(client.get("/a").body.decode(), page("a"))
                    during += server.lines.empty()
                self.assertIn("ok load index ", server.read_reply()[-1])
                if during > 0:
                    break
                self.assertIn("ok unload ", server.command(f"unload {second}"))
            self.assertGreater(during, 0)

    def test_told_to_end_while_it_hashes(self):
        """TERM does not wait for the rest of the archive. Here it is there before the program is."""
        index = self.add()
        wrapper = ["env", "--block-signal=TERM", "sh", "-c", 'kill -TERM $$; exec "$0" "$@"']
        with self.trusting(index, wrapper=wrapper, wait_ready=False) as server:
            server.wait()
            self.assertIn("not checked to the end: told to end", server.log())
            self.assertIsNone(server.read_line(), "it was never ready")
        with Server(index, wrapper=wrapper) as server:  # without --trust it serves until it is told
            server.wait()


if __name__ == "__main__":
    unittest.main()

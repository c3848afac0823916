"""Flags, variables and files of flags of the three programs; what --help, --options and --check
say; and that the documents name no flag that is not there, and every one that is."""
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server, wait_until
from test_handover import is_running

PROGRAMS = ("cairn-serve", "cairn-pack", "cairn-ctl")
COLUMNS = 80
LINES = 24

# Of one run, not of the machine that it is made on.
WITHOUT_VARIABLE = {"help", "version", "limits", "check", "allow-empty", "dry-run", "json", "keep",
                    "archive", "watch"}
# Where the servers of a machine listen is not where who is at work wants to look.
WITHOUT_VARIABLE_OF_DEV = {"port", "listen"}


def rows():
    """Each flag of each program or command, as --options tells it."""
    found = []
    for program in PROGRAMS:
        lines = cairn.run(program, "--options").out.splitlines()
        names = lines[0].removeprefix("#").split("\t")
        found += [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]
    return found


def commands():
    """The words that --help can follow: ["cairn-serve"], ["cairn-pack", "add"] and so on."""
    names = re.findall(r"^  (\w+) ", cairn.run("cairn-pack", "--help").out, re.MULTILINE)
    return [[program] for program in PROGRAMS] + [["cairn-pack", name] for name in names]


class TestTables(unittest.TestCase):
    def test_names_and_letters_are_one_flag_each(self):
        for command in {row["command"] for row in rows()}:
            own = [row for row in rows() if row["command"] == command]
            names = [row["name"] for row in own]
            letters = [row["letter"] for row in own if row["letter"]]
            self.assertEqual(len(set(names)), len(names), command)
            self.assertEqual(len(set(letters)), len(letters), command)
            self.assertLessEqual({"help", "version"}, set(names), command)

    def test_variables(self):
        for row in rows():
            with self.subTest(row["command"], name=row["name"]):
                of_dev = WITHOUT_VARIABLE_OF_DEV if row["command"] == "cairn-pack dev" else set()
                if row["name"] in WITHOUT_VARIABLE | of_dev:
                    self.assertEqual(row["variable"], "")
                elif row["command"] == "cairn-ctl" and row["name"] == "socket":
                    self.assertEqual(row["variable"], "CAIRN_CONTROL")
                else:
                    name = row["name"].upper().replace("-", "_")
                    self.assertEqual(row["variable"], f"CAIRN_{name}")

    def test_rows_say_what_completions_and_manuals_need(self):
        for row in rows():
            with self.subTest(row["command"], name=row["name"]):
                self.assertTrue(row["help"] and row["group"])
                self.assertNotRegex(row["help"], r"\.$")
                self.assertIn(row["repeatable"], ("yes", "no"))
                self.assertRegex(row["more"], r"^$|\.$")
                if row["choices"]:
                    self.assertTrue(row["argument"])

    def test_there_is_a_row_for_each_command(self):
        told = {row["command"] for row in rows()}
        self.assertEqual(told, {" ".join(words) for words in commands()} - {"cairn-pack"})


class TestHelp(unittest.TestCase):
    def test_it_fits_a_screen(self):
        for program, *words in commands():
            with self.subTest(program=program, words=words):
                text = cairn.run(program, *words, "--help").out
                self.assertTrue(text.startswith(f"usage: {' '.join([program, *words])} "), text)
                self.assertLessEqual(len(text.splitlines()), LINES, text)
                self.assertEqual([line for line in text.splitlines() if len(line) > COLUMNS], [])
                self.assertEqual(cairn.run(program, *words, "-h").out, text)

    def test_all_of_it(self):
        for program, *words in commands():
            with self.subTest(program=program, words=words):
                text = cairn.run(program, *words, "--help", "all").out
                self.assertEqual([line for line in text.splitlines() if len(line) > COLUMNS], [])
                command = " ".join([program, *words])
                for row in rows():
                    if row["command"] == command:
                        self.assertRegex(text, rf"(?m)^  (-\w, )?--{row['name']}\b")
                        self.assertIn(row["variable"], text)

    def test_version_names_what_the_program_is_linked_with(self):
        libraries = {"libcrypto": "OpenSSL", "libseccomp": "libseccomp", "libsystemd": "libsystemd",
                     "libcmph": "libcmph", "libdeflate": "libdeflate", "libbrotlienc": "brotli",
                     "libzstd": "zstd"}
        if shutil.which("readelf") is None:
            self.skipTest("readelf is not installed")
        for program in PROGRAMS:
            linked = subprocess.run(["readelf", "-d", cairn.BIN / program], capture_output=True,
                                    text=True, check=True).stdout
            said = cairn.run(program, "--version").out
            self.assertRegex(said.splitlines()[0], rf"^{program} \d+\.\d+\.\d+$")
            for file, name in libraries.items():
                self.assertEqual(f"[{file}." in linked, name in said, f"{program} {file}: {said}")
                if name in said:
                    self.assertRegex(said, rf"\b{name}(\.so)?[ .]\d")


class TestMistakes(unittest.TestCase):
    def expect(self, *words, says, env=None):
        done = cairn.run(*words, expect=2, env=env)
        self.assertEqual(done.out, "")
        self.assertEqual(done.err, f"{says}\n")

    def test_the_nearest_is_named(self):
        self.expect("cairn-serve", "--listn", ":80",
                    says="cairn-serve: there is no flag --listn; did you mean --listen?")
        self.expect("cairn-serve", "--sandbox", "requier",
                    says="cairn-serve: --sandbox: not on, off or require: requier; "
                         "did you mean require?")
        self.expect("cairn-pack", "ad", "x", "y",
                    says='cairn-pack: there is no command "ad"; did you mean add?')
        self.expect("cairn-pack", "frobnicate",
                    says='cairn-pack: there is no command "frobnicate" (--help lists them)')
        self.expect("cairn-pack", "add", "--overaly", "x", "y",
                    says="cairn-pack add: there is no flag --overaly; did you mean --overlay?")
        self.expect("cairn-pack", "add", "--effort=mx", "x", "y",
                    says="cairn-pack add: --effort: not none, fast, default or max: mx; "
                         "did you mean max?")
        self.expect("cairn-ctl", "--sokcet", "x",
                    says="cairn-ctl: there is no flag --sokcet; did you mean --socket?")

    def test_all_bad_values_are_named(self):
        self.expect("cairn-serve", "--workers", "0", "--retain=x", "--listen", "nowhere", "at=/x",
                    env={"CAIRN_DRAIN": "soon", "CAIRN_PRELOAD": "maybe"},
                    says="cairn-serve: CAIRN_PRELOAD: --preload: not yes or no: maybe\n"
                         "cairn-serve: CAIRN_DRAIN: --limit drain-time=soon: not a time, "
                         "such as 500ms, 20s or 2m\n"
                         "cairn-serve: --workers: not a number from 1 to 1024: 0\n"
                         "cairn-serve: --retain: not a number from 1 to 1000: x\n"
                         "cairn-serve: nowhere: not an address (HOST:PORT, :PORT or PORT)\n"
                         "cairn-serve: at=/x: it belongs behind an INDEX")


class Options(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.tree = cairn.write_tree(self.folder / "tree", {"index.html": "first\n"})
        self.index = cairn.pack(self.tree, self.folder / "site.cairn")
        self.socket = self.folder / "control.sock"

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def fields(self, server, host="x"):
        with server.client() as client:
            client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return client.read()


class TestFiles(Options):
    def test_a_server_by_files_of_flags(self):
        site = self.folder / "my site.idx"
        site.symlink_to(self.index)
        conf = self.write("etc/serve.conf", f"# the whole server\n\n--header X-Of: a  file, # too\n"
                          f"@more.conf\n\"{site}\" host=a.example at=/docs\n")
        self.write("etc/more.conf", f"--control {self.socket}\n  --workers=3\n")
        with Server(f"@{conf}", workers=None) as server:
            with server.client() as client:
                client.send(b"GET /docs/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
                answer = client.read()
            self.assertEqual(answer.body, b"first\n")
            self.assertEqual(answer.fields["x-of"], "a  file, # too")
            status = cairn.run("cairn-ctl", f"@{self.write('ctl', f'-s {self.socket}')}", "status")
            self.assertIn(" workers=3 ", status.out)

    def test_the_packer(self):
        flags = self.write("flags", f"--json\n-j 2\n--cache html=max-age=5, public\n{self.tree}\n")
        done = cairn.run("cairn-pack", "add", "--quiet", f"@{flags}", self.folder / "b.cairn")
        self.assertTrue(done.out.startswith("{"), done.out)
        self.assertIn("max-age=5, public", cairn.run("cairn-pack", "list", "--json",
                                                     self.folder / "b.cairn").out)

    def test_mistakes_name_file_and_line(self):
        bad = self.write("bad", "--retain 3\n\n--retian 4\n")
        done = cairn.run("cairn-serve", f"@{bad}", expect=2)
        self.assertEqual(done.err, f"cairn-serve: {bad}:3: there is no flag --retian; "
                                   "did you mean --retain?\n")
        bad = self.write("bad", "--retain 0\n")
        done = cairn.run("cairn-serve", f"@{bad}", expect=2)
        self.assertIn(f"{bad}:1: --retain: not a number", done.err)
        bad = self.write("bad", "--listen\n127.0.0.1:0\n")
        done = cairn.run("cairn-serve", f"@{bad}", expect=2)
        self.assertIn(f"{bad}:1: --listen needs a value", done.err)
        outer = self.write("outer", "# first\n@none\n")
        done = cairn.run("cairn-serve", f"@{outer}", expect=2)
        self.assertIn(f"{outer}:2: @{self.folder}/none: No such file", done.err)

    def test_a_successor_reads_them_again_and_hup_does_not(self):
        conf = self.write("etc/serve.conf", "--header X-Of: one\n")
        with Server(self.index, control=[self.socket], options=[f"@{conf}"]) as server:
            self.assertEqual(self.fields(server).fields["x-of"], "one")
            conf.unlink()
            self.write("etc/serve.conf", "--header X-Of: two\n")
            server.signal(signal.SIGHUP)
            server.wait_log("ok load index")
            self.assertEqual(self.fields(server).fields["x-of"], "one")
            server.signal(signal.SIGUSR2)
            wait_until(lambda: "handed over to process" in server.log(), "it hands over")
            server.process.wait(cairn.PATIENCE_S)
            pid = int(re.findall(r"handed over to process (\d+)", server.log())[0])
            try:
                self.assertEqual(self.fields(server).fields["x-of"], "two")
                log = server.log()
                self.assertEqual(log.count("cairn-serve: listening on "), 2, log)
                self.assertEqual(log.count("cairn-serve: serving release 1 of "), 2, log)
            finally:
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: not is_running(pid), "the successor ends")


class TestPrecedence(Options):
    def test_flag_over_variable_over_default(self):
        with Server(self.index, env={"CAIRN_HEADER": "X-Of: a variable\nX-Too: b"}) as server:
            self.assertEqual(self.fields(server).fields["x-of"], "a variable")
            self.assertEqual(self.fields(server).fields["x-too"], "b")
        with Server(self.index, options=["--header", "X-Of: a flag"],
                    env={"CAIRN_HEADER": "X-Of: a variable\nX-Too: b"}) as server:
            self.assertEqual(self.fields(server).fields["x-of"], "a flag")
            self.assertNotIn("x-too", self.fields(server).fields)

    def test_a_flag_says_no_to_a_variable_that_says_yes(self):
        with Server(self.index, env={"CAIRN_SECURE_HEADERS": "yes"}) as server:
            self.assertIn("x-frame-options", self.fields(server).fields)
        with Server(self.index, options=["--secure-headers=no"],
                    env={"CAIRN_SECURE_HEADERS": "yes"}) as server:
            self.assertNotIn("x-frame-options", self.fields(server).fields)

    def test_a_port_by_its_letter(self):
        with Server(self.index, listen=(), options=["-p0"], env={"PORT": "1"}) as server:
            self.assertEqual(self.fields(server).body, b"first\n")

    def test_the_packer_s_variables(self):
        archive = self.folder / "b.cairn"
        cairn.pack(self.tree, archive, env={"CAIRN_CACHE": "html=no-store", "CAIRN_DIGEST": "on"})
        self.assertIn("no-store", cairn.run("cairn-pack", "list", "--json", archive).out)
        done = cairn.run("cairn-pack", "add", self.tree, archive, env={"CAIRN_EFFORT": "some"},
                         expect=2)
        self.assertIn("CAIRN_EFFORT: --effort: not none, fast, default or max: some", done.err)


class TestStart(Options):
    def test_a_line_for_each_address_and_site(self):
        unix = self.folder / "http.sock"
        with Server(self.index, "host=a.example,b.example", "at=/docs",
                    listen=("127.0.0.1:0", f"unix:{unix}")) as server:
            self.assertEqual(server.log(), (
                f"cairn-serve: listening on http://127.0.0.1:{server.ports[0]}/\n"
                f"cairn-serve: listening on unix:{unix}\n"
                f"cairn-serve: serving release 1 of {self.folder.resolve()}/site.cairn, 2 paths, "
                "for a.example,b.example below /docs/\n"))

    def test_only_what_is_on_top(self):
        (self.tree / "index.html").write_text("second\n")
        second = cairn.pack(self.tree, self.folder / "site.cairn")
        with Server(self.index, second) as server:
            serving = [line for line in server.log().splitlines() if "serving" in line]
            self.assertEqual(len(serving), 1, serving)
            self.assertIn("serving release 2 of ", serving[0])
            self.assertIn(", for every host", serving[0])

    def test_nothing_to_serve(self):
        with Server() as server:
            self.assertIn("nothing to serve yet", server.log())

    def test_quiet(self):
        for words, env in ((["-q"], {}), (["--quiet"], {}), ([], {"CAIRN_QUIET": "1"})):
            with Server(self.index, options=words, env=env) as server:
                self.assertEqual(server.log(), "")


class TestCheck(Options):
    def check(self, *words, expect=0, env=None):
        before = sorted(str(path) for path in self.folder.rglob("*"))
        port = () if "--listen" in words or "-p0" in words else ("-p0",)
        done = cairn.run("cairn-serve", "--check", *port, *words, expect=expect, env=env)
        self.assertEqual(sorted(str(path) for path in self.folder.rglob("*")), before)
        return done

    def test_what_the_admin_address_reads(self):
        words = ("--admin", "127.0.0.1:0", self.index)
        self.assertRegex(self.check(*words).out, r"(?m)^changes +none by the admin address$")
        token = Path(self.write("token", "0123456789abcdef\n"))
        token.chmod(0o600)
        done = self.check("--admin-token-file", token, *words)
        self.assertIn(f"with the token in {token}", done.out)
        for spoil, said in ((lambda: token.chmod(0o644), "token: "),
                            (lambda: token.write_text("short\n"), "is no token"),
                            (token.unlink, "No such file")):
            token.chmod(0o600)
            spoil()
            done = self.check("--admin-token-file", token, *words, expect=1)
            self.assertIn(said, done.err)
            self.assertIn("It would not start.", done.out)

    def test_what_it_says(self):
        conf = self.write("serve.conf", f"--retain 5\n--limit head-size=32k\n{self.index} at=/docs\n")
        log, unix = self.folder / "access.log", self.folder / "http.sock"
        done = self.check(f"@{conf}", "-p0", f"--listen=unix:{unix}", "--access-log", log,
                          env={"CAIRN_CONTROL": str(self.socket), "CAIRN_DRAIN": ""})
        self.assertEqual(done.err, "")
        self.assertTrue(done.out.endswith("It would start.\n"), done.out)
        for said in (r"^listens +http://127\.0\.0\.1:0/\n +unix:\S+/http\.sock$",
                     r"^commands +standard input\n +\S+/control\.sock$",
                     r"^serves +release 1 of \S+/site\.cairn, 2 paths, for every host below /docs/$",
                     r"^access log +\S+/access\.log \(would be made\)$",
                     r"^limits +head-size=32k \(16k\)$",
                     r"--listen=0 +the command line$",
                     r"--control=\S+ +the environment, CAIRN_CONTROL$",
                     rf"--retain=5 +{conf}:1$",
                     rf"--limit=head-size=32k +{conf}:2$",
                     r"--drain +30s$",
                     r"^sandbox +\S"):
            self.assertRegex(done.out, f"(?m){said}")

    def test_every_problem_is_named(self):
        (self.folder / "file").write_text("not a socket")
        missing = self.folder / "none"
        done = self.check(missing / "a.idx", self.index, self.folder / "file",
                          "--listen", "192.0.2.1:80", "--listen", f"unix:{missing}/http.sock",
                          "--control", self.folder / "file", "--access-log", missing / "log",
                          "--trust", missing / "key.pub", expect=1)
        self.assertTrue(done.out.endswith("It would not start.\n"), done.out)
        lines = done.err.splitlines()
        for said in ("none/a.idx: No such file", "none/key.pub: No such file", "192.0.2.1:80: ",
                     "none/http.sock: No such file", "file: something else than a socket",
                     "none/log: No such file"):
            self.assertEqual(len([line for line in lines if said in line]), 1, (said, done.err))
        self.assertEqual(len([line for line in lines if "file: " in line]), 2, done.err)
        self.assertIn("site.000001.idx: release 1: it is not signed", done.err)
        self.assertEqual(len(lines), 8, done.err)

    def test_a_start_that_fails_is_told_before(self):
        """What --check says is what a start does."""
        (self.folder / "file").write_text("x")
        for words in (("--control", self.folder / "file"),
                      ("--access-log", self.folder / "none" / "log"), ("--access-log", "fd:987"),
                      ("--user", "nobody-of-that-name"), (self.folder / "none.idx",)):
            with self.subTest(words):
                self.check(*words, expect=1)
                cairn.run("cairn-serve", "-p0", *words, expect=1)

    def test_usage_is_2(self):
        self.check("--retain=0", expect=2)

    def test_telemetry(self):
        off = {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}
        self.assertRegex(self.check(env=off).out, r"(?m)^telemetry +none$")
        done = self.check(env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
                               "OTEL_METRICS_EXPORTER": "none"})
        self.assertRegex(done.out, r"(?m)^telemetry +traces to http://127\.0\.0\.1:1/v1/traces$")

    def test_the_access_log(self):
        there, fifo, folder = (self.folder / name for name in ("log", "fifo", "folder"))
        there.write_text("a line\n")
        os.mkfifo(fifo)
        folder.mkdir()
        for name, said in ((there, f"{there}"), (fifo, f"{fifo}"), ("-", "-"), ("fd:2", "fd:2"),
                           (self.folder / "new", f"{self.folder}/new (would be made)")):
            self.assertIn(f"\naccess log  {said}\n", self.check("--access-log", name).out)
        for name, said in ((folder, "Is a directory"), ("fd:77", "no such descriptor"),
                           ("fd:x", "number of a descriptor")):
            self.assertIn(said, self.check("--access-log", name, expect=1).err)
        self.assertEqual(there.read_text(), "a line\n")

    def test_a_running_server_goes_on(self):
        unix = self.folder / "http.sock"
        words = ("--listen", f"unix:{unix}", "--control", self.socket, self.index)
        with Server(*words) as server:
            identities = [os.stat(path).st_ino for path in (unix, self.socket)]
            done = self.check("--listen", f"127.0.0.1:{server.ports[0]}", *words)
            self.assertRegex(done.out, rf":{server.ports[0]}/ \(in use now")
            self.assertEqual(done.out.count("(a socket is there"), 2, done.out)
            self.assertEqual(identities, [os.stat(path).st_ino for path in (unix, self.socket)])
            status = cairn.run("cairn-ctl", "-s", self.socket, "status").out
            self.assertIn(" accepted=0 ", status)
            self.assertEqual(self.fields(server).body, b"first\n")

    def test_signatures_are_asked_for(self):
        cairn.run("cairn-pack", "keygen", self.folder / "key")
        trust = ("--trust", self.folder / "key.pub")
        done = self.check(*trust, self.index, expect=1)
        self.assertIn("signed", done.err)
        (self.tree / "index.html").write_text("second\n")
        second = cairn.pack(self.tree, self.folder / "site.cairn", "--sign", self.folder / "key")
        done = self.check(*trust, second)
        self.assertRegex(done.out, r"(?m)^trusts +\S+/key\.pub$")


class TestDocuments(unittest.TestCase):
    """In the README and docs/, flags are written in code, alone or behind their program."""

    def setUp(self):
        self.flags = {}
        for row in rows():
            self.flags.setdefault(row["command"].split()[0], set()).add(row["name"])
        self.files = [cairn.SOURCE / "README.md", *sorted((cairn.SOURCE / "docs").glob("*.md"))]

    def pieces_of_code(self):
        for path in self.files:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                for piece in re.findall(r"`([^`]*)`", line) + [line] * line.startswith("    "):
                    yield f"{path.name}:{number}", piece

    def test_no_flag_is_named_that_is_not_there(self):
        every = set().union(*self.flags.values()) | {"options"}
        seen = 0
        for where, piece in self.pieces_of_code():
            named = re.match(r"--([a-z][a-z-]*)", piece)
            if named:
                self.assertIn(named[1], every, where)
                seen += 1
            for program, rest in re.findall(r"\b(cairn-(?:serve|pack|ctl))\b([^|;#]*)", piece):
                for name in re.findall(r"(?<![\w-])--([a-z][a-z-]*)", rest):
                    self.assertIn(name, self.flags[program] | {"options"}, where)
                    seen += 1
        self.assertGreater(seen, 50)

    def test_every_flag_is_in_the_documents(self):
        text = "".join(path.read_text() for path in self.files)
        for program, names in self.flags.items():
            for name in sorted(names):
                with self.subTest(program, name=name):
                    self.assertTrue(re.search(rf"--{name}(?![a-z-])", text), "in no document")


if __name__ == "__main__":
    unittest.main()

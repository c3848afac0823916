"""examples/deploy.sh: several hosts, which are folders here, each with a server of its own, and an ssh
that goes no further than this machine."""
import os
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Server

SCRIPT = cairn.SOURCE / "examples" / "deploy.sh"

# Stands in for ssh: drops the options, takes the host for a folder of $HOSTS with a file of its
# environment, and has its shell run the rest, as sshd does. A host without a folder is unreachable.
SSH = """#!/bin/sh
while :; do
    case $1 in
    -o | -l | -p) shift 2 ;;
    *) break ;;
    esac
done
host=${1#*@}
shift
echo "$host" >>"$HOSTS/asked"
[ -d "$HOSTS/$host" ] || { echo "ssh: connect to host $host: No route to host" >&2; exit 255; }
. "$HOSTS/$host/environment"
exec sh -c "$*"
"""


class Hosts(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        for program in ("rsync", "flock"):
            if subprocess.run(["sh", "-c", f"command -v {program}"],
                              capture_output=True).returncode != 0:
                self.skipTest(f"{program} is not installed")
        self.hosts = self.folder / "hosts"
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        (self.programs / "ssh").write_text(SSH)
        (self.programs / "ssh").chmod(0o755)
        self.archive = self.folder / "here" / "site.cairn"
        self.archive.parent.mkdir()
        self.servers = {}
        self.site("one\n")

    def site(self, text, **more):
        self.tree = cairn.write_tree(self.folder / "tree", {"index.html": text, **more})

    def host(self, name, *, indexes=(), options=()):
        """A host with a server that waits for its first release."""
        folder = self.hosts / name / "srv it's"  # as bad as folders get
        folder.mkdir(parents=True)
        control = self.hosts / name / "control.sock"
        (self.hosts / name / "environment").write_text(f"export CAIRN_CONTROL='{control}'\n")
        server = Server(*indexes, control=[control], options=options)
        self.addCleanup(self.end, server)
        self.servers[name] = server
        return f"{name}:{folder}"

    @staticmethod
    def end(server):
        server.__exit__(None)

    def deploy(self, *arguments, expect=0, environment=None):
        path = f"{self.programs}:{cairn.BIN}:{os.environ['PATH']}"
        done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=240,
                              stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path,
                              "HOSTS": str(self.hosts), **(environment or {})})
        cairn.check_no_report(done.stderr, "deploy.sh")
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stderr

    def served(self):
        return {name: server.get("/").body.decode() for name, server in self.servers.items()}

    def link(self, host):
        return os.readlink(Path(host.split(":", 1)[1]) / "site.idx")


class TestDeploy(Hosts):
    def test_live_on_all_hosts_release_after_release(self):
        alpha, beta = self.host("alpha"), self.host("beta")
        said = self.deploy(self.tree, self.archive, alpha, f"me@{beta}")
        self.assertIn("release 1 is live on 2 hosts", said)
        self.assertEqual(self.served(), {"alpha": "one\n", "beta": "one\n"})
        before = self.archive.stat().st_size
        self.site("two\n", **{"page.txt": "a page\n" * 50})
        said = self.deploy(self.tree, self.archive, alpha, beta, "--", "--effort", "none")
        self.assertEqual(self.served(), {"alpha": "two\n", "beta": "two\n"})
        self.assertIn(f"({self.archive.stat().st_size - before} bytes were new)", said)
        for host in (alpha, beta):
            copied = Path(host.split(":", 1)[1])
            self.assertEqual((copied / "site.cairn").read_bytes(), self.archive.read_bytes())
            self.assertEqual(self.link(host), "site.000002.idx")

    def test_a_folder_of_this_machine(self):
        self.host("alpha")
        folder = self.folder / "local"
        folder.mkdir()
        self.deploy("--socket", self.hosts / "alpha" / "control.sock", self.tree, self.archive,
                    f"local:{folder}")
        self.assertEqual(self.served(), {"alpha": "one\n"})
        self.assertFalse((self.hosts / "asked").exists())

    def test_a_host_that_refuses_is_taken_back_everywhere(self):
        """Its server trusts nobody that has signed this."""
        alpha, beta = self.host("alpha"), self.host("beta")
        self.deploy(self.tree, self.archive, alpha, beta)
        cairn.run("cairn-pack", "keygen", self.folder / "site.key")
        strict = self.host("strict", options=["--trust", self.folder / "site.key.pub"])
        self.site("two\n")
        said = self.deploy(self.tree, self.archive, alpha, beta, strict, expect=1)
        self.assertIn("release 2: it is not signed", said)
        self.assertIn("strict", said)
        served = self.served()
        self.assertEqual((served["alpha"], served["beta"]), ("one\n", "one\n"))
        self.assertEqual((self.link(alpha), self.link(beta)),
                         ("site.000001.idx", "site.000001.idx"))
        self.site("three\n")  # and the next one that is right goes everywhere
        self.deploy(self.tree, self.archive, alpha, beta, strict, "--", "--sign",
                    self.folder / "site.key")
        self.assertEqual(set(self.served().values()), {"three\n"})

    def test_servers_that_keep_one_release_get_it_back(self):
        alpha = self.host("alpha", options=["--retain", "1"])
        self.deploy(self.tree, self.archive, alpha)
        self.site("two\n")
        self.deploy("--check", "false", self.tree, self.archive, alpha, expect=1)
        self.assertEqual(self.served(), {"alpha": "one\n"})

    def test_one_that_is_interrupted_is_taken_back(self):
        alpha, beta = self.host("alpha"), self.host("beta")
        self.deploy(self.tree, self.archive, alpha, beta)
        self.site("two\n")
        check = '[ "$CAIRN_HOST" = alpha ] || kill -TERM $PPID'
        said = self.deploy("--check", check, self.tree, self.archive, alpha, beta, expect=1)
        self.assertIn(f"{alpha}: taken back", said)
        self.assertEqual(self.served(), {"alpha": "one\n", "beta": "one\n"})

    def test_one_that_is_interrupted_again_is_taken_back_all_the_same(self):
        """The second signal comes when a host is asked for what it serves, to take that back."""
        alpha, beta = self.host("alpha"), self.host("beta")
        self.deploy(self.tree, self.archive, alpha, beta)
        self.site("two\n")
        again = self.folder / "again"
        with (self.hosts / "alpha" / "environment").open("a") as script:
            script.write(f'[ ! -f "{again}" ] || {{ kill -TERM "$(cat "{again}")"; rm "{again}"; }}\n')
        check = f'[ "$CAIRN_HOST" = alpha ] || {{ echo $PPID >"{again}"; kill -TERM $PPID; }}'
        said = self.deploy("--check", check, self.tree, self.archive, alpha, beta, expect=1)
        self.assertFalse(again.exists())
        self.assertIn(f"{alpha}: taken back", said)
        self.assertIn(f"{beta}: taken back", said)
        self.assertEqual(self.served(), {"alpha": "one\n", "beta": "one\n"})

    def test_a_first_release_that_fails_is_unloaded(self):
        alpha, beta = self.host("alpha"), self.host("beta")
        self.deploy("--check", '[ "$CAIRN_HOST" = alpha ]', self.tree, self.archive, alpha, beta,
                    expect=1)
        self.assertEqual(self.servers["alpha"].get("/").status, 503)
        for host in (alpha, beta):  # and a server that starts there is not led to it
            self.assertFalse((Path(host.split(":", 1)[1]) / "site.idx").is_symlink())

    def test_a_release_that_answers_for_hosts_below_a_path(self):
        alpha = self.host("alpha")
        self.deploy("--no-load", self.tree, self.archive, alpha)
        index = Path(alpha.split(":", 1)[1]) / "site.000001.idx"
        server = self.servers["alpha"]
        server.command(f'load index "{index}" host=test.example,b.example at=/docs')
        self.site("two\n")
        self.deploy("--check", "false", self.tree, self.archive, alpha, expect=1)
        self.assertEqual(server.get("/docs/").body, b"one\n")
        self.deploy("--check", 'test "$CAIRN_HOST" = alpha', self.tree, self.archive, alpha)
        self.assertEqual(server.get("/docs/").body, b"two\n")

    def test_a_host_that_cannot_be_reached_changes_nothing(self):
        alpha = self.host("alpha")
        self.deploy(self.tree, self.archive, alpha)
        self.site("two\n")
        said = self.deploy(self.tree, self.archive, alpha, "nowhere", expect=1)
        self.assertIn("none of them serves it", said)
        self.assertEqual(self.served(), {"alpha": "one\n"})
        self.assertEqual(self.link(alpha), "site.000001.idx")

    def test_a_host_that_goes_away_in_the_middle_is_named(self):
        """The check of the second host takes the first one off the network."""
        alpha, beta = self.host("alpha"), self.host("beta")
        self.deploy(self.tree, self.archive, alpha, beta)
        self.site("two\n")
        check = f'[ "$CAIRN_HOST" != beta ] || {{ rm "{self.hosts}/alpha/environment"; false; }}'
        said = self.deploy("--check", check, self.tree, self.archive, alpha, beta, expect=3)
        self.assertIn("may serve release 2: alpha", said)
        self.assertEqual(self.served(), {"alpha": "two\n", "beta": "one\n"})

    def test_another_archive_of_that_name_is_not_appended_to(self):
        alpha = self.host("alpha")
        other = self.folder / "other" / "site.cairn"
        other.parent.mkdir()
        self.deploy(self.tree, other, alpha)
        there = Path(alpha.split(":", 1)[1]) / "site.cairn"
        before = there.read_bytes()
        self.site("two\n")
        said = self.deploy(self.tree, self.archive, alpha, expect=1)
        self.assertIn("not a beginning of", said)
        self.assertEqual(there.read_bytes(), before)
        for count in range(3):  # nor one that is as it was, but for its end
            cairn.pack(self.tree, other)
        self.deploy(self.tree, other, alpha)
        with open(there, "r+b") as file:
            file.seek(-70, os.SEEK_END)
            file.write(b"damage")
        said = self.deploy(self.tree, other, alpha, expect=1)
        self.assertIn("not a beginning of", said)

    def test_a_copy_that_was_cut_off_goes_on_where_it_was(self):
        alpha = self.host("alpha")
        self.site("one\n", **{"large.bin": cairn.noise(300000, 1)})
        self.deploy(self.tree, self.archive, alpha)
        self.site("two\n", **{"large.bin": cairn.noise(300000, 2)})
        cairn.pack(self.tree, self.archive)
        there = Path(alpha.split(":", 1)[1]) / "site.cairn"
        with open(self.archive, "rb") as file:  # as rsync leaves it when the line drops
            there.write_bytes(file.read()[:there.stat().st_size + 12345])
        self.deploy(self.tree, self.archive, alpha)
        self.assertEqual(there.read_bytes(), self.archive.read_bytes())
        self.assertEqual(self.served(), {"alpha": "two\n"})

    def test_a_damaged_copy_is_seen_before_it_is_served(self):
        """Where it is not at the end, which is looked at anyway."""
        alpha = self.host("alpha")
        self.site("one\n", **{"large.bin": cairn.noise(300000, 1)})
        self.deploy("--no-load", self.tree, self.archive, alpha)
        with open(Path(alpha.split(":", 1)[1]) / "site.cairn", "r+b") as file:
            file.seek(150000)
            file.write(b"damage")
        said = self.deploy(self.tree, self.archive, alpha, expect=1)
        self.assertIn("large.bin", said)
        self.assertEqual(self.servers["alpha"].get("/").status, 503)

    def test_dry_run_changes_nothing(self):
        alpha, beta = self.host("alpha"), self.host("beta")
        self.deploy(self.tree, self.archive, alpha)
        self.site("two\n")
        before = cairn.read_tree(self.archive.parent)
        said = self.deploy("--dry-run", self.tree, self.archive, alpha, beta)
        self.assertIn(f"site.cairn has {self.archive.stat().st_size} bytes; 1 releases are", said)
        self.assertIn("site.cairn has 0 bytes; 0 releases are", said)
        self.assertEqual(cairn.read_tree(self.archive.parent), before)
        self.assertEqual(self.served()["alpha"], "one\n")
        self.deploy("--dry-run", self.folder / "absent", self.archive, alpha, expect=1)
        self.deploy("--dry-run", self.tree, self.archive, "nowhere", expect=1)

    def test_one_deploy_at_a_time(self):
        holder = subprocess.Popen(["flock", self.archive.parent, "sh", "-c", "echo; read line"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdout.readline()
        said = self.deploy(self.tree, self.archive, f"local:{self.folder}", expect=1)
        holder.communicate(b"\n")
        self.assertIn("another deploy", said)

    def test_usage(self):
        for arguments in ((), (self.tree, self.archive), ("--what", self.tree, self.archive, "a"),
                          (self.tree, "site.tar", "a"), (self.tree, self.archive, "a", "a"), (self.tree, self.archive, "a:relative"),
                          (self.tree, self.archive, "a b"), ("--jobs", "0", "a", "b.cairn", "c"),
                          ("--check",)):
            self.assertIn("usage: deploy.sh", self.deploy(*arguments, expect=2))
        self.deploy(self.folder / "absent", self.archive, "alpha", expect=1)


class TestScript(unittest.TestCase):
    def test_shellcheck(self):
        try:
            done = subprocess.run(["shellcheck", SCRIPT, SCRIPT.parent / "vite/scripts/cairn.sh"],
                                  capture_output=True, text=True)
        except FileNotFoundError:
            self.skipTest("shellcheck is not installed")
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()

"""What an administrator does with the packages, in their order, on the machine that machine.sh made.
The first thing that is not as it should be ends it with an exception."""
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PACKAGES = Path("/run/place/packages")
SOURCE = Path("/run/source")
SITES = Path("/var/lib/cairn")
CONTROL = "/run/cairn/control.sock"


def run(*words, expect=0):
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, stdin=subprocess.DEVNULL, timeout=180)
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout}")
    return done.stdout


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def is_active(unit):
    return run("systemctl", "is-active", unit, expect=None).strip() == "active"


def is_enabled(unit):
    return run("systemctl", "is-enabled", unit, expect=None).strip()


def main_pid():
    return int(run("systemctl", "show", "--property=MainPID", "--value", "cairn.service"))


def files():
    """Every path below what packages have to do with."""
    found = set()
    for root in ("/etc", "/lib/systemd", "/usr", "/var", "/run/cairn"):
        for folder, folders, names in os.walk(root):
            found.update(os.path.join(folder, name) for name in (*folders, *names))
    return found


# What others keep of a package that was there: the package system's and the account tools' own.
KEPT = re.compile(r"/var/(lib/dpkg|lib/systemd|log/journal|log/(dpkg|alternatives)\.log|cache)"
                  r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|/etc/\.pwd\.lock"
                  r"|/etc/machine-id|/etc/ld\.so\.cache|/var/cache/ldconfig|/var/lib/private"
                  r"|/var/(tmp|lib/lastlog|lib/logrotate|log/(wtmp|btmp|lastlog))|/etc/systemd/system/inside")


class Load:
    """Requests on several connections until it is told to stop; none may fail."""

    def __init__(self, cairn, address=("127.0.0.1", 80)):
        self.cairn = cairn
        self.address = address
        self.counts = [0] * 4
        self.failures = []
        self.is_over = False
        self.threads = [threading.Thread(target=self._ask, args=(i,), daemon=True) for i in range(4)]
        for thread in self.threads:
            thread.start()
        self.await_more()

    def _ask(self, i):
        """Odd ones take a new connection for each request, the others keep theirs."""
        client = None
        while not self.is_over:
            try:
                client = client or self.cairn.Client(self.address)
                answer = client.get("/", fields="Connection: close\r\n" if i % 2 else "")
                if answer.status != 200 or b"Cairn" not in answer.body:
                    self.failures.append(f"{answer.status} {answer.body[:80]!r}")
                if answer["Connection"] == "close":
                    client.close()
                    client = None
                self.counts[i] += 1
            except (EOFError, OSError) as error:
                self.failures.append(f"connection {i}, request {self.counts[i]}: {error!r}")
                return

    def await_more(self):
        """Until each connection has been answered some times more."""
        before = list(self.counts)
        self.cairn.wait_until(lambda: self.failures or all(
            now >= then + 20 for now, then in zip(self.counts, before)), "more requests")
        check(not self.failures, self.failures)

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()
        check(not self.failures, self.failures)
        return sum(self.counts)


def install():
    run("dpkg", "--install", *(PACKAGES / f"{name}.1.deb"
                               for name in ("cairn", "libcairn0", "libcairn-dev")))
    check("cairn" in Path("/etc/passwd").read_text(), "there is no user")
    check(run("id", "--name", "--user", "cairn").strip() == "cairn", "id")
    for unit in ("cairn.service", "cairn.socket"):
        check(not is_active(unit) and is_enabled(unit) == "disabled", f"{unit} came up by itself")
    for program in ("cairn-pack", "cairn-serve", "cairn-ctl"):
        check(run(program, "--version").startswith(f"{program} 0."), program)
    check(SITES.stat().st_uid == 0 and SITES.stat().st_mode & 0o777 == 0o755, "the sites' folder")


def found_by_shells_and_readers():
    """Completions and manuals are where they are looked for, by those that this machine has."""
    asked = {
        "fish": ("-c", "complete -C 'cairn-serve --sandb'"),
        "zsh": ("-fc", "autoload -Uz compinit; compinit -D -u; print -- --sandbox $_comps[cairn-serve]"),
        "bash": ("-c", "source /usr/share/bash-completion/bash_completion; set -- cairn-serve --sandb;"
                       " _completion_loader cairn-serve; COMP_WORDS=(\"$@\"); COMP_CWORD=1;"
                       " _cairn cairn-serve; printf '%s\\n' \"${COMPREPLY[@]}\""),
        "mandoc": ("-Tascii", "/usr/share/man/man8/cairn-serve.8.gz"),
    }
    for program, words in asked.items():
        is_there = shutil.which(program) and (
            program != "bash" or Path("/usr/share/bash-completion/bash_completion").exists())
        if is_there:
            said = re.sub(".\b", "", run(program, *words, expect=None))
            check("--sandbox" in said and (program != "zsh" or "_cairn" in said), f"{program}: {said}")


def serve():
    """As docs/install.md has it: pack, name the site in the conffile, start."""
    shutil.copytree(SOURCE / "examples" / "site", "/root/site")
    run("cairn-pack", "add", "--quiet", "/root/site", SITES / "site.cairn")
    with open("/etc/cairn/serve.conf", "a") as config:
        config.write("/var/lib/cairn/site.idx\n--access-log /var/log/cairn/access.log\n")
    run("systemctl", "enable", "--now", "cairn.socket")
    check(not is_active("cairn.service"), "the service is there before anybody asks")


def confined():
    """The unit as it is loaded, and the process as it runs."""
    shown = dict(line.split("=", 1) for line in run(
        "systemctl", "show", "cairn.service", "--property=User,NoNewPrivileges,ProtectSystem,"
        "RestrictNamespaces,PrivateNetwork,MemoryDenyWriteExecute,Type").splitlines())
    check(shown == {"User": "cairn", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
                    "RestrictNamespaces": "yes", "PrivateNetwork": "yes", "Type": "notify",
                    "MemoryDenyWriteExecute": "yes"}, shown)
    status = Path(f"/proc/{main_pid()}/status").read_text()
    check(re.search(r"^CapBnd:\s+0+$", status, re.M), "it has capabilities")
    check(re.search(r"^Seccomp:\s+2$", status, re.M), "it has no filter")
    said = run("cairn-ctl", "--socket", CONTROL, "status")
    check("seccomp" in said and f"pid={main_pid()} " in said, said)


def rotate(cairn):
    """logrotate moves the log away, and the server goes on in a new one."""
    log = Path("/var/log/cairn/access.log")
    cairn.wait_until(lambda: log.stat().st_size > 0, "something is logged")
    run("logrotate", "--force", "/etc/logrotate.d/cairn")
    check(Path("/var/log/cairn/access.log.1").stat().st_size > 0, "the old log is gone")
    check(log.exists() and log.owner() == "cairn", "there is no new log")


def upgrade(cairn):
    load = Load(cairn)
    before = main_pid()
    said = run("dpkg", "--install", PACKAGES / "cairn.2.deb")
    load.await_more()
    after = main_pid()
    check("handing over" in said and "did not come up" not in said, said)
    check(after != before, f"the main process is still {before}")
    check(os.stat(f"/proc/{after}/exe").st_ino == os.stat("/usr/bin/cairn-serve").st_ino,
          "it runs another file than the one that was installed")
    cairn.wait_until(lambda: not Path(f"/proc/{before}").exists(), "the old process ends")
    check(is_active("cairn.service") and is_active("cairn.socket"), "not active any more")
    load.await_more()
    return load.stop()


def upgrade_to_what_does_not_start(cairn):
    """The old one goes on, the package says so, and the next upgrade mends it."""
    tree = Path("/root/broken")
    run("dpkg-deb", "--raw-extract", PACKAGES / "cairn.2.deb", tree)
    (tree / "usr/bin/cairn-serve").write_text("#!/bin/sh\nexit 1\n")
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("-2\n", "-3\n"))
    run("dpkg-deb", "--build", tree, "/root/broken.deb")
    load = Load(cairn)
    before = main_pid()
    said = run("dpkg", "--install", "/root/broken.deb")
    check("did not come up" in said, said)
    load.await_more()
    check(main_pid() == before and is_active("cairn.service"), "the old one does not go on")
    said = run("dpkg", "--install", PACKAGES / "cairn.2.deb")
    check(main_pid() != before, said)
    load.await_more()
    load.stop()


def killed(cairn):
    """Its unit starts it again, with the newest release that was committed, live before or not."""
    page = Path("/root/site/about.html")
    page.write_text("<!doctype html><title>After Cairn was killed</title>\n")
    run("cairn-pack", "add", "--quiet", "/root/site", SITES / "site.cairn")
    before = main_pid()
    os.kill(before, signal.SIGKILL)
    cairn.wait_until(lambda: is_active("cairn.service") and main_pid() not in (0, before),
                     "the unit starts it again")
    with cairn.Client(("127.0.0.1", 80)) as client:
        answer = client.get("/about.html")
    check(answer.status == 200 and answer.body == page.read_bytes(), f"{answer.status} {answer.body}")


def remove(before):
    run("dpkg", "--remove", "cairn", "libcairn-dev", "libcairn0")
    for unit in ("cairn.service", "cairn.socket"):
        check(not is_active(unit), f"{unit} goes on")
    check(Path("/etc/cairn/serve.conf").exists(), "a removal took the configuration")
    run("dpkg", "--purge", "cairn", "libcairn-dev", "libcairn0")
    left = {path for path in files() - before if not KEPT.match(path)}
    check(left == {str(SITES)} | {str(path) for path in SITES.iterdir()}, f"left behind: {left}")
    check(SITES / "site.cairn" in SITES.iterdir(), "the purge took the archive")
    check(not before - files(), f"gone: {before - files()}")


def install_where_the_user_is_there():
    """One that an administrator made, with a number that no system user has: as it is in a container."""
    run("userdel", "cairn")
    run("useradd", "--uid", "10001", "--no-create-home", "cairn")
    run("dpkg", "--install", PACKAGES / "cairn.1.deb")
    check(run("id", "--user", "cairn").strip() == "10001", "it has another number now")
    run("dpkg", "--purge", "cairn")


def main():
    started = time.monotonic()
    Path("/root").mkdir(exist_ok=True)
    run("ip", "link", "set", "lo", "up")
    before = {path for path in files() if not KEPT.match(path)}
    install()
    found_by_shells_and_readers()
    os.environ["CAIRN_BIN"] = "/usr/bin"
    sys.path.insert(0, str(SOURCE / "tests" / "wire"))
    cairn = importlib.import_module("cairn")
    serve()
    with cairn.Client(("127.0.0.1", 80)) as client: # the first request starts the service
        check(client.get("/about.html").status == 200, "the first request")
    cairn.wait_until(lambda: is_active("cairn.service"), "the service runs")
    confined()
    rotate(cairn)
    count = upgrade(cairn)
    upgrade_to_what_does_not_start(cairn)
    killed(cairn)
    remove(before)
    install_where_the_user_is_there()
    print(f"inside: all of it, {count} requests over an upgrade, "
          f"{time.monotonic() - started:.1f} s", flush=True)


main()

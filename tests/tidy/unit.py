#!/usr/bin/env python3
"""examples/cairn.service: how much is left open, and whether the server gets what it needs.

systemd-analyze judges the exposure, which stays below 2.0; every system call on the server's own
lists (server/sandbox/syscall_filter.c) and those by which it confines itself are let through by the unit.
Exit code 77: skipped, there is no systemd-analyze.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
UNIT = SOURCE / "examples" / "cairn.service"
EXPOSURE_TENTHS = 20
CONFINING = {"prctl", "capget", "seccomp", "landlock_create_ruleset", "landlock_add_rule",
             "landlock_restrict_self"}
OTHER_MACHINES = {"ugetrlimit", "fstatat64"}  # names that 64-bit systems have no call for


def analyze(*words):
    done = subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def members(name):
    """The system calls of a name, which may be a group's."""
    if not name.startswith("@"):
        return {name}
    code, text = analyze("syscall-filter", name)
    if code != 0:
        raise SystemExit(f"unit: systemd knows no {name}: {text}")
    words = [line.split()[0] for line in text.splitlines()[1:] if re.match(r"    [@a-z_]", line)]
    return set().union(*map(members, words))


def allowed():
    """What the unit's SystemCallFilter= lines come to, in their order."""
    calls = set()
    for line in UNIT.read_text().splitlines():
        if line.startswith("SystemCallFilter="):
            words = line.partition("=")[2]
            named = set().union(*map(members, words.lstrip("~").split()))
            calls = calls - named if words.startswith("~") else calls | named
    return calls


def main():
    if shutil.which("systemd-analyze") is None:
        print("unit: SKIPPED: systemd-analyze is not installed")
        return 77
    code, text = analyze("security", "--offline=true", f"--threshold={EXPOSURE_TENTHS}", str(UNIT))
    verdict = re.search(r"Overall exposure level .*?: (\d+\.\d+)", text)
    if code != 0 or verdict is None or re.search(r"ignoring|Unknown", text):
        print(f"unit: {text}")
        return 1
    filters = (SOURCE / "server" / "sandbox" / "syscall_filter.c").read_text()
    lists = filters.replace(re.search(r"sanitizer_calls\[\] = \{.*?\n\};", filters, re.S)[0], "")
    needed = set(re.findall(r"SCMP_SYS\((\w+)\)", lists)) - OTHER_MACHINES | CONFINING
    missing = needed - allowed()
    if missing or len(needed) < 90:
        print(f"unit: the server needs these calls, of {len(needed)}: {', '.join(sorted(missing))}")
        return 1
    print(f"unit: exposure {verdict[1]}; all {len(needed)} system calls are let through")
    return 0


sys.exit(main())

"""examples/vite for a test: its packages fetched once and kept, and a copy of the project that may be
changed and built."""
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import cairn

EXAMPLE = cairn.SOURCE / "examples" / "vite"
NODE_LEAST = 18
# What npm says when it cannot reach its registry; any other failure is one of the project.
_NO_NETWORK = re.compile(r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|"
                         r"ERR_SOCKET_TIMEOUT|E40[137]|E5\d\d|\w*_CERT_?\w*|UNABLE_TO_\w+)\b")


def _check_tools():
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise unittest.SkipTest(f"{program} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(re.match(r"v(\d+)", version).group(1)) < NODE_LEAST:
        raise unittest.SkipTest(f"Vite needs Node {NODE_LEAST}, this is {version.strip()}")


def npm(folder, *arguments, expect=0, **environment):
    """Runs npm in a folder; returns what it printed."""
    done = subprocess.run(["npm", *arguments], cwd=folder, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
                          env={**os.environ, "npm_config_update_notifier": "false", **environment})
    cairn.check_no_report(done.stdout, "npm")
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"npm {' '.join(arguments)}: exit code {done.returncode}\n"
                             f"{done.stdout}")
    return done


def _packages():
    """The folder with node_modules as the lock file has them."""
    _check_tools()
    lock = (EXAMPLE / "package-lock.json").read_bytes()
    kept = cairn.data_folder() / f"vite-{hashlib.sha256(lock).hexdigest()[:16]}"
    if kept.is_dir():
        return kept
    # beside its place first: several tests may be at it, and half a folder is none
    with tempfile.TemporaryDirectory(dir=cairn.data_folder()) as holder:
        fresh = Path(holder) / "packages"
        fresh.mkdir()
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(EXAMPLE / name, fresh)
        done = npm(fresh, "ci", expect=None)
        if done.returncode != 0 and _NO_NETWORK.search(done.stdout):
            raise unittest.SkipTest("npm packages cannot be had: " + done.stdout.strip()[-300:])
        if done.returncode != 0:
            raise AssertionError(f"npm ci: {done.stdout}")
        try:
            fresh.rename(kept)
        except OSError:
            if not kept.is_dir():
                raise
    return kept


def project(folder):
    """A copy of the example below the folder, with its packages, ready for `npm run build`. The
    folder is in cairn.data_folder(), so that packages are links and take neither room nor time."""
    packages = _packages()
    tree = Path(folder) / "vite"
    shutil.copytree(EXAMPLE, tree, ignore=shutil.ignore_patterns("node_modules", "dist", ".cairn"))
    shutil.copytree(packages / "node_modules", tree / "node_modules", symlinks=True,
                    copy_function=os.link)
    return tree

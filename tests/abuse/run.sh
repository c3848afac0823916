#!/usr/bin/env bash
# Every attack at full size, and slowhttptest's own four: a table. Takes some minutes. Installs nothing.
#   tests/abuse/run.sh [--only TEXT] [--size N] [--seconds S] [--json FILE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${CAIRN_BIN:-$here/../../build/release/bin}
command -v python3 >/dev/null || {
    echo "run.sh: python3 is not installed (Debian package python3)" >&2
    exit 2
}
[ -x "$bin/cairn-serve" ] || {
    echo "run.sh: no $bin/cairn-serve (a Release build, or CAIRN_BIN)" >&2
    exit 2
}
CAIRN_BIN=$bin PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore "$here/report.py" "$@"

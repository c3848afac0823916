#!/usr/bin/env bash
# Mixed traffic and a release a second for MINUTES (60 by default): is anything wrong, does anything
# grow? A table and a verdict; exit code 1 if so. Installs nothing.
#   tests/soak/soak.sh [MINUTES] [--json FILE] [--folder DIR] [--workers N]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${CAIRN_BIN:-$here/../../build/release/bin}
command -v python3 >/dev/null || {
    echo "soak.sh: python3 is not installed (Debian package python3)" >&2
    exit 2
}
[ -x "$bin/cairn-serve" ] || {
    echo "soak.sh: no $bin/cairn-serve (a Release build, or CAIRN_BIN)" >&2
    exit 2
}
CAIRN_BIN=$bin PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/soak.py" "$@"

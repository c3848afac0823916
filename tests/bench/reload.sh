#!/usr/bin/env bash
# What clients notice of 1,000 reloads in a row, beside nginx: a Markdown table. Installs nothing.
#   tests/bench/reload.sh [--quick] [--reloads N] ...      (--help lists the rest)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${CAIRN_BIN:-$here/../../build/release/bin}
PATH=$PATH:/usr/sbin
missing=0

lacks() {
    echo "reload.sh: $1" >&2
    missing=1
}
command -v python3 >/dev/null || lacks "python3 is not installed (Debian package python3)"
command -v wrk >/dev/null || lacks "wrk is not installed (Debian package wrk)"
for program in cairn-pack cairn-serve; do
    [ -x "$bin/$program" ] || lacks "no $bin/$program (a Release build, or CAIRN_BIN)"
done
[ "$missing" = 0 ] || exit 2
command -v nginx >/dev/null ||
    echo "reload.sh: nginx is not installed (Debian package nginx-light): left out" >&2
CAIRN_BIN=$bin exec python3 "$here/reload.py" "$@"

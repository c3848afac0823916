#!/usr/bin/env bash
# Every fault there is: each call of each function (calls.txt) fails in each of its ways, in the
# packer, in a server that starts (in its sandbox, as another user, with --trust), in a server that
# serves, while releases are refused, and under strace. Takes many minutes.
#   tests/faults/run.sh                 all of it, with the builds in build/asan and build/release
#   tests/faults/run.sh test_packer     one part (any name that unittest takes)
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
export CAIRN_BIN=${CAIRN_BIN:-$root/build/asan/bin}
export CAIRN_PLAIN_BIN=${CAIRN_PLAIN_BIN:-$root/build/release/bin}
export CAIRN_FAULTS_ALL=1 PYTHONDONTWRITEBYTECODE=1
CAIRN_FAULTS_TALLY=$(mktemp -d)
export CAIRN_FAULTS_TALLY
trap 'rm -r "$CAIRN_FAULTS_TALLY"' EXIT
started=$(date +%s)
result=0
if [ $# = 0 ]; then
    set -- discover
fi
python3 -m unittest "$@" -v || result=$?

echo
echo "Faults injected, by function:"
cat "$CAIRN_FAULTS_TALLY"/*.tally | awk '$1 == "injected" { n[$2] += $3; all += $3 }
    END { for (call in n) printf "  %-18s %d\n", call, n[call] | "sort"; close("sort")
          printf "  %-18s %d\n", "all", all }'
echo "Outcomes:"
cat "$CAIRN_FAULTS_TALLY"/*.tally | awk '$1 == "outcome" { gsub("_", " ", $2); n[$2] += $3; all += $3 }
    END { for (what in n) printf "  %-32s %d\n", what, n[what] | "sort"; close("sort")
          printf "  %-32s %d\n", "all", all }'
echo "Took $(($(date +%s) - started)) s"
exit "$result"

#!/usr/bin/env bash
# Makes tests/data/bad_index anew with the make_bad_index of a build, or, with --check, compares what
# it would make with what is there: the damaged files and the rules of the readers stay in step.
#   tests/data/bad_index.sh build/dev/bin/make_bad_index
#   tests/data/bad_index.sh --check build/dev/bin/make_bad_index
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ "${1:-}" = --check ]; then
    made=$(mktemp -d)
    trap 'rm -rf "$made"' EXIT
    "$2" "$made"
    diff -r "$made" "$here/bad_index"
    echo "tests/data/bad_index: $(wc -l <"$made/EXPECTED") damaged indexes, as the tool makes them"
else
    rm -rf "$here/bad_index"
    mkdir "$here/bad_index"
    "$1" "$here/bad_index"
    echo "made $(wc -l <"$here/bad_index/EXPECTED") damaged indexes in $here/bad_index"
fi

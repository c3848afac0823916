#!/usr/bin/env bash
# What a release of many small files costs: packing, packing again, loading its index. Prints medians.
#   tests/bench/releases.sh [FILES] [BIN]      30000 files; the programs in build/release/bin
set -euo pipefail
files=${1:-30000}
bin=$(cd "${2:-$(dirname "$0")/../../build/release/bin}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

awk -v files="$files" 'BEGIN {
    for (i = 0; i < files; i++) {
        folder = sprintf("site/section-%02d/topic-%03d", i % 30, int(i / 30) % 500)
        if (!(folder in made)) { system("mkdir -p " folder); made[folder] = 1 }
        path = sprintf("%s/page-%06d.html", folder, i)
        printf "<!doctype html><title>%d</title><p>", i > path
        for (j = 0; j < i % 97; j++) printf "x%d ", i > path
        close(path)
    }
}'

# A file that was written a moment ago is read again by the next add: its times cannot tell yet.
sleep 5

seconds() { # of a command, wall clock
    local start
    start=$(date +%s.%N)
    "$@" >/dev/null
    awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.3f s", b - a }'
}
echo "$files files, $(du -sb --apparent-size site | cut -f1) bytes with folders"
echo "tar cf of the warm tree:        $(seconds tar cf site.tar site)"
echo "add --effort none, first:       $(seconds "$bin/cairn-pack" add -q --effort none site none.cairn)"
echo "add, first:                     $(seconds "$bin/cairn-pack" add -q site site.cairn)"
echo "find -printf of the tree:       $(seconds find site -type f -printf '%s %T@ %p\n')"
before=$(stat -c %s site.cairn)
echo "add, unchanged:                 $(seconds "$bin/cairn-pack" add -q site site.cairn)," \
    "$(($(stat -c %s site.cairn) - before)) bytes appended"
echo "index bytes a file:             $(($(stat -c %s site.000001.idx) / files))" \
    "(three spellings of each page, three forms)"
{
    for _ in $(seq 25); do
        echo "load index site.000001.idx"
        echo "load index site.000002.idx"
    done
    echo quit
} | "$bin/cairn-serve" --listen 127.0.0.1:0 |
    sed -n 's/.* ms=\([0-9.]*\).*/\1/p' | sort -n |
    awk '{ ms[NR] = $1 } END { printf "load index, median of %d:      %s ms (%s to %s)\n", NR, ms[int((NR + 1) / 2)], ms[1], ms[NR] }'

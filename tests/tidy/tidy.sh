#!/usr/bin/env bash
# The house rules that a program can check: layers, lengths, third parties, left-over marks, format.
set -euo pipefail
cd "$1"
problems=0

say() {
    echo "tidy: $*"
    problems=$((problems + 1))
}

sources=$(find common packer server -name '*.[ch]' | sort)
all=$(find common packer server tests -name '*.[ch]' | sort)

# No header by a path that climbs: layers are reached by their names (docs/architecture.md).
if grep -nE '#include "\.\./' $all; then
    say "an include climbs out of its folder"
fi

# A lower layer never includes a higher one. The build refuses it too (tests/tidy/layers.sh).
below() { # folder, pattern of what it must not include (main.c, server.c and check.c are the program, above them all)
    if find "$1" -maxdepth 1 -name '*.[ch]' ! -path server/main.c ! -path server/check.c ! -path 'server/server.[ch]' -print0 | xargs -0 grep -nE "#include \"($2)/"; then
        say "$1 includes a higher layer"
    fi
}
below common 'telemetry|packer|site|http|net|events|server|admin'
below common/telemetry 'packer|site|http|net|events|server|admin'
below packer 'site|http|net|events|server|admin'
below packer/site 'packer/release|packer/watch'
below packer/archive 'packer/release|packer/watch'
below packer/release 'packer/watch'
below server/site 'packer|http|net|events|server|admin'
below server/http 'packer|net|events|server|admin'
below server/net 'packer|events|server|admin'
below server/events 'packer|server|admin'
below server 'packer|admin'
below server/control 'packer|admin'
below server/sandbox 'packer|admin'
below server/metrics 'packer|admin'
below server/admin 'packer'

# One third-party library is one file that includes it.
for library in cmph xxhash libdeflate zstd seccomp jansson; do
    files=$(grep -lE "#include <$library\.h>" $sources)
    [ "$(wc -l <<<"$files")" = 1 ] || say "$library.h is included by more than one file:" $files
done

files=$(grep -lE "#include <curl/" $sources)
[ "$files" = common/telemetry/http_client.c ] || say "libcurl is included by:" $files

# OpenSSL: each of its hashes is one file, its keys another.
files=$(grep -lE "#include <openssl/" $sources)
[ "$files" = "$(printf 'common/key.c\ncommon/sha1.c\ncommon/sha256.c')" ] || say "OpenSSL is included by:" $files

# Functions stay under 70 lines. (A table is not a function: its brace follows a '='.)
long=$(awk 'FNR == 1 { start = 0 }
    /^\{/ { start = FNR }
    /^\}/ { if (start && FNR - start > 70) print FILENAME ":" start ": " FNR - start " lines"; start = 0 }' $all)
[ -z "$long" ] || say "functions over 70 lines: $long"

if grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $sources; then
    say "left-over marks"
fi

if grep -nP '\t| +$' $all; then
    say "tabs or trailing space"
fi

if ! command -v clang-format >/dev/null; then
    [ "$problems" = 0 ] || exit 1
    echo "tidy: SKIPPED the layout check: clang-format is not installed"
    exit 77
fi
for file in $all; do
    clang-format --dry-run -Werror "$file" 2>/dev/null || say "clang-format would change $file"
done

[ "$problems" = 0 ] || exit 1
echo "tidy: ok, $(wc -w <<<"$all") files"

#!/usr/bin/env bash
# libcairn as another program gets it: installed, found by pkg-config, linked shared and static, from C
# and from C++. examples/read_archive.c reads a site that was packed here, and sees what is damaged.
#   CAIRN_PLAIN_BIN=build/release/bin tests/tidy/reader_library.sh
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
if [ -z "${CAIRN_PLAIN_BIN:-}" ]; then
    echo "reader_library: SKIPPED: CAIRN_PLAIN_BIN does not say where programs without sanitizers are"
    exit 77
fi
for tool in pkg-config cc c++ nm; do
    command -v "$tool" >/dev/null || { echo "reader_library: SKIPPED: $tool is not installed"; exit 77; }
done
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

fail() {
    echo "reader_library: $*"
    exit 1
}

# Below DESTDIR first: what is installed must not name that.
DESTDIR=$place/stage cmake --install "$CAIRN_PLAIN_BIN/.." --prefix "$place/root" >/dev/null
[ ! -e root ] || fail "DESTDIR did not count"
mv "stage$place/root" root
! grep -rlF "$place/stage" root || fail "names the folder that it was staged in"
header=$place/root/include/cairn.h
libraries=$(dirname "$(find "$place/root" -name libcairn.a)")
export PKG_CONFIG_PATH=$libraries/pkgconfig LD_LIBRARY_PATH=$libraries

# The header stands alone, by the strictest compilers that it promises.
cc -std=c99 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only "$header"
c++ -std=c++11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -x c++-header "$header"

# Nothing goes out but what it declares, and all of that does.
declared=$(grep -oE '\bcairn_[a-z_]+\(' "$header" | tr -d '(' | sort -u)
exported=$(nm --dynamic --defined-only --format=posix "$libraries/libcairn.so" | awk '$2 != "A" {print $1}' | sed 's/@.*//' | sort)
[ "$declared" = "$exported" ] || fail "exports:" "$(diff <(echo "$declared") <(echo "$exported"))"
global=$(nm --defined-only --extern-only --format=posix "$libraries/libcairn.a" | awk 'NF > 1 {print $1}' | sort)
[ "$declared" = "$global" ] || fail "libcairn.a exports:" "$(diff <(echo "$declared") <(echo "$global"))"
readelf --dynamic "$libraries/libcairn.so" | grep -q 'SONAME.*\[libcairn\.so\.0\]' || fail "its soname"
! readelf --dynamic "$libraries/libcairn.so" | grep -q 'NEEDED.*cmph' || fail "needs libcmph"

example=$source/examples/read_archive.c
words=(-Wall -Wextra -Werror "$example")
# shellcheck disable=SC2046 # words are meant to be split
{
    cc -std=c99 -o shared "${words[@]}" $(pkg-config --cflags --libs cairn)
    # (the linker warns of dlopen() in a static libcrypto)
    cc -std=c99 -static -o static "${words[@]}" $(pkg-config --static --cflags --libs cairn) 2>said ||
        fail "-static: $(cat said)"
    c++ -std=c++11 -o plus -x c++ "${words[@]}" -x none $(pkg-config --cflags --libs cairn)
}
readelf --dynamic shared | grep -q 'NEEDED.*libcairn\.so\.0' || fail "is not linked with the library"
! readelf --dynamic static 2>/dev/null | grep -q NEEDED || fail "-static needs shared libraries"
[ "$(pkg-config --modversion cairn)" = "$("$CAIRN_PLAIN_BIN/cairn-pack" --version | awk 'NR == 1 {print $2}')" ] ||
    fail "the version of pkg-config"

pack=$place/root/bin/cairn-pack
cp -R "$source/examples/site" site
"$pack" keygen key >/dev/null
"$pack" add --quiet --sign key site site.cairn >/dev/null
echo '<!-- of the second release -->' >>site/about.html
"$pack" add --quiet --sign key site site.cairn >/dev/null

for program in ./shared ./static ./plus; do
    [ "$($program releases site.cairn | awk '{print $1, $3}')" = "1 site.000001.idx
2 site.000002.idx" ] || fail "$program releases"
    for name in site.idx site.cairn; do # the paths of cairn-pack's own list
        diff <("$pack" list --json "$name" | grep -oE '"path": ?"[^"]*"' | sed -E 's/.*: ?"(.*)"/\1/') \
            <($program list "$name" | sed -E 's/^[0-9]+ //; s/ (->|\().*//; s/ identity=.*//') ||
            fail "$program list $name"
    done
    $program cat site.idx /about.html | cmp - site/about.html
    $program cat site.cairn '/notes/cr%C3%A8me%20br%C3%BBl%C3%A9e.html' | cmp - site/notes/cr*.html
    $program cat site.000001.idx /about.html | cmp - "$source/examples/site/about.html"
    ! $program cat site.idx /absent 2>/dev/null || fail "$program cat of what is absent"
    $program verify site.idx key.pub | grep -q '^ok: release 2, .* signed by ' || fail "$program verify"
done

# One byte of a page is another: it is neither written nor verified.
offset=$(grep -abo 'of the second release' site.cairn | head -1 | cut -d: -f1)
printf X | dd of=site.cairn bs=1 seek="$offset" conv=notrunc status=none
for program in ./shared ./static; do
    ! $program cat site.idx /about.html >got 2>said || fail "$program cat of a damaged file"
    [ ! -s got ] && grep -q 'site.cairn: the bytes from ' said || fail "$program: $(cat said)"
    ! $program verify site.idx 2>said || fail "$program verify of a damaged file"
    grep -q 'about' said || fail "$program names no path: $(cat said)"
    $program verify site.000001.idx >/dev/null || fail "$program verify of the release before"
done
echo "reader_library: $(wc -w <<<"$declared") functions, shared and static, C and C++"

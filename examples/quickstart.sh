#!/usr/bin/env bash
# The main job, from nothing: installs what is missing, builds, packs examples/site, serves it, pushes
# a changed release live, and leaves the server running until Ctrl-C.
#   examples/quickstart.sh            on http://127.0.0.1:8080/ (PORT sets another port)
#   examples/quickstart.sh --check    the same on a free port; checks each step, stops, exits 0
set -euo pipefail
cd "$(dirname "$0")/.."

check=no
case "${1:-}" in
'') ;;
--check) check=yes ;;
*)
    echo "usage: examples/quickstart.sh [--check]" >&2
    exit 2
    ;;
esac

step() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; }
fail() {
    echo "quickstart: $*" >&2
    exit 1
}

step "Install what is missing, and build"
examples/install-packages.sh gcc:gcc make:make cmake:cmake curl:curl \
    libc6-dev libcmph-dev libxxhash-dev libdeflate-dev libbrotli-dev libzstd-dev libssl-dev libseccomp-dev libsystemd-dev libjansson-dev libcurl4-openssl-dev
# A folder that was configured before keeps its settings; a new one builds no tests.
[ -f build/CMakeCache.txt ] || cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF
cmake --build build -j "$(nproc)" --target cairn-pack cairn-serve cairn-ctl
bin=$PWD/build/bin

run=$(mktemp -d "$PWD/build/quickstart.XXXXXX")
server=
finish() {
    if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
        kill -TERM "$server"
        wait "$server" || true
    fi
    rm -rf "$run"
}
trap finish EXIT

# Waits until a line of a file matches; the server writes it when it is done.
wait_for() { # pattern, file
    for _ in $(seq 200); do
        if grep -m 1 -E "$1" "$2"; then
            return
        fi
        kill -0 "$server" 2>/dev/null || fail "the server ended: $(cat "$run/log")"
        sleep 0.05
    done
    fail "no line that matches '$1' in $2"
}

page() { curl -sS "$url$1"; }
status_of() { curl -sS -o /dev/null -w '%{http_code}' "$url$1"; }
expect() { # what was seen, what it has to be
    [ "$1" = "$2" ] || fail "expected '$2', got '$1'"
}
release_line() { page "" | sed -n 's/.*id="release">\([^<]*\)<.*/\1/p'; }

step "Pack the site into an archive"
cp -r examples/site "$run/public"
show "cairn-pack add public/ site.cairn"
"$bin/cairn-pack" add "$run/public" "$run/site.cairn"

step "Serve the archive; commands come through a FIFO and a socket"
mkfifo "$run/control"
port=${PORT:-8080}
if [ "$check" = yes ]; then
    port=0
elif (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "Port $port is in use; taking a free one."
    port=0
fi
show "cairn-serve --listen 127.0.0.1:$port --control control --control cairn.sock site.idx"
: >"$run/ready"
: >"$run/log"
(cd "$run" && exec "$bin/cairn-serve" --listen "127.0.0.1:$port" --control control \
    --control cairn.sock site.idx </dev/null >ready 2>log) &
server=$!
url=$(wait_for '^ready ' "$run/ready" | cut -d' ' -f2)
cat "$run/log"

step "What a browser sees"
show "curl $url"
release_line
show "curl -I ${url}guide"
curl -sSI "${url}guide" | grep -iE '^(HTTP|location)'
show "curl -I ${url}no/such/page"
curl -sSI "${url}no/such/page" | grep -i '^HTTP'
expect "$(release_line)" "Release 1"
expect "$(status_of guide)" 301
expect "$(status_of guide/)" 200
expect "$(status_of no/such/page)" 404
page no/such/page | cmp - examples/site/404.html || fail "the 404 page is not the site's"
(cd examples/site && find . -type f -printf '%P\n') | while read -r file; do
    encoded=$(printf '%s' "$file" | od -An -v -tx1 | tr -d '\n' | sed 's/ /%/g; s,%2f,/,g')
    page "$encoded" | cmp - "examples/site/$file" || fail "$file differs"
done

step "Change the site, and push the new release live through the FIFO"
sed 's/Release 1/Release 2/' examples/site/index.html >"$run/public/index.html"
show "cairn-pack add public/ site.cairn > control"
"$bin/cairn-pack" add "$run/public" "$run/site.cairn" >"$run/control"
wait_for 'ok load index .*release=2 ' "$run/log"
show "curl $url"
release_line
expect "$(release_line)" "Release 2"

step "The old release is still in the archive: roll back by loading its index, and forth again"
for release in 1 2; do
    show "cairn-ctl --socket cairn.sock load index site.00000$release.idx"
    (cd "$run" && "$bin/cairn-ctl" --socket cairn.sock load index "site.00000$release.idx")
    release_line
    expect "$(release_line)" "Release $release"
done
"$bin/cairn-pack" verify "$run/site.cairn"

if [ "$check" = yes ]; then
    kill -TERM "$server"
    wait "$server" || fail "the server did not exit with 0"
    server=
    printf '\nquickstart: every step checked\n'
    exit 0
fi

cat <<TEXT

The site is being served:   $url
Files of this run:          $run
Try, in another terminal:   $bin/cairn-ctl --socket $run/cairn.sock status
Ctrl-C stops the server and removes the files.
TEXT
trap 'exit 0' INT TERM
wait "$server"

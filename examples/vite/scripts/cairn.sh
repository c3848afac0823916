#!/bin/sh
# Serves what `npm run build` made, and deploys it.
#   scripts/cairn.sh serve     packs dist/ and serves it, until Ctrl-C
#   scripts/cairn.sh deploy    packs dist/ and has the running server load it
#
# Names in these are relative to the project:
# CAIRN_BIN      folder with cairn-pack and cairn-serve, if they are not on the PATH
# CAIRN_ARCHIVE  the archive (.cairn/site.cairn)
# CAIRN_CONTROL  the server's control socket (.cairn/control.sock)
# CAIRN_LISTEN   where to listen (127.0.0.1:8080)
set -eu
cd "$(dirname "$0")/.."

PATH=${CAIRN_BIN:+$CAIRN_BIN:}$PATH
archive=${CAIRN_ARCHIVE:-.cairn/site.cairn}
control=${CAIRN_CONTROL:-.cairn/control.sock}

if ! command -v cairn-pack >/dev/null; then
    echo "cairn-pack is not on the PATH; CAIRN_BIN may name its folder" >&2
    exit 1
fi
mkdir -p "$(dirname "$archive")"

# --spa: a link to /cairns/grey-top gets index.html, and the script in it does the rest.
case ${1:-} in
serve)
    cairn-pack add --spa dist "$archive" >/dev/null
    exec cairn-serve --control "$control" "${archive%.cairn}.idx"
    ;;
deploy)
    exec cairn-pack add --spa --push "$control" dist "$archive"
    ;;
*)
    echo "usage: scripts/cairn.sh serve|deploy" >&2
    exit 2
    ;;
esac

#!/usr/bin/env bash
# `cmake --install` puts the three programs where they can be run.
#   install.sh BUILD CONFIGURED_VERSION
set -euo pipefail
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$1" --prefix "$prefix" >/dev/null
for program in cairn-pack cairn-serve cairn-ctl; do
    said=$("$prefix/bin/$program" --version | sed q)
    [ "$said" = "$program $2" ] || { echo "install: $program said '$said'"; exit 1; }
    "$prefix/bin/$program" --help | grep '^usage: ' >/dev/null
done
echo "install: three programs, version $2"

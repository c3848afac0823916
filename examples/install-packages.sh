#!/usr/bin/env bash
# Installs what is missing on a Debian 12 machine. Arguments: PACKAGE, or COMMAND:PACKAGE where having
# the command is enough, however it got there. Does nothing if nothing is missing.
#   examples/install-packages.sh gcc:gcc cmake:cmake libcmph-dev
set -euo pipefail

missing=()
for wanted in "$@"; do
    package=${wanted#*:}
    if [ "$wanted" != "$package" ] && command -v "${wanted%%:*}" >/dev/null; then
        continue
    fi
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]; then
        missing+=("$package")
    fi
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system. Please install what these packages hold: ${missing[*]}" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo)
    command -v sudo >/dev/null || {
        echo "Please run as root: apt-get install ${missing[*]}" >&2
        exit 1
    }
fi
echo "Installing ${missing[*]}"
# Nobody asked for the servers among them to run: a policy says so as long as they are installed.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

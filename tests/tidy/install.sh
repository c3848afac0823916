#!/usr/bin/env bash
# `cmake --install` puts the three programs where they can be run, and beside them what they need: a
# unit that starts them where they are, manuals, completions, documents.
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
for file in share/man/man1/cairn-pack.1 share/man/man8/cairn-serve.8 share/man/man5/cairn-index.5 \
    share/bash-completion/completions/cairn-ctl share/zsh/site-functions/_cairn \
    share/fish/vendor_completions.d/cairn-serve.fish share/doc/cairn/docs/install.md \
    share/doc/cairn/examples/serve.conf include/cairn.h; do
    [ -s "$prefix/$file" ] || { echo "install: there is no $file"; exit 1; }
done
grep -qx "ExecStart=$prefix/bin/cairn-serve @/etc/cairn/serve.conf" "$prefix/lib/systemd/system/cairn.service" ||
    { echo "install: the unit starts another program"; exit 1; }
echo "install: three programs, version $2, and what goes with them"

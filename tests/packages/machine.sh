#!/usr/bin/env bash
# A machine for a program, inside.py if not told otherwise: this system's files below a layer that takes what is changed and is gone
# afterwards, systemd as its first process, a network of its own. In a mount namespace of its own
# (unshare --mount). Exit code 77: skipped, this kernel or container does not allow it.
#   machine.sh SOURCE PLACE [PROGRAM]   PLACE/packages goes in, PLACE/said comes out; PROGRAM is words
#                                       of Python's command line, below SOURCE, run in PLACE
set -euo pipefail
source=$1
place=$2
program=${3:-tests/packages/inside.py}
layer=$place/layer

skip() {
    echo "SKIPPED: $*"
    exit 77
}

mkdir -p "$layer"
mount -t tmpfs -o mode=0755 tmpfs "$layer" || skip "tmpfs cannot be mounted"
mkdir "$layer/changes" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/changes,workdir=$layer/work" "$layer/root" ||
    skip "an overlay cannot be mounted"
root=$layer/root

# Nothing of this machine's own services, and a machine that nobody knows yet.
rm -rf "$root"/etc/systemd/system/*.wants "$root/usr/sbin/policy-rc.d" "$root/etc/machine-id" "$root/var/log/journal"
: >"$root/etc/machine-id"
cat >"$root/etc/systemd/system/inside.target" <<'UNIT'
[Unit]
Requires=inside.service basic.target
After=basic.target
AllowIsolate=yes
UNIT
cat >"$root/etc/systemd/system/inside.service" <<UNIT
[Unit]
Requires=basic.target
After=basic.target
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
Environment=DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
WorkingDirectory=/run/place
ExecStart=/usr/bin/env python3 /run/source/$program
StandardOutput=append:/run/place/said
StandardError=append:/run/place/said
UNIT

words=(--quiet --directory="$root" --machine="cairn-$$" --register=no --keep-unit --private-network
    --link-journal=no --settings=no --console=pipe --timezone=off --resolv-conf=off
    --bind="$place:/run/place" --bind-ro="$source:/run/source")
# An older layout of control groups on the host does not matter inside.
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
if ! systemd-nspawn "${words[@]}" --as-pid2 true >"$place/tried" 2>&1; then
    skip "systemd-nspawn: $(tail -1 "$place/tried")"
fi
exec systemd-nspawn "${words[@]}" --boot systemd.unit=inside.target systemd.mask=systemd-journal-flush.service \
    systemd.mask=systemd-timesyncd.service systemd.mask=systemd-networkd.service </dev/null

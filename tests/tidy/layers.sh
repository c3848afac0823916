#!/usr/bin/env bash
# Shows that a breach of the layer rule does not build: with the include path that a layer's files are
# compiled with, a header of its own layer and of those below is found, one from above is not.
#   layers.sh BUILD/layers COMPILER
set -euo pipefail
links=$(cd "$1" && pwd)
compiler=$2
cd / # a quoted include also looks beside the includer

includes() { # header, layers whose folders are on the include path...
    local header=$1
    shift
    local flags=()
    for layer in "$@"; do
        flags+=("-I$links/$layer")
    done
    echo "#include \"$header\"" |
        "$compiler" -D_GNU_SOURCE -std=gnu17 -fsyntax-only "${flags[@]}" -x c - 2>/dev/null
}

may() {
    includes "$@" || { echo "layers: $1 is not found by layers ${*:2}"; exit 1; }
}

may_not() {
    if includes "$@"; then
        echo "layers: $1 is reached from layers ${*:2}"
        exit 1
    fi
}

may common/index.h common
may_not telemetry/exporter.h common
may telemetry/exporter.h common telemetry
may_not packer/site/walk.h common telemetry
may_not site/site.h common
may packer/site/walk.h common packer
may_not site/site.h common packer
may site/site_list.h common site
may_not http/message.h common site
may_not packer/site/walk.h common site
may http/respond.h common site http
may_not net/loop.h common site http
may net/loop.h common telemetry site http net
may_not events/event_message.h common telemetry site http net
may events/event_message.h common telemetry site http net events
may_not server/control/control.h common telemetry site http net events
may_not packer/site/walk.h common telemetry site http net events server
may server/control/control.h common telemetry site http net events server
may_not admin/admin.h common telemetry site http net events server
may admin/admin.h common telemetry site http net events server admin
echo "layers: a header from above is not found"

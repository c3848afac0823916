#!/usr/bin/env bash
# What clang-tidy finds in the programs' sources, its static analyser included (.clang-tidy): nothing.
#   tests/tidy/analyse.sh BUILD_FOLDER [FILE...]     a folder that CMake has configured for clang
# It follows NODES states of each function: 50,000, which takes a third of the time of its own
# default, 225,000.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
shift
mapfile -t files < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else find common packer server -name '*.c' | sort; fi)
found=$(mktemp)
limit=(-Xclang -analyzer-config -Xclang "max-nodes=${NODES:-50000}")
trap 'rm -f "$found"' EXIT
status=0
printf '%s\n' "${files[@]}" |
    xargs -P "$(nproc)" -n 3 clang-tidy -p "$build" --quiet "${limit[@]/#/--extra-arg=}" 2>/dev/null >"$found" || status=$?
grep -E '(warning|error): ' "$found" | sort -u || true
if [ "$status" != 0 ]; then
    echo "analyse: clang-tidy has complaints (in full: clang-tidy -p $build FILE)"
    exit 1
fi
echo "analyse: ${#files[@]} files, nothing found"

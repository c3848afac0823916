#!/usr/bin/env bash
# Checks the model of how lists are published (publication.pml) with Spin, exhaustively, and then
# that the same check finds planted mistakes. Under a minute, 650 MB. Debian: spin, gcc.
#   tests/model/run.sh [PUBLICATIONS]      3; more wants minutes and gigabytes
# 0: it holds and each mistake is found; 1: not so, or the code has changed; 77: there is no spin.
set -euo pipefail
cd "$(dirname "$0")/../.."
publications=${1:-3}
memory_mb=$((publications > 3 ? 6000 : 1000))
if ! command -v spin >/dev/null; then
    echo "model: SKIPPED: spin is not installed"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
problems=0

# ---- is the code still what the model says? ----

anchors=0
while IFS= read -r anchor; do
    file=${anchor%%: *}
    code=${anchor#*: }
    anchors=$((anchors + 1))
    grep -qF -- "$code" "$file" || {
        echo "model: $file has no more: $code"
        problems=$((problems + 1))
    }
done < <(sed -nE 's,.*/\* @ ([^ ]+: .*[^ ]) *\*/.*,\1,p' tests/model/publication.pml)
echo "model: $anchors statements of the code looked up, $problems not found"

cp tests/model/publication.pml "$work"
cd "$work"

# ---- runs ----

check() { # -O1|-O2, safety|liveness, macros...: into `verdict`, `states`, `macros`
    local optimize=$1 kind=$2 flags=(-DSAFETY) options=()
    shift 2
    macros=()
    if [ "$kind" = liveness ]; then
        flags=()
        options=(-a -f) # acceptance cycles, weak fairness
        macros=(-DLIVENESS)
    fi
    macros+=("-DPUBLICATIONS=$publications" "$@")
    rm -f pan.* publication.pml.trail
    spin -a "${macros[@]}" publication.pml >spin.txt || { cat spin.txt; exit 1; }
    "${CC:-cc}" "$optimize" -w "-DMEMLIM=$memory_mb" "${flags[@]}" -o pan pan.c
    ./pan -m100000 "${options[@]}" >pan.txt 2>&1 || true
    states=$(awk '/states, stored/ { print $1 }' pan.txt)
    verdict=$(sed -nE 's/^pan:1: (.*) \(at depth .*/\1/p' pan.txt)
    if [ -z "$verdict" ] && grep -q 'errors: 0' pan.txt &&
        ! grep -qE 'not completed|too small|\([1-9][0-9]* of [0-9]+ states\)' \
            <(sed '/unreached in claim/,$d' pan.txt); then
        verdict=holds # all states were seen, and each step of the model was taken
    fi
    verdict=${verdict:-$(head -n 3 pan.txt)}
}

row() {
    printf '%-9s %-34s %9s states  %s\n' "$@"
}

holds() {
    local started=$SECONDS
    check -O2 "$@"
    row "$1" "${*:2}" "$states" "$verdict ($((SECONDS - started)) s)"
    if [ "$verdict" != holds ]; then
        problems=$((problems + 1))
        if [ -f publication.pml.trail ]; then # the last steps of the way there
            spin -t -p "${macros[@]}" publication.pml | tail -n 60 || true
        fi
        tail -n 30 pan.txt
    fi
}

fails() { # with what
    local wanted=$1
    shift
    check -O1 "$@"
    row "$1" "${*:2}" "$states" "found: $verdict"
    if [[ "$verdict" != *"$wanted"* ]]; then
        echo "model: this mistake should have been found by: $wanted"
        problems=$((problems + 1))
    fi
}

echo "== the model, $publications publications, 2 workers"
holds safety
holds liveness
holds safety -DTELLER

echo "== mistakes that must be found"
fails 'invalid end state' safety -DNO_REFRESH_BEFORE_SLEEP
fails 'invalid end state' safety -DNO_WAKE
fails 'invalid end state' safety -DWAKE_FIRST
fails 'invalid end state' safety -DTELL_WITHOUT_MUTEX
fails 'invalid end state' safety -DLEAVE_WITHOUT_SIGNAL
fails 'lists[in_use].generation' safety -DNO_WAIT
fails 'references[picked]' safety -DREFRESH_IN_A_REQUEST
fails 'references[held[me]]' safety -DNO_REFERENCE
fails 'before>0' safety -DNO_REFERENCE_OF_LIST
fails 'before>0' safety -DUNREF_IN_TWO_STEPS
fails 'undertaker_wake' safety -DBURY_READS_LATE
fails 'acceptance cycle' liveness -DNO_STOP
fails 'lists[list].generation' safety -DTELLER -DFREE_WITHOUT_LOCK

echo "== no mistake: the look after sleeping makes answers newer, nothing depends on it"
holds safety -DNO_REFRESH_AFTER_SLEEP

echo "model: $problems problems, $SECONDS s"
[ "$problems" = 0 ]

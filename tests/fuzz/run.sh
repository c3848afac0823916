#!/usr/bin/env bash
# Looks for inputs that break a parser: every fuzz target for so many minutes, on all cores; then a
# table of what was done, and which lines of the modules were reached. A crash, a leak, a time-out or a
# property that does not hold is kept in build/fuzz/found/TARGET, minimised, and makes the exit status 1.
# What was learnt is kept in build/fuzz/learnt/TARGET for the next run. Ctrl-C ends it early, with the
# table.
#   tests/fuzz/run.sh MINUTES [TARGET...]      all targets, or these
#   tests/fuzz/run.sh --merge [TARGET...]      adds to tests/fuzz/corpus what reaches more code
#   tests/fuzz/run.sh --coverage [TARGET...]   tells which lines the inputs reach
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD/build/fuzz
coverage=$PWD/build/fuzz-coverage
corpora=tests/fuzz/corpus
input_timeout_s=25 # the rest of the machine may be busy too
merged_bytes_max=1024 # what only a long input reaches, a seed is written for

# ---- words ----

usage() {
    sed -nE 's/^#   (tests.*)/usage: \1/p' "$0" >&2
    exit 2
}

mode=${1:-}
case $mode in
--merge | --coverage) ;;
*) [[ $mode =~ ^[1-9][0-9]*$ ]] || usage ;;
esac
shift
mapfile -t targets < <(sed -nE 's/^cairn_fuzz_target\((\w+).*/\1/p' tests/fuzz/CMakeLists.txt)
for target in "$@"; do
    [[ " ${targets[*]} " == *" $target "* ]] || {
        echo "run.sh: $target is none of the targets: ${targets[*]}" >&2
        exit 2
    }
done
[ $# = 0 ] || targets=("$@")

# ---- building ----

install_tools() {
    examples/install-packages.sh clang:clang libclang-rt-14-dev llvm-cov:llvm cmake:cmake make:make \
        libc6-dev libcmph-dev libxxhash-dev libdeflate-dev libbrotli-dev libzstd-dev libssl-dev \
        libcriterion-dev libhttp-parser-dev libseccomp-dev libsystemd-dev libjansson-dev libcurl4-openssl-dev
}

build() { # FOLDER PREFIX
    cmake --build "$1" -j "$(nproc)" --target "${targets[@]/#/$2}" >"$1/build.log" 2>&1 || {
        grep -E 'error|warning' "$1/build.log" >&2
        exit 1
    }
}

build_fuzzers() {
    echo "Building in ${root#"$PWD"/}"
    cmake --preset fuzz >/dev/null
    build "$root" fuzz_
}

# ---- running ----

# Those that are in the way at the start have been looked at, or will be found again.
finds() { # TARGET
    find "$root/found/$1" -type f -newer "$root/started" 2>/dev/null || true
}

# Known by its process, so that it can be ended.
fuzzer() { # TARGET OPTION...
    nice "$root/bin/fuzz_$1" -timeout="$input_timeout_s" "${@:2}" &
    local status=0
    echo $! >"$root/log/$1.pid"
    wait $! || status=$?
    rm "$root/log/$1.pid"
    return $status
}

minimise() { # TARGET FILE
    [ ! -e "$root/stop" ] || return 0
    fuzzer "$1" -minimize_crash=1 -max_total_time=60 -exact_artifact_path="$2.smaller" "$2" \
        >/dev/null 2>&1 || true
    [ ! -s "$2.smaller" ] || mv "$2.smaller" "$2"
}

fuzz() { # TARGET
    local target=$1 log=$root/log/$1.log options=()
    [ ! -e "tests/fuzz/$target.dict" ] || options+=(-dict="tests/fuzz/$target.dict")
    mkdir -p "$root/found/$target" "$root/learnt/$target"
    # it ends at its first find: the others go on
    fuzzer "$target" -max_total_time=$((mode * 60)) -use_value_profile=1 -print_final_stats=1 \
        -artifact_prefix="$root/found/$target/" "${options[@]}" \
        "$root/learnt/$target" "$corpora/$target" >"$log" 2>&1 ||
        [ -e "$root/stop" ] || echo "$target: status" >>"$log"
    finds "$target" | while read -r file; do
        minimise "$target" "$file"
    done
    echo "  $target has ended: $(grep -aoE '#[0-9]+.*cov: [0-9]+ ft: [0-9]+' "$log" | tail -1)"
}

# They print what they have done. A terminal has sent them the same signal already.
end_early() {
    touch "$root/stop"
    cat "$root"/log/*.pid 2>/dev/null | while read -r pid; do
        kill -TERM "$pid" 2>/dev/null || true
    done
}

fuzz_all() {
    mkdir -p "$root/log"
    rm -f "$root/stop" "$root"/log/*.pid
    touch "$root/started"
    trap end_early INT TERM
    local rounds=$(((${#targets[@]} + $(nproc) - 1) / $(nproc)))
    echo "${#targets[@]} targets for $mode minutes each, $(nproc) at a time: $((rounds * mode)) minutes"
    local left=("${targets[@]}")
    while [ "${#left[@]}" -gt 0 ] && [ ! -e "$root/stop" ]; do
        if [ "$(jobs -rp | wc -l)" -lt "$(nproc)" ]; then
            fuzz "${left[0]}" &
            left=("${left[@]:1}")
        else
            wait -n || true
        fi
    done
    while [ -n "$(jobs -rp)" ]; do
        wait || true
    done
    trap - INT TERM
}

# ---- telling ----

number() { # NAME LOG: the last one behind the name
    grep -aoE "$1: +[0-9]+" "$2" | tail -1 | grep -oE '[0-9]+$' || echo 0
}

print_row() {
    printf '%-16s %12s %10s %7s %9s %7s %6s\n' "$@"
}

print_table() {
    echo
    print_row target executions per_second edges features new found
    for target in "${targets[@]}"; do
        local log=$root/log/$target.log
        [ "$log" -nt "$root/started" ] || continue
        print_row "$target" "$(number stat::number_of_executed_units "$log")" \
            "$(number stat::average_exec_per_sec "$log")" "$(number cov "$log")" \
            "$(number ft "$log")" "$(number stat::new_units_added "$log")" \
            "$(finds "$target" | wc -l)"
    done
}

# A target that ended without a find and not by itself is a failure too, such as one that did not start.
print_finds() {
    local status=0
    for target in "${targets[@]}"; do
        for file in $(finds "$target"); do
            printf 'found: %s/bin/replay_%s %s\n' "${root#"$PWD"/}" "$target" "${file#"$PWD"/}"
            status=1
        done
        if [ "$status" = 0 ] && grep -qas "^$target: status" "$root/log/$target.log"; then
            echo "failed: ${root#"$PWD"/}/log/$target.log"
            status=1
        fi
    done
    return $status
}

# ---- coverage: a build of its own, in which the corpora are replayed ----

# The modules that a target is about: those whose headers it includes.
modules_of() { # TARGET
    sed -nE 's/^#include "([a-z0-9]+(\/[a-z0-9_]+)+)\.h"/\1/p' "tests/fuzz/fuzz_$1.c" | while read -r name; do
        local file
        file=$(realpath --relative-to=. "$coverage"/layers/"${name%%/*}"/"$name".h)
        [ ! -e "${file%.h}.c" ] || [ "$name" = common/mem ] || echo "${file%.h}.c"
    done
}

print_coverage() {
    echo
    echo "Building in ${coverage#"$PWD"/}, for coverage"
    cmake -S . -B "$coverage" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug \
        -DCMAKE_C_FLAGS='-fprofile-instr-generate -fcoverage-mapping' >/dev/null
    build "$coverage" replay_
    printf '\n%-16s %-28s %6s %9s %8s %9s\n' target module lines reached branches reached
    for target in "${targets[@]}"; do
        local program=$coverage/bin/replay_$target profile=$coverage/$target modules inputs
        mapfile -t modules < <(modules_of "$target")
        inputs=("$corpora/$target")
        [ -z "$(ls -A "$root/learnt/$target" 2>/dev/null)" ] || inputs+=("$root/learnt/$target")
        LLVM_PROFILE_FILE=$profile.profraw "$program" "${inputs[@]}" >/dev/null
        llvm-profdata merge -sparse "$profile.profraw" -o "$profile.profdata"
        llvm-cov report "$program" -instr-profile="$profile.profdata" |
            awk -v target="$target" -v modules="${modules[*]}" '
                BEGIN { count = split(modules, names, " ") }
                { for (i = 1; i <= count; i++) if ($1 ~ "(^|/)" names[i] "$")
                    printf "%-16s %-28s %6d %9s %8d %9s\n", target, names[i], $8, $10, $11, $13 }'
    done
}

# ---- merging ----

# Only code that nothing else reaches, not how often: the corpus replays in every test run.
merge() { # TARGET
    local before
    before=$(find "$corpora/$1" -type f | wc -l)
    mkdir -p "$root/learnt/$1"
    "$root/bin/fuzz_$1" -merge=1 -use_counters=0 -max_len="$merged_bytes_max" \
        "$corpora/$1" "$root/learnt/$1" >"$root/merge.log" 2>&1
    echo "$1: $before files, now $(find "$corpora/$1" -type f | wc -l)"
}

install_tools
# Targets that need files make them here. They leave without cleaning up.
TMPDIR=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" cairn-fuzz-XXXXXX)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
case $mode in
--merge)
    build_fuzzers
    for target in "${targets[@]}"; do
        merge "$target"
    done
    ;;
--coverage)
    print_coverage
    ;;
*)
    build_fuzzers
    fuzz_all
    print_table
    [ -e "$root/stop" ] || print_coverage # which takes a while
    print_finds
    ;;
esac

#!/usr/bin/env bash
# Everything that has to pass: installs what is missing, builds with address and undefined-behaviour
# sanitizers and as it ships, and runs all tests. Arguments go to the main ctest run:
#   tests/run.sh                 all of it
#   tests/run.sh -R unit_        what matches
set -euo pipefail
cd "$(dirname "$0")/.."
started=$(date +%s)

step() { printf '\n== %s (%d s)\n' "$*" "$(($(date +%s) - started))"; }

step "Install what is missing"
packages=(
    # to build
    gcc:gcc make:make cmake:cmake python3:python3 libc6-dev libcmph-dev libxxhash-dev libdeflate-dev
    libbrotli-dev libzstd-dev libssl-dev libseccomp-dev libsystemd-dev libjansson-dev
    libcurl4-openssl-dev
    # to look at the sources
    clang:clang clang-tidy:clang-tidy clang-format:clang-format shellcheck:shellcheck
    # to test
    libcriterion-dev libhttp-parser-dev curl:curl wget:wget strace:strace brotli:brotli zstd:zstd
    openssl:openssl systemd-analyze:systemd spin:spin valgrind:valgrind jq:jq rsync:rsync
    # beside other programs
    node:nodejs npm:npm hugo:hugo nginx:nginx-light caddy:caddy chromium:chromium
    prometheus:prometheus promtool:prometheus
    # packages, manuals and completions
    g++:g++ file:file pkg-config:pkgconf lintian:lintian adduser:adduser logrotate:logrotate
    systemd-nspawn:systemd-container mandoc:mandoc zsh:zsh fish:fish
)
examples/install-packages.sh "${packages[@]}"

# The definitions of OTLP, by which the tests of telemetry decode, and an independent client of
# WebSockets come while the builds go on.
for folder in otel ws; do
    (cd "tests/$folder" && npm ci --ignore-scripts --no-audit --no-fund) >/dev/null 2>&1 ||
        echo "npm ci failed in tests/$folder: its tests will be skipped"
done &
fetching=$!

jobs=$(nproc)
for preset in asan release; do
    step "Build: $preset"
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" -j "$jobs"
done
step "Build: the programs and the library with clang, warnings are errors"
CC=clang cmake -S . -B build/clang -DCAIRN_WERROR=ON -DBUILD_TESTING=OFF >/dev/null
cmake --build build/clang -j "$jobs"
step "Analyse"
tests/tidy/analyse.sh build/clang
step "Build: thread sanitizer, for the wire tests of reloads under load"
cmake --preset tsan >/dev/null
cmake --build --preset tsan -j "$jobs" --target cairn-pack cairn-serve cairn-ctl

# The plain binaries: for tests that preload libraries or count what a sanitizer would distort.
export CAIRN_PLAIN_BIN=$PWD/build/release/bin
export CAIRN_TSAN_BIN=$PWD/build/tsan/bin

step "The README's first command, checked"
examples/quickstart.sh --check

wait "$fetching"

step "All tests, with address and undefined-behaviour sanitizers"
# One more than processors: many tests mostly wait.
ctest --preset asan --no-tests=error -j "$((jobs + 1))" --progress "$@"
skipped=$(grep -hE "skipped ['\"]|SKIPPED" build/asan/Testing/Temporary/LastTest.log | sort -u || true)

if [ $# = 0 ]; then
    step "What threads do together, with the thread sanitizer"
    ctest --preset tsan --no-tests=error -j "$jobs" --progress \
        -R '^wire_(cold|control|damage|handover|limits|listeners|metrics|push|stack|websocket)$'
fi

step "Skipped tests"
echo "${skipped:-none}"

step "Done"

#!/usr/bin/env bash
# Measures Cairn beside a bare epoll floor, nginx, h2o, lighttpd and Caddy, and writes the tables and
# the chart of docs/performance.md. Installs what is missing; about 20 minutes.
#   tests/bench/run.sh [--rounds N] [--only REGEX]      (compare.py --help lists the rest)
# With --only the results are shown, and the documents left as they are.
set -euo pipefail
cd "$(dirname "$0")/../.."
examples/install-packages.sh gcc:gcc make:make cmake:cmake python3:python3 libc6-dev libcmph-dev \
    libxxhash-dev libdeflate-dev libbrotli-dev libzstd-dev libssl-dev libsystemd-dev libcurl4-openssl-dev \
    libcriterion-dev libhttp-parser-dev brotli:brotli taskset:util-linux \
    nginx:nginx-light h2o:h2o lighttpd:lighttpd caddy:caddy wrk:wrk h2load:nghttp2-client \
    openjdk-17-doc
cmake --preset release >/dev/null
cmake --build --preset release -j "$(nproc)" --target cairn-pack cairn-serve floor
results=build/compare.json
PATH=$PATH:/usr/sbin python3 tests/bench/compare.py build/release/bin --json "$results" "$@"
case " $* " in
*" --only"* | *" --servers"* | *" --also"*) ;;
*) python3 tests/bench/report.py "$results" docs && echo "docs/performance.md and docs/performance.svg are written" ;;
esac

#!/usr/bin/env bash
# What protects the programs against exploits is in the files as they were built: position
# independent, read-only after relocation, no executable stack, stack protector, checked libc calls,
# and on x86-64 targets of indirect jumps that are marked as such. (The note that switches on their
# enforcement needs a C library that was built with it too, which Debian 12's is not.)
#   CAIRN_PLAIN_BIN=build/release/bin tests/tidy/hardening.sh
set -euo pipefail
problems=0
if [ -z "${CAIRN_PLAIN_BIN:-}" ]; then
    echo "hardening: SKIPPED: CAIRN_PLAIN_BIN does not say where programs without sanitizers are"
    exit 77
fi
if ! command -v objdump >/dev/null; then
    echo "hardening: SKIPPED: readelf and objdump are not installed"
    exit 77
fi

expect() { # PROGRAM, WHAT, OPTION OF READELF, PATTERN
    if ! readelf "$3" --wide "$1" | grep -E "$4" >/dev/null; then
        echo "hardening: $1: $2 is missing"
        problems=$((problems + 1))
    fi
}

for program in cairn-pack cairn-serve cairn-ctl; do
    file=$CAIRN_PLAIN_BIN/$program
    expect "$file" "position independence" --file-header 'Type: +DYN'
    expect "$file" "RELRO" --program-headers 'GNU_RELRO'
    expect "$file" "immediate binding" --dynamic 'BIND_NOW|FLAGS.*NOW'
    expect "$file" "a stack that cannot be executed" --program-headers 'GNU_STACK.* RW +0x'
    expect "$file" "the stack protector" --dyn-syms '__stack_chk_fail'
    expect "$file" "checked libc calls" --dyn-syms '__(printf|fprintf|snprintf|vsnprintf|memcpy|read)_chk'
    if readelf --file-header "$file" | grep 'X86-64' >/dev/null &&
        ! objdump --disassemble=main "$file" | grep endbr64 >/dev/null; then
        echo "hardening: $file: control-flow enforcement is missing"
        problems=$((problems + 1))
    fi
done
[ "$problems" = 0 ] || exit 1
echo "hardening: all of it"

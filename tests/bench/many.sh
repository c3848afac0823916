#!/usr/bin/env bash
# A site of very many small files: time, memory and index bytes a path.
#   tests/bench/many.sh [FILES]      (1,000,000 by default)
set -euo pipefail
bin=$(cd "$(dirname "$0")/../.." && pwd)/build/release/bin
count=${1:-1000000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 - "$work/site" "$count" <<'PYTHON'
import os, sys
root, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    if number % 1000 == 0:
        os.makedirs(f"{root}/{number // 1000:04}")
    with open(f"{root}/{number // 1000:04}/{number:07}.txt", "w") as file:
        file.write(f"file {number}\n")
PYTHON
sleep 5 # a file that was written a moment ago is read again by the next add
for run in first again; do
    /usr/bin/env time -f '%e s, %U user, %S system, %M KiB' -o "$work/time" \
        "$bin/cairn-pack" add --quiet --json "$work/site" "$work/site.cairn" >"$work/result"
    python3 - "$run" "$work/result" "$work/time" <<'PYTHON'
import json, sys
run, result, times = sys.argv[1], json.load(open(sys.argv[2])), open(sys.argv[3]).read().strip()
kib = int(times.split()[-2])
print(f"{run}: {times}; {kib * 1024 / result['files']:.0f} B of memory a file, "
      f"{result['index_bytes'] / result['paths']:.1f} B of index a path, "
      f"{result['appended_bytes']} B appended")
PYTHON
done
python3 - "$work/site.idx" <<'PYTHON'
import struct, sys
index = open(sys.argv[1], "rb").read(512)
(count,) = struct.unpack_from("<I", index, 64)
kind, _, _, length, _ = struct.unpack_from("<IIQQQ", index, 128)
print(f"hash function: {8 * length / count:.2f} bits a key")
PYTHON
"$bin/cairn-pack" verify "$work/site.idx"

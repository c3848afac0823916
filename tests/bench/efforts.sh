#!/usr/bin/env bash
# What each effort of a first pack costs and saves, for one or more site directories.
#   tests/bench/efforts.sh [--max] DIRECTORY...      (--max: the strongest one too, which takes minutes)
set -euo pipefail
bin=$(cd "$(dirname "$0")/../.." && pwd)/build/release/bin
efforts=(none fast default)
if [ "${1:-}" = --max ]; then
    efforts+=(max)
    shift
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for directory in "$@"; do
    printf '%s\n' "$directory"
    for effort in "${efforts[@]}"; do
        rm -f "$work"/site.*
        /usr/bin/env time -f '%U %S' -o "$work/time" \
            "$bin/cairn-pack" add --quiet --json --effort "$effort" "$directory" "$work/site.cairn" \
            >"$work/result"
        python3 - "$effort" "$work/result" "$work/time" <<'PYTHON'
import json, sys
effort, result, times = sys.argv[1], json.load(open(sys.argv[2])), open(sys.argv[3]).read().split()
saved = " ".join(f"{name} {100 - 100 * sizes['coded_bytes'] / sizes['identity_bytes']:.1f} %"
                 for name, sizes in result["codings"].items() if sizes["identity_bytes"])
print(f"  {effort:8} {result['seconds']:7.2f} s  {float(times[0]) + float(times[1]):7.2f} s of CPU  "
      f"{result['file_bytes'] / 1e6:7.1f} MB -> archive {result['appended_bytes'] / 1e6:7.1f} MB  "
      f"saved: {saved or 'nothing'}")
PYTHON
    done
done

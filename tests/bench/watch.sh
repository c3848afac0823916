#!/usr/bin/env bash
# A site of many files that is watched: from a save to the server's `ok load index`, and memory.
#   tests/bench/watch.sh [FILES] [SAVES]      (30,000 and 300 by default)
set -euo pipefail
bin=$(cd "$(dirname "$0")/../.." && pwd)/build/release/bin
files=${1:-30000}
saves=${2:-300}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 - "$bin" "$work" "$files" "$saves" <<'PYTHON'
import os, random, subprocess, sys, time

bin_folder, work, files, saves = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
root, rng = f"{work}/site", random.Random(1)
for number in range(files):
    if number % 100 == 0:
        os.makedirs(f"{root}/{number // 100:04}")
    with open(f"{root}/{number // 100:04}/{number:06}.html", "w") as file:
        file.write(f"<title>{number}</title>\n" * rng.randrange(1, 200))
time.sleep(5)  # a file that was written a moment ago is read again by the next add


def memory_mib(pid):
    rows = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    pss = sum(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup")
              if line.startswith("Pss_Anon"))
    return int(rows["VmRSS"].split()[0]) / 1024, pss / 1024


began = time.monotonic()
pack = subprocess.Popen([f"{bin_folder}/cairn-pack", "add", "--watch", "--quiet", root,
                         f"{work}/site.cairn"], stdout=subprocess.PIPE)
serve = subprocess.Popen([f"{bin_folder}/cairn-serve", "--quiet", "--listen", "127.0.0.1:0"],
                         stdin=pack.stdout, stdout=subprocess.PIPE, text=True)


def next_ok():
    line = serve.stdout.readline()
    while not line.startswith("ok load index"):
        line = serve.stdout.readline()
    return time.monotonic(), line


print(f"{files} files: the first release after {next_ok()[0] - began:.2f} s")


def save(number):
    with open(f"{root}/{number // 100:04}/{number:06}.html", "w") as file:
        file.write(f"<title>{number} at {time.time_ns()}</title>\n")


def processor_s():
    with open(f"/proc/{pack.pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


def report(what, values):
    values = sorted(values)
    print(f"{what}: median {values[len(values) // 2] * 1e3:.1f} ms, "
          f"p99 {values[int(len(values) * 0.99)] * 1e3:.1f} ms, most {values[-1] * 1e3:.1f} ms")


def measure(what, act):
    times, costs = [], []
    for turn in range(saves):
        time.sleep(rng.uniform(0.02, 0.06))
        begin, cost = time.monotonic(), processor_s()
        act(turn)
        times.append(next_ok()[0] - begin)
        costs.append(processor_s() - cost)
    report(what, times)
    report("    processor time of it", costs)


measure("a page is saved", lambda turn: save(rng.randrange(files)))
measure("a page comes or goes", lambda turn: os.unlink(f"{root}/new.html") if turn % 2 else
        open(f"{root}/new.html", "w").write("<title>new</title>\n"))
for name, process in (("cairn-pack", pack), ("cairn-serve", serve)):
    resident, own = memory_mib(process.pid)
    print(f"{name}: {resident:.0f} MiB resident, of which {own:.0f} MiB its own")
pack.terminate()
pack.wait()
serve.terminate()
serve.wait()
PYTHON

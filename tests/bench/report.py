#!/usr/bin/env python3
"""Turns what compare.py measured into the tables of docs/performance.md and the chart beside it.

    tests/bench/report.py RESULTS.json DOCS_FOLDER

The tables stand between two marks in performance.md; nothing else in it is touched. The chart is
performance.svg: CPU time of each server for a request, as a multiple of the floor's.
"""
import json
import math
import re
import sys
from pathlib import Path

SERVERS = ("cairn", "nginx", "h2o", "lighttpd", "caddy")
COLORS = {"cairn": "#b3441e", "nginx": "#3f7f52", "h2o": "#3a6ea5", "lighttpd": "#8a6d3b",
          "caddy": "#76608a"}
BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratios(workload):
    """Cairn's CPU time as a multiple of the floor's, and of the best peer's."""
    figures = workload["figures"]
    floor = figures["walk" if "walk" in figures else "floor"]["us"]
    others = [row["us"] for name, row in figures.items() if name in SERVERS[1:]]
    own = figures["cairn"]["us"]
    return own / floor, own / min(others) if others else math.nan


def judged(ratio, aim):
    """The ratio beside its aim; bold where it is not reached."""
    if aim is None:
        return f"{ratio:.2f}"
    text = f"{ratio:.2f} (≤ {aim:.2f})"
    return text if ratio <= aim else f"**{text}**"


def cost_table(workloads):
    names = ("floor", *SERVERS)
    lines = ["| CPU time for a request, µs | " + " | ".join(names) + " | to the floor | to the best peer |",
             "|---" * (len(names) + 3) + "|"]
    for workload in workloads:
        figures = workload["figures"]
        floor, peer = ratios(workload)
        cells = [number(figures[name]["us"]) if name in figures else "" for name in names]
        if "walk" in figures:
            cells[0] += f" to {number(figures['walk']['us'])}"
        lines.append(f"| {workload['name']} | " + " | ".join(cells) +
                     f" | {judged(floor, workload['to_floor'])} | {judged(peer, workload['to_peer'])} |")
    return lines


def speed_table(workloads):
    lines = ["| thousands a second; p50, p99, p99.9 in µs | " + " | ".join(("floor", *SERVERS)) + " |",
             "|---" * (len(SERVERS) + 2) + "|"]
    for workload in workloads:
        cells = []
        for name in ("floor", *SERVERS):
            row = workload["figures"].get(name)
            cells.append("" if row is None or row["p50"] == 0 else
                         f"{number(row['krps'])}; {row['p50']:,.0f}, {row['p99']:,.0f}, {row['p999']:,.0f}")
        lines.append(f"| {workload['name']} | " + " | ".join(cells) + " |")
    return lines


def write_tables(results, path):
    workloads = list(results["workloads"].values())
    text = path.read_text()
    lines = [BEGIN, f"{results['when']}, medians of {results['rounds']} interleaved rounds of a second.", "",
             *cost_table(workloads), "", *speed_table(workloads), "", END]
    found = re.search(re.escape(BEGIN) + ".*?" + re.escape(END), text, re.DOTALL)
    if found is None:
        raise SystemExit(f"{path}: there is no {BEGIN}")
    path.write_text(text[:found.start()] + "\n".join(lines) + text[found.end():])


# ---- the chart ----

LEFT, WIDTH, BAR, GAP, TOP = 190, 900, 11, 16, 56
MOST = 40  # where the scale ends, times the floor


def across(ratio):
    """Where a ratio lies: the scale is logarithmic, from 0.25 on."""
    least = math.log(0.25)
    share = (math.log(min(max(ratio, 0.25), MOST)) - least) / (math.log(MOST) - least)
    return LEFT + share * (WIDTH - LEFT - 60)


def bars(workload, top):
    figures = workload["figures"]
    floor = figures["walk" if "walk" in figures else "floor"]["us"]
    shown = [name for name in SERVERS if name in figures]
    parts = [f'<text x="{LEFT - 10}" y="{top + len(shown) * BAR / 2 + 4:.0f}" text-anchor="end" '
             f'font-size="13">{workload["name"]}</text>']
    for position, name in enumerate(shown):
        ratio = figures[name]["us"] / floor
        y = top + position * BAR
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{across(ratio) - LEFT:.1f}" height="{BAR - 2}" '
                     f'fill="{COLORS[name]}"/>')
        mark = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
        parts.append(f'<text x="{across(ratio) + 4:.1f}" y="{y + BAR - 2}" font-size="9">{mark}</text>')
    return parts, top + len(shown) * BAR + GAP


def write_chart(results, path):
    parts = []
    top = TOP
    for workload in results["workloads"].values():
        drawn, top = bars(workload, top)
        parts += drawn
    scale = []
    for ratio in (0.5, 1, 2, 5, 10, 20, 40):
        x = across(ratio)
        scale.append(f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{top - GAP + 4}" '
                     f'stroke="{"#222" if ratio == 1 else "#ccc"}"/>')
        scale.append(f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle" font-size="11">'
                     f'{"floor" if ratio == 1 else f"{ratio:g}×"}</text>')
    keys = []
    for position, name in enumerate(SERVERS):
        x = LEFT + position * 100
        keys.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{COLORS[name]}"/>'
                    f'<text x="{x + 17}" y="20" font-size="12">{name}</text>')
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="sans-serif">\n'
        "<title>CPU time for a request, as a multiple of a bare epoll server's</title>\n"
        f'<rect width="{WIDTH}" height="{top}" fill="#fff"/>\n' + "\n".join(keys + scale + parts) + "\n</svg>\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results = json.loads(Path(sys.argv[1]).read_text())
    docs = Path(sys.argv[2])
    write_tables(results, docs / "performance.md")
    write_chart(results, docs / "performance.svg")


main()

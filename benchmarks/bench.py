"""Every benchmark of speed and size, one after the other, each in a process of its own; `make bench` runs this.

    python benchmarks/bench.py [--only nightly indices] [--write docs/performance.md]

The figures stand in `results/latest.json`, with every run, sizes and versions. `--write` puts their table into a page, between
the markers `<!-- figures -->` and `<!-- /figures -->`.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from figures import LATEST
from romania_peers import peers_python

HERE = Path(__file__).parent
SCRIPTS: dict[str, tuple[str, ...]] = {
    "nightly": ("--side", "5490", "10980", "--chunk", "2048"),
    "nightly_vs_plain": (),
    "gate_price": ("--worlds", "2"),
    "indices": (),
    "indices --kept-pages": (),
    "monitor_vs_nrt": (),
    "polygonise": (),
    "tenure_overlay": (),
    "growth": (),
    "nothing_new": (),
    "prefect_overhead": (),
    "cluster": (),
    "night_of_200_tiles": (),
}
IN_PEERS = {"indices", "indices --kept-pages"}
"""Scripts that run in the environment of the peers."""
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def run(name: str) -> float:
    """Run one script; returns the minutes it took."""
    python = peers_python() if name in IN_PEERS else Path(sys.executable)
    begin = time.perf_counter()
    print(f"\n=== {name}", flush=True)
    script, *words = name.split()
    done = subprocess.run([str(python), str(HERE / f"{script}.py"), *words, *SCRIPTS[name]], check=False)
    if done.returncode:
        print(f"{name} failed with code {done.returncode}: its figures are those of an earlier run, or absent")
    return (time.perf_counter() - begin) / 60


def table() -> str:
    """The figures as a table of Markdown."""
    held = json.loads(LATEST.read_text(encoding="utf-8"))
    rows = ["| figure | value | reach | reached | runs | measured on |", "|---|---|---|---|---|---|"]
    for key, f in sorted(held.items(), key=lambda item: (not item[1]["target"], item[0])):
        word = {True: "yes", False: "**no**", None: ""}[f["holds"]]
        unit = "" if f["unit"] == "ratio" else f" {f['unit']}"
        spread = f"{min(f['runs']):.3g} to {max(f['runs']):.3g} ({len(f['runs'])})"
        rows.append(f"| `{key}` | {f['value']:.3g}{unit} | {f['target']} | {word} | {spread} | {f['on']} |")
    return "\n".join(rows)


def write(page: Path) -> None:
    """Put the table into a page between its markers."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(SCRIPTS), default=list(SCRIPTS))
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    took = {name: run(name) for name in asked.only}
    print("\n" + "\n".join(f"{name}: {minutes:.1f} minutes" for name, minutes in took.items()))
    print("\n" + table())
    if asked.write:
        write(asked.write)


if __name__ == "__main__":
    main()

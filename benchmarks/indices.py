"""How much faster indices are than by spyndex and numexpr, the same values, on the same heap settings.

    benchmarks/.peers/bin/python benchmarks/indices.py [--side 5490] [--runs 5] [--kept-pages]

Eight indices of float32 reflectance. numexpr uses all cores, as it does unless told otherwise, and so do we; spyndex has no
threads, and one thread of ours is printed beside it. Ours writes into an array that is used again, as a loop over chunks does;
the others have no place for one and make new arrays, which under glibc's defaults come with fresh pages each time.
`--kept-pages` measures what is left of the difference when the process keeps its pages, for all of them alike: the
figures of that end with `_kept_pages`. `make bench-peers` makes the environment.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

HEAP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**28)}
KEPT = "--kept-pages"
if KEPT in sys.argv and any(os.environ.get(name) != value for name, value in HEAP.items()):
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **HEAP})  # noqa: S606 - glibc reads them at the start
sys.path.insert(0, str(Path(__file__).parents[1]))  # the pipeline is not installed beside the peers

import numexpr  # noqa: E402
import numpy as np  # noqa: E402
import spyndex  # noqa: E402
from figures import Figure, publish, seconds  # noqa: E402

from pipeline.indices import INDICES, compute_all  # noqa: E402

BANDS = {"blue": "B", "green": "G", "red": "R", "nir": "N", "swir16": "S1", "swir22": "S2"}
SPYNDEX_NAMES = {"bsi": "BI"}
"""Where its short name is not our acronym."""
CONSTANTS = {"g": 2.5, "C1": 6.0, "C2": 7.5, "L": 1.0}
"""Of EVI, which spyndex leaves to the caller."""
NAMES = {key: SPYNDEX_NAMES.get(key, index.acronym) for key, index in INDICES.items()}
KEYS = [key for key in INDICES if NAMES[key] in spyndex.indices]
Indices = dict[str, np.ndarray]


def by_spyndex(bands: Indices) -> Indices:
    params = {BANDS[name]: values for name, values in bands.items()} | CONSTANTS
    return {key: spyndex.computeIndex(NAMES[key], params) for key in KEYS}


def by_numexpr(bands: Indices) -> Indices:
    """Each formula as its record prints it."""
    found = {}
    for key in KEYS:
        text = INDICES[key].formula.replace("2.5 (", "2.5 * (").replace("6 red", "6 * red").replace("7.5 blue", "7.5 * blue")
        found[key] = numexpr.evaluate(text, {name: bands[name] for name in INDICES[key].bands}, truediv=True)
    return found


def ways(bands: Indices) -> dict[str, Callable[[], Indices]]:
    """What is timed, by name."""
    cores = os.cpu_count() or 1
    out = np.empty((len(KEYS), *bands["red"].shape), np.float32)
    return {
        "ours": lambda: compute_all(KEYS, bands, threads=cores, out=out),
        "ours, one thread": lambda: compute_all(KEYS, bands, out=out),
        "spyndex": lambda: by_spyndex(bands),
        "numexpr": lambda: by_numexpr(bands),
    }


def apart(bands: Indices) -> dict[str, float]:
    """Largest difference from ours, in units of float32 rounding of the larger of the index and 1."""
    found = {}
    made = {name: {key: values.copy() for key, values in work().items()} for name, work in ways(bands).items()}
    for name, theirs in made.items():
        steps = [
            np.max(np.abs(theirs[key] - made["ours"][key]) / np.spacing(np.maximum(np.float32(1), np.abs(made["ours"][key]))))
            for key in KEYS
        ]
        found[name] = float(max(steps))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=5490)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(KEPT, action="store_true", help="memory stays with the process once it has it, for all")
    asked = parser.parse_args()
    rng = np.random.default_rng(1)
    bands = {name: rng.uniform(0.01, 0.6, (asked.side, asked.side)).astype(np.float32) for name in BANDS}
    differences = apart({name: values[:1024] for name, values in bands.items()})
    timed = ways(bands)
    for work in timed.values():
        work()
    spent = [{name: seconds(work) for name, work in timed.items()} for _ in range(asked.runs)]
    print(f"{len(KEYS)} indices ({', '.join(KEYS)}) of {asked.side} x {asked.side} px, {os.cpu_count()} cores")
    print("| | seconds, each run | Mpx/s | apart from ours, float32 steps |\n|---|---|---|---|")
    for name in timed:
        runs = [run[name] for run in spent]
        speed = bands["red"].size / 1e6 / sorted(runs)[len(runs) // 2]
        print(f"| {name} | {', '.join(f'{s:.3f}' for s in runs)} | {speed:.0f} | {differences[name]:.1f} |")
    sizes = {"side": asked.side, "indices": KEYS, "apart_steps": differences, "seconds": spent}
    heap = "_kept_pages" if asked.kept_pages else ""
    figures = [
        Figure(f"indices_vs_{peer}{heap}", [run[peer] / run["ours"] for run in spent], target, sizes)
        for peer, target in (("spyndex", "" if heap else ">= 8"), ("numexpr", ""))
    ]
    one = [run["spyndex"] / run["ours, one thread"] for run in spent]
    publish(*figures, Figure(f"indices_one_thread_vs_spyndex{heap}", one, "", sizes))


if __name__ == "__main__":
    main()

"""Figures of the benchmarks: measured side by side, printed as a table, gathered in `results/latest.json`.

A script measures with `paired` (ours and the other in turn, so that a noisy machine disturbs both) and hands its figures to
`publish`. `latest.json` holds one record for each key: the median, what it should reach, every run, sizes and versions.
"""

import json
import operator
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LATEST = Path(__file__).parent / "results" / "latest.json"
PACKAGES = (
    "numpy",
    "numba",
    "rasterio",
    "scikit-learn",
    "geopandas",
    "shapely",
    "prefect",
    "dask",
    "spyndex",
    "numexpr",
    "nrt",
)
COMPARED = {"<=": operator.le, ">=": operator.ge, "<": operator.lt}


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    key: str
    runs: Sequence[float]
    """What each run gave; the figure is their median."""
    target: str = ""
    """What it should reach, as "<= 2.0"; empty where nothing is asked."""
    sizes: Mapping[str, Any] = field(default_factory=dict)
    """On what it was measured."""
    unit: str = "ratio"

    @property
    def value(self) -> float:
        """The median of the runs."""
        return statistics.median(self.runs)

    @property
    def holds(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if not self.target:
            return None
        sign, bound = self.target.split()
        return bool(COMPARED[sign](self.value, float(bound)))


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def paired(ours: Callable[[], object], other: Callable[[], object], runs: int = 5) -> tuple[list[float], list[float]]:
    """Return the wall times of both, called in turn after one call each that does not count."""
    ours(), other()
    times = [(seconds(ours), seconds(other)) for _ in range(runs)]
    return [t for t, _ in times], [t for _, t in times]


def peak_gib() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def publish(*figures: Figure) -> None:
    """Print figures as a table and put them into `latest.json`, in place of earlier ones of the same keys."""
    held = json.loads(LATEST.read_text(encoding="utf-8")) if LATEST.is_file() else {}
    print(f"\n{'figure':<32}{'value':>10}  {'reach':<9}{'':<6}spread of the runs")
    for f in figures:
        word = {True: "yes", False: "NO", None: ""}[f.holds]
        print(f"{f.key:<32}{f.value:>10.3g}  {f.target:<9}{word:<6}{min(f.runs):.3g} to {max(f.runs):.3g} ({len(f.runs)})")
        held[f.key] = {
            "value": f.value, "unit": f.unit, "target": f.target, "holds": f.holds, "runs": list(f.runs),
            "sizes": dict(f.sizes), "versions": _versions(), "on": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }  # fmt: skip
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    """Versions of what the figures depend on, as far as installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

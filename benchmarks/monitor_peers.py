"""How long EWMA and CuSum of nrt 0.3.0 take for one date of one chunk, on NDVI alone.

    benchmarks/.peers/bin/python benchmarks/monitor_peers.py [--side 2048] [--dates 6]

The history is two synthetic years with a season and noise, and goes on unchanged, so that nearly every pixel is still
watched at the last date. Fitting and the first date, which compiles, are not counted. `make bench-peers` makes the
environment.
"""

import argparse
import json
import statistics
import time
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from nrt.monitor import BaseNrt
from nrt.monitor.cusum import CuSum
from nrt.monitor.ewma import EWMA

PEERS: dict[str, type[BaseNrt]] = {"ewma": EWMA, "cusum": CuSum}
FIRST = datetime(2022, 1, 1)  # noqa: DTZ001 - nrt takes times without a zone
EVERY_DAYS, HISTORY = 20, 37
"""Looks twenty days apart: two years of them before monitoring."""


def ndvi_on(look: int, side: int) -> np.ndarray:
    """NDVI of a forest at a look: float32 (side, side)."""
    season = 0.05 * np.cos(2.0 * np.pi * look * EVERY_DAYS / 365.25)
    noise = np.random.default_rng(look).standard_normal((side, side), np.float32)
    return np.float32(0.8 + season) + np.float32(0.02) * noise


def fitted(name: str, side: int) -> BaseNrt:
    """A monitor with the defaults of its class, but for a plain least squares fit without a trend."""
    days = [np.datetime64(FIRST + timedelta(days=look * EVERY_DAYS), "ns") for look in range(HISTORY)]
    coords = {"time": days, "y": -10.0 * np.arange(side, dtype=float), "x": 10.0 * np.arange(side, dtype=float)}
    past = xr.DataArray(np.stack([ndvi_on(look, side) for look in range(HISTORY)]), coords, ("time", "y", "x"))
    monitor = PEERS[name](trend=False, harmonic_order=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monitor.fit(dataarray=past, method="OLS")
    return monitor


def nrt_seconds_per_date(name: str, side: int, dates: int) -> list[float]:
    """Return the seconds that `monitor` of nrt takes on each of so many dates.

    Parameters
    ----------
    name : str
        Key of `PEERS`.
    side : int
        Pixels of the side of the chunk.
    dates : int
        Dates after the first, which compiles.
    """
    monitor = fitted(name, side)
    spent = []
    for look in range(HISTORY, HISTORY + dates + 1):
        array, day = ndvi_on(look, side), FIRST + timedelta(days=look * EVERY_DAYS)
        begun = time.perf_counter()
        monitor.monitor(array=array, date=day)
        spent.append(time.perf_counter() - begun)
    return spent[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--dates", type=int, default=6)
    parser.add_argument("--json", type=Path, help="a file for the seconds of each peer")
    asked = parser.parse_args()
    spent = {name: nrt_seconds_per_date(name, asked.side, asked.dates) for name in PEERS}
    print(f"{asked.side} x {asked.side} px, {asked.dates} dates, NDVI only")
    print("| | seconds per date, median | ms per Mpx and date |\n|---|---|---|")
    for name, runs in spent.items():
        median = statistics.median(runs)
        print(f"| nrt {name} | {median:.4f} | {1000.0 * median / (asked.side**2 / 1e6):.1f} |")
    if asked.json is not None:
        asked.json.write_text(json.dumps(spent) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

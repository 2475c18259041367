"""The monitors of the package nrt 0.3.0 on the pixels that it is given; runs in an environment of its own.

    python nrt_side.py looks.npz breaks.npz

`looks.npz` holds `day` (int64, days since 1970), `ndvi`, `green`, `swir` (float32 (time, y, x), NaN where not clear),
`history_end` (day) and `settings` (JSON: a list of `Setting` fields). `breaks.npz` gets `day` (int32 (setting, y, x), days
since 1970, 0 never), `monitored` (bool (setting, y, x)), `fit_s` and `monitor_s` (float64 (setting,)). It imports nothing of
the pipeline: the package clashes by name with the wheel that the data comes from.
"""

import json
import sys
import time
import warnings
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from nrt.monitor import BaseNrt
from nrt.monitor.ccdc import CCDC
from nrt.monitor.cusum import CuSum
from nrt.monitor.ewma import EWMA
from nrt.monitor.iqr import IQR
from nrt.monitor.mosum import MoSum

Looks = dict[str, np.ndarray]
Setting = dict[str, Any]
MONITORS = {"EWMA": EWMA, "CuSum": CuSum, "MoSum": MoSum, "IQR": IQR, "CCDC": CCDC}
RUN_LENGTHS = ("IQR", "CCDC")
"""Monitors whose process counts outliers in a row, without a sign."""
WARM_UP = 4
"""Side in pixels of the piece that is fitted first, so that compiling is in no figure."""


def layers(stored: Looks, rows: int, columns: int, *, history: bool) -> dict[str, xr.DataArray]:
    """NDVI, green and SWIR of a window as the arrays that nrt takes, in the history or after it."""
    day = stored["day"]
    chosen = (day <= stored["history_end"]) == history
    coords = {
        "time": day[chosen].astype("datetime64[D]").astype("datetime64[ns]"),
        "y": -10.0 * np.arange(rows, dtype=float),
        "x": 10.0 * np.arange(columns, dtype=float),
    }
    dims = ("time", "y", "x")
    return {n: xr.DataArray(stored[n][chosen, :rows, :columns], coords, dims) for n in ("ndvi", "green", "swir")}


def fit(setting: Setting, past: dict[str, xr.DataArray], mask: np.ndarray) -> BaseNrt:
    """A monitor fitted on the past."""
    monitor = MONITORS[setting["monitor"]](mask=mask, **setting["make"])
    extra = {"green": past["green"], "swir": past["swir"]} if setting["monitor"] == "CCDC" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monitor.fit(dataarray=past["ndvi"], **setting["fit"], **extra)
    return monitor


def watch(monitor: BaseNrt, name: str, later: dict[str, xr.DataArray]) -> np.ndarray:
    """First day of a break towards less green: int32 (y, x), 0 never.

    nrt stops at a break in either direction. Greening is no alarm here, so that a pixel that broke upwards is watched on:
    its run of outliers begins anew, the sums of the other monitors stay as they are.
    """
    first = np.zeros(monitor.mask.shape, np.int32)
    days = later["ndvi"]["time"].values.astype("datetime64[D]").astype(int).tolist()
    for day, array in zip(days, later["ndvi"].values, strict=True):
        date = datetime(1970, 1, 1) + timedelta(days=day)  # noqa: DTZ001 - nrt takes times without a zone
        watched = monitor.mask == 1
        monitor.monitor(array=array, date=date)
        broken = watched & (monitor.mask == 3)
        fell = array < monitor.predict(date) if name in RUN_LENGTHS else monitor.process < 0
        first[broken & fell & (first == 0)] = day
        up = broken & ~fell
        monitor.mask[up] = 1
        if name in RUN_LENGTHS:
            monitor.process[up] = 0
    return first


def run(setting: Setting, stored: Looks, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Breaks, monitored pixels, seconds to fit and seconds to monitor one setting."""
    past, later = (layers(stored, rows, columns, history=history) for history in (True, False))
    mask = stored["mask"][:rows, :columns].astype(np.uint8)
    begun = time.perf_counter()
    monitor = fit(setting, past, mask)
    fitted = time.perf_counter()
    monitored = monitor.mask == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = watch(monitor, setting["monitor"], later)
    return first, monitored, fitted - begun, time.perf_counter() - fitted


def main() -> None:
    """Run every setting once on a small piece and once on all."""
    source, target = map(Path, sys.argv[1:3])
    with np.load(source) as file:
        stored = {name: file[name] for name in file.files}
    settings = json.loads(str(stored["settings"]))
    rows, columns = stored["ndvi"].shape[1:]
    results = []
    compiled: set[str] = set()
    for setting in settings:
        if setting["monitor"] not in compiled:
            top = {n: (v[:, 40:, 40:] if v.ndim == 3 else v[40:, 40:] if v.ndim == 2 else v) for n, v in stored.items()}
            run(setting, top, WARM_UP, WARM_UP)
            compiled.add(setting["monitor"])
        results.append(run(setting, stored, rows, columns))
        print(setting["monitor"], setting["label"], f"{results[-1][2]:.2f} s fit, {results[-1][3]:.2f} s monitor", flush=True)
    day, monitored, fit_s, monitor_s = (np.array(part) for part in zip(*results, strict=True))
    np.savez_compressed(target, day=day, monitored=monitored, fit_s=fit_s, monitor_s=monitor_s)


if __name__ == "__main__":
    main()

"""What became of each pixel of the Romanian forest, told by its summers alone."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from pipeline.cube import SceneClass
from pipeline.indices import normalised_difference

BEFORE, AFTER = (2016, 2017, 2018), (2019, 2020)
SUMMER = (6, 7, 8)
GREEN = (5, 6, 7, 8, 9)
"""Months in which the fall is dated: the canopy is closed in May, and a clearing of the winter is seen then."""
LOSS, STEADY, FOREST = 0.2, 0.08, 0.7
"""NDVI: a loss falls by more than 0.2; a stable forest was above 0.7 and fell in no summer by more than 0.08."""
MIN_LOOKS = 3
"""Fewest summer looks of a median; every pixel of the cube that has data has six or more in each summer of `AFTER`."""


@dataclass(frozen=True)
class Truth:
    """The reference; arrays (y, x)."""

    lost: np.ndarray
    """bool: the median of the summer looks of 2019 and 2020 together is more than `LOSS` below that of 2016 to 2018."""
    standing: np.ndarray
    """bool: the same of summer 2020 alone, so that what was cleared in June 2020 counts too."""
    stable: np.ndarray
    """bool: above `FOREST` before, and in neither summer more than `STEADY` below it."""
    drop: np.ndarray
    """float32: NDVI of the summers before minus that of summer 2020; NaN where not known."""
    began: np.ndarray
    """datetime64[D]: first look of the green months after the fall, NaT where nothing was lost."""
    intact: np.ndarray
    """datetime64[D]: last look of the green months before the fall, or the day before the first of them."""


def truth_of(cube: xr.Dataset) -> Truth:
    """Return the reference of a cube (`pipeline.cube`) that spans 2016 to 2020.

    Summer is June to August. A look counts where the scene classification says vegetation or bare ground, with no growing
    of clouds: it is not the mask that the monitors are given. "Persistent loss" would ask for the two summers that follow
    the loss; the cube ends in January 2021, so it is asked of the two summers of the monitored time together (`lost`),
    and of the last one (`standing`). The fall lies where two levels, the median before and that of summer 2020 (or of
    both summers, where only these are low), fit the monitored looks of `GREEN` with the least sum of absolute deviations.
    What was cut in winter is dated by the first look of May, so that an alarm in March has a negative lag.
    """
    time = cube["time"].dt
    ndvi = normalised_difference(cube["nir"].values, cube["red"].values)
    seen = np.isin(cube["scl"].values, (SceneClass.VEGETATION, SceneClass.NOT_VEGETATED))
    summer = np.isin(time.month.values, SUMMER)
    looks, year = np.where(seen, ndvi, np.nan), time.year.values
    before, after, first, last = (
        _median(looks[summer & np.isin(year, years)]) for years in (BEFORE, AFTER, AFTER[:1], AFTER[-1:])
    )
    with np.errstate(invalid="ignore"):
        lost, standing = before - after > LOSS, before - last > LOSS
        stable = (before > FOREST) & (before - first <= STEADY) & (before - last <= STEADY)
    is_later = np.isin(year, AFTER) & np.isin(time.month.values, GREEN)
    began, intact = fall(looks[is_later], cube["time"].values[is_later], before, np.where(standing, last, after))
    fell = lost | standing
    never = np.datetime64("NaT", "D")
    return Truth(lost, standing, stable, before - last, np.where(fell, began, never), np.where(fell, intact, never))


def _median(looks: np.ndarray) -> np.ndarray:
    """Median of (time, y, x) over time, NaN where fewer than `MIN_LOOKS`."""
    count = np.isfinite(looks).sum(axis=0)
    padded = np.where(count >= MIN_LOOKS, looks, 0.0)
    return np.where(count >= MIN_LOOKS, np.nanmedian(padded, axis=0), np.nan)


def fall(looks: np.ndarray, times: np.ndarray, high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first look of the low level and the last of the high one: datetime64[D] (y, x) each.

    Parameters
    ----------
    looks : float32 (time, y, x)
        NaN where not seen.
    times : datetime64 (time,)
    high, low : float32 (y, x)
        The two levels. Where no look is at the high level, the last high one is the day before the first of `times`.
    """
    gain = np.nan_to_num(np.abs(looks - high) - np.abs(looks - low))
    from_here = np.cumsum(gain[::-1], axis=0)[::-1]
    seen = np.isfinite(looks)
    first = np.where(seen, from_here, -np.inf).argmax(axis=0)
    days = times.astype("datetime64[D]")
    index = np.arange(len(days))[:, None, None]
    previous = np.where(seen & (index < first), index, -1).max(axis=0)
    return days[first], np.where(previous >= 0, days[previous], days[0] - np.timedelta64(1, "D"))

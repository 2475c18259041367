"""The fit of the past over whole arrays, as it was before it went by blocks of pixels: the oracle of `pipeline.fitting`."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from pipeline.indices import normalised_difference
from pipeline.reference import (
    EVERGREEN_NDVI,
    EVERGREEN_SHARE,
    FLOOR_LOOKS,
    FLOOR_PERIODS,
    FLOOR_SHARE,
    FLOOR_STEPS,
    FLOOR_UNKNOWN,
    FLOOR_WINDOWS,
    GAP_PERIODS,
    MAD_TO_SIGMA,
    NDVI_BANDS,
    SCALE,
    SEASON_LOOKS,
    SEASON_SPAN_DAYS,
    Reference,
    neighbourhood,
    season_of,
    side_by_side,
)
from pipeline.scenes import BANDS


def _ndvi_spread(level: np.ndarray, spread: Mapping[str, np.ndarray]) -> np.ndarray:
    """Standard deviation of NDVI about its expectation, from those of red and nir: uint16 (n), ten-thousandths.

    First-order propagation of NDVI = (n - r) / (n + r): 2 sqrt((r s_n)^2 + (n s_r)^2) / (n + r)^2.
    """
    r, n = (np.maximum(level[BANDS.index(name)], np.float32(SCALE)) for name in NDVI_BANDS)
    found = 2.0 * np.hypot(r * spread["nir"], n * spread["red"]) / (n + r) ** 2
    return np.clip(np.rint(found / SCALE), 0, 65535).astype(np.uint16)


def _masked_median(values: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """Median over axis 0 of the clear values, by sorting; 0 where there are none. float32 (t, n) -> (n,)."""
    filled = np.where(clear, values, np.inf)
    filled.sort(axis=0)
    count = clear.sum(axis=0)
    low, high = np.maximum((count - 1) // 2, 0), count // 2
    columns = np.arange(values.shape[1])
    middle = 0.5 * (filled[low, columns] + filled[np.minimum(high, len(values) - 1), columns])
    return np.where(count > 0, middle, 0.0).astype(np.float32)


def _harmonic_fit(
    values: np.ndarray, weight: np.ndarray, basis: np.ndarray, ridge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares of (t, n) values on a (t, 3) basis: coefficients (3, n) and residuals (t, n)."""
    normal = np.einsum("ti,tj,tn->nij", basis, basis, weight, optimize=True) + ridge
    moment = np.einsum("ti,tn->ni", basis, weight * values, optimize=True)
    coefficients = np.linalg.solve(normal, moment[..., None])[..., 0].T
    return coefficients, values - basis @ coefficients


def _fit_band(values: np.ndarray, clear: np.ndarray, basis: np.ndarray, seasonal: np.ndarray) -> np.ndarray:
    """Robust coefficients of one band: (t, n) -> float32 (3, n); season only where `seasonal`.

    The median is the level; where the season is fitted, two rounds of least squares with Tukey-like weights on the
    residuals follow, with a small ridge that keeps the season from running where looks are sparse.
    """
    level = _masked_median(values, clear)
    coefficients = np.zeros((3, values.shape[1]), np.float32)
    coefficients[0] = level
    if seasonal.any():
        part, seen = values[:, seasonal], clear[:, seasonal]
        residual = part - level[seasonal]
        ridge = np.diag([0.0, 0.5, 0.5])
        for _ in range(2):
            scale = MAD_TO_SIGMA * _masked_median(np.abs(residual), seen) + 0.004
            weight = np.where(seen, np.clip(1.0 - (residual / (4.0 * scale)) ** 2, 0.0, 1.0) ** 2, 0.0)
            weight[:, weight.sum(axis=0) < 4] = seen[:, weight.sum(axis=0) < 4]
            fitted, residual = _harmonic_fit(np.where(seen, part, 0.0), weight, basis, ridge)
        coefficients[:, seasonal] = fitted
    return coefficients


def _ndvi_floor(ndvi: np.ndarray, flat: np.ndarray, day_of_year: np.ndarray, seasonal: np.ndarray) -> np.ndarray:
    """Floor of NDVI by period, see `Reference.floor`: uint8 (period, n) of NDVI (t, n) and clear looks bool (t, n)."""
    floor = np.full((FLOOR_PERIODS, flat.shape[1]), FLOOR_UNKNOWN, np.uint8)
    if not seasonal.any():
        return floor
    for period in range(FLOOR_PERIODS):
        middle = (period + 0.5) * 366 / FLOOR_PERIODS
        away = np.abs((day_of_year - middle + 183) % 366 - 183)
        for window in FLOOR_WINDOWS:
            unknown = seasonal & (floor[period] == FLOOR_UNKNOWN)
            if not unknown.any():
                break
            floor[period, unknown] = _low_tail(ndvi[away <= window][:, unknown], flat[away <= window][:, unknown])
    return without_gaps(floor)


def _low_tail(ndvi: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """NDVI below which a tenth of the looks lie, as it is stored: uint8 (n,) of (t, n); unknown below `FLOOR_LOOKS`."""
    count = seen.sum(axis=0)
    if not len(seen):
        return np.full(seen.shape[1], FLOOR_UNKNOWN, np.uint8)
    values = np.where(seen, ndvi, np.inf)
    values.sort(axis=0)
    low = values[np.minimum((FLOOR_SHARE * count).astype(int), len(values) - 1), np.arange(values.shape[1])]
    known = (count >= FLOOR_LOOKS) & np.isfinite(low)
    stored = np.clip(np.rint(np.where(known, low, 0.0) * FLOOR_STEPS), 0, FLOOR_UNKNOWN - 1)
    return np.where(known, stored, FLOOR_UNKNOWN).astype(np.uint8)


def without_gaps(floor: np.ndarray) -> np.ndarray:
    """The floors uint8 (period, n), with times that clouds hid filled where their neighbours or the whole year tell them.

    On ground that is green all year by the lowest floor; else up to `GAP_PERIODS` between known ones by the lower of these.
    """
    known = floor != FLOOR_UNKNOWN
    lowest = floor.min(axis=0)
    is_evergreen = (known.sum(axis=0) >= EVERGREEN_SHARE * len(floor)) & (lowest >= EVERGREEN_NDVI * FLOOR_STEPS)
    filled = np.where(known | ~is_evergreen, floor, lowest)
    steps = [(before, after) for before in range(1, GAP_PERIODS + 1) for after in range(1, GAP_PERIODS + 2 - before)]
    for before, after in sorted(steps, key=sum):
        earlier, later = np.roll(floor, before, axis=0), np.roll(floor, -after, axis=0)
        is_between = (filled == FLOOR_UNKNOWN) & (earlier != FLOOR_UNKNOWN) & (later != FLOOR_UNKNOWN)
        filled = np.where(is_between, np.minimum(earlier, later), filled)
    return filled


def fit_reference(cube: xr.Dataset, min_looks: int = 4) -> Reference:
    """Return the reference of a cube of past looks.

    Parameters
    ----------
    cube : xr.Dataset
        See `cube`; only clear looks count.
    min_looks : int
        Pixels with fewer clear looks have no reference (`looks` 0): they are not monitored, and say so.

    Notes
    -----
    Bands that the cube lacks have coefficients 0, and later stops treat them as missing.
    """
    clear = cube["clear"].values
    shape = clear.shape[1:]
    flat = clear.reshape(len(clear), -1)
    doy = cube["time"].dt.dayofyear.values
    basis = np.stack([np.ones(len(doy), np.float32), *season_of(doy)], axis=1)
    count = flat.sum(axis=0)
    days = cube["time"].values.astype("datetime64[D]").astype(np.int64)
    first = np.where(flat, days[:, None], days[-1] + 1).min(axis=0)
    last = np.where(flat, days[:, None], days[0] - 1).max(axis=0)
    seasonal = (count >= SEASON_LOOKS) & (last - first >= SEASON_SPAN_DAYS)
    known = count >= min_looks
    coefficients = np.zeros((3, len(BANDS), flat.shape[1]), np.float32)
    spread: dict[str, np.ndarray] = {}
    for b, name in enumerate(BANDS):
        if name in cube:
            values = cube[name].values.reshape(flat.shape)
            coefficients[:, b] = _fit_band(values, flat, basis, seasonal)
            if name in NDVI_BANDS:
                deviation = np.abs(np.where(flat, values, 0.0) - basis @ coefficients[:, b])
                spread[name] = MAD_TO_SIGMA * _masked_median(deviation, flat)
    level = coefficients[0].reshape(len(BANDS), *shape)
    ndvi = normalised_difference(cube["nir"].values, cube["red"].values).reshape(flat.shape)
    return Reference(
        side_by_side(np.clip(np.rint(coefficients / SCALE), -32768, 32767).astype(np.int16).reshape(3, len(BANDS), *shape)),
        _ndvi_spread(coefficients[0], spread).reshape(shape),
        np.where(known, np.minimum(count, 255), 0).astype(np.uint8).reshape(shape),
        seasonal.reshape(shape),
        _ndvi_floor(ndvi, flat, doy, seasonal).reshape(FLOOR_PERIODS, *shape),
        neighbourhood(level, known.reshape(shape)),
    )

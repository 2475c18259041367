"""How the past is fitted: from a cube of clear looks to the level, the season, the spread and the floors of each pixel.

Receives a cube; hands on a `Reference`. What takes most of the time, the robust level and season, is in `harmonic`.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numba import njit

from pipeline.cube import check_cube
from pipeline.harmonic import LANES, SIGMA, Room, choose_dates, fit_band, gather, make_room, network, rank_residuals
from pipeline.indices import pixel_difference
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
    NDVI_BANDS,
    SCALE,
    SEASON_LOOKS,
    SEASON_SPAN_DAYS,
    Reference,
    neighbourhood,
    season_of,
)
from pipeline.scenes import BANDS

_RED, _NIR = (BANDS.index(name) for name in NDVI_BANDS)
_NOTHING = np.zeros((0, 0), np.float32)
_STEPS, _HIGHEST = np.float32(FLOOR_STEPS), np.float32(FLOOR_UNKNOWN - 1)
_UNIT, _LEAST, _MOST = np.float32(SCALE), np.float32(-32768.0), np.float32(32767.0)
_ZERO, _INFINITE, _NAN = np.float32(0.0), np.float32(np.inf), np.float32(np.nan)


def fit_reference(cube: xr.Dataset, min_looks: int = 4) -> Reference:
    """Return the reference of a cube of past looks.

    Parameters
    ----------
    cube : xr.Dataset
        See `cube`; only clear looks count, and for a band only those that have a number in it.
    min_looks : int
        Pixels with fewer clear looks have no reference (`looks` 0): they are not monitored, and say so.

    Notes
    -----
    Bands that the cube lacks have coefficients 0, and later stops treat them as missing.
    """
    check_cube(cube)
    shape = cube["clear"].shape[1:]
    clear = _flat(cube, "clear")
    bands = tuple(_flat(cube, name) if name in cube else _NOTHING for name in BANDS)
    count, span = _counted(clear, cube["time"].values.astype("datetime64[D]").astype(np.int64))
    seasonal = (count >= SEASON_LOOKS) & (span >= SEASON_SPAN_DAYS)
    known = count >= min_looks
    day_of_year = cube["time"].dt.dayofyear.values
    fitted = _no_fit(count.size)
    _fit_all(fitted, bands, clear, np.where(seasonal, SEASON_LOOKS, len(clear) + 1), _calendar(day_of_year))
    return Reference(
        np.moveaxis(fitted.coefficients.reshape(*shape, 3, len(BANDS)), (2, 3), (0, 1)),
        _ndvi_spread(fitted.level, fitted.spread).reshape(shape),
        np.where(known, np.minimum(count, 255), 0).astype(np.uint8).reshape(shape),
        seasonal.reshape(shape),
        fitted.floor.reshape(FLOOR_PERIODS, *shape),
        neighbourhood(fitted.level.reshape(len(BANDS), *shape), known.reshape(shape)),
    )


def _flat(cube: xr.Dataset, name: str) -> np.ndarray:
    """A variable as (time, pixel)."""
    values = np.ascontiguousarray(cube[name].values)
    return values.reshape(len(values), -1)


@njit(cache=True, nogil=True, error_model="numpy")
def _counted(clear: np.ndarray, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many clear looks each pixel has, and how many days lie between its first and its last."""
    pixels = clear.shape[1]
    count, first, last = np.zeros(pixels, np.int64), np.zeros(pixels, np.int64), np.zeros(pixels, np.int64)
    for t in range(len(days)):
        for i in range(pixels):
            if clear[t, i]:
                first[i] = min(first[i], days[t]) if count[i] else days[t]
                last[i] = max(last[i], days[t]) if count[i] else days[t]
                count[i] += 1
    for i in range(pixels):
        last[i] -= first[i]
    return count, last


class Fit(NamedTuple):
    """What is found of n pixels."""

    coefficients: np.ndarray
    """int16 (n, 3, band), as stored."""
    level: np.ndarray
    """float32 (band, n): the first of the coefficients, not rounded."""
    spread: np.ndarray
    """float32 (2, n): standard deviation of `NDVI_BANDS` about what is expected."""
    floor: np.ndarray
    """uint8 (period, n), see `Reference.floor`."""


def _no_fit(n: int) -> Fit:
    """Of pixels of which nothing is found yet."""
    level, spread = np.zeros((len(BANDS), n), np.float32), np.zeros((len(NDVI_BANDS), n), np.float32)
    return Fit(np.zeros((n, 3, len(BANDS)), np.int16), level, spread, np.full((FLOOR_PERIODS, n), FLOOR_UNKNOWN, np.uint8))


class Calendar(NamedTuple):
    """What the dates of the looks say, the same for all pixels."""

    season: np.ndarray
    """float32 (time, 2): cosine and sine of the day of the year."""
    order: np.ndarray
    """int64 (period, time): the looks, those nearest to the middle of a period first."""
    within: np.ndarray
    """int64 (period, window): how many of these each of `FLOOR_WINDOWS` holds."""
    swaps: np.ndarray
    """int64 (n, 2): see `harmonic.network`."""


def _calendar(day_of_year: np.ndarray) -> Calendar:
    """The calendar of looks."""
    middle = (np.arange(FLOOR_PERIODS)[:, None] + 0.5) * 366 / FLOOR_PERIODS
    away = np.abs((day_of_year - middle + 183) % 366 - 183)
    within = np.stack([(away <= window).sum(axis=1) for window in FLOOR_WINDOWS], axis=1)
    season, order = np.stack(season_of(day_of_year), axis=1), away.argsort(axis=1, kind="stable")
    return Calendar(season, order, within, network(len(day_of_year)))


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_all(fitted: Fit, bands: tuple[np.ndarray, ...], clear: np.ndarray, enough: np.ndarray, calendar: Calendar) -> None:
    """Write the fit of all pixels; `enough` is how many looks a season takes, more than there are where it is not fitted."""
    room, pool = make_room(len(clear)), np.empty(len(clear) + 1, np.float32)
    for first in range(0, clear.shape[1], LANES):
        stop = min(first + LANES, clear.shape[1])
        size = choose_dates(room, clear, calendar.season, first)
        for b in range(len(bands)):
            if len(bands[b]):
                gather(room, size, bands[b], clear, first)
                fit_band(room, size, enough[first:stop], calendar.swaps)
                _store(fitted, room, b, first, stop)
            if b in (_RED, _NIR):
                rank_residuals(room, size, calendar.swaps)
                for p in range(stop - first):
                    fitted.spread[int(b == _NIR), first + p] = SIGMA * room.middle[p]
        _gather_ndvi(room.values, bands[_RED], bands[_NIR], clear, first)
        for i in range(first, stop):
            if enough[i] <= len(clear):
                _write_floor(fitted.floor[:, i], room.values[:, i - first], calendar, pool)


@njit(cache=True, nogil=True, error_model="numpy")
def _store(fitted: Fit, room: Room, band: int, first: int, stop: int) -> None:
    """Write the coefficients of one band as they are stored, and the level."""
    for p in range(stop - first):
        for k in range(3):
            stored = np.rint(np.float32(room.fitted[k * LANES + p]) / _UNIT)
            fitted.coefficients[first + p, k, band] = np.int16(min(max(stored, _LEAST), _MOST))
        fitted.level[band, first + p] = room.fitted[p]


def _ndvi_spread(level: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Standard deviation of NDVI about its expectation, from those of red and nir: uint16 (n), ten-thousandths.

    First-order propagation of NDVI = (n - r) / (n + r): 2 sqrt((r s_n)^2 + (n s_r)^2) / (n + r)^2.
    """
    r, n = (np.maximum(level[BANDS.index(name)], np.float32(SCALE)) for name in NDVI_BANDS)
    found = 2.0 * np.hypot(r * spread[1], n * spread[0]) / (n + r) ** 2
    return np.clip(np.rint(found / SCALE), 0, 65535).astype(np.uint16)


@njit(cache=True, nogil=True, error_model="numpy")
def _gather_ndvi(ndvi: np.ndarray, red: np.ndarray, nir: np.ndarray, clear: np.ndarray, first: int) -> None:
    """Write the NDVI of the looks (time, lane): NaN where they are not clear, infinite where it is not defined."""
    for t in range(len(clear)):
        for p in range(min(LANES, clear.shape[1] - first)):
            value = pixel_difference(nir[t, first + p], red[t, first + p])
            usable = _INFINITE if np.isnan(value) else value
            ndvi[t, p] = usable if clear[t, first + p] else _NAN


@njit(cache=True, nogil=True, error_model="numpy")
def _write_floor(floor: np.ndarray, ndvi: np.ndarray, calendar: Calendar, pool: np.ndarray) -> None:
    """Write the floors (period,) of one pixel, see `Reference.floor`: the shortest window with enough looks tells."""
    for period in range(len(floor)):
        size, begin = 0, 0
        for window in range(calendar.within.shape[1]):
            stop = calendar.within[period, window]
            for k in range(begin, stop):
                pool[size] = ndvi[calendar.order[period, k]]
                size += not np.isnan(pool[size])
            begin = stop
            if size >= FLOOR_LOOKS:
                low = _smallest(pool, size, int(FLOOR_SHARE * size))
                if np.isfinite(low):
                    floor[period] = np.uint8(min(max(np.rint(low * _STEPS), _ZERO), _HIGHEST))
                    break
    fill_gaps(floor)


@njit(cache=True, nogil=True, error_model="numpy")
def _smallest(pool: np.ndarray, size: int, rank: int) -> np.float32:
    """The number of a rank among the first of a pool, whose order changes; ranks are low."""
    for k in range(rank + 1):
        for i in range(k + 1, size):
            if pool[i] < pool[k]:
                pool[i], pool[k] = pool[k], pool[i]
    return pool[rank]


@njit(cache=True, nogil=True, error_model="numpy")
def fill_gaps(floor: np.ndarray) -> None:
    """Fill the times of a pixel's year that clouds hid where their neighbours or the whole year tell them: uint8 (period,).

    On ground that is green all year by the lowest floor; else up to `GAP_PERIODS` between known ones by the lower of these.
    """
    held, seen, lowest = floor.copy(), 0, np.uint8(FLOOR_UNKNOWN)
    for period in range(len(held)):
        seen += held[period] != FLOOR_UNKNOWN
        lowest = min(lowest, held[period])
    is_evergreen = seen >= EVERGREEN_SHARE * len(held) and lowest >= EVERGREEN_NDVI * FLOOR_STEPS
    for period in range(len(held)):
        if held[period] != FLOOR_UNKNOWN:
            continue
        if is_evergreen:
            floor[period] = lowest
            continue
        before, after = 1, 1
        while before <= GAP_PERIODS and held[(period - before) % len(held)] == FLOOR_UNKNOWN:
            before += 1
        while after <= GAP_PERIODS and held[(period + after) % len(held)] == FLOOR_UNKNOWN:
            after += 1
        if before + after <= GAP_PERIODS + 1:
            floor[period] = min(held[(period - before) % len(held)], held[(period + after) % len(held)])

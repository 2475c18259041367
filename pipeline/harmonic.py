"""Level and season of a band, robustly: medians and weighted least squares of many pixels side by side.

`LANES` pixels are fitted at once, so that one instruction serves several of them and what they need stays in the cache; of
the bands nothing is copied but the looks of these. Receives bands (time, pixel); writes into a `Room`.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from pipeline.reference import MAD_TO_SIGMA

LANES = 64
"""Pixels that are fitted side by side."""
RIDGE = 0.5
"""Keeps the season from running where looks are sparse."""
LEAST_WEIGHT = 4
"""Looks with less weight than this together tell no season: then all count alike."""
SIGMA = np.float32(MAD_TO_SIGMA)
_ZERO, _HALF, _ONE, _FOUR, _INFINITE = (np.float32(v) for v in (0.0, 0.5, 1.0, 4.0, np.inf))
_LEAST_SCALE = np.float32(0.004)


class Room(NamedTuple):
    """Of the pixels that are fitted side by side, over the dates on which one of them is clear: (date, lane)."""

    dates: np.ndarray
    """int64 (time,): which dates these are."""
    season: np.ndarray
    """float32 (time, 2): cosine and sine of the day of the year."""
    values: np.ndarray
    """float32: one band, 0 where it is hidden."""
    hidden: np.ndarray
    """float32: 0 where the look counts, else infinite: what this is added to is sorted to the end and has no weight."""
    weight: np.ndarray
    """float32: the residuals, then the weights that they give."""
    ranked: np.ndarray
    """float32: numbers that are sorted."""
    looks: np.ndarray
    """int64 (lane,): how many looks count."""
    middle: np.ndarray
    """float32 (lane,): median."""
    sums: np.ndarray
    """float64 (9 lanes,): of the weighted products, see `_solve`. In one row, since lanes of arrays that might overlap would
    be computed one by one."""
    fitted: np.ndarray
    """float64 (3 lanes,): level, cosine, sine."""


@njit(cache=True, nogil=True, error_model="numpy")
def make_room(looks: int) -> Room:
    """Return room for a number of dates."""
    planes = np.empty((4, looks, LANES), np.float32)
    return Room(
        np.empty(looks, np.int64), np.empty((looks, 2), np.float32), planes[0], planes[1], planes[2], planes[3],
        np.empty(LANES, np.int64), np.empty(LANES, np.float32), np.empty(9 * LANES, np.float64),
        np.empty(3 * LANES, np.float64),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def choose_dates(room: Room, clear: np.ndarray, season: np.ndarray, first: int) -> int:
    """Note the dates on which one of the pixels is clear; returns how many these are."""
    size = 0
    for t in range(len(clear)):
        if clear[t, first : first + LANES].any():
            room.dates[size] = t
            room.season[size, 0], room.season[size, 1] = season[t, 0], season[t, 1]
            size += 1
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def gather(room: Room, size: int, band: np.ndarray, clear: np.ndarray, first: int) -> None:
    """Take the looks of one band that count."""
    room.looks[:] = 0
    stop = min(first + LANES, clear.shape[1])
    for k in range(size):
        values, hidden = room.values[k], room.hidden[k]
        values[:], hidden[:] = _ZERO, _INFINITE
        _take(values, hidden, band[room.dates[k], first:stop], clear[room.dates[k], first:stop])
        for p in range(LANES):
            room.looks[p] += hidden[p] == _ZERO


@njit(cache=True, nogil=True, error_model="numpy")
def _take(values: np.ndarray, hidden: np.ndarray, band: np.ndarray, clear: np.ndarray) -> None:
    """Write one date of a band."""
    for p in range(len(band)):
        value = band[p]
        is_seen = clear[p] & (value == value)  # noqa: PLR0124 - not so of NaN
        values[p] = value if is_seen else _ZERO
        hidden[p] = _ZERO if is_seen else _INFINITE


@njit(cache=True, nogil=True, error_model="numpy")
def fit_band(room: Room, size: int, enough: np.ndarray, swaps: np.ndarray) -> None:
    """Find the robust coefficients of one band.

    The median is the level; where the season is fitted, two rounds of least squares with Tukey-like weights on the
    residuals follow, with a small ridge.
    """
    for k in range(size):
        _hide(room.ranked[k], room.values[k], room.hidden[k])
    _rank(room, size, swaps)
    level = room.middle.copy()
    room.fitted[:] = 0.0
    is_any = False
    for p in range(len(enough)):
        room.fitted[p] = level[p]
        is_any |= room.looks[p] >= enough[p]
    for _ in range(2 if is_any else 0):
        rank_residuals(room, size, swaps)
        _weigh(room, size)
        _add_up(room, size)
        for p in range(LANES):
            _solve(room.fitted, room.sums, p)
    for p in range(len(enough)):
        if room.looks[p] < enough[p]:
            room.fitted[p], room.fitted[LANES + p], room.fitted[2 * LANES + p] = level[p], 0.0, 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _hide(target: np.ndarray, values: np.ndarray, hidden: np.ndarray) -> None:
    """Write the values of one date, infinite where they are hidden."""
    for p in range(LANES):
        target[p] = values[p] + hidden[p]


@njit(cache=True, nogil=True, error_model="numpy")
def rank_residuals(room: Room, size: int, swaps: np.ndarray) -> None:
    """Find the residuals, and the median of them without their sign."""
    for k in range(size):
        _subtract(room.weight[k], room.values[k], room.hidden[k], room.fitted, room.season[k])
        for p in range(LANES):
            room.ranked[k, p] = abs(room.weight[k, p])
    _rank(room, size, swaps)


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract(residual: np.ndarray, values: np.ndarray, hidden: np.ndarray, fitted: np.ndarray, season: np.ndarray) -> None:
    """Write what is left of one date, infinite where it is hidden."""
    cosine, sine = np.float64(season[0]), np.float64(season[1])
    for p in range(LANES):
        expected = fitted[p] + fitted[LANES + p] * cosine + fitted[2 * LANES + p] * sine
        residual[p] = np.float32(values[p] - expected) + hidden[p]


@njit(cache=True, nogil=True, error_model="numpy")
def _rank(room: Room, size: int, swaps: np.ndarray) -> None:
    """Sort the numbers of each pixel, and find their median; 0 where there are none."""
    ranked = room.ranked
    for k in range(len(swaps)):
        if swaps[k, 1] < size:
            _put_in_order(ranked[swaps[k, 0]], ranked[swaps[k, 1]])
    for p in range(LANES):
        n = room.looks[p]
        room.middle[p] = _HALF * (ranked[(n - 1) // 2, p] + ranked[n // 2, p]) if n else _ZERO


@njit(cache=True, nogil=True, error_model="numpy")
def _put_in_order(lower: np.ndarray, upper: np.ndarray) -> None:
    """Put the smaller of two numbers first, in each lane."""
    for p in range(LANES):
        a, b = lower[p], upper[p]
        lower[p], upper[p] = (a if a < b else b), (b if a < b else a)


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh(room: Room, size: int) -> None:
    """Make weights of the residuals and the median of these; all looks count alike where little is left."""
    total, limit = np.zeros(LANES, np.float32), np.empty(LANES, np.float32)
    for p in range(LANES):
        limit[p] = _FOUR * (SIGMA * room.middle[p] + _LEAST_SCALE)
    for k in range(size):
        weight = room.weight[k]
        for p in range(LANES):
            far = weight[p] / limit[p]
            left = max(_ONE - far * far, _ZERO)
            weight[p] = left * left
            total[p] += weight[p]
    for p in range(LANES):
        if total[p] < LEAST_WEIGHT:
            for k in range(size):
                room.weight[k, p] = _ONE if room.hidden[k, p] == _ZERO else _ZERO


@njit(cache=True, nogil=True, error_model="numpy")
def _add_up(room: Room, size: int) -> None:
    """Sum the weighted products that the least squares need."""
    sums = room.sums
    sums[:] = 0.0
    for k in range(size):
        values, weight, c, s = room.values[k], room.weight[k], np.float64(room.season[k, 0]), np.float64(room.season[k, 1])
        for p in range(LANES):
            w = np.float64(weight[p])
            wv = w * np.float64(values[p])
            sums[p] += w
            sums[LANES + p] += w * c
            sums[2 * LANES + p] += w * s
            sums[3 * LANES + p] += w * (c * c)
            sums[4 * LANES + p] += w * (c * s)
            sums[5 * LANES + p] += w * (s * s)
            sums[6 * LANES + p] += wv
            sums[7 * LANES + p] += wv * c
            sums[8 * LANES + p] += wv * s


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(fitted: np.ndarray, sums: np.ndarray, p: int) -> None:
    """Write the coefficients of one pixel, by elimination: the matrix is symmetric and positive."""
    w, wc, ws = sums[p], sums[LANES + p], sums[2 * LANES + p]
    wcc, wcs, wss = sums[3 * LANES + p], sums[4 * LANES + p], sums[5 * LANES + p]
    wv, wcv, wsv = sums[6 * LANES + p], sums[7 * LANES + p], sums[8 * LANES + p]
    by_c, by_s = wc / w, ws / w
    cc, cs, ss = wcc + RIDGE - by_c * wc, wcs - by_c * ws, wss + RIDGE - by_s * ws
    cv, sv = wcv - by_c * wv, wsv - by_s * wv
    sine = (sv - cs / cc * cv) / (ss - cs / cc * cs)
    cosine = (cv - cs * sine) / cc
    fitted[p], fitted[LANES + p], fitted[2 * LANES + p] = (wv - wc * cosine - ws * sine) / w, cosine, sine


def network(size: int) -> np.ndarray:
    """Return pairs of places that sort any `size` numbers when each is put in order (Batcher 1968): int64 (n, 2).

    Which pairs are compared does not depend on the numbers, so many columns are sorted at once. The greater always goes to
    the end: the pairs among the first places sort these.
    """
    pairs = []
    run = 1
    while run < size:
        apart = run
        while apart:
            pairs += [
                (low + i, low + i + apart)
                for low in range(apart % run, size - apart, 2 * apart)
                for i in range(min(apart, size - low - apart))
                if (low + i) // (2 * run) == (low + i + apart) // (2 * run)
            ]
            apart //= 2
        run *= 2
    return np.array(pairs, np.int64).reshape(-1, 2)

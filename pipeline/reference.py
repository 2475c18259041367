"""The reference past: per pixel, what each band is expected to be on a day, and how much it varies.

A `Reference` is fitted on a cube of past clear looks (`fitting`), and later stops compare the current look with it. Where
the looks span most of a year the expectation follows the season by one annual harmonic, else it is a level.
"""

from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum
from functools import cached_property
from typing import Protocol

import numpy as np
from numba import njit
from scipy import ndimage

from pipeline.indices import normalised_difference
from pipeline.scenes import BANDS

SCALE = 1e-4
"""Stored integers are reflectance in ten-thousandths."""
SEASON_SPAN_DAYS = 300
"""Shortest span of clear looks that can tell a season from a trend."""
SEASON_LOOKS = 12
"""Fewest clear looks for three coefficients: four for each."""
CONTEXT_PX = 31
"""Side of the neighbourhood (310 m) whose reference cover tells a river bank from a forest."""
FLOOR_UNKNOWN = 255
FLOOR_STEPS = 200.0
FLOOR_SHARE = 0.1
FLOOR_PERIODS = 24
"""Parts of the year that have a floor of their own: leaves fall within a fortnight."""
FLOOR_LOOKS = 4
"""Fewest looks that tell what is usual."""
FLOOR_WINDOWS = (18, 30, 45)
"""Days on each side of the middle of a period whose looks tell what is usual in it: the shortest of these with enough
looks. A window of a month and a half takes the leaf fall of October for what is usual in September."""
EVERGREEN_NDVI = 0.6
"""Ground whose usual NDVI never falls below this in any period that was seen has no season that could hide a clearing."""
EVERGREEN_SHARE = 0.75
"""Share of the year that must have been seen to say so: a deciduous forest seen in summer alone looks evergreen."""
GAP_PERIODS = 4
"""Half-months without looks that are taken for like their neighbours."""
NDVI_BANDS = ("red", "nir")
MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""


class GroundKind(IntEnum):
    """What is known of a pixel's past."""

    UNKNOWN = 0
    """Too few looks: not watched."""
    LEVEL = 1
    """Compared with one level on every day."""
    SEASONAL = 2
    """A season was fitted."""


UNKNOWN = int(GroundKind.UNKNOWN)


@dataclass(frozen=True)
class PastOnDay:
    """What one chunk's past says of one day; arrays (y, x) unless noted, some of them mapped from disk."""

    day: date
    kind: np.ndarray
    """uint8, `GroundKind`."""
    floor: np.ndarray
    """uint8: NDVI that is still usual in the half-month, in 1/200; `FLOOR_UNKNOWN` where not known."""
    peak: np.ndarray
    """uint8: the highest floor of the year."""
    coefficients: np.ndarray
    """int16 (3, band, y, x), see `Reference`."""
    ndvi_spread: np.ndarray
    """uint16, see `Reference`."""

    def expected_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the expected reflectance of some pixels (flat indices): float32 (band, n), NaN where there were no looks."""
        found = np.empty((self.coefficients.shape[1], len(rows)), np.float32)
        c, s = season_of(np.array([self.day.timetuple().tm_yday]))
        _expect(found, rows, self.coefficients, self.kind, (c[0], s[0]))
        return found

    def expected(self) -> np.ndarray:
        """Return the expected reflectance of every pixel: float32 (band, y, x), NaN where there were no looks."""
        return _expected(self.coefficients, self.kind != GroundKind.UNKNOWN, self.day)

    def every(self, step: int) -> "PastOnDay":
        """Return the past of every `step`-th pixel in both directions."""
        thin = (slice(None, None, step),) * 2
        planes = {name: getattr(self, name)[thin] for name in ("kind", "floor", "peak", "ndvi_spread")}
        return replace(self, coefficients=self.coefficients[:, :, ::step, ::step], **planes)


class Past(Protocol):
    """A chunk's past, in memory or on disk."""

    def on(self, day: date) -> PastOnDay:
        """Return what it says of a day."""
        ...

    def whole(self) -> "Reference":
        """Return all of it in memory."""
        ...

    def level_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the level of some pixels (flat indices): int16 (n, band), ten-thousandths of reflectance."""
        ...

    def near_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the neighbourhood of some pixels (flat indices): uint8 (n, 3), see `Reference.near`."""
        ...


@dataclass(frozen=True)
class Reference:
    """What one chunk looked like before; arrays over (band, y, x) in the order of `scenes.BANDS`."""

    coefficients: np.ndarray
    """int16 (3, band, y, x): level, cosine and sine of the day of the year, in ten-thousandths of reflectance. In memory the
    18 numbers of a pixel lie side by side, since a night asks for few pixels."""
    ndvi_spread: np.ndarray
    """uint16 (y, x): standard deviation of NDVI about its expectation, ten-thousandths."""
    looks: np.ndarray
    """uint8 (y, x): clear looks that were used, at most 255; 0 where nothing is known."""
    is_seasonal: np.ndarray
    """bool (y, x): a season was fitted; elsewhere every day is compared with the level."""
    floor: np.ndarray
    """uint8 (period, y, x): NDVI that a tenth of the looks about a half-month fell below, in 1/200; 255 where no season was
    fitted or that time of the year was not seen; evergreen ground has its lowest floor there. Leaf fall and drought stay
    above it, a clearing does not."""
    near: np.ndarray
    """uint8 (3, y, x): share in percent of water, bare ground and dense vegetation within 310 m, by the level."""

    def on(self, day: date) -> PastOnDay:
        """Return what the past says of a day."""
        return PastOnDay(day, self.kind, self.floor[period_of(day)], self.peak, self.coefficients, self.ndvi_spread)

    def whole(self) -> "Reference":
        """Return all of it in memory."""
        return self

    @cached_property
    def kind(self) -> np.ndarray:
        """`GroundKind` of each pixel: uint8 (y, x)."""
        known = np.where(self.is_seasonal, np.uint8(GroundKind.SEASONAL), np.uint8(GroundKind.LEVEL))
        return np.where(self.looks > 0, known, np.uint8(GroundKind.UNKNOWN))

    @cached_property
    def peak(self) -> np.ndarray:
        """The highest floor in any half-month that was seen, in 1/200: uint8 (y, x), `FLOOR_UNKNOWN` where none was."""
        highest = np.where(self.floor == FLOOR_UNKNOWN, 0, self.floor).max(axis=0)
        return np.where((self.floor == FLOOR_UNKNOWN).all(axis=0), np.uint8(FLOOR_UNKNOWN), highest)

    def level_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the level of some pixels (flat indices): int16 (n, band), ten-thousandths of reflectance."""
        y, x = np.divmod(rows, self.looks.shape[1])
        return self.coefficients[0][:, y, x].T

    def near_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the neighbourhood of some pixels (flat indices): uint8 (n, 3), see `near`."""
        y, x = np.divmod(rows, self.looks.shape[1])
        return self.near[:, y, x].T

    def expected(self, day: date) -> np.ndarray:
        """Return the expected reflectance on a day: float32 (band, y, x), NaN where there were no looks."""
        return self.on(day).expected()


def floor_ndvi(stored: np.ndarray) -> np.ndarray:
    """Return floors as NDVI: float32 of the same shape, NaN where not known."""
    return np.where(stored == FLOOR_UNKNOWN, np.float32(np.nan), stored.astype(np.float32) / np.float32(FLOOR_STEPS))


def _expected(coefficients: np.ndarray, known: np.ndarray, day: date) -> np.ndarray:
    """Reflectance on a day of coefficients (3, band, ...); NaN where nothing is known."""
    level, cosine, sine = coefficients
    c, s = season_of(np.array([day.timetuple().tm_yday]))
    reflectance = (level + cosine * c[0] + sine * s[0]) * np.float32(SCALE)
    reflectance[:, ~known] = np.nan
    return reflectance


@njit(cache=True, nogil=True, error_model="numpy")
def _expect(
    found: np.ndarray, rows: np.ndarray, coefficients: np.ndarray, kind: np.ndarray, season: tuple[np.float32, np.float32]
) -> None:
    """Write what `_expected` gives of some pixels (flat indices)."""
    unit, width = np.float32(SCALE), kind.shape[1]
    for i in range(len(rows)):
        y, x = rows[i] // width, rows[i] % width
        for b in range(found.shape[0]):
            level, cosine = np.float32(coefficients[0, b, y, x]), np.float32(coefficients[1, b, y, x])
            sine = np.float32(coefficients[2, b, y, x])
            value = (level + cosine * season[0] + sine * season[1]) * unit
            found[b, i] = np.float32(np.nan) if kind[y, x] == UNKNOWN else value


def side_by_side(coefficients: np.ndarray) -> np.ndarray:
    """Return the coefficients (3, band, y, x) as a view of memory in which those of a pixel lie side by side."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(coefficients, (0, 1), (2, 3))), (2, 3), (0, 1))


def period_of(day: date) -> int:
    """Return the number of the half-month of a day, from 0."""
    return (day.timetuple().tm_yday - 1) * FLOOR_PERIODS // 366


def season_of(day_of_year: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cosine and sine of the day of the year: float32 each."""
    angle = (2.0 * np.pi / 365.25) * day_of_year
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def neighbourhood(level: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Share in percent of water, bare ground and dense vegetation in the neighbourhood: uint8 (3, y, x)."""
    bands = dict(zip(BANDS, level, strict=True))
    ndvi = normalised_difference(bands["nir"], bands["red"])
    mndwi = normalised_difference(bands["green"], bands["swir16"])
    with np.errstate(invalid="ignore"):
        water = (mndwi > 0.0) & (ndvi < 0.3)
        bare = ~water & (ndvi < 0.4)
        dense = ndvi > 0.7
    shares = [
        ndimage.uniform_filter((cover & known).astype(np.float32), CONTEXT_PX, mode="nearest") for cover in (water, bare, dense)
    ]
    return np.rint(100.0 * np.clip(shares, 0.0, 1.0)).astype(np.uint8)


def stack_strips(strips: list[Reference]) -> Reference:
    """Return one reference of horizontal strips, top first, with the neighbourhood shares taken across their seams."""
    coefficients = side_by_side(np.concatenate([s.coefficients for s in strips], axis=2))
    looks = np.concatenate([s.looks for s in strips], axis=0)
    near = neighbourhood(coefficients[0].astype(np.float32) * np.float32(SCALE), looks > 0)
    seasonal = np.concatenate([s.is_seasonal for s in strips], axis=0)
    spread, floor = (np.concatenate([getattr(s, n) for s in strips], axis=k) for n, k in (("ndvi_spread", 0), ("floor", 1)))
    return Reference(coefficients, spread, looks, seasonal, floor, near)


def replace_where(old: Reference, new: Reference, where: np.ndarray) -> Reference:
    """Return `new` where the mask (bool, y x) holds and it knows the pixel, else `old`: open sites keep their past."""
    take = where & (new.looks > 0)
    return Reference(
        side_by_side(np.where(take, new.coefficients, old.coefficients)),
        np.where(take, new.ndvi_spread, old.ndvi_spread),
        np.where(take, new.looks, old.looks),
        np.where(take, new.is_seasonal, old.is_seasonal),
        np.where(take, new.floor, old.floor),
        np.where(take, new.near, old.near),
    )

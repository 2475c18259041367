"""Where a change could be seen on a day: by the season of the ground and of its landscape."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit

from pipeline.aoi import Chunk
from pipeline.reference import FLOOR_UNKNOWN, GroundKind, PastOnDay, floor_ndvi

LEVEL, SEASONAL = int(GroundKind.LEVEL), int(GroundKind.SEASONAL)

LEAST_NDVI = 0.55
"""Where the NDVI that is still usual for the half-month is lower, snow, open soil or thin grass hides a clearing: the look says
nothing. Dug ground has about 0.2."""
LEAF_FALL = 0.2
"""The same where the usual NDVI lies this far below that of the ground's greenest half-month: leaves come and go within days of
another date each year. On a real deciduous forest 0.15 costs a hundredth of the lost ground, 0.3 doubles the false alarms."""
DRY_SEASON_NDVI = 0.35
"""`LEAST_NDVI` where the dry season leaves grass and twigs, against which dug ground still stands out; leaf fall is no reason
there, since most clear looks are in the dry season."""
EVERGREEN = ("humid_forest", "leach_ponds")
"""Landscapes that keep their leaves."""
DRY_SEASON = ("dry_forest", "savanna", "bare_hills")
"""Landscapes whose dry season leaves grass and twigs."""
UNWATCHED_PCT = 5.0
"""Share of a chunk without watched ground from which the ledger says so."""


@dataclass(frozen=True, slots=True)
class SeasonRules:
    """When a change can be seen on ground with seasons."""

    has_seasons: bool = False
    """The landscape may lose its leaves: then nothing is watched before a year of it has been seen."""
    least_ndvi: float = LEAST_NDVI
    """NDVI that must be usual for the half-month."""
    leaf_fall: float = LEAF_FALL
    """How far the usual NDVI may lie below that of the greenest half-month."""


EVERGREEN_RULES = SeasonRules()
"""Of landscapes that keep their leaves."""


def seasons_of(landscape: object) -> SeasonRules:
    """Return the rules of a landscape; None is taken for evergreen."""
    is_dry = landscape in DRY_SEASON
    return SeasonRules(
        has_seasons=landscape not in {None, *EVERGREEN},
        least_ndvi=DRY_SEASON_NDVI if is_dry else LEAST_NDVI,
        leaf_fall=1.0 if is_dry else LEAF_FALL,
    )


def watched_ground(past: PastOnDay, inside: np.ndarray, rules: SeasonRules = EVERGREEN_RULES) -> np.ndarray:
    """Return where a change could be seen on the day of a past: bool (y, x), within `inside`.

    The past must be known, and the ground must usually be green at that time of its year: a clearing of what is bare or
    leafless anyway shows nothing. In a landscape with seasons the ground's own season must be known too, and a season fitted
    on summers says nothing of a thaw: the floor of the day must be known where one was fitted.
    """
    watched = np.empty(inside.shape, bool)
    _watch(watched, inside, (past.kind, past.floor, past.peak), _is_green(rules), rules.has_seasons)
    return watched


@lru_cache(maxsize=8)
def _is_green(rules: SeasonRules) -> np.ndarray:
    """Whether ground is usually green, by its stored floor and peak: bool (256, 256); unknown ones do not say no."""
    ndvi = floor_ndvi(np.arange(256, dtype=np.uint8))
    floor, peak = ndvi[:, None], ndvi[None, :]
    with np.errstate(invalid="ignore"):
        return ~((floor < rules.least_ndvi) | (floor < peak - rules.leaf_fall))


@njit(cache=True, nogil=True)
def _watch(
    watched: np.ndarray, inside: np.ndarray, planes: tuple[np.ndarray, ...], is_green: np.ndarray, has_seasons: bool
) -> None:
    """Write the mask of `watched_ground`; `planes` are kind, floor and peak."""
    green = np.empty(watched.shape[1], np.bool_)
    for y in range(watched.shape[0]):
        kind, floor, peak = planes[0][y], planes[1][y], planes[2][y]
        for x in range(len(green)):  # a table is not read many pixels at once
            green[x] = is_green[floor[x], peak[x]]
        for x in range(len(green)):
            by_season = np.uint8(kind[x] == SEASONAL) & np.uint8(floor[x] != FLOOR_UNKNOWN)
            is_known = by_season | (np.uint8(kind[x] == LEVEL) & np.uint8(not has_seasons))
            watched[y, x] = (is_known & np.uint8(inside[y, x]) & np.uint8(green[x])) != 0


def unwatched_words(watched: np.ndarray, chunk: Chunk) -> str:
    """Return how much of a chunk no change could be seen on, for the ledger; empty below `UNWATCHED_PCT`."""
    share = 100.0 * (1.0 - np.count_nonzero(watched) / max(int(np.count_nonzero(chunk.inside)), 1))
    if share < UNWATCHED_PCT:
        return ""
    return f"{share:.0f} % of chunk {chunk.id} is not watched: bare, leafless or unknown in the reference at that time of year"

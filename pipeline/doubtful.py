"""Ground that the scene classification takes for cloud, shadow or snow: bright tailings, turbid ponds.

Receives a look; hands on where its flags and its spectrum say different things.
"""

import numpy as np
from numba import njit

from pipeline.cube import CLOUDY, Look, SceneClass, bits_of, is_among, reflectance_of, terms
from pipeline.indices import pixel_difference

DARKEST_OPAQUE_BLUE = 0.22
"""No opaque cloud is darker than this in blue reflectance: tailings and turbid ponds, which the scene classification
takes for cloud, are (their means are 0.11 to 0.12; see the signatures in `pipeline/demo`)."""
LIT_RED, LEAFLESS_NDVI, WET_MNDWI = 0.06, 0.35, 0.1
"""Ground under a flag is brighter than this in red, has no leaves by this NDVI, and where it is water this MNDWI."""
SPECTRUM = ("blue", "green", "red", "nir", "swir16")
"""Bands that tell ground from cloud and shadow; every look has them."""
FLAGGED = bits_of((*CLOUDY, SceneClass.SNOW))
"""A bit for each class under which there may be ground all the same."""


def doubtful_mask(look: Look, where: np.ndarray) -> np.ndarray:
    """Return where the scene classification says cloud, shadow or snow but the spectrum is one of bare ground or water.

    Bool (y, x), within `where`. Too dark in blue for an opaque cloud, no vegetation under a thin one, and either redder than
    grey (bare ground) or wetter than bare (water). Such a pixel counts as ground only when it looks so on two or more looks in
    a row: what is bright or turbid and stays is ground (microsoft/sentinel2-cloud-detector issue 93, GERSL/Fmask4
    issue 39).
    """
    limits = np.array([DARKEST_OPAQUE_BLUE, LIT_RED, LEAFLESS_NDVI, WET_MNDWI], np.float32)
    found = np.zeros(where.shape, bool)
    bands, used = tuple(look.numbers[n] for n in SPECTRUM), terms(look, SPECTRUM)
    _mark_ground(found, (where, look.scl), bands, (used, limits, _numbers_near(limits, used)))
    return found


def _numbers_near(limits: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The number above which no blue is dark enough and that below which no red is lit, to the safe side: float32 (2)."""
    slack = np.float32(1e-4)
    blue = (limits[0] + slack - used[0, 2]) / used[0, 1]
    red = (limits[1] - slack - used[2, 2]) / used[2, 1]
    return np.array([blue, red], np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _mark_ground(
    found: np.ndarray, masks: tuple[np.ndarray, np.ndarray], bands: tuple[np.ndarray, ...], numbers: tuple[np.ndarray, ...]
) -> None:
    """Mark what `doubtful_mask` returns; `masks` are where to look and SCL, `numbers` terms, limits and `_numbers_near`."""
    where, scl = masks
    terms, limits, near = numbers
    for y in range(found.shape[0]):
        if not _may_be_ground(found[y], where[y], scl[y], bands[0][y], bands[2][y], near):
            continue
        for x in range(found.shape[1]):
            if found[y, x]:
                spectrum = (bands[0][y, x], bands[1][y, x], bands[2][y, x], bands[3][y, x], bands[4][y, x])
                found[y, x] = _is_ground(spectrum, terms, limits)


@njit(cache=True, nogil=True, error_model="numpy")
def _may_be_ground(
    found: np.ndarray, where: np.ndarray, scl: np.ndarray, blue: np.ndarray, red: np.ndarray, near: np.ndarray
) -> bool:
    """Mark flagged pixels of a row that are dark in blue and lit in red, and perhaps a few more; returns whether there are any.

    Without a branch, so that many pixels are done at once.
    """
    marked = np.uint8(0)
    for x in range(len(found)):
        may = (
            is_among(scl[x], FLAGGED)
            & np.uint8(where[x])
            & np.uint8(np.float32(blue[x]) < near[0])
            & np.uint8(np.float32(red[x]) > near[1])
        )
        found[x] = may != 0
        marked |= may
    return bool(marked != 0)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _is_ground(spectrum: tuple[float, ...], terms: np.ndarray, limits: np.ndarray) -> bool:
    """Whether a pixel has the spectrum of bare ground or water, of its numbers in the bands of `SPECTRUM`."""
    blue, red = reflectance_of(spectrum[0], terms[0]), reflectance_of(spectrum[2], terms[2])
    if not (blue < limits[0] and red > limits[1]):
        return False
    green, nir = reflectance_of(spectrum[1], terms[1]), reflectance_of(spectrum[3], terms[3])
    swir = reflectance_of(spectrum[4], terms[4])
    is_bare_or_wet = swir > np.float32(1.5) * blue or pixel_difference(green, swir) > limits[3]
    return bool(is_bare_or_wet and pixel_difference(nir, red) < limits[2])

"""Evidence per pixel and date: the feature table in its fixed order, and the gate before the classifier.

Receives the current look and what the reference expects of it; hands on one row per pixel for `change`.
"""

from collections.abc import Mapping

import numpy as np
from numba import njit

from pipeline.cube import Look, reflectance_of, terms
from pipeline.indices import compute, compute_all, pixel_difference
from pipeline.reference import SCALE, PastOnDay, floor_ndvi
from pipeline.scenes import BANDS

FEATURE_INDICES: tuple[str, ...] = ("ndvi", "ndmi", "nbr", "mndwi", "bsi", "turbidity")
FEATURE_ORDER: tuple[str, ...] = (
    *(f"current_{b}" for b in BANDS),
    *(f"reference_{b}" for b in BANDS),
    *(f"current_{i}" for i in FEATURE_INDICES),
    *(f"change_{i}" for i in FEATURE_INDICES),
)
"""Columns of the feature table; a model that was trained on another order is refused."""

GATE_NDVI_FALL = 0.12
GATE_MNDWI_RISE = 0.12
GATE_RED_RISE = 0.03
HAZE_BLUE_RISE = 0.03
HAZE_NIR_SHARE = 0.5
"""Share of the expected near infrared below which a bluer pixel is clear water, not a veil: thin cloud over a forest takes up
to half of it, an open pond nine tenths."""
SHADE_SHARE, SHADE_NDVI = 0.8, 0.35
"""Share of the expected near and short-wave infrared that is left in the shadow of a cloud, and the NDVI that leaves in shade
keep. Over 4,300 shaded looks of a real forest that SCL missed: medians 0.6 and 0.6 of the expected, NDVI 0.7."""
SIGN_FALL, SPARSE_NDVI, BARE_NDVI = 0.15, 0.35, 0.35
"""What counts as vegetation that fell. Of the chips read as new or grown mining a tenth grew over ground that was thin
before (NDVI 0.35 to 0.5); asking for 0.5 before and a fall of 0.2 left most of those out. What is left must be bare: a
pasture in a drought falls as far and stays above."""
COMMON_PIXELS, SAMPLE_PX = 200, 1 << 14
"""Pixels (2 ha) from which the fall that they share is told, and about how many of a chunk are looked at for it."""
BELOW_FLOOR = 0.06
"""How far below the usual NDVI of the half-month a pixel must be to have changed."""
ANOMALY_HALF, ANOMALY_STEP = 0.10, 0.023
GATE_SPREADS = 2.5
"""The gate: a pixel that lost less vegetation, gained less water and brightened less than this did not change. Tuned on
the simulated world and the chips; the recall that it costs is in the model card."""


def feature_table(current: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the features of n pixels: float32 (n, len(FEATURE_ORDER)).

    Parameters
    ----------
    current, expected : float32 (band, n)
        Reflectance in the order of `scenes.BANDS`; NaN where a band is missing, which the classifier takes as missing.
    """
    bands, indices = len(BANDS), len(FEATURE_INDICES)
    columns = np.empty((len(FEATURE_ORDER), current.shape[1]), np.float32)  # a column is written and read as a whole
    columns[:bands], columns[bands : 2 * bands] = current, expected
    now, before = columns[2 * bands : -indices], np.empty((indices, current.shape[1]), np.float32)
    for look, found in ((current, now), (expected, before)):
        compute_all(FEATURE_INDICES, dict(zip(BANDS, look, strict=True)), out=found)
    np.subtract(now, before, out=columns[-indices:])
    return columns.T


def gate(
    current: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], ndvi_spread: np.ndarray | float = 0.0
) -> np.ndarray:
    """Return which pixels may have changed and must be classified: bool, of the bands' shape; False where NaN.

    See `gate_strength`; 1 is chosen from its curve (`benchmarks/gate_price.py`, and the card of each model).
    """
    return gate_strength(current, expected, ndvi_spread) > 1.0


def gate_strength(
    current: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], ndvi_spread: np.ndarray | float = 0.0
) -> np.ndarray:
    """Return how far a pixel is from its past, in thresholds of the gate: float32, of the bands' shape; NaN where unknown.

    The largest of the fall of NDVI, the rise of MNDWI and the rise of red, each by its threshold.

    Parameters
    ----------
    current, expected : mapping of float32 arrays
        Reflectance by band.
    ndvi_spread : float32 array or float
        Standard deviation of NDVI about its expectation; the fall must exceed `GATE_SPREADS` of it.
    """
    with np.errstate(invalid="ignore"):
        least = np.maximum(np.float32(GATE_NDVI_FALL), np.float32(GATE_SPREADS) * np.asarray(ndvi_spread, np.float32))
        fell = (compute("ndvi", expected) - compute("ndvi", current)) / least
        wetter = (compute("mndwi", current) - compute("mndwi", expected)) / np.float32(GATE_MNDWI_RISE)
        brighter = (current["red"] - expected["red"]) / np.float32(GATE_RED_RISE)
    return np.fmax(np.fmax(fell, wetter), brighter)


def haze(current: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return where a look is veiled by haze or thin cloud: bool, of the bands' shape; False where NaN.

    A veil brightens the blue at least as much as the red and leaves the near infrared as it was; spoil and turbid water
    brighten the red more (their means in the chips: blue +0.09, red +0.17), clear water darkens the near infrared.
    """
    with np.errstate(invalid="ignore"):
        blue, red = current["blue"] - expected["blue"], current["red"] - expected["red"]
        return (blue > HAZE_BLUE_RISE) & (red < 1.1 * blue) & (current["nir"] > HAZE_NIR_SHARE * expected["nir"])


def shade(current: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return where a look is darkened by the shadow of a cloud: bool, of the bands' shape; False where NaN.

    Shade takes its share of the near and of the short-wave infrared and leaves the leaves green. A clearing keeps or gains
    short-wave infrared; water and burnt ground are not green.
    """
    with np.errstate(invalid="ignore"):
        darker = [current[band] < SHADE_SHARE * expected[band] for band in ("nir", "swir16")]
        return darker[0] & darker[1] & (compute("ndvi", current) > SHADE_NDVI)


def vegetation_anomaly(ndvi: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Return the probability of a vegetation loss by the season alone: float32, of the shape of `ndvi`.

    A logistic curve of how far NDVI lies below the floor that is usual for the month: one half at 0.10, nine tenths at
    0.15. 0 where no floor is known. It finds thinning and regrown clearings that never became bare.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        odds = (floor - ndvi - ANOMALY_HALF) / ANOMALY_STEP
        return np.nan_to_num(1.0 / (1.0 + np.exp(-odds))).astype(np.float32)


def common_falls(ndvi: np.ndarray, floor: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return how far below what is usual the like ground of a look lies: float32 (10), at least 0, by tenth of the floor.

    Parameters
    ----------
    ndvi, floor : float32 (y, x)
        NDVI of the look, and what is usual on its day; NaN where not known. A sample of the pixels will do.
    usable : bool (y, x)
        Clear pixels that are watched.

    Notes
    -----
    The median of floor - ndvi among the pixels whose floor lies in the same tenth. A drought, a late spring or thin haze
    lowers all of the like ground, a clearing only its own. 0 in tenths of fewer than `COMMON_PIXELS`: a few pixels may all
    have been cleared.
    """
    falls = np.zeros(10, np.float32)
    known = usable & np.isfinite(ndvi) & np.isfinite(floor)
    tenth, fall = tenth_of(floor[known]), (floor - ndvi)[known]
    for value in range(10):
        alike = fall[tenth == value]
        if len(alike) >= COMMON_PIXELS:
            falls[value] = max(0.0, float(np.median(alike)))
    return falls


def tenth_of(floor: np.ndarray) -> np.ndarray:
    """Return in which tenth a floor of NDVI lies: int8 of the same shape."""
    return (np.clip(floor, 0.0, 0.99) * 10.0).astype(np.int8)


def usual_ndvi(falls: np.ndarray) -> np.ndarray:
    """Return the NDVI from which a pixel is as usual, by its stored floor: float32 (256), NaN where no floor is known."""
    floors = floor_ndvi(np.arange(256, dtype=np.uint8))
    common = np.append(falls, np.float32(0.0))[tenth_of(np.nan_to_num(floors))]
    return (floors - common - np.float32(BELOW_FLOOR)).astype(np.float32)


def sample_step(shape: tuple[int, int]) -> int:
    """Return the step at which pixels are looked at where a sample of a chunk will do."""
    return max(1, round((shape[0] * shape[1] / SAMPLE_PX) ** 0.5))


def suspects(look: Look, past: PastOnDay, seen: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Return the pixels that must be looked at more closely: int64 (n), ascending flat indices.

    Parameters
    ----------
    look : Look
    past : PastOnDay
    seen : bool (y, x)
        Clear pixels that are watched.
    usual : float32 (256)
        See `usual_ndvi`.

    Notes
    -----
    Where a floor is known, those whose NDVI is below what is usual; elsewhere those that pass the `gate`. One pass over two
    bands: what is expected of the others is asked of the pixels that are returned alone.
    """
    level = tuple(past.coefficients[0, BANDS.index(name)] for name in GATE_BANDS)
    bands = tuple(look.numbers[name] for name in GATE_BANDS)
    limits = np.array([GATE_NDVI_FALL, GATE_MNDWI_RISE, GATE_RED_RISE, GATE_SPREADS], np.float32)
    return _suspects(seen, usual, (past.floor, past.ndvi_spread, *level), bands, terms(look, GATE_BANDS), limits)


GATE_BANDS = ("green", "red", "nir", "swir16")


@njit(cache=True, nogil=True, error_model="numpy")
def _suspects(
    seen: np.ndarray, usual: np.ndarray, planes: tuple[np.ndarray, ...], bands: tuple[np.ndarray, ...],
    terms: np.ndarray, limits: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """The kernel of `suspects`; `planes` are floor, spread and levels, `limits` the thresholds of the gate."""
    count, width = 0, seen.shape[1]
    found = np.empty(seen.size, np.int64)
    marked, least_of = np.empty(width, np.bool_), np.empty(width, np.float32)
    for y in range(seen.shape[0]):
        for x in range(width):  # a table is not read many pixels at once
            least_of[x] = usual[planes[0][y, x]]
        if not _may_be_below(marked, seen[y], least_of, (bands[1][y], bands[2][y]), terms):
            continue
        for x in range(width):
            if not marked[x]:
                continue
            red = reflectance_of(bands[1][y, x], terms[1])
            ndvi = pixel_difference(reflectance_of(bands[2][y, x], terms[2]), red)
            least = least_of[x]
            if ndvi >= least:
                continue
            if np.isnan(least):
                green, swir = reflectance_of(bands[0][y, x], terms[0]), reflectance_of(bands[3][y, x], terms[3])
                before = (planes[2][y, x], planes[3][y, x], planes[4][y, x], planes[5][y, x])
                if not _passes((ndvi, pixel_difference(green, swir), red), before, planes[1][y, x], limits):
                    continue
            found[count] = y * width + x
            count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _may_be_below(
    marked: np.ndarray, seen: np.ndarray, least: np.ndarray, bands: tuple[np.ndarray, np.ndarray], terms: np.ndarray
) -> bool:
    """Mark the pixels of a row whose NDVI is not clearly as usual; returns whether there are any.

    Without a division or a branch, so that many pixels are done at once; what is marked is asked again.
    """
    some = np.uint8(0)
    slack, dark = np.float32(1e-5), np.float32(1e-3)
    for x in range(len(marked)):
        red = np.float32(bands[0][x]) * terms[1, 1] + terms[1, 2]
        nir = np.float32(bands[1][x]) * terms[2, 1] + terms[2, 2]
        total = nir + red
        is_usual = np.uint8(nir - red > (least[x] + slack) * total) & np.uint8(total > dark)
        may = np.uint8(seen[x]) & (is_usual ^ np.uint8(1))
        marked[x] = may != 0
        some |= may
    return bool(some != 0)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _passes(now: tuple[np.float32, ...], before: tuple[int, int, int, int], spread: int, limits: np.ndarray) -> np.bool:
    """What `gate` says of one pixel: NDVI, MNDWI and red now, and the stored level and spread."""
    unit = np.float32(SCALE)
    green, red = np.float32(before[0]) * unit, np.float32(before[1]) * unit
    nir, swir = np.float32(before[2]) * unit, np.float32(before[3]) * unit
    least = max(limits[0], limits[3] * (np.float32(spread) * unit))
    one = np.float32(1.0)
    fell, wetter = (pixel_difference(nir, red) - now[0]) / least, (now[1] - pixel_difference(green, swir)) / limits[1]
    return fell > one or wetter > one or (now[2] - red) / limits[2] > one


def signs_of(features: np.ndarray) -> np.ndarray:
    """Return the two independent signs of n feature rows: uint8 (n,), bit 1 vegetation fell, bit 2 ground appeared.

    Vegetation fell where NDVI is `SIGN_FALL` lower than expected on ground that had some and is bare now: thin growth over an
    old scar counts. Ground appeared means that bare soil, open water, turbidity or brightness rose. Confirmation
    needs both (GLAD and DIST-ALERT use one index and repeated looks; the second sign keeps leaf-off and thin haze out).
    """
    column = {name: features[:, i] for i, name in enumerate(FEATURE_ORDER)}
    with np.errstate(invalid="ignore"):
        fall, now = -column["change_ndvi"], column["current_ndvi"]
        from_thin = (fall > SIGN_FALL) & (now + fall > SPARSE_NDVI) & (now < BARE_NDVI)
        from_dense = (fall > 0.2) & (now + fall > 0.5) & (now < 0.5)
        ground = (
            (column["change_bsi"] > 0.06)
            | (column["change_mndwi"] > 0.10)
            | (column["current_red"] - column["reference_red"] > 0.03)
        )
    return ((from_thin | from_dense) * 1 + ground * 2).astype(np.uint8)

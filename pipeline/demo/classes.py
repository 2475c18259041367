"""A stand-in for ESA's scene classification (SCL), with the flaws that the real one has over mines."""

import numpy as np
from scipy.special import ndtr

from pipeline.demo.signatures import Cover
from pipeline.demo.texture import smooth_field
from pipeline.demo.weather import FLAGGED_CLOUD, FLAGGED_SHADOW, Sky

DEFECTIVE, DARK, SHADOW, VEGETATION, BARE, WATER, CLOUD_MEDIUM, CLOUD_HIGH, CIRRUS = 1, 2, 3, 4, 5, 6, 8, 9, 10
POND_TAKEN_FOR = ((0.14, DARK), (0.52, WATER), (0.62, CLOUD_MEDIUM))
"""Cumulative odds of the class that a patch of turbid pond gets on a date; else what its pixels look like. Chosen, not
measured: SCL goes by thresholds of brightness and ratios, and maps turbid water as dark, cloud or bare by turns."""
BRIGHT = (
    Cover.TAILINGS, Cover.OLD_MINE, Cover.SANDBAR, Cover.FRESH_LATERITE, Cover.CUT_SLOPE, Cover.ROOF, Cover.ROCK,
)  # fmt: skip
BRIGHT_TAKEN_FOR_CLOUD = 0.10
"""Odds that a patch of bright spoil or sand is mapped as cloud on a date."""


def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (a - b) / (a + b); 0 where the sum is 0."""
    total = a + b
    return np.asarray(np.divide(a - b, total, out=np.zeros_like(total), where=np.abs(total) > 1e-6))


def classify(rng: np.random.Generator, seen: np.ndarray, cover: np.ndarray, sky: Sky) -> np.ndarray:
    """Return uint8 (y, x) SCL classes of what is seen, float32 (band, y, x), over a cover (y, x) under a sky.

    The soft rims of clouds and shadows are left unflagged, one or two pixels wide; ponds and bright spoil are taken for
    other classes patch by patch, differently on each date.
    """
    _, green, red, nir, swir16, _ = seen
    ndvi = ratio(nir, red)
    water = (ratio(green, swir16) > 0.1) & (ndvi < 0.2)
    classes = np.where(water, WATER, np.where(ndvi > 0.4, VEGETATION, BARE)).astype(np.uint8)
    _confuse(rng, classes, cover)
    if sky.haze is not None:
        classes[(sky.haze > 0.55) & (classes == VEGETATION)] = CIRRUS
    classes[sky.shadow > FLAGGED_SHADOW] = SHADOW
    classes[sky.cloud > FLAGGED_CLOUD] = CLOUD_MEDIUM
    classes[sky.cloud > 0.75] = CLOUD_HIGH
    return classes


def _confuse(rng: np.random.Generator, classes: np.ndarray, cover: np.ndarray) -> None:
    """Give patches of ponds and bright ground the classes that SCL takes them for, in place."""
    patch = ndtr(smooth_field(rng, (cover.shape[0], cover.shape[1]), 9.0))
    pond = (cover == Cover.POND) | (cover == Cover.SHALLOW_POND)
    low = 0.0
    for high, code in POND_TAKEN_FOR:
        classes[pond & (patch >= low) & (patch < high)] = code
        low = high
    bright = np.isin(cover, BRIGHT)
    classes[bright & (patch > 1.0 - BRIGHT_TAKEN_FOR_CLOUD)] = CLOUD_MEDIUM

"""What each ground cover reflects: means and covariances measured on real pixels, and the year's course of two covers.

The numbers, their rules and their sources stand in `signatures.json` beside this module.
"""

import json
from dataclasses import dataclass
from enum import IntEnum
from importlib import resources
from typing import Any

import numpy as np


class Cover(IntEnum):
    """Ground covers of the simulated world."""

    FOREST = 0
    PASTURE = 1
    RIVER = 2
    CLEAR_WATER = 3
    SANDBAR = 4
    ROAD = 5
    SCAR = 6
    """Freshly cleared ground with slash and stumps."""
    LOW_VEGETATION = 7
    """A clearing that greens."""
    BURN = 8
    TAILINGS = 9
    SHALLOW_POND = 10
    POND = 11
    OLD_MINE = 12
    REGROWTH = 13
    """Young trees: half way between low vegetation and forest."""
    DRY_FOREST = 14
    """Forest that sheds its leaves in the dry months."""
    GRASS = 15
    SAVANNA_TREES = 16
    SCRUB = 17
    LATERITE = 18
    """Weathered red soil."""
    ARID_GROUND = 19
    PIT = 20
    """Hand-dug pits."""
    SPOIL = 21
    """Heaps beside them."""
    FRESH_LATERITE = 22
    BENCH = 23
    """Steps of an open pit below the red soil."""
    ARID_PIT = 24
    ARID_SPOIL = 25
    LEACH_POND = 26
    CUT_SLOPE = 27
    CROP = 28
    MUD = 29
    GREEN_POND = 30
    """Fish pond."""
    ROOF = 31
    ROCK = 32


CLASS_NAMES = {
    Cover.FOREST: "forest", Cover.PASTURE: "pasture", Cover.RIVER: "river", Cover.CLEAR_WATER: "clear_water",
    Cover.SANDBAR: "sandbar", Cover.ROAD: "road", Cover.SCAR: "scar", Cover.LOW_VEGETATION: "cleared",
    Cover.BURN: "burn", Cover.TAILINGS: "tailings", Cover.SHALLOW_POND: "pond", Cover.POND: "pond_pure",
    Cover.OLD_MINE: "old_mine",
}  # fmt: skip
"""Name in `signatures.json` of each measured cover; regrowth lies between two of them."""
FIRST_OTHER = Cover.DRY_FOREST
"""From here on covers are of other landscapes, named as in `signatures.json` and, but for the savanna's trees, chosen."""
WETTEST_DAY = 76
"""Day of the year of their wet spectrum, mid March; the dry one is half a year later."""
WITHIN_PLACE = 0.6
"""Share of a class's spread that is kept: the measured spread is over the whole Amazon, this is one valley."""
WATERS = (Cover.RIVER, Cover.CLEAR_WATER)
WITHIN_WATER = 0.2
"""The same for rivers and lakes, which mix."""
FOREST_LIKE = (Cover.FOREST, Cover.REGROWTH)
PASTURE_LIKE = (Cover.PASTURE, Cover.LOW_VEGETATION)


@dataclass(frozen=True, slots=True)
class Signatures:
    """Spectra of all covers; bands blue green red nir swir16 swir22."""

    mean: np.ndarray
    """float32 (cover, band), reflectance."""
    root: np.ndarray
    """float32 (cover, band, axis): spread along each axis of the covariance, reflectance; the largest axis first."""
    season: np.ndarray
    """float32 (2, cover, band): cosine and sine amplitudes of the year's course, relative to the mean."""

    def colour(self, cover: np.ndarray, grain: np.ndarray) -> np.ndarray:
        """Return float32 (band, n) reflectance of n pixels of given cover (n,) and grain (axis, n)."""
        colour = self.mean[cover].T.copy()
        for code in np.unique(cover):
            there = cover == code
            colour[:, there] += self.root[code] @ grain[:, there]
        return np.asarray(np.maximum(colour, np.float32(0.004)))

    def season_factor(self, day_of_year: int) -> np.ndarray:
        """Return float32 (cover, band): what the day of the year multiplies reflectance by, about 1."""
        angle = 2.0 * np.pi * day_of_year / 365.25
        course = self.season[0] * np.float32(np.cos(angle)) + self.season[1] * np.float32(np.sin(angle))
        return np.asarray(1.0 + course)


def load_signatures() -> Signatures:
    """Return the spectra of all covers from `signatures.json`."""
    text = resources.files("pipeline.demo").joinpath("signatures.json").read_text(encoding="utf-8")
    document = json.loads(text)
    count = len(Cover)
    mean, root = np.zeros((count, 6), np.float32), np.zeros((count, 6, 6), np.float32)
    season = np.zeros((2, count, 6), np.float32)
    for cover, name in CLASS_NAMES.items():
        entry = document["classes"][name]
        mean[cover] = entry["mean"]
        root[cover] = (WITHIN_WATER if cover in WATERS else WITHIN_PLACE) * _root(np.array(entry["cov"]))
    mean[Cover.REGROWTH] = (mean[Cover.FOREST] + mean[Cover.LOW_VEGETATION]) / 2.0
    root[Cover.REGROWTH] = root[Cover.FOREST]
    for covers, name in ((FOREST_LIKE, "forest"), (PASTURE_LIKE, "pasture")):
        for cover in covers:
            season[0, cover] = document["season"]["classes"][name]["cos"]
            season[1, cover] = document["season"]["classes"][name]["sin"]
    _add_other_covers(document, mean, root, season)
    return Signatures(mean, root, season)


def _add_other_covers(document: dict[str, Any], mean: np.ndarray, root: np.ndarray, season: np.ndarray) -> None:
    """Fill in the covers of other landscapes: half way between wet and dry, and the course from one to the other."""
    trees = document["season"]["classes"]["nonforest"]
    wettest = 2.0 * np.pi * WETTEST_DAY / 365.25
    for cover in Cover:
        if cover < FIRST_OTHER:
            continue
        like, share = "forest", 1.0
        if cover == Cover.SAVANNA_TREES:
            mean[cover], season[0, cover], season[1, cover] = trees["mean"], trees["cos"], trees["sin"]
        else:
            entry = document["landscape_covers"]["covers"][cover.name.lower()]
            wet, dry = np.array(entry["wet"]), np.array(entry["dry"])
            like, share, mean[cover] = entry["spread_like"], entry.get("spread_share", 1.0), (wet + dry) / 2.0
            course = (wet - dry) / (wet + dry)
            season[0, cover], season[1, cover] = course * np.cos(wettest), course * np.sin(wettest)
        measured = document["classes"][like]
        kept = share * (WITHIN_WATER if like == "clear_water" else WITHIN_PLACE)
        scale = mean[cover] / np.array(measured["mean"], dtype=np.float32)
        root[cover] = kept * scale[:, None] * _root(np.array(measured["cov"]))


def _root(covariance: np.ndarray) -> np.ndarray:
    """Root R of a covariance C = R R^T with the largest axis first and signs fixed, so that it is the same anywhere."""
    values, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0.0))
    signs = np.sign(vectors.sum(axis=0))
    return np.asarray(vectors * np.where(signs == 0, 1.0, signs))

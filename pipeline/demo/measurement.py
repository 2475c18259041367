"""How the numbers in `signatures.json` were measured: the same rules on the same public pixels, where they are at hand.

Nothing here runs when a world is made. It is kept so that anybody who has the labelled data can check the numbers.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from pipeline.io.labels import LabelsMissingError

CHIP_FILES = ("chips.npz", "chips.csv")
CLOUDY_BLUE, CLOUDY_SHARE = 0.2, 0.1
"""Blue reflectance from which a pixel is cloud, and the share of such pixels from which a chip is left out."""
PIXELS_PER_CHIP = 200.0
"""A chip with more pixels of a class weighs like this many, so that no chip dominates."""
SEASON_BANDS = ("blue", "green", "red", "bnir", "swir1", "swir2")
SEASON_BLUE = (0.005, 0.06)
"""Blue reflectance of looks without cloud or shadow."""
SEASON_POINTS = 80
"""Least number of points of a date that counts."""
HUBER = 1.5
"""Residuals, in robust standard deviations, from which a date weighs less (Huber 1964, doi:10.1214/aoms/1177703732)."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Statistics of one class; bands blue green red nir swir16 swir22, reflectance."""

    n_pixels: int
    n_chips: int
    mean: np.ndarray
    """float64 (band,)."""
    cov: np.ndarray
    """float64 (band, band)."""


@dataclass(frozen=True, slots=True)
class Course:
    """The year's course of one class, relative to its mean: 1 + cos cos(a) + sin sin(a), a = 2 pi day / 365.25."""

    n_observations: int
    n_points: int
    n_dates: int
    mean: np.ndarray
    """float64 (band,), reflectance."""
    cos: np.ndarray
    sin: np.ndarray


@dataclass(frozen=True, slots=True)
class _Look:
    """Bands and indices of all chips at one time, each float32 (chip, y, x)."""

    blue: np.ndarray
    green: np.ndarray
    red: np.ndarray
    nir: np.ndarray
    swir16: np.ndarray
    swir22: np.ndarray
    ndvi: np.ndarray
    mndwi: np.ndarray
    water: np.ndarray
    """bool."""
    cloudy: np.ndarray
    """bool, the neighbours of cloudy pixels included."""


def measure_covers(folder: Path) -> dict[str, Measured]:
    """Return the statistics of each class of `signatures.json`, by its name, on the chips (t1) of a folder.

    Parameters
    ----------
    folder : Path
        Holds `chips.npz` (t0 and t1, int16 (chip, y, x, band), reflectance x 10000) and `chips.csv`.

    Raises
    ------
    LabelsMissingError
        The files are not there.
    """
    _expect(*(folder / name for name in CHIP_FILES))
    with (folder / CHIP_FILES[1]).open(encoding="utf-8") as table:
        category = np.array([row["category"] for row in csv.DictReader(table)])
    with np.load(folder / CHIP_FILES[0]) as stored:
        before, after = (stored[key].astype(np.float32) / np.float32(1e4) for key in ("t0", "t1"))
    return {name: _statistics(after, there) for name, there in _pixels(before, after, category).items()}


def _expect(*paths: Path) -> None:
    """Raise where a file is absent."""
    for path in paths:
        if not path.is_file():
            raise LabelsMissingError(f"{path}: no such file; see data/README.md for where labelled pixels come from")


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(a - b) / (a + b); 0 where the sum is 0."""
    total = a + b
    return np.asarray(np.divide(a - b, total, out=np.zeros_like(total), where=np.abs(total) > 1e-6))


def _grown(mask: np.ndarray, steps: int) -> np.ndarray:
    """Mask (chip, y, x) grown by single steps to the four neighbours within its chip."""
    cross = ndimage.generate_binary_structure(2, 1)[None]
    return np.asarray(ndimage.binary_dilation(mask, cross, iterations=steps))


def _look(chips: np.ndarray) -> _Look:
    """Bands and indices of chips (chip, y, x, band)."""
    blue, green, red, nir, swir16, swir22 = np.moveaxis(chips, -1, 0)
    ndvi, mndwi = _ratio(nir, red), _ratio(green, swir16)
    water = (ndvi < 0.3) & ((mndwi > 0) | ((_ratio(green, nir) > -0.02) & (swir16 < 0.10)))
    cloudy = _grown(blue > CLOUDY_BLUE, 1)
    return _Look(blue, green, red, nir, swir16, swir22, ndvi, mndwi, water, cloudy)


def _pixels(before: np.ndarray, after: np.ndarray, category: np.ndarray) -> dict[str, np.ndarray]:
    """Which pixels, bool (chip, y, x), are of each class; rules as in `signatures.json`."""
    t0, t1 = _look(before), _look(after)
    is_clean = [(t.blue > CLOUDY_BLUE).mean(axis=(1, 2)) <= CLOUDY_SHARE for t in (t0, t1)]
    has_data = (before > 0).all(axis=3) & (after > 0).all(axis=3)
    usable = has_data & (is_clean[0] & is_clean[1])[:, None, None] & ~t0.cloudy & ~t1.cloudy
    stable = (np.abs(t0.ndvi - t1.ndvi) < 0.08) & (np.abs(t0.mndwi - t1.mndwi) < 0.15)
    mining, natural, human = (
        (category == name)[:, None, None] for name in ("mining_emergence", "natural_change", "human_activity")
    )
    found = {
        **_changed(t0, t1, mining),
        **_stable_ground(t0, t1, stable, mining, human),
        **_waterside(t0, t1, stable, natural),
    }
    scar = (t0.ndvi > 0.65) & (t0.blue < 0.06) & (t0.nir > 0.18) & (t1.ndvi > 0.2) & (t1.ndvi < 0.5)
    scar &= (t1.mndwi < -0.25) & (t1.red > 0.05) & (t1.red < 0.10) & (t1.swir16 > 0.15) & (t1.blue < 0.09)
    return {**{name: there & usable for name, there in found.items()}, "scar": scar & is_clean[1][:, None, None]}


def _changed(t0: _Look, t1: _Look, mining: np.ndarray) -> dict[str, np.ndarray]:
    """Pixels that were forest and are no more."""
    forest = (t0.ndvi > 0.65) & (t0.blue < 0.06) & (t0.mndwi < 0) & (t0.nir > 0.18)
    bare = (t1.ndvi < 0.35) & ~t1.water & (t1.mndwi < -0.1) & (t1.red > 0.10) & (t1.swir16 > 0.18)
    pond = forest & mining & t1.water & (t1.red >= 0.07)
    dark = (t1.blue + t1.green + t1.red) / 3 < 0.075
    burnt = (t1.ndvi < 0.40) & ~t1.water & dark & (t1.nir < 0.20) & (_ratio(t1.nir, t1.swir22) < 0.10) & (t1.swir22 > 0.08)
    low = (t1.ndvi >= 0.40) & (t1.ndvi <= 0.65) & (t1.swir16 > 0.18) & (t1.red > 0.035) & (t1.blue < 0.10)
    return {
        "tailings": forest & mining & bare,
        "pond": pond,
        "pond_pure": pond & (t1.mndwi > 0.20) & (t1.ndvi < 0.1) & (t1.nir < 0.18),
        "burn": forest & burnt,
        "cleared": forest & low,
    }


def _stable_ground(
    t0: _Look, t1: _Look, stable: np.ndarray, mining: np.ndarray, human: np.ndarray
) -> dict[str, np.ndarray]:  # fmt: skip
    """Dry pixels that are what they were."""
    grass = (t0.ndvi >= 0.40) & (t0.ndvi <= 0.65) & (t1.ndvi >= 0.40) & (t1.ndvi <= 0.65)
    bare = stable & (t0.ndvi < 0.35) & (t1.ndvi < 0.35) & ~t1.water
    return {
        "forest": stable & (t0.ndvi > 0.78) & (t1.ndvi > 0.78) & (t1.nir > 0.20) & (t1.blue < 0.05),
        "pasture": stable & grass & (t1.swir16 > 0.20) & (t1.red > 0.04),
        "road": bare & human & (t1.mndwi < 0) & (t1.swir16 > 0.12),
        "old_mine": bare & mining & (t1.mndwi < -0.1) & (t1.red > 0.10),
    }


def _waterside(t0: _Look, t1: _Look, stable: np.ndarray, natural: np.ndarray) -> dict[str, np.ndarray]:
    """Water that was water, and the sand beside it."""
    always = t0.water & t1.water
    wide, narrow = (ndimage.binary_opening(always, np.ones((1, size, size))) for size in (5, 3))
    near = _grown(t0.water | t1.water, 12)
    sand = (t1.ndvi < 0.25) & ~t1.water & (t1.mndwi < 0) & (t1.red > 0.12)
    return {
        "river": natural & stable & wide & (t1.red >= 0.07),
        "clear_water": stable & narrow & (t1.red < 0.04),
        "sandbar": natural & sand & near,
    }


def _statistics(chips: np.ndarray, there: np.ndarray) -> Measured:
    """Mean and covariance of pixels, chips with many of them weighing less."""
    count = there.sum(axis=(1, 2))
    weight = np.repeat(np.minimum(1.0, PIXELS_PER_CHIP / np.maximum(count, 1)), count)
    pixels = chips[there].astype(np.float64)
    return Measured(
        n_pixels=int(count.sum()),
        n_chips=int((count > 0).sum()),
        mean=np.average(pixels, axis=0, weights=weight),
        cov=np.cov(pixels.T, aweights=weight),
    )


def measure_courses(table: Path) -> dict[str, Course]:
    """Return the year's course of forest, pasture and non-forest trees, by name, on the labelled points of a Parquet table.

    Raises
    ------
    LabelsMissingError
        The file is not there.
    """
    _expect(table)
    points = pd.read_parquet(table, columns=["kind", "label", "longitude", "latitude", "date", *SEASON_BANDS])
    clear = points[(points["kind"] == "raw") & (points["blue"] > SEASON_BLUE[0]) & (points["blue"] < SEASON_BLUE[1])]
    clear = clear.drop_duplicates(["longitude", "latitude", "date", "label"])
    return {name.lower(): _course(clear[clear["label"] == name]) for name in ("Forest", "Pasture", "NonForest")}


def _course(looks: pd.DataFrame) -> Course:
    """Course through the median of each date."""
    dates = looks.groupby("date")
    median = dates[list(SEASON_BANDS)].median()[dates.size() >= SEASON_POINTS]
    angle = 2.0 * np.pi * pd.DatetimeIndex(median.index).day_of_year.to_numpy() / 365.25
    terms = np.column_stack([np.ones_like(angle), np.cos(angle), np.sin(angle)])
    fits: Mapping[str, np.ndarray] = {band: _robust(terms, median[band].to_numpy()) for band in SEASON_BANDS}
    mean, cos, sin = np.array([fits[band] for band in SEASON_BANDS]).T
    places = looks[["longitude", "latitude"]].drop_duplicates()
    return Course(len(looks), len(places), len(median), mean, cos / mean, sin / mean)


def _robust(terms: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients of a linear model by Huber's weights."""
    weight = np.ones(len(values))
    found = np.zeros(terms.shape[1])
    for _ in range(20):
        root = np.sqrt(weight)
        found = np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        error = np.abs(values - terms @ found)
        spread = 1.48 * np.median(error) + 1e-9
        weight = np.minimum(1.0, HUBER * spread / np.maximum(error, 1e-9))
    return np.asarray(found)

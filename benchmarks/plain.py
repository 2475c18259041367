"""The night of a tile as it would be written without further thought: numpy and scikit-learn on whole arrays, no gate.

Reads the files, makes reflectance, masks clouds, computes indices and what was expected, classifies every clear pixel with the
same trees by scikit-learn, updates log-odds and dates, and saves them compressed. It is what `nightly_vs_plain.py` measures
against; nothing in the pipeline uses it.
"""

from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from scipy import ndimage
from tile import FIRST, RADIOMETRY, SECOND, Tile, laid_out, past_patch

from pipeline.scenes import BANDS, SCL

CLOUDY = (3, 8, 9, 10)
INDICES = {
    "ndvi": ("nir", "red"), "ndmi": ("nir", "swir16"), "nbr": ("nir", "swir22"), "mndwi": ("green", "swir16"),
    "turbidity": ("red", "green"),
}  # fmt: skip
ROWS = 512
"""Rows that are classified at a time: all of a tile's features would take 11 GiB."""


def read(tile: Tile, day: date) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Reflectance by band, and the clear mask."""
    bands = {}
    for name in BANDS:
        with rasterio.open(tile.path(day, name)) as source:
            dn = source.read(1)
        bands[name] = np.where(dn == 0, np.nan, dn * np.float32(RADIOMETRY.scale) + np.float32(RADIOMETRY.offset))
    with rasterio.open(tile.path(day, SCL)) as source:
        scl = source.read(1)
    cloud = ndimage.binary_dilation(np.isin(scl, CLOUDY), iterations=2)
    clear = ~cloud & ~np.isin(scl, (0, 1, 11)) & np.all([np.isfinite(b) for b in bands.values()], axis=0)
    return bands, clear


def indices(bands: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The six indices of the feature table."""
    found = {name: (bands[a] - bands[b]) / (bands[a] + bands[b]) for name, (a, b) in INDICES.items()}
    soil, green = bands["swir16"] + bands["red"], bands["nir"] + bands["blue"]
    found["bsi"] = (soil - green) / (soil + green)
    return {name: found[name] for name in ("ndvi", "ndmi", "nbr", "mndwi", "bsi", "turbidity")}


class PlainNight:
    """A past and a state in memory, as whole arrays."""

    def __init__(self, tile: Tile, estimator: object) -> None:
        self.tile, self.estimator = tile, estimator
        shape = (tile.side, tile.side)
        self.past = laid_out(past_patch(), shape)
        self.log_odds = np.full(shape, -3.0, np.float32)
        self.looks = np.zeros(shape, np.uint16)
        self.last_clear, self.last_changed = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
        self.code = np.zeros(shape, np.uint8)

    def take(self, day: date, out: Path) -> None:
        """Read a date, update the state and save it."""
        bands, clear = read(self.tile, day)
        expected = dict(zip(BANDS, self.past.expected(day), strict=True))
        change = np.zeros(clear.shape, np.float32)
        for top in range(0, self.tile.side, ROWS):
            rows = slice(top, top + ROWS)
            now = {n: a[rows] for n, a in bands.items()}
            before = {n: a[rows] for n, a in expected.items()}
            a, b = indices(now), indices(before)
            table = np.stack([*now.values(), *before.values(), *a.values(), *(a[n] - b[n] for n in a)], axis=-1)
            seen = clear[rows]
            if seen.any():
                chance = self.estimator.predict_proba(table[seen])
                change[rows][seen] = 1 - chance[:, 0] - chance[:, 8]
        number = (day - date(2015, 1, 1)).days
        p = np.clip(change, 0.01, 0.99)
        moved = np.clip(self.log_odds + np.clip(np.log(p / (1 - p)), -2, 3), -3, 6)
        self.log_odds = np.where(clear, moved, self.log_odds)
        self.looks = self.looks + clear
        self.last_clear = np.where(clear, number, self.last_clear)
        self.last_changed = np.where(clear & (change > 0.5), number, self.last_changed)
        self.code = np.where(self.log_odds > 2.5, 3, np.where(self.log_odds > -0.8, 2, 0)).astype(np.uint8)
        state = {n: getattr(self, n) for n in ("log_odds", "looks", "last_clear", "last_changed", "code")}
        np.savez_compressed(out, **state)


__all__ = ["FIRST", "SECOND", "PlainNight"]

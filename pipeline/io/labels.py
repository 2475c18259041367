"""Labelled pixels to train and to measure with: chips, points, and the simulated world's truth."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import InputError


class LabelsMissingError(InputError):
    """The labelled data is not where it was looked for."""


@dataclass(frozen=True)
class Chips:
    """Pairs of small pictures, before and after, with what a reader saw in them."""

    sample_id: np.ndarray
    """str (n,)."""
    lon: np.ndarray
    lat: np.ndarray
    reading: np.ndarray
    """str (n,): mining_new, mining_grown, mining_static, farm_or_clearing, built, river, no_change, cloudy, undecidable."""
    new_pct: np.ndarray
    confidence: np.ndarray
    """int (n,): 1 guess, 2 probable, 3 sure."""
    before: np.ndarray
    """float32 (n, band, y, x): reflectance in the order of `scenes.BANDS`, NaN where 0."""
    after: np.ndarray

    def take(self, rows: np.ndarray) -> "Chips":
        """Return the chips that a mask or indices name."""
        return Chips(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @staticmethod
    def join(parts: "list[Chips]") -> "Chips":
        """Return the chips of several sources in one."""
        return Chips(*(np.concatenate([getattr(p, name) for p in parts]) for name in Chips.__dataclass_fields__))

    @property
    def block(self) -> np.ndarray:
        """Spatial block of 2 degrees of each chip: str (n,)."""
        return np.array([f"{int(np.floor(x / 2))}:{int(np.floor(y / 2))}" for x, y in zip(self.lon, self.lat, strict=True)])


def read_chips(folder: Path) -> Chips:
    """Return the chips of `chips.npz` (int16 reflectance x 10000, t0 and t1) and `chips.csv`.

    Raises
    ------
    LabelsMissingError
        The files are not there.
    """
    table_path, array_path = folder / "chips.csv", folder / "chips.npz"
    if not table_path.exists() or not array_path.exists():
        raise LabelsMissingError(f"{folder}: expected chips.csv and chips.npz; see data/README.md for where they come from")
    with table_path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with np.load(array_path) as stored:
        before, after = (_reflectance(stored[key]) for key in ("t0", "t1"))
    column = {key: np.array([row[key] for row in rows]) for key in ("sample_id", "reading")}
    number = {
        key: np.array([float(row[key]) for row in rows])
        for key in ("longitude", "latitude", "reading_new_pct", "reading_confidence")
    }
    return Chips(
        column["sample_id"], number["longitude"], number["latitude"], column["reading"], number["reading_new_pct"],
        number["reading_confidence"].astype(int), before, after,
    )  # fmt: skip


def _reflectance(numbers: np.ndarray) -> np.ndarray:
    """(n, y, x, band) ten-thousandths to (n, band, y, x) reflectance, NaN where 0."""
    moved = np.moveaxis(numbers, -1, 1).astype(np.float32) / 1e4
    return np.where(moved == 0, np.nan, moved).astype(np.float32)


@dataclass(frozen=True)
class Points:
    """Labelled places through time."""

    label: np.ndarray
    """str (n,)."""
    lon: np.ndarray
    lat: np.ndarray
    series: np.ndarray
    """float32 (n, time, band): raw reflectance with its clouds, NaN where missing, in the order of `scenes.BANDS`."""


POINT_BANDS = {"blue": "blue", "green": "green", "red": "red", "nir": "bnir", "swir16": "swir1", "swir22": "swir2"}


def read_point_table(path: Path) -> pd.DataFrame:
    """Return the table of labelled points as it is.

    Raises
    ------
    LabelsMissingError
        The file is not there.
    """
    if not path.exists():
        raise LabelsMissingError(f"{path}: expected the labelled points; see data/README.md for where they come from")
    return pd.read_parquet(path)

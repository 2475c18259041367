"""Felled forest is read at 10 m of ground, and a picture without its partner is named."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from pipeline.io.felling import TILE_PX, YEARS, read_felling
from pipeline.io.labels import LabelsMissingError


def write(folder: Path, year: str, side: int = 70) -> Path:
    """Twelve bands of a square in EPSG:3857 at 50 N: band k has the number 100 k everywhere."""
    (folder / year).mkdir(parents=True, exist_ok=True)
    path = folder / year / "site.tif"
    numbers = (100 * np.arange(1, 13, dtype=np.uint16))[:, None, None] * np.ones((1, side, side), np.uint16)
    place = Affine(10.0, 0.0, 1_670_000.0, 0.0, -10.0, 6_446_000.0)
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 12, "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", crs="EPSG:3857", transform=place, **profile) as out:
        out.write(numbers)
    return path


def test_a_web_mercator_pixel_is_two_thirds_of_one_on_the_ground(tmp_path: Path) -> None:
    for year in YEARS:
        write(tmp_path, year)
    chips = read_felling(tmp_path)
    seen = np.isfinite(chips.before).all(axis=1).sum()
    assert seen == pytest.approx((70 * 0.643) ** 2, rel=0.06)  # cosine of 50 degrees
    assert set(chips.reading) == {"felling"}
    assert chips.before.shape[1:] == (6, TILE_PX, TILE_PX)
    assert np.nanmedian(chips.before, axis=(0, 2, 3)) == pytest.approx([0.02, 0.03, 0.04, 0.08, 0.11, 0.12], abs=1e-6)
    assert 15.0 < chips.lon[0] < 15.1
    assert 49.9 < chips.lat[0] < 50.1


def test_what_does_not_fit_together_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelsMissingError, match="found no pairs"):
        read_felling(tmp_path)
    write(tmp_path, YEARS[0])
    with pytest.raises(LabelsMissingError, match="expected a picture of each site in both years"):
        read_felling(tmp_path)
    write(tmp_path, YEARS[1], side=60)
    with pytest.raises(LabelsMissingError, match="get both"):
        read_felling(tmp_path)

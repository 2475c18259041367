"""Labelled pictures of forest that was felled after bark beetles: real clearings that are no mining."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.warp import calculate_default_transform, reproject, transform

from pipeline.io.labels import Chips, LabelsMissingError
from pipeline.scenes import BANDS

YEARS = ("s2_2019-09", "s2_2020-09")
BAND_NUMBERS = (2, 3, 4, 8, 11, 12)
"""Positions of the bands of `scenes.BANDS` in files of twelve bands B01 to B12 without B10."""
GROUND_CRS = CRS.from_epsg(32633)
"""The files are in EPSG:3857, whose metre is about 0.64 of one on the ground at 50 N; here they are read at 10 m ground."""
TILE_PX = 48
READING = "felling"
LEAST_SHARE = 0.25
"""Tiles with less of a picture in them are left out."""


def read_felling(folder: Path) -> Chips:
    """Return tiles of 48 x 48 px of the labelled sites as chips, reading `felling`, NaN where a tile has no picture.

    Parameters
    ----------
    folder : Path
        Holds `s2_2019-09/` and `s2_2020-09/` with one GeoTIFF of the same name for each site, DN x 1e-4.

    Raises
    ------
    LabelsMissingError
        The folders are not there, a picture has no partner, or two of a site do not fit together.
    """
    pairs = [(path, folder / YEARS[1] / path.name) for path in sorted((folder / YEARS[0]).glob("*.tif"))]
    alone = [str(path) for _, path in pairs if not path.exists()]
    if alone:
        raise LabelsMissingError(
            f"{alone[0]}: no such file, one of {len(alone)}; expected a picture of each site in both years"
        )
    with _without_remarks():
        tiles = [tile for pair in pairs for tile in _tiles(*pair)]
    if not tiles:
        raise LabelsMissingError(f"{folder}: found no pairs in {YEARS[0]} and {YEARS[1]}; see data/README.md for their source")
    names, lon, lat, before, after = (list(column) for column in zip(*tiles, strict=True))
    count = len(tiles)
    return Chips(
        np.array(names), np.array(lon), np.array(lat), np.full(count, READING), np.zeros(count), np.full(count, 3),
        np.stack(before), np.stack(after),
    )  # fmt: skip


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Leave GDAL's warnings out: these TIFFs do not say which of their twelve bands are colours, one warning each."""
    logger = logging.getLogger("rasterio._env")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _tiles(first: Path, second: Path) -> Iterator[tuple[str, float, float, np.ndarray, np.ndarray]]:
    """Name, place and pictures of the tiles of a site."""
    (before, place), (after, _) = _on_the_ground(first), _on_the_ground(second)
    if before.shape != after.shape:
        raise LabelsMissingError(
            f"{second}: found {after.shape[1:]} pixels on the ground, expected the {before.shape[1:]} of {first}; get both"
        )
    for top in range(0, before.shape[1], TILE_PX):
        for left in range(0, before.shape[2], TILE_PX):
            at = (slice(None), slice(top, top + TILE_PX), slice(left, left + TILE_PX))
            then, now = _padded(before[at]), _padded(after[at])
            if np.isfinite(then).all(axis=0).mean() >= LEAST_SHARE:
                yield f"{first.stem}-{top}-{left}", place[0], place[1], then, now


def _padded(part: np.ndarray) -> np.ndarray:
    """A part of a picture in a whole tile, NaN around it."""
    tile = np.full((len(BANDS), TILE_PX, TILE_PX), np.nan, np.float32)
    tile[:, : part.shape[1], : part.shape[2]] = part
    return tile


def _on_the_ground(path: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Reflectance (band, y, x) at 10 m of ground, NaN without data, and the lon/lat of its middle."""
    with rasterio.open(path) as file:
        numbers = file.read(BAND_NUMBERS).astype(np.float32)
        grid, columns, rows = calculate_default_transform(
            file.crs, GROUND_CRS, file.width, file.height, *file.bounds, resolution=10.0
        )
        out = np.full((len(BANDS), rows, columns), np.nan, np.float32)
        reproject(
            np.where(numbers == 0, np.nan, numbers * np.float32(1e-4)), out, src_transform=file.transform, src_crs=file.crs,
            src_nodata=np.nan, dst_transform=grid, dst_crs=GROUND_CRS, dst_nodata=np.nan, resampling=Resampling.bilinear,
        )  # fmt: skip
        x, y = file.xy(file.height // 2, file.width // 2)
        (lon,), (lat,) = transform(file.crs, CRS.from_epsg(4326), [x], [y])
    return out, (float(lon), float(lat))

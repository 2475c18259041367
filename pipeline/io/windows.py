"""The part of a scene's files that a grid needs, in the files' own pixels: what is copied, and what that takes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from math import ceil, floor

import numpy as np
import rasterio
import shapely
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.aoi import PIXEL_M, Grid
from pipeline.errors import SceneUnreadableError
from pipeline.io.providers import Cost, Piece
from pipeline.scenes import Scene

Opener = Callable[[str], AbstractContextManager[rasterio.DatasetReader]]
MARGIN_M = 120.0
"""Ground beyond a chunk that is copied too: clouds there grow into it, and 20 m pixels are resampled with their
neighbours."""
LATTICE_M = 60.0
"""Copied windows begin and end on multiples of this, the largest pixel of the sensor, so that those of 10, 20 and 60 m
cover the same ground."""


def open_path(href: str) -> rasterio.DatasetReader:
    """Return the opened raster of a path: how files on disk are opened."""
    return rasterio.open(href)


def boxes(grid: Grid) -> list[BaseGeometry]:
    """Return the outline of each chunk with its margin, in grid metres, snapped outwards to the lattice."""
    return [shapely.box(*_snapped(chunk.geobox.boundingbox)) for chunk in grid.chunks]


def _snapped(bounds: Sequence[float]) -> tuple[float, float, float, float]:
    """Bounds with the margin, on multiples of the lattice."""
    left, bottom, right, top = bounds
    low = [floor((v - MARGIN_M) / LATTICE_M) * LATTICE_M for v in (left, bottom)]
    high = [ceil((v + MARGIN_M) / LATTICE_M) * LATTICE_M for v in (right, top)]
    return low[0], low[1], high[0], high[1]


@lru_cache(maxsize=8)
def _grounds(grid: Grid) -> tuple[tuple[BaseGeometry, BaseGeometry], ...]:
    """Each box of a grid, in its metres and as lon/lat ground."""
    return tuple(
        (box, geo.on_globe(geo.reproject(shapely.segmentize(box, 5000.0), grid.crs, geo.WGS84))) for box in boxes(grid)
    )


def touched(scene: Scene, grid: Grid) -> list[BaseGeometry]:
    """Return those boxes of the grid that a scene's footprint touches."""
    return [box for box, ground in _grounds(grid) if ground.intersects(scene.footprint)]


def cost_of(scene: Scene, grid: Grid) -> Cost:
    """Return the pixels that reading a scene over a grid takes; no processing units."""
    return Cost(sum(round(box.area / PIXEL_M**2) for box in touched(scene, grid)))


def native_pieces(scene: Scene, names: Sequence[str], grid: Grid, opener: Opener) -> Iterator[tuple[str, Piece]]:
    """Yield the named assets over the chunks that the scene touches, in the file's own pixels, the rest as no-data.

    Raises
    ------
    SceneUnreadableError
        A file has no CRS. What `opener` and rasterio raise passes through.
    """
    wanted = touched(scene, grid)
    for name in names:
        asset = scene.assets[name]
        nodata = asset.radiometry.nodata if asset.radiometry else 0
        with opener(asset.href) as source:
            if source.crs is None or source.crs.to_epsg() is None:
                raise SceneUnreadableError(
                    f"scene {scene.id}, band {name}: {asset.href} has no EPSG code; expected a georeferenced raster"
                )
            piece = _piece(source, wanted, grid.crs, nodata)
        if piece is not None:
            yield name, piece


def _piece(source: rasterio.DatasetReader, wanted: Sequence[BaseGeometry], crs: str, nodata: int) -> Piece | None:
    """Windows of one file put together; None where none of them touches it."""
    own = f"EPSG:{source.crs.to_epsg()}"
    windows = [w for box in wanted if (w := _window(source, geo.reproject(shapely.segmentize(box, 1000.0), crs, own)))]
    if not windows:
        return None
    left, top = min(w.col_off for w in windows), min(w.row_off for w in windows)
    width = max(w.col_off + w.width for w in windows) - left
    height = max(w.row_off + w.height for w in windows) - top
    values = np.full((height, width), nodata, source.dtypes[0])
    for w in windows:
        rows, columns = slice(w.row_off - top, w.row_off - top + w.height), slice(w.col_off - left, w.col_off - left + w.width)
        values[rows, columns] = source.read(1, window=w)
    transform = source.transform * rasterio.Affine.translation(left, top)
    return Piece(values, transform, own, nodata)


def _window(source: rasterio.DatasetReader, outline: BaseGeometry) -> Window | None:
    """Whole pixels of a file under an outline in its own CRS; None where there are none."""
    left, bottom, right, top = outline.bounds
    inverse = ~source.transform
    (c0, r0), (c1, r1) = inverse @ (left, top), inverse @ (right, bottom)
    x0, x1 = max(floor(c0 + 1e-6), 0), min(ceil(c1 - 1e-6), source.width)
    y0, y1 = max(floor(r0 + 1e-6), 0), min(ceil(r1 - 1e-6), source.height)
    return Window(x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None

"""Where the simulated world lies on Earth, and outlines of its pixels in lon/lat."""

from dataclasses import dataclass

import numpy as np
import rasterio.features
import shapely
from rasterio.transform import Affine
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.demo.catalog import densified
from pipeline.demo.river import PIXEL_M

EPSG = 32721
LEFT_M, TOP_M = 640_000.0, 9_350_000.0
"""Upper left corner, metres of UTM zone 21 South: a made-up place in the tile 21MXP."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The world's pixel grid on Earth."""

    rows: int
    columns: int

    @property
    def extent(self) -> BaseGeometry:
        """Lon/lat outline of all pixels."""
        return self.box(0, 0, self.rows, self.columns)

    def box(self, top: float, left: float, bottom: float, right: float) -> BaseGeometry:
        """Return the lon/lat outline of a rectangle given in pixels from the upper left corner."""
        west, north = LEFT_M + left * PIXEL_M, TOP_M - top * PIXEL_M
        east, south = LEFT_M + right * PIXEL_M, TOP_M - bottom * PIXEL_M
        return self.lonlat(densified(shapely.box(west, south, east, north), 500.0))

    def polygon(self, points: np.ndarray) -> BaseGeometry:
        """Return the lon/lat polygon through points (n, 2) given as (row, column) in pixels."""
        metres = np.column_stack([LEFT_M + points[:, 1] * PIXEL_M, TOP_M - points[:, 0] * PIXEL_M])
        return self.lonlat(shapely.Polygon(metres))

    def outline(self, top: int, left: int, ground: np.ndarray) -> BaseGeometry:
        """Return the lon/lat outline of the true pixels of a window (bool (y, x)); pixels that touch at a side join."""
        transform = Affine(PIXEL_M, 0.0, LEFT_M + left * PIXEL_M, 0.0, -PIXEL_M, TOP_M - top * PIXEL_M)
        pieces = rasterio.features.shapes(ground.astype(np.uint8), mask=ground, transform=transform)
        return self.lonlat(shapely.union_all([shape(piece) for piece, _ in pieces]))

    def lonlat(self, geometry: BaseGeometry) -> BaseGeometry:
        """Return a geometry in metres of the grid as lon/lat."""
        return geo.to_lonlat(geometry, f"EPSG:{EPSG}")

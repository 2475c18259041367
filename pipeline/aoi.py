"""Areas of interest: a named monitored polygon and its working grid.

Receives a polygon in lon/lat with what it says of itself; hands on a grid in metres, cut into chunks that are
processed alone. Chunks lie on a lattice of the CRS, not of the area, so that their ids outlive a redrawn area.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, floor

import numpy as np
import rasterio.features
import shapely
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError
from rasterio.transform import Affine
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.errors import AoiInvalidError

PIXEL_M = 10.0
"""Size of a working pixel: the finest Sentinel-2 bands."""
SNAP_PX = 0.01
"""How far, in pixels, an area may reach past a pixel edge before the pixel counts: rounding of lon/lat, no ground."""


@dataclass(frozen=True, slots=True)
class Area:
    """One area of interest."""

    id: str
    """Stable name in file names and ids: lower-case letters, digits and hyphens."""
    name: str
    """Name for people."""
    geometry: BaseGeometry
    """Lon/lat (multi)polygon; longitudes may run past 180 where it crosses the antimeridian."""
    properties: Mapping[str, object] = field(default_factory=dict)
    """Everything else the file says: country, minerals, landscape, why it is watched, sources."""

    @property
    def crs(self) -> str:
        """EPSG text of the working grid: the `grid_epsg` that the area asks for, else its UTM zone."""
        wanted = self.properties.get("grid_epsg")
        return geo.local_utm(self.geometry) if wanted is None else f"EPSG:{wanted}"

    @property
    def minerals(self) -> tuple[str, ...]:
        """Minerals that the area is watched for; empty when it does not say."""
        found = self.properties.get("minerals") or ()
        return tuple(str(m) for m in found) if isinstance(found, list | tuple) else (str(found),)

    @property
    def is_simulated(self) -> bool:
        """Whether the pixels of this area are simulated."""
        return bool(self.properties.get("is_simulated", False))


@dataclass(frozen=True)
class Chunk:
    """A rectangle of the working grid that is processed alone."""

    id: str
    """`<epsg>_<column>_<row>` on the lattice of the CRS."""
    geobox: GeoBox
    """Its pixels: shape (y, x), 10 m, north up."""
    outline: BaseGeometry
    """The area of interest in grid metres."""

    @property
    def crs(self) -> str:
        """EPSG text of the grid."""
        return f"EPSG:{self.geobox.crs.to_epsg()}"

    @property
    def transform(self) -> Affine:
        """Affine from (column, row) to grid metres."""
        return self.geobox.affine

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (self.geobox.shape[0], self.geobox.shape[1])

    @cached_property
    def inside(self) -> np.ndarray:
        """Bool (y, x): pixels whose centre lies in the area of interest."""
        return _inside(self)


@dataclass(frozen=True, slots=True)
class Grid:
    """The working grid of an area: one CRS, 10 m pixels, chunks."""

    crs: str
    bounds: tuple[float, float, float, float]
    """Left, bottom, right, top in metres, multiples of a pixel."""
    chunks: tuple[Chunk, ...]


def _snapped(bounds: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """Smallest pixel rectangle (left, bottom, right, top in pixels) that holds the bounds, rounding slack aside."""
    left, bottom, right, top = (b / PIXEL_M for b in bounds)
    return floor(left + SNAP_PX), floor(bottom + SNAP_PX), ceil(right - SNAP_PX), ceil(top - SNAP_PX)


def working_grid(area: Area, chunk_px: int = 1024) -> Grid:
    """Return the grid of an area: pixels on multiples of 10 m, chunks of at most `chunk_px` squared that touch it.

    Raises
    ------
    AoiInvalidError
        The area asks for a grid CRS that does not measure ground in metres, or holds no pixel.
    """
    if not _measures_ground(area.crs):
        raise AoiInvalidError(
            f"area {area.id} asks for the grid {area.crs}, which has no true metres; "
            "give grid_epsg the number of a projected CRS in metres (a UTM zone, say), or leave it out"
        )
    outline = geo.reproject(area.geometry, geo.WGS84, area.crs)
    shapely.prepare(outline)
    left, bottom, right, top = _snapped(outline.bounds)
    chunks = []
    for row in range(floor(-top / chunk_px), ceil(-bottom / chunk_px)):
        for column in range(floor(left / chunk_px), ceil(right / chunk_px)):
            x0, x1 = max(left, column * chunk_px), min(right, (column + 1) * chunk_px)
            y0, y1 = max(-top, row * chunk_px), min(-bottom, (row + 1) * chunk_px)
            chunk = _chunk(f"{area.crs[5:]}_{column}_{row}", (x0, y0, x1, y1), area.crs, outline)
            if chunk is not None:
                chunks.append(chunk)
    if not chunks:
        raise AoiInvalidError(
            f"area {area.id} holds the centre of no pixel of {PIXEL_M:.0f} m, expected at least one; draw it larger"
        )
    return Grid(area.crs, (left * PIXEL_M, bottom * PIXEL_M, right * PIXEL_M, top * PIXEL_M), tuple(chunks))


def _measures_ground(crs: str) -> bool:
    """Whether a text names a CRS that measures ground in metres."""
    try:
        return geo.is_projected_in_metres(crs)
    except CRSError:
        return False


def _chunk(name: str, window: tuple[int, int, int, int], crs: str, outline: BaseGeometry) -> Chunk | None:
    """Chunk of a pixel window (x0, y0, x1, y1; y downwards), or None where it holds no pixel of the area."""
    x0, y0, x1, y1 = window
    if x1 <= x0 or y1 <= y0:
        return None
    transform = Affine(PIXEL_M, 0.0, x0 * PIXEL_M, 0.0, -PIXEL_M, -y0 * PIXEL_M)
    chunk = Chunk(name, GeoBox((y1 - y0, x1 - x0), transform, crs), outline)
    return chunk if _holds_pixel(chunk) else None


def _inside(chunk: Chunk) -> np.ndarray:
    """Bool (y, x): pixels whose centre lies in the area of interest."""
    mask: np.ndarray = rasterio.features.geometry_mask([chunk.outline], chunk.shape, chunk.transform, invert=True)
    return mask


def _holds_pixel(chunk: Chunk) -> bool:
    """Whether a chunk holds a pixel of the area; the mask is drawn only where the outline runs through it."""
    ground = shapely.box(*chunk.geobox.boundingbox)
    if not chunk.outline.intersects(ground):
        return False
    return chunk.outline.contains(ground) or bool(_inside(chunk).any())

"""The grid of cells in which places are told: fixed on the globe, in degrees, the same for every site and operator."""

from math import floor

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.geo import COORDINATE_DECIMALS

LEAST_CELL_DEG = 0.01
"""A smaller cell, about a kilometre, would hold one site only."""


def is_cell_size(cell_deg: float) -> bool:
    """Return whether a size divides 90 degrees, so that cells neither cross the antimeridian nor lie over a pole.

    Examples
    --------
    >>> is_cell_size(0.25), is_cell_size(0.7)
    (True, False)
    """
    if not LEAST_CELL_DEG <= cell_deg <= 90.0:
        return False
    return abs(90.0 / cell_deg - round(90.0 / cell_deg)) < 1e-9


def point_in(geometry: BaseGeometry) -> tuple[float, float]:
    """Return lon and lat of a point inside the largest part of an outline: a mean of parts can lie a world away."""
    parts = shapely.get_parts(geometry).tolist()
    inside = max(parts, key=lambda part: (part.area, part.bounds)).representative_point()
    return inside.x, inside.y


def cell_of(lon: float, lat: float, cell_deg: float) -> BaseGeometry:
    """Return the cell in which a point lies, west and south edges included.

    Examples
    --------
    >>> cell_of(-63.01, -9.26, 0.25).bounds
    (-63.25, -9.5, -63.0, -9.25)
    >>> cell_of(180.0, 90.0, 0.25).bounds
    (179.75, 89.75, 180.0, 90.0)
    """
    rows = round(180.0 / cell_deg)
    column = min(floor((lon + 180.0) * rows / 180.0), 2 * rows - 1)
    row = min(floor((lat + 90.0) * rows / 180.0), rows - 1)
    west, east = (round(k * 180.0 / rows - 180.0, COORDINATE_DECIMALS) for k in (column, column + 1))
    south, north = (round(k * 180.0 / rows - 90.0, COORDINATE_DECIMALS) for k in (row, row + 1))
    return shapely.box(west, south, east, north)

"""From sorted pixel keys to polygons: the sides that have no neighbour, followed round each part.

Only pixels of the set are looked at, so the time goes with changed ground and not with the area that is watched.
"""

import numpy as np
import shapely
from numba import njit
from shapely.geometry.base import BaseGeometry

from pipeline.aoi import PIXEL_M
from pipeline.sites.pixels import ROW_SHIFT, edge_components, row_column

SOUTH, EAST, NORTH, WEST = range(4)
"""Sides of a pixel; followed with the pixel to the left, they head east, north, west and south."""


def polygons(keys: np.ndarray, min_pixels: int = 1) -> np.ndarray:
    """Return the outlines in grid metres of the parts that share sides: valid polygons, object (part,).

    Parameters
    ----------
    keys : int64 (n,)
        Sorted pixel keys.
    min_pixels : int
        Smaller parts are left out before any is followed.

    Returns
    -------
    np.ndarray
        In the order of the parts' first pixels; shells counter-clockwise, holes clockwise, no vertex on a straight side.

    Examples
    --------
    >>> from pipeline.sites.pixels import pixel_key
    >>> polygons(pixel_key(np.array([0, 0]), np.array([0, 1])))[0].bounds
    (0.0, -10.0, 20.0, 0.0)
    """
    part = edge_components(keys)
    corner, side, ring, owner = _traced(keys, part, np.bincount(part) >= min_pixels)
    row, column = row_column(keys[corner])
    x = PIXEL_M * (column + ((side == SOUTH) | (side == EAST)))
    y = -PIXEL_M * (row + ((side == SOUTH) | (side == WEST)))
    rings = shapely.linearrings(x, y, indices=ring)
    _, index = np.unique(owner, return_inverse=True)
    order = np.argsort(index, kind="stable")  # the first ring of a part is its shell
    return shapely.polygons(rings[order], indices=index[order])


def outline(keys: np.ndarray) -> BaseGeometry:
    """Return the pixel-true outline of a sorted set of pixels in grid metres: a valid (multi)polygon, 4-connected parts."""
    parts = polygons(keys)
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts.tolist())


@njit(cache=True, nogil=True)
def _rows_beside(keys: np.ndarray, step: int) -> np.ndarray:
    """Position of the first key that is not smaller than each key moved by a step."""
    found, at = np.empty(len(keys), np.int32), 0
    for i in range(len(keys)):
        while at < len(keys) and keys[at] < keys[i] + step:
            at += 1
        found[i] = at
    return found


@njit(cache=True, nogil=True)
def _pixel(keys: np.ndarray, at: int, key: int) -> int:
    """Position of a key that lies at one of two neighbouring positions or next to them, else -1."""
    for k in range(max(0, at - 1), min(len(keys), at + 2)):
        if keys[k] == key:
            return k
    return -1


@njit(cache=True, nogil=True)
def _beside(keys: np.ndarray, up: np.ndarray, down: np.ndarray, i: int, rows: int, columns: int) -> int:
    """Position of the pixel so many rows below and columns to the right (each at most 1) of another, else -1."""
    at = i if rows == 0 else (down[i] if rows > 0 else up[i])
    return _pixel(keys, at, keys[i] + rows * ROW_SHIFT + columns)


@njit(cache=True, nogil=True)
def _next_side(keys: np.ndarray, up: np.ndarray, down: np.ndarray, part: np.ndarray, i: int, side: int) -> tuple[int, int]:
    """The side after a side, with the ground to the left: to the right where it meets its own part at a corner.

    Turning right there keeps every ring about one gap, so that no ring touches itself.
    """
    ahead_rows, ahead_columns = _HEADING[side, 0], _HEADING[side, 1]
    right = (side + 3) % 4
    right_rows, right_columns = _HEADING[right, 0], _HEADING[right, 1]
    beyond = _beside(keys, up, down, i, ahead_rows + right_rows, ahead_columns + right_columns)
    if beyond >= 0 and part[beyond] == part[i]:
        return beyond, right
    ahead = _beside(keys, up, down, i, ahead_rows, ahead_columns)
    return (ahead, side) if ahead >= 0 else (i, (side + 1) % 4)


_HEADING = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)])
"""Rows and columns to the next pixel along each side."""


@njit(cache=True, nogil=True)
def _traced(keys: np.ndarray, part: np.ndarray, is_kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Corners as the pixel and the side that ends there, with their ring, and the part of each ring.

    Every ring, about ground or about a gap, has a northern side, and the first of a part is its shell's.
    """
    up, down = _rows_beside(keys, -ROW_SHIFT), _rows_beside(keys, ROW_SHIFT)
    is_done = np.zeros(len(keys), np.bool_)
    corner, turned, ring = np.empty(64, np.int64), np.empty(64, np.uint8), np.empty(64, np.int64)
    owner = np.empty(64, np.int64)
    n, rings = 0, 0
    for start in range(len(keys)):
        if is_done[start] or not is_kept[part[start]] or _beside(keys, up, down, start, -1, 0) >= 0:
            continue
        if rings == len(owner):
            owner = _doubled(owner)
        i, side = start, NORTH
        while side != NORTH or not is_done[i]:
            is_done[i] |= side == NORTH
            to, then = _next_side(keys, up, down, part, i, side)
            if then != side:
                if n == len(corner):
                    corner, turned, ring = _doubled(corner), _doubled(turned), _doubled(ring)
                corner[n], turned[n], ring[n] = i, side, rings
                n += 1
            i, side = to, then
        owner[rings] = part[start]
        rings += 1
    return corner[:n], turned[:n], ring[:n], owner[:rings]


@njit(cache=True, nogil=True)
def _doubled(values: np.ndarray) -> np.ndarray:
    """The values with room for as many more."""
    larger = np.empty(2 * len(values), values.dtype)
    larger[: len(values)] = values
    return larger

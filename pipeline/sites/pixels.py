"""Changed pixels as a sparse table, and the geometry of pixel sets: neighbours, components and cores."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numba import njit

from pipeline.aoi import PIXEL_M
from pipeline.geo import SQUARE_METRES_PER_HA

ROW_SHIFT = 2**24
"""Columns of the lattice are between -2^23 and 2^23: 84,000 km of 10 m pixels."""
PIXEL_HA = PIXEL_M * PIXEL_M / SQUARE_METRES_PER_HA


def pixel_key(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the int64 key of lattice pixels; rows count downwards from the CRS origin, columns rightwards.

    Examples
    --------
    >>> row_column(pixel_key(np.array([-5]), np.array([-7])))
    (array([-5]), array([-7]))
    """
    return row.astype(np.int64) * ROW_SHIFT + (column.astype(np.int64) + ROW_SHIFT // 2)


def row_column(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lattice rows and columns of keys."""
    row = np.floor_divide(key, ROW_SHIFT)
    return row, key - row * ROW_SHIFT - ROW_SHIFT // 2


@dataclass(frozen=True)
class PixelTable:
    """n changed pixels of one area on one day, sorted by key."""

    key: np.ndarray
    """int64 (n,), ascending, unique."""
    code: np.ndarray
    """uint8 (n,), `monitor.PixelCode`."""
    first_changed_on: np.ndarray
    """uint16 (n,) days since `monitor.EPOCH`, as are the other days."""
    last_unchanged_on: np.ndarray
    confirmed_on: np.ndarray
    last_changed_on: np.ndarray
    clear_looks: np.ndarray
    """uint16 (n,)."""
    likeness: np.ndarray
    """uint8 (n, class): mean class probability over changed looks in 1/255."""
    seen_as: np.ndarray
    """int16 (n, band): reflectance in ten-thousandths on the last changed look."""
    before: np.ndarray
    """int16 (n, band): level of the reference in ten-thousandths."""
    near: np.ndarray
    """uint8 (n, 3): share in percent of water, bare ground, dense vegetation within 310 m before."""

    def take(self, rows: np.ndarray) -> "PixelTable":
        """Return the rows that a mask or indices name."""
        return PixelTable(*(getattr(self, f.name)[rows] for f in fields(self)))

    def __len__(self) -> int:
        return len(self.key)


def concatenate(tables: Sequence[PixelTable]) -> PixelTable:
    """Return one table of the pixels of several chunks, sorted by key."""
    joined = PixelTable(*(np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(PixelTable)))
    return joined.take(np.argsort(joined.key, kind="stable"))


def within(keys: np.ndarray, sorted_keys: np.ndarray) -> np.ndarray:
    """Return, for each key, its position in `sorted_keys`, or -1 where it is not in there: int64."""
    if not len(sorted_keys):
        return np.full(len(keys), -1, np.int64)
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == keys, at, -1)


def offsets(radius_px: int) -> list[tuple[int, int]]:
    """Return the (row, column) steps to every pixel within a square of that radius, without (0, 0)."""
    span = range(-radius_px, radius_px + 1)
    return [(r, c) for r in span for c in span if (r, c) != (0, 0)]


def components(keys: np.ndarray, gap_px: int = 1) -> np.ndarray:
    """Return the component of each pixel: int (n,), numbered by first appearance in `keys` (sorted).

    Pixels belong together when they are at most `gap_px` apart in rows and in columns (1 is 8-connectivity).

    Examples
    --------
    >>> keys = pixel_key(np.array([0, 0, 5]), np.array([0, 1, 5]))
    >>> components(keys).tolist()
    [0, 0, 1]
    """
    rows = [(step, -gap_px, gap_px) for step in range(1, gap_px + 1)]
    return _joined(keys, np.array([(0, -gap_px, -1), *rows]))


def edge_components(keys: np.ndarray) -> np.ndarray:
    """Return the 4-connected component of each pixel, numbered as `components` does: pixels that share a side."""
    return _joined(keys, np.array([(0, -1, -1), (1, 0, 0)]))


@njit(cache=True, nogil=True)
def _joined(keys: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Component of each pixel, where it belongs with those so many rows above it, from one column to another.

    Sets are joined under their first pixel (union-find with path halving; Tarjan and van Leeuwen 1984,
    doi:10.1145/62.2160), so that the order of the first pixels is that of the components.
    """
    root = np.arange(len(keys))
    begin = np.zeros(len(reach), np.int64)
    for i in range(len(keys)):
        for k in range(len(reach)):
            above = keys[i] - reach[k, 0] * ROW_SHIFT
            while keys[begin[k]] < above + reach[k, 1]:
                begin[k] += 1
            other = begin[k]
            while keys[other] <= above + reach[k, 2]:
                a, b = _root_of(root, i), _root_of(root, other)
                root[max(a, b)] = min(a, b)
                other += 1
    count = 0
    label = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        first = _root_of(root, i)
        label[i] = count if first == i else label[first]
        count += first == i
    return label


@njit(cache=True, nogil=True)
def _root_of(root: np.ndarray, i: int) -> int:
    """First pixel of the set of a pixel."""
    while root[i] != i:
        root[i] = root[root[i]]
        i = root[i]
    return i


def core(keys: np.ndarray) -> np.ndarray:
    """Return which pixels are the centre of a full 3 x 3 block of the set: bool (n,).

    A set without one is nowhere three pixels wide: the rim that a frame-to-frame shift lights up.
    """
    inside = np.ones(len(keys), bool)
    for r, c in offsets(1):
        inside &= within(keys + r * ROW_SHIFT + c, keys) >= 0
    return inside


def massive(keys: np.ndarray) -> np.ndarray:
    """Return which pixels lie in a full 3 x 3 block of the set: bool (n,). The rest is rim, threads and single pixels."""
    centres = keys[core(keys)]
    held = np.zeros(len(keys), bool)
    for r, c in offsets(1):
        held |= within(keys + r * ROW_SHIFT + c, centres) >= 0
    return held


def extent_m(keys: np.ndarray) -> float:
    """Return the longer side in metres of the pixels' bounding rectangle; 0 for none."""
    if not len(keys):
        return 0.0
    row, column = row_column(keys)
    return PIXEL_M * (1 + max(int(np.ptp(row)), int(np.ptp(column))))

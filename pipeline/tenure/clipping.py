"""How much of each site lies inside which outline, for many pairs at once, without making a geometry of it.

The ground that two outlines share is bounded by the edges of each inside the other. These pieces of edges are found by
crossings, and `geo` measures what they enclose. Every sign that decides must be beyond the error of its arithmetic
(Shewchuk 1997, doi:10.1007/PL00009321, bound A); where one is not, as where edges touch or coincide, the pair is left to GEOS.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import shapely
from numba import njit

CERTAIN = (3.0 + 16.0 * 2.0**-53) * 2.0**-53
"""Share of the sum of its products beyond which the sign of an orientation is certain."""
FEW = 256
"""Edges that are looked through one by one; of more, those at the height of the other outline are searched."""
MOST_CROSSINGS = 256
"""A pair whose outlines cross more often is left to GEOS."""


class Relation(IntEnum):
    """How a site lies to an outline."""

    APART = 0
    WHOLE = 1
    """The whole site lies inside."""
    PARTLY = 2
    UNSURE = 3
    """Edges touch or coincide, or nearly."""


class Edges(NamedTuple):
    """Directed edges of n polygonal geometries with their ground to the left."""

    ends: np.ndarray
    """float64 (edge, 4): x and y of the start, then of the end; by geometry, in the order of its rings."""
    first: np.ndarray
    """int64 (n + 1,): row of each geometry's first edge."""
    is_ring_start: np.ndarray
    """bool (edge,)."""

    def by_height(self) -> "HeightEdges":
        """Return the edges to be searched: where there are many, in the order of their lower ends."""
        count = np.diff(self.first)
        low, height = np.minimum(self.ends[:, 1], self.ends[:, 3]), np.abs(self.ends[:, 3] - self.ends[:, 1])
        tallest = np.zeros(len(count))
        order = np.arange(len(low))
        for row in np.flatnonzero(count > FEW):
            own = slice(self.first[row], self.first[row + 1])
            order[own] = self.first[row] + np.argsort(low[own])
            tallest[row] = height[own].max()
        return HeightEdges(self.ends[order], self.first, low[order], tallest)


class HeightEdges(NamedTuple):
    """Edges of n geometries; of a geometry with more than `FEW`, sorted by their lower ends."""

    ends: np.ndarray
    first: np.ndarray
    low: np.ndarray
    """float64 (edge,): y of the lower end."""
    tallest: np.ndarray
    """float64 (n,): largest height of an edge of a geometry with more than `FEW`."""


def edges_of(geometries: np.ndarray) -> Edges:
    """Return the edges of an array of polygons and multipolygons."""
    parts, owner = shapely.get_parts(geometries, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    ends, ring = np.hstack([points[:-1], points[1:]])[same], ring[1:][same]
    is_shell = np.diff(part, prepend=-1) != 0  # the first ring of each polygon
    is_start = np.diff(ring, prepend=-1) != 0
    count = np.bincount(owner[part[ring]], minlength=len(geometries))
    return Edges(_wound(ends, is_start, is_shell[ring]), np.concatenate([[0], np.cumsum(count)]), is_start)


def _wound(ends: np.ndarray, is_start: np.ndarray, is_shell: np.ndarray) -> np.ndarray:
    """Edges with shells counter-clockwise and holes clockwise: the rings that turn the other way are walked backwards."""
    first = np.flatnonzero(is_start)
    ring = np.cumsum(is_start) - 1
    x, y = ends[:, 0::2] - ends[first[ring], :1], ends[:, 1::2] - ends[first[ring], 1:2]
    turns_left = np.bincount(ring, x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0], len(first)) > 0
    is_wrong = turns_left[ring] != is_shell
    if not is_wrong.any():
        return ends
    last = np.append(first[1:], len(ends)) - 1
    mirrored = (first + last)[ring] - np.arange(len(ends))
    return np.where(is_wrong[:, None], ends[mirrored][:, [2, 3, 0, 1]], ends)


def cut(sites: Edges, outlines: HeightEdges, site: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how pairs lie to each other, and the boundary of what they share in part.

    Parameters
    ----------
    sites : Edges
    outlines : HeightEdges
    site, row : int64 (pair,)
        Positions in `sites` and in `outlines`.

    Returns
    -------
    relation : uint8 (pair,)
        `Relation`.
    pair : int64 (piece,)
        Pair of each piece of an edge.
    pieces : float64 (piece, 4)
        Start and end; the pieces of a pair make closed rings, their ground to the left.
    """
    relation, total, pieces = _cut(sites, outlines, site, row)
    return relation, np.repeat(np.arange(len(site)), np.diff(total)), pieces


@njit(cache=True, nogil=True)
def _turn(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> float:
    """Twice the area of a, b, p, positive where p lies to the left of a to b; 0 where its sign is not certain."""
    one, two = (bx - ax) * (py - ay), (by - ay) * (px - ax)
    found = one - two
    return found if abs(found) > CERTAIN * (abs(one) + abs(two)) else 0.0


@njit(cache=True, nogil=True)
def _inside(ends: np.ndarray, begin: int, stop: int, px: float, py: float) -> int:
    """Whether a point lies inside of edges: 1, 0, or 2 where it lies on one of them."""
    found = 0
    for e in range(begin, stop):
        if (ends[e, 1] <= py) != (ends[e, 3] <= py):
            turn = _turn(ends[e, 0], ends[e, 1], ends[e, 2], ends[e, 3], px, py)
            if turn == 0.0:
                return 2
            if (turn > 0.0) == (ends[e, 3] > ends[e, 1]):
                found = 1 - found
    return found


@njit(cache=True, nogil=True)
def _crossing(s: np.ndarray, t: np.ndarray) -> tuple[int, float, float]:
    """Whether two edges cross (1), do not (0) or may touch (2), and at which share of each."""
    if min(s[0], s[2]) > max(t[0], t[2]) or max(s[0], s[2]) < min(t[0], t[2]):
        return 0, 0.0, 0.0
    if min(s[1], s[3]) > max(t[1], t[3]) or max(s[1], s[3]) < min(t[1], t[3]):
        return 0, 0.0, 0.0
    s1, s2 = _turn(t[0], t[1], t[2], t[3], s[0], s[1]), _turn(t[0], t[1], t[2], t[3], s[2], s[3])
    t1, t2 = _turn(s[0], s[1], s[2], s[3], t[0], t[1]), _turn(s[0], s[1], s[2], s[3], t[2], t[3])
    if s1 * s2 > 0.0 or t1 * t2 > 0.0:
        return 0, 0.0, 0.0
    if s1 == 0.0 or s2 == 0.0 or t1 == 0.0 or t2 == 0.0:
        return 2, 0.0, 0.0
    return 1, s1 / (s1 - s2), t1 / (t1 - t2)


@njit(cache=True, nogil=True)
def _cut_edge(edge: np.ndarray, met: np.ndarray, side: int, e: int, inside: int, out: np.ndarray) -> tuple[int, int]:
    """Write the pieces of edge `e` that lie inside; returns their number and whether its end lies inside."""
    n, x, y, past = 0, edge[0], edge[1], 0.0
    while True:
        k = _next(met, side, e, past)
        to_x, to_y = (edge[2], edge[3]) if k < 0 else (met[k, 4], met[k, 5])
        if inside:
            out[n, 0], out[n, 1], out[n, 2], out[n, 3] = x, y, to_x, to_y
            n += 1
        if k < 0:
            return n, inside
        x, y, past, inside = to_x, to_y, met[k, 2 + side], 1 - inside


@njit(cache=True, nogil=True)
def _next(met: np.ndarray, side: int, e: int, past: float) -> int:
    """Row of the first crossing of edge `e` after a share of it, -1 where there is none."""
    found, share = -1, 2.0
    for k in range(len(met)):
        if met[k, side] == e and past < met[k, 2 + side] < share:
            found, share = k, met[k, 2 + side]
    return found


@njit(cache=True, nogil=True)
def _meet(ends: np.ndarray, begin: int, stop: int, near: np.ndarray, others: np.ndarray, met: np.ndarray) -> int:
    """Note every crossing of the edges of a site with those near it: edge, other, shares, x, y; -1 where one is unsure."""
    n = 0
    for e in range(begin, stop):
        for o in near:
            kind, along, share = _crossing(ends[e], others[o])
            if kind == 2 or (kind == 1 and n == len(met)):
                return -1
            if kind == 1:
                x = ends[e, 0] + along * (ends[e, 2] - ends[e, 0])
                y = ends[e, 1] + along * (ends[e, 3] - ends[e, 1])
                met[n, 0], met[n, 1], met[n, 2], met[n, 3], met[n, 4], met[n, 5] = e, o, along, share, x, y
                n += 1
    return n


@njit(cache=True, nogil=True)
def _near(others: np.ndarray, begin: int, stop: int, box: np.ndarray, near: np.ndarray) -> int:
    """Note the rows of the edges whose boxes meet a box; returns their number."""
    n = 0
    for o in range(begin, stop):
        left, right = min(others[o, 0], others[o, 2]), max(others[o, 0], others[o, 2])
        if left <= box[2] and right >= box[0] and max(others[o, 1], others[o, 3]) >= box[1]:
            near[n] = o
            n += 1
    return n


@njit(cache=True, nogil=True)
def _site_pieces(
    sites: Edges, span: tuple[int, int], outlines: HeightEdges, reach: tuple[int, int], met: np.ndarray, out: np.ndarray
) -> int:
    """Write the pieces of a site's edges inside an outline; their number, or -1 where a ring does not close."""
    n, inside, began = 0, 0, 0
    for e in range(span[0], span[1]):
        edge = sites.ends[e]
        if sites.is_ring_start[e]:
            if inside != began:
                return -1
            inside = began = _inside(outlines.ends, reach[0], reach[1], edge[0], edge[1])
            if began == 2:
                return -1
        more, inside = _cut_edge(edge, met, 0, e, inside, out[n:])
        n += more
    return n if inside == began else -1


@njit(cache=True, nogil=True)
def _outline_pieces(
    sites: Edges, span: tuple[int, int], outlines: HeightEdges, near: np.ndarray, met: np.ndarray, out: np.ndarray
) -> int:
    """Write the pieces of an outline's edges inside a site; their number, or -1 where one is unsure."""
    n = 0
    for o in near:
        edge = outlines.ends[o]
        inside = _inside(sites.ends, span[0], span[1], edge[0], edge[1])
        if inside == 2:
            return -1
        more, inside = _cut_edge(edge, met, 1, o, inside, out[n:])
        n += more
        if inside != _inside(sites.ends, span[0], span[1], edge[2], edge[3]):
            return -1
    return n


@njit(cache=True, nogil=True)
def _at(low: np.ndarray, begin: int, stop: int, height: float) -> int:
    """The first row from `begin` whose lower end is not below a height, or `stop`."""
    while begin < stop:
        middle = (begin + stop) // 2
        if low[middle] < height:
            begin = middle + 1
        else:
            stop = middle
    return begin


@njit(cache=True, nogil=True)
def _with_room(out: np.ndarray, n: int, more: int) -> np.ndarray:
    """The array itself, or a larger one that begins with its first n rows, so that more fit."""
    if n + more <= len(out):
        return out
    larger = np.empty((2 * (n + more), 4))
    larger[:n] = out[:n]
    return larger


@njit(cache=True, nogil=True)
def _box(ends: np.ndarray) -> np.ndarray:
    """Left, bottom, right and top of edges."""
    box = np.array([np.inf, np.inf, -np.inf, -np.inf])
    for e in range(len(ends)):
        x, y = ends[e, 0], ends[e, 1]
        box[0], box[1], box[2], box[3] = min(box[0], x), min(box[1], y), max(box[2], x), max(box[3], y)
    return box


@njit(cache=True, nogil=True)
def _cut(sites: Edges, outlines: HeightEdges, site: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kernel of `cut`; of the pieces it gives how many there are before each pair."""
    relation, total = np.zeros(len(site), np.uint8), np.zeros(len(site) + 1, np.int64)
    out, met = np.empty((1024, 4)), np.empty((MOST_CROSSINGS, 6))
    near = np.empty(len(outlines.low), np.int64)
    n = 0
    for p in range(len(site)):
        span = sites.first[site[p]], sites.first[site[p] + 1]
        begin, stop = outlines.first[row[p]], outlines.first[row[p] + 1]
        box = _box(sites.ends[span[0] : span[1]])
        reach = begin, stop
        if stop - begin > FEW:
            reach = (_at(outlines.low, begin, stop, box[1] - outlines.tallest[row[p]]),
                     _at(outlines.low, begin, stop, np.nextafter(box[3], np.inf)))  # fmt: skip
        by = near[: _near(outlines.ends, reach[0], reach[1], box, near)]
        out = _with_room(out, n, span[1] - span[0] + len(by) + 2 * MOST_CROSSINGS)
        crossings = _meet(sites.ends, span[0], span[1], by, outlines.ends, met)
        own = _site_pieces(sites, span, outlines, reach, met[:crossings], out[n:]) if crossings >= 0 else -1
        theirs = _outline_pieces(sites, span, outlines, by, met[:crossings], out[n + own :]) if own >= 0 else -1
        if theirs < 0:
            relation[p] = Relation.UNSURE
        elif crossings == 0 and theirs == 0 and own == span[1] - span[0]:
            relation[p] = Relation.WHOLE
        elif own + theirs > 0:
            relation[p] = Relation.PARTLY
            n += own + theirs
        total[p + 1] = n
    return relation, total, out[:n]

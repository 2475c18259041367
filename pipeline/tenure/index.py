"""Titles and protected areas in a tree, so that each site meets only those near it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.tenure.clipping import Edges, Relation, cut, edges_of
from pipeline.tenure.records import ProtectedArea, River, Title

_METRES_PER_DEGREE = 110_000.0
"""Less than the shortest degree of latitude (110,574 m), so that a box in degrees is never too small."""


_NOTHING = shapely.Polygon()
_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
_Record = TypeVar("_Record", Title, ProtectedArea, River)


class _OutlineTree(Generic[_Record]):
    """Records with outlines, in an order that does not depend on the order they came in."""

    def __init__(self, records: Iterable[_Record]) -> None:
        self.records: tuple[_Record, ...] = _ordered(records)
        self.outlines = np.array([record.geometry for record in self.records], dtype=object)
        shapely.prepare(self.outlines)
        self._tree = shapely.STRtree(self.outlines)

    def __len__(self) -> int:
        return len(self.records)

    def near(self, geometry: BaseGeometry, metres: float = 0.0) -> Iterator[_Record]:
        """Yield every record that may lie within so many metres, and some that lie a little farther."""
        for row in sorted(self._tree.query(padded_box(geometry, metres)).tolist()):
            yield self.records[row]

    def pairs(self, geometries: np.ndarray, metres: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return each geometry beside every record that may lie within so many metres: positions, rows, both sorted."""
        site, row = self._tree.query(padded_boxes(geometries, metres))
        order = np.lexsort((row, site))
        return site[order], row[order]


class TitleIndex(_OutlineTree[Title]):
    """Titles that many sites are laid over."""


class AreaIndex(_OutlineTree[ProtectedArea]):
    """Protected areas and Indigenous territories that many sites are laid over."""


class RiverIndex(_OutlineTree[River]):
    """Rivers that many sites are laid over."""


def _ordered(records: Iterable[_Record]) -> tuple[_Record, ...]:
    """Records sorted by everything that they say, then by their outlines."""
    given = list(records)
    names = [field.name for field in fields(given[0]) if field.name != "geometry"] if given else []
    texts = ["\x1f".join([repr(getattr(record, name)) for name in names]) for record in given]
    wkb = shapely.to_wkb(np.array([record.geometry for record in given], dtype=object))
    return tuple(given[i] for i in sorted(range(len(given)), key=lambda i: (texts[i], wkb[i])))


def padded_box(geometry: BaseGeometry, metres: float) -> BaseGeometry:
    """Return the bounding box of a lon/lat geometry, grown by at least so many metres on each side.

    It only narrows a search; whatever counts is measured by `geo`.
    """
    return padded_boxes(np.array([geometry], dtype=object), metres)[0]


def padded_boxes(geometries: np.ndarray, metres: float) -> np.ndarray:
    """Return the bounding boxes of n lon/lat geometries as `padded_box` does: object (n,)."""
    left, bottom, right, top = shapely.bounds(geometries).T
    high = metres / _METRES_PER_DEGREE
    farthest = np.minimum(89.0, np.maximum(np.abs(bottom), np.abs(top)) + high)
    wide = high / np.maximum(0.01, np.cos(np.radians(farthest)))
    return shapely.box(left - wide, bottom - high, right + wide, top + high)


@dataclass(frozen=True)
class Sites:
    """The ground of n sites that outlines are laid over."""

    outlines: np.ndarray
    """Valid lon/lat (multi)polygons, empty where a site has none."""
    area_ha: np.ndarray
    """float64 (n,)."""
    edges: Edges

    @classmethod
    def of(cls, geometries: Sequence[BaseGeometry] | np.ndarray) -> "Sites":
        """Return the polygonal parts of lon/lat geometries, measured."""
        given = np.array([*geometries, None], dtype=object)[:-1]
        is_sound = shapely.is_valid(given) & np.isin(shapely.get_type_id(given), _POLYGONAL)
        outlines = given.copy()
        outlines[~is_sound] = [geo.polygons_only(geometry) for geometry in given[~is_sound]]
        return cls(outlines, geo.geodesic_areas_ha(outlines), edges_of(outlines))

    def __len__(self) -> int:
        return len(self.outlines)

    def take(self, rows: Sequence[int]) -> "Sites":
        """Return some of them."""
        return Sites.of(self.outlines[list(rows)])


@dataclass(frozen=True)
class Overlaps:
    """Pairs of a site and a record that lies over it or near it, by site and then in the order of the records."""

    site: np.ndarray
    """int64 (pair,): position of the site, ascending."""
    row: np.ndarray
    """int64 (pair,): position in `records`."""
    hectares: np.ndarray
    """float64 (pair,): geodesic hectares of the site inside the outline, 0 for none."""
    is_whole: np.ndarray
    """bool (pair,): the whole site lies inside."""

    def of_sites(self, count: int) -> list[range]:
        """Return the pairs of each of `count` sites."""
        first = np.searchsorted(self.site, np.arange(count + 1)).tolist()
        return [range(begin, stop) for begin, stop in pairwise(first)]


def laid_over(sites: Sites, index: TitleIndex | AreaIndex, metres: float = 0.0) -> Overlaps:
    """Return how sites lie to every record whose bounding box comes within so many metres of theirs."""
    site, row = index.pairs(sites.outlines, metres)
    near, position = np.unique(row, return_inverse=True)
    relation, pair, pieces = cut(sites.edges, edges_of(index.outlines[near]).by_height(), site, position)
    hectares = geo.enclosed_ha(pair, pieces[:, :2], pieces[:, 2:], len(site))
    is_whole = relation == Relation.WHOLE
    hectares[is_whole] = sites.area_ha[site[is_whole]]
    unsure = np.flatnonzero((relation == Relation.UNSURE) | np.isnan(hectares))
    grounds = [shared_ground(sites.outlines[site[p]], index.outlines[row[p]]) for p in unsure]
    hectares[unsure] = geo.geodesic_areas_ha(grounds)
    is_whole[unsure] = [ground is sites.outlines[site[p]] for p, ground in zip(unsure, grounds, strict=True)]
    return Overlaps(site, row, hectares, is_whole)


def shared_ground(site: BaseGeometry, outline: BaseGeometry) -> BaseGeometry:
    """Return the part of a site inside an outline; the site itself where it lies wholly inside."""
    if outline.contains(site):
        return site
    if not outline.intersects(site):
        return _NOTHING
    return geo.polygons_only(site.intersection(outline))


def protected_overlaps(
    geometry: BaseGeometry, areas: AreaIndex | Iterable[ProtectedArea], *, near_m: float = 0.0
) -> list[dict[str, object]]:
    """Return the protected areas and Indigenous territories that a site overlaps: name, kind, overlap_ha; most first.

    Overlaps below 5 square metres, which are the noise of two outlines that share an edge, are left out; but land whose
    sharing needs consent is also told, with 0 ha, where it lies nearer than the site is placed.

    Parameters
    ----------
    geometry : BaseGeometry
        Lon/lat (multi)polygon.
    areas : AreaIndex or iterable of ProtectedArea
        Pass an `AreaIndex` when many sites are asked about.
    near_m : float
        How accurately the site is placed, metres.
    """
    return protected_overlaps_many([geometry], areas, near_m=near_m)[0]


def protected_overlaps_many(
    sites: Sites | Sequence[BaseGeometry], areas: AreaIndex | Iterable[ProtectedArea], *, near_m: float = 0.0
) -> list[list[dict[str, object]]]:
    """Return what `protected_overlaps` says of each of many sites."""
    ground = sites if isinstance(sites, Sites) else Sites.of(sites)
    index = areas if isinstance(areas, AreaIndex) else AreaIndex(areas)
    laid = laid_over(ground, index, near_m)
    hectares = np.round(laid.hectares, 3).tolist()
    rows = laid.row.tolist()
    told: list[list[dict[str, object]]] = []
    for outline, pairs in zip(ground.outlines, laid.of_sites(len(ground)), strict=True):
        near = [(hectares[p], index.records[rows[p]]) for p in pairs]
        found = [
            (overlap_ha, area.name or area.area_id, area)
            for overlap_ha, area in near
            if overlap_ha > 0 or (near_m > 0 and area.consent_required and _is_within(outline, area.geometry, near_m))
        ]
        found.sort(key=lambda row: (-row[0], row[1], row[2].kind.value))
        told.append([
            {"name": name, "kind": area.kind.value, "overlap_ha": overlap_ha, "consent_required": area.consent_required}
            for overlap_ha, name, area in found
        ])  # fmt: skip
    return told


def _is_within(site: BaseGeometry, outline: BaseGeometry, metres: float) -> bool:
    """Whether an outline lies nearer to a site than so many metres."""
    near_by = outline.intersection(padded_box(site, 2 * metres))
    return not near_by.is_empty and geo.distance_m(site, near_by) < metres

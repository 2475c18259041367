"""Titles and protected areas in a tree, so that each site meets only those near it."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from math import cos, radians
from typing import Generic, TypeVar

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.tenure.records import ProtectedArea, River, Title

_METRES_PER_DEGREE = 110_000.0
"""Less than the shortest degree of latitude (110,574 m), so that a box in degrees is never too small."""


_NOTHING = shapely.Polygon()
_Record = TypeVar("_Record", Title, ProtectedArea, River)


class _OutlineTree(Generic[_Record]):
    """Records with outlines, in an order that does not depend on the order they came in."""

    def __init__(self, records: Iterable[_Record]) -> None:
        self.records: tuple[_Record, ...] = tuple(sorted(records, key=_order))
        self.outlines = np.array([record.geometry for record in self.records], dtype=object)
        shapely.prepare(self.outlines)
        self._tree = shapely.STRtree(self.outlines)

    def __len__(self) -> int:
        return len(self.records)

    def near(self, geometry: BaseGeometry, metres: float = 0.0) -> Iterator[_Record]:
        """Yield every record that may lie within so many metres, and some that lie a little farther."""
        for row in sorted(self._tree.query(padded_box(geometry, metres)).tolist()):
            yield self.records[row]


class TitleIndex(_OutlineTree[Title]):
    """Titles that many sites are laid over."""


class AreaIndex(_OutlineTree[ProtectedArea]):
    """Protected areas and Indigenous territories that many sites are laid over."""


class RiverIndex(_OutlineTree[River]):
    """Rivers that many sites are laid over."""


def _order(record: Title | ProtectedArea | River) -> tuple[str, bytes]:
    """Sort key: everything a record says, then its outline."""
    texts = [repr(getattr(record, field.name)) for field in fields(record) if field.name != "geometry"]
    return "\x1f".join(texts), shapely.to_wkb(record.geometry)


def padded_box(geometry: BaseGeometry, metres: float) -> BaseGeometry:
    """Return the bounding box of a lon/lat geometry, grown by at least so many metres on each side.

    It only narrows a search; whatever counts is measured by `geo`.
    """
    left, bottom, right, top = geometry.bounds
    high = metres / _METRES_PER_DEGREE
    wide = high / max(0.01, cos(radians(min(89.0, max(abs(bottom), abs(top)) + high))))
    return shapely.box(left - wide, bottom - high, right + wide, top + high)


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
    index = areas if isinstance(areas, AreaIndex) else AreaIndex(areas)
    site = geo.polygons_only(geometry)
    found: list[tuple[float, str, ProtectedArea]] = []
    site_ha = 0.0  # measured when it is needed, and once
    for area in index.near(site, near_m):
        overlap = shared_ground(site, area.geometry)
        if overlap is site:
            site_ha = site_ha or geo.geodesic_area_ha(site)
        overlap_ha = round(site_ha if overlap is site else geo.geodesic_area_ha(overlap), 3)
        if overlap_ha > 0 or (near_m > 0 and area.consent_required and _is_within(site, area.geometry, near_m)):
            found.append((overlap_ha, area.name or area.area_id, area))
    found.sort(key=lambda row: (-row[0], row[1], row[2].kind.value))
    return [
        {"name": name, "kind": area.kind.value, "overlap_ha": overlap_ha, "consent_required": area.consent_required}
        for overlap_ha, name, area in found
    ]


def _is_within(site: BaseGeometry, outline: BaseGeometry, metres: float) -> bool:
    """Whether an outline lies nearer to a site than so many metres."""
    near_by = outline.intersection(padded_box(site, 2 * metres))
    return not near_by.is_empty and geo.distance_m(site, near_by) < metres

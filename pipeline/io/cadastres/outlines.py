"""Outlines as registers draw them, made usable: lon/lat, valid, polygons only; or refused with the reason and place."""

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.io.cadastres.crs import are_degrees
from pipeline.io.cadastres.transformations import Transformation

_POLYGONAL = {"Polygon", "MultiPolygon"}
_CANCELS = "; loops that turn against each other cancel in the hectares before"


@dataclass(frozen=True, slots=True)
class Drawing:
    """One geometry as a file draws it."""

    geometry: BaseGeometry | None
    """In the CRS of the file, arcs as short straight steps; None: there is none, or it cannot be read."""
    kind: str
    """What the file calls it, such as `CurvePolygon`; `null` where there is none."""
    flaw: str | None = None
    """What reading it had to mend, as a clause."""
    finer: BaseGeometry | None = None
    """The same outline with arcs in much shorter steps, to measure what the steps lose; None: it has no arcs."""


@dataclass(frozen=True, slots=True)
class Outline:
    """One outline after it was looked at: usable, or refused with a reason."""

    geometry: BaseGeometry | None
    """Valid (multi)polygon, lon/lat; None: refused."""
    geometry_type: str
    """What the file holds."""
    refused: str | None = None
    """Why it cannot be used, as a clause."""
    location: BaseGeometry | None = None
    """What a refused one does give, lon/lat."""
    repaired: str | None = None
    """What was wrong with one that was made valid."""
    before_ha: float = 0.0
    """Area of its rings by the surveyor's formula: loops of opposite turn cancel, loops of like turn count each time."""
    after_ha: float = 0.0
    """Area of the ground that was kept, each spot of it once."""


def read_outline(drawing: Drawing, change: Transformation) -> Outline:
    """Return an outline in lon/lat that can be laid over sites, or why it cannot.

    What a ring runs round is its ground, also where it crosses itself; what an inner ring runs round is taken away from
    it, and an inner ring that lies outside takes nothing. Parts that overlap count once. Heights are left out.
    """
    geometry, kind = drawing.geometry, drawing.kind
    if geometry is None:
        return Outline(None, kind, refused=_unread(kind))
    if geometry.is_empty:
        return Outline(None, kind, refused=f"its {kind} is empty")
    flat = shapely.force_2d(geometry)
    if not np.isfinite(shapely.get_coordinates(flat)).all():
        return Outline(None, kind, refused="it has coordinates that are no numbers")
    if change.is_geographic and not are_degrees(flat.bounds):
        return _no_degrees(flat, kind, change)
    lonlat = change.lonlat(flat)
    if not np.isfinite(shapely.get_coordinates(lonlat)).all():
        return Outline(None, kind, refused="its coordinates lie outside the CRS of the file")
    before = None if drawing.finer is None else change.lonlat(shapely.force_2d(drawing.finer))
    return _polygonal(lonlat, kind, drawing.flaw, before)


def _unread(kind: str) -> str:
    """Why a feature has no geometry here."""
    if kind == "null":
        return "it has no geometry, or one that cannot be read"
    if kind in _POLYGONAL:
        return f"its {kind} cannot be read, such as a ring of fewer than three points"
    return f"it is a {kind}, expected a polygon"


def _no_degrees(flat: BaseGeometry, kind: str, change: Transformation) -> Outline:
    """Refuse numbers that are no degrees; where they are when swapped, the swapped place is where it may lie."""
    x, y = flat.bounds[:2]
    swapped = shapely.transform(flat, lambda points: points[:, ::-1])
    if not are_degrees(swapped.bounds):
        return Outline(None, kind, refused=f"its coordinates ({x:g}, {y:g}) are no degrees")
    reason = f"its coordinates ({x:g}, {y:g}) are degrees only with lat and lon swapped"
    return Outline(None, kind, refused=reason, location=change.lonlat(swapped))


def _polygonal(lonlat: BaseGeometry, kind: str, flaw: str | None, finer: BaseGeometry | None) -> Outline:
    """Return the polygons of a lon/lat geometry as an outline."""
    is_sound = lonlat.geom_type in _POLYGONAL and lonlat.is_valid
    parts = [part for part in _flattened(lonlat) if part.geom_type in _POLYGONAL and not part.is_empty]
    if not parts:
        return Outline(None, kind, refused=f"it is a {kind}, expected a polygon", location=lonlat)
    try:
        ground = lonlat if is_sound else geo.polygons_only(shapely.union_all([_ground(part) for part in parts]))
    except GEOSException as error:
        return Outline(None, kind, refused=f"its {kind} cannot be made valid ({error})", location=shapely.envelope(lonlat))
    if ground.is_empty or ground.area <= 0:
        return Outline(None, kind, refused=f"its {kind} has no area", location=lonlat)
    if is_sound and flaw is None:
        return Outline(ground, kind)
    before_ha = sum(geo.geodesic_area_ha(part) for part in (parts if finer is None else _flattened(finer)))
    after_ha = geo.geodesic_area_ha(ground)
    reasons = [] if flaw is None else [flaw]
    if not is_sound:
        reasons.append(_unsound(lonlat, kind, is_less=before_ha < 0.995 * after_ha))
    return Outline(ground, kind, repaired="; ".join(reasons), before_ha=round(before_ha, 3), after_ha=round(after_ha, 3))


def _unsound(lonlat: BaseGeometry, kind: str, *, is_less: bool) -> str:
    """What is wrong with a geometry that is no valid (multi)polygon."""
    if lonlat.geom_type not in _POLYGONAL:
        return f"polygons taken from a {kind}"
    reason = str(shapely.is_valid_reason(lonlat))
    return reason + (_CANCELS if is_less and "elf-intersection" in reason else "")


def _ground(part: BaseGeometry) -> BaseGeometry:
    """What the outer ring of a polygon runs round without what its inner rings run round.

    Each ring is made valid for itself, by structure: the default method counts crossings, and would give the ground
    inside of an inner ring that lies outside, and cut out the middle of a ring that overlaps itself.
    """
    if part.is_valid:
        return part
    outer, *inner = [_encircled(ring) for ring in shapely.get_rings(part).tolist()]
    return outer.difference(shapely.union_all(inner)) if inner else outer


def _encircled(ring: shapely.LinearRing) -> BaseGeometry:
    """The ground that one ring runs round.

    Two defects of GEOS 3.14 are met here: parts of a repair may share an edge, so they are joined; and a ring that runs
    three times along an edge may come back empty: the default method finds it.
    """
    drawn = shapely.polygons(ring)
    made = shapely.union_all(shapely.get_parts(shapely.make_valid(drawn, method="structure", keep_collapsed=False)))
    return geo.polygons_only(shapely.make_valid(drawn)) if made.is_empty and drawn.area > 0.0 else made


def _flattened(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Return the single parts of a geometry, collections inside collections too."""
    if not hasattr(geometry, "geoms"):
        return [geometry]
    return [single for part in shapely.get_parts(geometry).tolist() for single in _flattened(part)]

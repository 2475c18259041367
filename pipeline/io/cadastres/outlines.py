"""Outlines as registers draw them, made usable: lon/lat, valid, polygons only; or refused with the reason and place."""

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.io.cadastres.crs import are_degrees

_POLYGONAL = {"Polygon", "MultiPolygon"}


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
    after_ha: float = 0.0


def read_outline(geometry: BaseGeometry | None, *, crs: str, is_geographic: bool) -> Outline:
    """Return an outline in lon/lat that can be laid over sites, or why it cannot.

    A self-crossing outline is made valid with `make_valid`, each part of a multipolygon for itself, so that parts that
    overlap count once and none is lost. Heights are left out.
    """
    if geometry is None:
        return Outline(None, "null", refused="it has no geometry, or one that cannot be read")
    kind = geometry.geom_type
    if geometry.is_empty:
        return Outline(None, kind, refused=f"its {kind} is empty")
    flat = shapely.force_2d(geometry)
    if not np.isfinite(shapely.get_coordinates(flat)).all():
        return Outline(None, kind, refused="it has coordinates that are no numbers")
    if is_geographic and not are_degrees(flat.bounds):
        x, y = flat.bounds[:2]
        return Outline(None, kind, refused=f"its coordinates ({x:g}, {y:g}) are no degrees")
    lonlat = geo.reproject(flat, crs, geo.WGS84)
    if not np.isfinite(shapely.get_coordinates(lonlat)).all():
        return Outline(None, kind, refused="its coordinates lie outside the CRS of the file")
    return _polygonal(lonlat)


def _polygonal(lonlat: BaseGeometry) -> Outline:
    """Return the polygons of a lon/lat geometry as an outline."""
    kind = lonlat.geom_type
    if kind in _POLYGONAL and lonlat.is_valid:
        if lonlat.area > 0:
            return Outline(lonlat, kind)
        return Outline(None, kind, refused=f"its {kind} has no area", location=lonlat)
    parts = [part for part in _flattened(lonlat) if part.geom_type in _POLYGONAL]
    if not parts:
        return Outline(None, kind, refused=f"it is a {kind}, expected a polygon", location=lonlat)
    valid = shapely.union_all([geo.polygons_only(part) for part in parts])
    if valid.is_empty or valid.area <= 0:
        return Outline(None, kind, refused=f"its {kind} has no area", location=lonlat)
    reason = shapely.is_valid_reason(lonlat) if kind in _POLYGONAL else f"polygons taken from a {kind}"
    before_ha = sum(geo.geodesic_area_ha(part) for part in parts)
    after_ha = geo.geodesic_area_ha(valid)
    return Outline(valid, kind, repaired=reason, before_ha=round(before_ha, 3), after_ha=round(after_ha, 3))


def _flattened(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Return the single parts of a geometry, collections inside collections too."""
    if not hasattr(geometry, "geoms"):
        return [geometry]
    return [single for part in shapely.get_parts(geometry).tolist() for single in _flattened(part)]

"""Swapped axes: lat/lon for lon/lat, northing/easting for easting/northing. Told where it is certain, never undone."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS, Transformer

from pipeline.errors import CadastreAxisOrderError
from pipeline.io.cadastres.crs import Bounds, are_degrees, named_zones, parse_crs
from pipeline.io.cadastres.outlines import Outline

FAR_OFF_DEGREES = 5.0
"""An outline with no other this near, about 550 km, lies far off."""
FAR_OFF_FROM = 20
"""Files of fewer outlines say nothing about which lies far off."""
_MARGIN_DEGREES = 1.0
_AMONG_DEGREES = 0.5


def require_axis_order(path: Path, crs: str, *, typical: Bounds, texts: Iterable[str]) -> None:
    """Raise where the outlines lie where they may only with their axes swapped.

    Where they may lie is what degrees can be, the area of use of the CRS, and the zones of the countries that the name
    or the texts of the file name.

    Parameters
    ----------
    path : Path
    crs : str
        CRS of the outlines.
    typical : tuple of float
        Left, bottom, right, top of the outlines in that CRS.
    texts : iterable of str
        Texts of the file in which the name of a country may stand.

    Raises
    ------
    CadastreAxisOrderError
        The outlines fit when swapped, and do not as they are.
    """
    left, bottom, right, top = typical
    source = parse_crs(crs)
    if source.geodetic_crs is None:
        return
    if source.is_geographic and not are_degrees(typical) and are_degrees((bottom, left, top, right)):
        _refuse(path, typical, "degrees: latitudes are at most 90")
    x, y = (left + right) / 2, (bottom + top) / 2
    as_is, swapped = _lonlat(source, x, y), _lonlat(source, y, x)
    areas = [source.area_of_use] if source.area_of_use is not None else []
    zones = [zone.area_of_use for zone in map(CRS.from_epsg, named_zones(path.stem, texts)) if zone.area_of_use is not None]
    for boxes, what in ((areas, f"the area of use of {source.name!r}"), (zones, "the country that the file names")):
        bounds = [area.bounds for area in boxes]
        if bounds and not _lies_in(as_is, bounds) and _lies_in(swapped, bounds):
            _refuse(path, typical, what)


def _refuse(path: Path, typical: Bounds, where: str) -> None:
    left, bottom, right, top = typical
    raise CadastreAxisOrderError(
        f"{path}: found x {left:.9g} to {right:.9g}, y {bottom:.9g} to {top:.9g}, expected {where}; they lie there only "
        "with x and y swapped. Swap them in a GIS, or ask the publisher for lon/lat (easting/northing) order"
    )


def _lonlat(source: CRS, x: float, y: float) -> tuple[float, float]:
    """Degrees of a point, without a datum shift."""
    if source.is_geographic:
        return x, y
    lon, lat = Transformer.from_crs(source, source.geodetic_crs, always_xy=True).transform(x, y)
    return float(lon), float(lat)


def _lies_in(point: tuple[float, float], bounds: Sequence[Bounds]) -> bool:
    """Whether a point lies in one of the boxes, or near."""
    lon, lat = point
    return any(
        west - _MARGIN_DEGREES <= lon <= east + _MARGIN_DEGREES and south - _MARGIN_DEGREES <= lat <= north + _MARGIN_DEGREES
        for west, south, east, north in bounds
    )


def lonely(boxes: np.ndarray) -> list[int]:
    """Return the positions of the boxes that lie far from every other; none among fewer than `FAR_OFF_FROM`."""
    if len(boxes) < FAR_OFF_FROM:
        return []
    near, _ = shapely.STRtree(boxes).query_nearest(boxes, max_distance=FAR_OFF_DEGREES, exclusive=True, all_matches=False)
    return sorted(set(range(len(boxes))) - set(near.tolist()))


def refuse_swapped(outlines: Sequence[Outline]) -> tuple[Outline, ...]:
    """Return the outlines, those refused that lie far from every other and among them when swapped."""
    grounds = [(row, outline.geometry) for row, outline in enumerate(outlines) if outline.geometry is not None]
    boxes = shapely.envelope(np.array([ground for _, ground in grounds], dtype=object))
    far = lonely(boxes)
    looked = list(outlines)
    rest = shapely.STRtree(np.delete(boxes, far))
    for row, ground in (grounds[position] for position in far):
        swapped = shapely.transform(ground, lambda points: points[:, ::-1])
        if are_degrees(swapped.bounds) and len(rest.query(shapely.envelope(swapped), "dwithin", distance=_AMONG_DEGREES)):
            reason = "it lies far from every other outline, and among them with lat and lon swapped"
            looked[row] = Outline(None, outlines[row].geometry_type, refused=reason, location=swapped)
    return tuple(looked)

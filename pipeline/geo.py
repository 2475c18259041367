"""Ground truth about ground: the only module that changes a CRS or measures area and distance.

Areas are geodesic on WGS 84, on the union of the geometry; distances are measured in the local UTM zone. Web Mercator
(EPSG:3857) never measures anything here.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import shapely
from pyproj import CRS, Geod, Transformer
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

WGS84 = "EPSG:4326"
GEOD = Geod(ellps="WGS84")
SQUARE_METRES_PER_HA = 10_000.0
SHORT_DEGREES = 0.01
"""Edges up to here, a kilometre, are measured in bulk; a ring with a longer one by its geodesics."""
COORDINATE_DECIMALS = 7
"""Decimals of a degree in output: about a centimetre, RFC 7946 section 11.2."""


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Transformer:
    """Cached always-xy transformer between two CRS texts."""
    return Transformer.from_crs(source, target, always_xy=True)


def reproject(geometry: BaseGeometry, source: str, target: str) -> BaseGeometry:
    """Return the geometry with x/y (lon/lat) coordinates in the target CRS."""
    if source == target:
        return geometry
    change = _transformer(source, target).transform

    def both(points: np.ndarray) -> np.ndarray:
        return np.column_stack(change(points[:, 0], points[:, 1])) if len(points) else points

    return shapely.transform(geometry, both)


def geodesic_area_ha(geometry: BaseGeometry) -> float:
    """Return the area in hectares on the WGS 84 ellipsoid of a lon/lat (multi)polygon; 0 when empty.

    As `geodesic_areas_ha` measures it.

    Examples
    --------
    >>> round(geodesic_area_ha(shapely.box(0, 0, 0.01, 0.01)), 1)
    123.1
    """
    return float(geodesic_areas_ha([geometry])[0])


def geodesic_areas_ha(geometries: Sequence[BaseGeometry] | np.ndarray) -> np.ndarray:
    """Return the areas in hectares on the WGS 84 ellipsoid of n lon/lat (multi)polygons: float64 (n,); 0 when empty.

    Overlapping parts count once. Edges are geodesics (Karney 2013, doi:10.1007/s00190-012-0578-z); those of rings without
    a long edge are summed as `enclosed_ha` does.
    """
    whole = np.array([_without_overlaps(g) for g in geometries], dtype=object)
    parts, owner = shapely.get_parts(whole, return_index=True)
    is_ground = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, owner = parts[is_ground], owner[is_ground]
    rings, part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    enclosed = enclosed_ha(ring[1:][same], points[:-1][same], points[1:][same], len(rings))
    for long in np.flatnonzero(np.isnan(enclosed)):
        along = points[ring == long]
        enclosed[long] = GEOD.polygon_area_perimeter(along[:, 0], along[:, 1])[0] / SQUARE_METRES_PER_HA
    is_shell = np.diff(part, prepend=-1) != 0  # the first ring of each polygon
    signed = np.where(is_shell, 1.0, -1.0) * np.abs(enclosed)
    return np.bincount(owner[part], signed, len(whole))


def _without_overlaps(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry itself where its parts cannot overlap, else the union of them."""
    if geometry.geom_type == "Polygon" or (geometry.geom_type == "MultiPolygon" and geometry.is_valid):
        return geometry
    united = shapely.union_all(shapely.get_parts(geometry))
    if united.geom_type != "GeometryCollection":
        return united
    return shapely.MultiPolygon([p for p in shapely.get_parts(united).tolist() if p.geom_type == "Polygon"])


def enclosed_ha(group: np.ndarray, start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """Return the hectares that the directed edges of each group enclose: float64 (count,), positive counter-clockwise.

    Parameters
    ----------
    group : int (n,)
        Group of each edge, from 0 to count - 1; the edges of a group make closed rings, in any order.
    start, end : float64 (n, 2)
        Longitude and latitude.
    count : int
        Number of groups.

    Returns
    -------
    np.ndarray
        NaN for a group with an edge longer than `SHORT_DEGREES`.

    Notes
    -----
    Between an edge and the equator lies the spherical excess of a great circle on the authalic sphere, which has the area
    of the ellipsoid (Snyder 1987, USGS Professional Paper 1395, eq. 3-11 to 3-13). It differs from that under the geodesic
    by the cube of the length: a triangle of edges of 0.01 degrees by at most 0.06 square metres.
    """
    low, high = _tan_half_authalic(start[:, 1]), _tan_half_authalic(end[:, 1])
    across = np.tan(np.radians(end[:, 0] - start[:, 0]) / 2.0)
    excess = 2.0 * np.arctan(across * (low + high) / (1.0 + low * high))
    is_long = np.abs(end - start).max(axis=1, initial=0.0) > SHORT_DEGREES
    square_metres = np.where(is_long, np.nan, -_AUTHALIC_M * _AUTHALIC_M * excess)
    return np.bincount(group, square_metres, count) / SQUARE_METRES_PER_HA


def _authalic_q(sine: np.ndarray | float) -> np.ndarray:
    """Area between the equator and a latitude, by its sine, in units of half the squared radius (Snyder, eq. 3-12)."""
    e = np.sqrt(GEOD.es)
    return (1.0 - GEOD.es) * (sine / (1.0 - GEOD.es * np.square(sine)) + np.arctanh(e * sine) / e)


_AUTHALIC_M = GEOD.a * float(np.sqrt(_authalic_q(1.0) / 2.0))
"""Radius of the sphere with the ellipsoid's area."""


def _tan_half_authalic(latitude: np.ndarray) -> np.ndarray:
    """Tangent of half the authalic latitude of geodetic latitudes in degrees."""
    sine = np.clip(_authalic_q(np.sin(np.radians(latitude))) / _authalic_q(1.0), -1.0, 1.0)
    return sine / (1.0 + np.sqrt(1.0 - sine * sine))


def utm_crs(lon: float, lat: float) -> str:
    """Return the EPSG text of the WGS 84 / UTM zone of a point, with the exceptions of Norway and Svalbard left out.

    Examples
    --------
    >>> utm_crs(-63.0, -9.0), utm_crs(26.1, 45.6)
    ('EPSG:32720', 'EPSG:32635')
    """
    zone = int((lon + 180.0) // 6.0) % 60 + 1
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"


def local_utm(geometry: BaseGeometry) -> str:
    """Return the EPSG text of the UTM zone in which a lon/lat geometry's centroid lies."""
    centre = geometry.centroid
    return utm_crs(centre.x, centre.y)


def distance_m(a: BaseGeometry, b: BaseGeometry) -> float:
    """Return the shortest distance in metres between two lon/lat geometries, measured in the UTM zone of `a`."""
    zone = local_utm(a)
    return float(reproject(a, WGS84, zone).distance(reproject(b, WGS84, zone)))


def buffer_m(geometry: BaseGeometry, metres: float) -> BaseGeometry:
    """Return a lon/lat geometry grown (or, if negative, shrunk) by metres, measured in its local UTM zone."""
    zone = local_utm(geometry)
    return reproject(reproject(geometry, WGS84, zone).buffer(metres), zone, WGS84)


def polygons_only(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygonal part of a geometry, made valid without losing area; empty when it has none.

    `make_valid` is used and never `buffer(0)`, which drops the smaller half of a self-crossing ring.
    """
    valid = geometry if geometry.is_valid else shapely.make_valid(geometry)
    if valid.geom_type in {"Polygon", "MultiPolygon"}:
        return valid
    parts = [p for p in shapely.get_parts(valid).tolist() if p.geom_type in {"Polygon", "MultiPolygon"}]
    return shapely.union_all(parts) if len(parts) != 1 else parts[0]


def wind(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygons with exterior rings counter-clockwise and holes clockwise (RFC 7946, section 3.1.6)."""
    if isinstance(geometry, shapely.Polygon):
        return orient(geometry, sign=1.0)
    return shapely.MultiPolygon([orient(p, sign=1.0) for p in shapely.get_parts(geometry).tolist()])


def split_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    """Return a lon/lat geometry whose longitudes may run past 180 degrees cut at the antimeridian, all in [-180, 180].

    RFC 7946, section 3.1.9.
    """
    left, _, right, _ = geometry.bounds
    if left >= -180.0 and right <= 180.0:
        return geometry
    parts = []
    for turn in (-360.0, 0.0, 360.0):
        window = shapely.box(-180.0 - turn, -90.0, 180.0 - turn, 90.0)
        cut = geometry.intersection(window)
        if not cut.is_empty:
            parts.append(translate(cut, turn))
    return shapely.union_all(parts)


def on_globe(geometry: BaseGeometry) -> BaseGeometry:
    """Return lon/lat polygons in the one form in which they compare: valid, cut at the antimeridian, all in [-180, 180].

    Longitudes that run past 180 degrees are brought back; a part wider than 180 degrees is taken for one whose longitudes
    jump at the antimeridian (179.9 next to -179.9), which no scene or area of interest is otherwise.

    Examples
    --------
    >>> on_globe(shapely.box(179.0, 0.0, 181.0, 1.0)).equals(on_globe(shapely.box(-179.0, 0.0, 179.0, 1.0)))
    True
    """
    parts = [split_antimeridian(polygons_only(_unwrapped(part))) for part in shapely.get_parts(geometry).tolist()]
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def _unwrapped(part: BaseGeometry) -> BaseGeometry:
    """A part whose longitudes jump, with the western ones moved past 180 degrees."""
    west, _, east, _ = part.bounds if not part.is_empty else (0.0, 0.0, 0.0, 0.0)
    if east - west <= 180.0:
        return part
    return shapely.transform(part, lambda p: p + np.where(p[:, :1] < 0.0, [360.0, 0.0], 0.0))


def bbox(geometries: Iterable[BaseGeometry]) -> tuple[float, float, float, float]:
    """Return west, south, east, north of lon/lat geometries; west is greater than east where the box crosses the antimeridian.

    Every part must lie in [-180, 180]. RFC 7946, section 5.2.

    Examples
    --------
    >>> bbox([shapely.box(179.0, 0.0, 180.0, 1.0), shapely.box(-180.0, 0.0, -179.0, 1.0)])
    (179.0, 0.0, -179.0, 1.0)
    """
    bounds = [part.bounds for g in geometries for part in shapely.get_parts(g).tolist()]
    spans = sorted((b[0], b[2]) for b in bounds)
    gaps, east = [], spans[0][1]
    for left, right in spans[1:]:
        gaps.append((left - east, left, east))
        east = max(east, right)
    widest = max([(spans[0][0] + 360.0 - east, spans[0][0], east), *gaps], key=lambda gap: gap[0])
    return widest[1], min(b[1] for b in bounds), widest[2], max(b[3] for b in bounds)


def to_lonlat(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Return a geometry as RFC 7946 wants it: lon/lat, right-hand rule, 7 decimals, split at the antimeridian."""
    lonlat = reproject(geometry, crs, WGS84)
    rounded = shapely.set_precision(lonlat, 10.0**-COORDINATE_DECIMALS)
    return wind(split_antimeridian(polygons_only(rounded)))


def is_projected_in_metres(crs: str) -> bool:
    """Return whether a CRS has axes in metres that measure ground (Web Mercator does not count)."""
    parsed = CRS.from_user_input(crs)
    return parsed.is_projected and parsed.axis_info[0].unit_name == "metre" and parsed.to_epsg() != 3857

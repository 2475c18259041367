"""Where a report is: from a geometry, a pair of columns, or what field tools write; refused by name where it is not certain."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.community.records import RefusalCode
from pipeline.errors import ReportRefusedError

LARGEST_HA = 100_000.0
MOST_VERTICES = 10_000
LEAST_ACCURATE_M = 50_000.0
_KINDS = ("Point", "Polygon", "MultiPolygon")
_DECIMAL_COMMA = re.compile(r"^\s*[+-]?\d{1,3},\d+\s*$")


def number(value: object) -> float | None:
    """Return a number, also of a text, also with a decimal comma; None where it is none.

    Examples
    --------
    >>> number("-63.5"), number("-63,5"), number("about 3"), number(True)
    (-63.5, -63.5, None, None)
    """
    if isinstance(value, bool):
        return None
    if not isinstance(value, int | float | str):
        return None
    is_comma = isinstance(value, str) and _DECIMAL_COMMA.match(value)
    try:
        found = float(str(value).replace(",", ".") if is_comma else value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def check_lonlat(lon: float, lat: float) -> tuple[float, float]:
    """Return longitude and latitude as they are.

    Raises
    ------
    ReportRefusedError
        They are out of range, are certain to have changed places, or are those of a device without a position.
    """
    if abs(lat) <= 90.0 and abs(lon) <= 180.0:
        if lon == 0.0 and lat == 0.0:
            raise ReportRefusedError(
                RefusalCode.PLACE_MISSING, "found longitude 0, latitude 0, which devices write without a position; give it"
            )
        return lon, lat
    found = f"found longitude {lon:g}, latitude {lat:g}"
    if abs(lat) <= 180.0 and abs(lon) <= 90.0:
        raise ReportRefusedError(
            RefusalCode.PLACE_SWAPPED, f"{found}, which fit only when they change places; write them in the right columns"
        )
    raise ReportRefusedError(
        RefusalCode.PLACE_OUT_OF_RANGE, f"{found}, expected degrees of at most 180 and 90; give them in WGS 84"
    )


def from_geometry(geometry: object) -> BaseGeometry:
    """Return the place of a GeoJSON geometry.

    Raises
    ------
    ReportRefusedError
        It is no point or polygon in lon/lat, or too large a one.
    """
    kind = geometry.get("type") if isinstance(geometry, Mapping) else type(geometry).__name__
    if kind not in _KINDS or not isinstance(geometry, Mapping):
        raise _unreadable(f"found {str(kind)[:40]!r}, expected one of {', '.join(_KINDS)}")
    pairs = _pairs(geometry.get("coordinates"))
    if not pairs:
        raise ReportRefusedError(RefusalCode.PLACE_MISSING, "found no coordinates; give a point or an outline")
    if len(pairs) > MOST_VERTICES:
        raise ReportRefusedError(RefusalCode.PLACE_TOO_LARGE, f"found {len(pairs)} corners, expected at most {MOST_VERTICES}")
    for pair in pairs:
        check_lonlat(*pair)
    try:
        found = shapely.force_2d(shape(dict(geometry)))
    except (shapely.errors.ShapelyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise _unreadable(f"{error}") from error
    return found if kind == "Point" else _outline(found)


def _outline(found: BaseGeometry) -> BaseGeometry:
    """A polygon made valid, of a size that can be meant."""
    outline = geo.polygons_only(found)
    hectares = geo.geodesic_area_ha(outline)
    if outline.is_empty or hectares <= 0.0:
        raise _unreadable("found an outline without area, expected a polygon")
    if hectares > LARGEST_HA:
        raise ReportRefusedError(
            RefusalCode.PLACE_TOO_LARGE, f"found {hectares:,.0f} ha, expected at most {LARGEST_HA:,.0f}; draw the place itself"
        )
    return outline


def _unreadable(words: str) -> ReportRefusedError:
    """A place that cannot be read."""
    return ReportRefusedError(RefusalCode.PLACE_UNREADABLE, words)


def _pairs(coordinates: object) -> list[tuple[float, float]]:
    """Every position of nested coordinates."""
    if not isinstance(coordinates, Sequence) or isinstance(coordinates, str):
        raise _unreadable("found coordinates that are no list of numbers")
    if coordinates and not isinstance(coordinates[0], Sequence):
        lon, lat = number(coordinates[0]), number(coordinates[1]) if len(coordinates) > 1 else None
        if lon is None or lat is None or isinstance(coordinates[0], str) or isinstance(coordinates[1], str):
            raise _unreadable("found coordinates that are no numbers")
        return [(lon, lat)]
    return [pair for inner in coordinates for pair in _pairs(inner)]


def from_fields(take: Callable[..., object], pairs: Sequence[tuple[object, object]], *, is_kobo: bool) -> BaseGeometry:
    """Return the place that columns state.

    Parameters
    ----------
    take : callable
        Gives the value of the first of some names that has one, and counts it as used unless `keep` is true.
    pairs : sequence
        Latitude and longitude of every question for a place, as KoboToolbox writes them.
    is_kobo : bool
        A list or text of two numbers is latitude and longitude; from others the order is not certain, so they are not read.

    Raises
    ------
    ReportRefusedError
        There is none, or more than one.
    """
    lat, lon = take("latitude", "lat", "latitud"), take("longitude", "lon", "lng", "long", "longitud")
    if lat is not None or lon is not None:
        return _point(lat, lon)
    for name in ("geolocation", "location", "gps", "geopoint"):
        both = _both(take(name, keep=True), is_kobo=is_kobo)
        if both is not None:
            take(name)
            return _point(*both)
    stated = {(number(a), number(b)) for a, b in pairs}
    if len(stated) > 1:
        raise ReportRefusedError(
            RefusalCode.PLACE_AMBIGUOUS, f"found {len(stated)} places and none called latitude and longitude; keep one"
        )
    if pairs:
        return _point(*pairs[0])
    raise ReportRefusedError(RefusalCode.PLACE_MISSING, "found no geometry and no latitude and longitude; give them")


def _both(value: object, *, is_kobo: bool) -> tuple[float, float] | None:
    """Latitude and longitude of one value: an object, or of KoboToolbox a list or a text such as `-9.25 -63.5 120 5`."""
    if isinstance(value, Mapping):
        stated: Sequence[object] = (value.get("latitude", value.get("lat")), value.get("longitude", value.get("lon")))
    elif is_kobo and isinstance(value, str):
        stated = value.strip().strip("[]").replace(",", " ").split()
    else:
        stated = value if is_kobo and isinstance(value, list) else ()
    lat, lon = (number(v) for v in (*stated[:2], None, None)[:2])
    return None if lat is None or lon is None else (lat, lon)


def _point(lat: object, lon: object) -> BaseGeometry:
    """The point of two values."""
    x, y = number(lon), number(lat)
    if x is None or y is None:
        missing = [name for name, value in (("latitude", y), ("longitude", x)) if value is None]
        raise _unreadable(f"found no number as {' and '.join(missing)}; give both in degrees, such as -9.25")
    return shapely.Point(check_lonlat(x, y))


def accuracy_of(value: object) -> float | None:
    """Return the stated accuracy in metres, None where nothing is stated.

    Raises
    ------
    ReportRefusedError
        It is no length that can be meant.
    """
    if value is None:
        return None
    found = number(value)
    if found is None or not 0.0 <= found <= LEAST_ACCURATE_M:
        raise ReportRefusedError(
            RefusalCode.ACCURACY_UNREADABLE,
            f"found {str(value)[:20]!r}, expected metres from 0 to {LEAST_ACCURATE_M:g}; correct it or leave it empty",
        )
    return found

"""Files of areas of interest, read, checked and written."""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataSourceError
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.aoi import PIXEL_M, Area, working_grid
from pipeline.errors import AoiAxisOrderError, AoiInvalidError, CadastreInvalidError, PipelineWarning
from pipeline.io.cadastres.safety import safe_sources
from pipeline.io.outputs import write_whole

LARGEST_KM2 = 500_000.0
"""An area larger than this is a mistake, or is better cut into several."""
LARGEST_BOX_KM2 = 4 * LARGEST_KM2
"""The parts of one area lie within a box of this size, else one grid in metres does not fit them."""
LAST_LATITUDE = 84.0
"""Sentinel-2 images land between 56 degrees south and 84 degrees north (ESA, Sentinel-2 user handbook)."""
WANTED = ("name", "country", "minerals", "landscape", "why_watched", "sources")
"""What an area should say of itself."""
GEOJSON_SUFFIXES = (".json", ".geojson")

COUNTRY_BOUNDS: Mapping[str, tuple[float, float, float, float]] = {
    "Brazil": (-75.0, -34.0, -28.0, 6.0),
    "Colombia": (-82.0, -5.0, -66.0, 14.0),
    "Democratic Republic of the Congo": (12.0, -14.0, 32.0, 6.0),
    "Ghana": (-4.0, 4.0, 2.0, 12.0),
    "Indonesia": (95.0, -11.0, 141.0, 6.0),
    "Myanmar": (92.0, 9.0, 102.0, 29.0),
    "Peru": (-82.0, -19.0, -68.0, 0.0),
    "Venezuela": (-74.0, 0.0, -59.0, 16.0),
}
"""West, south, east, north of the countries of the ready areas, rounded outwards (Natural Earth 1:10m, public domain).
They tell swapped axes where both orders are degrees on Earth."""

UNREADABLE = (DataSourceError, ValueError, KeyError, TypeError, AttributeError, shapely.errors.ShapelyError)
"""What readers raise on a file that is no vector file, or a broken one."""


@dataclass(frozen=True, slots=True)
class _Feature:
    """The one feature of a file."""

    geometry: BaseGeometry | None
    properties: Mapping[str, object]
    crs: str


def slug(text: str) -> str:
    """Return a text as an id: lower-case letters, digits and hyphens.

    Examples
    --------
    >>> slug("Río Caquetá (north)")
    'r-o-caquet-north'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "area"


def read_area(path: Path) -> Area:
    """Return the area of a file: GeoJSON (one feature, or a bare polygon), or any vector file with one feature.

    The id is the property `id`, else the file's name; the name is the property `name`, else the id. A file in another
    CRS is brought to lon/lat.

    Raises
    ------
    AoiInvalidError
        The file is absent or unreadable, has no or several features, or no polygon with an area.
    AoiAxisOrderError
        Its numbers cannot be longitude and latitude in that order.
    """
    if not path.exists():
        raise AoiInvalidError(f"{path}: found no such file, expected the polygon of an area; check the path")
    try:
        feature = _read_geojson(path) if path.suffix.lower() in GEOJSON_SUFFIXES else _read_vector(path)
        crs = CRS.from_user_input(feature.crs)
    except CRSError as error:
        raise AoiInvalidError(f"{path}: {error}; expected a known CRS; write the area as GeoJSON in lon/lat") from error
    except UNREADABLE as error:
        raise AoiInvalidError(f"{path}: {error}; expected GeoJSON or another vector file with one polygon") from error
    properties = {str(k): v for k, v in feature.properties.items() if _is_stated(v)}
    geometry = feature.geometry
    if geometry is not None and crs.to_authority() not in {("EPSG", "4326"), ("OGC", "CRS84")}:
        geometry = geo.reproject(geometry, feature.crs, geo.WGS84)
    name = slug(str(properties.get("id") or path.stem))
    outline = _checked(geometry, str(path), country=str(properties.get("country", "")))
    return Area(name, str(properties.get("name") or name), outline, properties)


def _is_stated(value: object) -> bool:
    """Whether a property has a value."""
    return value is not None and value == value and value != ""  # noqa: PLR0124 - NaN is not itself


def _one_feature(count: int, path: Path) -> None:
    """Raise unless a file has exactly one feature."""
    if count != 1:
        raise AoiInvalidError(
            f"{path}: found {count} features, expected one area of interest; keep one, or write one file for each"
        )


def _read_geojson(path: Path) -> _Feature:
    """Feature of a GeoJSON file: FeatureCollection, Feature or bare geometry."""
    document = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_refuse_constant)
    kind = document.get("type") if isinstance(document, dict) else type(document).__name__
    named = document.get("crs") if isinstance(document, dict) else None
    crs = str(named["properties"]["name"]) if named else geo.WGS84
    if kind == "FeatureCollection":
        _one_feature(len(document["features"]), path)
        document = document["features"][0]
    elif kind != "Feature":
        document = {"geometry": document if isinstance(document, dict) and kind else None}
        if document["geometry"] is None:
            raise AoiInvalidError(f"{path}: found JSON of type {kind}, expected GeoJSON with one polygon; write it anew")
    geometry = document.get("geometry")
    return _Feature(shape(geometry) if geometry else None, document.get("properties") or {}, crs)


def _refuse_constant(word: str) -> object:
    """Refuse NaN and Infinity, which Python's reader would take."""
    raise ValueError(f"found {word}, which is no number")


def _read_vector(path: Path) -> _Feature:
    """Feature of any file that GDAL reads and that reaches for nothing beyond itself."""
    try:
        (source,) = safe_sources(path)
    except CadastreInvalidError as error:
        raise AoiInvalidError(f"{error}; write the area as GeoJSON in lon/lat") from error
    layers = [str(name) for name, kind in pyogrio.list_layers(source) if kind is None or "Polygon" in kind or kind == "Unknown"]
    if len(layers) != 1:
        raise AoiInvalidError(
            f"{path}: found {len(layers)} layers with polygons, expected one; write the area to a file of its own"
        )
    frame = pyogrio.read_dataframe(source, layer=layers[0])
    _one_feature(len(frame), path)
    if frame.crs is None:
        raise AoiInvalidError(f"{path}: the file does not say its CRS; write the area as GeoJSON in lon/lat")
    row = frame.iloc[0]
    properties = {str(k): _plain(v) for k, v in row.drop(frame.geometry.name).items()}
    return _Feature(row[frame.geometry.name], properties, frame.crs.to_wkt())


def _plain(value: object) -> object:
    """Value of a table as JSON knows it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if isinstance(value, date) and value == value else value  # noqa: PLR0124 - NaT


def _checked(geometry: BaseGeometry | None, where: str, *, country: str = "") -> BaseGeometry:
    """Polygon of an area, valid, in one piece across the antimeridian."""
    if geometry is None or geometry.is_empty or geometry.geom_type not in {"Polygon", "MultiPolygon"}:
        kind = "nothing" if geometry is None or geometry.is_empty else f"a {geometry.geom_type}"
        raise AoiInvalidError(f"{where}: found {kind}, expected a polygon; draw the outline of the area")
    geometry = shapely.force_2d(geometry)
    _check_degrees(geometry, where)
    _check_country(geometry, country, where)
    joined = _joined(geometry)
    is_whole = joined.is_valid
    joined = joined if is_whole else geo.polygons_only(joined)
    area_km2 = geo.geodesic_area_ha(joined) / 100.0
    if not 0.0 < area_km2 <= LARGEST_KM2:
        raise AoiInvalidError(
            f"{where}: found {area_km2:,.3f} km2, expected more than 0 and at most {LARGEST_KM2:,.0f}; "
            "draw the area again, or cut it into several files"
        )
    box_km2 = geo.geodesic_area_ha(shapely.box(*joined.bounds)) / 100.0
    if box_km2 > LARGEST_BOX_KM2:
        raise AoiInvalidError(
            f"{where}: found parts in a box of {box_km2:,.0f} km2, expected at most {LARGEST_BOX_KM2:,.0f}; "
            "its parts lie too far apart for one grid: write one file for each"
        )
    if not is_whole:
        warnings.warn(f"{where}: the outline crosses itself and was made valid; check it", PipelineWarning, stacklevel=4)
    return joined


def _check_degrees(geometry: BaseGeometry, where: str) -> None:
    """Raise where the numbers cannot be longitude first, latitude second."""
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise AoiInvalidError(f"{where}: found a coordinate that is no number, expected degrees; draw the area again")
    left, bottom, right, top = geometry.bounds
    found = f"x from {left:.6g} to {right:.6g}, y from {bottom:.6g} to {top:.6g}"
    if max(map(abs, geometry.bounds)) > 360.0:
        raise AoiAxisOrderError(
            f"{where}: found {found}, expected degrees; these look like metres of a projected CRS: reproject to "
            "lon/lat (EPSG:4326)"
        )
    if max(abs(bottom), abs(top)) > LAST_LATITUDE:
        raise AoiAxisOrderError(
            f"{where}: found {found}, expected longitudes in x and latitudes within {LAST_LATITUDE:.0f} degrees in y, "
            "where Sentinel-2 images; the axes look swapped: GeoJSON wants longitude first, then latitude"
        )


def _check_country(geometry: BaseGeometry, country: str, where: str) -> None:
    """Raise where the area lies outside of the country that it names and inside with its axes swapped."""
    bounds = COUNTRY_BOUNDS.get(country)
    if bounds is None:
        return
    ground = shapely.box(*bounds)
    swapped = shapely.transform(geometry, lambda p: p[:, ::-1])
    if not ground.intersects(geometry) and ground.intersects(swapped):
        left, bottom, right, top = geometry.bounds
        raise AoiAxisOrderError(
            f"{where}: found x from {left:.6g} to {right:.6g}, y from {bottom:.6g} to {top:.6g}, expected {country} "
            f"({', '.join(f'{b:g}' for b in bounds)}), where the area lies with its axes swapped; GeoJSON wants "
            "longitude first, then latitude"
        )


def _joined(geometry: BaseGeometry) -> BaseGeometry:
    """Outline on both sides of the antimeridian in one piece, by longitudes past 180."""
    left, _, right, _ = geometry.bounds
    if right - left <= 180.0:
        return geometry
    turned = shapely.transform(geometry, lambda p: p + np.where(p[:, :1] < 0.0, [360.0, 0.0], 0.0))
    return shapely.union_all(shapely.get_parts(turned)) if geometry.is_valid else turned


def write_area(path: Path, area: Area) -> None:
    """Write an area as GeoJSON that RFC 7946 allows, whole: right-hand rule, cut at the antimeridian."""
    feature = {
        "type": "Feature",
        "id": area.id,
        "geometry": mapping(geo.wind(geo.split_antimeridian(area.geometry))),
        "properties": {**area.properties, "id": area.id, "name": area.name},
    }
    document = {"type": "FeatureCollection", "features": [feature]}
    write_whole(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def new_area(
    source: Path | tuple[float, float, float, float], *, id_: str, name: str,
    properties: Mapping[str, object] | None = None,
) -> Area:  # fmt: skip
    """Return a new area from a polygon file or from bounds (west, south, east, north in degrees).

    West may be more than east: the bounds then cross the antimeridian.

    Raises
    ------
    AoiInvalidError, AoiAxisOrderError
        See `read_area`; also bounds whose south is not below their north.
    """
    stated = dict(properties or {})
    if isinstance(source, Path):
        area = read_area(source)
        return Area(slug(id_), name, area.geometry, {**area.properties, **stated})
    west, south, east, north = source
    if south >= north:
        raise AoiInvalidError(
            f"bounds {west:g},{south:g},{east:g},{north:g}: found south {south:g} and north {north:g}, expected south "
            "below north; the order is west,south,east,north"
        )
    east = east + 360.0 if east < west else east
    box = shapely.box(west, south, east, north)
    where = f"bounds {west:g},{south:g},{east:g},{north:g}"
    return Area(slug(id_), name, _checked(box, where, country=str(stated.get("country", ""))), stated)


def check_area(area: Area) -> list[str]:
    """Return what there is to know about an area before it is watched, one fact a line.

    Raises
    ------
    AoiInvalidError
        The area asks for a grid that has no true metres.
    """
    grid = working_grid(area)
    left, bottom, right, top = grid.bounds
    facts = [
        f"{geo.geodesic_area_ha(area.geometry) / 100.0:,.1f} km2 of ground, {(right - left) / 1000.0:,.1f} km by "
        f"{(top - bottom) / 1000.0:,.1f} km",
        f"grid {grid.crs}, {round((right - left) / PIXEL_M)} x {round((top - bottom) / PIXEL_M)} pixels of "
        f"{PIXEL_M:.0f} m, {len(grid.chunks)} chunks",
    ]
    west, _, east, _ = area.geometry.bounds
    if west < -180.0 or east > 180.0:
        facts.append("crosses the antimeridian")
    if int((west + 180.0) // 6.0) != int((east - 1e-9 + 180.0) // 6.0):
        facts.append("crosses the edge of a UTM zone: scenes of the other zone are resampled")
    country = str(area.properties.get("country", ""))
    if country in COUNTRY_BOUNDS and not shapely.box(*COUNTRY_BOUNDS[country]).intersects(area.geometry):
        facts.append(f"lies outside of {country}, the country that it names")
    missing = [key for key in WANTED if not area.properties.get(key)]
    if missing:
        facts.append(f"does not say its {', '.join(missing)}")
    return facts

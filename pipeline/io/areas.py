"""Files of areas of interest, read, checked and written."""

import json
import re
import warnings
from pathlib import Path

import geopandas as gpd
import pyogrio
import shapely
from pyogrio.errors import DataSourceError
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.aoi import Area, working_grid
from pipeline.errors import AoiAxisOrderError, AoiInvalidError, PipelineWarning
from pipeline.io.outputs import write_whole

LARGEST_KM2 = 500_000.0
"""An area larger than this is a mistake, or is better cut into several."""
LAST_LATITUDE = 84.0
"""Sentinel-2 images land between 56 degrees south and 84 degrees north (ESA, Sentinel-2 user handbook)."""
WANTED = ("name", "country", "minerals", "landscape", "why_watched", "sources")
"""What an area should say of itself."""


def slug(text: str) -> str:
    """Return a text as an id: lower-case letters, digits and hyphens.

    Examples
    --------
    >>> slug("Río Caquetá (north)")
    'r-o-caquet-north'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "area"


def read_area(path: Path) -> Area:
    """Return the area of a file: GeoJSON or any vector file with exactly one feature, or several that are one area's parts.

    Raises
    ------
    AoiInvalidError
        The file is absent or unreadable, has no or several features, or no polygon with an area.
    AoiAxisOrderError
        Its numbers cannot be longitude and latitude in that order.
    """
    frame = _read_frame(path)
    if len(frame) != 1:
        raise AoiInvalidError(
            f"{path}: found {len(frame)} features, expected one area of interest; keep one, or write one file for each"
        )
    row = frame.iloc[0]
    stated = {str(k): v for k, v in row.drop(frame.geometry.name).items() if _is_stated(v)}
    plain = _plain_properties(path, stated)
    name = slug(str(plain.get("id") or path.stem))
    geometry = _checked(row.geometry, path)
    return Area(name, str(plain.get("name") or name), geometry, plain)


def _is_stated(value: object) -> bool:
    """Whether a property has a value."""
    return value is not None and value == value and value != ""  # noqa: PLR0124 - NaN is not itself


def _plain_properties(path: Path, stated: dict[str, object]) -> dict[str, object]:
    """Properties as the GeoJSON has them (lists stay lists), else as the driver read them."""
    if path.suffix.lower() not in {".json", ".geojson"}:
        return stated
    document = json.loads(path.read_text(encoding="utf-8"))
    feature = document["features"][0] if document.get("type") == "FeatureCollection" else document
    properties = feature.get("properties") or {}
    return {k: v for k, v in properties.items() if _is_stated(v)}


def _read_frame(path: Path) -> gpd.GeoDataFrame:
    """Frame of a file in lon/lat."""
    if not path.exists():
        raise AoiInvalidError(f"{path}: found no such file, expected the polygon of an area; check the path")
    try:
        if path.suffix.lower() in {".json", ".geojson"}:
            document = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(document, dict) and document.get("type") in {"Polygon", "MultiPolygon"}:
                return gpd.GeoDataFrame(geometry=[shapely.from_geojson(json.dumps(document))], crs=geo.WGS84)
        frame = pyogrio.read_dataframe(path)
    except (DataSourceError, ValueError, UnicodeDecodeError, shapely.errors.GEOSException) as error:
        raise AoiInvalidError(f"{path}: {error}; expected GeoJSON or another vector file with one polygon") from error
    if frame.empty or not isinstance(frame, gpd.GeoDataFrame):
        raise AoiInvalidError(f"{path}: found no feature with a geometry, expected one polygon; draw the area again")
    if frame.crs is None:
        raise AoiInvalidError(f"{path}: the file does not say its CRS; write the area as GeoJSON in lon/lat")
    if frame.crs.to_epsg() != 4326:
        own = frame.crs.to_wkt()
        frame = frame.set_geometry([geo.reproject(g, own, geo.WGS84) for g in frame.geometry], crs=geo.WGS84)
    return frame


def _checked(geometry: BaseGeometry | None, path: Path) -> BaseGeometry:
    """The polygon of an area, valid, in one piece across the antimeridian."""
    if geometry is None or geometry.is_empty or geometry.geom_type not in {"Polygon", "MultiPolygon"}:
        kind = "nothing" if geometry is None or geometry.is_empty else f"a {geometry.geom_type}"
        raise AoiInvalidError(f"{path}: found {kind}, expected a polygon; draw the outline of the area")
    _check_degrees(geometry, path)
    valid = geometry
    if not geometry.is_valid:
        valid = geo.polygons_only(geometry)
        warnings.warn(f"{path}: the outline crosses itself and was made valid", PipelineWarning, stacklevel=4)
    joined = _joined(valid)
    area_km2 = geo.geodesic_area_ha(valid) / 100.0
    if not 0.0 < area_km2 <= LARGEST_KM2:
        raise AoiInvalidError(f"{path}: found {area_km2:,.3f} km2, expected more than 0 and at most {LARGEST_KM2:,.0f}")
    return joined


def _check_degrees(geometry: BaseGeometry, path: Path) -> None:
    """Raise where the numbers cannot be longitude first, latitude second."""
    left, bottom, right, top = geometry.bounds
    found = f"x from {left:.6g} to {right:.6g}, y from {bottom:.6g} to {top:.6g}"
    if max(abs(bottom), abs(top)) <= LAST_LATITUDE and max(abs(left), abs(right)) <= 540.0:
        return
    if max(map(abs, geometry.bounds)) <= 360.0:
        raise AoiAxisOrderError(
            f"{path}: found {found}, expected longitudes in x and latitudes within {LAST_LATITUDE:.0f} degrees in y; the "
            "axes look swapped: GeoJSON wants longitude first, then latitude"
        )
    raise AoiAxisOrderError(
        f"{path}: found {found}, expected degrees; these look like metres of a projected CRS: reproject to lon/lat "
        "(EPSG:4326)"
    )


def _joined(geometry: BaseGeometry) -> BaseGeometry:
    """Parts on both sides of the antimeridian brought together by longitudes past 180."""
    left, _, right, _ = geometry.bounds
    if right - left <= 180.0:
        return geometry
    parts = [
        shapely.transform(p, lambda q: q + [360.0, 0.0]) if p.bounds[2] < 0.0 else p
        for p in shapely.get_parts(geometry).tolist()
    ]
    return shapely.union_all(parts)


def write_area(path: Path, area: Area) -> None:
    """Write an area as GeoJSON, whole."""
    feature = {
        "type": "Feature",
        "id": area.id,
        "geometry": mapping(geo.wind(geo.split_antimeridian(area.geometry))),
        "properties": {**area.properties, "id": area.id, "name": area.name},
    }
    document = {"type": "FeatureCollection", "features": [feature]}
    write_whole(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def new_area(source: Path | tuple[float, float, float, float], *, id_: str, name: str) -> Area:
    """Return a new area from a polygon file or from bounds (west, south, east, north in degrees).

    Raises
    ------
    AoiInvalidError, AoiAxisOrderError
        See `read_area`.
    """
    if isinstance(source, Path):
        area = read_area(source)
        return Area(slug(id_), name, area.geometry, area.properties)
    west, south, east, north = source
    east = east + 360.0 if east < west else east
    return Area(slug(id_), name, _checked(shapely.box(west, south, east, north), Path("bounds")), {})


def check_area(area: Area) -> list[str]:
    """Return what there is to know about an area before it is watched, one fact a line."""
    grid = working_grid(area)
    left, bottom, right, top = grid.bounds
    facts = [
        f"{geo.geodesic_area_ha(area.geometry) / 100.0:,.1f} km2 of ground",
        f"grid {grid.crs}, {round((right - left) / 10)} x {round((top - bottom) / 10)} pixels of 10 m, "
        f"{len(grid.chunks)} chunks",
    ]
    west, _, east, _ = area.geometry.bounds
    if east > 180.0:
        facts.append("crosses the antimeridian")
    if int((west + 180.0) // 6.0) != int((east + 180.0) // 6.0):
        facts.append("crosses the edge of a UTM zone: scenes of the other zone are resampled")
    missing = [key for key in WANTED if not area.properties.get(key)]
    if missing:
        facts.append(f"does not say its {', '.join(missing)}")
    return facts

"""The property table as typed columns, for the renderings that are tables: GeoPackage, GeoParquet, CSV."""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.delivery.document import SharedFile, text_of

_TYPES = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "date": pa.date32()}
GEOMETRY = "geometry"


def _typed(kind: str, values: Sequence[object]) -> pa.Array:
    """A column of a type; lists and objects are JSON text."""
    if kind == "date":
        return pa.array([None if v is None else date.fromisoformat(str(v)) for v in values], pa.date32())
    if kind in _TYPES:
        return pa.array(list(values), _TYPES[kind])
    return pa.array([None if v is None else text_of(v) for v in values], pa.string())


def columns(file: SharedFile) -> dict[str, pa.Array]:
    """Return a column for the id and for each property that is told."""
    told = {p.name: _typed(p.type, [r.properties[p.name] for r in file.records]) for p in file.fields}
    return {"id": pa.array([r.id for r in file.records], pa.string()), **told}


def outlines(file: SharedFile) -> list[BaseGeometry]:
    """Return the place of each record as multipolygon, right-hand rule, 7 decimals; empty where places are withheld."""
    told = [r.geometry for r in file.records if r.geometry is not None]
    wound = [geo.wind(shapely.transform(g, lambda p: p.round(geo.COORDINATE_DECIMALS) + 0.0)) for g in told]
    return [shapely.MultiPolygon([g]) if isinstance(g, shapely.Polygon) else g for g in wound]


def has_places(file: SharedFile) -> bool:
    """Return whether the records of a file have places; a file without records has as many as its manifest says."""
    return file.manifest.get("place") != "none" and all(r.geometry is not None for r in file.records)


def csv_rows(file: SharedFile) -> tuple[list[str], list[list[object]]]:
    """Return head and rows of a flat table, with the place as lon, lat of a point inside it and as WKT."""
    is_placed = has_places(file)
    head = ["id", *(p.name for p in file.fields), *(["lon", "lat", "wkt"] if is_placed else [])]
    plain = {"integer", "number"}
    rows: list[list[object]] = [
        [r.id, *(r.properties[p.name] if p.type in plain else text_of(r.properties[p.name]) for p in file.fields)]
        for r in file.records
    ]
    if not is_placed:
        return head, rows
    placed = []
    for row, shape in zip(rows, outlines(file), strict=True):
        inside = max(shapely.get_parts(shape).tolist(), key=lambda part: part.area).representative_point()
        point = [round(inside.x, geo.COORDINATE_DECIMALS), round(inside.y, geo.COORDINATE_DECIMALS)]
        placed.append([*row, *point, shapely.to_wkt(shape, rounding_precision=geo.COORDINATE_DECIMALS)])
    return head, placed

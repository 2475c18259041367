"""GeoParquet 1.1 of a shared file."""

import io
import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.delivery.columns import GEOMETRY, columns, has_places, outlines
from pipeline.delivery.document import SharedFile

VERSION = "1.1.0"
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def geoparquet(file: SharedFile) -> bytes:
    """Return the bytes of a GeoParquet file; plain Parquet where places are withheld.

    References
    ----------
    GeoParquet 1.1.0, https://geoparquet.org/releases/v1.1.0/
    """
    held = columns(file)
    metadata = {"overburden": json.dumps({"aoi_id": file.aoi_id, "as_of": file.as_of.isoformat(), "tier": str(file.tier),
                                          "manifest": dict(file.manifest)}, ensure_ascii=False)}  # fmt: skip
    if has_places(file):
        shapes = outlines(file)
        held[GEOMETRY] = pa.array([shapely.to_wkb(s, flavor="iso") for s in shapes], pa.binary())
        edges = [dict(zip(_EDGES, s.bounds, strict=True)) for s in shapes]
        held["bbox"] = pa.array(edges, pa.struct([(edge, pa.float64()) for edge in _EDGES]))
        metadata["geo"] = json.dumps(_geo(shapes))
    out = io.BytesIO()
    pq.write_table(pa.table(held).replace_schema_metadata(metadata), out, compression="zstd")
    return out.getvalue()


def _geo(shapes: Sequence[BaseGeometry]) -> dict[str, object]:
    """The metadata of the geometry."""
    column: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": ["MultiPolygon"],
        "crs": CRS.from_user_input("OGC:CRS84").to_json_dict(),
        "orientation": "counterclockwise",
        "covering": {"bbox": {edge: ["bbox", edge] for edge in _EDGES}},
    }
    if shapes:
        column["bbox"] = list(geo.bbox(shapes))
    return {"version": VERSION, "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}

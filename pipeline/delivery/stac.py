"""The STAC Item of an export: where and when it speaks of, and each of its files with its checksum."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, time

import pystac
import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from pipeline import __version__, geo
from pipeline.delivery.document import SharedFile

FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
PROCESSING_EXTENSION = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
_SHA2_256 = "1220"
"""What a multihash of 32 bytes of SHA-256 begins with, in hexadecimal."""
MEDIA_TYPES = {
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
    "parquet": "application/vnd.apache.parquet",
    "kml": "application/vnd.google-earth.kml+xml",
    "csv": "text/csv",
    "xml": "application/cap+xml",
}


def stac_item(id_: str, file: SharedFile, files: Mapping[str, bytes]) -> str:
    """Return the Item of an export.

    Its geometry is the box around the places as the tier is told them, nothing where it is told none.

    Parameters
    ----------
    id_ : str
    file : SharedFile
    files : mapping of str to bytes
        By name relative to the item; an asset each.

    References
    ----------
    STAC 1.1.0 with the extensions file 2.1.0 and processing 1.2.0
    """
    places = [r.geometry for r in file.records if r.geometry is not None]
    box = geo.bbox(places) if places else None
    item = pystac.Item(
        id=id_,
        geometry=None if box is None else mapping(geo.wind(_outline(box))),
        bbox=None if box is None else [round(edge, geo.COORDINATE_DECIMALS) for edge in box],
        datetime=datetime.combine(file.as_of, time(), UTC),
        properties={
            "title": f"Alerts of {file.aoi_id} as of {file.as_of.isoformat()}, tier {file.tier}",
            "processing:software": {"overburden": __version__},
            "overburden:aoi_id": file.aoi_id,
            "overburden:tier": str(file.tier),
            "overburden:alerts": len({r.id for r in file.records}),
            "overburden:is_simulated": file.is_simulated,
        },
        stac_extensions=[FILE_EXTENSION, PROCESSING_EXTENSION],
    )
    for name, data in sorted(files.items()):
        item.add_asset(name, _asset(name, data))
    return json.dumps(item.to_dict(include_self_link=False), ensure_ascii=False, indent=1) + "\n"


def _outline(box: tuple[float, float, float, float]) -> BaseGeometry:
    """A box as polygon, cut where it crosses the antimeridian."""
    west, south, east, north = box
    return geo.split_antimeridian(shapely.box(west, south, east + 360.0 if west > east else east, north))


def _asset(name: str, data: bytes) -> pystac.Asset:
    """A file."""
    kind = name.rsplit(".", 1)[-1]
    checksum = _SHA2_256 + hashlib.sha256(data).hexdigest()
    return pystac.Asset(
        f"./{name}", media_type=MEDIA_TYPES.get(kind), roles=["data"],
        extra_fields={"file:size": len(data), "file:checksum": checksum},
    )  # fmt: skip

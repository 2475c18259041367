"""Layers of ArcGIS services: paged queries in Esri's own JSON, which states its spatial reference, turned into GeoJSON.

The forms are those of the ArcGIS REST API (Query, Feature Service/Layer). An error comes with status 200 and an `error`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.errors import CadastreServiceError
from pipeline.io.cadastres.pages import Feature, Page, Retrieved, gather, with_query
from pipeline.io.web import TRANSIENT, TransientError, Web, persist, shown

_FIRST_OF_ESRI = 32768
"""Well-known ids from here on are Esri's own, below they are EPSG codes."""


_IDS_AT_ONCE = 100
"""Object ids in one address, which servers allow some 2,000 characters."""


def retrieve_feature_server(web: Web, url: str, page: int) -> Retrieved:
    """Return every feature of a layer of an ArcGIS service, in its own spatial reference.

    Parameters
    ----------
    web : Web
    url : str
        Address of the layer, which ends with its number.
    page : int
        Features asked for at once.

    Raises
    ------
    CadastreServiceError
        The service answers with an error, the layer has no polygons; also what `gather` raises.
    """
    where = f"{web.name}, {shown(url)}"
    about = _ask(web, with_query(url, f="json"))
    _require_polygons(about, where)
    own_id = _id_field(about, where)
    query = with_query(url, where="1=1", f="json")
    query = query.replace(urlsplit(url).path, urlsplit(url).path.rstrip("/") + "/query", 1)
    size = min(page, int(about.get("maxRecordCount") or page))
    everything = with_query(query, outFields="*", returnGeometry="true", orderByFields=own_id, **_own_system(about))
    is_paged = (about.get("advancedQueryCapabilities") or {}).get("supportsPagination", about.get("supportsPagination", False))
    ids = None if is_paged else _ids(web, query, where)

    def count() -> int:
        answer = _ask(web, with_query(query, returnCountOnly="true"))
        if not isinstance(answer.get("count"), int):
            raise CadastreServiceError(
                f"{where}: found {sorted(answer)}, expected a count; check that the layer can be queried"
            )
        return int(answer["count"])

    def page_at(position: int) -> Page:
        if ids is None:
            asked = with_query(everything, resultOffset=str(position), resultRecordCount=str(size))
        else:
            asked = with_query(everything, objectIds=",".join(map(str, ids[position : position + min(size, _IDS_AT_ONCE)])))
        answer = _ask(web, asked)
        features = [_feature(row, own_id, where) for row in answer.get("features", [])]
        return Page(features, _system(answer.get("spatialReference") or {}, where))

    return gather(where, _name(url), count=count, page_at=page_at)


def _own_system(about: dict[str, Any]) -> dict[str, str]:
    """The parameter that keeps coordinates in the layer's own spatial reference; none where it does not say."""
    reference = (about.get("extent") or {}).get("spatialReference") or about.get("sourceSpatialReference") or {}
    return {"outSR": str(reference["wkid"])} if "wkid" in reference else {}


def _ids(web: Web, query: str, where: str) -> list[int]:
    """All object ids of a layer that cannot be asked for by position."""
    answer = _ask(web, with_query(query, returnIdsOnly="true"))
    ids = answer.get("objectIds")
    if not isinstance(ids, list):
        raise CadastreServiceError(f"{where}: found {sorted(answer)}, expected object ids; get the file from the publisher")
    return sorted(int(own) for own in ids)


def _name(url: str) -> str:
    """Name of the service and number of the layer."""
    parts = urlsplit(url).path.rstrip("/").split("/")
    return "_".join((*parts[-3:-2], parts[-1]))


def _ask(web: Web, url: str) -> dict[str, Any]:
    """A JSON answer that is no error; errors that may pass by themselves are tried again."""

    def once() -> dict[str, Any]:
        answer: dict[str, Any] = web.json(url)
        error = answer.get("error")
        if error is None:
            return answer
        details = error if isinstance(error, dict) else {"message": error}
        if details.get("code") in TRANSIENT - {500}:
            raise TransientError(f"error {details['code']} in an answer with status 200")
        told = " ".join(str(text) for text in (details.get("message"), *(details.get("details") or [])) if text)
        raise CadastreServiceError(
            f"{web.name}, {shown(url)}: found error {details.get('code')} ({told}), expected features; check the address of "
            "the layer and whether it is open to all"
        )

    return persist(once, web.patience, f"{web.name}, {shown(url)}")


def _require_polygons(about: dict[str, Any], where: str) -> None:
    """Raise where a layer has no polygons."""
    if about.get("geometryType") != "esriGeometryPolygon":
        found = about.get("geometryType") or about.get("type") or f"an answer with {sorted(about)[:5]}"
        raise CadastreServiceError(
            f"{where}: found {found}, expected a layer of polygons; give the address of the layer of titles"
        )


def _id_field(about: dict[str, Any], where: str) -> str:
    """Name of the field of object ids."""
    fields = [field["name"] for field in about.get("fields") or [] if field.get("type") == "esriFieldTypeOID"]
    name = about.get("objectIdField") or (fields[0] if fields else None)
    if not name:
        raise CadastreServiceError(f"{where}: found a layer without object ids, expected them, to know that none is missing")
    return str(name)


def _system(reference: dict[str, Any], where: str) -> str:
    """Name of a spatial reference."""
    code = reference.get("latestWkid") or reference.get("wkid")
    if code is None and reference.get("wkt"):
        try:
            code = CRS.from_wkt(reference["wkt"]).to_epsg()
        except CRSError:
            code = None
    if code is None:
        raise CadastreServiceError(f"{where}: found the spatial reference {reference}, expected one with a code; get the file")
    return f"urn:ogc:def:crs:{'EPSG' if int(code) < _FIRST_OF_ESRI else 'ESRI'}::{code}"


def _feature(row: dict[str, Any], own_id: str, where: str) -> Feature:
    """GeoJSON of one row, attributes as served."""
    attributes = row.get("attributes") or {}
    if own_id not in attributes:
        raise CadastreServiceError(f"{where}: found a feature without {own_id}, expected it; ask for all fields")
    geometry = row.get("geometry")
    rings = None if geometry is None else geometry.get("rings")
    if geometry is not None and rings is None:
        raise CadastreServiceError(f"{where}: found a geometry with {sorted(geometry)}, expected rings; get the file")
    return {
        "type": "Feature", "id": attributes[own_id], "properties": attributes, "geometry": rings_to_geojson(rings or []),
    }  # fmt: skip


def rings_to_geojson(rings: Sequence[Sequence[Sequence[float]]]) -> dict[str, Any] | None:
    """Return the geometry of Esri's rings, None where there are none: clockwise ones are outer, the others inner rings.

    An inner ring goes to the smallest outer one that holds it; one that lies in none is kept as an outer ring, so that no
    ring is ever lost.
    """
    outer = [[ring] for ring in rings if not _is_counterclockwise(ring)]
    shapes = [shapely.make_valid(shapely.Polygon(ring)) if len(ring) > 3 else shapely.Point() for ((ring),) in outer]
    for ring in rings:
        if not _is_counterclockwise(ring):
            continue
        hole = shapely.make_valid(shapely.Polygon(ring))
        holding = [n for n, shape in enumerate(shapes) if shape.covers(hole)]
        holding = holding or [n for n, shape in enumerate(shapes) if shape.contains(hole.representative_point())]
        if holding:
            outer[min(holding, key=lambda n: shapes[n].area)].append(ring)
        else:
            outer.append([ring])
            shapes.append(shapely.Point())
    if not outer:
        return None
    return {"type": "Polygon", "coordinates": outer[0]} if len(outer) == 1 else {"type": "MultiPolygon", "coordinates": outer}


def _is_counterclockwise(ring: Sequence[Sequence[float]]) -> bool:
    """Whether a ring runs counter-clockwise, by the surveyor's formula; a ring without area does not."""
    if len(ring) < 4:
        return False
    x0, y0 = ring[0][:2]
    twice = sum((a[0] - x0) * (b[1] - y0) - (b[0] - x0) * (a[1] - y0) for a, b in pairwise(ring))
    return twice > 0

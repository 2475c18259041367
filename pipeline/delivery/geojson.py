"""GeoJSON of alerts by RFC 7946: lon/lat, right-hand rule, no `crs` member, stable bytes."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.alerts import ALERT_PROPERTIES, SCHEMA_VERSION, Alert, AlertProperty
from pipeline.delivery.document import SharedFile
from pipeline.errors import DeliveryInvalidError
from pipeline.sharing import SharedAlert

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_OPEN_LEVELS = 4
"""Document, features, feature, properties: each member has its own line; what lies deeper stays on one."""


def _is_day(value: object) -> bool:
    """Whether a value is a day of the calendar as `YYYY-MM-DD`."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_plain(value: object) -> bool:
    """Whether JSON can hold a value as it is: no NaN, no infinity, text for names."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(v) for name, v in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _fits(value: object, kind: str) -> bool:  # noqa: PLR0911 - a case for each type
    """Whether a plain JSON value is of a property's type."""
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "date":
            return _is_day(value)
        case "strings":
            return isinstance(value, list) and all(isinstance(v, str) for v in value)
        case "object":
            return isinstance(value, Mapping) and _is_plain(value)
    return isinstance(value, list) and all(isinstance(v, Mapping) and _is_plain(v) for v in value)


def _fault(found: Mapping[str, object], wanted: AlertProperty) -> str | None:
    """What is wrong with one property, or None."""
    if wanted.name not in found:
        return f"{wanted.name} is missing"
    value = found[wanted.name]
    if value is None:
        return None if wanted.nullable else f"{wanted.name} is null, expected {wanted.type}"
    if not _fits(value, wanted.type):
        return f"{wanted.name} is {value!r}, expected {wanted.type}"
    if wanted.choices and value not in wanted.choices:
        return f"{wanted.name} is {value!r}, expected one of {', '.join(wanted.choices)}"
    return None


def _outline_fault(geometry: BaseGeometry) -> str | None:
    """What is wrong with an outline, or None."""
    if geometry.geom_type not in {"Polygon", "MultiPolygon"} or geometry.is_empty:
        return f"the outline is {geometry.geom_type}{' EMPTY' * geometry.is_empty}, expected a polygon"
    left, bottom, right, top = geometry.bounds
    if not (left >= -180.0 and right <= 180.0 and bottom >= -90.0 and top <= 90.0):
        return f"the outline reaches ({left}, {bottom}, {right}, {top}), expected lon/lat degrees"
    return None if geometry.is_valid else "the outline crosses itself"


def check_alert(alert: Alert) -> None:
    """Raise unless an alert has exactly the properties of the table, of their types, and an outline in lon/lat.

    Raises
    ------
    DeliveryInvalidError
        Names every property that is missing, too many, of another type, out of its choices or NaN, and what is wrong
        with the outline.
    """
    _check(alert.id, alert.properties, ALERT_PROPERTIES, alert.geometry)


def check_record(record: SharedAlert, fields: Sequence[AlertProperty]) -> None:
    """Raise unless a shared record has exactly the properties that its tier is told, of their types, and a place in lon/lat.

    Raises
    ------
    DeliveryInvalidError
        As `check_alert`.
    """
    _check(record.id, record.properties, fields, record.geometry)


def _check(
    id_: str, properties: Mapping[str, object], fields: Sequence[AlertProperty], geometry: BaseGeometry | None
) -> None:  # fmt: skip
    """Raise where properties or an outline are not what they must be."""
    faults = [f for p in fields if (f := _fault(properties, p))]
    extra = sorted(set(properties) - {p.name for p in fields})
    faults += [f"{name} is not in the table" for name in extra]
    faults += [f for f in (_outline_fault(geometry) if geometry is not None else None,) if f]
    if faults:
        raise DeliveryInvalidError(f"alert {id_}: {'; '.join(faults)}; see docs/alert-properties.md")


def _rounded(coordinates: object) -> object:
    """Nested coordinates with 7 decimals and no negative zero."""
    if isinstance(coordinates, tuple | list):
        return [_rounded(c) for c in coordinates]
    return round(float(str(coordinates)), geo.COORDINATE_DECIMALS) + 0.0


def _geometry(outline: BaseGeometry) -> dict[str, object]:
    """An outline as RFC 7946 wants it."""
    shape = mapping(geo.wind(outline))
    return {"type": shape["type"], "coordinates": _rounded(shape["coordinates"])}


def _feature(alert: Alert) -> dict[str, object]:
    """One feature."""
    check_alert(alert)
    return {
        "type": "Feature",
        "id": alert.id,
        "geometry": _geometry(alert.geometry),
        "properties": {p.name: alert.properties[p.name] for p in ALERT_PROPERTIES},
    }


def _rank(alert: Alert) -> tuple[float, str]:
    """Highest priority first, then by site."""
    return (-float(str(alert.properties["priority"])), str(alert.properties["site_id"]))


def _lines(value: object, level: int = 0) -> str:
    """JSON with a line for each member down to the properties, and each outline on one line."""
    if level == _OPEN_LEVELS or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, dict):
        members = [f"{json.dumps(name, ensure_ascii=False)}: {_lines(v, level + 1)}" for name, v in value.items()]
    else:
        members = [_lines(v, level + 1) for v in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    pad = "\n" + " " * level
    return begin + ",".join(f"{pad} {m}" for m in members) + pad + end


def feature_collection(alerts: Sequence[Alert], *, aoi_id: str, as_of: date, manifest: Mapping[str, object]) -> str:
    """Return the GeoJSON text of alerts, most urgent first; the same alerts in any order give the same bytes.

    Parameters
    ----------
    alerts : sequence of Alert
        Outlines as `geo.to_lonlat` makes them; winding and 7 decimals are enforced here.
    aoi_id, as_of
        The area and the day for which the file speaks.
    manifest : mapping
        Plain JSON: what the file was made with. It stands in the foreign member `overburden`.

    Raises
    ------
    DeliveryInvalidError
        See `check_alert`; or two alerts have one id; or the manifest is no plain JSON.

    References
    ----------
    RFC 7946, https://www.rfc-editor.org/rfc/rfc7946
    """
    twice = [id_ for id_, count in Counter(a.id for a in alerts).items() if count > 1]
    if twice:
        raise DeliveryInvalidError(f"{aoi_id}: alert {', '.join(twice)} stands twice in one file, expected once")
    if not _is_plain(manifest):
        raise DeliveryInvalidError(f"{aoi_id}: the manifest is no plain JSON (a NaN, a date or an object): {manifest!r}")
    document = {
        "type": "FeatureCollection",
        "overburden": {
            "aoi_id": aoi_id, "as_of": as_of.isoformat(), "schema_version": SCHEMA_VERSION, "manifest": dict(manifest),
        },
        "features": [_feature(a) for a in sorted(alerts, key=_rank)],
    }  # fmt: skip
    return _lines(document) + "\n"


def spoken_again(text: str, before: date, after: date) -> str:
    """Return the text of `feature_collection` as it is for a later day on which nothing else changed.

    Raises
    ------
    DeliveryInvalidError
        It does not say that it speaks for `before`.
    """
    head, said, rest = text.partition(f'\n  "as_of": "{before.isoformat()}",')
    if not said or "features" in head:
        raise DeliveryInvalidError(f"found no as_of {before} at the head of a file, expected one that overburden wrote for it")
    return f'{head}\n  "as_of": "{after.isoformat()}",{rest}'


def sites_collection(sites: Sequence[tuple[BaseGeometry | None, Mapping[str, object]]]) -> str:
    """Return sites that are no alerts as GeoJSON text by RFC 7946, in their order; a site without outline has none.

    Parameters
    ----------
    sites : sequence of tuple
        Lon/lat (multi)polygon or None, and plain JSON properties.
    """
    features = [
        {
            "type": "Feature",
            "properties": dict(properties),
            "geometry": None if outline is None else _geometry(outline),
        }
        for outline, properties in sites
    ]
    return _lines({"type": "FeatureCollection", "features": features}) + "\n"


def shared_collection(file: SharedFile) -> str:
    """Return the GeoJSON text of what a tier is told, in the order of the records; a withheld place is null.

    Raises
    ------
    DeliveryInvalidError
        See `check_record`; or the manifest is no plain JSON.
    """
    if not _is_plain(file.manifest):
        raise DeliveryInvalidError(f"{file.aoi_id}: the manifest is no plain JSON (a NaN, a date or an object)")
    for record in file.records:
        check_record(record, file.fields)
    document = {
        "type": "FeatureCollection",
        "overburden": {
            "aoi_id": file.aoi_id, "as_of": file.as_of.isoformat(), "schema_version": SCHEMA_VERSION, "tier": str(file.tier),
            "manifest": dict(file.manifest),
        },
        "features": [
            {
                "type": "Feature",
                "id": record.id,
                "geometry": None if record.geometry is None else _geometry(record.geometry),
                "properties": {p.name: record.properties[p.name] for p in file.fields},
            }
            for record in file.records
        ],
    }  # fmt: skip
    return _lines(document) + "\n"

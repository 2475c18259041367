"""GeoJSON of alerts by RFC 7946: lon/lat, right-hand rule, no `crs` member, stable bytes."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date

from shapely.geometry import mapping

from pipeline import geo
from pipeline.alerts import ALERT_PROPERTIES, SCHEMA_VERSION, Alert, AlertProperty
from pipeline.errors import DeliveryInvalidError

_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")


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
            return isinstance(value, str) and bool(_DAY.match(value))
        case "strings":
            return isinstance(value, list) and all(isinstance(v, str) for v in value)
        case "object":
            return isinstance(value, Mapping)
    return isinstance(value, list) and all(isinstance(v, Mapping) for v in value)


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


def check_alert(alert: Alert) -> None:
    """Raise `DeliveryInvalidError` unless an alert has exactly the properties of the table, of their types, none NaN."""
    faults = [f for p in ALERT_PROPERTIES if (f := _fault(alert.properties, p))]
    extra = sorted(set(alert.properties) - {p.name for p in ALERT_PROPERTIES})
    faults += [f"{name} is not in the table" for name in extra]
    if not alert.geometry.is_valid or alert.geometry.is_empty:
        faults.append("the outline is empty or crosses itself")
    if faults:
        raise DeliveryInvalidError(f"alert {alert.id}: {'; '.join(faults)}; see docs/alert-properties.md")


def _rounded(coordinates: object) -> object:
    """Nested coordinates with 7 decimals."""
    if isinstance(coordinates, tuple | list):
        return [_rounded(c) for c in coordinates]
    return round(float(str(coordinates)), geo.COORDINATE_DECIMALS)


def _feature(alert: Alert) -> dict[str, object]:
    """One feature."""
    check_alert(alert)
    shape = mapping(geo.wind(alert.geometry))
    return {
        "type": "Feature",
        "id": alert.id,
        "geometry": {"type": shape["type"], "coordinates": _rounded(shape["coordinates"])},
        "properties": {p.name: alert.properties[p.name] for p in ALERT_PROPERTIES},
    }


def _rank(alert: Alert) -> tuple[float, str]:
    """Highest priority first, then by site."""
    return (-float(str(alert.properties["priority"])), str(alert.properties["site_id"]))


def feature_collection(alerts: Sequence[Alert], *, aoi_id: str, as_of: date, manifest: Mapping[str, object]) -> str:
    """Return the GeoJSON text of alerts, most urgent first; the same alerts always give the same bytes.

    Raises
    ------
    DeliveryInvalidError
        See `check_alert`.
    """
    document = {
        "type": "FeatureCollection",
        "overburden": {
            "aoi_id": aoi_id, "as_of": as_of.isoformat(), "schema_version": SCHEMA_VERSION, "manifest": dict(manifest),
        },
        "features": [_feature(a) for a in sorted(alerts, key=_rank)],
    }  # fmt: skip
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"

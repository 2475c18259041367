"""The contract of alert properties as JSON Schema and as documentation, from the one table in `alerts`."""

import json
from collections.abc import Collection, Mapping

from pipeline.alerts import ALERT_PROPERTIES, SCHEMA_VERSION, AlertProperty
from pipeline.sharing import ALWAYS_SHARED, Tier

_TYPES: dict[str, dict[str, object]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "date": {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    "strings": {"type": "array", "items": {"type": "string"}},
    "object": {"type": "object"},
    "objects": {"type": "array", "items": {"type": "object"}},
}

_MADE_WITH: dict[str, object] = {
    "type": "object",
    "description": "What the file speaks of and was made with.",
    "required": ["aoi_id", "as_of", "schema_version", "manifest"],
    "properties": {
        "aoi_id": {"type": "string"},
        "as_of": _TYPES["date"],
        "schema_version": {"const": SCHEMA_VERSION},
        "manifest": {"type": "object"},
    },
}


def _property_schema(entry: AlertProperty) -> dict[str, object]:
    """Schema of one property."""
    schema: dict[str, object] = {**_TYPES[entry.type], "description": entry.meaning}
    if entry.unit:
        schema["x-unit"] = entry.unit
    if entry.choices:
        schema["enum"] = list(entry.choices)
    if entry.nullable:
        return {"anyOf": [schema, {"type": "null"}], "description": entry.meaning}
    return schema


_PLACE: dict[str, object] = {
    "type": "object",
    "required": ["type", "coordinates"],
    "properties": {"type": {"enum": ["Polygon", "MultiPolygon"]}, "coordinates": {"type": "array"}},
}


def alert_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of an alert file."""
    return _collection(f"overburden alerts {SCHEMA_VERSION}", _MADE_WITH, _feature([p.name for p in ALERT_PROPERTIES], _PLACE))


def shared_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of a file that was exported for a tier: it has the properties that the tier is told."""
    known, required = _MADE_WITH["properties"], _MADE_WITH["required"]
    members = {**known, "tier": {"enum": [str(t) for t in Tier]}} if isinstance(known, Mapping) else {}
    made_with = {**_MADE_WITH, "required": [*required, "tier"] if isinstance(required, list) else [], "properties": members}
    always = [p.name for p in ALERT_PROPERTIES if p.name in ALWAYS_SHARED]
    place: dict[str, object] = {"anyOf": [_PLACE, {"type": "null"}]}
    return _collection(f"overburden shared alerts {SCHEMA_VERSION}", made_with, _feature(always, place))


def schema_text(schema: Mapping[str, object]) -> str:
    """Return a schema as the text of its published file."""
    return json.dumps(schema, ensure_ascii=False, indent=1) + "\n"


def _feature(required: Collection[str], place: Mapping[str, object]) -> dict[str, object]:
    """Schema of one feature."""
    return {
        "type": "object",
        "required": ["type", "id", "geometry", "properties"],
        "properties": {
            "type": {"const": "Feature"},
            "id": {"type": "string"},
            "geometry": place,
            "properties": {
                "type": "object",
                "required": list(required),
                "properties": {p.name: _property_schema(p) for p in ALERT_PROPERTIES},
                "additionalProperties": False,
            },
        },
    }


def _collection(title: str, made_with: Mapping[str, object], feature: Mapping[str, object]) -> dict[str, object]:
    """Schema of a file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "required": ["type", "overburden", "features"],
        "properties": {
            "type": {"const": "FeatureCollection"},
            "overburden": made_with,
            "features": {"type": "array", "items": feature},
        },
    }


def properties_markdown() -> str:
    """Return the documentation page of the alert properties."""
    lines = [
        "# Properties of an alert",
        "",
        f"Schema version {SCHEMA_VERSION}. Rendered from `ALERT_PROPERTIES` in `pipeline/alerts`, as are the JSON Schema",
        "and the writer. The feature's `id` names the alert and is the same for all revisions; id and `revision` together",
        "name one statement, whose content never changes.",
        "",
        "Files are GeoJSON by RFC 7946: lon/lat on WGS 84, exterior rings counter-clockwise, 7 decimals, no `crs` member.",
        "The member `overburden` of the collection says for which area and day the file speaks (`aoi_id`, `as_of`,",
        "`schema_version`) and with what it was made (`manifest`). Alerts stand in the order of their priority.",
        "State, titles and review verdict are three separate things; none follows from another.",
        "",
        "| property | type | unit | meaning |",
        "|---|---|---|---|",
    ]
    for p in ALERT_PROPERTIES:
        kind = p.type + (" or null" if p.nullable else "")
        choices = f" One of {', '.join(f'`{c}`' for c in p.choices)}." if p.choices else ""
        lines.append(f"| `{p.name}` | {kind} | {p.unit} | {p.meaning}{choices} |")
    return "\n".join(lines) + "\n"

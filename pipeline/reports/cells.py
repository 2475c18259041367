"""Cells for the values of an alert, by name: the one place where a stored value becomes words with units."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.alerts import ALERT_PROPERTIES, Alert
from pipeline.reports.document import Cell, Table, plain_text, stored
from pipeline.reports.words import Words

CODED: Mapping[str, str] = {
    "state": "state",
    "activity": "activity",
    "likely_cause": "likely_cause",
    "change_types": "change_types",
    "tenure_status": "tenure_status",
    "tenure_status_at_detection": "tenure_status",
    "consent_required": "value",
}
"""Properties from a closed list, and the group of their words."""
WHERE_NULL: Mapping[str, str] = {
    "confirmed_on": "value.not_yet",
    "last_clear_unchanged_on": "value.not_seen_since",
    "mining_probability": "value.not_stated",
    "reopened_on": "value.none",
    "split_from": "value.none",
    "review_verdict": "value.not_yet",
}
"""What stands for null; `not known` for all others."""
UNITS: Mapping[str, str] = {"ha": "ha", "looks": "looks", "points": "points"}
_UNIT_OF = {p.name: UNITS.get(p.unit, "") for p in ALERT_PROPERTIES}


def value_text(words: Words, name: str, value: object) -> str:
    """Return a stored value of an alert in words, with its unit and all its decimals."""
    if value is None:
        return words.say(WHERE_NULL.get(name, "value.not_known"))
    if isinstance(value, list | tuple):
        return ", ".join(value_text(words, name, v) for v in value) or words.say("value.none")
    if name in CODED:
        return words.code(CODED[name], value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        unit = _UNIT_OF.get(name, "")
        return words.quantity(unit, value) if unit else words.number(value)
    return plain_text(str(value))


def property_cell(words: Words, alert: Alert, name: str) -> Cell:
    """Return the cell of one property of an alert."""
    value = alert.properties[name]
    return stored(value_text(words, name, value), name, value)


def facts_table(words: Words, caption: str, rows: Sequence[tuple[str, Cell]], note: str = "") -> Table:
    """Return a table of two columns: what, and its value."""
    head = (words.say("head.fact"), words.say("head.value"))
    return Table(caption, head, tuple((Cell(label), cell) for label, cell in rows), note)


def hectares(words: Words, name: str, value: object) -> Cell:
    """Return a cell of hectares, or of what stands for null."""
    is_number = isinstance(value, int | float)
    text = words.quantity("ha", float(str(value))) if is_number else words.say("value.not_known")
    return stored(text, name, value)


def words_cell(words: Words, group: str, value: object, name: str = "") -> Cell:
    """Return a cell of one code."""
    return stored(words.code(group, value), name, value) if name else Cell(words.code(group, value))


def name_cell(words: Words, value: object, *, name: str = "", absent: str = "value.not_stated") -> Cell:
    """Return a cell of a name or number of a register, as it is written there."""
    text = plain_text(str(value)) if value not in {None, ""} else words.say(absent)
    return stored(text, name, value) if name else Cell(text)


def objects_of(alert: Alert, name: str) -> list[Mapping[str, Any]]:
    """Return a property that is a list of objects."""
    value = alert.properties[name]
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def strings_of(alert: Alert, name: str) -> tuple[str, ...]:
    """Return a property that is a list of texts."""
    value = alert.properties[name]
    return tuple(plain_text(str(v)) for v in value) if isinstance(value, list | tuple) else ()


def text_of(alert: Alert, name: str) -> str:
    """Return a property as text."""
    return plain_text(str(alert.properties[name]))

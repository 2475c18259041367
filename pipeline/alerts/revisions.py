"""What changed from one revision of an alert to the next, in words."""

from collections.abc import Mapping, Sequence

from pipeline.alerts.properties import ALERT_PROPERTIES, AlertProperty

Properties = Mapping[str, object]
_LISTED_APART = ("titles", "priority_terms", "cadastre")
_OF_EVERY_REVISION = ("revision", "evaluated_on", "schema_version", "disclaimer", "scenes", "evidence", "tenure_reasons",
                      "tenure_reasons_at_detection")  # fmt: skip
"""Properties that say what others say, or differ in every revision."""
_BY_NAME = {p.name: p for p in ALERT_PROPERTIES}


def change_words(before: Properties | None, now: Properties) -> list[str]:
    """Return what a revision says otherwise than the one before, most of them as `name: old → new unit`.

    Examples
    --------
    >>> change_words({"state": "provisional", "area_ha": 1.0}, {"state": "confirmed", "area_ha": 1.5})
    ['state: provisional → confirmed', 'area_ha: 1.00 → 1.50 ha']
    """
    if before is None:
        return ["first said"]
    words = [
        f"{name}: {value_words(p, before.get(name))} → {value_words(p, now.get(name))}{_unit(p)}"
        for name, p in _BY_NAME.items()
        if name not in {*_LISTED_APART, *_OF_EVERY_REVISION} and before.get(name) != now.get(name)
    ]
    words += _title_words(before, now)
    old, new = (_snapshots(properties) for properties in (before, now))
    if old != new:
        words.append(f"cadastre: {', '.join(old) or 'none'} → {', '.join(new) or 'none'}")
    return words or ["only reasons, scenes or the day changed"]


def _unit(known: AlertProperty) -> str:
    """The unit after a number."""
    return f" {known.unit}" if known.unit not in {"", "1"} else ""


def value_words(known: AlertProperty, value: object) -> str:
    """Return a property's value in words, without its unit."""
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _text(value)
    return f"{value:.2f}" if known.type == "number" else str(value)


def _text(value: object) -> str:
    """A value that is no number."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(held)}" for name, held in value.items() if held not in (None, "", [])) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(_text(held) for held in value) or "none"
    return str(value)


def _title_words(before: Properties, now: Properties) -> list[str]:
    """Titles that newly touch the site, no longer do, or say something else."""
    old, new = (_findings(properties) for properties in (before, now))
    words = [f"title {title}: newly touches the site, {new[title]}" for title in new if title not in old]
    words += [f"title {title}: no longer touches the site, was {old[title]}" for title in old if title not in new]
    return words + [f"title {title}: {old[title]} → {new[title]}" for title in new if title in old and old[title] != new[title]]


def _objects(properties: Properties, name: str) -> Sequence[Mapping[str, object]]:
    """A property that is a list of objects."""
    value = properties.get(name)
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list | tuple) else []


def _findings(properties: Properties) -> dict[str, str]:
    """What each title says, by its id."""
    return {str(title.get("id")): str(title.get("finding")) for title in _objects(properties, "titles")}


def _snapshots(properties: Properties) -> list[str]:
    """The snapshots that were read."""
    return [f"{s.get('name')} of {s.get('retrieved_on') or 'a day not stated'}" for s in _objects(properties, "cadastre")]

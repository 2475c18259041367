"""When an alert says something new, and what its end says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pipeline.alerts.describe import AlertContext, detection
from pipeline.alerts.properties import ALERT_PROPERTIES, Alert, revision_of
from pipeline.sites import PixelTable, Site, within


@dataclass(frozen=True, slots=True)
class AlertRules:
    """When an alert says something new."""

    growth_ha: float = 0.3
    growth_share: float = 0.1


MATERIAL = ("state", "activity", "likely_cause", "tenure_status", "consent_required", "merged_from", "split_from")
"""Properties whose change is news by itself."""
SIZES = ("area_ha", "clearing_ha", "tailings_ha", "pond_ha")
"""Hectares whose change is news where it is large for the site: ground added, or a pond dug where spoil was."""
TITLE_SHARE = 0.05
"""A title over less than this share of the site can neither cover it nor leave it uncovered (`TenureRules.covered_share`)."""


def _differs(told: Mapping[str, object], now: Mapping[str, object], rules: AlertRules) -> bool:
    """Whether properties differ enough to be news, as far as `now` has them."""
    if any(name in now and told[name] != now[name] for name in MATERIAL):
        return True
    if "titles" in now and _titles_that_count(told) != _titles_that_count(now):
        return True
    before, after = ({name: float(str(facts[name])) for name in SIZES} for facts in (told, now))
    least = max(rules.growth_ha, rules.growth_share * before["area_ha"])
    return any(abs(after[name] - before[name]) >= least - 1e-9 for name in SIZES)


def _titles_that_count(properties: Mapping[str, object]) -> set[tuple[object, object]]:
    """Titles over more than a twentieth of the site, with what they say: what covers the rest decides nothing."""
    titles, least = properties["titles"], TITLE_SHARE * float(str(properties["area_ha"]))
    if not isinstance(titles, list):
        raise TypeError(f"found titles {titles!r}, expected a list")
    return {(title["id"], title["finding"]) for title in titles if title["overlap_ha"] > least}


def is_material(told: Alert, now: Alert, rules: AlertRules) -> bool:
    """Return whether what is to be said differs enough from what was told to be a new revision."""
    return _differs(told.properties, now.properties, rules)


def is_material_ground(told: Alert, site: Site, pixels: PixelTable, context: AlertContext, rules: AlertRules) -> bool:
    """Return whether the ground alone says something new, titles aside; cheaper than to describe the alert.

    Hectares are the told ones in proportion to pixels, which differ from geodesic ones by the scale of the grid alone.
    """
    own = pixels.take(within(site.keys, pixels.key))
    hectares = float(str(told.properties["area_ha"])) * len(site.keys) / max(_pixels_told(told, site), 1)
    ground = {
        **detection(site, own, context, hectares, told),
        "merged_from": list(site.merged_from),
        "split_from": site.split_from,
    }
    return _differs(told.properties, ground, rules)


def _pixels_told(told: Alert, site: Site) -> int:
    """Pixels that the site had on the day for which it was told."""
    day = date.fromisoformat(str(told.properties["evaluated_on"]))
    return next((count for when, count in reversed(site.growth) if when <= day), len(site.keys))


def restate(told: Alert, day: date, *, state: str) -> Alert:
    """Return the next revision of an alert that ends: the same facts, another state."""
    properties = {**told.properties, "state": state, "revision": revision_of(told) + 1, "evaluated_on": day.isoformat()}
    return Alert(told.id, told.geometry, {p.name: properties[p.name] for p in ALERT_PROPERTIES})

"""From a site and its changed pixels to what is said of it on a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.alerts.properties import (
    ALERT_PROPERTIES,
    DISCLAIMER,
    FOR_AGENCIES,
    SCHEMA_VERSION,
    Activity,
    Alert,
    AlertState,
    revision_of,
)
from pipeline.monitor import PixelCode, day_of
from pipeline.priority import PriorityWeights, score
from pipeline.provenance import derive_id
from pipeline.sites import PixelTable, Site, SiteModel, likely_cause, mining_probability, outline, site_features, within
from pipeline.sites.likeness import change_hectares
from pipeline.sites.pixels import PIXEL_HA
from pipeline.tenure import Law, Sites, TenureFinding, TenureRules, TitleFinding, assess_many, land_properties_many


@dataclass(frozen=True)
class AlertContext:
    """What alerts of one area are made with."""

    aoi_id: str
    crs: str
    """EPSG text of the grid."""
    model: SiteModel
    model_id: str
    law: Law
    tenure_rules: TenureRules
    weights: PriorityWeights
    scenes_on: Mapping[date, tuple[str, ...]]
    """Ids of the scenes of each solar day."""
    dormant_days: int = 90
    has_evidence: bool = True
    is_simulated: bool = False
    is_known_landscape: bool = True
    """Whether the model was made for the landscape of the area; where not, no change is named mining."""


FINISHED_SHARE = 0.8
"""Share of a site's pixels that look like their past again from which the site is finished."""
CHANGE_TYPE_HA = 0.05
"""Smallest part of a site that is named as a kind of change."""


def alert_id_of(aoi_id: str, site_id: str) -> str:
    """Return the id of the alert about a site, the same for all its revisions."""
    return derive_id("alert", aoi_id, site_id)


def evidence_of(alert_id: str, revision: int) -> str:
    """Return where the evidence bundle of a revision lies, relative to the alerts file."""
    return f"evidence/{alert_id}-r{revision}.zip"


def _activity(site: Site, pixels: PixelTable, dormant_days: int, told: Alert | None) -> Activity:
    """Whether the ground still changes, by the looks at it; work that starts again is as new as ground that is added."""
    if (pixels.code == PixelCode.FINISHED).mean() >= FINISHED_SHARE:
        return Activity.FINISHED
    if told is not None and told.properties["activity"] == Activity.FINISHED:
        return Activity.ACTIVE
    again = told.properties["reopened_on"] if told is not None else None
    worked_on = max(site.grown_on, date.fromisoformat(again)) if isinstance(again, str) else site.grown_on
    last = day_of(int(pixels.last_changed_on.max()))
    return Activity.DORMANT if last and (last - worked_on).days >= dormant_days else Activity.ACTIVE


def _growth_30d_ha(site: Site, last: date) -> float:
    """Hectares added in the 30 days before the last look."""
    before = [count for day, count in site.growth if (last - day).days >= 30]
    return max(0.0, (len(site.keys) - (before[-1] if before else 0)) * PIXEL_HA)


def _expansion_ha(site: Site, ha_per_pixel: float) -> float:
    """Hectares added after the day of confirmation."""
    if site.confirmed_on is None:
        return 0.0
    then = [count for day, count in site.growth if day <= site.confirmed_on]
    return max(0, len(site.keys) - (then[-1] if then else len(site.keys))) * ha_per_pixel


def _reopened_on(told: Alert | None, activity: object, day: date) -> object:
    """The day on which a finished site was found changed again, as told before unless it is now."""
    if told is None:
        return None
    is_again = told.properties["activity"] == Activity.FINISHED and activity != Activity.FINISHED
    return day.isoformat() if is_again else told.properties.get("reopened_on")


def _state(site: Site, activity: Activity) -> AlertState:
    """Detection state of a site."""
    if not site.is_confirmed:
        return AlertState.PROVISIONAL
    return AlertState.CLOSED if activity is Activity.FINISHED else AlertState.CONFIRMED


def _told_probability(site: Site, probability: float | None, model: SiteModel) -> float | None:
    """The probability that the likely cause rests on: what is not confirmed is an alert only where it is clearly mining."""
    is_weak = probability is not None and not site.is_confirmed and probability < model.named_from
    return 0.0 if is_weak else probability


def detection(
    site: Site, pixels: PixelTable, context: AlertContext, outline_ha: float, told: Alert | None
) -> dict[str, object]:
    """Return the properties that the pixels alone give; what was told last says whether work starts again."""
    activity = _activity(site, pixels, context.dormant_days, told)
    features = site_features(pixels)
    probability: float | None
    probability, words = mining_probability(features, context.model)
    if not context.is_known_landscape:
        probability, words = None, ["the model does not know this landscape"]
    # pixel hectares are grid hectares; the kinds share the geodesic area of the outline
    kinds = change_hectares(pixels)
    scale = outline_ha / max(sum(kinds.values()), 1e-9)
    hectares = {name: round(ha * scale, 4) for name, ha in kinds.items()}
    hectares["expansion_ha"] = round(_expansion_ha(site, outline_ha / max(len(site.keys), 1)), 4)
    last = day_of(int(pixels.last_changed_on.max())) or site.first_detected_on
    shown = [d for d in (site.first_detected_on, site.confirmed_on, last) if d is not None]
    return {
        "state": str(_state(site, activity)),
        "activity": str(activity),
        "likely_cause": likely_cause(features, _told_probability(site, probability, context.model), context.model),
        "change_types": [n.removesuffix("_ha") for n, ha in hectares.items() if ha >= CHANGE_TYPE_HA],
        **hectares,
        "area_ha": round(outline_ha, 4),
        "growth_30d_ha": round(_growth_30d_ha(site, last), 4),
        "mining_probability": None if probability is None else round(probability, 3),
        "mining_terms": words,
        "first_detected_on": site.first_detected_on.isoformat(),
        "confirmed_on": site.confirmed_on.isoformat() if site.confirmed_on else None,
        "last_detected_on": last.isoformat(),
        "last_clear_unchanged_on": site.last_unchanged_on.isoformat() if site.last_unchanged_on else None,
        "clear_observations": int(np.median(pixels.clear_looks)),
        "scenes": sorted({s for d in shown for s in context.scenes_on.get(d, ())}),
    }


def tenure(
    geometries: Sequence[BaseGeometry], firsts: Sequence[date], day: date, context: AlertContext
) -> list[dict[str, object]]:
    """Return the properties that the titles give of each site, on the day of the report and on that of its detection.

    Both are asked of the law as it is known on the day of the report.
    """
    law, rules = context.law, context.tenure_rules
    ground = Sites.of(geometries)
    now = assess_many(ground, law.titles, snapshots=law.snapshots, on=day, rules=rules)
    then: dict[int, TenureFinding] = {}
    for first in set(firsts):
        rows = [row for row, on in enumerate(firsts) if on == first]
        found = assess_many(ground.take(rows), law.titles, snapshots=law.snapshots, on=first, rules=rules)
        then |= dict(zip(rows, found, strict=True))
    land = land_properties_many(ground, law, on=day, rules=rules)
    return [_tenure_of(found, then[row], beside) for row, (found, beside) in enumerate(zip(now, land, strict=True))]


def _tenure_of(now: TenureFinding, then: TenureFinding, land: Mapping[str, object]) -> dict[str, object]:
    """The properties of one site."""
    return {
        **now.properties(),
        "titles": _titles_on_both_days(now, then),
        "tenure_status_at_detection": str(then.status),
        "tenure_reasons_at_detection": list(then.reasons),
        "uncovered_ha_at_detection": then.uncovered_ha,
        **land,
    }


def _titles_on_both_days(now: TenureFinding, then: TenureFinding) -> list[dict[str, object]]:
    """Titles that touch the site, each with what it says on the day of the report and on that of detection."""
    at_detection = {id(told.title): told for told in then.titles}  # two titles may say the very same
    told = [{**t.as_object(), "finding_at_detection": _finding_of(at_detection.pop(id(t.title), None))} for t in now.titles]
    gone = [{**t.as_object(), "finding": None, "finding_at_detection": str(t.finding)} for t in at_detection.values()]
    return [*told, *gone]


def _finding_of(told: TitleFinding | None) -> str | None:
    """What a title said, None where it did not lie near enough to say anything."""
    return None if told is None else str(told.finding)


def describe(site: Site, pixels: PixelTable, day: date, context: AlertContext, told: Alert | None) -> Alert:
    """Return what is to be said of a site on a day, as the revision after the one that was told.

    Parameters
    ----------
    site : Site
    pixels : PixelTable
        Changed pixels of the area, the site's among them.
    day : date
        Day for which it is said.
    context : AlertContext
    told : Alert or None
        What was said last.
    """
    return describe_many([site], pixels, day, context, [told])[0]


def describe_many(
    sites: Sequence[Site], pixels: PixelTable, day: date, context: AlertContext, told: Sequence[Alert | None]
) -> list[Alert]:
    """Return what `describe` says of each of many sites; all are laid over the titles at once."""
    geometries = [geo.to_lonlat(outline(site.keys), context.crs) for site in sites]
    law = tenure(geometries, [site.first_detected_on for site in sites], day, context)
    said = zip(sites, geometries, law, told, strict=True)
    return [_described((site, pixels, geometry), day, context, before, titles) for site, geometry, titles, before in said]


def _described(
    ground: tuple[Site, PixelTable, BaseGeometry], day: date, context: AlertContext, told: Alert | None,
    titles: Mapping[str, object],
) -> Alert:  # fmt: skip
    """What is to be said of a site with an outline, from its titles."""
    site, pixels, geometry = ground
    own = pixels.take(within(site.keys, pixels.key))
    id_ = alert_id_of(context.aoi_id, site.id)
    facts: dict[str, object] = {
        "site_id": site.id,
        "revision": revision_of(told) + 1,
        "schema_version": SCHEMA_VERSION,
        "aoi_id": context.aoi_id,
        **detection(site, own, context, geo.geodesic_area_ha(geometry), told),
        "model_id": context.model_id,
        **titles,
        "evaluated_on": day.isoformat(),
        "evidence": None,
        "review_verdict": None,
        "merged_from": list(site.merged_from),
        "split_from": site.split_from,
        "is_simulated": "yes" if context.is_simulated else "no",
        "disclaimer": DISCLAIMER,
    }
    facts["reopened_on"] = _reopened_on(told, facts["activity"], day)
    if context.has_evidence and facts["likely_cause"] in FOR_AGENCIES:
        facts["evidence"] = evidence_of(id_, revision_of(told) + 1)
    facts["priority_version"] = context.weights.version
    facts["priority"], facts["priority_terms"] = score(facts, context.weights)
    return Alert(id_, geometry, {p.name: facts[p.name] for p in ALERT_PROPERTIES})

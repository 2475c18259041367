"""Alerts: what is said about a site on a date, as one flat record with units in its names.

`ALERT_PROPERTIES` is the contract: the JSON Schema, the documentation and the writer are rendered from it. An alert
has three axes that nothing multiplies: detection state, tenure finding and review verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

import numpy as np
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.monitor import PixelCode, day_of
from pipeline.priority import score
from pipeline.provenance import derive_id
from pipeline.sites import PixelTable, Site, SiteModel, likely_cause, mining_probability, outline, site_features, within
from pipeline.sites.likeness import change_hectares
from pipeline.sites.pixels import PIXEL_HA
from pipeline.tenure import AreaIndex, Snapshot, TenureRules, TenureStatus, TitleIndex, assess, protected_overlaps

SCHEMA_VERSION = "1.1"
SINCE_1_0: Mapping[str, object] = {"expansion_ha": 0.0, "reopened_on": None}
"""Properties that version 1.0 lacked, with what stands for them in alerts that were told by it."""

DISCLAIMER = (
    "Activity seen from space, compared with a dated snapshot of a cadastre. It is not a finding about legality: "
    "titles may be missing from the snapshot, outlines are approximate, and only an authority decides."
)


class AlertState(StrEnum):
    """How sure the observations are that the ground changed."""

    PROVISIONAL = "provisional"
    """Changed with enough probability to tell, not yet enough to send anybody."""
    CONFIRMED = "confirmed"
    """Changed on two or more clear looks of different days, by two independent signs."""
    CLOSED = "closed"
    """Was confirmed; later clear looks show the ground as it was before, or an operator closed it."""
    WITHDRAWN = "withdrawn"
    """Was provisional; later clear looks show that nothing changed."""


class Activity(StrEnum):
    """Whether the ground still changes, by clear looks only: what was not seen is not dormant."""

    ACTIVE = "active"
    DORMANT = "dormant"
    FINISHED = "finished"


class LikelyCause(StrEnum):
    """What the change looks like."""

    MINING = "mining"
    OTHER_CLEARING = "other_clearing"
    BURN = "burn"
    WATER = "water"
    UNCLEAR = "unclear"


PropertyType = Literal["string", "integer", "number", "date", "strings", "object", "objects"]


@dataclass(frozen=True, slots=True)
class AlertProperty:
    """One property of an alert."""

    name: str
    type: PropertyType
    """`strings` and `objects` are lists; `object` maps names to plain values."""
    unit: str
    """Unit of a number, or empty."""
    meaning: str
    """One sentence for the reader of the file."""
    nullable: bool = False
    choices: tuple[str, ...] = ()


_P = AlertProperty
ALERT_PROPERTIES: tuple[AlertProperty, ...] = (
    _P("site_id", "string", "", "Identity of the ground object; it stays the same while the site grows."),
    _P("revision", "integer", "", "Counts what was said about this site: 1 at first, one more with each material change."),
    _P("schema_version", "string", "", "Version of this table."),
    _P("aoi_id", "string", "", "Area of interest that was watched."),
    _P("state", "string", "", "How sure the observations are.", choices=tuple(AlertState)),
    _P("activity", "string", "", "Whether the ground still changes, by clear looks only.", choices=tuple(Activity)),
    _P("likely_cause", "string", "", "What the change looks like.", choices=tuple(LikelyCause)),
    _P("change_types", "strings", "", "Kinds of change on at least 0.05 ha: clearing, tailings, pond, expansion."),
    _P("clearing_ha", "number", "ha", "Ground that lost its vegetation and is neither bare spoil nor water."),
    _P("tailings_ha", "number", "ha", "Ground that became bare spoil or tailings."),
    _P("pond_ha", "number", "ha", "Ground that became open water, clear or turbid."),
    _P("expansion_ha", "number", "ha", "Of all that, ground added after the site was confirmed."),
    _P("area_ha", "number", "ha", "Geodesic area of the outline."),
    _P("growth_30d_ha", "number", "ha", "Area added in the 30 days before the last clear look.", nullable=True),
    _P(
        "mining_probability",
        "number",
        "1",
        "Calibrated probability that the change is mining; see the model card. Null "
        "where the model does not know the landscape.",
        nullable=True,
    ),
    _P("mining_terms", "strings", "", "The strongest terms of that probability, in words."),
    _P("model_id", "string", "", "Name, version and digest of the model."),
    _P("first_detected_on", "date", "", "First clear look that showed the change on a quarter of the first ground."),
    _P("confirmed_on", "date", "", "Clear look that confirmed it.", nullable=True),
    _P("last_detected_on", "date", "", "Last clear look that showed the change."),
    _P("reopened_on", "date", "", "Day on which ground that was finished had changed again, the last such day.", nullable=True),
    _P(
        "last_clear_unchanged_on",
        "date",
        "",
        "Last clear look that still showed the ground unchanged: the change began between this day and first_detected_on. "
        "Null where no look since monitoring began did: it began after the reference and by first_detected_on.",
        nullable=True,
    ),
    _P("clear_observations", "integer", "looks", "Median number of clear looks per pixel since monitoring began."),
    _P(
        "tenure_status",
        "string",
        "",
        "Relation to the titles of the cadastre snapshot on evaluated_on.",
        choices=tuple(TenureStatus),
    ),
    _P("tenure_status_at_detection", "string", "", "The same on first_detected_on.", choices=tuple(TenureStatus)),
    _P("tenure_reasons", "strings", "", "Why, in words, one per title that touches the site or per missing fact."),
    _P(
        "titles",
        "objects",
        "",
        "Titles that touch the site: id, holder, kind, status, valid_from, valid_to, overlap_ha, finding.",
    ),
    _P("uncovered_ha", "number", "ha", "Area without a title that allows extraction on that day.", nullable=True),
    _P("cadastre", "objects", "", "Snapshots that were read: name, retrieved_on, sha256, title_count."),
    _P("protected_areas", "objects", "", "Protected areas and Indigenous territories that overlap: name, kind, overlap_ha."),
    _P("priority", "number", "points", "Sum of the priority terms; orders the work, says nothing about guilt."),
    _P("priority_terms", "object", "points", "The terms of the priority by name."),
    _P("evaluated_on", "date", "", "Day for which this revision speaks."),
    _P("scenes", "strings", "", "Scenes that showed the change, first and last ones."),
    _P("evidence", "string", "", "Folder with pictures, series and hashes, relative to this file.", nullable=True),
    _P("review_verdict", "string", "", "Verdict of a human reviewer.", nullable=True),
    _P("merged_from", "strings", "", "Sites that became part of this one."),
    _P("split_from", "string", "", "Site that this one was part of.", nullable=True),
    _P("is_simulated", "string", "", "`yes` where the pixels are simulated, else `no`.", choices=("yes", "no")),
    _P("disclaimer", "string", "", "What this record does not say."),
)


@dataclass(frozen=True, slots=True)
class Alert:
    """What is said about one site on one day."""

    id: str
    """Feature id: derived from site and revision."""
    geometry: BaseGeometry
    """Outline, lon/lat (multi)polygon, right-hand rule."""
    properties: Mapping[str, object]
    """One value for each name of `ALERT_PROPERTIES`, in that order."""


@dataclass(frozen=True, slots=True)
class AlertRules:
    """When an alert says something new."""

    growth_ha: float = 0.3
    growth_share: float = 0.1


@dataclass(frozen=True)
class AlertContext:
    """What alerts of one area are made with."""

    aoi_id: str
    crs: str
    """EPSG text of the grid."""
    model: SiteModel
    model_id: str
    titles: TitleIndex
    snapshots: tuple[Snapshot, ...]
    protected: AreaIndex
    tenure_rules: TenureRules
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


FOR_AGENCIES = (LikelyCause.MINING, LikelyCause.UNCLEAR)
"""Likely causes that go into the alerts file."""


def alert_id_of(aoi_id: str, site_id: str) -> str:
    """Return the id of the alert about a site, the same for all its revisions."""
    return derive_id("alert", aoi_id, site_id)


def _activity(site: Site, pixels: PixelTable, dormant_days: int) -> Activity:
    """Whether the ground still changes, by the looks at it."""
    if (pixels.code == PixelCode.FINISHED).mean() >= FINISHED_SHARE:
        return Activity.FINISHED
    last = day_of(int(pixels.last_changed_on.max()))
    return Activity.DORMANT if last and (last - site.grown_on).days >= dormant_days else Activity.ACTIVE


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


def _detection(site: Site, pixels: PixelTable, context: AlertContext, outline_ha: float) -> dict[str, object]:
    """Properties that the pixels alone give."""
    activity = _activity(site, pixels, context.dormant_days)
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


def _tenure(geometry: BaseGeometry, first: date, day: date, context: AlertContext) -> dict[str, object]:
    """Properties that the titles give, on the day of the report and on that of detection."""
    now, then = (
        assess(geometry, context.titles, snapshots=context.snapshots, on=on, rules=context.tenure_rules) for on in (day, first)
    )
    return {
        **now.properties(),
        "tenure_status_at_detection": str(then.status),
        "protected_areas": protected_overlaps(geometry, context.protected),
    }


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
    own = pixels.take(within(site.keys, pixels.key))
    geometry = geo.to_lonlat(outline(site.keys), context.crs)
    id_ = alert_id_of(context.aoi_id, site.id)
    facts: dict[str, object] = {
        "site_id": site.id,
        "revision": _revision(told) + 1,
        "schema_version": SCHEMA_VERSION,
        "aoi_id": context.aoi_id,
        **_detection(site, own, context, geo.geodesic_area_ha(geometry)),
        "model_id": context.model_id,
        **_tenure(geometry, site.first_detected_on, day, context),
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
        facts["evidence"] = f"evidence/{id_}"
    facts["priority"], facts["priority_terms"] = score(facts)
    return Alert(id_, geometry, {p.name: facts[p.name] for p in ALERT_PROPERTIES})


def _revision(alert: Alert | None) -> int:
    """Revision of an alert; 0 where nothing was said."""
    revision = alert.properties["revision"] if alert is not None else 0
    if not isinstance(revision, int):
        raise TypeError(f"found revision {revision!r}, expected an integer")
    return revision


MATERIAL = ("state", "activity", "likely_cause", "tenure_status", "merged_from", "split_from")
"""Properties whose change is news by itself."""
SIZES = ("area_ha", "clearing_ha", "tailings_ha", "pond_ha")
"""Hectares whose change is news where it is large for the site: ground added, or a pond dug where spoil was."""


def _differs(told: Mapping[str, object], now: Mapping[str, object], rules: AlertRules) -> bool:
    """Whether properties differ enough to be news, as far as `now` has them."""
    if any(name in now and told[name] != now[name] for name in MATERIAL):
        return True
    before, after = ({name: float(str(facts[name])) for name in SIZES} for facts in (told, now))
    least = max(rules.growth_ha, rules.growth_share * before["area_ha"])
    return any(abs(after[name] - before[name]) >= least - 1e-9 for name in SIZES)


def is_material(told: Alert, now: Alert, rules: AlertRules) -> bool:
    """Return whether what is to be said differs enough from what was told to be a new revision."""
    return _differs(told.properties, now.properties, rules)


def is_material_ground(told: Alert, site: Site, pixels: PixelTable, context: AlertContext, rules: AlertRules) -> bool:
    """Return whether the ground alone says something new, titles aside; cheaper than to describe the alert.

    Hectares are the told ones in proportion to pixels, which differ from geodesic ones by the scale of the grid alone.
    """
    own = pixels.take(within(site.keys, pixels.key))
    hectares = float(str(told.properties["area_ha"])) * len(site.keys) / max(_pixels_told(told, site), 1)
    ground = {**_detection(site, own, context, hectares), "merged_from": list(site.merged_from), "split_from": site.split_from}
    return _differs(told.properties, ground, rules)


def _pixels_told(told: Alert, site: Site) -> int:
    """Pixels that the site had on the day for which it was told."""
    day = date.fromisoformat(str(told.properties["evaluated_on"]))
    return next((count for when, count in reversed(site.growth) if when <= day), len(site.keys))


def restate(told: Alert, day: date, *, state: str) -> Alert:
    """Return the next revision of an alert that ends: the same facts, another state."""
    properties = {**told.properties, "state": state, "revision": _revision(told) + 1, "evaluated_on": day.isoformat()}
    return Alert(told.id, told.geometry, {p.name: properties[p.name] for p in ALERT_PROPERTIES})


def is_open(alert: Alert) -> bool:
    """Return whether an alert is open: provisional or confirmed."""
    return alert.properties["state"] in {AlertState.PROVISIONAL, AlertState.CONFIRMED}


def is_for_agencies(alert: Alert) -> bool:
    """Return whether an alert goes into the alerts file (mining or unclear) rather than the disturbances beside it."""
    return alert.properties["likely_cause"] in FOR_AGENCIES

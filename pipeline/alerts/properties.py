"""The table of alert properties, and the record that has one value for each of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from shapely.geometry.base import BaseGeometry

from pipeline.tenure import TenureStatus

SCHEMA_VERSION = "1.2"
SINCE_1_0: Mapping[str, object] = {
    "expansion_ha": 0.0,
    "reopened_on": None,
    "tenure_reasons_at_detection": [],
    "uncovered_ha_at_detection": None,
    "restrictions": [],
    "priority_version": "1",
}
"""Properties that earlier versions lacked, with what stands for them in alerts that were told by them."""

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
    _P("tenure_reasons_at_detection", "strings", "", "The same for tenure_status_at_detection."),
    _P(
        "titles",
        "objects",
        "",
        "Titles that touch the site: id, holder, kind, status, valid_from, valid_to, overlap_ha, finding on evaluated_on, "
        "finding_at_detection.",
    ),
    _P("uncovered_ha", "number", "ha", "Area without a title that allows extraction on that day.", nullable=True),
    _P("uncovered_ha_at_detection", "number", "ha", "The same on first_detected_on.", nullable=True),
    _P("cadastre", "objects", "", "Snapshots that were read: name, register, retrieved_on, sha256, title_count, lacks."),
    _P(
        "protected_areas",
        "objects",
        "",
        "Protected areas and Indigenous territories that overlap: name, kind, overlap_ha, consent_required.",
    ),
    _P(
        "restrictions",
        "objects",
        "",
        "Ground closed to mining that overlaps, whatever the titles say: kind, name, overlap_ha, width_m, provision.",
    ),
    _P(
        "consent_required",
        "string",
        "",
        "`yes` where the site touches an Indigenous territory: its place is shared only with consent on record.",
        choices=("yes", "no"),
    ),
    _P("priority", "number", "points", "Sum of the priority terms; orders the work, says nothing about guilt."),
    _P("priority_terms", "object", "points", "The terms of the priority by name."),
    _P("priority_version", "string", "", "Version of the file of their weights."),
    _P("evaluated_on", "date", "", "Day for which this revision speaks."),
    _P("scenes", "strings", "", "Scenes that showed the change, first and last ones."),
    _P(
        "evidence",
        "string",
        "",
        "Signed bundle with pictures, series, titles and hashes, a zip, relative to this file.",
        nullable=True,
    ),
    _P(
        "review_verdict",
        "string",
        "",
        "What people said of a revision, such as `rejected (river_bar, revision 3)`: accepted, rejected, inconclusive, "
        "awaiting_second or disputed, with reasons and revision; `outdated: ` before it where this revision is another one.",
        nullable=True,
    ),
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


FOR_AGENCIES = (LikelyCause.MINING, LikelyCause.UNCLEAR)
"""Likely causes that go into the alerts file."""


def revision_of(alert: Alert | None) -> int:
    """Return the revision of an alert; 0 where nothing was said."""
    revision = alert.properties["revision"] if alert is not None else 0
    if not isinstance(revision, int):
        raise TypeError(f"found revision {revision!r}, expected an integer")
    return revision


def is_open(alert: Alert) -> bool:
    """Return whether an alert is open: provisional or confirmed."""
    return alert.properties["state"] in {AlertState.PROVISIONAL, AlertState.CONFIRMED}


def is_for_agencies(alert: Alert) -> bool:
    """Return whether an alert goes into the alerts file (mining or unclear) rather than the disturbances beside it."""
    return alert.properties["likely_cause"] in FOR_AGENCIES

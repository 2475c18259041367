"""From alerts to what a tier may know of them.

A record of a lower tier is made from the record of the tier above it, so that whoever holds both knows no more than the
higher one tells: numbers are rounded again, cells lie in cells.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from shapely.geometry.base import BaseGeometry

from pipeline.alerts import ALERT_PROPERTIES, Alert, AlertState
from pipeline.errors import SharingPolicyError
from pipeline.sharing.cells import cell_of, point_in
from pipeline.sharing.policy import KNOWN, Dates, Place, Policy, Tier, TierRules

LEAST_KEY_BYTES = 32
COARSE_MEMBERS: Mapping[str, tuple[str, ...]] = {"cadastre": ("register", "retrieved_on")}
"""Members of lists that pass where the place is coarse: names and digests of files do not."""


class HeldBack(StrEnum):
    """Why an alert is left out of a tier."""

    CONSENT = "consent_not_recorded"
    """It touches an Indigenous territory and no consent is on record for the tier."""
    COMMUNITY = "community_report"
    """It, or a site that became part of it, comes from a community's report and no consent is on record."""
    DELAY = "delay"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class SharingFacts:
    """What sharing rests on besides the alerts and the policy."""

    on: date
    """Day on which it is shared."""
    key: bytes
    """Secret of the operator from which ids of coarse tiers are made; 32 bytes or more. Another key gives other ids."""
    consents: frozenset[str] = frozenset()
    """Sites for which consent to this tier is on record."""
    reported: frozenset[str] = frozenset()
    """Sites that come from reports of communities."""
    flagged: frozenset[str] = frozenset()
    """Sites that ever needed consent, whatever the revision at hand says."""
    first_outlines: Mapping[str, BaseGeometry] = field(default_factory=dict)
    """Outline that was told first, by site: its cell stands for the site, so that growth over an edge tells nothing."""


@dataclass(frozen=True, slots=True)
class SharedAlert:
    """What a tier knows of one alert."""

    id: str
    tier: Tier
    geometry: BaseGeometry | None
    """The outline, a cell of the grid, or nothing."""
    properties: Mapping[str, object]
    """One value for each property that the tier is told, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """What is shared, and how much is held back and why."""

    records: tuple[SharedAlert, ...]
    held_back: Mapping[HeldBack, int]
    sites: Mapping[str, str]
    """The operator's own site id by that of the record; never to be handed on."""


def pseudonym(key: bytes, tier: Tier, kind: str, id_: str) -> str:
    """Return the id that stands for a site or alert in a coarse tier: stable, and of no use without the key.

    The project's own ids are digests of area, day and pixel, so that trying all pixels finds the place. Each tier has its
    own ids, so that a file of one does not lead into a file of another.
    """
    if len(key) < LEAST_KEY_BYTES:
        raise SharingPolicyError(f"found a sharing key of {len(key)} bytes, expected {LEAST_KEY_BYTES} or more; make another")
    text = f"overburden/{tier}/{kind}/{id_}".encode()
    return f"{tier}-{hmac.new(key, text, hashlib.sha256).hexdigest()[:32]}"


def shared(alerts: Iterable[Alert], tier: Tier, policy: Policy, facts: SharingFacts) -> Sharing:
    """Return what a tier may know of alerts, and how many are held back for which reason.

    Parameters
    ----------
    alerts : iterable of Alert
        Checked ones (`delivery.check_alert`); several revisions of one alert may be among them.
    tier : Tier
    policy : Policy
    facts : SharingFacts

    Returns
    -------
    Sharing
        Records in the order of priority where the place is exact, else of their ids, which says nothing.

    Raises
    ------
    SharingPolicyError
        The key is too short.
    """
    rules = policy.tiers[tier]
    records, sites, held = [], {}, Counter[HeldBack]()
    for alert in alerts:
        reason = _held_back(alert, tier, rules, facts)
        if reason is not None:
            held[reason] += 1
            continue
        record = _record(alert, tier, policy, facts)
        records.append(record)
        sites[str(record.properties["site_id"])] = _site(alert)
    is_exact = rules.place is Place.EXACT
    rank = {r.id: -float(str(r.properties.get("priority", 0.0))) if is_exact else 0.0 for r in records}
    ordered = sorted(records, key=lambda r: (rank[r.id], r.id, int(str(r.properties["revision"]))))
    return Sharing(tuple(ordered), dict(sorted(held.items())), sites)


def _site(alert: Alert) -> str:
    return str(alert.properties["site_id"])


def _ancestry(alert: Alert) -> set[str]:
    """The site, what became part of it and what it was part of."""
    merged, split = alert.properties["merged_from"], alert.properties["split_from"]
    return {_site(alert), *(map(str, merged) if isinstance(merged, list | tuple) else ()), *([str(split)] if split else ())}


def _held_back(alert: Alert, tier: Tier, rules: TierRules, facts: SharingFacts) -> HeldBack | None:
    """Why an alert is not for a tier, or None."""
    ancestry, may_pass = _ancestry(alert), tier is Tier.RESTRICTED or _site(alert) in facts.consents
    if not may_pass and (alert.properties["consent_required"] == "yes" or ancestry & facts.flagged):
        return HeldBack.CONSENT
    if not may_pass and ancestry & facts.reported:
        return HeldBack.COMMUNITY
    if date.fromisoformat(str(alert.properties["evaluated_on"])) + timedelta(days=rules.delay_days) > facts.on:
        return HeldBack.DELAY
    unsure = {AlertState.PROVISIONAL, AlertState.WITHDRAWN}
    is_unsure = rules.least_state is AlertState.CONFIRMED and alert.properties["state"] in unsure
    return HeldBack.STATE if is_unsure else None


def _record(alert: Alert, tier: Tier, policy: Policy, facts: SharingFacts) -> SharedAlert:
    """What a tier is told of an alert, by way of the tiers above it."""
    first = facts.first_outlines.get(_site(alert), alert.geometry)
    properties = alert.properties if tier is Tier.RESTRICTED else _without_hidden(alert.properties, facts)
    record = SharedAlert(alert.id, tier, alert.geometry, {p.name: properties[p.name] for p in ALERT_PROPERTIES})
    for step in Tier:
        if step.rank <= tier.rank:
            record = _coarser(record, policy.tiers[step], first)
    if policy.tiers[tier].place is Place.EXACT:
        return record
    return _renamed(alert, record, facts)


def _without_hidden(properties: Mapping[str, object], facts: SharingFacts) -> dict[str, object]:
    """Properties that name no site which is itself held back: its id can be worked back to its place.

    The evidence bundle names it too, and is left out then.
    """
    hidden = (facts.reported | facts.flagged) - facts.consents
    merged, split = properties["merged_from"], properties["split_from"]
    kept = [site for site in merged if site not in hidden] if isinstance(merged, list | tuple) else merged
    if kept == merged and split not in hidden:
        return dict(properties)
    return {**properties, "merged_from": kept, "split_from": None if split in hidden else split, "evidence": None}


def _coarser(record: SharedAlert, rules: TierRules, first: BaseGeometry) -> SharedAlert:
    """A record by the rules of one tier."""
    values = {name: _value(name, value, rules) for name, value in record.properties.items() if name in rules.told}
    return replace(record, geometry=_place(record.geometry, rules, first), properties=values)


def _place(geometry: BaseGeometry | None, rules: TierRules, first: BaseGeometry) -> BaseGeometry | None:
    """The place as a tier is told it."""
    if rules.place is Place.EXACT or geometry is None:
        return geometry
    return None if rules.cell_deg is None else cell_of(*point_in(first), rules.cell_deg)


def _renamed(alert: Alert, record: SharedAlert, facts: SharingFacts) -> SharedAlert:
    """A record whose ids lead nowhere."""

    def named(site: object) -> str:
        return pseudonym(facts.key, record.tier, "site", str(site))

    values = dict(record.properties)
    values["site_id"] = named(_site(alert))
    merged, split = values.get("merged_from"), values.get("split_from")
    if isinstance(merged, list | tuple):
        values["merged_from"] = sorted(named(site) for site in merged)
    if split is not None:
        values["split_from"] = named(split)
    return replace(record, id=pseudonym(facts.key, record.tier, "alert", alert.id), properties=values)


# --- values ----------------------------------------------------------------------------------------------------------


def _value(name: str, value: object, rules: TierRules) -> object:
    """A property as a tier is told it."""
    known = KNOWN[name]
    if name == "evidence":
        return value if rules.has_evidence else None
    if known.type == "date" and isinstance(value, str):
        return value if rules.dates is Dates.DAY else f"{value[:7]}-01"
    if known.type in {"number", "integer"} and isinstance(value, int | float) and known.unit in rules.steps:
        return _rounded(value, rules.steps[known.unit], known.unit, is_integer=known.type == "integer")
    if known.type == "objects" and isinstance(value, list | tuple):
        return [_members(name, member, rules) for member in value if isinstance(member, Mapping)]
    return value


def _rounded(value: float, step: float, unit: str, *, is_integer: bool) -> float:
    """A number to the nearest step; ground that is there never becomes none."""
    steps = round(value / step)
    if unit == "ha" and value > 0:
        steps = max(steps, 1)
    return round(steps * step) if is_integer else round(steps * step, 6)


def _members(name: str, row: Mapping[str, object], rules: TierRules) -> dict[str, object]:
    """A row of a list without what its tier is not told."""
    is_coarse = rules.place is not Place.EXACT
    kept = COARSE_MEMBERS.get(name, ()) if is_coarse else tuple(row)
    return {k: row[k] for k in kept if k in row and (k != "holder" or rules.has_names)}

"""Tiers and the policy that says what each may know; a policy that would tell a place by another way is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from pipeline.alerts import ALERT_PROPERTIES, AlertProperty, AlertState
from pipeline.errors import SharingPolicyError
from pipeline.sharing.cells import is_cell_size

KNOWN = {p.name: p for p in ALERT_PROPERTIES}
ALWAYS_SHARED = frozenset({"site_id", "revision", "schema_version", "is_simulated", "disclaimer"})
"""Without these a record misleads: which site and statement, whether the pixels are simulated, what is not said."""
PLACE_TELLING = frozenset({
    "titles", "tenure_reasons", "tenure_reasons_at_detection", "protected_areas", "restrictions", "scenes", "evidence",
    "priority_terms",
})  # fmt: skip
"""Properties that lead to the place by themselves: a title number by its cadastre, a name by a map, a scene by its tile,
hectares of an overlap by laying the outline of the protected area over pictures."""


class Tier(StrEnum):
    """A circle of readers, the narrowest first."""

    RESTRICTED = "restricted"
    """The operator and whom the operator would let into the store."""
    AGENCY = "agency"
    """The authority that acts on alerts."""
    PARTNER = "partner"
    """Organisations that work with the authority."""
    PUBLIC = "public"
    """Everybody."""

    @property
    def rank(self) -> int:
        """Place in the order, 0 the narrowest circle."""
        return list(Tier).index(self)


class Place(StrEnum):
    """How a place is told, the most exact first."""

    EXACT = "exact"
    CELL = "cell"
    NONE = "none"


class Dates(StrEnum):
    """How days are told."""

    DAY = "day"
    MONTH = "month"
    """As the first day of the month."""


@dataclass(frozen=True, slots=True)
class TierRules:
    """What one tier may know."""

    fields: frozenset[str]
    """Names of properties; `ALWAYS_SHARED` is added."""
    place: Place
    cell_deg: float | None = None
    """Side of a cell where the place is told by cells."""
    steps: Mapping[str, float] = field(default_factory=dict)
    """Step to which numbers are rounded, by their unit."""
    dates: Dates = Dates.DAY
    delay_days: int = 0
    """A revision is told from this many days after the day for which it speaks."""
    least_state: AlertState = AlertState.PROVISIONAL
    """`confirmed` leaves out what is provisional or was withdrawn."""
    has_names: bool = False
    """Whether holders of titles are named."""
    has_evidence: bool = False
    """Whether evidence bundles are handed on."""

    @property
    def told(self) -> frozenset[str]:
        """Every property that is told."""
        return self.fields | ALWAYS_SHARED


@dataclass(frozen=True)
class Policy:
    """The rules of every tier.

    Raises
    ------
    SharingPolicyError
        On making one that names an unknown property, lets a lower tier know what a higher one does not, or tells a place
        that it says it withholds. The message names each fault.
    """

    tiers: Mapping[Tier, TierRules]
    name: str = "policy"
    """Where it comes from, for messages."""

    def __post_init__(self) -> None:
        faults = _faults(self.tiers)
        if faults:
            raise SharingPolicyError(f"{self.name}: {'; '.join(faults)}; see docs/sharing.md")


def fields_of(policy: Policy, tier: Tier) -> tuple[AlertProperty, ...]:
    """Return the properties that records of a tier have, in the order of the table."""
    return tuple(p for p in ALERT_PROPERTIES if p.name in policy.tiers[tier].told)


def _faults(tiers: Mapping[Tier, TierRules]) -> list[str]:
    """What is wrong with a policy."""
    absent = [str(tier) for tier in Tier if tier not in tiers]
    if absent:
        return [f"found no rules for {', '.join(absent)}, expected rules for each tier"]
    faults = [f"{tier}: {fault}" for tier in Tier for fault in _tier_faults(tiers[tier])]
    for higher, lower in pairwise(Tier):
        faults += [f"{lower}: {fault}, which {higher} does not; a lower tier never knows more than a higher one"
                   for fault in _wider(tiers[higher], tiers[lower])]  # fmt: skip
    return faults


def _tier_faults(rules: TierRules) -> list[str]:
    """What is wrong with one tier by itself."""
    unknown = sorted(rules.fields - set(KNOWN))
    faults = [f"found unknown field {name!r}, expected names of docs/alert-properties.md" for name in unknown]
    units = {p.unit for p in ALERT_PROPERTIES if p.type in {"number", "integer"} and p.unit}
    faults += [f"found rounding for {unit!r}, expected one of {', '.join(sorted(units))}"
               for unit in sorted(set(rules.steps) - units)]  # fmt: skip
    faults += [f"rounding of {unit!r} is {step}, expected more than 0" for unit, step in rules.steps.items() if not step > 0]
    if rules.least_state not in {AlertState.PROVISIONAL, AlertState.CONFIRMED}:
        faults.append(f"least_state is {rules.least_state}, expected provisional or confirmed")
    if rules.delay_days < 0:
        faults.append(f"delay_days is {rules.delay_days}, expected 0 or more")
    return faults + _place_faults(rules) + _evidence_faults(rules)


def _place_faults(rules: TierRules) -> list[str]:
    """By which ways a tier would tell a place that it is to coarsen."""
    is_cell = rules.place is Place.CELL
    if is_cell != (rules.cell_deg is not None):
        return [f"place is {rules.place} and cell_deg is {rules.cell_deg}, expected cell_deg where place is cell, only there"]
    if rules.place is Place.EXACT:
        return []
    faults = []
    if rules.cell_deg is not None and not is_cell_size(rules.cell_deg):
        faults.append(f"cell_deg is {rules.cell_deg}, expected 0.01 or more that divides 90, such as 0.05 or 0.25")
    telling = sorted(rules.fields & PLACE_TELLING)
    if telling:
        faults.append(f"found {', '.join(telling)} though place is {rules.place}: they lead to the place; leave them out")
    numbers = {KNOWN[n].unit for n in rules.fields if n in KNOWN and KNOWN[n].type in {"number", "integer"} and KNOWN[n].unit}
    exact = sorted(numbers - set(rules.steps))
    if exact:
        faults.append(f"numbers in {', '.join(exact)} are not rounded though place is {rules.place}: exact ones are as good as "
                      "a fingerprint; give them a step under `round`")  # fmt: skip
    if rules.has_names:
        faults.append(f"names are told though place is {rules.place}; set has_names to false")
    return faults


def _evidence_faults(rules: TierRules) -> list[str]:
    """Why bundles cannot be handed on: they hold every property, picture and name."""
    whole = (
        rules.place is Place.EXACT, rules.has_names, rules.told == set(KNOWN), not rules.steps, rules.dates is Dates.DAY,
        rules.least_state is AlertState.PROVISIONAL,
    )  # fmt: skip
    if not rules.has_evidence or all(whole):
        return []
    return ["has_evidence is true though something is withheld or rounded: a bundle holds all of it; set it to false"]


def _wider(higher: TierRules, lower: TierRules) -> list[str]:
    """What a lower tier would know that a higher one does not."""
    places, dates = list(Place), list(Dates)
    faults = [f"tells {name}" for name in sorted(lower.told - higher.told)]
    checks = (
        (places.index(lower.place) < places.index(higher.place), f"tells the place as {lower.place}"),
        (not _is_nested(higher.cell_deg, lower.cell_deg), f"has cells of {lower.cell_deg} degrees, no multiple of "
                                                          f"{higher.cell_deg},"),
        (dates.index(lower.dates) < dates.index(higher.dates), "tells days"),
        (lower.delay_days < higher.delay_days, f"waits only {lower.delay_days} days"),
        (_is_early(lower) and not _is_early(higher), "tells what is provisional"),
        (lower.has_names and not higher.has_names, "names persons"),
        (lower.has_evidence and not higher.has_evidence, "gets evidence"),
    )  # fmt: skip
    faults += [words for is_wider, words in checks if is_wider]
    told = {p.unit for p in ALERT_PROPERTIES if p.name in lower.told}
    faults += [f"rounds {unit!r} less" for unit, step in higher.steps.items()
               if unit in told and lower.steps.get(unit, 0.0) < step]  # fmt: skip
    return faults


def _is_early(rules: TierRules) -> bool:
    """Whether a tier hears of what is not confirmed."""
    return rules.least_state is AlertState.PROVISIONAL


def _is_nested(higher_deg: float | None, lower_deg: float | None) -> bool:
    """Whether each cell of the higher tier lies in one cell of the lower: else the two together tell more than either."""
    if higher_deg is None or lower_deg is None:
        return True
    ratio = lower_deg / higher_deg
    return ratio >= 1.0 and abs(ratio - round(ratio)) < 1e-9

"""Order of work: a sum of printed terms, each in points, bounded and readable from the alert itself.

It orders what people look at first. It says nothing about guilt, knows nothing about persons, and adds: no axis is
multiplied by another, so that a covered site can still be urgent and an uncovered one can wait. Terms and sum are
rounded to 0.1, the sum after the terms, so that the printed terms add up to the printed priority.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from math import log1p

from pipeline.tenure import AreaKind, TenureStatus


@dataclass(frozen=True, slots=True)
class PriorityWeights:
    """Most points of each term, and where each term is full; read from a versioned file (`io.priorities`).

    A change of any value needs another version.
    """

    version: str
    area_points: float
    area_full_ha: float
    """Logarithmic up to here: with 100, a site of 1 ha has 15 % of the points, one of 10 ha has 52 %."""
    growth_points: float
    growth_full_ha: float
    """Hectares in 30 days; linear."""
    tenure_points: float
    protected_points: float
    """Full where the whole site lies in a protected area; linear in the share."""
    indigenous_points: float
    """The same for Indigenous territories."""
    pond_points: float
    pond_full_ha: float
    """Linear; turbid ponds are where mercury and cyanide are."""
    state_points: float
    recency_points: float
    recency_days: float
    """Days since the change was last seen after which nothing is left; linear."""
    tenure_shares: Mapping[TenureStatus, float]
    """Share of the points for tenure; a convention, in the order in which a finding asks for a visit."""
    state_shares: Mapping[str, float]
    """Share of the points for the detection state (`AlertState`)."""


@dataclass(frozen=True, slots=True)
class PriorityTerm:
    """One term of the priority."""

    name: str
    unit: str
    """Unit of what is measured; every term itself is in points."""
    meaning: str
    points: Callable[[Mapping[str, object], PriorityWeights], float]
    """Points of an alert's properties, before rounding."""


def _number(properties: Mapping[str, object], name: str) -> float:
    """Return a number of an alert; what is not known counts as 0."""
    value = properties.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _day(properties: Mapping[str, object], name: str) -> date | None:
    """Return a day of an alert, written as ISO text or as a date."""
    value = properties.get(name)
    if isinstance(value, date):
        return value
    return date.fromisoformat(value) if isinstance(value, str) and value else None


def _share(part: float, whole: float) -> float:
    """Return a share between 0 and 1; 0 of nothing."""
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def _area(properties: Mapping[str, object], weights: PriorityWeights) -> float:
    area_ha = max(0.0, _number(properties, "area_ha"))
    return weights.area_points * _share(log1p(area_ha), log1p(weights.area_full_ha))


def _growth(properties: Mapping[str, object], weights: PriorityWeights) -> float:
    return weights.growth_points * _share(_number(properties, "growth_30d_ha"), weights.growth_full_ha)


def _tenure(properties: Mapping[str, object], weights: PriorityWeights) -> float:
    status = TenureStatus(str(properties.get("tenure_status") or TenureStatus.UNKNOWN))
    return weights.tenure_points * weights.tenure_shares[status]


def _inside(properties: Mapping[str, object], kind: AreaKind) -> float:
    """Return the share of a site inside the area of a kind that holds most of it."""
    areas = properties.get("protected_areas")
    rows = [row for row in areas if isinstance(row, Mapping)] if isinstance(areas, list | tuple) else []
    most_ha = max((_number(row, "overlap_ha") for row in rows if row.get("kind") == kind.value), default=0.0)
    return _share(most_ha, _number(properties, "area_ha"))


def _protected(properties: Mapping[str, object], weights: PriorityWeights) -> float:
    return weights.protected_points * _inside(properties, AreaKind.PROTECTED_AREA)


def _indigenous(properties: Mapping[str, object], weights: PriorityWeights) -> float:
    return weights.indigenous_points * _inside(properties, AreaKind.INDIGENOUS_TERRITORY)


def _pond(properties: Mapping[str, object], weights: PriorityWeights) -> float:
    return weights.pond_points * _share(_number(properties, "pond_ha"), weights.pond_full_ha)


def _state(properties: Mapping[str, object], weights: PriorityWeights) -> float:
    state = properties.get("state")
    return weights.state_points * (weights.state_shares[str(state)] if state is not None else 0.0)


def _recency(properties: Mapping[str, object], weights: PriorityWeights) -> float:
    on, seen_on = _day(properties, "evaluated_on"), _day(properties, "last_detected_on")
    if on is None or seen_on is None:
        return 0.0
    return weights.recency_points * (1.0 - _share((on - seen_on).days, weights.recency_days))


PRIORITY_TERMS: tuple[PriorityTerm, ...] = (
    PriorityTerm("area", "ha", "Size of the outline, logarithmic.", _area),
    PriorityTerm("growth_30d", "ha in 30 days", "Area added in the 30 days before the last clear look.", _growth),
    PriorityTerm("tenure", "", "Relation to the titles of the snapshot.", _tenure),
    PriorityTerm("protected_area", "share", "Share of the site inside one protected area, the largest.", _protected),
    PriorityTerm("indigenous_territory", "share", "The same for Indigenous territories.", _indigenous),
    PriorityTerm("pond", "ha", "Open water that came with the change.", _pond),
    PriorityTerm("state", "", "How sure the observations are.", _state),
    PriorityTerm("recency", "days", "Days since the change was last seen, fewer are more.", _recency),
)
"""Terms in the order in which they are printed."""


def score(properties: Mapping[str, object], weights: PriorityWeights) -> tuple[float, dict[str, float]]:
    """Return the priority of an alert in points, and its terms by name.

    Parameters
    ----------
    properties : mapping
        Plain values by the names of `ALERT_PROPERTIES`: area_ha, growth_30d_ha, tenure_status, protected_areas,
        pond_ha, state, last_detected_on and evaluated_on. What is absent or None has no points, but for the tenure
        status, which then is `unknown`.
    weights : PriorityWeights

    Raises
    ------
    ValueError
        `tenure_status` is none of its closed list.
    KeyError
        `state` is none of its closed list.
    """
    terms = {term.name: round(term.points(properties, weights), 1) for term in PRIORITY_TERMS}
    return round(sum(terms.values()), 1), terms

"""How long after the ground could be seen a mine was told of, in days and in clear looks.

Two days count as the first on which a mine could be seen: the first clear look at any new ground, and the first at enough
of it to make a site. Detection is the first look that the alert dates the change to; provisional and confirmed are the
days on which an agency was first told so.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.alerts import FOR_AGENCIES, AlertState
from pipeline.evaluation.world_run import Look, Statement
from pipeline.sites import SiteRules

MAPPABLE_HA = SiteRules().mmu_ha
"""New ground from which a mine can make a site: the minimum mapping unit."""


@dataclass(frozen=True, slots=True)
class MineLag:
    """Days of one mine; None where it did not come to it."""

    looks: tuple[date, ...]
    """Clear looks at its new ground, ascending."""
    first_look_on: date | None
    """First clear look at any new ground."""
    mappable_look_on: date | None
    """First clear look at `MAPPABLE_HA` of new ground."""
    detected_on: date | None
    """`first_detected_on` of the earliest alert about it, whatever it was called."""
    raised_on: date | None
    """Day on which a site on it was first raised, provisional or surer, whatever it was called."""
    sure_on: date | None
    """Day on which it was first confirmed, whatever it was called."""
    provisional_on: date | None
    """Day on which a site on it was first told as mining or unclear, provisional or surer."""
    confirmed_on: date | None
    """Day on which it was first told so, confirmed."""

    def days(self, origin: date | None, event: date | None) -> int | None:
        """Return the days from one to the other, negative where the event came first; None where one is absent."""
        return None if origin is None or event is None else (event - origin).days

    def clear_looks(self, origin: date | None, event: date | None) -> int | None:
        """Return the clear looks after the origin up to the event: 0 on the origin itself, negative before it."""
        if origin is None or event is None:
            return None
        return bisect_right(self.looks, event) - bisect_right(self.looks, origin)


def lag_of(told: Sequence[Statement], looks: Sequence[Look]) -> MineLag:
    """Return the lag of a mine from everything that was told of it and its clear looks, ascending."""
    raised = [s.day for s in told if s.state in {AlertState.PROVISIONAL, AlertState.CONFIRMED}]
    sure = [s.day for s in told if s.state == AlertState.CONFIRMED]
    provisional = [s.day for s in told if s.cause in FOR_AGENCIES and s.state in {AlertState.PROVISIONAL, AlertState.CONFIRMED}]
    confirmed = [s.day for s in told if s.cause in FOR_AGENCIES and s.state == AlertState.CONFIRMED]
    return MineLag(
        looks=tuple(look.day for look in looks),
        first_look_on=looks[0].day if looks else None,
        mappable_look_on=next((look.day for look in looks if look.new_ha >= MAPPABLE_HA - 1e-9), None),
        detected_on=min((date.fromisoformat(str(s.properties["first_detected_on"])) for s in told), default=None),
        raised_on=min(raised, default=None),
        sure_on=min(sure, default=None),
        provisional_on=min(provisional, default=None),
        confirmed_on=min(confirmed, default=None),
    )

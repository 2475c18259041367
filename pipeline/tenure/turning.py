"""Days on which what a title says may change, and which titles they are of."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from pipeline.tenure.findings import TenureRules
from pipeline.tenure.index import TitleIndex
from pipeline.tenure.records import Snapshot, Title


def turning_days(title: Title) -> frozenset[date]:
    """Return the days on which a title begins, has just ended, changes its stage, or is suspended or taken up again."""
    days = {title.valid_from, day_after(title.valid_to), title.kind_since}
    for suspension in title.suspensions:
        days |= {suspension.first, day_after(suspension.last)}
    return frozenset(day for day in days if day is not None)


def stale_days(snapshots: Iterable[Snapshot], rules: TenureRules) -> frozenset[date]:
    """Return the days from which snapshots are too old to tell that there is no title."""
    wait = timedelta(days=rules.stale_after_days + 1)
    return frozenset(s.retrieved_on + wait for s in snapshots if s.retrieved_on is not None)


def boundary_dates(
    titles: TitleIndex | Iterable[Title],
    *,
    after: date,
    until: date,
    snapshots: Sequence[Snapshot] = (),
    rules: TenureRules | None = None,
) -> list[date]:
    """Return the days in (after, until], sorted, on which what some title says may change.

    With snapshots and rules, also the days from which a snapshot is stale. Between these days, the finding for a site
    that does not change stays the same but for the dates in its reasons.
    """
    records = titles.records if isinstance(titles, TitleIndex) else titles
    days = {day for title in records for day in turning_days(title)}
    if rules is not None:
        days |= stale_days(snapshots, rules)
    return sorted(day for day in days if after < day <= until)


def day_after(day: date | None) -> date | None:
    """Return the day after, where the calendar has one."""
    return None if day is None or day == date.max else day + timedelta(days=1)

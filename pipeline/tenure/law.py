"""What was known of the law on each day: titles, the snapshots that told of them, and protected land.

A register is known by its latest snapshot; before the first one, by the first, which then says that it is younger than
the day. So a history that is told again, or told at once, is told as each night could have told it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from shapely.geometry.base import BaseGeometry

from pipeline.tenure.differences import differences
from pipeline.tenure.findings import TenureRules
from pipeline.tenure.index import AreaIndex, RiverIndex, TitleIndex
from pipeline.tenure.records import Snapshot, Title
from pipeline.tenure.turning import boundary_dates, stale_days, turning_days


@dataclass(frozen=True)
class Law:
    """What is laid over sites on a day."""

    titles: TitleIndex = field(default_factory=lambda: TitleIndex(()))
    snapshots: tuple[Snapshot, ...] = ()
    """What the titles were read from; empty: tenure_status is unknown."""
    protected: AreaIndex = field(default_factory=lambda: AreaIndex(()))
    rivers: RiverIndex = field(default_factory=lambda: RiverIndex(()))


@dataclass(frozen=True)
class LawBook:
    """The law from each day on, as snapshots came in."""

    laws: Mapping[date, Law]
    """Day to the law that is known from it on; the first one also stands for the days before."""
    rules: TenureRules

    def on(self, day: date) -> Law:
        """Return the law as it was known on a day."""
        known = [since for since in self.laws if since <= day]
        return self.laws[max(known) if known else min(self.laws)]

    def days(self, after: date, until: date) -> list[date]:
        """Return the days in (after, until], sorted, on which the finding of a site that stays as it is may change."""
        days = {since for since in sorted(self.laws)[1:] if after < since <= until}
        for begin, end in self._reigns():
            law = self.on(begin)
            first, last = max(after, begin), until if end is None else min(until, end)
            days |= set(boundary_dates(law.titles, after=first, until=last, snapshots=law.snapshots, rules=self.rules))
        return sorted(days)

    def touched(self, day: date) -> TitleIndex | None:
        """Return the titles whose saying changes on a day; None where every site may be touched.

        Every site is where a snapshot grows stale, or comes with other features without a usable outline or other rules.
        """
        law = self.on(day)
        if day in stale_days(law.snapshots, self.rules):
            return None
        changed: list[Title] = [title for title in law.titles.records if day in turning_days(title)]
        if day in sorted(self.laws)[1:]:
            before = self.laws[max(since for since in self.laws if since < day)]
            if _beside_titles(before, day, self.rules) != _beside_titles(law, day, self.rules):
                return None
            for change in differences(before.titles.records, law.titles.records):
                changed += [title for title in (change.before, change.after) if title is not None]
        return TitleIndex(changed)

    def _reigns(self) -> list[tuple[date, date | None]]:
        """First day of each law and that of the next."""
        days = sorted(self.laws)
        starts = [date.min, *days[1:]]
        return list(zip(starts, [*days[1:], None], strict=True))


def _beside_titles(law: Law, day: date, rules: TenureRules) -> list[object]:
    """What findings rest on besides titles."""
    return [
        (
            s.register, s.rules, s.outline_m, s.transformation_m, s.lacks,
            sorted((r.title_id, r.reason, "" if r.location is None else r.location.wkb_hex) for r in s.refused),
            s.retrieved_on is not None and abs((day - s.retrieved_on).days) <= rules.stale_after_days,
            s.retrieved_on is not None and s.retrieved_on <= day,
        )
        for s in sorted(law.snapshots, key=lambda s: (s.register, s.name))
    ]  # fmt: skip


def is_touched(site: BaseGeometry, touched: TitleIndex | None, tolerance_m: float) -> bool:
    """Return whether one of the touched titles lies at a site, or near it."""
    return touched is None or any(True for _ in touched.near(site, tolerance_m))


Told = tuple[tuple[Title, ...], tuple[Snapshot, ...]]
"""Titles and the snapshots that told of them."""


def combined(registers: Sequence[Mapping[date, Told]]) -> dict[date, Told]:
    """Return titles and snapshots of several registers from each day on which one of them changes.

    Parameters
    ----------
    registers : sequence of mapping
        For each register, day to what is known from it on; none may be empty.
    """
    told = {}
    for day in sorted({day for known in registers for day in known}):
        parts = [known[max((since for since in known if since <= day), default=min(known))] for known in registers]
        told[day] = (tuple(t for titles, _ in parts for t in titles), tuple(s for _, snapshots in parts for s in snapshots))
    return told

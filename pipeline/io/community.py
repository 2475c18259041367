"""Community reports in the store: what they say in a table whose rows may be erased, what was done with them in the journal."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline.community import Decision, RefusalCode, Report, linked, report_from, shared_scope, widest_by_site
from pipeline.community.linking import Link
from pipeline.errors import ReportRefusedError, ReportUnknownError, StoreDamagedError
from pipeline.io import journal
from pipeline.io import tables as t
from pipeline.io.database import transaction
from pipeline.io.history import LEAST_LETTERS, MOST_CANDIDATES, History
from pipeline.io.journal import EntryKind
from pipeline.io.store import Store
from pipeline.provenance import canonical_json, derive_id, digest
from pipeline.sharing import Tier


@dataclass(frozen=True, slots=True)
class Held:
    """A report in the store."""

    id: str
    report: Report
    taken_at: datetime
    decisions: tuple[Decision, ...]
    """What people noted of how far it may be shared, in order."""

    @property
    def scope(self) -> Tier:
        """How far it may be shared."""
        return shared_scope(self.report, self.decisions)


def report_id_of(report: Report) -> str:
    """Return the id of a report: the same for the same id in the same collection of a source."""
    return derive_id("community_report", str(report.source), report.collection, report.source_id)


class CommunityBook:
    """The community reports of one store."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def take(self, reports: Sequence[Report]) -> list[bool | ReportRefusedError]:
        """Take reports in, all at once; returns for each whether it is new, or why it is refused.

        One that is held and says the same is held once. Another one by its id that says something else is refused, and so is
        one that was erased.
        """
        with transaction(self._engine) as connection:
            journal.begin(connection)
            erased = {str(e.payload.get("id")): e.noted_at for e in journal.entries(connection, EntryKind.REPORT_ERASED)}
            became = [_take(connection, report, erased) for report in reports]
            taken = [list(b) for b in became if isinstance(b, tuple)]
            if taken:
                journal.note(connection, "", EntryKind.REPORT, {"taken": taken})
            return [True if isinstance(b, tuple) else b for b in became]

    def held(self) -> list[Held]:
        """Return all reports in order of day and id.

        Raises
        ------
        StoreDamagedError
            A record is none.
        """
        with transaction(self._engine) as connection:
            rows = connection.execute(sa.select(t.community_reports)).mappings().all()
            noted = journal.entries(connection, EntryKind.REPORT_CONSENT)
        decisions: dict[str, list[Decision]] = {}
        try:
            for e in noted:
                said = Decision(Tier(e.payload["scope"]), e.payload["by"], e.payload["note"], e.noted_at)
                decisions.setdefault(e.payload["id"], []).append(said)
            found = [
                Held(
                    r["id"], report_from(json.loads(r["record"])), datetime.fromisoformat(r["taken_at"]),
                    tuple(decisions.get(r["id"], ())),
                )
                for r in rows
            ]  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise StoreDamagedError(
                f"a community report cannot be read ({error!r}); expected one of overburden's: run `overburden ledger verify`"
            ) from error
        return sorted(found, key=lambda h: (h.report.day, h.id))

    def find(self, letters: str) -> Held:
        """Return a report by its id or the first letters of it.

        Raises
        ------
        ReportUnknownError
            Fewer than six letters are given, no report begins with them, or more than one does.
        """
        wanted = letters.strip().lower()
        if len(wanted) < LEAST_LETTERS:
            raise ReportUnknownError(f"{letters!r}: found {len(wanted)} letters of an id, expected at least {LEAST_LETTERS}")
        found = [h for h in self.held() if h.id.startswith(wanted)]
        if len(found) == 1:
            return found[0]
        named = ", ".join(h.id for h in found[:MOST_CANDIDATES])
        what = f"{len(found)} reports begin with it: {named}; give more letters" if found else (
            "no report begins with it; see `overburden reports list`"
        )  # fmt: skip
        raise ReportUnknownError(f"{letters!r}: {what}")

    def decide(self, id_: str, scope: Tier, by: str, note: str) -> None:
        """Note how far a report may be shared, by the word of a person."""
        payload = {"id": id_, "scope": str(scope), "by": by, "note": note}
        with transaction(self._engine) as connection:
            journal.begin(connection)
            journal.note(connection, "", EntryKind.REPORT_CONSENT, payload)

    def erase(self, id_: str, by: str) -> None:
        """Erase what a report says; the journal keeps that it was there and who erased it."""
        with transaction(self._engine) as connection:
            journal.begin(connection)
            connection.execute(t.community_reports.delete().where(t.community_reports.c.id == id_))
            journal.note(connection, "", EntryKind.REPORT_ERASED, {"id": id_, "by": by})

    def sites(self) -> dict[str, BaseGeometry]:
        """Return the outline of every site as it is told now, by site id, of all areas."""
        history, found = History(self._engine), {}
        for aoi_id in history.areas():
            telling = history.telling(aoi_id)
            for event in history.standing(aoi_id, telling) if telling else ():
                if event.payload["geometry"] is not None:
                    found[event.site_id] = shape(event.payload["geometry"])
        return found

    def links(self, held: Sequence[Held]) -> list[Link]:
        """Return which sites reports may be about, by the outlines of now."""
        return linked({h.id: h.report for h in held}, self.sites())


_Became = tuple[str, str] | bool | ReportRefusedError
"""Id and digest of a report that is new, False for one that is known, or why it is refused."""


def _take(connection: sa.Connection, report: Report, erased: Mapping[str, datetime]) -> "_Became":
    """Take one report in, unless it is there or cannot be taken."""
    id_, record, c = report_id_of(report), report.record(), t.community_reports.c
    if id_ in erased:
        words = f"it was erased on {erased[id_].date()} and is not taken again; leave it out"
        return ReportRefusedError(RefusalCode.ERASED, words)
    found = connection.execute(sa.select(c.record, c.taken_at).where(c.id == id_)).first()
    if found is None:
        told, noted = digest(record), journal.now().isoformat(timespec="seconds")
        row = {"id": id_, "digest": told, "taken_at": noted, "record": canonical_json(record)}
        connection.execute(t.community_reports.insert().values(**row))
        return id_, told
    if report.content_digest() == report_from(json.loads(found[0])).content_digest():
        return False
    return ReportRefusedError(
        RefusalCode.ID_TAKEN,
        f"the id {report.source_id[:60]!r} is that of a report taken on {found[1][:10]} which says something else; if they are "
        "two reports of two sources, give --collection",
    )


def sites_from_community(store: Store | sa.Engine) -> Mapping[str, Tier]:
    """Return, for each site that community reports may be about, the widest scope to which all of these may be shared.

    A site that is not in it has no report near by. What has one is `restricted` unless consent says more.
    """
    book = CommunityBook(store.engine if isinstance(store, Store) else store)
    held = book.held()
    return widest_by_site(book.links(held), {h.id: h.scope for h in held}) if held else {}

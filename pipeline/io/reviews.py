"""Reviews in the store: entries of the journal, so that they are only ever added and every change of them shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import StoreDamagedError
from pipeline.io import journal
from pipeline.io.database import transaction
from pipeline.io.journal import EntryKind
from pipeline.reviews import Entry, Review, Verdict, Withdrawal

SECOND_FACT = "second_for_confirmed"
"""Member of a night's entry: whether its configuration asks for a second review of what is confirmed."""


@dataclass(frozen=True, slots=True)
class ReviewBook:
    """What people said of alerts, and by which rule it stands."""

    by_alert: Mapping[str, Sequence[Entry]]
    """In the order in which it was said."""
    second_in: frozenset[str]
    """Areas whose last night asked for a second review of what is confirmed."""

    def of(self, alert_id: str) -> Sequence[Entry]:
        """Return what was said of an alert, of all its revisions."""
        return self.by_alert.get(alert_id, ())


class ReviewLog:
    """What people say, in one store."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, said: Entry) -> int:
        """Add a verdict or a withdrawal; returns the number of its entry in the journal."""
        kind = EntryKind.REVIEW if isinstance(said, Review) else EntryKind.REVIEW_WITHDRAWN
        with transaction(self._engine) as connection:
            journal.begin(connection)
            return journal.note(connection, said.aoi_id, kind, said.payload()).seq

    def read(self, told_by: date | None = None) -> ReviewBook:
        """Return what people said; see `read_reviews`."""
        return read_reviews(self._engine, told_by)


def read_reviews(engine: sa.Engine, told_by: date | None = None) -> ReviewBook:
    """Return what people said, all of it or what had been said by the end of a day (UTC).

    Raises
    ------
    StoreDamagedError
        An entry lacks what an entry has.
    """
    with transaction(engine) as connection:
        found = journal.entries(connection, EntryKind.REVIEW, EntryKind.REVIEW_WITHDRAWN, EntryKind.NIGHT)
    by_alert: dict[str, list[Entry]] = {}
    asks: dict[str, bool] = {}
    for entry in found:
        if told_by is not None and entry.noted_at.date() > told_by:
            continue
        if entry.kind is EntryKind.NIGHT:
            asks[entry.aoi_id] = bool(entry.payload.get(SECOND_FACT))
            continue
        said = _said(entry)
        by_alert.setdefault(said.alert_id, []).append(said)
    return ReviewBook(by_alert, frozenset(aoi_id for aoi_id, is_asked in asks.items() if is_asked))


def _said(entry: journal.Entry) -> Entry:
    """What an entry says."""
    make: Callable[[str, datetime, Mapping[str, Any]], Entry] = _review if entry.kind is EntryKind.REVIEW else _withdrawal
    try:
        return make(entry.aoi_id, entry.noted_at, entry.payload)
    except (KeyError, ValueError, TypeError) as error:
        raise StoreDamagedError(
            f"journal entry {entry.seq}: {error!r}, expected a review as overburden writes it; run `overburden ledger verify`"
        ) from error


def _review(aoi_id: str, at: datetime, p: Mapping[str, Any]) -> Entry:
    """A verdict."""
    return Review(
        aoi_id, p["alert_id"], p["site_id"], int(p["revision"]), date.fromisoformat(p["said_on"]), p["event_hash"],
        p["statement"], p["state"], Verdict(p["verdict"]), p["reason"], p["reviewer"], p["note"], at,
    )  # fmt: skip


def _withdrawal(aoi_id: str, at: datetime, p: Mapping[str, Any]) -> Entry:
    """A withdrawal."""
    return Withdrawal(aoi_id, p["alert_id"], p["statement"], p["reviewer"], p["note"], at)

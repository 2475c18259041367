"""What was said: the alerts as they stood on a day, by the present telling or by what had been told up to another day."""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import AlertUnknownError
from pipeline.io import journal
from pipeline.io import tables as t
from pipeline.io.database import transaction
from pipeline.io.events import Event, event_of
from pipeline.io.journal import EntryKind
from pipeline.io.observations import read_rows
from pipeline.io.reviews import ReviewBook, read_reviews
from pipeline.io.verification import open_to_read
from pipeline.ledger import LedgerRow

LEAST_LETTERS = 6
"""First letters by which an id may be given."""
MOST_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class Night:
    """A night whose files were written."""

    as_of: date
    noted_at: datetime
    epoch: int
    last_seq: int
    """The area's last event then; 0 where there was none."""
    manifest: Mapping[str, Any] | None
    """Of its files, members in their order."""
    chunk_px: int | None
    """Side of the chunks of its grid."""


@dataclass(frozen=True, slots=True)
class Telling:
    """Which events count: those of an epoch, up to one of them."""

    epoch: int
    last_seq: int | None = None
    """None: all of them."""
    as_of: date | None = None
    """The last day that was spoken for; None: no limit."""


@dataclass(frozen=True, slots=True)
class Made:
    """With what an area's state was made."""

    model_id: str
    detection_digest: str


def open_history(address: str) -> "History":
    """Return the history in a store that must be there.

    Raises
    ------
    StoreMismatchError, StoreUnreachableError
        See `io.verification.open_to_read`.
    """
    return History(open_to_read(address))


class History:
    """Questions to one store; nothing is written."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def areas(self) -> list[str]:
        """Return the ids of the areas that the store knows."""
        with transaction(self._engine) as connection:
            return list(connection.execute(sa.select(t.runs.c.aoi_id).order_by(t.runs.c.aoi_id)).scalars())

    def check_area(self, aoi_id: str) -> str:
        """Return an area's id as it is given.

        Raises
        ------
        AlertUnknownError
            The store does not know it.
        """
        known = self.areas()
        if aoi_id not in known:
            raise AlertUnknownError(
                f"area {aoi_id!r}: found {', '.join(known) or 'no area'} in the store; name one of them, or another store"
            )
        return aoi_id

    def made_with(self, aoi_id: str) -> Made:
        """Return with what an area's state was made."""
        query = sa.select(t.runs.c.model_id, t.runs.c.detection_digest).where(t.runs.c.aoi_id == aoi_id)
        with transaction(self._engine) as connection:
            return Made(*connection.execute(query).one())

    def is_simulated(self, aoi_id: str) -> bool:
        """Return whether an area's pixels are simulated, as far as the store knows: by its last night, or what was said."""
        manifests = [n.manifest for n in self.nights(aoi_id) if n.manifest]
        if manifests:
            return bool(manifests[-1].get("is_simulated"))
        query = sa.select(t.events).where(t.events.c.aoi_id == aoi_id).order_by(t.events.c.seq.desc()).limit(1)
        with transaction(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        return row is not None and event_of(row).payload["properties"].get("is_simulated") == "yes"

    def nights(self, aoi_id: str) -> list[Night]:
        """Return the nights of an area in the order in which their files were written."""
        with transaction(self._engine) as connection:
            found = journal.entries(connection, EntryKind.NIGHT, aoi_id=aoi_id)
        return [
            Night(
                date.fromisoformat(e.payload["as_of"]), e.noted_at, e.payload["epoch"], e.payload["last"][0],
                json.loads(e.payload.get("manifest", "null")), e.payload.get("chunk_px"),
            )
            for e in found
        ]  # fmt: skip

    def telling(self, aoi_id: str, told_by: date | None = None) -> Telling | None:
        """Return what counts: the present epoch, or what had been told by the end of a day (UTC).

        None where no night had been told by then as far as the store knows.
        """
        if told_by is None:
            with transaction(self._engine) as connection:
                query = sa.select(t.runs.c.epoch).where(t.runs.c.aoi_id == aoi_id)
                return Telling(connection.execute(query).scalar_one())
        told = [n for n in self.nights(aoi_id) if n.noted_at.date() <= told_by]
        if not told:
            return None
        epoch = max(n.epoch for n in told)
        of_epoch = [n for n in told if n.epoch == epoch]
        return Telling(epoch, max(n.last_seq for n in of_epoch), max(n.as_of for n in of_epoch))

    def standing(self, aoi_id: str, telling: Telling, on: date | None = None, site_id: str | None = None) -> list[Event]:
        """Return the last event of each site, or of one, up to the end of a day, in order."""
        where = _within(aoi_id, telling, on)
        where += [t.events.c.site_id == site_id] if site_id is not None else []
        last = sa.select(sa.func.max(t.events.c.seq)).where(*where).group_by(t.events.c.site_id)
        query = sa.select(t.events).where(t.events.c.seq.in_(last)).order_by(t.events.c.seq)
        with transaction(self._engine) as connection:
            return [event_of(row) for row in connection.execute(query).mappings()]

    def told(self, aoi_id: str) -> list[Event]:
        """Return every event of an area in its present epoch, in order."""
        telling = self.telling(aoi_id) or Telling(1)
        query = sa.select(t.events).where(*_within(aoi_id, telling, None)).order_by(t.events.c.seq)
        with self._engine.begin() as connection:
            return [event_of(row) for row in connection.execute(query).mappings()]

    def revisions(self, aoi_id: str, site_id: str) -> list[Event]:
        """Return everything that was ever said of a site, of all epochs, in the order in which it was said."""
        query = sa.select(t.events).where(t.events.c.aoi_id == aoi_id, t.events.c.site_id == site_id)
        with transaction(self._engine) as connection:
            return [event_of(row) for row in connection.execute(query.order_by(t.events.c.seq)).mappings()]

    def find(self, letters: str) -> tuple[str, str]:
        """Return area and site of an alert or site, by its id or the first letters of it.

        Raises
        ------
        AlertUnknownError
            Fewer than six letters are given, nothing begins with them, or more than one thing does.
        """
        wanted, c = letters.strip().lower(), t.events.c
        if len(wanted) < LEAST_LETTERS:
            raise AlertUnknownError(f"{letters!r}: found {len(wanted)} letters of an id, expected at least {LEAST_LETTERS}")
        begins = sa.or_(c.site_id.startswith(wanted, autoescape=True), c.alert_id.startswith(wanted, autoescape=True))
        query = sa.select(c.aoi_id, c.site_id, c.alert_id).where(begins).distinct().order_by(c.aoi_id, c.site_id)
        with transaction(self._engine) as connection:
            found = [(str(aoi), str(site), str(alert)) for aoi, site, alert in connection.execute(query)]
        exact = [f for f in found if wanted in f[1:]] or found
        if len(exact) == 1:
            return exact[0][0], exact[0][1]
        if not exact:
            raise AlertUnknownError(
                f"{letters!r}: no alert or site begins with it; expected an id as `overburden alerts list` has it"
            )
        named = [f"site {site} (alert {alert}, area {aoi})" for aoi, site, alert in exact[:MOST_CANDIDATES]]
        more = f" and {len(exact) - MOST_CANDIDATES} more" if len(exact) > MOST_CANDIDATES else ""
        raise AlertUnknownError(f"{letters!r}: {len(exact)} begin with it: {'; '.join(named)}{more}; give more letters")

    def instants(self) -> "Instants":
        """Return when events were written."""
        with transaction(self._engine) as connection:
            noted = journal.entries(connection, EntryKind.EVENTS)
        return Instants([e.payload["last"] for e in noted], [e.noted_at if e.aoi_id else None for e in noted])

    def reviews(self, told_by: date | None = None) -> ReviewBook:
        """Return what people said of alerts, all of it or what had been said by the end of a day (UTC)."""
        return read_reviews(self._engine, told_by)

    def ledger(self, aoi_id: str) -> list[LedgerRow]:
        """Return the observation ledger of an area."""
        with transaction(self._engine) as connection:
            return read_rows(connection, aoi_id)


def _within(aoi_id: str, telling: Telling, on: date | None) -> list[sa.ColumnElement[bool]]:
    """Conditions for the events that count."""
    c = t.events.c
    where = [c.aoi_id == aoi_id, c.epoch == telling.epoch]
    where += [c.day <= day.isoformat() for day in (on, telling.as_of) if day is not None]
    return [*where, c.seq <= telling.last_seq] if telling.last_seq is not None else where


@dataclass(frozen=True, slots=True)
class Instants:
    """When events were written, by the journal."""

    lasts: Sequence[int]
    """Last event of each transaction, ascending."""
    noted: Sequence[datetime | None]
    """Its instant; None for events that are older than the journal."""

    def of(self, seq: int) -> datetime | None:
        """Return when an event was written; None where that is not on record."""
        at = bisect_left(self.lasts, seq)
        return self.noted[at] if at < len(self.noted) else None

"""The store: what was seen, what is being followed, and what was said, in one database.

Every method that changes something is one transaction. State files are written first and named by the transaction, so a
kill at any instant leaves either the day before or the day after.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from pipeline.errors import StoreMismatchError, StoreMovedError
from pipeline.io import journal
from pipeline.io import tables as t
from pipeline.io.database import open_database, transaction
from pipeline.io.events import EMPTY, GENESIS, Event, Head, append_events, event_faults, event_head, event_of
from pipeline.io.observations import put_rows, read_rows
from pipeline.io.outbox import Notice, enqueue
from pipeline.io.site_rows import packed_pixels, site_of, site_record, unpacked_pixels
from pipeline.ledger import LedgerRow
from pipeline.sites import PixelTable, Site


@dataclass(frozen=True, slots=True)
class AreaState:
    """With what an area's state was made, and how far its sites are."""

    aoi_id: str
    detection_digest: str
    model_id: str
    epoch: int
    start: date | None
    """First day that is read, as the first run said; None: all that the catalogue has."""
    site_day: date | None

    @property
    def made_with(self) -> dict[str, str]:
        """What each row of the ledger says that it was made with."""
        return {"model_id": self.model_id, "detection_digest": self.detection_digest}


@dataclass(frozen=True, slots=True)
class ChunkState:
    """Where the state of a chunk lies."""

    last_day: date
    state_file: str
    reference_file: str | None
    reference_on: date | None


@dataclass(frozen=True, slots=True)
class StoreHeads:
    """Where the chains of a store end."""

    events: Head
    journal: Head


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def open_store(address: str | Path) -> "Store":
    """Return the store at a file or database URL, made when absent.

    Raises
    ------
    StoreMismatchError
        It was written by another version, or is no store.
    """
    return Store(open_database(address))


class Store:
    """All tables of one database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @property
    def engine(self) -> sa.Engine:
        """The database, for what is asked besides."""
        return self._engine

    def _begin(self) -> AbstractContextManager[sa.Connection]:
        return transaction(self._engine)

    # --- areas -----------------------------------------------------------------------------------------------------

    def area_state(self, aoi_id: str, detection_digest: str, model_id: str, start: date | None = None) -> AreaState:
        """Return the state of an area, made when absent; a `start` other than the first run's is refused.

        Raises
        ------
        StoreMismatchError
            It was made with another model or configuration.
        """
        row = self._area_row(aoi_id)
        if row is None:
            with self._begin() as connection:
                journal.begin(connection)
                if _area_row(connection, aoi_id) is None:  # another run may have come first
                    connection.execute(
                        t.runs.insert().values(
                            aoi_id=aoi_id, detection_digest=detection_digest, model_id=model_id, epoch=1, start=_text(start),
                            site_day=None,
                        )
                    )  # fmt: skip
            return self.area_state(aoi_id, detection_digest, model_id, start)
        wanted_start = _text(start) if start else row["start"]
        asked = (("detection_digest", detection_digest), ("model_id", model_id), ("start", wanted_start))
        for key, wanted in asked:
            if row[key] != wanted:
                raise StoreMismatchError(
                    f"area {aoi_id}: the store was made with {key} {row[key]}, found {wanted}; states of two kinds do not "
                    "mix: name another store and output folder, and back-fill it"
                )
        return AreaState(
            aoi_id, row["detection_digest"], row["model_id"], row["epoch"], _day(row["start"]), _day(row["site_day"])
        )

    def _area_row(self, aoi_id: str) -> sa.RowMapping | None:
        """The row of an area."""
        with self._begin() as connection:
            return _area_row(connection, aoi_id)

    def site_day(self, aoi_id: str) -> date | None:
        """Return the last day that the sites of an area speak for."""
        row = self._area_row(aoi_id)
        return _day(row["site_day"]) if row is not None else None

    def start_epoch(self, aoi_id: str, after: int | None = None) -> None:
        """Forget what is being followed in an area, so that its history is told again; what was said stays.

        With `after`, nothing happens where another run has begun an epoch after that one already.
        """
        with self._begin() as connection:
            journal.begin(connection)
            row = _area_row(connection, aoi_id)
            if after is not None and row is not None and row["epoch"] != after:
                return
            for table in (t.chunks, t.ledger, t.pixels, t.sites):
                connection.execute(table.delete().where(table.c.aoi_id == aoi_id))
            journal.note(connection, aoi_id, journal.EntryKind.EPOCH, {})
            connection.execute(t.runs.update().where(t.runs.c.aoi_id == aoi_id).values(epoch=t.runs.c.epoch + 1, site_day=None))

    # --- chunks ------------------------------------------------------------------------------------------------------

    def chunk_states(self, aoi_id: str) -> dict[str, ChunkState]:
        """Return the states of an area's chunks by chunk id."""
        with self._begin() as connection:
            rows = connection.execute(sa.select(t.chunks).where(t.chunks.c.aoi_id == aoi_id)).mappings().all()
        return {r["chunk_id"]: _chunk_state(r) for r in rows}

    def chunk_state(self, aoi_id: str, chunk_id: str) -> ChunkState | None:
        """Return the state of one chunk; None before its first day."""
        query = sa.select(t.chunks).where(t.chunks.c.aoi_id == aoi_id, t.chunks.c.chunk_id == chunk_id)
        with self._begin() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _chunk_state(row)

    def swap_chunk(  # noqa: PLR0913 - what is written, and from what it was made
        self, aoi_id: str, chunk_id: str, state: ChunkState, rows: Sequence[LedgerRow], tables: Mapping[date, PixelTable],
        *, area: AreaState, since: ChunkState | Literal["any"] | None = "any",
    ) -> bool:  # fmt: skip
        """Swap in the state of a chunk together with its ledger rows and the changed pixels of its days.

        `since` is the state from which the work began. Where the store holds another one by now, another run has done the
        work: nothing is written and the answer is False.

        Raises
        ------
        StoreMovedError
            Another run tells the area's history anew.
        """
        packed = {day: packed_pixels(table) for day, table in tables.items()}  # before other writers have to wait
        with self._begin() as connection:
            journal.begin(connection)
            if since != "any" and _held_chunk(connection, area, chunk_id) != since:
                return False
            connection.execute(t.chunks.delete().where(t.chunks.c.aoi_id == aoi_id, t.chunks.c.chunk_id == chunk_id))
            connection.execute(
                t.chunks.insert().values(
                    aoi_id=aoi_id, chunk_id=chunk_id, last_day=state.last_day.isoformat(), state_file=state.state_file,
                    reference_file=state.reference_file, reference_on=_text(state.reference_on),
                )
            )  # fmt: skip
            put_rows(connection, aoi_id, rows, area.made_with)
            for day, payload in packed.items():
                where = (t.pixels.c.aoi_id == aoi_id, t.pixels.c.chunk_id == chunk_id, t.pixels.c.solar_day == day.isoformat())
                connection.execute(t.pixels.delete().where(*where))
                connection.execute(
                    t.pixels.insert().values(aoi_id=aoi_id, chunk_id=chunk_id, solar_day=day.isoformat(), payload=payload)
                )
        return True

    def put_ledger(self, rows: Sequence[LedgerRow], area: AreaState) -> None:
        """Write ledger rows that belong to no chunk's state; passes that were not listed before are forgotten."""
        with self._begin() as connection:
            put_rows(connection, area.aoi_id, rows, area.made_with, is_relisted=True)

    def ledger(self, aoi_id: str, until: date | None = None) -> list[LedgerRow]:
        """Return the ledger of an area in order of day, scene and chunk."""
        with self._begin() as connection:
            return read_rows(connection, aoi_id, until)

    # --- sites and events --------------------------------------------------------------------------------------------

    def pixel_days(self, aoi_id: str) -> dict[str, list[date]]:
        """Return the days of which changed pixels are held, by chunk id, ascending."""
        query = sa.select(t.pixels.c.chunk_id, t.pixels.c.solar_day).where(t.pixels.c.aoi_id == aoi_id)
        days: dict[str, list[date]] = {}
        with self._begin() as connection:
            for chunk_id, day in connection.execute(query.order_by(t.pixels.c.solar_day)):
                days.setdefault(chunk_id, []).append(date.fromisoformat(day))
        return days

    def pixel_table(self, aoi_id: str, chunk_id: str, day: date) -> PixelTable:
        """Return the changed pixels of a chunk after a day.

        Raises
        ------
        StoreMovedError
            They are not held any more: another run has made sites of them.
        """
        query = sa.select(t.pixels.c.payload).where(
            t.pixels.c.aoi_id == aoi_id, t.pixels.c.chunk_id == chunk_id, t.pixels.c.solar_day == day.isoformat()
        )
        with self._begin() as connection:
            payload = connection.execute(query).scalar()
        if payload is None:
            raise StoreMovedError(
                f"area {aoi_id}, chunk {chunk_id}: found no changed pixels of {day}, which were there before; another run has "
                "made sites of them: run again"
            )
        return unpacked_pixels(payload)

    def sites(self, aoi_id: str) -> list[Site]:
        """Return the open sites of an area after its last site day."""
        query = sa.select(t.sites).where(t.sites.c.aoi_id == aoi_id).order_by(t.sites.c.site_id)
        with self._begin() as connection:
            return [site_of(r["record"], r["keys"]) for r in connection.execute(query).mappings()]

    def swap_sites(  # noqa: PLR0913 - what is written, and from what it was made
        self, aoi_id: str, day: date, sites: Sequence[Site], payloads: Sequence[Mapping[str, object]], *, area: AreaState,
        notices: Sequence[Notice] = (), since: date | Literal["any"] | None = "any",
    ) -> bool:  # fmt: skip
        """Swap in the sites after a day with the events of that day and who is told of them; drop pixels not needed.

        `since` is the site day from which the work began. Where the store is at another one by now, another run has done the
        work: nothing is written and the answer is False.

        Raises
        ------
        StoreMovedError
            Another run tells the area's history anew.
        """
        with self._begin() as connection:
            journal.begin(connection)
            if since != "any" and _day(_row_of_epoch(connection, area)["site_day"]) != since:
                return False
            connection.execute(t.sites.delete().where(t.sites.c.aoi_id == aoi_id))
            for site in sites:
                record, keys = site_record(site)
                connection.execute(t.sites.insert().values(aoi_id=aoi_id, site_id=site.id, record=record, keys=keys))
            told = append_events(connection, aoi_id, day, payloads, area.epoch)
            if told is not None:
                journal.note_events(connection, aoi_id, told)
            enqueue(connection, aoi_id, day, area.epoch, notices)
            connection.execute(
                t.runs.update().where(t.runs.c.aoi_id == aoi_id).values(site_day=day.isoformat())
            )  # fmt: skip
            newer = t.pixels.alias()
            latest = (
                sa.select(sa.func.max(newer.c.solar_day))
                .where(newer.c.aoi_id == aoi_id, newer.c.chunk_id == t.pixels.c.chunk_id,
                       newer.c.solar_day <= day.isoformat())
                .scalar_subquery()
            )  # fmt: skip
            connection.execute(t.pixels.delete().where(t.pixels.c.aoi_id == aoi_id, t.pixels.c.solar_day < latest))
        return True

    def events(self, aoi_id: str, *, until: date | None = None, after: date | None = None) -> list[Event]:
        """Return what was said of an area in its present epoch, in order; days in (after, until]."""
        epoch = sa.select(t.runs.c.epoch).where(t.runs.c.aoi_id == aoi_id).scalar_subquery()
        query = sa.select(t.events).where(t.events.c.aoi_id == aoi_id, t.events.c.epoch == epoch).order_by(t.events.c.seq)
        if until is not None:
            query = query.where(t.events.c.day <= until.isoformat())
        if after is not None:
            query = query.where(t.events.c.day > after.isoformat())
        with self._begin() as connection:
            rows = connection.execute(query).mappings().all()
        return [event_of(row) for row in rows]

    def latest_events(self, aoi_id: str, until: date | None = None) -> dict[str, Event]:
        """Return the last event of each site up to a day, by site id, in order."""
        epoch = sa.select(t.runs.c.epoch).where(t.runs.c.aoi_id == aoi_id).scalar_subquery()
        last = sa.select(sa.func.max(t.events.c.seq)).where(t.events.c.aoi_id == aoi_id, t.events.c.epoch == epoch)
        if until is not None:
            last = last.where(t.events.c.day <= until.isoformat())
        query = sa.select(t.events).where(t.events.c.seq.in_(last.group_by(t.events.c.site_id))).order_by(t.events.c.seq)
        with self._begin() as connection:
            return {row["site_id"]: event_of(row) for row in connection.execute(query).mappings()}

    def note_night(self, aoi_id: str, as_of: date) -> date | None:
        """Note that a run speaks for a date; returns the date of the run before, the same for every rerun."""
        with self._begin() as connection:
            journal.begin(connection)
            where = (t.nights.c.aoi_id == aoi_id, t.nights.c.as_of == as_of.isoformat())
            known = connection.execute(sa.select(t.nights).where(*where)).mappings().first()
            if known is not None:
                return _day(known["previous_as_of"])
            before = sa.select(sa.func.max(t.nights.c.as_of)).where(
                t.nights.c.aoi_id == aoi_id, t.nights.c.as_of < as_of.isoformat()
            )
            previous = connection.execute(before).scalar()
            connection.execute(t.nights.insert().values(aoi_id=aoi_id, as_of=as_of.isoformat(), previous_as_of=previous))
            return _day(previous)

    def note_published(self, area: AreaState, as_of: date, facts: Mapping[str, object]) -> StoreHeads:
        """Note that the files of a night were written, and return where the chains end.

        `facts` is plain JSON: what the files were written with. A rerun that says the same adds nothing.
        """
        c = t.events.c
        with self._begin() as connection:
            journal.begin(connection)
            said = sa.select(c.seq, c.hash).where(c.aoi_id == area.aoi_id, c.epoch == area.epoch)
            last = connection.execute(said.order_by(c.seq.desc()).limit(1)).first()
            night = {
                "as_of": as_of.isoformat(), "epoch": area.epoch, "last": list(last) if last else [0, GENESIS], **facts,
            }  # fmt: skip
            held = [e.payload for e in journal.entries(connection, journal.EntryKind.NIGHT, aoi_id=area.aoi_id)]
            if night != next((n for n in reversed(held) if n["as_of"] == night["as_of"]), None):
                journal.note(connection, area.aoi_id, journal.EntryKind.NIGHT, night)
            return _heads(connection)

    def heads(self) -> StoreHeads:
        """Return where the chains end."""
        with self._begin() as connection:
            return _heads(connection)

    def broken_links(self) -> list[str]:
        """Return what is wrong with the chain of events, in words; empty when it holds. `verify_store` looks at more."""
        with self._begin() as connection:
            return list(event_faults(connection))


def _area_row(connection: sa.Connection, aoi_id: str) -> sa.RowMapping | None:
    """The row of an area."""
    return connection.execute(sa.select(t.runs).where(t.runs.c.aoi_id == aoi_id)).mappings().first()


def _row_of_epoch(connection: sa.Connection, area: AreaState) -> sa.RowMapping:
    """The row of an area, which must be of the epoch that a run knows."""
    row = _area_row(connection, area.aoi_id)
    if row is None or row["epoch"] != area.epoch:
        found = "nothing" if row is None else f"epoch {row['epoch']}"
        raise StoreMovedError(
            f"area {area.aoi_id}: found {found} in the store, expected epoch {area.epoch}; another run tells the area's "
            "history anew and what this one has is dropped: run again"
        )
    return row


def _held_chunk(connection: sa.Connection, area: AreaState, chunk_id: str) -> ChunkState | None:
    """The state of a chunk in the epoch that a run knows."""
    _row_of_epoch(connection, area)
    query = sa.select(t.chunks).where(t.chunks.c.aoi_id == area.aoi_id, t.chunks.c.chunk_id == chunk_id)
    row = connection.execute(query).mappings().first()
    return _chunk_state(row) if row is not None else None


def _chunk_state(row: sa.RowMapping) -> ChunkState:
    """A row of the chunks."""
    return ChunkState(date.fromisoformat(row["last_day"]), row["state_file"], row["reference_file"], _day(row["reference_on"]))


def _heads(connection: sa.Connection) -> StoreHeads:
    """Where the chains end."""
    return StoreHeads(event_head(connection), journal.noted_head(connection) or EMPTY)

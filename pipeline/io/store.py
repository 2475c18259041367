"""The store: what was seen, what is being followed, and what was said, in one database.

Every method that changes something is one transaction. State files are written first and named by the transaction, so a
kill at any instant leaves either the day before or the day after.
"""

import io as _io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from pipeline.errors import StoreMismatchError
from pipeline.io import tables as t
from pipeline.io.database import open_database
from pipeline.ledger import LedgerRow, Outcome
from pipeline.provenance import canonical_json, digest
from pipeline.sites import PixelTable, Site

GENESIS = "0" * 64


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


@dataclass(frozen=True, slots=True)
class ChunkState:
    """Where the state of a chunk lies."""

    last_day: date
    state_file: str
    reference_file: str | None
    reference_on: date | None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was said."""

    seq: int
    site_id: str
    alert_id: str
    revision: int
    day: date
    payload: Mapping[str, Any]
    epoch: int = 1
    previous_hash: str = GENESIS
    hash: str = ""


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

    def _begin(self) -> AbstractContextManager[sa.Connection]:
        return self._engine.begin()

    # --- areas -----------------------------------------------------------------------------------------------------

    def area_state(self, aoi_id: str, detection_digest: str, model_id: str, start: date | None = None) -> AreaState:
        """Return the state of an area, made when absent; a `start` other than the first run's is refused.

        Raises
        ------
        StoreMismatchError
            It was made with another model or configuration.
        """
        with self._begin() as connection:
            row = connection.execute(sa.select(t.runs).where(t.runs.c.aoi_id == aoi_id)).mappings().first()
            if row is None:
                connection.execute(
                    t.runs.insert().values(
                        aoi_id=aoi_id,
                        detection_digest=detection_digest,
                        model_id=model_id,
                        epoch=1,
                        start=_text(start),
                        site_day=None,
                    )
                )
                return AreaState(aoi_id, detection_digest, model_id, 1, start, None)
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

    def start_epoch(self, aoi_id: str) -> None:
        """Forget what is being followed in an area, so that its history is told again; what was said stays."""
        with self._begin() as connection:
            for table in (t.chunks, t.ledger, t.pixels, t.sites):
                connection.execute(table.delete().where(table.c.aoi_id == aoi_id))
            connection.execute(t.runs.update().where(t.runs.c.aoi_id == aoi_id).values(epoch=t.runs.c.epoch + 1, site_day=None))

    # --- chunks ------------------------------------------------------------------------------------------------------

    def chunk_states(self, aoi_id: str) -> dict[str, ChunkState]:
        """Return the states of an area's chunks by chunk id."""
        with self._begin() as connection:
            rows = connection.execute(sa.select(t.chunks).where(t.chunks.c.aoi_id == aoi_id)).mappings().all()
        return {
            r["chunk_id"]: ChunkState(
                date.fromisoformat(r["last_day"]), r["state_file"], r["reference_file"], _day(r["reference_on"])
            )
            for r in rows
        }

    def swap_chunk(
        self, aoi_id: str, chunk_id: str, state: ChunkState, rows: Sequence[LedgerRow], tables: Mapping[date, PixelTable],
        *, area: AreaState,
    ) -> None:  # fmt: skip
        """Swap in the state of a chunk together with its ledger rows and the changed pixels of its days."""
        with self._begin() as connection:
            connection.execute(t.chunks.delete().where(t.chunks.c.aoi_id == aoi_id, t.chunks.c.chunk_id == chunk_id))
            connection.execute(
                t.chunks.insert().values(
                    aoi_id=aoi_id, chunk_id=chunk_id, last_day=state.last_day.isoformat(), state_file=state.state_file,
                    reference_file=state.reference_file, reference_on=_text(state.reference_on),
                )
            )  # fmt: skip
            _put_ledger(connection, rows, area)
            for day, table in tables.items():
                where = (t.pixels.c.aoi_id == aoi_id, t.pixels.c.chunk_id == chunk_id, t.pixels.c.solar_day == day.isoformat())
                connection.execute(t.pixels.delete().where(*where))
                connection.execute(
                    t.pixels.insert().values(
                        aoi_id=aoi_id, chunk_id=chunk_id, solar_day=day.isoformat(), payload=_pack_pixels(table)
                    )
                )

    def put_ledger(self, rows: Sequence[LedgerRow], area: AreaState) -> None:
        """Write ledger rows that belong to no chunk's state; passes that were not listed before are forgotten."""
        with self._begin() as connection:
            gone = t.ledger.c.aoi_id == area.aoi_id, t.ledger.c.outcome == str(Outcome.NOT_LISTED)
            connection.execute(t.ledger.delete().where(*gone))
            _put_ledger(connection, rows, area)

    def ledger(self, aoi_id: str, until: date | None = None) -> list[LedgerRow]:
        """Return the ledger of an area in order of day, scene and chunk."""
        query = sa.select(t.ledger).where(t.ledger.c.aoi_id == aoi_id)
        if until is not None:
            query = query.where(sa.or_(t.ledger.c.solar_day.is_(None), t.ledger.c.solar_day <= until.isoformat()))
        with self._begin() as connection:
            rows = connection.execute(query).mappings().all()
        names = [f.name for f in fields(LedgerRow)]
        found = [
            LedgerRow(**{**{n: r[n] for n in names}, "solar_day": _day(r["solar_day"]), "outcome": Outcome(r["outcome"])})
            for r in rows
        ]
        return sorted(found, key=lambda r: (str(r.solar_day), r.scene_id, r.chunk_id))

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
        """Return the changed pixels of a chunk after a day."""
        query = sa.select(t.pixels.c.payload).where(
            t.pixels.c.aoi_id == aoi_id, t.pixels.c.chunk_id == chunk_id, t.pixels.c.solar_day == day.isoformat()
        )
        with self._begin() as connection:
            return _unpack_pixels(connection.execute(query).scalar_one())

    def sites(self, aoi_id: str) -> list[Site]:
        """Return the open sites of an area after its last site day."""
        query = sa.select(t.sites).where(t.sites.c.aoi_id == aoi_id).order_by(t.sites.c.site_id)
        with self._begin() as connection:
            return [_site(r["record"], r["keys"]) for r in connection.execute(query).mappings()]

    def swap_sites(
        self, aoi_id: str, day: date, sites: Sequence[Site], payloads: Sequence[Mapping[str, object]], *, area: AreaState
    ) -> None:
        """Swap in the sites after a day together with the events of that day, and drop pixels that are not needed."""
        with self._begin() as connection:
            connection.execute(t.sites.delete().where(t.sites.c.aoi_id == aoi_id))
            for site in sites:
                record, keys = _site_record(site)
                connection.execute(t.sites.insert().values(aoi_id=aoi_id, site_id=site.id, record=record, keys=keys))
            _append_events(connection, aoi_id, day, payloads, area.epoch)
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
        return [_event(row) for row in rows]

    def latest_events(self, aoi_id: str, until: date | None = None) -> dict[str, Event]:
        """Return the last event of each site up to a day, by site id, in order."""
        epoch = sa.select(t.runs.c.epoch).where(t.runs.c.aoi_id == aoi_id).scalar_subquery()
        last = sa.select(sa.func.max(t.events.c.seq)).where(t.events.c.aoi_id == aoi_id, t.events.c.epoch == epoch)
        if until is not None:
            last = last.where(t.events.c.day <= until.isoformat())
        query = sa.select(t.events).where(t.events.c.seq.in_(last.group_by(t.events.c.site_id))).order_by(t.events.c.seq)
        with self._begin() as connection:
            return {row["site_id"]: _event(row) for row in connection.execute(query).mappings()}

    def note_night(self, aoi_id: str, as_of: date) -> date | None:
        """Note that a run speaks for a date; returns the date of the run before, the same for every rerun."""
        with self._begin() as connection:
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

    def broken_links(self) -> list[str]:
        """Return what is wrong with the chain of events, in words; empty when it holds."""
        faults, previous, expected = [], GENESIS, 1
        with self._begin() as connection:
            for row in connection.execute(sa.select(t.events).order_by(t.events.c.seq)).mappings():
                if row["seq"] != expected:
                    faults.append(f"event {expected} is missing before event {row['seq']}")
                if row["previous_hash"] != previous:
                    faults.append(f"event {row['seq']} does not follow the event before it")
                if _event_hash(row) != row["hash"]:
                    faults.append(f"event {row['seq']} was changed")
                previous, expected = row["hash"], row["seq"] + 1
        return faults


def _event(row: Mapping[str, Any] | sa.RowMapping) -> Event:
    """The event of a row."""
    return Event(
        row["seq"], row["site_id"], row["alert_id"], row["revision"], date.fromisoformat(row["day"]),
        json.loads(row["payload"]), row["epoch"], row["previous_hash"], row["hash"],
    )  # fmt: skip


def _event_hash(row: Mapping[str, object] | sa.RowMapping) -> str:
    """Hash of an event: everything in its row but the hash itself."""
    return digest({k: row[k] for k in ("seq", "aoi_id", "site_id", "alert_id", "epoch", "revision", "day", "payload",
                                       "previous_hash")})  # fmt: skip


def _append_events(
    connection: sa.Connection, aoi_id: str, day: date, payloads: Iterable[Mapping[str, object]], epoch: int
) -> None:
    """Append events to the chain."""
    last = connection.execute(sa.select(t.events.c.seq, t.events.c.hash).order_by(t.events.c.seq.desc()).limit(1)).first()
    seq, previous = (last[0], last[1]) if last else (0, GENESIS)
    for payload in payloads:
        seq += 1
        properties = payload["properties"]
        if not isinstance(properties, Mapping):
            raise TypeError("an event's payload has no properties")
        row: dict[str, object] = {
            "seq": seq,
            "aoi_id": aoi_id,
            "site_id": properties["site_id"],
            "alert_id": payload["id"],
            "epoch": epoch,
            "revision": properties["revision"],
            "day": day.isoformat(),
            "payload": canonical_json(payload),
            "previous_hash": previous,
        }
        previous = _event_hash(row)
        connection.execute(t.events.insert().values(**row, hash=previous))


def _put_ledger(connection: sa.Connection, rows: Sequence[LedgerRow], area: AreaState) -> None:
    """Write ledger rows; a scene that failed before and works now replaces its row."""
    for row in rows:
        values = {**asdict(row), "solar_day": _text(row.solar_day), "outcome": str(row.outcome)}
        key = (
            t.ledger.c.aoi_id == row.aoi_id,
            t.ledger.c.chunk_id == row.chunk_id,
            t.ledger.c.scene_id == row.scene_id,
            t.ledger.c.processing_baseline == row.processing_baseline,
        )
        connection.execute(t.ledger.delete().where(*key))
        connection.execute(t.ledger.insert().values(**values, model_id=area.model_id, detection_digest=area.detection_digest))


def _pack_pixels(table: PixelTable) -> bytes:
    """A pixel table as compressed npz."""
    buffer = _io.BytesIO()
    np.savez_compressed(buffer, **{f.name: getattr(table, f.name) for f in fields(table)})
    return buffer.getvalue()


def _unpack_pixels(payload: bytes) -> PixelTable:
    """What `_pack_pixels` packed."""
    with np.load(_io.BytesIO(payload), allow_pickle=False) as stored:
        return PixelTable(**{name: stored[name] for name in stored.files})


def _site_record(site: Site) -> tuple[str, bytes]:
    """A site as JSON and its pixel keys as bytes."""
    plain = {f.name: getattr(site, f.name) for f in fields(site) if f.name != "keys"}
    return canonical_json(plain), np.ascontiguousarray(site.keys, "<i8").tobytes()


def _site(record: str, keys: bytes) -> Site:
    """What `_site_record` made."""
    plain = json.loads(record)
    site = Site(**{**plain, "keys": np.frombuffer(keys, "<i8").astype(np.int64)})
    return replace(
        site,
        opened_on=date.fromisoformat(plain["opened_on"]),
        grown_on=date.fromisoformat(plain["grown_on"]),
        first_detected_on=date.fromisoformat(plain["first_detected_on"]),
        last_unchanged_on=_day(plain["last_unchanged_on"]),
        confirmed_on=_day(plain["confirmed_on"]),
        growth=tuple((date.fromisoformat(day), int(count)) for day, count in plain["growth"]),
        merged_from=tuple(plain["merged_from"]),
    )

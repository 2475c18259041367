"""Events: everything that was ever said, append-only, each row hashed with the one before."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from pipeline.io import tables as t
from pipeline.provenance import canonical_json, digest

GENESIS = "0" * 64
"""What the first row of a chain follows."""
_HASHED = ("seq", "aoi_id", "site_id", "alert_id", "epoch", "revision", "day", "payload", "previous_hash")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was said."""

    seq: int
    site_id: str
    alert_id: str
    revision: int
    day: date
    payload: Mapping[str, Any]
    aoi_id: str = ""
    epoch: int = 1
    hash: str = ""
    previous_hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: number and hash of its last row."""

    seq: int
    hash: str


EMPTY = Head(0, GENESIS)


@dataclass(frozen=True, slots=True)
class Appended:
    """What one transaction added to the chain."""

    first: int
    last: int
    hash: str


def event_of(row: Mapping[str, Any] | sa.RowMapping) -> Event:
    """Return the event of a row."""
    return Event(
        row["seq"], row["site_id"], row["alert_id"], row["revision"], date.fromisoformat(row["day"]),
        json.loads(row["payload"]), row["aoi_id"], row["epoch"], row["hash"],
        row["previous_hash"],
    )  # fmt: skip


def hash_of(row: Mapping[str, object] | sa.RowMapping, names: Iterable[str] = _HASHED) -> str:
    """Return the hash of a chained row: everything in it but the hash itself; empty where it holds what no row may."""
    try:
        return digest({k: row[k] for k in names})
    except (TypeError, ValueError):
        return ""


def event_head(connection: sa.Connection) -> Head:
    """Return where the chain of events ends."""
    last = connection.execute(sa.select(t.events.c.seq, t.events.c.hash).order_by(t.events.c.seq.desc()).limit(1)).first()
    return Head(last[0], last[1]) if last else EMPTY


def append_events(
    connection: sa.Connection, aoi_id: str, day: date, payloads: Iterable[Mapping[str, object]], epoch: int
) -> Appended | None:
    """Append events to the chain; returns what was added, None where nothing is said."""
    head = event_head(connection)
    seq, previous = head.seq, head.hash
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
        previous = hash_of(row)
        connection.execute(t.events.insert().values(**row, hash=previous))
    return Appended(head.seq + 1, seq, previous) if seq > head.seq else None


def event_faults(connection: sa.Connection) -> Iterator[str]:
    """Yield what is wrong with the chain of events, in words and in order."""
    rows = connection.execute(sa.select(t.events).order_by(t.events.c.seq)).mappings()
    yield from chain_faults(rows, "event", _HASHED)


def chain_faults(rows: Iterable[sa.RowMapping], what: str, names: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with a chain of rows in order of `seq`: gaps, rows that do not follow, rows that were changed."""
    previous, expected, names = GENESIS, 1, tuple(names)
    for row in rows:
        seq = row["seq"]
        if seq > expected:
            gap = f"{what} {expected} is" if seq == expected + 1 else f"{what} {expected} to {seq - 1} are"
            yield f"{gap} missing before {what} {seq}"
        elif seq < expected:
            yield f"{what} {seq} stands where {what} {expected} is expected: it was inserted or numbered anew"
        if row["previous_hash"] != previous:
            yield f"{what} {seq} does not follow the {what} before it"
        if hash_of(row, names) != row["hash"]:
            yield f"{what} {seq} was changed"
        previous, expected = row["hash"], seq + 1

"""What the last night of each area was made from and wrote, as facts of the store, and nights on which nothing is new.

A fact is written after everything else of a night. Whatever was written to the store since shows in the journal, which is
looked at again in the transaction that notes a night with nothing new.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any

import sqlalchemy as sa

from pipeline.io import journal
from pipeline.io import tables as t
from pipeline.io.database import transaction
from pipeline.io.events import GENESIS, event_head
from pipeline.io.file_marks import Mark
from pipeline.io.store import StoreHeads

_PREFIX = "last night of "
_VERSION = 1
_BESIDE = (str(journal.EntryKind.EXPORT),)
"""Entries that change nothing of what is told."""


@dataclass(frozen=True, slots=True)
class LastNight:
    """The last night of an area: what it rested on, and what it wrote."""

    as_of: date
    told_on: date
    """Night whose report and map stand: the last one that was not a night with nothing new."""
    holds_until: date
    """Last day for which, with nothing else new, nothing is to be said: no date of the law or of the orbit lies before it."""
    inputs: str
    """Digest of software, configuration and files that were read."""
    listing: str
    """Digest of what the catalogue lists."""
    kept: str
    """Digest of what the local catalogue of copied windows lists; empty where there is none."""
    watched: Mapping[str, Mark]
    """Files of scenes that could not be read, which may be read once they change."""
    outputs: Mapping[str, Mark]
    """Files that were written, by path; None where there is none."""
    facts: Mapping[str, object]
    """What the journal's entry of a night says besides its date and events."""
    alerts: int
    disturbances: int
    findings: Sequence[str]
    has_refused_input: bool
    state: Sequence[object] = ()
    """The area's row in the store."""
    told: Mapping[str, object] = field(default_factory=dict)
    """Epoch and last event of the area, as the journal's entry of a night says them."""
    seen_to: int = 0
    """Journal entries after this one are looked at."""
    noted: tuple[int, str] = (0, GENESIS)
    """Number and hash of a journal entry that must be there: of this night, or the last before it."""

    @property
    def start(self) -> date | None:
        """First day that is read, as the store has it."""
        start = self.state[4] if len(self.state) > 4 else None
        return None if start is None else date.fromisoformat(str(start))


def put_last_night(engine: sa.Engine, aoi_id: str, night: LastNight) -> None:
    """Put the last night of an area in the place of the one before."""
    with transaction(engine) as connection:
        journal.begin(connection)
        state = _states(connection, [aoi_id]).get(aoi_id, ())
        _put(connection, {aoi_id: replace(night, state=state, told=_told(connection, aoi_id))})


def forget_last_night(engine: sa.Engine, aoi_id: str) -> None:
    """Forget the last night of an area, so that the next one is a whole one."""
    with transaction(engine) as connection:
        connection.execute(t.facts.delete().where(t.facts.c.key == _PREFIX + aoi_id))


def last_nights(engine: sa.Engine, aoi_ids: Sequence[str]) -> dict[str, LastNight]:
    """Return the last nights of areas, without those of which it is not known or cannot be read."""
    query = sa.select(t.facts.c.key, t.facts.c.value).where(t.facts.c.key.in_([_PREFIX + a for a in aoi_ids]))
    with transaction(engine) as connection:
        rows = connection.execute(query).all()
    found = {key.removeprefix(_PREFIX): _read(value) for key, value in rows}
    return {aoi_id: night for aoi_id, night in found.items() if night is not None}


def undisturbed(engine: sa.Engine, nights: Mapping[str, LastNight], as_of: date) -> set[str]:
    """Return the areas of which the store says what it said after their last night, for a night that may follow it."""
    with transaction(engine) as connection:
        return _undisturbed(connection, nights, as_of)


def note_nothing_new(
    engine: sa.Engine, before: Mapping[str, LastNight], after: Mapping[str, LastNight], as_of: date
) -> tuple[set[str], StoreHeads]:
    """Note a night with nothing new for areas, in one transaction; returns those that it was noted for, and the chains' ends.

    Parameters
    ----------
    engine : Engine
    before, after : mapping
        By area: the last night, and what is to be in its place. An area to which something happened since is left out.
    as_of : date
        The night.
    """
    with transaction(engine) as connection:
        journal.begin(connection)
        noted = _undisturbed(connection, {aoi_id: before[aoi_id] for aoi_id in after}, as_of)
        areas, day = sorted(noted), as_of.isoformat()
        rows = [{"aoi_id": a, "as_of": day, "previous_as_of": before[a].as_of.isoformat()} for a in areas]
        if rows:
            connection.execute(t.nights.insert(), rows)
        said = [(a, {"as_of": day, **after[a].told, **after[a].facts}) for a in areas]
        end = journal.note_all(connection, journal.EntryKind.NIGHT, said)
        noted_as = (end.seq, end.hash)
        _put(connection, {a: replace(after[a], seen_to=end.seq, noted=noted_as) for a in areas})
        heads = StoreHeads(event_head(connection), end)
    return noted, heads


def _undisturbed(connection: sa.Connection, nights: Mapping[str, LastNight], as_of: date) -> set[str]:
    """Areas of which the store says what it said after their last night."""
    states, last = _states(connection, list(nights)), _last_noted(connection, list(nights))
    hashes = _hashes(connection, [n.noted[0] for n in nights.values()])
    since = _entries_since(connection, min((n.seen_to for n in nights.values()), default=0))
    return {
        aoi_id
        for aoi_id, night in nights.items()
        if list(night.state) == states.get(aoi_id)
        and night.as_of <= as_of
        and last.get(aoi_id) == night.as_of.isoformat()
        and hashes.get(night.noted[0]) == night.noted[1]
        and not any(_is_news(entry, night) for entry in (*since.get(aoi_id, ()), *since.get("", ())))
    }


def _is_news(entry: tuple[int, str], night: LastNight) -> bool:
    """Whether a journal entry tells of something after a night."""
    seq, kind = entry
    is_own = seq == night.noted[0] and kind == journal.EntryKind.NIGHT
    return seq > night.seen_to and kind not in _BESIDE and not is_own


def _entries_since(connection: sa.Connection, seq: int) -> dict[str, list[tuple[int, str]]]:
    """Number and kind of the journal's entries after one, by area; those of no area under an empty name."""
    c, found = t.journal.c, dict[str, list[tuple[int, str]]]()
    for row in connection.execute(sa.select(c.aoi_id, c.seq, c.kind).where(c.seq > seq)):
        found.setdefault(row[0], []).append((row[1], row[2]))
    return found


def _hashes(connection: sa.Connection, seqs: Sequence[int]) -> dict[int, str]:
    """Hashes of journal entries."""
    c = t.journal.c
    return {r[0]: r[1] for r in connection.execute(sa.select(c.seq, c.hash).where(c.seq.in_(set(seqs))))}


def _states(connection: sa.Connection, aoi_ids: Sequence[str]) -> dict[str, list[object]]:
    """Rows of areas."""
    return {row.aoi_id: list(row) for row in connection.execute(sa.select(t.runs).where(t.runs.c.aoi_id.in_(aoi_ids)))}


def _last_noted(connection: sa.Connection, aoi_ids: Sequence[str]) -> dict[str, str]:
    """Last date that was spoken for, by area."""
    c = t.nights.c
    query = sa.select(c.aoi_id, sa.func.max(c.as_of)).where(c.aoi_id.in_(aoi_ids)).group_by(c.aoi_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def _told(connection: sa.Connection, aoi_id: str) -> dict[str, object]:
    """Epoch and last event of an area, as an entry of a night says them."""
    c = t.events.c
    epoch = connection.execute(sa.select(t.runs.c.epoch).where(t.runs.c.aoi_id == aoi_id)).scalar_one()
    said = sa.select(c.seq, c.hash).where(c.aoi_id == aoi_id, c.epoch == epoch)
    last = connection.execute(said.order_by(c.seq.desc()).limit(1)).first()
    return {"epoch": epoch, "last": list(last) if last else [0, GENESIS]}


def _put(connection: sa.Connection, nights: Mapping[str, LastNight]) -> None:
    """Write the facts."""
    rows = []
    for aoi_id, night in nights.items():
        plain = {f.name: getattr(night, f.name) for f in fields(night)}
        days = {name: plain[name].isoformat() for name in ("as_of", "told_on", "holds_until")}
        rows.append({"key": _PREFIX + aoi_id, "value": json.dumps({**plain, **days, "version": _VERSION})})
    if rows:
        connection.execute(t.facts.delete().where(t.facts.c.key.in_([row["key"] for row in rows])))
        connection.execute(t.facts.insert(), rows)


def _read(text: str) -> LastNight | None:
    """What `_put` wrote; None where another version did, or it was changed."""
    try:
        plain: dict[str, Any] = json.loads(text)
        if plain.pop("version") != _VERSION:
            return None
        days = {name: date.fromisoformat(plain[name]) for name in ("as_of", "told_on", "holds_until")}
        marks = {name: {k: tuple(v) if v else None for k, v in plain[name].items()} for name in ("watched", "outputs")}
        return LastNight(**{**plain, **days, **marks, "noted": tuple(plain["noted"])})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None

"""The observation ledger in the store: what is written is noted in the journal with its digest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date

import sqlalchemy as sa

from pipeline.io import journal
from pipeline.io import tables as t
from pipeline.ledger import LedgerRow, Outcome
from pipeline.provenance import digest

Key = tuple[str, str, str]
"""Chunk, scene, processing baseline."""


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row of the ledger by its key, day and digest."""

    key: Key
    day: str | None
    digest: str
    """Of all its columns; empty where it holds what no row may."""

    def as_list(self) -> list[str | None]:
        """Return it as the journal writes it."""
        return [*self.key, self.day, self.digest]


def row_digest(row: Mapping[str, object] | sa.RowMapping) -> str:
    """Return the digest of all columns of a ledger row; empty where it holds what no row may."""
    try:
        return digest({c.name: _plain(row[c.name]) for c in t.ledger.columns})
    except (TypeError, ValueError):
        return ""


def _plain(value: object) -> object:
    """A number as databases give it back: 80 as 80.0, no negative zero."""
    return float(value) + 0.0 if isinstance(value, int | float) else value


def held_row(row: Mapping[str, object] | sa.RowMapping) -> HeldRow:
    """Return a row of the table by its key, day and digest."""
    day = row["solar_day"]
    key = (str(row["chunk_id"]), str(row["scene_id"]), str(row["processing_baseline"]))
    return HeldRow(key, None if day is None else str(day), row_digest(row))


def held_rows(connection: sa.Connection, aoi_id: str) -> Iterator[HeldRow]:
    """Yield the rows of an area as they stand, in order of their keys."""
    c = t.ledger.c
    query = sa.select(t.ledger).where(c.aoi_id == aoi_id).order_by(c.chunk_id, c.scene_id, c.processing_baseline)
    for row in connection.execute(query).mappings():
        yield held_row(row)


def _is(aoi_id: str, key: Key) -> tuple[sa.ColumnElement[bool], ...]:
    """Conditions for one row."""
    c = t.ledger.c
    return c.aoi_id == aoi_id, c.chunk_id == key[0], c.scene_id == key[1], c.processing_baseline == key[2]


def put_rows(
    connection: sa.Connection, aoi_id: str, rows: Sequence[LedgerRow], made_with: Mapping[str, str], *,
    is_relisted: bool = False,
) -> None:  # fmt: skip
    """Write ledger rows and note them; a scene that failed before and works now replaces its row, an equal row is left.

    `made_with` has `model_id` and `detection_digest`. With `is_relisted`, passes that were not listed before and are not
    among the rows are forgotten.
    """
    journal.begin(connection)
    gone = _forget_unlisted(connection, aoi_id, rows) if is_relisted else []
    put = []
    for row in rows:
        day = row.solar_day.isoformat() if row.solar_day else None
        values = {**asdict(row), "solar_day": day, "outcome": str(row.outcome), **made_with}
        new = held_row(values)
        there = connection.execute(sa.select(t.ledger).where(*_is(aoi_id, new.key))).mappings().first()
        if there is not None and row_digest(there) == new.digest:
            continue
        if there is not None:
            connection.execute(t.ledger.delete().where(*_is(aoi_id, new.key)))
        connection.execute(t.ledger.insert().values(**values))
        put.append(new.as_list())
    if put or gone:
        journal.note(connection, aoi_id, journal.EntryKind.OBSERVATIONS, {"put": put, "gone": gone})


def _forget_unlisted(connection: sa.Connection, aoi_id: str, rows: Sequence[LedgerRow]) -> list[list[str]]:
    """Remove the passes that were not listed before and are no longer said to be; returns their keys."""
    kept = {(r.chunk_id, r.scene_id, r.processing_baseline) for r in rows}
    c = t.ledger.c
    query = sa.select(c.chunk_id, c.scene_id, c.processing_baseline).where(
        c.aoi_id == aoi_id, c.outcome == str(Outcome.NOT_LISTED)
    )
    found = [(r[0], r[1], r[2]) for r in connection.execute(query).all()]
    gone = sorted(key for key in found if key not in kept)
    for key in gone:
        connection.execute(t.ledger.delete().where(*_is(aoi_id, key)))
    return [list(key) for key in gone]


def read_rows(connection: sa.Connection, aoi_id: str, until: date | None = None) -> list[LedgerRow]:
    """Return the ledger of an area in order of day, scene and chunk."""
    query = sa.select(t.ledger).where(t.ledger.c.aoi_id == aoi_id)
    if until is not None:
        query = query.where(sa.or_(t.ledger.c.solar_day.is_(None), t.ledger.c.solar_day <= until.isoformat()))
    names = [f.name for f in fields(LedgerRow)]
    found = [
        LedgerRow(**{**{n: r[n] for n in names}, "solar_day": _day(r["solar_day"]), "outcome": Outcome(r["outcome"])})
        for r in connection.execute(query).mappings()
    ]
    return sorted(found, key=lambda r: (str(r.solar_day), r.scene_id, r.chunk_id))


def _day(text: str | None) -> date | None:
    """A day of the table."""
    return date.fromisoformat(text) if text else None

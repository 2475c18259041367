"""The cadastre registry: every snapshot that was ever taken in, so that what was known on a day can be asked for.

Two times are kept apart. Legal time is in each title: its first and last day, its suspensions, the day of its stage.
Knowledge time is of the snapshot: the day on which it was retrieved, and the instant at which it was taken in here.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import shapely
import sqlalchemy as sa

from pipeline.errors import CadastreUnknownError
from pipeline.io import journal
from pipeline.io import tables as t
from pipeline.io.database import open_database, transaction
from pipeline.io.title_records import snapshot_of, snapshot_text, title_of, title_text
from pipeline.provenance import digest
from pipeline.tenure import Snapshot, Title

_SIDES = ("left", "bottom", "right", "top")
_ROWS_AT_ONCE = 500
"""Rows of one statement: SQLite takes 32,766 values at most."""


Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Holding:
    """One snapshot as the registry holds it."""

    seq: int
    """Number in the registry, from 1, in the order in which snapshots were taken in."""
    register: str
    name: str
    sha256: str
    retrieved_on: date
    taken_at: datetime
    """UTC instant at which it was taken in."""
    is_new: bool = True
    """Whether this import added it; the same file of the same day by the same register is held once."""


def open_registry(address: str | Path) -> "Registry":
    """Return the registry in a file or database URL, made when absent.

    Raises
    ------
    StoreMismatchError
        See `open_database`.
    """
    return Registry(open_database(address))


class Registry:
    """Snapshots of cadastres in one database; they are added and never changed."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def take(self, titles: Sequence[Title], snapshot: Snapshot, *, taken_at: datetime) -> Holding:
        """Take in a snapshot in one transaction; returns how it is held, or how it was held already.

        Parameters
        ----------
        titles : sequence of Title
            In the order of the file.
        snapshot : Snapshot
            Its `retrieved_on` must be known.
        taken_at : datetime
            Instant of the import, with its zone.
        """
        if snapshot.retrieved_on is None:
            raise ValueError("a snapshot without the day on which it was retrieved cannot be asked for by day")
        texts = [(title_text(title), _wkb(title)) for title in titles]
        keys = [hashlib.sha256(text.encode() + b"\0" + outline).hexdigest() for text, outline in texts]
        facts = snapshot_text(snapshot)
        whole = digest([facts, *keys])
        with transaction(self._engine) as connection:
            journal.begin(connection)  # keeps other imports out until this one has its number
            known = connection.execute(
                sa.select(t.cadastre_snapshots).where(t.cadastre_snapshots.c.record_digest == whole)
            ).mappings().first()  # fmt: skip
            if known is not None:
                return _holding(known, is_new=False)
            seq = 1 + (connection.execute(sa.select(sa.func.max(t.cadastre_snapshots.c.seq))).scalar() or 0)
            row = {
                "seq": seq,
                "register": snapshot.register,
                "name": snapshot.name,
                "sha256": snapshot.sha256,
                "retrieved_on": snapshot.retrieved_on.isoformat(),
                "taken_at": taken_at.astimezone(UTC).isoformat(timespec="seconds"),
                "record_digest": whole,
                "facts": facts,
            }
            connection.execute(t.cadastre_snapshots.insert().values(**row))
            _put_records(connection, keys, titles, texts)
            entries = [{"seq": seq, "row": n, "digest": key} for n, key in enumerate(keys)]
            if entries:
                connection.execute(t.cadastre_entries.insert(), entries)
        return _holding(row, is_new=True)

    def holdings(self, register: str | None = None) -> list[Holding]:
        """Return all snapshots, or those of a register, in the order in which they were taken in."""
        query = sa.select(t.cadastre_snapshots).order_by(t.cadastre_snapshots.c.seq)
        if register is not None:
            query = query.where(t.cadastre_snapshots.c.register == register)
        with transaction(self._engine) as connection:
            return [_holding(row) for row in connection.execute(query).mappings()]

    def find(self, key: str) -> Holding:
        """Return the snapshot that a text names: its number, the first letters of its SHA-256, or a register for its latest.

        Raises
        ------
        CadastreUnknownError
            Nothing or more than one thing is named so.
        """
        held = self.holdings()
        by_number = [h for h in held if key.removeprefix("#") == str(h.seq)]
        by_register = sorted((h for h in held if h.register == key), key=_knowledge)[-1:]
        by_digest = [h for h in held if len(key) >= 4 and h.sha256.startswith(key.lower())]
        found = by_number or by_register or by_digest
        if len(found) == 1:
            return found[0]
        names = ", ".join(f"{h.seq} ({h.register}, retrieved on {h.retrieved_on})" for h in found or held)
        said = f"more than one snapshot: {names}" if found else f"the snapshots {names}" if held else "an empty registry"
        raise CadastreUnknownError(
            f"snapshot {key!r}: found {said}; expected a number, a register or a SHA-256's first letters"
        )

    def known_on(self, register: str, day: date, *, taken_by: date | None = None) -> Holding | None:
        """Return the snapshot of a register that was the latest on a day; None where none was retrieved by then.

        Parameters
        ----------
        register : str
        day : date
            Knowledge day: snapshots retrieved up to it count.
        taken_by : date, optional
            Only snapshots that were taken in here up to the end of this day (UTC) count: what could be said then.
        """
        found = [
            h for h in self.holdings(register) if h.retrieved_on <= day and (taken_by is None or h.taken_at.date() <= taken_by)
        ]
        return max(found, key=_knowledge, default=None)

    def snapshot(self, holding: Holding) -> Snapshot:
        """Return everything that a snapshot says besides its titles."""
        query = sa.select(t.cadastre_snapshots.c.facts).where(t.cadastre_snapshots.c.seq == holding.seq)
        with transaction(self._engine) as connection:
            return snapshot_of(connection.execute(query).scalar_one())

    def titles(self, holding: Holding, *, within: Bounds | None = None) -> list[Title]:
        """Return the titles of a snapshot, in the order of its file.

        Parameters
        ----------
        holding : Holding
        within : tuple of float, optional
            Left, bottom, right, top in degrees: only titles whose bounding box meets this one.
        """
        e, r = t.cadastre_entries, t.cadastre_records
        query = (
            sa.select(r.c.record, r.c.outline).join(e, e.c.digest == r.c.digest).where(e.c.seq == holding.seq).order_by(e.c.row)
        )
        if within is not None:
            left, bottom, right, top = within
            query = query.where(r.c.left <= right, r.c.right >= left, r.c.bottom <= top, r.c.top >= bottom)
        with transaction(self._engine) as connection:
            return [title_of(row.record, row.outline, holding.sha256) for row in connection.execute(query.order_by(e.c.row))]

    def history(self, title_id: str) -> list[tuple[Holding, list[Title]]]:
        """Return what each snapshot said of a title, in the order of knowledge; an empty list where it left it out.

        Only snapshots of registers that ever listed the title are told.

        Raises
        ------
        CadastreUnknownError
            No snapshot ever listed it.
        """
        e, r = t.cadastre_entries, t.cadastre_records
        query = (
            sa.select(e.c.seq, r.c.record, r.c.outline).join(r, e.c.digest == r.c.digest)
            .where(r.c.title_id == title_id).order_by(e.c.seq, e.c.row)
        )  # fmt: skip
        held = {h.seq: h for h in self.holdings()}
        said: dict[int, list[Title]] = {}
        with transaction(self._engine) as connection:
            for row in connection.execute(query):
                said.setdefault(row.seq, []).append(title_of(row.record, row.outline, held[row.seq].sha256))
        if not said:
            raise CadastreUnknownError(
                f"title {title_id!r}: found in none of {len(held)} snapshots; expected an id as the register writes it"
            )
        registers = {held[seq].register for seq in said}
        told = sorted((h for h in held.values() if h.register in registers), key=_knowledge)
        return [(h, said.get(h.seq, [])) for h in told]


def _wkb(title: Title) -> bytes:
    """The outline as bytes that are the same on every machine."""
    outline: bytes = shapely.to_wkb(title.geometry, byte_order=1)
    return outline


def _put_records(
    connection: sa.Connection, keys: Sequence[str], titles: Sequence[Title], texts: Sequence[tuple[str, bytes]]
) -> None:
    """Write the records that are not there yet."""
    known = _known_digests(connection, keys)
    rows = {
        key: {
            "digest": key,
            "title_id": title.title_id,
            "record": text,
            "outline": outline,
            **dict(zip(_SIDES, title.geometry.bounds, strict=True)),
        }
        for key, title, (text, outline) in zip(keys, titles, texts, strict=True)
        if key not in known
    }
    if rows:
        connection.execute(t.cadastre_records.insert(), list(rows.values()))


def _known_digests(connection: sa.Connection, keys: Sequence[str]) -> set[str]:
    """Digests that are there already."""
    column = t.cadastre_records.c.digest
    parts: Iterable[Sequence[str]] = (keys[i : i + _ROWS_AT_ONCE] for i in range(0, len(keys), _ROWS_AT_ONCE))
    return {key for part in parts for key in connection.execute(sa.select(column).where(column.in_(part))).scalars()}


def _knowledge(holding: Holding) -> tuple[date, int]:
    """Order of knowledge: the day on which it was retrieved, then the order in which it was taken in."""
    return holding.retrieved_on, holding.seq


def _holding(row: sa.RowMapping | dict[str, object], *, is_new: bool = False) -> Holding:
    """The holding of a row."""
    return Holding(
        seq=int(str(row["seq"])),
        register=str(row["register"]),
        name=str(row["name"]),
        sha256=str(row["sha256"]),
        retrieved_on=date.fromisoformat(str(row["retrieved_on"])),
        taken_at=datetime.fromisoformat(str(row["taken_at"])),
        is_new=is_new,
    )

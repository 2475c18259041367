"""The journal: what was written to the observation ledger, which events were told, and which night was spoken for.

Append-only and hash-chained like the events, but with the instant of each entry, which the events must not depend on. The
observation ledger's rows are replaced when a scene that failed is read later; the journal holds the digest of every row that
was ever written, so that the present ledger must follow from it exactly.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from pipeline.errors import StoreDamagedError
from pipeline.io import tables as t
from pipeline.io.events import EMPTY, Appended, Head, event_head, hash_of
from pipeline.provenance import canonical_json

HEAD_FACT = "journal"
"""Key of the fact that says where the journal ends. A store without it was written before there was a journal."""
HASHED = ("seq", "aoi_id", "kind", "noted_at", "payload", "previous_hash")


class EntryKind(StrEnum):
    """What an entry notes."""

    ADOPTED = "adopted"
    """Rows of the ledger that were there when the journal began, as they were found."""
    OBSERVATIONS = "observations"
    """Rows of the ledger that were written or forgotten."""
    EVENTS = "events"
    """Events that were appended."""
    EPOCH = "epoch"
    """A late scene: the area's ledger was emptied and its history is told again."""
    NIGHT = "night"
    """A night's files were written."""
    EXPORT = "export"
    """Files were made for somebody: for whom, by which tier, and their digests."""
    REVIEW = "review"
    """Somebody gave a verdict on a revision."""
    REVIEW_WITHDRAWN = "review_withdrawn"
    """Somebody took their verdicts on a revision back."""
    REPORT = "report"
    """Community reports were taken in: their ids and digests, not what they say."""
    REPORT_CONSENT = "report_consent"
    """Somebody noted how far a community report may be shared."""
    REPORT_ERASED = "report_erased"
    """What a community report says was erased."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry."""

    seq: int
    aoi_id: str
    kind: EntryKind
    noted_at: datetime
    payload: Mapping[str, Any]


def now() -> datetime:
    """Return the instant, in UTC."""
    return datetime.now(UTC)


def fact_of(head: Head) -> str:
    """Return the text that stands for a head."""
    return f"{head.seq} {head.hash}"


def noted_head(connection: sa.Connection) -> Head | None:
    """Return where the journal ends by its own word; None where the store was written before there was a journal.

    Raises
    ------
    StoreDamagedError
        The fact is no head.
    """
    text = connection.execute(sa.select(t.facts.c.value).where(t.facts.c.key == HEAD_FACT)).scalar()
    if text is None:
        return None
    seq, _, value = str(text).partition(" ")
    if not seq.isdecimal() or not value:
        raise StoreDamagedError(
            f"the store's fact '{HEAD_FACT}': found {str(text)[:80]!r}, expected a number and a hash; it was changed by hand: "
            "restore the store from a copy"
        )
    return Head(int(seq), value)


def begin(connection: sa.Connection) -> None:
    """Keep other writers out until the transaction ends, and begin the journal where the store has none.

    Comes before every other statement of a transaction that notes something.
    """
    held = connection.execute(t.facts.update().where(t.facts.c.key == HEAD_FACT).values(value=t.facts.c.value))
    if held.rowcount == 0:
        connection.execute(t.facts.insert().values(key=HEAD_FACT, value=fact_of(EMPTY)))
        _adopt(connection)


def _adopt(connection: sa.Connection) -> None:
    """Take over the ledger and events of a store that has no journal yet, as they are found."""
    from pipeline.io.observations import held_rows  # noqa: PLC0415 - it writes to the journal too

    for aoi_id in connection.execute(sa.select(t.ledger.c.aoi_id).distinct().order_by(t.ledger.c.aoi_id)).scalars().all():
        put = [row.as_list() for row in held_rows(connection, aoi_id)]
        note(connection, aoi_id, EntryKind.ADOPTED, {"put": put, "gone": []})
    head = event_head(connection)
    if head != EMPTY:
        note_events(connection, "", Appended(1, head.seq, head.hash))


def note(connection: sa.Connection, aoi_id: str, kind: EntryKind, payload: Mapping[str, object]) -> Head:
    """Append an entry; `begin` came before. Returns the new end.

    The number and hash before it come from the fact, not from the last row: where somebody removed rows at the end, the gap
    stays to be seen.
    """
    return note_all(connection, kind, [(aoi_id, payload)])


def note_all(connection: sa.Connection, kind: EntryKind, said: Sequence[tuple[str, Mapping[str, object]]]) -> Head:
    """Append entries of one kind, each an area and what is said of it, as `note` does; returns the new end."""
    before = noted_head(connection) or EMPTY
    highest = connection.execute(sa.select(sa.func.max(t.journal.c.seq))).scalar() or 0
    head, at = Head(max(before.seq, highest), before.hash), now().isoformat(timespec="seconds")
    rows = []
    for aoi_id, payload in said:
        row: dict[str, object] = {
            "seq": head.seq + 1,
            "aoi_id": aoi_id,
            "kind": str(kind),
            "noted_at": at,
            "payload": canonical_json(payload),
            "previous_hash": head.hash,
        }
        head = Head(head.seq + 1, hash_of(row, HASHED))
        rows.append({**row, "hash": head.hash})
    if rows:
        connection.execute(t.journal.insert(), rows)
        connection.execute(t.facts.update().where(t.facts.c.key == HEAD_FACT).values(value=fact_of(head)))
    return head


def note_events(connection: sa.Connection, aoi_id: str, told: Appended) -> None:
    """Note which events a transaction appended."""
    note(connection, aoi_id, EntryKind.EVENTS, {"first": told.first, "last": told.last, "hash": told.hash})


def entries(connection: sa.Connection, *kinds: EntryKind, aoi_id: str | None = None) -> Sequence[Entry]:
    """Return the entries of some kinds in order, of one area or of all."""
    query = sa.select(t.journal).where(t.journal.c.kind.in_([str(k) for k in kinds])).order_by(t.journal.c.seq)
    if aoi_id is not None:
        query = query.where(t.journal.c.aoi_id == aoi_id)
    try:
        return [
            Entry(r["seq"], r["aoi_id"], EntryKind(r["kind"]), datetime.fromisoformat(r["noted_at"]), json.loads(r["payload"]))
            for r in connection.execute(query).mappings()
        ]
    except (ValueError, TypeError) as error:
        raise StoreDamagedError(
            f"the store's journal cannot be read ({error}); expected entries as overburden writes them: run "
            "`overburden ledger verify`, and restore the store from a copy"
        ) from error

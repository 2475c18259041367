"""Whether a store says what it said: both chains, the observation ledger against the journal, and anchors from outside."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.errors import StoreDamagedError, StoreMismatchError
from pipeline.io import journal
from pipeline.io import tables as t
from pipeline.io.database import open_database, transaction
from pipeline.io.events import EMPTY, GENESIS, Head, chain_faults, event_faults, event_head
from pipeline.io.heads import Anchor, find_anchor_files, read_anchors
from pipeline.io.journal import EntryKind
from pipeline.io.observations import Key, held_rows

SQLITE_BEGINS = b"SQLite format 3\0"
_MEMBERS: dict[str, set[str]] = {
    EntryKind.EVENTS: {"first", "last", "hash"},
    EntryKind.ADOPTED: {"put", "gone"},
    EntryKind.OBSERVATIONS: {"put", "gone"},
    EntryKind.EPOCH: set(),
    EntryKind.REPORT: {"taken"},
    EntryKind.REPORT_ERASED: {"id"},
}
"""What the payload of an entry has at least."""
Replayed = dict[Key, tuple[str | None, str]]
"""Day and digest of each row that the journal leaves."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found."""

    findings: tuple[str, ...]
    """A line for each thing that is wrong; empty when all holds."""
    notes: tuple[str, ...]
    """What could not be checked, and why."""
    events: int
    observations: int
    entries: int
    anchors: int


def verify_store(address: str, against: Sequence[Path] = ()) -> Verification:
    """Return whether a store's events and observation ledger are as they were written.

    Parameters
    ----------
    address : str
        SQLite file, whose folder is searched for anchors, or database URL.
    against : sequence of Path
        More anchors: `heads.jsonl` files, folders that hold them, copies of the store.

    Raises
    ------
    StoreMismatchError
        There is no store, or it is another version's.
    StoreDamagedError
        The database file or an anchor cannot be read.
    """
    files = list(dict.fromkeys(p.resolve() for p in [*find_anchor_files(address), *_anchor_files(against)]))
    engine = open_to_read(address)
    try:
        with transaction(engine) as connection:
            return look_at(connection, files)
    except (sa.exc.DatabaseError, UnicodeDecodeError) as error:
        raise StoreDamagedError(
            f"{engine.url.render_as_string()}: {getattr(error, 'orig', error)}; expected a whole database: restore a copy"
        ) from error


def open_to_read(address: str) -> sa.Engine:
    """Return the database of a store that must be there.

    Raises
    ------
    StoreMismatchError
        There is none, or it is another version's.
    """
    if "://" not in address and not Path(address).is_file():
        raise StoreMismatchError(f"{address}: there is no such file, expected the store of a run; name it with --store")
    return open_database(address)


def _anchor_files(against: Sequence[Path]) -> list[Path]:
    """Files, and those of folders."""
    found: list[Path] = []
    for path in against:
        inside = find_anchor_files(str(path / "store.sqlite")) if path.is_dir() else [path]
        if not inside:
            raise StoreDamagedError(f"{path}: found no heads.jsonl in this folder, expected one; name the file itself")
        found += inside
    return found


def look_at(connection: sa.Connection, files: Sequence[Path]) -> Verification:
    """Return the result of every check on one state of the database; see `verify_store`."""
    noted = journal.noted_head(connection)
    findings = [*event_faults(connection), *_journal_faults(connection)]
    notes = []
    if noted is None:
        notes.append("the store was written before there was a journal: its observation ledger cannot be checked until a run "
                     "has taken it over")  # fmt: skip
    else:
        findings += [*_unnoted_events(connection), *_ledger_faults(connection), *_report_faults(connection)]
    anchors = []
    for path in files:
        read, faults = _compare(connection, path)
        anchors += read
        findings += faults
    notes += _anchor_notes(connection, anchors)
    return Verification(
        tuple(dict.fromkeys(findings)), tuple(notes), _count(connection, t.events), _count(connection, t.ledger),
        _count(connection, t.journal), len(anchors),
    )  # fmt: skip


def _count(connection: sa.Connection, table: sa.Table) -> int:
    """Rows of a table."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() or 0)


# --- inside of the database ------------------------------------------------------------------------------------------


def _journal_faults(connection: sa.Connection) -> Iterator[str]:
    """What is wrong with the chain of the journal and with where it says that it ends."""
    query = sa.select(t.journal).order_by(t.journal.c.seq)
    yield from chain_faults(connection.execute(query).mappings(), "journal entry", journal.HASHED)
    last, has_begun = EMPTY, False
    c = t.journal.c
    for seq, kind, value in connection.execute(sa.select(c.seq, c.kind, c.hash).order_by(c.seq)):
        last = Head(seq, value)
        if kind == EntryKind.ADOPTED and has_begun:
            yield f"journal entry {seq} takes a ledger over though the journal had begun"
        has_begun = has_begun or kind != EntryKind.ADOPTED
    noted = journal.noted_head(connection)
    if noted is None and last != EMPTY:
        yield "the fact that says where the journal ends was removed"
    elif noted is not None and noted.seq > last.seq:
        yield f"the journal ends with entry {last.seq}, expected {noted.seq}: entries were removed at its end"
    elif noted is not None and noted != last:
        yield f"the journal ends with entry {last.seq} and another hash than noted: an entry was rewritten or inserted"


def _unnoted_events(connection: sa.Connection) -> Iterator[str]:
    """Events that the journal does not know, or knows otherwise."""
    c, expected = t.events.c, 1
    for entry, told in _entries(connection, EntryKind.EVENTS):
        first, last, value = int(told["first"]), int(told["last"]), told["hash"]
        if first != expected:
            yield f"journal entry {entry} notes events from {first}, expected from {expected}"
        found = connection.execute(sa.select(c.hash).where(c.seq == last)).scalar()
        if found is None:
            yield f"event {last} was removed: journal entry {entry} notes events {first} to {last}"
        elif found != value:
            yield f"event {last} is not the one that journal entry {entry} notes: one of {first} to {last} was rewritten"
        expected = last + 1
    for seq in connection.execute(sa.select(c.seq).where(c.seq >= expected).order_by(c.seq)).scalars():
        yield f"event {seq} was inserted: no run noted it"


def _report_faults(connection: sa.Connection) -> Iterator[str]:
    """Community reports that are not as the journal notes them."""
    told: dict[str, str] = {}
    for _, noted in _entries(connection, EntryKind.REPORT, EntryKind.REPORT_ERASED):
        if noted["kind"] == EntryKind.REPORT:
            told.update((str(id_), str(value)) for id_, value in noted["taken"])
        else:
            told.pop(str(noted["id"]), None)
    c = t.community_reports.c
    for id_, value, record in connection.execute(sa.select(c.id, c.digest, c.record).order_by(c.id)):
        noted_digest = told.pop(id_, None)
        if noted_digest is None:
            yield f"community report {id_} was inserted, or was erased and is there again: no import noted it"
        elif value != noted_digest or hashlib.sha256(str(record).encode()).hexdigest() != noted_digest:
            yield f"community report {id_} was changed"
    for id_ in sorted(told):
        yield f"community report {id_} was removed: its erasure is not noted"


def _entries(connection: sa.Connection, *kinds: EntryKind, aoi_id: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and payload of entries that can be read; of others the chain says that they were changed."""
    c = t.journal.c
    query = sa.select(c.seq, c.kind, c.payload).where(c.kind.in_([str(k) for k in kinds])).order_by(c.seq)
    if aoi_id is not None:
        query = query.where(c.aoi_id == aoi_id)
    for seq, kind, text in connection.execute(query):
        try:
            payload = json.loads(text)
        except (ValueError, TypeError):
            continue
        if isinstance(payload, dict) and _MEMBERS[kind] <= set(payload):
            yield seq, {**payload, "kind": kind}


def _ledger_faults(connection: sa.Connection) -> Iterator[str]:
    """Rows of the observation ledger that do not follow from the journal."""
    areas: set[Any] = set()
    for table in (t.ledger, t.journal):
        areas.update(connection.execute(sa.select(table.c.aoi_id).distinct()).scalars())
    for aoi_id in sorted(areas, key=repr):  # whatever somebody put there, text or not
        told = _replay(connection, aoi_id)
        for row in held_rows(connection, aoi_id):
            known = told.pop(row.key, None)
            if known is None:
                yield f"{_named(aoi_id, row.key, row.day)} was inserted: no run noted it"
            elif known[1] != row.digest:
                yield f"{_named(aoi_id, row.key, known[0])} was changed"
        for key, (day, _) in sorted(told.items()):
            yield f"{_named(aoi_id, key, day)} was removed"


def _replay(connection: sa.Connection, aoi_id: str) -> Replayed:
    """The rows of an area that the journal leaves, in the order in which they were written."""
    rows: Replayed = {}
    for _, noted in _entries(connection, EntryKind.ADOPTED, EntryKind.OBSERVATIONS, EntryKind.EPOCH, aoi_id=aoi_id):
        if noted["kind"] == EntryKind.EPOCH:
            rows.clear()
            continue
        for chunk, scene, processing_baseline in noted["gone"]:
            rows.pop((chunk, scene, processing_baseline), None)
        for chunk, scene, processing_baseline, day, value in noted["put"]:
            rows[chunk, scene, processing_baseline] = (day, value)
    return rows


def _named(aoi_id: str, key: Key, day: str | None) -> str:
    """A row of the ledger in words."""
    chunk, scene, processing_baseline = key
    made = f" (processing baseline {processing_baseline})" if processing_baseline else ""
    place = f"chunk {chunk}" if chunk else "no chunk"
    return f"observation of area {aoi_id}, {place}, scene {scene}{made}, {day or 'no day'}"


# --- against anchors -------------------------------------------------------------------------------------------------


def _compare(connection: sa.Connection, path: Path) -> tuple[list[Anchor], list[str]]:
    """The anchors of a file, and what the store says otherwise."""
    with path.open("rb") as file:
        is_copy = file.read(len(SQLITE_BEGINS)) == SQLITE_BEGINS
    if is_copy:
        return _compare_copy(connection, path)
    read = read_anchors(path)
    faults = [_first_fault(connection, name, table, read) for name, table in (("events", t.events), ("journal", t.journal))]
    return read, [f for f in faults if f]


def _first_fault(connection: sa.Connection, name: str, table: sa.Table, anchors: Sequence[Anchor]) -> str | None:
    """The first anchor of a file that a chain does not meet, with the rows among which it was rewritten."""
    what = "event" if name == "events" else "journal entry"
    stated = sorted(((a.heads[name], a) for a in anchors if name in a.heads), key=lambda pair: pair[0].seq)
    held = 0
    for head, anchor in stated:
        found = (
            GENESIS if head.seq == 0 else connection.execute(sa.select(table.c.hash).where(table.c.seq == head.seq)).scalar()
        )
        if found == head.hash:
            held = head.seq
            continue
        of = f" of {anchor.as_of}" if anchor.as_of else ""
        if found is None:
            return f"{what} {head.seq} is missing: the anchor{of} ({anchor.where}) has it; the last that it has here is {held}"
        return (
            f"{what} {head.seq} has the hash {found[:12]}, the anchor{of} ({anchor.where}) has {head.hash[:12]}: the chain was "
            f"rewritten from one of {held + 1} to {head.seq} on"
        )
    return None


def _compare_copy(connection: sa.Connection, path: Path) -> tuple[list[Anchor], list[str]]:
    """The heads of a copy of the store, and the first row of each chain that differs."""
    heads, faults = {}, []
    engine = open_database(path)
    with engine.begin() as copy:
        for name, table, what in (("events", t.events, "event"), ("journal", t.journal, "journal entry")):
            query = sa.select(table.c.seq, table.c.hash).order_by(table.c.seq)
            here = {seq: value for seq, value in connection.execute(query)}  # noqa: C416 - rows are no pairs to mypy
            last = EMPTY
            for seq, value in copy.execute(query):
                last = Head(seq, value)
                if here.get(seq) != value:
                    how = "is missing here" if seq not in here else "is another one here"
                    faults.append(f"{what} {seq} of the copy {path} {how}: the chains part there")
                    break
            heads[name] = last
    return [Anchor(str(path), "", heads)], faults


def _anchor_notes(connection: sa.Connection, anchors: Sequence[Anchor]) -> list[str]:
    """What no anchor vouches for."""
    if not anchors:
        return ["no anchor was found: chains that were rewritten as a whole, or cut at their end together, agree with each "
                "other; name a copy of heads.jsonl with --against"]  # fmt: skip
    vouched = max((a.heads["events"].seq for a in anchors if "events" in a.heads), default=0)
    newer = event_head(connection).seq - vouched
    return [f"{newer} events are newer than the newest anchor"] if newer > 0 else []

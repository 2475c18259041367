"""The outbox: what subscribers are to be told, written with the events, kept until delivered or given up with a reason.

A row is one alert revision for one subscriber. Rows that are sent together share a message, whose id is written before the
first try: a crash between sending and its receipt sends the very same message again, under the same idempotency key.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.errors import OutboxUnknownError, StoreBusyError
from pipeline.io import tables as t
from pipeline.io.database import transaction
from pipeline.io.events import Event, event_of
from pipeline.io.journal import now
from pipeline.io.outputs import exclusive
from pipeline.provenance import canonical_json

_LOCK_NUMBER = 0x6F7665726275
"""Number of the advisory lock of deliverers in PostgreSQL."""


class RowState(StrEnum):
    """How far a row is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up; the reason says why, and `retry` takes it up again."""
    WITHHELD = "withheld"
    """The tier of the subscriber may see nothing of it; `retry` asks the policy again."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One revision that one subscriber is to be told."""

    subscriber: str
    alert_id: str
    revision: int
    content_digest: str
    why: tuple[str, ...]
    told: Mapping[str, object]
    """What the subscriber then knows, plain JSON."""
    void_of: int | None = None
    """Event of an earlier epoch that is not said any more; None: the revision of the present epoch is told."""


@dataclass(frozen=True, slots=True)
class LastTold:
    """What a subscriber was last told of an alert."""

    alert_id: str
    revision: int
    event_seq: int
    content_digest: str
    is_void: bool
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the outbox."""

    id: int
    subscriber: str
    key: str
    """Idempotency key: alert id and revision."""
    token: str
    """Key that says nothing of the alert, for tiers whose readers do not hold exact places."""
    aoi_id: str
    alert_id: str
    revision: int
    event_seq: int
    day: date
    why: tuple[str, ...]
    is_void: bool
    queued_at: datetime
    state: RowState
    message: str | None
    attempts: int
    next_attempt_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """One try to deliver a message."""

    message: str
    subscriber: str
    channel: str
    attempted_at: datetime
    outcome: str
    answer: str
    sha256: str
    rows: int


def key_of(alert_id: str, revision: int, epoch: int, *, is_void: bool = False) -> str:
    """Return the idempotency key of a revision; one of a later epoch says another thing and has another key.

    Examples
    --------
    >>> key_of("a1", 3, 1), key_of("a1", 3, 2), key_of("a1", 3, 2, is_void=True)
    ('a1-r3', 'a1-r3-e2', 'a1-r3-e2-void')
    """
    return f"{alert_id}-r{revision}" + (f"-e{epoch}" if epoch > 1 else "") + ("-void" if is_void else "")


def enqueue(connection: sa.Connection, aoi_id: str, day: date, epoch: int, notices: Iterable[Notice]) -> int:
    """Write notices in the transaction of the events that they tell; returns how many were not held already."""
    written = 0
    for notice in notices:
        row = _new_row(notice, aoi_id, day, epoch)
        where = (t.outbox.c.subscriber == notice.subscriber, t.outbox.c.key == row["key"])
        if connection.execute(sa.select(t.outbox.c.id).where(*where)).first() is None:
            seq = notice.void_of if notice.void_of is not None else _event_seq(connection, aoi_id, epoch, notice)
            connection.execute(t.outbox.insert().values(**row, event_seq=seq))
            written += 1
    return written


def _new_row(notice: Notice, aoi_id: str, day: date, epoch: int) -> dict[str, object]:
    """A notice as a row, without its event."""
    is_void = notice.void_of is not None
    return {
        "subscriber": notice.subscriber,
        "key": key_of(notice.alert_id, notice.revision, epoch, is_void=is_void),
        "token": uuid.uuid4().hex,
        "aoi_id": aoi_id,
        "alert_id": notice.alert_id,
        "revision": notice.revision,
        "epoch": epoch,
        "day": day.isoformat(),
        "content_digest": notice.content_digest,
        "why": canonical_json(list(notice.why)),
        "told": canonical_json(notice.told),
        "is_void": int(is_void),
        "queued_at": now().isoformat(timespec="seconds"),
        "state": str(RowState.PENDING),
        "attempts": 0,
        "reason": "",
    }


def _event_seq(connection: sa.Connection, aoi_id: str, epoch: int, notice: Notice) -> int:
    """The event of the present epoch that a notice tells."""
    c = t.events.c
    found = connection.execute(
        sa.select(c.seq).where(
            c.aoi_id == aoi_id, c.epoch == epoch, c.alert_id == notice.alert_id, c.revision == notice.revision
        )
    )
    return int(found.scalar_one())


def last_told(engine: sa.Engine, aoi_id: str) -> dict[tuple[str, str], LastTold]:
    """Return what each subscriber was last told of each alert of an area, by subscriber and alert id."""
    c = t.outbox.c
    last = sa.select(sa.func.max(c.id)).where(c.aoi_id == aoi_id).group_by(c.subscriber, c.alert_id)
    with transaction(engine) as connection:
        rows = connection.execute(sa.select(t.outbox).where(c.id.in_(last))).mappings().all()
    return {
        (r["subscriber"], r["alert_id"]): LastTold(
            r["alert_id"], r["revision"], r["event_seq"], r["content_digest"], bool(r["is_void"]), json.loads(r["told"])
        )
        for r in rows
    }


def told_until(engine: sa.Engine, aoi_id: str, epoch: int) -> date | None:
    """Return the last day of which earlier epochs of an area spoke; None where there are none."""
    c = t.events.c
    with transaction(engine) as connection:
        day = connection.execute(sa.select(sa.func.max(c.day)).where(c.aoi_id == aoi_id, c.epoch < epoch)).scalar()
    return date.fromisoformat(day) if day else None


@contextmanager
def sole_deliverer(engine: sa.Engine) -> Iterator[None]:
    """Hold the lock of deliverers of a store; the system or the server lets go of it when the process dies.

    Raises
    ------
    StoreBusyError
        Another deliverer holds it.
    """
    if engine.dialect.name != "postgresql":
        with exclusive(Path(f"{engine.url.database}.deliver.lock"), "delivery of this store"):
            yield
        return
    with engine.connect() as connection:
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(_LOCK_NUMBER))).scalar():
            raise StoreBusyError("the store's database: another deliverer is at work; wait until it ends, then run again")
        connection.commit()
        yield


class Outbox:
    """The rows and receipts of a store."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def rows(self, *, state: RowState | None = None, message: str | None = None, subscriber: str | None = None) -> list[Row]:
        """Return rows in the order in which they were written."""
        c, query = t.outbox.c, sa.select(t.outbox).order_by(t.outbox.c.id)
        asked = ((c.state, state), (c.message, message), (c.subscriber, subscriber))
        for column, wanted in asked:
            if wanted is not None:
                query = query.where(column == str(wanted))
        with transaction(self._engine) as connection:
            return [_row(r) for r in connection.execute(query).mappings()]

    def counts(self) -> dict[RowState, int]:
        """Return the number of rows in each state."""
        query = sa.select(t.outbox.c.state, sa.func.count()).group_by(t.outbox.c.state)
        with transaction(self._engine) as connection:
            found = {RowState(state): int(number) for state, number in connection.execute(query)}
        return {state: found.get(state, 0) for state in RowState}

    def unbundled(self) -> list[Row]:
        """Return the rows that belong to no message yet."""
        query = sa.select(t.outbox).where(t.outbox.c.state == str(RowState.PENDING), t.outbox.c.message.is_(None))
        with transaction(self._engine) as connection:
            return [_row(r) for r in connection.execute(query.order_by(t.outbox.c.id)).mappings()]

    def last_bundled_on(self, subscriber: str) -> date | None:
        """Return the last day on which a message was made for a subscriber."""
        query = sa.select(sa.func.max(t.outbox.c.bundled_on)).where(t.outbox.c.subscriber == subscriber)
        with transaction(self._engine) as connection:
            day = connection.execute(query).scalar()
        return date.fromisoformat(day) if day else None

    def bundle(self, rows: Sequence[Row], message: str, on: date) -> None:
        """Make one message of rows, for good."""
        ids = [r.id for r in rows]
        with transaction(self._engine) as connection:
            where = (t.outbox.c.id.in_(ids), t.outbox.c.message.is_(None))
            connection.execute(t.outbox.update().where(*where).values(message=message, bundled_on=on.isoformat()))

    def due(self, at: datetime) -> list[list[Row]]:
        """Return the rows of each message whose next try has come, first written first; a message has one subscriber."""
        messages: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows(state=RowState.PENDING):
            if row.message is not None and (row.next_attempt_at is None or row.next_attempt_at <= at):
                messages.setdefault((row.subscriber, row.message), []).append(row)
        return list(messages.values())

    def events(self, rows: Iterable[Row]) -> dict[int, Event]:
        """Return the events that rows tell, by number."""
        seqs = sorted({r.event_seq for r in rows})
        with transaction(self._engine) as connection:
            found = connection.execute(sa.select(t.events).where(t.events.c.seq.in_(seqs))).mappings()
            return {r["seq"]: event_of(r) for r in found}

    def record(self, receipt: Receipt, state: RowState, *, attempts: int, next_attempt_at: datetime | None = None) -> None:
        """Write what became of a try: its receipt and the state of its rows, in one transaction."""
        plain = {
            "message": receipt.message, "subscriber": receipt.subscriber, "channel": receipt.channel,
            "attempted_at": receipt.attempted_at.isoformat(), "outcome": receipt.outcome, "answer": receipt.answer,
            "sha256": receipt.sha256, "rows": receipt.rows,
        }  # fmt: skip
        values = {
            "state": str(state), "attempts": attempts, "reason": "" if state is RowState.DELIVERED else receipt.answer,
            "next_attempt_at": next_attempt_at.isoformat() if next_attempt_at else None,
        }  # fmt: skip
        with transaction(self._engine) as connection:
            connection.execute(t.receipts.insert().values(**plain))
            connection.execute(
                t.outbox.update()
                .where(t.outbox.c.message == receipt.message, t.outbox.c.subscriber == receipt.subscriber)
                .values(**values)
            )

    def receipts(self, message: str | None = None) -> list[Receipt]:
        """Return receipts in order."""
        query = sa.select(t.receipts).order_by(t.receipts.c.id)
        if message is not None:
            query = query.where(t.receipts.c.message == message)
        with transaction(self._engine) as connection:
            return [_receipt(r) for r in connection.execute(query).mappings()]

    def message_of(self, text: str) -> str:
        """Return the message whose id is or begins with a text, or that holds the row of a key.

        Raises
        ------
        OutboxUnknownError
            None does, or more than one.
        """
        c = t.outbox.c
        query = (
            sa.select(c.message)
            .distinct()
            .where(c.message.is_not(None), c.message.startswith(text, autoescape=True) | (c.key == text))
        )
        with transaction(self._engine) as connection:
            found = sorted(connection.execute(query).scalars().all())
        found = [text] if text in found else found
        if len(found) != 1:
            raise OutboxUnknownError(f"found {len(found)} messages for {text!r}, expected one; see `overburden outbox list`")
        return str(found[0])

    def retry(self, message: str | None = None) -> int:
        """Take up again what was given up, one message or all, and wait no longer for what is pending; returns the rows."""
        where = [t.outbox.c.state != str(RowState.DELIVERED), t.outbox.c.message.is_not(None)]
        if message is not None:
            where.append(t.outbox.c.message == message)
        with transaction(self._engine) as connection:
            done = connection.execute(
                t.outbox.update().where(*where).values(state=str(RowState.PENDING), attempts=0, next_attempt_at=None)
            )
        return int(done.rowcount)


def _row(r: sa.RowMapping) -> Row:
    """A row of the table."""
    wait = r["next_attempt_at"]
    return Row(
        r["id"], r["subscriber"], r["key"], r["token"], r["aoi_id"], r["alert_id"], r["revision"], r["event_seq"],
        date.fromisoformat(r["day"]), tuple(json.loads(r["why"])), bool(r["is_void"]), datetime.fromisoformat(r["queued_at"]),
        RowState(r["state"]), r["message"], r["attempts"], datetime.fromisoformat(wait) if wait else None, r["reason"],
    )  # fmt: skip


def _receipt(r: sa.RowMapping) -> Receipt:
    """A receipt of the table."""
    plain = {name: value for name, value in r.items() if name != "id"}
    return Receipt(**{**plain, "attempted_at": datetime.fromisoformat(r["attempted_at"])})

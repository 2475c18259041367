"""Delivery: bundle what is pending, send what is due, write what came of it."""

import hashlib
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pipeline.config import RunConfig
from pipeline.errors import DeliveryFailedError, DeliveryRefusedError, PipelineError
from pipeline.io.channels import Limits, Parcel, send
from pipeline.io.outbox import Outbox, Receipt, Row, RowState, sole_deliverer
from pipeline.io.store import Store, open_store
from pipeline.io.subscriptions import load_subscriptions
from pipeline.io.web import Patience, wait_s
from pipeline.stages.messages import Message, build, message_key, parcel_of
from pipeline.stages.tiers import Tiers, tiers_of
from pipeline.subscriptions import Subscription

LOG = logging.getLogger(__name__)
PATIENCE = Patience(attempts=14, first_wait_s=60.0, longest_wait_s=6 * 3600.0)
"""Fourteen tries in about a day: longer than a night's outage, shorter than a forgotten server."""
LONGEST_ASKED_S = 24 * 3600.0
"""No `Retry-After` is obeyed for longer."""
ORPHAN_DAYS = 30
"""Rows of a subscriber who is not in the file wait for this long."""


@dataclass(frozen=True)
class Delivery:
    """With what a deliverer works."""

    store: Store
    subscriptions: Sequence[Subscription]
    environment: Mapping[str, str]
    tiers: Tiers = field(default_factory=Tiers)
    patience: Patience = PATIENCE
    limits: Limits = field(default_factory=Limits)
    quiet_s: float = 0.0
    """A digest waits until nothing was added for this long: a night with many areas is one message."""


def delivery_of(config: RunConfig, environment: Mapping[str, str], *, quiet_s: float = 0.0) -> Delivery:
    """Return what a deliverer works with by a configuration.

    Raises
    ------
    SubscriptionsInvalidError, SharingPolicyError
        The file of subscriptions, or the sharing policy, cannot be used.
    """
    subscriptions = load_subscriptions(config.subscriptions)
    return Delivery(open_store(config.store_address()), subscriptions, environment, tiers_of(config), quiet_s=quiet_s)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one try, or why there was none."""

    message: str
    subscriber: str
    rows: int
    outcome: str
    """`delivered`, `waits`, `dead`, `withheld`, or `stopped`: the subscription cannot be served as it is; nothing was tried."""
    answer: str


def deliver(work: Delivery, at: datetime) -> list[Sent]:
    """Return what came of every message that is due at an instant.

    At least once: a message is marked delivered after the receiver took it, and a kill in between has the same message sent
    again under the same key.

    Raises
    ------
    StoreBusyError
        Another deliverer is at work on the store.
    """
    outbox, by_name = Outbox(work.store.engine), {s.name: s for s in work.subscriptions}
    with sole_deliverer(work.store.engine):
        for subscription in work.subscriptions:
            _bundle(work, outbox, subscription, at)
        _bury_orphans(outbox, by_name, at)
        return list(_send_due(work, outbox, by_name, at))


def _bundle(work: Delivery, outbox: Outbox, subscription: Subscription, at: datetime) -> None:
    """Make messages of a subscriber's rows whose delay is over: one for each, or one digest a night."""
    today, is_exact = at.astimezone(UTC).date(), subscription.tier in work.tiers.exact
    told_until = today - timedelta(days=work.tiers.delays.get(subscription.tier, 0))
    rows = [r for r in outbox.unbundled() if r.subscriber == subscription.name and r.day <= told_until]
    if not rows:
        return
    if not subscription.digest:
        for row in rows:
            outbox.bundle([row], message_key(subscription, [row], today, is_exact=is_exact), today)
        return
    last = outbox.last_bundled_on(subscription.name)
    is_quiet = work.quiet_s <= 0 or (at - max(r.queued_at for r in rows)).total_seconds() >= work.quiet_s
    if is_quiet and (last is None or last < today):
        outbox.bundle(rows, message_key(subscription, rows, today, is_exact=is_exact), today)


def _bury_orphans(outbox: Outbox, by_name: Mapping[str, Subscription], at: datetime) -> None:
    """Give up rows that have long waited for a subscriber who is not in the file.

    Not at once: another configuration with a file of its own may share the store and deliver them.
    """
    gone = sorted({r.subscriber for r in outbox.rows(state=RowState.PENDING)} - set(by_name))
    for name in gone:
        held = outbox.rows(state=RowState.PENDING, subscriber=name)
        reason = "there is no such subscription in the file"
        LOG.warning("%s: %s; %d rows wait for %d days and are then given up", name, reason, len(held), ORPHAN_DAYS)
        if at - max(r.queued_at for r in held) < timedelta(days=ORPHAN_DAYS):
            continue
        rows = [r for r in held if r.message is None]
        if rows:
            outbox.bundle(rows, f"unsent-{rows[0].token}", at.astimezone(UTC).date())
        for row in {r.message: r for r in outbox.rows(state=RowState.PENDING, subscriber=name)}.values():
            receipt = Receipt(str(row.message), name, "none", at, "dead", reason, "", 0)
            outbox.record(receipt, RowState.DEAD, attempts=row.attempts)


def _send_due(work: Delivery, outbox: Outbox, by_name: Mapping[str, Subscription], at: datetime) -> Iterator[Sent]:
    """Send each message whose time has come, the first written first."""
    for rows in (due for due in outbox.due(at) if due[0].subscriber in by_name):
        subscription = by_name[rows[0].subscriber]
        try:
            yield _send(work, outbox, subscription, rows, at)
        except PipelineError as error:  # a secret, library or policy is missing: the operator mends it, no try is used up
            LOG.warning("%s: %s: %s", subscription.name, type(error).__name__, error)
            yield Sent(str(rows[0].message), subscription.name, len(rows), "stopped", f"{type(error).__name__}: {error}")


def _send(work: Delivery, outbox: Outbox, subscription: Subscription, rows: Sequence[Row], at: datetime) -> Sent:
    """Send one message once and write what came of it."""
    message = build(subscription, rows, outbox.events(rows), work.tiers.prepare)
    attempts = rows[0].attempts + 1
    parcel = parcel_of(message, at, is_exact=subscription.tier in work.tiers.exact)
    tried = _try(work, message, parcel, attempts)
    next_at = at + timedelta(seconds=tried.wait_s) if tried.wait_s is not None else None
    digest = hashlib.sha256(parcel.body).hexdigest()
    outcome = _OUTCOMES[tried.state]
    receipt = Receipt(message.key, subscription.name, subscription.channel.kind, at, outcome, tried.answer, digest, len(rows))
    outbox.record(receipt, tried.state, attempts=attempts, next_attempt_at=next_at)
    level = logging.INFO if tried.state is RowState.DELIVERED else logging.WARNING
    LOG.log(level, "%s: message %s: %s, %s", subscription.name, message.key, outcome, tried.answer)
    return Sent(message.key, subscription.name, len(rows), outcome, tried.answer)


_OUTCOMES = {
    RowState.DELIVERED: "delivered", RowState.DEAD: "dead", RowState.PENDING: "waits", RowState.WITHHELD: "withheld",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tried:
    """What one try gives."""

    state: RowState
    answer: str
    wait_s: float | None = None
    """Seconds until the next try."""


def _try(work: Delivery, message: Message, parcel: Parcel, attempts: int) -> _Tried:
    """Try to send a message, for the `attempts`th time."""
    subscription = message.subscription
    if not message.features:
        return _Tried(RowState.WITHHELD, f"nothing of it may be shared on tier {subscription.tier}")
    held_back = f"; {message.withheld} of {len(message.rows)} withheld on tier {subscription.tier}" if message.withheld else ""
    try:
        return _Tried(RowState.DELIVERED, send(subscription.channel, parcel, work.environment, work.limits) + held_back)
    except DeliveryRefusedError as error:
        return _Tried(RowState.DEAD, f"{type(error).__name__}: {error}")
    except DeliveryFailedError as error:
        if attempts >= work.patience.attempts:
            return _Tried(RowState.DEAD, f"{error}; given up after {attempts} tries")
        asked = min(error.wait_s, LONGEST_ASKED_S) if error.wait_s is not None else None
        return _Tried(RowState.PENDING, str(error), wait_s(attempts, asked, work.patience, random.random()))  # noqa: S311 - jitter

"""The commands `overburden deliver` and `overburden outbox`: send what is due, and see what became of it."""

import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.io.outbox import Outbox
    from pipeline.stages.deliver import Sent

app = typer.Typer(no_args_is_help=True, help="Outbox: what subscribers are to be told, and what became of it.")

Config = Annotated[Path, typer.Option("--config", help="YAML configuration of the run.")]
Store = Annotated[str, typer.Option("--store", help="SQLite file or database URL of a run.")]
LOOK_S = 60.0
"""Seconds between two looks at the outbox."""
QUIET_S = 900.0
"""A digest waits until nothing was added for this long, where the command goes on."""


def deliver(
    config: Config,
    once: Annotated[bool, typer.Option("--once", help="Send what is due and stop; else go on until stopped.")] = False,
    now: Annotated[
        Optional[datetime],  # noqa: UP045 - typer reads it
        typer.Option("--now", formats=["%Y-%m-%dT%H:%M:%SZ"], help="Take this for the present instant (UTC); for tests."),
    ] = None,
) -> None:
    """Send to subscribers what is due: at least once, each message under one idempotency key."""
    from pipeline.config import load_config
    from pipeline.stages.deliver import deliver as send_due
    from pipeline.stages.deliver import delivery_of

    if once or now is not None:
        at = now.replace(tzinfo=UTC) if now is not None else datetime.now(UTC)
        raise typer.Exit(_tell(send_due(delivery_of(load_config(config), os.environ), at)))
    while True:  # the file is read anew each time: whoever is added to it is served
        try:
            _tell(send_due(delivery_of(load_config(config), os.environ, quiet_s=QUIET_S), datetime.now(UTC)))
        except PipelineError as error:
            print(f"{type(error).__name__}: {error}; looking again in {LOOK_S:g} s", file=sys.stderr)
        time.sleep(LOOK_S)


def _tell(sent: Sequence["Sent"]) -> int:
    """Print what came of each message; the exit code: 1 where one is dead or could not be tried."""
    for one in sent:
        print(f"{one.outcome:9}  {one.subscriber}  {one.message}  {one.rows} rows  {one.answer}")
    return 1 if any(one.outcome in {"dead", "stopped"} for one in sent) else 0


def _outbox(store: str) -> "Outbox":
    """The outbox of a store."""
    from pipeline.io.outbox import Outbox
    from pipeline.io.store import open_store

    return Outbox(open_store(store).engine)


@app.command("list")
def list_rows(
    store: Store = "store.sqlite",
    state: Annotated[Optional[str], typer.Option(help="Only rows that are pending, delivered, dead or withheld.")] = None,  # noqa: UP045
    subscriber: Annotated[Optional[str], typer.Option(help="Only this subscriber.")] = None,  # noqa: UP045
) -> None:
    """List the rows of the outbox: one for each alert revision and subscriber."""
    from pipeline.io.outbox import RowState
    from pipeline.io.outputs import print_columns

    if state is not None and state not in set(RowState):
        raise typer.BadParameter(f"state: found {state}, expected one of {', '.join(RowState)}")
    outbox = _outbox(store)
    head = ("subscriber", "key", "day", "state", "attempts", "next try", "message", "why or reason")
    rows = [
        (r.subscriber, r.key, str(r.day), str(r.state), str(r.attempts),
         f"{r.next_attempt_at:%Y-%m-%dT%H:%M:%SZ}" if r.next_attempt_at else "-", r.message or "-",
         r.reason or "; ".join(r.why))
        for r in outbox.rows(state=RowState(state) if state else None, subscriber=subscriber)
    ]  # fmt: skip
    print_columns([head, *rows], print)
    print(", ".join(f"{number} {name}" for name, number in outbox.counts().items()))


@app.command("show")
def show(
    message: Annotated[str, typer.Argument(help="Message: the beginning of its id, or the key of a row in it.")],
    store: Store = "store.sqlite",
) -> None:
    """Print a message's rows and every try to deliver it."""
    outbox = _outbox(store)
    found = outbox.message_of(message)
    print(f"message {found}")
    for row in outbox.rows(message=found):
        print(
            f"  {row.subscriber}: alert {row.alert_id} revision {row.revision} of {row.day}, {row.state}: {'; '.join(row.why)}"
        )
    for r in outbox.receipts(found):
        tried = f"{r.attempted_at:%Y-%m-%dT%H:%M:%SZ}  {r.subscriber}  {r.channel}  {r.outcome}"
        print(f"  {tried}  {r.answer}  sha256 {r.sha256 or '-'}")


@app.command("retry")
def retry(
    message: Annotated[Optional[str], typer.Argument(help="Message: the beginning of its id; without it, all.")] = None,  # noqa: UP045
    store: Store = "store.sqlite",
) -> None:
    """Take up again what was given up, under the same idempotency keys; the next `overburden deliver` sends it."""
    outbox = _outbox(store)
    number = outbox.retry(outbox.message_of(message) if message is not None else None)
    print(f"{number} rows are due")

"""The commands `overburden review`: what people say of alerts, what awaits them, and what it teaches."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from pipeline.io.events import Event
    from pipeline.reviews import Review, Standing, Verdict
    from pipeline.stages.reviews import Desk

app = typer.Typer(no_args_is_help=True, help="Review: what people say of alerts, in the store and never changed after.")

DEFAULT_STORE = "store.sqlite"
RESTRICTED = "RESTRICTED: names and notes of reviewers are personal data; do not pass this on"

Store = Annotated[str, typer.Option("--store", help="SQLite file or database URL of a run.")]
Id = Annotated[str, typer.Argument(help="Alert or site: its id, or at least the first six letters of it.")]
By = Annotated[str, typer.Option("--by", help="Name of the person who says it; it stays in the store.")]
Reason = Annotated[str, typer.Option("--reason", help="Code of the reason; `overburden review reasons` lists them.")]
Note = Annotated[str, typer.Option("--note", help="In words, for those who may see it; it stays in the store.")]
Revision = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--revision", help="The revision that was looked at; refused where the alert tells another one by now."),
]
Aoi = Annotated[Optional[str], typer.Option("--aoi", help="Only this area, by its id.")]  # noqa: UP045


def _desk(store: str) -> "Desk":
    """The store as reviewers see it."""
    from pipeline.io.history import History
    from pipeline.io.reviews import ReviewLog
    from pipeline.io.verification import open_to_read
    from pipeline.stages.reviews import Desk

    engine = open_to_read(store)
    return Desk(History(engine), ReviewLog(engine))


@app.command("accept")
def accept(id_: Id, reason: Reason, by: By, note: Note = "", revision: Revision = None, store: Store = DEFAULT_STORE) -> None:
    """Say that an alert is what it is taken for."""
    from pipeline.reviews import Verdict

    _give(id_, Verdict.ACCEPTED, (reason, by, note, revision), store)


@app.command("reject")
def reject(id_: Id, reason: Reason, by: By, note: Note = "", revision: Revision = None, store: Store = DEFAULT_STORE) -> None:
    """Say that an alert is something else, or nothing."""
    from pipeline.reviews import Verdict

    _give(id_, Verdict.REJECTED, (reason, by, note, revision), store)


@app.command("inconclusive")
def inconclusive(
    id_: Id, reason: Reason, by: By, note: Note = "", revision: Revision = None, store: Store = DEFAULT_STORE
) -> None:
    """Say that it cannot be told what an alert is."""
    from pipeline.reviews import Verdict

    _give(id_, Verdict.INCONCLUSIVE, (reason, by, note, revision), store)


def _give(id_: str, verdict: "Verdict", facts: tuple[str, str, str, int | None], store: str) -> None:
    """Add a verdict and say what stands."""
    from pipeline.stages.reviews import Given, give

    said, stands, is_new = give(_desk(store), id_, verdict, Given(*facts))
    was = "noted" if is_new else "on record already, nothing is added"
    print(f"alert {said.alert_id}, revision {said.revision}: {said.verdict} ({said.reason}) {was}; it stands {stands.words}")


@app.command("withdraw")
def withdraw_verdict(id_: Id, by: By, note: Note = "", store: Store = DEFAULT_STORE) -> None:
    """Take your last verdict on an alert back; it stays on record, and counts no more."""
    from pipeline.stages.reviews import withdraw

    said = withdraw(_desk(store), id_, by, note)
    print(f"alert {said.alert_id}, revision {said.revision}: {said.verdict} ({said.reason}) withdrawn")


@app.command("list")
def list_reviews(
    store: Store = DEFAULT_STORE,
    aoi: Aoi = None,
    csv: Annotated[Optional[Path], typer.Option(help="Write the table to this file too, with full ids and notes.")] = None,  # noqa: UP045
) -> None:
    """List the reviewed alerts with who said what; a verdict that awaits a second one is held back. Restricted."""
    from pipeline.io.outputs import csv_text, print_columns, write_whole
    from pipeline.stages.reviews import standings, untold

    head = ("site_id", "aoi_id", "stands", "revision", "verdict", "reason", "reviewer", "given_at")
    full: list[list[object]] = []
    desk = _desk(store)
    found = standings(desk, aoi)
    for event, stands, given in found:
        full += [[event.alert_id, *_review_row(event, stands, said), said.note] for said in given]
        if not given:
            full.append([event.alert_id, *_review_row(event, stands, None), ""])
    print(RESTRICTED, file=sys.stderr)
    print_columns([head, *([str(row[1])[:8], *map(str, row[2:-1])] for row in full)], print)
    print(f"{len(found)} reviewed alerts", file=sys.stderr)
    if gone := untold(desk, aoi):
        print(f"{gone} more were reviewed and are not in the present telling; see `overburden alerts history`", file=sys.stderr)
    if csv is not None:
        write_whole(csv, csv_text(("alert_id", *head, "note"), full), mode=0o600)


def _review_row(event: "Event", stands: "Standing", said: "Review | None") -> list[str]:
    """A verdict, or that it is held back, as a row."""
    told = [event.site_id, event.aoi_id, stands.words]
    if said is None:
        return [*told, "-", "held back", "-", "-", "-"]
    instant = f"{said.given_at:%Y-%m-%dT%H:%M:%SZ}"
    return [*told, str(said.revision), str(said.verdict), said.reason, said.reviewer, instant]


@app.command("next")
def next_alerts(by: By, store: Store = DEFAULT_STORE, aoi: Aoi = None) -> None:
    """List what awaits your verdict, most priority first; what others said of it is not told."""
    from pipeline.io.outputs import print_columns
    from pipeline.stages.reviews import waiting

    names = ("state", "likely_cause", "area_ha", "first_detected_on", "tenure_status", "priority")
    found = waiting(_desk(store), by, aoi)
    rows = [
        (event.site_id[:8], event.aoi_id, turn, str(event.revision), *(str(event.payload["properties"][n]) for n in names))
        for event, turn in found
    ]
    print_columns([("site_id", "aoi_id", "review", "revision", *names), *rows], print)
    print(f"{len(found)} alerts await your verdict", file=sys.stderr)


@app.command("reasons")
def reasons() -> None:
    """List the codes of reasons, and the verdicts that each one can be given for."""
    from pipeline.io.outputs import print_columns
    from pipeline.reviews import REASONS

    rows = [(r.code, ", ".join(r.verdicts), r.words) for r in REASONS]
    print_columns([("reason", "for", "meaning"), *rows], print)


@app.command("labels")
def export_labels(
    out: Annotated[Path, typer.Option(help="Folder in which labels.geojson and labels.csv are written.")],
    on: Annotated[
        Optional[datetime],  # noqa: UP045
        typer.Option("--on", formats=["%Y-%m-%d"], help="Verdicts given by the end of this day (UTC); by default all."),
    ] = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Write what the verdicts teach as training data: outlines, dates, labels and reasons, no names, no notes."""
    from pipeline.io.outputs import write_whole
    from pipeline.stages.reviews import labels_of

    day: date | None = on.date() if on else None
    made = labels_of(_desk(store), day)
    write_whole(out / "labels.geojson", made.geojson)
    write_whole(out / "labels.csv", made.csv)
    print(f"{out}: {made.count} labels")
    for why, count in made.left_out.items():
        print(f"  {count} reviewed revisions give no label: {why}")

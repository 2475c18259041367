"""The commands `overburden alerts`: what was said, on which day, and how it changed."""

import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from pipeline.io.history import History
    from pipeline.stages.history import Said

app = typer.Typer(no_args_is_help=True, help="Alerts: what was said on a day, and every revision.")

DEFAULT_STORE = "store.sqlite"
COLUMNS = ("site_id", "aoi_id", "state", "activity", "likely_cause", "area_ha", "first_detected_on", "confirmed_on",
           "tenure_status", "uncovered_ha", "mining_probability", "priority", "revision", "evaluated_on")  # fmt: skip

Store = Annotated[str, typer.Option("--store", help="SQLite file or database URL of a run.")]
Csv = Annotated[Optional[Path], typer.Option("--csv", help="Write the table to this file too, with full ids.")]  # noqa: UP045
On = Annotated[
    Optional[datetime],  # noqa: UP045
    typer.Option("--on", formats=["%Y-%m-%d"], help="As it stood at the end of this day; by default the latest."),
]
ToldBy = Annotated[
    Optional[datetime],  # noqa: UP045
    typer.Option("--told-by", formats=["%Y-%m-%d"], help="By what had been told by the end of this day (UTC), before late "
                 "scenes told the history again."),
]  # fmt: skip
Id = Annotated[str, typer.Argument(help="Alert or site: its id, or at least the first six letters of it.")]


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _areas(book: "History", aoi: str | None) -> list[str]:
    """The area that is asked for, or all."""
    return [book.check_area(aoi)] if aoi is not None else book.areas()


@app.command("list")
def list_alerts(
    store: Store = DEFAULT_STORE,
    aoi: Annotated[Optional[str], typer.Option(help="Only this area, by its id.")] = None,  # noqa: UP045
    on: On = None,
    told_by: ToldBy = None,
    state: Annotated[Optional[list[str]], typer.Option(help="Only this state; may be given again.")] = None,  # noqa: UP045
    cause: Annotated[Optional[list[str]], typer.Option(help="Only this likely cause; may be given again.")] = None,  # noqa: UP045
    status: Annotated[Optional[list[str]], typer.Option(help="Only this tenure status; may be given again.")] = None,  # noqa: UP045
    csv: Csv = None,
) -> None:
    """List the alerts as they stood at the end of a day, most priority first."""
    from pipeline.io.history import open_history
    from pipeline.stages.history import said_on

    wanted = {"state": state, "likely_cause": cause, "tenure_status": status}
    _check_choices(wanted)
    book, found = open_history(store), []
    for aoi_id in _areas(book, aoi):
        said = said_on(book, aoi_id, _day(on), _day(told_by))
        if said is None:
            print(f"{aoi_id}: no night is on record as told by {_day(told_by)}", file=sys.stderr)
        found += said or []
    kept = [s for s in found if all(not some or s.value(name) in some for name, some in wanted.items())]
    kept.sort(key=lambda s: (-float(str(s.value("priority"))), str(s.value("site_id"))))
    _print_alerts(kept, csv)
    print(f"{len(kept)} of {len(found)} alerts", file=sys.stderr)


def _check_choices(wanted: dict[str, list[str] | None]) -> None:
    """Refuse a state, cause or status that does not exist, rather than find nothing."""
    from pipeline.alerts import ALERT_PROPERTIES

    choices = {p.name: p.choices for p in ALERT_PROPERTIES}
    for name, some in wanted.items():
        wrong = sorted(set(some or ()) - set(choices[name]))
        if wrong:
            raise typer.BadParameter(f"{name}: found {', '.join(wrong)}, expected one of {', '.join(choices[name])}")


def _print_alerts(some: Sequence["Said"], csv: Path | None) -> None:
    """Print a table with short ids, and write it with full ones as CSV."""
    from pipeline.io.outputs import csv_text, print_columns, write_whole

    rows = [[said.value(name) for name in COLUMNS] for said in some]
    print_columns([COLUMNS, *([_cell(name, value) for name, value in zip(COLUMNS, row, strict=True)] for row in rows)], print)
    if csv is not None:
        full = ([s.event.alert_id, *row, s.event.hash] for s, row in zip(some, rows, strict=True))
        write_whole(csv, csv_text(("alert_id", *COLUMNS, "event_hash"), full))


def _cell(name: str, value: object) -> str:
    """A value of the printed table."""
    if value is None:
        return "-"
    if name == "site_id":
        return str(value)[:8]
    return f"{value:.2f}" if isinstance(value, float) else str(value)


@app.command("show")
def show(id_: Id, store: Store = DEFAULT_STORE, on: On = None, told_by: ToldBy = None) -> None:
    """Print the full record of an alert, and what the ledger has of the time in which the change began."""
    from pipeline.io.history import open_history
    from pipeline.stages.history import onset_line, record_lines, said_of

    book = open_history(store)
    said = said_of(book, id_, _day(on), _day(told_by))
    for line in record_lines(said):
        print(line)
    print(onset_line(book, said))
    noted = book.instants().of(said.event.seq)
    written = f"written at {noted:%Y-%m-%dT%H:%M:%SZ}" if noted else "its instant is not on record"
    print(f"Event {said.event.seq}, epoch {said.event.epoch}, {written}, hash {said.event.hash}")


@app.command("history")
def history(id_: Id, store: Store = DEFAULT_STORE, csv: Csv = None) -> None:
    """Print every revision of an alert in order: its day, what changed from the one before, and its hash."""
    from pipeline.io.history import open_history
    from pipeline.io.outputs import csv_text, write_whole
    from pipeline.stages.history import revisions_of

    revisions = revisions_of(open_history(store), id_)
    print(f"site {revisions[0].event.site_id}, alert {revisions[0].event.alert_id}, area {revisions[0].event.aoi_id}")
    for told in revisions:
        event = told.event
        print(f"{event.day}  revision {event.revision}, epoch {event.epoch}, written {told.written_at}, hash {event.hash}")
        for words in told.words:
            print(f"    {words}")
    if csv is not None:
        rows = [
            [r.event.day, r.event.revision, r.event.epoch, r.written_at, "; ".join(r.words), r.event.seq, r.event.hash]
            for r in revisions
        ]
        write_whole(csv, csv_text(("day", "revision", "epoch", "written_at", "what_changed", "event", "event_hash"), rows))


@app.command("export")
def export_file(
    on: Annotated[datetime, typer.Option("--on", formats=["%Y-%m-%d"], help="The day that the file speaks for.")],
    out: Annotated[Path, typer.Option(help="GeoJSON file to write.")],
    store: Store = DEFAULT_STORE,
    aoi: Annotated[Optional[str], typer.Option(help="Area; needed where the store has several.")] = None,  # noqa: UP045
    told_by: ToldBy = None,
) -> None:
    """Write the alerts file that the run of that night wrote, or would have written from the store."""
    from pipeline.errors import AlertUnknownError
    from pipeline.io.history import open_history
    from pipeline.io.outputs import write_whole
    from pipeline.stages.history import export

    book = open_history(store)
    areas = _areas(book, aoi)
    if len(areas) != 1:
        raise AlertUnknownError(f"found {len(areas)} areas in the store ({', '.join(areas) or 'none'}); name one with --aoi")
    made = export(book, areas[0], on.date(), _day(told_by))
    write_whole(out, made.text)
    print(f"{out}: {made.count} alerts of {areas[0]} as of {on.date()}; {made.note}")

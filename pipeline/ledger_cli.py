"""The commands `overburden ledger verify` and `overburden coverage`: whether the store holds, and what was seen."""

import sys
from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from pipeline.coverage import Cell, WindowCounts

app = typer.Typer(no_args_is_help=True, help="The ledger: whether what was seen and said is as it was written.")

DEFAULT_STORE = "store.sqlite"
MOST_TOLD = 60
"""Lines of one table that are printed; the rest is counted, and --all prints it."""
MOST_STRETCHES = 12
CSV_HEAD = ("aoi_id", "chunk_id", "solar_day", "kind", "clear_pct", "cloudy_pct", "not_imaged_pct", "failed", "superseded",
            "not_listed")  # fmt: skip

Store = Annotated[str, typer.Option("--store", help="SQLite file or database URL of a run.")]


@app.callback()
def _group() -> None:
    """Keep `verify` a command of its own."""


@app.command("verify")
def verify(
    store: Store = DEFAULT_STORE,
    against: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="An anchor: heads.jsonl, a folder that holds it, or a copy of the store; may be given again."),
    ] = None,
) -> None:
    """Find every change, gap or reordering of events and observations; exit code 1 where there is one."""
    from pipeline.io.verification import verify_store

    found = verify_store(store, against or ())
    for finding in found.findings:
        print(finding)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    looked = (
        f"{found.events} events, {found.observations} observations, {found.entries} journal entries, {found.anchors} anchors"
    )
    print(f"{looked}: {f'{len(found.findings)} findings' if found.findings else 'all as written'}", file=sys.stderr)
    raise typer.Exit(1 if found.findings else 0)


def coverage(
    aoi: Annotated[str, typer.Argument(help="Area: its id in the store, or its GeoJSON file.")],
    from_: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First solar day.")],
    to: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last solar day.")],
    store: Store = DEFAULT_STORE,
    csv: Annotated[Optional[Path], typer.Option(help="Write the table of chunks and days to this file.")] = None,  # noqa: UP045
    picture: Annotated[Optional[Path], typer.Option(help="Draw the calendar as this PNG.")] = None,  # noqa: UP045
    *,
    everything: Annotated[bool, typer.Option("--all", help="Print every line of every table.")] = False,
) -> None:
    """Say per chunk and day what was seen clear, cloudy, not imaged or failed, and what was not seen at all."""
    from pipeline.coverage import area_cells, cells
    from pipeline.delivery.coverage_calendar import CalendarInputs, calendar_png
    from pipeline.io.history import open_history
    from pipeline.io.outputs import csv_text, write_whole

    first, last = from_.date(), to.date()
    if last < first:
        raise typer.BadParameter(f"--to: found {last}, expected {first} (--from) or later")
    book = open_history(store)
    aoi_id = book.check_area(_area_id(aoi))
    found = cells(book.ledger(aoi_id), first, last)
    of_area = area_cells(found)
    most = None if everything else MOST_TOLD
    print(f"{aoi_id}, {first} to {last}: {len({c.chunk_id for c in found if c.chunk_id})} chunks")
    _print_months(of_area, first, last)
    _print_gaps(found, of_area, (first, last), most)
    _print_days(found, most)
    if csv is not None:
        write_whole(csv, csv_text(CSV_HEAD, ([aoi_id, *_row(cell)] for cell in found)))
    if picture is not None:
        inputs = CalendarInputs(f"Observation ledger of {aoi_id}", first, last, found, book.is_simulated(aoi_id))
        write_whole(picture, calendar_png(inputs))


def _area_id(aoi: str) -> str:
    """The id that is given, or that of the file."""
    from pipeline.io.areas import read_area

    is_file = aoi.endswith((".geojson", ".json")) or Path(aoi).is_file()
    return read_area(Path(aoi)).id if is_file else aoi


def _print_months(of_area: Sequence["Cell"], first: date, last: date) -> None:
    """The months of the area."""
    from pipeline.coverage import months
    from pipeline.io.outputs import print_columns

    head = ("month", "days", "passes", *_counted(None), "mean clear %")
    rows = [
        (m.name, str(m.days), str(m.counts.passes), *_counted(m.counts),
         "-" if m.mean_clear_pct is None else f"{m.mean_clear_pct:.0f}")
        for m in months(of_area, first, last)
    ]  # fmt: skip
    print()
    print_columns([head, *rows], print)


def _counted(counts: "WindowCounts | None") -> list[str]:
    """Counts of passes as texts, or their heads."""
    names = ("clear", "partly_clear", "cloudy", "not_imaged", "failed", "not_listed")
    return [name.replace("_", " ") if counts is None else str(getattr(counts, name)) for name in names]


def _print_gaps(found: Sequence["Cell"], of_area: Sequence["Cell"], period: tuple[date, date], most: int | None) -> None:
    """The longest time without a clear look at each chunk, and the days on which nothing was seen."""
    from pipeline.coverage import longest_gap, unseen_days
    from pipeline.io.outputs import print_columns

    rows: list[tuple[str, str, str]] = []
    for chunk_id, some in groupby((c for c in found if c.chunk_id), key=lambda c: c.chunk_id):  # they are in that order
        gap = longest_gap(some, *period)
        days = 0 if gap is None else (gap[1] - gap[0]).days + 1
        rows.append((chunk_id, str(days), "-" if gap is None else f"{gap[0]} to {gap[1]}"))
    if rows:
        print()
        print_columns([("chunk", "longest days without a clear look", "from and to"), *rows[:most]], print)
        _print_rest(len(rows), most)
    stretches = unseen_days(of_area, *period)
    unseen, days = sum((b - a).days + 1 for a, b in stretches), (period[1] - period[0]).days + 1
    told = stretches if most is None else stretches[:MOST_STRETCHES]
    words = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in told)
    more = f", and {len(stretches) - len(told)} more stretches (--all names them)" if len(told) < len(stretches) else ""
    print(f"\nNothing of the area was seen clear on {unseen} of {days} days{': ' if words else ''}{words}{more}")


def _print_days(found: Sequence["Cell"], most: int | None) -> None:
    """The table of chunks and days."""
    from pipeline.io.outputs import print_columns

    head = ("chunk", "day", "what", "clear %", "cloudy %", "not imaged %", "reasons")
    rows = [
        (c.chunk_id or "-", c.day.isoformat(), c.kind.value.replace("_", " "), _share(c.clear_pct), _share(c.cloudy_pct),
         _share(c.not_imaged_pct), _reasons(c))
        for c in found
    ]  # fmt: skip
    print()
    print_columns([head, *rows[:most]], print)
    _print_rest(len(rows), most)


def _print_rest(count: int, most: int | None) -> None:
    """How many lines were left out."""
    if most is not None and count > most:
        print(f"and {count - most} more lines; --all prints them, --csv writes them")


def _share(pct: float | None) -> str:
    """A share in percent."""
    return "-" if pct is None else f"{pct:.0f}"


def _reasons(cell: "Cell") -> str:
    """Why a day is what it is, where there is more to say than shares."""
    superseded = [f"superseded: {', '.join(cell.superseded)}"] if cell.superseded else []
    return "; ".join([*cell.failed, *cell.not_listed, *superseded])


def _row(cell: "Cell") -> list[object]:
    """A cell as a row of the CSV."""
    return [
        cell.chunk_id, cell.day, cell.kind.value, cell.clear_pct, cell.cloudy_pct, cell.not_imaged_pct,
        "; ".join(cell.failed), "; ".join(cell.superseded), "; ".join(cell.not_listed),
    ]  # fmt: skip

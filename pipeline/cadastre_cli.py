"""The commands `overburden cadastre`: taking snapshots in, and asking what was known on a day."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from pipeline.io.registry import Holding, Registry
    from pipeline.tenure import Snapshot, Title, TitleChange

app = typer.Typer(no_args_is_help=True, help="Cadastres: snapshots of registers, and what was known on a day.")

DEFAULT_STORE = "cadastre.sqlite"
MOST_TOLD = 20
"""Lines of one kind that are told one by one; the rest is counted, and --all tells it."""

Store = Annotated[
    str, typer.Option("--store", help="SQLite file or database URL of the registry; the store of a run may hold it.")
]
Csv = Annotated[Optional[Path], typer.Option("--csv", help="Write the table to this file too.")]  # noqa: UP045


@app.command("import")
def import_file(
    file: Annotated[str, typer.Argument(help="File of titles, or address of a WFS or an ArcGIS FeatureServer layer.")],
    register: Annotated[Path, typer.Option(help="Register file, such as configs/registers/ghana_mincom.yaml.")],
    layer: Annotated[Optional[str], typer.Option(help="Feature type of a WFS that offers more than one.")] = None,  # noqa: UP045
    crs: Annotated[Optional[str], typer.Option(help="CRS of the coordinates; goes before what the file says.")] = None,  # noqa: UP045
    retrieved_on: Annotated[
        Optional[datetime],  # noqa: UP045
        typer.Option(formats=["%Y-%m-%d"], help="Day on which the file was retrieved; today where it is not given."),
    ] = None,
    lacks: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Titles of the register that the file leaves out, in words; may be given again."),
    ] = None,
    store: Store = DEFAULT_STORE,
    keep: Annotated[Path, typer.Option(help="Folder in which the file of a service is kept.")] = Path("cadastre-files"),
    *,
    everything: Annotated[bool, typer.Option("--all", help="Tell every refusal, repair and code.")] = False,
) -> None:
    """Take in a snapshot, and say how many titles it took, repaired and refused."""
    from pipeline.io.cadastres import load_register, read_titles, retrieve
    from pipeline.io.registry import open_registry

    now = datetime.now(UTC)
    rules = load_register(register)
    day = retrieved_on.date() if retrieved_on else now.date()
    path = retrieve(file, keep, layer=layer) if "://" in file else Path(file)
    titles, snapshot = read_titles(path, crs=crs, retrieved_on=day, register=rules)
    snapshot = replace(snapshot, lacks=tuple(lacks or ()))
    held = open_registry(store).take(titles, snapshot, taken_at=now)
    for line in _import_lines(held, snapshot, store, None if everything else MOST_TOLD):
        print(line)
    if snapshot.refused:
        raise typer.Exit(1)


def _import_lines(held: "Holding", snapshot: "Snapshot", store: str, most: int | None) -> list[str]:
    """What an import says."""
    was = f"taken in as snapshot {held.seq}" if held.is_new else f"held already as snapshot {held.seq}, nothing is added"
    shift = f"{snapshot.transformation}, to {snapshot.transformation_m:g} m" if snapshot.transformation else "given in WGS 84"
    lines = [
        f"{snapshot.name}, register {held.register}, retrieved on {held.retrieved_on}: {was} of {store}",
        f"  {snapshot.title_count} titles taken, {len(snapshot.repaired)} of them repaired; {len(snapshot.refused)} refused",
        f"  sha256 {held.sha256}",
        f"  coordinates: {shift}",
        f"  columns: {', '.join(f'{field} from {column}' for field, column in snapshot.columns) or 'none matched'}",
    ]
    if snapshot.unused_columns:
        lines.append(f"  columns not used: {', '.join(snapshot.unused_columns)}")
    lines += [f"  leaves out {lacking}: ground outside of its titles is told as unknown" for lacking in snapshot.lacks]
    lines += _some([f"refused: title {r.title_id} (feature {r.feature}): {r.reason}" for r in snapshot.refused], most)
    lines += _some(
        [f"repaired: title {r.title_id} (feature {r.feature}), {r.before_ha:g} ha before, {r.after_ha:g} ha after: {r.reason}"
         for r in snapshot.repaired], most,
    )  # fmt: skip
    lines += _some([f"not understood: {u.field} {u.code!r}, {u.count} times" for u in snapshot.unknown_codes], most)
    return lines + _some([f"note: {note}" for note in snapshot.notes], most)


def _some(lines: Sequence[str], most: int | None) -> list[str]:
    """The first lines, and how many more there are."""
    told = [f"  {line}" for line in lines[:most]]
    return told if len(told) == len(lines) else [*told, f"  and {len(lines) - len(told)} more such lines; --all tells them"]


@app.command("list")
def list_snapshots(store: Store = DEFAULT_STORE, csv: Csv = None) -> None:
    """List the snapshots of the registry."""
    from pipeline.io.registry import open_registry

    book = open_registry(store)
    rows = [_holding_row(book, held) for held in book.holdings()]
    _print_table(
        ("snapshot", "register", "file", "retrieved_on", "taken_at", "titles", "repaired", "refused", "sha256"), rows, csv
    )


def _holding_row(book: "Registry", held: "Holding") -> list[object]:
    """A snapshot as a row."""
    snapshot = book.snapshot(held)
    return [
        held.seq, held.register, held.name, held.retrieved_on, f"{held.taken_at:%Y-%m-%dT%H:%MZ}", snapshot.title_count,
        len(snapshot.repaired), len(snapshot.refused), held.sha256[:12],
    ]  # fmt: skip


@app.command("diff")
def diff(
    before: Annotated[str, typer.Argument(help="Snapshot: its number, or the first letters of its SHA-256.")],
    after: Annotated[str, typer.Argument(help="The later one; a register's name stands for its latest.")],
    store: Store = DEFAULT_STORE,
    csv: Csv = None,
) -> None:
    """Say what changed from one snapshot to another: titles new, gone, extended, redrawn, of another holder or stage."""
    from pipeline.io.registry import open_registry
    from pipeline.tenure import ChangeKind, differences

    book = open_registry(store)
    a, b = book.find(before), book.find(after)
    changes = differences(book.titles(a), book.titles(b))
    _print_table(("title", "change", "what"), [_change_row(change) for change in changes], csv)
    counts = [
        f"{sum(c.kind is kind for c in changes)} {kind.value}" for kind in ChangeKind if any(c.kind is kind for c in changes)
    ]
    print(f"from snapshot {a.seq} ({a.register}, {a.retrieved_on}) to {b.seq} ({b.register}, {b.retrieved_on}): "
          f"{', '.join(counts) or 'nothing changed'}", file=sys.stderr)  # fmt: skip


def _change_row(change: "TitleChange") -> list[object]:
    """A change as a row."""
    return [change.title_id, change.kind.value, change.text]


@app.command("show")
def show(
    title: Annotated[str, typer.Argument(help="Title, by the register's own number.")],
    on: Annotated[Optional[datetime], typer.Option(formats=["%Y-%m-%d"], help="Day that is asked about.")] = None,  # noqa: UP045
    known_on: Annotated[
        Optional[datetime], typer.Option(formats=["%Y-%m-%d"], help="By the snapshots retrieved up to this day.")  # noqa: UP045
    ] = None,
    taken_by: Annotated[
        Optional[datetime], typer.Option(formats=["%Y-%m-%d"], help="By the snapshots taken in up to this day.")  # noqa: UP045
    ] = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Say what each snapshot says of a title, and with --on what it said of a day."""
    from pipeline.io.registry import open_registry

    book = open_registry(store)
    known = [
        (held, titles) for held, titles in book.history(title)
        if (known_on is None or held.retrieved_on <= known_on.date())
        and (taken_by is None or held.taken_at.date() <= taken_by.date())
    ]  # fmt: skip
    for held, titles in known:
        print(f"snapshot {held.seq} ({held.register}, retrieved on {held.retrieved_on}, taken in on {held.taken_at.date()})")
        for line in [_title_line(t) for t in titles] or ["does not list it"]:
            print(f"  {line}")
    if not known:
        print("no snapshot that lists it was known then")
    elif on is not None:
        _print_answers(book, known, on.date())


def _title_line(title: "Title") -> str:
    """What a snapshot says of a title."""
    from pipeline import geo

    days = f"{title.valid_from or 'no first day'} to {title.valid_to or 'no last day'}"
    doubts = f"; in doubt: {'; '.join(d.text for d in title.doubts)}" if title.doubts else ""
    return (
        f"{title.kind.value}, called {title.status.value}, {days}, for {', '.join(title.minerals) or 'minerals not stated'}, "
        f"{geo.geodesic_area_ha(title.geometry):.2f} ha, holder {title.holder or 'not stated'}{doubts}"
    )


def _print_answers(book: "Registry", known: Sequence[tuple["Holding", list["Title"]]], on: date) -> None:
    """What was believed of the title about a day: by the latest snapshot of each register that was known."""
    from pipeline.tenure import TenureRules, title_finding

    latest = {held.register: (held, titles) for held, titles in known}  # in the order of knowledge
    for held, titles in latest.values():
        snapshot = book.snapshot(held)
        for title in titles:
            status, why = title_finding(title, on, rules=TenureRules(), snapshot=snapshot)
            print(f"about {on}, by snapshot {held.seq}: {status.value}: it {why}")
        if not titles:
            print(f"about {on}, by snapshot {held.seq}: not listed")


@app.command("findings")
def findings(
    config: Annotated[Path, typer.Option("--config", help="YAML configuration of the run whose detections are laid over.")],
    on: Annotated[
        Optional[datetime], typer.Option(formats=["%Y-%m-%d"], help="Day that is asked about; today where not given.")  # noqa: UP045
    ] = None,
    csv: Csv = None,
) -> None:
    """Say which titles came after work on their ground, show no work, or lie on protected land."""
    from pipeline.config import load_config
    from pipeline.stages.register_side import register_findings

    day = on.date() if on is not None else datetime.now(UTC).date()
    rows = [
        [area_id, f.kind.value, f.register, f.title_id, f.other, f"{f.overlap_ha:.3f}", f.text]
        for area_id, f in register_findings(load_config(config), day)
    ]
    _print_table(("area", "finding", "register", "title", "site or area", "ha", "what"), rows, csv)


@app.command("overlay")
def overlay_sites(
    sites: Annotated[Path, typer.Argument(help="Vector file of sites.")],
    on: Annotated[
        Optional[datetime], typer.Option(formats=["%Y-%m-%d"], help="Day that is asked about; today where not given.")  # noqa: UP045
    ] = None,
    known_on: Annotated[
        Optional[datetime],  # noqa: UP045
        typer.Option(formats=["%Y-%m-%d"], help="By the snapshots retrieved up to this day; today where not given."),
    ] = None,
    register: Annotated[list[str] | None, typer.Option(help="Name of a register; may be given again; all otherwise.")] = None,
    mineral: Annotated[Optional[list[str]], typer.Option(help="Mineral that is looked for; may be given again.")] = None,  # noqa: UP045
    protected: Annotated[Optional[list[Path]], typer.Option(help="File of protected areas; may be given again.")] = None,  # noqa: UP045
    rivers: Annotated[Optional[list[Path]], typer.Option(help="File of rivers; may be given again.")] = None,  # noqa: UP045
    crs: Annotated[Optional[str], typer.Option(help="CRS of the sites that do not say theirs.")] = None,  # noqa: UP045
    out: Annotated[Optional[Path], typer.Option(help="GeoJSON file to write, each site with its finding.")] = None,  # noqa: UP045
    csv: Csv = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Lay the sites of a file over the titles that were known on a day, with statuses, reasons and hectares."""
    from pipeline.delivery import sites_collection
    from pipeline.io.outputs import write_whole
    from pipeline.stages.overlay import Question, counts, overlay
    from pipeline.tenure import TenureRules

    today = datetime.now(UTC).date()
    asked = Question(
        on=on.date() if on else today, known_on=known_on.date() if known_on else today, registers=tuple(register or ()),
        protected=tuple(protected or ()), rivers=tuple(rivers or ()), rules=TenureRules(minerals=tuple(mineral or ())),
    )  # fmt: skip
    found, held = overlay(sites, store, asked, crs=crs)
    for holding in held:
        print(f"snapshot {holding.seq} ({holding.register}, retrieved on {holding.retrieved_on})", file=sys.stderr)
    if out is not None:
        told = [(s.geometry, {**s.attributes, **s.properties, **({"refused": s.reason} if s.reason else {})}) for s in found]
        write_whole(out, sites_collection(told))
    _print_table(("status", "sites", "ha of the sites", "ha uncovered"), counts(found), csv)
    if any(site.reason for site in found):
        raise typer.Exit(1)


def _print_table(head: Sequence[str], rows: Sequence[Sequence[object]], csv: Path | None) -> None:
    """Print a table in columns, and write it as CSV where that is asked for."""
    from pipeline.io.outputs import csv_text, write_whole

    texts = [list(head), *([str(value) for value in row] for row in rows)]
    widths = [max(len(row[k]) for row in texts) for k in range(len(head))]
    for row in texts:
        print("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())
    if csv is not None:
        write_whole(csv, csv_text(head, rows))

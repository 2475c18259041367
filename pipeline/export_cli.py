"""The commands `overburden export` and `overburden exports`: files for a tier of readers, and the log of who got what."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional, TypeVar

import typer

app = typer.Typer(no_args_is_help=True, help="Exports: who got which files.")

DEFAULT_STORE = "store.sqlite"
Store = Annotated[str, typer.Option("--store", help="SQLite file or database URL of a run.")]


def export(
    tier: Annotated[str, typer.Option(help="Who the files are for: restricted, agency, partner or public.")],
    format_: Annotated[
        list[str], typer.Option("--format", help="geojson, gpkg, parquet, kml, csv, cap or stac; may be given again.")
    ],
    to: Annotated[Path, typer.Option(help="Folder of the files.")],
    recipient: Annotated[str, typer.Option(help="Who gets them; it is logged.")],
    store: Store = DEFAULT_STORE,
    aoi: Annotated[Optional[str], typer.Option(help="Area; needed where the store has several.")] = None,  # noqa: UP045
    on: Annotated[Optional[datetime], typer.Option(formats=["%Y-%m-%d"], help="Day of the sharing; by default today.")] = None,  # noqa: UP045
    policy: Annotated[Optional[Path], typer.Option(help="Policy file; by default configs/sharing.yaml.")] = None,  # noqa: UP045
    consents: Annotated[Optional[Path], typer.Option(help="YAML of the consents on record; see docs/sharing.md.")] = None,  # noqa: UP045
    reported: Annotated[Optional[Path], typer.Option(help="Text file of sites from community reports, an id a line.")] = None,  # noqa: UP045
    evidence: Annotated[Optional[Path], typer.Option(help="Folder of the run, to hand on evidence where the tier may.")] = None,  # noqa: UP045
    sender: Annotated[str, typer.Option(help="Who vouches for CAP messages.")] = "overburden",
    keys: Annotated[Optional[Path], typer.Option(help="Folder of the sharing key; by default `keys` beside the store.")] = None,  # noqa: UP045
) -> None:
    """Write what a tier may know of an area's alerts, and log it with recipient and digests."""
    from pipeline.io.sharing import read_consents, read_policy, read_sites, sharing_key
    from pipeline.sharing import SharingFacts, Tier
    from pipeline.stages.exports import ExportRequest, Format, export_tier

    circle, formats = _chosen("--tier", tier, Tier), tuple(_chosen("--format", f, Format) for f in format_)
    rules, digest = read_policy(policy)
    day = on.date() if on else datetime.now(UTC).date()
    facts = SharingFacts(
        day, sharing_key(keys or _keys_folder(store)), read_consents(consents, circle, day) if consents else frozenset(),
        read_sites(reported) if reported else frozenset(),
    )  # fmt: skip
    made = export_tier(
        ExportRequest(store, _area(store, aoi), circle, formats, recipient, to, rules, digest, facts, sender, evidence)
    )
    for file in made.note.files:
        print(f"{to / file.name}  {file.bytes} bytes  sha256 {file.sha256}")
    held = ", ".join(f"{count} {why.replace('_', ' ')}" for why, count in made.note.held_back.items())
    print(f"{made.note.alerts} alerts as of {made.note.as_of} for {made.note.recipient}, held back: {held or 'none'}")
    if made.missing:
        print(f"{made.missing} evidence bundles are not in {evidence}", file=sys.stderr)
        raise typer.Exit(1)


_Chosen = TypeVar("_Chosen", bound=StrEnum)


def _chosen(option: str, text: str, kind: type[_Chosen]) -> _Chosen:
    """The member of a closed list that a text names."""
    try:
        return kind(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: found {text!r}, expected one of {', '.join(kind)}") from error


def _keys_folder(store: str) -> Path:
    """Where keys lie beside a store; a database has no place beside it."""
    if "://" in store:
        raise typer.BadParameter("--keys: found none for a store that is no file, expected the folder of the sharing key")
    return Path(store).parent / "keys"


def _area(store: str, aoi: str | None) -> str:
    """The area that is asked for, or the only one."""
    from pipeline.errors import AlertUnknownError
    from pipeline.io.history import open_history

    book = open_history(store)
    areas = [book.check_area(aoi)] if aoi is not None else book.areas()
    if len(areas) != 1:
        raise AlertUnknownError(f"found {len(areas)} areas in the store ({', '.join(areas) or 'none'}); name one with --aoi")
    return areas[0]


@app.command("list")
def list_exports(
    store: Store = DEFAULT_STORE,
    aoi: Annotated[Optional[str], typer.Option(help="Only this area, by its id.")] = None,  # noqa: UP045
    csv: Annotated[Optional[Path], typer.Option("--csv", help="Write the table to this file too.")] = None,  # noqa: UP045
) -> None:
    """List every file that was made for somebody, in order."""
    from pipeline.io.exports import noted_exports
    from pipeline.io.outputs import csv_text, print_columns, write_whole

    head = ("noted_at", "aoi_id", "tier", "recipient", "as_of", "alerts", "held_back", "file", "sha256")
    rows = [
        [f"{at:%Y-%m-%dT%H:%M:%SZ}", n.aoi_id, n.tier, n.recipient, n.as_of, n.alerts,
         "; ".join(f"{count} {why}" for why, count in n.held_back.items()) or "-", file.name, file.sha256]
        for at, n in noted_exports(store, aoi) for file in n.files
    ]  # fmt: skip
    print_columns([head, *([str(value) for value in row] for row in rows)], print)
    if csv is not None:
        write_whole(csv, csv_text(head, rows))

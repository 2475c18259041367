"""The commands `overburden reports`: what communities report, taken in, linked to sites, and shared only by consent."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from pipeline.io.community import CommunityBook, Held
    from pipeline.stages.community import Photos, Taken

app = typer.Typer(no_args_is_help=True, help="Community reports: taken in, linked to sites, never public by themselves.")

DEFAULT_STORE = "store.sqlite"
MOST_TOLD = 20
"""Notes that are told one by one; refusals are all told."""
SHOWN = 60
"""Characters of a text that the table shows; --csv writes all of it."""
RESTRICTED = "RESTRICTED: what people report may put them at risk; do not pass this on"

Store = Annotated[str, typer.Option("--store", help="SQLite file or database URL of a run.")]
Id = Annotated[str, typer.Argument(help="Report: its id, or at least the first six letters of it.")]
By = Annotated[str, typer.Option("--by", help="Name of the person who says it; it stays in the store.")]


def _book(store: str) -> "CommunityBook":
    """The reports of a store that must be there."""
    from pipeline.io.community import CommunityBook
    from pipeline.io.verification import open_to_read

    return CommunityBook(open_to_read(store))


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="Export of reports.")],
    source: Annotated[str, typer.Option(help="How it is written: geojson, csv, kobo (CSV or JSON) or earthranger (GeoJSON).")],
    collection: Annotated[str, typer.Option(help="Tells apart two sources that number their reports alike.")] = "",
    day_format: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="How days are written where it is not 2025-12-31, such as %d/%m/%Y."),
    ] = None,
    photos: Annotated[Optional[Path], typer.Option(help="Folder of the photos that reports name.")] = None,  # noqa: UP045
    keep_photos: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder in which copies of photos are kept, their pixels alone, without place, time or camera."),
    ] = None,
    store: Store = DEFAULT_STORE,
    *,
    require_consent: Annotated[bool, typer.Option("--require-consent", help="Refuse reports without consent.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Tell every note.")] = False,
) -> None:
    """Take reports in, and say of each row whether it was taken, or why not; exit code 1 where one was refused."""
    from pipeline.community import Source
    from pipeline.community.fields import Reading
    from pipeline.stages.community import import_reports

    known = next((s for s in Source if s == source), None)
    if known is None:
        raise typer.BadParameter(f"--source: found {source!r}, expected one of {', '.join(Source)}")
    how = Reading(known, datetime.now(UTC), collection, require_consent, day_format)
    found = import_reports(_book(store), file, how, _photos(photos, keep_photos))
    refused = [t for t in found if t.refused is not None]
    new = sum(t.is_new for t in found)
    print(RESTRICTED, file=sys.stderr)
    print(f"{file}: {len(found)} reports: {new} taken, {len(found) - new - len(refused)} known already, {len(refused)} refused")
    for line in _import_lines(found, None if everything else MOST_TOLD):
        print(line)
    raise typer.Exit(1 if refused else 0)


def _photos(folder: Path | None, keep: Path | None) -> "Photos | None":
    """Where photos are, and where their copies go."""
    from pipeline.io.photos import open_photos
    from pipeline.stages.community import Photos

    if folder is None and keep is not None:
        raise typer.BadParameter("--keep-photos: found no --photos, expected the folder in which they are")
    if folder is not None and not folder.is_dir():
        raise typer.BadParameter(f"--photos: found no folder {folder}")
    return Photos(open_photos(folder), keep) if folder is not None else None


def _import_lines(found: Sequence["Taken"], most: int | None) -> list[str]:
    """Every refusal, and the notes."""
    refused = [f"  refused: {_named(t)}: {printable(str(t.refused))}" for t in found if t.refused is not None]
    codes = Counter(t.refused.code for t in found if t.refused is not None)
    counted = [f"  {count} refused as {code}" for code, count in sorted(codes.items())]
    notes = [f"  note: {_named(t)}: {printable(note)}" for t in found for note in t.notes]
    told = notes if most is None else notes[:most]
    more = [f"  and {len(notes) - len(told)} more notes; --all tells them"] if len(told) < len(notes) else []
    return [*refused, *counted, *told, *more]


def _named(taken: "Taken") -> str:
    """A row by its place in the file, and its id."""
    return f"{taken.where} ({printable(taken.source_id)[:60]})" if taken.source_id else taken.where


def printable(text: str) -> str:
    r"""Return a text that a terminal shows as it is: control and direction characters as escapes.

    Examples
    --------
    >>> print(printable("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@app.command("list")
def list_reports(
    store: Store = DEFAULT_STORE,
    csv: Annotated[Optional[Path], typer.Option(help="Write everything that reports say to this file.")] = None,  # noqa: UP045
) -> None:
    """List what the reports say and the sites that they may be about. Restricted."""
    from pipeline.io.outputs import csv_text, print_columns, write_whole
    from pipeline.stages.community import candidates

    book = _book(store)
    held = book.held()
    sites = candidates(book, held)
    print(RESTRICTED, file=sys.stderr)
    head = ("report", "day", "category", "consent", "shared_with", "sensitivity", "sites", "language", "text")
    rows = [
        (
            h.id[:8], h.report.day.isoformat(), printable(h.report.category) or "-", str(h.report.consent), str(h.scope),
            str(h.report.sensitivity), str(len(sites[h.id])), printable(h.report.language or "-"),
            printable(h.report.text)[:SHOWN],
        )
        for h in held
    ]  # fmt: skip
    print_columns([head, *rows], print)
    print(f"{len(held)} reports", file=sys.stderr)
    if csv is not None:
        write_whole(csv, csv_text(_FULL, ([*_full_row(h), " ".join(s for s, _ in sites[h.id])] for h in held)), mode=0o600)


_FULL = ("report_id", "source", "collection", "source_id", "day", "longitude", "latitude", "accuracy_m", "category", "text",
         "language", "consent", "consent_scope", "consent_by", "shared_with", "sensitivity", "reporter", "photos", "answers",
         "notes", "taken_at", "site_ids")  # fmt: skip


def _full_row(held: "Held") -> list[object]:
    """Everything that a report says."""
    r = held.report
    point = r.place.representative_point()
    return [
        held.id, r.source, r.collection, r.source_id, r.day, round(point.x, 7), round(point.y, 7), r.accuracy_m, r.category,
        r.text, r.language, r.consent, r.scope, r.consent_by, held.scope, r.sensitivity, r.reporter,
        " ".join(f"{p.name}:{p.sha256 or 'not looked at'}" for p in r.photos), json.dumps(dict(r.answers), ensure_ascii=False),
        "; ".join(r.notes), held.taken_at.isoformat(timespec="seconds"),
    ]  # fmt: skip


@app.command("link")
def link_reports(store: Store = DEFAULT_STORE) -> None:
    """List the sites that each report may be about, by the outlines of now; where there are several, none is chosen."""
    from pipeline.community import reach_m
    from pipeline.io.outputs import print_columns
    from pipeline.stages.community import candidates

    book = _book(store)
    held = book.held()
    sites = candidates(book, held)
    rows = []
    for h in held:
        near = sites[h.id]
        for site_id, metres in near:
            alone = "the only one" if len(near) == 1 else f"one of {len(near)}"
            rows.append((h.id[:8], site_id[:8], f"{metres:.0f}", alone, str(h.scope)))
        if not near:
            rows.append((h.id[:8], "-", "-", f"none within {reach_m(h.report):.0f} m", str(h.scope)))
    print(RESTRICTED, file=sys.stderr)
    print_columns([("report", "site", "distance_m", "candidate", "shared_with"), *rows], print)


@app.command("consent")
def note_consent(
    id_: Id,
    by: By,
    scope: Annotated[str, typer.Option(help="How far it may be shared: restricted, agency, partner or public.")],
    note: Annotated[str, typer.Option(help="How and when consent was given or taken back; needed past restricted.")] = "",
    store: Store = DEFAULT_STORE,
) -> None:
    """Note how far a report may be shared, by your word; the last word counts, and all are kept."""
    from pipeline.stages.community import decide

    held = decide(_book(store), id_, scope, by, note)
    print(f"report {held.id}: may be shared with {held.scope}")


@app.command("erase")
def erase_report(id_: Id, by: By, store: Store = DEFAULT_STORE) -> None:
    """Erase what a report says from the store; that it was there, and who erased it, stays on record."""
    from pipeline.reviews import check_person

    book = _book(store)
    held = book.find(id_)
    book.erase(held.id, check_person(by))
    print(f"report {held.id}: erased; copies of the store and of its files, and kept photos, have to be erased apart")

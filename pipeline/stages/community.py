"""Community reports, from a file to the store, and what may be told of them to whom."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.community import RawReport, RefusalCode, Report, reach_m, report_of
from pipeline.community.fields import Reading
from pipeline.errors import ReportRefusedError
from pipeline.io.community import CommunityBook, Held
from pipeline.io.photos import PhotoFolder, keep_stripped, look_at
from pipeline.io.report_files import Row, read_rows
from pipeline.reviews import check_note, check_person
from pipeline.sharing import Tier


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one row."""

    where: str
    source_id: str
    """Empty where it was refused before that was known."""
    refused: ReportRefusedError | None = None
    is_new: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Photos:
    """Where photos are, and where copies of them go."""

    folder: PhotoFolder
    keep: Path | None = None


def import_reports(book: CommunityBook, path: Path, how: Reading, photos: Photos | None) -> list[Taken]:
    """Take a file of reports in; returns what became of each of its rows, in order. Nothing is dropped in silence.

    Raises
    ------
    ReportsUnreadableError
        The file as a whole cannot be read.
    """
    read = [_read(row, how, photos) for row in read_rows(path, how.source)]
    some = [(n, report) for n, (_, report) in enumerate(read) if report is not None]
    became = dict(zip((n for n, _ in some), book.take([r for _, r in some]), strict=True))
    found = []
    for n, (taken, report) in enumerate(read):
        if report is None:
            found.append(taken)
            continue
        answer = became[n]
        if isinstance(answer, ReportRefusedError):
            found.append(replace(taken, refused=answer, notes=()))
        else:
            found.append(replace(taken, is_new=answer, notes=(*taken.notes, *_kept(report, photos))))
    return found


def _read(row: Row, how: Reading, photos: Photos | None) -> tuple[Taken, Report | None]:
    """What a row says, or why it is refused."""
    if not isinstance(row, RawReport):
        return Taken(row[0], "", row[1]), None
    source_id = ""
    try:
        report = report_of(row, how)
        source_id = report.source_id
        report, notes = _with_photos(report, photos)
    except ReportRefusedError as error:
        return Taken(row.where, source_id, error), None
    except RecursionError:
        return Taken(row.where, "", ReportRefusedError(RefusalCode.ROW_MALFORMED, "found lists within lists without end")), None
    return Taken(row.where, source_id, notes=(*report.notes, *notes)), report


def _with_photos(report: Report, photos: Photos | None) -> tuple[Report, list[str]]:
    """A report with the digests of its photos, none of which contradicts it."""
    if photos is None:
        return report, []
    looked, notes = [], []
    for photo in report.photos:
        path = photos.folder.find(photo.name, report.source_id)
        if path is None:
            notes.append(f"photo {photo.name!r} is not there, or more than once: it was not looked at")
            looked.append(photo)
        else:
            looked.append(replace(photo, sha256=look_at(path, report.place, reach_m(report))))
    return replace(report, photos=tuple(looked)), notes


def _kept(report: Report, photos: Photos | None) -> list[str]:
    """Keep copies of the photos of a report that was taken; what cannot be kept is said."""
    notes = []
    for photo in report.photos if photos is not None and photos.keep is not None else ():
        path = photos.folder.find(photo.name, report.source_id) if photos else None
        if path is None or photo.sha256 is None or photos is None or photos.keep is None:
            continue
        try:
            if keep_stripped(path, photos.keep, photo.sha256) is None:
                notes.append(f"{photo.name!r} is no picture: no copy is kept")
        except ReportRefusedError as error:
            notes.append(f"no copy is kept: {error}")
    return notes


def decide(book: CommunityBook, letters: str, scope: str, by: str, note: str) -> Held:
    """Note how far a report may be shared; returns it as it stands then.

    Raises
    ------
    ReportUnknownError
        There is no such report.
    ReportRefusedError
        The scope is none, or it is to go further than the store without a word on how consent was given.
    ReviewRefusedError
        Name or note are not what they may be.
    """
    by, note = check_person(by), check_note(note)
    known = next((s for s in Tier if s == scope), None)
    if known is None:
        raise ReportRefusedError(RefusalCode.WITHOUT_CONSENT, f"--scope: found {scope!r}, expected one of {', '.join(Tier)}")
    if known is not Tier.RESTRICTED and not note:
        raise ReportRefusedError(
            RefusalCode.WITHOUT_CONSENT,
            f"--note: found none, expected how and when consent was given for {known}; say it, or give the scope restricted",
        )
    held = book.find(letters)
    book.decide(held.id, known, by, note)
    return book.find(held.id)


def candidates(book: CommunityBook, held: Sequence[Held]) -> dict[str, list[tuple[str, float]]]:
    """Return the sites that each report may be about, with metres, the nearest first; reports without one have none."""
    found: dict[str, list[tuple[str, float]]] = {h.id: [] for h in held}
    for link in book.links(held):
        found[link.report_id].append((link.site_id, link.distance_m))
    return found

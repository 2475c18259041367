"""The log of exports: what was handed to whom, in the store's journal, before the files are written."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pipeline.io import journal
from pipeline.io.journal import EntryKind
from pipeline.io.verification import open_to_read


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file of an export."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ExportNote:
    """What is noted of an export. It names no site: the log may be shown to whom the sites may not."""

    aoi_id: str
    recipient: str
    tier: str
    as_of: str
    """The day that the files speak for."""
    formats: tuple[str, ...]
    policy_sha256: str
    alerts: int
    held_back: Mapping[str, int]
    """Numbers of alerts by the reason for which they were left out."""
    files: tuple[ExportedFile, ...]


def note_export(address: str, note: ExportNote) -> None:
    """Append an export to the journal of a store that must be there."""
    payload: dict[str, Any] = asdict(note)
    aoi_id = payload.pop("aoi_id")
    with open_to_read(address).begin() as connection:
        journal.begin(connection)
        journal.note(connection, aoi_id, EntryKind.EXPORT, payload)


def noted_exports(address: str, aoi_id: str | None = None) -> Sequence[tuple[datetime, ExportNote]]:
    """Return the exports on record with the instants at which they were noted, in order."""
    with open_to_read(address).begin() as connection:
        found = journal.entries(connection, EntryKind.EXPORT, aoi_id=aoi_id)
    return [(e.noted_at, _note(e.aoi_id, e.payload)) for e in found]


def _note(aoi_id: str, payload: Mapping[str, Any]) -> ExportNote:
    """The note of an entry."""
    files = tuple(ExportedFile(**file) for file in payload["files"])
    return ExportNote(**{**payload, "aoi_id": aoi_id, "formats": tuple(payload["formats"]), "files": files})

"""What a community report is, and how far it may be shared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from pipeline.provenance import digest
from pipeline.sharing import Tier


class Source(StrEnum):
    """How a file of reports is written."""

    GEOJSON = "geojson"
    CSV = "csv"
    KOBO = "kobo"
    """Export of KoboToolbox, as CSV or JSON."""
    EARTHRANGER = "earthranger"
    """Export of EarthRanger events, as GeoJSON."""


class Consent(StrEnum):
    """Whether whoever reported agreed that it is shared."""

    NONE = "none"
    """It was not asked, or not given."""
    UNKNOWN = "unknown"
    """Something is stated that is not understood."""
    GIVEN = "given"


class Sensitivity(StrEnum):
    """How much harm it may do when others learn of it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class RefusalCode(StrEnum):
    """Why a report is not taken."""

    ROW_MALFORMED = "row_malformed"
    """The row or feature is cut, or is no object; or a text in it is no text."""
    PLACE_MISSING = "place_missing"
    """It has no coordinates, or those that devices write when they have none (0, 0)."""
    PLACE_UNREADABLE = "place_unreadable"
    """The coordinates are no numbers, or the outline is none."""
    PLACE_OUT_OF_RANGE = "place_out_of_range"
    PLACE_SWAPPED = "place_swapped"
    """Latitude and longitude are certain to have changed places."""
    PLACE_AMBIGUOUS = "place_ambiguous"
    """It has several places, and nothing says which one is meant."""
    PLACE_TOO_LARGE = "place_too_large"
    ACCURACY_UNREADABLE = "accuracy_unreadable"
    DAY_MISSING = "day_missing"
    DAY_UNREADABLE = "day_unreadable"
    DAY_IN_FUTURE = "day_in_future"
    TOO_LONG = "too_long"
    SENSITIVITY_UNKNOWN = "sensitivity_unknown"
    WITHOUT_CONSENT = "without_consent"
    """No consent is stated, and the import asks for it."""
    PHOTO_ELSEWHERE = "photo_elsewhere"
    """A photo has a position that contradicts the place."""
    PHOTO_UNREADABLE = "photo_unreadable"
    ID_TAKEN = "id_taken"
    """Another report has this id, and says something else."""
    ERASED = "erased"
    """It was erased before."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that goes with a report; where it was taken is not kept."""

    name: str
    sha256: str | None = None
    """Of the file as it was given; None where it was not looked at."""


@dataclass(frozen=True, slots=True)
class Report:
    """One report, as it was given."""

    source: Source
    collection: str
    """Tells apart sources that number their reports alike; empty where there is one."""
    source_id: str
    place: BaseGeometry
    """Point or (multi)polygon, lon/lat."""
    accuracy_m: float | None
    day: date
    """On which it was seen; of the submission where nothing else is stated."""
    category: str
    text: str
    """In its own words and language, in NFC, never translated."""
    language: str | None
    """As it is stated."""
    consent: Consent
    scope: Tier | None
    """How far it may be shared by its own word."""
    consent_by: str | None
    """Who consented, as it is stated: personal."""
    sensitivity: Sensitivity
    reporter: str | None
    """Personal."""
    photos: tuple[Photo, ...]
    answers: Mapping[str, str]
    """Everything else that was stated, by its column."""
    notes: tuple[str, ...] = ()
    """What was taken otherwise than it was stated."""

    def record(self) -> dict[str, object]:
        """Return it as plain JSON."""
        return {
            **self._content(), "photos": [[p.name, p.sha256] for p in self.photos], "notes": list(self.notes),
        }  # fmt: skip

    def _content(self) -> dict[str, object]:
        """What is stated."""
        return {
            "source": str(self.source), "collection": self.collection, "source_id": self.source_id,
            "place": mapping(self.place), "accuracy_m": self.accuracy_m, "day": self.day.isoformat(),
            "category": self.category, "text": self.text, "language": self.language, "consent": str(self.consent),
            "scope": None if self.scope is None else str(self.scope), "consent_by": self.consent_by,
            "sensitivity": str(self.sensitivity), "reporter": self.reporter, "photos": [p.name for p in self.photos],
            "answers": dict(self.answers),
        }  # fmt: skip

    def content_digest(self) -> str:
        """Return the digest of what is stated: the same report is the same, with or without its photos at hand."""
        return digest(self._content())


def report_from(record: Mapping[str, Any]) -> Report:
    """Return the report of its plain JSON."""
    return Report(
        Source(record["source"]), record["collection"], record["source_id"], shape(record["place"]), record["accuracy_m"],
        date.fromisoformat(record["day"]), record["category"], record["text"], record["language"], Consent(record["consent"]),
        None if record["scope"] is None else Tier(record["scope"]), record["consent_by"], Sensitivity(record["sensitivity"]),
        record["reporter"], tuple(Photo(name, sha256) for name, sha256 in record["photos"]), record["answers"],
        tuple(record["notes"]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person noted of how far a report may be shared."""

    scope: Tier
    by: str
    """Personal."""
    note: str
    noted_at: datetime


def shared_scope(report: Report, decisions: Sequence[Decision]) -> Tier:
    """Return how far a report may be shared: by the last decision of a person, else by what it states, never public.

    A sensitive report goes to agencies at most by its own word, another one to partners.
    """
    if decisions:
        return decisions[-1].scope
    if report.consent is not Consent.GIVEN or report.scope is None:
        return Tier.RESTRICTED
    most = Tier.AGENCY if report.sensitivity is Sensitivity.HIGH else Tier.PARTNER
    return min(report.scope, most, key=lambda tier: tier.rank)

"""From a row of a file to a report, or to the reason for which it is not taken."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from pipeline.community.places import accuracy_of, from_fields, from_geometry
from pipeline.community.records import Consent, Photo, RefusalCode, Report, Sensitivity, Source
from pipeline.errors import ReportRefusedError
from pipeline.provenance import canonical_json, digest
from pipeline.sharing import Tier

LONGEST_TEXT = 20_000
LONGEST_NAME = 300
MOST_ANSWERS = 500
MOST_PHOTOS = 50

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("report_id", "uuid", "id", "serial_number"),
    "day": ("day", "date", "observed_on", "seen_on", "fecha", "data", "time", "today", "start"),
    "submitted": ("submission_time", "created_at"),
    "category": ("category", "event_type", "type", "categoria", "categorie", "tipo"),
    "text": ("text", "description", "descripcion", "descricao", "comment", "comments", "comentario", "relato", "texto",
             "message", "notes", "title"),
    "language": ("language", "lang", "idioma", "langue", "lingua"),
    "consent": ("consent", "consentimiento", "consentimento", "consentement"),
    "consent_scope": ("consent_scope", "share_with", "compartir_con", "partilhar_com"),
    "consent_by": ("consent_by", "consent_given_by"),
    "sensitivity": ("sensitivity", "sensibilidad", "sensibilidade"),
    "reporter": ("reporter", "reported_by", "submitted_by", "username"),
    "accuracy_m": ("accuracy_m", "accuracy", "precision"),
    "photos": ("photos", "photo", "foto", "fotos", "image", "attachments", "files"),
}  # fmt: skip
"""By which names a column is known: folded, see `fold`. The first one that has a value counts, the others are answers."""
_YES = frozenset({"yes", "y", "true", "1", "si", "sim", "oui", "ndiyo", "given"})
_NO = frozenset({"no", "n", "false", "0", "nao", "non", "hapana", "none", "refused"})


@dataclass(frozen=True, slots=True)
class RawReport:
    """One row or feature, as it stands in its file."""

    where: str
    """Line or feature, for people."""
    values: Mapping[str, object]
    geometry: object = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are read."""

    source: Source
    now: datetime
    collection: str = ""
    needs_consent: bool = False
    day_format: str | None = None
    """Of `strptime`, for days that are not written as 2025-12-31."""


@dataclass(slots=True)
class _Fields:
    """Values by folded name; what nobody takes is left over."""

    values: Mapping[str, object]
    used: set[str] = field(default_factory=set)
    keys: dict[str, list[str]] = field(init=False)
    """Columns by folded name, in the order of the file."""

    def __post_init__(self) -> None:
        self.keys = {}
        for key, value in self.values.items():
            if not is_blank(value):
                self.keys.setdefault(fold(key), []).append(key)

    def take(self, *names: str, keep: bool = False) -> object:
        """The value of the first name that has one."""
        key = next((key for name in names for key in self.keys.get(name, ()) if key not in self.used), None)
        if key is None:
            return None
        if not keep:
            self.used.add(key)
        return self.values[key]

    def left(self) -> dict[str, str]:
        """What nobody took, as texts by column."""
        return {
            clean(str(key)): clean(words(value))
            for key, value in self.values.items() if key not in self.used and not is_blank(value)
        }  # fmt: skip


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """Return a column's name as it is compared: its last part, without accents, underscores before it, and case.

    Examples
    --------
    >>> fold("grupo/Descripción"), fold("_Submission Time")
    ('descripcion', 'submission_time')
    """
    last = name.rsplit("/", 1)[-1].strip().lstrip("_")
    plain = "".join(c for c in unicodedata.normalize("NFKD", last) if not unicodedata.combining(c))
    return re.sub(r"[\s-]+", "_", plain.casefold())


def is_blank(value: object) -> bool:
    """Return whether a value states nothing."""
    return value is None or (isinstance(value, str) and not value.strip()) or (
        isinstance(value, list | dict) and not value
    ) or (isinstance(value, float) and math.isnan(value))  # fmt: skip


def words(value: object) -> str:
    """Return a value as text: notes of field tools in their own words, other lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return "\n".join(value)
    if isinstance(value, list) and all(isinstance(v, Mapping) and isinstance(v.get("text"), str) for v in value):
        return "\n\n".join(v["text"] for v in value)
    return canonical_json([value])[1:-1]


def clean(text: str, most: int = LONGEST_TEXT, what: str = "text") -> str:
    """Return a text in NFC, otherwise as it is.

    Raises
    ------
    ReportRefusedError
        It is too long, or holds what no text may.
    """
    if len(text) > most:
        raise ReportRefusedError(RefusalCode.TOO_LONG, f"{what}: found {len(text)} characters, expected at most {most}")
    if "\0" in text or any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise ReportRefusedError(RefusalCode.ROW_MALFORMED, f"{what}: found characters that are in no text; write it in UTF-8")
    return unicodedata.normalize("NFC", text)


def report_of(raw: RawReport, how: Reading) -> Report:
    """Return the report of a row.

    Raises
    ------
    ReportRefusedError
        It cannot be taken; `code` says why.
    """
    if len(raw.values) > MOST_ANSWERS:
        raise ReportRefusedError(RefusalCode.TOO_LONG, f"found {len(raw.values)} columns, expected at most {MOST_ANSWERS}")
    fields, notes = _Fields(raw.values), list[str]()
    is_kobo = how.source is Source.KOBO
    place = (
        from_geometry(raw.geometry)
        if raw.geometry is not None
        else from_fields(fields.take, _kobo_pairs(fields) if is_kobo else (), is_kobo=is_kobo)
    )
    accuracy = accuracy_of(fields.take(*NAMES["accuracy_m"]))
    consent, scope, consent_by = _consent(fields, notes)
    if how.needs_consent and consent is not Consent.GIVEN:
        raise ReportRefusedError(
            RefusalCode.WITHOUT_CONSENT,
            f"consent is {consent}, expected it given; ask for it, or import without --require-consent",
        )
    day = _day(fields, how, notes)
    photos = _photos(fields.take(*NAMES["photos"], keep=True))
    source_id = _name(fields, "id", notes)
    report = Report(
        source=how.source, collection=how.collection, source_id=source_id or "", place=place, accuracy_m=accuracy, day=day,
        category=_name(fields, "category", notes) or "",
        text=clean(words(fields.take(*NAMES["text"]) or "")), language=_name(fields, "language", notes),
        consent=consent, scope=scope, consent_by=consent_by, sensitivity=_sensitivity(fields),
        reporter=_name(fields, "reporter", notes, LONGEST_TEXT), photos=photos, answers=fields.left(), notes=tuple(notes),
    )  # fmt: skip
    return report if source_id else _named_by_content(report)


def _named_by_content(report: Report) -> Report:
    """A report without an id, named by what it states."""
    name = f"content-{digest({'content': report.content_digest()})[:16]}"
    return replace(report, source_id=name, notes=(*report.notes, "without an id: it is named by what it states"))


def _name(fields: _Fields, what: str, notes: list[str], most: int = LONGEST_NAME) -> str | None:
    """A short text, None where it is not stated."""
    value = fields.take(*NAMES[what])
    if value is None:
        return None
    if what == "id" and not isinstance(value, str | int):
        notes.append("its id is no text or whole number")
    return clean(words(value), most, what).strip() or None


def _kobo_pairs(fields: _Fields) -> list[tuple[object, object]]:
    """Latitude and longitude of each question for a place."""
    pairs = []
    for name in fields.keys:
        if name.endswith("_latitude"):
            lat, lon = (fields.take(n, keep=True) for n in (name, f"{name.removesuffix('latitude')}longitude"))
            pairs.append((lat, lon))
    return pairs


def _consent(fields: _Fields, notes: list[str]) -> tuple[Consent, Tier | None, str | None]:
    """Whether consent is stated, how far it goes, and who gave it; what is not understood is no consent."""
    value, asked = fields.take(*NAMES["consent"]), fields.take(*NAMES["consent_scope"])
    by = _name(fields, "consent_by", notes)
    said = fold(words(value)) if value is not None else ""
    if isinstance(value, Mapping | list) or (value is not None and said not in _YES | _NO):
        notes.append("what it states of consent is not understood: consent is unknown")
        return Consent.UNKNOWN, None, by
    if said not in _YES:
        notes.append("it states no consent: it stays restricted")
        return Consent.NONE, None, by
    if asked is None:
        notes.append("consent is given without a scope: it stays restricted")
        return Consent.GIVEN, Tier.RESTRICTED, by
    scope = next((s for s in Tier if fold(words(asked)) == s), None)
    if scope is None:
        notes.append(f"the scope of its consent is not understood, expected one of {', '.join(Tier)}: consent is unknown")
        return Consent.UNKNOWN, None, by
    if scope is Tier.PUBLIC:
        notes.append("it asks to be public: that takes a person, see `overburden reports consent`")
    return Consent.GIVEN, scope, by


def _sensitivity(fields: _Fields) -> Sensitivity:
    """How sensitive it is: high where it does not say."""
    value = fields.take(*NAMES["sensitivity"])
    if value is None:
        return Sensitivity.HIGH
    found = next((s for s in Sensitivity if fold(words(value)) == s), None)
    if found is None:
        raise ReportRefusedError(
            RefusalCode.SENSITIVITY_UNKNOWN,
            f"found {words(value)[:20]!r}, expected one of {', '.join(Sensitivity)}, or nothing, which is high",
        )
    return found


def _day(fields: _Fields, how: Reading, notes: list[str]) -> date:
    """The day of what was seen, or of the submission."""
    value = fields.take(*NAMES["day"])
    if value is None:
        value = fields.take(*NAMES["submitted"])
        if value is None:
            raise ReportRefusedError(RefusalCode.DAY_MISSING, f"found none of {', '.join(NAMES['day'])}; give the day")
        notes.append("its day is that of the submission")
    text = words(value).strip()
    moment = _moment(text, how.day_format)
    if moment is None:
        raise ReportRefusedError(
            RefusalCode.DAY_UNREADABLE, f"found {text[:30]!r}, expected a day such as 2025-12-31; see --day-format"
        )
    ahead = moment > how.now + timedelta(hours=1) if moment.tzinfo else moment.date() > (how.now + timedelta(hours=14)).date()
    if ahead:
        raise ReportRefusedError(
            RefusalCode.DAY_IN_FUTURE, f"found {moment.date()}, expected a day up to {how.now.astimezone(UTC).date()}"
        )
    return moment.date()


def _moment(text: str, day_format: str | None) -> datetime | None:
    """An instant or day; None where it is none."""
    try:
        return datetime.strptime(text, day_format) if day_format else datetime.fromisoformat(text)  # noqa: DTZ007 - days
    except ValueError:
        return None


def _photos(value: object) -> tuple[Photo, ...]:
    """Names of photos, without folders and addresses; nothing is fetched."""
    if value is None:
        return ()
    some: Sequence[object] = value if isinstance(value, list) else re.split(r"[;,|\n]", words(value))
    names = [v.get("filename") or v.get("name") if isinstance(v, Mapping) else v for v in some]
    plain = [re.split(r"[/\\]", str(n).split("?")[0].strip())[-1] for n in names if n]
    kept = list(dict.fromkeys(clean(n, LONGEST_NAME, "photo") for n in plain if n not in {"", ".", ".."}))
    if len(kept) > MOST_PHOTOS:
        raise ReportRefusedError(RefusalCode.TOO_LONG, f"found {len(kept)} photos, expected at most {MOST_PHOTOS}")
    return tuple(Photo(name) for name in kept)

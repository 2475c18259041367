"""What was said on a day, as an agency, a court or an operator asks for it: lists, one alert, its revisions, its file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline import __version__
from pipeline.alerts import ALERT_PROPERTIES, Alert, is_for_agencies, is_open
from pipeline.alerts.revisions import change_words, value_words
from pipeline.config import CubeSection
from pipeline.coverage import WindowCounts, touched_chunks, window_counts
from pipeline.delivery import feature_collection
from pipeline.errors import AlertUnknownError
from pipeline.io.events import Event
from pipeline.io.history import History, Night, Telling
from pipeline.stages.reviews import verdict_words, with_verdicts
from pipeline.stages.sites import alert_of

_LISTS = ("strings", "objects")


@dataclass(frozen=True, slots=True)
class Said:
    """An alert as it stood, with the event that says it."""

    aoi_id: str
    event: Event
    alert: Alert

    def value(self, name: str) -> object:
        """Return one of its properties."""
        return self.alert.properties[name]


def said_on(
    book: History, aoi_id: str, on: date | None, told_by: date | None, site_id: str | None = None
) -> list[Said] | None:  # fmt: skip
    """Return the alerts of an area, or of one site, as they stood at the end of a day, most priority first.

    With `told_by`, by what had been told up to that day; None where nothing had.
    """
    telling = book.telling(aoi_id, told_by)
    if telling is None:
        return None
    events = book.standing(aoi_id, telling, on, site_id)
    alerts = with_verdicts(events, book.reviews(told_by), on=on)
    said = [Said(aoi_id, event, alert) for event, alert in zip(events, alerts, strict=True)]
    return sorted(said, key=lambda s: (-float(str(s.value("priority"))), str(s.value("site_id"))))


def said_of(book: History, letters: str, on: date | None, told_by: date | None) -> Said:
    """Return one alert as it stood at the end of a day.

    Raises
    ------
    AlertUnknownError
        There is none by this id, or nothing had been said of it by then.
    """
    aoi_id, site_id = book.find(letters)
    said = said_on(book, aoi_id, on, told_by, site_id)
    if not said:
        days = [event.day for event in book.revisions(aoi_id, site_id)]
        raise AlertUnknownError(
            f"site {site_id} of area {aoi_id}: nothing is said of it by {on or 'now'}"
            f"{f', as told by {told_by}' if told_by else ' in the present telling'}; it was spoken of from {min(days)} on, see "
            "`overburden alerts history`"
        )
    return said[0]


# --- one alert ---------------------------------------------------------------------------------------------------------


def record_lines(said: Said) -> list[str]:
    """Return the full record of an alert in lines for people, with units."""
    width = max(len(p.name) for p in ALERT_PROPERTIES)
    lines = [f"{'alert_id':<{width}}  {said.alert.id}"]
    for known in ALERT_PROPERTIES:
        value = said.value(known.name)
        if known.type in _LISTS and isinstance(value, Sequence) and value:
            lines.append(f"{known.name:<{width}}  {len(value)}:")
            lines += [f"{'':<{width}}    - {value_words(known, item)}" for item in value]
            continue
        unit = f" {known.unit}" if known.unit not in {"", "1"} and value is not None else ""
        lines.append(f"{known.name:<{width}}  {value_words(known, value)}{unit}")
    return lines


def onset_counts(book: History, said: Said) -> WindowCounts:
    """Return what the ledger has of the passes between the last unchanged look and the first that showed the change."""
    rows = book.ledger(said.aoi_id)
    chunk_ids = touched_chunks(said.alert.geometry, {r.chunk_id for r in rows}, _chunk_px(book.nights(said.aoi_id)))
    last = date.fromisoformat(str(said.value("first_detected_on")))
    unchanged = said.value("last_clear_unchanged_on")
    return window_counts(rows, date.fromisoformat(str(unchanged)) if unchanged else None, last, chunk_ids)


def onset_line(book: History, said: Said) -> str:
    """Return the passes of the window in which the change began, in words."""
    unchanged, detected = said.value("last_clear_unchanged_on"), said.value("first_detected_on")
    since = f"between {unchanged} and {detected}" if unchanged else f"by {detected}; no look showed the ground unchanged"
    return f"The change began {since}. In that time, over the chunks that it touches: {onset_counts(book, said).words}."


def _chunk_px(nights: Sequence[Night]) -> int:
    """Side of the area's chunks, by its last night; the default where the store is older than that record."""
    default = CubeSection().chunk_px
    return next((n.chunk_px for n in reversed(nights) if n.chunk_px is not None), default)


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision with what it says otherwise than the one before, and what people said of it."""

    event: Event
    written_at: str
    """UTC; or that it is not on record."""
    words: tuple[str, ...]


def revisions_of(book: History, letters: str) -> list[Revision]:
    """Return everything that was ever said of a site, in order; a late scene begins a new epoch, which tells it again.

    Raises
    ------
    AlertUnknownError
        There is none by this id.
    """
    aoi_id, site_id = book.find(letters)
    instants, reviews, found = book.instants(), book.reviews(), []
    before: Event | None = None
    for event in book.revisions(aoi_id, site_id):
        noted = instants.of(event.seq)
        words = change_words(_properties(before), _properties(event) or {})
        if before is not None and before.epoch != event.epoch:
            words = [f"told again with a late scene (epoch {event.epoch})", *words]
        words += verdict_words(event, reviews)
        found.append(Revision(event, f"{noted:%Y-%m-%dT%H:%M:%SZ}" if noted else "not on record", tuple(words)))
        before = event
    return found


def _properties(event: Event | None) -> Mapping[str, object] | None:
    """What an event says."""
    return None if event is None else alert_of(event).properties


# --- the file of a night -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Export:
    """The alerts file of a day."""

    text: str
    count: int
    note: str
    """Where its manifest comes from."""


def export(book: History, aoi_id: str, on: date, told_by: date | None) -> Export:
    """Return the alerts file that the run of a night wrote, or would have written from the store.

    Raises
    ------
    AlertUnknownError
        Nothing had been told by then.
    """
    said = said_on(book, aoi_id, on, told_by)
    telling = book.telling(aoi_id, told_by)
    if said is None or telling is None:
        raise AlertUnknownError(f"area {aoi_id}: no night is on record as told by {told_by}; give a later --told-by, or none")
    alerts = [s.alert for s in said if is_open(s.alert) and is_for_agencies(s.alert)]
    manifest, note = _manifest(book, aoi_id, on, telling, said)
    return Export(feature_collection(alerts, aoi_id=aoi_id, as_of=on, manifest=manifest), len(alerts), note)


def _manifest(
    book: History, aoi_id: str, on: date, telling: Telling, said: Sequence[Said]
) -> tuple[Mapping[str, object], str]:  # fmt: skip
    """The manifest of the night's files, and where it comes from."""
    nights = [(n.as_of, n.manifest) for n in book.nights(aoi_id) if n.epoch == telling.epoch and n.manifest
              and (telling.last_seq is None or n.last_seq <= telling.last_seq)]  # fmt: skip
    of_day = [manifest for as_of, manifest in nights if as_of == on]
    if of_day:
        return of_day[-1], f"the manifest is that of the night of {on}"
    if nights:
        days = sorted(as_of for as_of, _ in nights)
        near = max((day for day in days if day < on), default=days[0])
        late = f"; the store's last night speaks for {days[-1]}, and nothing newer is known of {on}" if on > days[-1] else ""
        manifest = next(held for as_of, held in reversed(nights) if as_of == near)
        return manifest, f"no night of {on} is on record: the manifest is that of {near}{late}"
    made = book.made_with(aoi_id)
    guessed: Mapping[str, object] = {
        "software": f"overburden {__version__}", "model_id": made.model_id, "config_digest": made.detection_digest,
        "cadastre": max((s.value("cadastre") for s in said), key=len, default=[]),  # type: ignore[arg-type]
        "is_simulated": any(s.value("is_simulated") == "yes" for s in said),
    }  # fmt: skip
    return guessed, "the store is older than its record of nights: software and cadastre of the manifest may differ"

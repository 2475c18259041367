"""Review of alerts: what awaits a person, what a person says, and what of it is laid over the alerts that are told."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from shapely.geometry import mapping, shape

from pipeline import reviews as r
from pipeline.alerts import Alert
from pipeline.errors import AlertUnknownError, ReviewRefusedError
from pipeline.io.events import Event
from pipeline.io.history import History
from pipeline.io.outputs import csv_text
from pipeline.io.reviews import ReviewBook, ReviewLog
from pipeline.provenance import derive_id
from pipeline.stages.sites import alert_of


def with_verdicts(
    events: Iterable[Event], book: ReviewBook, *, on: date | None = None, needs_second: bool | None = None
) -> list[Alert]:
    """Return the alerts of events with what people said of them; nothing else of an alert changes.

    Parameters
    ----------
    events : iterable of Event
    book : ReviewBook
    on : date, optional
        Verdicts on what was told after this day do not count.
    needs_second : bool, optional
        What is confirmed needs two people who agree; by default as the last night of the area had it.
    """
    alerts = []
    for event in events:
        alert = alert_of(event)
        found = r.standing(
            book.of(event.alert_id), r.statement_of(event.payload) if book.of(event.alert_id) else "",
            needs_second=event.aoi_id in book.second_in if needs_second is None else needs_second, said_by=on,
        )  # fmt: skip
        if found is not None:
            alert = replace(alert, properties={**alert.properties, "review_verdict": found.words})
        alerts.append(alert)
    return alerts


def verdict_words(event: Event, book: ReviewBook) -> list[str]:
    """Return what people said of this very revision, in words; empty where nobody did."""
    found = r.standing(
        book.of(event.alert_id), r.statement_of(event.payload) if book.of(event.alert_id) else "",
        needs_second=event.aoi_id in book.second_in,
    )  # fmt: skip
    return [f"review_verdict: {found.words}"] if found is not None and not found.is_outdated else []


@dataclass(frozen=True, slots=True)
class Desk:
    """One store as reviewers see it."""

    history: History
    log: ReviewLog

    def book(self) -> ReviewBook:
        """Return what people said."""
        return self.log.read()

    def present(self, letters: str) -> Event:
        """Return the event that an alert stands by now.

        Raises
        ------
        AlertUnknownError
            There is none by this id in the present telling.
        """
        aoi_id, site_id = self.history.find(letters)
        found = [e for e in self._told(aoi_id) if e.site_id == site_id]
        if not found:
            raise AlertUnknownError(
                f"site {site_id} of area {aoi_id}: the present telling has nothing of it, so there is nothing to review; see "
                "`overburden alerts history`"
            )
        return found[0]

    def _told(self, aoi_id: str) -> list[Event]:
        """What stands of an area now."""
        telling = self.history.telling(aoi_id)
        return self.history.standing(aoi_id, telling) if telling else []

    def told(self, aoi_id: str | None) -> list[Event]:
        """Return what stands now in an area, or in all of them, most priority first."""
        areas = [self.history.check_area(aoi_id)] if aoi_id else self.history.areas()
        events = [event for area in areas for event in self._told(area)]
        return sorted(events, key=lambda e: (-float(e.payload["properties"]["priority"]), e.site_id))


def give(desk: Desk, letters: str, verdict: r.Verdict, facts: "Given") -> tuple[r.Review, r.Standing, bool]:
    """Add a verdict on the present revision; returns it, what stands then, and whether it is new.

    Raises
    ------
    AlertUnknownError
        There is no such alert.
    ReviewRefusedError
        Reason, reviewer or note are not what they may be, or another revision was looked at.
    """
    note, by = r.check_note(facts.note), r.check_person(facts.by)
    r.check_reason(verdict, facts.reason, note)
    event = desk.present(letters)
    if facts.revision is not None and facts.revision != event.revision:
        raise ReviewRefusedError(
            f"--revision {facts.revision}: alert {event.alert_id} now tells revision {event.revision}; look at that one "
            "(`overburden alerts show`), then say what it is"
        )
    said = r.Review(
        event.aoi_id, event.alert_id, event.site_id, event.revision, event.day, event.hash, r.statement_of(event.payload),
        str(event.payload["properties"]["state"]), verdict, facts.reason, by, note, datetime.now(UTC),
    )  # fmt: skip
    before = r.latest(desk.book().of(event.alert_id)).get(said.statement, {}).get(r.person(by))
    is_new = before is None or (before.verdict, before.reason, before.note) != (verdict, facts.reason, note)
    if is_new:
        desk.log.add(said)
    return said, _stands(desk, event), is_new


@dataclass(frozen=True, slots=True)
class Given:
    """What a person states with a verdict."""

    reason: str
    by: str
    note: str = ""
    revision: int | None = None
    """The one that was looked at; None: the present one."""


def _stands(desk: Desk, event: Event) -> r.Standing:
    """What stands of an event of which somebody said something."""
    book = desk.book()
    found = r.standing(book.of(event.alert_id), r.statement_of(event.payload), needs_second=event.aoi_id in book.second_in)
    if found is None:
        raise AssertionError(event.alert_id)
    return found


def withdraw(desk: Desk, letters: str, by: str, note: str) -> r.Review:
    """Take the last verdict of a person on an alert back, and what they said of that revision before; returns it.

    Raises
    ------
    ReviewRefusedError
        No verdict of this person stands.
    """
    by, note = r.check_person(by), r.check_note(note)
    aoi_id, site_id = desk.history.find(letters)
    alert_ids = {e.alert_id for e in desk.history.revisions(aoi_id, site_id)}
    book = desk.book()
    own = [
        given[r.person(by)] for alert_id in alert_ids for given in r.latest(book.of(alert_id)).values() if r.person(by) in given
    ]
    if not own:
        raise ReviewRefusedError(f"{letters}: found no verdict of this person that stands; see `overburden review list`")
    last = max(own, key=lambda review: (review.given_at, review.revision))
    desk.log.add(r.Withdrawal(aoi_id, last.alert_id, last.statement, by, note, datetime.now(UTC)))
    return last


def waiting(desk: Desk, by: str, aoi_id: str | None) -> list[tuple[Event, str]]:
    """Return the alerts that await a verdict of this person, most priority first, with `first` or `second`.

    Who said what of them before is not told. Alerts that were withdrawn await nothing.
    """
    by, book, found = r.check_person(by), desk.book(), []
    for event in desk.told(aoi_id):
        if event.payload["properties"]["state"] == "withdrawn":
            continue
        entries, statement = book.of(event.alert_id), r.statement_of(event.payload)
        if r.awaits(entries, statement, by, needs_second=event.aoi_id in book.second_in):
            found.append((event, "second" if r.latest(entries).get(statement) else "first"))
    return found


def standings(desk: Desk, aoi_id: str | None) -> list[tuple[Event, r.Standing, list[r.Review]]]:
    """Return every reviewed alert with what stands of it and who said what of which revision.

    A verdict that awaits a second one is held back, so that the second reviewer is not told.
    """
    book, found = desk.book(), []
    for event in desk.told(aoi_id):
        entries = book.of(event.alert_id)
        second = event.aoi_id in book.second_in
        stands = r.standing(entries, r.statement_of(event.payload), needs_second=second)
        if stands is None:
            continue
        shown = []
        for by in r.latest(entries).values():
            given = list(by.values())
            is_held = second and given[0].state == "confirmed" and len(given) < 2
            shown += [] if is_held else given
        found.append((event, stands, shown))
    return found


def untold(desk: Desk, aoi_id: str | None) -> int:
    """Return the number of reviewed alerts of which the present telling has nothing: a late scene told it otherwise."""
    told = {event.alert_id for event in desk.told(aoi_id)}
    reviewed = desk.book().by_alert.items()
    return sum(alert_id not in told for alert_id, some in reviewed if aoi_id is None or some[0].aoi_id == aoi_id)


# --- training data -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels as files, without names and notes."""

    geojson: str
    csv: str
    count: int
    left_out: dict[str, int]


_COLUMNS = ("sample_id", "reading", "longitude", "latitude", "reading_confidence", "label", "reasons", "aoi_id", "site_id",
            "revision", "evaluated_on", "last_clear_unchanged_on", "first_detected_on", "last_detected_on", "area_ha",
            "is_simulated")  # fmt: skip
_DATES = ("evaluated_on", "last_clear_unchanged_on", "first_detected_on", "last_detected_on", "area_ha", "is_simulated")


def labels_of(desk: Desk, on: date | None) -> Labels:
    """Return what verdicts teach: outline, dates and label of each reviewed revision; what was given by the end of a day.

    The bytes depend on the store and the day alone. A label has neither reviewer nor note nor instant.
    """
    book = desk.log.read(on)
    found: list[r.Label] = []
    left_out: dict[str, int] = {}
    for entries in book.by_alert.values():
        some, none = r.labels(entries, needs_second=entries[0].aoi_id in book.second_in)
        found += some
        left_out = {why: left_out.get(why, 0) + none.get(why, 0) for why in sorted({*left_out, *none})}
    events = {e.hash: e for e in _reviewed_events(desk, book)}
    gone = sum(label.event_hash not in events for label in found)
    if gone:
        left_out["event_missing"] = gone
    rows = sorted(
        (_label_row(label, events[label.event_hash]) for label in found if label.event_hash in events),
        key=lambda row: str(row[0]["sample_id"]),
    )
    return Labels(
        _collection(rows), csv_text(_COLUMNS, ([_flat(row[name]) for name in _COLUMNS] for row, _ in rows)), len(rows), left_out
    )


def _reviewed_events(desk: Desk, book: ReviewBook) -> list[Event]:
    """Everything that was said of the sites of which somebody said something."""
    sites = sorted({(e.aoi_id, e.site_id) for some in book.by_alert.values() for e in some if isinstance(e, r.Review)})
    return [event for aoi_id, site_id in sites for event in desk.history.revisions(aoi_id, site_id)]


def _label_row(label: r.Label, event: Event) -> tuple[dict[str, object], object]:
    """A label with its facts, and its outline."""
    told = alert_of(event).properties
    outline = shape(event.payload["geometry"])
    point = outline.representative_point()
    row: dict[str, object] = {
        "sample_id": derive_id("label", label.event_hash), "reading": label.reading or None,
        "longitude": round(point.x, 6), "latitude": round(point.y, 6), "reading_confidence": 3 if label.reviews > 1 else 2,
        "label": label.label, "reasons": list(label.reasons), "aoi_id": event.aoi_id, "site_id": label.site_id,
        "revision": label.revision, **{name: told[name] for name in _DATES},
    }  # fmt: skip
    return row, mapping(outline)


def _flat(value: object) -> object:
    """A value of the table."""
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _collection(rows: Sequence[tuple[dict[str, object], object]]) -> str:
    """Labels as GeoJSON, a line for each."""
    features = [
        json.dumps(
            {"type": "Feature", "id": row["sample_id"], "geometry": geometry, "properties": row},
            ensure_ascii=False, separators=(",", ":"),
        )
        for row, geometry in rows
    ]  # fmt: skip
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(features) + "\n]}\n"

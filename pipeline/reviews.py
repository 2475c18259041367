"""Reviews: what people said of alerts, beside what the pixels show and what the titles say.

A verdict is about one revision, as it was told. It changes neither the detection state nor the tenure finding. Verdicts are
only ever added; one that was withdrawn stays on record. The names of reviewers are personal data: they leave the store in
restricted listings alone.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pipeline.errors import ReviewRefusedError
from pipeline.provenance import digest

LONGEST_NAME = 200
LONGEST_NOTE = 10_000


class Verdict(StrEnum):
    """What one person said of a revision."""

    ACCEPTED = "accepted"
    """It is what the alert takes it for: mining that began or grew."""
    REJECTED = "rejected"
    """It is something else, or nothing."""
    INCONCLUSIVE = "inconclusive"
    """It cannot be told from what there is."""


class Outcome(StrEnum):
    """What stands of an alert by all that was said of a revision."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"
    AWAITING_SECOND = "awaiting_second"
    """One person gave a verdict, and a second one is asked for; the first is held back until then."""
    DISPUTED = "disputed"
    """People said different things, and each of them stands by it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a verdict is given."""

    code: str
    words: str
    verdicts: tuple[Verdict, ...]
    """The verdicts that it can be given for."""
    reading: str = ""
    """The reading of labelled chips that is nearest to it; empty where the ground cannot be labelled."""


_A, _R, _I = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.INCONCLUSIVE
REASONS: tuple[Reason, ...] = (
    Reason("mine_seen", "A mine is seen in pictures.", (_A,), "mining_new"),
    Reason("mine_in_field_visit", "A mine was found by a visit to the place.", (_A,), "mining_new"),
    Reason("seasonality", "Leaf fall, drought or another change that comes each year.", (_R,), "no_change"),
    Reason("farming", "A field, pasture or plantation.", (_R,), "farm_or_clearing"),
    Reason("logging", "Trees were felled and nothing was dug.", (_R,), "farm_or_clearing"),
    Reason("burned", "A fire.", (_R,), "farm_or_clearing"),
    Reason("shadow", "Shadow of clouds or hills.", (_R, _I), "no_change"),
    Reason("cloud", "Cloud, haze or smoke.", (_R, _I), "cloudy"),
    Reason("duplicate", "The same ground is told by another alert.", (_R,)),
    Reason("natural_change", "A change without people: wind, flood, die-back.", (_R,), "no_change"),
    Reason("anthropic_before", "People had changed the ground before monitoring began.", (_R,), "no_change"),
    Reason("river_bar", "Sand or gravel that a river laid bare or moved.", (_R,), "river"),
    Reason("oxbow", "A river arm that was cut off, or silts up.", (_R,), "river"),
    Reason("aquaculture", "Ponds for fish or shrimps.", (_R,), "built"),
    Reason("road", "A road, track or airstrip that serves no mine.", (_R,), "built"),
    Reason("quarry", "A quarry or pit for stone, sand or clay; its titles are a matter of their own.", (_R,), "built"),
    Reason("settlement", "Houses, a camp or a work yard.", (_R,), "built"),
    Reason("landslide", "A slope that slid.", (_R,), "no_change"),
    Reason("reservoir", "A dam, or water that it holds.", (_R,), "built"),
    Reason("no_mine_in_field_visit", "No mine was found by a visit to the place.", (_R,), "no_change"),
    Reason("picture_unclear", "The pictures do not tell.", (_I,)),
    Reason("visit_needed", "Only a visit can tell.", (_I,)),
    Reason("other", "Something else: a note says what.", (_A, _R, _I)),
)  # fmt: skip
"""The closed list, after MapBiomas Alerta's reasons, with the look-alikes of alluvial mines."""
BY_CODE: Mapping[str, Reason] = {r.code: r for r in REASONS}


@dataclass(frozen=True, slots=True)
class Review:
    """One verdict of one person."""

    aoi_id: str
    alert_id: str
    site_id: str
    revision: int
    said_on: date
    """Day of the event that was reviewed."""
    event_hash: str
    statement: str
    """What was reviewed, see `statement_of`."""
    state: str
    """Detection state of the revision: what is confirmed may ask for a second review."""
    verdict: Verdict
    reason: str
    reviewer: str
    note: str
    given_at: datetime

    def payload(self) -> dict[str, object]:
        """Return what the store keeps, besides area and instant."""
        return {
            "alert_id": self.alert_id, "site_id": self.site_id, "revision": self.revision,
            "said_on": self.said_on.isoformat(), "event_hash": self.event_hash, "statement": self.statement,
            "state": self.state, "verdict": str(self.verdict), "reason": self.reason, "reviewer": self.reviewer,
            "note": self.note,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What one person takes back: every verdict of theirs on a revision."""

    aoi_id: str
    alert_id: str
    statement: str
    reviewer: str
    note: str
    given_at: datetime

    def payload(self) -> dict[str, object]:
        """Return what the store keeps, besides area and instant."""
        return {"alert_id": self.alert_id, "statement": self.statement, "reviewer": self.reviewer, "note": self.note}


Entry = Review | Withdrawal


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of an alert."""

    outcome: Outcome
    reasons: tuple[str, ...]
    """In the order in which they were given; empty while a second review is awaited, or in dispute."""
    revision: int
    is_outdated: bool
    """What is told now is not what was reviewed."""

    @property
    def words(self) -> str:
        """The property `review_verdict`.

        Examples
        --------
        >>> Standing(Outcome.REJECTED, ("river_bar",), 3, False).words
        'rejected (river_bar, revision 3)'
        >>> Standing(Outcome.AWAITING_SECOND, (), 3, True).words
        'outdated: awaiting_second (revision 3)'
        """
        inside = ", ".join([*self.reasons, f"revision {self.revision}"])
        return f"{'outdated: ' if self.is_outdated else ''}{self.outcome} ({inside})"


_REVIEWED = ("state", "activity", "likely_cause", "tenure_status", "area_ha", "clearing_ha", "tailings_ha", "pond_ha",
             "merged_from", "split_from")  # fmt: skip


def statement_of(payload: Mapping[str, Any]) -> str:
    """Return the digest of what a verdict is about: revision, outline and material facts of an event.

    A history that is told again with a late scene and comes to the same says the same, so its verdicts stand.
    """
    said = payload["properties"]
    facts = {name: said.get(name) for name in _REVIEWED}
    return digest({"id": payload["id"], "revision": said["revision"], "geometry": payload["geometry"], **facts})


def person(name: str) -> str:
    """Return a name as it is compared: whoever writes it otherwise in case or spaces is no second person.

    Examples
    --------
    >>> person("  Ana  SOUZA ") == person("ana souza")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


_JOINERS = {0x200C: "", 0x200D: ""}
"""Characters of Persian and Indic names that nothing prints by themselves."""


def check_person(name: str) -> str:
    """Return a name in NFC without spaces around it.

    Raises
    ------
    ReviewRefusedError
        It is empty, too long, or has characters that cannot be printed.
    """
    text = unicodedata.normalize("NFC", name).strip()
    if not text or len(text) > LONGEST_NAME or not text.translate(_JOINERS).isprintable():
        raise ReviewRefusedError(
            f"--by: found {text[:40]!r}, expected the name of a person in 1 to {LONGEST_NAME} printable characters"
        )
    return text


def check_note(note: str) -> str:
    """Return a note in NFC.

    Raises
    ------
    ReviewRefusedError
        It is too long.
    """
    text = unicodedata.normalize("NFC", note).strip()
    if len(text) > LONGEST_NOTE:
        raise ReviewRefusedError(f"--note: found {len(text)} characters, expected at most {LONGEST_NOTE}; name a file in it")
    return text


def check_reason(verdict: Verdict, code: str, note: str) -> None:
    """Raise where a reason does not exist, is not one for the verdict, or says nothing by itself.

    Raises
    ------
    ReviewRefusedError
        See above.
    """
    fitting = ", ".join(r.code for r in REASONS if verdict in r.verdicts)
    known = BY_CODE.get(code)
    if known is None or verdict not in known.verdicts:
        raise ReviewRefusedError(f"--reason: found {code!r}, expected for {verdict} one of {fitting}")
    if code == "other" and not note:
        raise ReviewRefusedError("--reason other: found no note, expected one that says what it is; give it with --note")


# --- which verdict stands ------------------------------------------------------------------------------------------------


def latest(entries: Iterable[Entry]) -> dict[str, dict[str, Review]]:
    """Return the verdict of each person on each statement, in the order in which they were first given.

    Parameters
    ----------
    entries : iterable of Review and Withdrawal
        In the order of the store.
    """
    held: dict[str, dict[str, Review]] = {}
    for entry in entries:
        of_statement = held.setdefault(entry.statement, {})
        if isinstance(entry, Withdrawal):
            of_statement.pop(person(entry.reviewer), None)
        else:
            of_statement[person(entry.reviewer)] = entry
    return {statement: by for statement, by in held.items() if by}


def standing(entries: Sequence[Entry], statement: str, *, needs_second: bool, said_by: date | None = None) -> Standing | None:
    """Return what stands of one alert; None where nobody has said anything of it.

    Parameters
    ----------
    entries : sequence of Review and Withdrawal
        Of this alert, in the order of the store.
    statement : str
        What is told now.
    needs_second : bool
        What is confirmed needs two people who agree.
    said_by : date, optional
        Verdicts on what was told after this day do not count.
    """
    held = {
        told: {who: r for who, r in by.items() if said_by is None or r.said_on <= said_by}
        for told, by in latest(entries).items()
    }
    if held.get(statement):
        return _outcome(list(held[statement].values()), needs_second=needs_second, is_outdated=False)
    others = [list(by.values()) for by in held.values() if by]
    if not others:
        return None
    newest = max(others, key=lambda some: (max(r.given_at for r in some), max(r.revision for r in some)))
    return _outcome(newest, needs_second=needs_second, is_outdated=True)


def _outcome(given: Sequence[Review], *, needs_second: bool, is_outdated: bool) -> Standing:
    """What the verdicts of one statement come to."""
    revision = given[0].revision
    if needs_second and given[0].state == "confirmed" and len(given) < 2:
        return Standing(Outcome.AWAITING_SECOND, (), revision, is_outdated)
    if len({r.verdict for r in given}) > 1:
        return Standing(Outcome.DISPUTED, (), revision, is_outdated)
    return Standing(Outcome(str(given[0].verdict)), tuple(dict.fromkeys(r.reason for r in given)), revision, is_outdated)


def awaits(entries: Sequence[Entry], statement: str, who: str, *, needs_second: bool) -> bool:
    """Return whether an alert awaits a verdict of this person: nobody's stands yet, or a second one is asked for."""
    given = latest(entries).get(statement, {})
    found = standing(entries, statement, needs_second=needs_second)
    is_waiting = found is None or found.is_outdated or found.outcome is Outcome.AWAITING_SECOND
    return is_waiting and person(who) not in given


# --- training data -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Label:
    """What a revision's ground is, without a word on who said so."""

    event_hash: str
    alert_id: str
    site_id: str
    revision: int
    label: str
    """`mining` or `other`."""
    reasons: tuple[str, ...]
    reading: str
    """The nearest reading of labelled chips; empty where the reasons name several, or none."""
    reviews: int
    """Number of people who agree."""


def labels(entries: Sequence[Entry], *, needs_second: bool) -> tuple[list[Label], dict[str, int]]:
    """Return the labels that verdicts give, in order of alert and revision, and how many give none by their reason.

    Every revision counts by itself: a verdict that is outdated is still true of what was reviewed. A duplicate, what cannot
    be told, is disputed, or awaits a second review gives no label.
    """
    found: list[Label] = []
    left_out: dict[str, int] = {}
    for by in latest(entries).values():
        given = list(by.values())
        stands = _outcome(given, needs_second=needs_second, is_outdated=False)
        why = "duplicate" if "duplicate" in stands.reasons else str(stands.outcome)
        if why not in {Outcome.ACCEPTED, Outcome.REJECTED}:
            left_out[why] = left_out.get(why, 0) + 1
            continue
        readings = {BY_CODE[code].reading for code in stands.reasons if code in BY_CODE}
        first = given[0]
        found.append(Label(
            first.event_hash, first.alert_id, first.site_id, first.revision,
            "mining" if stands.outcome is Outcome.ACCEPTED else "other", stands.reasons,
            readings.pop() if len(readings) == 1 else "", len(given),
        ))  # fmt: skip
    return sorted(found, key=lambda label: (label.alert_id, label.revision, label.event_hash)), dict(sorted(left_out.items()))

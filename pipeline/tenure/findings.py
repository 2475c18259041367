"""What one title says about a day: a table of questions, asked in order; the first that speaks decides.

Time first, then stage, minerals and suspension, then doubt. A doubt only matters to a title that would otherwise
cover the ground: a title that is known to have ended has ended, whatever else cannot be read. Which kinds permit what is
the law of the country, which the title's snapshot carries.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from math import hypot

from pipeline.tenure.minerals import minerals_sought
from pipeline.tenure.records import CountryRules, Snapshot, Suspension, TenureStatus, Title, TitleKind, TitleStatus


@dataclass(frozen=True, slots=True)
class TenureRules:
    """How titles are laid over sites, whatever the country; what its law says stands in `CountryRules`."""

    geolocation_m: float = 12.5
    """Sentinel-2 places a pixel within this (doi:10.3390/rs9060584, multi-temporal requirement of L1C)."""
    outline_m: float = 15.0
    """Accuracy that an outline is given where its register does not state its own."""
    minerals: tuple[str, ...] = ()
    """Minerals that the area is watched for; empty: minerals are not compared."""
    min_overlap_ha: float = 0.01
    """Overlaps below this, one pixel of 10 m, decide nothing; they are still listed."""
    covered_share: float = 0.95
    """A site is covered from this share on. What holds for no more than the rest of it does not name its status."""
    stale_after_days: int = 1095
    """A snapshot farther than this from the day, before or after, cannot tell that there is no title."""
    refused_reach_m: float = 10_000.0
    """A title without a usable outline may reach this far from where the register puts it."""

    def tolerance_m(self, snapshot: Snapshot | None = None) -> float:
        """Return how far outside a title of a snapshot is `within_tolerance`: the three accuracies in quadrature.

        Examples
        --------
        >>> round(TenureRules().tolerance_m(), 1)
        19.5
        >>> TenureRules(geolocation_m=0, outline_m=0).tolerance_m()
        0.0
        """
        told_m = None if snapshot is None else snapshot.outline_m
        transformation_m = 0.0 if snapshot is None else snapshot.transformation_m
        return hypot(self.geolocation_m, self.outline_m if told_m is None else told_m, transformation_m)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of each title."""

    on: date
    rules: TenureRules
    retrieved_on: date | None
    country: CountryRules


def _contradicts_itself(title: Title, _: _Question) -> str | None:
    if title.valid_from is None or title.valid_to is None or title.valid_from <= title.valid_to:
        return None
    return f"is said to end on {title.valid_to}, before it begins on {title.valid_from}"


def _has_ended(title: Title, asked: _Question) -> str | None:
    if title.valid_to is not None and title.valid_to < asked.on and not _may_run_on(title):
        days = (asked.on - title.valid_to).days
        called = ", though the register calls it active" if title.status is TitleStatus.ACTIVE else ""
        return f"ended on {title.valid_to}, {days} {'day' if days == 1 else 'days'} before {asked.on}{called}"
    if title.status is not TitleStatus.EXPIRED:
        return None
    knew_by_then = asked.retrieved_on is not None and asked.retrieved_on <= asked.on
    if knew_by_then or (asked.retrieved_on is None and title.valid_to is None):
        last = "without a last day" if title.valid_to is None else f"before its last day {title.valid_to}"
        return f"is called ended by the register, {last}"
    return None


def _has_not_begun(title: Title, asked: _Question) -> str | None:
    if title.valid_from is None or title.valid_from <= asked.on:
        return None
    return f"begins on {title.valid_from}, after {asked.on}"


def _may_run_on(title: Title) -> bool:
    """Whether it is in doubt that a title ended with its last day."""
    return any(doubt.field == "runs_on" for doubt in title.doubts)


def _allows_no_extraction(title: Title, asked: _Question) -> str | None:
    if title.kind in asked.country.prohibited_kinds:
        return "lies over ground that is closed to mining by the register"
    if title.status is TitleStatus.APPLICATION or title.kind is TitleKind.APPLICATION:
        return "is an application, which allows no extraction"
    if title.status is TitleStatus.REFUSED:
        return "was applied for and refused"
    if title.kind is TitleKind.UNKNOWN or _is_open(title, asked):
        return None
    return f"is of the kind {_words(title.kind)}, which allows no extraction"


def _is_open(title: Title, asked: _Question) -> bool:
    """Whether the kind of a title allows extraction, or sets ground aside for it."""
    return title.kind in asked.country.extraction or title.kind in asked.country.formalisation_kinds


def _had_not_reached_its_stage(title: Title, asked: _Question) -> str | None:
    if title.kind_since is None or title.kind_since <= asked.on or not _is_open(title, asked):
        return None
    return f"reached the stage {_words(title.kind)} on {title.kind_since}, after {asked.on}; before, it allowed no extraction"


def _is_for_other_minerals(title: Title, asked: _Question) -> str | None:
    sought = minerals_sought(asked.rules.minerals)
    if not sought:
        return None
    wanted = " or ".join(sorted(sought))
    allowed = asked.country.extraction.get(title.kind, frozenset())
    if allowed and not sought & allowed:
        return f"is of the kind {_words(title.kind)}, which is for {' or '.join(sorted(allowed))} only, not for {wanted}"
    is_readable = not any(doubt.field == "minerals" for doubt in title.doubts)
    if not title.minerals or not is_readable or sought & set(title.minerals):
        return None
    return f"is for {' and '.join(title.minerals)}, not for {wanted}"


def _is_suspended(title: Title, asked: _Question) -> str | None:
    for suspension in sorted(title.suspensions, key=lambda s: s.first):
        if suspension.first <= asked.on and not _is_over(suspension, asked.on):
            last = "until further notice" if suspension.last is None else f"to {suspension.last}"
            return f"was suspended from {suspension.first} {last}"
    are_over = all(_is_over(suspension, asked.on) for suspension in title.suspensions)
    return "is called suspended by the register" if title.status is TitleStatus.SUSPENDED and are_over else None


def _is_over(suspension: Suspension, on: date) -> bool:
    """Whether a suspension ended before a day."""
    return suspension.last is not None and suspension.last < on


def _is_in_doubt(title: Title, asked: _Question) -> str | None:
    sought = minerals_sought(asked.rules.minerals)
    has_mineral = not sought or bool(sought & set(title.minerals))
    runs = title.valid_to is not None and title.valid_to >= asked.on
    settled = {"minerals"} if has_mineral else set()
    settled |= {"runs_on"} if runs else set()
    doubts = [d.text for d in title.doubts if d.field not in settled]
    if title.kind is TitleKind.UNKNOWN and not any(d.field == "kind" for d in title.doubts):
        doubts.append("the register does not say what it allows")
    is_undated = title.valid_from is None and title.valid_to is None
    is_zone = title.kind in asked.country.formalisation_kinds
    is_told = any(d.field in {"status", "valid_from", "valid_to"} for d in title.doubts)
    if title.status is TitleStatus.UNKNOWN and is_undated and not is_zone and not is_told:
        doubts.append("the register gives neither its status nor its dates")
    if title.status is TitleStatus.EXPIRED and not _outlived(title, asked):
        doubts.append(f"the register calls it ended, and whether that was before {asked.on} is not known")
    return f"cannot be judged: {'; '.join(doubts)}" if doubts else None


def _outlived(title: Title, asked: _Question) -> bool:
    """Whether an ended title plainly ran to its last day, because the snapshot is younger than that day."""
    return title.valid_to is not None and asked.retrieved_on is not None and title.valid_to < asked.retrieved_on


def _is_a_zone(title: Title, asked: _Question) -> str | None:
    if title.kind not in asked.country.formalisation_kinds:
        return None
    return f"is set aside for artisanal mining or its formalisation ({_validity(title)})"


def _covers(title: Title, asked: _Question) -> str:
    silent = "" if title.minerals or not asked.rules.minerals else "; the register does not say for which minerals"
    return f"was in force on {asked.on} ({_validity(title)}){silent}"


QUESTIONS: tuple[tuple[TenureStatus, Callable[[Title, _Question], str | None]], ...] = (
    (TenureStatus.UNKNOWN, _contradicts_itself),
    (TenureStatus.LAPSED, _has_ended),
    (TenureStatus.NOT_YET_VALID, _has_not_begun),
    (TenureStatus.STAGE_MISMATCH, _allows_no_extraction),
    (TenureStatus.STAGE_MISMATCH, _had_not_reached_its_stage),
    (TenureStatus.COMMODITY_MISMATCH, _is_for_other_minerals),
    (TenureStatus.SUSPENDED, _is_suspended),
    (TenureStatus.UNKNOWN, _is_in_doubt),
    (TenureStatus.FORMALISATION_ZONE, _is_a_zone),
)
"""Findings about one title, asked in this order; the first whose question answers is the finding, else `covered`."""


def title_finding(title: Title, on: date, *, rules: TenureRules, snapshot: Snapshot | None = None) -> tuple[TenureStatus, str]:
    """Return what a title says about the ground inside it on a day, and why, as the predicate of a sentence.

    Parameters
    ----------
    title : Title
    on : date
        Both the first and the last day of a title count as in force.
    rules : TenureRules
    snapshot : Snapshot, optional
        What told of the title: the law of its country, and its day. A register that calls a title ended says so for
        that day only. Without it, exploitation alone allows extraction, of any mineral.

    Examples
    --------
    >>> import shapely
    >>> ended = Title("T1", "", "", TitleKind.EXPLOITATION, TitleStatus.ACTIVE, None, date(2024, 12, 31), (),
    ...               shapely.box(0, 0, 1, 1))
    >>> title_finding(ended, date(2024, 12, 31), rules=TenureRules())[0].value
    'covered'
    >>> title_finding(ended, date(2025, 1, 1), rules=TenureRules())[1]
    'ended on 2024-12-31, 1 day before 2025-01-01, though the register calls it active'
    """
    retrieved_on, country = (None, CountryRules()) if snapshot is None else (snapshot.retrieved_on, snapshot.rules)
    asked = _Question(on, rules, retrieved_on, country)
    for status, question in QUESTIONS:
        answer = question(title, asked)
        if answer is not None:
            return status, answer
    return TenureStatus.COVERED, _covers(title, asked)


def describe(title: Title) -> str:
    """Return a title in words: number, kind and minerals, never its holder."""
    about = [_words(title.kind) if title.kind is not TitleKind.UNKNOWN else "kind not known", *title.minerals]
    return f"Title {title.title_id} ({', '.join(about)})"


def _words(code: str) -> str:
    """Return a code as words."""
    return str(code).replace("_", " ")


def _validity(title: Title) -> str:
    """Return the days of a title in words."""
    first = f"from {title.valid_from}" if title.valid_from is not None else "no first day stated"
    last = f"to {title.valid_to}" if title.valid_to is not None else "no last day stated"
    return f"{first} {last}" if title.valid_from is not None and title.valid_to is not None else f"{first}, {last}"

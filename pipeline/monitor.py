"""State in time: every clear look moves the log-odds that a pixel changed, and its code follows.

Receives the evidence of one solar day; hands on the state after it. One pass over N days gives exactly what N calls of
one day give: nothing but the state and the day goes in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from enum import IntEnum

import numpy as np
from numba import njit

from pipeline.change import PixelClass
from pipeline.scenes import BANDS

EPOCH = date(2015, 1, 1)
"""Days are stored as uint16 since this day, before the first Sentinel-2 scene; 0 is never."""


class PixelCode(IntEnum):
    """How sure it is that a pixel changed."""

    NONE = 0
    """Unchanged as far as seen, or not monitored."""
    FIRST = 1
    """One look showed change, weakly or by one sign alone."""
    PROVISIONAL = 2
    """Probably changed: a sure look by two independent signs, or several less sure ones; not confirmed yet."""
    CONFIRMED = 3
    """Changed on two or more clear looks of different days, by two independent signs."""
    FINISHED = 4
    """Was confirmed and looks like its past again."""


@dataclass(frozen=True, slots=True)
class MonitorRules:
    """Thresholds of the state machine, in log-odds unless named otherwise."""

    prior: float = -3.0
    """Where a pixel starts, and the floor it never falls below: change is rare."""
    ceiling: float = 6.0
    """No past is so certain that a few looks cannot contradict it."""
    strongest_look: float = 3.0
    """The most that one look says for change."""
    strongest_denial: float = -2.0
    """The most that one look says against it."""
    first: float = -2.0
    provisional: float = -0.8
    """Reached by one look that is nine tenths sure of change: ln 9 above the prior."""
    confirmed: float = 2.5
    cleared: float = -1.5
    """Below this a pixel that was first or provisional is as if nothing had been, and a confirmed one is finished."""
    looks_to_confirm: int = 2


FOLLOWED = {
    "log_odds": np.float32, "code": np.uint8, "changed_looks": np.uint8, "signs": np.uint8, "doubtful": np.uint8,
    "first_changed_on": np.uint16, "confirmed_on": np.uint16, "last_changed_on": np.uint16,
}  # fmt: skip
"""Columns of a followed pixel that hold one number."""


@dataclass(frozen=True)
class Followed:
    """Pixels of a chunk that are not as at the beginning: one entry each, in the order of `at`."""

    at: np.ndarray
    """int64 (n,): ascending flat indices."""
    log_odds: np.ndarray
    """float32 (n,)."""
    code: np.ndarray
    """uint8 (n,), `PixelCode`."""
    changed_looks: np.ndarray
    """uint8 (n,): looks that showed change since the pixel was last unchanged, at most 255."""
    signs: np.ndarray
    """uint8 (n,): bits of `features.signs_of` seen since then."""
    doubtful: np.ndarray
    """uint8 (n,): looks in a row that were flagged as cloud and had the spectrum of ground."""
    first_changed_on: np.ndarray
    """uint16 (n,) days."""
    confirmed_on: np.ndarray
    """uint16 (n,) days."""
    last_changed_on: np.ndarray
    """uint16 (n,) days."""
    likeness: np.ndarray
    """uint8 (n, class): mean class probability over the looks that showed change, in 1/255."""
    seen_as: np.ndarray
    """int16 (n, band): reflectance in ten-thousandths on the last look that showed change."""

    def take(self, rows: np.ndarray) -> "Followed":
        """Return some of the entries; rows are positions or a mask."""
        if rows.dtype == bool:
            if rows.all():
                return self
            rows = np.flatnonzero(rows)
        return Followed(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True)
class PixelState:
    """State of one chunk: two planes, and a table of the few pixels that are followed. Replaced whole, never in place.

    A pixel that is not in the table has the log-odds of the prior, code NONE and zeros in everything else.
    """

    clear_looks: np.ndarray
    """uint16 (y, x): clear looks since monitoring began."""
    last_unchanged_on: np.ndarray
    """uint16 days (y, x): last clear look that showed no change, before the first that did."""
    followed: Followed

    def plane(self, name: str) -> np.ndarray:
        """Return a column of the followed pixels, or a plane, laid out over the chunk: (y, x), or (y, x, k) for the tables."""
        if name in {"clear_looks", "last_unchanged_on"}:
            return np.asarray(getattr(self, name))
        column = getattr(self.followed, name)
        empty = MonitorRules().prior if name == "log_odds" else 0
        plane = np.full((self.clear_looks.size, *column.shape[1:]), empty, column.dtype)
        plane[self.followed.at] = column
        return plane.reshape(*self.clear_looks.shape, *column.shape[1:])

    def value_at(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Return one of the columns of `FOLLOWED` at ascending flat indices: (n,)."""
        at, column = self.followed.at, getattr(self.followed, name)
        empty = np.array(MonitorRules().prior if name == "log_odds" else 0, column.dtype)
        found = np.full(len(rows), empty)
        _copy_held(found, rows, at, column)
        return found


@njit(cache=True, nogil=True, error_model="numpy")
def _copy_held(found: np.ndarray, rows: np.ndarray, at: np.ndarray, column: np.ndarray) -> None:
    """Write the entries of a table where it has one, in one go through two ascending arrays."""
    place = 0
    for i in range(len(rows)):
        while place < len(at) and at[place] < rows[i]:
            place += 1
        if place < len(at) and at[place] == rows[i]:
            found[i] = column[place]


def no_entries(at: np.ndarray, rules: MonitorRules | None = None) -> Followed:
    """Return entries of pixels as they are at the beginning."""
    rules = rules or MonitorRules()
    columns = {name: np.zeros(len(at), kind) for name, kind in FOLLOWED.items()}
    columns["log_odds"] += np.float32(rules.prior)
    return Followed(
        at=at,
        likeness=np.zeros((len(at), len(PixelClass)), np.uint8),
        seen_as=np.zeros((len(at), len(BANDS)), np.int16),
        **columns,
    )


def empty_state(shape: tuple[int, int]) -> PixelState:
    """Return the state before the first look."""
    return PixelState(np.zeros(shape, np.uint16), np.zeros(shape, np.uint16), no_entries(np.zeros(0, np.int64)))


def day_number(day: date) -> int:
    """Return a day as stored: days since `EPOCH`, at least 1."""
    number = (day - EPOCH).days
    if number < 1:
        raise ValueError(f"{day} is before the first Sentinel-2 scene; expected a day after {EPOCH}")
    return number


def day_of(number: int) -> date | None:
    """Return the day of a stored number; None for 0, which is never."""
    return EPOCH + timedelta(days=int(number)) if number else None


@dataclass(frozen=True, slots=True)
class LookEvidence:
    """What one solar day shows; arrays over the n pixels of `where`, in its order."""

    where: np.ndarray
    """Flat indices (n,) of pixels that passed the gate or are being followed."""
    change: np.ndarray
    """float32 (n,): probability that the ground changed."""
    seen: np.ndarray
    """float32 (n,): probability that the look shows ground."""
    probabilities: np.ndarray
    """float32 (n, class)."""
    signs: np.ndarray
    """uint8 (n,)."""
    reflectance: np.ndarray
    """float32 (band, n)."""


def look_weight(change: np.ndarray, seen: np.ndarray, rules: MonitorRules) -> np.ndarray:
    """Return what one look adds to the log-odds: float32, within [strongest_denial, strongest_look].

    The log-likelihood ratio of a calibrated probability from a training set with as much change as not, weighed by the
    probability that ground was seen at all: a look at cloud residue says nothing.
    """
    p = np.clip(change, 0.01, 0.99)
    ratio = np.log(p / (1.0 - p))
    return (np.clip(ratio, rules.strongest_denial, rules.strongest_look) * np.clip(seen, 0.0, 1.0)).astype(np.float32)


def take_look(state: PixelState, clear: np.ndarray, doubtful: np.ndarray, evidence: LookEvidence, day: date) -> PixelState:
    """Return the state after the looks of one solar day.

    Parameters
    ----------
    state : PixelState
    clear : bool (y, x)
        Pixels that count as seen on this day.
    doubtful : bool (y, x)
        Pixels flagged as cloud with the spectrum of ground (`doubtful.doubtful_mask`).
    evidence : LookEvidence
        Clear pixels that are in none of `evidence.where` looked as expected.
    day : date
        Later than every day the state has seen.

    Notes
    -----
    A pixel that looks as expected and is not followed has the log-odds of the prior and stays there: of it two planes are
    told, by whole arrays, and the state machine runs on the others alone.
    """
    rules, number = MonitorRules(), np.uint16(day_number(day))
    seen, flagged = clear.ravel(), doubtful.ravel()
    held = _entries(state.followed, merged(evidence.where, np.flatnonzero(flagged)))
    looks, last_unchanged = _counted(state.clear_looks, state.last_unchanged_on, clear, number)
    cleared = _advanced(held, seen[held.at], flagged[held.at], evidence, number)
    last_unchanged.reshape(-1)[held.at] = np.where(cleared, number, state.last_unchanged_on.reshape(-1)[held.at])
    return PixelState(looks, last_unchanged, _not_as_at_first(held, rules))


@njit(cache=True, nogil=True)
def _counted(
    looks: np.ndarray, last_unchanged: np.ndarray, clear: np.ndarray, number: np.uint16
) -> tuple[np.ndarray, np.ndarray]:
    """The planes of a state after a look: one more where the ground is seen, and its day."""
    more, day = np.empty_like(looks), np.empty_like(last_unchanged)
    for y in range(clear.shape[0]):
        for x in range(clear.shape[1]):
            more[y, x] = looks[y, x] + clear[y, x]
            day[y, x] = number if clear[y, x] else last_unchanged[y, x]
    return more, day


def merged(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the union of two ascending arrays of indices, each without repeats: ascending, without repeats.

    Examples
    --------
    >>> merged(np.array([1, 4, 7]), np.array([2, 4])).tolist()
    [1, 2, 4, 7]
    """
    both = np.concatenate([one, other])
    both.sort(kind="stable")  # merges the two runs
    return both[np.append(True, both[1:] != both[:-1])] if len(both) else both


@njit(cache=True, nogil=True, error_model="numpy")
def _places(at: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Where some of the values of an ascending array stand in it, in one go through both."""
    found, place = np.empty(len(some), np.int64), 0
    for i in range(len(some)):
        while at[place] != some[i]:
            place += 1
        found[i] = place
    return found


def _entries(followed: Followed, also: np.ndarray) -> Followed:
    """Entries of the followed pixels and of others, which are as at the beginning."""
    at = merged(followed.at, also)
    wide = no_entries(at)
    place = _places(at, followed.at)
    for field in fields(wide):
        getattr(wide, field.name)[place] = getattr(followed, field.name)
    return wide


def _not_as_at_first(entries: Followed, rules: MonitorRules) -> Followed:
    """The entries that must be kept: what the others hold besides is of looks that a later one refuted."""
    is_moved = entries.log_odds > np.float32(rules.prior)
    return entries.take(is_moved | (entries.code > 0) | (entries.changed_looks > 0) | (entries.doubtful > 0))


def _advanced(held: Followed, seen: np.ndarray, flagged: np.ndarray, evidence: LookEvidence, number: np.uint16) -> np.ndarray:
    """Change fresh entries by a look; returns which of them it showed unchanged: bool (n,)."""
    rules = MonitorRules()
    row, cleared = np.full(len(held.at), -1), np.zeros(len(held.at), bool)
    row[_places(held.at, evidence.where)] = np.arange(len(evidence.where))
    _advance(held, (row, seen, flagged, cleared), evidence, number, rules)
    return cleared


def _advance(
    held: Followed, masks: tuple[np.ndarray, ...], evidence: LookEvidence, number: np.uint16, rules: MonitorRules
) -> None:
    """Hand the state machine its arrays."""
    limits = np.array([rules.prior, rules.ceiling, rules.strongest_denial, rules.first, rules.provisional, rules.confirmed,
                       rules.cleared, rules.looks_to_confirm], np.float32)  # fmt: skip
    looks = (look_weight(evidence.change, evidence.seen, rules), evidence.signs, np.asarray(evidence.probabilities, np.float32))
    columns = tuple(getattr(held, name) for name in (*FOLLOWED, "likeness", "seen_as"))
    _take_each(columns, masks, looks, evidence.reflectance, number, limits)


NONE, FIRST, PROVISIONAL, CONFIRMED, FINISHED = (int(code) for code in PixelCode)


@njit(cache=True, nogil=True, error_model="numpy")
def _take_each(
    columns: tuple[np.ndarray, ...], masks: tuple[np.ndarray, ...], looks: tuple[np.ndarray, ...], shown: np.ndarray,
    number: np.uint16, limits: np.ndarray,
) -> None:  # fmt: skip
    """Move the log-odds of each entry, note what the look showed, and let the code follow."""
    odds, doubtful = columns[0], columns[4]
    row, seen, flagged, cleared = masks
    for i in range(len(row)):
        weight = looks[0][row[i]] if row[i] >= 0 else limits[2]
        is_changed = row[i] >= 0 and weight > 0
        if flagged[i]:
            doubtful[i] = min(doubtful[i], np.uint8(254)) + 1
        elif seen[i]:
            doubtful[i] = 0
        if seen[i]:
            odds[i] = min(max(odds[i] + weight, limits[0]), limits[1])
        if is_changed:
            _note(columns, i, looks, row[i], shown, number)
        if seen[i]:
            cleared[i] = _recode(columns, i, is_changed, number, limits)


@njit(cache=True, nogil=True, error_model="numpy")
def _note(
    columns: tuple[np.ndarray, ...], i: int, looks: tuple[np.ndarray, ...], row: int, shown: np.ndarray, number: np.uint16
) -> None:
    """Note the facts of a look that showed change: dates, number of looks, signs, class likeness, reflectance."""
    _, _, changed_looks, signs, _, first_changed_on, _, last_changed_on, likeness, seen_as = columns
    if changed_looks[i] == 0:
        first_changed_on[i] = number
    last_changed_on[i] = number
    changed_looks[i] = min(changed_looks[i], np.uint8(254)) + 1
    signs[i] |= looks[1][row]
    n = np.float32(min(changed_looks[i], np.uint8(8)))
    for k in range(likeness.shape[1]):
        mean = np.float32(likeness[i, k])
        likeness[i, k] = np.uint8(np.rint(mean + (np.float32(255.0) * looks[2][row, k] - mean) / n))
    for band in range(seen_as.shape[1]):
        value = min(max(shown[band, row], np.float32(-1.0)), np.float32(3.0))
        seen_as[i, band] = 0 if np.isnan(shown[band, row]) else np.int16(np.rint(value * np.float32(1e4)))


@njit(cache=True, nogil=True, error_model="numpy")
def _recode(columns: tuple[np.ndarray, ...], i: int, is_changed: bool, number: np.uint16, limits: np.ndarray) -> bool:
    """Let the code of an entry follow a clear look; returns whether it is cleared by it."""
    code, changed_looks, signs, first_changed_on, confirmed_on = columns[1], columns[2], columns[3], columns[5], columns[6]
    odds, was, has_both = columns[0][i], code[i], signs[i] == 3
    if was >= CONFIRMED:
        if was == CONFIRMED and odds <= limits[6]:
            code[i] = FINISHED
        elif was == FINISHED and odds >= limits[5]:
            code[i] = CONFIRMED
        return False
    if odds >= limits[5] and changed_looks[i] >= limits[7] and has_both:
        code[i], confirmed_on[i] = CONFIRMED, number
    elif odds >= limits[4] and has_both:
        code[i] = PROVISIONAL
    elif odds >= limits[3] and changed_looks[i] >= 1 and was < PROVISIONAL:
        code[i] = FIRST
    is_cleared = not is_changed and odds <= limits[6]
    if is_cleared:
        code[i], changed_looks[i], signs[i], first_changed_on[i] = NONE, 0, 0, 0
    return is_cleared


def state_arrays(state: PixelState) -> dict[str, np.ndarray]:
    """Return the arrays of a state by name, for the store."""
    planes = {"clear_looks": state.clear_looks, "last_unchanged_on": state.last_unchanged_on}
    return planes | {field.name: getattr(state.followed, field.name) for field in fields(state.followed)}


def state_of(arrays: Mapping[str, np.ndarray]) -> PixelState:
    """Return the state of what `state_arrays` gave."""
    table = {field.name: arrays[field.name] for field in fields(Followed)}
    return PixelState(arrays["clear_looks"], arrays["last_unchanged_on"], Followed(**table))

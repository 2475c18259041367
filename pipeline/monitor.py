"""State in time: every clear look moves the log-odds that a pixel changed, and its code follows.

Receives the evidence of one solar day; hands on the state after it. One pass over N days gives exactly what N calls of
one day give: nothing but the state and the day goes in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
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
        """Return one of the columns of `FOLLOWED` at flat indices: (n,)."""
        at, column = self.followed.at, getattr(self.followed, name)
        empty = np.array(MonitorRules().prior if name == "log_odds" else 0, column.dtype)
        if not len(at):
            return np.full(len(rows), empty)
        place = np.minimum(np.searchsorted(at, rows), len(at) - 1)
        return np.where(at[place] == rows, column[place], empty)


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
        Pixels flagged as cloud with the spectrum of ground (`cube.doubtful_mask`).
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
    moved, cleared = _taken(held, seen[held.at], flagged[held.at], evidence, number, rules)
    last_unchanged.reshape(-1)[held.at] = np.where(cleared, number, state.last_unchanged_on.reshape(-1)[held.at])
    return PixelState(looks, last_unchanged, _not_as_at_first(moved, rules))


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


def _entries(followed: Followed, also: np.ndarray) -> Followed:
    """Entries of the followed pixels and of others, which are as at the beginning."""
    at = merged(followed.at, also)
    wide = no_entries(at)
    place = np.searchsorted(at, followed.at)
    for field in fields(wide):
        getattr(wide, field.name)[place] = getattr(followed, field.name)
    return wide


def _not_as_at_first(entries: Followed, rules: MonitorRules) -> Followed:
    """The entries that must be kept: what the others hold besides is of looks that a later one refuted."""
    is_moved = entries.log_odds > np.float32(rules.prior)
    return entries.take(is_moved | (entries.code > 0) | (entries.changed_looks > 0) | (entries.doubtful > 0))


def _taken(
    held: Followed, clear: np.ndarray, doubtful: np.ndarray, evidence: LookEvidence, number: np.uint16, rules: MonitorRules
) -> tuple[Followed, np.ndarray]:
    """Entries after a look, and which of them it showed unchanged: bool (n,)."""
    weight = np.where(clear, np.float32(rules.strongest_denial), np.float32(0.0))
    row = np.searchsorted(held.at, evidence.where)
    weight[row] = look_weight(evidence.change, evidence.seen, rules)
    changed = np.zeros(len(held.at), bool)
    changed[row] = weight[row] > 0
    odds = np.clip(held.log_odds + weight, rules.prior, rules.ceiling)
    moved = replace(
        held,
        log_odds=np.where(clear, odds, held.log_odds),
        doubtful=np.where(doubtful, np.minimum(held.doubtful, 254) + 1, np.where(clear, 0, held.doubtful)).astype(np.uint8),
    )
    return _recode(_remember(moved, changed, row, evidence, number), clear, changed, number, rules)


def _remember(held: Followed, changed: np.ndarray, row: np.ndarray, evidence: LookEvidence, number: np.uint16) -> Followed:
    """Entries with the facts of this look: dates, number of changed looks, signs, class likeness, reflectance."""
    fresh = changed & (held.changed_looks == 0)
    count = np.where(changed, np.minimum(held.changed_looks, 254) + 1, held.changed_looks).astype(np.uint8)
    hit = changed[row]
    at = row[hit]
    signs, likeness, seen_as = held.signs.copy(), held.likeness.copy(), held.seen_as.copy()
    signs[at] |= evidence.signs[hit]
    n = np.minimum(count[at], 8).astype(np.float32)[:, None]
    mean = likeness[at].astype(np.float32)
    likeness[at] = np.rint(mean + (255.0 * evidence.probabilities[hit] - mean) / n).astype(np.uint8)
    seen_as[at] = np.rint(np.nan_to_num(np.clip(evidence.reflectance[:, hit].T, -1.0, 3.0)) * 1e4).astype(np.int16)
    return replace(
        held,
        changed_looks=count,
        signs=signs,
        likeness=likeness,
        seen_as=seen_as,
        first_changed_on=np.where(fresh, number, held.first_changed_on),
        last_changed_on=np.where(changed, number, held.last_changed_on),
    )


def _recode(
    held: Followed, clear: np.ndarray, changed: np.ndarray, number: np.uint16, rules: MonitorRules
) -> tuple[Followed, np.ndarray]:
    """Entries with codes after a look, and which were cleared by it; pixels that were not seen keep theirs."""
    was = held.code
    followed = (was >= PixelCode.CONFIRMED) & clear
    open_ = (was < PixelCode.CONFIRMED) & clear
    both = held.signs == 3
    confirmed = open_ & (held.log_odds >= rules.confirmed) & (held.changed_looks >= rules.looks_to_confirm) & both
    provisional = open_ & ~confirmed & (held.log_odds >= rules.provisional) & both
    first = open_ & ~confirmed & ~provisional & (held.log_odds >= rules.first) & (held.changed_looks >= 1)
    cleared = open_ & ~changed & (held.log_odds <= rules.cleared)
    code = was.copy()
    code[first & (was < PixelCode.PROVISIONAL)] = PixelCode.FIRST
    code[provisional] = PixelCode.PROVISIONAL
    code[confirmed] = PixelCode.CONFIRMED
    code[cleared] = PixelCode.NONE
    code[followed & (was == PixelCode.CONFIRMED) & (held.log_odds <= rules.cleared)] = PixelCode.FINISHED
    code[followed & (was == PixelCode.FINISHED) & (held.log_odds >= rules.confirmed)] = PixelCode.CONFIRMED
    recoded = replace(
        held,
        code=code,
        confirmed_on=np.where(confirmed, number, held.confirmed_on),
        changed_looks=np.where(cleared, 0, held.changed_looks).astype(np.uint8),
        signs=np.where(cleared, 0, held.signs).astype(np.uint8),
        first_changed_on=np.where(cleared, 0, held.first_changed_on).astype(np.uint16),
    )
    return recoded, cleared


def state_arrays(state: PixelState) -> dict[str, np.ndarray]:
    """Return the arrays of a state by name, for the store."""
    planes = {"clear_looks": state.clear_looks, "last_unchanged_on": state.last_unchanged_on}
    return planes | {field.name: getattr(state.followed, field.name) for field in fields(state.followed)}


def state_of(arrays: Mapping[str, np.ndarray]) -> PixelState:
    """Return the state of what `state_arrays` gave."""
    table = {field.name: arrays[field.name] for field in fields(Followed)}
    return PixelState(arrays["clear_looks"], arrays["last_unchanged_on"], Followed(**table))

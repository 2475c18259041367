"""The state machine over whole arrays, as it was before the followed pixels had a table: the oracle of `pipeline.monitor`."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from pipeline.change import PixelClass
from pipeline.monitor import LookEvidence, MonitorRules, PixelCode, day_number, look_weight
from pipeline.scenes import BANDS


@dataclass(frozen=True)
class DenseState:
    """State of one chunk; arrays (y, x) unless noted. Replaced whole, never changed in place."""

    log_odds: np.ndarray
    """float32."""
    code: np.ndarray
    """uint8, `PixelCode`."""
    clear_looks: np.ndarray
    """uint16: clear looks since monitoring began."""
    changed_looks: np.ndarray
    """uint8: looks that showed change since the pixel was last unchanged, at most 255."""
    signs: np.ndarray
    """uint8: bits of `features.signs_of` seen since then."""
    doubtful: np.ndarray
    """uint8: looks in a row that were flagged as cloud and had the spectrum of ground."""
    last_unchanged_on: np.ndarray
    """uint16 days: last clear look that showed no change, before the first that did."""
    first_changed_on: np.ndarray
    """uint16 days."""
    confirmed_on: np.ndarray
    """uint16 days."""
    last_changed_on: np.ndarray
    """uint16 days."""
    likeness: np.ndarray
    """uint8 (class, y, x): mean class probability over the looks that showed change, in 1/255."""
    seen_as: np.ndarray
    """int16 (band, y, x): reflectance in ten-thousandths on the last look that showed change."""


def empty_state(shape: tuple[int, int], rules: MonitorRules | None = None) -> DenseState:
    """Return the state before the first look."""
    rules = rules or MonitorRules()
    return DenseState(
        log_odds=np.full(shape, rules.prior, np.float32),
        likeness=np.zeros((len(PixelClass), *shape), np.uint8),
        seen_as=np.zeros((len(BANDS), *shape), np.int16),
        **{name: np.zeros(shape, np.uint8) for name in ("code", "changed_looks", "signs", "doubtful")},
        **{
            name: np.zeros(shape, np.uint16)
            for name in ("clear_looks", "last_unchanged_on", "first_changed_on", "confirmed_on", "last_changed_on")
        },
    )


def take_look(state: DenseState, clear: np.ndarray, doubtful: np.ndarray, evidence: LookEvidence, day: date) -> DenseState:
    """Return the state after the looks of one solar day.

    Parameters
    ----------
    state : DenseState
    clear : bool (y, x)
        Pixels that count as seen on this day.
    doubtful : bool (y, x)
        Pixels flagged as cloud with the spectrum of ground (`doubtful.doubtful_mask`).
    evidence : LookEvidence
        Clear pixels that are in none of `evidence.where` looked as expected.
    day : date
        Later than every day the state has seen.
    """
    rules = MonitorRules()
    weight = np.zeros(clear.size, np.float32)
    weight[clear.ravel()] = rules.strongest_denial
    weight[evidence.where] = look_weight(evidence.change, evidence.seen, rules)
    changed = np.zeros(clear.size, bool)
    changed[evidence.where] = weight[evidence.where] > 0
    changed_at = changed.reshape(clear.shape)
    odds = np.clip(state.log_odds + weight.reshape(clear.shape), rules.prior, rules.ceiling)
    moved = replace(
        state,
        log_odds=np.where(clear, odds, state.log_odds),
        clear_looks=state.clear_looks + clear.astype(np.uint16),
        doubtful=np.where(doubtful, np.minimum(state.doubtful, 254) + 1, np.where(clear, 0, state.doubtful)).astype(np.uint8),
    )
    return _recode(_remember(moved, changed_at, evidence, day), clear, changed_at, day, rules)


def _remember(state: DenseState, changed: np.ndarray, evidence: LookEvidence, day: date) -> DenseState:
    """State with the facts of this look: dates, number of changed looks, signs, class likeness, reflectance."""
    number = np.uint16(day_number(day))
    fresh = changed & (state.changed_looks == 0)
    count = np.where(changed, np.minimum(state.changed_looks, 254) + 1, state.changed_looks).astype(np.uint8)
    hit = changed.ravel()[evidence.where]
    at = evidence.where[hit]
    signs, likeness, seen_as = state.signs.copy(), state.likeness.copy(), state.seen_as.copy()
    signs.reshape(-1)[at] |= evidence.signs[hit]
    memory = likeness.reshape(len(PixelClass), -1)
    n = np.minimum(count.reshape(-1)[at], 8).astype(np.float32)
    mean = memory[:, at].astype(np.float32)
    memory[:, at] = np.rint(mean + (255.0 * evidence.probabilities[hit].T - mean) / n).astype(np.uint8)
    seen_as.reshape(len(BANDS), -1)[:, at] = np.rint(
        np.nan_to_num(np.clip(evidence.reflectance[:, hit], -1.0, 3.0)) * 1e4
    ).astype(np.int16)
    return replace(
        state,
        changed_looks=count,
        signs=signs,
        likeness=likeness,
        seen_as=seen_as,
        first_changed_on=np.where(fresh, number, state.first_changed_on),
        last_changed_on=np.where(changed, number, state.last_changed_on),
    )


def _recode(state: DenseState, clear: np.ndarray, changed: np.ndarray, day: date, rules: MonitorRules) -> DenseState:
    """State with codes after a look; pixels that were not seen keep theirs."""
    number = np.uint16(day_number(day))
    was = state.code
    followed = (was >= PixelCode.CONFIRMED) & clear
    open_ = (was < PixelCode.CONFIRMED) & clear
    both = state.signs == 3
    confirmed = open_ & (state.log_odds >= rules.confirmed) & (state.changed_looks >= rules.looks_to_confirm) & both
    provisional = open_ & ~confirmed & (state.log_odds >= rules.provisional) & both
    first = open_ & ~confirmed & ~provisional & (state.log_odds >= rules.first) & (state.changed_looks >= 1)
    cleared = open_ & ~changed & (state.log_odds <= rules.cleared)
    code = was.copy()
    code[first & (was < PixelCode.PROVISIONAL)] = PixelCode.FIRST
    code[provisional] = PixelCode.PROVISIONAL
    code[confirmed] = PixelCode.CONFIRMED
    code[cleared] = PixelCode.NONE
    code[followed & (was == PixelCode.CONFIRMED) & (state.log_odds <= rules.cleared)] = PixelCode.FINISHED
    code[followed & (was == PixelCode.FINISHED) & (state.log_odds >= rules.confirmed)] = PixelCode.CONFIRMED
    return replace(
        state,
        code=code,
        confirmed_on=np.where(confirmed, number, state.confirmed_on),
        changed_looks=np.where(cleared, 0, state.changed_looks).astype(np.uint8),
        signs=np.where(cleared, 0, state.signs).astype(np.uint8),
        first_changed_on=np.where(cleared, 0, state.first_changed_on).astype(np.uint16),
        last_unchanged_on=np.where(cleared, number, state.last_unchanged_on).astype(np.uint16),
    )

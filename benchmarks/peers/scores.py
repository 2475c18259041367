"""How an alarm map is counted against the reference, with intervals from blocks of pixels."""

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.forest_truth import Truth

BLOCK_PX = 10
RESAMPLES = 1000
SEED = 20


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval; NaN where it is a figure of nothing."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the three numbers, as short as they can be told apart."""
        digits = 0 if abs(self.value) >= 10 else 1 if abs(self.value) >= 1 else 3
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True)
class Score:
    """What one monitor found."""

    recall: Interval
    """Share of `Truth.lost` with an alarm on any monitored day."""
    recall_standing: Interval
    """Share of `Truth.standing`."""
    false_alarms: Interval
    """Share of `Truth.stable` with an alarm on any monitored day, withdrawn or not."""
    early: Interval
    """Share of the pixels lost with an alarm on or before the last look at intact ground: right pixel, wrong reason."""
    lag_days: Interval
    """Median days from the first look after the loss to the alarm, of alarms that are not early."""
    lag_looks: Interval
    """Median clear looks in that time, the one of the alarm included: 1 is an alarm at first sight."""


class Blocks:
    """Draws of 10 x 10 px blocks with replacement, the same for every monitor, so that differences are paired."""

    def __init__(self, shape: tuple[int, int], draws: int = RESAMPLES) -> None:
        rows, columns = np.indices(shape) // BLOCK_PX
        self.of_pixel = rows * (columns.max() + 1) + columns
        self.count = int(self.of_pixel.max()) + 1
        drawn = np.random.default_rng(SEED).integers(0, self.count, (draws, self.count))
        self.times = np.stack([np.bincount(row, minlength=self.count) for row in drawn])

    def shares(self, hit: np.ndarray, among: np.ndarray) -> np.ndarray:
        """Return the share of `among` that is hit, of all and then of each draw; NaN where a draw holds none."""
        hits, total = (np.bincount(self.of_pixel[m], minlength=self.count) for m in (hit & among, among))
        weights = np.vstack([np.ones(self.count, int), self.times])
        with np.errstate(invalid="ignore"):
            return (weights @ hits) / (weights @ total)

    def medians(self, values: np.ndarray, among: np.ndarray) -> np.ndarray:
        """Return the median of the values of `among`, of all and then of each draw; NaN where a draw holds none."""
        order = np.argsort(values[among], kind="stable")
        sorted_values, block = values[among][order].astype(float), self.of_pixel[among][order]
        return np.array([_weighted_median(sorted_values, w[block]) for w in (np.ones(self.count, int), *self.times)])


def _weighted_median(ascending: np.ndarray, weight: np.ndarray) -> float:
    """Lower median of ascending values with whole-number weights."""
    total = np.cumsum(weight)
    return float(ascending[np.searchsorted(total, (total[-1] + 1) // 2)]) if len(total) and total[-1] else float("nan")


def interval(draws: np.ndarray) -> Interval:
    """Return the figure (the first entry) with the 2.5 % and 97.5 % points of the draws (the others)."""
    known = draws[1:][np.isfinite(draws[1:])]
    low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (np.nan, np.nan)
    return Interval(float(draws[0]), float(low), float(high))


def score(alarm: np.ndarray, truth: Truth, clear: np.ndarray, days: np.ndarray, blocks: Blocks) -> Score:
    """Return the figures of one monitor.

    Parameters
    ----------
    alarm : datetime64[D] (y, x)
        Day of the first alarm, NaT for never.
    clear : bool (time, y, x)
        The clear mask that the monitors were given.
    days : datetime64[D] (time,)
    """
    raised, fell = ~np.isnat(alarm), truth.lost | truth.standing
    early = raised & fell & (alarm <= truth.intact)
    in_time = raised & fell & ~early
    day = days[:, None, None]
    looks = (clear & (day >= truth.began) & (day <= alarm)).sum(axis=0)
    lag = (alarm - truth.began).astype("timedelta64[D]").astype(float)
    return Score(
        recall=interval(blocks.shares(raised, truth.lost)),
        recall_standing=interval(blocks.shares(raised, truth.standing)),
        false_alarms=interval(blocks.shares(raised, truth.stable)),
        early=interval(blocks.shares(early, fell)),
        lag_days=interval(blocks.medians(lag, in_time)),
        lag_looks=interval(blocks.medians(looks, in_time)),
    )

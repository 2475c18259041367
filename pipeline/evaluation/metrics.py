"""Measures of a score against the truth: how well it ranks, how well it decides, how far its probabilities hold.

Receives rows with a truth, a probability and a spatial block; hands on figures with 95 % intervals that resample whole
blocks, because rows of one place are no independent evidence. Statistics give NaN where they are undefined.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import rankdata

from pipeline.evaluation.intervals import Figure, finite, proportion, resampled_figure

FIELD_PREVALENCES = (0.001, 0.01)
"""Shares of mining among what a model is asked about, for which precision is stated; chips hold far more."""
PROBABILITY_EDGE = 1e-6
"""Probabilities are kept this far from 0 and 1 before their log-odds are taken."""
STEPS, STILL = 50, 1e-10
"""Most Newton steps of the calibration line, and the step from which it has arrived."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows that were judged by a model that saw no row of their block."""

    truth: np.ndarray
    """bool (n,)."""
    score: np.ndarray
    """float (n,): probability, 0 to 1."""
    block: np.ndarray
    """(n,): spatial block of each row."""
    of: str = "rows"
    """What a row is."""

    def __post_init__(self) -> None:
        if not len(self.truth) == len(self.score) == len(self.block):
            raise ValueError(f"found {len(self.truth)} truths, {len(self.score)} scores and {len(self.block)} blocks; "
                             "expected one of each for every row")  # fmt: skip
        if len(self.score) and not (np.isfinite(self.score).all() and self.score.min() >= 0.0 and self.score.max() <= 1.0):
            raise ValueError("found a score that is no probability; expected numbers from 0 to 1 without NaN")


Statistic = Callable[[np.ndarray, np.ndarray], float]
"""Takes truth and score of some rows; NaN where it is undefined."""


def _share(hits: float, n: float) -> float:
    """A share, NaN of nothing."""
    return float(hits) / float(n) if n else float("nan")


def precision(truth: np.ndarray, score: np.ndarray, threshold: float) -> float:
    """Return the share of true rows among those with a score from the threshold up; NaN where there is none.

    Examples
    --------
    >>> precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.2]), 0.5)
    0.5
    """
    named = score >= threshold
    return _share(truth[named].sum(), named.sum())


def recall(truth: np.ndarray, score: np.ndarray, threshold: float) -> float:
    """Return the share of true rows that have a score from the threshold up (sensitivity); NaN without true rows."""
    return _share((truth & (score >= threshold)).sum(), truth.sum())


def specificity(truth: np.ndarray, score: np.ndarray, threshold: float) -> float:
    """Return the share of other rows that have a score below the threshold; NaN without other rows."""
    return _share((~truth & (score < threshold)).sum(), (~truth).sum())


def f1(truth: np.ndarray, score: np.ndarray, threshold: float) -> float:
    """Return 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; NaN where nothing is true or named."""
    named = score >= threshold
    return _share(2.0 * (truth & named).sum(), truth.sum() + named.sum())


def auc(truth: np.ndarray, score: np.ndarray) -> float:
    """Return the area under the ROC curve: the share of pairs of a true and another row that the score ranks right.

    Ties count half; NaN where only one class is there. The same number as scikit-learn's `roc_auc_score`, by ranks, which
    is fast enough for resampling.

    References
    ----------
    Hanley and McNeil (1982), Radiology 143, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> auc(np.array([False, True, False, True]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    true = int(truth.sum())
    other = len(truth) - true
    if not true or not other:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[truth].sum() - true * (true + 1) / 2.0) / (float(true) * other))


def average_precision(truth: np.ndarray, score: np.ndarray) -> float:
    """Return the average precision: the mean of the precision over the recall that each threshold adds; NaN without true rows.

    The same number as scikit-learn's `average_precision_score`.

    Examples
    --------
    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.2])).__round__(3)
    0.833
    """
    true = int(truth.sum())
    if not true:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.cumsum(truth[order])[last_of_tie]
    return float(np.sum(np.diff(hits, prepend=0) * hits / (last_of_tie + 1)) / true)


def brier(truth: np.ndarray, score: np.ndarray) -> float:
    """Return the mean squared difference of probability and truth (Brier 1950); NaN without rows."""
    return float(np.mean((score - truth) ** 2)) if len(truth) else float("nan")


def brier_skill(truth: np.ndarray, score: np.ndarray) -> float:
    """Return 1 - Brier / Brier of always saying the base rate: 1 perfect, 0 no better; NaN where one class only is there.

    Examples
    --------
    >>> brier_skill(np.array([True, False]), np.array([0.5, 0.5]))
    0.0
    """
    base = float(truth.mean()) if len(truth) else 0.0
    return 1.0 - brier(truth, score) / (base * (1.0 - base)) if 0.0 < base < 1.0 else float("nan")


def calibration_line(truth: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of the unpenalised logistic regression of truth on the log-odds of the score.

    Slope 1 and intercept 0: probabilities hold; slope below 1: they are too extreme. Both NaN where the maximum of the
    likelihood does not exist: one class only, one score only, or classes that the score separates.

    References
    ----------
    Cox (1958), Biometrika 45, doi:10.1093/biomet/45.3-4.562.
    """
    nothing = float("nan"), float("nan")
    if not truth.any() or truth.all() or np.ptp(score) == 0.0:
        return nothing
    x = _log_odds(score)
    low, high = x[~truth], x[truth]
    if high.min() >= low.max() or high.max() <= low.min():
        return nothing
    return _newton(x, truth.astype(np.float64)) or nothing


def _log_odds(score: np.ndarray) -> np.ndarray:
    """Log-odds of probabilities, kept off 0 and 1."""
    p = np.clip(score.astype(np.float64), PROBABILITY_EDGE, 1.0 - PROBABILITY_EDGE)
    return np.log(p / (1.0 - p))


def _newton(x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """Slope and intercept of most likelihood; steps are halved until they improve it, None where they never arrive."""
    design = np.column_stack([x, np.ones_like(x)])
    beta = np.zeros(2)

    def loss(b: np.ndarray) -> float:
        z = design @ b
        return float(np.sum(np.logaddexp(0.0, z) - y * z))

    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -500.0, 500.0)))
        gradient = design.T @ (y - p)
        curvature = design.T @ (design * (p * (1.0 - p))[:, None])
        if not np.linalg.det(curvature) > 0.0:
            return None
        step = np.linalg.solve(curvature, gradient)
        while np.abs(step).max() > STILL and loss(beta + step) > loss(beta):
            step = step / 2.0
        beta = beta + step
        if np.abs(step).max() <= STILL:
            return float(beta[0]), float(beta[1])
    return None


def precision_at(prevalence: float, sensitivity: float, specificity_: float) -> float:
    """Return the precision that sensitivity and specificity give at a prevalence: Bayes' rule; NaN where nothing is named.

    sens x prev / (sens x prev + (1 - spec) x (1 - prev)).

    Examples
    --------
    >>> round(precision_at(0.01, 0.9, 0.99), 3)
    0.476
    """
    hits = sensitivity * prevalence
    named = hits + (1.0 - specificity_) * (1.0 - prevalence)
    return _share(hits, named)


def precision_at_prevalence(
    judged: Judged, threshold: float, prevalence: float, *, resamples: int = 1000, seed: int = 0
) -> Figure:
    """Return the precision at a field prevalence, with bounds at the bounds of sensitivity and specificity.

    The formula rises with both, so their lower bounds give its lower bound and their upper ones its upper: together at
    least 90 % and mostly more. A sample without one false alarm still has an upper bound of its false alarms. `n` counts
    the rows that are not mining, on which the specificity rests.
    """
    names = ("recall", "specificity")
    sens, spec = (decision_figure(judged, name, threshold, resamples=resamples, seed=seed) for name in names)
    n, of = int((~judged.truth).sum()), f"{judged.of}, not mining"
    found = []
    for s, c in ((sens.value, spec.value), (sens.low, spec.low), (sens.high, spec.high)):
        found.append(None if s is None or c is None else finite(precision_at(prevalence, s, c)))
    value, low, high = found
    return Figure(value, low, high, n, of)


DECISIONS: Mapping[str, Callable[[np.ndarray, np.ndarray, float], float]] = {
    "precision": precision,
    "recall": recall,
    "specificity": specificity,
    "f1": f1,
}
"""Statistics of a decision at a threshold."""
RANKINGS: Mapping[str, Statistic] = {
    "auc": auc,
    "average_precision": average_precision,
    "brier": brier,
    "brier_skill": brier_skill,
    "calibration_slope": lambda truth, score: calibration_line(truth, score)[0],
    "calibration_intercept": lambda truth, score: calibration_line(truth, score)[1],
}
"""Statistics of the score as a whole."""


def _of_rows(statistic: Statistic, judged: Judged, rows: np.ndarray) -> float:
    """A statistic of some rows."""
    return statistic(judged.truth[rows], judged.score[rows])


def measured(judged: Judged, statistic: Statistic, *, resamples: int = 1000, seed: int = 0) -> Figure:
    """Return a statistic with its interval by resampling blocks."""
    return resampled_figure(judged.block, partial(_of_rows, statistic, judged), judged.of, n=resamples, seed=seed)


def _counts(judged: Judged, name: str, threshold: float) -> tuple[int, int]:
    """Hits and cases of a decision that is a share."""
    named = judged.score >= threshold
    cases = {"precision": named, "recall": judged.truth, "specificity": ~judged.truth}[name]
    hits = ~named if name == "specificity" else named & judged.truth
    return int((cases & hits).sum()), int(cases.sum())


def decision_figure(judged: Judged, name: str, threshold: float, *, resamples: int = 1000, seed: int = 0) -> Figure:
    """Return precision, recall, specificity or F1 at a threshold with its interval.

    The interval is by blocks; that of a share is never narrower than Wilson's, which a bootstrap is where nearly all or
    nearly none of the cases hit. `n` counts the cases: the rows that are named for a precision, the true ones for a recall.
    """
    decide = DECISIONS[name]
    blocks = measured(judged, lambda truth, score: decide(truth, score, threshold), resamples=resamples, seed=seed)
    if name == "f1":
        return blocks
    hits, n = _counts(judged, name, threshold)
    plain = proportion(hits, n, judged.of)
    if plain.low is None or plain.high is None or blocks.low is None or blocks.high is None:
        return plain
    return Figure(plain.value, min(plain.low, blocks.low), max(plain.high, blocks.high), n, judged.of,
                  blocks.undefined_resamples)  # fmt: skip


def judged_figures(judged: Judged, threshold: float, *, resamples: int = 1000, seed: int = 0) -> dict[str, Figure]:
    """Return every figure of judged rows by name: decisions at the threshold, ranking, calibration, field precision."""
    figures = {
        "base_rate": proportion(int(judged.truth.sum()), len(judged.truth), judged.of),
        **{name: decision_figure(judged, name, threshold, resamples=resamples, seed=seed) for name in DECISIONS},
        **{name: measured(judged, statistic, resamples=resamples, seed=seed) for name, statistic in RANKINGS.items()},
    }
    for prevalence in FIELD_PREVALENCES:
        figures[f"precision_at_{prevalence:g}"] = precision_at_prevalence(
            judged, threshold, prevalence, resamples=resamples, seed=seed
        )
    return figures


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows whose probability lies in one bin."""

    low: float
    high: float
    """Bin [low, high); the last one holds 1 too."""
    forecast: float
    """Mean probability."""
    observed: Figure
    """Share that is true, with Wilson's interval."""


def reliability_curve(judged: Judged, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Return the reliability curve over bins of equal width; empty bins are left out.

    Examples
    --------
    >>> curve = reliability_curve(Judged(np.array([True, False]), np.array([0.92, 0.98]), np.array([0, 1])))
    >>> [(b.low, round(b.forecast, 2), b.observed.value, b.observed.n) for b in curve]
    [(0.9, 0.95, 0.5, 2)]
    """
    number = np.minimum((judged.score * bins).astype(np.int64), bins - 1)
    return tuple(
        ReliabilityBin(
            k / bins, (k + 1) / bins, float(judged.score[number == k].mean()),
            proportion(int(judged.truth[number == k].sum()), int((number == k).sum()), judged.of),
        )
        for k in range(bins)
        if (number == k).any()
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroupRow:
    """What a model says of one group of rows."""

    group: str
    n: int
    true: int
    """Rows that are mining."""
    named: Figure
    """Share with a score from the threshold up, with Wilson's interval: recall of a group that is all mining, false alarms
    of one that is none."""
    mean_score: float
    auc: float | None
    """None where the group has one class only."""


def by_group(judged: Judged, group: np.ndarray, threshold: float) -> tuple[GroupRow, ...]:
    """Return one row for each group, in order of its name: readings, kinds of look-alike, blocks."""
    found = []
    for name in np.unique(group):
        rows = group == name
        truth, score = judged.truth[rows], judged.score[rows]
        named = int((score >= threshold).sum())
        area = auc(truth, score)
        found.append(GroupRow(str(name), len(score), int(truth.sum()), proportion(named, len(score), judged.of),
                              float(score.mean()), None if np.isnan(area) else area))  # fmt: skip
    return tuple(found)

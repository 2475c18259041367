"""Figures and their uncertainty: a value, its 95 % interval, and the number that it rests on.

A figure that is undefined (no case to divide by, one class only) has the value None and says so in print; it is never 0.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Level of every interval of this package."""
Z = float(stats.norm.ppf(0.5 + LEVEL / 2.0))
FEWEST_BLOCKS = 5
"""Blocks below which nothing is resampled: the resamples of fewer are a handful of repeated values."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    value: float | None
    """None where it is undefined."""
    low: float | None
    """Lower bound of the 95 % interval; None where there is none."""
    high: float | None
    n: int
    """Number of cases that it rests on."""
    of: str
    """What these cases are: rows, sites, mines …"""
    undefined_resamples: int = 0
    """Resamples of the bootstrap that were skipped, because the statistic was undefined in them."""


@dataclass(frozen=True, slots=True)
class Resampled:
    """What resampling whole blocks says of a statistic."""

    low: float | None
    """None where there are fewer than `FEWEST_BLOCKS` blocks, or no resample in which the statistic is defined."""
    high: float | None
    blocks: int
    resamples: int
    """Resamples that the interval rests on."""
    undefined: int
    """Resamples that were skipped, because the statistic was undefined in them."""


def finite(value: float) -> float | None:
    """Return the number, or None where it is NaN or infinite: undefined."""
    return float(value) if math.isfinite(value) else None


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the Wilson score interval at 95 % of a share of `hits` in `n`: (0, 1) where n is 0.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> [round(bound, 3) for bound in wilson(5, 10)]
    [0.237, 0.763]
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, Z * Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == n else min(1.0, middle + half)


def proportion(hits: int, n: int, of: str) -> Figure:
    """Return a share with its Wilson interval; undefined where n is 0.

    Examples
    --------
    >>> proportion(3, 4, "sites").value
    0.75
    """
    if n == 0:
        return Figure(None, None, None, 0, of)
    low, high = wilson(hits, n)
    return Figure(hits / n, low, high, n, of)


def rate(count: int, exposure: float, of: str) -> Figure:
    """Return events per unit of exposure with the exact Poisson interval; undefined where nothing was exposed.

    `n` is the count. Bounds are quantiles of the chi-square distribution with 2k and 2k + 2 degrees of freedom.

    References
    ----------
    Garwood (1936), Biometrika 28, doi:10.1093/biomet/28.3-4.437.

    Examples
    --------
    >>> rate(0, 2.0, "alerts").low, round(rate(0, 2.0, "alerts").high, 2)
    (0.0, 1.84)
    """
    if exposure <= 0.0:
        return Figure(None, None, None, count, of)
    tail = (1.0 - LEVEL) / 2.0
    low = stats.chi2.ppf(tail, 2 * count) / 2.0 if count else 0.0
    high = stats.chi2.ppf(1.0 - tail, 2 * count + 2) / 2.0
    return Figure(count / exposure, float(low) / exposure, float(high) / exposure, count, of)


def median(values: Sequence[float], of: str) -> Figure:
    """Return the median with a distribution-free interval of at least 95 % between two of the values.

    The bounds are the r-th smallest and the r-th largest value, with the largest r for which the binomial probability
    that the true median lies outside is at most 5 %; fewer than six values allow none.

    Examples
    --------
    >>> figure = median([1, 2, 3, 4, 5, 60], "mines")
    >>> figure.value, figure.low, figure.high
    (3.5, 1.0, 60.0)
    """
    ordered = sorted(map(float, values))
    n = len(ordered)
    if n == 0:
        return Figure(None, None, None, 0, of)
    rank = int(stats.binom.ppf((1.0 - LEVEL) / 2.0, n, 0.5))  # P(X < rank) <= 2.5 %
    low, high = (ordered[rank - 1], ordered[n - rank]) if rank >= 1 else (None, None)
    return Figure(float(np.median(ordered)), low, high, n, of)


def block_bootstrap(block: np.ndarray, statistic: Callable[[np.ndarray], float], n: int = 1000, seed: int = 0) -> Resampled:
    """Return the 95 % percentile interval of a statistic over resamples of whole blocks; the same seed gives the same.

    Parameters
    ----------
    block : (rows,)
        Block of each row. As many blocks as there are get drawn with replacement, each with all of its rows.
    statistic : callable
        Takes row numbers, int64 (k,), some of them repeated; gives a number, NaN where it is undefined.
    n : int
        Resamples.
    seed : int

    Notes
    -----
    Resamples in which the statistic is undefined are skipped and counted. With few blocks the interval is too narrow; with
    fewer than `FEWEST_BLOCKS` there is none.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 8.5 and 13, doi:10.1201/9780429246593.
    """
    names, of_row = np.unique(block, return_inverse=True)
    if len(names) < FEWEST_BLOCKS:
        return Resampled(None, None, len(names), 0, 0)
    rows = [np.flatnonzero(of_row == k) for k in range(len(names))]
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(names), size=(n, len(names)))
    found = np.array([statistic(np.concatenate([rows[k] for k in draw])) for draw in draws], np.float64)
    known = found[np.isfinite(found)]
    if not len(known):
        return Resampled(None, None, len(names), 0, n)
    low, high = np.quantile(known, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return Resampled(float(low), float(high), len(names), len(known), n - len(known))


def resampled_figure(
    block: np.ndarray, statistic: Callable[[np.ndarray], float], of: str, *, n: int = 1000, seed: int = 0
) -> Figure:
    """Return a statistic over all rows with its interval by `block_bootstrap`; undefined without rows."""
    if not len(block):
        return Figure(None, None, None, 0, of)
    value = finite(statistic(np.arange(len(block))))
    if value is None:
        return Figure(None, None, None, len(block), of)
    found = block_bootstrap(block, statistic, n, seed)
    return Figure(value, found.low, found.high, len(block), of, found.undefined)

"""The model of pairs of pictures: fitted on whole chips, judged by blocks that it did not see."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from pipeline.io.labels import Chips
from pipeline.linear import LinearModel, standardised
from pipeline.pairs import pair_features
from pipeline.training.chip_sites import SURE
from pipeline.training.samples import MINING, noisy

REGULARISATION = 0.025
"""Inverse strength of the penalty: of 0.003 to 0.06 the one whose held-out calibration slope is nearest to 1; the AUC
changes by 0.001 over that range."""
REVERSED_WEIGHT = 0.3
"""Weight of a pair shown backwards, which is no new mining: it teaches change, not place."""
FOLDS, ROUNDS = 8, 3
SMALLEST_SCALE = 1e-6


@dataclass(frozen=True)
class PairRows:
    """Feature rows of pairs: each chip as it is, with the noise of another look, and backwards."""

    features: np.ndarray
    """float64 (3 n, feature): the n pairs as they are come first."""
    label: np.ndarray
    """bool (3 n,): new or grown mining."""
    weight: np.ndarray
    chip: np.ndarray
    """int (3 n,): row of the chip."""


def pair_rows(chips: Chips, seed: int) -> PairRows:
    """Return the rows of all chips, whatever was read in them; the same for the same seed."""
    rng = np.random.default_rng([seed, 7])
    pairs = list(zip(chips.before, chips.after, strict=True))
    plain = [pair_features(b, a) for b, a in pairs]
    again = [pair_features(b, noisy(a, rng)) for b, a in pairs]
    backwards = [pair_features(a, noisy(b, rng)) for b, a in pairs]
    label = np.isin(chips.reading, MINING)
    sure = np.array([SURE[int(c)] for c in chips.confidence])
    return PairRows(
        np.array([*plain, *again, *backwards]),
        np.concatenate([label, label, np.zeros_like(label)]),
        np.concatenate([sure, sure, REVERSED_WEIGHT * sure]),
        np.tile(np.arange(len(label)), 3),
    )


def fit_pairs(rows: PairRows, some: np.ndarray | None = None) -> LinearModel:
    """Return the pair model fitted on the rows of some chips (bool by chip), all by default."""
    use = np.ones(len(rows.label), bool) if some is None else some[rows.chip]
    features = rows.features[use]
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), SMALLEST_SCALE)
    fitted = LogisticRegression(C=REGULARISATION, max_iter=3000).fit(
        standardised(features, mean, scale), rows.label[use], sample_weight=rows.weight[use]
    )
    centre, spread, weight = (tuple(float(v) for v in values) for values in (mean, scale, fitted.coef_[0]))
    return LinearModel(centre, spread, weight, float(fitted.intercept_[0]))


def block_folds(block: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Yield the chips held out, bool (n,): whole blocks, dealt anew in each of `ROUNDS` rounds of `FOLDS` folds."""
    names, at = np.unique(block, return_inverse=True)
    for turn in range(ROUNDS):
        fold = np.random.default_rng([seed, turn]).permutation(len(names)) % FOLDS
        yield from (fold[at] == k for k in range(FOLDS))


def held_out_pairs(rows: PairRows, block: np.ndarray, seed: int) -> np.ndarray:
    """Return the probability of each chip by models that saw no chip of its block: float64 (n,), the mean of the rounds."""
    count = len(block)
    score = np.zeros(count)
    for held_out in block_folds(block, seed):
        model = fit_pairs(rows, ~held_out)
        score[held_out] += model.probability(rows.features[:count][held_out]) / ROUNDS
    return score

"""The estimators of a model: boosted trees for pixels, an additive model for sites."""

from dataclasses import replace

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from pipeline.features import FEATURE_ORDER
from pipeline.linear import standardised
from pipeline.sites import SITE_FEATURES, SiteModel
from pipeline.training.chip_sites import ChipSites
from pipeline.training.samples import Samples, weights

WORLD_SHARE = 0.25
"""Share of the weight of all sites that those of simulated worlds have, whatever their number."""
MAX_BINS = 64
"""Steps of each feature that the trees tell apart; with weights, finding 255 of them takes longer than growing the trees."""
UNCLEAR_FROM, NAMED_FROM = 0.4, 0.6
"""Mining probabilities from which a site is called unclear, and named mining. Of the held-out chips with new mining nine in
ten and more are named from 0.6 up, of the others fewer than one in ten: the table by threshold is in the report."""
REGULARISATION = 0.15
"""Inverse strength of the site model's penalty: some hundred sites for 20 features."""


def pixel_estimator(seed: int) -> HistGradientBoostingClassifier:
    """Return the unfitted pixel classifier: boosted trees, which take a missing band as it is."""
    return HistGradientBoostingClassifier(
        learning_rate=0.12, max_iter=70, max_leaf_nodes=15, min_samples_leaf=60, l2_regularization=2.0,
        max_bins=MAX_BINS, early_stopping=False, random_state=seed,
    )  # fmt: skip


def fit_pixels(samples: Samples, seed: int) -> HistGradientBoostingClassifier:
    """Return the pixel classifier fitted on samples; a fifth of the rows lose swir22, so that it may be absent."""
    rng = np.random.default_rng(seed)
    features = samples.features.copy()
    lacking = rng.random(len(samples)) < 0.2
    for name in ("current_swir22", "reference_swir22", "current_nbr", "change_nbr"):
        features[lacking, FEATURE_ORDER.index(name)] = np.nan
    return pixel_estimator(seed).fit(features, samples.label, sample_weight=weights(samples.label))


def fit_sites(sites: ChipSites) -> SiteModel:
    """Return the site model: standardised logistic regression, penalised, not yet calibrated."""
    mean, scale = sites.features.mean(axis=0), np.maximum(sites.features.std(axis=0), 1e-3)
    fitted = LogisticRegression(C=REGULARISATION, max_iter=2000).fit(
        standardised(sites.features, mean, scale), sites.label, sample_weight=sites.weight
    )
    centre, spread, weight = (tuple(float(v) for v in values) for values in (mean, scale, fitted.coef_[0]))
    return SiteModel(
        centre, spread, weight, float(fitted.intercept_[0]), unclear_from=UNCLEAR_FROM, named_from=NAMED_FROM,
        features=tuple(SITE_FEATURES),
    )  # fmt: skip


def calibration(log_odds: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return slope and shift that turn held-out log-odds into calibrated ones (Platt 1999).

    A weak penalty keeps the line finite where a score separates the two kinds without error.
    """
    fitted = LogisticRegression(C=10.0, max_iter=1000).fit(log_odds[:, None], truth, sample_weight=weight)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def calibrated(model: SiteModel, line: tuple[float, float]) -> SiteModel:
    """Return the model with a calibration line."""
    return replace(model, slope=line[0], shift=line[1])


def weigh_worlds(real: ChipSites, worlds: list[ChipSites]) -> list[ChipSites]:
    """Return the sites of worlds, weighed so that all of them weigh `WORLD_SHARE` of all sites, and each kind alike.

    Mining and not mining weigh half of it each: the number of mines in a world is its maker's choice.
    """
    if not worlds:
        return []
    everything = ChipSites.join(worlds)
    total = WORLD_SHARE / (1.0 - WORLD_SHARE) * real.weight.sum()
    count = {kind: int((everything.label == kind).sum()) for kind in (False, True)}
    return [replace(w, weight=np.array([total / 2.0 / count[bool(kind)] for kind in w.label], np.float64)) for w in worlds]

"""Training of one model version, deterministic, measured by spatial block."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import GroupKFold

from pipeline.change import PixelClass, classify
from pipeline.features import FEATURE_ORDER, gate
from pipeline.io.labels import Chips
from pipeline.scenes import BANDS
from pipeline.sites import SiteModel, mining_probability
from pipeline.sites.likeness import UNCLEAR_BAND
from pipeline.training.chip_sites import ChipSites, chip_sites
from pipeline.training.samples import MINING, Samples, chip_samples, join, weights

FOLDS = 5
REGULARISATION = 0.15
"""Inverse strength of the site model's penalty: about 200 sites for 20 features."""


@dataclass(frozen=True)
class TrainingReport:
    """A trained model and its figures."""

    estimator: HistGradientBoostingClassifier
    site: SiteModel
    figures: Mapping[str, object]


def pixel_estimator(seed: int) -> HistGradientBoostingClassifier:
    """Return the unfitted pixel classifier: boosted trees, which take a missing band as it is."""
    return HistGradientBoostingClassifier(
        learning_rate=0.12, max_iter=70, max_leaf_nodes=15, min_samples_leaf=60, l2_regularization=2.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip


def fit_pixels(samples: Samples, seed: int) -> HistGradientBoostingClassifier:
    """Return the pixel classifier fitted on samples; a fifth of the rows lose swir22, so that it may be absent."""
    rng = np.random.default_rng(seed)
    features = samples.features.copy()
    lacking = rng.random(len(samples)) < 0.2
    for name in ("current_swir22", "reference_swir22", "current_nbr", "change_nbr"):
        features[lacking, _column(name)] = np.nan
    return pixel_estimator(seed).fit(features, samples.label, sample_weight=weights(samples.label))


def _column(name: str) -> int:
    """Position of a feature."""
    return FEATURE_ORDER.index(name)


def fit_sites(features: np.ndarray, is_mining: np.ndarray, weight: np.ndarray) -> SiteModel:
    """Return the site model: standardised logistic regression, penalised."""
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)
    standard = np.clip((features - mean) / scale, -4.0, 4.0)
    fitted = LogisticRegression(C=REGULARISATION, max_iter=2000).fit(standard, is_mining, sample_weight=weight)
    return SiteModel(
        tuple(map(float, mean)), tuple(map(float, scale)), tuple(map(float, fitted.coef_[0])), float(fitted.intercept_[0])
    )


def _site_scores(model: SiteModel, features: np.ndarray) -> np.ndarray:
    """Mining probability of each row."""
    return np.array([mining_probability(row, model)[0] for row in features])


def _cross_fit(chips: Chips, extra: list[Samples], seed: int) -> tuple[ChipSites, Mapping[str, object]]:
    """Sites of every chip seen by a pixel classifier that was not trained in its block, and pixel figures."""
    parts, truth, change, passed = [], [], [], []
    for fold, (train, test) in enumerate(GroupKFold(FOLDS).split(chips.block, groups=chips.block)):
        rng = np.random.default_rng([seed, fold])
        estimator = fit_pixels(join([chip_samples(chips.take(train), rng), *extra]), seed)
        held_out = chip_samples(chips.take(test), np.random.default_rng([seed, fold, 1]))
        evidence = classify(estimator, held_out.features)
        ground = held_out.label != PixelClass.CLOUD_RESIDUE
        truth.append(held_out.label[ground] != PixelClass.STABLE)
        change.append(evidence.change[ground])
        passed.append(gate_of_rows(held_out.features[ground]))
        parts.append(chip_sites(chips.take(test), estimator, np.random.default_rng([seed, fold, 2])))
    y, p, through = np.concatenate(truth), np.concatenate(change), np.concatenate(passed)
    figures = {
        "change_auc": round(float(roc_auc_score(y, p)), 4),
        "change_brier": round(float(brier_score_loss(y, p)), 4),
        "rows": len(y),
        "share_changed": round(float(y.mean()), 4),
        "gate_pass_of_changed": round(float(through[y].mean()), 4),
        "gate_pass_of_stable": round(float(through[~y].mean()), 4),
        "reliability": reliability(y, p),
    }
    return ChipSites.join(parts), figures


def gate_of_rows(features: np.ndarray) -> np.ndarray:
    """Return which feature rows the gate lets through: bool (n,)."""
    now, before = (dict(zip(BANDS, features[:, i : i + len(BANDS)].T, strict=True)) for i in (0, len(BANDS)))
    return gate(now, before)


def reliability(truth: np.ndarray, probability: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Return the reliability curve: mean forecast, observed share and number by bin of equal width."""
    edges = np.minimum((probability * bins).astype(int), bins - 1)
    return [
        {
            "forecast": round(float(probability[edges == b].mean()), 3),
            "observed": round(float(truth[edges == b].mean()), 3),
            "count": int((edges == b).sum()),
        }
        for b in range(bins)
        if (edges == b).any()
    ]


def _held_out_scores(sites: ChipSites) -> np.ndarray:
    """Mining probability of each site by a model trained on the other blocks: float (n,)."""
    score = np.zeros(len(sites.label))
    for train, test in GroupKFold(FOLDS).split(sites.block, groups=sites.block):
        model = fit_sites(sites.features[train], sites.label[train], sites.weight[train])
        score[test] = _site_scores(model, sites.features[test])
    return score


def _site_figures(y: np.ndarray, p: np.ndarray) -> Mapping[str, object]:
    """Figures of held-out site scores."""
    named = UNCLEAR_BAND[1]
    return {
        "sites": len(y),
        "mining_share": round(float(y.mean()), 4),
        "auc": round(float(roc_auc_score(y, p)), 4),
        "average_precision": round(float(average_precision_score(y, p)), 4),
        "brier": round(float(brier_score_loss(y, p)), 4),
        "brier_of_base_rate": round(float(y.mean() * (1 - y.mean())), 4),
        "mining_named_mining": round(float((p[y] >= named).mean()), 4),
        "other_named_mining": round(float((p[~y] >= named).mean()), 4),
        "reliability": reliability(y, p, 5),
    }


def chip_control(chips: Chips) -> Mapping[str, float]:
    """Return how well t0 alone, and t0 with t1, rank chips of new or grown mining by block: the control of the figures.

    Logistic regression on percentiles of the six bands; a high t0-only figure means that places differ, not change.
    """
    known = np.isin(chips.reading, (*MINING, "mining_static", "farm_or_clearing", "built", "river", "no_change"))
    some = chips.take(known)
    y = np.isin(some.reading, MINING)
    levels = (10, 50, 90)
    t0, t1 = (
        np.nan_to_num(np.nanpercentile(a.reshape(*a.shape[:2], -1), levels, axis=2)).transpose(1, 0, 2).reshape(len(y), -1)
        for a in (some.before, some.after)
    )
    return {name: round(_blocked_auc(x, y, some.block), 4) for name, x in (("t0_only", t0), ("t0_and_t1", np.hstack([t0, t1])))}


def _blocked_auc(x: np.ndarray, y: np.ndarray, block: np.ndarray) -> float:
    """AUC of out-of-fold scores by block."""
    score = np.zeros(len(y))
    for train, test in GroupKFold(FOLDS).split(x, groups=block):
        mean, scale = x[train].mean(axis=0), x[train].std(axis=0) + 1e-6
        fitted = LogisticRegression(C=0.1, max_iter=3000).fit((x[train] - mean) / scale, y[train])
        score[test] = fitted.decision_function((x[test] - mean) / scale)
    return float(roc_auc_score(y, score))


def train_model(chips: Chips, extra: list[Samples], seed: int) -> TrainingReport:
    """Return a model trained on chips and further samples, with figures by spatial block.

    The same inputs and seed give the same model. Chips of simulated worlds are told apart by their sample ids.
    """
    sites, pixel_figures = _cross_fit(chips, extra, seed)
    score = _held_out_scores(sites)
    is_world = np.char.startswith(sites.sample_id, "world-")
    judged = ~is_world & (sites.reading != "mining_static")
    site = fit_sites(sites.features, sites.label, sites.weight)
    estimator = fit_pixels(join([chip_samples(chips, np.random.default_rng([seed, 99])), *extra]), seed)
    real = chips.take(~np.char.startswith(chips.sample_id, "world-"))
    figures = {
        "pixel": pixel_figures,
        "site": _site_figures(sites.label[judged], score[judged]),
        "site_on_worlds": _site_figures(sites.label[is_world], score[is_world]),
        "chip_control_auc": chip_control(real),
    }
    return TrainingReport(estimator, site, figures)

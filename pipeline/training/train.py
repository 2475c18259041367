"""Training of one model version, deterministic, measured by spatial block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import GroupKFold

from pipeline.change import PixelClass, classify
from pipeline.features import FEATURE_ORDER, gate
from pipeline.io.labels import Chips
from pipeline.linear import standardised
from pipeline.scenes import BANDS
from pipeline.sites import SiteModel
from pipeline.training.chip_sites import ChipSites, chip_sites
from pipeline.training.samples import MINING, Samples, chip_samples, join, weights
from pipeline.training.world_samples import World, world_sites

FOLDS = 5
WORLD_SHARE = 1.0 / 3.0
"""Share of the weight of all sites that those of simulated worlds have, whatever their number."""
MAX_BINS = 64
"""Steps of each feature that the trees tell apart; with weights, finding 255 of them takes longer than growing the trees."""
UNCLEAR_FROM, NAMED_FROM = 0.45, 0.6
"""Mining probabilities from which a site is called unclear, and named mining."""
REGULARISATION = 0.15
"""Inverse strength of the site model's penalty: about 200 sites for 20 features."""


@dataclass(frozen=True)
class TrainingData:
    """Everything that a model learns from."""

    chips: Chips
    points: list[Samples]
    """Rows of labelled points; they have no place in the figures and are always trained on."""
    worlds: list[World]


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
        max_bins=MAX_BINS, early_stopping=False, random_state=seed,
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
    standard = standardised(features, mean, scale)
    fitted = LogisticRegression(C=REGULARISATION, max_iter=2000).fit(standard, is_mining, sample_weight=weight)
    return SiteModel(
        tuple(map(float, mean)), tuple(map(float, scale)), tuple(map(float, fitted.coef_[0])), float(fitted.intercept_[0]),
        unclear_from=UNCLEAR_FROM, named_from=NAMED_FROM,
    )  # fmt: skip


def _site_scores(model: SiteModel, features: np.ndarray) -> np.ndarray:
    """Mining probability of each row."""
    return model.probability(features)


def _cross_fit(data: TrainingData, seed: int) -> tuple[ChipSites, Mapping[str, object]]:
    """Sites of every chip seen by a pixel classifier that was not trained in its block, and pixel figures."""
    chips, parts, judged = data.chips, [], []
    for fold, (train, test) in enumerate(GroupKFold(FOLDS).split(chips.block, groups=chips.block)):
        rng = np.random.default_rng([seed, fold])
        others = [w.samples for w in data.worlds]
        estimator = fit_pixels(join([chip_samples(chips.take(train), rng), *data.points, *others]), seed)
        judged.append(_judge(chip_samples(chips.take(test), np.random.default_rng([seed, fold, 1])), estimator))
        parts.append(chip_sites(chips.take(test), estimator, np.random.default_rng([seed, fold, 2])))
    return ChipSites.join(parts), _pixel_figures(judged)


def _judge(held_out: Samples, estimator: HistGradientBoostingClassifier) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of rows that show ground: whether they changed, the probability that they did, whether the gate lets them through."""
    ground = held_out.label != PixelClass.CLOUD_RESIDUE
    features = held_out.features[ground]
    return held_out.label[ground] != PixelClass.STABLE, classify(estimator, features).change, gate_of_rows(features)


def _pixel_figures(judged: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Mapping[str, object]:
    """Figures of the held-out pixels of all folds; see `_judge`."""
    y, p, through = map(np.concatenate, zip(*judged, strict=True))
    return {
        "change_auc": round(float(roc_auc_score(y, p)), 4),
        "change_brier": round(float(brier_score_loss(y, p)), 4),
        "rows": len(y),
        "share_changed": round(float(y.mean()), 4),
        "gate_pass_of_changed": round(float(through[y].mean()), 4),
        "gate_pass_of_stable": round(float(through[~y].mean()), 4),
        "reliability": reliability(y, p),
    }


def _cross_fit_worlds(data: TrainingData, seed: int) -> tuple[list[ChipSites], Mapping[str, object]]:
    """Sites of every world seen by a pixel classifier that was not trained on it, and pixel figures."""
    parts, judged = [], []
    for world in data.worlds:
        rng = np.random.default_rng([seed, world.seed])
        others = [w.samples for w in data.worlds if w.seed != world.seed]
        estimator = fit_pixels(join([chip_samples(data.chips, rng), *data.points, *others]), seed)
        judged.append(_judge(world.samples, estimator))
        parts.append(world_sites(world, estimator))
    return parts, _pixel_figures(judged)


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


def _held_out_scores(real: ChipSites, worlds: list[ChipSites]) -> tuple[np.ndarray, np.ndarray]:
    """Mining probabilities of the sites of chips, then of worlds, by models that saw neither their block nor their world."""
    score = np.zeros(len(real.label))
    everything = ChipSites.join([real, *worlds])
    for train, test in GroupKFold(FOLDS).split(real.block, groups=real.block):
        known = ChipSites.join([real.take(train), *worlds])
        model = fit_sites(known.features, known.label, known.weight)
        score[test] = _site_scores(model, real.features[test])
    world_scores = []
    for world in worlds:
        known = everything.take(~np.isin(everything.block, world.block))
        model = fit_sites(known.features, known.label, known.weight)
        world_scores.append(_site_scores(model, world.features))
    return score, np.concatenate([np.zeros(0), *world_scores])


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


def _site_figures(y: np.ndarray, p: np.ndarray) -> Mapping[str, object]:
    """Figures of held-out site scores."""
    named = NAMED_FROM
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


def train_model(data: TrainingData, seed: int) -> TrainingReport:
    """Return a model trained on all data, with figures by spatial block and by world.

    The same data and seed give the same model. Figures of chips are by models that saw no ground of the chip's block,
    figures of worlds by models that did not see the world.
    """
    real, pixel_figures = _cross_fit(data, seed)
    unweighed, world_pixel_figures = _cross_fit_worlds(data, seed) if data.worlds else ([], {})
    worlds = weigh_worlds(real, unweighed)
    score, world_score = _held_out_scores(real, worlds)
    everything = ChipSites.join([real, *worlds])
    site = fit_sites(everything.features, everything.label, everything.weight)
    rows = chip_samples(data.chips, np.random.default_rng([seed, 99]))
    estimator = fit_pixels(join([rows, *data.points, *(w.samples for w in data.worlds)]), seed)
    judged = real.reading != "mining_static"
    figures: dict[str, object] = {
        "pixel": pixel_figures,
        "site": _site_figures(real.label[judged], score[judged]),
        "chip_control_auc": chip_control(data.chips),
    }
    if worlds:
        seen = ChipSites.join(worlds)
        figures |= {
            "pixel_on_worlds": world_pixel_figures,
            "site_on_worlds": {
                **_site_figures(seen.label, world_score),
                "world_share_of_weight": round(float(seen.weight.sum() / everything.weight.sum()), 4),
                "named_mining_by_reading": _named_by_reading(seen.reading, world_score),
            },
        }
    return TrainingReport(estimator, site, figures)


def _named_by_reading(reading: np.ndarray, score: np.ndarray) -> Mapping[str, str]:
    """Of the sites of each reading, how many are named mining: `n of m`."""
    named = score >= NAMED_FROM
    return {str(r): f"{int(named[reading == r].sum())} of {int((reading == r).sum())}" for r in np.unique(reading)}

"""Scores by models that did not see the place: every chip without its block, every world without its fold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from pipeline.change import PixelClass, classify
from pipeline.features import gate_strength
from pipeline.io.labels import Chips
from pipeline.scenes import BANDS
from pipeline.training.chip_sites import ChipSites, chip_sites
from pipeline.training.fitting import calibrated, calibration, fit_pixels, fit_sites, weigh_worlds
from pipeline.training.pair_model import PairRows, held_out_pairs, pair_rows
from pipeline.training.samples import Samples, chip_samples, join
from pipeline.training.world_samples import World, world_sites

FOLDS = 5
WORLD_FOLDS = 3


@dataclass(frozen=True)
class TrainingData:
    """Everything that a model learns from."""

    chips: Chips
    """Pairs of pictures of the landscape that is monitored."""
    points: list[Samples]
    """Rows of labelled points; they have no place in the figures of pixels and are always trained on."""
    worlds: list[World]
    felling: Chips | None = None
    """Pairs of pictures of forest that was felled: real clearings that are no mining."""

    @property
    def pictures(self) -> Chips:
        """All real pairs of pictures."""
        return self.chips if self.felling is None else Chips.join([self.chips, self.felling])


@dataclass(frozen=True)
class JudgedPixels:
    """Held-out rows that show ground."""

    changed: np.ndarray
    """bool (n,): the label says that the ground changed."""
    score: np.ndarray
    """float (n,): probability of change."""
    strength: np.ndarray
    """float32 (n,): see `features.gate_strength`; above 1 the gate lets a pixel through."""
    block: np.ndarray

    @staticmethod
    def join(parts: "Sequence[JudgedPixels]") -> "JudgedPixels":
        """Return all rows in one."""
        names = JudgedPixels.__dataclass_fields__
        return JudgedPixels(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


@dataclass(frozen=True)
class HeldOut:
    """What models say of ground that they did not see."""

    pixels: JudgedPixels
    world_pixels: JudgedPixels | None
    sites: ChipSites
    """Sites of real pictures."""
    site_score: np.ndarray
    """float (n,): calibrated on the other folds."""
    world_sites: list[ChipSites]
    """Sites of each world, weighed."""
    world_score: np.ndarray
    line: tuple[float, float]
    """Calibration of the site model, on all held-out log-odds."""
    pair_rows: PairRows
    pair_score: np.ndarray
    """float (chips,)."""


def strength_of_rows(features: np.ndarray) -> np.ndarray:
    """Return what the gate measures of feature rows: float32 (n,)."""
    now, before = (dict(zip(BANDS, features[:, i : i + len(BANDS)].T, strict=True)) for i in (0, len(BANDS)))
    return gate_strength(now, before)


def judge_pixels(held_out: Samples, estimator: HistGradientBoostingClassifier) -> JudgedPixels:
    """Return what an estimator says of the rows that show ground."""
    ground = held_out.label != PixelClass.CLOUD_RESIDUE
    features = held_out.features[ground]
    changed = held_out.label[ground] != PixelClass.STABLE
    return JudgedPixels(changed, classify(estimator, features).change, strength_of_rows(features), held_out.block[ground])


def _cross_fit(data: TrainingData, seed: int) -> tuple[ChipSites, JudgedPixels]:
    """Sites and pixels of every picture by a pixel classifier that was not trained in its block."""
    pictures, parts, judged = data.pictures, [], []
    for fold, (train, test) in enumerate(GroupKFold(FOLDS).split(pictures.block, groups=pictures.block)):
        rng = np.random.default_rng([seed, fold])
        known = [chip_samples(pictures.take(train), rng), *data.points, *(w.samples for w in data.worlds)]
        estimator = fit_pixels(join(known), seed)
        held_out = chip_samples(pictures.take(test), np.random.default_rng([seed, fold, 1]))
        judged.append(judge_pixels(held_out, estimator))
        parts.append(chip_sites(pictures.take(test), estimator, np.random.default_rng([seed, fold, 2])))
    return ChipSites.join(parts), JudgedPixels.join(judged)


def _cross_fit_worlds(data: TrainingData, seed: int) -> tuple[list[ChipSites], JudgedPixels | None]:
    """Sites and pixels of every world by a pixel classifier that was not trained on it."""
    sites: dict[int, ChipSites] = {}
    judged = []
    for fold in range(min(WORLD_FOLDS, len(data.worlds))):
        mine = [k for k in range(len(data.worlds)) if k % WORLD_FOLDS == fold]
        rng = np.random.default_rng([seed, 1000 + fold])
        others = [w.samples for k, w in enumerate(data.worlds) if k not in mine]
        estimator = fit_pixels(join([chip_samples(data.pictures, rng), *data.points, *others]), seed)
        for k in mine:
            judged.append(judge_pixels(data.worlds[k].samples, estimator))
            sites[k] = world_sites(data.worlds[k], estimator)
    return [sites[k] for k in sorted(sites)], JudgedPixels.join(judged) if judged else None


def _log_odds(everything: ChipSites, fold: np.ndarray) -> np.ndarray:
    """Uncalibrated log-odds of each site by a model of the other folds."""
    odds = np.zeros(len(everything.label))
    for k in np.unique(fold):
        odds[fold == k] = fit_sites(everything.take(fold != k)).log_odds(everything.features[fold == k])
    return odds


def _site_folds(real: ChipSites, worlds: list[ChipSites]) -> np.ndarray:
    """Fold of each site, real ones by block, then the worlds by their number: int (n,)."""
    fold = np.zeros(len(real.label), np.int64)
    for k, (_, test) in enumerate(GroupKFold(FOLDS).split(real.block, groups=real.block)):
        fold[test] = k
    return np.concatenate([fold, *(np.full(len(w.label), k % WORLD_FOLDS) for k, w in enumerate(worlds))])


def score_sites(real: ChipSites, worlds: list[ChipSites]) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Return held-out probabilities of real and of worlds' sites, each calibrated on other folds, and the final line.

    Old scars count in no calibration: whether one grew is what readers doubt most.
    """
    everything, fold = ChipSites.join([real, *worlds]), _site_folds(real, worlds)
    score = np.zeros(len(fold))
    for k in np.unique(fold):
        known = everything.take(fold != k)
        model = calibrated(fit_sites(known), _line(known, fold[fold != k]))
        score[fold == k] = model.probability(everything.features[fold == k])
    return score[: len(real.label)], score[len(real.label) :], _line(everything, fold)


def _line(sites: ChipSites, fold: np.ndarray) -> tuple[float, float]:
    """Calibration on the log-odds of sites that models of their own fold did not see."""
    odds, sure = _log_odds(sites, fold), sites.reading != "mining_static"
    return calibration(odds[sure], sites.label[sure], sites.weight[sure])


def hold_out(data: TrainingData, seed: int) -> HeldOut:
    """Return what is said of all labelled data by models that did not see its place; the same for the same inputs."""
    real, pixels = _cross_fit(data, seed)
    unweighed, world_pixels = _cross_fit_worlds(data, seed)
    worlds = weigh_worlds(real, unweighed)
    score, world_score, line = score_sites(real, worlds)
    rows = pair_rows(data.chips, seed)
    pairs = held_out_pairs(rows, data.chips.block, seed)
    return HeldOut(pixels, world_pixels, real, score, worlds, world_score, line, rows, pairs)

"""Training of one model version: what is measured is held out, what is released has seen everything."""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from pipeline.linear import LinearModel
from pipeline.sites import SiteModel
from pipeline.training.chip_sites import ChipSites
from pipeline.training.fitting import calibrated, fit_pixels, fit_sites
from pipeline.training.held_out import HeldOut, TrainingData, hold_out
from pipeline.training.pair_model import fit_pairs
from pipeline.training.samples import chip_samples, join


@dataclass(frozen=True)
class TrainingReport:
    """A trained model, and what models like it said of ground that they did not see."""

    estimator: HistGradientBoostingClassifier
    site: SiteModel
    pair: LinearModel
    held_out: HeldOut


def train_model(data: TrainingData, seed: int) -> TrainingReport:
    """Return a model trained on all data; the same data and seed give the same model."""
    held_out = hold_out(data, seed)
    site = fit_sites(ChipSites.join([held_out.sites, *held_out.world_sites]))
    rows = chip_samples(data.pictures, np.random.default_rng([seed, 99]))
    estimator = fit_pixels(join([rows, *data.points, *(w.samples for w in data.worlds)]), seed)
    return TrainingReport(estimator, calibrated(site, held_out.line), fit_pairs(held_out.pair_rows), held_out)

"""`overburden evaluate`: everything that can be measured of a model on labelled data, as one document.

A picture that the model learned from is judged by models that did not see its place; any other by the model as released.
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import DemoDataMissingError, ModelMismatchError
from pipeline.evaluation.blind import blind_spots
from pipeline.evaluation.document import Evaluation, Section, Table
from pipeline.evaluation.forest import forest_section
from pipeline.evaluation.hardest import pair_pictures
from pipeline.evaluation.world_sections import missed_table, score_worlds, world_section
from pipeline.io.labels import Chips, read_point_table
from pipeline.io.models import LANDSCAPES, MEASURED_ON_REAL, Model, load_model
from pipeline.io.outputs import write_whole
from pipeline.pairs import pair_features
from pipeline.training.chip_sites import chip_sites
from pipeline.training.held_out import HeldOut, hold_out, judge_pixels
from pipeline.training.known import chip_digests
from pipeline.training.points import evaluate_points
from pipeline.training.samples import chip_samples
from pipeline.training.sections import (
    hardest_pictures,
    pair_section,
    pixel_section,
    point_section,
    site_section,
    world_site_section,
)
from pipeline.training.sources import POINTS, SEED, chips_of, read_training_data
from pipeline.training.world_runs import measured_worlds, run_worlds

LOG = logging.getLogger(__name__)
HELD_OUT = "Each chip is judged by models that saw no chip of its block of 2 degrees"
AS_RELEASED = "The model as released, which has seen none of these chips"


def held_out_sections(chips: Chips, held_out: HeldOut) -> dict[str, Section]:
    """Return the sections of what models said of ground that they did not see."""
    sections = {
        "pairs": pair_section(chips, held_out.pair_score, HELD_OUT),
        "sites": site_section(held_out.sites, held_out.site_score, HELD_OUT),
        "pixels": pixel_section(held_out.pixels, "pixels", "Pixels of real pictures"),
    }
    if held_out.world_sites:
        sections["world_sites"] = world_site_section(held_out.world_sites, held_out.world_score)
    return sections


def released_scores(chips: Chips, model: Model) -> np.ndarray:
    """Return the probability of new or grown mining that a model as released gives each chip: float64 (n,).

    Raises
    ------
    ModelMismatchError
        The model judges no pairs.
    """
    if model.pair is None:
        raise ModelMismatchError(f"{model.id}: found no model of pairs, expected one; versions from 0.3.0 have it")
    rows = np.array([pair_features(b, a) for b, a in zip(chips.before, chips.after, strict=True)])
    return model.pair.probability(rows)


def unseen_sections(chips: Chips, score: np.ndarray, model: Model) -> dict[str, Section]:
    """Return the sections of chips that a model has not seen, with its `released_scores`."""
    sites = chip_sites(chips, model.estimator, np.random.default_rng([SEED, 2]))
    pixels = judge_pixels(chip_samples(chips, np.random.default_rng([SEED, 1])), model.estimator)
    return {
        "pairs": pair_section(chips, score, AS_RELEASED),
        "sites": site_section(sites, model.site.probability(sites.features), AS_RELEASED),
        "pixels": pixel_section(pixels, "pixels", "Pixels of real pictures"),
    }


def point_sections(data: Path) -> dict[str, Section]:
    """Return the section of labelled points, where the folder has them."""
    path = data / POINTS
    return {"points": point_section(evaluate_points(read_point_table(path), SEED))} if path.exists() else {}


@dataclass(frozen=True)
class Walked:
    """What whole walks gave of one model."""

    sections: Mapping[str, Section]
    blind: tuple[str, ...]
    missed: tuple[Table, ...]


def walk_models(models: Sequence[Path], work: Path, worlds: int) -> tuple[Walked, ...]:
    """Return the sections of whole walks of each model over the same ground, and their limits.

    The real forest, and `worlds` simulated worlds of each landscape; what was missed in these is among the limits, and so is
    a forest whose data is not installed.
    """
    walked = list(run_worlds(measured_worlds(worlds), models, work))
    return tuple(
        _walked(model, work / f"forest-{n}", [(world, outs[n]) for world, outs in walked]) for n, model in enumerate(models)
    )


def _walked(model: Path, forest: Path, runs: Sequence[tuple[Path, Path]]) -> Walked:
    """The sections of one model."""
    sections, limits = {}, landscape_limits()
    try:
        sections["forest"] = forest_section(forest, model)
    except DemoDataMissingError as error:
        limits = (*limits, f"Nothing was measured on every date of a real forest: {error}")
    pooled = score_worlds(runs)
    sections |= {f"world_{score.landscape}": world_section(score) for score in pooled}
    return Walked(sections, limits, (missed_table(pooled),) if pooled else ())


def landscape_limits() -> tuple[str, ...]:
    """Return where the method cannot see, and of which landscapes nothing real was measured."""
    simulated = [name.replace("_", " ") for name in LANDSCAPES if name not in MEASURED_ON_REAL]
    return (
        *blind_spots(),
        f"Of {', '.join(simulated)} every figure is of simulated worlds: nothing was measured on real ground there.",
        "On arid ground a pit looks like its surroundings: the model names nothing there, and the section shows what is found.",
    )


NOT_WALKED = Walked({}, landscape_limits(), ())
"""What there is to say where no walk was asked for."""


def facts_of(model_id: str, extra: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
    """Return what an evaluation is of."""
    return {"model": model_id, "seed": SEED, **extra}


def evaluate_model(folder: Path, data: Path, worlds: int, pictures: Path | None = None) -> Evaluation:
    """Return what can be measured of a model on the labelled data of a folder.

    Parameters
    ----------
    folder : Path
        Folder of the model.
    data : Path
        Holds `chips.csv` and `chips.npz`, or a folder `mining_chips` with them; points and felled forest are used where
        they are beside it.
    worlds : int
        Simulated worlds of each landscape that the whole walk is run on; 0 for none.
    pictures : Path, optional
        PNG to write with the pictures of the chips that cost most. They are the data's own, and so is their licence.

    Raises
    ------
    LabelsMissingError
        There are no chips.
    ModelMismatchError
        The model does not fit this software, or judges no pairs.
    """
    model, chips = load_model(folder), chips_of(data)
    known = np.isin(chip_digests(chips), np.array(model.manifest.get("trained_on", []), dtype=str))
    LOG.info("%d chips, %d of them known to %s", len(known), known.sum(), model.id)
    sections: dict[str, Section] = {}
    if known.all():
        learned = read_training_data(data)
        held_out = hold_out(learned, SEED)
        chips, score = learned.chips, held_out.pair_score
        sections |= held_out_sections(chips, held_out)
    else:
        chips = chips.take(~known)
        score = released_scores(chips, model)
        sections |= unseen_sections(chips, score, model)
    if pictures is not None:
        write_whole(pictures, pair_pictures(hardest_pictures(chips, score)))
    sections |= point_sections(data)
    walked = NOT_WALKED
    if worlds:
        with tempfile.TemporaryDirectory() as work:
            (walked,) = walk_models([folder], Path(work), worlds)
    sections |= walked.sections
    facts = facts_of(model.id, {"chips": len(known), "chips known to the model": int(known.sum())})
    if known.any() and not known.all():
        facts["chips left out, known to the model"] = int(known.sum())
    return Evaluation(facts, sections, walked.blind, walked.missed)

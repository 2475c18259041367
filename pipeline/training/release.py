"""A new model version from labelled data: trained, measured, written with its card; never over an old version."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelMismatchError
from pipeline.features import GATE_MNDWI_RISE, GATE_NDVI_FALL, GATE_RED_RISE
from pipeline.io.labels import read_chips, read_point_table
from pipeline.io.models import MANIFEST_FILE, save_model
from pipeline.io.outputs import write_whole
from pipeline.monitor import MonitorRules
from pipeline.training.card import model_card
from pipeline.training.samples import point_samples
from pipeline.training.train import TrainingData, train_model
from pipeline.training.world_samples import SEEDS, SIZE_M, training_world

SEED = 20260101
SOURCES: tuple[Mapping[str, str], ...] = (
    {
        "name": "mining_chips",
        "from": "GitHub joelibaceta/sat-mining-detector@7db9892: 444 pairs of pictures, Amazon; readings by eye",
        "licence": "no licence file: not redistributed",
    },
    {
        "name": "rondonia_points",
        "from": "GitHub albhasan/deforestation-sentinel2@2699a23: 964 points, Rondonia",
        "licence": "MIT",
    },
    {
        "name": "simulated_worlds",
        "from": f"overburden, pipeline/demo: seeds {', '.join(map(str, SEEDS))}, {SIZE_M / 1000:.0f} km a side",
        "licence": "Apache-2.0",
    },
)


class ModelExistsError(ModelMismatchError):
    """The folder of a new model version holds one already."""


def release_model(data: Path, folder: Path) -> str:
    """Return the id of the model that was trained on the data and written to a new folder.

    Parameters
    ----------
    data : Path
        Folder with `mining_chips/` and `rondonia_points/`, see data/README.md.
    folder : Path
        `<name>/<version>`.

    Raises
    ------
    LabelsMissingError
        The labelled data is not in `data`.
    ModelExistsError
        The folder holds a version already.
    """
    refuse_existing(folder)
    learned = read_training_data(data)
    report = train_model(learned, SEED)
    thresholds = {
        "unclear_from": report.site.unclear_from,
        "named_mining_from": report.site.named_from,
        "gate": {"ndvi_fall": GATE_NDVI_FALL, "mndwi_rise": GATE_MNDWI_RISE, "red_rise": GATE_RED_RISE},
        "monitor": asdict(MonitorRules()),
    }
    figures = dict(report.figures)
    facts = {"sources": list(SOURCES), "seed": SEED, "thresholds": thresholds, "figures": headline(figures)}
    model_id = save_model(folder, report.estimator, report.site, facts)
    write_whole(folder / "metrics.json", json.dumps(figures, indent=1) + "\n")
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    write_whole(folder / "card.md", model_card(model_id, manifest, metrics))
    return model_id


def refuse_existing(folder: Path) -> None:
    """Raise where a folder holds a model: a version that may have made alerts is never written over.

    Raises
    ------
    ModelExistsError
        It does.
    """
    if (folder / MANIFEST_FILE).exists():
        raise ModelExistsError(
            f"{folder}: found a model ({MANIFEST_FILE}), expected none; name a new version, or take the old one away yourself"
        )


def read_training_data(data: Path) -> TrainingData:
    """Return the labelled chips and points of a folder, and the training worlds, which are built for the purpose.

    Raises
    ------
    LabelsMissingError
        The chips or the points are not there.
    """
    chips = read_chips(data / "mining_chips")
    table = read_point_table(data / "rondonia_points" / "samples_long.parquet")
    points = point_samples(table, np.random.default_rng(SEED))
    with tempfile.TemporaryDirectory() as place:
        worlds = [training_world(Path(place) / str(seed), seed) for seed in SEEDS]
    return TrainingData(chips, [points], worlds)


def headline(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return the few figures that the manifest repeats; all are in `metrics.json`."""
    site = figures["site"]
    return {key: site[key] for key in ("auc", "brier", "mining_named_mining", "other_named_mining")}

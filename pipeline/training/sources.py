"""Where the labelled data of a model comes from, and how it is read."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.io.felling import read_felling
from pipeline.io.labels import Chips, read_chips, read_point_table
from pipeline.training.held_out import TrainingData
from pipeline.training.samples import point_samples
from pipeline.training.world_samples import SIZE_M, TRAINING_WORLDS, training_world

SEED = 20260101
CHIPS, FELLING = "mining_chips", "bark_beetle"
POINTS = Path("rondonia_points") / "samples_long.parquet"
SOURCES: tuple[Mapping[str, str], ...] = (
    {
        "name": CHIPS,
        "from": "GitHub joelibaceta/sat-mining-detector@7db9892: 444 pairs of pictures, Amazon; readings by eye",
        "licence": "no licence file: not redistributed",
    },
    {
        "name": FELLING,
        "from": "GitHub CrickCrock28/bark-bettle-damage-mapping-sentinel2@9d75d38: 160 sites of felled forest, Czechia",
        "licence": "no licence file: not redistributed",
    },
    {
        "name": "rondonia_points",
        "from": "GitHub albhasan/deforestation-sentinel2@2699a23: 964 points, Rondonia",
        "licence": "MIT",
    },
    {
        "name": "simulated_worlds",
        "from": f"overburden, pipeline/demo: {', '.join(w.name for w in TRAINING_WORLDS)}, {SIZE_M / 1000:.0f} km a side",
        "licence": "Apache-2.0",
    },
)


def chips_of(data: Path) -> Chips:
    """Return the labelled chips of a folder, or of its folder `mining_chips`.

    Raises
    ------
    LabelsMissingError
        They are in neither.
    """
    return read_chips(data if (data / "chips.csv").exists() else data / CHIPS)


def read_training_data(data: Path) -> TrainingData:
    """Return the labelled pictures and points of a folder, and the training worlds, which are built for the purpose.

    Raises
    ------
    LabelsMissingError
        The chips, the felled forest or the points are not there.
    """
    chips, felling = chips_of(data), read_felling(data / FELLING)
    points = point_samples(read_point_table(data / POINTS), np.random.default_rng(SEED))
    with tempfile.TemporaryDirectory() as place:
        worlds = [training_world(Path(place) / kind.name, kind) for kind in TRAINING_WORLDS]
    return TrainingData(chips, [points], worlds, felling)

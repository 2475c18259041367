"""What the monitor finds of real lost forest, on the only dense series of a real place that is at hand.

The walk up to the state of pixels, as a nightly run takes it, on the Romanian forest of the demo; no mine lies there, so that
neither sites nor their names are judged.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from pipeline.config import RunConfig
from pipeline.demo.romania import build_romania
from pipeline.errors import StoreMismatchError
from pipeline.evaluation.document import Section
from pipeline.evaluation.forest_truth import Truth, truth_of
from pipeline.evaluation.intervals import Figure, resampled_figure
from pipeline.io.pixels import read_cube
from pipeline.monitor import EPOCH, PixelState
from pipeline.stages import AoiRequest
from pipeline.stages.chunks import ChunkWork, update_chunk
from pipeline.stages.run import chunk_work, open_walk

HISTORY_END = date(2018, 12, 31)
"""Last day of the reference; monitoring begins on the day after and goes on until January 2021."""
BLOCK_PX = 10
"""Side of the blocks that are resampled: clearings are some 100 m wide."""
SEED = 20
SOURCE = (
    "A Romanian forest of 1 km2, 140 dates from 2015 to 2021 with their real clouds; lost ground is told by its summers alone. "
    "Confirmed pixels; intervals resample blocks of 100 m"
)
NOTES = (
    "The thresholds of ADR 0018 were chosen on this forest: the figures are not of unseen ground.",
    "Lag is counted from the first look in leaf that shows the loss; what was cut in winter can be found sooner.",
)


def forest_work(folder: Path, model: Path | None = None) -> ChunkWork:
    """Return the work on the one chunk of the Romanian forest, with the default configuration.

    Parameters
    ----------
    folder : Path
        The forest, the store and the state are written here.
    model : Path, optional
        By default that of the configuration.

    Raises
    ------
    DemoDataMissingError
        The wheel with the data is not installed.
    """
    forest, out = build_romania(folder), folder / "out"
    document = {
        "areas": [{"aoi": str(forest.aoi), "catalog": str(forest.catalog), "absent_bands": ["swir22"],
                   "reference_until": HISTORY_END}],
        "out": str(out), **({"model": str(model)} if model else {}),
    }  # fmt: skip
    config = RunConfig.model_validate(document)
    out.mkdir()
    walk = open_walk(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), None))
    (chunk,) = walk.grid.chunks
    return chunk_work(walk, chunk)


def forest_section(folder: Path, model: Path | None = None) -> Section:
    """Return how much of the forest's lost ground was confirmed, and how much of its stable ground; see `forest_work`."""
    work = forest_work(folder, model)
    update_chunk(work)
    cube = read_cube(work.acquisitions, work.chunk.geobox, work.reading)
    stored = work.store.chunk_states(work.area.aoi_id)[work.chunk.id]
    state = work.states.read_state(stored.state_file)
    if cube is None or not isinstance(state, PixelState):
        raise StoreMismatchError(f"{folder}: found no monitored state of the forest, expected one after {HISTORY_END}")
    return score_forest(confirmed_days(state), truth_of(cube))


def confirmed_days(state: PixelState) -> np.ndarray:
    """Return the day on which each pixel was confirmed: datetime64[D] (y, x), NaT for never."""
    confirmed_on = state.plane("confirmed_on")
    days = np.datetime64(EPOCH, "D") + confirmed_on.astype("timedelta64[D]")
    return np.where(confirmed_on > 0, days, np.datetime64("NaT", "D"))


def score_forest(confirmed: np.ndarray, truth: Truth) -> Section:
    """Return the section of the days on which pixels were confirmed, datetime64[D] (y, x), against the truth."""
    rows, columns = np.indices(confirmed.shape) // BLOCK_PX
    block = rows * (columns.max() + 1) + columns
    raised = ~np.isnat(confirmed)
    fell = raised & (truth.lost | truth.standing)
    lag = np.where(fell, (confirmed - truth.began).astype("timedelta64[D]").astype(float), np.nan)

    def figure(values: np.ndarray, among: np.ndarray, how: Callable[[np.ndarray], float], of: str) -> Figure:
        chosen = values[among].astype(float)
        return resampled_figure(block[among], lambda at: float(how(chosen[at])), of, seed=SEED)

    figures = {
        "recall_persistent": figure(raised, truth.lost, np.mean, "pixels lost in 2019 and 2020"),
        "recall_last_summer": figure(raised, truth.standing, np.mean, "pixels lost in summer 2020"),
        "false_alarm_share": figure(raised, truth.stable, np.mean, "pixels of stable forest"),
        "lag_days_median": figure(lag, fell, np.median, "confirmed pixels of lost ground"),
    }
    return Section("Real forest, every date", SOURCE, "temperate forest", figures, notes=NOTES)

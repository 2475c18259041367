"""Whole runs on simulated worlds of each landscape, against their exact truth."""

import logging
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.demo.landscapes import LANDSCAPES
from pipeline.demo.world import WorldPaths, build_world
from pipeline.stages import AoiRequest, run_aoi
from pipeline.training.world_samples import SIZE_M, WorldKind

LOG = logging.getLogger(__name__)
FIRST_SEED = 501
"""Seeds of the worlds that are measured on: no model learns from them."""
START = date(2021, 1, 1)


def measured_worlds(count: int) -> tuple[WorldKind, ...]:
    """Return the worlds that are measured on: `count` of each landscape, with all look-alikes."""
    return tuple(WorldKind(FIRST_SEED + 10 * k + n, name) for k, name in enumerate(LANDSCAPES) for n in range(count))


def run_worlds(kinds: tuple[WorldKind, ...], models: Sequence[Path], work: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """Yield the folder of each world and those of the runs on it, one for each model: the walk of a night, without titles."""
    for kind in kinds:
        world = work / "worlds" / kind.name
        paths = build_world(
            world, seed=kind.seed, size_m=SIZE_M, start=START, landscape=kind.landscape, lookalikes=kind.lookalikes
        )
        outs = tuple(work / "runs" / str(number) / kind.name for number in range(len(models)))
        for model, out in zip(models, outs, strict=True):
            _run(paths, model, out)
        LOG.info("%s: walked", kind.name)
        yield world, outs


def _run(paths: WorldPaths, model: Path, out: Path) -> None:
    """One model's run on a world."""
    document = {
        "areas": [{"aoi": str(paths.aoi), "catalog": str(paths.catalog)}],
        "out": str(out), "model": str(model), "delivery": {"has_evidence": False, "has_map": False, "languages": []},
    }  # fmt: skip
    config = RunConfig.model_validate(document)
    run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), None))

"""What the gate costs: recall that is lost to it, against the share of pixels that it lets through, as a curve.

    python benchmarks/gate_price.py [--data ../shared/data] [--worlds 2]

Two kinds of ground. The pixels of real chips (`mining_chips`, where they are beside the project): changed pixels that the trees
find and the gate would not show them. And whole walks of simulated worlds with every threshold of the screen and the gate
multiplied: pixels of truth that are confirmed at the end, against the same walk in which every clear pixel is classified.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from figures import Figure, publish

from pipeline import features
from pipeline.aoi import working_grid
from pipeline.config import RunConfig
from pipeline.demo.world import WorldPaths, build_world
from pipeline.io.areas import read_area
from pipeline.io.models import default_model, load_model
from pipeline.monitor import PixelCode, PixelState
from pipeline.stages import chunks
from pipeline.stages.run import AoiRequest, chunk_work, open_walk
from pipeline.training.evaluate import SEED
from pipeline.training.held_out import judge_pixels
from pipeline.training.samples import chip_samples
from pipeline.training.sections import GATES, gate_table
from pipeline.training.sources import chips_of
from pipeline.training.world_samples import read_truth

SIZE_M = 3000.0
LIMITS = ("GATE_NDVI_FALL", "GATE_MNDWI_RISE", "GATE_RED_RISE", "GATE_SPREADS", "BELOW_FLOOR")


@contextmanager
def gate_of(times: float) -> Iterator[list[tuple[int, int]]]:
    """Walk with every threshold multiplied; 0 lets every clear pixel through. Notes (classified, clear) of each look."""
    noted: list[tuple[int, int]] = []
    classify, take_look = chunks.classify, chunks.take_look
    rows = [0]

    def counted(estimator: object, table: np.ndarray) -> object:
        rows[0] = len(table)
        return classify(estimator, table)

    def taken(state: PixelState, clear: np.ndarray, *others: object) -> PixelState:
        noted.append((rows[0], int(np.count_nonzero(clear))))
        return take_look(state, clear, *others)

    with ExitStack() as stack:
        patch = stack.enter_context
        patch(mock.patch.object(chunks, "classify", counted))
        patch(mock.patch.object(chunks, "take_look", taken))
        if times:
            for name in LIMITS:
                patch(mock.patch.object(features, name, times * getattr(features, name)))
            patch(mock.patch.object(chunks, "BELOW_FLOOR", times * chunks.BELOW_FLOOR))
        else:
            patch(mock.patch.object(chunks, "suspects", lambda _look, _past, seen, _usual: np.flatnonzero(seen)))
            patch(mock.patch.object(chunks, "_may_have_changed", lambda now, *_: np.ones(now["red"].shape, bool)))
        yield noted


def walk(paths: WorldPaths, out: Path, times: float) -> tuple[np.ndarray, float]:
    """Confirmed pixels of a world at its end, bool (y, x), and the share of clear looks at pixels that was classified."""
    document = {
        "out": str(out), "model": str(default_model()), "cube": {"chunk_px": 4096},
        "areas": [{"aoi": str(paths.aoi), "catalog": str(paths.catalog)}],
    }  # fmt: skip
    config = RunConfig.model_validate(document)
    opened = open_walk(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), None))
    chunk = max(opened.grid.chunks, key=lambda c: c.shape[0] * c.shape[1])
    with gate_of(times) as noted:
        chunks.update_chunk(chunk_work(opened, chunk))
    state = opened.states.read_state(opened.store.chunk_states(opened.area.id)[chunk.id].state_file)
    if not isinstance(state, PixelState):
        raise SystemExit(f"{paths.catalog}: the chunk was never monitored")
    passed, clear = np.sum(noted, axis=0)
    return state.plane("code") >= PixelCode.CONFIRMED, float(passed / clear)


def world_curve(folder: Path, worlds: int) -> list[tuple[float, float, float]]:
    """Thresholds times, share let through, and recall lost of what is confirmed where every pixel is classified."""
    shares, found = {t: [] for t in (0.0, *GATES)}, {t: [] for t in (0.0, *GATES)}
    for seed in range(1, worlds + 1):
        paths = build_world(folder / f"world-{seed}", seed=seed, size_m=SIZE_M)
        grid = working_grid(read_area(paths.aoi), 4096)
        truth = read_truth(paths.truth, max((c.geobox for c in grid.chunks), key=lambda b: b.shape[0] * b.shape[1]))
        mined = np.array([r == "mining_new" for r in truth.reading] + [False])[truth.owner]
        for times in (0.0, *GATES):
            confirmed, share = walk(paths, folder / f"out-{seed}-{times}", times)
            shares[times].append(share)
            found[times].append(int(np.count_nonzero(confirmed & mined)))
    whole = sum(found[0.0])
    return [(t, float(np.mean(shares[t])), 1 - sum(found[t]) / whole) for t in GATES]


def show(title: str, curve: list[tuple[float, ...]]) -> float:
    """Print a curve; returns the recall lost at the operating point."""
    print(f"\n{title}\n{'thresholds times':>18}{'let through':>14}{'recall lost':>14}")
    for times, share, lost in curve:
        print(f"{times:>18g}{share:>14.4f}{lost:>14.4f}")
    return next(lost for times, _, lost in curve if times == 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--worlds", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        curve = world_curve(Path(folder), asked.worlds)
    lost = [show("simulated worlds: confirmed pixels of mines at the end of whole walks, of all clear looks at pixels", curve)]
    sizes: dict[str, object] = {"worlds": asked.worlds, "world_curve": curve}
    if (asked.data / "mining_chips").exists():
        samples = chip_samples(chips_of(asked.data), np.random.default_rng([SEED, 1]))
        rows = gate_table(judge_pixels(samples, load_model(default_model()).estimator)).rows
        lost.append(show("real chips: changed pixels that the trees find, of stable pixels", list(rows)))
        sizes |= {"chip_pixels": len(samples.label), "chip_curve": rows}
    publish(Figure("gate_recall_lost", [max(lost)], "<= 0.01", sizes, "share"))


if __name__ == "__main__":
    main()

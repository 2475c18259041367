"""The whole walk on replayed chips of places that the model never saw: three folds of 2-degree blocks.

    python benchmarks/held_out_replay.py [--shared ../shared] [--seeds 1 2] [--work DIR]

Prints one row per replay and the pooled figures; writes results/held_out_replay.json beside this file.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from replay_early import early_of_own_sites
from sklearn.model_selection import GroupKFold

from pipeline.config import RunConfig
from pipeline.io.models import save_model
from pipeline.stages import AoiRequest, run_aoi
from pipeline.training import TrainingData, train_model
from pipeline.training.sources import SEED, read_training_data

FOLDS = 3
RESULTS = Path(__file__).parent / "results" / "held_out_replay.json"
Figures = dict[str, tuple[float, int | None]]


def write_chips(chips: Path, rows: np.ndarray, folder: Path) -> None:
    """Write some of the labelled chips as a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    with (chips / "chips.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    with (folder / "chips.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerows(table[i] for i in rows)
    with np.load(chips / "chips.npz") as stored:
        np.savez(folder / "chips.npz", t0=stored["t0"][rows], t1=stored["t1"][rows])


def folds(shared: Path, work: Path, data: TrainingData) -> Iterator[tuple[Path, Path]]:
    """Model and held-out chips of each fold."""
    chips = data.chips
    for k, (train, test) in enumerate(GroupKFold(FOLDS).split(chips.block, groups=chips.block)):
        model, held_out = work / "models" / "fold" / f"0.0.{k}", work / f"chips{k}"
        report = train_model(replace(data, chips=chips.take(train)), SEED)
        save_model(model, report.estimator, report.site, {"held_out_fold": k})
        write_chips(shared / "data" / "mining_chips", test, held_out)
        yield model, held_out


def tool(shared: Path, name: str, *arguments: str) -> str:
    """Output of a tool of the shared folder."""
    command = [sys.executable, str(shared / "tools" / name), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def walk(replay: Path, model: Path, out: Path) -> float:
    """Run the walk on a replayed catalogue; seconds."""
    document = {
        "areas": [{"aoi": str(replay / "aoi.geojson"), "catalog": str(replay / "catalog" / "catalog.json")}],
        "out": str(out), "model": str(model), "delivery": {"has_evidence": False, "has_map": False, "languages": []},
    }  # fmt: skip
    config = RunConfig.model_validate(document)
    begun = time.perf_counter()
    run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), None))
    return time.perf_counter() - begun


def figures_of(text: str) -> Figures:
    """Each printed figure with the number of cells that it is a share of, where it is one of cells."""
    words = (line.split() for line in text.splitlines())
    return {w[0]: (float(w[1]), int(w[3]) if len(w) > 3 else None) for w in words}


def pooled(runs: list[Figures]) -> Mapping[str, str]:
    """Shares over the cells of all runs."""
    out = {}
    for name in ("detected_mining", "named_mining", "quiet_share", "other_named", "static_named", "early_own_share"):
        known = [(share, cells) for share, cells in (r[name] for r in runs) if cells]
        hits, cells = sum(round(s * n) for s, n in known), sum(n for _, n in known)
        out[name] = f"{hits / cells:.3f} of {cells}" if cells else "no cells"
    early = [r["early_share"][0] for r in runs]
    return {**out, "runs_with_early_cells": f"{sum(e > 0 for e in early)} of {len(early)}"}


def main() -> None:
    """Train, replay, walk and score every fold and seed."""
    cli = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cli.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    cli.add_argument("--seeds", nargs="+", default=["1", "2", "3"])
    cli.add_argument("--grid", default="6")
    cli.add_argument("--work", type=Path)
    args = cli.parse_args()
    shared = args.shared.resolve()
    if not (shared / "tools" / "replay.py").exists():
        sys.exit(f"{shared}: found no tools/replay.py; this benchmark needs the labelled chips and their tools")
    with tempfile.TemporaryDirectory() as scratch:
        work, runs = args.work or Path(scratch), []
        for k, (model, chips) in enumerate(folds(shared, work, read_training_data(shared / "data"))):
            for seed in args.seeds:
                replay, out = work / f"replay{k}-{seed}", work / f"out{k}-{seed}"
                tool(shared, "replay.py", str(chips), str(replay), "--grid", args.grid, "--seed", seed)
                seconds = walk(replay, model, out)
                scored = figures_of(tool(shared, "score_replay.py", str(replay), str(out)))
                early, cells = early_of_own_sites(replay, out)
                runs.append({**scored, "early_own_share": (early / cells if cells else float("nan"), cells)})
                row = "  ".join(f"{name} {value:.3f}" for name, (value, _) in runs[-1].items())
                print(f"fold {k} seed {seed}  {seconds:3.0f} s  {row}", flush=True)
    for name, value in pooled(runs).items():
        print(f"{name:<24} {value}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"pooled": pooled(runs), "runs": runs}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

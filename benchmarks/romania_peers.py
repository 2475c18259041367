"""Our monitor beside those of the package nrt 0.3.0, on the same pixels, dates and clear mask of one real forest.

    python benchmarks/romania_peers.py [--work DIR] [--defaults] [--json FILE]

Prints one table; writes results/romania_peers.json beside this file. History ends on 2018-12-31, monitoring goes on until
January 2021. The peers run in an environment of their own, made in benchmarks/.peers from requirements/peers.lock, since
nrt 0.3.0 has the name of the wheel nrt 0.2.1 that the data comes from.
"""

import argparse
import json
import subprocess
import tempfile
import time
import venv
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from peers.scores import Blocks, Interval, Score, interval, score
from peers.settings import DEFAULT, Setting, all_settings
from peers.walked import Witness, forest_cube, walk_forest

from pipeline.evaluation.forest import HISTORY_END, forest_work
from pipeline.evaluation.forest_truth import Truth, truth_of
from pipeline.indices import normalised_difference
from pipeline.monitor import PixelCode

HERE = Path(__file__).parent
PEERS, LOCK = HERE / ".peers", HERE.parent / "requirements" / "peers.lock"
RESULTS = HERE / "results" / "romania_peers.json"
OURS = "overburden"
DROPS = (0.2, 0.25, 0.3, 0.4, 2.0)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    monitor: str
    setting: str
    why: str
    alarm: np.ndarray
    """datetime64[D] (y, x): day of the first alarm, NaT for never."""
    score: Score
    fit_s: float
    monitor_s: float


@dataclass(frozen=True)
class Ground:
    """What every monitor is counted on."""

    truth: Truth
    clear: np.ndarray
    days: np.ndarray
    blocks: Blocks

    def row(self, name: tuple[str, str, str], alarm: np.ndarray, seconds: tuple[float, float]) -> Row:
        """Return a line of the table."""
        return Row(*name, alarm, score(alarm, self.truth, self.clear, self.days, self.blocks), *seconds)


def ground_of(cube: xr.Dataset) -> Ground:
    """Return the reference of the forest and the looks after its history."""
    days = cube["time"].values.astype("datetime64[D]")
    later = days > np.datetime64(HISTORY_END)
    clear = cube["clear"].values
    return Ground(truth_of(cube), clear[later], days[later], Blocks(clear.shape[1:]))


def our_rows(ground: Ground, witness: Witness) -> list[Row]:
    """Return our monitor, counted from the code provisional and from the code confirmed."""
    seconds = witness.fits[0], witness.seconds["monitor_look"] + sum(witness.fits[1:])
    return [
        ground.row((OURS, f"code >= {code.name.lower()}", DEFAULT), witness.first_days(code), seconds)
        for code in (PixelCode.PROVISIONAL, PixelCode.CONFIRMED)
    ]


def peers_python() -> Path:
    """Return the Python of the peers' environment, made anew where the lock file changed."""
    python, stamp = PEERS / "bin" / "python", PEERS / "lock.sha256"
    wanted = sha256(LOCK.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text(encoding="ascii") == wanted):
        print(f"making {PEERS} from {LOCK.name}", flush=True)
        venv.create(PEERS, clear=True, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run([str(python), *install, "-r", str(LOCK)], check=True)
        stamp.write_text(wanted, encoding="ascii")
    return python


def write_looks(path: Path, cube: xr.Dataset, settings: list[Setting]) -> None:
    """Write what the peers are given: NDVI, green and short-wave infrared where clear, NaN elsewhere, and the settings."""
    clear = cube["clear"].values
    ndvi = normalised_difference(cube["nir"].values, cube["red"].values)
    layers = {"ndvi": ndvi, "green": cube["green"].values, "swir": cube["swir16"].values}
    days = cube["time"].values.astype("datetime64[D]")
    given = {name: np.where(clear, values, np.nan).astype(np.float32) for name, values in layers.items()}
    end = np.datetime64(HISTORY_END).astype(np.int64)
    np.savez(
        path, day=days.astype(np.int64), mask=clear.any(axis=0), settings=json.dumps(settings), history_end=end,
        ndvi=given["ndvi"], green=given["green"], swir=given["swir"],
    )  # fmt: skip


def peer_rows(ground: Ground, cube: xr.Dataset, settings: list[Setting], work: Path) -> list[Row]:
    """Return one row per setting of the peers."""
    looks, breaks = work / "looks.npz", work / "breaks.npz"
    write_looks(looks, cube, settings)
    subprocess.run([str(peers_python()), str(HERE / "peers" / "nrt_side.py"), str(looks), str(breaks)], check=True)
    with np.load(breaks) as found:
        days = np.where(found["day"] > 0, found["day"].astype("datetime64[D]"), np.datetime64("NaT", "D"))
        seconds = list(zip(found["fit_s"].tolist(), found["monitor_s"].tolist(), strict=True))
    return [
        ground.row((s["monitor"], s["label"], ""), alarm, spent)
        for s, alarm, spent in zip(settings, days, seconds, strict=True)
    ]


def chosen(rows: list[Row], ours: Row) -> list[Row]:
    """Return of each peer its default, its best setting, and the two that rival ours.

    Best is the most recall minus false alarms, where recall is that of the loss that stands, which has most pixels. `rival`
    has the fewest false alarms of the settings that find at least as much as we do, `quiet` the most recall of those with
    no more false alarms than ours; a peer without such a setting has no such row.
    """

    def recall(row: Row) -> float:
        return row.score.recall_standing.value

    def false(row: Row) -> float:
        return row.score.false_alarms.value

    found = []
    for monitor in dict.fromkeys(r.monitor for r in rows):
        own = [r for r in rows if r.monitor == monitor]
        picked = {
            "default": own[0],
            "best": max(own, key=lambda r: recall(r) - false(r)),
            "rival": min((r for r in own if recall(r) >= recall(ours)), key=false, default=None),
            "quiet": max((r for r in own if false(r) <= false(ours)), key=recall, default=None),
        }
        found += [replace(row, why=why) for why, row in picked.items() if row is not None]
    return found


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    head = ["monitor", "setting", "row", "recall 2019-20", "recall 2020", "false alarms", "early", "lag, days", "lag, looks"]
    lines = ["| " + " | ".join([*head, "fit, s", "monitor, s"]) + " |", "|" + "---|" * (len(head) + 2)]
    for r in rows:
        figures = [str(v) for v in (r.score.recall, r.score.recall_standing, r.score.false_alarms, r.score.early)]
        lags = [str(r.score.lag_days), str(r.score.lag_looks)]
        cells = [r.monitor, r.setting, r.why, *figures, *lags, f"{r.fit_s:.2f}", f"{r.monitor_s:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def differences(rows: list[Row], ours: Row, ground: Ground) -> dict[str, dict[str, Interval]]:
    """Return ours minus each peer, with intervals from the same draws of blocks."""
    truth, blocks = ground.truth, ground.blocks
    masks = {"recall 2019-20": truth.lost, "recall 2020": truth.standing, "false alarms": truth.stable}

    def difference(row: Row, among: np.ndarray) -> Interval:
        mine, theirs = (blocks.shares(~np.isnat(r.alarm), among) for r in (ours, row))
        return interval(mine - theirs)

    return {f"{r.monitor} {r.why}": {name: difference(r, among) for name, among in masks.items()} for r in rows}


def by_drop(rows: list[Row], truth: Truth) -> str:
    """Return the recall of the standing loss by how far NDVI fell."""
    lines = []
    for low, high in pairwise(DROPS):
        among = truth.standing & (truth.drop > low) & (truth.drop <= high)
        shares = "  ".join(f"{r.monitor} {r.why}: {(~np.isnat(r.alarm))[among].mean():.3f}" for r in rows if among.any())
        lines.append(f"NDVI fell {low:.2f} to {high:.2f} ({among.sum()} px): {shares}")
    return "\n".join(lines)


def main() -> None:
    """Walk, run the peers, count and print."""
    cli = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cli.add_argument("--work", type=Path, help="an empty folder to work in, kept afterwards")
    cli.add_argument("--defaults", action="store_true", help="the peers' defaults only, no grid")
    cli.add_argument("--json", type=Path, default=RESULTS)
    args = cli.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or Path(scratch)
        forest = forest_work(work)
        begun = time.perf_counter()
        witness = walk_forest(forest)
        walked_s = time.perf_counter() - begun
        cube = forest_cube(forest)
        ground = ground_of(cube)
        ours = our_rows(ground, witness)
        print(table(ours), f"\nthe walk with reading, store and ledger: {walked_s:.0f} s", flush=True)
        settings = [s for s in all_settings() if s["label"] == DEFAULT or not args.defaults]
        report(ours, peer_rows(ground, cube, settings, work), ground, args.json)


def report(ours: list[Row], peers: list[Row], ground: Ground, target: Path) -> None:
    """Print the table, the differences and the split by fall; write them with all settings as JSON."""
    best = chosen(peers, ours[-1])
    truth = ground.truth
    print(f"\n{truth.lost.sum()} px lost in 2019-20, {truth.standing.sum()} px lost in 2020, {truth.stable.sum()} px stable\n")
    print(table([*ours, *best]))
    print(f"\n{ours[-1].setting} minus the peer:")
    apart = differences(best, ours[-1], ground)
    for name, figures in apart.items():
        print(f"  {name:<14}", "  ".join(f"{k} {v}" for k, v in figures.items()))
    print()
    print(by_drop([ours[-1], *(r for r in best if r.why == "best")], truth))
    rows: list[dict[str, Any]] = [
        {"monitor": r.monitor, "setting": r.setting, "fit_s": r.fit_s, "monitor_s": r.monitor_s, **asdict(r.score)}
        for r in [*ours, *peers]
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    difference = {k: {n: asdict(i) for n, i in v.items()} for k, v in apart.items()}
    target.write_text(json.dumps({"rows": rows, "ours_minus_peer": difference}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

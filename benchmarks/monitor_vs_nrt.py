"""How long one date takes our monitor, beside EWMA and CuSum of nrt 0.3.0 on NDVI alone.

    python benchmarks/monitor_vs_nrt.py [--side 2048] [--dates 6] [--runs 3]

Ours is `monitor_look` on one chunk with a known season: clear mask given, screen, classifier of the 1 % that changed, state of
six bands; reflectance is made from the numbers of the files as it goes. nrt's is `monitor` (`monitor_peers.py`, in the
environment that `make bench-peers` makes), given NDVI. Each in a process of its own, in turn; both with the threads that they
use by themselves, which is one for ours.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from figures import Figure, publish, seconds
from romania_peers import peers_python
from tile import FOREST, NOISE, RADIOMETRY, SPOIL, clouds, laid_out, objects, past_patch

from pipeline.cube import Look, make_look
from pipeline.io.models import default_model, load_model
from pipeline.monitor import PixelState, empty_state
from pipeline.reference import PastOnDay
from pipeline.scenes import BANDS
from pipeline.stages.chunks import monitor_look
from pipeline.stages.watching import watched_ground

HERE = Path(__file__).parent
FIRST = date(2025, 6, 5)


def look_on(day: date, side: int, spoil: np.ndarray) -> Look:
    """One date of forest with patches of spoil, a quarter under clouds, in numbers."""
    rng = np.random.default_rng(day.toordinal())
    swing = 0.03 * np.cos(2 * np.pi * day.timetuple().tm_yday / 365.25)
    numbers = {}
    for band, forest, bare in zip(BANDS, FOREST, SPOIL, strict=True):
        value = np.where(spoil, bare, forest + (swing if band == "nir" else 0.0)) + rng.normal(0, NOISE, (side, side))
        numbers[band] = np.rint((value + 0.1) * 1e4).astype(np.uint16)
    scl = np.where(clouds(rng, side), 9, np.where(spoil, 5, 4)).astype(np.uint8)
    return make_look(numbers, dict.fromkeys(BANDS, RADIOMETRY), scl)


class Ours:
    """Our monitor over one chunk."""

    def __init__(self, side: int, dates: int) -> None:
        self.estimator = load_model(default_model()).estimator
        spoil = objects(np.random.default_rng(1), side, 0.01 / 0.75)
        reference = laid_out(past_patch(), (side, side))
        days = [FIRST + timedelta(days=5 * n) for n in range(dates + 1)]
        self.looks = [look_on(day, side, spoil) for day in days]
        self.pasts = [reference.on(day) for day in days]
        self.inside, self.state = np.ones((side, side), bool), empty_state((side, side))

    def take(self, look: Look, past: PastOnDay) -> PixelState:
        """The state after one date."""
        watched = watched_ground(past, self.inside)
        self.state = monitor_look(self.state, past, look, watched, self.estimator)
        return self.state

    def run(self) -> list[float]:
        """Seconds of each date after the first, which compiles."""
        self.state = empty_state(self.inside.shape)
        pairs = list(zip(self.looks, self.pasts, strict=True))
        return [seconds(lambda look=look, past=past: self.take(look, past)) for look, past in pairs][1:]


def peers(side: int, dates: int) -> dict[str, list[float]]:
    """Seconds of each date by each monitor of nrt."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "seconds.json"
        command = [peers_python(), HERE / "monitor_peers.py", "--side", side, "--dates", dates, "--json", found]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        return dict(json.loads(found.read_text(encoding="utf-8")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--dates", type=int, default=6)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    ours = Ours(asked.side, asked.dates)
    pairs = [(statistics.median(ours.run()), peers(asked.side, asked.dates)) for _ in range(asked.runs)]
    mpx = asked.side**2 / 1e6
    print(f"{asked.side} x {asked.side} px: ours {[round(1000 * mine / mpx, 1) for mine, _ in pairs]} ms per Mpx and date")
    sizes = {"side_px": asked.side, "dates": asked.dates, "changed_share": 0.01, "ours_s": [mine for mine, _ in pairs]}
    figures = []
    for name, target in (("ewma", "<= 1.0"), ("cusum", "")):
        theirs = [statistics.median(found[name]) for _, found in pairs]
        print(f"nrt {name}: {[round(1000 * s / mpx, 1) for s in theirs]} ms per Mpx and date")
        ratios = [mine / other for (mine, _), other in zip(pairs, theirs, strict=True)]
        figures.append(Figure(f"monitor_over_nrt_{name}", ratios, target, {**sizes, "nrt_s": theirs}))
    publish(*figures)


if __name__ == "__main__":
    main()

"""How much faster the night of a tile is than straightforward numpy and scikit-learn, on the same files and heap settings.

    python benchmarks/nightly_vs_plain.py [--side 1830] [--runs 3]

`plain.py` classifies every clear pixel; the walk what passes its screen and gate. Both run in this process, in turn.
"""

import argparse
import tempfile
from pathlib import Path

from figures import Figure, paired, publish
from nightly import clocked, night
from plain import SECOND, PlainNight
from skops.io import get_untrusted_types, load
from tile import make_tile

from pipeline.io.models import default_model


def measure(side: int, share: float, runs: int) -> Figure:
    """Both ways over one tile."""
    path = next(default_model().glob("*.skops"))
    estimator = load(path, trusted=get_untrusted_types(file=path))
    with tempfile.TemporaryDirectory() as folder:
        tile = make_tile(Path(folder) / "tile", side, share)
        with clocked() as (_, rows):
            night(tile)
        plain = PlainNight(tile, estimator)
        ours, other = paired(lambda: night(tile), lambda: plain.take(SECOND, Path(folder) / "plain.npz"), runs)
    sizes = {"side_px": side, "passed_share": sum(rows) / side**2, "night_s": ours, "plain_s": other}
    print(f"{side} px, {100 * sizes['passed_share']:.2f} % through the gate: night {min(ours):.2f} s, plain {min(other):.1f} s")
    ratios = [b / a for a, b in zip(ours, other, strict=True)]
    return Figure(f"nightly_vs_plain_{round(100 * share)}pct", ratios, ">= 25" if share < 0.02 else ">= 8", sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1830)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    publish(*(measure(asked.side, share, asked.runs) for share in (0.01, 0.05)))


if __name__ == "__main__":
    main()

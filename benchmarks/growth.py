"""What a back-fill costs, how much memory a night takes, and how its time grows with pixels and dates.

    python benchmarks/growth.py [--only backfill peak pixels dates] [--side 2048] [--runs 3]

The walk's own `update_chunk` on simulated tiles (`tile.py`), two chunks at a time as in `nightly.py`. The back-fill is one
chunk, one thread, from an empty store: 60 dates in two years, so that the reference is awaited, fitted, and renewed a year
later. Memory is the largest resident set of a process that does nothing but one night; tiles are made by other processes,
because a child on Linux begins with the peak of the parent that it came from. Growth is the time for one pixel or date at 8
times the size over that at 1, the sizes in turn within each run.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
from figures import Figure, peak_gib, publish, seconds
from nightly import night
from tile import PAST_END, SECOND, Tile, make_history, make_tile

from pipeline.io.store import open_store
from pipeline.stages import chunks

SHARE = 0.01
TIMES = (1, 2, 4, 8)
LATER = tuple(SECOND + timedelta(days=5 * n) for n in range(max(TIMES)))
PAST = tuple(PAST_END - timedelta(days=12 * n) for n in range(60))[::-1]
SIDES_BOUND, DATES_BOUND = "<= 2.0", "<= 1.2"
"""Decoded blocks are held up to 384 MiB (`pipeline.io.rasters.HELD_BYTES`), which one date of 5,490 px fills and one of 2,048
does not. With the dates nothing may grow. With the side chunks do until they are whole: the lattice cuts tiles of 1,024 px."""
MEMORY_DATES = (1, 2, 4)
ONE_CHUNK_PX = 7000
"""A lattice that cuts no tile of up to 2,000 pixels at the corner of `tile.py`."""


def backfill(folder: Path, side: int, runs: int) -> Figure:
    """Seconds for a million pixels and a date, from an empty store to the last of 60 dates."""
    once_backfilled(make_history(folder / "small", 64, SHARE, PAST, chunk_px=ONE_CHUNK_PX))  # kernels are compiled
    tile = make_history(folder / "history", side, SHARE, PAST, chunk_px=ONE_CHUNK_PX)
    spent = [once_backfilled(tile) for _ in range(runs)]
    print(
        f"back-fill of {side} x {side} px, {len(PAST)} dates, one thread: "
        + ", ".join(f"{whole:.2f} s, of which {fit:.2f} s the reference" for whole, fit in spent)
    )
    unit = side**2 / 1e6 * len(PAST)
    sizes = {
        "side_px": side, "dates": len(PAST), "threads": 1, "seconds": [whole for whole, _ in spent],
        "of_which_reference_s": [fit for _, fit in spent],
    }  # fmt: skip
    return Figure("backfill_s_per_mpx_date", [whole / unit for whole, _ in spent], sizes=sizes, unit="s")


def once_backfilled(tile: Tile) -> tuple[float, float]:
    """Wall time of a back-fill from an empty store, and how much of it went into fitting references."""
    shutil.rmtree(tile.folder / "state", ignore_errors=True)
    for path in tile.folder.glob("empty.sqlite*"):
        path.unlink()
    (work,) = tile.works(open_store(tile.folder / "empty.sqlite"), PAST)
    fits: list[float] = []

    def fit(*args: Any) -> Any:
        found: list[Any] = []
        fits.append(seconds(lambda: found.append(real(*args))))
        return found[0]

    real = chunks._fit
    with mock.patch.object(chunks, "_fit", fit):
        taken = seconds(lambda: chunks.update_chunk(work))
    held = work.store.chunk_state(work.area.aoi_id, work.chunk.id)
    if held is None or held.last_day != PAST[-1] or len(fits) != 2:
        raise SystemExit("not all dates were taken, or the reference was not fitted and renewed")
    return taken, sum(fits)


def alone(work: Callable[..., Any], *args: Any) -> Any:
    """What a new process returns that does nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args).result()


def night_peak(tile: Tile, days: tuple[date, ...]) -> float:
    """The largest resident memory of this process after a night, in GiB."""
    night(tile, days)
    return peak_gib()


def make_tiles(folder: Path, dates: Mapping[int, int]) -> dict[int, Tile]:
    """Tiles by side, each with a number of dates that wait."""
    return {side: make_tile(folder / f"side-{side}", side, SHARE, later=LATER[:count]) for side, count in dates.items()}


def peaks(key: str, nights: dict[str, Callable[[], float]], bound: str) -> Figure:
    """The peak of the largest case over that of the smallest."""
    begun = peak_gib()
    found = {name: alone(work) for name, work in nights.items()}
    if min(found.values()) <= begun:
        raise SystemExit(f"the {begun:.2f} GiB of this process hide what its children take")
    print(f"{key}: " + ", ".join(f"{name}: {gib:.2f} GiB" for name, gib in found.items()))
    first, *_, last = found.values()
    return Figure(key, [last / first], bound, {"gib": found, "passed_share": SHARE, "parent_gib": begun})


def growth(key: str, work: dict[int, Callable[[], object]], runs: int) -> Figure:
    """Time for one unit at the largest size over that at the smallest."""
    for once in work.values():
        once()
    spent: dict[int, list[float]] = {size: [] for size in work}
    for _ in range(runs):
        for size, once in work.items():
            spent[size].append(seconds(once))
    print(f"{key}: " + ", ".join(f"{size}: {statistics.median(s):.2f} s" for size, s in spent.items()))
    least, most = min(work), max(work)
    ratios = [b / most / (a / least) for a, b in zip(spent[least], spent[most], strict=True)]
    return Figure(key, ratios, "<= 1.2", {"seconds": {str(k): v for k, v in spent.items()}})


def measured(asked: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """The figures that were asked for; memory first, while this process is small."""
    grown = {k: round(asked.side * (k / 2) ** 0.5) for k in TIMES}
    wanted = {asked.side, *(asked.sides if "peak" in asked.only else ()), *(grown.values() if "pixels" in asked.only else ())}
    dates = {side: len(LATER) if side == asked.side else 1 for side in wanted}
    if "peak" in asked.only:
        dates[asked.dates_side] = max(MEMORY_DATES)
    tiles = alone(make_tiles, folder, dates)
    if "peak" in asked.only:
        by_side = {str(side): partial(night_peak, tiles[side], LATER[:1]) for side in asked.sides}
        yield peaks("peak_gib_by_side", by_side, SIDES_BOUND)
        by_count = {str(k): partial(night_peak, tiles[asked.dates_side], LATER[:k]) for k in MEMORY_DATES}
        yield peaks("peak_gib_by_dates", by_count, DATES_BOUND)
    if "backfill" in asked.only:
        yield backfill(folder, asked.chunk, asked.fills)
    if "pixels" in asked.only:
        yield growth("growth_pixels", {k: partial(night, tiles[side], LATER[:1]) for k, side in grown.items()}, asked.runs)
    if "dates" in asked.only:
        yield growth("growth_dates", {k: partial(night, tiles[asked.side], LATER[:k]) for k in TIMES}, asked.runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ["backfill", "peak", "pixels", "dates"]
    parser.add_argument("--only", nargs="+", default=parts, choices=parts)
    parser.add_argument(
        "--side", type=int, default=2048, help="of the tile whose dates are counted, and the second of those that grow"
    )
    parser.add_argument(
        "--sides", type=int, nargs="+", default=[1024, 2048, 4096], help="of the tiles whose memory is measured"
    )
    parser.add_argument("--dates-side", type=int, default=5490, help="of the tile whose memory is measured by dates")
    parser.add_argument("--chunk", type=int, default=512, help="side of the chunk that is back-filled")
    parser.add_argument("--fills", type=int, default=2, help="how often the chunk is back-filled")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        publish(*measured(asked, Path(name)))


if __name__ == "__main__":
    main()

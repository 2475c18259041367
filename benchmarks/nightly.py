"""What one night costs over one tile, beside decoding its files alone, stage by stage.

    python benchmarks/nightly.py [--side 10980] [--shares 0.01 0.05] [--runs 3] [--chunk 1024] [--native]

The night is the walk's own `update_chunk` over every chunk of the tile: files to reflectance, clear mask, screen, classifier,
state, and the state written and named in a SQLite store; two chunks at a time, as the nightly flow takes them. Decoding reads
the same files, block by block, each once, on two threads, and does nothing with them. Both in turn; the files lie in the
system's cache for both.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import rasterio
from figures import Figure, paired, peak_gib, publish
from tile import SECOND, Tile, make_tile

from pipeline.scenes import BANDS, SCL
from pipeline.stages import chunks

WORKERS = 2
STAGES = (
    "_resume", "read_look", "watched_ground", "_shares", "doubtful_mask", "_common_falls", "suspects", "feature_table",
    "classify", "take_look", "monitor_look", "changed_pixels", "_written",
)  # fmt: skip


def night(tile: Tile, days: tuple[date, ...] = (SECOND,)) -> None:
    """Take the waiting dates of every chunk."""
    works = tile.works(tile.fresh_store(), days)
    with ThreadPoolExecutor(WORKERS) as pool:
        if set(pool.map(chunks.update_chunk, works)) != {len(days)}:
            raise SystemExit("a chunk had nothing to do")


def decode(tile: Tile) -> None:
    """Read every block of the second date's files once."""
    jobs = []
    for band in (*BANDS, SCL):
        with rasterio.open(tile.path(SECOND, band)) as source:
            windows = [window for _, window in source.block_windows(1)]
        jobs += [(band, windows[k::WORKERS]) for k in range(WORKERS)]

    def read(job: tuple[str, list[Any]]) -> None:
        with rasterio.open(tile.path(SECOND, job[0])) as source:
            for window in job[1]:
                source.read(1, window=window)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(read, jobs))


@contextmanager
def clocked() -> Iterator[tuple[dict[str, float], list[int]]]:
    """Seconds of processor time in each stage, and how many pixels each chunk classified."""
    spent: dict[str, float] = defaultdict(float)
    rows: list[int] = []

    def wrap(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            begin = time.thread_time()
            try:
                return inner(*args, **options)
            finally:
                spent[name] += time.thread_time() - begin
                if name == "classify":
                    rows.append(len(args[1]))

        return run

    with ExitStack() as stack:
        for name in STAGES:
            stack.enter_context(mock.patch.object(chunks, name, wrap(name, getattr(chunks, name))))
        yield spent, rows


def measure(side: int, share: float, runs: int, chunk_px: int, *, native: bool) -> list[Figure]:
    """The figures of one tile."""
    with tempfile.TemporaryDirectory() as folder:
        tile = make_tile(Path(folder) / "tile", side, share, chunk_px=chunk_px, native=native)
        with clocked() as (spent, rows):
            night(tile)
        passed = sum(rows) / side**2
        ours, alone = paired(lambda: night(tile), lambda: decode(tile), runs)
        size = sum(p.stat().st_size for p in (tile.folder / "state").glob(f"*-{SECOND:%Y%m%d}-*")) / side**2
        held = sum(p.stat().st_size for p in (tile.folder / "state").glob("*-reference*")) / side**2
        files = sum(tile.path(SECOND, band).stat().st_size for band in (*BANDS, SCL)) / side**2
    print(f"\n{side} x {side} px, {100 * passed:.2f} % through the gate, {len(rows)} chunks of {chunk_px}")
    print(f"  decoding alone {min(alone):.2f} s; night {min(ours):.2f} s; {side**2 / 1e6 / min(ours):.0f} Mpx/s")
    for name in STAGES:
        print(f"  {name:<16}{spent[name]:>8.2f} s of processor time")
    print(f"  files {files:.2f}, state {size:.2f} and reference {held:.2f} bytes per pixel; peak {peak_gib():.2f} GiB")
    label = f"{round(100 * share)}pct" + ("_native" if native else "") + ("" if side == 10980 else f"_{side}")
    sizes = {"side_px": side, "passed_share": passed, "chunk_px": chunk_px, "native": native, "state_bytes_per_px": size,
             "reference_bytes_per_px": held, "file_bytes_per_px": files, "night_s": ours, "decode_s": alone}  # fmt: skip
    bound = "<= 2.0" if share < 0.02 else "<= 4.0"
    ratios = [a / b for a, b in zip(ours, alone, strict=True)]
    return [Figure(f"nightly_over_decode_{label}", ratios, bound, sizes)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, nargs="+", default=[5490, 10980])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--chunk", type=int, default=1024)
    parser.add_argument("--native", action="store_true", help="short-wave infrared and scene classes at 20 m, as ESA has them")
    asked = parser.parse_args()
    found = [
        f for side in asked.side for s in asked.shares for f in measure(side, s, asked.runs, asked.chunk, native=asked.native)
    ]
    publish(*found, Figure("peak_rss_gib", [peak_gib()], "< 2.0", {"side_px": max(asked.side)}, "GiB"))


if __name__ == "__main__":
    main()

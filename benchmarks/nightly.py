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
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import rasterio
from figures import Figure, paired, peak_gib, publish
from tile import SECOND, Tile, make_tile

from pipeline.heap import keep_pages
from pipeline.scenes import BANDS, SCL
from pipeline.stages import chunks

WORKERS, WHOLE_PX = 2, 10980
STAGES = (
    "_resume", "read_look", "watched_ground", "_shares", "doubtful_mask", "_common_falls", "suspects", "feature_table",
    "classify", "take_look", "monitor_look", "changed_pixels", "_written",
)  # fmt: skip


def night(tile: Tile, days: tuple[date, ...] = (SECOND,)) -> None:
    """Take dates of every chunk, by default the second alone."""
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


def alone(work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call something in a new process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args, **options).result()


def watched_night(tile: Tile) -> tuple[dict[str, float], int, float]:
    """Seconds of processor time by stage, pixels classified, and the largest resident memory of two nights."""
    keep_pages()
    night(tile)
    with clocked() as (spent, rows):
        night(tile)
    return dict(spent), sum(rows), peak_gib()


def both_ways(tile: Tile, runs: int) -> tuple[list[float], list[float]]:
    """Wall times of the night and of decoding alone, both with the heap of the command."""
    keep_pages()
    return paired(lambda: night(tile), lambda: decode(tile), runs)


def measure(side: int, share: float, runs: int, chunk_px: int, *, native: bool) -> tuple[Figure, float]:
    """The figure of one tile, and the memory that its night took."""
    with tempfile.TemporaryDirectory() as folder:
        tile = alone(make_tile, Path(folder) / "tile", side, share, chunk_px=chunk_px, native=native)
        spent, rows, memory = alone(watched_night, tile)
        ours, decoding = alone(both_ways, tile, runs)
        files = [p.stat().st_size for p in tile.folder.glob(f"{SECOND:%Y%m%d}-*.tif")]
        states = {p.name: p.stat().st_size for p in (tile.folder / "state").glob(f"*-{SECOND:%Y%m%d}-*")}
        held = [p.stat().st_size for p in (tile.folder / "state").glob("*-reference-*")]
    sizes = {
        "side_px": side, "passed_share": rows / side**2, "chunk_px": chunk_px, "native": native, "night_s": ours,
        "decode_s": decoding, "peak_gib": memory, "file_bytes_per_px": sum(files) / side**2,
        "state_bytes_per_px": sum(states.values()) / side**2, "reference_bytes_per_px": sum(held) / side**2,
        "stages_s": spent,
    }  # fmt: skip
    show(sizes)
    label = f"{round(100 * share)}pct" + ("_native" if native else "") + ("" if side == WHOLE_PX else f"_{side}")
    ratios = [a / b for a, b in zip(ours, decoding, strict=True)]
    return Figure(f"nightly_over_decode_{label}", ratios, "<= 2.0" if share < 0.02 else "<= 4.0", sizes), memory


def show(sizes: dict[str, Any]) -> None:
    """Print what was measured of one tile."""
    side, night_s = sizes["side_px"], min(sizes["night_s"])
    print(f"\n{side} x {side} px, {100 * sizes['passed_share']:.2f} % through the gate, chunks of {sizes['chunk_px']} px")
    print(f"  decoding alone {min(sizes['decode_s']):.2f} s; night {night_s:.2f} s; {side**2 / 1e6 / night_s:.0f} Mpx/s")
    for name in STAGES:
        print(f"  {name:<16}{sizes['stages_s'].get(name, 0.0):>8.2f} s of processor time")
    print(
        f"  bytes per pixel: files {sizes['file_bytes_per_px']:.2f}, state {sizes['state_bytes_per_px']:.2f}, reference "
        f"{sizes['reference_bytes_per_px']:.2f}; peak {sizes['peak_gib']:.2f} GiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, nargs="+", default=[5490, 10980])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--chunk", type=int, default=1024)
    parser.add_argument("--native", action="store_true", help="short-wave infrared and scene classes at 20 m, as ESA has them")
    asked = parser.parse_args()
    pairs = [(side, share) for side in asked.side for share in asked.shares]
    found = [measure(side, share, asked.runs, asked.chunk, native=asked.native) for side, share in pairs]
    largest = max(asked.side)
    memory = [taken for (side, _), (_, taken) in zip(pairs, found, strict=True) if side == largest]
    key = "peak_rss_gib" + ("_native" if asked.native else "") + ("" if largest == WHOLE_PX else f"_{largest}")
    peak = Figure(key, [max(memory)], "< 2.0", {"side_px": largest, "each": memory}, "GiB")
    publish(*(figure for figure, _ in found), peak)


if __name__ == "__main__":
    main()

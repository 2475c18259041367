"""One night of many tiles through the nightly flow, and what a chunk costs besides its pixels.

    python benchmarks/night_of_200_tiles.py [--tiles 200]

Each tile is an area of four small chunks with a year of history; all read one catalogue. The history is made once and its rows
and files are given to every tile. Then one new scene comes, and the flow runs once over all of them, on threads as it does by
default, with a store in PostgreSQL where that is installed and in a SQLite file elsewhere. Chunks are small, so that
scheduling, the database and opening areas show. Queries and commits are counted as SQLAlchemy sends them.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent))
import sqlalchemy as sa
from figures import Figure, peak_gib, publish
from tiles import make_tile, write_area, write_config

from pipeline.config import load_config
from pipeline.flows.entry import settle
from pipeline.io import tables as t
from pipeline.io.store import open_store
from pipeline.stages import AoiRequest, run_aoi

CHUNK_PX, SIDE, DATES = 100, 2, 33


@contextlib.contextmanager
def database(place: Path) -> Iterator[str]:
    """Address of an empty store: PostgreSQL of one's own where installed, else a file."""
    from servers import postgis

    try:
        with postgis.running() as server:
            yield server.url("night")
    except postgis.PostgisMissingError:
        yield str(place / "store.sqlite")


def give_history(store: str, states: Path, first: str, others: list[str]) -> None:
    """Give the rows and state files of one tile to others."""
    with open_store(store).engine.begin() as connection:
        for table in (t.runs, t.chunks, t.ledger, t.pixels, t.sites, t.nights):
            rows = connection.execute(sa.select(table).where(table.c.aoi_id == first)).mappings().all()
            copies = [{**row, "aoi_id": other} for other in others for row in rows]
            if copies:
                connection.execute(table.insert(), copies)
    for other in others:
        shutil.copytree(states / first, states / other, copy_function=os.link)


class Counted:
    """What is sent to the database, and how long chunks work, while the block runs."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.work_s = 0.0
        self._lock = Lock()

    def __enter__(self) -> "Counted":
        from pipeline.flows import nights

        real = nights.update_chunk

        def timed(work: Any) -> int:
            begin = time.perf_counter()
            try:
                return real(work)
            finally:
                with self._lock:
                    self.work_s += time.perf_counter() - begin
                    self.count["chunks"] += 1

        nights.update_chunk = timed
        sa.event.listen(sa.engine.Engine, "after_cursor_execute", lambda *_: self.count.update(["queries"]))
        sa.event.listen(sa.engine.Engine, "commit", lambda *_: self.count.update(["commits"]))
        sa.event.listen(sa.pool.Pool, "connect", lambda *_: self.count.update(["connections"]))
        return self

    def __exit__(self, *_: object) -> None:
        return


def run(place: Path, tiles: int) -> tuple[float, Counted, str]:
    """Make the tiles and run their night; wall time, what was counted, and the kind of database."""
    from pipeline.flows.local_server import local_server
    from pipeline.flows.nights import nightly

    days = make_tile(place, CHUNK_PX, SIDE, DATES)
    names = [f"tile-{n:03}" for n in range(tiles)]
    areas = [write_area(place / f"{name}.geojson", CHUNK_PX * SIDE, name) for name in names]
    with database(place) as store:
        said = {"cube": {"chunk_px": CHUNK_PX}, "store": store, "state": str(place / "states")}
        config = write_config(place / "night.yaml", areas, place / "catalog", **said)
        loaded = load_config(config)
        run_aoi(AoiRequest(loaded.areas[0], loaded, Path(loaded.out) / names[0], store, days[-2]))
        give_history(store, place / "states", names[0], names[1:])
        with local_server(), Counted() as counted:
            begin = time.perf_counter()
            outcomes = nightly(str(config), days[-1].isoformat())
            taken = time.perf_counter() - begin
        failed = [o.findings for o in outcomes if o.is_failed]
        if failed:
            raise SystemExit(f"{len(failed)} tiles failed: {failed[0]}")
        return taken, counted, "PostgreSQL" if "://" in store else "SQLite"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=200)
    asked = parser.parse_args()
    settle()
    with tempfile.TemporaryDirectory() as name:
        taken, counted, kind = run(Path(name), asked.tiles)
    chunks = counted.count["chunks"]
    per_chunk = {key: round(counted.count[key] / chunks, 1) for key in ("queries", "commits", "connections")}
    sizes = {
        "tiles": asked.tiles, "chunks": chunks, "chunk_px": CHUNK_PX, "database": kind, "seconds": round(taken, 1),
        "work_s_per_chunk": round(counted.work_s / chunks, 3), "per_chunk": per_chunk,
        "load": [round(v, 1) for v in os.getloadavg()],
    }  # fmt: skip
    print(
        f"{chunks} chunks of {asked.tiles} tiles in {taken:.1f} s on {kind}; {sizes['work_s_per_chunk']} s at work; {per_chunk}"
    )
    publish(
        Figure("night_200_tiles_s_per_chunk", [taken / chunks], sizes=sizes, unit="s"),
        Figure("night_200_tiles_queries_per_chunk", [counted.count["queries"] / chunks], sizes=sizes, unit="queries"),
        Figure("night_200_tiles_peak_gib", [peak_gib()], sizes=sizes, unit="GiB"),
    )


if __name__ == "__main__":
    main()

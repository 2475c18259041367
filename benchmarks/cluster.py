"""Chunks on a Dask cluster: two workers of one core against one.

    python benchmarks/cluster.py [--runs 3] [--chunk-px 1000]

Sixteen chunks of a simulated tile, from the first scene to the last, as tasks of the nightly flow: the worker joins the area,
reads the scenes, fits the reference and follows the pixels. Both clusters stand before the clock runs. Each worker is one
process with one thread, and so are the libraries in it. On a machine that does other work at the same time the ratio is lower.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent))
from figures import Figure, publish
from tiles import make_tile, write_area, write_config

from pipeline.flows.entry import settle

SIDE = 4
"""Chunks along a side of the tile."""
DATES, EVERY_DAYS = 18, 18


def chunk_seconds(config: Path, day: str, scheduler: str) -> float:
    """Wall time of the chunks of an area as tasks on a cluster; the area is opened before."""
    from prefect import flow

    from pipeline.flows import nights
    from pipeline.flows.runners import handfuls, settled, task_runner, worker_count
    from pipeline.stages.joining import write_plan

    @flow(name="chunks", task_runner=task_runner(scheduler), log_prints=False)
    def chunks() -> float:
        job = (str(config), 0, day, None, False, 0.0, str(config))
        nights.search_area(job)
        chunk_ids = nights.open_area(job)
        plan = write_plan(nights._walk(job))
        begin = time.perf_counter()
        settled([nights.follow_chunks.submit(job, each, plan) for each in handfuls(chunk_ids, worker_count(scheduler))])
        taken = time.perf_counter() - begin
        if len(chunk_ids) != SIDE**2:
            raise SystemExit(f"{len(chunk_ids)} chunks instead of {SIDE**2}")
        return taken

    return chunks()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--chunk-px", type=int, default=1000)
    asked = parser.parse_args()
    settle()
    from distributed import LocalCluster

    from pipeline.flows.local_server import local_server
    from pipeline.flows.runners import own_processes

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        days = make_tile(place, asked.chunk_px, SIDE, DATES, every_days=EVERY_DAYS)
        aoi = write_area(place / "tile.geojson", asked.chunk_px * SIDE, "tile")
        with local_server(), LocalCluster(**own_processes(1)) as one, LocalCluster(**own_processes(2)) as two:
            times: dict[int, list[float]] = {1: [], 2: []}
            for run in range(asked.runs + 1):
                for count, cluster in ((1, one), (2, two)):
                    said = {"cube": {"chunk_px": asked.chunk_px}, "workers": cluster.scheduler_address}
                    config = write_config(place / f"run-{run}-{count}.yaml", [aoi], place / "catalog", **said)
                    taken = chunk_seconds(config, days[-1].isoformat(), cluster.scheduler_address)
                    print(f"run {run}, workers {count}: {taken:.1f} s, {taken / SIDE**2:.2f} s a chunk", flush=True)
                    if run:  # the first one imports
                        times[count].append(taken)
    sizes = {
        "chunks": SIDE**2, "chunk_px": asked.chunk_px, "dates": DATES, "one_worker_s": [round(t, 2) for t in times[1]],
        "two_workers_s": [round(t, 2) for t in times[2]], "load": [round(v, 1) for v in os.getloadavg()],
    }  # fmt: skip
    publish(Figure("dask_2_over_1", [a / b for a, b in zip(times[1], times[2], strict=True)], ">= 1.7", sizes))


if __name__ == "__main__":
    main()

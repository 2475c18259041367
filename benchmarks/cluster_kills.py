"""Nights on a Dask cluster that is struck at random instants, against runs that never were.

    python benchmarks/cluster_kills.py [--strikes 20] [--seed 1]

Nights of a tiny world run on two worker processes with a store in PostgreSQL and states in S3-compatible storage. In each try a
worker gets SIGKILL, or every database session is ended, or the database is stopped and started, at a random instant. A night is
run until it succeeds. Afterwards alerts, disturbances and nights must be those of runs on threads, a file and a folder, byte
for byte, and the chains of the store must hold. Exits with 1 where they are not. Needs PostgreSQL with PostGIS.
"""

import argparse
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent))
from tiles import make_tile, write_area, write_config

from pipeline.config import load_config
from pipeline.flows.entry import settle
from pipeline.io.verification import verify_store

CHUNK_PX, SIDE, DATES, FIRST = 80, 2, 34, 24


def said(config: Path) -> dict[str, bytes]:
    """The files of a run by name."""
    out = Path(load_config(config).out)
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*.geojson"))}


def strikes(cluster: Any, database: Any, rng: random.Random) -> dict[str, Callable[[], object]]:
    """What may happen."""
    from distributed import Client

    def kill_worker() -> None:
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            pids = sorted(client.run(os.getpid).values())
        if pids:
            os.kill(rng.choice(pids), signal.SIGKILL)

    return {"worker killed": kill_worker, "sessions ended": database.cut_off, "database restarted": database.restart}


def struck(wait_s: float, strike: Callable[[], object]) -> threading.Timer:
    """A strike after a time."""
    timer = threading.Timer(wait_s, strike)
    timer.start()
    return timer


def nights_in_war(config: Path, nights: list[str], choices: dict[str, Any], asked: argparse.Namespace) -> Counter[str]:
    """Run nights until each succeeds, struck as often as asked; what happened how often."""
    from pipeline.flows.nights import nightly

    rng, count, longest = random.Random(asked.seed), Counter(), 8.0  # noqa: S311 - instants, no secrets
    for number, night in enumerate(nights):
        left = asked.strikes * (number + 1) // len(nights) - asked.strikes * number // len(nights)
        is_done = False
        while left or not is_done:
            timer = None
            if left:
                name = rng.choice(sorted(choices))
                timer, left = struck(rng.uniform(0, longest), choices[name]), left - 1
                count[name] += 1
            begin = time.monotonic()
            (outcome,) = nightly(str(config), night)
            longest = max(min(time.monotonic() - begin, 30.0), 2.0)
            is_done = not outcome.is_failed
            count["runs"] += 1
            count["failed: " + outcome.findings[0].partition(":")[0] if outcome.is_failed else "succeeded"] += 1
            if timer is not None:
                timer.join()
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strikes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    settle()
    from distributed import LocalCluster
    from servers import postgis, s3

    from pipeline.flows import nights as flows
    from pipeline.flows.local_server import local_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in ("open_area", "follow_chunks", "finish_area"):
        setattr(flows, name, getattr(flows, name).with_options(retry_delay_seconds=[1, 5]))
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        days = [d.isoformat() for d in make_tile(place, CHUNK_PX, SIDE, DATES)][FIRST:]
        aoi = write_area(place / "tile.geojson", CHUNK_PX * SIDE, "tile")
        database, bucket = stack.enter_context(postgis.running()), stack.enter_context(s3.running())
        stack.enter_context(local_server())
        options: Any = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
        cluster = stack.enter_context(LocalCluster(n_workers=2, silence_logs=logging.CRITICAL, **options))
        cube = {"chunk_px": CHUNK_PX}
        peace = write_config(place / "peace.yaml", [aoi], place / "catalog", cube=cube, workers=1)
        shared = {"workers": cluster.scheduler_address, "store": database.url("war"), "state": f"{bucket}/war"}
        war = write_config(place / "war.yaml", [aoi], place / "catalog", cube=cube, **shared)
        for day in days:
            flows.nightly(str(peace), day)
        choices = strikes(cluster, database, random.Random(asked.seed))  # noqa: S311
        count = nights_in_war(war, days, choices, asked)
        check = verify_store(load_config(war).store_address(), [Path(load_config(war).out)])
        mine, theirs = said(war), said(peace)
        wrong = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    print(f"{len(days)} nights of {SIDE**2} chunks: " + ", ".join(f"{n} {what}" for what, n in sorted(count.items())))
    print(f"differing: {', '.join(wrong) or 'nothing'}; faults of the store: {'; '.join(map(str, check.findings)) or 'none'}")
    return 1 if wrong or check.findings else 0


if __name__ == "__main__":
    sys.exit(main())

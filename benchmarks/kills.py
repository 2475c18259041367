"""Nightly runs that are killed at random instants, against runs that never were.

    python benchmarks/kills.py [--kills 200] [--seed 1]

Each night of a tiny world is run in a child process that gets SIGKILL after a random time, again and again, and then once in
peace. Afterwards alerts, disturbances, nights and events must be those of runs that nobody killed, byte for byte, and the chain
of events must hold. Exits with 1 where they are not.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from children import in_child
from test_run import days_of, run
from worlds import pit_in_forest, write_aoi

from pipeline.evidence import Status, Verification
from pipeline.io.bundles import verify_bundle
from pipeline.io.keys import read_public
from pipeline.io.store import open_store
from pipeline.io.verification import verify_store

FIRST_NIGHT = 22


def outcome(out: Path) -> dict[str, object]:
    """Everything that was said: files by name, and events."""
    files = {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*.geojson"))}
    events = [(e.seq, e.site_id, e.revision, e.day, repr(e.payload)) for e in open_store(out / "store.sqlite").events("tiny")]
    return {**files, "events": events}


def bundles(out: Path) -> list[tuple[Path, Verification]]:
    """The bundles of a run, verified with its public key."""
    public = read_public(out / "evidence" / "signing-key.pub")
    return [(path, verify_bundle(path, public)) for path in sorted((out / "evidence").glob("*.zip"))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)  # noqa: S311 - instants, no secrets
    with tempfile.TemporaryDirectory() as place:
        world, peace, war = (Path(place) / name for name in ("world", "peace", "war"))
        pit_in_forest(world / "catalog", dates=38)
        write_aoi(world / "aoi.geojson")
        nights = days_of(world)[FIRST_NIGHT:]
        seconds: dict[date, float] = {}
        for night in nights:
            start = time.perf_counter()
            in_child(lambda night=night: run(world, peace, night, has_evidence=True))
            seconds[night] = time.perf_counter() - start
        count = Counter(dict.fromkeys(nights, 0))
        for number, night in enumerate(nights):
            wanted = asked.kills * (number + 1) // len(nights) - asked.kills * number // len(nights)
            while count[night] < wanted:
                count[night] += in_child(
                    lambda night=night: run(world, war, night, has_evidence=True), rng.uniform(0, 1.1 * seconds[night])
                )
            in_child(lambda night=night: run(world, war, night, has_evidence=True))
        check = verify_store(str(war / "store.sqlite"))
        faults = [str(finding) for finding in check.findings]
        faults += [f"{path.name}: {found.status}" for path, found in bundles(war) if found.status is not Status.VERIFIED]
        mine, theirs = outcome(war), outcome(peace)
        wrong = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    longest = max(seconds.values())
    print(f"{sum(count.values())} kills in {len(nights)} nights of at most {longest:.1f} s; {len(theirs['events'])} events")
    print(f"differing: {', '.join(wrong) or 'nothing'}; faults of store and bundles: {'; '.join(faults) or 'none'}")
    return 1 if wrong or faults else 0


if __name__ == "__main__":
    sys.exit(main())

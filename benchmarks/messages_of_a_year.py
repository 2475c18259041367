"""What subscribers get in a year of nights of a simulated world.

    python benchmarks/messages_of_a_year.py [--size 2500] [--seed 7]

A simulated gold belt is walked night by night through its second year, and after each night the outbox is delivered into
folders, on a clock that follows the nights. Prints how many messages each subscriber got, how often each of their sites stood
in one and why, beside the revisions that were said.
"""

import argparse
import logging
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import yaml

from pipeline.config import RunConfig
from pipeline.demo.world import build_world
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.outbox import Outbox, Row
from pipeline.io.store import Store, open_store
from pipeline.io.subscriptions import load_subscriptions
from pipeline.stages import AoiRequest, run_aoi
from pipeline.stages.deliver import Delivery, deliver
from pipeline.subscriptions import LikelyCause

START, DAYS = date(2019, 2, 1), 730
YEAR_FROM = date(2020, 2, 1)
SUBSCRIBERS: Mapping[str, Mapping[str, object]] = {
    "defaults: confirmed, one digest a night": {},
    "the same, one message per revision": {"digest": False},
    "provisional too": {"states": ["provisional", "confirmed"]},
    "at least 2 ha": {"min_ha": 2.0},
    "new alerts and states only": {"news": ["new", "state", "reopened"]},
}
REASONS = {"new alert": "new", "state": "state", "changed again": "reopened", "area": "growth", "likely cause": "cause"}


def year(folder: Path, size_m: float, seed: int) -> Store:
    """Walk and deliver a year of nights; returns the store."""
    paths = build_world(folder / "world", seed=seed, size_m=size_m, start=START, days=DAYS)
    listed = [
        {"name": f"s{number}", "tier": "restricted", "channel": {"kind": "folder", "path": f"in/{number}"}, **asked}
        for number, asked in enumerate(SUBSCRIBERS.values())
    ]
    file = folder / "subscriptions.yaml"
    file.write_text(yaml.safe_dump({"subscriptions": listed}), encoding="utf-8")
    section = {
        "aoi": str(paths.aoi), "catalog": str(paths.catalog), "titles": [str(folder / "world" / "titles.geojson")],
        "titles_retrieved_on": YEAR_FROM, "reference_until": YEAR_FROM,
    }  # fmt: skip
    document = {"areas": [section], "out": str(folder / "out"), "subscriptions": str(file),
                "delivery": {"has_evidence": False, "has_map": False}}  # fmt: skip
    config = RunConfig.model_validate(document)
    scenes, _ = find_scenes(str(paths.catalog), read_area(paths.aoi), until=date.max)
    store = open_store(folder / "out" / "store.sqlite")
    work = Delivery(store, load_subscriptions(file), {})
    for night in sorted({s.solar_day for s in scenes if s.solar_day > YEAR_FROM}):
        run_aoi(AoiRequest(config.areas[0], config, folder / "out", str(folder / "out" / "store.sqlite"), night))
        deliver(work, datetime.combine(night + timedelta(days=1), time(5), UTC))
    return store


def line(words: str, messages: int, rows: list[Row]) -> str:
    """A row of the table."""
    sites = Counter(r.alert_id for r in rows)
    why = Counter(next(kind for start, kind in REASONS.items() if text.startswith(start)) for r in rows for text in r.why)
    spread = f"{statistics.median(sites.values()):g} | {max(sites.values())}" if sites else "- | -"
    return f"| {words} | {messages} | {len(sites)} | {len(rows)} | {spread} | " + ", ".join(
        f"{why[kind]} {kind}" for kind in REASONS.values() if why[kind]
    ) + " |"  # fmt: skip


def table(folder: Path, store: Store) -> list[str]:
    """The table, as docs/delivery.md shows it."""
    (aoi_id,) = {r.aoi_id for r in Outbox(store.engine).rows()}
    events = [e for e in store.events(aoi_id) if e.payload["properties"]["likely_cause"] in set(LikelyCause)]
    said = Counter(e.alert_id for e in events)
    lines = [
        "| subscriber | messages | sites | times told | per site: median | most | why |",
        "|---|---|---|---|---|---|---|",
        f"| every revision that was said | - | {len(said)} | {len(events)} | {statistics.median(said.values()):g} | "
        f"{max(said.values())} | - |",
    ]
    for number, words in enumerate(SUBSCRIBERS):
        rows = Outbox(store.engine).rows(subscriber=f"s{number}")
        lines.append(line(words, len(list((folder / "in" / str(number)).glob("*.geojson"))), rows))
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=2500.0)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory() as place:
        store = year(Path(place), asked.size, asked.seed)
        nights = len({e.day for e in store.events(next(iter(r.aoi_id for r in Outbox(store.engine).rows())))})
        print(f"{nights} nights with something to say, of a year; {asked.size:g} m, seed {asked.seed}")
        print("\n".join(table(Path(place), store)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

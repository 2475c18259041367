"""The demo: a real forest and a simulated gold belt through the nightly flow, from nothing to alerts."""

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml
from shapely.geometry import shape

from pipeline import __version__
from pipeline.aoi import Area
from pipeline.config import load_config
from pipeline.demo.romania import build_romania
from pipeline.demo.world import build_world
from pipeline.errors import PipelineError
from pipeline.flows import AreaOutcome, run_backfill, run_nightly
from pipeline.flows.local_server import local_server
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.history import open_history
from pipeline.io.outputs import write_whole
from pipeline.io.sharing import read_policy, sharing_key
from pipeline.sharing import SharingFacts, Tier
from pipeline.stages.exports import ExportRequest, Format, export_tier

NIGHTS = 10
WORLD_START, WORLD_DAYS = date(2019, 2, 1), 730
"""The simulated world runs over the same days as the end of the real series, so that one night speaks for both."""
WORLD_REFERENCE_UNTIL = date(2020, 3, 31)
FOREST_REFERENCE_UNTIL = date(2018, 12, 31)
HISTORY_FROM = date(2015, 1, 1)
SHOWN_TIERS, SHARED_AFTER = (Tier.AGENCY, Tier.PUBLIC), timedelta(days=31)
"""Tiers that the demo exports for, on a day on which the longest delay of the policy is over."""
Say = Callable[[str], None]


def _prepare(folder: Path, what: str, facts: dict[str, object], build: Callable[[Path], object], say: Say) -> None:
    """Make a world once: a marker with its parameters is written last and looked for first."""
    marker = folder / "made.json"
    wanted = {"software": __version__, **facts}
    if marker.exists() and json.loads(marker.read_text(encoding="utf-8")) == wanted:
        say(f"{what}: there already")
        return
    begun = time.monotonic()
    say(f"{what}: making it")
    build(folder)
    write_whole(marker, json.dumps(wanted) + "\n")
    say(f"{what}: made in {time.monotonic() - begun:.0f} s")


def _write_config(out: Path, worlds: Path) -> Path:
    """The configuration of the demo: two areas in one nightly flow."""
    forest, belt = worlds / "romania", worlds / "gold-belt"
    document = {
        "areas": [
            {"aoi": str(forest / "aoi.geojson"), "catalog": str(forest / "catalog" / "catalog.json"),
             "absent_bands": ["swir22"], "reference_until": FOREST_REFERENCE_UNTIL},
            {"aoi": str(belt / "aoi.geojson"), "catalog": str(belt / "catalog" / "catalog.json"),
             "titles": [str(belt / "titles.geojson")], "titles_retrieved_on": WORLD_REFERENCE_UNTIL,
             "protected": [str(belt / "protected.geojson")], "reference_until": WORLD_REFERENCE_UNTIL},
        ],
        "out": str(out),
    }  # fmt: skip
    path = out / "demo.yaml"
    write_whole(path, "# Written by `overburden demo`.\n" + yaml.safe_dump(document, sort_keys=False))
    return path


def _nights(area: Area, catalog: Path) -> list[date]:
    """The last solar days of the real series."""
    scenes, _ = find_scenes(str(catalog), area, until=date.max, absent_bands=("swir22",))
    return sorted({s.solar_day for s in scenes})[-NIGHTS:]


@contextmanager
def _one_server() -> Any:  # noqa: ANN401 - a context
    """One Prefect server for all runs of the demo."""
    from pipeline.flows.entry import settle  # noqa: PLC0415

    settle()
    with local_server():
        yield


def run_demo(out: Path, *, size_m: float, say: Say, tell: Say) -> int:
    """Make both worlds, back-fill them, replay ten nights, and tell what was found; returns the exit code."""
    begun = time.monotonic()
    worlds = out / "worlds"
    say(f"overburden {__version__} demo in {out}")
    with ThreadPoolExecutor(max_workers=1) as builder:
        building = builder.submit(_prepare_worlds, worlds, size_m, say)
        say("starting a local server for as long as the flows run")
        with _one_server():
            building.result()
            outcomes = _run_flows(out, worlds, say)
    if not any(outcome.is_failed for outcome in outcomes):
        _export(out, read_area(worlds / "gold-belt" / "aoi.geojson").id, say)
    code = _tell(outcomes, worlds, say, tell)
    say(f"done in {time.monotonic() - begun:.0f} s")
    return code


def _prepare_worlds(worlds: Path, size_m: float, say: Say) -> None:
    """Make both worlds, as far as they are not there already."""
    _prepare(worlds / "romania", "real forest in Romania, 140 dates", {}, build_romania, say)
    facts: dict[str, object] = {"size_m": size_m, "start": WORLD_START.isoformat(), "days": WORLD_DAYS}
    _prepare(
        worlds / "gold-belt", "simulated gold belt", facts,
        lambda folder: build_world(folder, size_m=size_m, start=WORLD_START, days=WORLD_DAYS), say,
    )  # fmt: skip


def _run_flows(out: Path, worlds: Path, say: Say) -> Sequence[AreaOutcome]:
    """Back-fill both areas and replay the nights; the outcomes of the last."""
    config = _write_config(out, worlds)
    nights = _nights(read_area(worlds / "romania" / "aoi.geojson"), worlds / "romania" / "catalog" / "catalog.json")
    eve = nights[0] - timedelta(days=1)
    say(f"back-fill until {eve}")
    outcomes = run_backfill(config, HISTORY_FROM, eve, has_pictures=False)
    logging.getLogger("pipeline").setLevel(logging.WARNING)
    for night in nights:
        say(f"night of {night}")
        outcomes = run_nightly(config, night, has_pictures=night == nights[-1])
    return outcomes


def _export(out: Path, aoi_id: str, say: Say) -> None:
    """Write what an agency and what the public may know of the simulated gold belt, in every format."""
    config = load_config(out / "demo.yaml")
    policy, digest = read_policy(None)
    store = config.store_address()
    night = max(night.as_of for night in open_history(store).nights(aoi_id))
    facts = SharingFacts(night + SHARED_AFTER, sharing_key(config.keys_folder()))
    for tier in SHOWN_TIERS:
        request = ExportRequest(
            store, aoi_id, tier, tuple(Format), "readers of the demo", out / "exports" / tier, policy, digest, facts
        )  # fmt: skip
        note = export_tier(request).note
        say(f"what the tier {tier} may know: {note.alerts} alerts, {sum(note.held_back.values())} held back")


def _tell(outcomes: Sequence[AreaOutcome], worlds: Path, say: Say, tell: Say) -> int:
    """Print the table; the exit code."""
    for outcome in outcomes:
        for finding in outcome.findings:
            say(f"{outcome.aoi}: {finding}")
        if outcome.is_failed:
            tell(outcome.line)
            continue
        folder = Path(outcome.report).parent
        simulated = "SIMULATED, " if "simulated" in outcome.aoi else ""
        tell(f"\n{simulated}{outcome.line}")
        _table(folder / "alerts.geojson", "alerts", tell)
        _table(folder / "disturbances.geojson", "other disturbances", tell)
        for name in ("map.html", "report.md", "nights", "evidence"):
            tell(f"  {name:<12}{os.path.relpath(folder / name)}")
    tell(f"\nWhat others may know, by tier and format: {os.path.relpath(worlds.parent / 'exports')}")
    tell(f"Truth of the simulated world: {os.path.relpath(worlds / 'gold-belt' / 'truth.geojson')}")
    if any(o.is_failed for o in outcomes):
        return 1
    return 0


def _table(path: Path, what: str, tell: Say) -> None:
    """A table of a file's sites."""
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
    except (OSError, ValueError) as error:
        raise PipelineError(f"{path}: {error}; expected the file that the flow has just written") from error
    if not features:
        tell(f"  no {what}")
        return
    tell(f"  {what}: state       cause           ha    since       titles say          lon, lat")
    for feature in features:
        p, centre = feature["properties"], shape(feature["geometry"]).representative_point()
        tell(
            f"    {p['site_id'][:8]}  {p['state']:<11} {p['likely_cause']:<14} {p['area_ha']:6.2f}  {p['first_detected_on']}"
            f"  {p['tenure_status']:<18}  {centre.x:.5f}, {centre.y:.5f}"
        )

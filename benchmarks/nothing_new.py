"""What a night costs on which no area has a new scene.

    python benchmarks/nothing_new.py [--areas 100] [--runs 5] [--scenes 60]

Makes that many tiny areas (48 by 48 pixels), each with a static STAC catalogue of its own of that many items, its titles
file and a pit that is told as one alert; runs the nightly flow over all of them for a first date; then times nights of later
dates on which nothing is new. Pixel files are shared between the catalogues by hard links, the items are not. The last 28
items are read, all are listed. Evidence, map and reports for people are off, so that the first night does not take an hour.

Timed are `nightly(...)`, the whole flow from its call to its return, deliveries included (there are none), and the same work by
direct calls (`quiet_nights`), the configuration read anew each time. Not timed: the start of Python, its imports, the start of
the Prefect server. What a whole night costs without the shortcut is timed once. Every timed night must have taken the shortcut
for all areas, and the features of every alerts file must be the same bytes as before.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import yaml
from figures import Figure, publish, seconds
from test_run import days_of
from worlds import footprint, pit_in_forest, write_aoi

from pipeline.config import load_config
from pipeline.flows.entry import AreaOutcome, settle
from pipeline.io.verification import verify_store
from pipeline.stages.quiet import quiet_nights
from pipeline.stages.run import AoiRequest
from pipeline.stages.scenes import area_out

DAY = timedelta(days=1)
READ = 28
"""Items of each catalogue that are read, the last ones: as many as a reference and an alert take. All are listed."""


def world(folder: Path, areas: int, scenes: int) -> Path:
    """Areas with their catalogues, and the configuration of all of them; returns it."""
    pit_in_forest(folder / "first" / "catalog", dates=scenes, pit_from=scenes - 6)
    write_aoi(folder / "first" / "aoi.geojson")
    start = days_of(folder / "first")[-READ]
    sections = []
    for number in range(areas):
        place = folder / f"area-{number:03d}"
        for path in sorted((folder / "first" / "catalog").rglob("*")):
            copy = place / "catalog" / path.relative_to(folder / "first" / "catalog")
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".tif":
                copy.hardlink_to(path)
            elif path.is_file():
                copy.write_bytes(path.read_bytes())
        write_aoi(place / "aoi.geojson", id=f"area-{number:03d}")
        _write_titles(place / "titles.geojson", number)
        sections.append({
            "aoi": str(place / "aoi.geojson"), "catalog": str(place / "catalog" / "catalog.json"),
            "titles": [str(place / "titles.geojson")], "titles_retrieved_on": "2025-01-01", "start": start,
        })  # fmt: skip
    config = folder / "night.yaml"
    document = {
        "areas": sections,
        "out": str(folder / "out"),
        "delivery": {"has_evidence": False, "has_map": False, "languages": []},
    }
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    return config


def _write_titles(path: Path, number: int) -> None:
    """One title over the west of the area, of a long life."""
    west, south, east, north = footprint().bounds  # type: ignore[attr-defined]
    middle = (west + east) / 2
    ring = [[west, south], [middle, south], [middle, north], [west, north], [west, south]]
    title = {
        "type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"title_id": f"T{number}", "valid_from": "2020-01-01", "valid_to": "2035-12-31"},
    }  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [title]}), encoding="utf-8")


def alerts(out: Path) -> dict[str, str]:
    """What each alerts file says after its head, by area."""
    texts = {p.parent.name: p.read_text(encoding="utf-8") for p in sorted(out.glob("*/alerts.geojson"))}
    return {name: text[text.index('"features"') :] for name, text in texts.items()}


def direct(config: Path, day: date) -> int:
    """The night by direct calls; returns the number of areas with nothing new."""
    settings = load_config(config)
    requests = {
        n: AoiRequest(section, settings, area_out(settings, section), settings.store_address(), day)
        for n, section in enumerate(settings.areas)
    }
    return len(quiet_nights(requests, day))


@contextmanager
def server() -> Iterator[None]:
    """Prefect, imported and with its server up."""
    settle()
    from pipeline.flows.local_server import local_server

    with local_server():
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--areas", type=int, default=100)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        config = world(Path(place), asked.areas, asked.scenes)
        first = days_of(Path(place) / "first")[-1]
        with server():
            from pipeline.flows.nights import _read_config, nightly

            def night(n: int) -> list[AreaOutcome]:
                _read_config.cache_clear()
                return nightly(str(config), (first + n * DAY).isoformat())

            whole_s = seconds(lambda: night(0))
            before = alerts(Path(place) / "out")
            told = []
            flow_s = [seconds(lambda n=n: told.append(night(n))) for n in range(1, asked.runs + 1)]  # type: ignore[misc]
            counts = [sum("nothing new since" in o.line for o in outcomes) for outcomes in told]
            nights = range(asked.runs + 1, 2 * asked.runs + 1)
            direct_s = [seconds(lambda n=n: counts.append(direct(config, first + n * DAY))) for n in nights]  # type: ignore[misc]
        is_same = alerts(Path(place) / "out") == before
        said = sum(len(json.loads("{" + text[: text.rindex("}")] + "}")["features"]) for text in before.values())
        faults = verify_store(str(Path(place) / "out" / "store.sqlite")).findings
    print(f"{asked.areas} areas of {asked.scenes} items; {said} alerts; the first night, whole, took {whole_s:.1f} s")
    print(f"quiet areas of each timed night: {counts}; alerts unchanged: {is_same}; faults of the store: {faults or 'none'}")
    if set(counts) != {asked.areas} or not is_same or said != asked.areas or faults:
        print("the shortcut was not taken everywhere, or something was lost: no figure is published")
        return 1
    sizes = {
        "areas": asked.areas,
        "items_per_area": asked.scenes,
        "items_read": READ,
        "alerts": said,
        "timed": "the nightly flow, server running",
    }
    per_100 = 100 / asked.areas
    direct_sizes = {**sizes, "timed": "direct calls"}
    publish(
        Figure("nothing_new_s_per_100_aois", [s * per_100 for s in flow_s], "< 1", sizes, "s"),
        Figure("nothing_new_direct_s_per_100_aois", [s * per_100 for s in direct_s], "", direct_sizes, "s"),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

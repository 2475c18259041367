"""What Prefect costs a night of 50 chunks, over the same work by direct calls.

    python benchmarks/prefect_overhead.py [--runs 3] [--dates 9]

Makes one area of 10 by 5 chunks of 500 pixels with a static catalogue of that many dates, the last third of them after the
reference, so that a chunk reads its dates, fits a reference and monitors: some tenths of a second of work (it is printed),
less than the second that the design wants of a task. The same first night is run in turn by direct calls, its chunks in a
pool of two threads, and by `nightly(...)` with its two workers, each time into a folder of its own. The figure is the median
over the pairs of their ratio less one. On a machine with other work that is mostly noise; so the same night is also run
again, when no chunk has anything to do: what the flow takes longer then, over the time of the direct night, is
`prefect_overhead_rerun`, which noise moves little. The starts of Python and of the Prefect server are not timed; alerts files
and ledgers must agree.
"""

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import numpy as np
import rasterio
import yaml
from affine import Affine
from figures import Figure, paired, publish, seconds
from nothing_new import server
from shapely.geometry import box, mapping
from worlds import BANDS, EPSG, FOREST, LEFT, TOP, write_aoi, write_catalog

from pipeline import geo
from pipeline.config import load_config
from pipeline.io.store import open_store
from pipeline.stages.chunks import update_chunk
from pipeline.stages.run import AoiRequest, chunk_work, finish, open_walk

CHUNK_PX, WIDE, HIGH = 500, 10, 5
FIRST = date(2024, 1, 1)
STEP_DAYS = 10
SETTLED_S = 4
"""A server that still writes down the tasks of one night refuses the next for two seconds; nights are a day apart."""


def outline(inset_m: float = 0.0) -> object:
    """Outline of the area's pixels in lon/lat, or of what lies that far inside of it."""
    right, bottom = LEFT + 10 * CHUNK_PX * WIDE, TOP - 10 * CHUNK_PX * HIGH
    inside = box(LEFT + inset_m, bottom + inset_m, right - inset_m, TOP - inset_m)
    return geo.reproject(inside, f"EPSG:{EPSG}", geo.WGS84)


def write_date(folder: Path, day: date, noise: np.ndarray) -> str:
    """One item of a forest and its files; returns its id."""
    name = f"S2A_20LPR_{day:%Y%m%d}_0_L2A"
    (folder / name).mkdir(parents=True)
    layers = {band: np.rint((value + noise) * 1e4).astype("u2") for band, value in zip(BANDS, FOREST, strict=True)}
    layers["scl"] = np.full(noise.shape, 4, "u1")
    for band, values in layers.items():
        with rasterio.open(
            folder / name / f"{band}.tif", "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
            dtype=values.dtype, crs=f"EPSG:{EPSG}", transform=Affine(10, 0, LEFT, 0, -10, TOP), nodata=0, tiled=True,
            blockxsize=256, blockysize=256, compress="deflate",
        ) as out:  # fmt: skip
            out.write(values, 1)
    when = datetime(day.year, day.month, day.day, 14, 27, tzinfo=UTC)
    record = {"nodata": 0, "scale": 0.0001, "offset": 0.0}
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a", "links": [],
        "geometry": mapping(outline()),
        "properties": {
            "datetime": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "platform": "sentinel-2a", "grid:code": "MGRS-20LPR",
            "s2:processing_baseline": "03.01", "earthsearch:boa_offset_applied": False,
        },
        "assets": {b: {"href": f"./{b}.tif", **({"raster:bands": [record]} if b != "scl" else {})} for b in layers},
    }  # fmt: skip
    (folder / name / f"{name}.json").write_text(json.dumps(item), encoding="utf-8")
    return name


def world(folder: Path, dates: int) -> None:
    """The area and its catalogue."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.003, (CHUNK_PX * HIGH, CHUNK_PX * WIDE))
    days = [FIRST + timedelta(days=STEP_DAYS * n) for n in range(dates)]
    write_catalog(folder / "catalog", [write_date(folder / "catalog", d, np.roll(noise, 97 * n)) for n, d in enumerate(days)])
    write_aoi(folder / "aoi.geojson", outline(50.0))


def configuration(folder: Path, name: str, dates: int) -> Path:
    """A configuration whose results go into a folder of their own."""
    section = {
        "aoi": str(folder / "aoi.geojson"), "catalog": str(folder / "catalog" / "catalog.json"),
        "reference_until": FIRST + timedelta(days=STEP_DAYS * (dates * 2 // 3) - 1),
    }  # fmt: skip
    document = {
        "areas": [section], "out": str(folder / name), "cube": {"chunk_px": CHUNK_PX}, "reference": {"min_looks": 4},
        "delivery": {"has_evidence": False, "has_map": False, "languages": []},
    }  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def direct(config: Path, day: date) -> None:
    """The night by direct calls."""
    settings = load_config(config)
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    walk = open_walk(AoiRequest(settings.areas[0], settings, out, settings.store_address(), day))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda chunk: update_chunk(chunk_work(walk, chunk)), walk.grid.chunks))
    finish(walk)


def told(out: Path) -> tuple[bytes, list[str]]:
    """What a night said."""
    return (out / "alerts.geojson").read_bytes(), [repr(row) for row in open_store(out / "store.sqlite").ledger("tiny")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dates", type=int, default=9)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as place, server():
        from pipeline.flows.nights import nightly

        folder, last = Path(place), FIRST + timedelta(days=STEP_DAYS * (asked.dates - 1))
        world(folder, asked.dates)
        outs: dict[str, list[Path]] = {"flow": [], "direct": []}

        def fresh(kind: str) -> Path:
            outs[kind].append(folder / f"{kind}-{len(outs[kind])}")
            return configuration(folder, outs[kind][-1].name, asked.dates)

        flow_s, direct_s = paired(
            lambda: nightly(str(fresh("flow")), last.isoformat()), lambda: direct(fresh("direct"), last), asked.runs
        )
        done = {kind: folder / f"{kind}-0.yaml" for kind in outs}
        flow_again_s, direct_again_s = [], []
        for _ in range(asked.runs + 2):
            time.sleep(SETTLED_S)
            flow_again_s.append(seconds(lambda: nightly(str(done["flow"]), last.isoformat())))
            direct_again_s.append(seconds(lambda: direct(done["direct"], last)))
        said = [told(out) for kind in outs.values() for out in kind]
    chunks = len({row.split("chunk_id=")[1].split(",")[0] for row in said[0][1]})
    is_same = all(one == said[0] for one in said)
    work_s = 2 * statistics.median(direct_s) / max(chunks, 1)
    print(f"{chunks} chunks of {CHUNK_PX} px, {asked.dates} dates; {work_s:.2f} s of a thread for each")
    print(f"all say the same: {is_same}")
    for name, runs in (("flow", flow_s), ("direct", direct_s)):
        print(f"{name:<8}{statistics.median(runs):>8.2f} s   {', '.join(f'{s:.2f}' for s in runs)}")
    if chunks != WIDE * HIGH or not is_same:
        print("not the night that was meant: no figure is published")
        return 1
    ratios = [f / d - 1 for f, d in zip(flow_s, direct_s, strict=True)]
    sizes = {"chunks": chunks, "chunk_px": CHUNK_PX, "dates": asked.dates, "thread_s_per_chunk": round(work_s, 2)}
    whole_s = statistics.median(direct_s)
    again = [(f - d) / whole_s for f, d in zip(flow_again_s, direct_again_s, strict=True)]
    publish(
        Figure("prefect_overhead", ratios, "< 0.05", {**sizes, "flow_s": flow_s, "direct_s": direct_s}),
        Figure("prefect_overhead_rerun", again, "", {**sizes, "flow_s": flow_again_s, "direct_s": direct_again_s}),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Chips of simulated worlds: windows around what is known to have changed, before and after, like the real chips.

They show the model what the real chips have few of: burns, roads, farm clearings. Their places lie outside of any real
longitude, a block to each world, so that folds by place never mix them with real ground.
"""

import json
from datetime import date
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry import shape

from pipeline import geo
from pipeline.aoi import PIXEL_M, working_grid
from pipeline.demo.world import build_world
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.labels import Chips
from pipeline.io.pixels import read_cube
from pipeline.scenes import BANDS, choose_scenes

CHIP_PX = 48
SEEDS = (101, 102, 103, 104)
"""Seeds of the training worlds; the demo's seed is never among them."""
SIZE_M = 4000.0
REFERENCE_DAYS = 420
LOOKS_AFTER = 14
READINGS = {
    "mining": "mining_new",
    "farm_clearing": "farm_or_clearing",
    "road": "built",
    "burn": "burn",
}
"""Reading of the window around each kind of truth. Bars and seasonal water lie among the mines: no window is theirs alone."""
QUIET_CHIPS = 12
"""Windows of each world in which nothing changed."""
WORLD_LON = 1000.0
"""Longitude that no real place has; its even hundreds tell worlds apart."""


def _median(cube: object, bands: tuple[str, ...]) -> np.ndarray:
    """Median over the clear looks: float32 (band, y, x)."""
    import warnings  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels that were never clear stay NaN
        return np.stack([np.nanmedian(np.where(cube["clear"].values, cube[b].values, np.nan), axis=0) for b in bands])  # type: ignore[index]


def _windows(truth: Path, grid_crs: str, box: GeoBox, rng: np.random.Generator) -> list[tuple[str, int, int]]:
    """Windows as (reading, row, column): two around each thing that changed, and quiet ones."""
    found: list[tuple[str, int, int]] = []
    taken = np.zeros(box.shape, bool)
    for feature in json.loads(truth.read_text(encoding="utf-8"))["features"]:
        kind, onset = feature["properties"]["kind"], feature["properties"].get("onset_on")
        outline = geo.reproject(shape(feature["geometry"]), geo.WGS84, grid_crs)
        left, bottom, right, top = ((v - o) / s for v, o, s in zip(
            outline.bounds, (box.affine.c, box.affine.f) * 2, (PIXEL_M, -PIXEL_M) * 2, strict=True))  # fmt: skip
        taken[max(0, int(top) - CHIP_PX) : int(bottom) + 1, max(0, int(left) - CHIP_PX) : int(right) + 1] = True
        if kind not in READINGS or onset is None:
            continue
        for share in (0.35, 0.65) if kind in {"burn", "farm_clearing", "road"} else (0.5,):
            row, column = top + share * (bottom - top), left + share * (right - left)
            found.append((READINGS[kind], round(row) - CHIP_PX // 2, round(column) - CHIP_PX // 2))
    rows, columns = np.nonzero(~taken[:-CHIP_PX, :-CHIP_PX])
    quiet = rng.choice(len(rows), min(QUIET_CHIPS, len(rows)), replace=False)
    found.extend(("no_change", int(rows[i]), int(columns[i])) for i in quiet)
    return [(r, *(int(np.clip(v, 0, n - CHIP_PX)) for v, n in zip((y, x), box.shape, strict=True))) for r, y, x in found]  # type: ignore[misc]


def world_chips(folder: Path, seed: int) -> Chips:
    """Return the chips of one simulated world, which is written under `folder`."""
    paths = build_world(folder, seed=seed, size_m=SIZE_M, start=date(2019, 2, 1))
    area = read_area(paths.aoi)
    grid = working_grid(area, 4096)
    box = max((c.geobox for c in grid.chunks), key=lambda b: b.shape[0] * b.shape[1])
    scenes, _ = find_scenes(str(paths.catalog), area, until=date.max)
    acquisitions, _ = choose_scenes(scenes)
    begin = acquisitions[0].solar_day
    past = read_cube([a for a in acquisitions if (a.solar_day - begin).days <= REFERENCE_DAYS], box)
    late = read_cube(acquisitions[-LOOKS_AFTER:], box)
    if past is None or late is None:
        raise RuntimeError(f"{folder}: a simulated world without scenes")
    before, after = _median(past, BANDS), _median(late, BANDS)
    windows = _windows(paths.truth, grid.crs, box, np.random.default_rng([seed, 7]))
    cut = [
        np.stack([image[:, y : y + CHIP_PX, x : x + CHIP_PX] for _, y, x in windows]).astype(np.float32)
        for image in (before, after)
    ]
    count = len(windows)
    return Chips(
        sample_id=np.array([f"world-{seed}-{i}" for i in range(count)]),
        lon=np.full(count, WORLD_LON + 100.0 * seed),
        lat=np.zeros(count),
        reading=np.array([r for r, _, _ in windows]),
        new_pct=np.zeros(count),
        confidence=np.full(count, 3),
        before=cut[0],
        after=cut[1],
    )

"""Simulated worlds as labelled data: pixels of single looks and sites of the whole ground, labelled by the exact truth.

They show the models what the labelled chips have few of: burns, roads, farm clearings, and the rims of clouds and
shadows that a mask leaves. How a model does on them says nothing about real ground; they are weighed and measured apart.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import rasterio.features
import xarray as xr
from odc.geo.geobox import GeoBox
from scipy import ndimage
from shapely.geometry import shape

from pipeline import geo
from pipeline.aoi import working_grid
from pipeline.change import PixelClass, PixelEstimator
from pipeline.cube import bands_of
from pipeline.demo.world import WorldPaths, build_world
from pipeline.errors import CatalogEmptyError
from pipeline.features import HAZE_BLUE_RISE, feature_table
from pipeline.fitting import fit_reference
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.pixels import read_acquisition, read_cube
from pipeline.reference import Reference
from pipeline.scenes import BANDS, Acquisition, choose_scenes
from pipeline.sites import SITE_FEATURES, PixelTable, site_features
from pipeline.sites.pixels import row_column
from pipeline.training.chip_sites import ChipSites, bodies, confirmed_pixels
from pipeline.training.samples import MINING, Samples, join, pick, pixel_labels, unchanged


@dataclass(frozen=True, slots=True)
class WorldKind:
    """A simulated world to learn from or to measure on."""

    seed: int
    landscape: str = "humid_forest"
    lookalikes: str = "all"

    @property
    def name(self) -> str:
        """Landscape and seed."""
        return f"{self.landscape}-{self.seed}"


TRAINING_WORLDS = (
    WorldKind(101, lookalikes="few"), WorldKind(102), WorldKind(103), WorldKind(104, "dry_forest"), WorldKind(105, "savanna"),
    WorldKind(106, "leach_ponds"), WorldKind(107, "bare_hills"), WorldKind(108, "savanna"), WorldKind(109, "dry_forest"),
)  # fmt: skip
"""Worlds that a model learns from; the demo's seed, and those that are measured on, are never among them."""
SIZE_M = 4000.0
START = date(2019, 2, 1)
REFERENCE_DAYS = 425
"""Fourteen months, the world's quiet time: its mines start after 58 % of two years."""
LATER_DATES = 12
CLEAR_SHARE = 0.5
"""Share of the ground that a date must show to be sampled."""
LOOKS_AFTER = 14
"""Last acquisitions whose clear looks say what the ground became."""
STAGES = (0.6, 1.0)
"""Shares of the time after the reference at which sites are taken: mines that have just begun, and grown ones."""
STAGE_LOOKS = 6
"""Acquisitions up to each of them that confirm its sites."""
SHADOW_NIR = 0.65
"""A stable pixel whose near infrared fell below this share of the expected lies in a shadow that the mask left."""
READINGS = {
    "mining": "mining_new",
    "farm_clearing": "farm_or_clearing",
    "shifting_cultivation": "farm_or_clearing",
    "logging": "felling",
    "road": "built",
    "settlement": "built",
    "burn": "burn",
    "river_bar": "river",
    "seasonal_water": "river",
    "oxbow": "river",
    "reservoir": "reservoir",
    "aquaculture": "aquaculture",
    "landslide": "landslide",
    "quarry": "quarry",
}
"""Reading of the ground inside each kind of truth."""
NO_READING = "no_change"
"""Reading of a site that no truth accounts for."""


@dataclass(frozen=True)
class Truth:
    """What the world's maker says of each pixel."""

    owner: np.ndarray
    """int16 (y, x): number of the truth polygon, -1 outside of all; where two overlap, the later in the file."""
    rim: np.ndarray
    """bool (y, x): within a pixel of a polygon but outside: mixed ground that nothing is learned from."""
    reading: tuple[str, ...]
    """Reading of each polygon."""
    onset: tuple[date, ...]
    """First day of each; the world's first day where it was always so or comes and goes."""


@dataclass(frozen=True)
class World:
    """One simulated world, ready to learn from."""

    seed: int
    before: np.ndarray
    """float32 (band, y, x): level of the reference, NaN where not known."""
    stages: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...]
    """Looks at each stage: what was seen, float32 (band, y, x), NaN where not clear, and what was expected."""
    truth: Truth
    samples: Samples
    """Pixels of single looks; their block is the world."""
    name: str = ""


def read_truth(path: Path, box: GeoBox) -> Truth:
    """Return the truth of a world on its grid; stages of mines are left out, they lie within the mines."""
    owner = np.full(box.shape, -1, np.int16)
    readings: list[str] = []
    onsets: list[date] = []
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        reading = READINGS.get(feature["properties"]["kind"])
        if reading is None:
            continue
        ground = geo.reproject(shape(feature["geometry"]), geo.WGS84, f"EPSG:{box.crs.to_epsg()}")
        rasterio.features.rasterize([(ground, len(readings))], out=owner, transform=box.affine)
        readings.append(reading)
        onset = feature["properties"].get("onset_on")
        onsets.append(date.fromisoformat(onset) if onset else START)
    inside = owner >= 0
    rim = ndimage.binary_dilation(inside, np.ones((3, 3), bool)) & ~inside
    return Truth(owner, rim, tuple(readings), tuple(onsets))


def look_labels(current: np.ndarray, expected: np.ndarray, day: date, truth: Truth, quiet: np.ndarray) -> np.ndarray:
    """Return the class of each pixel on one look: int (y, x), -1 where it is not certain enough to learn from.

    Inside a truth polygon whose onset has passed the rules of the chips hold under its reading. Outside of all, ground
    that ended as it began is stable, or veiled where the look differs all the same: bright blue is a cloud's rim, a dark
    near infrared a shadow's.

    Parameters
    ----------
    current, expected : float32 (band, y, x)
    quiet : bool (y, x)
        Ground that ended as it began.
    """
    blue, nir = BANDS.index("blue"), BANDS.index("nir")
    with np.errstate(invalid="ignore"):
        rise = current[blue] - expected[blue]
        veiled = (rise > HAZE_BLUE_RISE) | (current[nir] < SHADOW_NIR * expected[nir])
        calm = (np.abs(rise) < 0.5 * HAZE_BLUE_RISE) & (current[nir] > 0.85 * expected[nir])
    begun = np.array([onset <= day for onset in truth.onset] + [False])[truth.owner]
    outside = (truth.owner < 0) & ~truth.rim & quiet
    label = np.full(truth.owner.shape, -1)
    label[outside & veiled] = PixelClass.CLOUD_RESIDUE
    label[outside & calm] = PixelClass.STABLE
    reading = np.array([*truth.reading, ""])[truth.owner]
    for name in sorted(set(truth.reading)):
        ground = begun & (reading == name)
        label[ground] = pixel_labels(expected, current, name)[ground]
    label[~(np.isfinite(current).all(axis=0) & np.isfinite(expected).all(axis=0))] = -1
    return label


@dataclass(frozen=True)
class _Past:
    """A world's reference and what is known of its ground."""

    reference: Reference
    truth: Truth
    quiet: np.ndarray
    box: GeoBox


def _date_samples(acquisition: Acquisition, past: _Past, rng: np.random.Generator, block: str) -> Samples | None:
    """Labelled pixels of one date; None where too little of the ground is clear."""
    cube, _ = read_acquisition(acquisition, past.box)
    if cube is None or cube["clear"].values.mean() < CLEAR_SHARE:
        return None
    day = acquisition.solar_day
    current = np.stack([bands_of(cube, 0)[b] for b in BANDS])
    expected = past.reference.expected(day)
    label = look_labels(current, expected, day, past.truth, past.quiet)
    label[~cube["clear"].values[0]] = -1
    rows = pick(label.ravel(), rng, 220)
    flat = (picture.reshape(len(BANDS), -1)[:, rows] for picture in (current, expected))
    return Samples(feature_table(*flat), label.ravel()[rows], np.full(len(rows), block))


def _stage_looks(acquisitions: Sequence[Acquisition], past: _Past) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """What some acquisitions show where they are clear, and what was expected."""
    looks = []
    for acquisition in acquisitions:
        cube, _ = read_acquisition(acquisition, past.box)
        if cube is not None:
            clear, bands = cube["clear"].values[0], bands_of(cube, 0)
            seen = np.stack([np.where(clear, bands[b], np.float32(np.nan)) for b in BANDS])
            looks.append((seen, past.reference.expected(acquisition.solar_day)))
    return tuple(looks)


def _median(cube: xr.Dataset) -> np.ndarray:
    """Median of the clear looks: float32 (band, y, x), NaN where there were none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels that were never clear stay NaN
        return np.stack([np.nanmedian(np.where(cube["clear"].values, cube[b].values, np.nan), axis=0) for b in BANDS])


def _spread_over(count: int, wanted: int) -> list[int]:
    """At most `wanted` positions of `count`, evenly spread."""
    return sorted({round(x) for x in np.linspace(0, count - 1, min(wanted, count))})


def read_world(paths: WorldPaths, seed: int, name: str = "") -> World:
    """Return what there is to learn from a world on disk.

    Raises
    ------
    CatalogEmptyError
        It holds no scenes of one of its two years.
    """
    area = read_area(paths.aoi)
    box = max((c.geobox for c in working_grid(area, 4096).chunks), key=lambda b: b.shape[0] * b.shape[1])
    scenes, _ = find_scenes(str(paths.catalog), area, until=date.max)
    acquisitions, _ = choose_scenes(scenes)
    early = [a for a in acquisitions if (a.solar_day - START).days <= REFERENCE_DAYS]
    late = acquisitions[len(early) :]
    past, last = read_cube(early, box), read_cube(late[-LOOKS_AFTER:], box)
    if past is None or last is None:
        raise CatalogEmptyError(
            f"{paths.catalog}: found {len(acquisitions)} dates, expected two years of a simulated world; build it anew"
        )
    reference = fit_reference(past)
    before = np.where(reference.looks > 0, reference.coefficients[0] * np.float32(1e-4), np.float32(np.nan))
    after = _median(last).astype(np.float32)
    truth = read_truth(paths.truth, box)
    known = _Past(reference, truth, unchanged(before, after), box)
    rng = np.random.default_rng([seed, 1])
    block = name or f"world-{seed}"
    found = [s for a in late if (s := _date_samples(a, known, rng, block)) is not None]
    samples = join([found[i] for i in _spread_over(len(found), LATER_DATES)])
    ends = [max(STAGE_LOOKS, round(share * len(late))) for share in STAGES]
    stages = tuple(_stage_looks(late[end - STAGE_LOOKS : end], known) for end in ends)
    return World(seed, before, stages, truth, samples, block)


def training_world(folder: Path, kind: WorldKind, size_m: float = SIZE_M) -> World:
    """Return a world that is built under `folder` for the purpose."""
    paths = build_world(
        folder, seed=kind.seed, size_m=size_m, start=START, landscape=kind.landscape, lookalikes=kind.lookalikes
    )
    return read_world(paths, kind.seed, kind.name)


def site_reading(pixels: PixelTable, truth: Truth) -> str:
    """Return the reading of the truth polygon that a site overlaps most, `NO_READING` where it overlaps none."""
    row, column = row_column(pixels.key)
    owner = truth.owner[row, column]
    inside = owner[owner >= 0]
    return truth.reading[int(np.bincount(inside).argmax())] if len(inside) else NO_READING


def world_sites(world: World, estimator: PixelEstimator) -> ChipSites:
    """Return the sites of a world's whole ground at its stages, each of weight 1, described as those of chips are."""
    tables = [confirmed_pixels(world.before, looks, estimator) for looks in world.stages]
    found = [body for pixels in tables if pixels is not None for body in bodies(pixels)]
    reading = [site_reading(body, world.truth) for body in found]
    name = world.name or f"world-{world.seed}"
    return ChipSites(
        features=np.array([site_features(body) for body in found]).reshape(len(found), len(SITE_FEATURES)),
        label=np.isin(reading, MINING),
        weight=np.ones(len(found)),
        reading=np.array(reading),
        block=np.full(len(found), name),
        sample_id=np.full(len(found), name),
    )

"""A tile of simulated ground with two years of past: files of two dates, references, a store; shared by the speed benchmarks.

The past is fitted by `fit_reference` on a small patch of forest and laid out over the tile. Of the pixels of the second date a
wanted share looks like bare spoil, in patches of 8 x 8 pixels; half of them were spoil on the first date already. A quarter of
each date lies under clouds. Files are deflated in blocks of 1,024 with a horizontal predictor, as public COGs of Sentinel-2
are; short-wave infrared and scene classes are at 10 m as well unless `native` is asked for, which has them at 20 m.
"""

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from pipeline import geo
from pipeline.aoi import Chunk, Grid
from pipeline.config import RunConfig
from pipeline.cube import make_cube
from pipeline.fitting import fit_reference
from pipeline.io.models import default_model, load_model
from pipeline.io.pixels import Reading
from pipeline.io.rasters import Panes
from pipeline.io.states import StateFolder
from pipeline.io.storage import storage_at
from pipeline.io.store import ChunkState, Store, open_store
from pipeline.reference import Reference, side_by_side
from pipeline.scenes import BANDS, SCL, Acquisition, Asset, Radiometry, Scene
from pipeline.stages.chunks import ChunkWork, update_chunk

EPSG, LEFT, TOP = 32721, 399_960, 9_300_040
"""The corner of a tile of zone 21 S; chunks lie on the lattice of the zone, not on the blocks of the files."""
FOREST = (0.025, 0.045, 0.025, 0.33, 0.15, 0.065)
SPOIL = (0.10, 0.14, 0.18, 0.24, 0.30, 0.24)
NOISE = 0.006
FIRST, SECOND = date(2025, 6, 5), date(2025, 6, 10)
PAST_END = date(2025, 5, 30)
PATCH = 256
RADIOMETRY = Radiometry(1e-4, -0.1)


@dataclass(frozen=True)
class Tile:
    """A tile on disk."""

    folder: Path
    side: int
    """Pixels of 10 m."""
    chunk_px: int
    config: RunConfig
    native: bool

    @cached_property
    def grid(self) -> Grid:
        """All of the tile in chunks on the lattice."""
        top, left = round(-TOP / 10), round(LEFT / 10)
        rows, columns = _cuts(top, self.side, self.chunk_px), _cuts(left, self.side, self.chunk_px)
        box = shapely.box(LEFT, TOP - 10 * self.side, LEFT + 10 * self.side, TOP)
        chunks = [
            Chunk(
                f"{EPSG}_{x0}_{y0}", GeoBox((y1 - y0, x1 - x0), Affine(10, 0, 10 * x0, 0, -10, -10 * y0), f"EPSG:{EPSG}"), box
            )
            for y0, y1 in rows
            for x0, x1 in columns
        ]
        return Grid(f"EPSG:{EPSG}", box.bounds, tuple(chunks))

    def acquisition(self, day: date) -> Acquisition:
        """The scene of a day."""
        names = (*BANDS, SCL)
        assets = {n: Asset(str(self.path(day, n)), None if n == SCL else RADIOMETRY) for n in names}
        ground = geo.reproject(shapely.box(*self.grid.bounds), f"EPSG:{EPSG}", geo.WGS84)
        sensed = datetime(day.year, day.month, day.day, 14, tzinfo=UTC)
        scene = Scene(f"S2B_T21_{day:%Y%m%d}", sensed, "sentinel-2b", "21", f"D{day}", "05.11", ground, assets)
        return Acquisition(day, (scene,))

    def path(self, day: date, band: str) -> Path:
        """The file of one band."""
        return self.folder / f"{day:%Y%m%d}-{band}.tif"

    def works(self, store: Store, days: tuple[date, ...]) -> list[ChunkWork]:
        """The work on each chunk."""
        area = store.area_state("tile", "digest", "model")
        model, states = load_model(default_model()), StateFolder(storage_at(self.folder / "state"))
        acquisitions, reading = tuple(self.acquisition(day) for day in days), Reading(panes=Panes())
        return [
            ChunkWork(area, chunk, acquisitions, self.config, None, model.estimator, store, states, reading)
            for chunk in self.grid.chunks
        ]

    def fresh_store(self) -> Store:
        """The store as it was after the first date."""
        for path in self.folder.glob("night.sqlite*"):
            path.unlink()
        shutil.copy(self.folder / "first.sqlite", self.folder / "night.sqlite")
        return open_store(self.folder / "night.sqlite")


def _cuts(start: int, size: int, step: int) -> list[tuple[int, int]]:
    """Where the lattice cuts a range of pixels."""
    edges = [start, *range((start // step + 1) * step, start + size, step), start + size]
    return list(pairwise(edges))


@cache
def past_patch(seed: int = 0) -> Reference:
    """The past of a patch of forest: 60 looks in two years, with a season in the near infrared."""
    rng = np.random.default_rng(seed)
    days = [PAST_END - timedelta(days=12 * n) for n in range(60)][::-1]
    shape = (len(days), PATCH, PATCH)
    swing = 0.03 * np.cos(2 * np.pi * np.array([d.timetuple().tm_yday for d in days]) / 365.25)[:, None, None]
    bands = {b: (v + rng.normal(0, NOISE, shape)).astype(np.float32) for b, v in zip(BANDS, FOREST, strict=True)}
    bands["nir"] += swing.astype(np.float32)
    scl = np.where(rng.random(shape) < 0.3, 8, 4).astype(np.uint8)
    return fit_reference(make_cube(days, bands, scl, 0), 8)


def laid_out(patch: Reference, shape: tuple[int, int]) -> Reference:
    """A patch repeated over a chunk."""
    times = [-(-n // PATCH) for n in shape]

    def over(array: np.ndarray) -> np.ndarray:
        return np.tile(array, (*([1] * (array.ndim - 2)), *times))[..., : shape[0], : shape[1]]

    planes = {name: over(getattr(patch, name)) for name in ("ndvi_spread", "looks", "is_seasonal", "floor", "near")}
    return Reference(coefficients=side_by_side(over(patch.coefficients)), **planes)


def objects(rng: np.random.Generator, side: int, share: float, size: int = 8) -> np.ndarray:
    """Bool (y, x): patches over a share of the pixels, each on a place of its own."""
    cells = side // size
    marked = np.zeros(cells * cells, bool)
    marked[rng.choice(cells * cells, round(share * side * side / size**2), replace=False)] = True
    mask = np.zeros((side, side), bool)
    mask[: cells * size, : cells * size] = marked.reshape(cells, cells).repeat(size, 0).repeat(size, 1)
    return mask


def clouds(rng: np.random.Generator, side: int, share: float = 0.25) -> np.ndarray:
    """Bool (y, x): clouds of a kilometre or more over a share of the ground."""
    coarse = ndimage.gaussian_filter(rng.normal(size=(side // 20 + 2,) * 2), 4)
    mask: np.ndarray = (coarse > np.quantile(coarse, 1 - share)).repeat(20, 0).repeat(20, 1)[:side, :side]
    return mask


def _empty_tile(folder: Path, side: int, chunk_px: int, *, native: bool) -> Tile:
    """A tile without files in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = RunConfig.model_validate({"out": str(folder), "areas": [{"aoi": "tile.geojson", "catalog": "catalog.json"}]})
    return Tile(folder, side, chunk_px, config, native)


def make_history(folder: Path, side: int, share: float, days: tuple[date, ...], *, chunk_px: int) -> Tile:
    """Return a tile of which nothing is known yet, with a scene for each day; a share of it is spoil on the last five."""
    tile, rng = _empty_tile(folder, side, chunk_px, native=False), np.random.default_rng(1)
    changed = objects(rng, side, share)
    for n, day in enumerate(days):
        _write_scene(tile, day, changed & (n >= len(days) - 5), clouds(rng, side), rng)
    return tile


def make_tile(
    folder: Path, side: int, share: float, *, chunk_px: int = 1024, native: bool = False, later: tuple[date, ...] = (SECOND,)
) -> Tile:  # fmt: skip
    """Return a tile whose later dates wait to be taken, with a share of its pixels changed."""
    tile = _empty_tile(folder, side, chunk_px, native=native)
    rng = np.random.default_rng(1)
    changed = objects(rng, side, share / 0.75)  # a quarter lies under clouds
    before = changed & (np.indices((side, side), np.uint16, sparse=True)[1] < side // 2)
    for day, spoil in ((FIRST, before), *((day, changed) for day in later)):
        _write_scene(tile, day, spoil, clouds(rng, side), rng)
    store, patch, states = open_store(folder / "first.sqlite"), past_patch(), StateFolder(storage_at(folder / "state"))
    area = store.area_state("tile", "digest", "model")
    for chunk in tile.grid.chunks:
        reference = states.write_reference(f"{chunk.id}-reference-{PAST_END:%Y%m%d}-{area.epoch}", laid_out(patch, chunk.shape))
        empty = states.write_state(f"{chunk.id}-before", np.zeros(chunk.shape, np.uint16))
        store.swap_chunk("tile", chunk.id, ChunkState(PAST_END, empty, reference, PAST_END), [], {}, area=area)
    for work in tile.works(store, (FIRST,)):
        update_chunk(work)
    store.engine.dispose()
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return tile


def _write_scene(tile: Tile, day: date, spoil: np.ndarray, cloud: np.ndarray, rng: np.random.Generator) -> None:
    """The seven files of a date."""
    shape = (tile.side, tile.side)
    swing = 0.03 * np.cos(2 * np.pi * day.timetuple().tm_yday / 365.25)
    for b, band in enumerate(BANDS):
        base = FOREST[b] + (swing if band == "nir" else 0.0)
        patch = min(tile.side, 2048)
        noise = rng.normal(0, NOISE, (patch, patch)).astype(np.float32)
        times = -(-tile.side // patch)
        value = np.tile(noise, (times, times))[: shape[0], : shape[1]] + np.where(spoil, np.float32(SPOIL[b]), np.float32(base))
        value[cloud] += np.float32(0.4)
        _write(tile, day, band, np.rint((value + 0.1) * 1e4).astype(np.uint16))
    _write(tile, day, SCL, np.where(cloud, 9, np.where(spoil, 5, 4)).astype(np.uint8))


def _write(tile: Tile, day: date, band: str, array: np.ndarray) -> None:
    """One deflated file."""
    step = 2 if tile.native and band in {"swir16", "swir22", SCL} else 1
    array = np.ascontiguousarray(array[::step, ::step])
    profile = {
        "driver": "GTiff", "height": array.shape[0], "width": array.shape[1], "count": 1, "dtype": array.dtype, "nodata": 0,
        "crs": f"EPSG:{EPSG}", "transform": Affine(10 * step, 0, LEFT, 0, -10 * step, TOP), "tiled": True, "num_threads": 2,
        "blockxsize": 1024, "blockysize": 1024, "compress": "deflate", "predictor": 2 if band != SCL else 1, "zlevel": 6,
    }  # fmt: skip
    with rasterio.open(tile.path(day, band), "w", **profile) as target:
        target.write(array, 1)


def with_days(work: ChunkWork, tile: Tile, days: tuple[date, ...]) -> ChunkWork:
    """The same work for other days."""
    return replace(work, acquisitions=tuple(tile.acquisition(day) for day in days))

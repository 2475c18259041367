"""Tiny catalogues, small enough to know every pixel: a forest in which a pit appears."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from shapely.geometry import box, mapping

from pipeline import geo
from pipeline.monitor import PixelCode, day_number
from pipeline.sites import PixelTable, pixel_key

EPSG, LEFT, TOP = 32720, 500_000.0, 9_000_000.0
BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
FOREST = (0.023, 0.045, 0.027, 0.300, 0.165, 0.075)
SPOIL = (0.113, 0.164, 0.198, 0.292, 0.311, 0.208)
POND = (0.100, 0.165, 0.175, 0.100, 0.070, 0.044)
SIZE = 48
PIT = (slice(15, 33), slice(15, 33))
POND_IN_PIT = (slice(20, 28), slice(20, 28))


def ground(rng: np.random.Generator, *, has_pit: bool, size: int = SIZE) -> np.ndarray:
    """Reflectance (band, y, x) of a forest, with a pit and its pond or without."""
    image = np.repeat(np.array(FOREST)[:, None, None], size, 1).repeat(size, 2)
    if has_pit:
        image[:, *PIT] = np.array(SPOIL)[:, None, None]
        image[:, *POND_IN_PIT] = np.array(POND)[:, None, None]
    return np.clip(image * (1 + rng.normal(0, 0.003)) + rng.normal(0, 0.003, image.shape), 0.001, 1.0)


def _write(path: Path, array: np.ndarray, stored: Mapping[str, object]) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", height=array.shape[0], width=array.shape[1], count=1, dtype=array.dtype,
        crs=f"EPSG:{EPSG}", transform=Affine(10, 0, LEFT, 0, -10, TOP), nodata=0, **stored,
    ) as out:  # fmt: skip
        out.write(array, 1)


def footprint(size: int = SIZE) -> object:
    return geo.reproject(box(LEFT, TOP - 10 * size, LEFT + 10 * size, TOP), f"EPSG:{EPSG}", geo.WGS84)


def write_item(
    folder: Path, day: date, image: np.ndarray, *, offset: float = 0.0, cloud: np.ndarray | None = None,
    stored: Mapping[str, object] | None = None,
) -> str:  # fmt: skip
    """One item with its seven files; returns its id. `stored` is how: plain rows where nothing is said."""
    stored = stored or {}
    name = f"S2A_20LPR_{day:%Y%m%d}_0_L2A"
    (folder / name).mkdir(parents=True)
    cloud = np.zeros(image.shape[1:], bool) if cloud is None else cloud
    shown = np.where(cloud, 0.5, image)
    numbers = np.clip(np.rint((shown - offset) * 1e4), 1, 65535).astype("u2")
    for band, array in zip(BANDS, numbers, strict=True):
        _write(folder / name / f"{band}.tif", array, stored)
    _write(folder / name / "scl.tif", np.where(cloud, 9, 4).astype("u1"), stored)
    when = datetime(day.year, day.month, day.day, 14, 27, tzinfo=UTC)
    baseline = "05.09" if offset else "03.01"
    record = {"nodata": 0, "scale": 0.0001, "offset": offset}
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a",
        "geometry": mapping(footprint(image.shape[1])), "links": [],
        "properties": {
            "datetime": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "platform": "sentinel-2a", "grid:code": "MGRS-20LPR",
            "s2:processing_baseline": baseline, "s2:datatake_id": f"GS2A_{when:%Y%m%dT%H%M%S}_000000_N{baseline}",
            "earthsearch:boa_offset_applied": False,
        },
        "assets": {b: {"href": f"./{b}.tif", **({"raster:bands": [record]} if b != "scl" else {})} for b in (*BANDS, "scl")},
    }  # fmt: skip
    (folder / name / f"{name}.json").write_text(json.dumps(item), encoding="utf-8")
    return name


def write_catalog(folder: Path, names: list[str]) -> Path:
    links = [{"rel": "item", "href": f"./{n}/{n}.json"} for n in names]
    path = folder / "catalog.json"
    path.write_text(
        json.dumps({"type": "Catalog", "stac_version": "1.0.0", "id": "t", "description": "t", "links": links}),
        encoding="utf-8",
    )
    return path


def write_aoi(path: Path, geometry: object | None = None, **properties: object) -> Path:
    shape = mapping(geometry if geometry is not None else footprint())
    feature = {"type": "Feature", "geometry": shape, "properties": {"id": "tiny", "name": "Tiny forest", **properties}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    return path


def pit_in_forest(
    folder: Path, *, dates: int = 32, pit_from: int = 26, offset_from: int = 14, cloudy: tuple[int, ...] = ()
) -> Path:
    """A catalogue every 12 days from 2024-01-01 in which a pit appears; returns catalog.json."""
    rng = np.random.default_rng(1)
    names = []
    for n in range(dates):
        image = ground(rng, has_pit=n >= pit_from)
        cloud = np.ones(image.shape[1:], bool) if n in cloudy else None
        day = date(2024, 1, 1) + timedelta(days=12 * n)
        names.append(write_item(folder, day, image, offset=-0.1 if n >= offset_from else 0.0, cloud=cloud))
    return write_catalog(folder, names)


def square(row: int, column: int, side: int, height: int | None = None) -> np.ndarray:
    """Keys of a rectangle of pixels, sorted."""
    rows, columns = np.mgrid[row : row + (height or side), column : column + side]
    return np.sort(pixel_key(rows.ravel(), columns.ravel()))


def table(keys: np.ndarray, code: PixelCode = PixelCode.CONFIRMED, day: date = date(2024, 5, 1)) -> PixelTable:
    """Changed pixels that all began on one day."""
    n, when = len(keys), np.full(len(keys), day_number(day), np.uint16)
    return PixelTable(
        key=np.sort(keys), code=np.full(n, code, np.uint8), first_changed_on=when, last_unchanged_on=when - 10,
        confirmed_on=when, last_changed_on=when, clear_looks=when, likeness=np.zeros((n, 9), np.uint8),
        seen_as=np.zeros((n, 6), np.int16), before=np.zeros((n, 6), np.int16), near=np.zeros((n, 3), np.uint8),
    )  # fmt: skip

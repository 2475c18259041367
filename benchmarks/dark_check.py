"""Whether the pixels tell a scene whose offset was missed or taken off twice from a right one.

    python benchmarks/dark_check.py [--shared ../shared]

Every scene is judged as it is (false alarms), 0.1 brighter, 0.1 darker (caught) and hazed (false alarms); prints the table.
"""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import rasterio

from pipeline.scenes.dark_check import VEGETATION, WATER, dark_verdict

Bands = dict[str, np.ndarray]
Image = tuple[Bands, np.ndarray]
SIX = ("blue", "green", "red", "nir", "swir16", "swir22")
SHIFT = 0.1
HAZE = {"blue": 0.08, "green": 0.05, "red": 0.03, "nir": 0.02, "swir16": 0.01, "swir22": 0.01}
"""Reflectance that a haze adds, bluest most."""
STRESS = "top of atmosphere"
"""Not reflectance of the ground, so not in the sum."""
SPARSE_NDVI = 0.55
"""Vegetation below this is dry grass, scrub or regrowth: it stands for savanna."""


def image(numbers: np.ndarray, names: tuple[str, ...] = SIX) -> Bands:
    """Reflectance by band of numbers (band, y, x) x 10000; 0 is no data."""
    return {name: np.where(band == 0, np.nan, band.astype("f4") / 1e4) for name, band in zip(names, numbers, strict=True)}


def stand_in(bands: Bands, highest_ndvi: float = 1.0) -> np.ndarray:
    """Scene classification of right pixels, by the rules of ../shared/tools/replay.py."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ndvi = (bands["nir"] - bands["red"]) / (bands["nir"] + bands["red"])
        is_water = ((bands["green"] - bands["swir16"]) / (bands["green"] + bands["swir16"]) > 0.1) & (ndvi < 0.2)
        is_green = (ndvi > 0.4) & (ndvi <= highest_ndvi)
    return np.where(is_water, WATER, np.where(is_green, VEGETATION, 5)).astype("u1")


def chips(data: Path, cloudy: bool, highest_ndvi: float = 1.0) -> Iterator[Image]:
    """Amazonian chips, those that the eye read as cloudy or the others."""
    with (data / "mining_chips" / "chips.csv").open(encoding="utf-8", newline="") as file:
        wanted = [(row["reading"] == "cloudy") == cloudy for row in csv.DictReader(file)]
    with np.load(data / "mining_chips" / "chips.npz") as stored:
        for chip in np.concatenate([stored["t0"][wanted], stored["t1"][wanted]]):
            bands = image(np.moveaxis(chip, -1, 0))
            yield bands, stand_in(bands, highest_ndvi)


def romania(side_px: int) -> Iterator[Image]:
    """Romanian forest with ESA's own classification and its clouds, in squares; there is no swir22."""
    folder = Path(str(metadata.distribution("nrt").locate_file(""))) / "nrt" / "data"
    with h5py.File(folder / "sentinel2_cube_subset_romania_10m.nc") as fine:
        numbers = [fine[name][:] for name in ("B2", "B3", "B4", "B8")]
        classes = fine["SCL"][:].astype("u1")
    with h5py.File(folder / "sentinel2_cube_subset_romania_20m.nc") as coarse:
        numbers.append(coarse["B11"][:].repeat(2, axis=1).repeat(2, axis=2))
    cube = np.stack(numbers, axis=1)
    for date in range(len(cube)):
        for y, x in np.ndindex(100 // side_px, 100 // side_px):
            window = np.s_[y * side_px : (y + 1) * side_px, x * side_px : (x + 1) * side_px]
            yield image(cube[date][:, *window], SIX[:5]), classes[date][window]


def bark_beetle(data: Path) -> Iterator[Image]:
    """Czech spruce forest."""
    for path in sorted((data / "bark_beetle").glob("s2_*/*.tif")):
        with rasterio.open(path) as raster:
            bands = image(raster.read()[[1, 2, 3, 7, 10, 11]])
        yield bands, stand_in(bands)


def rondonia(data: Path, highest_ndvi: float = 1.0, label: str | None = None, dates: int = 1) -> Iterator[Image]:
    """Points of one or more successive dates as one scene."""
    table = pd.read_parquet(data / "rondonia_points" / "samples_long.parquet")
    table = table[(table["kind"] == "raw") & ((table["label"] == label) if label else True)]
    days = sorted(table["date"].unique())
    for first in range(0, len(days), dates):
        rows = table[table["date"].isin(days[first : first + dates])]
        columns = ("blue", "green", "red", "bnir", "swir1", "swir2")
        bands = {name: rows[column].to_numpy("f4") for name, column in zip(SIX, columns, strict=True)}
        yield bands, stand_in(bands, highest_ndvi)


def exeter(data: Path) -> Iterator[Image]:
    """English farmland of 2024 with ESA's classification; the offset is in the numbers, which are 0.1 too bright.

    There is no short-wave infrared, without which nothing is called too bright.
    """
    for path in sorted((data / "exeter_s2_mixed_crs").glob("exe_*.tif")):
        with rasterio.open(path) as raster:
            numbers = raster.read()
        yield image(numbers[:4], SIX[:4]), numbers[4].astype("u1")


def top_of_atmosphere(data: Path, side_px: int = 64) -> Iterator[Image]:
    """Reflectance with the whole atmosphere in it: no product of ours, but the worst haze."""
    with np.load(data / "cloud_mask" / "ukis_csmask_toa.npz") as stored:
        pixels = stored["img"]
    for y, x in np.ndindex(pixels.shape[0] // side_px, pixels.shape[1] // side_px):
        square = pixels[y * side_px : (y + 1) * side_px, x * side_px : (x + 1) * side_px]
        bands = {name: square[..., k] for k, name in enumerate(SIX)}
        yield bands, stand_in(bands)


def data_sets(data: Path) -> Iterator[tuple[str, list[Image]]]:
    """Named lists of scenes."""
    yield "mining chips", list(chips(data, cloudy=False))
    yield "mining chips, sparse plants only", list(chips(data, cloudy=False, highest_ndvi=SPARSE_NDVI))
    yield "mining chips read as cloudy", list(chips(data, cloudy=True))
    yield "Romania 1 km, true SCL", list(romania(100))
    yield "Romania 500 m, true SCL", list(romania(50))
    yield "bark beetle", list(bark_beetle(data))
    yield "Rondonia, points of a date", list(rondonia(data))
    yield "Rondonia pasture, 3 dates", list(rondonia(data, label="Pasture", dates=3))
    yield "Rondonia, sparse only, 6 dates", list(rondonia(data, highest_ndvi=SPARSE_NDVI, dates=6))
    yield "Exeter 2024 less 0.1, true SCL", [(moved(b, -SHIFT), scl) for b, scl in exeter(data)]
    yield STRESS, list(top_of_atmosphere(data))


def moved(bands: Bands, shift: float | Mapping[str, float]) -> Bands:
    """Bands with a number, or one of each band, added."""
    return {name: values + np.float32(shift if isinstance(shift, float) else shift[name]) for name, values in bands.items()}


def count(scenes: list[Image], shift: float | Mapping[str, float]) -> Counter[str]:
    """How many verdicts of each kind on shifted scenes."""
    return Counter(dark_verdict(moved(bands, shift), scl).kind for bands, scl in scenes)


def row(name: str, right: Counter[str], bright: Counter[str], dark: Counter[str], hazed: Counter[str]) -> str:
    """One line of the table."""
    total = right.total()
    judged = right["too_bright"] + right["too_dark"], total - right["cannot_say"]
    told = hazed["too_bright"] + hazed["too_dark"], total - hazed["cannot_say"]
    return (
        f"{name:<33}{total:>6}{right['cannot_say'] / total:>8.1%}{judged[0]:>6} of {judged[1]:<5}"
        f"{bright['too_bright'] / total:>7.1%}{bright['cannot_say'] / total:>7.1%}{bright['fits'] + bright['too_dark']:>5}  "
        f"{dark['too_dark'] / total:>7.1%}{dark['cannot_say'] / total:>7.1%}{dark['fits'] + dark['too_bright']:>5}  "
        f"{told[0]:>4} of {told[1]:<5}{hazed['cannot_say'] / total:>7.1%}"
    )


def main() -> None:
    """Judge every scene four times and print what was said."""
    cli = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cli.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    data = cli.parse_args().shared.resolve() / "data"
    if not (data / "mining_chips" / "chips.npz").exists():
        print(f"{data}: found no mining_chips/chips.npz; skipped, since this benchmark needs the real data beside the project")
        sys.exit(0)
    print(f"{'':<41}{'as they are':<20}{'0.1 too bright':<21}{'0.1 too dark':<21}hazed")
    print(f"{'data set':<33}{'scenes':>6}{'silent':>8} false alarms " + " caught silent wrong  " * 2 + "false alarms silent")
    pooled = [Counter[str]() for _ in range(4)]
    for name, scenes in data_sets(data):
        counts = [count(scenes, shift) for shift in (0.0, SHIFT, -SHIFT, HAZE)]
        print(row(name, *counts), flush=True)
        for total, part in zip(pooled, counts, strict=True):
            total.update(part if name != STRESS else {})
    print(row(f"all but {STRESS}", *pooled))


if __name__ == "__main__":
    main()

"""A window of a large scene on a server costs a window's bytes: counted by the server, on files of a full tile."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window
from servers.stac import stac_api
from shapely.geometry import box, mapping
from worlds import write_aoi, write_catalog

from pipeline import geo
from pipeline.aoi import working_grid
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.pixels import read_scene
from pipeline.io.providers import SourceSettings, open_source
from pipeline.scenes import BANDS, SCL

EPSG, LEFT, TOP = 32720, 399_960.0, 9_000_000.0
TILE_M = 109_800.0
NAME = "S2A_20LPR_20240103_0_L2A"
FINE = ("blue", "green", "red", "nir")


def write_tile(path: Path, pixel: int, dtype: str) -> np.ndarray:
    """A full tile of incompressible noise in blocks of 512 pixels; returns the block that is repeated."""
    side = round(TILE_M / pixel)
    block = np.random.default_rng(pixel).integers(1000, 9000, (512, 512)).astype(dtype)
    with rasterio.open(path, "w", driver="GTiff", height=side, width=side, count=1, dtype=dtype, crs=f"EPSG:{EPSG}",
                       transform=Affine(pixel, 0, LEFT, 0, -pixel, TOP), nodata=0, tiled=True, blockxsize=512, blockysize=512,
                       compress="deflate", zlevel=1) as out:  # fmt: skip
        for row in range(0, side, 512):
            for column in range(0, side, 512):
                height, width = min(512, side - row), min(512, side - column)
                out.write(block[:height, :width], 1, window=Window(column, row, width, height))
    return block


@pytest.mark.slow
def test_an_area_of_5_km_reads_less_than_a_twentieth_of_a_full_tile(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    block = write_tile(folder / "blue.tif", 10, "uint16")
    write_tile(folder / "swir16.tif", 20, "uint16")
    for other, file in (("green", "blue"), ("red", "blue"), ("nir", "blue"), ("swir22", "swir16"), (SCL, "swir16")):
        (folder / f"{other}.tif").hardlink_to(folder / f"{file}.tif")
    outline = geo.reproject(box(LEFT, TOP - TILE_M, LEFT + TILE_M, TOP), f"EPSG:{EPSG}", geo.WGS84)
    record = {"nodata": 0, "scale": 0.0001, "offset": -0.1}
    assets = {b: {"href": f"./{b}.tif", **({"raster:bands": [record]} if b != SCL else {})} for b in (*BANDS, SCL)}
    properties = {"datetime": "2024-01-03T14:37:40Z", "platform": "sentinel-2a", "grid:code": "MGRS-20LPR",
                  "s2:processing_baseline": "05.10"}  # fmt: skip
    item = {"type": "Feature", "stac_version": "1.0.0", "id": NAME, "collection": "sentinel-2-l2a", "links": [],
            "geometry": mapping(outline), "properties": properties, "assets": assets}  # fmt: skip
    (folder / f"{NAME}.json").write_text(json.dumps(item), encoding="utf-8")
    write_catalog(tmp_path, [NAME])
    middle = box(LEFT + 51_200, TOP - 56_200, LEFT + 56_200, TOP - 51_200)
    area = read_area(write_aoi(tmp_path / "aoi.geojson", geo.reproject(middle, f"EPSG:{EPSG}", geo.WGS84), grid_epsg=EPSG))
    grid = working_grid(area)
    with stac_api(tmp_path) as api:
        source = open_source(SourceSettings(api.url))
        (scene,), _ = find_scenes(source, area, until=date(2024, 12, 31))
        layers = [read_scene(scene, chunk.geobox, source.open) for chunk in grid.chunks]
        read, whole = api.sent_bytes, sum((folder / f"{b}.tif").stat().st_size for b in (*BANDS, SCL))
    (first, *_), (box_of, *_) = layers, [c.geobox for c in grid.chunks]
    row, column = round((TOP - box_of.affine.f) / 10), round((box_of.affine.c - LEFT) / 10)
    assert first["blue"][0, 0] == pytest.approx(block[row % 512, column % 512] * 1e-4 - 0.1, abs=1e-6)
    assert read < 0.05 * whole
    assert read > 500 * 500 * 2 * len(FINE) * 0.5  # it did read pixels

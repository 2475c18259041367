"""The real demo area: what is written is what the wheel holds, at the place where it lies."""

import importlib.util
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from shapely.geometry import shape

from pipeline.demo.romania import COARSE_FILE, FINE_FILE, build_romania
from pipeline.errors import DemoDataMissingError


def wheel_folder() -> Path:
    found = importlib.util.find_spec("nrt")  # finds it; does not import it
    if found is None or not found.submodule_search_locations:
        pytest.skip("the wheel nrt==0.2.1 is not installed")
    return Path(next(iter(found.submodule_search_locations))).parent


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    wheel_folder()
    return build_romania(tmp_path_factory.mktemp("romania"))


def item_of(world, name):
    return json.loads((world.catalog.parent / name / f"{name}.json").read_text())


def test_every_date_is_an_item(world):
    links = [link for link in json.loads(world.catalog.read_text())["links"] if link["rel"] == "item"]
    assert len(links) == 140
    assert all((world.catalog.parent / link["href"]).is_file() for link in links)


def test_pixels_are_the_wheels(world):
    folder = world.catalog.parent / "S2_ROMANIA_20150811_L2A"  # day 10: the second date of the files
    with h5py.File(wheel_folder() / FINE_FILE) as fine, h5py.File(wheel_folder() / COARSE_FILE) as coarse:
        for name, values in (("red", fine["B4"][1]), ("swir16", coarse["B11"][1]), ("scl", fine["SCL"][1])):
            with rasterio.open(folder / f"{name}.tif") as file:
                np.testing.assert_array_equal(file.read(1), values)
                assert file.crs.to_epsg() == 3035


def test_coordinates_of_the_files_are_cell_centres(world):
    folder = world.catalog.parent / "S2_ROMANIA_20150801_L2A"
    with h5py.File(wheel_folder() / FINE_FILE) as fine, rasterio.open(folder / "red.tif") as red:
        assert red.xy(0, 0) == pytest.approx((fine["x"][0], fine["y"][0]))
        assert red.xy(99, 99) == pytest.approx((fine["x"][-1], fine["y"][-1]))
        with rasterio.open(folder / "swir16.tif") as swir:
            assert swir.bounds == pytest.approx(red.bounds)
            assert swir.res == (20.0, 20.0)


def test_item_states_its_radiometry_and_guesses_no_baseline(world):
    item = item_of(world, "S2_ROMANIA_20150801_L2A")
    assert set(item["assets"]) == {"blue", "green", "red", "nir", "swir16", "scl"}
    band = item["assets"]["blue"]["raster:bands"][0]
    assert (band["scale"], band["offset"], band["nodata"]) == (0.0001, 0.0, 0)
    assert "s2:processing_baseline" not in item["properties"]


def test_area_is_the_extent_of_the_pixels(world):
    feature = json.loads(world.aoi.read_text())["features"][0]
    assert feature["properties"]["is_simulated"] is False
    to_metres = Transformer.from_crs(4326, 3035, always_xy=True).transform
    outline = shape(feature["geometry"])
    x, y = zip(*(to_metres(*corner) for corner in outline.exterior.coords), strict=True)
    with rasterio.open(world.catalog.parent / "S2_ROMANIA_20150801_L2A" / "red.tif") as red:
        assert (min(x), min(y), max(x), max(y)) == pytest.approx(tuple(red.bounds), abs=0.05)


def test_without_the_wheel_the_error_says_how_to_get_it(tmp_path):
    with pytest.raises(DemoDataMissingError, match=r"pip install --no-deps nrt==0\.2\.1"):
        build_romania(tmp_path / "out", package_folder=tmp_path)


def test_a_truncated_file_is_named(tmp_path):
    for name in (FINE_FILE, COARSE_FILE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x89HDF")
    with pytest.raises(DemoDataMissingError, match="force-reinstall"):
        build_romania(tmp_path / "out", package_folder=tmp_path)

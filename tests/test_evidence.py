"""What was seen of a site: rasters that carry the numbers, pictures that can be read, the same bytes every time."""

import io
import json
import time
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from example_alerts import CENTRE, CRS, example
from PIL import Image
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from pipeline.errors import CubeContractError
from pipeline.evidence import OUTLINE, EvidenceInputs, Look, composite, evidence_files, true_colour_png, true_north_deg

SIDE = 40
BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
FOREST = (0.02, 0.04, 0.03, 0.30, 0.14, 0.06)
SPOIL = (0.10, 0.14, 0.20, 0.28, 0.34, 0.27)


def look(day, ground, scene):
    noise = np.random.default_rng(7).normal(0.0, 0.004, (len(BANDS), SIDE, SIDE))
    bands = {
        n: np.full((SIDE, SIDE), v, np.float32) + e.astype(np.float32) for n, v, e in zip(BANDS, FOREST, noise, strict=True)
    }
    y, x = np.indices((SIDE, SIDE)) - SIDE / 2
    for name, value in zip(BANDS, ground, strict=True):
        bands[name][np.hypot(y, x) < 10] = value
    bands["red"][0, :3] = np.nan
    clear = np.ones((SIDE, SIDE), bool)
    clear[:, -6:] = False
    return Look(day, (scene,), bands, clear)


def series():
    days = [date(2023, 1, 1) + timedelta(days=10 * i) for i in range(46)]
    changed = np.array([d >= date(2024, 3, 5) for d in days])
    clear = np.array([0.0 if i % 4 == 1 else 30.0 if i % 7 == 3 else 100.0 for i in range(46)])
    values = {n: np.where(clear > 0, np.where(changed, b, a), np.nan)
              for n, a, b in (("ndvi", 0.82, 0.17), ("ndmi", 0.36, -0.1), ("nbr", 0.67, 0.02), ("mndwi", -0.55, -0.41),
                              ("bsi", -0.27, 0.17), ("turbidity", -0.14, 0.18))}  # fmt: skip
    return pd.DataFrame({"sensed_on": days, "scene_id": [f"S{i}" for i in range(46)], "clear_pct": clear, **values})


INPUTS = EvidenceInputs(
    alert=example(),
    crs=CRS,
    transform=Affine(10.0, 0.0, CENTRE[0] - 200.0, 0.0, -10.0, CENTRE[1] + 200.0),
    before=look(date(2024, 2, 24), FOREST, "S2A_BEFORE"),
    after=look(date(2024, 4, 4), SPOIL, "S2A_AFTER"),
    series=series(),
    scenes=[
        {"scene_id": "S2A_AFTER", "sensed_at": "2024-04-04T14:30:00Z", "assets": {"red": {"href": "a/red.tif", "sha256": "ab"}}}
    ],
    attribution="Contains modified Copernicus Sentinel data",
    is_simulated=False,
)


@pytest.fixture(scope="module")
def files():
    return evidence_files(INPUTS)


def test_masks_tell_the_site_from_what_was_clear(files):
    with MemoryFile(files["masks.tif"]) as memory, memory.open() as raster:
        assert raster.descriptions == ("site", "clear before", "clear after")
        site, before, after = raster.read()
    assert site.sum() == pytest.approx(np.pi * (10**2 - 2.5**2), rel=0.05)  # a disc of 100 m with a hole of 25 m, in pixels
    np.testing.assert_array_equal(before, INPUTS.before.clear)
    np.testing.assert_array_equal(after, INPUTS.after.clear)


def test_the_same_inputs_give_the_same_bytes_within_half_a_second(files):
    begin = time.perf_counter()
    assert evidence_files(INPUTS) == files
    assert time.perf_counter() - begin < 5.0  # half a second on an idle machine


def test_the_raster_carries_the_reflectance(files):
    with MemoryFile(files["after.tif"]) as memory, memory.open() as raster:
        assert raster.descriptions == (*(f"{b} surface reflectance" for b in BANDS), "clear")
        assert raster.crs.to_epsg() == 32720
        assert raster.transform == INPUTS.transform
        assert np.isnan(raster.nodata)
        for i, name in enumerate(BANDS, 1):
            np.testing.assert_array_equal(raster.read(i), INPUTS.after.bands[name])
        np.testing.assert_array_equal(raster.read(7), INPUTS.after.clear)
        assert raster.tags()["sensed_on"] == "2024-04-04"
        assert raster.tags()["scene_ids"] == "S2A_AFTER"


def test_pictures_are_large_show_the_outline_and_share_one_stretch(files):
    pictures = {n: np.asarray(Image.open(io.BytesIO(files[n]))) for n in ("before.png", "after.png")}
    for picture in pictures.values():
        assert picture.shape[0] > 720
        assert picture.shape[1] == 720
        assert (picture == OUTLINE).all(axis=-1).sum() > 500
    forest = [p[260:270, 100:110].mean(axis=(0, 1)) for p in pictures.values()]  # outside of the site, clear on both dates
    np.testing.assert_array_equal(forest[0], forest[1])
    assert pictures["after.png"][360, 470, 0] > pictures["before.png"][360, 470, 0] + 80  # inside: red rose


def test_true_colour_by_hand():
    bands = {n: np.array([[0.0, 0.28, 0.07, np.nan]], np.float32) for n in ("red", "green", "blue")}
    assert composite(bands)[0, :, 0].tolist() == [0, 255, 107, 128]  # 255 (1/4)^(1/1.6) = 107.2; grey without data
    assert Image.open(io.BytesIO(true_colour_png(bands, scale=3))).size == (12, 3)


def test_true_north_by_hand():
    assert true_north_deg(*CENTRE, CRS) == pytest.approx(0.0, abs=1e-6)
    # meridian convergence: atan(tan(lon - lon0) sin(lat)) = atan(tan(2.73 deg) sin(-9.04 deg)) = -0.429 deg, north lies right
    assert true_north_deg(800_000.0, 9_000_000.0, CRS) == pytest.approx(0.429, abs=0.01)


def test_a_missing_band_is_named_and_false_colour_is_left_out_without_shortwave_infrared():
    with pytest.raises(CubeContractError, match="blue missing"):
        composite({"red": np.ones((2, 2)), "green": np.ones((2, 2))})
    few = {n: v for n, v in INPUTS.before.bands.items() if n != "swir16"}
    held = evidence_files(replace(INPUTS, before=replace(INPUTS.before, bands=few)))
    assert "before_falsecolour.png" not in held
    assert "after_falsecolour.png" in held


def test_simulated_pixels_are_marked_in_every_picture(files):
    marked = evidence_files(replace(INPUTS, is_simulated=True))
    with MemoryFile(marked["after.tif"]) as memory, memory.open() as raster:
        assert raster.tags()["is_simulated"] == "yes"
    for name in ("before.png", "after.png", "after_falsecolour.png", "series.png"):
        assert marked[name] != files[name]
    corner = np.asarray(Image.open(io.BytesIO(marked["after.png"])))[2, 2]
    assert corner.tolist() == [255, 221, 87]


def test_the_series_and_the_scenes_come_back(files):
    frame = pd.read_csv(io.BytesIO(files["series.csv"]), parse_dates=["sensed_on"])
    assert len(frame) == 46
    np.testing.assert_allclose(frame["ndvi"], INPUTS.series["ndvi"])
    assert json.loads(files["scenes.json"])[0]["assets"]["red"]["sha256"] == "ab"
    assert b"\r" not in files["series.csv"]


@pytest.mark.parametrize("changed", [{"confirmed_on": None, "last_clear_unchanged_on": None}, {"state": "provisional"}])
def test_an_alert_without_some_days_has_its_series_too(changed):
    assert evidence_files(replace(INPUTS, alert=example(**changed)))["series.png"].startswith(b"\x89PNG")


def test_a_series_that_never_saw_the_site_is_drawn():
    unseen = INPUTS.series.assign(
        clear_pct=0.0, ndvi=np.nan, bsi=np.nan, mndwi=np.nan, ndmi=np.nan, nbr=np.nan, turbidity=np.nan
    )
    assert evidence_files(replace(INPUTS, series=unseen))["series.png"].startswith(b"\x89PNG")

"""The dark end of the pixels against the offset that an item states."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RadiometryContradictedError, SceneError
from pipeline.scenes.dark_check import MIN_VEGETATION_PX, check_dark, dark_verdict

FOREST = {"blue": 0.024, "green": 0.04, "red": 0.022, "nir": 0.30, "swir16": 0.13, "swir22": 0.055}
DRY = {"blue": 0.06, "green": 0.09, "red": 0.095, "nir": 0.24, "swir16": 0.27, "swir22": 0.17}
RIVER = {"blue": 0.05, "green": 0.08, "red": 0.09, "nir": 0.05, "swir16": 0.005, "swir22": 0.003}
HAZE = {"blue": 0.08, "green": 0.05, "red": 0.03, "nir": 0.02, "swir16": 0.01, "swir22": 0.01}
CLOUD = {"blue": 0.1, "green": 0.1, "red": 0.1, "nir": 0.06, "swir16": 0.03, "swir22": 0.03}
VEGETATION, WATER, CLOUDY = 4, 6, 9


def ground(means, side=40, shift=0.0, seed=0, without=()):
    rng = np.random.default_rng(seed)
    noise = 1 + 0.15 * rng.standard_normal((side, side)).clip(-2, 2)
    return {name: (mean * noise + shift).astype("f4") for name, mean in means.items() if name not in without}


def over(bands, veil):
    return {name: values + np.float32(veil[name]) for name, values in bands.items()}


def classes(code, side=40):
    return np.full((side, side), code, "u1")


@pytest.mark.parametrize(
    "bands", [ground(FOREST), ground(DRY), over(ground(FOREST), HAZE)], ids=["forest", "dry grass", "forest under haze"]
)
def test_right_pixels_raise_nothing(bands):
    check_dark(bands, classes(VEGETATION), "S2_X")
    assert dark_verdict(bands, classes(VEGETATION)).kind == "fits"


def test_an_offset_that_was_missed_is_told_with_what_to_do():
    with pytest.raises(RadiometryContradictedError, match="not been taken off") as error:
        check_dark(ground(FOREST, shift=0.1), classes(VEGETATION), "S2_X, chunk 3")
    text = str(error.value)
    assert text.startswith("S2_X, chunk 3: found the darkest 0.5 % of 1600 pixels of vegetation at blue 0.1")
    assert '(offsets: {"<scene id or pattern>": -0.1})' in text
    assert "dark_check: false" in text
    assert isinstance(error.value, SceneError)


def test_an_offset_that_was_taken_off_twice_is_told_with_what_to_do():
    with pytest.raises(RadiometryContradictedError, match="taken off twice") as error:
        check_dark(ground(FOREST, shift=-0.1), classes(VEGETATION), "S2_X")
    assert "red -0.0" in str(error.value)
    assert '(offsets: {"<scene id or pattern>": 0})' in str(error.value)


def test_haze_over_dry_ground_is_no_missed_offset():
    bands = over(ground(DRY, shift=0.02), HAZE)
    assert all(np.percentile(bands[name], 0.5) > 0.1 for name in ("blue", "green", "red", "swir16", "swir22"))
    assert dark_verdict(bands, classes(VEGETATION)).kind == "cannot_say"


def test_an_even_veil_of_thin_cloud_is_no_missed_offset():
    bands = over(ground(FOREST, without=("swir22",)), CLOUD)  # as on one date of the Romanian data
    assert all(np.percentile(bands[name], 0.5) > 0.1 for name in ("blue", "green", "red", "swir16"))
    assert dark_verdict(bands, classes(VEGETATION)).kind == "cannot_say"


def test_one_band_alone_does_not_tell_a_missed_offset():
    bands = ground(FOREST)
    for name in ("blue", "green", "red"):
        bands[name] = bands[name] + np.float32(0.1)
    assert dark_verdict(bands, classes(VEGETATION)).kind == "fits"


@pytest.mark.parametrize("shift", [0.1, -0.1])
def test_too_little_vegetation_says_nothing(shift):
    scl = classes(CLOUDY)
    scl.ravel()[: MIN_VEGETATION_PX - 1] = VEGETATION
    verdict = dark_verdict(ground(FOREST, shift=shift), scl)
    assert (verdict.kind, verdict.pixels, verdict.low) == ("cannot_say", MIN_VEGETATION_PX - 1, {})
    scl.ravel()[MIN_VEGETATION_PX] = VEGETATION
    assert dark_verdict(ground(FOREST, shift=shift), scl).kind == ("too_bright" if shift > 0 else "too_dark")


@pytest.mark.parametrize("shift", [0.0, 0.1, -0.1])
def test_water_alone_says_nothing_since_the_sun_glitters_on_it(shift):
    assert dark_verdict(ground(RIVER, shift=shift), classes(WATER)).kind == "cannot_say"


def test_dark_water_refutes_a_missed_offset():
    bands, scl = ground(FOREST, shift=0.1), classes(VEGETATION)
    for name, values in ground(RIVER).items():
        bands[name][:4], scl[:4] = values[:4], WATER
    assert dark_verdict(bands, scl).kind == "fits"


def test_bright_cloud_and_bare_ground_have_no_say():
    bands, scl = ground(FOREST), classes(VEGETATION)
    for name in bands:
        bands[name][:10] = 0.6
    scl[:10] = CLOUDY
    assert dark_verdict(bands, scl).kind == "fits"


@pytest.mark.parametrize(
    ("without", "bright", "dark"),
    [
        (("swir22",), "too_bright", "too_dark"),  # Romania's data
        (("swir16", "swir22"), "cannot_say", "too_dark"),  # Exeter's
        (("blue",), "cannot_say", "cannot_say"),
        (tuple(FOREST), "cannot_say", "cannot_say"),
    ],
)
def test_what_is_said_without_some_bands(without, bright, dark):
    assert dark_verdict(ground(FOREST, shift=0.1, without=without), classes(VEGETATION)).kind == bright
    assert dark_verdict(ground(FOREST, shift=-0.1, without=without), classes(VEGETATION)).kind == dark


def test_a_scene_without_data_says_nothing():
    empty = {name: np.full((40, 40), np.nan, "f4") for name in FOREST}
    assert dark_verdict(empty, classes(VEGETATION)).kind == "cannot_say"
    assert dark_verdict({name: np.empty((0, 7), "f4") for name in FOREST}, np.empty((0, 7), "u1")).kind == "cannot_say"


@given(st.sampled_from([0.0, 0.1, -0.1]), st.integers(30, 90), st.floats(0.0, 0.3), st.integers(0, 99))
def test_no_data_size_and_shape_change_nothing(shift, side, share, seed):
    bands, scl = ground(FOREST, side, shift, seed), classes(VEGETATION, side)
    wanted = {0.0: "fits", 0.1: "too_bright", -0.1: "too_dark"}[shift]
    hole = np.random.default_rng(seed).random((side, side)) < share
    for name in bands:
        bands[name][hole] = np.nan
    verdict = dark_verdict(bands, scl)
    assert verdict.pixels == int((~hole).sum())
    assert verdict.kind == wanted
    assert dark_verdict({name: values.ravel() for name, values in bands.items()}, scl.ravel()) == verdict

"""Clear mask by eye, ground that is flagged as cloud, and the contract of a cube."""

from datetime import date

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from worlds import BANDS, FOREST, POND, SPOIL

from pipeline.cube import (
    AS_REFLECTANCE,
    CLOUDY,
    Look,
    SceneClass,
    bands_of,
    check_cube,
    clear_mask,
    has_numbers,
    look_of,
    make_cube,
    make_look,
    stacked,
)
from pipeline.cube import cube_of as cube_of_look
from pipeline.doubtful import doubtful_mask
from pipeline.errors import CubeContractError
from pipeline.scenes import Radiometry

CLOUD, VEGETATION = SceneClass.CLOUD_HIGH, SceneClass.VEGETATION


def picture(*rows: str) -> np.ndarray:
    """`#` is True."""
    return np.array([[c == "#" for c in row] for row in rows])


def scl_of(cloud: np.ndarray) -> np.ndarray:
    return np.where(cloud, CLOUD, VEGETATION).astype("u1")


def test_a_cloud_grows_by_a_disk() -> None:
    cloud = picture(".......", ".......", "..###..", "..###..", "..###..", ".......", ".......")
    expected = picture("#.....#", ".......", ".......", ".......", ".......", ".......", "#.....#")
    assert (clear_mask(scl_of(cloud), np.ones((7, 7), bool), 2) == expected).all()


def test_a_speck_stays_a_speck() -> None:
    cloud = picture(".....", "..#..", "..#..", ".....", ".....")
    assert (clear_mask(scl_of(cloud), np.ones((5, 5), bool), 2) == ~cloud).all()


def test_without_data_nothing_is_clear() -> None:
    assert not clear_mask(np.full((2, 2), VEGETATION, "u1"), np.zeros((2, 2), bool)).any()


SEEN = {
    SceneClass.NO_DATA: False, SceneClass.SATURATED: False, SceneClass.DARK_AREA: True, SceneClass.CLOUD_SHADOW: False,
    SceneClass.VEGETATION: True, SceneClass.NOT_VEGETATED: True, SceneClass.WATER: True, SceneClass.UNCLASSIFIED: True,
    SceneClass.CLOUD_MEDIUM: False, SceneClass.CLOUD_HIGH: False, SceneClass.THIN_CIRRUS: False, SceneClass.SNOW: False,
}  # fmt: skip


def test_every_scene_class_is_clear_or_not() -> None:
    assert set(SEEN) == set(SceneClass)
    found = clear_mask(np.array([[*SEEN]], "u1"), np.ones((1, len(SEEN)), bool), 0)
    assert found[0].tolist() == list(SEEN.values())


@given(arrays("u1", (9, 9), elements=st.integers(0, 11)), st.integers(0, 4))
def test_a_wider_dilation_never_clears_a_pixel(scl: np.ndarray, radius: int) -> None:
    data = np.ones(scl.shape, bool)
    narrow, wide = clear_mask(scl, data, radius), clear_mask(scl, data, radius + 1)
    assert not (wide & ~narrow).any()
    assert not narrow[np.isin(scl, CLOUDY)].any()


def pixel(*values: float) -> dict[str, np.ndarray]:
    return {name: np.array([[value]], np.float32) for name, value in zip(BANDS, values, strict=True)}


THICK_CLOUD = (0.45, 0.45, 0.46, 0.50, 0.40, 0.33)
SHADOWED_FOREST = (0.01, 0.015, 0.01, 0.08, 0.05, 0.02)


@pytest.mark.parametrize(
    ("ground", "is_doubtful"),
    [(POND, True), (SPOIL, True), (THICK_CLOUD, False), (FOREST, False), (SHADOWED_FOREST, False)],
    ids=["turbid pond", "spoil", "thick cloud", "forest under a cloud flag", "forest in shadow"],
)
def test_a_cloud_flag_is_doubted_over_bare_ground_and_turbid_water_only(ground: tuple, is_doubtful: bool) -> None:
    for flag in CLOUDY:
        assert bool(doubtful_mask(flagged(flag, ground), np.ones((1, 1), bool))[0, 0]) is is_doubtful
        assert not doubtful_mask(flagged(flag, ground), np.zeros((1, 1), bool)).any()
    assert not doubtful_mask(flagged(VEGETATION, ground), np.ones((1, 1), bool)).any()


def flagged(scl: int, ground: tuple) -> Look:
    bands = pixel(*ground)
    return make_look(bands, dict.fromkeys(bands, AS_REFLECTANCE), np.full((1, 1), scl, "u1"), 0)


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([4, 5, 8, 9])),
    st.integers(0, 4),
)
def test_clouds_grow_as_scipy_grows_them(scl: np.ndarray, dilation: int) -> None:
    cloudy = scl >= 8
    axis = np.arange(-dilation, dilation + 1)
    disk = np.hypot.outer(axis, axis) <= dilation + 0.5
    body = ndimage.binary_opening(cloudy, np.ones((3, 3), bool))
    grown = cloudy | (ndimage.binary_dilation(body, disk) if dilation else False)
    assert (clear_mask(scl, np.ones(scl.shape, bool), dilation) == ~grown).all()


@given(arrays(np.uint16, (3, 4), elements=st.sampled_from([0, 1, 900, 1000, 2000, 17000, 17001, 65535])))
def test_a_look_in_numbers_shows_what_the_cube_of_its_reflectance_shows(dn: np.ndarray) -> None:
    radiometry = dict.fromkeys(BANDS, Radiometry(1e-4, -0.1))
    look = make_look(dict.fromkeys(BANDS, dn), radiometry, np.full((3, 4), VEGETATION, "u1"))
    cube = cube_of_look(look, date(2024, 1, 1))
    same = look_of(cube)
    assert (look.clear == same.clear).all()
    assert (look.has_data == (dn > 0)).all()
    rows = np.array([0, 5, 11])
    np.testing.assert_array_equal(look.reflectance_at(rows), same.reflectance_at(rows))
    np.testing.assert_array_equal(look.bands()["red"], cube["red"].values[0])
    assert (look.clear == (dn > 0) & (look.bands()["red"] <= np.float32(1.6))).all()


def cube_of(days: int = 2, **changes: np.ndarray) -> xr.Dataset:
    layers = {b: np.full((days, 3, 4), v, np.float32) for b, v in zip(BANDS, FOREST, strict=True)}
    dates = [date(2024, 1, 1 + n) for n in range(days)]
    return make_cube(dates, {**layers, **changes}, np.full((days, 3, 4), VEGETATION, "u1"))


def test_a_pixel_without_a_number_in_one_band_is_not_clear() -> None:
    red = np.full((2, 3, 4), 0.03, np.float32)
    red[1, 2, 3] = np.nan
    clear = cube_of(red=red)["clear"].values
    assert clear.sum() == clear.size - 1
    assert not clear[1, 2, 3]


def test_a_cube_may_lack_the_second_short_wave_band_only() -> None:
    cube = cube_of()
    check_cube(cube.drop_vars("swir22"))
    assert "swir22" not in bands_of(cube.drop_vars("swir22"), 0)
    with pytest.raises(CubeContractError, match="expected nir"):
        check_cube(cube.drop_vars("nir"))


def test_numbers_are_no_reflectance() -> None:
    with pytest.raises(CubeContractError, match="float32 reflectance, not numbers"):
        cube_of(nir=np.full((2, 3, 4), 3000, "u2"))


def test_files_of_different_types_make_a_look_of_one() -> None:
    numbers = {band: np.full((2, 2), 2000, "u2") for band in BANDS} | {"nir": np.full((2, 2), 4000.0, "f4")}
    radiometry = dict.fromkeys(BANDS, Radiometry(1e-4, -0.1))
    assert has_numbers(numbers, radiometry).all()
    look = make_look(numbers, radiometry, np.full((2, 2), 4, "u1"))
    assert look.clear.all()
    assert look.reflectance_at(np.array([3]))[:, 0] == pytest.approx([0.1, 0.1, 0.1, 0.3, 0.1, 0.1])


def test_turned_axes_are_refused() -> None:
    with pytest.raises(CubeContractError, match="found dims"):
        check_cube(cube_of().transpose("y", "x", "time"))


def test_looks_are_stacked_to_what_their_cubes_make_and_an_absent_band_is_nan() -> None:
    rng = np.random.default_rng(3)
    radiometry = dict.fromkeys(BANDS, Radiometry(1e-4, -0.1, 0))
    seen = []
    for n, names in enumerate([BANDS[:-1], BANDS, BANDS[:-1]]):
        numbers = {name: rng.integers(0, 4000, (4, 5), dtype=np.uint16) for name in names}
        seen.append((date(2024, 5, 1 + n), make_look(numbers, radiometry, rng.integers(0, 12, (4, 5)).astype("u1"), 0)))
    cube = stacked(iter(seen), 5)
    assert cube is not None
    expected = xr.concat([cube_of_look(look, day) for day, look in seen], dim="time")
    xr.testing.assert_identical(cube, expected[list(cube)])
    assert np.isnan(cube[BANDS[-1]].values[[0, 2]]).all()
    assert cube["clear"].any()
    assert stacked([], 5) is None

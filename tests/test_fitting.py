"""The fit of the past beside the one over whole arrays, and what that could not do."""

from datetime import date, timedelta

import dense_reference
import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from worlds import BANDS, FOREST

from pipeline.cube import SceneClass, make_cube
from pipeline.errors import CubeContractError
from pipeline.fitting import fill_gaps, fit_reference
from pipeline.harmonic import LANES, network
from pipeline.reference import FLOOR_PERIODS, FLOOR_UNKNOWN

SHAPE = (3, LANES - 1)
"""Blocks of lanes cross the rows, and the last is not full."""
EXACT = ("looks", "is_seasonal", "near")


def cube_of(seed: int, looks: int, step: int, cloud: float) -> xr.Dataset:
    """Ground with and without a season, outliers, clouds over some or all of it, and pixels of few looks or none."""
    rng = np.random.default_rng(seed)
    days = [date(2022, 1, 5) + timedelta(days=step * n) for n in range(looks)]
    turn = 2 * np.pi / 365.25 * np.array([d.timetuple().tm_yday for d in days])[:, None, None]
    hidden = rng.random((looks, *SHAPE)) < cloud
    hidden[rng.random(looks) < cloud / 2] = True
    hidden[:, 0, :8] |= rng.random((looks, 8)) < np.linspace(0.5, 1.0, 8)
    hidden[:, 1, 0] = True
    layers = {}
    for name, level in zip(BANDS, FOREST, strict=True):
        swing = rng.normal(0, 0.2, (2, *SHAPE)) * (rng.random(SHAPE) < 0.7)
        values = level * (1 + swing[0] * np.cos(turn) + swing[1] * np.sin(turn) + rng.normal(0, 0.05, hidden.shape))
        values[rng.random(hidden.shape) < 0.03] += 0.3
        layers[name] = (np.rint(values * 1e4) * 1e-4).astype(np.float32)
        layers[name][hidden & (rng.random(hidden.shape) < 0.3)] = np.nan
    for name in ("red", "nir"):  # no NDVI
        layers[name][:, 2, 0] = 0.0
    return make_cube(days, layers, np.where(hidden, SceneClass.CLOUD_HIGH, SceneClass.VEGETATION).astype("u1"), 0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32), looks=st.integers(1, 90), step=st.integers(1, 16), cloud=st.floats(0, 1),
    least=st.integers(0, 20), lacks=st.sampled_from([(), ("swir22",)]),
)  # fmt: skip
@example(seed=1, looks=64, step=12, cloud=0.3, least=4, lacks=())
@example(seed=2, looks=80, step=14, cloud=0.6, least=4, lacks=("swir22",))
@example(seed=3, looks=3, step=5, cloud=0.0, least=4, lacks=())
def test_it_is_the_fit_over_whole_arrays(seed: int, looks: int, step: int, cloud: float, least: int, lacks: tuple) -> None:
    """Sums are made in another order: a number that lies between two counts may be rounded to the other."""
    cube = cube_of(seed, looks, step, cloud).drop_vars(lacks)
    found, expected = fit_reference(cube, least), dense_reference.fit_reference(cube, least)
    for name in found.__dataclass_fields__:
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert (ours.dtype, ours.shape, ours.strides) == (theirs.dtype, theirs.shape, theirs.strides), name
        apart = np.abs(ours.astype(int) - theirs.astype(int))
        assert apart.max() <= (name not in EXACT), name
        assert (apart > 0).mean() < 0.02, name
    level = found.coefficients[:, :, ~found.is_seasonal]
    assert np.array_equal(level, expected.coefficients[:, :, ~found.is_seasonal])


def test_both_kinds_of_ground_are_in_it() -> None:
    past = fit_reference(cube_of(1, 64, 12, 0.3))
    assert 0.5 < past.is_seasonal.mean() < 1.0
    assert 0 < (past.looks == 0).sum() < past.looks.size
    assert (past.floor[:, 2, 0] == FLOOR_UNKNOWN).all()
    assert (past.floor[:, past.is_seasonal] < FLOOR_UNKNOWN).mean() > 0.9


@pytest.mark.parametrize("looks", [12, 60])
def test_a_look_without_a_number_in_a_band_does_not_count_for_it(looks: int) -> None:
    """Scenes of a catalogue need not all have the second short-wave band; what they have is looked at."""
    whole = cube_of(5, looks, 12, 0.0)
    lacking = whole.copy(deep=True)
    lacking["swir22"].values[::3] = np.nan
    past, fewer = fit_reference(lacking), fit_reference(whole.isel(time=[t for t in range(looks) if t % 3]))
    last = BANDS.index("swir22")
    assert np.array_equal(past.looks, fit_reference(whole).looks)
    assert np.array_equal(past.coefficients[:, last], fewer.coefficients[:, last])
    assert np.array_equal(past.coefficients[:, :last], fit_reference(whole).coefficients[:, :last])


def test_a_cube_that_is_not_contiguous_is_fitted_as_it_is() -> None:
    cube = cube_of(7, 40, 12, 0.2)
    part = fit_reference(cube.isel(y=slice(1, 3), x=slice(5, 50, 2)))
    whole = fit_reference(cube)
    assert np.array_equal(part.coefficients, whole.coefficients[:, :, 1:3, 5:50:2])
    assert np.array_equal(part.floor, whole.floor[:, 1:3, 5:50:2])


def test_what_is_no_cube_is_refused() -> None:
    with pytest.raises(CubeContractError, match="expected nir among them"):
        fit_reference(cube_of(7, 4, 12, 0.2).drop_vars("nir"))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 16, 31, 100])
def test_a_network_sorts_and_so_do_its_first_places(size: int) -> None:
    pairs = network(size)
    for first in {size, size // 2, max(size - 1, 0)}:
        columns = np.random.default_rng(size).integers(0, 2, (first, 500))  # what sorts zeros and ones sorts all numbers
        expected = np.sort(columns, axis=0)
        for low, high in pairs[(pairs < first).all(axis=1)]:
            columns[[low, high]] = np.sort(columns[[low, high]], axis=0)
        assert np.array_equal(columns, expected)


def years_of(*floors: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.sampled_from(floors), min_size=FLOOR_PERIODS, max_size=FLOOR_PERIODS)


@given(years_of(100, 140, *[FLOOR_UNKNOWN] * 3) | years_of(*range(120, 130), FLOOR_UNKNOWN))
def test_gaps_are_filled_as_over_whole_arrays(year: list[int]) -> None:
    floor = np.array(year, np.uint8)
    expected = dense_reference.without_gaps(floor[:, None])[:, 0]
    fill_gaps(floor)
    assert np.array_equal(floor, expected)

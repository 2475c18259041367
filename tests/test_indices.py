"""Indices against values worked out by hand, and what holds for every reflectance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.indices import INDICES, STRIP, Form, compute, compute_all, normalised_difference

GROUND = {"blue": 0.1, "green": 0.2, "red": 0.3, "nir": 0.5, "swir16": 0.4, "swir22": 0.25}
BY_HAND = {
    "ndvi": 0.2 / 0.8,
    "evi": 2.5 * 0.2 / (0.5 + 1.8 - 0.75 + 1.0),
    "ndmi": 0.1 / 0.9,
    "nbr": 0.25 / 0.75,
    "ndwi": -0.3 / 0.7,
    "mndwi": -0.2 / 0.6,
    "bsi": 0.1 / 1.3,
    "turbidity": 0.1 / 0.5,
}


def bands(**values: float) -> dict[str, np.ndarray]:
    return {name: np.array([value], np.float32) for name, value in values.items()}


def test_each_index_has_a_value_by_hand() -> None:
    assert set(BY_HAND) == set(INDICES)


@pytest.mark.parametrize("key", BY_HAND)
def test_an_index_is_what_its_formula_says(key: str) -> None:
    found = compute(key, bands(**GROUND))
    assert found.dtype == np.float32
    assert found[0] == pytest.approx(BY_HAND[key], rel=1e-5)


@pytest.mark.parametrize("key", BY_HAND)
def test_the_printed_formula_is_the_one_that_is_evaluated(key: str) -> None:
    text = INDICES[key].formula.replace("2.5 (", "2.5 * (").replace("6 red", "6 * red").replace("7.5 blue", "7.5 * blue")
    assert set(INDICES[key].bands) == {name for name in GROUND if name in text}
    assert eval(text, {"__builtins__": {}}, GROUND) == pytest.approx(BY_HAND[key])  # noqa: S307


@pytest.mark.parametrize("key", BY_HAND)
def test_an_absent_band_gives_nan(key: str) -> None:
    for absent in INDICES[key].bands:
        rest = bands(**{name: value for name, value in GROUND.items() if name != absent})
        assert np.isnan(compute(key, rest)).all()


def test_every_form_has_an_index() -> None:
    assert {index.form for index in INDICES.values()} == set(Form)


def test_indices_are_written_where_asked_and_no_pixels_are_no_error() -> None:
    out = np.zeros((2, 1), np.float32)
    found = compute_all(("ndvi", "nbr"), bands(**GROUND), out=out)
    assert np.shares_memory(found["nbr"], out)
    assert out[:, 0].tolist() == pytest.approx([BY_HAND["ndvi"], BY_HAND["nbr"]], rel=1e-5)
    none = {name: np.zeros((0, 3), np.float32) for name in GROUND}
    assert {values.shape for values in compute_all(list(BY_HAND), none).values()} == {(0, 3)}


def test_threads_share_a_large_array_and_change_nothing() -> None:
    rng = np.random.default_rng(0)
    ground = {name: rng.random((3, 64 * STRIP + 5), np.float32) for name in GROUND}
    alone, shared = compute_all(list(BY_HAND), ground), compute_all(list(BY_HAND), ground, threads=3)
    for key, index in INDICES.items():
        np.testing.assert_array_equal(alone[key], shared[key])
        np.testing.assert_array_equal(alone[key], compute(key, {band: ground[band] for band in index.bands}))


def test_a_zero_denominator_gives_nan_and_not_zero() -> None:
    zero, half = np.zeros(1), np.full(1, 0.5)
    assert np.isnan(normalised_difference(zero, zero)).all()
    assert np.isnan(normalised_difference(half, -half)).all()
    assert np.isnan(compute("evi", bands(blue=(1.0 + 0.5) / 7.5, red=0.0, nir=0.5))).all()


def test_nan_stays_nan() -> None:
    assert np.isnan(compute("ndvi", {**bands(**GROUND), "red": np.array([np.nan])})).all()


reflectance = st.floats(0.0, 1.5, width=32)


@given(reflectance, reflectance)
def test_a_normalised_difference_is_antisymmetric_and_bounded(a: float, b: float) -> None:
    forth, back = (float(normalised_difference(np.array(x), np.array(y))) for x, y in ((a, b), (b, a)))
    if a + b == 0:
        assert np.isnan(forth)
    else:
        assert forth == -back
        assert -1.0 <= forth <= 1.0


@given(st.fixed_dictionaries({name: st.floats(2.0**-13, 1.0, width=32) for name in GROUND}))
def test_every_index_stays_within_the_bounds_that_it_states(values: dict[str, float]) -> None:
    for key, index in INDICES.items():
        low, high = index.bounds
        found = float(compute(key, bands(**values))[0])
        assert np.isnan(found) or low - 1e-6 <= found <= high + 1e-6


def test_an_offset_left_in_the_numbers_gives_another_index() -> None:
    shifted = bands(**{name: value + 0.1 for name, value in GROUND.items()})
    assert compute("ndvi", shifted)[0] < compute("ndvi", bands(**GROUND))[0] - 0.03

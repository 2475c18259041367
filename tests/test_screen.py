"""The screen lets through what the gate and the floor let through, and expects what the reference expects."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from worlds import BANDS, FOREST, SPOIL

from pipeline.cube import AS_REFLECTANCE, Look, make_cube, make_look
from pipeline.features import BELOW_FLOOR, gate, suspects, usual_ndvi
from pipeline.fitting import fit_reference
from pipeline.indices import compute
from pipeline.reference import SCALE, PastOnDay, Reference, floor_ndvi
from pipeline.scenes import Radiometry

SHAPE = (20, 30)
DAY = date(2025, 6, 5)
RNG = np.random.default_rng(4)
EVERYWHERE = np.ones(SHAPE, bool)


def past(looks: int) -> Reference:
    """Forest of 5 looks, which has a level alone, or of 40 in two years, which has floors."""
    days = [DAY - timedelta(days=18 * (n + 1)) for n in range(looks)][::-1]
    bands = {b: (v + RNG.normal(0, 0.01, (looks, *SHAPE))).astype(np.float32) for b, v in zip(BANDS, FOREST, strict=True)}
    return fit_reference(make_cube(days, bands, np.full((looks, *SHAPE), 4, "u1"), 0))


def look(as_numbers: bool) -> Look:
    """Forest that turns to spoil from left to right."""
    share = np.linspace(0, 1, SHAPE[1])
    bands = {
        b: (f + (s - f) * share + RNG.normal(0, 0.01, SHAPE)).astype(np.float32)
        for b, f, s in zip(BANDS, FOREST, SPOIL, strict=True)
    }
    scl = np.full(SHAPE, 4, "u1")
    if as_numbers:
        numbers = {b: np.rint((v + 0.1) * 1e4).astype(np.uint16) for b, v in bands.items()}
        return make_look(numbers, dict.fromkeys(BANDS, Radiometry(1e-4, -0.1)), scl)
    return make_look(bands, dict.fromkeys(BANDS, AS_REFLECTANCE), scl)


@pytest.mark.parametrize("as_numbers", [False, True])
def test_where_a_floor_is_known_what_lies_below_it_is_suspect(as_numbers: bool) -> None:
    now, known = look(as_numbers), past(40).on(DAY)
    assert (known.floor != 255).all()
    found = suspects(now, known, EVERYWHERE, usual_ndvi(np.zeros(10, np.float32)))
    below = compute("ndvi", now.bands()) < floor_ndvi(known.floor) - np.float32(BELOW_FLOOR)
    assert 50 < below.sum() < 550
    np.testing.assert_array_equal(found, np.flatnonzero(below))


@given(
    arrays(np.uint16, (2, 3, 5), elements=st.sampled_from([1, 900, 999, 1000, 1001, 1010, 1100, 2000, 4000, 17000])),
    arrays(np.uint8, (3, 5), elements=st.integers(0, 254)),
    arrays(bool, (3, 5)),
)
def test_whole_rows_are_screened_as_each_pixel_is(numbers: np.ndarray, floor: np.ndarray, seen: np.ndarray) -> None:
    nothing = np.zeros((3, 5), np.uint8)
    known = PastOnDay(DAY, nothing, floor, nothing, np.zeros((3, 6, 3, 5), np.int16), nothing.astype(np.uint16))
    bands = {name: numbers[int(name == "nir")] for name in BANDS}
    now = make_look(bands, dict.fromkeys(BANDS, Radiometry(1e-4, -0.1)), np.full((3, 5), 4, "u1"))
    usual = usual_ndvi(np.zeros(10, np.float32))
    is_usual = compute("ndvi", now.bands()) >= usual[floor]  # not so where red and nir add up to nothing
    np.testing.assert_array_equal(suspects(now, known, seen, usual), np.flatnonzero(seen & ~is_usual))


@pytest.mark.parametrize("as_numbers", [False, True])
def test_elsewhere_the_gate_says_what_is_suspect(as_numbers: bool) -> None:
    now, known = look(as_numbers), past(5).on(DAY)
    assert (known.floor == 255).all()
    seen = EVERYWHERE & (np.arange(SHAPE[0]) % 3 > 0)[:, None]
    found = suspects(now, known, seen, usual_ndvi(np.zeros(10, np.float32)))
    before = dict(zip(BANDS, known.expected(), strict=True))
    passed = seen & gate(now.bands(), before, known.ndvi_spread * np.float32(SCALE))
    assert 50 < passed.sum() < 350
    np.testing.assert_array_equal(found, np.flatnonzero(passed))


@pytest.mark.parametrize("looks", [2, 5, 40])
def test_some_pixels_are_expected_to_be_what_all_are(looks: int) -> None:
    known = past(looks).on(DAY)
    rows = np.array([0, 31, 77, 599])
    np.testing.assert_array_equal(known.expected_at(rows), known.expected().reshape(6, -1)[:, rows])
    thin = known.every(7)
    np.testing.assert_array_equal(thin.expected(), known.expected()[:, ::7, ::7])

"""Pairs of pictures: what is hidden is no change, a shift is no growth, and the names fit the numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import CubeContractError
from pipeline.linear import LinearModel
from pipeline.pairs import PAIR_FEATURES, cloud_in, comparable, pair_features

FOREST = np.array((0.03, 0.05, 0.03, 0.32, 0.15, 0.06), np.float32)
SPOIL = np.array((0.09, 0.13, 0.18, 0.24, 0.34, 0.28), np.float32)
CLOUD = np.array((0.45, 0.45, 0.45, 0.50, 0.40, 0.30), np.float32)


def picture(patch: np.ndarray | None = None, at: tuple[slice, slice] = (slice(12, 24), slice(12, 24))) -> np.ndarray:
    image = np.repeat(FOREST[:, None, None], 48, 1).repeat(48, 2)
    if patch is not None:
        image[:, *at] = patch[:, None, None]
    return image


def named(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    return dict(zip(PAIR_FEATURES, pair_features(before, after), strict=True))


def test_features_have_unique_names_and_are_finite() -> None:
    assert len(set(PAIR_FEATURES)) == len(PAIR_FEATURES)
    after = picture(SPOIL)
    after[:, :5] = np.nan
    assert np.isfinite(pair_features(picture(), after)).all()


def test_a_pit_opens_ground_and_a_filled_one_closes_it() -> None:
    opened, closed = named(picture(), picture(SPOIL)), named(picture(SPOIL), picture())
    assert opened["opened ndvi<0.3"] == pytest.approx(144 / 2304)
    assert opened["closed ndvi<0.3"] == 0
    assert closed["opened ndvi<0.3"] == 0
    assert closed["closed ndvi<0.3"] == pytest.approx(144 / 2304)


def test_a_shift_of_one_pixel_is_no_growth() -> None:
    shifted = picture(SPOIL, (slice(13, 25), slice(13, 25)))
    features = named(picture(SPOIL), shifted)
    assert features["opened ndvi<0.3"] == 0
    assert features["closed ndvi<0.3"] == 0


@pytest.mark.parametrize("is_before", [True, False])
def test_ground_that_one_date_hides_counts_as_unchanged(is_before: bool) -> None:
    cloudy, clear = picture(CLOUD), picture()
    pair = (cloudy, clear) if is_before else (clear, cloudy)
    then, now, shares = comparable(*pair)
    assert np.array_equal(then, now)
    assert shares[2] == pytest.approx(16 * 16 / 2304)
    assert named(*pair)["opened ndvi<0.3"] == 0


def test_bright_spoil_is_no_cloud() -> None:
    assert not cloud_in(picture(SPOIL)).any()
    assert cloud_in(picture(CLOUD)).sum() == 16 * 16


def test_a_picture_that_is_all_cloud_still_has_features() -> None:
    assert np.isfinite(pair_features(picture(), np.repeat(CLOUD[:, None, None], 48, 1).repeat(48, 2))).all()


@pytest.mark.parametrize("shape", [(6, 20, 48), (5, 48, 48), (6, 48)])
def test_other_shapes_have_a_named_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(CubeContractError, match="expected two of"):
        pair_features(np.zeros(shape, np.float32), np.zeros(shape, np.float32))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-50, 50))
def test_the_terms_of_a_linear_model_add_up_to_its_log_odds(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    weight, rows = tuple(rng.normal(size=4)), rng.normal(size=(3, 4)) * 10
    model = LinearModel((0.0,) * 4, (1.0,) * 4, weight, 0.5, slope=0.8, shift=shift)
    whole = model.terms(rows).sum(axis=1) + 0.8 * 0.5 + shift
    assert np.allclose(model.log_odds(rows), np.clip(whole, -30, 30))
    assert ((model.probability(rows) > 0) & (model.probability(rows) < 1)).all()

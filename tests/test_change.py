"""Class probabilities: where they are put, and what change means among them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.change import CHANGE_CLASSES, ChangeEvidence, PixelClass, classify
from pipeline.features import FEATURE_ORDER


class Fixed:
    """Knows three classes and says the same of every row."""

    classes_ = np.array([PixelClass.BARE, PixelClass.STABLE, PixelClass.CLOUD_RESIDUE])

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        return np.tile([0.6, 0.2, 0.2], (len(features), 1))


def test_probabilities_stand_under_their_own_class() -> None:
    said = classify(Fixed(), np.zeros((2, len(FEATURE_ORDER)), np.float32)).probabilities
    expected = dict.fromkeys(PixelClass, 0.0) | {PixelClass.BARE: 0.6, PixelClass.STABLE: 0.2, PixelClass.CLOUD_RESIDUE: 0.2}
    assert said.shape == (2, len(PixelClass))
    assert said[1].tolist() == pytest.approx([expected[c] for c in PixelClass])


def test_change_is_told_of_what_was_seen() -> None:
    said = classify(Fixed(), np.zeros((1, len(FEATURE_ORDER)), np.float32))
    assert said.change[0] == pytest.approx(0.6 / 0.8)
    assert said.seen[0] == pytest.approx(0.8)


def test_no_rows_ask_nothing_of_the_estimator() -> None:
    assert classify(Fixed(), np.zeros((0, len(FEATURE_ORDER)), np.float32)).change.shape == (0,)


def test_every_class_but_two_is_change() -> None:
    assert set(CHANGE_CLASSES) == set(PixelClass) - {PixelClass.STABLE, PixelClass.CLOUD_RESIDUE}


@given(st.lists(st.floats(0.001, 1.0), min_size=len(PixelClass), max_size=len(PixelClass)))
def test_change_is_a_probability(weights: list[float]) -> None:
    rows = (np.array([weights]) / np.sum(weights)).astype(np.float32)
    assert -1e-6 <= ChangeEvidence(rows).change[0] <= 1.0 + 1e-5


def test_only_cloud_is_no_change() -> None:
    rows = np.zeros((1, len(PixelClass)), np.float32)
    rows[0, PixelClass.CLOUD_RESIDUE] = 1.0
    assert ChangeEvidence(rows).change[0] == 0.0

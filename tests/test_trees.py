"""Trees scored as rows of bits say what scikit-learn says."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from pipeline.trees import LEAVES, bit_trees, is_supported

RNG = np.random.default_rng(5)
TABLE = RNG.normal(size=(600, 5)).astype(np.float32)
TABLE[RNG.random(TABLE.shape) < 0.1] = np.nan
LABEL = (np.nan_to_num(TABLE[:, 0]) > 0).astype(int) + (np.nan_to_num(TABLE[:, 1]) > 0.5) + np.isnan(TABLE[:, 2])


def fitted(leaves: int = LEAVES, labels: np.ndarray = LABEL) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=leaves, min_samples_leaf=5, max_bins=32, random_state=1)
    return model.fit(TABLE, labels)


@pytest.mark.parametrize("leaves", [2, 7, 16])
def test_probabilities_are_those_of_scikit_learn(leaves: int) -> None:
    model = fitted(leaves)
    ours = bit_trees(model)
    thresholds = [t for group in model._predictors for tree in group for t in tree.nodes["num_threshold"]]
    at = np.resize(np.float32(thresholds), (200, 5))  # on the very edge of splits
    for table in (TABLE, at, np.nextafter(at, np.float32(np.inf)), np.full((1, 5), np.nan, np.float32)):
        np.testing.assert_allclose(ours.predict_proba(table), model.predict_proba(table), rtol=0, atol=1e-12)
    assert (ours.classes_ == model.classes_).all()


def test_no_rows_give_no_rows() -> None:
    assert bit_trees(fitted()).predict_proba(np.zeros((0, 5), np.float32)).shape == (0, 4)


def test_other_models_are_left_to_scikit_learn() -> None:
    assert is_supported(fitted())
    assert not is_supported(fitted(leaves=17))
    assert not is_supported(fitted(labels=LABEL > 0))
    assert not is_supported(object())

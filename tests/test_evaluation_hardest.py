"""Which cases cost a ranking most, and their pictures."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import roc_auc_score

from pipeline.evaluation.hardest import PicturePair, hardest, lost_rank, pair_pictures
from pipeline.scenes import BANDS

TRUTH = np.array([True, True, True, False, False, False])


def test_the_case_that_is_out_of_order_with_most_others_costs_most() -> None:
    score = np.array([0.9, 0.1, 0.6, 0.7, 0.2, 0.0])  # wrong: 0.1 below 0.7 and 0.2; 0.6 below 0.7
    assert lost_rank(TRUTH, score) == pytest.approx([0, 2 / 3, 1 / 3, 2 / 3, 1 / 3, 0])
    assert hardest(TRUTH, score, 1).tolist() == [1, 3]
    assert hardest(TRUTH, score, 9).tolist() == [1, 2, 3, 4]


def test_nothing_is_lost_where_all_are_in_order() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1])
    assert np.isnan(lost_rank(TRUTH, score)).all()
    assert hardest(TRUTH, score, 5).tolist() == []


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=6, max_size=6))
def test_what_each_class_lost_is_what_the_auc_lacks(scores: list[float]) -> None:
    score = np.array(scores)
    lacks, share = 1 - roc_auc_score(TRUTH, score), lost_rank(TRUTH, score)
    if lacks == 0:
        assert np.isnan(share).all()
    else:
        wrong = sum((a < b) + 0.5 * (a == b) for a in score[TRUTH] for b in score[~TRUTH])
        assert lacks == pytest.approx(wrong / 9)
        assert [share[TRUTH].sum(), share[~TRUTH].sum()] == pytest.approx([1, 1])


def test_a_sheet_shows_green_before_and_bright_after() -> None:
    forest, spoil = (np.zeros((len(BANDS), 8, 8), np.float32) for _ in range(2))
    forest[BANDS.index("green")] = 0.06
    for band in ("red", "green", "blue"):
        spoil[BANDS.index(band)] = 0.3
    sheet = pair_pictures([PicturePair("a chip", forest, spoil)] * 3)
    assert sheet == pair_pictures([PicturePair("a chip", forest, spoil)] * 3)
    image = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"))
    height, width = image.shape[:2]
    middle = image[height // 4 : height // 4 + 20]
    red, green, blue = (middle[..., k].astype(int) for k in range(3))
    greenish = np.flatnonzero(((green > 60) & (red < 30) & (blue < 30)).any(axis=0))
    assert len(greenish) > 20
    assert greenish.min() < width / 8

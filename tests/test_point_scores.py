"""Labelled points: looks in order, states without later looks, scores without the point's own block."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from pipeline.io.labels import POINT_BANDS, read_point_table
from pipeline.scenes import BANDS
from pipeline.training import points
from pipeline.training.points import (
    STATE_ORDER,
    PointSeries,
    PointTableError,
    clear_looks,
    costliest,
    evaluate_points,
    nightly_features,
    point_scores,
    point_series,
    walk_scores,
)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "rondonia_points" / "samples_long.parquet"
FOREST = (0.03, 0.05, 0.03, 0.27, 0.13, 0.06)
SOIL = (0.06, 0.08, 0.10, 0.20, 0.25, 0.18)
CLOUD = (0.60, 0.60, 0.60, 0.65, 0.40, 0.30)
DAYS = np.arange(np.datetime64("2018-12-01"), np.datetime64("2019-08-01"), np.timedelta64(20, "D"))
"""13 nights; the third is of 10 January, and felling comes after the fifth."""


def series_of(*looks):
    """Return one point with these looks."""
    one = np.array([looks], np.float32)
    day = np.datetime64("2019-01-01") + 10 * np.arange(len(looks))
    return PointSeries(np.array(["A:0"]), np.array(["Forest"]), np.array([-65.0]), np.array([-10.0]), day, one)


def value(series, name):
    return float(nightly_features(series)[0, STATE_ORDER.index(name)])


def tiny_series(seed=0):
    """Return 48 points in 12 blocks: one of four is felled at the sixth night, one was soil before, two stay forest."""
    rng = np.random.default_rng(seed)
    n = 48
    label = np.array(["Deforestation", "Pasture", "Forest", "Forest"] * 12)
    looks = np.empty((n, len(DAYS), len(BANDS)), np.float32)
    looks[:] = FOREST
    looks[label == "Pasture"] = SOIL
    looks[label == "Deforestation", 5:] = SOIL
    looks *= rng.normal(1.0, 0.05, looks.shape[:2])[:, :, None]
    looks[rng.random(looks.shape[:2]) < 0.2] = CLOUD
    block = np.repeat(np.arange(12), 4)
    place = np.array([f"A:{i}" for i in range(n)])
    return PointSeries(place, label, -65.0 + 0.1 * block + 0.05, np.full(n, -10.05), DAYS, looks)


def table_of(series):
    """Return the table that `point_series` reads, gap-filled rows beside the raw ones."""
    rows = []
    for i, place in enumerate(series.place):
        for day, look in zip(series.day, series.reflectance[i], strict=True):
            said = {"set": "A", "sample": int(place[2:]), "date": pd.Timestamp(day), "label": series.label[i]}
            where = {"longitude": series.lon[i], "latitude": series.lat[i]}
            bands = {POINT_BANDS[b]: float(v) for b, v in zip(BANDS, look, strict=True)}
            rows += [
                {**said, **where, **bands, "kind": "raw"},
                {**said, **where, **dict.fromkeys(bands, 0.5), "kind": "approx"},
            ]
    return pd.DataFrame(rows)


@pytest.fixture
def small_trees(monkeypatch):
    monkeypatch.setattr(points, "TREES", 15)
    monkeypatch.setattr(points, "DRAWS", 20)
    monkeypatch.setattr(points, "CONTROL_LOOKS", (3, 5))


def test_a_table_becomes_raw_looks_by_place_and_day():
    series = series_of(FOREST, SOIL, CLOUD)
    table = table_of(series).sample(frac=1.0, random_state=1)
    table = table.drop(table.index[(table["kind"] == "raw") & (table["date"] == pd.Timestamp(series.day[1]))])
    other = table_of(series).assign(sample=3, label="Deforestatio")
    read = point_series(pd.concat([other, table]))
    assert read.place.tolist() == ["A:0", "A:3"]
    assert read.felled.tolist() == [False, True]
    assert read.day.tolist() == series.day.tolist()
    assert np.isnan(read.reflectance[0, 1]).all()
    np.testing.assert_allclose(read.reflectance[0, 0], FOREST)
    np.testing.assert_allclose(read.reflectance[1], series.reflectance[0])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t.drop(columns="swir2"), "no column swir2"),
        (lambda t: t[t["kind"] == "approx"], "no row of kind raw"),
        (lambda t: pd.concat([t, t[t["kind"] == "raw"].head(1)]), "1 second looks"),
    ],
)
def test_a_table_that_cannot_be_measured_with_is_refused(spoil, said):
    with pytest.raises(PointTableError, match=said):
        point_series(spoil(table_of(series_of(FOREST, SOIL))))


def test_blocks_are_tenths_of_a_degree():
    series = replace(tiny_series(), lon=np.linspace(-65.0, -64.53, 48), lat=np.full(48, -10.3))
    assert np.unique(series.block).tolist() == ["-646:-103", "-647:-103", "-648:-103", "-649:-103", "-650:-103"]


def test_a_look_is_judged_by_the_looks_before_it():
    veiled = (0.10, 0.11, 0.10, 0.30, 0.15, 0.08)
    dark = (0.02, 0.03, 0.02, 0.08, 0.04, 0.02)
    missing = (np.nan,) * 6
    assert clear_looks(series_of(FOREST, veiled, CLOUD, SOIL, dark, missing).reflectance).tolist() == [
        [True, False, False, True, False, False]
    ]
    assert clear_looks(series_of(veiled, FOREST).reflectance).tolist() == [[True, True]]  # nothing before the first look


def test_the_state_is_what_clear_looks_in_a_row_showed():
    forest, soil = ((b[3] - b[2]) / (b[3] + b[2]) for b in (FOREST, SOIL))
    felled = series_of(FOREST, CLOUD, FOREST, FOREST, SOIL, CLOUD, SOIL, SOIL)
    assert value(felled, "clear_looks") == 6
    for name, expected in [
        ("early", forest), ("fall2", forest - soil), ("fall3", forest - soil), ("step3", forest - soil), ("low3", soil),
        ("last", soil), ("last3", soil), ("q90", forest), ("q10", soil), ("spread", (forest - soil) / 2),
    ]:  # fmt: skip
        assert value(felled, f"ndvi_{name}") == pytest.approx(expected, abs=1e-5), name
    assert value(felled, "red_fall2") == pytest.approx(SOIL[2] - FOREST[2], abs=1e-6)  # felling is a fall of every quantity
    once = series_of(FOREST, FOREST, FOREST, SOIL, FOREST, FOREST, FOREST)
    assert value(once, "ndvi_fall2") == pytest.approx(0.0, abs=1e-6)  # one low look is no sustained fall
    assert value(once, "ndvi_fall3") == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("looks", [(CLOUD,), (CLOUD, CLOUD, CLOUD), (FOREST, CLOUD)])
def test_a_point_that_was_hardly_seen_has_a_state_without_numbers(looks):
    series = series_of(*looks)
    assert np.isnan(value(series, "ndvi_fall2"))
    assert np.isnan(value(series, "ndvi_last")) == (looks[0] == CLOUD)


@settings(max_examples=25, deadline=None)
@given(night=st.integers(1, len(DAYS) - 1), seed=st.integers(0, 10**6), shift=st.floats(-0.1, 0.6))
def test_looks_after_a_night_change_nothing_of_that_night(night, seed, shift):
    series = tiny_series(seed)
    later = series.reflectance.copy()
    later[:, night:] = np.random.default_rng(seed).permutation(later[:, night:]) + np.float32(shift)
    changed = replace(series, reflectance=later)
    np.testing.assert_array_equal(clear_looks(changed.reflectance)[:, :night], clear_looks(series.reflectance)[:, :night])
    assert changed.until(night).reflectance.shape[1] == len(changed.until(night).day) == night
    np.testing.assert_array_equal(nightly_features(changed.until(night)), nightly_features(series.until(night)))
    assert not np.array_equal(nightly_features(changed), nightly_features(series), equal_nan=True)


def test_looks_after_a_night_change_no_figure_of_that_night(small_trees):
    table = table_of(tiny_series())
    later = (table["date"] > "2019-03-10").to_numpy()
    spoiled = table.copy()
    spoiled.loc[later, list(POINT_BANDS.values())] = np.random.default_rng(3).random((later.sum(), 6))
    told, otherwise = (evaluate_points(t, 5) for t in (table, spoiled))
    assert told["nights"][:2] == otherwise["nights"][:2]
    assert told["controls"] == otherwise["controls"]
    assert told["nights"][2:] != otherwise["nights"][2:]
    assert told["last_night"] != otherwise["last_night"]


def test_a_score_knows_no_label_of_its_own_block(small_trees):
    series = tiny_series()
    own = series.block == series.block[0]
    label = np.where(own, np.where(series.felled, "Forest", "Deforestation"), series.label)
    scores, blind = point_scores(series, 0), point_scores(replace(series, label=label), 0)
    np.testing.assert_array_equal(scores[own], blind[own])
    assert not np.array_equal(scores[~own], blind[~own])


def test_felling_is_found_when_it_was_seen_and_not_before(small_trees):
    figures = evaluate_points(table_of(tiny_series()), 0)
    assert figures == json.loads(json.dumps(evaluate_points(table_of(tiny_series()), 0)))
    assert (figures["points"], figures["felled"], figures["blocks"]) == (48, 12, 12)
    last, (_, before) = figures["last_night"], figures["controls"]
    assert last["auc"] > 0.97
    assert last["interval_95"]["auc"][0] <= last["auc"] <= last["interval_95"]["auc"][1]
    assert before["looks"] == 5
    assert before["auc_against_Forest"] < 0.8
    assert last["auc_against_Forest"] > 0.97
    assert [night["day"] for night in figures["nights"]] == ["2019-01-10", "2019-02-19", "2019-04-20", "2019-06-19"]


def test_one_block_or_one_class_is_no_measurement(small_trees):
    series = tiny_series()
    with pytest.raises(PointTableError, match="found 1 blocks"):
        point_scores(replace(series, lon=np.full(48, -65.05)), 0)
    with pytest.raises(PointTableError, match="one class only"):
        point_scores(replace(series, label=np.full(48, "Forest")), 0)


def test_the_walk_reaches_its_highest_odds_where_change_was_seen():
    class BareIsChange:
        """Clearing where red is high now, stable elsewhere."""

        classes_ = np.array([0, 1])

        def predict_proba(self, features):
            changed = np.where(features[:, 2] > 0.08, 0.95, 0.05)
            return np.stack([1.0 - changed, changed], axis=1)

    # log(0.95 / 0.05) = 2.944: from -3 two looks at soil reach 2.889; one look at forest costs 2, and the highest stays
    one = walk_scores(series_of(FOREST, FOREST, FOREST, SOIL, FOREST), BareIsChange())
    two = walk_scores(series_of(FOREST, FOREST, FOREST, SOIL, SOIL, FOREST), BareIsChange())
    assert [round(float(x), 3) for x in (one[0], two[0])] == [-0.056, 2.889]


def test_the_costliest_points_are_felled_ones_that_others_outscore():
    series = tiny_series()
    scores = np.where(series.felled, 0.9, 0.5)
    scores[4] = 0.1
    (worst,) = costliest(series, scores, 1)
    assert (worst["place"], worst["outscored_by"], len(worst["ndvi"])) == ("A:4", 36, 13)


@pytest.mark.skipif(not SHARED.is_file(), reason="../shared/data/rondonia_points is absent")
def test_felled_points_of_rondonia_are_told_from_all_others():
    series = point_series(read_point_table(SHARED))
    assert (len(series.label), int(series.felled.sum()), len(series.day)) == (964, 61, 36)
    assert roc_auc_score(series.felled, point_scores(series, 0)) >= 0.97

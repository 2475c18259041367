"""Figures, their intervals, scores of a simulated world, and the files of an evaluation."""

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy.stats import binomtest
from shapely.geometry import box as rectangle
from shapely.geometry import mapping
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, precision_score, recall_score, roc_auc_score
from worlds import EPSG, LEFT, PIT, TOP

from pipeline import geo
from pipeline.config import ReferenceSection, RunConfig
from pipeline.evaluation.blind import blind_spots
from pipeline.evaluation.chip_sections import Scored, scored_section
from pipeline.evaluation.document import Evaluation, Plot, Section, Series, Table
from pipeline.evaluation.intervals import Figure, block_bootstrap, median, proportion, rate, resampled_figure, wilson
from pipeline.evaluation.metrics import (
    Judged,
    auc,
    average_precision,
    brier,
    brier_skill,
    by_group,
    calibration_line,
    decision_figure,
    f1,
    judged_figures,
    precision,
    precision_at,
    precision_at_prevalence,
    recall,
    reliability_curve,
    specificity,
)
from pipeline.evaluation.report import evaluation_json, figure_text, report_markdown, write_evaluation
from pipeline.evaluation.world_run import Look, RunFindings, RunMissingError, Statement, read_run
from pipeline.evaluation.world_score import judge, score_world
from pipeline.evaluation.world_sections import by_landscape, missed_table, recall_by_hectares, world_figures, world_section
from pipeline.evaluation.world_truth import (
    NEVER,
    LookAlike,
    StagePeriod,
    TrueMine,
    TruthMissingError,
    WorldTruth,
    pixels_of,
    read_world_truth,
)
from pipeline.sites import SiteRules
from pipeline.stages import AoiRequest, run_aoi

# --- intervals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (1, 5), (5, 5), (40, 100)])
def test_wilson_is_that_of_scipy(hits: int, n: int) -> None:
    wanted = binomtest(hits, n).proportion_ci(0.95, "wilson")
    assert wilson(hits, n) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@given(st.integers(0, 60), st.integers(1, 60))
def test_a_share_lies_in_its_interval_and_the_interval_in_zero_to_one(hits: int, more: int) -> None:
    figure = proportion(hits, hits + more, "rows")
    assert 0.0 <= figure.low <= figure.value <= figure.high <= 1.0


def test_a_share_of_nothing_is_undefined_and_never_zero() -> None:
    assert proportion(0, 0, "sites") == Figure(None, None, None, 0, "sites")
    assert rate(3, 0.0, "alerts").value is None
    assert median([], "mines").value is None


def test_a_rate_has_the_poisson_interval_of_the_tables() -> None:
    figure = rate(10, 4.0, "alerts")  # Garwood's bounds of a count of 10: 4.795 to 18.390
    assert (figure.value, figure.low, figure.high) == pytest.approx((2.5, 4.795 / 4, 18.390 / 4), abs=1e-3)


def test_a_median_of_five_has_no_interval_and_of_nine_skips_one_value_at_each_end() -> None:
    assert median([3, 1, 2, 5, 4], "mines") == Figure(3.0, None, None, 5, "mines")
    assert median(range(1, 10), "mines") == Figure(5.0, 2.0, 8.0, 9, "mines")  # P(X <= 1) = 10/512 < 2.5 %, P(X <= 2) is not


BLOCKS = np.repeat(np.arange(6), [1, 2, 3, 4, 5, 6])


def test_the_bootstrap_takes_whole_blocks_and_repeats_itself() -> None:
    seen = []

    def statistic(rows: np.ndarray) -> float:
        seen.append(np.bincount(BLOCKS[rows], minlength=6))
        return float(rows.mean())

    first = block_bootstrap(BLOCKS, statistic, n=30, seed=4)
    assert all((counts % np.arange(1, 7) == 0).all() and (counts // np.arange(1, 7)).sum() == 6 for counts in seen)
    assert first == block_bootstrap(BLOCKS, statistic, n=30, seed=4) != block_bootstrap(BLOCKS, statistic, n=30, seed=5)


def test_the_bootstrap_of_a_mean_of_blocks_is_as_wide_as_its_standard_error_says() -> None:
    values = np.random.default_rng(0).normal(size=200)
    found = block_bootstrap(np.arange(200), lambda rows: float(values[rows].mean()), n=4000, seed=1)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(200), rel=0.05)


def test_undefined_resamples_are_skipped_and_counted() -> None:
    has_one = np.array([True, False, False, False, False])
    found = block_bootstrap(np.arange(5), lambda rows: 1.0 if has_one[rows].any() else float("nan"), n=2000, seed=0)
    assert found.resamples + found.undefined == 2000
    assert found.undefined / 2000 == pytest.approx(0.8**5, abs=0.03)
    assert (found.low, found.high) == (1.0, 1.0)


def test_few_blocks_give_no_interval() -> None:
    found = resampled_figure(np.array([0, 0, 1, 1, 2, 3]), lambda rows: float(rows.mean()), "rows")
    assert found == Figure(2.5, None, None, 6, "rows")


# --- metrics -----------------------------------------------------------------------------------------------------------


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Truth with both classes, and scores with ties."""
    n = draw(st.integers(4, 40))
    truth = np.array([True, False, *draw(st.lists(st.booleans(), min_size=n - 2, max_size=n - 2))])
    score = np.array(draw(st.lists(st.integers(0, 20), min_size=n, max_size=n))) / 20.0
    return truth, score


@given(scored())
def test_metrics_are_those_of_scikit_learn(rows: tuple[np.ndarray, np.ndarray]) -> None:
    truth, score = rows
    named = score >= 0.6
    assert auc(truth, score) == pytest.approx(roc_auc_score(truth, score))
    assert average_precision(truth, score) == pytest.approx(average_precision_score(truth, score))
    assert brier(truth, score) == pytest.approx(brier_score_loss(truth, score))
    assert recall(truth, score, 0.6) == pytest.approx(recall_score(truth, named))
    assert specificity(truth, score, 0.6) == pytest.approx(recall_score(~truth, ~named))
    assert f1(truth, score, 0.6) == pytest.approx(f1_score(truth, named, zero_division=0))
    if named.any():
        assert precision(truth, score, 0.6) == pytest.approx(precision_score(truth, named))
    assert brier_skill(truth, score) <= 1.0


def test_what_is_undefined_is_nan() -> None:
    yes, no = np.array([True, True]), np.array([False, False])
    p = np.array([0.2, 0.3])
    assert np.isnan([auc(yes, p), brier_skill(no, p), average_precision(no, p), precision(yes, p, 0.9), recall(no, p, 0.1),
                     *calibration_line(yes, p)]).all()  # fmt: skip


def test_the_base_rate_has_no_skill_and_the_truth_has_all() -> None:
    truth = np.array([True, False, False, False])
    assert brier_skill(truth, np.full(4, 0.25)) == pytest.approx(0.0)
    assert brier_skill(truth, truth.astype(float)) == 1.0


def test_the_calibration_line_is_the_unpenalised_regression() -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=500)
    truth = rng.random(500) < 1 / (1 + np.exp(-(0.5 * z - 0.7)))
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(z[:, None], truth)
    found = calibration_line(truth, 1 / (1 + np.exp(-z)))
    assert found == pytest.approx((fitted.coef_[0, 0], fitted.intercept_[0]), abs=1e-4)


def test_separated_classes_have_no_calibration_line_and_certain_scores_do_no_harm() -> None:
    truth = np.array([False, False, True, True])
    assert np.isnan(calibration_line(truth, np.array([0.1, 0.2, 0.2, 0.9]))).all()
    assert np.isfinite(calibration_line(truth, np.array([0.0, 1.0, 0.0, 1.0]))).all()


def test_precision_at_prevalence_is_that_of_a_counted_population() -> None:
    # 10,000 places, 1 % mining: 90 of 100 mines and 99 of 9,900 others are named
    assert precision_at(0.01, 0.9, 0.99) == pytest.approx(90 / (90 + 99))
    assert np.isnan(precision_at(0.01, 0.0, 1.0))


@given(*[st.floats(0.01, 0.99)] * 4)
def test_precision_at_prevalence_rises_with_each_of_its_terms(prevalence: float, sens: float, spec: float, up: float) -> None:
    base = precision_at(prevalence, sens, spec)
    assert 0.0 <= base <= 1.0
    for more in ((prevalence + (1 - prevalence) * up, sens, spec), (prevalence, sens + (1 - sens) * up, spec),
                 (prevalence, sens, spec + (1 - spec) * up)):  # fmt: skip
        assert precision_at(*more) >= base - 1e-12


def some_rows(n: int = 120, seed: int = 0) -> Judged:
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    score = np.clip(0.35 + 0.3 * truth + 0.2 * rng.normal(size=n), 0.0, 1.0)
    return Judged(truth, score, rng.integers(12, size=n), "chips")


def test_a_decision_counts_its_own_cases_and_is_never_surer_than_wilson() -> None:
    judged = some_rows()
    named = judged.score >= 0.5
    for name, n, hits in (("precision", named.sum(), (named & judged.truth).sum()),
                          ("recall", judged.truth.sum(), (named & judged.truth).sum()),
                          ("specificity", (~judged.truth).sum(), (~named & ~judged.truth).sum())):  # fmt: skip
        figure = decision_figure(judged, name, 0.5, resamples=200)
        low, high = wilson(int(hits), int(n))
        assert (figure.n, figure.value) == (n, pytest.approx(hits / n))
        assert figure.low <= low < high <= figure.high


def test_a_perfect_sample_has_no_perfect_precision_in_the_field() -> None:
    truth = np.arange(60) < 20
    figure = precision_at_prevalence(Judged(truth, truth.astype(float), np.arange(60)), 0.5, 0.01, resamples=50)
    assert figure.value == figure.high == 1.0
    low_sens, low_spec = wilson(20, 20)[0], wilson(40, 40)[0]
    assert figure.low == pytest.approx(precision_at(0.01, low_sens, low_spec))
    assert figure.low < 0.12


def test_every_figure_is_there_with_its_interval() -> None:
    figures = judged_figures(some_rows(), 0.5, resamples=100)
    assert {"precision", "recall", "f1", "auc", "average_precision", "brier", "brier_skill", "calibration_slope",
            "calibration_intercept", "precision_at_0.001", "precision_at_0.01", "base_rate"} <= set(figures)  # fmt: skip
    assert all(f.low is not None and f.low <= f.value <= f.high for f in figures.values())
    assert figures["precision_at_0.001"].value < figures["precision_at_0.01"].value < figures["precision"].value


def test_scores_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ValueError, match="no probability"):
        Judged(np.array([True]), np.array([1.2]), np.array([0]))
    with pytest.raises(ValueError, match="2 truths, 1 scores"):
        Judged(np.array([True, False]), np.array([0.2]), np.array([0, 1]))


def test_the_reliability_curve_counts_every_row_once_and_holds_one() -> None:
    judged = Judged(np.array([False, True, True, True]), np.array([0.05, 0.1, 0.15, 1.0]), np.arange(4))
    found = [(b.low, round(b.forecast, 3), b.observed.value, b.observed.n) for b in reliability_curve(judged)]
    assert found == [(0.0, 0.05, 0.0, 1), (0.1, 0.125, 1.0, 2), (0.9, 1.0, 1.0, 1)]


def test_groups_say_how_much_of_each_is_named() -> None:
    judged = Judged(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.7, 0.1]), np.arange(4))
    burn, mine = by_group(judged, np.array(["mine", "mine", "burn", "burn"]), 0.6)
    assert (burn.group, burn.n, burn.true, burn.named.value, burn.auc) == ("burn", 2, 0, 0.5, None)
    assert (mine.group, mine.n, mine.true, mine.named.value) == ("mine", 2, 2, 0.5)
    whole = by_group(judged, np.array(["x"] * 4), 0.6)[0]
    assert whole.auc == auc(judged.truth, judged.score) == 0.75


# --- a world that can be checked by eye ------------------------------------------------------------------------------

SIDE = 30
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, 500_000, 0, -10, 9_000_300), "EPSG:32720")
PAST, AS_OF = date(2024, 1, 31), date(2024, 6, 30)


def patch(row: int, column: int, height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[row : row + height, column : column + width]
    return (rows * SIDE + columns).ravel().astype(np.int64)


def period(stage: str, pixels: np.ndarray, begins: date, ends: date | None = None) -> StagePeriod:
    return StagePeriod(stage, begins.toordinal(), ends.toordinal() if ends else NEVER, pixels)


def truth_of(mines: dict[str, list[StagePeriod]], others: dict[str, tuple[str, np.ndarray]]) -> WorldTruth:
    mined_from, mine, other = (np.full(SIDE * SIDE, v, np.int32) for v in (NEVER, -1, -1))
    for number, periods in enumerate(mines.values()):
        for p in periods:
            if p.stage != "greening":
                mine[p.pixels], mined_from[p.pixels] = number, np.minimum(mined_from[p.pixels], p.begins)
    for number, (_, pixels) in enumerate(others.values()):
        other[pixels] = number
    looks = tuple(LookAlike(name, kind, date(2024, 3, 1)) for name, (kind, _) in others.items())
    return WorldTruth(GRID, tuple(TrueMine(i, tuple(p)) for i, p in mines.items()), looks, mined_from, mine, other)


def said(name: str, pixels: np.ndarray, day: date = AS_OF, cause: str = "mining", state: str = "confirmed") -> Statement:
    facts = {"area_ha": len(pixels) * 0.01, "clearing_ha": 0.0, "tailings_ha": len(pixels) * 0.01, "pond_ha": 0.0,
             "first_detected_on": day.isoformat()}  # fmt: skip
    return Statement(name, day, state, cause, pixels, facts)


def findings(sites: list[Statement], told: list[Statement] | None = None) -> RunFindings:
    return RunFindings("tiny", AS_OF, tuple(sites), tuple(told or sites), PAST, date(2024, 2, 5))


MARCH, MAY = date(2024, 3, 1), date(2024, 5, 1)
TEN_BY_TEN, OLD, FARM = patch(0, 0, 10, 10), patch(20, 20, 5, 5), patch(20, 0, 8, 8)
TRUTH = truth_of(
    {"M1": [period("clearing", TEN_BY_TEN, MARCH, MAY), period("tailings", TEN_BY_TEN, MAY)],
     "M2": [period("tailings", OLD, date(2020, 1, 1))]},
    {"L1": ("farm", FARM)},
)  # fmt: skip
LOOKS = ((Look(date(2024, 3, 10), 1.0), Look(date(2024, 4, 10), 1.0), Look(date(2024, 6, 10), 1.0)), ())


def score(sites: list[Statement], told: list[Statement] | None = None, truth: WorldTruth = TRUTH, looks: object = LOOKS):
    return judge("w", "humid_forest", 9.0, truth, findings(sites, told), looks=looks)


def test_a_site_is_true_from_half_of_its_outline_on() -> None:
    half, less = patch(0, 5, 10, 10), patch(0, 6, 10, 10)
    verdicts = score([said("half", half), said("less", less), said("farm", FARM, cause="other_clearing"),
                      said("none", patch(12, 12, 3, 3)), said("old", OLD)]).sites  # fmt: skip
    assert [(v.site_id, v.mined_share, v.is_true, v.lies_on, v.object_id) for v in verdicts] == [
        ("half", 0.5, True, "mining", "M1"),
        ("less", 0.4, False, "mining, under half", "M1"),
        ("farm", 0.0, False, "farm", "L1"),
        ("none", 0.0, False, "nothing", None),
        ("old", 1.0, True, "mining", "M2"),
    ]


def test_ground_that_was_not_mined_on_the_day_of_the_statement_makes_no_site_true() -> None:
    early = said("early", TEN_BY_TEN, day=date(2024, 2, 28))
    assert [v.mined_share for v in score([early, said("late", TEN_BY_TEN, day=MARCH)]).sites] == [0.0, 1.0]


def test_a_mine_is_covered_by_true_sites_only_and_told_apart_by_what_they_are_called() -> None:
    left, right = patch(0, 0, 10, 4), patch(0, 4, 10, 4)
    far = patch(0, 8, 10, 22)  # two of its 22 columns are mined: no true site
    (mine,) = score([said("a", left), said("b", right, cause="other_clearing"), said("c", far)]).mines
    assert (mine.mine_id, mine.ground_ha, mine.covered, mine.covered_alerted, mine.covered_named) == ("M1", 1.0, 0.8, 0.4, 0.4)
    assert mine.is_touched


def test_old_mines_and_mines_that_nobody_saw_count_for_no_recall() -> None:
    result = score([])
    assert (len(result.mines), result.old, result.unseen) == (1, 1, 0)
    unseen = score([], looks=((), ()))
    assert (len(unseen.mines), unseen.old, unseen.unseen) == (0, 1, 1)


def test_several_sites_of_one_mine_are_matched_as_one() -> None:
    result = score([said("a", patch(0, 0, 10, 5)), said("b", patch(0, 5, 10, 6))])
    (match,) = result.matches
    assert (match.site_ids, match.mine_ids) == (("a", "b"), ("M1",))
    assert match.iou == pytest.approx(100 / 110)
    assert match.true_ha == {"clearing": 0.0, "tailings": 1.0, "pond": 0.0, "greening": 0.0}
    assert match.found_ha["tailings"] == pytest.approx(1.1)


def test_one_site_over_two_mines_is_matched_as_one_and_a_pixel_at_the_rim_joins_nothing() -> None:
    two = truth_of({"A": [period("pond", patch(0, 0, 10, 5), MARCH)], "B": [period("pond", patch(0, 6, 10, 5), MARCH)]}, {})
    looks = ((Look(AS_OF, 0.5),), (Look(AS_OF, 0.5),))
    (match,) = score([said("s", patch(0, 0, 10, 11))], truth=two, looks=looks).matches
    assert (match.mine_ids, match.iou) == (("A", "B"), pytest.approx(100 / 110))
    apart = score([said("s", np.append(patch(0, 0, 10, 5), patch(0, 6, 1, 1)))], truth=two, looks=looks)
    assert [m.mine_ids for m in apart.matches] == [("A",)]
    assert apart.missed_ha["pond"] == pytest.approx(0.5)


def test_outlines_are_held_against_the_ground_at_the_last_clear_look() -> None:
    growing = truth_of(
        {"M": [period("clearing", patch(0, 0, 10, 5), MARCH), period("clearing", patch(0, 5, 10, 5), date(2024, 6, 20))]}, {}
    )
    looks = ((Look(date(2024, 6, 10), 0.5),),)
    result = score([said("s", patch(0, 0, 10, 5))], truth=growing, looks=looks)
    assert (result.matches[0].iou, result.mines[0].ground_ha) == (1.0, 0.5)


def test_lag_counts_clear_looks_and_days_and_what_an_agency_was_told() -> None:
    told = [
        said("s", TEN_BY_TEN, date(2024, 3, 10), cause="burn", state="provisional"),
        said("s", TEN_BY_TEN, date(2024, 4, 10), state="provisional"),
        said("s", TEN_BY_TEN, date(2024, 6, 10)),
    ]
    lag = score([said("s", TEN_BY_TEN)], told).mines[0].lag
    assert (lag.detected_on, lag.provisional_on, lag.confirmed_on) == (date(2024, 3, 10), date(2024, 4, 10), date(2024, 6, 10))
    assert [lag.days(lag.first_look_on, d) for d in (lag.detected_on, lag.provisional_on, lag.confirmed_on)] == [0, 31, 92]
    assert [lag.clear_looks(lag.first_look_on, d) for d in (lag.detected_on, lag.provisional_on, lag.confirmed_on)] == [0, 1, 2]
    assert lag.clear_looks(lag.first_look_on, date(2024, 3, 5)) == -1
    assert lag.days(lag.first_look_on, None) is None


def test_a_mine_is_mappable_when_it_is_as_large_as_a_site_can_be() -> None:
    looks = ((Look(date(2024, 3, 10), 0.29), Look(date(2024, 4, 10), 0.3)), ())
    lag = score([], looks=looks).mines[0].lag
    assert (lag.first_look_on, lag.mappable_look_on, lag.confirmed_on) == (date(2024, 3, 10), date(2024, 4, 10), None)


def test_false_alerts_are_all_that_were_ever_told_not_only_those_that_stand() -> None:
    told = [
        said("farm", FARM, MAY, cause="unclear", state="provisional"),
        said("farm", FARM, date(2024, 6, 1), cause="other_clearing"),
        said("rim", patch(0, 9, 10, 9), MAY),
        said("mine", TEN_BY_TEN, MAY),
        said("gone", FARM, MAY, state="withdrawn"),
    ]
    issued = score([said("mine", TEN_BY_TEN)], told).issued
    assert (issued.count, issued.false, issued.false_confirmed, issued.false_touching) == (3, 2, 1, 1)


def test_an_alert_is_judged_as_it_was_last_told() -> None:
    told = [said("s", TEN_BY_TEN, date(2024, 2, 28), state="provisional"), said("s", TEN_BY_TEN, MAY)]
    assert score([], told[:1]).issued.false == 1
    assert score([], told).issued.false == 0


def test_look_alikes_are_counted_by_kind_with_what_they_were_called() -> None:
    kinds = score([said("farm", FARM)]).objects
    assert [(k.kind, k.count, k.with_site, k.with_alert, k.with_named) for k in kinds] == [("farm", 1, 1, 1, 1)]
    called_farm = score([said("farm", FARM, cause="other_clearing")]).objects[0]
    assert (called_farm.with_site, called_farm.with_alert, called_farm.with_named) == (1, 0, 0)


def test_worlds_of_one_landscape_are_pooled() -> None:
    good, bad = score([said("mine", TEN_BY_TEN)]), score([said("farm", FARM)])
    dry = replace(good, landscape="dry_forest")
    pooled = by_landscape([good, dry, bad])
    assert [(p.landscape, len(p.worlds)) for p in pooled] == [("dry_forest", 1), ("humid_forest", 2)]
    figures = world_figures(pooled[1])
    assert (figures["site_precision_alerted"].value, figures["site_precision_alerted"].n) == (0.5, 2)
    assert (figures["site_recall_detected"].value, figures["site_recall_detected"].n) == (0.5, 2)
    assert figures["alerted_hectares_mined"].value == pytest.approx(1.0 / 1.64)
    exposure = 2 * 9.0 / 10_000 * good.months
    assert figures["false_alerts_per_10000_km2_month"].value == pytest.approx(1 / exposure)
    (row,) = missed_table(pooled).rows
    assert row[2] == "M1"
    assert row[-1] == "not found"


def test_a_hectare_bin_holds_its_lower_bound() -> None:
    (mine,) = score([said("mine", TEN_BY_TEN)]).mines
    table = recall_by_hectares([replace(mine, ground_ha=ha) for ha in (0.29, 0.3, 0.5, 1.9999, 5.0, 40.0)])
    assert [(row[0], row[1]) for row in table.rows] == [
        ("0-0.3", 1),
        ("0.3-0.5", 1),
        ("0.5-1", 1),
        ("1-2", 1),
        ("2-5", 0),
        ("5+", 2),
    ]


# --- what is read ------------------------------------------------------------------------------------------------------


def lonlat(row: int, column: int, height: int, width: int) -> object:
    left, top = 500_000 + 10 * column, 9_000_300 - 10 * row
    return geo.to_lonlat(rectangle(left, top - 10 * height, left + 10 * width, top), "EPSG:32720")


def test_outlines_in_degrees_come_back_as_the_same_pixels() -> None:
    assert pixels_of(lonlat(3, 4, 2, 5), GRID).tolist() == patch(3, 4, 2, 5).tolist()
    assert pixels_of(lonlat(-2, 28, 4, 9), GRID).tolist() == patch(0, 28, 2, 2).tolist()
    assert not len(pixels_of(lonlat(40, 40, 2, 2), GRID))


def write(path: Path, features: list[tuple[object, dict[str, object]]], **more: object) -> None:
    content = [{"type": "Feature", "geometry": mapping(g), "properties": p} for g, p in features]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": content, **more}), encoding="utf-8")


def test_truth_is_read_by_pixel_and_day_and_every_other_kind_is_a_look_alike(tmp_path: Path) -> None:
    write(tmp_path / "truth.geojson", [
        (lonlat(0, 0, 4, 4), {"id": "M1", "kind": "mining", "onset_on": "2024-03-01"}),
        (lonlat(9, 9, 2, 2), {"id": "L1", "kind": "landslide", "onset_on": None}),
    ])  # fmt: skip
    stage = {"kind": "mining_stage", "mine_id": "M1"}
    write(tmp_path / "truth_stages.geojson", [
        (lonlat(0, 0, 4, 4), {**stage, "stage": "clearing", "from_on": "2024-03-01", "until_on": "2024-05-01"}),
        (lonlat(0, 0, 2, 4), {**stage, "stage": "pond", "from_on": "2024-05-01", "until_on": None}),
        (lonlat(2, 0, 2, 4), {**stage, "stage": "greening", "from_on": "2024-05-01", "until_on": None}),
    ])  # fmt: skip
    truth = read_world_truth(tmp_path, GRID)
    assert truth.ground(0, date(2024, 2, 29)).tolist() == []
    assert truth.ground(0, MARCH).tolist() == patch(0, 0, 4, 4).tolist()
    assert len(truth.ground(0, AS_OF, after=MARCH)) == 0
    everywhere = np.ones(SIDE * SIDE, bool)
    assert [truth.mines[0].hectares(s, MAY, everywhere) for s in ("clearing", "pond", "greening")] == [0.0, 0.08, 0.08]
    assert [(o.id, o.kind) for o in truth.others] == [("L1", "landslide")]
    assert np.flatnonzero(truth.other == 0).tolist() == patch(9, 9, 2, 2).tolist()


def test_what_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(TruthMissingError, match=r"truth\.geojson: found no file"):
        read_world_truth(tmp_path, GRID)
    with pytest.raises(RunMissingError, match=r"alerts\.geojson: found no file"):
        read_run(tmp_path, GRID, "tiny")
    head = {"aoi_id": "another", "as_of": "2024-06-30"}
    for name in ("alerts.geojson", "disturbances.geojson"):
        write(tmp_path / name, [], overburden=head)
    with pytest.raises(RunMissingError, match="a run of another, expected tiny"):
        read_run(tmp_path, GRID, "tiny")
    with pytest.raises(RunMissingError, match="found no store"):
        read_run(tmp_path, GRID, "another")
    assert not (tmp_path / "store.sqlite").exists()


@pytest.fixture(scope="module")
def pit_run(pit_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The tiny forest with its truth beside it, and a run of it."""
    out, world = tmp_path_factory.mktemp("pit_run"), tmp_path_factory.mktemp("pit_truth")
    shutil.copytree(pit_world, world, dirs_exist_ok=True)
    ground = outline_of(PIT)
    onset = date(2024, 1, 1) + timedelta(days=12 * 26)
    write(world / "truth.geojson", [(ground, {"id": "M1", "kind": "mining", "onset_on": onset.isoformat()})])
    write(world / "truth_stages.geojson", [
        (ground, {"mine_id": "M1", "stage": "tailings", "from_on": onset.isoformat(), "until_on": None})
    ])  # fmt: skip
    section = {"aoi": str(world / "aoi.geojson"), "catalog": str(world / "catalog" / "catalog.json")}
    config = RunConfig.model_validate(
        {"areas": [section], "out": str(out), "delivery": {"has_evidence": False, "has_map": False, "languages": []}}
    )
    run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), None))
    return world, out


def outline_of(rows_columns: tuple[slice, slice]) -> object:
    rows, columns = rows_columns
    left, top = LEFT + 10 * columns.start, TOP - 10 * rows.start
    right, bottom = LEFT + 10 * columns.stop, TOP - 10 * rows.stop
    return geo.to_lonlat(rectangle(left, bottom, right, top), f"EPSG:{EPSG}")


def test_a_run_of_the_pit_is_scored_from_its_files(pit_run: tuple[Path, Path]) -> None:
    result = score_world(*pit_run)
    (mine,), (site,) = result.mines, result.sites
    assert (mine.mine_id, mine.ground_ha, site.lies_on) == ("M1", 3.24, "mining")
    assert mine.covered_named >= 0.9
    assert result.matches[0].iou >= 0.8
    onset = date(2024, 1, 1) + timedelta(days=12 * 26)
    assert mine.lag.looks == tuple(onset + timedelta(days=12 * k) for k in range(6))
    assert mine.lag.first_look_on == mine.lag.mappable_look_on == mine.lag.detected_on == onset
    assert onset <= mine.lag.provisional_on <= mine.lag.confirmed_on > onset
    assert (result.issued.count, result.issued.false, result.unseen, result.old) == (1, 0, 0, 0)
    assert result.watched_from > date(2024, 1, 1)
    assert result.area_km2 == pytest.approx(0.48**2, rel=2e-3)


def test_a_clouded_mine_is_not_looked_at(pit_run: tuple[Path, Path], tmp_path: Path) -> None:
    world, out = pit_run
    shutil.copytree(world, tmp_path / "w")
    first = sorted((tmp_path / "w" / "catalog").glob("*/scl.tif"))[26]
    with rasterio.open(first, "r+") as file:
        classes = file.read(1)
        classes[PIT] = 9
        file.write(classes, 1)
    before, after = score_world(world, out).mines[0], score_world(tmp_path / "w", out).mines[0]
    assert after.lag.looks == before.lag.looks[1:]
    assert after.lag.clear_looks(after.lag.first_look_on, after.lag.detected_on) == -1


def test_a_run_of_another_area_is_refused(pit_run: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(pit_run[0], tmp_path / "w")
    aoi = tmp_path / "w" / "aoi.geojson"
    aoi.write_text(aoi.read_text(encoding="utf-8").replace('"tiny"', '"other"'), encoding="utf-8")
    with pytest.raises(RunMissingError, match="a run of tiny, expected other"):
        score_world(tmp_path / "w", pit_run[1])


# --- documents ---------------------------------------------------------------------------------------------------------


def evaluation() -> Evaluation:
    judged = some_rows()
    control = replace(judged, score=np.full(len(judged.score), 0.4))
    chips = Scored("chips", "Chips", "made-up rows", "humid_forest", judged, 0.5, control,
                   {"By reading": np.where(judged.truth, "mine", "farm")})  # fmt: skip
    (pooled,) = by_landscape([score([said("mine", TEN_BY_TEN), said("farm", FARM)])])
    sections = {"chips": scored_section(chips, resamples=50), "world": world_section(pooled, resamples=50)}
    return Evaluation({"software": "overburden", "seed": 0}, sections, blind_spots(), (missed_table([pooled]),))


def test_the_same_evaluation_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_evaluation(evaluation(), tmp_path / name) for name in "ab")
    assert [p.name for p in first] == [p.name for p in second]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert {"report.md", "evaluation.json", "chips-reliability.png", "chips-roc.png", "chips-precision-recall.png",
            "world-humid-forest-recall.png", "world-humid-forest-lag.png"} == {p.name for p in first}  # fmt: skip


def test_the_machine_readable_file_holds_every_figure_of_the_document() -> None:
    document = evaluation()
    told = json.loads(evaluation_json(document))
    assert list(told) == ["facts", "sections", "blind", "blind_tables"]
    for name, section in document.sections.items():
        for figure, value in section.figures.items():
            found = told["sections"][name]["figures"][figure]
            assert found["n"] == value.n
            assert found["value"] == (None if value.value is None else pytest.approx(value.value, abs=1e-6))


def test_the_report_has_every_figure_with_interval_and_control() -> None:
    document = evaluation()
    lines = report_markdown(document).splitlines()
    chips = document.sections["chips"]
    for name, figure in chips.figures.items():
        beside = figure_text(chips.control[name])
        assert f"| {name.replace('_', ' ')} | {figure_text(figure)} | {beside} | {figure.of} |" in lines
    assert "## Where the method cannot see" in lines
    assert all(f"- {line}" in lines for line in document.blind)


def test_what_cannot_be_said_in_json_or_markdown_is_refused_or_escaped(tmp_path: Path) -> None:
    def with_cell(cell: object) -> Evaluation:
        table = Table("T", ("a",), ((cell,),))
        return Evaluation({}, {"s": Section("S", "x", "y", {}, tables=(table,))})

    with pytest.raises(ValueError, match="found nan"):
        evaluation_json(with_cell(float("nan")))
    with pytest.raises(TypeError, match="found set"):
        evaluation_json(with_cell({1}))
    assert "| a\\|b &lt;i> |" in report_markdown(with_cell("a|b <i>"))
    twice = Plot("same", "t", "curve", "x", "y", (Series("s", (0.0, 1.0), (0.0, 1.0)),))
    with pytest.raises(ValueError, match="same"):
        write_evaluation(Evaluation({}, {"s": Section("S", "x", "y", {}, plots=(twice, twice))}), tmp_path)


def test_blind_spots_state_the_thresholds_in_force() -> None:
    text = " ".join(blind_spots(SiteRules(mmu_ha=0.7), ReferenceSection(min_looks=11)))
    assert "under 0.7 ha" in text
    assert "fewer than 11 clear looks" in text

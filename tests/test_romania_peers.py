"""The benchmark against other monitors: how pixels are told lost, dated and counted; no peer is run."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import romania_peers
from peers.scores import Blocks, interval, score
from peers.settings import DEFAULT, all_settings
from peers.walked import Witness

from pipeline.evaluation.forest_truth import Truth, fall, truth_of
from pipeline.monitor import PixelCode

VEGETATION, CLOUD = 4, 9
D = np.datetime64
NEVER = D("NaT", "D")


def summers(**ndvi_by_pixel):
    """A cube of one row: three looks in each summer of 2016 to 2020, at the five yearly NDVI values of each pixel."""
    days = [D(f"{year}-{month}-15") for year in range(2016, 2021) for month in ("06", "07", "08")]
    ndvi = np.repeat(np.array(list(ndvi_by_pixel.values())), 3, axis=1).T[:, None, :]
    red = (0.5 * (1 - ndvi)).astype("f4")
    dims = ("time", "y", "x")
    scl = np.full(ndvi.shape, VEGETATION, "u1")
    return xr.Dataset(
        {"red": (dims, red), "nir": (dims, 1 - red), "scl": (dims, scl)}, coords={"time": np.array(days, "datetime64[ns]")}
    )


def test_a_loss_is_told_from_steady_forest_and_dated_by_its_first_low_look():
    cube = summers(
        cut_2019=[0.9, 0.9, 0.9, 0.4, 0.4],
        cut_2020=[0.9, 0.9, 0.9, 0.9, 0.4],
        steady=[0.9, 0.9, 0.9, 0.85, 0.9],
        thinned=[0.9, 0.9, 0.9, 0.9, 0.75],
        meadow=[0.6, 0.6, 0.6, 0.6, 0.6],
    )
    truth = truth_of(cube)
    assert truth.lost.tolist() == [[True, True, False, False, False]]  # cut_2020: the median of three 0.9 and three 0.4 is 0.65
    assert truth.standing.tolist() == [[True, True, False, False, False]]
    assert truth.stable.tolist() == [[False, False, True, False, False]]
    assert truth.began[0, :2].tolist() == [D("2019-06-15").item(), D("2020-06-15").item()]
    assert truth.intact[0, :2].tolist() == [D("2019-06-14").item(), D("2019-08-15").item()]
    assert np.isnat(truth.began[0, 2:]).all()
    np.testing.assert_allclose(truth.drop[0], [0.5, 0.5, 0.0, 0.15, 0.0], atol=1e-6)


def test_looks_under_cloud_and_medians_of_two_looks_tell_nothing():
    cube = summers(cut=[0.9, 0.9, 0.9, 0.4, 0.4])
    cube["scl"].values[-2:] = CLOUD  # one look is left of summer 2020
    truth = truth_of(cube)
    assert np.isnan(truth.drop).all()
    assert not (truth.standing | truth.stable).any()


def test_a_fall_is_dated_past_a_hazy_look_and_only_on_a_day_that_was_seen():
    days = ["2019-06-01", "2019-07-01", "2019-08-01", "2019-09-01", "2020-06-01", "2020-07-01"]
    days = np.array(days, "datetime64[D]")
    looks = np.array([0.9, 0.4, 0.9, 0.9, np.nan, 0.4])[:, None, None]
    began, intact = fall(looks, days, np.full((1, 1), 0.9), np.full((1, 1), 0.4))
    assert (began.item(), intact.item()) == (D("2020-07-01").item(), D("2019-09-01").item())


def test_an_alarm_is_counted_as_found_false_early_and_late_by_days_and_clear_looks():
    days = np.array(["2019-05-01", "2019-06-01", "2019-06-11", "2019-06-21"], "datetime64[D]")
    lost = np.array([[True, True, True, True, False, False]])
    truth = Truth(
        lost=lost, standing=lost, stable=~lost, drop=np.where(lost, 0.5, 0.0),
        began=np.where(lost, days[1], NEVER), intact=np.where(lost, days[0], NEVER),
    )  # fmt: skip
    clear = np.ones((4, 1, 6), bool)
    clear[2, 0, 1] = False
    alarm = np.array([[days[0], days[3], days[1], NEVER, days[2], NEVER]])
    found = score(alarm, truth, clear, days, Blocks((1, 6), draws=10))
    assert found.recall.value == 0.75
    assert found.false_alarms.value == 0.5
    assert found.early.value == 0.25  # the first pixel: alarm on a look at intact ground
    assert found.lag_days.value == 0.0  # lags of 20 and 0 days; the lower median
    assert found.lag_looks.value == 1.0  # 2 looks (one of three was cloudy) and 1


def test_draws_take_whole_blocks():
    blocks = Blocks((10, 20), draws=200)
    left = np.zeros((10, 20), bool)
    left[:, :10] = True
    shares = blocks.shares(left, np.ones_like(left))
    assert shares[0] == 0.5
    assert set(shares[1:].tolist()) == {0.0, 0.5, 1.0}  # two blocks drawn of two
    assert (interval(shares).low, interval(shares).high) == (0.0, 1.0)
    assert blocks.medians(left.astype(float), np.ones_like(left))[0] == 0.0
    assert np.isnan(blocks.shares(left, np.zeros_like(left))).all()


def test_a_code_that_was_withdrawn_keeps_its_first_day():
    codes = [np.array([[c]], "u1") for c in (0, 2, 0, 3)]
    days = [D(f"2019-06-0{i}").item() for i in range(1, 5)]
    witness = Witness(days=days, codes=codes)
    assert witness.first_days(PixelCode.PROVISIONAL).item() == days[1]
    assert witness.first_days(PixelCode.CONFIRMED).item() == days[3]
    assert np.isnat(witness.first_days(PixelCode.FINISHED)).all()


def test_every_peer_has_its_default_first_and_no_two_settings_are_alike():
    settings = all_settings()
    names = [(s["monitor"], s["label"]) for s in settings]
    assert len(set(names)) == len(names)
    assert {m for m, label in names if label == DEFAULT} == {"EWMA", "CuSum", "MoSum", "IQR", "CCDC"}
    assert all(s["make"]["threshold_outlier"] > 10 for s in settings if s["monitor"] == "EWMA" and s["make"])
    assert all(low < high for low, high in pairwise(romania_peers.DROPS))


@pytest.mark.parametrize(
    ("recall", "false", "kinds"),
    [
        (0.5, 0.0, {"default": DEFAULT, "best": "a", "rival": "b", "quiet": "b"}),
        (0.8, 0.1, {"default": DEFAULT, "best": "a", "rival": "a", "quiet": "a"}),
        (1.0, 0.0, {"default": DEFAULT, "best": "a", "quiet": "b"}),
    ],
)
def test_a_rival_finds_as_much_and_a_quiet_one_has_no_more_false_alarms(recall, false, kinds):
    def row(monitor, setting, found, false):
        lost, blocks = np.repeat([[True, False]], 10, axis=0), Blocks((10, 2), draws=5)
        alarm = np.full((10, 2), NEVER)
        alarm[: round(10 * found), 0] = alarm[: round(10 * false), 1] = D("2019-06-01")
        truth = Truth(lost, lost, ~lost, lost * 0.5, np.full((10, 2), D("2019-06-01")), np.full((10, 2), D("2019-05-01")))
        figures = score(alarm, truth, np.ones((1, 10, 2), bool), np.array([D("2019-06-01")]), blocks)
        return romania_peers.Row(monitor, setting, "", alarm, figures, 0.0, 0.0)

    peers = [row("EWMA", DEFAULT, 0.9, 0.9), row("EWMA", "a", 0.8, 0.1), row("EWMA", "b", 0.5, 0.0)]
    rows = romania_peers.chosen(peers, row("ours", "", recall, false))
    assert {r.why: r.setting for r in rows} == kinds

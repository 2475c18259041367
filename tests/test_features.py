"""The feature table in its order, the gate, haze and the two signs."""

import numpy as np
import pytest
from worlds import BANDS, FOREST, POND, SPOIL

from pipeline.features import (
    BELOW_FLOOR,
    COMMON_PIXELS,
    FEATURE_ORDER,
    common_falls,
    feature_table,
    gate,
    haze,
    shade,
    signs_of,
    usual_ndvi,
    vegetation_anomaly,
)

BURNT = (0.03, 0.04, 0.045, 0.12, 0.16, 0.14)
VEILED = tuple(v + d for v, d in zip(FOREST, (0.06, 0.055, 0.05, 0.03, 0.02, 0.01), strict=True))


def column(values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def by_band(values: tuple[float, ...]) -> dict[str, np.ndarray]:
    return dict(zip(BANDS, column(values), strict=True))


def row_of(now: tuple[float, ...], before: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(FEATURE_ORDER, feature_table(column(now), column(before))[0].tolist(), strict=True))


def test_a_row_holds_what_its_columns_say() -> None:
    row = row_of(SPOIL, FOREST)
    assert [row[f"current_{b}"] for b in BANDS] == pytest.approx(SPOIL)
    assert [row[f"reference_{b}"] for b in BANDS] == pytest.approx(FOREST)
    now, before = (0.292 - 0.198) / (0.292 + 0.198), (0.300 - 0.027) / (0.300 + 0.027)
    assert row["current_ndvi"] == pytest.approx(now, rel=1e-5)
    assert row["change_ndvi"] == pytest.approx(now - before, rel=1e-5)
    assert len(set(FEATURE_ORDER)) == len(FEATURE_ORDER) == 24


def test_a_missing_band_is_missing_and_not_zero() -> None:
    row = row_of((*FOREST[:5], np.nan), (*FOREST[:5], np.nan))
    assert {name for name, value in row.items() if np.isnan(value)} == {
        "current_swir22", "reference_swir22", "current_nbr", "change_nbr",
    }  # fmt: skip


@pytest.mark.parametrize(("now", "passes"), [(FOREST, False), (SPOIL, True), (POND, True), (BURNT, True)])
def test_the_gate_lets_change_through(now: tuple, passes: bool) -> None:
    assert gate(by_band(now), by_band(FOREST)).item() is passes


def test_the_gate_is_higher_where_vegetation_varies_by_itself() -> None:
    browner = (*FOREST[:2], 0.055, 0.270, *FOREST[4:])  # NDVI 0.83 -> 0.66
    assert gate(by_band(browner), by_band(FOREST)).item()
    assert not gate(by_band(browner), by_band(FOREST), 0.1).item()


def test_nothing_is_gated_where_nothing_is_known() -> None:
    assert not gate(by_band(SPOIL), by_band((np.nan,) * 6)).any()


@pytest.mark.parametrize(("now", "is_veiled"), [(FOREST, False), (SPOIL, False), (POND, False), (VEILED, True)])
def test_haze_is_blue(now: tuple, is_veiled: bool) -> None:
    assert haze(by_band(now), by_band(FOREST)).item() is is_veiled


def test_two_signs_that_do_not_follow_from_each_other() -> None:
    leafless = (0.03, 0.05, 0.055, 0.12, 0.165, 0.08)
    pairs = [(FOREST, FOREST), (leafless, FOREST), (POND, SPOIL), (SPOIL, FOREST)]
    table = np.concatenate([feature_table(column(a), column(b)) for a, b in pairs])
    table[1, FEATURE_ORDER.index("change_bsi")] = 0.0
    assert signs_of(table).tolist() == [0, 1, 2, 3]


def test_the_anomaly_is_one_half_at_a_tenth_below_the_floor() -> None:
    found = vegetation_anomaly(np.array([0.8, 0.7, 0.65, 0.2, 0.2]), np.array([0.8, 0.8, 0.8, 0.8, np.nan]))
    assert found[1] == pytest.approx(0.5)
    assert found[2] == pytest.approx(0.9, abs=0.01)
    assert found[3] > 0.999
    assert found[4] == 0.0
    assert (np.diff(found[:4]) > 0).all()


SHADED = tuple(0.6 * v for v in FOREST)
FELLED = (0.04, 0.06, 0.06, 0.22, 0.24, 0.14)


@pytest.mark.parametrize(
    ("now", "is_shaded"), [(FOREST, False), (SPOIL, False), (POND, False), (BURNT, False), (FELLED, False), (SHADED, True)]
)
def test_shade_darkens_and_leaves_the_green(now: tuple, is_shaded: bool) -> None:
    assert shade(by_band(now), by_band(FOREST)).item() is is_shaded


def test_what_all_like_ground_lost_is_no_clearing() -> None:
    floor = np.repeat(np.float32([0.85, 0.65]), 400)[None]
    ndvi = floor - np.float32(0.2)  # a drought; and
    ndvi[0, :100] = 0.2  # a clearing in the denser forest
    everywhere = np.ones(floor.shape, bool)
    assert common_falls(ndvi, floor, everywhere) == pytest.approx([0, 0, 0, 0, 0, 0, 0.2, 0, 0.2, 0], abs=1e-6)
    few = everywhere.copy()
    few[0, COMMON_PIXELS - 1 : 400] = False
    assert common_falls(ndvi, floor, few)[8] == 0.0
    assert (common_falls(floor + 0.1, floor, everywhere) == 0.0).all()
    assert (common_falls(ndvi, np.full_like(floor, np.nan), everywhere) == 0.0).all()


def test_what_is_usual_is_asked_by_the_stored_floor() -> None:
    falls = np.zeros(10, np.float32)
    falls[8] = 0.1  # ground of NDVI 0.8 and more lost a tenth together
    usual = usual_ndvi(falls)
    assert usual[[140, 170]] == pytest.approx([0.70 - BELOW_FLOOR, 0.85 - 0.1 - BELOW_FLOOR])
    assert np.isnan(usual[255])

"""Acquisitions: numbers to reflectance, and which scenes are used."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RadiometryUnknownError
from pipeline.scenes import Radiometry, Scene, baseline_number, centre_lon, choose_scenes, radiometry_of, solar_day

PLAIN = {"scale": 1e-4, "offset": 0, "nodata": 0}
SHIFTED = {"scale": 1e-4, "offset": -0.1, "nodata": 0}


def read(band, baseline="05.09", *, applied=None):
    return radiometry_of(band, processing_baseline=baseline, offset_applied=applied, where="S2_X, asset red")


# --- radiometry ----------------------------------------------------------------------------------------------------


def test_nodata_is_masked_before_the_offset():
    reflectance = Radiometry(1e-4, -0.1).to_reflectance(np.array([[0, 1000], [3000, 65535]], "u2"))
    assert np.isnan(reflectance[0, 0])
    np.testing.assert_allclose([reflectance[0, 1], reflectance[1, 0]], [0.0, 0.2], atol=1e-6)
    assert reflectance.dtype == np.float32


@given(st.floats(0.0, 1.0))
def test_the_same_ground_has_the_same_reflectance_before_and_after_the_offset(ground):
    before = np.array([max(1, round(ground / 1e-4))], "u2")
    after = np.array([round((ground + 0.1) / 1e-4)], "u2")
    old = read(PLAIN, "03.01", applied=False).to_reflectance(before)
    new = read(SHIFTED, "05.09", applied=False).to_reflectance(after)
    assert abs(float(old[0]) - float(new[0])) <= 1.001e-4
    assert float(new[0]) == pytest.approx(ground, abs=1e-4)


@pytest.mark.parametrize(
    ("band", "baseline", "applied", "offset"),
    [
        (SHIFTED, "05.09", False, -0.1),
        (SHIFTED, "05.09", None, -0.1),
        (SHIFTED, "", None, -0.1),  # the item states it: no baseline is needed
        (PLAIN, "03.01", False, 0.0),
        (PLAIN, "05.09", True, 0.0),
        (SHIFTED, "05.09", True, 0.0),  # the provider took it off, whatever raster:bands repeats
        ({"scale": 1e-4}, "05.09", True, 0.0),
        ({"scale": 1e-4}, "02.14", None, 0.0),  # no offset existed then
        (SHIFTED, "4.00", False, -0.1),
        (PLAIN, "5.9", None, 0.0),
    ],
)
def test_the_offset_that_an_item_states(band, baseline, applied, offset):
    assert read(band, baseline, applied=applied) == Radiometry(1e-4, offset, 0)


@pytest.mark.parametrize(
    ("band", "baseline", "applied", "found"),
    [
        ({}, "05.09", False, "found scale None"),
        ({"scale": 0, "offset": 0}, "03.01", False, "found scale 0"),
        ({"scale": float("nan"), "offset": 0}, "03.01", False, "found scale nan"),
        ({"scale": True, "offset": 0}, "03.01", False, "found scale True"),
        ({"scale": "0.0001", "offset": 0}, "03.01", False, "found scale '0.0001'"),
        ({"scale": 1e-4}, "05.09", False, "found offset None"),
        ({"scale": 1e-4}, "", None, "processing baseline unknown"),
        ({"scale": 1e-4}, "new", None, "found offset None"),
        ({"scale": 1e-4, "offset": float("nan")}, "05.09", False, "found offset nan"),
        ({"scale": 1e-4, "offset": -1000}, "05.09", False, "found offset -1000"),  # numbers, not reflectance
        (PLAIN, "05.09", False, "contradict"),
        (SHIFTED, "03.01", False, "contradict"),
        (SHIFTED, "2.14", None, "contradict"),  # older than 04.00 as a number, though not as text
    ],
)
def test_what_is_not_certain_is_refused_with_where_and_what_to_do(band, baseline, applied, found):
    with pytest.raises(RadiometryUnknownError, match="S2_X, asset red") as error:
        read(band, baseline, applied=applied)
    assert found in str(error.value)
    assert "expected" in str(error.value) or "correct" in str(error.value)


def test_stated_nodata_is_kept_and_a_strange_one_is_zero():
    assert read({**PLAIN, "nodata": 7}, "03.01").nodata == 7
    assert read({**PLAIN, "nodata": "nan"}, "03.01").nodata == 0
    assert read({**PLAIN, "nodata": None}, "03.01").nodata == 0


def test_baselines_compare_as_numbers():
    assert baseline_number("05.11") > baseline_number("5.2") > baseline_number("04.00") > baseline_number("N0214")
    assert [baseline_number(t) for t in ("", "5", "v5.09", "05.09.1")] == [None] * 4


# --- solar days ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lon", "utc", "day"),
    [
        (-63.0, "2024-05-01T14:30", date(2024, 5, 1)),
        (150.0, "2024-05-01T23:30", date(2024, 5, 2)),
        (-150.0, "2024-05-02T00:30", date(2024, 5, 1)),
        (179.9, "2024-05-01T22:30", date(2024, 5, 2)),
        (-179.9, "2024-05-01T22:30", date(2024, 5, 2)),  # the other side of the same pass
        (180.1, "2024-05-01T22:30", date(2024, 5, 2)),
    ],
)
def test_solar_day(lon, utc, day):
    assert solar_day(datetime.fromisoformat(utc).replace(tzinfo=UTC), lon) == day


@given(st.floats(-180.0, 180.0), st.dates(date(2016, 1, 1), date(2026, 1, 1)))
def test_a_morning_pass_is_on_its_own_day(lon, day):
    """Sentinel-2 passes at about half past ten of mean solar time, so the day never depends on seconds."""
    local = datetime(day.year, day.month, day.day, 10, 30, tzinfo=UTC)
    eastward = lon if lon >= -169.0 else lon + 360.0
    assert solar_day(local - timedelta(hours=eastward / 15.0), lon) == local.date()


def test_a_footprint_cut_at_the_antimeridian_has_its_centre_there():
    halves = shapely.union(shapely.box(179.0, -18.0, 180.0, -17.0), shapely.box(-180.0, -18.0, -179.6, -17.0))
    assert centre_lon(halves) == pytest.approx(179.7)
    assert centre_lon(shapely.box(-64, -9, -62, -8)) == pytest.approx(-63.0)


# --- choosing ------------------------------------------------------------------------------------------------------

WHOLE = shapely.box(-63.0, -9.0, -62.0, -8.0)
NORTH, SOUTH = shapely.box(-63.0, -8.6, -62.0, -8.0), shapely.box(-63.0, -9.0, -62.0, -8.4)


def scene(id_, *, baseline="05.09", day=1, tile="20LPR", footprint=WHOLE, hour=14, **more):
    sensed_at = datetime(2024, 5, day, hour, 30, tzinfo=UTC)
    take = more.pop("datatake_id", f"GS2A_{day}")
    return Scene(id_, sensed_at, "sentinel-2a", tile, take, baseline, footprint, {}, **more)


def ids(acquisitions):
    return [[s.id for s in a.scenes] for a in acquisitions]


def test_the_newest_baseline_of_a_datatake_wins():
    chosen, superseded = choose_scenes([scene("old", baseline="03.01"), scene("new", baseline="05.09")])
    assert ids(chosen) == [["new"]]
    assert [(s.scene.id, s.chosen.id) for s in superseded] == [("old", "new")]
    assert superseded[0].reason == "processing baseline 03.01 is older than 05.09 of new"


def test_baselines_are_compared_as_numbers_when_choosing():
    chosen, _ = choose_scenes([scene("a", baseline="5.2"), scene("b", baseline="05.11")])
    assert ids(chosen) == [["b"]]


def test_of_two_equal_ones_the_later_made_counts():
    chosen, superseded = choose_scenes([scene("a", created="2024-05-03"), scene("b", created="2024-05-02")])
    assert ids(chosen) == [["a"]]
    assert superseded[0].reason == "same datatake, tile and processing baseline as a"


def test_both_parts_of_a_split_tile_are_kept():
    chosen, superseded = choose_scenes([scene("south", footprint=SOUTH), scene("north", footprint=NORTH)])
    assert ids(chosen) == [["north", "south"]]
    assert superseded == []


def test_a_whole_tile_supersedes_old_parts_and_a_new_part_leaves_the_other_old_one():
    chosen, superseded = choose_scenes([
        scene("whole", baseline="05.09"),
        scene("north", baseline="03.01", footprint=NORTH),
        scene("south", baseline="03.01", footprint=SOUTH),
    ])  # fmt: skip
    assert ids(chosen) == [["whole"]]
    assert [s.scene.id for s in superseded] == ["north", "south"]
    chosen, superseded = choose_scenes([
        scene("new north", footprint=NORTH),
        scene("old north", baseline="03.01", footprint=NORTH),
        scene("old south", baseline="03.01", footprint=SOUTH),
    ])  # fmt: skip
    assert ids(chosen) == [["new north", "old south"]]


def test_other_tiles_and_other_datatakes_are_no_duplicates():
    chosen, superseded = choose_scenes([scene("a"), scene("b", tile="20LPQ"), scene("c", datatake_id="GS2B_1")])
    assert ids(chosen) == [["a", "b", "c"]]
    assert superseded == []


def test_acquisitions_are_solar_days_in_order():
    chosen, _ = choose_scenes([scene("late", day=9), scene("early", day=2)])
    assert [a.solar_day for a in chosen] == [date(2024, 5, 2), date(2024, 5, 9)]


def test_one_pass_on_both_sides_of_180_degrees_is_one_acquisition():
    """Else the overlap of the tiles would count as two looks on two days."""
    west = scene("60", tile="60KXX", footprint=shapely.box(178.9, -18.0, 179.9, -17.0), hour=22)
    east = scene("01", tile="01KAA", footprint=shapely.box(-179.9, -18.0, -179.0, -17.0), hour=22)
    cut = shapely.union(shapely.box(179.8, -18.0, 180.0, -17.0), shapely.box(-180.0, -18.0, -179.2, -17.0))
    chosen, _ = choose_scenes([west, east, scene("cut", tile="01KAB", footprint=cut, hour=22)])
    assert [a.solar_day for a in chosen] == [date(2024, 5, 2)]
    assert sorted(ids(chosen)[0]) == ["01", "60", "cut"]


catalogue = st.lists(
    st.builds(
        lambda number, baseline, day, footprint, tile: scene(
            f"S{number}", baseline=baseline, day=day, footprint=footprint, tile=tile
        ),
        st.integers(0, 999), st.sampled_from(["03.01", "05.09", "05.11", ""]), st.integers(1, 3),
        st.sampled_from([WHOLE, NORTH, SOUTH]), st.sampled_from(["20LPR", "20LPQ"]),
    ),
    max_size=8, unique_by=lambda s: s.id,
)  # fmt: skip


@given(catalogue, st.randoms())
def test_the_order_of_the_catalogue_does_not_matter_and_nothing_is_lost(scenes, random):
    shuffled = list(scenes)
    random.shuffle(shuffled)
    chosen, superseded = choose_scenes(scenes)
    assert (chosen, superseded) == choose_scenes(shuffled)
    kept = {s.id for a in chosen for s in a.scenes}
    assert kept | {s.scene.id for s in superseded} == {s.id for s in scenes}
    assert not kept & {s.scene.id for s in superseded}
    assert {s.chosen.id for s in superseded} <= kept

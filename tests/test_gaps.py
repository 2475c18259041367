"""Revisit gaps: passes that a catalogue should have and does not."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.scenes.gaps import CYCLE_DAYS, LATE_SLOTS, revisit_gaps

TILE = "20LPR"
START = date(2023, 1, 3)


def series(count, without=(), step_days=CYCLE_DAYS, start=START, tile=TILE):
    return [(tile, start + timedelta(days=step_days * n)) for n in range(count) if n not in without]


def days_of(gaps):
    return [gap.solar_day for gap in gaps]


def slot(n, start=START):
    return start + timedelta(days=CYCLE_DAYS * n)


def test_a_pass_that_is_not_listed_amid_others_is_a_gap_and_says_why():
    (gap,) = revisit_gaps(series(20, without={9}), slot(19))
    assert (gap.tile, gap.solar_day) == (TILE, slot(9))
    assert gap.reason == "6 of the 6 passes before it and 6 of the 6 passes after it are listed"


def test_an_outage_of_three_passes_is_three_gaps():
    assert days_of(revisit_gaps(series(20, without={8, 9, 10}), slot(19))) == [slot(8), slot(9), slot(10)]


def test_two_satellites_and_two_tiles_are_series_of_their_own():
    other = START + timedelta(days=5)
    passes = series(20, {4}) + series(20, {11}, start=other) + series(20, tile="20LPQ")
    gaps = revisit_gaps(passes, slot(19))
    assert [(g.tile, g.solar_day) for g in gaps] == [(TILE, slot(4)), (TILE, slot(11, other))]


def test_parts_and_reprocessed_copies_of_a_day_are_one_pass():
    assert revisit_gaps(series(20) * 3, slot(19)) == []


def test_passes_that_stopped_are_asked_for_three_times_and_not_for_ever():
    gaps = revisit_gaps(series(20), slot(100))
    assert days_of(gaps) == [slot(20), slot(21), slot(22)]
    assert gaps[1].reason == "6 of the 6 passes up to 20 days before it are listed and none since"


def test_a_pass_is_not_missing_before_it_can_be_published():
    assert revisit_gaps(series(20), slot(20) + timedelta(days=1)) == []
    assert days_of(revisit_gaps(series(20), slot(20) + timedelta(days=2))) == [slot(20)]


def test_years_in_which_every_second_pass_was_recorded_are_no_flood():
    early = series(40, step_days=20, start=slot(-80))
    assert revisit_gaps(early, early[-1][1]) == []
    assert days_of(revisit_gaps(early + series(30, {12}), slot(29))) == [slot(12)]


def test_monthly_mosaics_have_no_gaps():
    months = [(TILE, date(2018 + n // 12, n % 12 + 1, 1)) for n in range(72)]
    assert revisit_gaps(months, date(2023, 12, 31)) == []
    assert revisit_gaps(series(60, step_days=30), slot(180)) == []


def test_a_few_passes_say_nothing():
    assert revisit_gaps(series(5, {1}), slot(30)) == []
    assert revisit_gaps([], START) == []


def test_catalogues_of_cloudless_dates_only_have_hardly_any_gaps():
    # every third date kept, then two in a row, as clouds would leave them
    kept = {0, 3, 4, 8, 11, 12, 15, 19, 20, 24, 27, 28, 30}
    assert revisit_gaps(series(31, set(range(31)) - kept), slot(30)) == []


@given(st.integers(7, 60), st.integers(0, 9), st.data())
def test_removing_one_inner_pass_gives_exactly_that_gap(count, shift, data):
    start = START + timedelta(days=shift)
    missing = data.draw(st.integers(1, count - 2))
    passes = data.draw(st.permutations(series(count, {missing}, start=start)))
    assert days_of(revisit_gaps(passes, slot(count - 1, start))) == [slot(missing, start)]


@given(st.integers(1, 60), st.integers(0, CYCLE_DAYS + 1))
def test_a_complete_series_has_none(count, wait_days):
    assert revisit_gaps(series(count), slot(count - 1) + timedelta(days=wait_days)) == []


@given(st.lists(st.tuples(st.sampled_from(["20LPR", "31UFU"]), st.dates(date(2020, 1, 1), date(2020, 12, 31)))), st.randoms())
def test_order_does_not_matter_and_what_is_listed_is_no_gap(passes, random):
    gaps = revisit_gaps(passes, date(2021, 1, 1))
    shuffled = passes.copy()
    random.shuffle(shuffled)
    assert revisit_gaps(shuffled, date(2021, 1, 1)) == gaps
    assert not {(g.tile, g.solar_day) for g in gaps} & set(passes)


@given(st.sets(st.integers(0, 40)), st.integers(0, 60))
def test_after_the_last_pass_at_most_a_few_are_asked_for(slots, until):
    passes = [(TILE, slot(n)) for n in slots]
    late = [g for g in revisit_gaps(passes, slot(until)) if g.solar_day > max(day for _, day in passes)]
    assert len(late) <= LATE_SLOTS
    assert all(g.solar_day <= slot(until) - timedelta(days=2) for g in late)

"""One named pixel for each code, dates that bound the beginning, and days that add up."""

from datetime import date, timedelta
from tempfile import TemporaryDirectory

import dense_monitor
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.states import StateFolder
from pipeline.io.storage import storage_at
from pipeline.monitor import LookEvidence, PixelCode, PixelState, day_number, day_of, empty_state, state_arrays, take_look
from pipeline.scenes import BANDS

START = date(2024, 1, 1)
STABLE, CHANGED, UNSEEN = 0.01, 0.99, None


def look(state: PixelState, chances: list[float | None], n: int, signs: int = 3) -> PixelState:
    """The state after a day on which each pixel shows change with a probability, or is not seen."""
    clear = np.array([[c is not None for c in chances]])
    where = np.flatnonzero(clear)
    p = np.array([c for c in chances if c is not None], np.float32)
    classes = np.zeros((len(p), 9), np.float32)
    classes[:, 0], classes[:, 2] = 1 - p, p
    evidence = LookEvidence(
        where, p, np.ones(len(p), np.float32), classes, np.full(len(p), signs, np.uint8), np.full((len(BANDS), len(p)), 0.1)
    )
    return take_look(state, clear, np.zeros_like(clear), evidence, START + timedelta(days=10 * n))


HISTORIES = {
    PixelCode.NONE: [STABLE] * 8,
    PixelCode.FIRST: [STABLE] * 7 + [0.8],
    PixelCode.PROVISIONAL: [STABLE] * 7 + [CHANGED],
    PixelCode.CONFIRMED: [STABLE] * 5 + [CHANGED] * 3,
    PixelCode.FINISHED: [CHANGED] * 3 + [STABLE] * 5,
}


def after(histories: list[list[float | None]]) -> PixelState:
    state = empty_state((1, len(histories)))
    for n, chances in enumerate(zip(*histories, strict=True)):
        state = look(state, list(chances), n)
    return state


def test_each_code_is_reached_by_one_named_history() -> None:
    assert set(HISTORIES) == set(PixelCode)
    state = after(list(HISTORIES.values()))
    assert dict(zip(HISTORIES, map(PixelCode, state.plane("code")[0].tolist()), strict=True)) == {c: c for c in HISTORIES}


def test_the_dates_bound_the_beginning() -> None:
    state = after([[STABLE, STABLE, UNSEEN, CHANGED, CHANGED]])
    assert day_of(state.last_unchanged_on[0, 0]) == date(2024, 1, 11)
    assert day_of(state.plane("first_changed_on")[0, 0]) == date(2024, 1, 31)
    assert day_of(state.plane("confirmed_on")[0, 0]) == date(2024, 2, 10)


def test_without_the_second_sign_nothing_gets_past_the_first_look() -> None:
    state = empty_state((1, 1))
    for n in range(6):
        state = look(state, [CHANGED], n, signs=1)
    assert state.plane("code")[0, 0] == PixelCode.FIRST


def test_what_is_not_seen_keeps_its_state() -> None:
    before = after([[CHANGED, CHANGED, CHANGED]])
    later = look(before, [UNSEEN], 9)
    assert all(np.array_equal(a, state_arrays(later)[name]) for name, a in state_arrays(before).items())


chance = st.one_of(st.none(), st.floats(0.0, 1.0))


@given(st.lists(st.lists(chance, min_size=3, max_size=3), min_size=1, max_size=12))
def test_log_odds_stay_between_floor_and_ceiling_and_codes_need_looks(days: list[list[float | None]]) -> None:
    state = empty_state((1, 3))
    for n, chances in enumerate(days):
        state = look(state, chances, n)
    assert ((state.plane("log_odds") >= -3.0) & (state.plane("log_odds") <= 6.0)).all()
    assert (state.clear_looks[0] == [sum(d[i] is not None for d in days) for i in range(3)]).all()
    assert (state.plane("confirmed_on")[state.plane("code") >= PixelCode.CONFIRMED] > 0).all()


@given(st.lists(st.lists(chance, min_size=3, max_size=3), min_size=1, max_size=8))
def test_days_taken_night_by_night_from_disk_give_what_one_pass_gives(days: list[list[float | None]]) -> None:
    one = nights = empty_state((1, 3))
    with TemporaryDirectory() as folder:
        files = StateFolder(storage_at(folder))
        for n, chances in enumerate(days):
            one = look(one, chances, n)
            nights = files.read_state(files.write_state(f"c1-{n}", look(nights, chances, n)))
    for name, array in state_arrays(one).items():
        assert array.tobytes() == state_arrays(nights)[name].tobytes(), name
        assert array.dtype == state_arrays(nights)[name].dtype, name


def test_a_day_out_of_history_is_refused() -> None:
    with pytest.raises(ValueError, match="before the first Sentinel-2 scene"):
        day_number(date(2014, 12, 31))


@given(st.dates(date(2015, 1, 2), date(2100, 1, 1)))
def test_days_come_back_as_they_were_stored(day: date) -> None:
    assert day_of(day_number(day)) == day


def test_a_flag_that_returns_is_counted_and_a_clear_look_forgets_it() -> None:
    nothing = LookEvidence(
        np.zeros(0, int), *(np.zeros(0, np.float32),) * 2, np.zeros((0, 9), np.float32), np.zeros(0, np.uint8), np.zeros((6, 0))
    )
    state, yes, no = empty_state((1, 1)), np.ones((1, 1), bool), np.zeros((1, 1), bool)
    counts = []
    for n, (clear, doubtful) in enumerate([(no, yes), (no, no), (yes, yes), (yes, no)]):
        state = take_look(state, clear, doubtful, nothing, START + timedelta(days=n))
        counts.append(int(state.plane("doubtful")[0, 0]))
    assert counts == [1, 1, 2, 0]


evidence_days = st.lists(
    st.tuples(st.lists(chance, min_size=4, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4), st.integers(0, 3)),
    min_size=1, max_size=12,
)  # fmt: skip


@given(evidence_days)
def test_the_table_of_followed_pixels_tells_what_whole_arrays_told(days: list) -> None:
    """What is left in whole arrays of looks that a later one refuted is not told of anywhere, and not compared."""
    table, dense = empty_state((1, 4)), dense_monitor.empty_state((1, 4))
    for n, (chances, flags, signs) in enumerate(days):
        clear, doubtful = np.array([[c is not None for c in chances]]), np.array([flags])
        where = np.flatnonzero(clear)
        p = np.array([c for c in chances if c is not None], np.float32)
        classes = np.stack([1 - p, p, *[np.zeros_like(p)] * 7], axis=1)
        evidence = LookEvidence(
            where,
            p,
            np.float32(1) - p / 4,
            classes,
            np.full(len(p), signs, np.uint8),
            np.full((6, len(p)), 0.01 * n, np.float32),
        )
        day = START + timedelta(days=5 * n)
        table, dense = (
            take_look(table, clear, doubtful, evidence, day),
            dense_monitor.take_look(dense, clear, doubtful, evidence, day),
        )
    for name in (
        "log_odds",
        "code",
        "clear_looks",
        "changed_looks",
        "signs",
        "doubtful",
        "last_unchanged_on",
        "first_changed_on",
    ):
        np.testing.assert_array_equal(table.plane(name), getattr(dense, name), name)
    told = dense.code >= PixelCode.PROVISIONAL
    for name in ("confirmed_on", "last_changed_on"):
        np.testing.assert_array_equal(table.plane(name)[told], getattr(dense, name)[told], name)
    np.testing.assert_array_equal(table.plane("likeness")[told], dense.likeness[:, told].T)
    np.testing.assert_array_equal(table.plane("seen_as")[told], dense.seen_as[:, told].T)

"""The cadastre registry: what was known on a day about a day, and what changed from one snapshot to the next."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import CadastreUnknownError
from pipeline.io.registry import open_registry
from pipeline.io.title_records import snapshot_of, snapshot_text, title_of, title_text
from pipeline.tenure import (
    ChangeKind,
    CountryRules,
    Doubt,
    Refusal,
    Repair,
    RiverBuffer,
    Snapshot,
    Suspension,
    Title,
    TitleKind,
    TitleStatus,
    UnknownCode,
    differences,
)

SQUARE = shapely.box(-1.70, 6.00, -1.69, 6.01)
NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)


def title(title_id="T1", **changes):
    plain = Title(title_id, "", "Holder 1", TitleKind.EXPLOITATION, TitleStatus.ACTIVE, date(2020, 1, 1), date(2024, 12, 31),
                  ("gold",), SQUARE, snapshot="a" * 64)  # fmt: skip
    return replace(plain, **changes)


def snapshot(retrieved_on, letter="a", register="ghana", count=1, **more):
    return Snapshot("titles", retrieved_on, letter * 64, count, register=register, **more)


@pytest.fixture
def registry(tmp_path):
    return open_registry(tmp_path / "cadastre.sqlite")


@pytest.fixture
def extended(registry):
    """T1 ends in 2024 by the snapshot of May 2023, in 2029 by that of May 2025."""
    old = registry.take([title()], snapshot(date(2023, 5, 1)), taken_at=NOON)
    new = registry.take([title(valid_to=date(2029, 12, 31), snapshot="b" * 64)], snapshot(date(2025, 5, 1), "b"), taken_at=NOON)
    return registry, old, new


# --- two times --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("known_on", "last_day"), [
    ("2023-05-01", date(2024, 12, 31)),
    ("2025-04-30", date(2024, 12, 31)),
    ("2025-05-01", date(2029, 12, 31)),
])  # fmt: skip
def test_what_was_believed_on_a_day_is_what_the_last_snapshot_by_then_said(extended, known_on, last_day):
    registry, _, _ = extended
    held = registry.known_on("ghana", date.fromisoformat(known_on))
    assert [t.valid_to for t in registry.titles(held)] == [last_day]


def test_before_the_first_snapshot_nothing_was_known(extended):
    assert extended[0].known_on("ghana", date(2023, 4, 30)) is None
    assert extended[0].known_on("peru", date(2025, 5, 1)) is None


def test_a_snapshot_that_is_taken_in_late_counts_by_its_own_day_and_leaves_what_could_be_said_before(extended):
    registry, _, _ = extended
    late = registry.take(
        [title(valid_to=date(2027, 1, 1))], snapshot(date(2024, 5, 1), "c"), taken_at=datetime(2025, 6, 1, tzinfo=UTC)
    )
    assert registry.known_on("ghana", date(2024, 6, 1)) == replace(late, is_new=False)
    assert registry.known_on("ghana", date(2024, 6, 1), taken_by=date(2025, 5, 31)).retrieved_on == date(2023, 5, 1)
    assert registry.known_on("ghana", date(2025, 6, 1)).retrieved_on == date(2025, 5, 1)


def test_the_same_file_of_the_same_day_is_held_once(extended):
    registry, old, _ = extended
    again = registry.take([title()], snapshot(date(2023, 5, 1)), taken_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert (again.seq, again.is_new, again.taken_at) == (old.seq, False, NOON)
    assert len(registry.holdings()) == 2


def test_the_same_file_of_another_day_is_another_snapshot_and_shares_its_records(extended):
    registry, _, new = extended
    titles = registry.titles(new)
    later = registry.take(titles, snapshot(date(2025, 8, 1), "b"), taken_at=NOON)
    assert later.seq == 3
    assert differences(registry.titles(later), titles) == []


def test_imports_at_the_same_time_wait_for_each_other(tmp_path):
    def take(number):
        book = open_registry(tmp_path / "cadastre.sqlite")
        return book.take([title()], snapshot(date(2025, 1, 1 + number), "abcdefgh"[number]), taken_at=NOON).seq

    open_registry(tmp_path / "cadastre.sqlite")
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(take, range(8))) == list(range(1, 9))


def test_a_snapshot_without_its_day_is_refused(registry):
    with pytest.raises(ValueError, match="without the day"):
        registry.take([title()], snapshot(None), taken_at=NOON)


def test_titles_come_back_in_the_order_of_their_file(registry):
    titles = [title("B"), title("A"), title("B", holder="Holder 2")]
    held = registry.take(titles, snapshot(date(2025, 1, 1), count=3), taken_at=NOON)
    assert registry.titles(held) == titles


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["2", "#2", "ghana", "bbbb"])
def test_a_snapshot_is_named_by_number_register_or_digest(extended, key):
    assert extended[0].find(key).seq == 2


def test_an_unknown_name_tells_what_there_is(extended):
    with pytest.raises(CadastreUnknownError, match=r"1 \(ghana, retrieved on 2023-05-01\), 2 \(ghana"):
        extended[0].find("peru")


def test_a_title_is_told_by_every_snapshot_of_its_register_also_by_those_that_leave_it_out(extended):
    registry, _, _ = extended
    registry.take([title("T2")], snapshot(date(2025, 9, 1), "d"), taken_at=NOON)
    registry.take([title("P1")], snapshot(date(2025, 9, 1), "e", register="peru"), taken_at=NOON)
    told = registry.history("T1")
    assert [(h.retrieved_on.year, [t.valid_to.year for t in titles]) for h, titles in told] == [
        (2023, [2024]), (2025, [2029]), (2025, []),
    ]  # fmt: skip


def test_a_title_that_no_snapshot_lists_is_named(extended):
    with pytest.raises(CadastreUnknownError, match="'T9': found in none of 2 snapshots"):
        extended[0].history("T9")


# --- what changed -----------------------------------------------------------------------------------------------------

EAST = shapely.box(-1.69, 6.00, -1.68, 6.01)
CHANGES = {
    ChangeKind.EXTENDED: ({"valid_to": date(2029, 12, 31)}, "ends on 2029-12-31, before: on 2024-12-31"),
    ChangeKind.SHORTENED: ({"valid_to": date(2021, 1, 1)}, "ends on 2021-01-01, before: on 2024-12-31"),
    ChangeKind.REDATED: ({"valid_from": None}, "begins on no stated day, before: on 2020-01-01"),
    ChangeKind.HOLDER: ({"holder": "Holder 2"}, "is with another holder"),
    ChangeKind.STAGE: ({"kind": TitleKind.EXPLORATION}, "is of the kind exploration, before: exploitation"),
    ChangeKind.STATUS: ({"status": TitleStatus.SUSPENDED}, "is called suspended, before: active"),
    ChangeKind.MINERALS: ({"minerals": ("gold", "tin")}, "is for gold, tin, before: gold"),
    ChangeKind.REDRAWN: ({"geometry": SQUARE.union(EAST)}, "has 122.433 ha more and 0.000 ha less"),
    ChangeKind.RENUMBERED: ({"title_id": "T2"}, "has the outline of title T1, which is no longer listed"),
}


@pytest.mark.parametrize("kind", CHANGES, ids=str)
def test_one_named_example_for_each_change(kind):
    changes, text = CHANGES[kind]
    (change,) = differences([title()], [title(**changes)])
    assert (change.kind, change.text) == (kind, text)


def test_every_change_has_an_example():
    assert set(CHANGES) | {ChangeKind.NEW, ChangeKind.GONE} == set(ChangeKind)


def test_what_came_and_what_went():
    changes = differences([title("A")], [title("B", geometry=EAST)])
    assert [(c.kind, c.title_id) for c in changes] == [(ChangeKind.GONE, "A"), (ChangeKind.NEW, "B")]


def test_an_open_end_is_later_than_any_day():
    assert differences([title()], [title(valid_to=None)])[0].kind is ChangeKind.EXTENDED
    assert differences([title(valid_to=None)], [title()])[0].kind is ChangeKind.SHORTENED


def test_a_ring_that_begins_elsewhere_is_the_same_ground():
    turned = shapely.Polygon([*SQUARE.exterior.coords[2:], *SQUARE.exterior.coords[1:3]])
    assert differences([title()], [title(geometry=turned)]) == []


def test_an_id_that_stands_twice_is_matched_by_what_it_says_and_by_its_ground():
    before = [title(geometry=SQUARE), title(geometry=EAST)]
    after = [title(geometry=EAST, holder="Holder 2"), title(geometry=SQUARE)]
    (change,) = differences(before, after)
    assert change.kind is ChangeKind.HOLDER
    assert change.before.geometry == EAST


titles = st.lists(
    st.builds(
        title,
        title_id=st.sampled_from("ABC"),
        holder=st.sampled_from(["Holder 1", "Holder 2"]),
        valid_to=st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2030, 1, 1))),
        geometry=st.integers(0, 3).map(lambda n: shapely.box(n, 0, n + 1, 1)),
    ),
    max_size=5,
)


@given(titles, titles, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_every_title_is_accounted_for_and_order_never_matters(before, after, random):
    changes = differences(before, after)
    gone = sum(c.kind is ChangeKind.GONE for c in changes)
    new = sum(c.kind is ChangeKind.NEW for c in changes)
    assert len(before) - gone == len(after) - new
    assert differences(before, before) == []
    shuffled = [random.sample(side, len(side)) for side in (before, after)]
    assert [(c.kind, c.title_id, c.text) for c in differences(*shuffled)] == [(c.kind, c.title_id, c.text) for c in changes]


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_title_comes_back_equal_with_everything_it_says():
    full = title(
        name="Minério «São João»",
        kind_since=date(2021, 1, 1),
        suspensions=(Suspension(date(2022, 1, 1), date(2022, 6, 30)), Suspension(date(2024, 1, 1), None)),
        doubts=(Doubt("status", "its status 'x' is not known"),),
    )
    assert title_of(title_text(full), shapely.to_wkb(full.geometry), full.snapshot) == full


def test_a_snapshot_comes_back_equal_with_everything_it_says():
    full = snapshot(
        date(2025, 1, 1),
        refused=(Refusal("T2", 2, "Point", "it is a Point", shapely.Point(1, 2)), Refusal("T3", 3, "null", "none", None)),
        repaired=(Repair("T4", 4, "Self-intersection", 1.0, 2.0),),
        unknown_codes=(UnknownCode("status", "?", 2),),
        columns=(("title_id", "CODIGOU"),),
        unused_columns=("x",),
        notes=("1 ids stand more than once",),
        lacks=("leases",),
        rules=CountryRules(
            extraction={TitleKind.EXPLOITATION: frozenset({"gold", "tin"}), TitleKind.OTHER: frozenset()},
            prohibited_kinds=frozenset({TitleKind.OTHER}),
            river_buffer=RiverBuffer(30.0, "a law"),
            sources=("a law",),
        ),
        outline_m=5.0,
        transformation="PSAD56 to WGS 84 (1)",
        transformation_m=17.0,
    )
    assert snapshot_of(snapshot_text(full)) == full

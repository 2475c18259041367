"""What was known of the law on each day, whom a change of it concerns, and ground that no title opens."""

from dataclasses import replace
from datetime import date

import pytest
import shapely

from pipeline.tenure import (
    CountryRules,
    Law,
    LawBook,
    Refusal,
    River,
    RiverBuffer,
    RiverIndex,
    Snapshot,
    Suspension,
    TenureRules,
    Title,
    TitleIndex,
    TitleKind,
    TitleStatus,
    combined,
    is_touched,
    restrictions,
    turning_days,
)

METRE = 1 / 111_320
RULES = TenureRules()


def rect(left, bottom, right, top):
    """A rectangle about so many metres east and north of a place on the equator."""
    return shapely.box(left * METRE, bottom * METRE, right * METRE, top * METRE)


def title(title_id="T1", outline=None, **changes):
    plain = Title(title_id, "", "", TitleKind.EXPLOITATION, TitleStatus.ACTIVE, date(2020, 1, 1), date(2029, 12, 31), (),
                  rect(0, 0, 1000, 1000) if outline is None else outline, "a" * 64)  # fmt: skip
    return replace(plain, **changes)


def snapshot(day, letter="a", **more):
    return Snapshot("titles", date.fromisoformat(day), letter * 64, 1, **more)


def law(*titles, day="2024-01-01", **more):
    return Law(TitleIndex(titles), (snapshot(day, **more),))


def book(*laws):
    return LawBook({entry.snapshots[0].retrieved_on: entry for entry in laws}, RULES)


# --- the law of a day -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "of"), [
    ("2023-06-01", "2024-01-01"),
    ("2024-01-01", "2024-01-01"),
    ("2024-12-31", "2024-01-01"),
    ("2025-01-01", "2025-01-01"),
])  # fmt: skip
def test_the_law_of_a_day_is_the_latest_by_then_and_before_the_first_the_first(day, of):
    told = book(law(title()), law(title("T2"), day="2025-01-01")).on(date.fromisoformat(day))
    assert told.snapshots[0].retrieved_on.isoformat() == of


def test_registers_are_put_together_by_the_day_on_which_each_is_known():
    def known(register, day):
        return {date.fromisoformat(day): ((title(register + day),), (snapshot(day, register=register),))}

    told = combined([known("a", "2024-01-01") | known("a", "2024-03-01"), known("b", "2024-02-01")])
    assert {day.isoformat(): [t.title_id for t in titles] for day, (titles, _) in told.items()} == {
        "2024-01-01": ["a2024-01-01", "b2024-02-01"],
        "2024-02-01": ["a2024-01-01", "b2024-02-01"],
        "2024-03-01": ["a2024-03-01", "b2024-02-01"],
    }


def test_turning_days_are_first_days_and_days_after_the_last_of_title_stage_and_suspension():
    turned = title(
        kind_since=date(2021, 1, 1),
        suspensions=(Suspension(date(2022, 1, 1), date(2022, 6, 30)), Suspension(date(2024, 5, 1), None)),
    )
    assert sorted(day.isoformat() for day in turning_days(turned)) == [
        "2020-01-01", "2021-01-01", "2022-01-01", "2022-07-01", "2024-05-01", "2030-01-01",
    ]  # fmt: skip


def test_days_of_a_book_are_those_of_titles_while_they_are_known_and_those_of_snapshots():
    first = law(title(valid_to=date(2024, 6, 30)), title("T2", valid_to=date(2025, 6, 30)))
    second = law(title(valid_to=date(2026, 6, 30)), day="2025-01-01")
    days = book(first, second).days(date(2024, 1, 1), date(2027, 1, 1))
    assert [day.isoformat() for day in days] == ["2024-07-01", "2025-01-01", "2026-07-01"]


def test_the_day_on_which_a_snapshot_grows_stale_concerns_every_site():
    told = book(law(title()))
    (day,) = told.days(date(2026, 1, 1), date(2028, 1, 1))
    assert (day - date(2024, 1, 1)).days == RULES.stale_after_days + 1
    assert told.touched(day) is None


# --- whom a change concerns -------------------------------------------------------------------------------------------


def touched(told, day):
    found = told.touched(date.fromisoformat(day))
    return None if found is None else [t.title_id for t in found.records]


def test_a_title_that_ends_concerns_its_own_ground_only():
    told = book(law(title(valid_to=date(2024, 6, 30)), title("T2", rect(5000, 0, 6000, 1000))))
    assert touched(told, "2024-07-01") == ["T1"]
    ended = told.touched(date(2024, 7, 1))
    assert is_touched(rect(900, 900, 1100, 1100), ended, 20)
    assert is_touched(rect(1010, 0, 1100, 100), ended, 20)
    assert not is_touched(rect(5100, 100, 5200, 200), ended, 20)
    assert is_touched(rect(5100, 100, 5200, 200), None, 20)


def test_a_new_snapshot_concerns_the_titles_that_changed_with_their_old_ground_and_their_new():
    before = law(title(), title("T2", rect(5000, 0, 6000, 1000)), title("T3", rect(9000, 0, 9500, 500)))
    moved = rect(7000, 0, 8000, 1000)
    after = law(title(), title("T2", moved), day="2025-01-01")
    assert touched(book(before, after), "2025-01-01") == ["T2", "T2", "T3"]


def test_a_new_snapshot_that_says_the_same_concerns_nobody():
    assert touched(book(law(title()), law(title(snapshot="b" * 64), day="2025-01-01")), "2025-01-01") == []


@pytest.mark.parametrize(
    "more",
    [
        {"refused": (Refusal("T9", 9, "Point", "it is a Point", shapely.Point(0, 0)),)},
        {"transformation_m": 5.0},
        {"rules": CountryRules(prohibited_kinds=frozenset({TitleKind.OTHER}))},
    ],
    ids=["refused", "transformation", "rules"],
)
def test_a_new_snapshot_that_differs_beside_its_titles_concerns_every_site(more):
    assert touched(book(law(title()), law(title(), day="2025-01-01", **more)), "2025-01-01") is None


# --- closed ground ----------------------------------------------------------------------------------------------------

CLOSED = CountryRules(prohibited_kinds=frozenset({TitleKind.OTHER}), sources=("an article",))
STRIP = CountryRules(river_buffer=RiverBuffer(30.0, "a forest act"))
SITE = rect(0, 0, 100, 100)
ON = date(2025, 1, 1)


def test_a_closed_zone_is_told_with_its_hectares_and_provision():
    zone = title("Z1", rect(50, 0, 200, 100), kind=TitleKind.OTHER, valid_to=None)
    (told,) = restrictions(SITE, law(zone, title(), rules=CLOSED), on=ON)
    assert told == {
        "kind": "closed_zone", "name": "Z1", "overlap_ha": pytest.approx(0.494, abs=0.006), "width_m": None,
        "provision": "an article",
    }  # fmt: skip


@pytest.mark.parametrize("changes", [{"valid_from": date(2025, 1, 2)}, {"valid_to": date(2024, 12, 31)}], ids=["later", "over"])
def test_a_zone_that_is_not_closed_on_the_day_is_not_told(changes):
    zone = title("Z1", rect(50, 0, 200, 100), kind=TitleKind.OTHER, **changes)
    assert restrictions(SITE, law(zone, rules=CLOSED), on=ON) == []


def test_without_a_rule_nothing_is_closed():
    water = RiverIndex([River("Río", rect(-50, -500, -10, 500))])
    zone = title("Z1", kind=TitleKind.OTHER)
    assert restrictions(SITE, replace(law(zone), rivers=water), on=ON) == []


@pytest.mark.parametrize(("water", "metres"), [
    (rect(-50, -500, -10, 500), 20),
    (shapely.LineString([(-10 * METRE, -500 * METRE), (-10 * METRE, 500 * METRE)]), 20),
    (rect(-50, -500, 40, 500), 70),
    (rect(-90, -500, -31, 500), 0),
], ids=["polygon", "line", "inside", "too far"])  # fmt: skip
def test_a_strip_along_a_river_is_measured_from_its_edge(water, metres):
    told = restrictions(SITE, replace(law(rules=STRIP), rivers=RiverIndex([River("Río", water)])), on=ON)
    if metres == 0:
        assert told == []
    else:
        (strip,) = told
        assert strip["overlap_ha"] == pytest.approx(metres * 100 / 10_000, rel=0.02)
        assert (strip["kind"], strip["name"], strip["width_m"], strip["provision"]) == (
            "river_strip",
            "Río",
            30.0,
            "a forest act",
        )

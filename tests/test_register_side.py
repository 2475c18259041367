"""What detections say about a register, by hand."""

from dataclasses import replace
from datetime import date

import pytest
import shapely

from pipeline.tenure import (
    AreaIndex,
    AreaKind,
    Detection,
    Listing,
    ProtectedArea,
    Snapshot,
    TenureRules,
    Title,
    TitleIndex,
    TitleKind,
    TitleStatus,
    listing_over,
    titles_after_detections,
    titles_in_protected,
    titles_without_work,
)

METRE = 1 / 111_320
SNAPSHOT = Snapshot("titles", date(2025, 1, 1), "a" * 64, 1, register="ghana")
ON = date(2025, 6, 1)


def rect(left, bottom, right, top):
    """A rectangle about so many metres east and north of a place on the equator."""
    return shapely.box(left * METRE, bottom * METRE, right * METRE, top * METRE)


def title(title_id="T1", outline=None, **changes):
    plain = Title(title_id, "", "", TitleKind.EXPLOITATION, TitleStatus.ACTIVE, date(2020, 1, 1), date(2029, 12, 31), (),
                  rect(0, 0, 1000, 1000) if outline is None else outline, "a" * 64)  # fmt: skip
    return replace(plain, **changes)


SITE = Detection("S1", rect(100, 100, 300, 300), date(2024, 3, 1))


def after(told, history=()):
    return titles_after_detections(TitleIndex([told]), [SITE], {told.title_id: history}, "ghana")


def test_a_title_that_begins_after_the_work_is_told():
    (found,) = after(title(valid_from=date(2024, 9, 1)))
    assert (found.kind, found.title_id, found.other) == ("after_detection", "T1", "S1")
    assert found.overlap_ha == pytest.approx(3.952, abs=0.03)
    assert found.text == "Title T1 begins on 2024-09-01; work on it was first detected on 2024-03-01."


def test_a_title_that_was_listed_after_the_work_with_a_day_before_it_is_told():
    history = [(date(2024, 1, 1), []), (date(2024, 6, 1), [title()])]
    (found,) = after(title(), history)
    assert found.text.startswith(
        "Title T1 says that it begins on 2020-01-01, but is listed over this ground since the snapshot of 2024-06-01 and was "
        "not in that of 2024-01-01"
    )


def test_a_title_that_was_redrawn_over_the_work_is_told():
    history = [(date(2024, 1, 1), [title(outline=rect(500, 500, 1000, 1000))]), (date(2024, 6, 1), [title()])]
    assert len(after(title(), history)) == 1


@pytest.mark.parametrize(
    "history",
    [
        [],
        [(date(2024, 6, 1), [title()])],
        [(date(2023, 1, 1), []), (date(2024, 1, 1), [title()]), (date(2024, 6, 1), [title()])],
    ],
    ids=["no history", "one snapshot, which cannot tell what was before", "listed before the work"],
)
def test_a_title_from_before_the_work_is_not_told(history):
    assert after(title(), history) == []


def test_a_sliver_is_not_told():
    assert after(title(outline=rect(299, 0, 1000, 1000), valid_from=date(2024, 9, 1))) == []


def test_since_when_a_title_is_listed():
    days = [date(2024, month, 1) for month in (1, 2, 3, 4)]
    there, absent = [title()], []
    assert listing_over(SITE.geometry, list(zip(days, [absent, there, absent, there], strict=True))) == Listing(
        days[3], days[2]
    )
    assert listing_over(SITE.geometry, list(zip(days, [there] * 4, strict=True))) == Listing(days[0], None)
    assert listing_over(SITE.geometry, [(days[0], there), (days[1], absent)]) is None


def idle(told, detections=(), watched=None):
    found = titles_without_work(
        TitleIndex([told]), list(detections), rect(-50, -50, 5000, 5000) if watched is None else watched,
        snapshot=SNAPSHOT, on=ON, rules=TenureRules(),
    )  # fmt: skip
    return [f.title_id for f in found]


def test_a_title_in_force_without_work_is_told_where_it_was_watched():
    assert idle(title()) == ["T1"]
    assert idle(title(), [SITE]) == []
    assert idle(title(), watched=rect(0, 0, 900, 1000)) == []
    assert idle(title(), watched=shapely.Polygon()) == []


@pytest.mark.parametrize("changes", [
    {"valid_to": date(2025, 5, 31)}, {"kind": TitleKind.EXPLORATION}, {"status": TitleStatus.SUSPENDED},
], ids=["ended", "exploration", "suspended"])  # fmt: skip
def test_a_title_that_allowed_no_work_is_not_missed_any(changes):
    assert idle(title(**changes)) == []


def test_titles_on_protected_land_are_told_with_their_hectares():
    areas = AreaIndex([
        ProtectedArea("1", "Park", AreaKind.PROTECTED_AREA, rect(500, 0, 2000, 1000)),
        ProtectedArea("2", "Land", AreaKind.INDIGENOUS_TERRITORY, rect(0, 0, 2000, 2000)),
        ProtectedArea("3", "Far", AreaKind.PROTECTED_AREA, rect(5000, 0, 6000, 1000)),
    ])  # fmt: skip
    ended = title("T2", valid_to=date(2024, 1, 1))
    found = titles_in_protected(TitleIndex([title(), ended]), areas, on=ON, register="ghana")
    assert [(f.title_id, f.other, f.overlap_ha) for f in found] == [
        ("T1", "Land", pytest.approx(98.8, abs=0.7)), ("T1", "Park", pytest.approx(49.4, abs=0.4)),
    ]  # fmt: skip
    assert (
        found[0].text
        == f"Title T1 (exploitation, called active) overlaps the indigenous territory Land by {found[0].overlap_ha:.2f} ha."
    )

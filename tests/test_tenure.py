"""Titles over sites: one named example for each status, hectares by an equal-area oracle, and what must always hold."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from shapely.affinity import translate

from pipeline.errors import SiteGeometryError
from pipeline.tenure import (
    AreaKind,
    CountryRules,
    Doubt,
    ProtectedArea,
    Refusal,
    Snapshot,
    Suspension,
    TenureRules,
    TenureStatus,
    Title,
    TitleIndex,
    TitleKind,
    TitleStatus,
    assess,
    assess_many,
    boundary_dates,
    protected_overlaps,
    protected_overlaps_many,
)

ON = date(2025, 1, 10)
SNAPSHOT = Snapshot("register", date(2025, 1, 1), "a" * 64, 1)
LON, LAT = -1.70, 6.00
METRE = 1 / 111_320


def rect(left, bottom, right, top):
    """A rectangle about so many metres east and north of a place in Ghana."""
    return shapely.box(LON + left * METRE, LAT + bottom * METRE, LON + right * METRE, LAT + top * METRE)


SITE = rect(0, 0, 200, 200)


def title(outline=None, **changes):
    """A gold mine in force around the site, but for the changes."""
    sure = Title(
        title_id="T1", name="", holder="Holder 1", kind=TitleKind.EXPLOITATION, status=TitleStatus.ACTIVE,
        valid_from=date(2020, 1, 1), valid_to=date(2029, 12, 31), minerals=("gold",),
        geometry=rect(-500, -500, 500, 500) if outline is None else outline, snapshot=SNAPSHOT.sha256,
    )  # fmt: skip
    return replace(sure, **changes)


def ask(*titles, site=SITE, on=ON, snapshots=(SNAPSHOT,), **rules):
    return assess(site, titles, snapshots=snapshots, on=on, rules=TenureRules(**{"minerals": ("gold",), **rules}))


def equal_area_ha(geometry):
    """Hectares in a cylindrical equal-area projection: the oracle."""
    change = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform
    return shapely.transform(geometry, change, interleaved=False).area / 10_000


SITE_HA = equal_area_ha(SITE)
"""3.952"""

EXAMPLES = {
    TenureStatus.COVERED: [title()],
    TenureStatus.PARTLY_COVERED: [title(rect(-500, -500, 100, 500))],
    TenureStatus.UNCOVERED: [title(rect(1000, 0, 1500, 500))],
    TenureStatus.LAPSED: [title(valid_to=ON - timedelta(days=1))],
    TenureStatus.NOT_YET_VALID: [title(valid_from=ON + timedelta(days=1))],
    TenureStatus.STAGE_MISMATCH: [title(kind=TitleKind.EXPLORATION)],
    TenureStatus.COMMODITY_MISMATCH: [title(minerals=("limestone",))],
    TenureStatus.SUSPENDED: [title(status=TitleStatus.SUSPENDED)],
    TenureStatus.FORMALISATION_ZONE: [title(kind=TitleKind.ARTISANAL_ZONE)],
    TenureStatus.WITHIN_TOLERANCE: [title(rect(-500, -500, 185, 500))],
    TenureStatus.UNKNOWN: [title(kind=TitleKind.UNKNOWN)],
}


def test_every_status_has_an_example():
    assert set(EXAMPLES) == set(TenureStatus)


@pytest.mark.parametrize("status", TenureStatus)
def test_one_named_example_for_each_status(status):
    finding = ask(*EXAMPLES[status])
    assert finding.status is status
    assert len(finding.reasons) == 1


def test_reasons_name_title_dates_and_hectares():
    finding = ask(*EXAMPLES[TenureStatus.LAPSED])
    assert finding.reasons == (
        "Title T1 (exploitation, gold) ended on 2025-01-09, 1 day before 2025-01-10, though the register calls it "
        "active; the whole site, 3.952 ha, lies inside.",
    )


def test_last_day_counts_and_first_day_counts():
    assert ask(title(valid_to=ON)).status is TenureStatus.COVERED
    assert ask(title(valid_from=ON)).status is TenureStatus.COVERED


def test_open_dates_are_begun_and_open_ended():
    finding = ask(title(valid_from=None, valid_to=None))
    assert finding.status is TenureStatus.COVERED
    assert "no first day stated, no last day stated" in finding.reasons[0]


@pytest.mark.parametrize("changes", [
    {"kind": TitleKind.APPLICATION},
    {"status": TitleStatus.APPLICATION},
    {"status": TitleStatus.REFUSED},
    {"kind": TitleKind.OTHER},
])  # fmt: skip
def test_what_allows_no_extraction_is_a_stage_mismatch(changes):
    assert ask(title(**changes)).status is TenureStatus.STAGE_MISMATCH


def test_silence_on_minerals_is_told_and_no_mismatch():
    finding = ask(title(minerals=()))
    assert finding.status is TenureStatus.COVERED
    assert "does not say for which minerals" in finding.reasons[0]


def test_minerals_are_not_compared_where_none_is_sought():
    assert ask(title(minerals=("limestone",)), minerals=()).status is TenureStatus.COVERED


def test_trade_names_match_what_is_mined():
    assert ask(title(minerals=("tantalum",)), minerals=("Coltan",)).status is TenureStatus.COVERED


@pytest.mark.parametrize("field", ["kind", "status", "valid_from", "valid_to"])
def test_a_doubt_makes_a_covering_title_unknown(field):
    finding = ask(title(doubts=(Doubt(field, "its text 'x' is not known"),)))
    assert finding.status is TenureStatus.UNKNOWN
    assert finding.uncovered_ha is None
    assert "its text 'x' is not known" in finding.reasons[0]


def test_a_doubt_does_not_revive_an_ended_title():
    ended = title(valid_to=date(2024, 1, 1), doubts=(Doubt("status", "its status 'x' is not known"),))
    assert ask(ended).status is TenureStatus.LAPSED


def test_a_word_for_a_mineral_that_nobody_knows_is_no_mismatch():
    strange = title(minerals=("xyz",), doubts=(Doubt("minerals", "its minerals 'xyz' are not known"),))
    assert ask(strange).status is TenureStatus.UNKNOWN
    assert ask(replace(strange, minerals=("gold", "xyz"))).status is TenureStatus.COVERED


@pytest.mark.parametrize(("valid_to", "retrieved_on", "status"), [
    (None, date(2025, 1, 1), TenureStatus.LAPSED),
    (date(2029, 1, 1), date(2025, 1, 1), TenureStatus.LAPSED),
    (date(2025, 1, 20), date(2025, 2, 1), TenureStatus.COVERED),
    (date(2029, 1, 1), date(2025, 2, 1), TenureStatus.UNKNOWN),
], ids=["no-last-day", "given-up-early", "ran-to-its-last-day", "given-up-on-an-unknown-day"])  # fmt: skip
def test_called_expired_is_read_with_the_day_of_the_snapshot(valid_to, retrieved_on, status):
    snapshot = replace(SNAPSHOT, retrieved_on=retrieved_on)
    ended = title(status=TitleStatus.EXPIRED, valid_to=valid_to)
    assert ask(ended, snapshots=[snapshot]).status is status


# --- the law of the country -------------------------------------------------------------------------------------------


def under(**law):
    """The snapshot, read under such a law."""
    return replace(SNAPSHOT, rules=CountryRules(**law))


def test_a_kind_that_is_for_certain_minerals_only_is_a_mismatch_in_words():
    law = under(extraction={TitleKind.EXPLOITATION: frozenset({"sand", "gravel"})})
    finding = ask(title(minerals=()), snapshots=[law])
    assert finding.status is TenureStatus.COMMODITY_MISMATCH
    assert "is of the kind exploitation, which is for gravel or sand only, not for gold" in finding.reasons[0]
    assert ask(title(minerals=()), snapshots=[law], minerals=("sand",)).status is TenureStatus.COVERED
    assert ask(title(minerals=()), snapshots=[law], minerals=()).status is TenureStatus.COVERED


def test_a_law_may_let_another_kind_extract():
    law = under(extraction={TitleKind.EXPLOITATION: frozenset(), TitleKind.EXPLORATION: frozenset({"gold"})})
    assert ask(title(kind=TitleKind.EXPLORATION), snapshots=[law]).status is TenureStatus.COVERED


def test_a_law_without_formalisation_zones_has_none():
    zone = title(kind=TitleKind.ARTISANAL_ZONE)
    assert ask(zone, snapshots=[under(formalisation_kinds=frozenset())]).status is TenureStatus.STAGE_MISMATCH


def test_ground_closed_to_mining_keeps_its_finding_and_says_so():
    closed, law = title(kind=TitleKind.OTHER, minerals=()), under(prohibited_kinds=frozenset({TitleKind.OTHER}))
    finding = ask(closed, snapshots=[law])
    assert finding.status is ask(closed).status is TenureStatus.STAGE_MISMATCH
    assert "lies over ground that is closed to mining by the register" in finding.reasons[0]
    both = ask(title(title_id="T2"), closed, snapshots=[law])
    assert both.status is TenureStatus.COVERED
    assert any("closed to mining" in reason for reason in both.reasons)


def test_the_law_is_that_of_the_snapshot_that_told_of_the_title():
    other = replace(SNAPSHOT, sha256="b" * 64, rules=CountryRules(extraction={}))
    assert ask(title(), snapshots=[SNAPSHOT, other]).status is TenureStatus.COVERED
    assert ask(title(snapshot=other.sha256), snapshots=[SNAPSHOT, other]).status is TenureStatus.STAGE_MISMATCH


def test_before_it_reached_its_stage_a_title_allowed_no_extraction():
    mine = title(kind_since=ON + timedelta(days=1))
    finding = ask(mine)
    assert finding.status is TenureStatus.STAGE_MISMATCH
    assert "reached the stage exploitation on 2025-01-11, after 2025-01-10" in finding.reasons[0]
    assert ask(mine, on=ON + timedelta(days=1)).status is TenureStatus.COVERED


@pytest.mark.parametrize(("first", "last", "status", "found"), [
    (ON, ON, TitleStatus.ACTIVE, TenureStatus.SUSPENDED),
    (ON, None, TitleStatus.SUSPENDED, TenureStatus.SUSPENDED),
    (ON + timedelta(days=1), None, TitleStatus.SUSPENDED, TenureStatus.COVERED),
    (ON - timedelta(days=9), ON - timedelta(days=1), TitleStatus.ACTIVE, TenureStatus.COVERED),
    (ON - timedelta(days=9), ON - timedelta(days=1), TitleStatus.SUSPENDED, TenureStatus.SUSPENDED),
], ids=["one-day", "until-further-notice", "before-its-first-day", "over", "over-but-still-called-suspended"])  # fmt: skip
def test_a_dated_suspension_holds_on_its_days(first, last, status, found):
    assert ask(title(status=status, suspensions=(Suspension(first, last),))).status is found


def test_a_dated_suspension_is_told_with_its_days():
    finding = ask(title(suspensions=(Suspension(date(2025, 1, 5), date(2025, 2, 1)),)))
    assert "was suspended from 2025-01-05 to 2025-02-01" in finding.reasons[0]


def test_a_title_that_may_run_on_is_in_doubt_past_its_last_day_only():
    told = "its last day 2025-01-09 is past, but the register calls it 'Actif-En Renouvellement'"
    renewed = title(valid_to=ON - timedelta(days=1), doubts=(Doubt("runs_on", told),))
    assert ask(renewed).status is TenureStatus.UNKNOWN
    assert told in ask(renewed).reasons[0]
    assert ask(renewed, on=ON - timedelta(days=1)).status is TenureStatus.COVERED
    assert ask(replace(renewed, kind=TitleKind.EXPLORATION)).status is TenureStatus.STAGE_MISMATCH


# --- tolerance --------------------------------------------------------------------------------------------------------


def test_the_tolerance_is_three_accuracies_in_quadrature():
    rules = TenureRules(geolocation_m=3, outline_m=4)
    assert rules.tolerance_m() == rules.tolerance_m(SNAPSHOT) == 5
    assert rules.tolerance_m(replace(SNAPSHOT, outline_m=0, transformation_m=4)) == 5


def test_each_title_has_the_tolerance_of_its_snapshot_and_the_reason_says_so():
    rough = replace(SNAPSHOT, name="rough", sha256="b" * 64, outline_m=100.0)
    beside = rect(-500, -500, -50, 500)
    assert ask(title(beside), site=rect(0, 0, 15, 100), snapshots=[SNAPSHOT, rough]).status is TenureStatus.UNCOVERED
    finding = ask(title(beside, snapshot=rough.sha256), site=rect(0, 0, 15, 100), snapshots=[SNAPSHOT, rough])
    assert finding.status is TenureStatus.WITHIN_TOLERANCE
    assert "less than 101 m from the site" in finding.reasons[0]
    assert ask(*EXAMPLES[TenureStatus.WITHIN_TOLERANCE]).reasons[0].endswith("its tolerance is 19.5 m.")


# --- missing data -----------------------------------------------------------------------------------------------------


def test_no_snapshot_is_unknown_and_never_uncovered():
    finding = ask(snapshots=())
    assert (finding.status, finding.uncovered_ha) == (TenureStatus.UNKNOWN, None)
    assert finding.reasons == ("No snapshot of a cadastre was read.",)


@pytest.mark.parametrize("titles", [[], [title()], EXAMPLES[TenureStatus.LAPSED]])
def test_a_stale_snapshot_is_unknown(titles):
    stale = replace(SNAPSHOT, retrieved_on=ON - timedelta(days=1096))
    finding = ask(*titles, snapshots=[stale])
    assert (finding.status, finding.uncovered_ha) == (TenureStatus.UNKNOWN, None)
    assert "more than 1095 days" in finding.reasons[0]


def test_a_fresh_title_covers_whatever_another_snapshot_lacks():
    stale = Snapshot("old", date(2001, 1, 1), "b" * 64, 9)
    assert ask(title(), snapshots=[SNAPSHOT, stale]).status is TenureStatus.COVERED


def test_a_snapshot_of_unknown_age_says_so():
    finding = ask(snapshots=[replace(SNAPSHOT, retrieved_on=None)])
    assert finding.status is TenureStatus.UNCOVERED
    assert "is not known" in finding.reasons[0]


@pytest.mark.parametrize(("location", "status"), [
    (None, TenureStatus.UNKNOWN),
    (shapely.Point(LON + 5000 * METRE, LAT), TenureStatus.UNKNOWN),
    (shapely.Point(LON + 20_000 * METRE, LAT), TenureStatus.UNCOVERED),
], ids=["anywhere", "5 km", "20 km"])  # fmt: skip
def test_a_title_without_outline_that_could_touch_the_site_makes_it_unknown(location, status):
    refused = Refusal("T9", 7, "Point", "it is a Point, expected a polygon", location)
    finding = ask(snapshots=[replace(SNAPSHOT, refused=(refused,))])
    assert finding.status is status
    assert any("T9 (feature 7" in reason for reason in finding.reasons) is (status is TenureStatus.UNKNOWN)


def test_a_title_without_outline_does_not_touch_a_covered_site():
    refused = Refusal("T9", 7, "null", "it has no geometry", None)
    assert ask(title(), snapshots=[replace(SNAPSHOT, refused=(refused,))]).status is TenureStatus.COVERED


# --- hectares ---------------------------------------------------------------------------------------------------------


def test_a_file_that_is_known_to_leave_titles_out_tells_no_ground_uncovered():
    partial = replace(SNAPSHOT, lacks=("large-scale leases",))
    finding = ask(snapshots=[partial])
    assert (finding.status, finding.uncovered_ha) == (TenureStatus.UNKNOWN, None)
    assert finding.reasons[0] == "Snapshot register leaves out large-scale leases, which could cover the site."
    assert ask(title(), snapshots=[partial]).status is TenureStatus.COVERED


def test_overlapping_titles_count_once():
    finding = ask(title(rect(-50, -50, 100, 250), title_id="A"), title(rect(-50, -50, 150, 250), title_id="B"))
    assert finding.status is TenureStatus.PARTLY_COVERED
    assert [t.overlap_ha for t in finding.titles] == pytest.approx([0.75 * SITE_HA, 0.5 * SITE_HA], abs=0.002)
    assert finding.uncovered_ha == pytest.approx(equal_area_ha(rect(150, 0, 200, 200)), abs=0.002)


def test_several_titles_together_cover():
    finding = ask(title(rect(-50, -50, 100, 250)), title(rect(100, -50, 250, 250), title_id="T2"))
    assert (finding.status, finding.uncovered_ha) == (TenureStatus.COVERED, 0.0)


def test_a_hole_in_a_title_is_outside():
    holed = rect(-500, -500, 500, 500).difference(rect(50, 50, 150, 150))
    finding = ask(title(holed))
    assert finding.status is TenureStatus.PARTLY_COVERED
    assert finding.uncovered_ha == pytest.approx(equal_area_ha(rect(50, 50, 150, 150)), abs=0.002)


def test_a_sliver_is_listed_and_decides_nothing():
    finding = ask(title(rect(-500, -500, 0.2, 500), valid_to=date(2021, 1, 1)))
    assert finding.status is TenureStatus.UNCOVERED
    assert finding.titles[0].overlap_ha == pytest.approx(0.004)
    assert "too little to count" in finding.reasons[0]


def test_the_permission_goes_before_what_lies_beside_it():
    lapsed = title(title_id="OLD", valid_to=date(2021, 1, 1))
    assert ask(title(), lapsed).status is TenureStatus.COVERED
    assert ask(title(rect(-500, -500, 100, 500)), lapsed).status is TenureStatus.PARTLY_COVERED
    assert ask(title(kind=TitleKind.ARTISANAL_ZONE), lapsed).status is TenureStatus.FORMALISATION_ZONE


def test_a_small_site_just_outside_is_within_tolerance():
    finding = ask(title(rect(-500, -500, -1, 500)), site=rect(0, 0, 15, 100))
    assert finding.status is TenureStatus.WITHIN_TOLERANCE
    assert finding.titles[0].finding is TenureStatus.WITHIN_TOLERANCE
    assert finding.uncovered_ha == pytest.approx(equal_area_ha(rect(0, 0, 15, 100)), abs=0.002)
    strict = ask(title(rect(-500, -500, -1, 500)), site=rect(0, 0, 15, 100), geolocation_m=0, outline_m=0)
    assert strict.status is TenureStatus.UNCOVERED


def test_a_site_without_area_is_refused():
    with pytest.raises(SiteGeometryError, match="expected a polygon"):
        ask(site=shapely.Point(0, 0))


def test_properties_are_plain_json():
    told = ask(title(valid_to=None)).properties()
    assert told["tenure_status"] == "covered"
    assert told["titles"] == [{
        "id": "T1", "holder": "Holder 1", "kind": "exploitation", "status": "active", "valid_from": "2020-01-01",
        "valid_to": None, "overlap_ha": 3.952, "finding": "covered",
    }]  # fmt: skip
    assert told["cadastre"] == [
        {
            "name": "register",
            "register": "generic",
            "retrieved_on": "2025-01-01",
            "sha256": "a" * 64,
            "title_count": 1,
            "lacks": [],
        }
    ]


# --- what must always hold --------------------------------------------------------------------------------------------

edges = st.integers(-100, 300)
strips = st.lists(st.integers(-50, 250), min_size=2, max_size=6, unique=True).map(sorted)


@st.composite
def any_title(draw, number):
    left, bottom = draw(edges), draw(edges)
    return title(
        rect(left, bottom, left + draw(st.integers(20, 300)), bottom + draw(st.integers(20, 300))),
        title_id=f"T{number}",
        kind=draw(st.sampled_from(TitleKind)),
        status=draw(st.sampled_from(TitleStatus)),
        valid_from=draw(st.sampled_from([None, date(2020, 1, 1), ON, ON + timedelta(days=1)])),
        valid_to=draw(st.sampled_from([None, ON - timedelta(days=1), ON, date(2030, 1, 1)])),
        minerals=draw(st.sampled_from([(), ("gold",), ("tin",), ("gold", "tin")])),
        kind_since=draw(st.sampled_from([None, ON, ON + timedelta(days=2)])),
        suspensions=draw(st.sampled_from([(), (Suspension(ON, None),), (Suspension(ON - timedelta(days=2), ON),)])),
        doubts=draw(st.sampled_from([(), (Doubt("runs_on", "it may run on"),)])),
    )


some_titles = st.integers(0, 4).flatmap(lambda n: st.tuples(*(any_title(i) for i in range(n))))


@settings(max_examples=40, deadline=None)
@given(strips)
def test_hectares_of_titles_side_by_side_and_uncovered_add_up_to_the_site(lines):
    side_by_side = [title(rect(a, -50, b, 250), title_id=f"T{a}") for a, b in pairwise(lines)]
    finding = ask(*side_by_side, geolocation_m=0, outline_m=0)
    total = sum(t.overlap_ha for t in finding.titles) + finding.uncovered_ha
    assert total == pytest.approx(SITE_HA, abs=0.005)


@settings(max_examples=40, deadline=None)
@given(some_titles)
def test_hectares_uncovered_are_those_outside_the_union(titles):
    finding = ask(*titles)
    if finding.uncovered_ha is not None:
        union = shapely.union_all([t.title.geometry for t in finding.titles if t.finding is TenureStatus.COVERED])
        assert finding.uncovered_ha == pytest.approx(equal_area_ha(SITE.difference(union)), abs=0.015)


@settings(max_examples=40, deadline=None)
@given(some_titles, st.randoms(use_true_random=False))
def test_the_order_of_titles_never_matters(titles, random):
    shuffled = random.sample(titles, len(titles))
    assert ask(*titles) == ask(*shuffled)


@settings(max_examples=40, deadline=None)
@given(some_titles)
def test_a_title_valid_from_tomorrow_never_covers(titles):
    tomorrow = [replace(t, valid_from=ON + timedelta(days=1)) for t in titles]
    finding = ask(*tomorrow)
    assert finding.status not in {
        TenureStatus.COVERED, TenureStatus.PARTLY_COVERED, TenureStatus.WITHIN_TOLERANCE
    }  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(some_titles, st.integers(1, 60))
def test_tolerance_zero_is_contained_in_tolerance_n(titles, metres):
    favourable = {TenureStatus.COVERED, TenureStatus.WITHIN_TOLERANCE}
    strict, lenient = ask(*titles, geolocation_m=0, outline_m=0), ask(*titles, geolocation_m=metres, outline_m=0)
    assert strict.status not in favourable or lenient.status in favourable
    assert strict.status is not TenureStatus.WITHIN_TOLERANCE
    assert {t.title.title_id for t in strict.titles} <= {t.title.title_id for t in lenient.titles}


def moved(titles, site, change):
    """Titles and site with their outlines changed in the same way."""
    return [replace(t, geometry=change(t.geometry)) for t in titles], change(site)


@settings(max_examples=40, deadline=None)
@given(some_titles, st.floats(-20, 20))
def test_east_and_west_change_nothing(titles, degrees):
    there, site = moved(titles, SITE, lambda g: translate(g, degrees))
    here, away = ask(*titles), ask(*there, site=site)
    assert away.status is here.status
    assert [t.overlap_ha for t in away.titles] == pytest.approx([t.overlap_ha for t in here.titles], abs=0.001)
    assert (away.uncovered_ha is None) is (here.uncovered_ha is None)


TO_UTM = Transformer.from_crs("EPSG:4326", "EPSG:32630", always_xy=True)


def to_utm_and_back(geometry):
    """A geometry with its vertices through UTM and back; PROJ is exact to well under a millimetre there."""
    metres = shapely.transform(geometry, TO_UTM.transform, interleaved=False)
    return shapely.transform(metres, lambda x, y: TO_UTM.transform(x, y, direction="INVERSE"), interleaved=False)


@settings(max_examples=40, deadline=None)
@given(some_titles)
def test_to_utm_and_back_changes_nothing(titles):
    there, site = moved(titles, SITE, to_utm_and_back)
    here, away = ask(*titles), ask(*there, site=site)
    assert away.status is here.status
    ours = {t.title.title_id: t.overlap_ha for t in here.titles}
    theirs = {t.title.title_id: t.overlap_ha for t in away.titles}
    for title_id in ours.keys() | theirs.keys():  # a title that only touches may be listed on one side, with 0 ha
        assert theirs.get(title_id, 0.0) == pytest.approx(ours.get(title_id, 0.0), abs=0.001)


# --- the index, protected areas, days ---------------------------------------------------------------------------------


def test_an_index_gives_what_a_list_gives():
    titles = [title(rect(x, -50, x + 90, 250), title_id=f"T{x}") for x in range(-900, 900, 100)]
    asked = {"snapshots": [SNAPSHOT], "on": ON, "rules": TenureRules()}
    assert assess(SITE, TitleIndex(titles), **asked) == assess(SITE, titles, **asked)


def test_protected_overlaps_by_hand():
    areas = [
        ProtectedArea("1", "Park", AreaKind.PROTECTED_AREA, rect(-500, -500, 100, 500)),
        ProtectedArea("2", "", AreaKind.INDIGENOUS_TERRITORY, rect(-500, -500, 500, 500)),
        ProtectedArea("3", "Far", AreaKind.PROTECTED_AREA, rect(1000, 0, 1100, 100)),
        ProtectedArea("4", "Beside", AreaKind.PROTECTED_AREA, rect(200, 0, 300, 200)),
    ]
    assert protected_overlaps(SITE, areas) == [
        {"name": "2", "kind": "indigenous_territory", "overlap_ha": 3.952, "consent_required": True},
        {
            "name": "Park",
            "kind": "protected_area",
            "overlap_ha": pytest.approx(SITE_HA / 2, abs=0.001),
            "consent_required": False,
        },
    ]


@pytest.mark.parametrize(("metres_away", "names"), [(-1, ["2"]), (5, ["2"]), (20, [])])
def test_land_that_needs_consent_is_told_as_near_as_a_site_may_be_misplaced(metres_away, names):
    right = 200 + metres_away
    areas = [
        ProtectedArea("1", "Park", AreaKind.PROTECTED_AREA, rect(205, 0, 900, 200)),
        ProtectedArea("2", "", AreaKind.INDIGENOUS_TERRITORY, rect(right, 0, 900, 200)),
    ]
    assert [area["name"] for area in protected_overlaps(SITE, areas, near_m=12.5)] == names


def test_boundary_dates_are_first_days_and_days_after_the_last():
    titles = [title(valid_from=date(2025, 1, 1), valid_to=date(2025, 1, 31)), title(valid_to=None, valid_from=None)]
    assert boundary_dates(titles, after=date(2024, 12, 31), until=date(2025, 2, 1)) == [
        date(2025, 1, 1),
        date(2025, 2, 1),
    ]
    assert boundary_dates(titles, after=date(2025, 1, 1), until=date(2025, 1, 31)) == []


def test_boundary_dates_tell_of_stages_and_suspensions():
    turning = title(valid_from=None, valid_to=None, kind_since=date(2025, 1, 2), suspensions=(
        Suspension(date(2025, 1, 4), date(2025, 1, 5)), Suspension(date(2025, 1, 9), None),
    ))  # fmt: skip
    days = boundary_dates([turning], after=date(2025, 1, 1), until=date(2025, 2, 1))
    assert days == [date(2025, 1, d) for d in (2, 4, 6, 9)]


def test_boundary_dates_tell_when_a_snapshot_is_stale():
    rules = TenureRules(stale_after_days=10)
    days = boundary_dates([], after=ON, until=date(2025, 2, 1), snapshots=[SNAPSHOT], rules=rules)
    assert days == [date(2025, 1, 12)]
    assert ask(on=date(2025, 1, 11), stale_after_days=10).status is TenureStatus.UNCOVERED
    assert ask(on=date(2025, 1, 12), stale_after_days=10).status is TenureStatus.UNKNOWN


@settings(max_examples=30, deadline=None)
@given(some_titles)
def test_between_boundary_dates_nothing_changes(titles):
    days = boundary_dates(titles, after=ON - timedelta(days=3), until=ON + timedelta(days=3))
    for offset in range(-2, 4):
        day = ON + timedelta(days=offset)
        if day not in days:
            assert ask(*titles, on=day).status is ask(*titles, on=day - timedelta(days=1)).status


# --- many sites at once ------------------------------------------------------------------------------------------------

metres = st.integers(-300, 300)
a_site = st.builds(lambda x, y, side: rect(x, y, x + side, y + side), metres, metres, st.integers(10, 400))
some_sites = st.lists(a_site, max_size=4)


@settings(max_examples=40, deadline=None)
@given(some_titles, some_sites)
def test_many_sites_are_told_as_each_alone(titles, sites):
    asked = {"snapshots": [SNAPSHOT], "on": ON, "rules": TenureRules(minerals=("gold",))}
    assert assess_many(sites, titles, **asked) == [assess(site, titles, **asked) for site in sites]
    areas = [ProtectedArea(t.title_id, "", AreaKind.INDIGENOUS_TERRITORY, t.geometry) for t in titles]
    found = protected_overlaps_many(sites, areas, near_m=12.5)
    assert found == [protected_overlaps(site, areas, near_m=12.5) for site in sites]


def test_hectares_of_many_are_those_of_the_geometries():
    sites = [rect(x, 3, x + 133, 171) for x in range(-400, 400, 37)]
    west, east, top = (LON - 200 * METRE, LAT - 9 * METRE), (LON + 250 * METRE, LAT), (LON, LAT + 300 * METRE)
    outline = shapely.Polygon([west, east, top])
    for found, site in zip(
        assess_many(sites, [title(outline)], snapshots=[SNAPSHOT], on=ON, rules=TenureRules()), sites, strict=True
    ):
        told = sum(t.overlap_ha for t in found.titles)
        assert told == pytest.approx(equal_area_ha(site.intersection(outline)), abs=0.001)

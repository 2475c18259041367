"""What is said of a site: every state by a named example, the facts in hectares and dates, and what is news."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from worlds import EPSG, FOREST, POND, SPOIL, square, table

from pipeline.alerts import (
    ALERT_PROPERTIES,
    Activity,
    Alert,
    AlertContext,
    AlertRules,
    AlertState,
    LikelyCause,
    describe,
    is_for_agencies,
    is_material,
    is_material_ground,
    is_open,
    restate,
)
from pipeline.change import PixelClass
from pipeline.io.priorities import default_priority
from pipeline.monitor import PixelCode, day_number
from pipeline.sites import SITE_FEATURES, PixelTable, Site, SiteModel, SiteRules, advance
from pipeline.tenure import Law, TenureRules

DAY = date(2024, 5, 1)
ROW, COLUMN = -900_000, 50_000  # in the middle of UTM zone 20 S
N = len(SITE_FEATURES)


def context(score: float = 5.0, **changes: object) -> AlertContext:
    """An area without titles, and a model that gives every site the same log-odds."""
    model = SiteModel((0.0,) * N, (1.0,) * N, (0.0,) * N, score, features=tuple(SITE_FEATURES))
    made = AlertContext("tiny", f"EPSG:{EPSG}", model, "model/1", Law(), TenureRules(), default_priority(), {DAY: ("s2", "s1")})
    return replace(made, **changes)


def pixels(side: int = 10, code: PixelCode = PixelCode.CONFIRMED, like: PixelClass = PixelClass.BARE, **changes) -> PixelTable:
    """A square of spoil that was forest."""
    plain = table(square(ROW, COLUMN, side), code, DAY)
    seen, before = (np.tile(np.rint(np.array(v) * 1e4).astype(np.int16), (side * side, 1)) for v in (SPOIL, FOREST))
    likeness = np.zeros((side * side, len(PixelClass)), np.uint8)
    likeness[:, like] = 255
    return replace(plain, **{"seen_as": seen, "before": before, "likeness": likeness, **changes})


def site_of(found: PixelTable, day: date = DAY) -> Site:
    (site,), _ = advance([], found, day, "tiny", SiteRules())
    return site


def said(found: PixelTable | None = None, told: Alert | None = None, day: date = DAY, **changes: object) -> Alert:
    found = pixels() if found is None else found
    return describe(site_of(found), found, day, context(**changes), told)


def test_an_alert_has_every_property_in_order_with_its_type() -> None:
    properties = said().properties
    assert list(properties) == [p.name for p in ALERT_PROPERTIES]
    kinds = {
        "string": str,
        "integer": int,
        "number": int | float,
        "date": str,
        "strings": list,
        "object": dict,
        "objects": list,
    }
    for p in ALERT_PROPERTIES:
        value = properties[p.name]
        assert (value is None and p.nullable) or isinstance(value, kinds[p.type]), p.name
        assert not p.choices or value is None or value in p.choices, p.name


def test_hectares_add_up_and_are_those_of_the_pixels() -> None:
    seen = pixels().seen_as
    seen[:25] = np.rint(np.array(POND) * 1e4)
    seen[25:45] = np.rint(np.array(FOREST) * 1e4)
    properties = said(pixels(seen_as=seen)).properties
    assert properties["area_ha"] == pytest.approx(1.0, rel=1.5e-3)
    assert [properties[k] for k in ("pond_ha", "clearing_ha", "tailings_ha")] == pytest.approx([0.25, 0.20, 0.55], rel=1e-2)
    assert sum(properties[k] for k in ("pond_ha", "clearing_ha", "tailings_ha")) == pytest.approx(
        properties["area_ha"], abs=2e-4
    )
    assert properties["change_types"] == ["clearing", "tailings", "pond"]


def test_dates_and_scenes_are_those_of_the_looks() -> None:
    properties = said().properties
    assert properties["first_detected_on"] == properties["confirmed_on"] == properties["last_detected_on"] == "2024-05-01"
    assert properties["last_clear_unchanged_on"] == "2024-04-21"
    assert properties["scenes"] == ["s1", "s2"]


def finished(side: int = 10) -> PixelTable:
    return pixels(side, PixelCode.FINISHED)


STATES = {
    AlertState.PROVISIONAL: lambda: said(pixels(code=PixelCode.PROVISIONAL)),
    AlertState.CONFIRMED: said,
    AlertState.CLOSED: lambda: said(finished()),
    AlertState.WITHDRAWN: lambda: restate(said(pixels(code=PixelCode.PROVISIONAL)), DAY, state="withdrawn"),
}


@pytest.mark.parametrize("state", AlertState)
def test_every_state_has_an_example(state: AlertState) -> None:
    alert = STATES[state]()
    assert alert.properties["state"] == state
    assert is_open(alert) is (state in {AlertState.PROVISIONAL, AlertState.CONFIRMED})


def still_changing() -> PixelTable:
    return pixels(last_changed_on=np.full(100, day_number(DAY + timedelta(days=89)), np.uint16))


def unchanged_for_long() -> PixelTable:
    return pixels(last_changed_on=np.full(100, day_number(DAY + timedelta(days=90)), np.uint16))


ACTIVITIES = {Activity.ACTIVE: still_changing, Activity.DORMANT: unchanged_for_long, Activity.FINISHED: finished}


@pytest.mark.parametrize("activity", Activity)
def test_every_activity_has_an_example(activity: Activity) -> None:
    assert said(ACTIVITIES[activity]()).properties["activity"] == activity


CAUSES = {
    LikelyCause.MINING: (5.0, PixelClass.BARE),
    LikelyCause.UNCLEAR: (0.0, PixelClass.BARE),
    LikelyCause.OTHER_CLEARING: (-5.0, PixelClass.FARM_CLEARING),
    LikelyCause.BURN: (-5.0, PixelClass.BURN),
    LikelyCause.WATER: (-5.0, PixelClass.NATURAL_WATER),
}


@pytest.mark.parametrize("cause", LikelyCause)
def test_every_cause_has_an_example(cause: LikelyCause) -> None:
    score, like = CAUSES[cause]
    alert = said(pixels(like=like), score=score)
    assert alert.properties["likely_cause"] == cause
    assert is_for_agencies(alert) is (cause in {LikelyCause.MINING, LikelyCause.UNCLEAR})
    assert (alert.properties["evidence"] is not None) is is_for_agencies(alert)


def test_a_change_that_is_like_nothing_is_no_burn() -> None:
    assert said(pixels(like=PixelClass.STABLE), score=-5.0).properties["likely_cause"] == "other_clearing"


def test_in_a_landscape_that_the_model_does_not_know_nothing_is_named_mining() -> None:
    properties = said(is_known_landscape=False).properties
    assert properties["mining_probability"] is None
    assert properties["likely_cause"] == "other_clearing"


def test_without_a_cadastre_the_finding_is_unknown_and_never_uncovered() -> None:
    properties = said().properties
    assert properties["tenure_status"] == properties["tenure_status_at_detection"] == "unknown"
    assert properties["uncovered_ha"] is None


def test_the_id_stays_and_the_revision_counts() -> None:
    first = said()
    second = said(told=first)
    assert first.id == second.id
    assert [a.properties["revision"] for a in (first, second)] == [1, 2]
    assert restate(second, DAY, state="withdrawn").properties["revision"] == 3


# --- what is news --------------------------------------------------------------------------------------------------------


def changed(alert: Alert, **properties: object) -> Alert:
    return Alert(alert.id, alert.geometry, {**alert.properties, **properties})


@pytest.mark.parametrize(
    ("properties", "is_news"),
    [
        ({}, False),
        ({"state": "closed"}, True),
        ({"activity": "dormant"}, True),
        ({"likely_cause": "unclear"}, True),
        ({"tenure_status": "uncovered"}, True),
        ({"merged_from": ["x"]}, True),
        ({"mining_probability": 0.7}, False),
        ({"last_detected_on": "2024-06-01"}, False),
        ({"area_ha": 2.29}, False),
        ({"area_ha": 2.3}, True),
        ({"area_ha": 1.7}, True),
        ({"tailings_ha": 1.0, "pond_ha": 0.3}, True),
        ({"pond_ha": 0.29}, False),
    ],
)
def test_only_what_matters_is_news(properties: dict, is_news: bool) -> None:
    told = changed(said(), area_ha=2.0, clearing_ha=0.7, tailings_ha=1.3, pond_ha=0.0)
    assert is_material(told, changed(told, **properties), AlertRules()) is is_news


def test_a_tenth_of_a_large_site_is_news_and_less_is_not() -> None:
    told = changed(said(), area_ha=20.0)
    assert not is_material(told, changed(told, area_ha=21.9), AlertRules())
    assert is_material(told, changed(told, area_ha=22.1), AlertRules())


@pytest.mark.parametrize(("side", "is_news"), [(10, False), (11, False), (13, True)])
def test_ground_alone_is_news_when_the_alert_would_be(side: int, is_news: bool) -> None:
    told, grown = said(), pixels(side)
    (site,), _ = advance([site_of(pixels())], grown, DAY + timedelta(days=10), "tiny", SiteRules())
    now = describe(site, grown, DAY + timedelta(days=10), context(), told)
    assert is_material_ground(told, site, grown, context(), AlertRules()) is is_news
    assert is_material(told, now, AlertRules()) is is_news


def test_growth_is_that_of_the_last_thirty_days() -> None:
    site, grown = site_of(pixels()), pixels(12)
    day = DAY + timedelta(days=40)
    later = replace(grown, last_changed_on=np.full(144, day_number(day), np.uint16))
    (site,), _ = advance([site], later, day, "tiny", SiteRules())
    assert describe(site, later, day, context(), None).properties["growth_30d_ha"] == pytest.approx(0.44)


def test_ground_added_after_the_confirmation_is_expansion() -> None:
    site, grown, day = site_of(pixels()), pixels(12), DAY + timedelta(days=10)
    (site,), _ = advance([site], grown, day, "tiny", SiteRules())
    properties = describe(site, grown, day, context(), said()).properties
    assert properties["expansion_ha"] == pytest.approx(0.44, abs=0.001)
    assert "expansion" in properties["change_types"]
    assert said().properties["expansion_ha"] == 0.0


def test_a_finished_site_that_changes_again_says_on_which_day_and_keeps_it() -> None:
    later = [DAY + timedelta(days=n) for n in (30, 60, 90)]
    done = said(finished(), said(), later[0])
    again = said(pixels(), done, later[1])
    told = said(pixels(), again, later[2])
    assert [a.properties["reopened_on"] for a in (done, again, told)] == [None, "2024-06-30", "2024-06-30"]
    assert again.properties["state"] == "confirmed"

"""What looks like mining and is none, one small scene each: which rule or class keeps it out, and what is kept.

docs/look-alikes.md names these tests; the scenes are in look_alike_scenes.py.
"""

import pkgutil
import re
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import look_alike_scenes as scenes
import numpy as np
import pytest
from look_alike_scenes import LOOKS, SPOT, Outcome, Place, called, forest, mined, walk
from scipy import ndimage

import pipeline.doubtful
import pipeline.features
import pipeline.fitting
import pipeline.monitor
import pipeline.sites.tracking
import pipeline.stages.chunks
from pipeline.change import ChangeEvidence, PixelClass, PixelEstimator, classify
from pipeline.cube import SceneClass
from pipeline.demo.signatures import Cover
from pipeline.sites.pixels import PIXEL_HA
from pipeline.stages.watching import watched_ground

PAGE = Path(__file__).parents[1] / "docs" / "look-alikes.md"


@lru_cache(maxsize=64)
def outcome(name: str) -> Outcome:
    """What the walk makes of a scene, with every rule on."""
    return walk(getattr(scenes, name)())


def changed(place: Place) -> np.ndarray:
    """Ground that any event of the ten looks takes."""
    return np.logical_or.reduce([where for look, where, _ in place.events if look >= 0])


def strongest_class(found: Outcome, where: np.ndarray) -> PixelClass:
    """Class that the pixels of a mask that changed are most like, on the mean."""
    there = where & (found.state.plane("code") >= pipeline.monitor.PixelCode.PROVISIONAL)
    return PixelClass(int(found.state.plane("likeness")[there].mean(axis=0).argmax()))


def is_watched(found: Outcome, where: np.ndarray) -> np.ndarray:
    """Share of a mask on which a change could be seen, by look."""
    return np.array([watched_ground(found.reference.on(day), scenes.the_chunk().inside)[where].mean() for day in LOOKS])


# --- the same ground, mined ------------------------------------------------------------------------------------------

FOOTPRINTS = (
    "farm_clearing", "shifting_cultivation", "settlement", "quarry", "aquaculture", "reservoir", "burn", "moving_channel",
    "landslide",
)  # fmt: skip


@pytest.mark.parametrize("name", FOOTPRINTS)
def test_a_mine_of_the_same_shape_is_named_mining(name: str) -> None:
    place = getattr(scenes, name)()
    past = tuple(event for event in place.events if event[0] < 0)
    last = walk(Place(place.before, past + mined(changed(place)))).last
    assert last.get("mining", 0.0) > 0.6 * changed(place).sum() * PIXEL_HA
    assert set(last) == {"mining"}


@pytest.mark.parametrize("name", ["drought", "terrain_shadow", "clouds", "unflagged_cloud", "haze", "shift", "faulty_lines"])
def test_a_mine_is_named_mining_under_the_same_sky(name: str) -> None:
    place = getattr(scenes, name)()
    last = walk(replace(place, events=mined(SPOT))).last
    assert set(last) == {"mining"}
    assert last["mining"] > 2.0


# --- what makes a site of its own kind -------------------------------------------------------------------------------


def test_a_farm_clearing_is_never_named_mining() -> None:
    found = outcome("farm_clearing")
    assert "other_clearing" in found.causes
    assert found.causes <= {"other_clearing", "unclear"}


def test_shifting_cultivation_is_another_clearing() -> None:
    found = outcome("shifting_cultivation")
    assert set(found.last) <= {"other_clearing", "burn"}
    assert "mining" not in found.causes


def test_a_burn_is_a_burn() -> None:
    found = outcome("burn")
    assert found.causes == {"burn"}
    assert found.last["burn"] == pytest.approx(changed(scenes.burn()).sum() * PIXEL_HA, rel=0.1)
    assert strongest_class(found, changed(scenes.burn())) is PixelClass.BURN


@pytest.mark.parametrize("name", ["reservoir", "moving_channel", "unusual_flood"])
def test_new_clear_or_river_water_is_water(name: str) -> None:
    found = outcome(name)
    assert found.causes == {"water"}
    assert strongest_class(found, changed(getattr(scenes, name)())) is PixelClass.NATURAL_WATER


def as_mining(estimator: PixelEstimator, features: np.ndarray) -> ChangeEvidence:
    """The classifier without its look-alike classes: their probability goes to what mining makes."""
    p = classify(estimator, features).probabilities.copy()
    for look_alike, like in (
        (PixelClass.FARM_CLEARING, PixelClass.CLEARING), (PixelClass.BURN, PixelClass.BARE),
        (PixelClass.RIVER_BAR, PixelClass.BARE), (PixelClass.NATURAL_WATER, PixelClass.POND),
    ):  # fmt: skip
        p[:, like] += p[:, look_alike]
        p[:, look_alike] = 0.0
    return ChangeEvidence(p)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("farm_clearing", "mining"), ("shifting_cultivation", "mining"), ("burn", "mining"), ("moving_channel", "mining"),
        ("unusual_flood", "unclear"), ("reservoir", "unclear"),
    ],
)  # fmt: skip
def test_it_is_the_class_of_its_own_that_tells_it_from_mining(name: str, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cause not in outcome(name).causes
    monkeypatch.setattr(pipeline.stages.chunks, "classify", as_mining)
    assert cause in walk(getattr(scenes, name)()).causes


# --- what makes no site ----------------------------------------------------------------------------------------------

NO_SITE = (
    "logging", "river_bars", "oxbow", "seasonal_water", "leaf_off", "drought", "terrain_shadow", "clouds", "unflagged_cloud",
    "unflagged_shadow", "haze", "shift", "faulty_lines",
)  # fmt: skip


@pytest.mark.parametrize("name", NO_SITE)
def test_no_site_is_made_of(name: str) -> None:
    assert outcome(name).told == ()


def bare_everywhere(_estimator: object, features: np.ndarray) -> ChangeEvidence:
    """A classifier that takes all that it is asked about for spoil."""
    probabilities = np.zeros((len(features), len(PixelClass)), np.float32)
    probabilities[:, PixelClass.BARE] = 1.0
    return ChangeEvidence(probabilities)


@pytest.mark.parametrize("name", [n for n in NO_SITE if n not in {"logging", "drought"}])
def test_the_rules_hold_whatever_the_classifier_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.stages.chunks, "classify", bare_everywhere)
    assert walk(getattr(scenes, name)()).told == ()


def test_felled_trails_change_pixels_and_have_no_body(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (outcome("logging").state.plane("code") >= pipeline.monitor.PixelCode.PROVISIONAL).sum() > 100
    monkeypatch.setattr(pipeline.sites.tracking, "has_body", lambda keys, rules: len(keys) * PIXEL_HA >= rules.mmu_ha)
    assert "other_clearing" in walk(scenes.logging()).causes


def test_the_rim_of_a_shifted_look_has_no_body(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (outcome("shift").state.plane("code") >= pipeline.monitor.PixelCode.PROVISIONAL).sum() > 50
    monkeypatch.setattr(pipeline.sites.tracking, "has_body", lambda keys, rules: len(keys) * PIXEL_HA >= rules.mmu_ha)
    assert walk(scenes.shift()).told != ()


def test_old_water_and_ground_that_floods_each_year_are_not_watched() -> None:
    crescent = changed(scenes.oxbow())
    assert is_watched(outcome("oxbow"), ndimage.binary_erosion(crescent)).max() < 0.05
    assert is_watched(outcome("seasonal_water"), ndimage.binary_erosion(SPOT)).max() < 0.05
    assert is_watched(outcome("seasonal_water"), np.roll(SPOT, 30, axis=0) & ~SPOT).min() > 0.95


@pytest.mark.parametrize("name", ["leaf_off", "seasonal_water"])
def test_without_a_fitted_season_it_is_a_change(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.fitting, "SEASON_LOOKS", 999)
    monkeypatch.setattr(pipeline.features, "SHADE_SHARE", 0.0)  # bare twigs are as dark as forest in shade
    monkeypatch.setattr(pipeline.sites.tracking, "has_body", lambda keys, rules: len(keys) * PIXEL_HA >= rules.mmu_ha)
    assert walk(getattr(scenes, name)()).told != ()


def test_leafless_forest_is_said_to_be_unwatched() -> None:
    assert is_watched(outcome("leaf_off"), SPOT)[-3:].max() < 0.5


def test_a_drought_is_a_change_to_a_reference_without_seasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.fitting, "SEASON_LOOKS", 999)
    assert walk(scenes.drought()).told != ()


@pytest.mark.parametrize("name", ["terrain_shadow", "unflagged_shadow"])
def test_shadow_keeps_its_ratios(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Darker ground is as green as before: the gate passes little of it, and both signs are wanting on the rest."""
    monkeypatch.setattr(pipeline.stages.chunks, "classify", bare_everywhere)
    monkeypatch.setattr(pipeline.features, "BELOW_FLOOR", -9.0)
    monkeypatch.setattr(pipeline.stages.chunks, "gate", lambda now, *_: np.ones_like(now["red"], bool))
    assert walk(getattr(scenes, name)()).told == ()
    monkeypatch.setattr(pipeline.stages.chunks, "signs_of", lambda features: np.full(len(features), 3, np.uint8))
    assert walk(getattr(scenes, name)()).told != ()


@pytest.mark.parametrize("name", ["river_bars", "oxbow"])
def test_where_nothing_green_fell_one_sign_is_wanting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.fitting, "SEASON_LOOKS", 999)  # without a floor every ground is watched
    assert walk(getattr(scenes, name)()).told == ()
    monkeypatch.setattr(pipeline.stages.chunks, "signs_of", lambda features: np.full(len(features), 3, np.uint8))
    assert walk(getattr(scenes, name)()).told != ()


def test_haze_is_kept_out_by_its_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome("haze").state.clear_looks.max() == len(LOOKS) - 4
    monkeypatch.setattr(pipeline.features, "HAZE_BLUE_RISE", 9.0)
    assert outcome("haze").told == walk(scenes.haze()).told == ()  # behind it: what darkens all of the forest is no clearing
    monkeypatch.setattr(pipeline.stages.chunks, "common_falls", lambda *_: np.zeros(10, np.float32))
    assert walk(scenes.haze()).told != ()


def test_a_cloud_that_nothing_flags_is_veil_and_residue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rules, each of which is enough: its colour, and the class cloud residue."""
    with monkeypatch.context() as without_residue:
        without_residue.setattr(ChangeEvidence, "seen", property(lambda said: np.ones(len(said.probabilities), np.float32)))
        assert walk(scenes.unflagged_cloud()).told == ()
    monkeypatch.setattr(pipeline.features, "HAZE_BLUE_RISE", 9.0)
    assert walk(scenes.unflagged_cloud()).told == ()
    monkeypatch.setattr(ChangeEvidence, "seen", property(lambda said: np.ones(len(said.probabilities), np.float32)))
    assert walk(scenes.unflagged_cloud()).told != ()


def test_faulty_lines_count_as_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = outcome("faulty_lines").state.clear_looks
    assert looks[22].max() == len(LOOKS) - 1
    assert looks[33].max() == len(LOOKS) - 2
    monkeypatch.setattr(pipeline.cube, "NEVER_CLEAR", (SceneClass.NO_DATA,))
    assert walk(scenes.faulty_lines()).told == ()  # behind it: no ground is so bright
    monkeypatch.setattr(pipeline.cube, "BRIGHTEST", 9.0)
    assert walk(scenes.faulty_lines()).told != ()


def test_saturated_lines_that_nothing_flags_are_not_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome("unflagged_lines").told == ()
    monkeypatch.setattr(pipeline.cube, "BRIGHTEST", 9.0)
    assert {p["state"] for p in walk(scenes.unflagged_lines()).told} == {"provisional"}


def test_one_look_does_not_confirm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ground that is bare on one look and forest again on the next is provisional for that look and nothing after."""
    once = Place(forest(), ((3, SPOT, Cover.TAILINGS), (4, SPOT, Cover.FOREST)))
    found = walk(once)
    assert {p["state"] for p in found.told} == {"provisional"}
    assert found.last == {}
    eager = partial(pipeline.monitor.MonitorRules, looks_to_confirm=1, confirmed=-0.8)
    monkeypatch.setattr(pipeline.monitor, "MonitorRules", eager)
    assert "confirmed" in {p["state"] for p in walk(once).told}


def test_less_than_the_minimum_mapping_unit_is_no_site() -> None:
    small = scenes.rectangle(34, 34, 4, 4)
    assert walk(Place(forest(), mined(small))).told == ()


# --- what is kept ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken_for", [SceneClass.CLOUD_HIGH, SceneClass.CLOUD_SHADOW, SceneClass.SNOW])
@pytest.mark.parametrize("cover", [Cover.POND, Cover.TAILINGS])
def test_a_pond_or_spoil_that_is_always_taken_for_something_else_is_kept(cover: Cover, taken_for: SceneClass) -> None:
    found = walk(called(taken_for, Place(forest(), ((2, SPOT, cover),)), SPOT, 2))
    assert found.last["mining"] == pytest.approx(SPOT.sum() * PIXEL_HA, rel=0.15)
    assert min(str(p["evaluated_on"]) for p in found.told) == LOOKS[3].isoformat()  # not on the first of them
    assert found.told[-1]["state"] == "confirmed"


def test_a_pond_that_is_taken_for_cloud_and_gone_on_the_next_look_is_not_kept() -> None:
    once = Place(forest(), ((3, SPOT, Cover.POND), (4, SPOT, Cover.FOREST)))
    assert walk(called(SceneClass.CLOUD_HIGH, once, SPOT, 2)).told == ()


def test_what_is_kept_is_too_dark_for_a_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    pond = called(SceneClass.CLOUD_HIGH, Place(forest(), ((2, SPOT, Cover.POND),)), SPOT, 2)
    monkeypatch.setattr(pipeline.doubtful, "DARKEST_OPAQUE_BLUE", 0.0)
    assert walk(pond).told == ()


def test_a_real_cloud_that_moves_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome("clouds").told == ()
    monkeypatch.setattr(pipeline.cube, "CLOUDY", ())
    monkeypatch.setattr(pipeline.cube, "NEVER_CLEAR", (SceneClass.NO_DATA,))
    monkeypatch.setattr(pipeline.features, "HAZE_BLUE_RISE", 9.0)
    monkeypatch.setattr(ChangeEvidence, "seen", property(lambda said: np.ones(len(said.probabilities), np.float32)))
    assert "mining" in walk(scenes.clouds()).causes


# --- what is not told apart ------------------------------------------------------------------------------------------

TAKEN_FOR = {
    "quarry": "mining", "settlement": "mining", "landslide": "mining", "wide_road": "mining", "roads": "mining",
    "aquaculture": "unclear",
}  # fmt: skip
"""What the scene is called on one look at least."""


@pytest.mark.parametrize(("name", "cause"), TAKEN_FOR.items())
def test_what_is_not_told_apart(name: str, cause: str) -> None:
    assert cause in outcome(name).causes, "told apart now: move it in docs/look-alikes.md"


# --- the page --------------------------------------------------------------------------------------------------------


def test_every_test_that_the_page_names_exists_and_every_scene_is_on_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    known = set(re.findall(r"^def (test_\w+)", Path(__file__).read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 20
    assert sorted(named - known) == []
    source = Path(scenes.__file__).read_text(encoding="utf-8")
    made = set(re.findall(r"^def (\w+)\([^)]*\) -> Place:", source, re.M)) - {"called"}
    assert len(made) > 20
    assert sorted(made - set(re.findall(r"`(\w+)`", page))) == []


def test_every_rule_that_the_page_names_exists() -> None:
    rules = sorted(set(re.findall(r"`((?:pipeline\.)[\w.]+)`", PAGE.read_text(encoding="utf-8"))))
    assert len(rules) > 12
    assert [rule for rule in rules if not _exists(rule)] == []


def _exists(name: str) -> bool:
    """Whether a dotted name is one of the package: a module, or something in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True

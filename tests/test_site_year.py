"""A year of nights over ground that is drawn by hand: what each site must be called, and when.

Looks come every 12 days; the forest is watched from look 21 on. Rows and columns are pixels of 10 m.

    look   24   28   30   31   32   36   40   41   44   46   58
    A      dug  wider     ->F  .    .    .    .    wider     .     grows, takes in F, rests over 90 days, starts again
    B      dug  .    .    .    green ...                dug  .     is over, and starts again
    C, D   dug  .    .    .    .    meet .    .    .    .    .     come to touch, and stay two
    F                dug  in A                                     was not confirmed yet when A reached it
    G                                    dug  halves               what joined its halves was one look's error
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from shapely.geometry import shape
from worlds import EPSG, FOREST, LEFT, POND, SPOIL, TOP, footprint, square, table, write_aoi, write_catalog, write_item

from pipeline import geo
from pipeline.config import RunConfig
from pipeline.io.store import Event, open_store
from pipeline.sites import Site, SiteRules, advance
from pipeline.sites.pixels import extent_m
from pipeline.stages import AoiRequest, run_aoi

SIZE, LOOKS = 104, 58


def day_of(look: int) -> date:
    return date(2024, 1, 1) + timedelta(days=12 * look)


def dug(look: int) -> list[tuple[int, int, int, int]]:
    """Rows and columns (first and past the last) of the ground that is dug on a look."""
    ground = []
    if look >= 24:
        width = 52 if look >= 44 else 46 if look >= 31 else 30 if look >= 28 else 20
        ground.append((8, 28, 8, 8 + width))
    if look >= 30:
        ground.append((8, 18, 54, 64))
    if 24 <= look < 32 or look >= 46:
        ground.append((40, 56, 8, 24))
    if look >= 24:
        ground += [(40, 56, 50, 62), (40, 56, 70, 82)]
    if look >= 36:
        ground.append((40, 56, 62, 70))
    if look >= 40:
        ground += [(80, 92, 8, 22), (80, 92, 30, 44)]
    if look == 40:
        ground.append((80, 92, 22, 30))
    return ground


def image_of(look: int) -> np.ndarray:
    """Forest, with spoil where it is dug and a pond in the middle of each pit."""
    rng = np.random.default_rng(look)
    image = np.repeat(np.array(FOREST)[:, None, None], SIZE, 1).repeat(SIZE, 2)
    for top, bottom, left, right in dug(look):
        image[:, top:bottom, left:right] = np.array(SPOIL)[:, None, None]
        if (top, left) in {(8, 8), (40, 8), (40, 50), (40, 70)}:
            image[:, top + 5 : top + 10, left + 4 : left + 9] = np.array(POND)[:, None, None]
    return np.clip(image * (1 + rng.normal(0, 0.003)) + rng.normal(0, 0.003, image.shape), 0.001, 1.0)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """Everything that was said in the year, one night after another."""
    folder = tmp_path_factory.mktemp("year")
    names = [write_item(folder / "catalog", day_of(look), image_of(look)) for look in range(LOOKS)]
    write_catalog(folder / "catalog", names)
    write_aoi(folder / "aoi.geojson", footprint(SIZE))
    section = {"aoi": str(folder / "aoi.geojson"), "catalog": str(folder / "catalog" / "catalog.json")}
    config = RunConfig.model_validate({"areas": [section], "out": str(folder / "out"),
                                       "delivery": {"has_evidence": False, "has_map": False, "languages": []}})  # fmt: skip
    for look in range(22, LOOKS):
        run_aoi(AoiRequest(config.areas[0], config, folder / "out", str(folder / "out" / "store.sqlite"), day_of(look)))
    return open_store(folder / "out" / "store.sqlite").events("tiny")


def centre(event: Event) -> tuple[float, float]:
    """Row and column of the middle of an outline."""
    left, bottom, right, top = geo.reproject(shape(event.payload["geometry"]), geo.WGS84, f"EPSG:{EPSG}").bounds
    return (TOP - (top + bottom) / 2) / 10, ((left + right) / 2 - LEFT) / 10


def site_at(told: list[Event], row: float, column: float, look: int) -> str:
    """The site that was first told within 8 pixels of a place by a look."""
    near = [e for e in told if e.day <= day_of(look) and np.hypot(*np.subtract(centre(e), (row, column))) <= 8]
    assert near, f"nothing was said near row {row}, column {column} by look {look}"
    return near[0].site_id


def last(told: list[Event], site_id: str, look: int) -> Mapping[str, Any]:
    """What was last said of a site by a look."""
    return [e for e in told if e.site_id == site_id and e.day <= day_of(look)][-1].payload["properties"]


def test_a_site_keeps_its_name_through_growth_rest_and_new_work(told: list[Event]) -> None:
    a = site_at(told, 18, 18, 24)
    assert last(told, a, 28)["area_ha"] == pytest.approx(6.0, rel=0.02)
    assert [last(told, a, look)["activity"] for look in (28, 38, 40, 44, 52)] == [
        "active", "active", "dormant", "active", "dormant",
    ]  # fmt: skip
    assert [e.site_id for e in told if e.day == day_of(44) and e.payload["properties"]["area_ha"] > 9] == [a]
    assert last(told, a, 57)["first_detected_on"] == day_of(24).isoformat()


def test_a_site_that_was_not_confirmed_is_taken_in_with_its_name(told: list[Event]) -> None:
    a, f = site_at(told, 18, 18, 24), site_at(told, 13, 59, 30)
    assert last(told, a, 31)["merged_from"] == [f]
    assert last(told, f, 57)["state"] == "withdrawn"
    assert [e for e in told if e.site_id == f and e.day > day_of(31)] == []


def test_a_site_that_was_over_and_starts_again_is_reopened_and_not_new(told: list[Event]) -> None:
    b = site_at(told, 48, 16, 24)
    assert (last(told, b, 35)["state"], last(told, b, 35)["activity"]) == ("closed", "finished")
    again = last(told, b, 47)
    assert (again["state"], again["activity"], again["reopened_on"]) == ("confirmed", "active", day_of(47).isoformat())
    assert [e for e in told if np.hypot(*np.subtract(centre(e), (48, 16))) <= 8 and e.site_id != b] == []


def test_two_confirmed_sites_that_come_to_touch_stay_two(told: list[Event]) -> None:
    c, d = site_at(told, 48, 56, 24), site_at(told, 48, 76, 24)
    assert c != d
    assert [last(told, site, 57)["merged_from"] for site in (c, d)] == [[], []]
    assert sorted(last(told, site, 57)["area_ha"] for site in (c, d)) == [
        pytest.approx(1.92, rel=0.02),
        pytest.approx(3.2, rel=0.02),
    ]


def test_a_site_that_falls_in_two_leaves_its_lineage(told: list[Event]) -> None:
    g = site_at(told, 86, 26, 40)
    (other,) = {e.site_id for e in told if e.payload["properties"]["split_from"] == g}
    assert [last(told, site, 41)["area_ha"] for site in (g, other)] == [pytest.approx(1.68, rel=0.02)] * 2
    assert last(told, g, 57)["split_from"] is None


def test_nobody_else_is_ever_told_of(told: list[Event]) -> None:
    assert len({e.site_id for e in told}) == 7


def test_a_belt_of_forty_kilometres_that_grows_for_a_year_stays_separate_sites() -> None:
    rules, sites = SiteRules(), list[Site]()
    named: dict[str, date] = {}
    for month in range(13):
        day = date(2025, 1, 1) + timedelta(days=30 * month)
        sites, _ = advance(sites, table(square(0, 0, 4000 * (month + 1) // 13, 20), day=day), day, "belt", rules)
        named |= {site.id: day for site in sites if site.id not in named}
        assert {site.id for site in sites} == named.keys()
        assert max(extent_m(site.keys) for site in sites) <= rules.max_extent_m
    assert sum(len(site.keys) for site in sites) == 4000 * 20
    assert 40_000 / rules.max_extent_m <= len(sites) <= 2 * 40_000 / rules.max_extent_m

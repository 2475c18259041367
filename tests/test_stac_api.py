"""A STAC API on loopback gives what the same catalogue on disk gives."""

import json
from datetime import date
from pathlib import Path

import pytest
from shapely.affinity import translate
from shapely.geometry import mapping
from stac_server import PAGE, stac_api
from worlds import footprint, write_aoi

from pipeline.config import RunConfig
from pipeline.errors import CatalogEmptyError, CatalogUnreadableError
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.stages import AoiRequest, run_aoi


def test_every_page_is_read_and_the_period_begins_a_day_early(pit_world: Path) -> None:
    area = read_area(pit_world / "aoi.geojson")
    start, until = date(2024, 2, 6), date(2024, 12, 31)
    with stac_api(pit_world / "catalog") as api:
        found, unusable = find_scenes(api.url, area, start=start, until=until)
        asked = api.searches[0]
    local, _ = find_scenes(str(pit_world / "catalog" / "catalog.json"), area, start=start, until=until)
    assert unusable == []
    assert sorted(s.id for s in found) == sorted(s.id for s in local)
    assert len(found) > 2 * PAGE
    assert asked["collections"] == ["sentinel-2-l2a"]
    assert asked["intersects"] == json.loads(json.dumps(mapping(area.geometry)))
    assert asked["datetime"].split("/")[0].startswith("2024-02-05")  # a solar day in the far east begins in UTC's yesterday


def test_the_walk_says_the_same_of_an_api_as_of_a_folder(pit_world: Path, tmp_path: Path) -> None:
    said = {}
    with stac_api(pit_world / "catalog") as api:
        for name, catalog in (("api", api.url), ("folder", str(pit_world / "catalog" / "catalog.json"))):
            config = RunConfig.model_validate({
                "areas": [{"aoi": str(pit_world / "aoi.geojson"), "catalog": catalog}], "out": str(tmp_path / name),
                "delivery": {"has_evidence": False, "has_map": False},
            })  # fmt: skip
            request = AoiRequest(config.areas[0], config, tmp_path / name, str(tmp_path / name / "store.sqlite"), None)
            said[name] = [(a.id, a.geometry.wkt, a.properties["first_detected_on"]) for a in run_aoi(request).alerts]
        assert api.ranges  # windows by byte range, not whole files
    assert len(said["api"]) == 1
    assert said["api"] == said["folder"]


def test_an_api_that_fails_is_named(pit_world: Path) -> None:
    area = read_area(pit_world / "aoi.geojson")
    with stac_api(pit_world / "catalog") as api:
        api.status = 400
        with pytest.raises(CatalogUnreadableError, match="check the address and the network"):
            find_scenes(api.url, area, until=date.max)
        gone = api.url
    with pytest.raises(CatalogUnreadableError, match="check the address and the network"):
        find_scenes(gone, area, until=date.max)


def test_an_api_without_items_there_is_named(pit_world: Path, tmp_path: Path) -> None:
    area = read_area(write_aoi(tmp_path / "far.geojson", translate(footprint(), 20.0)))
    with stac_api(pit_world / "catalog") as api, pytest.raises(CatalogEmptyError):
        find_scenes(api.url, area, until=date.max)

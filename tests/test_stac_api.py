"""A STAC API on loopback gives what the same catalogue on disk gives."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import odc.stac
import pystac
import pytest
from servers.faults import Fault
from servers.stac import PAGE, stac_api
from shapely.affinity import translate
from shapely.geometry import mapping
from worlds import footprint, write_aoi

from pipeline.aoi import working_grid
from pipeline.config import RunConfig
from pipeline.errors import CatalogEmptyError, ProviderAnswerError, ProviderUnavailableError
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.pixels import read_scene
from pipeline.io.providers import SourceSettings, open_source
from pipeline.io.web import Patience
from pipeline.scenes import BANDS, SCL
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
                "delivery": {"has_evidence": False, "has_map": False, "languages": []},
            })  # fmt: skip
            request = AoiRequest(config.areas[0], config, tmp_path / name, str(tmp_path / name / "store.sqlite"), None)
            said[name] = [(a.id, a.geometry.wkt, a.properties["first_detected_on"]) for a in run_aoi(request).alerts]
        assert api.ranges  # windows by byte range, not whole files
    assert len(said["api"]) == 1
    assert said["api"] == said["folder"]


def test_an_api_that_fails_is_named(pit_world: Path) -> None:
    area = read_area(pit_world / "aoi.geojson")
    with stac_api(pit_world / "catalog") as api:
        api.faults.append(Fault("search", "status", 400))
        with pytest.raises(ProviderAnswerError, match="found status 400, expected success; check the address"):
            find_scenes(api.url, area, until=date.max)
        gone = open_source(SourceSettings(api.url, patience=Patience(attempts=2, first_wait_s=0.01)))
    with pytest.raises(ProviderUnavailableError, match=r"connection lost .* after 2 tries"):
        find_scenes(gone, area, until=date.max)


def test_an_api_without_items_there_is_named(pit_world: Path, tmp_path: Path) -> None:
    area = read_area(write_aoi(tmp_path / "far.geojson", translate(footprint(), 20.0)))
    with stac_api(pit_world / "catalog") as api, pytest.raises(CatalogEmptyError):
        find_scenes(api.url, area, until=date.max)


@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # inside odc-geo
def test_the_numbers_are_those_that_odc_stac_loads(pit_world: Path) -> None:
    area = read_area(pit_world / "aoi.geojson")
    (chunk,) = working_grid(area).chunks
    with stac_api(pit_world / "catalog") as api:
        source = open_source(SourceSettings(api.url))
        scenes, _ = find_scenes(source, area, until=date(2024, 12, 31))
        scene = min(scenes, key=lambda s: s.sensed_at)
        record = next(i for i in api.items() if i["id"] == scene.id)
        ours = read_scene(scene, chunk.geobox, source.open)
        theirs = odc.stac.load([pystac.Item.from_dict(record)], bands=[*BANDS, SCL], geobox=chunk.geobox)
    for band in BANDS:
        numbers = theirs[band].values[0].astype(float)
        assert ours[band] == pytest.approx(numbers * 1e-4, abs=1e-6)  # it applies neither scale nor offset (odc-stac issue 146)
    assert np.array_equal(ours[SCL], theirs[SCL].values[0])

"""Catalogues: what is found, what is not used and why, and where a catalogue lies."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from shapely.affinity import translate
from worlds import BANDS, footprint, ground, write_aoi, write_catalog, write_item

from pipeline.aoi import Area
from pipeline.errors import AoiOutsideScenesError, CatalogUnreadableError
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.items import ASSET_NAMES, scene_from_item
from pipeline.io.providers import SourceSettings, Unusable
from pipeline.scenes import Radiometry, Scene

DAYS = [date(2024, 1, 1), date(2024, 1, 13), date(2024, 1, 25)]
SIZE = 6


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    image = ground(np.random.default_rng(0), has_pit=False, size=SIZE)
    return [write_item(tmp_path, day, image, offset=-0.1 if n else 0.0) for n, day in enumerate(DAYS)]


@pytest.fixture
def catalog(tmp_path: Path, names: list[str]) -> Path:
    return write_catalog(tmp_path, names)


@pytest.fixture
def area(tmp_path: Path) -> Area:
    return read_area(write_aoi(tmp_path / "aoi.geojson", footprint(SIZE)))


SETTINGS = SourceSettings("x")


def find(catalog: Path | str, area: Area, until: date = date.max, **more: object) -> tuple[list[Scene], list[Unusable]]:
    return find_scenes(str(catalog), area, until=until, **more)


def item_of(folder: Path, name: str) -> dict:
    return json.loads((folder / name / f"{name}.json").read_text(encoding="utf-8"))


def rewrite(folder: Path, name: str, item: object) -> None:
    (folder / name / f"{name}.json").write_text(json.dumps(item), encoding="utf-8")


def test_items_become_scenes(catalog: Path, area: Area, names: list[str]) -> None:
    scenes, unusable = find(catalog, area)
    assert unusable == []
    assert sorted(s.id for s in scenes) == names
    first, second = sorted(scenes, key=lambda s: s.id)[:2]
    assert first.solar_day == DAYS[0]
    assert (first.platform, first.tile, first.processing_baseline) == ("sentinel-2a", "MGRS-20LPR", "03.01")
    assert first.datatake_id == "GS2A_20240101T142700_000000"
    assert set(first.assets) == {*BANDS, "scl"}
    assert first.assets["red"].radiometry == Radiometry(1e-4, 0.0)
    assert second.assets["red"].radiometry == Radiometry(1e-4, -0.1)
    assert second.assets["scl"].radiometry is None
    assert Path(first.assets["red"].href) == catalog.parent / first.id / "red.tif"


def test_the_period_is_one_of_solar_days_with_both_ends(catalog: Path, area: Area) -> None:
    assert [s.solar_day for s in find(catalog, area, DAYS[1])[0]] == DAYS[:2]
    assert [s.solar_day for s in find(catalog, area, DAYS[1], start=DAYS[1])[0]] == [DAYS[1]]


def test_children_are_followed_and_read_once(tmp_path: Path, catalog: Path, area: Area, names: list[str]) -> None:
    links = [{"rel": "child", "href": "../catalog.json"}, {"rel": "child", "href": "parent.json"}]
    (tmp_path / "top").mkdir()
    path = tmp_path / "top" / "parent.json"
    path.write_text(json.dumps({"type": "Collection", "links": links}), encoding="utf-8")
    assert len(find(path, area)[0]) == len(names)


@pytest.mark.parametrize("provider", [0, 1, 2], ids=["Earth Search", "Planetary Computer", "Copernicus"])
def test_bands_have_their_providers_names(tmp_path: Path, names: list[str], provider: int) -> None:
    item = item_of(tmp_path, names[1])
    item["assets"] = {ASSET_NAMES[band][provider]: asset for band, asset in item["assets"].items()}
    assert set(scene_from_item(item, None, SETTINGS).assets) == {*BANDS, "scl"}


def test_radiometry_is_read_in_each_form_of_stac(tmp_path: Path, names: list[str]) -> None:
    for form in ("bands", "asset"):
        item = item_of(tmp_path, names[1])
        for asset in item["assets"].values():
            record = asset.pop("raster:bands", [{}])[0]
            asset.update({"bands": [record]} if form == "bands" else {f"raster:{k}": v for k, v in record.items()})
        assert scene_from_item(item, None, SETTINGS).assets["nir"].radiometry == Radiometry(1e-4, -0.1)


def test_an_offset_that_was_taken_off_is_not_taken_off_again(tmp_path: Path, names: list[str]) -> None:
    item = item_of(tmp_path, names[1])
    item["properties"]["earthsearch:boa_offset_applied"] = True
    assert scene_from_item(item, None, SETTINGS).assets["nir"].radiometry == Radiometry(1e-4, 0.0)


def test_an_address_stays_an_address(tmp_path: Path, names: list[str]) -> None:
    item = item_of(tmp_path, names[0])
    item["assets"]["red"]["href"] = "https://example.org/red.tif"
    assert scene_from_item(item, tmp_path / "x.json", SETTINGS).assets["red"].href == "https://example.org/red.tif"


def no_band(item: dict) -> None:
    del item["assets"]["nir"]


def no_offset(item: dict) -> None:
    del item["assets"]["red"]["raster:bands"][0]["offset"]
    item["properties"]["s2:processing_baseline"] = "05.09"


def no_datetime(item: dict) -> None:
    del item["properties"]["datetime"]


def no_geometry(item: dict) -> None:
    item["geometry"] = None


def no_href(item: dict) -> None:
    item["assets"]["red"] = {}


@pytest.mark.parametrize(
    ("spoil", "error", "day"),
    [
        (no_band, "SceneAssetMissingError", DAYS[1]),
        (no_offset, "RadiometryUnknownError", DAYS[1]),
        (no_datetime, "CatalogUnreadableError", None),
        (no_geometry, "CatalogUnreadableError", None),
        (no_href, "CatalogUnreadableError", DAYS[1]),
    ],
)
def test_an_item_that_cannot_be_used_comes_back_with_its_error(
    catalog: Path, area: Area, names: list[str], spoil, error: str, day: date | None
) -> None:
    item = item_of(catalog.parent, names[1])
    spoil(item)
    rewrite(catalog.parent, names[1], item)
    scenes, unusable = find(catalog, area)
    assert len(scenes) == 2
    assert [(u.scene_id, type(u.error).__name__) for u in unusable] == [(names[1], error)]
    assert unusable[0].solar_day == day
    assert names[1] in str(unusable[0].error)


def test_an_item_file_that_is_absent_is_told_of(tmp_path: Path, catalog: Path, area: Area, names: list[str]) -> None:
    (tmp_path / names[2] / f"{names[2]}.json").unlink()
    scenes, unusable = find(catalog, area)
    assert len(scenes) == 2
    assert [(u.scene_id, type(u.error)) for u in unusable] == [(names[2], CatalogUnreadableError)]


def test_only_a_band_that_is_named_may_be_absent(tmp_path: Path, catalog: Path, area: Area, names: list[str]) -> None:
    for name in names:
        item = item_of(tmp_path, name)
        del item["assets"]["swir22"]
        rewrite(tmp_path, name, item)
    assert len(find(catalog, area)[1]) == 3
    scenes, unusable = find(catalog, area, absent_bands=["swir22"])
    assert (len(scenes), unusable) == (3, [])
    assert "swir22" not in scenes[0].assets


def test_scenes_elsewhere_are_named_with_where_they_lie(tmp_path: Path, catalog: Path) -> None:
    far = read_area(write_aoi(tmp_path / "far.geojson", translate(footprint(SIZE), 3.0)))
    with pytest.raises(AoiOutsideScenesError, match=r"area tiny.*-60\.0.*-63\.0"):
        find(catalog, far)


def test_an_item_is_no_catalogue(tmp_path: Path, area: Area, names: list[str]) -> None:
    with pytest.raises(CatalogUnreadableError, match=r"found type .Feature.*catalog\.json"):
        find(tmp_path / names[0] / f"{names[0]}.json", area)
    with pytest.raises(CatalogUnreadableError, match="check the path"):
        find(tmp_path / "absent.json", area)


# --- a STAC API, which is asked once and never reached here ---------------------------------------------------------------

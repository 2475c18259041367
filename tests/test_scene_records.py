"""What the records of scenes must get right on the way through the walk: contradictions, gaps, overlaps, zones."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.affinity import translate
from shapely.geometry import box, mapping, shape
from worlds import EPSG, LEFT, TOP, footprint, ground, write_aoi, write_catalog, write_item

from pipeline import geo
from pipeline.config import RunConfig
from pipeline.errors import RadiometryContradictedError
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.pixels import Reading, read_acquisition
from pipeline.io.providers import SourceSettings, open_source
from pipeline.io.store import open_store
from pipeline.ledger import LedgerRow, Outcome
from pipeline.scenes import choose_scenes
from pipeline.stages import AoiRequest, open_walk

DAY = date(2024, 1, 1)
FOREST = ground(np.random.default_rng(2), has_pit=False)


def edit(folder: Path, name: str, **properties: object) -> dict[str, object]:
    """The item with other properties; `geometry` and `id` go to the item itself."""
    path = folder / name / f"{name}.json"
    item = json.loads(path.read_text(encoding="utf-8"))
    item |= {key: properties.pop(key) for key in ("geometry", "id") if key in properties}
    item["properties"] |= properties
    path.write_text(json.dumps(item), encoding="utf-8")
    return item


def ledger_of(folder: Path, catalog: Path, as_of: date) -> list[LedgerRow]:
    write_aoi(folder / "aoi.geojson")
    config = RunConfig.model_validate(
        {"areas": [{"aoi": str(folder / "aoi.geojson"), "catalog": str(catalog)}], "out": str(folder)}
    )
    store = str(folder / "store.sqlite")
    open_walk(AoiRequest(config.areas[0], config, folder, store, as_of))
    return open_store(store).ledger("tiny")


# --- a flag against the pixels --------------------------------------------------------------------------------------


def wrong(folder: Path, kind: str) -> tuple[Path, str]:
    """A scene whose item says the offset is off and it is not, or is there and it is not."""
    name = write_item(folder, DAY, FOREST, offset=-0.1 if kind == "missed" else 0.0)
    if kind == "missed":
        edit(folder, name, **{"earthsearch:boa_offset_applied": True})
    else:
        path = folder / name / f"{name}.json"
        item = json.loads(path.read_text(encoding="utf-8"))
        item["properties"] |= {"s2:processing_baseline": "05.09"}
        for asset in item["assets"].values():
            for band in asset.get("raster:bands", []):
                band["offset"] = -0.1
        path.write_text(json.dumps(item), encoding="utf-8")
    return write_catalog(folder, [name]), name


@pytest.mark.parametrize(
    ("kind", "words", "truth"), [("missed", "had not been taken off", -0.1), ("twice", "been taken off twice", 0.0)]
)
def test_a_flag_that_the_pixels_contradict_is_refused_until_the_operator_knows(
    tmp_path: Path, kind: str, words: str, truth: float
) -> None:
    catalog, name = wrong(tmp_path / "c", kind)
    area = read_area(write_aoi(tmp_path / "aoi.geojson"))
    (acquisition,), _ = choose_scenes(find_scenes(str(catalog), area, until=date.max)[0])
    grid = open_grid(area)
    cube, failed = read_acquisition(acquisition, grid)
    assert cube is None
    assert isinstance(failed[name], RadiometryContradictedError)
    assert words in str(failed[name])
    assert f'offsets: {{"<scene id or pattern>": {truth or 0}}}' in str(failed[name])
    shifted, failed = read_acquisition(acquisition, grid, Reading(has_dark_check=False))
    assert failed == {}
    source = open_source(SourceSettings(str(catalog), offsets={"S2A_20LPR_*": truth}))
    (known,), _ = choose_scenes(find_scenes(source, area, until=date.max)[0])
    cube, failed = read_acquisition(known, grid)
    assert failed == {}
    assert cube["red"].values[0] == pytest.approx(FOREST[2], abs=2e-4)
    assert abs(float((shifted["red"] - cube["red"]).mean())) == pytest.approx(0.1, abs=1e-3)


def open_grid(area: object) -> object:
    from pipeline.aoi import working_grid

    return working_grid(area).chunks[0].geobox


# --- items that are missing, outside or superseded ---------------------------------------------------------------------


def test_a_pass_that_is_not_listed_stands_in_the_ledger_until_it_comes(tmp_path: Path) -> None:
    days = [DAY + timedelta(days=10 * n) for n in range(14)]
    names = {day: write_item(tmp_path / "c", day, FOREST, offset=-0.1) for day in days}
    catalog = write_catalog(tmp_path / "c", [names[d] for d in days if d != days[6]])
    gaps = [r for r in ledger_of(tmp_path, catalog, days[-1]) if r.outcome is Outcome.NOT_LISTED]
    assert [(r.solar_day, r.scene_id) for r in gaps] == [(days[6], f"MGRS-20LPR {days[6]}")]
    assert "it was not recorded, or the catalogue lacks it" in gaps[0].reason
    catalog = write_catalog(tmp_path / "c", list(names.values()))
    assert not [r for r in ledger_of(tmp_path, catalog, days[-1]) if r.outcome is Outcome.NOT_LISTED]


def test_the_choice_between_reprocessings_is_recorded_and_a_test_baseline_loses(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    names = []
    for part, baseline in (("a", "05.10"), ("b", "05.09"), ("c", "99.05")):
        name = write_item(folder / part, DAY, FOREST, offset=-0.1)
        edit(folder / part, name, id=f"{name}_{part}", **{"s2:processing_baseline": baseline})
        names.append(f"{part}/{name}/{name}")
    links = [{"rel": "item", "href": f"./{n}.json"} for n in names]
    catalog = folder / "catalog.json"
    catalog.write_text(json.dumps({"type": "Catalog", "stac_version": "1.0.0", "id": "t", "description": "t", "links": links}))
    rows = {r.scene_id[-1]: r for r in ledger_of(tmp_path, catalog, DAY) if r.outcome is Outcome.SUPERSEDED}
    assert set(rows) == {"b", "c"}
    assert "processing baseline 05.09 is older than 05.10" in rows["b"].reason
    assert "processing baseline 99.05 is a test and gives way to" in rows["c"].reason


def test_an_unusable_item_elsewhere_is_nobodys_concern(tmp_path: Path) -> None:
    area = read_area(write_aoi(tmp_path / "aoi.geojson"))
    names = [write_item(tmp_path / "c", DAY + timedelta(days=n), FOREST, offset=-0.1) for n in range(3)]
    for name, outline in ((names[1], footprint()), (names[2], translate(shape(mapping(footprint())), 5.0))):
        edit(tmp_path / "c", name, geometry=mapping(outline), **{"s2:processing_baseline": "03.01"})  # contradicts the offset
    _, unusable = find_scenes(str(write_catalog(tmp_path / "c", names)), area, until=date.max)
    assert [u.scene_id for u in unusable] == [names[1]]


@pytest.mark.parametrize("ring", [[[0, 0], [1, 1]], [[0, 0], [1, 1], ["x", 2], [0, 0]], []])
def test_an_item_without_a_shape_is_unusable_and_stops_nothing(tmp_path: Path, ring: list[object]) -> None:
    area = read_area(write_aoi(tmp_path / "aoi.geojson"))
    names = [write_item(tmp_path / "c", DAY + timedelta(days=n), FOREST, offset=-0.1) for n in range(2)]
    edit(tmp_path / "c", names[1], geometry={"type": "Polygon", "coordinates": [ring]})
    scenes, unusable = find_scenes(str(write_catalog(tmp_path / "c", names)), area, until=date.max)
    assert ([s.id for s in scenes], [u.scene_id for u in unusable]) == ([names[0]], [names[1]])


# --- zones and sizes ------------------------------------------------------------------------------------------------


def test_scenes_of_both_zones_show_an_area_on_their_border(tmp_path: Path) -> None:
    """The area lies across 60 degrees west, between UTM 20S and 21S; each scene covers its own half and a strip beyond."""
    folder, step = tmp_path / "c", 0.02
    west, south = -60.0 - step, -9.02
    area_outline = box(-60.0 - 0.004, -9.015, -60.0 + 0.004, -9.005)
    names = []
    for part, epsg, lon in (("w", 32720, west), ("e", 32721, -60.0)):
        name = write_item(folder / part, DAY, FOREST, offset=-0.1)
        half = box(lon - 0.001, south, lon + step + 0.001, south + 0.02)
        in_zone = geo.reproject(half, geo.WGS84, f"EPSG:{epsg}")
        left, top = np.floor(in_zone.bounds[0] / 60) * 60, np.ceil(in_zone.bounds[3] / 60) * 60
        shape_px = (round((top - in_zone.bounds[1]) / 10) + 1, round((in_zone.bounds[2] - left) / 10) + 1)
        for tif in (folder / part / name).glob("*.tif"):
            with rasterio.open(tif) as file:
                value, dtype = file.read(1)[3, 3], file.dtypes[0]
            with rasterio.open(tif, "w", driver="GTiff", height=shape_px[0], width=shape_px[1], count=1, dtype=dtype,
                               crs=f"EPSG:{epsg}", transform=Affine(10, 0, left, 0, -10, top), nodata=0) as out:  # fmt: skip
                out.write(np.full(shape_px, value, dtype), 1)
        tile = "MGRS-20LRQ" if part == "w" else "MGRS-21LTK"
        edit(folder / part, name, id=f"{name}_{part}", geometry=mapping(half), **{"grid:code": tile})
        names.append(f"{part}/{name}/{name}")
    links = [{"rel": "item", "href": f"./{n}.json"} for n in names]
    catalog = folder / "catalog.json"
    catalog.write_text(json.dumps({"type": "Catalog", "stac_version": "1.0.0", "id": "t", "description": "t", "links": links}))
    area = read_area(write_aoi(tmp_path / "aoi.geojson", area_outline))
    acquisitions, superseded = choose_scenes(find_scenes(str(catalog), area, until=date.max)[0])
    assert superseded == []
    assert [len(a.scenes) for a in acquisitions] == [2]
    cube, failed = read_acquisition(acquisitions[0], open_grid(area))
    assert failed == {}
    assert np.isfinite(cube["red"].values).all()
    assert cube["red"].values == pytest.approx(float(cube["red"].values[0, 0, 0]), abs=2e-3)


def test_bands_of_10_20_and_60_metres_come_to_one_grid(tmp_path: Path) -> None:
    name = write_item(tmp_path / "c", DAY, FOREST, offset=-0.1)
    for band, pixel, value in (("swir16", 20, 2600), ("swir22", 60, 1700)):
        side = 480 // pixel
        with rasterio.open(tmp_path / "c" / name / f"{band}.tif", "w", driver="GTiff", height=side, width=side, count=1,
                           dtype="uint16", crs=f"EPSG:{EPSG}", transform=Affine(pixel, 0, LEFT, 0, -pixel, TOP),
                           nodata=0) as out:  # fmt: skip
            out.write(np.full((side, side), value, "u2"), 1)
    area = read_area(write_aoi(tmp_path / "aoi.geojson"))
    (acquisition,), _ = choose_scenes(find_scenes(str(write_catalog(tmp_path / "c", [name])), area, until=date.max)[0])
    cube, _ = read_acquisition(acquisition, open_grid(area))
    assert cube["swir16"].values == pytest.approx(0.16, abs=1e-6)
    assert cube["swir22"].values == pytest.approx(0.07, abs=1e-6)
    assert cube["nir"].values[0] == pytest.approx(FOREST[3], abs=2e-4)

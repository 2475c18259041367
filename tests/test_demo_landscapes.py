"""The landscapes of the simulated world: each is what it says, with its own mines, look-alikes, conditions and truth."""

import hashlib
import json
from datetime import date, timedelta

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from shapely import STRtree, transform, union_all
from shapely.geometry import shape

from pipeline.demo.conditions import CALM, Conditions, Drought, moved
from pipeline.demo.landscape import make_landscape
from pipeline.demo.landscapes import LANDSCAPES, DemoLandscapeUnknownError, MineKind, landscape_named
from pipeline.demo.lookalikes import FEW
from pipeline.demo.mine import PLANS
from pipeline.demo.more_lookalikes import MORE
from pipeline.demo.signatures import Cover, load_signatures
from pipeline.demo.terrain import Terrain, make_terrain
from pipeline.demo.world import build_world
from pipeline.errors import InputError
from pipeline.io.areas import read_area

SIZE_M, DAYS, START = 1600.0, 365, date(2023, 1, 1)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    made = {}

    def world(name):
        if name not in made:
            made[name] = build(tmp_path_factory.mktemp(name), name)
        return made[name]

    return world


def build(folder, name, **changed):
    asked = {"size_m": SIZE_M, "days": DAYS, "start": START, "lookalikes": "all"}
    return build_world(folder, landscape=name, **{**asked, **changed})


def features(path):
    return json.loads(path.read_text())["features"]


def truth(world, kind):
    return [f for f in features(world.truth) if f["properties"]["kind"] == kind]


def conditions(world, kind):
    return [c for c in json.loads(world.conditions.read_text())["conditions"] if c["kind"] == kind]


def items(world):
    links = [link["href"] for link in json.loads(world.catalog.read_text())["links"] if link["rel"] == "item"]
    return [json.loads((world.catalog.parent / href).read_text()) for href in links]


def on(world, day):
    return next(i for i in items(world) if i["properties"]["datetime"].startswith(day))


def pixels(world, item, name):
    with rasterio.open(world.catalog.parent / item["id"] / f"{name}.tif") as file:
        return file.read(1)


def in_metres(geometry):
    change = Transformer.from_crs(4326, 32721, always_xy=True).transform
    return transform(shape(geometry), lambda p: np.column_stack(change(p[:, 0], p[:, 1])))


def digest(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("name", LANDSCAPES)
def test_the_same_arguments_write_the_same_bytes(tmp_path, name):
    short = {"days": 40}
    first = build(tmp_path / "a", name, **short).catalog.parents[1]
    again = build(tmp_path / "b", name, **short).catalog.parents[1]
    other = build(tmp_path / "c", name, seed=8, **short).catalog.parents[1]
    assert digest(first) == digest(again)
    assert digest(first)["truth.geojson"] != digest(other)["truth.geojson"]


@pytest.mark.parametrize("name", LANDSCAPES)
def test_the_area_says_its_landscape_and_what_is_mined(worlds, name):
    area = read_area(worlds(name).aoi)
    assert area.is_simulated
    assert area.properties["landscape"] == name
    assert area.minerals == LANDSCAPES[name].minerals
    minerals = {m for f in features(worlds(name).titles) for m in f["properties"]["minerals"]}
    assert minerals <= {*area.minerals, "sand", "granite", "copper"}
    assert set(area.minerals) <= minerals


@pytest.mark.parametrize("name", LANDSCAPES)
def test_mines_of_every_tenure_status_have_their_truth(worlds, name):
    found = truth(worlds(name), "mining")
    assert [f["properties"]["tenure_status"] for f in found] == [plan.tenure_status for plan in PLANS]
    for feature in found:
        facts = feature["properties"]
        assert facts["steps"][-1]["area_ha"] == facts["area_ha"]
        assert in_metres(feature["geometry"]).area / 1e4 == pytest.approx(facts["area_ha"], rel=0.01)
        assert facts["clearing_ha"] + facts["tailings_ha"] + facts["pond_ha"] <= facts["area_ha"] + 0.02
    stages = {f["properties"]["stage"] for f in features(worlds(name).stages)}
    has_ponds = LANDSCAPES[name].mine_kind in (MineKind.ALLUVIAL, MineKind.LEACHING)
    assert ("pond" in stages) == has_ponds
    assert "tailings" in stages
    assert ("clearing" in stages) == (name != "arid")  # bare ground has nothing to clear


@pytest.mark.parametrize("name", LANDSCAPES)
def test_stages_of_a_mine_add_up_to_its_ground(worlds, name):
    last = (START + timedelta(days=DAYS - 1)).isoformat()
    stages = [(f["properties"], in_metres(f["geometry"])) for f in features(worlds(name).stages)]
    for feature in truth(worlds(name), "mining"):
        mine = feature["properties"]["id"]
        there = [g for s, g in stages if s["mine_id"] == mine and s["from_on"] <= last < (s["until_on"] or "9999")]
        assert sum(g.area for g in there) / 1e4 == pytest.approx(feature["properties"]["area_ha"], abs=0.03)
        assert union_all(there).area == pytest.approx(sum(g.area for g in there), abs=1.0)


@pytest.mark.parametrize("name", LANDSCAPES)
def test_lookalikes_make_sense_in_their_landscape_and_share_no_ground_with_mines(worlds, name):
    looks = [f for f in features(worlds(name).truth) if f["properties"]["kind"] != "mining"]
    kinds = {f["properties"]["kind"] for f in looks}
    assert kinds <= LANDSCAPES[name].lookalikes
    assert len(kinds - set(FEW)) >= 3
    mines = STRtree([in_metres(f["geometry"]).buffer(-0.1) for f in truth(worlds(name), "mining")])
    for feature in looks:
        assert len(mines.query(in_metres(feature["geometry"]).buffer(-0.1), predicate="intersects")) == 0
        facts = feature["properties"]
        assert in_metres(feature["geometry"]).area / 1e4 == pytest.approx(facts["area_ha"], rel=0.01)
        if facts.get("finished_on") is not None:
            assert facts["onset_on"] < facts["finished_on"] <= (START + timedelta(days=DAYS)).isoformat()


def test_every_kind_of_lookalike_occurs_somewhere(worlds):
    kinds = {f["properties"]["kind"] for name in LANDSCAPES for f in features(worlds(name).truth)}
    assert kinds == {"mining", *FEW, *MORE}


def stages_of(world, kind):
    found = {}
    for feature in features(world.look_stages):
        facts = feature["properties"]
        if facts["look_kind"] == kind:
            found.setdefault(facts["look_id"], []).append((facts["from_on"], facts["stage"]))
    return [[stage for _, stage in sorted(stages)] for stages in found.values()]


def world_with(worlds, kind):
    return next(worlds(name) for name in LANDSCAPES if truth(worlds(name), kind))


def test_lookalikes_go_through_their_stages_in_order(worlds):
    plots = stages_of(world_with(worlds, "shifting_cultivation"), "shifting_cultivation")
    assert plots
    for plot in plots:
        assert plot[:3] == ["scar", "burn", "crop"]
        assert set(plot[3:]) <= {"low_vegetation"}
    for oxbow in stages_of(world_with(worlds, "oxbow"), "oxbow"):
        first = [oxbow.index(stage) for stage in ("clear_water", "mud", "low_vegetation") if stage in oxbow]
        assert len(first) >= 2
        assert first == sorted(first)
    (reservoir,) = stages_of(world_with(worlds, "reservoir"), "reservoir")
    assert set(reservoir) == {"clear_water"}
    assert len(reservoir) >= 3  # it fills in steps


def ndvi(world, item):
    red, nir = (pixels(world, item, band) * 1e-4 + item["assets"][band]["raster:bands"][0]["offset"] for band in ("red", "nir"))
    return np.where(np.isin(pixels(world, item, "scl"), (4, 5, 6)), (nir - red) / (nir + red), np.nan)


def new_mines(world, item):
    ground = [f for f in truth(world, "mining") if f["properties"]["onset_on"] and not f["properties"]["finished_on"]]
    with rasterio.open(world.catalog.parent / item["id"] / "red.tif") as red:
        outline = union_all([in_metres(f["geometry"]) for f in ground])
        return rasterio.features.geometry_mask([outline], red.shape, red.transform, invert=True)


def clearest(world, first, last):
    some = [i for i in items(world) if first <= i["properties"]["datetime"][:10] <= last and i["id"].endswith("_0_L2A")]
    return min(some, key=lambda i: i["properties"]["eo:cloud_cover"])


@pytest.mark.parametrize("name", LANDSCAPES)
def test_mines_stand_out_but_in_the_desert(worlds, name):
    world = worlds(name)
    item = clearest(world, "2023-11-20", "2023-12-31")
    mined, seen = new_mines(world, item), ndvi(world, item)
    contrast = np.nanmedian(seen[~mined]) - np.nanmedian(seen[mined])
    assert (contrast > 0.15) if name != "arid" else (abs(contrast) < 0.05)


def test_a_dry_forest_sheds_its_leaves():
    signatures = load_signatures()

    def greenness(cover, day):
        colour = signatures.mean[cover] * signatures.season_factor(day)[cover]
        return (colour[3] - colour[2]) / (colour[3] + colour[2])

    assert greenness(Cover.DRY_FOREST, 76) == pytest.approx(0.80, abs=0.01)
    assert greenness(Cover.DRY_FOREST, 258) == pytest.approx(0.45, abs=0.01)
    assert greenness(Cover.GRASS, 76) - greenness(Cover.GRASS, 258) > 0.3
    assert abs(greenness(Cover.FOREST, 76) - greenness(Cover.FOREST, 258)) < 0.05
    assert abs(greenness(Cover.ARID_GROUND, 76) - greenness(Cover.ARID_GROUND, 258)) < 1e-6


def test_a_savanna_burns_in_every_dry_season(tmp_path):
    world = build(tmp_path, "savanna", days=730, size_m=1500.0, lookalikes="few")
    fires = [f["properties"] for f in truth(world, "burn") if f["properties"].get("finished_on")]
    assert {f["onset_on"][:4] for f in fires} == {"2023", "2024"}
    assert all("06-20" <= f["onset_on"][5:] <= "09-25" for f in fires)


def test_a_drought_lowers_ndvi_everywhere_and_most_on_grass():
    signatures, when = load_signatures(), date(2023, 5, 1)
    dry = Conditions(drought=Drought(date(2023, 3, 1), date(2023, 7, 1)))
    usual = signatures.mean * signatures.season_factor(121)
    seen = usual * dry.dryness_factor(signatures, when)

    def fall(cover):
        before, after = ((v[cover][3] - v[cover][2]) / (v[cover][3] + v[cover][2]) for v in (usual, seen))
        return before - after

    assert fall(Cover.GRASS) == pytest.approx(0.18, abs=0.005)
    assert fall(Cover.FOREST) == pytest.approx(0.11, abs=0.005)
    assert fall(Cover.CLEAR_WATER) == 0.0
    assert (dry.dryness_factor(signatures, date(2023, 8, 1)) == 1.0).all()
    assert (CALM.dryness_factor(signatures, when) == 1.0).all()


def test_slopes_that_face_south_west_are_dark_in_june_only():
    steep = np.full((2, 2), 0.5, dtype=np.float32)
    terrain = Terrain(np.zeros((2, 2), np.float32), steep, steep)  # rises to the north-east: faces the south-west
    assert terrain.sunlight(date(2023, 6, 21)).max() < 0.5
    assert terrain.sunlight(date(2023, 12, 21)).min() > terrain.sunlight(date(2023, 6, 21)).max() + 0.2
    level = Terrain(*(np.zeros((2, 2), np.float32) for _ in range(3)))
    np.testing.assert_allclose(level.light(date(2023, 6, 21)), 1.0, atol=1e-6)


def test_relief_has_the_spread_and_the_slope_of_its_heights():
    terrain = make_terrain(np.random.default_rng(0), (200, 200), 50.0)
    assert terrain.height_m.std() == pytest.approx(50.0, rel=0.2)
    rise = terrain.height_m[100, 101] - terrain.height_m[100, 99]
    assert terrain.east[100, 100] == pytest.approx(rise / 20.0, abs=1e-3)
    rise = terrain.height_m[99, 100] - terrain.height_m[101, 100]
    assert terrain.north[100, 100] == pytest.approx(rise / 20.0, abs=1e-3)


def test_hills_are_listed_with_their_shade(worlds):
    (shade,) = conditions(worlds("bare_hills"), "terrain_shadow")
    assert shade["darkest_month"] in (5, 6, 7)
    assert shade["share_by_month"]["6"] > shade["share_by_month"]["2"]
    assert conditions(worlds("arid"), "drought") == []
    assert len(conditions(worlds("savanna"), "drought")) == 1


def test_faulty_lines_are_where_the_conditions_say(worlds):
    world = worlds("humid_forest")
    found = conditions(world, "artefact")
    assert {(a["number"], a["is_flagged"]) for a in found} == {(0, True), (65535, False)}
    for artefact in found:
        item = on(world, artefact["on"])
        values, classes = pixels(world, item, artefact["band"]), pixels(world, item, "scl")
        faulty = (values == artefact["number"]).all(axis=1)
        expected = np.zeros(len(values), dtype=bool)
        expected[slice(*artefact["rows"])] = True
        there = (values[:, :1] != 0).ravel() | expected  # a split tile has no data in half of its rows
        np.testing.assert_array_equal(faulty[there], expected[there])
        assert ((classes == 1).all(axis=1) == (expected & artefact["is_flagged"])).all()


def test_a_misplaced_date_is_off_by_whole_pixels(worlds):
    image = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(moved(image, (1, 0)), [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]])
    np.testing.assert_array_equal(moved(image, (0, -1)), [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11]])
    world = worlds("dry_forest")
    (shift,) = conditions(world, "shift")
    seen, usual = ndvi(world, on(world, shift["on"])), ndvi(world, clearest(world, "2023-01-01", "2023-12-31"))
    likeness = {}
    for step in np.ndindex(3, 3):
        down, right = step[0] - 1, step[1] - 1
        other = moved(usual, (down, right))
        both = np.isfinite(seen) & np.isfinite(other)
        assert both.sum() > 1000
        likeness[down, right] = np.corrcoef(seen[both], other[both])[0, 1]
    assert max(likeness, key=likeness.get) == tuple(shift["shift_px"])


def test_the_few_lookalikes_come_without_conditions(tmp_path):
    world = build(tmp_path, "leach_ponds", days=30, lookalikes="few")
    assert (world.conditions, world.look_stages) == (None, None)
    assert not (tmp_path / "conditions.json").exists()
    assert {f["properties"]["kind"] for f in features(world.truth)} <= {"mining", *FEW}


@pytest.mark.parametrize("asked", [{"landscape": "moor"}, {"lookalikes": "some"}])
def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path, asked):
    with pytest.raises(DemoLandscapeUnknownError, match=r"expected one of (humid_forest, dry_forest|few, all)") as caught:
        build_world(tmp_path, **asked)
    assert isinstance(caught.value, InputError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", LANDSCAPES)
def test_most_of_the_ground_is_the_landscapes_own(name):
    setting = landscape_named(name)
    ground = make_landscape(np.random.default_rng(5), (200, 200), setting)
    assert np.isin(ground.base, setting.natural).mean() > 0.5
    for cover, share, _ in setting.patches[:1]:
        assert (ground.base == cover).mean() > 0.3 * share

"""The simulated world: what it writes is what it says, the truth beside it is true, and a seed gives one world."""

import hashlib
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from shapely import hausdorff_distance, transform, union_all
from shapely.geometry import shape

from pipeline.aoi import Area
from pipeline.demo.classes import classify
from pipeline.demo.landscape import NEVER
from pipeline.demo.measurement import measure_courses, measure_covers
from pipeline.demo.mine import PLANS
from pipeline.demo.river import make_river
from pipeline.demo.signatures import CLASS_NAMES, Cover, load_signatures
from pipeline.demo.texture import smooth_field
from pipeline.demo.weather import Sky, make_sky, observation_days
from pipeline.demo.world import build_world
from pipeline.errors import DemoWorldTooSmallError
from pipeline.io.catalogs import find_scenes
from pipeline.io.labels import LabelsMissingError
from pipeline.scenes import choose_scenes

SIZE_M, DAYS, START = 1500.0, 120, date(2023, 1, 1)
LABELLED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build_world(tmp_path_factory.mktemp("world"), size_m=SIZE_M, days=DAYS, start=START)


@pytest.fixture(scope="module")
def items(world):
    links = [link["href"] for link in json.loads(world.catalog.read_text())["links"] if link["rel"] == "item"]
    return [json.loads((world.catalog.parent / href).read_text()) for href in links]


def features(path):
    return json.loads(path.read_text())["features"]


def mines(world):
    return [f for f in features(world.truth) if f["properties"]["kind"] == "mining"]


def in_metres(geometry):
    change = Transformer.from_crs(4326, 32721, always_xy=True).transform
    return transform(shape(geometry), lambda p: np.column_stack(change(p[:, 0], p[:, 1])))


def pixels(world, item, band):
    with rasterio.open(world.catalog.parent / item["id"] / f"{band}.tif") as file:
        return file.read(1)


def reflectance(world, item, band):
    record = item["assets"][band]["raster:bands"][0]
    return pixels(world, item, band) * record["scale"] + record["offset"]


def same_datatake(items):
    groups = {}
    for item in items:
        groups.setdefault(item["properties"]["s2:datatake_id"].rsplit("_N", 1)[0], []).append(item)
    return [group for group in groups.values() if len(group) == 2]


def test_the_same_arguments_write_the_same_bytes(tmp_path):
    def digest(folder, seed):
        build_world(folder, seed=seed, size_m=1500.0, days=20)
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        return [(p.relative_to(folder), hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]

    first = digest(tmp_path / "a", 3)
    assert digest(tmp_path / "b", 3) == first
    assert dict(digest(tmp_path / "c", 4)) != dict(first)


def test_a_world_without_room_for_its_mines_says_so(tmp_path):
    with pytest.raises(DemoWorldTooSmallError, match="1500 m or more"):
        build_world(tmp_path, size_m=300.0, days=20)


def test_the_processing_baseline_changes_half_way_with_its_offset(items):
    plain = [i for i in items if i["id"].endswith("_0_L2A")]
    found = [(i["properties"]["s2:processing_baseline"], i["assets"]["red"]["raster:bands"][0]["offset"]) for i in plain]
    change = found.index(("05.09", -0.1))
    assert set(found[:change]) == {("03.01", 0.0)}
    assert set(found[change:]) == {("05.09", -0.1)}
    assert abs(change - len(found) / 2) <= 1


def test_the_reprocessed_duplicate_has_other_numbers_and_the_same_reflectance(world, items):
    duplicates = [g for g in same_datatake(items) if len({i["properties"]["s2:processing_baseline"] for i in g}) == 2]
    assert len(duplicates) == 1
    older, newer = duplicates[0]
    assert older["properties"]["s2:processing_baseline"] < newer["properties"]["s2:processing_baseline"]
    np.testing.assert_allclose(reflectance(world, older, "nir"), reflectance(world, newer, "nir"), atol=1.01e-4)
    assert (pixels(world, newer, "nir").astype(int) - pixels(world, older, "nir")).mean() == pytest.approx(1000, abs=1)


def test_the_split_tile_is_two_halves_that_make_one_whole(world, items):
    splits = [g for g in same_datatake(items) if len({i["properties"]["s2:processing_baseline"] for i in g}) == 1]
    assert len(splits) == 1
    upper, lower = (pixels(world, item, "blue") > 0 for item in splits[0])
    np.testing.assert_array_equal(upper, ~lower)
    assert upper[: len(upper) // 2].all()
    a, b = (in_metres(item["geometry"]) for item in splits[0])
    assert a.intersection(b).area == pytest.approx(0.0, abs=50.0)
    assert a.union(b).area == pytest.approx(SIZE_M**2, rel=1e-4)


def test_the_walk_reads_every_scene_and_drops_the_older_duplicate_only(world, items):
    feature = features(world.aoi)[0]
    area = Area(feature["id"], "x", shape(feature["geometry"]), feature["properties"])
    assert area.is_simulated
    assert area.crs == "EPSG:32721"
    scenes, unusable = find_scenes(str(world.catalog), area, until=date(2024, 1, 1))
    assert (len(scenes), unusable) == (len(items), [])
    acquisitions, superseded = choose_scenes(scenes)
    assert [s.scene.processing_baseline for s in superseded] == ["03.01"]
    assert sorted(len(a.scenes) for a in acquisitions)[-2:] == [1, 2]


def test_the_area_is_the_extent_of_the_pixels(world, items):
    outline = in_metres(features(world.aoi)[0]["geometry"])
    with rasterio.open(world.catalog.parent / items[0]["id"] / "red.tif") as red:
        assert outline.bounds == pytest.approx(tuple(red.bounds), abs=0.05)
        assert all(corner % 10 == 0 for corner in red.bounds)


def test_truth_of_mines(world):
    found = mines(world)
    assert len(found) == len(PLANS)
    geod = Geod(ellps="WGS84")
    for feature in found:
        facts = feature["properties"]
        steps = [step["area_ha"] for step in facts["steps"]]
        assert steps == sorted(steps)
        assert steps[-1] == facts["area_ha"]
        ground = abs(geod.geometry_area_perimeter(shape(feature["geometry"]))[0]) / 1e4
        assert ground == pytest.approx(facts["area_ha"], rel=0.01)
        if facts["finished_on"] is None and facts["onset_on"] is not None:
            assert date.fromisoformat(facts["onset_on"]) >= date(2023, 3, 11)  # 58 % of 120 days undisturbed
    assert sum(f["properties"]["onset_on"] is None for f in found) == 1
    assert sum(f["properties"]["finished_on"] is not None for f in found) == 1


def test_every_lookalike_is_there(world):
    kinds = {f["properties"]["kind"] for f in features(world.truth)}
    assert kinds == {"mining", "farm_clearing", "burn", "river_bar", "road", "seasonal_water"}


def stages_on(world, day):
    for feature in features(world.stages):
        facts = feature["properties"]
        if facts["from_on"] <= day < (facts["until_on"] or "9999"):
            yield facts, in_metres(feature["geometry"])


def test_stages_of_a_mine_share_its_ground_without_overlap(world):
    last = (START + timedelta(days=DAYS - 1)).isoformat()
    for feature in mines(world):
        facts, ground = feature["properties"], in_metres(feature["geometry"])
        parts = [(f["stage"], part) for f, part in stages_on(world, last) if f["mine_id"] == facts["id"]]
        mined = [step for step in facts["steps"] if step["on"] <= last][-1]["area_ha"]
        assert sum(part.area for _, part in parts) / 1e4 == pytest.approx(mined, abs=0.001)
        assert union_all([part for _, part in parts]).area / 1e4 == pytest.approx(mined, abs=0.001)
        assert union_all([part for _, part in parts]).difference(ground.buffer(0.05)).area < 1.0
        for stage in ("tailings", "pond"):
            hectares = sum(part.area for name, part in parts if name == stage) / 1e4
            assert hectares == pytest.approx(facts[f"{stage}_ha"], abs=0.006)


def test_stages_follow_the_steps_of_a_mine(world):
    for feature in mines(world):
        facts = feature["properties"]
        for step in facts["steps"]:
            parts = [part for f, part in stages_on(world, step["on"]) if f["mine_id"] == facts["id"]]
            assert sum(part.area for part in parts) / 1e4 == pytest.approx(step["area_ha"], abs=0.006)
        if facts["onset_on"]:
            before = (date.fromisoformat(facts["onset_on"]) - timedelta(days=1)).isoformat()
            assert not [f for f, _ in stages_on(world, before) if f["mine_id"] == facts["id"]]


def test_the_world_says_that_it_is_simulated(world):
    assert (world.aoi.parent / "README.txt").read_text().startswith("SIMULATED.")
    facts = features(world.aoi)[0]["properties"]
    assert (facts["is_simulated"], facts["country"]) == (True, None)


def test_mines_are_pixels_that_lost_their_vegetation(world, items):
    facts = {f["properties"]["id"]: f for f in mines(world)}
    before, after = (_clearest(world, part) for part in (items[:6], items[-6:]))
    mined = union_all([in_metres(f["geometry"]) for f in facts.values() if f["properties"]["onset_on"]])
    with rasterio.open(world.catalog.parent / before["id"] / "red.tif") as red:
        ground = rasterio.features.geometry_mask([mined], red.shape, red.transform, invert=True)
    fall = _ndvi(world, before) - _ndvi(world, after)
    seen = ground & _clear(world, before) & _clear(world, after)
    still = ~ground & _clear(world, before) & _clear(world, after)
    assert np.median(fall[seen]) > 0.2
    assert abs(np.median(fall[still])) < 0.06


def _ndvi(world, item):
    nir, red = reflectance(world, item, "nir"), reflectance(world, item, "red")
    return (nir - red) / (nir + red)


def _clear(world, item):
    return np.isin(pixels(world, item, "scl"), (4, 5, 6))


def _clearest(world, some):
    return max(some, key=lambda item: _clear(world, item).mean())


def test_titles_give_every_tenure_finding(world):
    titles = [(f["properties"], in_metres(f["geometry"])) for f in features(world.titles)]
    seen = set()
    for feature in mines(world):
        status, ground = feature["properties"]["tenure_status"], in_metres(feature["geometry"]).buffer(-0.05)
        near = [(facts, outline) for facts, outline in titles if outline.distance(ground) < 20.0]
        seen.add(status)
        if status == "uncovered":
            assert near == []
            continue
        assert len(near) == 1
        assert _is_as_meant(status, near[0][0], ground, near[0][1])
    assert seen == {p.tenure_status for p in PLANS}
    assert len(seen) == 10


def _is_as_meant(status, facts, ground, outline):
    is_live = facts["status"] == "active" and facts["valid_from"] < "2023-01-01" and facts["valid_to"] > "2030"
    is_gold_mine = facts["kind"] == "exploitation" and facts["minerals"] == ["gold"]
    share = ground.intersection(outline).area / ground.area
    rest = ground.difference(outline)
    return {
        "covered": is_live and is_gold_mine and share > 0.999,
        "partly_covered": is_live and is_gold_mine and 0.3 < share < 0.85,
        "lapsed": facts["status"] == "expired" and facts["valid_to"] < "2023-04-30" and share > 0.999,
        "not_yet_valid": facts["valid_from"] > "2023-06-01" and share > 0.999,
        "stage_mismatch": facts["kind"] == "exploration" and facts["status"] == "active" and share > 0.999,
        "commodity_mismatch": is_live and facts["minerals"] == ["sand"] and share > 0.999,
        "suspended": facts["status"] == "suspended" and share > 0.999,
        "formalisation_zone": facts["kind"] == "formalisation_zone" and share > 0.999,
        "within_tolerance": is_live and is_gold_mine and 0.3 < share < 1.0
        and hausdorff_distance(union_all([ground, outline]), outline) < 20.0 and not rest.is_empty,
    }[status]  # fmt: skip


def test_closed_lists_of_titles_and_areas(world):
    titles = [f["properties"] for f in features(world.titles)]
    assert {t["kind"] for t in titles} <= {"exploitation", "exploration", "artisanal_zone", "formalisation_zone"}
    assert {t["status"] for t in titles} <= {"active", "suspended", "application", "expired"}
    assert len({t["title_id"] for t in titles}) == len(titles)
    ground = [in_metres(f["geometry"]) for f in mines(world)]
    areas = features(world.protected)
    assert [a["properties"]["kind"] for a in areas] == ["protected_area", "indigenous_territory"]
    for area in areas:
        assert any(in_metres(area["geometry"]).intersection(g).area > 0 for g in ground)


def test_colours_have_the_measured_mean():
    signatures = load_signatures()
    grain = np.random.default_rng(0).standard_normal((6, 20_000), dtype=np.float32)
    colour = signatures.colour(np.full(20_000, Cover.TAILINGS), grain)
    expected = [0.1134, 0.1644, 0.198, 0.2924, 0.3113, 0.2076]  # a_bright_bare_tailings, 166 chips
    np.testing.assert_allclose(colour.mean(axis=1), expected, atol=0.003)
    expected_spread = 0.6 * np.array([0.0311, 0.0394, 0.0545, 0.0574, 0.077, 0.064])
    np.testing.assert_allclose(colour.std(axis=1), expected_spread, rtol=0.05)


def stored_signatures():
    return json.loads((Path(measure_covers.__code__.co_filename).parent / "signatures.json").read_text())


def test_stored_signatures_are_what_the_rules_measure():
    folder = LABELLED / "mining_chips"
    if not folder.is_dir():
        pytest.skip(f"labelled chips are not at {folder}")
    stored, found = stored_signatures()["classes"], measure_covers(folder)
    assert set(found) == set(stored) == set(CLASS_NAMES.values())
    for name, facts in stored.items():
        assert found[name].n_pixels == pytest.approx(facts["n_pixels"], abs=10), name
        assert found[name].n_chips == facts["n_chips"], name
        np.testing.assert_allclose(found[name].mean, facts["mean"], atol=0.001, err_msg=name)
        spread = np.sqrt(np.diag(facts["cov"]))
        np.testing.assert_allclose(found[name].cov, facts["cov"], atol=0.03 * spread.max() ** 2, err_msg=name)


def test_stored_seasons_are_what_the_points_measure():
    table = LABELLED / "rondonia_points" / "samples_long.parquet"
    if not table.is_file():
        pytest.skip(f"labelled points are not at {table}")
    stored = stored_signatures()["season"]["classes"]
    for name, found in measure_courses(table).items():
        facts = stored[name]
        counts = (found.n_observations, found.n_points, found.n_dates)
        assert counts == (facts["n_observations"], facts["n_points"], facts["n_dates"])
        for part in ("mean", "cos", "sin"):
            np.testing.assert_allclose(getattr(found, part), facts[part], atol=1e-4, err_msg=f"{name} {part}")


def test_without_labelled_data_the_error_names_the_file(tmp_path):
    with pytest.raises(LabelsMissingError, match=r"chips\.npz"):
        measure_covers(tmp_path)
    with pytest.raises(LabelsMissingError, match=r"samples_long\.parquet"):
        measure_courses(tmp_path / "samples_long.parquet")


def test_a_pasture_is_greener_in_the_wet_season():
    signatures = load_signatures()

    def ndvi(day):
        colour = signatures.mean[Cover.PASTURE] * signatures.season_factor(day)[Cover.PASTURE]
        return (colour[3] - colour[2]) / (colour[3] + colour[2])

    assert ndvi(20) > ndvi(230) + 0.05


def test_scene_classes_miss_the_soft_rim_of_a_cloud():
    opacity = np.tile(np.array([0.0, 0.2, 0.5, 1.0], dtype=np.float32), (4, 1))
    none = np.zeros((4, 4), dtype=np.float32)
    forest = np.broadcast_to(load_signatures().mean[Cover.FOREST][:, None, None], (6, 4, 4)).copy()
    cover = np.full((4, 4), Cover.FOREST, dtype=np.uint8)
    sky = Sky(opacity, none + 1, none, None, 1.0)
    classes = classify(np.random.default_rng(0), sky.over(forest), cover, sky)
    assert classes[0, 0] == 4
    assert classes[0, 1] in (4, 5)  # a fifth of cloud, unflagged
    assert (classes[0, 2], classes[0, 3]) == (8, 9)


def test_ponds_are_taken_for_several_classes():
    rng = np.random.default_rng(1)
    pond = np.broadcast_to(load_signatures().mean[Cover.POND][:, None, None], (6, 200, 200)).copy()
    none = np.zeros((200, 200), dtype=np.float32)
    cover = np.full((200, 200), Cover.POND, dtype=np.uint8)
    classes = classify(rng, pond, cover, Sky(none, none, none, None, 1.0))
    assert set(np.unique(classes)) == {2, 6, 8}
    assert (classes == 8).mean() == pytest.approx(0.10, abs=0.05)


def test_shadows_lie_beside_their_clouds():
    skies = [make_sky(np.random.default_rng(seed), (200, 200), date(2023, 3, 1)) for seed in range(12)]
    some = [s for s in skies if 0.02 < (s.cloud > 0.5).mean() < 0.6]
    assert some
    for sky in some:
        away, under = sky.shadow > 0.9, sky.cloud > 0.9
        assert away.any()
        assert (away & ~under).sum() > 0.2 * away.sum()


def test_the_river_moves_and_its_bars_grow_in_the_dry_season():
    river = make_river(np.random.default_rng(2), (600, 600))
    wet_water, wet_bars = river.channel_and_bars(0, 76)
    dry_water, dry_bars = river.channel_and_bars(0, 258)
    assert dry_bars.sum() > 1.5 * wet_bars.sum()
    assert not (dry_water & dry_bars).any()
    later, _ = river.channel_and_bars(730, 76)
    assert (later & ~wet_water & ~wet_bars).sum() > 200  # outer banks eaten


@given(st.integers(0, 2**32 - 1), st.integers(20, 90), st.integers(20, 90), st.floats(1.0, 12.0))
@settings(max_examples=25, deadline=None)
def test_fields_have_mean_0_and_stay_bounded(seed, rows, columns, scale):
    field = smooth_field(np.random.default_rng(seed), (rows, columns), scale)
    assert field.shape == (rows, columns)
    assert field.dtype == np.float32
    assert np.isfinite(field).all()
    assert abs(float(field.mean())) < 1.5


@given(st.integers(0, 2**32 - 1), st.integers(30, NEVER))
@settings(max_examples=25, deadline=None)
def test_dates_are_five_or_ten_days_apart(seed, days):
    found = observation_days(np.random.default_rng(seed), min(days, 2000))
    assert set(np.diff(found)) <= {5, 10}
    assert found[-1] < days

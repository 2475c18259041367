"""Windows copied into a local catalogue: the same pixels, whole files, nothing twice, and a kill at any byte costs little."""

import json
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from servers.faults import Fault
from servers.stac import StacApi, stac_api
from shapely.affinity import translate
from shapely.geometry import box, mapping
from typer.testing import CliRunner
from worlds import EPSG, LEFT, TOP, ground, write_aoi, write_catalog, write_item

from pipeline import geo
from pipeline.aoi import working_grid
from pipeline.cli import app
from pipeline.config import RunConfig
from pipeline.errors import ProviderUnavailableError, StoreBusyError
from pipeline.io.fetching import sole_use
from pipeline.io.pixels import read_scene
from pipeline.provenance import sha256_of
from pipeline.scenes import BANDS
from pipeline.stages.scenes import Search, fetch, localised, plan, search

SIZE = 160
"""Pixels of the scenes' sides; the area is a quarter of that in the middle."""
FIRST, LAST = date(2024, 1, 1), date(2024, 12, 31)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes under both processing baselines, their bands tiled, swir and classes in pixels of 20 m."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(5)
    names = []
    for n in range(4):
        image = ground(rng, has_pit=False, size=SIZE) + rng.uniform(0, 0.05, (6, SIZE, SIZE))
        names.append(write_item(folder, date(2024, 1, n + 1), image, offset=-0.1 if n % 2 else 0.0))
        for band in ("swir16", "swir22", "scl"):
            coarsen(folder / names[-1] / f"{band}.tif")
    write_catalog(folder, names)
    middle = box(LEFT + 600, TOP - 1000, LEFT + 1000, TOP - 600)
    write_aoi(folder / "aoi.geojson", geo.reproject(middle, f"EPSG:{EPSG}", geo.WGS84))
    return folder


def coarsen(path: Path) -> None:
    with rasterio.open(path) as file:
        array = file.read(1)[::2, ::2]
    with rasterio.open(path, "w", driver="GTiff", height=array.shape[0], width=array.shape[1], count=1, dtype=array.dtype,
                       crs=f"EPSG:{EPSG}", transform=Affine(20, 0, LEFT, 0, -20, TOP), nodata=0) as out:  # fmt: skip
        out.write(array, 1)


def config_of(world: Path, catalog: str, out: Path, **fetch_more: object) -> RunConfig:
    settings = {"attempts": 3, "timeout_s": 2, "first_wait_s": 0.01, "at_once": 1, **fetch_more}
    return RunConfig.model_validate(
        {"areas": [{"aoi": str(world / "aoi.geojson"), "catalog": catalog}], "out": str(out), "fetch": settings}
    )


def found_in(config: RunConfig) -> Search:
    return search(config.areas[0], config, Path(config.out), start=FIRST, until=LAST)


def checksums(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_of(p) for p in sorted(folder.rglob("*")) if p.suffix in {".tif", ".json"}}


@pytest.fixture
def api(world: Path) -> StacApi:
    with stac_api(world) as server:
        yield server


def test_the_copy_is_read_like_the_original_value_for_value(world: Path, api: StacApi, tmp_path: Path) -> None:
    found = found_in(config_of(world, api.url, tmp_path))
    report = fetch(found)
    assert (report.scenes, report.files, report.failed) == (4, 28, ())
    copied = localised(found, report.failed)
    (chunk,) = found.grid.chunks
    assert len(copied.scenes) == 4
    for theirs, ours in zip(found.chosen, copied.scenes, strict=True):
        one, other = read_scene(theirs, chunk.geobox, found.source.open), read_scene(ours, chunk.geobox)
        assert all(np.array_equal(one[b], other[b]) for b in (*BANDS, "scl"))
        assert (ours.id, ours.datatake_id, ours.tile, ours.solar_day) == (
            theirs.id, theirs.datatake_id, theirs.tile, theirs.solar_day,
        )  # fmt: skip
        assert {b: ours.assets[b].radiometry for b in BANDS} == {b: theirs.assets[b].radiometry for b in BANDS}
        assert ours.footprint.equals(theirs.footprint)


def test_only_the_window_is_copied_as_cog_with_checksums(world: Path, api: StacApi, tmp_path: Path) -> None:
    report = fetch(found_in(config_of(world, api.url, tmp_path)))
    folder = report.catalog.parent
    item = json.loads(next(folder.glob("*/S2A*.json")).read_text(encoding="utf-8"))
    for name, asset in item["assets"].items():
        path = folder / item["id"] / f"{name}.tif"
        with rasterio.open(path) as file:
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert file.width * file.transform.a <= 400 + 2 * 180
        assert asset["file:checksum"] == f"1220{sha256_of(path)}"
        assert asset["file:size"] == path.stat().st_size


def test_what_is_there_is_not_asked_for_again(world: Path, api: StacApi, tmp_path: Path) -> None:
    config = config_of(world, api.url, tmp_path)
    first = fetch(found_in(config))
    before, asked = checksums(first.catalog.parent), len(api.asked)
    again = fetch(found_in(config), is_thorough=True)
    assert (again.files, len(api.asked)) == (0, asked)
    assert checksums(first.catalog.parent) == before
    assert plan(found_in(config)).held == 4


def test_a_damaged_file_alone_is_copied_again(world: Path, api: StacApi, tmp_path: Path) -> None:
    config = config_of(world, api.url, tmp_path)
    first = fetch(found_in(config))
    before = checksums(first.catalog.parent)
    victim = next(first.catalog.parent.glob("*/red.tif"))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 255
    victim.write_bytes(bytes(data))
    api.asked.clear()
    again = fetch(found_in(config), is_thorough=True)
    assert again.files == 1
    assert {Path(a).name for a in api.asked} == {"red.tif"}
    assert checksums(first.catalog.parent) == before


def test_another_offset_changes_the_item_and_copies_nothing(world: Path, api: StacApi, tmp_path: Path) -> None:
    config = config_of(world, api.url, tmp_path)
    fetch(found_in(config))
    api.asked.clear()
    known = config.areas[0].model_copy(update={"offsets": {"*_20240101_*": -0.05}})
    found = found_in(config.model_copy(update={"areas": (known,)}))
    assert fetch(found).files == 0
    assert api.asked == []
    assert [s.assets["red"].radiometry.offset for s in localised(found, ()).scenes] == [-0.05, -0.1, 0.0, -0.1]


def test_a_redrawn_area_is_copied_anew(world: Path, api: StacApi, tmp_path: Path) -> None:
    config = config_of(world, api.url, tmp_path)
    fetch(found_in(config))
    moved = found_in(config)
    wider = translate(moved.area.geometry, 0.0005)
    write_aoi(tmp_path / "moved.geojson", wider)
    config = config.model_copy(update={"areas": (config.areas[0].model_copy(update={"aoi": str(tmp_path / "moved.geojson")}),)})
    assert fetch(found_in(config)).files == 28
    assert len(localised(found_in(config), ()).scenes) == 4


def test_leftovers_of_other_windows_go_and_two_fetches_do_not_meet(world: Path, api: StacApi, tmp_path: Path) -> None:
    found = found_in(config_of(world, api.url, tmp_path))
    stale = found.folder / ".S2A_20LPR_20240101_0_L2A.0123456789abcdef"
    stale.mkdir(parents=True)
    with sole_use(found.folder), pytest.raises(StoreBusyError, match="another run holds the local catalogue"):
        fetch(found)
    assert stale.exists()
    fetch(found)
    assert not stale.exists()


KILLED = """
import sys
from datetime import date
from pathlib import Path
from pipeline.config import RunConfig
from pipeline.stages.scenes import fetch, search
config = RunConfig.model_validate_json(sys.argv[1])
found = search(config.areas[0], config, Path(config.out), start=date(2024, 1, 1), until=date(2024, 12, 31))
print("searched", flush=True)
sys.stdin.readline()
fetch(found)
"""


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_fetch_killed_at_any_byte_asks_for_the_missing_files_alone(
    world: Path, api: StacApi, tmp_path: Path, share: float
) -> None:
    whole = fetch(found_in(config_of(world, api.url, tmp_path / "whole")))
    all_bytes, expected = api.sent_bytes, checksums(whole.catalog.parent)
    config = config_of(world, api.url, tmp_path / "killed")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, config.model_dump_json()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "searched\n"
    api.kill_at = (process.pid, int(share * all_bytes))
    process.communicate("go\n")
    assert process.returncode == -signal.SIGKILL
    folder = tmp_path / "killed" / "scenes"
    held = {
        f"{p.parent.name.lstrip('.').split('_L2A')[0]}_L2A/{p.name}" for p in folder.rglob("*.tif") if ".part" not in p.name
    }
    api.asked.clear()
    report = fetch(found_in(config))
    assert not held & set(api.asked)
    assert report.files == 28 - len(held)
    assert checksums(folder) == expected
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("status", [403, 404])
def test_a_scene_whose_file_is_gone_is_told_and_the_others_are_copied(
    world: Path, api: StacApi, tmp_path: Path, status: int
) -> None:
    api.faults.append(Fault("files:20240102", "status", status, times=99))
    report = fetch(found_in(config_of(world, api.url, tmp_path)))
    assert [(u.scene_id, type(u.error).__name__) for u in report.failed] == [("S2A_20LPR_20240102_0_L2A", "SceneGoneError")]
    assert report.files == 21


def test_a_server_that_fails_stops_the_fetch_and_what_was_copied_is_used(world: Path, api: StacApi, tmp_path: Path) -> None:
    api.faults.append(Fault("files:20240103", "status", 503, times=99))
    config = config_of(world, api.url, tmp_path)
    with pytest.raises(ProviderUnavailableError, match="status 503 after 3 tries"):
        fetch(found_in(config))
    held = plan(found_in(config)).held
    assert held >= 2
    api.faults.clear()
    assert fetch(found_in(config)).files == 28 - 7 * held


def test_the_commands_plan_and_fetch_and_a_later_run_is_offline(world: Path, tmp_path: Path) -> None:
    with stac_api(world) as api:
        config = config_of(world, api.url, tmp_path / "out")
        path = tmp_path / "config.yaml"
        path.write_text(config.model_dump_json(), encoding="utf-8")
        period = ["--config", str(path), "--from", "2024-01-01", "--to", "2024-12-31"]
        said = CliRunner().invoke(app, ["scenes", "plan", *period])
        assert said.exit_code == 0
        assert said.output.splitlines()[1].split() == ["tiny", "STAC", "API", "4", "0", "0.02", "0.00"]
        done = CliRunner().invoke(app, ["scenes", "fetch", *period])
        assert done.exit_code == 0
        assert "4 scenes, 28 files copied" in done.output
    catalog = tmp_path / "out" / "scenes" / "catalog.json"
    offline = found_in(config_of(world, str(catalog), tmp_path / "later"))
    assert [s.solar_day.day for s in offline.scenes] == [1, 2, 3, 4]
    with rasterio.open(offline.scenes[0].assets["nir"].href) as file:
        assert file.read(1).any()


def test_an_area_across_the_antimeridian_is_searched_and_copied(world: Path, tmp_path: Path) -> None:
    epsg = 32701
    transform = Affine(10, 0, 181_800, 0, -10, 8_000_040)
    left, bottom, right, top = 181_800, 8_000_040 - 10 * SIZE, 181_800 + 10 * SIZE, 8_000_040
    outline = geo.reproject(box(left, bottom, right, top), f"EPSG:{epsg}", geo.WGS84)
    west = geo.on_globe(outline)
    assert west.geom_type == "MultiPolygon"
    folder = tmp_path / "far"
    name = write_item(folder, FIRST, ground(np.random.default_rng(1), has_pit=False, size=SIZE), offset=-0.1)
    for tif in (folder / name).glob("*.tif"):
        with rasterio.open(tif, "r+") as file:
            file.crs, file.transform = f"EPSG:{epsg}", transform
    record = json.loads((folder / name / f"{name}.json").read_text(encoding="utf-8"))
    record["geometry"] = mapping(west)
    (folder / name / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    write_catalog(folder, [name])
    middle = geo.reproject(box(left + 400, bottom + 400, right - 400, top - 400), f"EPSG:{epsg}", geo.WGS84)
    write_aoi(folder / "aoi.geojson", geo.on_globe(middle), grid_epsg=epsg)
    with stac_api(folder) as api:
        found = found_in(config_of(folder, api.url, tmp_path / "out"))
        assert api.searches[0]["intersects"]["type"] == "MultiPolygon"
        copied = localised(found, fetch(found).failed)
        (chunk,) = working_grid(found.area).chunks
        nir = read_scene(copied.scenes[0], chunk.geobox)["nir"]
    assert np.isfinite(nir).all()

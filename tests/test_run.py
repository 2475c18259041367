"""The whole walk on a tiny world: what it says, that nights add up to a pass, that nothing is said twice."""

import itertools
import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from worlds import EPSG, pit_in_forest, write_aoi

from pipeline.aoi import working_grid
from pipeline.config import RunConfig
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.pixels import read_acquisition
from pipeline.io.states import StateFolder
from pipeline.io.store import Store, open_store
from pipeline.io.verification import verify_store
from pipeline.scenes import choose_scenes
from pipeline.stages import AoiRequest, AoiResult, run_aoi
from pipeline.stages import run as run_module


def run(world: Path, out: Path, as_of: date | None = None, *, has_evidence: bool = False, chunk_px: int = 0) -> AoiResult:
    section = {"aoi": str(world / "aoi.geojson"), "catalog": str(world / "catalog" / "catalog.json")}
    config = RunConfig.model_validate(
        {"areas": [section], "out": str(out), "delivery": {"has_evidence": has_evidence, "has_map": False, "languages": []}}
    )
    return run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), as_of))


def days_of(world: Path) -> list[date]:
    area = read_area(world / "aoi.geojson")
    scenes, _ = find_scenes(str(world / "catalog" / "catalog.json"), area, until=date.max)
    return [a.solar_day for a in choose_scenes(scenes)[0]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    pit_in_forest(folder / "catalog", cloudy=(5, 29))
    write_aoi(folder / "aoi.geojson")
    return folder


@pytest.fixture(scope="module")
def whole(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one pass writes that nobody stopped."""
    out = tmp_path_factory.mktemp("whole")
    run(world, out)
    return out


def test_a_pit_in_the_forest_is_one_confirmed_mining_alert(world: Path, tmp_path: Path) -> None:
    result = run(world, tmp_path, has_evidence=True)
    assert [a.properties["likely_cause"] for a in result.alerts] == ["mining"]
    said = result.alerts[0].properties
    onset, before = days_of(world)[26], days_of(world)[25]
    assert said["state"] == "confirmed"
    assert said["first_detected_on"] == onset.isoformat()
    assert said["last_clear_unchanged_on"] == before.isoformat()
    assert said["area_ha"] == pytest.approx(18 * 18 / 100, rel=0.06)
    assert said["pond_ha"] == pytest.approx(0.64, rel=0.1)
    assert said["tenure_status"] == "unknown"
    assert said["evidence"] == f"evidence/{result.alerts[0].id}-r{said['revision']}.zip"
    assert (tmp_path / str(said["evidence"])).exists()


def test_nights_of_one_scene_give_what_one_pass_gives(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "pass")
    for day in days_of(world)[21:]:
        run(world, tmp_path / "nights", day)
    for name in ("alerts.geojson", "disturbances.geojson"):
        assert (tmp_path / "pass" / name).read_bytes() == (tmp_path / "nights" / name).read_bytes()
    one, many = ([e.hash for e in open_store(tmp_path / f / "store.sqlite").events("tiny")] for f in ("pass", "nights"))
    assert one == many


def test_a_night_run_twice_says_nothing_new(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path)
    before = {p: p.read_bytes() for p in [*sorted(tmp_path.rglob("*.geojson")), tmp_path / "report.md"]}
    seqs = [e.seq for e in open_store(tmp_path / "store.sqlite").events("tiny")]
    run(world, tmp_path)
    assert {p: p.read_bytes() for p in before} == before
    assert [e.seq for e in open_store(tmp_path / "store.sqlite").events("tiny")] == seqs


def test_a_late_scene_gives_what_it_would_have_given_in_time(world: Path, tmp_path: Path) -> None:
    late = tmp_path / "late"
    shutil.copytree(world, late)
    catalog = late / "catalog" / "catalog.json"
    whole = catalog.read_text(encoding="utf-8")
    document = json.loads(whole)
    del document["links"][27]
    catalog.write_text(json.dumps(document), encoding="utf-8")
    run(late, tmp_path / "out")
    catalog.write_text(whole, encoding="utf-8")
    again, straight = run(late, tmp_path / "out"), run(world, tmp_path / "straight")
    assert [dict(a.properties) for a in again.alerts] == [dict(a.properties) for a in straight.alerts]
    verified = verify_store(str(tmp_path / "out" / "store.sqlite"))
    assert (verified.findings, verified.notes, verified.anchors) == ((), (), 2)


def test_the_offset_of_processing_baseline_04_changes_no_reflectance(world: Path) -> None:
    area = read_area(world / "aoi.geojson")
    scenes, _ = find_scenes(str(world / "catalog" / "catalog.json"), area, until=date.max)
    acquisitions, _ = choose_scenes(scenes)
    grid = working_grid(area)
    assert grid.crs == f"EPSG:{EPSG}"
    old, new = (read_acquisition(acquisitions[n], grid.chunks[0].geobox)[0] for n in (13, 14))
    assert old is not None
    assert new is not None
    for band in ("blue", "red", "nir", "swir22"):
        assert abs(float(np.median(old[band]) - np.median(new[band]))) < 0.005


def test_a_cloudy_night_is_no_error_and_is_in_the_ledger(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path)
    day = days_of(world)[29]
    row = next(r for r in open_store(tmp_path / "store.sqlite").ledger("tiny") if r.solar_day == day)
    assert (row.outcome, row.clear_pct, row.cloudy_pct) == ("monitored", 0.0, 100.0)


class Killed(BaseException):
    """The process dies here."""


KILLS = [
    (Store, "swap_chunk", 1), (Store, "swap_chunk", 2), (Store, "swap_sites", 1), (Store, "swap_sites", 4),
    (Store, "note_night", 1), (StateFolder, "write_reference", 1), (StateFolder, "keep_only", 1), (run_module, "publish", 1),
    (Store, "note_published", 1), (run_module, "anchor", 1),
]  # fmt: skip
"""Where the process dies: the class or module, what it was about to do, and for which time."""


@pytest.mark.parametrize("kill", KILLS, ids=lambda k: f"{k[1]} {k[2]}")
def test_a_run_that_was_killed_and_run_again_ends_as_one_that_was_not(
    world: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: tuple[object, str, int]
) -> None:
    owner, name, time = kill
    real, calls = getattr(owner, name), itertools.count(1)

    def dies(*arguments: object, **options: object) -> object:
        if next(calls) == time:
            raise Killed
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dies)
        with pytest.raises(Killed):
            run(world, tmp_path)
    run(world, tmp_path)
    for path in sorted(whole.rglob("*.geojson")):
        assert (tmp_path / path.relative_to(whole)).read_bytes() == path.read_bytes()
    verified = verify_store(str(tmp_path / "store.sqlite"))
    assert (verified.findings, verified.notes, verified.anchors) == ((), (), 1)


def test_a_state_folder_of_another_run_is_not_believed(world: Path, whole: Path, tmp_path: Path) -> None:
    early = days_of(world)[24]
    run(world, tmp_path, early)
    references = sorted((tmp_path / "state").glob("*-reference-*.arrays"))
    assert references
    for path in [*references, *tmp_path.glob("store.sqlite*")]:
        path.unlink()
    for path in references:
        path.write_bytes(b"of another configuration")
    run(world, tmp_path, early)
    run(world, tmp_path)
    assert (tmp_path / "alerts.geojson").read_bytes() == (whole / "alerts.geojson").read_bytes()


def test_four_chunks_that_meet_in_the_pit_leave_no_seam(world: Path, whole: Path, tmp_path: Path) -> None:
    cut = working_grid(read_area(world / "aoi.geojson"), 66)
    assert sorted(c.shape for c in cut.chunks) == [(24, 20), (24, 20), (24, 28), (24, 28)]
    run(world, tmp_path, chunk_px=66)
    one, four = (json.loads((f / "alerts.geojson").read_text(encoding="utf-8"))["features"] for f in (whole, tmp_path))
    assert len(one) == len(four) == 1
    assert four[0]["geometry"] == one[0]["geometry"]
    for name in ("site_id", "state", "likely_cause", "area_ha", "pond_ha", "first_detected_on", "last_clear_unchanged_on"):
        assert four[0]["properties"][name] == one[0]["properties"][name], name

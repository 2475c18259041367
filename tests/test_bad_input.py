"""Bad input gets a named error that says where and what to do, and loses nothing of the rest."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from shapely.geometry import mapping, shape
from worlds import footprint, write_aoi, write_catalog

from pipeline import cli, geo


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def overburden(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The command, in this process: what it prints and its exit code."""

    def command(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["overburden", *map(str, arguments)])
        monkeypatch.setattr(cli, "_show_progress", lambda: None)
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return Done(int(stopped.value.code or 0), out, err)

    return command


@pytest.fixture
def run(overburden, tmp_path: Path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        "areas: [{aoi: a, catalog: b}]\nout: o\ndelivery: {has_evidence: false, has_map: false}\n", encoding="utf-8"
    )

    def on(world: Path, out: Path, *more: object) -> Done:
        catalog, aoi = world / "catalog" / "catalog.json", world / "aoi.geojson"
        return overburden("run", "--config", settings, "--catalog", catalog, "--aoi", aoi, "--out", out, *more)

    return on


def refused(done: Done, name: str, out: Path) -> bool:
    """Whether the run ended as one on bad input does: code 2, the named error, no traceback, and no file that says anything."""
    assert done.returncode == 2
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    return not [p for p in out.rglob("*") if p.suffix in {".geojson", ".md", ".html"}]


def features(out: Path) -> list[dict]:
    return json.loads((out / "alerts.geojson").read_text(encoding="utf-8"))["features"]


@pytest.fixture
def world(pit_world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pit_world, tmp_path / "world"))


def items(world: Path) -> list[Path]:
    return sorted((world / "catalog").glob("*/*.json"))


def spoil_asset(world: Path) -> str:
    path = items(world)[12]
    item = json.loads(path.read_text(encoding="utf-8"))
    del item["assets"]["nir"]
    path.write_text(json.dumps(item), encoding="utf-8")
    return "SceneAssetMissingError"


def spoil_tiff(world: Path) -> str:
    path = items(world)[12].parent / "red.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    return "SceneUnreadableError"


def spoil_pixels(world: Path) -> str:
    for path in items(world)[12].parent.glob("*.tif"):
        with rasterio.open(path, "r+") as file:
            file.write(np.zeros(file.shape, file.dtypes[0]), 1)
    return "SceneEmptyError"


def spoil_radiometry(world: Path) -> str:
    path = items(world)[12]
    item = json.loads(path.read_text(encoding="utf-8"))
    for asset in item["assets"].values():
        asset.pop("raster:bands", None)
    path.write_text(json.dumps(item), encoding="utf-8")
    return "RadiometryUnknownError"


@pytest.mark.parametrize("spoil", [spoil_asset, spoil_tiff, spoil_pixels, spoil_radiometry])
def test_one_bad_scene_is_named_and_the_others_are_used(world: Path, tmp_path: Path, run, spoil) -> None:
    name, scene = spoil(world), items(world)[12].stem
    done = run(world, tmp_path / "out")
    assert done.returncode == 0
    assert name in done.stderr
    assert scene in done.stderr
    assert name in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert [f["properties"]["likely_cause"] for f in features(tmp_path / "out")] == ["mining"]


def test_three_bands_are_too_few(world: Path, tmp_path: Path, run) -> None:
    for path in items(world):
        item = json.loads(path.read_text(encoding="utf-8"))
        item["assets"] = {k: item["assets"][k] for k in ("blue", "green", "red")}
        path.write_text(json.dumps(item), encoding="utf-8")
    done = run(world, tmp_path / "out")
    assert refused(done, "SceneAssetMissingError", tmp_path / "out")
    assert "nir" in done.stderr


def test_swapped_axes_are_named(world: Path, tmp_path: Path, run) -> None:
    aoi = json.loads((world / "aoi.geojson").read_text(encoding="utf-8"))
    ring = aoi["features"][0]["geometry"]["coordinates"][0]
    aoi["features"][0]["geometry"]["coordinates"] = [[[y, x] for x, y in ring]]
    (world / "aoi.geojson").write_text(json.dumps(aoi), encoding="utf-8")
    done = run(world, tmp_path / "out")
    assert refused(done, "AoiAxisOrderError", tmp_path / "out")


def test_an_empty_catalogue_is_named(world: Path, tmp_path: Path, run) -> None:
    write_catalog(world / "catalog", [])
    done = run(world, tmp_path / "out")
    assert refused(done, "CatalogEmptyError", tmp_path / "out")


def test_an_area_larger_than_the_scenes_is_watched_where_it_is_seen(world: Path, tmp_path: Path, run) -> None:
    write_aoi(world / "aoi.geojson", geo.buffer_m(shape(mapping(footprint())), 400))
    done = run(world, tmp_path / "out")
    assert done.returncode == 0
    assert "AoiBeyondScenesError" in done.stderr
    assert len(features(tmp_path / "out")) == 1


def titles(path: Path, geometry: object, crs: dict | None = None) -> Path:
    feature = {"type": "Feature", "geometry": geometry, "properties": {
        "title_id": "T1", "kind": "exploitation", "status": "active", "valid_from": "2020-01-01", "valid_to": "2040-01-01",
    }}  # fmt: skip
    far = {**feature, "geometry": mapping(shape({"type": "Point", "coordinates": [0, 0]}).buffer(1)),
           "properties": {**feature["properties"], "title_id": "T2"}}  # fmt: skip
    document = {"type": "FeatureCollection", "features": [feature, far], **({"crs": crs} if crs else {})}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_titles_in_metres_without_crs_are_refused(world: Path, tmp_path: Path, run) -> None:
    square = {"type": "Polygon", "coordinates": [[[5e5, 9e6], [5.1e5, 9e6], [5.1e5, 8.99e6], [5e5, 8.99e6], [5e5, 9e6]]]}
    path = tmp_path / "t.geojson"
    feature = {"type": "Feature", "geometry": square, "properties": {"title_id": "T1"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature] * 3}), encoding="utf-8")
    done = run(world, tmp_path / "out", "--titles", path)
    assert refused(done, "CadastreWithoutCrsError", tmp_path / "out")


def test_a_title_that_is_a_point_leaves_the_finding_unknown(world: Path, tmp_path: Path, run) -> None:
    centre = shape(mapping(footprint())).centroid
    path = titles(tmp_path / "t.geojson", mapping(centre))
    done = run(world, tmp_path / "out", "--titles", path)
    assert done.returncode == 1
    assert "TitleGeometryError" in done.stderr
    assert "T1" in done.stderr
    assert [f["properties"]["tenure_status"] for f in features(tmp_path / "out")] == ["unknown"]


def test_a_title_over_the_pit_covers_it(world: Path, tmp_path: Path, run) -> None:
    path = titles(tmp_path / "t.geojson", mapping(footprint()))
    done = run(world, tmp_path / "out", "--titles", path)
    assert done.returncode == 0
    assert [f["properties"]["tenure_status"] for f in features(tmp_path / "out")] == ["covered"]


@pytest.mark.parametrize(("name", "text"), [("CatalogUnreadableError", "{"), ("CatalogUnreadableError", "[]")])
def test_a_catalogue_that_is_none_is_named(world: Path, tmp_path: Path, run, name: str, text: str) -> None:
    (world / "catalog" / "catalog.json").write_text(text, encoding="utf-8")
    done = run(world, tmp_path / "out")
    assert refused(done, name, tmp_path / "out")


def test_a_configuration_with_an_unknown_field_is_named(tmp_path: Path, overburden) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("areas: [{aoi: a, catalog: b}]\nout: o\nsurprise: 1\n", encoding="utf-8")
    done = overburden("doctor", "--config", path)
    assert done.returncode == 2
    assert "surprise" in done.stdout

"""A night of a simulated world: what store, files, bundles and reports say of each alert is the same."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from test_reports import Page

from pipeline.config import RunConfig
from pipeline.demo.world import build_world
from pipeline.evidence import Status
from pipeline.io.bundles import verify_bundle
from pipeline.io.keys import read_public
from pipeline.io.store import open_store
from pipeline.stages import AoiRequest, run_aoi

LANGUAGES = ("en", "es", "pt", "fr")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gold belt of the demo, smaller."""
    folder = tmp_path_factory.mktemp("belt")
    paths = build_world(folder / "world", seed=7, size_m=3000)
    section = {
        "aoi": str(paths.aoi), "catalog": str(paths.catalog), "titles": [str(paths.titles)],
        "protected": [str(paths.protected)], "titles_retrieved_on": None,
    }  # fmt: skip
    document = {"areas": [section], "out": str(folder / "out"), "delivery": {"has_map": False, "languages": LANGUAGES}}
    config = RunConfig.model_validate(document)
    run_aoi(AoiRequest(config.areas[0], config, folder / "out", str(folder / "out" / "store.sqlite"), None))
    return folder / "out"


@pytest.fixture(scope="module")
def features(out: Path) -> dict[str, dict[str, Any]]:
    """The alerts of the file, by id."""
    document = json.loads((out / "alerts.geojson").read_text(encoding="utf-8"))
    return {feature["id"]: feature for feature in document["features"]}


def held(out: Path, feature: dict[str, Any]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO((out / feature["properties"]["evidence"]).read_bytes()))


def test_there_is_something_to_compare(features: dict[str, dict[str, Any]]) -> None:
    assert len(features) >= 3
    assert len({f["properties"]["tenure_status"] for f in features.values()}) >= 2


def test_the_store_says_what_the_file_says(out: Path, features: dict[str, dict[str, Any]]) -> None:
    (aoi_id,) = {f["properties"]["aoi_id"] for f in features.values()}
    told = {e.alert_id: e.payload["properties"] for e in open_store(out / "store.sqlite").latest_events(aoi_id).values()}
    for alert_id, feature in features.items():
        assert told[alert_id] == feature["properties"]


def test_each_bundle_holds_the_feature_and_verifies(out: Path, features: dict[str, dict[str, Any]]) -> None:
    public = read_public(out / "evidence" / "signing-key.pub")
    for feature in features.values():
        assert verify_bundle(out / feature["properties"]["evidence"], public).status is Status.VERIFIED
        assert json.loads(held(out, feature).read("alert.geojson")) == feature
        (last,) = json.loads(held(out, feature).read("timeline.json"))["events"][-1:]
        assert json.loads(last["payload"])["properties"] == feature["properties"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_of_a_report_is_that_of_the_feature(out: Path, features: dict[str, dict[str, Any]], language: str) -> None:
    for feature in features.values():
        said = feature["properties"]
        values = [
            (name, value) for name, value in Page(held(out, feature).read(f"report.{language}.html")).values if name in said
        ]
        assert {"area_ha", "uncovered_ha", "first_detected_on", "priority", "pond_ha"} <= {name for name, _ in values}
        assert [(name, value) for name, value in values if value != said[name]] == []

"""Documents: the GeoJSON against its own schema and another reader, the page against hostile names."""

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import jsonschema
import pytest
from shapely.geometry import Polygon, box

from pipeline.alerts import ALERT_PROPERTIES, Alert
from pipeline.delivery import MapInputs, alert_schema, check_alert, feature_collection, map_html, properties_markdown
from pipeline.errors import DeliveryInvalidError
from pipeline.tenure import Title, TitleKind, TitleStatus

PLAIN = {
    "string": "x",
    "integer": 1,
    "number": 1.5,
    "date": "2024-05-01",
    "strings": ["a"],
    "object": {"a": 1.0},
    "objects": [],
}


def alert(**changes: object) -> Alert:
    facts = {p.name: p.choices[0] if p.choices else PLAIN[p.type] for p in ALERT_PROPERTIES}
    clockwise = Polygon([(-63, -9), (-63, -8.99), (-62.99, -8.99), (-62.99, -9)])
    return Alert("a1", clockwise, {**facts, **changes})


def text(*alerts: Alert) -> str:
    return feature_collection(alerts, aoi_id="x", as_of=date(2024, 5, 1), manifest={"software": "s"})


def test_the_file_follows_schema_and_rfc_and_reads_back(tmp_path: Path) -> None:
    document = json.loads(text(alert()))
    jsonschema.validate(document, alert_schema())
    ring = document["features"][0]["geometry"]["coordinates"][0]
    turn = sum((x1 - x0) * (y1 + y0) for (x0, y0), (x1, y1) in pairwise(ring))
    assert turn < 0, "the exterior runs counter-clockwise"
    assert "crs" not in document
    (tmp_path / "a.geojson").write_text(text(alert()), encoding="utf-8")
    assert gpd.read_file(tmp_path / "a.geojson").likely_cause.tolist() == ["mining"]


def test_order_of_alerts_does_not_matter() -> None:
    a, b = alert(site_id="a", priority=1.0), alert(site_id="b", priority=9.0)
    assert text(a, b) == text(b, a)
    assert [f["properties"]["site_id"] for f in json.loads(text(a, b))["features"]] == ["b", "a"]


@pytest.mark.parametrize(
    ("changes", "word"), [({"area_ha": float("nan")}, "area_ha"), ({"state": "odd"}, "state"), ({"extra": 1}, "extra")]
)
def test_a_broken_alert_is_refused_by_name(changes: dict[str, object], word: str) -> None:
    with pytest.raises(DeliveryInvalidError, match=word):
        check_alert(alert(**changes))


def test_the_page_of_properties_is_not_stale() -> None:
    assert (Path(__file__).parents[1] / "docs" / "alert-properties.md").read_text(encoding="utf-8") == properties_markdown()


@pytest.fixture
def page() -> str:
    hostile = "</script><script>document.title='broken'</script>"
    title = Title("T1", hostile, hostile, TitleKind.EXPLOITATION, TitleStatus.ACTIVE, None, None, (), box(-63, -9, -62.9, -8.9))
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
    return map_html(
        MapInputs(
            title=f"Map {hostile}", as_of=date(2024, 5, 1), aoi_id="x", aoi_name="X", is_simulated=True, grid_crs="EPSG:32720",
            bounds=(5e5, 8.99e6, 5.1e5, 9e6), before_png=png, after_png=png, before_label="b", after_label="a",
            area=box(-63, -9, -62.9, -8.9), alerts=[alert()], disturbances=[], titles=[title], protected=[], attribution="c",
        )
    )  # fmt: skip


def test_no_name_becomes_script_and_nothing_is_fetched(page: str) -> None:
    assert page.count("<script") == 1
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed: the page is not run in a browser")
def test_the_page_runs_in_a_browser(page: str, tmp_path: Path) -> None:
    (tmp_path / "map.html").write_text(page, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking",
             "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]  # fmt: skip
    done = subprocess.run(
        ["chromium", *flags, "--dump-dom", f"file://{tmp_path / 'map.html'}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "1 alerts, 0 other disturbances" in done.stdout
    assert "<title>broken" not in done.stdout


def test_replacing_geometry_keeps_the_record() -> None:
    assert replace(alert(), geometry=box(0, 0, 1, 1)).properties == alert().properties

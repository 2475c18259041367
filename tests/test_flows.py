"""The nightly flow says what `run_aoi` says, byte for byte, survives a bad area, and leaves no process behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from shapely import Point
from worlds import pit_in_forest, write_aoi

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]


MARK = "OVERBURDEN_STARTED_BY"


def overburden(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, MARK: str(os.getpid())},
    )  # fmt: skip


def servers() -> set[int]:
    """Processes of the local Prefect server that this test's commands have started; other tests may have theirs."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            marks = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"pipeline.flows.local_server" in words and f"{MARK}={os.getpid()}".encode() in marks:
            found.add(int(process.name))
    return found


def test_flow_and_run_give_the_same_bytes_and_a_bad_area_stops_nothing(tmp_path: Path) -> None:
    pit_in_forest(tmp_path / "catalog")
    write_aoi(tmp_path / "aoi.geojson")
    catalog = tmp_path / "catalog" / "catalog.json"
    write_aoi(tmp_path / "bad.geojson", Point(0, 0), id="bad")
    areas = [{"aoi": str(tmp_path / name), "catalog": str(catalog)} for name in ("bad.geojson", "aoi.geojson")]
    config = tmp_path / "night.yaml"
    told = {"name": "office", "tier": "restricted", "channel": {"kind": "folder", "path": "in"}}
    (tmp_path / "subscriptions.yaml").write_text(yaml.safe_dump({"subscriptions": [told]}), encoding="utf-8")
    document = {"areas": areas, "out": str(tmp_path / "flow"), "subscriptions": "subscriptions.yaml"}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")

    before = servers()
    flow = overburden("nightly", "--config", config, "--as-of", "2025-01-07")
    assert flow.returncode == 1
    assert "AoiInvalidError" in flow.stderr
    assert "delivery: 1 delivered" in flow.stdout
    assert len(list((tmp_path / "in").glob("*.geojson"))) == 1
    alone = overburden(
        "run", "--catalog", catalog, "--aoi", tmp_path / "aoi.geojson", "--out", tmp_path / "run", "--as-of", "2025-01-07"
    )  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    for name in ("alerts.geojson", "disturbances.geojson", "nights/2025-01-07.geojson", "report.md"):
        assert (tmp_path / "flow" / "tiny" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()

    again = overburden("nightly", "--config", config, "--as-of", "2025-01-08")
    assert again.returncode == 1
    assert "tiny as of 2025-01-08: nothing new since 2025-01-07, 1 alerts" in again.stdout
    assert "AoiInvalidError" in again.stderr
    assert servers() <= before

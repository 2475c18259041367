"""Secrets reach no log, error, manifest, output file or state of Prefect: a night with an account, searched byte by byte."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from servers.faults import Fault
from servers.sentinel_hub import Tile, sentinel_hub
from shapely.geometry import box
from worlds import EPSG, FOREST, LEFT, TOP, write_aoi

from pipeline import geo

SIZE = 60
ESA = ("B02", "B03", "B04", "B08", "B11", "B12")
SAVE = """
import json, sys
from pipeline.flows.entry import settle
settle()
from pipeline.flows.local_server import local_server
with local_server():
    from prefect.blocks.system import Secret
    Secret(value=json.loads(sys.stdin.read())).save("mine-watch")
"""


def tile(day: date) -> Tile:
    """A forest on one day, in raw numbers."""
    when = datetime(day.year, day.month, day.day, 14, 27, tzinfo=UTC)
    bands = {
        name: np.full((SIZE, SIZE) if n < 4 else (SIZE // 2, SIZE // 2), round(FOREST[n] * 1e4) + 1000, "u2")
        for n, name in enumerate(ESA)
    }
    half = np.ones((SIZE // 2, SIZE // 2), "u1")
    outline = geo.reproject(box(LEFT, TOP - 10 * SIZE, LEFT + 10 * SIZE, TOP), f"EPSG:{EPSG}", geo.WGS84)
    name = f"S2A_MSIL2A_{when:%Y%m%dT%H%M%S}_N0510_R096_T20LPR_{when:%Y%m%d}T175316"
    return Tile(name, when, outline, EPSG, (LEFT, TOP), {**bands, "SCL": half * 4, "CLD": half})


def files(*folders: Path) -> Iterable[Path]:
    return (p for folder in folders for p in folder.rglob("*") if p.is_file())


def run(arguments: list[str], env: dict[str, str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=300, check=False, env=env, input=text
    )


@pytest.mark.slow
def test_no_secret_is_written_anywhere(tmp_path: Path) -> None:
    write_aoi(
        tmp_path / "aoi.geojson", geo.reproject(box(LEFT + 100, TOP - 500, LEFT + 500, TOP - 100), f"EPSG:{EPSG}", geo.WGS84)
    )
    with sentinel_hub([tile(date(2024, 1, 3) + timedelta(days=5 * n)) for n in range(3)]) as server:
        config = tmp_path / "night.yaml"
        area = {"aoi": str(tmp_path / "aoi.geojson"), "catalog": server.catalog, "account": "prefect:mine-watch"}
        settings = {"first_wait_s": 0.01, "at_once": 1}
        config.write_text(yaml.safe_dump({"areas": [area], "out": str(tmp_path / "out"), "fetch": settings}), encoding="utf-8")
        env = {
            **os.environ, "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_LOGGING_LEVEL": "DEBUG",
            "OAUTHLIB_INSECURE_TRANSPORT": "1", "XDG_CONFIG_HOME": str(tmp_path / "settings"),
        }  # fmt: skip
        held = {"client_id": server.client_id, "client_secret": server.client_secret}
        assert run(["-c", SAVE], env, json.dumps(held)).returncode == 0
        server.faults += [Fault("process", "status", 401), Fault("process", "status", 500), Fault("token", "status", 503)]
        good = run(["-m", "pipeline.cli", "nightly", "--config", str(config), "--as-of", "2024-01-13"], env)
        assert good.returncode == 0, good.stderr
        assert (tmp_path / "out" / "report.md").exists()
        server.faults.append(Fault("process", "status", 403, times=99))
        server.tiles.append(tile(date(2024, 1, 18)))
        period = ["--config", str(config), "--from", "2024-01-01", "--to", "2024-01-18"]
        bad = run(["-m", "pipeline.cli", "scenes", "fetch", *period], env)
        assert bad.returncode == 1
        assert "ProviderForbiddenError" in bad.stderr
        hidden = [server.client_secret, *server.tokens]
    said = "".join(done.stdout + done.stderr for done in (good, bad))
    assert len(hidden) >= 3
    assert not [secret for secret in hidden if secret in said]
    searched = [p for p in files(tmp_path) if p.suffix != ".key"]
    assert any(p.name.startswith("prefect.db") for p in searched)
    assert not [(p, secret) for p in searched for secret in hidden if secret.encode() in p.read_bytes()]

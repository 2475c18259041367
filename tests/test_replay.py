"""End to end on real mining chips laid out as a dated catalogue with a known answer."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from replay_early import early_of_own_sites

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "tools" / "replay.py").exists(), reason="../shared with the real chips is not here")
def test_real_chips_are_found_and_named(tmp_path: Path) -> None:
    replay, out = tmp_path / "replay", tmp_path / "out"

    def run(*arguments: object) -> str:
        done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    run(SHARED / "tools" / "replay.py", SHARED / "data" / "mining_chips", replay, "--grid", 6, "--seed", 1)
    catalog, aoi = replay / "catalog" / "catalog.json", replay / "aoi.geojson"
    run("-m", "pipeline.cli", "run", "--catalog", catalog, "--aoi", aoi, "--out", out)
    printed = run(SHARED / "tools" / "score_replay.py", replay, out)
    figure = {line.split()[0]: float(line.split()[1]) for line in printed.splitlines()}
    assert figure["detected_mining"] >= 0.85
    assert figure["named_mining"] >= 0.70
    assert early_of_own_sites(replay, out)[0] == 0
    assert figure["quiet_share"] <= 0.10
    assert figure["other_named"] <= 0.25

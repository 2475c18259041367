"""Tables in the docs are what the commands beside them print."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.mark.skipif(not (SHARED / "detections").is_dir(), reason="../shared/data/detections is absent")
def test_the_table_of_detections_over_titles_is_what_its_command_prints() -> None:
    lines = runpy.run_path(str(ROOT / "benchmarks" / "detections_against_titles.py"))["lines"]
    assert (ROOT / "docs" / "cadastres.md").read_text(encoding="utf-8").endswith("\n".join(lines(SHARED)) + "\n")

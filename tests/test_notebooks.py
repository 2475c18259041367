"""The notebooks run on a small simulated run, as an analyst would run them."""

from datetime import date
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from pipeline.config import load_config
from pipeline.demo.world import build_world
from pipeline.stages import AoiRequest, run_aoi

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("notebooks")]


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebooks")
    world = build_world(folder / "world", size_m=2000, start=date(2019, 2, 1))
    document = {
        "areas": [
            {
                "aoi": str(world.aoi),
                "catalog": str(world.catalog),
                "titles": [str(world.titles)],
                "protected": [str(world.protected)],
                "reference_until": date(2020, 3, 31),
            }
        ],
        "out": str(folder / "out"),
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    config = load_config(path)
    result = run_aoi(AoiRequest(config.areas[0], config, Path(config.out), f"{config.out}/store.sqlite", None))
    assert result.alerts
    return path


def test_there_are_notebooks() -> None:
    assert [n.stem for n in NOTEBOOKS] == ["01_look_at_an_aoi", "02_explain_an_alert"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the notebook machinery, not ours
def test_notebook_runs(path: Path, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERBURDEN_CONFIG", str(config_file))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    assert all(c.outputs for c in cells), "every cell shows something"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_not_committed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert not any(c.get("outputs") for c in notebook.cells if c.cell_type == "code")

"""The README's recipe: three lines run as printed, and doctor says what the example lacks; nightly is tested elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def recipe() -> list[str]:
    """The lines under "Watch your own area", without their comments."""
    section = README.read_text(encoding="utf-8").split("## Watch your own area")[1].split("\n\n")[1]
    return [line.split("    #")[0].strip() for line in section.splitlines()]


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line with the installed command's module in its place."""
    command = line.replace(".venv/bin/overburden", f"{sys.executable} -m pipeline.cli")
    return subprocess.run(  # noqa: S602 - a shell is what the README is read by
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_five_lines_are_the_five_commands() -> None:
    assert [line.split()[1] for line in recipe()] == ["aoi", "aoi", "config-example", "doctor", "nightly"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("aoi", "configs"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_an_area_is_made_and_found_good_and_the_example_is_a_configuration(folder: Path) -> None:
    for line in recipe()[:3]:
        done = shell(line, folder)
        assert done.returncode == 0, done.stderr
    assert (folder / "aoi" / "our-river.geojson").exists()
    doctor = shell(recipe()[3], folder)
    assert doctor.returncode == 2
    assert "FIX" in doctor.stdout


def test_every_test_that_the_providers_page_names_exists() -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    tests = "\n".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "tests").glob("test_*.py")))
    named = set(re.findall(r"\btest_[a-z0-9_]+", page.replace(".py", "")))
    known = set(re.findall(r"^def (test_\w+)", tests, re.M)) | {p.stem for p in (ROOT / "tests").glob("test_*.py")}
    assert len(named) > 20
    assert [n for n in sorted(named) if not any(k == n or (n.endswith("_") and k.startswith(n)) for k in known)] == []

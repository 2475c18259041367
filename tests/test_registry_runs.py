"""Runs that are laid over the snapshots of the registry: each day by what was known on it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import shapely
from test_run import days_of
from worlds import pit_in_forest, write_aoi

from pipeline.config import RunConfig
from pipeline.errors import CadastreUnknownError
from pipeline.io.areas import read_area
from pipeline.io.registry import open_registry
from pipeline.io.store import open_store
from pipeline.stages import AoiRequest, AoiResult, run_aoi
from pipeline.stages.register_side import register_findings
from pipeline.tenure import Snapshot, Title, TitleKind, TitleStatus

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registry-world")
    pit_in_forest(folder / "catalog", dates=38)
    write_aoi(folder / "aoi.geojson")
    return folder


def config_of(world: Path, out: Path, registry: Path, *registers: str) -> RunConfig:
    section = {"aoi": str(world / "aoi.geojson"), "catalog": str(world / "catalog" / "catalog.json"), "registers": registers}
    return RunConfig.model_validate({
        "areas": [section], "out": str(out), "registry": str(registry),
        "delivery": {"has_evidence": False, "has_map": False, "languages": []},
    })  # fmt: skip


def run(config: RunConfig, as_of: date | None = None) -> AoiResult:
    out = Path(config.out)
    return run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), as_of))


@pytest.fixture(scope="module")
def registry(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T1 covers the area and ends two days after the pit begins; a snapshot of eight looks later has it extended."""
    path = tmp_path_factory.mktemp("registry") / "cadastre.sqlite"
    book, days = open_registry(path), days_of(world)
    outline = shapely.box(*read_area(world / "aoi.geojson").geometry.bounds).buffer(0.01)
    title = Title("T1", "", "", TitleKind.EXPLOITATION, TitleStatus.ACTIVE, date(2000, 1, 1), days[26] + timedelta(days=2), (),
                  outline, "a" * 64)  # fmt: skip
    far = replace(title, title_id="T2", geometry=shapely.affinity.translate(outline, 5))
    book.take([title, far], Snapshot("old", days[20], "a" * 64, 2, register="land"), taken_at=NOON)
    extended = replace(title, valid_to=None, snapshot="b" * 64)
    book.take([extended, far], Snapshot("new", days[34], "b" * 64, 2, register="land"), taken_at=NOON)
    return path


def told(config: RunConfig) -> list[tuple[date, str, str, str]]:
    events = open_store(Path(config.out) / "store.sqlite").events("tiny")
    return [
        (e.day, e.payload["properties"]["tenure_status"], e.payload["properties"]["tenure_status_at_detection"],
         e.payload["properties"]["cadastre"][0]["name"])
        for e in events
    ]  # fmt: skip


def test_each_day_is_told_by_what_was_known_on_it(world: Path, registry: Path, tmp_path: Path) -> None:
    config, days = config_of(world, tmp_path, registry, "land"), days_of(world)
    run(config)
    by_status = {(status, name): day for day, status, _, name in reversed(told(config))}
    assert by_status[("covered", "old")] == days[26]
    assert by_status[("lapsed", "old")] == days[26] + timedelta(days=3)
    assert by_status[("covered", "new")] == days[34]
    assert {then for _, _, then, _ in told(config)} == {"covered"}


def test_nights_say_what_one_pass_says(world: Path, registry: Path, tmp_path: Path) -> None:
    once, nightly = (config_of(world, tmp_path / name, registry, "land") for name in ("once", "nightly"))
    run(once)
    for day in days_of(world)[21:]:
        run(nightly, day)
    assert told(once) == told(nightly)
    assert (tmp_path / "once" / "alerts.geojson").read_bytes() == (tmp_path / "nightly" / "alerts.geojson").read_bytes()


def test_titles_are_told_with_what_they_said_on_both_days(world: Path, registry: Path, tmp_path: Path) -> None:
    config = config_of(world, tmp_path, registry, "land")
    result = run(config, days_of(world)[30])
    (alert,) = [*result.alerts, *result.disturbances]
    (title,) = alert.properties["titles"]
    assert (title["id"], title["finding"], title["finding_at_detection"]) == ("T1", "lapsed", "covered")
    assert alert.properties["uncovered_ha_at_detection"] == 0
    assert alert.properties["uncovered_ha"] == pytest.approx(alert.properties["area_ha"], abs=0.001)
    assert "was in force" in alert.properties["tenure_reasons_at_detection"][0]


def test_a_register_without_a_snapshot_is_named(world: Path, registry: Path, tmp_path: Path) -> None:
    with pytest.raises(CadastreUnknownError, match="no snapshot of register 'sea', but of land"):
        run(config_of(world, tmp_path, registry, "sea"))


def test_register_findings_come_from_store_and_registry(world: Path, registry: Path, tmp_path: Path) -> None:
    config, days = config_of(world, tmp_path, registry, "land"), days_of(world)
    run(config)
    later = replace(open_registry(registry).titles(open_registry(registry).find("1"))[0], title_id="T3",
                    valid_from=days[33], valid_to=None, snapshot="c" * 64)  # fmt: skip
    open_registry(registry).take([later], Snapshot("third", days[-1], "c" * 64, 1, register="third"), taken_at=NOON)
    found = list(register_findings(config_of(world, tmp_path, registry, "land", "third"), days[-1]))
    assert [(area, f.kind, f.title_id, f.register) for area, f in found] == [("tiny", "after_detection", "T3", "third")]

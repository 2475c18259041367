"""The commands `overburden cadastre`, as an operator types them."""

import csv
import json
import re
from pathlib import Path

import pytest
from servers.cadastre_services import cadastre_service
from test_bad_input import Done, overburden  # noqa: F401  (a fixture)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "cadastre"
REGISTERS = Path(__file__).resolve().parents[1] / "configs" / "registers"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/cadastre is absent")


def write(path: Path, *rows: dict) -> Path:
    """A file of titles, one square after another."""
    features = [
        {
            "type": "Feature",
            "properties": {"id": "T1", "kind": "mining lease", "status": "active", "start": "2020-01-01", **row},
            "geometry": row.get("geometry")
            or {"type": "Polygon", "coordinates": [[[n, 6], [n + 0.01, 6], [n + 0.01, 6.01], [n, 6.01], [n, 6]]]},
        }
        for n, row in enumerate(rows)
    ]
    for feature in features:
        feature["properties"].pop("geometry", None)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


@pytest.fixture
def cadastre(overburden, tmp_path: Path):  # noqa: F811
    """The commands, on one registry."""

    def command(*arguments: object) -> Done:
        return overburden("cadastre", *arguments, "--store", tmp_path / "cadastre.sqlite")

    def take(file: object, day: str, *more: object, register: str = "generic") -> Done:
        return command("import", file, "--register", REGISTERS / f"{register}.yaml", "--retrieved-on", day, *more)

    command.take = take
    return command


def test_an_import_says_what_it_took_and_a_second_one_adds_nothing(cadastre, tmp_path: Path) -> None:
    file = write(tmp_path / "titles.geojson", {"end": "2024-12-31", "remark": "x"})
    done = cadastre.take(file, "2024-06-01")
    assert done.returncode == 0
    assert "titles, register generic, retrieved on 2024-06-01: taken in as snapshot 1" in done.stdout
    assert "  1 titles taken, 0 of them repaired; 0 refused" in done.stdout
    assert "  columns not used: remark" in done.stdout
    assert "held already as snapshot 1, nothing is added" in cadastre.take(file, "2024-06-01").stdout
    assert len(cadastre("list").stdout.splitlines()) == 2


def test_a_refused_title_is_named_and_the_exit_code_says_so(cadastre, tmp_path: Path) -> None:
    point = {"id": "T2", "geometry": {"type": "Point", "coordinates": [1, 6]}}
    done = cadastre.take(write(tmp_path / "titles.geojson", {}, point), "2024-06-01")
    assert done.returncode == 1
    assert "1 titles taken, 0 of them repaired; 1 refused" in done.stdout
    assert "refused: title T2 (feature 2): it is a Point" in done.stdout


def test_an_unknown_code_is_told_and_not_guessed(cadastre, tmp_path: Path) -> None:
    done = cadastre.take(write(tmp_path / "titles.geojson", {"status": "resting"}), "2024-06-01")
    assert "not understood: status 'resting', 1 times" in done.stdout


@pytest.fixture
def two(cadastre, tmp_path: Path):
    """T1 ends in 2024 by the first snapshot and in 2029 by the second, which also has T2."""
    cadastre.take(write(tmp_path / "a.geojson", {"end": "2024-12-31"}), "2024-06-01")
    cadastre.take(write(tmp_path / "b.geojson", {"end": "2029-12-31"}, {"id": "=T2", "end": "2029-12-31"}), "2025-06-01")
    return cadastre


def test_a_diff_tells_what_changed_title_by_title(two, tmp_path: Path) -> None:
    done = two("diff", 1, 2, "--csv", tmp_path / "diff.csv")
    assert [line.split(maxsplit=2) for line in done.stdout.splitlines()] == [
        ["title", "change", "what"],
        ["=T2", "new", "is newly listed"],
        ["T1", "extended", "ends on 2029-12-31, before: on 2024-12-31"],
    ]
    assert done.stderr.strip().endswith("1 new, 1 extended")


def test_no_cell_of_a_table_is_a_formula(two, tmp_path: Path) -> None:
    two("diff", 1, 2, "--csv", tmp_path / "diff.csv")
    with (tmp_path / "diff.csv").open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["title", "'=T2", "T1"]


@pytest.mark.parametrize(("known_on", "finding"), [
    ("2024-12-31", "about 2026-01-01, by snapshot 1: lapsed: it ended on 2024-12-31, 366 days before 2026-01-01"),
    ("2025-12-31", "about 2026-01-01, by snapshot 2: covered: it was in force on 2026-01-01"),
])  # fmt: skip
def test_what_was_believed_on_a_day_about_a_day(two, known_on: str, finding: str) -> None:
    assert finding in two("show", "T1", "--on", "2026-01-01", "--known-on", known_on).stdout


def test_what_was_not_known_yet_is_said(two) -> None:
    assert "no snapshot that lists it was known then" in two("show", "T1", "--known-on", "2024-05-31").stdout
    assert "CadastreUnknownError: title 'T9'" in two("show", "T9").stderr


def test_a_list_goes_to_csv_with_every_snapshot(two, tmp_path: Path) -> None:
    two("list", "--csv", tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["snapshot"], r["register"], r["retrieved_on"], r["titles"]) for r in rows] == [
        ("1", "generic", "2024-06-01", "1"), ("2", "generic", "2025-06-01", "2"),
    ]  # fmt: skip


def test_a_layer_of_a_service_is_kept_as_a_file_and_read(cadastre, tmp_path: Path) -> None:
    with cadastre_service([(-1.7 + n / 100, 6.0, 0.01) for n in range(12)]) as server:
        done = cadastre.take(server.layer_url, "2025-06-01", "--keep", tmp_path / "kept")
    assert "12 titles taken" in done.stdout
    (kept,) = (tmp_path / "kept").iterdir()
    assert cadastre.take(kept, "2025-06-01").stdout.count("held already") == 1


@needs_shared
@pytest.mark.parametrize(("name", "register", "more", "said"), [
    ("ghana_small_scale_gold_2025", "ghana_mincom", (), "1028 titles taken, 0 of them repaired; 0 refused"),
    ("drc_titles_2016", "drc_cami", (), r"13214 \(feature 962\) reaches outside of the register's bounds"),
    ("peru_17s_2026_no_crs", "peru_ingemmet", ("--crs", "EPSG:32717"), "9025 titles taken, 8 of them repaired; 0 refused"),
    ("ghana_small_scale_gold_2025", "generic", (), "1028 titles taken"),
])  # fmt: skip
def test_each_real_cadastre_is_taken_in_with_one_command(cadastre, name: str, register: str, more: tuple, said: str) -> None:
    done = cadastre.take(SHARED / f"{name}.geojson", "2025-04-18", *more, register=register)
    assert done.returncode == 0
    assert re.search(said, done.stdout)


@needs_shared
def test_metres_that_nobody_declares_are_refused_with_a_proposal(cadastre) -> None:
    done = cadastre.take(SHARED / "peru_17s_2026_no_crs.geojson", "2026-01-31", register="peru_ingemmet")
    assert done.returncode == 2
    assert "CadastreWithoutCrsError" in done.stderr
    assert "EPSG:32717" in done.stderr


# --- sites laid over --------------------------------------------------------------------------------------------------


def test_sites_of_a_file_are_laid_over_what_was_known_on_a_day(two, tmp_path: Path) -> None:
    sites = write(tmp_path / "sites.geojson", {"id": "S1"}, {"id": "S2", "geometry": {"type": "Point", "coordinates": [1, 6]}})
    ask = ("overlay", sites, "--on", "2026-01-01", "--out", tmp_path / "found.geojson", "--known-on")
    early, late = two(*ask, "2024-12-31"), two(*ask, "2025-12-31", "--csv", tmp_path / "found.csv")
    assert early.returncode == late.returncode == 1  # one site is a point
    assert early.stdout.splitlines()[1].split() == ["lapsed", "1", "122.4", "122.4"]
    assert late.stdout.splitlines()[1].split() == ["covered", "1", "122.4", "0.0"]
    first, second = json.loads((tmp_path / "found.geojson").read_text(encoding="utf-8"))["features"]
    assert (first["properties"]["id"], first["properties"]["tenure_status"]) == ("S1", "covered")
    assert first["properties"]["titles"][0]["valid_to"] == "2029-12-31"
    assert (second["geometry"], second["properties"]["refused"]) == (None, "it is a Point, expected a polygon")


def test_a_registry_without_a_snapshot_by_then_says_so(two, tmp_path: Path) -> None:
    sites = write(tmp_path / "sites.geojson", {"id": "S1"})
    done = two("overlay", sites, "--known-on", "2020-01-01")
    assert done.returncode == 2
    assert "found no snapshot of generic retrieved by 2020-01-01" in done.stderr


@needs_shared
def test_published_detections_are_laid_over_a_real_register(cadastre, tmp_path: Path) -> None:
    cadastre.take(SHARED / "ghana_small_scale_gold_2025.geojson", "2025-04-18", register="ghana_mincom")
    detections = SHARED.parent / "detections" / "ghana_earth_genome_2024.geojson"
    done = cadastre("overlay", detections, "--on", "2025-04-18", "--mineral", "gold")
    assert done.returncode == 0
    assert sum(int(line.split()[1]) for line in done.stdout.splitlines()[1:]) == 685

"""The commands `overburden alerts`: what was said on a day, in both senses of it."""

import csv
import json
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from test_bad_input import Done, overburden  # noqa: F401  (a fixture)
from worlds import pit_in_forest, write_aoi

from pipeline.alerts.revisions import change_words
from pipeline.config import RunConfig
from pipeline.io import journal
from pipeline.io.history import open_history
from pipeline.io.store import open_store
from pipeline.stages import AoiRequest, run_aoi

ONSET, LATE, CONFIRMED = date(2024, 11, 8), date(2024, 11, 20), date(2024, 12, 2)
NIGHTS = {date(2024, 11, 10): 1, date(2024, 12, 3): 2, date(2025, 1, 10): 3}
"""The date that each night speaks for, and the month of 2030 in which it ran. In April the scene of LATE came."""


@dataclass(frozen=True)
class Told:
    store: Path
    files: dict[date, bytes]
    """alerts.geojson of each night, as it was written."""
    last: bytes
    """The same of the night that told the history again."""
    site: str
    alert: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Three nights of a forest with a pit, without the scene of LATE, and a fourth with it; a cloudy pass is before."""
    folder = tmp_path_factory.mktemp("told")
    pit_in_forest(folder / "catalog", cloudy=(25,))
    write_aoi(folder / "aoi.geojson")
    catalog = folder / "catalog" / "catalog.json"
    whole = catalog.read_text(encoding="utf-8")
    document = json.loads(whole)
    document["links"] = [link for link in document["links"] if f"{LATE:%Y%m%d}" not in link["href"]]
    catalog.write_text(json.dumps(document), encoding="utf-8")
    files = {}
    with pytest.MonkeyPatch.context() as patch:
        for as_of, month in NIGHTS.items():
            patch.setattr(journal, "now", lambda month=month: datetime(2030, month, 1, 2, 0, 0, tzinfo=UTC))
            run(folder, as_of)
            files[as_of] = (folder / "out" / "alerts.geojson").read_bytes()
        catalog.write_text(whole, encoding="utf-8")
        patch.setattr(journal, "now", lambda: datetime(2030, 4, 1, 2, 0, 0, tzinfo=UTC))
        run(folder, max(NIGHTS))
    last = (folder / "out" / "alerts.geojson").read_bytes()
    feature = json.loads(last)["features"][0]
    return Told(folder / "out" / "store.sqlite", files, last, feature["properties"]["site_id"], feature["id"])


def run(folder: Path, as_of: date) -> None:
    section = {"aoi": str(folder / "aoi.geojson"), "catalog": str(folder / "catalog" / "catalog.json")}
    out = folder / "out"
    config = RunConfig.model_validate(
        {"areas": [section], "out": str(out), "delivery": {"has_evidence": False, "has_map": False}}
    )
    run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), as_of))


@pytest.fixture
def alerts(overburden, told: Told):  # noqa: F811
    def command(*arguments: object) -> Done:
        return overburden("alerts", *arguments, "--store", told.store)

    return command


# --- list ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "state"), [
    ((), "confirmed"), (("--on", "2024-11-19"), "provisional"),
    (("--on", "2024-11-20"), "confirmed"),  # the late scene confirmed it, by what is said of that day today
    (("--on", "2024-11-20", "--told-by", "2030-03-31"), "provisional"),  # and nobody knew until it came
    (("--told-by", "2030-01-31"), "provisional"), (("--told-by", "2030-02-01"), "confirmed"),
])  # fmt: skip
def test_what_was_said_of_a_day_and_what_had_been_said_by_one(alerts, told: Told, options: tuple, state: str) -> None:
    done = alerts("list", *options)
    assert done.returncode == 0
    (row,) = [line.split() for line in done.stdout.splitlines()[1:]]
    assert row[:3] == [told.site[:8], "tiny", state]
    assert done.stderr == "1 of 1 alerts\n"


def test_before_anything_was_told_there_is_nothing(alerts) -> None:
    assert alerts("list", "--on", "2024-11-07").stderr == "0 of 0 alerts\n"
    assert "tiny: no night is on record as told by 2029-12-31" in alerts("list", "--told-by", "2029-12-31").stderr


@pytest.mark.parametrize(("option", "value", "count"), [
    ("--state", "confirmed", 1), ("--state", "closed", 0), ("--cause", "mining", 1), ("--cause", "burn", 0),
    ("--status", "unknown", 1), ("--status", "covered", 0), ("--aoi", "tiny", 1),
])  # fmt: skip
def test_a_list_is_narrowed(alerts, option: str, value: str, count: int) -> None:
    assert alerts("list", option, value).stderr.startswith(f"{count} of 1 alerts")


def test_a_state_that_does_not_exist_is_refused(alerts) -> None:
    done = alerts("list", "--state", "guilty")
    assert done.returncode == 2
    assert "expected one of provisional" in done.stderr.replace("\n", " ").replace("│", "")


def test_a_list_goes_to_csv_with_full_ids(alerts, told: Told, tmp_path: Path) -> None:
    alerts("list", "--csv", tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["alert_id"], row["site_id"], row["state"], len(row["event_hash"])) == (told.alert, told.site, "confirmed", 64)


# --- show and history ------------------------------------------------------------------------------------------------


def test_a_record_has_units_and_bounds_its_start_by_the_ledger(alerts, told: Told) -> None:
    lines = alerts("show", told.site[:6]).stdout.splitlines()
    said = {
        line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in lines if not line.startswith((" ", "The", "Event"))
    }
    assert said["alert_id"] == told.alert
    assert said["area_ha"].endswith(" ha")
    assert said["first_detected_on"] == "2024-11-08"
    assert lines[-2] == (
        "The change began between 2024-10-15 and 2024-11-08. In that time, over the chunks that it touches: 1 pass: 0 clear, "
        "0 partly clear, 1 cloudy, 0 not imaged, 0 failed, 0 not listed."
    )
    assert "written at 2030-04-01T02:00:00Z, hash " in lines[-1]


def test_an_alert_is_shown_as_it_stood_and_as_it_had_been_told(alerts, told: Told) -> None:
    assert "evaluated_on                 2024-11-20" in alerts("show", told.alert).stdout
    assert "evaluated_on                 2024-12-02" in alerts("show", told.alert, "--told-by", "2030-03-01").stdout
    assert "state                        provisional" in alerts("show", told.alert, "--on", "2024-11-10").stdout
    early = alerts("show", told.alert, "--on", "2024-11-01")
    assert early.returncode == 2
    assert "nothing is said of it by 2024-11-01 in the present telling; it was spoken of from 2024-11-08 on" in early.stderr


def test_history_tells_every_revision_of_every_telling(alerts, told: Told, tmp_path: Path) -> None:
    done = alerts("history", told.alert[:8], "--csv", tmp_path / "h.csv")
    lines = done.stdout.splitlines()
    assert lines[0] == f"site {told.site}, alert {told.alert}, area tiny"
    days = [line.split(", hash")[0] for line in lines if not line.startswith((" ", "site"))]
    assert days == [
        "2024-11-08  revision 1, epoch 1, written 2030-01-01T02:00:00Z",
        "2024-12-02  revision 2, epoch 1, written 2030-02-01T02:00:00Z",
        "2024-11-08  revision 1, epoch 2, written 2030-04-01T02:00:00Z",
        "2024-11-20  revision 2, epoch 2, written 2030-04-01T02:00:00Z",
    ]
    assert "    state: provisional → confirmed" in lines
    assert "    told again with a late scene (epoch 2)" in lines
    with (tmp_path / "h.csv").open(encoding="utf-8", newline="") as file:
        assert [r["epoch"] for r in csv.DictReader(file)] == ["1", "1", "2", "2"]


def test_an_id_must_be_known_and_unambiguous(alerts, told: Told) -> None:
    assert "found 5 letters of an id, expected at least 6" in alerts("show", told.site[:5]).stderr
    assert "AlertUnknownError: '%%%%%%': no alert or site begins with it" in alerts("show", "%%%%%%").stderr


def test_letters_that_two_sites_begin_with_list_both(overburden, tmp_path: Path) -> None:  # noqa: F811
    store = open_store(tmp_path / "store.sqlite")
    area = store.area_state("tiny", "digest", "model/1")
    payloads = [{"id": f"x{n}", "properties": {"site_id": f"abcdef{n}", "revision": 1}} for n in range(2)]
    store.swap_sites("tiny", ONSET, [], payloads, area=area)
    done: Done = overburden("alerts", "show", "ABCDEF", "--store", tmp_path / "store.sqlite")
    assert done.returncode == 2
    assert "2 begin with it: site abcdef0 (alert x0, area tiny); site abcdef1 (alert x1, area tiny)" in done.stderr


def test_changes_are_told_in_words() -> None:
    before = {"state": "provisional", "area_ha": 1.0, "merged_from": [], "split_from": None, "cadastre": [],
              "titles": [{"id": "T1", "finding": "covered"}, {"id": "T2", "finding": "lapsed"}]}  # fmt: skip
    now = {"state": "confirmed", "area_ha": 2.5, "merged_from": ["a", "b"], "split_from": "c",
           "cadastre": [{"name": "x.shp", "retrieved_on": "2024-05-01"}],
           "titles": [{"id": "T1", "finding": "lapsed"}, {"id": "T3", "finding": "covered"}]}  # fmt: skip
    assert change_words(before, now) == [
        "state: provisional → confirmed", "area_ha: 1.00 → 2.50 ha", "merged_from: none → a; b", "split_from: none → c",
        "title T3: newly touches the site, covered", "title T2: no longer touches the site, was lapsed",
        "title T1: covered → lapsed", "cadastre: none → x.shp of 2024-05-01",
    ]  # fmt: skip
    assert change_words(None, now) == ["first said"]
    assert change_words(now, now) == ["only reasons, scenes or the day changed"]


# --- export ----------------------------------------------------------------------------------------------------------


def exported(alerts, tmp_path: Path, *options: object) -> tuple[bytes, str]:
    done = alerts("export", "--out", tmp_path / "e.geojson", *options)
    assert done.returncode == 0
    return (tmp_path / "e.geojson").read_bytes(), done.stdout


@pytest.mark.parametrize("as_of", NIGHTS)
def test_an_export_is_the_file_that_the_night_wrote(alerts, told: Told, tmp_path: Path, as_of: date) -> None:
    held, said = exported(alerts, tmp_path, "--on", as_of, "--told-by", date(2030, NIGHTS[as_of], 1))
    assert held == told.files[as_of]
    assert f"1 alerts of tiny as of {as_of}; the manifest is that of the night of {as_of}" in said


def test_the_last_night_is_told_by_the_present_telling(alerts, told: Told, tmp_path: Path) -> None:
    assert exported(alerts, tmp_path, "--on", max(NIGHTS))[0] == told.last
    assert told.last != told.files[max(NIGHTS)]


def test_an_export_of_a_day_without_a_night_says_so(alerts, tmp_path: Path) -> None:
    held, said = exported(alerts, tmp_path, "--on", "2024-11-25", "--told-by", "2030-03-01")
    assert json.loads(held)["overburden"]["as_of"] == "2024-11-25"
    assert "no night of 2024-11-25 is on record: the manifest is that of 2024-11-10" in said
    assert "the store's last night speaks for 2025-01-10" in exported(alerts, tmp_path, "--on", "2026-01-01")[1]


def test_an_export_of_a_store_without_record_of_nights_says_what_may_differ(overburden, told: Told, tmp_path: Path) -> None:  # noqa: F811
    folder = Path(shutil.copytree(told.store.parent, tmp_path / "old"))
    with sqlite3.connect(folder / "store.sqlite") as connection:
        connection.execute("DROP TABLE journal")
        connection.execute("DELETE FROM facts WHERE key = 'journal'")
    connection.close()
    done: Done = overburden(
        "alerts", "export", "--on", max(NIGHTS), "--out", tmp_path / "e.geojson", "--store", folder / "store.sqlite"
    )
    assert "the store is older than its record of nights" in done.stdout
    assert (tmp_path / "e.geojson").read_bytes() == told.last  # here nothing differs: no cadastre, same software
    assert "not on record" in overburden("alerts", "history", told.site, "--store", folder / "store.sqlite").stdout


@pytest.mark.parametrize("command", [("list",), ("show", "abcdef"), ("export", "--on", "2024-11-25", "--out", "e.geojson")])
def test_a_store_that_is_absent_is_not_made(overburden, tmp_path: Path, command: tuple) -> None:  # noqa: F811
    done: Done = overburden("alerts", *command, "--store", tmp_path / "none.sqlite")
    assert done.returncode == 2
    assert "StoreMismatchError" in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_counts_is_bounded_by_the_last_night_that_was_told(told: Told) -> None:
    telling = open_history(str(told.store)).telling("tiny", date(2030, 1, 31))
    assert telling is not None
    assert (telling.epoch, telling.last_seq, telling.as_of) == (1, 1, date(2024, 11, 10))
    assert CONFIRMED > ONSET

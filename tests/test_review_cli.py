"""The commands `overburden review`, and verdicts in what is published."""

import json
import shutil
import sqlite3
from datetime import date, timedelta
from pathlib import Path

import pytest
from example_alerts import example
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bad_input import Done, overburden  # noqa: F401  (a fixture)

from pipeline.config import RunConfig
from pipeline.io.history import History
from pipeline.io.reviews import ReviewLog
from pipeline.io.store import Store, open_store
from pipeline.io.verification import open_to_read, verify_store
from pipeline.reviews import Verdict
from pipeline.stages import AoiRequest, AoiResult, run_aoi
from pipeline.stages.reviews import Desk, Given, give, labels_of, waiting
from pipeline.stages.sites import payload_of

DAYS = [date(2024, 4, 10) + timedelta(days=10 * n) for n in range(3)]
SITES = {letter: f"{letter * 8}-0000-5000-8000-000000000001" for letter in "abc"}
NAME, NOTE = "Ana Zwillingsname", "the bar beside Old Mill"


def payload(letter: str, revision: int = 1, **changed: object) -> dict:
    alert = example(f"{letter * 8}-1111-5111-8111-111111111111", site_id=SITES[letter], revision=revision, **changed)
    return json.loads(json.dumps(payload_of(alert)))


def tell(store: Store, *, second: bool = False) -> None:
    """a is confirmed, b provisional, c closed; a grows later."""
    area = store.area_state("tiny", "digest", "model/1")
    store.swap_sites("tiny", DAYS[0], [], [payload("a"), payload("b", state="provisional", priority=70.0)], area=area)
    store.swap_sites("tiny", DAYS[1], [], [payload("c", state="closed", priority=1.0)], area=area)
    store.note_published(area, DAYS[1], {"second_for_confirmed": True} if second else {})


def grow(store: Store) -> None:
    area = store.area_state("tiny", "digest", "model/1")
    store.swap_sites("tiny", DAYS[2], [], [payload("a", 2, area_ha=4.0)], area=area)


@pytest.fixture
def address(tmp_path: Path) -> str:
    tell(open_store(tmp_path / "store.sqlite"))
    return str(tmp_path / "store.sqlite")


@pytest.fixture
def blind(tmp_path: Path) -> str:
    tell(open_store(tmp_path / "store.sqlite"), second=True)
    return str(tmp_path / "store.sqlite")


@pytest.fixture
def review(overburden):  # noqa: F811
    def command(address: str, *arguments: object) -> Done:
        return overburden("review", *arguments, "--store", address)

    return command


def verdict_of(overburden, address: str, letter: str = "a") -> str:  # noqa: F811
    shown = overburden("alerts", "show", letter * 8, "--store", address).stdout
    return next(line.split("  ", 1)[1].strip() for line in shown.splitlines() if line.startswith("review_verdict"))


# --- taken and refused -----------------------------------------------------------------------------------------------


def test_a_verdict_is_shown_with_the_alert_and_changes_neither_state_nor_titles(review, overburden, address) -> None:  # noqa: F811
    before = overburden("alerts", "show", "aaaaaa", "--store", address).stdout
    done = review(address, "reject", "aaaaaa", "--reason", "river_bar", "--by", NAME, "--note", NOTE)
    assert (done.returncode, "it stands rejected (river_bar, revision 1)" in done.stdout) == (0, True)
    after = overburden("alerts", "show", "aaaaaa", "--store", address).stdout
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert [(a.split(), b.split(maxsplit=1)) for a, b in changed] == [
        (["review_verdict", "none"], ["review_verdict", "rejected (river_bar, revision 1)"])
    ]
    assert NAME not in after
    assert NOTE not in after


def test_the_same_said_again_is_noted_once(review, address) -> None:
    arguments = ("inconclusive", "bbbbbb", "--reason", "cloud", "--by", NAME)
    assert "noted" in review(address, *arguments).stdout
    assert "on record already" in review(address, *arguments).stdout
    with sqlite3.connect(address) as connection:
        assert connection.execute("SELECT count(*) FROM journal WHERE kind = 'review'").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize(("arguments", "words"), [
    (("reject", "aaaaaa", "--reason", "bar", "--by", NAME), "found 'bar', expected for rejected one of seasonality"),
    (("accept", "aaaaaa", "--reason", "farming", "--by", NAME), "expected for accepted one of mine_seen"),
    (("accept", "aaaaaa", "--reason", "other", "--by", NAME), "found no note"),
    (("accept", "aaaaaa", "--reason", "mine_seen", "--by", " "), "expected the name of a person"),
    (("accept", "aaaa", "--reason", "mine_seen", "--by", NAME), "expected at least 6"),
    (("accept", "ffffff", "--reason", "mine_seen", "--by", NAME), "no alert or site begins with it"),
    (("accept", "aaaaaa", "--reason", "mine_seen", "--by", NAME, "--revision", 2), "now tells revision 1"),
    (("withdraw", "aaaaaa", "--by", NAME), "found no verdict of this person"),
])  # fmt: skip
def test_what_cannot_be_taken_is_refused_by_name(review, address, arguments, words) -> None:
    done = review(address, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Error: " in done.stderr


def test_a_store_that_is_not_there_is_not_made(review, tmp_path: Path) -> None:
    done = review(str(tmp_path / "none.sqlite"), "list")
    assert (done.returncode, (tmp_path / "none.sqlite").exists()) == (2, False)


def test_withdrawn_is_as_if_it_had_not_been_said_and_stays_on_record(review, overburden, address) -> None:  # noqa: F811
    review(address, "reject", "aaaaaa", "--reason", "road", "--by", NAME)
    assert "withdrawn" in review(address, "withdraw", "aaaaaa", "--by", NAME.upper()).stdout
    assert verdict_of(overburden, address) == "none"
    with sqlite3.connect(address) as connection:
        kinds = [k for (k,) in connection.execute("SELECT kind FROM journal WHERE kind LIKE 'review%' ORDER BY seq")]
    connection.close()
    assert kinds == ["review", "review_withdrawn"]


def test_growth_makes_a_verdict_outdated_and_the_day_before_keeps_it(review, overburden, address) -> None:  # noqa: F811
    review(address, "reject", "aaaaaa", "--reason", "oxbow", "--by", NAME)
    grow(open_store(address))
    assert verdict_of(overburden, address) == "outdated: rejected (oxbow, revision 1)"
    review(address, "accept", "aaaaaa", "--reason", "mine_seen", "--by", NAME)
    assert verdict_of(overburden, address) == "accepted (mine_seen, revision 2)"
    told = overburden("alerts", "history", "aaaaaa", "--store", address).stdout
    assert told.index("rejected (oxbow, revision 1)") < told.index("accepted (mine_seen, revision 2)")
    assert NAME not in told
    shown = overburden("alerts", "show", "aaaaaa", "--store", address, "--on", DAYS[1]).stdout
    assert "rejected (oxbow, revision 1)" in shown


def test_a_history_that_is_told_again_alike_keeps_its_verdicts(review, overburden, address) -> None:  # noqa: F811
    review(address, "reject", "aaaaaa", "--reason", "oxbow", "--by", NAME)
    store = open_store(address)
    store.start_epoch("tiny")
    area = store.area_state("tiny", "digest", "model/1")
    store.swap_sites("tiny", DAYS[0], [], [payload("a", clear_observations=8), payload("b", area_ha=9.0)], area=area)
    assert verdict_of(overburden, address) == "rejected (oxbow, revision 1)"
    review(address, "reject", "bbbbbb", "--reason", "oxbow", "--by", NAME)
    store.start_epoch("tiny")
    store.swap_sites("tiny", DAYS[0], [], [payload("a")], area=store.area_state("tiny", "digest", "model/1"))
    assert "1 more were reviewed and are not in the present telling" in review(address, "list").stderr


# --- a second, blind review ------------------------------------------------------------------------------------------


def test_a_second_review_is_blind(review, overburden, blind) -> None:  # noqa: F811
    done = review(blind, "reject", "aaaaaa", "--reason", "river_bar", "--by", NAME, "--note", NOTE)
    assert "awaiting_second (revision 1)" in done.stdout
    shown = [
        review(blind, "next", "--by", "Bea"), review(blind, "list"), overburden("alerts", "show", "aaaaaa", "--store", blind),
        overburden("alerts", "list", "--store", blind), overburden("alerts", "history", "aaaaaa", "--store", blind),
    ]  # fmt: skip
    for text in (done.stdout + done.stderr for done in shown):
        for secret in ("river_bar", "rejected (", NAME, NOTE):
            assert secret not in text
    assert "second" in shown[0].stdout
    assert "held back" in shown[1].stdout
    assert "a" * 8 not in review(blind, "next", "--by", NAME).stdout


def test_two_who_agree_and_two_who_do_not(review, overburden, blind) -> None:  # noqa: F811
    review(blind, "accept", "aaaaaa", "--reason", "mine_seen", "--by", NAME)
    assert "awaiting_second" in review(blind, "accept", "aaaaaa", "--reason", "mine_seen", "--by", f" {NAME.lower()}").stdout
    assert "disputed (revision 1)" in review(blind, "reject", "aaaaaa", "--reason", "road", "--by", "Bea").stdout
    listed = review(blind, "list").stdout
    assert NAME in listed
    assert "Bea" in listed
    assert (
        "accepted (mine_seen, revision 1)" in review(blind, "accept", "aaaaaa", "--reason", "mine_seen", "--by", "Bea").stdout
    )
    assert verdict_of(overburden, blind) == "accepted (mine_seen, revision 1)"


def test_what_is_provisional_needs_no_second(review, blind) -> None:
    assert "stands rejected (cloud, revision 1)" in review(blind, "reject", "bbbbbb", "--reason", "cloud", "--by", NAME).stdout


def test_next_is_in_order_of_priority_and_ends(review, address) -> None:
    rows = [line.split()[0] for line in review(address, "next", "--by", NAME).stdout.splitlines()]
    assert rows == ["site_id", "b" * 8, "a" * 8, "c" * 8]
    for letter in "abc":
        review(address, "inconclusive", letter * 6, "--reason", "picture_unclear", "--by", "Bea")
    assert "0 alerts await" in review(address, "next", "--by", NAME).stderr


# --- listings and labels ---------------------------------------------------------------------------------------------


def test_the_listing_says_that_it_is_restricted_and_runs_no_formula(review, address, tmp_path: Path) -> None:
    review(address, "reject", "aaaaaa", "--reason", "road", "--by", "=cmd|' /C calc'!A0", "--note", "+1")
    done = review(address, "list", "--csv", tmp_path / "list.csv")
    assert "RESTRICTED" in done.stderr
    text = (tmp_path / "list.csv").read_text(encoding="utf-8")
    assert "'=cmd" in text
    assert ",'+1" in text
    assert (tmp_path / "list.csv").stat().st_mode & 0o077 == 0


def test_labels_are_outlines_with_dates_and_no_names(review, address, tmp_path: Path) -> None:
    review(address, "reject", "aaaaaa", "--reason", "river_bar", "--by", NAME, "--note", NOTE)
    review(address, "accept", "bbbbbb", "--reason", "mine_seen", "--by", NAME)
    review(address, "inconclusive", "cccccc", "--reason", "cloud", "--by", NAME)
    done = review(address, "labels", "--out", tmp_path / "labels")
    assert "2 labels" in done.stdout
    assert "1 reviewed revisions give no label: inconclusive" in done.stdout
    text = (tmp_path / "labels" / "labels.geojson").read_text(encoding="utf-8")
    table = (tmp_path / "labels" / "labels.csv").read_text(encoding="utf-8")
    told = [f["properties"] for f in json.loads(text)["features"]]
    assert {(p["label"], p["reading"], tuple(p["reasons"]), p["revision"]) for p in told} == {
        ("other", "river", ("river_bar",), 1), ("mining", "mining_new", ("mine_seen",), 1),
    }  # fmt: skip
    assert all(p["first_detected_on"] == "2024-03-05" for p in told)
    for secret in (NAME, NOTE, "Ana"):
        assert secret not in text + table
    before = (text, table)
    review(address, "labels", "--out", tmp_path / "again")
    assert before == tuple((tmp_path / "again" / n).read_text(encoding="utf-8") for n in ("labels.geojson", "labels.csv"))
    assert "0 labels" in review(address, "labels", "--out", tmp_path / "old", "--on", "2020-01-01").stdout


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(categories=["L"]), min_size=12, max_size=30),
    note=st.text(st.characters(categories=["L", "N"]), min_size=12, max_size=60),
)
def test_no_name_or_note_is_in_labels_or_alerts_whatever_it_is(address: str, name: str, note: str) -> None:
    engine = open_to_read(address)
    desk = Desk(History(engine), ReviewLog(engine))
    said, _, _ = give(desk, "aaaaaa", Verdict.REJECTED, Given("other", name, note))
    made = labels_of(desk, None)
    told = repr([e.payload for e, _ in waiting(desk, "Somebody Else", None)])
    for secret in (said.reviewer, said.note):
        assert secret not in made.geojson + made.csv + told


# --- the ledger and what is published --------------------------------------------------------------------------------

TAMPERING = {
    "changed": "UPDATE journal SET payload = replace(payload, 'rejected', 'accepted') WHERE kind = 'review'",
    "removed": "DELETE FROM journal WHERE kind = 'review'",
    "renamed": "UPDATE journal SET payload = replace(payload, 'Ana', 'Bea') WHERE kind = 'review'",
}


@pytest.mark.parametrize("kind", TAMPERING)
def test_ledger_verify_finds_what_was_done_to_a_verdict(review, overburden, address, kind: str) -> None:  # noqa: F811
    review(address, "reject", "aaaaaa", "--reason", "road", "--by", NAME)
    assert overburden("ledger", "verify", "--store", address).returncode == 0
    with sqlite3.connect(address) as connection:
        connection.execute(TAMPERING[kind])
    connection.close()
    assert overburden("ledger", "verify", "--store", address).returncode == 1


def run(world: Path, out: Path, *, second: bool = False, has_evidence: bool = False) -> AoiResult:
    section = {"aoi": str(world / "aoi.geojson"), "catalog": str(world / "catalog" / "catalog.json")}
    config = RunConfig.model_validate({
        "areas": [section], "out": str(out), "delivery": {"has_evidence": has_evidence, "has_map": False},
        "review": {"second_for_confirmed": second},
    })  # fmt: skip
    return run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), None))


@pytest.fixture(scope="module")
def told(pit_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("told")
    run(pit_world, out, has_evidence=True)
    return out


def files(out: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(out)): p.read_bytes()
        for p in sorted(out.rglob("*")) if p.is_file() and p.suffix in {".geojson", ".zip", ".md"}
    }  # fmt: skip


def test_a_verdict_is_in_the_files_of_the_night_and_nothing_else_changes(told, pit_world, tmp_path, review, overburden) -> None:  # noqa: F811
    out = Path(shutil.copytree(told, tmp_path / "out"))
    address, before = str(out / "store.sqlite"), files(out)
    site = str(json.loads(before["alerts.geojson"])["features"][0]["properties"]["site_id"])
    review(address, "reject", site, "--reason", "river_bar", "--by", NAME, "--note", NOTE)
    result = run(pit_world, out, has_evidence=True)
    assert [a.properties["review_verdict"] for a in result.alerts] == [f"rejected (river_bar, revision {_revision(result)})"]
    after = files(out)
    assert {name for name in after if after[name] != before.get(name)} == {
        "alerts.geojson", f"nights/{result.as_of}.geojson",
    }  # fmt: skip
    was, now = (json.loads(some["alerts.geojson"])["features"] for some in (before, after))
    for feature in (*was, *now):
        feature["properties"].pop("review_verdict")
    assert was == now
    assert NAME.encode() not in b"".join(after.values())
    assert verify_store(address).findings == ()
    run(pit_world, out, has_evidence=True)
    assert files(out) == after
    overburden("alerts", "export", "--store", address, "--on", result.as_of, "--out", tmp_path / "again.geojson")
    assert (tmp_path / "again.geojson").read_bytes() == after["alerts.geojson"]


def _revision(result: AoiResult) -> object:
    return result.alerts[0].properties["revision"]


def test_the_configuration_asks_for_a_second_review(told, pit_world, tmp_path, review, overburden) -> None:  # noqa: F811
    out = Path(shutil.copytree(told, tmp_path / "out"))
    address = str(out / "store.sqlite")
    result = run(pit_world, out, second=True)
    site = str(result.alerts[0].properties["site_id"])
    assert "awaiting_second" in review(address, "accept", site, "--reason", "mine_seen", "--by", NAME).stdout
    published = run(pit_world, out, second=True).alerts[0].properties["review_verdict"]
    assert published == f"awaiting_second (revision {_revision(result)})"
    review(address, "accept", site, "--reason", "mine_in_field_visit", "--by", "Bea")
    result = run(pit_world, out, second=True)
    assert str(result.alerts[0].properties["review_verdict"]).startswith("accepted (mine_seen, mine_in_field_visit, ")
    overburden("alerts", "export", "--store", address, "--on", result.as_of, "--out", tmp_path / "again.geojson")
    assert (tmp_path / "again.geojson").read_bytes() == (out / "alerts.geojson").read_bytes()

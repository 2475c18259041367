"""The outbox: who is told of what, once, in the transaction of the events, and what becomes of it."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from deliveries import AOI, START, Post, alert, folder_of, subscription
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import OutboxUnknownError, StoreBusyError, SubscriptionsInvalidError, TierUnavailableError
from pipeline.io.outbox import RowState, sole_deliverer
from pipeline.io.store import open_store
from pipeline.io.subscriptions import load_subscriptions
from pipeline.io.verification import verify_store
from pipeline.stages.messages import prepare_restricted
from pipeline.subscriptions import Told, is_asked_for, news_for, said_of

DAYS = [date(2024, 5, 1) + timedelta(days=5 * n) for n in range(12)]


def post(tmp_path: Path, *subscriptions, **changed) -> Post:
    return Post(tmp_path, subscriptions or (folder_of(tmp_path / "in", **changed),))


def whys(held: Post) -> list[tuple[str, int, str]]:
    return [(r.alert_id, r.revision, "; ".join(r.why)) for r in held.rows()]


# --- what is news ------------------------------------------------------------------------------------------------------


def test_a_person_hears_of_new_alerts_state_changes_reopening_and_real_growth(tmp_path):
    held = post(tmp_path)
    said = [
        {"state": "provisional"},
        {"state": "confirmed", "area_ha": 3.0},
        {"area_ha": 3.5},
        {"area_ha": 3.9},
        {"area_ha": 3.9, "tenure_status": "lapsed"},
        {"area_ha": 3.9, "state": "closed", "activity": "finished"},
        {"area_ha": 3.9, "reopened_on": "2024-05-31"},
        {"area_ha": 3.9, "reopened_on": "2024-05-31", "likely_cause": "burn"},
        {"area_ha": 9.9, "reopened_on": "2024-05-31", "likely_cause": "burn"},
    ]
    for revision, (day, facts) in enumerate(zip(DAYS, said, strict=False), start=1):
        held.night(day, alert("a", revision, **facts))
    assert whys(held) == [
        ("alert-a", 2, "new alert"),
        ("alert-a", 4, "area: 3.00 → 3.90 ha"),
        ("alert-a", 6, "state: confirmed → closed"),
        ("alert-a", 7, "state: closed → confirmed; changed again on 2024-05-31"),
        ("alert-a", 8, "likely cause: mining → burn; no longer in this subscription"),
    ]


@pytest.mark.parametrize(
    ("changed", "facts", "is_told"),
    [
        ({}, {}, True),
        ({"areas": ["elsewhere"]}, {}, False),
        ({"areas": ["elsewhere", AOI]}, {}, True),
        ({}, {"state": "provisional"}, False),
        ({"states": ["provisional"]}, {"state": "provisional"}, True),
        ({}, {"likely_cause": "burn"}, False),
        ({"min_ha": 3.01}, {}, False),
        ({"min_ha": 3.0}, {}, True),
        ({"min_priority": 62}, {}, False),
        ({"min_priority": 61.5}, {}, True),
        ({"since": "2024-05-02"}, {}, False),
        ({"since": "2024-05-01"}, {}, True),
        ({"news": ["state"]}, {}, False),
    ],
)
def test_a_subscription_chooses(tmp_path, changed, facts, is_told):
    held = post(tmp_path, **changed)
    held.night(DAYS[0], alert("a", **facts))
    assert len(held.rows()) == is_told


def test_tenure_is_news_where_it_is_asked_for(tmp_path):
    held = post(tmp_path, news=["new", "tenure"])
    held.night(DAYS[0], alert("a"))
    held.night(DAYS[1], alert("a", 2, tenure_status="lapsed"))
    assert whys(held)[1:] == [("alert-a", 2, "tenure: uncovered → lapsed")]


def test_slow_growth_adds_up_against_what_was_last_told(tmp_path):
    held = post(tmp_path)
    for n, day in enumerate(DAYS):
        held.night(day, alert("a", n + 1, area_ha=3.0 + 0.2 * n))
    assert [r for _, r, _ in whys(held)] == [1, 5, 10]


@given(st.lists(st.floats(0.3, 50.0), min_size=1, max_size=12))
def test_whoever_was_just_told_has_no_news(areas):
    subscriber = folder_of(Path("in"))
    told: Told | None = None
    for n, area in enumerate(areas):
        now = alert("a", n + 1, area_ha=area)
        if news_for(subscriber, told, now):
            told = said_of(subscriber, now)
            assert news_for(subscriber, told, now) == ()
    assert told is not None
    assert is_asked_for(subscriber, now)


def test_a_new_subscriber_is_told_how_things_stand_once(tmp_path):
    held = post(tmp_path)
    held.night(DAYS[0], alert("a"), alert("b", state="closed"))
    held.subscriptions = (*held.subscriptions, folder_of(tmp_path / "late", "late"))
    held.night(DAYS[1])
    held.night(DAYS[2])
    assert [(r.subscriber, r.alert_id) for r in held.rows()] == [("office", "alert-a"), ("late", "alert-a")]


# --- transaction and epochs --------------------------------------------------------------------------------------------


def test_rows_are_written_with_the_events_or_not_at_all(tmp_path, monkeypatch):
    held = post(tmp_path)
    held.night(DAYS[0], alert("a"))

    def dies(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.io.store.enqueue", dies)
        with pytest.raises(RuntimeError):
            held.night(DAYS[1], alert("b"))
    assert [e.site_id for e in held.store.latest_events(AOI).values()] == ["a"]
    assert len(held.rows()) == 1
    held.night(DAYS[1], alert("b"))
    assert [(r.alert_id, r.event_seq) for r in held.rows()] == [("alert-a", 1), ("alert-b", 2)]


def test_a_store_of_before_gets_the_tables(tmp_path):
    held = post(tmp_path)
    with held.store.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE outbox"))
        connection.execute(sa.text("DROP TABLE receipts"))
    again = Post(tmp_path, held.subscriptions)
    again.night(DAYS[0], alert("a"))
    assert len(again.rows()) == 1
    assert verify_store(str(tmp_path / "store.sqlite")).findings == ()


def test_a_history_that_is_told_again_as_before_tells_nobody_again(tmp_path):
    held = post(tmp_path)
    nights = [[alert("a")], [alert("a", 2, area_ha=4.0)], [alert("a", 3, state="closed"), alert("b")]]
    for day, said in zip(DAYS, nights, strict=False):
        held.night(day, *said)
    before = whys(held)
    held.store.start_epoch(AOI)
    for day, said in zip(DAYS, nights, strict=False):
        held.night(day, *said)
    held.night(DAYS[3])
    assert whys(held) == before
    assert len(held.store.events(AOI)) == 4


def test_a_history_that_is_told_otherwise_tells_the_difference_once(tmp_path):
    held = post(tmp_path)
    held.night(DAYS[0], alert("a"))
    held.night(DAYS[1], alert("a", 2, area_ha=4.0), alert("gone"))
    held.night(DAYS[2], alert("same"))
    held.store.start_epoch(AOI)
    count = len(held.rows())
    held.night(DAYS[0], alert("a", 1, area_ha=1.0))
    held.night(DAYS[1], alert("a", 2, area_ha=6.0), alert("new"))
    assert len(held.rows()) == count
    held.night(DAYS[2], alert("same"))
    assert whys(held)[count:] == [
        ("alert-a", 2, "area: 4.00 → 6.00 ha"),
        ("alert-new", 1, "new alert"),
        ("alert-gone", 1, "withdrawn: no longer said since a late scene was read"),
    ]
    assert [r.key for r in held.rows()[count:]] == ["alert-a-r2-e2", "alert-new-r1-e2", "alert-gone-r1-e2-void"]
    held.night(DAYS[3])
    assert len(held.rows()) == count + 3
    held.deliver()
    features = json.loads(next((tmp_path / "in").iterdir()).read_text())["features"]
    assert [f["properties"]["state"] for f in features if f["id"] == "alert-gone"] == ["confirmed", "withdrawn"]


# --- digests, folders, what becomes of rows ----------------------------------------------------------------------------


def test_a_digest_is_one_message_a_night_however_many_alerts(tmp_path):
    held = post(tmp_path)
    for n in range(5):
        held.night(DAYS[n], alert("a", n + 1, area_ha=3.0 * 2**n), alert(f"b{n}"))
    (sent,) = held.deliver()
    assert (sent.outcome, sent.rows) == ("delivered", 10)
    (path,) = (tmp_path / "in").iterdir()
    assert path.name == f"{sent.message}.geojson"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert len(document["features"]) == 10
    assert document["overburden"]["notices"][0] == {
        "idempotency_key": "alert-a-r1", "why": ["new alert"], "night": "2024-05-01",
    }  # fmt: skip
    held.night(DAYS[5], alert("c"))
    assert held.later(hours=2) == []
    assert [s.rows for s in held.later(hours=22)] == [1]
    assert set(held.states()) == {"delivered"}


def test_without_digest_each_revision_is_a_message_named_by_its_key(tmp_path):
    held = post(tmp_path, *(folder_of(tmp_path / name, name, digest=False) for name in ("one", "two")))
    held.night(DAYS[0], alert("a"), alert("b"))
    held.night(DAYS[1], alert("a", 2, state="closed"))
    assert [s.outcome for s in held.deliver()] == ["delivered"] * 6
    for folder in ("one", "two"):
        documents = {p.name: json.loads(p.read_text(encoding="utf-8")) for p in sorted((tmp_path / folder).iterdir())}
        assert list(documents) == ["alert-a-r1.geojson", "alert-a-r2.geojson", "alert-b-r1.geojson"]
        assert [(len(d["features"]), d["overburden"]["subscriber"]) for d in documents.values()] == [(1, folder)] * 3


def test_a_digest_waits_for_the_end_of_the_night(tmp_path):
    held = post(tmp_path)
    held.night(DAYS[0], alert("a"))
    held.at = datetime.now(UTC)
    assert held.deliver(quiet_s=900.0) == []
    held.at += timedelta(minutes=16)
    assert [s.outcome for s in held.deliver(quiet_s=900.0)] == ["delivered"]


def test_storage_by_fsspec_whole_and_the_same_again(tmp_path):
    import fsspec

    memory = subscription({"kind": "storage", "url": "memory://bucket/alerts"}, "memory")
    local = subscription({"kind": "storage", "url": f"file://{tmp_path}/local"}, "local")
    held = post(tmp_path, memory, local)
    held.night(DAYS[0], alert("a"))
    sent = {s.subscriber: s for s in held.deliver()}
    assert {s.outcome for s in sent.values()} == {"delivered"}
    assert [p.name for p in (tmp_path / "local").iterdir()] == [f"{sent['local'].message}.geojson"]
    stored = fsspec.filesystem("memory").cat_file(f"/bucket/alerts/{sent['memory'].message}.geojson")
    assert json.loads(stored)["features"][0]["id"] == "alert-a"


def test_storage_whose_library_is_absent_says_what_to_install(tmp_path, monkeypatch):
    import importlib
    import sys

    known = importlib.import_module("fsspec.registry")._registry
    for protocol in ("s3", "s3a"):  # what another test asked for is remembered
        monkeypatch.delitem(known, protocol, raising=False)
    for module in [name for name in sys.modules if name.split(".")[0] == "s3fs"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    held = post(tmp_path, subscription({"kind": "storage", "url": "s3://bucket/alerts"}))
    held.night(DAYS[0], alert("a"))
    (sent,) = held.deliver()
    assert sent.outcome == "stopped"
    assert "pip install s3fs" in sent.answer
    assert [(r.state, r.attempts) for r in held.rows()] == [(RowState.PENDING, 0)]


def test_failures_back_off_and_are_given_up_with_a_reason_and_taken_up_again(tmp_path):
    (tmp_path / "in").write_text("a file where a folder should be")
    held = post(tmp_path)
    held.night(DAYS[0], alert("a"))
    waits = []
    for _ in range(3):
        (sent,) = held.deliver()
        assert sent.outcome == "waits"
        (row,) = held.rows()
        assert row.next_attempt_at is not None
        waits.append((row.next_attempt_at - held.at).total_seconds())
        assert held.deliver() == []
        held.at = row.next_attempt_at
    assert [30 <= waits[0] <= 60, 60 <= waits[1] <= 120, 120 <= waits[2] <= 240] == [True] * 3
    (sent,) = held.deliver()
    (row,) = held.rows()
    assert (sent.outcome, row.state, row.attempts) == ("dead", RowState.DEAD, 4)
    assert row.reason.endswith("given up after 4 tries")
    assert held.later(days=30) == []
    (tmp_path / "in").unlink()
    assert held.outbox.retry(held.outbox.message_of(sent.message[:12])) == 1
    assert [s.outcome for s in held.deliver()] == ["delivered"]
    assert [r.outcome for r in held.outbox.receipts(sent.message)] == ["waits"] * 3 + ["dead", "delivered"]
    with pytest.raises(OutboxUnknownError):
        held.outbox.message_of("nothing")


def test_no_tier_is_served_without_a_policy(tmp_path):
    with pytest.raises(TierUnavailableError):
        prepare_restricted([], "agency")
    held = post(tmp_path, tier="agency")
    held.night(DAYS[0], alert("a"))
    (sent,) = held.deliver()
    assert (sent.outcome, sent.answer.split(":")[0]) == ("stopped", "TierUnavailableError")
    assert not (tmp_path / "in").exists()
    (sent,) = held.deliver(prepare=lambda _, tier: [{"type": "Feature", "geometry": None, "properties": {"tier": tier}}])
    assert sent.outcome == "delivered"


def test_a_coarsened_tier_shows_no_id_that_is_derived_from_a_place(tmp_path):
    held = post(tmp_path, tier="public", digest=False)
    held.night(DAYS[0], alert("a"))
    (sent,) = held.deliver(prepare=lambda *_: [{"type": "Feature", "geometry": None, "properties": {}}])
    (path,) = (tmp_path / "in").iterdir()
    assert sent.outcome == "delivered"
    assert "alert-a" not in path.name + path.read_text(encoding="utf-8")
    assert held.deliver(prepare=lambda *_: []) == []


def test_what_a_tier_may_not_see_at_all_is_withheld_until_the_policy_is_asked_again(tmp_path):
    held = post(tmp_path, tier="public")
    held.night(DAYS[0], alert("a"))
    (sent,) = held.deliver(prepare=lambda *_: [])
    assert (sent.outcome, sent.answer) == ("withheld", "nothing of it may be shared on tier public")
    assert held.later(days=2) == []
    held.outbox.retry()
    (sent,) = held.deliver(prepare=lambda *_: [{"type": "Feature", "geometry": None, "properties": {}}])
    assert sent.outcome == "delivered"


def test_what_is_withheld_of_a_digest_is_in_message_and_receipt(tmp_path):
    held = post(tmp_path, tier="public")
    held.night(DAYS[0], alert("a"))
    held.night(DAYS[1], alert("a", 2, area_ha=9.0), alert("b"))
    (sent,) = held.deliver(prepare=lambda *_: [{"type": "Feature", "geometry": None, "properties": {}}])
    assert sent.answer.endswith("; 2 of 3 withheld on tier public")
    (path,) = (tmp_path / "in").iterdir()
    told = json.loads(path.read_text(encoding="utf-8"))["overburden"]
    assert told["withheld"] == 2
    assert [set(n) for n in told["notices"]] == [{"idempotency_key", "why"}] * 3
    assert [n["why"] for n in told["notices"]] == [["new alert"], ["area"], ["new alert"]]


def test_rows_of_a_subscriber_who_is_not_in_the_file_wait_and_are_then_given_up(tmp_path):
    held = post(tmp_path)
    held.night(DAYS[0], alert("a"))
    held.subscriptions, held.at = (), datetime.now(UTC) + timedelta(days=29)
    assert held.deliver() == []
    assert held.states() == ["pending"]
    assert held.later(days=2) == []
    assert [(r.state, r.reason) for r in held.rows()] == [(RowState.DEAD, "there is no such subscription in the file")]


def test_two_deliverers_do_not_work_at_once(tmp_path):
    held = post(tmp_path)
    held.night(DAYS[0], alert("a"))
    with sole_deliverer(held.store.engine), pytest.raises(StoreBusyError):
        held.deliver()
    assert [s.outcome for s in held.deliver()] == ["delivered"]


# --- the file of subscriptions -----------------------------------------------------------------------------------------

FOLDER = "subscriptions: [{name: a, channel: {kind: folder, path: in}%s}]"


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "subscriptions.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "subscriptions.yaml"


def test_a_file_of_subscriptions_has_modest_defaults(tmp_path):
    (read,) = load_subscriptions(written(tmp_path, FOLDER % ""))
    assert (read.tier, read.digest, read.states) == ("agency", True, ("confirmed",))
    assert read.channel.path == str(tmp_path / "in")
    assert load_subscriptions(None) == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (FOLDER % ", colour: red", "colour"),
        (FOLDER % ", min_ha: -1", "min_ha"),
        (FOLDER % ", states: [guilty]", "states"),
        (FOLDER % ', tier: "a\\nBcc: x@y.z"', "tier"),
        ("subscriptions: [{name: 'a b', channel: {kind: folder, path: in}}]", "name"),
        ("subscriptions: [{name: a, channel: {kind: pigeon}}]", "channel"),
        ("subscriptions: [{name: a, channel: {kind: webhook, url: 'https://a.example', secret: s3cr3t}}]", "secret"),
        ("subscriptions: [{name: a, channel: {kind: webhook, url: 'https://a.b', secret_env: 's3cr3t value'}}]", "secret_env"),
        ("subscriptions: [{name: a, channel: {kind: webhook, secret_env: S}}]", "either url or url_env"),
        ("subscriptions: [{name: a, channel: {kind: email, host: h, security: none, sender: a@b.c, to: [a@b.c]}}]",
         "allow_plain_hosts"),
        ("subscriptions: [{name: a, channel: {kind: email, host: h, sender: a@b.c, to: ['a@b.c\\n']}}]", "to.0"),
        ("subscriptions: [{name: a, channel: {kind: email, host: h, sender: a@b.c, to: ['A <a@b.c>']}}]", "to.0"),
        (f"subscriptions: [{(FOLDER % '')[16:-1]}, {(FOLDER % '')[16:-1]}]", "twice"),
        ("- a", "found list"),
        ("subscriptions: [", "no YAML"),
    ],
)  # fmt: skip
def test_a_fault_is_named_and_never_shows_what_stands_there(tmp_path, text, named):
    with pytest.raises(SubscriptionsInvalidError) as error:
        load_subscriptions(written(tmp_path, text))
    assert named in str(error.value)
    assert "s3cr3t" not in str(error.value)
    assert "docs/delivery.md" in str(error.value) or "twice" in str(error.value)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(SubscriptionsInvalidError, match=r"absent\.yaml"):
        load_subscriptions(tmp_path / "absent.yaml")


# --- the commands ------------------------------------------------------------------------------------------------------


def test_deliver_and_outbox_commands(tmp_path):
    text = "subscriptions: [{name: office, tier: restricted, channel: {kind: folder, path: in}}]"
    held = Post(tmp_path, load_subscriptions(written(tmp_path, text)))
    config = tmp_path / "run.yaml"
    config.write_text(
        "areas: [{aoi: a.geojson, catalog: c.json}]\nout: .\nsubscriptions: subscriptions.yaml\n", encoding="utf-8"
    )
    held.night(DAYS[0], alert("a"))
    run = CliRunner().invoke
    done = run(app, ["deliver", "--config", str(config), "--once", "--now", f"{START:%Y-%m-%dT%H:%M:%SZ}"])
    assert (done.exit_code, done.output.split()[0]) == (0, "delivered")
    store = str(tmp_path / "store.sqlite")
    listed = run(app, ["outbox", "list", "--store", store, "--state", "delivered"])
    assert "alert-a-r1" in listed.output
    assert "0 pending, 1 delivered, 0 dead, 0 withheld" in listed.output
    shown = run(app, ["outbox", "show", "alert-a-r1", "--store", store])
    assert "2024-06-01T04:00:00Z  office  folder  delivered  written as" in shown.output
    assert run(app, ["outbox", "retry", "--store", store]).output == "0 rows are due\n"
    assert run(app, ["outbox", "list", "--store", store, "--state", "lost"]).exit_code == 2


def test_a_store_keeps_its_outbox_when_it_is_opened_again(tmp_path):
    held = post(tmp_path)
    held.night(DAYS[0], alert("a"))
    open_store(tmp_path / "store.sqlite")
    assert held.outbox.counts() == {state: int(state is RowState.PENDING) for state in RowState}


def test_every_field_of_a_subscription_is_in_the_docs():
    from pipeline.subscriptions import EmailChannel, FolderChannel, StorageChannel, Subscription, WebhookChannel

    text = (Path(__file__).resolve().parents[1] / "docs" / "delivery.md").read_text(encoding="utf-8")
    models = (Subscription, FolderChannel, StorageChannel, WebhookChannel, EmailChannel)
    assert [name for model in models for name in model.model_fields if f"{name}:" not in text and name != "url_env"] == []


def test_the_example_of_the_docs_loads(tmp_path):
    text = (Path(__file__).resolve().parents[1] / "docs" / "delivery.md").read_text(encoding="utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    read = load_subscriptions(written(tmp_path, example))
    assert [s.channel.kind for s in read] == ["folder", "storage", "webhook", "email"]


# --- whole runs --------------------------------------------------------------------------------------------------------


def walked(world: Path, out: Path) -> list[tuple[str, int, str]]:
    """Run a world with one subscriber; returns why which revision is told, so far."""
    from pipeline.config import RunConfig
    from pipeline.stages import AoiRequest, run_aoi

    out.mkdir(exist_ok=True)
    text = (
        "subscriptions: [{name: office, tier: restricted, states: [provisional, confirmed], channel: {kind: folder, path: in}}]"
    )
    section = {"aoi": str(world / "aoi.geojson"), "catalog": str(world / "catalog" / "catalog.json")}
    config = RunConfig.model_validate(
        {"areas": [section], "out": str(out), "subscriptions": str(written(out, text)),
         "delivery": {"has_evidence": False, "has_map": False}}
    )  # fmt: skip
    run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), None))
    return [(r.key.partition("-r")[2], r.revision, "; ".join(r.why)) for r in Post(out, ()).rows()]


def test_a_run_queues_what_it_says_and_a_rerun_or_late_scene_no_more(tmp_path, pit_world):
    import shutil

    late = tmp_path / "late"
    shutil.copytree(pit_world, late)
    catalog = late / "catalog" / "catalog.json"
    whole = catalog.read_text(encoding="utf-8")
    document = json.loads(whole)
    del document["links"][24]
    catalog.write_text(json.dumps(document), encoding="utf-8")
    told = walked(late, tmp_path / "out")
    assert told == [("1", 1, "new alert"), ("2", 2, "state: provisional → confirmed")]
    assert walked(late, tmp_path / "out") == told
    catalog.write_text(whole, encoding="utf-8")
    assert walked(late, tmp_path / "out") == told
    assert open_store(tmp_path / "out" / "store.sqlite").area_state(
        "tiny", *_made_with(tmp_path / "out" / "store.sqlite")
    ).epoch == 2  # fmt: skip


def _made_with(path: Path) -> tuple[str, str]:
    import sqlite3

    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT detection_digest, model_id FROM area_state").fetchone()


def test_the_doctor_looks_at_subscriptions(tmp_path, pit_world, monkeypatch):
    from pipeline.stages.doctor import examine

    channel = "{kind: webhook, url: 'https://a.example', secret_env: OFFICE_SECRET}"
    config = tmp_path / "run.yaml"
    config.write_text(
        f"areas: [{{aoi: {pit_world}/aoi.geojson, catalog: {pit_world}/catalog/catalog.json}}]\nout: out\n"
        "subscriptions: subscriptions.yaml\n",
        encoding="utf-8",
    )

    def said(areas: str) -> str:
        written(tmp_path, f"subscriptions: [{{name: office, areas: [{areas}], channel: {channel}}}]")
        (check,) = (c for c in examine(config) if c.subject == "subscriptions")
        return check.text

    assert "OFFICE_SECRET" in said("tiny")
    monkeypatch.setenv("OFFICE_SECRET", "x")
    assert said("tiny") == "1 subscriptions, office by webhook"
    assert "area tinny is none of this run" in said("tinny")

"""Verification of a store: every change, gap or reordering of events and observations is found and named."""
# ruff: noqa: S608 - tables and columns are this file's own

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from servers.postgis import Postgis, PostgisMissingError, running, skip_or_fail
from test_bad_input import Done, overburden  # noqa: F401  (a fixture)

from pipeline.errors import StoreDamagedError
from pipeline.io import journal, verification
from pipeline.io.events import hash_of
from pipeline.io.heads import anchor, read_anchors
from pipeline.io.store import ChunkState, Store, open_store
from pipeline.io.verification import verify_store
from pipeline.ledger import LedgerRow, Outcome
from pipeline.provenance import sha256_of

DAYS = [date(2024, 5, 1) + timedelta(days=5 * n) for n in range(6)]


def payload(site: str, revision: int) -> dict:
    return {"id": f"alert-{site}", "geometry": None, "properties": {"site_id": site, "revision": revision}}


def row(scene: str, day: date = DAYS[0], *, chunk: str = "c1", outcome: Outcome = Outcome.MONITORED) -> LedgerRow:
    has_picture = outcome is Outcome.MONITORED
    shares = (80.0, 20.0, 0.0) if has_picture else (None, None, None)
    return LedgerRow("tiny", chunk, scene, day, f"{day}T14:00:00Z", "05.09", outcome, *shares, "" if has_picture else "why")


def fill(store: Store, folder: Path) -> None:
    """Three nights: two chunks of two passes, one pass that failed and is read later, one that is not listed, four events."""
    area = store.area_state("tiny", "digest", "model/1")
    store.put_ledger([row("gone", DAYS[1], chunk="", outcome=Outcome.NOT_LISTED)], area)
    for chunk in ("c1", "c2"):
        failed = row("s2", DAYS[1], chunk=chunk, outcome=Outcome.FAILED)
        store.swap_chunk("tiny", chunk, ChunkState(DAYS[1], "f", None, None), [row("s1", chunk=chunk), failed], {}, area=area)
    for n, told in enumerate([[payload("a", 1), payload("b", 1)], [payload("a", 2)], [payload("b", 2)]]):
        store.swap_sites("tiny", DAYS[n], [], told, area=area)
        anchor(folder, "tiny", DAYS[n], store.note_published(area, DAYS[n], {"chunk_px": 1024}))
    late = [row("s2", DAYS[1], chunk="c1"), row("s3", DAYS[2], chunk="c1")]
    store.swap_chunk("tiny", "c1", ChunkState(DAYS[2], "f", None, None), late, {}, area=area)
    store.put_ledger([row("other", DAYS[2], chunk="", outcome=Outcome.NOT_LISTED)], area)
    anchor(folder, "tiny", DAYS[3], store.note_published(area, DAYS[3], {"chunk_px": 1024}))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its anchors, to be copied."""
    folder = tmp_path_factory.mktemp("kept")
    fill(open_store(folder / "store.sqlite"), folder)
    with sqlite3.connect(folder / "store.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "out"))


def tamper(folder: Path, *statements: str, values: tuple = ()) -> None:
    connection = sqlite3.connect(folder / "store.sqlite")
    for statement in statements:
        connection.execute(statement, values)
    connection.commit()
    connection.close()


def findings(folder: Path) -> tuple[str, ...]:
    return verify_store(str(folder / "store.sqlite")).findings


# --- what is found ---------------------------------------------------------------------------------------------------

FOUND = {
    "event changed": ("UPDATE events SET day = '2024-05-09' WHERE seq = 3", "event 3 was changed"),
    "event removed": ("DELETE FROM events WHERE seq = 2", "event 2 is missing before event 3"),
    "first event removed": ("DELETE FROM events WHERE seq = 1", "event 1 is missing before event 2"),
    "last event removed": ("DELETE FROM events WHERE seq = 4", "event 4 was removed: journal entry 8 notes events 4 to 4"),
    "event inserted": (
        "INSERT INTO events SELECT 5, aoi_id, 'z', alert_id, epoch, 9, day, payload, hash, 'x' FROM events WHERE seq = 4",
        "event 5 was inserted: no run noted it",
    ),
    "observation changed": (
        "UPDATE ledger SET clear_pct = 0.0 WHERE chunk_id = 'c1' AND scene_id = 's1'",
        "observation of area tiny, chunk c1, scene s1 (processing baseline 05.09), 2024-05-01 was changed",
    ),
    "day of an observation changed": (
        "UPDATE ledger SET solar_day = '2024-05-02' WHERE chunk_id = 'c2' AND scene_id = 's1'",
        "observation of area tiny, chunk c2, scene s1 (processing baseline 05.09), 2024-05-01 was changed",
    ),
    "observation removed": (
        "DELETE FROM ledger WHERE chunk_id = 'c2' AND scene_id = 's2'",
        "observation of area tiny, chunk c2, scene s2 (processing baseline 05.09), 2024-05-06 was removed",
    ),
    "observation inserted": (
        "INSERT INTO ledger SELECT aoi_id, chunk_id, 's9', processing_baseline, '2024-06-01', sensed_at, outcome, clear_pct, "
        "cloudy_pct, not_imaged_pct, reason, model_id, detection_digest FROM ledger WHERE chunk_id = 'c1' AND scene_id = 's1'",
        "observation of area tiny, chunk c1, scene s9 (processing baseline 05.09), 2024-06-01 was inserted: no run noted it",
    ),
    "observation moved to another chunk": (
        "UPDATE ledger SET chunk_id = 'c3' WHERE chunk_id = 'c1' AND scene_id = 's3'",
        "observation of area tiny, chunk c1, scene s3 (processing baseline 05.09), 2024-05-11 was removed",
    ),
    "journal entry changed": ("UPDATE journal SET noted_at = '2020-01-01' WHERE seq = 4", "journal entry 4 was changed"),
    "journal entry removed": ("DELETE FROM journal WHERE seq = 2", "journal entry 2 is missing before journal entry 3"),
    "last journal entry removed": (
        "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)",
        "the journal ends with entry 11, expected 12: entries were removed at its end",
    ),
    "journal emptied": ("DELETE FROM journal", "the journal ends with entry 0, expected 12: entries were removed at its end"),
    "end of the journal": (
        "DELETE FROM facts WHERE key = 'journal'", "the fact that says where the journal ends was removed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOUND)
def test_what_was_done_in_the_database_is_named(folder: Path, kind: str) -> None:
    assert findings(folder) == ()
    tamper(folder, FOUND[kind][0])
    assert FOUND[kind][1] in findings(folder)


@pytest.mark.parametrize(("table", "what"), [("events", "event 2"), ("journal", "journal entry 2")])
def test_two_rows_that_change_places_are_named(folder: Path, table: str, what: str) -> None:
    tamper(folder, f"UPDATE {table} SET seq = -seq WHERE seq IN (2, 3)", f"UPDATE {table} SET seq = 5 + seq WHERE seq < 0")
    assert {f"{what} was changed", f"{what} does not follow the {what.rsplit(' ', 1)[0]} before it"} <= set(findings(folder))


def rewrite_events(folder: Path, first: int, *, with_journal: bool) -> None:
    """Say something else from an event on, with hashes that fit, as somebody would who knows how; the journal too."""
    connection = sqlite3.connect(folder / "store.sqlite")
    connection.row_factory = sqlite3.Row
    _rechain(connection, "events", "UPDATE events SET payload = '{}' WHERE seq = ?", first)
    if with_journal:
        hashes = dict(connection.execute("SELECT seq, hash FROM events").fetchall())
        for seq, kind, text in connection.execute("SELECT seq, kind, payload FROM journal").fetchall():
            if kind == "events":
                told = {**json.loads(text), "hash": hashes[json.loads(text)["last"]]}
                connection.execute("UPDATE journal SET payload = ? WHERE seq = ?", (json.dumps(told), seq))
        _rechain(connection, "journal", "SELECT ?", 1)
        head = connection.execute("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
        connection.execute("UPDATE facts SET value = ? WHERE key = 'journal'", (f"{head[0]} {head[1]}",))
    connection.commit()
    connection.close()


def _rechain(connection: sqlite3.Connection, table: str, change: str, first: int) -> None:
    connection.execute(change, (first,))
    previous = "0" * 64
    for held in connection.execute(f"SELECT * FROM {table} ORDER BY seq").fetchall():
        fresh = {k: held[k] for k in held.keys() if k != "hash"} | {"previous_hash": previous}  # noqa: SIM118 - sqlite3.Row
        previous = hash_of(fresh, tuple(fresh))
        connection.execute(
            f"UPDATE {table} SET previous_hash = ?, hash = ? WHERE seq = ?", (fresh["previous_hash"], previous, held["seq"])
        )


def test_a_chain_that_was_rewritten_does_not_fit_the_journal(folder: Path) -> None:
    rewrite_events(folder, 2, with_journal=False)
    assert any("event 2 is not the one that journal entry 4 notes" in f for f in findings(folder))


def test_a_store_that_was_rewritten_as_a_whole_does_not_fit_its_anchor(folder: Path, tmp_path: Path) -> None:
    rewrite_events(folder, 3, with_journal=True)
    said = findings(folder)
    assert any(f.startswith("event 3 has the hash") and "the chain was rewritten from one of 3 to 3 on" in f for f in said)
    (folder / "heads.jsonl").rename(tmp_path / "elsewhere.jsonl")
    alone = verify_store(str(folder / "store.sqlite"))
    assert alone.findings == ()
    assert "no anchor was found" in alone.notes[0]
    assert verify_store(str(folder / "store.sqlite"), [tmp_path / "elsewhere.jsonl"]).findings


def test_a_copy_of_the_store_names_the_first_row_that_differs(kept: Path, folder: Path) -> None:
    rewrite_events(folder, 3, with_journal=True)
    (folder / "heads.jsonl").unlink()
    found = verify_store(str(folder / "store.sqlite"), [kept / "store.sqlite"]).findings
    assert found[0] == f"event 3 of the copy {kept / 'store.sqlite'} is another one here: the chains part there"


def test_ends_that_were_cut_off_together_do_not_fit_the_anchor(folder: Path) -> None:
    connection = sqlite3.connect(folder / "store.sqlite")
    value = connection.execute("SELECT hash FROM journal WHERE seq = 7").fetchone()[0]
    connection.close()
    tamper(folder, "DELETE FROM events WHERE seq = 4", "DELETE FROM journal WHERE seq > 7")
    tamper(folder, "UPDATE facts SET value = ? WHERE key = 'journal'", values=(f"7 {value}",))
    assert any(f.startswith("event 4 is missing: the anchor of 2024-05-11") for f in findings(folder))


def test_an_anchor_that_lags_is_fine_and_told(folder: Path) -> None:
    store = open_store(folder / "store.sqlite")
    store.swap_sites("tiny", DAYS[4], [], [payload("c", 1)], area=store.area_state("tiny", "digest", "model/1"))
    found = verify_store(str(folder / "store.sqlite"))
    assert (found.findings, found.notes) == ((), ("1 events are newer than the newest anchor",))


@pytest.mark.parametrize(("table", "found"), [
    ("events", "event 2 stands where event 3 is expected: it was inserted or numbered anew"),
    (
        "ledger",
        "observation of area tiny, chunk c1, scene s1 (processing baseline 05.09), 2024-05-01 was inserted: no run noted it",
    ),
    ("journal", "journal entry 2 stands where journal entry 3 is expected: it was inserted or numbered anew"),
])  # fmt: skip
def test_a_row_that_stands_twice_is_named_where_no_key_forbids_it(folder: Path, table: str, found: str) -> None:
    one = "scene_id = 's1' AND chunk_id = 'c1'" if table == "ledger" else "seq = 2"
    tamper(folder, f"CREATE TABLE plain AS SELECT * FROM {table}", f"INSERT INTO plain SELECT * FROM plain WHERE {one}",
           f"DROP TABLE {table}", f"ALTER TABLE plain RENAME TO {table}")  # fmt: skip
    assert found in findings(folder)


def test_verification_leaves_the_file_as_it_is(folder: Path) -> None:
    before = sha256_of(folder / "store.sqlite")
    assert findings(folder) == ()
    assert sha256_of(folder / "store.sqlite") == before


def write_at_once(store: Store) -> None:
    """Two chunks, ten days each, from two threads."""
    area = store.area_state("tiny", "digest", "model/1")

    def write(chunk: str) -> None:
        for n in range(10):
            state = ChunkState(DAYS[n % 6], "f", None, None)
            store.swap_chunk("tiny", chunk, state, [row(f"s{n}", DAYS[n % 6], chunk=chunk)], {}, area=area)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ["c1", "c2"]))
    assert store.heads().journal.seq == 20


def test_two_writers_at_once_keep_one_journal(tmp_path: Path) -> None:
    write_at_once(open_store(tmp_path / "store.sqlite"))
    assert findings(tmp_path) == ()


# --- whatever is done ------------------------------------------------------------------------------------------------

COLUMNS = {
    "events": ("seq", "aoi_id", "site_id", "alert_id", "epoch", "revision", "day", "payload", "previous_hash", "hash"),
    "ledger": ("aoi_id", "chunk_id", "scene_id", "processing_baseline", "solar_day", "sensed_at", "outcome", "clear_pct",
               "cloudy_pct", "not_imaged_pct", "reason", "model_id", "detection_digest"),
    "journal": ("seq", "aoi_id", "kind", "noted_at", "payload", "previous_hash", "hash"),
}  # fmt: skip
VALUES = st.one_of(
    st.integers(-5, 99), st.floats(-1, 200), st.none(), st.binary(max_size=4), st.text(max_size=6),
    st.sampled_from(["{}", "[]", "null", "2024-05-02", "epoch", "events", "c2", "s1", '{"put": [], "gone": []}']),
)  # fmt: skip


def snapshot(connection: sqlite3.Connection) -> list[list[tuple]]:
    return [sorted(connection.execute(f"SELECT * FROM {t}").fetchall(), key=repr) for t in COLUMNS]


@given(data=st.data())
def test_any_tampering_is_found(kept: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = Path(shutil.copytree(kept, tmp_path_factory.mktemp("tampered") / "out"))
    connection = sqlite3.connect(folder / "store.sqlite")
    connection.text_factory = bytes
    before = snapshot(connection)
    table = data.draw(st.sampled_from(sorted(COLUMNS)))
    rowids = [r[0] for r in connection.execute(f"SELECT rowid FROM {table}")]
    picked = data.draw(st.sampled_from(rowids))
    how = data.draw(st.sampled_from(["update", "delete", "copy", "swap"]))
    columns = COLUMNS[table]
    try:
        if how == "update":
            column = data.draw(st.sampled_from(columns))
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (data.draw(VALUES), picked))
        elif how == "delete":
            connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (picked,))
        elif how == "copy":
            changed = data.draw(st.dictionaries(st.sampled_from(columns), VALUES, min_size=1, max_size=3))
            taken = [changed.get(c) if c in changed else None for c in columns]
            chosen = ", ".join("?" if c in changed else c for c in columns)
            values = [v for c, v in zip(columns, taken, strict=True) if c in changed]
            connection.execute(f"INSERT INTO {table} SELECT {chosen} FROM {table} WHERE rowid = ?", (*values, picked))
        else:
            other = data.draw(st.sampled_from(rowids))
            column = data.draw(st.sampled_from(columns))
            a, b = (
                connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (r,)).fetchone()[0] for r in (picked, other)
            )
            for place, value in (
                (picked, -7 if column == "seq" else "swapping"),
                (other, a),
                (-7 if column == "seq" else picked, b),
            ):
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, place))
        connection.commit()
    except sqlite3.Error:  # the database refuses it
        connection.rollback()
    after = snapshot(connection)
    connection.close()
    assume(before != after)
    with contextlib.suppress(StoreDamagedError):  # what no database can hold has a named error
        assert findings(folder)


ACTS = st.tuples(st.sampled_from(["tiny", "other"]), st.sampled_from(["chunk", "fails", "retold", "told", "night", "relist"]))


@given(st.lists(ACTS, max_size=14))
def test_a_store_that_only_runs_wrote_to_has_no_finding(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("written")
    store = open_store(folder / "store.sqlite")
    for n, (aoi_id, act) in enumerate(acts):
        area, day = store.area_state(aoi_id, "digest", "model/1"), DAYS[n % 6]
        if act in {"chunk", "fails"}:
            seen = row(f"s{n % 3}", day, outcome=Outcome.FAILED if act == "fails" else Outcome.MONITORED)
            state = ChunkState(day, "f", None, None)
            store.swap_chunk(aoi_id, "c1", state, [replace(seen, aoi_id=aoi_id)], {}, area=area)
        elif act == "retold":
            store.start_epoch(aoi_id)
        elif act == "told":
            store.swap_sites(aoi_id, day, [], [payload("a", n)], area=area)
        elif act == "relist":
            gone = row(f"g{n % 2}", day, chunk="", outcome=Outcome.NOT_LISTED)
            store.put_ledger([replace(gone, aoi_id=aoi_id)], area)
        else:
            anchor(folder / aoi_id, aoi_id, day, store.note_published(area, day, {}))
    found = verify_store(str(folder / "store.sqlite"))
    assert found.findings == ()
    assert bool(found.anchors) == any(act == "night" for _, act in acts)


# --- how it is written -----------------------------------------------------------------------------------------------


def entries_of(store: Store) -> int:
    return store.heads().journal.seq


def test_rows_that_stay_as_they_were_cost_no_entry(folder: Path) -> None:
    store = open_store(folder / "store.sqlite")
    area, before = store.area_state("tiny", "digest", "model/1"), entries_of(store)
    store.put_ledger([row("other", DAYS[2], chunk="", outcome=Outcome.NOT_LISTED)], area)
    store.note_published(area, DAYS[3], {"chunk_px": 1024})
    assert entries_of(store) == before


def test_events_do_not_depend_on_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = []
    for n in (1, 2):
        monkeypatch.setattr(journal, "now", lambda n=n: datetime(2030, 1, n, tzinfo=UTC))
        (tmp_path / str(n)).mkdir()
        store = open_store(tmp_path / str(n) / "store.sqlite")
        fill(store, tmp_path / str(n))
        hashes.append([e.hash for e in store.events("tiny")])
    assert hashes[0] == hashes[1]


def test_an_old_store_is_told_and_its_ledger_taken_over_at_the_next_write(folder: Path) -> None:
    tamper(folder, "DROP TABLE journal", "DELETE FROM facts WHERE key = 'journal'")
    (folder / "heads.jsonl").unlink()
    old = verify_store(str(folder / "store.sqlite"))
    assert old.findings == ()
    assert "written before there was a journal" in old.notes[0]
    store = open_store(folder / "store.sqlite")
    store.swap_chunk("tiny", "c1", ChunkState(DAYS[3], "f", None, None), [row("s4", DAYS[3])], {},
                     area=store.area_state("tiny", "digest", "model/1"))  # fmt: skip
    assert findings(folder) == ()
    tamper(folder, "UPDATE ledger SET clear_pct = 1 WHERE chunk_id = 'c2' AND scene_id = 's1'")
    assert findings(folder) == (
        "observation of area tiny, chunk c2, scene s1 (processing baseline 05.09), 2024-05-01 was changed",
    )


def test_the_chain_is_not_healed_by_the_next_run(folder: Path) -> None:
    tamper(folder, "DELETE FROM journal WHERE seq = 12")
    store = open_store(folder / "store.sqlite")
    area = store.area_state("tiny", "digest", "model/1")
    anchor(folder, "tiny", DAYS[5], store.note_published(area, DAYS[5], {}))
    assert "journal entry 12 is missing before journal entry 13" in findings(folder)


def test_an_anchor_may_stand_in_another_document(folder: Path, tmp_path: Path) -> None:
    head = read_anchors(folder / "heads.jsonl")[-1].heads["events"]
    note = tmp_path / "manifest.json"
    note.write_text(json.dumps({"ledger_head": {"seq": head.seq, "hash": head.hash}}), encoding="utf-8")
    assert verify_store(str(folder / "store.sqlite"), [note]).findings == ()
    note.write_text(json.dumps({"ledger_head": {"seq": head.seq, "hash": "f" * 64}}), encoding="utf-8")
    assert len(verify_store(str(folder / "store.sqlite"), [note]).findings) == 1


# --- on a server -----------------------------------------------------------------------------------------------------

ON_A_SERVER = ("event changed", "event removed", "last event removed", "observation changed", "observation removed",
               "observation inserted", "journal entry changed", "last journal entry removed")  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Postgis]:
    try:
        with running() as found:
            yield found
    except PostgisMissingError as error:
        skip_or_fail(error)


def test_what_was_done_on_a_server_is_named(server: Postgis, tmp_path: Path) -> None:
    address = server.url("ledger")
    store = open_store(address)
    fill(store, tmp_path)
    assert verify_store(address, [tmp_path]).findings == ()
    for kind in ON_A_SERVER:
        with store.engine.connect() as connection:  # rolled back by leaving it
            connection.exec_driver_sql(FOUND[kind][0])
            files = [tmp_path / "heads.jsonl"]
            assert FOUND[kind][1] in verification.look_at(connection, files).findings, kind
    assert verify_store(address, [tmp_path]).findings == ()


def test_two_writers_at_once_keep_one_journal_on_a_server(server: Postgis) -> None:
    address = server.url("writers")
    write_at_once(open_store(address))
    assert verify_store(address).findings == ()


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_says_that_all_holds_or_what_does_not(overburden, folder: Path) -> None:  # noqa: F811
    fine: Done = overburden("ledger", "verify", "--store", folder / "store.sqlite")
    assert (fine.returncode, fine.stdout) == (0, "")
    assert fine.stderr.strip() == "4 events, 6 observations, 12 journal entries, 4 anchors: all as written"
    tamper(folder, "DELETE FROM events WHERE seq = 2")
    wrong: Done = overburden("ledger", "verify", "--store", folder / "store.sqlite")
    assert wrong.returncode == 1
    assert wrong.stdout.splitlines()[0] == "event 2 is missing before event 3"


@pytest.mark.parametrize("spoil", ["half", "zeros", "absent", "notes"])
def test_a_damaged_file_is_a_named_error(overburden, folder: Path, spoil: str) -> None:  # noqa: F811
    path = folder / "store.sqlite"
    held = path.read_bytes()
    if spoil == "absent":
        path.unlink()
    else:
        size = len(held)
        path.write_bytes({"half": held[: size // 2], "zeros": held[:4096] + bytes(size - 4096), "notes": b"notes" * 999}[spoil])
    done: Done = overburden("ledger", "verify", "--store", path)
    assert done.returncode == 2
    assert "Store" in done.stderr
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_anchor_that_is_none_is_a_named_error(overburden, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    for name, text in (("a.jsonl", '{"events": 1}\n'), ("b.jsonl", "no json\nat all"), ("c.jsonl", "")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        done: Done = overburden("ledger", "verify", "--store", folder / "store.sqlite", "--against", tmp_path / name)
        assert (done.returncode, name in done.stderr) == (2, True), name

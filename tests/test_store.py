"""The store: all or nothing, and a chain of events that shows every change."""

import sqlite3
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from worlds import square, table

from pipeline.errors import StoreMismatchError
from pipeline.io import store as module
from pipeline.io.store import AreaState, ChunkState, Store, open_store
from pipeline.ledger import LedgerRow, Outcome
from pipeline.sites import SiteRules, advance

DAYS = [date(2024, 5, 1), date(2024, 5, 11), date(2024, 5, 21)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store.sqlite")


@pytest.fixture
def area(store: Store) -> AreaState:
    return store.area_state("tiny", "digest", "model/1")


def payload(site: str, revision: int) -> dict:
    return {"id": f"alert-{site}", "geometry": None, "properties": {"site_id": site, "revision": revision}}


def row(scene: str, outcome: Outcome = Outcome.MONITORED, reason: str = "", day: date = DAYS[0]) -> LedgerRow:
    return LedgerRow("tiny", "c1", scene, day, f"{day}T14:00:00Z", "05.09", outcome, 80.0, 20.0, 0.0, reason)


def tell(store: Store, area: AreaState) -> None:
    """Four events over three days."""
    store.swap_sites("tiny", DAYS[0], [], [payload("a", 1), payload("b", 1)], area=area)
    store.swap_sites("tiny", DAYS[1], [], [payload("a", 2)], area=area)
    store.swap_sites("tiny", DAYS[2], [], [payload("b", 2)], area=area)


# --- the chain ---------------------------------------------------------------------------------------------------------

TAMPERING = {
    "change": ("UPDATE events SET payload = replace(payload, 'alert-a', 'alert-x') WHERE seq = 1", "event 1 was changed"),
    "another day": ("UPDATE events SET day = '2024-05-12' WHERE seq = 3", "event 3 was changed"),
    "removal": ("DELETE FROM events WHERE seq = 2", "event 2 is missing before event 3"),
    "removal of the first": ("DELETE FROM events WHERE seq = 1", "event 1 is missing before event 2"),
    "reordering": ("UPDATE events SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3)", "does not follow"),
    "insertion": (
        "INSERT INTO events SELECT seq + 1, aoi_id, 'forged', alert_id, epoch, revision, day, payload, hash, 'x' "
        "FROM events WHERE seq = 4",
        "event 5 was changed",
    ),
}


@pytest.mark.parametrize("kind", TAMPERING)
def test_the_chain_shows_what_was_done_to_it(store: Store, area: AreaState, tmp_path: Path, kind: str) -> None:
    tell(store, area)
    assert store.broken_links() == []
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        connection.execute(TAMPERING[kind][0])
        connection.execute("UPDATE events SET seq = -seq WHERE seq < 0")
    connection.close()
    assert any(TAMPERING[kind][1] in fault for fault in store.broken_links())


def test_a_revision_is_said_once(store: Store, area: AreaState) -> None:
    tell(store, area)
    with pytest.raises(module.sa.exc.IntegrityError):
        store.swap_sites("tiny", DAYS[2], [], [payload("b", 2)], area=area)
    assert [e.seq for e in store.events("tiny")] == [1, 2, 3, 4]


def test_events_are_told_by_day(store: Store, area: AreaState) -> None:
    tell(store, area)
    assert [e.seq for e in store.events("tiny", until=DAYS[1])] == [1, 2, 3]
    assert [e.seq for e in store.events("tiny", after=DAYS[0])] == [3, 4]
    latest = store.latest_events("tiny", until=DAYS[1])
    assert {site: event.revision for site, event in latest.items()} == {"a": 2, "b": 1}


# --- all or nothing ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process dies here."""


def die(*_: object) -> None:
    raise Killed


def test_a_chunk_is_swapped_in_with_its_ledger_or_not_at_all(
    store: Store, area: AreaState, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (ChunkState(day, f"{n}.npz", None, None) for n, day in enumerate(DAYS[:2]))
    store.swap_chunk("tiny", "c1", old, [row("s1")], {DAYS[0]: table(square(0, 0, 3))}, area=area)
    with monkeypatch.context() as patch:
        patch.setattr(module, "packed_pixels", die)
        with pytest.raises(Killed):
            store.swap_chunk("tiny", "c1", new, [row("s2")], {DAYS[1]: table(square(0, 0, 4))}, area=area)
    assert store.chunk_states("tiny") == {"c1": old}
    assert [r.scene_id for r in store.ledger("tiny")] == ["s1"]
    assert store.pixel_days("tiny") == {"c1": [DAYS[0]]}
    store.swap_chunk("tiny", "c1", new, [row("s2")], {DAYS[1]: table(square(0, 0, 4))}, area=area)
    assert store.chunk_states("tiny") == {"c1": new}
    assert [r.scene_id for r in store.ledger("tiny")] == ["s1", "s2"]


def test_sites_are_swapped_in_with_their_events_or_not_at_all(
    store: Store, area: AreaState, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = table(square(-5, 3, 6))
    sites, _ = advance([], pixels, DAYS[0], "tiny", SiteRules())
    store.swap_sites("tiny", DAYS[0], sites, [payload("a", 1)], area=area)
    with monkeypatch.context() as patch:
        patch.setattr(module, "append_events", die)
        with pytest.raises(Killed):
            store.swap_sites("tiny", DAYS[1], [], [payload("a", 2)], area=area)
    assert [s.id for s in store.sites("tiny")] == [s.id for s in sites]
    assert store.area_state("tiny", "digest", "model/1").site_day == DAYS[0]
    assert [e.revision for e in store.events("tiny")] == [1]


def test_sites_and_pixels_come_back_as_they_went(store: Store, area: AreaState) -> None:
    pixels = table(square(-5, 3, 6))
    sites, _ = advance([], pixels, DAYS[0], "tiny", SiteRules())
    store.swap_sites("tiny", DAYS[0], sites, [], area=area)
    held = store.sites("tiny")
    for name in (n for n in sites[0].__dataclass_fields__ if n != "keys"):
        assert getattr(held[0], name) == getattr(sites[0], name), name
    assert np.array_equal(held[0].keys, sites[0].keys)
    store.swap_chunk("tiny", "c1", ChunkState(DAYS[1], "f", None, None), [], {DAYS[1]: pixels}, area=area)
    found = store.pixel_table("tiny", "c1", DAYS[1])
    for name in pixels.__dataclass_fields__:
        assert np.array_equal(getattr(found, name), getattr(pixels, name)), name
        assert getattr(found, name).dtype == getattr(pixels, name).dtype, name


def test_the_last_pixels_of_a_chunk_are_kept_and_older_ones_dropped(store: Store, area: AreaState) -> None:
    tables = {day: table(square(0, 0, 3)) for day in DAYS}
    store.swap_chunk("tiny", "c1", ChunkState(DAYS[2], "f", None, None), [], tables, area=area)
    store.swap_chunk("tiny", "c2", ChunkState(DAYS[0], "f", None, None), [], {DAYS[0]: tables[DAYS[0]]}, area=area)
    store.swap_sites("tiny", DAYS[1], [], [], area=area)
    assert store.pixel_days("tiny") == {"c1": DAYS[1:], "c2": [DAYS[0]]}


# --- ledger, nights, what the store was made with ------------------------------------------------------------------------


def test_a_scene_that_works_now_replaces_its_failure(store: Store, area: AreaState) -> None:
    store.put_ledger([row("s1", Outcome.FAILED, "SceneUnreadableError: x")], area)
    store.put_ledger([row("s1"), row("s0", day=DAYS[1])], area)
    assert [(r.scene_id, r.outcome, r.reason) for r in store.ledger("tiny")] == [
        ("s1", Outcome.MONITORED, ""), ("s0", Outcome.MONITORED, ""),
    ]  # fmt: skip
    assert [r.scene_id for r in store.ledger("tiny", DAYS[0])] == ["s1"]


def test_a_night_noted_twice_gives_the_same_night_before(store: Store) -> None:
    assert store.note_night("tiny", DAYS[0]) is None
    assert store.note_night("tiny", DAYS[2]) == DAYS[0]
    assert store.note_night("tiny", DAYS[1]) == DAYS[0]
    assert store.note_night("tiny", DAYS[2]) == DAYS[0]
    assert store.note_night("tiny", DAYS[0]) is None
    assert store.note_night("other", DAYS[2]) is None


@pytest.mark.parametrize(("digest", "model", "key"), [("x", "model/1", "detection_digest"), ("digest", "model/2", "model_id")])
def test_states_of_two_kinds_do_not_mix(store: Store, area: AreaState, digest: str, model: str, key: str) -> None:
    with pytest.raises(StoreMismatchError, match=f"area tiny.*{key}.*name another store"):
        store.area_state("tiny", digest, model)


def test_a_new_epoch_forgets_what_is_followed_and_keeps_what_was_said(store: Store, area: AreaState, tmp_path: Path) -> None:
    tell(store, area)
    store.swap_chunk("tiny", "c1", ChunkState(DAYS[2], "f", None, None), [row("s1")], {}, area=area)
    store.start_epoch("tiny")
    again = store.area_state("tiny", "digest", "model/1")
    assert (again.epoch, again.site_day) == (2, None)
    assert (store.chunk_states("tiny"), store.ledger("tiny"), store.events("tiny")) == ({}, [], [])
    store.swap_sites("tiny", DAYS[0], [], [payload("a", 1)], area=again)
    assert [e.seq for e in store.events("tiny")] == [5]
    assert store.broken_links() == []
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (5,)
    connection.close()


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database at all" * 100, encoding="utf-8")
    with pytest.raises(StoreMismatchError, match=r"notes\.txt.*expected a store"):
        open_store(tmp_path / "notes.txt")


def test_a_store_of_another_version_is_refused(store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        connection.execute("UPDATE facts SET value = '0' WHERE key = 'version'")
    connection.close()
    with pytest.raises(StoreMismatchError, match="found store version 0"):
        open_store(tmp_path / "store.sqlite")

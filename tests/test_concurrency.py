"""Two runs of one area: what comes second is dropped, and nothing is said twice or left out."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from test_run import days_of
from test_store import DAYS, payload, row
from worlds import square, table

from pipeline.config import RunConfig
from pipeline.errors import CatalogUnreadableError, StoreMovedError
from pipeline.io.store import AreaState, ChunkState, Store, open_store
from pipeline.io.verification import verify_store
from pipeline.stages import AoiRequest, open_walk, run_aoi
from pipeline.stages.joining import join, write_plan
from pipeline.stages.run import chunk_work, search_scenes

ONE, TWO, THREE = (ChunkState(day, f"{n}.npz", None, None) for n, day in enumerate(DAYS))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store.sqlite")


@pytest.fixture
def area(store: Store) -> AreaState:
    return store.area_state("tiny", "digest", "model/1")


def test_a_chunk_is_taken_only_from_where_the_work_began(store: Store, area: AreaState) -> None:
    pixels = {DAYS[0]: table(square(0, 0, 3))}
    assert store.swap_chunk("tiny", "c1", ONE, [row("s1")], pixels, area=area, since=None)
    assert not store.swap_chunk("tiny", "c1", TWO, [row("s2")], {}, area=area, since=None)
    assert (store.chunk_states("tiny"), len(store.ledger("tiny"))) == ({"c1": ONE}, 1)
    assert store.swap_chunk("tiny", "c1", TWO, [row("s2")], {}, area=area, since=ONE)
    assert not store.swap_chunk("tiny", "c1", THREE, [row("s3")], {}, area=area, since=ONE)
    assert (store.chunk_states("tiny"), len(store.ledger("tiny"))) == ({"c1": TWO}, 2)


def test_a_day_of_sites_is_taken_only_from_where_the_work_began(store: Store, area: AreaState) -> None:
    assert store.swap_sites("tiny", DAYS[0], [], [payload("a", 1)], area=area, since=None)
    assert not store.swap_sites("tiny", DAYS[0], [], [payload("a", 1)], area=area, since=None)
    assert store.swap_sites("tiny", DAYS[1], [], [payload("a", 2)], area=area, since=DAYS[0])
    assert [e.revision for e in store.events("tiny")] == [1, 2]


def test_a_run_of_an_epoch_that_has_ended_writes_nothing(store: Store, area: AreaState) -> None:
    store.start_epoch("tiny", after=1)
    store.start_epoch("tiny", after=1)  # a second run that saw the late scene too
    assert store.area_state("tiny", "digest", "model/1").epoch == 2
    with pytest.raises(StoreMovedError, match="found epoch 2 in the store, expected epoch 1"):
        store.swap_chunk("tiny", "c1", ONE, [], {}, area=area, since=None)
    with pytest.raises(StoreMovedError, match="found epoch 2"):
        store.swap_sites("tiny", DAYS[0], [], [], area=area, since=None)
    with pytest.raises(StoreMovedError, match="found no changed pixels of 2024-05-01"):
        store.pixel_table("tiny", "c1", DAYS[0])


def request(world: Path, out: Path, shared: Path, as_of: date | None = None) -> AoiRequest:
    section = {"aoi": str(world / "aoi.geojson"), "catalog": str(world / "catalog" / "catalog.json")}
    plain = {"has_evidence": False, "has_map": False, "languages": []}
    document = {"areas": [section], "out": str(out), "state": str(shared / "states"), "delivery": plain}
    config = RunConfig.model_validate(document)
    return AoiRequest(config.areas[0], config, out, str(shared / "store.sqlite"), as_of)


@pytest.mark.parametrize("cut", ["swap_chunk", "swap_sites", "note_night"])
def test_a_run_that_another_one_overtakes_says_the_same(
    pit_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    run_aoi(request(pit_world, tmp_path / "quiet", tmp_path / "quiet"))
    real, shared = getattr(Store, cut), tmp_path / "shared"

    def overtaken(self: Store, *arguments: object, **options: object) -> object:
        monkeypatch.setattr(Store, cut, real)
        run_aoi(request(pit_world, tmp_path / "there", shared))  # another machine with the same store and states
        return real(self, *arguments, **options)

    monkeypatch.setattr(Store, cut, overtaken)
    run_aoi(request(pit_world, tmp_path / "here", shared))
    quiet = (tmp_path / "quiet" / "alerts.geojson").read_bytes()
    assert (tmp_path / "here" / "alerts.geojson").read_bytes() == (tmp_path / "there" / "alerts.geojson").read_bytes() == quiet
    found = verify_store(str(shared / "store.sqlite"), [tmp_path / "here", tmp_path / "there"])
    assert (found.findings, found.notes) == ((), ())
    run_aoi(request(pit_world, tmp_path / "here", shared))  # every file that the store names is there


def test_a_worker_uses_what_the_plan_names_and_not_what_is_listed_since(pit_world: Path, tmp_path: Path) -> None:
    world = tmp_path / "world"
    shutil.copytree(pit_world, world)
    catalog = world / "catalog" / "catalog.json"
    whole = catalog.read_text(encoding="utf-8")
    document = json.loads(whole)
    del document["links"][20]
    catalog.write_text(json.dumps(document), encoding="utf-8")
    asked = request(world, tmp_path / "out", tmp_path, days_of(pit_world)[-1])
    walk = open_walk(asked)
    plan = write_plan(walk)
    catalog.write_text(whole, encoding="utf-8")
    joined = join(asked, search_scenes(asked), plan)
    assert [a.solar_day for a in joined.acquisitions] == [a.solar_day for a in walk.acquisitions]
    assert len(joined.acquisitions) == 31
    (chunk,) = walk.grid.chunks
    assert chunk_work(joined, chunk).area == chunk_work(walk, chunk).area
    del document["links"][-1]
    catalog.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(CatalogUnreadableError, match="1 scenes that the run began with are not listed"):
        join(asked, search_scenes(asked), plan)
    walk.store.start_epoch("tiny")
    with pytest.raises(StoreMovedError, match="found epoch 2"):
        join(asked, search_scenes(asked), plan)
    walk.states.storage.remove(plan)
    with pytest.raises(StoreMovedError, match="has ended"):
        join(asked, search_scenes(asked), plan)

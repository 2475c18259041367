"""The store on a PostgreSQL server: the same words as on SQLite, and no harm where the server goes away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.postgis import Postgis, PostgisMissingError, running, skip_or_fail
from test_run import days_of
from worlds import pit_in_forest, write_aoi

from pipeline.config import RunConfig
from pipeline.errors import StoreBusyError, StoreMismatchError, StoreUnreachableError
from pipeline.io.database import open_database
from pipeline.io.locks import sole_run
from pipeline.io.outbox import sole_deliverer
from pipeline.io.registry import open_registry
from pipeline.io.store import Store, open_store
from pipeline.stages import AoiRequest, run_aoi

NIGHTS = slice(24, 30)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgis]:
    try:
        with running() as found:
            yield found
    except PostgisMissingError as error:
        skip_or_fail(error)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    pit_in_forest(folder / "catalog")
    write_aoi(folder / "aoi.geojson")
    return folder


def nights(world: Path, out: Path, store: str) -> list[Path]:
    """Run some nights one after another; the files that they leave."""
    section = {"aoi": str(world / "aoi.geojson"), "catalog": str(world / "catalog" / "catalog.json")}
    document = {"areas": [section], "out": str(out), "delivery": {"has_evidence": False, "has_map": False, "languages": []}}
    config = RunConfig.model_validate(document)
    for day in days_of(world)[NIGHTS]:
        run_aoi(AoiRequest(config.areas[0], config, out, store, day))
    return sorted(out.rglob("*.geojson"))


@pytest.fixture(scope="module")
def plain(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plain")
    nights(world, out, str(out / "store.sqlite"))
    return out


def same(files: list[Path], out: Path, plain: Path) -> bool:
    return {p.relative_to(out): p.read_bytes() for p in files} == {
        p.relative_to(plain): p.read_bytes() for p in sorted(plain.rglob("*.geojson"))
    }


def test_nights_on_a_server_say_what_nights_on_a_file_say(server: Postgis, world: Path, plain: Path, tmp_path: Path) -> None:
    store = server.url("nights")
    assert same(nights(world, tmp_path, store), tmp_path, plain)
    assert open_store(store).broken_links() == []


def test_a_connection_that_is_lost_costs_a_named_error_and_nothing_else(
    server: Postgis, world: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = server.url("lost")
    real = Store.swap_sites

    def cut_off(self: Store, *arguments: object, **options: object) -> None:
        server.ask("ALTER DATABASE lost ALLOW_CONNECTIONS false;")
        try:
            real(self, *arguments, **options)
        finally:
            server.ask("ALTER DATABASE lost ALLOW_CONNECTIONS true;")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "swap_sites", cut_off)
        with pytest.raises(StoreUnreachableError, match="run again when the server answers"):
            nights(world, tmp_path, store)
    assert same(nights(world, tmp_path, store), tmp_path, plain)
    assert open_store(store).broken_links() == []


def test_an_area_is_held_by_one_run_wherever_runs_are(server: Postgis) -> None:
    store = server.url("held")
    with sole_run(store, "tiny"):
        with pytest.raises(StoreBusyError, match="another run holds area tiny"), sole_run(store, "tiny"):
            pass
        with sole_run(store, "other"):
            pass
    with sole_run(store, "tiny"):
        server.cut_off()  # the run goes on, and leaves in peace
    with sole_run(store, "tiny"):
        pass


def test_a_registry_lies_on_a_server_too(server: Postgis) -> None:
    from datetime import date

    from test_registry import NOON, snapshot, title

    book = open_registry(server.url("registry"))
    held = book.take([title(), title("T2")], snapshot(date(2025, 1, 1), count=2), taken_at=NOON)
    assert book.titles(held, within=(-1.695, 6.0, -1.6, 6.1)) == [title(), title("T2")]
    assert book.titles(held, within=(0, 0, 1, 1)) == []


def test_an_outbox_lies_on_a_server_too(server: Postgis, tmp_path: Path) -> None:
    from datetime import date

    from deliveries import Post, alert, folder_of

    subscriptions = [folder_of(tmp_path / name, name, digest=name == "digest") for name in ("digest", "single")]
    held = Post(tmp_path, subscriptions, address=server.url("outbox"))
    held.night(date(2024, 5, 1), alert("a"), alert("b"))
    held.night(date(2024, 5, 6), alert("a", 2, state="closed"))
    with sole_deliverer(held.store.engine), pytest.raises(StoreBusyError):
        held.deliver()
    assert sorted((s.subscriber, s.outcome, s.rows) for s in held.deliver()) == [
        ("digest", "delivered", 3), *[("single", "delivered", 1)] * 3,
    ]  # fmt: skip
    assert held.deliver() == []
    assert set(held.states()) == {"delivered"}
    assert held.outbox.message_of("alert-a-r2") != ""
    assert len(held.outbox.receipts()) == 4


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachableError) as found:
        open_database(f"postgresql://reader:secret-word@/nothing?host={tmp_path}")
    assert "secret-word" not in str(found.value)


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(StoreMismatchError, match="no database address"):
        open_database("lake://here")

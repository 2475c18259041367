"""The night past one machine: a Dask cluster, a database server and object storage say what threads and files say."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers import postgis, s3
from servers.postgis import Postgis, PostgisMissingError, skip_or_fail
from shapely.geometry import box
from test_run import days_of
from worlds import EPSG, LEFT, TOP, write_aoi

from pipeline import geo
from pipeline.config import load_config
from pipeline.errors import ClusterUnreachableError, ConfigInvalidError
from pipeline.flows.entry import AreaOutcome, settle
from pipeline.io.store import open_store
from pipeline.io.verification import verify_store

settle()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("cluster"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Sending large graph"),
]


LOCAL: Any = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}


@dataclass
class Place:
    """What the nights of this module share: a world, a server for each thing, and a cluster of two processes."""

    world: Path
    aoi: Path
    """The southern half of the world: two chunks, between which the pit lies."""
    days: list[str]
    database: Postgis
    bucket: str
    cluster: Any

    @property
    def scheduler(self) -> str:
        return str(self.cluster.scheduler_address)

    def workers(self) -> dict[str, int]:
        """Process of each worker by its address."""
        from distributed import Client

        with Client(self.scheduler, set_as_default=False) as client:
            return dict(client.run(os.getpid))

    def config(self, folder: Path, **said: object) -> Path:
        """A configuration of one area in two chunks; what is shared has the name of the folder."""
        section = {"aoi": str(self.aoi), "catalog": str(self.world / "catalog" / "catalog.json")}
        plain = {"has_evidence": False, "has_map": False, "languages": []}
        document = {"areas": [section], "out": "out", "cube": {"chunk_px": 66}, "delivery": plain, **said}
        folder.mkdir(exist_ok=True)
        (folder / "night.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        return folder / "night.yaml"

    def shared(self, name: str) -> dict[str, object]:
        """What a configuration says to share: workers, a new database, and a place for states."""
        return {"workers": self.scheduler, "store": self.database.url(name), "state": f"{self.bucket}/{name}"}


def half(folder: Path) -> Path:
    """The area of this module."""
    south = geo.reproject(box(LEFT, TOP - 480, LEFT + 480, TOP - 240), f"EPSG:{EPSG}", geo.WGS84)
    return write_aoi(folder / "aoi.geojson", south)


@pytest.fixture(scope="module")
def place(pit_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    from distributed import LocalCluster

    from pipeline.flows.local_server import local_server

    try:
        with (
            postgis.running() as database,
            s3.running() as bucket,
            local_server(),
            LocalCluster(n_workers=2, **LOCAL) as cluster,
        ):
            aoi, days = half(tmp_path_factory.mktemp("aoi")), [f"{d}" for d in days_of(pit_world)]
            yield Place(pit_world, aoi, days, database, bucket, cluster)
    except PostgisMissingError as error:
        skip_or_fail(error)


def night(config: Path, day: str) -> AreaOutcome:
    from pipeline.flows.nights import nightly

    (outcome,) = nightly(str(config), day)
    return outcome


def said(config: Path) -> dict[str, bytes]:
    """The files of a night by name."""
    out = Path(load_config(config).out)
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*.geojson"))}


def verified(config: Path) -> bool:
    """Whether the store's chains hold, also against what the runs anchored in their folders."""
    found = verify_store(load_config(config).store_address(), [Path(load_config(config).out)])
    return (found.findings, found.notes) == ((), ())


@pytest.fixture(scope="module")
def quiet(place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a night of threads, a file and a folder says, with nobody disturbing it."""
    config = place.config(tmp_path_factory.mktemp("quiet"), workers=1)
    assert not night(config, place.days[-1]).is_failed
    files = said(config)
    assert b"confirmed" in files["alerts.geojson"]
    return files


def when_at_work(place: Place, config: Path, strike: Callable[[list[int]], object]) -> threading.Thread:
    """Strike once, when a chunk is being followed and one state at least is written: given are the processes at work."""
    pids, store = place.workers(), load_config(config).store_address()

    def watch() -> None:
        from distributed import Client

        with Client(place.scheduler, set_as_default=False) as client:
            for _ in range(3000):
                busy = [pids[a] for a, tasks in client.processing().items() if tasks and a in pids]
                if busy and open_store(store).chunk_states("tiny"):
                    break
                time.sleep(0.02)
            strike(busy)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_cluster_a_server_and_a_bucket_say_what_threads_a_file_and_a_folder_say(
    place: Place, quiet: dict[str, bytes], tmp_path: Path
) -> None:
    config = place.config(tmp_path, **place.shared("alike"))
    outcome = night(config, place.days[-1])
    assert not outcome.is_failed, outcome.findings
    assert said(config) == quiet
    assert verified(config)
    assert not (tmp_path / "out" / "state").exists()


def test_a_worker_that_is_killed_in_mid_chunk_changes_nothing(place: Place, quiet: dict[str, bytes], tmp_path: Path) -> None:
    config = place.config(tmp_path, **place.shared("killed"))
    before = set(place.workers().values())
    killer = when_at_work(place, config, lambda busy: os.kill(busy[0], signal.SIGKILL))
    outcome = night(config, place.days[-1])
    killer.join()
    assert not outcome.is_failed, outcome.findings
    assert said(config) == quiet
    assert verified(config)
    assert before - set(place.workers().values())


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tasks be tried again after a second."""
    from pipeline.flows import nights

    for name in ("open_area", "follow_chunks", "finish_area"):
        monkeypatch.setattr(nights, name, getattr(nights, name).with_options(retry_delay_seconds=[1, 3]))


def test_a_lost_connection_and_a_restarted_server_change_nothing(
    place: Place, quiet: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    config = place.config(tmp_path, **place.shared("lost"))
    striker = when_at_work(place, config, lambda _: place.database.restart())
    first = night(config, place.days[-2])
    striker.join()
    assert not first.is_failed, first.findings
    striker = when_at_work(place, config, lambda _: place.database.cut_off())
    outcome = night(config, place.days[-1])
    striker.join()
    assert not outcome.is_failed, outcome.findings
    assert said(config)["alerts.geojson"] == quiet["alerts.geojson"]
    assert verified(config)


def test_two_runs_of_one_night_at_once_say_it_once(place: Place, quiet: dict[str, bytes], tmp_path: Path) -> None:
    shared = place.shared("twice")
    configs = [place.config(tmp_path / name, **shared) for name in ("here", "there")]
    command = [sys.executable, "-m", "pipeline.cli", "nightly", "--as-of", place.days[-1], "--config"]
    from prefect.settings import PREFECT_API_URL

    env = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    runs = [subprocess.Popen([*command, str(c)], env=env, stderr=subprocess.PIPE, text=True) for c in configs]
    errors = [run.communicate(timeout=240)[1] for run in runs]
    codes = [run.returncode for run in runs]
    assert 0 in codes, errors
    for config, code, error in zip(configs, codes, errors, strict=True):
        assert code == 0 or "StoreBusyError" in error
        assert code != 0 or said(config) == quiet
    for config in configs:  # who came second runs again, and says the same without saying it twice
        assert not night(config, place.days[-1]).is_failed
        assert said(config) == quiet
        assert verified(config)


def test_a_scheduler_that_goes_is_named_and_the_next_night_says_the_same(
    place: Place, quiet: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    config = place.config(tmp_path, **place.shared("gone"))
    with LocalCluster(n_workers=1, **LOCAL) as cluster:
        doomed = Place(place.world, place.aoi, place.days, place.database, place.bucket, cluster)
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace(place.scheduler, doomed.scheduler), encoding="utf-8")
        striker = when_at_work(doomed, config, lambda _: cluster.close())
        outcome = night(config, place.days[-1])
        striker.join()
    assert outcome.is_failed
    assert "ClusterUnreachableError" in outcome.findings[0], outcome.findings
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.flows.runners.ANSWER_S", 2)
        with pytest.raises(ClusterUnreachableError, match="expected a Dask scheduler that answers"):
            night(config, place.days[-1])
    config.write_text(text, encoding="utf-8")
    assert not night(config, place.days[-1]).is_failed
    assert said(config) == quiet
    assert verified(config)


def test_workers_on_other_machines_need_a_prefect_server_that_they_reach() -> None:
    from pipeline.flows.runners import task_runner

    with pytest.raises(ConfigInvalidError, match="PREFECT_API_URL"):
        task_runner("tcp://scheduler:8786")


def test_dask_without_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.flows.runners import task_runner

    monkeypatch.setitem(sys.modules, "prefect_dask.task_runners", None)
    with pytest.raises(ConfigInvalidError, match=r"pip install 'overburden\[dask\]'"):
        task_runner("dask:2")


def test_workers_that_we_start_are_told_before_they_begin_to_keep_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import Client, LocalCluster

    from pipeline.flows.runners import KEPT_HEAP, own_processes

    for name in KEPT_HEAP:  # what the environment says already stays, and the cluster of another test says something
        monkeypatch.delenv(name, raising=False)
    with LocalCluster(**own_processes(1)) as cluster, Client(cluster, set_as_default=False) as client:
        told = client.submit(Path("/proc/self/environ").read_text).result(timeout=60)
    assert {f"{name}={value}" for name, value in KEPT_HEAP.items()} <= set(told.split("\0"))


def test_a_flow_sends_no_heartbeats_to_our_own_server() -> None:
    from prefect.settings import get_current_settings

    from pipeline.flows.local_server import local_server

    with local_server():
        assert get_current_settings().flows.heartbeat_frequency is None

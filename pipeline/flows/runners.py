"""Who follows chunks: threads of this process, processes of this machine, or a Dask cluster."""

import logging
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from prefect.settings import PREFECT_API_URL
from prefect.task_runners import ThreadPoolTaskRunner

from pipeline.errors import ClusterUnreachableError, ConfigInvalidError
from pipeline.heap import KEPT

ANSWER_S = 20
"""A scheduler that does not answer for this long is not there."""
HANDFUL = 8
"""The most chunks of one task: what a task costs is spread over them, and a task that is lost costs no more than them."""
LOOPBACK = ("127.", "localhost", "[::1]")
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "GDAL_NUM_THREADS": "1"}
"""Environment of the processes that we start ourselves: each uses one core."""
KEPT_HEAP = {name: str(value) for name, value in KEPT.items()}
"""What glibc is told before they start; Dask's own setting gives every array back to the system."""
QUIET = {"distributed.worker.profile.enabled": False, "distributed.admin.system-monitor.interval": "10s"}
"""Dask looks a hundred times a second what its workers are at, for pages that nobody opens, and twice how the machine is."""


def is_elsewhere(workers: int | str) -> bool:
    """Return whether chunks are followed by other processes than the one of the flow."""
    return not isinstance(workers, int)


def task_runner(workers: int | str) -> Any:  # noqa: ANN401 - Prefect's runners are generic in their futures
    """Return the task runner of a configuration's `workers`.

    Raises
    ------
    ConfigInvalidError
        prefect-dask is not installed, or workers on other machines could not reach the Prefect server.
    ClusterUnreachableError
        The scheduler does not answer, or has no workers.
    """
    if isinstance(workers, int):
        return ThreadPoolTaskRunner(max_workers=workers)
    try:
        from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigInvalidError(
            f"workers: {workers} needs {error.name}, which is not installed: pip install 'overburden[dask]', or name a "
            "number of threads"
        ) from error
    if not workers.startswith("dask"):
        _check_api(workers)
        _check_cluster(workers)
        return DaskTaskRunner(address=workers, client_kwargs={"timeout": ANSWER_S})
    logging.getLogger("distributed").setLevel(logging.ERROR)  # our own processes come and go without a word
    return DaskTaskRunner(cluster_kwargs=own_processes(_processes(workers)))


def own_processes(count: int) -> dict[str, Any]:
    """Return what a `LocalCluster` of so many processes of this machine is made with, each of one core."""
    import dask  # noqa: PLC0415 - an extra

    dask.config.set({"distributed.nanny.pre-spawn-environ": ONE_CORE | KEPT_HEAP, **QUIET})
    # `env` reaches a process that has begun: too late for its heap, but it overrules the user's environment in threads
    return {
        "n_workers": count, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0",
        "env": ONE_CORE,
    }  # fmt: skip


def worker_count(workers: int | str) -> int:
    """Return how many tasks the workers of a configuration follow at the same time.

    Raises
    ------
    ClusterUnreachableError
        The scheduler does not answer, or has no workers.
    """
    if isinstance(workers, int):
        return workers
    return _processes(workers) if workers.startswith("dask") else _check_cluster(workers)


def _processes(workers: str) -> int:
    """How many processes of this machine `dask` or `dask:N` asks for."""
    return int(workers.partition(":")[2] or os.cpu_count() or 1)


def handfuls(names: Sequence[str], workers: int) -> list[list[str]]:
    """Return names in runs, each the work of one task: long ones first, single ones last, so that workers end together.

    Each run is a share of what is left (Polychronopoulos and Kuck 1987, doi:10.1109/TC.1987.5009495), at most `HANDFUL`.

    Examples
    --------
    >>> [len(run) for run in handfuls([str(n) for n in range(16)], 2)]
    [4, 3, 2, 1, 1, 1, 1, 1, 1, 1]
    """
    runs: list[list[str]] = []
    begin = 0
    while begin < len(names):
        size = min(max((len(names) - begin) // (2 * workers), 1), HANDFUL)
        runs.append(list(names[begin : begin + size]))
        begin += size
    return runs


def settled(futures: Sequence[Any]) -> None:
    """Wait until all tasks have ended, then raise the first error: no task of ours is at work after this.

    Raises
    ------
    ClusterUnreachableError
        The cluster lost a task with the scheduler, or with one worker after another.
    """
    errors = []
    for future in futures:
        try:
            future.result()
        except Exception as error:  # noqa: BLE001 - raised below, when the others have ended
            errors.append(error)
    if errors:
        raise _named(errors[0]) from errors[0]


def _named(error: Exception) -> Exception:
    """An error by its own name, or by ours where it is Dask's."""
    kinds = [kind.__module__.partition(".")[0] for kind in type(error).__mro__]
    if "distributed" not in kinds and type(error).__name__ != "CancelledError":
        return error
    text = " ".join(str(error).split())[:300]
    return ClusterUnreachableError(
        f"{type(error).__name__}: {text}; the Dask cluster lost a chunk; what the store holds is whole: see that scheduler and "
        "workers run, then run again"
    )


def _check_api(workers: str) -> None:
    """Refuse workers on other machines where the Prefect server is one of ours, on loopback."""
    host, api = urlsplit(workers).netloc, str(PREFECT_API_URL.value() or "")
    if not host.startswith(LOOPBACK) and (not api or urlsplit(api).netloc.startswith(LOOPBACK)):
        raise ConfigInvalidError(
            f"workers: {workers} found no Prefect server that other machines reach (PREFECT_API_URL is {api or 'not set'}); "
            "set PREFECT_API_URL to one, here and on the workers"
        )


def _check_cluster(workers: str) -> int:
    """The threads of a cluster's workers; ClusterUnreachableError where no scheduler answers, or nobody works for it."""
    import distributed  # noqa: PLC0415 - an extra

    connect: Any = distributed.Client  # without types of its own

    try:
        with connect(workers, timeout=ANSWER_S, set_as_default=False) as client:
            count = sum(worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())[:300]
        raise ClusterUnreachableError(
            f"workers: {workers}: {text}; expected a Dask scheduler that answers within {ANSWER_S} s: check that it runs, its "
            "address, and the network"
        ) from error
    if count == 0:
        raise ClusterUnreachableError(f"workers: {workers}: the scheduler answers and has no workers; expected at least one")
    return count

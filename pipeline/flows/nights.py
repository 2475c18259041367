"""The flows. A task is a handful of chunks, or an area; paths and small reports cross its boundary, never pixels."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.context import get_run_context
from prefect.exceptions import MissingContextError
from prefect.tasks import exponential_backoff
from tqdm import tqdm

from pipeline.alerts import Alert
from pipeline.config import DEFAULT_WORKERS, RunConfig, load_config
from pipeline.errors import BudgetSpentError, InputError, PipelineError, ProviderRefusedError, SceneError, StoreBusyError
from pipeline.flows.accounts import provide_account
from pipeline.flows.entry import AreaOutcome
from pipeline.flows.runners import handfuls, is_elsewhere, settled, task_runner, worker_count
from pipeline.heap import keep_pages
from pipeline.io.fetching import is_fetched, sole_use
from pipeline.io.file_marks import Mark, mark_of
from pipeline.stages.chunks import update_chunk
from pipeline.stages.deliver import Sent, deliver, delivery_of
from pipeline.stages.joining import Joined, join, write_plan
from pipeline.stages.quiet import QuietNight, quiet_nights
from pipeline.stages.run import AoiRequest, Walk, chunk_work, finish, open_walk, search_scenes, sole_area
from pipeline.stages.scenes import Search, area_out, fetch_one

LOG = logging.getLogger(__name__)
RUNNER: Any = task_runner(DEFAULT_WORKERS)
HOURS_S = 3600
BACK_OFF = exponential_backoff(backoff_factor=5)
"""Seconds before a task is tried again, doubling: on top of the patience with each request, which obeys Retry-After."""
AreaJob = tuple[str, int, str, str | None, bool, float, str]
"""Configuration, number of the area in it, as_of, start of a back-fill, has_pictures, processing units that the run has
spent before, id of the run: all that a task is given. A worker that outlives the run keeps nothing for the next one."""


def _config(path: str) -> RunConfig:
    """The configuration in a file, read once as long as the file stays as it is."""
    return _read_config(path, mark_of(path))


@lru_cache(maxsize=4)
def _read_config(path: str, _mark: Mark) -> RunConfig:
    """The configuration in a file with a mark."""
    return load_config(Path(path))


def _request(job: AreaJob) -> AoiRequest:
    """The request of a job."""
    path, number, as_of, start, has_pictures, spent_pu, _ = job
    config = _config(path)
    section = config.areas[number]
    if start is not None:
        section = section.model_copy(update={"start": section.start or date.fromisoformat(start)})
    store = config.store or str(Path(config.out) / "store.sqlite")
    return AoiRequest(section, config, area_out(config, section), store, date.fromisoformat(as_of), has_pictures, spent_pu)


@lru_cache(maxsize=4)
def _search(job: AreaJob) -> Search:
    """What the catalogue of a job offers, once for each process."""
    request = _request(job)
    provide_account(request.section.account)
    request.out.mkdir(parents=True, exist_ok=True)
    return search_scenes(request)


@lru_cache(maxsize=4)
def _walk(job: AreaJob) -> Walk:
    """The opened walk of a job, once for each process."""
    return open_walk(_request(job), _search(job))


@lru_cache(maxsize=4)
def _joined(job: AreaJob, plan: str) -> Joined:
    """What a worker needs of a job that another process has opened, once for each process."""
    return join(_request(job), _search(job), plan)


def _is_worth_another_try(_task: object, _run: object, state: Any) -> bool:  # noqa: ANN401 - Prefect's own state type
    """Whether what a task failed of may pass by itself."""
    try:
        state.result()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again and then reported
        return _may_pass(error)
    return False


def _may_pass(error: Exception) -> bool:
    """Whether a failure may pass by itself: what the caller gave wrong does not."""
    return not isinstance(error, InputError | ProviderRefusedError | BudgetSpentError)


@task(retries=3, retry_delay_seconds=BACK_OFF, retry_jitter_factor=0.5, retry_condition_fn=_is_worth_another_try,
      timeout_seconds=HOURS_S)  # fmt: skip
def search_area(job: AreaJob) -> list[str]:
    """Ask an area's catalogue; returns the ids of the scenes whose windows are to be copied, none where none are."""
    found = _search(job)
    return [s.id for s in found.chosen if not is_fetched(s, found.grid, found.folder)] if found.is_kept else []


@task(retries=3, retry_delay_seconds=BACK_OFF, retry_jitter_factor=0.5, retry_condition_fn=_is_worth_another_try,
      timeout_seconds=HOURS_S)  # fmt: skip
def fetch_windows(job: AreaJob, scene_id: str) -> int:
    """Copy the windows of one scene; returns the bytes. A scene that cannot be copied is told when the area is opened."""
    found = _search(job)
    try:
        return fetch_one(found, next(s for s in found.chosen if s.id == scene_id))[1]
    except SceneError as error:
        LOG.warning("%s: %s", type(error).__name__, error)
        return 0


@task(retries=2, retry_delay_seconds=[10, 60], retry_condition_fn=_is_worth_another_try, timeout_seconds=HOURS_S)
def open_area(job: AreaJob) -> list[str]:
    """Read an area's catalogue, titles and model; returns the ids of its chunks."""
    return [chunk.id for chunk in _walk(job).grid.chunks]


@task(retries=2, retry_delay_seconds=[10, 60], retry_condition_fn=_is_worth_another_try, timeout_seconds=12 * HOURS_S)
def follow_chunks(job: AreaJob, chunk_ids: Sequence[str], plan: str = "") -> int:
    """Bring some chunks up to date, one after the other; returns the number of days that they took.

    `plan` is what another process wrote when it opened the area; without one, this process did. A chunk that fails holds up
    none of the others. When all have had their turn its error is raised, of several the first that may pass; when the task is
    tried again the others have nothing to do.
    """
    walk = _joined(job, plan) if plan else _walk(job)
    chunks, days, errors = {c.id: c for c in walk.grid.chunks}, 0, []
    for chunk_id in chunk_ids:
        try:
            days += update_chunk(chunk_work(walk, chunks[chunk_id]))
        except Exception as error:  # noqa: BLE001 - raised below, when the others have had their turn
            LOG.warning("%s, chunk %s: %s: %s", walk.area.id, chunk_id, type(error).__name__, error)
            errors.append(error)
    if errors:
        raise next(filter(_may_pass, errors), errors[0])
    return days


@task(retries=2, retry_delay_seconds=[10, 60], retry_condition_fn=_is_worth_another_try, timeout_seconds=HOURS_S)
def finish_area(job: AreaJob) -> AreaOutcome:
    """Make the sites of an area and write its files."""
    result = finish(_walk(job))
    return AreaOutcome(
        aoi=result.aoi_id,
        line=f"{result.aoi_id} as of {result.as_of}: {len(result.alerts)} alerts, {len(result.disturbances)} other "
        f"disturbances, {len(result.changed)} new or changed; {result.out / 'alerts.geojson'}",
        is_failed=result.has_refused_input,
        findings=result.findings,
        report=str(result.out / "report.md"),
        rows=tuple(_row(a) for a in result.changed),
    )


def _row(alert: Alert) -> dict[str, object]:
    """A row of the night's table."""
    names = ("site_id", "revision", "state", "likely_cause", "area_ha", "first_detected_on", "tenure_status", "priority")
    return {name: alert.properties[name] for name in names}


def quiet_areas(config: str, day: str, *, has_pictures: bool) -> dict[int, AreaOutcome]:
    """Say of all areas with nothing new, in one go, that there is nothing; the outcome of each by its number.

    It is no task: on most nights it is all that there is to do, and a task would cost as much as ten areas.
    """
    try:
        requests = dict(_usable_requests(config, day, has_pictures=has_pictures))
        found = quiet_nights(requests, date.fromisoformat(day))
    except Exception:
        LOG.exception("no area could be passed over: every one has a whole night")
        return {}
    return {number: _quiet_outcome(night) for number, night in found.items()}


def _usable_requests(config: str, day: str, *, has_pictures: bool) -> Iterator[tuple[int, AoiRequest]]:
    """The requests of areas by number, without those of which the whole night will say what is wrong."""
    for number, section in enumerate(_config(config).areas):
        try:
            provide_account(section.account)
            yield number, _request((config, number, day, None, has_pictures, 0.0, ""))
        except PipelineError as error:
            LOG.info("%s: a whole night, since %s: %s", section.aoi, type(error).__name__, error)


def _quiet_outcome(night: QuietNight) -> AreaOutcome:
    """What a night with nothing new gave."""
    line = (
        f"{night.aoi_id} as of {night.as_of}: nothing new since {night.told_on}, {night.alerts} alerts and "
        f"{night.disturbances} other disturbances stand; {night.out / 'alerts.geojson'}"
    )
    return AreaOutcome(night.aoi_id, line, night.has_refused_input, night.findings, "", ())


def _nights(config: str, day: str, start: str | None, *, has_pictures: bool) -> list[AreaOutcome]:
    """Every area's night by the workers of the configuration; areas with nothing new first, together, and by none."""
    keep_pages()  # a served flow did not come through `settle`
    quiet = quiet_areas(config, day, has_pictures=has_pictures) if start is None else {}
    workers, number = _config(config).workers, len(_config(config).areas)
    waiting = [n for n in range(number) if n not in quiet]
    if not waiting or workers == DEFAULT_WORKERS:
        loud = _areas(config, day, start, waiting, has_pictures=has_pictures)
    else:
        by_workers = areas_by_workers.with_options(task_runner=task_runner(workers))
        loud = by_workers(config, day, start, waiting, has_pictures=has_pictures)
    found = quiet | dict(zip(waiting, loud, strict=True))
    outcomes = [found[n] for n in range(number)]
    _show(outcomes, day)
    return outcomes


@flow(name="areas", log_prints=False)
def areas_by_workers(config: str, day: str, start: str | None, numbers: list[int], *, has_pictures: bool) -> list[AreaOutcome]:
    """The nights of areas by other workers than those of the flow that asks, which served flows bring with them."""
    return _areas(config, day, start, numbers, has_pictures=has_pictures)


def _areas(config: str, day: str, start: str | None, numbers: list[int], *, has_pictures: bool) -> list[AreaOutcome]:
    """The nights of areas, one after the other, on one budget."""
    outcomes, spent_pu, run_id = [], 0.0, _run_id()
    for number in numbers:
        outcome, spent = _night_of((config, number, day, start, has_pictures, spent_pu, run_id))
        outcomes.append(outcome)
        spent_pu += spent
    return outcomes


def _night_of(job: AreaJob) -> tuple[AreaOutcome, float]:
    """One area's night, and what it spent; a failure becomes its outcome, so that the other areas go on."""
    outcome = _outcome_of(job)
    spent = float(getattr(_search(job).source, "spent_pu", 0.0)) if _search.cache_info().currsize else 0.0
    _walk.cache_clear()
    _search.cache_clear()
    return outcome, spent


def _outcome_of(job: AreaJob) -> AreaOutcome:
    """What one area's night gives."""
    name = _config(job[0]).areas[job[1]].aoi
    try:
        request = _request(job)
        with sole_area(request):
            _copy_windows(job, search_area(job))
            chunk_ids = open_area(job)
            plan = write_plan(_walk(job)) if is_elsewhere(request.config.workers) else ""
            some = handfuls(chunk_ids, worker_count(request.config.workers))
            settled([follow_chunks.submit(job, each, plan) for each in some])
            return finish_area(job)
    except Exception as error:
        if not isinstance(error, PipelineError):
            LOG.exception("%s failed", name)
        text = f"{type(error).__name__}: {error}"
        return AreaOutcome(Path(name).stem, f"{name}: FAILED", True, (text,), "", ())


def _copy_windows(job: AreaJob, scene_ids: list[str]) -> None:
    """Copy the windows of scenes, with a progress bar on the terminal and an artifact beside the run."""
    if not scene_ids:
        return
    shown: Any = create_progress_artifact(progress=0.0, description=f"{len(scene_ids)} scenes to copy")
    with sole_use(_search(job).folder):
        futures = [fetch_windows.submit(job, scene_id) for scene_id in scene_ids]
        for done, future in enumerate(tqdm(futures, unit="scene", disable=None)):
            settled([future])
            update_progress_artifact(artifact_id=shown, progress=100.0 * (done + 1) / len(futures))


def _show(outcomes: list[AreaOutcome], as_of: str) -> None:
    """The night's artifacts: the reports, and a table of alerts unless nothing is new anywhere."""
    rows = [{"area": o.aoi, **row} for o in outcomes for row in o.rows]
    if any(o.report or o.is_failed for o in outcomes):
        create_table_artifact(table=rows, key="alerts-of-the-night", description=f"New or changed alerts as of {as_of}")
    reports = [Path(o.report).read_text(encoding="utf-8") for o in outcomes if o.report]
    failed = [f"**{o.aoi} failed**: {'; '.join(o.findings)}" for o in outcomes if o.is_failed]
    failed += [o.line for o in outcomes if not o.report and not o.is_failed]
    create_markdown_artifact(markdown="\n\n---\n\n".join([*failed, *reports]) or "No area.", key="night-report")


@flow(name="nightly", task_runner=RUNNER, log_prints=False)
def nightly(config: str, as_of: str | None = None, *, has_pictures: bool = True) -> list[AreaOutcome]:
    """Every area of a configuration, for one date; without one, for the date on which the run was scheduled."""
    day = as_of or _scheduled_on().isoformat()
    outcomes = _nights(config, day, None, has_pictures=has_pictures)
    if _config(config).subscriptions is not None:
        outcomes.append(_delivery(config))
    return outcomes


@task(timeout_seconds=HOURS_S)
def deliver_due(config: str) -> list[Sent]:
    """Send to subscribers what is due. It is not tried again here: the outbox knows when to."""
    return deliver(delivery_of(_config(config), os.environ), datetime.now(UTC))


def _delivery(config: str) -> AreaOutcome:
    """What came of the night's messages; a failure becomes an outcome, as an area's does."""
    try:
        sent = deliver_due(config)
    except StoreBusyError as error:
        return AreaOutcome("delivery", "delivery: left to the deliverer that is at work", False, (str(error),), "", ())
    except Exception as error:
        if not isinstance(error, PipelineError):
            LOG.exception("delivery failed")
        return AreaOutcome("delivery", "delivery: FAILED", True, (f"{type(error).__name__}: {error}",), "", ())
    count = Counter(one.outcome for one in sent)
    line = f"delivery: {', '.join(f'{number} {outcome}' for outcome, number in sorted(count.items())) or 'nothing due'}"
    wrong = tuple(f"{one.subscriber}: {one.answer}" for one in sent if one.outcome not in {"delivered", "withheld"})
    return AreaOutcome("delivery", line, bool(count["dead"] or count["stopped"]), wrong, "", ())


def _scheduled_on() -> date:
    """Day for which this run was scheduled: a late start, or a retry after midnight, speaks for the same day."""
    when = getattr(_flow_run(), "expected_start_time", None)
    return (when or datetime.now(UTC)).date()


def _run_id() -> str:
    """Id of this run; no other run has it."""
    return str(getattr(_flow_run(), "id", ""))


def _flow_run() -> object:
    """The run of the flow, None outside of one."""
    try:
        return getattr(get_run_context(), "flow_run", None)
    except MissingContextError:
        return None


@flow(name="backfill", task_runner=RUNNER, log_prints=False)
def backfill(config: str, start: str, to: str, *, has_pictures: bool = True) -> list[AreaOutcome]:
    """Every area of a configuration, history from `start` read once, speaking for `to`."""
    return _nights(config, to, start, has_pictures=has_pictures)


@flow(name="train", log_prints=False)
def train(data: str, folder: str, worlds: int = 3) -> str:
    """A new model version from labelled data; returns its id."""
    return _train(data, folder, worlds)


@task(retries=0, timeout_seconds=2 * HOURS_S)
def _train(data: str, folder: str, worlds: int) -> str:
    """Training itself."""
    from pipeline.training.release import release_model  # noqa: PLC0415

    return release_model(Path(data), Path(folder), worlds)

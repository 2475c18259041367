"""How commands reach the flows: settings before Prefect is imported, a server that ends with us, plain results."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline.heap import keep_pages

PRIVATE = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
}
"""Settings that keep Prefect quiet; what the environment says already stays."""


@dataclass(frozen=True, slots=True)
class AreaOutcome:
    """What a night gave for one area: small enough to cross a task's boundary."""

    aoi: str
    line: str
    """One line for people."""
    is_failed: bool
    findings: tuple[str, ...]
    report: str
    """Path of the report; empty where there is none."""
    rows: tuple[dict[str, object], ...]
    """Rows of the table artifact: the night's alerts."""


def settle() -> None:
    """Put our settings into the environment and tell the heap what to keep, before Prefect and its threads are there."""
    keep_pages()
    for name, value in PRIVATE.items():
        os.environ.setdefault(name, value)


def run_nightly(config: Path, as_of: date, *, has_pictures: bool = True) -> Sequence[AreaOutcome]:
    """Return the outcomes of the nightly flow over all areas of a configuration.

    Raises
    ------
    ConfigInvalidError
        The configuration cannot be used.
    """
    from pipeline.config import load_config  # noqa: PLC0415

    load_config(config)
    settle()
    from pipeline.flows.local_server import local_server  # noqa: PLC0415 - imports Prefect, after the settings

    with local_server():
        from pipeline.flows.nights import nightly  # noqa: PLC0415

        return nightly(str(config.resolve()), as_of.isoformat(), has_pictures=has_pictures)


def run_backfill(config: Path, start: date, to: date, *, has_pictures: bool = True) -> Sequence[AreaOutcome]:
    """Return the outcomes of the backfill flow: history from `start` once, speaking for `to`."""
    from pipeline.config import load_config  # noqa: PLC0415

    load_config(config)
    settle()
    from pipeline.flows.local_server import local_server  # noqa: PLC0415

    with local_server():
        from pipeline.flows.nights import backfill  # noqa: PLC0415

        return backfill(str(config.resolve()), start.isoformat(), to.isoformat(), has_pictures=has_pictures)


def run_training(data: Path, folder: Path, worlds: int = 1) -> str:
    """Return the id of the model that the train flow made."""
    settle()
    from pipeline.flows.local_server import local_server  # noqa: PLC0415

    with local_server():
        from pipeline.flows.nights import train  # noqa: PLC0415

        return train(str(data), str(folder), worlds)


def serve_nightly(config: Path) -> None:
    """Serve the nightly flow with the configuration's cron, until stopped."""
    from pipeline.config import load_config  # noqa: PLC0415

    schedule = load_config(config).schedule
    settle()
    from pipeline.flows.local_server import local_server  # noqa: PLC0415

    with local_server():
        from prefect.schedules import Cron  # noqa: PLC0415

        from pipeline.flows.nights import nightly  # noqa: PLC0415

        nightly.serve(
            name=f"nightly-{config.stem}",
            schedule=Cron(schedule.cron, timezone=schedule.timezone),
            parameters={"config": str(config.resolve())},
        )

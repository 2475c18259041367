"""A Prefect server for as long as a command runs, and no longer, however the command ends.

Prefect's own temporary server outlives a parent that is killed. Ours holds the read end of a pipe: when the parent goes,
for whatever reason, the pipe closes and the server leaves.
"""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import PipelineError

STARTUP_S = 120.0
"""A slow machine takes a good ten seconds to make the server's database."""


LEAN = {
    "PREFECT_UI_ENABLED": "0", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
}  # fmt: skip
"""Settings of our own server: nobody looks at its pages, and events that nobody can ask for are not kept. Runs are."""


class PrefectServerError(PipelineError):
    """The local Prefect server did not start."""


def _free_port() -> int:
    """A TCP port that is free on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_healthy(url: str) -> bool:
    """Whether the server answers."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:  # noqa: S310 - loopback, our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def local_server() -> Iterator[None]:
    """Run the block against the configured Prefect server, or else against one of our own on loopback."""
    from prefect.settings import (  # noqa: PLC0415
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    if PREFECT_API_URL.value():
        yield
        return
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    with _start_of_one(Path(PREFECT_HOME.value())):
        process = _started(port)
        try:
            _wait(process, url)
        except BaseException:
            _end(process)
            raise
    # nobody asks this server whether a run still lives, and a run waits up to a second for the thread that says so
    silent = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    try:
        with temporary_settings({PREFECT_API_URL: url, PREFECT_LOGGING_TO_API_ENABLED: False, **silent}):
            yield
    finally:
        _end(process)


@contextmanager
def _start_of_one(home: Path) -> Iterator[None]:
    """Let one server after another start in a home: the first makes Prefect's database, and two at once break each other's."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "overburden-start.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _started(port: int) -> "subprocess.Popen[bytes]":
    """A server that ends when its standard input is closed."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "pipeline.flows.local_server", str(port)],
        stdin=subprocess.PIPE,
        env={**os.environ, **LEAN},
        start_new_session=True,  # an interrupt at the terminal is ours to handle, the server follows us
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Let a server end, by force where it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + STARTUP_S
    while not _is_healthy(url):
        if process.poll() is not None or time.monotonic() > until:
            raise PrefectServerError(
                f"the local Prefect server at {url} did not start (exit code {process.poll()}); expected it within "
                f"{STARTUP_S:.0f} s. Set PREFECT_API_URL to a server that runs, or use `overburden run`, which needs none"
            )
        time.sleep(0.1)


def _leave_with_parent() -> None:
    """End this process when its standard input closes: the parent is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


def main(port: int) -> None:
    """Serve Prefect's API on loopback until the parent goes."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    import uvicorn  # noqa: PLC0415
    from prefect.server.api.server import create_app  # noqa: PLC0415

    uvicorn.run(create_app(ephemeral=True), host="127.0.0.1", port=port, log_level="error", lifespan="on")


if __name__ == "__main__":
    main(int(sys.argv[1]))

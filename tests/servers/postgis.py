"""A PostgreSQL server with PostGIS of one's own: in a folder, on a socket in it, as a user that PostgreSQL agrees to."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class PostgisMissingError(RuntimeError):
    """PostgreSQL or PostGIS is not installed."""


def skip_or_fail(error: PostgisMissingError) -> None:
    """Skip with the reason; fail where the machine was told that it must not be skipped."""
    if os.environ.get("OVERBURDEN_NEEDS_POSTGIS"):
        pytest.fail(f"{error}, but OVERBURDEN_NEEDS_POSTGIS is set")
    pytest.skip(str(error))


class Postgis:
    """A running server that takes SQL and gives rows of text."""

    def __init__(self, binaries: Path, socket: Path, as_user: list[str]) -> None:
        self._socket = socket
        self.control = [*as_user, str(binaries / "pg_ctl"), "-D", str(socket / "data"), "-w", "-l", str(socket / "log")]
        self._command = [
            *as_user, str(binaries / "psql"), "-h", str(socket), "-d", "postgres", "-U", "postgres", "-X", "-q", "-A", "-t",
            "-F", "\t", "-v", "ON_ERROR_STOP=1", "-f", "-",
        ]  # fmt: skip

    def url(self, database: str) -> str:
        """Address of a new, empty database."""
        self.ask(f"CREATE DATABASE {database};")
        return f"postgresql:///{database}?host={self._socket}&user=postgres"

    def ask(self, sql: str) -> list[list[str]]:
        """Rows of the last statement, each a list of texts."""
        done = subprocess.run(self._command, input=sql, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    def cut_off(self) -> None:
        """End every session but the one that asks."""
        self.ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid();")

    def restart(self) -> None:
        """Stop the server in the middle of whatever it does, and start it again."""
        run = [*self.control, "-m", "immediate", "restart"]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def binaries() -> Path:
    """Folder of the server's programs, the newest version first."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        extensions = Path("/usr/share/postgresql") / folder.parent.name / "extension"
        if (folder / "initdb").exists() and (extensions / "postgis.control").exists():
            return folder
    raise PostgisMissingError("PostgreSQL with PostGIS is not installed (Debian: postgresql-15-postgis-3)")


@contextmanager
def running() -> Iterator[Postgis]:
    """Start a server, stop it after the block, and take its folder away."""
    programs = binaries()
    as_user: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="overburden-postgis-"))
    try:
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            as_user = [str(shutil.which("setpriv")), f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        run = [*as_user, str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(run, check=True, capture_output=True)
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        server = Postgis(programs, folder, as_user)
        subprocess.run([*server.control, "-o", options, "start"], check=True, capture_output=True)
        try:
            server.ask("CREATE EXTENSION postgis;")
            yield server
        finally:
            subprocess.run([*server.control, "-m", "immediate", "stop"], check=True, capture_output=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

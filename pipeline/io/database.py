"""Databases: a SQLite file by default, any SQLAlchemy URL else, with the tables of `io.tables` made when absent."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from pipeline.errors import StoreBusyError, StoreMismatchError, StoreUnreachableError
from pipeline.io import tables as t
from pipeline.io.events import EMPTY
from pipeline.io.journal import HEAD_FACT, fact_of

POSTGRESQL = "postgresql+psycopg"
"""Dialect and driver for addresses that begin with postgresql:// or postgres://."""
_MAKING = 0x6F766572
"""Key of the lock under which PostgreSQL makes tables: two runs may come first at once."""


def open_database(address: str | Path) -> sa.Engine:
    """Return an engine for a file or database URL that holds every table of this version.

    Raises
    ------
    StoreMismatchError
        It was written by another version, or is no store.
    StoreUnreachableError
        The server does not answer, lets nobody in, or its driver is not installed.
    """
    engine = engine_of(str(address))
    shown = engine.url.render_as_string(hide_password=True) if "://" in str(address) else str(address)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
            t.metadata.create_all(connection)
            found = connection.execute(sa.select(t.facts.c.value).where(t.facts.c.key == "version")).scalar()
            if found is None:
                connection.execute(t.facts.insert().values(key="version", value=t.STORE_VERSION))
                connection.execute(t.facts.insert().values(key=HEAD_FACT, value=fact_of(EMPTY)))
            elif found != t.STORE_VERSION:
                raise StoreMismatchError(f"{shown}: found store version {found}, expected {t.STORE_VERSION}; use a new store")
    except sa.exc.OperationalError as error:
        if engine.dialect.name == "sqlite":
            raise StoreMismatchError(f"{shown}: {error.orig}; expected a store of overburden; name another file") from error
        reason = " ".join(str(error.orig).split())
        raise StoreUnreachableError(
            f"{shown}: {reason}; expected a server that answers; check address, user and network"
        ) from error
    except sa.exc.DatabaseError as error:
        raise StoreMismatchError(f"{shown}: {error.orig}; expected a store of overburden; name another file") from error
    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Hold one transaction: all of the block is written, or nothing.

    Raises
    ------
    StoreUnreachableError
        The server went away in the middle; nothing of the block is written, and the next run goes on from there.
    StoreBusyError
        Another process holds a SQLite file for longer than anybody waits.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        shown, reason = engine.url.render_as_string(hide_password=True), " ".join(str(error.orig).split())
        if engine.dialect.name == "sqlite" and "locked" in reason:
            raise StoreBusyError(
                f"{shown}: {reason}; expected the file within a minute; stop the other run, then run again"
            ) from error
        if engine.dialect.name != "sqlite" and (error.connection_invalidated or isinstance(error, sa.exc.OperationalError)):
            raise StoreUnreachableError(f"{shown}: {reason}; nothing was lost; run again when the server answers") from error
        raise


def engine_of(text: str) -> sa.Engine:
    """Return the engine of a file or database URL; nothing is asked of it yet.

    Raises
    ------
    StoreMismatchError, StoreUnreachableError
        It is no address, or its driver is not installed.
    """
    if "://" not in text:
        Path(text).parent.mkdir(parents=True, exist_ok=True)
        text = f"sqlite:///{text}"
    try:
        url = sa.make_url(text)
        if url.drivername in {"postgresql", "postgres"}:
            url = url.set(drivername=POSTGRESQL)
        engine = sa.create_engine(url, poolclass=NullPool)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        raise StoreMismatchError(f"found no database address, expected a file, sqlite:/// or postgresql://: {error}") from error
    except ModuleNotFoundError as error:
        raise StoreUnreachableError(
            f"{url.render_as_string(hide_password=True)}: its driver {error.name} is not installed; for PostgreSQL: "
            "pip install 'overburden[postgresql]'"
        ) from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """WAL, so that readers never wait; foreign keys; a patient lock; every commit on disk."""
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=60000", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")

"""Databases: a SQLite file by default, any SQLAlchemy URL else, with the tables of `io.tables` made when absent."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from pipeline.errors import StoreMismatchError
from pipeline.io import tables as t
from pipeline.io.events import EMPTY
from pipeline.io.journal import HEAD_FACT, fact_of


def open_database(address: str | Path) -> sa.Engine:
    """Return an engine for a file or database URL that holds every table of this version.

    Raises
    ------
    StoreMismatchError
        It was written by another version, or is no store.
    """
    text = str(address)
    is_file = "://" not in text
    if is_file:
        Path(text).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{text}" if is_file else text, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    try:
        t.metadata.create_all(engine)
        with engine.begin() as connection:
            found = connection.execute(sa.select(t.facts.c.value).where(t.facts.c.key == "version")).scalar()
            if found is None:
                connection.execute(t.facts.insert().values(key="version", value=t.STORE_VERSION))
                connection.execute(t.facts.insert().values(key=HEAD_FACT, value=fact_of(EMPTY)))
            elif found != t.STORE_VERSION:
                raise StoreMismatchError(f"{text}: found store version {found}, expected {t.STORE_VERSION}; use a new store")
    except sa.exc.DatabaseError as error:
        raise StoreMismatchError(f"{text}: {error.orig}; expected a store of overburden; name another file") from error
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """WAL, so that readers never wait; foreign keys; a patient lock; every commit on disk."""
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=60000", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")

"""Who may run an area: one run at a time for each area of a store on a server, wherever the runs are."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from pipeline.errors import StoreBusyError, StoreUnreachableError
from pipeline.io.database import engine_of


@contextmanager
def sole_run(address: str, aoi_id: str) -> Iterator[None]:
    """Hold an area of a store on a server for as long as the block runs; the server lets go when this process dies.

    A store in a file is on one machine, where the lock of the area's folder is enough. The lock is a session of its own. Where
    the server ends that session the run goes on without it: what a second run does then is dropped by the store, which takes a
    chunk or a day only from a run that began where the store is.

    Raises
    ------
    StoreBusyError
        Another run holds the area.
    StoreUnreachableError
        The server does not answer.
    """
    engine = engine_of(address)
    if engine.dialect.name != "postgresql":
        yield
        return
    shown = engine.url.render_as_string(hide_password=True)
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        is_ours = bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(_number(aoi_id)))).scalar())
    except sa.exc.DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise StoreUnreachableError(
            f"{shown}: {reason}; expected a server that answers; check address, user and network"
        ) from error
    try:
        if not is_ours:
            raise StoreBusyError(
                f"{shown}: another run holds area {aoi_id}; its alerts will be the same: wait until it ends, or stop it, then "
                "run again"
            )
        yield
    finally:
        if is_ours:
            with suppress(sa.exc.DBAPIError):  # a session that closes is noticed later, and the next run may be quicker
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_number(aoi_id))))
        connection.invalidate()  # closes the session even where the server has gone
        connection.close()


def _number(aoi_id: str) -> int:
    """Number of an area's lock: 63 bits of its name's digest."""
    return int.from_bytes(hashlib.sha256(f"area {aoi_id}".encode()).digest()[:8], "big") >> 1

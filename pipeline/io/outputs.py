"""Files that appear whole or not at all."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StoreBusyError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old one or the new one, never a part: temporary file, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path) -> int:
    """Remove the temporary files that a killed run left under a folder; returns their number."""
    leftovers = [p for p in folder.rglob(".*.part") if p.is_file()] if folder.exists() else []
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold a lock for as long as the block runs; the system lets go of it when the process dies.

    Raises
    ------
    StoreBusyError
        Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreBusyError(
                f"{path}: another run holds the {what}; wait until it ends, or stop it, then run again"
            ) from error
        yield

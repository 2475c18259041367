"""Files that appear whole or not at all."""

import csv
import fcntl
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StoreBusyError


def write_whole(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file so that readers see the old one or the new one, never a part: temporary file, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""First characters by which a spreadsheet takes a text for a formula (OWASP, CSV injection)."""


def csv_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""Return a table as CSV (RFC 4180, UTF-8) in which no text is a formula: such a text begins with an apostrophe.

    Numbers stay as they are.

    Examples
    --------
    >>> csv_text(["id", "ha"], [["=1+1", -0.5]])
    "id,ha\r\n'=1+1,-0.5\r\n"
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerows([_cell(value) for value in row] for row in [head, *rows])
    return out.getvalue()


def _cell(value: object) -> object:
    """A value that no spreadsheet runs."""
    if value is None or isinstance(value, int | float):
        return "" if value is None else value
    text = str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_SIGNS) or text.startswith(FORMULA_SIGNS) else text


def print_columns(rows: Sequence[Sequence[str]], tell: Callable[[str], None]) -> None:
    """Tell a table line by line, its columns under each other; the first row is the head."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        tell("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


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

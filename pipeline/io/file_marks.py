"""Marks of files: whether one is still the file that it was, without reading it.

A mark is size, time of the last change of the content, and time of the last change at all (which nobody can set back). What
has other marks may still hold the same bytes; what has the same marks is taken to.
"""

import os
from collections.abc import Iterator
from pathlib import Path

Mark = tuple[int, int, int] | None
"""Bytes, nanoseconds of the last change of content, and of any change; None where there is no such file."""
SKIPPED = ("__pycache__",)
"""Folders that Python writes by itself."""


def mark_of(path: str | Path) -> Mark:
    """Return the mark of a file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a tenth of the time of Path.stat, of thousands of files a night
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def marks_below(folder: str | Path) -> list[tuple[str, Mark]]:
    """Return path and mark of every file in a folder and its children, in order of path; none where there is no folder.

    Hidden files are left out: locks, and parts that a kill left.
    """
    return sorted((path, mark_of(path)) for path in _files(str(folder)))


def _files(folder: str) -> Iterator[str]:
    """Every file in a folder and its children that is not hidden."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in SKIPPED:
            continue
        if not entry.is_dir():
            yield entry.path
        else:
            yield from _files(entry.path)


class Marker:
    """Marks of files that many areas share, each folder listed once. One serves one moment: make another one later."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._below: dict[str, list[tuple[str, Mark]]] = {}

    def below(self, folder: str | Path) -> list[tuple[str, Mark]]:
        """Return `marks_below` of a folder."""
        key = str(folder)
        if key not in self._below:
            self._below[key] = marks_below(key)
        return self._below[key]

    def with_companions(self, path: str | Path) -> list[tuple[str, Mark]]:
        """Return the marks of a file and of the files beside it whose names begin alike, or of all in it where it is a folder.

        A shapefile is several files, and a GeoPackage may have a log.
        """
        place = Path(path)
        if place.is_dir():
            return self.below(place)
        folder = str(place.parent)
        if folder not in self._names:
            try:
                self._names[folder] = sorted(os.listdir(folder))  # noqa: PTH208 - names alone
            except OSError:
                self._names[folder] = []
        alike = (f"{place.stem}.", place.name)
        beside = [os.path.join(folder, n) for n in self._names[folder] if n.startswith(alike)]  # noqa: PTH118
        return [(name, mark_of(name)) for name in sorted({str(place), *beside})]

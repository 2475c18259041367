"""Numbers of one raster on a grid: each block of a file is decoded once, however many chunks it lies under.

A chunk and its margin seldom end where the blocks of a file do: read by itself, each chunk decodes the blocks at its edges
again, about twice the work at chunks of one block. `Panes` keeps decoded blocks until their neighbours have used them too.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from math import ceil, floor
from threading import Lock

import numpy as np
import rasterio
from numba import njit
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from pipeline.io.blocks import read_blocks
from pipeline.io.windows import Opener, open_path

LEAST_PANE_PX = 1 << 18
"""Blocks smaller than this (of 256 pixels, or rows of a file that is not tiled) are taken several at a time."""
HELD_BYTES = 384 << 20
"""Two rows of blocks of 1,024 of seven files of a tile are 290 MB."""
GDAL_CACHE_MB = 64
"""GDAL would keep the blocks of files that stay open as well, up to a twentieth of the machine's memory."""
IDLE_FILES = 256
"""Files that stay open for the next chunk: those of a back-fill of 36 scenes; a process may open a thousand."""
Key = tuple[object, ...]


class Panes:
    """Decoded blocks of files, the last used ones up to a number of bytes; threads share them, and decode each once."""

    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        self._limit = held_bytes
        self._held: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._coming: dict[Key, Future[np.ndarray]] = {}
        self._idle: OrderedDict[Key, list[rasterio.DatasetReader]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    @contextmanager
    def opened(self, opener: Opener, href: str) -> Iterator[rasterio.DatasetReader]:
        """Hold an opened raster; one on this machine stays open for the next chunk, and is used by one thread at a time."""
        if opener is not open_path:
            with opener(href) as source:
                yield source
            return
        key = _identity(href)
        with self._lock:
            idle = self._idle.get(key)
            source = idle.pop() if idle else None
        if source is None:
            source = open_path(href)
        try:
            yield source
        except BaseException:
            source.close()
            raise
        with self._lock:
            self._idle.setdefault(key, []).append(source)
            self._idle.move_to_end(key)
            last = self._idle.popitem(last=False)[1] if len(self._idle) > IDLE_FILES else []
        for one in last:
            one.close()

    def get(self, key: Key, read: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the block of a key, read where it is not held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
            coming = self._coming.get(key)
            mine = self._coming.setdefault(key, Future())
        if coming is not None:
            return coming.result()
        try:
            block = read()
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            mine.set_exception(error)
            raise
        self._keep(key, block)
        mine.set_result(block)
        return block

    def _keep(self, key: Key, block: np.ndarray) -> None:
        """Hold a block, and let go of those that were not asked for the longest."""
        with self._lock:
            self._held[key] = block
            del self._coming[key]
            self._bytes += block.nbytes
            while self._bytes > self._limit:
                self._bytes -= self._held.popitem(last=False)[1].nbytes


def read_band(
    opener: Opener, href: str, grid: GeoBox, nodata: int, *, is_classes: bool, panes: Panes | None = None
) -> np.ndarray:
    """Return the numbers of one file on the grid; `nodata` outside of the file.

    Where the pixels of the file are those of the grid they are taken as they are; coarser pixels whose edges are edges of the
    grid, and any others, are resampled: bilinear, classes by the nearest.
    """
    with opener(href) if panes is None else panes.opened(opener, href) as source:
        place = _place(source, grid)
        if place is None:
            return _warped(source, grid, nodata, is_classes=is_classes)
        column, row, times = place
        if times == 1:
            return _window(source, Window(column, row, grid.shape[1], grid.shape[0]), nodata, panes)
        left, top = floor(column / times) - 1, floor(row / times) - 1
        right, bottom = ceil((column + grid.shape[1]) / times) + 1, ceil((row + grid.shape[0]) / times) + 1
        coarse = _window(source, Window(left, top, right - left, bottom - top), nodata, panes)
    if is_classes:
        rows, columns = (
            (np.arange(n) + at) // times - o for n, at, o in zip(grid.shape, (row, column), (top, left), strict=True)
        )
        return coarse[rows].take(columns, axis=1)
    fine = np.empty(grid.shape, coarse.dtype)
    _refine(coarse, fine, (row - top * times, column - left * times), times, nodata)
    return fine


def _place(source: rasterio.DatasetReader, grid: GeoBox) -> tuple[int, int, int] | None:
    """Where a grid begins in pixels of its own from the corner of a file, and how many make one of the file's.

    None where the file's edges are no edges of the grid.
    """
    if source.crs is None or _epsg_of(source.crs.wkt) != grid.crs.to_epsg():
        return None
    own, want = source.transform, grid.affine
    times = round(own.a / want.a)
    if times < 1 or abs(own.a - times * want.a) > 1e-9 or abs(own.e - times * want.e) > 1e-9 or own.b or own.d:
        return None
    column, row = (want.c - own.c) / want.a, (want.f - own.f) / want.e
    if abs(column - round(column)) > 1e-3 or abs(row - round(row)) > 1e-3:
        return None
    return round(column), round(row), times


@lru_cache(maxsize=64)
def _epsg_of(wkt: str) -> int | None:
    """The number of a CRS; to look for it takes longer than to open a file."""
    return rasterio.CRS.from_wkt(wkt).to_epsg()


def _warped(source: rasterio.DatasetReader, grid: GeoBox, nodata: int, *, is_classes: bool) -> np.ndarray:
    """The file resampled onto a grid of another CRS or pixel."""
    resampling = Resampling.nearest if is_classes else Resampling.bilinear
    with WarpedVRT(
        source, crs=f"EPSG:{grid.crs.to_epsg()}", transform=grid.affine, height=grid.shape[0], width=grid.shape[1],
        resampling=resampling, src_nodata=nodata, nodata=nodata,
    ) as warped:  # fmt: skip
        return np.asarray(warped.read(1))


def _window(source: rasterio.DatasetReader, window: Window, nodata: int, panes: Panes | None) -> np.ndarray:
    """Numbers of a window that may reach past the file; `nodata` there.

    rasterio's own reading past the edge goes through a virtual warp, which is slower.
    """
    top, left = max(window.row_off, 0), max(window.col_off, 0)
    bottom = min(window.row_off + window.height, source.height)
    right = min(window.col_off + window.width, source.width)
    out = np.empty((window.height, window.width), source.dtypes[0])
    if (top, left, bottom - top, right - left) != (window.row_off, window.col_off, window.height, window.width):
        out[:] = nodata
    if top >= bottom or left >= right:
        return out
    inner = Window(left, top, right - left, bottom - top)
    target = out[top - window.row_off : bottom - window.row_off, left - window.col_off : right - window.col_off]
    if panes is None:
        target[:] = source.read(1, window=inner)
        return out
    name = _identity(source.name)
    for pane in _panes_under(source, inner):
        block = panes.get((name, pane.row_off, pane.col_off), partial(read_blocks, source, pane))
        y0, y1 = max(top, pane.row_off), min(bottom, pane.row_off + pane.height)
        x0, x1 = max(left, pane.col_off), min(right, pane.col_off + pane.width)
        part = block[y0 - pane.row_off : y1 - pane.row_off, x0 - pane.col_off : x1 - pane.col_off]
        target[y0 - top : y1 - top, x0 - left : x1 - left] = part
    return out


def _panes_under(source: rasterio.DatasetReader, window: Window) -> Iterator[Window]:
    """The whole blocks of a file under a window, several as one where they are small."""
    height, width = source.block_shapes[0]
    height *= max(1, LEAST_PANE_PX // (height * width))
    for row in range(window.row_off // height * height, window.row_off + window.height, height):
        for column in range(window.col_off // width * width, window.col_off + window.width, width):
            yield Window(column, row, min(width, source.width - column), min(height, source.height - row))


def _identity(name: str) -> Key:
    """What tells a file from an earlier one under the same name, where it lies on this machine."""
    with suppress(OSError):
        found = os.stat(name)  # noqa: PTH116 - asked for every window; a path object costs more than the question
        return name, found.st_mtime_ns, found.st_size, found.st_ino
    return (name,)


@njit(cache=True, nogil=True, error_model="numpy")
def _refine(coarse: np.ndarray, fine: np.ndarray, begin: tuple[int, int], times: int, nodata: int) -> None:
    """Write pixels between the centres of coarser ones: bilinear over those with data, rounded to the nearest, halves up.

    As GDAL does it, what lies in a pixel without data has none. `begin` is the first fine pixel in fine pixels from the corner
    of the coarse array, which has a rim of one pixel.
    """
    width = fine.shape[1]
    own, left, right = np.empty(width, np.int64), np.empty(width, np.int64), np.empty(width, np.float64)
    for x in range(width):
        own[x], left[x], right[x] = _between(begin[1] + x, times)
    mixed = np.empty(coarse.shape[1], np.float64)
    for y in range(fine.shape[0]):
        row, i, down = _between(begin[0] + y, times)
        if _mix(mixed, coarse[i], coarse[i + 1], down, nodata):
            for x in range(width):
                fine[y, x] = np.floor(mixed[left[x]] * (1.0 - right[x]) + mixed[left[x] + 1] * right[x] + 0.5)
            continue
        for x in range(width):
            if coarse[row, own[x]] == nodata:
                fine[y, x] = nodata
            else:
                fine[y, x] = np.floor(_blend(coarse[i : i + 2, left[x] : left[x] + 2], down, right[x], nodata) + 0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def _mix(mixed: np.ndarray, upper: np.ndarray, lower: np.ndarray, down: float, nodata: int) -> bool:
    """Write what lies between two rows; returns whether all of both have data."""
    gaps = np.uint8(0)
    for x in range(len(mixed)):
        mixed[x] = upper[x] * (1.0 - down) + lower[x] * down
        gaps |= np.uint8(upper[x] == nodata) | np.uint8(lower[x] == nodata)
    return bool(gaps == 0)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _between(place: int, times: int) -> tuple[int, int, float]:
    """In which coarse pixel a fine one lies, after the centre of which one it comes, and how far."""
    at = (place + 0.5) / times - 0.5
    return place // times, int(at), at - int(at)


@njit(cache=True, nogil=True, error_model="numpy")
def _blend(corners: np.ndarray, down: float, right: float, nodata: int) -> float:
    """The value between those of four pixels (2, 2) that have data; one has."""
    total, weight = 0.0, 0.0
    for i in range(2):
        for j in range(2):
            if corners[i, j] != nodata:
                w = (down if i else 1.0 - down) * (right if j else 1.0 - right)
                total += w * corners[i, j]
                weight += w
    return total / weight

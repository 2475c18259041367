"""Arrays in one file: each is read alone, and what a night asks for here and there is not packed but mapped into memory.

The file begins with a line of JSON that says of each array its type, shape, where it begins, how long it is and how it is
stored: `zstd` (bytes of equal weight side by side, then Zstandard) or `raw`, on multiples of 64 bytes. The same arrays give
the same bytes.
"""

import io
import json
import mmap
import os
from collections.abc import Collection, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import zstandard
from numba import njit

from pipeline.errors import StoreMismatchError

MAGIC = b"overburden arrays 1\n"
ALIGNED = 64
LEVEL = 1
"""Of Zstandard: a higher one takes three times as long for a tenth less."""


def pack_arrays(arrays: Mapping[str, np.ndarray], raw: Collection[str] = ()) -> bytes:
    """Return arrays as the bytes of a file; those named in `raw` are not packed."""
    head: dict[str, Any] = {}
    parts: list[bytes] = []
    at = 0
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        data = array.tobytes() if name in raw else _packed(array)
        stored = "raw" if name in raw else "zstd"
        head[name] = {"at": at, "bytes": len(data), "dtype": array.dtype.str, "shape": list(array.shape), "stored": stored}
        parts += [data, bytes(-len(data) % ALIGNED)]
        at += len(data) + len(parts[-1])
    line = MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n"
    return b"".join([line, b" " * (-len(line) % ALIGNED), *parts])


def _packed(array: np.ndarray) -> bytes:
    """An array packed: the low bytes of all numbers first, which alike high ones then follow."""
    numbers = _numbers(array)
    planes = np.empty((array.dtype.itemsize, array.size), np.uint8)
    _split(planes, numbers, _shifts(numbers.dtype))
    return bytes(zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(planes.data))


def _numbers(array: np.ndarray) -> np.ndarray:
    """An array as flat unsigned numbers of as many bytes."""
    return array.reshape(-1).view(f"u{array.dtype.itemsize}")


def _shifts(kind: np.dtype) -> np.ndarray:
    """By how many bits each byte of a number lies above the lowest."""
    return (8 * np.arange(kind.itemsize)).astype(kind)


@njit(cache=True, nogil=True)
def _split(planes: np.ndarray, numbers: np.ndarray, shifts: np.ndarray) -> None:
    """Write the bytes of numbers (n) into planes (byte, n)."""
    for k in range(len(shifts)):
        shift = shifts[k]
        for i in range(len(numbers)):
            planes[k, i] = numbers[i] >> shift


@njit(cache=True, nogil=True)
def _join(numbers: np.ndarray, planes: np.ndarray, shifts: np.ndarray) -> None:
    """Write numbers (n) of the planes of their bytes."""
    for i in range(len(numbers)):
        numbers[i] = planes[0, i]
    for k in range(1, len(shifts)):
        shift = shifts[k]
        for i in range(len(numbers)):
            numbers[i] |= planes[k, i] << shift


def unpack_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of bytes that `pack_arrays` made."""
    head, begin = _read_head(io.BytesIO(data), len(data))
    return {name: _unpacked(of, data, begin) for name, of in head.items()}


def _unpacked(of: Mapping[str, Any], held: bytes | mmap.mmap, begin: int) -> np.ndarray:
    """One array of a file."""
    at, dtype, shape = begin + of["at"], np.dtype(of["dtype"]), tuple(of["shape"])
    if of["stored"] == "raw":
        return np.frombuffer(held, dtype, int(np.prod(shape)), at).reshape(shape)
    data = zstandard.ZstdDecompressor().decompress(held[at : at + of["bytes"]])
    expected = prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise ValueError(f"found an array of {len(data)} bytes, expected {expected} of {dtype} {shape}")
    whole = np.empty(shape, dtype)
    _join(_numbers(whole), np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1), _shifts(_numbers(whole).dtype))
    return whole


def _read_head(file: BinaryIO, size: int) -> tuple[dict[str, dict[str, Any]], int]:
    """What a file holds, and where its arrays begin."""
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError(f"found another beginning than {MAGIC.decode().strip()!r}")
    line = file.readline()
    head: dict[str, dict[str, Any]] = json.loads(line)
    begin = -(-(len(MAGIC) + len(line)) // ALIGNED) * ALIGNED
    end = begin + max(of["at"] + of["bytes"] for of in head.values())
    if size < end:
        raise ValueError(f"found {size} bytes of {end}")
    return head, begin


class ArrayFile:
    """The arrays of a file, each read when it is asked for.

    Raises
    ------
    StoreMismatchError
        The file that the store names is absent, damaged, or written by another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                self.head, self._begin = _read_head(file, os.fstat(file.fileno()).st_size)
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError, KeyError) as error:
            raise self._refused(error) from error

    def read(self, name: str) -> np.ndarray:
        """Return one array: a raw one as a view of the file, into which nothing that is written gets."""
        try:
            return _unpacked(self.head[name], self._map, self._begin)
        except (KeyError, ValueError, zstandard.ZstdError) as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> StoreMismatchError:
        return StoreMismatchError(
            f"{self._path}: {error}; the store names this state file; bring it back, or start again in an empty folder"
        )

"""State of a chunk in storage: arrays in one file with a name of their own, swapped in by the store's transaction."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import zstandard

from pipeline.errors import StoreMismatchError
from pipeline.io.arrays import ArrayFile, pack_arrays, unpack_arrays
from pipeline.io.storage import Storage
from pipeline.io.store import ChunkState
from pipeline.monitor import PixelState, state_arrays, state_of
from pipeline.reference import FLOOR_PERIODS, Past, PastOnDay, Reference, period_of

SUFFIX = ".arrays"
_DAY = re.compile(r"-(\d{8})-")
_RAW = ("coefficients", "near", "ndvi_spread")
"""Of which a night reads few pixels: they are mapped into memory, those of a pixel side by side."""
_FLOORS = tuple(f"floor_{period:02d}" for period in range(FLOOR_PERIODS))
_REFERENCE = ("coefficients", "is_seasonal", "kind", "looks", "ndvi_spread", "near", "peak", *_FLOORS)


def _reference_arrays(reference: Reference) -> dict[str, np.ndarray]:
    """What is stored of a reference."""
    plain = {name: getattr(reference, name) for name in ("is_seasonal", "kind", "looks", "ndvi_spread", "peak")}
    floors = {f"floor_{period:02d}": plane for period, plane in enumerate(reference.floor)}
    coefficients = np.moveaxis(reference.coefficients, (0, 1), (2, 3))
    return {**plain, **floors, "coefficients": coefficients, "near": np.moveaxis(reference.near, 0, 2)}


@dataclass(frozen=True)
class StoredReference:
    """A reference on disk, of which a day reads what it needs: a floor, the peak, and the pages of the pixels it asks for."""

    file: ArrayFile

    @cached_property
    def _coefficients(self) -> np.ndarray:
        """int16 (3, band, y, x), those of a pixel side by side."""
        return np.moveaxis(self.file.read("coefficients"), (2, 3), (0, 1))

    @cached_property
    def _kind(self) -> np.ndarray:
        return self.file.read("kind")

    @cached_property
    def _peak(self) -> np.ndarray:
        return self.file.read("peak")

    def on(self, day: date) -> PastOnDay:
        """Return what it says of a day."""
        floor = self.file.read(f"floor_{period_of(day):02d}")
        return PastOnDay(day, self._kind, floor, self._peak, self._coefficients, self.file.read("ndvi_spread"))

    def level_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the level of some pixels (flat indices): int16 (n, band), ten-thousandths of reflectance."""
        side_by_side = self.file.read("coefficients")
        return side_by_side.reshape(-1, *side_by_side.shape[2:])[rows, 0]

    def near_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the neighbourhood of some pixels (flat indices): uint8 (n, 3)."""
        near = self.file.read("near")
        return near.reshape(-1, near.shape[2])[rows]

    def whole(self) -> Reference:
        """Return all of it in memory."""
        floors = np.stack([self.file.read(name) for name in _FLOORS])
        looks, spread, seasonal = (self.file.read(name) for name in ("looks", "ndvi_spread", "is_seasonal"))
        return Reference(self._coefficients, spread, looks, seasonal, floors, np.moveaxis(self.file.read("near"), 2, 0))


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The state files of one area.

    A name ends with a digest of the content, so that two runs write either the same bytes or two files.
    """

    storage: Storage

    def write_state(self, name: str, state: PixelState | np.ndarray) -> str:
        """Write the state of a chunk (or its count of looks while the reference is awaited); returns the file name."""
        arrays = {"count": state} if isinstance(state, np.ndarray) else state_arrays(state)
        return self._put(name, pack_arrays(arrays))

    def read_state(self, file: str) -> PixelState | np.ndarray:
        """Return what `write_state` wrote.

        Raises
        ------
        StoreMismatchError
            The file that the store names is absent or damaged.
        StorageUnreachableError
            Nobody can tell: its storage does not answer.
        """
        with self._refusing(file):
            arrays = unpack_arrays(self.storage.read_bytes(file))
            return arrays["count"] if "count" in arrays else state_of(arrays)

    def write_reference(self, name: str, reference: Reference) -> str:
        """Write a reference; returns the file name."""
        return self._put(name, pack_arrays(_reference_arrays(reference), _RAW))

    def read_reference(self, file: str) -> Past:
        """Return what `write_reference` wrote; its arrays are read as they are asked for.

        Raises
        ------
        StoreMismatchError
            The file is absent, damaged, or of a software with another layout.
        """
        with self._refusing(file):
            held = ArrayFile(self.storage.local_copy(file))
        if set(held.head) != set(_REFERENCE):
            odd = ", ".join(sorted(set(held.head) ^ set(_REFERENCE)))
            raise StoreMismatchError(
                f"{self.storage.shown(file)}: found {len(held.head)} arrays; expected {len(_REFERENCE)}, floors of "
                f"{FLOOR_PERIODS} periods; other: {odd}: another version of the software wrote it. Start in an empty folder"
            )
        return StoredReference(held)

    def keep_only(self, chunks: Mapping[str, ChunkState]) -> None:
        """Remove every file that the store does not name and never will.

        `chunks` is what the store says, asked before. Another run may be about to name a file of a later day than its chunk
        has: such a file stays. One of the same or an earlier day cannot be named any more, since a chunk only goes forward.
        """
        named = {file for c in chunks.values() for file in (c.state_file, c.reference_file)}
        for name in self.storage.names():
            if name not in named and _is_past(name, chunks):
                self.storage.remove(name)

    @contextmanager
    def _refusing(self, file: str) -> Iterator[None]:
        """Tell by name what is wrong with a file that the store names."""
        try:
            yield
        except (OSError, ValueError, KeyError, zstandard.ZstdError) as error:
            raise StoreMismatchError(
                f"{self.storage.shown(file)}: {error}; the store names this state file; bring it back, or start again in an "
                "empty folder"
            ) from error

    def _put(self, name: str, content: bytes) -> str:
        """Write a file; returns its name."""
        file = f"{name}-{hashlib.sha256(content).hexdigest()[:12]}{SUFFIX}"
        self.storage.write_whole(file, content)
        return file


def _is_past(name: str, chunks: Mapping[str, ChunkState]) -> bool:
    """Whether a file is of a day that its chunk has left behind."""
    found = _DAY.search(name)
    owner = next((c for chunk_id, c in chunks.items() if name.startswith(f"{chunk_id}-")), None)
    return found is not None and owner is not None and found[1] <= f"{owner.last_day:%Y%m%d}"

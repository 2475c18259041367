"""State of a chunk on disk: arrays in one file with a name of their own, swapped in by the store's transaction."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.errors import StoreMismatchError
from pipeline.io.arrays import ArrayFile, pack_arrays
from pipeline.io.outputs import write_whole
from pipeline.monitor import PixelState, state_arrays, state_of
from pipeline.reference import FLOOR_PERIODS, Past, PastOnDay, Reference, period_of

SUFFIX = ".arrays"
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
        y, x = np.divmod(rows, self._kind.shape[1])
        return self._coefficients[0][:, y, x].T

    def near_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the neighbourhood of some pixels (flat indices): uint8 (n, 3)."""
        y, x = np.divmod(rows, self._kind.shape[1])
        return self.file.read("near")[y, x]

    def whole(self) -> Reference:
        """Return all of it in memory."""
        floors = np.stack([self.file.read(name) for name in _FLOORS])
        looks, spread, seasonal = (self.file.read(name) for name in ("looks", "ndvi_spread", "is_seasonal"))
        return Reference(self._coefficients, spread, looks, seasonal, floors, np.moveaxis(self.file.read("near"), 2, 0))


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Folder of the state files of one area."""

    path: Path

    def write_state(self, name: str, state: PixelState | np.ndarray) -> str:
        """Write the state of a chunk (or its count of looks while the reference is awaited); returns the file name."""
        arrays = {"count": state} if isinstance(state, np.ndarray) else state_arrays(state)
        write_whole(self.path / f"{name}{SUFFIX}", pack_arrays(arrays))
        return f"{name}{SUFFIX}"

    def read_state(self, file: str) -> PixelState | np.ndarray:
        """Return what `write_state` wrote."""
        held = ArrayFile(self.path / file)
        return held.read("count") if "count" in held.head else state_of({name: held.read(name) for name in held.head})

    def write_reference(self, name: str, reference: Reference) -> str:
        """Write a reference; returns the file name."""
        write_whole(self.path / f"{name}{SUFFIX}", pack_arrays(_reference_arrays(reference), _RAW))
        return f"{name}{SUFFIX}"

    def read_reference(self, file: str) -> Past:
        """Return what `write_reference` wrote; its arrays are read as they are asked for.

        Raises
        ------
        StoreMismatchError
            The file is absent, damaged, or of a software with another layout.
        """
        held = ArrayFile(self.path / file)
        if set(held.head) != set(_REFERENCE):
            odd = ", ".join(sorted(set(held.head) ^ set(_REFERENCE)))
            raise StoreMismatchError(
                f"{self.path / file}: found {len(held.head)} arrays; expected {len(_REFERENCE)}, floors of {FLOOR_PERIODS} "
                f"periods; other: {odd}: another version of the software wrote it. Start again in an empty folder"
            )
        return StoredReference(held)

    def keep_only(self, files: set[str]) -> None:
        """Remove every state file that the store does not name."""
        for path in self.path.glob(f"*{SUFFIX}"):
            if path.name not in files:
                path.unlink(missing_ok=True)

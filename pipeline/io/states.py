"""State of a chunk on disk: arrays in one file with a name of their own, swapped in by the store's transaction."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import StoreMismatchError
from pipeline.io.outputs import write_whole
from pipeline.monitor import PixelState, state_arrays
from pipeline.reference import FLOOR_PERIODS, Reference

_REFERENCE = ("coefficients", "spread", "looks", "is_seasonal", "floor", "near")


def _pack(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as an npz of stable bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted(arrays):
            plain = io.BytesIO()
            np.lib.format.write_array(plain, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), plain.getvalue(), zipfile.ZIP_DEFLATED, 1)
    return buffer.getvalue()


def unpack(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a state file.

    Raises
    ------
    StoreMismatchError
        The file that the store names is absent or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise StoreMismatchError(
            f"{path}: {error}; the store names this state file; bring it back, or start again in an empty folder"
        ) from error


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Folder of the state files of one area."""

    path: Path

    def write_state(self, name: str, state: PixelState | np.ndarray) -> str:
        """Write the state of a chunk (or its count of looks while the reference is awaited); returns the file name."""
        arrays = {"count": state} if isinstance(state, np.ndarray) else state_arrays(state)
        write_whole(self.path / f"{name}.npz", _pack(arrays))
        return f"{name}.npz"

    def read_state(self, file: str) -> PixelState | np.ndarray:
        """Return what `write_state` wrote."""
        arrays = unpack(self.path / file)
        return arrays["count"] if "count" in arrays else PixelState(**arrays)

    def write_reference(self, name: str, reference: Reference) -> str:
        """Write a reference; returns the file name."""
        write_whole(self.path / f"{name}.npz", _pack({k: getattr(reference, k) for k in _REFERENCE}))
        return f"{name}.npz"

    def read_reference(self, file: str) -> Reference:
        """Return what `write_reference` wrote.

        Raises
        ------
        StoreMismatchError
            The file is absent, damaged, or of a software with another layout.
        """
        arrays = unpack(self.path / file)
        fits = set(arrays) == set(_REFERENCE) and len(arrays["floor"]) == FLOOR_PERIODS
        if not fits:
            held = ", ".join(f"{name} {array.shape}" for name, array in sorted(arrays.items()))
            raise StoreMismatchError(
                f"{self.path / file}: found {held}; expected {', '.join(sorted(_REFERENCE))} with floors of {FLOOR_PERIODS} "
                "periods: another version of the software wrote it. Start again in an empty folder"
            )
        return Reference(**arrays)

    def keep_only(self, files: set[str]) -> None:
        """Remove every state file that the store does not name."""
        for path in self.path.glob("*.npz"):
            if path.name not in files:
                path.unlink(missing_ok=True)

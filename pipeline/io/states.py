"""State of a chunk in storage: arrays in one file with a name of their own, swapped in by the store's transaction."""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.errors import StoreMismatchError
from pipeline.io.storage import Storage
from pipeline.io.store import ChunkState
from pipeline.monitor import PixelState, state_arrays
from pipeline.reference import FLOOR_PERIODS, Reference

_DAY = re.compile(r"-(\d{8})-")
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


def unpack(storage: Storage, file: str) -> dict[str, np.ndarray]:
    """Return the arrays of a state file.

    Raises
    ------
    StoreMismatchError
        The file that the store names is absent or damaged.
    StorageUnreachableError
        Nobody can tell: its storage does not answer.
    """
    try:
        with np.load(io.BytesIO(storage.read_bytes(file)), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise StoreMismatchError(
            f"{storage.shown(file)}: {error}; the store names this state file; bring it back, or start again in an empty folder"
        ) from error


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The state files of one area.

    A name ends with a digest of the content, so that two runs write either the same bytes or two files.
    """

    storage: Storage

    def write_state(self, name: str, state: PixelState | np.ndarray) -> str:
        """Write the state of a chunk (or its count of looks while the reference is awaited); returns the file name."""
        arrays = {"count": state} if isinstance(state, np.ndarray) else state_arrays(state)
        return self._put(name, _pack(arrays))

    def read_state(self, file: str) -> PixelState | np.ndarray:
        """Return what `write_state` wrote."""
        arrays = unpack(self.storage, file)
        return arrays["count"] if "count" in arrays else PixelState(**arrays)

    def write_reference(self, name: str, reference: Reference) -> str:
        """Write a reference; returns the file name."""
        return self._put(name, _pack({k: getattr(reference, k) for k in _REFERENCE}))

    def read_reference(self, file: str) -> Reference:
        """Return what `write_reference` wrote.

        Raises
        ------
        StoreMismatchError
            The file is absent, damaged, or of a software with another layout.
        """
        arrays = unpack(self.storage, file)
        fits = set(arrays) == set(_REFERENCE) and len(arrays["floor"]) == FLOOR_PERIODS
        if not fits:
            held = ", ".join(f"{name} {array.shape}" for name, array in sorted(arrays.items()))
            raise StoreMismatchError(
                f"{self.storage.shown(file)}: found {held}; expected {', '.join(sorted(_REFERENCE))} with floors of "
                f"{FLOOR_PERIODS} periods: another version of the software wrote it. Start again in an empty folder"
            )
        return Reference(**arrays)

    def keep_only(self, chunks: Mapping[str, ChunkState]) -> None:
        """Remove every file that the store does not name and never will.

        `chunks` is what the store says, asked before. Another run may be about to name a file of a later day than its chunk
        has: such a file stays. One of the same or an earlier day cannot be named any more, since a chunk only goes forward.
        """
        named = {file for c in chunks.values() for file in (c.state_file, c.reference_file)}
        for name in self.storage.names():
            if name not in named and _is_past(name, chunks):
                self.storage.remove(name)

    def _put(self, name: str, content: bytes) -> str:
        """Write a file; returns its name."""
        file = f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.npz"
        self.storage.write_whole(file, content)
        return file


def _is_past(name: str, chunks: Mapping[str, ChunkState]) -> bool:
    """Whether a file is of a day that its chunk has left behind."""
    found = _DAY.search(name)
    owner = next((c for chunk_id, c in chunks.items() if name.startswith(f"{chunk_id}-")), None)
    return found is not None and owner is not None and found[1] <= f"{owner.last_day:%Y%m%d}"

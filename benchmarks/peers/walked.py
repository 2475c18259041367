"""Our monitor on the Romanian forest, as the nightly run walks it, watched while it goes."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from unittest import mock

import numpy as np
import xarray as xr

from pipeline.io.pixels import Reading, read_cube
from pipeline.monitor import PixelCode, PixelState
from pipeline.stages import chunks


@dataclass
class Witness:
    """What was seen of our monitor while `update_chunk` ran."""

    days: list[date] = field(default_factory=list)
    """Days of the monitored looks."""
    codes: list[np.ndarray] = field(default_factory=list)
    """uint8 (y, x): `PixelCode` after each of them."""
    seconds: dict[str, float] = field(default_factory=lambda: {"fit_reference": 0.0, "monitor_look": 0.0})
    """Time in the two functions that do what a peer's `fit` and `monitor` do, without reading of files."""
    fits: list[float] = field(default_factory=list)
    """Seconds of each fit of a reference: the first, then the renewals."""

    def first_days(self, code: PixelCode) -> np.ndarray:
        """Return the first day on which each pixel had a code or a higher one: datetime64[D] (y, x), NaT for never.

        A pixel that was cleared afterwards keeps its day: an alarm that was withdrawn was an alarm.
        """
        reached = np.stack(self.codes) >= code
        day = np.array(self.days, "datetime64[D]")[reached.argmax(axis=0)]
        return np.where(reached.any(axis=0), day, np.datetime64("NaT", "D"))


def forest_cube(work: chunks.ChunkWork) -> xr.Dataset:
    """Return all looks at the forest that the run can use, with the clear mask that every monitor is given."""
    cube = read_cube(work.acquisitions, work.chunk.geobox, Reading(dilation_px=work.config.cube.cloud_dilation_px))
    if cube is None:
        raise ValueError(f"chunk {work.chunk.id}: none of {len(work.acquisitions)} acquisitions can be read")
    return cube


def walk_forest(work: chunks.ChunkWork) -> Witness:
    """Bring the chunk up to its last acquisition with the pipeline's own `update_chunk`, and return what was seen."""
    witness = Witness()

    def timed(name: str, told: Callable[[Any, tuple[Any, ...], float], None]) -> Any:
        """The function of `stages.chunks` in its place, with a clock."""
        inner = getattr(chunks, name)

        def run(*args: Any) -> Any:
            begun = time.perf_counter()
            result = inner(*args)
            spent = time.perf_counter() - begun
            witness.seconds[name] += spent
            told(result, args, spent)
            return result

        return mock.patch.object(chunks, name, run)

    def note_look(state: PixelState, args: tuple[Any, ...], _spent: float) -> None:
        witness.days.append(args[3])
        witness.codes.append(state.code)

    with ExitStack() as stack:
        stack.enter_context(timed("monitor_look", note_look))
        stack.enter_context(timed("fit_reference", lambda _result, _args, spent: witness.fits.append(spent)))
        chunks.update_chunk(work)
    return witness

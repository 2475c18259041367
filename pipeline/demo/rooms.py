"""Free ground of a simulated world, given away piece by piece."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy import ndimage

from pipeline.demo.landscape import Landscape
from pipeline.demo.mine import FULL_DAYS
from pipeline.demo.river import PIXEL_M
from pipeline.demo.terrain import Terrain

FULL_SIZE_M = 4000.0
"""Side of the world from which look-alikes have their usual size."""
TRIES = 400
"""Places tried for one piece of ground."""
FREE_SHARE = 0.93
"""Least share of a box that must be free."""
MARGIN_PX = 3
"""Ground kept clear about what was given."""


class Rooms:
    """Keeps which ground is free."""

    def __init__(self, free: np.ndarray) -> None:
        self.free = free.copy()
        """bool (y, x)."""

    def box(
        self, rng: np.random.Generator, height: int, width: int, wish: np.ndarray | None = None
    ) -> tuple[slice, slice] | None:
        """Return rows and columns of a box that is nearly free, which `take` then takes; None where none was found.

        Parameters
        ----------
        height, width : int
            Pixels.
        wish : ndarray, optional
            (y, x): of the boxes tried the one with the highest mean is taken, instead of the freest.
        """
        rows, columns = self.free.shape
        if height > rows - 4 or width > columns - 4:
            return None
        share = _box_means(self.free, height, width)
        score = share if wish is None else _box_means(wish, height, width)
        top = rng.integers(1, rows - height - 1, size=TRIES)
        left = rng.integers(1, columns - width - 1, size=TRIES)
        fits = share[top, left] >= FREE_SHARE
        if not fits.any():
            return None
        best = int(np.argmax(np.where(fits, score[top, left], -np.inf)))
        return (slice(int(top[best]), int(top[best]) + height), slice(int(left[best]), int(left[best]) + width))

    def take(self, window: tuple[slice, slice], ground: np.ndarray) -> np.ndarray:
        """Return the pixels of ground (bool (y, x) of a window) that are free, and take them with a margin."""
        kept = ground & self.free[window]
        taken = np.zeros_like(self.free)
        taken[window] = kept
        self.free &= ~ndimage.binary_dilation(taken, iterations=MARGIN_PX)
        return np.asarray(kept)


def _box_means(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mean over the box whose upper left pixel is (y, x), for every box that fits."""
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    total[1:, 1:] = np.cumsum(np.cumsum(values, axis=0, dtype=np.float64), axis=1)
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    return np.asarray(sums / (height * width))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a look-alike is laid out in."""

    landscape: Landscape
    terrain: Terrain
    rooms: Rooms
    start: date
    days: int
    """Length of the world."""

    @property
    def pace(self) -> float:
        """Length of the world over two years."""
        return self.days / FULL_DAYS

    @property
    def scale(self) -> float:
        """How much smaller than usual things are laid out: 1 in worlds of 4 km or more."""
        return float(min(1.0, min(self.landscape.shape) * PIXEL_M / FULL_SIZE_M))

    def pixels(self, usual: float, least: int = 4) -> int:
        """Return a length in pixels, scaled to the world, `least` at least."""
        return max(least, round(usual * self.scale))

    def end_of(self, green: np.ndarray, ground: np.ndarray) -> int | None:
        """Return the day from which all of the ground (bool (y, x)) is green, given each pixel's; None past the end."""
        last = int(green[ground].max()) if ground.any() else self.days
        return last if last < self.days else None

    def day(self, rng: np.random.Generator, low: float, high: float) -> int:
        """Return a day from the start between two shares of the world's length."""
        return round(float(rng.uniform(low, high)) * self.days)

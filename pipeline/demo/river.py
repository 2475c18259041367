"""The simulated river: a meandering channel that eats its outer banks and leaves moving bars on the inner ones."""

from dataclasses import dataclass

import numpy as np

from pipeline.demo.texture import smooth_field

PIXEL_M = 10.0
BLOCK_M = 6000.0
"""A larger world has one river for every block of this width."""
CENTRE_SHARE = 0.40
"""Where in its block a river flows, from the left."""
MEANDERS_M = ((2100.0, 400.0), (950.0, 110.0))
"""Wavelength and amplitude of the two waves of the centreline."""
HALF_WIDTH_M = 58.0
"""Half the width between the banks, bars included."""
EROSION_M = 38.0
"""How far the sharpest bend wanders in two years: more than most rivers, so that two years show it (sediment makes
rivers wander: Constantine et al. 2014, doi:10.1038/ngeo2282)."""
BAR_WAVE_M, BAR_SPEED_M_PER_DAY = 850.0, 0.25
DRIEST_DAY = 258
"""Day of the year of the lowest water, mid September."""


@dataclass(frozen=True, slots=True)
class River:
    """All rivers of a world, as seen from every pixel."""

    across_m: np.ndarray
    """float32 (y, x): signed distance from the nearest centreline on day 0, positive to the right of the image."""
    along_m: np.ndarray
    """float32 (y,): distance from the upper edge."""
    bend: np.ndarray
    """float32 (y, x): -1 to 1; the side (sign) of the outer bank and how sharp the bend is."""
    half_width_m: np.ndarray
    """float32 (y, x)."""
    centres_m: np.ndarray
    """float64 (river, y): centreline, metres from the left edge."""

    def channel_and_bars(self, day: int, day_of_year: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels (y, x) that are water and those that are bare sand on a day counted from the start."""
        at = self.across_m - np.float32(EROSION_M * day / 730.0) * self.bend
        within = np.abs(at) < self.half_width_m
        left_behind = (np.abs(self.across_m) < self.half_width_m) & ~within
        outwards = at * np.sign(self.bend)
        water = within & (outwards > self._bar_width(day, day_of_year) - self.half_width_m)
        return water, (within & ~water) | left_behind

    def _bar_width(self, day: int, day_of_year: int) -> np.ndarray:
        """Width in metres of the bar on the inner bank: wide in the dry months and where the bar wave passes."""
        wave = np.sin(2.0 * np.pi * (self.along_m - BAR_SPEED_M_PER_DAY * day) / BAR_WAVE_M)[:, None]
        share = 0.40 + 0.28 * dryness(day_of_year) + 0.22 * wave
        width: np.ndarray = (2.0 * self.half_width_m * np.abs(self.bend) * share).astype(np.float32)
        return width


def dryness(day_of_year: int) -> float:
    """Return how low the water is: 1 in mid September, -1 in mid March."""
    return float(np.cos(2.0 * np.pi * (day_of_year - DRIEST_DAY) / 365.25))


def make_river(rng: np.random.Generator, shape: tuple[int, int]) -> River:
    """Return the rivers of a world of (rows, columns) pixels of 10 m, flowing from the upper to the lower edge."""
    rows, columns = shape
    along = (np.arange(rows) + 0.5) * PIXEL_M
    count = max(1, round(columns * PIXEL_M / BLOCK_M))
    block = columns * PIXEL_M / count
    lines = [_centreline(rng, along, (k + CENTRE_SHARE) * block, min(1.0, block / BLOCK_M)) for k in range(count)]
    centres = np.array([line[0] for line in lines])
    x = ((np.arange(columns) + 0.5) * PIXEL_M)[None, :]
    across = np.full(shape, np.inf, dtype=np.float32)
    bend = np.zeros(shape, dtype=np.float32)
    for centre, slope, curve in lines:
        distance = ((x - centre[:, None]) * np.cos(np.arctan(slope))[:, None]).astype(np.float32)
        nearer = np.abs(distance) < np.abs(across)
        across = np.where(nearer, distance, across)
        bend = np.where(nearer, curve[:, None].astype(np.float32), bend)
    half = HALF_WIDTH_M * (1.0 + 0.12 * smooth_field(rng, shape, 30.0))
    return River(across, along.astype(np.float32), bend, half.astype(np.float32), centres)


def no_river(shape: tuple[int, int]) -> River:
    """Return what a world of (rows, columns) pixels without a river has for one: far away and of no width."""
    rows, columns = shape
    none = np.zeros(shape, dtype=np.float32)
    along = ((np.arange(rows) + 0.5) * PIXEL_M).astype(np.float32)
    centres = np.full((max(1, round(columns * PIXEL_M / BLOCK_M)), rows), np.inf)
    return River(np.full(shape, 1e6, dtype=np.float32), along, none, none, centres)


def _centreline(
    rng: np.random.Generator, along: np.ndarray, middle: float, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position (m from the left), slope and bend (-1 to 1, positive where the outer bank is on the right) per row."""
    position, slope, second = np.full_like(along, middle), np.zeros_like(along), np.zeros_like(along)
    for wavelength, amplitude in MEANDERS_M:
        wave, phase = 2.0 * np.pi / wavelength, rng.uniform(0.0, 2.0 * np.pi)
        height = amplitude * max(scale, 0.3)
        position += height * np.sin(wave * along + phase)
        slope += height * wave * np.cos(wave * along + phase)
        second -= height * wave**2 * np.sin(wave * along + phase)
    curvature = -second / (1.0 + slope**2) ** 1.5
    return position, slope, np.clip(curvature / (np.abs(curvature).max() + 1e-9) * 1.3, -1.0, 1.0)

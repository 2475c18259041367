"""The simulated ground as it is before anything happens: forest, oxbow lakes, roads and the pastures along them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pipeline.demo.landscapes import HUMID_FOREST, Setting
from pipeline.demo.river import BLOCK_M, PIXEL_M, River, make_river, no_river
from pipeline.demo.signatures import Cover
from pipeline.demo.texture import octaves

NEVER = 32767
"""Day of what does not happen."""
ROAD_SHARE = 0.80
"""Where in its block the trunk road runs, from the left."""
SIDE_ROADS_M = 1050.0
"""Distance between the side roads of the fishbone."""


@dataclass(frozen=True, slots=True)
class Event:
    """Ground that gets another cover, pixel by pixel on its own day."""

    cover: Cover
    top: int
    left: int
    day: np.ndarray
    """int16 (y, x) of the window whose upper left pixel is (top, left): days from the start, or NEVER."""

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the window in the world."""
        rows, columns = self.day.shape
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)


@dataclass(frozen=True, slots=True)
class Landscape:
    """The ground of a world, without the events on it."""

    base: np.ndarray
    """uint8 (y, x): cover on day 0, the river's channel and bars left out."""
    river: River
    parcel_tone: np.ndarray
    """float32 (y, x): relative brightness of farm parcels, 1 elsewhere."""
    free: np.ndarray
    """bool (y, x): natural ground at least 30 m from water, roads and farms."""
    setting: Setting = HUMID_FOREST

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (self.base.shape[0], self.base.shape[1])

    def cover_on(self, day: int, day_of_year: int, events: Sequence[Event]) -> np.ndarray:
        """Return uint8 (y, x): the cover of every pixel on a day; the later of two events in the sequence wins."""
        cover = self.base.copy()
        water, bars = self.river.channel_and_bars(day, day_of_year)
        cover[water] = Cover.RIVER
        cover[bars] = Cover.SANDBAR
        for event in events:
            cover[event.window][event.day <= day] = event.cover
        return cover


def make_landscape(rng: np.random.Generator, shape: tuple[int, int], setting: Setting = HUMID_FOREST) -> Landscape:
    """Return the ground of a world of (rows, columns) pixels of 10 m in a landscape."""
    river = make_river(rng, shape) if setting.river_width else no_river(shape)
    if setting.river_width < 1.0:
        river = replace(river, half_width_m=river.half_width_m * np.float32(setting.river_width))
    base = np.full(shape, setting.matrix, dtype=np.uint8)
    tone = np.ones(shape, dtype=np.float32)
    for cover, share, scale in setting.patches:
        field = ndimage.gaussian_filter(octaves(rng, shape, (scale, 2.5 * scale)), scale / 5.0)
        field += 0.12 * octaves(rng, shape, (2.0, 5.0))  # ragged edges
        base[field > np.quantile(field, 1.0 - share)] = cover
    if setting.has_farms:
        _add_farms(rng, base, tone, river)
    _add_roads(rng, base, river)
    if setting.river_width == 1.0:
        _add_oxbows(rng, base, river)
    taken = ~np.isin(base, setting.natural) | (np.abs(river.across_m) < river.half_width_m + 45.0)
    return Landscape(base, river, tone, ~ndimage.binary_dilation(taken, iterations=3), setting)


def trunk_column(rng: np.random.Generator, shape: tuple[int, int]) -> list[np.ndarray]:
    """Return for each block the column (float, per row) of its trunk road: nearly straight."""
    rows, columns = shape
    count = max(1, round(columns * PIXEL_M / BLOCK_M))
    y = np.arange(rows)
    return [
        (k + ROAD_SHARE) * columns / count + 4.0 * np.sin(2.0 * np.pi * y / 330.0 + rng.uniform(0.0, 6.3)) for k in range(count)
    ]


def _add_farms(rng: np.random.Generator, base: np.ndarray, tone: np.ndarray, river: River) -> None:
    """Lay rectangular parcels of pasture along the trunk road, each with its own tone; some stay forest."""
    rows, columns = base.shape
    count = max(1, round(columns * PIXEL_M / BLOCK_M))
    ragged = octaves(rng, (rows, columns), (4.0, 12.0))
    depth = int(min(96.0, 0.16 * columns / count))
    for block in range(count):
        middle = int((block + ROAD_SHARE) * columns / count)
        for top in range(-10, rows, 38):
            for left in range(middle - depth, middle + depth, 32):
                reach = abs(left + 16 - middle) / depth
                if rng.random() < 0.1 + 0.6 * reach:
                    continue
                height, width = int(rng.integers(26, 42)), int(rng.integers(24, 36))
                window = np.s_[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
                edge = _inset((rows, columns), window, (top, left, height, width)) + 0.8 * ragged[window]
                inside = (edge > 1.5) & (np.abs(river.across_m[window]) > 260.0)
                base[window][inside] = Cover.PASTURE
                tone[window][inside] = rng.normal(1.0, 0.08)


def _inset(
    shape: tuple[int, int], window: tuple[slice, slice], parcel: tuple[int, int, int, int]
) -> np.ndarray:  # fmt: skip
    """Distance in pixels of the window's pixels from the nearest side of a parcel (top, left, height, width)."""
    top, left, height, width = parcel
    y = np.arange(*window[0].indices(shape[0]))[:, None]
    x = np.arange(*window[1].indices(shape[1]))[None, :]
    vertical = np.minimum(y - top, top + height - 1 - y)
    return np.asarray(np.minimum(vertical, np.minimum(x - left, left + width - 1 - x)), dtype=np.float32)


def _add_roads(rng: np.random.Generator, base: np.ndarray, river: River) -> None:
    """Draw the trunk roads (two pixels wide) and their side roads (one pixel)."""
    rows, columns = base.shape
    step = int(SIDE_ROADS_M / PIXEL_M)
    for trunk in trunk_column(rng, (rows, columns)):
        x = np.clip(trunk.astype(int), 0, columns - 2)
        base[np.arange(rows), x] = Cover.ROAD
        base[np.arange(rows), x + 1] = Cover.ROAD
        for row in range(step // 2, rows, step):
            left, right = (int(x[row]) - int(rng.integers(60, 105)), int(x[row]) + int(rng.integers(50, 100)))
            reach = np.arange(max(left, 0), min(right, columns))
            dry = np.abs(river.across_m[row, reach]) > 200.0
            base[row, reach[dry]] = Cover.ROAD


def _add_oxbows(rng: np.random.Generator, base: np.ndarray, river: River) -> None:
    """Leave a crescent of clear water every two kilometres or so, on alternate sides of each river."""
    rows = base.shape[0]
    for centres in river.centres_m:
        side = 1 if rng.random() < 0.5 else -1
        for along in np.arange(700.0, rows * PIXEL_M, 1900.0) + rng.uniform(-250.0, 250.0):
            row = int(np.clip(along / PIXEL_M, 0, rows - 1))
            side = -side
            _crescent(rng, base, river, (along, float(centres[row]) + side * rng.uniform(360.0, 620.0)))


def _crescent(rng: np.random.Generator, base: np.ndarray, river: River, centre: tuple[float, float]) -> None:
    """Fill an arc of a ring around a centre (y, x in metres) with clear water, well away from the channel."""
    rows, columns = base.shape
    y = (np.arange(rows)[:, None] + 0.5) * PIXEL_M - centre[0]
    x = (np.arange(columns)[None, :] + 0.5) * PIXEL_M - centre[1]
    radius, width, heading = rng.uniform(110.0, 190.0), rng.uniform(38.0, 60.0), rng.uniform(0.0, 2.0 * np.pi)
    turn = np.abs((np.arctan2(y, x) - heading + np.pi) % (2.0 * np.pi) - np.pi)
    taper = width / 2.0 * np.clip(1.15 - (turn / 2.1) ** 4, 0.0, 1.0)
    lake = (np.abs(np.hypot(y, x) - radius) < taper) & (np.abs(river.across_m) > river.half_width_m + 60.0)
    base[lake] = Cover.CLEAR_WATER

"""Look-alikes of simulated farms and woods: shifting cultivation, logging, fish ponds, the yearly fires of a savanna.

Sizes and times are chosen, not measured.
"""

from datetime import date, timedelta

import numpy as np
from scipy import ndimage

from pipeline.demo.landscape import NEVER
from pipeline.demo.lookalikes import LookAlike, events_of
from pipeline.demo.rooms import Surroundings
from pipeline.demo.signatures import Cover
from pipeline.demo.texture import octaves, smooth_field

PLOTS = 5
PLOT_PX = (7, 12)
"""Sides of a plot."""
BURNT_AFTER, PLANTED_AFTER = 25, 60
"""Days from felling."""
REGREEN_DAYS = (240, 300)
"""Eight to ten months from felling to young fallow."""
FIRE_MONTHS = ((6, 20), (9, 25))
"""Month and day between which a savanna burns."""
FIRES_PER_YEAR = 4
FIRE_SHARE = 0.035
"""Share of the world that one fire passes over."""


def shifting_cultivation(rng: np.random.Generator, around: Surroundings) -> list[LookAlike]:
    """Return small plots that are felled, burnt, planted and left to fallow after eight to ten months."""
    found = []
    for _ in range(PLOTS):
        height, width = (around.pixels(float(rng.integers(*PLOT_PX)), 5) for _ in range(2))
        window = around.rooms.box(rng, height, width)
        if window is None:
            continue
        ragged = smooth_field(rng, (height, width), 3.0)
        y, x = np.indices((height, width))
        edge = np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x))
        ground = around.rooms.take(window, edge + 0.7 * ragged > -0.3)
        felled = around.day(rng, 0.42, 0.60)
        end = felled + round(float(rng.uniform(*REGREEN_DAYS)) * around.pace)
        waits = (0, BURNT_AFTER * around.pace, PLANTED_AFTER * around.pace, end - felled)
        covers = (Cover.SCAR, Cover.BURN, Cover.CROP, Cover.LOW_VEGETATION)
        days = [(cover, np.where(ground, felled + round(wait), NEVER)) for cover, wait in zip(covers, waits, strict=True)]
        top, left = window[0].start, window[1].start
        found.append(
            LookAlike(
                "shifting_cultivation",
                top,
                left,
                ground,
                felled,
                events_of(top, left, days),
                end if end < around.days else None,
            )
        )
    return found


def logging_trails(rng: np.random.Generator, around: Surroundings) -> list[LookAlike]:
    """Return selective logging: a main trail, skid trails of one pixel and gaps of a few, which soon green."""
    side = around.pixels(44.0, 16)
    window = around.rooms.box(rng, side, side)
    if window is None:
        return []
    ground = np.zeros((side, side), dtype=bool)
    main = np.clip(np.rint(side / 2 + side / 9 * np.sin(np.arange(side) / side * 5.0 + rng.uniform(0, 6))), 1, side - 2).astype(
        int
    )
    ground[np.arange(side), main] = True
    for row in range(3, side - 3, 6):
        reach = int(rng.integers(side // 5, side // 2 - 2))
        step = 1 if rng.random() < 0.5 else -1
        x = np.clip(main[row] + step * np.arange(reach), 1, side - 2)
        y = np.clip(row + np.rint(np.arange(reach) * rng.uniform(-0.35, 0.35)), 1, side - 2).astype(int)
        ground[y, x] = True
        for k in rng.integers(reach // 3, reach, size=2):
            ground[y[k] : y[k] + 2, x[k] - 1 : x[k] + 1] = True
    ground = around.rooms.take(window, ground)
    first = around.day(rng, 0.58, 0.72)
    cut = first + np.rint(np.arange(side)[:, None] / 6) * 6 / side * 60.0 * around.pace
    opened = np.where(ground, np.rint(cut), NEVER).astype(int)
    wait = round(110 * around.pace)
    green = np.where(ground, opened + wait, NEVER)
    days = ((around.landscape.setting.bare, opened), (around.landscape.setting.green, green))
    top, left = window[0].start, window[1].start
    return [LookAlike("logging", top, left, ground, first, events_of(top, left, days), around.end_of(green, ground))]


def aquaculture(rng: np.random.Generator, around: Surroundings) -> list[LookAlike]:
    """Return a grid of rectangular fish ponds of greenish water between dykes, dug row by row."""
    down, across = 3, max(2, around.pixels(4.0, 2))
    height, width = down * 8 + 1, across * 6 + 1
    window = around.rooms.box(rng, height, width)
    if window is None:
        return []
    y, x = np.indices((height, width))
    ground = around.rooms.take(window, np.ones((height, width), dtype=bool))
    pond = (y % 8 > 0) & (x % 6 > 0) & ground
    is_clear = (rng.random((down + 1, across + 1)) < 0.35)[y // 8, x // 6]
    first = around.day(rng, 0.56, 0.70)
    dug = np.where(ground, first + np.rint(y // 8 * 30 * around.pace), NEVER).astype(int)
    filled = np.where(ground, dug + round(35 * around.pace), NEVER)
    grown = np.where(ground & ~pond, dug + round(120 * around.pace), NEVER)
    days = (
        (around.landscape.setting.bare, dug),
        (Cover.GREEN_POND, np.where(pond & ~is_clear, filled, NEVER)),
        (Cover.CLEAR_WATER, np.where(pond & is_clear, filled, NEVER)),
        (around.landscape.setting.green, grown),
    )
    top, left = window[0].start, window[1].start
    return [LookAlike("aquaculture", top, left, ground, first, events_of(top, left, days))]


def grass_fires(rng: np.random.Generator, around: Surroundings, wild: np.ndarray) -> list[LookAlike]:
    """Return the fires of every dry season, ragged and large; grass is back in two to three months, and so are trees.

    Wild (bool (y, x)) is the ground that they may pass over.
    """
    found = []
    last = around.start + timedelta(days=around.days)
    for year in range(around.start.year, last.year + 1):
        low, high = ((date(year, *day) - around.start).days for day in FIRE_MONTHS)
        for day in sorted(int(d) for d in rng.integers(low, high, size=FIRES_PER_YEAR)):
            fire = _fire(rng, around, wild, day)
            if 0 <= day < around.days and fire is not None:
                found.append(fire)
    return found


def _fire(rng: np.random.Generator, around: Surroundings, wild: np.ndarray, day: int) -> LookAlike | None:
    """One fire; None where little can burn."""
    shape = around.landscape.shape
    y, x = (np.arange(n)[:, None] if axis == 0 else np.arange(n)[None, :] for axis, n in enumerate(shape))
    centre = (rng.uniform(0, shape[0]), rng.uniform(0, shape[1]))
    radius = (FIRE_SHARE * shape[0] * shape[1] / np.pi) ** 0.5
    reach = np.hypot(y - centre[0], x - centre[1]) / radius + 0.35 * octaves(rng, shape, (3.0, 14.0))
    ground = ndimage.binary_opening((reach < 1.0) & wild)
    if ground.sum() < 100:
        return None
    rows, columns = np.flatnonzero(ground.any(axis=1)), np.flatnonzero(ground.any(axis=0))
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    inside, before = ground[window], around.landscape.base[window]
    patch = np.round(np.clip(smooth_field(rng, (inside.shape[0], inside.shape[1]), 25.0), -1.0, 1.0))
    green = np.where(inside, day + 70 + 14 * patch, NEVER).astype(int)
    days = [(Cover.BURN, np.where(inside, day, NEVER))]
    days += [(cover, np.where(before == cover, green, NEVER)) for cover in dict.fromkeys(around.landscape.setting.natural)]
    top, left = window[0].start, window[1].start
    return LookAlike("burn", top, left, inside, day, events_of(top, left, days), around.end_of(green, inside))

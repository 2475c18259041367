"""Look-alikes that people build: settlements, quarries, reservoirs, and the haul roads of open pits.

Sizes and times are chosen, not measured.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from pipeline.demo.landscape import NEVER
from pipeline.demo.lookalikes import LookAlike, events_of
from pipeline.demo.mine import Mine
from pipeline.demo.rooms import Surroundings
from pipeline.demo.signatures import Cover
from pipeline.demo.texture import octaves, smooth_field

SETTLEMENT_PX = (16.0, 34.0)
"""Depth away from the road and length along it, as columns and rows."""
ROOF_BELOW, YARD_BELOW = 0.5, 0.95
"""What a plot of 20 by 20 m becomes, by a random number that grows outwards; gardens beyond."""
QUARRY_PX = 8.0
"""Radius of a quarry."""
RESERVOIR_PX = (46.0, 36.0)
FILLINGS = (0.3, 0.55, 0.8, 1.0)
"""Shares of a reservoir under water after each step."""
FILLING_DAYS = 55.0
"""Time between two steps."""
LEAST_ROAD_PX = 6
"""A shorter access road is none: the site lies at a road."""
ROAD_BEFORE_DAYS = 25
"""How long before its mine a haul road is begun."""


def settlement(rng: np.random.Generator, around: Surroundings) -> list[LookAlike]:
    """Return a cluster of roofs and bare yards that grows away from a road in steps; what was there stays between them."""
    height, width = around.pixels(SETTLEMENT_PX[1], 14), around.pixels(SETTLEMENT_PX[0], 8)
    distance = ndimage.distance_transform_edt(around.landscape.base != Cover.ROAD)
    window = around.rooms.box(rng, height, width, -distance)
    if window is None:
        return []
    away = distance[window] - distance[window].min()
    along = np.abs(np.linspace(-1.0, 1.0, height))[:, None] ** 2
    outwards = np.hypot(away / max(float(away.max()), 1.0), along) + 0.25 * smooth_field(rng, (height, width), 6.0)
    plots = np.repeat(np.repeat(rng.random((height // 2 + 1, width // 2 + 1)), 2, axis=0), 2, axis=1)[:height, :width]
    plots = plots + 0.45 * outwards + 0.15 * rng.random((height, width))
    roof = (outwards < 1.0) & (plots < ROOF_BELOW)
    yard = (outwards < 1.0) & ~roof & (plots < YARD_BELOW)
    ground = around.rooms.take(window, roof | yard)
    first, last = around.day(rng, 0.55, 0.62), around.day(rng, 0.85, 0.95)
    order = np.clip(away / max(float(away.max()), 1.0) + 0.2 * smooth_field(rng, (height, width), 5.0), 0.0, 1.0)
    begun = np.where(ground, np.rint(first + np.round(order * 5) / 5 * (last - first)), NEVER).astype(int)
    built = np.where(ground & roof, begun + round(30 * around.pace), NEVER)
    top, left = window[0].start, window[1].start
    days = ((around.landscape.setting.bare, begun), (Cover.ROAD, np.where(yard, begun + round(20 * around.pace), NEVER)))
    return [LookAlike("settlement", top, left, ground, _first(begun), events_of(top, left, (*days, (Cover.ROOF, built))))]


def quarry(rng: np.random.Generator, around: Surroundings) -> list[LookAlike]:
    """Return a compact pit in grey rock that grows from one side, and the road to it; no ponds."""
    radius = around.pixels(QUARRY_PX, 4)
    side = 2 * radius + 4
    window = around.rooms.box(rng, side, side)
    if window is None:
        return []
    y, x = np.indices((side, side)) - (side - 1) / 2.0
    ragged = 1.0 + 0.12 * smooth_field(rng, (side, side), 4.0)
    first = around.day(rng, 0.57, 0.68)
    access = _road_to(rng, around, (window[0].start + side // 2, window[1].start + side // 2), first, None)
    ground = around.rooms.take(window, np.hypot(y, x * 1.15) * ragged < radius)
    turn = rng.uniform(0.0, 2.0 * np.pi)
    share = np.clip((y * np.sin(turn) + x * np.cos(turn)) / (2.0 * radius) + 0.5, 0.0, 1.0)
    opened = np.where(ground, np.rint(first + np.round(share * 5) / 5 * 0.25 * around.days), NEVER).astype(int)
    top, left = window[0].start, window[1].start
    days = ((around.landscape.setting.bare, opened), (Cover.ROCK, np.where(ground, opened + round(12 * around.pace), NEVER)))
    return [LookAlike("quarry", top, left, ground, _first(opened), events_of(top, left, days)), *access]


def reservoir(rng: np.random.Generator, around: Surroundings) -> list[LookAlike]:
    """Return a valley that fills with clear water in steps, its lowest ground first."""
    height, width = around.pixels(RESERVOIR_PX[0], 16), around.pixels(RESERVOIR_PX[1], 12)
    window = around.rooms.box(rng, height, width, -around.terrain.height_m)
    if window is None:
        return []
    level = around.terrain.height_m[window]
    y, x = np.indices((height, width))
    banks = np.hypot((2.0 * y / (height - 1) - 1.0), (2.0 * x / (width - 1) - 1.0)) ** 2
    spread = float(level.std()) + 1e-6
    valley = (level - level.mean()) / spread + 1.6 * banks + 0.45 * octaves(rng, (height, width), (3.0, 9.0))
    valley[banks > 0.98] = np.inf
    labels, _ = ndimage.label(valley < np.quantile(valley, 0.45))
    lowest = labels.flat[int(np.argmin(valley))]
    ground = around.rooms.take(window, ndimage.binary_fill_holes(labels == lowest))
    rank = np.full(ground.shape, np.inf)
    rank[ground] = np.argsort(np.argsort(valley[ground], kind="stable"), kind="stable") / max(int(ground.sum()), 1)
    first = around.day(rng, 0.56, 0.66)
    step = np.searchsorted(FILLINGS, rank, side="right")
    filled = np.where(ground, first + np.rint(step * FILLING_DAYS * around.pace), NEVER).astype(int)
    top, left = window[0].start, window[1].start
    return [LookAlike("reservoir", top, left, ground, first, events_of(top, left, ((Cover.CLEAR_WATER, filled),)))]


def haul_roads(
    rng: np.random.Generator, around: Surroundings, mines: Sequence[Mine], taken: np.ndarray
) -> list[LookAlike]:  # fmt: skip
    """Return the road (kind `road`) from each new mine to the nearest older road, begun some weeks before the mine.

    They run through any natural ground but what is taken, bool (y, x), by mines and look-alikes.
    """
    found: list[LookAlike] = []
    ground = taken.copy()
    for mine in mines:
        if mine.plan.onset_share is not None:
            top, left, bottom, right = mine.box
            first = mine.steps[0][0] - round(ROAD_BEFORE_DAYS * around.pace)
            for road in _road_to(rng, around, ((top + bottom) // 2, (left + right) // 2), first, ground):
                rows, columns = road.ground.shape
                ground[road.top : road.top + rows, road.left : road.left + columns] |= road.ground
                found.append(road)
    return found


def _road_to(
    rng: np.random.Generator, around: Surroundings, place: tuple[int, int], first: int, avoid: np.ndarray | None
) -> list[LookAlike]:
    """Road from the nearest road to a place (row, column), bent, a pixel wide; ground that is not free stays as it is.

    Where `avoid` is given the road runs through all ground but that and what is no natural ground.
    """
    base = around.landscape.base
    _, nearest = ndimage.distance_transform_edt(base != Cover.ROAD, return_indices=True)
    goal = (int(nearest[0][place]), int(nearest[1][place]))
    length = max(int(np.hypot(goal[0] - place[0], goal[1] - place[1]) * 1.6), 2)
    share = np.linspace(0.0, 1.0, length)
    bend = rng.normal(0.0, 0.08) * length * np.sin(np.pi * share) + 1.5 * np.sin(2.0 * np.pi * share * length / 45.0)
    across = np.array([goal[1] - place[1], place[0] - goal[0]]) / max(
        float(np.hypot(goal[0] - place[0], goal[1] - place[1])), 1.0
    )
    y = np.clip(np.rint(goal[0] + (place[0] - goal[0]) * share + bend * across[0]), 0, base.shape[0] - 1).astype(int)
    x = np.clip(np.rint(goal[1] + (place[1] - goal[1]) * share + bend * across[1]), 0, base.shape[1] - 1).astype(int)
    natural = np.isin(base[y, x], around.landscape.setting.natural)
    open_ground = natural & (around.rooms.free[y, x] if avoid is None else ~avoid[y, x])
    if open_ground.sum() < LEAST_ROAD_PX:
        return []
    y, x, share = y[open_ground], x[open_ground], share[open_ground]
    top, left = int(y.min()), int(x.min())
    ground = np.zeros((int(y.max()) - top + 1, int(x.max()) - left + 1), dtype=bool)
    built = np.full(ground.shape, NEVER, dtype=int)
    ground[y - top, x - left] = True
    built[y - top, x - left] = np.rint(first + np.round(share * 4) / 4 * 20.0 * around.pace)
    window = (slice(top, top + ground.shape[0]), slice(left, left + ground.shape[1]))
    taken = np.zeros_like(around.rooms.free)
    taken[window] = ground
    around.rooms.free &= ~ndimage.binary_dilation(taken)
    days = ((around.landscape.setting.bare, built), (Cover.ROAD, np.where(ground, built + round(15 * around.pace), NEVER)))
    return [LookAlike("road", top, left, ground, first, events_of(top, left, days))]


def _first(days: np.ndarray) -> int:
    """Earliest day of any."""
    return int(days.min())

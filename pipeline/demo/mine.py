"""The simulated mines: where they lie along the river, when they start, how they grow from scar to spoil and ponds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pipeline.demo.landscape import NEVER, Event, Landscape
from pipeline.demo.river import BLOCK_M, PIXEL_M
from pipeline.demo.signatures import Cover
from pipeline.demo.texture import octaves, smooth_field
from pipeline.errors import DemoWorldTooSmallError

FULL_DAYS = 730
"""Length of the default world; the pace of mining scales with the length of others."""
GAP_PX = 8
"""Least distance between the bounding boxes of two mines."""
TRIES = 100
"""Places tried for one mine before the best of them is taken."""
ELONGATION = 1.9
"""Length along the river over width."""
SCAR_SHARE, POND_SHARE = 0.15, 0.24
"""Shares of a finished mine that stay scar and that become ponds (three ponds to ten of spoil in the chips that
`signatures.json` was measured on)."""


_TAKEN, _BLOCKED, _FREE = -1, 0, 1
"""What a pixel is to the next mine: near another mine, unfit, fit."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a mine is to be."""

    tenure_status: str
    """The finding that its titles are drawn to give."""
    area_ha: float
    """At the end, in a world of 6 km."""
    onset_share: float | None
    """Onset as a share of the world's days; None when it was there from the start."""
    finishes: bool = False
    """Whether it ends and greens again."""


PLANS = (
    Plan("covered", 9.0, 0.60), Plan("partly_covered", 15.0, 0.62), Plan("stage_mismatch", 12.0, 0.64),
    Plan("uncovered", 6.0, 0.67), Plan("lapsed", 4.0, 0.70), Plan("within_tolerance", 5.0, 0.72),
    Plan("not_yet_valid", 2.5, 0.76), Plan("commodity_mismatch", 3.0, 0.80), Plan("suspended", 2.0, 0.84),
    Plan("formalisation_zone", 0.6, 0.90), Plan("uncovered", 3.0, 0.59, finishes=True), Plan("covered", 7.0, None),
)  # fmt: skip
"""The mines of one block of 6 km: every tenure status that a cadastre can give, each at least once."""


@dataclass(frozen=True, slots=True)
class Mine:
    """One simulated mine."""

    id: str
    plan: Plan
    top: int
    left: int
    ground: np.ndarray
    """bool (y, x) of its window: every pixel that is ever mined."""
    steps: tuple[tuple[int, int], ...]
    """(day, pixels mined so far); one step on day 0 where it was there from the start."""
    finished_day: int | None
    events: tuple[Event, ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of its window in pixels; bottom and right are past the end."""
        return (self.top, self.left, self.top + self.ground.shape[0], self.left + self.ground.shape[1])


def make_mines(rng: np.random.Generator, landscape: Landscape, days: int) -> list[Mine]:
    """Return the mines of a world: `PLANS` once for every block of 6 km squared, `GAP_PX` or more apart.

    Raises
    ------
    DemoWorldTooSmallError
        There is no room for one of them.
    """
    rows, columns = landscape.shape
    rivers = len(landscape.river.centres_m)
    per_river = max(1, round(rows * PIXEL_M / BLOCK_M))
    shrink = min(1.0, min(rows, columns) * PIXEL_M / BLOCK_M) ** 1.5
    plans = [plan for _ in range(rivers * per_river) for plan in PLANS]
    room = landscape.free.astype(np.int8)
    margin = max(rows // 50, 2)
    room[:margin] = room[-margin:] = _BLOCKED
    found: dict[int, Mine] = {}
    slots = _slots(rng, landscape, len(PLANS) * per_river)
    for number in sorted(range(len(plans)), key=lambda n: -plans[n].area_ha):  # the large ones first: they need room
        plan = plans[number]
        pixels = max(6, round(plan.area_ha * 100.0 * shrink))
        ground = _place(rng, landscape, room, pixels, slots.pop(int(rng.integers(len(slots)))))
        if not ground.any():
            raise DemoWorldTooSmallError(
                f"a simulated world of {columns * PIXEL_M:.0f} m has no room on its river for mine {number + 1} of "
                f"{len(plans)}; expected 1500 m or more; choose a larger size_m or another seed"
            )
        found[number] = _grow(rng, f"M{number + 1:02d}", plan, ground, days)
        top, left, bottom, right = found[number].box
        room[max(top - GAP_PX, 0) : bottom + GAP_PX, max(left - GAP_PX, 0) : right + GAP_PX] = _TAKEN
    return [found[number] for number in sorted(found)]


def _slots(rng: np.random.Generator, landscape: Landscape, per_river: int) -> list[tuple[int, int, int]]:
    """(row, river, side) of every mine's first place: evenly along each river, left and right in turn."""
    rows = landscape.shape[0]
    slots = []
    for river in range(len(landscape.river.centres_m)):
        for k in range(per_river):
            row = int((k + 0.5 + rng.uniform(-0.15, 0.15)) * rows / per_river)
            slots.append((row, river, 1 if k % 2 else -1))
    return slots


def _place(
    rng: np.random.Generator, landscape: Landscape, room: np.ndarray, pixels: int, slot: tuple[int, int, int]
) -> np.ndarray:
    """Bool (y, x) of the world: `pixels` connected free pixels near a slot, or what the best of the tries gives.

    The bounding box keeps clear of ground that other mines have taken; empty where no try did.
    """
    row, river, side = slot
    best = np.zeros(landscape.shape, dtype=bool)
    rows, _ = landscape.shape
    for attempt in range(TRIES):
        reach = attempt / TRIES
        at = int(np.clip(row + rng.normal(0.0, 1.0) * reach * rows / 4.0, 0.02 * rows, 0.98 * rows - 1))
        offset = rng.uniform(0.0, 150.0) * reach
        bank = side if attempt % 2 == 0 else -side
        limit = 1.3 if attempt < 0.75 * TRIES else 1.8
        ground = _patch(rng, landscape, room == _FREE, pixels, (at, river, bank, offset, limit))
        if ground.sum() > best.sum() and (room[box_of(ground)] != _TAKEN).all():
            best = ground
        if best.sum() >= pixels:
            break
    return best


def box_of(ground: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of the bounding box of the true pixels (bool (y, x)), of which there is one at least."""
    rows, columns = np.flatnonzero(ground.any(axis=1)), np.flatnonzero(ground.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _patch(
    rng: np.random.Generator,
    landscape: Landscape,
    free: np.ndarray,
    pixels: int,
    at: tuple[int, int, int, float, float],
) -> np.ndarray:
    """Bool (y, x) of the world: free pixels around a place, those nearest first, one connected piece.

    The place is (row, river, bank, metres from the bank, limit): `limit` is how far out, in radii, pixels may lie; a
    low one keeps the mine whole, a high one lets it bend around what is in its way.
    """
    row, river, side, offset, limit = at
    width = (pixels * PIXEL_M**2 / np.pi / ELONGATION) ** 0.5
    reach = int(2.0 * width * ELONGATION / PIXEL_M) + 5
    column = int(landscape.river.centres_m[river][row] / PIXEL_M)
    window = (slice(max(row - reach, 0), row + reach), slice(max(column - 200, 0), max(column + 200, 0)))
    u = (landscape.river.along_m[window[0]] - landscape.river.along_m[row])[:, None] / (width * ELONGATION)
    v = (landscape.river.across_m[window] - side * (110.0 + width + offset)) / width
    ragged = np.exp(0.28 * smooth_field(rng, v.shape, max(width / PIXEL_M / 1.5, 2.0)))
    distance = np.where(free[window], np.hypot(u, v) * ragged, np.inf)
    distance[distance > limit] = np.inf
    ranked = np.argsort(distance, axis=None, kind="stable")[:pixels]
    chosen = np.zeros(v.shape, dtype=bool)
    chosen.flat[ranked[np.isfinite(distance.flat[ranked])]] = True
    labels, count = ndimage.label(ndimage.binary_fill_holes(chosen) & free[window])
    ground = np.zeros(landscape.shape, dtype=bool)
    if count:
        ground[window] = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return ground


def _grow(rng: np.random.Generator, name: str, plan: Plan, ground: np.ndarray, days: int) -> Mine:
    """Mine on its ground, with the day on which each pixel takes each cover."""
    box = box_of(ground)
    top, left, inside = box[0].start, box[1].start, ground[box]
    if plan.onset_share is None:
        steps: tuple[tuple[int, int], ...] = ((0, int(inside.sum())),)
        finished, covers = None, _old_covers(rng, inside)
    else:
        pace = days / FULL_DAYS
        scar, steps = scar_days(rng, inside, plan, days)
        finished = round(steps[-1][0] + 20 * pace) if plan.finishes else None
        covers = list(_mined_covers(rng, inside, scar, pace))
        if finished is not None:
            covers += _greening(rng, covers, finished, pace)
    events = tuple(Event(cover, top, left, np.minimum(day, NEVER).astype(np.int16)) for cover, day in covers)
    return Mine(name, plan, top, left, inside, steps, finished, events)


def scar_days(
    rng: np.random.Generator, inside: np.ndarray, plan: Plan, days: int
) -> tuple[np.ndarray, tuple[tuple[int, int], ...]]:
    """Return the day on which each pixel is stripped, int (y, x), NEVER outside, and the steps: (day, pixels so far).

    It starts near one end and goes outwards.
    """
    onset = round((plan.onset_share or 0.0) * days)
    count = 2 + sum(plan.area_ha >= limit for limit in (1.0, 3.0, 6.0, 10.0))
    pace = days / FULL_DAYS
    gap = min(rng.uniform(20.0, 38.0) * pace, (0.97 * days - onset) / count)
    y, x = (np.arange(inside.shape[0])[:, None], np.arange(inside.shape[1])[None, :])
    weight = rng.uniform(0.15, 0.4)
    start = (inside.shape[0] * weight, float(np.flatnonzero(inside.any(axis=0)).mean()))
    order = np.hypot(y - start[0], x - start[1]) * np.exp(0.15 * smooth_field(rng, inside.shape, 6.0))
    rank = np.full(inside.shape, np.inf)
    rank[inside] = np.argsort(np.argsort(order[inside], kind="stable"), kind="stable")
    shares = np.linspace(0.22, 1.0, count)
    total = int(inside.sum())
    day_of, steps = np.full(inside.shape, NEVER), []
    for share, number in zip(shares[::-1], range(count - 1, -1, -1), strict=True):
        day, pixels = round(onset + number * gap), max(1, round(share * total))
        day_of[rank < pixels] = day
        steps.append((day, pixels))
    return day_of, tuple(steps[::-1])


def _mined_covers(
    rng: np.random.Generator, inside: np.ndarray, scar: np.ndarray, pace: float
) -> Iterator[tuple[Cover, np.ndarray]]:
    """Covers in order: scar, then bare spoil on most of it, then ponds that start shallow."""
    yield Cover.SCAR, scar
    kept = quantile(octaves(rng, inside.shape, (2.0, 5.0)), inside)
    bare = np.where(kept >= SCAR_SHARE, scar + round(rng.uniform(14.0, 28.0) * pace), NEVER)
    yield Cover.TAILINGS, bare
    wet = quantile(octaves(rng, inside.shape, (3.0, 6.0)), inside & (kept >= SCAR_SHARE)) < POND_SHARE / (1 - SCAR_SHARE)
    pond = np.where(wet, bare + round(rng.uniform(8.0, 22.0) * pace), NEVER)
    yield Cover.SHALLOW_POND, pond
    yield Cover.POND, np.where(pond < NEVER, pond + round(25 * pace), NEVER)


def _old_covers(rng: np.random.Generator, inside: np.ndarray) -> list[tuple[Cover, np.ndarray]]:
    """Covers of a mine that was there from the start: bare ground, ponds, some green."""
    wet = quantile(octaves(rng, inside.shape, (3.0, 7.0)), inside)
    there = np.where(inside, 0, NEVER)
    return [
        (Cover.OLD_MINE, there),
        (Cover.POND, np.where(wet < POND_SHARE, there, NEVER)),
        (Cover.LOW_VEGETATION, np.where(wet > 0.85, there, NEVER)),
    ]


def _greening(
    rng: np.random.Generator, covers: Sequence[tuple[Cover, np.ndarray]], finished: int, pace: float
) -> list[tuple[Cover, np.ndarray]]:
    """Covers after the end: plants, then young trees; every second pond stays."""
    scar, pond = covers[0][1], covers[-1][1]
    patch = smooth_field(rng, scar.shape, 5.0)
    stays = (scar >= NEVER) | ((pond < NEVER) & (patch > 0.0))
    wait = finished + (30.0 + 12.0 * np.clip(patch, -2.0, 2.0)) * pace
    low = np.where(stays, NEVER, np.rint(wait)).astype(int)
    return [(Cover.LOW_VEGETATION, low), (Cover.REGROWTH, np.where(stays, NEVER, low + round(70 * pace)))]


def quantile(field: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the rank of each pixel among those inside, float64 (y, x), 0 to below 1; infinite outside."""
    rank = np.full(field.shape, np.inf)
    count = int(inside.sum())
    rank[inside] = np.argsort(np.argsort(field[inside], kind="stable"), kind="stable") / max(count, 1)
    return rank

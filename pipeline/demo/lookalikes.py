"""Changes of the simulated ground that are no mining: farm clearings, a burn, a road, seasonal water, river bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from scipy import ndimage

from pipeline.demo.landscape import NEVER, ROAD_SHARE, Event, Landscape
from pipeline.demo.mine import FULL_DAYS, Mine
from pipeline.demo.river import BLOCK_M, PIXEL_M
from pipeline.demo.signatures import Cover
from pipeline.demo.texture import octaves, smooth_field

CLEARINGS = ((7.0, 0.66), (4.5, 0.80))
"""Hectares and onset (share of the days) of the farm clearings of one block of 6 km."""
FEW = ("farm_clearing", "burn", "seasonal_water", "road", "river_bar")
"""Kinds that every world has where they make sense."""
BURN_HA, BURN_SHARE = 11.0, 0.74
MARSH_HA = 6.0
WETTEST = (3, 17)
"""Month and day of the highest water."""
FLOODS = (0.75, 1.05, 0.95)
"""How high the water of each successive year is; the second floods ground that the first left dry."""


@dataclass(frozen=True, slots=True)
class LookAlike:
    """One change that is no mining."""

    kind: str
    """One of `FEW` or of `more_lookalikes.MORE`."""
    top: int
    left: int
    ground: np.ndarray
    """bool (y, x) of its window."""
    first_day: int | None
    """Day of the first change; None for what comes and goes."""
    events: tuple[Event, ...]
    finished_day: int | None = None
    """Day from which all of it is green again, or under water for good; None where that is never or does not count."""


def make_lookalikes(
    rng: np.random.Generator, landscape: Landscape, mines: Sequence[Mine], start: date, days: int
) -> list[LookAlike]:
    """Return two farm clearings, a burn, a road and a marsh for every block of 6 km, and the bars of the rivers.

    Kinds that make no sense in the landscape are left out.
    """
    rows, columns = landscape.shape
    across = max(1, round(columns * PIXEL_M / BLOCK_M))
    down = max(1, round(rows * PIXEL_M / BLOCK_M))
    free = landscape.free.copy()
    for mine in mines:
        top, left, bottom, right = mine.box
        free[max(top - 12, 0) : bottom + 12, max(left - 12, 0) : right + 12] = False
    found = []
    for block in range(across * down):
        part = (slice(block // across * rows // down, (block // across + 1) * rows // down), block % across)
        found += _block(rng, landscape, free, part, (start, days))
    return [*found, *_river_bars(landscape, start, days)]


def without(free: np.ndarray, looks: Sequence[LookAlike], margin_px: int) -> np.ndarray:
    """Return free ground, bool (y, x), less what look-alikes take and a margin about it."""
    taken = np.zeros_like(free)
    for look in looks:
        rows, columns = look.ground.shape
        taken[look.top : look.top + rows, look.left : look.left + columns] |= look.ground
    grown = ndimage.binary_dilation(taken, iterations=margin_px) if margin_px else taken
    return np.asarray(free & ~grown)


def _block(
    rng: np.random.Generator, landscape: Landscape, free: np.ndarray, part: tuple[slice, int], time: tuple[date, int]
) -> list[LookAlike]:
    """Look-alikes of one block (its rows and its number from the left)."""
    start, days = time
    rows, columns = landscape.shape
    shrink = min(1.0, min(rows, columns) * PIXEL_M / BLOCK_M) ** 1.5
    width = columns / max(1, round(columns * PIXEL_M / BLOCK_M))
    found = []

    def spot(share: float, hectares: float, *, is_square: bool) -> tuple[int, int, np.ndarray]:
        at = (part[0], int((part[1] + share) * width), round(0.16 * width))
        return _spot(rng, free, at, max(6, round(hectares * 100.0 * shrink)), is_square=is_square)

    kinds, green = landscape.setting.lookalikes, landscape.setting.green
    if "farm_clearing" in kinds:
        for hectares, onset in CLEARINGS:
            found.append(_clearing(rng, spot(ROAD_SHARE, hectares, is_square=True), onset, days))
    if "burn" in kinds:
        found.append(_burn(rng, spot(0.62, BURN_HA, is_square=False), green, days))
    if "seasonal_water" in kinds:
        found.append(_marsh(spot(0.17, MARSH_HA, is_square=False), green, start, days))
    if "road" in kinds:
        found.append(_road(rng, landscape, free, part, days))
    return [look for look in found if look.ground.any()]


def _spot(
    rng: np.random.Generator, free: np.ndarray, at: tuple[slice, int, int], pixels: int, *, is_square: bool
) -> tuple[int, int, np.ndarray]:
    """Top, left and outline (bool) of free ground around a column, of `pixels` pixels if there is room; then taken."""
    rows, middle, spread = at
    side = int(pixels**0.5 * 1.6) + 3
    best: tuple[int, int, np.ndarray] = (0, 0, np.zeros((1, 1), dtype=bool))
    for _ in range(60):
        top = int(rng.integers(rows.start + 2, max(rows.stop - side - 2, rows.start + 3)))
        left = int(np.clip(middle + rng.integers(-spread, spread + 1) - side // 2, 2, max(free.shape[1] - side - 2, 3)))
        open_ground = free[top : top + side, left : left + side]
        y, x = np.indices(open_ground.shape) - (side - 1) / 2.0
        distance = np.maximum(np.abs(y) * 0.8, np.abs(x)) if is_square else np.hypot(y, x * 0.8)
        distance = distance + (0.5 if is_square else 2.2) * smooth_field(rng, open_ground.shape, 5.0)
        order = np.argsort(np.where(open_ground, distance, np.inf), axis=None, kind="stable")[:pixels]
        outline = np.zeros(open_ground.shape, dtype=bool)
        outline.flat[order] = True
        labels, count = ndimage.label(outline & open_ground)
        piece = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count else outline & open_ground
        if piece.sum() > best[2].sum():
            best = (top, left, piece)
        if best[2].sum() >= 0.95 * pixels:
            break
    top, left, piece = best
    free[top : top + side, left : left + side] = False
    return best


def _clearing(rng: np.random.Generator, spot: tuple[int, int, np.ndarray], onset: float, days: int) -> LookAlike:
    """Forest felled within some weeks, then greening to pasture."""
    top, left, ground = spot
    pace, first = days / FULL_DAYS, round(onset * days)
    row = np.arange(ground.shape[0])[:, None] / ground.shape[0]
    felled = np.where(ground, np.rint(first + 18.0 * pace * row), NEVER).astype(int)
    green = np.where(ground, felled + np.rint(rng.normal(75.0, 4.0, ground.shape) * pace), NEVER)
    covers = ((Cover.SCAR, felled), (Cover.LOW_VEGETATION, green), (Cover.PASTURE, green + round(70 * pace)))
    return LookAlike("farm_clearing", top, left, ground, first, events_of(top, left, covers))


def _burn(rng: np.random.Generator, spot: tuple[int, int, np.ndarray], greens_to: Cover, days: int) -> LookAlike:
    """Forest burnt within a day, patchily, then greening."""
    top, left, ground = spot
    pace, day = days / FULL_DAYS, round(BURN_SHARE * days)
    burnt = ground & (octaves(rng, ground.shape, (2.0, 4.0)) > -1.3)
    green = np.where(burnt, day + np.rint(rng.normal(95.0, 15.0, ground.shape) * pace), NEVER)
    covers = ((Cover.BURN, np.where(burnt, day, NEVER)), (greens_to, green))
    return LookAlike("burn", top, left, burnt, day, events_of(top, left, covers))


def _marsh(spot: tuple[int, int, np.ndarray], green: Cover, start: date, days: int) -> LookAlike:
    """Grass (bare ground in a desert) in a hollow that the wet season floods, the deepest pixels longest."""
    top, left, ground = spot
    inner = ndimage.distance_transform_edt(ground)
    depth = inner / max(float(inner.max()), 1.0)
    covers = [(green, np.where(ground, 0, NEVER))]
    for year in range(start.year, (start + timedelta(days=days)).year + 2):
        peak = (date(year, *WETTEST) - start).days
        lasting = 88.0 * np.clip(depth + FLOODS[(year - start.year) % 3] - 0.95, 0.0, 1.2)
        wet = ground & (lasting > 8.0)
        covers.append((Cover.CLEAR_WATER, np.where(wet, np.rint(peak - lasting), NEVER)))
        covers.append((green, np.where(wet, np.rint(peak + lasting), NEVER)))
    return LookAlike("seasonal_water", top, left, ground, None, events_of(top, left, covers))


def _road(rng: np.random.Generator, landscape: Landscape, free: np.ndarray, part: tuple[slice, int], days: int) -> LookAlike:
    """Road from the trunk road towards the river, 20 m wide, built a hundred metres in four days."""
    width = landscape.shape[1] // len(landscape.river.centres_m)
    length, height = int(0.26 * width), 9
    left = int((part[1] + ROAD_SHARE - 0.10) * width) - length
    tops = rng.integers(part[0].start + 3, part[0].stop - height - 3, size=30)
    open_share = [free[top : top + height, left : left + length].mean() for top in tops]
    top = int(tops[int(np.argmax(open_share))])
    x = np.arange(length)
    y = np.clip(np.rint(4.0 + 2.5 * np.sin(2.0 * np.pi * x / 70.0 + rng.uniform(0, 6.3))), 0, height - 2).astype(int)
    ground = np.zeros((height, length), dtype=bool)
    ground[y, x] = ground[y + 1, x] = True
    ground &= free[top : top + height, left : left + length]
    pace, first = days / FULL_DAYS, round(0.69 * days)
    built = np.where(ground, np.rint(first + (length - x)[None, :] / 10.0 * 4.0 * pace), NEVER)
    covers = ((landscape.setting.bare, built), (Cover.ROAD, built + round(15 * pace)))
    return LookAlike("road", top, left, ground, first, events_of(top, left, covers))


def _river_bars(landscape: Landscape, start: date, days: int) -> list[LookAlike]:
    """Ground along the rivers that is sand on some days and water, or forest, on others."""
    outline = np.zeros((2, *landscape.shape), dtype=bool)
    always = np.ones((2, *landscape.shape), dtype=bool)
    for day in range(0, days + 1, 30):
        seen = landscape.river.channel_and_bars(day, (start + timedelta(days=day)).timetuple().tm_yday)
        outline |= seen
        always &= seen
    ground = (outline & ~always).any(axis=0)
    labels, count = ndimage.label(ground, structure=np.ones((3, 3)))
    found = []
    for number, window in enumerate(ndimage.find_objects(labels, max_label=count), start=1):
        piece = labels[window] == number
        if piece.sum() >= 6:
            found.append(LookAlike("river_bar", window[0].start, window[1].start, piece, None, ()))
    return found


def events_of(top: int, left: int, covers: Sequence[tuple[Cover, np.ndarray]]) -> tuple[Event, ...]:
    """Return the events of one window; days past the range are never."""
    return tuple(Event(cover, top, left, np.clip(day, -NEVER, NEVER).astype(np.int16)) for cover, day in covers)

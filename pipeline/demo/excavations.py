"""Simulated mines away from rivers: hand-dug pits with heaps, open pits with benches, terraces of leach ponds.

Sizes and shares are chosen, not measured.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pipeline.demo.landscape import NEVER, Event, Landscape
from pipeline.demo.landscapes import MineCovers, MineKind
from pipeline.demo.mine import FULL_DAYS, GAP_PX, PLANS, TRIES, Mine, Plan, box_of, quantile, scar_days
from pipeline.demo.river import BLOCK_M, PIXEL_M
from pipeline.demo.signatures import Cover
from pipeline.demo.terrain import Terrain
from pipeline.demo.texture import octaves, smooth_field
from pipeline.errors import DemoWorldTooSmallError

LENGTH_OVER_WIDTH = {MineKind.ARTISANAL: 1.6, MineKind.OPEN_PIT: 1.25, MineKind.LEACHING: 1.7}
PIT_SHARE, HEAP_SHARE = 0.30, 0.42
"""Shares of hand-dug ground that are pits and heaps; between them lies what was stripped."""
BENCH_PX = 5.0
"""Width of two steps of an open pit, face and floor."""
BENCH_SHARE = 0.4
"""Share of that width that is face."""
TERRACE_PX = (4.0, 4.0)
"""From one row of ponds to the next, and from one pond to the next in a row."""
POND_PX = (2.0, 3.0)
"""Height and length of a pond: 20 by 30 m, larger than many real ones, which pixels of 10 m do not show."""
CUT_SHARE = 0.85
"""Share of a leach mine that is cut to bare slope; the rest stays stripped."""
WHOLE_TRIES = 75
"""Tries in which a mine may not bend around what is in its way."""
LARGE_HA = 4.0
"""Larger mines shrink with a world of less than 6 km; hand-dug ones do not."""

CoverDays = list[tuple[Cover, np.ndarray]]
"""Covers in order, each with the day (int (y, x)) on which a pixel takes it."""


@dataclass(frozen=True, slots=True)
class _Site:
    """Ground of one mine before its covers are drawn."""

    inside: np.ndarray
    """bool (y, x) of its window."""
    stripped: np.ndarray
    """int (y, x): day on which each pixel is stripped, NEVER outside."""
    height_m: np.ndarray
    downhill: tuple[float, float]
    """Direction (rows, columns) of the steepest fall, length 1."""
    pace: float
    """Length of the world over two years."""


def make_excavations(rng: np.random.Generator, landscape: Landscape, terrain: Terrain, days: int) -> list[Mine]:
    """Return the mines of a landscape whose mines are not alluvial: twelve for every block of 6 km squared.

    Raises
    ------
    DemoWorldTooSmallError
        There is no room for one of them.
    """
    setting = landscape.setting
    rows, columns = landscape.shape
    blocks = max(1, round(rows * PIXEL_M / BLOCK_M)) * max(1, round(columns * PIXEL_M / BLOCK_M))
    shrink = min(1.0, min(rows, columns) * PIXEL_M / BLOCK_M) ** 1.5 if max(setting.mine_ha) > LARGE_HA else 1.0
    plans = [replace(p, area_ha=ha) for _ in range(blocks) for p, ha in zip(PLANS, setting.mine_ha, strict=True)]
    room = landscape.free.copy()
    margin = max(rows // 50, 2)
    room[:margin] = room[-margin:] = room[:, :margin] = room[:, -margin:] = False
    apart = np.ones_like(room)
    found: dict[int, Mine] = {}
    for number in sorted(range(len(plans)), key=lambda n: -plans[n].area_ha):  # the large ones first: they need room
        pixels = max(6, round(plans[number].area_ha * 100.0 * shrink))
        ground = _place(rng, (room, apart), terrain, pixels, setting.mine_kind)
        if not ground.any():
            raise DemoWorldTooSmallError(
                f"a simulated world of {columns * PIXEL_M:.0f} m ({setting.name}) has no room for mine {number + 1} of "
                f"{len(plans)}; expected 1500 m or more; choose a larger size_m or another seed"
            )
        found[number] = _dig(rng, f"M{number + 1:02d}", plans[number], ground, (landscape, terrain, days))
        top, left, bottom, right = found[number].box
        apart[max(top - GAP_PX, 0) : bottom + GAP_PX, max(left - GAP_PX, 0) : right + GAP_PX] = False
    return [found[number] for number in sorted(found)]


def _place(
    rng: np.random.Generator, ground: tuple[np.ndarray, np.ndarray], terrain: Terrain, pixels: int, kind: MineKind
) -> np.ndarray:
    """Bool (y, x) of the world: `pixels` connected free pixels, the best of some tries; empty where there are none.

    Ground is (fit, apart from other mines); the bounding box keeps clear of the latter. Open pits lie high, leach ponds on
    slopes, hand-dug pits anywhere.
    """
    fit, apart = ground
    y, x = np.nonzero(fit & apart)
    best, best_score = np.zeros_like(fit), -np.inf
    wanted = {MineKind.OPEN_PIT: terrain.height_m, MineKind.LEACHING: terrain.slope * np.float32(100.0)}.get(kind)
    for attempt in range(TRIES if len(y) else 0):
        pick = int(rng.integers(len(y)))
        centre, limit = (int(y[pick]), int(x[pick])), 1.1 if attempt < WHOLE_TRIES else 1.8
        trial = _patch(rng, fit & apart, pixels, centre, (LENGTH_OVER_WIDTH[kind], limit))
        if not trial.any() or not apart[box_of(trial)].all():
            continue
        score = float(trial.sum()) / pixels * 1e6
        score += 0.0 if wanted is None else float(wanted[trial].mean())
        if score > best_score:
            best, best_score = trial, score
        if best.sum() >= pixels and (wanted is None or attempt >= WHOLE_TRIES):
            break
    return best


def _patch(
    rng: np.random.Generator, free: np.ndarray, pixels: int, centre: tuple[int, int], form: tuple[float, float]
) -> np.ndarray:  # fmt: skip
    """Bool (y, x) of the world: free pixels around a centre, those nearest first, one connected piece.

    The form is (length over width, limit): how far out, in radii, pixels may lie; a low limit keeps the mine whole.
    """
    elongation, limit = form
    width = (pixels / np.pi / elongation) ** 0.5
    reach = int(2.0 * width * elongation) + 4
    window = tuple(slice(max(c - reach, 0), c + reach + 1) for c in centre)
    inside = free[window[0], window[1]]
    y = np.arange(inside.shape[0])[:, None] + window[0].start - centre[0]
    x = np.arange(inside.shape[1])[None, :] + window[1].start - centre[1]
    turn = rng.uniform(0.0, np.pi)
    u = (np.cos(turn) * x + np.sin(turn) * y) / (width * elongation)
    v = (np.cos(turn) * y - np.sin(turn) * x) / width
    ragged = np.exp(0.2 * smooth_field(rng, (inside.shape[0], inside.shape[1]), max(width / 1.5, 2.0)))
    distance = np.where(inside, np.hypot(u, v) * ragged, np.inf)
    distance[distance > limit] = np.inf
    ranked = np.argsort(distance, axis=None, kind="stable")[:pixels]
    chosen = np.zeros(inside.shape, dtype=bool)
    chosen.flat[ranked[np.isfinite(distance.flat[ranked])]] = True
    labels, count = ndimage.label(chosen)
    ground = np.zeros_like(free)
    if count:
        ground[window[0], window[1]] = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return ground


def _dig(
    rng: np.random.Generator, name: str, plan: Plan, ground: np.ndarray, place: tuple[Landscape, Terrain, int]
) -> Mine:  # fmt: skip
    """Mine on its ground, with the day on which each pixel takes each cover."""
    landscape, terrain, days = place
    box = box_of(ground)
    inside, pace = ground[box], days / FULL_DAYS
    finished = None
    if plan.onset_share is None:
        stripped = np.where(inside, 0, NEVER)
        steps: tuple[tuple[int, int], ...] = ((0, int(inside.sum())),)
        pace = 0.0
    else:
        stripped, steps = scar_days(rng, inside, plan, days)
        finished = round(steps[-1][0] + 45 * pace) if plan.finishes else None
    fall = np.array([terrain.north[box][inside].mean(), -terrain.east[box][inside].mean()])
    fall = fall / max(float(np.hypot(*fall)), 1e-6)
    site = _Site(inside, stripped, terrain.height_m[box], (float(fall[0]), float(fall[1])), pace)
    covers = _LAYOUTS[landscape.setting.mine_kind](rng, site, landscape.setting.mine_covers)
    if finished is not None:
        keeps = covers[-1][1] < NEVER if landscape.setting.mine_kind is MineKind.LEACHING else np.zeros_like(inside)
        covers += _greening(rng, site, landscape.setting.mine_covers, finished, keeps)
    top, left = box[0].start, box[1].start
    events = tuple(Event(cover, top, left, np.minimum(day, NEVER).astype(np.int16)) for cover, day in covers)
    return Mine(name, plan, top, left, inside, steps, finished, events)


def _after(days: np.ndarray, wait: float, where: np.ndarray) -> np.ndarray:
    """Days some time later where a mask is true, NEVER elsewhere."""
    return np.where(where & (days < NEVER), days + round(wait), NEVER)


def _artisanal(rng: np.random.Generator, site: _Site, covers: MineCovers) -> CoverDays:
    """Stripped ground dotted with pits of one to three pixels, each with its heap beside it."""
    field = octaves(rng, (site.inside.shape[0], site.inside.shape[1]), (1.0, 2.5))
    pit = quantile(-field, site.inside) < PIT_SHARE
    beside = ndimage.distance_transform_edt(~pit) + 0.6 * field
    heap = quantile(beside, site.inside & ~pit) < HEAP_SHARE / (1.0 - PIT_SHARE)
    found: CoverDays = [] if covers.stripped is None else [(covers.stripped, site.stripped)]
    dug = _after(site.stripped, rng.uniform(6.0, 16.0) * site.pace, site.inside)
    if covers.stripped is None:
        dug, heap = site.stripped, site.inside & ~pit
    return [*found, (covers.heap, np.where(heap, dug, NEVER)), (covers.pit, np.where(pit, dug, NEVER))]


def _open_pit(rng: np.random.Generator, site: _Site, covers: MineCovers) -> CoverDays:
    """Red soil laid open, then steps cut into it along the hill's contours, from the middle outwards."""
    shape = (site.inside.shape[0], site.inside.shape[1])
    depth = ndimage.distance_transform_edt(np.pad(site.inside, 1))[1:-1, 1:-1]
    steps = depth + 0.12 * (site.height_m - site.height_m[site.inside].mean()) + 0.5 * smooth_field(rng, shape, 9.0)
    face = (np.mod(steps, BENCH_PX) / BENCH_PX < BENCH_SHARE) & (depth > 1.5)
    opened = _after(site.stripped, rng.uniform(14.0, 24.0) * site.pace, site.inside)
    cut = _after(opened, rng.uniform(18.0, 30.0) * site.pace, site.inside & face)
    stripped = [] if covers.stripped is None else [(covers.stripped, site.stripped)]
    return [*stripped, (covers.pit, opened), (covers.heap, cut)]


def _leaching(rng: np.random.Generator, site: _Site, covers: MineCovers) -> CoverDays:
    """Slope that is stripped, cut bare and set with rows of small rectangular ponds along the contour."""
    y, x = np.indices(site.inside.shape)
    down = y * site.downhill[0] + x * site.downhill[1] + rng.uniform(0.0, 4.0)
    along = x * site.downhill[0] - y * site.downhill[1] + rng.uniform(0.0, 4.0)
    pond = (np.mod(down, TERRACE_PX[0]) < POND_PX[0]) & (np.mod(along, TERRACE_PX[1]) < POND_PX[1])
    shape = (site.inside.shape[0], site.inside.shape[1])
    cut = quantile(octaves(rng, shape, (2.0, 5.0)), site.inside) < CUT_SHARE
    ringed = ndimage.binary_erosion(np.pad(site.inside, 1))[1:-1, 1:-1]
    bare = _after(site.stripped, rng.uniform(10.0, 20.0) * site.pace, site.inside & (cut | pond))
    filled = _after(bare, rng.uniform(15.0, 30.0) * site.pace, pond & ringed)
    stripped = [] if covers.stripped is None else [(covers.stripped, site.stripped)]
    return [*stripped, (covers.heap, bare), (covers.pit, filled)]


def _greening(
    rng: np.random.Generator, site: _Site, covers: MineCovers, finished: int, ponds: np.ndarray
) -> CoverDays:  # fmt: skip
    """What comes back after the end, patch by patch; nothing where nothing grows; every second pond stays."""
    patch = np.round(smooth_field(rng, (site.inside.shape[0], site.inside.shape[1]), 5.0))
    greens = site.inside & ~(ponds & (patch > 0.0))
    first = np.rint(finished + (30.0 + 12.0 * np.clip(patch, -2.0, 2.0)) * site.pace).astype(int)
    return [
        (cover, np.where(greens, first + round(70 * site.pace * order), NEVER)) for order, cover in enumerate(covers.greens)
    ]


_LAYOUTS: dict[MineKind, Callable[[np.random.Generator, _Site, MineCovers], CoverDays]] = {
    MineKind.ARTISANAL: _artisanal, MineKind.OPEN_PIT: _open_pit, MineKind.LEACHING: _leaching,
}  # fmt: skip

"""The look-alikes beyond those of every world: which kinds there are, and which of them one world gets."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import numpy as np
from scipy import ndimage

from pipeline.demo.building import haul_roads, quarry, reservoir, settlement
from pipeline.demo.farming import aquaculture, grass_fires, logging_trails, shifting_cultivation
from pipeline.demo.hillside import landslides, silting_oxbow
from pipeline.demo.landscape import Landscape
from pipeline.demo.landscapes import DemoLandscapeUnknownError, MineKind
from pipeline.demo.lookalikes import LookAlike, without
from pipeline.demo.mine import Mine
from pipeline.demo.river import BLOCK_M, PIXEL_M
from pipeline.demo.rooms import Rooms, Surroundings
from pipeline.demo.terrain import Terrain

SETS = ("few", "all")
"""Sets of look-alikes that a world can have."""
MORE: Mapping[str, Callable[[np.random.Generator, Surroundings], list[LookAlike]]] = {
    "reservoir": reservoir, "settlement": settlement, "aquaculture": aquaculture, "logging": logging_trails,
    "quarry": quarry, "oxbow": silting_oxbow, "landslide": landslides, "shifting_cultivation": shifting_cultivation,
}  # fmt: skip
"""Every further kind with its maker, those that need most room first."""
LEFT_OUT, LEAST_KINDS = 1, 5
"""Kinds that a world of the set `all` does without, by the seed, so that worlds differ; none where few make sense."""
MINE_MARGIN_PX = 6
"""Least distance of a look-alike from a mine's bounding box: a mine and what is none stay two sites."""


def expect_set(name: str) -> None:
    """Raise where there is no set of look-alikes of that name.

    Raises
    ------
    DemoLandscapeUnknownError
        There is none.
    """
    if name not in SETS:
        raise DemoLandscapeUnknownError(f"look-alikes {name!r} of a simulated world: expected one of {', '.join(SETS)}")


def make_more(
    rng: np.random.Generator,
    ground: tuple[Landscape, Terrain],
    others: tuple[Sequence[Mine], Sequence[LookAlike]],
    start: date,
    days: int,
    chosen: str,
) -> list[LookAlike]:
    """Return what a world has beside mines and the few look-alikes (`others`), which are kept clear of.

    The haul roads of open pits and the fires of a savanna belong to the landscape; the kinds of `MORE` come with the set
    `all`, where they make sense and find room, all but `LEFT_OUT` of them, once for every block of 6 km squared.
    """
    landscape, terrain = ground
    mines, looks = others
    free = without(landscape.free, looks, MINE_MARGIN_PX)
    for mine in mines:
        top, left, bottom, right = mine.box
        free[max(top - MINE_MARGIN_PX, 0) : bottom + MINE_MARGIN_PX, max(left - MINE_MARGIN_PX, 0) : right + MINE_MARGIN_PX] = (
            False
        )
    around = Surroundings(landscape, terrain, Rooms(free), start, days)
    found, mined = [], _mined(mines, landscape.shape)
    if landscape.setting.mine_kind is MineKind.OPEN_PIT:
        found += haul_roads(rng, around, mines, ~without(~mined, looks, 0))
    fitting = [kind for kind in MORE if kind in landscape.setting.lookalikes]
    if chosen == "all":
        skipped = set(rng.permutation(fitting)[: LEFT_OUT if len(fitting) > LEAST_KINDS else 0].tolist())
        for kind in (kind for kind in fitting if kind not in skipped):
            for _ in range(max(1, round(landscape.base.size * (PIXEL_M / BLOCK_M) ** 2))):
                found += [look for look in MORE[kind](rng, around) if look.ground.any()]
    if landscape.setting.burns_every_year:
        found += grass_fires(rng, around, without(landscape.free & ~ndimage.binary_dilation(mined), [*looks, *found], 1))
    return found


def _mined(mines: Sequence[Mine], shape: tuple[int, int]) -> np.ndarray:
    """Bool (y, x): ground of any mine."""
    ground = np.zeros(shape, dtype=bool)
    for mine in mines:
        top, left, bottom, right = mine.box
        ground[top:bottom, left:right] |= mine.ground
    return ground

"""The landscapes that a simulated world can have: what grows there, how its ground lies, how and what it is mined for.

Shares, sizes and reliefs are chosen, not measured, unless a source stands beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.demo.signatures import Cover
from pipeline.errors import InputError


class DemoLandscapeUnknownError(InputError):
    """There is no landscape, or no set of look-alikes, of that name."""


class MineKind(StrEnum):
    """How a mine looks from above."""

    ALLUVIAL = "alluvial"
    """Bare spoil and turbid ponds along a river."""
    ARTISANAL = "artisanal"
    """Many small pits, each with its heap; no ponds (tin, tantalum, tungsten, cobalt)."""
    OPEN_PIT = "open_pit"
    """Benches that follow the hill, and a haul road (nickel laterite)."""
    LEACHING = "leaching"
    """Terraces of small lined ponds on cut slopes (ion-adsorption rare earths)."""


@dataclass(frozen=True, slots=True)
class MineCovers:
    """What the ground of a mine turns into, in order."""

    stripped: Cover | None
    """First cover; None where the ground is bare before."""
    pit: Cover
    heap: Cover
    """Spoil, or the darker bench of an open pit."""
    greens: tuple[Cover, ...]
    """What comes back after the end, in order; empty where nothing does."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One landscape."""

    name: str
    belt: str
    """What the world is called: "Simulated <belt>"."""
    minerals: tuple[str, ...]
    matrix: Cover
    """What most of the ground is."""
    patches: tuple[tuple[Cover, float, float], ...]
    """Cover, share of the ground, size in pixels of what is strewn over the matrix."""
    river_width: float
    """Width of the river relative to that of the gold belt; 0 for none."""
    has_farms: bool
    relief_m: float
    """Spread of the height of the ground, metres."""
    mine_kind: MineKind
    mine_covers: MineCovers
    mine_ha: tuple[float, ...]
    """Hectares at the end of the twelve mines of a block, in the order of `mine.PLANS`."""
    lookalikes: frozenset[str]
    """Kinds of look-alike that make sense here."""
    burns_every_year: bool = False
    """Whether grass fires pass over part of it each dry season."""

    @property
    def id(self) -> str:
        """Id of the area and of its catalogue."""
        return f"simulated-{self.belt.replace(' ', '-')}"

    @property
    def belt_phrase(self) -> str:
        """The place in a sentence."""
        return f"{self.belt} that do not exist" if self.belt.endswith("s") else f"a {self.belt} that does not exist"

    @property
    def natural(self) -> tuple[Cover, ...]:
        """Covers of ground that nobody has touched."""
        return (self.matrix, *(cover for cover, _, _ in self.patches))

    @property
    def bare(self) -> Cover:
        """What freshly opened ground looks like."""
        return self.mine_covers.stripped or self.mine_covers.heap

    @property
    def green(self) -> Cover:
        """What first comes back on opened ground; the ground itself where nothing grows."""
        return self.mine_covers.greens[0] if self.mine_covers.greens else self.matrix

    @property
    def is_green(self) -> bool:
        """Whether plants cover the ground."""
        return self.matrix is not Cover.ARID_GROUND


_FARMING = frozenset({"farm_clearing", "shifting_cultivation"})
_ANYWHERE = frozenset({"road", "settlement", "quarry", "reservoir"})
_RIVERSIDE = frozenset({"river_bar", "oxbow", "seasonal_water"})
_WOODED = frozenset({"burn", "logging", "landslide", "aquaculture"})
_SMALL_PITS = (2.0, 3.0, 2.6, 1.8, 1.2, 2.2, 0.8, 1.0, 0.6, 0.3, 1.5, 2.4)
_OPEN_PITS = (22.0, 34.0, 28.0, 16.0, 12.0, 14.0, 7.0, 8.0, 5.0, 3.0, 9.0, 18.0)
_TERRACES = (5.0, 8.0, 6.5, 4.0, 2.5, 3.5, 1.8, 2.0, 1.4, 0.8, 2.2, 4.5)
_SOIL_PITS = MineCovers(Cover.SCAR, Cover.PIT, Cover.SPOIL, (Cover.LOW_VEGETATION,))

HUMID_FOREST = Setting(
    name="humid_forest", belt="gold belt", minerals=("gold",), matrix=Cover.FOREST, patches=(), river_width=1.0,
    has_farms=True, relief_m=18.0, mine_kind=MineKind.ALLUVIAL,
    mine_covers=MineCovers(Cover.SCAR, Cover.POND, Cover.TAILINGS, (Cover.LOW_VEGETATION, Cover.REGROWTH)),
    mine_ha=(), lookalikes=_FARMING | _ANYWHERE | _RIVERSIDE | _WOODED,
)  # fmt: skip
DRY_FOREST = Setting(
    name="dry_forest", belt="cobalt hills", minerals=("cobalt", "copper"), matrix=Cover.DRY_FOREST,
    patches=((Cover.GRASS, 0.12, 25.0),), river_width=0.45, has_farms=True, relief_m=22.0,
    mine_kind=MineKind.ARTISANAL, mine_covers=_SOIL_PITS, mine_ha=_SMALL_PITS,
    lookalikes=_FARMING | _ANYWHERE | _RIVERSIDE | _WOODED,
)  # fmt: skip
SAVANNA = Setting(
    name="savanna", belt="tin and tantalum fields", minerals=("tantalum", "tin", "tungsten"), matrix=Cover.GRASS,
    patches=((Cover.SAVANNA_TREES, 0.30, 3.0), (Cover.SAVANNA_TREES, 0.12, 18.0)), river_width=0.4, has_farms=True,
    relief_m=12.0, mine_kind=MineKind.ARTISANAL,
    mine_covers=MineCovers(Cover.SCAR, Cover.PIT, Cover.SPOIL, (Cover.GRASS,)), mine_ha=_SMALL_PITS,
    lookalikes=_FARMING | _ANYWHERE | _RIVERSIDE | {"burn", "aquaculture"}, burns_every_year=True,
)  # fmt: skip
BARE_HILLS = Setting(
    name="bare_hills", belt="nickel hills", minerals=("nickel", "cobalt"), matrix=Cover.SCRUB,
    patches=((Cover.LATERITE, 0.10, 6.0), (Cover.LATERITE, 0.12, 22.0)), river_width=0.0, has_farms=False, relief_m=55.0,
    mine_kind=MineKind.OPEN_PIT,
    mine_covers=MineCovers(Cover.LATERITE, Cover.FRESH_LATERITE, Cover.BENCH, (Cover.GRASS,)), mine_ha=_OPEN_PITS,
    lookalikes=_ANYWHERE | {"burn", "landslide"},
)  # fmt: skip
LEACH_PONDS = Setting(
    name="leach_ponds", belt="rare-earth hills", minerals=("rare earths",), matrix=Cover.FOREST, patches=(), river_width=0.0,
    has_farms=True, relief_m=60.0, mine_kind=MineKind.LEACHING,
    mine_covers=MineCovers(Cover.SCAR, Cover.LEACH_POND, Cover.CUT_SLOPE, (Cover.LOW_VEGETATION, Cover.REGROWTH)),
    mine_ha=_TERRACES, lookalikes=_FARMING | _ANYWHERE | _WOODED,
)  # fmt: skip
ARID = Setting(
    name="arid", belt="desert pits", minerals=("copper", "tantalum"), matrix=Cover.ARID_GROUND,
    patches=((Cover.ARID_SPOIL, 0.15, 30.0),), river_width=0.0, has_farms=False, relief_m=20.0,
    mine_kind=MineKind.ARTISANAL, mine_covers=MineCovers(None, Cover.ARID_PIT, Cover.ARID_SPOIL, ()), mine_ha=_SMALL_PITS,
    lookalikes=_ANYWHERE | {"seasonal_water"},
)  # fmt: skip
LANDSCAPES: Mapping[str, Setting] = {
    setting.name: setting for setting in (HUMID_FOREST, DRY_FOREST, SAVANNA, BARE_HILLS, LEACH_PONDS, ARID)
}
"""Every landscape by its name."""


def landscape_named(name: str) -> Setting:
    """Return the landscape of that name.

    Raises
    ------
    DemoLandscapeUnknownError
        There is none.
    """
    setting = LANDSCAPES.get(name)
    if setting is None:
        raise DemoLandscapeUnknownError(
            f"landscape {name!r} of a simulated world: expected one of {', '.join(LANDSCAPES)}; see docs/simulated-world.md"
        )
    return setting

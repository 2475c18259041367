"""Small grounds on which one thing happens, painted with the spectra of the simulated worlds and walked by the real stages.

A place is 72 pixels a side, seen on the 15th of each month of two years and then on ten dates twelve days apart, numbered
0 to 9; nothing is read from or written to a file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage
from shapely.geometry import box

from pipeline.alerts import AlertContext, describe
from pipeline.aoi import Chunk
from pipeline.config import CubeSection, ReferenceSection, SitesSection
from pipeline.cube import SceneClass, look_of, make_cube
from pipeline.demo.classes import classify
from pipeline.demo.conditions import CALM, Conditions, Drought
from pipeline.demo.painter import Painter, sensed
from pipeline.demo.signatures import Cover, load_signatures
from pipeline.demo.terrain import make_terrain
from pipeline.demo.texture import ground_grain, smooth_field
from pipeline.demo.weather import Sky
from pipeline.fitting import fit_reference
from pipeline.io.models import Model, default_model, load_model
from pipeline.io.priorities import default_priority
from pipeline.monitor import PixelState, empty_state
from pipeline.reference import Reference
from pipeline.scenes import BANDS
from pipeline.sites import Site, SiteRules, advance
from pipeline.stages.chunks import changed_pixels, monitor_look
from pipeline.stages.watching import watched_ground
from pipeline.tenure import Law, TenureRules

EPSG, LEFT, TOP, SIDE = 32720, 500_000.0, 9_000_000.0, 72
PAST = tuple(date(2022 + n // 12, n % 12 + 1, 15) for n in range(24))
LOOKS = tuple(date(2024, 6, 5) + timedelta(days=12 * n) for n in range(10))
NEVER = len(LOOKS)
ROWS, COLUMNS = np.indices((SIDE, SIDE))
Events = tuple[tuple[int, np.ndarray, Cover], ...]
"""(look, where, cover): ground where (bool (y, x)) has the cover from that look on; later ones lie over earlier ones."""


def no_sky(_look: int) -> Sky:
    """Clear air."""
    none = np.zeros((SIDE, SIDE), np.float32)
    return Sky(none, none, none, None, 1.0)


def as_it_is(_look: int, _reflectance: np.ndarray, _scl: np.ndarray) -> None:
    """No fault of the product."""


@dataclass(frozen=True, repr=False)
class Place:
    """A square of ground, what becomes of it, and what lies between it and the eye."""

    before: np.ndarray
    """uint8 (y, x): cover before."""
    events: Events = ()
    floods: Callable[[date], np.ndarray] | None = None
    """Ground under clear water on a day: bool (y, x)."""
    conditions: Conditions = CALM
    sky: Callable[[int], Sky] = no_sky
    """Of each of the ten looks."""
    misplaced: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Whole pixels by which looks are shifted."""
    faults: Callable[[int, np.ndarray, np.ndarray], None] = as_it_is
    """Changes reflectance (band, y, x) and classes (y, x) of a look in place."""

    def cover(self, look: int, day: date) -> np.ndarray:
        """Cover on a look; looks of the past are negative."""
        cover = self.before.copy()
        for first, where, new in self.events:
            if look >= first:
                cover[where] = new
        if self.floods is not None:
            cover[self.floods(day)] = Cover.CLEAR_WATER
        return cover


@dataclass(frozen=True, repr=False)
class Outcome:
    """What the walk made of a place."""

    told: tuple[Mapping[str, object], ...]
    """Properties of every site on every look."""
    state: PixelState
    reference: Reference

    @property
    def causes(self) -> set[str]:
        """Every likely cause that was told on any look."""
        return {str(p["likely_cause"]) for p in self.told}

    @property
    def last(self) -> dict[str, float]:
        """Hectares by likely cause after the last look."""
        day = LOOKS[-1].isoformat()
        found: dict[str, float] = {}
        for p in self.told:
            if p["evaluated_on"] == day:
                found[str(p["likely_cause"])] = found.get(str(p["likely_cause"]), 0.0) + float(str(p["area_ha"]))
        return found


@lru_cache(maxsize=1)
def the_model() -> Model:
    """The model that comes with the package."""
    return load_model(default_model())


@lru_cache(maxsize=1)
def the_chunk() -> Chunk:
    """The grid of every place."""
    reach = 10.0 * SIDE
    geobox = GeoBox((SIDE, SIDE), Affine(10, 0, LEFT, 0, -10, TOP), f"EPSG:{EPSG}")
    return Chunk("place", geobox, box(LEFT, TOP - reach, LEFT + reach, TOP))


Seen = tuple[date, np.ndarray, np.ndarray]
"""Day, reflectance float32 (band, y, x) and scene classes uint8 (y, x)."""


def painter(conditions: Conditions, seed: int) -> Painter:
    """What paints the ground; the same seed, the same grain."""
    plain: Any = SimpleNamespace(shape=(SIDE, SIDE), parcel_tone=np.ones((SIDE, SIDE), np.float32))
    return Painter(plain, load_signatures(), ground_grain(np.random.default_rng(seed), (SIDE, SIDE)), conditions)


def paint_past(covers: tuple[bytes, ...], conditions: Conditions, seed: int) -> xr.Dataset:
    """The cube of the past, under clear air."""
    paints, rng = painter(conditions, seed), np.random.default_rng((seed, 0))
    found = []
    for day, cover in zip(PAST, covers, strict=True):
        ground = paints.ground(rng, np.frombuffer(cover, np.uint8).reshape(SIDE, SIDE), day)
        found.append(through(rng, day, ground, no_sky(-1)))
    return cube_of(found)


@lru_cache(maxsize=8)
def calm_past(covers: tuple[bytes, ...], seed: int) -> xr.Dataset:
    """The cube of a past on level ground without drought, kept: many places share one."""
    return paint_past(covers, CALM, seed)


def through(rng: np.random.Generator, day: date, ground: np.ndarray, sky: Sky) -> Seen:
    """What is seen of the ground, and the classes of the stand-in for SCL, which takes it for what it looks like."""
    seen = sensed(rng, ground, sky).astype(np.float32)
    return day, seen, classify(np.random.default_rng(0), seen, np.full((SIDE, SIDE), Cover.FOREST, np.uint8), sky)


def cube_of(looks: list[Seen]) -> xr.Dataset:
    """A cube with its clear mask, by the default configuration."""
    stack = np.stack([seen for _, seen, _ in looks])
    bands = {name: stack[:, b] for b, name in enumerate(BANDS)}
    classes = np.stack([scl for _, _, scl in looks])
    return make_cube([day for day, _, _ in looks], bands, classes, CubeSection().cloud_dilation_px)


def paint(place: Place, seed: int) -> tuple[xr.Dataset, tuple[xr.Dataset, ...]]:
    """The cube of the past, and one of each look."""
    covers = tuple(place.cover(n - len(PAST), day).tobytes() for n, day in enumerate(PAST))
    past = calm_past(covers, seed) if place.conditions is CALM else paint_past(covers, place.conditions, seed)
    paints, rng = painter(place.conditions, seed), np.random.default_rng((seed, 1))
    cubes = []
    for look, day in enumerate(LOOKS):
        ground = paints.ground(rng, place.cover(look, day), day, place.misplaced.get(look))
        _, seen, scl = through(rng, day, ground, place.sky(look))
        place.faults(look, seen, scl)
        cubes.append(cube_of([(day, seen, scl)]))
    return past, tuple(cubes)


def walk(place: Place, seed: int = 1) -> Outcome:
    """What the stages from the reference to the alerts make of a place, with the default configuration and model."""
    model, chunk = the_model(), the_chunk()
    past, cubes = paint(place, seed)
    reference = fit_reference(past, ReferenceSection().min_looks)
    rules = SiteRules(**SitesSection().model_dump())
    context = AlertContext(
        "place", f"EPSG:{EPSG}", model.site, model.id, Law(), TenureRules(), default_priority(), {}
    )  # fmt: skip
    state, sites, told = empty_state(chunk.shape), list[Site](), []
    for day, cube in zip(LOOKS, cubes, strict=True):
        past = reference.on(day)
        state = monitor_look(state, past, look_of(cube), watched_ground(past, chunk.inside), model.estimator)
        pixels = changed_pixels(state, reference, chunk)
        sites, _ = advance(sites, pixels, day, "place", rules)
        told += [describe(site, pixels, day, context, None).properties for site in sites]
    return Outcome(tuple(told), state, reference)


# --- shapes ----------------------------------------------------------------------------------------------------------


def rectangle(top: int, left: int, height: int, width: int) -> np.ndarray:
    """Bool (y, x)."""
    return (top <= ROWS) & (top + height > ROWS) & (left <= COLUMNS) & (left + width > COLUMNS)


def blob(row: int, column: int, radius: float, *, ragged: float = 0.15, seed: int = 3) -> np.ndarray:
    """A round patch with an uneven outline: bool (y, x)."""
    field_ = smooth_field(np.random.default_rng(seed), (SIDE, SIDE), 5.0)
    return np.hypot(ROWS - row, COLUMNS - column) < radius * (1.0 + ragged * field_)


def line(columns: np.ndarray, width: int = 1) -> np.ndarray:
    """A track down the rows at a column for each, some pixels wide: bool (y, x)."""
    return (columns[:, None] <= COLUMNS) & (columns[:, None] + width > COLUMNS)


def forest(cover: Cover = Cover.FOREST) -> np.ndarray:
    """Forest with a river along the left and pastures along the right: uint8 (y, x)."""
    ground = np.full((SIDE, SIDE), cover, np.uint8)
    bank = np.rint(6 + 2 * np.sin(np.arange(SIDE) / 9.0)).astype(int)
    ground[line(bank, 6)] = Cover.RIVER
    ground[:, 62:] = Cover.PASTURE
    return ground


SPOT = blob(36, 36, 12.0)
"""Where most things happen: 4 to 5 ha amid the forest, 250 m from the river."""


def mined(where: np.ndarray, first: int = 2) -> Events:
    """An alluvial mine: stripped, then bare, then with ponds in a third of its middle."""
    rng = np.random.default_rng(11)
    pond = ndimage.binary_erosion(where, iterations=2) & (smooth_field(rng, where.shape, 6.0) > 0.3)
    return (first, where, Cover.SCAR), (first + 1, where, Cover.TAILINGS), (first + 2, pond, Cover.POND)


# --- what people do --------------------------------------------------------------------------------------------------


def farm_clearing() -> Place:
    """A field of 4.8 ha beside pastures: felled, then sown."""
    field_ = rectangle(24, 38, 20, 24)
    return Place(forest(), ((2, field_, Cover.SCAR), (4, field_, Cover.PASTURE)))


def shifting_cultivation() -> Place:
    """Four plots of 0.8 ha: felled, burnt, planted."""
    plots = np.logical_or.reduce([rectangle(r, c, 9, 9) for r, c in ((14, 24), (20, 44), (38, 28), (48, 46))])
    return Place(forest(), ((2, plots, Cover.SCAR), (4, plots, Cover.BURN), (6, plots, Cover.CROP)))


def logging() -> Place:
    """A trail and skid trails one pixel wide, gaps of two by two, as `pipeline.demo.farming` lays them."""
    trail = line(np.rint(36 + 4 * np.sin(np.arange(SIDE) / 8.0)).astype(int)) & rectangle(10, 0, 52, SIDE)
    skids = np.logical_or.reduce([rectangle(r, 36 - 14 * (r % 2), 1, 14) for r in range(13, 60, 7)])
    gaps = np.logical_or.reduce([rectangle(r - 1, 36 - 14 * (r % 2) + c, 2, 2) for r in range(13, 60, 7) for c in (5, 11)])
    cut = trail | skids | gaps
    return Place(forest(), ((2, cut, Cover.SCAR), (8, cut, Cover.LOW_VEGETATION)))


def roads() -> Place:
    """A new road, one pixel wide, with a side road."""
    new = line(np.rint(30 + np.arange(SIDE) / 6.0).astype(int)) | rectangle(40, 36, 1, 26)
    return Place(forest(), ((2, new, Cover.SCAR), (3, new, Cover.ROAD)))


def wide_road() -> Place:
    """A new road, two pixels wide."""
    new = line(np.full(SIDE, 36), 2)
    return Place(forest(), ((2, new, Cover.SCAR), (3, new, Cover.ROAD)))


def settlement() -> Place:
    """Roofs of two by two pixels in bare yards along a road, growing."""
    road = line(np.full(SIDE, 36), 2)
    yards = rectangle(22, 26, 28, 22) & (blob(36, 36, 14.0, seed=8) | rectangle(28, 30, 16, 14))
    roofs = yards & (ROWS % 4 < 2) & (COLUMNS % 5 < 2)
    near = ROWS < 36
    return Place(
        forest(),
        (
            (-24, road, Cover.ROAD), (2, yards & near, Cover.ROAD), (3, roofs & near, Cover.ROOF),
            (5, yards & ~near, Cover.ROAD), (6, roofs & ~near, Cover.ROOF),
        ),
    )  # fmt: skip


def quarry() -> Place:
    """A compact pit in grey rock, stripped first, without ponds."""
    return Place(forest(), ((2, SPOT, Cover.SCAR), (3, SPOT, Cover.ROCK)))


def aquaculture() -> Place:
    """Three rows of fish ponds of 70 by 50 m between dykes that green: dug, then filled with clear or greenish water."""
    ground = rectangle(22, 26, 25, 25)
    pond = ground & ((ROWS - 22) % 8 > 0) & ((COLUMNS - 26) % 6 > 0)
    clear = pond & ((COLUMNS // 6) % 2 == 0)
    return Place(
        forest(),
        (
            (1, ground, Cover.SCAR), (3, pond, Cover.GREEN_POND), (3, clear, Cover.CLEAR_WATER),
            (6, ground & ~pond, Cover.LOW_VEGETATION),
        ),
    )  # fmt: skip


def reservoir() -> Place:
    """A valley that clear water fills in three steps."""
    return Place(forest(), tuple((2 * n, blob(36, 36, 5.0 + 4.0 * n), Cover.CLEAR_WATER) for n in (1, 2, 3)))


# --- what nature does ------------------------------------------------------------------------------------------------


def burn() -> Place:
    """A forest fire of 9 ha."""
    return Place(forest(), ((2, blob(36, 36, 17.0, ragged=0.3), Cover.BURN),))


def moving_channel() -> Place:
    """A river that goes 60 m to the right within the dry season and leaves bars where it was."""
    bank = np.rint(16 + 3 * np.sin(np.arange(SIDE) / 9.0)).astype(int)
    before = forest()
    before[line(bank, 9)] = Cover.RIVER
    return Place(
        before,
        ((2, line(bank, 4), Cover.SANDBAR), (2, line(bank + 9, 3), Cover.RIVER), (5, line(bank + 12, 3), Cover.RIVER)),
    )


def river_bars() -> Place:
    """Bars that come up in the river from June to October of every year."""
    bank = np.rint(16 + 3 * np.sin(np.arange(SIDE) / 9.0)).astype(int)
    before = forest()
    before[line(bank, 16)] = Cover.SANDBAR
    bars = line(bank, 6) & (np.sin(ROWS / 7.0) > 0)
    return Place(before, floods=lambda day: line(bank, 16) & ~(bars & (6 <= day.month <= 10)))


def oxbow() -> Place:
    """A cut-off channel that silts up: water, mud from its ends, then green."""
    y, x = ROWS - 30.0, COLUMNS - 36.0
    crescent = (np.abs(np.hypot(y, x) - 12.0) < 2.5) & (y > -4)
    before = forest()
    before[crescent] = Cover.CLEAR_WATER
    ends = crescent & (y < 6)
    return Place(before, ((2, ends, Cover.MUD), (5, crescent, Cover.MUD), (7, ends, Cover.LOW_VEGETATION)))


def seasonal_water() -> Place:
    """Young trees that stand under water from June to September of every year."""
    before = forest()
    before[SPOT] = Cover.REGROWTH
    return Place(before, floods=lambda day: SPOT & (6 <= day.month <= 9))


def unusual_flood() -> Place:
    """Young trees by the river under its turbid water for four looks, as in no year before."""
    before = forest()
    wet = blob(36, 26, 14.0) & (before != Cover.RIVER)
    before[wet] = Cover.REGROWTH
    return Place(before, ((3, wet, Cover.RIVER), (7, wet, Cover.REGROWTH)))


def landslide() -> Place:
    """Two bare scars of 200 by 45 m down a slope."""
    scars = np.logical_or.reduce(
        [(np.abs((COLUMNS - c) - 0.4 * (ROWS - r)) < 2.4) & (np.abs(ROWS - r) < 10) for r, c in ((24, 30), (46, 46))]
    )
    return Place(forest(), ((2, scars, Cover.CUT_SLOPE),))


# --- season, sky and sensor ------------------------------------------------------------------------------------------


def leaf_off() -> Place:
    """Forest that sheds its leaves from June to September, as every year; glades of grass."""
    before = forest(Cover.DRY_FOREST)
    before[blob(18, 46, 7.0)] = Cover.GRASS
    return Place(before)


def drought() -> Place:
    """Forest, young trees and pastures in a dry spell that no year before had."""
    before = forest()
    before[rectangle(8, 30, 26, 28)] = Cover.REGROWTH
    before[rectangle(38, 30, 26, 28)] = Cover.PASTURE
    return Place(before, conditions=Conditions(drought=Drought(LOOKS[0], LOOKS[-1] + timedelta(days=60))))


def terrain_shadow() -> Place:
    """Steep hills, whose southern slopes lie in the shade from May to August."""
    terrain = make_terrain(np.random.default_rng(2), (SIDE, SIDE), 120.0)
    return Place(forest(), conditions=Conditions(terrain=terrain))


def sky_of(*, cloud: np.ndarray | None = None, shadow: np.ndarray | None = None, haze: np.ndarray | None = None) -> Sky:
    """A sky of which some parts are given, each float32 (y, x) from 0 to 1."""
    none = np.zeros((SIDE, SIDE), np.float32)
    there = [none if part is None else part.astype(np.float32) for part in (cloud, shadow)]
    return Sky(there[0], np.ones((SIDE, SIDE), np.float32), there[1], None if haze is None else haze.astype(np.float32), 1.0)


def clouds() -> Place:
    """A thick cloud with soft rims that the classes leave out, at another place on each look, with its shadow."""

    def sky(look: int) -> Sky:
        core = ndimage.gaussian_filter(blob(20 + 5 * (look % 5), 24 + 4 * look, 9.0, seed=look).astype(np.float32), 1.6)
        return sky_of(cloud=core, shadow=np.roll(core, (12, -14), (0, 1)))

    return Place(forest(), sky=sky)


def unflagged(look: int, _reflectance: np.ndarray, scl: np.ndarray) -> None:
    """Scene classes that see vegetation everywhere."""
    scl[:] = SceneClass.VEGETATION


def unflagged_cloud() -> Place:
    """A thick cloud that the classes do not show at all, over the same ground on two looks of ten."""
    patch = ndimage.gaussian_filter(SPOT.astype(np.float32), 1.6)
    return Place(forest(), sky=lambda look: sky_of(cloud=patch) if look in {3, 5} else no_sky(look), faults=unflagged)


def unflagged_shadow() -> Place:
    """A deep shadow that the classes do not show, over the same ground on two looks of ten."""
    patch = ndimage.gaussian_filter(SPOT.astype(np.float32), 1.6)
    return Place(forest(), sky=lambda look: sky_of(shadow=patch) if look in {3, 5} else no_sky(look), faults=unflagged)


def haze(strength: float = 2.5) -> Place:
    """Smoke that the classes do not show over all of the ground on four looks: blue brighter by 0.15, red by 0.075."""
    whole = np.full((SIDE, SIDE), strength, np.float32)
    return Place(forest(), sky=lambda look: sky_of(haze=whole) if 3 <= look <= 6 else no_sky(look), faults=unflagged)


def shift() -> Place:
    """Every other look misplaced by a whole pixel, over ground with sharp edges."""
    before = forest()
    before[rectangle(20, 28, 18, 18)] = Cover.PASTURE
    before[blob(54, 40, 7.0)] = Cover.TAILINGS
    return Place(before, misplaced=dict.fromkeys(range(1, 10, 2), (1, 1)))


def faulty_lines() -> Place:
    """Six lines without data on one look, and eight lines of one band saturated on two, which the classes say."""

    def faults(look: int, reflectance: np.ndarray, scl: np.ndarray) -> None:
        if look == 2:
            reflectance[:, 20:26] = np.nan
            scl[20:26] = SceneClass.NO_DATA
        if look in {4, 6}:
            reflectance[BANDS.index("red"), 30:38] = 6.5535
            scl[30:38] = SceneClass.SATURATED

    return Place(forest(), faults=faults)


def unflagged_lines(band: str = "red", value: float = 6.5535) -> Place:
    """Eight lines of one band saturated on one look, which the classes do not say."""

    def faults(look: int, reflectance: np.ndarray, _scl: np.ndarray) -> None:
        if look == 4:
            reflectance[BANDS.index(band), 30:38] = value

    return Place(forest(), faults=faults)


# --- what must be kept -----------------------------------------------------------------------------------------------


def called(scl_class: SceneClass, place: Place, where: np.ndarray, first: int) -> Place:
    """The same place, of which the classes say one thing from a look on, and vegetation elsewhere."""

    def faults(look: int, _reflectance: np.ndarray, scl: np.ndarray) -> None:
        scl[:] = SceneClass.VEGETATION
        if look >= first:
            scl[where] = scl_class

    return replace(place, faults=faults)

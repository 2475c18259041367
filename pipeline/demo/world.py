"""The simulated world: mines in one of six landscapes, written as a catalogue with its titles and its exact truth.

Everything follows from the seed. Dates are painted and written one by one, so that memory does not grow with their
number.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from pipeline.demo.catalog import ItemFacts, Raster, feature, write_catalog, write_features, write_item
from pipeline.demo.classes import CIRRUS, CLOUD_HIGH, CLOUD_MEDIUM, DEFECTIVE, classify
from pipeline.demo.conditions import CALM, Artefact, Conditions, condition_records, make_conditions, moved
from pipeline.demo.excavations import make_excavations
from pipeline.demo.frame import EPSG, LEFT_M, TOP_M, Frame
from pipeline.demo.landscape import Event, Landscape, make_landscape
from pipeline.demo.landscapes import HUMID_FOREST, MineKind, Setting, landscape_named
from pipeline.demo.lookalikes import LookAlike, make_lookalikes
from pipeline.demo.mine import Mine, make_mines
from pipeline.demo.more_lookalikes import expect_set, make_more
from pipeline.demo.painter import Painter, numbers, sensed
from pipeline.demo.river import PIXEL_M
from pipeline.demo.signatures import load_signatures
from pipeline.demo.terrain import Terrain, make_terrain
from pipeline.demo.texture import ground_grain
from pipeline.demo.titles import make_protected_areas, make_titles, title_outline, title_properties
from pipeline.demo.truth import look_stage_features, stage_features, truth_features
from pipeline.demo.weather import make_sky, observation_days
from pipeline.scenes import BANDS, SCL

TILE = "21MXP"
OVERPASS = time(14, 7, 31, tzinfo=UTC)
OLD_BASELINE, OLD_OFFSET = "03.01", 0.0
NEW_BASELINE, NEW_OFFSET = "05.09", -0.1
"""ESA's processing baselines before and after the offset came, and the offset in reflectance."""
REPROCESSED_BASELINE = "05.00"
DUPLICATE_SHARE, SPLIT_SHARE = 0.3, 0.7
"""Which date (share of all) is offered twice, the second time reprocessed; which comes as two halves."""
NOTICE = """SIMULATED. This place does not exist.

Scenes, titles, holders, protected areas and territories in this folder were made by a program, to run and to check the
software on a known answer: truth.geojson and truth_stages.geojson. They say nothing of any real place, person or
company, and how well detection works here says nothing about how well it works on real ground.
See docs/simulated-world.md.
"""
"""What README.txt says, beside the files of a world."""
_GROUND, _MINES, _LOOKS, _GRAIN, _DATES, _AREAS, _SCENES, _TERRAIN, _MORE, _CONDITIONS = range(10)
"""Numbers of the independent random streams."""


@dataclass(frozen=True, slots=True)
class WorldPaths:
    """Where a simulated world was written."""

    catalog: Path
    """catalog.json."""
    aoi: Path
    titles: Path
    protected: Path
    truth: Path
    """Mines and look-alikes, one feature each."""
    stages: Path
    """The ground of each mine by stage and period."""
    look_stages: Path | None = None
    """The same of look-alikes; None without the set `all`."""
    conditions: Path | None = None
    """What has no outline: drought, shade, faults of products; None without the set `all`."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Ground and events of a world, and when it is seen."""

    landscape: Landscape
    events: tuple[Event, ...]
    frame: Frame
    start: date
    seed: int
    day_numbers: Sequence[int]
    """Days from the start on which it is seen."""
    conditions: Conditions

    def cover_on(self, day: int) -> np.ndarray:
        """Cover (y, x) of a day counted from the start."""
        day_of_year = (self.start + timedelta(days=day)).timetuple().tm_yday
        return self.landscape.cover_on(day, day_of_year, self.events)


def build_world(  # noqa: PLR0913 - what a world is asked to be, each by name
    out: Path,
    *,
    seed: int = 7,
    size_m: float = 6000.0,
    start: date = date(2023, 1, 1),
    days: int = 730,
    landscape: str = "humid_forest",
    lookalikes: str = "few",
) -> WorldPaths:
    """Write a simulated mining district under `out`: catalogue, area, titles, protected areas and truth.

    Parameters
    ----------
    out : Path
        Folder to write in; made if absent.
    seed : int
        Two calls with the same arguments write the same pixels.
    size_m : float
        Side of the square; rounded to whole pixels of 10 m. Larger worlds have more rivers, roads and mines.
    start : date
        First day.
    days : int
        Length; mining starts after the first 58 % of it.
    landscape : str
        A name of `landscapes.LANDSCAPES`; the default is a gold belt in humid forest.
    lookalikes : str
        `few`: farm clearings, a burn, a road, seasonal water and river bars, where they make sense. `all`: beside them
        most of `more_lookalikes.MORE`, and what has no outline (drought, shade, faulty lines, a shifted date).

    Raises
    ------
    DemoWorldTooSmallError
        The square has no room for its mines.
    DemoLandscapeUnknownError
        There is no such landscape or set of look-alikes.
    """
    setting = landscape_named(landscape)
    expect_set(lookalikes)
    side = round(size_m / PIXEL_M)
    frame = Frame(side, side)
    place, mines, looks = _lay_out(setting, lookalikes, frame, (start, days), seed)
    catalog = out / "catalog"
    catalog.mkdir(parents=True, exist_ok=True)
    (out / "README.txt").write_text(NOTICE, encoding="utf-8")
    ids = list(_write_scenes(catalog, place))
    titles = make_titles(mines, frame, start, days, setting.minerals)
    areas = make_protected_areas(np.random.default_rng([seed, _AREAS]), mines, frame)
    return WorldPaths(
        catalog=write_catalog(catalog, setting.id, f"Simulated Sentinel-2 scenes of {setting.belt_phrase}", ids),
        aoi=_write_aoi(out / "aoi.geojson", frame, seed, setting),
        titles=write_features(
            out / "titles.geojson",
            [feature(title_outline(t, frame), title_properties(n, t)) for n, t in enumerate(titles, start=1)],
        ),
        protected=write_features(
            out / "protected.geojson",
            [
                feature(frame.polygon(a.points), {"area_id": f"P{n:02d}", "name": a.name, "kind": a.kind})
                for n, a in enumerate(areas, start=1)
            ],
        ),
        truth=write_features(out / "truth.geojson", truth_features(mines, looks, place.cover_on(days - 1), frame, start)),
        stages=write_features(out / "truth_stages.geojson", stage_features(mines, frame, start, days)),
        **(_write_conditions(out, place, looks, days) if lookalikes == "all" else {}),
    )


def _lay_out(
    setting: Setting, chosen: str, frame: Frame, period: tuple[date, int], seed: int
) -> tuple[_Place, list[Mine], list[LookAlike]]:
    """Ground, mines and look-alikes of a world; each part draws from a random stream of its own."""
    start, days = period
    shape = (frame.rows, frame.columns)

    def stream(number: int) -> np.random.Generator:
        return np.random.default_rng([seed, number])

    ground = make_landscape(stream(_GROUND), shape, setting)
    terrain = make_terrain(stream(_TERRAIN), shape, setting.relief_m)
    mines = _make_mines(stream(_MINES), ground, terrain, days)
    looks = make_lookalikes(stream(_LOOKS), ground, mines, start, days)
    looks += make_more(stream(_MORE), (ground, terrain), (mines, looks), start, days, chosen)
    day_numbers = observation_days(stream(_DATES), days)
    conditions = CALM if setting is HUMID_FOREST else Conditions(terrain)
    if chosen == "all":
        conditions = make_conditions(stream(_CONDITIONS), setting, terrain, start, day_numbers)
    events = (*(e for look in looks for e in look.events), *(e for mine in mines for e in mine.events))
    return _Place(ground, events, frame, start, seed, day_numbers, conditions), mines, looks


def _write_conditions(out: Path, place: _Place, looks: Sequence[LookAlike], days: int) -> dict[str, Path]:
    """Write what goes beside the truth of a world with all look-alikes; field of `WorldPaths` and path of each file."""
    path = out / "conditions.json"
    document = {
        "landscape": place.landscape.setting.name,
        "lookalikes": sorted({look.kind for look in looks}),
        "conditions": condition_records(place.conditions, place.start, days),
    }
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    features = look_stage_features(looks, place.frame, place.start, days)
    return {"look_stages": write_features(out / "truth_look_stages.geojson", features), "conditions": path}


def _make_mines(rng: np.random.Generator, ground: Landscape, terrain: Terrain, days: int) -> list[Mine]:
    """Mines of the kind that the landscape has."""
    if ground.setting.mine_kind is MineKind.ALLUVIAL:
        return make_mines(rng, ground, days)
    return make_excavations(rng, ground, terrain, days)


def _write_aoi(path: Path, frame: Frame, seed: int, setting: Setting) -> Path:
    """Write the area of interest: the whole square."""
    properties = {
        "id": setting.id,
        "name": f"Simulated {setting.belt}",
        "country": None,
        "is_simulated": True,
        "minerals": list(setting.minerals),
        "landscape": setting.name,
        "why_watched": "Its truth is known exactly, and its titles give every tenure finding",
        "sources": [f"simulated, seed {seed}; spectra from measured statistics (pipeline/demo/signatures.json)"],
    }
    return write_features(path, [feature(frame.extent, properties, setting.id)])


def _write_scenes(catalog: Path, place: _Place) -> Iterator[str]:
    """Write the items of all dates, one date after the other, and yield their ids."""
    grain = ground_grain(np.random.default_rng([place.seed, _GRAIN]), place.landscape.shape)
    painter = Painter(place.landscape, load_signatures(), grain, place.conditions)
    offsets = place.day_numbers
    duplicate, split = round(DUPLICATE_SHARE * len(offsets)), round(SPLIT_SHARE * len(offsets))
    for number, day in enumerate(offsets):
        rng = np.random.default_rng([place.seed, _SCENES, number])
        when = place.start + timedelta(days=day)
        cover = place.cover_on(day)
        sky = make_sky(rng, place.landscape.shape, when)
        shift = place.conditions.shifts.get(day)
        seen = sensed(rng, painter.ground(rng, cover, when, shift), sky)
        classes = classify(rng, seen, cover if shift is None else moved(cover, shift), sky)
        artefact = place.conditions.artefacts.get(day)
        if artefact is not None and artefact.is_flagged:
            classes[artefact.top : artefact.bottom] = DEFECTIVE
        is_new = number >= len(offsets) / 2
        facts = _facts(when, number, place.frame, NEW_BASELINE if is_new else OLD_BASELINE)
        if number == split:
            parts = _halves(facts, place.frame)
        elif number == duplicate and not is_new:
            parts = [(facts, slice(None)), (_reprocessed(facts), slice(None))]
        else:
            parts = [(facts, slice(None))]
        for item, rows in parts:
            yield _write_part(catalog, item, rows, (seen, classes), artefact)


def _facts(when: date, number: int, frame: Frame, baseline: str) -> ItemFacts:
    """Facts of the item of a date; its cloud cover comes with its pixels."""
    sensed_at = datetime.combine(when, OVERPASS)
    platform = "ab"[number % 2]
    return ItemFacts(
        id=f"S2{platform.upper()}_{TILE}_{when:%Y%m%d}_0_L2A",
        sensed_at=sensed_at,
        footprint=frame.extent,
        epsg=EPSG,
        offset=NEW_OFFSET if baseline == NEW_BASELINE else OLD_OFFSET,
        cloud_cover_pct=0.0,
        properties={
            "platform": f"sentinel-2{platform}",
            "grid:code": f"MGRS-{TILE}",
            "s2:processing_baseline": baseline,
            "s2:datatake_id": f"GS2{platform.upper()}_{sensed_at:%Y%m%dT%H%M%S}_{31000 + number:06d}_N{baseline}",
            "earthsearch:boa_offset_applied": False,
        },
    )


def _reprocessed(facts: ItemFacts) -> ItemFacts:
    """Facts of the same datatake and tile, processed again with a newer baseline and its offset."""
    datatake = str(facts.properties["s2:datatake_id"]).rsplit("_N", 1)[0]
    newer = {
        "s2:processing_baseline": REPROCESSED_BASELINE,
        "s2:datatake_id": f"{datatake}_N{REPROCESSED_BASELINE}",
    }
    properties = {**facts.properties, **newer}
    return replace(facts, id=facts.id.replace("_0_L2A", "_1_L2A"), offset=NEW_OFFSET, properties=properties)


def _halves(facts: ItemFacts, frame: Frame) -> list[tuple[ItemFacts, slice]]:
    """Facts of the upper and the lower half of a tile that was cut between two products of one datatake."""
    middle = frame.rows // 2
    later = facts.sensed_at + timedelta(seconds=14)
    upper = replace(facts, footprint=frame.box(0, 0, middle, frame.columns))
    lower = replace(
        facts,
        id=facts.id.replace("_0_L2A", "_1_L2A"),
        sensed_at=later,
        footprint=frame.box(middle, 0, frame.rows, frame.columns),
    )
    return [(upper, slice(0, middle)), (lower, slice(middle, frame.rows))]


def _write_part(
    catalog: Path, facts: ItemFacts, rows: slice, pixels: tuple[np.ndarray, np.ndarray], artefact: Artefact | None
) -> str:
    """Write an item with the pixels of some rows, no data elsewhere, and return its id."""
    seen, classes = pixels
    kept = np.zeros(classes.shape, dtype=bool)
    kept[rows] = True
    cloudy = np.isin(classes[rows], (CLOUD_MEDIUM, CLOUD_HIGH, CIRRUS))
    held = {band: numbers(seen[index], facts.offset) for index, band in enumerate(BANDS)}
    if artefact is not None:
        held[artefact.band][artefact.top : artefact.bottom] = artefact.number
    rasters = {band: _raster(np.where(kept, values, 0).astype(np.uint16)) for band, values in held.items()}
    rasters[SCL] = _raster(np.where(kept, classes, 0).astype(np.uint8))
    write_item(catalog, replace(facts, cloud_cover_pct=100.0 * float(cloudy.mean())), rasters)
    return facts.id


def _raster(values: np.ndarray) -> Raster:
    """Raster of the world's grid."""
    return Raster(values, PIXEL_M, LEFT_M, TOP_M)

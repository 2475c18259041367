"""From a configuration to scenes that can be read: the provider is asked, and windows are copied where that is wanted."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from pipeline.aoi import Area, Grid, working_grid
from pipeline.config import AreaSection, FetchSection, RunConfig
from pipeline.errors import SceneError
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.fetching import fetch_scene, is_fetched, log_fetched, remove_unfinished, sole_use, write_catalog
from pipeline.io.file_marks import Mark, mark_of
from pipeline.io.providers import Cost, Source, SourceSettings, Unusable, open_source
from pipeline.io.providers.local_catalog import LocalCatalog
from pipeline.io.web import Patience, shown
from pipeline.ledger import LedgerRow, Outcome
from pipeline.provenance import canonical_json, digest
from pipeline.scenes import Gap, Scene, Superseded, choose_scenes, revisit_gaps

LOG = logging.getLogger(__name__)
Tell = Callable[[int, int, str], None]
"""Told after each scene: number done, number in all, scene id."""


@dataclass(frozen=True)
class Search:
    """What a catalogue offers for one area and period."""

    area: Area
    grid: Grid
    source: Source
    folder: Path
    """Folder of the local catalogue that windows are copied to."""
    scenes: tuple[Scene, ...]
    """Every scene that can be used, superseded ones included."""
    superseded: tuple[Superseded, ...]
    unusable: tuple[Unusable, ...]
    is_kept: bool
    """Windows are copied before anything is read."""
    listing: str = ""
    """Digest of what the catalogue lists: two searches with the same one find the same."""
    later: date | None = None
    """First solar day after the period of which the catalogue lists something already; None where that is not known of."""

    @property
    def chosen(self) -> tuple[Scene, ...]:
        """Scenes to read, in time order."""
        dropped = {id(s.scene) for s in self.superseded}
        return tuple(sorted((s for s in self.scenes if id(s) not in dropped), key=lambda s: (s.sensed_at, s.id)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fetch would take, before anything is spent."""

    aoi_id: str
    provider: str
    scenes: int
    held: int
    """Of them, already in the local catalogue."""
    superseded: int
    unusable: int
    cost: Cost
    """Of the scenes that are not held."""


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a fetch did."""

    aoi_id: str
    catalog: Path
    scenes: int
    files: int
    byte_count: int
    failed: tuple[Unusable, ...]
    spent_pu: float

    @property
    def line(self) -> str:
        """One line for people."""
        spent = f", {self.spent_pu:.1f} processing units" if self.spent_pu else ""
        return (
            f"{self.aoi_id}: {self.scenes} scenes, {self.files} files copied ({self.byte_count / 1e6:.1f} MB{spent}), "
            f"{len(self.failed)} scenes failed; {self.catalog}"
        )


def source_settings(section: AreaSection, fetch: FetchSection) -> SourceSettings:
    """Return what a configuration says of an area's catalogue."""
    return SourceSettings(
        catalog=section.catalog, collection=section.collection, absent_bands=section.absent_bands, account=section.account,
        sign_url=section.sign_url, has_plain_numbers=section.has_plain_numbers, offsets=section.offsets,
        patience=Patience(fetch.attempts, fetch.timeout_s, fetch.first_wait_s, fetch.longest_wait_s, fetch.at_once),
    )  # fmt: skip


def area_out(config: RunConfig, section: AreaSection) -> Path:
    """Return the folder of an area's results: a folder of its own where a run has several areas."""
    return Path(config.out) / area_id(section.aoi) if len(config.areas) > 1 else Path(config.out)


def area_id(aoi: str) -> str:
    """Return the id of the area in a file, which is read once as long as it stays as it is.

    Raises
    ------
    AoiInvalidError
        See `read_area`.
    """
    return _area_id(aoi, mark_of(aoi))


@lru_cache(maxsize=4096)
def _area_id(aoi: str, _mark: Mark) -> str:
    """The id of the area in a file with a mark."""
    return read_area(Path(aoi)).id


def search(
    section: AreaSection, config: RunConfig, out: Path, *, start: date | None, until: date, spent_pu: float = 0.0
) -> Search:
    """Return the scenes of an area in a period; no pixel is read.

    `spent_pu` is what the run has spent on other areas: the source gets the rest of the budget.

    Raises
    ------
    InputError, ProviderError
        See `io.catalogs.find_scenes`.
    """
    area = read_area(Path(section.aoi))
    grid = working_grid(area, config.cube.chunk_px)
    source = open_source(source_settings(section, config.fetch))
    if hasattr(source, "budget_pu"):
        budget = config.fetch.budget_pu
        source.budget_pu = None if budget is None else max(budget - spent_pu, 0.0)
    listing = marked_listing(source)
    found = find_scenes(source, area, until=date.max if listing else until, start=start)
    scenes, unusable, later = _until(*found, until)
    _, superseded = choose_scenes(scenes)
    base = Path(config.fetch.folder) / area.id if config.fetch.folder else out / "scenes"
    return Search(
        area, grid, source, base, tuple(scenes), tuple(superseded), tuple(unusable), source.must_fetch or config.fetch.keep,
        listing or listing_digest(scenes, unusable), later,
    )  # fmt: skip


def marked_listing(source: Source) -> str:
    """Return the digest of what a catalogue lists where that is known without a search; empty where it is not."""
    return source.listing() if isinstance(source, LocalCatalog) else ""


def kept_listing(folder: Path) -> str:
    """Return the digest of what the local catalogue of copied windows in a folder lists.

    Raises
    ------
    CatalogUnreadableError
        It is not there, or no catalogue.
    """
    return LocalCatalog(SourceSettings(str(folder / "catalog.json"))).listing()


def present_listing(
    section: AreaSection, config: RunConfig, out: Path, *, start: date | None, until: date
) -> tuple[str, str]:  # fmt: skip
    """Return the digests of what the area's catalogue lists now, and its local copy, empty where it has none.

    A static catalogue is not read for it, only its links and the marks of its files; any other one is searched.

    Raises
    ------
    InputError, ProviderError
        See `search`.
    """
    source = open_source(source_settings(section, config.fetch))
    listing = marked_listing(source)
    if listing and not config.fetch.keep:
        return listing, ""
    found = search(section, config, out, start=start, until=until)
    return found.listing, kept_listing(found.folder) if found.is_kept else ""


def listing_digest(scenes: Sequence[Scene], unusable: Sequence[Unusable]) -> str:
    """Return the digest of what a search found, whatever its order: everything that is known of each item."""
    said = [
        [s.id, s.sensed_at, s.processing_baseline, s.created, s.platform, s.tile, s.datatake_id, s.footprint.wkb_hex,
         sorted(f"{band} {asset!r}" for band, asset in s.assets.items())]
        for s in scenes
    ]  # fmt: skip
    said += [[u.scene_id, u.sensed_at, u.solar_day, u.tile, f"{type(u.error).__name__}: {u.error}"] for u in unusable]
    return digest(sorted(map(canonical_json, said)))


def _until(
    scenes: Sequence[Scene], unusable: Sequence[Unusable], until: date
) -> tuple[list[Scene], list[Unusable], date | None]:
    """What was found up to a day, and the first day after it of which there is more."""
    days = [s.solar_day for s in scenes] + [u.solar_day for u in unusable if u.solar_day is not None]
    return (
        [s for s in scenes if s.solar_day <= until],
        [u for u in unusable if u.solar_day is None or u.solar_day <= until],
        min((day for day in days if day > until), default=None),
    )


def plan(found: Search) -> Plan:
    """Return what a fetch of the chosen scenes would take; nothing is asked of the provider."""
    missing = [s for s in found.chosen if not is_fetched(s, found.grid, found.folder)]
    costs = [found.source.cost(s, found.grid) for s in missing]
    total = Cost(sum(c.pixels for c in costs), sum(c.processing_units for c in costs))
    return Plan(
        found.area.id, found.source.name, len(found.chosen), len(found.chosen) - len(missing), len(found.superseded),
        len(found.unusable), total,
    )  # fmt: skip


def plan_table(plans: Sequence[Plan], budget_pu: float | None) -> str:
    """Return plans as a plain table, with the sum of processing units against the budget of a run."""
    lines = [f"{'area':<24} {'provider':<16} {'scenes':>7} {'held':>6} {'Mpx':>9} {'PU':>9}"]
    lines += [
        f"{p.aoi_id:<24} {p.provider:<16} {p.scenes:>7} {p.held:>6} {p.cost.pixels / 1e6:>9.2f} {p.cost.processing_units:>9.2f}"
        for p in plans
    ]
    lines += [
        f"{p.aoi_id}: {p.superseded} superseded, {p.unusable} items cannot be used" for p in plans if p.superseded or p.unusable
    ]
    total = sum(p.cost.processing_units for p in plans)
    if total and budget_pu is not None:
        lines.append(f"{total:.2f} processing units estimated, the budget of a run is {budget_pu:g}"
                     + ("" if total <= budget_pu else ": a fetch stops before the budget is passed"))  # fmt: skip
    return "\n".join(lines)


def fetch(found: Search, *, tell: Tell | None = None, is_thorough: bool = False, at_once: int = 2) -> FetchReport:
    """Copy the chosen scenes' windows into the local catalogue and return what was done.

    A scene that cannot be copied is reported and the others are copied; a provider that fails stops the fetch, and what
    was copied is in the catalogue.

    Raises
    ------
    ProviderError
        One of its children; BudgetSpentError among them.
    """
    chosen = found.chosen
    failed: list[Unusable] = []
    copied = []
    spent_before = float(getattr(found.source, "spent_pu", 0.0))
    with sole_use(found.folder):
        remove_unfinished(found.folder, chosen, found.grid)
        try:
            for number, (scene, done) in enumerate(_copied(found, chosen, at_once, is_thorough=is_thorough)):
                if isinstance(done, SceneError):
                    failed.append(unfetched(scene, done))
                else:
                    copied.append(done)
                if tell is not None:
                    tell(number + 1, len(chosen), scene.id)
        finally:
            catalog = write_catalog(found.folder)
    spent = float(getattr(found.source, "spent_pu", 0.0)) - spent_before
    return FetchReport(
        found.area.id, catalog, len(chosen), sum(c[0] for c in copied), sum(c[1] for c in copied), tuple(failed), spent
    )


def _copied(
    found: Search, chosen: Sequence[Scene], at_once: int, *, is_thorough: bool
) -> Iterator[tuple[Scene, tuple[int, int] | SceneError]]:
    """Each scene in order, with the files and bytes that were copied, or why it could not be."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(fetch_one, found, scene, is_thorough=is_thorough) for scene in chosen]
        try:
            for scene, future in zip(chosen, futures, strict=True):
                try:
                    yield scene, future.result()
                except SceneError as error:
                    yield scene, error
        finally:
            for future in futures:
                future.cancel()


def fetch_one(found: Search, scene: Scene, *, is_thorough: bool = False) -> tuple[int, int]:
    """Copy one scene; returns the files and bytes that were copied now."""
    done = fetch_scene(found.source, scene, found.grid, found.folder, is_thorough=is_thorough)
    if done.files:
        log_fetched(found.folder, {
            "scene": scene.id, "processing_baseline": scene.processing_baseline, "provider": found.source.name,
            "catalog": shown(found.source.settings.catalog) if "://" in found.source.settings.catalog else "local",
            "files": done.files, "bytes": done.byte_count, "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
        })  # fmt: skip
    return done.files, done.byte_count


def unfetched(scene: Scene, error: SceneError) -> Unusable:
    """Return the record of a scene that could not be copied."""
    sensed = scene.sensed_at.isoformat().replace("+00:00", "Z")
    return Unusable(scene.id, sensed, scene.solar_day, error, scene.footprint, scene.tile)


def item_rows(found: Search, superseded: Sequence[Superseded], until: date) -> list[LedgerRow]:
    """Return the ledger rows that belong to no chunk: unusable and superseded items, and passes that are not listed."""
    rows = [
        _row(found, (u.scene_id, u.sensed_at, ""), u.solar_day, Outcome.FAILED, f"{type(u.error).__name__}: {u.error}")
        for u in found.unusable
    ]
    for old in {(s.scene.id, s.scene.processing_baseline): s for s in (*found.superseded, *superseded)}.values():
        sensed, baseline = old.scene.sensed_at.isoformat().replace("+00:00", "Z"), old.scene.processing_baseline
        item = (old.scene.id, sensed, baseline)
        rows.append(_row(found, item, old.scene.solar_day, Outcome.SUPERSEDED, old.reason))
    for gap in gaps_of(found, until):
        reason = f"no item of this pass of the satellite: {gap.reason}; it was not recorded, or the catalogue lacks it"
        rows.append(_row(found, (f"{gap.tile} {gap.solar_day}", "", ""), gap.solar_day, Outcome.NOT_LISTED, reason))
    return rows


def gaps_of(found: Search, until: date) -> list[Gap]:
    """Return the passes up to a day that the catalogue should list and does not."""
    listed = [(s.tile, s.solar_day) for s in (*found.scenes, *(d.scene for d in found.superseded))]
    listed += [(u.tile, u.solar_day) for u in found.unusable if u.tile and u.solar_day is not None]
    return revisit_gaps([(tile, day) for tiles, day in listed for tile in tiles.split("+") if day <= until], until)


def _row(
    found: Search, item: tuple[str, str, str], day: date | None, outcome: Outcome, reason: str
) -> LedgerRow:  # fmt: skip
    """A ledger row without looks; the item is its id, when it was sensed, and its processing baseline."""
    name, sensed, baseline = item
    return LedgerRow(found.area.id, "", name, day, sensed, baseline, outcome, None, None, None, reason)


def localised(found: Search, failed: Sequence[Unusable]) -> Search:
    """Return the search with the scenes of the local catalogue in place of the provider's; those not copied are unusable."""
    catalog = write_catalog(found.folder)
    source = open_source(SourceSettings(str(catalog), absent_bands=found.source.settings.absent_bands))
    held = {s.id: s for s in source.scenes(found.area, None, date.max) if isinstance(s, Scene)}
    scenes = tuple(held[s.id] for s in found.chosen if s.id in held)
    return Search(
        found.area, found.grid, source, found.folder, scenes, found.superseded, (*found.unusable, *failed), is_kept=False
    )

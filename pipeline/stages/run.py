"""The walk of one area for one night."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from pipeline import geo
from pipeline.alerts import Alert, AlertContext, AlertRules
from pipeline.aoi import Area, Chunk, Grid
from pipeline.config import AreaSection, RunConfig
from pipeline.errors import (
    AoiBeyondScenesError,
    CatalogEmptyError,
    NoUsableSceneError,
    PipelineError,
    RadiometryContradictedError,
)
from pipeline.io.areas import read_area
from pipeline.io.heads import anchor
from pipeline.io.locks import sole_run
from pipeline.io.models import Model, default_model, load_model
from pipeline.io.outputs import exclusive, remove_leftovers
from pipeline.io.pixels import Reading, read_scene
from pipeline.io.priorities import default_priority, load_priority
from pipeline.io.providers import Source, Unusable
from pipeline.io.rasters import Panes
from pipeline.io.reviews import SECOND_FACT
from pipeline.io.states import StateFolder
from pipeline.io.storage import storage_at
from pipeline.io.store import AreaState, Store, open_store
from pipeline.io.subscriptions import load_subscriptions
from pipeline.ledger import LedgerRow, Outcome
from pipeline.provenance import digest
from pipeline.scenes import Acquisition, Scene, Superseded, choose_scenes
from pipeline.sites import SiteRules
from pipeline.stages.chunks import ChunkWork, update_chunk
from pipeline.stages.last_night import Basis, Inputs, remember
from pipeline.stages.law import read_law, tenure_rules
from pipeline.stages.publish import Publication, manifest_of, publish
from pipeline.stages.scenes import Search, fetch, item_rows, localised, search
from pipeline.stages.sites import SiteWork, update_sites
from pipeline.stages.watching import seasons_of
from pipeline.subscriptions import Subscription
from pipeline.tenure import LawBook

if TYPE_CHECKING:
    from pipeline.stages.joining import Joined

LOG = logging.getLogger(__name__)
BEYOND_SHARE = 0.01
"""Share of an area outside of every scene from which the run says so."""


@dataclass(frozen=True, slots=True)
class AoiRequest:
    """One area to run."""

    section: AreaSection
    config: RunConfig
    out: Path
    """Folder of this area's results."""
    store: str
    """SQLite file or database URL."""
    as_of: date | None
    """The date that the run speaks for; None: the last solar day of the catalogue."""
    has_pictures: bool = True
    """Write evidence and map; a night that is only caught up leaves them to the last one."""
    spent_pu: float = 0.0
    """Processing units that the run has spent on other areas."""


@dataclass(frozen=True)
class AoiResult:
    """What a run of one area gives."""

    aoi_id: str
    as_of: date
    out: Path
    alerts: tuple[Alert, ...]
    disturbances: tuple[Alert, ...]
    changed: tuple[Alert, ...]
    findings: tuple[str, ...]
    """Named errors of everything that could not be used, and other things to know."""
    has_refused_input: bool
    """Titles were refused: the findings may lack a title."""


@dataclass(frozen=True)
class Walk:
    """An opened walk: everything that was read before any pixel."""

    request: AoiRequest
    area: Area
    grid: Grid
    source: Source
    as_of: date
    acquisitions: tuple[Acquisition, ...]
    superseded: tuple[Superseded, ...]
    unusable: tuple[Unusable, ...]
    book: LawBook
    """The law as it was known on each day."""
    model: Model
    store: Store
    state: AreaState
    states: StateFolder
    findings: tuple[str, ...] = field(default=())
    subscriptions: tuple[Subscription, ...] = field(default=())
    basis: Basis | None = None
    """What the walk was opened with, for the night after."""
    panes: Panes = field(default_factory=Panes)
    """Decoded blocks that neighbouring chunks share."""


def run_aoi(request: AoiRequest) -> AoiResult:
    """Return what one area gives on one night: open, chunks, sites, publication."""
    request.out.mkdir(parents=True, exist_ok=True)
    with sole_area(request):
        remove_leftovers(request.out)
        walk = open_walk(request)
        for chunk in walk.grid.chunks:
            update_chunk(chunk_work(walk, chunk))
        return finish(walk)


@contextmanager
def sole_area(request: AoiRequest) -> Iterator[None]:
    """Hold an area for as long as the block runs: its folder on this machine, and its rows in a store on a server.

    Raises
    ------
    StoreBusyError
        Another run holds it, here or on another machine.
    """
    section = request.section
    with exclusive(request.out / ".lock", f"area of {section.aoi}"), sole_run(request.store, read_area(Path(section.aoi)).id):
        yield


def search_scenes(request: AoiRequest) -> Search:
    """Return what the area's catalogue offers until the date that the run speaks for; no pixel is read yet.

    The store is asked first, so that nothing is spent on a run that it would refuse.

    Raises
    ------
    InputError, ProviderError
        See `stages.scenes.search`.
    """
    section = request.section
    area = read_area(Path(section.aoi))
    state = area_state(request, area, open_store(request.store), model_of(request.config))
    until = request.as_of or date.max
    return search(section, request.config, request.out, start=state.start, until=until, spent_pu=request.spent_pu)


def model_of(config: RunConfig) -> Model:
    """Return the model of a run."""
    return load_model(Path(config.model) if config.model else default_model())


def area_state(request: AoiRequest, area: Area, store: Store, model: Model) -> AreaState:
    """Return what the store has of an area; refused where it was made otherwise."""
    section = request.section
    return store.area_state(area.id, _detection_digest(request.config, area, section), model.id, section.start)


def open_walk(request: AoiRequest, found: Search | None = None) -> Walk:
    """Return the walk with its area, scenes, titles, model and store read and checked; no pixel is read yet.

    Windows are copied first where the provider cannot be read in place, or the configuration wants them kept; `found` is
    the search, where it was made already.

    Raises
    ------
    InputError
        One of its children, named after what cannot be used.
    ProviderError
        The provider of scenes fails; nothing is lost, the next run goes on from here.
    """
    section = request.section
    inputs = Inputs().of(request)  # before any of them is read
    model, store = model_of(request.config), open_store(request.store)
    subscriptions = load_subscriptions(request.config.subscriptions)
    found = found or search_scenes(request)
    basis = Basis(inputs, found)
    if found.is_kept:
        failed = fetch(found, at_once=request.config.fetch.at_once).failed
        basis, found = replace(basis, is_settled=not failed), localised(found, failed)
    area, grid, scenes, unusable = found.area, found.grid, found.scenes, found.unusable
    rules = tenure_rules(request.config.tenure, area.minerals)
    book, law_findings = read_law(section, request.config.registry or request.store, area.geometry.bounds, rules)
    state = area_state(request, area, store, model)
    if not scenes:
        _explain_no_scenes(section, unusable)
    acquisitions, superseded = choose_scenes(scenes)
    as_of = request.as_of or acquisitions[-1].solar_day
    if _has_late_scene(store, state, acquisitions, grid, found.source):
        LOG.warning("%s: a scene came late; the area's history is told again with it", area.id)
        store.start_epoch(area.id, after=state.epoch)
        state = store.area_state(area.id, state.detection_digest, model.id)
    walk = Walk(
        request, area, grid, found.source, as_of, tuple(acquisitions), tuple(superseded), unusable, book,
        model, store, state, state_folder(request, area.id),
        (*_findings(area, scenes, unusable, model), *law_findings), subscriptions, basis,
    )  # fmt: skip
    store.put_ledger(item_rows(found, superseded, as_of), state)
    LOG.info("%s: %d acquisitions until %s, %d chunks", area.id, len(acquisitions), as_of, len(grid.chunks))
    return walk


def state_folder(request: AoiRequest, aoi_id: str) -> StateFolder:
    """Return where the states of an area's chunks lie."""
    return StateFolder(storage_at(request.config.state_address(aoi_id, request.out)))


def chunk_work(walk: "Walk | Joined", chunk: Chunk) -> ChunkWork:
    """Return the work on one chunk."""
    return ChunkWork(
        walk.state, chunk, walk.acquisitions, walk.request.config, walk.request.section.reference_until,
        walk.model.estimator, walk.store, walk.states, _reading(walk), seasons_of(walk.area.properties.get("landscape")),
    )  # fmt: skip


def _reading(walk: "Walk | Joined") -> Reading:
    """How the scenes of a walk are read."""
    section = walk.request.section
    return Reading(walk.source.open, walk.request.config.cube.cloud_dilation_px, section.dark_check, walk.panes)


def finish(walk: Walk) -> AoiResult:
    """Return the result after all chunks are up to date: sites, then files."""
    ledger = walk.store.ledger(walk.area.id, walk.as_of)
    tried = [r for r in ledger if r.chunk_id]
    if tried and all(r.outcome is Outcome.FAILED for r in tried):
        raise NoUsableSceneError(f"{walk.request.section.catalog}: no scene could be read; the first: {tried[0].reason}")
    days = update_sites(site_work(walk), walk.as_of)
    walk.states.keep_only(walk.store.chunk_states(walk.area.id))
    previous = walk.store.note_night(walk.area.id, walk.as_of)
    LOG.info("%s: %d site days; writing", walk.area.id, days)
    seen_to = walk.store.heads().journal.seq
    work = publication(walk, ledger, previous)
    published = publish(work)
    facts: dict[str, object] = {
        "manifest": json.dumps(manifest_of(work)),
        "chunk_px": walk.request.config.cube.chunk_px,
    }  # text keeps its order
    if walk.request.config.review.second_for_confirmed:
        facts[SECOND_FACT] = True
    heads = walk.store.note_published(walk.state, walk.as_of, facts)
    anchor(walk.request.out, walk.area.id, walk.as_of, heads)
    failed = [r for r in tried if r.outcome is Outcome.FAILED]
    result = AoiResult(
        walk.area.id, walk.as_of, walk.request.out, published.alerts, published.disturbances, published.changed,
        (*walk.findings, *dict.fromkeys(r.reason for r in failed)), any(s.refused for s in walk.book.on(walk.as_of).snapshots),
    )  # fmt: skip
    remember(walk, result, {r.scene_id for r in failed}, facts=facts, seen_to=seen_to, heads=heads)
    return result


def site_work(walk: Walk) -> SiteWork:
    """Return the work on the sites of the area."""
    config = walk.request.config
    return SiteWork(
        area=walk.state,
        store=walk.store,
        site_rules=SiteRules(**config.sites.model_dump()),
        alert_rules=AlertRules(config.alerts.growth_ha, config.alerts.growth_share),
        context=AlertContext(
            aoi_id=walk.area.id,
            crs=walk.grid.crs,
            model=walk.model.site,
            model_id=walk.model.id,
            law=walk.book.on(walk.as_of),
            tenure_rules=walk.book.rules,
            weights=load_priority(Path(config.priority)) if config.priority else default_priority(),
            scenes_on={a.solar_day: tuple(s.id for s in a.scenes) for a in walk.acquisitions},
            dormant_days=config.alerts.dormant_days,
            has_evidence=config.delivery.has_evidence,
            is_simulated=walk.area.is_simulated,
            is_known_landscape=_is_known_landscape(walk),
        ),
        book=walk.book,
        first_day=walk.acquisitions[0].solar_day,
        subscriptions=walk.subscriptions,
    )


def _is_known_landscape(walk: Walk) -> bool:
    """Whether the model was made for the area's landscape; an area that does not say its own is taken to be."""
    landscape, known = walk.area.properties.get("landscape"), walk.model.manifest.get("landscapes")
    return landscape is None or not isinstance(known, list) or landscape in known


def publication(walk: Walk, ledger: Sequence[LedgerRow], previous: date | None) -> Publication:
    """Return what the files of the night are written from; scenes that their own pixels contradict are in no picture."""
    refused = {r.scene_id for r in ledger if r.reason.startswith(RadiometryContradictedError.__name__)}
    kept = [(a.solar_day, tuple(s for s in a.scenes if s.id not in refused)) for a in walk.acquisitions]
    return Publication(
        area=walk.area, grid=walk.grid, as_of=walk.as_of, previous_as_of=previous, out=walk.request.out,
        config=walk.request.config, config_digest=walk.state.detection_digest, model=walk.model, store=walk.store,
        acquisitions=tuple(Acquisition(day, scenes) for day, scenes in kept if scenes),
        law=walk.book.on(walk.as_of), book=walk.book, keys=walk.request.config.keys_folder(walk.request.store),
        ledger=tuple(ledger), findings=walk.findings, has_pictures=walk.request.has_pictures,
        reading=replace(_reading(walk), has_dark_check=False),  # what the check refused is left out above
    )  # fmt: skip


def _explain_no_scenes(section: AreaSection, unusable: Sequence[Unusable]) -> None:
    """Raise the error for a catalogue without one scene to use."""
    if not unusable:
        raise CatalogEmptyError(
            f"{section.catalog}: found no scene of the area in the period; check start, as-of date and the catalogue"
        )
    first = unusable[0]
    raise NoUsableSceneError(
        f"{section.catalog}: none of {len(unusable)} items can be used; the first, {first.scene_id}: "
        f"{type(first.error).__name__}: {first.error}"
    )


def _detection_digest(config: RunConfig, area: Area, section: AreaSection) -> str:
    """Digest of all that the state depends on, except the model, which has an id of its own."""
    by_hand: list[object] = [dict(section.offsets)] if section.offsets else []
    by_hand += [] if section.dark_check else ["no dark check"]
    return digest([
        config.detection_digest(), area.geometry.wkb_hex, area.crs, str(section.reference_until),
        list(section.absent_bands), *by_hand,
    ])[:16]  # fmt: skip


def _has_late_scene(store: Store, state: AreaState, acquisitions: Sequence[Acquisition], grid: Grid, source: Source) -> bool:
    """Whether a scene is to be used that lies before days already taken, or that failed then and can be read now."""
    taken = store.chunk_states(state.aoi_id)
    if not taken:
        return False
    last = max(c.last_day for c in taken.values())
    rows = {(r.scene_id, r.processing_baseline, r.chunk_id): r for r in store.ledger(state.aoi_id)}
    used = {(r.scene_id, r.processing_baseline) for r in rows.values() if r.chunk_id and r.outcome is not Outcome.FAILED}
    failed = {k[:2] for k, r in rows.items() if r.chunk_id and r.outcome is Outcome.FAILED}
    for scene in (s for a in acquisitions for s in a.scenes if s.solar_day <= last):
        key = (scene.id, scene.processing_baseline)
        if key in failed:
            if _reads_now(scene, grid, source):
                return True
        elif key not in used and all(scene.solar_day <= c.last_day for c in taken.values()):
            return True
    return False


def _reads_now(scene: Scene, grid: Grid, source: Source) -> bool:
    """Whether a scene that failed can be read by now, in full."""
    try:
        layers = [read_scene(scene, chunk.geobox, source.open) for chunk in grid.chunks]
    except PipelineError:
        return False
    return any((layer["scl"] > 0).any() for layer in layers)


def _landscape_findings(area: Area, model: Model) -> list[str]:
    """What is not known of the model in the landscape of the area."""
    landscape, known = area.properties.get("landscape"), model.manifest.get("landscapes")
    if landscape is None or not isinstance(known, list):
        return []
    if landscape not in known:
        return [
            f"{area.id}: model {model.id} was made for {', '.join(map(str, known))}, not for {landscape}: changes are found "
            "but none is named mining"
        ]
    real = model.manifest.get("measured_on_real")
    if isinstance(real, list) and landscape not in real:
        return [
            f"{area.id}: every figure of model {model.id} for {landscape} is of simulated ground; nothing real was measured"
        ]
    return []


def _findings(area: Area, scenes: Sequence[Scene], unusable: Sequence[Unusable], model: Model) -> tuple[str, ...]:
    """What the operator must know before pixels are read: unusable items, ground outside of scenes."""
    found = [f"{type(u.error).__name__}: {u.error}" for u in unusable]
    found += _landscape_findings(area, model)
    ground = shapely.union_all([s.footprint for s in scenes])
    outline = geo.on_globe(area.geometry)
    share = outline.difference(ground).area / outline.area
    if share > BEYOND_SHARE:
        error = AoiBeyondScenesError(
            f"{100 * share:.1f} % of area {area.id} lies outside of every scene footprint and is never seen; nothing is "
            f"said of it. Scenes lie in {', '.join(f'{b:.3f}' for b in ground.bounds)} (lon/lat): add the tiles that "
            "are missing, or draw the area smaller"
        )
        found.append(f"{type(error).__name__}: {error}")
    return tuple(found)

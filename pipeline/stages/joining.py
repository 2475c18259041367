"""Chunks followed by another process than the one that opened the area: it joins, and changes nothing but chunks.

The process that opens an area decides which scenes are used and whether history is told anew. It writes that down as a plan
beside the states. A worker asks the catalogue itself, but uses what the plan names and nothing else: a scene that is listed
while the night runs would be used in some chunks and not in others.
"""

import json
import logging
from dataclasses import dataclass, field

from pipeline.aoi import Area, Grid
from pipeline.errors import CatalogUnreadableError, StoreMovedError
from pipeline.io.models import Model
from pipeline.io.providers import Source
from pipeline.io.rasters import Panes
from pipeline.io.states import StateFolder
from pipeline.io.store import AreaState, Store, open_store
from pipeline.provenance import canonical_json, digest
from pipeline.scenes import Acquisition, Scene
from pipeline.stages.run import AoiRequest, Walk, area_state, model_of, state_folder
from pipeline.stages.scenes import Search, localised

LOG = logging.getLogger(__name__)
PREFIX = "plan-"


@dataclass(frozen=True)
class Joined:
    """As much of a walk as the work on a chunk needs."""

    request: AoiRequest
    area: Area
    grid: Grid
    source: Source
    acquisitions: tuple[Acquisition, ...]
    model: Model
    store: Store
    state: AreaState
    states: StateFolder
    panes: Panes = field(default_factory=Panes)


def write_plan(walk: Walk) -> str:
    """Write what workers must agree on beside the states of an area; returns the name of the file."""
    days = [[a.solar_day.isoformat(), [_key(s) for s in a.scenes]] for a in walk.acquisitions]
    text = canonical_json({"epoch": walk.state.epoch, "days": days})
    name = f"{PREFIX}{digest(text)[:16]}.json"
    storage = walk.states.storage
    for old in storage.names():
        if old.startswith(PREFIX) and old != name:
            storage.remove(old)
    storage.write_whole(name, text.encode())
    return name


def join(request: AoiRequest, found: Search, plan: str) -> Joined:
    """Return what a worker needs of an area that another process has opened.

    Raises
    ------
    StoreMovedError
        The run that wrote the plan has ended, or another one tells the area's history anew.
    CatalogUnreadableError
        The catalogue does not list here what it listed there.
    """
    if found.is_kept:
        found = localised(found, ())
    model, store = model_of(request.config), open_store(request.store)
    state = area_state(request, found.area, store, model)
    states = state_folder(request, found.area.id)
    try:
        document = json.loads(states.storage.read_bytes(plan))
    except FileNotFoundError as error:
        raise StoreMovedError(f"{states.storage.shown(plan)}: the run that wrote this plan has ended") from error
    if document["epoch"] != state.epoch:
        raise StoreMovedError(
            f"area {found.area.id}: found epoch {state.epoch} in the store, expected {document['epoch']}; another run tells "
            "the area's history anew: run again"
        )
    return Joined(
        request, found.area, found.grid, found.source, _planned(found, document["days"]), model, store, state, states
    )  # fmt: skip


def _planned(found: Search, days: list[list[object]]) -> tuple[Acquisition, ...]:
    """The acquisitions of a plan, out of what the catalogue lists here."""
    held = {_key(s): s for s in found.scenes}
    wanted = [(str(day), [str(k) for k in keys] if isinstance(keys, list) else []) for day, keys in days]
    absent = [key for _, keys in wanted for key in keys if key not in held]
    if absent:
        raise CatalogUnreadableError(
            f"{found.source.settings.catalog}: {len(absent)} scenes that the run began with are not listed on this worker, the "
            f"first {absent[0]}; expected the same catalogue on every machine: check its path or address there"
        )
    scenes: list[tuple[Scene, ...]] = [tuple(held[key] for key in keys) for _, keys in wanted]
    return tuple(Acquisition(group[0].solar_day, group) for group in scenes)


def _key(scene: Scene) -> str:
    """What tells a scene from every other that a catalogue lists."""
    return f"{scene.id} {scene.processing_baseline} {scene.created}"

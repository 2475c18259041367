"""What a run says of a simulated world: its sites, everything that it ever said, and what it could see."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry import shape

from pipeline.aoi import Area
from pipeline.cube import clear_mask
from pipeline.errors import InputError
from pipeline.evaluation.world_truth import WorldTruth, pixels_of
from pipeline.io.catalogs import find_scenes
from pipeline.io.events import Event
from pipeline.io.pixels import read_scene
from pipeline.io.store import Store, open_store
from pipeline.ledger import LedgerRow, Outcome
from pipeline.scenes import SCL, Acquisition, choose_scenes
from pipeline.sites.pixels import PIXEL_HA

FILES = ("alerts.geojson", "disturbances.geojson")
CLEAR_SHARE = 0.5
"""Share of a mine's new ground that must be clear on a day for the day to be a look at the mine."""


class RunMissingError(InputError):
    """A folder is not that of a finished run of the area."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What was said of a site on one day."""

    site_id: str
    day: date
    state: str
    cause: str
    pixels: np.ndarray
    """int64: flat indices of the outline on the grid."""
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class RunFindings:
    """What a run says, and of which days it can speak."""

    aoi_id: str
    as_of: date
    sites: tuple[Statement, ...]
    """Sites of both files, as they were last told."""
    said: tuple[Statement, ...]
    """Every revision of every site, in order."""
    reference_end: date
    """Last day that counts as the past in any chunk: what began later is new."""
    watched_from: date
    """First day on which every chunk is monitored."""


@dataclass(frozen=True, slots=True)
class Look:
    """A day on which enough of a mine's new ground was clear by the scene classes."""

    day: date
    new_ha: float
    """Ground of the mine that had been mined since the reference."""


def read_run(folder: Path, box: GeoBox, aoi_id: str, store: str | None = None) -> RunFindings:
    """Return what a run says of an area.

    Parameters
    ----------
    folder : Path
        Holds `alerts.geojson`, `disturbances.geojson` and, unless `store` names another, `store.sqlite`.
    box : GeoBox
        Grid on which outlines are counted.
    aoi_id : str
        Area that the run must be of.

    Raises
    ------
    RunMissingError
        A file is absent, the run is of another area, or it has monitored nothing.
    """
    documents = [_document(folder / name) for name in FILES]
    head = documents[0]["overburden"]
    if head["aoi_id"] != aoi_id:
        raise RunMissingError(f"{folder}: found a run of {head['aoi_id']}, expected {aoi_id}; pair each world with its run")
    if store is None and not (folder / "store.sqlite").exists():
        raise RunMissingError(f"{folder / 'store.sqlite'}: found no store, expected that of the run; name the store by address")
    held = open_store(store or folder / "store.sqlite")
    as_of = date.fromisoformat(head["as_of"])
    reference_end, watched_from = _days(held, aoi_id, as_of, folder)
    return RunFindings(
        aoi_id, as_of,
        tuple(_statement(f["geometry"], f["properties"], box) for d in documents for f in d["features"]),
        tuple(_of_event(event, box) for event in held.events(aoi_id, until=as_of)),
        reference_end, watched_from,
    )  # fmt: skip


def _document(path: Path) -> Mapping[str, Any]:
    """A GeoJSON document of a run."""
    if not path.exists():
        raise RunMissingError(f"{path}: found no file, expected one of a finished run; name the folder of its results")
    return json.loads(path.read_text(encoding="utf-8"))


def _statement(geometry: Any, properties: Mapping[str, Any], box: GeoBox) -> Statement:  # noqa: ANN401 - GeoJSON
    """What a feature says."""
    return Statement(
        properties["site_id"], date.fromisoformat(properties["evaluated_on"]), properties["state"],
        properties["likely_cause"], pixels_of(shape(geometry), box), properties,
    )  # fmt: skip


def _of_event(event: Event, box: GeoBox) -> Statement:
    """What an event said, on the day on which it was said."""
    return replace(_statement(event.payload["geometry"], event.payload["properties"], box), day=event.day)


def _days(store: Store, aoi_id: str, as_of: date, folder: Path) -> tuple[date, date]:
    """Last day of the past and first day of watching, over all chunks."""
    rows = [r for r in store.ledger(aoi_id, as_of) if r.chunk_id and r.solar_day]
    watched = [_first(rows, chunk, Outcome.MONITORED) for chunk in sorted({r.chunk_id for r in rows})]
    begun = [day for day in watched if day is not None]
    if not begun:
        raise RunMissingError(f"{folder}: the run of {aoi_id} monitored no day until {as_of}, expected at least one")
    start = max(begun)
    past = [r.solar_day for r in rows if r.solar_day and r.solar_day < start]
    return (max(past) if past else date.fromordinal(start.toordinal() - 1)), start


def _first(rows: Sequence[LedgerRow], chunk_id: str, outcome: Outcome) -> date | None:
    """First day of a chunk with an outcome."""
    return min((r.solar_day for r in rows if r.chunk_id == chunk_id and r.outcome is outcome and r.solar_day), default=None)


def looks_at_mines(catalog: Path, area: Area, truth: WorldTruth, findings: RunFindings) -> tuple[tuple[Look, ...], ...]:
    """Return, for each mine, the days after the reference on which at least `CLEAR_SHARE` of its new ground was clear.

    Clear is what the catalogue's scene classes leave after `cube.clear_mask`: the run itself drops haze besides, and takes
    flagged ground that stays. Days before the first mining since the reference are no looks at it.
    """
    scenes, _ = find_scenes(str(catalog), area, until=findings.as_of)
    acquisitions = [a for a in choose_scenes(scenes)[0] if a.solar_day > findings.reference_end]
    ground = [truth.ground(k, findings.as_of, findings.reference_end) for k in range(len(truth.mines))]
    looks: list[list[Look]] = [[] for _ in truth.mines]
    for acquisition in acquisitions:
        clear, today = _clear(acquisition, truth.box), acquisition.solar_day.toordinal()
        for pixels, found in zip(ground, looks, strict=True):
            mined = pixels[truth.mined_from[pixels] <= today]
            if len(mined) and clear[mined].mean() >= CLEAR_SHARE:
                found.append(Look(acquisition.solar_day, len(mined) * PIXEL_HA))
    return tuple(map(tuple, looks))


def _clear(acquisition: Acquisition, box: GeoBox) -> np.ndarray:
    """Flat bool: pixels that an acquisition's scene classes call clear; of two scenes the first with data counts."""
    classes = np.zeros(box.shape, np.uint8)
    for scene in acquisition.scenes:
        found = read_scene(replace(scene, assets={SCL: scene.assets[SCL]}), box)[SCL]
        classes = np.where(classes > 0, classes, found)
    return clear_mask(classes, classes > 0).ravel()

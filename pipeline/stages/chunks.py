"""From scenes to the state of a chunk: reference, evidence, monitor, ledger."""

import logging
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from pipeline.aoi import PIXEL_M, Chunk
from pipeline.change import PixelEstimator, classify
from pipeline.config import ReferenceSection, RunConfig
from pipeline.cube import bands_of, doubtful_mask
from pipeline.errors import SceneError
from pipeline.features import common_fall, feature_table, gate, haze, shade, signs_of, vegetation_anomaly
from pipeline.indices import compute
from pipeline.io.pixels import PLAIN, Reading, read_acquisition, read_cube
from pipeline.io.states import StateFolder
from pipeline.io.store import AreaState, ChunkState, Store
from pipeline.ledger import LedgerRow, Outcome
from pipeline.monitor import LookEvidence, PixelCode, PixelState, empty_state, take_look
from pipeline.provenance import digest
from pipeline.reference import Reference, fit_reference, replace_where, stack_strips
from pipeline.scenes import BANDS, SCL, Acquisition, Scene
from pipeline.sites import PixelTable, pixel_key

LOG = logging.getLogger(__name__)
STRIP_LOOKS = 16_000_000
"""Pixels times dates that are in memory at once when the reference is fitted, of 26 bytes each (six bands, class, mask)."""
LEAST_NDVI = 0.55
"""Where the NDVI that is still usual for the half-month is lower, snow, open soil or thin grass hides a clearing: the look says
nothing. Dug ground has about 0.2."""
LEAF_FALL = 0.2
"""The same where the usual NDVI lies this far below that of the ground's greenest half-month: leaves come and go within days of
another date each year. On a real deciduous forest 0.15 costs a hundredth of the lost ground, 0.3 doubles the false alarms."""
DRY_SEASON_NDVI = 0.35
"""`LEAST_NDVI` where the dry season leaves grass and twigs, against which dug ground still stands out; leaf fall is no reason
there, since most clear looks are in the dry season."""
EVERGREEN = ("humid_forest", "leach_ponds")
"""Landscapes that keep their leaves."""
DRY_SEASON = ("dry_forest", "savanna", "bare_hills")
"""Landscapes whose dry season leaves grass and twigs."""
YEAR_DAYS = 365
"""What must have been seen of a landscape with seasons: a dry forest that was seen green alone seems to be felled each year."""
BELOW_FLOOR = 0.06
"""How far below the usual NDVI of the month a pixel must be to have changed."""
UNWATCHED_PCT = 5.0
"""Share of a chunk without watched ground from which the ledger says so."""
DAYS_A_SWAP = 12
"""Days after which a back-fill swaps in the state of a chunk, so that a kill costs little."""


@dataclass(frozen=True, slots=True)
class SeasonRules:
    """When a change can be seen on ground with seasons."""

    has_seasons: bool = False
    """The landscape may lose its leaves: then nothing is watched before a year of it has been seen."""
    least_ndvi: float = LEAST_NDVI
    """NDVI that must be usual for the half-month."""
    leaf_fall: float = LEAF_FALL
    """How far the usual NDVI may lie below that of the greenest half-month."""


@dataclass(frozen=True)
class ChunkWork:
    """Everything that the update of one chunk needs."""

    area: AreaState
    chunk: Chunk
    acquisitions: tuple[Acquisition, ...]
    """All acquisitions of the area up to the date that the run speaks for, in time order."""
    config: RunConfig
    reference_until: date | None
    estimator: PixelEstimator
    store: Store
    states: StateFolder
    reading: Reading = PLAIN
    """How scenes are read."""
    seasons: SeasonRules = SeasonRules()
    """Of the area's landscape."""


@dataclass(frozen=True)
class Progress:
    """What is known of a chunk while days go by."""

    count: np.ndarray
    """uint16 (y, x): clear looks while the reference is awaited."""
    state: PixelState | None
    reference: Reference | None
    reference_on: date | None


def seasons_of(landscape: object) -> SeasonRules:
    """Return the rules of a landscape; None is taken for evergreen."""
    is_dry = landscape in DRY_SEASON
    return SeasonRules(
        has_seasons=landscape not in {None, *EVERGREEN},
        least_ndvi=DRY_SEASON_NDVI if is_dry else LEAST_NDVI,
        leaf_fall=1.0 if is_dry else LEAF_FALL,
    )


def update_chunk(work: ChunkWork) -> int:
    """Bring the state of a chunk up to the last acquisition; returns the number of days that were taken.

    Where another run takes the same days meanwhile, what comes second is dropped and the work goes on from what came first.
    """
    stored = work.store.chunk_states(work.area.aoi_id).get(work.chunk.id)
    pending = [a for a in work.acquisitions if stored is None or a.solar_day > stored.last_day]
    if not pending:
        return 0
    progress = _resume(work, stored)
    for start in range(0, len(pending), DAYS_A_SWAP):
        batch = pending[start : start + DAYS_A_SWAP]
        rows: list[LedgerRow] = []
        tables: dict[date, PixelTable] = {}
        for acquisition in batch:
            progress, found = _take_day(work, progress, acquisition, rows)
            if found is not None:
                tables[acquisition.solar_day] = found
        swapped = _written(work, progress, batch[-1].solar_day, stored)
        if not work.store.swap_chunk(
            work.area.aoi_id, work.chunk.id, swapped, rows, tables, area=work.area, since=stored
        ):  # fmt: skip
            LOG.warning("%s, chunk %s: another run took these days first", work.area.aoi_id, work.chunk.id)
            return start + update_chunk(work)
        stored = swapped
        LOG.info("%s, chunk %s: %d of %d days", work.area.aoi_id, work.chunk.id, start + len(batch), len(pending))
    return len(pending)


def _resume(work: ChunkWork, stored: ChunkState | None) -> Progress:
    """Progress as the store has it."""
    nothing = np.zeros(work.chunk.shape, np.uint16)
    if stored is None:
        return Progress(nothing, None, None, None)
    held = work.states.read_state(stored.state_file)
    reference = work.states.read_reference(stored.reference_file) if stored.reference_file else None
    if isinstance(held, PixelState):
        return Progress(nothing, held, reference, stored.reference_on)
    return Progress(held, None, reference, stored.reference_on)


def _written(work: ChunkWork, progress: Progress, day: date, stored: ChunkState | None) -> ChunkState:
    """The state of a chunk after a day, its files written under names of their own; no store points to it yet."""
    key = digest([work.area.aoi_id, work.area.epoch, work.chunk.id, day.isoformat()])[:16]
    state = progress.state if progress.state is not None else progress.count
    state_file = work.states.write_state(f"{work.chunk.id}-{day:%Y%m%d}-{key}", state)
    if progress.reference is None or progress.reference_on is None:
        return ChunkState(day, state_file, None, progress.reference_on)
    name = f"{work.chunk.id}-reference-{progress.reference_on:%Y%m%d}-{work.area.epoch}"
    held = stored.reference_file if stored is not None else None
    if held is None or not held.startswith(f"{name}-"):  # what the store does not name may be of another run
        held = work.states.write_reference(name, progress.reference)
    return ChunkState(day, state_file, held, progress.reference_on)


def _take_day(
    work: ChunkWork, progress: Progress, acquisition: Acquisition, rows: list[LedgerRow]
) -> tuple[Progress, PixelTable | None]:
    """Progress after one solar day, and the changed pixels after it where the chunk is monitored."""
    day = acquisition.solar_day
    progress = _with_reference(work, progress, day)
    cube, failed = read_acquisition(acquisition, work.chunk.geobox, work.reading)
    outcome = Outcome.REFERENCE if progress.reference is None else Outcome.MONITORED
    rows += [_ledger_row(work, s, day, cube, failed.get(s.id), outcome) for s in acquisition.scenes]
    if progress.reference is not None:
        words = unwatched_words(_watched(work, progress.reference, day), work.chunk)
        rows[:] = [replace(r, reason=words) if r.solar_day == day and r.outcome is Outcome.MONITORED else r for r in rows]
    if cube is None:
        return progress, None
    if progress.reference is None:
        return replace(progress, count=progress.count + cube["clear"].values[0]), None
    state = monitor_look(progress.state or empty_state(work.chunk.shape), progress.reference, cube, day, work)
    return replace(progress, state=state), changed_pixels(state, progress.reference, work.chunk)


def watched_ground(reference: Reference, chunk: Chunk, day: date, rules: SeasonRules = SeasonRules()) -> np.ndarray:
    """Return where a change could be seen on a day: bool (y, x).

    The past must be known, and the ground must usually be green at that time of its year: a clearing of what is bare or
    leafless anyway shows nothing. In a landscape with seasons the ground's own season must be known too.
    """
    floor = reference.ndvi_floor(day)
    with np.errstate(invalid="ignore"):
        is_bare_season = (floor < rules.least_ndvi) | (floor < reference.ndvi_peak() - rules.leaf_fall)
    known = reference.supports(day) & (reference.is_seasonal | (not rules.has_seasons))
    return known & chunk.inside & ~is_bare_season


def _watched(work: ChunkWork, reference: Reference, day: date) -> np.ndarray:
    """`watched_ground` by the rules of the area's landscape."""
    return watched_ground(reference, work.chunk, day, work.seasons)


def unwatched_words(watched: np.ndarray, chunk: Chunk) -> str:
    """Return how much of a chunk no change could be seen on, for the ledger; empty below `UNWATCHED_PCT`."""
    share = 100.0 * (1.0 - watched.sum() / max(int(chunk.inside.sum()), 1))
    if share < UNWATCHED_PCT:
        return ""
    return f"{share:.0f} % of chunk {chunk.id} is not watched: bare, leafless or unknown in the reference at that time of year"


def monitor_look(state: PixelState, reference: Reference, cube: xr.Dataset, day: date, work: ChunkWork) -> PixelState:
    """Return the state after the look of a cube with one date."""
    bands = bands_of(cube, 0)
    shape = work.chunk.shape
    expected = reference.expected(day)
    expected[[i for i, b in enumerate(BANDS) if b not in bands]] = np.nan
    current = np.stack([bands.get(b, np.full(shape, np.nan, np.float32)) for b in BANDS])
    watched = _watched(work, reference, day)
    doubtful = doubtful_mask(cube[SCL].values[0], bands) & watched
    before, now = (dict(zip(BANDS, stack, strict=True)) for stack in (expected, current))
    veiled = haze(now, before) | shade(now, before)
    clear = (cube["clear"].values[0] & ~veiled | (doubtful & (state.doubtful >= 1))) & watched
    ndvi, floor = compute("ndvi", bands), reference.ndvi_floor(day)
    floor -= common_fall(ndvi, floor, clear)
    with np.errstate(invalid="ignore"):
        is_usual = ndvi >= floor - BELOW_FLOOR
    spread = np.where(np.isnan(floor), reference.ndvi_spread(), np.float32(0.0))  # the floor knows better where it is known
    moving = gate(now, before, spread) & ~is_usual
    rows = np.flatnonzero(clear & (moving | (state.changed_looks > 0)))
    flat = current.reshape(len(BANDS), -1)[:, rows]
    features = feature_table(flat, expected.reshape(len(BANDS), -1)[:, rows])
    said = classify(work.estimator, features)
    lost = vegetation_anomaly(ndvi.ravel()[rows], floor.ravel()[rows])
    signs = signs_of(features) | (lost > 0.5).astype(np.uint8)
    evidence = LookEvidence(rows, np.maximum(said.change, lost), said.seen, said.probabilities, signs, flat)
    return take_look(state, clear, doubtful, evidence, day)


def changed_pixels(state: PixelState, reference: Reference, chunk: Chunk) -> PixelTable:
    """Return the pixels of a chunk that are provisional, confirmed or finished, sorted by key."""
    row, column = np.nonzero(state.code >= PixelCode.PROVISIONAL)
    at = (row, column)
    top, left = round(-chunk.transform.f / PIXEL_M), round(chunk.transform.c / PIXEL_M)
    table = PixelTable(
        key=pixel_key(row + top, column + left),
        code=state.code[at],
        first_changed_on=state.first_changed_on[at],
        last_unchanged_on=state.last_unchanged_on[at],
        confirmed_on=state.confirmed_on[at],
        last_changed_on=state.last_changed_on[at],
        clear_looks=state.clear_looks[at],
        likeness=state.likeness[:, row, column].T,
        seen_as=state.seen_as[:, row, column].T,
        before=reference.coefficients[0][:, row, column].T,
        near=reference.near[:, row, column].T,
    )
    return table.take(np.argsort(table.key, kind="stable"))


# --- the reference ---------------------------------------------------------------------------------------------------


def _with_reference(work: ChunkWork, progress: Progress, day: date) -> Progress:
    """Progress with the reference that holds on a day: fitted when it is due, renewed a year later."""
    rules = work.config.reference
    if progress.reference is None:
        if not _is_due(work, progress, day):
            return progress
        until = work.reference_until or day - timedelta(days=1)
        reference = _fit(work, until - timedelta(days=rules.reference_days), until)
        return progress if reference is None else Progress(progress.count, None, reference, day)
    if progress.reference_on is None or not _is_renewal_due(work, progress.reference_on, day):
        return progress
    until = day - timedelta(days=rules.lag_days)
    renewed = _fit(work, until - timedelta(days=rules.reference_days), until)
    if renewed is None or progress.state is None:
        return replace(progress, reference_on=day)
    quiet = progress.state.code == PixelCode.NONE
    return replace(progress, reference=replace_where(progress.reference, renewed, quiet), reference_on=day)


def _is_renewal_due(work: ChunkWork, reference_on: date, day: date) -> bool:
    """Whether the reference is renewed before the look of a day.

    Every `renew_days`; and once sooner, when a reference that was fitted on less than a year can see its first full one.
    """
    rules = work.config.reference
    if (day - reference_on).days >= rules.renew_days:
        return True
    begin = work.acquisitions[0].solar_day
    full = begin + timedelta(days=365 + rules.lag_days)
    return work.reference_until is None and (reference_on - begin).days < 365 and reference_on < full <= day


def _is_due(work: ChunkWork, progress: Progress, day: date) -> bool:
    """Whether the wait for the reference is over before the look of a day."""
    rules: ReferenceSection = work.config.reference
    if work.reference_until is not None:
        return day > work.reference_until
    least_days = max(rules.min_days, YEAR_DAYS if work.seasons.has_seasons else 0)
    if (day - work.acquisitions[0].solar_day).days < least_days:
        return False
    seen = (progress.count > 0) & work.chunk.inside  # ground outside of every scene is never seen: it must not hold up the rest
    enough = seen & (progress.count >= rules.min_looks)
    return bool(seen.any() and enough.sum() >= rules.ready_share * seen.sum())


def _fit(work: ChunkWork, start: date, until: date) -> Reference | None:
    """Reference of the looks in [start, until], strip by strip; None where nothing could be read."""
    past = [a for a in work.acquisitions if start <= a.solar_day <= until]
    box = work.chunk.geobox
    rows = max(1, STRIP_LOOKS // (box.shape[1] * max(len(past), 1)))
    strips = []
    for top in range(0, box.shape[0], rows):
        strip: GeoBox = box[top : min(top + rows, box.shape[0]), :]
        cube = read_cube(past, strip, work.reading)
        if cube is None:
            return None
        strips.append(fit_reference(cube, work.config.reference.min_looks))
    LOG.info("%s, chunk %s: reference of %d days until %s", work.area.aoi_id, work.chunk.id, len(past), until)
    return stack_strips(strips)


# --- the ledger ------------------------------------------------------------------------------------------------------


def _ledger_row(
    work: ChunkWork, scene: Scene, day: date, cube: xr.Dataset | None, error: SceneError | None, outcome: Outcome
) -> LedgerRow:
    """What one scene showed of a chunk."""
    clear = cloudy = missing = None
    reason = ""
    if error is not None:
        outcome, reason = Outcome.FAILED, f"{type(error).__name__}: {error}"
    elif cube is not None:
        inside = work.chunk.inside
        has_data = np.logical_and.reduce([np.isfinite(a) for a in bands_of(cube, 0).values()]) & inside
        seen = cube["clear"].values[0] & inside
        total = max(int(inside.sum()), 1)
        clear, missing = 100.0 * seen.sum() / total, 100.0 * (1.0 - has_data.sum() / total)
        cloudy = 100.0 - clear - missing
        clear, cloudy, missing = (round(float(max(v, 0.0)), 2) for v in (clear, cloudy, missing))
        if missing >= 100.0:
            outcome = Outcome.EMPTY
    return LedgerRow(
        aoi_id=work.area.aoi_id, chunk_id=work.chunk.id, scene_id=scene.id, solar_day=day,
        sensed_at=scene.sensed_at.isoformat().replace("+00:00", "Z"), processing_baseline=scene.processing_baseline,
        outcome=outcome, clear_pct=clear, cloudy_pct=cloudy, not_imaged_pct=missing, reason=reason,
    )  # fmt: skip

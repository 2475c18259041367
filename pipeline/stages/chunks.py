"""From scenes to the state of a chunk: reference, evidence, monitor, ledger."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from odc.geo.geobox import GeoBox

from pipeline.aoi import PIXEL_M, Chunk
from pipeline.change import PixelEstimator, classify
from pipeline.config import ReferenceSection, RunConfig
from pipeline.cube import Look
from pipeline.doubtful import doubtful_mask
from pipeline.errors import SceneError
from pipeline.features import (
    BELOW_FLOOR,
    FEATURE_ORDER,
    common_falls,
    feature_table,
    gate,
    haze,
    sample_step,
    shade,
    signs_of,
    suspects,
    usual_ndvi,
    vegetation_anomaly,
)
from pipeline.fitting import fit_reference
from pipeline.indices import compute
from pipeline.io.pixels import PLAIN, Reading, read_cube, read_look
from pipeline.io.states import StateFolder
from pipeline.io.store import AreaState, ChunkState, Store
from pipeline.ledger import LedgerRow, Outcome
from pipeline.monitor import LookEvidence, PixelCode, PixelState, empty_state, merged, take_look
from pipeline.provenance import digest
from pipeline.reference import SCALE, Past, PastOnDay, Reference, floor_ndvi, replace_where, stack_strips
from pipeline.scenes import BANDS, Acquisition, Scene
from pipeline.sites import PixelTable, pixel_key
from pipeline.stages.watching import EVERGREEN_RULES, SeasonRules, unwatched_words, watched_ground

LOG = logging.getLogger(__name__)
STRIP_LOOKS = 16_000_000
"""Pixels times dates that are in memory at once when the reference is fitted, of 26 bytes each (six bands, class, mask)."""
NDVI = FEATURE_ORDER.index("current_ndvi")
YEAR_DAYS = 365
"""What must have been seen of a landscape with seasons: a dry forest that was seen green alone seems to be felled each year."""
DAYS_A_SWAP = 12
"""Days after which a back-fill swaps in the state of a chunk, so that a kill costs little."""


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
    seasons: SeasonRules = EVERGREEN_RULES
    """Of the area's landscape."""


@dataclass(frozen=True)
class Progress:
    """What is known of a chunk while days go by."""

    count: np.ndarray
    """uint16 (y, x): clear looks while the reference is awaited."""
    state: PixelState | None
    past: Past | None
    """The reference, in memory or on disk."""
    reference_on: date | None


def update_chunk(work: ChunkWork) -> int:
    """Bring the state of a chunk up to the last acquisition; returns the number of days that were taken.

    Where another run takes the same days meanwhile, what comes second is dropped and the work goes on from what came first.
    """
    stored = work.store.chunk_state(work.area.aoi_id, work.chunk.id)
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
    if progress.past is None or progress.reference_on is None:
        return ChunkState(day, state_file, None, progress.reference_on)
    name = f"{work.chunk.id}-reference-{progress.reference_on:%Y%m%d}-{work.area.epoch}"
    held = stored.reference_file if stored is not None else None
    if held is None or not held.startswith(f"{name}-"):  # what the store does not name may be of another run
        held = work.states.write_reference(name, progress.past.whole())
    return ChunkState(day, state_file, held, progress.reference_on)


def _take_day(
    work: ChunkWork, progress: Progress, acquisition: Acquisition, rows: list[LedgerRow]
) -> tuple[Progress, PixelTable | None]:
    """Progress after one solar day, and the changed pixels after it where the chunk is monitored."""
    day = acquisition.solar_day
    progress = _with_reference(work, progress, day)
    look, failed = read_look(acquisition, work.chunk.geobox, work.reading)
    outcome = Outcome.REFERENCE if progress.past is None else Outcome.MONITORED
    shares = None if look is None else _shares(look, work.chunk)
    told = [_ledger_row(work, s, day, shares, failed.get(s.id), outcome) for s in acquisition.scenes]
    if progress.past is None:
        rows += told
        return progress if look is None else replace(progress, count=progress.count + look.clear), None
    past = progress.past.on(day)
    watched = watched_ground(past, work.chunk.inside, work.seasons)
    words = unwatched_words(watched, work.chunk)
    rows += [replace(r, reason=words) if r.outcome is Outcome.MONITORED else r for r in told]
    if look is None:
        return progress, None
    state = monitor_look(progress.state or empty_state(work.chunk.shape), past, look, watched, work.estimator)
    return replace(progress, state=state), changed_pixels(state, progress.past, work.chunk)


def monitor_look(state: PixelState, past: PastOnDay, look: Look, watched: np.ndarray, estimator: PixelEstimator) -> PixelState:
    """Return the state after a look; `watched` is the ground on which a change could be seen that day, bool (y, x).

    A pixel whose NDVI is as usual has nothing to answer for: what else is expected of it is not even read. Of the others,
    and of those that are followed, veiled ones do not count as seen, and those that pass the gate are classified.
    """
    seen, doubtful = look.clear & watched, doubtful_mask(look, watched)
    usual = usual_ndvi(_common_falls(look, past, seen))
    rows = merged(suspects(look, past, seen, usual), merged(state.followed.at, np.flatnonzero(doubtful)))
    current, expected = look.reflectance_at(rows), past.expected_at(rows)
    expected[[i for i, b in enumerate(BANDS) if b not in look.numbers]] = np.nan
    now, before = (dict(zip(BANDS, stack, strict=True)) for stack in (current, expected))
    is_back = doubtful.ravel()[rows] & (state.value_at("doubtful", rows) >= 1)
    clear_at = seen.ravel()[rows] & ~(haze(now, before) | shade(now, before)) | is_back
    seen.reshape(-1)[rows] = clear_at
    least = usual[past.floor.ravel()[rows]]
    moving = _may_have_changed(now, before, least, past.ndvi_spread.ravel()[rows])
    kept = np.flatnonzero(clear_at & (moving | (state.value_at("changed_looks", rows) > 0)))
    shown = current.take(kept, axis=1)
    features = feature_table(shown, expected.take(kept, axis=1))
    said = classify(estimator, features)
    lost = vegetation_anomaly(features[:, NDVI], least[kept] + np.float32(BELOW_FLOOR))
    signs = signs_of(features) | (lost > 0.5).astype(np.uint8)
    evidence = LookEvidence(rows[kept], np.maximum(said.change, lost), said.seen, said.probabilities, signs, shown)
    return take_look(state, seen, doubtful, evidence, past.day)


def _may_have_changed(
    now: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray], least: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Which pixels pass the gate and are not as usual: bool (n,); the spread counts where no floor is known."""
    noise = np.where(np.isnan(least), spread * np.float32(SCALE), np.float32(0.0))
    with np.errstate(invalid="ignore"):
        return gate(now, before, noise) & ~(compute("ndvi", now) >= least)


def _common_falls(look: Look, past: PastOnDay, seen: np.ndarray) -> np.ndarray:
    """`common_falls` of a look, from a sample of its pixels that are not veiled."""
    step = sample_step(seen.shape)
    thin, now = past.every(step), look.bands(step)
    before = dict(zip(BANDS, thin.expected(), strict=True))
    usable = seen[::step, ::step] & ~(haze(now, before) | shade(now, before))
    return common_falls(compute("ndvi", now), floor_ndvi(thin.floor), usable)


def changed_pixels(state: PixelState, past: Past, chunk: Chunk) -> PixelTable:
    """Return the pixels of a chunk that are provisional, confirmed or finished, sorted by key, as rows of pixels are."""
    found = state.followed.take(state.followed.code >= PixelCode.PROVISIONAL)
    row, column = np.divmod(found.at, chunk.shape[1])
    top, left = round(-chunk.transform.f / PIXEL_M), round(chunk.transform.c / PIXEL_M)
    return PixelTable(
        key=pixel_key(row + top, column + left),
        code=found.code,
        first_changed_on=found.first_changed_on,
        last_unchanged_on=state.last_unchanged_on[row, column],
        confirmed_on=found.confirmed_on,
        last_changed_on=found.last_changed_on,
        clear_looks=state.clear_looks[row, column],
        likeness=found.likeness,
        seen_as=found.seen_as,
        before=past.level_at(found.at),
        near=past.near_at(found.at),
    )


# --- the reference ---------------------------------------------------------------------------------------------------


def _with_reference(work: ChunkWork, progress: Progress, day: date) -> Progress:
    """Progress with the reference that holds on a day: fitted when it is due, renewed a year later."""
    rules = work.config.reference
    if progress.past is None:
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
    quiet = progress.state.plane("code") == PixelCode.NONE
    return replace(progress, past=replace_where(progress.past.whole(), renewed, quiet), reference_on=day)


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


def _shares(look: Look, chunk: Chunk) -> tuple[float, float, float]:
    """How much of the area in a chunk a look showed clear, cloudy and not at all, in percent."""
    inside = chunk.inside
    total = max(int(np.count_nonzero(inside)), 1)
    clear = 100.0 * np.count_nonzero(look.clear & inside) / total
    missing = 100.0 * (1.0 - np.count_nonzero(look.has_data & inside) / total)
    return clear, 100.0 - clear - missing, missing


def _ledger_row(
    work: ChunkWork, scene: Scene, day: date, shares: tuple[float, float, float] | None, error: SceneError | None,
    outcome: Outcome,
) -> LedgerRow:  # fmt: skip
    """What one scene showed of a chunk."""
    clear = cloudy = missing = None
    reason = ""
    if error is not None:
        outcome, reason = Outcome.FAILED, f"{type(error).__name__}: {error}"
    elif shares is not None:
        clear, cloudy, missing = (round(max(v, 0.0), 2) for v in shares)
        if missing >= 100.0:
            outcome = Outcome.EMPTY
    return LedgerRow(
        aoi_id=work.area.aoi_id, chunk_id=work.chunk.id, scene_id=scene.id, solar_day=day,
        sensed_at=scene.sensed_at.isoformat().replace("+00:00", "Z"), processing_baseline=scene.processing_baseline,
        outcome=outcome, clear_pct=clear, cloudy_pct=cloudy, not_imaged_pct=missing, reason=reason,
    )  # fmt: skip

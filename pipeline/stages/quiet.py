"""Nights with nothing new: areas for which a catalogue search is all that a night costs.

See docs/adr/0026-a-night-with-nothing-new.md. An area is passed over only where everything that its last night rested on,
and everything that it wrote, is as it was. Any doubt, an error included, means the whole night, which then says what is wrong.
"""

import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from pipeline.delivery import feature_collection, spoken_again
from pipeline.errors import PipelineError
from pipeline.io.file_marks import Mark, mark_of
from pipeline.io.heads import anchor
from pipeline.io.last_nights import LastNight, last_nights, note_nothing_new, undisturbed
from pipeline.io.outputs import exclusive, write_whole
from pipeline.io.store import Store, open_store
from pipeline.stages.last_night import Inputs, night_marks, standing_marks
from pipeline.stages.run import AoiRequest
from pipeline.stages.scenes import area_id, present_listing

LOG = logging.getLogger(__name__)
AT_ONCE = 50
"""Areas whose locks are held, and that are noted, together."""
WRITERS = 8
"""Files that are written at the same time."""
SPOKEN = ("disturbances.geojson", "alerts.geojson")
"""Files that speak for the new date with the same features."""


@dataclass(frozen=True, slots=True)
class QuietNight:
    """A night of an area on which nothing was new."""

    aoi_id: str
    as_of: date
    told_on: date
    """Night of the report and the map that stand."""
    out: Path
    alerts: int
    disturbances: int
    findings: tuple[str, ...]
    """As the last whole night told them: they still hold."""
    has_refused_input: bool


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An area that was run before, and its last night."""

    number: int
    request: AoiRequest
    aoi_id: str
    as_of: date
    night: LastNight

    @property
    def keys(self) -> Path:
        """Folder of the signing keys."""
        return self.request.config.keys_folder(self.request.store)


def quiet_nights(requests: Mapping[int, AoiRequest], as_of: date) -> dict[int, QuietNight]:
    """Return the areas with nothing new on a date, by the number of their request; the files of their night are written.

    The others are left as they were: each needs a whole night.
    """
    found: dict[int, QuietNight] = {}
    inputs = Inputs()
    for address in dict.fromkeys(r.store for r in requests.values()):
        if "://" not in address and not Path(address).is_file():
            continue
        store = open_store(address)
        numbers = [n for n, r in requests.items() if r.store == address]
        for start in range(0, len(numbers), AT_ONCE):
            found |= _quiet_among(store, {n: requests[n] for n in numbers[start : start + AT_ONCE]}, as_of, inputs)
    return found


def _quiet_among(
    store: Store, requests: Mapping[int, AoiRequest], as_of: date, inputs: Inputs
) -> dict[int, QuietNight]:  # fmt: skip
    """Areas with nothing new among some of one store."""
    with ExitStack() as locks:
        calm = [c for c in _candidates(store, requests, as_of) if _is_quiet(c, inputs, locks)]
        due = [c for c in calm if c.night.as_of < as_of]
        if due:
            with ThreadPoolExecutor(WRITERS) as pool:  # the disk's answers are waited for together
                written = dict(zip((c.aoi_id for c in due), pool.map(_written, due), strict=True))
                noted, heads = note_nothing_new(store.engine, {c.aoi_id: c.night for c in due}, written, as_of)
                list(pool.map(lambda c: anchor(c.request.out, c.aoi_id, as_of, heads), (c for c in due if c.aoi_id in noted)))
            calm = [c for c in calm if c.night.as_of == as_of or c.aoi_id in noted]
        return {c.number: _quiet_night(c) for c in calm}


def _candidates(store: Store, requests: Mapping[int, AoiRequest], as_of: date) -> list[_Candidate]:
    """Areas whose last night is known, of which the store says nothing new, and for which no date lies between."""
    ids = {n: _aoi_id(request) for n, request in requests.items()}
    nights = last_nights(store.engine, [aoi_id for aoi_id in ids.values() if aoi_id])
    nights = {aoi_id: n for aoi_id, n in nights.items() if n.told_on < as_of and n.as_of <= as_of <= n.holds_until}
    calm = undisturbed(store.engine, nights, as_of) if nights else set()
    return [_Candidate(n, requests[n], ids[n], as_of, nights[ids[n]]) for n in requests if ids[n] in calm]


def _aoi_id(request: AoiRequest) -> str:
    """Id of an area; empty where its file cannot be read, which the whole night says."""
    try:
        return area_id(request.section.aoi)
    except PipelineError:
        return ""


def _is_quiet(one: _Candidate, inputs: Inputs, locks: ExitStack) -> bool:
    """Whether everything outside of the store is as it was; then the area is locked."""
    night, request = one.night, one.request
    try:
        locks.enter_context(exclusive(request.out / ".lock", f"area of {request.section.aoi}"))
        return (
            night.outputs.get(str(request.out / "alerts.geojson")) is not None
            and inputs.of(request) == night.inputs
            and request.section.start in {None, night.start}
            and night.watched == {path: mark_of(path) for path in night.watched}
            and night.outputs == _marks(one, night.as_of)
            and _listing(one) == (night.listing, night.kept)
        )
    except (PipelineError, OSError) as error:
        LOG.info("%s: a whole night, since %s: %s", one.aoi_id, type(error).__name__, error)
        return False


def _marks(one: _Candidate, as_of: date) -> dict[str, Mark]:
    """Marks of what an area's last nights wrote: what stands, and the files of the last whole night and of another one."""
    out = one.request.out
    return {**standing_marks(out, one.keys), **night_marks(out, one.night.told_on, as_of)}


def _listing(one: _Candidate) -> tuple[str, str]:
    """What the area's catalogue lists now."""
    request = one.request
    return present_listing(request.section, request.config, request.out, start=one.night.start, until=one.as_of)


def _written(one: _Candidate) -> LastNight:
    """Write the files of a night with nothing new; returns what is then the last night."""
    out, night = one.request.out, one.night
    manifest = {**json.loads(str(night.facts["manifest"])), "previous_as_of": night.as_of.isoformat()}
    news = feature_collection([], aoi_id=one.aoi_id, as_of=one.as_of, manifest=manifest)
    write_whole(out / "nights" / f"{one.as_of.isoformat()}.geojson", news)
    for name in SPOKEN:
        text = (out / name).read_text(encoding="utf-8")
        write_whole(out / name, spoken_again(text, night.as_of, one.as_of))
    return replace(night, as_of=one.as_of, outputs=_marks(one, one.as_of))


def _quiet_night(one: _Candidate) -> QuietNight:
    """What is told of a night with nothing new."""
    night = one.night
    return QuietNight(
        one.aoi_id, one.as_of, night.told_on, one.request.out, night.alerts, night.disturbances, tuple(night.findings),
        night.has_refused_input,
    )  # fmt: skip

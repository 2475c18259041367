"""What the detections of a run say about the registers of its areas."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.alerts import is_for_agencies
from pipeline.aoi import Area, working_grid
from pipeline.config import RunConfig
from pipeline.errors import CadastreUnknownError
from pipeline.io.areas import read_area
from pipeline.io.cadastres import read_protected
from pipeline.io.registry import Holding, Registry, open_registry
from pipeline.io.store import Store, open_store
from pipeline.ledger import LedgerRow, Outcome
from pipeline.stages.law import tenure_rules
from pipeline.stages.sites import alert_of
from pipeline.tenure import (
    AreaIndex,
    Detection,
    RegisterFinding,
    Title,
    TitleIndex,
    titles_after_detections,
    titles_in_protected,
    titles_without_work,
)

WATCHED_LOOKS = 4
"""Clear looks in a year from which ground counts as watched: one each season."""
WATCHED_DAYS = 365
LOOK_PCT = 50.0
"""A chunk that is this clear was looked at."""


def register_findings(config: RunConfig, on: date) -> Iterator[tuple[str, RegisterFinding]]:
    """Yield the area and each finding about the registers that its configuration names, as they are known on a day.

    Raises
    ------
    CadastreUnknownError
        An area names no register, or one without a snapshot by that day.
    """
    store = config.store or str(Path(config.out) / "store.sqlite")
    book, held = open_registry(config.registry or store), open_store(store)
    for section in config.areas:
        area = read_area(Path(section.aoi))
        if not section.registers:
            raise CadastreUnknownError(
                f"area {area.id}: found no registers, expected at least one; name it in the configuration"
            )
        protected = AreaIndex(kept for path in section.protected for kept in read_protected(Path(path))[0])
        changes = _changes(held, area, on)
        mines = [detection for detection, is_mine in changes if is_mine]
        for register in section.registers:
            holding = book.known_on(register, on)
            if holding is None:
                raise CadastreUnknownError(
                    f"register {register!r}: found no snapshot retrieved by {on}, expected one; import it"
                )
            titles = TitleIndex(book.titles(holding, within=area.geometry.bounds))
            watched = _watched(area, held.ledger(area.id, on), config.cube.chunk_px, on)
            found = [
                *titles_after_detections(titles, mines, _histories(book, titles, mines, holding), register),
                *titles_without_work(
                    titles, [detection for detection, _ in changes], watched, snapshot=book.snapshot(holding), on=on,
                    rules=tenure_rules(config.tenure, area.minerals),
                ),
                *titles_in_protected(titles, protected, on=on, register=register),
            ]  # fmt: skip
            yield from ((area.id, finding) for finding in found)


def _changes(store: Store, area: Area, on: date) -> list[tuple[Detection, bool]]:
    """Sites that were confirmed by a day, each with whether it may be a mine; any change counts as work on a title."""
    alerts = [alert_of(event) for event in store.latest_events(area.id, on).values()]
    return [
        (
            Detection(str(a.properties["site_id"]), a.geometry, date.fromisoformat(str(a.properties["first_detected_on"]))),
            is_for_agencies(a),
        )
        for a in alerts if a.properties["confirmed_on"] is not None
    ]  # fmt: skip


def _histories(
    book: Registry, titles: TitleIndex, detections: Sequence[Detection], holding: Holding
) -> Mapping[str, list[tuple[date, list[Title]]]]:
    """What each snapshot of the register up to the one that is held said of the titles at detections."""
    ids = {title.title_id for detection in detections for title in titles.near(detection.geometry)}
    return {
        title_id: [(h.retrieved_on, told) for h, told in book.history(title_id)
                   if h.register == holding.register and (h.retrieved_on, h.seq) <= (holding.retrieved_on, holding.seq)]
        for title_id in sorted(ids)
    }  # fmt: skip


def _watched(area: Area, ledger: Sequence[LedgerRow], chunk_px: int, on: date) -> BaseGeometry:
    """Ground of an area that was seen clear often enough in the year before a day while it was monitored."""
    looks = {
        (r.chunk_id, r.solar_day) for r in ledger
        if r.outcome is Outcome.MONITORED and r.solar_day is not None and (r.clear_pct or 0.0) >= LOOK_PCT
        and on - timedelta(days=WATCHED_DAYS) < r.solar_day <= on
    }  # fmt: skip
    count = Counter(chunk_id for chunk_id, _ in looks)
    chunks = [c for c in working_grid(area, chunk_px).chunks if count[c.id] >= WATCHED_LOOKS]
    boxes = [geo.to_lonlat(c.geobox.extent.geom, c.crs) for c in chunks]
    return shapely.union_all(boxes).intersection(area.geometry) if boxes else shapely.Polygon()

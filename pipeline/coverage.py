"""Coverage: what the observation ledger says of each chunk and day, and of the days on which nothing was seen.

Receives ledger rows; hands on a cell for each chunk and day, counts of passes in a window, months, and gaps. A pass is one
solar day on which the satellite took the area, or should have.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.ledger import LedgerRow, Outcome

CLEAR_PCT = 50.0
"""Share of a chunk from which a look at it counts as clear; from `PARTLY_PCT` as partly clear."""
PARTLY_PCT = 5.0
PIXEL_M = 10.0


class Coverage(StrEnum):
    """What a day was for a chunk."""

    CLEAR = "clear"
    """At least half of it was seen clear."""
    PARTLY_CLEAR = "partly_clear"
    """From a twentieth to half of it was seen clear."""
    CLOUDY = "cloudy"
    """It was imaged, under cloud."""
    NOT_IMAGED = "not_imaged"
    """The scenes of the day do not reach it, or have no data there."""
    FAILED = "failed"
    """A scene could not be used."""
    NOT_LISTED = "not_listed"
    """The orbit says that the satellite passed, and the catalogue has no item of it."""
    SUPERSEDED = "superseded"
    """Only scenes that others stand for."""
    NO_ACQUISITION = "no_acquisition"
    """No scene was taken or expected."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One chunk on one day."""

    chunk_id: str
    """Empty where the ledger has items of no chunk alone."""
    day: date
    kind: Coverage
    clear_pct: float | None
    cloudy_pct: float | None
    not_imaged_pct: float | None
    failed: tuple[str, ...]
    """Reasons, each once."""
    superseded: tuple[str, ...]
    """Scenes that others stand for."""
    not_listed: tuple[str, ...]
    """Passes that the catalogue lacks, with the reason."""


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """How many passes came to which end between two days."""

    clear: int = 0
    partly_clear: int = 0
    cloudy: int = 0
    not_imaged: int = 0
    failed: int = 0
    not_listed: int = 0
    superseded: int = 0

    @property
    def passes(self) -> int:
        """All of them."""
        return self.clear + self.partly_clear + self.cloudy + self.not_imaged + self.failed + self.not_listed + self.superseded

    @property
    def words(self) -> str:
        """The counts in words, passes first; zeros are told too."""
        count = f"{self.passes} {'pass' if self.passes == 1 else 'passes'}"
        seen = f"{self.clear} clear, {self.partly_clear} partly clear, {self.cloudy} cloudy, {self.not_imaged} not imaged"
        superseded = f", {self.superseded} superseded" if self.superseded else ""
        return f"{count}: {seen}, {self.failed} failed, {self.not_listed} not listed{superseded}"


@dataclass(frozen=True, slots=True)
class Month:
    """One month of an area."""

    name: str
    """`2024-05`."""
    days: int
    """Of the period."""
    counts: WindowCounts
    mean_clear_pct: float | None
    """Mean over the passes with a picture; None without one."""


def _by_chunk_and_day(rows: Iterable[LedgerRow]) -> dict[str, dict[date, list[LedgerRow]]]:
    """Rows with a day, by chunk and day."""
    held: dict[str, dict[date, list[LedgerRow]]] = {}
    for row in rows:
        if row.solar_day is not None:
            held.setdefault(row.chunk_id, {}).setdefault(row.solar_day, []).append(row)
    return held


def cells(rows: Iterable[LedgerRow], first: date | None = None, last: date | None = None) -> list[Cell]:
    """Return a cell for each chunk and day of the ledger in [first, last], by chunk and day; other days are no passes.

    Items of no chunk (unusable, superseded and missing ones) are told with every chunk, since the ledger does not say which
    ground they would have shown; a chunk that has a picture of the day is what the picture says. Where the ledger has no chunk
    yet they stand under the empty name.
    """
    held = _by_chunk_and_day(
        r for r in rows if r.solar_day is not None
        and (first is None or r.solar_day >= first) and (last is None or r.solar_day <= last)
    )  # fmt: skip
    of_all = held.pop("", {})
    return [
        _cell(chunk_id, day, [*days.get(day, ()), *of_all.get(day, ())])
        for chunk_id, days in sorted(held.items()) or [("", {})]
        for day in sorted({*days, *of_all})
    ]


def _cell(chunk_id: str, day: date, rows: Sequence[LedgerRow]) -> Cell:
    """The cell of the rows of one chunk and day; their shares are all of the whole acquisition."""
    seen = next((r for r in rows if r.clear_pct is not None), None)
    clear, cloudy, missing = (seen.clear_pct, seen.cloudy_pct, seen.not_imaged_pct) if seen else (None, None, None)

    def said(outcome: Outcome) -> list[LedgerRow]:
        return [r for r in rows if r.outcome is outcome]

    failed = tuple(dict.fromkeys(f"{r.scene_id}: {r.reason}" for r in said(Outcome.FAILED)))
    superseded = tuple(dict.fromkeys(r.scene_id for r in said(Outcome.SUPERSEDED)))
    not_listed = tuple(dict.fromkeys(f"{r.scene_id}: {r.reason}" for r in said(Outcome.NOT_LISTED)))
    others = (
        (failed, Coverage.FAILED), (not_listed, Coverage.NOT_LISTED), (seen, Coverage.NOT_IMAGED),
        (superseded, Coverage.SUPERSEDED),
    )  # fmt: skip
    kind = _kind(clear, cloudy, missing) or next((k for has, k in others if has), Coverage.NO_ACQUISITION)
    return Cell(chunk_id, day, kind, clear, cloudy, missing, failed, superseded, not_listed)


def _kind(clear: float | None, cloudy: float | None, missing: float | None) -> Coverage | None:
    """What shares make of a day; None where there is no picture of the chunk."""
    if clear is None or (missing or 0.0) > 100.0 - PARTLY_PCT:
        return None
    if clear >= CLEAR_PCT:
        return Coverage.CLEAR
    if clear >= PARTLY_PCT:
        return Coverage.PARTLY_CLEAR
    return Coverage.CLOUDY if (cloudy or 0.0) >= (missing or 0.0) else Coverage.NOT_IMAGED


def area_cells(of_chunks: Iterable[Cell]) -> list[Cell]:
    """Return one cell for each day: the mean over the chunks, which count alike, under the empty name.

    A chunk without a picture that day counts as not imaged; where no chunk has one, the day is what most chunks say.
    """
    days: dict[date, list[Cell]] = {}
    for cell in of_chunks:
        days.setdefault(cell.day, []).append(cell)
    return [_mean(day, some) for day, some in sorted(days.items())]


def _mean(day: date, some: Sequence[Cell]) -> Cell:
    """The cell of an area."""
    pictured = [c for c in some if c.clear_pct is not None]
    failed = tuple(dict.fromkeys(text for c in some for text in c.failed))
    superseded = tuple(dict.fromkeys(text for c in some for text in c.superseded))
    not_listed = tuple(dict.fromkeys(text for c in some for text in c.not_listed))
    kinds = [c.kind for c in some]
    most = max(kinds, key=kinds.count)
    if not pictured:
        return Cell("", day, most, None, None, None, failed, superseded, not_listed)
    clear = sum(c.clear_pct or 0.0 for c in pictured) / len(some)
    cloudy = sum(c.cloudy_pct or 0.0 for c in pictured) / len(some)
    missing = max(100.0 - clear - cloudy, 0.0)
    return Cell("", day, _kind(clear, cloudy, missing) or most, clear, cloudy, missing, failed, superseded, not_listed)


def window_counts(
    rows: Iterable[LedgerRow], first: date | None, last: date | None, chunk_ids: Iterable[str] | None = None
) -> WindowCounts:
    """Return how many passes after `first` and before `last` came to which end; both days are looks themselves.

    Parameters
    ----------
    rows : iterable of LedgerRow
        Of one area, in any order.
    first, last : date or None
        The window, neither day in it; None: no bound on that side.
    chunk_ids : iterable of str, optional
        Chunks that count, such as `touched_chunks` gives; all where it is not given. Over several chunks a pass is what their
        mean share makes of it.

    Examples
    --------
    >>> def row(day, clear):
    ...     shares = (clear, 100.0 - clear, 0.0)
    ...     return LedgerRow("a", "c", f"s{day}", date(2024, 5, day), "", "", Outcome.MONITORED, *shares, "")
    >>> window_counts([row(1, 90.0), row(6, 0.0), row(11, 20.0), row(16, 95.0)], date(2024, 5, 1), date(2024, 5, 16)).words
    '2 passes: 0 clear, 1 partly clear, 1 cloudy, 0 not imaged, 0 failed, 0 not listed'
    """
    kept = None if chunk_ids is None else {*chunk_ids, ""}
    held = [
        r for r in rows if r.solar_day is not None and (first is None or r.solar_day > first)
        and (last is None or r.solar_day < last) and (kept is None or r.chunk_id in kept)
    ]  # fmt: skip
    return counts_of(area_cells(cells(held)))


def counts_of(some: Iterable[Cell]) -> WindowCounts:
    """Return how many cells are of which kind."""
    kinds = [c.kind.value for c in some if c.kind is not Coverage.NO_ACQUISITION]
    return WindowCounts(**{kind: kinds.count(kind) for kind in set(kinds)})


def months(of_area: Sequence[Cell], first: date, last: date) -> list[Month]:
    """Return the months of a period with what became of their passes; months without a pass are told too."""
    days: dict[str, int] = {}
    for n in range((last - first).days + 1):
        name = f"{first + timedelta(days=n):%Y-%m}"
        days[name] = days.get(name, 0) + 1
    found = []
    for name, count in days.items():
        some = [c for c in of_area if f"{c.day:%Y-%m}" == name]
        shares = [c.clear_pct for c in some if c.clear_pct is not None]
        found.append(Month(name, count, counts_of(some), sum(shares) / len(shares) if shares else None))
    return found


def longest_gap(some: Iterable[Cell], first: date, last: date) -> tuple[date, date] | None:
    """Return first and last day of the longest time without a clear look, the earliest where two are as long; None without one.

    Examples
    --------
    >>> looks = [Cell("c", date(2024, 5, d), Coverage.CLEAR, 90.0, 10.0, 0.0, (), (), ()) for d in (3, 10)]
    >>> [str(day) for day in longest_gap(looks, date(2024, 5, 1), date(2024, 5, 12))]
    ['2024-05-04', '2024-05-09']
    """
    one = timedelta(days=1)
    seen = sorted({c.day for c in some if c.kind is Coverage.CLEAR and first <= c.day <= last})
    edges = zip([first - one, *seen], [*seen, last + one], strict=True)
    gaps = [(before + one, after - one) for before, after in edges if (after - before).days > 1]
    return max(gaps, key=lambda gap: (gap[1] - gap[0]).days, default=None)


def unseen_days(of_area: Iterable[Cell], first: date, last: date) -> list[tuple[date, date]]:
    """Return the stretches of days, first and last, on which no part of the area was seen clear at all."""
    one = timedelta(days=1)
    seen = sorted({c.day for c in of_area if (c.clear_pct or 0.0) > 0.0 and first <= c.day <= last})
    edges = zip([first - one, *seen], [*seen, last + one], strict=True)
    return [(before + one, after - one) for before, after in edges if (after - before).days > 1]


def touched_chunks(geometry: BaseGeometry, chunk_ids: Iterable[str], chunk_px: int) -> list[str]:
    """Return the chunks that a lon/lat outline touches, sorted; ids are those of `aoi.working_grid`.

    Parameters
    ----------
    geometry : BaseGeometry
        Lon/lat outline of a site.
    chunk_ids : iterable of str
        `<epsg>_<column>_<row>`; empty names are left out.
    chunk_px : int
        Side of a chunk of that grid in pixels.
    """
    side, found = chunk_px * PIXEL_M, []
    outlines: dict[int, BaseGeometry] = {}
    for chunk_id in sorted({c for c in chunk_ids if c}):
        epsg, column, row = (int(part) for part in chunk_id.split("_"))
        if epsg not in outlines:
            outlines[epsg] = geo.reproject(geometry, geo.WGS84, f"EPSG:{epsg}")
        x, y = column * side, -row * side
        if outlines[epsg].intersects(shapely.box(x, y - side, x + side, y)):
            found.append(chunk_id)
    return found

"""What the ledger says that reports need: acquisitions between two days, and what each day showed of the area."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta

from pipeline.coverage import window_counts
from pipeline.ledger import LedgerRow, Outcome
from pipeline.reports.facts import DayShares, FailedScene, Looks


def looks_between(ledger: Sequence[LedgerRow], chunk_ids: Collection[str], *, after: date | None, before: date) -> Looks | None:
    """Return what became of the acquisitions between two days, both left out, each solar day once; see `window_counts`.

    Parameters
    ----------
    ledger : sequence of LedgerRow
    chunk_ids : collection of str
        Chunks that the site touches. Rows of no chunk (unusable items, passes that are not listed) count too.
    after, before : date
        `after` may be None: the day before the first one that was monitored. None is returned where none was.
    """
    if after is None:
        monitored = [r.solar_day for r in ledger if r.outcome is Outcome.MONITORED and r.solar_day and r.chunk_id in chunk_ids]
        if not monitored:
            return None
        after = min(monitored) - timedelta(days=1)
    return Looks(after, before, window_counts(ledger, after, before, chunk_ids))


def _shares(rows: Sequence[LedgerRow]) -> tuple[float, float, float] | None:
    """Mean shares over the chunks of a day, clear, cloudy, not imaged; None where none is known."""
    chunks = {r.chunk_id: (r.clear_pct, r.cloudy_pct or 0.0, r.not_imaged_pct or 0.0) for r in rows
              if r.chunk_id and r.clear_pct is not None}  # fmt: skip
    if not chunks:
        return None
    clear, cloudy, missing = (sum(float(c[i] or 0.0) for c in chunks.values()) / len(chunks) for i in range(3))
    return clear, cloudy, missing


def shares_by_day(ledger: Sequence[LedgerRow], first: date, last: date) -> list[DayShares]:
    """Return what each solar day from the first to the last showed of the area, to 0.1 %, in order."""
    days: dict[date, list[LedgerRow]] = {}
    for row in ledger:
        if row.solar_day is not None and first <= row.solar_day <= last:
            days.setdefault(row.solar_day, []).append(row)
    known = ((day, _shares(rows)) for day, rows in sorted(days.items()))
    return [DayShares(day, *(round(s, 1) for s in shares)) for day, shares in known if shares is not None]


def failures(ledger: Sequence[LedgerRow], first: date, last: date) -> list[FailedScene]:
    """Return the scenes from the first to the last day that could not be used, each reason once; undated ones too."""
    found = {
        (r.scene_id, r.reason): FailedScene(r.scene_id, r.solar_day, r.reason)
        for r in ledger
        if r.outcome is Outcome.FAILED and (r.solar_day is None or first <= r.solar_day <= last)
    }
    return [found[key] for key in sorted(found, key=lambda k: (str(found[k].solar_day), *k))]


def passes_not_listed(ledger: Sequence[LedgerRow], first: date, last: date) -> int:
    """Return how many passes from the first to the last day the catalogue lacks."""
    return len({
        r.scene_id for r in ledger
        if r.outcome is Outcome.NOT_LISTED and r.solar_day is not None and first <= r.solar_day <= last
    })  # fmt: skip

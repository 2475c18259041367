"""Days as registers write them. A day stays the day that is written: no time zone ever moves it."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

_ISO = re.compile(r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ].*)?$")
_BASIC = re.compile(r"^((?:19|20|21)\d{2})(\d{2})(\d{2})$")
_SLASHED = re.compile(r"^(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})(?:\s.*)?$")
_JAVASCRIPT = re.compile(r"^[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{2}) (\d{4}) \d{2}:\d{2}:\d{2} GMT")
_EPOCH_MS = re.compile(r"^-?\d{11,14}(?:\.0)?$")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def read_days(texts: Sequence[str | None], *, day_first: bool | None = None) -> list[date | str | None]:
    """Return the day of each text of one column; the text itself where it cannot be read, None where there is none.

    Read are ISO 8601 (also with `/`), JavaScript's text form, milliseconds since 1970 in UTC, and `dd/mm/yyyy` or
    `mm/dd/yyyy` where some value of the column can only be one of them and none only the other.

    Parameters
    ----------
    texts : sequence of str or None
    day_first : bool, optional
        What the register says of its order, where the column leaves it open. A value that can only be the other order
        contradicts it: then no day of the column in that form is read.

    Examples
    --------
    >>> read_days(["2025-01-06T00:00:00Z", "31/12/2024", "01/02/2024", "soon", None])
    [datetime.date(2025, 1, 6), datetime.date(2024, 12, 31), datetime.date(2024, 2, 1), 'soon', None]
    >>> read_days(["01/02/2024"])
    ['01/02/2024']
    >>> read_days(["8/06/2010"], day_first=True)
    [datetime.date(2010, 6, 8)]
    """
    slashed = _slashed_order((text for text in texts if text is not None), day_first)
    return [None if text is None else _read_day(text, slashed) for text in texts]


def _slashed_order(texts: Iterable[str], day_first: bool | None) -> Callable[[int, int, int], date | None]:
    """Return how a column writes day and month: a function of its two numbers and the year."""
    pairs = [(int(m[1]), int(m[2])) for m in map(_SLASHED.match, texts) if m]
    is_day_first = day_first is True or any(a > 12 for a, _ in pairs)
    is_month_first = day_first is False or any(b > 12 for _, b in pairs)
    if is_day_first == is_month_first:
        return lambda _a, _b, _year: None
    return (lambda a, b, year: _day(year, b, a)) if is_day_first else (lambda a, b, year: _day(year, a, b))


def _read_day(text: str, slashed: Callable[[int, int, int], date | None]) -> date | str:
    """Return the day of one text, or the text."""
    if found := _ISO.match(text) or _BASIC.match(text):
        day = _day(int(found[1]), int(found[2]), int(found[3]))
    elif found := _SLASHED.match(text):
        day = slashed(int(found[1]), int(found[2]), int(found[3]))
    elif (found := _JAVASCRIPT.match(text)) and found[1] in _MONTHS:
        day = _day(int(found[3]), _MONTHS.index(found[1]) + 1, int(found[2]))
    elif _EPOCH_MS.match(text):
        day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=float(text))).date()
    else:
        day = None
    return text if day is None else day


def _day(year: int, month: int, day: int) -> date | None:
    """Return a day, or None where the calendar has none such."""
    try:
        return date(year, month, day)
    except ValueError:
        return None

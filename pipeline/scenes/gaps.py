"""Revisit gaps: passes of the satellite that a catalogue should have and does not.

Catalogues lack scenes that exist (microsoft/PlanetaryComputer issues 256 and 269, Element84/earth-search issue 76), and what
is not listed cannot fail, so nobody would hear of it. The orbit says when a satellite was there: it repeats after 143 orbits
in 10 days (ESA, Sentinel-2 mission guide), so the solar days on which one satellite shows a tile from one orbit share their
remainder by 10. The satellite is not asked for: 2C took the place of 2A, and the two at work are 5 days apart.

Not every pass is recorded (before 2018 outside Europe and Africa every second or third), and some catalogues hold only
cloudless dates or mosaics. So a missing pass is a gap only amid passes that came regularly, before it and after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

CYCLE_DAYS = 10
"""Days after which a satellite flies the same orbit again (ESA: 143 orbits)."""
REACH = 6
"""Slots on each side that are looked at: two months, in which a change of the acquisition plan shows."""
REGULAR_SHARE = 2 / 3
"""Share of the slots within reach, on each side, that hold a pass where passes come regularly. An acquisition plan of every
second pass has a half; a catalogue that lost a tenth of its scenes has 0.9."""
MIN_PASSES = 5
"""Passes within reach of which regularity can be said; with four, one of every second pass looks regular."""
LATE_SLOTS = 3
"""Slots after the last pass that are asked for: a satellite that is silent for longer was retired or moved."""
PUBLICATION_DAYS = 2
"""Days within which a scene is published; before that it is not missing."""


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """A pass that the catalogue should have and does not."""

    tile: str
    solar_day: date
    reason: str


def revisit_gaps(passes: Iterable[tuple[str, date]], until: date) -> list[Gap]:
    """Return the missing passes in order of tile and day; their order and repetitions in `passes` do not matter.

    Parameters
    ----------
    passes : iterable of (tile, solar day)
        Of every item that the catalogue lists, also superseded, partial and unusable ones, with no filter by cloud: what is
        filtered out looks missing.
    until : date
        The day for which the catalogue was asked; passes after the last one are missing from two days before it.

    Examples
    --------
    >>> from datetime import timedelta
    >>> days = [date(2024, 1, 1) + timedelta(days=10 * n) for n in range(12) if n != 7]
    >>> [gap.solar_day.isoformat() for gap in revisit_gaps([("20LPR", day) for day in days], days[-1])]
    ['2024-03-11']
    """
    series: dict[tuple[str, int], set[int]] = {}
    for tile, day in passes:
        slot, remainder = divmod(day.toordinal(), CYCLE_DAYS)
        series.setdefault((tile, remainder), set()).add(slot)
    gaps = []
    for (tile, remainder), slots in series.items():
        newest = (until.toordinal() - PUBLICATION_DAYS - remainder) // CYCLE_DAYS
        for slot, reason in [*_inner(slots), *_late(slots, newest)]:
            gaps.append(Gap(tile, date.fromordinal(slot * CYCLE_DAYS + remainder), reason))
    return sorted(gaps)


def _inner(slots: set[int]) -> list[tuple[int, str]]:
    """Slots without a pass between others, where passes come regularly on both sides."""
    first, last = min(slots), max(slots)
    found = []
    for slot in sorted(set(range(first, last)) - slots):
        before = range(max(first, slot - REACH), slot)
        after = range(slot + 1, min(last, slot + REACH) + 1)
        if _is_regular(slots, before, after):
            found.append((slot, f"{_told(slots, before)} before it and {_told(slots, after)} after it are listed"))
    return found


def _late(slots: set[int], newest: int) -> list[tuple[int, str]]:
    """Slots after the last pass that should have been published by now."""
    last = max(slots)
    before = range(max(min(slots), last - REACH + 1), last + 1)
    if not _is_regular(slots, before):
        return []
    reason = f"{_told(slots, before)} up to {{}} days before it are listed and none since"
    return [(slot, reason.format((slot - last) * CYCLE_DAYS)) for slot in range(last + 1, min(newest, last + LATE_SLOTS) + 1)]


def _is_regular(slots: set[int], *sides: range) -> bool:
    """Whether enough of the slots on every side, and enough of them at all, hold a pass."""
    held = [sum(slot in slots for slot in side) for side in sides]
    return sum(held) >= MIN_PASSES and all(n >= REGULAR_SHARE * len(side) for n, side in zip(held, sides, strict=True))


def _told(slots: set[int], side: range) -> str:
    """How many of some slots hold a pass, in words."""
    return f"{sum(slot in slots for slot in side)} of the {len(side)} passes"

"""What changed between two snapshots of one register, title by title and in words.

Titles are matched by their id. Where an id stands more than once, what is said alike is matched first, then what shares
most ground. A title that is gone while a new one has its very outline was given another number.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import shapely

from pipeline import geo
from pipeline.tenure.records import Title

REDRAWN_HA = 0.001
"""Outlines that differ by less, a tenth of a pixel, are the same ground."""


class ChangeKind(StrEnum):
    """What changed of a title from one snapshot to the next."""

    NEW = "new"
    GONE = "gone"
    RENUMBERED = "renumbered"
    EXTENDED = "extended"
    """Its last day moved later, or to none."""
    SHORTENED = "shortened"
    """Its last day moved earlier, or from none to one."""
    REDATED = "redated"
    """Its first day, day of stage or suspensions changed."""
    REDRAWN = "redrawn"
    HOLDER = "holder"
    STAGE = "stage"
    """Its kind changed, as from exploration to exploitation."""
    STATUS = "status"
    MINERALS = "minerals"


@dataclass(frozen=True, slots=True)
class TitleChange:
    """One thing that changed of one title."""

    kind: ChangeKind
    title_id: str
    text: str
    """What changed, as the predicate of a sentence."""
    before: Title | None
    after: Title | None


def differences(before: Iterable[Title], after: Iterable[Title]) -> list[TitleChange]:
    """Return what changed from one snapshot's titles to another's, sorted by title id and kind; empty where nothing did.

    Parameters
    ----------
    before, after : iterable of Title
        In any order.
    """
    old, new = _by_id(before), _by_id(after)
    pairs: list[tuple[Title, Title]] = []
    gone: list[Title] = []
    fresh: list[Title] = []
    for title_id in sorted(old.keys() | new.keys()):
        matched, lost, added = _matched(old.get(title_id, []), new.get(title_id, []))
        pairs += matched
        gone += lost
        fresh += added
    changes = [change for a, b in pairs for change in _changes(a, b)]
    changes += _renumbered(gone, fresh)
    changes += [TitleChange(ChangeKind.GONE, t.title_id, "is no longer listed", t, None) for t in gone]
    changes += [TitleChange(ChangeKind.NEW, t.title_id, "is newly listed", None, t) for t in fresh]
    return sorted(changes, key=lambda c: (c.title_id, list(ChangeKind).index(c.kind), c.text))


def _by_id(titles: Iterable[Title]) -> dict[str, list[Title]]:
    """Titles by their id."""
    found: dict[str, list[Title]] = defaultdict(list)
    for title in titles:
        found[title.title_id].append(title)
    return found


def _said(title: Title) -> tuple[object, ...]:
    """Everything that a register says of a title, its snapshot left out."""
    return (
        title.name, title.holder, title.kind, title.status, title.valid_from, title.valid_to, title.minerals,
        title.kind_since, title.suspensions, title.doubts, _ground(title),
    )  # fmt: skip


def _ground(title: Title) -> bytes:
    """The outline, however its rings begin and turn."""
    ground: bytes = shapely.to_wkb(shapely.normalize(title.geometry))
    return ground


def _matched(old: Sequence[Title], new: Sequence[Title]) -> tuple[list[tuple[Title, Title]], list[Title], list[Title]]:
    """Pairs of one id that stand for each other, what is gone, and what is new."""
    if len(old) == len(new) == 1:
        return [(old[0], new[0])], [], []
    rest, fresh = sorted(old, key=_order), sorted(new, key=_order)
    pairs = []
    for title in list(rest):
        twin = next((t for t in fresh if _said(t) == _said(title)), None)
        if twin is not None:
            pairs.append((title, twin))
            rest.remove(title)
            fresh.remove(twin)
    while rest and fresh:
        a, b = max(((a, b) for a in rest for b in fresh), key=lambda pair: _shared(*pair))
        pairs.append((a, b))
        rest.remove(a)
        fresh.remove(b)
    return pairs, rest, fresh


def _order(title: Title) -> tuple[str, bytes]:
    """An order that does not depend on that of the file."""
    return repr(_said(title)[:-1]), _ground(title)


def _shared(a: Title, b: Title) -> float:
    """Share of the ground of two titles that both have; only compared, never told."""
    both = a.geometry.union(b.geometry).area
    return float(a.geometry.intersection(b.geometry).area / both) if both else 0.0


def _renumbered(gone: list[Title], fresh: list[Title]) -> list[TitleChange]:
    """Titles that have the very outline of one that is gone; both are taken off their lists."""
    by_ground = {_ground(title): title for title in gone}
    changes = []
    for title in list(fresh):
        old = by_ground.pop(_ground(title), None)
        if old is not None:
            gone.remove(old)
            fresh.remove(title)
            text = f"has the outline of title {old.title_id}, which is no longer listed"
            changes.append(TitleChange(ChangeKind.RENUMBERED, title.title_id, text, old, title))
            changes += _changes(old, title)
    return changes


def _changes(a: Title, b: Title) -> Iterator[TitleChange]:
    """Everything that changed from one record of a title to the next."""
    for kind, text in (*_redated(a, b), *_reworded(a, b), *_redrawn(a, b)):
        yield TitleChange(kind, b.title_id, text, a, b)


def _redated(a: Title, b: Title) -> Iterator[tuple[ChangeKind, str]]:
    """Changed days."""
    if a.valid_to != b.valid_to:
        is_later = b.valid_to is None or (a.valid_to is not None and b.valid_to > a.valid_to)
        kind = ChangeKind.EXTENDED if is_later else ChangeKind.SHORTENED
        yield kind, f"ends {_on(b.valid_to)}, before: {_on(a.valid_to)}"
    if a.valid_from != b.valid_from:
        yield ChangeKind.REDATED, f"begins {_on(b.valid_from)}, before: {_on(a.valid_from)}"
    if a.kind_since != b.kind_since:
        yield (
            ChangeKind.REDATED,
            f"has its stage since {b.kind_since or 'its first day'}, before: {a.kind_since or 'its first day'}",
        )
    if a.suspensions != b.suspensions:
        yield ChangeKind.REDATED, f"has {len(b.suspensions)} dated suspensions, before: {len(a.suspensions)}, or of other days"


def _reworded(a: Title, b: Title) -> Iterator[tuple[ChangeKind, str]]:
    """Changed holder, stage, status and minerals; persons are not named."""
    if a.holder != b.holder:
        yield ChangeKind.HOLDER, "is with another holder"
    if a.kind != b.kind:
        yield ChangeKind.STAGE, f"is of the kind {b.kind.value}, before: {a.kind.value}"
    if a.status != b.status:
        yield ChangeKind.STATUS, f"is called {b.status.value}, before: {a.status.value}"
    if set(a.minerals) != set(b.minerals):
        yield (
            ChangeKind.MINERALS,
            f"is for {', '.join(b.minerals) or 'none stated'}, before: {', '.join(a.minerals) or 'none stated'}",
        )


def _redrawn(a: Title, b: Title) -> Iterator[tuple[ChangeKind, str]]:
    """Changed ground."""
    if _ground(a) == _ground(b):
        return
    added = geo.geodesic_area_ha(geo.polygons_only(b.geometry.difference(a.geometry)))
    lost = geo.geodesic_area_ha(geo.polygons_only(a.geometry.difference(b.geometry)))
    if added + lost >= REDRAWN_HA:
        yield ChangeKind.REDRAWN, f"has {added:.3f} ha more and {lost:.3f} ha less"


def _on(day: date | None) -> str:
    """A day in words."""
    return f"on {day}" if day is not None else "on no stated day"

"""The simulated cadastre: mining titles drawn so that every tenure finding occurs, and two protected areas."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from shapely.geometry.base import BaseGeometry

from pipeline.demo.frame import Frame
from pipeline.demo.mine import Mine

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels."""

MARGINS_PX = (40, 26, 16, 9)
"""How far a title may reach past its mine; the largest that keeps clear of every other mine is taken."""
LEAST_PX = 3
"""How far it reaches in any case; mines are far enough apart for it."""
CLEAR_PX = 4
"""Least distance of a title from a mine that it is not meant for: twice the usual tolerance of 19.5 m."""
OVERREACH_PX = 1
"""How far the mine `within_tolerance` reaches past its title: 10 m, half the usual tolerance."""
COVERED_SHARE = 0.55
"""Share of the mine `partly_covered` that its title covers."""
LONG_AGO, FAR_OFF = date(2015, 6, 1), date(2035, 5, 31)


@dataclass(frozen=True, slots=True)
class Title:
    """One simulated mineral right."""

    kind: str
    """exploitation, exploration, artisanal_zone or formalisation_zone."""
    status: str
    """active, suspended, application or expired."""
    valid_from: date | None
    valid_to: date | None
    minerals: tuple[str, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class ProtectedArea:
    """One simulated protected area or territory."""

    kind: str
    """protected_area or indigenous_territory."""
    name: str
    points: np.ndarray
    """float64 (n, 2): corners (row, column) in pixels."""


def make_titles(
    mines: Sequence[Mine], frame: Frame, start: date, days: int, minerals: tuple[str, ...] = ("gold",)
) -> list[Title]:
    """Return a title for every mine but the uncovered ones, and four that have no mine; gold stands for `minerals`."""
    titles = []
    for mine in mines:
        draw = _RULES.get(mine.plan.tenure_status)
        if draw is not None:
            others = [other.box for other in mines if other is not mine]
            titles.append(draw(mine, _room(mine.box, others, frame), (start, start + timedelta(days=days))))
    return [_for_minerals(title, minerals) for title in (*titles, *_without_mines(mines, frame))]


def _for_minerals(title: Title, minerals: tuple[str, ...]) -> Title:
    """Title on what is mined here in place of gold, each mineral once."""
    named = [m for mineral in title.minerals for m in (minerals if mineral == "gold" else (mineral,))]
    return replace(title, minerals=tuple(dict.fromkeys(named)))


def _room(box: Box, others: Sequence[Box], frame: Frame) -> Box:
    """Box of a mine, each side in turn pushed out as far as other mines and the world's edge allow."""
    grown = [max(box[0] - LEAST_PX, 0), max(box[1] - LEAST_PX, 0)]
    grown += [min(box[2] + LEAST_PX, frame.rows), min(box[3] + LEAST_PX, frame.columns)]
    for side, sign, limit in ((0, -1, 0), (1, -1, 0), (2, 1, frame.rows), (3, 1, frame.columns)):
        for margin in MARGINS_PX:
            trial = grown.copy()
            trial[side] = max(box[side] - margin, limit) if sign < 0 else min(box[side] + margin, limit)
            if all(_apart(trial, other) for other in others):
                grown = trial
                break
    return (grown[0], grown[1], grown[2], grown[3])


def _apart(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether two boxes are `CLEAR_PX` or more apart."""
    return (
        a[2] + CLEAR_PX <= b[0] or b[2] + CLEAR_PX <= a[0] or a[3] + CLEAR_PX <= b[1] or b[3] + CLEAR_PX <= a[1]
    )  # fmt: skip


Period = tuple[date, date]
"""First day of the world and the day after its last."""


def _covered(_: Mine, room: Box, __: Period) -> Title:
    return Title("exploitation", "active", LONG_AGO, FAR_OFF, ("gold",), room)


def _partly_covered(mine: Mine, room: Box, _: Period) -> Title:
    axis = int(np.argmax(mine.ground.shape))
    pixels = np.cumsum(mine.ground.sum(axis=1 - axis))
    cut = int(np.searchsorted(pixels, COVERED_SHARE * pixels[-1])) + 1
    top, left, bottom, right = room
    box = (top, left, mine.top + cut, right) if axis == 0 else (top, left, bottom, mine.left + cut)
    return Title("exploitation", "active", LONG_AGO, FAR_OFF, ("gold",), box)


def _lapsed(mine: Mine, room: Box, period: Period) -> Title:
    ended = period[0] + timedelta(days=mine.steps[0][0] - 90)
    return Title("exploitation", "expired", LONG_AGO, ended, ("gold",), room)


def _not_yet_valid(_: Mine, room: Box, period: Period) -> Title:
    return Title("exploitation", "active", period[1] + timedelta(days=120), FAR_OFF, ("gold",), room)


def _stage_mismatch(_: Mine, room: Box, __: Period) -> Title:
    return Title("exploration", "active", LONG_AGO, FAR_OFF, ("gold",), room)


def _commodity_mismatch(_: Mine, room: Box, __: Period) -> Title:
    return Title("exploitation", "active", LONG_AGO, FAR_OFF, ("sand",), room)


def _suspended(_: Mine, room: Box, __: Period) -> Title:
    return Title("exploitation", "suspended", LONG_AGO, FAR_OFF, ("gold",), room)


def _formalisation_zone(_: Mine, room: Box, __: Period) -> Title:
    return Title("formalisation_zone", "active", LONG_AGO, FAR_OFF, ("gold",), room)


def _within_tolerance(mine: Mine, room: Box, _: Period) -> Title:
    top, left, bottom, right = mine.box
    box = (room[0], left + OVERREACH_PX, bottom - OVERREACH_PX, room[3])
    return Title("exploitation", "active", LONG_AGO, FAR_OFF, ("gold",), box if top < box[2] and right > box[1] else room)


_RULES: dict[str, Callable[[Mine, Box, Period], Title]] = {
    "covered": _covered, "partly_covered": _partly_covered, "lapsed": _lapsed, "not_yet_valid": _not_yet_valid,
    "stage_mismatch": _stage_mismatch, "commodity_mismatch": _commodity_mismatch, "suspended": _suspended,
    "formalisation_zone": _formalisation_zone, "within_tolerance": _within_tolerance,
}  # fmt: skip


def _without_mines(mines: Sequence[Mine], frame: Frame) -> list[Title]:
    """Titles on ground without a mine: an artisanal zone, an application, explored and worked ground."""
    facts = (
        ("artisanal_zone", "active", LONG_AGO, FAR_OFF, ("gold",), (0.05, 0.52)),
        ("exploration", "application", None, None, ("gold", "copper"), (0.40, 0.70)),
        ("exploration", "active", LONG_AGO, FAR_OFF, ("gold",), (0.72, 0.05)),
        ("exploitation", "active", LONG_AGO, FAR_OFF, ("granite",), (0.20, 0.88)),
    )
    height, width = frame.rows // 6, frame.columns // 9
    found = []
    for kind, status, first, last, minerals, (down, across) in facts:
        top, left = int(down * frame.rows), int(across * frame.columns)
        box = (top, left, top + height, left + width)
        if all(_apart(box, mine.box) for mine in mines):
            found.append(Title(kind, status, first, last, minerals, box))
    return found


def make_protected_areas(rng: np.random.Generator, mines: Sequence[Mine], frame: Frame) -> list[ProtectedArea]:
    """Return a protected area over part of an uncovered mine and an Indigenous territory over part of another."""
    wanted = (("protected_area", "Simulated forest reserve", "uncovered"),
              ("indigenous_territory", "Simulated Indigenous territory", "stage_mismatch"))  # fmt: skip
    found = []
    for kind, name, status in wanted:
        mine = next(m for m in mines if m.plan.tenure_status == status)
        top, left, bottom, right = mine.box
        radius = 0.12 * min(frame.rows, frame.columns, 1200)
        side = -1.0 if (left + right) / 2 < 0.40 * frame.columns else 1.0
        centre = np.array([(top + bottom) / 2, (left + right) / 2 + side * 0.8 * radius])
        angle = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
        reach = radius * (1.0 + 0.06 * rng.standard_normal(24))
        points = centre + np.column_stack([reach * np.sin(angle), reach * np.cos(angle)])
        points = np.clip(points, 0.0, [frame.rows, frame.columns])
        found.append(ProtectedArea(kind, name, points))
    return found


def title_properties(number: int, title: Title) -> dict[str, object]:
    """Return the GeoJSON properties of a title, dates as ISO text or null."""
    return {
        "title_id": f"T{number:03d}",
        "holder": f"Holder {number:04d}",
        "kind": title.kind,
        "status": title.status,
        "valid_from": title.valid_from.isoformat() if title.valid_from else None,
        "valid_to": title.valid_to.isoformat() if title.valid_to else None,
        "minerals": list(title.minerals),
        "name": f"Simulated block {number}",
    }


def title_outline(title: Title, frame: Frame) -> BaseGeometry:
    """Return the lon/lat outline of a title."""
    return frame.box(*title.box)

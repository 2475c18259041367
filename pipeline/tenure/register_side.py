"""What detections say about a register: titles laid over earlier work, titles without work, titles on protected land.

These are questions to put to a register's keeper. Each says what it does not know.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.tenure.findings import TenureRules, title_finding
from pipeline.tenure.index import AreaIndex, TitleIndex, shared_ground
from pipeline.tenure.records import Snapshot, TenureStatus, Title

LEAST_HA = 0.05
"""Overlaps below this, half of what names a kind of change, are told of nobody."""
SAME_GROUND_SHARE = 0.5
"""A title covered a site already where it covered half of what it covers now."""
INSIDE_SHARE = 0.95
"""A title is watched where this share of it is; the rule of `TenureRules.covered_share`."""


class RegisterFindingKind(StrEnum):
    """What is told of a title."""

    AFTER_DETECTION = "after_detection"
    """It begins, or was first listed, after work was detected on its ground."""
    WITHOUT_WORK = "without_work"
    """It allowed extraction and was watched, and no new work was seen on it."""
    PROTECTED_LAND = "protected_land"
    """It overlaps a protected area or an Indigenous territory."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A site that was detected."""

    site_id: str
    geometry: BaseGeometry
    """Lon/lat (multi)polygon."""
    first_detected_on: date


@dataclass(frozen=True, slots=True)
class RegisterFinding:
    """One thing that is told of a title."""

    kind: RegisterFindingKind
    title_id: str
    register: str
    other: str
    """The site or the protected area; empty where there is none."""
    overlap_ha: float
    text: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Since when a register is known to list a title over a site."""

    since: date
    """Day of the first snapshot that does."""
    not_by: date | None
    """Day of the last snapshot before it, which did not; None: there is none."""


def listing_over(site: BaseGeometry, history: Sequence[tuple[date, Sequence[Title]]]) -> Listing | None:
    """Return since when a title is listed over a site, by snapshots in the order of knowledge; None where it is not now.

    Parameters
    ----------
    site : BaseGeometry
        Lon/lat (multi)polygon.
    history : sequence of tuple
        Day of each snapshot of the register and its records of the title, none where it was not listed.
    """
    shares = [(day, sum(geo.geodesic_area_ha(shared_ground(site, t.geometry)) for t in titles)) for day, titles in history]
    if not shares or shares[-1][1] <= 0:
        return None
    since, not_by = shares[-1][0], None
    for day, hectares in reversed(shares[:-1]):
        if hectares < SAME_GROUND_SHARE * shares[-1][1]:
            not_by = day
            break
        since = day
    return Listing(since, not_by)


def titles_after_detections(
    titles: TitleIndex, detections: Iterable[Detection], histories: Mapping[str, Sequence[tuple[date, Sequence[Title]]]],
    register: str,
) -> list[RegisterFinding]:  # fmt: skip
    """Return the titles that begin, or were first listed, after work was detected on their ground.

    Parameters
    ----------
    titles : TitleIndex
        Of the latest snapshot.
    detections : iterable of Detection
    histories : mapping
        Title id to its history, see `listing_over`.
    register : str
    """
    found = []
    for detection in detections:
        for title in titles.near(detection.geometry):
            overlap_ha = geo.geodesic_area_ha(shared_ground(detection.geometry, title.geometry))
            text = _after(title, detection, listing_over(detection.geometry, histories.get(title.title_id, ())))
            if text and overlap_ha >= LEAST_HA:
                found.append(
                    RegisterFinding(
                        RegisterFindingKind.AFTER_DETECTION, title.title_id, register, detection.site_id,
                        round(overlap_ha, 3), f"{text}; work on it was first detected on {detection.first_detected_on}.",
                    )
                )  # fmt: skip
    return _sorted(found)


def _after(title: Title, detection: Detection, listing: Listing | None) -> str:
    """Why a title comes after a detection, empty where it does not."""
    day = detection.first_detected_on
    if title.valid_from is not None and title.valid_from > day:
        return f"Title {title.title_id} begins on {title.valid_from}"
    if listing is not None and listing.not_by is not None and listing.since > day:
        begins = f"says that it begins on {title.valid_from}, but " if title.valid_from is not None else ""
        return (
            f"Title {title.title_id} {begins}is listed over this ground since the snapshot of {listing.since} and was not in "
            f"that of {listing.not_by}"
        )
    return ""


def titles_without_work(
    titles: TitleIndex, detections: Sequence[Detection], watched: BaseGeometry, *, snapshot: Snapshot, on: date,
    rules: TenureRules,
) -> list[RegisterFinding]:  # fmt: skip
    """Return the titles that allowed extraction on a day, were watched, and on which no new work was detected.

    Work that began before monitoring, and work under ground, is not seen; the text says so.

    Parameters
    ----------
    titles : TitleIndex
    detections : sequence of Detection
    watched : BaseGeometry
        Lon/lat ground that was seen clear while it was monitored.
    snapshot : Snapshot
        What the titles were read from.
    on : date
    rules : TenureRules
    """
    sites = np.array([d.geometry for d in detections], dtype=object)
    worked = set(shapely.STRtree(titles.outlines).query(sites, predicate="intersects")[1].tolist()) if len(sites) else set()
    found = []
    for row, title in enumerate(titles.records):
        if row in worked or not watched.intersects(title.geometry):
            continue
        if title_finding(title, on, rules=rules, snapshot=snapshot)[0] is not TenureStatus.COVERED:
            continue
        area_ha = geo.geodesic_area_ha(title.geometry)
        seen_ha = geo.geodesic_area_ha(shared_ground(title.geometry, watched))
        if seen_ha >= INSIDE_SHARE * area_ha:
            found.append(
                RegisterFinding(
                    RegisterFindingKind.WITHOUT_WORK, title.title_id, snapshot.register, "", round(area_ha, 3),
                    f"Title {title.title_id} was in force on {on} and no work on its {area_ha:.2f} ha began while it was "
                    "watched; work from before, or under ground, is not seen.",
                )
            )  # fmt: skip
    return _sorted(found)


def titles_in_protected(titles: TitleIndex, areas: AreaIndex, *, on: date, register: str) -> list[RegisterFinding]:
    """Return the titles that overlap protected land and have not ended by a day, with hectares.

    Parameters
    ----------
    titles : TitleIndex
    areas : AreaIndex
    on : date
    register : str
    """
    rows, hits = shapely.STRtree(areas.outlines).query(titles.outlines, predicate="intersects")
    found = []
    for row, hit in zip(rows.tolist(), hits.tolist(), strict=True):
        title, area = titles.records[row], areas.records[hit]
        if title.valid_to is not None and title.valid_to < on:
            continue
        overlap_ha = geo.geodesic_area_ha(shared_ground(title.geometry, area.geometry))
        if overlap_ha >= LEAST_HA:
            name, kind = area.name or area.area_id, str(area.kind).replace("_", " ")
            found.append(
                RegisterFinding(
                    RegisterFindingKind.PROTECTED_LAND, title.title_id, register, name, round(overlap_ha, 3),
                    f"Title {title.title_id} ({str(title.kind).replace('_', ' ')}, called {title.status}) overlaps the {kind} "
                    f"{name} by {overlap_ha:.2f} ha.",
                )
            )  # fmt: skip
    return _sorted(found)


def _sorted(found: list[RegisterFinding]) -> list[RegisterFinding]:
    """Most hectares first."""
    return sorted(found, key=lambda f: (-f.overlap_ha, f.title_id, f.other))

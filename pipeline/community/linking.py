"""Which sites a report may be about: all that lie near enough, none chosen."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.community.records import Report
from pipeline.sharing import Tier

LINK_M = 500.0
"""Reports are made beside a mine, not in it: a position is trusted to this, however exact the device was."""
_METRES_PER_DEGREE = 110_000.0
"""Less than a degree of latitude anywhere, so that boxes are never too small."""


@dataclass(frozen=True, slots=True)
class Link:
    """A site that a report may be about."""

    report_id: str
    site_id: str
    distance_m: float
    candidates: int
    """Number of sites that the report may be about, this one among them."""


def reach_m(report: Report) -> float:
    """Return how near a site must lie: within the stated accuracy, and at least 500 m."""
    return max(LINK_M, report.accuracy_m or 0.0)


def linked(reports: Mapping[str, Report], sites: Mapping[str, BaseGeometry]) -> list[Link]:
    """Return every link of reports and sites by their ids, in order of report, distance and site.

    Parameters
    ----------
    reports, sites : mappings
        Reports and outlines (lon/lat) by id.
    """
    names = sorted(sites)
    tree = shapely.STRtree([sites[name] for name in names])
    near = []
    for report_id in sorted(reports):
        report = reports[report_id]
        for k in sorted({int(k) for box in _boxes(report.place, reach_m(report)) for k in tree.query(box)}):
            metres = geo.distance_m(report.place, sites[names[k]])
            if metres <= reach_m(report):
                near.append((report_id, round(metres, 1), names[k]))
    counts = Counter(report_id for report_id, _, _ in near)
    return [Link(report_id, site_id, metres, counts[report_id]) for report_id, metres, site_id in sorted(near)]


def _boxes(place: BaseGeometry, metres: float) -> list[BaseGeometry]:
    """Boxes in degrees that hold everything within so many metres, also beyond the antimeridian."""
    west, south, east, north = place.bounds
    up = metres / _METRES_PER_DEGREE
    sideways = up / max(math.cos(math.radians(min(max(abs(south), abs(north)) + up, 89.0))), 0.01)
    return [
        shapely.box(west - sideways + turn, south - up, east + sideways + turn, north + up) for turn in (-360.0, 0.0, 360.0)
    ]


def widest_by_site(links: list[Link], scopes: Mapping[str, Tier]) -> dict[str, Tier]:
    """Return the widest scope to which every report that a site is linked to may be shared, by site id."""
    widest: dict[str, Tier] = {}
    for link in sorted(links, key=lambda k: k.site_id):
        held = widest.get(link.site_id, Tier.PUBLIC)
        widest[link.site_id] = min(held, scopes[link.report_id], key=lambda tier: tier.rank)
    return widest

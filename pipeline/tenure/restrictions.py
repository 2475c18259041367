"""Ground on which no title allows mining, whatever it says: closed zones of a register and strips along rivers."""

from collections.abc import Sequence
from datetime import date

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.tenure.findings import TenureRules
from pipeline.tenure.index import Sites, protected_overlaps_many, shared_ground
from pipeline.tenure.law import Law
from pipeline.tenure.records import CountryRules, River, RiverBuffer, Title
from pipeline.tenure.turning import day_after

_HECTARE_DECIMALS = 3


def restrictions(geometry: BaseGeometry, law: Law, *, on: date) -> list[dict[str, object]]:
    """Return the closed zones and river strips that a site overlaps: kind, name, overlap_ha, width_m, provision; most first.

    Overlaps below 5 square metres are left out. A river that is drawn as a line is measured from that line, so that the
    strip is too narrow by half of the water.

    Parameters
    ----------
    geometry : BaseGeometry
        Lon/lat (multi)polygon.
    law : Law
    on : date
        Day that is asked about.
    """
    site = geo.polygons_only(geometry)
    rules = {snapshot.sha256: snapshot.rules for snapshot in law.snapshots}
    found = [_closed(site, title, rules[title.snapshot]) for title in law.titles.near(site)
             if title.snapshot in rules and _is_closed(title, rules[title.snapshot], on)]  # fmt: skip
    buffers = [r.river_buffer for r in rules.values() if r.river_buffer is not None]
    if buffers:
        found += _strips(site, law, max(buffers, key=lambda b: (b.width_m, b.source)))
    told = [row for row in found if float(str(row["overlap_ha"])) > 0]
    return sorted(told, key=lambda row: (-float(str(row["overlap_ha"])), str(row["kind"]), str(row["name"])))


def land_properties(geometry: BaseGeometry, law: Law, *, on: date, rules: TenureRules) -> dict[str, object]:
    """Return what the land says beside the titles: protected_areas, restrictions and consent_required, as alerts have them.

    Parameters
    ----------
    geometry : BaseGeometry
        Lon/lat (multi)polygon.
    law : Law
    on : date
        Day that is asked about.
    rules : TenureRules
    """
    return land_properties_many([geometry], law, on=on, rules=rules)[0]


def land_properties_many(
    sites: Sites | Sequence[BaseGeometry], law: Law, *, on: date, rules: TenureRules
) -> list[dict[str, object]]:
    """Return what `land_properties` says of each of many sites."""
    ground = sites if isinstance(sites, Sites) else Sites.of(sites)
    protected = protected_overlaps_many(ground, law.protected, near_m=rules.geolocation_m)
    return [
        {
            "protected_areas": areas,
            "restrictions": restrictions(outline, law, on=on),
            "consent_required": "yes" if any(area["consent_required"] for area in areas) else "no",
        }
        for outline, areas in zip(ground.outlines, protected, strict=True)
    ]


def _is_closed(title: Title, rules: CountryRules, on: date) -> bool:
    """Whether a title stands for ground that is closed to mining on a day."""
    end = day_after(title.valid_to)
    return title.kind in rules.prohibited_kinds and (title.valid_from or on) <= on and (end is None or on < end)


def _closed(site: BaseGeometry, title: Title, rules: CountryRules) -> dict[str, object]:
    """What is told of a closed zone."""
    return {
        "kind": "closed_zone",
        "name": title.title_id,
        "overlap_ha": _hectares(shared_ground(site, title.geometry)),
        "width_m": None,
        "provision": "; ".join(rules.sources),
    }


def _strips(site: BaseGeometry, law: Law, buffer: RiverBuffer) -> list[dict[str, object]]:
    """What is told of the strips along the rivers near a site, one for each name."""
    near: dict[str, list[River]] = {}
    for river in law.rivers.near(site, buffer.width_m):
        near.setdefault(river.name, []).append(river)
    window = geo.buffer_m(shapely.box(*site.bounds), 2 * buffer.width_m + 1)
    found = []
    for name, parts in near.items():
        water = shapely.union_all([shapely.make_valid(part.geometry).intersection(window) for part in parts])
        overlap = geo.polygons_only(site.intersection(geo.buffer_m(water, buffer.width_m))) if not water.is_empty else water
        found.append({
            "kind": "river_strip",
            "name": name,
            "overlap_ha": _hectares(overlap),
            "width_m": buffer.width_m,
            "provision": buffer.source,
        })  # fmt: skip
    return found


def _hectares(geometry: BaseGeometry) -> float:
    """Geodesic hectares to 10 square metres."""
    return round(geo.geodesic_area_ha(geometry), _HECTARE_DECIMALS) if not geometry.is_empty else 0.0

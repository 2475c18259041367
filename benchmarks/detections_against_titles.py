"""Published mining detections laid over published cadastres: sites and hectares by tenure status, as a Markdown table.

    python benchmarks/detections_against_titles.py --data ../shared/data

Detections farther than 10 km from every title of a file are left out and counted: the file may not speak for their country.
Points with an area are taken as discs of that area. Hectares are geodesic.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import geopandas
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.io.cadastres import find_register, read_titles
from pipeline.tenure import TenureRules, TenureStatus, TitleIndex, assess

REACH_DEGREES = 0.09
"""10 km and no less of latitude."""


@dataclass(frozen=True)
class Case:
    """Detections and the titles that they are laid over."""

    detections: str
    titles: str
    register: str
    retrieved_on: date
    on: date
    minerals: tuple[str, ...]
    crs: str | None = None
    lacks: tuple[str, ...] = ()


GHANA = ("ghana_small_scale_gold_2025.geojson", "ghana_mincom", date(2025, 4, 18))
DRC = ("drc_titles_2016.geojson", "drc_cami", date(2016, 12, 31))
PERU = ("peru_17s_2026_no_crs.geojson", "peru_ingemmet", date(2026, 1, 31))
CASES = (
    Case("ghana_earth_genome_2024.geojson", *GHANA, date(2024, 12, 31), ("gold",)),
    Case("ghana_ashanti_planet_2025-04.geojson", *GHANA, date(2025, 4, 19), ("gold",)),
    Case("ghana_ashanti_planet_2025-04.geojson", *GHANA, date(2025, 4, 19), ("gold",), lacks=("large-scale leases",)),
    Case("africa_mining_watch_points_2026.csv", *DRC, date(2016, 12, 31), ()),
    Case("africa_mining_watch_points_2026.csv", *DRC, date(2026, 1, 31), ()),
    Case("amazon_mining_watch_2024.geojson", *PERU, date(2024, 12, 31), ("gold",), "EPSG:32717"),
)
"""The days of the snapshots are those by which `../shared/data` names them; within their month where no day is told."""


def read_detections(path: Path) -> list[BaseGeometry]:
    """Valid lon/lat polygons."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8") as file:
            rows = [(float(r["lon"]), float(r["lat"]), float(r["area_ha"])) for r in csv.DictReader(file)]
        return [geo.buffer_m(shapely.Point(x, y), float(np.sqrt(ha * 1e4 / np.pi))) for x, y, ha in rows if ha > 0]
    shapes = geopandas.read_file(path).geometry
    polygons = (geo.polygons_only(shapely.force_2d(g)) for g in shapes if g is not None)
    return [g for g in polygons if not g.is_empty and g.area > 0]


def near(sites: list[BaseGeometry], titles: TitleIndex) -> list[BaseGeometry]:
    """Sites within 10 km of some title."""
    boxes = shapely.box(*(shapely.bounds(np.array(sites, dtype=object)) + REACH_DEGREES * np.array([-1, -1, 1, 1])).T)
    return [sites[row] for row in sorted(set(shapely.STRtree(titles.outlines).query(boxes)[0].tolist()))]


def lay_over(case: Case, data: Path) -> tuple[dict[str, list[float]], int]:
    """For each status sites, hectares of the sites, and hectares under titles; and the detections that are left out."""
    titles, snapshot = read_titles(
        data / "cadastre" / case.titles, crs=case.crs, retrieved_on=case.retrieved_on, register=find_register(case.register)
    )
    snapshot = replace(snapshot, lacks=case.lacks)
    index = TitleIndex(titles)
    every = read_detections(data / "detections" / case.detections)
    sites = near(every, index)
    found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for site in sites:
        finding = assess(site, index, snapshots=[snapshot], on=case.on, rules=TenureRules(minerals=case.minerals))
        under = geo.polygons_only(shapely.union_all([t.title.geometry for t in finding.titles if t.overlap_ha > 0]))
        hectares = [1.0, geo.geodesic_area_ha(site), geo.geodesic_area_ha(geo.polygons_only(site.intersection(under)))]
        for name in (str(finding.status), "all"):
            found[name] = [a + b for a, b in zip(found[name], hectares, strict=True)]
    return found, len(every) - len(sites)


def lines(data: Path) -> Iterator[str]:
    """The table."""
    yield "| detections | day | titles | status | sites | ha of the sites | ha under any title |"
    yield "|---|---|---|---|---|---|---|"
    for case in CASES:
        found, left_out = lay_over(case, data)
        lacking = f", without its {' and '.join(case.lacks)}" if case.lacks else ""
        for status in [*(s for s in TenureStatus if s in found), "all"]:
            count, site_ha, under_ha = found[status]
            name = f"all; {left_out} left out" if status == "all" else status
            yield (
                f"| {Path(case.detections).stem} | {case.on} | {Path(case.titles).stem}{lacking} | {name} | {count:.0f} | "
                f"{site_ha:,.1f} | {under_ha:,.1f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    for line in lines(parser.parse_args().data):
        print(line)


if __name__ == "__main__":
    main()

"""Sites laid over a national cadastre: findings, geodesic hectares and protected land, against geopandas.overlay.

    python benchmarks/tenure_overlay.py [--sites 20000] [--titles 30000] [--areas 5000]

Both read the same random outlines. `geopandas.overlay` gives pieces of ground and no finding; its pieces are measured with
the same geodesic area, so that the hectares can be compared.
"""

import argparse
import resource
import time
from datetime import date

import geopandas
import numpy as np
import shapely

from pipeline import geo
from pipeline.tenure import (
    AreaIndex,
    AreaKind,
    ProtectedArea,
    Snapshot,
    TenureRules,
    Title,
    TitleIndex,
    TitleKind,
    TitleStatus,
    assess,
    protected_overlaps,
)

SIDE = 12.0
"""Degrees: a country of about 1.7 million km2, as dense in titles as Ghana and Peru are around their gold."""
ON = date(2025, 6, 1)


def outlines(rng: np.random.Generator, count: int, radius_m: tuple[float, float], corners: int) -> list[shapely.Polygon]:
    """Irregular polygons, some of them over others, most in clusters as mines lie."""
    belts = np.random.default_rng(0).uniform(0, SIDE, (400, 2))  # where there is gold there are titles
    centre = belts[rng.integers(len(belts), size=count)] + rng.normal(0, 0.1, (count, 2))
    angle = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, (count, corners))) / corners
    radius = rng.uniform(*radius_m, (count, 1)) * rng.uniform(0.6, 1.0, (count, corners)) / 111_000
    x, y = centre[:, :1] + radius * np.cos(angle), centre[:, 1:] + radius * np.sin(angle)
    return [shapely.Polygon(ring) for ring in np.stack([x, y], axis=2)]


def country(rng: np.random.Generator, count: int) -> tuple[list[Title], Snapshot]:
    """Titles of all kinds, some ended."""
    snapshot = Snapshot("titles", date(2025, 5, 1), "a" * 64, count)
    kinds, ends = list(TitleKind)[:5], [None, date(2024, 12, 31), date(2030, 12, 31)]
    titles = [
        Title(f"T{n}", "", "", kinds[rng.integers(5)], TitleStatus.ACTIVE, date(2020, 1, 1), ends[rng.integers(3)], ("gold",),
              outline, "a" * 64)
        for n, outline in enumerate(outlines(rng, count, (300, 4000), 12))
    ]  # fmt: skip
    return titles, snapshot


def peak_mib() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (("sites", 20_000), ("titles", 30_000), ("areas", 5_000)):
        parser.add_argument(f"--{name}", type=int, default=count)
    asked = parser.parse_args()
    rng = np.random.default_rng(1)
    titles, snapshot = country(rng, asked.titles)
    sites = outlines(rng, asked.sites, (50, 600), 40)
    land = outlines(rng, asked.areas, (3000, 20_000), 200)
    areas = [ProtectedArea(str(n), "", AreaKind.PROTECTED_AREA, outline) for n, outline in enumerate(land)]
    rules, before_mib = TenureRules(minerals=("gold",)), peak_mib()

    start = time.perf_counter()
    index, area_index = TitleIndex(titles), AreaIndex(areas)
    indexed = time.perf_counter()
    found = [assess(site, index, snapshots=[snapshot], on=ON, rules=rules) for site in sites]
    assessed = time.perf_counter()
    protected = [protected_overlaps(site, area_index, near_m=rules.geolocation_m) for site in sites]
    done = time.perf_counter()
    own_mib = peak_mib()

    frames = [geopandas.GeoDataFrame({"row": range(len(g))}, geometry=g, crs=4326)
              for g in (sites, [t.geometry for t in titles], [a.geometry for a in areas])]  # fmt: skip
    begun = time.perf_counter()
    pieces = [geopandas.overlay(frames[0], other, how="intersection", keep_geom_type=True) for other in frames[1:]]
    cut = time.perf_counter()
    peer_ha = [sum(geo.geodesic_area_ha(g) for g in p.geometry) for p in pieces]
    measured = time.perf_counter()
    own_ha = [sum(t.overlap_ha for f in found for t in f.titles), sum(a["overlap_ha"] for rows in protected for a in rows)]

    print(f"{asked.sites} sites, {asked.titles} titles, {asked.areas} protected areas; overlapping pairs "
          f"{sum(len(f.titles) for f in found)} and {sum(map(len, protected))}")  # fmt: skip
    print("| | seconds |")
    print("|---|---|")
    print(f"| index of titles and areas | {indexed - start:.2f} |")
    print(f"| findings with hectares and reasons | {assessed - indexed:.2f} |")
    print(f"| protected land | {done - assessed:.2f} |")
    print(f"| all of it | {done - start:.2f} |")
    print(f"| geopandas.overlay, pieces alone | {cut - begun:.2f} |")
    print(f"| geopandas.overlay with geodesic hectares | {measured - begun:.2f} |")
    print(f"overlay with hectares / all of it: {(measured - begun) / (done - start):.2f}")
    for what, own, peer in zip(("titles", "areas"), own_ha, peer_ha, strict=True):
        print(f"hectares of {what}: {own:.3f}, by overlay {peer:.3f}")
    print(f"memory: {before_mib:.0f} MiB with the outlines, {own_mib:.0f} MiB with the findings")


if __name__ == "__main__":
    main()

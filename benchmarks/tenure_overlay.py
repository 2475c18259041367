"""How much faster sites are laid over a national cadastre than by geopandas.overlay, and how the time grows.

    python benchmarks/tenure_overlay.py [--sites 20000] [--titles 30000] [--areas 5000] [--runs 3] [--no-growth]

Both read the same random outlines. Ours gives findings with hectares and reasons, and protected land, and builds its
indices anew each time. `geopandas.overlay` gives pieces of ground and no finding; its pieces are measured by `pyproj.Geod`, so
that hectares are compared with what is not our own code, for each pair of a site and an outline.
"""

import argparse
import resource
from dataclasses import dataclass, replace
from datetime import date

import geopandas
import numpy as np
import pandas as pd
import pyproj
import shapely
from figures import Figure, paired, publish, seconds

from pipeline.tenure import (
    AreaIndex,
    AreaKind,
    ProtectedArea,
    Sites,
    Snapshot,
    TenureFinding,
    TenureRules,
    Title,
    TitleIndex,
    TitleKind,
    TitleStatus,
    assess_many,
    protected_overlaps_many,
)

GEOD = pyproj.Geod(ellps="WGS84")
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


def titles_of(rng: np.random.Generator, count: int) -> list[Title]:
    """Titles of all kinds, some ended."""
    kinds, ends = list(TitleKind)[:5], [None, date(2024, 12, 31), date(2030, 12, 31)]
    return [
        Title(f"T{n}", "", "", kinds[rng.integers(5)], TitleStatus.ACTIVE, date(2020, 1, 1), ends[rng.integers(3)], ("gold",),
              outline, "a" * 64)
        for n, outline in enumerate(outlines(rng, count, (300, 4000), 12))
    ]  # fmt: skip


@dataclass(frozen=True)
class Country:
    """What is laid over what."""

    sites: list[shapely.Polygon]
    titles: list[Title]
    areas: list[ProtectedArea]

    def told(self) -> tuple[list[TenureFinding], list[list[dict[str, object]]]]:
        """Findings and protected land of every site."""
        snapshot, rules = Snapshot("titles", date(2025, 5, 1), "a" * 64, len(self.titles)), TenureRules(minerals=("gold",))
        sites = Sites.of(self.sites)
        found = assess_many(sites, TitleIndex(self.titles), snapshots=[snapshot], on=ON, rules=rules)
        return found, protected_overlaps_many(sites, AreaIndex(self.areas), near_m=rules.geolocation_m)

    def overlaid(self) -> list[pd.Series]:
        """Hectares of every piece of a site in a title and in an area by overlay, by the names of both."""
        sites = geopandas.GeoDataFrame({"site": range(len(self.sites))}, geometry=self.sites, crs=4326)
        found = []
        for names, other in (
            ([t.title_id for t in self.titles], self.titles),
            ([a.area_id for a in self.areas], self.areas),
        ):
            frame = geopandas.GeoDataFrame({"name": names}, geometry=[o.geometry for o in other], crs=4326)
            pieces = geopandas.overlay(sites, frame, how="intersection", keep_geom_type=True)
            hectares = [abs(GEOD.geometry_area_perimeter(piece)[0]) / 1e4 for piece in pieces.geometry]
            found.append(pd.Series(hectares, pd.MultiIndex.from_frame(pd.DataFrame(pieces[["site", "name"]]))))
        return found


def country(sites: int, titles: int, areas: int) -> Country:
    """A country of so many sites, titles and protected areas."""
    rng = np.random.default_rng(1)
    made, ground = titles_of(rng, titles), outlines(rng, sites, (50, 600), 40)
    land = enumerate(outlines(rng, areas, (3000, 20_000), 200))
    return Country(ground, made, [ProtectedArea(str(n), "", AreaKind.PROTECTED_AREA, outline) for n, outline in land])


def compare(land: Country) -> None:
    """Print the hectares of both, and the largest difference at a pair of a site and an outline."""
    findings, protected = land.told()
    ours = (
        {(i, t.title.title_id): t.overlap_ha for i, found in enumerate(findings) for t in found.titles if t.overlap_ha > 0},
        {(i, area["name"]): area["overlap_ha"] for i, rows in enumerate(protected) for area in rows if area["overlap_ha"]},
    )
    for what, own, peer in zip(("titles", "protected areas"), ours, land.overlaid(), strict=True):
        told = pd.Series(own.values(), pd.MultiIndex.from_tuples(own, names=["site", "name"]), dtype=float)
        apart = told.sub(peer, fill_value=0.0).abs().max()
        print(f"hectares in {what}: {told.sum():.6g}, by overlay {peer.sum():.6g}; {len(told)} pairs; "
              f"most apart {apart:.6f} ha, of 0.0005 that rounding allows")  # fmt: skip


def growth(land: Country, whole: int = 8) -> list[Figure]:
    """Seconds per site and per title at eight times as many, over those at once as many."""
    figures = []
    for what in ("sites", "titles"):
        spent = {}
        for times in (1, 2, 4, 8):
            share = times / whole
            if what == "sites":
                part = replace(land, sites=land.sites[: int(len(land.sites) * share)])
            else:
                titles, areas = (rows[: int(len(rows) * share)] for rows in (land.titles, land.areas))
                part = replace(land, titles=titles, areas=areas)
            spent[times] = min(seconds(part.told) for _ in range(3))
            print(f"{times} times the {what}: {len(part.sites)} sites, {len(part.titles)} titles, {spent[times]:.2f} s")
        ratio = spent[8] / 8 / spent[1]
        figures.append(Figure(f"tenure_growth_{what}", [ratio], "<= 1.3", {"seconds": {str(k): v for k, v in spent.items()}}))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, count in (("sites", 20_000), ("titles", 30_000), ("areas", 5_000), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--no-growth", action="store_true")
    asked = parser.parse_args()
    land = country(asked.sites, asked.titles, asked.areas)
    own_s, peer_s = paired(land.told, land.overlaid, asked.runs)
    print(f"{asked.sites} sites, {asked.titles} titles, {asked.areas} protected areas")
    print("| | seconds, each run |\n|---|---|")
    print(f"| indices, findings and protected land | {', '.join(f'{s:.2f}' for s in own_s)} |")
    print(f"| geopandas.overlay with geodesic hectares | {', '.join(f'{s:.2f}' for s in peer_s)} |")
    compare(land)
    print(f"memory of the process at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    sizes = {"sites": asked.sites, "titles": asked.titles, "areas": asked.areas, "ours_s": own_s, "overlay_s": peer_s}
    ratios = [peer / own for own, peer in zip(own_s, peer_s, strict=True)]
    publish(Figure("tenure_vs_overlay", ratios, ">= 3", sizes), *([] if asked.no_growth else growth(land)))


if __name__ == "__main__":
    main()

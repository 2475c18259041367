"""How much faster a mask becomes polygons than by rasterio.features.shapes, and how the time grows.

    python benchmarks/polygonise.py [--side 10980] [--objects 20000] [--runs 5]

One mask of a whole tile with many objects, some with holes, some below the minimum mapping unit. Three ways to its outlines:
`rasterio.features.shapes` alone, which gives all as GeoJSON; ours from the dense mask, with the search for its pixels; and
ours from the sorted pixel table, which is what the walk has. The second against the first is published. The polygons above
the minimum mapping unit are compared as geometries.
"""

import argparse

import numpy as np
import rasterio.features
import shapely
from figures import Figure, paired, publish, seconds
from rasterio.transform import Affine
from shapely.geometry import shape

from pipeline.sites import SiteRules, pixel_key, polygons
from pipeline.sites.pixels import PIXEL_HA

GRID = Affine(10.0, 0.0, 0.0, 0.0, -10.0, 0.0)
LEAST = round(SiteRules().mmu_ha / PIXEL_HA)


def objects(side: int, count: int) -> np.ndarray:
    """Ragged discs of 1 to 20 pixels radius, one in ten with a hole: bool (side, side)."""
    rng = np.random.default_rng(1)
    mask = np.zeros((side, side), bool)
    for top, left in rng.integers(0, side - 42, (count, 2)):
        radius, inner = rng.triangular(0.5, 3.0, 20.0), rng.uniform(0.2, 0.5) * (rng.random() < 0.1)
        away = np.hypot(*np.mgrid[-20:21, -20:21]) + rng.normal(0.0, 0.4, (41, 41))
        mask[top : top + 41, left : left + 41] |= (away < radius) & (away >= inner * radius)
    return mask


def by_rasterio(mask: np.ndarray) -> list[tuple[dict[str, object], float]]:
    """Every polygon as GeoJSON."""
    return list(rasterio.features.shapes(mask.view(np.uint8), mask=mask, transform=GRID))


def sparse(mask: np.ndarray) -> np.ndarray:
    """Sorted keys of the pixels."""
    at = np.flatnonzero(mask)
    return pixel_key(at // mask.shape[1], at % mask.shape[1])


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Square metres in which two sets of polygons differ, each laid over that which has its first corner."""
    order = [np.lexsort(shapely.bounds(g).T) for g in (ours, theirs)]
    one, other = ours[order[0]], theirs[order[1]]
    if not np.array_equal(shapely.area(one), shapely.area(other)):
        return np.inf
    return float(shapely.area(shapely.symmetric_difference(one, other)).sum())


def growth(side: int, count: int) -> Figure:
    """Seconds per pixel and object at eight times as many of both, over those at once as many."""
    spent = {}
    for times in (1, 2, 4, 8):
        mask = objects(round(side * np.sqrt(times / 8)), count * times // 8)
        polygons(sparse(mask), LEAST)
        spent[times] = min(seconds(lambda m=mask: polygons(sparse(m), LEAST)) for _ in range(3))
        print(f"{times} times: {mask.size / 1e6:.1f} Mpx, {mask.sum()} changed, {spent[times]:.3f} s")
    return Figure("polygonise_growth", [spent[8] / 8 / spent[1]], "<= 1.3", {"seconds": {str(k): v for k, v in spent.items()}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, count in (("side", 10_980), ("objects", 20_000), ("runs", 5)):
        parser.add_argument(f"--{name}", type=int, default=count)
    asked = parser.parse_args()
    mask = objects(asked.side, asked.objects)
    keys = sparse(mask)
    ours_s, peer_s = paired(lambda: polygons(sparse(mask), LEAST), lambda: by_rasterio(mask), asked.runs)
    table_s = [seconds(lambda: polygons(keys, LEAST)) for _ in range(asked.runs)]
    drawn = np.array([shape(g) for g, _ in by_rasterio(mask)])
    ours = polygons(keys, LEAST)
    theirs = shapely.make_valid(drawn[np.round(shapely.area(drawn) / 100.0) >= LEAST])
    print(f"{asked.side} x {asked.side} px, {asked.objects} objects, {len(keys)} changed pixels; {len(drawn)} polygons, "
          f"{len(ours)} of at least {LEAST} px (by rasterio {len(theirs)}), apart {apart(ours, theirs):g} m2")  # fmt: skip
    print("| | seconds, each run |\n|---|---|")
    for what, times in (("from the mask", ours_s), ("from the pixel table", table_s), ("rasterio.features.shapes", peer_s)):
        print(f"| {what} | {', '.join(f'{t:.3f}' for t in times)} |")
    sizes = {"side": asked.side, "objects": asked.objects, "pixels": len(keys), "polygons": len(ours), "table_s": table_s}
    ratios = [peer / own for own, peer in zip(ours_s, peer_s, strict=True)]
    publish(Figure("polygonise_vs_shapes", ratios, ">= 2", sizes), growth(asked.side, asked.objects))


if __name__ == "__main__":
    main()

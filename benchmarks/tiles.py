"""Tiles of simulated forest whose chunks lie on the lattice, so that each is whole."""

import sys
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import numpy as np
import yaml
from shapely.geometry import box
from worlds import EPSG, LEFT, TOP, ground, write_aoi, write_catalog, write_item

from pipeline import geo

SILENT = {"has_evidence": False, "has_map": False, "languages": []}


def make_tile(folder: Path, chunk_px: int, chunks_a_side: int, dates: int, *, every_days: int = 12) -> list[date]:
    """Write a catalogue of a tile, a scene every so many days, with a pit from the last but fifth on; gives the days.

    Files are deflated in blocks of at most 512 with the horizontal predictor, as `scenes fetch` copies them.
    """
    side = chunk_px * chunks_a_side
    block = min(512, -(-side // 16) * 16)
    stored = {"tiled": True, "blockxsize": block, "blockysize": block, "compress": "deflate", "predictor": 2}
    if 500_000 % (10 * chunk_px) or 9_000_000 % (10 * chunk_px):
        raise SystemExit(f"chunks of {chunk_px} px do not begin at the tile's corner")
    rng = np.random.default_rng(1)
    days = [date(2024, 1, 1) + timedelta(days=every_days * n) for n in range(dates)]
    names = [
        write_item(folder / "catalog", day, ground(rng, has_pit=n >= dates - 5, size=side), offset=-0.1, stored=stored)
        for n, day in enumerate(days)
    ]
    write_catalog(folder / "catalog", names)
    return days


def write_area(path: Path, pixels: int, aoi_id: str) -> Path:
    """Write the area of a whole tile, a metre inside of its edge."""
    inner = box(LEFT + 1, TOP - 10 * pixels + 1, LEFT + 10 * pixels - 1, TOP - 1)
    return write_aoi(path, geo.reproject(inner, f"EPSG:{EPSG}", geo.WGS84), id=aoi_id)


def write_config(path: Path, areas: list[Path], catalog: Path, **said: object) -> Path:
    """Write a configuration of areas that share one catalogue."""
    sections = [{"aoi": str(aoi), "catalog": str(catalog / "catalog.json")} for aoi in areas]
    document = {"areas": sections, "out": str(path.with_suffix("")), "delivery": SILENT, **said}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path

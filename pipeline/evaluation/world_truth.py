"""The truth of a simulated world on the working grid: which ground was mined from which day on, and what only looks like it.

The truth of a world is exact to the pixel and the day, so everything here counts pixels of 100 square metres.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.features
from odc.geo.geobox import GeoBox
from rasterio.transform import Affine
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.aoi import PIXEL_M, Area, working_grid
from pipeline.errors import InputError
from pipeline.sites.pixels import PIXEL_HA

NEVER = date.max.toordinal()
MINING, GREENING = "mining", "greening"
CHANGE_KINDS = ("clearing", "tailings", "pond")
"""Stages of mining that an alert tells apart."""
STAGES = (*CHANGE_KINDS, GREENING)


class TruthMissingError(InputError):
    """A simulated world lacks its truth, or the truth of a mine."""


@dataclass(frozen=True, slots=True)
class StagePeriod:
    """Ground of a mine that was in one stage for a while."""

    stage: str
    begins: int
    """First day, as the ordinal of its date."""
    ends: int
    """First day on which it is no more; NEVER past the world's end."""
    pixels: np.ndarray
    """int64: flat indices on the grid."""


@dataclass(frozen=True, slots=True)
class TrueMine:
    """One mine."""

    id: str
    periods: tuple[StagePeriod, ...]

    def hectares(self, kind: str, day: date, new: np.ndarray) -> float:
        """Return the hectares in a stage on a day, of the ground that a flat bool mask holds."""
        now = [p.pixels for p in self.periods if p.stage == kind and p.begins <= day.toordinal() < p.ends]
        return sum(int(new[pixels].sum()) for pixels in now) * PIXEL_HA


@dataclass(frozen=True, slots=True)
class LookAlike:
    """Ground of another kind than mining."""

    id: str
    kind: str
    onset_on: date | None
    """None where it was always so, or comes and goes."""


@dataclass(frozen=True)
class WorldTruth:
    """What really happened; arrays are flat over the grid's pixels."""

    box: GeoBox
    mines: tuple[TrueMine, ...]
    others: tuple[LookAlike, ...]
    mined_from: np.ndarray
    """int32: ordinal of the first day of mining, NEVER where there is none."""
    mine: np.ndarray
    """int16: number of the mine, -1 outside of all."""
    other: np.ndarray
    """int16: number of the look-alike, -1 outside of all; where two overlap, the later in the file."""

    @cached_property
    def mine_pixels(self) -> tuple[np.ndarray, ...]:
        """Flat indices, ascending, of all ground of each mine."""
        order = np.argsort(self.mine, kind="stable")
        edges = np.searchsorted(self.mine[order], np.arange(len(self.mines) + 1))
        return tuple(order[a:b] for a, b in pairwise(edges))

    def ground(self, mine: int, day: date, after: date | None = None) -> np.ndarray:
        """Return the flat indices of a mine's ground that began to be mined by a day, and after another where given."""
        pixels = self.mine_pixels[mine]
        begun = self.mined_from[pixels]
        kept = begun <= day.toordinal()
        return pixels[kept & (begun > after.toordinal())] if after else pixels[kept]


def grid_of(area: Area) -> GeoBox:
    """Return the whole working grid of an area as one box."""
    grid = working_grid(area, 1 << 20)
    left, bottom, right, top = grid.bounds
    size = (round((top - bottom) / PIXEL_M), round((right - left) / PIXEL_M))
    return GeoBox(size, Affine(PIXEL_M, 0.0, left, 0.0, -PIXEL_M, top), grid.crs)


def pixels_of(geometry: BaseGeometry, box: GeoBox) -> np.ndarray:
    """Return the flat indices, int64 ascending, of the pixels whose centre a lon/lat polygon holds."""
    ground = geo.reproject(geometry, geo.WGS84, f"EPSG:{box.crs.to_epsg()}")
    rows, columns = box.shape
    left, bottom, right, top = ground.bounds
    first_row, last_row = (int((box.affine.f - y) // PIXEL_M) for y in (top, bottom))
    first_column, last_column = (int((x - box.affine.c) // PIXEL_M) for x in (left, right))
    first_row, last_row = max(first_row, 0), min(last_row, rows - 1)
    first_column, last_column = max(first_column, 0), min(last_column, columns - 1)
    if ground.is_empty or first_row > last_row or first_column > last_column:
        return np.zeros(0, np.int64)
    inside = rasterio.features.rasterize(
        [(ground, 1)], (last_row - first_row + 1, last_column - first_column + 1), dtype="uint8",
        transform=box.affine * Affine.translation(first_column, first_row),
    )  # fmt: skip
    row, column = np.nonzero(inside)
    return (row + first_row).astype(np.int64) * columns + column + first_column


def _features(path: Path) -> Sequence[Mapping[str, Any]]:
    """Features of a file of a world."""
    if not path.exists():
        raise TruthMissingError(f"{path}: found no file, expected the truth of a simulated world; name the world's folder")
    return json.loads(path.read_text(encoding="utf-8"))["features"]


def _ordinal(day: str | None) -> int:
    """Ordinal of an ISO date, NEVER of none."""
    return date.fromisoformat(day).toordinal() if day else NEVER


def read_world_truth(folder: Path, box: GeoBox) -> WorldTruth:
    """Return the truth of a world on a grid.

    `kind` is generic: what is called `mining` is mining, and every other kind is a look-alike. The ground of a mine is that
    of its stages, wherever a stage other than greening was.

    Raises
    ------
    TruthMissingError
        A file is absent, or a mine has no stages.
    """
    things = [f["properties"] | {"ground": f["geometry"]} for f in _features(folder / "truth.geojson")]
    stages: dict[str, list[StagePeriod]] = {t["id"]: [] for t in things if t["kind"] == MINING}
    for feature in _features(folder / "truth_stages.geojson"):
        facts = feature["properties"]
        stages[facts["mine_id"]].append(
            StagePeriod(facts["stage"], _ordinal(facts["from_on"]), _ordinal(facts["until_on"]),
                        pixels_of(shape(feature["geometry"]), box))
        )  # fmt: skip
    for mine, periods in stages.items():
        if not periods:
            raise TruthMissingError(f"{folder / 'truth_stages.geojson'}: found no stage of {mine}, expected at least one")
    others = [t for t in things if t["kind"] != MINING]
    return _on_grid(box, [TrueMine(i, tuple(p)) for i, p in stages.items()], others)


def _on_grid(box: GeoBox, mines: Sequence[TrueMine], others: Sequence[Mapping[str, Any]]) -> WorldTruth:
    """Truth with its rasters."""
    size = box.shape[0] * box.shape[1]
    mined_from, mine = np.full(size, NEVER, np.int32), np.full(size, -1, np.int16)
    for number, one in enumerate(mines):
        for period in one.periods:
            if period.stage != GREENING:
                mine[period.pixels] = number
                mined_from[period.pixels] = np.minimum(mined_from[period.pixels], period.begins)
    other = np.full(size, -1, np.int16)
    for number, facts in enumerate(others):
        other[pixels_of(shape(facts["ground"]), box)] = number
    known = tuple(
        LookAlike(o["id"], o["kind"], date.fromisoformat(o["onset_on"]) if o.get("onset_on") else None) for o in others
    )
    return WorldTruth(box, tuple(mines), known, mined_from, mine, other)

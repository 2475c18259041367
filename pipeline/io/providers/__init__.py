"""Where scenes come from. One module here is one provider; a new one needs nothing but its own file.

A provider says which catalogues are its own and opens them. An opened catalogue (`Source`) finds scenes, opens their
files, and copies the windows that a grid needs. What it finds are `Scene` records like everybody else's, so that the walk
does not know where pixels came from.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Protocol

import numpy as np
import rasterio
from rasterio.transform import Affine
from shapely.geometry.base import BaseGeometry

from pipeline.aoi import Area, Grid
from pipeline.errors import CatalogUnreadableError, PipelineError
from pipeline.io.web import Patience
from pipeline.scenes import Scene


@dataclass(frozen=True, slots=True)
class Unusable:
    """An item that cannot be used, and why."""

    scene_id: str
    sensed_at: str
    solar_day: date | None
    error: PipelineError
    footprint: BaseGeometry | None = None
    """Lon/lat outline, where the item has one that can be read."""
    tile: str = ""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What a run says of one catalogue."""

    catalog: str
    """Path or address, as the configuration gives it."""
    collection: str | None = None
    """Collection to search; None: the provider's own default."""
    absent_bands: tuple[str, ...] = ()
    """Bands that the provider does not have at all."""
    account: str | None = None
    """Name of the profile or secret block with the credentials; never the credentials themselves."""
    sign_url: str | None = None
    """Address that signs the addresses of files; None: they need no signature."""
    has_plain_numbers: bool | None = None
    """The provider hands out ESA's own numbers unchanged and states no more than the processing baseline; None: known of
    the provider, or no."""
    patience: Patience = field(default_factory=Patience)
    offsets: Mapping[str, float] = field(default_factory=dict)
    """Offsets in reflectance by pattern of scene id, which replace what the items state."""

    def offset_of(self, scene_id: str) -> float | None:
        """Return the offset of the first pattern that a scene's id fits, None where there is none."""
        return next((offset for pattern, offset in self.offsets.items() if fnmatchcase(scene_id, pattern)), None)


@dataclass(frozen=True, slots=True)
class Piece:
    """The pixels of one asset over a grid, in the asset's own pixels."""

    values: np.ndarray
    """(y, x) numbers as the provider has them; `nodata` where there is nothing."""
    transform: Affine
    crs: str
    """EPSG text."""
    nodata: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What reading a scene over a grid takes."""

    pixels: int
    """Pixels of 10 m over the chunks that the area touches."""
    processing_units: float = 0.0
    """Estimated processing units; 0 where the provider does not meter."""


class Source(Protocol):
    """A catalogue, opened."""

    name: str
    """Name of the provider, for people."""
    settings: SourceSettings
    must_fetch: bool
    """Its pixels cannot be read in place: windows are fetched into a local catalogue first."""

    def scenes(self, area: Area, start: date | None, until: date) -> Iterator[Scene | Unusable]:
        """Yield every item that may touch the area in the period, usable or not, in any order."""
        ...

    def open(self, href: str) -> AbstractContextManager[rasterio.DatasetReader]:
        """Return a context that holds the opened raster of an asset."""
        ...

    def pieces(self, scene: Scene, names: Sequence[str], grid: Grid) -> Iterator[tuple[str, Piece]]:
        """Yield the named assets over the chunks of a grid, each once, in their own pixels."""
        ...

    def cost(self, scene: Scene, grid: Grid) -> Cost:
        """Return what reading the scene over a grid takes, before anything is read."""
        ...


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of catalogue."""

    name: str
    takes: Callable[[str], bool]
    """Whether a catalogue's path or address is of this kind; looks at no more than its form and the file system."""
    open: Callable[[SourceSettings], Source]


@lru_cache(maxsize=1)
def providers() -> tuple[Provider, ...]:
    """Return the provider of every module of this package, in the order of their names."""
    found = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        provider = getattr(importlib.import_module(f"{__name__}.{module.name}"), "PROVIDER", None)
        if isinstance(provider, Provider):
            found.append(provider)
    return tuple(found)


def open_source(settings: SourceSettings) -> Source:
    """Return the opened catalogue.

    Raises
    ------
    CatalogUnreadableError
        No provider, or more than one, takes the catalogue.
    """
    takers = [p for p in providers() if p.takes(settings.catalog)]
    if len(takers) != 1:
        who = " and ".join(p.name for p in takers) or "no provider"
        raise CatalogUnreadableError(
            f"{settings.catalog}: {who} would read it; "
            "expected the path of a catalog.json, the address of a STAC API (https://...), a folder of .SAFE products, or "
            "sentinelhub+https://... ; check that the path exists"
        )
    return takers[0].open(settings)

"""What is known of a Sentinel-2 scene before its pixels are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.scenes.radiometry import Radiometry

BANDS: tuple[str, ...] = ("blue", "green", "red", "nir", "swir16", "swir22")
"""Reflectance bands in working order, by their STAC common names (B02 B03 B04 B08 B11 B12)."""
SCL = "scl"
"""Asset key of the scene classification layer."""
DATE_LINE_LON = -169.0
"""Where the solar day changes: in the Bering Strait, so that tiles on both sides of 180 degrees share one."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a scene."""

    href: str
    radiometry: Radiometry | None
    """None for the scene classification, whose numbers are classes."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One Sentinel-2 acquisition over one tile, as one catalogue offers it."""

    id: str
    sensed_at: datetime
    """UTC."""
    platform: str
    tile: str
    """MGRS tile, or the catalogue's own name of the place where it gives none."""
    datatake_id: str
    """Datatake without the processing baseline, the same for every reprocessing."""
    processing_baseline: str
    """ESA's processing baseline such as `05.09`, or empty where the catalogue does not say."""
    footprint: BaseGeometry
    """Lon/lat outline of the data."""
    assets: Mapping[str, Asset]
    created: str = ""
    """When the catalogue says the item was made; breaks ties between equal baselines."""

    @property
    def solar_day(self) -> date:
        """Date of the local solar time at the footprint's centre."""
        return solar_day(self.sensed_at, centre_lon(self.footprint))


@dataclass(frozen=True, slots=True)
class Acquisition:
    """All chosen scenes of one solar day; where they overlap the first one counts."""

    solar_day: date
    scenes: tuple[Scene, ...]


@dataclass(frozen=True, slots=True)
class Superseded:
    """A scene that is not used because a better one shows the same ground of the same datatake."""

    scene: Scene
    chosen: Scene
    reason: str


def centre_lon(footprint: BaseGeometry) -> float:
    """Return the longitude of a footprint's centroid; a footprint cut at the antimeridian counts as one piece.

    Examples
    --------
    >>> halves = shapely.union(shapely.box(179.0, 0.0, 180.0, 1.0), shapely.box(-180.0, 0.0, -179.0, 1.0))
    >>> centre_lon(halves)
    180.0
    """
    west, _, east, _ = footprint.bounds
    if east - west > 180.0:
        footprint = shapely.transform(footprint, lambda p: p + np.where(p[:, :1] < 0.0, [360.0, 0.0], 0.0))
    return float(footprint.centroid.x)


def solar_day(sensed_at: datetime, lon: float) -> date:
    """Return the calendar day of the mean solar time at a longitude; it changes at `DATE_LINE_LON`, not at 180 degrees.

    Two tiles of one pass never get two days, else their overlap would count as two looks.

    Examples
    --------
    >>> solar_day(datetime(2024, 1, 1, 23, 30, tzinfo=UTC), 150.0)
    datetime.date(2024, 1, 2)
    >>> solar_day(datetime(2024, 1, 1, 22, 30, tzinfo=UTC), 179.5)
    datetime.date(2024, 1, 2)
    >>> solar_day(datetime(2024, 1, 1, 22, 30, tzinfo=UTC), -179.5)
    datetime.date(2024, 1, 2)
    """
    eastward = (lon - DATE_LINE_LON) % 360.0 + DATE_LINE_LON
    return (sensed_at.astimezone(UTC) + timedelta(hours=eastward / 15.0)).date()

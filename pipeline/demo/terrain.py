"""The relief of a simulated world and how the sun lights its slopes over the year."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy import ndimage

from pipeline.demo.river import PIXEL_M
from pipeline.demo.texture import octaves

HILLS_PX = (14.0, 40.0)
"""Widths of hills."""
LATITUDE_DEG = -5.9
"""Where the world lies."""
HOUR_ANGLE_DEG = -22.5
"""Half past ten, local solar time: the descending node of Sentinel-2."""
SKY_LIGHT = np.array([0.34, 0.26, 0.20, 0.13, 0.07, 0.05], dtype=np.float32)
"""Share of light that comes from the whole sky and reaches a shaded slope, by band. Chosen: falls with the wavelength
as scattering does."""
LEFT_OVER = 0.75
"""Share of the effect that the product's own topographic correction leaves. Chosen."""
SHADED = 0.6
"""Light relative to level ground below which a slope counts as dark."""


@dataclass(frozen=True, slots=True)
class Terrain:
    """Heights and slopes of the ground."""

    height_m: np.ndarray
    """float32 (y, x), mean 0."""
    east: np.ndarray
    """float32 (y, x): rise towards the east, metres per metre."""
    north: np.ndarray
    """float32 (y, x): rise towards the north."""

    @property
    def slope(self) -> np.ndarray:
        """float32 (y, x): steepest rise, metres per metre."""
        return np.asarray(np.hypot(self.east, self.north))

    def sunlight(self, when: date) -> np.ndarray:
        """Return float32 (y, x): direct light on the ground relative to level ground, 0 where the slope turns away.

        The sun's declination by Cooper (1969, doi:10.1016/0038-092X(69)90047-4); no slope throws a shadow on another.
        """
        tilt = np.radians(23.45) * np.sin(2.0 * np.pi * (284 + when.timetuple().tm_yday) / 365.0)
        latitude, hour = np.radians(LATITUDE_DEG), np.radians(HOUR_ANGLE_DEG)
        up = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(hour)
        east = -np.cos(tilt) * np.sin(hour)
        north = np.cos(latitude) * np.sin(tilt) - np.sin(latitude) * np.cos(tilt) * np.cos(hour)
        facing = (up - self.east * east - self.north * north) / np.sqrt(1.0 + self.east**2 + self.north**2)
        return np.asarray(np.maximum(facing, 0.0) / up, dtype=np.float32)

    def light(self, when: date) -> np.ndarray:
        """Return float32 (band, y, x): what reflectance is multiplied by on a date, 1 on level ground."""
        direct = self.sunlight(when) - np.float32(1.0)
        left = np.float32(LEFT_OVER) * (np.float32(1.0) - SKY_LIGHT)
        return np.asarray(np.float32(1.0) + left[:, None, None] * direct)


def make_terrain(rng: np.random.Generator, shape: tuple[int, int], relief_m: float) -> Terrain:
    """Return the relief of a world of (rows, columns) pixels whose heights have the spread `relief_m`."""
    height = octaves(rng, shape, HILLS_PX) * np.float32(relief_m)
    for _ in range(4):  # the random field is linear between its nodes; hills are round
        height = ndimage.uniform_filter(height, 5, mode="nearest")
    down, east = (np.gradient(height, PIXEL_M, axis=axis).astype(np.float32) for axis in (0, 1))
    return Terrain(height, east, -down)

"""The simulated sky: dates, cloud cover, clouds with soft rims, their displaced shadows, haze, light."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy import ndimage

from pipeline.demo.river import dryness
from pipeline.demo.texture import octaves, smooth_field

STEPS_DAYS = (5, 5, 10, 10)
"""Days between successive dates: two satellites, some of whose scenes are never made."""
COVERS = (0.0, 0.04, 0.15, 0.35, 0.65, 0.95)
DRY_ODDS = (0.30, 0.24, 0.20, 0.14, 0.07, 0.05)
WET_ODDS = (0.10, 0.14, 0.18, 0.22, 0.20, 0.16)
"""Odds of each cloud cover in the driest and in the wettest month."""
HAZE_ODDS = 0.12
CLOUD = np.array([0.48, 0.46, 0.47, 0.52, 0.40, 0.30], dtype=np.float32)
"""Reflectance of thick cloud: bright in the visible, lower where ice and water absorb."""
HAZE = np.array([0.060, 0.042, 0.030, 0.016, 0.006, 0.003], dtype=np.float32)
"""What full haze adds: strongest in the blue."""
SHADOW_DEPTH = np.array([0.38, 0.42, 0.46, 0.56, 0.60, 0.62], dtype=np.float32)
"""Share of the light that a full shadow takes; sky light fills the blue."""
FLAGGED_CLOUD, FLAGGED_SHADOW = 0.42, 0.45
"""Opacity from which the scene classification sees cloud and shadow; the rim below stays unflagged."""


@dataclass(frozen=True, slots=True)
class Sky:
    """What lies between the ground and the sensor on one date."""

    cloud: np.ndarray
    """float32 (y, x): opacity, 0 to 1."""
    brightness: np.ndarray
    """float32 (y, x): brightness of the cloud, about 1."""
    shadow: np.ndarray
    """float32 (y, x): depth, 0 to 1."""
    haze: np.ndarray | None
    """float32 (y, x): strength, 0 to 1; None on a date without haze."""
    light: float
    """Factor of the whole scene, about 1."""

    def over(self, ground: np.ndarray) -> np.ndarray:
        """Return float32 (band, y, x): reflectance of the ground as it is seen through this sky."""
        seen = ground * np.float32(self.light)
        for band in range(ground.shape[0]):
            layer = seen[band]
            if self.haze is not None:
                layer += HAZE[band] * self.haze
            if self.cloud.any():
                layer *= 1.0 - SHADOW_DEPTH[band] * self.shadow
                layer += self.cloud * (CLOUD[band] * self.brightness - layer)
        return np.asarray(seen)


def observation_days(rng: np.random.Generator, days: int) -> list[int]:
    """Return the days from the start on which a scene is made: 5 or 10 days apart."""
    found, day = [], int(rng.integers(0, 3))
    while day < days:
        found.append(day)
        day += int(rng.choice(STEPS_DAYS))
    return found


def make_sky(rng: np.random.Generator, shape: tuple[int, int], when: date) -> Sky:
    """Return the sky of one date; the wet season is the cloudier."""
    dry = 0.5 + 0.5 * dryness(when.timetuple().tm_yday)
    odds = dry * np.array(DRY_ODDS) + (1.0 - dry) * np.array(WET_ODDS)
    cover = float(rng.choice(COVERS, p=odds / odds.sum()))
    light = float(np.clip(rng.normal(1.0, 0.018), 0.95, 1.05))
    haze = None
    if rng.random() < HAZE_ODDS:
        haze = (rng.uniform(0.3, 0.9) * np.clip(0.6 + 0.4 * smooth_field(rng, shape, 120.0), 0.0, 1.0)).astype(np.float32)
    none = np.zeros(shape, dtype=np.float32)
    if cover == 0.0:
        return Sky(none, none, none, haze, light)
    field = octaves(rng, shape, (3.0, 12.0, 45.0))
    threshold = np.quantile(field[::4, ::4], 1.0 - cover)
    cloud = np.clip((field - threshold) / np.float32(0.55) + np.float32(0.45), 0.0, 1.0)
    brightness = 1.0 + 0.14 * smooth_field(rng, shape, 7.0) + 0.12 * np.clip(field - threshold, -1.0, 2.0)
    return Sky(cloud, brightness.astype(np.float32), _shadow(rng, cloud), haze, light)


def _shadow(rng: np.random.Generator, cloud: np.ndarray) -> np.ndarray:
    """Shadow of a cloud: displaced away from the sun (it stands in the north-east at half past ten) and softened."""
    height_px = rng.uniform(12.0, 45.0)
    down, left = round(height_px * 0.55), round(height_px * 0.8)
    shadow = np.zeros_like(cloud)
    rows, columns = cloud.shape
    if down < rows and left < columns:
        shadow[down:, : columns - left] = cloud[: rows - down, left:]
    return np.asarray(ndimage.uniform_filter(shadow, 3))

"""What the sensor sees of the ground on one date: season, mixed pixels, a small shift, then the sky and noise."""

from datetime import date

import numpy as np
from scipy import ndimage

from pipeline.demo.conditions import CALM, Conditions, moved
from pipeline.demo.landscape import Landscape
from pipeline.demo.river import dryness
from pipeline.demo.signatures import Cover, Signatures
from pipeline.demo.texture import smooth_field
from pipeline.demo.weather import Sky

SHIFT_PX = 0.2
"""Spread of the frame-to-frame shift along each axis; ESA's multi-temporal registration is better than 0.3 pixels at
95 % (Sentinel-2 annual performance reports)."""
BLUR_PX = (0.42, 0.42, 0.42, 0.42, 0.85, 0.85)
"""Spread of the point spread function of each band in pixels of 10 m; the short-wave infrared has pixels of 20 m."""
NOISE, NOISE_SHARE = 0.0018, 0.006
"""Sensor and correction noise: reflectance, and share of the signal."""
MURKY = (Cover.POND, Cover.SHALLOW_POND, Cover.LEACH_POND, Cover.GREEN_POND)
"""Ponds whose water is not the same on every date."""
TURBIDITY = 0.10
"""Spread of the brightness of ponds and rivers between dates."""


class Painter:
    """Paints the ground of one landscape, date after date; pixels whose cover stays are coloured once."""

    def __init__(
        self, landscape: Landscape, signatures: Signatures, grain: np.ndarray, conditions: Conditions = CALM
    ) -> None:  # fmt: skip
        self._conditions = conditions
        self._tone = landscape.parcel_tone
        self._signatures = signatures
        self._grain = grain
        self._cover = np.full(landscape.shape, 255, dtype=np.uint8)
        self._colour = np.zeros((6, *landscape.shape), dtype=np.float32)

    def ground(
        self, rng: np.random.Generator, cover: np.ndarray, when: date, misplaced: tuple[int, int] | None = None
    ) -> np.ndarray:
        """Return float32 (band, y, x) reflectance of a cover (y, x) on a date, shifted and mixed as if sensed.

        A misplaced date is off by whole pixels (rows, columns) in place of the usual small shift.
        """
        self._recolour(cover)
        day = when.timetuple().tm_yday
        factor = self._signatures.season_factor(day) * self._conditions.dryness_factor(self._signatures, when)
        water = np.isin(cover, MURKY)
        murk = np.where(water, 1.0 + TURBIDITY * smooth_field(rng, (cover.shape[0], cover.shape[1]), 12.0), 1.0)
        murk[cover == Cover.RIVER] = 1.0 - 0.12 * dryness(day) + rng.normal(0.0, TURBIDITY / 2.0)
        shift = rng.normal(0.0, SHIFT_PX, size=2) * (misplaced is None)
        seen = np.empty_like(self._colour)
        murk = murk.astype(np.float32)
        light = self._conditions.light(when)
        for band in range(6):
            layer = self._colour[band] * factor[:, band][cover] * murk
            if light is not None:
                layer = layer * light[band]
            seen[band] = _shifted(ndimage.gaussian_filter(layer, BLUR_PX[band], truncate=3.0), shift)
        return seen if misplaced is None else moved(seen, misplaced)

    def _recolour(self, cover: np.ndarray) -> None:
        """Colour the pixels whose cover is not what it was."""
        changed = cover != self._cover
        codes = cover[changed]
        colour = self._signatures.colour(codes, self._grain[:, changed])
        tone = np.where(codes == Cover.PASTURE, self._tone[changed], np.float32(1.0))
        self._colour[:, changed] = colour * tone
        self._cover = cover.copy()


def _shifted(layer: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Layer moved by (rows, columns) of less than a pixel, interpolated linearly; edge pixels repeat."""
    for axis in (0, 1):
        amount = np.float32(np.clip(shift[axis], -0.99, 0.99))
        neighbour = np.roll(layer, 1 if amount > 0 else -1, axis=axis)
        edge = [slice(None), slice(None)]
        edge[axis] = slice(0, 1) if amount > 0 else slice(-1, None)
        neighbour[tuple(edge)] = layer[tuple(edge)]
        layer = layer + np.abs(amount) * (neighbour - layer)
    return layer


def sensed(rng: np.random.Generator, ground: np.ndarray, sky: Sky) -> np.ndarray:
    """Return float32 (band, y, x): reflectance as delivered, through the sky and with noise."""
    seen = sky.over(ground)
    noise = rng.standard_normal(seen.shape, dtype=np.float32)
    noise *= np.float32(NOISE) + np.float32(NOISE_SHARE) * seen
    return np.asarray(seen + noise)


def numbers(reflectance: np.ndarray, offset: float) -> np.ndarray:
    """Return uint16 numbers as a product of that radiometric offset holds them; 0 is kept for no data."""
    scaled = np.rint((reflectance - np.float32(offset)) * np.float32(10_000.0))
    return np.asarray(np.clip(scaled, 1, 65535), dtype=np.uint16)

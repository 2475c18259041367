"""Smooth random fields: the grain of ground, of clouds and of outlines."""

import numpy as np
from scipy import ndimage


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], scale_px: float) -> np.ndarray:
    """Return a float32 (y, x) field of mean 0 and spread 1 whose bumps are about `scale_px` pixels wide.

    Coarse white noise, enlarged linearly: cheap at any size, and smooth at the scale asked for.
    """
    rows, columns = (int(n / scale_px) + 4 for n in shape)
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    if scale_px > 1.0:
        y, x = (rng.random() + 1.0 + np.arange(n, dtype=np.float32) / scale_px for n in shape)
        coarse = _enlarged(_enlarged(coarse, y).T, x).T
    else:
        coarse = coarse[: shape[0], : shape[1]]
    field: np.ndarray = np.ascontiguousarray((coarse - coarse.mean()) / (coarse.std() + 1e-9), dtype=np.float32)
    return field


def _enlarged(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows of `values` interpolated linearly at fractional row numbers."""
    low = np.minimum(at.astype(int), values.shape[0] - 2)
    share = (at - low).astype(np.float32)[:, None]
    return np.asarray(values[low] * (1.0 - share) + values[low + 1] * share)


def octaves(rng: np.random.Generator, shape: tuple[int, int], scales_px: tuple[float, ...]) -> np.ndarray:
    """Return a field of spread 1 that sums smooth fields, each weighing with the square root of its scale."""
    total = np.zeros(shape, dtype=np.float32)
    for scale in scales_px:
        total += np.float32(scale**0.5) * smooth_field(rng, shape, scale)
    return total / np.float32(total.std() + 1e-9)


def ground_grain(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return (6, y, x) float32 fields of spread 1: the lasting grain along each axis of a class's covariance.

    Two thirds of the variance is between neighbours (crowns, furrows), the rest between patches of 50 to 200 m.
    """
    grain = np.empty((6, *shape), dtype=np.float32)
    for axis in range(6):
        fine = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 0.7)
        grain[axis] = 0.75 * fine / fine.std()
        grain[axis] += 0.5 * smooth_field(rng, shape, 5.0) + 0.43 * smooth_field(rng, shape, 20.0)
    return grain

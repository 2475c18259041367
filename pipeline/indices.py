"""Spectral indices as data: one record each with formula, bands, range and source, evaluated on reflectance.

Receives reflectance (never numbers with an offset in them: the ratio of shifted numbers is another ratio) and hands on
float32 arrays of the same shape. A zero denominator gives NaN, and so does a missing band.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Bands = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Index:
    """One spectral index."""

    key: str
    """Unambiguous name in code and columns."""
    acronym: str
    title: str
    formula: str
    bands: tuple[str, ...]
    bounds: tuple[float, float]
    """Smallest and largest value on reflectance in [0, 1]."""
    reference: str
    evaluate: Callable[..., np.ndarray]
    """From the bands in the order of `bands` to the index."""


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return numerator / denominator as float32; NaN where the denominator is zero or an operand is NaN.

    Examples
    --------
    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan, np.float32)
    np.divide(numerator, denominator, out=out, where=denominator != 0, casting="same_kind")
    return out


def normalised_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (a - b) / (a + b): antisymmetric, within [-1, 1] for non-negative reflectance, NaN where a + b is 0.

    Examples
    --------
    >>> round(float(normalised_difference(np.array(0.4), np.array(0.1))), 3)
    0.6
    """
    return ratio(a - b, a + b)


def _evi(blue: np.ndarray, red: np.ndarray, nir: np.ndarray) -> np.ndarray:
    return ratio(2.5 * (nir - red), nir + 6.0 * red - 7.5 * blue + 1.0)


def _bsi(blue: np.ndarray, red: np.ndarray, nir: np.ndarray, swir16: np.ndarray) -> np.ndarray:
    return normalised_difference(swir16 + red, nir + blue)


_ND = normalised_difference
INDICES: Mapping[str, Index] = {
    index.key: index
    for index in (
        Index("ndvi", "NDVI", "Normalised difference vegetation index", "(nir - red) / (nir + red)", ("nir", "red"),
              (-1.0, 1.0), "Rouse et al. 1974, NASA SP-351, 309-317", _ND),
        Index("evi", "EVI", "Enhanced vegetation index", "2.5 (nir - red) / (nir + 6 red - 7.5 blue + 1)",
              ("blue", "red", "nir"), (-np.inf, np.inf), "Huete et al. 2002, doi:10.1016/S0034-4257(02)00096-2", _evi),
        Index("ndmi", "NDMI", "Normalised difference moisture index", "(nir - swir16) / (nir + swir16)",
              ("nir", "swir16"), (-1.0, 1.0), "Gao 1996, doi:10.1016/S0034-4257(96)00067-3", _ND),
        Index("nbr", "NBR", "Normalised burn ratio", "(nir - swir22) / (nir + swir22)", ("nir", "swir22"),
              (-1.0, 1.0), "Key and Benson 2006, USDA RMRS-GTR-164", _ND),
        Index("ndwi", "NDWI", "Normalised difference water index", "(green - nir) / (green + nir)", ("green", "nir"),
              (-1.0, 1.0), "McFeeters 1996, doi:10.1080/01431169608948714", _ND),
        Index("mndwi", "MNDWI", "Modified normalised difference water index", "(green - swir16) / (green + swir16)",
              ("green", "swir16"), (-1.0, 1.0), "Xu 2006, doi:10.1080/01431160600589179", _ND),
        Index("bsi", "BSI", "Bare soil index", "((swir16 + red) - (nir + blue)) / ((swir16 + red) + (nir + blue))",
              ("blue", "red", "nir", "swir16"), (-1.0, 1.0), "Rikimaru et al. 2002, Tropical Ecology 43, 39-47", _bsi),
        Index("turbidity", "NDTI", "Normalised difference turbidity index", "(red - green) / (red + green)",
              ("red", "green"), (-1.0, 1.0), "Lacaux et al. 2007, doi:10.1016/j.rse.2006.07.012", _ND),
    )
}  # fmt: skip
"""All indices by key. `turbidity` is the NDTI of water; the tillage index of the same acronym is not here."""


def compute(key: str, bands: Bands) -> np.ndarray:
    """Return one index as float32, of the bands' shape; all NaN where one of its bands is absent."""
    index = INDICES[key]
    if any(name not in bands for name in index.bands):
        return np.full(next(iter(bands.values())).shape, np.nan, np.float32)
    return index.evaluate(*(bands[name] for name in index.bands)).astype(np.float32, copy=False)

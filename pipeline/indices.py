"""Spectral indices as data: one record each with formula, bands, range and source, evaluated on reflectance.

Receives reflectance (never numbers with an offset in them: the ratio of shifted numbers is another ratio) and hands on
float32 arrays of the same shape. A zero denominator gives NaN, and so does a missing band. All indices that are asked for
are evaluated in one pass over the bands, strip by strip, while a strip is in the cache.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from math import prod

import numpy as np
from numba import njit

Bands = Mapping[str, np.ndarray]

STRIP = 4096
"""Pixels that are evaluated at a time: six bands and an index of them, 112 KiB, stay in the second cache."""
_PARALLEL_FROM = 2**18
"""Pixels from which threads are worth starting."""


class Form(IntEnum):
    """What is done with the bands of an index, in the order in which its record names them."""

    NORMALISED_DIFFERENCE = 0
    EVI = 1
    BARE_SOIL = 2


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
    form: Form


_ND, _BSI = Form.NORMALISED_DIFFERENCE, Form.BARE_SOIL
INDICES: Mapping[str, Index] = {
    index.key: index
    for index in (
        Index("ndvi", "NDVI", "Normalised difference vegetation index", "(nir - red) / (nir + red)", ("nir", "red"),
              (-1.0, 1.0), "Rouse et al. 1974, NASA SP-351, 309-317", _ND),
        Index("evi", "EVI", "Enhanced vegetation index", "2.5 (nir - red) / (nir + 6 red - 7.5 blue + 1)",
              ("blue", "red", "nir"), (-np.inf, np.inf), "Huete et al. 2002, doi:10.1016/S0034-4257(02)00096-2", Form.EVI),
        Index("ndmi", "NDMI", "Normalised difference moisture index", "(nir - swir16) / (nir + swir16)",
              ("nir", "swir16"), (-1.0, 1.0), "Gao 1996, doi:10.1016/S0034-4257(96)00067-3", _ND),
        Index("nbr", "NBR", "Normalised burn ratio", "(nir - swir22) / (nir + swir22)", ("nir", "swir22"),
              (-1.0, 1.0), "Key and Benson 2006, USDA RMRS-GTR-164", _ND),
        Index("ndwi", "NDWI", "Normalised difference water index", "(green - nir) / (green + nir)", ("green", "nir"),
              (-1.0, 1.0), "McFeeters 1996, doi:10.1080/01431169608948714", _ND),
        Index("mndwi", "MNDWI", "Modified normalised difference water index", "(green - swir16) / (green + swir16)",
              ("green", "swir16"), (-1.0, 1.0), "Xu 2006, doi:10.1080/01431160600589179", _ND),
        Index("bsi", "BSI", "Bare soil index", "((swir16 + red) - (nir + blue)) / ((swir16 + red) + (nir + blue))",
              ("blue", "red", "nir", "swir16"), (-1.0, 1.0), "Rikimaru et al. 2002, Tropical Ecology 43, 39-47", _BSI),
        Index("turbidity", "NDTI", "Normalised difference turbidity index", "(red - green) / (red + green)",
              ("red", "green"), (-1.0, 1.0), "Lacaux et al. 2007, doi:10.1016/j.rse.2006.07.012", _ND),
    )
}  # fmt: skip
"""All indices by key. `turbidity` is the NDTI of water; the tillage index of the same acronym is not here."""


_BANDS: tuple[str, ...] = tuple(sorted({band for index in INDICES.values() for band in index.bands}))
_NOTHING = np.zeros(0, np.float32)


def compute(key: str, bands: Bands) -> np.ndarray:
    """Return one index as float32, of the bands' shape; all NaN where one of its bands is absent."""
    return compute_all((key,), bands)[key]


def compute_all(keys: Sequence[str], bands: Bands, *, threads: int = 1, out: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return several indices of the same bands: float32, of the bands' shape; all NaN where a band of one is absent.

    Parameters
    ----------
    keys : sequence of str
        Keys of `INDICES`.
    bands : mapping of arrays
        Reflectance, all of one shape; taken as float32.
    threads : int
        How many share the pixels of a large array.
    out : float32 (len(keys), ...), optional
        Where the indices are written, contiguous; new memory by default, whose pages cost more than the arithmetic.

    Examples
    --------
    >>> found = compute_all(("ndvi", "nbr"), {"red": np.float32([0.1, 0.0]), "nir": np.float32([0.3, 0.0])})
    >>> found["ndvi"].tolist(), found["nbr"].tolist()
    ([0.5, nan], [nan, nan])
    """
    shape = next(iter(bands.values())).shape
    flat = tuple(np.ascontiguousarray(bands[b], np.float32).ravel() if b in bands else _NOTHING for b in _BANDS)
    asked = [INDICES[key] for key in keys]
    form = np.array([index.form for index in asked], np.int64)
    operand = np.full((len(asked), 4), -1)
    for row, index in enumerate(asked):
        operand[row, : len(index.bands)] = [_BANDS.index(band) if band in bands else len(_BANDS) for band in index.bands]
    found = np.empty((len(asked), *shape), np.float32) if out is None else out
    _shared(flat, form, operand, found.reshape(len(asked), prod(shape)), threads)
    return dict(zip(keys, found, strict=True))


def normalised_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (a - b) / (a + b) as float32: antisymmetric, within [-1, 1] for non-negative reflectance, NaN where a + b is 0.

    Examples
    --------
    >>> round(float(normalised_difference(np.array(0.4), np.array(0.1))), 3)
    0.6
    """
    one, other = np.broadcast_arrays(np.asarray(a, np.float32), np.asarray(b, np.float32))
    flat = (np.ascontiguousarray(one).ravel(), np.ascontiguousarray(other).ravel(), *[_NOTHING] * (len(_BANDS) - 2))
    out = np.empty((1, one.size), np.float32)
    _evaluate(flat, np.zeros(1, np.int64), np.array([[0, 1, -1, -1]]), out, 0, one.size)
    return out.reshape(one.shape)


def _shared(flat: tuple[np.ndarray, ...], form: np.ndarray, operand: np.ndarray, out: np.ndarray, threads: int) -> None:
    """Evaluate all pixels, shared by threads where there are many."""
    size = out.shape[1]
    if threads <= 1 or size < _PARALLEL_FROM:
        _evaluate(flat, form, operand, out, 0, size)
        return
    cuts = [size * part // threads // STRIP * STRIP for part in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        parts = zip(cuts, [*cuts[1:], size], strict=True)
        for done in [pool.submit(_evaluate, flat, form, operand, out, begin, stop) for begin, stop in parts]:
            done.result()


# --- formulas and the kernel ------------------------------------------------------------------------------------------

_2_5, _6, _7_5, _1 = np.float32(2.5), np.float32(6.0), np.float32(7.5), np.float32(1.0)
_NAN = np.float32(np.nan)


@njit(cache=True, nogil=True, error_model="numpy")
def _ratio(numerator: np.float32, denominator: np.float32) -> np.float32:
    """The ratio, NaN where the denominator is zero."""
    return numerator / denominator if denominator != 0 else _NAN


@njit(cache=True, nogil=True, error_model="numpy")
def pixel_difference(a: np.float32, b: np.float32) -> np.float32:
    """Return the normalised difference of two numbers, for kernels: float32, NaN where their sum is zero."""
    return _ratio(a - b, a + b)


@njit(cache=True, nogil=True, error_model="numpy")
def _evi(blue: np.float32, red: np.float32, nir: np.float32) -> np.float32:
    return _ratio(_2_5 * (nir - red), nir + _6 * red - _7_5 * blue + _1)


@njit(cache=True, nogil=True, error_model="numpy")
def _bare_soil(blue: np.float32, red: np.float32, nir: np.float32, swir: np.float32) -> np.float32:
    return pixel_difference(swir + red, nir + blue)


@njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(
    bands: tuple[np.ndarray, ...], form: np.ndarray, operand: np.ndarray, out: np.ndarray, begin: int, stop: int
) -> None:
    """Write indices of the pixels from `begin` to `stop`; `operand` names their bands, one past the last where absent."""
    for first in range(begin, stop, STRIP):
        last = min(first + STRIP, stop)
        for k in range(len(form)):
            row, strip = operand[k], out[k, first:last]
            if row.max() == len(bands):
                strip[:] = _NAN
                continue
            a, b = bands[row[0]][first:last], bands[row[1]][first:last]
            if form[k] == Form.NORMALISED_DIFFERENCE:
                for i in range(len(strip)):
                    strip[i] = pixel_difference(a[i], b[i])
                continue
            c = bands[row[2]][first:last]
            if form[k] == Form.EVI:
                for i in range(len(strip)):
                    strip[i] = _evi(a[i], b[i], c[i])
                continue
            d = bands[row[3]][first:last]
            for i in range(len(strip)):
                strip[i] = _bare_soil(a[i], b[i], c[i], d[i])

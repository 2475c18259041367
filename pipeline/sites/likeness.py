"""What a site looks like: explainable features, the probability that it is mining, and the likely cause in a word."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.change import PixelClass
from pipeline.indices import compute, compute_all
from pipeline.linear import LinearModel
from pipeline.scenes import BANDS
from pipeline.sites.pixels import PIXEL_HA, ROW_SHIFT, PixelTable, core, row_column, within

SITE_FEATURES: Mapping[str, str] = {
    "log_area": "size",
    "core_share": "massive rather than thin shape",
    "fill_share": "fills its bounding box",
    "like_bare": "bare spoil or tailings",
    "like_pond": "new ponds",
    "like_clearing": "cleared vegetation",
    "like_farm": "likeness to a farm clearing",
    "like_burn": "likeness to a burn",
    "like_river": "likeness to a river bar or natural water",
    "now_ndvi": "vegetation left",
    "now_mndwi": "wetness",
    "now_red": "brightness in red",
    "now_turbidity": "colour of sediment",
    "now_swir_slope": "mineral soil in the short-wave infrared",
    "spread_mndwi": "mixture of wet and dry ground",
    "spread_red": "mixture of bright and dark ground",
    "before_ndvi": "vegetation before",
    "near_water": "water nearby before",
    "near_bare": "bare ground nearby before",
    "near_dense": "dense vegetation nearby before",
    "elongation": "long and narrow shape",
    "raggedness": "ragged outline",
    "pond_share": "open water within",
    "grain_red": "pattern of bright and dark from pixel to pixel",
    "now_hue": "redness of the ground",
    "core_grain_red": "pattern of bright and dark inside, away from the rim",
}
"""Features of a site in the order of the model, each with the words in which it is named to an analyst."""

WORDS_SHOWN = 4
PIXEL_VARIANCE = 1.0 / 12.0
"""Variance of places within a pixel, in square pixels: a row of pixels is not infinitely narrow."""
WATER_NDVI = 0.05
"""Between the chips' turbid ponds (NDVI -0.27, spread 0.14) and their spoil (0.20, spread 0.10)."""


@dataclass(frozen=True, slots=True)
class SiteModel(LinearModel):
    """The additive model of a site's mining probability, and where that probability is put into words."""

    unclear_from: float = 0.45
    """Mining probabilities from here to `named_from` are called unclear: alerts, but not named mining."""
    named_from: float = 0.6
    features: tuple[str, ...] = tuple(SITE_FEATURES)[:20]
    """Features that it weighs, in its order; by default those of versions before 0.3.0."""

    def pick(self, features: np.ndarray) -> np.ndarray:
        """Return its own features of all of `SITE_FEATURES`: float64 (..., its features)."""
        names = list(SITE_FEATURES)
        return features[..., [names.index(name) for name in self.features]]


def site_features(pixels: PixelTable) -> np.ndarray:
    """Return the features of one site from its pixels: float64 (len(SITE_FEATURES),), finite.

    Parameters
    ----------
    pixels : PixelTable
        The site's pixels, at least one.
    """
    likeness = pixels.likeness.mean(axis=0) / 255.0
    now = dict(zip(BANDS, pixels.seen_as.T.astype(np.float32) * 1e-4, strict=True))
    before = dict(zip(BANDS, pixels.before.T.astype(np.float32) * 1e-4, strict=True))
    ndvi, mndwi, turbidity = map(np.nan_to_num, compute_all(("ndvi", "mndwi", "turbidity"), now).values())
    row, column = row_column(pixels.key)
    box = (np.ptp(row) + 1) * (np.ptp(column) + 1)
    near = pixels.near.mean(axis=0) / 100.0
    return np.array([
        np.log(len(pixels) * PIXEL_HA),
        core(pixels.key).mean(),
        len(pixels) / box,
        likeness[PixelClass.BARE],
        likeness[PixelClass.POND],
        likeness[PixelClass.CLEARING],
        likeness[PixelClass.FARM_CLEARING],
        likeness[PixelClass.BURN],
        likeness[PixelClass.RIVER_BAR] + likeness[PixelClass.NATURAL_WATER],
        ndvi.mean(),
        mndwi.mean(),
        now["red"].mean(),
        turbidity.mean(),
        (now["swir16"] - now["swir22"]).mean(),
        mndwi.std(),
        now["red"].std(),
        np.nan_to_num(compute("ndvi", before)).mean(),
        *near,
        *_shape_of(pixels.key),
        is_water(ndvi, mndwi).mean(),
        _grain(pixels.key, now["red"]),
        np.nan_to_num((now["red"] - now["blue"]) / (now["red"] + now["blue"])).mean(),
        _core_grain(pixels.key, now["red"]),
    ], dtype=np.float64)  # fmt: skip


def _shape_of(keys: np.ndarray) -> tuple[float, float]:
    """Log ratio of the variances along and across a pixel set, and its outline over that of a compact one of its size."""
    row, column = row_column(keys)
    variances = np.linalg.eigvalsh(np.cov(np.stack([row, column]).astype(np.float64), bias=True) + PIXEL_VARIANCE * np.eye(2))
    open_sides = sum(int((within(keys + step, keys) < 0).sum()) for step in (1, -1, ROW_SHIFT, -ROW_SHIFT))
    return float(np.log(variances[1] / variances[0])), open_sides / float(np.sqrt(len(keys)))


def _grain(keys: np.ndarray, values: np.ndarray) -> float:
    """Mean difference between pixels side by side; 0 where none are."""
    beside = within(keys + 1, keys)
    has = beside >= 0
    return float(np.abs(values[has] - values[beside[has]]).mean()) if has.any() else 0.0


def _core_grain(keys: np.ndarray, values: np.ndarray) -> float:
    """`_grain` among the centres of full 3 x 3 blocks alone: the rim of anything bright is half forest."""
    inside = core(keys)
    return _grain(keys[inside], values[inside])


def is_water(ndvi: np.ndarray, mndwi: np.ndarray) -> np.ndarray:
    """Return which pixels are open water: bool, of the shape of both.

    MNDWI > 0 with NDVI < 0.3 (Xu 2006, doi:10.1080/01431160600589179), or NDVI below `WATER_NDVI`, which no soil has but
    turbid water does.
    """
    return np.asarray(((mndwi > 0.0) & (ndvi < 0.3)) | (ndvi < WATER_NDVI))


def mining_probability(features: np.ndarray, model: SiteModel) -> tuple[float, list[str]]:
    """Return the calibrated probability that a site is mining, and its strongest terms in words, strongest first."""
    own = model.pick(features)
    parts = model.terms(own)
    names = [SITE_FEATURES[name] for name in model.features]
    strongest = sorted(range(len(parts)), key=lambda i: (-abs(parts[i]), i))[:WORDS_SHOWN]
    words = [f"{names[i]} {'for' if parts[i] > 0 else 'against'} ({parts[i]:+.1f})" for i in strongest]
    return float(model.probability(own)), words


def likely_cause(features: np.ndarray, probability: float | None, model: SiteModel) -> str:
    """Return what the change looks like: mining, unclear, or the strongest look-alike; never mining without a probability."""
    if probability is not None and probability >= model.unclear_from:
        return "mining" if probability >= model.named_from else "unclear"
    value = dict(zip(SITE_FEATURES, features, strict=True))
    rivals = {
        "other_clearing": value["like_farm"] + value["like_clearing"] + value["like_bare"],
        "burn": value["like_burn"],
        "water": value["like_river"],
    }
    return max(rivals, key=lambda name: rivals[name])  # the first where all are alike


def change_hectares(pixels: PixelTable) -> dict[str, float]:
    """Return the hectares of cleared, bare and water pixels of a site, by what each was last seen as.

    Water: see `is_water`; bare: NDVI < 0.35 of what is left, the bound that separates bare from low vegetation in the chips'
    signatures; the rest is cleared.
    """
    now = dict(zip(BANDS, pixels.seen_as.T.astype(np.float32) * 1e-4, strict=True))
    ndvi, mndwi = map(np.nan_to_num, compute_all(("ndvi", "mndwi"), now).values())
    water = is_water(ndvi, mndwi)
    bare = ~water & (ndvi < 0.35)
    counts = {"clearing_ha": ~water & ~bare, "tailings_ha": bare, "pond_ha": water}
    return {name: float(mask.sum()) * PIXEL_HA for name, mask in counts.items()}

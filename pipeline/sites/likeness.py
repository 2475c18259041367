"""What a site looks like: explainable features, the probability that it is mining, and the likely cause in a word."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.change import PixelClass
from pipeline.indices import compute
from pipeline.linear import LinearModel
from pipeline.scenes import BANDS
from pipeline.sites.pixels import PIXEL_HA, PixelTable, core, row_column

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
}
"""Features of a site in the order of the model, each with the words in which it is named to an analyst."""

WORDS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class SiteModel(LinearModel):
    """The additive model of a site's mining probability, and where that probability is put into words."""

    unclear_from: float = 0.45
    """Mining probabilities from here to `named_from` are called unclear: alerts, but not named mining."""
    named_from: float = 0.6


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
    ndvi, mndwi, turbidity = (np.nan_to_num(compute(k, now)) for k in ("ndvi", "mndwi", "turbidity"))
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
    ], dtype=np.float64)  # fmt: skip


def mining_probability(features: np.ndarray, model: LinearModel) -> tuple[float, list[str]]:
    """Return the calibrated probability that a site is mining, and its strongest terms in words, strongest first."""
    parts = model.terms(features)
    names = list(SITE_FEATURES.values())
    strongest = sorted(range(len(parts)), key=lambda i: (-abs(parts[i]), i))[:WORDS_SHOWN]
    words = [f"{names[i]} {'for' if parts[i] > 0 else 'against'} ({parts[i]:+.1f})" for i in strongest]
    return float(model.probability(features)), words


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

    Water: MNDWI > 0 with NDVI < 0.3 (Xu 2006, doi:10.1080/01431160600589179); bare: NDVI < 0.35 of what is left, the
    bound that separates bare from low vegetation in the chips' signatures; the rest is cleared.
    """
    now = dict(zip(BANDS, pixels.seen_as.T.astype(np.float32) * 1e-4, strict=True))
    ndvi, mndwi = np.nan_to_num(compute("ndvi", now)), np.nan_to_num(compute("mndwi", now))
    water = (mndwi > 0.0) & (ndvi < 0.3)
    bare = ~water & (ndvi < 0.35)
    counts = {"clearing_ha": ~water & ~bare, "tailings_ha": bare, "pond_ha": water}
    return {name: float(mask.sum()) * PIXEL_HA for name, mask in counts.items()}

"""Two pictures of one window, and the probability that mining appeared or grew between them.

Receives reflectance before and after; hands on named features and, with a `LinearModel`, a calibrated probability. It
is a second opinion beside the walk through time: it sees the whole window, old ground included, and only two dates.
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from pipeline.errors import CubeContractError
from pipeline.indices import INDICES, compute_all
from pipeline.scenes import BANDS

SMALLEST_PX = 24
"""Shortest side of a window: below 240 m the percentiles rest on too few pixels."""
LEVELS = (2, 10, 25, 50, 75, 90, 98)
LAYERS: tuple[str, ...] = (*BANDS, "ndvi", "ndmi", "nbr", "mndwi", "bsi", "turbidity")
TIMES = ("before", "after", "change")
OPEN_NDVI = (0.3, 0.4, 0.5)
"""Below these a pixel counts as opened ground: bare, thin, sparse."""
FALLS = (0.1, 0.2, 0.3)
BLOCKS_PX = (3, 6, 12)
BLOCK_LEVELS = (0, 2, 5, 10, 25, 90)
INDEX_BLOCK_PX, INDEX_LEVELS = 6, (0, 5, 50, 95, 100)
BLOCK_INDICES = ("bsi", "mndwi", "turbidity", "nbr")
CLOUD_BLUE, CLOUD_NIR, CLOUD_REDNESS = 0.16, 0.20, 1.35
"""Cloud in a picture without a mask: blue above, near infrared above, and red below this multiple of blue; bright spoil
is redder. Limits between the chips' bright spoil (red / blue 1.7) and their clouds (about 1)."""
CLOUD_RIM_PX = 2
FEWEST_CLEAR_PX = 100
GREEN_BEFORE, GREEN_AFTER, FEWEST_GREEN = 0.6, 0.5, 60
"""Ground that stayed green: its median change of NDVI is the season's and the air's, and is taken off once."""
LARGEST_LEVEL = 0.15


def _names() -> Iterator[str]:
    """Names of the features in their order."""
    yield from (f"{layer} {time} p{level}" for time in TIMES for layer in LAYERS for level in LEVELS)
    for view in ("", " levelled"):
        for t in OPEN_NDVI:
            yield from (f"{what} ndvi<{t}{view}" for what in ("opened", "closed", "net open", "opening share", "opened body"))
    for fall in FALLS:
        yield from (f"{what} ndvi by {fall}" for what in ("fell", "rose", "fell over rose"))
    yield from (f"ndvi change {px} px p{level}" for px in BLOCKS_PX for level in BLOCK_LEVELS)
    yield from (f"{k} change {INDEX_BLOCK_PX} px p{level}" for k in BLOCK_INDICES for level in INDEX_LEVELS)
    yield from ("veiled before", "veiled after", "veiled ever")


PAIR_FEATURES: tuple[str, ...] = tuple(_names())
"""Features of a pair in the order of the model."""


def cloud_in(picture: np.ndarray) -> np.ndarray:
    """Return where a picture shows cloud or nothing: bool (y, x), with a rim of `CLOUD_RIM_PX`.

    Parameters
    ----------
    picture : float32 (band, y, x)
        Reflectance in the order of `scenes.BANDS`, NaN without data.
    """
    blue, red, nir = (np.nan_to_num(picture[BANDS.index(b)]) for b in ("blue", "red", "nir"))
    bright = (blue > CLOUD_BLUE) & (red < CLOUD_REDNESS * blue) & (nir > CLOUD_NIR)
    label, count = ndimage.label(bright)
    has_body = np.zeros(count + 1, bool)
    has_body[np.unique(label[ndimage.binary_opening(bright, np.ones((3, 3)))])] = True
    has_body[0] = False
    rim = ndimage.binary_dilation(has_body[label], np.ones((3, 3)), iterations=CLOUD_RIM_PX)
    return np.asarray(rim | ~np.isfinite(picture).all(axis=0))


def comparable(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """Return the pair with what one date hides taken as unchanged, and the shares hidden before, after and on either.

    A pixel that only one date shows has that date's reflectance on both; one that neither shows has the median of the
    clear ground. Pairs with fewer than `FEWEST_CLEAR_PX` pixels that both show are returned as they are, without NaN.
    """
    hidden_before, hidden_after = cloud_in(before), cloud_in(after)
    shares = (float(hidden_before.mean()), float(hidden_after.mean()), float((hidden_before | hidden_after).mean()))
    clear = ~hidden_before & ~hidden_after
    if clear.sum() < FEWEST_CLEAR_PX:
        return np.nan_to_num(before), np.nan_to_num(after), shares
    typical = (np.median(p[:, clear], axis=1)[:, None, None] for p in (before, after))
    seen_before, seen_after = (
        np.where(hidden_before & hidden_after, t, p) for t, p in zip(typical, (before, after), strict=True)
    )
    only_after, only_before = hidden_before & ~hidden_after, hidden_after & ~hidden_before
    return np.where(only_after, after, seen_before), np.where(only_before, before, seen_after), shares


def _layers(picture: np.ndarray) -> dict[str, np.ndarray]:
    """Bands and indices of a picture by name, 0 where undefined."""
    bands = dict(zip(BANDS, picture, strict=True))
    layers = {**bands, **compute_all([name for name in LAYERS if name in INDICES], bands)}
    return {name: np.nan_to_num(layers[name]) for name in LAYERS}


def _opening(before: np.ndarray, after: np.ndarray) -> Iterator[float]:
    """Opened and closed ground by each bound of NDVI, one pixel of shift forgiven."""
    near = np.ones((3, 3))
    for bound in OPEN_NDVI:
        was, is_ = before < bound, after < bound
        opened = is_ & ~ndimage.binary_dilation(was, near)
        closed = was & ~ndimage.binary_dilation(is_, near)
        few = 10.0 / opened.size
        body = ndimage.binary_opening(opened, np.ones((2, 2))).mean()
        yield from (opened.mean(), closed.mean(), is_.mean() - was.mean())
        yield (opened.mean() + few / 2) / (opened.mean() + closed.mean() + few)
        yield np.log1p(2304.0 * body)


def _growth(ndvi: tuple[np.ndarray, np.ndarray]) -> Iterator[float]:
    """How the opened ground grew, see `_names`."""
    before, after = ndvi
    green = (before > GREEN_BEFORE) & (after > GREEN_AFTER)
    level = float(np.median((after - before)[green])) if green.sum() > FEWEST_GREEN else 0.0
    for shift in (0.0, float(np.clip(level, -LARGEST_LEVEL, LARGEST_LEVEL))):
        yield from _opening(before, after - shift)
    least_before, least_after = (ndimage.minimum_filter(n, 3) for n in (before, after))
    for fall in FALLS:
        fell, rose = (least_before - after > fall).mean(), (least_after - before > fall).mean()
        yield from (fell, rose, np.log1p(2304.0 * fell) - np.log1p(2304.0 * rose))


def _blocks(values: np.ndarray, px: int) -> np.ndarray:
    """Means of whole blocks of a picture, as one row."""
    rows, columns = (n // px * px for n in values.shape)
    return values[:rows, :columns].reshape(rows // px, px, columns // px, px).mean(axis=(1, 3)).ravel()


def pair_features(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the features of a pair of pictures: float64 (len(PAIR_FEATURES),), finite.

    Parameters
    ----------
    before, after : float32 (band, y, x)
        Reflectance in the order of `scenes.BANDS`, NaN without data, at 10 m; at least `SMALLEST_PX` a side.

    Raises
    ------
    CubeContractError
        The pictures differ in shape, lack bands or are too small.
    """
    if before.shape != after.shape or before.ndim != 3 or len(before) != len(BANDS) or min(before.shape[1:]) < SMALLEST_PX:
        raise CubeContractError(
            f"found pictures of shape {before.shape} and {after.shape}, expected two of ({len(BANDS)}, y, x) with the same "
            f"y and x of at least {SMALLEST_PX}; cut a larger window, or read all of {', '.join(BANDS)}"
        )
    then, now, shares = comparable(before, after)
    old, new = _layers(then), _layers(now)
    change = {name: new[name] - old[name] for name in LAYERS}
    values: list[float] = []
    for layers in (old, new, change):
        values += np.percentile(np.stack([layers[n].ravel() for n in LAYERS]), LEVELS, axis=1).T.ravel().tolist()
    values += _growth((old["ndvi"], new["ndvi"]))
    for px in BLOCKS_PX:
        values += np.percentile(_blocks(change["ndvi"], px), BLOCK_LEVELS).tolist()
    for name in BLOCK_INDICES:
        values += np.percentile(_blocks(change[name], INDEX_BLOCK_PX), INDEX_LEVELS).tolist()
    return np.array([*values, *shares], np.float64)

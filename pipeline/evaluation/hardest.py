"""Which cases cost a ranking most: where the ceiling of a figure is, by name and with pictures."""

import io
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from pipeline.scenes import BANDS

TRUE_COLOUR = (("red", "green", "blue"), (5.0, 5.0, 5.0))
INFRARED = (("swir16", "nir", "red"), (2.5, 2.2, 5.0))
"""Bands as red, green and blue, and what reflectance is multiplied by."""
ACROSS = 2
"""Pairs side by side on a picture."""


def lost_rank(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the share of what an AUC lacks to 1 that each case has a part in: float64 (n,), each class adding up to 1.

    The AUC is the share of pairs of a true and a false case that are in order, a tie for half of one. NaN where the order is
    perfect or a class is missing.

    Examples
    --------
    >>> lost_rank(np.array([True, True, False, False]), np.array([0.9, 0.2, 0.4, 0.1])).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    wrong = (score[truth][:, None] < score[~truth]) + 0.5 * (score[truth][:, None] == score[~truth])
    total = float(wrong.sum())
    if total == 0.0:
        return np.full(len(truth), np.nan)
    share = np.empty(len(truth))
    share[truth], share[~truth] = wrong.sum(axis=1) / total, wrong.sum(axis=0) / total
    return share


def hardest(truth: np.ndarray, score: np.ndarray, most: int) -> np.ndarray:
    """Return the cases of one class that cost most, costliest first, those of the other after them: int64 (<= 2 most,)."""
    share = np.nan_to_num(lost_rank(truth, score))
    parts = []
    for is_true in (True, False):
        members = np.flatnonzero((truth == is_true) & (share > 0))
        parts.append(members[np.argsort(-share[members], kind="stable")][:most])
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class PicturePair:
    """Two pictures of one place."""

    title: str
    before: np.ndarray
    """float32 (band, y, x): reflectance in the order of `scenes.BANDS`."""
    after: np.ndarray


def pair_pictures(pairs: list[PicturePair]) -> bytes:
    """Return a sheet of pairs as PNG: true colour before and after, then short-wave infrared, near infrared and red."""
    rows = -(-len(pairs) // ACROSS)
    canvas = Canvas(figsize=(4.0 * ACROSS * 1.6, 1.85 * rows), dpi=100, layout="constrained")
    axes = canvas.subplots(rows, 4 * ACROSS, squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    for n, pair in enumerate(pairs):
        row = axes[n // ACROSS, 4 * (n % ACROSS) : 4 * (n % ACROSS) + 4]
        row[0].set_title(pair.title, fontsize=8, loc="left")
        shown = [(pair.before, TRUE_COLOUR), (pair.after, TRUE_COLOUR), (pair.before, INFRARED), (pair.after, INFRARED)]
        for ax, (picture, (bands, gain)) in zip(row, shown, strict=True):
            ax.imshow(_composite(picture, bands, gain), interpolation="nearest")
    FigureCanvasAgg(canvas)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _composite(picture: np.ndarray, bands: tuple[str, ...], gain: tuple[float, ...]) -> np.ndarray:
    """Three bands as float64 (y, x, 3) from 0 to 1; black where there is no data."""
    layers = np.stack([picture[BANDS.index(b)] * g for b, g in zip(bands, gain, strict=True)], axis=-1)
    return np.clip(np.nan_to_num(layers), 0.0, 1.0)

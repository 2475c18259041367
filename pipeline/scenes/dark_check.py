"""The pixels have a say in whether the offset of a scene was taken off as its item states.

An offset that is missed makes a whole scene 0.1 brighter, one that is taken off twice makes it 0.1 darker, and an item can
state either with no contradiction in it (Element84/earth-search issue 66, allenai/rslearn pull request 689). The witness
is the scene classification: ESA made it before any provider touched the numbers, so what it calls vegetation is
vegetation, and the dark end of vegetation is near 0 in visible and short-wave infrared light.

Every threshold is measured with `benchmarks/dark_check.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import RadiometryContradictedError

VEGETATION, WATER = 4, 6
"""Classes of the scene classification that are dark (`pipeline.cube.SceneClass`, which is above this in the walk)."""
VISIBLE = ("blue", "red")
"""Bands without which nothing is said."""
DARK_BANDS = ("blue", "green", "red", "swir16", "swir22")
"""Bands in which vegetation is dark; near infrared is not among them."""
MIN_VEGETATION_PX = 500
"""Pixels of vegetation (5 ha at 10 m) without which nothing is said; with 200, five hazed scenes are false alarms, not one."""
LOOKED_AT_PX = 1 << 15
"""Of larger arrays about so many pixels are looked at, evenly spread: the percentiles of more cost as much as reading them."""
LOWEST_PCT = 0.5
"""Percentile that stands for the darkest pixels when a scene seems too bright: one clear pixel in 200 refutes it."""
LOW_PCT = 10.0
"""Percentile that stands for the dark end when a scene seems too dark: a shadowed slope that was corrected too far is less."""
BRIGHTEST_LOWEST = 0.1
"""A scene is too bright when no band has vegetation darker than this: nothing reflects less than 0, and the offset is 0.1.
Right scenes that were clear to the eye had at most 0.06 in the darkest band, cloudy ones 0.1."""
FITTING_LOWEST = 0.08
"""Vegetation or water this dark in one band refutes a missed offset: it would reflect -0.02. Water of the short-wave
infrared that was corrected slightly below 0 still does not refute one."""
DARKEST_LOW = -0.03
"""A scene is too dark when blue and red of a tenth of its vegetation are below this; right scenes had at least 0.005, and
0.1 less is below it in 99 % of the clear ones."""
FITTING_LOW = -0.01
"""Between this and `DARKEST_LOW` nothing is said: too dark for vegetation, too bright for an offset taken off twice."""
LEAST_UNVEILED = 0.05
"""Median of swir16 minus blue of vegetation, below which thin cloud is the better explanation of a bright scene. An offset
cancels out in the difference; cloud lowers it. Right scenes have 0.135 (Amazon), 0.15 (Romania) and 0.07 (Czech spruce, a
fifth of which is given up by this); the one Romanian date under an even veil, two false alarms without this, has 0.03."""
BLUEST = 0.01
"""Median of blue minus red of vegetation, above which haze, which is blue, is the better explanation. Right scenes have 0 and
less, 95 % of the clear ones at most 0.005; without this ten hazed scenes of 1,661 would be false alarms, with it one."""

Kind = Literal["fits", "too_bright", "too_dark", "cannot_say"]


@dataclass(frozen=True, slots=True)
class DarkVerdict:
    """What the dark end of a scene says of its offset."""

    kind: Kind
    pixels: int
    """Pixels of vegetation with a number in every band."""
    low: Mapping[str, float]
    """The reflectance at `low_pct` of vegetation, by band; empty where nothing could be looked at."""
    low_pct: float = LOWEST_PCT


def check_dark(reflectance: Mapping[str, np.ndarray], scl: np.ndarray, where: str) -> None:
    """Return nothing when the dark end of the pixels does not contradict the offset that was used on them.

    Parameters
    ----------
    reflectance : mapping of float (y, x)
        By band name, as the stated radiometry makes it; NaN is no data. Any size and shape: a chunk or a scene.
    scl : uint8 (y, x)
        The scene classification of the same pixels.
    where : str
        Scene (and chunk), for the message.

    Raises
    ------
    RadiometryContradictedError
        The pixels say that the offset was missed or taken off twice. Too few pixels, haze or missing bands do not raise.
    """
    verdict = dark_verdict(reflectance, scl)
    if verdict.kind not in ("too_bright", "too_dark"):
        return
    missed = verdict.kind == "too_bright"
    low = ", ".join(f"{band} {value:.3f}" for band, value in verdict.low.items())
    raise RadiometryContradictedError(
        f"{where}: found the darkest {verdict.low_pct:g} % of {verdict.pixels} pixels of vegetation at {low}, expected them "
        f"near 0; the numbers look as if the offset had {'not been taken off' if missed else 'been taken off twice'}; "
        f'state the offset in the configuration of the area (offsets: {{"<scene id or pattern>": {-0.1 if missed else 0}}}), '
        "or set dark_check: false if this ground is really so"
    )


def dark_verdict(reflectance: Mapping[str, np.ndarray], scl: np.ndarray) -> DarkVerdict:
    """Return what the pixels say of the offset; the kind is `cannot_say` unless they are clear about it.

    Parameters
    ----------
    reflectance : mapping of float (y, x)
        By band name; NaN is no data. Without blue or red nothing is said, without swir16 nothing of too bright.
    scl : uint8 (y, x)
        The scene classification of the same pixels.

    Notes
    -----
    Water alone does not count, since the sun's glitter on it is as white as an offset; it only refutes.

    Examples
    --------
    >>> forest = {b: np.full((30, 30), v) for b, v in (("blue", 0.02), ("red", 0.02), ("swir16", 0.13))}
    >>> scl = np.full((30, 30), 4, "u1")
    >>> [dark_verdict({b: v + shift for b, v in forest.items()}, scl).kind for shift in (0.0, 0.1, -0.1)]
    ['fits', 'too_bright', 'too_dark']
    """
    thin = (slice(None, None, looked_at_step(scl.size)),) * scl.ndim
    scl, bands = scl[thin], {name: reflectance[name][thin] for name in DARK_BANDS if name in reflectance}
    has_data = np.isfinite(sum(bands.values(), np.zeros(scl.shape, np.float32)))
    vegetation = has_data & (scl == VEGETATION)
    pixels = int(vegetation.sum())
    if pixels < MIN_VEGETATION_PX or not set(VISIBLE) <= set(bands):
        return DarkVerdict("cannot_say", pixels, {})
    lowest, low = _percentiles(bands, vegetation)
    visible = max(low[name] for name in VISIBLE)
    if visible < DARKEST_LOW:
        return DarkVerdict("too_dark", pixels, low, LOW_PCT)
    if visible < FITTING_LOW:
        return DarkVerdict("cannot_say", pixels, lowest)
    water = has_data & (scl == WATER)
    dark = _percentiles(bands, vegetation | water)[0] if water.any() else lowest
    if min(dark.values()) < FITTING_LOWEST:
        return DarkVerdict("fits", pixels, lowest)
    is_bright = min(lowest.values()) >= BRIGHTEST_LOWEST and _is_unveiled(bands, vegetation)
    return DarkVerdict("too_bright" if is_bright else "cannot_say", pixels, lowest)


def looked_at_step(size: int) -> int:
    """Return the step at which the pixels of a picture of some size are looked at."""
    return max(1, round((size / LOOKED_AT_PX) ** 0.5))


def _percentiles(bands: Mapping[str, np.ndarray], where: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
    """The percentiles `LOWEST_PCT` and `LOW_PCT` of each band over some pixels."""
    found = {name: np.percentile(values[where], (LOWEST_PCT, LOW_PCT)) for name, values in bands.items()}
    return {name: float(both[0]) for name, both in found.items()}, {name: float(both[1]) for name, both in found.items()}


def _is_unveiled(bands: Mapping[str, np.ndarray], vegetation: np.ndarray) -> bool:
    """Whether neither haze nor thin cloud explains a bright scene; False without swir16."""
    if "swir16" not in bands:
        return False
    blue, red, swir16 = (bands[name][vegetation] for name in ("blue", "red", "swir16"))
    return float(np.median(swir16 - blue)) >= LEAST_UNVEILED and float(np.median(blue - red)) <= BLUEST

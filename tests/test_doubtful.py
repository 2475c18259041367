"""Ground under a cloud flag: many pixels at a time say what one at a time says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.cube import CLOUDY, Look, SceneClass, make_look
from pipeline.doubtful import DARKEST_OPAQUE_BLUE, LEAFLESS_NDVI, LIT_RED, WET_MNDWI, doubtful_mask
from pipeline.scenes import BANDS, Radiometry

RADIOMETRY = Radiometry(1e-4, -0.1)
NEAR = [0, 1, 1000, 1599, 1600, 1601, 1900, 2600, 3199, 3200, 3201, 6000, 65535]
"""Numbers at the limits of blue (0.22) and red (0.06), and others."""


def plainly(look: Look, where: np.ndarray) -> np.ndarray:
    """What `doubtful_mask` promises, in reflectance."""
    blue, green, red, nir, swir = (look.bands()[name] for name in ("blue", "green", "red", "nir", "swir16"))
    with np.errstate(invalid="ignore", divide="ignore"):
        ndvi, mndwi = (nir - red) / (nir + red), (green - swir) / (green + swir)
        is_lit = (blue < np.float32(DARKEST_OPAQUE_BLUE)) & (red > np.float32(LIT_RED)) & (ndvi < np.float32(LEAFLESS_NDVI))
        is_bare_or_wet = (swir > np.float32(1.5) * blue) | (mndwi > np.float32(WET_MNDWI))
    return np.isin(look.scl, [*CLOUDY, SceneClass.SNOW]) & where & is_lit & is_bare_or_wet


@given(
    arrays(np.uint16, (5, 2, 7), elements=st.sampled_from(NEAR)),
    arrays(np.uint8, (2, 7), elements=st.sampled_from([3, 4, 8, 9, 10, 11, 35, 40, 255])),
    arrays(bool, (2, 7)),
)
def test_whole_rows_are_marked_as_each_pixel_is(numbers: np.ndarray, scl: np.ndarray, where: np.ndarray) -> None:
    bands = dict(zip(("blue", "green", "red", "nir", "swir16"), numbers, strict=True))
    look = make_look(bands, dict.fromkeys(BANDS, RADIOMETRY), scl, 0)
    assert (doubtful_mask(look, where) == plainly(look, where)).all()
    assert (doubtful_mask(in_reflectance(look), where) == plainly(look, where)).all()


def in_reflectance(look: Look) -> Look:
    """The same look as reflectance."""
    return make_look(look.bands(), dict.fromkeys(BANDS, Radiometry(1.0, 0.0, -9999)), look.scl, 0)

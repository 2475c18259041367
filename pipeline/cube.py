"""Pixels in time: reflectance, scene classes and the clear mask of an area, date by date.

A cube is an `xr.Dataset` with dims (time, y, x): one float32 variable per band of `scenes.BANDS` (reflectance, NaN where
there is no data), `scl` (uint8) and `clear` (bool). `time` holds solar days.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import IntEnum

import numpy as np
import xarray as xr
from scipy import ndimage

from pipeline.errors import CubeContractError
from pipeline.indices import compute
from pipeline.scenes import BANDS, SCL

DIMS = ("time", "y", "x")


class SceneClass(IntEnum):
    """Classes of the Sentinel-2 scene classification (Sen2Cor; Sentinel-2 products specification 14.9)."""

    NO_DATA = 0
    SATURATED = 1
    DARK_AREA = 2
    CLOUD_SHADOW = 3
    VEGETATION = 4
    NOT_VEGETATED = 5
    WATER = 6
    UNCLASSIFIED = 7
    CLOUD_MEDIUM = 8
    CLOUD_HIGH = 9
    THIN_CIRRUS = 10
    SNOW = 11


CLOUDY = (SceneClass.CLOUD_SHADOW, SceneClass.CLOUD_MEDIUM, SceneClass.CLOUD_HIGH, SceneClass.THIN_CIRRUS)
"""Classes that hide the ground and whose rims do too."""
NEVER_CLEAR = (SceneClass.NO_DATA, SceneClass.SATURATED, SceneClass.SNOW, *CLOUDY)
"""Classes under which a pixel says nothing about the ground."""
DARKEST_OPAQUE_BLUE = 0.22
"""No opaque cloud is darker than this in blue reflectance: tailings and turbid ponds, which the scene classification
takes for cloud, are (their means are 0.11 to 0.12; see the signatures in `pipeline/demo`)."""


BRIGHTEST = 1.6
"""No ground reflects more: fresh snow that faces a low sun stays below. Beyond lie saturated lines (6.55 is the largest number
that a product can hold), which the scene classification does not always call so."""


def _disk(radius_px: int) -> np.ndarray:
    """Bool disk of a radius in pixels."""
    axis = np.arange(-radius_px, radius_px + 1)
    return np.hypot.outer(axis, axis) <= radius_px + 0.5


def clear_mask(scl: np.ndarray, has_data: np.ndarray, dilation_px: int = 2) -> np.ndarray:
    """Return where the ground is seen: bool (y, x), scene class not in `NEVER_CLEAR`, away from clouds, with data.

    Parameters
    ----------
    scl : uint8 (y, x)
    has_data : bool (y, x)
        Pixels with a number in every band that is used.
    dilation_px : int
        Clouds and shadows larger than a disk of this radius are grown by it: their rims are bright or dark unflagged.
        Smaller specks stay as they are, since bright ground comes in specks.

    Examples
    --------
    >>> clear_mask(np.array([[4, 5, 9]], "u1"), np.ones((1, 3), bool), 0).tolist()
    [[True, True, False]]
    """
    cloudy = np.isin(scl, CLOUDY)
    if dilation_px > 0 and cloudy.any():
        body = ndimage.binary_opening(cloudy, np.ones((3, 3), bool))
        cloudy |= ndimage.binary_dilation(body, _disk(dilation_px)) if body.any() else body
    return has_data & ~cloudy & ~np.isin(scl, NEVER_CLEAR)


def doubtful_mask(scl: np.ndarray, bands: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return where the scene classification says cloud, shadow or snow but the spectrum is one of bare ground or water.

    Bool (y, x). Too dark in blue for an opaque cloud, no vegetation under a thin one, and either redder than grey (bare
    ground) or wetter than bare (water). Such a pixel counts as ground only when it looks so on two or more looks in a
    row: what is bright or turbid and stays is ground (microsoft/sentinel2-cloud-detector issue 93, GERSL/Fmask4
    issue 39).
    """
    flagged = np.isin(scl, (*CLOUDY, SceneClass.SNOW))
    if not flagged.any():
        return flagged
    with np.errstate(invalid="ignore"):
        dark_enough = bands["blue"] < DARKEST_OPAQUE_BLUE
        no_leaves = compute("ndvi", bands) < 0.35
        bare = bands["swir16"] > 1.5 * bands["blue"]
        wet = compute("mndwi", bands) > 0.1
        lit = bands["red"] > 0.06
    return flagged & dark_enough & no_leaves & (bare | wet) & lit


def make_cube(days: Sequence[date], reflectance: Mapping[str, np.ndarray], scl: np.ndarray, dilation_px: int = 2) -> xr.Dataset:
    """Return a cube with its clear mask.

    Parameters
    ----------
    days : sequence of date
        Solar days, ascending.
    reflectance : mapping of float32 (time, y, x)
        By band name; NaN is no data. A band that the provider lacks is absent here.
    scl : uint8 (time, y, x)
    """
    variables = {name: (DIMS, reflectance[name]) for name in BANDS if name in reflectance}
    with np.errstate(invalid="ignore"):
        has_data = np.logical_and.reduce([array <= BRIGHTEST for _, array in variables.values()])
    clear = np.stack([clear_mask(scl[t], has_data[t], dilation_px) for t in range(len(days))])
    cube = xr.Dataset(
        {**variables, SCL: (DIMS, scl), "clear": (DIMS, clear)},
        coords={"time": np.array(days, dtype="datetime64[D]").astype("datetime64[ns]")},
    )
    check_cube(cube)
    return cube


def check_cube(cube: xr.Dataset) -> None:
    """Raise `CubeContractError` unless the cube is what the walk needs: dims, variables, dtypes, reflectance units."""
    for name in ("blue", "green", "red", "nir", "swir16", SCL, "clear"):
        if name not in cube:
            raise CubeContractError(f"found variables {sorted(map(str, cube))}, expected {name} among them")
        if cube[name].dims != DIMS:
            raise CubeContractError(f"found dims {cube[name].dims} of {name}, expected {DIMS}")
    for name in BANDS:
        if name in cube and cube[name].dtype != np.float32:
            raise CubeContractError(f"found {cube[name].dtype} in {name}, expected float32 reflectance, not numbers")


def bands_of(cube: xr.Dataset, time: int) -> dict[str, np.ndarray]:
    """Return the reflectance of one date by band name: float32 (y, x)."""
    return {name: cube[name].values[time] for name in BANDS if name in cube}

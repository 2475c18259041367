"""Pixels in time: reflectance, scene classes and the clear mask of an area, date by date.

A cube is an `xr.Dataset` with dims (time, y, x): one float32 variable per band of `scenes.BANDS` (reflectance, NaN where
there is no data), `scl` (uint8) and `clear` (bool). `time` holds solar days.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from functools import lru_cache

import numpy as np
import xarray as xr
from numba import njit

from pipeline.errors import CubeContractError
from pipeline.scenes import BANDS, SCL, Radiometry

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
BRIGHTEST = 1.6
"""No ground reflects more: fresh snow that faces a low sun stays below. Beyond lie saturated lines (6.55 is the largest number
that a product can hold), which the scene classification does not always call so."""


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def is_among(scl: np.uint8, classes: np.uint32) -> np.uint8:
    """Return 1 where a scene class has its bit in `classes`, see `bits_of`, else 0: without a branch or a table."""
    return np.uint8((classes >> np.uint32(scl & 31)) & 1) & np.uint8(scl < 32)


def bits_of(classes: Sequence[SceneClass]) -> np.uint32:
    """Return a number with a bit for each of some scene classes."""
    return np.uint32(sum(1 << int(k) for k in classes))


@njit(cache=True, nogil=True, error_model="numpy")
def _mark(mask: np.ndarray, scl: np.ndarray, classes: np.uint32) -> None:
    """Mark the pixels whose class is among some."""
    for y in range(scl.shape[0]):
        for x in range(scl.shape[1]):
            mask[y, x] = is_among(scl[y, x], classes)


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_clear(mask: np.ndarray, scl: np.ndarray, hidden: np.uint32, near_cloud: np.ndarray) -> None:
    """Take out of a mask the pixels whose class is among some, and those near a cloud."""
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            mask[y, x] &= ~(is_among(scl[y, x], hidden) | near_cloud[y, x]) & 1


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _has_any(row: np.ndarray) -> bool:
    """Whether a row of a mask has any pixel: all are looked at, many at once."""
    some = np.uint8(0)
    for x in range(len(row)):
        some |= row[x]
    return bool(some != 0)


def _grown(mask: np.ndarray, radius_px: float) -> np.ndarray:
    """A mask (y, x) grown by a disk."""
    reach = int(radius_px)
    out = np.zeros(mask.shape, np.uint8)
    half_width = np.array([int((radius_px**2 - rise**2) ** 0.5) for rise in range(-reach, reach + 1)])
    _spread(out, mask.view(np.uint8), half_width)
    return out.view(bool)


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(out: np.ndarray, mask: np.ndarray, half_width: np.ndarray) -> None:
    """Write a mask grown by a shape, of which the half width of each row is given: each row is widened once for all of them."""
    height, width = mask.shape
    reach, most = len(half_width) // 2, half_width.max()
    wide = np.empty((most + 1, width), np.uint8)
    for y in range(height):
        if not _has_any(mask[y]):
            continue
        wide[0] = mask[y]
        for by in range(1, most + 1):
            wide[by] = wide[by - 1]
            _combine(wide[by, by:], mask[y, : width - by])
            _combine(wide[by, : width - by], mask[y, by:])
        for k in range(len(half_width)):
            if 0 <= y + k - reach < height:
                _combine(out[y + k - reach], wide[half_width[k]])


@njit(cache=True, nogil=True, error_model="numpy")
def _combine(target: np.ndarray, other: np.ndarray) -> None:
    """Add one mask to another."""
    for i in range(min(len(target), len(other))):
        target[i] |= other[i]


def _bodies(mask: np.ndarray) -> np.ndarray:
    """The parts of a mask (y, x) in which a square of 3 x 3 pixels fits."""
    core, body = np.zeros((2, *mask.shape), np.uint8)
    _keep_cores(core, mask.view(np.uint8))
    _spread(body, core, np.ones(3, np.int64))
    return body.view(bool)


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_cores(core: np.ndarray, mask: np.ndarray) -> None:
    """Mark the pixels all of whose neighbours are in a mask: columns of three, then rows of three."""
    width = mask.shape[1]
    if width < 3:
        return
    columns = np.empty(width, np.uint8)
    for y in range(1, mask.shape[0] - 1):
        if _has_any(mask[y]):
            _combine_three(columns, mask[y - 1], mask[y], mask[y + 1])
            _combine_three(core[y, 1:-1], columns[:-2], columns[1:-1], columns[2:])


@njit(cache=True, nogil=True, error_model="numpy")
def _combine_three(target: np.ndarray, one: np.ndarray, two: np.ndarray, three: np.ndarray) -> None:
    """Write where all of three masks are."""
    for i in range(len(target)):
        target[i] = one[i] & two[i] & three[i]


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
    clear = has_data.copy()
    _keep_clear(clear.view(np.uint8), scl, bits_of(NEVER_CLEAR), _near_cloud(scl, dilation_px).view(np.uint8))
    return clear


def _near_cloud(scl: np.ndarray, dilation_px: int) -> np.ndarray:
    """Where a cloud or shadow lies within a number of pixels: bool (y, x); specks are none."""
    cloudy = np.zeros(scl.shape, bool)
    if dilation_px > 0:
        _mark(cloudy.view(np.uint8), scl, bits_of(CLOUDY))
        return _grown(_bodies(cloudy), dilation_px + 0.5)
    return cloudy


@dataclass(frozen=True)
class Look:
    """One solar day over a grid, in the numbers of its files: a night asks for the reflectance of few pixels."""

    numbers: Mapping[str, np.ndarray]
    """(y, x) by band of `scenes.BANDS`, all of one dtype: uint16, or float32 where they are reflectance already."""
    radiometry: Mapping[str, Radiometry]
    """How the numbers of each band become reflectance."""
    scl: np.ndarray
    """uint8 (y, x)."""
    clear: np.ndarray
    """bool (y, x): the ground is seen, see `clear_mask`."""
    has_data: np.ndarray
    """bool (y, x): every band has a number."""

    def reflectance_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the reflectance of some pixels (flat indices): float32 (band, n), NaN without data and in absent bands."""
        found = np.full((len(BANDS), len(rows)), np.nan, np.float32)
        names = tuple(name for name in BANDS if name in self.numbers)
        bands = tuple(np.ascontiguousarray(self.numbers[name]) for name in names)
        _pick(found, rows, bands, terms(self, names), np.array([BANDS.index(name) for name in names]))
        return found

    def bands(self, step: int = 1) -> dict[str, np.ndarray]:
        """Return the reflectance of every `step`-th pixel by band name: float32 (y, x), NaN without data."""
        thin = (slice(None, None, step),) * 2
        return {name: self.radiometry[name].to_reflectance(dn[thin]) for name, dn in self.numbers.items()}


AS_REFLECTANCE = Radiometry(1.0, 0.0, -9999)
"""Of float32 arrays that are reflectance already, NaN without data."""


def make_look(
    numbers: Mapping[str, np.ndarray], radiometry: Mapping[str, Radiometry], scl: np.ndarray, dilation_px: int = 2
) -> Look:
    """Return a look with its clear mask.

    `scl` may have a margin around the pixels of `numbers`: clouds there grow in from beyond.
    """
    numbers = {name: numbers[name] for name in BANDS if name in numbers}
    kind = np.result_type(*numbers.values())
    numbers = {name: dn.astype(kind, copy=False) for name, dn in numbers.items()}
    has_data, is_ground = _numbers_of(numbers, radiometry)
    margin = (scl.shape[0] - has_data.shape[0]) // 2
    inner = (slice(margin, scl.shape[0] - margin), slice(margin, scl.shape[1] - margin))
    _keep_clear(is_ground.view(np.uint8), scl[inner], bits_of(NEVER_CLEAR), _near_cloud(scl, dilation_px).view(np.uint8)[inner])
    return Look(numbers, radiometry, scl[inner], is_ground, has_data)


def look_of(cube: xr.Dataset, time: int = 0) -> Look:
    """Return one date of a cube as a look."""
    bands = bands_of(cube, time)
    radiometry = dict.fromkeys(bands, AS_REFLECTANCE)
    return Look(bands, radiometry, cube[SCL].values[time], cube["clear"].values[time], has_numbers(bands, radiometry))


def cube_of(look: Look, day: date) -> xr.Dataset:
    """Return a look as a cube of one date."""
    return _checked_cube([day], {n: array[None] for n, array in look.bands().items()}, look.scl[None], look.clear[None])


def stacked(looks: Iterable[tuple[date, Look]], most: int) -> xr.Dataset | None:
    """Return looks in time order, at most so many, as a cube, None where there are none.

    Each look is let go once it is in, so that no more is in memory than the cube.
    """
    days: list[date] = []
    planes: dict[str, np.ndarray] = {}
    for day, look in looks:
        for name, layer in ({**look.bands(), SCL: look.scl, "clear": look.clear}).items():
            if name not in planes:
                missing = np.nan if name in BANDS else 0
                planes[name] = np.full((most, *layer.shape), missing, layer.dtype)
            planes[name][len(days)] = layer
        days.append(day)
    whole = {name: plane[: len(days)] for name, plane in planes.items()}
    return _checked_cube(days, whole, whole[SCL], whole["clear"]) if days else None


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def reflectance_of(dn: float, terms: np.ndarray) -> np.float32:
    """Return one number as reflectance, as `Radiometry.to_reflectance` makes it; see `terms`."""
    value = np.float32(dn)
    return np.float32(np.nan) if value == terms[0] else value * terms[1] + terms[2]


@njit(cache=True, nogil=True, error_model="numpy")
def _pick(found: np.ndarray, rows: np.ndarray, bands: tuple[np.ndarray, ...], terms: np.ndarray, place: np.ndarray) -> None:
    """Write the reflectance of some pixels (flat indices), of each band to its place."""
    width = bands[0].shape[1]
    for i in range(len(rows)):
        y, x = rows[i] // width, rows[i] % width
        for k in range(len(bands)):
            found[place[k], i] = reflectance_of(bands[k][y, x], terms[k])


def has_numbers(numbers: Mapping[str, np.ndarray], radiometry: Mapping[str, Radiometry]) -> np.ndarray:
    """Return where every band has a number: bool (y, x)."""
    return _numbers_of(numbers, radiometry)[0]


def _numbers_of(numbers: Mapping[str, np.ndarray], radiometry: Mapping[str, Radiometry]) -> tuple[np.ndarray, np.ndarray]:
    """Where every band has a number, and where none is brighter than ground can be: bool (y, x) each."""
    shape = next(iter(numbers.values())).shape
    has_data, is_ground = np.ones(shape, bool), np.ones(shape, bool)
    used = [(radiometry[name], dn.dtype) for name, dn in numbers.items()]
    limits = np.array([(r.nodata, _largest(kind, r, BRIGHTEST)) for r, kind in used], np.float32)
    kind = np.result_type(*numbers.values())  # files of scenes that are merged may be of several
    bands = tuple(np.ascontiguousarray(dn, kind) for dn in numbers.values())
    _keep_numbers(has_data.view(np.uint8), is_ground.view(np.uint8), bands, limits)
    return has_data, is_ground


@lru_cache(maxsize=64)
def _largest(kind: np.dtype, radiometry: Radiometry, brightest: float) -> float:
    """The largest number of a kind whose reflectance is not above `brightest`, as a float32 has it."""
    if kind.kind == "f":
        largest = (brightest - radiometry.offset) / radiometry.scale
        near = np.float32(largest)
        return float(near if near <= largest else np.nextafter(near, np.float32(-np.inf)))
    numbers = np.arange(np.iinfo(kind).max + 1) if kind.itemsize <= 2 else np.arange(1 << 16)
    bright = numbers.astype(np.float32) * np.float32(radiometry.scale) + np.float32(radiometry.offset) > np.float32(brightest)
    return int(numbers[bright.argmax()]) - 1 if bright.any() else int(numbers[-1])


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_numbers(has_data: np.ndarray, is_ground: np.ndarray, bands: tuple[np.ndarray, ...], limits: np.ndarray) -> None:
    """Take out of two masks where a band has no data, and where it has none or is too bright for ground, row by row.

    `limits` (band, 2) are the number of no data and the largest of ground.
    """
    for y in range(has_data.shape[0]):
        for k in range(len(bands)):
            nodata, largest = limits[k]
            for x in range(has_data.shape[1]):
                value = np.float32(bands[k][y, x])
                is_number = np.uint8(value != nodata) & np.uint8(value == value)  # noqa: PLR0124 - not so of NaN
                has_data[y, x] &= is_number
                is_ground[y, x] &= is_number & np.uint8(value <= largest)


def terms(look: Look, names: Sequence[str]) -> np.ndarray:
    """Return no-data, scale and offset of some bands of a look, for kernels: float32 (band, 3)."""
    used = [look.radiometry[name] for name in names]
    return np.array([(r.nodata, r.scale, r.offset) for r in used], np.float32)


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
    radiometry = dict.fromkeys(reflectance, AS_REFLECTANCE)
    looks = [make_look({n: a[t] for n, a in reflectance.items()}, radiometry, scl[t], dilation_px) for t in range(len(days))]
    return _checked_cube(days, reflectance, scl, np.stack([look.clear for look in looks]))


def _checked_cube(
    days: Sequence[date], reflectance: Mapping[str, np.ndarray], scl: np.ndarray, clear: np.ndarray
) -> xr.Dataset:
    """A cube of its parts."""
    variables = {name: (DIMS, reflectance[name]) for name in BANDS if name in reflectance}
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

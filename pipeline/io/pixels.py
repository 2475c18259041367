"""Pixels of scenes, read on the working grid: windows only, first scene first, never a partial file in silence."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import rasterio
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError, RasterioIOError

from pipeline import geo
from pipeline.cube import AS_REFLECTANCE, Look, cube_of, has_numbers, make_look, stacked
from pipeline.errors import (
    ProviderForbiddenError,
    SceneEmptyError,
    SceneError,
    SceneGoneError,
    SceneUnreadableError,
)
from pipeline.io.rasters import GDAL_CACHE_MB, Panes, read_band
from pipeline.io.web import GoneError, shown
from pipeline.io.windows import Opener, open_path
from pipeline.scenes import BANDS, SCL, Acquisition, Radiometry, Scene, check_dark, looked_at_step


@dataclass(frozen=True, slots=True)
class Reading:
    """How acquisitions of one catalogue are read."""

    opener: Opener = open_path
    """How files are opened."""
    dilation_px: int = 2
    """Clouds and shadows are grown by this."""
    has_dark_check: bool = True
    """Scenes whose dark pixels contradict the stated offset fail."""
    panes: Panes | None = None
    """Where decoded blocks are kept for the neighbours."""


PLAIN = Reading()
BANDS_AT_ONCE = 4
"""Files of one scene that are read at the same time where they lie on a server."""


def read_scene(scene: Scene, grid: GeoBox, opener: Opener = open_path) -> dict[str, np.ndarray]:
    """Return the scene on the grid: float32 reflectance (y, x) by band, NaN without data; `scl` uint8. See `read_numbers`."""
    radiometry = {name: asset.radiometry for name, asset in scene.assets.items() if asset.radiometry is not None}
    numbers = read_numbers(scene, grid, opener)
    return {name: radiometry[name].to_reflectance(dn) if name in radiometry else dn for name, dn in numbers.items()}


def read_numbers(
    scene: Scene, grid: GeoBox, opener: Opener = open_path, *, panes: Panes | None = None, margin: int = 0
) -> dict[str, np.ndarray]:
    """Return the numbers of a scene on the grid: (y, x) by band, as its files hold them, and `scl` uint8.

    The scene classes are read with a margin of pixels beyond the grid; blocks are decoded once where `panes` is given.

    Raises
    ------
    SceneUnreadableError
        A file is absent, truncated or no raster, or its server does not give it; the message names scene, band and file.
    ProviderError
        One of its children: the server fails for now. That is no fact about the scene, so the run stops there.
    """
    names = [name for name in scene.assets if name in {*BANDS, SCL}]
    grids = {name: grid.pad(margin) if name == SCL and margin else grid for name in names}
    is_far = any(scene.assets[name].href.startswith(("https://", "http://", "s3://")) for name in names)
    if not is_far:
        with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB):
            return {name: _layer(scene, name, grids[name], opener, panes) for name in names}
    with ThreadPoolExecutor(BANDS_AT_ONCE) as pool:
        return dict(zip(names, pool.map(lambda name: _layer(scene, name, grids[name], opener, panes), names), strict=True))


def _layer(scene: Scene, band: str, grid: GeoBox, opener: Opener, panes: Panes | None) -> np.ndarray:
    """One layer of a scene; what goes wrong is told as a fact about this file."""
    asset = scene.assets[band]
    nodata = asset.radiometry.nodata if asset.radiometry else 0
    where = f"scene {scene.id}, band {band}: {_shown(asset.href)}"
    try:
        dn = read_band(opener, asset.href, grid, nodata, is_classes=band == SCL, panes=panes)
    except (GoneError, ProviderForbiddenError) as error:
        raise SceneGoneError(
            f"{where} is listed by the catalogue and not given by its server ({error}); expected a file; the next run tries "
            "again"
        ) from error
    except (RasterioIOError, RasterioError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise SceneUnreadableError(
            f"{where} cannot be read ({reason}); expected a whole raster; fetch the file again, the next run takes the "
            "scene then"
        ) from error
    return dn.astype(np.uint8, copy=False) if band == SCL else dn


def _shown(href: str) -> str:
    """Address or path for people."""
    return shown(href) if "://" in href else href


def read_acquisition(
    acquisition: Acquisition, grid: GeoBox, reading: Reading = PLAIN
) -> tuple[xr.Dataset | None, dict[str, SceneError]]:
    """Return the cube of one acquisition (time of length 1), or None, and the scenes that failed by id; see `read_look`."""
    look, failed = read_look(acquisition, grid, reading)
    return (None if look is None else cube_of(look, acquisition.solar_day)), failed


def read_look(acquisition: Acquisition, grid: GeoBox, reading: Reading = PLAIN) -> tuple[Look | None, dict[str, SceneError]]:
    """Return one acquisition in the numbers of its files, or None, and the scenes that failed by id.

    Scenes are merged in their order; where they overlap the first one with data counts. A scene that cannot be read, or
    whose footprint covers the grid but which holds nothing but no-data there, fails with its named error and the others
    are used. Of the scene classes more than the grid is read, so that clouds beyond its edge grow into it: where chunks are
    cut does not change what is clear.
    """
    margin = reading.dilation_px + 2
    read: list[_Layers] = []
    failed: dict[str, SceneError] = {}
    for scene in acquisition.scenes:
        try:
            read.append(_whole_scene(scene, grid, reading, margin))
        except SceneError as error:
            failed[scene.id] = error
    if not read:
        return None, failed
    merged = _merged(read)
    return make_look(merged.numbers, merged.radiometry, merged.scl, reading.dilation_px), failed


@dataclass(frozen=True)
class _Layers:
    """What was read of one scene, or of several on one day."""

    numbers: dict[str, np.ndarray]
    radiometry: dict[str, Radiometry]
    scl: np.ndarray

    def in_reflectance(self) -> "_Layers":
        """The same as reflectance, which scenes of different radiometry share."""
        bands = {name: self.radiometry[name].to_reflectance(dn) for name, dn in self.numbers.items()}
        return _Layers(bands, dict.fromkeys(bands, AS_REFLECTANCE), self.scl)


def _merged(read: list[_Layers]) -> _Layers:
    """One picture of several: the first with data in every band counts."""
    first = read[0]
    if any(layers.radiometry != first.radiometry for layers in read[1:]):
        read = [layers.in_reflectance() for layers in read]
        first = read[0]
    taken = has_numbers(first.numbers, first.radiometry) if len(read) > 1 else np.zeros(0)
    numbers, radiometry, scl = dict(first.numbers), dict(first.radiometry), first.scl
    for layers in read[1:]:
        for band, array in layers.numbers.items():
            numbers[band] = np.where(taken, numbers[band], array) if band in numbers else array
            radiometry[band] = layers.radiometry[band]
        scl = _merged_classes(scl, layers.scl, taken)
        taken |= has_numbers(layers.numbers, layers.radiometry)
    return _Layers(numbers, radiometry, scl)


def _merged_classes(first: np.ndarray, other: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Scene classes of two scenes, which reach beyond the pixels of `taken`; there the first that has a class counts."""
    margin = (first.shape[0] - taken.shape[0]) // 2
    kept = first > 0
    kept[margin : first.shape[0] - margin, margin : first.shape[1] - margin] = taken
    return np.where(kept, first, other)


def _whole_scene(scene: Scene, grid: GeoBox, reading: Reading, margin: int) -> _Layers:
    """The layers of a scene, refused where it has no data though its footprint promises some, or its pixels contradict it."""
    layers = read_numbers(scene, grid, reading.opener, panes=reading.panes, margin=margin)
    scl = layers.pop(SCL)
    radiometry = {band: r for band in layers if (r := scene.assets[band].radiometry) is not None}
    if not any((dn != radiometry[band].nodata).any() for band, dn in layers.items()) and _covers(scene, grid):
        raise SceneEmptyError(
            f"scene {scene.id}: found no pixel with data although its footprint covers the area; expected numbers "
            f"above 0 in {next(iter(scene.assets.values())).href} and its sister files; fetch them again"
        )
    if reading.has_dark_check:
        inner = scl[margin:-margin, margin:-margin]
        thin = (slice(None, None, looked_at_step(inner.size)),) * 2
        check_dark({b: radiometry[b].to_reflectance(dn[thin]) for b, dn in layers.items()}, inner[thin], f"scene {scene.id}")
    return _Layers(layers, radiometry, scl)


def _covers(scene: Scene, grid: GeoBox) -> bool:
    """Whether a scene's footprint covers most of the grid."""
    box = geo.on_globe(geo.reproject(shapely.box(*grid.boundingbox), f"EPSG:{grid.crs.to_epsg()}", geo.WGS84))
    return bool(scene.footprint.intersection(box).area > 0.5 * box.area)


def read_cube(acquisitions: Sequence[Acquisition], grid: GeoBox, reading: Reading = PLAIN) -> xr.Dataset | None:
    """Return the cube of several acquisitions in time order, None where none can be read; for the reference."""
    read = ((a.solar_day, read_look(a, grid, reading)[0]) for a in acquisitions)
    return stacked(((day, look) for day, look in read if look is not None), len(acquisitions))

"""Pixels of scenes, read on the working grid: windows only, first scene first, never a partial file in silence."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import rasterio
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from pipeline import geo
from pipeline.cube import make_cube
from pipeline.errors import (
    ProviderForbiddenError,
    SceneEmptyError,
    SceneError,
    SceneGoneError,
    SceneUnreadableError,
)
from pipeline.io.web import GoneError, shown
from pipeline.io.windows import Opener, open_path
from pipeline.scenes import BANDS, SCL, Acquisition, Scene, check_dark


@dataclass(frozen=True, slots=True)
class Reading:
    """How acquisitions of one catalogue are read."""

    opener: Opener = open_path
    """How files are opened."""
    dilation_px: int = 2
    """Clouds and shadows are grown by this."""
    has_dark_check: bool = True
    """Scenes whose dark pixels contradict the stated offset fail."""


PLAIN = Reading()
BANDS_AT_ONCE = 4
"""Files of one scene that are read at the same time where they lie on a server."""


def _aligned_window(source: rasterio.DatasetReader, grid: GeoBox) -> Window | None:
    """The window of a file that is the grid, or None where its pixels are not the grid's pixels."""
    if source.crs is None or source.crs.to_epsg() != grid.crs.to_epsg():
        return None
    own, want = source.transform, grid.affine
    if abs(own.a - want.a) > 1e-9 or abs(own.e - want.e) > 1e-9 or own.b or own.d:
        return None
    column, row = (want.c - own.c) / own.a, (want.f - own.f) / own.e
    if abs(column - round(column)) > 1e-3 or abs(row - round(row)) > 1e-3:
        return None
    return Window(round(column), round(row), grid.shape[1], grid.shape[0])


def _read_band(opener: Opener, href: str, grid: GeoBox, *, is_classes: bool, nodata: int) -> np.ndarray:
    """Numbers of one file on the grid; `nodata` outside of the file. Bilinear where it must be resampled."""
    with opener(href) as source:
        window = _aligned_window(source, grid)
        if window is not None:
            return _read_window(source, window, nodata)
        resampling = Resampling.nearest if is_classes else Resampling.bilinear
        with WarpedVRT(
            source, crs=f"EPSG:{grid.crs.to_epsg()}", transform=grid.affine, height=grid.shape[0], width=grid.shape[1],
            resampling=resampling, src_nodata=nodata, nodata=nodata,
        ) as warped:  # fmt: skip
            return warped.read(1)


def _read_window(source: rasterio.DatasetReader, window: Window, nodata: int) -> np.ndarray:
    """Numbers of a window that may reach past the file; `nodata` there.

    rasterio's own reading past the edge goes through a virtual warp, which is slower.
    """
    top, left = max(window.row_off, 0), max(window.col_off, 0)
    bottom = min(window.row_off + window.height, source.height)
    right = min(window.col_off + window.width, source.width)
    out = np.full((window.height, window.width), nodata, source.dtypes[0])
    if top < bottom and left < right:
        rows, columns = (slice(a - o, b - o) for a, b, o in ((top, bottom, window.row_off), (left, right, window.col_off)))
        out[rows, columns] = source.read(1, window=Window(left, top, right - left, bottom - top))
    return out


def read_scene(scene: Scene, grid: GeoBox, opener: Opener = open_path) -> dict[str, np.ndarray]:
    """Return the scene on the grid: float32 reflectance (y, x) by band, NaN without data, and `scl` uint8.

    Raises
    ------
    SceneUnreadableError
        A file is absent, truncated or no raster, or its server does not give it; the message names scene, band and file.
    ProviderError
        One of its children: the server fails for now. That is no fact about the scene, so the run stops there.
    """
    names = [name for name in scene.assets if name in {*BANDS, SCL}]
    is_far = any(scene.assets[name].href.startswith(("https://", "http://", "s3://")) for name in names)
    if not is_far:
        return {name: _layer(scene, name, grid, opener) for name in names}
    with ThreadPoolExecutor(BANDS_AT_ONCE) as pool:
        return dict(zip(names, pool.map(lambda name: _layer(scene, name, grid, opener), names), strict=True))


def _layer(scene: Scene, band: str, grid: GeoBox, opener: Opener) -> np.ndarray:
    """One layer of a scene; what goes wrong is told as a fact about this file."""
    asset = scene.assets[band]
    nodata = asset.radiometry.nodata if asset.radiometry else 0
    where = f"scene {scene.id}, band {band}: {_shown(asset.href)}"
    try:
        dn = _read_band(opener, asset.href, grid, is_classes=band == SCL, nodata=nodata)
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
    return asset.radiometry.to_reflectance(dn) if asset.radiometry else dn.astype(np.uint8)


def _shown(href: str) -> str:
    """Address or path for people."""
    return shown(href) if "://" in href else href


def read_acquisition(
    acquisition: Acquisition, grid: GeoBox, reading: Reading = PLAIN
) -> tuple[xr.Dataset | None, dict[str, SceneError]]:
    """Return the cube of one acquisition (time of length 1), or None, and the scenes that failed by id.

    Scenes are merged in their order; where they overlap the first one with data counts. A scene that cannot be read, or
    whose footprint covers the grid but which holds nothing but no-data there, fails with its named error and the others
    are used. More than the grid is read, so that clouds beyond its edge grow into it: where chunks are cut does not
    change what is clear.
    """
    margin = reading.dilation_px + 2
    wide = grid.pad(margin)
    merged: dict[str, np.ndarray] = {}
    failed: dict[str, SceneError] = {}
    taken = np.zeros(wide.shape, bool)
    for scene in acquisition.scenes:
        try:
            layers = _whole_scene(scene, wide, grid, reading)
        except SceneError as error:
            failed[scene.id] = error
            continue
        for band, array in layers.items():
            merged[band] = np.where(taken, merged[band], array) if band in merged else array
        taken |= np.logical_and.reduce([np.isfinite(layers[b]) for b in BANDS if b in layers])
    if not merged:
        return None, failed
    reflectance = {b: merged[b][None] for b in BANDS if b in merged}
    cube = make_cube([acquisition.solar_day], reflectance, merged[SCL][None], reading.dilation_px)
    inner = slice(margin, -margin)
    return cube.isel(y=inner, x=inner), failed


def _whole_scene(scene: Scene, wide: GeoBox, grid: GeoBox, reading: Reading) -> dict[str, np.ndarray]:
    """The layers of a scene, refused where it has no data though its footprint promises some, or its pixels contradict it."""
    layers = read_scene(scene, wide, reading.opener)
    if not any(np.isfinite(layers[b]).any() for b in BANDS if b in layers) and _covers(scene, grid):
        raise SceneEmptyError(
            f"scene {scene.id}: found no pixel with data although its footprint covers the area; expected numbers "
            f"above 0 in {next(iter(scene.assets.values())).href} and its sister files; fetch them again"
        )
    if reading.has_dark_check:
        check_dark({b: layers[b] for b in BANDS if b in layers}, layers[SCL], f"scene {scene.id}")
    return layers


def _covers(scene: Scene, grid: GeoBox) -> bool:
    """Whether a scene's footprint covers most of the grid."""
    box = geo.on_globe(geo.reproject(shapely.box(*grid.boundingbox), f"EPSG:{grid.crs.to_epsg()}", geo.WGS84))
    return bool(scene.footprint.intersection(box).area > 0.5 * box.area)


def read_cube(acquisitions: Sequence[Acquisition], grid: GeoBox, reading: Reading = PLAIN) -> xr.Dataset | None:
    """Return the cube of several acquisitions in time order, None where none can be read; for the reference."""
    cubes = [read_acquisition(a, grid, reading)[0] for a in acquisitions]
    whole = [cube for cube in cubes if cube is not None]
    return xr.concat(whole, dim="time") if whole else None

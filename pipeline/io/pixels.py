"""Pixels of scenes, read on the working grid: windows only, first scene first, never a partial file in silence."""

from collections.abc import Sequence

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
from pipeline.errors import SceneEmptyError, SceneError, SceneUnreadableError
from pipeline.scenes import BANDS, SCL, Acquisition, Scene

GDAL_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_TIMEOUT": "60",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff,.jp2",
}


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


def _read_band(href: str, grid: GeoBox, *, is_classes: bool, nodata: int) -> np.ndarray:
    """Numbers of one file on the grid; `nodata` outside of the file. Bilinear where it must be resampled."""
    with rasterio.Env(**GDAL_SETTINGS), rasterio.open(href) as source:
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


def read_scene(scene: Scene, grid: GeoBox) -> dict[str, np.ndarray]:
    """Return the scene on the grid: float32 reflectance (y, x) by band, NaN without data, and `scl` uint8.

    Raises
    ------
    SceneUnreadableError
        A file is absent, truncated or no raster; the message names scene, band and file.
    """
    out: dict[str, np.ndarray] = {}
    for band, asset in scene.assets.items():
        nodata = asset.radiometry.nodata if asset.radiometry else 0
        try:
            dn = _read_band(asset.href, grid, is_classes=band == SCL, nodata=nodata)
        except (RasterioIOError, RasterioError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise SceneUnreadableError(
                f"scene {scene.id}, band {band}: {asset.href} cannot be read ({reason}); expected a whole raster; "
                "fetch the file again, the next run takes the scene then"
            ) from error
        out[band] = asset.radiometry.to_reflectance(dn) if asset.radiometry else dn.astype(np.uint8)
    return out


def read_acquisition(
    acquisition: Acquisition, grid: GeoBox, *, dilation_px: int = 2
) -> tuple[xr.Dataset | None, dict[str, SceneError]]:
    """Return the cube of one acquisition (time of length 1), or None, and the scenes that failed by id.

    Scenes are merged in their order; where they overlap the first one with data counts. A scene that cannot be read, or
    whose footprint covers the grid but which holds nothing but no-data there, fails with its named error and the others
    are used. More than the grid is read, so that clouds beyond its edge grow into it: where chunks are cut does not
    change what is clear.
    """
    margin = dilation_px + 2
    wide = grid.pad(margin)
    merged: dict[str, np.ndarray] = {}
    failed: dict[str, SceneError] = {}
    taken = np.zeros(wide.shape, bool)
    for scene in acquisition.scenes:
        try:
            layers = _whole_scene(scene, wide, grid)
        except SceneError as error:
            failed[scene.id] = error
            continue
        for band, array in layers.items():
            merged[band] = np.where(taken, merged[band], array) if band in merged else array
        taken |= np.logical_and.reduce([np.isfinite(layers[b]) for b in BANDS if b in layers])
    if not merged:
        return None, failed
    reflectance = {b: merged[b][None] for b in BANDS if b in merged}
    cube = make_cube([acquisition.solar_day], reflectance, merged[SCL][None], dilation_px)
    inner = slice(margin, -margin)
    return cube.isel(y=inner, x=inner), failed


def _whole_scene(scene: Scene, wide: GeoBox, grid: GeoBox) -> dict[str, np.ndarray]:
    """The layers of a scene; `SceneEmptyError` where its footprint promises data of the grid and there is none."""
    layers = read_scene(scene, wide)
    if not any(np.isfinite(layers[b]).any() for b in BANDS if b in layers) and _covers(scene, grid):
        raise SceneEmptyError(
            f"scene {scene.id}: found no pixel with data although its footprint covers the area; expected numbers "
            f"above 0 in {next(iter(scene.assets.values())).href} and its sister files; fetch them again"
        )
    return layers


def _covers(scene: Scene, grid: GeoBox) -> bool:
    """Whether a scene's footprint covers most of the grid."""
    box = geo.reproject(shapely.box(*grid.boundingbox), f"EPSG:{grid.crs.to_epsg()}", geo.WGS84)
    return bool(scene.footprint.intersection(box).area > 0.5 * box.area)


def read_cube(acquisitions: Sequence[Acquisition], grid: GeoBox, *, dilation_px: int = 2) -> xr.Dataset | None:
    """Return the cube of several acquisitions in time order, None where none can be read; for the reference."""
    cubes = [read_acquisition(a, grid, dilation_px=dilation_px)[0] for a in acquisitions]
    whole = [cube for cube in cubes if cube is not None]
    return xr.concat(whole, dim="time") if whole else None

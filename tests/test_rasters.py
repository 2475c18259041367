"""Numbers of one file on a grid: coarser pixels as GDAL refines them, and each block decoded once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from pipeline.io.providers.local_catalog import LocalCatalog
from pipeline.io.rasters import Panes, _warped, read_band
from pipeline.io.windows import open_path

EPSG, LEFT, TOP = 32721, 600_000, 9_300_000


def write(path: Path, array: np.ndarray, pixel: float = 10.0, block: int = 16) -> str:
    with rasterio.open(
        path, "w", driver="GTiff", height=array.shape[0], width=array.shape[1], count=1, dtype=array.dtype, nodata=0,
        crs=f"EPSG:{EPSG}", transform=Affine(pixel, 0, LEFT, 0, -pixel, TOP), tiled=True, blockxsize=block, blockysize=block,
    ) as out:  # fmt: skip
        out.write(array, 1)
    return str(path)


def grid(row: int, column: int, rows: int, columns: int) -> GeoBox:
    return GeoBox((rows, columns), Affine(10.0, 0, LEFT + 10 * column, 0, -10.0, TOP - 10 * row), f"EPSG:{EPSG}")


@pytest.mark.parametrize("place", [(0, 0, 40, 40), (3, 8, 17, 12), (-4, -5, 20, 60), (31, 33, 30, 30)], ids=str)
@pytest.mark.parametrize("is_classes", [False, True])
@pytest.mark.parametrize("pixel", [20.0, 60.0])
@pytest.mark.parametrize("gaps", [0.0, 0.02, 0.15])
def test_coarser_pixels_are_refined_as_gdal_refines_them(
    tmp_path: Path, place: tuple, is_classes: bool, pixel: float, gaps: float
) -> None:
    rng = np.random.default_rng(3)
    coarse = rng.integers(1, 10000, (20, 20)).astype("u2")
    coarse[rng.random(coarse.shape) < gaps] = 0  # no data
    href = write(tmp_path / "coarse.tif", coarse, pixel)
    ours = read_band(open_path, href, grid(*place), 0, is_classes=is_classes)
    with rasterio.open(href) as source:
        theirs = _warped(source, grid(*place), 0, is_classes=is_classes)
    apart = np.abs(ours.astype(int) - theirs)
    assert ((ours > 0) == (theirs > 0)).all()
    if pixel == 20.0 or is_classes:
        assert (apart == 0).all()
    else:  # sixths are no binary fractions: a half may be rounded to the other side
        assert apart.max() <= 1
        assert (apart > 0).mean() < 0.1


@pytest.mark.parametrize("place", [(0, 0, 40, 40), (5, 9, 20, 20), (-3, 30, 20, 20), (90, 90, 5, 5)], ids=str)
def test_blocks_that_are_kept_give_what_the_file_gives(tmp_path: Path, place: tuple) -> None:
    array = np.random.default_rng(1).integers(1, 9999, (40, 50)).astype("u2")
    href, panes = write(tmp_path / "a.tif", array), Panes()
    for _ in range(2):
        kept = read_band(open_path, href, grid(*place), 0, is_classes=False, panes=panes)
        assert (kept == read_band(open_path, href, grid(*place), 0, is_classes=False)).all()


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    panes = Panes()
    for value in (5, 7):
        href = write(tmp_path / "a.tif", np.full((20, 20 + value), value, "u2"))
        assert (read_band(open_path, href, grid(0, 0, 9, 9), 0, is_classes=False, panes=panes) == value).all()


def test_threads_that_want_one_block_decode_it_once() -> None:
    panes, calls, barrier = Panes(), [], threading.Barrier(4)

    def read() -> np.ndarray:
        calls.append(1)
        return np.arange(6)

    def want(_: int) -> int:
        barrier.wait()
        return int(panes.get("a", read).sum())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(want, range(4))) == [15] * 4
    assert len(calls) == 1


def test_a_block_that_cannot_be_read_is_tried_again_by_the_next() -> None:
    panes = Panes()

    def fails() -> np.ndarray:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        panes.get("a", fails)
    assert panes.get("a", lambda: np.ones(1)).sum() == 1


def test_no_more_than_the_limit_is_held_and_the_last_used_stays() -> None:
    panes, calls = Panes(held_bytes=20), []

    def block(name: str) -> np.ndarray:
        calls.append(name)
        return np.zeros(10, np.uint8)

    for name in "abac":  # b was not asked for the longest
        panes.get(name, lambda name=name: block(name))
    for name in "acb":
        panes.get(name, lambda name=name: block(name))
    assert calls == ["a", "b", "c", "b"]


def test_a_night_over_a_local_catalogue_keeps_its_files_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    href, opened = write(tmp_path / "a.tif", np.ones((40, 40), "u2")), []
    opener = rasterio.open
    monkeypatch.setattr(rasterio, "open", lambda path: opened.append(path) or opener(path))
    panes = Panes()
    for column in (0, 20):
        read_band(LocalCatalog.open, href, grid(0, column, 40, 20), 0, is_classes=False, panes=panes)
    assert opened == [href]

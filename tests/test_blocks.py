"""Blocks of GeoTIFFs: what is decoded here is what GDAL reads, and all else is left to GDAL."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from pipeline.io import blocks
from pipeline.io.blocks import is_plain, read_blocks

PLACE = rasterio.Affine(10, 0, 400_000, 0, -10, 9_300_000)
PLAIN = {"driver": "GTiff", "compress": "deflate", "predictor": 2, "tiled": True, "blockxsize": 32, "blockysize": 16}


def written(path: Path, numbers: np.ndarray, **options: object) -> Path:
    """A file of one band, or of those of (band, y, x)."""
    bands = numbers if numbers.ndim == 3 else numbers[None]
    count, height, width = bands.shape
    profile = PLAIN | {"dtype": numbers.dtype, "count": count, "height": height, "width": width, "transform": PLACE} | options
    with rasterio.open(path, "w", crs="EPSG:32721", **profile) as out:
        out.write(bands)
    return path


def numbers_of(kind: str, height: int, width: int) -> np.ndarray:
    """Numbers that use the whole range of a type, so that differences of neighbours wrap."""
    info = np.iinfo(kind)
    return np.random.default_rng(height * width).integers(info.min, info.max, (height, width), dtype=kind, endpoint=True)


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(["uint8", "uint16"]), shape=st.tuples(st.integers(1, 70), st.integers(1, 100)),
    options=st.fixed_dictionaries({"predictor": st.sampled_from([1, 2]), "tiled": st.booleans()}), data=st.data(),
)  # fmt: skip
def test_any_blocks_of_a_plain_file_are_what_gdal_reads(
    tmp_path_factory: pytest.TempPathFactory, kind: str, shape: tuple[int, int], options: dict[str, object], data: st.DataObject
) -> None:
    height, width = shape
    strips = {} if options["tiled"] else {"blockxsize": None, "blockysize": 8}
    path = written(tmp_path_factory.mktemp("blocks") / "band.tif", numbers_of(kind, height, width), **options, **strips)
    with rasterio.open(path) as source:
        rows, columns = source.block_shapes[0]
        top, left = (data.draw(st.integers(0, (n - 1) // step)) * step for n, step in ((height, rows), (width, columns)))
        bottom = min(top + rows * data.draw(st.integers(1, 4)), height)
        right = min(left + columns * data.draw(st.integers(1, 3)), width)
        window = Window(left, top, right - left, bottom - top)
        assert is_plain(source)
        found = blocks._decoded(source, window)
        assert found is not None
        assert found.dtype == source.dtypes[0]
        np.testing.assert_array_equal(found, source.read(1, window=window))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("uint16", {"compress": "lzw"}),
        ("uint16", {"compress": "zstd"}),
        ("uint16", {"compress": None, "predictor": 1}),
        ("uint16", {"nbits": 12, "predictor": 1}),
        ("int16", {}),
        ("float32", {"predictor": 3}),
        ("uint16", {"driver": "COG", "predictor": "YES", "compress": "LZW"}),
        ("uint16", {"driver": "JP2OpenJPEG", "quality": 100, "reversible": "YES", "blockxsize": 64, "blockysize": 64}),
    ],
)
def test_other_files_are_read_by_gdal(tmp_path: Path, kind: str, options: dict[str, object]) -> None:
    numbers = (numbers_of("uint16", 40, 50) % 4096).astype(kind)
    with rasterio.open(written(tmp_path / "band.tif", numbers, **options)) as source:
        assert not is_plain(source)
        np.testing.assert_array_equal(read_blocks(source, Window(0, 0, 50, 40)), numbers)


def test_no_word_of_a_predictor_is_no_answer_of_a_gdal_that_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "band.tif", numbers_of("uint16", 40, 50), predictor=1)
    with rasterio.open(path) as source:
        assert is_plain(source)
        monkeypatch.setattr(blocks, "_names_predictors", lambda: False)
        assert not is_plain(source)


def test_files_of_several_bands_are_read_by_gdal(tmp_path: Path) -> None:
    numbers = np.stack([numbers_of("uint16", 40, 50), numbers_of("uint16", 40, 50)[::-1]])
    with rasterio.open(written(tmp_path / "band.tif", numbers, interleave="band")) as source:
        np.testing.assert_array_equal(read_blocks(source, Window(0, 0, 50, 40)), numbers[0])


def test_a_file_with_the_high_byte_first_is_read_by_gdal(tmp_path: Path) -> None:
    numbers, window = numbers_of("uint16", 40, 50), Window(0, 0, 50, 40)
    with rasterio.open(written(tmp_path / "band.tif", numbers, endianness="BIG")) as source:
        assert blocks._decoded(source, window) is None
        np.testing.assert_array_equal(read_blocks(source, window), numbers)


def test_a_block_that_is_not_stored_is_no_data(tmp_path: Path) -> None:
    path = tmp_path / "band.tif"
    profile = {**PLAIN, "dtype": "uint16", "count": 1, "height": 32, "width": 64, "sparse_ok": True, "transform": PLACE}
    with rasterio.open(path, "w", **profile) as out:
        out.write(np.full((16, 32), 7, np.uint16), 1, window=Window(0, 0, 32, 16))
    with rasterio.open(path) as source:
        assert blocks._decoded(source, Window(0, 0, 64, 16)) is None
        assert read_blocks(source, Window(0, 0, 64, 16)).sum() == 7 * 16 * 32


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_a_damaged_block_fails_as_gdal_says(tmp_path: Path, place: float) -> None:
    path = written(tmp_path / "band.tif", numbers_of("uint16", 64, 64))
    with rasterio.open(path) as source:
        offset, size = (int(source.get_tag_item(f"BLOCK_{what}_0_1", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
    whole = bytearray(path.read_bytes())
    at = offset + int(place * size)
    whole[at : at + 8] = bytes(255 - value for value in whole[at : at + 8])
    path.write_bytes(whole)
    with rasterio.open(path) as source:
        assert blocks._decoded(source, Window(0, 16, 32, 16)) is None
        with pytest.raises(RasterioIOError):
            read_blocks(source, Window(0, 16, 32, 16))
        np.testing.assert_array_equal(read_blocks(source, Window(0, 0, 32, 16)), numbers_of("uint16", 64, 64)[:16, :32])


def test_a_file_that_was_cut_off_fails_as_gdal_says(tmp_path: Path) -> None:
    path = written(tmp_path / "band.tif", numbers_of("uint16", 64, 64))
    path.write_bytes(path.read_bytes()[:-200])
    with rasterio.open(path) as source, pytest.raises(RasterioIOError):
        read_blocks(source, Window(0, 0, 64, 64))

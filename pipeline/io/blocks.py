"""Whole blocks of a raster, those of plain GeoTIFFs decoded in half of the time that GDAL takes.

Public COGs of Sentinel-2, and the windows that we copy, are deflated with a horizontal predictor. What GDAL
does with a block besides inflating it, above all undoing the predictor, takes as long again. Where GDAL says that a file is of
this kind, and where in it a block lies, the block is decoded by `imagecodecs`; whatever else a file may be, and whatever goes
wrong, is left to GDAL, which has the words for it.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np
import rasterio
from rasterio.windows import Window

HORIZONTAL = "2"
"""The predictor that stores differences of neighbours (TIFF 6.0, section 14)."""
LITTLE_ENDIAN = b"II"
"""How a TIFF file begins whose lowest byte comes first."""


def read_blocks(source: rasterio.DatasetReader, window: Window) -> np.ndarray:
    """Return the numbers of a window of the first band whose edges are edges of blocks, or of the raster: (y, x).

    Equal to `source.read(1, window=window)`, and raises what that raises.
    """
    found = _decoded(source, window) if is_plain(source) else None
    return np.asarray(source.read(1, window=window)) if found is None else found


def is_plain(source: rasterio.DatasetReader) -> bool:
    """Return whether a file may be decoded here.

    That is a GeoTIFF of one band of 8 or 16 bits without a sign, deflated, with the horizontal predictor or none.
    """
    if source.driver != "GTiff" or source.count != 1 or source.dtypes[0] not in {"uint8", "uint16"}:
        return False
    stored = source.tags(ns="IMAGE_STRUCTURE")
    is_whole = "NBITS" not in source.tags(1, ns="IMAGE_STRUCTURE")
    is_known = stored.get("PREDICTOR", "" if _names_predictors() else "not named") in {"", HORIZONTAL}
    return is_whole and is_known and stored.get("COMPRESSION") == "DEFLATE"


@cache
def _names_predictors() -> bool:
    """Whether this GDAL says of a file that has a predictor which: older ones do not, and no word is then no answer."""
    kind = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": 16, "width": 16, "transform": rasterio.Affine.scale(2)}
    with rasterio.MemoryFile() as memory:
        with memory.open(**kind, compress="deflate", predictor=int(HORIZONTAL)) as target:
            target.write(np.zeros((1, 16, 16), np.uint8))
        with memory.open() as source:
            return bool(source.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR") == HORIZONTAL)


def _decoded(source: rasterio.DatasetReader, window: Window) -> np.ndarray | None:
    """The numbers of a window; None where a block is not stored, is damaged, or the file is of another byte order."""
    height, width = source.block_shapes[0]
    try:
        with Path(source.name).open("rb", buffering=0) as file:
            if os.pread(file.fileno(), 2, 0) != LITTLE_ENDIAN:
                return None
            out = np.empty((window.height, window.width), source.dtypes[0])
            for top, left in _corners((height, width), window):
                target = out[top - window.row_off :, left - window.col_off :][:height, :width]
                block = _block(source, file.fileno(), top // height, left // width)
                if len(block) < len(target):
                    return None
                if block.shape == out.shape:
                    return block
                target[:] = block[: target.shape[0], : target.shape[1]]
    except (OSError, TypeError, ValueError, imagecodecs.DeflateError):
        return None
    return out


def _corners(shape: tuple[int, int], window: Window) -> Iterator[tuple[int, int]]:
    """First row and column of each block of a window."""
    for top in range(window.row_off, window.row_off + window.height, shape[0]):
        for left in range(window.col_off, window.col_off + window.width, shape[1]):
            yield top, left


def _block(source: rasterio.DatasetReader, file: int, row: int, column: int) -> np.ndarray:
    """One block: whole rows, those of a last strip fewer than of the others. TypeError where it is not stored."""
    words = (source.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1) for what in ("OFFSET", "SIZE"))
    offset, size = (int(word) for word in words)
    (height, width), kind = source.block_shapes[0], np.dtype(source.dtypes[0])
    space = np.empty(height * width * kind.itemsize, np.uint8)
    found = len(imagecodecs.deflate_decode(os.pread(file, size, offset), out=space.data))
    rows: np.ndarray = space[:found].view(kind).reshape(-1, width)
    if source.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR") == HORIZONTAL:
        imagecodecs.delta_decode(rows, axis=-1, out=rows)
    return rows

"""Windows of pixels as the Process API is asked for them: which, by what script, at what price, and what comes back."""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, product
from math import ceil
from pathlib import PurePosixPath

import numpy as np
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from pipeline.aoi import Grid
from pipeline.errors import ProviderAnswerError
from pipeline.io.web import TransientError
from pipeline.io.windows import touched
from pipeline.scenes import BANDS, SCL, Scene

CLOUD = "cloud"
"""Asset of the cloud probability in percent, kept beside the bands; the walk does not use it."""
SERVICE_BANDS: Mapping[str, str] = {
    "blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11", "swir22": "B12", SCL: "SCL", CLOUD: "CLD",
}  # fmt: skip
UNITS: Mapping[str, str] = {CLOUD: "PERCENT"}
"""Units that are not DN: the only ones in which the service gives a band."""
CELL_M = 20.0
"""Windows begin and end on multiples of this in their UTM zone, as the pixels of the 20 m bands do."""
LARGEST_PX = 2500
"""Most columns or rows of one request (Process API reference, output.width)."""
DTYPES: Mapping[str, str] = {"UINT8": "uint8", "UINT16": "uint16"}
Rect = tuple[int, int, int, int]
"""West, south, east, north in cells of `CELL_M`."""


@dataclass(frozen=True, slots=True)
class Window:
    """One request to the Process API."""

    evalscript: str
    outputs: Mapping[str, str]
    """Sample type by name of output."""
    bounds: tuple[float, float, float, float]
    crs: str
    size: tuple[int, int]
    """Columns and rows."""
    period: tuple[datetime, datetime]
    estimate_pu: float


@dataclass(frozen=True, slots=True)
class Kind:
    """Assets with pixels of one size, which come in one request."""

    pixel_m: float
    names: tuple[str, ...]


KINDS = (Kind(10.0, ("blue", "green", "red", "nir")), Kind(20.0, ("swir16", "swir22", SCL, CLOUD)))


def evalscript(names: Sequence[str]) -> str:
    """Return the script that makes the service give assets, one output each, and the mask of where there is data."""
    taken = [*names, "dataMask"]
    bands = [SERVICE_BANDS.get(n, n) for n in taken]
    setup = {
        "input": [{"bands": bands, "units": [UNITS.get(n, "DN") for n in taken]}],
        "output": [{"id": n, "bands": 1, "sampleType": kind} for n, kind in output_types(names).items()],
    }
    values = ", ".join(f"{n}: [s.{band}]" for n, band in zip(taken, bands, strict=True))
    return (
        f"//VERSION=3\nfunction setup() {{ return {json.dumps(setup)}; }}\n"
        f"function evaluatePixel(s) {{ return {{ {values} }}; }}\n"
    )


def output_types(names: Sequence[str]) -> dict[str, str]:
    """Return the sample type by output of a script for these assets."""
    return {**{n: "UINT16" if n in BANDS else "UINT8" for n in names}, "dataMask": "UINT8"}


def processing_units(columns: int, rows: int, bands: int) -> float:
    """Return what one request of at most 16 bits and one sample a pixel costs.

    docs.sentinel-hub.com/api/latest/api/overview/processing-unit: pixels over 512 x 512, at least 0.01, times input bands
    over 3; at least 0.005 a request. `dataMask` does not count as a band.

    Examples
    --------
    >>> processing_units(512, 512, 3), processing_units(10, 10, 1)
    (1.0, 0.005)
    """
    return max(max(columns * rows / 512**2, 0.01) * bands / 3.0, 0.005)


def _without(rect: Rect, taken: Rect) -> list[Rect]:
    """The parts of a rectangle that another one leaves."""
    west, south, east, north = rect
    w, s, e, n = max(west, taken[0]), max(south, taken[1]), min(east, taken[2]), min(north, taken[3])
    if w >= e or s >= n:
        return [rect]
    parts = [(west, south, east, s), (west, n, east, north), (west, s, w, n), (e, s, east, n)]
    return [p for p in parts if p[0] < p[2] and p[1] < p[3]]


def _split(rect: Rect, most: int) -> Iterator[Rect]:
    """Parts of about one size with at most `most` cells a side."""

    def edges(low: int, high: int) -> list[int]:
        count = ceil((high - low) / most)
        return [low + (high - low) * i // count for i in range(count + 1)]

    xs, ys = edges(rect[0], rect[2]), edges(rect[1], rect[3])
    for (south, north), (west, east) in product(pairwise(ys), pairwise(xs)):
        yield west, south, east, north


def cells_of(bounds: Sequence[float]) -> Rect:
    """Return bounds in metres, multiples of a cell, as cells."""
    west, south, east, north = (round(b / CELL_M) for b in bounds)
    return west, south, east, north


def rects_of(scene: Scene, grid: Grid, pixel_m: float) -> list[Rect]:
    """Return the windows of the chunks that a scene touches, with margins: no pixel twice, none larger than is allowed."""
    found: list[Rect] = []
    for box in touched(scene, grid):
        rest = [cells_of(box.bounds)]
        for taken in found:
            rest = [part for rect in rest for part in _without(rect, taken)]
        found += rest
    most = int(LARGEST_PX * pixel_m / CELL_M)
    return [part for rect in found for part in _split(rect, most)]


def size_of(rect: Rect, pixel_m: float) -> tuple[int, int]:
    """Return columns and rows."""
    per_cell = round(CELL_M / pixel_m)
    return (rect[2] - rect[0]) * per_cell, (rect[3] - rect[1]) * per_cell


def unpacked(content: bytes, window: Window, what: str) -> dict[str, np.ndarray]:
    """Return the rasters (y, x) of a tar, each as it was asked for.

    Raises
    ------
    TransientError
        It is no tar of whole TIFFs.
    ProviderAnswerError
        An output is absent, or has another shape or type than was asked for.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            files = {PurePosixPath(m.name).stem: f.read() for m in tar.getmembers() if (f := tar.extractfile(m)) is not None}
        missing = sorted(set(window.outputs) - set(files))
        if missing:
            raise ProviderAnswerError(f"{what}: found outputs {', '.join(sorted(files))}, expected {', '.join(missing)} too")
        rasters = {name: _raster(files[name]) for name in window.outputs}
    except (tarfile.TarError, EOFError, RasterioError) as error:
        raise TransientError(f"an answer of {len(content)} bytes that is no tar of TIFFs ({type(error).__name__})") from None
    for name, raster in rasters.items():
        wanted = (1, window.size[1], window.size[0]), DTYPES[window.outputs[name]]
        if (raster.shape, raster.dtype.name) != wanted:
            raise ProviderAnswerError(
                f"{what}: found output {name} of shape {raster.shape} and type {raster.dtype}, expected {wanted[0]} and "
                f"{wanted[1]}; the service does not keep to the evalscript: report it to the provider"
            )
    return {name: raster[0] for name, raster in rasters.items()}


def _raster(data: bytes) -> np.ndarray:
    """Pixels of a TIFF as (band, y, x); a truncated one raises `RasterioError`."""
    with MemoryFile(data) as memory, memory.open() as source:
        pixels: np.ndarray = source.read()
        return pixels

"""Vector files, opened with GDAL: every layer that holds outlines, and nothing beyond the file itself."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj.exceptions import ProjError
from shapely.geometry.base import BaseGeometry

from pipeline.errors import CadastreInvalidError, CadastreWithoutCrsError
from pipeline.io.cadastres.axes import refuse_swapped, require_axis_order
from pipeline.io.cadastres.crs import Bounds, are_degrees, settle_crs
from pipeline.io.cadastres.encodings import encoding_note
from pipeline.io.cadastres.layers import Layer, read_layer
from pipeline.io.cadastres.outlines import Outline, read_outline
from pipeline.io.cadastres.safety import safe_sources
from pipeline.io.cadastres.transformations import LONLAT, Transformation, choose_transformation
from pipeline.provenance import digest, sha256_of

DRIVERS = frozenset({
    "GeoJSON", "GeoJSONSeq", "TopoJSON", "ESRIJSON", "JSONFG", "ESRI Shapefile", "GPKG", "KML", "LIBKML", "FlatGeobuf",
    "OpenFileGDB", "CSV", "MapInfo File",
})  # fmt: skip
"""GDAL drivers that read the file and follow no reference out of it."""
_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg", ".qix", ".sbn", ".sbx")
_READ_ERRORS = (
    DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError, UnicodeDecodeError,
    UnboundLocalError,  # pyogrio 0.13, where the name of a CRS is not in UTF-8
)  # fmt: skip
_TRIM = 0.05
"""Share of outlines on each side that do not tell where a layer lies."""


@dataclass(frozen=True, slots=True)
class VectorFile:
    """What a file holds: one outline and one value of each column for each feature."""

    name: str
    sha256: str
    outlines: tuple[Outline, ...]
    columns: Mapping[str, tuple[str | None, ...]]
    """Column to its values as text, None where empty; a column that a layer lacks is empty there."""
    notes: tuple[str, ...]
    transformation: str = ""
    """How coordinates were brought to WGS 84, in words; empty: they were given in it."""
    transformation_m: float = 0.0
    """Accuracy of that in metres, the worst of its layers."""

    def __len__(self) -> int:
        return len(self.outlines)


def read_vector(path: Path, *, crs: str | None = None) -> VectorFile:
    """Return every feature of a vector file, outlines in lon/lat.

    Raises
    ------
    CadastreInvalidError
        The file is absent, of a kind that is not opened, damaged, or holds no feature with a geometry.
    CadastreUnsafeError
        See `safe_sources`.
    CadastreWithoutCrsError, CadastreAxisOrderError
        See `settle_crs` and `require_axis_order`.
    """
    if not path.exists():
        raise CadastreInvalidError(f"{path}: no such file; expected a vector file such as GeoJSON or a zipped Shapefile")
    notes: list[str] = []
    sources = safe_sources(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layers = [layer for source in sources for layer in _layers(path, source, notes)]
    notes += sorted({f"the driver warned: {warning.message}" for warning in caught})
    if not any(layer.drawings for layer in layers):
        raise CadastreInvalidError(
            f"{path}: found no feature with a geometry; expected one polygon for each title or area. "
            "An empty file cannot tell that there is nothing: leave it out"
        )
    changes = [_transformation(path, layer, crs) for layer in layers]
    drawn = zip(layers, changes, strict=True)
    outlines = refuse_swapped([read_outline(drawing, change) for layer, change in drawn for drawing in layer.drawings])
    notes += dict.fromkeys(change.note for change in changes if change.note is not None)
    return VectorFile(
        path.stem, _digest(path), outlines, _joined(layers), tuple(notes),
        "; ".join(dict.fromkeys(change.name for change in changes if change.name)),
        max(change.accuracy_m for change in changes),
    )  # fmt: skip


def _layers(path: Path, source: str, notes: list[str]) -> list[Layer]:
    """Return the layers of one source that have geometries; others are noted."""
    try:
        names = [(str(name), kind) for name, kind in pyogrio.list_layers(source)]
        layers = []
        for name, kind in names:
            if kind is None:
                notes.append(f"layer {name!r} holds no geometry and was left out")
                continue
            info = pyogrio.read_info(source, layer=name)
            if info["driver"] not in DRIVERS:
                raise CadastreInvalidError(f"{path}: found the format {info['driver']}, expected one of {sorted(DRIVERS)}")
            layers.append(read_layer(source, name, info["crs"]))
    except _READ_ERRORS as error:
        advice = "texts, or the name of its CRS, are not in the encoding that it says: ask for it in UTF-8, or pass the CRS"
        if not isinstance(error, UnicodeDecodeError | UnboundLocalError):
            advice = "check that it opens in a GIS, or get it again"
        raise CadastreInvalidError(f"{path}: cannot be read: {error}; {advice}") from error
    if len(names) > 1:
        notes.append(f"layers read together: {', '.join(name for name, kind in names if kind is not None)}")
    if note := encoding_note(source, [value for layer in layers for values in layer.columns.values() for value in values]):
        notes.append(note)
    return layers


def _transformation(path: Path, layer: Layer, passed: str | None) -> Transformation:
    """Return how the outlines of a layer are brought to lon/lat."""
    bounds = _bounds([drawing.geometry for drawing in layer.drawings])
    if not len(bounds):
        return LONLAT
    typical, core = _span(bounds, 0.0), _span(bounds, _TRIM)
    texts = [value for values in layer.columns.values() for value in values[:20] if value is not None]
    stated = passed if passed is not None else layer.declared
    try:
        if stated is not None:
            require_axis_order(path, stated, typical=core, texts=texts)
        crs = settle_crs(path, declared=layer.declared, passed=passed, typical=typical, texts=texts)
        return choose_transformation(crs, typical=core, texts=(path.stem, *texts))
    except ProjError as error:
        raise CadastreWithoutCrsError(
            f"{path}: found the CRS {stated}, from which nothing leads to lon/lat ({error}), expected a known one; pass the "
            "CRS that the publisher names, as crs or titles_crs in the configuration"
        ) from error


def _bounds(geometries: Sequence[BaseGeometry | None]) -> np.ndarray:
    """Return left, bottom, right and top of each of most geometries, in degrees or not; a few strays are left out."""
    every = shapely.bounds(np.array(geometries, dtype=object))
    every = every[np.isfinite(every).all(axis=1)]
    is_degrees = np.array([are_degrees(tuple(row)) for row in every.tolist()], dtype=bool)
    return every[is_degrees if not len(every) or is_degrees.mean() >= 0.5 else ~is_degrees]


def _span(bounds: np.ndarray, trim: float) -> Bounds:
    """Return left, bottom, right and top of all bounds but a share of them on each side."""
    low, high = np.quantile(bounds, trim, axis=0), np.quantile(bounds, 1.0 - trim, axis=0)
    return float(low[0]), float(low[1]), float(high[2]), float(high[3])


def _joined(layers: Sequence[Layer]) -> dict[str, tuple[str | None, ...]]:
    """Return the columns of all layers, one below the other."""
    names = list(dict.fromkeys(name for layer in layers for name in layer.columns))
    return {
        name: tuple(v for layer in layers for v in layer.columns.get(name, (None,) * len(layer.drawings))) for name in names
    }


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and digests of all files of a Shapefile or geodatabase."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".lock")
    elif path.suffix.lower() == ".shp":
        files = sorted(p for p in path.parent.glob(f"{path.stem}.*") if p.suffix.lower() in _SHAPEFILE)
    else:
        return sha256_of(path)
    return digest({str(file.relative_to(path.parent)): sha256_of(file) for file in files})

"""Vector files, opened with GDAL: every layer that holds outlines, and nothing beyond the file itself."""

import math
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from pipeline.errors import CadastreInvalidError
from pipeline.io.cadastres.crs import Bounds, are_degrees, settle_crs
from pipeline.io.cadastres.outlines import Outline, read_outline
from pipeline.provenance import digest, sha256_of

SUFFIXES = (".geojson", ".json", ".geojsonl", ".shp", ".gpkg", ".kml", ".kmz", ".fgb", ".gdb", ".csv", ".tab", ".mif")
"""Files that are opened, also inside a zip."""
DRIVERS = frozenset({
    "GeoJSON", "GeoJSONSeq", "TopoJSON", "ESRIJSON", "JSONFG", "ESRI Shapefile", "GPKG", "KML", "LIBKML", "FlatGeobuf",
    "OpenFileGDB", "CSV", "MapInfo File",
})  # fmt: skip
"""GDAL drivers that read the file and follow no reference out of it."""
_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg", ".qix", ".sbn", ".sbx")
_EMPTY = {"", "null", "none", "nan", "nat", "n/a"}
_READ_ERRORS = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class VectorFile:
    """What a file holds: one outline and one value of each column for each feature."""

    name: str
    sha256: str
    outlines: tuple[Outline, ...]
    columns: Mapping[str, tuple[str | None, ...]]
    """Column to its values as text, None where empty; a column that a layer lacks is empty there."""
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.outlines)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer as the driver reads it."""

    declared: str | None
    geometries: tuple[BaseGeometry | None, ...]
    columns: Mapping[str, tuple[str | None, ...]]


def read_vector(path: Path, *, crs: str | None = None) -> VectorFile:
    """Return every feature of a vector file, outlines in lon/lat.

    Raises
    ------
    CadastreInvalidError
        The file is absent, of a kind that is not opened, damaged, or holds no feature with a geometry.
    CadastreWithoutCrsError
        See `settle_crs`.
    """
    if not path.exists():
        raise CadastreInvalidError(f"{path}: no such file; expected a vector file such as GeoJSON or a zipped Shapefile")
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layers = [layer for source in _sources(path) for layer in _layers(path, source, notes)]
    notes += sorted({f"the driver warned: {warning.message}" for warning in caught})
    if not any(layer.geometries for layer in layers):
        raise CadastreInvalidError(
            f"{path}: found no feature with a geometry; expected one polygon for each title or area. "
            "An empty file cannot tell that there is nothing: leave it out"
        )
    outlines = tuple(outline for layer in layers for outline in _outlines(path, layer, crs))
    return VectorFile(path.stem, _digest(path), outlines, _joined(layers), tuple(notes))


def _sources(path: Path) -> list[str]:
    """Return what GDAL opens for a path: the file itself, or each vector file in a zip, in place."""
    if path.suffix.lower() != ".zip":
        if path.suffix.lower() not in SUFFIXES:
            raise CadastreInvalidError(f"{path}: found {path.suffix or 'no suffix'}, expected {', '.join(SUFFIXES)} or .zip")
        if path.is_file():
            with path.open("rb") as file:
                _refuse_reference(path, file.read(2048))
        return [str(path)]
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(n for n in archive.namelist() if n.lower().endswith(SUFFIXES) and not n.startswith("__MACOSX"))
            for member in members:
                with archive.open(member) as file:
                    _refuse_reference(path, file.read(2048))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise CadastreInvalidError(f"{path}: cannot be opened as a zip: {error}; download it again") from error
    if not members:
        raise CadastreInvalidError(f"{path}: found no vector file inside, expected one of {', '.join(SUFFIXES)}")
    return [f"/vsizip/{{{path}}}/{member}" for member in members]


def _refuse_reference(path: Path, head: bytes) -> None:
    """Refuse a file that only points at another one, under whatever suffix."""
    if b"<OGRVRT" in head or b"<!ENTITY" in head:
        raise CadastreInvalidError(f"{path}: found references to other files, expected the outlines themselves")


def _layers(path: Path, source: str, notes: list[str]) -> list[_Layer]:
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
            frame = pyogrio.read_dataframe(source, layer=name, datetime_as_string=True, on_invalid="fix")
            layers.append(_layer(frame, info["crs"]))
    except _READ_ERRORS as error:
        raise CadastreInvalidError(f"{path}: cannot be read: {error}; check that it opens in a GIS, or get it again") from error
    if len(names) > 1:
        notes.append(f"layers read together: {', '.join(name for name, kind in names if kind is not None)}")
    return layers


def _layer(frame: Any, declared: str | None) -> _Layer:  # noqa: ANN401  (a GeoDataFrame: geopandas has no types)
    """Return a frame as plain columns of text and geometries."""
    geometries = tuple(frame.geometry.to_numpy().tolist())
    names = [str(name) for name in frame.columns if name != frame.geometry.name]
    return _Layer(declared, geometries, {name: tuple(_text(v) for v in frame[name].tolist()) for name in names})


def _text(value: object) -> str | None:
    """Return a value as the register would write it, None where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, list | tuple | np.ndarray):  # a list property of GeoJSON
        return ", ".join(t for v in value if (t := _text(v)) is not None) or None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    return None if text.lower() in _EMPTY else text


def _outlines(path: Path, layer: _Layer, passed: str | None) -> list[Outline]:
    """Return the outlines of a layer in lon/lat."""
    typical = _typical_bounds(layer.geometries)
    if typical is None:
        return [read_outline(geometry, crs="EPSG:4326", is_geographic=True) for geometry in layer.geometries]
    texts = [value for values in layer.columns.values() for value in values[:20] if value is not None]
    crs = settle_crs(path, declared=layer.declared, passed=passed, typical=typical, texts=texts)
    is_geographic = CRS.from_user_input(crs).is_geographic
    return [read_outline(geometry, crs=crs, is_geographic=is_geographic) for geometry in layer.geometries]


def _typical_bounds(geometries: Sequence[BaseGeometry | None]) -> Bounds | None:
    """Return left, bottom, right and top of most geometries, in degrees or not; a few strays are left out."""
    every = shapely.bounds(np.array(geometries, dtype=object))
    every = every[np.isfinite(every).all(axis=1)]
    if not len(every):
        return None
    is_degrees = np.array([are_degrees(tuple(row)) for row in every.tolist()])
    most = every[is_degrees if is_degrees.mean() >= 0.5 else ~is_degrees]
    low, high = most.min(axis=0), most.max(axis=0)
    return float(low[0]), float(low[1]), float(high[2]), float(high[3])


def _joined(layers: Sequence[_Layer]) -> dict[str, tuple[str | None, ...]]:
    """Return the columns of all layers, one below the other."""
    names = list(dict.fromkeys(name for layer in layers for name in layer.columns))
    return {
        name: tuple(v for layer in layers for v in layer.columns.get(name, (None,) * len(layer.geometries))) for name in names
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

"""Layers of a vector file as GDAL reads them: each geometry as it is drawn, each column as text."""

import math
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyogrio
import shapely
from pyogrio.raw import read_arrow
from shapely.geometry.base import BaseGeometry

from pipeline.io.cadastres.outlines import Drawing

KINDS = (
    "Geometry", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection",
    "CircularString", "CompoundCurve", "CurvePolygon", "MultiCurve", "MultiSurface", "Curve", "Surface",
    "PolyhedralSurface", "TIN", "Triangle",
)  # fmt: skip
"""Names of the codes 0 to 17 of well-known binary (OGC 06-103r4, table 7)."""
_CAN_HOLD_ARCS = frozenset(KINDS[7:15])
ARC_STEP_DEGREES = 4.0
"""Arcs are drawn in straight steps of this turn, GDAL's own; a whole circle loses 0.08 % of its area by it."""
_FINE_STEP_DEGREES = 0.1
_STEPPED = f"its arcs were drawn in straight steps of {ARC_STEP_DEGREES:g} degrees"
_RINGED = frozenset({"Polygon", "MultiPolygon"})
_STEP_OPTION = "OGR_ARC_STEPSIZE"
_STEP_LOCK = threading.Lock()
_EMPTY = {"", "null", "none", "nan", "nat", "n/a"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as the driver reads it."""

    declared: str | None
    """CRS that the driver reads."""
    drawings: tuple[Drawing, ...]
    columns: Mapping[str, tuple[str | None, ...]]
    """Column to its values as text, None where empty."""


def read_layer(source: str, name: str, declared: str | None) -> Layer:
    """Return one layer of what GDAL opens, a drawing and a value of each column for every feature, in its order."""
    frame = pyogrio.read_dataframe(source, layer=name, datetime_as_string=True, on_invalid="fix")
    columns: dict[str, tuple[str | None, ...]] = {}
    for number, column in enumerate(map(str, frame.columns), start=1):
        if column != frame.geometry.name:
            own = f"{column} ({number})" if column in columns else column  # a damaged file may say a name twice
            columns[own] = tuple(_text(value) for value in frame.iloc[:, number - 1].tolist())
    return Layer(declared, tuple(_drawings(source, name, frame.geometry.to_numpy().tolist())), columns)


def _drawings(source: str, name: str, geometries: Sequence[BaseGeometry | None]) -> Iterator[Drawing]:
    """The geometries of a layer; well-known binary tells kinds, open rings and arcs, which that reading hides."""
    _, table = read_arrow(source, layer=name, columns=[])
    binary = table.column(table.num_columns - 1).to_pylist()
    kinds = ["null" if wkb is None else _kind(wkb) for wkb in binary]
    finer = _read_finely(source, name) if _CAN_HOLD_ARCS.intersection(kinds) else [None] * len(kinds)
    for geometry, wkb, kind, fine in zip(geometries, binary, kinds, finer, strict=True):
        if geometry is None:
            yield Drawing(None, kind)
        elif shapely.force_2d(geometry) is None:  # nor does GDAL draw arcs inside of a collection in steps
            yield Drawing(None, f"{kind} with arcs")
        elif fine is not None and shapely.get_num_coordinates(fine) != shapely.get_num_coordinates(geometry):
            yield Drawing(geometry, kind, _STEPPED, fine)
        else:
            yield Drawing(geometry, kind, "a ring was not closed" if kind in _RINGED and _is_open(wkb) else None)


def _is_open(wkb: bytes) -> bool:
    """Whether a ring of polygons without arcs ends elsewhere than it begins."""
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers are refused one by one
        return shapely.from_wkb(wkb, on_invalid="ignore") is None


def _kind(wkb: bytes) -> str:
    """Name of the geometry of well-known binary, with or without Z and M."""
    code = struct.unpack_from("<I" if wkb[0] == 1 else ">I", wkb, 1)[0] & 0x1FFFFFFF
    return KINDS[code % 1000] if code % 1000 < len(KINDS) else f"geometry of type {code}"


def _read_finely(source: str, name: str) -> list[BaseGeometry | None]:
    """The geometries of a layer, arcs in much shorter steps than usual."""
    with _arc_step(_FINE_STEP_DEGREES):
        frame = pyogrio.read_dataframe(source, layer=name, columns=[], on_invalid="fix")
    return list(frame.geometry.to_numpy().tolist())


@contextmanager
def _arc_step(degrees: float) -> Iterator[None]:
    """Have GDAL draw arcs in such steps, and as before afterwards."""
    with _STEP_LOCK:
        before = pyogrio.get_gdal_config_option(_STEP_OPTION)
        pyogrio.set_gdal_config_options({_STEP_OPTION: str(degrees)})
        try:
            yield
        finally:
            pyogrio.set_gdal_config_options({_STEP_OPTION: None if before is None else str(before)})


def _text(value: object) -> str | None:
    """Return a value as the register would write it, None where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, list | tuple | np.ndarray):  # a list property of GeoJSON
        return ", ".join(t for v in value if (t := _text(v)) is not None) or None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    return None if text.lower() in _EMPTY else text

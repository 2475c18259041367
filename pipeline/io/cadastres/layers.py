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
    frame = pyogrio.read_dataframe(source, layer=name, datetime_as_string=True, read_geometry=False)
    columns = {str(column): tuple(_text(v) for v in frame[column].tolist()) for column in frame.columns}
    return Layer(declared, _drawings(source, name), columns)


def _drawings(source: str, name: str) -> tuple[Drawing, ...]:
    """The geometries of a layer; well-known binary tells kinds and open rings that GDAL's own reading hides."""
    _, table = read_arrow(source, layer=name, columns=[])
    binary = table.column(table.num_columns - 1).to_pylist()
    kinds = ["null" if wkb is None else _kind(wkb) for wkb in binary]
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers are refused one by one
        as_drawn = shapely.from_wkb(binary, on_invalid="ignore")
        closed = shapely.from_wkb(np.array(binary, dtype=object), on_invalid="fix")
    drawings = [
        Drawing(g, kind, "a ring was not closed" if g is not None and raw is None else None)
        for g, kind, raw in zip(closed.tolist(), kinds, np.atleast_1d(as_drawn).tolist(), strict=True)
    ]
    if any(d.geometry is None and d.kind in _CAN_HOLD_ARCS for d in drawings):
        return tuple(_straightened(source, name, drawings))
    return tuple(drawings)


def _kind(wkb: bytes) -> str:
    """Name of the geometry of well-known binary, with or without Z and M."""
    code = struct.unpack_from("<I" if wkb[0] == 1 else ">I", wkb, 1)[0] & 0x1FFFFFFF
    return KINDS[code % 1000] if code % 1000 < len(KINDS) else f"geometry of type {code}"


def _straightened(source: str, name: str, drawings: Sequence[Drawing]) -> Iterator[Drawing]:
    """The drawings of a layer, those with arcs in short straight steps."""
    coarse, fine = _read_stepped(source, name, ARC_STEP_DEGREES), _read_stepped(source, name, _FINE_STEP_DEGREES)
    flaw = f"its arcs were drawn in straight steps of {ARC_STEP_DEGREES:g} degrees"
    for drawing, steps, finer in zip(drawings, coarse, fine, strict=True):
        is_curved = drawing.geometry is None and drawing.kind in _CAN_HOLD_ARCS and steps is not None
        yield Drawing(steps, drawing.kind, flaw, finer) if is_curved else drawing


def _read_stepped(source: str, name: str, step: float) -> list[BaseGeometry | None]:
    """The geometries of a layer, arcs in straight steps of a turn in degrees."""
    with _arc_step(step):
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


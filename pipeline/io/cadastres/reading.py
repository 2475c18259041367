"""From features to titles and protected areas; what is refused, repaired or not understood is counted in the snapshot."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import shapely

from pipeline.errors import TitleGeometryError
from pipeline.io.cadastres.dates import read_days
from pipeline.io.cadastres.files import VectorFile, read_vector
from pipeline.io.cadastres.registers import AREA_COLUMNS, GENERIC, Register, area_kind, code_of, match_columns
from pipeline.tenure import (
    AreaKind,
    Doubt,
    ProtectedArea,
    Refusal,
    Repair,
    Snapshot,
    Title,
    TitleKind,
    TitleStatus,
    UnknownCode,
    mineral_names,
)

FAR_OFF_DEGREES = 5.0
"""A title with no other this near, about 550 km, is reported as far off; it is kept."""
_FAR_OFF_FROM = 20
"""Files of fewer outlines say nothing about which lies far off."""


def read_titles(
    path: Path, *, crs: str | None = None, retrieved_on: date | None = None, register: Register = GENERIC
) -> tuple[list[Title], Snapshot]:
    """Return the titles of a vector file, in its order, and the snapshot that counts everything else it held.

    Parameters
    ----------
    path : Path
        GeoJSON, Shapefile (also zipped), GeoPackage, KML, FlatGeobuf, file geodatabase or CSV with WKT.
    crs : str, optional
        CRS of the coordinates; goes before what the file declares.
    retrieved_on : date, optional
        Day on which the file was retrieved.
    register : Register
        Names of columns and code lists.

    Raises
    ------
    CadastreInvalidError
        The file cannot be opened, or holds nothing.
    CadastreWithoutCrsError
        The file does not say its CRS, or its numbers contradict it.
    TitleGeometryError
        Not one title has a usable outline.
    """
    file = read_vector(path, crs=crs)
    columns = match_columns(register.columns, file.columns)
    ids = _ids(file, columns, "title_id")
    facts = _title_facts(file, columns, register)
    titles = [
        Title(title_id=ids[row], geometry=outline.geometry, snapshot=file.sha256, **facts[row])  # type: ignore[arg-type]
        for row, outline in enumerate(file.outlines)
        if outline.geometry is not None
    ]
    _require_some(path, file, len(titles))
    codes = Counter((doubt.field, doubt.text) for fact in facts for doubt in _doubts(fact))
    return titles, _snapshot(file, ids, columns=columns, codes=codes, retrieved_on=retrieved_on)


def read_protected(
    path: Path, *, kind: AreaKind | None = None, crs: str | None = None, retrieved_on: date | None = None
) -> tuple[list[ProtectedArea], Snapshot]:
    """Return the protected areas and Indigenous territories of a vector file, and its snapshot.

    The kind of an area is the one passed, else what its designation says, else what the file's name says, else
    `protected_area`; designations that are in no table are reported.

    Raises
    ------
    CadastreInvalidError, CadastreWithoutCrsError, TitleGeometryError
        As `read_titles`.
    """
    file = read_vector(path, crs=crs)
    columns = match_columns(AREA_COLUMNS, file.columns)
    ids = _ids(file, columns, "area_id")
    names = _column(file, columns, "name")
    designations = _column(file, columns, "kind")
    by_default = area_kind(file.name) or AreaKind.PROTECTED_AREA
    said = [None if text is None else area_kind(text) for text in designations]
    areas = [
        ProtectedArea(ids[row], names[row] or "", kind or said[row] or by_default, outline.geometry, file.sha256)
        for row, outline in enumerate(file.outlines)
        if outline.geometry is not None
    ]
    _require_some(path, file, len(areas))
    strange = [text for text, found in zip(designations, said, strict=True) if text is not None and found is None]
    codes = Counter() if kind is not None else Counter(("kind", f"its kind {text!r} is not known") for text in strange)
    return areas, _snapshot(file, ids, columns=columns, codes=codes, retrieved_on=retrieved_on)

"""From features to titles and protected areas; what is refused, repaired or not understood stands in the snapshot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

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

_Code = TypeVar("_Code", bound=StrEnum)
_Strange = list[str | None]
"""For each feature the text that was not understood, or None."""
_DOUBTS = {
    "kind": "its kind {!r} is not known",
    "status": "its status {!r} is not known",
    "valid_from": "its first day {!r} cannot be read",
    "valid_to": "its last day {!r} cannot be read",
    "minerals": "its minerals {!r} are not known",
}
_MOST_NAMED = 5

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
    titles, strange = _titles(file, columns, register=register, ids=ids)
    _require_some(path, file, len(titles))
    return titles, _snapshot(file, ids, columns=columns, strange=strange, retrieved_on=retrieved_on)


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
    strange = {
        "kind": [t if kind is None and t is not None and k is None else None for t, k in zip(designations, said, strict=True)]
    }
    return areas, _snapshot(file, ids, columns=columns, strange=strange, retrieved_on=retrieved_on)


# --- columns ----------------------------------------------------------------------------------------------------------


def _column(file: VectorFile, columns: Mapping[str, str], field: str) -> tuple[str | None, ...]:
    """Return the values of a field, all None where no column was matched."""
    return file.columns[columns[field]] if field in columns else (None,) * len(file)


def _ids(file: VectorFile, columns: Mapping[str, str], field: str) -> list[str]:
    """Return the id of each feature: the register's, else its name, else its number in the file."""
    pairs = zip(_column(file, columns, field), _column(file, columns, "name"), strict=True)
    return [own or name or f"feature {row}" for row, (own, name) in enumerate(pairs, start=1)]


def _coded(texts: Sequence[str | None], table: Mapping[str, _Code], silent: _Code) -> tuple[list[_Code], _Strange]:
    """Return the code of each text, `silent` where there is none, and the texts that are in no table."""
    found = [None if text is None else code_of(text, table) for text in texts]
    strange = [text if code is None else None for text, code in zip(texts, found, strict=True)]
    return [silent if code is None else code for code in found], strange


def _days(texts: Sequence[str | None]) -> tuple[list[date | None], _Strange]:
    """Return the day of each text and the texts that are no readable day."""
    read = read_days(texts)
    return [day if isinstance(day, date) else None for day in read], [t if isinstance(t, str) else None for t in read]


def _minerals(texts: Sequence[str | None]) -> tuple[list[tuple[str, ...]], _Strange]:
    """Return the minerals of each text, words that are in no table among them, and those words."""
    read = [mineral_names(text or "") for text in texts]
    return [(*known, *words) for known, words in read], [", ".join(words) or None for _, words in read]


def _titles(
    file: VectorFile, columns: Mapping[str, str], *, register: Register, ids: Sequence[str]
) -> tuple[list[Title], dict[str, _Strange]]:
    """Return the titles with a usable outline, and for each field the texts that were not understood."""
    strange: dict[str, _Strange] = {}
    kinds, strange["kind"] = _coded(_column(file, columns, "kind"), register.kinds, TitleKind.UNKNOWN)
    statuses, strange["status"] = _coded(_column(file, columns, "status"), register.statuses, TitleStatus.UNKNOWN)
    starts, strange["valid_from"] = _days(_column(file, columns, "valid_from"))
    ends, strange["valid_to"] = _days(_column(file, columns, "valid_to"))
    minerals, strange["minerals"] = _minerals(_column(file, columns, "minerals"))
    names, holders = _column(file, columns, "name"), _column(file, columns, "holder")
    titles = [
        Title(
            title_id=ids[row],
            name=names[row] or "",
            holder=holders[row] or "",
            kind=kinds[row],
            status=statuses[row],
            valid_from=starts[row],
            valid_to=ends[row],
            minerals=minerals[row],
            geometry=outline.geometry,
            snapshot=file.sha256,
            doubts=_doubts(strange, row),
        )
        for row, outline in enumerate(file.outlines)
        if outline.geometry is not None
    ]
    return titles, strange


def _doubts(strange: Mapping[str, _Strange], row: int) -> tuple[Doubt, ...]:
    """Return what was not understood of one feature."""
    texts = [(field, column[row]) for field, column in strange.items()]
    return tuple(Doubt(field, _DOUBTS[field].format(text)) for field, text in texts if text is not None)


# --- the snapshot -----------------------------------------------------------------------------------------------------


def _require_some(path: Path, file: VectorFile, count: int) -> None:
    """Raise where not one feature has a usable outline."""
    if count:
        return
    reasons = "; ".join(
        f"feature {row} ({outline.geometry_type}): {outline.refused}"
        for row, outline in enumerate(file.outlines[:_MOST_NAMED], start=1)
    )
    raise TitleGeometryError(
        f"{path}: found {len(file)} features, none with a usable outline ({reasons}); expected polygons with an area; "
        "get the outlines of the titles, or leave the file out"
    )


def _snapshot(
    file: VectorFile,
    ids: Sequence[str],
    *,
    columns: Mapping[str, str],
    strange: Mapping[str, _Strange],
    retrieved_on: date | None,
) -> Snapshot:
    """Return the snapshot of a file, with everything that was refused, repaired or not understood."""
    rows = list(zip(ids, range(1, len(file) + 1), file.outlines, strict=True))
    codes = Counter((field, text) for field, texts in strange.items() for text in texts if text is not None)
    return Snapshot(
        name=file.name,
        retrieved_on=retrieved_on,
        sha256=file.sha256,
        title_count=sum(outline.geometry is not None for outline in file.outlines),
        refused=tuple(Refusal(i, n, o.geometry_type, o.refused, o.location) for i, n, o in rows if o.refused is not None),
        repaired=tuple(Repair(i, n, o.repaired, o.before_ha, o.after_ha) for i, n, o in rows if o.repaired is not None),
        unknown_codes=tuple(
            UnknownCode(field, text, count)
            for (field, text), count in sorted(codes.items(), key=lambda item: (-item[1], item[0]))
        ),
        columns=tuple(sorted(columns.items())),
        unused_columns=tuple(name for name in file.columns if name not in columns.values()),
        notes=(*file.notes, *_repeated(ids), *_far_off(file, ids)),
        transformation=file.transformation,
        transformation_m=file.transformation_m,
    )


def _repeated(ids: Sequence[str]) -> list[str]:
    """Note ids that stand more than once; every one of them is kept."""
    repeated = sorted(name for name, count in Counter(ids).items() if count > 1)
    return [f"{len(repeated)} ids stand more than once, such as {', '.join(repeated[:_MOST_NAMED])}"] if repeated else []


def _far_off(file: VectorFile, ids: Sequence[str]) -> list[str]:
    """Note outlines that lie far from every other one."""
    rows = [row for row, outline in enumerate(file.outlines) if outline.geometry is not None]
    if len(rows) < _FAR_OFF_FROM:
        return []
    outlines = np.array([file.outlines[row].geometry for row in rows], dtype=object)
    boxes = shapely.envelope(outlines)  # near enough, and quick where outlines have many vertices
    near, _ = shapely.STRtree(boxes).query_nearest(boxes, max_distance=FAR_OFF_DEGREES, exclusive=True, all_matches=False)
    return [
        f"{ids[rows[i]]} (feature {rows[i] + 1}) lies far from every other outline, "
        f"near lon {outlines[i].centroid.x:.2f} lat {outlines[i].centroid.y:.2f}"
        for i in sorted(set(range(len(rows))) - set(near.tolist()))
    ]

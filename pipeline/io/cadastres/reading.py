"""From features to titles and protected areas; what is refused, repaired or not understood stands in the snapshot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import numpy as np
import shapely

from pipeline.errors import TitleGeometryError
from pipeline.io.cadastres.axes import lonely
from pipeline.io.cadastres.crs import Bounds
from pipeline.io.cadastres.dates import read_days
from pipeline.io.cadastres.files import VectorFile, read_vector
from pipeline.io.cadastres.register_files import generic_register
from pipeline.io.cadastres.registers import AREA_COLUMNS, TITLE_FIELDS, Register, area_kind, code_of, match_columns
from pipeline.tenure import (
    AreaKind,
    Doubt,
    ProtectedArea,
    Refusal,
    Repair,
    Snapshot,
    Suspension,
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
    "kind_since": "the day {!r} on which it reached its stage cannot be read",
    "suspensions": "its suspension {!r} cannot be read",
}
_RUNS_ON = "its last day {} is past, but the register calls it {!r}, under which a title may run on"
_MOST_NAMED = 5

_MOST_OUTSIDE = 20
"""Outlines outside of the register's bounds that are named one by one."""


def read_titles(
    path: Path, *, crs: str | None = None, retrieved_on: date | None = None, register: Register | None = None
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
    register : Register, optional
        Names of columns, code lists and the law behind them; without it, those of no register in particular.

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
    register = generic_register() if register is None else register
    columns = match_columns(register.columns, file.columns)
    ids = _ids(file, columns, "title_id")
    titles, strange = _titles(file, columns, register=register, ids=ids)
    _require_some(path, file, len(titles))
    snapshot = _snapshot(file, ids, columns=columns, strange=strange, retrieved_on=retrieved_on)
    return titles, _with_register(snapshot, register, _outside(file, ids, register.bounds))


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


def _texts(file: VectorFile, columns: Mapping[str, str], field: str, register: Register) -> tuple[str | None, ...]:
    """Return the values of a field of a title, with what the register states of all its titles where there is none."""
    whole = register.whole.get(field)
    return tuple(text or (whole.value if whole else None) for text in _column(file, columns, field))


def _coded(texts: Sequence[str | None], table: Mapping[str, _Code], silent: _Code) -> tuple[list[_Code], _Strange]:
    """Return the code of each text, `silent` where there is none, and the texts that are in no table."""
    found = [None if text is None else code_of(text, table) for text in texts]
    strange = [text if code is None else None for text, code in zip(texts, found, strict=True)]
    return [silent if code is None else code for code in found], strange


def _days(texts: Sequence[str | None], register: Register) -> tuple[list[date | None], _Strange]:
    """Return the day of each text and the texts that are no readable day."""
    read = read_days(texts, day_first=register.day_first)
    return [day if isinstance(day, date) else None for day in read], [t if isinstance(t, str) else None for t in read]


def _minerals(
    texts: Sequence[str | None], kinds: Sequence[str | None], register: Register
) -> tuple[list[tuple[str, ...]], _Strange]:
    """Return the minerals of each text, words that are in no table among them, and those words.

    Where a title has no text, its minerals are those that its kind is for.
    """
    read = [mineral_names(text or "", register.minerals) for text in texts]
    told = [
        () if text is not None or kind is None else code_of(kind, register.kind_minerals) or ()
        for text, kind in zip(texts, kinds, strict=True)
    ]
    named = [(*known, *words, *by_kind) for (known, words), by_kind in zip(read, told, strict=True)]
    return named, [", ".join(words) or None for _, words in read]


def _suspensions(
    firsts: Sequence[str | None], lasts: Sequence[str | None], register: Register
) -> tuple[list[tuple[Suspension, ...]], _Strange]:
    """Return the suspension of each title, and the texts of those that have no first day or end before it."""
    (begun, _), (ended, _) = _days(firsts, register), _days(lasts, register)
    found: list[tuple[Suspension, ...]] = []
    strange: _Strange = []
    for texts, first, last in zip(zip(firsts, lasts, strict=True), begun, ended, strict=True):
        is_last_read = last is not None or texts[1] is None
        is_readable = first is not None and is_last_read and (last is None or first <= last)
        found.append((Suspension(first, last),) if first is not None and is_readable else ())
        strange.append(None if is_readable or texts == (None, None) else " to ".join(str(text or "?") for text in texts))
    return found, strange


def _titles(
    file: VectorFile, columns: Mapping[str, str], *, register: Register, ids: Sequence[str]
) -> tuple[list[Title], dict[str, _Strange]]:
    """Return the titles with a usable outline, and for each field the texts that were not understood."""
    texts = {field: _texts(file, columns, field, register) for field in TITLE_FIELDS}
    strange: dict[str, _Strange] = {}
    kinds, strange["kind"] = _coded(texts["kind"], register.kinds, TitleKind.UNKNOWN)
    statuses, strange["status"] = _coded(texts["status"], register.statuses, TitleStatus.UNKNOWN)
    starts, strange["valid_from"] = _days(texts["valid_from"], register)
    ends, strange["valid_to"] = _days(texts["valid_to"], register)
    minerals, strange["minerals"] = _minerals(texts["minerals"], texts["kind"], register)
    since, strange["kind_since"] = _days(texts["kind_since"], register)
    suspensions, strange["suspensions"] = _suspensions(texts["suspended_from"], texts["suspended_to"], register)
    may_run_on = _runs_on(texts["status"], ends, register)
    titles = [
        Title(
            title_id=ids[row],
            name=texts["name"][row] or "",
            holder=texts["holder"][row] or "",
            kind=kinds[row],
            status=statuses[row],
            valid_from=starts[row],
            valid_to=ends[row],
            minerals=minerals[row],
            geometry=outline.geometry,
            snapshot=file.sha256,
            kind_since=since[row],
            suspensions=suspensions[row],
            doubts=(*_doubts(strange, row), *may_run_on[row]),
        )
        for row, outline in enumerate(file.outlines)
        if outline.geometry is not None
    ]
    return titles, strange


def _runs_on(statuses: Sequence[str | None], lasts: Sequence[date | None], register: Register) -> list[tuple[Doubt, ...]]:
    """Return the doubt whether a title ended with its last day, where its status leaves that open."""
    table = dict.fromkeys(register.runs_on, True)
    return [
        (Doubt("runs_on", _RUNS_ON.format(last, status)),) if status and last and code_of(status, table) else ()
        for status, last in zip(statuses, lasts, strict=True)
    ]


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


def _with_register(snapshot: Snapshot, register: Register, notes: Sequence[str]) -> Snapshot:
    """Return a snapshot with the register by which it was read, and what that states of all its titles."""
    stated = [
        f"{key} is read as {whole.value!r} wherever a title has none: {whole.because}" for key, whole in register.whole.items()
    ]
    return replace(
        snapshot,
        register=register.name,
        rules=register.rules,
        outline_m=register.outline_m,
        notes=(*snapshot.notes, *notes, *stated),
    )


def _repeated(ids: Sequence[str]) -> list[str]:
    """Note ids that stand more than once; every one of them is kept."""
    repeated = sorted(name for name, count in Counter(ids).items() if count > 1)
    return [f"{len(repeated)} ids stand more than once, such as {', '.join(repeated[:_MOST_NAMED])}"] if repeated else []


def _far_off(file: VectorFile, ids: Sequence[str]) -> list[str]:
    """Note outlines that lie far from every other one."""
    rows = [row for row, outline in enumerate(file.outlines) if outline.geometry is not None]
    outlines = np.array([file.outlines[row].geometry for row in rows], dtype=object)
    return [
        f"{ids[rows[i]]} (feature {rows[i] + 1}) lies far from every other outline, "
        f"near lon {outlines[i].centroid.x:.2f} lat {outlines[i].centroid.y:.2f}"
        for i in lonely(shapely.envelope(outlines))
    ]


def _outside(file: VectorFile, ids: Sequence[str], bounds: Bounds | None) -> list[str]:
    """Note outlines that reach out of the country of the register; they are kept."""
    if bounds is None:
        return []
    west, south, east, north = bounds
    rows = [row for row, outline in enumerate(file.outlines) if outline.geometry is not None]
    left, bottom, right, top = shapely.bounds([file.outlines[row].geometry for row in rows]).T
    out = [row for row, is_in in zip(rows, (left >= west) & (bottom >= south) & (right <= east) & (top <= north), strict=True)
           if not is_in]  # fmt: skip
    notes = [
        f"{ids[row]} (feature {row + 1}) reaches outside of the register's bounds, lon {west:g} to {east:g} "
        f"lat {south:g} to {north:g}: near lon {place.x:.2f} lat {place.y:.2f}"
        for row in out[:_MOST_OUTSIDE]
        for place in [file.outlines[row].geometry.centroid]  # type: ignore[union-attr]
    ]
    return notes if len(out) <= _MOST_OUTSIDE else [*notes, f"{len(out) - _MOST_OUTSIDE} more outlines reach outside of them"]

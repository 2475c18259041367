"""Files of community reports: GeoJSON, CSV, exports of KoboToolbox and EarthRanger. Nothing in them is followed or run."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from pipeline.community import RawReport, RefusalCode, Source
from pipeline.errors import ReportRefusedError, ReportsUnreadableError

MOST_BYTES = 64 * 1024 * 1024
MOST_ROWS = 100_000
_LONLAT = frozenset({"urn:ogc:def:crs:ogc:1.3:crs84", "urn:ogc:def:crs:ogc::crs84", "epsg:4326", "urn:ogc:def:crs:epsg::4326"})
_LONGEST_CELL = 1 << 20

Row = RawReport | tuple[str, ReportRefusedError]
"""A row, or where it stands and why it cannot be read."""


def read_rows(path: Path, source: Source) -> list[Row]:
    """Return every row or feature of a file, in order.

    Raises
    ------
    ReportsUnreadableError
        It is absent, too large, or not written as it should be; none of it is taken.
    """
    text = _text(path)
    if source is Source.CSV or (source is Source.KOBO and text.lstrip()[:1] not in {"[", "{"}):
        rows = list(_table(path, text))
    elif source is Source.KOBO:
        rows = list(_submissions(path, _json(path, text)))
    else:
        rows = list(_features(path, _json(path, text)))
    if not rows:
        raise _unreadable(path, "found no report in it, expected at least one")
    return rows


def _unreadable(path: Path, words: str) -> ReportsUnreadableError:
    """A file that cannot be read."""
    return ReportsUnreadableError(f"{path}: {words}; nothing of it is taken")


def _text(path: Path) -> str:
    """The text of a file."""
    if not path.is_file():
        raise _unreadable(path, "found no such file, expected an export of reports")
    if path.stat().st_size > MOST_BYTES:
        raise _unreadable(path, f"found {path.stat().st_size:,} bytes, expected at most {MOST_BYTES:,}: export it in parts")
    content = path.read_bytes()
    if content.startswith(b"PK"):
        raise _unreadable(path, "found a zip or a spreadsheet (XLSX), expected text: export it as CSV or JSON")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"found bytes that are no UTF-8 (at byte {error.start}): save it as UTF-8") from error
    if text.lstrip().startswith("<"):
        raise _unreadable(path, "found XML or HTML, expected GeoJSON, JSON or CSV: export it as one of these")
    if "\0" in text:
        raise _unreadable(path, "found bytes that are in no text: export it again")
    if not text.strip():
        raise _unreadable(path, "found an empty file, expected an export of reports")
    return text


# --- JSON ------------------------------------------------------------------------------------------------------------


def _json(path: Path, text: str) -> object:
    """The value of a JSON text."""

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"found {name}, which is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"cannot be read as JSON ({error}): export it again") from error


def _features(path: Path, document: object) -> Iterator[Row]:
    """Rows of GeoJSON."""
    if not isinstance(document, Mapping) or document.get("type") not in {"FeatureCollection", "Feature"}:
        raise _unreadable(path, "found no FeatureCollection, expected GeoJSON with a feature for each report")
    _require_lonlat(path, document.get("crs"))
    features = [document] if document["type"] == "Feature" else document.get("features")
    if not isinstance(features, list):
        raise _unreadable(path, "found no list of features, expected one")
    for n, feature in enumerate(_bounded(path, features), 1):
        properties = (feature.get("properties") or {}) if isinstance(feature, Mapping) else None
        if not isinstance(feature, Mapping) or not isinstance(properties, Mapping) or feature.get("type") != "Feature":
            yield f"feature {n}", _malformed("found no feature, expected an object with geometry and properties")
            continue
        named = {"feature/id": feature["id"], **properties} if feature.get("id") is not None else properties
        yield RawReport(f"feature {n}", _spread(named), feature.get("geometry"))


def _require_lonlat(path: Path, crs: object) -> None:
    """Raise where a file names another reference system than longitude and latitude."""
    if crs is None:
        return
    inner = crs.get("properties") if isinstance(crs, Mapping) else None
    name = inner.get("name") if isinstance(inner, Mapping) else crs
    if str(name).lower() not in _LONLAT:
        raise _unreadable(path, f"found the crs {str(name)[:60]!r}, expected longitude and latitude in WGS 84 (RFC 7946)")


def _submissions(path: Path, document: object) -> Iterator[Row]:
    """Rows of KoboToolbox's JSON."""
    found = document.get("results") if isinstance(document, Mapping) else document
    if not isinstance(found, list):
        raise _unreadable(path, "found no list of submissions, expected one, or an object with `results`")
    for n, submission in enumerate(_bounded(path, found), 1):
        if isinstance(submission, Mapping):
            yield RawReport(f"submission {n}", submission)
        else:
            yield f"submission {n}", _malformed("found no object, expected questions and answers")


def _spread(properties: Mapping[str, object]) -> dict[str, object]:
    """Properties with those of their details beside them, as EarthRanger nests what its forms ask."""
    details = properties.get("event_details")
    if not isinstance(details, Mapping):
        return dict(properties)
    inner = {f"event_details/{key}": value for key, value in details.items()}
    return {**{k: v for k, v in properties.items() if k != "event_details"}, **inner}


def _bounded(path: Path, rows: list[object]) -> list[object]:
    """Rows of which there are not too many."""
    if len(rows) > MOST_ROWS:
        raise _unreadable(path, f"found {len(rows):,} reports, expected at most {MOST_ROWS:,}: export it in parts")
    return rows


def _malformed(words: str) -> ReportRefusedError:
    """A row that cannot be read."""
    return ReportRefusedError(RefusalCode.ROW_MALFORMED, words)


# --- CSV -------------------------------------------------------------------------------------------------------------


def _table(path: Path, text: str) -> Iterator[Row]:
    """Rows of a table with a head, separated by commas, semicolons or tabs."""
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        head = [name.strip() for name in next(reader)]
        twice = sorted({name for name in head if name and head.count(name) > 1})
        if twice:
            raise _unreadable(path, f"found the column {twice[0]!r} twice, expected each once")
        rows = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise _unreadable(path, f"line {reader.line_num} cannot be read as CSV ({error})") from error
    finally:
        csv.field_size_limit(limit)
    _bounded(path, list[object](rows))
    names = [name or f"column {n}" for n, name in enumerate(head, 1)]
    for line, cells in rows:
        if len(cells) == len(head):
            yield RawReport(f"line {line}", dict(zip(names, cells, strict=True)))
        else:
            yield f"line {line}", _malformed(f"found {len(cells)} values, expected {len(head)} as in the head")

"""What may be opened: a file is looked at before GDAL is, since GDAL goes by content and follows what it finds there.

Measured with GDAL 3.12: a CSV that holds a virtual dataset opens the file that it names; a JSON file can run a pipeline
of GDAL commands; a GeoJSON whose `crs` is a link has that address fetched. So each file must be what its suffix says, and
refer to nothing beyond itself.
"""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn
from xml.parsers import expat
from zipfile import ZipFile

from pipeline.errors import CadastreInvalidError, CadastreUnsafeError
from pipeline.io.cadastres.archives import open_archive
from pipeline.io.cadastres.links import refuse_linked_json

SUFFIXES = (".geojson", ".json", ".geojsonl", ".shp", ".gpkg", ".kml", ".kmz", ".fgb", ".gdb", ".csv", ".tab", ".mif")
"""Files that are opened, also inside a zip."""
_MAGIC = {".shp": b"\x00\x00\x27\x0a", ".gpkg": b"SQLite format 3\x00", ".fgb": b"fgb\x03fgb"}
_IN_PARTS = (".shp", ".tab", ".mif", ".csv", ".gpkg")
"""Formats that read files beside the one that is named."""
_STEERS_GDAL = (b"<ogrvrt", b"<ogrwfs", b"<wfs_capabilities", b"<gdal_wms", b"gdal_streamed_alg", b"<vrtdataset")
_HEAD_BYTES = 1 << 16
"""Bytes of a binary file in which GDAL could see another format; it looks at 1 KiB."""
_KML_LINKS = frozenset({"NetworkLink", "NetworkLinkControl"})
_SQL_REACHES = re.compile(r"\b(load_extension|readfile|writefile|gdal_\w+|ogr_\w+)\s*\(|\b(attach|pragma)\b|/vsi|https?://")


@dataclass(frozen=True, slots=True)
class _Piece:
    """One file, of a folder or an archive."""

    path: Path
    """What the user named."""
    name: str
    read: Callable[[int], bytes]
    """So many bytes from its beginning, -1: all."""

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()


def safe_sources(path: Path) -> list[str]:
    """Return what GDAL may open for a path: the file itself, or each vector file in a zip, in place.

    Raises
    ------
    CadastreInvalidError
        A file of another kind, a zip that cannot be opened or holds no vector file.
    CadastreUnsafeError
        A file that is not what its suffix says, refers to other files or addresses, has parts that are links to
        another folder, or an archive that could write outside of its place or unpacks without bound.
    """
    suffix = path.suffix.lower()
    if suffix in {".zip", ".kmz"}:
        return _archived(path, only_kml=suffix == ".kmz")
    if suffix not in SUFFIXES:
        raise CadastreInvalidError(f"{path}: found {path.suffix or 'no suffix'}, expected {', '.join(SUFFIXES)} or .zip")
    if path.is_dir() != (suffix == ".gdb"):
        what = "a folder" if path.is_dir() else "a file"
        raise CadastreInvalidError(f"{path}: found {what}, expected {'a folder' if suffix == '.gdb' else 'a file'}")
    if "!" in str(path.absolute()):
        raise CadastreUnsafeError(f"{path}: found a name with '!', which is read as an archive and its member; rename it")
    _refuse_links(path)
    _refuse_unwritten(path)
    if path.is_file():
        _require_plain(_Piece(path, path.name, lambda count: _read(path.open("rb"), count)))
    return [str(path.absolute())]


def _archived(path: Path, *, only_kml: bool) -> list[str]:
    """What GDAL may open in an archive."""
    suffixes = (".kml",) if only_kml else SUFFIXES
    with open_archive(path) as (archive, names):
        folders = {_geodatabase(name) for name in names} - {""}
        members = [name for name in names if name.lower().endswith(suffixes) and not _geodatabase(name)]
        for name in members:
            _require_plain(_Piece(path, name, partial(_read_member, archive, name)))
    if not members and not folders:
        raise CadastreInvalidError(f"{path}: found no vector file inside, expected one of {', '.join(suffixes)}")
    return [f"/vsizip/{{{path.absolute()}}}/{name}" for name in sorted((*members, *folders))]


def _read(file: IO[bytes], count: int) -> bytes:
    """So many bytes of a file, which is closed."""
    with file:
        return file.read(count)


def _read_member(archive: ZipFile, name: str, count: int) -> bytes:
    """So many bytes of a member."""
    return _read(archive.open(name), count)


def _geodatabase(name: str) -> str:
    """The geodatabase folder that a member of an archive lies in, empty where it lies in none."""
    parts = PurePosixPath(name).parts[:-1]
    depth = next((n for n, part in enumerate(parts, start=1) if part.lower().endswith(".gdb")), 0)
    return "/".join(parts[:depth])


def _refuse_links(path: Path) -> None:
    """Raise where a part of a file is a link into another folder."""
    if path.is_dir():
        parts = list(path.rglob("*"))
    elif path.suffix.lower() in _IN_PARTS:
        parts = [part for part in path.parent.iterdir() if part.name.startswith(f"{path.stem}.") and part.name != path.name]
    else:
        parts = []
    home = path.resolve() if path.is_dir() else path.resolve().parent
    for part in parts:
        if part.is_symlink() and not part.resolve().is_relative_to(home):
            raise CadastreUnsafeError(
                f"{path}: found the part {part.name!r}, a link into another folder, expected all parts beside each other; "
                "copy them into one folder"
            )


def _refuse_unwritten(path: Path) -> None:
    """Raise where a GeoPackage has changes beside it, which were not looked at and which its digest would not cover."""
    for ending in ("-wal", "-journal"):
        beside = path.with_name(path.name + ending)
        if path.suffix.lower() == ".gpkg" and beside.exists() and beside.stat().st_size:
            raise CadastreUnsafeError(
                f"{path}: found changes beside it in {beside.name!r}, expected one file; close it in the GIS that has it open"
            )


def _require_plain(piece: _Piece) -> None:
    """Raise where a file is not what its suffix says, or refers to anything beyond itself."""
    content = piece.read(_HEAD_BYTES if piece.suffix in _MAGIC else -1)
    if any(mark in content.lower() for mark in _STEERS_GDAL):
        raise _reaches_out(piece, "references to other files")
    magic = _MAGIC.get(piece.suffix, b"")
    if not content.startswith(magic):
        raise _not_itself(piece)
    if piece.suffix == ".gpkg":
        _require_plain_tables(piece)
    elif piece.suffix == ".kml":
        _require_plain_kml(piece, content)
    elif piece.suffix in {".json", ".geojson", ".geojsonl"}:
        if content.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x1e")[:1] not in {b"{", b"["}:
            raise _not_itself(piece)
        refuse_linked_json(piece.path, piece.name, content)
    elif piece.suffix in {".csv", ".tab", ".mif"}:
        _require_plain_text(piece, content)


def _not_itself(piece: _Piece) -> CadastreUnsafeError:
    """The error of a file of another kind than its suffix says."""
    return CadastreUnsafeError(
        f"{piece.path}: found {piece.name!r} with the content of another kind of file, expected {piece.suffix}; "
        "name it as what it is, or get it again"
    )


def _reaches_out(piece: _Piece, what: str) -> CadastreUnsafeError:
    """The error of a file that refers to something beyond itself."""
    return CadastreUnsafeError(
        f"{piece.path}: found {what} in {piece.name!r}, expected the outlines themselves; export them from a GIS to one file"
    )


def _require_plain_text(piece: _Piece, content: bytes) -> None:
    """Raise where a text is none, or a table of MapInfo names another one."""
    if piece.suffix == ".csv" and (b"\0" in content or content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"{"))):
        raise _not_itself(piece)
    if piece.suffix == ".tab":
        lines = [line.strip().lower() for line in content.splitlines()]
        if not any(line.startswith(b"!table") for line in lines[:3]):
            raise _not_itself(piece)
        if any(line.startswith((b"open table", b"file ", b"create view", b'"\\isseamless"')) for line in lines):
            raise _reaches_out(piece, "a table that names other files")


def _require_plain_kml(piece: _Piece, content: bytes) -> None:
    """Raise where KML declares a document type or entities, in whatever encoding and place, or links to more of it."""

    def declares(*_: object) -> NoReturn:
        raise _reaches_out(piece, "references to other files, or entities")

    def starts(name: str, _: object) -> None:
        if name.rpartition(":")[2] in _KML_LINKS:
            raise _reaches_out(piece, f"a {name}, behind which titles may lie")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = declares
    parser.EntityDeclHandler = declares
    parser.ExternalEntityRefHandler = declares
    parser.StartElementHandler = starts
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that is none
        raise CadastreInvalidError(f"{piece.path}: {piece.name!r} cannot be read: {error}; get it again") from error


def _require_plain_tables(piece: _Piece) -> None:
    """Raise where a GeoPackage holds more than tables: views, virtual tables, or statements that reach out."""
    try:
        with closing(sqlite3.connect(":memory:")) as base:
            base.text_factory = partial(str, encoding="utf-8", errors="replace")
            content = piece.read(-1)
            base.deserialize(content[:18] + b"\x01\x01" + content[20:])  # in memory there is no write-ahead log
            rows = base.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master").fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise CadastreInvalidError(f"{piece.path}: {piece.name!r} cannot be read: {error}; get it again") from error
    for kind, name, sql in rows:
        words = " ".join(sql.lower().split())
        is_index = name.startswith("rtree_") and " using rtree" in words
        if kind == "view" or (words.startswith("create virtual table") and not is_index):
            raise _reaches_out(piece, f"the {kind} {name!r}, which is made of other ones,")
        if kind == "trigger" and _SQL_REACHES.search(words):
            raise _reaches_out(piece, f"the trigger {name!r}, which reaches out,")

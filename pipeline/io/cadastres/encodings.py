"""The encoding of texts in a Shapefile: what its .cpg or .dbf says, and a note where neither does."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

_LANGUAGE_BYTE = 29
"""Offset of the language driver id in the header of a .dbf (dBASE table file structure)."""


def encoding_note(source: str, texts: Iterable[str | None]) -> str | None:
    """Return what must be known of the encoding of a Shapefile's texts; None where it is said or does not matter.

    Parameters
    ----------
    source : str
        What GDAL opens: a path, or `/vsizip/{archive}/member`.
    texts : iterable of str or None
        Texts as they were read.
    """
    if not source.lower().endswith(".shp") or _states_encoding(source):
        return None
    strange = next((text for text in texts if text is not None and not text.isascii()), None)
    if strange is None:
        return None
    note = f"neither a .cpg nor the .dbf says the encoding of the texts; read as ISO-8859-1, such as {strange!r}"
    try:
        other = strange.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return note
    return f"{note}, which as UTF-8 would be {other!r}: ask the publisher for a .cpg file"


def _states_encoding(source: str) -> bool:
    """Whether a .cpg lies beside a Shapefile, or its .dbf has a language driver."""
    if source.startswith("/vsizip/{"):
        archive_name, member = source.removeprefix("/vsizip/{").split("}/", 1)
        with zipfile.ZipFile(archive_name) as archive:
            beside = {name.lower(): name for name in archive.namelist()}
            stem = member[:-4].lower()
            head = archive.read(beside[f"{stem}.dbf"])[:32] if f"{stem}.dbf" in beside else b""
            return f"{stem}.cpg" in beside or _has_language(head)
    path = Path(source)
    beside_it = {file.name.lower(): file for file in path.parent.iterdir() if file.stem.lower() == path.stem.lower()}
    dbf = beside_it.get(f"{path.stem.lower()}.dbf")
    return f"{path.stem.lower()}.cpg" in beside_it or dbf is None or _has_language(dbf.read_bytes()[:32])


def _has_language(head: bytes) -> bool:
    """Whether the header of a .dbf names its encoding."""
    return len(head) > _LANGUAGE_BYTE and head[_LANGUAGE_BYTE] != 0

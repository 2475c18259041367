"""GeoJSON whose coordinate reference system is a link: GDAL fetches the address, so such a file is refused."""

import json
import re
from pathlib import Path

from pipeline.errors import CadastreInvalidError, CadastreUnsafeError

_MAY_SAY_CRS = re.compile(rb"crs|\\u00[2-7]", re.IGNORECASE)
"""The member as it is, or letters of ASCII that are written as escapes."""
_LINKS = frozenset({"link", "url", "file", "ogc"})


def refuse_linked_json(path: Path, name: str, content: bytes) -> None:
    """Raise where an object of JSON has a `crs` that is not a name.

    Parameters
    ----------
    path : Path
        What the user named.
    name : str
        The file, or the member of an archive.
    content : bytes
        The whole of it.

    Raises
    ------
    CadastreInvalidError
        The text is no JSON.
    CadastreUnsafeError
        A `crs` links to an address or a file.
    """
    if not _MAY_SAY_CRS.search(content):
        return

    def looked_at(pairs: list[tuple[str, object]]) -> dict[str, object]:
        for key, value in pairs:
            if key.lower() == "crs" and isinstance(value, dict) and str(value.get("type", "")).lower() in _LINKS:
                raise CadastreUnsafeError(
                    f"{path}: found in {name!r} a crs that is a {value['type']}, expected a name such as EPSG:32717; "
                    "replace it by the name that the publisher gives"
                )
        return dict(pairs)

    try:
        text = content.decode("utf-8-sig")
        for line in text.splitlines() if name.lower().endswith(".geojsonl") else [text]:
            if line.strip(" \x1e"):
                json.loads(line.strip(" \x1e"), object_pairs_hook=looked_at)
    except (ValueError, RecursionError) as error:
        raise CadastreInvalidError(f"{path}: {name!r} cannot be read: {error}; check that it opens in a GIS") from error

"""Cadastres behind a service: every feature of a layer, page by page, in one GeoJSON file that is read like any other.

The coordinates stay in the reference system of the service, which the file names, so that the datum shift happens here.
The same answers give the same bytes. A file appears under its name only when it is whole: as many features as the service
counts before and after, each once.
"""

import json
import re
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import CadastreInvalidError
from pipeline.io.cadastres.feature_server import retrieve_feature_server
from pipeline.io.cadastres.pages import PAGE_FEATURES, Retrieved
from pipeline.io.cadastres.wfs import retrieve_wfs
from pipeline.io.web import Web, shown

_FEATURE_SERVER = re.compile(r"/(?:FeatureServer|MapServer)/\d+/?$", re.IGNORECASE)
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def retrieve(url: str, folder: Path, *, layer: str | None = None, page: int = PAGE_FEATURES, web: Web | None = None) -> Path:
    """Return a GeoJSON file in a folder that holds every feature of a service's layer, in the order of their ids.

    Parameters
    ----------
    url : str
        A layer of an ArcGIS service (`…/FeatureServer/0`, `…/MapServer/3`), or a WFS of version 2.0.0 or 1.1.0.
    folder : Path
        Where the file goes; an older file of the same layer is replaced when the new one is whole.
    layer : str, optional
        Feature type of a WFS; may be left out where it offers one only.
    page : int
        Features asked for at once.
    web : Web, optional
        Client to ask with.

    Raises
    ------
    CadastreInvalidError
        The address is no http(s) address.
    CadastreServiceError
        The service answers with an error, offers no GeoJSON, or does not give each of its features once.
    ProviderError
        One of its other children: no answer, no JSON, not let in.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise CadastreInvalidError(f"found {shown(url)!r}, expected the http(s) address of a FeatureServer layer or a WFS")
    client = Web("cadastre service") if web is None else web
    is_arcgis = _FEATURE_SERVER.search(parts.path) is not None
    found = retrieve_feature_server(client, url, page) if is_arcgis else retrieve_wfs(client, url, layer, page)
    return _saved(found, folder)


def _saved(found: Retrieved, folder: Path) -> Path:
    """The file of all features: written beside its place, and moved there when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{_UNSAFE.sub('_', found.name).strip('_') or 'titles'}.geojson"
    head = '{"type":"FeatureCollection",'
    if found.crs is not None:
        head += f'"crs":{_json({"type": "name", "properties": {"name": found.crs}})},'
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, prefix=f".{target.stem}.", delete=False) as file:
        part = Path(file.name)
        try:
            file.write(f'{head}"features":[\n')
            file.writelines(f"{',' if number else ''}{_json(feature)}\n" for number, feature in enumerate(found.features))
            file.write("]}\n")
            file.close()
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return target


def _json(value: object) -> str:
    """Text of a value with its keys as they were served."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""Web Feature Services of version 2.0.0 (OGC 09-025r2) and 1.1.0 (OGC 04-094), asked for GeoJSON page by page."""

from typing import Any, NoReturn
from xml.etree import ElementTree as ET

from pipeline.errors import CadastreServiceError
from pipeline.io.cadastres.pages import Page, Retrieved, gather, named_crs, with_query
from pipeline.io.web import GoneError, Web, json_of, shown

VERSIONS = ("2.0.0", "1.1.0")
_EXCEPTIONS = {"ExceptionReport", "ServiceExceptionReport"}


class _PlainBuilder(ET.TreeBuilder):
    """Builds a document that declares nothing."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:  # noqa: ARG002
        """Refuse a document type, in which entities could stand."""
        raise CadastreServiceError(f"found XML with the document type {name!r}, expected plain XML")


def retrieve_wfs(web: Web, url: str, layer: str | None, page: int) -> Retrieved:
    """Return every feature of a feature type of a WFS, in its default coordinate reference system.

    Parameters
    ----------
    web : Web
    url : str
        Address of the service; parameters in its query that are not WFS's own are kept.
    layer : str or None
        Name of the feature type; None: the only one.
    page : int
        Features asked for at once.

    Raises
    ------
    CadastreServiceError
        The service answers with an exception, is of another version, offers no GeoJSON or not this layer; also what
        `gather` raises.
    """
    where = f"{web.name}, {shown(url)}"
    base = with_query(url, service="WFS")
    about = _xml(web, with_query(base, request="GetCapabilities", acceptversions=",".join(VERSIONS)), where)
    version = about.get("version", "")
    if _local(about) != "WFS_Capabilities" or version not in VERSIONS:
        raise CadastreServiceError(
            f"{where}: found {_local(about)} {version}, expected a WFS of version {' or '.join(VERSIONS)}"
        )
    name, srs = _feature_type(about, layer, where)
    kind, size = ("typenames", "count") if version == "2.0.0" else ("typename", "maxfeatures")
    query = with_query(base, version=version, request="GetFeature", **{kind: name})
    asked = with_query(query, outputformat=_json_format(about, where), **{size: str(page)}, **({"srsname": srs} if srs else {}))

    def count() -> int:
        hits = _xml(web, with_query(query, resulttype="hits"), where)
        text = hits.get("numberMatched") or hits.get("numberOfFeatures") or ""
        if not text.isdigit():
            raise CadastreServiceError(f"{where}: found {text or 'no number'} of features, expected a count; get the file")
        return int(text)

    def page_at(position: int) -> Page:
        return _page(web, with_query(asked, startindex=str(position)), where)

    return gather(where, name, count=count, page_at=page_at)


def _page(web: Web, url: str, where: str) -> Page:
    """One answer with features."""
    body, kind = _body(web, url, where)
    if body.lstrip()[:1] == b"<" and b"html" not in body[:200].lower():
        _raise_for_exception(_parsed(body, where), where)
    document: dict[str, Any] = json_of(body, kind, where)
    if document.get("type") != "FeatureCollection":
        raise CadastreServiceError(f"{where}: found JSON of type {document.get('type')!r}, expected a FeatureCollection")
    return Page(document.get("features") or [], named_crs(document.get("crs"), where))


def _body(web: Web, url: str, where: str) -> tuple[bytes, str]:
    """The bytes of an answer and their content type."""
    try:
        answer = web.ask(url, headers={"Accept": "*/*"})
    except GoneError as error:
        raise CadastreServiceError(f"{where}: found {error}, expected a WFS; check the address") from error
    return answer.body, answer.headers.get("Content-Type", "")


def _xml(web: Web, url: str, where: str) -> ET.Element:
    """The XML of an answer that is no exception."""
    root = _parsed(_body(web, url, where)[0], where)
    if _local(root).lower() == "html":
        raise CadastreServiceError(f"{where}: found a page of HTML, expected XML; does a login page stand before the service?")
    _raise_for_exception(root, where)
    return root


def _parsed(body: bytes, where: str) -> ET.Element:
    """XML that declares nothing."""
    try:
        return ET.fromstring(body, ET.XMLParser(target=_PlainBuilder()))  # noqa: S314
    except ET.ParseError as error:
        start = body[:40].decode("utf-8", "replace").split("\n")[0]
        raise CadastreServiceError(
            f"{where}: found an answer that begins {start!r}, expected XML ({error}); is this the address of a WFS?"
        ) from error
    except CadastreServiceError as error:
        raise CadastreServiceError(f"{where}: {error}; is this the address of a WFS?") from error


def _raise_for_exception(root: ET.Element, where: str) -> None:
    """Raise what an exception report says."""
    if _local(root) not in _EXCEPTIONS:
        return
    told = " ".join(" ".join(root.itertext()).split())
    codes = [element.get("exceptionCode") or element.get("code") for element in root.iter()]
    code = next((code for code in codes if code), "without code")
    raise CadastreServiceError(f"{where}: found the exception {code} ({told}), expected features; check the name of the layer")


def _local(element: ET.Element) -> str:
    """Name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _text(element: ET.Element, *names: str) -> str:
    """Text of the first child that has one of the names."""
    return next(((child.text or "").strip() for child in element if _local(child) in names), "")


def _feature_type(about: ET.Element, layer: str | None, where: str) -> tuple[str, str]:
    """Name and default CRS of the feature type."""
    types = {_text(e, "Name"): _text(e, "DefaultCRS", "DefaultSRS") for e in about.iter() if _local(e) == "FeatureType"}
    wanted = layer if layer is not None else next(iter(types), "")
    if wanted not in types or (layer is None and len(types) > 1):
        raise CadastreServiceError(
            f"{where}: found the layers {', '.join(sorted(types)) or 'none'}, expected {layer or 'one'}; pass the name of one"
        )
    return wanted, types[wanted]


def _json_format(about: ET.Element, where: str) -> str:
    """The output format that is GeoJSON."""
    operations = [e for e in about.iter() if _local(e) == "Operation" and e.get("name") == "GetFeature"]
    parameters = [p for o in operations for p in o if _local(p) == "Parameter" and p.get("name", "").lower() == "outputformat"]
    offered = [(e.text or "").strip() for p in parameters for e in p.iter() if _local(e) == "Value"]
    formats = [text for text in offered if "json" in text.lower() and "jsonp" not in text.lower()]
    if not formats:
        raise CadastreServiceError(
            f"{where}: found the formats {', '.join(offered) or 'none'}, expected GeoJSON: GML is not read here; download the "
            "layer with a GIS (for instance `ogr2ogr titles.gpkg WFS:<address>`) and read that file"
        )
    return min(formats, key=lambda text: (text.lower() not in {"application/json", "geojson", "json"}, formats.index(text)))

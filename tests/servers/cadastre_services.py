"""A cadastre on loopback behind the two protocols that agencies use: ArcGIS REST (`/FeatureServer/0`) and WFS (`/wfs`).

It counts what it is asked, and goes wrong when it is told to: the faults of every server here (places `layer`, `count`,
`page`, `capabilities`), and what only services of features do.
"""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from servers.faults import Fault, Faulty, misbehave, send

EXCEPTION = (
    '<?xml version="1.0"?><ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1" version="2.0.0">'
    '<ows:Exception exceptionCode="{code}"><ows:ExceptionText>{text}</ows:ExceptionText></ows:Exception></ows:ExceptionReport>'
)
Square = tuple[float, float, float]
"""West, south and size of a title."""


class CadastreService(Faulty, ThreadingHTTPServer):
    """Serves squares as the titles of one layer, in the order it is told, numbered from 1."""

    daemon_threads = True

    def __init__(self, squares: list[Square], *, wkid: int = 4326) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.squares, self.wkid = squares, wkid
        self.faults: list[Fault] = []
        self.asked: list[dict[str, str]] = []
        """Parameters of each request, names in lower case."""
        self.most = 1000
        """Features in one answer."""
        self.error: dict[str, Any] | None = None
        """Error that answers a query with status 200."""
        self.lost: set[int] = set()
        """Positions whose page comes empty."""
        self.ignores_position = False
        self.counts: list[int] = []
        """What to answer to the next questions for the count, instead of the count."""
        self.is_zipped = self.moves = False
        self.has_positions = True
        """Whether the layer can be asked for by position; else by object ids only."""
        self.geometry_type = "esriGeometryPolygon"
        self.version = "2.0.0"
        self.formats = ["application/gml+xml; version=3.2", "application/json"]
        self.layers = ["mining:titles"]
        self.exception: tuple[str, str] | None = None
        """Code and text that answer GetFeature."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def layer_url(self) -> str:
        return f"{self.url}/arcgis/rest/services/Titles/FeatureServer/0"

    def count(self) -> int:
        return self.counts.pop(0) if self.counts else len(self.squares)

    def rows(self, position: int, count: int) -> list[tuple[int, Square]]:
        if position in self.lost:
            return []
        position = 0 if self.ignores_position else position
        return list(enumerate(self.squares, start=1))[position : position + min(count, self.most)]


def _ring(square: Square) -> list[list[float]]:
    """Clockwise, as Esri draws outer rings."""
    x, y, size = square
    return [[x, y], [x, y + size], [x + size, y + size], [x + size, y], [x, y]]


class _Handler(BaseHTTPRequestHandler):
    server: CadastreService

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {k.lower(): v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        self.server.asked.append(asked)
        if self.server.moves and not parts.path.startswith("/moved"):
            send(self, b"", 302, Location=f"{self.server.url}/moved{self.path}")
            return
        path = parts.path.removeprefix("/moved")
        if path == "/wfs":
            place, body, kind = self._wfs(asked)
        elif path.startswith("/arcgis/"):
            place, document = self._arcgis(path, asked)
            body, kind = json.dumps(document), "application/json"
        else:
            send(self, b"not here", 404)
            return
        self._send(place, body.encode(), kind)

    def _send(self, place: str, body: bytes, kind: str) -> None:
        more = {"Content_Type": kind}
        if self.server.is_zipped:
            body, more["Content_Encoding"] = gzip.compress(body), "gzip"
        fault = self.server.next_fault(place, self.path)
        if fault is not None:
            misbehave(self, fault, body, 200, **more)
        else:
            send(self, body, **more)

    def _arcgis(self, path: str, asked: dict[str, str]) -> tuple[str, dict[str, Any]]:
        server, reference = self.server, {"wkid": self.server.wkid, "latestWkid": self.server.wkid}
        if not path.endswith("/query"):
            return "layer", {
                "type": "Feature Layer", "name": "Titles", "geometryType": server.geometry_type, "maxRecordCount": server.most,
                "objectIdField": "OBJECTID", "extent": {"spatialReference": reference},
                "advancedQueryCapabilities": {"supportsPagination": server.has_positions},
            }  # fmt: skip
        if server.error is not None:
            return "page", {"error": server.error}
        if asked.get("returncountonly") == "true":
            return "count", {"count": server.count()}
        if asked.get("returnidsonly") == "true":
            return "page", {"objectIds": list(range(len(server.squares), 0, -1))}
        assert asked["orderbyfields"] == "OBJECTID"
        assert (asked["where"], asked["outfields"]) == ("1=1", "*")
        if server.has_positions:
            position, count = int(asked["resultoffset"]), int(asked["resultrecordcount"])
        else:
            ids = [int(text) for text in asked["objectids"].split(",")]
            assert ids == list(range(ids[0], ids[-1] + 1))
            position, count = ids[0] - 1, len(ids)
        features = [
            {"attributes": {"OBJECTID": n, "licence_no": f"L{n}", "holder": "Núñez"}, "geometry": {"rings": [_ring(square)]}}
            for n, square in server.rows(position, count)
        ]
        answer = {"objectIdFieldName": "OBJECTID", "spatialReference": reference, "features": features}
        return "page", {**answer, **({"exceededTransferLimit": True} if position + count < len(server.squares) else {})}

    def _wfs(self, asked: dict[str, str]) -> tuple[str, str, str]:
        server = self.server
        if asked["request"] == "GetCapabilities":
            return "capabilities", _capabilities(server), "text/xml"
        if server.exception is not None:
            return "page", EXCEPTION.format(code=server.exception[0], text=server.exception[1]), "text/xml"
        is_new = server.version == "2.0.0"
        assert asked["version"] == server.version
        assert asked["typenames" if is_new else "typename"] == server.layers[0]
        if asked.get("resulttype") == "hits":
            name = "numberMatched" if is_new else "numberOfFeatures"
            return (
                "count",
                f'<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs" {name}="{server.count()}"/>',
                "text/xml",
            )
        features = [
            {
                "type": "Feature", "id": f"titles.{n}", "geometry": {"type": "Polygon", "coordinates": [_ring(square)]},
                "properties": {"licence_no": f"L{n}", "holder": "Núñez"},
            }
            for n, square in server.rows(int(asked["startindex"]), int(asked["count" if is_new else "maxfeatures"]))
        ]  # fmt: skip
        crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{server.wkid}"}}
        document = {"type": "FeatureCollection", "features": features, "crs": crs, "timeStamp": str(len(server.asked))}
        return "page", json.dumps(document), "application/json"

    def log_message(self, *_: object) -> None:
        pass


def _capabilities(server: CadastreService) -> str:
    space = "http://www.opengis.net/wfs/2.0" if server.version == "2.0.0" else "http://www.opengis.net/wfs"
    crs = "DefaultCRS" if server.version == "2.0.0" else "DefaultSRS"
    values = "".join(f"<ows:Value>{text}</ows:Value>" for text in server.formats)
    types = "".join(
        f"<FeatureType><Name>{name}</Name><{crs}>urn:ogc:def:crs:EPSG::{server.wkid}</{crs}></FeatureType>"
        for name in server.layers
    )
    return (
        f'<?xml version="1.0"?><WFS_Capabilities xmlns="{space}" xmlns:ows="http://www.opengis.net/ows/1.1" '
        f'version="{server.version}"><ows:OperationsMetadata><ows:Operation name="GetFeature">'
        '<ows:Parameter name="outputFormat">'
        f"{values}</ows:Parameter></ows:Operation></ows:OperationsMetadata><FeatureTypeList>{types}</FeatureTypeList>"
        "</WFS_Capabilities>"
    )


@contextmanager
def cadastre_service(squares: list[Square], *, wkid: int = 4326) -> Iterator[CadastreService]:
    """Hold a running service."""
    server = CadastreService(squares, wkid=wkid)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

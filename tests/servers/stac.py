"""A STAC API on loopback over a static catalogue, in the manner of the services that users have.

Landing page, search with pages (POST and GET), files by byte ranges; Planetary Computer's signing of addresses, and the
item forms of Earth Search, Planetary Computer and the Copernicus Data Space. It counts what it is asked and what it sends,
and goes wrong when it is told to (`faults`).
"""

import json
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

import shapely
from shapely.geometry import shape

from servers.faults import Fault, Faulty, misbehave, send

PAGE = 10
CONFORMS = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
Manner = Literal["earth-search", "planetary-computer", "copernicus"]
ESA_NAMES = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11", "swir22": "B12", "scl": "SCL"}


class StacApi(Faulty, ThreadingHTTPServer):
    """Serves the items of a catalogue folder; remembers its searches, ranges and signatures."""

    daemon_threads = True

    def __init__(self, folder: Path, manner: Manner = "earth-search") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.manner = folder, manner
        self.faults: list[Fault] = []
        self.searches: list[dict[str, Any]] = []
        self.ranges: list[str] = []
        self.asked: list[str] = []
        """Files asked for, in order."""
        self.sent_bytes = 0
        """Bytes of files that were sent."""
        self.signature = secrets.token_urlsafe(24)
        """The signature of the present; a new one makes the old one invalid."""
        self.signed = 0
        self.has_page_loop = False
        self.changes: list[list[str]] = []
        """Ids to leave out of the answer to each next search request: a catalogue that changes between pages."""
        self.knows_ranges = True
        self.kill_at: tuple[int, int] | None = None
        """Process to kill, and the byte of files, counted from now, at which it is killed."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def sign_url(self) -> str:
        return f"{self.url}/sign"

    def items(self) -> list[dict[str, Any]]:
        links = json.loads((self.folder / "catalog.json").read_text(encoding="utf-8"))["links"]
        return [self._served(link["href"]) for link in links if link["rel"] == "item"]

    def _served(self, href: str) -> dict[str, Any]:
        item = json.loads((self.folder / href).read_text(encoding="utf-8"))
        for asset in item["assets"].values():
            asset["href"] = f"{self.url}/files/{Path(href).parent.name}/{Path(asset['href']).name}"
        return {"earth-search": dict, "planetary-computer": _as_planetary, "copernicus": _as_copernicus}[self.manner](item)

    def search(self, asked: dict[str, Any], method: str) -> dict[str, Any]:
        self.searches.append(asked)
        begin, end = (text[:10] for text in asked["datetime"].split("/"))
        ground = shape(asked["intersects"])
        left_out = self.changes.pop(0) if self.changes else []
        found = [
            item
            for item in self.items()
            if item["collection"] in asked["collections"]
            and begin <= item["properties"]["datetime"][:10] <= end
            and shapely.intersects(shape(item["geometry"]), ground)
            and item["id"] not in left_out
        ]
        start = int(asked.get("token", 0))
        links = []
        if start + PAGE < len(found) or self.has_page_loop:
            token = 0 if self.has_page_loop else start + PAGE
            links = [{"rel": "next", "href": f"{self.url}/search", "method": method, "body": {**asked, "token": token}}]
        return {
            "type": "FeatureCollection", "features": found[start : start + PAGE], "links": links, "numberMatched": len(found),
        }  # fmt: skip

    def is_signed(self, query: str) -> bool:
        return self.manner != "planetary-computer" or parse_qs(query).get("sig") == [self.signature]


def _as_planetary(item: dict[str, Any]) -> dict[str, Any]:
    """Planetary Computer: ESA's names, neither scale nor offset, a bare tile, addresses that have to be signed."""
    properties = {**item["properties"], "s2:mgrs_tile": item["properties"]["grid:code"].removeprefix("MGRS-")}
    del properties["grid:code"]
    assets = {ESA_NAMES[n]: {k: v for k, v in a.items() if k != "raster:bands"} for n, a in item["assets"].items()}
    return {**item, "properties": properties, "assets": assets}


def _as_copernicus(item: dict[str, Any]) -> dict[str, Any]:
    """Copernicus Data Space: bands by size, radiometry flat in the asset, object storage first, EOPF's property names."""
    properties = dict(item["properties"])
    properties["processing:version"] = properties.pop("s2:processing_baseline")
    properties["eopf:datatake_id"] = properties.pop("s2:datatake_id")
    assets = {}
    for name, asset in item["assets"].items():
        band = asset.get("raster:bands", [{}])[0]
        size = "20m" if name in {"swir16", "swir22", "scl"} else "10m"
        assets[f"{ESA_NAMES[name]}_{size}"] = {
            "href": f"s3://eodata/Sentinel-2/{item['id']}/{name}.jp2",
            "alternate": {"https": {"href": asset["href"]}},
            "nodata": 0,
            **{f"raster:{k}": band[k] for k in ("scale", "offset") if k in band},
        }
    return {**item, "properties": properties, "assets": assets}


class _Handler(BaseHTTPRequestHandler):
    server: StacApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, place: str, body: bytes, status: int = 200, **headers: str) -> None:
        fault = self.server.next_fault(place, self.path)
        if place == "files":
            self._kill_if_due(body, status, headers)
            self.server.sent_bytes += len(body) if fault is None else 0
        if fault is None:
            send(self, body, status, **headers)
        else:
            misbehave(self, fault, body, status, **headers)

    def _kill_if_due(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        """Kill the asking process in the middle of this answer, when its byte comes."""
        if self.server.kill_at is None:
            return
        pid, left = self.server.kill_at
        self.server.kill_at = (pid, left - len(body)) if left > len(body) else None
        if self.server.kill_at is None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body[:left])
            self.wfile.flush()
            os.kill(pid, signal.SIGKILL)

    def _json(self, place: str, document: object, status: int = 200) -> None:
        self._answer(place, json.dumps(document).encode(), status, Content_Type="application/json")

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/files/"):
            self._file(parts.path, parts.query)
        elif parts.path.startswith("/eodata/Sentinel-2/"):  # object storage, asked by path
            self._file(parts.path.replace("/eodata/Sentinel-2/", "/files/").replace(".jp2", ".tif"), parts.query)
        elif parts.path == "/sign":
            self._sign(parse_qs(parts.query)["href"][0])
        else:
            search = {"rel": "search", "href": f"{self.server.url}/search", "type": "application/geo+json", "method": "POST"}
            links = [{"rel": "root", "href": self.server.url}, {"rel": "self", "href": self.server.url}, search]
            self._json("landing", {"type": "Catalog", "stac_version": "1.0.0", "id": "loopback", "description": "t",
                                   "conformsTo": CONFORMS, "links": links})  # fmt: skip

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._json("search", self.server.search(asked, "POST"))

    def _sign(self, href: str) -> None:
        self.server.signed += 1
        self._json("sign", {"msft:expiry": "2099-01-01T00:00:00Z", "href": f"{href}?sig={quote(self.server.signature)}"})

    def _file(self, path: str, query: str) -> None:
        file, wanted = self.server.folder / unquote(path.removeprefix("/files/")), self.headers.get("Range")
        self.server.asked.append(f"{file.parent.name}/{file.name}")
        if not self.server.is_signed(query):
            self._answer("files", b"", 403)
        elif not file.is_file():
            self._answer("files", b"", 404)
        elif wanted is None or not self.server.knows_ranges:
            self._answer("files", file.read_bytes(), Accept_Ranges="bytes")
        else:
            self.server.ranges.append(wanted)
            size = file.stat().st_size
            first, last = wanted.removeprefix("bytes=").split("-")
            end = min(int(last or size - 1), size - 1)
            with file.open("rb") as opened:
                opened.seek(int(first))
                data = opened.read(end + 1 - int(first))
            self._answer("files", data, 206, Content_Range=f"bytes {first}-{end}/{size}", Accept_Ranges="bytes")


@contextmanager
def stac_api(folder: Path, manner: Manner = "earth-search") -> Iterator[StacApi]:
    """A running server over the catalogue of a folder."""
    server = StacApi(folder, manner)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

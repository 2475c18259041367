"""A STAC API on loopback over a static catalogue: landing page, search with pages, and files by byte ranges."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import shapely
from shapely.geometry import shape

PAGE = 10
CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
]


class StacApi(ThreadingHTTPServer):
    """Serves the items of a catalogue folder; remembers its searches; answers with `status` where it is told to fail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.searches, self.status = folder, list[dict[str, Any]](), 200
        self.ranges: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def items(self) -> list[dict[str, Any]]:
        links = json.loads((self.folder / "catalog.json").read_text(encoding="utf-8"))["links"]
        return [self._served(link["href"]) for link in links if link["rel"] == "item"]

    def _served(self, href: str) -> dict[str, Any]:
        item = json.loads((self.folder / href).read_text(encoding="utf-8"))
        for asset in item["assets"].values():
            asset["href"] = f"{self.url}/files/{Path(href).parent.name}/{Path(asset['href']).name}"
        return item

    def search(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.searches.append(asked)
        begin, end = (text[:10] for text in asked["datetime"].split("/"))
        ground = shape(asked["intersects"])
        found = [
            item
            for item in self.items()
            if item["collection"] in asked["collections"]
            and begin <= item["properties"]["datetime"][:10] <= end
            and shapely.intersects(shape(item["geometry"]), ground)
        ]
        start = int(asked.get("token", 0))
        links = []
        if start + PAGE < len(found):
            body = {**asked, "token": start + PAGE}
            links = [{"rel": "next", "href": f"{self.url}/search", "method": "POST", "body": body}]
        return {"type": "FeatureCollection", "features": found[start : start + PAGE], "links": links}


class _Handler(BaseHTTPRequestHandler):
    server: StacApi

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, document: object, status: int = 200) -> None:
        self._send(json.dumps(document).encode(), status, Content_Type="application/json")

    def do_GET(self) -> None:
        if self.path.startswith("/files/"):
            self._file(self.server.folder / unquote(self.path.removeprefix("/files/")))
            return
        search = {"rel": "search", "href": f"{self.server.url}/search", "type": "application/geo+json", "method": "POST"}
        links = [{"rel": "root", "href": self.server.url}, {"rel": "self", "href": self.server.url}, search]
        self._json({"type": "Catalog", "stac_version": "1.0.0", "id": "loopback", "description": "t", "conformsTo": CONFORMS,
                    "links": links})  # fmt: skip

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status != 200:
            self._json({"description": "told to fail"}, self.server.status)
        else:
            self._json(self.server.search(asked))

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self._send(b"", 404)
            return
        data, wanted = path.read_bytes(), self.headers.get("Range")
        if wanted is None:
            self._send(data, Accept_Ranges="bytes")
            return
        self.server.ranges.append(wanted)
        first, last = wanted.removeprefix("bytes=").split("-")
        end = min(int(last or len(data) - 1), len(data) - 1)
        self._send(data[int(first) : end + 1], 206, Content_Range=f"bytes {first}-{end}/{len(data)}", Accept_Ranges="bytes")


@contextmanager
def stac_api(folder: Path) -> Iterator[StacApi]:
    """A running server over the catalogue of a folder."""
    server = StacApi(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

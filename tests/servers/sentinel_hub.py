"""A Sentinel Hub service on loopback: token endpoint, Catalog API with pages, Process API over arrays in memory.

It speaks as much of the protocol as the client library uses, checks what the real service checks, and fails on demand:

    with sentinel_hub(tiles) as server:
        server.faults.append(Fault("process", "status", status=429, retry_after="1"))

Faults (see `faults`) have the places token, search and process. What only this service can do wrong is told by attributes of
the server. Every request is kept in `server.requests`.
"""

import io
import json
import re
import secrets
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import rasterio
import shapely
from rasterio.io import MemoryFile
from rasterio.transform import from_bounds
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from servers.faults import Fault, Faulty, misbehave, send

PATHS = {
    "/auth/realms/main/protocol/openid-connect/token": "token",
    "/api/v1/catalog/1.0.0/search": "search",
    "/api/v1/process": "process",
}
LARGEST_PX = 2500
UNITS = {"CLD": "PERCENT"}
"""The only units of bands that have no DN."""
FINE = frozenset({"B02", "B03", "B04", "B08"})
"""Bands with pixels of 10 m; all others have 20 m."""


@dataclass(frozen=True)
class Tile:
    """One product: its item, and its numbers on its own pixels."""

    id: str
    sensed_at: datetime
    geometry: BaseGeometry
    """Lon/lat."""
    epsg: int
    corner: tuple[float, float]
    """West and north edge in metres."""
    bands: Mapping[str, np.ndarray]
    """Raw numbers by the service's name of the band: of 10 m (`FINE`) or 20 m."""
    properties: Mapping[str, object] = field(default_factory=dict)

    def item(self) -> dict[str, Any]:
        """STAC item, as the Catalog API has it."""
        when = self.sensed_at.isoformat().replace("+00:00", "Z")
        platform = f"sentinel-{self.id[1:3].lower()}"
        return {
            "type": "Feature", "id": self.id, "geometry": mapping(self.geometry), "links": [], "assets": {},
            "properties": {"datetime": when, "platform": platform, "eo:cloud_cover": 12.5, "proj:epsg": self.epsg,
                           **self.properties},
        }  # fmt: skip

    def sample(self, band: str, xs: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest numbers at pixel centres, and where there are any."""
        pixels = self.bands[band]
        size = 10.0 if band in FINE else 20.0
        columns = np.floor((xs - self.corner[0]) / size).astype(int)[None, :]
        rows = np.floor((self.corner[1] - ys) / size).astype(int)[:, None]
        has_data = (rows >= 0) & (rows < pixels.shape[0]) & (columns >= 0) & (columns < pixels.shape[1])
        return pixels[rows.clip(0, pixels.shape[0] - 1), columns.clip(0, pixels.shape[1] - 1)], has_data


@dataclass(frozen=True)
class Request:
    """One request that came in."""

    path: str
    body: Mapping[str, Any]
    status: int = 200


class SentinelHubServer(Faulty, ThreadingHTTPServer):
    """The service. `client_id` and `client_secret` are what it lets in; `revoke()` makes every token invalid."""

    daemon_threads = True
    client_id = "an-id-of-a-client"
    client_secret = "do-not-show-this-secret"  # noqa: S105 - of a test

    def __init__(self, tiles: Sequence[Tile]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tiles, self.faults, self.requests = list(tiles), list[Fault](), list[Request]()
        self.tokens: list[str] = []
        self.valid_tokens: set[str] = set()
        self.page_limit = 100
        self.has_page_loop = False
        """Every page of a search leads to the first one."""
        self.changes = 0
        """Pages of searches that will name an item a second time: a catalogue that changes between pages."""
        self.gives_context = True
        self.tells_spent = True
        self.sample_type: str | None = None
        """Type of the numbers that are sent, whatever the evalscript says."""
        self.cut_tiffs = 0
        """Next answers with a TIFF cut short in a whole tar."""
        self.drip_s = 0.0
        """Pause after each byte of pixels."""
        self.busy, self.busiest = 0, 0
        """Requests at the same time, now and at most."""
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def catalog(self) -> str:
        """Address as a configuration has it."""
        return f"sentinelhub+{self.url}"

    def asked(self, path: str) -> list[Mapping[str, Any]]:
        """Bodies of the requests to a path, in order."""
        return [r.body for r in self.requests if r.path == path]

    def revoke(self) -> None:
        """Make the tokens that were given out invalid."""
        self.valid_tokens.clear()

    def handle_error(self, *_: object) -> None:
        """Say nothing where a client went away."""

    def next_fault(self, place: str, path: str) -> Fault | None:
        """The fault that this request meets, if any; requests come at the same time."""
        with self.lock:
            return super().next_fault(place, path)

    def _takes_one(self, counter: str) -> bool:
        """Whether a counter is not used up; counts it down."""
        with self.lock:
            left = getattr(self, counter)
            setattr(self, counter, max(left - 1, 0))
            return left > 0

    def token(self) -> dict[str, Any]:
        token = f"token-{secrets.token_hex(12)}"
        self.tokens.append(token)
        self.valid_tokens.add(token)
        return {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}

    def search(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Page of a search."""
        begin, end = (datetime.fromisoformat(t.replace("Z", "+00:00")) for t in asked["datetime"].split("/"))
        ground = shape(asked["intersects"])
        found = [t.item() for t in self.tiles if begin <= t.sensed_at <= end and shapely.intersects(t.geometry, ground)]
        start, limit = int(asked.get("next", 0)), min(int(asked["limit"]), self.page_limit)
        page = found[start : start + limit]
        context: dict[str, Any] = {"limit": limit, "returned": len(page)}
        if self.has_page_loop or start + limit < len(found):
            context["next"] = 0 if self.has_page_loop else start + limit
        if self._takes_one("changes"):
            page = [*page, page[0]]
        answer = {"type": "FeatureCollection", "features": page, "links": [], "context": context}
        if not self.gives_context:
            del answer["context"]
        return answer

    def process(self, asked: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
        """Body and headers of an answer to a request that `wrong_with` has nothing against."""
        bounds, output, data = asked["input"]["bounds"], asked["output"], asked["input"]["data"][0]
        setup, returned = read_evalscript(asked["evalscript"])
        epsg, (width, height) = int(bounds["properties"]["crs"].rsplit("/", 1)[1]), (output["width"], output["height"])
        arrays = self._mosaic(setup["input"][0]["bands"], bounds["bbox"], epsg, (width, height), data)
        kinds = {o["id"]: self.sample_type or o["sampleType"].lower() for o in setup["output"]}
        wanted = [r["identifier"] for r in output["responses"]]
        tiffs = {n: _tiff(arrays[returned[n]].astype(kinds[n]), bounds["bbox"], epsg) for n in wanted}
        if self._takes_one("cut_tiffs"):
            tiffs[wanted[0]] = tiffs[wanted[0]][: len(tiffs[wanted[0]]) // 2]
        bands = sum(b != "dataMask" for b in setup["input"][0]["bands"])
        spent = max(max(width * height / 512**2, 0.01) * bands / 3.0, 0.005)
        headers = {"x-processingunits-spent": f"{spent:.9f}"} if self.tells_spent else {}
        if len(wanted) == 1:
            return tiffs[wanted[0]], {**headers, "Content-Type": "image/tiff"}
        return _tar(tiffs), {**headers, "Content-Type": "application/tar"}

    def _mosaic(
        self, bands: Sequence[str], bbox: Sequence[float], epsg: int, size: tuple[int, int], data: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Numbers of the tiles of a period, the most recent on top; zeros, also in dataMask, where there is no tile."""
        begin, end = (datetime.fromisoformat(data["dataFilter"]["timeRange"][k].replace("Z", "+00:00")) for k in ("from", "to"))
        west, south, east, north = bbox
        xs = west + (np.arange(size[0]) + 0.5) * (east - west) / size[0]
        ys = north - (np.arange(size[1]) + 0.5) * (north - south) / size[1]
        arrays = {b: np.zeros(size[::-1], np.uint16) for b in bands}
        for tile in sorted(self.tiles, key=lambda t: t.sensed_at):
            if tile.epsg != epsg or not begin <= tile.sensed_at <= end:
                continue  # this server does not resample
            for band, below in arrays.items():
                if band == "dataMask":
                    numbers, has_data = np.ones(size[::-1], np.uint16), tile.sample("B02", xs, ys)[1]
                else:
                    numbers, has_data = tile.sample(band, xs, ys)
                is_shifted = band in {"B02", "B03", "B04", "B08", "B11", "B12"} and data["processing"].get(
                    "harmonizeValues", True
                )
                arrays[band] = np.where(has_data, numbers.clip(1000) - 1000 if is_shifted else numbers, below)
        return arrays


def read_evalscript(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What setup() returns, and which band each output of evaluatePixel() is."""
    setup = re.search(r"function setup\(\) \{ return (\{.*?\}); \}\n", text, re.DOTALL)
    if not text.startswith("//VERSION=3\n") or setup is None:
        raise ValueError("no evalscript of version 3 that this server understands")
    return json.loads(setup[1]), dict(re.findall(r"(\w+): \[s\.(\w+)\]", text[setup.end() :]))


def wrong_with(asked: Mapping[str, Any]) -> str | None:
    """What the service would refuse in a process request."""
    setup, returned = read_evalscript(asked["evalscript"])
    output, bands = asked["output"], setup["input"][0]["bands"]
    if not 0 < output["width"] <= LARGEST_PX or not 0 < output["height"] <= LARGEST_PX:
        return f"width and height must be from 1 to {LARGEST_PX}"
    if any(unit != UNITS.get(band, "DN") for band, unit in zip(bands, setup["input"][0]["units"], strict=True)):
        return "a band has no such units"
    if {r["identifier"] for r in output["responses"]} - {o["id"] for o in setup["output"]} or set(returned.values()) - set(
        bands
    ):
        return "an output or a band is not set up"
    return None


def _tiff(values: np.ndarray, bbox: Sequence[float], epsg: int) -> bytes:
    height, width = values.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=width, height=height, count=1, dtype=values.dtype, crs=f"EPSG:{epsg}", compress="deflate",
            transform=from_bounds(*bbox, width, height),
        ) as raster:  # fmt: skip
            raster.write(values, 1)
        return bytes(memory.getbuffer())


def _tar(tiffs: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in tiffs.items():
            member = tarfile.TarInfo(f"{name}.tif")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


class _Handler(BaseHTTPRequestHandler):
    server: SentinelHubServer

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        with self.server.lock:
            self.server.busy += 1
            self.server.busiest = max(self.server.busy, self.server.busiest)
        try:
            self._post(PATHS.get(self.path, ""))
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def _post(self, place: str) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = {k: v[0] for k, v in parse_qs(text).items()} if place == "token" else json.loads(text)
        fault, status = self.server.next_fault(place, self.path), self._refused(place, body)
        kept = {k: v for k, v in body.items() if k != "client_secret"}
        self.server.requests.append(Request(place, kept, fault.status if fault and fault.kind == "status" else status))
        if fault is None and status != 200:
            send(self, json.dumps({"error": {"message": "refused"}}).encode(), status, Content_Type="application/json")
            return
        data, headers = (b"x" * 100, {}) if status != 200 else self._answer(place, body)
        if fault is not None:
            misbehave(self, fault, data, 200, **headers)
        elif place == "process" and self.server.drip_s:
            self._drip(data)
        else:
            send(self, data, 200, **headers)

    def _refused(self, place: str, body: Mapping[str, Any]) -> int:
        """Status of a request that is not let in, else 200."""
        if place == "token":
            wanted = ("client_credentials", self.server.client_id, self.server.client_secret)
            is_known = tuple(body.get(k) for k in ("grant_type", "client_id", "client_secret")) == wanted
            return 200 if is_known else 401
        if not place:
            return 404
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.server.valid_tokens:
            return 401
        return 400 if place == "process" and wrong_with(body) else 200

    def _answer(self, place: str, body: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
        if place == "process":
            return self.server.process(body)
        said = self.server.token() if place == "token" else self.server.search(body)
        return json.dumps(said).encode(), {"Content-Type": "application/json"}

    def _drip(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for byte in body:
            self.wfile.write(bytes([byte]))
            time.sleep(self.server.drip_s)


@contextmanager
def sentinel_hub(tiles: Sequence[Tile]) -> Iterator[SentinelHubServer]:
    """A running service over some products."""
    server = SentinelHubServer(tiles)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with rasterio.Env():
            yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

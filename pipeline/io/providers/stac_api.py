"""A STAC API without an account: Earth Search, Planetary Computer with signed addresses, Copernicus Data Space.

Searched through pystac-client, whose requests go through our own policy of retry; files are read in place, by byte ranges.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import rasterio
import shapely

from pipeline import geo
from pipeline.aoi import Area, Grid
from pipeline.errors import CatalogUnreadableError, ProviderAnswerError
from pipeline.io.items import Json, days_to_ask, scene_or_reason, steady_items
from pipeline.io.providers import Cost, Piece, Provider, SourceSettings, Unusable
from pipeline.io.remote import open_remote
from pipeline.io.web import Authoriser, GoneError, Web, json_of, shown
from pipeline.io.windows import cost_of, native_pieces
from pipeline.scenes import Scene

DEFAULT_COLLECTION = "sentinel-2-l2a"
KNOWN: Mapping[str, Mapping[str, Any]] = {
    "earth-search.aws.element84.com": {"collection": "sentinel-2-c1-l2a"},
    "planetarycomputer.microsoft.com": {
        "sign_url": "https://planetarycomputer.microsoft.com/api/sas/v1/sign", "has_plain_numbers": True,
    },
}  # fmt: skip
"""What is known of services by their host: Earth Search's collection that states its offsets without exception
(Element84/earth-search issue 66 on the other one), and Planetary Computer, which signs addresses and hands out ESA's own
numbers without stating scale or offset (microsoft/PlanetaryComputer issue 134)."""
SIGNED_FOR = timedelta(minutes=5)
"""A signature is renewed this long before it ends."""


class Signer:
    """Addresses signed by a service, once for each container and until the signature ends.

    The query of a signed address is the signature; it is valid for every file of the container (first part of the path).
    """

    def __init__(self, sign_url: str, web: Web) -> None:
        self._sign_url, self._web = sign_url, web
        self._signatures: dict[tuple[str, str], tuple[str, datetime]] = {}
        self._lock = threading.Lock()

    def sent(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Return the signed address; no headers."""
        place = self._place(url)
        with self._lock:
            held = self._signatures.get(place)
            if held is None or held[1] <= datetime.now(UTC) + SIGNED_FOR:
                held = self._signatures[place] = self._signed(url)
        return f"{url}?{held[0]}", {}

    def renew(self, sent: str, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - the signature is in the address
        """Forget the signature of an address, unless another thread has renewed it already; returns True."""
        place = self._place(sent)
        with self._lock:
            if self._signatures.get(place, ("",))[0] == urlsplit(sent).query:
                self._signatures.pop(place, None)
        return True

    @staticmethod
    def _place(url: str) -> tuple[str, str]:
        parts = urlsplit(url)
        return parts.netloc, parts.path.split("/")[1] if "/" in parts.path else ""

    def _signed(self, url: str) -> tuple[str, datetime]:
        """Signature and its end."""
        said = self._web.json(f"{self._sign_url}?href={quote(url, safe='')}")
        signature = urlsplit(str(said.get("href", ""))).query
        try:
            end = datetime.fromisoformat(str(said.get("msft:expiry", "")).replace("Z", "+00:00"))
        except ValueError:
            end = datetime.now(UTC) + 2 * SIGNED_FOR
        if not signature:
            raise ProviderAnswerError(f"{shown(self._sign_url)}: found no signed href, expected one for {shown(url)}")
        return signature, end if end.tzinfo else end.replace(tzinfo=UTC)


@dataclass
class StacApi:
    """An opened STAC API."""

    settings: SourceSettings
    name: str = "STAC API"
    must_fetch: bool = False
    search_web: Web = field(init=False)
    files_web: Web = field(init=False)

    def __post_init__(self) -> None:
        patience = self.settings.patience
        self.search_web = Web(self.name, patience)
        signer: Authoriser | None = Signer(self.settings.sign_url, self.search_web) if self.settings.sign_url else None
        self.files_web = Web(self.name, patience, signer)

    def scenes(self, area: Area, start: date | None, until: date) -> Iterator[Scene | Unusable]:
        """Yield the items of the search, each id once.

        Raises
        ------
        CatalogUnreadableError
            It is no STAC API, or has no such collection.
        ProviderError
            Its server fails, or its pages never end.
        """
        for item in steady_items(lambda: self._search_once(area, start, until), self._where):
            yield scene_or_reason(item, None, self.settings)

    def _search_once(self, area: Area, start: date | None, until: date) -> tuple[list[Json], bool]:
        """Items of one search, and whether its pages fit each other: one count, no id twice."""
        items: list[Json] = []
        counts: set[object] = set()
        leads: set[str] = set()
        for page in self._pages(area, start, until):
            features = page.get("features")
            if not isinstance(features, list):
                raise ProviderAnswerError(f"{self._where}: found a page without features, expected a STAC ItemCollection")
            items += features
            counts.add(page.get("numberMatched", (page.get("context") or {}).get("matched")))
            lead = repr([link for link in page.get("links", []) if link.get("rel") == "next"])
            if lead != "[]" and lead in leads:
                raise ProviderAnswerError(
                    f"{self._where}: page {len(leads) + 1} of the search leads back to an earlier one, expected an end; "
                    "report it to the provider, or search a shorter period"
                )
            leads.add(lead)
        return items, len(counts) <= 1 and len({str(i.get("id")) for i in items}) == len(items)

    @property
    def _where(self) -> str:
        return shown(self.settings.catalog)

    def _pages(self, area: Area, start: date | None, until: date) -> Iterator[Mapping[str, Any]]:
        """Pages of the search, through the client library."""
        import pystac_client  # noqa: PLC0415 - half a second that a local catalogue need not pay
        from pystac_client.exceptions import APIError  # noqa: PLC0415

        begin, end = days_to_ask(start, until)
        try:
            client = pystac_client.Client.open(self.settings.catalog, stac_io=_stac_io(self.search_web))
            search = client.search(
                collections=[self.settings.collection or DEFAULT_COLLECTION],
                intersects=shapely.geometry.mapping(geo.on_globe(area.geometry)),
                datetime=f"{begin.isoformat()}/{end.isoformat()}",
            )
            yield from search.pages_as_dicts()
        except (APIError, GoneError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogUnreadableError(
                f"{self._where}: {type(error).__name__}: {str(error)[:200]}; expected a STAC API with collection "
                f"{self.settings.collection or DEFAULT_COLLECTION}; check the address"
            ) from error

    @contextmanager
    def open(self, href: str) -> Iterator[rasterio.DatasetReader]:
        """Hold the opened raster of an address."""
        opened: AbstractContextManager[rasterio.DatasetReader]
        opened = open_remote(self.files_web, href) if href.startswith(("https://", "http://")) else rasterio.open(_vsi(href))
        with opened as source:
            yield source

    def pieces(self, scene: Scene, names: Sequence[str], grid: Grid) -> Iterator[tuple[str, Piece]]:
        """Yield windows of the files, read by byte ranges."""
        return native_pieces(scene, names, grid, self.open)

    def cost(self, scene: Scene, grid: Grid) -> Cost:
        """Return the pixels to read."""
        return cost_of(scene, grid)


def _vsi(href: str) -> str:
    """Path of an object in S3 storage for the raster library, which takes its keys from the environment (AWS_*)."""
    return href.replace("s3://", "/vsis3/", 1)


def _stac_io(web: Web) -> Any:  # noqa: ANN401 - a class that needs an import of half a second
    """The client library's way to ask, by our policy."""
    from pystac_client.stac_api_io import StacApiIO  # noqa: PLC0415

    class PoliteIO(StacApiIO):  # type: ignore[misc]
        def request(
            self, href: str, method: str | None = None, headers: Mapping[str, str] | None = None,
            parameters: Mapping[str, Any] | None = None,
        ) -> str:  # fmt: skip
            if method == "POST":
                text = web.ask(href, method="POST", headers=headers, body=dict(parameters or {}))
            else:
                query = "&".join(f"{quote(str(k))}={quote(str(v))}" for k, v in (parameters or {}).items())
                text = web.ask(f"{href}{'&' if '?' in href else '?'}{query}" if query else href, headers=headers)
            json_of(text.body, text.headers.get("Content-Type", ""), f"{web.name}, {shown(href)}")
            return text.body.decode("utf-8")

    return PoliteIO()


def _takes(catalog: str) -> bool:
    """Whether the catalogue is an address."""
    return urlsplit(catalog).scheme in {"https", "http"}


def _open(settings: SourceSettings) -> StacApi:
    """The API, with what is known of its host where the run does not say otherwise."""
    known = KNOWN.get(urlsplit(settings.catalog).hostname or "", {})
    return StacApi(replace(settings, **{k: v for k, v in known.items() if getattr(settings, k) is None}))


PROVIDER = Provider("STAC API", _takes, _open)

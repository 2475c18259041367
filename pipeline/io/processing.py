"""Sentinel Hub's Process and Catalog API through its own client library, by our policy of retry, budget and secrecy.

The library builds requests, gets tokens and sends both. It does not retry here: every answer passes through one place that
turns it into a result, into something that may pass by itself (`TransientError`), or into a named error. It reads its own
settings (profile, environment); secrets stay inside of them. Importing this module imports the library: a second or two.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import requests
import urllib3
from sentinelhub import CRS, BBox, DataCollection, Geometry, MimeType, SentinelHubCatalog, SentinelHubRequest, SHConfig
from sentinelhub.constants import SHConstants
from sentinelhub.download import SentinelHubDownloadClient
from sentinelhub.download.session import BackendApplicationClient, OAuth2Session, SentinelHubSession
from shapely.geometry.base import BaseGeometry

from pipeline.errors import (
    BudgetSpentError,
    CatalogUnreadableError,
    CredentialsMissingError,
    ProviderAnswerError,
    ProviderForbiddenError,
    ProviderRefusedError,
)  # fmt: skip
from pipeline.io.process_windows import Window, unpacked
from pipeline.io.web import TRANSIENT, Patience, TransientError, cause_of, json_of, persist, retry_after_s, shown, whole_body

T = TypeVar("T")
Told = Callable[[Mapping[str, str]], None]
"""Called with the headers of a successful answer, before its body is read: from then on it is paid for."""
TOKEN_URLS: Mapping[str, str] = {
    "sh.dataspace.copernicus.eu": "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
}
"""Where a service's tokens come from, by its host, if not from `TOKEN_PATH` of the same host."""
TOKEN_PATH = "/auth/realms/main/protocol/openid-connect/token"  # noqa: S105 - a path
LIBRARY_TOKEN_URL = SHConfig(use_defaults=True).sh_token_url
SPENT_HEADER = "x-processingunits-spent"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
PAGE = 100
"""Items of one page of a search: the most that the service gives."""


class _ExpiredError(Exception):
    """The service does not take the token (any more)."""


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """Whether a record of the OAuth library may be written: below WARNING it holds client secret and token in full."""
    return record.levelno >= logging.WARNING


logging.getLogger("requests_oauthlib.oauth2_session").addFilter(_is_worth_telling)


# --- who asks ------------------------------------------------------------------------------------------------------


def configuration(base: str, account: str | None, provided: tuple[str, str] | None, patience: Patience) -> SHConfig:
    """Return the library's settings for one service: credentials, addresses, no retry of its own.

    Parameters
    ----------
    base : str
        Address of the service.
    account : str or None
        Profile of the library's configuration file; None: its default.
    provided : tuple or None
        Client id and secret that were handed over in this process; they win over environment and file.
    patience : Patience
        Gives the time limit.

    Raises
    ------
    CredentialsMissingError
        Client id or secret are in none of the three places.
    CatalogUnreadableError
        Secrets would travel unencrypted.
    """
    config, note = _loaded(account)
    if provided is not None:
        config.sh_client_id, config.sh_client_secret = provided
    if not config.sh_client_id or not config.sh_client_secret:
        raise CredentialsMissingError(
            f"{shown(base)}: found no client id and secret for account {account or 'of the default profile'}{note}; expected "
            "them from one of three places: a Prefect secret block (account: prefect:NAME), the environment variables "
            f"SH_CLIENT_ID and SH_CLIENT_SECRET, or that profile in {SHConfig.get_config_location()}"
        )
    config.sh_base_url = base
    if config.sh_token_url == LIBRARY_TOKEN_URL:
        config.sh_token_url = TOKEN_URLS.get(urlsplit(base).hostname or "", base + TOKEN_PATH)
    for url in (base, config.sh_token_url):
        if urlsplit(url).scheme != "https" and urlsplit(url).hostname not in LOOPBACK:
            raise CatalogUnreadableError(
                f"{shown(url)}: found no https, expected it: the client secret would travel in the open"
            )
    config.max_download_attempts, config.max_retries = 1, 1
    config.download_timeout_seconds = patience.timeout_s
    return config


def _loaded(account: str | None) -> tuple[SHConfig, str]:
    """Settings of a profile under those of the environment, and what was wrong with the profile."""
    try:
        return SHConfig(profile=account), ""
    except KeyError:
        note = f" (no such profile in {SHConfig.get_config_location()})"
    except (OSError, ValueError, TypeError) as error:
        note = f" ({SHConfig.get_config_location()} cannot be read: {type(error).__name__})"
    empty = SHConfig(use_defaults=True)  # the library reads the environment only beside a profile that exists
    empty.sh_client_id, empty.sh_client_secret = os.environ.get("SH_CLIENT_ID", ""), os.environ.get("SH_CLIENT_SECRET", "")
    return empty, note


# --- answers -------------------------------------------------------------------------------------------------------


def asked_wait_s(text: str | None, longest_wait_s: float) -> float | None:
    """Return the seconds that a `Retry-After` asks for: seconds or a date (RFC 9110), or Sentinel Hub's milliseconds.

    Its documentation says milliseconds (docs.sentinel-hub.com/api/latest/api/overview/rate-limiting), gateways before it
    say seconds. A number that would be longer than the longest wait is taken for milliseconds; so no wait is too short by
    more than that, and none absurd.

    Examples
    --------
    >>> asked_wait_s("3", 120.0), asked_wait_s("55408", 120.0), asked_wait_s(None, 120.0)
    (3.0, 55.408, None)
    """
    seconds = retry_after_s(text, datetime.now(UTC))
    is_number = text is not None and text.strip().isdigit()
    return seconds / 1000.0 if is_number and seconds is not None and seconds > longest_wait_s else seconds


def _raise_for(response: requests.Response, where: str, patience: Patience) -> None:
    """The named error of a status that is no success; `_ExpiredError` of a 401."""
    status = response.status_code
    if status in TRANSIENT:
        asked = asked_wait_s(response.headers.get("Retry-After"), patience.longest_wait_s)
        raise TransientError(f"status {status}", asked)
    if status == 401:
        raise _ExpiredError
    if status == 403:
        raise ProviderForbiddenError(
            f"{where}: found status 403, expected to be let in; check that the account may use this service and collection"
        )
    if status >= 400:
        raise ProviderAnswerError(
            f"{where}: found status {status}{_message(response)}, expected success; check the address and the collection"
        )


def _message(response: requests.Response) -> str:
    """What the service says of a refused request, at most a line of it."""
    try:
        said = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f" ({str(said).splitlines()[0][:200]})" if said else ""


@contextmanager
def _named(what: str, timeout_s: float) -> Iterator[None]:
    """Failures of the line become `TransientError`, without anything that was sent."""
    try:
        yield
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
        raise TransientError(f"{what}no answer within {timeout_s:g} s") from None
    except (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError):
        raise TransientError(f"{what}an answer that cannot be unpacked") from None
    except (
        requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError,
    ) as error:  # fmt: skip
        raise TransientError(f"{what}{cause_of(error)}") from None


class _Session(SentinelHubSession):  # type: ignore[misc]
    """The library's way to get a token, with a time limit and named errors; it has neither itself."""

    def __init__(self, config: SHConfig, patience: Patience) -> None:
        self._patience = patience
        super().__init__(config)

    def _fetch_token(self, request: Any) -> Any:  # noqa: ANN401 - the library's
        with (
            _named("token request: ", self._patience.timeout_s),
            OAuth2Session(client=BackendApplicationClient(client_id=self.config.sh_client_id)) as asking,
        ):
            asking.register_compliance_hook("access_token_response", self._checked)
            return asking.fetch_token(
                token_url=request.url, client_id=self.config.sh_client_id, client_secret=self.config.sh_client_secret,
                headers={**self.DEFAULT_HEADERS, **SHConstants.HEADERS}, include_client_id=True,
                timeout=self._patience.timeout_s,
            )  # fmt: skip

    def _checked(self, response: requests.Response) -> requests.Response:
        """The answer, if it holds a token."""
        where = f"token request, {shown(response.url)}"
        if response.status_code in {400, 401, 403}:
            raise ProviderRefusedError(
                f"{where}: found status {response.status_code}, expected a token; check client id and secret of the account"
            )
        try:
            _raise_for(response, where, self._patience)
        except TransientError as error:
            raise TransientError(f"token request: {error}", error.wait_s) from None
        said = json_of(response.content, response.headers.get("Content-Type", ""), where)
        if not isinstance(said.get("access_token"), str) or not isinstance(said.get("expires_in"), int | float):
            raise ProviderAnswerError(
                f"{where}: found JSON without access_token and expires_in, expected both; check sh_token_url of the profile"
            )
        return response


class _Client(SentinelHubDownloadClient):  # type: ignore[misc]
    """The library's client, which sends one request once and hides nothing of the answer."""

    def __init__(self, service: "Service", told: Told | None, **settings: Any) -> None:  # noqa: ANN401 - the library's
        super().__init__(**{**settings, "config": service.config})
        self._service, self._told = service, told

    def _get_session_headers(self) -> dict[str, str]:
        return self._service.headers()

    def _do_download(self, request: Any) -> requests.Response:  # noqa: ANN401 - the library's
        patience, where = self._service.patience, f"{self._service.name}, {shown(str(request.url))}"
        with (
            _named("", patience.timeout_s),
            self._service.gate,
            requests.request(
                request.request_type.value, url=request.url, json=request.post_values,
                headers=self._prepare_headers(request), timeout=patience.timeout_s, stream=True,
            ) as response,
        ):  # fmt: skip
            if response.ok and self._told is not None:
                self._told(response.headers)
            response._content = whole_body(response, patience.timeout_s)  # the library asks for `content` later
        _raise_for(response, where, patience)
        kind = response.headers.get("Content-Type", "")
        if request.data_type is MimeType.JSON or kind.startswith("text/html"):
            json_of(response.content, kind, where)
        return response


# --- what is asked -------------------------------------------------------------------------------------------------


@dataclass
class Service:
    """One Sentinel Hub service under one account: asked at most `patience.at_once` times at once, within the budget."""

    name: str
    collection: str
    config: SHConfig = field(repr=False)
    patience: Patience
    budget_pu: float | None = None
    spent_pu: float = 0.0

    def __post_init__(self) -> None:
        self.gate = threading.BoundedSemaphore(self.patience.at_once)
        self._held_pu = 0.0
        self._session: _Session | None = None
        self._session_lock, self._purse = threading.Lock(), threading.Lock()
        base = self.config.sh_base_url
        plain = DataCollection.SENTINEL2_L2A.value  # its own service_url would win over sh_base_url
        self._data = DataCollection(
            plain.derive(
                service_url=base, api_id=self.collection, catalog_id=self.collection, _name=f"{self.collection} {base}"
            )
        )

    @property
    def where(self) -> str:
        """Name and address, for messages."""
        return f"{self.name}, {shown(self.config.sh_base_url)}"

    def headers(self) -> dict[str, str]:
        """Return the headers that let a request in, with a new token where there is none or it runs out."""
        with self._session_lock:
            if self._session is None:
                self._session = _Session(self.config, self.patience)
            headers: dict[str, str] = self._session.session_headers
            return headers

    def pages(self, ground: BaseGeometry, period: tuple[datetime, datetime]) -> Callable[[object], Mapping[str, Any]]:
        """Return what asks for the page of a search that a token leads to; None: the first page."""
        catalog = SentinelHubCatalog(config=self.config)
        catalog.client = _Client(self, None)
        search = catalog.search(self._data, geometry=Geometry(ground, CRS.WGS84), time=period, limit=PAGE)

        def page(token: object) -> Mapping[str, Any]:
            asked = search.params if token is None else {**search.params, "next": token}
            return self._persist(
                lambda _: search.client.get_json_dict(search.url, post_values=asked, use_session=True), f"{self.where}, search"
            )

        return page

    def process(self, window: Window) -> dict[str, np.ndarray]:
        """Return the outputs of a window, by name, each with the shape and sample type that was asked for.

        Raises
        ------
        ProviderUnavailableError
            The service keeps failing, or sends files that cannot be read.
        ProviderRefusedError
            It refuses the account.
        ProviderAnswerError
            It sends something else than was asked for.
        BudgetSpentError
            The request would spend more than `budget_pu`; it is not sent.
        """
        what = f"{self.where}, window {', '.join(f'{b:.0f}' for b in window.bounds)} ({window.crs})"

        def ask(told: Told) -> dict[str, np.ndarray]:
            request = self._request(window)
            request.download_client_class = partial(_Client, self, told)
            return unpacked(request.get_data(decode_data=False, max_threads=1)[0].content, window, what)

        return self._persist(ask, what, window.estimate_pu)

    def _request(self, window: Window) -> SentinelHubRequest:
        """The library's request for a window."""
        return SentinelHubRequest(
            evalscript=window.evalscript,
            input_data=[
                SentinelHubRequest.input_data(
                    self._data, time_interval=window.period, other_args={"processing": {"harmonizeValues": False}}
                )
            ],
            responses=[SentinelHubRequest.output_response(name, MimeType.TIFF) for name in window.outputs],
            bbox=BBox(window.bounds, CRS(window.crs)),
            size=window.size,
            config=self.config,
        )

    def _persist(self, ask: Callable[[Told], T], what: str, estimate_pu: float = 0.0) -> T:
        """What a request gives, by our policy: tried again where that may help, with one new token after a 401."""
        is_renewed = False

        def once() -> T:
            nonlocal is_renewed
            with self._paid(estimate_pu, what) as told:
                try:
                    return ask(told)
                except _ExpiredError:
                    if is_renewed:
                        raise
                    is_renewed, self._session = True, None
                    return ask(told)

        try:
            return persist(once, self.patience, what)
        except _ExpiredError:
            raise ProviderRefusedError(
                f"{what}: found status 401 also with a new token, expected to be let in; is the account of this service?"
            ) from None

    @contextmanager
    def _paid(self, estimate_pu: float, what: str) -> Iterator[Told]:
        """Hold back the cost of a request while it runs; what is told of its answer is spent."""
        with self._purse:
            due = self.spent_pu + self._held_pu
            if self.budget_pu is not None and estimate_pu and due + estimate_pu > self.budget_pu + 1e-9:
                raise BudgetSpentError(
                    f"{what}: {due:.3f} processing units are spent or under way and this request needs {estimate_pu:.3f}, "
                    f"expected no more than budget_pu {self.budget_pu:g}; it was not sent and what was fetched is kept; raise "
                    "the budget and run again, or wait for the next night"
                )
            self._held_pu += estimate_pu

        def told(headers: Mapping[str, str]) -> None:
            with self._purse:
                self.spent_pu += _number(headers.get(SPENT_HEADER), estimate_pu)

        try:
            yield told
        finally:
            with self._purse:
                self._held_pu -= estimate_pu


def _number(text: str | None, otherwise: float) -> float:
    """A header's number that is none below 0, or what it is otherwise."""
    try:
        value = float(text or "nan")
    except ValueError:
        return otherwise
    return value if value >= 0.0 and np.isfinite(value) else otherwise

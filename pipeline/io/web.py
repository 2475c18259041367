"""Bytes from servers: one policy for retry, back-off with jitter, Retry-After, time limits and requests at once.

What may pass by itself is tried again: no connection, no answer in time, an answer cut short, 429 and 5xx. A 401 or 403
renews the credentials once. Everything else is a fact about the file and is told at once. Addresses are shown without
their query, which may hold a signature.
"""

import email.utils
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3

from pipeline.errors import (
    ProviderAnswerError,
    ProviderForbiddenError,
    ProviderRefusedError,
    ProviderUnavailableError,
)

LOG = logging.getLogger(__name__)
T = TypeVar("T")
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may pass by themselves (RFC 9110, section 15; RFC 6585, section 4)."""
REFUSED = frozenset({401, 403})
GONE = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often a provider is asked."""

    attempts: int = 5
    """Tries of one request, the first included."""
    timeout_s: float = 60.0
    """Seconds without a byte after which a request has failed."""
    first_wait_s: float = 1.0
    """Wait before the second try; it doubles with each further one, with jitter."""
    longest_wait_s: float = 120.0
    """No wait is longer, whatever `Retry-After` asks for: a server that asks for more has the run stopped."""
    at_once: int = 4
    """Requests to one provider at the same time."""


class Authoriser(Protocol):
    """Who may ask: turns an address into what is sent."""

    def sent(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Return the address and headers to send; they may hold secrets and are never logged."""
        ...

    def renew(self, sent: str, headers: Mapping[str, str]) -> bool:
        """Drop the credentials that were sent and refused, unless others have come since; returns whether to ask again."""
        ...


class GoneError(Exception):
    """The server does not have the file."""


class TransientError(Exception):
    """A failure that may pass by itself."""

    def __init__(self, text: str, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.wait_s = wait_s
        """What `Retry-After` asks for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def shown(url: str) -> str:
    """Return an address as people may see it: without user, password and query.

    Examples
    --------
    >>> shown("https://me:word@host.org:81/a/b.tif?sig=secret#x")
    'https://host.org:81/a/b.tif'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def retry_after_s(text: str | None, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks to wait, None where it says nothing that can be understood.

    RFC 9110, section 10.2.3: a number of seconds or an HTTP date.

    Examples
    --------
    >>> retry_after_s("3", datetime(2026, 1, 1, tzinfo=UTC))
    3.0
    >>> retry_after_s("Thu, 01 Jan 2026 00:00:30 GMT", datetime(2026, 1, 1, tzinfo=UTC))
    30.0
    """
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max((when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds(), 0.0)


def wait_s(attempt: int, asked_s: float | None, patience: Patience, chance: float) -> float:
    """Return the seconds to wait after failed try number `attempt` (1, 2, …): what the server asked for, else doubling.

    `chance` in [0, 1) spreads the waits over the upper half, so that many callers do not come back together.
    """
    back_off = min(patience.first_wait_s * 2.0 ** (attempt - 1), patience.longest_wait_s)
    jittered = back_off * (0.5 + 0.5 * chance)
    return jittered if asked_s is None else asked_s + patience.first_wait_s * 0.25 * chance


def persist(once: Callable[[], T], patience: Patience, what: str) -> T:
    """Return what `once` gives, tried again while it raises `TransientError`.

    Raises
    ------
    ProviderUnavailableError
        It failed at every try, or the server asks to wait longer than `patience.longest_wait_s`.
    """

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_s if isinstance(error, TransientError) else None
        return wait_s(state.attempt_number, asked, patience, random.random())  # noqa: S311 - jitter, no secret

    def is_too_long(state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        return isinstance(error, TransientError) and (error.wait_s or 0.0) > patience.longest_wait_s

    def note(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        LOG.warning("%s: %s; try %d of %d in %.1f s", what, error, state.attempt_number + 1, patience.attempts, pause)

    last = tenacity.stop_after_attempt(patience.attempts)
    trying = tenacity.Retrying(
        stop=lambda state: last(state) or is_too_long(state), wait=wait, before_sleep=note, reraise=True,
        retry=tenacity.retry_if_exception_type(TransientError),
    )  # fmt: skip
    try:
        return trying(once)
    except TransientError as error:
        asked = f", and asks to wait {error.wait_s:.0f} s" if error.wait_s else ""
        raise ProviderUnavailableError(
            f"{what}: {error} after {trying.statistics.get('attempt_number', 1)} tries{asked}; expected an answer; what was "
            "read so far is kept: run again when the service is well"
        ) from error


_GATES: dict[tuple[str, int], threading.BoundedSemaphore] = {}
_GATES_LOCK = threading.Lock()


def _gate(url: str, at_once: int) -> threading.BoundedSemaphore:
    """The gate before a host, one for the whole process: areas that share a provider share its limit."""
    with _GATES_LOCK:
        return _GATES.setdefault((urlsplit(url).netloc.rpartition("@")[2], at_once), threading.BoundedSemaphore(at_once))


@dataclass
class Web:
    """One provider's servers: asked politely, at most `patience.at_once` times at once, bytes counted."""

    name: str
    patience: Patience = field(default_factory=Patience)
    authoriser: Authoriser | None = None
    read_bytes: int = 0

    def __post_init__(self) -> None:
        self._local = threading.local()
        self._count = threading.Lock()

    def ask(self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: object = None) -> Answer:
        """Return the whole answer with a status below 400.

        Raises
        ------
        ProviderUnavailableError
            See `persist`.
        ProviderRefusedError
            401 or 403, also with new credentials.
        ProviderAnswerError
            Any other status of 400 and above but 404 and 410.
        GoneError
            404 or 410.
        """
        renewed = False

        def once() -> Answer:
            nonlocal renewed
            sent, more = self.authoriser.sent(url) if self.authoriser is not None else (url, {})
            answer = self._once(sent, method, {**(headers or {}), **more}, body)
            if answer.status in REFUSED and not renewed and self.authoriser is not None:
                renewed = True
                if self.authoriser.renew(sent, more):
                    return once()
            if answer.status in TRANSIENT:
                asked = retry_after_s(answer.headers.get("Retry-After"), datetime.now(UTC))
                raise TransientError(f"status {answer.status}", asked)
            return answer

        answer = persist(once, self.patience, f"{self.name}, {shown(url)}")
        _raise_for(answer.status, f"{self.name}, {shown(url)}")
        return answer

    def _once(self, sent: str, method: str, headers: dict[str, str], body: object) -> Answer:
        """One try; failures that may pass are `TransientError`, without the address that was sent."""
        try:
            with _gate(sent, self.patience.at_once), self._session().request(
                method, sent, headers=headers, json=body, timeout=self.patience.timeout_s, stream=True,
            ) as response:  # fmt: skip
                content = whole_body(response, self.patience.timeout_s)
        except requests.exceptions.Timeout:
            raise TransientError(f"no answer within {self.patience.timeout_s:g} s") from None
        except requests.exceptions.ContentDecodingError:
            raise TransientError("an answer that cannot be unpacked") from None
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise TransientError(cause_of(error)) from None
        with self._count:
            self.read_bytes += len(content)
        return Answer(response.status_code, response.headers, content)

    def _session(self) -> requests.Session:
        """Connections of the present thread."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        return session

    def json(self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of an answer.

        Raises
        ------
        ProviderAnswerError
            The answer is no JSON object, HTML of a gateway, say; also what `ask` raises, 404 included.
        """
        try:
            answer = self.ask(url, method=method, headers=headers, body=body)
        except GoneError as error:
            raise ProviderAnswerError(f"{self.name}, {shown(url)}: {error}; check the address") from error
        return json_of(answer.body, answer.headers.get("Content-Type", ""), f"{self.name}, {shown(url)}")


def json_of(body: bytes, kind: str, where: str) -> dict[str, Any]:
    """Return the JSON object of a body, or say what came instead."""
    try:
        document = json.loads(body)
    except ValueError as error:
        start = body[:40].decode("utf-8", "replace").split("\n")[0]
        raise ProviderAnswerError(
            f"{where}: found {kind or 'no content type'} that begins {start!r}, expected a JSON object; is this the address "
            "of the service, and does a gateway or login page stand before it?"
        ) from error
    if not isinstance(document, dict):
        raise ProviderAnswerError(f"{where}: found a JSON {type(document).__name__}, expected an object; check the address")
    return document


def whole_body(response: requests.Response, limit_s: float) -> bytes:
    """Return the body in full, read as it comes.

    Raises
    ------
    TransientError
        It is shorter than was promised, or not whole after ten times the time limit, however it drips.
    """
    end, parts = time.monotonic() + 10.0 * limit_s, []
    try:
        while part := response.raw.read1(1 << 20, decode_content=True):
            parts.append(part)
            if time.monotonic() > end:
                raise TransientError(f"an answer still not whole after {10.0 * limit_s:g} s")
    except urllib3.exceptions.HTTPError as error:
        raise TransientError(cause_of(error)) from None
    body = b"".join(parts)
    promised = response.headers.get("Content-Length", "")
    if promised.isdigit() and "Content-Encoding" not in response.headers and len(body) < int(promised):
        raise TransientError(f"{len(body)} of {promised} bytes")
    return body


def cause_of(error: BaseException) -> str:
    """Return what cut a connection, without the address: the innermost kind of error."""
    inner: BaseException = error
    while (inner.args and isinstance(inner.args[0], BaseException)) or inner.__cause__ is not None:
        inner = inner.args[0] if inner.args and isinstance(inner.args[0], BaseException) else inner.__cause__  # type: ignore[assignment]
    return f"connection lost ({type(inner).__name__})"


def _raise_for(status: int, where: str) -> None:
    """The named error of a status that is no success."""
    if status in GONE:
        raise GoneError(f"status {status}")
    if status in REFUSED:
        refusal = ProviderForbiddenError if status == 403 else ProviderRefusedError
        raise refusal(
            f"{where}: found status {status}, expected to be let in; check that the account is right, still valid, and "
            "allowed to use this service"
        )
    if status >= 400:
        raise ProviderAnswerError(f"{where}: found status {status}, expected success; check the address and the collection")

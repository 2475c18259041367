"""Webhooks: one signed POST to the very address that was checked, over verified TLS, with no redirect followed."""

import hashlib
import hmac
import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pipeline import __version__
from pipeline.errors import DeliveryFailedError, DeliveryRefusedError, RedirectRefusedError
from pipeline.io.channels.addresses import Target, target_of
from pipeline.io.channels.parcel import Limits, Parcel, cut_after, secret_of, tls_context
from pipeline.io.web import TRANSIENT, cause_of, retry_after_s
from pipeline.subscriptions import WebhookChannel


def signature(secret: str, at: datetime, body: bytes) -> str:
    """Return the value of `Overburden-Signature`: the time, and the HMAC-SHA256 of "time.body" in hex.

    Examples
    --------
    >>> signature("s", datetime(2026, 1, 1, tzinfo=UTC), b"{}")[:27]
    't=1767225600,v1=ba9170a5544'
    """
    stamp = str(int(at.timestamp()))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    return f"t={stamp},v1={mac.hexdigest()}"


def post(channel: WebhookChannel, parcel: Parcel, environment: Mapping[str, str], limits: Limits) -> str:
    """Post a parcel once; see `channels.send`."""
    secret = secret_of(environment, channel.secret_env, parcel.subscriber)
    url = channel.url if channel.url is not None else secret_of(environment, str(channel.url_env), parcel.subscriber)
    target = target_of(url, channel.allow_hosts, channel.allow_http_hosts)
    context = tls_context(channel.ca_file, parcel.subscriber) if target.scheme == "https" else None
    headers = {
        "Host": target.host_header,
        "Content-Type": "application/geo+json",
        "User-Agent": f"overburden/{__version__}",
        "Idempotency-Key": parcel.key,
        "Overburden-Delivery": parcel.key,
        "Overburden-Signature": signature(secret, parcel.sent_at, parcel.body),
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    try:
        status, retry_after = _exchange(target, context, headers, parcel.body, limits)
    except ssl.SSLCertVerificationError as error:
        raise DeliveryFailedError(f"{target.host}: its certificate is not to be trusted ({error.verify_message})") from None
    except TimeoutError:
        raise DeliveryFailedError(
            f"{target.host}: no whole answer in time ({limits.quiet_s:g} s without a byte, {limits.whole_s:g} s in all)"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise DeliveryFailedError(f"{target.host}: {cause_of(error)}") from None
    _raise_for(status, retry_after, target.host)
    return f"HTTP {status}"


def _connect(addresses: Sequence[str], port: int, timeout_s: float) -> socket.socket:
    """A connection to the first address that takes one; names are never resolved here."""
    last: OSError = OSError("no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=timeout_s)
        except OSError as error:
            last = error
    raise last


def _exchange(
    target: Target, context: ssl.SSLContext | None, headers: Mapping[str, str], body: bytes, limits: Limits
) -> tuple[int, str | None]:
    """Status and Retry-After of one POST; a body that breaks off is an error, one that is too long is not read on."""
    raw = _connect(target.addresses, target.port, limits.connect_s)
    with raw, cut_after(raw, limits.whole_s) as is_cut:
        raw.settimeout(limits.quiet_s)
        wrapped = context.wrap_socket(raw, server_hostname=target.host) if context is not None else raw
        with wrapped:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = wrapped
            connection.request("POST", target.path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            read = answer.read(limits.answer_bytes)
            if is_cut.is_set():  # headers that end with the connection would pass for whole ones
                raise TimeoutError
            promised = answer.length
            if promised and len(read) < limits.answer_bytes:
                raise http.client.IncompleteRead(read, promised)
            return answer.status, answer.headers.get("Retry-After")


def _raise_for(status: int, retry_after: str | None, host: str) -> None:
    """The named error of a status that is no success."""
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise RedirectRefusedError(
            f"{host}: found HTTP {status}, a redirect, and none is followed: it would lead where nobody checked; give the "
            "address to which it leads, if you trust it"
        )
    if status in TRANSIENT or status >= 500:
        raise DeliveryFailedError(f"{host}: HTTP {status}", retry_after_s(retry_after, datetime.now(UTC)))
    raise DeliveryRefusedError(f"{host}: HTTP {status}; the receiver does not take it")

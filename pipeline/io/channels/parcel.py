"""What a channel is given, and what every channel keeps to: secrets by name, and an end to every wait."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.errors import DeliveryRefusedError, SecretMissingError


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to one subscriber, ready to be sent."""

    key: str
    """Idempotency key of the message, the same at every try."""
    subscriber: str
    sent_at: datetime
    subject: str
    text: str
    """Summary for people."""
    body: bytes
    """GeoJSON."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much a receiver may answer."""

    connect_s: float = 10.0
    quiet_s: float = 20.0
    """Seconds without a byte after which a try has failed."""
    whole_s: float = 60.0
    """Seconds after which a try has failed, however its bytes drip."""
    answer_bytes: int = 65_536
    """Bytes of an answer that are read; the status has come before."""


def secret_of(environment: Mapping[str, str], name: str, subscriber: str) -> str:
    """Return the secret of an environment variable.

    Raises
    ------
    SecretMissingError
        It is not set, or empty.
    """
    value = environment.get(name, "")
    if not value:
        raise SecretMissingError(
            f"subscription {subscriber}: found no environment variable {name}, expected the secret that it names; set it where "
            "overburden runs"
        )
    return value


def tls_context(ca_file: str | None, subscriber: str) -> ssl.SSLContext:
    """Return a context that verifies certificates and names, by the system's authorities or those of a file.

    Raises
    ------
    DeliveryRefusedError
        The file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise DeliveryRefusedError(
            f"subscription {subscriber}: ca_file {Path(str(ca_file)).name}: {type(error).__name__}; expected PEM certificates"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def cut_after(connection: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Shut a connection down if the block lasts longer, however its bytes drip; the event says whether it was.

    The time limit of a socket begins anew with each byte; a receiver that sends one byte a second would hold it for ever.
    """
    twin, is_cut = socket.socket(fileno=os.dup(connection.fileno())), threading.Event()

    def cut() -> None:
        is_cut.set()
        try:
            twin.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    timer = threading.Timer(max(seconds, 0.0), cut)
    timer.daemon = True
    timer.start()
    try:
        yield is_cut
    finally:
        timer.cancel()
        timer.join()
        twin.close()

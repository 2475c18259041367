"""E-mail: one message by SMTP, STARTTLS unless said otherwise, with a Message-ID that is the same at every try."""

import hashlib
import smtplib
import socket
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

from pipeline.errors import DeliveryFailedError, DeliveryRefusedError
from pipeline.io.channels.files import name_of
from pipeline.io.channels.parcel import Limits, Parcel, cut_after, secret_of, tls_context
from pipeline.io.web import cause_of
from pipeline.subscriptions import EmailChannel


def message_of(channel: EmailChannel, parcel: Parcel) -> EmailMessage:
    """Return the e-mail of a parcel: a summary for people, and the GeoJSON attached.

    Raises
    ------
    DeliveryRefusedError
        A header would hold a line break: nothing of an alert may add headers.
    """
    mail = EmailMessage(policy=SMTP_POLICY)
    domain = channel.sender.rpartition("@")[2]
    own = hashlib.sha256(f"{parcel.subscriber}\n{parcel.key}".encode()).hexdigest()[:32]
    headers = {
        "Subject": parcel.subject, "From": channel.sender, "To": ", ".join(channel.to), "Date": format_datetime(parcel.sent_at),
        "Message-ID": f"<{own}@{domain}>", "Auto-Submitted": "auto-generated", "Overburden-Delivery": parcel.key,
    }  # fmt: skip
    try:
        for name, value in headers.items():
            mail[name] = value
    except ValueError:
        raise DeliveryRefusedError("a header would hold a line break; expected one line: rename what holds it") from None
    mail.set_content(parcel.text)
    mail.add_attachment(parcel.body, maintype="application", subtype="geo+json", filename=name_of(parcel))
    return mail


def send_by_mail(channel: EmailChannel, parcel: Parcel, environment: Mapping[str, str], limits: Limits) -> str:
    """Send a parcel as one e-mail; see `channels.send`."""
    mail = message_of(channel, parcel)
    login = None
    if channel.username_env and channel.password_env:
        login = tuple(secret_of(environment, name, parcel.subscriber) for name in (channel.username_env, channel.password_env))
    context = tls_context(channel.ca_file, parcel.subscriber) if channel.security != "none" else None
    where = f"{channel.host}:{channel.port}"
    try:
        refused = _talk(channel, mail, login, context, limits)
    except smtplib.SMTPRecipientsRefused as error:
        _raise_for_refused(where, error.recipients, len(channel.to))
        raise
    except smtplib.SMTPResponseException as error:
        raise _failure(where, error.smtp_code, type(error).__name__) from None
    except smtplib.SMTPNotSupportedError:
        raise DeliveryRefusedError(
            f"{where}: the server does not offer what is asked for ({channel.security}, login)"
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise DeliveryFailedError(f"{where}: its certificate is not to be trusted ({error.verify_message})") from None
    except TimeoutError:
        raise DeliveryFailedError(f"{where}: no whole answer in time ({limits.quiet_s:g} s without a byte)") from None
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryFailedError(f"{where}: {cause_of(error)}") from None
    return _raise_for_refused(where, refused, len(channel.to))


def _talk(
    channel: EmailChannel, mail: EmailMessage, login: tuple[str, ...] | None, context: ssl.SSLContext | None, limits: Limits
) -> dict[str, tuple[int, bytes]]:
    """Hand a mail to the server; returns the recipients that it refused."""
    with ExitStack() as held:
        server = _greeted(held, channel, context, limits)
        if channel.security == "starttls":
            server.starttls(context=context)
        if login is not None:
            server.login(*login)
        refused = server.send_message(mail, channel.sender, list(channel.to))
        try:
            server.quit()
        except (smtplib.SMTPException, OSError):
            return dict(refused)  # it has been taken: what the server says at parting changes nothing
        return dict(refused)


def _greeted(held: ExitStack, channel: EmailChannel, context: ssl.SSLContext | None, limits: Limits) -> smtplib.SMTP:
    """A server that has greeted us. What `SMTP.connect` does, but with an end to the greeting too, however it drips."""
    raw = held.enter_context(socket.create_connection((channel.host, channel.port), timeout=limits.quiet_s))
    held.enter_context(cut_after(raw, limits.whole_s))
    server = smtplib.SMTP(timeout=limits.quiet_s)
    held.callback(server.close)
    server._host = channel.host  # type: ignore[attr-defined]
    server.sock = raw
    if context is not None and channel.security == "tls":
        server.sock = context.wrap_socket(raw, server_hostname=channel.host)
    code, _ = server.getreply()
    if code != 220:
        raise smtplib.SMTPConnectError(code, "")
    return server


def _raise_for_refused(where: str, refused: Mapping[str, tuple[int, bytes]], count: int) -> str:
    """The answer where some recipients were refused for good; raise where all were, or where some may be taken later."""
    codes = sorted({code for code, _ in refused.values()})
    passing = [code for code in codes if code < 500]
    words = f"{len(refused)} of {count} recipients refused (SMTP {', '.join(map(str, codes))})"
    if passing:
        raise DeliveryFailedError(f"{where}: {words}")
    if len(refused) == count:
        raise DeliveryRefusedError(f"{where}: {words}")
    return f"taken; {words}" if refused else "taken"


def _failure(where: str, code: int, kind: str) -> DeliveryFailedError | DeliveryRefusedError:
    """The named error of an SMTP reply; the reply's own words may hold a user name and are not kept."""
    text = f"{where}: SMTP {code} ({kind})"
    return DeliveryRefusedError(text) if 500 <= code < 600 else DeliveryFailedError(text)

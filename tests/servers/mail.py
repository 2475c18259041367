"""A real SMTP server on loopback (aiosmtpd) that takes mails, and goes wrong when it is told to."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Postbox:
    """What was taken, and what goes wrong: words for each step, used up in order."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], EmailMessage]] = []
        """Sender, recipients and mail."""
        self.data: list[str] = []
        """Replies to DATA; `drop` hangs up, after it took the mail; `stall` waits."""
        self.sender: list[str] = []
        """Replies to MAIL FROM."""
        self.recipients: dict[str, str] = {}
        """Replies to RCPT TO, by address."""
        self.logins: list[tuple[str, str]] = []
        self.login_reply = True

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.sender:
            return self.sender.pop(0)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.recipients:
            return self.recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        word = self.data.pop(0) if self.data else "250 OK"
        if word.startswith(("4", "5")):
            return word
        mail: Any = message_from_bytes(envelope.content, policy=default)
        self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), mail))
        if word == "stall":
            await asyncio.sleep(1.0)
        if word == "drop":
            server.transport.abort()
        return "250 OK"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.login_reply, handled=False)


class _Controller(Controller):
    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]  # it asks for any free port
        super()._trigger_server()


@contextmanager
def mail_server(
    context: ssl.SSLContext | None = None, *, has_login: bool = False, is_tls: bool = False
) -> Iterator[tuple[Postbox, int]]:
    """Hold a running server, with STARTTLS where it has a context, or TLS from the start; gives its postbox and port."""
    box = Postbox()
    login = {"authenticator": box.authenticate, "auth_required": True} if has_login else {}
    tls: dict[str, Any] = {"tls_context": context, "require_starttls": True} if context is not None else {}
    tls = {"ssl_context": context} if is_tls else tls
    controller = _Controller(box, hostname="127.0.0.1", port=0, **tls, **login)
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop(no_assert=True)

"""A webhook receiver on loopback that takes messages, each key once, and goes wrong when it is told to."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """Answers 200, or as the next word of `script` says."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "http"
        if context is not None:
            self.socket, self.scheme = context.wrap_socket(self.socket, server_side=True), "https"
        self.script: list[str] = []
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        """Path, headers in lower case and body of every request."""
        self.times: dict[str, int] = {}
        """How often each key was taken."""
        self.documents: dict[str, Any] = {}
        """What was taken, by key: the second message of a key changes nothing."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, host: str = "127.0.0.1", path: str = "/hook") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def take(self, headers: dict[str, str], body: bytes) -> None:
        key = headers["idempotency-key"]
        self.times[key] = self.times.get(key, 0) + 1
        self.documents.setdefault(key, json.loads(body))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        headers = {k.lower(): v for k, v in self.headers.items()}
        body = self.rfile.read(int(headers["content-length"]))
        self.server.asked.append((self.path, headers, body))
        word = self.server.script.pop(0) if self.server.script else "ok"
        with suppress(OSError):
            self._answer(word, headers, body)

    def _answer(self, word: str, headers: dict[str, str], body: bytes) -> None:
        name, _, value = word.partition(" ")
        if name in {"ok", "drop", "huge", "stall"}:
            self.server.take(headers, body)
        if name == "stall":
            time.sleep(float(value))
        elif name == "drip":
            self._drip(float(value))
            return
        elif name == "reset":
            self.close_connection = True
            self.connection.close()
            return
        elif name.isdigit():
            more = {"Location": value} if name.startswith("3") else {"Retry-After": value} if value else {}
            self._send(int(name), b"told to", **more)
            return
        if name == "drop":
            self._send(200, b"half", length=1000)
            self.close_connection = True
        elif name == "huge":
            self._send(200, b"x" * 1_000_000)
        else:
            self._send(200, b"{}")

    def _send(self, status: int, body: bytes, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for header, value in {"Content-Length": str(len(body) if length is None else length), **headers}.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _drip(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while time.monotonic() < end:
            self.wfile.write(b"a")
            self.wfile.flush()
            time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiver(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Hold a running receiver."""
    server = Receiver(context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

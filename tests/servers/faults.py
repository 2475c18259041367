"""What a server can be told to do wrong, once each, in order: the same words for every server of this folder."""

import json
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Literal

Kind = Literal["status", "html", "cut", "slow", "truncated", "reset"]


@dataclass
class Fault:
    """One thing that goes wrong with the next request to a place."""

    place: str
    """Which requests: `landing`, `search`, `files`, `sign`, or `files:<part of the path>`."""
    kind: Kind
    status: int = 500
    retry_after: str | None = None
    seconds: float = 1.0
    """How long a slow answer takes to begin."""
    times: int = 1

    def fits(self, place: str, path: str) -> bool:
        """Whether a request meets it."""
        name, _, part = self.place.partition(":")
        return name == place and part in path


class Faulty:
    """A server with a list of faults; each is used up by the requests that meet it."""

    faults: list[Fault]

    def next_fault(self, place: str, path: str) -> Fault | None:
        """The fault that this request meets, if any."""
        for fault in self.faults:
            if fault.fits(place, path) and fault.times > 0:
                fault.times -= 1
                return fault
        return None


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """A whole answer."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def misbehave(handler: BaseHTTPRequestHandler, fault: Fault, body: bytes, status: int, **headers: str) -> None:
    """Answer as the fault says instead of with the body."""
    if fault.kind == "status":
        more = {} if fault.retry_after is None else {"Retry_After": fault.retry_after}
        send(
            handler, json.dumps({"description": "told to fail"}).encode(), fault.status, Content_Type="application/json", **more
        )
    elif fault.kind == "html":
        send(handler, b"<html><body>Sign in to the network</body></html>", 200, Content_Type="text/html")
    elif fault.kind == "slow":
        time.sleep(fault.seconds)
        send(handler, body, status, **headers)
    elif fault.kind == "truncated":  # whole as an answer, cut as a file
        send(handler, body[: len(body) // 2], status, **headers)
    else:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if fault.kind == "cut" else b"")
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.close()

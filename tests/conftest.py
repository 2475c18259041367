"""What every test shares: no network but loopback, and a profile of hypothesis that is the same on every machine."""

import functools
import os
import socket
from typing import Any

import pytest
from hypothesis import settings

# Tests run side by side: threads that wait for a busy core cost ten times the work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("here", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("here")


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
            raise OSError(f"tests never need the network; {address} was asked for")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def _loaded():
    from pipeline.io.models import load_model

    return functools.cache(load_model)


@pytest.fixture
def quick_model(monkeypatch: pytest.MonkeyPatch, _loaded) -> None:
    """Read each model once in a session; that it is read well is for the tests of models."""
    monkeypatch.setattr("pipeline.stages.run.load_model", _loaded)

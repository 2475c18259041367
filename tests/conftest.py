"""What every test shares: no network but loopback, and a profile of hypothesis that is the same on every machine."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from worlds import pit_in_forest, write_aoi

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
def pit_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny forest in which a pit appears: catalog/ and aoi.geojson, to be read or copied, never changed."""
    folder = tmp_path_factory.mktemp("pit_world")
    pit_in_forest(folder / "catalog")
    write_aoi(folder / "aoi.geojson")
    return folder

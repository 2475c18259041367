"""State files in a folder and in object storage: whole or not at all, fresh, and by named errors where nobody answers."""

import os
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from fsspec import get_filesystem_class
from servers import s3

from pipeline.errors import ConfigInvalidError, StorageUnreachableError, StoreMismatchError
from pipeline.io.states import StateFolder
from pipeline.io.storage import Storage, copies_folder, make_room, storage_at
from pipeline.io.store import ChunkState


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3.running() as address:
        yield address


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "folder":
        return storage_at(tmp_path / "states")
    return storage_at(f"{request.getfixturevalue('bucket')}/{tmp_path.name}/")


def test_files_come_back_are_listed_and_go(storage: Storage) -> None:
    assert storage.names() == []
    storage.write_whole("b.npz", b"two")
    storage.write_whole("a.npz", b"one")
    storage.write_whole("a.npz", b"another")
    assert storage.names() == ["a.npz", "b.npz"]
    assert (storage.read_bytes("a.npz"), storage.read_bytes("b.npz")) == (b"another", b"two")
    storage.remove("b.npz")
    storage.remove("b.npz")
    assert storage.names() == ["a.npz"]
    with pytest.raises(FileNotFoundError):
        storage.read_bytes("b.npz")
    with pytest.raises(FileNotFoundError):
        storage.local_copy("b.npz")


def test_a_local_copy_is_of_what_is_stored_now(storage: Storage) -> None:
    storage.write_whole("r.npz", b"first")
    first = storage.local_copy("r.npz")
    assert first.read_bytes() == b"first"
    assert storage.local_copy("r.npz") == first
    storage.write_whole("r.npz", b"other")
    assert storage.local_copy("r.npz").read_bytes() == b"other"


def test_copies_used_longest_ago_make_room(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n}").write_bytes(bytes(100))
        os.utime(tmp_path / f"{n}", (n, n))
    make_room(tmp_path, 150, limit_gib=300 / 2**30)
    assert [p.name for p in tmp_path.iterdir()] == ["2"]


def test_copies_lie_where_the_system_keeps_what_can_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert copies_folder() == Path("/somewhere/overburden/states")


def test_storage_that_is_not_there_is_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageUnreachableError, match="expected a bucket or container that is there"):
        storage_at("s3://nowhere/x").write_whole("a", b"")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(StorageUnreachableError, match="check bucket, end point and keys"):
        storage_at(bucket).read_bytes("a")
    get_filesystem_class("s3").clear_instance_cache()


def test_an_address_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigInvalidError, match="protocol that fsspec does not know"):
        storage_at("lake://here")
    with pytest.raises(ConfigInvalidError, match="found a password") as found:
        storage_at("sftp://user:secret-word@host/states")
    assert "secret-word" not in str(found.value)
    monkeypatch.setitem(sys.modules, "adlfs", None)
    with pytest.raises(ConfigInvalidError, match="pip install adlfs"):
        storage_at("abfs://container/states")


def test_a_state_file_that_is_gone_is_told_from_storage_that_does_not_answer(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = StateFolder(storage)
    with pytest.raises(StoreMismatchError, match="the store names this state file"):
        states.read_state("gone.npz")

    def silent(self: object, name: str) -> bytes:
        raise StorageUnreachableError("no answer")

    monkeypatch.setattr(type(storage), "read_bytes", silent)
    with pytest.raises(StorageUnreachableError):
        states.read_state("gone.npz")


def test_only_what_no_run_can_name_any_more_is_removed(storage: Storage) -> None:
    states = StateFolder(storage)
    count = np.zeros((2, 2), np.uint16)
    past, named, lost, coming, other = (
        states.write_state(name, count + n)
        for n, name in enumerate(("c1-20240501-k", "c1-20240506-k", "c1-20240506-k", "c1-20240511-k", "c2-20240501-k"))
    )
    assert named != lost  # one name, two contents: two files
    states.keep_only({"c1": ChunkState(date(2024, 5, 6), named, None, None)})
    assert storage.names() == sorted([named, coming, other])
    assert past not in storage.names()

"""Storage: a folder, or any place that fsspec reaches. A file is there whole or not at all, and its name never changes meaning.

End point, region and keys of a remote place come from the environment and from the files that its library reads (for S3:
AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID ..., FSSPEC_S3_..., ~/.config/fsspec/); none stands in a configuration.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from pipeline.errors import ConfigInvalidError, StorageUnreachableError
from pipeline.io.outputs import write_whole

LIBRARIES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
"""What is installed for which protocol."""
COPIES_GIB = 20.0
"""Copies of remote files beyond this are taken away, the ones used longest ago first."""
Given = TypeVar("Given")


class Storage(Protocol):
    """A flat place of named files."""

    def shown(self, name: str) -> str:
        """Return where a file lies, in words for people."""

    def read_bytes(self, name: str) -> bytes:
        """Return what a file holds; FileNotFoundError where there is none."""

    def write_whole(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all, in place of one of the same name."""

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens where there is none."""

    def local_copy(self, name: str) -> Path:
        """Return a path at which a file can be opened: the file itself, or a copy of it; FileNotFoundError where none is."""


def storage_at(address: str | Path) -> Storage:
    """Return the storage at a folder or fsspec address; nothing is asked of it yet.

    Raises
    ------
    ConfigInvalidError
        fsspec knows no such protocol, its library is not installed, or the address holds a password.
    """
    text = str(address)
    if "://" not in text:
        return FolderStorage(Path(text))
    if text.startswith(("file://", "local://")):
        return FolderStorage(Path(text.partition("://")[2]))
    if ":" in urlsplit(text).netloc.rpartition("@")[0]:
        raise ConfigInvalidError(
            f"{text.partition('://')[0]}://...: found a password in the address of storage; expected it in the environment or "
            "in the files that fsspec reads: take it out of the configuration"
        )
    remote = RemoteStorage(text.rstrip("/"))
    remote.check_library()
    return remote


@dataclass(frozen=True)
class FolderStorage:
    """A folder that this machine sees."""

    folder: Path

    def shown(self, name: str) -> str:
        """Return the path of a file."""
        return str(self.folder / name)

    def read_bytes(self, name: str) -> bytes:
        """Return what a file holds."""
        return (self.folder / name).read_bytes()

    def write_whole(self, name: str, content: bytes) -> None:
        """Write a file whole: temporary file, fsync, rename."""
        write_whole(self.folder / name, content)

    def names(self) -> list[str]:
        """Return the names of all files, sorted; what is being written is none."""
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if not p.name.startswith("."))

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.folder / name).unlink(missing_ok=True)

    def local_copy(self, name: str) -> Path:
        """Return the path of the file itself."""
        path = self.folder / name
        if not path.is_file():
            raise FileNotFoundError(path)
        return path


@dataclass(frozen=True)
class RemoteStorage:
    """A place that fsspec reaches, such as a bucket and prefix."""

    address: str
    """Without a slash at its end and without credentials."""

    def shown(self, name: str) -> str:
        """Return the address of a file."""
        return f"{self.address}/{name}"

    def read_bytes(self, name: str) -> bytes:
        """Return what a file holds."""
        return self._asked(name, lambda: bytes(self._fs.cat_file(self._path(name))))

    def write_whole(self, name: str, content: bytes) -> None:
        """Write a file by one put: object storage shows it when all of it has come."""
        try:
            self._asked(name, lambda: self._fs.pipe_file(self._path(name), content))
        except FileNotFoundError as error:
            raise StorageUnreachableError(
                f"{self.shown(name)}: {error}; expected a bucket or container that is there: make it, or mend the address"
            ) from error

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        try:
            found = self._asked("", lambda: self._fresh.ls(self._root, detail=False))
        except FileNotFoundError:
            return []
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in found)

    def remove(self, name: str) -> None:
        """Remove a file."""
        try:
            self._asked(name, lambda: self._fs.rm_file(self._path(name)))
        except FileNotFoundError:
            return

    def local_copy(self, name: str) -> Path:
        """Return the path of a copy on this machine, made when there is none of the same address, version and size."""
        about = self._asked(name, lambda: self._fresh.info(self._path(name)))
        version = about.get("ETag") or about.get("etag") or about.get("LastModified") or about.get("created")
        key = hashlib.sha256(f"{self.shown(name)} {version} {about.get('size')}".encode()).hexdigest()[:32]
        path = copies_folder() / key
        if not path.is_file():
            content = self.read_bytes(name)
            make_room(path.parent, len(content))
            write_whole(path, content, mode=0o600)
        os.utime(path)
        return path

    def check_library(self) -> None:
        """Raise ConfigInvalidError where the protocol is unknown or its library is not installed."""
        from fsspec.core import get_filesystem_class  # noqa: PLC0415 - only where storage is remote

        protocol = self.address.partition("://")[0]
        try:
            get_filesystem_class(protocol)
        except ImportError as error:
            library = LIBRARIES.get(protocol, str(error.name or protocol))
            raise ConfigInvalidError(
                f"{self.address}: needs {library}, which is not installed; for S3: pip install 'overburden[s3]', else: "
                f"pip install {library}"
            ) from error
        except ValueError as error:
            raise ConfigInvalidError(
                f"{self.address}: found a protocol that fsspec does not know; expected a folder or one such as s3://bucket/prefix"
            ) from error

    @cached_property
    def _root(self) -> str:
        """The place as its library names it."""
        return str(self._fs._strip_protocol(self.address)).rstrip("/")

    def _path(self, name: str) -> str:
        """A file as its library names it."""
        return f"{self._root}/{name}"

    @property
    def _fs(self) -> Any:  # noqa: ANN401 - each library behind fsspec has a type of its own
        """The file system of this process and thread."""
        from fsspec.core import url_to_fs  # noqa: PLC0415 - only where storage is remote

        return url_to_fs(self.address)[0]

    @property
    def _fresh(self) -> Any:  # noqa: ANN401
        """The file system, which forgets what it saw before: others write here too."""
        found = self._fs
        found.invalidate_cache()
        return found

    def _asked(self, name: str, question: Callable[[], Given]) -> Given:
        """What the place answers.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        StorageUnreachableError
            It does not answer, or refuses.
        """
        try:
            return question()
        except FileNotFoundError:
            raise
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            raise StorageUnreachableError(
                f"{self.shown(name)}: {type(error).__name__}: {text}; expected storage that answers and lets us read, write, "
                "list and remove; nothing was lost: check bucket, end point and keys in the environment, then run again"
            ) from error


def copies_folder() -> Path:
    """Return the folder of copies of remote files on this machine."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "overburden" / "states"


def make_room(folder: Path, byte_count: int, limit_gib: float = COPIES_GIB) -> None:
    """Remove the copies that were used longest ago until some more bytes fit under a limit.

    A copy that is open stays readable: the system keeps its bytes until it is closed.
    """
    held: Sequence[tuple[float, int, Path]] = sorted(_copies(folder))
    excess = sum(size for _, size, _ in held) + byte_count - limit_gib * 2**30
    for _, size, path in held:
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= size


def _copies(folder: Path) -> list[tuple[float, int, Path]]:
    """When each copy was used, its bytes and its path; one that another process removes meanwhile is left out."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        try:
            about = path.stat()
        except FileNotFoundError:
            continue
        found.append((about.st_mtime, about.st_size, path))
    return found

"""Files: a folder, or object storage through fsspec. A message is one file, whole, named by its key."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ChannelUnavailableError, DeliveryFailedError, DeliveryRefusedError
from pipeline.io.channels.parcel import Parcel, secret_of
from pipeline.io.outputs import write_whole
from pipeline.subscriptions import FolderChannel, StorageChannel

WHOLE_PUT = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory"})
"""Protocols in which an object appears whole with the end of its upload; elsewhere it is uploaded beside and renamed."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def name_of(parcel: Parcel) -> str:
    """Return the file name of a parcel.

    Raises
    ------
    DeliveryRefusedError
        Its key is no plain name.
    """
    if not _NAME.fullmatch(parcel.key):
        raise DeliveryRefusedError(f"found key {parcel.key[:60]!r}, expected letters, digits, points and hyphens")
    return f"{parcel.key}.geojson"


def send_to_folder(channel: FolderChannel, parcel: Parcel) -> str:
    """Write a parcel as a file of a folder; see `channels.send`."""
    name = name_of(parcel)
    folder = Path(channel.path)
    try:
        for leftover in folder.glob(f".{name}.*.part"):  # of a try that was killed; there is only one deliverer
            leftover.unlink(missing_ok=True)
        write_whole(folder / name, parcel.body)
    except OSError as error:
        raise DeliveryFailedError(f"{channel.path}: {type(error).__name__}: {error.strerror}") from None
    return f"written as {name}"


def send_to_storage(channel: StorageChannel, parcel: Parcel, environment: Mapping[str, str]) -> str:
    """Write a parcel as an object; see `channels.send`."""
    name = name_of(parcel)
    system, root = _file_system(channel, parcel.subscriber, environment)
    path = f"{root.rstrip('/')}/{name}"
    protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
    try:
        if protocols & WHOLE_PUT:
            system.pipe_file(path, parcel.body)
        else:
            system.makedirs(root, exist_ok=True)
            part = f"{root.rstrip('/')}/.{name}.part"
            system.pipe_file(part, parcel.body)
            system.mv(part, path)
    except Exception as error:  # noqa: BLE001 - each library behind fsspec has errors of its own
        raise DeliveryFailedError(f"{_shown(channel.url)}: {type(error).__name__}") from None
    return f"written as {name}"


def _shown(url: str) -> str:
    """An address without what may be a secret."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _file_system(channel: StorageChannel, subscriber: str, environment: Mapping[str, str]) -> tuple[Any, str]:
    """The file system of a channel, and the path of its folder in it."""
    from fsspec.core import url_to_fs  # noqa: PLC0415 - only where storage is used

    options: dict[str, object] = {}
    if channel.key_env:
        options["key"] = secret_of(environment, channel.key_env, subscriber)
    if channel.secret_env:
        options["secret"] = secret_of(environment, channel.secret_env, subscriber)
    if channel.endpoint_url:
        options["client_kwargs"] = {"endpoint_url": channel.endpoint_url}
    try:
        system, root = url_to_fs(channel.url, use_listings_cache=False, **options)
    except ImportError as error:
        protocol = channel.url.partition("://")[0]
        library = {"s3": "s3fs", "gs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}.get(protocol, str(error.name or protocol))
        raise ChannelUnavailableError(
            f"subscription {subscriber}: {_shown(channel.url)} needs the library {library}, which is not installed; install it "
            f"beside overburden: pip install {library}"
        ) from None
    except ValueError:
        raise ChannelUnavailableError(
            f"subscription {subscriber}: {_shown(channel.url)} is of no protocol that fsspec knows; expected one such as "
            "s3://bucket/folder"
        ) from None
    return system, str(root)

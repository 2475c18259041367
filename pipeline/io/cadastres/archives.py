"""Zip archives of cadastres: looked through before anything in them is opened; nothing of them is ever written."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pipeline.errors import CadastreInvalidError, CadastreUnsafeError

MOST_UNPACKED_BYTES = 2 << 30
"""Bytes that an archive may unpack to, all of it: 2 GiB; the largest national cadastre seen unpacks to 0.4 GiB."""
MOST_RATIO = 200
"""Times that a member may be larger than what is packed; outlines as text pack to about a tenth."""
_RATIO_FROM_BYTES = 64 << 20
"""Smaller members may pack as well as they like: columns of a .dbf are mostly spaces."""
_ARCHIVES = (".zip", ".kmz", ".7z", ".rar", ".gz", ".tar", ".tgz", ".bz2", ".xz")
_ENCRYPTED = 0x1


@contextmanager
def open_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, list[str]]]:
    """Hold an archive and the names of its files, sorted; a resource fork of macOS is none of them.

    Raises
    ------
    CadastreInvalidError
        It is no zip, damaged, or locked with a password.
    CadastreUnsafeError
        A member has a name that leads out of the archive, is a link or an archive itself, stands twice, or unpacks to
        more than `MOST_UNPACKED_BYTES` or `MOST_RATIO`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _require_bounds(path, archive.infolist())
            for member in archive.infolist():
                _require_sound(path, member)
            names = [member.filename for member in archive.infolist() if not member.is_dir()]
            if len({name.lower() for name in names}) < len(names):
                raise CadastreUnsafeError(f"{path}: found two members of one name, expected each once; get the archive again")
            yield archive, sorted(name for name in names if not name.startswith("__MACOSX"))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, UnicodeDecodeError) as error:
        raise CadastreInvalidError(f"{path}: cannot be opened as a zip: {error}; download it again") from error


def _require_bounds(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Raise where an archive unpacks to more than a cadastre would."""
    total = sum(member.file_size for member in members)
    if total > MOST_UNPACKED_BYTES:
        raise CadastreUnsafeError(
            f"{path}: found {total} bytes unpacked, expected at most {MOST_UNPACKED_BYTES}; unpack it yourself if you trust it"
        )
    for member in members:
        if member.file_size > max(_RATIO_FROM_BYTES, MOST_RATIO * member.compress_size):
            raise CadastreUnsafeError(
                f"{path}: found {member.filename!r}, packed {member.file_size / max(member.compress_size, 1):.0f} times, "
                f"expected at most {MOST_RATIO}; unpack it yourself if you trust it"
            )


def _require_sound(path: Path, member: zipfile.ZipInfo) -> None:
    """Raise where a member is more than a plain file of the archive."""
    name = PurePosixPath(member.filename)
    found = None
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename or (name.parts and ":" in name.parts[0]):
        found = "a name that leads out of the archive"
    elif any(part.lower().startswith("vsi") for part in name.parts[:1]) or any(mark in member.filename for mark in "{}\n\0"):
        found = "a name that GDAL reads as another place"
    elif stat.S_ISLNK(member.external_attr >> 16):
        found = "a symbolic link"
    elif name.suffix.lower() in _ARCHIVES:
        found = "an archive inside of the archive"
    if found is not None:
        raise CadastreUnsafeError(
            f"{path}: found {found}, {member.filename!r}, expected plain files; pack the outlines themselves, once"
        )
    if member.flag_bits & _ENCRYPTED:
        raise CadastreInvalidError(f"{path}: {member.filename!r} is locked with a password; unpack it yourself")

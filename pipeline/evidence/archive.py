"""Zip files of exactly one form, so that every byte of one follows from its names and contents.

Entries are stored, never compressed (a deflated one would depend on the version of zlib), lie one after the other in the
order of the directory, are dated 1980-01-01, have the mode 0644, no extra field, no comment and no data descriptor.
Reading is lenient, so that what was changed can be named; `form_fault` then says whether a byte is out of place.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
LOCAL_MARK, CENTRAL_MARK, END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
ZIP64_MARKS = (b"PK\x06\x06", b"PK\x06\x07")
VERSION = 20
MADE_BY_UNIX = 3 << 8 | VERSION
MODE = 0o100644
DAY_1980 = 0x21
STORED, DEFLATED = 0, 8
ENCRYPTED_FLAGS = 0x2041
"""Bits 0, 6 and 13: encrypted, strongly encrypted, masked headers."""

MAX_FILES = 64
MAX_FILE_BYTES = 64 * 2**20
MAX_TOTAL_BYTES = 256 * 2**20
MAX_DIRECTORY_BYTES = 64 * 2**10
MAX_ARCHIVE_BYTES = MAX_TOTAL_BYTES + 2**20
PACKING_SLACK = 64
"""Bytes, and a thousandth of the rest, by which deflating may make an entry larger; a stream of empty blocks has more."""
STEP = 2**18
"""Bytes that are read at once."""


class ArchiveError(ValueError):
    """A zip cannot be read as far as its directory, or an entry not to its end."""


class TooLargeError(ArchiveError):
    """An entry has more bytes than it may have, or than it declares."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as the directory of a zip tells of it."""

    name: str
    """Latin-1 text of the name's bytes, so that each name of bytes has one text."""
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    offset: int
    """Where its local header begins."""
    has_extra: bool
    """It has an extra field or a comment."""


def _local(name: bytes, crc: int, size: int) -> bytes:
    """The header before the bytes of an entry."""
    return LOCAL.pack(LOCAL_MARK, VERSION, 0, STORED, 0, DAY_1980, crc, size, size, len(name), 0) + name


def _central(name: bytes, crc: int, size: int, offset: int) -> bytes:
    """The record of an entry in the directory."""
    return CENTRAL.pack(
        CENTRAL_MARK, MADE_BY_UNIX, VERSION, 0, STORED, 0, DAY_1980, crc, size, size, len(name), 0, 0, 0, 0, MODE << 16, offset
    ) + name  # fmt: skip


def _end(count: int, length: int, offset: int) -> bytes:
    """The record at the end."""
    return END.pack(END_MARK, 0, 0, count, count, length, offset, 0)


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return files as a zip in the order of the mapping; the same files always give the same bytes."""
    body, directory, offset = [], [], 0
    for name, held in files.items():
        crc, raw = zlib.crc32(held), name.encode("latin-1")
        body += [_local(raw, crc, len(held)), held]
        directory.append(_central(raw, crc, len(held), offset))
        offset += LOCAL.size + len(raw) + len(held)
    tail = b"".join(directory)
    return b"".join([*body, tail, _end(len(directory), len(tail), offset)])


# --- reading ---------------------------------------------------------------------------------------------------------


def read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Return exactly so many bytes from an offset.

    Raises
    ------
    ArchiveError
        The file ends before.
    """
    file.seek(offset)
    held = file.read(count)
    if len(held) != count:
        raise ArchiveError(f"found the end of the file {count - len(held)} bytes too early, at byte {offset + len(held)}")
    return held


def read_entries(file: BinaryIO, length: int) -> list[Entry]:
    """Return the entries of a zip in the order of its directory.

    Raises
    ------
    ArchiveError
        There is no directory at the end, it does not fit, or it is of zip64.
    """
    if length < END.size:
        raise ArchiveError(f"found {length} bytes, fewer than a zip has: the file is truncated")
    mark, disk, first, here, count, size, offset, comment = END.unpack(read_at(file, length - END.size, END.size))
    if mark != END_MARK or comment:
        raise ArchiveError(_why_no_end(file, length))
    if 0xFFFF in (here, count) or 0xFFFFFFFF in (size, offset) or _has_zip64(file, length):
        raise ArchiveError("found records of zip64, which bundles never need")
    if disk or first or here != count or offset + size + END.size != length:
        raise ArchiveError(
            f"found a directory of {count} entries at byte {offset}, {size} bytes long, which does not reach to the record "
            f"at its end: the file is truncated, or bytes were added"
        )
    if count > MAX_FILES or size > MAX_DIRECTORY_BYTES:
        raise ArchiveError(f"found {count} entries in a directory of {size} bytes, expected at most {MAX_FILES}: too large")
    return list(_entries(read_at(file, offset, size), count))


def _has_zip64(file: BinaryIO, length: int) -> bool:
    """Whether the locator of zip64 lies before the record at the end."""
    return length >= END.size + 20 and read_at(file, length - END.size - 20, 4) in ZIP64_MARKS


def _why_no_end(file: BinaryIO, length: int) -> str:
    """Why the record at the end is not where it belongs, in words."""
    reach = min(length, END.size + 0xFFFF)
    at = read_at(file, length - reach, reach).rfind(END_MARK)
    if 0 <= at < reach - END.size:
        return "found bytes or a comment behind the record at the end of the zip, expected none"
    return "found no whole record at the end of the zip: the file is truncated, or no zip"


def _entries(directory: bytes, count: int) -> Iterator[Entry]:
    """The entries of a directory."""
    at = 0
    for number in range(1, count + 1):
        if at + CENTRAL.size > len(directory) or directory[at : at + 4] != CENTRAL_MARK:
            raise ArchiveError(f"found no record of entry {number} of {count} in the directory of the zip: it is damaged")
        record = CENTRAL.unpack_from(directory, at)
        _, _, _, flags, method, _, _, crc, packed, size, names, extra, comment, _, _, attributes, offset = record
        at += CENTRAL.size
        name = directory[at : at + names].decode("latin-1")
        at += names + extra + comment
        if at > len(directory):
            raise ArchiveError(f"found the directory of the zip cut off in entry {number} of {count}")
        if 0xFFFFFFFF in (packed, size, offset):
            raise ArchiveError("found sizes of zip64, which bundles never need")
        yield Entry(name, flags, method, crc, packed, size, attributes >> 16, offset, bool(extra or comment))
    if at != len(directory):
        raise ArchiveError(f"found {len(directory) - at} bytes in the directory of the zip that belong to no entry")


def contents(file: BinaryIO, entry: Entry, limit: int = MAX_FILE_BYTES) -> Iterator[bytes]:
    """Yield the bytes of an entry piece by piece, unpacked where it is deflated; never more than the limit.

    Raises
    ------
    ArchiveError
        The header is not where it should be, the bytes end too early, unpack to more or fewer than declared or than
        the limit, or are packed in another way.
    """
    if entry.size > limit or entry.packed > limit:
        raise TooLargeError(f"declares {max(entry.size, entry.packed)} bytes, expected at most {limit}")
    if entry.packed > entry.size + entry.size // 1000 + PACKING_SLACK:
        raise TooLargeError(f"is packed in {entry.packed} bytes, more than the {entry.size} that it declares to be")
    header = LOCAL.unpack(read_at(file, entry.offset, LOCAL.size))
    if header[0] != LOCAL_MARK:
        raise ArchiveError(f"found no header at byte {entry.offset}")
    begin, found = entry.offset + LOCAL.size + header[9] + header[10], 0
    for piece in _unpacked(_pieces(file, begin, entry.packed), entry.method):
        found += len(piece)
        if found > entry.size:
            raise TooLargeError(f"unpacks to more than the {entry.size} bytes that it declares")
        yield piece
    if found != entry.size:
        raise ArchiveError(f"has {found} bytes, declares {entry.size}")


def _pieces(file: BinaryIO, begin: int, count: int) -> Iterator[bytes]:
    """Bytes of a file, some at a time."""
    for at in range(begin, begin + count, STEP):
        yield read_at(file, at, min(STEP, begin + count - at))


def _unpacked(pieces: Iterator[bytes], method: int) -> Iterator[bytes]:
    """Pieces as they are, or inflated so many bytes at a time."""
    if method == STORED:
        yield from pieces
        return
    if method != DEFLATED:
        raise ArchiveError(f"is packed by method {method}, which is not read")
    inflating = zlib.decompressobj(-15)
    try:
        for piece in pieces:
            left = piece
            while left:
                yield inflating.decompress(left, STEP)
                left = inflating.unconsumed_tail
        yield inflating.flush(STEP)
    except zlib.error as error:
        raise ArchiveError(f"cannot be unpacked: {error}") from error


@dataclass(frozen=True, slots=True)
class Digest:
    """What the bytes of an entry are."""

    sha256: str
    size: int
    crc: int
    held: bytes
    """The bytes themselves, where they were to be kept; else empty."""


def digest_of(file: BinaryIO, entry: Entry, *, limit: int, is_kept: bool) -> Digest:
    """Return digests of the bytes of an entry, read piece by piece.

    Raises
    ------
    ArchiveError
        See `contents`.
    """
    sha, crc, size, kept = hashlib.sha256(), 0, 0, []
    for piece in contents(file, entry, limit):
        sha.update(piece)
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        if is_kept:
            kept.append(piece)
    return Digest(sha.hexdigest(), size, crc, b"".join(kept))


def form_fault(file: BinaryIO, length: int, entries: Sequence[Entry], digests: Mapping[str, Digest]) -> str | None:
    """Return what keeps a zip from being byte for byte what `zip_bytes` writes of its contents, or None.

    Every byte is one of a header, which is compared, or of an entry, whose CRC-32 stands in two headers.
    """
    offset, directory = 0, []
    for entry in entries:
        read, raw = digests.get(entry.name), entry.name.encode("latin-1")
        if read is None:
            return f"{entry.name} could not be read"
        if read.crc != entry.crc:
            return f"the bytes of {entry.name} do not have the CRC-32 that stands in its header"
        wanted = _local(raw, read.crc, read.size)
        if entry.offset != offset or read_at(file, offset, len(wanted)) != wanted:
            return f"the header of {entry.name} is not the one that bundles are written with"
        directory.append(_central(raw, read.crc, read.size, offset))
        offset += len(wanted) + read.size
    tail = b"".join(directory)
    tail += _end(len(entries), len(tail), offset)
    if offset + len(tail) != length or read_at(file, offset, len(tail)) != tail:
        return "the directory at the end is not the one that bundles are written with, or bytes lie between entries"
    return None

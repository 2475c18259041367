"""Rasters on a server, opened in place: only the byte ranges that a window needs are asked for."""

import io
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import rasterio

from pipeline.errors import PipelineError, ProviderAnswerError
from pipeline.io.web import Answer, GoneError, Web, shown

BLOCK = 1 << 14
"""Bytes of one block: a header, or the scan over the tiles of a JPEG 2000 file, asks for little at a time."""
BLOCKS_KEPT = 256
"""Blocks that one opened file keeps: 4 MiB."""


class RemoteFile(io.RawIOBase):
    """A file on a server that reads like one on disk.

    What goes wrong while a raster library reads is kept in `failure`, since the library would tell its own story.
    """

    def __init__(self, web: Web, url: str) -> None:
        super().__init__()
        self._web, self._url = web, url
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.failure: PipelineError | GoneError | None = None
        first = self._range(0, BLOCK - 1)
        self._tag = first.headers.get("ETag")
        self.size = self._keep_first(first)

    def _keep_first(self, answer: Answer) -> int:
        """Size of the file, and its first block kept; the whole of it where the server knows no ranges."""
        if answer.status == 206:
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            if not total.isdigit():
                raise ProviderAnswerError(
                    f"{self._web.name}, {shown(self._url)}: found Content-Range "
                    f"{answer.headers.get('Content-Range')!r}, expected bytes first-last/size"
                )
            self._blocks[0] = answer.body
            return int(total)
        for number in range(0, len(answer.body), BLOCK):
            self._blocks[number // BLOCK] = answer.body[number : number + BLOCK]
        self._whole = True
        return len(answer.body)

    _whole = False
    _tag: str | None = None

    def _range(self, first: int, last: int) -> Answer:
        """Answer for one range of bytes."""
        answer = self._web.ask(self._url, headers={"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"})
        if self._tag is not None and answer.headers.get("ETag", self._tag) != self._tag:
            raise ProviderAnswerError(
                f"{self._web.name}, {shown(self._url)}: the file changed while it was read; expected one version; run again"
            )
        return answer

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; fewer at the end of the file, none after a failure."""
        end = self.size if size is None or size < 0 else min(self._at + size, self.size)
        if end <= self._at or self.failure is not None:
            return b""
        try:
            data = self._bytes(self._at, end)
        except (PipelineError, GoneError) as error:
            self.failure = error
            return b""
        self._at += len(data)
        return data

    def _bytes(self, first: int, end: int) -> bytes:
        """Bytes [first, end): from kept blocks, the missing ones in as few requests as there are gaps."""
        low, high = first // BLOCK, (end - 1) // BLOCK
        held = {n: self._blocks[n] for n in range(low, high + 1) if n in self._blocks}
        for start, stop in _runs([n for n in range(low, high + 1) if n not in held]):
            body = self._range(start * BLOCK, min((stop + 1) * BLOCK, self.size) - 1).body
            held |= {n: body[(n - start) * BLOCK : (n - start + 1) * BLOCK] for n in range(start, stop + 1)}
        self._blocks |= held
        while len(self._blocks) > BLOCKS_KEPT and not self._whole:
            self._blocks.popitem(last=False)
        return b"".join(held[n] for n in range(low, high + 1))[first - low * BLOCK : end - low * BLOCK]


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of numbers that follow each other.

    >>> list(_runs([1, 2, 5, 7, 8]))
    [(1, 2), (5, 5), (7, 8)]
    """
    start = None
    for position, number in enumerate(numbers):
        if start is None:
            start = number
        if position + 1 == len(numbers) or numbers[position + 1] != number + 1:
            yield start, number
            start = None


@contextmanager
def open_remote(web: Web, url: str) -> Iterator[rasterio.DatasetReader]:
    """Hold the opened raster of an address.

    Raises
    ------
    GoneError
        The server does not have it.
    ProviderError
        One of its children: the server fails or refuses. What the raster library makes of it is not told.
    """
    file = RemoteFile(web, url)
    name = f"{uuid.uuid4().hex}{PurePosixPath(urlsplit(url).path).suffix}"

    def give(path: str, mode: str = "rb", **_: object) -> RemoteFile:
        if path != name or mode != "rb":
            raise FileNotFoundError(path)  # no overviews or other files beside it
        return file

    try:
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(name, opener=give) as source:
            yield source
    except rasterio.errors.RasterioError:
        if file.failure is not None:
            raise file.failure from None
        raise
    if file.failure is not None:
        raise file.failure

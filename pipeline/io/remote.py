"""Rasters on a server, opened in place: only the byte ranges that a window needs are asked for."""

import io
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import rasterio

from pipeline.errors import PipelineError, ProviderAnswerError
from pipeline.io.web import Answer, GoneError, Web, shown

BLOCK = 1 << 12
"""Bytes of one block: the scan over the tiles of a JPEG 2000 file asks for a little at each of them."""
HEADER_BLOCKS = 8
"""Blocks of the first request: the header of a cloud-optimised GeoTIFF of a full tile fits in."""
BLOCKS_KEPT = 1024
"""Blocks that one file keeps: 4 MiB."""
SETTINGS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_NUM_THREADS": "1"}
"""No files are looked for beside it, and one thread decodes: threads of the raster library do not know rasterio's opener,
and its JPEG 2000 reader then gives zeros without an error."""


class RemoteFile:
    """A file on a server: its size, and bytes of it by range, the last ones kept.

    What goes wrong while a raster library reads is kept in `failure`, since the library would tell its own story.
    """

    def __init__(self, web: Web, url: str) -> None:
        self._web, self._url = web, url
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._is_whole = False
        self._tag: str | None = None
        self.failure: PipelineError | GoneError | None = None
        first = self._range(0, HEADER_BLOCKS * BLOCK - 1)
        self._tag = first.headers.get("ETag")
        self.size = self._keep_first(first)

    def _keep_first(self, answer: Answer) -> int:
        """Size of the file, and its first block kept; the whole of it where the server knows no ranges."""
        total = ""
        if answer.status == 206:
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            if not total.isdigit():
                raise ProviderAnswerError(
                    f"{self._web.name}, {shown(self._url)}: found Content-Range "
                    f"{answer.headers.get('Content-Range')!r}, expected bytes first-last/size"
                )
        self._is_whole = answer.status != 206
        for start in range(0, len(answer.body), BLOCK):
            self._blocks[start // BLOCK] = answer.body[start : start + BLOCK]
        return len(answer.body) if self._is_whole else int(total)

    def _range(self, first: int, last: int) -> Answer:
        """Answer for one range of bytes."""
        answer = self._web.ask(self._url, headers={"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"})
        if self._tag is not None and answer.headers.get("ETag", self._tag) != self._tag:
            raise ProviderAnswerError(
                f"{self._web.name}, {shown(self._url)}: the file changed while it was read; expected one version; run again"
            )
        return answer

    def part(self, first: int, end: int) -> bytes:
        """Return bytes [first, end) of the file; none after a failure."""
        with self._lock:
            if self.failure is not None:
                return b""
            try:
                return self._bytes(first, end)
            except (PipelineError, GoneError) as error:
                self.failure = error
                return b""

    def _bytes(self, first: int, end: int) -> bytes:
        """Bytes [first, end): from kept blocks, the missing ones in as few requests as there are gaps."""
        low, high = first // BLOCK, (end - 1) // BLOCK
        held = {n: self._blocks[n] for n in range(low, high + 1) if n in self._blocks}
        for start, stop in _runs([n for n in range(low, high + 1) if n not in held]):
            body = self._range(start * BLOCK, min((stop + 1) * BLOCK, self.size) - 1).body
            held |= {n: body[(n - start) * BLOCK : (n - start + 1) * BLOCK] for n in range(start, stop + 1)}
        self._blocks |= held
        while len(self._blocks) > BLOCKS_KEPT and not self._is_whole:
            self._blocks.popitem(last=False)
        return b"".join(held[n] for n in range(low, high + 1))[first - low * BLOCK : end - low * BLOCK]


class RemoteHandle(io.RawIOBase):
    """One opened handle of a remote file, with a position of its own: raster libraries open a file more than once."""

    def __init__(self, file: RemoteFile) -> None:
        super().__init__()
        self._file, self._at = file, 0
        self.size = file.size

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
        """Return the next bytes; fewer at the end of the file."""
        end = self.size if size is None or size < 0 else min(self._at + size, self.size)
        data = self._file.part(self._at, end) if end > self._at else b""
        self._at += len(data)
        return data


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

    def give(path: str, mode: str = "rb", **_: object) -> RemoteHandle:
        if path != name or mode != "rb":
            raise FileNotFoundError(path)  # no overviews or other files beside it
        return RemoteHandle(file)

    try:
        with rasterio.Env(**SETTINGS), rasterio.open(name, opener=give) as source:
            yield source
    except rasterio.errors.RasterioError:
        if file.failure is not None:
            raise file.failure from None
        raise
    if file.failure is not None:
        raise file.failure

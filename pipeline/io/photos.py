"""Photos of community reports: their digest, whether they contradict the report, and a copy without what they tell besides.

Where a photo was taken is compared and forgotten: no function here gives it away.
"""

import io
import math
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import shapely
from PIL import ExifTags, Image, ImageOps
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.community import RefusalCode
from pipeline.errors import ReportRefusedError
from pipeline.io.outputs import write_whole
from pipeline.provenance import sha256_of

MOST_BYTES = 50 * 1024 * 1024
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
_FAR_DEGREES = 1.0
"""Beyond this one local projection does not hold both places; it is far enough to contradict."""


@dataclass(frozen=True, slots=True)
class PhotoFolder:
    """A folder in which photos are looked for by name; links are not followed."""

    by_name: Mapping[str, Sequence[Path]]

    def find(self, name: str, source_id: str) -> Path | None:
        """Return the one file of this name, or the one in a folder called as the report; None where that is not certain."""
        found = self.by_name.get(name, ())
        own = [p for p in found if p.parent.name == source_id]
        some = own or found
        return some[0] if len(some) == 1 else None


def open_photos(folder: Path) -> PhotoFolder:
    """Return the photos in a folder and those below it."""
    by_name: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(folder.resolve()):
            by_name.setdefault(path.name, []).append(path)
    return PhotoFolder(by_name)


def look_at(path: Path, place: BaseGeometry, reach_m: float) -> str:
    """Return the SHA-256 of a photo that does not contradict a report.

    Raises
    ------
    ReportRefusedError
        It has a position farther from the place than `reach_m`, is too large, or is no picture.
    """
    if path.stat().st_size > MOST_BYTES:
        raise _unreadable(path, f"found {path.stat().st_size:,} bytes, expected at most {MOST_BYTES:,}")
    if path.suffix.lower() not in SUFFIXES:
        return sha256_of(path)
    metres = _metres_away(path, place)
    if metres is not None and metres > reach_m:
        away = "more than 100 km" if math.isinf(metres) else f"{metres / 1000:.1f} km"
        raise ReportRefusedError(
            RefusalCode.PHOTO_ELSEWHERE,
            f"photo {path.name!r}: found a position {away} from the report's place, expected within {reach_m:.0f} m; check "
            "which of them is right",
        )
    return sha256_of(path)


def keep_stripped(path: Path, folder: Path, sha256: str) -> Path | None:
    """Write a copy of a picture that has its pixels alone, named by the digest of the original; None for what is no picture."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    out = io.BytesIO()
    with _guarded():
        try:
            with Image.open(path, formats=FORMATS) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
            plain = Image.frombytes("RGB", upright.size, upright.tobytes())
            plain.save(out, "JPEG", quality=92)
        except _PICTURE_ERRORS as error:
            raise _unreadable(path, f"{error}") from error
    kept = folder / f"{sha256}.jpg"
    write_whole(kept, out.getvalue(), mode=0o600)
    return kept


_PICTURE_ERRORS = (
    OSError, ValueError, SyntaxError, TypeError, LookupError, EOFError, ArithmeticError, AttributeError, struct.error,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow raises on a file that is no picture, is cut, or unpacks without bound."""


@contextmanager
def _guarded() -> Iterator[None]:
    """Refuse a picture that unpacks without bound, and pass over what Pillow says of broken metadata, which is not used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _unreadable(path: Path, words: str) -> ReportRefusedError:
    """A photo that cannot be read."""
    return ReportRefusedError(
        RefusalCode.PHOTO_UNREADABLE, f"photo {path.name!r}: {words}; give the file as the camera wrote it"
    )


def _metres_away(path: Path, place: BaseGeometry) -> float | None:
    """How far from a place a picture says that it was taken; None where it says nothing that can be read."""
    with _guarded():
        try:
            with Image.open(path, formats=FORMATS) as image:
                stated = dict(image.getexif().get_ifd(ExifTags.IFD.GPSInfo))
        except _PICTURE_ERRORS as error:
            raise _unreadable(path, f"{error}") from error
    lat = _degrees(stated.get(ExifTags.GPS.GPSLatitude), stated.get(ExifTags.GPS.GPSLatitudeRef), "S")
    lon = _degrees(stated.get(ExifTags.GPS.GPSLongitude), stated.get(ExifTags.GPS.GPSLongitudeRef), "W")
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180 or (lat == 0 and lon == 0):
        return None
    taken = shapely.Point(lon, lat)
    return math.inf if taken.distance(place) > _FAR_DEGREES else geo.distance_m(place, taken)


def _degrees(parts: object, side: object, negative: str) -> float | None:
    """Degrees, minutes and seconds as a number."""
    if not isinstance(parts, tuple | list) or len(parts) != 3:
        return None
    try:
        whole, minutes, seconds = (float(p) for p in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    found = whole + minutes / 60.0 + seconds / 3600.0
    if not math.isfinite(found):
        return None
    return -found if str(side).strip("\0 ").upper().startswith(negative) else found

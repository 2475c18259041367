"""Sentinel-2 L2A products as ESA lays them out: the files of a `.SAFE` folder or of a zip that holds one, and what they say.

Nothing is unpacked: a zip is read in place. All names and layouts are of ESA's Products Specification Document, issue 14.9,
and of what Sen2Cor wrote before it (elements beginning with `L2A_`, and ending in `_2A`).
"""

import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.errors import ProductInvalidError

METADATA = "MTD_MSIL2A.xml"
"""Name of a product's own metadata."""
LARGEST_METADATA = 20_000_000
"""Bytes of metadata that are read at most; ESA's are below one million."""
IMAGES = frozenset({"IMAGE_FILE", "IMAGE_FILE_2A", "IMAGE_ID", "IMAGE_ID_2A"})
"""Elements that name an image of a granule: ESA's, Sen2Cor's before 2.8, and those without a path."""
BAND_IDS: Mapping[str, str] = {
    "B01": "0", "B02": "1", "B03": "2", "B04": "3", "B05": "4", "B06": "5", "B07": "6",
    "B08": "7", "B8A": "8", "B09": "9", "B10": "10", "B11": "11", "B12": "12",
}  # fmt: skip
"""ESA's numbers of the bands, where a product does not list them itself."""
ZIP_FAILURES = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on a zip that is truncated, corrupt, encrypted, or compressed in an unknown way."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of an unpacked product."""

    root: Path
    where: str
    """Place for messages."""

    def has(self, name: str) -> bool:
        """Return whether there is a file of that path inside the product."""
        try:
            return (self.root / name).is_file()
        except OSError:
            return False

    def read(self, name: str) -> bytes:
        """Return a file of metadata, or raise ProductInvalidError where it cannot be read or is too large."""
        try:
            with (self.root / name).open("rb") as file:
                return _bounded(file.read(LARGEST_METADATA + 1), f"{self.where}/{name}")
        except OSError as error:
            raise ProductInvalidError(f"{self.where}/{name}: {error.strerror}; make it readable, or copy it again") from error

    def href(self, name: str) -> str:
        """Return what rasterio opens for a path inside the product."""
        return str(self.root / name)

    def images(self) -> Iterator[str]:
        """Yield the path inside the product of every image."""
        for path in sorted(self.root.rglob("*.jp2")):
            yield path.relative_to(self.root).as_posix()


@dataclass(frozen=True, slots=True)
class Zipped:
    """The files of a product inside a zip."""

    path: Path
    root: str
    """Path of the product's folder in the zip with a slash at its end, or empty."""
    names: frozenset[str]
    where: str
    """Place for messages."""

    def has(self, name: str) -> bool:
        """Return whether there is a file of that path inside the product."""
        return self.root + name in self.names

    def read(self, name: str) -> bytes:
        """Return a file of metadata, or raise ProductInvalidError where it cannot be unpacked or is too large."""
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.root + name) as file:
                return _bounded(file.read(LARGEST_METADATA + 1), f"{self.where}/{name}")
        except ZIP_FAILURES as error:
            raise ProductInvalidError(f"{self.where}/{name}: cannot be unpacked ({error}); download the zip again") from error

    def href(self, name: str) -> str:
        """Return what rasterio opens for a path inside the product."""
        return f"/vsizip/{{{self.path}}}/{self.root.removeprefix('./')}{name}"

    def images(self) -> Iterator[str]:
        """Yield the path inside the product of every image."""
        inside = (n.removeprefix(self.root) for n in sorted(self.names) if n.startswith(self.root))
        yield from (n for n in inside if n.endswith(".jp2"))


Files = Folder | Zipped


@dataclass(frozen=True, slots=True)
class Granule:
    """One tile of a product."""

    tile: str
    """Name of the MGRS tile, such as `32TQM`."""
    identifier: str
    images: tuple[str, ...]
    """Paths inside the product, with `.jp2`; a name without a path where the product gives none."""


@dataclass(frozen=True, slots=True)
class Product:
    """What the metadata of a product say; numbers of radiometry as they are written, to be judged by whoever needs them."""

    name: str
    """Without `.SAFE`."""
    started: datetime
    """UTC."""
    processing_baseline: str
    created: str
    platform: str
    datatake_id: str
    """Without the processing baseline."""
    footprint: BaseGeometry
    """Lon/lat; empty where none is stated."""
    granules: tuple[Granule, ...]
    quantification: str
    offsets: tuple[tuple[str, str], ...]
    """Number of a band, and the offset of its numbers."""
    band_ids: Mapping[str, str]
    """ESA's number of each band (`B02`)."""
    nodata: str


Tags = Mapping[str, Sequence[Element]]
"""The elements of a document by their names without namespace, whose address changes with every issue of the specification."""


def product_name(path: Path) -> str:
    """Return the name of a product that a file or folder has the name of.

    Examples
    --------
    >>> product_name(Path("/data/S2A_X.SAFE")), product_name(Path("S2A_X.SAFE.zip")), product_name(Path("S2A_X.zip"))
    ('S2A_X', 'S2A_X', 'S2A_X')
    """
    return re.sub(r"(\.SAFE)?(\.zip)?$", "", path.name, flags=re.IGNORECASE)


def open_files(path: Path) -> Files:
    """Return the files of a `.SAFE` folder, or of a zip that holds exactly one.

    Raises
    ------
    ProductInvalidError
        There is no L2A product, or more than one; the zip is truncated or corrupt, or has an entry that leads outside of
        its own folder or has the name of another one.
    """
    if path.is_dir():
        try:
            _expect_metadata([p.name for p in path.iterdir() if p.is_file()], path)
        except OSError as error:
            raise ProductInvalidError(f"{path}: {error.strerror}; make the folder readable, or move it away") from error
        return Folder(path, str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.orig_filename for entry in archive.infolist()]
    except ZIP_FAILURES as error:
        raise ProductInvalidError(
            f"{path}: cannot be opened as a zip ({error}); expected a whole zip that holds a .SAFE product; download it again"
        ) from error
    _refuse_entries(names, path)
    root = _expect_metadata(names, path).removesuffix(METADATA)
    return Zipped(path, root, frozenset(names), f"{path}/{root}".rstrip("/"))


def _expect_metadata(names: Sequence[str], path: Path) -> str:
    """The only one of the files that is a product's own metadata."""
    own = sorted(n for n in names if n.rpartition("/")[2] == METADATA)
    if len(own) == 1:
        return own[0]
    if not own and any(n.rpartition("/")[2] == "MTD_MSIL1C.xml" for n in names):
        raise ProductInvalidError(
            f"{path}: found a product of level 1C, expected level 2A; download the L2A product of the same tile and time"
        )
    found = f"{len(own)} of {METADATA}: {', '.join(own[:3])}" if own else f"no {METADATA}"
    raise ProductInvalidError(
        f"{path}: found {found}, expected one whole .SAFE product of level 2A; download it again, or move away what is none"
    )


def _refuse_entries(names: Sequence[str], path: Path) -> None:
    """Raise where entries of a zip lead outside of it, or cannot be told apart."""
    seen: set[str] = set()
    for name in names:
        if leads_outside(name):
            raise ProductInvalidError(
                f"{path}: found the entry {name!r}, which leads outside of the zip; expected paths below its own folder. "
                "Nothing was unpacked. Do not unpack it elsewhere either, and download the product from its provider"
            )
        if name in seen:
            raise ProductInvalidError(f"{path}: found the entry {name!r} twice, expected each once; download it again")
        seen.add(name)


def leads_outside(name: str) -> bool:
    """Return whether a path in a zip or in metadata may lead elsewhere than below its own folder, on any system.

    Examples
    --------
    >>> [leads_outside(n) for n in ("X.SAFE/a..b.xml", "../x", "X/../../x", "/etc/x", "C:x", "")]
    [False, True, True, True, True, True]
    """
    is_absolute = name.startswith("/") or re.match(r"[A-Za-z]:", name) is not None
    return not name or is_absolute or "\\" in name or ".." in name.split("/") or min(name) < " "


def _bounded(data: bytes, where: str) -> bytes:
    """Metadata of a size that can be metadata."""
    if len(data) > LARGEST_METADATA:
        raise ProductInvalidError(
            f"{where}: found more than {LARGEST_METADATA} bytes, expected metadata of less than one million; "
            "download the product from its provider"
        )
    return data


class _Builder(TreeBuilder):
    """Tree of a document without a DOCTYPE, so that no entity can be declared."""

    def doctype(self, name: str, *_: object) -> None:
        """Refuse the document."""
        raise ValueError(f"found a DOCTYPE {name}, which no product has")


def tags_of(data: bytes, where: str) -> Tags:
    """Return the elements of an XML document by name.

    Raises
    ------
    ProductInvalidError
        It is empty or no well-formed XML, or has a DOCTYPE (by which entities would be declared).
    """
    parser = XMLParser(target=_Builder())  # noqa: S314 - the builder refuses what makes it unsafe, the DOCTYPE
    try:
        parser.feed(data)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        raise ProductInvalidError(
            f"{where}: {'the file is empty' if not data.strip() else error}; expected the XML of a Sentinel-2 product; "
            "download the product again"
        ) from error
    tags: dict[str, list[Element]] = defaultdict(list)
    for element in root.iter():
        tags[local_name(element)].append(element)
    return tags


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def text_of(tags: Tags, *names: str) -> str:
    """Return the text of the first element of one of the names, or an empty text."""
    found = (e.text.strip() for name in names for e in tags.get(name, ()) if e.text and e.text.strip())
    return next(found, "")


def instant(text: str, where: str) -> datetime:
    """Return the UTC instant of a text, or raise ProductInvalidError."""
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise ProductInvalidError(
            f"{where}: found {text!r}, expected a time such as 2024-01-03T14:37:31.024Z; download the product again"
        ) from error
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def read_product(files: Files) -> Product:
    """Return what the metadata of a product say.

    Raises
    ------
    ProductInvalidError
        The metadata are broken, of another level than 2A, or lack time or images, or their footprint is none.
    """
    where = f"{files.where}/{METADATA}"
    tags = tags_of(files.read(METADATA), where)
    level = text_of(tags, "PROCESSING_LEVEL")
    if "Level-2A_User_Product" not in tags or not (level or "Level-2A").startswith("Level-2A"):
        raise ProductInvalidError(f"{where}: found level {level or 'unknown'}, expected Level-2A; download the L2A product")
    started = instant(text_of(tags, "PRODUCT_START_TIME"), f"{where}, PRODUCT_START_TIME")
    platform = text_of(tags, "SPACECRAFT_NAME").lower()
    uri = text_of(tags, "PRODUCT_URI", "PRODUCT_URI_2A").removesuffix(".SAFE")
    return Product(
        name=uri if re.fullmatch(r"S2[A-Z]_MSIL2A_\w+", uri) else product_name(Path(files.where)),
        started=started,
        processing_baseline=text_of(tags, "PROCESSING_BASELINE"),
        created=text_of(tags, "GENERATION_TIME"),
        platform=platform,
        datatake_id=_datatake(tags, f"{platform}_{started:%Y%m%dT%H%M}"),
        footprint=_footprint(tags, where),
        granules=_granules(tags, files, where),
        quantification=text_of(tags, "BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"),
        offsets=tuple((e.get("band_id", ""), (e.text or "").strip()) for e in tags.get("BOA_ADD_OFFSET", ())),
        band_ids=_band_ids(tags),
        nodata=_nodata(tags),
    )


def _datatake(tags: Tags, otherwise: str) -> str:
    """Datatake without its processing baseline."""
    stated = next((e.get("datatakeIdentifier", "") for e in tags.get("Datatake", ())), "")
    return stated.rsplit("_N", 1)[0] if "_N" in stated else otherwise


def _band_ids(tags: Tags) -> Mapping[str, str]:
    """Numbers of the bands by their names in files (`B02` for `B2`)."""
    listed = [(e.get("physicalBand", ""), e.get("bandId", "")) for e in tags.get("Spectral_Information", ())]
    own = {(f"B0{name[1:]}" if len(name) == 2 else name): number for name, number in listed}
    return own or BAND_IDS


def _nodata(tags: Tags) -> str:
    """Number that means no data."""
    for special in tags.get("Special_Values", ()):
        said = {local_name(child): (child.text or "").strip() for child in special}
        if said.get("SPECIAL_VALUE_TEXT") == "NODATA":
            return said.get("SPECIAL_VALUE_INDEX", "")
    return "0"


def _footprint(tags: Tags, where: str) -> BaseGeometry:
    """Lon/lat outline, cut at the antimeridian; empty where none is stated."""
    return geo.on_globe(shapely.union_all([_ring(e.text or "", where) for e in tags.get("EXT_POS_LIST", ())]))


def _ring(text: str, where: str) -> BaseGeometry:
    """Polygon of latitudes and longitudes in turn; western longitudes past 180 degrees where the ring crosses it.

    They are moved before the polygon is made: a ring whose longitudes jump may cross itself.
    """
    try:
        points = np.array(text.split(), float).reshape(-1, 2)[:, ::-1].copy()
    except ValueError:
        points = np.empty((0, 2))
    if len(points) < 4 or not (np.abs(points) <= [180.0, 90.0]).all():
        raise ProductInvalidError(
            f"{where}: found the footprint {text.strip()[:60]!r}, expected at least four pairs of latitude and longitude in "
            "EXT_POS_LIST; download the product again"
        )
    if np.ptp(points[:, 0]) > 180.0:
        points[points[:, 0] < 0.0, 0] += 360.0
    return geo.polygons_only(shapely.Polygon(points))


def _granules(tags: Tags, files: Files, where: str) -> tuple[Granule, ...]:
    """The tiles of a product, which Sen2Cor lists once for every pixel size; what lies there where none is listed."""
    images: dict[str, list[str]] = defaultdict(list)
    for element in (*tags.get("Granule", ()), *tags.get("Granules", ())):
        for child in element:
            if local_name(child) in IMAGES:
                images[element.get("granuleIdentifier", "")].append(_image(child.text or "", where))
    for path in [] if images else [p for p in files.images() if "/IMG_DATA/" in p]:
        images[path.split("/")[1]].append(path)
    if not images:
        raise ProductInvalidError(f"{where}: found no image, listed or in IMG_DATA, expected some; download the product again")
    return tuple(Granule(_tile(identifier, paths, where), identifier, tuple(paths)) for identifier, paths in images.items())


def _image(text: str, where: str) -> str:
    """Path of an image with its suffix."""
    path = text.strip().removesuffix(".jp2")
    if leads_outside(path):
        raise ProductInvalidError(
            f"{where}: found the image {path!r}, expected a path inside the product; download it from its provider"
        )
    return f"{path}.jp2"


def _tile(identifier: str, paths: Sequence[str], where: str) -> str:
    """MGRS tile by a granule's identifier, or by its images."""
    for text in (identifier, *paths):
        found = re.search(r"(?:^|[_/])T(\d{2}[A-Z]{3})(?:_|$)", text)
        if found:
            return found[1]
    raise ProductInvalidError(
        f"{where}: found the granule {identifier!r}, expected the name of a tile (_T32TQM_) in it; download the product again"
    )

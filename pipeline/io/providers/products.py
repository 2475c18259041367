"""A folder of Sentinel-2 L2A products as they are downloaded by hand: `.SAFE` folders, and zips that hold one.

Each tile of each product is a scene. Pixels are read in place, also inside zips; nothing is unpacked.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import isfinite
from pathlib import Path

import rasterio
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.aoi import Area, Grid
from pipeline.errors import (
    CatalogUnreadableError,
    ProductInvalidError,
    RadiometryUnknownError,
    SceneAssetMissingError,
    SceneError,
)
from pipeline.io.providers import Cost, Piece, Provider, SourceSettings, Unusable
from pipeline.io.safe import (
    METADATA,
    Files,
    Granule,
    Product,
    instant,
    open_files,
    product_name,
    read_product,
    tags_of,
    text_of,
)
from pipeline.io.windows import cost_of, native_pieces
from pipeline.scenes import (
    LARGEST_OFFSET,
    OFFSET_SINCE,
    OFFSET_SINCE_NUMBER,
    SCL,
    Asset,
    Radiometry,
    Scene,
    baseline_number,
    centre_lon,
    solar_day,
)

LEVELS = 2
"""Levels of folders below the catalogue that are searched: one for each year, one for each month, say."""
SUFFIXES = (".safe", ".zip")
FILES: Mapping[str, tuple[str, str]] = {
    "blue": ("B02", "10m"), "green": ("B03", "10m"), "red": ("B04", "10m"), "nir": ("B08", "10m"),
    "swir16": ("B11", "20m"), "swir22": ("B12", "20m"), SCL: ("SCL", "20m"),
}  # fmt: skip
"""Name in ESA's files and pixel size of each of our bands: the finest that the sensor has (ESA, Products Specification
Document 14.9)."""
TILE_METADATA = "MTD_TL.xml"
"""Name of a granule's metadata."""
TILE_M = 109_800.0
"""Side of a tile: 10980 pixels of 10 m (ESA, Products Specification Document 14.9)."""


@dataclass(slots=True)
class ProductFolder:
    """An opened folder of products."""

    settings: SourceSettings
    name: str = "product folder"
    must_fetch: bool = False

    def scenes(self, area: Area, start: date | None, until: date) -> Iterator[Scene | Unusable]:  # noqa: ARG002 - all are yielded
        """Yield the scene of every tile of every product in the order of their names, or why it cannot be used.

        Raises
        ------
        CatalogUnreadableError
            The folder or product that the configuration names is absent or cannot be listed.
        """
        root = Path(self.settings.catalog).absolute()
        for path in sorted(_found(root), key=lambda p: (product_name(p), str(p))):
            yield from _scenes(path, self.settings)

    @contextmanager
    def open(self, href: str) -> Iterator[rasterio.DatasetReader]:
        """Return a context that holds the opened image; what is no JPEG 2000 is refused, whatever its name says."""
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(href, driver="JP2OpenJPEG") as source:
            yield source

    def pieces(self, scene: Scene, names: Sequence[str], grid: Grid) -> Iterator[tuple[str, Piece]]:
        """Yield windows of the images."""
        return native_pieces(scene, names, grid, self.open)

    def cost(self, scene: Scene, grid: Grid) -> Cost:
        """Return the pixels to read."""
        return cost_of(scene, grid)


def _is_product(path: Path) -> bool:
    """Whether a path is meant to be a product, whole or not."""
    try:
        return path.suffix.lower() in SUFFIXES or (path / METADATA).is_file()
    except OSError:
        return False


def _found(root: Path) -> Iterator[Path]:
    """Every product at or below a path, to the depth of `LEVELS`; products themselves are not searched.

    A folder below that cannot be listed counts as a product, so that it is reported and stops no other.
    """
    if not root.exists():
        raise CatalogUnreadableError(f"{root}: there is no such folder or product; check the path of the catalogue")
    pending = [(root, 0)]
    while pending:
        path, level = pending.pop()
        if _is_product(path):
            yield path
        elif level <= LEVELS and path.is_dir():
            try:  # hidden files and the leavings of macOS aside
                pending.extend((p, level + 1) for p in path.iterdir() if not p.name.startswith((".", "__MACOSX")))
            except OSError as error:
                if level == 0:
                    raise CatalogUnreadableError(f"{path}: {error.strerror}; make the folder readable") from error
                yield path


def _scenes(path: Path, settings: SourceSettings) -> list[Scene | Unusable]:
    """The scene of every tile of a product, or the reason that it has none."""
    try:
        files = open_files(path)
        product = read_product(files)
    except ProductInvalidError as error:
        return [_known_by_name(product_name(path), error)]
    return [_scene(product, granule, files, settings) for granule in product.granules]


def _known_by_name(name: str, error: ProductInvalidError) -> Unusable:
    """Record of a product whose metadata cannot be read, with what its name says.

    The day is that of the middle of the tile's UTM zone, so that the product counts in its own period only.
    """
    said = re.match(r"S2[A-Z]_MSIL\w\w_(\d{8}T\d{6})_.*_T(\d{2})([A-Z]{3})_", f"{name}_")
    if said is None:
        return Unusable(name, "", None, error)
    try:
        when = datetime.strptime(said[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return Unusable(name, "", None, error)
    day = solar_day(when, int(said[2]) * 6.0 - 183.0)
    return Unusable(name, _text(when), day, error, tile=f"MGRS-{said[2]}{said[3]}")


def _text(when: datetime) -> str:
    """RFC 3339 text of a UTC instant."""
    return when.isoformat().replace("+00:00", "Z")


def _scene_id(product: Product, granule: Granule) -> str:
    """Name of the product, with the tile (or what else tells them apart) where it has several granules."""
    tiles = [g.tile for g in product.granules]
    if len(tiles) == 1:
        return product.name
    return f"{product.name}_T{granule.tile}" if tiles.count(granule.tile) == 1 else f"{product.name}_{granule.identifier}"


def _scene(product: Product, granule: Granule, files: Files, settings: SourceSettings) -> Scene | Unusable:
    """The scene of one tile, or why it cannot be used."""
    name, tile = _scene_id(product, granule), f"MGRS-{granule.tile}"
    sensed_at, footprint = product.started, product.footprint
    try:
        sensed_at, footprint = _when_and_where(product, granule, files)
        assets = _assets(product, granule, files, settings)
    except SceneError as error:
        is_known = not footprint.is_empty
        day = solar_day(sensed_at, centre_lon(footprint)) if is_known else sensed_at.date()
        return Unusable(name, _text(sensed_at), day, error, footprint if is_known else None, tile)
    return Scene(
        id=name,
        sensed_at=sensed_at,
        platform=product.platform,
        tile=tile,
        datatake_id=product.datatake_id,
        processing_baseline=product.processing_baseline,
        footprint=footprint,
        assets=assets,
        created=product.created,
    )


def _when_and_where(product: Product, granule: Granule, files: Files) -> tuple[datetime, BaseGeometry]:
    """Time and footprint of a tile: the product's where it has no metadata of its own or is the only one."""
    stated = _image_ground(granule, files) if product.footprint.is_empty else product.footprint
    name = f"{'/'.join(granule.images[0].split('/')[:2])}/{TILE_METADATA}"
    if not files.has(name):
        return product.started, stated
    where = f"{files.where}/{name}"
    tags = tags_of(files.read(name), where)
    text = text_of(tags, "SENSING_TIME")
    sensed_at = instant(text, f"{where}, SENSING_TIME") if text else product.started
    if len(product.granules) == 1 or product.footprint.is_empty:
        return sensed_at, stated
    place = [text_of(tags, key) for key in ("ULX", "ULY", "HORIZONTAL_CS_CODE")]
    ground = geo.polygons_only(stated.intersection(_tile_ground(place, where)))
    return sensed_at, stated if ground.is_empty else ground


def _image_ground(granule: Granule, files: Files) -> BaseGeometry:
    """Lon/lat outline of a tile's first image, for a product that states no footprint."""
    name = granule.images[0]
    try:
        with rasterio.open(files.href(name), driver="JP2OpenJPEG") as image:
            box, crs = shapely.segmentize(shapely.box(*image.bounds), 10_000.0), f"EPSG:{image.crs.to_epsg()}"
    except (rasterio.errors.RasterioError, AttributeError) as error:
        raise ProductInvalidError(
            f"{files.where}: states no footprint (EXT_POS_LIST), and {name} tells no ground either; download the product again"
        ) from error
    return geo.on_globe(geo.reproject(box, crs, geo.WGS84))


def _tile_ground(place: Sequence[str], where: str) -> BaseGeometry:
    """Lon/lat outline of a tile by its upper left corner and its UTM zone."""
    try:
        x, y = float(place[0]), float(place[1])
    except ValueError:
        x = y = float("nan")
    if not (isfinite(x) and isfinite(y) and re.fullmatch(r"EPSG:32[67]\d\d", place[2])):
        raise ProductInvalidError(
            f"{where}: found ULX, ULY and CRS {', '.join(p or 'absent' for p in place)}, expected metres in a UTM zone, since "
            "the product has several tiles; download the product again"
        )
    box = shapely.segmentize(shapely.box(x, y - TILE_M, x + TILE_M, y), 10_000.0)
    return geo.on_globe(geo.reproject(box, place[2], geo.WGS84))


def _assets(product: Product, granule: Granule, files: Files, settings: SourceSettings) -> dict[str, Asset]:
    """The images of a tile with their radiometry, by our names of the bands."""
    wanted = {band: FILES[band] for band in FILES if band not in settings.absent_bands}
    listed = {band: _listed(granule, code, size, files) for band, (code, size) in wanted.items()}
    missing = [
        f"{band} ({path or f'no {wanted[band][0]} of {wanted[band][1]} in its Granule_List'})"
        for band, path in listed.items()
        if path is None or not files.has(path)
    ]
    if missing:
        raise SceneAssetMissingError(
            f"{files.where}: expected an image of each band, found none of {', '.join(missing)}; download the product again, "
            "or, if the provider has no such band (swir22 only), name it in absent_bands of the configuration"
        )
    name = _scene_id(product, granule)
    known = settings.offset_of(name)
    return {
        band: Asset(files.href(path), None if band == SCL else _radiometry(product, wanted[band][0], known, files.where))
        for band, path in listed.items()
        if path is not None
    }


def _listed(granule: Granule, code: str, size: str, files: Files) -> str | None:
    """Path of the image of a band in a pixel size, by its suffix, or by its folder where the name does not say the size."""
    ends = f"_{code}_{size}.jp2", f"_{code}.jp2"
    for path in granule.images:
        folder, _, name = path.rpartition("/")
        if name.endswith(ends[0]) or (name.endswith(ends[1]) and folder.endswith(f"/R{size}")):
            return path if folder else next((p for p in files.images() if p.endswith(f"/{name}")), path)
    return None


def _radiometry(product: Product, code: str, known: float | None, where: str) -> Radiometry:
    """Radiometry of a band: what the product states, with the operator's offset in its place where there is one."""
    where = f"{where}, band {code}"
    quantification = _number(product.quantification)
    if quantification is None or quantification <= 0:
        raise RadiometryUnknownError(
            f"{where}: found BOA_QUANTIFICATION_VALUE {product.quantification or 'absent'}, expected a number above 0 such as "
            "10000; download the product again"
        )
    if not product.nodata.isascii() or not product.nodata.isdecimal():
        raise RadiometryUnknownError(
            f"{where}: found NODATA {product.nodata!r} in Special_Values, expected a whole number such as 0; "
            "download the product again"
        )
    offset = _offset(product, code, quantification, where) if known is None else known
    return Radiometry(1.0 / quantification, offset, int(product.nodata))


def _offset(product: Product, code: str, quantification: float, where: str) -> float:
    """Offset of a band in reflectance; 0 before `OFFSET_SINCE` where the product states none.

    ESA, Products Specification Document 14.9: reflectance is (number + BOA_ADD_OFFSET) / BOA_QUANTIFICATION_VALUE.
    """
    if not product.offsets:
        baseline = baseline_number(product.processing_baseline)
        if baseline is not None and baseline < OFFSET_SINCE_NUMBER:
            return 0.0
        raise RadiometryUnknownError(
            f"{where}: found no BOA_ADD_OFFSET with processing baseline {product.processing_baseline or 'unknown'}, expected "
            f"one since {OFFSET_SINCE}; download the product again, or state its offset in offsets of the configuration"
        )
    number = product.band_ids.get(code)
    stated = {text for band_id, text in product.offsets if band_id == number}
    offset = _number(next(iter(stated))) if number is not None and len(stated) == 1 else None
    if offset is None or abs(offset) >= LARGEST_OFFSET * quantification:
        raise RadiometryUnknownError(
            f"{where}: found BOA_ADD_OFFSET {' and '.join(sorted(stated)) or 'absent'} for band_id {number or 'unknown'} while "
            "the product states offsets, expected one number such as -1000; download the product again, or state its offset "
            "in offsets of the configuration"
        )
    return offset / quantification


def _number(text: str) -> float | None:
    """Finite number of a text, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _takes(catalog: str) -> bool:
    """Whether the catalogue is a folder, or has the name of a product."""
    if "://" in catalog:
        return False
    return Path(catalog).suffix.lower() in SUFFIXES or Path(catalog).is_dir()


PROVIDER = Provider("product folder", _takes, ProductFolder)

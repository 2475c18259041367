"""Sentinel-2 L2A products of a few pixels, laid out as ESA and, before 2018, Sen2Cor lay them out, with lossless JPEG 2000."""

import shutil
import zipfile
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from shapely.geometry import box

from pipeline import geo

CODES = {
    "blue": ("B02", 10), "green": ("B03", 10), "red": ("B04", 10), "nir": ("B08", 10),
    "swir16": ("B11", 20), "swir22": ("B12", 20), "scl": ("SCL", 20),
}  # fmt: skip
PHYSICAL = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
SIZE = 64
"""Pixels of 10 m along a side."""
SENSED_AT = datetime(2024, 1, 3, 10, 14, 1, 24000, UTC)


def numbers(band: str) -> np.ndarray:
    """Numbers that differ at every pixel and in every band, none of them 0."""
    code, size = CODES[band]
    side = SIZE * 10 // size
    if code == "SCL":
        return (np.arange(side * side) % 12).reshape(side, side).astype("u1")
    return (np.arange(side * side).reshape(side, side) + 1001 + 100 * list(CODES).index(band)).astype("u2")


def write_product(
    folder: Path,
    *,
    tile: str = "32TQM",
    sensed_at: datetime = SENSED_AT,
    baseline: str = "05.09",
    values: Mapping[str, np.ndarray] | None = None,
    scl: np.ndarray | None = None,
    epsg: int = 32632,
    left: float = 600_000.0,
    top: float = 5_000_040.0,
    offset: int | None = -1000,
    offsets: Mapping[int, object] | None = None,
    quantification: str | None = "10000",
    nodata: str = "0",
    positions: str | None = None,
    also: Mapping[str, tuple[float, float]] | None = None,
    drop: Collection[str] = (),
    unlisted: Collection[str] = (),
    is_old: bool = False,
    has_tile_metadata: bool = True,
    has_pixels: bool = True,
    edit: Callable[[str], str] = str,
    zipped: bool = False,
) -> Path:
    """Write one product and return its folder or zip.

    `offsets` are by band_id and replace `offset`; `positions` is the footprint as it is written; `also` are further tiles
    with their corners; bands in `drop` are listed but have no file, those in `unlisted` have a file; `is_old` is the layout
    of Sen2Cor 2.5; without `has_pixels` images are empty files; `edit` changes the text of the metadata.
    """
    arrays = {band: numbers(band) for band in CODES} | dict(values or {}) | ({} if scl is None else {"scl": scl})
    stamp, made = f"{sensed_at:%Y%m%dT%H%M%S}", f"{sensed_at + timedelta(hours=3):%Y%m%dT%H%M%S}"
    name = f"S2A_MSIL2A_{stamp}_N{baseline.replace('.', '') or '9999'}_R022_T{tile}_{made}"
    root = folder / f"{name}.SAFE"
    root.mkdir(parents=True)
    granules, corners = [], {tile: (left, top)} | dict(also or {})
    for own, (x, y) in corners.items():
        place = f"GRANULE/L2A_T{own}_A044581_{stamp}"
        paths = {band: _path(place, own, stamp, band, is_old=is_old) for band in CODES}
        for band, path in paths.items():
            if band not in drop:
                write_image(root / f"{path}.jp2", arrays[band], epsg, (x, y), CODES[band][1], has_pixels=has_pixels)
        if has_tile_metadata:
            (root / place / "MTD_TL.xml").write_text(_tile_xml(sensed_at, epsg, x, y), encoding="utf-8")
        granules.append((own, [paths[b] for b in CODES if b not in unlisted]))
    stated = {n: offset for n in range(13) if offset is not None} if offsets is None else offsets
    positions = positions or _positions(epsg, corners)
    text = _product_xml(
        name, sensed_at, baseline, granules, offsets=stated, quantification=quantification, nodata=nodata,
        positions=positions, is_old=is_old,
    )  # fmt: skip
    (root / "MTD_MSIL2A.xml").write_text(edit(text), encoding="utf-8")
    return zip_product(root) if zipped else root


def zip_product(root: Path) -> Path:
    """Put a product's folder into a zip beside it, and remove the folder."""
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in root.rglob("*") if p.is_file()):
            archive.write(file, f"{root.name}/{file.relative_to(root)}")
    shutil.rmtree(root)
    return path


def write_image(
    path: Path, array: np.ndarray, epsg: int, corner: tuple[float, float], pixel: int, *, has_pixels: bool = True,
) -> None:  # fmt: skip
    """Write a lossless JPEG 2000 file, or an empty one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not has_pixels:
        path.touch()
        return
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", height=array.shape[0], width=array.shape[1], count=1, dtype=array.dtype,
        crs=f"EPSG:{epsg}", transform=Affine(pixel, 0, corner[0], 0, -pixel, corner[1]), REVERSIBLE="YES", QUALITY="100",
    ) as out:  # fmt: skip
        out.write(array, 1)


def _path(place: str, tile: str, stamp: str, band: str, *, is_old: bool) -> str:
    code, size = CODES[band]
    return f"{place}/IMG_DATA/R{size}m/{'L2A_' if is_old else ''}T{tile}_{stamp}_{code}_{size}m"


def _positions(epsg: int, corners: Mapping[str, tuple[float, float]]) -> str:
    """Latitude and longitude of the corners of the box around all tiles, closed."""
    lefts, tops = zip(*corners.values(), strict=True)
    ground = box(min(lefts), min(tops) - 10 * SIZE, max(lefts) + 10 * SIZE, max(tops))
    outline = geo.reproject(ground, f"EPSG:{epsg}", geo.WGS84)
    return " ".join(f"{lat} {lon}" for lon, lat in outline.exterior.coords) + " "


def _product_xml(name, sensed_at, baseline, granules, *, offsets, quantification, nodata, positions, is_old) -> str:
    """The parts of MTD_MSIL2A.xml that say something of pixels, in the order and under the names of ESA's documents."""
    pre, suffix = ("L2A_", "_2A") if is_old else ("", "")
    when, made = (f"{t:%Y-%m-%dT%H:%M:%S}.{t.microsecond // 1000:03d}Z" for t in (sensed_at, sensed_at + timedelta(hours=3)))
    lists = []
    for tile, paths in granules:
        head = (
            f'<Granule datastripIdentifier="S2A_OPER_MSI_L2A_DS_2APS_N{baseline}" '
            f'granuleIdentifier="S2A_OPER_MSI_L2A_TL_2APS__A044581_T{tile}_N{baseline}" imageFormat="JPEG2000">'
        )
        sizes = [[p for p in paths if p.endswith(s)] for s in ("_20m", "_10m")] if is_old else [paths]
        for part in sizes:  # Sen2Cor listed a granule once for every pixel size
            images = "\n".join(f"<IMAGE_FILE{suffix}>{path}</IMAGE_FILE{suffix}>" for path in part)
            lists.append(f"<Granule_List>{head}{images}</Granule></Granule_List>")
    scale = f'<{pre}BOA_QUANTIFICATION_VALUE unit="none">{quantification}</{pre}BOA_QUANTIFICATION_VALUE>'
    shifts = "".join(f'<BOA_ADD_OFFSET band_id="{n}">{value}</BOA_ADD_OFFSET>' for n, value in offsets.items())
    bands = "".join(f'<Spectral_Information bandId="{n}" physicalBand="{b}"/>' for n, b in enumerate(PHYSICAL))
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-{14 if is_old else 15}.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
  <n1:General_Info>
    <{pre}Product_Info>
      <PRODUCT_START_TIME>{when}</PRODUCT_START_TIME>
      <PRODUCT_STOP_TIME>{when}</PRODUCT_STOP_TIME>
      <PRODUCT_URI{suffix}>{name}.SAFE</PRODUCT_URI{suffix}>
      <PROCESSING_LEVEL>Level-2A{"p" if is_old else ""}</PROCESSING_LEVEL>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
      <GENERATION_TIME>{made}</GENERATION_TIME>
      <Datatake datatakeIdentifier="GS2A_{sensed_at:%Y%m%dT%H%M%S}_044581_N{baseline}">
        <SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
        <DATATAKE_SENSING_START>{when}</DATATAKE_SENSING_START>
      </Datatake>
      <{pre}Product_Organisation>{"".join(lists)}</{pre}Product_Organisation>
    </{pre}Product_Info>
    <{pre}Product_Image_Characteristics>
      <Special_Values><SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX></Special_Values>
      <Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>{nodata}</SPECIAL_VALUE_INDEX></Special_Values>
      <QUANTIFICATION_VALUES_LIST>{"" if quantification is None else scale}</QUANTIFICATION_VALUES_LIST>
      {f"<BOA_ADD_OFFSET_VALUES_LIST>{shifts}</BOA_ADD_OFFSET_VALUES_LIST>" if shifts else ""}
      {"" if is_old else f"<Spectral_Information_List>{bands}</Spectral_Information_List>"}
    </{pre}Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Product_Footprint><Product_Footprint><Global_Footprint>
      <EXT_POS_LIST>{positions}</EXT_POS_LIST>
    </Global_Footprint></Product_Footprint></Product_Footprint>
  </n1:Geometric_Info>
</n1:Level-2A_User_Product>
"""


def _tile_xml(sensed_at: datetime, epsg: int, left: float, top: float) -> str:
    """The parts of MTD_TL.xml that say when and where; a tile is sensed some seconds after its datatake begins."""
    sensed = sensed_at + timedelta(seconds=7)
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-15.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
  <n1:General_Info><SENSING_TIME metadataLevel="Standard">{sensed:%Y-%m-%dT%H:%M:%S.%fZ}</SENSING_TIME></n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone {epsg % 100}N</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>EPSG:{epsg}</HORIZONTAL_CS_CODE>
      <Size resolution="10"><NROWS>10980</NROWS><NCOLS>10980</NCOLS></Size>
      <Geoposition resolution="10"><ULX>{left:.0f}</ULX><ULY>{top:.0f}</ULY><XDIM>10</XDIM><YDIM>-10</YDIM></Geoposition>
    </Tile_Geocoding>
  </n1:Geometric_Info>
</n1:Level-2A_Tile_ID>
"""

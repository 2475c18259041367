"""The real world: a Romanian mountain forest of 1 km x 1 km with its real clouds, from the wheel `nrt==0.2.1`.

140 dates of Sentinel-2 L2A from August 2015 to January 2021 with ESA's scene classification, and real clearings in
the summers of 2019 and 2020. Blue, green, red and near infrared have 10 m pixels, the short-wave infrared 20 m; band
12 is not in the data. The wheel's files are found through its metadata and opened by path; it is never imported.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.demo.catalog import ItemFacts, Raster, densified, feature, write_catalog, write_features, write_item
from pipeline.errors import DemoDataMissingError

DISTRIBUTION, VERSION = "nrt", "0.2.1"
FINE_FILE = "nrt/data/sentinel2_cube_subset_romania_10m.nc"
COARSE_FILE = "nrt/data/sentinel2_cube_subset_romania_20m.nc"
EPSG = 3035
FINE_BANDS = {"blue": "B2", "green": "B3", "red": "B4", "nir": "B8"}
FIRST_DAY = datetime(2015, 8, 1, 9, 20, tzinfo=UTC)
"""Day 0 of the files; the hour is Sentinel-2's usual one there (the files give none)."""
CLOUDY_CLASSES = (8, 9, 10)
"""SCL classes that count as cloud in `eo:cloud_cover`."""


@dataclass(frozen=True, slots=True)
class RomaniaPaths:
    """Where the real world was written."""

    catalog: Path
    """catalog.json."""
    aoi: Path


def build_romania(out: Path, package_folder: Path | None = None) -> RomaniaPaths:
    """Write the forest as `out/catalog/` (140 items) and `out/aoi.geojson`; the same bytes every time.

    Parameters
    ----------
    out : Path
        Folder to write in; made if absent.
    package_folder : Path, optional
        Folder that holds `nrt/data/`; by default that of the installed distribution.

    Raises
    ------
    DemoDataMissingError
        The wheel is not installed, has another version, or a file of it is absent or cannot be read.
    """
    fine_path, coarse_path = _data_files(package_folder)
    catalog = out / "catalog"
    catalog.mkdir(parents=True, exist_ok=True)
    try:
        with h5py.File(fine_path) as fine, h5py.File(coarse_path) as coarse:
            extent = _extent(fine)
            footprint = geo.to_lonlat(densified(extent), f"EPSG:{EPSG}")
            ids = list(_write_items(catalog, fine, coarse, footprint))
    except (OSError, KeyError) as error:
        raise DemoDataMissingError(
            f"{fine_path.parent}: {error}; expected the two Romanian data cubes of {DISTRIBUTION} {VERSION}; "
            f"reinstall them with: pip install --no-deps --force-reinstall {DISTRIBUTION}=={VERSION}"
        ) from error
    path = write_catalog(catalog, "romania-forest", "Sentinel-2 L2A over a forest in Romania, 2015 to 2021", ids)
    return RomaniaPaths(catalog=path, aoi=_write_aoi(out / "aoi.geojson", footprint))


def _data_files(package_folder: Path | None) -> tuple[Path, Path]:
    """Paths of the 10 m and the 20 m file."""
    folder = _installed_folder() if package_folder is None else package_folder
    paths = (folder / FINE_FILE, folder / COARSE_FILE)
    for path in paths:
        if not path.is_file():
            raise DemoDataMissingError(
                f"{path}: no such file; expected it from the wheel {DISTRIBUTION}=={VERSION} (later releases dropped "
                f"the data); install it with: pip install --no-deps {DISTRIBUTION}=={VERSION}"
            )
    return paths


def _installed_folder() -> Path:
    """Folder in which the distribution is installed."""
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        raise DemoDataMissingError(
            f"the package {DISTRIBUTION} is not installed; the real demo area needs the data in its wheel {VERSION}; "
            f"install it with: pip install --no-deps {DISTRIBUTION}=={VERSION}"
        ) from error
    return Path(str(found.locate_file("")))


def _left_top(file: h5py.File, pixel_m: float) -> tuple[float, float]:
    """Upper left corner of a file's grid; its coordinates are cell centres (the two files fit together only so)."""
    return float(file["x"][0]) - pixel_m / 2, float(file["y"][0]) + pixel_m / 2


def _extent(fine: h5py.File) -> BaseGeometry:
    """Outline of the 10 m grid in metres of EPSG:3035."""
    left, top = _left_top(fine, 10.0)
    return shapely.box(left, top - 10.0 * fine["y"].size, left + 10.0 * fine["x"].size, top)


def _write_items(catalog: Path, fine: h5py.File, coarse: h5py.File, footprint: BaseGeometry) -> Iterator[str]:
    """Write one item per date and yield its id."""
    for index, day in enumerate(fine["time"][:].tolist()):
        sensed_at = FIRST_DAY + timedelta(days=day)
        layers = {name: _raster(fine, band, index, 10.0) for name, band in FINE_BANDS.items()}
        layers["swir16"] = _raster(coarse, "B11", index, 20.0)
        classes = _raster(fine, "SCL", index, 10.0)
        layers["scl"] = Raster(classes.values.astype(np.uint8), 10.0, classes.left, classes.top)
        facts = ItemFacts(
            id=f"S2_ROMANIA_{sensed_at:%Y%m%d}_L2A",
            sensed_at=sensed_at,
            footprint=footprint,
            epsg=EPSG,
            offset=0.0,  # dark forest has numbers down to 1: nothing was added to them
            cloud_cover_pct=100.0 * float(np.isin(classes.values, CLOUDY_CLASSES).mean()),
            properties={"platform": "sentinel-2", "grid:code": "LAEA-ROMANIA"},
        )
        write_item(catalog, facts, layers)
        yield facts.id


def _raster(file: h5py.File, band: str, index: int, pixel_m: float) -> Raster:
    """One band of one date as it is stored: uint16, reflectance x 10000, 0 no data."""
    left, top = _left_top(file, pixel_m)
    return Raster(np.asarray(file[band][index], dtype=np.uint16), pixel_m, left, top)


def _write_aoi(path: Path, footprint: BaseGeometry) -> Path:
    """Write the area of interest: the whole extent of the pixels."""
    properties = {
        "id": "romania-forest",
        "name": "Mountain forest in Romania",
        "country": "Romania",
        "landscape": "temperate_forest",
        "grid_epsg": EPSG,
        "is_simulated": False,
        "why_watched": "Real clouds and real clearings of 2019 and 2020; no mining, so every alert here would be wrong",
        "sources": ["nrt 0.2.1 (European Commission, Joint Research Centre); contains modified Copernicus Sentinel data"],
        "licence": "EUPL-1.2",
    }
    return write_features(path, [feature(footprint, properties, "romania-forest")])

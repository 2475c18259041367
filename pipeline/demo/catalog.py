"""Static STAC catalogues on disk in the form of Earth Search v1 `sentinel-2-l2a`: what both worlds are written as."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.transform import Affine
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

BAND_NAMES: Mapping[str, str] = {
    "blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11", "swir22": "B12",
}  # fmt: skip
"""ESA's name of each reflectance asset."""
SCALE = 0.0001
"""Reflectance per number (ESA, Sentinel-2 products specification: quantification value 10000)."""
EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
]


@dataclass(frozen=True, slots=True)
class Raster:
    """Pixels of one asset, north up."""

    values: np.ndarray
    """(y, x): uint16 numbers of a band (0 is no data), uint8 classes of the SCL."""
    pixel_m: float
    left: float
    """Easting of the left edge, metres."""
    top: float
    """Northing of the upper edge, metres."""

    @property
    def transform(self) -> Affine:
        """Affine from (column, row) to metres."""
        return Affine(self.pixel_m, 0.0, self.left, 0.0, -self.pixel_m, self.top)


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What an item says of itself besides its pixels."""

    id: str
    sensed_at: datetime
    """UTC."""
    footprint: BaseGeometry
    """Lon/lat outline of the data."""
    epsg: int
    offset: float
    """Reflectance added to number x scale, the same for all bands."""
    cloud_cover_pct: float
    properties: Mapping[str, object]
    """Further STAC properties: platform, tile, datatake, processing baseline."""


def write_geotiff(path: Path, raster: Raster, epsg: int) -> None:
    """Write one single-band, tiled, deflated GeoTIFF with 0 as its no-data value."""
    height, width = raster.values.shape
    profile = {
        "driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": raster.values.dtype,
        "crs": f"EPSG:{epsg}", "transform": raster.transform, "nodata": 0, "tiled": True, "blockxsize": 256,
        "blockysize": 256, "compress": "deflate", "predictor": 2, "zlevel": 1,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(raster.values, 1)


def _asset(name: str, raster: Raster, offset: float) -> dict[str, object]:
    """STAC asset of a raster that lies beside its item."""
    band: dict[str, object] = {
        "data_type": str(raster.values.dtype),
        "nodata": 0,
        "spatial_resolution": raster.pixel_m,
    }
    if name in BAND_NAMES:
        band |= {"scale": SCALE, "offset": offset}
    asset: dict[str, object] = {
        "href": f"./{name}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "raster:bands": [band],
        "proj:shape": list(raster.values.shape),
        "proj:transform": list(raster.transform)[:6],
    }
    if name in BAND_NAMES:
        asset["eo:bands"] = [{"name": BAND_NAMES[name], "common_name": name}]
    return asset


def write_item(catalog: Path, facts: ItemFacts, rasters: Mapping[str, Raster]) -> None:
    """Write the item `catalog/<id>/<id>.json` and its assets, one GeoTIFF each, beside it."""
    folder = catalog / facts.id
    folder.mkdir(parents=True, exist_ok=True)
    for name, raster in rasters.items():
        write_geotiff(folder / f"{name}.tif", raster, facts.epsg)
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": facts.id,
        "stac_extensions": EXTENSIONS,
        "collection": "sentinel-2-l2a",
        "geometry": mapping(facts.footprint),
        "bbox": list(facts.footprint.bounds),
        "properties": {
            "datetime": f"{facts.sensed_at:%Y-%m-%dT%H:%M:%SZ}",
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "eo:cloud_cover": round(facts.cloud_cover_pct, 2),
            "proj:epsg": facts.epsg,
            **facts.properties,
        },
        "links": [{"rel": "root", "href": "../catalog.json"}, {"rel": "parent", "href": "../catalog.json"}],
        "assets": {name: _asset(name, raster, facts.offset) for name, raster in rasters.items()},
    }
    (folder / f"{facts.id}.json").write_text(json.dumps(item, indent=1), encoding="utf-8")


def write_catalog(catalog: Path, name: str, description: str, item_ids: Iterable[str]) -> Path:
    """Write `catalog.json` with a link to every item and return its path."""
    links: list[dict[str, str]] = [{"rel": "root", "href": "./catalog.json"}]
    links += [{"rel": "item", "href": f"./{i}/{i}.json", "type": "application/geo+json"} for i in item_ids]
    path = catalog / "catalog.json"
    document = {"type": "Catalog", "stac_version": "1.0.0", "id": name, "description": description, "links": links}
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return path


def feature(geometry: BaseGeometry, properties: Mapping[str, object], name: str | None = None) -> dict[str, object]:
    """Return a GeoJSON Feature of a lon/lat geometry."""
    head: dict[str, object] = {"type": "Feature"} if name is None else {"type": "Feature", "id": name}
    return {**head, "geometry": mapping(geometry), "properties": dict(properties)}


def write_features(path: Path, features: Iterable[Mapping[str, object]]) -> Path:
    """Write a GeoJSON FeatureCollection and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"type": "FeatureCollection", "features": list(features)}
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return path


def densified(extent: BaseGeometry, step_m: float = 200.0) -> BaseGeometry:
    """Return an outline with a vertex at least every `step_m`, so that its edges stay straight when reprojected."""
    return shapely.segmentize(extent, step_m)

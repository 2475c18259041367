"""Catalogues: STAC items, from a static catalogue on disk or a STAC API, as `Scene` records.

An item that cannot be used is never dropped: it comes back as `Unusable` with the named error, for the ledger.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.aoi import Area
from pipeline.errors import (
    AoiAxisOrderError,
    AoiOutsideScenesError,
    CatalogEmptyError,
    CatalogUnreadableError,
    PipelineError,
    SceneAssetMissingError,
)
from pipeline.scenes import BANDS, SCL, Asset, Scene, radiometry_of, solar_day

ASSET_NAMES: Mapping[str, tuple[str, ...]] = {
    "blue": ("blue", "B02", "B02_10m"),
    "green": ("green", "B03", "B03_10m"),
    "red": ("red", "B04", "B04_10m"),
    "nir": ("nir", "B08", "B08_10m"),
    "swir16": ("swir16", "B11", "B11_20m"),
    "swir22": ("swir22", "B12", "B12_20m"),
    SCL: ("scl", "SCL", "SCL_20m"),
}
"""Names under which catalogues offer each band: Earth Search, Planetary Computer, Copernicus Data Space."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unusable:
    """An item that cannot be used, and why."""

    scene_id: str
    sensed_at: str
    solar_day: date | None
    error: PipelineError


def is_remote(catalog: str) -> bool:
    """Return whether a catalogue is a STAC API rather than a file."""
    return urlparse(str(catalog)).scheme in {"http", "https"}


def _read_json(path: Path) -> Json:
    """JSON object of a file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CatalogUnreadableError(
            f"{path}: {error}; expected a STAC document; check the path and that the file is whole"
        ) from error
    if not isinstance(document, dict):
        raise CatalogUnreadableError(f"{path}: found a JSON {type(document).__name__}, expected a STAC object")
    return document


def _links(document: Json, rel: str, base: Path) -> Iterator[Path]:
    """Paths of the links of one kind."""
    links = document.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") == rel and isinstance(link.get("href"), str):
            yield (base.parent / link["href"]).resolve()


def _static_items(catalog: Path) -> Iterator[tuple[Path, Json | PipelineError]]:
    """Every item of a static catalogue with its path, children included, each file once."""
    pending, seen = [catalog.resolve()], set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        document = _read_json(path)
        if document.get("type") not in {"Catalog", "Collection"}:
            raise CatalogUnreadableError(
                f"{path}: found type {document.get('type')!r}, expected a STAC Catalog or Collection; "
                "give the path of catalog.json"
            )
        pending.extend(_links(document, "child", path))
        for item in _links(document, "item", path):
            try:
                yield item, _read_json(item)
            except CatalogUnreadableError as error:
                yield item, error


def _api_items(catalog: str, collection: str, area: Area, start: date | None, until: date) -> Iterator[Json]:
    """Items of a STAC API that touch the area in the period."""
    import pystac_client  # noqa: PLC0415 - half a second that a local catalogue need not pay
    from pystac_client.exceptions import APIError  # noqa: PLC0415

    begin = (start - timedelta(days=1)).isoformat() if start else "2015-06-23"  # a solar day may begin on the UTC day before
    period = f"{begin}/{until.isoformat()}"
    try:
        client = pystac_client.Client.open(catalog)
        search = client.search(collections=[collection], intersects=shapely.geometry.mapping(area.geometry), datetime=period)
        yield from search.items_as_dicts()
    except (APIError, OSError) as error:
        raise CatalogUnreadableError(
            f"{catalog}: {error}; expected a STAC API with collection {collection}; check the address and the network"
        ) from error


def find_scenes(
    catalog: str, area: Area, *, until: date, start: date | None = None, collection: str = "sentinel-2-l2a",
    absent_bands: Sequence[str] = (),
) -> tuple[list[Scene], list[Unusable]]:  # fmt: skip
    """Return the scenes that touch the area with a solar day in [start, until], and the items that cannot be used.

    Raises
    ------
    CatalogUnreadableError
        The catalogue cannot be opened.
    CatalogEmptyError
        It holds no item at all, or none in the period.
    AoiOutsideScenesError, AoiAxisOrderError
        Its items lie elsewhere; the latter where they would touch the area with its axes swapped.
    """
    pairs: Iterator[tuple[Path | None, Json | PipelineError]]
    if is_remote(catalog):
        pairs = ((None, item) for item in _api_items(catalog, collection, area, start, until))
    else:
        pairs = iter(_static_items(Path(catalog)))
    scenes: list[Scene] = []
    unusable: list[Unusable] = []
    footprints: list[BaseGeometry] = []
    count = 0
    for path, item in pairs:
        count += 1
        try:
            found = scene_from_item(item, path, absent_bands) if not isinstance(item, PipelineError) else item
        except PipelineError as error:
            found = error
        if isinstance(found, PipelineError):
            unusable.append(_unusable(item, path, found))
            continue
        footprints.append(found.footprint)
        if found.footprint.intersects(area.geometry) and (start is None or start <= found.solar_day):
            scenes.append(found)
    _explain_absence(catalog, area, count, footprints, has_failed=bool(unusable))
    return [s for s in scenes if s.solar_day <= until], [
        u for u in unusable if u.solar_day is None or (u.solar_day <= until and (start is None or start <= u.solar_day))
    ]


def _explain_absence(catalog: str, area: Area, count: int, footprints: Sequence[BaseGeometry], *, has_failed: bool) -> None:
    """Raise the named error where a catalogue holds nothing for the area."""
    if count == 0:
        raise CatalogEmptyError(
            f"{catalog}: found no item, expected Sentinel-2 items over {area.id}; "
            "check that the catalogue links its items and, for an API, the collection and period"
        )
    touching = any(f.intersects(area.geometry) for f in footprints)
    if touching or (has_failed and not footprints):
        return
    swapped = shapely.transform(area.geometry, lambda p: p[:, ::-1])
    ground = ", ".join(f"{b:.3f}" for b in shapely.union_all(list(footprints)).bounds)
    if any(f.intersects(swapped) for f in footprints):
        raise AoiAxisOrderError(
            f"area {area.id}: its coordinates touch no scene of {catalog}, but do with the axes swapped; "
            "GeoJSON wants longitude first, then latitude: swap them"
        )
    raise AoiOutsideScenesError(
        f"area {area.id} with bounds {', '.join(f'{b:.3f}' for b in area.geometry.bounds)} touches no scene of "
        f"{catalog}, whose scenes lie in {ground} (lon/lat); choose the catalogue or the area that fits"
    )


def _unusable(item: Json | PipelineError, path: Path | None, error: PipelineError) -> Unusable:
    """Record of an item that cannot be used, with what can be known of it."""
    name, sensed, day = (path.stem if path else "unknown"), "", None
    if isinstance(item, Mapping):
        name = str(item.get("id", name))
        properties = item.get("properties")
        text = properties.get("datetime") if isinstance(properties, Mapping) else None
        try:
            when = _instant(str(text))
            lon = shape(item["geometry"]).centroid.x
        except (ValueError, KeyError, TypeError, AttributeError, shapely.errors.GEOSException):
            return Unusable(name, sensed, day, error)
        sensed, day = when.isoformat().replace("+00:00", "Z"), solar_day(when, lon)
    return Unusable(name, sensed, day, error)


def _instant(text: str) -> datetime:
    """UTC instant of an RFC 3339 text."""
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def scene_from_item(item: Json, path: Path | None, absent_bands: Sequence[str] = ()) -> Scene:
    """Return the scene of a STAC item.

    Raises
    ------
    CatalogUnreadableError
        The item lacks what STAC demands of it: id, geometry, datetime, assets.
    SceneAssetMissingError
        A band is absent that `absent_bands` does not excuse.
    RadiometryUnknownError
        See `scenes.radiometry_of`.
    """
    name, properties, assets = item.get("id"), item.get("properties"), item.get("assets")
    where = str(path or name)
    if not isinstance(name, str) or not isinstance(properties, Mapping) or not isinstance(assets, Mapping):
        raise CatalogUnreadableError(f"{where}: id, properties or assets are absent; expected a STAC item")
    try:
        sensed_at = _instant(str(properties["datetime"]))
        footprint = geo.polygons_only(shape(item["geometry"]))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CatalogUnreadableError(f"{where}: {error!r}; expected a STAC item with datetime and geometry") from error
    found = {band: _asset_key(assets, band) for band in (*BANDS, SCL) if band not in absent_bands}
    missing = sorted(band for band, key in found.items() if key is None)
    if missing:
        raise SceneAssetMissingError(
            f"{where}: found assets {', '.join(sorted(map(str, assets)))}, expected {', '.join(missing)} too; complete "
            "the item, or, if the provider has no such band (swir22 only), name it in absent_bands of the configuration"
        )
    baseline = str(properties.get("s2:processing_baseline") or "")
    applied = properties.get("earthsearch:boa_offset_applied")
    return Scene(
        id=name,
        sensed_at=sensed_at,
        platform=str(properties.get("platform", "")),
        tile=str(properties.get("grid:code") or properties.get("s2:mgrs_tile") or ""),
        datatake_id=_datatake(properties, sensed_at),
        processing_baseline=baseline,
        footprint=footprint,
        assets={
            band: _asset(assets[key], band, path, _Word(baseline, applied if isinstance(applied, bool) else None, where))
            for band, key in found.items()
            if key is not None
        },
        created=str(properties.get("updated") or properties.get("created") or ""),
    )


@dataclass(frozen=True, slots=True)
class _Word:
    """What an item says of all its assets."""

    processing_baseline: str
    offset_applied: bool | None
    where: str


def _asset_key(assets: Mapping[str, object], band: str) -> str | None:
    """Key under which an item offers a band."""
    return next((key for key in ASSET_NAMES[band] if key in assets), None)


def _datatake(properties: Mapping[str, object], sensed_at: datetime) -> str:
    """Datatake without its processing baseline; platform and minute where the catalogue does not say."""
    stated = properties.get("s2:datatake_id")
    if isinstance(stated, str) and "_N" in stated:
        return stated.rsplit("_N", 1)[0]
    return f"{properties.get('platform', '')}_{sensed_at:%Y%m%dT%H%M}"


def _asset(asset: object, band: str, path: Path | None, word: _Word) -> Asset:
    """One asset with its radiometry."""
    href = asset.get("href") if isinstance(asset, Mapping) else None
    if not isinstance(asset, Mapping) or not isinstance(href, str):
        raise CatalogUnreadableError(f"{word.where}: asset {band} has no href; expected a STAC asset")
    if path is not None and not is_remote(href):
        href = str((path.parent / href).resolve())
    if band == SCL:
        return Asset(href, None)
    records = asset.get("raster:bands") or asset.get("bands") or []
    record = records[0] if isinstance(records, list) and records and isinstance(records[0], Mapping) else asset
    plain = {k: record.get(k, record.get(f"raster:{k}")) for k in ("scale", "offset", "nodata")}
    stated = {k: v for k, v in plain.items() if v is not None}
    return Asset(
        href,
        radiometry_of(
            stated,
            processing_baseline=word.processing_baseline,
            offset_applied=word.offset_applied,
            where=f"{word.where}, asset {band}",
        ),
    )

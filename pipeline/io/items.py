"""STAC items as `Scene` records, whoever made them: Earth Search, Planetary Computer, Copernicus Data Space, our own."""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import shapely
from shapely.geometry import shape

from pipeline import geo
from pipeline.errors import CatalogUnreadableError, PipelineError, ProviderUnavailableError, SceneAssetMissingError
from pipeline.io.providers import SourceSettings, Unusable
from pipeline.scenes import (
    BANDS,
    OFFSET_SINCE_NUMBER,
    SCL,
    Asset,
    Radiometry,
    Scene,
    baseline_number,
    centre_lon,
    radiometry_of,
    solar_day,
)

ASSET_NAMES: Mapping[str, tuple[str, ...]] = {
    "blue": ("blue", "B02", "B02_10m"),
    "green": ("green", "B03", "B03_10m"),
    "red": ("red", "B04", "B04_10m"),
    "nir": ("nir", "B08", "B08_10m"),
    "swir16": ("swir16", "B11", "B11_20m"),
    "swir22": ("swir22", "B12", "B12_20m"),
    SCL: ("scl", "SCL", "SCL_20m"),
}
"""Names under which catalogues offer each band: Earth Search, Planetary Computer, Copernicus Data Space (whose swir bands
and classes come in several sizes)."""

FETCHED = "overburden:fetched"
"""Property of an item that this software copied: the digest of what was wanted. Its radiometry is taken as it stands."""
LAUNCH = date(2015, 6, 23)
"""Launch of Sentinel-2A: nothing is older."""
SEARCHES = 3
"""Times that a search is made when it changes while its pages are read."""
LOG = logging.getLogger(__name__)
Json = Mapping[str, Any]


def is_remote(address: str) -> bool:
    """Return whether an address is on a server rather than a path."""
    return urlparse(str(address)).scheme in {"http", "https", "s3"}


def days_to_ask(start: date | None, until: date) -> tuple[date, date]:
    """Return the first and last UTC day to search for solar days in [start, until]: a solar day spans two of them."""
    return (start or LAUNCH) - timedelta(days=1), until + timedelta(days=1) if until < date.max else until


def steady_items(search_once: Callable[[], tuple[Sequence[Json], bool]], where: str) -> list[Json]:
    """Return the items of a search that did not change while its pages were read, each once.

    A catalogue that lists an item twice does so every time; one whose pages shift while they are read does not: pages that
    do not fit each other are believed when two searches in a row give the same items.

    Parameters
    ----------
    search_once : callable
        Makes the search and returns its items, and whether its pages fit each other: one count, no id twice.
    where : str
        The search, for messages.

    Raises
    ------
    ProviderUnavailableError
        It changed every time: what slipped from one page to the one before it would be missed in silence.
    """
    before: list[str] = []
    for number in range(SEARCHES):
        found, is_steady = search_once()
        once = {json.dumps(item, sort_keys=True): item for item in found}
        if is_steady or sorted(once) == before:
            return list(once.values())
        before = sorted(once)
        LOG.warning("%s: the search changed while its pages were read; search %d of %d", where, number + 1, SEARCHES)
    raise ProviderUnavailableError(
        f"{where}: the search changed each of {SEARCHES} times while its pages were read, so that items may be missing; "
        "expected one that stands still; run again later"
    )


def scene_or_reason(item: Json | PipelineError, path: Path | None, settings: SourceSettings) -> Scene | Unusable:
    """Return the scene of an item, or what is known of the item and why it cannot be used."""
    if isinstance(item, PipelineError):
        return Unusable(path.stem if path else "unknown", "", None, item)
    try:
        return scene_from_item(item, path, settings)
    except PipelineError as error:
        return _unusable(item, path, error)


def _unusable(item: Json, path: Path | None, error: PipelineError) -> Unusable:
    """Record of an item that cannot be used, with what can be known of it."""
    name = str(item.get("id", path.stem if path else "unknown"))
    properties = item.get("properties")
    try:
        when = _instant(str(properties["datetime"]))  # type: ignore[index]
        footprint = geo.on_globe(shape(item["geometry"]))
        day = solar_day(when, centre_lon(footprint))
    except (ValueError, KeyError, TypeError, AttributeError, shapely.errors.GEOSException):
        return Unusable(name, "", None, error)
    return Unusable(name, when.isoformat().replace("+00:00", "Z"), day, error, footprint, _tile(properties))


def _tile(properties: object) -> str:
    """MGRS tile of an item, as Earth Search and Copernicus, or as Planetary Computer name it."""
    if not isinstance(properties, Mapping):
        return ""
    return str(properties.get("grid:code") or properties.get("s2:mgrs_tile") or "")


def _instant(text: str) -> datetime:
    """UTC instant of an RFC 3339 text."""
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def scene_from_item(item: Json, path: Path | None, settings: SourceSettings) -> Scene:
    """Return the scene of a STAC item.

    Raises
    ------
    CatalogUnreadableError
        The item lacks what STAC demands of it: id, geometry, datetime, assets.
    SceneAssetMissingError
        A band is absent that `settings.absent_bands` does not excuse.
    RadiometryUnknownError
        See `scenes.radiometry_of`.
    """
    name, properties, assets = item.get("id"), item.get("properties"), item.get("assets")
    where = str(path or name)
    if not isinstance(name, str) or not isinstance(properties, Mapping) or not isinstance(assets, Mapping):
        raise CatalogUnreadableError(f"{where}: id, properties or assets are absent; expected a STAC item")
    try:
        sensed_at = _instant(str(properties["datetime"]))
        footprint = geo.on_globe(shape(item["geometry"]))
    except (KeyError, ValueError, TypeError, AttributeError, shapely.errors.GEOSException) as error:
        raise CatalogUnreadableError(f"{where}: {error!r}; expected a STAC item with datetime and geometry") from error
    if footprint.is_empty:
        raise CatalogUnreadableError(f"{where}: found an empty geometry, expected the outline of the scene; complete the item")
    found = {band: _asset_key(assets, band) for band in (*BANDS, SCL) if band not in settings.absent_bands}
    missing = sorted(band for band, key in found.items() if key is None)
    if missing:
        raise SceneAssetMissingError(
            f"{where}: found assets {', '.join(sorted(map(str, assets)))}, expected {', '.join(missing)} too; complete "
            "the item, or, if the provider has no such band (swir22 only), name it in absent_bands of the configuration"
        )
    word = _Word(name, _baseline(properties), _offset_applied(properties), where, settings, FETCHED in properties)
    return Scene(
        id=name,
        sensed_at=sensed_at,
        platform=str(properties.get("platform", "")).lower(),
        tile=_tile(properties),
        datatake_id=_datatake(properties, sensed_at),
        processing_baseline=word.processing_baseline,
        footprint=footprint,
        assets={band: _asset(assets[key], band, path, word) for band, key in found.items() if key is not None},
        created=str(properties.get("updated") or properties.get("created") or ""),
    )


@dataclass(frozen=True, slots=True)
class _Word:
    """What an item, its provider and the operator say of all its assets."""

    scene_id: str
    processing_baseline: str
    offset_applied: bool | None
    where: str
    settings: SourceSettings
    is_settled: bool
    """The item was copied by this software, which had settled the radiometry."""


def _baseline(properties: Mapping[str, object]) -> str:
    """Processing baseline: Earth Search's and Planetary Computer's property, or Copernicus's."""
    return str(properties.get("s2:processing_baseline") or properties.get("processing:version") or "")


def _offset_applied(properties: Mapping[str, object]) -> bool | None:
    """The provider's word that its pixels are already shifted; None when silent."""
    stated = properties.get("earthsearch:boa_offset_applied")
    return stated if isinstance(stated, bool) else None


def _asset_key(assets: Mapping[str, object], band: str) -> str | None:
    """Key under which an item offers a band."""
    return next((key for key in ASSET_NAMES[band] if key in assets), None)


def _datatake(properties: Mapping[str, object], sensed_at: datetime) -> str:
    """Datatake without its processing baseline; platform and minute where the catalogue does not say."""
    stated = properties.get("s2:datatake_id") or properties.get("eopf:datatake_id")
    if isinstance(stated, str) and "_N" in stated:
        return stated.rsplit("_N", 1)[0]
    return f"{properties.get('platform', '')}_{sensed_at:%Y%m%dT%H%M}"


def _asset(asset: object, band: str, path: Path | None, word: _Word) -> Asset:
    """One asset with its radiometry."""
    href = _href(asset)
    if not isinstance(asset, Mapping) or href is None:
        raise CatalogUnreadableError(f"{word.where}: asset {band} has no href; expected a STAC asset")
    if path is not None and not is_remote(href):
        href = str((path.parent / href).resolve())
    return Asset(href, None if band == SCL else _radiometry(asset, band, word))


def _href(asset: object) -> str | None:
    """Address of an asset; of object storage that needs keys its alternate by HTTP, where there are no keys.

    Alternate assets extension; keys are those that the raster library takes from the environment.
    """
    if not isinstance(asset, Mapping) or not isinstance(asset.get("href"), str):
        return None
    href = str(asset["href"])
    alternates = asset.get("alternate")
    has_keys = any(name in os.environ for name in ("AWS_ACCESS_KEY_ID", "AWS_NO_SIGN_REQUEST"))
    if href.startswith("s3://") and isinstance(alternates, Mapping) and not has_keys:
        offered = [a.get("href") for a in alternates.values() if isinstance(a, Mapping)]
        return next((h for h in offered if isinstance(h, str) and h.startswith(("https://", "http://"))), href)
    return href


def _radiometry(asset: Mapping[str, object], band: str, word: _Word) -> Radiometry:
    """Radiometry that the item states, unless the provider's numbers are ESA's own or the operator knows better."""
    records = asset.get("raster:bands") or asset.get("bands") or []
    record = records[0] if isinstance(records, list) and records and isinstance(records[0], Mapping) else asset
    plain = {k: record.get(k, record.get(f"raster:{k}", asset.get(k, asset.get(f"raster:{k}"))))
             for k in ("scale", "offset", "nodata")}  # fmt: skip
    stated = {k: v for k, v in plain.items() if v is not None}
    if word.settings.has_plain_numbers and "scale" not in stated and "offset" not in stated:
        stated |= plain_numbers(word.processing_baseline)
    known = word.settings.offset_of(word.scene_id)
    where = f"{word.where}, asset {band}"
    if word.is_settled and known is None:
        known = float(str(stated["offset"])) if "offset" in stated else None
    if known is not None:
        return replace_offset(stated, known, where)
    return radiometry_of(
        stated, processing_baseline=word.processing_baseline, offset_applied=word.offset_applied, where=where
    )  # fmt: skip


def plain_numbers(processing_baseline: str) -> dict[str, float]:
    """Return scale and offset of ESA's own numbers under a processing baseline; no offset where it is unknown.

    ESA, Sentinel-2 Products Specification Document 14.9: quantification value 10000, and BOA_ADD_OFFSET -1000 since
    processing baseline 04.00.
    """
    number = baseline_number(processing_baseline)
    if number is None:
        return {"scale": 1e-4}
    return {"scale": 1e-4, "offset": -0.1 if number >= OFFSET_SINCE_NUMBER else 0.0}


def replace_offset(stated: Mapping[str, object], offset: float, where: str) -> Radiometry:
    """Return the stated radiometry with the operator's offset in place of the item's."""
    unshifted = radiometry_of({**stated, "offset": 0.0}, processing_baseline="", offset_applied=True, where=where)
    return replace(unshifted, offset=offset)

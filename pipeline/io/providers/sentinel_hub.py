"""Sentinel Hub and the Copernicus Data Space: scenes from the Catalog API, windows of pixels from the Process API.

`sentinelhub+https://sh.dataspace.copernicus.eu` or `sentinelhub+https://services.sentinel-hub.com`. A scene here is a whole
acquisition: the service puts the tiles of a datatake together, so it is asked once for all of them and never for a mosaic of
several acquisitions. Numbers are ESA's own, unharmonised (`harmonizeValues` false), so that what they mean follows from the
processing baseline. Pixels come in the grid's CRS: where the tiles lie in another UTM zone, the service resamples them
(nearest), which other providers leave to us.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
import shapely
from rasterio.transform import Affine
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.aoi import PIXEL_M, Area, Grid
from pipeline.errors import (
    CatalogUnreadableError,
    PipelineError,
    ProviderAnswerError,
    RadiometryUnknownError,
    SceneUnreadableError,
)  # fmt: skip
from pipeline.io.items import days_to_ask, plain_numbers, replace_offset, steady_items
from pipeline.io.process_windows import (
    CELL_M,
    DTYPES,
    KINDS,
    SERVICE_BANDS,
    Kind,
    Rect,
    Window,
    cells_of,
    evalscript,
    output_types,
    processing_units,
    rects_of,
    size_of,
)
from pipeline.io.providers import Cost, Piece, Provider, SourceSettings, Unusable
from pipeline.io.windows import boxes
from pipeline.scenes import (
    BANDS,
    OFFSET_SINCE,
    OFFSET_SINCE_NUMBER,
    Asset,
    Radiometry,
    Scene,
    baseline_number,
    centre_lon,
    radiometry_of,
    solar_day,
)  # fmt: skip

LOG = logging.getLogger(__name__)
NAME = "Sentinel Hub"
SCHEMES = ("sentinelhub+https://", "sentinelhub+http://")
"""Plain http is for servers on loopback, in tests."""
DEFAULT_COLLECTION = "sentinel-2-l2a"
PAGES = 10_000
"""A search with more pages has no end."""
TIME_SLACK = timedelta(seconds=1)
"""Added before the first and after the last tile of a datatake; the next datatake is minutes away."""
PRODUCT = re.compile(r"(?P<satellite>S2[A-Z])_MSI\w{3}_(?P<start>\d{8}T\d{6})_(?:N(?P<baseline>\d{4})_)?(?:R\d{3}_)?"
                     r"(?P<tile>T\d{2}[A-Z]{3})(?:_|\.|$)")  # fmt: skip
"""Name of an ESA product (Products Specification Document 14.9, section 3.4.1)."""


@dataclass(frozen=True, slots=True)
class _Credentials:
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)


_PROVIDED: dict[str, _Credentials] = {}


def provide_credentials(account: str, client_id: str, client_secret: str) -> None:
    """Hand over the credentials of an account for the life of this process; they win over environment and file.

    Parameters
    ----------
    account : str
        What the configuration says in `account`, `prefect:NAME` say; empty: areas that name none.
    client_id, client_secret : str
        OAuth client credentials; never shown.
    """
    _PROVIDED[account] = _Credentials(client_id, client_secret)


# --- what a scene is -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tile:
    """What an item of the catalogue says."""

    satellite: str
    start: str
    """Datatake start, as product names write it."""
    tile: str
    baseline: str
    """Such as `05.10`; empty where the item does not say."""
    platform: str
    sensed_at: datetime
    footprint: BaseGeometry
    created: str


def _tile(item: Mapping[str, Any]) -> _Tile:
    """What an item says, or `CatalogUnreadableError`."""
    name, properties = str(item.get("id")), item.get("properties")
    named = PRODUCT.match(name)
    if named is None or not isinstance(properties, Mapping):
        raise CatalogUnreadableError(
            f"item {name}: found an id that is no Sentinel-2 product name, or no properties; expected both "
            "(S2B_MSIL2A_20240103T143729_N0510_R096_T20LKP_..., say); check the collection"
        )
    try:
        sensed_at = datetime.fromisoformat(str(properties["datetime"]).replace("Z", "+00:00"))
        footprint = geo.on_globe(geo.polygons_only(shape(item["geometry"])))
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, shapely.errors.GEOSException) as error:
        raise CatalogUnreadableError(f"item {name}: {error!r}; expected a STAC item with datetime and geometry") from error
    stated = (properties.get("s2:processing_baseline"), properties.get("processing:version"), named["baseline"])
    numbers = [n for n in (baseline_number(str(text or "")) for text in stated) if n is not None]
    return _Tile(
        named["satellite"], named["start"], named["tile"], "{:02d}.{:02d}".format(*numbers[0]) if numbers else "",
        str(properties.get("platform") or f"sentinel-{named['satellite'][1:]}").lower(),
        sensed_at.astimezone(UTC) if sensed_at.tzinfo else sensed_at.replace(tzinfo=UTC),
        footprint, str(properties.get("updated") or properties.get("created") or ""),
    )  # fmt: skip


def _scene(tiles: Sequence[_Tile], settings: SourceSettings) -> Scene | Unusable:
    """The acquisition of one datatake over the area."""
    first = min(tiles, key=lambda t: (t.sensed_at, t.tile))
    baseline = min((t.baseline for t in tiles), key=lambda b: baseline_number(b) or (0, 0))
    names = "+".join(sorted({t.tile for t in tiles}))
    name = f"{first.satellite}_{first.start}_N{baseline.replace('.', '') or '0000'}_{names}"
    footprint = geo.on_globe(shapely.union_all([t.footprint for t in tiles]))
    try:
        radiometry = _radiometry(name, tiles, baseline, settings)
    except RadiometryUnknownError as error:
        sensed = first.sensed_at.isoformat().replace("+00:00", "Z")
        return Unusable(name, sensed, solar_day(first.sensed_at, centre_lon(footprint)), error, footprint, names)
    period = _period_text(first.sensed_at - TIME_SLACK, max(t.sensed_at for t in tiles) + TIME_SLACK)
    assets = {
        band: Asset(f"sentinelhub:{band}#{period}", radiometry if band in BANDS else None)
        for band in SERVICE_BANDS
        if band not in settings.absent_bands
    }
    return Scene(
        name, first.sensed_at, first.platform, names, f"G{first.satellite}_{first.start}", baseline, footprint, assets,
        max(t.created for t in tiles),
    )  # fmt: skip


def _radiometry(name: str, tiles: Sequence[_Tile], baseline: str, settings: SourceSettings) -> Radiometry:
    """Radiometry of all bands: the numbers are ESA's own."""
    numbers = [baseline_number(t.baseline) for t in tiles]
    if len({n >= OFFSET_SINCE_NUMBER for n in numbers if n is not None}) > 1:
        said = ", ".join(sorted({f"{t.tile} {t.baseline or 'unknown'}" for t in tiles}))
        raise RadiometryUnknownError(
            f"scene {name}: found processing baselines on both sides of {OFFSET_SINCE} ({said}), expected one offset for all "
            "tiles of an acquisition, which the service puts together; it is left out until the archive is reprocessed"
        )
    known = settings.offset_of(name)
    stated = {**plain_numbers(baseline), "nodata": 0}
    if known is not None:
        return replace_offset(stated, known, f"scene {name}")
    return radiometry_of(stated, processing_baseline=baseline, offset_applied=None, where=f"scene {name}")


def _period_text(begin: datetime, end: datetime) -> str:
    """A period as the hrefs of a scene hold it."""
    return "..".join(t.isoformat().replace("+00:00", "Z") for t in (begin, end))


def _period(scene: Scene, name: str) -> tuple[datetime, datetime]:
    """The period of an acquisition, from the href of an asset."""
    begin, _, end = scene.assets[name].href.partition("#")[2].partition("..")
    return datetime.fromisoformat(begin.replace("Z", "+00:00")), datetime.fromisoformat(end.replace("Z", "+00:00"))


# --- the catalogue -------------------------------------------------------------------------------------------------


@dataclass
class SentinelHub:
    """A Sentinel Hub service, opened."""

    settings: SourceSettings
    name: str = NAME
    must_fetch: bool = True

    def __post_init__(self) -> None:
        from pipeline.io.processing import Service, configuration  # noqa: PLC0415 - the library takes two seconds

        base = self.settings.catalog.removeprefix("sentinelhub+").rstrip("/")
        held = _PROVIDED.get(self.settings.account or "")
        provided = (held.client_id, held.client_secret) if held is not None else None
        config = configuration(base, self.settings.account, provided, self.settings.patience)
        collection = self.settings.collection or DEFAULT_COLLECTION
        self._service = Service(self.name, collection, config, self.settings.patience)

    @property
    def budget_pu(self) -> float | None:
        """Processing units that may be spent by way of this object; None: no limit."""
        return self._service.budget_pu

    @budget_pu.setter
    def budget_pu(self, units: float | None) -> None:
        self._service.budget_pu = units

    @property
    def spent_pu(self) -> float:
        """Processing units that were spent, as the service says, or estimated where it does not."""
        return self._service.spent_pu

    def scenes(self, area: Area, start: date | None, until: date) -> Iterator[Scene | Unusable]:
        """Yield the acquisitions of the search, each with all its tiles that touch the area.

        Raises
        ------
        ProviderError
            One of its children: the service fails, refuses, or its pages never end.
        """
        groups: dict[tuple[str, str], list[_Tile]] = {}
        for item in steady_items(lambda: self._search_once(area, start, until), self._where):
            try:
                tile = _tile(item)
            except PipelineError as error:
                yield Unusable(str(item.get("id", "unknown")), "", None, error)
            else:
                groups.setdefault((tile.start, tile.satellite), []).append(tile)
        for _, tiles in sorted(groups.items()):
            yield _scene(tiles, self.settings)

    @property
    def _where(self) -> str:
        return f"{self._service.where}, search"

    def _search_once(self, area: Area, start: date | None, until: date) -> tuple[list[Mapping[str, Any]], bool]:
        """Items of one search, and whether its pages fit each other: one count, no id twice."""
        begin, end = days_to_ask(start, until)
        period = datetime.combine(begin, time.min, UTC), datetime.combine(end, time(23, 59, 59), UTC)
        ask = self._service.pages(geo.on_globe(area.geometry), period)
        items: list[Mapping[str, Any]] = []
        counts: set[object] = set()
        token: object = None
        seen: set[str] = set()
        while len(seen) < PAGES:
            page = ask(token)
            features, context = page.get("features"), page.get("context") or {}
            if not isinstance(features, list) or not isinstance(context, Mapping):
                raise ProviderAnswerError(f"{self._where}: found a page without features, expected a STAC ItemCollection")
            items += features
            counts.add(context.get("matched", page.get("numberMatched")))
            token = context.get("next")
            if token is None or not features:
                return items, len(counts) <= 1 and len({str(i.get("id")) for i in items}) == len(items)
            if repr(token) in seen:
                break
            seen.add(repr(token))
        raise ProviderAnswerError(
            f"{self._where}: page {len(seen) + 1} leads back to an earlier one, or there are more than {PAGES}; expected an "
            "end; report it to the provider, or search a shorter period"
        )

    def open(self, href: str) -> AbstractContextManager[rasterio.DatasetReader]:
        """Raise `SceneUnreadableError`: the service has no files."""
        raise SceneUnreadableError(f"{href}: found no file, since {self.name} makes pixels on demand; fetch the scenes first")

    def pieces(self, scene: Scene, names: Sequence[str], grid: Grid) -> Iterator[tuple[str, Piece]]:
        """Yield the named assets over the chunks that the scene touches, in the grid's CRS and their own size of pixel.

        Raises
        ------
        ProviderError
            One of its children: the service fails or refuses, or the budget is spent. Assets that were yielded before are
            whole.
        """
        bounds = cells_of(shapely.union_all(boxes(grid)).bounds)
        for kind in KINDS:
            wanted = [n for n in kind.names if n in names]
            rects = rects_of(scene, grid, kind.pixel_m) if wanted else []
            if rects:
                arrays = self._merged(scene, wanted, grid, kind, rects, bounds)
                transform = Affine(kind.pixel_m, 0.0, bounds[0] * CELL_M, 0.0, -kind.pixel_m, bounds[3] * CELL_M)
                for name in wanted:
                    yield name, Piece(arrays.pop(name), transform, grid.crs)

    def _merged(
        self, scene: Scene, names: Sequence[str], grid: Grid, kind: Kind, rects: Sequence[Rect], bounds: Rect
    ) -> dict[str, np.ndarray]:
        """Windows of one request after the other, put together; 0 where there is no data."""
        script, outputs = evalscript(names), output_types(names)
        columns, rows = size_of(bounds, kind.pixel_m)
        arrays = {n: np.zeros((rows, columns), DTYPES[outputs[n]]) for n in names}

        def fetched(rect: Rect) -> dict[str, np.ndarray]:
            west, south, east, north = (edge * CELL_M for edge in rect)
            size = size_of(rect, kind.pixel_m)
            price = processing_units(*size, len(names))
            return self._service.process(
                Window(script, outputs, (west, south, east, north), grid.crs, size, _period(scene, names[0]), price)
            )

        with ThreadPoolExecutor(self.settings.patience.at_once) as pool:
            for rect, window in zip(rects, pool.map(fetched, rects), strict=True):
                left, top = size_of((bounds[0], rect[3], rect[0], bounds[3]), kind.pixel_m)
                width, height = size_of(rect, kind.pixel_m)
                for name in names:
                    arrays[name][top : top + height, left : left + width] = np.where(window["dataMask"] > 0, window[name], 0)
        return arrays

    def cost(self, scene: Scene, grid: Grid) -> Cost:
        """Return the pixels of 10 m and the processing units of exactly the requests that `pieces` makes for all assets."""
        units = 0.0
        for kind in KINDS:
            bands = sum(n in scene.assets for n in kind.names)
            rects = rects_of(scene, grid, kind.pixel_m) if bands else []
            units += sum(processing_units(*size_of(rect, kind.pixel_m), bands) for rect in rects)
        pixels = sum(columns * rows for columns, rows in (size_of(r, PIXEL_M) for r in rects_of(scene, grid, PIXEL_M)))
        return Cost(pixels, units)


def _takes(catalog: str) -> bool:
    """Whether the catalogue is an address of a Sentinel Hub service."""
    return catalog.startswith(SCHEMES) and bool(urlsplit(catalog).hostname)


PROVIDER = Provider(NAME, _takes, SentinelHub)

"""Looks at the sites of alerts, read back from the scenes: what evidence is made from."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import rasterio.features
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.transform import Affine

from pipeline import geo
from pipeline.alerts import Alert
from pipeline.aoi import PIXEL_M
from pipeline.cube import bands_of
from pipeline.evidence import EvidenceInputs, Look
from pipeline.indices import compute_all
from pipeline.io.pixels import read_acquisition
from pipeline.scenes import Acquisition

if TYPE_CHECKING:
    from pipeline.stages.publish import Publication

MARGIN_M = 200.0
"""Ground around a site that its pictures show."""
SERIES_INDICES = ("ndvi", "ndmi", "nbr", "mndwi", "bsi", "turbidity")
CLEAR_ENOUGH = 90.0
LARGEST_WINDOW_PX = 2048 * 2048
"""Sites that lie within so many pixels are looked at in one reading of each scene."""
LOOKS_TRIED = 8
"""Days that are tried for a clear picture of a site."""
ATTRIBUTION = "Contains modified Copernicus Sentinel data"
SIMULATED = "Simulated pixels, no real place"


@dataclass(frozen=True)
class Place:
    """An alert and the window of the grid around its site."""

    alert: Alert
    box: GeoBox
    inside: np.ndarray
    """bool (y, x): pixels of the site."""
    first: date
    until: date


def place_of(work: "Publication", alert: Alert) -> Place:
    """Return the window of a site."""
    outline = geo.reproject(alert.geometry, geo.WGS84, work.grid.crs)
    box = _box(outline.buffer(MARGIN_M).bounds, work.grid.crs)
    inside = rasterio.features.geometry_mask([outline], box.shape, box.affine, invert=True)
    until, first = _day(alert, "evaluated_on") or work.as_of, _day(alert, "first_detected_on") or work.as_of
    return Place(alert, box, inside, first, until)


def _box(bounds: tuple[float, float, float, float], crs: str) -> GeoBox:
    """Pixels of the grid that hold the bounds."""
    left, bottom, right, top = bounds
    x0, y0 = (np.floor(v / PIXEL_M) * PIXEL_M for v in (left, bottom))
    x1, y1 = (np.ceil(v / PIXEL_M) * PIXEL_M for v in (right, top))
    shape = (round((y1 - y0) / PIXEL_M), round((x1 - x0) / PIXEL_M))
    return GeoBox(shape, Affine(PIXEL_M, 0.0, x0, 0.0, -PIXEL_M, y1), crs)


def _day(alert: Alert, name: str) -> date | None:
    """A date of an alert."""
    text = alert.properties[name]
    return date.fromisoformat(text) if isinstance(text, str) else None


def observe(work: "Publication", places: Sequence[Place]) -> list[pd.DataFrame]:
    """Return the series of each place, a row for each acquisition that shows it."""
    with ThreadPoolExecutor(2) as pool:
        observed = [row for rows in pool.map(lambda a: _observe(work, a, places), work.acquisitions) for row in rows]
    return [pd.DataFrame([row for k, row in observed if k == i]) for i in range(len(places))]


def _observe(work: "Publication", acquisition: Acquisition, places: Sequence[Place]) -> list[tuple[int, dict[str, object]]]:
    """What one acquisition shows of each site: (number of the place, row of its series)."""
    wanted = [(i, p) for i, p in enumerate(places) if acquisition.solar_day <= p.until]
    if not wanted:
        return []
    lefts, bottoms, rights, tops = zip(*(p.box.boundingbox for _, p in wanted), strict=True)
    whole = _box((min(lefts), min(bottoms), max(rights), max(tops)), work.grid.crs)
    together = whole.shape[0] * whole.shape[1] <= LARGEST_WINDOW_PX
    shared = read_acquisition(acquisition, whole, work.reading)[0] if together else None
    rows = []
    for i, place in wanted:
        if together:
            cube = None if shared is None else _crop(shared, whole, place.box)
        else:
            cube = read_acquisition(acquisition, place.box, work.reading)[0]
        if cube is not None:
            rows.append((i, _row(acquisition, cube, place.inside)))
    return rows


def _crop(cube: xr.Dataset, whole: GeoBox, part: GeoBox) -> xr.Dataset:
    """The pixels of a window of the grid."""
    column = round((part.affine.c - whole.affine.c) / PIXEL_M)
    row = round((whole.affine.f - part.affine.f) / PIXEL_M)
    return cube.isel(y=slice(row, row + part.shape[0]), x=slice(column, column + part.shape[1]))


def _row(acquisition: Acquisition, cube: xr.Dataset, inside: np.ndarray) -> dict[str, object]:
    """Means of the indices over the clear pixels of a site, and how clear site and window are."""
    clear = cube["clear"].values[0]
    seen = clear & inside
    bands = {name: values[seen] for name, values in bands_of(cube, 0).items()}
    row: dict[str, object] = {
        "sensed_on": acquisition.solar_day,
        "scene_id": " ".join(s.id for s in acquisition.scenes),
        "clear_pct": round(100.0 * float(seen.sum()) / max(int(inside.sum()), 1), 1),
        "window_clear_pct": round(100.0 * float(clear.mean()), 1),
    }
    for key, found in compute_all(SERIES_INDICES, bands).items():
        values = found[np.isfinite(found)]
        row[key] = round(float(values.mean()), 4) if len(values) else np.nan
    return row


def inputs_of(work: "Publication", place: Place, series: pd.DataFrame) -> EvidenceInputs:
    """Return what pictures, rasters and series are made from, up to the day for which the alert speaks."""
    unchanged = _day(place.alert, "last_clear_unchanged_on") or place.first
    past = series[(series["sensed_on"] <= unchanged) & (series["sensed_on"] < place.first)]
    before = _clearest(past if len(past) else series)
    after = _clearest(series[series["sensed_on"] >= place.first])
    by_day = {a.solar_day: a for a in work.acquisitions}
    looks = [_look(work, by_day[day], place.box) for day in (before, after)]
    return EvidenceInputs(
        alert=place.alert, crs=work.grid.crs, transform=place.box.affine, before=looks[0], after=looks[1], series=series,
        scenes=_scene_records(work, place.alert, {before: by_day[before], after: by_day[after]}),
        attribution=SIMULATED if work.area.is_simulated else ATTRIBUTION, is_simulated=work.area.is_simulated,
    )  # fmt: skip


def _clearest(series: pd.DataFrame) -> date:
    """The last day that is clear enough over the site and around it, or the clearest of the last ones."""
    tried = series.sort_values("sensed_on", ascending=False).head(LOOKS_TRIED)
    share = 0.7 * tried["clear_pct"] + 0.3 * tried["window_clear_pct"]
    enough = np.flatnonzero(share.to_numpy() >= CLEAR_ENOUGH)
    best = int(enough[0]) if len(enough) else int(share.to_numpy().argmax())
    return date.fromisoformat(str(tried["sensed_on"].iloc[best])[:10])


def _look(work: "Publication", acquisition: Acquisition, box: GeoBox) -> Look:
    """One date over a window."""
    cube, failed = read_acquisition(acquisition, box, work.reading)
    if cube is None:
        raise next(iter(failed.values()))
    return Look(acquisition.solar_day, tuple(s.id for s in acquisition.scenes), bands_of(cube, 0), cube["clear"].values[0])


def _scene_records(work: "Publication", alert: Alert, used: Mapping[date, Acquisition]) -> list[Mapping[str, object]]:
    """The scenes that an alert rests on, with the digest of each file."""
    named = alert.properties["scenes"]
    wanted = set(named) if isinstance(named, list) else set()
    scenes = {s.id: s for a in work.acquisitions for s in a.scenes if s.id in wanted or a.solar_day in used}
    return [
        {
            "scene_id": s.id,
            "sensed_at": s.sensed_at.isoformat().replace("+00:00", "Z"),
            "processing_baseline": s.processing_baseline,
            "assets": {n: {"href": short_href(a.href), "sha256": _digest(a.href)} for n, a in sorted(s.assets.items())},
        }
        for s in sorted(scenes.values(), key=lambda s: (s.sensed_at, s.id))
    ]


def short_href(href: str) -> str:
    """Return an address without account and signature; of a local file its folder and name, which hold on any machine."""
    if "://" not in href:
        return "/".join(Path(href).parts[-2:])
    parts = urlsplit(href)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _digest(href: str) -> str | None:
    """SHA-256 of a local file; None for a remote one, of which only windows were read."""
    path = Path(href)
    if "://" in href or not path.exists():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

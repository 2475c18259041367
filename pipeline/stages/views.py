"""Pictures and series that go with the alerts: what evidence folders and the map show, read back from the scenes."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

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
from pipeline.delivery import MapInputs, map_html
from pipeline.errors import PipelineError
from pipeline.evidence import EvidenceInputs, Look, evidence_files, true_colour_png
from pipeline.indices import compute
from pipeline.io.outputs import write_whole
from pipeline.io.pixels import read_acquisition
from pipeline.ledger import Outcome
from pipeline.scenes import Acquisition

if TYPE_CHECKING:
    from pipeline.stages.publish import Publication

LOG = logging.getLogger(__name__)
MARGIN_M = 200.0
"""Ground around a site that its pictures show."""
SERIES_INDICES = ("ndvi", "ndmi", "nbr", "mndwi", "bsi", "turbidity")
CLEAR_ENOUGH = 90.0
LARGEST_WINDOW_PX = 2048 * 2048
"""Sites that lie within so many pixels are looked at in one reading of each scene."""
LOOKS_TRIED = 8
"""Days that are tried for a clear picture of a site."""
MAP_PX = 1400
"""Longer side of the map's pictures."""
ATTRIBUTION = "Contains modified Copernicus Sentinel data"
SIMULATED = "Simulated pixels, no real place"


# --- evidence --------------------------------------------------------------------------------------------------------


def write_evidence(work: "Publication", alerts: Sequence[Alert]) -> None:
    """Write the evidence folder of every alert that has none for its present revision."""
    due = [a for a in alerts if not _is_current(work.out / str(a.properties["evidence"]), a)]
    if not due:
        return
    LOG.info("%s: evidence of %d alerts", work.area.id, len(due))
    places = [_place(work, alert) for alert in due]
    with ThreadPoolExecutor(2) as pool:
        observed = [row for rows in pool.map(lambda a: _observe(work, a, places), work.acquisitions) for row in rows]
    for i, place in enumerate(places):
        series = pd.DataFrame([row for k, row in observed if k == i])
        if not series.empty:
            _write_folder(work, place, evidence_files(_inputs(work, place, series)))


def _is_current(folder: Path, alert: Alert) -> bool:
    """Whether a folder holds the evidence of this revision."""
    try:
        held = json.loads((folder / "alert.json").read_text(encoding="utf-8"))
        return (folder / "manifest.json").exists() and dict(held["properties"]) == json.loads(
            json.dumps(dict(alert.properties))
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


@dataclass(frozen=True)
class _Place:
    """An alert and the window of the grid around its site."""

    alert: Alert
    box: GeoBox
    inside: np.ndarray
    """bool (y, x): pixels of the site."""
    first: date
    until: date


def _place(work: "Publication", alert: Alert) -> _Place:
    """The window of a site."""
    outline = geo.reproject(alert.geometry, geo.WGS84, work.grid.crs)
    box = _box(outline.buffer(MARGIN_M).bounds, work.grid.crs)
    inside = rasterio.features.geometry_mask([outline], box.shape, box.affine, invert=True)
    until, first = _day(alert, "evaluated_on") or work.as_of, _day(alert, "first_detected_on") or work.as_of
    return _Place(alert, box, inside, first, until)


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


def _observe(work: "Publication", acquisition: Acquisition, places: Sequence[_Place]) -> list[tuple[int, dict[str, object]]]:
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
    bands = bands_of(cube, 0)
    row: dict[str, object] = {
        "sensed_on": acquisition.solar_day,
        "scene_id": " ".join(s.id for s in acquisition.scenes),
        "clear_pct": round(100.0 * float(seen.sum()) / max(int(inside.sum()), 1), 1),
        "window_clear_pct": round(100.0 * float(clear.mean()), 1),
    }
    for key in SERIES_INDICES:
        values = compute(key, bands)[seen]
        values = values[np.isfinite(values)]
        row[key] = round(float(values.mean()), 4) if len(values) else np.nan
    return row


def _write_folder(work: "Publication", place: _Place, files: Mapping[str, bytes]) -> None:
    """Write one evidence folder, its manifest last."""
    folder = work.out / str(place.alert.properties["evidence"])
    for name in sorted(files, key=lambda n: (n == "manifest.json", n)):
        write_whole(folder / name, files[name])


def _inputs(work: "Publication", place: _Place, series: pd.DataFrame) -> EvidenceInputs:
    """Everything an evidence folder is made from, up to the day for which the alert speaks."""
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
            "assets": {n: {"href": _short(a.href), "sha256": _digest(a.href)} for n, a in sorted(s.assets.items())},
        }
        for s in sorted(scenes.values(), key=lambda s: (s.sensed_at, s.id))
    ]


def _short(href: str) -> str:
    """An address as it is; of a local file its folder and name, which hold on any machine."""
    return href if "://" in href else "/".join(Path(href).parts[-2:])


def _digest(href: str) -> str | None:
    """SHA-256 of a local file; None for a remote one, of which only windows were read."""
    path = Path(href)
    if "://" in href or not path.exists():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- map -------------------------------------------------------------------------------------------------------------


def write_map(work: "Publication", alerts: Sequence[Alert], disturbances: Sequence[Alert]) -> None:
    """Write map.html."""
    clear = _clear_share_by_day(work)
    watched = {r.solar_day for r in work.ledger if r.outcome is Outcome.MONITORED}
    begin = min((d for d in watched if d), default=work.as_of)
    after_days = [d for d in sorted(clear, reverse=True) if clear[d] > 0]
    before_days = sorted((d for d in clear if d < begin), reverse=True) or sorted(clear)
    box = _map_box(work)
    before, before_label = _composite(work, box, before_days, clear)
    after, after_label = _composite(work, box, after_days, clear)
    html = map_html(
        MapInputs(
            title=f"{work.area.name}: suspected unlicensed extraction as of {work.as_of.isoformat()}",
            as_of=work.as_of, aoi_id=work.area.id, aoi_name=work.area.name, is_simulated=work.area.is_simulated,
            grid_crs=work.grid.crs, bounds=work.grid.bounds, before_png=true_colour_png(before),
            after_png=true_colour_png(after), before_label=before_label, after_label=after_label,
            area=work.area.geometry, alerts=alerts, disturbances=disturbances, titles=work.law.titles.records,
            protected=work.law.protected.records, attribution=SIMULATED if work.area.is_simulated else ATTRIBUTION,
        )
    )  # fmt: skip
    write_whole(work.out / "map.html", html)


def _clear_share_by_day(work: "Publication") -> dict[date, float]:
    """Mean clear share of each solar day over the chunks, in percent."""
    shares: dict[date, list[float]] = {}
    for row in work.ledger:
        if row.solar_day is not None and row.clear_pct is not None:
            shares.setdefault(row.solar_day, []).append(row.clear_pct)
    return {day: float(np.mean(values)) for day, values in shares.items()}


def _map_box(work: "Publication") -> GeoBox:
    """The grid of the map's pictures: the area's bounds, coarse enough for `MAP_PX`."""
    left, bottom, right, top = work.grid.bounds
    step = PIXEL_M * max(1.0, max(right - left, top - bottom) / PIXEL_M / MAP_PX)
    shape = (max(1, round((top - bottom) / step)), max(1, round((right - left) / step)))
    return GeoBox(shape, Affine((right - left) / shape[1], 0.0, left, 0.0, -(top - bottom) / shape[0], top), work.grid.crs)


def _composite(
    work: "Publication", box: GeoBox, days: Sequence[date], clear: Mapping[date, float]
) -> tuple[dict[str, np.ndarray], str]:
    """A picture of the clearest of the first days, its gaps filled from the others; and its label."""
    by_day = {a.solar_day: a for a in work.acquisitions}
    some = sorted((d for d in days[:10] if d in by_day), key=lambda d: (-round(clear.get(d, 0.0), -1), -d.toordinal()))
    picture: dict[str, np.ndarray] = {b: np.full(box.shape, np.nan, np.float32) for b in ("red", "green", "blue")}
    filled = np.zeros(box.shape, bool)
    used: list[date] = []
    for day in some[:5]:
        try:
            cube, _ = read_acquisition(by_day[day], box, replace(work.reading, dilation_px=1))
        except PipelineError:
            continue
        if cube is None:
            continue
        bands, take = bands_of(cube, 0), cube["clear"].values[0] & ~filled
        if take.mean() > 0.02:
            used.append(day)
        for name, layer in picture.items():
            layer[take] = bands[name][take]
        filled |= take
        if filled.mean() > 0.995:
            break
    label = f"{min(used)} to {max(used)}" if len(used) > 1 else str(used[0]) if used else "no clear look"
    return picture, label

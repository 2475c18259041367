"""Pictures and series that go with the alerts: what evidence folders and the map show, read back from the scenes."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
CLEAR_ENOUGH = 0.9
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
    if due:
        LOG.info("%s: evidence of %d alerts", work.area.id, len(due))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda a: _write_folder(work, a), due))


def _is_current(folder: Path, alert: Alert) -> bool:
    """Whether a folder holds the evidence of this revision."""
    try:
        held = json.loads((folder / "alert.json").read_text(encoding="utf-8"))
        return (folder / "manifest.json").exists() and dict(held["properties"]) == json.loads(
            json.dumps(dict(alert.properties))
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_folder(work: "Publication", alert: Alert) -> None:
    """Write one evidence folder, its manifest last."""
    files = evidence_files(_inputs(work, alert))
    folder = work.out / str(alert.properties["evidence"])
    for name in sorted(files, key=lambda n: (n == "manifest.json", n)):
        write_whole(folder / name, files[name])


def _window(work: "Publication", alert: Alert) -> GeoBox:
    """Grid window around a site."""
    left, bottom, right, top = geo.reproject(alert.geometry, geo.WGS84, work.grid.crs).bounds
    x0, y0 = (np.floor((v - MARGIN_M) / PIXEL_M) * PIXEL_M for v in (left, bottom))
    x1, y1 = (np.ceil((v + MARGIN_M) / PIXEL_M) * PIXEL_M for v in (right, top))
    shape = (round((y1 - y0) / PIXEL_M), round((x1 - x0) / PIXEL_M))
    return GeoBox(shape, Affine(PIXEL_M, 0.0, x0, 0.0, -PIXEL_M, y1), work.grid.crs)


def _day(alert: Alert, name: str) -> date | None:
    """A date of an alert."""
    text = alert.properties[name]
    return date.fromisoformat(text) if isinstance(text, str) else None


def _inputs(work: "Publication", alert: Alert) -> EvidenceInputs:
    """Everything an evidence folder is made from, up to the day for which the alert speaks."""
    window = _window(work, alert)
    until, first = _day(alert, "evaluated_on") or work.as_of, _day(alert, "first_detected_on") or work.as_of
    dilation = work.config.cube.cloud_dilation_px
    cubes: dict[date, tuple[Acquisition, xr.Dataset]] = {}
    for acquisition in (a for a in work.acquisitions if a.solar_day <= until):
        cube, _ = read_acquisition(acquisition, window, dilation_px=dilation)
        if cube is not None:
            cubes[acquisition.solar_day] = (acquisition, cube)
    unchanged = _day(alert, "last_clear_unchanged_on")
    past = [d for d in cubes if d <= (unchanged or first) and d < first] or list(cubes)
    outline = geo.reproject(alert.geometry, geo.WGS84, work.grid.crs)
    inside = rasterio.features.geometry_mask([outline], window.shape, window.affine, invert=True)
    before = _clearest(cubes, sorted(past, reverse=True), inside)
    after = _clearest(cubes, sorted((d for d in cubes if d >= first), reverse=True), inside)
    used = {a.solar_day: a for a in (cubes[before.sensed_on][0], cubes[after.sensed_on][0])}
    return EvidenceInputs(
        alert=alert, crs=work.grid.crs, transform=window.affine, before=before, after=after,
        series=_series(cubes, inside), scenes=_scene_records(work, alert, used),
        attribution=SIMULATED if work.area.is_simulated else ATTRIBUTION, is_simulated=work.area.is_simulated,
    )  # fmt: skip


def _clearest(cubes: Mapping[date, tuple[Acquisition, xr.Dataset]], days: Sequence[date], inside: np.ndarray) -> Look:
    """The first look that is clear enough over the site, or the clearest of those tried."""
    best, best_share = days[0], -1.0
    for day in days[:LOOKS_TRIED]:
        clear = cubes[day][1]["clear"].values[0]
        share = float(0.7 * clear[inside].mean() + 0.3 * clear.mean())
        if share > best_share:
            best, best_share = day, share
        if share >= CLEAR_ENOUGH:
            break
    acquisition, cube = cubes[best]
    return Look(best, tuple(s.id for s in acquisition.scenes), bands_of(cube, 0), cube["clear"].values[0])


def _series(cubes: Mapping[date, tuple[Acquisition, xr.Dataset]], inside: np.ndarray) -> pd.DataFrame:
    """Means of the indices over the clear pixels of the site, a row for each acquisition."""
    rows = []
    for day in sorted(cubes):
        acquisition, cube = cubes[day]
        seen = cube["clear"].values[0] & inside
        row: dict[str, object] = {
            "sensed_on": day,
            "scene_id": " ".join(s.id for s in acquisition.scenes),
            "clear_pct": round(100.0 * float(seen.sum()) / max(int(inside.sum()), 1), 1),
        }
        bands = bands_of(cube, 0)
        for key in SERIES_INDICES:
            values = compute(key, bands)[seen]
            values = values[np.isfinite(values)]
            row[key] = round(float(values.mean()), 4) if len(values) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


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
            area=work.area.geometry, alerts=alerts, disturbances=disturbances, titles=work.titles,
            protected=work.protected, attribution=SIMULATED if work.area.is_simulated else ATTRIBUTION,
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
            cube, _ = read_acquisition(by_day[day], box, dilation_px=1)
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

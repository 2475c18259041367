"""The map that goes with the alerts: pictures of the area, read back from the scenes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.transform import Affine

from pipeline.alerts import Alert
from pipeline.aoi import PIXEL_M
from pipeline.cube import bands_of
from pipeline.delivery import MapInputs, map_html
from pipeline.errors import PipelineError
from pipeline.evidence import true_colour_png
from pipeline.io.outputs import write_whole
from pipeline.io.pixels import read_acquisition
from pipeline.ledger import Outcome
from pipeline.stages.looks import ATTRIBUTION, SIMULATED

if TYPE_CHECKING:
    from pipeline.stages.publish import Publication

MAP_PX = 1400
"""Longer side of the map's pictures."""


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

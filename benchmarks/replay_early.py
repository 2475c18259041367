"""Early sites of a replayed catalogue, told from sites that began next door.

Replayed chips of unrelated places lie side by side, each with a day on which its mine begins. A site that began in one cell
and grew over the border is dated before the beginning of the other cell; that is no early alert. Here a site counts in the
cell that holds most of it.
"""

from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

NEW_MINING = ("mining_new", "mining_grown")


def early_of_own_sites(replay: Path, out: Path) -> tuple[int, int]:
    """Return of how many cells of new mining the first named site of their own is dated before their onset, and of how many."""
    cells = gpd.read_file(replay / "truth.geojson").reset_index(drop=True)
    sites = gpd.read_file(out / "alerts.geojson")
    if sites.empty:
        return 0, 0
    metric = cells.estimate_utm_crs()
    cut = gpd.overlay(
        cells[["geometry"]].to_crs(metric).assign(cell=range(len(cells))),
        sites[["geometry"]].to_crs(metric).assign(site=range(len(sites))), how="intersection", keep_geom_type=True,
    )  # fmt: skip
    cut["area"] = cut.area
    own = cut.sort_values(["site", "area", "cell"]).groupby("site").tail(1)
    is_target = cells.reading.isin(NEW_MINING) & (cells.reading_confidence >= 2) & (cells.reading_new_pct >= 5)
    named = (sites.likely_cause == "mining") & (sites.state == "confirmed")
    kept = own[own.cell.map(is_target) & own.site.map(named)]
    began, onset = (
        np.array([_day(v) for v in column]) for column in (sites.first_detected_on[kept.site], cells.onset[kept.cell])
    )
    first = pd.Series(began - onset).groupby(kept.cell.to_numpy()).min()
    return int((first < 0).sum()), len(first)


def _day(text: object) -> int:
    """Number of a day that starts an ISO text."""
    return date.fromisoformat(str(text)[:10]).toordinal()

"""Acquisitions: what is known of each Sentinel-2 scene before its pixels are read, and which scenes are used."""

from pipeline.scenes.choice import COVERED_SHARE, choose_scenes
from pipeline.scenes.dark_check import check_dark, looked_at_step
from pipeline.scenes.gaps import Gap, revisit_gaps
from pipeline.scenes.radiometry import (
    LARGEST_OFFSET,
    OFFSET_SINCE,
    OFFSET_SINCE_NUMBER,
    Radiometry,
    baseline_number,
    radiometry_of,
)
from pipeline.scenes.records import (
    BANDS,
    DATE_LINE_LON,
    SCL,
    Acquisition,
    Asset,
    Scene,
    Superseded,
    centre_lon,
    solar_day,
)

__all__ = [
    "BANDS",
    "COVERED_SHARE",
    "DATE_LINE_LON",
    "LARGEST_OFFSET",
    "OFFSET_SINCE",
    "OFFSET_SINCE_NUMBER",
    "SCL",
    "Acquisition",
    "Asset",
    "Gap",
    "Radiometry",
    "Scene",
    "Superseded",
    "baseline_number",
    "centre_lon",
    "check_dark",
    "choose_scenes",
    "looked_at_step",
    "radiometry_of",
    "revisit_gaps",
    "solar_day",
]

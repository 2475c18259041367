"""Acquisitions: what is known of each Sentinel-2 scene before its pixels are read, and which scenes are used.

Radiometry is a type. Where scale or offset of an asset cannot be known for certain it raises; it is never guessed
from the date, since reprocessed scenes of any date may carry the offset of processing baseline 04.00.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.errors import RadiometryUnknownError

BANDS: tuple[str, ...] = ("blue", "green", "red", "nir", "swir16", "swir22")
"""Reflectance bands in working order, by their STAC common names (B02 B03 B04 B08 B11 B12)."""
SCL = "scl"
"""Asset key of the scene classification layer."""
OFFSET_SINCE = "04.00"
"""First processing baseline whose products carry BOA_ADD_OFFSET (ESA, Sentinel-2 products specification 14.9)."""
OFFSET_SINCE_NUMBER = (4, 0)
"""The same as numbers that compare."""
LARGEST_OFFSET = 1.0
"""An offset of this size or more is in numbers (-1000), not in reflectance (-0.1)."""
DATE_LINE_LON = -169.0
"""Where the solar day changes: in the Bering Strait, so that tiles on both sides of 180 degrees share one."""
COVERED_SHARE = 0.9
"""A scene whose ground is covered to this share by scenes chosen before it is a duplicate, not a part."""


@dataclass(frozen=True, slots=True)
class Radiometry:
    """How the numbers of one asset become reflectance: `dn * scale + offset`; `nodata` is masked before that."""

    scale: float
    offset: float
    nodata: int = 0

    def to_reflectance(self, dn: np.ndarray) -> np.ndarray:
        """Return float32 surface reflectance of the same shape; NaN where the number is `nodata`.

        Examples
        --------
        >>> Radiometry(1e-4, -0.1).to_reflectance(np.array([0, 2000, 3000], "u2")).astype(float).round(6).tolist()
        [nan, 0.1, 0.2]
        """
        reflectance = dn.astype(np.float32)
        reflectance *= np.float32(self.scale)
        reflectance += np.float32(self.offset)
        reflectance[dn == self.nodata] = np.nan
        return reflectance


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a scene."""

    href: str
    radiometry: Radiometry | None
    """None for the scene classification, whose numbers are classes."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One Sentinel-2 acquisition over one tile, as one catalogue offers it."""

    id: str
    sensed_at: datetime
    """UTC."""
    platform: str
    tile: str
    """MGRS tile, or the catalogue's own name of the place where it gives none."""
    datatake_id: str
    """Datatake without the processing baseline, the same for every reprocessing."""
    processing_baseline: str
    """ESA's processing baseline such as `05.09`, or empty where the catalogue does not say."""
    footprint: BaseGeometry
    """Lon/lat outline of the data."""
    assets: Mapping[str, Asset]
    created: str = ""
    """When the catalogue says the item was made; breaks ties between equal baselines."""

    @property
    def solar_day(self) -> date:
        """Date of the local solar time at the footprint's centre."""
        return solar_day(self.sensed_at, centre_lon(self.footprint))


@dataclass(frozen=True, slots=True)
class Acquisition:
    """All chosen scenes of one solar day; where they overlap the first one counts."""

    solar_day: date
    scenes: tuple[Scene, ...]


@dataclass(frozen=True, slots=True)
class Superseded:
    """A scene that is not used because a better one shows the same ground of the same datatake."""

    scene: Scene
    chosen: Scene
    reason: str


def centre_lon(footprint: BaseGeometry) -> float:
    """Return the longitude of a footprint's centroid; a footprint cut at the antimeridian counts as one piece.

    Examples
    --------
    >>> halves = shapely.union(shapely.box(179.0, 0.0, 180.0, 1.0), shapely.box(-180.0, 0.0, -179.0, 1.0))
    >>> centre_lon(halves)
    180.0
    """
    west, _, east, _ = footprint.bounds
    if east - west > 180.0:
        footprint = shapely.transform(footprint, lambda p: p + np.where(p[:, :1] < 0.0, [360.0, 0.0], 0.0))
    return float(footprint.centroid.x)


def solar_day(sensed_at: datetime, lon: float) -> date:
    """Return the calendar day of the mean solar time at a longitude; it changes at `DATE_LINE_LON`, not at 180 degrees.

    Two tiles of one pass never get two days, else their overlap would count as two looks.

    Examples
    --------
    >>> solar_day(datetime(2024, 1, 1, 23, 30, tzinfo=UTC), 150.0)
    datetime.date(2024, 1, 2)
    >>> solar_day(datetime(2024, 1, 1, 22, 30, tzinfo=UTC), 179.5)
    datetime.date(2024, 1, 2)
    >>> solar_day(datetime(2024, 1, 1, 22, 30, tzinfo=UTC), -179.5)
    datetime.date(2024, 1, 2)
    """
    eastward = (lon - DATE_LINE_LON) % 360.0 + DATE_LINE_LON
    return (sensed_at.astimezone(UTC) + timedelta(hours=eastward / 15.0)).date()


def baseline_number(text: str) -> tuple[int, int] | None:
    """Return a processing baseline as two numbers that compare, or None where the text is none.

    Examples
    --------
    >>> baseline_number("05.09"), baseline_number("5.9"), baseline_number("N0509"), baseline_number("")
    ((5, 9), (5, 9), (5, 9), None)
    """
    found = re.fullmatch(r"N?(\d{1,2})\.?(\d{1,2})", text.strip())
    return (int(found[1]), int(found[2])) if found else None


def radiometry_of(
    band: Mapping[str, object], *, processing_baseline: str, offset_applied: bool | None, where: str
) -> Radiometry:
    """Return the radiometry that an item states for one asset.

    Parameters
    ----------
    band : mapping
        The asset's `raster:bands` record (or STAC 1.1 `bands` record): scale, offset, nodata.
    processing_baseline : str
        ESA's processing baseline, or empty when unknown.
    offset_applied : bool or None
        The provider's word that its pixels are already shifted (`earthsearch:boa_offset_applied`); None when silent.
    where : str
        Scene and asset, for messages.

    Raises
    ------
    RadiometryUnknownError
        Scale is absent, or the offset is absent, in other units, or contradicts the processing baseline.

    Notes
    -----
    A provider that says it applied the offset has pixels that need none, whatever `raster:bands` repeats
    (Element84/earth-search issue 66; allenai/rslearn pull request 689).
    """
    scale, offset, nodata = _number(band.get("scale")), _number(band.get("offset")), _number(band.get("nodata"))
    if scale is None or scale <= 0:
        raise RadiometryUnknownError(
            f"{where}: found scale {band.get('scale')!r}, expected a positive number in raster:bands; "
            "add scale and offset to the item, or take the scene from a provider that states them"
        )
    if offset_applied:
        return Radiometry(scale, 0.0, int(nodata or 0))
    baseline = baseline_number(processing_baseline)
    has_offset = None if baseline is None else baseline >= OFFSET_SINCE_NUMBER
    if offset is None and has_offset is False:
        return Radiometry(scale, 0.0, int(nodata or 0))
    if offset is None or abs(offset) >= LARGEST_OFFSET:
        raise RadiometryUnknownError(
            f"{where}: found offset {band.get('offset')!r} and processing baseline {processing_baseline or 'unknown'}, "
            f"expected an offset in reflectance (-0.1, say) in raster:bands or a baseline before {OFFSET_SINCE}; "
            "add the offset to the item"
        )
    if (offset == 0 and has_offset and offset_applied is False) or (offset != 0 and has_offset is False):
        raise RadiometryUnknownError(
            f"{where}: found offset {offset:g} with processing baseline {processing_baseline} and boa_offset_applied "
            f"{offset_applied}, which contradict each other: products before {OFFSET_SINCE} have no offset, later ones "
            "have -0.1 unless the provider took it off; correct the item's offset or the flag"
        )
    return Radiometry(scale, offset, int(nodata or 0))


def _number(value: object) -> float | None:
    """Finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return None
    return float(value)


def _preference(scene: Scene) -> tuple[tuple[int, int], str, str]:
    """Newest processing baseline, then latest made, then id."""
    return (baseline_number(scene.processing_baseline) or (0, 0), scene.created, scene.id)


def choose_scenes(scenes: Sequence[Scene]) -> tuple[list[Acquisition], list[Superseded]]:
    """Return the acquisitions in time order, each with the scenes to use, and the scenes that others supersede.

    Within one datatake and tile the newest processing baseline wins; a scene is superseded when the scenes chosen
    before it cover at least 90 % of its ground, else it is a part of a split tile and is kept. The order of `scenes`
    does not matter.
    """
    groups: dict[tuple[str, str], list[Scene]] = {}
    for scene in scenes:
        groups.setdefault((scene.tile, scene.datatake_id), []).append(scene)
    chosen: list[Scene] = []
    superseded: list[Superseded] = []
    for group in groups.values():
        kept: list[Scene] = []
        for scene in sorted(group, key=_preference, reverse=True):
            rival = _covered_by(scene, kept)
            if rival is None:
                kept.append(scene)
            else:
                superseded.append(Superseded(scene, rival, _superseded_reason(scene, rival)))
        chosen.extend(kept)
    days: dict[date, list[Scene]] = {}
    for scene in chosen:
        days.setdefault(scene.solar_day, []).append(scene)
    acquisitions = [Acquisition(day, tuple(sorted(days[day], key=lambda s: (s.sensed_at, s.id)))) for day in sorted(days)]
    return acquisitions, sorted(superseded, key=lambda s: s.scene.id)


def _covered_by(scene: Scene, kept: Sequence[Scene]) -> Scene | None:
    """Kept scene that overlaps most, where the kept ones cover `COVERED_SHARE` of the scene's ground."""
    if not kept:
        return None
    ground = scene.footprint.area
    covered = scene.footprint.intersection(shapely.union_all([k.footprint for k in kept])).area
    if ground > 0 and covered / ground < COVERED_SHARE:
        return None
    return max(kept, key=lambda k: (scene.footprint.intersection(k.footprint).area, k.id))


def _superseded_reason(scene: Scene, rival: Scene) -> str:
    """Why a scene is not used."""
    if scene.processing_baseline != rival.processing_baseline:
        return (
            f"processing baseline {scene.processing_baseline or 'unknown'} is older than "
            f"{rival.processing_baseline or 'unknown'} of {rival.id}"
        )
    return f"same datatake, tile and processing baseline as {rival.id}"

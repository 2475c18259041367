"""Acquisitions: what is known of each Sentinel-2 scene before its pixels are read, and which scenes are used.

Radiometry is a type. Where scale or offset of an asset cannot be known for certain it raises; it is never guessed
from the date, since reprocessed scenes of any date may carry the offset of processing baseline 04.00.
"""

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
        >>> Radiometry(1e-4, -0.1).to_reflectance(np.array([0, 1000, 3000], "u2")).tolist()
        [nan, 0.0, 0.20000000298023224]
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
        return solar_day(self.sensed_at, self.footprint.centroid.x)


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


def solar_day(sensed_at: datetime, lon: float) -> date:
    """Return the calendar day of the mean solar time at a longitude.

    Examples
    --------
    >>> solar_day(datetime(2024, 1, 1, 23, 30, tzinfo=UTC), 150.0)
    datetime.date(2024, 1, 2)
    """
    return (sensed_at.astimezone(UTC) + timedelta(hours=lon / 15.0)).date()


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
        Scale is absent, or the offset is absent or contradicts the processing baseline.

    Notes
    -----
    A provider that says it applied the offset has pixels that need none, whatever `raster:bands` repeats
    (Element84/earth-search issue 66; allenai/rslearn pull request 689).
    """
    scale, offset, nodata = band.get("scale"), band.get("offset"), band.get("nodata", 0)
    if not isinstance(scale, int | float) or scale <= 0:
        raise RadiometryUnknownError(
            f"{where}: found scale {scale!r}, expected a positive number in raster:bands; "
            "add scale and offset to the item, or take the scene from a provider that states them"
        )
    nodata = int(nodata) if isinstance(nodata, int | float) and np.isfinite(nodata) else 0
    if offset_applied:
        return Radiometry(float(scale), 0.0, nodata)
    if offset is None and processing_baseline and processing_baseline < OFFSET_SINCE:
        return Radiometry(float(scale), 0.0, nodata)
    if not isinstance(offset, int | float):
        raise RadiometryUnknownError(
            f"{where}: found no offset and processing baseline {processing_baseline or 'unknown'}, expected an offset "
            f"in raster:bands or a baseline before {OFFSET_SINCE}; add the offset to the item"
        )
    if offset == 0 and offset_applied is False and processing_baseline >= OFFSET_SINCE:
        raise RadiometryUnknownError(
            f"{where}: found offset 0 with processing baseline {processing_baseline} and boa_offset_applied false, "
            "which contradict each other; correct the item's offset (-0.1 in ESA's products) or the flag"
        )
    return Radiometry(float(scale), float(offset), nodata)


def _preference(scene: Scene) -> tuple[str, str, str]:
    """Newest processing baseline, then latest made, then id."""
    return (scene.processing_baseline, scene.created, scene.id)


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
    acquisitions = [
        Acquisition(day, tuple(sorted(days[day], key=lambda s: (s.sensed_at, s.id)))) for day in sorted(days)
    ]
    return acquisitions, sorted(superseded, key=lambda s: s.scene.id)


def _covered_by(scene: Scene, kept: Sequence[Scene]) -> Scene | None:
    """The kept scene that overlaps most, where the kept ones cover `COVERED_SHARE` of the scene's ground."""
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

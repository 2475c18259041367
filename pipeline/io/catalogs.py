"""Catalogues: the scenes of an area in a period, from whichever provider, or the named reason why there are none.

An item that cannot be used is never dropped: it comes back as `Unusable` with the named error, for the ledger.
"""

from collections.abc import Sequence
from datetime import date

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.aoi import Area
from pipeline.errors import AoiAxisOrderError, AoiOutsideScenesError, CatalogEmptyError
from pipeline.io.providers import Source, SourceSettings, Unusable, open_source
from pipeline.scenes import Scene


def find_scenes(
    catalog: str | Source, area: Area, *, until: date, start: date | None = None, absent_bands: Sequence[str] = (),
) -> tuple[list[Scene], list[Unusable]]:  # fmt: skip
    """Return the scenes that touch the area with a solar day in [start, until], and the items that cannot be used.

    Parameters
    ----------
    catalog : str or Source
        An opened catalogue, or the path or address of one that needs no settings.
    area : Area
        Where; it may cross the antimeridian.
    until, start : date
        Last and first solar day; all that the catalogue has before `until` where there is no first one.
    absent_bands : sequence of str
        Bands that a catalogue given by path does not have at all.

    Raises
    ------
    CatalogUnreadableError
        The catalogue cannot be opened.
    ProviderError
        One of its children: its server fails or refuses.
    CatalogEmptyError
        It holds no item at all, or none in the period.
    AoiOutsideScenesError, AoiAxisOrderError
        Its items lie elsewhere; the latter where they would touch the area with its axes swapped.
    """
    source = open_source(SourceSettings(catalog, absent_bands=tuple(absent_bands))) if isinstance(catalog, str) else catalog
    ground = geo.on_globe(area.geometry)
    found = list(source.scenes(area, start, until))
    scenes = [f for f in found if isinstance(f, Scene)]
    unusable = [f for f in found if isinstance(f, Unusable)]
    _explain_absence(str(source.settings.catalog), area, scenes, unusable)

    def is_wanted(day: date | None, footprint: BaseGeometry | None) -> bool:
        in_period = day is None or (day <= until and (start is None or start <= day))
        return in_period and (footprint is None or bool(footprint.intersects(ground)))

    return (
        [s for s in scenes if is_wanted(s.solar_day, s.footprint)],
        [u for u in unusable if is_wanted(u.solar_day, u.footprint)],
    )


def _explain_absence(catalog: str, area: Area, scenes: Sequence[Scene], unusable: Sequence[Unusable]) -> None:
    """Raise the named error where a catalogue holds nothing for the area."""
    if not scenes and not unusable:
        raise CatalogEmptyError(
            f"{catalog}: found no item, expected Sentinel-2 items over {area.id}; "
            "check that it links its items (a static one is named by its catalog.json) and, for an API, collection and period"
        )
    ground = geo.on_globe(area.geometry)
    footprints = [s.footprint for s in scenes]
    maybe = [u for u in unusable if u.footprint is None or u.footprint.intersects(ground)]
    if maybe or any(f.intersects(ground) for f in footprints):
        return
    footprints += [u.footprint for u in unusable if u.footprint is not None]
    swapped = shapely.transform(area.geometry, lambda p: p[:, ::-1])
    if any(f.intersects(swapped) for f in footprints):
        raise AoiAxisOrderError(
            f"area {area.id}: its coordinates touch no scene of {catalog}, but do with the axes swapped; "
            "GeoJSON wants longitude first, then latitude: swap them"
        )
    lies = ", ".join(f"{b:.3f}" for b in shapely.union_all(footprints).bounds)
    raise AoiOutsideScenesError(
        f"area {area.id} with bounds {', '.join(f'{b:.3f}' for b in area.geometry.bounds)} touches no scene of "
        f"{catalog}, whose scenes lie in {lies} (lon/lat); choose the catalogue or the area that fits"
    )

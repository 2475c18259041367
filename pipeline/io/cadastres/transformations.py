"""From the datum of a file to WGS 84: one published operation for all outlines of a layer, its name and its accuracy.

The operation is the best one that can be carried out where the outlines lie: one whose area of use a text of the file
names, else the first of PROJ's own order. Its accuracy is what the EPSG register states. Areas of use are boxes here, so
that operations of two countries can both fit a file; where they disagree by more than they state, the distance between
them is the accuracy. No accuracy of another datum is ever 0.
"""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from pyproj.transformer import AreaOfInterest, TransformerGroup
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.io.cadastres.crs import Bounds
from pipeline.tenure.minerals import plain_word

BALLPARK_M = 2500.0
"""Accuracy where no operation is published for the place, metres: the largest horizontal shift of the 798 operations of the
EPSG register to WGS 84 is 2,472 m (EPSG dataset of PROJ 9.5: Fatu Iva 72, Marquesas)."""
STATED_SHIFT_M = 44.0
"""Accuracy of shift parameters that a file itself gives (TOWGS84), metres: what the EPSG register states of the operations
that are known to 25 m on each of three axes (NIMA TR8350.2)."""
_WGS84 = re.compile(r"^(world geodetic system 1984|d?_?wgs_?(19)?84)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Transformation:
    """One operation from a CRS to lon/lat on WGS 84."""

    name: str
    """In words; empty where the CRS is on WGS 84 already."""
    accuracy_m: float
    """As published, metres; 0 only on WGS 84."""
    is_geographic: bool
    """Whether the numbers of the file are degrees."""
    note: str | None
    """What must be known of it, as a clause."""
    _change: Transformer | None = field(repr=False, compare=False, default=None)

    def lonlat(self, geometry: BaseGeometry) -> BaseGeometry:
        """Return the geometry in lon/lat; coordinates that the operation does not reach are infinite."""
        if self._change is None:
            return geometry
        change = self._change.transform

        def both(points: np.ndarray) -> np.ndarray:
            return np.column_stack(change(points[:, 0], points[:, 1])) if len(points) else points

        return shapely.transform(geometry, both)


LONLAT = Transformation("", 0.0, is_geographic=True, note=None)
"""Coordinates that are lon/lat on WGS 84 already."""


def is_wgs84(crs: CRS) -> bool:
    """Return whether coordinates are on WGS 84, in whatever projection."""
    geodetic = crs.geodetic_crs
    return not crs.is_bound and geodetic is not None and _WGS84.match(geodetic.datum.name if geodetic.datum else "") is not None


def choose_transformation(crs: str, *, typical: Bounds, texts: Iterable[str] = ()) -> Transformation:
    """Return the operation by which every outline of a layer is brought to WGS 84.

    Parameters
    ----------
    crs : str
        CRS of the outlines.
    typical : tuple of float
        Left, bottom, right, top of the outlines in that CRS.
    texts : iterable of str
        Name and texts of the file, in which the country may stand whose operation is meant.

    Returns
    -------
    Transformation
        Its accuracy is in metres and never 0 where the datum is not WGS 84.
    """
    source = CRS.from_user_input(crs)
    if is_wgs84(source):
        is_lonlat = source.is_geographic and source.equals(CRS.from_epsg(4326), ignore_axis_order=True)
        change = None if is_lonlat else Transformer.from_crs(source, geo.WGS84, always_xy=True)
        return Transformation("", 0.0, source.is_geographic, None, change)
    area = _area(source, typical)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of grids that are not installed: the note says it
        group = TransformerGroup(source, geo.WGS84, always_xy=True, area_of_interest=area)
    fitting = [operation for operation in group.transformers if not _is_ballpark(operation)]
    named = [operation for operation in fitting if _names_country(operation, texts)]
    best = (named or fitting or group.transformers)[0]
    note: str | None
    if source.is_bound:
        accuracy_m = STATED_SHIFT_M
        note = f"the CRS itself states the datum shift, of unknown accuracy: {STATED_SHIFT_M:g} m is taken"
    elif not fitting:
        accuracy_m, note = BALLPARK_M, _ballpark_note(source)
    else:
        accuracy_m, note = _accuracy(best, named or fitting, typical)
        note = "; ".join(clause for clause in (note, _missing_grid(group, accuracy_m)) if clause) or None
    return Transformation(_words(best, source), accuracy_m, source.is_geographic, note, best)


def _area(source: CRS, typical: Bounds) -> AreaOfInterest | None:
    """Area in degrees of the typical outlines, without a datum shift; None where the CRS does not reach them."""
    if source.is_geographic:
        corners = typical
    else:
        plain = Transformer.from_crs(source, source.geodetic_crs, always_xy=True)
        try:
            corners = plain.transform_bounds(*typical)
        except ProjError:
            return None
    left, bottom, right, top = corners
    if not np.isfinite(corners).all() or not (-180 <= left <= right <= 180 and -90 <= bottom <= top <= 90):
        return None
    return AreaOfInterest(left, bottom, right, top)


def _is_ballpark(operation: Transformer) -> bool:
    """Whether an operation only renames the datum."""
    return operation.accuracy < 0 or "ballpark" in operation.description.lower()


def _names_country(operation: Transformer, texts: Iterable[str]) -> bool:
    """Whether the texts name a country of the area of use."""
    area = operation.area_of_use.name if operation.area_of_use else ""
    pieces = re.split(r" - |;|,", area)
    names = {plain_word(re.sub(r"[.(].*", "", piece).strip()) for piece in pieces} - {"", "onshore", "offshore"}
    words = plain_word(" ".join(texts).replace("_", " "))
    return any(re.search(rf"\b{re.escape(name)}\b", words) for name in names)


def _accuracy(best: Transformer, fitting: list[Transformer], typical: Bounds) -> tuple[float, str | None]:
    """Accuracy of the best operation in metres; the distance to another one that contradicts it where that is more."""
    x, y = (typical[0] + typical[2]) / 2, (typical[1] + typical[3]) / 2
    lon, lat = best.transform(x, y)
    contradiction = 0.0
    for other in fitting:
        area = other.area_of_use
        if other is best or area is None or not (area.west <= lon <= area.east and area.south <= lat <= area.north):
            continue
        apart = geo.GEOD.inv(lon, lat, *other.transform(x, y))[2]
        if apart > best.accuracy + other.accuracy:
            contradiction = max(contradiction, apart)
    if contradiction <= best.accuracy:
        return float(best.accuracy), None
    return round(contradiction, 1), (
        f"operations of other countries fit the place as well and differ by up to {contradiction:.0f} m from the one taken, "
        "which states {:g} m; name the country in the file's name to settle it".format(best.accuracy)
    )


def _ballpark_note(source: CRS) -> str:
    """What to say where no operation is published for the place."""
    datum = source.geodetic_crs.name if source.geodetic_crs is not None else source.name
    return (
        f"no operation from {datum} to WGS 84 is published for this place: the datum was not shifted, and outlines may be "
        f"off by hundreds of metres ({BALLPARK_M:g} m is taken); ask the publisher for its parameters and pass them as a CRS "
        "with towgs84"
    )


def _missing_grid(group: TransformerGroup, accuracy_m: float) -> str | None:
    """Say which better operation needs a grid that is not installed."""
    better = [o for o in group.unavailable_operations if 0 <= o.accuracy < accuracy_m]
    if not better:
        return None
    first = min(better, key=lambda operation: operation.accuracy)
    grids = ", ".join(grid.short_name for grid in first.grids if not grid.available) or "a grid"
    return f"a better operation, {first.name} ({first.accuracy:g} m), needs {grids}, which is not installed"


def _words(operation: Transformer, source: CRS) -> str:
    """Name of an operation without the steps that only turn axes."""
    steps = [step for step in operation.description.split(" + ") if not step.startswith("axis order change")]
    return " + ".join(steps) if steps else f"{source.name} taken as WGS 84"

"""What a simulated date shows that is no change of the ground: a drought, slopes in the shade, faults of a product.

They have no outline; `conditions.json` beside the truth lists them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from pipeline.demo.landscapes import Setting
from pipeline.demo.river import dryness
from pipeline.demo.signatures import Cover, Signatures
from pipeline.demo.terrain import SHADED, Terrain
from pipeline.scenes import BANDS

GRASS_FALL, TREE_FALL = 0.18, 0.11
"""By how much NDVI falls at the height of a drought, on grass and on trees. Chosen."""
GRASSES = (Cover.GRASS, Cover.PASTURE, Cover.LOW_VEGETATION, Cover.CROP)
LEAST_NDVI = 0.12
"""No drought dries plants below it."""
DROUGHT_DAYS = (120, 170)
"""Length of a drought."""
RAMP_DAYS = 25.0
"""In how many days it comes and goes."""
SWIR_RISE = 0.12
"""By how much dry leaves are brighter in the short-wave infrared."""
SHADED_SHARE = 0.005
"""Share of dark ground from which terrain shadow is listed."""
LINES = (3, 9)
"""Lines of a faulty stripe."""


@dataclass(frozen=True, slots=True)
class Drought:
    """A dry spell."""

    first: date
    last: date

    def strength(self, when: date) -> float:
        """Return 0 outside, 1 at its height, linear in between."""
        inside = min((when - self.first).days, (self.last - when).days)
        return float(np.clip(inside / RAMP_DAYS, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Artefact:
    """Faulty lines of one band on one date."""

    band: str
    top: int
    bottom: int
    number: int
    """What the product holds there: 0 (no data) or 65535 (saturated)."""
    is_flagged: bool
    """Whether the scene classes say so (1, saturated or defective)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """All of it for one world."""

    terrain: Terrain | None = None
    drought: Drought | None = None
    artefacts: Mapping[int, Artefact] = field(default_factory=dict)
    """By day from the start."""
    shifts: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """By day from the start: whole pixels (rows, columns) by which that date is misplaced."""

    def light(self, when: date) -> np.ndarray | None:
        """Return float32 (band, y, x), what the relief multiplies reflectance by; None on level ground."""
        return None if self.terrain is None else self.terrain.light(when)

    def dryness_factor(self, signatures: Signatures, when: date) -> np.ndarray:
        """Return float32 (cover, band): what the drought multiplies reflectance by, 1 without one."""
        factor = np.ones_like(signatures.mean)
        strength = self.drought.strength(when) if self.drought is not None else 0.0
        if strength == 0.0:
            return factor
        usual = signatures.mean * signatures.season_factor(when.timetuple().tm_yday)
        red, nir = BANDS.index("red"), BANDS.index("nir")
        ndvi = (usual[:, nir] - usual[:, red]) / (usual[:, nir] + usual[:, red])
        fall = np.where(np.isin(np.arange(len(ndvi)), GRASSES), GRASS_FALL, TREE_FALL) * strength
        fall = np.clip(np.where(ndvi > 2.0 * LEAST_NDVI, fall, 0.0), 0.0, np.maximum(ndvi - LEAST_NDVI, 0.0))
        dry = ndvi - fall
        pull = np.sqrt((1.0 - dry) / (1.0 + dry) * (1.0 + ndvi) / (1.0 - ndvi))
        factor[:, red], factor[:, nir] = pull, 1.0 / pull
        for band in ("swir16", "swir22"):
            factor[:, BANDS.index(band)] = 1.0 + SWIR_RISE * (fall > 0.0) * strength
        return factor


CALM = Conditions()
"""Level ground, no drought, no faults."""


def make_conditions(
    rng: np.random.Generator, setting: Setting, terrain: Terrain, start: date, day_numbers: Sequence[int]
) -> Conditions:
    """Return the conditions of a world whose dates are `day_numbers` days after its start; the same seed, the same ones.

    A drought (where plants grow) in the second half, one date with lines of no data that the scene classes flag, one with
    saturated lines that they do not, and one date in forty or so, at least one, misplaced by a whole pixel;
    these in dry months where there are any.
    """
    days = day_numbers[-1] + 1
    pace = min(1.0, days / 730.0)
    first = round(rng.uniform(0.45, 0.65) * days)
    lasts = round(rng.uniform(*DROUGHT_DAYS) * pace)
    drought = Drought(start + timedelta(days=first), start + timedelta(days=first + lasts)) if setting.is_green else None
    dry = [dryness((start + timedelta(days=day)).timetuple().tm_yday) > 0.0 for day in day_numbers]
    order = sorted((int(n) for n in rng.permutation(len(day_numbers))), key=lambda n: not dry[n])  # less cloud hides them
    odd = order[: 2 + max(1, len(day_numbers) // 40)]
    rows = terrain.height_m.shape[0]
    artefacts = {}
    for position, number, is_flagged in zip(odd, (0, 65535), (True, False), strict=False):
        height = int(rng.integers(*LINES))
        top = int(rng.integers(0, rows - height))
        band = BANDS[int(rng.integers(len(BANDS)))]
        artefacts[day_numbers[position]] = Artefact(band, top, top + height, number, is_flagged)
    steps = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1))
    shifts = {day_numbers[position]: steps[int(rng.integers(len(steps)))] for position in odd[2:]}
    return Conditions(terrain, drought, artefacts, shifts)


def moved(image: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    """Return an image (..., y, x) moved down and to the right by whole pixels; edge pixels repeat."""
    rows, columns = image.shape[-2:]
    y = np.clip(np.arange(rows) - shift[0], 0, rows - 1)
    x = np.clip(np.arange(columns) - shift[1], 0, columns - 1)
    return np.asarray(image[..., y[:, None], x[None, :]])


def condition_records(conditions: Conditions, start: date, days: int) -> list[dict[str, object]]:
    """Return what `conditions.json` lists: kind and date or dates of each, earliest of a kind first."""
    found: list[dict[str, object]] = []
    if conditions.drought is not None:
        span = {"from_on": conditions.drought.first.isoformat(), "until_on": conditions.drought.last.isoformat()}
        found.append({"kind": "drought", **span, "ndvi_fall_grass": GRASS_FALL, "ndvi_fall_trees": TREE_FALL})
    for day, artefact in sorted(conditions.artefacts.items()):
        facts = {
            "on": (start + timedelta(days=day)).isoformat(),
            "band": artefact.band,
            "rows": [artefact.top, artefact.bottom],
        }
        found.append({"kind": "artefact", **facts, "number": artefact.number, "is_flagged": artefact.is_flagged})
    for day, shift in sorted(conditions.shifts.items()):
        found.append({"kind": "shift", "on": (start + timedelta(days=day)).isoformat(), "shift_px": list(shift)})
    return [*found, *_shadow_record(conditions.terrain, start, days)]


def _shadow_record(terrain: Terrain | None, start: date, days: int) -> list[dict[str, object]]:
    """Share of dark ground by month (the 15th), and the darkest; nothing where hardly any is."""
    if terrain is None:
        return []
    months = sorted({(start + timedelta(days=day)).month for day in range(0, days, 15)})
    share = {month: float((terrain.sunlight(date(start.year, month, 15)) < SHADED).mean()) for month in months}
    darkest = max(months, key=lambda month: share[month])
    if share[darkest] < SHADED_SHARE:
        return []
    by_month = {str(month): round(share[month], 4) for month in months}
    return [{"kind": "terrain_shadow", "darkest_month": darkest, "share_by_month": by_month}]

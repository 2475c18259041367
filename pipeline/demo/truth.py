"""What really happened in the simulated world, as GeoJSON features: mines and look-alikes."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from pipeline.demo.catalog import feature
from pipeline.demo.frame import Frame
from pipeline.demo.lookalikes import LookAlike
from pipeline.demo.mine import Mine
from pipeline.demo.signatures import Cover

PIXEL_HA = 0.01
CLEARED = (Cover.SCAR, Cover.LOW_VEGETATION)
BARE = (Cover.TAILINGS, Cover.OLD_MINE)
PONDS = (Cover.SHALLOW_POND, Cover.POND)


def truth_features(
    mines: Sequence[Mine], looks: Sequence[LookAlike], end_cover: np.ndarray, frame: Frame, start: date
) -> list[dict[str, object]]:
    """Return one feature per mine (kind `mining`) and per look-alike, given the cover (y, x) of the last day.

    Hectares count pixels of 100 square metres on the grid, which here is within 0.1 % of ground.
    """
    features = [
        feature(frame.outline(mine.top, mine.left, mine.ground), _mine_facts(mine, end_cover, start), mine.id) for mine in mines
    ]
    for number, look in enumerate(looks, start=1):
        name = f"L{number:02d}"
        facts = {
            "id": name,
            "kind": look.kind,
            "onset_on": _day(start, look.first_day),
            "area_ha": round(float(look.ground.sum()) * PIXEL_HA, 2),
        }
        features.append(feature(frame.outline(look.top, look.left, look.ground), facts, name))
    return features


def _mine_facts(mine: Mine, end_cover: np.ndarray, start: date) -> dict[str, object]:
    """Properties of a mine."""
    top, left, bottom, right = mine.box
    cover = end_cover[top:bottom, left:right][mine.ground]

    def hectares(covers: tuple[Cover, ...]) -> float:
        return round(float(np.isin(cover, covers).sum()) * PIXEL_HA, 2)

    is_old = mine.plan.onset_share is None
    return {
        "id": mine.id,
        "kind": "mining",
        "onset_on": None if is_old else _day(start, mine.steps[0][0]),
        "finished_on": _day(start, mine.finished_day),
        "area_ha": round(float(mine.ground.sum()) * PIXEL_HA, 2),
        "clearing_ha": hectares(CLEARED),
        "tailings_ha": hectares(BARE),
        "pond_ha": hectares(PONDS),
        "steps": [{"on": _day(start, day), "area_ha": round(pixels * PIXEL_HA, 2)} for day, pixels in mine.steps],
        "tenure_status": mine.plan.tenure_status,
    }


def _day(start: date, day: int | None) -> str | None:
    """ISO date of a day counted from the start."""
    return None if day is None else (start + timedelta(days=day)).isoformat()

"""What really happened in the simulated world, as GeoJSON features: mines, their stages and look-alikes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from pipeline.demo.catalog import feature
from pipeline.demo.frame import Frame
from pipeline.demo.landscape import NEVER
from pipeline.demo.lookalikes import FEW, LookAlike
from pipeline.demo.mine import Mine
from pipeline.demo.signatures import Cover

PIXEL_HA = 0.01
CLEARED = (Cover.SCAR, Cover.LATERITE, Cover.LOW_VEGETATION, Cover.GRASS)
BARE = (
    Cover.TAILINGS, Cover.OLD_MINE, Cover.PIT, Cover.SPOIL, Cover.FRESH_LATERITE, Cover.BENCH, Cover.ARID_PIT,
    Cover.ARID_SPOIL, Cover.CUT_SLOPE,
)  # fmt: skip
PONDS = (Cover.SHALLOW_POND, Cover.POND, Cover.LEACH_POND)
STAGES = {
    Cover.SCAR: "clearing", Cover.LATERITE: "clearing",
    **dict.fromkeys(BARE, "tailings"), **dict.fromkeys(PONDS, "pond"),
    Cover.LOW_VEGETATION: "greening", Cover.GRASS: "greening", Cover.REGROWTH: "greening",
}  # fmt: skip
"""Stage of mining that each cover of a mine belongs to; `greening` counts as `clearing_ha` while plants are low."""


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
        if look.kind not in FEW or look.finished_day is not None:
            facts["finished_on"] = _day(start, look.finished_day)
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


def stage_features(mines: Sequence[Mine], frame: Frame, start: date, days: int) -> list[dict[str, object]]:
    """Return one feature (kind `mining_stage`) per mine, stage and period: the ground that was in it all that while.

    On a day D the ground of a stage is the union of its features with `from_on` <= D < `until_on`; `until_on` is null
    where the stage lasts past the end of the world.
    """
    features = []
    for mine in mines:
        for stage, first, last, ground in _periods(mine, days, STAGES):
            facts = {
                "id": f"{mine.id}-{stage}-{first}-{last if last < NEVER else 'end'}",
                "kind": "mining_stage",
                "mine_id": mine.id,
                "stage": stage,
                "from_on": _day(start, first),
                "until_on": _day(start, last if last < NEVER else None),
                "area_ha": round(float(ground.sum()) * PIXEL_HA, 2),
            }
            features.append(feature(frame.outline(mine.top, mine.left, ground), facts, str(facts["id"])))
    return features


def look_stage_features(
    looks: Sequence[LookAlike], frame: Frame, start: date, days: int
) -> list[dict[str, object]]:  # fmt: skip
    """Return one feature (kind `lookalike_stage`) per look-alike, ground cover and period, as `stage_features` does.

    Only kinds that are not in every world; `stage` is the name of the cover, and `look_id` that of the truth feature.
    """
    features = []
    names = {cover: cover.name.lower() for cover in Cover}
    for number, look in enumerate(looks, start=1):
        if look.kind in FEW:
            continue
        for stage, first, last, ground in _periods(look, days, names):
            facts = {
                "id": f"L{number:02d}-{stage}-{first}-{last if last < NEVER else 'end'}",
                "kind": "lookalike_stage",
                "look_id": f"L{number:02d}",
                "look_kind": look.kind,
                "stage": stage,
                "from_on": _day(start, first),
                "until_on": _day(start, last if last < NEVER else None),
                "area_ha": round(float(ground.sum()) * PIXEL_HA, 2),
            }
            features.append(feature(frame.outline(look.top, look.left, ground), facts, str(facts["id"])))
    return features


def _periods(
    mine: Mine | LookAlike, days: int, stages: Mapping[Cover, str]
) -> Iterator[tuple[str, int, int, np.ndarray]]:  # fmt: skip
    """Stage, first day, day after the last (NEVER past the world's end) and pixels of the mine that share them.

    A later event of the mine hides the earlier ones, so a cover lasts until the first day of any that follows it.
    """
    later = np.full(mine.ground.shape, NEVER, dtype=np.int64)
    begun = later.copy()
    for number in range(len(mine.events) - 1, -1, -1):
        event = mine.events[number]
        begun = np.minimum(begun, np.maximum(event.day, 0))
        stage = stages[event.cover]
        if number and stages[mine.events[number - 1].cover] == stage:
            continue
        until = np.where(later < days, later, NEVER)
        lasts = (begun < until) & (begun < days)
        for first, last in sorted(set(zip(begun[lasts].tolist(), until[lasts].tolist(), strict=True))):
            yield stage, first, last, lasts & (begun == first) & (until == last)
        later = np.minimum(later, begun)
        begun = np.full_like(later, NEVER)


def _day(start: date, day: int | None) -> str | None:
    """ISO date of a day counted from the start."""
    return None if day is None else (start + timedelta(days=day)).isoformat()

"""Which scenes are used: one per datatake and ground, the newest processing baseline first."""

from collections.abc import Sequence
from datetime import date

import shapely

from pipeline.scenes.radiometry import baseline_number
from pipeline.scenes.records import Acquisition, Scene, Superseded

COVERED_SHARE = 0.9
"""A scene whose ground is covered to this share by scenes chosen before it is a duplicate, not a part."""

TEST_SINCE = (90, 0)
"""Processing baselines from here on are ESA's tests, whose items may point to files that do not exist (99.05 in
openeo-geopyspark-driver issue 1834)."""


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
    if (baseline_number(scene.processing_baseline) or (0, 0)) >= TEST_SINCE:
        return f"processing baseline {scene.processing_baseline} is a test and gives way to {rival.id}"
    if scene.processing_baseline != rival.processing_baseline:
        return (
            f"processing baseline {scene.processing_baseline or 'unknown'} is older than "
            f"{rival.processing_baseline or 'unknown'} of {rival.id}"
        )
    return f"same datatake, tile and processing baseline as {rival.id}"


def _preference(scene: Scene) -> tuple[tuple[int, int], str, str]:
    """Newest processing baseline, then latest made, then id; a test baseline comes last."""
    number = baseline_number(scene.processing_baseline) or (0, 0)
    return (number if number < TEST_SINCE else (-1, 0), scene.created, scene.id)

"""Look-alikes that water and slopes make by themselves: landslides and oxbows that silt up.

Sizes and times are chosen, not measured.
"""

import numpy as np

from pipeline.demo.landscape import NEVER
from pipeline.demo.lookalikes import LookAlike, events_of
from pipeline.demo.rooms import Surroundings
from pipeline.demo.signatures import Cover
from pipeline.demo.texture import smooth_field

SLIDES = 2
SLIDE_PX = (20.0, 4.5)
"""Length and width of a landslide."""
SLIDE_GREEN_DAYS = (200.0, 620.0)
"""When its upper and its lower pixels green: debris is colonised from below."""
OXBOW_PX, OXBOW_WIDTH_PX = 12.0, 5.0
"""Radius and width of a cut-off channel."""
SILTING_DAYS = 150.0
"""How long it takes from the first mud at its ends to the last in the middle."""


def landslides(rng: np.random.Generator, around: Surroundings) -> list[LookAlike]:
    """Return bare scars, long and narrow, down the steepest free slopes; they green slowly, from the foot upwards."""
    found = []
    for _ in range(SLIDES):
        side = around.pixels(SLIDE_PX[0] + 4.0, 12)
        window = around.rooms.box(rng, side, side, around.terrain.slope)
        if window is None:
            continue
        fall = np.array([around.terrain.north[window].mean(), -around.terrain.east[window].mean()])
        fall /= max(float(np.hypot(*fall)), 1e-6)
        y, x = np.indices((side, side)) - (side - 1) / 2.0
        down, across = y * fall[0] + x * fall[1], x * fall[0] - y * fall[1]
        share = np.clip(down / (side - 4.0) + 0.5, 0.0, 1.0)
        half = SLIDE_PX[1] / 2.0 * max(around.scale, 0.6) * (0.6 + 0.8 * share)
        half = half * np.sqrt(np.clip(1.0 - (2.0 * down / (side - 4.0)) ** 4, 0.0, 1.0))
        bent = across + 0.6 * smooth_field(rng, (side, side), 6.0)
        ground = around.rooms.take(window, np.abs(bent) < half)
        day = around.day(rng, 0.58, 0.85)
        top, left = window[0].start, window[1].start
        wait = np.rint(np.interp(1.0 - share, (0.0, 1.0), SLIDE_GREEN_DAYS) / 30.0) * 30.0 * around.pace
        green = np.where(ground, np.rint(day + wait), NEVER).astype(int)
        events = events_of(
            top, left, ((Cover.CUT_SLOPE, np.where(ground, day, NEVER)), (around.landscape.setting.green, green))
        )
        found.append(LookAlike("landslide", top, left, ground, day, events, around.end_of(green, ground)))
    return found


def silting_oxbow(rng: np.random.Generator, around: Surroundings) -> list[LookAlike]:
    """Return a cut-off channel that is water at first, then mud from its ends inwards, then green."""
    radius = around.pixels(OXBOW_PX, 7)
    side = 2 * radius + 5
    window = around.rooms.box(rng, side, side)
    if window is None:
        return []
    y, x = np.indices((side, side)) - (side - 1) / 2.0
    turn = np.abs((np.arctan2(y, x) - rng.uniform(0.0, 2.0 * np.pi) + np.pi) % (2.0 * np.pi) - np.pi)
    half = OXBOW_WIDTH_PX / 2.0 * max(around.scale, 0.7) * np.clip(1.15 - (turn / 2.2) ** 4, 0.0, 1.0)
    edge = half - np.abs(np.hypot(y, x) - radius)
    ground = around.rooms.take(window, edge > 0.0)
    first = around.day(rng, 0.45, 0.6)
    depth = np.clip(0.75 * (1.0 - turn / 2.4) + 0.25 * edge / max(float(edge.max()), 1e-6), 0.0, 1.0)
    mud = np.where(ground, np.rint(first + np.round(depth * 6) / 6 * SILTING_DAYS * around.pace), NEVER).astype(int)
    green = np.where(ground, mud + round(90 * around.pace), NEVER)
    top, left = window[0].start, window[1].start
    days = ((Cover.CLEAR_WATER, np.where(ground, 0, NEVER)), (Cover.MUD, mud), (around.landscape.setting.green, green))
    first = int(mud[ground].min()) if ground.any() else first
    return [LookAlike("oxbow", top, left, ground, first, events_of(top, left, days), around.end_of(green, ground))]

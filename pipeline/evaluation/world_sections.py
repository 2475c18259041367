"""Scores of simulated worlds, pooled by landscape: figures with intervals, tables and plots.

Intervals of shares are Wilson's and those of means resample mines: sites and mines count as independent, whichever world
they are of. They say how far chance reaches within the simulation, and nothing about real ground.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.alerts import LikelyCause
from pipeline.evaluation.document import Cell, Plot, Section, Series, Table
from pipeline.evaluation.intervals import Figure, median, proportion, rate, resampled_figure
from pipeline.evaluation.world_lag import MAPPABLE_HA, MineLag
from pipeline.evaluation.world_score import MAJORITY, Match, MineVerdict, SiteVerdict, WorldScore, is_alerted, score_world
from pipeline.evaluation.world_truth import CHANGE_KINDS, GREENING

SMALLEST_HA = 0.5
"""Sites and mines from here on count for the main precision and recall: 0.5 ha is where published systems trust themselves."""
HECTARE_BINS = (0.0, 0.3, 0.5, 1.0, 2.0, 5.0, np.inf)
UNIT_KM2 = 10_000.0


@dataclass(frozen=True, slots=True)
class LandscapeScore:
    """All worlds of one landscape."""

    landscape: str
    worlds: tuple[WorldScore, ...]

    @property
    def sites(self) -> list[SiteVerdict]:
        """Sites of all worlds."""
        return [site for world in self.worlds for site in world.sites]

    @property
    def mines(self) -> list[MineVerdict]:
        """Mines of all worlds that had new ground and were seen."""
        return [mine for world in self.worlds for mine in world.mines]

    @property
    def matches(self) -> list[Match]:
        """Matches of all worlds."""
        return [match for world in self.worlds for match in world.matches]


def score_worlds(pairs: Iterable[tuple[Path, Path]]) -> tuple[LandscapeScore, ...]:
    """Return the scores of pairs of world and run, pooled by landscape in the order of their names."""
    return by_landscape(score_world(world, run) for world, run in pairs)


def by_landscape(scores: Iterable[WorldScore]) -> tuple[LandscapeScore, ...]:
    """Return scores pooled by landscape, landscapes in the order of their names, worlds as they came."""
    pooled: dict[str, list[WorldScore]] = {}
    for score in scores:
        pooled.setdefault(score.landscape, []).append(score)
    return tuple(LandscapeScore(name, tuple(pooled[name])) for name in sorted(pooled))


def _share(items: Sequence[object], hits: Iterable[bool], of: str) -> Figure:
    """A share of items."""
    return proportion(sum(hits), len(items), of)


def world_figures(pooled: LandscapeScore, *, resamples: int = 1000, seed: int = 0) -> dict[str, Figure]:
    """Return the figures of a landscape by name: precision, recall, outlines, false alerts."""
    large = [s for s in pooled.sites if s.area_ha >= SMALLEST_HA]
    alerted = [s for s in large if is_alerted(s.cause)]
    named = [s for s in large if s.cause == LikelyCause.MINING]
    mines = [m for m in pooled.mines if m.ground_ha >= SMALLEST_HA - 1e-9]
    told = [s for s in pooled.sites if is_alerted(s.cause)]
    told_ha, mined_ha = np.array([s.area_ha for s in told]), np.array([s.area_ha * s.mined_share for s in told])
    iou = np.array([m.iou for m in pooled.matches])
    exposure = sum(w.area_km2 * w.months for w in pooled.worlds) / UNIT_KM2
    return {
        "site_precision_alerted": _share(alerted, (s.is_true for s in alerted), "sites"),
        "site_precision_named": _share(named, (s.is_true for s in named), "sites"),
        "site_recall_detected": _share(mines, (m.covered >= MAJORITY for m in mines), "mines"),
        "site_recall_alerted": _share(mines, (m.covered_alerted >= MAJORITY for m in mines), "mines"),
        "site_recall_named": _share(mines, (m.covered_named >= MAJORITY for m in mines), "mines"),
        "site_recall_touched": _share(mines, (m.is_touched for m in mines), "mines"),
        "outline_iou_mean": resampled_figure(np.arange(len(iou)), lambda rows: float(iou[rows].mean()), "matches",
                                             n=resamples, seed=seed),
        "outline_iou_median": median(iou.tolist(), "matches"),
        "alerted_hectares_mined": resampled_figure(
            np.arange(len(told)), _ratio_of(mined_ha, told_ha), "sites", n=resamples, seed=seed
        ),
        "false_alerts_per_10000_km2_month": rate(sum(w.issued.false for w in pooled.worlds), exposure, "false alerts"),
        "false_confirmed_per_10000_km2_month": rate(sum(w.issued.false_confirmed for w in pooled.worlds), exposure,
                                                    "false confirmed alerts"),
    }  # fmt: skip


# --- tables ----------------------------------------------------------------------------------------------------------


def _bin_label(low: float, high: float) -> str:
    """Name of a hectare bin."""
    return f"{low:g}+" if np.isinf(high) else f"{low:g}-{high:g}"


def recall_by_hectares(mines: Sequence[MineVerdict]) -> Table:
    """Return the recall of mines by new ground at the last clear look; a bin holds its lower bound."""
    rows: list[tuple[Cell, ...]] = []
    for low, high in pairwise(HECTARE_BINS):
        own = [m for m in mines if low <= round(m.ground_ha, 4) < high]
        shares = (_share(own, (get(m) >= MAJORITY for m in own), "mines") for get in _COVERED)
        rows.append((_bin_label(low, high), len(own), *shares))
    return Table("Recall by new ground", ("ha", "mines", "detected", "alerted", "named mining"), tuple(rows),
                 "Detected: half covered by true sites; alerted: by those called mining or unclear; named: by those called "
                 "mining. Ground at the last clear look.")  # fmt: skip


_COVERED: tuple[Callable[[MineVerdict], float], ...] = (
    lambda m: m.covered, lambda m: m.covered_alerted, lambda m: m.covered_named,
)  # fmt: skip


def named_by_kind(pooled: LandscapeScore) -> tuple[Table, Table]:
    """Return what sites are called by what they lie on, and how many look-alikes made a site or an alert."""
    rows: list[tuple[Cell, ...]] = []
    for kind in sorted({s.lies_on for s in pooled.sites}):
        own = [s for s in pooled.sites if s.lies_on == kind]
        rows.append((kind, len(own), _share(own, (s.cause == LikelyCause.MINING for s in own), "sites"),
                     _share(own, (is_alerted(s.cause) for s in own), "sites")))  # fmt: skip
    objects = [o for world in pooled.worlds for o in world.objects]
    kinds: list[tuple[Cell, ...]] = []
    for kind in sorted({o.kind for o in objects}):
        own_ = [o for o in objects if o.kind == kind]
        n = sum(o.count for o in own_)
        counts = (sum(o.with_site for o in own_), sum(o.with_alert for o in own_), sum(o.with_named for o in own_))
        kinds.append((kind, n, *(proportion(count, n, "look-alikes") for count in counts)))
    return (
        Table("Sites by what they lie on", ("lies on", "sites", "named mining", "mining or unclear"), tuple(rows),
              "Mining: at least half of the outline was mined by the day of the statement; else the truth that it overlaps "
              "most."),
        Table("Look-alikes", ("kind", "look-alikes", "with a site", "mining or unclear", "named mining"), tuple(kinds),
              "Look-alikes that began after the reference and by the run's day, or come and go."),
    )  # fmt: skip


LAGS: tuple[tuple[str, str], ...] = tuple(
    (origin, event)
    for origin in ("first_look_on", "mappable_look_on")
    for event in ("detected_on", "raised_on", "sure_on", "provisional_on", "confirmed_on")
)
LAG_WORDS: Mapping[str, str] = {
    "first_look_on": "first clear look at new ground",
    "mappable_look_on": f"first clear look at {MAPPABLE_HA:g} ha of it",
    "detected_on": "first detected",
    "raised_on": "raised, provisional",
    "sure_on": "confirmed",
    "provisional_on": "told to an agency, provisional",
    "confirmed_on": "told to an agency, confirmed",
}


def _lags(lags: Sequence[MineLag], origin: str, event: str) -> tuple[list[int], list[int]]:
    """Days and clear looks from origin to event, of the mines that have both."""
    pairs = [(lag, getattr(lag, origin), getattr(lag, event)) for lag in lags]
    days = [found for lag, a, b in pairs if (found := lag.days(a, b)) is not None]
    return days, [found for lag, a, b in pairs if (found := lag.clear_looks(a, b)) is not None]


def lag_table(lags: Sequence[MineLag]) -> Table:
    """Return the median lag from each origin to each event, in days and in clear looks, with how many came to it."""
    rows = []
    for origin, event in LAGS:
        days, looks = _lags(lags, origin, event)
        there = sum(getattr(lag, origin) is not None for lag in lags)
        rows.append((LAG_WORDS[origin], LAG_WORDS[event], proportion(len(days), there, "mines"),
                     median(days, "mines"), median(looks, "mines")))  # fmt: skip
    return Table("Lag", ("from", "to", "came to it", "median days", "median clear looks"), tuple(rows),
                 "Medians are of the mines that came to it. A look is a day on which half of the mine's new ground was clear "
                 "by the scene classes; the run may see ground that they call cloud, so it can be earlier.")  # fmt: skip


def hectares_table(pooled: LandscapeScore, *, resamples: int = 1000, seed: int = 0) -> Table:
    """Return the hectares by kind of change as alerts of matched mines say and as they were, with the ratio."""
    matches, block = pooled.matches, np.arange(len(pooled.matches))
    rows: list[tuple[Cell, ...]] = []
    for kind in (*CHANGE_KINDS, GREENING):
        true = np.array([m.true_ha[kind] for m in matches])
        missed = sum((w.missed_ha[kind] for w in pooled.worlds), 0.0)
        if kind == GREENING:
            rows.append((kind, None, float(true.sum()), missed, None))
            continue
        found = np.array([m.found_ha[kind] for m in matches])
        ratio = resampled_figure(block, _ratio_of(found, true), "matches", n=resamples, seed=seed)
        rows.append((kind, float(found.sum()), float(true.sum()), missed, ratio))
    return Table("Hectares by kind of change", ("kind", "found", "true", "true, of mines without a match", "found / true"),
                 tuple(rows), "Truth at the last clear look of each mine. An alert knows no greening: ground that greened "
                              "again stays what it was when its change was last seen.")  # fmt: skip


def _ratio_of(found: np.ndarray, true: np.ndarray) -> Callable[[np.ndarray], float]:
    """Ratio of sums over some rows, NaN where the lower one is 0."""
    return lambda rows: float(found[rows].sum() / true[rows].sum()) if true[rows].sum() > 0.0 else float("nan")


def missed_table(pooled: Sequence[LandscapeScore]) -> Table:
    """Return the mines that were not alerted, with what may explain it."""
    rows = [
        (p.landscape, w.world, m.mine_id, m.ground_ha, m.looks, m.covered, m.covered_alerted, _why(m))
        for p in pooled for w in p.worlds for m in w.mines if m.covered_alerted < MAJORITY
    ]  # fmt: skip
    head = ("landscape", "world", "mine", "ha", "clear looks", "covered", "covered by alerts", "why")
    return Table("Mines that no alert covers by half", head, tuple(rows))


def _why(mine: MineVerdict) -> str:
    """What may explain that a mine is not alerted."""
    if mine.ground_ha < MAPPABLE_HA:
        return "smaller than a site can be"
    if mine.looks < 2:
        return "fewer than two clear looks"
    if mine.covered >= MAJORITY:
        return "found, called something else"
    return "touched by a site, too little of it or mostly on other ground" if mine.is_touched else "not found"


def _worlds_table(pooled: LandscapeScore) -> Table:
    """What was watched, world by world."""
    rows: list[tuple[Cell, ...]] = [
        (w.world, w.area_km2, w.watched_from, w.as_of, w.months, len(w.mines), w.unseen, w.old, w.issued.count, w.issued.false,
         w.issued.false_confirmed, w.issued.false_touching)
        for w in pooled.worlds
    ]  # fmt: skip
    head = ("world", "km2", "watched from", "as of", "months", "mines seen", "mines never seen", "older mines", "alerts ever",
            "of them false", "false, confirmed", "false, touching a mine")  # fmt: skip
    return Table("Worlds", head, tuple(rows), "Alerts ever: sites that were once told as mining or unclear; false: less than "
                                              "half on mined ground when last told so.")  # fmt: skip


# --- plots and section -----------------------------------------------------------------------------------------------


def _plots(pooled: LandscapeScore, recall: Table) -> tuple[Plot, ...]:
    """Recall by hectare bin and histogram of the lag."""
    kept = [row for row in recall.rows if row[1]]
    series = tuple(_bars(name, [(str(row[0]), row[column]) for row in kept])
                   for name, column in (("detected", 2), ("alerted", 3), ("named mining", 4)))  # fmt: skip
    lags = [m.lag for m in pooled.mines]
    looks = tuple(Series(LAG_WORDS[event], tuple(map(float, _lags(lags, "first_look_on", event)[1])), ())
                  for event in ("provisional_on", "confirmed_on"))  # fmt: skip
    name, title = pooled.landscape.replace("_", "-").replace(" ", "-"), f"Simulated {pooled.landscape.replace('_', ' ')}"
    return (
        Plot(f"world-{name}-recall", f"{title}: recall by new ground", "shares", "hectares", "share of mines", series),
        Plot(f"world-{name}-lag", f"{title}: lag", "histogram", "clear looks after the first at new ground", "mines", looks),
    )


def _bars(name: str, bars: Sequence[tuple[str, object]]) -> Series:
    """Shares with intervals as points with labels; undefined ones are left out."""
    shown = [(label, f) for label, f in bars if isinstance(f, Figure) and f.value is not None]
    numbers = [(f.value or 0.0, f.low or 0.0, f.high or 0.0) for _, f in shown]
    y, low, high = (tuple(column) for column in zip(*numbers, strict=True)) if numbers else ((), (), ())
    return Series(name, tuple(map(float, range(len(shown)))), y, low, high, tuple(f.n for _, f in shown),
                  tuple(label for label, _ in shown))  # fmt: skip


def world_section(pooled: LandscapeScore, *, resamples: int = 1000, seed: int = 0) -> Section:
    """Return the section of a landscape of simulated worlds."""
    recall = recall_by_hectares(pooled.mines)
    tables = (
        _worlds_table(pooled), recall, *named_by_kind(pooled), lag_table([m.lag for m in pooled.mines]),
        hectares_table(pooled, resamples=resamples, seed=seed),
    )  # fmt: skip
    return Section(
        f"Simulated worlds, {pooled.landscape.replace('_', ' ')}",
        f"whole runs on simulated worlds (n = {len(pooled.worlds)}) against exact truth; nothing about real ground follows",
        pooled.landscape, world_figures(pooled, resamples=resamples, seed=seed), {}, tables, _plots(pooled, recall),
        (
            f"Precision: share of sites from {SMALLEST_HA:g} ha with at least half of the outline on mined ground. "
            f"Recall: share of mines with {SMALLEST_HA:g} ha or more of new ground at their last clear look, at least half of "
            "it under true sites.",
            "Outlines: sites and mines that hang together are taken as one match; mines without a match are not in it.",
            "Alerted hectares mined: of all ground under sites called mining or unclear, of any size, the share that was "
            "mined; "
            "one wide false site weighs as much there as it does for those who are sent out.",
            "Sites and mines count as independent.",
        ),
    )  # fmt: skip

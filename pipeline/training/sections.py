"""Sections of an evaluation from scores of labelled data: pairs, sites, pixels, points."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from pipeline.evaluation.chip_sections import Scored, scored_section
from pipeline.evaluation.document import Cell, Section, Table
from pipeline.evaluation.hardest import PicturePair, hardest, lost_rank
from pipeline.evaluation.intervals import Figure, proportion
from pipeline.evaluation.metrics import Judged, auc, measured
from pipeline.io.labels import Chips
from pipeline.training.chip_sites import ChipSites
from pipeline.training.fitting import NAMED_FROM
from pipeline.training.held_out import JudgedPixels
from pipeline.training.samples import MINING

PAIR_NAMED_FROM = 0.5
CONTROL_FOLDS = 5
CONTROL_LEVELS = (10, 50, 90)
MOST_PIXELS = 20_000
"""Pixels drawn for the figures of pixels: resampling all of them a thousand times says no more."""
OLD_SCAR = "mining_static"
MOST_HARDEST = 16


def control_scores(chips: Chips) -> np.ndarray:
    """Return what the picture before alone says of each chip, out of its block: float64 (n,).

    Logistic regression on percentiles of the six bands at t0. It knows no change: what it ranks above one half is that
    places differ.
    """
    label = np.isin(chips.reading, MINING)
    levels = np.nanpercentile(chips.before.reshape(*chips.before.shape[:2], -1), CONTROL_LEVELS, axis=2)
    rows = np.nan_to_num(levels).transpose(1, 0, 2).reshape(len(label), -1)
    score = np.zeros(len(label))
    for train, test in GroupKFold(CONTROL_FOLDS).split(rows, groups=chips.block):
        mean, scale = rows[train].mean(axis=0), rows[train].std(axis=0) + 1e-6
        fitted = LogisticRegression(C=0.1, max_iter=3000).fit((rows[train] - mean) / scale, label[train])
        score[test] = fitted.predict_proba((rows[test] - mean) / scale)[:, 1]
    return score


def _contrasts(chips: Chips, score: np.ndarray, control: np.ndarray) -> Table:
    """AUC of new or grown mining against parts of the rest, with the control beside it."""
    label = np.isin(chips.reading, MINING)
    scar = chips.reading == OLD_SCAR
    parts: Mapping[str, np.ndarray] = {
        "every other reading": ~label,
        "readings that are no mining": ~label & ~scar,
        "old scars": scar,
    }
    rows: list[tuple[Cell, ...]] = []
    for name, rest in parts.items():
        rows.append((name, *(_auc(label, s, chips.block, rest | label) for s in (score, control))))
    for least in (2, 3):
        name = f"every other reading, both of confidence {least} or more"
        rows.append((name, *(_auc(label, s, chips.block, chips.confidence >= least) for s in (score, control))))
    return Table(
        "AUC of new or grown mining against", ("rest", "from both pictures", "from the picture before alone"), tuple(rows)
    )


def _auc(label: np.ndarray, score: np.ndarray, block: np.ndarray, use: np.ndarray) -> Figure:
    """AUC of some chips."""
    return measured(Judged(label[use], score[use], block[use], "chips"), auc)


def pair_section(chips: Chips, score: np.ndarray, how: str) -> Section:
    """Return the section of pairs of pictures, the control beside it.

    Parameters
    ----------
    chips : Chips
    score : float64 (n,)
        Probability of new or grown mining.
    how : str
        How the score came about, as a sentence.
    """
    label, control = np.isin(chips.reading, MINING), control_scores(chips)
    scored = Scored(
        "pairs", "Pairs of real pictures", f"{len(label)} chips of 480 m, readings by eye. {how}", "humid_forest",
        Judged(label, score, chips.block, "chips"), PAIR_NAMED_FROM, Judged(label, control, chips.block, "chips"),
        {"By reading": chips.reading, "By block of 2 degrees": chips.block},
        ("True: read as new or grown mining; everything else counts against it, clouds and undecided ones too.",),
    )  # fmt: skip
    section = scored_section(scored)
    tables = (_contrasts(chips, score, control), _hardest_chips(chips, score), *section.tables)
    return Section(
        section.title, section.source, section.landscape, section.figures, section.control, tables, section.plots,
        section.notes,
    )  # fmt: skip


def _hardest_chips(chips: Chips, score: np.ndarray) -> Table:
    """The chips that keep the AUC from 1, by name."""
    label, lost = np.isin(chips.reading, MINING), lost_rank(np.isin(chips.reading, MINING), score)
    rows: list[tuple[Cell, ...]] = [
        (str(chips.sample_id[i]), str(chips.reading[i]), int(chips.confidence[i]), float(chips.new_pct[i]), float(score[i]),
         float(lost[i]))
        for i in hardest(label, score, MOST_HARDEST)
    ]  # fmt: skip
    return Table(
        "Chips that cost the AUC most",
        ("chip", "read as", "confidence", "new ground, %", "probability", "part in what the AUC lacks"), tuple(rows),
        f"Up to {MOST_HARDEST} of the true and of the others, costliest first; the parts of each class add up to 1. Confidence "
        "1 is a guess, 2 probable, 3 sure. `overburden evaluate --pictures` draws them.",
    )  # fmt: skip


def hardest_pictures(chips: Chips, score: np.ndarray) -> list[PicturePair]:
    """Return the pictures of the chips of that table, in its order."""
    return [
        PicturePair(
            f"{chips.sample_id[i]}: {chips.reading[i]}, confidence {chips.confidence[i]}, {chips.new_pct[i]:.0f} % new; "
            f"given {score[i]:.2f}", chips.before[i], chips.after[i],
        )
        for i in hardest(np.isin(chips.reading, MINING), score, MOST_HARDEST)
    ]  # fmt: skip


def site_section(sites: ChipSites, score: np.ndarray, how: str) -> Section:
    """Return the section of the sites that the walk's rules make of pictures; old scars are shown by reading only."""
    sure = sites.reading != OLD_SCAR
    some, kept = sites.take(sure), score[sure]
    scored = Scored(
        "sites", "Sites on real pictures", f"{int(sure.sum())} sites that two noisy looks confirm. {how}", "humid_forest",
        Judged(some.label, kept, some.block, "sites"), NAMED_FROM, None, {"By reading": some.reading},
        ("A site is mining where its picture was read as new or grown mining. Felled forest is of Czechia, all else of the "
         "Amazon.", "There is no t0-only control: a site exists only where something changed."),
    )  # fmt: skip
    section = scored_section(scored)
    return Section(
        section.title, section.source, section.landscape, section.figures, {}, (_thresholds(sites, score), *section.tables),
        section.plots, section.notes,
    )  # fmt: skip


def _thresholds(sites: ChipSites, score: np.ndarray) -> Table:
    """Pictures with a named site by threshold: what naming earlier would win and cost."""
    groups = {
        "new or grown mining": MINING,
        "farm, built, river, unchanged": ("farm_or_clearing", "built", "river", "no_change"),
        "felled forest": ("felling",),
        "old scars": (OLD_SCAR,),
    }
    rows: list[tuple[Cell, ...]] = []
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        cells = [_named(sites, score >= threshold, readings) for readings in groups.values()]
        rows.append((threshold, *cells))
    return Table(
        "Pictures with a site that is named mining, by threshold", ("threshold", *groups), tuple(rows),
        "Of pictures that hold a site at all.",
    )  # fmt: skip


def _named(sites: ChipSites, is_named: np.ndarray, readings: tuple[str, ...]) -> Figure:
    """Share of the pictures of some readings with a named site."""
    of = np.isin(sites.reading, readings)
    return proportion(len(set(sites.sample_id[of & is_named])), len(set(sites.sample_id[of])), "pictures")


def world_site_section(worlds: list[ChipSites], score: np.ndarray) -> Section:
    """Return the section of the sites of training worlds, judged by models of the other worlds."""
    sites = ChipSites.join(worlds)
    scored = Scored(
        "world-sites", "Sites of simulated training worlds", f"{len(sites.label)} sites, each judged by models that did not "
        "see its world. It says how well the models know the simulation, and nothing about real ground.", "simulated",
        Judged(sites.label, score, sites.block, "sites"), NAMED_FROM, None, {"By kind": sites.reading, "By world": sites.block},
    )  # fmt: skip
    return scored_section(scored)


def pixel_section(pixels: JudgedPixels, name: str, title: str) -> Section:
    """Return the section of pixels: change against no change, and the gate's price."""
    drawn = np.random.default_rng(0).permutation(len(pixels.changed))[:MOST_PIXELS]
    scored = Scored(
        name, title, "Pixels have no reading of their own: their labels come from rules on the same two dates, so this "
        "says that the trees learned the rules, not that the rules are right.", "humid_forest",
        Judged(pixels.changed[drawn], np.clip(pixels.score[drawn], 0.0, 1.0), pixels.block[drawn], "pixels"), 0.5,
    )  # fmt: skip
    section = scored_section(scored, resamples=200)
    changed, passed = pixels.changed, pixels.strength > 1.0
    gate = {
        "gate_passes_changed": proportion(int(passed[changed].sum()), int(changed.sum()), "pixels"),
        "gate_passes_stable": proportion(int(passed[~changed].sum()), int((~changed).sum()), "pixels"),
    }
    tables = (*section.tables, gate_table(pixels))
    return Section(section.title, section.source, section.landscape, {**section.figures, **gate}, {}, tables,
                   section.plots, section.notes)  # fmt: skip


GATES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
"""Multiples of the thresholds of the gate whose price is told."""


def gate_table(pixels: JudgedPixels) -> Table:
    """Return what the gate costs at several strengths: recall that is lost to it beside the pixels that it lets through."""
    found = pixels.changed & (pixels.score > 0.5)
    strength = np.nan_to_num(pixels.strength, nan=0.0)
    stable, changed = strength[~pixels.changed], strength[found]
    rows = tuple((t, round(float(np.mean(stable > t)), 4), round(float(np.mean(changed <= t)), 4)) for t in GATES)
    return Table(
        "The gate's price", ("thresholds times", "stable pixels let through", "recall lost"), rows,
        "Recall lost: changed pixels that the trees find and the gate would not show them. The walk uses 1.",
    )  # fmt: skip


def _with_bounds(value: float, intervals: Mapping[str, Sequence[float]], name: str, count: int) -> Figure:
    """A figure with its interval, where it has one."""
    low, high = intervals.get(name, (None, None))
    return Figure(value, low, high, count, "points")


def point_section(said: Mapping[str, Any]) -> Section:
    """Return the section of labelled points from `points.evaluate_points`."""
    last, count = said["last_night"], int(said["points"])
    interval = last["interval_95"]
    figures = {name: _with_bounds(last[name], interval, name, count) for name in last if isinstance(last[name], float)}
    nights = tuple((n["day"], n["auc"], n.get("auc_against_Forest")) for n in said["nights"])
    controls = tuple((c["looks"], c["day"], c["auc"], c.get("auc_against_Forest")) for c in said["controls"])
    missed = tuple((p["place"], p["label"], p["lon"], p["lat"], p["outscored_by"]) for p in said["costliest"])
    return Section(
        "Deforestation at labelled points, by what a nightly run knew",
        f"{count} points of Rondonia, {said['felled']} felled, blocks of 0.1 degrees; raw looks only, each judged by those "
        "before it", "humid_forest", figures, {},
        (
            Table("By night", ("night", "AUC", "AUC against Forest"), nights,
                  "Labels are of the whole year: what is felled later counts as missed."),
            Table("Control: the first looks alone", ("looks", "until", "AUC", "AUC against Forest"), controls,
                  "How much the places differ before most of the felling."),
            Table("Felled points that most others outscore", ("point", "label", "lon", "lat", "others above"), missed),
        ),
    )  # fmt: skip

"""Sections of scored rows: chips, sites of chips, points; each beside its control that sees the picture before alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.evaluation.document import Plot, Section, Series, Table
from pipeline.evaluation.intervals import Figure
from pipeline.evaluation.metrics import Judged, by_group, judged_figures, reliability_curve

CURVE_POINTS = 200
"""Most points of a drawn curve."""


@dataclass(frozen=True)
class Scored:
    """Rows of one source with what the model says of them, and what the control says of the same rows."""

    name: str
    """Lower-case letters, digits, hyphens: names the files."""
    title: str
    source: str
    landscape: str
    judged: Judged
    threshold: float
    """Score from which a row is named mining."""
    control: Judged | None = None
    """The same rows scored from the picture before the change alone."""
    groups: Mapping[str, np.ndarray] | None = None
    """By what the rows are told apart: title of a table to the group (n,) of each row."""
    notes: tuple[str, ...] = ()


def scored_section(scored: Scored, *, resamples: int = 1000, seed: int = 0) -> Section:
    """Return the section of scored rows: figures and control, a table for each grouping, reliability and ranking plots."""
    tables = tuple(_groups(title, scored, group) for title, group in (scored.groups or {}).items())
    return Section(
        scored.title, scored.source, scored.landscape,
        judged_figures(scored.judged, scored.threshold, resamples=resamples, seed=seed),
        _control(scored, resamples, seed), (_reliability_table(scored), *tables), _plots(scored),
        (f"Named mining: a score of {scored.threshold:g} or more.", *scored.notes),
    )  # fmt: skip


def _control(scored: Scored, resamples: int, seed: int) -> Mapping[str, Figure]:
    """Figures of the control."""
    if scored.control is None:
        return {}
    return judged_figures(scored.control, scored.threshold, resamples=resamples, seed=seed)


def _groups(title: str, scored: Scored, group: np.ndarray) -> Table:
    """A table by group."""
    rows = by_group(scored.judged, group, scored.threshold)
    return Table(
        title, ("group", "n", "mining", "named mining", "mean score", "AUC"),
        tuple((r.group, r.n, r.true, r.named, r.mean_score, r.auc) for r in rows),
        "Named mining is the share of the group: hits where it is mining, false alarms where it is not.",
    )  # fmt: skip


def _reliability_table(scored: Scored) -> Table:
    """The reliability curve in numbers."""
    rows = tuple((f"{b.low:.1f} to {b.high:.1f}", b.forecast, b.observed) for b in reliability_curve(scored.judged))
    return Table("Reliability", ("score", "mean score", "share that is mining"), rows, "Intervals are Wilson's, by rows.")


def _plots(scored: Scored) -> tuple[Plot, ...]:
    """Reliability, ROC and precision-recall; without one of the classes there is nothing to rank."""
    named = [("model", scored.judged)] + ([("t0-only control", scored.control)] if scored.control else [])
    found = [
        Plot(f"{scored.name}-reliability", f"{scored.title}: reliability", "reliability", "mean score", "share that is mining",
             tuple(_reliability(name, judged) for name, judged in named)),
    ]  # fmt: skip
    ranked = [(name, judged) for name, judged in named if judged.truth.any() and not judged.truth.all()]
    if ranked:
        found += [
            Plot(f"{scored.name}-roc", f"{scored.title}: ROC", "curve", "1 - specificity", "recall",
                 tuple(_roc(name, judged) for name, judged in ranked)),
            Plot(f"{scored.name}-precision-recall", f"{scored.title}: precision and recall", "curve", "recall", "precision",
                 tuple(_precision_recall(name, judged) for name, judged in ranked)),
        ]  # fmt: skip
    return tuple(found)


def _reliability(name: str, judged: Judged) -> Series:
    """Reliability curve as points."""
    curve = reliability_curve(judged)
    return Series(
        name, tuple(b.forecast for b in curve), tuple(b.observed.value or 0.0 for b in curve),
        tuple(b.observed.low or 0.0 for b in curve), tuple(b.observed.high or 0.0 for b in curve),
        tuple(b.observed.n for b in curve),
    )  # fmt: skip


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """At most `CURVE_POINTS` points of a curve, both ends among them."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), CURVE_POINTS)).round().astype(np.int64))
    return tuple(map(float, x[kept])), tuple(map(float, y[kept]))


def _roc(name: str, judged: Judged) -> Series:
    """ROC curve."""
    false, true, _ = roc_curve(judged.truth, judged.score)
    return Series(name, *_thin(false, true))


def _precision_recall(name: str, judged: Judged) -> Series:
    """Precision over recall."""
    precision, recall, _ = precision_recall_curve(judged.truth, judged.score)
    return Series(name, *_thin(recall[::-1], precision[::-1]))

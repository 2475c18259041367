"""What a new model version must not be worse in than the version before."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ModelMismatchError
from pipeline.evaluation.document import Evaluation, Section

EVALUATION_FILE = "evaluation.json"


class ModelWorseError(ModelMismatchError):
    """A new model is worse than the version before in a guarded figure."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """One figure that decides on a release."""

    section: str
    figure: str
    more_is_better: bool = True


GUARDED: tuple[Guarded, ...] = (
    Guarded("pairs", "auc"),
    Guarded("pairs", "brier_skill"),
    Guarded("sites", "auc"),
    Guarded("sites", "brier", more_is_better=False),
    Guarded("sites", "precision"),
    Guarded("sites", "recall"),
    Guarded("forest", "recall_last_summer"),
    Guarded("forest", "false_alarm_share", more_is_better=False),
    Guarded("world_humid_forest", "site_precision_named"),
    Guarded("world_humid_forest", "site_recall_alerted"),
    Guarded("world_humid_forest", "outline_iou_mean"),
    Guarded("world_humid_forest", "false_alerts_per_10000_km2_month", more_is_better=False),
)
"""Precision first, then what is found, then whether probabilities hold."""


@dataclass(frozen=True, slots=True)
class Change:
    """A guarded figure before and after."""

    guarded: Guarded
    before: float | None
    after: float | None

    @property
    def is_worse(self) -> bool:
        """Whether the new version is worse; a figure that it no longer has counts as worse."""
        if self.before is None:
            return False
        if self.after is None:
            return True
        gain = self.after - self.before
        return gain < 0 if self.guarded.more_is_better else gain > 0

    @property
    def line(self) -> str:
        """The change in a line."""
        shown = ["not measured" if v is None else f"{v:.4f}" for v in (self.before, self.after)]
        verdict = "worse" if self.is_worse else "no figure before" if self.before is None else "not worse"
        return f"{self.guarded.section}, {self.guarded.figure}: {shown[0]} -> {shown[1]} ({verdict})"


def figures_of(evaluation: Evaluation) -> Mapping[str, Mapping[str, float | None]]:
    """Return the value of each figure of an evaluation by section."""
    return section_figures(evaluation.sections)


def section_figures(sections: Mapping[str, Section]) -> Mapping[str, Mapping[str, float | None]]:
    """Return the value of each figure by section."""
    return {name: {k: f.value for k, f in section.figures.items()} for name, section in sections.items()}


def stored_figures(folder: Path) -> Mapping[str, Mapping[str, float | None]]:
    """Return the value of each figure of a released version by section; empty where it was released without."""
    path = folder / EVALUATION_FILE
    if not path.exists():
        return {}
    document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {name: {k: f["value"] for k, f in s["figures"].items()} for name, s in document["sections"].items()}


def changes(
    before: Mapping[str, Mapping[str, float | None]], after: Mapping[str, Mapping[str, float | None]]
) -> tuple[Change, ...]:
    """Return every guarded figure before and after."""
    return tuple(Change(g, before.get(g.section, {}).get(g.figure), after.get(g.section, {}).get(g.figure)) for g in GUARDED)


def refuse_worse(found: Sequence[Change], version: str) -> None:
    """Raise where a guarded figure is worse than in the version before.

    Raises
    ------
    ModelWorseError
        It names every such figure.
    """
    worse = [change.line for change in found if change.is_worse]
    if worse:
        raise ModelWorseError(
            f"found {len(worse)} guarded figures worse than in {version}, expected none: {'; '.join(worse)}; nothing was "
            "written. Improve the model, or release it under another name"
        )

"""The evaluation as one frozen document: named sections of figures, tables and plots, from which every file is rendered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from typing import Literal

import numpy as np

from pipeline.evaluation.intervals import Figure

Cell = str | int | float | date | Figure | None
"""One cell of a table."""
PlotKind = Literal["reliability", "curve", "shares", "histogram"]
DECIMALS = 6
"""Decimals of a number in the machine-readable file."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; rows have one cell for each name of the head."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    """How it is to be read."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points of a plot; `low` and `high` bound y where there is an interval, else they are empty."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    n: tuple[int, ...] = ()
    """Cases that each point rests on."""
    labels: tuple[str, ...] = ()
    """Names of the points, where x is no number."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture: reliability (with the diagonal), curve (ROC, precision and recall), shares (with intervals) or histogram.

    The values of a histogram are the x of its series, one for each case.
    """

    name: str
    """File name without ending: lower-case letters, digits, hyphens."""
    title: str
    kind: PlotKind
    x_label: str
    y_label: str
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Figures from one source of data, in one landscape."""

    title: str
    source: str
    """Which data, judged how."""
    landscape: str
    figures: Mapping[str, Figure]
    control: Mapping[str, Figure] = field(default_factory=dict)
    """The same figures of the t0-only control, which knows no change: beside every figure of chips."""
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that an evaluation says."""

    facts: Mapping[str, str | int | float]
    """What was evaluated: software, model, seed."""
    sections: Mapping[str, Section]
    """By name, in the order of the report."""
    blind: tuple[str, ...] = ()
    """Where the method cannot see, in sentences."""
    blind_tables: tuple[Table, ...] = ()
    """The same as measured."""


def plain(value: object) -> object:
    """Return a document as JSON values: dataclasses as objects in the order of their fields, numbers with six decimals.

    Raises
    ------
    TypeError
        A value has no JSON form.
    ValueError
        A number is NaN or infinite: what is undefined is None.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(v) for name, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(v) for v in value]
    return _plain_cell(value)


def _plain_cell(value: object) -> object:
    """One value as JSON."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return _number(float(value))
    raise TypeError(f"found {type(value).__name__} in an evaluation, expected text, numbers, dates, figures or tables of them")


def _number(value: float) -> float:
    """A finite number, rounded."""
    if not np.isfinite(value):
        raise ValueError(f"found {value} in an evaluation, expected a finite number; say None where a figure is undefined")
    return round(value, DECIMALS) + 0.0  # no minus zero

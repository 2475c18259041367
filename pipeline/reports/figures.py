"""Figures of an evaluation that speak of one site: chosen by landscape, hectares and probability, never by what they say.

An evaluation has one section for each source of data. Sections whose names begin with `world_` are of simulated worlds;
the others are of real pixels. A figure that is not there is not measured, and no figure of another model, landscape or
size stands in for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.reports.facts import ModelFacts

REAL_SITES = "sites"
"""Section of sites on real pictures."""
SIMULATED_PREFIX = "world_"
REAL_FIGURES = (
    "precision", "recall", "specificity", "precision_at_0.001", "precision_at_0.01", "calibration_slope",
)  # fmt: skip
SIMULATED_FIGURES = (
    "site_precision_alerted", "site_precision_named", "outline_iou_median", "false_alerts_per_10000_km2_month",
)  # fmt: skip
SIZE_TABLE, RELIABILITY_TABLE, GROUP_TABLE = "Recall by new ground", "Reliability", "By reading"
SIZE_COLUMNS = (("detected", "detected"), ("alerted", "alerted"), ("named mining", "named"))
MINING_GROUPS = "mining_"
"""Groups of readings that are mining; the others are what is taken for it."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """One figure, as stored."""

    key: str
    """Key of its sentence, without the group `figure.`."""
    section: str
    """Name of the section in the evaluation."""
    title: str
    """Title of that section, as the evaluation words it."""
    figure: Mapping[str, Any]
    """value, low, high, n, of."""
    detail: Mapping[str, str]
    """What fills the sentence: size, low, high or group."""

    @property
    def is_simulated(self) -> bool:
        """Whether it is of simulated worlds."""
        return self.section.startswith(SIMULATED_PREFIX)


@dataclass(frozen=True, slots=True)
class Choice:
    """What an evaluation says of one site."""

    is_about_model: bool
    """Whether there is an evaluation, and it is of the model that made the alert."""
    quoted: tuple[Quoted, ...]
    sources: tuple[str, ...]
    """Sections that were quoted with their source, as the evaluation words it."""
    blind: tuple[str, ...]
    """Where the method cannot see, as the evaluation words it."""


def choose(model: ModelFacts, *, model_id: str, landscape: str | None, area_ha: float, probability: float | None) -> Choice:
    """Return the figures of an evaluation for a site.

    Parameters
    ----------
    model : ModelFacts
    model_id : str
        The model of the alert; an evaluation of another one says nothing of it.
    landscape : str or None
        Of the area.
    area_ha : float
        Of the outline.
    probability : float or None
        That the change is mining.
    """
    evaluation = model.evaluation
    facts = evaluation.get("facts")
    if not isinstance(facts, Mapping) or facts.get("model") != model_id:
        return Choice(is_about_model=False, quoted=(), sources=(), blind=())
    found: Any = evaluation.get("sections") or {}
    sections: dict[str, Mapping[str, Any]] = {
        name: section for name, section in found.items() if landscape is not None and section.get("landscape") == landscape
    }
    quoted: list[Quoted] = []
    for name, section in sections.items():
        if name == REAL_SITES:
            quoted += _real(name, section, probability)
        elif name.startswith(SIMULATED_PREFIX):
            quoted += _simulated(name, section, area_ha)
    told = dict.fromkeys(q.section for q in quoted)
    sources = tuple(f"{sections[name]['title']}: {sections[name]['source']}" for name in told)
    blind: Any = evaluation.get("blind") or ()
    return Choice(is_about_model=True, quoted=tuple(quoted), sources=sources, blind=tuple(str(b) for b in blind))


def _real(name: str, section: Mapping[str, Any], probability: float | None) -> list[Quoted]:
    """Figures of real sites: whole, for the probability of this one, and for what is taken for mining."""
    quoted = _named(name, section, REAL_FIGURES)
    if probability is not None:
        for row in _rows(section, RELIABILITY_TABLE):
            low, _, high = str(row[0]).partition(" to ")
            if _is_between(probability, low, high, is_last=float(high) >= 1.0):
                quoted.append(_quoted("reliability", name, section, row[2], low=low, high=high))
    column = _column(section, GROUP_TABLE, "named mining")
    for row in _rows(section, GROUP_TABLE):
        if column is not None and not str(row[0]).startswith(MINING_GROUPS):
            quoted.append(_quoted("group", name, section, row[column], group=str(row[0])))
    return [q for q in quoted if q.figure]


def _simulated(name: str, section: Mapping[str, Any], area_ha: float) -> list[Quoted]:
    """Figures of simulated worlds: for the size of this site, and whole."""
    quoted = []
    for row in _rows(section, SIZE_TABLE):
        if _has_size(str(row[0]), area_ha):
            for label, key in SIZE_COLUMNS:
                column = _column(section, SIZE_TABLE, label)
                if column is not None:
                    quoted.append(_quoted(key, name, section, row[column], size=str(row[0])))
    return [q for q in (*quoted, *_named(name, section, SIMULATED_FIGURES)) if q.figure]


def _named(name: str, section: Mapping[str, Any], wanted: Sequence[str]) -> list[Quoted]:
    """Figures of a section by name."""
    keys = {"false_alerts_per_10000_km2_month": "false_alerts"}
    figures = section.get("figures") or {}
    return [_quoted(keys.get(one, one.replace(".", "_")), name, section, figures[one]) for one in wanted if one in figures]


def _quoted(key: str, name: str, section: Mapping[str, Any], figure: object, **detail: str) -> Quoted:
    """A figure with where it stands."""
    held = figure if isinstance(figure, Mapping) else {}
    return Quoted(key, name, str(section.get("title", name)), held, detail)


def _table(section: Mapping[str, Any], title: str) -> Mapping[str, Any]:
    """A table of a section by its title; empty where it has none."""
    return next((t for t in section.get("tables") or () if t.get("title") == title), {})


def _rows(section: Mapping[str, Any], title: str) -> list[Any]:
    """Rows of a table."""
    return list(_table(section, title).get("rows") or ())


def _column(section: Mapping[str, Any], title: str, label: str) -> int | None:
    """Number of a column, None where there is none."""
    head = list(_table(section, title).get("head") or ())
    return head.index(label) if label in head else None


def _is_between(value: float, low: str, high: str, *, is_last: bool) -> bool:
    """Whether a value lies in a bin; only the last bin holds its upper bound."""
    return float(low) <= value < float(high) or (is_last and value == float(high))


def _has_size(label: str, area_ha: float) -> bool:
    """Whether a bin such as `0.5-1` or `5+` holds an area.

    Examples
    --------
    >>> _has_size("0.5-1", 0.5), _has_size("0.5-1", 1.0), _has_size("5+", 400.0)
    (True, False, True)
    """
    if label.endswith("+"):
        return area_ha >= float(label[:-1])
    low, _, high = label.partition("-")
    return float(low) <= area_ha < float(high)

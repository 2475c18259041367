"""The files of an evaluation: `report.md` for people, `evaluation.json` for machines, and its pictures."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from pipeline.evaluation.document import Cell, Evaluation, Section, Table, plain
from pipeline.evaluation.intervals import Figure
from pipeline.evaluation.plots import render
from pipeline.io.outputs import write_whole

INTRODUCTION = (
    "Every figure stands with its 95 % interval and the number of cases that it rests on. `-` is undefined: nothing to "
    "divide by, one class only, or too few blocks or cases for an interval."
)


def figure_text(figure: Figure | None) -> str:
    """Return a figure in words: value, interval, number of cases.

    Examples
    --------
    >>> figure_text(Figure(0.75, 0.3, 0.954, 4, "sites"))
    '0.750 [0.300, 0.954], n = 4'
    >>> figure_text(Figure(None, None, None, 0, "sites"))
    '-, n = 0'
    """
    if figure is None:
        return "-"
    if figure.value is None:
        return f"-, n = {figure.n}"
    interval = "no interval" if figure.low is None or figure.high is None else f"{_number(figure.low)}, {_number(figure.high)}"
    return f"{_number(figure.value)} [{interval}], n = {figure.n}"


def _number(value: float) -> str:
    """About three significant digits: none after the point from 100 up, four below 0.1."""
    size = abs(value)
    decimals = 0 if size >= 100.0 else 1 if size >= 10.0 else 2 if size > 1.0 else 3 if size >= 0.1 or size == 0.0 else 4
    return f"{value:.{decimals}f}"


def _cell(value: Cell) -> str:
    """A cell that cannot break a table or become markup."""
    if isinstance(value, Figure):
        return figure_text(value)
    if value is None:
        return "-"
    text = _number(value) if isinstance(value, float) else value.isoformat() if isinstance(value, date) else str(value)
    for found, instead in (("|", "\\|"), ("\n", " "), ("<", "&lt;"), ("`", "'")):
        text = text.replace(found, instead)
    return text


def _table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Lines of a table."""
    lines = ["| " + " | ".join(map(_cell, head)) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(map(_cell, row)) + " |" for row in rows), ""]


def _titled(table: Table) -> list[str]:
    """A table under its title, with its note."""
    body = _table(table.head, table.rows) if table.rows else ["None.", ""]
    return [f"### {table.title}", "", *body, *([table.note, ""] if table.note else [])]


def _figures(figures: Mapping[str, Figure], control: Mapping[str, Figure]) -> list[str]:
    """Figures by name, with those of the control beside them where there is one."""
    head = ("figure", "value", "t0-only control", "cases") if control else ("figure", "value", "cases")
    rows = []
    for name, figure in figures.items():
        beside = (figure_text(control.get(name)),) if control else ()
        rows.append((name.replace("_", " "), figure, *beside, figure.of))
    return _table(head, rows)


def _section(section: Section) -> list[str]:
    """One section."""
    skipped = {name: f.undefined_resamples for name, f in section.figures.items() if f.undefined_resamples}
    lines = [f"## {section.title}", "", f"Source: {section.source}. Landscape: {section.landscape.replace('_', ' ')}.", ""]
    lines += _figures(section.figures, section.control)
    if section.control:
        lines += ["The control sees the picture before the change alone: what it reaches is how much places differ, not what "
                  "changed.", ""]  # fmt: skip
    if skipped:
        told = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in skipped.items())
        lines += [f"Resamples skipped, because the figure is undefined in them: {told}.", ""]
    for note in section.notes:
        lines += [note, ""]
    for table in section.tables:
        lines += _titled(table)
    return lines + [line for plot in section.plots for line in (f"![{plot.title}]({plot.name}.png)", "")]


def report_markdown(evaluation: Evaluation) -> str:
    """Return the report of an evaluation in Markdown."""
    lines = ["# Evaluation", "", INTRODUCTION, "", *_table(("fact", "value"), tuple(evaluation.facts.items()))]
    for section in evaluation.sections.values():
        lines += _section(section)
    if evaluation.blind or evaluation.blind_tables:
        lines += ["## Where the method cannot see", "", *(f"- {line}" for line in evaluation.blind), ""]
    for table in evaluation.blind_tables:
        lines += _titled(table)
    return "\n".join(lines).rstrip() + "\n"


def evaluation_json(evaluation: Evaluation) -> str:
    """Return an evaluation as JSON: all numbers, in the order of the document, one member a line down to the figures.

    Raises
    ------
    TypeError, ValueError
        The document holds what JSON cannot say; see `document.plain`.
    """
    return json.dumps(plain(evaluation), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_evaluation(evaluation: Evaluation, out: Path) -> tuple[Path, ...]:
    """Write `report.md`, `evaluation.json` and a PNG for each plot; returns their paths. The same document, the same bytes.

    Raises
    ------
    ValueError
        Two plots have one name.
    """
    plots = [plot for section in evaluation.sections.values() for plot in section.plots]
    names = [plot.name for plot in plots]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"found plots with the same name, {', '.join(twice)}; expected one file for each: name them apart")
    files: dict[str, str | bytes] = {f"{plot.name}.png": render(plot) for plot in plots}
    files |= {"evaluation.json": evaluation_json(evaluation), "report.md": report_markdown(evaluation)}
    for name, content in files.items():
        write_whole(out / name, content)
    return tuple(out / name for name in files)

"""Pictures of an evaluation: the same document gives the same bytes."""

import io
from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from pipeline.evaluation.document import Plot, PlotKind, Series

SIZE_IN, DPI = (5.6, 4.2), 120
COLOURS = ("#1b5e8c", "#c2571a", "#3f7f4f", "#7a4e9c")
"""Blue, orange, green, violet: told apart in grey too."""
MARKERS = ("o", "s", "^", "D")


def render(plot: Plot) -> bytes:
    """Return a plot as PNG; its only metadata is its title, so that the same plot gives the same bytes."""
    canvas = Canvas(figsize=SIZE_IN, dpi=DPI, layout="constrained")
    axes = canvas.add_subplot()
    _DRAW[plot.kind](axes, plot)
    axes.set(xlabel=plot.x_label, ylabel=plot.y_label)
    axes.set_title(plot.title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        axes.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(canvas)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", metadata={"Software": None, "Title": plot.title})
    return buffer.getvalue()


def _unit_square(axes: Axes) -> None:
    """Both axes from 0 to 1."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def _with_interval(axes: Axes, series: Series, shift: float, number: int, *, line: str) -> None:
    """Points with their interval."""
    x, y = np.array(series.x) + shift, np.array(series.y)
    bounds = [np.maximum(y - np.array(series.low), 0.0), np.maximum(np.array(series.high) - y, 0.0)] if series.low else None
    axes.errorbar(
        x, y, yerr=bounds, fmt=MARKERS[number % len(MARKERS)], linestyle=line, color=COLOURS[number % len(COLOURS)],
        markersize=4, linewidth=1.0, elinewidth=1.0, capsize=2.5, label=series.name,
    )  # fmt: skip


def _reliability(axes: Axes, plot: Plot) -> None:
    """Observed share over forecast, with the diagonal; each point with its count."""
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle="--")
    for number, series in enumerate(plot.series):
        _with_interval(axes, series, 0.0, number, line="-")
        if number == 0:
            for x, high, n in zip(series.x, series.high, series.n, strict=True):
                axes.annotate(f"{n}", (x, high), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=6.5)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.1))


def _curve(axes: Axes, plot: Plot) -> None:
    """Lines in the unit square."""
    for number, series in enumerate(plot.series):
        axes.plot(series.x, series.y, color=COLOURS[number % len(COLOURS)], linewidth=1.3, label=series.name)
    _unit_square(axes)


def _shares(axes: Axes, plot: Plot) -> None:
    """Shares with intervals side by side; the count stands below its label."""
    for number, series in enumerate(plot.series):
        _with_interval(axes, series, 0.16 * (number - (len(plot.series) - 1) / 2.0), number, line="none")
    first = plot.series[0] if plot.series else None
    if first is not None:
        axes.set_xticks(first.x, [f"{label}\nn = {n}" for label, n in zip(first.labels, first.n, strict=True)], fontsize=8)
    axes.set(ylim=(-0.02, 1.05))


def _histogram(axes: Axes, plot: Plot) -> None:
    """Cases by whole number, side by side."""
    values = [v for series in plot.series for v in series.x]
    if not values:
        axes.annotate("no case", (0.5, 0.5), xycoords="axes fraction", ha="center", color="#666666")
        return
    steps = np.arange(int(min(values)), int(max(values)) + 1)
    width = 0.8 / len(plot.series)
    for number, series in enumerate(plot.series):
        counts = [sum(int(v) == step for v in series.x) for step in steps]
        axes.bar(steps + width * (number - (len(plot.series) - 1) / 2.0), counts, width, color=COLOURS[number % len(COLOURS)],
                 label=f"{series.name} (n = {len(series.x)})")  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


_DRAW: Mapping[PlotKind, Callable[[Axes, Plot], None]] = {
    "reliability": _reliability,
    "curve": _curve,
    "shares": _shares,
    "histogram": _histogram,
}

"""Method in plain words, limits, and error rates as they were measured."""

from pipeline.reports.cells import text_of, value_text
from pipeline.reports.document import Block, Cell, Items, Paragraph, Section, Table, stored
from pipeline.reports.facts import ReportFacts
from pipeline.reports.figures import Choice, Quoted, choose
from pipeline.reports.words import Words

STEPS = ("reference", "change", "time", "site", "tenure", "priority")
LIMITS = ("small", "cloud", "bare", "underground", "alike", "register", "purpose")
NO_SHARES = {"calibration_slope", "outline_iou_median", "false_alerts"}
"""Figures that are no shares: printed as numbers, not as percent."""


def method_section(words: Words, facts: ReportFacts) -> Section:
    """Return the method in plain words."""
    steps = Items(tuple(words.say(f"method.step_{step}") for step in STEPS), is_ordered=True)
    source = "method.source_simulated" if facts.is_simulated else "method.source"
    return Section("method", words.say("method.title"), (steps, Paragraph(words.say(source))))


def choice_of(facts: ReportFacts) -> Choice:
    """Return what the evaluation of the model says of the site of an alert."""
    told = facts.alert.properties
    probability = told["mining_probability"]
    return choose(
        facts.model, model_id=str(told["model_id"]), landscape=facts.landscape, area_ha=float(str(told["area_ha"])),
        probability=probability if isinstance(probability, float | int) else None,
    )  # fmt: skip


def limits_section(words: Words, facts: ReportFacts, choice: Choice) -> Section:
    """Return the limits, and the error rates for the landscape and size of the site."""
    limits = Items(tuple(words.say(f"limits.{limit}") for limit in LIMITS))
    return Section("limits", words.say("limits.title"), (limits, *_rates(words, facts, choice)))


def _rates(words: Words, facts: ReportFacts, choice: Choice) -> list[Block]:
    """The figures, and what is not measured."""
    if not choice.is_about_model:
        return [Paragraph(words.say("limits.no_evaluation"), is_strong=True)]
    alert = facts.alert
    landscape = words.say("value.not_stated") if facts.landscape is None else words.code("landscape", facts.landscape)
    intro = words.say(
        "limits.figures_intro", model=text_of(alert, "model_id"), landscape=landscape,
        area=value_text(words, "area_ha", alert.properties["area_ha"]),
    )  # fmt: skip
    if not choice.quoted:
        return [Paragraph(intro), Paragraph(words.say("limits.no_landscape"), is_strong=True)]
    is_real = any(not q.is_simulated for q in choice.quoted)
    silent = ["no_size_real" if is_real else "no_real"]
    silent += ["no_probability"] if alert.properties["mining_probability"] is None else []
    return [
        Paragraph(intro),
        Items(tuple(words.say(f"limits.{key}") for key in silent)),
        figures_table(words, choice.quoted),
    ]


def figures_table(words: Words, quoted: tuple[Quoted, ...]) -> Table:
    """Return quoted figures as a table."""
    head = tuple(words.say(f"limits.{k}") for k in ("measured", "section", "figure"))
    rows = tuple((Cell(_measured(words, q)), Cell(_section(words, q)), _figure(words, q)) for q in quoted)
    return Table(words.say("limits.figures_table"), head, rows, words.say("limits.note"))


def _measured(words: Words, quoted: Quoted) -> str:
    """What was measured, in words."""
    detail = {name: text.replace(".", words.say("language.decimal")) for name, text in quoted.detail.items()}
    if "group" in detail:
        detail["group"] = words.code("group", quoted.detail["group"])
    return words.say(f"figure.{quoted.key}", **detail)


def _section(words: Words, quoted: Quoted) -> str:
    """Where it was measured."""
    return words.say("limits.simulated" if quoted.is_simulated else "limits.real", section=quoted.section)


def _figure(words: Words, quoted: Quoted) -> Cell:
    """A figure with its interval and count."""
    figure = quoted.figure
    of = words.code("of", str(figure.get("of", "")).replace(", ", "_").replace(" ", "_"))
    n = words.number(int(figure.get("n", 0)))
    value, low, high = (_number(words, quoted.key, figure.get(k)) for k in ("value", "low", "high"))
    if value is None:
        text = words.say("limits.nothing", n=n, of=of)
    elif low is None or high is None:
        text = words.say("limits.share_bare", value=value, n=n, of=of)
    else:
        text = words.say("limits.share", value=value, low=low, high=high, n=n, of=of)
    return stored(text, f"figure.{quoted.section}.{quoted.key}", dict(figure))


def _number(words: Words, key: str, value: object) -> str | None:
    """A share in percent, or a plain number with about three digits."""
    if not isinstance(value, int | float):
        return None
    if key not in NO_SHARES:
        return words.percent(value)
    return words.rounded(value, 0 if abs(value) >= 100 else 2)

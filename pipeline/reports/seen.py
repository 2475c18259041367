"""What was seen: the summary, the facts of the record, the bounds of the start, pictures and series."""

from dataclasses import fields

from pipeline.alerts import Alert
from pipeline.reports.cells import facts_table, property_cell, text_of, value_text
from pipeline.reports.document import Block, Cell, Paragraph, Picture, Pictures, Section, stored
from pipeline.reports.facts import Looks, ReportFacts
from pipeline.reports.words import Words

FACTS = (
    "site_id", "revision", "evaluated_on", "state", "activity", "likely_cause", "change_types", "area_ha", "clearing_ha",
    "tailings_ha", "pond_ha", "expansion_ha", "growth_30d_ha", "mining_probability", "last_clear_unchanged_on",
    "first_detected_on", "confirmed_on", "last_detected_on", "reopened_on", "clear_observations", "merged_from", "split_from",
)  # fmt: skip
"""Properties in the table of facts, in its order."""
PAIR = ("before.png", "after.png")
SERIES = "series.png"


def property_rows(words: Words, alert: Alert, names: tuple[str, ...]) -> list[tuple[str, Cell]]:
    """Return rows of a table of facts for some properties."""
    return [(words.say(f"property.{name}"), property_cell(words, alert, name)) for name in names]


def brief_section(words: Words, facts: ReportFacts) -> Section:
    """Return the summary: two paragraphs with the numbers of the record."""
    alert = facts.alert
    told = {name: value_text(words, name, alert.properties[name]) for name in
            ("area_ha", "likely_cause", "state", "activity", "tenure_status", "tenure_status_at_detection")}  # fmt: skip
    first, day = (words.long_day(text_of(alert, n)) for n in ("first_detected_on", "evaluated_on"))
    seen = words.say(
        "brief.seen", area=told["area_ha"], first=first, cause=told["likely_cause"], state=told["state"],
        activity=told["activity"],
    )  # fmt: skip
    status = alert.properties["tenure_status"]
    tenure = words.say("brief.tenure", day=day, status=told["tenure_status"], meaning=words.code("tenure_meaning", status))
    then = words.say("brief.tenure_then", day=first, status=told["tenure_status_at_detection"])
    state = words.code("state_meaning", alert.properties["state"])
    activity = words.code("activity_meaning", alert.properties["activity"])
    blocks = (Paragraph(f"{seen} {state} {activity}"), Paragraph(f"{tenure} {then}"))
    return Section("brief", words.say("brief.title"), blocks)


def facts_section(words: Words, facts: ReportFacts) -> Section:
    """Return the facts of the record."""
    alert = facts.alert
    rows = [
        (words.say("property.area_name"), Cell(facts.area_name)),
        (words.say("property.alert_id"), stored(alert.id, "id", alert.id)),
        *property_rows(words, alert, FACTS),
    ]
    table = facts_table(words, words.say("facts.table"), rows, words.say("facts.kinds"))
    return Section("facts", words.say("facts.title"), (table,))


def start_section(words: Words, facts: ReportFacts) -> Section:
    """Return the bounds of the start, with what the satellite saw between them."""
    alert = facts.alert
    first = words.long_day(text_of(alert, "first_detected_on"))
    if alert.properties["last_clear_unchanged_on"] is None:
        bounds = words.say("start.open", first=first)
    else:
        unchanged = words.long_day(text_of(alert, "last_clear_unchanged_on"))
        bounds = words.say("start.bounds", unchanged=unchanged, first=first)
    counts = _counts(words, facts.looks) if facts.looks is not None else (Paragraph(words.say("start.no_counts")),)
    return Section("start", words.say("start.title"), (Paragraph(bounds), *counts))


def _counts(words: Words, looks: Looks) -> tuple[Block, ...]:
    """The table of acquisitions."""
    counts = {f.name: int(getattr(looks.counts, f.name)) for f in fields(looks.counts)}
    rows = [(words.say(f"start.{name}"), stored(words.number(count), f"looks.{name}", count)) for name, count in counts.items()]
    caption = words.say("start.table", after=looks.after.isoformat(), before=looks.before.isoformat())
    return (facts_table(words, caption, rows, words.say("start.note")),)


def pictures_section(words: Words, facts: ReportFacts) -> Section:
    """Return pictures and series, as far as there are any."""
    blocks: list[Block] = []
    pair = tuple(_picture(words, facts, name, "pictures.alt") for name in PAIR if name in facts.pictures)
    if pair:
        blocks.append(Pictures(pair))
    if SERIES in facts.pictures:
        blocks.append(Pictures((_picture(words, facts, SERIES, "pictures.alt_series"),)))
    closing = "pictures.inside" if blocks else "pictures.absent"
    blocks.append(Paragraph(words.say(closing)))
    return Section("pictures", words.say("pictures.title"), tuple(blocks))


def _picture(words: Words, facts: ReportFacts, name: str, alt_key: str) -> Picture:
    """One picture with its words."""
    alert = facts.alert
    caption = words.say(f"pictures.{name.removesuffix('.png')}")
    alt = words.say(
        alt_key, caption=caption, site=text_of(alert, "site_id"), first=text_of(alert, "first_detected_on"),
        area=value_text(words, "area_ha", alert.properties["area_ha"]),
    )  # fmt: skip
    return Picture(facts.pictures[name], alt, caption)

"""What the law data say: titles on both days, their sources, restrictions, protected land."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reports.cells import hectares, name_cell, objects_of, property_cell, text_of, words_cell
from pipeline.reports.document import Block, Cell, Paragraph, Section, Table, plain_text, stored
from pipeline.reports.facts import ReportFacts
from pipeline.reports.words import Words


def titles_section(words: Words, facts: ReportFacts) -> Section:
    """Return the relation to the titles on both days, with hectares, dates and sources."""
    alert = facts.alert
    titles, snapshots = objects_of(alert, "titles"), objects_of(alert, "cadastre")
    silence = [Paragraph(words.say("tenure.no_titles"))] if snapshots else []  # without a snapshot nobody looked
    blocks: list[Block] = [
        Paragraph(words.say("tenure.intro")),
        _relation(words, facts),
        *(Paragraph(sentence) for sentence in _meanings(words, facts)),
        *([_titles(words, facts, titles)] if titles else silence),
        snapshots_block(words, snapshots),
    ]
    return Section("titles", words.say("tenure.title"), tuple(blocks))


def _days(facts: ReportFacts) -> tuple[tuple[str, str], ...]:
    """Both days, each with the ending of its properties."""
    return ((text_of(facts.alert, "evaluated_on"), ""), (text_of(facts.alert, "first_detected_on"), "_at_detection"))


def _relation(words: Words, facts: ReportFacts) -> Table:
    """Status and hectares on both days."""
    alert = facts.alert
    rows = tuple(
        (
            Cell(day),
            property_cell(words, alert, f"tenure_status{ending}"),
            property_cell(words, alert, f"uncovered_ha{ending}"),
        )
        for day, ending in _days(facts)
    )
    head = tuple(words.say(k) for k in ("head.day", "tenure.head_status", "tenure.head_uncovered"))
    return Table(words.say("tenure.table"), head, rows)


def _meanings(words: Words, facts: ReportFacts) -> list[str]:
    """What the status means, for both days where they differ."""
    told = [(day, facts.alert.properties[f"tenure_status{ending}"]) for day, ending in _days(facts)]
    some = told[:1] if told[0][1] == told[1][1] else told
    return [words.say("tenure.meaning", day=day, meaning=words.code("tenure_meaning", status)) for day, status in some]


def _titles(words: Words, facts: ReportFacts, titles: Sequence[Mapping[str, Any]]) -> Table:
    """One row for each title."""
    (now, _), (then, _) = _days(facts)
    heads = ("title_id", "kind", "register_status", "valid_from", "valid_to", "overlap")
    head = (
        *(words.say(f"tenure.{k}") for k in heads),
        words.say("tenure.finding_now", day=now),
        words.say("tenure.finding_then", day=then),
    )
    return Table(
        words.say("tenure.titles_table"), head, tuple(_title(words, t) for t in titles), words.say("tenure.titles_note")
    )


def _title(words: Words, title: Mapping[str, Any]) -> tuple[Cell, ...]:
    """The row of one title."""
    return (
        name_cell(words, title.get("id"), name="titles.id"),
        words_cell(words, "title_kind", title.get("kind"), "titles.kind"),
        words_cell(words, "title_status", title.get("status"), "titles.status"),
        name_cell(words, title.get("valid_from"), name="titles.valid_from"),
        name_cell(words, title.get("valid_to"), name="titles.valid_to"),
        hectares(words, "titles.overlap_ha", title.get("overlap_ha")),
        _finding(words, title, "finding"),
        _finding(words, title, "finding_at_detection"),
    )


def _finding(words: Words, title: Mapping[str, Any], name: str) -> Cell:
    """What a title says of a day; nothing where it did not lie near enough then."""
    value = title.get(name)
    text = words.say("value.none") if value is None else words.code("tenure_status", value)
    return stored(text, f"titles.{name}", value)


def snapshots_block(words: Words, snapshots: Sequence[Mapping[str, Any]]) -> Block:
    """Return the sources as a table, or the sentence that there are none."""
    if not snapshots:
        return Paragraph(words.say("tenure.no_snapshots"), is_strong=True)
    keys = ("snapshot", "register", "retrieved_on", "title_count", "lacks", "sha256")
    rows = tuple(
        (
            name_cell(words, s.get("name"), name="cadastre.name"),
            name_cell(words, s.get("register"), name="cadastre.register"),
            name_cell(words, s.get("retrieved_on"), name="cadastre.retrieved_on"),
            stored(words.number(s["title_count"]), "cadastre.title_count", s["title_count"]),
            _lacks(words, s),
            name_cell(words, s.get("sha256"), name="cadastre.sha256"),
        )
        for s in snapshots
    )
    head = tuple(words.say(f"tenure.{k}") for k in keys)
    return Table(words.say("tenure.snapshots_table"), head, rows, words.say("tenure.snapshots_note"))


def _lacks(words: Words, snapshot: Mapping[str, Any]) -> Cell:
    """What a snapshot is known to leave out, in the words of whoever took it in."""
    lacks = [plain_text(str(one)) for one in snapshot.get("lacks") or ()]
    return stored("; ".join(lacks) or words.say("tenure.lacks_none"), "cadastre.lacks", snapshot.get("lacks") or [])


def land_section(words: Words, facts: ReportFacts) -> Section:
    """Return restrictions, protected areas and Indigenous territories."""
    restrictions, areas = (objects_of(facts.alert, name) for name in ("restrictions", "protected_areas"))
    return Section(
        "land",
        words.say("land.title"),
        (
            _restrictions(words, restrictions) if restrictions else Paragraph(words.say("land.no_restrictions")),
            _protected(words, areas) if areas else Paragraph(words.say("land.no_protected")),
        ),
    )


def _restrictions(words: Words, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Ground that is closed whatever the titles say."""
    head = tuple(words.say(f"land.{k}") for k in ("kind", "name", "overlap", "width", "provision"))
    cells = tuple(
        (
            words_cell(words, "restriction", row.get("kind"), "restrictions.kind"),
            name_cell(words, row.get("name"), name="restrictions.name"),
            hectares(words, "restrictions.overlap_ha", row.get("overlap_ha")),
            _width(words, row.get("width_m")),
            name_cell(words, row.get("provision"), name="restrictions.provision"),
        )
        for row in rows
    )
    return Table(words.say("land.restrictions_table"), head, cells)


def _width(words: Words, value: object) -> Cell:
    """The width of a strip."""
    text = words.quantity("m", value) if isinstance(value, int | float) else words.say("value.none")
    return stored(text, "restrictions.width_m", value)


def _protected(words: Words, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Protected areas and territories."""
    head = tuple(words.say(f"land.{k}") for k in ("kind", "name", "overlap", "consent"))
    cells = tuple(
        (
            words_cell(words, "area_kind", row.get("kind"), "protected_areas.kind"),
            name_cell(words, row.get("name"), name="protected_areas.name"),
            hectares(words, "protected_areas.overlap_ha", row.get("overlap_ha")),
            words_cell(words, "value", "yes" if row.get("consent_required") else "no"),
        )
        for row in rows
    )
    return Table(words.say("land.protected_table"), head, cells)

"""What a reader can check: the terms of the priority, who reviewed, how to verify, lineage, the record's own words."""

from collections.abc import Mapping

from pipeline.priority import PRIORITY_TERMS
from pipeline.reports.cells import facts_table, property_cell, strings_of, text_of
from pipeline.reports.document import Block, Cell, Command, Items, Paragraph, Section, Table, plain_text, stored
from pipeline.reports.facts import ReportFacts
from pipeline.reports.figures import Choice
from pipeline.reports.seen import property_rows
from pipeline.reports.words import Words

THRESHOLDS = ("unclear_from", "named_mining_from", "looks_to_confirm")


def priority_section(words: Words, facts: ReportFacts) -> Section:
    """Return the terms of the priority and their sum."""
    alert = facts.alert
    told = alert.properties["priority_terms"]
    terms = told if isinstance(told, Mapping) else {}
    known = [term.name for term in PRIORITY_TERMS if term.name in terms]
    names = [*known, *(name for name in terms if name not in known)]
    rows = [
        (words.code("term", name), stored(words.number(terms[name]), f"priority_terms.{name}", terms[name])) for name in names
    ]
    rows.append((words.say("priority.sum"), property_cell(words, alert, "priority")))
    table = facts_table(words, words.say("priority.table"), rows)
    head = (words.say("priority.term"), words.say("priority.points"))
    blocks = (Paragraph(words.say("priority.intro")), Table(table.caption, head, table.rows))
    return Section("priority", words.say("priority.title"), blocks)


def review_section(words: Words, facts: ReportFacts) -> Section:
    """Return who reviewed, or that nobody did."""
    blocks: list[Block] = []
    if facts.alert.properties["review_verdict"] is not None:
        rows = property_rows(words, facts.alert, ("review_verdict",))
        blocks.append(facts_table(words, words.say("review.title"), rows))
    if facts.reviews:
        head = tuple(words.say(f"review.{k}") for k in ("reviewed_on", "reviewer", "verdict", "reasons"))
        told = tuple(
            tuple(Cell(plain_text(t)) for t in (r.reviewed_on.isoformat(), r.reviewer, r.verdict, "; ".join(r.reasons)))
            for r in facts.reviews
        )
        blocks.append(Table(words.say("review.table"), head, told))
    return Section(
        "review", words.say("review.title"), tuple(blocks) or (Paragraph(words.say("review.nobody"), is_strong=True),)
    )


def verify_section(words: Words, facts: ReportFacts) -> Section:
    """Return how to check the evidence, with what to compare."""
    proof = facts.proof
    bundle = proof.bundle or words.say("verify.bundle_file")
    marks = (("bundle", proof.bundle), ("event_hash", proof.event_hash), ("key", proof.key_fingerprint))
    rows = [
        (words.say(f"verify.{key}"), stored(plain_text(text) or words.say("value.not_stated"), f"proof.{key}", text))
        for key, text in marks
    ]
    blocks = (
        Paragraph(words.say("verify.intro")),
        Paragraph(words.say("verify.bundle_step")),
        Command(f"overburden evidence verify {bundle} --key {words.say('verify.key_file')}"),
        Paragraph(words.say("verify.folder_step")),
        Command("sha256sum -c SHA256SUMS"),
        facts_table(words, words.say("verify.table"), rows, words.say("verify.compare_step")),
    )
    return Section("verify", words.say("verify.title"), blocks)


def lineage_section(words: Words, facts: ReportFacts) -> Section:
    """Return software, configuration, model, thresholds, scenes."""
    thresholds = _thresholds(words, facts.model.manifest)
    rows = [
        (words.say("lineage.software"), Cell(facts.software)),
        (words.say("lineage.config_digest"), Cell(facts.config_digest)),
        (words.say("lineage.model"), property_cell(words, facts.alert, "model_id")),
        (words.say("lineage.thresholds"), Cell("; ".join(thresholds) or words.say("value.not_stated"))),
        *property_rows(words, facts.alert, ("scenes", "schema_version")),
    ]
    blocks = (facts_table(words, words.say("lineage.table"), rows), Paragraph(words.say("report.pages_made")))
    return Section("lineage", words.say("lineage.title"), blocks)


def _thresholds(words: Words, manifest: Mapping[str, object]) -> list[str]:
    """Thresholds of the model that a reader can understand."""
    told = manifest.get("thresholds")
    thresholds = dict(told) if isinstance(told, Mapping) else {}
    monitor = thresholds.get("monitor")
    known = {**thresholds, **(dict(monitor) if isinstance(monitor, Mapping) else {})}
    return [words.say(f"lineage.{key}", value=words.number(known[key])) for key in THRESHOLDS if key in known]


def original_section(words: Words, facts: ReportFacts, choice: Choice) -> Section:
    """Return the record's own English sentences, unchanged."""
    alert = facts.alert
    now, first = text_of(alert, "evaluated_on"), text_of(alert, "first_detected_on")
    quoted = (
        (words.say("original.reasons_now", day=now), strings_of(alert, "tenure_reasons")),
        (words.say("original.reasons_then", day=first), strings_of(alert, "tenure_reasons_at_detection")),
        (words.say("original.terms"), strings_of(alert, "mining_terms")),
        (words.say("original.sources"), choice.sources),
        (words.say("original.blind"), choice.blind),
        (words.say("original.disclaimer"), (text_of(alert, "disclaimer"),)),
    )
    lists = tuple(Items(sentences, title=title, lang="en") for title, sentences in quoted if sentences)
    return Section("original", words.say("original.title"), (Paragraph(words.say("original.intro")), *lists))

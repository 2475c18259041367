"""The summary of one night and area: how many alerts, which, what was seen and what was not."""

from collections import Counter
from collections.abc import Sequence

from pipeline.alerts import Alert, AlertState
from pipeline.reports.as_html import html_bytes
from pipeline.reports.as_pdf import pdf_bytes
from pipeline.reports.cells import facts_table, property_cell, text_of
from pipeline.reports.document import Block, Cell, Document, Items, Notice, Paragraph, Section, Table, plain_text, stored
from pipeline.reports.facts import NightFacts
from pipeline.reports.titles import snapshots_block
from pipeline.reports.words import LANGUAGES, Words, words_of
from pipeline.tenure import TenureStatus

MOST_ROWS = 40
"""Failed scenes and sentences that are printed; the ledger has all."""
COLUMNS = ("site_id", "priority", "state", "likely_cause", "area_ha", "first_detected_on", "tenure_status")
UNKNOWN = ("titles", "small", "who", "model")


def night_document(night: NightFacts, words: Words) -> Document:
    """Return the summary of a night in one language."""
    day = night.as_of.isoformat()
    area = plain_text(night.area_name)
    notices = [Notice("disclaimer", words.say("notice.disclaimer_title"), words.say("notice.disclaimer"))]
    if night.is_simulated:
        notices.insert(0, Notice("simulated", words.say("notice.simulated_title"), words.say("notice.simulated")))
    return Document(
        lang=words.say("language.tag"),
        title=words.say("night.title"),
        subtitle=words.say("night.subtitle", area=area, day=words.long_day(day)),
        running=words.say("night.running", area=area, day=day),
        page=words.sentences["report.page"],
        day=day,
        notices=tuple(notices),
        sections=(_numbers(words, night), _alerts(words, night), _seen(words, night), _sources(words, night),
                  _unknown(words), _lineage(words, night)),
    )  # fmt: skip


def _numbers(words: Words, night: NightFacts) -> Section:
    """Counts."""
    before = night.previous_as_of
    counts = words.say(
        "night.counts", alerts=len(night.alerts), changed=len(night.changed), disturbances=len(night.disturbances)
    )
    consent = sum(a.properties["consent_required"] == "yes" for a in night.alerts)
    blocks: list[Block] = [
        Paragraph(words.say("night.first") if before is None else words.say("night.since", day=before.isoformat())),
        Paragraph(counts),
        *([Paragraph(words.say("night.consent", count=consent), is_strong=True)] if consent else []),
        *([_crossed(words, night.alerts)] if night.alerts else []),
    ]
    return Section("numbers", words.say("night.counts_title"), tuple(blocks))


def _crossed(words: Words, alerts: Sequence[Alert]) -> Table:
    """Alerts by relation to the titles and state."""
    found = Counter((str(a.properties["tenure_status"]), str(a.properties["state"])) for a in alerts)
    states = [s for s in AlertState if any(state == s for _, state in found)]
    statuses = [s for s in TenureStatus if any(status == s for status, _ in found)]
    rows = [
        (Cell(words.code("tenure_status", status)), *_counts(words, [found[str(status), str(s)] for s in states], status))
        for status in statuses
    ]
    sums = [sum(found[str(status), str(s)] for status in statuses) for s in states]
    rows.append((Cell(words.say("night.total")), *_counts(words, sums, "total")))
    head = (
        words.say("property.tenure_status"), *(words.code("state", s) for s in states), words.say("night.total")
    )  # fmt: skip
    return Table(words.say("night.counts_table"), head, tuple(rows))


def _counts(words: Words, counts: Sequence[int], name: str) -> tuple[Cell, ...]:
    """Cells of counts and their sum."""
    return tuple(stored(words.number(n), f"count.{name}", n) for n in (*counts, sum(counts)))


def _alerts(words: Words, night: NightFacts) -> Section:
    """The alerts, most urgent first."""
    ranked = sorted(night.alerts, key=lambda a: (-float(str(a.properties["priority"])), text_of(a, "site_id")))
    changed = {a.id for a in night.changed}
    rows = tuple(
        (
            *(property_cell(words, a, name) for name in COLUMNS),
            Cell(words.say(f"night.{_news(a, changed)}")),
        )
        for a in ranked
    )
    head = (*(words.say(f"property.{name}") for name in COLUMNS), words.say("night.news"))
    table = Table(words.say("night.alerts_table"), head, rows)
    block: Block = table if rows else Paragraph(words.say("night.no_alerts"))
    return Section("alerts", words.say("night.alerts_title"), (block,))


def _news(alert: Alert, changed: set[str]) -> str:
    """Whether an alert is new, changed, or as before."""
    if alert.id not in changed:
        return "unchanged"
    return "new" if alert.properties["revision"] == 1 else "changed"


def _seen(words: Words, night: NightFacts) -> Section:
    """What was seen and what was not."""
    least, most = (words.percent(share / 100.0, 0) for share in night.unseen_pct)
    share = most if least == most else words.say("night.between", least=least, most=most)
    days = {"first": night.seen_from.isoformat(), "last": night.as_of.isoformat()}
    unseen = words.say("night.unseen", share=share, days=night.unseen_days, day=night.as_of.isoformat())
    blocks: list[Block] = [
        Paragraph(unseen, is_strong=True),
        _days(words, night, days) if night.days else Paragraph(words.say("night.no_days", **days)),
        *([Paragraph(words.say("night.not_listed", count=night.not_listed))] if night.not_listed else []),
        *_failed(words, night),
    ]
    if night.unwatched:
        blocks.append(Items(_capped(words, night.unwatched), title=words.say("night.unwatched"), lang="en"))
    return Section("seen", words.say("night.seen_title"), tuple(blocks))


def _days(words: Words, night: NightFacts, days: dict[str, str]) -> Table:
    """Shares of the area by solar day, the last first."""
    head = tuple(words.say(f"night.{k}") for k in ("solar_day", "clear", "cloudy", "not_imaged"))
    rows = tuple(
        (
            Cell(d.solar_day.isoformat()),
            *(
                stored(words.percent(getattr(d, name) / 100.0), f"days.{name}", getattr(d, name))
                for name in ("clear_pct", "cloudy_pct", "not_imaged_pct")
            ),
        )
        for d in sorted(night.days, key=lambda d: d.solar_day, reverse=True)
    )
    return Table(words.say("night.days_table", **days), head, rows)


def _failed(words: Words, night: NightFacts) -> list[Block]:
    """Scenes that could not be used."""
    if not night.failed:
        return [Paragraph(words.say("night.no_failed"))]
    head = tuple(words.say(f"night.{k}") for k in ("solar_day", "scene", "reason"))
    rows = tuple(
        (
            Cell(words.say("value.not_known") if f.solar_day is None else f.solar_day.isoformat()),
            Cell(plain_text(f.scene_id)),
            Cell(plain_text(f.reason), lang="en"),
        )
        for f in night.failed[:MOST_ROWS]
    )
    rest = len(night.failed) - len(rows)
    note = words.say("night.more", count=rest) if rest > 0 else ""
    return [Table(words.say("night.failed_table"), head, rows, note)]


def _capped(words: Words, sentences: Sequence[str]) -> tuple[str, ...]:
    """As many sentences as are printed."""
    rest = len(sentences) - MOST_ROWS
    more = (words.say("night.more", count=rest),) if rest > 0 else ()
    return (*(plain_text(s) for s in sentences[:MOST_ROWS]), *more)


def _sources(words: Words, night: NightFacts) -> Section:
    """The snapshots that were read."""
    return Section("sources", words.say("night.sources_title"), (snapshots_block(words, night.cadastre),))


def _unknown(words: Words) -> Section:
    """What is not known."""
    sentences = tuple(words.say(f"night.unknown_{key}") for key in UNKNOWN)
    return Section("unknown", words.say("night.unknown_title"), (Items(sentences),))


def _lineage(words: Words, night: NightFacts) -> Section:
    """Software, configuration, model."""
    rows = [
        (words.say("property.aoi_id"), Cell(night.aoi_id)),
        (words.say("lineage.software"), Cell(night.software)),
        (words.say("lineage.config_digest"), Cell(night.config_digest)),
        (words.say("lineage.model"), Cell(night.model.model_id)),
    ]
    return Section("lineage", words.say("lineage.title"), (facts_table(words, words.say("lineage.table"), rows),))


def night_documents(night: NightFacts, languages: Sequence[str] = LANGUAGES) -> dict[str, bytes]:
    """Return `summary.<language>.html` and `summary.<language>.pdf`; the same facts always give the same bytes.

    Raises
    ------
    ValueError
        There are no words in a language.
    """
    files: dict[str, bytes] = {}
    for language in languages:
        document = night_document(night, words_of(language))
        files[f"summary.{language}.html"] = html_bytes(document)
        files[f"summary.{language}.pdf"] = pdf_bytes(document)
    return files

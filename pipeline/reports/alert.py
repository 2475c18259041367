"""The report of one alert: the document, and its files in each language."""

from collections.abc import Sequence

from pipeline.reports.as_html import html_bytes
from pipeline.reports.as_pdf import pdf_bytes
from pipeline.reports.cells import text_of
from pipeline.reports.document import Document, Notice, plain_text
from pipeline.reports.facts import ReportFacts
from pipeline.reports.limits import choice_of, limits_section, method_section
from pipeline.reports.places import places_section
from pipeline.reports.proof import lineage_section, original_section, priority_section, review_section, verify_section
from pipeline.reports.seen import brief_section, facts_section, pictures_section, start_section
from pipeline.reports.titles import land_section, titles_section
from pipeline.reports.words import LANGUAGES, Words, words_of


def alert_document(facts: ReportFacts, words: Words) -> Document:
    """Return the report of an alert in one language."""
    alert = facts.alert
    site, revision, day = (text_of(alert, name) for name in ("site_id", "revision", "evaluated_on"))
    choice = choice_of(facts)
    return Document(
        lang=words.say("language.tag"),
        title=words.say("report.title"),
        subtitle=words.say(
            "report.subtitle", area=plain_text(facts.area_name), site=site, revision=revision, day=words.long_day(day)
        ),
        running=words.say("report.running", site=site, revision=revision, day=day),
        page=words.sentences["report.page"],
        day=day,
        notices=_notices(words, facts),
        sections=(
            brief_section(words, facts), facts_section(words, facts), start_section(words, facts),
            pictures_section(words, facts), titles_section(words, facts), land_section(words, facts),
            places_section(words, alert.geometry), method_section(words, facts), limits_section(words, facts, choice),
            priority_section(words, facts), review_section(words, facts), verify_section(words, facts),
            lineage_section(words, facts), original_section(words, facts, choice),
        ),
    )  # fmt: skip


def _notices(words: Words, facts: ReportFacts) -> tuple[Notice, ...]:
    """The boxes at the head: simulated, consent, disclaimer."""
    notices = []
    if facts.is_simulated:
        notices.append(Notice("simulated", words.say("notice.simulated_title"), words.say("notice.simulated")))
    if facts.alert.properties["consent_required"] == "yes":
        notices.append(Notice("consent", words.say("notice.consent_title"), words.say("notice.consent")))
    notices.append(Notice("disclaimer", words.say("notice.disclaimer_title"), words.say("notice.disclaimer")))
    return tuple(notices)


def alert_documents(facts: ReportFacts, languages: Sequence[str] = LANGUAGES) -> dict[str, bytes]:
    """Return `report.<language>.html` and `report.<language>.pdf`; the same facts always give the same bytes.

    Raises
    ------
    ValueError
        There are no words in a language.
    """
    files: dict[str, bytes] = {}
    for language in languages:
        document = alert_document(facts, words_of(language))
        files[f"report.{language}.html"] = html_bytes(document)
        files[f"report.{language}.pdf"] = pdf_bytes(document)
    return files

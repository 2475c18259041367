"""Reports for people: one document for each alert and each night, in English, Spanish, Portuguese and French.

Receives facts, hands on files by name. A document is built once for each language from translated sentences and stored
values, and written twice, as HTML and as PDF. Nothing is computed from pixels here, and nothing is concluded.
"""

from pipeline.reports.alert import alert_document, alert_documents
from pipeline.reports.document import Document
from pipeline.reports.facts import DayShares, FailedScene, Looks, ModelFacts, NightFacts, Proof, ReportFacts, Review
from pipeline.reports.night import night_document, night_documents
from pipeline.reports.words import LANGUAGES, Words, words_of

__all__ = [
    "LANGUAGES",
    "DayShares",
    "Document",
    "FailedScene",
    "Looks",
    "ModelFacts",
    "NightFacts",
    "Proof",
    "ReportFacts",
    "Review",
    "Words",
    "alert_document",
    "alert_documents",
    "night_document",
    "night_documents",
    "words_of",
]

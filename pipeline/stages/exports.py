"""Exports: what a tier is told of an area on a day, as files for one recipient, logged before they are written."""

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

from pipeline import __version__
from pipeline.alerts import Alert, is_for_agencies, is_open
from pipeline.delivery import SharedFile, cap_messages, csv_rows, geoparquet, kml, shared_collection, stac_item
from pipeline.errors import SharingRefusedError
from pipeline.io.community import sites_from_community
from pipeline.io.exports import ExportedFile, ExportNote, note_export
from pipeline.io.geopackages import geopackage
from pipeline.io.history import History, open_history
from pipeline.io.outputs import csv_text, write_whole
from pipeline.sharing import HeldBack, Policy, SharedAlert, SharingFacts, Tier, fields_of, shared
from pipeline.stages.sites import alert_of

logger = logging.getLogger(__name__)
UNNAMED = "area-not-named"
"""What stands for the area in the files of a tier that is not told it."""
_PLAIN = re.compile(r"[^A-Za-z0-9_.-]+")
_BUNDLE = re.compile(r"evidence/[A-Za-z0-9_-][A-Za-z0-9_.-]*\.zip")


class Format(StrEnum):
    """Renderings."""

    GEOJSON = "geojson"
    GPKG = "gpkg"
    PARQUET = "parquet"
    KML = "kml"
    CSV = "csv"
    CAP = "cap"
    STAC = "stac"


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for."""

    store: str
    aoi_id: str
    tier: Tier
    formats: tuple[Format, ...]
    recipient: str
    to: Path
    policy: Policy
    policy_sha256: str
    facts: SharingFacts
    """Its `on` is the day of the sharing; first outlines and flags are added from the store."""
    sender: str = "overburden"
    evidence: Path | None = None
    """Folder of a run's alerts file, from which evidence bundles are handed on; None: none are."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was made."""

    note: ExportNote
    missing: int
    """Bundles that an alert names and the folder does not have."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a tier is told of an area."""

    alerts: SharedFile
    disturbances: SharedFile
    revisions: SharedFile
    """Every revision, for messages that refer to those before."""


def export_tier(request: ExportRequest) -> Exported:
    """Make the files of a tier, log them, then write them.

    Raises
    ------
    SharingRefusedError
        Evidence is asked for a tier that may not have it, or the recipient has no name.
    AlertUnknownError
        The store does not know the area.
    """
    rules = request.policy.tiers[request.tier]
    if request.evidence is not None and not rules.has_evidence:
        may = ", ".join(t for t in Tier if request.policy.tiers[t].has_evidence) or "no tier"
        raise SharingRefusedError(
            f"tier {request.tier}: found a request for evidence, expected none: {request.policy.name} hands bundles to {may} "
            "only, for their pictures show the exact place; leave --evidence out"
        )
    if not request.recipient.strip():
        raise SharingRefusedError("found an empty recipient, expected who gets the files: every export is logged by name")
    told, held_back = _told(open_history(request.store), request)
    files = renderings(told, request.formats, request.sender)
    bundles, missing = _bundles(request, told.alerts.records)
    files = {**files, **bundles}
    note = _note(request, told, held_back, files)
    note_export(request.store, note)
    for name, data in files.items():
        write_whole(request.to / name, data)
    logger.info("%s: exported %d alerts of tier %s, %d files", request.aoi_id, note.alerts, request.tier, len(files))
    return Exported(note, missing)


def _told(book: History, request: ExportRequest) -> tuple[Told, Mapping[str, int]]:
    """What the tier is told as it stood when its delay began, and how many alerts are held back for which reason."""
    aoi_id, rules = book.check_area(request.aoi_id), request.policy.tiers[request.tier]
    as_of = request.facts.on - timedelta(days=rules.delay_days)
    everything = [alert_of(event) for event in book.told(aoi_id)]
    past = [a for a in everything if _day(a) <= as_of]
    standing = _standing(past)
    now = {_site(a) for a in _standing([a for a in everything if _day(a) <= request.facts.on])}
    facts = facts_with(everything, request.facts, from_community(book, request.tier))
    sharing = shared(standing, request.tier, request.policy, facts)
    late = len(now - {_site(a) for a in past})
    held_back = {**{str(why): n for why, n in sharing.held_back.items()}, **({str(HeldBack.DELAY): late} if late else {})}
    form = _form(book, request, as_of)
    known = {_site(a) for a in past if is_for_agencies(a)}
    others = _others(past) if Format.GPKG in request.formats else []
    revisions = [a for a in past if _site(a) in known] if Format.CAP in request.formats else []
    files = [sharing, *(shared(some, request.tier, request.policy, facts) for some in (others, revisions))]
    return Told(*(replace(form, records=made.records) for made in files)), held_back


def _form(book: History, request: ExportRequest, as_of: date) -> SharedFile:
    """A file without records; what it says of itself, too, is only what the tier is told."""
    rules, aoi_id = request.policy.tiers[request.tier], request.aoi_id
    manifest = {
        "software": f"overburden {__version__}", "is_simulated": book.is_simulated(aoi_id),
        "policy_sha256": request.policy_sha256, "place": str(rules.place),
        **({"model_id": book.made_with(aoi_id).model_id} if "model_id" in rules.told else {}),
    }  # fmt: skip
    named = aoi_id if "aoi_id" in rules.told else UNNAMED
    return SharedFile(named, as_of, request.tier, fields_of(request.policy, request.tier), (), manifest)


def _site(alert: Alert) -> str:
    return str(alert.properties["site_id"])


def _day(alert: Alert) -> date:
    return date.fromisoformat(str(alert.properties["evaluated_on"]))


def _latest(told: Iterable[Alert]) -> list[Alert]:
    """The last revision of each site."""
    return list({_site(a): a for a in told}.values())


def _standing(told: Iterable[Alert]) -> list[Alert]:
    """What the alerts file holds: open, and mining or unclear."""
    return [a for a in _latest(told) if is_open(a) and is_for_agencies(a)]


def _others(told: Iterable[Alert]) -> list[Alert]:
    """What the file of disturbances holds: confirmed, and of another cause or closed."""
    return [a for a in _latest(told) if a.properties["confirmed_on"] is not None and a.properties["state"] != "withdrawn"
            and not (is_open(a) and is_for_agencies(a))]  # fmt: skip


def from_community(book: History, tier: Tier) -> frozenset[str]:
    """Return the sites that community reports may be about and whose consent does not reach a tier."""
    return frozenset(site for site, scope in sites_from_community(book.engine).items() if scope.rank < tier.rank)


def facts_with(everything: Sequence[Alert], given: SharingFacts, reported: frozenset[str]) -> SharingFacts:
    """Return the facts with what the store knows: reports, the first outline of each site, and which ever needed consent."""
    flagged = {_site(a) for a in everything if a.properties["consent_required"] == "yes"}
    first = {_site(a): a.geometry for a in reversed(everything)}
    return replace(
        given, reported=given.reported | reported, flagged=given.flagged | flagged,
        first_outlines={**first, **given.first_outlines},
    )  # fmt: skip


# --- files -----------------------------------------------------------------------------------------------------------


def renderings(told: Told, formats: Sequence[Format], sender: str = "overburden") -> dict[str, bytes]:
    """Return the files of an export by name; names say area, day and tier, and in lower tiers ids that lead nowhere."""
    file = told.alerts
    stem = _PLAIN.sub("-", f"{file.aoi_id}-{file.as_of.isoformat()}-{file.tier}").strip("-.")
    files: dict[str, bytes] = {}
    for wanted in dict.fromkeys(formats):
        match wanted:
            case Format.GEOJSON:
                files[f"{stem}.geojson"] = shared_collection(file).encode()
            case Format.GPKG:
                files[f"{stem}.gpkg"] = geopackage({"alerts": file, "disturbances": told.disturbances})
            case Format.PARQUET:
                files[f"{stem}.parquet"] = geoparquet(file)
            case Format.KML:
                files[f"{stem}.kml"] = kml(file)
            case Format.CSV:
                files[f"{stem}.csv"] = csv_text(*csv_rows(file)).encode()
            case Format.CAP:
                messages = cap_messages(told.revisions, sender)
                files.update({f"{stem}-cap/{name}.xml": data for name, data in messages.items()})
    if Format.STAC in formats:
        files[f"{stem}.json"] = stac_item(stem, file, files).encode()
    return files


def _bundles(request: ExportRequest, records: Sequence[SharedAlert]) -> tuple[dict[str, bytes], int]:
    """The evidence bundles that go along, and how many are missing."""
    if request.evidence is None:
        return {}, 0
    named = [str(r.properties["evidence"]) for r in records if r.properties.get("evidence")]
    found = {n: request.evidence / n for n in named if _BUNDLE.fullmatch(n) and (request.evidence / n).is_file()}
    return {name: path.read_bytes() for name, path in found.items()}, len(named) - len(found)


def _note(request: ExportRequest, told: Told, held_back: Mapping[str, int], files: Mapping[str, bytes]) -> ExportNote:
    """What is noted of an export."""
    return ExportNote(
        request.aoi_id, request.recipient.strip(), str(request.tier), told.alerts.as_of.isoformat(),
        tuple(str(f) for f in request.formats), request.policy_sha256, len(told.alerts.records), dict(held_back),
        tuple(ExportedFile(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()),
    )  # fmt: skip

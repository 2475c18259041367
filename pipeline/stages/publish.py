"""What a night writes: alerts, disturbances, the night's news, report, map and evidence, each file whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline import __version__
from pipeline.alerts import Alert, is_for_agencies, is_open
from pipeline.aoi import Area, Grid
from pipeline.config import RunConfig
from pipeline.delivery import ReportInputs, feature_collection, run_report
from pipeline.io.models import Model
from pipeline.io.outputs import write_whole
from pipeline.io.pixels import Reading
from pipeline.io.reviews import read_reviews
from pipeline.io.store import Store
from pipeline.ledger import LedgerRow
from pipeline.scenes import Acquisition
from pipeline.stages.bundles import write_bundles
from pipeline.stages.reports import write_summaries
from pipeline.stages.reviews import with_verdicts
from pipeline.stages.sites import alert_of
from pipeline.stages.views import write_map
from pipeline.tenure import Law, LawBook


@dataclass(frozen=True)
class Publication:
    """What the files of one night and area are written from."""

    area: Area
    grid: Grid
    as_of: date
    previous_as_of: date | None
    out: Path
    config: RunConfig
    config_digest: str
    model: Model
    store: Store
    acquisitions: tuple[Acquisition, ...]
    law: Law
    """As it is known on `as_of`."""
    book: LawBook
    """As it was known on each day."""
    keys: Path
    """Folder of the signing keys."""
    ledger: tuple[LedgerRow, ...]
    findings: tuple[str, ...]
    has_pictures: bool
    reading: Reading
    """How scenes are read again for pictures."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was said in the files."""

    alerts: tuple[Alert, ...]
    disturbances: tuple[Alert, ...]
    changed: tuple[Alert, ...]


def publish(work: Publication) -> Published:
    """Write the files of a night; the same store and date always give the same bytes.

    What people said of alerts is in the store; it is laid over the alerts here and is no event of theirs.
    """
    events = work.store.latest_events(work.area.id, work.as_of)
    plain = {event.alert_id: alert_of(event) for event in events.values()}
    second = work.config.review.second_for_confirmed
    told = with_verdicts(events.values(), read_reviews(work.store.engine), on=work.as_of, needs_second=second)
    is_new = [work.previous_as_of is None or e.day > work.previous_as_of for e in events.values()]
    known = _known_to_agencies(work)
    published = Published(
        tuple(a for a in told if is_open(a) and is_for_agencies(a)),
        tuple(a for a in told if a.properties["state"] != "withdrawn" and not (is_open(a) and is_for_agencies(a))
              and a.properties["confirmed_on"] is not None),
        tuple(a for a, new in zip(told, is_new, strict=True) if new and a.properties["site_id"] in known),
    )  # fmt: skip
    if work.has_pictures and work.config.delivery.has_evidence:
        # a bundle is signed once for a revision: it holds what was told, not what people said of it since
        write_bundles(work, [plain[a.id] for a in (*published.alerts, *published.disturbances)])
    if work.has_pictures and work.config.delivery.has_map:
        write_map(work, published.alerts, published.disturbances)
    _write(work, "disturbances.geojson", published.disturbances)
    _write(work, f"nights/{work.as_of.isoformat()}.geojson", published.changed, previous_as_of=_text(work.previous_as_of))
    write_whole(work.out / "report.md", _report(work, published))
    if work.has_pictures:
        write_summaries(work, published)
    _write(work, "alerts.geojson", published.alerts)
    return published


def _known_to_agencies(work: Publication) -> set[object]:
    """Sites of which an agency holds or gets an alert: it must hear of their end or renaming too."""
    alerts = (alert_of(e) for e in work.store.events(work.area.id, until=work.as_of))
    return {a.properties["site_id"] for a in alerts if is_for_agencies(a)}


def manifest_of(work: Publication) -> Mapping[str, object]:
    """Return the lineage of a night's files: software, model, configuration, cadastre."""
    return {
        "software": f"overburden {__version__}",
        "model_id": work.model.id,
        "config_digest": work.config_digest,
        "cadastre": [s.as_object() for s in work.law.snapshots],
        "is_simulated": work.area.is_simulated,
    }


def _text(day: date | None) -> str | None:
    """ISO date."""
    return day.isoformat() if day else None


def _write(work: Publication, name: str, alerts: Sequence[Alert], **news: object) -> None:
    """Write one GeoJSON file; `news` is what its manifest says besides, which depends on the nights before."""
    text = feature_collection(alerts, aoi_id=work.area.id, as_of=work.as_of, manifest={**manifest_of(work), **news})
    write_whole(work.out / name, text)


def _report(work: Publication, published: Published) -> str:
    """The run report."""
    return run_report(
        ReportInputs(
            aoi_id=work.area.id, aoi_name=work.area.name, is_simulated=work.area.is_simulated, as_of=work.as_of,
            previous_as_of=work.previous_as_of, model_id=work.model.id, config_digest=work.config_digest,
            software=f"overburden {__version__}", alerts=published.alerts, disturbances=published.disturbances,
            changed=published.changed, ledger=work.ledger, findings=work.findings,
            cadastre=[s.as_object() for s in work.law.snapshots],
        )
    )  # fmt: skip

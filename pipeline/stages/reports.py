"""Reports for people: from a published night to the facts of its reports, and their files."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from pipeline import __version__, geo
from pipeline.alerts import Alert
from pipeline.delivery.report import SEEN_WITHIN_DAYS, unseen_pct, unwatched_lines
from pipeline.io.models import default_model
from pipeline.io.outputs import write_whole
from pipeline.reports import (
    Looks,
    ModelFacts,
    NightFacts,
    Proof,
    ReportFacts,
    Review,
    alert_documents,
    night_documents,
)
from pipeline.reports.looks import failures, looks_between, passes_not_listed, shares_by_day

if TYPE_CHECKING:
    from pipeline.stages.publish import Publication, Published

EVALUATION_FILE = "evaluation.json"


@lru_cache(maxsize=4)
def _evaluation(path: Path) -> Mapping[str, object]:
    """The evaluation of a model, read once; empty where it has none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def model_facts(work: "Publication") -> ModelFacts:
    """Return what is known of the model of a run: its id, manifest and evaluation."""
    folder = Path(work.config.model) if work.config.model else default_model()
    return ModelFacts(work.model.id, work.model.manifest, _evaluation(folder / EVALUATION_FILE))


def documents_of(
    work: "Publication",
    alert: Alert,
    pictures: Mapping[str, bytes],
    *,
    proof: Proof | None = None,
    reviews: Sequence[Review] = (),
) -> dict[str, bytes]:
    """Return the reports of an alert, `report.<language>.html` and `.pdf`, in the languages of the configuration.

    Parameters
    ----------
    work : Publication
    alert : Alert
        As it is published.
    pictures : mapping of str to bytes
        PNG by the names of the evidence folder; names that reports do not know are left out.
    proof : Proof, optional
        Name of the bundle, hash of the event, fingerprint of the key, as far as they are known.
    reviews : sequence of Review, optional
        Of this revision.
    """
    return alert_documents(facts_of(work, alert, pictures, proof=proof, reviews=reviews), work.config.delivery.languages)


def facts_of(
    work: "Publication",
    alert: Alert,
    pictures: Mapping[str, bytes],
    *,
    proof: Proof | None = None,
    reviews: Sequence[Review] = (),
) -> ReportFacts:
    """Return the facts of the report of an alert; see `documents_of`."""
    landscape = work.area.properties.get("landscape")
    return ReportFacts(
        alert=alert,
        area_name=work.area.name,
        landscape=None if landscape is None else str(landscape),
        model=model_facts(work),
        software=f"overburden {__version__}",
        config_digest=work.config_digest,
        looks=_looks(work, alert),
        pictures=pictures,
        reviews=tuple(reviews),
        proof=proof or Proof(),
    )


def _looks(work: "Publication", alert: Alert) -> Looks | None:
    """What became of the acquisitions between the bounds of the start, over the chunks that the site touches."""
    site = geo.reproject(alert.geometry, geo.WGS84, work.grid.crs)
    chunk_ids = {c.id for c in work.grid.chunks if shapely.box(*c.geobox.boundingbox).intersects(site)}
    unchanged = alert.properties["last_clear_unchanged_on"]
    first = date.fromisoformat(str(alert.properties["first_detected_on"]))
    after = None if unchanged is None else date.fromisoformat(str(unchanged))
    return looks_between(work.ledger, chunk_ids, after=after, before=first)


def night_facts(work: "Publication", published: "Published") -> NightFacts:
    """Return the facts of the summary of a night; acquisitions are listed since the night before, 30 days at most."""
    earliest = work.as_of - timedelta(days=SEEN_WITHIN_DAYS - 1)
    since = earliest if work.previous_as_of is None else max(earliest, work.previous_as_of + timedelta(days=1))
    return NightFacts(
        aoi_id=work.area.id,
        area_name=work.area.name,
        is_simulated=work.area.is_simulated,
        as_of=work.as_of,
        previous_as_of=work.previous_as_of,
        alerts=published.alerts,
        disturbances=published.disturbances,
        changed=published.changed,
        cadastre=[s.as_object() for s in work.law.snapshots],
        seen_from=since,
        days=shares_by_day(work.ledger, since, work.as_of),
        failed=failures(work.ledger, since, work.as_of),
        not_listed=passes_not_listed(work.ledger, since, work.as_of),
        unseen_pct=unseen_pct(work.ledger, work.as_of),
        unseen_days=SEEN_WITHIN_DAYS,
        unwatched=[line.removeprefix("- ") for line in unwatched_lines(work.ledger)],
        model=model_facts(work),
        software=f"overburden {__version__}",
        config_digest=work.config_digest,
    )


def write_summaries(work: "Publication", published: "Published") -> None:
    """Write the summary of a night as `nights/<as_of>.<language>.html` and `.pdf`, in the languages of the configuration."""
    files = night_documents(night_facts(work, published), work.config.delivery.languages)
    for name, content in files.items():
        write_whole(work.out / "nights" / f"{work.as_of.isoformat()}{name.removeprefix('summary')}", content)

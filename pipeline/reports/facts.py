"""What reports are made from: plain facts, gathered by the caller; nothing here is read or computed from pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pipeline.alerts import Alert
from pipeline.coverage import WindowCounts


@dataclass(frozen=True, slots=True)
class Looks:
    """What became of the acquisitions over the part of the area around a site, between two days; each solar day once."""

    after: date
    """Day before the first one that counts: the last clear look at unchanged ground, or the day before monitoring began."""
    before: date
    """Day after the last one that counts: the first detection."""
    counts: WindowCounts


@dataclass(frozen=True, slots=True)
class Review:
    """What one person said of a revision."""

    reviewed_on: date
    reviewer: str
    """As the record names the person: a name, a number, or a role."""
    verdict: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """With what a reader compares a report."""

    bundle: str = ""
    """File name of the evidence bundle; empty: there is none."""
    event_hash: str = ""
    """Hash of the event of this revision in the store; empty: not told."""
    key_fingerprint: str = ""
    """Fingerprint of the public key of the sender; empty: unsigned."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of the model of a run."""

    model_id: str
    manifest: Mapping[str, object]
    evaluation: Mapping[str, object]
    """As read from evaluation.json; empty: the model has none."""


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """Everything that the report of one alert says."""

    alert: Alert
    area_name: str
    landscape: str | None
    """Landscape that the area states; None: it states none."""
    model: ModelFacts
    software: str
    config_digest: str
    looks: Looks | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """PNG by name: before.png, after.png, series.png; any may be absent, and others are not shown."""
    reviews: Sequence[Review] = ()
    proof: Proof = field(default_factory=Proof)

    @property
    def is_simulated(self) -> bool:
        """Whether the pixels are simulated."""
        return self.alert.properties["is_simulated"] == "yes"


@dataclass(frozen=True, slots=True)
class DayShares:
    """What one solar day showed of the area, in percent."""

    solar_day: date
    clear_pct: float
    cloudy_pct: float
    not_imaged_pct: float


@dataclass(frozen=True, slots=True)
class FailedScene:
    """A scene that could not be used."""

    scene_id: str
    solar_day: date | None
    reason: str
    """As recorded, in English."""


@dataclass(frozen=True, slots=True)
class NightFacts:
    """Everything that the summary of one night and area says."""

    aoi_id: str
    area_name: str
    is_simulated: bool
    as_of: date
    previous_as_of: date | None
    alerts: Sequence[Alert]
    """Open alerts."""
    disturbances: Sequence[Alert]
    changed: Sequence[Alert]
    """New or changed since the night before."""
    cadastre: Sequence[Mapping[str, object]]
    seen_from: date
    """First day of the table of acquisitions."""
    days: Sequence[DayShares]
    failed: Sequence[FailedScene]
    not_listed: int
    """Passes that the orbit promises and the catalogue lacks."""
    unseen_pct: tuple[float, float]
    """Least and greatest share of the area without a clear look in the last `unseen_days`."""
    unseen_days: int
    unwatched: Sequence[str]
    """Sentences of the ledger on ground on which no change could be seen."""
    model: ModelFacts
    software: str
    config_digest: str

"""The facts of the law: titles, protected areas, the snapshot that told of them, and what was found for a site.

All geometry is lon/lat on WGS 84. A day is a `date`: the day as the register writes it, without a time zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from shapely.geometry.base import BaseGeometry


class TenureStatus(StrEnum):
    """Relation of a site to the mining titles of a cadastre snapshot on a date."""

    COVERED = "covered"
    """Titles in force that allow extraction of what is sought cover the site."""
    PARTLY_COVERED = "partly_covered"
    """Such titles cover a part of it, and the rest reaches farther outside than the tolerance."""
    UNCOVERED = "uncovered"
    """No title of a complete and fresh snapshot covers a share of it that counts."""
    LAPSED = "lapsed"
    """A title covers it that ended before the day."""
    NOT_YET_VALID = "not_yet_valid"
    """A title covers it that begins after the day."""
    STAGE_MISMATCH = "stage_mismatch"
    """A title covers it whose stage allows no extraction: application, exploration."""
    COMMODITY_MISMATCH = "commodity_mismatch"
    """A title in force covers it that is for other minerals."""
    SUSPENDED = "suspended"
    """A title covers it that the register calls suspended."""
    FORMALISATION_ZONE = "formalisation_zone"
    """It lies in a zone set aside for artisanal mining or its formalisation."""
    WITHIN_TOLERANCE = "within_tolerance"
    """It lies outside a title that would cover it, by less than outlines are accurate."""
    UNKNOWN = "unknown"
    """Data is missing, stale or unreadable that could change the finding."""


class TitleKind(StrEnum):
    """What a title is for."""

    EXPLOITATION = "exploitation"
    EXPLORATION = "exploration"
    ARTISANAL_ZONE = "artisanal_zone"
    FORMALISATION_ZONE = "formalisation_zone"
    APPLICATION = "application"
    OTHER = "other"
    """Known to be none of these, such as a zone closed to mining."""
    UNKNOWN = "unknown"
    """The register does not say, or with a code that is in no table."""


class TitleStatus(StrEnum):
    """What the register calls a title; its dates are looked at apart."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    """Ended, given up, cancelled or forfeited."""
    APPLICATION = "application"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """The register does not say, or with a code that is in no table (then there is a doubt on `status`)."""


class AreaKind(StrEnum):
    """What protects a piece of land."""

    PROTECTED_AREA = "protected_area"
    INDIGENOUS_TERRITORY = "indigenous_territory"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that the register says of a title and that could not be understood."""

    field: str
    """Field of `Title` that is in doubt; `suspensions` for one that cannot be read; `runs_on` where it is in doubt that
    the title ended with its last day."""
    text: str
    """What was found, as a clause: `its status 'x' is not known`."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """Days during which a title was suspended."""

    first: date
    last: date | None
    """Last day, inclusive; None: until further notice."""


@dataclass(frozen=True, slots=True)
class Title:
    """One mineral right, as one snapshot tells of it."""

    title_id: str
    """The register's own number; registers do repeat them."""
    name: str
    """Name of the concession; empty where it has none."""
    holder: str
    """Holder as the register writes it; empty where it does not say."""
    kind: TitleKind
    status: TitleStatus
    valid_from: date | None
    """First day; None: the register states none, which is read as begun."""
    valid_to: date | None
    """Last day, inclusive; None: the register states none, which is read as open-ended."""
    minerals: tuple[str, ...]
    """English names in lower case where they are known (see `minerals.py`); empty: the register does not say."""
    geometry: BaseGeometry
    """Valid (multi)polygon, lon/lat."""
    snapshot: str = ""
    """SHA-256 of the snapshot that told of it."""
    kind_since: date | None = None
    """Day from which it is of this kind, where the register dates the change of stage; None: since its first day."""
    suspensions: tuple[Suspension, ...] = ()
    """Dated suspensions; a status of `suspended` without a dated one stands for the day of the snapshot."""
    doubts: tuple[Doubt, ...] = ()
    """What could not be understood. A title in doubt neither covers nor leaves uncovered: it gives `unknown`."""


@dataclass(frozen=True, slots=True)
class ProtectedArea:
    """A protected area or an Indigenous territory."""

    area_id: str
    name: str
    kind: AreaKind
    geometry: BaseGeometry
    """Valid (multi)polygon, lon/lat."""
    snapshot: str = ""
    """SHA-256 of the snapshot that told of it."""

    @property
    def consent_required(self) -> bool:
        """Whether the place of what lies in it is shared only with consent: an Indigenous people's own land."""
        return self.kind is AreaKind.INDIGENOUS_TERRITORY


@dataclass(frozen=True, slots=True)
class River:
    """Water that a law keeps a strip along."""

    name: str
    geometry: BaseGeometry
    """Line or polygon, lon/lat; a line is the middle of the water."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A feature of a cadastre that has no usable outline: the title may exist, its ground is not known."""

    title_id: str
    feature: int
    """Number of the feature in its file, from 1."""
    geometry_type: str
    reason: str
    location: BaseGeometry | None
    """What the register does give (a point, a line), lon/lat; None: it could lie anywhere."""


@dataclass(frozen=True, slots=True)
class Repair:
    """An outline that was mended: it crossed itself, was open, had arcs, or lay in a collection."""

    title_id: str
    feature: int
    reason: str
    before_ha: float
    """Area of its rings by the surveyor's formula, true arcs included: loops of opposite turn cancel, loops of like turn
    count each time."""
    after_ha: float
    """Area of the ground that was kept, each spot of it once."""


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A text of the register that is in no table; nothing was guessed from it."""

    field: str
    code: str
    count: int


@dataclass(frozen=True, slots=True)
class RiverBuffer:
    """A strip along water that a law keeps free of mining."""

    width_m: float
    """From the edge of the water."""
    source: str
    """The provision, such as `Lei 12.651/2012, art. 4`."""


@dataclass(frozen=True, slots=True)
class CountryRules:
    """What the law behind a register says; data of the register's file, never of code."""

    extraction: Mapping[TitleKind, frozenset[str]] = field(default_factory=lambda: {TitleKind.EXPLOITATION: frozenset()})
    """Kinds that allow extraction, each with the minerals it may be for; an empty set: any that the title names."""
    formalisation_kinds: frozenset[TitleKind] = frozenset({TitleKind.ARTISANAL_ZONE, TitleKind.FORMALISATION_ZONE})
    """Kinds that set ground aside for artisanal mining, which each miner still needs leave for."""
    prohibited_kinds: frozenset[TitleKind] = frozenset()
    """Kinds whose ground is closed to mining."""
    river_buffer: RiverBuffer | None = None
    """None: none is stated, which is not to say that there is none."""
    sources: tuple[str, ...] = ()
    """Provisions that these rules were read from."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Our dated copy of a cadastre, and everything that reading it left out, repaired or did not understand."""

    name: str
    retrieved_on: date | None
    """Day of the copy; None: not known, so its age cannot be judged."""
    sha256: str
    """Digest of the file's bytes (of all files of a Shapefile or geodatabase)."""
    title_count: int
    """Titles with a usable outline."""
    refused: tuple[Refusal, ...] = ()
    repaired: tuple[Repair, ...] = ()
    unknown_codes: tuple[UnknownCode, ...] = ()
    """Codes, minerals and dates that were not understood, most frequent first."""
    columns: tuple[tuple[str, str], ...] = ()
    """(field of `Title`, column of the file) as they were matched."""
    unused_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Everything else worth knowing, in words: repeated ids, far-off outlines, what the driver warned of."""
    lacks: tuple[str, ...] = ()
    """Titles of the register that this file is known to leave out, in words: where none of its own covers a site, one of
    these could."""
    register: str = "generic"
    """Name of the register file by which it was read."""
    rules: CountryRules = field(default_factory=CountryRules)
    outline_m: float | None = None
    """How accurate the register's outlines are, metres; None: the register file does not say."""
    transformation: str = ""
    """How coordinates were brought to WGS 84, in words; empty: they were given in it."""
    transformation_m: float = 0.0
    """Accuracy of that transformation, metres, as its publisher states it, or a conservative figure where none does (a note
    says so); 0 only where coordinates were given on WGS 84."""

    def as_object(self) -> dict[str, object]:
        """Return what an alert says of this snapshot, as plain JSON."""
        return {
            "name": self.name,
            "register": self.register,
            "retrieved_on": None if self.retrieved_on is None else self.retrieved_on.isoformat(),
            "sha256": self.sha256,
            "title_count": self.title_count,
            "lacks": list(self.lacks),
        }


@dataclass(frozen=True, slots=True)
class TitleFinding:
    """What one title that touches a site, or lies within the tolerance, says about it."""

    title: Title
    finding: TenureStatus
    overlap_ha: float
    """Hectares of the site inside the title, 0 where the title only lies near."""
    reason: str
    """One sentence."""

    def as_object(self) -> dict[str, object]:
        """Return what an alert says of this title, as plain JSON."""
        title = self.title
        return {
            "id": title.title_id,
            "holder": title.holder or None,
            "kind": title.kind.value,
            "status": title.status.value,
            "valid_from": None if title.valid_from is None else title.valid_from.isoformat(),
            "valid_to": None if title.valid_to is None else title.valid_to.isoformat(),
            "overlap_ha": self.overlap_ha,
            "finding": self.finding.value,
        }


@dataclass(frozen=True, slots=True)
class TenureFinding:
    """Relation of a site to the titles on a day, and why."""

    status: TenureStatus
    reasons: tuple[str, ...]
    """One sentence for each missing fact, then one for each title that touches the site."""
    titles: tuple[TitleFinding, ...]
    """Most hectares first."""
    uncovered_ha: float | None
    """Hectares without a title that allows extraction on that day; None where that is not known."""
    cadastre: tuple[Snapshot, ...]
    """Snapshots that were read."""

    def properties(self) -> Mapping[str, object]:
        """Return the alert properties of this finding, as plain JSON."""
        return {
            "tenure_status": self.status.value,
            "tenure_reasons": list(self.reasons),
            "titles": [title.as_object() for title in self.titles],
            "uncovered_ha": self.uncovered_ha,
            "cadastre": [snapshot.as_object() for snapshot in self.cadastre],
        }

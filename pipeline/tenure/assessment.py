"""The finding for a site: titles that touch it, facts that are missing, and one status by a fixed precedence.

1. `unknown` without any snapshot.
2. `covered` where titles that permit cover `covered_share` of the site, whatever else is missing.
3. `unknown` where a fact is missing that could change the finding: a stale snapshot, one that is known to leave
   titles out, a title without a usable outline near by, or titles in doubt that would make it more covered.
4. `within_tolerance`, then `partly_covered`, by the titles that permit.
5. The first of `SECOND_BEST` whose titles cover a share that counts.
6. `uncovered`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import pi

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.errors import SiteGeometryError
from pipeline.tenure.findings import TenureRules, describe, title_finding
from pipeline.tenure.index import Overlaps, Sites, TitleIndex, laid_over, padded_box, shared_ground
from pipeline.tenure.records import Refusal, Snapshot, TenureFinding, TenureStatus, Title, TitleFinding

HECTARE_DECIMALS = 3
"""Hectares are told to 10 square metres, a tenth of a pixel."""

SECOND_BEST: tuple[TenureStatus, ...] = (
    TenureStatus.FORMALISATION_ZONE,
    TenureStatus.SUSPENDED,
    TenureStatus.COMMODITY_MISMATCH,
    TenureStatus.STAGE_MISMATCH,
    TenureStatus.NOT_YET_VALID,
    TenureStatus.LAPSED,
)
"""What names the status where no title permits, nearest to a permission first."""

MOST_METRES_PER_DEGREE = 111_700.0
"""More than the longest degree of latitude (111,694 m)."""

_MOST_SENTENCES = 3
"""Titles without a usable outline that are named one by one, for each snapshot."""


@dataclass(frozen=True, slots=True)
class _Site:
    """The ground that is asked about."""

    geometry: BaseGeometry
    area_ha: float
    unions_ha: dict[tuple[int, ...], float] = field(default_factory=dict)
    """Hectares inside at least one of several titles, by their rows, as far as they were asked for."""


@dataclass(frozen=True, slots=True)
class _Saying:
    """What a title says of the ground inside it on the day."""

    finding: TenureStatus
    predicate: str
    """The title and why, as the beginning of a sentence."""
    tolerance_m: float
    """Outside it by less than this is within tolerance."""
    permits: bool
    """Whether it is known to permit: its snapshot is young enough to say that it was still in force."""
    may_permit: bool
    """Whether it permits or is in doubt."""


@dataclass(frozen=True, slots=True)
class _Relation:
    """One title as it lies to the site."""

    row: int
    title: Title
    says: _Saying
    is_whole: bool
    """Whether the whole site lies inside."""
    overlap_ha: float
    told_ha: float
    """Rounded as it is told."""


def assess(
    geometry: BaseGeometry,
    titles: TitleIndex | Iterable[Title],
    *,
    snapshots: Sequence[Snapshot],
    on: date,
    rules: TenureRules,
) -> TenureFinding:
    """Return how a site relates to the titles on a day, with hectares and a reason for each title and missing fact.

    Parameters
    ----------
    geometry : BaseGeometry
        Lon/lat (multi)polygon of the site.
    titles : TitleIndex or iterable of Title
        In any order. Pass a `TitleIndex` when many sites are asked about.
    snapshots : sequence of Snapshot
        What the titles were read from; empty gives `unknown`.
    on : date
        Day that is asked about.
    rules : TenureRules

    Returns
    -------
    TenureFinding
        Hectares are geodesic, on the union where titles overlap, rounded to 0.001.

    Raises
    ------
    SiteGeometryError
        The site is no polygon, or has no area.
    """
    return assess_many([geometry], titles, snapshots=snapshots, on=on, rules=rules)[0]


def assess_many(
    sites: Sites | Sequence[BaseGeometry],
    titles: TitleIndex | Iterable[Title],
    *,
    snapshots: Sequence[Snapshot],
    on: date,
    rules: TenureRules,
) -> list[TenureFinding]:
    """Return what `assess` says of each of many sites, all laid over the titles at once.

    Raises
    ------
    SiteGeometryError
        A site is no polygon, or has no area.
    """
    ground = sites if isinstance(sites, Sites) else Sites.of(sites)
    if (ground.area_ha <= 0).any():
        raise SiteGeometryError(
            f"found no area in the polygons of site {int((ground.area_ha <= 0).argmax())} of {len(ground)}, expected a polygon "
            "in lon/lat; hand in the site's outline"
        )
    index = titles if isinstance(titles, TitleIndex) else TitleIndex(titles)
    day = _Day(tuple(sorted(snapshots, key=lambda s: (s.name, s.sha256))), on, rules)
    laid = laid_over(ground, index, max(rules.tolerance_m(snapshot) for snapshot in (None, *snapshots)))
    pairs = _relations(laid, index, day)
    found = []
    for geometry, area_ha, own in zip(ground.outlines, ground.area_ha.tolist(), laid.of_sites(len(ground)), strict=True):
        site = _Site(geometry, area_ha)
        near = [r for r in pairs[own.start : own.stop] if r.told_ha > 0 or (r.says.may_permit and _is_near(site, r))]
        found.append(_finding(site, sorted(near, key=lambda r: -r.told_ha), day))
    return found


@dataclass(frozen=True, slots=True)
class _Day:
    """What is asked of every site."""

    snapshots: tuple[Snapshot, ...]
    """Sorted by name and digest."""
    on: date
    rules: TenureRules


def _finding(site: _Site, relations: Sequence[_Relation], day: _Day) -> TenureFinding:
    """The finding for one site, from its titles with most hectares first."""
    snapshots, rules = day.snapshots, day.rules
    missing = _missing_facts(site, snapshots, on=day.on, rules=rules)
    status = _status(site, relations, has_snapshot=bool(snapshots), is_missing=bool(missing), rules=rules)
    told = tuple(_told(relation, site, rules, status) for relation in relations)
    silence = [] if told or not snapshots else [_silence(snapshots, rules)]
    return TenureFinding(
        status=status,
        reasons=(*missing, *_remarks(snapshots, day.on, status), *(t.reason for t in told), *silence),
        titles=told,
        uncovered_ha=_uncovered_ha(site, relations, is_missing=bool(missing)),
        cadastre=snapshots,
    )


# --- how each title lies to the site -------------------------------------------------------------------------------


def _relations(laid: Overlaps, index: TitleIndex, day: _Day) -> list[_Relation]:
    """Each pair of a site and a title, with what the title says; it is asked once."""
    known = {snapshot.sha256: snapshot for snapshot in day.snapshots}
    rows = laid.row.tolist()
    says = {row: _saying(index.records[row], known.get(index.records[row].snapshot), day) for row in set(rows)}
    told_ha = laid.hectares.round(HECTARE_DECIMALS).tolist()
    pairs = zip(rows, laid.is_whole.tolist(), laid.hectares.tolist(), told_ha, strict=True)
    return [_Relation(row, index.records[row], says[row], *measured) for row, *measured in pairs]


def _saying(title: Title, snapshot: Snapshot | None, day: _Day) -> _Saying:
    """What a title says of the ground inside it."""
    finding, predicate = title_finding(title, day.on, rules=day.rules, snapshot=snapshot)
    retrieved_on = None if snapshot is None else snapshot.retrieved_on
    is_fresh = retrieved_on is None or (day.on - retrieved_on).days <= day.rules.stale_after_days
    is_covered = finding is TenureStatus.COVERED
    return _Saying(
        finding, f"{describe(title)} {predicate}", day.rules.tolerance_m(snapshot), is_covered and is_fresh,
        is_covered or finding is TenureStatus.UNKNOWN,
    )  # fmt: skip


def _is_near(site: _Site, relation: _Relation) -> bool:
    """Whether a title lies within its tolerance of the site."""
    near_by = relation.title.geometry.intersection(padded_box(site.geometry, 2 * relation.says.tolerance_m))
    if relation.says.tolerance_m <= 0 or near_by.is_empty:
        return False
    return geo.distance_m(site.geometry, near_by) < relation.says.tolerance_m


def _told(relation: _Relation, site: _Site, rules: TenureRules, status: TenureStatus) -> TitleFinding:
    """Return what is told of one title at a site of some status."""
    overlap_ha = relation.told_ha
    is_inside = overlap_ha >= min(rules.min_overlap_ha, site.area_ha)
    finding = relation.says.finding
    if finding is TenureStatus.COVERED and not is_inside:
        finding = TenureStatus.WITHIN_TOLERANCE
    where = _where(relation, site, is_inside=is_inside, is_by_tolerance=status is TenureStatus.WITHIN_TOLERANCE)
    return TitleFinding(relation.title, finding, overlap_ha, f"{relation.says.predicate}; {where}.")


def _where(relation: _Relation, site: _Site, *, is_inside: bool, is_by_tolerance: bool) -> str:
    """Say how a title lies to the site, with the tolerance where that decided."""
    overlap_ha = relation.told_ha
    tolerance = f"{relation.says.tolerance_m:.3g} m"
    if relation.is_whole:
        return f"the whole site, {overlap_ha:g} ha, lies inside"
    if overlap_ha <= 0:
        return f"its edge is less than {tolerance} from the site, which is its tolerance"
    sliver = "" if is_inside else ", which is too little to count"
    grown = f"; its tolerance is {tolerance}" if is_by_tolerance and relation.says.permits else ""
    return f"{overlap_ha:g} of {round(site.area_ha, HECTARE_DECIMALS):g} ha lie inside{sliver}{grown}"


# --- what is missing ------------------------------------------------------------------------------------------------


def _missing_facts(site: _Site, snapshots: Sequence[Snapshot], *, on: date, rules: TenureRules) -> list[str]:
    """Sentences on data whose absence could change the finding."""
    if not snapshots:
        return ["No snapshot of a cadastre was read."]
    sentences = []
    for snapshot in snapshots:
        if snapshot.retrieved_on is not None and abs((on - snapshot.retrieved_on).days) > rules.stale_after_days:
            sentences.append(
                f"Snapshot {snapshot.name} was retrieved on {snapshot.retrieved_on}, more than "
                f"{rules.stale_after_days} days from {on}, too far to tell which titles there were."
            )
        sentences += [
            f"Snapshot {snapshot.name} leaves out {lacking}, which could cover the site." for lacking in snapshot.lacks
        ]
        sentences += _refusals(site, snapshot, rules)
    return sentences


def _refusals(site: _Site, snapshot: Snapshot, rules: TenureRules) -> list[str]:
    """Sentences on titles without a usable outline that could touch the site."""
    if not snapshot.refused:
        return []
    box = padded_box(site.geometry, rules.refused_reach_m)
    could_touch = [r for r in snapshot.refused if _could_touch(r, site, box, rules.refused_reach_m)]
    sentences = [
        f"Title {refusal.title_id} (feature {refusal.feature} of snapshot {snapshot.name}) could cover the site: "
        f"{refusal.reason}"
        + ("" if refusal.location is None else f"; it lies within {rules.refused_reach_m / 1000:g} km")
        + "."
        for refusal in could_touch[:_MOST_SENTENCES]
    ]
    if len(could_touch) > _MOST_SENTENCES:
        rest = len(could_touch) - _MOST_SENTENCES
        sentences.append(f"{rest} more titles of snapshot {snapshot.name} have no usable outline and could cover the site.")
    return sentences


def _could_touch(refusal: Refusal, site: _Site, box: BaseGeometry, reach_m: float) -> bool:
    """Whether a title without a usable outline could lie over the site."""
    if refusal.location is None:
        return True
    return bool(box.intersects(refusal.location)) and geo.distance_m(site.geometry, refusal.location) <= reach_m


def _remarks(snapshots: Sequence[Snapshot], on: date, status: TenureStatus) -> list[str]:
    """Sentences on what weakens a finding other than `covered` without changing it."""
    if status is TenureStatus.COVERED:
        return []
    sentences = []
    for snapshot in snapshots:
        if snapshot.retrieved_on is None:
            sentences.append(f"The day on which snapshot {snapshot.name} was retrieved is not known, nor so its age.")
        elif snapshot.retrieved_on > on:
            sentences.append(
                f"Snapshot {snapshot.name} was retrieved on {snapshot.retrieved_on}, after {on}: "
                "titles that ended in between may be missing from it."
            )
    return sentences


def _silence(snapshots: Sequence[Snapshot], rules: TenureRules) -> str:
    """Say that no title touches the site."""
    names = ", ".join(sorted({snapshot.name for snapshot in snapshots}))
    reach = f"{max(rules.tolerance_m(snapshot) for snapshot in snapshots):.3g} m"
    return f"No title in {names} touches the site, or permits and lies within the tolerance, {reach}, of it."


# --- the status -----------------------------------------------------------------------------------------------------


def _status(
    site: _Site, relations: Sequence[_Relation], *, has_snapshot: bool, is_missing: bool, rules: TenureRules
) -> TenureStatus:
    """Return the status by the precedence in the head of this module."""
    permitting = [r for r in relations if r.says.permits]
    perhaps = [r for r in relations if r.says.may_permit]
    permitted = _coverage(site, permitting, rules)
    if not has_snapshot:
        return TenureStatus.UNKNOWN
    if permitted is TenureStatus.COVERED:
        return permitted
    if is_missing or (len(perhaps) > len(permitting) and _coverage(site, perhaps, rules) is not permitted):
        return TenureStatus.UNKNOWN
    if permitted is not TenureStatus.UNCOVERED:
        return permitted
    for status in SECOND_BEST if relations else ():
        if _counts(_union_ha(site, [r for r in relations if r.says.finding is status]), site, rules):
            return status
    return TenureStatus.UNCOVERED


def _coverage(site: _Site, relations: Sequence[_Relation], rules: TenureRules) -> TenureStatus:
    """How far titles cover the site, taking each of them as one that permits."""
    if not relations:
        return TenureStatus.UNCOVERED
    needed_ha = rules.covered_share * site.area_ha - 1e-9
    inside_ha = _union_ha(site, relations)
    if inside_ha >= needed_ha:
        return TenureStatus.COVERED
    may_reach = inside_ha + _most_gained_ha(site, relations) >= needed_ha
    if may_reach and any(r.says.tolerance_m > 0 for r in relations) and _grown_ha(site, relations) >= needed_ha:
        return TenureStatus.WITHIN_TOLERANCE
    return TenureStatus.PARTLY_COVERED if _counts(inside_ha, site, rules) else TenureStatus.UNCOVERED


def _most_gained_ha(site: _Site, relations: Sequence[_Relation]) -> float:
    """More hectares than titles gain of the site by their tolerances: discs of that radius moved along their edges near it.

    It only spares growing them.
    """
    square_metres = 0.0
    for relation in relations:
        radius = relation.says.tolerance_m
        edges = shapely.intersection(shapely.boundary(relation.title.geometry), padded_box(site.geometry, 2 * radius))
        length = MOST_METRES_PER_DEGREE * shapely.length(edges)
        square_metres += 2.0 * radius * length + pi * radius * radius * shapely.get_num_geometries(edges)
    return 1.01 * square_metres / geo.SQUARE_METRES_PER_HA


def _grown_ha(site: _Site, relations: Sequence[_Relation]) -> float:
    """Hectares of the site inside titles that are each grown by its tolerance."""
    grown = []
    for tolerance_m in sorted({r.says.tolerance_m for r in relations}):
        window = padded_box(site.geometry, 2 * tolerance_m)
        outlines = [shapely.intersection(r.title.geometry, window) for r in relations if r.says.tolerance_m == tolerance_m]
        near_by = shapely.union_all(outlines)
        grown.append(geo.buffer_m(near_by, tolerance_m) if tolerance_m > 0 else near_by)
    return geo.geodesic_area_ha(shared_ground(site.geometry, shapely.union_all(grown)))


def _counts(overlap_ha: float, site: _Site, rules: TenureRules) -> bool:
    """Whether an overlap is large enough to name the status of the whole site."""
    is_sliver = overlap_ha < min(rules.min_overlap_ha, site.area_ha)
    return not is_sliver and overlap_ha > (1 - rules.covered_share) * site.area_ha


def _union_ha(site: _Site, relations: Sequence[_Relation]) -> float:
    """Hectares of the site inside at least one of the titles."""
    if any(r.is_whole for r in relations):
        return site.area_ha
    inside = [r for r in relations if r.overlap_ha > 0]
    if len(inside) <= 1:
        return inside[0].overlap_ha if inside else 0.0
    rows = tuple(r.row for r in inside)
    if rows not in site.unions_ha:
        grounds = [shared_ground(site.geometry, r.title.geometry) for r in inside]
        site.unions_ha[rows] = geo.geodesic_area_ha(shapely.union_all(grounds))
    return site.unions_ha[rows]


def _uncovered_ha(site: _Site, relations: Sequence[_Relation], *, is_missing: bool) -> float | None:
    """Hectares outside titles that permit; None where missing facts or titles in doubt could make them fewer."""
    outside = max(0.0, round(site.area_ha - _union_ha(site, [r for r in relations if r.says.permits]), HECTARE_DECIMALS))
    is_doubtful = any(r.says.may_permit and not r.says.permits and r.overlap_ha > 0 for r in relations)
    return None if outside > 0 and (is_missing or is_doubtful) else outside

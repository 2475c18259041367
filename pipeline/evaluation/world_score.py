"""How a run did on a simulated world: sites against mines, outlines, hectares, lag and false alerts.

The rule of a match is the majority rule, both ways, on the pixels of the grid:

- a site is *true* when at least half of its outline lies on ground that was mined by the day for which it speaks;
- a mine is *detected* when true sites cover at least half of its new ground at its last clear look, *alerted* when those
  called mining or unclear do, and *named* when those called mining do.

New ground began to be mined after the reference ended. It says how well the method knows the simulation, and nothing
about real ground.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline import geo
from pipeline.alerts import FOR_AGENCIES, AlertState, LikelyCause
from pipeline.evaluation.world_lag import MineLag, lag_of
from pipeline.evaluation.world_run import Look, RunFindings, Statement, looks_at_mines, read_run
from pipeline.evaluation.world_truth import CHANGE_KINDS, MINING, STAGES, WorldTruth, grid_of, read_world_truth
from pipeline.io.areas import read_area
from pipeline.sites.pixels import PIXEL_HA

MAJORITY = 0.5
"""Share from which one piece of ground accounts for another."""
LINK_SHARE = 0.1
"""Share of the smaller of site and mine that they must have in common to be one match: a pixel at a rim joins nothing."""
RIM, NOTHING = "mining, under half", "nothing"
"""What a site lies on that is not true but touches a mine most, and one that lies on no truth at all."""
DAYS_A_MONTH = 365.25 / 12.0
OPEN = (AlertState.PROVISIONAL, AlertState.CONFIRMED)


@dataclass(frozen=True, slots=True)
class SiteVerdict:
    """What a site lies on."""

    site_id: str
    area_ha: float
    state: str
    cause: str
    mined_share: float
    """Share of its outline on ground that was mined by the day for which it speaks."""
    lies_on: str
    """`mining` where it is true, else the kind of truth that it overlaps most."""
    object_id: str | None
    """Mine or look-alike that it overlaps most."""

    @property
    def is_true(self) -> bool:
        """Whether at least half of it was mined."""
        return self.mined_share >= MAJORITY


@dataclass(frozen=True, slots=True)
class MineVerdict:
    """What became of a mine that had new ground and was seen."""

    mine_id: str
    ground_ha: float
    """New ground at its last clear look."""
    looks: int
    """Clear looks at its new ground."""
    covered: float
    """Share of that ground under true sites, whatever they are called."""
    covered_alerted: float
    """The same by sites called mining or unclear."""
    covered_named: float
    """The same by sites called mining."""
    is_touched: bool
    """Whether any site overlaps its new ground."""
    lag: MineLag


@dataclass(frozen=True, slots=True)
class Match:
    """Sites and mines that have ground in common, taken together: one mine may have several sites, one site several mines."""

    site_ids: tuple[str, ...]
    mine_ids: tuple[str, ...]
    """Empty sites or mines do not occur."""
    iou: float
    """Intersection over union of all outlines and all new ground at the last clear look."""
    found_ha: Mapping[str, float]
    """Hectares by kind of change as the alerts say."""
    true_ha: Mapping[str, float]
    """The same by the truth, of new ground at the last clear look; and what was greening again by then."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Look-alikes of one kind that were there after the reference."""

    kind: str
    count: int
    with_site: int
    with_alert: int
    """Called mining or unclear."""
    with_named: int
    """Called mining."""


@dataclass(frozen=True, slots=True)
class IssuedAlerts:
    """Sites that an agency was ever told of as mining or unclear."""

    count: int
    false: int
    """Of them, less than half on mined ground when last told."""
    false_confirmed: int
    """Of the false ones, those that were ever confirmed."""
    false_touching: int
    """Of the false ones, those that touch mined ground."""


@dataclass(frozen=True, slots=True)
class WorldScore:
    """What one run of one world gives."""

    world: str
    landscape: str
    area_km2: float
    watched_from: date
    as_of: date
    months: float
    """Time from the first day on which all ground was watched to the day for which the run speaks."""
    sites: tuple[SiteVerdict, ...]
    mines: tuple[MineVerdict, ...]
    unseen: int
    """Mines with new ground but not one clear look at it: nobody could find them, and no recall counts them."""
    old: int
    """Mines without new ground: they began before the reference ended."""
    matches: tuple[Match, ...]
    missed_ha: Mapping[str, float]
    """New ground by kind of change (and greening), of the mines that are in no match."""
    objects: tuple[Objects, ...]
    issued: IssuedAlerts


@dataclass(frozen=True, slots=True)
class Covering:
    """Which ground lies under sites; flat bool over the grid's pixels."""

    any: np.ndarray
    true: np.ndarray
    """Under sites that are true."""
    alerted: np.ndarray
    """Under true sites that are called mining or unclear."""
    named: np.ndarray
    """Under true sites that are called mining."""


def is_alerted(cause: str) -> bool:
    """Return whether a likely cause is told to agencies: mining or unclear."""
    return cause in FOR_AGENCIES


def score_world(world: Path, run: Path, store: str | None = None) -> WorldScore:
    """Return how the run in a folder did on the simulated world in another.

    Parameters
    ----------
    world : Path
        As `demo.world.build_world` wrote it: catalogue, area, truth.
    run : Path
        Results of the area: `alerts.geojson`, `disturbances.geojson`, `store.sqlite`.
    store : str, optional
        Address of the store where it does not lie in the run's folder.

    Raises
    ------
    TruthMissingError, RunMissingError
        A file is absent, or the run is of another area or monitored nothing.
    """
    area = read_area(world / "aoi.geojson")
    box = grid_of(area)
    truth = read_world_truth(world, box)
    findings = read_run(run, box, area.id, store)
    looks = looks_at_mines(world / "catalog" / "catalog.json", area, truth, findings)
    km2 = geo.geodesic_area_ha(area.geometry) / 100.0
    return judge(world.name, str(area.properties.get("landscape", "not stated")), km2, truth, findings, looks=looks)


def judge(
    world: str, landscape: str, area_km2: float, truth: WorldTruth, findings: RunFindings, *, looks: Sequence[Sequence[Look]]
) -> WorldScore:
    """Return the score of findings against a truth; nothing is read.

    Parameters
    ----------
    world, landscape : str
        Names for the report.
    area_km2 : float
    truth : WorldTruth
    findings : RunFindings
    looks : sequence of sequence of Look
        Clear looks at the new ground of each mine of `truth`, ascending.
    """
    past = findings.reference_end
    has_new = [bool(len(truth.ground(k, findings.as_of, past))) for k in range(len(truth.mines))]
    ground = {k: truth.ground(k, seen[-1].day, past) for k, seen in enumerate(looks) if seen}
    verdicts = tuple(_site_verdict(site, truth) for site in findings.sites)
    true_sites = [site for site, verdict in zip(findings.sites, verdicts, strict=True) if verdict.is_true]
    told, under = _told_of_mines(truth, findings), _covering(findings.sites, verdicts, len(truth.mine))
    matches = _matches(true_sites, ground, truth, {k: looks[k][-1].day for k in ground})
    matched = {name for match in matches for name in match.mine_ids}
    missed = {k: looks[k][-1].day for k in ground if truth.mines[k].id not in matched}
    return WorldScore(
        world, landscape, area_km2, findings.watched_from, findings.as_of,
        (findings.as_of - findings.watched_from).days / DAYS_A_MONTH,
        sites=verdicts,
        mines=tuple(_mine_verdict(truth.mines[k].id, ground[k], under, told[k], looks[k]) for k in ground),
        unseen=sum(has and k not in ground for k, has in enumerate(has_new)),
        old=has_new.count(False),
        matches=matches,
        missed_ha=_true_hectares(missed, truth, truth.mined_from > past.toordinal()),
        objects=_objects(truth, verdicts, findings),
        issued=_issued(truth, findings),
    )  # fmt: skip


def mined_share(said: Statement, truth: WorldTruth) -> float:
    """Return the share of an outline on ground that was mined by the day for which it was said; 0 of an empty one."""
    if not len(said.pixels):
        return 0.0
    return float((truth.mined_from[said.pixels] <= said.day.toordinal()).mean())


def _site_verdict(site: Statement, truth: WorldTruth) -> SiteVerdict:
    """What a site lies on."""
    share = mined_share(site, truth)
    mined = truth.mined_from[site.pixels] <= site.day.toordinal()
    others = truth.other[site.pixels]
    mines = truth.mine[site.pixels][mined]
    by_other, by_mine = np.bincount(others[others >= 0]), np.bincount(mines)
    most_other, most_mine = int(by_other.max(initial=0)), int(by_mine.max(initial=0))
    lies_on, name = NOTHING, None
    if share >= MAJORITY or most_mine > most_other:
        lies_on, name = MINING if share >= MAJORITY else RIM, truth.mines[int(by_mine.argmax())].id
    elif most_other:
        found = truth.others[int(by_other.argmax())]
        lies_on, name = found.kind, found.id
    return SiteVerdict(site.site_id, float(site.properties["area_ha"]), site.state, site.cause, share, lies_on, name)


def _mine_verdict(
    mine_id: str, ground: np.ndarray, sites: Covering, told: Sequence[Statement], looks: Sequence[Look]
) -> MineVerdict:
    """What became of a mine."""
    return MineVerdict(
        mine_id, len(ground) * PIXEL_HA, len(looks), float(sites.true[ground].mean()), float(sites.alerted[ground].mean()),
        float(sites.named[ground].mean()), bool(sites.any[ground].any()), lag_of(told, looks),
    )  # fmt: skip


def _covering(sites: Sequence[Statement], verdicts: Sequence[SiteVerdict], size: int) -> Covering:
    """Ground under sites, on a grid of so many pixels."""

    def under(keep: Callable[[SiteVerdict], bool]) -> np.ndarray:
        mask = np.zeros(size, bool)
        for site, verdict in zip(sites, verdicts, strict=True):
            if keep(verdict):
                mask[site.pixels] = True
        return mask

    return Covering(
        under(lambda _: True), under(lambda v: v.is_true), under(lambda v: v.is_true and is_alerted(v.cause)),
        under(lambda v: v.is_true and v.cause == LikelyCause.MINING),
    )  # fmt: skip


def _told_of_mines(truth: WorldTruth, findings: RunFindings) -> list[list[Statement]]:
    """Per mine, every statement that was true on its day and has enough ground in common with the mine as it was then."""
    told: list[list[Statement]] = [[] for _ in truth.mines]
    for said in findings.said:
        if mined_share(said, truth) < MAJORITY:
            continue
        mined = truth.mined_from[said.pixels] <= said.day.toordinal()
        for k in np.unique(truth.mine[said.pixels][mined]):
            if _is_linked(said.pixels, truth.ground(int(k), said.day)):
                told[k].append(said)
    return told


def _is_linked(site: np.ndarray, mine: np.ndarray) -> bool:
    """Whether two sets of pixels have `LINK_SHARE` of the smaller in common."""
    common = int(np.isin(site, mine).sum())
    return common > 0 and common >= LINK_SHARE * min(len(site), len(mine))


def _matches(
    sites: Sequence[Statement], ground: Mapping[int, np.ndarray], truth: WorldTruth, last_look: Mapping[int, date]
) -> tuple[Match, ...]:
    """True sites and mines that hang together, each group taken as one."""
    mines = list(ground)
    pairs = ((s, m) for s in range(len(sites)) for m in range(len(mines)))
    links = [(s, len(sites) + m) for s, m in pairs if _is_linked(sites[s].pixels, ground[mines[m]])]
    if not links:
        return ()
    size = len(sites) + len(mines)
    source, target = np.array(links).T
    _, group = connected_components(coo_array((np.ones(len(links)), (source, target)), shape=(size, size)), directed=False)
    found = []
    for label in sorted({int(group[s]) for s in source}):
        own_sites = [site for s, site in enumerate(sites) if group[s] == label]
        own_mines = [k for m, k in enumerate(mines) if group[len(sites) + m] == label]
        found.append(_match(own_sites, {k: ground[k] for k in own_mines}, truth, last_look))
    return tuple(found)


def _match(
    sites: Sequence[Statement], ground: Mapping[int, np.ndarray], truth: WorldTruth, last_look: Mapping[int, date]
) -> Match:
    """One group of sites and mines."""
    seen = np.unique(np.concatenate([s.pixels for s in sites]))
    mined = np.unique(np.concatenate(list(ground.values())))
    common = len(np.intersect1d(seen, mined))
    own = np.zeros(len(truth.mine), bool)
    own[mined] = True
    return Match(
        tuple(s.site_id for s in sites), tuple(truth.mines[k].id for k in ground),
        common / (len(seen) + len(mined) - common),
        {kind: sum(float(s.properties[f"{kind}_ha"]) for s in sites) for kind in CHANGE_KINDS},
        _true_hectares({k: last_look[k] for k in ground}, truth, own),
    )  # fmt: skip


def _true_hectares(days: Mapping[int, date], truth: WorldTruth, ground: np.ndarray) -> dict[str, float]:
    """Hectares by kind of change of mines, each on its day, of the ground that a flat bool mask holds."""
    return {kind: sum((truth.mines[k].hectares(kind, day, ground) for k, day in days.items()), 0.0) for kind in STAGES}


def _objects(truth: WorldTruth, verdicts: Sequence[SiteVerdict], findings: RunFindings) -> tuple[Objects, ...]:
    """Look-alikes by kind, with how many of them sites lie on; those that began after the run's day were not there."""
    there = [o for o in truth.others if o.onset_on is None or findings.reference_end < o.onset_on <= findings.as_of]
    on = {
        name: {v.object_id for v in verdicts if not v.is_true and keep(v.cause)}
        for name, keep in (("site", bool), ("alert", is_alerted), ("named", lambda cause: cause == LikelyCause.MINING))
    }
    found = []
    for kind in sorted({o.kind for o in there}):
        ids = {o.id for o in there if o.kind == kind}
        found.append(Objects(kind, len(ids), len(ids & on["site"]), len(ids & on["alert"]), len(ids & on["named"])))
    return tuple(found)


def _issued(truth: WorldTruth, findings: RunFindings) -> IssuedAlerts:
    """Sites that were ever open and called mining or unclear; each judged as it was last told so."""
    told: dict[str, list[Statement]] = {}
    for said in findings.said:
        if said.state in OPEN and is_alerted(said.cause):
            told.setdefault(said.site_id, []).append(said)
    false = [all_ for all_ in told.values() if mined_share(all_[-1], truth) < MAJORITY]
    return IssuedAlerts(
        len(told), len(false), sum(any(s.state == AlertState.CONFIRMED for s in all_) for all_ in false),
        sum(mined_share(all_[-1], truth) > 0.0 for all_ in false),
    )  # fmt: skip

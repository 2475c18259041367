"""From changed pixels to sites and to what is said of them, day by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from shapely.geometry import mapping, shape

from pipeline.alerts import (
    SCHEMA_VERSION,
    SINCE_1_0,
    Alert,
    AlertContext,
    AlertRules,
    describe_many,
    evidence_of,
    is_material,
    is_material_ground,
    restate,
)
from pipeline.errors import StoreMovedError
from pipeline.io.events import Event
from pipeline.io.store import AreaState, Store
from pipeline.sites import PixelTable, Site, SiteRules, advance, concatenate
from pipeline.stages.notices import notices_of
from pipeline.subscriptions import Subscription
from pipeline.tenure import AreaKind, LawBook, TitleIndex, is_touched


@dataclass(frozen=True)
class SiteWork:
    """Everything that the sites of an area need."""

    area: AreaState
    store: Store
    site_rules: SiteRules
    alert_rules: AlertRules
    context: AlertContext
    book: LawBook
    """The law as it was known on each day: what is said may change without a new look."""
    first_day: date
    """First day of the area's history."""
    subscriptions: tuple[Subscription, ...] = ()
    """Who is told."""


def update_sites(work: SiteWork, until: date) -> int:
    """Bring the sites of an area up to a date, one day after another; returns the number of days that were taken.

    The store is asked how far they are: a run that was cut off goes on from there. Where another run takes a day first, the
    work goes on from what that one left.
    """
    after = work.store.site_day(work.area.aoi_id)
    try:
        return _update_from(work, after, until)
    except StoreMovedError:
        if work.store.site_day(work.area.aoi_id) == after:
            raise
        return update_sites(work, until)


def _update_from(work: SiteWork, after: date | None, until: date) -> int:
    """Bring the sites from one day to another; the number of days that were taken."""
    aoi_id = work.area.aoi_id
    held = work.store.pixel_days(aoi_id)
    looked = {d for days in held.values() for d in days if (after is None or d > after) and d <= until}
    told = set(work.book.days(after or work.first_day, until)) if (looked or after) else set()
    begun = after or min(looked, default=None)
    days = sorted(looked | {d for d in told if begun is not None and d >= begun})
    tables = _tables_before(work, held, after)
    for number, day in enumerate(days):
        for chunk_id, chunk_days in held.items():
            if day in chunk_days:
                tables[chunk_id] = work.store.pixel_table(aoi_id, chunk_id, day)
        today = _Turn(day, after, has_look=day in looked, is_title_day=day in told)
        if not _take_day(work, list(tables.values()), today):
            return number + update_sites(work, until)
        after = day if tables else after
    return len(days)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A day that the sites are brought to."""

    day: date
    since: date | None
    """The day that they spoke for before."""
    has_look: bool
    is_title_day: bool


def _tables_before(work: SiteWork, held: Mapping[str, Sequence[date]], after: date | None) -> dict[str, PixelTable]:
    """The last changed pixels of each chunk up to a day."""
    tables = {}
    for chunk_id, days in held.items():
        past = [d for d in days if after is not None and d <= after]
        if past:
            tables[chunk_id] = work.store.pixel_table(work.area.aoi_id, chunk_id, max(past))
    return tables


def _take_day(work: SiteWork, tables: Sequence[PixelTable], turn: _Turn) -> bool:
    """Advance the sites by one day and store them with what is newly said; False where another run did."""
    if not tables:
        return True
    day, pixels = turn.day, concatenate(tables)
    sites: list[Site] = work.store.sites(work.area.aoi_id)
    ended: list[Site] = []
    if turn.has_look:
        sites, ended = advance(sites, pixels, day, work.area.aoi_id, work.site_rules)
    held = work.store.latest_events(work.area.aoi_id)
    told = {site_id: alert_of(event) for site_id, event in held.items()}
    context = replace(work.context, law=work.book.on(day))
    today = _Day(day, pixels, context, work.alert_rules, work.book.touched(day) if turn.is_title_day else TitleIndex(()))
    new = _news(today, sites, told)
    new += [restate(told[s.id], day, state="withdrawn") for s in ended if s.id in told]
    said = {a.id: (a, held[site_id].day) for site_id, a in told.items()} | {a.id: (a, day) for a in new}
    notices = notices_of(work.subscriptions, work.store, work.area, day, said)
    return work.store.swap_sites(
        work.area.aoi_id, day, sites, [payload_of(a) for a in new], area=work.area, notices=notices, since=turn.since
    )


@dataclass(frozen=True)
class _Day:
    """What the sites of one day are told with."""

    day: date
    pixels: PixelTable
    context: AlertContext
    rules: AlertRules
    touched: TitleIndex | None
    """Titles whose saying changes on the day; None: any may."""


def _news(today: _Day, sites: Sequence[Site], told: Mapping[str, Alert]) -> list[Alert]:
    """The next revisions of the sites of which there is something new to say."""
    asked = [site for site in sites if _is_asked(today, site, told.get(site.id))]
    before = [told.get(site.id) for site in asked]
    found = describe_many(asked, today.pixels, today.day, today.context, before)
    return [now for now, last in zip(found, before, strict=True) if last is None or is_material(last, now, today.rules)]


def _is_asked(today: _Day, site: Site, told: Alert | None) -> bool:
    """Whether there may be something new to say of a site.

    Titles are looked at only when the ground says something new, or on a day on which what a title near by says changes.
    """
    if told is None:
        return True
    context = today.context
    reach_m = max((context.tenure_rules.tolerance_m(s) for s in context.law.snapshots), default=0.0)
    is_concerned = is_touched(told.geometry, today.touched, reach_m)
    return is_concerned or is_material_ground(told, site, today.pixels, context, today.rules)


def payload_of(alert: Alert) -> Mapping[str, object]:
    """Return an alert as plain JSON values for the store."""
    return {"id": alert.id, "geometry": mapping(alert.geometry), "properties": dict(alert.properties)}


def alert_of(event: Event) -> Alert:
    """Return the alert of an event, with what older versions of the table lacked."""
    told = event.payload["properties"]
    is_indigenous = any(area["kind"] == AreaKind.INDIGENOUS_TERRITORY for area in told["protected_areas"])
    lacking = {**SINCE_1_0, "consent_required": "yes" if is_indigenous else "no"}
    properties = {**lacking, **told, "schema_version": SCHEMA_VERSION}
    if told["evidence"] is not None and not told["evidence"].endswith(".zip"):  # told when evidence was a folder
        properties["evidence"] = evidence_of(event.alert_id, event.revision)
    return Alert(str(event.payload["id"]), shape(event.payload["geometry"]), properties)

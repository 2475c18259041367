"""From changed pixels to sites and to what is said of them, day by day."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from shapely.geometry import mapping, shape

from pipeline.alerts import (
    SCHEMA_VERSION,
    SINCE_1_0,
    Alert,
    AlertContext,
    AlertRules,
    describe,
    is_material,
    is_material_ground,
    restate,
)
from pipeline.io.store import AreaState, Event, Store
from pipeline.sites import PixelTable, Site, SiteRules, advance, concatenate


@dataclass(frozen=True)
class SiteWork:
    """Everything that the sites of an area need."""

    area: AreaState
    store: Store
    site_rules: SiteRules
    alert_rules: AlertRules
    context: AlertContext
    extra_days: Callable[[date | None, date], Sequence[date]]
    """Days in (after, until] on which a title starts or ends: what is said may change without a new look."""


def update_sites(work: SiteWork, until: date) -> int:
    """Bring the sites of an area up to a date, one day after another; returns the number of days that were taken."""
    aoi_id = work.area.aoi_id
    held = work.store.pixel_days(aoi_id)
    after = work.area.site_day
    looked = {d for days in held.values() for d in days if (after is None or d > after) and d <= until}
    told = set(work.extra_days(after, until)) if (looked or after) else set()
    begun = min(looked) if looked else after
    days = sorted(looked | {d for d in told if begun is not None and d >= begun})
    tables = _tables_before(work, held, after)
    for day in days:
        for chunk_id, chunk_days in held.items():
            if day in chunk_days:
                tables[chunk_id] = work.store.pixel_table(aoi_id, chunk_id, day)
        _take_day(work, list(tables.values()), day, has_look=day in looked, is_title_day=day in told)
    return len(days)


def _tables_before(work: SiteWork, held: Mapping[str, Sequence[date]], after: date | None) -> dict[str, PixelTable]:
    """The last changed pixels of each chunk up to a day."""
    tables = {}
    for chunk_id, days in held.items():
        past = [d for d in days if after is not None and d <= after]
        if past:
            tables[chunk_id] = work.store.pixel_table(work.area.aoi_id, chunk_id, max(past))
    return tables


def _take_day(work: SiteWork, tables: Sequence[PixelTable], day: date, *, has_look: bool, is_title_day: bool) -> None:
    """Advance the sites by one day and store them with what is newly said."""
    if not tables:
        return
    pixels = concatenate(tables)
    sites: list[Site] = work.store.sites(work.area.aoi_id)
    ended: list[Site] = []
    if has_look:
        sites, ended = advance(sites, pixels, day, work.area.aoi_id, work.site_rules)
    told = {site_id: alert_of(event) for site_id, event in work.store.latest_events(work.area.aoi_id).items()}
    payloads = []
    for site in sites:
        alert = _news(work, site, pixels, told.get(site.id), day, is_title_day=is_title_day)
        if alert is not None:
            payloads.append(payload_of(alert))
    payloads += [payload_of(restate(told[s.id], day, state="withdrawn")) for s in ended if s.id in told]
    work.store.swap_sites(work.area.aoi_id, day, sites, payloads, area=work.area)


def _news(work: SiteWork, site: Site, pixels: PixelTable, told: Alert | None, day: date, *, is_title_day: bool) -> Alert | None:
    """The next revision of a site's alert, or None where there is nothing new to say.

    Titles are looked at only when the ground says something new, or on a day on which a title starts or ends.
    """
    if told is not None and not is_title_day and not is_material_ground(told, site, pixels, work.context, work.alert_rules):
        return None
    alert = describe(site, pixels, day, work.context, told)
    return alert if told is None or is_material(told, alert, work.alert_rules) else None


def payload_of(alert: Alert) -> Mapping[str, object]:
    """Return an alert as plain JSON values for the store."""
    return {"id": alert.id, "geometry": mapping(alert.geometry), "properties": dict(alert.properties)}


def alert_of(event: Event) -> Alert:
    """Return the alert of an event, with what older versions of the table lacked."""
    properties = {**SINCE_1_0, **event.payload["properties"], "schema_version": SCHEMA_VERSION}
    return Alert(str(event.payload["id"]), shape(event.payload["geometry"]), properties)

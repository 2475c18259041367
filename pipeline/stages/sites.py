"""From changed pixels to sites and to what is said of them, day by day."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from shapely.geometry import mapping, shape

from pipeline.alerts import Alert, AlertContext, AlertRules, describe, is_material, restate
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
        _take_day(work, list(tables.values()), day, has_look=day in looked)
    return len(days)


def _tables_before(work: SiteWork, held: Mapping[str, Sequence[date]], after: date | None) -> dict[str, PixelTable]:
    """The last changed pixels of each chunk up to a day."""
    tables = {}
    for chunk_id, days in held.items():
        past = [d for d in days if after is not None and d <= after]
        if past:
            tables[chunk_id] = work.store.pixel_table(work.area.aoi_id, chunk_id, max(past))
    return tables


def _take_day(work: SiteWork, tables: Sequence[PixelTable], day: date, *, has_look: bool) -> None:
    """Advance the sites by one day and store them with what is newly said."""
    if not tables:
        return
    pixels = concatenate(tables)
    sites, ended = work.store.sites(work.area.aoi_id), []
    if has_look:
        sites, ended = advance(sites, pixels, day, work.area.aoi_id, work.site_rules)
    told = work.store.latest_events(work.area.aoi_id)
    payloads = [p for site in sites if (p := _news(work, site, pixels, told.get(site.id), day))]
    for site in ended:
        before = told.get(site.id)
        if before is not None:
            payloads.append(payload_of(restate(alert_of(before), day, state="withdrawn")))
    work.store.swap_sites(work.area.aoi_id, day, sites, payloads, area=work.area)


def _news(
    work: SiteWork, site: Site, pixels: PixelTable, before: Event | None, day: date
) -> Mapping[str, object] | None:
    """The payload of a new revision, or None where there is nothing new to say."""
    told = alert_of(before) if before is not None else None
    alert = describe(site, pixels, day, work.context, told)
    return payload_of(alert) if told is None or is_material(told, alert, work.alert_rules) else None


def payload_of(alert: Alert) -> Mapping[str, object]:
    """Return an alert as plain JSON values for the store."""
    return {"id": alert.id, "geometry": mapping(alert.geometry), "properties": dict(alert.properties)}


def alert_of(event: Event) -> Alert:
    """Return the alert of an event."""
    properties, geometry = event.payload["properties"], event.payload["geometry"]
    if not isinstance(properties, Mapping):
        raise TypeError(f"event {event.seq} has no properties")
    return Alert(str(event.payload["id"]), shape(geometry), properties)

"""Who is to be told of a day: each subscriber's news against what that subscriber was last told, whatever epoch told it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date

from pipeline.alerts import Alert
from pipeline.io.outbox import LastTold, Notice, last_told, told_until
from pipeline.io.store import AreaState, Store
from pipeline.provenance import digest
from pipeline.subscriptions import News, Subscription, Told, news_for, said_of

NO_LONGER_SAID = "withdrawn: no longer said since a late scene was read"


def notices_of(
    subscriptions: Sequence[Subscription], store: Store, area: AreaState, day: date, said: Mapping[str, tuple[Alert, date]]
) -> list[Notice]:
    """Return what subscribers are to be told on a day.

    While a late scene has the history told again, nothing is told of days that subscribers were told of before; on the
    first day past them, what differs for a person from what they know is told, once.

    Parameters
    ----------
    subscriptions : sequence of Subscription
    store : Store
    area : AreaState
    day : date
    said : mapping
        By alert id: each alert of the area as it stands after the day, with the day of its last revision.
    """
    if not subscriptions or _is_told_again(store, area, day):
        return []
    told = last_told(store.engine, area.aoi_id)
    notices: list[Notice] = []
    for subscription in subscriptions:
        own = {alert_id: last for (name, alert_id), last in told.items() if name == subscription.name}
        notices += _news(subscription, own, said)
        notices += _void(subscription, own, said) if area.epoch > 1 else []
    return notices


def _is_told_again(store: Store, area: AreaState, day: date) -> bool:
    """Whether a day was told in an earlier epoch, and later ones too."""
    until = told_until(store.engine, area.aoi_id, area.epoch) if area.epoch > 1 else None
    return until is not None and day < until


def _news(
    subscription: Subscription, told: Mapping[str, LastTold], said: Mapping[str, tuple[Alert, date]]
) -> list[Notice]:  # fmt: skip
    """Alerts that are news to a subscriber."""
    notices = []
    for alert_id, (alert, on) in sorted(said.items()):
        if subscription.since is not None and on < subscription.since:
            continue
        last = told.get(alert_id)
        why = news_for(subscription, Told(**last.told) if last else None, alert)
        content = digest({"properties": dict(alert.properties), "geometry": alert.geometry.wkb_hex}) if why else ""
        if why and not (last and not last.is_void and content == last.content_digest):
            revision = int(str(alert.properties["revision"]))
            notices.append(Notice(subscription.name, alert_id, revision, content, why, asdict(said_of(subscription, alert))))
    return notices


def _void(
    subscription: Subscription, told: Mapping[str, LastTold], said: Mapping[str, tuple[Alert, date]]
) -> list[Notice]:  # fmt: skip
    """Alerts that a subscriber was told of and that nobody says any more."""
    if News.STATE not in subscription.news:
        return []
    return [
        Notice(subscription.name, alert_id, last.revision, last.content_digest, (NO_LONGER_SAID,),
               {**last.told, "state": "withdrawn"}, void_of=last.event_seq)
        for alert_id, last in sorted(told.items())
        if alert_id not in said and not Told(**last.told).is_over
    ]  # fmt: skip

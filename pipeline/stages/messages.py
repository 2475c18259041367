"""From rows of the outbox to one message: a GeoJSON document for machines and a few lines for people."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from pipeline.alerts import DISCLAIMER, SCHEMA_VERSION, Alert
from pipeline.delivery.geojson import feature_collection
from pipeline.errors import TierUnavailableError
from pipeline.io.channels import Parcel
from pipeline.io.events import Event
from pipeline.io.outbox import Row
from pipeline.provenance import digest
from pipeline.stages.sites import alert_of
from pipeline.subscriptions import Subscription

Feature = Mapping[str, object]
Prepare = Callable[[Sequence[Alert], str], Sequence[Feature]]
"""From alerts and the tier of their readers to GeoJSON features that these may see; fewer where some are withheld."""
RESTRICTED = "restricted"
"""The tier that sees everything."""
_SHOWN = ("state", "likely_cause", "area_ha", "tenure_status", "priority", "first_detected_on")


def prepare_restricted(alerts: Sequence[Alert], tier: str) -> list[Feature]:
    """Return every alert as it is, for the restricted tier alone.

    Raises
    ------
    TierUnavailableError
        Another tier is asked for: nothing here says what it may see, and nothing is shared by default.
    """
    if tier != RESTRICTED:
        raise TierUnavailableError(
            f"found tier {tier!r}, and no sharing policy says what it may see; expected `{RESTRICTED}`, or a policy. Nothing "
            "was sent"
        )
    features: list[Feature] = []
    for alert in alerts:  # one by one: a digest may hold two revisions of one alert
        text = feature_collection([alert], aoi_id=str(alert.properties["aoi_id"]), as_of=date.min, manifest={})
        features += json.loads(text)["features"]
    return features


def message_key(subscription: Subscription, rows: Sequence[Row], night: date, *, is_exact: bool) -> str:
    """Return the idempotency key of a message.

    One revision: alert id and revision. A digest: its night and the digest of its rows. Readers of coarsened tiers get keys
    that cannot be computed from an alert's id, which is derived from its place.
    """
    if not subscription.digest:
        return rows[0].key if is_exact else rows[0].token
    return f"{night.isoformat()}-{digest([subscription.name, *(r.token for r in rows)])[:20]}"


@dataclass(frozen=True)
class Message:
    """Rows that are sent together, with what they tell."""

    subscription: Subscription
    rows: tuple[Row, ...]
    features: tuple[Feature, ...]

    @property
    def key(self) -> str:
        """Idempotency key."""
        return str(self.rows[0].message)

    @property
    def withheld(self) -> int:
        """Number of revisions that the tier may not see."""
        return max(len(self.rows) - len(self.features), 0)


def build(subscription: Subscription, rows: Sequence[Row], events: Mapping[int, Event], prepare: Prepare) -> Message:
    """Return the message of rows as the tier of its subscription may see it."""
    alerts = [_alert(row, events[row.event_seq]) for row in rows]
    return Message(subscription, tuple(rows), tuple(prepare(alerts, subscription.tier)))


def _alert(row: Row, event: Event) -> Alert:
    """What a row tells; one that is no longer said is told as withdrawn."""
    alert = alert_of(event)
    if not row.is_void:
        return alert
    return replace(alert, properties={**alert.properties, "state": "withdrawn", "evaluated_on": row.day.isoformat()})


def _notice(row: Row, *, is_exact: bool) -> dict[str, object]:
    """Why a revision is told; coarsened tiers see the kind of news alone: no hectares, day or id."""
    if not is_exact:
        return {"idempotency_key": row.token, "why": [words.partition(":")[0].partition(" on ")[0] for words in row.why]}
    return {"idempotency_key": row.key, "why": list(row.why), "night": row.day.isoformat()}


def parcel_of(message: Message, sent_at: datetime, *, is_exact: bool) -> Parcel:
    """Return a message as channels take it; the same rows and features always give the same body."""
    subscription = message.subscription
    night = max(row.day for row in message.rows) if is_exact else sent_at.date()
    notices = [_notice(row, is_exact=is_exact) for row in message.rows]
    document = {
        "type": "FeatureCollection",
        "overburden": {
            "message": message.key, "subscriber": subscription.name, "tier": subscription.tier,
            "schema_version": SCHEMA_VERSION, "notices": notices, "withheld": message.withheld,
            "disclaimer": DISCLAIMER,
        },
        "features": list(message.features),
    }  # fmt: skip
    body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    count = len(message.features)
    subject = f"{count} alert{'' if count == 1 else 's'} of {night.isoformat()} for {subscription.name}"
    return Parcel(message.key, subscription.name, sent_at, subject, _text(message, subject, is_exact=is_exact), body)


def _text(message: Message, subject: str, *, is_exact: bool) -> str:
    """The summary for people: what is told and why, in neutral words."""
    lines = [subject, ""]
    why = {(row.alert_id, row.revision): row.why for row in message.rows} if is_exact else {}
    for feature in message.features:
        properties = feature.get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        facts = [f"{name} {known[name]}" for name in _SHOWN if known.get(name) is not None]
        lines.append(f"- {known.get('aoi_id', 'area not shared')}, {feature.get('id', 'id not shared')}")
        words = why.get((str(feature.get("id")), int(str(known.get("revision", 0)))))
        lines += [f"  why: {'; '.join(words)}"] if words else []
        lines.append(f"  {', '.join(facts)}")
    lines += [f"{message.withheld} more may not be shared on tier {message.subscription.tier}."] if message.withheld else []
    lines += ["", "Outlines and all properties are in the attached GeoJSON file.", "", DISCLAIMER]
    return "\n".join(" ".join(line.split("\n")) for line in lines) + "\n"

"""Stores in which a few nights were told, and deliverers of them, without a single pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from example_alerts import example

from pipeline.alerts import Alert
from pipeline.io.channels import Limits
from pipeline.io.outbox import Outbox, Row
from pipeline.io.store import Store, open_store
from pipeline.io.web import Patience
from pipeline.stages.deliver import Delivery, Sent, deliver
from pipeline.stages.notices import notices_of
from pipeline.stages.sites import alert_of, payload_of
from pipeline.stages.tiers import Tiers
from pipeline.subscriptions import Subscription

AOI = "test-area"
START = datetime(2024, 6, 1, 4, 0, tzinfo=UTC)
QUICK = Limits(connect_s=1.0, quiet_s=0.3, whole_s=1.0)
SECRET = "correct horse battery staple"  # noqa: S105 - of the tests
ENVIRONMENT = {"HOOK_SECRET": SECRET, "MAIL_USER": "overburden", "MAIL_PASSWORD": "hunter-two-and-more"}


def subscription(channel: Mapping[str, object], name: str = "office", **changed: object) -> Subscription:
    return Subscription.model_validate({"name": name, "tier": "restricted", "channel": channel, **changed})


def folder_of(path: Path, name: str = "office", **changed: object) -> Subscription:
    return subscription({"kind": "folder", "path": str(path)}, name, **changed)


def hook(url: str, name: str = "office", channel: Mapping[str, object] | None = None, **changed: object) -> Subscription:
    """A webhook to a server on loopback, allowed by name."""
    hosts = ["127.0.0.1", "localhost"]
    settings = {"kind": "webhook", "url": url, "secret_env": "HOOK_SECRET", "allow_hosts": hosts, "allow_http_hosts": hosts}
    return subscription({**settings, **(channel or {})}, name, **changed)


def alert(site: str, revision: int = 1, **changed: Any) -> Alert:
    return example(f"alert-{site}", site_id=site, revision=revision, **changed)


@dataclass
class Post:
    """A store, its subscribers, and a clock that only tests move."""

    folder: Path
    subscriptions: Sequence[Subscription]
    at: datetime = START
    patience: Patience = field(default_factory=lambda: Patience(attempts=4, first_wait_s=60.0, longest_wait_s=3600.0))
    limits: Limits = QUICK
    address: str | None = None

    def __post_init__(self) -> None:
        self.store: Store = open_store(self.address or self.folder / "store.sqlite")

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.store.engine)

    def night(self, day: date, *alerts: Alert) -> None:
        """What a run does on a day on which these alerts are said."""
        area = self.store.area_state(AOI, "digest", "model/1")
        said = {e.alert_id: (alert_of(e), e.day) for e in self.store.latest_events(AOI).values()}
        said |= {a.id: (a, day) for a in alerts}
        notices = notices_of(self.subscriptions, self.store, area, day, said)
        self.store.swap_sites(AOI, day, [], [payload_of(a) for a in alerts], area=area, notices=notices)

    def deliver(self, **changed: Any) -> list[Sent]:
        if "prepare" in changed:
            changed["tiers"] = Tiers(changed.pop("prepare"))
        settings = {"environment": ENVIRONMENT, "patience": self.patience, "limits": self.limits, **changed}
        return deliver(Delivery(self.store, self.subscriptions, **settings), self.at)

    def later(self, **time: float) -> list[Sent]:
        self.at += timedelta(**time)
        return self.deliver()

    def rows(self) -> list[Row]:
        return self.outbox.rows()

    def states(self) -> list[str]:
        return [str(r.state) for r in self.rows()]

"""Subscriptions: who is told of which alerts, what counts as news for a person, and where the message goes.

Pure: records and decisions. Secrets are named by environment variable and never stand in a record.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pipeline.alerts import Alert, AlertState, LikelyCause

ENDED = (AlertState.CLOSED, AlertState.WITHDRAWN)
"""States in which an alert says that there is nothing more to watch."""
_ADDRESS = re.compile(r"[^@\s<>\",;:()\[\]\\]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


def _one_line(text: str) -> str:
    """A text without control characters: it may stand in a header."""
    if any(ord(c) < 32 or ord(c) == 127 for c in text) or len(text.splitlines()) > 1:
        raise ValueError("found a line break or control character, expected one line")
    return text


def _address(text: str) -> str:
    """A plain e-mail address."""
    if not _ADDRESS.fullmatch(_one_line(text)) or not text.isascii():
        raise ValueError("expected a plain e-mail address such as alerts@agency.example")
    return text


def _host(text: str) -> str:
    """A host name or IP address as it is compared: lower case, no trailing dot, no brackets."""
    return _one_line(text).strip("[]").rstrip(".").lower()


Line = Annotated[str, AfterValidator(_one_line), Field(min_length=1, max_length=200)]
Address = Annotated[str, AfterValidator(_address)]
Host = Annotated[str, AfterValidator(_host)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
"""Name of an environment variable that holds a secret."""


class _Record(BaseModel):
    """Frozen, and refuses fields it does not know: a secret that was written into the file, say.

    Errors never show what was found, which may be such a secret.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class FolderChannel(_Record):
    """Files in a folder, each whole."""

    kind: Literal["folder"]
    path: Annotated[Line, Field(description="Folder, relative to the subscriptions file.")]


class StorageChannel(_Record):
    """Files in object storage, through fsspec."""

    kind: Literal["storage"]
    url: Annotated[Line, Field(description="Address of a folder, such as s3://bucket/alerts.")]
    endpoint_url: Annotated[Line | None, Field(description="Server of S3-compatible storage; empty: Amazon's.")] = None
    key_env: Annotated[Variable | None, Field(description="Environment variable of the access key; empty: the library's.")] = (
        None
    )
    secret_env: Annotated[Variable | None, Field(description="Environment variable of the secret key.")] = None


class WebhookChannel(_Record):
    """A signed POST."""

    kind: Literal["webhook"]
    url: Annotated[Line | None, Field(description="Address; one that holds a secret goes by url_env.")] = None
    url_env: Annotated[Variable | None, Field(description="Environment variable of the address.")] = None
    secret_env: Annotated[Variable, Field(description="Environment variable of the secret that signs.")]
    allow_hosts: Annotated[
        tuple[Host, ...], Field(description="Hosts that may have loopback, link-local or private addresses, by exact name.")
    ] = ()
    allow_http_hosts: Annotated[tuple[Host, ...], Field(description="Hosts that may be asked without TLS, by exact name.")] = ()
    ca_file: Annotated[
        Line | None, Field(description="Certificates of an authority of your own, PEM; empty: the system's.")
    ] = None

    @model_validator(mode="after")
    def _has_one_address(self) -> "WebhookChannel":
        if (self.url is None) == (self.url_env is None):
            raise ValueError("give either url or url_env")
        return self


class EmailChannel(_Record):
    """One e-mail by SMTP."""

    kind: Literal["email"]
    host: Annotated[Host, Field(description="SMTP server.")]
    port: Annotated[int, Field(description="Port.", ge=1, le=65535)] = 587
    security: Annotated[Literal["starttls", "tls", "none"], Field(description="How the connection is secured.")] = "starttls"
    allow_plain_hosts: Annotated[
        tuple[Host, ...], Field(description="Servers that may be spoken to without TLS, by exact name; never with a login.")
    ] = ()
    username_env: Annotated[Variable | None, Field(description="Environment variable of the user; empty: no login.")] = None
    password_env: Annotated[Variable | None, Field(description="Environment variable of the password.")] = None
    ca_file: Annotated[
        Line | None, Field(description="Certificates of an authority of your own, PEM; empty: the system's.")
    ] = None
    sender: Annotated[Address, Field(description="From.")]
    to: Annotated[tuple[Address, ...], Field(description="Recipients.", min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _is_secured(self) -> "EmailChannel":
        if self.security == "none" and self.host not in self.allow_plain_hosts:
            raise ValueError("security none needs the host in allow_plain_hosts")
        if self.security == "none" and self.username_env:
            raise ValueError("a login needs starttls or tls")
        if (self.username_env is None) != (self.password_env is None):
            raise ValueError("give both username_env and password_env, or neither")
        return self


Channel = Annotated[FolderChannel | StorageChannel | WebhookChannel | EmailChannel, Field(discriminator="kind")]


class News(StrEnum):
    """What counts as news for a person."""

    NEW = "new"
    """An alert that the subscriber was not told of."""
    STATE = "state"
    """Its state changed, or it left what the subscriber asked for."""
    REOPENED = "reopened"
    """Ground that was finished changed again."""
    GROWTH = "growth"
    """It grew past the rules since the subscriber was last told."""
    TENURE = "tenure"
    """Its tenure status changed; only where asked for."""


class Subscription(_Record):
    """One subscriber and one channel."""

    name: Annotated[str, Field(description="Name of the subscriber.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    areas: Annotated[tuple[str, ...], Field(description="Areas by id; none: all.")] = ()
    states: Annotated[tuple[AlertState, ...], Field(description="States in which an alert is first told.", min_length=1)] = (
        AlertState.CONFIRMED,
    )
    likely_causes: Annotated[tuple[LikelyCause, ...], Field(description="Likely causes.", min_length=1)] = (
        LikelyCause.MINING,
        LikelyCause.UNCLEAR,
    )
    min_priority: Annotated[float, Field(description="Least priority.", ge=0)] = 0.0
    min_ha: Annotated[float, Field(description="Least area.", ge=0)] = 0.0
    tier: Annotated[Line, Field(description="Sharing tier.")] = "agency"
    digest: Annotated[bool, Field(description="One message per night; false: one per alert revision.")] = True
    news: Annotated[tuple[News, ...], Field(description="What counts as news.", min_length=1)] = (
        News.NEW, News.STATE, News.REOPENED, News.GROWTH,
    )  # fmt: skip
    growth_ha: Annotated[float, Field(description="Growth since last told that is news, at least this.", gt=0)] = 0.3
    growth_share: Annotated[float, Field(description="And at least this share of the area last told.", ge=0)] = 0.25
    since: Annotated[date | None, Field(description="Nothing is told of days before; empty: no limit.")] = None
    channel: Annotated[Channel, Field(description="Where messages go.")]


@dataclass(frozen=True, slots=True)
class Told:
    """What a subscriber was last told of an alert, as far as news depends on it."""

    state: str
    area_ha: float
    likely_cause: str
    tenure_status: str
    reopened_on: str | None
    is_asked_for: bool = True
    """Whether its likely cause was then one that the subscriber asks for."""

    @property
    def is_over(self) -> bool:
        """Whether the subscriber knows that there is nothing more to watch."""
        return self.state in ENDED


def said_of(subscription: Subscription, alert: Alert) -> Told:
    """Return what telling a subscriber of an alert tells."""
    p = alert.properties
    again = p.get("reopened_on")
    return Told(
        str(p["state"]), float(str(p["area_ha"])), str(p["likely_cause"]), str(p["tenure_status"]),
        str(again) if again is not None else None, p["likely_cause"] in subscription.likely_causes,
    )  # fmt: skip


def is_asked_for(subscription: Subscription, alert: Alert) -> bool:
    """Return whether an alert is in what a subscriber asks for: area, state, likely cause, priority, hectares."""
    p = alert.properties
    return (
        (not subscription.areas or p["aoi_id"] in subscription.areas)
        and p["state"] in subscription.states
        and p["likely_cause"] in subscription.likely_causes
        and float(str(p["priority"])) >= subscription.min_priority
        and float(str(p["area_ha"])) >= subscription.min_ha
    )


def news_for(subscription: Subscription, told: Told | None, alert: Alert) -> tuple[str, ...]:
    """Return why a subscriber is told of an alert, in words; empty where there is no news for them.

    Whoever was told of an alert is told of its end, and once that its likely cause is no longer one that they ask for: else
    they would send somebody out for it. A priority or area that falls below what they ask for is no news, or alerts near
    the limit would come and go.

    Parameters
    ----------
    subscription : Subscription
    told : Told or None
        What they were last told of it.
    alert : Alert
        As it stands.
    """
    now, wanted = said_of(subscription, alert), is_asked_for(subscription, alert)
    if told is None:
        return ("new alert",) if wanted and News.NEW in subscription.news else ()
    concerns, is_kind = wanted or told.is_asked_for, now.likely_cause in subscription.likely_causes
    words = [
        (News.STATE, concerns and told.state != now.state, f"state: {told.state} → {now.state}"),
        (News.STATE, concerns and told.is_asked_for != is_kind, _turned(told, now, is_kind=is_kind)),
        (News.REOPENED, wanted and now.reopened_on not in {None, told.reopened_on}, f"changed again on {now.reopened_on}"),
        (News.GROWTH, wanted and _has_grown(subscription, told, now), f"area: {told.area_ha:.2f} → {now.area_ha:.2f} ha"),
        (News.TENURE, wanted and told.tenure_status != now.tenure_status,
         f"tenure: {told.tenure_status} → {now.tenure_status}"),
    ]  # fmt: skip
    return tuple(text for kind, is_so, text in words if is_so and kind in subscription.news)


def _turned(told: Told, now: Told, *, is_kind: bool) -> str:
    """That the likely cause left, or came back to, what a subscriber asks for."""
    return f"likely cause: {told.likely_cause} → {now.likely_cause}; {'again' if is_kind else 'no longer'} in this subscription"


def _has_grown(subscription: Subscription, told: Told, now: Told) -> bool:
    """Whether an alert grew past the rules of a subscription, and is not over."""
    least = max(subscription.growth_ha, subscription.growth_share * told.area_ha)
    return now.state not in ENDED and now.area_ha - told.area_ha >= least - 1e-9


def absolute(subscription: Subscription, base: PurePath) -> Subscription:
    """Return a subscription with the paths of its channel made absolute from a folder."""
    channel = subscription.channel
    changes = {
        name: str(base / value)
        for name in ("path", "ca_file")
        if isinstance(value := getattr(channel, name, None), str) and "://" not in value
    }
    return subscription.model_copy(update={"channel": channel.model_copy(update=changes)})

"""What each tier of subscribers may see: the sharing policy, asked anew for every message."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline.alerts import Alert
from pipeline.config import RunConfig
from pipeline.delivery import SharedFile, shared_collection
from pipeline.errors import TierUnavailableError
from pipeline.io.history import History, open_history
from pipeline.io.sharing import read_consents, read_policy, read_sites, sharing_key
from pipeline.io.subscriptions import SharingFiles, load_sharing
from pipeline.sharing import Place, Policy, SharingFacts, Tier, fields_of, shared
from pipeline.stages.exports import facts_with, from_community
from pipeline.stages.messages import Feature, Prepare, prepare_restricted
from pipeline.stages.sites import alert_of


@dataclass(frozen=True)
class Tiers:
    """What a deliverer must know of tiers."""

    prepare: Prepare = prepare_restricted
    exact: frozenset[str] = frozenset({"restricted"})
    """Tiers whose readers hold exact places: keys of their messages may be derived from alert ids."""
    delays: Mapping[str, int] = field(default_factory=dict)
    """Days after which a revision may be told, by tier."""


def _today() -> date:
    return datetime.now(UTC).date()


def tiers_of(config: RunConfig, on: Callable[[], date] = _today) -> Tiers:
    """Return the tiers by the sharing policy that the file of subscriptions names, or the one that comes with overburden.

    Without a record of consents, nothing that touches an Indigenous territory goes to a tier that needs consent.

    Raises
    ------
    SharingPolicyError
        The policy cannot be used.
    """
    files = load_sharing(config.subscriptions)
    policy, _ = read_policy(Path(files.policy) if files.policy else None)
    book, keys = open_history(config.store_address()), config.keys_folder(config.store_address())

    def prepare(alerts: Sequence[Alert], tier: str) -> list[Feature]:
        if tier not in set(Tier):
            raise TierUnavailableError(f"found tier {tier!r}, expected one of {', '.join(Tier)}; nothing was sent")
        return _features(alerts, Tier(tier), policy, _facts(book, alerts, files, Tier(tier), keys, on()))

    exact = frozenset(str(tier) for tier, rules in policy.tiers.items() if rules.place is Place.EXACT)
    return Tiers(prepare, exact, {str(tier): rules.delay_days for tier, rules in policy.tiers.items()})


def _features(alerts: Sequence[Alert], tier: Tier, policy: Policy, facts: SharingFacts) -> list[Feature]:
    """Records of a tier as GeoJSON features."""
    made = SharedFile("", facts.on, tier, fields_of(policy, tier), shared(alerts, tier, policy, facts).records, {})
    features: list[Feature] = json.loads(shared_collection(made))["features"]
    return features


def _facts(book: History, alerts: Sequence[Alert], files: SharingFiles, tier: Tier, keys: Path, on: date) -> SharingFacts:
    """What sharing rests on: consents on record, and what the store knows of the sites."""
    areas = sorted({str(a.properties["aoi_id"]) for a in alerts})
    everything = [*(alert_of(e) for aoi_id in areas for e in book.told(aoi_id)), *alerts]
    given = SharingFacts(
        on, sharing_key(keys), read_consents(Path(files.consents), tier, on) if files.consents else frozenset(),
        read_sites(Path(files.community_sites)) if files.community_sites else frozenset(),
    )  # fmt: skip
    return facts_with(everything, given, from_community(book, tier))

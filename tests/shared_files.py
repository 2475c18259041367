"""Shared files that the tests of renderings and sharing make: the example alert by the policy that comes with overburden."""

from datetime import date

from example_alerts import example, outline

from pipeline.alerts import Alert
from pipeline.delivery import SharedFile
from pipeline.io.sharing import read_policy
from pipeline.sharing import Policy, SharingFacts, Tier, fields_of, shared
from pipeline.stages.exports import Format, Told, renderings

AS_OF = date(2024, 8, 1)
KEY = bytes(range(32))
POLICY, _ = read_policy()
ALL = tuple(Format)


def shared_file(alerts: list[Alert], tier: Tier, *, policy: Policy = POLICY, facts: SharingFacts | None = None) -> SharedFile:
    records = shared(alerts, tier, policy, facts or SharingFacts(AS_OF, KEY)).records
    manifest = {"software": "overburden test", "place": str(policy.tiers[tier].place)}
    return SharedFile("test-area", AS_OF, tier, fields_of(policy, tier), records, manifest)


def rendered(
    alerts: list[Alert], tier: Tier, formats: tuple[Format, ...] = ALL, *, policy: Policy = POLICY,
    facts: SharingFacts | None = None,
) -> dict[str, bytes]:  # fmt: skip
    file = shared_file(alerts, tier, policy=policy, facts=facts)
    return renderings(Told(file, file, file), formats)


def of_kind(files: dict[str, bytes], ending: str) -> bytes:
    (found,) = (data for name, data in files.items() if name.endswith(ending))
    return found


def alerts() -> list[Alert]:
    """Two: one with markup, a formula and an apostrophe in its texts, one with two parts and other values."""
    other = outline(50.0, 900.0).union(outline(40.0, 2000.0))
    rough = example(
        mining_terms=["=1+1", "<b onclick=\"x()\">bold & 'so'</b>"],
        titles=[{"id": "T-1", "holder": "<script>alert(1)</script>", "overlap_ha": 0.5}],
    )
    second = example(
        "22222222-2222-5222-8222-222222222222", geometry=other, site_id="0f0f0f0f-0000-5000-8000-000000000002",
        priority=5.0, state="provisional", confirmed_on=None, tenure_status="covered", growth_30d_ha=0.25,
    )  # fmt: skip
    return [rough, second]

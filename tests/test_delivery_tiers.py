"""What each tier of subscribers gets, by the sharing policy that comes with overburden."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from deliveries import Post, alert

from pipeline.config import RunConfig
from pipeline.errors import TierUnavailableError
from pipeline.io.subscriptions import load_subscriptions
from pipeline.stages.tiers import tiers_of

DAY = date(2024, 5, 1)
TIERS = ("restricted", "agency", "partner", "public")


def held_with(tmp_path: Path, **files: str) -> tuple[Post, RunConfig]:
    listed = [{"name": t, "tier": t, "channel": {"kind": "folder", "path": t}, "digest": False} for t in TIERS]
    path = tmp_path / "subscriptions.yaml"
    path.write_text(yaml.safe_dump({"subscriptions": listed, **files}), encoding="utf-8")
    area = {"aoi": "a.geojson", "catalog": "c.json"}
    config = RunConfig.model_validate({"areas": [area], "out": str(tmp_path), "subscriptions": str(path)})
    return Post(tmp_path, load_subscriptions(path)), config


def told(tmp_path: Path, tier: str) -> list[dict]:
    return [json.loads(p.read_text(encoding="utf-8")) for p in sorted((tmp_path / tier).glob("*.geojson"))]


def test_exact_tiers_get_the_alert_and_coarse_ones_a_cell_after_their_delay(tmp_path: Path) -> None:
    held, config = held_with(tmp_path)
    tiers = tiers_of(config)
    held.night(DAY, alert("a", evaluated_on=DAY.isoformat()))
    held.at = held.at.replace(month=5, day=2)
    assert [(s.subscriber, s.outcome) for s in held.deliver(tiers=tiers)] == [
        ("restricted", "delivered"), ("agency", "delivered"),
    ]  # fmt: skip
    for tier in ("restricted", "agency"):
        (document,) = told(tmp_path, tier)
        assert document["features"][0]["id"] == "alert-a"
        assert document["overburden"]["notices"][0]["idempotency_key"] == "alert-a-r1"
    held.at += timedelta(days=5)
    assert [s.subscriber for s in held.deliver(tiers=tiers)] == ["partner"]
    held.at += timedelta(days=30)
    assert [s.subscriber for s in held.deliver(tiers=tiers)] == ["public"]
    exact = told(tmp_path, "agency")[0]["features"][0]["geometry"]["coordinates"][0][0]
    for tier in ("partner", "public"):
        (path,) = (tmp_path / tier).iterdir()
        text = path.name + path.read_text(encoding="utf-8")
        assert not [secret for secret in ("alert-a", str(exact[0]), "2024-05-01-", "S2A_20LKP") if secret in text]
        ((feature,),) = (d["features"] for d in told(tmp_path, tier))
        assert len(feature["geometry"]["coordinates"][0]) == 5
    assert set(held.states()) == {"delivered"}


def test_what_needs_consent_is_withheld_until_it_is_on_record(tmp_path: Path) -> None:
    held, config = held_with(tmp_path)
    site = "0f0f0f0f-0000-5000-8000-000000000001"
    held.night(DAY, alert(site, consent_required="yes", evaluated_on=DAY.isoformat()))
    held.at += timedelta(days=60)
    outcomes = {s.subscriber: s.outcome for s in held.deliver(tiers=tiers_of(config))}
    assert (outcomes["partner"], outcomes["public"]) == ("withheld", "withheld")
    (tmp_path / "consents.yaml").write_text(
        yaml.safe_dump(
            {
                "consents": [
                    {
                        "site_id": site,
                        "tier": "partner",
                        "recorded_on": date(2024, 1, 1),
                        "reference": "register of the council, 12",
                    }
                ]
            }
        ),
        encoding="utf-8",
    )
    _, again = held_with(tmp_path, consents="consents.yaml")
    held.outbox.retry()
    outcomes = {s.subscriber: s.outcome for s in held.deliver(tiers=tiers_of(again))}
    assert (outcomes["partner"], outcomes["public"]) == ("delivered", "withheld")


def test_a_tier_that_the_policy_does_not_know_is_refused(tmp_path: Path) -> None:
    _, config = held_with(tmp_path)
    with pytest.raises(TierUnavailableError, match="expected one of restricted, agency, partner, public"):
        tiers_of(config).prepare([], "everybody")

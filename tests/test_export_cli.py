"""`overburden export` and `exports list`: files of a tier for one recipient, logged before they are written."""

import hashlib
import json
import logging
import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from example_alerts import example, outline
from test_bad_input import Done, overburden  # noqa: F401  (a fixture)

from pipeline.alerts import Alert, alert_id_of, evidence_of
from pipeline.io.exports import noted_exports
from pipeline.io.sharing import DEFAULT_POLICY
from pipeline.io.store import open_store
from pipeline.io.verification import verify_store
from pipeline.stages.sites import payload_of

FORMATS = ("geojson", "gpkg", "parquet", "kml", "csv", "cap", "stac")
SITES = [f"0f0f0f0f-0000-5000-8000-00000000000{k}" for k in range(5)]
OPEN, INDIGENOUS, EARLY, ENDED, LATE = SITES


def alert(site: str, revision: int, day: str, **changed) -> Alert:
    id_ = alert_id_of("tiny", site)
    known = {
        "site_id": site,
        "revision": revision,
        "evaluated_on": day,
        "aoi_id": "tiny",
        "evidence": evidence_of(id_, revision),
    }
    return example(id_, geometry=outline(100.0, 700.0 * SITES.index(site)), **{**known, **changed})


def story() -> list[Alert]:
    first = {"state": "provisional", "confirmed_on": None}
    return [
        alert(OPEN, 1, "2024-03-05", **first),
        alert(INDIGENOUS, 1, "2024-03-05", consent_required="yes"),
        alert(EARLY, 1, "2024-03-05", **first),
        alert(ENDED, 1, "2024-03-05"),
        alert(OPEN, 2, "2024-03-15"),
        alert(INDIGENOUS, 2, "2024-03-15", consent_required="no"),
        alert(ENDED, 2, "2024-04-10", state="closed", activity="finished"),
        alert(LATE, 1, "2024-05-20"),
    ]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A store and the folder of its run, with bundles."""
    store = open_store(tmp_path / "store.sqlite")
    area = store.area_state("tiny", "digest", "model/1")
    told = story()
    for day in sorted({str(a.properties["evaluated_on"]) for a in told}):
        today = [payload_of(a) for a in told if a.properties["evaluated_on"] == day]
        store.swap_sites("tiny", date.fromisoformat(day), [], today, area=area)
    (tmp_path / "evidence").mkdir()
    for a in told:
        (tmp_path / str(a.properties["evidence"])).write_bytes(b"PK bundle of " + a.id.encode())
    return tmp_path


@pytest.fixture
def export(overburden, run: Path):  # noqa: F811
    def command(tier: str, *more: object, formats=("geojson",), on: str = "2024-05-21") -> Done:
        chosen = [word for f in formats for word in ("--format", f)]
        return overburden("export", "--store", run / "store.sqlite", "--tier", tier, *chosen, "--to", run / tier, "--on", on,
                          "--recipient", "Ministry of Mines", *more)  # fmt: skip

    return command


def sites(folder: Path) -> list[str]:
    (path,) = folder.glob("*.geojson")
    return [f["properties"]["site_id"] for f in json.loads(path.read_text(encoding="utf-8"))["features"]]


def ledger(run: Path) -> list:
    return [note for _, note in noted_exports(str(run / "store.sqlite"))]


def test_each_tier_gets_its_files_and_they_are_logged(export, run, overburden, caplog, capsys):  # noqa: F811
    caplog.set_level(logging.DEBUG)
    for tier in ("restricted", "agency", "partner", "public"):
        done = export(tier, formats=FORMATS)
        assert done.returncode == 0
        names = {str(p.relative_to(run / tier)): p for p in (run / tier).rglob("*") if p.is_file()}
        note = ledger(run)[-1]
        assert {f.name for f in note.files} == set(names)
        for file in note.files:
            data = names[file.name].read_bytes()
            assert (file.sha256, file.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
            assert f"{file.name}  {file.bytes} bytes  sha256 {file.sha256}" in done.stdout
        assert (note.tier, note.recipient, note.formats) == (tier, "Ministry of Mines", FORMATS)
        assert re.fullmatch("[0-9a-f]{64}", note.policy_sha256)
    counts = {n.tier: (n.alerts, n.held_back) for n in ledger(run)}
    assert counts == {
        "restricted": (4, {}),
        "agency": (3, {"consent_not_recorded": 1}),
        "partner": (1, {"consent_not_recorded": 1, "state": 1, "delay": 1}),
        "public": (1, {"consent_not_recorded": 1, "state": 1, "delay": 1}),
    }
    listed = overburden("exports", "list", "--store", run / "store.sqlite", "--csv", run / "log.csv")
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == 1 + sum(len(n.files) for n in ledger(run))
    assert "Ministry of Mines" in (run / "log.csv").read_text(encoding="utf-8")
    assert verify_store(str(run / "store.sqlite")).findings == ()


def test_no_id_or_place_of_a_coarse_tier_is_in_what_is_logged_or_printed(export, run, caplog):
    caplog.set_level(logging.DEBUG)
    done = [export(tier, formats=FORMATS) for tier in ("partner", "public")]
    log = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("pipeline"))
    assert "exported 1 alerts of tier public" in log
    notes = [json.dumps([n.held_back, [f.name for f in n.files]]) for n in ledger(run)]
    whole = "\n".join([log, *notes, *(d.stdout + d.stderr for d in done)])
    for a in story():
        assert a.id not in whole
        assert str(a.properties["site_id"]) not in whole
        assert not [v for x, y in a.geometry.exterior.coords for v in (x, y) if f"{v:.5f}" in whole]


def test_a_site_that_ever_needed_consent_waits_for_it(export, run):
    export("agency")
    assert INDIGENOUS not in sites(run / "agency")
    consents = run / "consents.yaml"
    consents.write_text(
        f"consents: [{{site_id: {INDIGENOUS}, tier: agency, recorded_on: 2024-04-01, reference: file 7}}]", encoding="utf-8"
    )
    export("agency", "--consents", consents)
    assert INDIGENOUS in sites(run / "agency")
    export("partner", "--consents", consents)
    assert ledger(run)[-1].held_back["consent_not_recorded"] == 1


def test_a_community_report_stays_restricted(export, run):
    reported = run / "reported.txt"
    reported.write_text(f"{OPEN}\n", encoding="utf-8")
    export("agency", "--reported", reported)
    assert OPEN not in sites(run / "agency")
    assert ledger(run)[-1].held_back == {"consent_not_recorded": 1, "community_report": 1}
    export("restricted", "--reported", reported)
    assert OPEN in sites(run / "restricted")


def test_a_delayed_tier_is_told_what_stood_when_its_delay_began(export, run):
    export("public", on="2024-04-12")
    assert ledger(run)[-1].as_of == "2024-03-13"
    assert ledger(run)[-1].alerts == 1, "the site that ended later; the other was provisional then"
    export("public", on="2024-05-21", formats=("cap",))
    texts = [p.read_text(encoding="utf-8") for p in sorted((run / "public").rglob("*.xml"))]
    kinds = sorted(re.search("<msgType>(.*?)</msgType>", t)[1] for t in texts)
    assert kinds == ["Alert", "Alert", "Cancel"]
    (cancel,) = (t for t in texts if "<msgType>Cancel" in t)
    earlier = re.search("<references>overburden,(.*?),", cancel)[1]
    assert any(f"<identifier>{earlier}</identifier>" in t for t in texts)


def test_evidence_is_handed_on_to_the_agency_only(export, run):
    done = export("agency", "--evidence", run)
    assert done.returncode == 0
    handed = sorted(p.name for p in (run / "agency" / "evidence").iterdir())
    wanted = [evidence_of(alert_id_of("tiny", s), r) for s, r in ((OPEN, 2), (EARLY, 1), (LATE, 1))]
    assert handed == sorted(Path(w).name for w in wanted)
    for tier in ("partner", "public"):
        before = len(ledger(run))
        done = export(tier, "--evidence", run)
        assert done.returncode == 2
        assert "SharingRefusedError" in done.stderr
        assert "restricted, agency only" in done.stderr
        assert not (run / tier).exists()
        assert len(ledger(run)) == before


def test_a_missing_bundle_is_counted(export, run):
    (run / evidence_of(alert_id_of("tiny", OPEN), 2)).unlink()
    done = export("agency", "--evidence", run)
    assert done.returncode == 1
    assert "1 evidence bundles are not in" in done.stderr


def test_what_cannot_be_exported_is_named(export, run, overburden):  # noqa: F811
    policy = run / "policy.yaml"
    policy.write_text("tiers: {}", encoding="utf-8")
    for more, words in (
        (("--policy", policy), "found no rules for restricted, agency, partner, public"),
        (("--aoi", "other"), "area 'other': found tiny in the store"),
        (("--recipient", "  "), "found an empty recipient"),
        (("--consents", run / "none.yaml"), "No such file"),
    ):
        done = export("public", *more)
        assert done.returncode == 2
        assert words in done.stderr
    assert "expected one of restricted, agency, partner, public" in " ".join(export("world").stderr.replace("│", " ").split())
    assert "found 'shp', expected one of geojson" in " ".join(
        export("public", formats=("shp",)).stderr.replace("│", " ").split()
    )
    nowhere = overburden("exports", "list", "--store", run / "absent.sqlite")
    assert nowhere.returncode == 2
    assert ledger(run) == []


def test_the_same_export_gives_the_same_bytes_and_the_key_stays(export, run):
    export("public", formats=FORMATS)
    export("public", formats=FORMATS)
    first, second = ledger(run)
    assert first == second
    assert (run / "keys" / "sharing.key").stat().st_mode & 0o777 == 0o600


def test_a_file_says_of_itself_no_more_than_its_tier_is_told(export, run):
    document = yaml.safe_load(DEFAULT_POLICY.read_text(encoding="utf-8"))
    for name in ("aoi_id", "model_id"):
        document["tiers"]["public"]["fields"].remove(name)
    policy = run / "policy.yaml"
    policy.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert export("public", "--policy", policy, formats=FORMATS).returncode == 0
    files = {str(p.relative_to(run / "public")): p.read_bytes() for p in (run / "public").rglob("*") if p.is_file()}
    assert len(files) > len(FORMATS)
    for name, data in files.items():
        assert name.startswith("area-not-named-")
        assert b"tiny" not in data
        assert b"model/1" not in data
        assert b"test/0.1.0" not in data

"""Sharing tiers: what is withheld leaks by no way, policies are monotone, consent holds back, ids lead nowhere."""

import io
import itertools
import json
import logging
import struct
import tempfile
import zipfile
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapely
import yaml
from example_alerts import PROPERTIES, example, outline
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from shared_files import ALL, AS_OF, KEY, POLICY, rendered

from pipeline.alerts import ALERT_PROPERTIES, Activity, Alert, AlertState, LikelyCause, is_for_agencies, is_open
from pipeline.errors import KeyExposedError, SharingPolicyError, SharingRefusedError
from pipeline.io.exports import noted_exports
from pipeline.io.sharing import DEFAULT_POLICY, read_consents, read_policy, read_sites, sharing_key
from pipeline.io.store import open_store
from pipeline.provenance import derive_id
from pipeline.sharing import (
    ALWAYS_SHARED,
    PLACE_TELLING,
    Dates,
    HeldBack,
    Place,
    Policy,
    SharingFacts,
    Tier,
    TierRules,
    cell_of,
    shared,
)
from pipeline.stages.exports import ExportRequest, export_tier
from pipeline.stages.sites import payload_of
from pipeline.tenure import TenureStatus

NAMES = frozenset(p.name for p in ALERT_PROPERTIES)
KINDS = {p.name: p for p in ALERT_PROPERTIES}
SITE = str(PROPERTIES["site_id"])
FACTS = SharingFacts(AS_OF, KEY)
WITHOUT_SHRINKING = (Phase.explicit, Phase.generate)
"""A leak is named by its property and rendering; smaller examples would tell no more and take minutes."""


def told(alert: Alert, tier: Tier, policy: Policy = POLICY, facts: SharingFacts = FACTS):
    (record,) = shared([alert], tier, policy, facts).records
    return record


def held(alert: Alert, tier: Tier, facts: SharingFacts = FACTS) -> dict:
    return dict(shared([alert], tier, POLICY, facts).held_back)


# --- nothing that is withheld leaks ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """An alert with a mark of its own in every text, and the marks by the property in which they stand."""

    alert: Alert
    marks: dict[str, list[str]]
    """By property, or property.member."""

    @property
    def is_open(self) -> bool:
        """Whether the alerts file has it."""
        return is_open(self.alert) and is_for_agencies(self.alert)


def coordinates(draw) -> shapely.Polygon:
    """An outline of a few hundred metres anywhere, with seven decimals that are no edge of a cell."""
    lon = draw(st.integers(-179_990, 179_980)) / 1000 + 0.0001234
    lat = draw(st.integers(-83_000, 83_000)) / 1000 + 0.0004321
    size = draw(st.integers(5, 60)) * 1e-4 + 0.0000567
    ring = [(0, 0), (1.0, 0.11), (0.83, 0.97), (0.13, 1.0)]
    return shapely.Polygon([(round(lon + x * size, 7), round(lat + y * size, 7)) for x, y in ring])


@st.composite
def planted(draw) -> Planted:
    """A random alert with marks."""
    number, marks = itertools.count(draw(st.integers(100, 900))), {}

    def mark(where: str) -> str:
        text = f"mark{next(number)}of{where.replace('_', '').replace('.', '')}z"
        marks.setdefault(where, []).append(text)
        return text

    def row(where: str, /, **values) -> dict:
        return {k: mark(f"{where}.{k}") if v is None else v for k, v in values.items()}

    def hectares() -> float:
        return draw(st.integers(10, 99)) + (next(number) * 10 + 7) / 10_000

    texts = {n: mark(n) for n in ("model_id", "review_verdict", "aoi_id", "priority_version")}
    lists = {n: [mark(n), mark(n)] for n in ("mining_terms", "tenure_reasons", "tenure_reasons_at_detection", "scenes")}
    id_, site, merged, split = (f"{draw(st.integers(1, 2**32 - 1)):08x}-0000-5000-8000-{k:012x}" for k in range(4))
    started = date(2021, 1, 2) + timedelta(days=draw(st.integers(0, 700)))
    days = {n: started + timedelta(days=k * 37) for k, n in enumerate(n for n in KINDS if KINDS[n].type == "date")}
    properties = {
        **PROPERTIES, **texts, **lists,
        **{n: hectares() for n in KINDS if KINDS[n].unit == "ha"},
        **{n: (d + timedelta(days=1) if d.day == 1 else d).isoformat() for n, d in days.items()},
        "site_id": site, "merged_from": [merged], "split_from": split,
        "evidence": f"evidence/{mark('evidence')}.zip",
        "titles": [row("titles", id=None, holder=None, kind=None, overlap_ha=hectares(), valid_from="1999-12-31")],
        "cadastre": [{**row("cadastre", name=None, register="generic", retrieved_on="2020-06-15", sha256=None),
                      "lacks": [mark("cadastre.lacks")]}],
        "protected_areas": [row("protected_areas", name=None, kind=None, overlap_ha=hectares(), consent_required=False)],
        "restrictions": [row("restrictions", kind=None, name=None, overlap_ha=hectares(), width_m=50.0, provision=None)],
        "priority": draw(st.integers(1001, 9999)) / 100 + 0.0037,
        "mining_probability": draw(st.integers(501, 998)) / 1000 + 0.000137,
        "priority_terms": {mark("priority_terms"): 1.25}, "clear_observations": 137,
        "state": draw(st.sampled_from([AlertState.CONFIRMED, AlertState.CLOSED])),
        "activity": draw(st.sampled_from(Activity)), "likely_cause": draw(st.sampled_from(LikelyCause)),
        "tenure_status": draw(st.sampled_from(TenureStatus)),
    }  # fmt: skip
    return Planted(Alert(id_, coordinates(draw), {p.name: properties[p.name] for p in ALERT_PROPERTIES}), marks)


SIZES = (0.05, 0.25, 0.5, 1.0, 5.0)
STEPS = {"ha": 0.5, "points": 10.0, "looks": 50.0, "1": 0.2}


@st.composite
def policies(draw) -> Policy:
    """A random policy that is monotone: each tier has the rules of the one above it, or narrower ones."""
    rules = TierRules(NAMES, Place.EXACT, has_names=draw(st.booleans()))
    tiers, factor = {}, 1
    for tier in Tier:
        names = frozenset(draw(st.sets(st.sampled_from(sorted(rules.fields)), min_size=len(rules.fields) // 3)))
        places = [p for p in Place if list(Place).index(p) >= list(Place).index(rules.place)]
        place = draw(st.sampled_from(places)) if tier is not Tier.RESTRICTED else Place.EXACT
        has_names = rules.has_names and draw(st.booleans()) and place is Place.EXACT
        steps, cell_deg = rules.steps, None
        if place is not Place.EXACT:
            names -= PLACE_TELLING
            factor *= draw(st.sampled_from([1, 2]))
            steps = {unit: step * factor for unit, step in STEPS.items()}
            sizes = [size for size in SIZES if size >= (rules.cell_deg or 0)]
            cell_deg = draw(st.sampled_from(sizes)) if place is Place.CELL else None
        dates = Dates.MONTH if rules.dates is Dates.MONTH or draw(st.booleans()) else Dates.DAY
        has_evidence = tier is Tier.RESTRICTED and has_names and names == NAMES and dates is Dates.DAY
        rules = TierRules(names, place, cell_deg, steps, dates, has_names=has_names, has_evidence=has_evidence)
        tiers[tier] = rules
    return Policy(tiers)


def everything(files: dict[str, bytes]) -> bytes:
    """All that a reader of the files could find, with what is compressed laid open."""
    whole = [name.encode() + b"\n" + data for name, data in files.items()]
    for name, data in files.items():
        if name.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(data))
            whole.append(json.dumps(table.to_pylist(), default=str).encode() + repr(table.schema.metadata).encode())
            columns = [c for c in ("geometry",) if c in table.column_names]
            whole += [value for c in columns for value in table.column(c).to_pylist()]
            whole += [struct.pack("<d", v) for v in numbers(table.to_pylist())]
    return b"\n".join(whole)


def numbers(value):
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for v in value.values() if isinstance(value, dict) else value:
            yield from numbers(v)


def forms(value: float) -> list[bytes]:
    """How a number could stand in a file: as text of five decimals or fewer, as far as it has them, and as its bytes."""
    return [f"{value:.5f}"[:-1].encode(), struct.pack("<d", value), struct.pack(">d", value)]


def leaks(planted: Planted, rules: TierRules, whole: bytes) -> list[str]:
    """What stands in the files that the tier is not told."""
    alert, found = planted.alert, []
    for where, texts in planted.marks.items():
        name, _, member = where.partition(".")
        is_withheld = (
            name not in rules.told
            or (name == "evidence" and not rules.has_evidence)
            or (member == "holder" and not rules.has_names)
            or (name == "cadastre" and rules.place is not Place.EXACT)
        )
        found += [f"text of {where}" for text in texts if is_withheld and text.encode() in whole]
    for known in ALERT_PROPERTIES:
        value = alert.properties[known.name]
        if known.type == "date" and (known.name not in rules.told or rules.dates is Dates.MONTH):
            found += [f"day of {known.name}"] * (str(value).encode() in whole)
        if known.type == "number" and (known.name not in rules.told or rules.steps.get(known.unit)):
            ways = (repr(value).encode(), struct.pack("<d", value), struct.pack(">d", value))
            found += [f"number of {known.name}"] * any(way in whole for way in ways)
    if rules.place is not Place.EXACT:
        inside = alert.geometry.representative_point()
        points = [*alert.geometry.exterior.coords, *alert.geometry.centroid.coords, *inside.coords]
        found += [f"coordinate {v}" for v in itertools.chain(*points) for form in forms(v) if form in whole]
        ids = [alert.id, alert.properties["site_id"], *alert.properties["merged_from"], alert.properties["split_from"]]
        found += [f"id {i}" for i in ids if str(i).encode() in whole or str(i).replace("-", "").encode() in whole]
        found += ["overlap"] * any(repr(r["overlap_ha"]).encode() in whole for r in alert.properties["titles"])
    return found


@given(planted(), policies(), st.sampled_from(Tier))
@settings(max_examples=60, phases=WITHOUT_SHRINKING)
def test_nothing_that_is_withheld_is_in_any_rendering_or_name(planted: Planted, policy: Policy, tier: Tier) -> None:
    files = rendered([planted.alert], tier, policy=policy)
    whole = everything(files)
    assert leaks(planted, policy.tiers[tier], whole) == []
    assert not [name for name in files if name.endswith((".zip", ".png"))]
    assert b"\x89PNG" not in whole
    assert b"PK\x03\x04" not in whole


class Lines(logging.Handler):
    """What is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def run_folder(folder: Path, alert: Alert) -> Path:
    """A store that holds an alert, with its evidence bundle beside it: a picture and a list of what it shows."""
    store = open_store(folder / "store.sqlite")
    area = store.area_state("tiny", "digest", "model/1")
    day = date.fromisoformat(str(alert.properties["evaluated_on"]))
    store.swap_sites("tiny", day, [], [payload_of(alert)], area=area)
    bundle = folder / str(alert.properties["evidence"])
    bundle.parent.mkdir()
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("before.png", b"\x89PNG " + json.dumps(dict(alert.properties)).encode())
    return folder


@given(planted(), policies(), st.sampled_from(Tier))
@settings(max_examples=25, phases=WITHOUT_SHRINKING)
def test_nor_in_what_an_export_writes_logs_notes_or_refuses(planted: Planted, policy: Policy, tier: Tier) -> None:
    rules, log, logger = policy.tiers[tier], Lines(), logging.getLogger("pipeline")
    with tempfile.TemporaryDirectory() as name:
        run = run_folder(Path(name), planted.alert)
        request = ExportRequest(
            str(run / "store.sqlite"), "tiny", tier, ALL, "somebody", run / "to", policy, "0" * 64, FACTS, evidence=run
        )
        logger.addHandler(log)
        level, logger.level = logger.level, logging.DEBUG
        try:
            if not rules.has_evidence:
                with pytest.raises(SharingRefusedError) as refused:
                    export_tier(request)
                assert not (run / "to").exists()
                log.lines.append(str(refused.value))
                request = replace(request, evidence=None)
            export_tier(request)
        finally:
            logger.level = level
            logger.removeHandler(log)
        files = {str(p.relative_to(run / "to")): p.read_bytes() for p in (run / "to").rglob("*") if p.is_file()}
        notes = [repr(note) for _, note in noted_exports(str(run / "store.sqlite"))]
    assert bool([n for n in files if n.endswith(".zip")]) is (rules.has_evidence and planted.is_open)
    assert leaks(planted, rules, everything({n: d for n, d in files.items() if not n.endswith(".zip")})) == []
    assert leaks(planted, rules, "\n".join([*log.lines, *(notes if not rules.has_evidence else [])]).encode()) == []
    assert rules.has_evidence or not [n for n, d in files.items() if b"PNG" in d or n.endswith((".zip", ".png"))]


@given(planted(), st.sampled_from([Tier.PARTNER, Tier.PUBLIC]))
@settings(max_examples=20, phases=WITHOUT_SHRINKING)
def test_nor_by_the_policy_that_comes_with_overburden(planted: Planted, tier: Tier) -> None:
    assert leaks(planted, POLICY.tiers[tier], everything(rendered([planted.alert], tier))) == []


@given(planted())
@settings(max_examples=10)
def test_the_search_finds_what_is_told(planted: Planted) -> None:
    """The property above would find a leak: the files of a tier that is told everything, held against a lower tier's rules."""
    confirmed = replace(planted.alert, properties={**planted.alert.properties, "state": "confirmed", "likely_cause": "mining"})
    planted = replace(planted, alert=confirmed)
    files, rules = rendered([planted.alert], Tier.RESTRICTED), POLICY.tiers[Tier.PUBLIC]
    vertex = f"coordinate {planted.alert.geometry.exterior.coords[0][0]}"
    for ending in (".geojson", ".gpkg", ".parquet", ".kml", ".csv", ".xml"):
        found = leaks(planted, rules, everything({n: d for n, d in files.items() if n.endswith(ending)}))
        assert {"text of titles.holder", "text of scenes", "text of evidence", "number of pond_ha", "overlap",
                f"id {planted.alert.id}", vertex} <= set(found)  # fmt: skip
        assert "day of confirmed_on" in found


@given(planted(), policies())
def test_a_lower_tier_is_told_nothing_that_does_not_follow_from_the_higher(planted: Planted, policy: Policy) -> None:
    records = [told(planted.alert, tier, policy) for tier in Tier]
    for higher, lower in itertools.pairwise(records):
        assert set(lower.properties) <= set(higher.properties)
        if lower.geometry is not None:
            assert higher.geometry is not None
            assert lower.geometry.covers(higher.geometry) or higher.geometry.geom_type == "Polygon"
        if policy.tiers[higher.tier].place is Place.CELL and lower.geometry is not None:
            assert lower.geometry.buffer(1e-9).covers(higher.geometry)


@given(planted())
def test_order_and_counts_say_nothing_in_coarse_tiers(planted: Planted) -> None:
    other = example("33333333-3333-5333-8333-333333333333", site_id="0f0f0f0f-0000-5000-8000-000000000003", priority=99.0)
    first, second = (
        shared(some, Tier.PUBLIC, POLICY, FACTS).records for some in ([planted.alert, other], [other, planted.alert])
    )
    assert first == second
    assert [r.id for r in first] == sorted(r.id for r in first)


# --- ids and cells ---------------------------------------------------------------------------------------------------


def test_an_id_of_the_project_can_be_worked_back_to_a_pixel_and_that_of_a_coarse_tier_cannot():
    site = derive_id("site", "test-area", "2024-03-05", 123, 456)
    tried = {derive_id("site", "test-area", "2024-03-05", row, column): (row, column)
             for row in range(120, 126) for column in range(450, 460)}  # fmt: skip
    assert tried[site] == (123, 456)
    record = told(example(site_id=site), Tier.PUBLIC)
    assert site not in json.dumps(record.properties, default=str)
    assert record.properties["site_id"].startswith("public-")


def test_ids_of_coarse_tiers_are_stable_and_differ_between_tiers_and_keys():
    ids = {(tier, key): told(example(revision=r), tier, facts=replace(FACTS, key=key)).id
           for tier in (Tier.PARTNER, Tier.PUBLIC) for key in (KEY, KEY[::-1]) for r in (1, 2)}  # fmt: skip
    again = told(example(revision=7, geometry=outline(300.0)), Tier.PUBLIC).id
    assert again == ids[Tier.PUBLIC, KEY]
    assert len(set(ids.values())) == 4
    assert told(example(), Tier.AGENCY).id == example().id
    with pytest.raises(SharingPolicyError, match="4 bytes, expected 32"):
        told(example(), Tier.PUBLIC, facts=replace(FACTS, key=b"weak"))


@given(st.floats(-180, 180), st.floats(-90, 90), st.sampled_from([0.01, 0.05, 0.25, 1.0, 90.0]))
def test_cells_hold_their_points_and_lie_in_larger_cells(lon, lat, size):
    cell = cell_of(lon, lat, size)
    assert cell.buffer(1e-6).covers(shapely.Point(lon, lat))
    west, south, east, north = cell.bounds
    assert (east - west, north - south) == (pytest.approx(size, abs=1e-6), pytest.approx(size, abs=1e-6))
    assert west >= -180
    assert east <= 180


def test_many_sites_share_a_cell_and_growth_over_an_edge_does_not_move_it():
    edge = shapely.box(-63.0501, -9.02, -63.0500001, -9.01)
    grown = shapely.box(-63.0501, -9.02, -62.99, -9.01)
    facts = replace(FACTS, first_outlines={SITE: edge})
    cells = {told(example(geometry=g), Tier.PARTNER, facts=facts).geometry.bounds for g in (edge, grown)}
    assert cells == {(-63.1, -9.05, -63.05, -9.0)}
    assert told(example(geometry=grown), Tier.PARTNER).geometry.bounds == (-63.05, -9.05, -63.0, -9.0)


def test_a_site_on_both_sides_of_the_antimeridian_is_told_where_it_is():
    parts = [shapely.box(179.99, -16.0, 180.0, -15.99), shapely.box(-180.0, -16.0, -179.995, -15.99)]
    assert told(example(geometry=shapely.MultiPolygon(parts)), Tier.PARTNER).geometry.bounds[2] == 180.0


# --- who is held back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", [Tier.AGENCY, Tier.PARTNER, Tier.PUBLIC])
def test_sites_in_indigenous_territories_stay_restricted_unless_consent_is_on_record(tier):
    alert = example(consent_required="yes")
    assert held(alert, tier) == {HeldBack.CONSENT: 1}
    assert held(alert, Tier.RESTRICTED) == {}
    assert held(alert, tier, replace(FACTS, consents=frozenset({SITE}))) == {}
    assert held(example(), tier, replace(FACTS, flagged=frozenset({SITE}))) == {HeldBack.CONSENT: 1}


@pytest.mark.parametrize("tier", [Tier.AGENCY, Tier.PARTNER, Tier.PUBLIC])
@pytest.mark.parametrize("changed", [{}, {"merged_from": ["x", "reported"]}, {"split_from": "reported"}])
def test_community_reports_stay_restricted_also_when_they_became_part_of_another_site(tier, changed):
    facts = replace(FACTS, reported=frozenset({"reported"} if changed else {SITE}))
    alert = example(**changed)
    assert held(alert, tier, facts) == {HeldBack.COMMUNITY: 1}
    assert held(alert, Tier.RESTRICTED, facts) == {}
    record = told(alert, tier, facts=replace(facts, consents=frozenset({SITE})))
    assert "reported" not in json.dumps(record.properties)
    assert not changed or record.properties.get("evidence") is None, "the bundle names the reported site too"


def test_delay_and_state_hold_back():
    late = replace(FACTS, on=date(2024, 4, 12))
    assert held(example(), Tier.AGENCY, late) == {}
    assert held(example(), Tier.PARTNER, late) == {HeldBack.DELAY: 1}
    assert held(example(), Tier.PUBLIC, replace(FACTS, on=date(2024, 5, 9))) == {HeldBack.DELAY: 1}
    assert held(example(), Tier.PUBLIC, replace(FACTS, on=date(2024, 5, 10))) == {}
    for state in ("provisional", "withdrawn"):
        assert held(example(state=state), Tier.PARTNER) == {HeldBack.STATE: 1}
        assert held(example(state=state), Tier.AGENCY) == {}


def test_values_of_the_public_tier_are_coarse():
    record = told(example(area_ha=0.4, first_detected_on="2024-03-31"), Tier.PUBLIC)
    assert record.properties["area_ha"] == 5.0
    assert record.properties["first_detected_on"] == "2024-03-01"
    assert record.properties["cadastre"] == [{"register": "generic", "retrieved_on": "2024-01-31"}]
    assert set(record.properties) == POLICY.tiers[Tier.PUBLIC].told
    assert set(record.properties) >= ALWAYS_SHARED


# --- policies --------------------------------------------------------------------------------------------------------


def with_tier(tier: Tier, **changed) -> Policy:
    return Policy({**POLICY.tiers, tier: replace(POLICY.tiers[tier], **changed)}, "mine.yaml")


PUBLIC, PARTNER = POLICY.tiers[Tier.PUBLIC], POLICY.tiers[Tier.PARTNER]


@pytest.mark.parametrize(
    ("tier", "changed", "words"),
    [
        (Tier.PUBLIC, {"fields": PUBLIC.fields | {"guilt"}}, "public: found unknown field 'guilt'"),
        (Tier.PUBLIC, {"fields": PUBLIC.fields | {"scenes"}}, "public: found scenes though place is cell"),
        (Tier.PUBLIC, {"fields": PUBLIC.fields | {"review_verdict"}}, "public: tells review_verdict, which partner does not"),
        (Tier.PUBLIC, {"place": Place.EXACT, "cell_deg": None}, "public: tells the place as exact"),
        (Tier.PUBLIC, {"cell_deg": None}, "place is cell and cell_deg is None"),
        (Tier.PUBLIC, {"place": Place.NONE}, "place is none and cell_deg is 0.25"),
        (Tier.PUBLIC, {"cell_deg": 0.07}, "cell_deg is 0.07, expected 0.01 or more that divides 90"),
        (Tier.PUBLIC, {"cell_deg": 0.025}, "public: has cells of 0.025 degrees, no multiple of 0.05"),
        (Tier.PUBLIC, {"cell_deg": 0.12}, "public: has cells of 0.12 degrees, no multiple of 0.05"),
        (Tier.PUBLIC, {"steps": {}}, "public: numbers in ha are not rounded"),
        (Tier.PUBLIC, {"steps": {"ha": 0.1}}, "public: rounds 'ha' less"),
        (Tier.PUBLIC, {"steps": {"ha": -1}}, "rounding of 'ha' is -1, expected more than 0"),
        (Tier.PUBLIC, {"steps": {"ha": 5, "acres": 2}}, "found rounding for 'acres'"),
        (Tier.PUBLIC, {"delay_days": 1}, "public: waits only 1 days"),
        (Tier.PUBLIC, {"delay_days": -1}, "delay_days is -1"),
        (Tier.PUBLIC, {"least_state": AlertState.PROVISIONAL}, "public: tells what is provisional"),
        (Tier.PUBLIC, {"least_state": AlertState.CLOSED}, "least_state is closed"),
        (Tier.PUBLIC, {"has_names": True}, "public: names persons"),
        (Tier.PUBLIC, {"has_evidence": True}, "public: gets evidence"),
        (Tier.PARTNER, {"dates": Dates.MONTH}, ""),
        (Tier.PARTNER, {"has_evidence": True}, "partner: has_evidence is true though something is withheld"),
        (Tier.AGENCY, {"has_names": False}, "agency: has_evidence is true though something is withheld"),
        (Tier.AGENCY, {"fields": NAMES - {"titles"}}, "agency: has_evidence is true though something is withheld"),
    ],
)  # fmt: skip
def test_a_policy_that_would_leak_is_refused(tier, changed, words):
    if not words:
        assert with_tier(tier, **changed).tiers[tier].dates is Dates.MONTH
        return
    with pytest.raises(SharingPolicyError) as error:
        with_tier(tier, **changed)
    assert words in str(error.value)
    assert "mine.yaml" in str(error.value)
    assert "docs/sharing.md" in str(error.value)


def test_days_under_months_are_refused():
    months = {t: replace(r, dates=Dates.MONTH, has_evidence=False) for t, r in POLICY.tiers.items()}
    with pytest.raises(SharingPolicyError, match="public: tells days, which partner does not"):
        Policy({**months, Tier.PUBLIC: replace(PUBLIC, dates=Dates.DAY)})


def test_evidence_is_for_restricted_and_agency_only():
    assert [t for t in Tier if POLICY.tiers[t].has_evidence] == [Tier.RESTRICTED, Tier.AGENCY]
    for tier in (Tier.PARTNER, Tier.PUBLIC):
        assert "evidence" not in told(example(), tier).properties
    no_bundles = {t: replace(r, has_evidence=False) for t, r in POLICY.tiers.items()}
    assert told(example(), Tier.AGENCY, Policy(no_bundles)).properties["evidence"] is None


# --- files -----------------------------------------------------------------------------------------------------------


def written(folder: Path, document: object) -> Path:
    path = folder / "file.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    return path


def shipped() -> dict:
    return yaml.safe_load(DEFAULT_POLICY.read_text(encoding="utf-8"))


def test_a_policy_file_says_everything(tmp_path):
    document = shipped()
    del document["tiers"]["public"]["has_names"]
    document["tiers"]["public"]["colour"] = "red"
    with pytest.raises(SharingPolicyError) as error:
        read_policy(written(tmp_path, document))
    assert "tiers.public.has_names: Field required" in str(error.value)
    assert "tiers.public.colour: Extra inputs are not permitted" in str(error.value)
    without = shipped()
    del without["tiers"]["partner"]
    with pytest.raises(SharingPolicyError, match="found no rules for partner"):
        read_policy(written(tmp_path, without))


@pytest.mark.parametrize("text", ["[1]", "a: [", "tiers: {everybody: {}}"])
def test_what_is_no_policy_is_named(tmp_path, text):
    with pytest.raises(SharingPolicyError, match=r"docs/sharing\.md"):
        read_policy(written(tmp_path, text))


def test_consents_hold_for_their_tier_and_days(tmp_path):
    path = written(tmp_path, {"consents": [
        {"site_id": "a", "tier": "partner", "recorded_on": date(2024, 1, 1), "reference": "file 12"},
        {"site_id": "b", "tier": "public", "recorded_on": date(2024, 1, 1), "until": date(2024, 2, 1), "reference": "file 13"},
    ]})  # fmt: skip
    assert read_consents(path, Tier.AGENCY, date(2024, 1, 15)) == {"a", "b"}
    assert read_consents(path, Tier.PUBLIC, date(2024, 1, 15)) == {"b"}
    assert read_consents(path, Tier.PARTNER, date(2024, 3, 1)) == {"a"}
    assert read_consents(path, Tier.PARTNER, date(2023, 3, 1)) == frozenset()
    with pytest.raises(SharingPolicyError, match="reference"):
        read_consents(written(tmp_path, {"consents": [{"site_id": "a", "tier": "public", "recorded_on": date(2024, 1, 1)}]}),
                      Tier.PUBLIC, AS_OF)  # fmt: skip


def test_a_misspelt_site_of_a_community_report_is_refused(tmp_path):
    path = tmp_path / "reported.txt"
    path.write_text(f"# by the community\n{SITE.upper()}  # April\n\n", encoding="utf-8")
    assert read_sites(path) == {SITE}
    path.write_text("0f0f0f0f\n", encoding="utf-8")
    with pytest.raises(SharingPolicyError, match="expected site ids"):
        read_sites(path)


def test_the_sharing_key_is_made_once_and_kept_private(tmp_path):
    key = sharing_key(tmp_path / "keys")
    path = tmp_path / "keys" / "sharing.key"
    assert sharing_key(tmp_path / "keys") == key
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["sharing.key"]
    path.chmod(0o644)
    with pytest.raises(KeyExposedError, match="chmod 600"):
        sharing_key(tmp_path / "keys")
    path.chmod(0o600)
    for text, words in (("zz", "no hexadecimal key"), ("ab", "found 1 bytes")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SharingPolicyError, match=words):
            sharing_key(tmp_path / "keys")


def test_every_format_is_among_those_that_are_searched():
    assert {n.rsplit(".", 1)[-1] for n in rendered([example()], Tier.AGENCY, ALL)} == {
        "geojson", "gpkg", "parquet", "kml", "csv", "xml", "json",
    }  # fmt: skip

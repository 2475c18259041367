"""Reports for people: the same facts in four languages, every number as stored, nothing that a name can break."""

import html.parser
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import shapely
from example_alerts import example, outline
from PIL import Image
from worlds import pit_in_forest, write_aoi

from pipeline.alerts import DISCLAIMER, Activity, AlertState, LikelyCause
from pipeline.config import RunConfig
from pipeline.coverage import WindowCounts
from pipeline.ledger import LedgerRow, Outcome
from pipeline.priority import PRIORITY_TERMS
from pipeline.reports import (
    LANGUAGES,
    DayShares,
    FailedScene,
    Looks,
    ModelFacts,
    NightFacts,
    Proof,
    ReportFacts,
    Review,
    alert_document,
    alert_documents,
    night_document,
    night_documents,
    words_of,
)
from pipeline.reports.as_html import html_bytes
from pipeline.reports.as_pdf import pdf_bytes
from pipeline.reports.document import tables, texts
from pipeline.reports.figures import choose
from pipeline.reports.looks import looks_between, passes_not_listed, shares_by_day
from pipeline.reports.pdf_columns import column_widths
from pipeline.reports.places import MOST_VERTICES, corners, vertices
from pipeline.stages import AoiRequest, run_aoi
from pipeline.stages import publish as publish_module
from pipeline.stages import run as run_module
from pipeline.stages.reports import documents_of, write_summaries
from pipeline.tenure import AreaKind, TenureStatus, TitleKind, TitleStatus

ROOT = Path(__file__).parents[1]
EVALUATION = json.loads((ROOT / "models/amazon-gold/0.3.0/evaluation.json").read_text(encoding="utf-8"))
MANIFEST = json.loads((ROOT / "models/amazon-gold/0.3.0/manifest.json").read_text(encoding="utf-8"))
MODEL_ID = EVALUATION["facts"]["model"]
MODEL = ModelFacts(MODEL_ID, MANIFEST, EVALUATION)
SPACES = "\u00a0\u202f"


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (20, 90, 30)).save(buffer, "PNG")
    return buffer.getvalue()


PNG = png()


def title(id_, kind, status, valid_from, valid_to, overlap_ha, *findings):
    now, then = findings
    return {"id": id_, "holder": "Maria Example", "kind": kind, "status": status, "valid_from": valid_from,
            "valid_to": valid_to, "overlap_ha": overlap_ha, "finding": now, "finding_at_detection": then}  # fmt: skip


FIVE = example(
    area_ha=3.0412,
    uncovered_ha=3.041,
    uncovered_ha_at_detection=0.041,
    tenure_status="suspended",
    tenure_status_at_detection="covered",
    model_id=MODEL_ID,
    titles=[
        title("864.213/2019", "exploitation", "active", "2019-05-01", "2024-03-31", 3.04, "lapsed", "covered"),
        title("PE <b>Ñú</b> & Cía", "exploration", "active", "2022-01-01", None, 2.5, "stage_mismatch", "stage_mismatch"),
        title("PLG" + "0" * 120, "artisanal_zone", "unknown", None, None, 1.234, *["formalisation_zone"] * 2),
        title("CAMI/PR/4412", "application", "application", "2024-01-15", None, 0.75, "stage_mismatch", "stage_mismatch"),
        title("850.001", "exploitation", "suspended", "2020-01-01", "2040-12-31", 0.012, "suspended", None),
    ],
    restrictions=[{"kind": "river_strip", "name": "Rio Tapajós", "overlap_ha": 0.31, "width_m": 500.0, "provision": "art. 4"}],
)
IN_TERRITORY = example(
    consent_required="yes",
    protected_areas=[
        {"name": "Terra Indígena Çaçá", "kind": "indigenous_territory", "overlap_ha": 2.75, "consent_required": True},
    ],
)


def facts(alert=FIVE, **changed):
    base = ReportFacts(
        alert=alert,
        area_name="Tapajós",
        landscape="humid_forest",
        model=MODEL,
        software="overburden 0",
        config_digest="ab" * 32,
    )
    return replace(base, **changed)


def night(**changed):
    many = [
        example(id_=str(i), site_id=f"site-{i}", priority=float(i), state="provisional" if i % 2 else "confirmed")
        for i in range(3)
    ]
    base = NightFacts(
        aoi_id="tapajos", area_name="Tapajós", is_simulated=False, as_of=date(2024, 4, 10), previous_as_of=date(2024, 4, 5),
        alerts=many, disturbances=[], changed=many[:1], cadastre=FIVE.properties["cadastre"], seen_from=date(2024, 4, 6),
        days=[DayShares(date(2024, 4, 7), 12.5, 80.0, 7.5)], failed=[FailedScene("S2A_X", date(2024, 4, 7), "cannot be read")],
        not_listed=2, unseen_pct=(3.0, 41.0), unseen_days=30, unwatched=["Of chunk a, 12 % is not watched"], model=MODEL,
        software="overburden 0", config_digest="ab" * 32,
    )  # fmt: skip
    return replace(base, **changed)


def document(alert=FIVE, language="en", **changed):
    return alert_document(facts(alert, **changed), words_of(language))


def cells(found, name):
    return [cell for table in tables(found) for row in table.rows for cell in row if cell.name == name]


def section(found, name):
    return next(s for s in found.sections if s.name == name)


def number_in(text, words):
    """The first number of a text, read back as its language writes it."""
    for mark in (words.say("language.thousands"), *SPACES):
        text = text.replace(mark, "")
    return float(re.search(r"-?\d+(\.\d+)?", text.replace(words.say("language.decimal"), "."))[0])


class Page(html.parser.HTMLParser):
    """What a browser would show of a page, and the stored values in it."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.values, self.text = [], [], []
        self.feed(content.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if "data-name" in dict(attrs):
            self.values.append((dict(attrs)["data-name"], json.loads(dict(attrs)["data-value"])))

    def handle_data(self, data):
        self.text.append(data)


# --- words -----------------------------------------------------------------------------------------------------------


def placeholders(sentence):
    return sorted(re.findall(r"{(\w+)}", sentence))


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_have_the_same_sentences_with_the_same_names_to_fill_in(language):
    words, english = words_of(language).sentences, words_of("en").sentences
    assert set(words) == set(english)
    assert all(words.values())
    assert {k: placeholders(s) for k, s in words.items()} == {k: placeholders(s) for k, s in english.items()}


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_sentences_are_translated(language):
    words, english = words_of(language).sentences, words_of("en").sentences
    same = {k for k, s in words.items() if s == english[k] and len(s) > 24 and not k.startswith("unit.")}
    assert not same, same


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_word(language):
    words = words_of(language).sentences
    groups = {
        "state": AlertState, "state_meaning": AlertState, "activity": Activity, "activity_meaning": Activity,
        "likely_cause": LikelyCause, "tenure_status": TenureStatus, "tenure_meaning": TenureStatus, "title_kind": TitleKind,
        "title_status": TitleStatus, "area_kind": AreaKind, "change_types": ("clearing", "tailings", "pond", "expansion"),
        "restriction": ("closed_zone", "river_strip"), "value": ("yes", "no"), "term": [t.name for t in PRIORITY_TERMS],
        "months": range(1, 13), "landscape": {s["landscape"] for s in EVALUATION["sections"].values()} - {"simulated"},
    }  # fmt: skip
    missing = [f"{group}.{code}" for group, codes in groups.items() for code in codes if f"{group}.{code}" not in words]
    assert not missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_says_what_only_an_authority_may_say(language):
    forbidden = re.compile(
        r"il+[eéè]g|illicit|il[ií]cit|unlawful|criminal|crim[ei]|d[ée]lit|guilty|culpable|coupable|culpad", re.I
    )
    said = [*words_of(language).sentences.values(), *texts(document(language=language))]
    assert not [s for s in said if forbidden.search(s)]


def test_the_english_disclaimer_is_the_one_of_the_record():
    assert words_of("en").say("notice.disclaimer") == DISCLAIMER


def test_the_template_holds_no_words():
    template = (ROOT / "pipeline/reports/report.html.j2").read_text(encoding="utf-8")
    outside = re.sub(r"{{.*?}}|{%.*?%}|<[^>]*>", " ", template, flags=re.DOTALL)
    assert not re.findall(r"[A-Za-z]{2,}", outside)


@pytest.mark.parametrize(
    ("language", "value", "text"),
    [("en", 1234.5, "1,234.5"), ("es", 1234.5, "1234,5"), ("es", 12345.6789, "12\u202f345,6789"), ("pt", 1234.5, "1.234,5"),
     ("fr", 1234567, "1\u202f234\u202f567"), ("fr", 0.05, "0,05"), ("en", 3.0, "3"), ("pt", -0.5, "-0,5"),
     ("en", 1e-05, "0.00001")],
)  # fmt: skip
def test_numbers_are_written_as_the_language_does_with_all_their_decimals(language, value, text):
    assert words_of(language).number(value) == text


def test_days_units_and_codes_without_a_word():
    assert words_of("pt").long_day("2024-03-05") == "5 de março de 2024 (2024-03-05)"
    assert words_of("fr").quantity("ha", 1.5) == "1,5\u00a0ha"
    assert words_of("en").code("state", "newly_made") == "newly made"
    assert words_of("es").code("state", None) == "no se conoce"
    with pytest.raises(ValueError, match="expected one of"):
        words_of("de")


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_of_the_record_is_in_the_report_as_stored(language):
    words, found = words_of(language), document(language=language)
    told = FIVE.properties
    for name in ("area_ha", "clearing_ha", "tailings_ha", "pond_ha", "expansion_ha", "mining_probability", "priority",
                 "uncovered_ha", "uncovered_ha_at_detection", "clear_observations", "revision"):  # fmt: skip
        shown = cells(found, name)
        assert shown, name
        assert all(json.loads(c.value) == told[name] and number_in(c.text, words) == told[name] for c in shown), name
    assert [number_in(c.text, words) for c in cells(found, "titles.overlap_ha")] == [3.04, 2.5, 1.234, 0.75, 0.012]
    for name, points in told["priority_terms"].items():
        (cell,) = cells(found, f"priority_terms.{name}")
        assert number_in(cell.text, words) == points


@pytest.mark.parametrize("language", LANGUAGES)
def test_html_and_pdf_say_what_the_document_says(language):
    found = document(language=language, pictures={"before.png": PNG, "series.png": PNG})
    page = Page(html_bytes(found))
    stored = [(c.name, json.loads(c.value)) for t in tables(found) for row in t.rows for c in row if c.name]
    assert page.values == stored
    shown = "".join(page.text)
    alts = [attrs["alt"] for tag, attrs in page.tags if tag == "img"]
    assert len(alts) == 2
    assert not [text for text in texts(found) if text not in shown and text not in (*alts, found.running)]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not on this machine")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_text_of_the_pdf_has_the_words_and_stays_inside_of_the_page(tmp_path, language):
    found = document(language=language)
    (tmp_path / "r.pdf").write_bytes(pdf_bytes(found))
    text, boxes = (
        subprocess.run(["pdftotext", how, "r.pdf", "-"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        for how in ("-raw", "-bbox")
    )
    squeezed = re.sub(r"\s", "", text)
    missing = [c.text for t in tables(found) for row in t.rows for c in row if re.sub(r"\s", "", c.text) not in squeezed]
    assert not [m for m in missing if len(m) < 16]  # a long cell may be cut by the end of a page
    boxes = subprocess.run(
        ["pdftotext", "-bbox", "r.pdf", "-"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    edges = [float(x) for x in re.findall(r'xMax="([\d.]+)"', boxes)]
    assert edges
    assert max(edges) <= 595.3 - 50


# --- what a report says ----------------------------------------------------------------------------------------------


def test_a_site_with_five_titles_lists_them_on_both_days_without_their_holders():
    found = document()
    assert [json.loads(c.value) for c in cells(found, "titles.id")] == [t["id"] for t in FIVE.properties["titles"]]
    assert cells(found, "titles.finding_at_detection")[-1].text == "none"
    assert not [t for t in texts(found) if "Maria" in t]
    meanings = [t for t in texts(found) if t.startswith("On 2024-")]
    assert any(t.startswith("On 2024-04-10: The title") for t in meanings)
    assert any(t.startswith("On 2024-03-05: Titles in force") for t in meanings)


def test_a_site_without_titles_says_so_and_names_its_source():
    found = document(example())
    said = list(texts(found))
    assert any("No title of the snapshots touches" in t for t in said)
    assert cells(found, "cadastre.sha256")[0].text == "ab" * 32
    assert "not reviewed" not in said
    assert any("Nobody has reviewed" in t for t in said)


def test_without_a_snapshot_it_is_said_that_none_was_read():
    found = document(example(cadastre=[], tenure_status="unknown"))
    assert "No snapshot of a cadastre was read." in texts(found)
    assert words_of("en").say("tenure.no_titles") not in texts(found)  # nobody looked


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_site_in_indigenous_land_carries_the_handling_notice_first(language):
    assert [n.kind for n in document(IN_TERRITORY, language).notices] == ["consent", "disclaimer"]
    assert [n.kind for n in document(example(is_simulated="yes"), language).notices] == ["simulated", "disclaimer"]
    assert [n.kind for n in document(example(), language).notices] == ["disclaimer"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_record_is_quoted_in_its_own_words_and_marked_as_english(language):
    found = section(document(language=language), "original")
    assert FIVE.properties["tenure_reasons"][0] in found.blocks[1].items
    assert {b.lang for b in found.blocks[1:]} == {"en"}


def test_bounds_of_the_start_with_what_the_satellite_saw():
    looks = Looks(date(2024, 2, 24), date(2024, 3, 5), WindowCounts(0, 0, 3, 1, 1, 2))
    found = document(looks=looks)
    assert [cells(found, f"looks.{n}")[0].text for n in ("clear", "cloudy", "not_imaged", "failed", "not_listed")] == [
        "0", "3", "1", "1", "2",
    ]  # fmt: skip
    unbounded = document(example(last_clear_unchanged_on=None))
    assert any("No clear look since monitoring began" in t for t in texts(unbounded))


def test_reviews_and_proof_are_told_where_they_are_known():
    reviews = (Review(date(2024, 4, 12), "analyst 7", "confirmed", ("spoil beside a pond",)),)
    said = list(texts(document(reviews=reviews, proof=Proof("b-r2.zip", "ef" * 32, "SHA256:12"))))
    assert "analyst 7" in said
    assert "overburden evidence verify b-r2.zip --key PUBLIC_KEY_FILE" in said
    assert "ef" * 32 in said


# --- figures ---------------------------------------------------------------------------------------------------------


def quoted(**changed):
    asked = {"model_id": MODEL_ID, "landscape": "humid_forest", "area_ha": 1.5, "probability": 0.91, **changed}
    return {(q.section, q.key): q for q in choose(MODEL, **asked).quoted}


def test_figures_are_those_of_the_landscape_size_and_probability_as_stored():
    found = quoted()
    assert found["sites", "precision"].figure == EVALUATION["sections"]["sites"]["figures"]["precision"]
    assert found["sites", "reliability"].detail == {"low": "0.9", "high": "1.0"}
    world = EVALUATION["sections"]["world_humid_forest"]
    assert found["world_humid_forest", "detected"].figure == world["tables"][1]["rows"][3][2]
    assert found["world_humid_forest", "detected"].detail == {"size": "1-2"}
    assert quoted(area_ha=500.0)["world_humid_forest", "named"].detail == {"size": "5+"}


def test_of_another_landscape_or_model_nothing_is_quoted():
    assert {s for s, _ in quoted(landscape="savanna")} == {"world_savanna"}
    assert quoted(landscape="mangrove") == quoted(landscape=None) == {}
    assert not choose(MODEL, model_id="other/1", landscape="humid_forest", area_ha=1.0, probability=None).is_about_model
    assert "Error rates: not measured" in " ".join(texts(document(example())))  # its model has no evaluation
    assert "does not state its landscape" in " ".join(texts(document(landscape=None)))


def test_a_figure_without_cases_is_not_measured():
    found = document(example(area_ha=900.0, model_id=MODEL_ID), landscape="savanna")
    assert cells(found, "figure.world_savanna.detected")[0].text == "not measured (n = 0 mines)"
    assert "On real ground of this landscape: not measured" in " ".join(texts(found))


# --- places ----------------------------------------------------------------------------------------------------------


def test_coordinates_in_degrees_and_in_the_zone_of_the_site():
    found = document()
    assert cells(found, "longitude")[0].value == cells(found, "longitude")[0].text
    east, north = int(cells(found, "east")[0].text), int(cells(found, "north")[0].text)
    assert abs(east - 500_000) <= 100
    assert abs(north - 9_000_000) <= 100
    assert any("UTM 20S (EPSG:32720)" in t for t in texts(found))
    assert cells(document(language="fr"), "latitude")[0].text == cells(found, "latitude")[0].text.replace(".", ",")


def test_a_long_outline_is_cut_with_the_count_of_what_is_left_out():
    alert = example(geometry=outline(6000.0))
    total = len(vertices(alert.geometry))
    found = document(alert)
    assert len(cells(found, "longitude")) == MOST_VERTICES + 3
    assert any(f"{total - MOST_VERTICES} more vertices" in t for t in texts(found))
    small = example(geometry=shapely.box(-63.0, -9.0, -62.9999, -8.9999), area_ha=0.0121)
    assert any("all vertices" in t for t in texts(document(small)))


@pytest.mark.parametrize("side", [1e-5, 0.5])
def test_a_site_across_the_antimeridian_and_sites_of_any_size(side):
    parts = [shapely.box(180 - side, -16.0, 180.0, -16.0 + side), shapely.box(-180.0, -16.0, -180 + side / 2, -16.0 + side)]
    both = shapely.union_all(parts)
    southwest, northeast, crosses = corners(both)
    assert crosses
    assert (southwest[0], northeast[0]) == (180 - side, -180 + side / 2)
    found = document(example(geometry=both))
    assert any("meridian of 180 degrees" in t for t in texts(found))
    assert any("UTM 60S (EPSG:32760)" in t for t in texts(found))
    assert pdf_bytes(found).startswith(b"%PDF")


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_same_facts_give_the_same_bytes_in_every_language():
    some = facts(pictures={"before.png": PNG, "after.png": PNG})
    files = alert_documents(some)
    assert sorted(files) == sorted(f"report.{code}.{kind}" for code in LANGUAGES for kind in ("html", "pdf"))
    assert files == alert_documents(some)
    assert alert_documents(some, ("pt",)) == {k: v for k, v in files.items() if ".pt." in k}
    for name, content in files.items():
        if name.endswith("pdf"):
            assert content.startswith(b"%PDF")
            assert len(re.findall(rb"/Type /Page\b", content)) > 2
            assert b"D:20240410)" in content


def test_names_cannot_become_markup_or_break_a_page():
    nasty = '<script>alert("x")</script> & <para> \u202eabc\x00 ' + "X" * 4000
    some = facts(replace_properties(FIVE, tenure_reasons=[nasty], review_verdict=nasty, scenes=["S" * 900]), area_name=nasty)
    files = alert_documents(some, ("fr",))
    page = files["report.fr.html"].decode()
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "&lt;script&gt;" in page
    assert files["report.fr.pdf"].startswith(b"%PDF")


def replace_properties(alert, **changed):
    return replace(alert, properties={**alert.properties, **changed})


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_readable_without_sight_and_without_a_network(language):
    found = document(language=language, pictures={"before.png": PNG, "after.png": PNG, "series.png": PNG})
    page = Page(html_bytes(found))
    assert ("html", {"lang": words_of(language).say("language.tag")}) in page.tags
    assert all(attrs.get("scope") in {"col", "row"} for tag, attrs in page.tags if tag == "th")
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) == 3
    assert all(a["alt"] and a["src"].startswith("data:image/png;base64,") for a in pictures)
    assert not [attrs for tag, attrs in page.tags if tag in {"script", "link", "iframe"}]
    assert sum(tag == "caption" for tag, _ in page.tags) == len(list(tables(found)))


def test_columns_fill_the_table_and_leave_words_whole_where_there_is_room():
    alert_documents(facts(), ("en",))  # registers the fonts
    fonts = ("DejaVuSans-Bold", "DejaVuSans", 7.6)
    widths = column_widths(("a", "b"), [("short", "word " * 60)], 400.0, 7.0, fonts)
    assert sum(widths) == pytest.approx(400.0)
    assert widths[1] > widths[0] > 20.0
    crowded = column_widths(tuple("abcdefgh"), [("X" * 90,) * 8], 400.0, 7.0, fonts)
    assert sum(crowded) == pytest.approx(400.0)
    long_id = column_widths(tuple("abcdefgh"), [("X" * 90, *["2019-05-01"] * 7)], 493.0, 7.0, fonts)
    assert min(long_id[1:]) > 51.0  # the id gives way, the days stay whole: 44 points and the room around them


# --- the ledger and the night ----------------------------------------------------------------------------------------


def row(day, outcome, *shares, chunk="c1", scene=""):
    clear, cloudy, missing = shares or (None, None, None)
    return LedgerRow("a", chunk, scene or f"S{day}{outcome}", day, "", "", outcome, clear, cloudy, missing, "why")


def test_acquisitions_between_the_bounds_count_each_day_once():
    day = [date(2024, 3, 1) + timedelta(days=i) for i in range(9)]
    ledger = [
        row(day[0], Outcome.MONITORED, 99.0, 1.0, 0.0), row(day[1], Outcome.MONITORED, 90.0, 10.0, 0.0),
        row(day[1], Outcome.MONITORED, 90.0, 10.0, 0.0, scene="other"), row(day[2], Outcome.MONITORED, 2.0, 93.0, 5.0),
        row(day[3], Outcome.MONITORED, 2.0, 2.0, 96.0), row(day[4], Outcome.FAILED, chunk=""),
        row(day[5], Outcome.NOT_LISTED, chunk=""), row(day[6], Outcome.MONITORED, 90.0, 10.0, 0.0, chunk="far away"),
        row(day[7], Outcome.MONITORED, 99.0, 1.0, 0.0), row(None, Outcome.FAILED, chunk=""),
    ]  # fmt: skip
    assert looks_between(ledger, {"c1"}, after=day[0], before=day[7]) == Looks(day[0], day[7], WindowCounts(1, 0, 1, 1, 1, 1))
    assert looks_between(ledger, {"c1"}, after=None, before=day[2]) == Looks(day[0] - timedelta(1), day[2], WindowCounts(2))
    assert looks_between(ledger[5:7], {"c1"}, after=None, before=day[7]) is None
    assert [d.solar_day for d in shares_by_day(ledger, day[2], day[3])] == [day[2], day[3]]
    assert passes_not_listed(ledger, day[0], day[7]) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_night_counts_and_orders_its_alerts(language):
    found = night_document(night(), words_of(language))
    assert [c.text for c in cells(found, "site_id")] == ["site-2", "site-1", "site-0"]
    assert [json.loads(c.value) for c in cells(found, "count.total")] == [1, 2, 3]
    assert files_open(night_documents(night(), (language,)))


def test_a_night_without_alerts_and_without_pictures_says_so():
    found = night_document(night(alerts=[], changed=[], days=[], failed=[], previous_as_of=None), words_of("en"))
    said = list(texts(found))
    assert "There is no open alert." in said
    assert any("nothing of the area was seen" in t for t in said)
    assert "This is the first night of this area." in said


def files_open(files):
    return all(content.startswith((b"%PDF", b"<!DOCTYPE html>")) for content in files.values())


def test_a_published_night_gives_reports_whose_numbers_are_those_of_its_files(tmp_path, monkeypatch):
    pit_in_forest(tmp_path / "catalog", cloudy=(5, 29))
    write_aoi(tmp_path / "aoi.geojson")
    held = {}

    def keep(work):
        held["published"] = publish_module.publish(work)
        held["work"] = work
        held["files"] = documents_of(work, held["published"].alerts[0], {"before.png": PNG})
        write_summaries(work, held["published"])
        return held["published"]

    monkeypatch.setattr(run_module, "publish", keep)
    section_ = {"aoi": str(tmp_path / "aoi.geojson"), "catalog": str(tmp_path / "catalog" / "catalog.json")}
    config = RunConfig.model_validate(
        {"areas": [section_], "out": str(tmp_path / "out"),
         "delivery": {"has_evidence": False, "has_map": False, "languages": ["en", "pt"]}}
    )  # fmt: skip
    out = tmp_path / "out"
    run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), None))
    (feature,) = json.loads((out / "alerts.geojson").read_text(encoding="utf-8"))["features"]
    assert sorted(held["files"]) == ["report.en.html", "report.en.pdf", "report.pt.html", "report.pt.pdf"]
    for language in ("en", "pt"):
        values = Page(held["files"][f"report.{language}.html"]).values
        told = [(name, value) for name, value in values if name in feature["properties"]]
        assert len(told) > 20
        assert all(feature["properties"][name] == value for name, value in told)
        nights = Page(next((out / "nights").glob(f"*.{language}.html")).read_bytes()).values
        assert ("area_ha", feature["properties"]["area_ha"]) in nights
        assert len(list((out / "nights").glob(f"*.{language}.pdf"))) == 1
    events = held["work"].store.latest_events(held["work"].area.id)
    (event,) = [e for e in events.values() if e.site_id == feature["properties"]["site_id"]]
    assert event.payload["properties"]["area_ha"] == feature["properties"]["area_ha"]

"""Register files: the ready ones against the real cadastres, and faults that are refused by name."""

import json
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipeline.errors import RegisterInvalidError
from pipeline.io.cadastres import find_register, generic_register, load_register, read_titles
from pipeline.io.cadastres.register_files import REGISTERS, fields_markdown, read_register_file
from pipeline.io.cadastres.registers import code_of
from pipeline.tenure import CountryRules, TenureRules, TenureStatus, TitleKind, TitleStatus, assess
from pipeline.tenure.minerals import plain_word

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "cadastre"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/cadastre is absent")
DOCS = Path(__file__).parents[1] / "docs" / "registers.md"
READY = sorted(REGISTERS.glob("*.yaml"))
NAMES = ["brazil_sigmine", "colombia_anm", "drc_cami", "generic", "ghana_mincom", "peru_ingemmet"]
SMALLEST = "name: tiny\ntitle: Nobody\nsource: Nowhere\n"
SQUARE = [[[-58.7, -6.0], [-58.6, -6.0], [-58.6, -5.9], [-58.7, -5.9], [-58.7, -6.0]]]


def written(folder, text, name="tiny"):
    path = folder / f"{name}.yaml"
    path.write_text(SMALLEST + text, encoding="utf-8")
    return path


def titles_of(folder, *rows, register=None):
    """Titles of a file with such properties, each around the same square in the Amazon, and their snapshot."""
    path = folder / "titles.geojson"
    shape = {"type": "Polygon", "coordinates": SQUARE}
    features = [{"type": "Feature", "properties": row, "geometry": shape} for row in rows]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return read_titles(path, retrieved_on=date(2025, 1, 1), register=register)


def found(titles, snapshot, on=date(2025, 1, 10), minerals=("gold",)):
    """The finding of each title alone, at a site that is its own ground."""
    rules = TenureRules(minerals=minerals)
    return [assess(t.geometry, [t], snapshots=[snapshot], on=on, rules=rules) for t in titles]


# --- the ready ones ---------------------------------------------------------------------------------------------------


def test_the_ready_ones_are_these():
    assert [path.stem for path in READY] == NAMES


@pytest.mark.parametrize("path", READY, ids=lambda p: p.stem)
def test_a_ready_one_loads_from_any_folder_and_each_code_maps_once(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    register, file = find_register(path.stem), read_register_file(path)
    assert register.name == file.name == path.stem
    for table, codes in ((file.codes.kind, register.kinds), (file.codes.status, register.statuses)):
        texts = Counter(plain_word(text) for texts in table.values() for text in texts)
        assert set(texts.values()) <= {1}
        assert all(code_of(text, codes) is code for code, own in table.items() for text in own)


@pytest.mark.parametrize("path", [p for p in READY if p.stem != "generic"], ids=lambda p: p.stem)
def test_a_country_states_its_bounds_its_law_and_its_flaws(path):
    file = read_register_file(path)
    assert file.country is not None
    assert file.bounds is not None
    assert file.rules is not None
    assert file.rules.sources
    assert len(file.note) > 100


def test_the_generic_one_knows_no_law_and_is_what_a_configuration_without_register_gets():
    assert generic_register() is find_register(None)
    assert (generic_register().rules, generic_register().bounds) == (CountryRules(), None)


# --- real cadastres ---------------------------------------------------------------------------------------------------


@needs_shared
def test_ghana_by_its_register_and_the_expired_licence_that_says_active():
    day = date(2025, 4, 18)
    path = SHARED / "ghana_small_scale_gold_2025.geojson"
    titles, snapshot = read_titles(path, retrieved_on=day, register=find_register("ghana_mincom"))
    assert (len(titles), snapshot.unknown_codes, snapshot.register) == (1028, (), "ghana_mincom")
    assert {t.kind for t in titles} == {TitleKind.EXPLOITATION}
    assert not any("outside" in note for note in snapshot.notes)
    (ended,) = [t for t in titles if t.valid_to < day]
    site = ended.geometry.buffer(-0.0005)
    finding = assess(site, titles, snapshots=[snapshot], on=day, rules=TenureRules(minerals=("gold",)))
    assert (ended.status, finding.status) == (TitleStatus.ACTIVE, TenureStatus.LAPSED)


@pytest.fixture(scope="module")
def drc():
    return read_titles(SHARED / "drc_titles_2016.geojson", retrieved_on=date(2016, 12, 31), register=find_register("drc_cami"))


@needs_shared
def test_drc_by_its_register_counts_and_lists_what_stays_unknown(drc):
    titles, snapshot = drc
    assert Counter(t.kind for t in titles) == {
        TitleKind.EXPLORATION: 1651, TitleKind.EXPLOITATION: 956, TitleKind.ARTISANAL_ZONE: 329, TitleKind.UNKNOWN: 33,
        TitleKind.OTHER: 4,
    }  # fmt: skip
    assert Counter(t.status for t in titles) == {
        TitleStatus.ACTIVE: 2754, TitleStatus.UNKNOWN: 105, TitleStatus.APPLICATION: 74, TitleStatus.EXPIRED: 40
    }  # fmt: skip
    assert [(c.field, c.code, c.count) for c in snapshot.unknown_codes] == [
        ("status", "A déchoir pour non paiement", 104), ("kind", "C.U.P.", 33), ("status", "A déchoir_non commencement", 1),
    ]  # fmt: skip


@needs_shared
def test_drc_names_the_outline_that_lies_outside_and_keeps_it(drc):
    titles, snapshot = drc
    outside = [note for note in snapshot.notes if "reaches outside" in note]
    assert outside == [
        "13214 (feature 962) reaches outside of the register's bounds, lon 12 to 31.5 lat -13.6 to 5.5: "
        "near lon 6.68 lat -21.09"
    ]
    assert "13214" in {t.title_id for t in titles}


@needs_shared
def test_drc_terms_end_where_the_column_says(drc):
    """No grant lies 30 years ahead: `date_de1` is the last day, and 5 years is the longest that research is given."""
    titles, _ = drc
    last = {kind: max(t.valid_to for t in titles if t.kind is kind and t.valid_to) for kind in (
        TitleKind.EXPLOITATION, TitleKind.EXPLORATION)}  # fmt: skip
    assert last[TitleKind.EXPLOITATION].year == 2016 + 30
    assert last[TitleKind.EXPLORATION].year == 2016 + 5
    assert {t.valid_from for t in titles} == {None}


@needs_shared
def test_drc_zone_closed_to_mining_says_so(drc):
    titles, snapshot = drc
    (finding,) = found([next(t for t in titles if t.title_id == "ZIN01")], snapshot, on=date(2017, 1, 15))
    assert finding.status is TenureStatus.STAGE_MISMATCH
    assert "lies over ground that is closed to mining by the register" in finding.reasons[0]


@needs_shared
def test_drc_force_majeure_past_the_last_day_is_unknown_and_before_it_covered(drc):
    titles, snapshot = drc
    right = next(t for t in titles if t.kind is TitleKind.EXPLOITATION and t.valid_to and t.valid_to > date(2017, 6, 1)
                 and any("Force Majeure" in d.text for d in t.doubts))  # fmt: skip
    assert right.status is TitleStatus.ACTIVE
    assert found([right], snapshot, on=date(2017, 1, 15), minerals=())[0].status is TenureStatus.COVERED
    rules = TenureRules(stale_after_days=99_999)
    past = assess(right.geometry, [right], snapshots=[snapshot], on=date(right.valid_to.year + 1, 1, 1), rules=rules)
    assert past.status is TenureStatus.UNKNOWN
    assert "under which a title may run on" in past.reasons[0]


@needs_shared
def test_drc_quarries_are_for_other_minerals(drc):
    titles, snapshot = drc
    quarry = next(t for t in titles if t.minerals and t.kind is TitleKind.EXPLOITATION and t.valid_to
                  and t.valid_to > date(2018, 1, 1) and not t.doubts)  # fmt: skip
    (finding,) = found([quarry], snapshot, on=date(2017, 1, 15))
    assert finding.status is TenureStatus.COMMODITY_MISMATCH
    assert "is for quarry products, not for gold" in finding.reasons[0]


@needs_shared
def test_peru_without_kind_and_status_gives_unknown_whatever_the_day_of_the_petition():
    path = SHARED / "peru_17s_2026_no_crs.geojson"
    titles, snapshot = read_titles(
        path, crs="EPSG:32717", retrieved_on=date(2026, 1, 31), register=find_register("peru_ingemmet")
    )
    assert (len(titles), snapshot.unknown_codes, snapshot.unused_columns) == (9025, (), ("FEC_DENU",))
    assert {(t.kind, t.status, t.valid_from, t.kind_since) for t in titles} == {
        (TitleKind.UNKNOWN, TitleStatus.UNKNOWN, None, None)
    }
    assert sum("reaches outside" in note for note in snapshot.notes) == 4
    finding = found(titles[:1], snapshot, on=date(2026, 2, 1))[0]
    assert (finding.status, finding.uncovered_ha) == (TenureStatus.UNKNOWN, None)
    assert "does not say what it allows" in finding.reasons[0]


# --- registers of which no copy is at hand ----------------------------------------------------------------------------


def test_peru_in_full_tells_kind_and_status_from_one_column(tmp_path):
    rows = [
        {"CODIGOU": str(n), "D_ESTADO": state, "SUSTANCIA": what, "FEC_TIT": "2025-01-06"}
        for n, (state, what) in enumerate([
            ("D.M. Titulado D.L. 708", "M"), ("D.M. Titulado D.L. 708", "N"), ("D.M. en Trámite D.L. 708", "M"),
            ("D.M. Extinguido D.L. 708", "M"), ("Cantera (D.S. 037-96-EM)", "N"),
        ])
    ]  # fmt: skip
    titles, snapshot = titles_of(tmp_path, *rows, register=find_register("peru_ingemmet"))
    assert [f.status.value for f in found(titles, snapshot)] == [
        "covered", "commodity_mismatch", "stage_mismatch", "lapsed", "commodity_mismatch"
    ]  # fmt: skip
    assert {c.code for c in snapshot.unknown_codes} == {"Cantera (D.S. 037-96-EM)"}
    (before,) = found(titles[:1], snapshot, on=date(2025, 1, 5))
    assert before.status is TenureStatus.STAGE_MISMATCH
    assert found(titles[1:2], snapshot, minerals=("sand",))[0].status is TenureStatus.COVERED


@pytest.mark.parametrize(("phase", "kind", "status"), [
    ("CONCESSÃO DE LAVRA", TitleKind.EXPLOITATION, "covered"),
    ("LAVRA GARIMPEIRA", TitleKind.EXPLOITATION, "covered"),
    ("LICENCIAMENTO", TitleKind.EXPLOITATION, "covered"),
    ("REGISTRO DE EXTRAÇÃO", TitleKind.EXPLOITATION, "covered"),
    ("AUTORIZAÇÃO DE PESQUISA", TitleKind.EXPLORATION, "stage_mismatch"),
    ("REQUERIMENTO DE PESQUISA", TitleKind.APPLICATION, "stage_mismatch"),
    ("REQUERIMENTO DE LAVRA", TitleKind.APPLICATION, "stage_mismatch"),
    ("REQUERIMENTO DE LAVRA GARIMPEIRA", TitleKind.APPLICATION, "stage_mismatch"),
    ("REQUERIMENTO DE LICENCIAMENTO", TitleKind.APPLICATION, "stage_mismatch"),
    ("REQUERIMENTO DE REGISTRO DE EXTRAÇÃO", TitleKind.APPLICATION, "stage_mismatch"),
    ("DIREITO DE REQUERER A LAVRA", TitleKind.APPLICATION, "stage_mismatch"),
    ("DISPONIBILIDADE", TitleKind.OTHER, "stage_mismatch"),
    ("APTO PARA DISPONIBILIDADE", TitleKind.OTHER, "stage_mismatch"),
    ("DADO NÃO CADASTRADO", TitleKind.UNKNOWN, "unknown"),
])  # fmt: skip
def test_brazil_phases(tmp_path, phase, kind, status):
    row = {"PROCESSO": "850001/2020", "FASE": phase, "NOME": "Holder 1", "SUBS": "MINÉRIO DE OURO", "ULT_EVENTO": "x"}
    titles, snapshot = titles_of(tmp_path, row, register=find_register("brazil_sigmine"))
    (title,) = titles
    assert (title.title_id, title.name, title.holder, title.kind) == ("850001/2020", "", "Holder 1", kind)
    assert (title.minerals, title.status, snapshot.unknown_codes) == (("gold",), TitleStatus.ACTIVE, ())
    assert found(titles, snapshot)[0].status.value == status
    assert snapshot.rules.river_buffer.width_m == 30
    assert any(note.startswith("status is read as 'active'") for note in snapshot.notes)


@pytest.mark.parametrize(("row", "status"), [
    ({"ETAPA": "Explotación", "MODALIDAD": "CONTRATO DE CONCESION (L 685)"}, "covered"),
    ({"ETAPA": "Exploración", "MODALIDAD": "CONTRATO DE CONCESION (L 685)"}, "stage_mismatch"),
    ({"ETAPA": "Construcción y Montaje", "MODALIDAD": "CONTRATO DE CONCESION (L 685)"}, "unknown"),
    ({"MODALIDAD": "CONTRATO DE CONCESION (L 685)"}, "unknown"),
    ({"MODALIDAD": "LICENCIA DE EXPLOTACION"}, "covered"),
    ({"MODALIDAD": "LICENCIA DE EXPLORACION"}, "stage_mismatch"),
    ({"MODALIDAD": "SUBCONTRATO DE FORMALIZACION"}, "formalisation_zone"),
    ({"MODALIDAD": "ÁREA DE RESERVA ESPECIAL"}, "formalisation_zone"),
    ({"ETAPA": "Explotación", "ESTADO": "TITULO VIGENTE-SUSPENDIDO"}, "suspended"),
    ({"ETAPA": "Explotación", "FECHA_TERMINACION": "9/01/2025"}, "lapsed"),
    ({"ETAPA": "Explotación", "FECHA_DE_INSCRIPCION": "11/01/2025"}, "not_yet_valid"),
])  # fmt: skip
def test_colombia_stages_contracts_and_days(tmp_path, row, status):
    full = {"CODIGO_EXPEDIENTE": "IDO-1", "ESTADO": "Activo", "MINERALES": "ORO Y SUS CONCENTRADOS, ORO", **row}
    titles, snapshot = titles_of(tmp_path, full, register=find_register("colombia_anm"))
    assert found(titles, snapshot)[0].status.value == status


def test_colombia_reads_its_days_day_first(tmp_path):
    row = {"CODIGO_EXPEDIENTE": "IDO-1", "FECHA_DE_INSCRIPCION": "8/06/2010"}
    assert titles_of(tmp_path, row, register=find_register("colombia_anm"))[0][0].valid_from == date(2010, 6, 8)
    assert titles_of(tmp_path, row)[0][0].valid_from is None


# --- reading one ------------------------------------------------------------------------------------------------------


def test_suspensions_are_read_and_those_without_a_first_day_are_in_doubt(tmp_path):
    days = [("2025-01-05", "2025-02-01"), ("2025-01-05", None), (None, "2025-02-01"), ("2025-02-01", "2025-01-05")]
    rows = [{"id": "A", "kind": "mine", "suspended_from": first, "suspended_to": last} for first, last in days]
    titles, snapshot = titles_of(tmp_path, *rows, {"id": "B", "kind": "mine"})
    assert [len(t.suspensions) for t in titles] == [1, 1, 0, 0, 0]
    assert [{d.field for d in t.doubts} for t in titles] == [set(), set(), {"suspensions"}, {"suspensions"}, set()]
    assert {c.code for c in snapshot.unknown_codes} == {"? to 2025-02-01", "2025-02-01 to 2025-01-05"}


def test_a_file_takes_over_what_it_extends_but_for_fields_it_says_are_in_no_column(tmp_path):
    (tmp_path / "base.yaml").write_text(SMALLEST.replace("tiny", "base") + (
        "columns: {name: [nombre], kind: [tipo]}\ncodes: {kind: {exploitation: [lavra, x]}}\n"
        "rules: {prohibited_kinds: [other]}\n"
    ), encoding="utf-8")  # fmt: skip
    register = load_register(written(
        tmp_path, "extends: base\ncolumns: {name: [], kind: [Fase Atual]}\ncodes: {kind: {exploration: [X]}}\n"
    ))  # fmt: skip
    assert register.columns == {"name": (), "kind": ("fase_atual", "tipo")}
    assert (register.kinds["lavra"], register.kinds["x"]) == (TitleKind.EXPLOITATION, TitleKind.EXPLORATION)
    assert register.rules.prohibited_kinds == {TitleKind.OTHER}


def test_outlines_outside_of_the_bounds_are_named_and_the_rest_counted(tmp_path):
    register = replace(generic_register(), bounds=(0.0, 0.0, 1.0, 1.0))
    titles, snapshot = titles_of(tmp_path, *({"id": f"A{n}"} for n in range(22)), register=register)
    outside = [note for note in snapshot.notes if "outside" in note]
    assert (len(titles), len(outside)) == (22, 21)
    assert outside[0].startswith("A0 (feature 1) reaches outside of the register's bounds, lon 0 to 1 lat 0 to 1")
    assert outside[-1] == "2 more outlines reach outside of them"


def test_a_law_may_name_minerals(tmp_path):
    register = load_register(written(tmp_path, "rules: {extraction: {exploitation: [sand, gravel], exploration: any}}\n"))
    assert register.rules.extraction == {
        TitleKind.EXPLOITATION: frozenset({"sand", "gravel"}), TitleKind.EXPLORATION: frozenset()
    }  # fmt: skip


@pytest.mark.parametrize(("text", "named"), [
    ("colour: red\n", "colour"),
    ("columns: {titel_id: [a]}\n", "columns.titel_id"),
    ("codes: {kind: {exploitatoin: [pe]}}\n", "codes.kind.exploitatoin"),
    ("codes: {kind: {exploitation: [PE], exploration: [pe]}}\n", "'pe' under exploitation and under exploration"),
    ("codes: {status: {expired: [Déchu], active: [dechu]}}\n", "'dechu' under expired and under active"),
    ("codes: {kind: {exploitation: [pe, PE]}}\n", "'PE' under exploitation and under exploitation"),
    ("codes: {kind: {exploitation: [a], exploitation: [b]}}\n", "exploitation twice"),
    ("country: Ghana\n", "country"),
    ("bounds: [10, 0, 5, 5]\n", "expected west, south, east, north"),
    ("bounds: [0, 0, 0]\n", "bounds"),
    ("whole: {status: {value: active}}\n", "whole.status.because"),
    ("rules: {river_buffer: {width_m: 30}}\n", "rules.river_buffer.source"),
    ("outline: {accuracy_m: 10}\n", "outline.source"),
    ("rules: {extraction: {exploitation: some}}\n", "rules.extraction.exploitation"),
    ("rules: {extraction: {exploitation: [glod]}}\n", "found the minerals glod"),
    ("rules: {prohibited_kinds: [exploitation]}\n", "exploitation both open and closed"),
    ("extends: tiny\n", "itself among the files"),
    ("extends: absent\n", "absent.yaml"),
    ("columns: [\n", "expected a register file"),
])  # fmt: skip
def test_a_fault_is_refused_by_name(tmp_path, text, named):
    with pytest.raises(RegisterInvalidError) as error:
        load_register(written(tmp_path, text))
    assert named in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_a_name_that_is_no_ready_one_is_answered_with_those_that_are():
    with pytest.raises(RegisterInvalidError, match=r"atlantis\.yaml.*ghana_mincom"):
        find_register("atlantis")


# --- the documentation ------------------------------------------------------------------------------------------------


def test_every_field_is_described_in_the_documentation():
    command = 'python -c "import pipeline.io.cadastres.register_files as r; print(r.fields_markdown())"'
    assert fields_markdown() in DOCS.read_text(encoding="utf-8"), f"paste what this prints: {command}"


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_says_what_each_ready_one_knows(name):
    assert f"`{name}`" in DOCS.read_text(encoding="utf-8")


# --- registers that nobody wrote a file for ---------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "said"), [
    ({"LicNo": "PL/1", "LicType": "Prospecting Licence", "LicStatus": "Granted", "DteGranted": "2020-01-05",
      "DteExpires": "2024-01-04", "Commodities": "Cu, Au"},
     ("exploration", "active", "2020-01-05", "2024-01-04", ("copper", "gold"))),
    ({"num_permis": "PE-1", "type_permi": "Permis d'exploitation industrielle", "statut": "Valide", "substance": "Or",
      "date_octro": "2012-01-01", "date_expir": "2032-01-01"},
     ("exploitation", "active", "2012-01-01", "2032-01-01", ("gold",))),
    ({"sk_iup": "123/IUP", "kegiatan": "Operasi Produksi", "komoditas": "Timah", "tgl_berlaku": "2015-01-01",
      "tgl_akhir": "2030-01-01"},
     ("exploitation", "unknown", "2015-01-01", "2030-01-01", ("tin",))),
    ({"CODIGO_EXPEDIENTE": "ABC-091", "ETAPA": "Explotación", "ESTADO": "Activo", "MINERALES": "ORO",
      "FECHA_DE_INSCRIPCION": "2010-03-12", "FECHA_TERMINACION": "2040-03-11"},
     ("exploitation", "active", "2010-03-12", "2040-03-11", ("gold",))),
], ids=["words run together", "cut off at ten letters", "Indonesian", "Spanish"])  # fmt: skip
def test_names_as_other_registers_write_them_are_read(tmp_path: Path, row: dict[str, str], said: tuple[object, ...]) -> None:
    ring = [[30, -5], [30.1, -5], [30.1, -4.9], [30, -4.9], [30, -5]]
    feature = {"type": "Feature", "properties": row, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    path = tmp_path / "titles.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    ((title,), snapshot) = read_titles(path)
    found = (title.kind, title.status, title.valid_from.isoformat(), title.valid_to.isoformat(), title.minerals)
    assert found == said
    assert snapshot.unknown_codes == ()

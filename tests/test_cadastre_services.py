"""Cadastres behind services, asked over real HTTP on loopback: whole, in order, the same bytes; or a named error."""

import json

import pytest
from servers.cadastre_services import cadastre_service
from servers.faults import Fault

from pipeline.errors import (
    CadastreInvalidError,
    CadastreServiceError,
    ProviderAnswerError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from pipeline.io.cadastres import read_titles
from pipeline.io.cadastres.feature_server import rings_to_geojson
from pipeline.io.cadastres.services import retrieve
from pipeline.io.web import Patience, Web

SQUARES = [(-1.7 + n / 100, 6.0, 0.01) for n in range(12)]
MANNERS = ["arcgis", "wfs-2.0.0", "wfs-1.1.0"]


@pytest.fixture
def service():
    with cadastre_service(SQUARES) as server:
        yield server


def get(server, manner, folder, **options):
    """Retrieve by one of the protocols, without patience."""
    if manner.startswith("wfs"):
        server.version = manner.removeprefix("wfs-")
    web = Web("cadastre service", Patience(attempts=3, timeout_s=2.0, first_wait_s=0.01, longest_wait_s=0.1))
    url = server.layer_url if manner == "arcgis" else f"{server.url}/wfs"
    return retrieve(url, folder, web=web, **{"page": 5, **options})


def refused(server, manner, folder, match, error=CadastreServiceError, **options):
    with pytest.raises(error, match=match):
        get(server, manner, folder, **options)
    assert not folder.exists() or not list(folder.iterdir())


# --- whole --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", MANNERS)
def test_every_page_of_a_layer_is_retrieved_and_read(service, manner, tmp_path):
    path = get(service, manner, tmp_path)
    titles, snapshot = read_titles(path)
    assert path.name == ("Titles_0.geojson" if manner == "arcgis" else "mining_titles.geojson")
    assert [t.title_id for t in titles] == [f"L{n}" for n in range(1, 13)]
    assert {t.holder for t in titles} == {"Núñez"}
    assert titles[11].geometry.bounds == pytest.approx((-1.59, 6.0, -1.58, 6.01))
    assert (snapshot.transformation_m, snapshot.repaired, snapshot.refused) == (0.0, (), ())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("manner", MANNERS)
def test_pages_follow_each_other(service, manner, tmp_path):
    get(service, manner, tmp_path)
    name = "resultoffset" if manner == "arcgis" else "startindex"
    assert [asked[name] for asked in service.asked if name in asked] == ["0", "5", "10"]


@pytest.mark.parametrize("manner", MANNERS)
def test_a_service_that_gives_less_than_is_asked_for_is_followed(service, manner, tmp_path):
    service.most = 4
    assert len(read_titles(get(service, manner, tmp_path))[0]) == 12


@pytest.mark.parametrize("manner", MANNERS)
def test_the_same_answers_give_the_same_bytes(service, manner, tmp_path):
    first = get(service, manner, tmp_path / "a").read_bytes()
    service.most = 3
    assert get(service, manner, tmp_path / "b").read_bytes() == first
    assert json.loads(first)["features"][9]["properties"]["licence_no"] == "L10"


@pytest.mark.parametrize("manner", MANNERS)
def test_the_datum_of_the_service_is_kept_and_shifted_here(manner, tmp_path):
    with cadastre_service([(500_000.0 + 1000 * n, 9_000_000.0, 900.0) for n in range(3)], wkid=24877) as server:
        path = get(server, manner, tmp_path)
    assert json.loads(path.read_text())["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::24877"
    _, snapshot = read_titles(path)
    assert snapshot.transformation.endswith("PSAD56 to WGS 84 (8)")
    assert snapshot.transformation_m == 16.0


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("told", ["is_zipped", "moves"])
def test_packed_answers_and_moved_services_are_followed(service, manner, told, tmp_path):
    setattr(service, told, True)
    assert len(read_titles(get(service, manner, tmp_path))[0]) == 12


def test_a_layer_without_positions_is_asked_for_by_its_ids(service, tmp_path):
    service.has_positions = False
    assert len(read_titles(get(service, "arcgis", tmp_path))[0]) == 12
    assert [asked["objectids"] for asked in service.asked if "objectids" in asked] == ["1,2,3,4,5", "6,7,8,9,10", "11,12"]


def test_an_older_file_is_replaced(service, tmp_path):
    first = get(service, "arcgis", tmp_path)
    service.squares = SQUARES[:3]
    assert get(service, "arcgis", tmp_path) == first
    assert len(read_titles(first)[0]) == 3


def test_parameters_of_the_address_are_kept(service, tmp_path):
    web = Web("cadastre service")
    retrieve(f"{service.layer_url}?token=secret", tmp_path, web=web)
    assert {asked["token"] for asked in service.asked} == {"secret"}


# --- failures that pass -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("fault", [
    Fault("page", "status", status=503), Fault("page", "cut"), Fault("page", "reset"), Fault("count", "status", status=429),
], ids=["503", "cut", "reset", "429"])  # fmt: skip
def test_a_failure_that_passes_is_tried_again(service, manner, fault, tmp_path):
    service.faults = [Fault(fault.place, fault.kind, fault.status)]
    assert len(read_titles(get(service, manner, tmp_path))[0]) == 12


@pytest.mark.parametrize("manner", MANNERS)
def test_a_failure_that_stays_leaves_no_file(service, manner, tmp_path):
    service.faults = [Fault("page", "status", status=503, times=9)]
    refused(service, manner, tmp_path / "new", "status 503 after 3 tries", ProviderUnavailableError)


@pytest.mark.parametrize("manner", MANNERS)
def test_a_failure_leaves_the_older_file_as_it_was(service, manner, tmp_path):
    before = get(service, manner, tmp_path).read_bytes()
    service.lost = {5}
    with pytest.raises(CadastreServiceError):
        get(service, manner, tmp_path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [before]


# --- what a service gets wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", MANNERS)
def test_a_page_that_is_lost_raises(service, manner, tmp_path):
    service.lost = {5}
    refused(service, manner, tmp_path / "new", "found 5 of 12 features, then an empty page")


@pytest.mark.parametrize("manner", MANNERS)
def test_features_that_repeat_over_pages_raise(service, manner, tmp_path):
    service.ignores_position = True
    refused(service, manner, tmp_path / "new", "1 twice, expected each once")


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("counts", [[12, 13], [11, 12], [12, 11]])
def test_a_count_that_changes_meanwhile_raises(service, manner, counts, tmp_path):
    service.counts = list(counts)
    refused(service, manner, tmp_path / "new", f"{counts[0]} counted before and {counts[1]} after")


@pytest.mark.parametrize("manner", MANNERS)
def test_an_empty_layer_raises(service, manner, tmp_path):
    service.squares = []
    refused(service, manner, tmp_path / "new", "found 0 features")


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("place", ["layer", "capabilities", "count", "page"])
def test_a_page_of_html_raises(service, manner, place, tmp_path):
    if place == ("capabilities" if manner == "arcgis" else "layer"):
        pytest.skip("the other protocol's")
    service.faults = [Fault(place, "html")]
    refused(service, manner, tmp_path / "new", "begins '<html>|found html|found a page of HTML", ProviderAnswerError)


@pytest.mark.parametrize("manner", MANNERS)
def test_half_an_answer_that_calls_itself_whole_raises(service, manner, tmp_path):
    service.faults = [Fault("page", "truncated")]
    refused(service, manner, tmp_path / "new", "expected a JSON object", ProviderAnswerError)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("status", [401, 404, 400])
def test_a_status_that_does_not_pass_raises(service, manner, status, tmp_path):
    service.faults = [Fault("page", "status", status=status)]
    expected = ProviderRefusedError if status == 401 else ProviderError
    refused(service, manner, tmp_path / "new", f"status {status}", expected)


@pytest.mark.parametrize(("error", "match"), [
    ({"code": 400, "message": "Unable to complete operation.", "details": ["Invalid query"]}, r"error 400 .*Invalid query"),
    ({"code": 499, "message": "Token Required", "details": []}, r"error 499 \(Token Required\)"),
    ("broken", r"error None \(broken\)"),
])  # fmt: skip
def test_an_error_with_status_200_raises(service, error, match, tmp_path):
    service.error = error
    refused(service, "arcgis", tmp_path / "new", match)


def test_an_error_503_with_status_200_is_tried_again(service, tmp_path):
    service.error = {"code": 503, "message": "busy"}
    refused(
        service, "arcgis", tmp_path / "new", "error 503 in an answer with status 200 after 3 tries", ProviderUnavailableError
    )


def test_a_layer_without_polygons_raises(service, tmp_path):
    service.geometry_type = "esriGeometryPoint"
    refused(service, "arcgis", tmp_path / "new", "found esriGeometryPoint, expected a layer of polygons")


def test_an_exception_report_raises(service, tmp_path):
    service.exception = ("InvalidParameterValue", "Feature type unknown")
    refused(service, "wfs-2.0.0", tmp_path / "new", r"exception InvalidParameterValue \(Feature type unknown\)")


def test_a_service_of_gml_only_raises_and_says_what_to_do(service, tmp_path):
    service.formats = ["text/xml; subtype=gml/3.1.1", "text/javascript", "application/jsonp"]
    refused(service, "wfs-1.1.0", tmp_path / "new", "GML is not read here; download")


def test_one_of_several_layers_has_to_be_named(service, tmp_path):
    service.layers = ["mining:titles", "mining:rivers"]
    refused(service, "wfs-2.0.0", tmp_path / "new", "found the layers mining:rivers, mining:titles, expected one")
    refused(service, "wfs-2.0.0", tmp_path / "new", "expected roads", layer="roads")
    assert get(service, "wfs-2.0.0", tmp_path, layer="mining:titles").name == "mining_titles.geojson"


def test_another_version_raises(service, tmp_path):
    service.version = "1.0.0"
    refused(service, "wfs-1.0.0", tmp_path / "new", r"WFS_Capabilities 1\.0\.0, expected a WFS of version 2\.0\.0 or 1\.1\.0")


@pytest.mark.parametrize("url", ["file:///etc/FeatureServer/0", "ftp://host/wfs", "titles/FeatureServer/0"])
def test_only_http_is_asked(url, tmp_path):
    with pytest.raises(CadastreInvalidError, match=r"expected the http\(s\) address"):
        retrieve(url, tmp_path)


# --- rings ------------------------------------------------------------------------------------------------------------------

OUTER = [[0, 0], [0, 9], [9, 9], [9, 0], [0, 0]]
HOLE = [[1, 1], [8, 1], [8, 8], [1, 8], [1, 1]]
ISLAND = [[2, 2], [2, 7], [7, 7], [7, 2], [2, 2]]
POND = [[3, 3], [4, 3], [4, 4], [3, 4], [3, 3]]


@pytest.mark.parametrize(("rings", "expected"), [
    ([OUTER], {"type": "Polygon", "coordinates": [OUTER]}),
    ([HOLE, OUTER], {"type": "Polygon", "coordinates": [OUTER, HOLE]}),
    ([OUTER, HOLE, ISLAND, POND], {"type": "MultiPolygon", "coordinates": [[OUTER, HOLE], [ISLAND, POND]]}),
    ([HOLE], {"type": "Polygon", "coordinates": [HOLE]}),
    ([], None),
], ids=["outer", "hole-first", "island-in-hole", "turned", "none"])  # fmt: skip
def test_rings_of_esri_become_polygons(rings, expected):
    assert rings_to_geojson(rings) == expected

"""Configurations: every shipped one loads, the example is what the code says, and faults are named."""

import itertools
from datetime import date
from pathlib import Path

import pytest
import yaml

from pipeline.config import RunConfig, example_yaml, load_config
from pipeline.errors import ConfigInvalidError
from pipeline.io.areas import read_area
from pipeline.io.cadastres import find_register

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
TABLES = {"priority.yaml", "sharing.yaml"}
"""Files beside the configurations of runs, which these name."""
SHIPPED = sorted(path for path in CONFIGS.glob("*.yaml") if path.name not in TABLES)
REGIONS = [path for path in SHIPPED if path.stem != "example"]
SMALLEST = "areas: [{aoi: a.geojson, catalog: catalog.json}]\nout: out\n"


def written(folder, text):
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_twelve_regions_and_the_example_are_ready():
    assert len(REGIONS) == 12
    assert CONFIGS / "example.yaml" in SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_configuration_loads_and_its_areas_read(path):
    config = load_config(path)
    assert [read_area(Path(section.aoi)).id for section in config.areas]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_the_register_of_a_shipped_configuration_is_there(path):
    (section,) = load_config(path).areas
    assert find_register(section.titles_register).name == (section.titles_register or "generic")


def test_a_register_is_a_name_or_a_file_beside(tmp_path):
    text = "areas: [{{aoi: a.geojson, catalog: catalog.json, titles_register: {}}}]\nout: out\n"
    (named,) = load_config(written(tmp_path, text.format("drc_cami"))).areas
    (own,) = load_config(written(tmp_path, text.format("ours/atlantis.yaml"))).areas
    assert named.titles_register == "drc_cami"
    assert own.titles_register == str(tmp_path.resolve() / "ours" / "atlantis.yaml")


@pytest.mark.parametrize("path", REGIONS, ids=lambda p: p.stem)
def test_a_region_reads_collection_1_without_credentials(path):
    (section,) = load_config(path).areas
    assert section.catalog == "https://earth-search.aws.element84.com/v1"
    assert section.collection == "sentinel-2-c1-l2a"
    assert section.start is not None
    assert section.start >= date(2023, 1, 1)  # collection 1 has gaps before
    assert "no credentials" in path.read_text(encoding="utf-8")


def test_the_example_is_what_the_code_says():
    assert (CONFIGS / "example.yaml").read_text(encoding="utf-8") == example_yaml()


def test_the_example_states_every_field_with_its_default():
    stated = yaml.safe_load(example_yaml())
    assert set(stated) == set(RunConfig.model_fields)
    smallest = RunConfig.model_validate(yaml.safe_load(SMALLEST))
    example = RunConfig.model_validate(stated)
    assert example.model_copy(update={"areas": smallest.areas, "out": smallest.out}) == smallest


def test_every_field_of_the_example_stands_under_its_description():
    lines = [line.strip() for line in example_yaml().splitlines() if line.strip()]
    pairs = itertools.pairwise(lines)
    assert [this for above, this in pairs if not this.startswith("#") and not above.startswith("#")] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (SMALLEST + "colour: red\n", "colour"),
        (SMALLEST + "sites: {mmu: 0.5}\n", "sites.mmu"),
        (SMALLEST.replace("catalog:", "catalogue:"), "areas.0.catalogue"),
        (SMALLEST + "sites: {mmu_ha: -1}\n", "sites.mmu_ha"),
        (SMALLEST + "cube: {chunk_px: ten}\n", "cube.chunk_px"),
        ("out: out\n", "areas"),
        ("areas: []\nout: out\n", "areas"),
    ],
)
def test_a_fault_is_named_with_its_file_and_where_to_look(tmp_path, text, named):
    path = written(tmp_path, text)
    with pytest.raises(ConfigInvalidError) as error:
        load_config(path)
    assert f"{named}: " in str(error.value)
    assert str(path) in str(error.value)
    assert "configs/example.yaml" in str(error.value)


def test_all_faults_are_named_at_once(tmp_path):
    path = written(tmp_path, SMALLEST + "colour: red\nsites: {mmu: 0.5}\n")
    with pytest.raises(ConfigInvalidError, match=r"(?s)(colour.*sites\.mmu|sites\.mmu.*colour)"):
        load_config(path)


@pytest.mark.parametrize("text", ["- a\n- b\n", "areas: [\n", ""])
def test_what_is_no_configuration_is_refused(tmp_path, text):
    with pytest.raises(ConfigInvalidError, match=r"run\.yaml"):
        load_config(written(tmp_path, text))


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(ConfigInvalidError, match=r"absent\.yaml"):
        load_config(tmp_path / "absent.yaml")


def test_paths_are_relative_to_the_file_and_addresses_stay(tmp_path):
    text = "areas: [{aoi: ../a.geojson, catalog: 'https://example.org/v1', titles: [t.gpkg]}]\nout: out\nmodel: m\n"
    (tmp_path / "configs").mkdir()
    config = load_config(written(tmp_path / "configs", text))
    (section,) = config.areas
    assert Path(section.aoi) == tmp_path.resolve() / "a.geojson"
    assert section.catalog == "https://example.org/v1"
    assert [Path(t) for t in section.titles] == [tmp_path.resolve() / "configs" / "t.gpkg"]
    assert Path(config.out) == tmp_path.resolve() / "configs" / "out"
    assert config.model is not None
    assert Path(config.model) == tmp_path.resolve() / "configs" / "m"


def test_the_detection_digest_changes_with_detection_only():
    plain = RunConfig.model_validate(yaml.safe_load(SMALLEST))
    other_sites = RunConfig.model_validate(yaml.safe_load(SMALLEST + "sites: {mmu_ha: 1.0}\n"))
    other_night = RunConfig.model_validate(yaml.safe_load(SMALLEST + "schedule: {cron: 0 1 * * *}\n"))
    assert plain.detection_digest() == other_night.detection_digest()
    assert plain.detection_digest() != other_sites.detection_digest()


@pytest.mark.parametrize("workers", [1, 16, "dask", "dask:4", "tcp://scheduler:8786", "tls://10.0.0.7:8786"])
def test_one_line_names_the_workers(tmp_path, workers):
    assert load_config(written(tmp_path, f"{SMALLEST}workers: {workers}\n")).workers == workers


@pytest.mark.parametrize("workers", [0, 65, "dask:0", "dusk", "http://scheduler", "tcp://a/b", "''", "null"])
def test_workers_that_are_none_are_named(tmp_path, workers):
    with pytest.raises(ConfigInvalidError, match="workers"):
        load_config(written(tmp_path, f"{SMALLEST}workers: {workers}\n"))


def test_states_lie_in_the_results_or_in_a_place_for_all_areas(tmp_path):
    plain = load_config(written(tmp_path, SMALLEST))
    assert plain.state_address("tiny", tmp_path / "out") == str(tmp_path / "out" / "state")
    beside = load_config(written(tmp_path, f"{SMALLEST}state: states\n"))
    assert beside.state_address("tiny", tmp_path / "out") == str(tmp_path.resolve() / "states" / "tiny")
    bucket = load_config(written(tmp_path, f"{SMALLEST}state: s3://bucket/prefix/\n"))
    assert bucket.state_address("tiny", tmp_path / "out") == "s3://bucket/prefix/tiny"

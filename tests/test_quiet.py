"""A night with nothing new says what a whole night says, and any change of what it rests on makes it a whole one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from servers.stac import stac_api
from test_run import days_of
from worlds import ground, pit_in_forest, write_aoi, write_catalog, write_item

from pipeline.aoi import working_grid
from pipeline.config import load_config
from pipeline.io.areas import read_area
from pipeline.io.database import transaction
from pipeline.io.journal import Entry, EntryKind, begin, entries, note
from pipeline.io.last_nights import forget_last_night
from pipeline.io.providers import SourceSettings, open_source
from pipeline.io.store import open_store
from pipeline.io.verification import verify_store
from pipeline.scenes import Scene
from pipeline.stages import AoiRequest, AoiResult, run_aoi
from pipeline.stages import quiet as quiet_module
from pipeline.stages.last_night import MOST_QUIET_DAYS, holds_until
from pipeline.stages.quiet import QuietNight, quiet_nights
from pipeline.stages.scenes import Search
from pipeline.tenure import Law, LawBook, TenureRules

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Place:
    """A tiny world with the results of its nights."""

    folder: Path
    last: date
    """Night that was run."""

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def store(self) -> str:
        return str(self.out / "store.sqlite")

    def request(self, as_of: date) -> AoiRequest:
        config = load_config(self.folder / "night.yaml")
        return AoiRequest(config.areas[0], config, self.out, self.store, as_of)

    def whole(self, as_of: date) -> AoiResult:
        return run_aoi(self.request(as_of))

    def quiet(self, as_of: date | None = None) -> QuietNight | None:
        day = as_of or self.last + DAY
        return quiet_nights({7: self.request(day)}, day).get(7)


def write_titles(path: Path, valid_to: str) -> None:
    ring = [[-62.9, -9.05], [-62.8, -9.05], [-62.8, -8.95], [-62.9, -8.95], [-62.9, -9.05]]
    title = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
             "properties": {"title_id": "T1", "valid_from": "2020-01-01", "valid_to": valid_to}}  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [title]}), encoding="utf-8")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A world after a night that told of a pit."""
    folder = tmp_path_factory.mktemp("told")
    pit_in_forest(folder / "catalog")
    write_aoi(folder / "aoi.geojson")
    write_titles(folder / "titles.geojson", "2030-01-01")
    section = {
        "aoi": "aoi.geojson",
        "catalog": "catalog/catalog.json",
        "titles": ["titles.geojson"],
        "titles_retrieved_on": "2024-12-01",
    }
    document = {"areas": [section], "out": "out", "delivery": {"has_map": False, "languages": ["en"]}}
    (folder / "night.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    place = Place(folder, days_of(folder)[-1] + DAY)
    place.whole(place.last)
    return place


@pytest.fixture
def place(told: Place, tmp_path: Path) -> Place:
    """A copy of the place, its last night run again: there it wrote the same."""
    shutil.copytree(told.folder, tmp_path / "place")
    copy = replace(told, folder=tmp_path / "place")
    copy.whole(copy.last)
    return copy


def test_a_quiet_night_writes_what_a_whole_one_writes(place: Place, tmp_path: Path) -> None:
    day = place.last + DAY
    shutil.copytree(place.folder, tmp_path / "other")
    other = replace(place, folder=tmp_path / "other")
    report = (place.out / "report.md").read_bytes()
    found = place.quiet()
    assert found is not None
    assert (found.aoi_id, found.as_of, found.told_on, found.alerts) == ("tiny", day, place.last, 1)
    whole = other.whole(day)
    for name in ("alerts.geojson", "disturbances.geojson", f"nights/{day}.geojson"):
        assert (place.out / name).read_bytes() == (other.out / name).read_bytes()
    assert found.findings == whole.findings
    assert (place.out / "report.md").read_bytes() == report
    nights = [[e.payload for e in night_entries(p)] for p in (place, other)]
    assert nights[0] == nights[1]
    verified = verify_store(place.store)
    assert (verified.findings, verified.notes) == ((), ())


def night_entries(place: Place) -> list[Entry]:
    with transaction(open_store(place.store).engine) as connection:
        return list(entries(connection, EntryKind.NIGHT))


def test_quiet_nights_follow_each_other_and_then_a_whole_one_says_what_it_says_without_them(
    place: Place, tmp_path: Path
) -> None:
    shutil.copytree(place.folder, tmp_path / "other")
    other = replace(place, folder=tmp_path / "other")
    for n in (1, 1, 2, 3):
        assert place.quiet(place.last + n * DAY) is not None
    for n in (1, 2, 3):
        other.whole(other.last + n * DAY)
    day = place.last + 4 * DAY
    place.whole(day), other.whole(day)
    for name in ("alerts.geojson", "disturbances.geojson", f"nights/{day}.geojson", "report.md"):
        assert (place.out / name).read_bytes() == (other.out / name).read_bytes()


def test_the_same_night_again_and_nights_before_it_are_whole_ones(place: Place) -> None:
    assert place.quiet(place.last) is None
    assert place.quiet(place.last - DAY) is None


def test_a_report_is_never_older_than_ten_days(place: Place) -> None:
    assert place.quiet(place.last + MOST_QUIET_DAYS * DAY) is not None
    assert place.quiet(place.last + (MOST_QUIET_DAYS + 1) * DAY) is None


def new_scene(place: Place) -> None:
    names = sorted(p.name for p in (place.folder / "catalog").glob("S2A*"))
    name = write_item(place.folder / "catalog", place.last + DAY, ground(np.random.default_rng(2), has_pit=True))
    write_catalog(place.folder / "catalog", [*names, name])


def touch(name: str) -> Callable[[Place], None]:
    return lambda place: (place.folder / name).write_bytes((place.folder / name).read_bytes())


def remove(name: str) -> Callable[[Place], None]:
    return lambda place: (place.folder / name).unlink()


def reprocessed(place: Place) -> None:
    item = min((place.folder / "catalog").glob("*/*.json"))
    item.write_text(item.read_text(encoding="utf-8").replace('"03.01"', '"05.00"'), encoding="utf-8")


def configured(place: Place) -> None:
    config = place.folder / "night.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "review:\n  second_for_confirmed: true\n", encoding="utf-8")


def subscribed(place: Place) -> None:
    (place.folder / "subscriptions.yaml").write_text("subscriptions: []\n", encoding="utf-8")
    config = place.folder / "night.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "subscriptions: subscriptions.yaml\n", encoding="utf-8")


def noted(kind: EntryKind, aoi_id: str) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        with transaction(open_store(place.store).engine) as connection:
            begin(connection)
            note(connection, aoi_id, kind, {})

    return change


def spoken_for(place: Place) -> None:
    open_store(place.store).note_night("tiny", place.last + 3 * DAY)


def begun_again(place: Place) -> None:
    open_store(place.store).start_epoch("tiny")


def no_record(place: Place) -> None:
    forget_last_night(open_store(place.store).engine, "tiny")


CHANGES = {
    "new scene": new_scene,
    "reprocessed scene": reprocessed,
    "catalogue": touch("catalog/catalog.json"),
    "titles": touch("titles.geojson"),
    "area": touch("aoi.geojson"),
    "configuration": configured,
    "subscriptions": subscribed,
    "alerts gone": remove("out/alerts.geojson"),
    "alerts touched": touch("out/alerts.geojson"),
    "report gone": remove("out/report.md"),
    "chain touched": touch("out/evidence/chain.json"),
    "review": noted(EntryKind.REVIEW, "tiny"),
    "community report": noted(EntryKind.REPORT, ""),
    "later night": spoken_for,
    "epoch": begun_again,
    "no record": no_record,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_makes_a_whole_night(place: Place, change: Callable[[Place], None]) -> None:
    change(place)
    assert place.quiet() is None


OTHERS = {"export": noted(EntryKind.EXPORT, "tiny"), "review elsewhere": noted(EntryKind.REVIEW, "elsewhere")}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
def test_what_changes_nothing_here_leaves_a_night_quiet(place: Place, change: Callable[[Place], None]) -> None:
    change(place)
    assert place.quiet() is not None


def test_a_title_that_ends_makes_a_whole_night_on_its_day(place: Place) -> None:
    write_titles(place.folder / "titles.geojson", (place.last + 3 * DAY).isoformat())
    place.whole(place.last)
    assert place.quiet(place.last + 3 * DAY) is not None
    assert place.quiet(place.last + 4 * DAY) is None


def test_a_scene_that_could_not_be_read_is_looked_at_when_its_file_changes(place: Place) -> None:
    new_scene(place)
    day = place.last + DAY
    red = max((place.folder / "catalog").glob("S2A*")) / "red.tif"
    whole = red.read_bytes()
    red.write_bytes(b"no raster")
    assert any("red.tif" in finding for finding in place.whole(day).findings)
    assert place.quiet(day + DAY) is not None
    red.write_bytes(whole)
    assert place.quiet(day + 2 * DAY) is None


def test_a_listed_scene_of_a_later_day_is_not_passed_over(place: Place) -> None:
    new_scene(place)
    name = write_item(place.folder / "catalog", place.last + 3 * DAY, ground(np.random.default_rng(3), has_pit=True))
    write_catalog(place.folder / "catalog", sorted({name, *(p.name for p in (place.folder / "catalog").glob("S2A*"))}))
    place.whole(place.last + DAY)
    assert place.quiet(place.last + 2 * DAY) is not None
    assert place.quiet(place.last + 3 * DAY) is None


def test_a_pass_that_is_missed_ends_quiet_nights(told: Place) -> None:
    days = [date(2024, 1, 1) + 10 * n * DAY for n in range(8)]
    area = read_area(told.folder / "aoi.geojson")
    source = open_source(SourceSettings(str(told.folder / "catalog" / "catalog.json")))
    first = next(s for s in source.scenes(area, None, date.max) if isinstance(s, Scene))
    noon = [replace(first, sensed_at=datetime(d.year, d.month, d.day, 14, tzinfo=UTC)) for d in days]
    found = Search(area, working_grid(area), source, told.folder, tuple(noon), (), (), is_kept=False)
    book = LawBook({date.min: Law()}, TenureRules())
    assert holds_until(found, book, days[-1] + 5 * DAY) == days[-1] + 11 * DAY  # missed from the twelfth: published within two
    assert holds_until(found, book, days[-1]) == days[-1] + 10 * DAY


def test_an_api_is_searched_and_only_the_same_answer_is_nothing_new(place: Place) -> None:
    with stac_api(place.folder / "catalog") as api:
        config = place.folder / "night.yaml"
        config.write_text(config.read_text(encoding="utf-8").replace("catalog/catalog.json", api.url), encoding="utf-8")
        place.whole(place.last)
        asked = len(api.searches)
        assert place.quiet(place.last + DAY) is not None
        assert len(api.searches) > asked
        new_scene(place)
        assert place.quiet(place.last + 2 * DAY) is None


@pytest.mark.parametrize("step", ["note_nothing_new", "anchor"])
def test_a_quiet_night_that_was_killed_ends_as_a_whole_one(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    shutil.copytree(place.folder, tmp_path / "other")
    other = replace(place, folder=tmp_path / "other")
    day = place.last + DAY

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(quiet_module, step, dies)
        with pytest.raises(KeyboardInterrupt):
            place.quiet(day)
    if place.quiet(day) is None:
        place.whole(day)
    other.whole(day)
    for name in ("alerts.geojson", "disturbances.geojson", f"nights/{day}.geojson"):
        assert (place.out / name).read_bytes() == (other.out / name).read_bytes()
    assert [e.payload for e in night_entries(place)] == [e.payload for e in night_entries(other)]

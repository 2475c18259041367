"""Where no change could be seen: the ledger and the report say so."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.delivery.report import MOST_CHUNKS, unwatched_lines
from pipeline.errors import StoreMismatchError
from pipeline.fitting import fill_gaps
from pipeline.io.states import StateFolder
from pipeline.io.storage import storage_at
from pipeline.ledger import LedgerRow, Outcome
from pipeline.reference import FLOOR_PERIODS, FLOOR_UNKNOWN, Reference
from pipeline.scenes import BANDS
from pipeline.stages.watching import SeasonRules, seasons_of, unwatched_words, watched_ground

SHAPE = (10, 10)
CHUNK = SimpleNamespace(id="r0c0", inside=np.ones(SHAPE, bool))
JUNE = date(2024, 6, 15)
ROW = LedgerRow("a", "r0c0", "s1", JUNE, "2024-06-15T14:00:00Z", "05.09", Outcome.MONITORED, 90.0, 10.0, 0.0, "")


def reference(floor: int = 160, looks: int = 20) -> Reference:
    """Ground whose NDVI does not fall below `floor` / 200 at any time, but for two bare rows."""
    floors = np.full((FLOOR_PERIODS, *SHAPE), floor, np.uint8)
    floors[:, :2] = 40
    none = np.zeros((3, len(BANDS), *SHAPE))
    return Reference(
        none.astype(np.int16), np.zeros(SHAPE, np.uint16), np.full(SHAPE, looks, np.uint8),
        np.ones(SHAPE, bool), floors, np.zeros((3, *SHAPE), np.uint8),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("past", "share"),
    [
        (reference(), "20 %"),
        (reference(floor=100), "100 %"),
        (reference(floor=FLOOR_UNKNOWN), "100 %"),
        (reference(looks=0), "100 %"),
    ],
)
def test_bare_leafless_and_unknown_ground_is_not_watched(past: Reference, share: str) -> None:
    words = unwatched_words(watched_ground(past.on(JUNE), CHUNK.inside), CHUNK)
    assert words == f"{share} of chunk r0c0 is not watched: bare, leafless or unknown in the reference at that time of year"


def test_green_ground_is_watched_whole_and_nothing_is_said() -> None:
    past = reference()
    past.floor[:] = 160
    assert watched_ground(past.on(JUNE), CHUNK.inside).all()
    assert unwatched_words(watched_ground(past.on(JUNE), CHUNK.inside), CHUNK) == ""


def test_the_report_tells_of_the_last_look_at_each_chunk() -> None:
    old = replace(ROW, solar_day=date(2024, 1, 1), reason="90 % of it")
    assert unwatched_lines([old, replace(ROW, reason="20 % of it")]) == ["- 20 % of it (2024-06-15)."]
    assert unwatched_lines([old, ROW]) == []
    many = [replace(ROW, chunk_id=f"r0c{n:02d}", reason="all") for n in range(MOST_CHUNKS + 3)]
    assert len(unwatched_lines(many)) == MOST_CHUNKS + 1
    assert "3 more chunks" in unwatched_lines(many)[-1]


def test_a_landscape_with_seasons_is_watched_where_its_own_season_is_known() -> None:
    past = reference()
    past.is_seasonal[5:] = False
    assert watched_ground(past.on(JUNE), CHUNK.inside, SeasonRules(has_seasons=False))[2:5].all()
    assert not watched_ground(past.on(JUNE), CHUNK.inside, SeasonRules(has_seasons=True))[5:].any()


def test_dry_season_ground_is_watched_in_dry_landscapes_alone() -> None:
    past = reference(floor=84)  # NDVI 0.42: leafless trees, dry grass
    assert not watched_ground(past.on(JUNE), CHUNK.inside).any()
    assert watched_ground(past.on(JUNE), CHUNK.inside, seasons_of("dry_forest"))[2:].all()
    assert seasons_of("humid_forest") == seasons_of(None) == SeasonRules(has_seasons=False, least_ndvi=0.55, leaf_fall=0.2)
    assert seasons_of("temperate_forest") == SeasonRules(has_seasons=True, least_ndvi=0.55, leaf_fall=0.2)


def test_ground_that_loses_its_leaves_is_watched_while_it_is_green() -> None:
    past = reference(floor=170)  # NDVI 0.85 all year, but
    past.floor[:6, 5:] = 120  # 0.60 until the end of March
    march, june = (watched_ground(past.on(day), CHUNK.inside) for day in (date(2024, 3, 15), JUNE))
    assert (march[2:5].all(), march[5:].any()) == (True, False)
    assert june[2:].all()


@pytest.mark.parametrize(
    ("hidden", "filled"), [(1, 120), (4, 120), (5, FLOOR_UNKNOWN)], ids=["half a month", "two months", "more"]
)
def test_up_to_two_hidden_months_take_the_lower_of_their_neighbours(hidden: int, filled: int) -> None:
    floors = np.full(FLOOR_PERIODS, 120, np.uint8)
    floors[:3] = 140
    floors[3 : 3 + hidden] = FLOOR_UNKNOWN
    floors[12:] = 100
    fill_gaps(floors)
    assert floors[3] == filled
    assert (floors[:3] == 140).all()


def test_a_reference_of_another_layout_is_refused_by_name(tmp_path: Path) -> None:
    files = StateFolder(storage_at(tmp_path))
    held = reference()
    assert (files.read_reference(files.write_reference("now", held)).whole().floor == held.floor).all()
    by_month = files.write_reference("older", replace(held, floor=held.floor[::2]))
    with pytest.raises(StoreMismatchError, match=r"older-\w+\.arrays: found 19 arrays; expected 31, floors of 24 periods"):
        files.read_reference(by_month)

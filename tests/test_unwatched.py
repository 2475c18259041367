"""Where no change could be seen: the ledger and the report say so."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.delivery.report import MOST_CHUNKS, unwatched_lines
from pipeline.ledger import LedgerRow, Outcome
from pipeline.reference import FLOOR_UNKNOWN, Reference, _without_gaps
from pipeline.scenes import BANDS
from pipeline.stages.chunks import seasons_of, unwatched_words, watched_ground

SHAPE = (10, 10)
CHUNK = SimpleNamespace(id="r0c0", inside=np.ones(SHAPE, bool))
JUNE = date(2024, 6, 15)
ROW = LedgerRow("a", "r0c0", "s1", JUNE, "2024-06-15T14:00:00Z", "05.09", Outcome.MONITORED, 90.0, 10.0, 0.0, "")


def reference(floor: int = 160, looks: int = 20) -> Reference:
    """Ground whose NDVI does not fall below `floor` / 200 in any month, but for two bare rows."""
    months = np.full((12, *SHAPE), floor, np.uint8)
    months[:, :2] = 40
    none = np.zeros((len(BANDS), *SHAPE))
    return Reference(
        np.zeros((3, len(BANDS), *SHAPE), np.int16), none.astype(np.uint16), np.full(SHAPE, looks, np.uint8),
        np.ones(SHAPE, bool), months, np.zeros((3, *SHAPE), np.uint8),
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
    words = unwatched_words(watched_ground(past, CHUNK, JUNE), CHUNK)
    assert words == f"{share} of chunk r0c0 is not watched: bare, leafless or unknown in the reference for that month"


def test_green_ground_is_watched_whole_and_nothing_is_said() -> None:
    past = reference()
    past.floor[:] = 160
    assert watched_ground(past, CHUNK, JUNE).all()
    assert unwatched_words(watched_ground(past, CHUNK, JUNE), CHUNK) == ""


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
    assert watched_ground(past, CHUNK, JUNE, has_seasons=False)[2:5].all()
    assert not watched_ground(past, CHUNK, JUNE, has_seasons=True)[5:].any()


def test_dry_season_ground_is_watched_in_dry_landscapes_alone() -> None:
    past = reference(floor=84)  # NDVI 0.42: leafless trees, dry grass
    assert not watched_ground(past, CHUNK, JUNE).any()
    seasons, least = seasons_of("dry_forest")
    assert watched_ground(past, CHUNK, JUNE, has_seasons=seasons, least_ndvi=least)[2:].all()
    assert seasons_of("humid_forest") == seasons_of(None) == (False, 0.55)
    assert seasons_of("temperate_forest") == (True, 0.55)


@pytest.mark.parametrize(
    ("months", "filled"),
    [
        ([150, 140, FLOOR_UNKNOWN, 120] + [100] * 8, 120),
        ([150, 140, FLOOR_UNKNOWN, FLOOR_UNKNOWN] + [100] * 8, 100),
        ([150, 140, FLOOR_UNKNOWN, FLOOR_UNKNOWN, FLOOR_UNKNOWN] + [100] * 7, FLOOR_UNKNOWN),
    ],
)
def test_one_or_two_hidden_months_take_the_lower_of_their_neighbours(months: list[int], filled: int) -> None:
    floor = _without_gaps(np.array(months, np.uint8)[:, None])
    assert floor[2, 0] == filled
    assert (floor[:2, 0] == months[:2]).all()

"""The model of a basin's nights: small examples by hand."""

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import basin
from tile import SECOND, Tile

from pipeline.io.process_windows import rects_of, size_of

ROUND = basin.Measured(
    core_s_per_mpx=2.0,
    file_bytes_per_px=10.0,
    state_bytes_per_px=3.0,
    reference_bytes_per_px=7.0,
    coordinating_s_per_chunk=0.5,
    queries_per_chunk=20.0,
    commits_per_chunk=4.0,
    backfill_core_s_per_mpx_date=1.0,
    words=("as made up",),
)
"""Figures that are easy to reckon with."""
CHUNK_KM2 = 10.24**2


def test_a_place_at_the_equator_is_seen_every_five_days_or_a_little_sooner():
    # 2 satellites x 143 orbits x 290 km are 82,940 km of swath in 10 days, over a parallel of 40,075 km: 2.07 times
    assert basin.looks_a_day(0.0) == pytest.approx(82_940 / 40_075 / 10)
    assert 4.5 < 1 / basin.looks_a_day(0.0) < 5.0
    assert basin.looks_a_day(60.0) == pytest.approx(2 * basin.looks_a_day(0.0))


def test_files_hold_a_fifth_more_pixels_than_ground():
    assert basin.overlap_of_files() == pytest.approx(1.098**2)


def test_requests_of_a_scene_are_its_openings_and_its_blocks():
    # whole tile in one chunk: 7 files opened; 11 x 11 blocks of four files at 10 m, 6 x 6 of three at 20 m
    assert basin.requests_a_scene(10_980) == 7 + 4 * 121 + 3 * 36
    assert basin.requests_a_scene(5_490) == 4 * 7 + 4 * 121 + 3 * 36


def test_units_are_pixels_over_512_squared_times_bands_over_three():
    # four bands at 10 m over 1,024 px, and four at 20 m over 512 px
    assert basin.units_a_chunk(1024) == pytest.approx(4 * 4 / 3 + 1 * 4 / 3)


def test_requests_and_units_are_about_those_of_the_windows_of_a_tile():
    tile = Tile(Path(), 10_980, 1024, None, native=False)
    scene, chunks = tile.acquisition(SECOND).scenes[0], len(tile.grid.chunks)
    windows = [(kind, rect) for kind in basin.KINDS for rect in rects_of(scene, tile.grid, kind.pixel_m)]
    assert len(windows) == chunks * len(basin.KINDS)
    units = sum(basin.processing_units(*size_of(rect, kind.pixel_m), len(kind.names)) for kind, rect in windows)
    assert units == pytest.approx(10_980**2 / 1024**2 * basin.units_a_chunk(), rel=0.01)  # the margin is the difference


def test_the_need_of_a_small_basin_by_hand(monkeypatch):
    monkeypatch.setattr(basin, "looks_a_day", lambda latitude: 0.25 + 0 * latitude)
    # 400 chunks of ground, a quarter of which is seen in a night
    ground = basin.Basin("pond", 400 * CHUNK_KM2, 0.0, "")
    got, overlap, mpx = basin.need(ground, ROUND), 1.098**2, 100 * 1024**2 / 1e6
    assert got.chunks == pytest.approx(100)
    assert got.look_px == pytest.approx(mpx * 1e6)
    assert got.scenes == pytest.approx(mpx * overlap / 120.5604)
    assert got.core_hours == pytest.approx(mpx * overlap * 2 / 3600)
    assert got.coordinating_hours == pytest.approx(50 / 3600)
    assert got.bytes == pytest.approx(mpx * 1e6 * overlap * 10)
    assert (got.process_requests, got.units) == pytest.approx((200, 100 * 20 / 3))
    assert (got.queries, got.commits) == pytest.approx((2000, 400))
    assert got.rows == pytest.approx(100 * (overlap + 3))
    assert (got.state_bytes, got.reference_bytes) == pytest.approx((4 * mpx * 3e6, 4 * mpx * 7e6))
    assert got.backfill_core_hours == pytest.approx(4 * mpx * 0.25 * 730 / 3600)
    assert got.backfill_bytes == pytest.approx(730 * got.bytes)


def test_a_limit_counts_over_its_own_period():
    need = basin.need(basin.Basin("pond", CHUNK_KM2, 0.0, ""), ROUND)
    monthly = basin.Limit("a month", "units", need.units * 15, 30, "")
    assert basin.taken(monthly, need) == pytest.approx(2.0)
    assert basin.largest_km2(monthly, need) == pytest.approx(CHUNK_KM2 / 2)


def held():
    """What `latest.json` holds of a machine."""
    about = {"machine": "x86_64, 2 cores", "on": "2026-01-01"}
    sizes = {
        "side_px": 1000, "night_s": [3.0, 1.0, 2.0], "file_bytes_per_px": 10.0, "state_bytes_per_px": 3.0,
        "reference_bytes_per_px": 7.0,
    }  # fmt: skip
    tiles = {
        "tiles": 2, "work_s_per_chunk": 0.4, "database": "SQLite",
        "per_chunk": {"queries": 20.0, "commits": 4.0, "connections": 0.1},
    }  # fmt: skip
    return {
        "nightly_over_decode_1pct": {"value": 1.5, "sizes": sizes, **about},
        "night_200_tiles_s_per_chunk": {"value": 0.7, "sizes": tiles, **about},
        "backfill_s_per_mpx_date": {"value": 1.0, "sizes": {"threads": 1, "side_px": 512, "dates": 60}, **about},
    }


def test_figures_are_taken_out_of_what_the_benchmarks_left():
    got = basin.measured(held())
    assert got.core_s_per_mpx == pytest.approx(4.0)  # a median of 2 s on two cores, for a million pixels
    assert got.coordinating_s_per_chunk == pytest.approx(0.5)  # 0.7 s less 0.4 s of work on two threads
    assert math.isclose(got.backfill_core_s_per_mpx_date, 1.0)


@pytest.mark.parametrize(
    ("key", "script"),
    [
        ("nightly_over_decode_1pct", "nightly.py"),
        ("night_200_tiles_s_per_chunk", "night_of_200_tiles.py"),
        ("backfill_s_per_mpx_date", "growth.py"),
    ],
)
def test_what_is_absent_names_its_benchmark(key, script):
    without = {name: record for name, record in held().items() if name != key}
    with pytest.raises(SystemExit, match=f"benchmarks/{script}"):
        basin.measured(without)


def test_a_record_of_before_a_size_was_kept_does_not_count():
    old = held()
    del old["nightly_over_decode_1pct"]["sizes"]["file_bytes_per_px"]
    with pytest.raises(SystemExit, match="file_bytes_per_px"):
        basin.measured(old)


def test_the_tables_of_a_page_are_rewritten_and_nothing_else():
    page = "before\n<!-- basin -->\nold\n<!-- /basin -->\nafter\n"
    lines = basin.report(ROUND)
    once = basin.rewritten(page, lines)
    assert once.startswith("before\n<!-- basin -->\n\n")
    assert once.endswith("\n<!-- /basin -->\nafter\n")
    assert "old" not in once
    assert basin.rewritten(once, lines) == once
    with pytest.raises(SystemExit, match="markers"):
        basin.rewritten("no markers", lines)

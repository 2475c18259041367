"""Coverage: what the ledger says of each chunk and day, in counts, tables and a calendar."""

import csv
import io
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapely.geometry import box
from test_bad_input import Done, overburden  # noqa: F401  (a fixture)
from worlds import EPSG, LEFT, TOP, write_aoi

from pipeline import geo
from pipeline.coverage import (
    Coverage,
    area_cells,
    cells,
    longest_gap,
    months,
    touched_chunks,
    unseen_days,
    window_counts,
)
from pipeline.delivery.coverage_calendar import COLOURS, SIDE, WORDS, CalendarInputs, calendar_png
from pipeline.io.store import ChunkState, open_store
from pipeline.ledger import LedgerRow, Outcome

MAY = [date(2024, 5, d) for d in range(1, 32)]


def look(day: date, clear: float, missing: float = 0.0, chunk: str = "32720_0_0") -> LedgerRow:
    shares = (clear, 100.0 - clear - missing, missing)
    outcome = Outcome.EMPTY if missing == 100.0 else Outcome.MONITORED
    return LedgerRow("tiny", chunk, f"S2A_{day:%Y%m%d}", day, "", "05.09", outcome, *shares, "")


def item(day: date, outcome: Outcome, reason: str = "why", chunk: str = "") -> LedgerRow:
    return LedgerRow("tiny", chunk, f"{outcome.value}_{day:%Y%m%d}", day, "", "", outcome, None, None, None, reason)


ONE_OF_EACH = [
    look(MAY[0], 90.0), look(MAY[5], 20.0), look(MAY[10], 0.0), look(MAY[15], 0.0, missing=100.0),
    item(MAY[20], Outcome.FAILED, "SceneUnreadableError: x", "32720_0_0"), item(MAY[25], Outcome.NOT_LISTED),
    item(MAY[30], Outcome.SUPERSEDED),
]  # fmt: skip


def test_every_kind_of_day_is_reached_and_told_apart() -> None:
    kinds = [c.kind for c in cells(ONE_OF_EACH)]
    assert kinds == [k for k in Coverage if k is not Coverage.NO_ACQUISITION]
    assert set(COLOURS) == set(WORDS) == set(Coverage)
    assert len(set(COLOURS.values())) == len(Coverage)


@pytest.mark.parametrize(("clear", "missing", "kind"), [
    (50.0, 0.0, Coverage.CLEAR), (49.9, 0.0, Coverage.PARTLY_CLEAR), (5.0, 0.0, Coverage.PARTLY_CLEAR),
    (4.9, 0.0, Coverage.CLOUDY), (0.0, 50.0, Coverage.CLOUDY), (0.0, 60.0, Coverage.NOT_IMAGED),
    (3.0, 96.0, Coverage.NOT_IMAGED), (60.0, 40.0, Coverage.CLEAR),
])  # fmt: skip
def test_shares_make_a_kind(clear: float, missing: float, kind: Coverage) -> None:
    assert cells([look(MAY[0], clear, missing)])[0].kind is kind


def test_a_scene_that_failed_beside_one_that_was_seen_is_still_told() -> None:
    (cell,) = cells([look(MAY[0], 90.0), item(MAY[0], Outcome.FAILED, "RadiometryUnknownError: y")])
    assert cell.kind is Coverage.CLEAR
    assert cell.failed == ("failed_20240501: RadiometryUnknownError: y",)


def test_a_missing_pass_explains_a_chunk_without_picture() -> None:
    (cell,) = cells([look(MAY[0], 0.0, missing=100.0), item(MAY[0], Outcome.NOT_LISTED)])
    assert cell.kind is Coverage.NOT_LISTED


def test_window_counts_leave_both_ends_out_and_add_up() -> None:
    counts = window_counts(ONE_OF_EACH, MAY[0], MAY[30])
    assert (counts.clear, counts.partly_clear, counts.cloudy, counts.not_imaged, counts.failed, counts.not_listed) == (
        0, 1, 1, 1, 1, 1,
    )  # fmt: skip
    assert counts.passes == 5
    assert window_counts(ONE_OF_EACH, None, None).passes == len(ONE_OF_EACH)
    assert window_counts([], MAY[0], MAY[30]).words == (
        "0 passes: 0 clear, 0 partly clear, 0 cloudy, 0 not imaged, 0 failed, 0 not listed"
    )


def test_window_counts_take_the_mean_over_the_chunks_that_count() -> None:
    rows = [look(MAY[5], 100.0, chunk="32720_0_0"), look(MAY[5], 0.0, chunk="32720_1_0"), look(MAY[5], 0.0, chunk="32720_2_0")]
    assert window_counts(rows, None, None).partly_clear == 1
    assert window_counts(rows, None, None, ["32720_0_0"]).clear == 1
    assert window_counts(rows, None, None, ["32720_1_0", "32720_2_0"]).cloudy == 1


def test_a_site_touches_the_chunks_of_the_lattice_that_it_lies_in() -> None:
    site = geo.reproject(box(LEFT + 600, TOP - 700, LEFT + 700, TOP - 600), f"EPSG:{EPSG}", geo.WGS84)
    column, row = round(LEFT / 10) // 66, round(-TOP / 10) // 66
    ids = [f"{EPSG}_{column + x}_{row + y}" for y in range(3) for x in range(3)]
    assert touched_chunks(site, [*ids, ""], 66) == [f"{EPSG}_{column + x}_{row + y}" for x, y in ((1, 1),)]


def test_gaps_and_unseen_days_are_inclusive_of_their_ends() -> None:
    found = cells([look(MAY[2], 90.0), look(MAY[9], 10.0), look(MAY[19], 80.0)])
    assert longest_gap(found, MAY[0], MAY[30]) == (MAY[3], MAY[18])
    assert unseen_days(area_cells(found), MAY[0], MAY[30]) == [
        (MAY[0], MAY[1]), (MAY[3], MAY[8]), (MAY[10], MAY[18]), (MAY[20], MAY[30]),
    ]  # fmt: skip
    assert longest_gap(found, MAY[2], MAY[2]) is None


def test_months_without_a_pass_are_told_too() -> None:
    found = months(area_cells(cells([look(MAY[2], 90.0), look(MAY[9], 10.0)])), date(2024, 4, 20), date(2024, 6, 10))
    assert [(m.name, m.days, m.counts.passes, m.mean_clear_pct) for m in found] == [
        ("2024-04", 11, 0, None), ("2024-05", 31, 2, 50.0), ("2024-06", 10, 0, None),
    ]  # fmt: skip


# --- the picture -----------------------------------------------------------------------------------------------------


def drawn(rows: list[LedgerRow], first: date, last: date) -> np.ndarray:
    png = calendar_png(CalendarInputs("Observation ledger of tiny", first, last, cells(rows, first, last)))
    assert png == calendar_png(CalendarInputs("Observation ledger of tiny", first, last, cells(rows, first, last)))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_the_calendar_shows_each_kind_in_its_colour() -> None:
    image = drawn(ONE_OF_EACH, MAY[0], MAY[30])
    for kind, colour in COLOURS.items():
        inside = (image == np.array(colour)).all(axis=-1).sum()
        assert inside > SIDE * SIDE, kind  # once in the calendar, once in the legend


@pytest.mark.parametrize(("chunks", "days"), [(1, 10), (60, 10), (1, 2192), (60, 2192), (2, 62), (2, 63)])
def test_nothing_runs_out_of_the_picture(chunks: int, days: int) -> None:
    first = date(2019, 12, 27)
    passes = [first + timedelta(days=n) for n in range(0, days, 5)]
    rows = [look(day, 90.0 * (k % 3) / 2, chunk=f"32720_{c}_-879") for k, day in enumerate(passes) for c in range(chunks)]
    image = drawn(rows, first, first + timedelta(days=days - 1))
    assert (image[[0, -1]] == 255).all()
    assert (image[:, [0, 1, -2, -1]] == 255).all()
    assert image.shape[1] < 2000
    assert image.shape[0] < 3500


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Path:
    held = open_store(tmp_path / "store.sqlite")
    area = held.area_state("tiny", "digest", "model/1")
    of_chunk = [r for r in ONE_OF_EACH if r.chunk_id]
    held.swap_chunk("tiny", "32720_0_0", ChunkState(MAY[30], "f", None, None), of_chunk, {}, area=area)
    held.put_ledger([r for r in ONE_OF_EACH if not r.chunk_id], area)
    return tmp_path / "store.sqlite"


def test_coverage_is_printed_and_written(overburden, store: Path, tmp_path: Path) -> None:  # noqa: F811
    period = ("--from", "2024-05-01", "--to", "2024-05-31", "--store", store)
    done: Done = overburden("coverage", "tiny", *period, "--csv", tmp_path / "c.csv", "--picture", tmp_path / "c.png")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0] == "tiny, 2024-05-01 to 2024-05-31: 1 chunks"
    assert lines[3].split() == ["2024-05", "31", "7", "1", "1", "1", "1", "1", "1", "28"]
    assert lines[6].split() == ["32720_0_0", "30", "2024-05-02", "to", "2024-05-31"]
    assert lines[8] == (
        "Nothing of the area was seen clear on 29 of 31 days: 2024-05-02 to 2024-05-05, 2024-05-07 to 2024-05-31"
    )
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["kind"] for r in rows] == [
        "clear", "partly_clear", "cloudy", "not_imaged", "failed", "not_listed", "superseded",
    ]  # fmt: skip
    assert rows[4]["failed"] == "failed_20240521: SceneUnreadableError: x"
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_an_area_is_named_by_its_file_too(overburden, store: Path, tmp_path: Path) -> None:  # noqa: F811
    aoi = write_aoi(tmp_path / "aoi.geojson")
    done: Done = overburden("coverage", aoi, "--from", "2024-05-01", "--to", "2024-05-31", "--store", store)
    assert done.stdout.startswith("tiny, 2024-05-01 to 2024-05-31")


def test_a_period_without_any_acquisition_says_so(overburden, store: Path) -> None:  # noqa: F811
    done: Done = overburden("coverage", "tiny", "--from", "2023-05-01", "--to", "2023-05-10", "--store", store)
    assert "Nothing of the area was seen clear on 10 of 10 days: 2023-05-01 to 2023-05-10" in done.stdout


@pytest.mark.parametrize(("arguments", "said"), [
    (("nowhere", "--from", "2024-05-01", "--to", "2024-05-31"), "AlertUnknownError: area 'nowhere': found tiny"),
    (("absent.geojson", "--from", "2024-05-01", "--to", "2024-05-31"), "absent.geojson"),
    (("tiny", "--from", "2024-05-31", "--to", "2024-05-01"), "--to: found 2024-05-01"),
])  # fmt: skip
def test_bad_usage_is_named(overburden, store: Path, arguments: tuple, said: str) -> None:  # noqa: F811
    done: Done = overburden("coverage", *arguments, "--store", store)
    assert done.returncode == 2
    assert said in done.stderr

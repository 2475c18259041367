"""What the nights of a whole basin take, worked out from measured figures and stated facts.

    python benchmarks/basin.py [--write docs/scale.md]

Reads `results/latest.json`, so that a machine's own figures count; where one is absent, the benchmark that gives it is named.
`--write` puts the tables between the markers of a page. The model, its assumptions and how it was checked: `docs/scale.md`.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from figures import LATEST

from pipeline.io.process_windows import KINDS, processing_units

PIXEL_M = 10
YEARS = 2
"""Of history before the first night."""
CHUNK_PX = 1024
"""The default of `cube.chunk_px`."""
WORKERS = 2
"""Threads of the measured nights, one a core."""
BEGIN, END = "<!-- basin -->", "<!-- /basin -->"

# --- facts from outside, each with its source ------------------------------------------------------------------------

SWATH_KM, ORBITS, CYCLE_DAYS, SATELLITES = 290, 143, 10, 2
"""The swath is 290 km wide and two satellites come every 5 days to the equator
(sentinel.esa.int/web/sentinel/missions/sentinel-2/overview); each flies 143 relative orbits in 10 days
(forum.step.esa.int/t/sentinel-2-swath-identifiers/10553)."""
EQUATOR_KM = 40_075
"""Of WGS 84."""
TILE_PX, TILE_STEP_KM = 10_980, 100
"""Tiles are 109.8 km a side (hls.gsfc.nasa.gov/products-description/tiling-system) on a step of 100 km
(sentinel.esa.int/en/web/sentinel/user-guides/sentinel-2-msi/product-types)."""
FILES_10M, FILES_20M = 4, 3
"""blue, green, red, near infrared; two of short-wave infrared, and the scene classes."""
BLOCK_PX = 1024
"""Blocks of the files of Earth Search, a side."""


@dataclass(frozen=True)
class Basin:
    """Ground to be watched."""

    name: str
    km2: float
    latitude: float
    """Mean distance from the equator in degrees, assumed; it moves the looks by less than 2 %."""
    source: str


BASINS = (
    Basin("Amazon", 6.7e6, 5.0, "the basin, 2.6 million square miles: worldwildlife.org/places/amazon"),
    Basin("Congo", 3.4e6, 4.0, "the river's basin, 3.4 million km2: britannica.com/place/Congo-Basin"),
    Basin("tropics", 10.71e6, 8.0, "moist forest left in 2019, 1,071 million ha: doi.org/10.1126/sciadv.abe1603"),
)


@dataclass(frozen=True)
class Limit:
    """What one provider, machine or process gives in a time."""

    name: str
    what: str
    """What it bounds: a field of `Need`."""
    cap: float
    days: float
    """In how many days."""
    source: str


NIGHT_H = 8
"""Hours that a night may take, assumed."""
CDSE = "[quotas](https://documentation.dataspace.copernicus.eu/Quotas.html), general users"
S3 = "[guide](https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html), each prefix"
OWN = "assumed"
MINUTES, SECONDS = 1440.0, 86_400.0
LIMITS = (
    Limit("Copernicus Sentinel Hub, units a month", "units", 10_000, 30, CDSE),
    Limit("Copernicus Sentinel Hub, requests a month", "process_requests", 10_000, 30, CDSE),
    Limit("Copernicus Sentinel Hub, units a minute", "units", 300 * MINUTES, 1, CDSE),
    Limit("Copernicus files, 12 TB in 30 days", "bytes", 12e12, 30, CDSE),
    Limit("Copernicus files, 4 connections of 20 MB/s", "bytes", 4 * 20e6 * SECONDS, 1, CDSE),
    Limit("Copernicus files, 2,000 requests a minute", "file_requests", 2_000 * MINUTES, 1, CDSE),
    Limit("Object storage of Earth Search, 5,500 GET a second", "file_requests", 5_500 * SECONDS, 1, S3),
    Limit(f"Two cores, {NIGHT_H} hours a night", "core_hours", 2 * NIGHT_H, 1, OWN),
    Limit(f"The one process of a flow, {NIGHT_H} hours a night", "coordinating_hours", NIGHT_H, 1, OWN),
)


# --- what was measured -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Figures of one machine."""

    core_s_per_mpx: float
    file_bytes_per_px: float
    state_bytes_per_px: float
    reference_bytes_per_px: float
    coordinating_s_per_chunk: float
    """Wall time of a chunk in the flow beyond the work on its pixels: scheduling, database, areas opened, sites, files."""
    queries_per_chunk: float
    commits_per_chunk: float
    backfill_core_s_per_mpx_date: float
    words: tuple[str, ...]


NIGHTS = tuple(f"nightly_over_decode_1pct{kind}" for kind in ("_native", "", "_native_5490", "_5490"))
"""The first that is there counts: a whole tile before a quarter, files as ESA has them before all at 10 m."""


def record(held: Mapping[str, Any], keys: Sequence[str], script: str, *sizes: str) -> tuple[str, Mapping[str, Any]]:
    """The first key that is held with the sizes that are needed, and its record."""
    for key in keys:
        if key in held and all(name in held[key]["sizes"] for name in sizes):
            return key, held[key]
    raise SystemExit(f"{LATEST}: found no {keys[-1]} with {', '.join(sizes) or 'a value'}; run: python benchmarks/{script}")


def measured(held: Mapping[str, Any]) -> Measured:
    """The figures that the model needs, out of `latest.json`."""
    key, night = record(
        held, NIGHTS, "nightly.py", "night_s", "side_px", "file_bytes_per_px", "state_bytes_per_px", "reference_bytes_per_px"
    )
    _, tiles = record(held, ["night_200_tiles_s_per_chunk"], "night_of_200_tiles.py", "work_s_per_chunk", "per_chunk")
    _, fill = record(held, ["backfill_s_per_mpx_date"], "growth.py", "threads", "side_px", "dates")
    of, each = night["sizes"], tiles["sizes"]["per_chunk"]
    night_s = statistics.median(of["night_s"])
    extra = max(tiles["value"] - tiles["sizes"]["work_s_per_chunk"] / WORKERS, 0.0)
    words = (
        f"`{key}`: a night of {of['side_px']:,} x {of['side_px']:,} px in {night_s:.1f} s on {WORKERS} cores",
        f"`night_200_tiles_s_per_chunk`: {tiles['sizes']['tiles']} tiles of small chunks through the flow, "
        f"{tiles['value']:.3f} s a chunk, of which {extra:.3f} s beyond its pixels ({tiles['sizes']['database']})",
        f"`backfill_s_per_mpx_date`: {fill['value']:.2f} s for a million pixels and a date, one thread, a chunk of "
        f"{fill['sizes']['side_px']:,} px and {fill['sizes']['dates']} dates",
        f"{night['machine']}, {night['on']}",
    )
    return Measured(
        core_s_per_mpx=WORKERS * night_s / (of["side_px"] ** 2 / 1e6),
        file_bytes_per_px=of["file_bytes_per_px"],
        state_bytes_per_px=of["state_bytes_per_px"],
        reference_bytes_per_px=of["reference_bytes_per_px"],
        coordinating_s_per_chunk=extra,
        queries_per_chunk=each["queries"],
        commits_per_chunk=each["commits"],
        backfill_core_s_per_mpx_date=fill["sizes"]["threads"] * fill["value"],
        words=words,
    )


# --- the model -------------------------------------------------------------------------------------------------------


def looks_a_day(latitude: float) -> float:
    """How often a place is seen in a day: swaths of all orbits over the length of its parallel.

    At the equator once in 4.8 days, not 5, as neighbouring swaths overlap there a little already.
    """
    swaths = SATELLITES * ORBITS / CYCLE_DAYS * SWATH_KM
    return swaths / (EQUATOR_KM * math.cos(math.radians(latitude)))


def overlap_of_files() -> float:
    """Pixels in files for each pixel of ground: neighbouring tiles share almost 10 km."""
    return (TILE_PX * PIXEL_M / 1000 / TILE_STEP_KM) ** 2


def requests_a_scene(chunk_px: int = CHUNK_PX) -> float:
    """Requests for the files of a whole tile: each chunk opens each file once, each block is asked for once."""
    chunks = (TILE_PX / chunk_px) ** 2
    blocks = FILES_10M * math.ceil(TILE_PX / BLOCK_PX) ** 2 + FILES_20M * math.ceil(TILE_PX / 2 / BLOCK_PX) ** 2
    return chunks * (FILES_10M + FILES_20M) + blocks


def units_a_chunk(chunk_px: int = CHUNK_PX) -> float:
    """Processing units for one look at a chunk, as `pipeline.io.processing` asks: by pixel size, without the margin."""
    sides = [(round(chunk_px * PIXEL_M / kind.pixel_m), len(kind.names)) for kind in KINDS]
    return sum(processing_units(side, side, bands) for side, bands in sides)


@dataclass(frozen=True)
class Need:
    """What a mean night of a basin takes."""

    basin: Basin
    look_px: float
    """Pixels of ground that are seen."""
    chunks: float
    scenes: float
    core_hours: float
    coordinating_hours: float
    bytes: float
    file_requests: float
    process_requests: float
    units: float
    queries: float
    commits: float
    rows: float
    """Rows written: of the ledger, one for each scene of a chunk; state, changed pixels and journal, one each."""
    state_bytes: float
    reference_bytes: float
    backfill_core_hours: float
    """Once, for two years."""
    backfill_bytes: float
    """The same, where files are copied first and so are asked for once."""


def need(basin: Basin, m: Measured) -> Need:
    """The need of a basin.

    Ground where files overlap is read from each of them; all of the time on pixels is counted that much more, which is too
    much, since only reading is.
    """
    ground_px = basin.km2 * 1e6 / PIXEL_M**2
    rate, overlap = looks_a_day(basin.latitude), overlap_of_files()
    look_px = ground_px * rate
    file_px, chunks = look_px * overlap, look_px / CHUNK_PX**2
    scenes = file_px / TILE_PX**2
    return Need(
        basin=basin,
        look_px=look_px,
        chunks=chunks,
        scenes=scenes,
        core_hours=file_px / 1e6 * m.core_s_per_mpx / 3600,
        coordinating_hours=chunks * m.coordinating_s_per_chunk / 3600,
        bytes=file_px * m.file_bytes_per_px,
        file_requests=scenes * requests_a_scene(),
        process_requests=chunks * len(KINDS),
        units=chunks * units_a_chunk(),
        queries=chunks * m.queries_per_chunk,
        commits=chunks * m.commits_per_chunk,
        rows=chunks * (overlap + 3),
        state_bytes=ground_px * m.state_bytes_per_px,
        reference_bytes=ground_px * m.reference_bytes_per_px,
        backfill_core_hours=ground_px / 1e6 * rate * YEARS * 365 * m.backfill_core_s_per_mpx_date / 3600,
        backfill_bytes=file_px * YEARS * 365 * m.file_bytes_per_px,
    )


def taken(limit: Limit, of: Need) -> float:
    """How many times over a limit is used by the nights of its period; above 1 it is passed."""
    return getattr(of, limit.what) * limit.days / limit.cap


def largest_km2(limit: Limit, of: Need) -> float:
    """The ground, seen as often, that the limit would let through."""
    return of.basin.km2 / taken(limit, of)


# --- tables ----------------------------------------------------------------------------------------------------------

LINES = (
    ("ground, million km2", lambda n: f"{n.basin.km2 / 1e6:.2f}"),
    ("a place is seen once in, days", lambda n: f"{1 / looks_a_day(n.basin.latitude):.1f}"),
    ("pixels a night, thousand million", lambda n: f"{n.look_px / 1e9:.1f}"),
    ("chunks a night", lambda n: f"{n.chunks:,.0f}"),
    ("scenes a night, whole tiles of 7 files", lambda n: f"{n.scenes:,.0f}"),
    ("core-hours a night, pixels", lambda n: f"{n.core_hours:.1f}"),
    ("hours a night of the one process of the flow", lambda n: f"{n.coordinating_hours:.1f}"),
    (f"cores for pixels within {NIGHT_H} hours", lambda n: f"{math.ceil(n.core_hours / NIGHT_H):,}"),
    ("read a night, GB", lambda n: f"{n.bytes / 1e9:,.0f}"),
    (f"Mbit/s over {NIGHT_H} hours", lambda n: f"{n.bytes * 8 / 1e6 / (NIGHT_H * 3600):,.0f}"),
    ("state kept, TB", lambda n: f"{n.state_bytes / 1e12:.2f}"),
    ("reference kept, TB", lambda n: f"{n.reference_bytes / 1e12:.2f}"),
    ("requests a night, files", lambda n: f"{n.file_requests:,.0f}"),
    ("requests a night, Sentinel Hub", lambda n: f"{n.process_requests:,.0f}"),
    ("processing units a night, Sentinel Hub", lambda n: f"{n.units:,.0f}"),
    ("queries a night", lambda n: f"{n.queries:,.0f}"),
    ("transactions a night", lambda n: f"{n.commits:,.0f}"),
    ("rows written a night", lambda n: f"{n.rows:,.0f}"),
    ("ledger rows a year, million", lambda n: f"{n.chunks * overlap_of_files() * 365 / 1e6:.1f}"),
    (f"back-fill of {YEARS} years, core-hours, once", lambda n: f"{n.backfill_core_hours:,.0f}"),
    (f"back-fill of {YEARS} years, TB to copy, once", lambda n: f"{n.backfill_bytes / 1e12:,.0f}"),
    ("days for that at 12 TB in 30 days", lambda n: f"{n.backfill_bytes / 12e12 * 30:,.0f}"),
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown, numbers to the right."""
    return [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}", *(f"| {' | '.join(row)} |" for row in rows)]


def report(m: Measured) -> list[str]:
    """The lines of the tables."""
    needs = [need(basin, m) for basin in BASINS]
    costs = [[label, *(form(n) for n in needs)] for label, form in LINES]
    ranked = sorted(LIMITS, key=lambda limit: -taken(limit, needs[0]))
    files = next(limit for limit in ranked if limit.what in {"bytes", "file_requests"})
    used = [
        [limit.name, *(f"{taken(limit, n):,.3g}" for n in needs), f"{largest_km2(limit, needs[0]) / 1e6:,.3g}", limit.source]
        for limit in ranked
    ]
    inputs = [
        ["core-seconds for a million pixels", f"{m.core_s_per_mpx:.3f}"],
        ["bytes a pixel and date: seven files, compressed", f"{m.file_bytes_per_px:.2f}"],
        ["bytes a pixel: state", f"{m.state_bytes_per_px:.2f}"],
        ["bytes a pixel: reference", f"{m.reference_bytes_per_px:.2f}"],
        ["seconds a chunk beyond its pixels", f"{m.coordinating_s_per_chunk:.3f}"],
        ["queries a chunk", f"{m.queries_per_chunk:.1f}"],
        ["transactions a chunk", f"{m.commits_per_chunk:.1f}"],
    ]
    names = [basin.name for basin in BASINS]
    return [
        "Measured:", "", *(f"- {word}" for word in m.words), "", *table(["input", "value"], inputs), "",
        *(f"- {b.name}: {b.source}; {b.latitude:.0f} degrees from the equator on the mean (assumed)" for b in BASINS), "",
        "A mean night:", "", *table(["", *names], costs), "",
        "How many times over each limit is used; above 1 it is passed:", "",
        *table(["limit", *names, "million km2 it lets through", "source"], used), "",
        f"First comes: {ranked[0].name}. Of files read in place: {files.name}.",
    ]  # fmt: skip


def rewritten(page: str, lines: Sequence[str]) -> str:
    """A page with the lines between its markers."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise SystemExit(f"found no pair of markers, expected {BEGIN} and {END} once each")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    return "\n".join([before + BEGIN, "", *lines, "", END + after])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="a page with markers, whose tables are rewritten")
    asked = parser.parse_args()
    held = json.loads(LATEST.read_text(encoding="utf-8")) if LATEST.is_file() else {}
    lines = report(measured(held))
    print("\n".join(lines))
    if asked.write:
        asked.write.write_text(rewritten(asked.write.read_text(encoding="utf-8"), lines), encoding="utf-8")


if __name__ == "__main__":
    main()

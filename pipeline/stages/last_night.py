"""What a night rested on, remembered once all of it is written, so that the next one can tell that nothing is new.

See docs/adr/0026-a-night-with-nothing-new.md. Whatever a night reads is either marked here, or shows in the store.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import __version__
from pipeline.config import AreaSection, RunConfig
from pipeline.io.file_marks import Mark, Marker, mark_of, marks_below
from pipeline.io.last_nights import LastNight, forget_last_night, put_last_night
from pipeline.io.models import default_model
from pipeline.io.priorities import DEFAULT as DEFAULT_PRIORITY
from pipeline.io.registry import open_registry
from pipeline.io.store import StoreHeads
from pipeline.io.subscriptions import load_sharing
from pipeline.provenance import digest
from pipeline.stages.scenes import Search, gaps_of, kept_listing
from pipeline.tenure import LawBook

if TYPE_CHECKING:
    from pipeline.stages.run import AoiRequest, AoiResult, Walk

MOST_QUIET_DAYS = 10
"""After so long a night is a whole one though nothing is new: report and map are never older. One cycle of the orbit."""
PACKAGE = Path(__file__).resolve().parents[1]
FILES = ("alerts.geojson", "disturbances.geojson", "report.md", "map.html")
FOLDERS = ("evidence", "state")
SHARING_KEY = "sharing.key"
NIGHT_ENDINGS = (".geojson", *(f".{language}.{kind}" for language in ("en", "es", "pt", "fr") for kind in ("html", "pdf")))


@dataclass(frozen=True, slots=True)
class Basis:
    """What a walk was opened with."""

    inputs: str
    """Digest of software, configuration and files, made before any of them was read."""
    found: Search
    """What the catalogue offered, before windows were copied."""
    is_settled: bool = True
    """Every window that was to be copied was."""


class Inputs:
    """Digests of what nights are made from; one serves the areas of one night, and what they share is marked once."""

    def __init__(self) -> None:
        self._marker = Marker()
        self._shared: dict[int, tuple[RunConfig, object]] = {}
        self._held: dict[tuple[str, str], list[list[object]]] = {}

    def of(self, request: "AoiRequest") -> str:
        """Return the digest of software, configuration and files of a request; any change of them changes it."""
        section = request.section
        plain = section.model_dump(mode="json", exclude={"start"})  # the store knows the first day, and refuses another one
        files = [marks for path in _files_of(section) for marks in self._marker.with_companions(path)]
        return digest([
            self._of_all(request.config), plain, str(request.out), request.store, request.has_pictures, files,
            [self._holdings(request.config.registry or request.store, register) for register in section.registers],
        ])  # fmt: skip

    def _holdings(self, address: str, register: str) -> list[list[object]]:
        """What a registry holds of a register."""
        key = (address, register)
        if key not in self._held:
            held = open_registry(address).holdings(register)
            self._held[key] = [[h.seq, h.sha256, h.retrieved_on, h.taken_at] for h in held]
        return self._held[key]

    def _of_all(self, config: RunConfig) -> object:
        """What all areas of a configuration share."""
        held = self._shared.get(id(config))
        if held is None:
            # the configuration is kept with it, so that no other one takes its place in memory
            held = self._shared[id(config)] = (config, digest([
                __version__, config.model_dump(mode="json", exclude={"areas"}),
                [self._marker.below(folder) for folder in _folders_of(config)],
                [self._marker.with_companions(path) for path in _shared_files(config)],
            ]))  # fmt: skip
        return held[1]


def _files_of(section: AreaSection) -> list[str]:
    """Files that an area's night reads, besides scenes."""
    register = section.titles_register
    named = [register] if register is not None and register.endswith(".yaml") else []
    return [section.aoi, *section.titles, *section.protected, *section.rivers, *named]


def _folders_of(config: RunConfig) -> list[Path]:
    """Folders that every area's night rests on: the package, the files that come with it, the model."""
    return [PACKAGE, DEFAULT_PRIORITY.parent, Path(config.model) if config.model else default_model()]


def _shared_files(config: RunConfig) -> list[str]:
    """Files that every area's night reads."""
    sharing = load_sharing(config.subscriptions)
    named = [config.priority, config.subscriptions, sharing.policy, sharing.consents, sharing.community_sites]
    return [path for path in named if path is not None]


def standing_marks(out: Path, keys: Path) -> dict[str, Mark]:
    """Return the marks of what stands of an area whatever the night: alerts, report, map, evidence, states, keys."""
    found = {path: mark_of(path) for path in (str(out / name) for name in FILES)}
    for folder in (*(out / name for name in FOLDERS), keys):
        found.update(marks_below(folder))
    found.pop(str(keys / SHARING_KEY), None)  # made by the first delivery; a night's files do not depend on it
    return found


def night_marks(out: Path, *nights: date) -> dict[str, Mark]:
    """Return the marks of the files of nights."""
    stems = [str(out / "nights" / night.isoformat()) for night in nights]
    paths = [f"{stem}{ending}" for stem in stems for ending in NIGHT_ENDINGS]
    return {path: mark_of(path) for path in paths}


def holds_until(found: Search, book: LawBook, as_of: date) -> date:
    """Return the last day for which nothing is to be said where nothing is new: the law and the orbit have no date before.

    The first listed scene of a later day, the first day on which a title may say something else, and the first day on which
    a pass of the satellite is missed end it.
    """
    last = as_of + timedelta(days=MOST_QUIET_DAYS)
    missed = gaps_of(found, as_of)
    days = (as_of + timedelta(days=n) for n in range(1, MOST_QUIET_DAYS + 1))
    gap = next((day for day in days if gaps_of(found, day) != missed), None)
    ends = [day for day in (found.later, gap, *book.days(as_of, last)[:1]) if day is not None]
    return min([last, *(day - timedelta(days=1) for day in ends)])


def remember(
    walk: "Walk", result: "AoiResult", unread: Collection[str], *, facts: Mapping[str, object], seen_to: int, heads: StoreHeads
) -> None:
    """Remember a night that is written, as the last thing; one that may end otherwise when it is run again is forgotten.

    Parameters
    ----------
    walk : Walk
    result : AoiResult
        What the night gave.
    unread : collection of str
        Ids of the scenes of which some chunk could not be read.
    facts : mapping
        What the journal's entry says besides.
    seen_to : int
        Where the journal ended before the files were written.
    heads : StoreHeads
        Where it ended after the night was noted.
    """
    engine, area_id, request, basis = walk.store.engine, walk.area.id, walk.request, walk.basis
    watched = _watched(walk, unread)
    if basis is None or watched is None or not basis.is_settled:
        forget_last_night(engine, area_id)
        return
    keys = request.config.keys_folder(request.store)
    kept = kept_listing(basis.found.folder) if basis.found.is_kept else ""
    put_last_night(engine, area_id, LastNight(
        as_of=walk.as_of, told_on=walk.as_of, holds_until=holds_until(basis.found, walk.book, walk.as_of),
        inputs=basis.inputs, listing=basis.found.listing, kept=kept, watched=watched,
        outputs={**standing_marks(request.out, keys), **night_marks(request.out, walk.as_of)}, facts=facts,
        alerts=len(result.alerts), disturbances=len(result.disturbances), findings=result.findings,
        has_refused_input=result.has_refused_input, seen_to=seen_to, noted=(heads.journal.seq, heads.journal.hash),
    ))  # fmt: skip


def _watched(walk: "Walk", unread: Collection[str]) -> dict[str, Mark] | None:
    """Marks of the files of scenes that could not be read; None where one is not a plain file, which may be read any time."""
    scenes = [s for a in walk.acquisitions for s in a.scenes if s.id in unread]
    paths = {asset.href for scene in scenes for asset in scene.assets.values()}
    if any("://" in path or path.startswith("/vsi") for path in paths):
        return None
    return {path: mark_of(path) for path in sorted(paths)}

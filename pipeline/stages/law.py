"""Reading the law of an area: title files, snapshots of the registry, protected land and rivers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from pipeline.config import AreaSection, TenureSection
from pipeline.errors import CadastreUnknownError, TitleGeometryError
from pipeline.io.cadastres import find_register, read_protected, read_rivers, read_titles
from pipeline.io.registry import Bounds, Registry, open_registry
from pipeline.tenure import AreaIndex, Law, LawBook, RiverIndex, Snapshot, TenureRules, TitleIndex, combined
from pipeline.tenure.law import Told

REACH_DEGREES = 0.2
"""Titles this far around an area are read: about 22 km, twice as far as a refused outline may reach."""


def tenure_rules(section: TenureSection, minerals: tuple[str, ...]) -> TenureRules:
    """Return how titles are laid over the sites of an area."""
    return TenureRules(
        geolocation_m=section.geolocation_m, outline_m=section.outline_m, minerals=minerals,
        min_overlap_ha=section.min_overlap_ha, stale_after_days=section.stale_after_days,
    )  # fmt: skip


def read_law(section: AreaSection, registry: str, bounds: Bounds, rules: TenureRules) -> tuple[LawBook, tuple[str, ...]]:
    """Return the law of an area as it was known on each day, and what was refused, repaired or not understood.

    Parameters
    ----------
    section : AreaSection
    registry : str
        SQLite file or database URL; opened only where the area names registers.
    bounds : tuple of float
        Left, bottom, right, top of the area in degrees.
    rules : TenureRules

    Raises
    ------
    CadastreInvalidError
        Or one of its children: a file cannot be used.
    CadastreUnknownError
        The registry holds no snapshot of a register that the area names.
    """
    crs, day = section.titles_crs, section.titles_retrieved_on
    register = find_register(section.titles_register)
    files = [read_titles(Path(path), crs=crs, retrieved_on=day, register=register) for path in section.titles]
    told: list[dict[date, Told]] = [
        {date.min: (tuple(titles), (replace(snapshot, lacks=section.titles_lack),))} for titles, snapshot in files
    ]
    if section.registers:
        book = open_registry(registry)
        told += [_known(book, register, registry, _around(bounds)) for register in section.registers]
    kept = [read_protected(Path(path), crs=crs) for path in section.protected]
    protected = AreaIndex(area for areas, _ in kept for area in areas)
    rivers = RiverIndex(river for path in section.rivers for river in read_rivers(Path(path), crs=crs))
    laws = {
        since: Law(TitleIndex(titles), snapshots, protected, rivers)
        for since, (titles, snapshots) in (combined(told) if told else {date.min: ((), ())}).items()
    }
    newest = laws[max(laws)].snapshots
    return LawBook(laws, rules), _findings((*newest, *(snapshot for _, snapshot in kept)))


def _around(bounds: Bounds) -> Bounds:
    """The box of an area and what lies near it."""
    left, bottom, right, top = bounds
    return left - REACH_DEGREES, bottom - REACH_DEGREES, right + REACH_DEGREES, top + REACH_DEGREES


def _known(book: Registry, register: str, address: str, within: Bounds) -> dict[date, Told]:
    """What is known of a register from each day on which a snapshot was retrieved."""
    held = {holding.retrieved_on: holding for holding in book.holdings(register)}  # of one day, the last that was taken in
    if not held:
        names = sorted({holding.register for holding in book.holdings()})
        raise CadastreUnknownError(
            f"{address}: found no snapshot of register {register!r}, but of {', '.join(names) or 'none'}; take one in with "
            "`overburden cadastre import FILE --register FILE`"
        )
    return {day: (tuple(book.titles(h, within=within)), (book.snapshot(h),)) for day, h in held.items()}


def _findings(snapshots: Sequence[Snapshot]) -> tuple[str, ...]:
    """What the operator must know of the snapshots before pixels are read."""
    found = [
        f"{TitleGeometryError.__name__}: {s.name}: title {r.title_id} (feature {r.feature}) is refused: {r.reason}; a site "
        "that it may cover gets tenure_status unknown. Give the register's outline of it and run again"
        for s in snapshots for r in s.refused
    ]  # fmt: skip
    found += [
        f"{s.name}: title {r.title_id} (feature {r.feature}) repaired, {r.before_ha:.2f} ha before, {r.after_ha:.2f} ha "
        f"after: {r.reason}"
        for s in snapshots for r in s.repaired
    ]  # fmt: skip
    found += [f"{s.name}: {u.count} times unknown {u.field} {u.code!r}" for s in snapshots for u in s.unknown_codes]
    found += [f"{s.name}: {note}" for s in snapshots for note in s.notes]
    return tuple(found)

"""Sites of any vector file laid over the snapshots of the registry: what each title says of each site on a day, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from pipeline.errors import CadastreUnknownError
from pipeline.io.cadastres import read_protected, read_rivers
from pipeline.io.cadastres.files import VectorFile, read_vector
from pipeline.io.registry import Holding, open_registry
from pipeline.tenure import (
    AreaIndex,
    Law,
    RiverIndex,
    Sites,
    TenureRules,
    TitleIndex,
    assess_many,
    land_properties_many,
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the registry about a file of sites."""

    on: date
    """Day that is asked about."""
    known_on: date
    """Snapshots retrieved up to this day count."""
    registers: tuple[str, ...] = ()
    """Registers that are laid over; empty: all that the registry holds."""
    protected: tuple[Path, ...] = ()
    rivers: tuple[Path, ...] = ()
    rules: TenureRules = field(default_factory=TenureRules)


@dataclass(frozen=True, slots=True)
class OverlaidSite:
    """One site and what was found."""

    feature: int
    """Number of the feature in its file, from 1."""
    geometry: BaseGeometry | None
    """Lon/lat (multi)polygon; None: refused, see `reason`."""
    attributes: Mapping[str, str | None]
    """What the file says of it."""
    properties: Mapping[str, object]
    """Properties by the names of alerts; empty where it is refused."""
    reason: str = ""


def overlay(path: Path, registry: str, asked: Question, *, crs: str | None = None) -> tuple[list[OverlaidSite], list[Holding]]:
    """Return every feature of a file with its tenure finding, in the file's order, and the snapshots that answered.

    Parameters
    ----------
    path : Path
        Vector file of sites; features without a polygon are told with the reason and no finding.
    registry : str
        SQLite file or database URL.
    asked : Question
    crs : str, optional
        CRS of the sites; goes before what their file declares.

    Raises
    ------
    CadastreInvalidError
        The file cannot be used; or one of its children.
    CadastreUnknownError
        The registry holds no snapshot of a register by that day.
    """
    sites = read_vector(path, crs=crs)
    law, held = _law(registry, asked)
    drawn = {row: o.geometry for row, o in enumerate(sites.outlines) if o.geometry is not None}
    ground = Sites.of(list(drawn.values()))
    findings = assess_many(ground, law.titles, snapshots=law.snapshots, on=asked.on, rules=asked.rules)
    land = land_properties_many(ground, law, on=asked.on, rules=asked.rules)
    told = {
        row: {"area_ha": round(area_ha, 4), **finding.properties(), **beside}
        for row, area_ha, finding, beside in zip(drawn, ground.area_ha.tolist(), findings, land, strict=True)
    }
    return [_overlaid(sites, row, told.get(row), asked) for row in range(len(sites))], held


def _law(registry: str, asked: Question) -> tuple[Law, list[Holding]]:
    """The law as it was known, and the snapshots that it is read from."""
    book = open_registry(registry)
    names = asked.registers or tuple(sorted({holding.register for holding in book.holdings()}))
    held = [book.known_on(name, asked.known_on) for name in names]
    absent = [name for name, holding in zip(names, held, strict=True) if holding is None]
    if absent or not names:
        raise CadastreUnknownError(
            f"{registry}: found no snapshot of {', '.join(absent) or 'any register'} retrieved by {asked.known_on}; take one "
            "in with `overburden cadastre import`"
        )
    holdings = [holding for holding in held if holding is not None]
    titles = TitleIndex(title for holding in holdings for title in book.titles(holding))
    areas = AreaIndex(area for file in asked.protected for area in read_protected(file)[0])
    rivers = RiverIndex(river for file in asked.rivers for river in read_rivers(file))
    return Law(titles, tuple(book.snapshot(holding) for holding in holdings), areas, rivers), holdings


def _overlaid(sites: VectorFile, row: int, told: dict[str, object] | None, asked: Question) -> OverlaidSite:
    """One feature with its finding."""
    outline = sites.outlines[row]
    attributes = {name: values[row] for name, values in sites.columns.items()}
    if told is None:
        return OverlaidSite(row + 1, None, attributes, {}, outline.refused or "")
    properties: dict[str, object] = {
        "feature": row + 1,
        "evaluated_on": asked.on.isoformat(),
        "known_on": asked.known_on.isoformat(),
        **told,
    }
    return OverlaidSite(row + 1, outline.geometry, attributes, properties)


def counts(found: Sequence[OverlaidSite]) -> list[list[object]]:
    """Return rows of status, sites, hectares of the sites and hectares uncovered, most sites first; refused ones last."""
    told: dict[str, list[float]] = {}
    for site in found:
        status = str(site.properties.get("tenure_status", "refused: no outline"))
        row = told.setdefault(status, [0, 0.0, 0.0])
        row[0] += 1
        row[1] += float(str(site.properties.get("area_ha", 0.0)))
        row[2] += float(str(site.properties.get("uncovered_ha") or 0.0))
    order = sorted(told, key=lambda status: (status.startswith("refused"), -told[status][0], status))
    return [[status, int(told[status][0]), f"{told[status][1]:.1f}", f"{told[status][2]:.1f}"] for status in order]

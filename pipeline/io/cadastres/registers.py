"""How a register writes what a title is: the names of its columns and its codes, which its register file lists.

Column names are compared without accents and case, with `_` for spaces and hyphens; the first one of a row that has any
value is taken. Codes are compared without accents and case, first whole, then without a remark in parentheses at their
end (`PR (AS)`, `Small Scale Licence (Tarkwa District)`). A code that is in no table stays unknown and is reported.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pipeline.tenure import AreaKind, CountryRules, TitleKind, TitleStatus
from pipeline.tenure.minerals import plain_word

_Code = TypeVar("_Code")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where `LicType` has a new word."""
DBF_NAME = 10
"""Letters of a column's name in a Shapefile."""
_REMARK = re.compile(r"\s*\([^()]*\)\s*$")

AREA_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "area_id": ("area_id", "wdpaid", "wdpa_pid", "site_id", "code", "codigo", "id", "id_field"),
    "name": ("name", "area_name", "name_eng", "orig_name", "name_field", "nombre", "nome", "nom", "terrai_nom"),
    "kind": ("kind", "area_kind", "desig_eng", "desig", "designation", "type", "type_field", "category", "categoria"),
}
"""Field of `ProtectedArea` to the names of its column, likeliest first."""

INDIGENOUS_STEMS: tuple[str, ...] = ("indig", "nativ", "tribal", "aborig", "first nation", "quilombo")
"""A designation with one of these is an Indigenous territory: the side on which an error shares too little."""
PROTECTED_WORDS: tuple[str, ...] = ("protected", "protected area", "protected areas", "protected_area", "national park",
                                    "parque nacional", "parc national", "nature reserve", "game reserve")  # fmt: skip


TITLE_FIELDS: tuple[str, ...] = (
    "title_id", "name", "holder", "kind", "status", "valid_from", "valid_to", "minerals", "kind_since", "suspended_from",
    "suspended_to",
)  # fmt: skip
"""What a column of a register can hold."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What a register states of all its titles at once."""

    value: str
    """As the register would write it in a column."""
    because: str


@dataclass(frozen=True, slots=True)
class Register:
    """How one register writes its titles, and the law behind it; read from a register file."""

    name: str
    columns: Mapping[str, tuple[str, ...]]
    """Field to the names of its column, plain, likeliest first."""
    kinds: Mapping[str, TitleKind]
    """Code without accents and case to kind."""
    statuses: Mapping[str, TitleStatus]
    """Code without accents and case to status."""
    minerals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Words beyond `MINERAL_WORDS` to English names; none: a known word that names no mineral."""
    kind_minerals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Code of a kind to the minerals that it is for, where no column tells."""
    whole: Mapping[str, Whole] = field(default_factory=dict)
    """Field to what holds for every title without a value of its own."""
    runs_on: frozenset[str] = frozenset()
    """Codes of status under which a title may run on past its last day."""
    day_first: bool | None = None
    """Order of day and month where a column leaves it open."""
    bounds: tuple[float, float, float, float] | None = None
    """West, south, east, north of the country; None: not known."""
    outline_m: float | None = None
    """Accuracy of its outlines, metres; None: not stated."""
    rules: CountryRules = field(default_factory=CountryRules)


def plain_column(name: str) -> str:
    """Return the name of a column as names are compared: without accents and case, `_` between its words.

    Examples
    --------
    >>> plain_column("Fecha de-inscripción"), plain_column("DteGranted"), plain_column("FEC_DENU")
    ('fecha_de_inscripcion', 'dte_granted', 'fec_denu')
    """
    return re.sub(r"[\s\-]+", "_", plain_word(_HUMP.sub("_", name)))


def match_columns(names: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[str | None]]) -> dict[str, str]:
    """Return field to column of a file: the first name that is there with any value, else the first that is there.

    A Shapefile cuts names off after `DBF_NAME` letters; a name that is cut off there counts as the whole one.

    Parameters
    ----------
    names : mapping
        Field to column names, likeliest first.
    found : mapping
        Column of the file to its values as text, None where empty.
    """
    plain = {plain_column(column): column for column in reversed(list(found))}
    matched = {}
    for key, candidates in names.items():
        there = [plain[form] for name in candidates for form in (name, name[:DBF_NAME]) if form in plain]
        if there:
            matched[key] = next((c for c in there if any(value is not None for value in found[c])), there[0])
    return matched


def code_of(text: str, table: Mapping[str, _Code]) -> _Code | None:
    """Return the code of a register's text, or None where it is in no table.

    Examples
    --------
    >>> code_of("PR (AS)", {"pr": "exploration"}), code_of("PR (AS)", {"pr": "exploration", "pr (as)": "other"})
    ('exploration', 'other')
    >>> code_of("À déchoir", {"dechu": "expired"}) is None
    True
    """
    whole = plain_word(text)
    written = (whole, plain_word(_REMARK.sub("", text)), whole.replace("_", " "))
    return next((table[form] for form in written if form in table), None)


def area_kind(text: str) -> AreaKind | None:
    """Return the kind of a protected area's designation, or None where it is in no table.

    Examples
    --------
    >>> area_kind("Parque Nacional y Territorio Indígena").value
    'indigenous_territory'
    """
    plain = plain_word(text).replace("_", " ")
    if any(stem in plain for stem in INDIGENOUS_STEMS):
        return AreaKind.INDIGENOUS_TERRITORY
    return AreaKind.PROTECTED_AREA if plain in PROTECTED_WORDS else None

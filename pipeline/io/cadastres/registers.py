"""How registers write what a title is: names of columns and code lists, in one table each.

Column names are compared without accents and case, with `_` for spaces and hyphens; the first one of a row that has any
value is taken. Codes are compared without accents and case, first whole, then without a remark in parentheses at their
end (`PR (AS)`, `Small Scale Licence (Tarkwa District)`). A code that is in no table stays unknown and is reported.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from pipeline.tenure import AreaKind, TitleKind, TitleStatus
from pipeline.tenure.minerals import plain_word

_Code = TypeVar("_Code", bound=StrEnum)
_REMARK = re.compile(r"\s*\([^()]*\)\s*$")

TITLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "title_id": (
        "title_id", "lic_code", "licence_no", "license_no", "licence_number", "license_number", "licence_id",
        "license_id", "licence", "license", "permit_no", "permit_id", "permit", "tenement", "codigou",
        "codigo_expediente", "expediente", "processo", "num_titre", "numero", "number", "code", "codigo", "id",
    ),
    "name": ("name", "title_name", "concesion", "concession", "nombre", "nome", "nom"),
    "holder": (
        "holder", "owner_name", "owner", "company", "licensee", "titular", "tit_conces", "titulaire", "parties",
        "requerente", "applicant",
    ),
    "kind": (
        "kind", "title_kind", "licence_type", "license_type", "lic_type", "permit_type", "title_type", "type", "stage",
        "fase", "etapa", "group",
    ),
    "status": ("status", "title_status", "lic_status", "statut", "estado", "situacao", "state"),
    "valid_from": (
        "valid_from", "start_date", "date_start", "start", "granted", "granted_on", "grant_date", "date_granted",
        "issue_date", "effective_date", "date_octroi", "fecha_inicio", "data_inicio",
    ),
    "valid_to": (
        "valid_to", "valid_until", "expiry_date", "date_expiry", "expiry", "expires", "expires_on", "expiration_date",
        "expiration", "end_date", "date_end", "end", "date_expiration", "date_echeance", "fecha_vencimiento",
        "fecha_fin", "data_validade",
    ),
    "minerals": (
        "minerals", "mineral", "commodity", "commodities", "substances", "substance", "substancia", "substancias",
        "subs", "minerales", "resource",
    ),
}  # fmt: skip
"""Field of `Title` to the names of its column, likeliest first."""

AREA_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "area_id": ("area_id", "wdpaid", "wdpa_pid", "site_id", "code", "codigo", "id", "id_field"),
    "name": ("name", "area_name", "name_eng", "orig_name", "name_field", "nombre", "nome", "nom", "terrai_nom"),
    "kind": ("kind", "area_kind", "desig_eng", "desig", "designation", "type", "type_field", "category", "categoria"),
}
"""Field of `ProtectedArea` to the names of its column, likeliest first."""

_KINDS: Mapping[TitleKind, tuple[str, ...]] = {
    TitleKind.EXPLOITATION: (
        "exploitation", "exploitation licence", "exploitation permit", "mining", "mining lease", "mining licence",
        "mining license", "mining permit", "mine", "production", "large scale mining lease", "small scale licence",
        "small scale license", "small scale mining licence", "small scale mining license", "small mine", "lease",
        "pe", "pepm", "per", "aecp", "permis d'exploitation", "concession", "concession miniere", "explotacion",
        "concesion de explotacion", "lavra", "concessao de lavra", "lavra garimpeira", "permissao de lavra garimpeira",
    ),
    TitleKind.EXPLORATION: (
        "exploration", "exploration licence", "exploration license", "exploration permit", "prospecting",
        "prospecting licence", "prospecting license", "reconnaissance", "reconnaissance licence", "pr", "arpc",
        "permis de recherche", "permis de recherches", "recherche", "exploracion", "prospeccion", "pesquisa",
        "autorizacao de pesquisa",
    ),
    TitleKind.ARTISANAL_ZONE: (
        "artisanal", "artisanal zone", "artisanal mining zone", "zea", "zone d'exploitation artisanale",
        "reserva garimpeira",
    ),
    TitleKind.FORMALISATION_ZONE: (
        "formalisation zone", "formalization zone", "formalisation", "formalization", "zona de formalizacion",
    ),
    TitleKind.APPLICATION: (
        "application", "licence application", "license application", "exploitation application",
        "exploration application", "demande", "solicitud", "requerimento", "requerimento de lavra",
        "requerimento de pesquisa",
    ),
    TitleKind.OTHER: ("other", "zin", "zone interdite", "closed area", "state reserve", "processing plant"),
}  # fmt: skip

_STATUSES: Mapping[TitleStatus, tuple[str, ...]] = {
    TitleStatus.ACTIVE: (
        "active", "active licence", "active license", "granted", "issued", "valid", "in force", "current", "live",
        "actif", "en vigueur", "octroye", "droit octroye", "vigente", "activo", "ativo",
    ),
    TitleStatus.SUSPENDED: ("suspended", "suspendu", "suspendido", "suspenso"),
    TitleStatus.EXPIRED: (
        "expired", "lapsed", "cancelled", "canceled", "revoked", "terminated", "surrendered", "relinquished",
        "forfeited", "expire", "echu", "dechu", "droit dechu", "annule", "vencido", "caducado", "caduco", "extinguido",
        "extinto", "cancelado",
    ),
    TitleStatus.APPLICATION: (
        "application", "applied", "pending", "pending application", "under application", "demande", "nouvelle demande",
        "solicitud", "en tramite", "requerimento",
    ),
    TitleStatus.REFUSED: ("refused", "rejected", "denied", "refuse", "rejete", "rechazado", "denegado", "indeferido"),
}  # fmt: skip

INDIGENOUS_STEMS: tuple[str, ...] = ("indig", "nativ", "tribal", "aborig", "first nation", "quilombo")
"""A designation with one of these is an Indigenous territory: the side on which an error shares too little."""
PROTECTED_WORDS: tuple[str, ...] = ("protected", "protected area", "protected areas", "protected_area", "national park",
                                    "parque nacional", "parc national", "nature reserve", "game reserve")  # fmt: skip


def _codes(table: Mapping[_Code, tuple[str, ...]]) -> dict[str, _Code]:
    """Turn a table of words round: word to code, the code's own name and value among them."""
    turned: dict[str, _Code] = {}
    for code, words in table.items():
        turned |= dict.fromkeys((code.value, code.value.replace("_", " "), *words), code)
    return turned


@dataclass(frozen=True, slots=True)
class Register:
    """How one register writes its titles; the fields of another register are other values of it."""

    name: str = "generic"
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: TITLE_COLUMNS)
    kinds: Mapping[str, TitleKind] = field(default_factory=lambda: _codes(_KINDS))
    """Code without accents and case to kind."""
    statuses: Mapping[str, TitleStatus] = field(default_factory=lambda: _codes(_STATUSES))


GENERIC = Register()
"""What the registers that were looked at have in common."""


def match_columns(names: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[str | None]]) -> dict[str, str]:
    """Return field to column of a file: the first name that is there with any value, else the first that is there.

    Parameters
    ----------
    names : mapping
        Field to column names, likeliest first.
    found : mapping
        Column of the file to its values as text, None where empty.
    """
    plain = {re.sub(r"[\s\-]+", "_", plain_word(column)): column for column in reversed(list(found))}
    matched = {}
    for key, candidates in names.items():
        there = [plain[name] for name in candidates if name in plain]
        if there:
            matched[key] = next((c for c in there if any(value is not None for value in found[c])), there[0])
    return matched


def code_of(text: str, table: Mapping[str, _Code]) -> _Code | None:
    """Return the code of a register's text, or None where it is in no table.

    Examples
    --------
    >>> code_of("PR (AS)", GENERIC.kinds).value, code_of("Active License", GENERIC.statuses).value
    ('exploration', 'active')
    >>> code_of("A déchoir pour non paiement", GENERIC.statuses) is None
    True
    """
    whole = plain_word(text)
    return table.get(whole) or table.get(plain_word(_REMARK.sub("", text))) or table.get(whole.replace("_", " "))


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

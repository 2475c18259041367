"""Titles and snapshots as plain JSON and bytes, for the registry; what is written is read back equal."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.provenance import canonical_json
from pipeline.tenure import (
    CountryRules,
    Doubt,
    Refusal,
    Repair,
    RiverBuffer,
    Snapshot,
    Suspension,
    Title,
    TitleKind,
    TitleStatus,
    UnknownCode,
)


def title_text(title: Title) -> str:
    """Return what a title's record says, without outline and snapshot, as canonical JSON."""
    return canonical_json({
        "title_id": title.title_id,
        "name": title.name,
        "holder": title.holder,
        "kind": title.kind.value,
        "status": title.status.value,
        "valid_from": title.valid_from,
        "valid_to": title.valid_to,
        "minerals": list(title.minerals),
        "kind_since": title.kind_since,
        "suspensions": [[s.first, s.last] for s in title.suspensions],
        "doubts": [[d.field, d.text] for d in title.doubts],
    })  # fmt: skip


def title_of(text: str, outline: bytes, sha256: str) -> Title:
    """Return the title of `title_text`, its outline as WKB and the digest of its snapshot."""
    plain = json.loads(text)
    return Title(
        title_id=plain["title_id"],
        name=plain["name"],
        holder=plain["holder"],
        kind=TitleKind(plain["kind"]),
        status=TitleStatus(plain["status"]),
        valid_from=_day(plain["valid_from"]),
        valid_to=_day(plain["valid_to"]),
        minerals=tuple(plain["minerals"]),
        geometry=shapely.from_wkb(outline),
        snapshot=sha256,
        kind_since=_day(plain["kind_since"]),
        suspensions=tuple(Suspension(date.fromisoformat(first), _day(last)) for first, last in plain["suspensions"]),
        doubts=tuple(Doubt(*pair) for pair in plain["doubts"]),
    )


def snapshot_text(snapshot: Snapshot) -> str:
    """Return everything that a snapshot says besides its titles, as canonical JSON."""
    return canonical_json({
        "name": snapshot.name,
        "retrieved_on": snapshot.retrieved_on,
        "sha256": snapshot.sha256,
        "title_count": snapshot.title_count,
        "refused": [[r.title_id, r.feature, r.geometry_type, r.reason, _hex(r.location)] for r in snapshot.refused],
        "repaired": [[r.title_id, r.feature, r.reason, r.before_ha, r.after_ha] for r in snapshot.repaired],
        "unknown_codes": [[u.field, u.code, u.count] for u in snapshot.unknown_codes],
        "columns": [list(pair) for pair in snapshot.columns],
        "unused_columns": list(snapshot.unused_columns),
        "notes": list(snapshot.notes),
        "lacks": list(snapshot.lacks),
        "register": snapshot.register,
        "rules": _plain_rules(snapshot.rules),
        "outline_m": snapshot.outline_m,
        "transformation": snapshot.transformation,
        "transformation_m": snapshot.transformation_m,
    })  # fmt: skip


def snapshot_of(text: str) -> Snapshot:
    """Return the snapshot of `snapshot_text`."""
    plain = json.loads(text)
    return Snapshot(
        name=plain["name"],
        retrieved_on=_day(plain["retrieved_on"]),
        sha256=plain["sha256"],
        title_count=plain["title_count"],
        refused=tuple(Refusal(i, n, kind, why, _geometry(place)) for i, n, kind, why, place in plain["refused"]),
        repaired=tuple(Repair(*row) for row in plain["repaired"]),
        unknown_codes=tuple(UnknownCode(*row) for row in plain["unknown_codes"]),
        columns=tuple((field, column) for field, column in plain["columns"]),
        unused_columns=tuple(plain["unused_columns"]),
        notes=tuple(plain["notes"]),
        lacks=tuple(plain["lacks"]),
        register=plain["register"],
        rules=_rules(plain["rules"]),
        outline_m=plain["outline_m"],
        transformation=plain["transformation"],
        transformation_m=plain["transformation_m"],
    )


def _plain_rules(rules: CountryRules) -> dict[str, object]:
    """Country rules as plain values."""
    buffer = rules.river_buffer
    return {
        "extraction": {kind.value: sorted(minerals) for kind, minerals in rules.extraction.items()},
        "formalisation_kinds": sorted(rules.formalisation_kinds),
        "prohibited_kinds": sorted(rules.prohibited_kinds),
        "river_buffer": None if buffer is None else [buffer.width_m, buffer.source],
        "sources": list(rules.sources),
    }


def _rules(plain: Mapping[str, Any]) -> CountryRules:
    """What `_plain_rules` wrote."""
    return CountryRules(
        extraction={TitleKind(kind): frozenset(minerals) for kind, minerals in plain["extraction"].items()},
        formalisation_kinds=frozenset(map(TitleKind, plain["formalisation_kinds"])),
        prohibited_kinds=frozenset(map(TitleKind, plain["prohibited_kinds"])),
        river_buffer=None if plain["river_buffer"] is None else RiverBuffer(*plain["river_buffer"]),
        sources=tuple(plain["sources"]),
    )


def _day(text: str | None) -> date | None:
    """A day, or None."""
    return None if text is None else date.fromisoformat(text)


def _hex(geometry: BaseGeometry | None) -> str | None:
    """A geometry as WKB in hex, or None."""
    return None if geometry is None else shapely.to_wkb(geometry, hex=True)


def _geometry(text: str | None) -> BaseGeometry | None:
    """What `_hex` wrote."""
    return None if text is None else shapely.from_wkb(text)

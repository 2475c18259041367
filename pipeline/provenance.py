"""Lineage: canonical JSON, digests, and ids that are derived from what they name, never drawn at random."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

NAMESPACE = uuid.UUID("6f1d3c1e-58d4-5f0e-9c0f-6f7665726275")
"""Namespace of every derived id of this project."""


def _plain(value: object) -> object:
    """Dates as ISO text; anything else JSON does not know is refused by the encoder."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def canonical_json(value: Mapping[str, object] | Sequence[object]) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN, dates as ISO text.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [1.5, None]})
    '{"a":[1.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False, default=_plain)


def digest(value: Mapping[str, object] | Sequence[object]) -> str:
    """Return the SHA-256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def derive_id(kind: str, *parts: object) -> str:
    """Return the UUIDv5 that names `kind` with these inputs; the same inputs always give the same id.

    Examples
    --------
    >>> derive_id("site", "aoi", 1) == derive_id("site", "aoi", 1)
    True
    >>> derive_id("site", "aoi", 1) == derive_id("site", "aoi", 2)
    False
    """
    return str(uuid.uuid5(NAMESPACE, canonical_json([kind, *parts])))

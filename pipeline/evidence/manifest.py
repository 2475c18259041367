"""The documents of a bundle that say what it is: manifest and signature, read strictly and written in one form."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from pipeline.provenance import canonical_json

FORMAT = "overburden evidence bundle 1"
MANIFEST, SIGNATURE, TOKEN, ALERT, SUMS, README = (
    "manifest.json", "signature.json", "timestamp.tsr", "alert.geojson", "SHA256SUMS", "README.txt",
)  # fmt: skip
UNSIGNED = (MANIFEST, SIGNATURE, TOKEN)
"""Files that the manifest cannot list."""
MAX_MANIFEST_BYTES = 2**20
MAX_SIGNATURE_BYTES = 4096
MAX_TOKEN_BYTES = 64 * 2**10

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,2}")
HEX_64 = re.compile(r"[0-9a-f]{64}")
HEX_128 = re.compile(r"[0-9a-f]{128}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ALERT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DAY = re.compile(r"\d{4}-\d\d-\d\d")

TEXTS = ("format", "alert_id", "site_id", "aoi_id", "schema_version", "evaluated_on", "software", "model_id", "config_digest",
         "attribution")  # fmt: skip
MEMBERS = {*TEXTS, "revision", "is_simulated", "cadastre", "event_hash", "previous", "files"}


class DocumentError(ValueError):
    """A manifest or signature is not what it should be."""


def document_bytes(value: Mapping[str, object]) -> bytes:
    """Return a document in its one form: canonical JSON and a line end."""
    return (canonical_json(value) + "\n").encode()


def _no_twins(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """An object whose names are all different."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise DocumentError(f"the name {shown(name)} stands twice")
        found[name] = value
    return found


def _refuse(text: str) -> NoReturn:
    raise DocumentError(f"{text} is no number of JSON")


def strict_object(data: bytes) -> dict[str, object]:
    """Return the object of a document that is in its one form.

    Raises
    ------
    DocumentError
        It is no JSON object, a name stands twice, or it is written in another form.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_no_twins, parse_constant=_refuse)
    except DocumentError:
        raise
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"it is no JSON: {type(error).__name__}") from error
    if not isinstance(value, dict):
        raise DocumentError(f"found {type(value).__name__}, expected an object")
    if not _is_canonical(value, data):
        raise DocumentError("it is not in canonical form: sorted names, no spaces, one line")
    return value


def _is_canonical(value: Mapping[str, object], data: bytes) -> bool:
    """Whether a document is written in its one form; what has none, such as an infinite number, is not."""
    try:
        return document_bytes(value) == data
    except (ValueError, RecursionError):
        return False


def read_manifest(data: bytes) -> dict[str, Any]:
    """Return the manifest of a bundle, each member of its type.

    Raises
    ------
    DocumentError
        See `strict_object`; or a member is missing, too many, or of another type.
    """
    found = strict_object(data)
    if found.get("format") != FORMAT:
        raise DocumentError(f"its format is {shown(str(found.get('format')))}, expected {FORMAT}")
    if set(found) != MEMBERS:
        raise DocumentError(f"these members are missing or too many: {', '.join(sorted(map(shown, set(found) ^ MEMBERS)))}")
    faults = [name for name in TEXTS if not isinstance(found[name], str)]
    faults += [name for name, fits in _shapes(found) if not fits]
    if faults:
        raise DocumentError(f"these members are of another type or form than they should be: {', '.join(faults)}")
    return found


def _shapes(found: Mapping[str, object]) -> list[tuple[str, bool]]:
    """Whether the members that are no free texts have their form."""
    revision, cadastre, files = found["revision"], found["cadastre"], found["files"]
    return [
        ("alert_id", bool(ALERT_ID.fullmatch(str(found["alert_id"])))),
        ("evaluated_on", bool(DAY.fullmatch(str(found["evaluated_on"])))),
        ("revision", isinstance(revision, int) and not isinstance(revision, bool) and 0 < revision < 10**9),
        ("is_simulated", isinstance(found["is_simulated"], bool)),
        ("cadastre", isinstance(cadastre, list) and all(_is_hex(c) for c in cadastre)),
        ("event_hash", _is_hex(found["event_hash"])),
        ("previous", found["previous"] is None or _is_link(found["previous"])),
        ("files", isinstance(files, dict) and all(_is_listing(name, said) for name, said in files.items())),
    ]


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and HEX_64.fullmatch(value) is not None


def _is_link(value: object) -> bool:
    """Whether a value names the bundle before."""
    return (
        isinstance(value, dict) and set(value) == {"bundle", "manifest_sha256"} and _is_hex(value["manifest_sha256"])
        and isinstance(value["bundle"], str) and PLAIN_NAME.fullmatch(value["bundle"]) is not None
    )  # fmt: skip


def _is_listing(name: str, said: object) -> bool:
    """Whether a value is what a manifest says of a file, under a name that a file may have."""
    return (
        PLAIN_NAME.fullmatch(name) is not None and name not in UNSIGNED
        and isinstance(said, dict) and set(said) == {"sha256", "size"} and _is_hex(said["sha256"])
        and isinstance(said["size"], int) and not isinstance(said["size"], bool) and said["size"] >= 0
    )  # fmt: skip


def bundle_name(alert_id: str, revision: int) -> str:
    """Return the file name of the bundle of a revision.

    Examples
    --------
    >>> bundle_name("11111111-1111-5111-8111-111111111111", 2)
    '11111111-1111-5111-8111-111111111111-r2.zip'
    """
    return f"{alert_id}-r{revision}.zip"


def shown(text: str) -> str:
    r"""Return a text of a stranger as a terminal may show it: short, no control characters.

    Examples
    --------
    >>> shown("a\x1b[2J")
    'a\\x1b[2J'
    """
    return text[:120].encode("unicode_escape").decode()

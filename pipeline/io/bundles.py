"""Bundles on disk: verifying one, and the chain in which those of an area follow each other.

`chain.json` lists the bundles of an area in the order in which they were published; it only ever grows. A bundle is
written first and listed after, each file whole, and a bundle names the one before it. So a kill in between leaves one
bundle that follows the last of the list and is not on it, which the next reading puts there before anything else follows.
"""

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pipeline.errors import BundleAbsentError
from pipeline.evidence import Fault, Finding, Link, Status, Verification, verify_archive, with_token
from pipeline.evidence.archive import MAX_ARCHIVE_BYTES, ArchiveError, contents, read_entries
from pipeline.evidence.manifest import MANIFEST, MAX_MANIFEST_BYTES, DocumentError, read_manifest
from pipeline.io.outputs import write_whole

CHAIN = "chain.json"
EARLIER = "earlier"
"""Sub-folder of bundles whose place another one took: the area's history was told again."""


def verify_bundle(path: Path, public: Ed25519PublicKey | None, previous: Path | None = None) -> Verification:
    """Return what is known of a bundle; see `evidence.verify_archive`.

    Parameters
    ----------
    path : Path
    public : Ed25519PublicKey or None
        The key that must have signed it; None: only integrity is looked at.
    previous : Path or None
        The bundle that it must follow.

    Raises
    ------
    BundleAbsentError
        A path is no plain file, or cannot be read.
    """
    found = _verified(path, public)
    if previous is None or not found.manifest:
        return found
    before = _verified(previous, None)
    fault = _chain_fault(found.manifest["previous"], before, previous.name)
    if fault is None:
        note = Finding(Fault.NOTE, path.name, f"follows {previous.name}")
        return Verification(found.status, (*found.findings, note), found.manifest, found.manifest_sha256, found.signature)
    finding = Finding(Fault.CHAIN, path.name, fault)
    return Verification(
        Status.FAILED, (*found.findings, finding), found.manifest, found.manifest_sha256, found.signature
    )  # fmt: skip


def stamp_bundle(path: Path, token: Path) -> None:
    """Put an RFC 3161 token into a bundle.

    Raises
    ------
    BundleAbsentError, BundleInvalidError
        A file is absent; or the bundle is damaged, or the token is of another one.
    """
    for given in (path, token):
        if not given.is_file() or given.stat().st_size > MAX_ARCHIVE_BYTES:
            raise BundleAbsentError(f"{given}: found no plain file of at most {MAX_ARCHIVE_BYTES} bytes; give bundle and token")
    write_whole(path, with_token(path.read_bytes(), token.read_bytes()))


def _verified(path: Path, public: Ed25519PublicKey | None) -> Verification:
    """What is known of a bundle by itself."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise BundleAbsentError(f"{path}: found no plain file, expected an evidence bundle, a zip")
        with path.open("rb") as file:
            return verify_archive(file, facts.st_size, path.name, public)
    except OSError as error:
        raise BundleAbsentError(f"{path}: {error.strerror}; expected an evidence bundle, a zip") from error


def _chain_fault(link: Mapping[str, str] | None, before: Verification, name: str) -> str | None:
    """What keeps a bundle from following another, or None."""
    if before.status is Status.FAILED:
        return f"{name}, which it should follow, is FAILED itself; verify that one"
    if link is None:
        return f"it says that it is the first of its area, and so follows none; found {name}"
    if link["manifest_sha256"] != before.manifest_sha256:
        return f"it follows {link['bundle']} with manifest {link['manifest_sha256']}; found {before.manifest_sha256} in {name}"
    return None


# --- the chain -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """One bundle in the chain of an area."""

    bundle: str
    manifest_sha256: str
    previous: str | None
    """`manifest_sha256` of the one before; None for the first."""

    @property
    def link(self) -> Link:
        """The bundle, as the next one names it."""
        return Link(self.bundle, self.manifest_sha256)


def read_chain(folder: Path) -> list[ChainEntry]:
    """Return the chain of a folder of bundles, with those that a kill kept from being listed."""
    listed = _listed(folder / CHAIN)
    known = {e.manifest_sha256 for e in listed}
    following: dict[str | None, ChainEntry] = {}
    for path in sorted(folder.glob("**/*.zip")):
        entry = _entry(path)
        if entry is not None and entry.manifest_sha256 not in known:
            following.setdefault(entry.previous, entry)
    chain = list(listed)
    while (entry := following.pop(chain[-1].manifest_sha256 if chain else None, None)) is not None:
        chain.append(entry)
    if len(chain) > len(listed):
        write_chain(folder, chain)
    return chain


def _listed(path: Path) -> list[ChainEntry]:
    """What is listed; nothing where the list is absent or damaged, for the bundles themselves tell it again."""
    try:
        return [ChainEntry(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def write_chain(folder: Path, chain: list[ChainEntry]) -> None:
    """Write the list whole."""
    lines = ",\n".join(json.dumps(asdict(entry)) for entry in chain)
    write_whole(folder / CHAIN, f"[\n{lines}\n]\n")


def _entry(path: Path) -> ChainEntry | None:
    """The entry of a bundle on disk, or None where its manifest cannot be read."""
    try:
        with path.open("rb") as file:
            return chain_entry(file, path.stat().st_size, path.name)
    except (OSError, ArchiveError, DocumentError):
        return None


def chain_entry(file: BinaryIO, length: int, name: str) -> ChainEntry:
    """Return the entry of a bundle by its manifest.

    Raises
    ------
    ArchiveError, DocumentError
        It is no bundle, or damaged.
    """
    first = next((e for e in read_entries(file, length) if e.name == MANIFEST), None)
    if first is None:
        raise ArchiveError(f"has no {MANIFEST}")
    data = b"".join(contents(file, first, MAX_MANIFEST_BYTES))
    link = read_manifest(data)["previous"]
    previous = str(link["manifest_sha256"]) if isinstance(link, dict) else None
    return ChainEntry(name, hashlib.sha256(data).hexdigest(), previous)

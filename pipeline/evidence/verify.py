"""Verifying a bundle: whether every byte of it is one that was signed, and if not, which file is wrong and how.

Nothing is fetched and nothing is unpacked to disk. What is read is bounded before it is read: the number of files, each
file, all of them, and the documents that are held in memory.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pipeline.evidence.archive import (
    ENCRYPTED_FLAGS,
    MAX_ARCHIVE_BYTES,
    MAX_FILE_BYTES,
    MAX_TOTAL_BYTES,
    STORED,
    ArchiveError,
    Digest,
    Entry,
    TooLargeError,
    digest_of,
    form_fault,
    read_entries,
)
from pipeline.evidence.manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    MAX_SIGNATURE_BYTES,
    MAX_TOKEN_BYTES,
    PLAIN_NAME,
    SIGNATURE,
    TOKEN,
    UNSIGNED,
    DocumentError,
    bundle_name,
    read_manifest,
    shown,
)
from pipeline.evidence.signing import Signature, key_id, read_signature

_Document = TypeVar("_Document")


class Status(StrEnum):
    """What is known of a bundle."""

    VERIFIED = "VERIFIED"
    """Every byte is one that the key signed."""
    INTEGRITY_ONLY = "INTEGRITY ONLY"
    """Files and manifest agree; who made them was not checked, because no key was given."""
    FAILED = "FAILED"
    """Something is missing, changed, too many, or not signed by the key."""


class Fault(StrEnum):
    """Kinds of what is wrong with a bundle."""

    MISSING = "missing"
    CHANGED = "changed"
    EXTRA = "extra"
    RENAMED = "renamed"
    DUPLICATE = "duplicate name"
    NAME = "unsafe name"
    ENCRYPTED = "encrypted"
    COMPRESSED = "compressed"
    LINK = "no plain file"
    SIZE = "too large"
    UNREADABLE = "unreadable"
    FORM = "altered zip"
    MANIFEST = "bad manifest"
    OTHER_BUNDLE = "another bundle"
    SIGNATURE = "bad signature"
    CHAIN = "broken chain"
    NOTE = "note"
    """Nothing wrong; something to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    fault: Fault
    subject: str
    """File that it is about."""
    text: str

    @property
    def line(self) -> str:
        """The finding as one line that a terminal can show."""
        return f"{self.fault}: {shown(self.subject)}: {self.text}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What is known of a bundle, and why."""

    status: Status
    findings: tuple[Finding, ...]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """Empty where it could not be read."""
    manifest_sha256: str | None = None
    signature: Signature | None = None


def verify_archive(file: BinaryIO, length: int, name: str, public: Ed25519PublicKey | None) -> Verification:
    """Return what is known of a bundle.

    Parameters
    ----------
    file : binary file
        Open for reading, seekable.
    length : int
        Its bytes.
    name : str
        Its file name, which tells whose bundle it says it is.
    public : Ed25519PublicKey or None
        The key that must have signed it; None: only integrity is looked at.

    Notes
    -----
    A bundle without signature is INTEGRITY ONLY where no key is given, and FAILED where one is: a signature that was taken
    away must not pass for one that was never there.
    """
    if length > MAX_ARCHIVE_BYTES:
        return _failed(Finding(Fault.SIZE, name, f"found {length} bytes, expected at most {MAX_ARCHIVE_BYTES}"))
    try:
        entries = read_entries(file, length)
    except ArchiveError as error:
        return _failed(Finding(Fault.UNREADABLE, name, str(error)))
    findings = [*_entry_faults(entries)]
    read = _read(file, entries, findings)
    manifest = _document(read, MANIFEST, read_manifest, Fault.MANIFEST, findings)
    signature = _document(read, SIGNATURE, read_signature, Fault.SIGNATURE, findings) if SIGNATURE in read else None
    if manifest is not None:
        findings += [*_file_faults(manifest["files"], read), *_identity_faults(manifest, name)]
        findings += _signature_faults(read, signature, public)
        findings += _token_findings(read)
    form = form_fault(file, length, entries, read) if len(read) == len(entries) else None
    if form:
        findings.append(Finding(Fault.FORM, name, form))
    is_failed = any(f.fault is not Fault.NOTE for f in findings) or len(read) != len(entries)
    status = Status.FAILED if is_failed else Status.INTEGRITY_ONLY if public is None else Status.VERIFIED
    digest = read[MANIFEST].sha256 if MANIFEST in read else None
    return Verification(status, tuple(findings), manifest or {}, digest, signature)


def _failed(finding: Finding) -> Verification:
    return Verification(Status.FAILED, (finding,))


# --- the zip ---------------------------------------------------------------------------------------------------------


def _entry_faults(entries: Sequence[Entry]) -> Iterator[Finding]:
    """What the directory alone shows to be wrong."""
    for name, count in Counter(e.name for e in entries).items():
        if count > 1:
            yield Finding(Fault.DUPLICATE, name, f"stands {count} times in the zip, expected once")
    for folded, count in Counter(n.casefold() for n in {e.name for e in entries}).items():
        if count > 1:
            yield Finding(Fault.DUPLICATE, folded, f"{count} names in the zip differ in their case alone")
    for entry in entries:
        if not PLAIN_NAME.fullmatch(entry.name):
            yield Finding(Fault.NAME, entry.name, "found an absolute, climbing or odd name, expected a plain relative one")
        if entry.flags & ENCRYPTED_FLAGS:
            yield Finding(Fault.ENCRYPTED, entry.name, "the entry is encrypted; bundles never are")
        if entry.method != STORED:
            yield Finding(Fault.COMPRESSED, entry.name, f"packed by method {entry.method}; bundles store files as they are")
        if entry.mode & 0o170000 not in {0, 0o100000}:
            yield Finding(Fault.LINK, entry.name, "the entry is a symbolic link, folder or device, expected a plain file")


HELD = {MANIFEST: MAX_MANIFEST_BYTES, SIGNATURE: MAX_SIGNATURE_BYTES, TOKEN: MAX_TOKEN_BYTES}
"""Files that are held in memory, with the most bytes that each may have."""


def _read(file: BinaryIO, entries: Sequence[Entry], findings: list[Finding]) -> dict[str, Digest]:
    """Digests of the entries by name, the first of each name; what cannot be read becomes a finding."""
    read: dict[str, Digest] = {}
    left = MAX_TOTAL_BYTES
    for entry in entries:
        if entry.name in read:
            continue
        limit = min(HELD.get(entry.name, MAX_FILE_BYTES), left)
        try:
            read[entry.name] = digest_of(file, entry, limit=limit, is_kept=entry.name in HELD)
        except ArchiveError as error:
            fault = Fault.SIZE if isinstance(error, TooLargeError) else Fault.UNREADABLE
            findings.append(Finding(fault, entry.name, str(error)))
            left -= entry.size if entry.size <= limit else 0
            continue
        left -= read[entry.name].size
    return read


def _document(
    read: Mapping[str, Digest], name: str, reader: Callable[[bytes], _Document], fault: Fault, findings: list[Finding]
) -> _Document | None:
    """A document of the bundle, or None and a finding."""
    if name not in read:
        findings.append(Finding(Fault.MISSING, name, "the bundle has none; nothing says what belongs to it"))
        return None
    try:
        return reader(read[name].held)
    except DocumentError as error:
        findings.append(Finding(fault, name, str(error)))
        return None


# --- files and identity ----------------------------------------------------------------------------------------------


def _file_faults(listed: Mapping[str, Mapping[str, Any]], read: Mapping[str, Digest]) -> Iterator[Finding]:
    """How the files of the zip differ from those of the manifest."""
    names = {said["sha256"]: name for name, said in sorted(listed.items(), reverse=True)}
    missing = [name for name in sorted(listed) if name not in read]
    extra = {name: read[name].sha256 for name in sorted(read) if name not in listed and name not in UNSIGNED}
    for name in missing:
        now = next((n for n, sha in extra.items() if sha == listed[name]["sha256"]), None)
        if now is None:
            yield Finding(Fault.MISSING, name, "the manifest lists it, the bundle does not have it")
        else:
            del extra[now]
            yield Finding(Fault.RENAMED, name, f"its bytes stand under the name {shown(now)}")
    for name in extra:
        yield Finding(Fault.EXTRA, name, "the manifest does not list it")
    for name, said in sorted(listed.items()):
        if name in read and (read[name].sha256, read[name].size) != (said["sha256"], said["size"]):
            owner = names.get(read[name].sha256)
            whose = f"; these are the bytes of {owner}" if owner else ""
            yield Finding(
                Fault.CHANGED, name,
                f"found {read[name].size} bytes with SHA-256 {read[name].sha256}, expected {said['size']} with "
                f"{said['sha256']}{whose}",
            )  # fmt: skip


def _identity_faults(manifest: Mapping[str, Any], name: str) -> Iterator[Finding]:
    """Whether the manifest is that of the bundle of this name."""
    wanted = bundle_name(manifest["alert_id"], manifest["revision"])
    if name != wanted:
        yield Finding(
            Fault.OTHER_BUNDLE, MANIFEST,
            f"it is the manifest of {wanted}, found in a file named {shown(name)}; where the file was only renamed, give it "
            "its name back",
        )  # fmt: skip


# --- signature and token ---------------------------------------------------------------------------------------------


def _signature_faults(
    read: Mapping[str, Digest], signature: Signature | None, public: Ed25519PublicKey | None
) -> Iterator[Finding]:
    """What is wrong with the signature, or what was not looked at."""
    if signature is None:
        if SIGNATURE not in read and public is not None:
            yield Finding(Fault.MISSING, SIGNATURE, "the bundle is not signed, and a key was given")
        elif SIGNATURE not in read:
            yield Finding(Fault.NOTE, SIGNATURE, "the bundle is not signed: nothing shows who made it")
        return
    if signature.manifest_sha256 != read[MANIFEST].sha256:
        yield Finding(Fault.OTHER_BUNDLE, SIGNATURE, "it is the signature of another manifest")
    if public is None:
        yield Finding(Fault.NOTE, SIGNATURE, f"signed by key {signature.key_id}, which was not checked: no key was given")
    elif signature.key_id != key_id(public):
        yield Finding(
            Fault.SIGNATURE, SIGNATURE,
            f"it says it was made by key {signature.key_id}, the key that was given is {key_id(public)}",
        )  # fmt: skip
    elif not signature.holds(read[MANIFEST].held, public):
        yield Finding(Fault.SIGNATURE, SIGNATURE, "it is not this key's signature of this manifest and these times")


def _token_findings(read: Mapping[str, Digest]) -> Iterator[Finding]:
    """What can be said of a timestamp token without the certificates of its authority."""
    if TOKEN not in read:
        return
    if hashlib.sha256(read[MANIFEST].held).digest() not in read[TOKEN].held:
        yield Finding(Fault.OTHER_BUNDLE, TOKEN, "the token does not carry the SHA-256 of this manifest")
    else:
        yield Finding(Fault.NOTE, TOKEN, "present, carries the manifest's SHA-256; its authority's signature was not checked")

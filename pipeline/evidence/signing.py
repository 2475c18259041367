"""Signatures: Ed25519 over a manifest and its instants, and statements by which one key hands over to the next.

Everything that is signed begins with a line that says what it is, so that a signature of one kind is none of another.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pipeline.evidence.manifest import FORMAT, HEX_64, HEX_128, INSTANT, DocumentError, document_bytes, shown, strict_object
from pipeline.provenance import canonical_json

ALGORITHM = "Ed25519"
ROTATION = "overburden key rotation 1"


def key_id(public: Ed25519PublicKey) -> str:
    """Return the id of a key: SHA-256 (hex) of the 32 bytes of its public half."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()


def instant(moment: datetime) -> str:
    """Return a time as UTC text to the second.

    Examples
    --------
    >>> instant(datetime(2024, 4, 10, 3, 15, tzinfo=UTC))
    '2024-04-10T03:15:00Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _message(manifest: bytes, read_at: str, signed_at: str) -> bytes:
    """What is signed: a line each for what it is and the two instants, then the manifest."""
    return f"{FORMAT}\n{read_at}\n{signed_at}\n".encode() + manifest


def signature_bytes(manifest: bytes, key: Ed25519PrivateKey, *, read_at: datetime, signed_at: datetime) -> bytes:
    """Return `signature.json` for the exact bytes of a manifest.

    Parameters
    ----------
    manifest : bytes
    key : Ed25519PrivateKey
    read_at : datetime
        When reading the scenes for the bundle began.
    signed_at : datetime
    """
    read, signed = instant(read_at), instant(signed_at)
    return document_bytes({
        "algorithm": ALGORITHM,
        "key_id": key_id(key.public_key()),
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "read_at": read,
        "signed_at": signed,
        "signature": key.sign(_message(manifest, read, signed)).hex(),
    })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signature:
    """What a `signature.json` says."""

    key_id: str
    manifest_sha256: str
    read_at: str
    signed_at: str
    signature: str

    def holds(self, manifest: bytes, public: Ed25519PublicKey) -> bool:
        """Return whether it is this key's signature of this manifest and these instants."""
        return _is_signed(public, self.signature, _message(manifest, self.read_at, self.signed_at))


def read_signature(data: bytes) -> Signature:
    """Return what a `signature.json` says.

    Raises
    ------
    DocumentError
        It is no such document, or is for another algorithm.
    """
    found = strict_object(data)
    if set(found) != {"algorithm", "key_id", "manifest_sha256", "read_at", "signed_at", "signature"}:
        raise DocumentError(f"it has other members than it should: {', '.join(map(shown, found))}")
    if found["algorithm"] != ALGORITHM:
        raise DocumentError(f"its algorithm is {shown(str(found['algorithm']))}, expected {ALGORITHM}")
    forms = {"key_id": HEX_64, "manifest_sha256": HEX_64, "read_at": INSTANT, "signed_at": INSTANT, "signature": HEX_128}
    texts = {name: str(found[name]) for name in forms}
    faults = [name for name, form in forms.items() if not form.fullmatch(texts[name]) or texts[name] != found[name]]
    if faults:
        raise DocumentError(f"these members are of another form than they should be: {', '.join(faults)}")
    return Signature(**texts)


def _is_signed(public: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    """Whether a signature (hex) of a message is a key's."""
    try:
        public.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- one key hands over to the next ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rotation:
    """A statement by which a key names the one after it, signed by both."""

    old_key_id: str
    new_key_id: str
    new_public: str
    """The 32 bytes of the new public key, hex."""
    on: str
    by_old: str
    """Signature (hex) by the old key: it hands over."""
    by_new: str
    """Signature (hex) by the new key: whoever holds it took over."""


def _statement(old: str, new: str, new_public: str, on: str) -> bytes:
    """What both keys sign."""
    said = {"new_key_id": new, "new_public": new_public, "old_key_id": old, "on": on}
    return f"{ROTATION}\n{canonical_json(said)}\n".encode()


def rotate(old: Ed25519PrivateKey, new: Ed25519PrivateKey, on: date) -> Rotation:
    """Return the statement by which a key hands over to another on a day."""
    old_id, new_id = key_id(old.public_key()), key_id(new.public_key())
    new_public = new.public_key().public_bytes_raw().hex()
    said = _statement(old_id, new_id, new_public, on.isoformat())
    return Rotation(old_id, new_id, new_public, on.isoformat(), old.sign(said).hex(), new.sign(said).hex())


def trusted(public: Ed25519PublicKey, rotations: Sequence[Rotation]) -> list[Ed25519PublicKey]:
    """Return the keys that follow from one that is trusted: itself, the one that it handed over to, and so on.

    A statement that does not hold is passed over, and so is one by which a key would hand over a second time.
    """
    chain = [public]
    for said in rotations:
        last = chain[-1]
        if said.old_key_id != key_id(last):
            continue
        try:
            new = Ed25519PublicKey.from_public_bytes(bytes.fromhex(said.new_public))
        except ValueError:
            continue
        message = _statement(said.old_key_id, said.new_key_id, said.new_public, said.on)
        is_whole = said.new_key_id == key_id(new) and _is_signed(new, said.by_new, message)
        if is_whole and _is_signed(last, said.by_old, message):
            chain.append(new)
    return chain

"""Signing keys on disk: one private key in use, and a keyring of every public key that ever was.

The folder holds `key-<id>.pem` (PKCS8, mode 0600) and `keyring.json`. A file is written whole, the key before the keyring
that names it, so that a kill leaves the old state or the new one.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from pipeline.errors import KeyExistsError, KeyExposedError, KeyInvalidError, KeyMissingError
from pipeline.evidence import Rotation, key_id, rotate
from pipeline.io.outputs import write_whole

PASSPHRASE = "OVERBURDEN_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable of the environment, no passphrase
KEYRING = "keyring.json"
SHORT = 16
"""Digits of a key's id in the names of its files."""
MAX_KEY_BYTES = 16 * 2**10
IN_USE, ROTATED, LOST = "in use", "rotated", "lost"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One key of the keyring; its public half."""

    key_id: str
    public: str
    """The 32 bytes, hex."""
    from_on: str
    to_on: str | None
    """Day on which it stopped signing."""
    state: str
    """`in use`, `rotated` (it handed over to the next) or `lost` (its private half was gone)."""

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The public half."""
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public))

    @property
    def short(self) -> str:
        """First digits of its id."""
        return self.key_id[:SHORT]


@dataclass(frozen=True, slots=True)
class Keyring:
    """Every key, oldest first, and the statements by which they handed over."""

    keys: tuple[KnownKey, ...] = ()
    rotations: tuple[Rotation, ...] = ()

    @property
    def current(self) -> KnownKey | None:
        """The key in use."""
        return next((k for k in self.keys if k.state == IN_USE), None)


# --- files -----------------------------------------------------------------------------------------------------------


def private_file(folder: Path, known: KnownKey) -> Path:
    """Return where the private half of a key lies."""
    return folder / f"key-{known.short}.pem"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder, made when absent, for as long as the block runs; others wait."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise KeyInvalidError(
            f"{folder}: {error.strerror}; expected a folder that this user may write keys to: name another as delivery.keys"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_keyring(folder: Path) -> Keyring:
    """Return the keyring of a folder; an empty one where there is none.

    Raises
    ------
    KeyInvalidError
        It cannot be read.
    """
    path = folder / KEYRING
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        ring = Keyring(
            tuple(KnownKey(**key) for key in document["keys"]), tuple(Rotation(**said) for said in document["rotations"])
        )
        wrong = [k.key_id for k in ring.keys if key_id(k.public_key) != k.key_id]
    except FileNotFoundError:
        return Keyring()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeyInvalidError(
            f"{path}: {error}; expected the keyring that `overburden keys` writes: put it back from a backup"
        ) from error
    if wrong:
        raise KeyInvalidError(
            f"{path}: public keys do not have the ids {', '.join(wrong)} beside them; put it back from a backup"
        )
    return ring


def _write_keyring(folder: Path, ring: Keyring) -> None:
    """Write a keyring whole."""
    document = {"keys": [asdict(k) for k in ring.keys], "rotations": [asdict(r) for r in ring.rotations]}
    write_whole(folder / KEYRING, json.dumps(document, indent=1) + "\n", mode=0o600)


def _passphrase() -> bytes | None:
    """The passphrase of private keys, where the environment has one."""
    return os.environ.get(PASSPHRASE, "").encode() or None


def _write_private(folder: Path, known: KnownKey, key: Ed25519PrivateKey) -> None:
    """Write a private key that only its owner can read."""
    word = _passphrase()
    how: KeySerializationEncryption = BestAvailableEncryption(word) if word else NoEncryption()
    write_whole(private_file(folder, known), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how), mode=0o600)


def _read_private(folder: Path, known: KnownKey) -> Ed25519PrivateKey:
    """The private half of a key."""
    path = private_file(folder, known)
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise KeyExposedError(
                f"{path}: found mode {mode & 0o777:04o}, others can reach the private key; expected 0600: run `chmod 600 "
                f"{path}`, and where others may have read it `overburden keys rotate`"
            )
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise KeyMissingError(
            f"{path}: found no private key {known.short}, which {KEYRING} says is in use; put it back from a backup, or make "
            "another with `overburden keys new`: old bundles stay verifiable, docs/evidence.md says how"
        ) from error
    except OSError as error:
        raise KeyInvalidError(f"{path}: {error.strerror}; expected a private key that this user can read") from error
    key = _decoded(path, data)
    if key_id(key.public_key()) != known.key_id:
        raise KeyInvalidError(f"{path}: found the private half of another key than {known.short}; put the right file back")
    return key


def _decoded(path: Path, data: bytes) -> Ed25519PrivateKey:
    """The private key of a PEM file, with the passphrase where it needs one."""
    word = _passphrase()
    try:
        is_open = b"ENCRYPTED" not in data[:64]
        key = load_pem_private_key(data, None if is_open else word)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise KeyInvalidError(
            f"{path}: the private key cannot be opened; expected PKCS8 as `overburden keys` writes it, and its passphrase in "
            f"{PASSPHRASE} where it has one"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyInvalidError(f"{path}: found a key of another kind, expected Ed25519")
    return key


# --- making, rotating, signing ---------------------------------------------------------------------------------------


def _known(key: Ed25519PrivateKey, day: date) -> KnownKey:
    """A new key of the keyring."""
    public = key.public_key()
    return KnownKey(key_id(public), public.public_bytes_raw().hex(), day.isoformat(), None, IN_USE)


def _ended(ring: Keyring, day: date, state: str) -> tuple[KnownKey, ...]:
    """The keys, none of them in use any more."""
    return tuple(replace(k, to_on=day.isoformat(), state=state) if k.state == IN_USE else k for k in ring.keys)


def new_key(folder: Path, day: date) -> KnownKey:
    """Make a key where none is in use, or the private half of that one is lost; return its public half.

    Raises
    ------
    KeyExistsError
        A key is in use and its private half is there.
    KeyInvalidError
        The keyring cannot be read.
    """
    with _locked(folder):
        ring = read_keyring(folder)
        if ring.current is not None and private_file(folder, ring.current).exists():
            raise KeyExistsError(
                f"{folder}: found key {ring.current.short} in use since {ring.current.from_on}, expected none; to change it, "
                "run `overburden keys rotate`"
            )
        return _put_new(folder, ring, day)


def _put_new(folder: Path, ring: Keyring, day: date) -> KnownKey:
    """Make a key to which none hands over; one that lies there without a keyring is taken up."""
    left = [] if ring.keys else sorted(folder.glob("key-*.pem"))
    if left:
        known = _known(_decoded(left[0], left[0].read_bytes()), day)
    else:
        key = Ed25519PrivateKey.generate()
        known = _known(key, day)
        _write_private(folder, known, key)
    _write_keyring(folder, replace(ring, keys=(*_ended(ring, day, LOST), known)))
    return known


def rotate_key(folder: Path, day: date) -> KnownKey:
    """Let the key in use hand over to a new one, and remove its private half; return the new public half.

    Raises
    ------
    KeyMissingError, KeyExposedError, KeyInvalidError
        There is no key in use, or it cannot be used.
    """
    with _locked(folder):
        ring = read_keyring(folder)
        if ring.current is None:
            raise KeyMissingError(f"{folder}: found no key in use; make the first with `overburden keys new`")
        old, key = _read_private(folder, ring.current), Ed25519PrivateKey.generate()
        known = _known(key, day)
        _write_private(folder, known, key)
        rotations = (*ring.rotations, rotate(old, key, day))
        _write_keyring(folder, Keyring((*_ended(ring, day, ROTATED), known), rotations))
        _drop_retired(folder, read_keyring(folder))
        return known


def _drop_retired(folder: Path, ring: Keyring) -> None:
    """Remove private keys that handed over: all that they could still do is to date a signature back."""
    for known in ring.keys:
        if known.state == ROTATED:
            private_file(folder, known).unlink(missing_ok=True)


def signing_key(folder: Path, day: date) -> tuple[Ed25519PrivateKey, KnownKey, bool]:
    """Return the key in use, its public half, and whether it was made just now because there was none.

    Raises
    ------
    KeyMissingError, KeyExposedError, KeyInvalidError
        There was a key, and it cannot be used.
    """
    with _locked(folder):
        ring = read_keyring(folder)
        is_new = not ring.keys
        known = _put_new(folder, ring, day) if is_new else ring.current
        if known is None:
            raise KeyMissingError(f"{folder}: found no key in use in {KEYRING}; make one with `overburden keys new`")
        _drop_retired(folder, ring)
        return _read_private(folder, known), known, is_new


def usable_key(folder: Path) -> KnownKey | None:
    """Return the key in use after opening its private half; None where there is no key yet. Nothing is written.

    Raises
    ------
    KeyMissingError, KeyExposedError, KeyInvalidError
        There is a key, and it cannot be used.
    """
    current = read_keyring(folder).current
    if current is not None:
        _read_private(folder, current)
    return current


# --- public keys -----------------------------------------------------------------------------------------------------


def public_pem(public: Ed25519PublicKey) -> bytes:
    """Return a public key as PEM."""
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_public(path: Path) -> Ed25519PublicKey:
    """Return the public key of a PEM file.

    Raises
    ------
    KeyInvalidError
        It is absent, no PEM, a private key, or a key of another kind.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEY_BYTES)
        key = load_pem_public_key(data)
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        why = error.strerror if isinstance(error, OSError) else "no public key in PEM"
        raise KeyInvalidError(
            f"{path}: {why}; expected the signing-key.pub that was published with the bundles, never a private key"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyInvalidError(f"{path}: found a public key of another kind, expected Ed25519")
    return key


CURRENT_FILE = "signing-key.pub"
ROTATIONS_FILE = "key-rotations.json"


def publish_keys(folder: Path, ring: Keyring) -> None:
    """Write the public keys beside the bundles: the one in use, the older ones by their id, and the rotations.

    What was published before stays: where another key lies under the name of the one in use, it gets its own name first.
    """
    current = folder / CURRENT_FILE
    if ring.current is not None:
        _keep_published(folder, ring.current)
        _write_changed(current, public_pem(ring.current.public_key))
    for known in ring.keys:
        if known.state != IN_USE:
            _write_changed(_older_file(folder, known.key_id), public_pem(known.public_key))
    if ring.rotations:
        text = json.dumps([asdict(said) for said in ring.rotations], indent=1) + "\n"
        _write_changed(folder / ROTATIONS_FILE, text.encode())


def _older_file(folder: Path, id_: str) -> Path:
    """Where an older public key is published."""
    return folder / f"signing-key-{id_[:SHORT]}.pub"


def _keep_published(folder: Path, current: KnownKey) -> None:
    """Give a key that is published as the one in use, and no longer is, a name of its own."""
    try:
        before = read_public(folder / CURRENT_FILE)
    except KeyInvalidError:
        return
    if key_id(before) != current.key_id:
        _write_changed(_older_file(folder, key_id(before)), public_pem(before))


def _write_changed(path: Path, data: bytes) -> None:
    """Write a file unless it holds these bytes."""
    if not path.exists() or path.read_bytes() != data:
        write_whole(path, data)


def published_keys(folder: Path, ring: Keyring) -> dict[str, Ed25519PublicKey]:
    """Return every key that is known, by id: those of the keyring and those that were published beside the bundles."""
    known = {k.key_id: k.public_key for k in ring.keys}
    for path in sorted(folder.glob("signing-key*.pub")):
        try:
            public = read_public(path)
        except KeyInvalidError:
            continue
        known.setdefault(key_id(public), public)
    return known


def read_rotations(path: Path) -> Sequence[Rotation]:
    """Return the statements of a published `key-rotations.json`.

    Raises
    ------
    KeyInvalidError
        It cannot be read.
    """
    try:
        return tuple(Rotation(**said) for said in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise KeyInvalidError(f"{path}: {error}; expected the {ROTATIONS_FILE} that was published with the bundles") from error

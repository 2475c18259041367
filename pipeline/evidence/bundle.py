"""Building a bundle: files and facts in, the bytes of a zip out, the same for the same inputs and instants."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.errors import BundleInvalidError
from pipeline.evidence.archive import (
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    ArchiveError,
    digest_of,
    form_fault,
    read_entries,
    zip_bytes,
)
from pipeline.evidence.manifest import (
    FORMAT,
    MANIFEST,
    MAX_TOKEN_BYTES,
    PLAIN_NAME,
    README,
    SIGNATURE,
    SUMS,
    TOKEN,
    UNSIGNED,
    DocumentError,
    bundle_name,
    document_bytes,
    read_manifest,
)
from pipeline.evidence.signing import signature_bytes


@dataclass(frozen=True, slots=True)
class Link:
    """The bundle before, in the order of publication of one area."""

    bundle: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What a manifest says besides its files."""

    alert_id: str
    revision: int
    site_id: str
    aoi_id: str
    schema_version: str
    """Version of the table of alert properties."""
    evaluated_on: date
    software: str
    model_id: str
    config_digest: str
    cadastre: Sequence[str]
    """SHA-256 of each file or snapshot of titles that was laid over the site."""
    event_hash: str
    """Hash of the event in the store by which the revision was told."""
    attribution: str
    is_simulated: bool

    @property
    def name(self) -> str:
        """File name of the bundle."""
        return bundle_name(self.alert_id, self.revision)


def manifest_bytes(files: Mapping[str, bytes], facts: BundleFacts, previous: Link | None) -> bytes:
    """Return `manifest.json` of a bundle.

    Raises
    ------
    BundleInvalidError
        A name, a size or a fact is not what a bundle may hold.
    """
    link = None if previous is None else {"bundle": previous.bundle, "manifest_sha256": previous.manifest_sha256}
    data = document_bytes({
        "format": FORMAT, "alert_id": facts.alert_id, "revision": facts.revision, "site_id": facts.site_id,
        "aoi_id": facts.aoi_id, "schema_version": facts.schema_version, "evaluated_on": facts.evaluated_on.isoformat(),
        "software": facts.software, "model_id": facts.model_id, "config_digest": facts.config_digest,
        "cadastre": list(facts.cadastre), "event_hash": facts.event_hash, "attribution": facts.attribution,
        "is_simulated": facts.is_simulated, "previous": link,
        "files": {n: {"sha256": hashlib.sha256(held).hexdigest(), "size": len(held)} for n, held in files.items()},
    })  # fmt: skip
    try:
        read_manifest(data)
    except DocumentError as error:
        raise BundleInvalidError(f"{facts.name}: its manifest would not be read again: {error}") from error
    return data


def build_bundle(
    files: Mapping[str, bytes], facts: BundleFacts, *, previous: Link | None, key: Ed25519PrivateKey | None,
    read_at: datetime, signed_at: datetime,
) -> bytes:  # fmt: skip
    """Return the zip of a bundle: manifest, signature, then the files, `README.txt` and `SHA256SUMS` by name.

    The same files and facts give the same bytes, `signature.json` excepted, which has the instants.

    Parameters
    ----------
    files : mapping of str to bytes
        Plain relative names; documents such as a report are among them.
    facts : BundleFacts
    previous : Link or None
        None for the first bundle of an area.
    key : Ed25519PrivateKey or None
        None leaves the bundle unsigned.
    read_at, signed_at : datetime
        When reading the scenes began, and now.

    Raises
    ------
    BundleInvalidError
        A name is not plain, stands for something else in a bundle, or differs from another in its case alone; or
        there are too many files or bytes.
    """
    _check(files, facts)
    whole = dict(files)
    whole[README] = _readme(facts, files).encode()
    sums = "".join(f"{hashlib.sha256(held).hexdigest()}  {name}\n" for name, held in sorted(whole.items()))
    whole[SUMS] = sums.encode()
    manifest = manifest_bytes(whole, facts, previous)
    signed = {} if key is None else {SIGNATURE: signature_bytes(manifest, key, read_at=read_at, signed_at=signed_at)}
    return zip_bytes({MANIFEST: manifest, **signed, **dict(sorted(whole.items()))})


def _check(files: Mapping[str, bytes], facts: BundleFacts) -> None:
    """Raise where files cannot be in a bundle."""
    wrong = [n for n in files if not PLAIN_NAME.fullmatch(n) or n in {*UNSIGNED, README, SUMS}]
    folded = {n.casefold() for n in [*files, *UNSIGNED, README, SUMS]}
    if wrong or len(folded) != len(files) + len(UNSIGNED) + 2:
        raise BundleInvalidError(
            f"{facts.name}: found file names {', '.join(wrong or files)}, expected plain relative names that differ in more "
            f"than their case and are none of {', '.join([*UNSIGNED, README, SUMS])}; rename them"
        )
    sizes = [len(held) for held in files.values()]
    if len(files) + len(UNSIGNED) + 2 > MAX_FILES or max(sizes, default=0) > MAX_FILE_BYTES or sum(sizes) > MAX_TOTAL_BYTES:
        raise BundleInvalidError(
            f"{facts.name}: found {len(files)} files of {sum(sizes)} bytes, the largest of {max(sizes, default=0)}; expected "
            f"at most {MAX_FILES}, {MAX_TOTAL_BYTES} and {MAX_FILE_BYTES}; leave documents out"
        )


def with_token(bundle: bytes, token: bytes) -> bytes:
    """Return a bundle with an RFC 3161 token over its manifest, `timestamp.tsr`, in place of one that it may have.

    Raises
    ------
    BundleInvalidError
        The bundle is damaged, or the token does not carry the SHA-256 of its manifest.
    """
    file = io.BytesIO(bundle)
    try:
        entries = read_entries(file, len(bundle))
        digests = {e.name: digest_of(file, e, limit=MAX_FILE_BYTES, is_kept=True) for e in entries}
        fault = form_fault(file, len(bundle), entries, digests)
    except ArchiveError as error:
        raise BundleInvalidError(f"the bundle {error}; take a token for a bundle that verifies") from error
    if fault or not entries or entries[0].name != MANIFEST:
        raise BundleInvalidError(f"{fault or 'the zip is no bundle'}; take a token for a bundle that verifies")
    files = {name: digest.held for name, digest in digests.items() if name != TOKEN}
    if len(token) > MAX_TOKEN_BYTES or hashlib.sha256(files[MANIFEST]).digest() not in token:
        raise BundleInvalidError(
            f"found a token of {len(token)} bytes without the SHA-256 of this bundle's {MANIFEST}; ask the authority for one "
            f"with `openssl ts -query -data {MANIFEST} -sha256 -cert`"
        )
    return zip_bytes({**files, TOKEN: token})


# --- words -----------------------------------------------------------------------------------------------------------

MEANINGS = {
    "before.png": "the last good look before the change, true colour",
    "after.png": "the last good look that shows the change, true colour and the same stretch",
    "before_falsecolour.png": "the same look as before.png in shortwave infrared, near infrared and red",
    "after_falsecolour.png": "the same look as after.png in shortwave infrared, near infrared and red",
    "before.tif": "surface reflectance of that look, a band each, and what was clear",
    "after.tif": "surface reflectance of that look, a band each, and what was clear",
    "masks.tif": "1 or 0: pixels of the site, and what was clear on both dates",
    "series.csv": "every look at the site: share seen clear, means of the indices over its clear pixels",
    "series.png": "the series as a figure",
    "scenes.json": "the scenes that were read: ids, processing baseline, addresses, SHA-256 of local files",
    "alert.geojson": "the alert as it was said, the same feature as in alerts.geojson",
    "timeline.json": "every revision of the alert up to this one, as the store's chain of events has them",
    "ledger.csv": "what was seen of the ground, day by day, or why nothing was",
    "cadastre.geojson": "titles and protected areas at the site as they were read, and their snapshots",
    "lineage.json": "software, model, configuration and cadastre that the alert was made with",
}
"""What the files of a night's bundle are, for the reader."""


def _readme(facts: BundleFacts, files: Mapping[str, bytes]) -> str:
    """How to read a bundle and how to verify it, in plain words."""
    held = "\n".join(f"  {n:<24}{MEANINGS.get(n, 'the report, or another document for the reader')}" for n in sorted(files))
    simulated = "THE PIXELS ARE SIMULATED: this is no real place.\n\n" if facts.is_simulated else ""
    return _README.format(facts=facts, held=held, simulated=simulated, format=FORMAT)


_README = """\
Evidence for alert {facts.alert_id}, revision {facts.revision}
Area {facts.aoi_id}, as of {facts.evaluated_on}. {facts.attribution}.

{simulated}An alert reports activity with no matching title in a dated copy of a cadastre. It is no finding of guilt: only an
authority decides what is allowed.

Files
{held}
  SHA256SUMS              digests of the files above, for sha256sum -c
  manifest.json           SHA-256 and size of every file, what made them, and the digest of the bundle before
  signature.json          signature of manifest.json, with the time at which it was made
  timestamp.tsr           only where it was asked for: an RFC 3161 token over manifest.json

To verify with the software, without network:
  overburden evidence verify {facts.name} --key signing-key.pub
Get the public key from the agency or operator that sent the bundle, by another way than the bundle itself.

To verify by hand:
  1. Unpack the zip into an empty folder.
  2. sha256sum -c SHA256SUMS
  3. Compare the SHA-256 and size of each file with manifest.json; no file but manifest.json, signature.json and
     timestamp.tsr may be missing there.
  4. In a POSIX shell with OpenSSL 3, with read_at, signed_at and signature as signature.json has them:
       printf '{format}\\n%s\\n%s\\n' "$read_at" "$signed_at" > message
       cat manifest.json >> message
       printf '%s' "$signature" | xxd -r -p > signature.bin
       openssl pkeyutl -verify -pubin -inkey signing-key.pub -rawin -in message -sigfile signature.bin
"""

"""Evidence bundles of a night: which are due, what they hold, and their place in the chain of the area."""

import hashlib
import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pipeline.alerts import Alert
from pipeline.evidence import BundleFacts, Link, Status, Verification, build_bundle, evidence_files
from pipeline.io.bundles import EARLIER, ChainEntry, chain_entry, read_chain, verify_bundle, write_chain
from pipeline.io.events import Event
from pipeline.io.keys import publish_keys, published_keys, read_keyring, signing_key
from pipeline.io.outputs import write_whole
from pipeline.reports import Proof
from pipeline.stages.extracts import extracts, facts_of, feature_bytes
from pipeline.stages.looks import inputs_of, observe, place_of
from pipeline.stages.reports import documents_of

if TYPE_CHECKING:
    from pipeline.stages.publish import Publication

LOG = logging.getLogger(__name__)
FOLDER = "evidence"


@dataclass(frozen=True)
class _Seal:
    """What bundles are signed with."""

    key: Ed25519PrivateKey
    read_at: datetime


def write_bundles(work: "Publication", alerts: Sequence[Alert]) -> None:
    """Write the bundle of every alert that has none for its present revision; the first one that was built stands.

    Bundles follow each other in the order of the alerts. One is written, then listed in the chain; see `io.bundles`.

    Parameters
    ----------
    work : Publication
    alerts : sequence of Alert
        Those that are given to agencies; others name no evidence and are passed over.

    Raises
    ------
    KeyMissingError, KeyExposedError, KeyInvalidError
        The signing key cannot be used; nothing is signed with another one instead.
    """
    told = [a for a in alerts if isinstance(a.properties["evidence"], str)]
    folder = work.out / FOLDER
    if not told:
        return
    said = _said(work, told)
    known = published_keys(folder, read_keyring(work.keys))
    due = [a for a in told if not _stands(work, a, said[a.id][-1], known)]
    chain = read_chain(folder)  # lists what a kill kept from being listed, whether more is due or not
    if due:
        _write_due(work, _contents(work, due, said), chain)
    if folder.exists():
        publish_keys(folder, read_keyring(work.keys))


def _said(work: "Publication", alerts: Sequence[Alert]) -> dict[str, list[Event]]:
    """What was said of each alert up to its present revision, oldest first."""
    revisions = {a.id: a.properties["revision"] for a in alerts}
    said: dict[str, list[Event]] = {id_: [] for id_ in revisions}
    for event in work.store.events(work.area.id, until=work.as_of):
        if event.alert_id in said and event.revision <= int(str(revisions[event.alert_id])):
            said[event.alert_id].append(event)
    return said


def _path(work: "Publication", alert: Alert) -> Path:
    """Where the bundle of an alert's revision lies."""
    return work.out / str(alert.properties["evidence"])


def _stands(work: "Publication", alert: Alert, event: Event, known: Mapping[str, Ed25519PublicKey]) -> bool:
    """Whether the bundle of this revision is there and verifies; a whole one of another statement is moved aside."""
    path = _path(work, alert)
    if not path.is_file():
        return False
    found = verify_bundle(path, None)
    if found.status is Status.FAILED:
        LOG.warning("%s: found damaged, it is built again: %s", path, "; ".join(f.line for f in found.findings))
        return False
    public = known.get(found.signature.key_id) if found.signature else None
    is_ours = public is not None and verify_bundle(path, public).status is Status.VERIFIED
    if is_ours and _tells(found, event, feature_bytes(work, alert)):
        return True
    aside = path.parent / EARLIER / str(found.manifest_sha256)[:12] / path.name
    LOG.warning("%s: it is not signed by a key of ours, or tells another statement; it is kept as %s", path, aside)
    aside.parent.mkdir(parents=True, exist_ok=True)
    path.replace(aside)
    return False


def _tells(found: Verification, event: Event, feature: bytes) -> bool:
    """Whether a bundle is of this event, or of one that said the same when the history was told before."""
    listed = found.manifest["files"].get("alert.geojson", {})
    return bool(found.manifest["event_hash"] == event.hash or listed.get("sha256") == hashlib.sha256(feature).hexdigest())


# --- building --------------------------------------------------------------------------------------------------------


def _write_due(
    work: "Publication", bundles: Iterable[tuple[BundleFacts, Mapping[str, bytes]]], chain: list[ChainEntry]
) -> None:
    """Build, write and list bundles, one after the other."""
    folder, now = work.out / FOLDER, datetime.now(UTC)
    key, known, is_new = signing_key(work.keys, now.date())
    if is_new:
        LOG.warning("%s: found no signing key; made key %s, keep a backup of the folder", work.keys, known.short)
    publish_keys(folder, read_keyring(work.keys))
    for facts, files in bundles:
        bundle, entry = _sealed(files, facts, chain, _Seal(key, now))
        write_whole(folder / facts.name, bundle)
        if entry not in chain:
            chain.append(entry)
            write_chain(folder, chain)


def _contents(
    work: "Publication", due: Sequence[Alert], said: Mapping[str, Sequence[Event]]
) -> Iterator[tuple[BundleFacts, dict[str, bytes]]]:
    """Facts and files of each bundle that is due."""
    LOG.info("%s: evidence of %d alerts", work.area.id, len(due))
    places = [place_of(work, alert) for alert in due]
    for place, series in zip(places, observe(work, places), strict=True):
        alert = place.alert
        if series.empty:
            LOG.warning("%s: no scene shows the site of alert %s again; it has no bundle", work.area.id, alert.id)
            continue
        inputs = inputs_of(work, place, series)
        files = {**evidence_files(inputs), **extracts(work, alert, said[alert.id])}
        facts = facts_of(work, alert, said[alert.id][-1])
        yield facts, {**files, **documents_of(work, alert, files, proof=Proof(bundle=facts.name, event_hash=facts.event_hash))}


def _sealed(
    files: Mapping[str, bytes], facts: BundleFacts, chain: Sequence[ChainEntry], seal: _Seal
) -> tuple[bytes, ChainEntry]:
    """A bundle and its entry: at its old place in the chain where it comes out the same, else at the end."""
    ends: list[Link | None] = [None, *(e.link for e in chain)]
    was = [n for n, e in enumerate(chain) if e.bundle == facts.name]
    for place in [*was[-1:], len(chain)]:
        signed_at = datetime.now(UTC)
        bundle = build_bundle(
            files, facts, previous=ends[place], key=seal.key, read_at=seal.read_at, signed_at=signed_at
        )  # fmt: skip
        entry = chain_entry(io.BytesIO(bundle), len(bundle), facts.name)
        if place == len(chain) or entry == chain[place]:
            break
    return bundle, entry

"""Proof: what an alert rests on, as bytes that are the same for the same inputs, sealed in a signed bundle.

Receives an alert, a look before and one after, the series of all looks and the scenes; hands on files by name, and from
files and facts a zip with a manifest, its signature and the digest of the bundle before.
"""

from pipeline.evidence.bundle import BundleFacts, Link, build_bundle, with_token
from pipeline.evidence.pictures import (
    OUTLINE,
    EvidenceInputs,
    Look,
    composite,
    evidence_files,
    true_colour,
    true_colour_png,
    true_north_deg,
)
from pipeline.evidence.signing import Rotation, key_id, rotate, trusted
from pipeline.evidence.verify import Fault, Finding, Status, Verification, verify_archive

__all__ = [
    "OUTLINE",
    "BundleFacts",
    "EvidenceInputs",
    "Fault",
    "Finding",
    "Link",
    "Look",
    "Rotation",
    "Status",
    "Verification",
    "build_bundle",
    "composite",
    "evidence_files",
    "key_id",
    "rotate",
    "true_colour",
    "true_colour_png",
    "true_north_deg",
    "trusted",
    "verify_archive",
    "with_token",
]

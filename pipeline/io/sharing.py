"""Files of sharing: the policy, the consents on record, and the secret from which ids of coarse tiers are made."""

import os
import secrets
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.alerts import ALERT_PROPERTIES, AlertState
from pipeline.errors import KeyExposedError, SharingPolicyError
from pipeline.io.outputs import write_whole
from pipeline.provenance import sha256_of
from pipeline.sharing import ALWAYS_SHARED, Dates, Place, Policy, Tier, TierRules
from pipeline.sharing.redaction import LEAST_KEY_BYTES

DEFAULT_POLICY = Path(__file__).resolve().parents[2] / "configs" / "sharing.yaml"
"""The policy that comes with overburden, in the checkout as the register files are."""
KEY_FILE = "sharing.key"


class _Section(BaseModel):
    """Frozen, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TierSection(_Section):
    """What one tier may know. Everything must be said: what is forgotten would be a default that nobody chose."""

    fields: Annotated[Literal["all"] | tuple[str, ...], Field(description="Names of alert properties, or all.")]
    place: Annotated[Place, Field(description="How the place is told.")]
    cell_deg: Annotated[float | None, Field(description="Side of a cell in degrees, where place is cell.")] = None
    round: Annotated[dict[str, float], Field(description="Step to which numbers are rounded, by unit.")]
    dates: Annotated[Dates, Field(description="How days are told.")]
    delay_days: Annotated[int, Field(description="Days after evaluated_on from which a revision is told.")]
    least_state: Annotated[AlertState, Field(description="provisional, or confirmed: leaves out what is not.")]
    has_names: Annotated[bool, Field(description="Whether holders of titles are named.")]
    has_evidence: Annotated[bool, Field(description="Whether evidence bundles are handed on.")]

    def rules(self) -> TierRules:
        """Return the rules."""
        names = {p.name for p in ALERT_PROPERTIES} if self.fields == "all" else set(self.fields)
        return TierRules(
            frozenset(names - ALWAYS_SHARED), self.place, self.cell_deg, dict(self.round), self.dates, self.delay_days,
            self.least_state, self.has_names, self.has_evidence,
        )  # fmt: skip


class PolicyFile(_Section):
    """A policy file."""

    tiers: dict[Tier, TierSection]


class ConsentSection(_Section):
    """One consent that is on record."""

    site_id: str
    tier: Annotated[Tier, Field(description="The widest circle that was agreed to.")]
    recorded_on: date
    until: Annotated[date | None, Field(description="Last day on which it holds; empty: until it is withdrawn.")] = None
    reference: Annotated[str, Field(description="Where the record of the consent is kept; no names.", min_length=1)]


class ConsentFile(_Section):
    """The consents on record."""

    consents: tuple[ConsentSection, ...]


_File = TypeVar("_File", PolicyFile, ConsentFile)


def _read(path: Path, kind: type[_File], what: str) -> _File:
    """A YAML file of a kind, or an error that names each fault."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SharingPolicyError(f"{path}: {error}; expected a YAML file of {what}; see docs/sharing.md") from error
    if not isinstance(document, Mapping):
        raise SharingPolicyError(f"{path}: found {type(document).__name__}, expected {what}; see docs/sharing.md")
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']} (found {str(f['input'])[:60]})" for f in error.errors())
        raise SharingPolicyError(f"{path}: {faults}; see docs/sharing.md") from error


def read_policy(path: Path | None = None) -> tuple[Policy, str]:
    """Return the policy of a file, by default the one that comes with overburden, and the SHA-256 of the file.

    Raises
    ------
    SharingPolicyError
        It cannot be read, or breaks a rule of `Policy`; the message names each fault.
    """
    place = path or DEFAULT_POLICY
    file = _read(place, PolicyFile, "a sharing policy")
    return Policy({tier: section.rules() for tier, section in file.tiers.items()}, str(place)), sha256_of(place)


def read_consents(path: Path, tier: Tier, on: date) -> frozenset[str]:
    """Return the sites for which consent to a tier is on record on a day.

    Raises
    ------
    SharingPolicyError
        The file cannot be read, or has a wrong or unknown key.
    """
    held = _read(path, ConsentFile, "consents").consents
    return frozenset(
        c.site_id for c in held
        if c.tier.rank >= tier.rank and c.recorded_on <= on and (c.until is None or on <= c.until)
    )  # fmt: skip


def read_sites(path: Path) -> frozenset[str]:
    """Return the site ids of a text file, one a line; what follows a `#` is a remark.

    Raises
    ------
    SharingPolicyError
        It cannot be read, or a line is no id: a misspelt one would protect nothing.
    """
    try:
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
        return frozenset(str(UUID(line)) for line in lines if line)
    except (OSError, ValueError) as error:
        raise SharingPolicyError(f"{path}: {error}; expected site ids as `overburden alerts list --csv` has them") from error


def sharing_key(folder: Path) -> bytes:
    """Return the secret from which ids of coarse tiers are made; made where there is none.

    Raises
    ------
    KeyExposedError
        Others than its owner can read it.
    SharingPolicyError
        It is no key.
    """
    path = folder / KEY_FILE
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(path, secrets.token_hex(LEAST_KEY_BYTES) + "\n")
    mode = path.stat().st_mode
    if mode & 0o077:
        raise KeyExposedError(
            f"{path}: found mode {mode & 0o777:04o}, others can read the secret of shared ids; expected 0600: run `chmod 600 "
            f"{path}`; where others may have read it remove it, and all shared ids change"
        )
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise SharingPolicyError(f"{path}: found no hexadecimal key; put it back from a backup") from error
    if len(key) < LEAST_KEY_BYTES:
        raise SharingPolicyError(f"{path}: found {len(key)} bytes, expected {LEAST_KEY_BYTES}; put it back from a backup")
    return key


def _write_once(path: Path, text: str) -> None:
    """Write a private file whole, unless another process was first."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    write_whole(draft, text, mode=0o600)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()

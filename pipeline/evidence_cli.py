"""The commands `overburden evidence` and `overburden keys`: verifying bundles, and the keys that sign them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from pipeline.io.keys import KnownKey

app = typer.Typer(no_args_is_help=True, help="Evidence bundles: verifying one without network, adding a time stamp.")
keys_app = typer.Typer(no_args_is_help=True, help="Signing keys: making, rotating and listing them.")

EXIT_CODES = {"VERIFIED": 0, "INTEGRITY ONLY": 3, "FAILED": 1}

Config = Annotated[Optional[Path], typer.Option("--config", help="YAML configuration of the run that signs.")]  # noqa: UP045
Folder = Annotated[Optional[Path], typer.Option("--folder", help="Folder of the keys, in place of --config.")]  # noqa: UP045


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="Zip of the bundle, under its own name.")],
    key: Annotated[Optional[Path], typer.Option(help="Public key that must have signed it, PEM.")] = None,  # noqa: UP045
    previous: Annotated[Optional[Path], typer.Option(help="Bundle that it must follow.")] = None,  # noqa: UP045
) -> None:
    """Say VERIFIED (exit code 0), INTEGRITY ONLY (3: no key was given) or FAILED (1), and why."""
    from pipeline.io.bundles import verify_bundle
    from pipeline.io.keys import read_public

    found = verify_bundle(bundle, read_public(key) if key else None, previous)
    print(f"{found.status}: {bundle}")
    for finding in found.findings:
        print(f"  {finding.line}")
    if found.manifest:
        said, area = found.manifest, _shown(found.manifest["aoi_id"])
        print(f"  alert {said['alert_id']}, revision {said['revision']}, area {area}, as of {said['evaluated_on']}")
    if found.signature:
        print(f"  key {found.signature.key_id}, signed at {found.signature.signed_at}")
    raise typer.Exit(EXIT_CODES[found.status])


def _shown(text: str) -> str:
    """A text of a bundle as a terminal may show it."""
    from pipeline.evidence.manifest import shown

    return shown(text)


@app.command()
def stamp(
    bundle: Annotated[Path, typer.Argument(help="Zip of the bundle.")],
    token: Annotated[Path, typer.Argument(help="RFC 3161 token over its manifest.json, with SHA-256.")],
) -> None:
    """Put a time stamp of an authority into a bundle, as timestamp.tsr; signature and manifest stay as they are."""
    from pipeline.io.bundles import stamp_bundle

    stamp_bundle(bundle, token)
    print(f"{bundle}: timestamp.tsr is in it")


# --- keys ------------------------------------------------------------------------------------------------------------


def _keys_folder(config: Path | None, folder: Path | None) -> Path:
    """The folder of the keys that a command is about."""
    from pipeline.config import load_config
    from pipeline.errors import ConfigInvalidError

    if (config is None) == (folder is None):
        raise ConfigInvalidError("give either --config FILE or --folder FOLDER, so that it is clear which keys are meant")
    return load_config(config).keys_folder() if config else Path(str(folder))


def _told(known: "KnownKey") -> str:
    """A key as a line; its public half only."""
    return f"{known.key_id}  {known.from_on}  {known.to_on or '-':<10}  {known.state}"


@keys_app.command("new")
def keys_new(config: Config = None, folder: Folder = None) -> None:
    """Make the first key, or another one where the private half of the key in use is lost."""
    from pipeline.io.keys import new_key

    place = _keys_folder(config, folder)
    print(_told(new_key(place, datetime.now(UTC).date())))
    print(f"{place}: keep a backup of this folder where nobody else reads it")


@keys_app.command("rotate")
def keys_rotate(config: Config = None, folder: Folder = None) -> None:
    """Let the key in use hand over to a new one, which signs from now on; the old private half is removed."""
    from pipeline.io.keys import rotate_key

    place = _keys_folder(config, folder)
    print(_told(rotate_key(place, datetime.now(UTC).date())))
    print("publish signing-key.pub and key-rotations.json, which the next night writes beside the bundles")


@keys_app.command("list")
def keys_list(config: Config = None, folder: Folder = None) -> None:
    """Print every key: id, first and last day, state; nothing of a private key."""
    from pipeline.io.keys import read_keyring

    keys = read_keyring(_keys_folder(config, folder)).keys
    for known in keys:
        print(_told(known))
    if not keys:
        print("no key yet: the first run with evidence makes one, or `overburden keys new`")


@keys_app.command("trace")
def keys_trace(
    rotations: Annotated[Path, typer.Argument(help="key-rotations.json, as it was published beside the bundles.")],
    key: Annotated[Path, typer.Option(help="Public key that is trusted, PEM.")],
) -> None:
    """Print the ids of the keys to which a trusted one handed over, one after the other."""
    from pipeline.evidence import key_id, trusted
    from pipeline.io.keys import read_public, read_rotations

    for public in trusted(read_public(key), read_rotations(rotations)):
        print(key_id(public))

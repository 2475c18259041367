"""What is wrong with a run before it runs: configuration, areas, model, store, signing key, catalogues, titles."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from pipeline.config import AreaSection, RunConfig, load_config
from pipeline.errors import PipelineError, SecretMissingError, SubscriptionsInvalidError
from pipeline.io.areas import check_area, read_area
from pipeline.io.cadastres import find_register, read_protected, read_titles
from pipeline.io.catalogs import find_scenes
from pipeline.io.heads import find_anchor_files
from pipeline.io.keys import usable_key
from pipeline.io.models import default_model, read_manifest
from pipeline.io.providers import open_source
from pipeline.io.registry import open_registry
from pipeline.io.store import open_store
from pipeline.io.subscriptions import load_subscriptions
from pipeline.io.verification import verify_store
from pipeline.stages.scenes import source_settings


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    subject: str
    is_fine: bool
    text: str
    """What was found, and what to do where it is not fine."""


def _check(subject: str, look: Callable[[], str]) -> Check:
    """The check of one thing: what `look` says, or the named error that it raises."""
    try:
        return Check(subject, True, look())
    except (PipelineError, OSError) as error:
        return Check(subject, False, f"{type(error).__name__}: {error}")


def examine(config_file: Path) -> list[Check]:
    """Return the checks of a run; nothing is written but an empty store where there is none."""
    try:
        config = load_config(config_file)
    except PipelineError as error:
        return [Check("configuration", False, f"{type(error).__name__}: {error}")]
    checks = [Check("configuration", True, f"{config_file}, {len(config.areas)} areas, digest {config.detection_digest()}")]
    checks.append(_check("model", lambda: _model(config)))
    checks.append(_check("store", lambda: _store(config)))
    if config.delivery.has_evidence:
        checks.append(_check("signing key", lambda: _signing_key(config)))
    for section in config.areas:
        checks += _area_checks(section, config)
    if config.subscriptions is not None:
        checks.append(_check("subscriptions", lambda: _subscriptions(config)))
    return checks


def _subscriptions(config: RunConfig) -> str:
    """How many subscribers there are, that their secrets are set and that their areas are watched."""
    read = load_subscriptions(config.subscriptions)
    named = {getattr(s.channel, name) for s in read for name in type(s.channel).model_fields if name.endswith("_env")}
    unset = sorted(name for name in named if name and not os.environ.get(name))
    if unset:
        raise SecretMissingError(
            f"found no environment variable {', '.join(unset)}, expected the secrets that they name; set them"
        )
    strange = sorted({a for s in read for a in s.areas} - {read_area(Path(section.aoi)).id for section in config.areas})
    if strange:
        raise SubscriptionsInvalidError(f"{config.subscriptions}: area {', '.join(strange)} is none of this run; check its id")
    return f"{len(read)} subscriptions, {', '.join(f'{s.name} by {s.channel.kind}' for s in read) or 'nobody is told'}"


def _model(config: RunConfig) -> str:
    """The model's id and that it fits."""
    folder = Path(config.model) if config.model else default_model()
    manifest = read_manifest(folder)
    return f"{manifest['name']}/{manifest['version']}, scikit-learn {manifest['sklearn_version']}"


def _store(config: RunConfig) -> str:
    """Where the store is, and whether it says what it said."""
    address = config.store or str(Path(config.out) / "store.sqlite")
    open_store(address)
    found = verify_store(address, find_anchor_files(str(Path(config.out) / "store.sqlite")))
    if found.findings:
        raise PipelineError(f"{address}: {'; '.join(found.findings)}; restore the store from a copy")
    return f"{address.rsplit('@', 1)[-1]}, its chain of events holds, {found.anchors} anchors"


def _signing_key(config: RunConfig) -> str:
    """The key that signs evidence, and that it can be used."""
    folder, known = config.keys_folder(), usable_key(config.keys_folder())
    if known is None:
        return f"{folder}: none yet; the first run with evidence makes one"
    return f"{folder}: {known.short}, in use since {known.from_on}"


def _area_checks(section: AreaSection, config: RunConfig) -> Iterator[Check]:
    """The checks of one area."""
    name = Path(section.aoi).name
    yield _check(f"area {name}", lambda: "; ".join(check_area(read_area(Path(section.aoi)))))
    yield _check(f"catalogue of {name}", lambda: _catalog(section, config))
    for path in section.titles:
        yield _check(f"titles {Path(path).name}", partial(_titles, section, path))
    for register in section.registers:
        yield _check(f"register {register}", partial(_register, config, register))
    for path in section.protected:
        yield _check(f"protected {Path(path).name}", partial(_protected, path))


def _catalog(section: AreaSection, config: RunConfig) -> str:
    """How many scenes of the area a catalogue has."""
    area = read_area(Path(section.aoi))
    source = open_source(source_settings(section, config.fetch))
    scenes, unusable = find_scenes(source, area, until=date.max, start=section.start)
    if not scenes:
        raise unusable[0].error if unusable else PipelineError(f"{section.catalog}: no scene in the period")
    days = sorted(s.solar_day for s in scenes)
    return f"{source.name}: {len(scenes)} scenes from {days[0]} to {days[-1]}, {len(unusable)} items cannot be used"


def _titles(section: AreaSection, path: str) -> str:
    """How many titles a file has."""
    register = find_register(section.titles_register)
    titles, snapshot = read_titles(
        Path(path), crs=section.titles_crs, retrieved_on=section.titles_retrieved_on, register=register
    )
    strange = sum(code.count for code in snapshot.unknown_codes)
    return (
        f"{len(titles)} titles by the register {register.name}, {len(snapshot.refused)} refused, "
        f"{len(snapshot.repaired)} repaired, {strange} codes not understood"
    )


def _register(config: RunConfig, register: str) -> str:
    """The latest snapshot of a register."""
    book = open_registry(config.registry or config.store or str(Path(config.out) / "store.sqlite"))
    held = book.known_on(register, date.max)
    if held is None:
        raise PipelineError("no snapshot; take one in with `overburden cadastre import FILE --register FILE`")
    return f"snapshot {held.seq}, retrieved on {held.retrieved_on}, {book.snapshot(held).title_count} titles"


def _protected(path: str) -> str:
    """How many areas a file has."""
    return f"{len(read_protected(Path(path))[0])} areas"

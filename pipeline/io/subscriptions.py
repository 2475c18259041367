"""The file of subscriptions, read and checked whole before anything is sent."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import SubscriptionsInvalidError
from pipeline.subscriptions import Subscription, absolute


class SharingFiles(BaseModel):
    """What says what a tier may see."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    policy: Annotated[str | None, Field(description="Sharing policy; empty: the one that comes with overburden.")] = None
    consents: Annotated[str | None, Field(description="Consents on record; empty: none are.")] = None
    community_sites: Annotated[str | None, Field(description="Sites from community reports, one id a line.")] = None


class _File(SharingFiles):
    """What the file holds."""

    subscriptions: Annotated[tuple[Subscription, ...], Field(description="Who is told.")]


def load_subscriptions(path: str | Path | None) -> tuple[Subscription, ...]:
    """Return the subscriptions of a YAML file, the paths in it made absolute; none without a file.

    Values of the file are never shown in an error: one of them may be a secret that stands there by mistake.

    Raises
    ------
    SubscriptionsInvalidError
        The file is absent or no YAML, a field is unknown or has a wrong value, or two have one name.
    """
    if path is None:
        return ()
    place = Path(path)
    return tuple(absolute(s, place.resolve().parent) for s in _read(place).subscriptions)


def load_sharing(path: str | Path | None) -> SharingFiles:
    """Return what a file of subscriptions says of sharing, its paths made absolute.

    Raises
    ------
    SubscriptionsInvalidError
        See `load_subscriptions`.
    """
    if path is None:
        return SharingFiles()
    place = Path(path)
    named = _read(place).model_dump(include=set(SharingFiles.model_fields))
    return SharingFiles(**{name: str(place.resolve().parent / value) for name, value in named.items() if value})


def _read(place: Path) -> _File:
    """The file, checked whole."""
    try:
        document = yaml.safe_load(place.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SubscriptionsInvalidError(
            f"{place}: {error}; expected a YAML file of subscriptions; see docs/delivery.md"
        ) from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}: " if where is not None else ""
        raise SubscriptionsInvalidError(f"{place}: {line}no YAML; see docs/delivery.md") from None
    if not isinstance(document, Mapping):
        raise SubscriptionsInvalidError(
            f"{place}: found {type(document).__name__}, expected `subscriptions:` with a list; see docs/delivery.md"
        )
    try:
        read = _File.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors(include_input=False))
        raise SubscriptionsInvalidError(f"{place}: {faults}; every field is described in docs/delivery.md") from None
    twice = [name for name, count in Counter(s.name.lower() for s in read.subscriptions).items() if count > 1]
    if twice:
        raise SubscriptionsInvalidError(f"{place}: {', '.join(twice)} stands twice, expected each name once; rename one")
    return read

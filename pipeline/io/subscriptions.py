"""The file of subscriptions, read and checked whole before anything is sent."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import SubscriptionsInvalidError
from pipeline.subscriptions import Subscription, absolute


class _File(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
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
        read = _File.model_validate(document).subscriptions
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors(include_input=False))
        raise SubscriptionsInvalidError(f"{place}: {faults}; every field is described in docs/delivery.md") from None
    twice = [name for name, count in Counter(s.name.lower() for s in read).items() if count > 1]
    if twice:
        raise SubscriptionsInvalidError(f"{place}: {', '.join(twice)} stands twice, expected each name once; rename one")
    return tuple(absolute(s, place.resolve().parent) for s in read)

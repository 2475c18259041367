"""Weights of the priority, from a versioned file."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.alerts import AlertState
from pipeline.errors import ConfigInvalidError
from pipeline.priority import PriorityWeights
from pipeline.tenure import TenureStatus

DEFAULT = Path(__file__).resolve().parents[2] / "configs" / "priority.yaml"
"""The file that comes with overburden."""

_EXPECTED = "expected weights as in configs/priority.yaml"


def load_priority(path: Path) -> PriorityWeights:
    """Return the weights of a file.

    Raises
    ------
    ConfigInvalidError
        The file is absent or no YAML; a weight is unknown, missing, no number, or out of its range; a status has no share.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        weights = TypeAdapter(PriorityWeights).validate_python(document)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigInvalidError(f"{path}: {error}; {_EXPECTED}") from error
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise ConfigInvalidError(f"{path}: {said}; {_EXPECTED}") from error
    if faults := _faults(document, weights):
        raise ConfigInvalidError(f"{path}: {'; '.join(faults)}; {_EXPECTED}")
    return weights


def _faults(document: Mapping[str, object], weights: PriorityWeights) -> list[str]:
    """What is wrong with weights that are of the right types."""
    plain = {f.name: getattr(weights, f.name) for f in fields(weights)}
    found = [f"found {name}, which is no weight" for name in sorted(set(document) - set(plain))]
    numbers = {name: value for name, value in plain.items() if isinstance(value, float)}
    found += [f"found {name} {value:g}, expected 0 or more" for name, value in numbers.items() if not value >= 0]
    found += [
        f"found {name} 0, expected more" for name, value in numbers.items() if value == 0 and not name.endswith("_points")
    ]
    for name, wanted in (("tenure_shares", TenureStatus), ("state_shares", AlertState)):
        shares = {str(key): share for key, share in plain[name].items()}
        found += [f"found no {name}.{key}" for key in sorted({str(code) for code in wanted} - set(shares))]
        found += [f"found {name}.{key}, which does not exist" for key in sorted(set(shares) - {str(code) for code in wanted})]
        found += [f"found {name}.{key} {share:g}, expected 0 to 1" for key, share in shares.items() if not 0 <= share <= 1]
    return found


@cache
def default_priority() -> PriorityWeights:
    """Return the weights that come with overburden."""
    return load_priority(DEFAULT)

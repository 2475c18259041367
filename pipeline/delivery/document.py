"""What every rendering of a shared file is made from, and how its values become text."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.alerts import AlertProperty
from pipeline.sharing import SharedAlert, Tier

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class SharedFile:
    """What one tier is told of one area and day."""

    aoi_id: str
    as_of: date
    """The day that the file speaks for: that of the sharing less the delay of the tier."""
    tier: Tier
    fields: tuple[AlertProperty, ...]
    """Properties that the records have, in the order of the table."""
    records: Sequence[SharedAlert]
    manifest: Mapping[str, object]
    """Plain JSON: what the file was made with."""

    @property
    def is_simulated(self) -> bool:
        """Whether any of it is simulated."""
        return any(r.properties["is_simulated"] == "yes" for r in self.records) or bool(self.manifest.get("is_simulated"))


def text_of(value: object) -> str:
    """Return a value as one text: lists and objects as JSON, nothing as an empty text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


def xml_text(value: object) -> str:
    """Return a value as text that XML 1.0 can hold; characters that it cannot are replaced."""
    return _NO_XML.sub("\ufffd", text_of(value))


def headline(record: SharedAlert, aoi_id: str) -> str:
    """Return one neutral line about a record, of what its tier is told."""
    told = record.properties
    simulated = "SIMULATED: " if told["is_simulated"] == "yes" else ""
    size = f", about {told['area_ha']:g} ha" if isinstance(told.get("area_ha"), int | float) else ""
    return f"{simulated}Change of the ground in {aoi_id}: {told.get('state', 'seen')}{size}"

"""CAP 1.2 of a shared file: one message for each revision that a tier is told, each with references to those before.

The mapping is ours: provisional is Possible; confirmed is Likely, and Observed where the change was seen again after the day
of confirmation; a provisional alert that was withdrawn is Unlikely. Urgency and severity are Unknown: pixels do not tell.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

import shapely

from pipeline import geo
from pipeline.alerts import FOR_AGENCIES, AlertState
from pipeline.delivery.document import SharedFile, headline, xml_text
from pipeline.provenance import digest
from pipeline.sharing import SharedAlert, Tier

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
SENDER = "overburden"
_ENDED = {AlertState.CLOSED, AlertState.WITHDRAWN}
_FORBIDDEN = str.maketrans(dict.fromkeys(" ,<&", "_"))
"""What identifier and sender may not hold (CAP 1.2, section 3.2.1)."""


def message_name(record: SharedAlert) -> str:
    """Return the identifier of the message about one revision: the same content has the same, other content another."""
    facts = {"id": record.id, "properties": dict(record.properties)}
    return f"{record.id}-r{record.properties['revision']}-{digest(facts)[:8]}".translate(_FORBIDDEN)


def cap_messages(file: SharedFile, sender: str = SENDER) -> dict[str, bytes]:
    """Return the CAP messages of a file by identifier.

    Parameters
    ----------
    file : SharedFile
        With every revision that the tier is told, in the order in which they were told for each alert.
    sender : str
        Who vouches for the messages, such as an address of the operator.

    Returns
    -------
    dict
        The first message of an alert is an Alert, later ones Updates, the one that ends it a Cancel. After a Cancel work that
        starts again is a new Alert. An alert that had ended before the tier heard of it has no message.

    References
    ----------
    OASIS Common Alerting Protocol 1.2, https://docs.oasis-open.org/emergency/cap/v1.2/
    """
    chains: dict[str, list[SharedAlert]] = {}
    messages = {}
    who = xml_text(sender).translate(_FORBIDDEN)
    for record in file.records:
        before, has_ended = chains.setdefault(record.id, []), _has_ended(record)
        if has_ended and not before:
            continue
        messages[message_name(record)] = _message(record, before, file, who)
        chains[record.id] = [] if has_ended else [*before, record]
    return messages


def _has_ended(record: SharedAlert) -> bool:
    """Whether nothing is left to look at: closed, withdrawn, or not mining after all, as far as the tier is told."""
    cause = record.properties.get("likely_cause")
    return record.properties.get("state") in _ENDED or (cause is not None and cause not in FOR_AGENCIES)


def _message(record: SharedAlert, before: list[SharedAlert], file: SharedFile, sender: str) -> bytes:
    """One message."""
    root = ET.Element("alert", {"xmlns": NAMESPACE})
    is_ended = _has_ended(record)
    is_simulated = record.properties["is_simulated"] == "yes"
    _add(root, "identifier", message_name(record))
    _add(root, "sender", sender)
    _add(root, "sent", _instant(_told_on(record, file)))
    _add(root, "status", "Exercise" if is_simulated else "Actual")
    _add(root, "msgType", ("Cancel" if is_ended else "Update") if before else "Alert")
    _add(root, "scope", "Public" if file.tier is Tier.PUBLIC else "Restricted")
    if file.tier is not Tier.PUBLIC:
        _add(root, "restriction", f"For recipients of the tier {file.tier}; not to be passed on.")
    if is_simulated:
        _add(root, "note", "The pixels are simulated: this is no real place.")
    if before:
        references = (f"{sender},{message_name(b)},{_instant(_told_on(b, file))}" for b in before)
        _add(root, "references", " ".join(references))
    _info(root, record, file)
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True)


def _add(parent: ET.Element, name: str, text: object) -> None:
    """An element with text."""
    ET.SubElement(parent, name).text = xml_text(text)


def _told_on(record: SharedAlert, file: SharedFile) -> str:
    """The day of a record as its tier is told it."""
    return str(record.properties.get("evaluated_on") or file.as_of.isoformat())


def _instant(day: str) -> str:
    """The beginning of a day in UTC, as CAP writes it."""
    return f"{day}T00:00:00-00:00"


def _certainty(told: Mapping[str, object]) -> str:
    """How sure the observations are, by the life-cycle as the tier is told it."""
    match told.get("state"):
        case AlertState.CONFIRMED | AlertState.CLOSED:
            last, confirmed = told.get("last_detected_on"), told.get("confirmed_on")
            is_seen_again = isinstance(last, str) and isinstance(confirmed, str) and last > confirmed
            return "Observed" if is_seen_again else "Likely"
        case AlertState.PROVISIONAL:
            return "Possible"
        case AlertState.WITHDRAWN:
            return "Unlikely"
    return "Unknown"


def _info(root: ET.Element, record: SharedAlert, file: SharedFile) -> None:
    """What is said."""
    info, told = ET.SubElement(root, "info"), record.properties
    _add(info, "language", "en")
    _add(info, "category", "Env")
    _add(info, "event", "Change of the ground seen by satellite")
    _add(info, "responseType", "None" if _has_ended(record) else "Assess")
    _add(info, "urgency", "Unknown")
    _add(info, "severity", "Unknown")
    _add(info, "certainty", _certainty(told))
    if isinstance(told.get("first_detected_on"), str):
        _add(info, "onset", _instant(str(told["first_detected_on"])))
    _add(info, "senderName", "overburden")
    _add(info, "headline", headline(record, file.aoi_id))
    _add(info, "description", _description(told))
    _add(info, "instruction", "Compare with the register and look at the ground before any step is taken.")
    for known in file.fields:
        parameter = ET.SubElement(info, "parameter")
        _add(parameter, "valueName", known.name)
        _add(parameter, "value", told[known.name])
    _area(info, record, file)


def _description(told: Mapping[str, object]) -> str:
    """What was seen and what is not said, of what the tier is told."""
    said = [(words, told.get(name)) for words, name in (
        ("Likely cause by the pixels", "likely_cause"), ("Activity", "activity"),
        ("Relation to the titles of the cadastre snapshot", "tenure_status"),
    )]  # fmt: skip
    sentences = [f"{words}: {str(value).replace('_', ' ')}." for words, value in said if value is not None]
    return " ".join([*sentences, str(told["disclaimer"])])


def _area(info: ET.Element, record: SharedAlert, file: SharedFile) -> None:
    """Where it is: outer rings, since CAP has no holes, as latitude,longitude."""
    area = ET.SubElement(info, "area")
    how = "a cell of a grid" if file.tier.rank >= Tier.PARTNER.rank else "its outline"
    _add(area, "areaDesc", file.aoi_id if record.geometry is None else f"{file.aoi_id}, {how}")
    if record.geometry is None:
        return
    for part in shapely.get_parts(geo.wind(record.geometry)).tolist():
        _add(area, "polygon", " ".join(f"{y:.7f},{x:.7f}" for x, y in part.exterior.coords))

"""What services of features have in common: pages that together must be the layer, each feature once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pipeline.errors import CadastreServiceError

PAGE_FEATURES = 1000
"""Features asked for at once; a service may give fewer."""

Feature = dict[str, Any]
"""A GeoJSON feature with an `id`."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer with features."""

    features: Sequence[Feature]
    crs: str | None
    """Name of the coordinate reference system that the answer states."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """All features of a layer."""

    name: str
    """Name of the layer, from which the file gets its own."""
    crs: str | None
    """Name of the coordinate reference system; None: lon/lat, as RFC 7946 has it."""
    features: Sequence[Feature]
    """In the order of their ids."""


def with_query(url: str, **parameters: str) -> str:
    """Return an address with parameters of its query set, others kept, names compared without case.

    Examples
    --------
    >>> with_query("http://h/wfs?token=a&REQUEST=x", request="GetFeature")
    'http://h/wfs?token=a&request=GetFeature'
    """
    parts = urlsplit(url)
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k.lower() not in map(str.lower, parameters)]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()]), fragment=""))


def gather(where: str, name: str, *, count: Callable[[], int], page_at: Callable[[int], Page]) -> Retrieved:
    """Return all features of a layer, as many as it counts before and after, each once, in the order of their ids.

    Parameters
    ----------
    where : str
        The service, for errors.
    name : str
        Name of the layer.
    count : callable
        Asks how many features there are.
    page_at : callable
        Asks for the features from a position on.

    Raises
    ------
    CadastreServiceError
        There are none, pages are missing, repeat features or disagree about the CRS, or the count changes meanwhile.
    """
    total = count()
    if total == 0:
        raise CadastreServiceError(f"{where}: found 0 features, expected the titles of a register; check the layer")
    features: dict[str, Feature] = {}
    systems: set[str | None] = set()
    while len(features) < total:
        page = page_at(len(features))
        if not page.features:
            raise CadastreServiceError(f"{where}: found {len(features)} of {total} features, then an empty page; run again")
        systems.add(page.crs)
        _add(features, page, where)
    after = count()
    if len(features) != total or after != total:
        raise CadastreServiceError(
            f"{where}: found {len(features)} features, {total} counted before and {after} after, expected one number; the "
            "register changed meanwhile: run again"
        )
    if len(systems) > 1:
        raise CadastreServiceError(f"{where}: found pages in {sorted(map(str, systems))}, expected one CRS; ask the publisher")
    ordered = sorted(features.values(), key=lambda feature: id_order(feature["id"]))
    return Retrieved(name, systems.pop(), ordered)


def _add(features: dict[str, Feature], page: Page, where: str) -> None:
    """Add the features of a page, none of which may have come before."""
    for feature in page.features:
        own = feature.get("id")
        if own is None:
            raise CadastreServiceError(f"{where}: found a feature without id, expected one each, to know that none is missing")
        if str(own) in features:
            raise CadastreServiceError(
                f"{where}: found feature {own} twice, expected each once; the register changed while it was read, or the "
                "service does not keep an order over pages: run again, or get the file"
            )
        features[str(own)] = feature


def id_order(own: object) -> tuple[str, int, str]:
    """Return what ids are ordered by: the words before their number, then the number.

    Examples
    --------
    >>> sorted(["titles.10", "titles.9", 3, 20], key=id_order)
    [3, 20, 'titles.9', 'titles.10']
    """
    text = str(own)
    words = text.rstrip("0123456789")
    return words, int(text[len(words) :] or 0), text


def named_crs(member: Mapping[str, Any] | None, where: str) -> str | None:
    """Return the name in a `crs` member of GeoJSON, None where there is none.

    Raises
    ------
    CadastreServiceError
        The member is a link, or has no name.
    """
    if member is None:
        return None
    name = member.get("properties", {}).get("name") if member.get("type") == "name" else None
    if not isinstance(name, str):
        raise CadastreServiceError(f"{where}: found the crs {member}, expected one by name; ask the publisher for it")
    return name

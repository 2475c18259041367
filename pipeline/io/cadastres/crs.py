"""Which coordinate reference system a file of outlines is in: what it declares, where its numbers do not contradict.

Nothing is guessed. Where a file does not say, the error proposes what it could be, for a person to decide.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.errors import CadastreInvalidError, CadastreWithoutCrsError
from pipeline.tenure.minerals import plain_word

Bounds = tuple[float, float, float, float]

_ZONE = re.compile(r"(?<![0-9a-z])(?:utm|zone|z)?[ _\-]?([1-9]|[1-5][0-9]|60)[ _\-]?([ns])(?![a-z])")

COUNTRY_CRS: dict[str, tuple[int, ...]] = {
    "peru": (32717, 32718, 32719),
    "ecuador": (32717, 32617),
    "colombia": (32618, 32617, 32619),
    "bolivia": (32719, 32720, 32721),
    "brasil": (32721, 32720, 32722, 32719, 32723, 32718, 32724),
    "brazil": (32721, 32720, 32722, 32719, 32723, 32718, 32724),
    "venezuela": (32620, 32619, 32618),
    "guyana": (32621, 32620),
    "suriname": (32621,),
    "ghana": (32630, 32631),
    "congo": (32735, 32734, 32736, 32733, 32635, 32634),
    "tanzania": (32736, 32735, 32737),
    "indonesia": (32748, 32749, 32750, 32751, 32648, 32650),
    "myanmar": (32647, 32646),
}
"""Country in the file's name or texts to the EPSG codes of its WGS 84 / UTM zones, likeliest first."""


def are_degrees(bounds: Bounds) -> bool:
    """Return whether numbers can be lon/lat in degrees; longitudes may run past 180 at the antimeridian."""
    left, bottom, right, top = bounds
    return -360 <= left <= right <= 360 and -90 <= bottom <= top <= 90


def parse_crs(text: str) -> CRS:
    """Return the CRS of a text that somebody passed.

    Raises
    ------
    CadastreInvalidError
        The text names no CRS.
    """
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise CadastreInvalidError(f"found {text!r}, expected a CRS such as EPSG:32717: {error}") from error


def settle_crs(path: Path, *, declared: str | None, passed: str | None, typical: Bounds, texts: Iterable[str]) -> str:
    """Return the CRS of the outlines of a file: the one that was passed, else the one that it declares.

    Parameters
    ----------
    path : Path
    declared : str or None
        What the driver reads from the file; GeoJSON without a `crs` member is lon/lat by RFC 7946.
    passed : str or None
        What the caller says; goes before what the file says.
    typical : tuple of float
        Left, bottom, right, top of the outlines without the strays.
    texts : iterable of str
        Texts of the file in which the name of a country may stand.

    Raises
    ------
    CadastreWithoutCrsError
        The file declares none, or its numbers cannot be in the one that is declared or passed; names what they
        could be.
    """
    stated = passed if passed is not None else declared
    span = f"x {typical[0]:.9g} to {typical[2]:.9g}, y {typical[1]:.9g} to {typical[3]:.9g}"
    if stated is None:
        raise CadastreWithoutCrsError(
            f"{path}: found no CRS (no .prj, no crs member) and coordinates {span}; expected a declared CRS. "
            f"{_advice(path, typical, texts)}"
        )
    crs = parse_crs(stated)
    if crs.geodetic_crs is None or crs.is_geocentric:
        raise CadastreWithoutCrsError(
            f"{path}: found the CRS {crs.name!r}, which is not tied to places on the ground by lon/lat or a map projection; "
            f"expected one that is. {_advice(path, typical, texts)}"
        )
    if crs.is_geographic != are_degrees(typical):
        expected = "degrees" if crs.is_geographic else "metres or feet"
        says = "passed" if passed is not None else "declared, or by RFC 7946 taken,"
        raise CadastreWithoutCrsError(
            f"{path}: found coordinates {span}, expected {expected} for the {says} CRS {crs.name!r}. "
            f"{_advice(path, typical, texts)}"
        )
    return stated


def _advice(path: Path, typical: Bounds, texts: Iterable[str]) -> str:
    """Say what to do, with the systems that the numbers could be in."""
    proposed = propose_crs(path.stem, typical, texts)
    first = proposed[0] if proposed else "EPSG:32717"
    could = f"They could be {' or '.join(proposed)}. " if proposed else ""
    return f"{could}Pass the CRS that the publisher names, as crs={first!r} or titles_crs in the configuration."


def propose_crs(name: str, typical: Bounds, texts: Iterable[str]) -> tuple[str, ...]:
    """Return EPSG texts that the numbers of a file could be in, likeliest first; empty where nothing speaks for any.

    Examples
    --------
    >>> propose_crs("titles_17s", (195000.0, 8773637.0, 834232.0, 9616000.0), [])
    ('EPSG:32717',)
    >>> propose_crs("titles", (-78.0, -9.0, -77.0, -8.0), [])
    ('EPSG:4326',)
    """
    if are_degrees(typical):
        return ("EPSG:4326",)
    left, bottom, right, top = typical
    if not (0 <= left <= right <= 1_000_000 and 0 <= bottom <= top <= 10_000_000):
        return ("EPSG:3857",) if max(map(abs, typical)) <= 20_037_508.4 else ()
    codes = [(32600 if half == "n" else 32700) + int(zone) for zone, half in _ZONE.findall(name.lower())]
    return tuple(f"EPSG:{code}" for code in dict.fromkeys((*codes, *named_zones(name, texts))))


def named_zones(name: str, texts: Iterable[str]) -> tuple[int, ...]:
    """Return the EPSG codes of the zones of every country that a file's name or texts name.

    Examples
    --------
    >>> named_zones("titles_ghana_2025", [])
    (32630, 32631)
    """
    words = plain_word(" ".join([name.replace("_", " "), *texts]))
    return tuple(z for country, zones in COUNTRY_CRS.items() if re.search(rf"\b{country}\b", words) for z in zones)

"""Where a webhook may lead: the host of its address, resolved once and checked, so that the very address is connected to.

A subscription is data from outside. Whoever writes one must not reach what only this machine or its network can reach: its
loopback services, its neighbours, the metadata service of its cloud.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import DeliveryFailedError, TargetRefusedError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""From host and port to addresses as text."""

SPECIAL = tuple(map(ipaddress.ip_network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
    "::/8", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20", "5f00::/16",
    "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)))  # fmt: skip
"""What is no public host: the special-purpose registries of IANA (RFC 6890), and the metadata address of Azure, which is public
by its number. That of Amazon and Google is link-local, that of Alibaba (100.100.100.200) shared space."""
_NAT64, _SIX_TO_FOUR = ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("2002::/16")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    scheme: str
    host: str
    """Name as it is verified by TLS: lower case, no trailing dot."""
    port: int
    path: str
    """Path and query."""
    addresses: tuple[str, ...]
    """Addresses that were checked."""

    @property
    def host_header(self) -> str:
        """What the header Host says."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == {"https": 443, "http": 80}[self.scheme] else f"{name}:{self.port}"


def is_public(text: str) -> bool:
    """Return whether an IP address is that of a public host; IPv4 inside of IPv6 is looked at as what it is.

    Examples
    --------
    >>> is_public("9.9.9.9"), is_public("10.0.0.1"), is_public("::ffff:127.0.0.1"), is_public("64:ff9b::a9fe:a9fe")
    (True, False, False, False)
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    inner = _inner(address)
    if inner is not None:
        return is_public(str(inner))
    is_special = any(address in network for network in SPECIAL if network.version == address.version)
    return address.is_global and not is_special and not address.is_multicast


def _inner(address: IpAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one carries: mapped, NAT64 or 6to4."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour if address in _SIX_TO_FOUR else None


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host by the system's resolver.

    Raises
    ------
    DeliveryFailedError
        It has none at present.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryFailedError(f"{host}: its name cannot be resolved ({type(error).__name__})") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def target_of(
    url: str, allow_hosts: Sequence[str] = (), allow_http_hosts: Sequence[str] = (), *, look_up: Resolve | None = None
) -> Target:
    """Return where an address leads, its host resolved once and every address of it checked.

    Parameters
    ----------
    url : str
    allow_hosts : sequence of str
        Hosts that may have any address, by exact name.
    allow_http_hosts : sequence of str
        Hosts that may be asked without TLS, by exact name.
    look_up : callable
        Resolver; by default the system's.

    Raises
    ------
    TargetRefusedError
        No http(s) address, a user in it, an odd spelling, plain HTTP without leave, or an address that is no public host's.
    DeliveryFailedError
        The name cannot be resolved at present.
    """
    scheme, host, port, path = _parts(url)
    if scheme == "http" and host not in allow_http_hosts:
        raise TargetRefusedError(f"{host}: found http, expected https; plain HTTP needs the host in allow_http_hosts")
    literal = _literal(host)
    found = (str(literal),) if literal is not None else tuple((look_up or resolve)(host, port))
    wrong = [text for text in found if not is_public(text)]
    if wrong and host not in allow_hosts:
        raise TargetRefusedError(
            f"{host}: leads to {wrong[0]}, a loopback, link-local, private or otherwise special address; expected a public "
            "host. If it is meant, name the host in allow_hosts of the subscription"
        )
    if not found:
        raise DeliveryFailedError(f"{host}: its name has no address")
    return Target(scheme, host, port, path, found)


def _parts(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port, and path with query of an address that is spelled plainly."""
    if any(ord(c) <= 32 or ord(c) == 127 for c in url) or "\\" in url or not url.isascii():
        raise TargetRefusedError(
            "the address has a space, backslash, control or non-ASCII character; expected a plain URL (names in punycode)"
        )
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise TargetRefusedError("the address is no URL; expected https://host/path") from None
    if parts.scheme not in {"https", "http"}:
        raise TargetRefusedError(f"found scheme {parts.scheme[:20]!r}, expected https")
    if "@" in parts.netloc:
        raise TargetRefusedError(
            "the address has a user before its host; expected none: what follows @ is where it really leads"
        )
    host = host.lower().removesuffix(".")
    if _literal(host) is None:
        _check_name(host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, port if port is not None else {"https": 443, "http": 80}[parts.scheme], path


def _literal(host: str) -> IpAddress | None:
    """The IP address that a host is, in its one plain spelling."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_name(host: str) -> None:
    """Raise unless a host is a plain DNS name; a last label that is a number is IPv4 in another spelling (WHATWG URL, 3.5)."""
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise TargetRefusedError(
            f"{host[:60]}: an IP address in an odd spelling (decimal, octal, hexadecimal or shortened); expected four decimal "
            "numbers or a name"
        )
    if not host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise TargetRefusedError(f"{host[:60]!r} is no host name; expected one such as alerts.agency.example")

"""Where a webhook may not lead, in every spelling: nothing is connected to before the address was checked."""

import socket
from datetime import date
from pathlib import Path

import pytest
from deliveries import ENVIRONMENT, QUICK, SECRET, Post, alert, hook, subscription
from hypothesis import given
from hypothesis import strategies as st
from servers.certificates import authority
from servers.receiver import receiver

from pipeline.errors import TargetRefusedError
from pipeline.io.channels import addresses
from pipeline.io.channels.addresses import is_public, target_of

DAY = date(2024, 5, 1)
SPELLINGS = [
    # loopback
    "127.0.0.1", "127.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.1",
    "0x7f.1", "00000177.0.0.1", "127.0.0.1.", "2130706433.", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "0",
    "0.0.0.0", "[::]",  # noqa: S104 - never bound
    # metadata
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "[fe80::a9fe:a9fe]", "[2002:a9fe:a9fe::1]",
    # private, shared, link-local, multicast, reserved, documentation
    "10.0.0.1", "10.1", "167772161", "012.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "3232235777", "100.64.0.1",
    "169.254.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "203.0.113.9",
    "[fc00::1]", "[fd12:3456::1]", "[fe80::1]", "[fe80::1%25eth0]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[2001::1]",
    "[::ffff:10.0.0.1]", "[::ffff:192.168.0.1]", "[64:ff9b::10.0.0.1]",
]  # fmt: skip
"""Hosts of URLs; those of several parts or bases are what the system's resolver would take."""
ODD = {
    "a user before the host": "https://alerts.agency.example@127.0.0.1/",
    "a user and password": "https://a:b@alerts.agency.example/",
    "an empty user": "https://@127.0.0.1/",
    "a backslash": "https://alerts.agency.example\\@127.0.0.1/",
    "a space": "https://alerts.agency.example /",
    "a line break": "https://alerts.agency.example/\r\nHost: x",
    "a tab": "https://127.0.0\t.1/",
    "full-width digits": "https://１２７.0.0.1/",
    "a circled digit": "https://①②⑦.0.0.1/",
    "an ideographic full stop": "https://127。0。0。1/",
    "no host": "https:///path",
    "an empty label": "https://alerts..example/",
    "a percent sign": "https://127%2e0.0.1/",
    "another scheme": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:25/",
    "no scheme": "alerts.agency.example/hook",
    "a port out of range": "https://alerts.agency.example:99999/",
    "an unclosed bracket": "https://[::1/",
    "plain HTTP": "http://alerts.agency.example/",
}


def never(*_: object) -> list[str]:
    raise AssertionError("no name is to be resolved")


@pytest.fixture(autouse=True)
def _no_connection(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "server" in request.node.name:
        return

    def refuse(*arguments: object, **_: object) -> None:
        raise AssertionError(f"{arguments} was connected to")

    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize("host", SPELLINGS)
def test_an_address_that_is_no_public_host_is_refused_in_every_spelling(host: str) -> None:
    for url in (f"https://{host}/", f"https://{host}:8443/hook?x=1", f"https://{host.upper()}/"):
        with pytest.raises(TargetRefusedError):
            target_of(url, look_up=never)


@pytest.mark.parametrize("url", ODD.values(), ids=ODD)
def test_an_odd_address_is_refused(url: str) -> None:
    with pytest.raises(TargetRefusedError):
        target_of(url, look_up=lambda *_: ["9.9.9.9"])


@pytest.mark.parametrize(
    "found", [["127.0.0.1"], ["::1"], ["169.254.169.254"], ["10.1.2.3"], ["fd00:ec2::254"], ["9.9.9.9", "127.0.0.1"],
              ["fe80::1%eth0"], ["::ffff:10.0.0.1"]],
)  # fmt: skip
def test_a_name_that_leads_to_such_an_address_is_refused(found: list[str]) -> None:
    with pytest.raises(TargetRefusedError, match=r"alerts\.agency\.example: leads to"):
        target_of("https://alerts.agency.example/", look_up=lambda *_: found)


def test_a_public_host_is_let_through_with_the_addresses_that_were_checked() -> None:
    asked: list[tuple[str, int]] = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["9.9.9.9", "2620:fe::fe"]

    target = target_of("https://Alerts.Agency.Example.:8443/hook?a=b#c", look_up=look_up)
    assert (target.host, target.port, target.path, target.addresses) == (
        "alerts.agency.example", 8443, "/hook?a=b", ("9.9.9.9", "2620:fe::fe"),
    )  # fmt: skip
    assert asked == [("alerts.agency.example", 8443)]
    assert target.host_header == "alerts.agency.example:8443"
    assert target_of("https://[2620:fe::fe]/", look_up=never).host_header == "[2620:fe::fe]"


@pytest.mark.parametrize(
    ("allowed", "url", "is_allowed"),
    [
        (["intranet.example"], "https://intranet.example/", True),
        (["intranet.example"], "https://INTRANET.example./", True),
        (["intranet.example"], "https://sub.intranet.example/", False),
        (["example"], "https://intranet.example/", False),
        (["intranet.example"], "https://10.0.0.7/", False),
        (["10.0.0.7"], "https://10.0.0.7/", True),
        (["10.0.0.7"], "https://167772167/", False),
        (["10.0.0.7"], "https://[::ffff:10.0.0.7]/", False),
        (["10.0.0.7"], "https://intranet.example/", False),
    ],
)
def test_only_the_exact_name_is_allowed(allowed: list[str], url: str, is_allowed: bool) -> None:
    hosts = subscription({"kind": "webhook", "url": url, "secret_env": "S", "allow_hosts": allowed}).channel.allow_hosts
    if is_allowed:
        assert target_of(url, hosts, look_up=lambda *_: ["10.0.0.7"]).addresses == ("10.0.0.7",)
    else:
        with pytest.raises(TargetRefusedError):
            target_of(url, hosts, look_up=lambda *_: ["10.0.0.7"])


def test_plain_http_needs_leave_of_its_own() -> None:
    with pytest.raises(TargetRefusedError, match="allow_http_hosts"):
        target_of("http://10.0.0.7/", ["10.0.0.7"], look_up=never)
    with pytest.raises(TargetRefusedError, match="allow_hosts"):
        target_of("http://10.0.0.7/", [], ["10.0.0.7"], look_up=never)
    assert target_of("http://10.0.0.7/", ["10.0.0.7"], ["10.0.0.7"], look_up=never).port == 80


@given(st.integers(0, 2**32 - 1))
def test_ipv4_inside_of_ipv6_is_public_where_the_inner_one_is(number: int) -> None:
    import ipaddress

    inner = ipaddress.IPv4Address(number)
    for prefix in (0xFFFF << 32, int(ipaddress.IPv6Address("64:ff9b::"))):
        assert is_public(str(ipaddress.IPv6Address(prefix | number))) == is_public(str(inner))
    if inner.is_private or inner.is_loopback or inner.is_link_local or inner.is_multicast or inner.is_unspecified:
        assert not is_public(str(inner))


# --- against a server on loopback that must never hear of it -----------------------------------------------------------


def tried(tmp_path: Path, url: str, port: int, **channel: object) -> str:
    settings = {"kind": "webhook", "url": url.format(port=port), "secret_env": "HOOK_SECRET", **channel}
    held = Post(tmp_path, [subscription(settings)])
    held.night(DAY, alert("a"))
    (sent,) = held.deliver()
    assert set(held.states()) == {"dead"}
    return sent.answer


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:{port}/", "https://2130706433:{port}/", "https://[::ffff:127.0.0.1]:{port}/",
            "https://localhost:{port}/", "https://localhost.:{port}/", "https://0x7f.1:{port}/"],
)  # fmt: skip
def test_a_server_on_loopback_hears_nothing_and_the_message_is_dead(tmp_path: Path, url: str) -> None:
    with receiver(authority(tmp_path / "ca", "localhost", "127.0.0.1").context) as server:
        assert tried(tmp_path, url, server.port).startswith("TargetRefusedError: ")
        assert server.asked == []


def test_a_server_that_redirects_to_loopback_leads_nowhere(tmp_path: Path) -> None:
    with receiver() as server, receiver() as inner:
        server.script += [f"307 {inner.url()}"]
        held = Post(tmp_path, [hook(server.url())])
        held.night(DAY, alert("a"))
        (sent,) = held.deliver()
        assert (sent.outcome, sent.answer.split(":")[0], inner.asked) == ("dead", "RedirectRefusedError", [])


def test_a_name_that_changes_between_check_and_connection_reaches_no_other_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads to a public host when it is checked, and would lead to loopback a moment later."""
    answers, connected = [["9.9.9.9"]], []
    monkeypatch.setattr(addresses, "resolve", lambda *_: answers.pop(0))
    real = socket.create_connection
    with receiver(authority(tmp_path / "ca", "rebound.example").context) as server:

        def connect(address: tuple[str, int], timeout: float) -> socket.socket:
            connected.append(address)
            return real(("127.0.0.1", server.port), timeout=timeout)

        monkeypatch.setattr(socket, "create_connection", connect)
        url, ca_file = f"https://rebound.example:{server.port}/", str(tmp_path / "ca" / "ca.pem")
        channel = {"kind": "webhook", "url": url, "secret_env": "HOOK_SECRET", "ca_file": ca_file}
        held = Post(tmp_path, [subscription(channel)], limits=QUICK)
        held.night(DAY, alert("a"))
        assert [s.outcome for s in held.deliver(environment={**ENVIRONMENT, "HOOK_SECRET": SECRET})] == ["delivered"]
        assert connected == [("9.9.9.9", server.port)]
        assert answers == []
        assert server.asked[0][1]["host"] == f"rebound.example:{server.port}"

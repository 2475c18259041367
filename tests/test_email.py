"""E-mail through a real SMTP server on loopback."""

import contextlib
import json
import socket
import threading
import time
from datetime import date
from pathlib import Path

import pytest
from deliveries import ENVIRONMENT, START, Post, alert, subscription
from servers.certificates import authority
from servers.mail import mail_server

from pipeline.errors import DeliveryRefusedError
from pipeline.io.channels import Parcel
from pipeline.io.channels.mail import message_of
from pipeline.subscriptions import EmailChannel

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # aiosmtpd's own sockets, where the client hangs up
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd.*"),
]
DAY = date(2024, 5, 1)
TO = ("duty@agency.example", "second@agency.example")


def mailed(port: int, **changed: object):
    channel = {
        "kind": "email", "host": "127.0.0.1", "port": port, "security": "none", "allow_plain_hosts": ["127.0.0.1"],
        "sender": "alerts@overburden.example", "to": TO[:1],
    }  # fmt: skip
    return subscription({**channel, **changed})


def held_with(tmp_path: Path, port: int, **changed: object) -> Post:
    held = Post(tmp_path, [mailed(port, **changed)])
    held.night(DAY, alert("a"), alert("b"))
    return held


def test_a_night_is_one_mail_with_a_summary_and_the_alerts_attached(tmp_path: Path) -> None:
    with mail_server() as (box, port):
        held = held_with(tmp_path, port)
        assert [(s.outcome, s.answer, s.rows) for s in held.deliver()] == [("delivered", "taken", 2)]
        ((sender, to, mail),) = box.mails
    assert (sender, to) == ("alerts@overburden.example", ["duty@agency.example"])
    assert mail["Subject"] == "2 alerts of 2024-05-01 for office"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, attached = mail.iter_parts()
    words = text.get_content()
    assert "- test-area, alert-a\n  why: new alert\n  state confirmed, likely_cause mining, area_ha 3.0" in words.replace(
        "\r", ""
    )
    assert "It is not a finding about legality" in words
    assert (attached.get_content_type(), attached.get_filename()) == (
        "application/geo+json", f"{held.rows()[0].message}.geojson",
    )  # fmt: skip
    assert [f["id"] for f in json.loads(attached.get_content())["features"]] == ["alert-a", "alert-b"]


OUTCOMES = [
    ("DATA 451, then comes back", {"data": ["451 later", "250"]}, ["waits", "delivered"], "SMTP 451", 1),
    ("DATA 554", {"data": ["554 no"]}, ["dead"], "SMTP 554", 0),
    ("MAIL 421", {"sender": ["421 closing"]}, ["waits", "delivered"], "SMTP 421", 1),
    ("RCPT 550", {"recipients": {TO[0]: "550 unknown"}}, ["dead"], "1 of 1 recipients refused (SMTP 550)", 0),
    ("RCPT 450", {"recipients": {TO[0]: "450 greylisted"}}, ["waits"], "1 of 1 recipients refused (SMTP 450)", 0),
    ("drops after it took the mail", {"data": ["drop"]}, ["waits", "delivered"], "connection lost", 2),
    ("stalls after it took the mail", {"data": ["stall"]}, ["waits", "delivered"], "connection lost", 2),
]


@pytest.mark.parametrize(("words", "faults", "outcomes", "answer", "taken"), OUTCOMES, ids=[o[0] for o in OUTCOMES])
def test_what_becomes_of_a_mail(
    tmp_path: Path, words: str, faults: dict[str, object], outcomes: list[str], answer: str, taken: int
) -> None:
    with mail_server() as (box, port):
        for name, value in faults.items():
            setattr(box, name, value)
        held = held_with(tmp_path, port)
        for outcome in outcomes:
            (sent,) = held.deliver()
            assert sent.outcome == outcome, sent.answer
            held.at = held.rows()[0].next_attempt_at or held.at
        assert answer in held.outbox.receipts()[0].answer
        assert len(box.mails) == taken
        assert len({str(mail["Message-ID"]) for _, _, mail in box.mails}) <= 1


def test_one_recipient_refused_for_good_is_in_the_receipt_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    with mail_server() as (box, port):
        box.recipients[TO[1]] = "550 unknown"
        (sent,) = held_with(tmp_path, port, to=TO).deliver()
        assert (sent.outcome, sent.answer) == ("delivered", "taken; 1 of 2 recipients refused (SMTP 550)")
        assert box.mails[0][1] == [TO[0]]


def test_starttls_and_login_with_the_password_nowhere_but_in_the_environment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="pipeline")
    known = authority(tmp_path / "ca", "127.0.0.1")
    login = {
        "security": "starttls",
        "username_env": "MAIL_USER",
        "password_env": "MAIL_PASSWORD",
        "ca_file": str(known.ca_file),
    }
    with mail_server(known.context, has_login=True) as (box, port):
        held = held_with(tmp_path, port, **login)
        assert [s.outcome for s in held.deliver()] == ["delivered"]
        assert box.logins == [("overburden", ENVIRONMENT["MAIL_PASSWORD"])]
        box.login_reply = False
        held.night(date(2024, 5, 2), alert("c"))
        (sent,) = held.later(days=1)
        assert (sent.outcome, "SMTP 535" in sent.answer, len(box.mails)) == ("dead", True, 1)
    stored = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
    assert ENVIRONMENT["MAIL_PASSWORD"].encode() not in stored
    assert ENVIRONMENT["MAIL_PASSWORD"] not in caplog.text


def test_a_server_without_starttls_or_with_an_unknown_certificate_gets_no_mail(tmp_path: Path) -> None:
    known = authority(tmp_path / "ca", "127.0.0.1")
    with mail_server() as (box, port):
        (sent,) = held_with(tmp_path / "plain", port, security="starttls").deliver()
        assert (sent.outcome, box.mails) == ("dead", [])
        assert "does not offer" in sent.answer
    with mail_server(known.context) as (box, port):
        (sent,) = held_with(tmp_path / "unknown", port, security="starttls").deliver()
        assert (sent.outcome, box.mails) == ("waits", [])
        assert "its certificate is not to be trusted" in sent.answer


def test_a_greeting_that_drips_has_an_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            talking, _ = listening.accept()
            with talking, contextlib.suppress(OSError):
                for byte in b"220 " + b"x" * 400:
                    talking.sendall(bytes([byte]))
                    time.sleep(0.05)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        held = held_with(tmp_path, listening.getsockname()[1])
        begin = time.monotonic()
        (sent,) = held.deliver()
        assert (sent.outcome, time.monotonic() - begin < 5.0) == ("waits", True)
        thread.join()


def test_tls_from_the_first_byte_is_verified(tmp_path: Path) -> None:
    known = authority(tmp_path / "ca", "127.0.0.1")
    with mail_server(known.context, is_tls=True) as (box, port):
        (sent,) = held_with(tmp_path / "known", port, security="tls", ca_file=str(known.ca_file)).deliver()
        assert (sent.outcome, len(box.mails)) == ("delivered", 1)
        (sent,) = held_with(tmp_path / "unknown", port, security="tls").deliver()
        assert (sent.outcome, len(box.mails)) == ("waits", 1)


def test_a_missing_password_stops_the_subscription_and_uses_no_try_up(tmp_path: Path) -> None:
    held = held_with(tmp_path, 9, security="starttls", username_env="NO_USER", password_env="NO_PASSWORD")  # noqa: S106 - a name
    (sent,) = held.deliver()
    assert (sent.outcome, "NO_USER" in sent.answer, held.rows()[0].attempts) == ("stopped", True, 0)


@pytest.mark.parametrize("text", ["2 alerts\nBcc: x@y.example", "2 alerts\r\n\r\nbody", "a\rb", "a\nb"])
def test_no_text_adds_a_header(text: str) -> None:
    channel = mailed(25).channel
    assert isinstance(channel, EmailChannel)
    with pytest.raises(DeliveryRefusedError):
        message_of(channel, Parcel("k", "office", START, text, "text", b"{}"))


def test_text_of_an_alert_stays_text(tmp_path: Path) -> None:
    with mail_server() as (box, port):
        held = Post(tmp_path, [mailed(port)])
        held.night(DAY, alert("a", aoi_id="test-area\r\n.\r\nMAIL FROM:<x@y.example>"))
        assert [s.outcome for s in held.deliver()] == ["delivered"]
        ((_, _, mail),) = box.mails
    assert "\n.\r" not in next(mail.iter_parts()).get_content()
    assert "MAIL FROM" in next(mail.iter_parts()).get_content()

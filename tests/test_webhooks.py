"""Webhooks against a real receiver that fails in every way: the table of outcomes that docs/delivery.md shows."""

import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from deliveries import ENVIRONMENT, SECRET, Post, alert, hook
from servers.certificates import authority
from servers.receiver import receiver

from pipeline.io.channels import signature

DAY = date(2024, 5, 1)
DOCS = Path(__file__).resolve().parents[1] / "docs" / "delivery.md"


@dataclass(frozen=True)
class Behaviour:
    """What a receiver does, and what becomes of the message."""

    words: str
    script: tuple[str, ...]
    outcomes: tuple[str, ...]
    answer: str
    """What the first receipt says."""
    taken: int = 1
    """How often the receiver took the message; its key makes it one."""

    @property
    def row(self) -> str:
        """Row of the table in the docs."""
        after = " → ".join(self.outcomes)
        return f"| {self.words} | {self.answer} | {after} | {self.taken} |"


TABLE = (
    Behaviour("200", ("ok",), ("delivered",), "HTTP 200"),
    Behaviour("204", ("204",), ("delivered",), "HTTP 204", 0),
    Behaviour("500, then comes back", ("500", "ok"), ("waits", "delivered"), "HTTP 500"),
    Behaviour("503 with `Retry-After: 7200`", ("503 7200", "ok"), ("waits", "delivered"), "HTTP 503"),
    Behaviour("429 with `Retry-After: 600`", ("429 600", "ok"), ("waits", "delivered"), "HTTP 429"),
    Behaviour("408, 425", ("408", "425", "ok"), ("waits", "waits", "delivered"), "HTTP 408"),
    Behaviour("500 at every try", ("500",) * 4, ("waits", "waits", "waits", "dead"), "HTTP 500", 0),
    Behaviour("stalls past the time limit, though it took the message", ("stall 0.8", "ok"), ("waits", "delivered"),
              "no whole answer in time", 2),
    Behaviour("drips bytes for ever", ("drip 30", "ok"), ("waits", "delivered"), "no whole answer in time"),
    Behaviour("drops the connection before an answer", ("reset", "ok"), ("waits", "delivered"), "connection lost"),
    Behaviour("drops the connection in mid-body, though it took the message", ("drop", "ok"), ("waits", "delivered"),
              "connection lost (IncompleteRead)", 2),
    Behaviour("200 with a body of a megabyte", ("huge",), ("delivered",), "HTTP 200"),
    Behaviour("redirects to loopback", ("302 http://127.0.0.1:9/",), ("dead",), "RedirectRefusedError", 0),
    Behaviour("redirects to a public host", ("308 https://example.org/",), ("dead",), "RedirectRefusedError", 0),
    Behaviour("410", ("410",), ("dead",), "HTTP 410", 0),
    Behaviour("401, and likewise 400, 403, 404, 422", ("401",), ("dead",), "HTTP 401", 0),
)  # fmt: skip


@pytest.mark.parametrize("behaviour", TABLE, ids=lambda b: b.words)
def test_what_becomes_of_a_message(tmp_path: Path, behaviour: Behaviour) -> None:
    with receiver() as server:
        held = Post(tmp_path, [hook(server.url())])
        held.night(DAY, alert("a"))
        server.script += behaviour.script
        for outcome in behaviour.outcomes:
            begin = time.monotonic()
            (sent,) = held.deliver()
            assert time.monotonic() - begin < 5.0
            assert sent.outcome == outcome, sent.answer
            held.at = held.rows()[0].next_attempt_at or held.at
        receipts = held.outbox.receipts()
        assert behaviour.answer in receipts[0].answer
        assert sum(server.times.values()) == behaviour.taken
        assert len({headers["idempotency-key"] for _, headers, _ in server.asked}) == 1
        assert len({body for _, _, body in server.asked}) == 1
        assert set(held.states()) == {behaviour.outcomes[-1]}
        assert held.later(days=60) == []


def test_the_table_in_the_docs_is_this_one() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = "\n".join(b.row for b in TABLE)
    assert f"| a receiver that | receipt of the first try | outcomes | taken |\n|---|---|---|---|\n{rows}\n" in text


@pytest.mark.parametrize("status", ["400", "403", "404", "422", "300", "301", "303", "304", "307"])
def test_what_is_refused_for_good_is_given_up_at_once(tmp_path: Path, status: str) -> None:
    with receiver() as server:
        held = Post(tmp_path, [hook(server.url())])
        held.night(DAY, alert("a"))
        server.script += [f"{status} http://127.0.0.1:9/" if status < "4" else status]
        assert [s.outcome for s in held.deliver()] == ["dead"]
        assert f"HTTP {status}" in held.rows()[0].reason


def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    with receiver() as server:
        held = Post(tmp_path, [hook(server.url())])
        held.night(DAY, alert("a"))
        server.script += ["429 600"]
        held.deliver()
        (row,) = held.rows()
        assert row.next_attempt_at is not None
        assert timedelta(seconds=600) <= row.next_attempt_at - held.at <= timedelta(seconds=620)


def test_a_receiver_that_is_not_there_comes_back(tmp_path: Path) -> None:
    with receiver() as server:
        port = server.port
    held = Post(tmp_path, [hook(f"http://127.0.0.1:{port}/")])
    held.night(DAY, alert("a"))
    (sent,) = held.deliver()
    assert (sent.outcome, sent.answer) == ("waits", "127.0.0.1: connection lost (ConnectionRefusedError)")


def test_a_receiver_that_fails_holds_up_nobody_else(tmp_path: Path) -> None:
    with receiver() as bad, receiver() as good:
        bad.script += ["500"]
        held = Post(tmp_path, [hook(bad.url(), "bad"), hook(good.url(), "good")])
        held.night(DAY, alert("a"))
        assert [(s.subscriber, s.outcome) for s in held.deliver()] == [("bad", "waits"), ("good", "delivered")]


# --- signature, headers, secrets ---------------------------------------------------------------------------------------


def recipe() -> dict[str, object]:
    """The recipe that the docs give to receivers, as it stands there."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert code.count("\n") <= 10
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - our own docs
    return names


def test_a_receiver_verifies_the_signature_by_the_recipe_of_the_docs(tmp_path: Path) -> None:
    is_genuine = recipe()["is_genuine"]
    assert callable(is_genuine)
    with receiver() as server:
        held = Post(tmp_path, [hook(server.url(), digest=False)])
        held.night(DAY, alert("a"))
        held.deliver()
        ((path, headers, body),) = server.asked
    sent_at = int(held.at.timestamp())
    given = headers["overburden-signature"]
    assert given == signature(SECRET, held.at, body)
    assert hmac.new(SECRET.encode(), f"{sent_at}.".encode() + body, hashlib.sha256).hexdigest() == given.partition("v1=")[2]
    assert is_genuine(body, given, SECRET, now=sent_at + 10)
    assert not is_genuine(body + b" ", given, SECRET, now=sent_at + 10)
    assert not is_genuine(body, given, "another secret", now=sent_at + 10)
    assert not is_genuine(body, given, SECRET, now=sent_at + 3600)
    assert not is_genuine(body, given.replace(str(sent_at), str(sent_at + 1)), SECRET, now=sent_at + 10)
    assert (path, headers["idempotency-key"], headers["overburden-delivery"]) == ("/hook", "alert-a-r1", "alert-a-r1")
    assert headers["content-type"] == "application/geo+json"
    assert json.loads(body)["features"][0]["id"] == "alert-a"


def test_a_second_try_has_the_same_key_and_body_and_a_signature_of_its_own_time(tmp_path: Path) -> None:
    with receiver() as server:
        held = Post(tmp_path, [hook(server.url())])
        held.night(DAY, alert("a"))
        server.script += ["500"]
        held.deliver()
        held.later(hours=1)
        (_, first, body), (_, second, same) = server.asked
    assert (body, first["idempotency-key"]) == (same, second["idempotency-key"])
    assert first["overburden-signature"] != second["overburden-signature"]


def test_secrets_are_nowhere_but_in_the_environment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with receiver() as server:
        url = server.url(path="/hook/very-secret-path")
        held = Post(tmp_path, [hook(None, channel={"url_env": "HOOK_URL"})])  # type: ignore[arg-type]
        held.night(DAY, alert("a"))
        server.script += ["500"]
        environment = {**ENVIRONMENT, "HOOK_URL": url}
        held.deliver(environment=environment)
        held.at += timedelta(hours=1)
        assert [s.outcome for s in held.deliver(environment=environment)] == ["delivered"]
        assert server.asked[0][0] == "/hook/very-secret-path"
    stored = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
    for secret in (SECRET, "very-secret-path"):
        assert secret.encode() not in stored
        assert secret not in caplog.text


def test_a_secret_that_is_not_set_stops_only_its_subscription_and_uses_no_try_up(tmp_path: Path) -> None:
    with receiver() as server:
        held = Post(tmp_path, [hook(server.url())])
        held.night(DAY, alert("a"))
        (sent,) = held.deliver(environment={})
        assert (sent.outcome, "HOOK_SECRET" in sent.answer, server.asked) == ("stopped", True, [])
        assert [(r.attempts, str(r.state)) for r in held.rows()] == [(0, "pending")]
        assert [s.outcome for s in held.deliver()] == ["delivered"]


def test_proxies_of_the_environment_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as server, receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(path=""))
        held = Post(tmp_path, [hook(server.url())])
        held.night(DAY, alert("a"))
        assert [s.outcome for s in held.deliver()] == ["delivered"]
        assert (len(server.asked), proxy.asked) == (1, [])


# --- TLS ---------------------------------------------------------------------------------------------------------------


def test_tls_with_an_authority_of_its_own_is_verified(tmp_path: Path) -> None:
    known = authority(tmp_path / "known", "localhost")
    with receiver(known.context) as server:
        held = Post(tmp_path, [hook(server.url("localhost"), channel={"ca_file": str(known.ca_file)})])
        held.night(DAY, alert("a"))
        assert [s.outcome for s in held.deliver()] == ["delivered"]


@pytest.mark.parametrize("case", ["unknown authority", "another name"])
def test_a_certificate_that_is_not_to_be_trusted_is_refused_before_anything_is_sent(tmp_path: Path, case: str) -> None:
    known = authority(tmp_path / "known", "elsewhere.example" if case == "another name" else "localhost")
    channel = {"ca_file": str(known.ca_file)} if case == "another name" else {}
    with receiver(known.context) as server:
        held = Post(tmp_path, [hook(server.url("localhost"), channel=channel)])
        held.night(DAY, alert("a"))
        (sent,) = held.deliver()
        assert sent.outcome == "waits"
        assert "its certificate is not to be trusted" in sent.answer
        assert server.asked == []


def test_a_server_that_speaks_no_tls_is_told_nothing(tmp_path: Path) -> None:
    with receiver() as server:
        held = Post(tmp_path, [hook(server.url().replace("http://", "https://"))])
        held.night(DAY, alert("a"))
        (sent,) = held.deliver()
        assert (sent.outcome, server.asked) == ("waits", [])

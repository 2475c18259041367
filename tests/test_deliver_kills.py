"""A deliverer that is killed at any instant: everything arrives at least once, each key counts once, the outbox ends empty.

A hundred kills at random instants are in benchmarks/delivery_kills.py.
"""

import itertools
import os
import random
import runpy
import signal
from datetime import date
from pathlib import Path

import pytest
from deliveries import Post, alert, folder_of, hook
from servers.receiver import receiver

from pipeline.io.outbox import Outbox
from pipeline.stages import deliver as module

DAY = date(2024, 5, 1)


class Killed(BaseException):
    """The process dies here."""


KILLS = [
    (Outbox, "bundle", 1),
    (Outbox, "bundle", 2),
    (module, "send", 1),
    (module, "send", 3),
    (Outbox, "record", 1),
    (Outbox, "record", 4),
]


@pytest.mark.parametrize("kill", KILLS, ids=lambda k: f"{k[1]} {k[2]}")
@pytest.mark.parametrize("digest", [True, False], ids=["digest", "one by one"])
def test_a_deliverer_that_dies_at_a_step_loses_and_doubles_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kill: tuple[object, str, int],
    digest: bool,
) -> None:
    owner, name, time = kill
    real, calls = getattr(owner, name), itertools.count(1)

    def dies(*arguments: object, **options: object) -> object:
        if next(calls) == time:
            raise Killed
        return real(*arguments, **options)

    with receiver() as server:
        held = Post(tmp_path, [hook(server.url(), "hook", digest=digest), folder_of(tmp_path / "in", "folder", digest=digest)])
        held.night(DAY, alert("a"), alert("b"))
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, dies)
            if not digest or time < 3:
                with pytest.raises(Killed):
                    held.deliver()
        held.deliver()
        assert set(held.states()) == {"delivered"}
        assert len(server.documents) == len(list((tmp_path / "in").iterdir())) == (1 if digest else 2)
        assert max(server.times.values()) <= 2
        assert sum(len(d["features"]) for d in server.documents.values()) == 2


def test_kills_at_random_instants(tmp_path: Path) -> None:
    bench = runpy.run_path(str(Path(__file__).resolve().parents[1] / "benchmarks" / "delivery_kills.py"))
    with receiver() as server:
        post = bench["suffer"](tmp_path, server, 6, random.Random(3))
        assert bench["judge"](post, server) == []


def test_the_lock_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    held = Post(tmp_path, [folder_of(tmp_path / "in")])
    held.night(DAY, alert("a"))
    begun, told = os.pipe()
    child = os.fork()
    if child == 0:
        with module.sole_deliverer(held.store.engine):
            os.write(told, b"x")
            signal.pause()
        os._exit(0)
    os.read(begun, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(begun)
    os.close(told)
    assert [s.outcome for s in held.deliver()] == ["delivered"]

"""Tasks of several chunks: which chunks a task gets, and that one chunk that fails holds up none of the others."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigInvalidError
from pipeline.flows.entry import settle
from pipeline.flows.runners import HANDFUL, handfuls, worker_count


@given(st.integers(0, 500), st.integers(1, 40))
def test_every_chunk_is_in_one_task_and_the_last_ones_are_single(count: int, workers: int) -> None:
    names = [str(n) for n in range(count)]
    runs = handfuls(names, workers)
    sizes = [len(run) for run in runs]
    assert [name for run in runs for name in run] == names
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes, default=1) <= HANDFUL
    assert set(sizes[-workers:]) <= {1}


def test_fifty_chunks_on_two_threads_are_fifteen_tasks() -> None:
    assert [len(run) for run in handfuls([str(n) for n in range(50)], 2)] == [8, 8, 8, 6, 5, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1]


def test_as_many_tasks_as_chunks_where_workers_are_many() -> None:
    assert handfuls(["a", "b", "c"], 8) == [["a"], ["b"], ["c"]]


def test_workers_of_this_machine_are_counted_by_the_configuration() -> None:
    assert (worker_count(3), worker_count("dask:5")) == (3, 5)


def test_a_chunk_that_fails_holds_up_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    settle()
    from pipeline.flows import nights

    taken: list[str] = []
    errors = {"b": ConfigInvalidError("b is wrong"), "d": OSError("d cannot be written")}

    def update(chunk: str) -> int:
        taken.append(chunk)
        if chunk in errors:
            raise errors[chunk]
        return 2

    grid = SimpleNamespace(chunks=[SimpleNamespace(id=name) for name in "abcd"])
    monkeypatch.setattr(nights, "_walk", lambda _: SimpleNamespace(grid=grid, area=SimpleNamespace(id="tiny")))
    monkeypatch.setattr(nights, "chunk_work", lambda _, chunk: chunk.id)
    monkeypatch.setattr(nights, "update_chunk", update)
    job = ("night.yaml", 0, "2025-01-01", None, False, 0.0, "")
    assert nights.follow_chunks.fn(job, ["a", "c"]) == 4
    with pytest.raises(OSError, match="d cannot be written"):  # the one that may pass is tried again
        nights.follow_chunks.fn(job, ["a", "b", "d"])
    with pytest.raises(ConfigInvalidError, match="b is wrong"):
        nights.follow_chunks.fn(job, ["b", "c"])
    assert taken == ["a", "c", "a", "b", "d", "b", "c"]

"""State files: arrays in one file, each read alone; damage has a name."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.errors import StoreMismatchError
from pipeline.io.arrays import ALIGNED, ArrayFile, pack_arrays

kinds = st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, np.int64, bool])
held = kinds.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))


@given(st.dictionaries(st.sampled_from("abcde"), held, min_size=1), st.sets(st.sampled_from("abcde")))
def test_arrays_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, them: dict, raw: set[str]) -> None:
    path = tmp_path_factory.mktemp("arrays") / "one.arrays"
    path.write_bytes(pack_arrays(them, raw))
    assert path.read_bytes() == pack_arrays(dict(reversed(them.items())), raw)
    file = ArrayFile(path)
    assert set(file.head) == set(them)
    for name, array in them.items():
        found = file.read(name)
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert file.head[name]["at"] % ALIGNED == 0


def test_what_is_written_into_a_mapped_array_does_not_reach_the_file(tmp_path: Path) -> None:
    path = tmp_path / "one.arrays"
    path.write_bytes(pack_arrays({"a": np.arange(4)}, raw={"a"}))
    ArrayFile(path).read("a")[:] = 0
    assert ArrayFile(path).read("a").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda whole: whole[:-ALIGNED], "found .* bytes of"),
        (lambda whole: b"PK" + whole[2:], "another beginning"),
        (lambda _: b"", "another beginning"),
        (lambda whole: whole[:40], "bring it back"),
        (lambda whole: whole[:-70] + bytes(6) + whole[-64:], "one.arrays"),
        (lambda whole: whole.replace(b"[1000]", b"[9000]"), "found an array of 8000 bytes, expected 72000"),
    ],
    ids=["cut off", "another kind", "empty", "cut off in the head", "a hole", "another shape"],
)
def test_damage_is_told_by_name(tmp_path: Path, damage: object, words: str) -> None:
    path = tmp_path / "one.arrays"
    path.write_bytes(damage(pack_arrays({"a": np.arange(1000) ** 2})))
    with pytest.raises(StoreMismatchError, match=words):
        ArrayFile(path).read("a")


def test_an_array_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "one.arrays"
    path.write_bytes(pack_arrays({"a": np.arange(4)}))
    with pytest.raises(StoreMismatchError, match="'b'"):
        ArrayFile(path).read("b")

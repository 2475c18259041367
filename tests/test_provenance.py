"""Ids and digests that follow from what they name."""

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.provenance import canonical_json, derive_id, digest, sha256_of

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), plain, max_size=5))
def test_the_order_of_keys_does_not_matter(value: dict) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


def test_text_is_as_short_as_it_can_be_and_dates_are_iso() -> None:
    value = {"é": date(2024, 2, 1), "a": datetime(2024, 2, 1, 3, tzinfo=UTC)}
    assert canonical_json(value) == '{"a":"2024-02-01T03:00:00+00:00","é":"2024-02-01"}'


def test_what_has_no_single_text_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})
    with pytest.raises(TypeError, match="set has no canonical JSON form"):
        canonical_json({"a": {1}})


def test_digests_are_those_of_hashlib(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"overburden" * 1000)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(b"overburden" * 1000).hexdigest()
    assert digest({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


def test_an_id_is_a_uuid5_of_kind_and_parts() -> None:
    assert UUID(derive_id("site", "x", 1)).version == 5
    assert (
        len({derive_id(k, *p) for k, p in (("site", ("x", 1)), ("site", ("x", "1")), ("alert", ("x", 1)), ("site", ("x",)))})
        == 4
    )

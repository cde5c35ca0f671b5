"""SHA-256 of bytes, files and values."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.files.digests import digest, sha256_bytes, sha256_file

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def test_known_values() -> None:
    assert sha256_bytes(b"abc").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert digest({"b": 1, "a": [None, True, 0.5, "é"]}) == sha256_bytes(
        rb'{"a":[null,true,0.5,"\u00e9"],"b":1}'
    )


def test_file_longer_than_a_block(tmp_path: Path) -> None:
    data = bytes(range(256)) * 8192
    (tmp_path / "file").write_bytes(data)
    assert sha256_file(tmp_path / "file") == hashlib.sha256(data).hexdigest()


@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_order_of_keys_does_not_count(value: dict[str, object]) -> None:
    backwards = dict(reversed(list(value.items())))
    assert digest(value) == digest(backwards)


@given(JSON, JSON)
def test_other_values_have_other_digests(one: object, other: object) -> None:
    assert (digest(one) == digest(other)) == (repr(one) == repr(other) or _as_json(one, other))


def _as_json(one: object, other: object) -> bool:
    import json

    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": -math.inf}])
def test_not_finite_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(value)


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="Path"):
        digest({"path": Path("x")})

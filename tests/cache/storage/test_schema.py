"""Declared formats: shapes, versions, values, digests of samples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import ids_to_array
from stroi.cache.storage.schema import (
    ID_FIELD,
    Array,
    Field,
    FileFormat,
    check_arrays,
    check_version,
    sample_digests,
)

FORMAT = FileFormat(
    "test",
    (
        ID_FIELD,
        Field("length", "<i4", ("N",), low=1),
        Field("table", "<f4", ("N", "C", 2), low=0, high=1),
        Field("row", "<f8", ("F", "K")),
        Field("title", "U8", ("C",)),
    ),
    ragged_lengths="length",
    multiples=(("C", "K"),),
)


def good() -> dict[str, Array]:
    return {
        "sample_id": ids_to_array(["a", "b", "c"]),
        "length": np.array([1, 3, 2], np.int32),
        "table": np.linspace(0, 1, 24, dtype=np.float32).reshape(3, 4, 2),
        "row": np.arange(12, dtype=np.float64).reshape(6, 2),
        "title": np.array([b"p", b"q", b"r", "é".encode()], "S8"),
    }


def refusal(change: Callable[[dict[str, Array]], object]) -> str:
    arrays = good()
    change(arrays)
    with pytest.raises(RefusedInput) as caught:
        check_arrays(FORMAT, arrays, "file")
    return str(caught.value)


def put(name: str, place: object, value: object) -> Callable[[dict[str, Array]], None]:
    def change(arrays: dict[str, Array]) -> None:
        arrays[name][place] = value  # type: ignore[index]

    return change


def test_good_arrays_pass() -> None:
    check_arrays(FORMAT, good(), "file")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a: a.pop("row"), "SCHEMA: file: row is missing"),
        (lambda a: a.update(row=a["row"][0]), "SCHEMA: file: row is (2,), want (F, K)"),
        (
            lambda a: a.update(table=a["table"][..., :1]),
            "SCHEMA: file: table is (3, 4, 1), want (N, C, 2)",
        ),
        (
            lambda a: a.update(row=a["row"].astype(np.float32)),
            "SCHEMA: file: row is float32, want float64",
        ),
        (lambda a: a.update(row=a["row"].astype(">f8")), "SCHEMA: file: row is >f8, want float64"),
        (
            lambda a: a.update(length=a["length"][:2]),
            "H5_LENGTHS: file: length has 2 along N, sample_id has 3",
        ),
        (
            lambda a: a.update(row=a["row"][:5]),
            "H5_LENGTHS: file: row has 5 rows, length adds up to 6",
        ),
        (
            lambda a: a.update(sample_id=a["sample_id"][:0]),
            "H5_EMPTY: file: sample_id holds nothing: (0,)",
        ),
        (
            lambda a: a.update(row=np.zeros((6, 3))),
            "SCHEMA: file: C = 4 of table is not a multiple of K = 3 of row",
        ),
        (put("sample_id", 1, b"../x"), "ID_BAD: file: sample 1 has the id '../x'"),
        (put("sample_id", 1, b"A"), "ID_DUPLICATE: file: sample 1 ('A')"),
        (put("sample_id", 0, b"bb"), "ID_ORDER: file: 'b' stands after 'bb'"),
        (put("table", (1, 2, 0), np.nan), "NONFINITE: file: table of 'b' holds NaN or infinity"),
        (put("row", (3, 0), np.inf), "NONFINITE: file: row of 'b' holds NaN or infinity"),
        (put("row", (4, 1), -np.inf), "NONFINITE: file: row of 'c' holds NaN or infinity"),
        (put("table", (2, 0, 0), -0.1), "RANGE: file: table of 'c' is below 0 or above 1"),
        (put("table", (0, 0, 0), 1.1), "RANGE: file: table of 'a' is below 0 or above 1"),
        (put("length", slice(None), [8, -1, -1]), "RANGE: file: length of 'b' is below 1"),
    ],
    ids=range(18),
)
def test_what_does_not_fit_is_refused(
    change: Callable[[dict[str, Array]], object], text: str
) -> None:
    assert refusal(change).startswith(text)


@pytest.mark.parametrize("text", ["2.0", "2.7", "2.99"])
def test_same_major_version_is_read(text: str) -> None:
    assert check_version(text, "file") == (2, int(text[2:]))


@pytest.mark.parametrize("text", ["3.0", "10.3"])
def test_newer_major_version_is_refused(text: str) -> None:
    with pytest.raises(RefusedInput, match=f"schema {text} is newer than 2.0.*newer stroi"):
        check_version(text, "file")


@pytest.mark.parametrize("text", ["0.9", "1.2"])
def test_older_major_version_is_refused(text: str) -> None:
    with pytest.raises(RefusedInput, match=f"schema {text} is of an older stroi.*make it again"):
        check_version(text, "file")


@pytest.mark.parametrize("text", ["", "1", "1.0.0", "v1.0", "1.x", "-1.0", "\u0661.0"])
def test_nonsense_version_is_refused(text: str) -> None:
    with pytest.raises(RefusedInput, match=r"schema .* is not a version"):
        check_version(text, "file")


def test_digest_of_a_sample_is_that_of_its_bytes() -> None:
    arrays = good()
    starts = [0, 1, 4, 6]
    expected = tuple(
        hashlib.sha256(
            arrays["length"][i : i + 1].tobytes()
            + arrays["table"][i].tobytes()
            + arrays["row"][starts[i] : starts[i + 1]].tobytes()
        ).hexdigest()
        for i in range(3)
    )
    assert sample_digests(FORMAT, arrays) == expected

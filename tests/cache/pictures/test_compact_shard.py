"""Compact shards: what they hold and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from assembled import assemble_mosaics
from blobs import smooth
from hypothesis import given, settings
from hypothesis import strategies as st
from small_caches import make_mosaics

from stroi.cache.errors import RefusedInput
from stroi.cache.mosaics import Mosaics
from stroi.cache.pictures.codecs import check_codec, encode_picture
from stroi.cache.pictures.compact_shard import (
    EQUAL_DB,
    blob_at,
    blob_ends,
    check_compact,
    check_extent,
    fidelity,
    to_compact,
    to_training,
)
from stroi.cache.storage.formats import MAX_BLOB_BYTES, MOSAICS, MOSAICS_COMPACT
from stroi.cache.storage.hdf5 import decode, encode
from stroi.cache.storage.schema import Array, check_contents

IDS = ("a", "b", "c")


def silent(count: int) -> None:
    assert count == 1


def training(folder: Path, made: Mosaics) -> dict[str, Array]:
    """Arrays of a training shard."""
    (folder / "origin.h5").write_bytes(assemble_mosaics([made]).data)
    return decode(MOSAICS, folder / "origin.h5")


def compact(folder: Path, made: Mosaics, codec: str = "webp") -> dict[str, Array]:
    """Arrays of a compact shard."""
    used, quality = check_codec(codec, None)
    arrays, digests = training(folder, made), assemble_mosaics([made]).sample_sha256
    return to_compact(arrays, digests, used, quality, on_sample=silent, where="here")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(count=st.integers(1, 5), cell=st.integers(1, 9), seed=st.integers(0, 9))
def test_lossless_form_goes_through_a_file_and_back(
    tmp_path_factory: pytest.TempPathFactory, count: int, cell: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("compact")
    made = make_mosaics(tuple(f"clip{i}" for i in range(count)), seed=seed, cell=cell)
    (folder / "compact.h5").write_bytes(encode(MOSAICS_COMPACT, compact(folder, made)))
    found = decode(MOSAICS_COMPACT, folder / "compact.h5")
    check_compact(found, "here")
    assert found["origin_sha256"].tolist() == [
        text.encode() for text in assemble_mosaics([made]).sample_sha256
    ]
    back = to_training(found, on_sample=silent, where="here")
    assert encode(MOSAICS, back) == assemble_mosaics([made]).data


def test_lossy_form_changes_pixels_only(tmp_path: Path) -> None:
    made = make_mosaics(IDS, cell=8)
    origin = training(tmp_path, made)
    back = to_training(compact(tmp_path, made, "jpeg"), on_sample=silent, where="here")
    for name, array in origin.items():
        assert np.array_equal(array, back[name]) == (name != "mosaic")


def test_blobs_lie_one_behind_the_other(tmp_path: Path) -> None:
    made = make_mosaics(IDS)
    arrays = compact(tmp_path, made)
    blobs = [encode_picture(mosaic, "webp", None) for mosaic in made.mosaic]
    assert arrays["blob"].tobytes() == b"".join(blobs)
    ends = blob_ends(arrays)
    assert [blob_at(arrays, ends, row).tobytes() for row in range(3)] == blobs


def test_fidelity_is_the_psnr(tmp_path: Path) -> None:
    made = make_mosaics(IDS, cell=8)
    assert fidelity(compact(tmp_path, made), made.mosaic, "here").tolist() == [EQUAL_DB] * 3
    arrays = compact(tmp_path, made, "jpeg")
    back = to_training(arrays, on_sample=silent, where="here")["mosaic"]
    squares = ((back.astype(np.float64) - made.mosaic) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(
        fidelity(arrays, made.mosaic, "here"), 10 * np.log10(255**2 / squares), rtol=1e-9
    )


def broken(arrays: dict[str, Array]) -> dict[str, tuple[dict[str, Array], str]]:
    """Compact shards with one thing wrong each, and the refusal."""
    lengths, blob = arrays["blob_bytes"], arrays["blob"]
    sizes = np.array([20, 20, 25], np.int32)
    long = lengths.copy()
    long[1] = 2 * 3 * 20 * 12 + 65537
    digest = arrays["origin_sha256"].copy()
    digest[1] = b"F" * 64
    short = arrays["origin_sha256"].copy()
    short[2] = b"0" * 63
    return {
        "zero length": (
            {"blob_bytes": lengths + np.array([lengths[1], -lengths[1], 0])},
            "RANGE: here: blob_bytes of 'b' is below 1 or above 1.00663e+08",
        ),
        "negative length": (
            {"blob_bytes": lengths + np.array([-lengths[0] - 1, 0, lengths[0] + 1])},
            "RANGE: here: blob_bytes of 'a' is below 1",
        ),
        "too long": (
            {
                "blob_bytes": np.array([1, 1, MAX_BLOB_BYTES + 1], np.int32),
                "blob": np.zeros(MAX_BLOB_BYTES + 3, np.uint8),
            },
            "RANGE: here: blob_bytes of 'c' is below 1",
        ),
        "does not add up": (
            {"blob_bytes": lengths + 1},
            f"H5_LENGTHS: here: blob has {len(blob)} rows, blob_bytes adds up to {len(blob) + 3}",
        ),
        "no height": ({"height": sizes * 0}, "RANGE: here: height of 'a' is below 1 or above 4096"),
        "wide": ({"width": sizes * 0 + 4097}, "RANGE: here: width of 'a'"),
        "sizes differ": ({"height": sizes}, "SCHEMA: here holds pictures of several sizes"),
        "rows": (
            {"height": sizes * 0 + 21},
            "SCHEMA: here: 21 x 12 px are not 5 x 3 equal cells",
        ),
        "columns": ({"width": sizes * 0 + 13}, "SCHEMA: here: 20 x 13 px are not 5 x 3"),
        "fat blob": (
            {"blob_bytes": long, "blob": np.zeros(long.sum(), np.uint8)},
            "IMAGE_SIZE: here: the blob of 'b' is longer than any of 20 x 12 px",
        ),
        "digest": ({"origin_sha256": digest}, "SCHEMA: here: origin_sha256 of 'b' is not a digest"),
        "short digest": ({"origin_sha256": short}, "SCHEMA: here: origin_sha256 of 'c' is not"),
    }


@pytest.mark.parametrize(
    "what",
    [
        "zero length", "negative length", "too long", "does not add up", "no height", "wide",
        "sizes differ", "rows", "columns", "fat blob", "digest", "short digest",
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(what: str, tmp_path: Path) -> None:
    arrays = compact(tmp_path, make_mosaics(IDS))
    change, text = broken(arrays)[what]
    with pytest.raises(RefusedInput) as caught:
        both({**arrays, **change})
    assert str(caught.value).startswith(text)


def both(arrays: dict[str, Array]) -> None:
    """All checks before a blob is looked at, in their order."""
    check_contents(MOSAICS_COMPACT, arrays, "here")
    check_compact(arrays, "here")


@pytest.mark.parametrize(
    ("extent", "text"),
    [
        ((1, 4097, 5), "a picture of 4097 x 5 px is larger than 4096 px a side; keep it in the"),
        ((1, 5, 4097), "a picture of 5 x 4097 px is larger"),
        ((40, 4096, 4096), "40 pictures of 4096 x 4096 px are more than 2000000000 bytes; rebuild"),
    ],
)
def test_shard_that_would_not_fit_is_refused(extent: tuple[int, int, int], text: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        check_extent(*extent, "here")
    assert str(caught.value).startswith(f"IMAGE_SIZE: here: {text}")
    check_extent(39, 4096, 4096, "here")


def test_too_large_mosaics_are_not_packed(tmp_path: Path) -> None:
    made = make_mosaics(("a",), cell=820)
    with pytest.raises(RefusedInput, match="IMAGE_SIZE: here: a picture of 4100 x 2460 px"):
        compact(tmp_path, made)


@pytest.mark.parametrize(
    "read",
    [
        lambda arrays: to_training(arrays, on_sample=silent, where="here"),
        lambda arrays: fidelity(arrays, np.stack([smooth()] * 3), "here"),
    ],
)
def test_bad_blob_is_named(read: Callable[[dict[str, Array]], object], tmp_path: Path) -> None:
    arrays = compact(tmp_path, make_mosaics(IDS))
    arrays["blob"] = arrays["blob"].copy()
    arrays["blob"][blob_ends(arrays)[0]] ^= 1
    with pytest.raises(RefusedInput, match="IMAGE_HEADER: here: 'b': no JPEG or WebP image"):
        read(arrays)

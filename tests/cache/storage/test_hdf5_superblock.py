"""The first bytes of an HDF5 file."""

from __future__ import annotations

import io

import h5py
import numpy as np
import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.storage.hdf5_headers import SUPERBLOCK_BYTES, check_superblock


def image(libver: object = "latest", **options: object) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver, **options) as file:
        file["x"] = np.arange(100)
    return buffer.getvalue()


def refusal(data: bytes, size: int | None = None) -> str:
    with pytest.raises(RefusedInput) as caught:
        check_superblock(data[:SUPERBLOCK_BYTES], len(data) if size is None else size, "file")
    return str(caught.value)


def patch(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


@pytest.mark.parametrize("libver", ["earliest", ("v108", "v108"), ("v110", "v110"), "latest"])
def test_files_of_every_version_are_taken(libver: object) -> None:
    data = image(libver)
    check_superblock(data[:SUPERBLOCK_BYTES], len(data), "file")
    assert refusal(data[:-1]) == (
        f"H5_EOF: file has {len(data) - 1} bytes, its header says {len(data)};"
        " fetch or rebuild the file"
    )
    assert refusal(data + b"\n").startswith("H5_EOF: file has")


@pytest.mark.parametrize("length", [8, 40, 95])
def test_a_stump_is_refused(length: int) -> None:
    assert refusal(image()[:length]).startswith(f"H5_EOF: file is cut after {length} bytes")


@pytest.mark.parametrize(
    "data", [b"", b"\x89", b"\x80\x04pickle" + bytes(100), b"PK\x03\x04" + bytes(100)]
)
def test_another_file_is_refused(data: bytes) -> None:
    assert refusal(data).startswith("H5_SUPERBLOCK: file is not an HDF5 file")


def test_user_block_is_refused() -> None:
    assert "H5_SUPERBLOCK" in refusal(image(userblock_size=512))


@pytest.mark.parametrize(
    ("libver", "place", "value", "text"),
    [
        ("latest", 8, b"\x09", "H5_SUPERBLOCK: file: superblock version 9"),
        ("latest", 9, b"\x04", "H5_SUPERBLOCK: file has a user block"),
        ("latest", 11, b"\x01", "H5_NOT_CLOSED: file was left open by its writer"),
        ("latest", 12, b"\x01", "H5_SUPERBLOCK: file has a user block"),
        ("latest", 20, b"\x00" * 8, "H5_SUPERBLOCK: file has a user block"),
        ("earliest", 48, b"\x00" * 8, "H5_SUPERBLOCK: file has a user block, a driver block"),
    ],
)
def test_odd_header_is_refused(libver: str, place: int, value: bytes, text: str) -> None:
    assert refusal(patch(image(libver), place, value)).startswith(text)

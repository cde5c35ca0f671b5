"""Only regular files are opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import open_regular, read_regular


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"bytes")
    assert read_regular(tmp_path / "x", "CODE", 5) == b"bytes"
    with open_regular(tmp_path / "x", "CODE") as (fd, size):
        assert (os.read(fd, 2), size) == (b"by", 5)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_anything_else_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "x").write_bytes(b"bytes")
    for name, text in {
        "fifo": "CODE: FILE is not a regular file; give a regular file",
        ".": "CODE: FILE is not a regular file; give a regular file",
        "link": "CODE: FILE cannot be opened: Too many levels of symbolic links; give",
        "none": "CODE: FILE cannot be opened: No such file or directory; give",
        "x": "CODE: FILE has 5 bytes, allowed are 4; give",
    }.items():
        with pytest.raises(RefusedInput) as caught:
            read_regular(tmp_path / name, "CODE", 4)
        assert str(caught.value).replace(str(tmp_path / name), "FILE").startswith(text)

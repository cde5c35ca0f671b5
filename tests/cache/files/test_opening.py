"""Only regular files are opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import open_no_link, open_regular, read_no_link, read_regular


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"bytes")
    assert read_no_link(tmp_path / "x", "CODE", 5) == b"bytes"
    with open_no_link(tmp_path / "x", "CODE") as (fd, size):
        assert (os.read(fd, 2), size) == (b"by", 5)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_anything_else_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "x").write_bytes(b"bytes")
    for name, text in {
        "fifo": "CODE: FILE cannot be opened: not a regular file; give a regular file",
        ".": "CODE: FILE cannot be opened: not a regular file; give a regular file",
        "link": "CODE: FILE cannot be opened: Too many levels of symbolic links; give",
        "none": "CODE: FILE cannot be opened: No such file or directory; give",
        "x": "CODE: FILE has 5 bytes, allowed are 4; give",
    }.items():
        with pytest.raises(RefusedInput) as caught:
            read_no_link(tmp_path / name, "CODE", 4)
        assert str(caught.value).replace(str(tmp_path / name), "FILE").startswith(text)


def test_bytes_of_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    with open_regular(tmp_path / "a") as (fd, size):
        assert (os.read(fd, 9), size) == (b"text", 4)
    assert read_regular(tmp_path / "a", 4) == b"text"
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_regular(tmp_path / "link", 4) == b"text"


def test_descriptor_is_closed_also_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(KeyError), open_regular(tmp_path / "a"):
        raise KeyError
    with pytest.raises(OSError, match="not a regular file"), open_regular(tmp_path):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "No such file"),
    "folder": (lambda path: path.mkdir(), "not a regular file"),
    "fifo": (os.mkfifo, "not a regular file"),
    "link to a folder": (lambda path: path.symlink_to("/"), "not a regular file"),
    "endless link": (lambda path: path.symlink_to(path), "symbolic links"),
    "large": (lambda path: path.write_bytes(b"12345"), "5 bytes, at most 4 are read"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(tmp_path: Path, case: str) -> None:
    make, message = BAD[case]
    make(tmp_path / "a")
    with pytest.raises(OSError, match=message):
        read_regular(tmp_path / "a", 4)


def test_a_name_with_a_nul_is_no_file() -> None:
    with pytest.raises(OSError, match="no file can have this name"):
        read_regular(Path("a\0b"), 4)


def test_a_file_that_hides_its_size_is_read_to_the_limit_only() -> None:
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_regular(Path("/proc/self/status"), 4)


def test_a_sparse_giant_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="1099511627776 bytes, at most 100 are read"):
        read_regular(tmp_path / "a", 100)

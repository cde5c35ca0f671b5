"""Archives: read by every tar, equal for equal files, and refused unless they are by the letter."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.digests import sha256_bytes
from stroi.cache.files.opening import open_regular
from stroi.cache.share.archive import MAX_MEMBERS, header, read_members, write_archive
from stroi.cache.share.transfer import Piece, copy_range

FILES = {"manifest.json": b"{}\n", "mosaics-00000.h5": bytes(range(256)) * 5, "empty.csv": b""}
END = bytes(1024)


def piece(name: str, data: bytes) -> Piece:
    return Piece(name, len(data), sha256_bytes(data), data)


def members(path: Path) -> dict[str, bytes]:
    with open_regular(path, "X") as (fd, size):
        top, found = read_members(fd, size, "IT")
        assert top == "demo"
        return {one.name: os.pread(fd, one.size, one.offset) for one in found}


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(RefusedInput) as caught, open_regular(path, "X") as (fd, size):
        read_members(fd, size, "IT")
    assert caught.value.exit_status == 3
    return f"{caught.value.code}: {caught.value.message}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "demo.tar"
    write_archive(path, "demo", [piece(name, data) for name, data in FILES.items()])
    return path


def test_what_goes_in_comes_out(archive: Path) -> None:
    assert members(archive) == FILES


def test_tar_programs_read_it(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as tar:
        assert [member.name for member in tar] == [f"demo/{name}" for name in FILES]
        assert all(member.isreg() and member.mtime == 0 for member in tar)
        file = tar.extractfile("demo/mosaics-00000.h5")
        assert file is not None
        assert file.read() == FILES["mosaics-00000.h5"]
    done = subprocess.run(
        ["tar", "xf", str(archive), "-C", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert {path.name: path.read_bytes() for path in (tmp_path / "demo").iterdir()} == FILES


def test_equal_files_give_equal_bytes(archive: Path, tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    pieces = [
        Piece(name, len(data), sha256_bytes(data), tmp_path / name) for name, data in FILES.items()
    ]
    write_archive(tmp_path / "again.tar", "demo", pieces)
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_an_existing_file_is_never_written_through(archive: Path, tmp_path: Path) -> None:
    before = archive.read_bytes()
    (tmp_path / "link.tar").symlink_to(archive)
    for path in (archive, tmp_path / "link.tar"):
        with pytest.raises(FileExistsError):
            write_archive(path, "demo", [])
    assert archive.read_bytes() == before


def test_a_file_that_changed_is_not_archived(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"new")
    with pytest.raises(RefusedInput, match=r"DIGEST: a\.h5 changed meanwhile"):
        write_archive(tmp_path / "x.tar", "x", [Piece("a.h5", 3, "0" * 64, tmp_path / "a.h5")])
    with pytest.raises(RefusedInput, match=r"SOURCE: .*a\.h5 ends too early"):
        write_archive(tmp_path / "y.tar", "y", [Piece("a.h5", 4, "0" * 64, tmp_path / "a.h5")])


@pytest.mark.parametrize("name", ["a/b", "", "é.h5", "x" * 65, ".hidden", "a..b"])
def test_names_that_ustar_cannot_tell_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParamsError, match="ARCHIVE_NAME"):
        write_archive(tmp_path / "x.tar", "x", [piece(name, b"")])
    assert not (tmp_path / "x.tar").exists()


def test_a_file_of_8_gib_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"ARCHIVE_SIZE: a\.h5: too large for tar"):
        write_archive(tmp_path / "x.tar", "x", [Piece("a.h5", 8**11, "0" * 64, b"")])


@contextmanager
def tar_of(kind: int, **fields: object) -> Iterator[bytes]:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as tar:
        info = tarfile.TarInfo("demo/a.h5")
        for name, value in fields.items():
            setattr(info, name, value)
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    yield file.getvalue()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "ARCHIVE_TYPE: IT: member 0 is a s"),
        ({"type": tarfile.LNKTYPE, "linkname": "x"}, "ARCHIVE_TYPE: IT: member 0 is a hard link"),
        ({"type": tarfile.CHRTYPE}, "ARCHIVE_TYPE: IT: member 0 is a character device"),
        ({"type": tarfile.BLKTYPE}, "ARCHIVE_TYPE: IT: member 0 is a block device"),
        ({"type": tarfile.FIFOTYPE}, "ARCHIVE_TYPE: IT: member 0 is a FIFO"),
        ({"type": tarfile.DIRTYPE}, "ARCHIVE_TYPE: IT: member 0 is a folder"),
        ({"type": tarfile.GNUTYPE_SPARSE}, "ARCHIVE_TYPE: IT: member 0 is a GNU sparse file"),
        ({"type": b"7"}, "ARCHIVE_TYPE: IT: member 0 is of an unknown type"),
        ({"name": "../a.h5"}, "ARCHIVE_NAME: IT: member 0 is called '../a.h5', want FOLDER/FILE"),
        ({"name": "/etc/a.h5"}, "ARCHIVE_NAME: IT: member 0 is called '/etc/a.h5', want"),
        ({"name": "demo/.."}, "ARCHIVE_NAME: IT: member 0 is called 'demo/..'"),
        ({"name": "demo/x/a.h5"}, "ARCHIVE_NAME"),
        ({"name": "a.h5"}, "ARCHIVE_NAME"),
        ({"name": "demo/\x1b[2Ja"}, r"ARCHIVE_NAME: IT: member 0 is called 'demo/\x1b[2Ja'"),
        ({"name": "d" * 90 + "/" + "a" * 60}, "ARCHIVE_NAME"),
        ({"mode": 0o4755}, "ARCHIVE_FORMAT: IT: member 0 has header fields that stroi does not"),
        ({"uname": "ann"}, "ARCHIVE_FORMAT"),
        ({"mtime": 1}, "ARCHIVE_FORMAT"),
    ],
)
def test_ustar_of_another_kind_is_refused(
    tmp_path: Path, fields: dict[str, object], expected: str
) -> None:
    with tar_of(tarfile.USTAR_FORMAT, **fields) as data:
        assert refusal(tmp_path / "x.tar", data).startswith(expected)


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (tarfile.GNU_FORMAT, {"name": "demo/" + "x" * 200}, "ARCHIVE_TYPE: IT: member 0 is a GNU"),
        (tarfile.GNU_FORMAT, {}, "ARCHIVE_FORMAT"),
        (
            tarfile.PAX_FORMAT,
            {"pax_headers": {"comment": "x" * 5}},
            "ARCHIVE_TYPE: IT: member 0 is",
        ),
    ],
)
def test_extensions_are_refused(
    tmp_path: Path, kind: int, fields: dict[str, object], expected: str
) -> None:
    with tar_of(kind, **fields) as data:
        assert refusal(tmp_path / "x.tar", data).startswith(expected)


def resealed(block: bytes) -> bytes:
    checksum = sum(block[:148]) + sum(b" " * 8) + sum(block[156:512])
    return block[:148] + f"{checksum:06o}\0 ".encode() + block[156:]


def test_lies_about_sizes_are_refused(tmp_path: Path) -> None:
    path, one = tmp_path / "x.tar", header("demo/a.h5", 512)
    body = b"x" * 512
    claims = header("demo/a.h5", 8**11 - 1)
    assert refusal(path, claims + body + END) == (
        "ARCHIVE_SIZE: IT: member 0 claims 8589934591 bytes, 1536 are left"
    )
    base256 = resealed(one[:124] + b"\x80" + bytes(10) + b"\1" + one[136:])
    negative = resealed(one[:124] + b"\xff" * 12 + one[136:])
    spaces = resealed(one[:124] + b"       1000\0" + one[136:])
    for block in (base256, negative, spaces):
        assert refusal(path, block + body + END) == (
            "ARCHIVE_SIZE: IT: member 0: its size is no octal number"
        )


def test_ends_that_are_none_are_refused(archive: Path) -> None:
    whole = archive.read_bytes()
    for cut in (1, 512, 1024, 1025, 1200, len(whole) - 100):
        assert refusal(archive, whole[:-cut]).startswith(("ARCHIVE_END", "ARCHIVE_SIZE"))
    for tail in (b"x", bytes(512), bytes(10240), header("demo/b.h5", 0)):
        assert refusal(archive, whole + tail) == (
            "ARCHIVE_END: IT goes on behind its end, or ends too early"
        )
    assert refusal(archive, b"").startswith("ARCHIVE_END: IT ends too early")


def test_bytes_hidden_behind_a_member_are_refused(tmp_path: Path) -> None:
    data = header("demo/a.h5", 1) + b"x" + b"hidden".ljust(511, b"\0") + END
    assert refusal(tmp_path / "x.tar", data) == (
        "ARCHIVE_FORMAT: IT: member 0 has bytes hidden behind its end"
    )


def test_members_twice_or_apart_or_too_many_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    twice = header("demo/A.h5", 0) + header("demo/a.h5", 0) + END
    assert refusal(path, twice) == "ARCHIVE_DUPLICATE: IT: member 1: 'a.h5' is there already"
    apart = header("demo/a.h5", 0) + header("other/b.h5", 0) + END
    assert refusal(path, apart) == "ARCHIVE_NAME: IT: member 1 lies in 'other', others in 'demo'"
    with pytest.raises(ParamsError, match=r"^ARCHIVE_COUNT: 10001 files, at most 10000 are read"):
        write_archive(tmp_path / "many.tar", "demo", [piece("a.h5", b"")] * (MAX_MEMBERS + 1))
    assert not (tmp_path / "many.tar").exists()
    many = b"".join(header(f"demo/{number}.h5", 0) for number in range(MAX_MEMBERS + 1)) + END
    assert refusal(path, many) == "ARCHIVE_COUNT: IT has more than 10000 members"


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 512 * 8 - 1), bit=st.integers(0, 7))
def test_no_bit_outside_the_files_is_free(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.tar"
    path.unlink(missing_ok=True)
    write_archive(path, "demo", [piece(name, data) for name, data in FILES.items()])
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at] ^= 1 << bit
    path.write_bytes(data)
    inside = 512 <= at < 515 or 1536 <= at < 1536 + 1280
    if inside:
        assert members(path) != FILES
    else:
        with pytest.raises(RefusedInput, match="ARCHIVE_"):
            members(path)


def test_copying_is_bounded_by_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with (
        open_regular(tmp_path / "a", "X") as (fd, _),
        (tmp_path / "b").open("wb") as out,
    ):
        assert copy_range(fd, 2, 5, out.fileno(), "a") == sha256_bytes(b"23456")
        with pytest.raises(RefusedInput, match="SOURCE: a ends too early"):
            copy_range(fd, 2, 9, out.fileno(), "a")

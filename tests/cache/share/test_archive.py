"""Archives: read by every tar, equal for equal files; links, devices and bad sizes are refused."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.digests import sha256_bytes
from stroi.cache.files.opening import open_no_link
from stroi.cache.share.archive import (
    MAX_ENTRIES,
    OutgoingFile,
    copy_range,
    header,
    read_entries,
    write_archive,
)

FILES = {"manifest.json": b"{}\n", "mosaics-00000.h5": bytes(range(256)) * 5, "empty.csv": b""}
END = bytes(1024)


def outgoing(name: str, data: bytes) -> OutgoingFile:
    return OutgoingFile(name, len(data), sha256_bytes(data), data)


def contents(path: Path) -> dict[str, bytes]:
    with open_no_link(path, "X") as (fd, size):
        entries = read_entries(fd, size, "IT")
        return {one.name: os.pread(fd, one.size, one.offset) for one in entries}


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(RefusedInput) as caught, open_no_link(path, "X") as (fd, size):
        read_entries(fd, size, "IT")
    assert caught.value.exit_status == 3
    return f"{caught.value.code}: {caught.value.message}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "demo.tar"
    write_archive(path, "demo", [outgoing(name, data) for name, data in FILES.items()])
    return path


def test_what_goes_in_comes_out(archive: Path) -> None:
    assert contents(archive) == FILES


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
    files = [
        OutgoingFile(name, len(data), sha256_bytes(data), tmp_path / name)
        for name, data in FILES.items()
    ]
    write_archive(tmp_path / "again.tar", "demo", files)
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
        write_archive(
            tmp_path / "x.tar", "x", [OutgoingFile("a.h5", 3, "0" * 64, tmp_path / "a.h5")]
        )
    with pytest.raises(RefusedInput, match=r"SOURCE: .*a\.h5 ends too early"):
        write_archive(
            tmp_path / "y.tar", "y", [OutgoingFile("a.h5", 4, "0" * 64, tmp_path / "a.h5")]
        )


@pytest.mark.parametrize("name", ["a/b", "", "é.h5", "x" * 65, ".hidden", "a..b"])
def test_names_that_ustar_cannot_tell_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParamsError, match="ARCHIVE_NAME"):
        write_archive(tmp_path / "x.tar", "x", [outgoing(name, b"")])
    assert not (tmp_path / "x.tar").exists()


def test_a_file_of_8_gib_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"ARCHIVE_SIZE: a\.h5: too large for tar"):
        write_archive(tmp_path / "x.tar", "x", [OutgoingFile("a.h5", 8**11, "0" * 64, b"")])


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
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "ARCHIVE_TYPE: IT: file 0 has type"),
        ({"type": tarfile.LNKTYPE, "linkname": "x"}, "ARCHIVE_TYPE"),
        ({"type": tarfile.CHRTYPE}, "ARCHIVE_TYPE"),
        ({"type": tarfile.BLKTYPE}, "ARCHIVE_TYPE"),
        ({"type": tarfile.FIFOTYPE}, "ARCHIVE_TYPE"),
        ({"type": tarfile.DIRTYPE}, "ARCHIVE_TYPE"),
        ({"type": tarfile.GNUTYPE_SPARSE}, "ARCHIVE_TYPE"),
        ({"type": b"7"}, "ARCHIVE_TYPE: IT: file 0 has type b'7', only plain files are read"),
        ({"name": "../a.h5"}, "ARCHIVE_NAME: IT: file 0 is called '../a.h5', want FOLDER/FILE"),
        ({"name": "/etc/a.h5"}, "ARCHIVE_NAME: IT: file 0 is called '/etc/a.h5', want"),
        ({"name": "demo/.."}, "ARCHIVE_NAME: IT: file 0 is called 'demo/..'"),
        ({"name": "demo/x/a.h5"}, "ARCHIVE_NAME"),
        ({"name": "a.h5"}, "ARCHIVE_NAME"),
        ({"name": "demo/\x1b[2Ja"}, r"ARCHIVE_NAME: IT: file 0 is called 'demo/\x1b[2Ja'"),
        ({"name": "d" * 90 + "/" + "a" * 60}, "ARCHIVE_NAME"),
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
        (tarfile.GNU_FORMAT, {"name": "demo/" + "x" * 200}, "ARCHIVE_TYPE: IT: file 0"),
        (tarfile.PAX_FORMAT, {"pax_headers": {"comment": "x" * 5}}, "ARCHIVE_TYPE: IT: file 0"),
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
        "ARCHIVE_SIZE: IT: file 0 claims 8589934591 bytes, 1536 are left"
    )
    negative = resealed(one[:124] + b"\xff" * 12 + one[136:])
    assert refusal(path, negative + body + END) == (
        "ARCHIVE_SIZE: IT: file 0 claims -1 bytes, 1536 are left"
    )
    no_number = resealed(one[:124] + b"12x45678901\0" + one[136:])
    assert refusal(path, no_number + body + END).startswith("ARCHIVE_FORMAT: IT: file 0")


def test_cut_archives_are_refused(archive: Path) -> None:
    whole = archive.read_bytes()
    for cut in (1024, 1025, 1200, len(whole) - 100, len(whole)):
        assert refusal(archive, whole[:-cut]).startswith(("ARCHIVE_FORMAT", "ARCHIVE_SIZE"))


def test_members_twice_or_apart_or_too_many_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    twice = header("demo/A.h5", 0) + header("demo/a.h5", 0) + END
    assert refusal(path, twice) == "ARCHIVE_DUPLICATE: IT: file 1: 'a.h5' is there already"
    apart = header("demo/a.h5", 0) + header("other/b.h5", 0) + END
    assert refusal(path, apart) == "ARCHIVE_NAME: IT: file 1 lies in 'other', others in 'demo'"
    with pytest.raises(ParamsError, match=r"^ARCHIVE_COUNT: 10001 files, at most 10000 are read"):
        write_archive(tmp_path / "many.tar", "demo", [outgoing("a.h5", b"")] * (MAX_ENTRIES + 1))
    assert not (tmp_path / "many.tar").exists()
    many = b"".join(header(f"demo/{number}.h5", 0) for number in range(MAX_ENTRIES + 1)) + END
    assert refusal(path, many) == "ARCHIVE_COUNT: IT has more than 10000 files"


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 512 * 8 - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_never_crashes_the_reader(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.tar"
    path.unlink(missing_ok=True)
    write_archive(path, "demo", [outgoing(name, data) for name, data in FILES.items()])
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    with suppress(RefusedInput):
        assert set(contents(path)) == set(FILES)


def test_copying_is_bounded_by_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with (
        open_no_link(tmp_path / "a", "X") as (fd, _),
        (tmp_path / "b").open("wb") as out,
    ):
        assert copy_range(fd, 2, 5, out.fileno(), "a") == sha256_bytes(b"23456")
        with pytest.raises(RefusedInput, match="SOURCE: a ends too early"):
            copy_range(fd, 2, 9, out.fileno(), "a")

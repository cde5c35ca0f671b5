"""Hostile archives and folders: refused in one line, cheaply, with nothing left or outside."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from measured import Measured, most_seconds, run_measured
from small_caches import make_mosaics, write_cache

from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.share.archive import MAX_ENTRIES, header
from stroi.cache.share.card import About
from stroi.cache.share.publish import export_cache

END = bytes(1024)
MAIN = "from stroi.pipeline.cli import main; main()"
MOST_BYTES = 300_000_000


@dataclass(frozen=True)
class Place:
    """Where a case lies: the source to be spoilt, what is outside, and the target's folder."""

    root: Path

    @property
    def archive(self) -> Path:
        return self.root / "source" / "demo.tar"

    @property
    def folder(self) -> Path:
        return self.root / "source" / "demo"

    @property
    def canary(self) -> Path:
        return self.root / "outside" / "canary.h5"

    @property
    def target(self) -> Path:
        return self.root / "new" / "mosaics"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A good exported archive and folder of one shard, and a canary outside of them."""
    place = Place(tmp_path)
    cache = write_cache(tmp_path / "cache", [make_mosaics(("a-1", "a-2"), seed=1)])
    export_cache(cache, place.archive, About(), sheet=False)
    export_cache(cache, place.folder, About(), sheet=False)
    place.canary.parent.mkdir()
    place.canary.write_text("the canary sings outside")
    place.target.parent.mkdir()
    return place


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of all there is below a folder; special files are not opened."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() and path.lstat().st_size < 1 << 24 else b"",
        )
        for path in sorted(root.rglob("*"))
    }


def import_measured(source: Path, target: Path) -> Measured:
    command = [sys.executable, "-c", MAIN, "cache", "import", str(source), str(target)]
    return run_measured([*command, "--jobs", "2"])


def check_refused(place: Place, source: Path, expected: str) -> None:
    before = tree(place.root)
    done = import_measured(source, place.target)
    assert done.returncode == 3, done.stderr
    assert done.last_error.startswith(f"error: {expected}"), done.stderr
    assert "; " in done.last_error
    assert done.last_error.isascii()
    assert done.last_error.isprintable()
    assert "Traceback" not in done.stderr
    assert "sings" not in done.stdout + done.stderr
    assert done.peak_bytes < MOST_BYTES
    assert done.seconds < most_seconds()
    assert tree(place.root) == before


def test_the_controls_are_taken(place: Place) -> None:
    for number, source in enumerate((place.archive, place.folder)):
        target = place.target.with_name(f"good-{number}")
        done = import_measured(source, target)
        assert (done.returncode, (target / "manifest.json").is_file()) == (0, True), done.stderr
        assert done.peak_bytes < MOST_BYTES
        assert done.seconds < most_seconds()


def prepend(place: Place, block: bytes) -> None:
    place.archive.write_bytes(block + place.archive.read_bytes())


def member(kind: int = tarfile.USTAR_FORMAT, data: bytes = b"", **fields: object) -> bytes:
    """A member as Python's tarfile writes it, without the end of an archive."""
    info = tarfile.TarInfo("demo/extra.h5")
    info.size = len(data)
    for name, value in fields.items():
        setattr(info, name, value)
    return info.tobuf(kind) + data + bytes(-len(data) % 512)


def resealed(block: bytes) -> bytes:
    checksum = sum(block[:148]) + sum(b" " * 8) + sum(block[156:512])
    return block[:148] + f"{checksum:06o}\0 ".encode() + block[156:]


def patch(place: Place, at: int, data: bytes) -> None:
    with place.archive.open("r+b") as file:
        file.seek(at)
        file.write(data)


def claim_in_base_256(place: Place) -> None:
    first = place.archive.read_bytes()[:512]
    patch(place, 0, resealed(first[:124] + b"\x80" + bytes(7) + b"\x7f\xff\xff\xff" + first[136:]))


def claim(size: int) -> Callable[[Place], None]:
    def spoil(place: Place) -> None:
        patch(place, 0, header("demo/README.md", size))

    return spoil


def a_million_members(place: Place) -> None:
    with place.archive.open("wb") as file:
        for number in range(MAX_ENTRIES + 1):
            file.write(header(f"demo/m{number}.h5", 0))
        file.truncate(1_000_000 * 512)


def a_million_in_a_folder(place: Place) -> None:
    for number in range(MAX_ENTRIES + 1):
        (place.folder / f"m{number}.h5").touch()


def fifo_as_archive(place: Place) -> None:
    place.archive.unlink()
    os.mkfifo(place.archive)


def link_as_archive(place: Place) -> None:
    place.archive.rename(place.archive.with_name("real.tar"))
    place.archive.symlink_to("real.tar")


def device_as_archive(place: Place) -> None:
    place.archive.unlink()
    place.archive.symlink_to("/dev/zero")


def zeros_as_archive(place: Place) -> None:
    place.archive.write_bytes(b"")
    os.truncate(place.archive, 1 << 40)


def compressed(place: Place) -> None:
    place.archive.write_bytes(b"\x1f\x8b\x08" + bytes(range(256)) * 8)


def archive_of_an_archive(place: Place) -> None:
    inner = place.archive.read_bytes()
    data = header("demo/demo.tar", len(inner)) + inner + bytes(-len(inner) % 512) + END
    place.archive.write_bytes(data)


def as_gnu_tar_writes(place: Place) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(place.folder, "demo")
    place.archive.write_bytes(data.getvalue())


def manifest_that_disagrees(place: Place) -> None:
    data = place.archive.read_bytes()
    at = data.index(b'"bytes": ', data.index(b'"name": "README.md"') - 400)
    patch(place, at + 9, b"9")


PAX_BOMB = b"9999999999 path=" + b"x" * 100_000

ARCHIVES: list[tuple[str, Callable[[Place], object], str]] = [
    ("dots", lambda p: prepend(p, member(name="../canary.h5")), "ARCHIVE_NAME: "),
    ("deep dots", lambda p: prepend(p, member(name="demo/../../x.h5")), "ARCHIVE_NAME: "),
    ("absolute", lambda p: prepend(p, member(name="/etc/x.h5")), "ARCHIVE_NAME: "),
    ("control characters", lambda p: prepend(p, member(name="demo/\x1b[2J")), "ARCHIVE_NAME: "),
    ("long name", lambda p: prepend(p, member(name="demo/" + "x" * 90)), "ARCHIVE_NAME: "),
    ("long ustar name", lambda p: prepend(p, member(name="d" * 90 + "/x" * 5)), "ARCHIVE_NAME: "),
    (
        "GNU long name",
        lambda p: prepend(p, member(tarfile.GNU_FORMAT, name="demo/" + "x" * 200)),
        "ARCHIVE_TYPE: ",
    ),
    (
        "symbolic link",
        lambda p: prepend(p, member(type=b"2", linkname="../../outside/canary.h5")),
        "ARCHIVE_TYPE: ",
    ),
    (
        "hard link",
        lambda p: prepend(p, member(type=b"1", linkname=str(p.canary))),
        "ARCHIVE_TYPE: ",
    ),
    ("character device", lambda p: prepend(p, member(type=b"3")), "ARCHIVE_TYPE: "),
    ("block device", lambda p: prepend(p, member(type=b"4")), "ARCHIVE_TYPE: "),
    ("folder", lambda p: prepend(p, member(type=b"5", name="demo/x")), "ARCHIVE_TYPE: "),
    ("FIFO member", lambda p: prepend(p, member(type=b"6")), "ARCHIVE_TYPE: "),
    ("pax bomb", lambda p: prepend(p, member(type=b"x", data=PAX_BOMB)), "ARCHIVE_TYPE: "),
    ("global pax", lambda p: prepend(p, member(type=b"g", data=PAX_BOMB)), "ARCHIVE_TYPE: "),
    ("GNU sparse", lambda p: prepend(p, member(type=b"S")), "ARCHIVE_TYPE: "),
    ("by GNU tar", as_gnu_tar_writes, "ARCHIVE_"),
    ("compressed", compressed, "ARCHIVE_FORMAT: "),
    ("bad checksum", lambda p: patch(p, 100, b"1"), "ARCHIVE_FORMAT: "),
    ("claims 8 GB", claim(8**11 - 1), "ARCHIVE_SIZE: "),
    ("claims a byte too many", claim(1 << 20), "ARCHIVE_SIZE: "),
    ("claims in base 256", claim_in_base_256, "ARCHIVE_SIZE: "),
    ("twice", lambda p: prepend(p, header("demo/manifest.json", 0)), "ARCHIVE_DUPLICATE: "),
    ("twice by case", lambda p: prepend(p, header("demo/MANIFEST.JSON", 0)), "ARCHIVE_DUPLICATE: "),
    ("a million members", a_million_members, "ARCHIVE_COUNT: "),
    ("cut", lambda p: os.truncate(p.archive, 700), "ARCHIVE_"),
    ("empty", lambda p: os.truncate(p.archive, 0), "ARCHIVE_FORMAT: "),
    ("zeros", zeros_as_archive, "MANIFEST_MISSING: "),
    ("FIFO", fifo_as_archive, "IMPORT_OPEN: "),
    ("link", link_as_archive, "IMPORT_OPEN: "),
    ("device", device_as_archive, "IMPORT_OPEN: "),
    ("archive of an archive", archive_of_an_archive, "IMPORT_FILE: "),
    ("script", lambda p: prepend(p, header("demo/run.sh", 0)), "IMPORT_FILE: "),
    ("unlisted shard", lambda p: prepend(p, header("demo/x.h5", 0)), "FILE_EXTRA: "),
    ("manifest that disagrees", manifest_that_disagrees, ""),
    ("flipped bit", lambda p: patch(p, p.archive.stat().st_size // 2, b"\xa5\x5a"), ""),
]


@pytest.mark.parametrize(
    ("spoil", "expected"), [case[1:] for case in ARCHIVES], ids=[case[0] for case in ARCHIVES]
)
def test_hostile_archives(place: Place, spoil: Callable[[Place], object], expected: str) -> None:
    spoil(place)
    check_refused(place, place.archive, expected)


def link_in_folder(place: Place) -> None:
    (place.folder / "mosaics-00000.h5").unlink()
    (place.folder / "mosaics-00000.h5").symlink_to(place.canary)


def fifo_in_folder(place: Place) -> None:
    (place.folder / "mosaics-00000.h5").unlink()
    os.mkfifo(place.folder / "mosaics-00000.h5")


def link_as_folder(place: Place) -> None:
    place.folder.rename(place.folder.with_name("real"))
    place.folder.symlink_to("real")


def sparse_shard(place: Place) -> None:
    os.truncate(place.folder / "mosaics-00000.h5", 1 << 42)


def sparse_shard_that_agrees(place: Place) -> None:
    sparse_shard(place)
    manifest = read_manifest(place.folder)
    files = tuple(replace(entry, bytes=1 << 42) if entry.ids else entry for entry in manifest.files)
    write_manifest(place.folder, replace(manifest, files=files))


def sparse_manifest(place: Place) -> None:
    os.truncate(place.folder / "manifest.json", 1 << 42)


def deep_card(place: Place) -> None:
    (place.folder / "card.json").write_bytes(b"[" * 900_000)


FOLDERS: list[tuple[str, Callable[[Place], object], str]] = [
    ("link", link_in_folder, "IMPORT_FILE: "),
    ("FIFO", fifo_in_folder, "IMPORT_FILE: "),
    ("folder", lambda p: (p.folder / "x.h5").mkdir(), "IMPORT_FILE: "),
    ("link as folder", link_as_folder, "IMPORT_OPEN: "),
    ("script", lambda p: (p.folder / "usercustomize.py").write_text("1"), "IMPORT_FILE: "),
    ("control characters", lambda p: (p.folder / "\x1b[2J\n").write_text("1"), "IMPORT_FILE: "),
    ("twin by case", lambda p: (p.folder / "Card.json").write_text("1"), "IMPORT_FILE: "),
    ("a million files", a_million_in_a_folder, "IMPORT_FILE: "),
    ("sparse shard", sparse_shard, "IMPORT_FILE: "),
    ("sparse shard that agrees", sparse_shard_that_agrees, "IMPORT_FILE: "),
    ("sparse manifest", sparse_manifest, "MANIFEST: "),
    ("deep card", deep_card, "IMPORT_FILE: "),
    ("no manifest", lambda p: (p.folder / "manifest.json").unlink(), "MANIFEST_MISSING: "),
    ("manifest is no JSON", lambda p: (p.folder / "manifest.json").write_text("{"), "JSON: "),
]


@pytest.mark.parametrize(
    ("spoil", "expected"), [case[1:] for case in FOLDERS], ids=[case[0] for case in FOLDERS]
)
def test_hostile_folders(place: Place, spoil: Callable[[Place], object], expected: str) -> None:
    spoil(place)
    check_refused(place, place.folder, expected)

"""A folder is good, or every problem is named."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from small_caches import make_clip, make_mosaics, write_cache, write_skeletons

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import Manifest, file_entry, read_manifest, write_manifest
from stroi.cache.verify import require_verified, verify

Child = Callable[..., "subprocess.CompletedProcess[str]"]


def test_good_folders_have_no_problem(folder: Path, tmp_path: Path) -> None:
    assert verify(folder) == verify(folder, "mosaics") == []
    assert require_verified(folder, "mosaics") == read_manifest(folder)
    assert verify(write_skeletons(tmp_path / "skeletons", {"a": make_clip(2)}), "skeletons") == []


def test_other_kinds_are_checked_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"no hdf5")
    entry = file_entry("model.h5", b"no hdf5")
    write_manifest(tmp_path, Manifest("checkpoint", {}, {}, (entry,)))
    assert verify(tmp_path) == []
    (tmp_path / "model.h5").write_bytes(b"no HDF5")
    assert verify(tmp_path) == [
        f"DIGEST: {tmp_path}/model.h5: its SHA-256 is not the manifest's; fetch or rebuild the file"
    ]


def swap(folder: Path) -> None:
    (folder / "mosaics-00000.h5").unlink()
    (folder / "mosaics-00000.h5").symlink_to("mosaics-00001.h5")


def extend(folder: Path) -> None:
    with (folder / "mosaics-00000.h5").open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    ("damage", "problems"),
    [
        (
            lambda f: (f / "mosaics-00001.h5").unlink(),
            ["FILE_MISSING: FOLDER/mosaics-00001.h5 is missing; fetch or rebuild it"],
        ),
        (swap, ["FILE_TYPE: FOLDER/mosaics-00000.h5 is not a regular file; fetch or rebuild it"]),
        (
            extend,
            [
                "FILE_SIZE: FOLDER/mosaics-00000.h5 has 8561 bytes, the manifest says 8560;"
                " fetch or rebuild it"
            ],
        ),
        (
            lambda f: (f / "more.h5").touch(),
            ["FILE_EXTRA: FOLDER: 'more.h5' is not in the manifest; move it elsewhere"],
        ),
        (
            lambda f: (f / "a\nb").mkdir(),
            [r"FILE_EXTRA: FOLDER: 'a\nb' is not in the manifest; move it elsewhere"],
        ),
        (
            lambda f: (f / "a.h5.tmp-1-00000000-00000000").touch(),
            [
                "FILE_EXTRA: FOLDER: 'a.h5.tmp-1-00000000-00000000' was left by a killed writer;"
                " move it elsewhere"
            ],
        ),
        (
            lambda f: ((f / "mosaics-00000.h5").unlink(), (f / "mosaics-00001.h5").unlink()),
            [
                "FILE_MISSING: FOLDER/mosaics-00000.h5 is missing; fetch or rebuild it",
                "FILE_MISSING: FOLDER/mosaics-00001.h5 is missing; fetch or rebuild it",
            ],
        ),
    ],
    ids=["missing", "link", "longer", "extra", "extra folder", "temporary", "two"],
)
def test_set_of_files_is_checked(
    folder: Path, damage: Callable[[Path], object], problems: list[str]
) -> None:
    damage(folder)
    assert [text.replace(str(folder), "FOLDER") for text in verify(folder)] == problems
    with pytest.raises(RefusedInput) as caught:
        require_verified(folder, "mosaics")
    first, *others = verify(folder)
    more = f" (and {len(others)} more)" if others else ""
    assert str(caught.value).replace(more, "") == first
    assert more in caught.value.message
    assert caught.value.details == tuple(others)


def test_manifest_that_cannot_be_read_is_the_only_problem(folder: Path) -> None:
    (problem,) = verify(folder, "weights")
    assert problem.startswith("SCHEMA: ")
    (folder / "manifest.json").write_text("{}")
    (problem,) = verify(folder)
    assert problem.startswith(f"MANIFEST: {folder}/manifest.json: schema is missing")
    with pytest.raises(RefusedInput, match=r"^MANIFEST: "):
        require_verified(folder, "mosaics")


def test_every_flipped_bit_is_reported(folder: Path) -> None:
    """200 of them; each names its file, and the sample if it hit one."""
    rng = random.Random(5)
    files = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    rows = {path: list(_rows(path)) for path in files if path.suffix == ".h5"}
    sizes = [len(data) for data in files.values()]
    named = 0
    for path in rng.choices(list(files), sizes, k=200):
        flipped = bytearray(files[path])
        place, bit = rng.randrange(len(flipped)), rng.randrange(8)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        (problem,) = verify(folder)
        path.write_bytes(files[path])
        assert path.name in problem
        hit = [name for start, stop, name in rows.get(path, ()) if start <= place < stop]
        named += len(hit)
        assert ("damaged: " in problem) == bool(hit), problem
        assert not hit or f"damaged: {hit[0]} of" in problem
    assert named >= 80
    assert verify(folder) == []


def _rows(path: Path) -> Iterator[tuple[int, int, str]]:
    """First byte, byte behind the last, and sample of every row of every array of a shard."""
    with h5py.File(path) as file:
        ids = [name.decode() for name in file["sample_id"][()]]
        for dataset in file.values():
            length = dataset.id.get_storage_size() // len(ids)
            for row, sample_id in enumerate(ids):
                start = dataset.id.get_offset() + row * length
                yield start, start + length, sample_id


def test_damaged_id_is_traced_to_its_sample(folder: Path) -> None:
    path = folder / "mosaics-00000.h5"
    path.write_bytes(path.read_bytes().replace(b"a-2\0", b"a-7\0"))
    (problem,) = verify(folder)
    assert problem == (
        f"DIGEST: {path}: its SHA-256 is not the manifest's; damaged: a-2 of 3 samples;"
        " fetch or rebuild the file"
    )


def test_many_damaged_samples_are_counted(tmp_path: Path) -> None:
    made = make_mosaics(tuple(f"c{i}" for i in range(9)))
    folder = write_cache(tmp_path, [made])
    path = folder / "mosaics-00000.h5"
    path.write_bytes(path.read_bytes().replace(made.mosaic.tobytes(), bytes(made.mosaic.nbytes)))
    (problem,) = verify(folder)
    assert "damaged: c0, c1, c2, c3, c4 and 4 more of 9 samples; fetch" in problem


def test_file_of_another_cache_is_recognised(folder: Path, tmp_path: Path) -> None:
    other = write_cache(tmp_path / "other", [make_mosaics(("a-1", "a-2"))])
    data = (other / "mosaics-00000.h5").read_bytes()
    entry, *rest = read_manifest(folder).files
    manifest = replace(read_manifest(folder), files=(replace(entry, bytes=len(data)), *rest))
    write_manifest(folder, manifest)
    (folder / "mosaics-00000.h5").write_bytes(data)
    (problem,) = verify(folder)
    assert "it holds 2 samples instead of 3; fetch" in problem


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (("x", "y", "z"), "DIGEST: FILE holds other samples than the manifest says"),
        (("x", "y"), "DIGEST: FILE holds 3 samples, the manifest says 2"),
        (None, "H5_SUPERBLOCK: FILE is not an HDF5 file"),
    ],
)
def test_matching_digest_does_not_excuse_the_contents(
    folder: Path, ids: tuple[str, ...] | None, text: str
) -> None:
    """A stranger's manifest can agree with a stranger's file and both be wrong."""
    entry, *rest = read_manifest(folder).files
    if ids is None:
        data = b"no hdf5" * 30
        (folder / entry.name).write_bytes(data)
        entry = file_entry(entry.name, data, entry.ids)
    else:
        entry = replace(entry, ids=ids, sample_sha256=())
    files = (entry, *rest)
    write_manifest(folder, replace(read_manifest(folder), files=files))
    (problem,) = verify(folder)
    assert problem.replace(str(folder / entry.name), "FILE").startswith(text)


def test_unreadable_file_is_a_problem_not_a_crash(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROI_FAULT", "before_check:1:eio")
    assert verify(folder, confined=False) == [
        f"FILE_READ: {folder}/mosaics-00000.h5 cannot be read: Input/output error;"
        " check the disk, or fetch the file again"
    ]


BUILD = """
import sys
from pathlib import Path
from small_caches import make_mosaics, write_cache
from stroi.cache.files import sweep_temporaries
folder = Path(sys.argv[1])
sweep_temporaries(folder)
write_cache(folder, [make_mosaics(("a", "b"), seed=1), make_mosaics(("c",), seed=2)])
"""
POINTS = ("before_write", "mid_write", "before_fsync", "before_rename", "after_rename",
          "before_manifest", "after_manifest")  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_point_every_named_file_is_whole(
    tmp_path: Path, child: Child, point: str
) -> None:
    """Kill at the first, second, ... passing until none fires; a rerun ends with equal bytes."""
    assert child(BUILD, tmp_path / "good").returncode == 0
    good = {path.name: path.read_bytes() for path in (tmp_path / "good").iterdir()}
    fired = 0
    while True:
        folder = tmp_path / f"killed{fired}"
        done = child(BUILD, folder, STROI_FAULT=f"{point}:{fired + 1}:kill")
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        if done.returncode == 0:
            break
        fired += 1
        for path in folder.glob("*") if folder.exists() else ():
            assert ".tmp-" in path.name or path.read_bytes() == good[path.name]
        if (folder / "manifest.json").exists():
            assert verify(folder) == []
        assert child(BUILD, folder).returncode == 0
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == good
    assert fired == (1 if "manifest" in point else 3)

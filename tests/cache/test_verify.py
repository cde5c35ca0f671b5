"""A folder is good, or every problem is named."""

from __future__ import annotations

import random
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from small_caches import (
    make_clip,
    make_joints,
    make_mosaics,
    make_scores,
    make_weights,
    write_cache,
    write_joints,
    write_skeletons,
)

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import Manifest, file_entry, read_manifest, write_manifest
from stroi.cache.rois import PAPER, rows_to_json
from stroi.cache.scores import write_scores
from stroi.cache.share.convert import pack
from stroi.cache.storage.formats import FORMATS
from stroi.cache.verify import require_verified, verify
from stroi.cache.weights import write_weights

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
                "FILE_SIZE: FOLDER/mosaics-00000.h5 has 7281 bytes, the manifest says 7280;"
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


def write_every_kind(folder: Path, kind: str) -> Path:
    """A complete folder of a kind, with a ledger where the kind has one."""
    ids, many = ("a", "b", "c"), tuple(f"c{number:02d}" for number in range(60))
    if kind == "weights":
        write_weights(folder, make_weights(many), params={}, producer={})
    elif kind == "scores":
        write_scores(folder, "test", make_scores(many), params={}, producer={})
    elif kind == "skeletons":
        write_skeletons(folder, {name: make_clip(2 + len(ids)) for name in ids})
    elif kind == "skeletons3d":
        write_joints(folder, {name: make_joints(2 + len(ids)) for name in ids})
    else:
        write_cache(folder, [make_mosaics(ids, seed=1), make_mosaics(("d", "e"), seed=2)])
    if kind in ("mosaics", "mosaics_compact", "skeletons", "skeletons3d"):
        add_ledger(folder)
    if kind == "mosaics_compact":
        pack(folder, folder / "compact")
        return folder / "compact"
    return folder


def add_ledger(folder: Path, text: str | None = None) -> None:
    """A ledger that the manifest lists: that of a good run, or any other text."""
    manifest = read_manifest(folder)
    if text is None:
        done = "".join(f"{name},done,,2 of 15 cells missing\n" for name in manifest.ids)
        text = f"id,status,code,detail\n{done}z-1,quarantined,VIDEO_OPEN,cannot be opened\n"
    data = text.encode("utf-8", "surrogateescape")
    (folder / "ledger.csv").write_bytes(data)
    files = [entry for entry in manifest.files if entry.name != "ledger.csv"]
    files.append(file_entry("ledger.csv", data))
    ordered = tuple(sorted(files, key=lambda entry: entry.name))
    write_manifest(folder, replace(manifest, files=ordered))


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_flipped_bit_is_reported(tmp_path: Path, kind: str) -> None:
    """200 of them; each names its file, and the sample if it hit one."""
    folder = write_every_kind(tmp_path, kind)
    rng = random.Random(5)
    files = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    rows = {path: list(_rows(path)) for path in files if path.suffix == ".h5"}
    # Small files are as likely to be hit as one of 10 kB.
    sizes = [max(len(data), 10_000) for data in files.values()]
    named = 0
    for path in rng.choices(list(files), sizes, k=200):
        flipped = bytearray(files[path])
        place, bit = rng.randrange(len(flipped)), rng.randrange(8)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        (problem,) = verify(folder, kind)
        path.write_bytes(files[path])
        assert str(path) in problem
        hit = [name for start, stop, name in rows.get(path, ()) if start <= place < stop]
        named += len(hit)
        assert ("damaged: " in problem) == bool(hit), problem
        assert not hit or hit[0] in re.split("damaged: | of ", problem)[1].split(", "), problem
    assert named >= 30
    assert verify(folder) == []


def _rows(path: Path) -> Iterator[tuple[int, int, str]]:
    """First byte, byte behind the last, and sample of every row of every array of a shard."""
    with h5py.File(path) as file:
        ids = [name.decode() for name in file["sample_id"][()]]
        lengths = {"keypoints": "frame_count", "blob": "blob_bytes"}
        for name, dataset in file.items():
            if name == "class_name":
                continue
            counts = file[lengths[name]][()] if name in lengths else [1] * len(ids)
            size = dataset.id.get_storage_size() // sum(counts)
            start = dataset.id.get_offset()
            for count, sample_id in zip(counts, ids, strict=True):
                yield start, start + int(count) * size, sample_id
                start += int(count) * size


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
    assert verify(folder) == [
        f"FILE_READ: {folder}/mosaics-00000.h5 cannot be read: Input/output error;"
        " check the disk, or fetch the file again"
    ]


def test_jobs_change_neither_lines_nor_order(tmp_path: Path) -> None:
    shards = [make_mosaics((f"c{i:02d}",), seed=i) for i in range(20)]
    folder = write_cache(tmp_path, shards)
    for number in (3, 4, 11):
        path = folder / f"mosaics-{number:05d}.h5"
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    (folder / "mosaics-00007.h5").unlink()
    (folder / "more").touch()
    told: list[tuple[str, str]] = []
    lines = verify(folder, jobs=2, on_file=lambda entry, line: told.append((entry.name, line)))
    assert lines == verify(folder) == verify(folder, jobs=2, received=True)
    assert [name for name, _ in told] == [entry.name for entry in read_manifest(folder).files]
    assert [line for _, line in told if line] == lines[:-1]
    assert [re.findall(r"mosaics-(\d+)|more", line)[0] for line in lines] == [
        "00003", "00004", "00007", "00011", "",
    ]  # fmt: skip


def test_params_say_how_many_columns(folder: Path) -> None:
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, params={"columns": 3}))
    assert verify(folder) == []
    write_manifest(folder, replace(manifest, params={"columns": 5}))
    path = folder / "mosaics-00000.h5"
    assert verify(folder)[0] == (
        f"SCHEMA: {path} was made with C = 3, the manifest with 5;"
        " rebuild the folder with one set of params"
    )


def test_params_say_which_rows(folder: Path) -> None:
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, params={"rows": rows_to_json(PAPER)}))
    assert verify(folder) == []
    write_manifest(folder, replace(manifest, params={"rows": rows_to_json(PAPER[:3])}))
    path = folder / "mosaics-00000.h5"
    assert verify(folder)[0] == (
        f"SCHEMA: {path} was made with K = 5, the manifest with 3;"
        " rebuild the folder with one set of params"
    )
    write_manifest(folder, replace(manifest, params={"rows": ["tail"]}))
    [problem] = verify(folder)
    assert problem.startswith(f"ROWS: {folder / 'manifest.json'}: its rows: unknown joint 'tail'")


LEDGER = "id,status,code,detail\n"
ALL = "".join(f"{name},done,,\n" for name in ("a-1", "a-2", "a-3", "b-1", "b-2", "b-3", "b-4"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not start with id,status,code,detail"),
        ("id,status\n", "does not start with id,status,code,detail"),
        (LEDGER + ALL + "c,done\n", "line 9: 2 fields instead of 4"),
        (LEDGER + "\n" * 100_000, "line 2: 0 fields instead of 4"),
        (LEDGER + ALL + "c,done,VIDEO_OPEN,\n", "line 9: the status contradicts the code"),
        (LEDGER + ALL + "c,quarantined,,\n", "line 9: the status contradicts the code"),
        (LEDGER + ALL + "c,maybe,X,\n", "line 9: the status contradicts the code"),
        (LEDGER + ALL + "c,quarantined,x y,\n", "line 9: not a code or a sentence: 'x y '"),
        (LEDGER + ALL + "c,quarantined,X,\x1b[2J\n", r"line 9: not a code or a sentence: 'X \x1b"),
        (LEDGER + ALL + 'c,quarantined,X,"a\nb"\n', r"line 10: not a code or a sentence: 'X a\nb"),
        (LEDGER + ALL + "c,quarantined,X,\u202ecod\n", r"not a code or a sentence: 'X \u202ecod'"),
        (LEDGER + ALL + "c,quarantined,X,\0\n", "line 9: "),
        (LEDGER + ALL + "c,quarantined,X,\udcff\n", "'utf-8' codec can't decode byte 0xff"),
        (LEDGER + ALL + "c,quarantined,X," + "x" * 200_000 + "\n", "line 9: field larger than"),
        (LEDGER + ALL + 'c,quarantined,X,"x\n', "line 9: unexpected end of data"),
        (LEDGER + ALL + "c,done,,\n", "says that other samples are done than the shards hold"),
        (LEDGER + ALL[11:], "says that other samples are done than the shards hold"),
        (LEDGER + ALL + "../x,quarantined,X,\n", "sample 7 has the id '../x'"),
        (LEDGER + ALL + "A-1,quarantined,X,\n", "sample 7 ('A-1') has the same id as sample 0"),
    ],
    ids=range(19),
)
def test_ledger_of_a_stranger_is_checked(folder: Path, text: str, says: str) -> None:
    add_ledger(folder)
    assert verify(folder) == []
    add_ledger(folder, text)
    (problem,) = verify(folder)
    assert problem.startswith(("LEDGER: ", "ID_"))
    assert f"{folder}/ledger.csv: " in problem
    assert says in problem
    assert problem.isprintable()
    assert len(problem) < 500


BUILD = """
import sys
from pathlib import Path
from small_caches import make_mosaics, write_cache
from stroi.cache.files.atomic import sweep_temporaries
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

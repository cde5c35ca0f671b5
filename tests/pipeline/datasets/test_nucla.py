"""Northwestern-UCLA: what the names say, what is left out and why, and nothing else asserted."""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from handmade_videos import black_jpeg
from nucla_files import LABELS, picture_name, write_skeleton

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.nucla import CLASSES
from stroi.pipeline.datasets.registry import adapter
from stroi.pipeline.index.ledger import ClipOutcome, read_ledger
from stroi.pipeline.index.splits import divide
from stroi.pipeline.index.table import ClipEntry, read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import IndexParams
from stroi.stages.index import build_index

ROOT = Path(__file__).resolve().parents[3]
REAL = ROOT.parent / "shared" / "data" / "nucla_skeletons" / "all_sqe.tar.gz"
list_nucla = adapter("nucla").list_clips


def pictures(folder: Path, numbers: range) -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        (folder / picture_name(number)).write_bytes(b"")
        (folder / f"frame_{number}_tc_1_depth.png").write_bytes(b"")
    (folder / "fileList.txt").write_text("0 0 0 9 9\n" * 7)
    return folder


def test_classes_sort_into_the_labels_of_the_files() -> None:
    assert {code: number for number, code in enumerate(sorted(CLASSES), 1)} == LABELS


def test_names_say_it_all_wherever_the_files_lie(tmp_path: Path) -> None:
    write_skeleton(tmp_path / "NW-UCLA" / "all_sqe", "a08_s10_e03_v02")
    (tmp_path / "NW-UCLA" / "val_label.pkl").write_bytes(b"never opened")
    write_skeleton(tmp_path, "a01_s01_e00_v01", label=4)
    pictures(tmp_path / "multiview_action" / "view_1" / "a01_s01_e00", range(1, 4))
    pictures(tmp_path / "view_3" / "a12_s02_e11", range(1, 4))
    found = list_nucla(tmp_path)
    assert found.clips == (
        ClipEntry(
            "a01_s01_e00_v01", "multiview_action/view_1/a01_s01_e00", "a01 pick up with one hand",
            "s01", "v1", skeleton="a01_s01_e00_v01.json",
        ),
        ClipEntry(
            "a08_s10_e03_v02", "", "a08 donning",
            "s10", "v2", skeleton="NW-UCLA/all_sqe/a08_s10_e03_v02.json",
        ),
        ClipEntry("a12_s02_e11_v03", "view_3/a12_s02_e11", "a12 carry", "s02", "v3"),
    )  # fmt: skip
    assert found.left_out == ()


def test_videos_stand_in_where_there_is_no_folder_of_pictures(tmp_path: Path) -> None:
    videos = tmp_path / "multiview_action_videos" / "a11"
    videos.mkdir(parents=True)
    for name in ("v01_s03_e02.avi", "v02_s03_e02.avi", "notes.avi"):
        (videos / name).write_bytes(b"")
    pictures(tmp_path / "view_2" / "a11_s03_e02", range(2))
    found = list_nucla(tmp_path)
    assert [(clip.id, clip.video) for clip in found.clips] == [
        ("a11_s03_e02_v01", "multiview_action_videos/a11/v01_s03_e02.avi"),
        ("a11_s03_e02_v02", "view_2/a11_s03_e02"),
    ]
    assert [(one.id, one.code) for one in found.left_out] == [
        ("multiview_action_videos/a11/notes.avi", "NAME_UNKNOWN")
    ]


def test_what_is_no_sample_is_left_out_with_a_reason(tmp_path: Path) -> None:
    for name in ("a01_s01_e00_v01", "a07_s01_e00_v01", "a01_s11_e00_v01", "a01_s01_e00_v04", "b"):
        write_skeleton(tmp_path / "all_sqe", name)
    write_skeleton(tmp_path / "elsewhere", "settings")
    pictures(tmp_path / "view_1" / "a10_s01_e00", range(1))
    (tmp_path / "view_1" / "copy of a01").mkdir()
    (tmp_path / "view_1" / ".DS_Store").write_bytes(b"")
    found = list_nucla(tmp_path)
    assert [clip.id for clip in found.clips] == ["a01_s01_e00_v01"]
    assert found.left_out == (
        ClipOutcome("a01_s01_e00_v04", "NAME_UNKNOWN", "there is no s01 in view 4"),
        ClipOutcome("a01_s11_e00_v01", "NAME_UNKNOWN", "there is no s11 in view 1"),
        ClipOutcome("a07_s01_e00_v01", "CLASS_UNKNOWN", "a07 is none of the 10 classes"),
        ClipOutcome("a10_s01_e00_v01", "CLASS_UNKNOWN", "a10 is none of the 10 classes"),
        ClipOutcome(
            "all_sqe/b.json", "NAME_UNKNOWN", "not named like a sample of Northwestern-UCLA"
        ),
        ClipOutcome(
            "view_1/copy of a01", "NAME_UNKNOWN", "not named like a sample of Northwestern-UCLA"
        ),
    )


def test_numbers_of_pictures_and_skeleton_frames_are_compared(tmp_path: Path) -> None:
    """The pictures' list lies, and only the pictures' own numbers are believed."""
    for name, frames in (("a01_s01_e00", 3), ("a02_s01_e00", 3), ("a03_s01_e00", 3)):
        write_skeleton(tmp_path / "all_sqe", f"{name}_v01", frames)
    pictures(tmp_path / "view_1" / "a01_s01_e00", range(1, 4))
    pictures(tmp_path / "view_1" / "a02_s01_e00", range(12, 17))
    found = list_nucla(tmp_path)
    assert found.remarks == {
        "a02_s01_e00_v01": "5 pictures, numbered 12 to 16, and 3 skeleton frames"
    }
    assert found.notes == (
        "1,481 of the 1,484 known skeleton files are not here: 513 of view 1, 504 of view 2, "
        "464 of view 3",
        "1 of 3 samples have no pictures, hence no mosaic",
        "1 samples have more or fewer pictures than skeleton frames, see the ledger",
    )


def test_labels_that_another_camera_contradicts_are_told(tmp_path: Path) -> None:
    left_out = load_profile(ROOT, "nucla").splits["v12-3-sound"].leave_out
    assert len(set(left_out)) == len(left_out) == 24
    for name in ("a05_s04_e00_v01", "a05_s05_e00_v02", *left_out):
        write_skeleton(tmp_path / "all_sqe", name)
    assert list_nucla(tmp_path).notes[-1] == (
        "24 samples have a label that camera 1 contradicts, see docs/nucla.md; "
        "the split v12-3-sound does not train on them"
    )


def test_remarks_reach_the_ledger_of_good_clips(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for action in ("a01", "a02"):
        write_skeleton(raw / "all_sqe", f"{action}_s01_e00_v01")
    folder = pictures(raw / "view_1" / "a02_s01_e00", range(1, 3))
    for picture in folder.glob("*.jpg"):
        picture.write_bytes(black_jpeg(32, 24))
    params = IndexParams(adapter="nucla", max_quarantined=0.0)
    build_index(raw, tmp_path / "index", params, Workers(), tmp_path / "store")
    assert read_ledger(tmp_path / "index").outcomes == (
        ClipOutcome("a01_s01_e00_v01"),
        ClipOutcome("a02_s01_e00_v01", detail="2 pictures, numbered 1 to 2, and 3 skeleton frames"),
    )


def test_samples_there_twice_and_nothing_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"NUCLA_EMPTY: .* holds no skeleton and no pic"):
        list_nucla(tmp_path)
    for folder in ("one", "two"):
        write_skeleton(tmp_path / folder, "a01_s01_e00_v01")
    problem = "sample a01_s01_e00_v01 is both one/a01_s01_e00_v01.json and two/"
    with pytest.raises(RefusedInput, match=f"ID_DUPLICATE: {problem}"):
        list_nucla(tmp_path)


def test_a_link_to_the_folder_above_comes_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "up").symlink_to(tmp_path)
    with pytest.raises(RefusedInput, match="NUCLA_EMPTY"):
        list_nucla(tmp_path)


@pytest.mark.skipif(not REAL.is_file(), reason=f"needs {os.path.relpath(REAL, ROOT)}")
def test_real_skeletons_fill_index_and_splits(tmp_path: Path) -> None:
    with tarfile.open(REAL) as archive:
        archive.extractall(tmp_path / "raw", filter="data")
    params = load_profile(ROOT, "nucla")
    ledger = build_index(
        tmp_path / "raw", tmp_path / "index", params.index, Workers(), tmp_path / "store"
    )
    assert ledger.summary() == "1484 clips = 1484 done + 0 quarantined"
    index = read_index(tmp_path / "index")
    assert index.classes == tuple(f"{code} {name}" for code, name in CLASSES.items())
    counts = Counter(sample.label[:3] for sample in index.samples)
    assert [counts[code] for code in CLASSES] == [150, 152, 141, 173, 148, 149, 142, 142, 145, 142]
    subjects = Counter(sample.subject for sample in index.samples)
    assert [subjects[one] for one in sorted(subjects)] == [
        160, 154, 159, 162, 119, 138, 147, 158, 139, 148,
    ]  # fmt: skip
    sizes = {}
    for name, split in params.splits.items():
        parts = divide(index.samples, split, usable=[sample.id for sample in index.samples])
        sizes[name] = (len(parts.train), len(parts.test))
        assert not set(parts.train) & set(parts.test)
    assert sizes == {
        "v12-3": (1020, 464), "v12-3-sound": (996, 464), "v13-2": (980, 504), "v23-1": (968, 516),
    }  # fmt: skip
    notes = list_nucla(tmp_path / "raw").notes
    assert notes == (
        "1,484 of 1,484 samples have no pictures, hence no mosaic",
        "24 samples have a label that camera 1 contradicts, see docs/nucla.md; the split "
        "v12-3-sound does not train on them",
    )

"""PKU-MMD by its published layout, on made-up folders: nobody here has the data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.skeletons3d import JointCache
from stroi.pipeline.datasets.pku_mmd import CLASSES
from stroi.pipeline.datasets.registry import adapter
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.splits import divide
from stroi.pipeline.index.table import ClipEntry, read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import IndexParams
from stroi.stages.index import build_index
from stroi.stages.skeletons3d import build_skeletons3d

ROOT = Path(__file__).resolve().parents[3]
LABELS = "8,119,219,2\n51,300,420,1\n1,500,560,2\n"
VIDEOS = [f"{number}-{view}" for number in ("0002", "0003") for view in "LMR"]
SUBJECTS = (
    "Training videos: \n0002-L, 0002-M, 0002-R\nValidataion videos: \n0003-L, 0003-M, 0003-R, "
)
VIEWS = "Training videos: \n0002-M, 0002-R, 0003-M, 0003-R\nValidataion videos: \n0002-L, 0003-L\n"

list_pku = adapter("pku-mmd").list_clips


def write(root: Path, place: str, text: str) -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two recordings from three sides, in the folders of the archives."""
    root = tmp_path / "raw"
    for video in VIDEOS:
        write(root, f"Data/RGB_VIDEO/{video}.avi", f"RIFF{video}")
        write(root, f"Data/DEPTH_VIDEO/{video}.avi", "depth")
        write(root, f"Data/Skeleton/PKU_Skeleton_Renew/{video}.txt", "0 " * 150 + "\n" + video)
        write(root, f"Label/Train_Label_PKU_final/{video}.txt", LABELS)
    write(root, "Split/cross-subject.txt", SUBJECTS)
    write(root, "Split/cross-view.txt", VIEWS)
    write(root, "Split/Actions.xlsx", "never opened")
    return root


def test_the_classes_are_51_and_sort_into_the_labels_of_the_files() -> None:
    names = [f"{number:02d} {name}" for number, name in enumerate(CLASSES, 1)]
    assert len(set(CLASSES)) == 51
    assert sorted(names) == names


def test_labels_cut_the_videos(raw: Path) -> None:
    listing = list_pku(raw)
    assert len(listing.clips) == 18
    assert listing.left_out == ()
    assert listing.clips[0] == ClipEntry(
        "0002-L_000119_000219",
        "Data/RGB_VIDEO/0002-L.avi",
        "08 drink water",
        camera="L",
        group="0002",
        split="train",
        start=119,
        stop=219,
        skeleton="Data/Skeleton/PKU_Skeleton_Renew/0002-L.txt",
    )
    assert [clip.label for clip in listing.clips[:3]] == ["08 drink water", "51 writing", "01 bow"]
    assert {clip.split for clip in listing.clips if clip.group == "0003"} == {"test"}
    assert listing.notes == ("PKU-MMD: 18 actions in 6 videos, of 21545 in 1076",)


@pytest.mark.parametrize(
    "places",
    [
        ("RGB_VIDEO/{}.avi", "label/{}.txt", "skeleton/{}.txt", "cross_subject.txt"),
        ("rgb/{}.avi", "a/{}.label", "b/{}.skeleton", "v1/cross-subject.txt"),
        ("RGB_VIDEO/{}.avi", "Label_PKUMMD/{}.txt", "Skeleton/{}.txt", "Split/cross_subject.txt"),
    ],
)
def test_other_ways_to_unpack_it(tmp_path: Path, places: tuple[str, str, str, str]) -> None:
    for place, text in zip(places, ("RIFF", LABELS, "0", SUBJECTS), strict=True):
        write(tmp_path, place.format("0003-M"), text)
    clips = list_pku(tmp_path).clips
    assert len(clips) == 3
    assert {(clip.video, clip.skeleton, clip.split) for clip in clips} == {
        (places[0].format("0003-M"), places[2].format("0003-M"), "test")
    }


def test_the_index_hashes_and_the_profile_divides(raw: Path, tmp_path: Path) -> None:
    params = load_profile(ROOT, "pku-mmd").index
    build_index(raw, tmp_path / "index", params, Workers(), tmp_path / "store")
    index = read_index(tmp_path / "index")
    assert len(index.samples) == 18
    assert len({sample.sha256 for sample in index.samples}) == 6
    assert len({sample.skeleton_sha256 for sample in index.samples}) == 6
    splits = load_profile(ROOT, "pku-mmd").splits
    usable = [sample.id for sample in index.samples]
    subjects = divide(index.samples, splits["xsub"], usable=usable)
    assert (len(subjects.train), len(subjects.test)) == (9, 9)
    assert all(name.startswith("0003") for name in subjects.test)
    views = divide(index.samples, splits["xview"], usable=usable)
    assert (len(views.train), len(views.test)) == (12, 6)
    assert all("-L_" in name for name in views.test)


def test_skeletons_alone_are_enough(raw: Path) -> None:
    for video in VIDEOS:
        (raw / f"Data/RGB_VIDEO/{video}.avi").unlink()
    listing = list_pku(raw)
    assert {clip.video for clip in listing.clips} == {""}
    assert len(listing.clips) == 18
    assert "PKU-MMD: 6 of the videos have no colour video, first 0002-L" in listing.notes


LABEL = "Label/Train_Label_PKU_final/0003-R.txt"


@pytest.mark.parametrize(
    ("text", "code", "detail", "clips"),
    [
        (LABELS + "8,600\n", "SEGMENT_ROW", "'8,600' is not label, start, end, confidence", 18),
        (LABELS + "8 600 700 1\n", "SEGMENT_ROW", "is not label", 18),
        (LABELS + "52,600,700,1\n", "SEGMENT_CLASS", "'52' is no class", 18),
        (LABELS + "0,600,700,1\n", "SEGMENT_CLASS", "'0' is no class", 18),
        (LABELS + "-8,600,700,1\n", "SEGMENT_CLASS", "'-8' is no class", 18),
        (LABELS + f"{'9' * 5000},600,700,1\n", "SEGMENT_CLASS", "is no class", 18),
        (LABELS + "8,700,600,1\n", "SEGMENT_FRAMES", "no frame from '700' to '600'", 18),
        (LABELS + "8,600,6e9,1\n", "SEGMENT_FRAMES", "no frame from '600' to '6e9'", 18),
        (LABELS + "8,600,1000000000,1\n", "SEGMENT_FRAMES", "to '1000000000'", 18),
        (LABELS + "9,119,219,2\n", "SEGMENT_TWICE", "as '08 drink water'", 18),
        (LABELS + "\u0668,600,700,1\n", "SEGMENT_TABLE", "'0003-R.txt' is no ASCII text", 15),
    ],
)
def test_every_bad_row_has_its_code(
    raw: Path, tmp_path: Path, text: str, code: str, detail: str, clips: int
) -> None:
    write(raw, LABEL, text)
    build_index(raw, tmp_path / "index", IndexParams(adapter="pku-mmd"), Workers(), tmp_path / "s")
    assert len(read_index(tmp_path / "index").samples) == clips
    (lost,) = read_ledger(tmp_path / "index").quarantined
    assert lost.id == ("0003-R" if code == "SEGMENT_TABLE" else "0003-R_line4")
    assert lost.code == code
    assert detail in lost.detail
    assert any("1 rows or videos left out" in note for note in list_pku(raw).notes)


def test_videos_without_labels_and_labels_without_video_are_told(raw: Path) -> None:
    (raw / LABEL).unlink()
    (raw / "Data/RGB_VIDEO/0003-M.avi").unlink()
    (raw / "Data/Skeleton/PKU_Skeleton_Renew/0003-M.txt").unlink()
    listing = list_pku(raw)
    assert len(listing.clips) == 12
    assert [(lost.id, lost.code) for lost in listing.left_out] == [
        ("0003-M", "VIDEO_MISSING"),
        ("0003-R", "LABELS_MISSING"),
    ]


def test_a_video_in_no_list_is_on_no_side(raw: Path) -> None:
    write(raw, "Split/cross-subject.txt", SUBJECTS.replace("0003-R, ", ""))
    listing = list_pku(raw)
    assert {clip.split for clip in listing.clips if clip.id.startswith("0003-R")} == {""}
    assert (
        "PKU-MMD: 1 videos are not in cross-subject.txt and are on neither side of a split by it,"
        " first 0003-R"
    ) in listing.notes


def test_a_view_list_that_disagrees_with_the_cameras_is_told(raw: Path) -> None:
    write(raw, "Split/cross-view.txt", VIEWS.replace("0002-M, ", "").replace("0002-L", "0002-M"))
    assert any(
        "cross-view.txt has 1 videos on another side than their camera's, first 0002-M" in note
        for note in list_pku(raw).notes
    )


def twice(raw: Path) -> object:
    return write(raw, "copy/RGB_VIDEO/0002-L.avi", "RIFF")


def linked(raw: Path) -> object:
    return (raw / "RGB_VIDEO").symlink_to(raw / "Data" / "RGB_VIDEO")


def both_sides(raw: Path) -> object:
    return write(raw, "Split/cross-subject.txt", SUBJECTS.replace("0003-L", "0002-L"))


def headless(raw: Path) -> object:
    return write(raw, "Split/cross-subject.txt", "0002-L, 0002-M\n")


def no_names(raw: Path) -> object:
    return write(raw, "Split/cross-subject.txt", "Training videos:\n0002-L;0002-M\n")


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (twice, r"ID_DUPLICATE: .*Data/RGB_VIDEO/0002-L\.avi and copy/RGB_VIDEO/0002-L\.avi"),
        (linked, "LINKED_FOLDER"),
        (both_sides, r"SPLIT_FILE: cross-subject\.txt:4: 0002-L is on both sides"),
        (headless, r"SPLIT_FILE: cross-subject\.txt:1: '0002-L' is no listed video"),
        (no_names, r"SPLIT_FILE: cross-subject\.txt:2: '0002-L;0002-M' is no listed video"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused(
    raw: Path, break_it: Callable[[Path], object], expected: str
) -> None:
    break_it(raw)
    with pytest.raises(RefusedInput, match=expected):
        list_pku(raw)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "RGB_VIDEO/0002-L.avi", "RIFF")
    with pytest.raises(RefusedInput, match=r"DATASET_EMPTY: .*no action of PKU-MMD \(1 files"):
        list_pku(tmp_path)


def people(frames: int, seed: int) -> str:
    """Lines of one person who moves; nobody is the second."""
    rng = np.random.default_rng(seed)
    body = np.stack([rng.normal(0, 0.1, 25), np.linspace(-1, 1, 25), np.full(25, 3.0)], axis=1)
    moving = body + rng.normal(0, 0.05, (frames, 25, 3))
    zeros = " 0.000000" * 75
    return "".join(
        " ".join(f"{value:.6f}" for value in frame.ravel()) + f"{zeros}\n" for frame in moving
    )


def test_joints_of_its_clips_are_read(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for seed, video in enumerate(("0002-L", "0002-M")):
        write(raw, f"PKU_Skeleton_Renew/{video}.txt", people(80, seed))
        write(raw, f"Train_Label_PKU_final/{video}.txt", "8,0,30,2\n51,30,70,1\n1,75,90,1\n")
    profile = load_profile(ROOT, "pku-mmd")
    build_index(raw, tmp_path / "index", profile.index, Workers(), tmp_path / "store")
    params = profile.skeletons3d.model_copy(update={"max_quarantined": 0.5})
    ledger = build_skeletons3d(
        raw,
        read_index(tmp_path / "index"),
        tmp_path / "skeletons3d",
        params,
        Workers(),
        tmp_path / "store",
    )
    assert [(lost.id, lost.code) for lost in ledger.quarantined] == [
        (f"0002-{view}_000075_000090", "SKEL_SEGMENT") for view in "LM"
    ]
    cache = JointCache(tmp_path / "skeletons3d")
    assert [len(cache[name].state) for name in cache.ids] == [30, 40, 30, 40]
    table = np.loadtxt(raw / "PKU_Skeleton_Renew" / "0002-M.txt")[30:70, :75].astype(np.float32)
    np.testing.assert_array_equal(
        cache["0002-M_000030_000070"].position[:, 0].reshape(40, 75), table
    )

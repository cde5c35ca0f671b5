"""A folder for each class: ids, splits, what is left out, what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import check_ids
from stroi.pipeline.datasets.folders import list_folders, sample_id
from stroi.pipeline.datasets.registry import list_clips
from stroi.pipeline.params.profile import IndexParams


def make(root: Path, *places: str) -> Path:
    """Files of that name, with their own path as content."""
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(place.encode())
    return root


def codes(root: Path, pattern: str = "") -> dict[str, str]:
    return {one.id: one.code for one in list_folders(root, pattern).left_out}


def test_class_folders_become_labels_and_paths_become_ids(tmp_path: Path) -> None:
    listing = list_folders(make(tmp_path, "wave/b.AVI", "wave/a.mp4", "sit/a.webm"))
    assert [(clip.id, clip.label, clip.video) for clip in listing.clips] == [
        ("sit_a", "sit", "sit/a.webm"),
        ("wave_a", "wave", "wave/a.mp4"),
        ("wave_b", "wave", "wave/b.AVI"),
    ]
    assert {clip.split for clip in listing.clips} == {""}
    assert (listing.left_out, listing.notes) == ((), ())


def test_train_and_test_on_top_are_a_split(tmp_path: Path) -> None:
    root = make(tmp_path, "train/wave/a.avi", "test/wave/a.avi", "val/sit/b.avi")
    listing = list_folders(root)
    assert [(clip.id, clip.label, clip.split) for clip in listing.clips] == [
        ("test_wave_a", "wave", "test"),
        ("train_wave_a", "wave", "train"),
        ("val_sit_b", "sit", "val"),
    ]


def test_a_class_called_train_among_others_is_a_class(tmp_path: Path) -> None:
    root = make(tmp_path, "train/a.avi", "bus/a.avi")
    assert {clip.label for clip in list_folders(root).clips} == {"train", "bus"}


def test_a_folder_of_images_is_a_video(tmp_path: Path) -> None:
    root = make(tmp_path, "wave/one/00001.jpg", "wave/one/00002.jpg", "wave/two.v2/f_1.PNG")
    listing = list_folders(root)
    assert [(clip.id, clip.video) for clip in listing.clips] == [
        ("wave_one", "wave/one"),
        ("wave_two.v2", "wave/two.v2"),
    ]


def test_what_is_left_out_and_why(tmp_path: Path) -> None:
    root = make(
        tmp_path,
        "wave/a.avi",
        "wave/notes.txt",
        "wave/old.RMVB",
        "wave/deeper/b.txt",
        "wave/.hidden.avi",
        ".git/c.avi",
        "readme.md",
        "stray.mp4",
    )
    listing = list_folders(root)
    assert [clip.id for clip in listing.clips] == ["wave_a"]
    assert {one.id: one.code for one in listing.left_out} == {
        "stray": "NOT_IN_CLASS",
        sample_id("wave/old.RMVB"): "VIDEO_KIND",
        sample_id("wave/deeper"): "FOLDER_EMPTY",
    }
    assert listing.notes[1] == (
        "left out: 2 with NOT_A_VIDEO, first: 'readme.md' does not end in "
        ".avi, .mkv, .mov, .mp4, .m4v, .webm, .mpg, .mpeg, .mpe, .vob, .ts, .mts, .m2ts, .3gp,"
        " .3g2, .wmv, .asf, .flv, .f4v, .ogv, .divx, .qt"
    )


def test_names_that_cannot_be_ids_get_a_digest_of_their_path(tmp_path: Path) -> None:
    places = ("pick up/anna 1.avi", "pick up/größe.avi", f"long/{'x' * 90}.avi", "so/con..avi")
    listing = list_folders(make(tmp_path, *places))
    for clip in listing.clips:
        digest = hashlib.sha256(clip.video.encode()).hexdigest()[:8]
        assert clip.id.endswith(f"-{digest}")
    assert {clip.label for clip in listing.clips} == {"pick up", "long", "so"}
    assert sample_id("pick up/anna 1.avi").startswith("pick_up_anna_1-")
    check_ids([clip.id for clip in listing.clips])


@settings(derandomize=True, max_examples=300)
@given(st.lists(st.text(min_size=1, max_size=70), min_size=2, max_size=3))
def test_every_path_has_an_id_that_is_safe_and_its_own(parts: list[str]) -> None:
    place = "/".join(parts)
    name = sample_id(place)
    check_ids([name])
    assert sample_id(place) == name
    # The digest keeps apart what the slug alone would not.
    if name != place.replace("/", "_"):
        assert sample_id(f"{place} ") != name


@pytest.mark.parametrize(
    ("places", "clash"),
    [
        (("wave/a.avi", "wave/a.mp4"), "'wave/a.avi' and 'wave/a.mp4' would both be 'wave_a'"),
        (("wave/A.avi", "wave/a.avi"), "'wave/A.avi' and 'wave/a.avi' would both be 'wave_a'"),
        (("a_b/c.avi", "a/b_c.avi"), "'a/b_c.avi' and 'a_b/c.avi' would both be 'a_b_c'"),
    ],
)
def test_ids_that_collide(tmp_path: Path, places: tuple[str, ...], clash: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        list_folders(make(tmp_path, *places))
    assert caught.value.code == "ID_DUPLICATE"
    assert clash.replace("be ", "be sample ") in str(caught.value)
    assert (
        caught.value.remedy == "rename one of them; paths must differ in more than case and ending"
    )


def test_subjects_and_cameras_are_read_off_the_names(tmp_path: Path) -> None:
    root = make(tmp_path, "wave/anna_front_1.avi", "sit/ben_side_1.avi", "sit/odd.avi")
    params = IndexParams(adapter="folders", pattern="{subject}_{camera}_{*}")
    listing = list_clips(root, params)
    assert [(clip.id, clip.subject, clip.camera) for clip in listing.clips] == [
        ("sit_ben_side_1", "ben", "side"),
        ("wave_anna_front_1", "anna", "front"),
    ]
    assert [(one.id, one.code) for one in listing.left_out] == [("sit_odd", "NAME_PATTERN")]
    assert listing.notes == (
        "left out: 1 with NAME_PATTERN, first: 'odd.avi' does not fit index.pattern",
    )


def test_a_pattern_that_nothing_fits(tmp_path: Path) -> None:
    with pytest.raises(
        RefusedInput, match=r"PATTERN_UNFIT: .*none of 1 videos fits '\{subject\}_x'"
    ):
        list_folders(make(tmp_path, "wave/a.avi"), "{subject}_x")


LAYOUTS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "groups": (
        ("kick/v_1/a.avi", "kick/v_2/b.avi", "wave/v_1/c.avi", "wave/Annotation/c.xgtf"),
        ["kick v_1 -", "kick v_2 -", "wave v_1 -"],
    ),
    "groups of frame folders": (
        ("kick/v_1/a/1.jpg", "kick/v_1/b/1.jpg", "wave/c/1.jpg"),
        ["kick v_1 -", "kick v_1 -", "wave - -"],
    ),
    "groups below splits": (
        ("train/kick/v_1/a.avi", "train/wave/v_1/c.avi", "test/kick/v_2/b.avi"),
        ["kick v_2 test", "kick v_1 train", "wave v_1 train"],
    ),
    "an archive's folder": (
        ("train/kick/a.avi", "test/kick/b.avi", "__MACOSX/train/kick/._a.avi"),
        ["kick - test", "kick - train"],
    ),
    "pictures beside the splits": (
        ("train/kick/a.avi", "test/kick/b.avi", "docs/plot.png"),
        ["kick - test", "kick - train"],
    ),
    "other names": (
        ("Train/kick/a.avi", "test_set/kick/b.avi", "validation/kick/c.avi"),
        ["kick - train", "kick - test", "kick - val"],
    ),
    "one more folder": (
        ("UCF/kick/a.avi", "UCF/wave/b.avi", "readme.txt"),
        ["kick - -", "wave - -"],
    ),
    "two more folders": (
        ("data/videos/train/kick/a.avi", "data/videos/test/kick/b.avi"),
        ["kick - test", "kick - train"],
    ),
    "one more folder in each split": (
        ("train/videos/kick/a.avi", "test/videos/kick/b.avi"),
        ["kick - test", "kick - train"],
    ),
    "splits inside the classes": (
        ("kick/train/a.avi", "kick/test/b.avi", "wave/train/c.avi"),
        ["kick - test", "kick - train", "wave - train"],
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_layouts_that_data_sets_have(tmp_path: Path, case: str) -> None:
    places, expected = LAYOUTS[case]
    clips = list_folders(make(tmp_path, *places)).clips
    assert [f"{c.label} {c.group or '-'} {c.split or '-'}" for c in clips] == expected


def test_what_the_folders_were_taken_for_is_said(tmp_path: Path) -> None:
    root = make(tmp_path, "UCF/kick/v_1/a.avi", "UCF/wave/v_2/b.avi", "UCF/wave/v_2/x/y/c.avi")
    listing = list_folders(root)
    assert listing.notes == (
        "the data set is in 'UCF'",
        "CLASS/GROUP/VIDEO: 2 groups, such as 'v_1'; the classes are the folders above, such as"
        " 'kick'",
        "left out: 1 with TOO_DEEP, first: 'UCF/wave/v_2/x' holds videos deeper than"
        " CLASS/GROUP/VIDEO",
    )


def test_a_group_of_the_name_replaces_that_of_the_folder(tmp_path: Path) -> None:
    root = make(tmp_path, "kick/v_1/red_a.avi", "wave/v_1/blue_b.avi")
    assert [clip.group for clip in list_folders(root, "{group}_{*}").clips] == ["red", "blue"]


def test_folders_beside_train_and_test_are_not_guessed_at(tmp_path: Path) -> None:
    root = make(tmp_path, "train/kick/a.avi", "test/kick/b.avi", "extra/kick/c.avi")
    with pytest.raises(RefusedInput) as caught:
        list_folders(root)
    assert str(caught.value) == (
        f"DATASET_LAYOUT: {root} has the folders 'test', 'train', and 'extra' with videos beside"
        " them: it is neither a class nor a split; move 'extra' elsewhere, or into one of the"
        " others"
    )


def test_one_label_in_two_forms_of_unicode_is_one_class(tmp_path: Path) -> None:
    root = make(tmp_path, "train/ge\u0301n/a.avi", "test/g\u00e9n/b.avi")
    assert {clip.label for clip in list_folders(root).clips} == {"g\u00e9n"}


NOTHING: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "empty": ((), "(it is empty)", "", "put videos ("),
    "videos on top": (
        ("a.avi",),
        "(found: 1 other entries, first: 'a.avi' is a video that lies in no class's folder)",
        "NOT_IN_CLASS: 'a.avi' is a video that lies in no class's folder",
        "make a folder for each class and put its videos into it: CLASS/VIDEO; or list the videos",
    ),
    "other files": (
        ("wave/a.txt", "wave/p/1.json", "wave/p/2.json"),
        "(found: 2 other entries, first: 'wave/a.txt' does not end in ",
        "FOLDER_EMPTY: 'wave/p' holds no video (2 .json)",
        "CLASS/GROUP/VIDEO, or the same below train and test",
    ),
    "archive": (
        ("set.zip",),
        "first: 'set.zip' is an archive: unpack it)",
        "NOT_A_VIDEO: 'set.zip' is an archive: unpack it",
        "'set.zip' is an archive: unpack it; or put videos (",
    ),
    "other videos": (
        ("wave/a.gif", "kick/b.GIF"),
        "first: 'kick/b.GIF' is a video of a kind that is not read: convert it)",
        "VIDEO_KIND: 'wave/a.gif' is a video of a kind that is not read: convert it",
        "convert the videos, one by one: ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p NEW.mp4",
    ),
    "an archive's folder": (
        ("__MACOSX/train/wave/._a.avi",),
        "(it is empty)",
        "skipped: '__MACOSX' is hidden, a system's, or has poses",
        "put videos (",
    ),
}


@pytest.mark.parametrize("case", NOTHING)
def test_where_no_video_is_found_it_is_said_what_was(tmp_path: Path, case: str) -> None:
    places, found, detail, remedy = NOTHING[case]
    with pytest.raises(RefusedInput) as caught:
        list_folders(make(tmp_path, *places))
    assert caught.value.code == "DATASET_EMPTY"
    assert found in caught.value.message
    assert detail in (*caught.value.details, "")
    assert remedy in caught.value.remedy


def test_not_more_than_twenty_entries_are_listed(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput) as caught:
        list_folders(make(tmp_path, *(f"wave/{number:03d}.txt" for number in range(50))))
    assert len(caught.value.details) == 21
    assert caught.value.details[-1] == "and 30 more"


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "raw", "wave/a.avi")
    make(tmp_path / "elsewhere", "b.avi")
    (tmp_path / "raw" / "sit").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedInput, match=r"LINKED_FOLDER: .*sit is a link"):
        list_folders(tmp_path / "raw")


def test_a_name_that_cannot_be_printed_is_left_out(tmp_path: Path) -> None:
    root = make(tmp_path, "wave/a.avi", "wave/b\n.avi", "wave/ c.avi", " sit/d.avi")
    assert set(codes(root).values()) == {"NAME_BAD"}
    assert len(codes(root)) == 3


def test_params_refuse_what_is_no_pattern() -> None:
    with pytest.raises(ValueError, match="stands twice"):
        IndexParams(adapter="folders", pattern="{subject}_{subject}")
    with pytest.raises(ValueError, match="a pattern is for the adapter folders"):
        IndexParams(adapter="table", pattern="{subject}")

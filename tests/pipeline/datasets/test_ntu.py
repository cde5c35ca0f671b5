"""NTU RGB+D: names, lists, published sizes, and what is said of a folder that is not whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import sha256_bytes
from stroi.pipeline.datasets import ntu
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.ntu import list_ntu60, list_ntu120, notes, ranges
from stroi.pipeline.datasets.ntu_lists import (
    NTU_60,
    NTU_120,
    NtuSet,
    class_names,
    good_names,
    listed_missing,
    names,
    performers,
    unknown_part,
)
from stroi.pipeline.datasets.registry import adapter
from stroi.pipeline.index.table import ClipEntry

LISTS = Path(__file__).parents[4] / "shared" / "data" / "ntu_lists"
DIGESTS = {
    NTU_60.title: "4a964781573e86c3f3bb24d489d2b4768d2d03ede396d20ea9c09ddc92b6df18",
    NTU_120.title: "f8abc124c4fc4b4e8f144caa34948f8307e5d7dcba17acf96132c9f311ff93cf",
}
"""Of the official lists' names, sorted, one a line."""
ONE, TWO = "S001C001P001R001A001", "S001C002P001R001A002"
BAD = "S001C002P005R002A008"


def touch(root: Path, *places: str) -> Path:
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(place.encode(errors="surrogateescape"))
    return root


def codes(listing: DatasetListing) -> list[tuple[str, str]]:
    return [(one.id, one.code) for one in listing.left_out]


@pytest.mark.parametrize("ntu", [NTU_60, NTU_120], ids=["60", "120"])
def test_missing_lists_are_the_official_ones(ntu: NtuSet) -> None:
    missing = sorted(name for name in names(ntu) if name in listed_missing())
    assert len(missing) == {60: 302, 120: 535}[int(ntu.title[10:])]
    assert sha256_bytes("".join(f"{n}\n" for n in missing).encode()) == DIGESTS[ntu.title]


@pytest.mark.parametrize(("ntu", "number"), [(NTU_60, "60"), (NTU_120, "120")])
def test_names_are_those_of_the_data_set(ntu: NtuSet, number: str) -> None:
    if not LISTS.is_dir():
        pytest.skip(f"the list of names is not there: {LISTS}")
    available = (LISTS / f"ntu{number}_available.txt").read_text().split()
    good = good_names(ntu)
    assert sorted(good) == sorted(available)
    assert set(names(ntu)) - set(good) == set(
        (LISTS / f"ntu{number}_missing.txt").read_text().split()
    )
    shown = list(class_names().values())[: int(number)]
    theirs = (LISTS / f"label_map_ntu{number}.txt").read_text().splitlines()
    for mine, line in zip(shown[60:], theirs[60:], strict=True):
        assert line.replace("\u2019", "'").startswith(mine[5:])


def test_classes_sort_into_label_order() -> None:
    every = list(class_names().values())
    assert len(set(every)) == 120
    assert every == sorted(every)
    assert [name[:4] for name in every] == [f"A{number:03d}" for number in range(1, 121)]
    assert [every[at][5:] for at in (0, 10, 11, 29, 49, 59, 60, 119)] == [
        "drink water",
        "reading",
        "writing",
        "type on a keyboard",
        "punch",
        "walk apart",
        "put on headphone",
        "finger-guessing game",
    ]


def test_as_many_people_as_published() -> None:
    first = {who for setup, ones in performers().items() if setup <= "S017" for who in ones}
    every = {who for ones in performers().values() for who in ones}
    assert (len(performers()), len(first), len(every)) == (32, 40, 106)


def test_files_of_one_sample_in_different_folders(tmp_path: Path) -> None:
    touch(tmp_path, f"nturgb+d_rgb/{ONE}_rgb.avi", f"s1/skeletons/{ONE}.skeleton")
    touch(tmp_path, f"{TWO}_rgb.avi", "S018C003P045R002A120.skeleton", "readme.txt")
    assert list_ntu120(tmp_path).clips == (
        ClipEntry(
            ONE,
            f"nturgb+d_rgb/{ONE}_rgb.avi",
            "A001 drink water",
            "P001",
            "C001",
            "S001",
            skeleton=f"s1/skeletons/{ONE}.skeleton",
        ),
        ClipEntry(TWO, f"{TWO}_rgb.avi", "A002 eat meal", "P001", "C002", "S001"),
        ClipEntry(
            "S018C003P045R002A120",
            "",
            "A120 finger-guessing game",
            "P045",
            "C003",
            "S018",
            skeleton="S018C003P045R002A120.skeleton",
        ),
    )


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_copies_in_another_container_are_videos(tmp_path: Path, ending: str) -> None:
    touch(tmp_path, f"rgb/{ONE}_rgb{ending}", f"{ONE}.skeleton", f"ir/{ONE}_ir{ending}")
    listing = list_ntu60(tmp_path)
    assert [(clip.id, clip.video) for clip in listing.clips] == [(ONE, f"rgb/{ONE}_rgb{ending}")]
    assert not listing.left_out


def test_the_adapters_have_their_names() -> None:
    assert (adapter("ntu60").list_clips, adapter("ntu120").list_clips) == (list_ntu60, list_ntu120)


def test_what_is_listed_as_missing_is_left_out_with_or_without_a_file(tmp_path: Path) -> None:
    assert BAD in listed_missing()
    touch(tmp_path, f"{BAD}.skeleton", f"{ONE}.skeleton", "S001C002P006R001A008_rgb.avi")
    listing = list_ntu60(tmp_path)
    assert [clip.id for clip in listing.clips] == [ONE]
    assert codes(listing) == [(BAD, "LISTED_MISSING"), ("S001C002P006R001A008", "LISTED_MISSING")]
    assert listing.left_out[0].detail == "the data set lists it as having no good skeleton"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("S000C001P001R001A001", "NTU RGB+D 60 has no setup S000"),
        ("S018C001P008R001A061", "NTU RGB+D 60 has no setup S018"),
        ("S001C004P001R001A001", "setup S001 has no camera C004"),
        ("S001C001P009R001A001", "setup S001 has no performer P009"),
        ("S001C001P001R003A001", "setup S001 has no replication R003"),
        ("S001C001P001R001A061", "setup S001 has no action A061"),
        ("S001C001P001R001A000", "setup S001 has no action A000"),
    ],
)
def test_names_that_no_sample_has(tmp_path: Path, name: str, problem: str) -> None:
    touch(tmp_path, f"{name}.skeleton", f"{name}_rgb.avi", f"{ONE}.skeleton")
    (outcome,) = list_ntu60(tmp_path).left_out
    assert (outcome.id, outcome.code, outcome.detail) == (name, "NAME_UNKNOWN", problem)


def test_later_setups_show_later_actions() -> None:
    assert unknown_part("S018C001P008R001A061", NTU_120) == ""
    assert unknown_part("S018C001P008R001A060", NTU_120) == "setup S018 has no action A060"


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        (f"{ONE.lower()}.skeleton", f"{ONE.lower()}.skeleton"),
        (f"{ONE}.SKELETON", f"{ONE}.SKELETON"),
        (f"{ONE}.avi", f"{ONE}.avi"),
        (f"{ONE}_rgb2.mp4", f"{ONE}_rgb2.mp4"),
        (f"{ONE[:-1]}.skeleton", f"{ONE[:-1]}.skeleton"),
        (f"{ONE} (1).skeleton", f"{ONE}__1_.skeleton"),
        ("S\u0660\u0660\u0661C001P001R001A001.skeleton", "S___C001P001R001A001.skeleton"),
        ("x" * 90 + ".avi", "x" * 64),
        (os.fsdecode(b"\xff\n.avi"), "__.avi"),
    ],
)
def test_files_that_look_nearly_right(tmp_path: Path, file: str, shown: str) -> None:
    touch(tmp_path, f"a/{file}", f"{TWO}.skeleton")
    (outcome,) = list_ntu60(tmp_path).left_out
    assert (outcome.id, outcome.code) == (shown, "NAME_BAD")
    assert outcome.detail.startswith(f"{file!a} is no sample's name; samples are S001C001P001R0")
    assert (outcome.id + outcome.detail).isascii()


def test_a_folder_whose_name_cannot_be_listed(tmp_path: Path) -> None:
    touch(tmp_path, f"{os.fsdecode(bytes([255]))}/{ONE}.skeleton", f"{TWO}.skeleton")
    listing = list_ntu60(tmp_path)
    assert [clip.id for clip in listing.clips] == [TWO]
    assert codes(listing) == [(ONE, "NAME_BAD")]


def test_other_modalities_are_no_business_of_ours(tmp_path: Path) -> None:
    touch(tmp_path, f"{ONE}.skeleton", f"ir/{ONE}_ir.avi", f"depth/{ONE}/MDepth-00000001.png")
    touch(tmp_path, f"depth/{ONE}/{ONE}.skeleton", f"._{ONE}.skeleton", "notes.csv")
    listing = list_ntu60(tmp_path)
    assert [clip.skeleton for clip in listing.clips] == [f"{ONE}.skeleton"]
    assert listing.left_out == ()


def test_the_same_sample_twice(tmp_path: Path) -> None:
    touch(tmp_path, f"b/{ONE}.skeleton", f"a/{ONE}.skeleton")
    with pytest.raises(RefusedInput) as refusal:
        list_ntu60(tmp_path)
    assert refusal.value.code == "ID_DUPLICATE"
    assert refusal.value.message.endswith(
        f"a/{ONE}.skeleton and b/{ONE}.skeleton are both of {ONE}"
    )


def test_a_linked_folder(tmp_path: Path) -> None:
    touch(tmp_path, f"raw/{ONE}.skeleton", f"elsewhere/{TWO}.skeleton")
    (tmp_path / "raw" / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedInput, match=r"LINKED_FOLDER: .*/raw/more is a link"):
        list_ntu60(tmp_path / "raw")


def test_nothing_there(tmp_path: Path) -> None:
    touch(tmp_path, "a.avi")
    with pytest.raises(RefusedInput, match=r"DATASET_EMPTY: .* no sample of NTU RGB\+D 60 \(1 fil"):
        list_ntu60(tmp_path)


def clips_of(ids: Iterable[str], *, video: str = "v", skeleton: str = "s") -> list[ClipEntry]:
    return [ClipEntry(one, video, "a", skeleton=skeleton) for one in ids]


@pytest.mark.parametrize(
    ("ntu", "sizes"),
    [
        (NTU_60, "all 56,578 samples; train / test: X-Sub 40,091 / 16,487; X-View 37,646 / 18,932"),
        (
            NTU_120,
            "all 113,945 samples; train / test: X-Sub 63,026 / 50,919; X-Set 54,468 / 59,477",
        ),
    ],
    ids=["60", "120"],
)
def test_the_whole_set_has_the_published_sizes(ntu: NtuSet, sizes: str) -> None:
    good = good_names(ntu)
    assert notes(ntu, clips_of(good), []) == (f"{ntu.title}: {sizes}",)


def test_other_sizes_than_published_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    good = (*good_names(NTU_60), BAD)
    monkeypatch.setattr(ntu, "good_names", lambda ntu: good)
    with pytest.raises(RefusedInput, match=r"NTU_SIZES: .*60: X-Sub has \(40092, 16487\) train"):
        notes(NTU_60, clips_of(good), [])


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    good = good_names(NTU_60)
    there = [name for name in good if name < "S003" and name[4:8] != "C002" and name[16:] < "A011"]
    there = [name for name in there if name not in (there[0], there[5])]
    lines = notes(NTU_60, clips_of(there, video=""), [])
    assert lines == (
        "NTU RGB+D 60: 671 of 56,578 samples; train / test: X-Sub 354 / 317; X-View 333 / 338",
        "no sample of setup S003 to S017",
        "no sample of camera C002",
        "no sample of performer P015 to P040",
        "no sample of action A011 to A060",
        "2 missing besides, first S001C001P001R001A001",
        "671 samples without a video, first S001C001P001R001A002",
    )


def test_single_samples_are_told(tmp_path: Path) -> None:
    good = good_names(NTU_60)
    clips = clips_of(good[1:])
    clips[0] = ClipEntry(good[1], "v", "a")
    touch(tmp_path, "a.avi", f"{ONE}.skeleton")
    lines = notes(NTU_60, clips, list_ntu60(tmp_path).left_out)
    assert lines[1:] == (
        "1 missing, first S001C001P001R001A001",
        "1 sample without a skeleton, first S001C001P001R001A002",
        "NTU RGB+D 60: left out, see ledger.csv: 1 NAME_BAD",
    )


def test_ranges() -> None:
    shown = "P001, P003 to P005, P009, P010"
    assert ranges(["P001", "P003", "P004", "P005", "P009", "P010"]) == shown

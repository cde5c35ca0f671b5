"""Toyota Smarthome, trimmed and not, by its published layouts, on made-up folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets import smarthome_untrimmed as untrimmed
from stroi.pipeline.datasets.registry import adapter
from stroi.pipeline.datasets.smarthome import CLASSES, TRAIN_PERSONS, VIEW_CLASSES
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.splits import divide
from stroi.pipeline.index.table import ClipEntry, Sample, read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import IndexParams
from stroi.stages.index import build_index

ROOT = Path(__file__).resolve().parents[3]
NAMES = [
    "Cook.Cleandishes_p02_r00_v02_c03",
    "Walk_p03_r01_v16_c06",
    "WatchTV_p25_r00_v01_c01",
    "Sitdown_p10_r12_v03_c02",
    "Walk_p04_r01_v16_c01",
    "Enter_p19_r01_v03_c05",
]


def trimmed(root: Path, names: list[str]) -> Path:
    (root / "mp4").mkdir(parents=True)
    for name in names:
        (root / "mp4" / f"{name}.mp4").write_text(name)
    (root / "skeletonv12").mkdir()
    (root / "skeletonv12" / f"{names[0]}_pose3d.json").touch()
    return root


def test_names_say_it_all(tmp_path: Path) -> None:
    listing = adapter("toyota-smarthome").list_clips(trimmed(tmp_path, NAMES))
    assert [clip.id for clip in listing.clips] == sorted(NAMES)
    assert listing.clips[0] == ClipEntry(
        NAMES[0], f"mp4/{NAMES[0]}.mp4", "Cook.Cleandishes", "p02", "c03"
    )
    assert listing.notes[0] == "Toyota Smarthome: 6 of 16115 clips of 31 classes"


def test_classes_are_those_of_the_protocols() -> None:
    assert (len(set(CLASSES)), len(set(VIEW_CLASSES)), len(untrimmed.CLASSES)) == (31, 19, 51)
    assert set(VIEW_CLASSES) < set(CLASSES)


def test_the_cross_view_protocols_have_19_classes(tmp_path: Path) -> None:
    listing = adapter("toyota-smarthome-cv").list_clips(trimmed(tmp_path, NAMES))
    assert {clip.label for clip in listing.clips} == {"Walk", "Sitdown", "Enter"}
    assert {(lost.id, lost.code) for lost in listing.left_out} == {
        (NAMES[0], "CLASS_LEFT_OUT"),
        (NAMES[2], "CLASS_LEFT_OUT"),
    }


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Pour.Fromcup_p02_r00_v02_c03", "CLASS_LEFT_OUT"),
        ("Dance_p02_r00_v02_c03", "CLASS_UNKNOWN"),
        ("Walk_p2_r00_v02_c03", "NAME_BAD"),
        ("Walk_p02_r00_v02", "NAME_BAD"),
        ("Walk_p\u0660\u0662_r00_v02_c03", "NAME_BAD"),
        ("x" * 200, "NAME_BAD"),
    ],
)
def test_other_names_are_left_out_with_a_code(tmp_path: Path, name: str, code: str) -> None:
    raw = trimmed(tmp_path / "raw", [*NAMES, name])
    params = IndexParams(adapter="toyota-smarthome")
    build_index(raw, tmp_path / "index", params, Workers(), tmp_path / "store")
    assert len(read_index(tmp_path / "index").samples) == 6
    (lost,) = read_ledger(tmp_path / "index").quarantined
    assert lost.code == code
    assert len(lost.id) <= 64
    assert lost.detail.isascii()


def test_a_clip_in_two_places_and_another_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="DATASET_EMPTY"):
        adapter("toyota-smarthome").list_clips(tmp_path)
    trimmed(tmp_path, NAMES)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / f"{NAMES[1]}.mp4").touch()
    with pytest.raises(RefusedInput, match=f"ID_DUPLICATE: .*copy/{NAMES[1]}.mp4"):
        adapter("toyota-smarthome").list_clips(tmp_path)


def test_profiles_have_the_published_protocols() -> None:
    splits = load_profile(ROOT, "toyota-smarthome").splits
    everybody = [
        Sample(f"a{person:02d}", "a.mp4", "Walk", f"p{person:02d}", sha256=f"{person:064d}")
        for person in (2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 25)
    ]
    parts = divide(everybody, splits["cs"], usable=[one.id for one in everybody])
    assert [f"p{name[1:]}" for name in parts.train] == list(TRAIN_PERSONS)
    assert [int(name[1:]) for name in parts.test] == [2, 10, 11, 14, 16, 18, 20]
    views = load_profile(ROOT, "toyota-smarthome-cv").splits
    cameras = [
        Sample(f"a{camera}", "a.mp4", "Walk", "p02", f"c{camera:02d}", sha256=f"{camera:064d}")
        for camera in range(1, 8)
    ]
    usable = [one.id for one in cameras]
    first, second = (divide(cameras, views[name], usable=usable) for name in ("cv1", "cv2"))
    assert (first.train, first.test) == (("a1",), ("a2",))
    assert (second.train, second.test) == (("a1", "a3", "a4", "a6", "a7"), ("a2",))


EVENTS = "event,start_frame,end_frame\nEnter,170,187\nMake_coffee.Get_water,236,502\n"


def tables(root: Path, texts: dict[str, str | None]) -> Path:
    for name, text in texts.items():
        (root / "Videos_mp4").mkdir(parents=True, exist_ok=True)
        (root / "Videos_mp4" / f"{name}.mp4").write_text(name)
        if text is not None:
            (root / "Annotation" / name[:3]).mkdir(parents=True, exist_ok=True)
            (root / "Annotation" / name[:3] / f"{name}.csv").write_text(text)
    return root


def test_tables_cut_the_untrimmed_videos(tmp_path: Path) -> None:
    raw = tables(tmp_path, {"P02T01C06": EVENTS, "P11T15C01": EVENTS})
    listing = adapter("smarthome-untrimmed").list_clips(raw)
    assert len(listing.clips) == 4
    assert listing.clips[1] == ClipEntry(
        "P02T01C06_000236_000502",
        "Videos_mp4/P02T01C06.mp4",
        "Get_water",
        subject="P02",
        camera="C06",
        group="P02T01",
        start=236,
        stop=502,
    )
    assert listing.notes == ("Toyota Smarthome Untrimmed: 4 events in 2 of 536 videos",)


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        (EVENTS + "Dance,1,9\n", "P02T01C06_line4", "SEGMENT_CLASS"),
        (EVENTS + "Walk,9,9\n", "P02T01C06_line4", "SEGMENT_FRAMES"),
        (EVENTS + "Walk,170,187\n", "P02T01C06_line4", "SEGMENT_TWICE"),
        (EVENTS + "Walk,1.5,9\n", "P02T01C06_line4", "SEGMENT_FRAMES"),
        (EVENTS + "Walk,1\n", "P02T01C06", "SEGMENT_TABLE"),
        ("Enter,170,187\n", "P02T01C06", "SEGMENT_TABLE"),
        ("", "P02T01C06", "SEGMENT_TABLE"),
        (None, "P02T01C06", "LABELS_MISSING"),
    ],
)
def test_every_defect_of_a_table_has_its_code(
    tmp_path: Path, text: str | None, name: str, code: str
) -> None:
    raw = tables(tmp_path / "raw", {"P02T01C06": text, "P11T15C01": EVENTS})
    listing = adapter("smarthome-untrimmed").list_clips(raw)
    assert [(lost.id, lost.code) for lost in listing.left_out] == [(name, code)]
    assert len(listing.clips) == (4 if "line" in name else 2)
    assert any("1 rows or videos left out" in note for note in listing.notes)


def test_a_table_without_its_video_is_told_and_others_are_refused(tmp_path: Path) -> None:
    raw = tables(tmp_path, {"P02T01C06": EVENTS, "P11T15C01": EVENTS})
    (raw / "Videos_mp4" / "P02T01C06.mp4").unlink()
    listing = adapter("smarthome-untrimmed").list_clips(raw)
    assert [(lost.id, lost.code) for lost in listing.left_out] == [("P02T01C06", "VIDEO_MISSING")]
    (raw / "Videos_mp4" / "P11T15C01.mp4").unlink()
    with pytest.raises(RefusedInput, match=r"DATASET_EMPTY: .* \(2 files and rows left out\)"):
        adapter("smarthome-untrimmed").list_clips(raw)


@pytest.mark.parametrize("name", ["toyota-smarthome", "toyota-smarthome-cv"])
def test_profiles_declare_no_sensor_skeletons(name: str) -> None:
    """`stroi init` would otherwise add a run whose graph network reads a sensor's files."""
    assert "skeletons3d" not in load_profile(ROOT, name).model_fields_set

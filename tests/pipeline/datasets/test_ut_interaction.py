"""UT-Interaction: names become clips, of one set or of both."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from ut_files import write_set

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.registry import adapter
from stroi.pipeline.index.splits import check_parts, divide
from stroi.pipeline.index.table import ClipEntry, Index, Sample
from stroi.pipeline.params.load import load_profile

LIST = adapter("ut-interaction").list_clips


def test_names(tmp_path: Path) -> None:
    for name in ("0_1_4.avi", "12_13_0.avi", "7_10_5.avi", "notes.txt", "1_1_9.avi"):
        (tmp_path / name).write_bytes(b"video")
    assert LIST(tmp_path).clips == (
        ClipEntry("ut_000_01_punch", "0_1_4.avi", "punch", "1", "1"),
        ClipEntry("ut_007_10_push", "7_10_5.avi", "push", "10", "1"),
        ClipEntry("ut_012_13_handshake", "12_13_0.avi", "handshake", "13", "2"),
    )


def test_folder_without_such_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"DATASET_EMPTY: .*give the folder that holds 0_1_4\.a"):
        LIST(tmp_path)


@pytest.mark.parametrize("folders", [("", ""), ("segmented_set1", "segmented_set2")])
def test_both_sets_side_by_side_have_all_their_clips(
    tmp_path: Path, folders: tuple[str, str]
) -> None:
    for number, folder in enumerate(folders, 1):
        write_set(tmp_path / folder, number)
    clips = LIST(tmp_path).clips
    assert len({clip.id for clip in clips}) == len({clip.video for clip in clips}) == 120
    assert {(clip.subject, clip.camera) for clip in clips} == {
        (str(number), "1" if number <= 10 else "2") for number in range(1, 21)
    }


def test_one_clip_in_two_folders_is_refused_with_both(tmp_path: Path) -> None:
    for folder in ("set1", "copy"):
        write_set(tmp_path / folder, 1)
    with pytest.raises(RefusedInput, match=r"ID_DUPLICATE: .*: copy/0_1_0.avi and set1/0_1_0.avi"):
        LIST(tmp_path)
    (tmp_path / "alone").mkdir()
    for name in ("7_3_1.avi", "007_03_1.avi"):
        (tmp_path / "alone" / name).write_bytes(b"")
    with pytest.raises(RefusedInput, match=r"ID_DUPLICATE: '007_03_1\.avi' and '7_3_1\.avi' would"):
        LIST(tmp_path / "alone")


@pytest.mark.parametrize("sets", [(1,), (2,), (1, 2)])
def test_every_fold_leaves_one_sequence_out_within_its_set(
    root: Path, tmp_path: Path, sets: tuple[int, ...]
) -> None:
    for number in sets:
        write_set(tmp_path, number)
    samples = tuple(Sample(**asdict(clip)) for clip in LIST(tmp_path).clips)
    index = Index(samples, tuple(sorted({sample.label for sample in samples})))
    subject = {sample.id: int(sample.subject) for sample in samples}
    splits = load_profile(root, "ut-interaction").splits
    for number in sets:
        first = 10 * (number - 1)
        own = set(range(first + 1, first + 11))
        named = {f"fold{out}": {out} for out in own}
        named |= {f"seq{first + 9}-{first + 10}": {first + 9, first + 10}}
        for name, wanted in named.items():
            parts = divide(samples, splits[name], usable=subject)
            check_parts(index, parts, splits[name])
            assert {subject[one] for one in parts.test} == wanted
            assert {subject[one] for one in parts.train} == own - wanted


def test_real_set_has_its_sixty_clips(real_data: Path) -> None:
    clips = LIST(real_data / "ut_interaction" / "set1").clips
    assert len(clips) == 60
    assert {clip.subject for clip in clips} == {str(number) for number in range(1, 11)}

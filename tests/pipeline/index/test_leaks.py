"""What must not be on two sides, told by name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.pipeline.index.leaks import check_sides
from stroi.pipeline.index.splits import SplitIds, check_parts
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.params.profile import Split, Validation

SPLIT = Split(by="subject", test=("3",), validation=Validation(by="camera", values=("c2",)))


def _clip(name: str, subject: str, camera: str = "c1", **more: object) -> Sample:
    return Sample(name, "", "wave", subject, camera, **({"skeleton": name} | more))


def _refusal(samples: list[Sample], sides: Mapping[str, list[str]]) -> str:
    with pytest.raises(RefusedInput) as caught:
        check_sides(samples, sides, SPLIT)
    return str(caught.value)


REMEDY = "divide the clips by a column that keeps what belongs together on one side"


def test_an_id_on_two_sides() -> None:
    samples = [_clip("a", "1"), _clip("b", "3")]
    assert _refusal(samples, {"train": ["a"], "test": ["a", "b"]}) == (
        f"SPLIT_LEAK: id 'a' is on two sides: a (training) and a (test); {REMEDY}"
    )


def test_a_subject_on_two_sides() -> None:
    samples = [_clip("a", "1"), _clip("b", "2"), _clip("c", "2")]
    assert _refusal(samples, {"train": ["a", "b"], "test": ["c"]}) == (
        f"SPLIT_LEAK: subject '2' is on two sides: b (training) and c (test); {REMEDY}"
    )


def test_a_camera_on_two_sides_where_it_is_what_validation_goes_by() -> None:
    samples = [_clip("a", "1"), _clip("b", "1"), _clip("c", "3")]
    assert _refusal(samples, {"train": ["a"], "validation": ["b"], "test": ["c"]}) == (
        f"SPLIT_LEAK: camera 'c1' is on two sides: a (training) and b (validation); {REMEDY}"
    )


def test_other_columns_may_be_on_both_sides() -> None:
    samples = [_clip("a", "1"), _clip("b", "1", "c2"), _clip("c", "3")]
    check_sides(samples, {"train": ["a"], "validation": ["b"], "test": ["c"]}, SPLIT)


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        ({"sha256": "f"}, {"sha256": "f"}, "are the same video"),
        ({"sha256": "f", "stop": 9}, {"sha256": "f", "start": 8, "stop": 20},
         "share frames of a video"),
        ({"sha256": "f", "start": 90}, {"sha256": "f", "start": 5}, "share frames of a video"),
        ({"sha256": "f", "start": 3, "stop": 5}, {"sha256": "f"}, "share frames of a video"),
        ({"skeleton_sha256": "f"}, {"skeleton_sha256": "f"}, "are the same skeleton"),
        ({"skeleton": "folder"}, {"skeleton": "folder"}, "are the same skeleton"),
        ({"skeleton": "k", "start": 0, "stop": 5}, {"skeleton": "k", "start": 4, "stop": 6},
         "share frames of a skeleton"),
    ],
)  # fmt: skip
def test_contents_on_two_sides(one: dict, two: dict, told: str) -> None:
    samples = [_clip("z", "1", **one), _clip("b", "3", **two), _clip("y", "1")]
    assert _refusal(samples, {"train": ["z", "y"], "test": ["b"]}) == (
        f"SPLIT_LEAK: z (training) and b (test) {told}; remove one of them from the data set"
    )


def test_a_part_within_another_sides_longer_part_is_found_past_shorter_ones() -> None:
    samples = [
        _clip("long", "1", sha256="f", start=0, stop=100),
        _clip("short", "1", sha256="f", start=10, stop=20),
        _clip("late", "3", sha256="f", start=50, stop=60),
    ]
    told = _refusal(samples, {"train": ["long", "short"], "test": ["late"]})
    assert "long (training) and late (test) share frames of a video" in told


def test_parts_of_one_video_without_a_common_frame_may_be_on_two_sides() -> None:
    samples = [
        _clip("a", "1", sha256="f", start=0, stop=10),
        _clip("b", "3", sha256="f", start=10, stop=20),
    ]
    check_sides(samples, {"train": ["a"], "test": ["b"]}, SPLIT)


def _index(*labels: str) -> Index:
    samples = tuple(
        Sample(f"clip{at}", "", label, str(at), skeleton=f"k{at}")
        for at, label in enumerate(labels)
    )
    return Index(samples, tuple(sorted(set(labels))))


def test_a_class_that_is_tested_must_be_trained() -> None:
    index = _index("drink", "wave", "drink", "kick")
    split = Split(by="subject", train=("0",))
    with pytest.raises(ParamsError) as caught:
        check_parts(index, SplitIds(("clip0",), ("clip1", "clip2", "clip3")), split)
    assert str(caught.value) == (
        "SPLIT_CLASS: 2 classes have test clips and no training clip: kick, wave; "
        "divide the clips otherwise, or leave these classes out"
    )
    with pytest.raises(ParamsError, match="1 classes have validation clips and no training clip"):
        check_parts(index, SplitIds(("clip0",), ("clip2",), ("clip1",)), split)
    check_parts(index, SplitIds(("clip0", "clip1", "clip3"), ("clip2",)), split)


def test_parts_are_looked_at_however_they_came_about() -> None:
    index = _index("wave", "wave")
    split = Split(by="subject", train=("0",))
    with pytest.raises(RefusedInput, match="id 'clip0' is on two sides"):
        check_parts(index, SplitIds(("clip0", "clip1"), ("clip0",)), split)
    with pytest.raises(RefusedInput, match="ID_UNKNOWN: sample 'ghost' is not in the index"):
        check_parts(index, SplitIds(("clip0",), ("ghost",)), split)

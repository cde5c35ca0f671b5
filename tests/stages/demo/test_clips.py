"""Which clips the demo data set has."""

from __future__ import annotations

from collections import Counter

import pytest

from stroi.cache.errors import ParamsError
from stroi.cache.ids import check_ids
from stroi.stages.demo.clips import (
    CLASSES,
    MOTION_PAIRS,
    OBJECT_PAIRS,
    PAIRS,
    PERSONS,
    plan_demo,
)
from stroi.stages.demo.objects import NOTHING, OBJECT_OF_CLASS, sprite


def test_every_class_is_done_by_everyone_before_every_camera_once() -> None:
    plan = plan_demo(seed=0)
    assert len(plan) == 12 * 12 * 2
    assert len({(clip.label, clip.subject, clip.camera) for clip in plan}) == len(plan)
    assert set(Counter(clip.label for clip in plan).values()) == {24}


def test_ids_are_valid_sorted_and_stable() -> None:
    ids = [clip.sample_id for clip in plan_demo(seed=3, repeats=2)]
    check_ids(ids)
    assert ids == sorted(ids)
    assert "drink_s03_c1" in ids
    assert "drink_s03_c1_r1" in ids
    assert set(ids) > {clip.sample_id for clip in plan_demo(seed=3, subjects=5)}


def test_pairs_hold_every_class_once_and_half_of_them_are_for_each_modality() -> None:
    assert sorted(CLASSES) == sorted(set(CLASSES))
    assert sorted(OBJECT_PAIRS + MOTION_PAIRS) == sorted(PAIRS) == sorted(PERSONS)
    assert len(OBJECT_PAIRS) == len(MOTION_PAIRS)
    for clip in plan_demo(seed=0, subjects=1):
        assert clip.label in PAIRS[clip.pair]


def test_objects_differ_in_object_pairs_only() -> None:
    for pair, (one, other) in PAIRS.items():
        differ = OBJECT_OF_CLASS.get(one, NOTHING) != OBJECT_OF_CLASS.get(other, NOTHING)
        assert differ == (pair in OBJECT_PAIRS), pair


@pytest.mark.parametrize("pair", OBJECT_PAIRS)
def test_objects_of_a_pair_hide_about_the_same_area_but_look_different(pair: str) -> None:
    one, other = (sprite(OBJECT_OF_CLASS[label]) for label in PAIRS[pair])
    areas = one[..., 3].sum(), other[..., 3].sum()
    assert max(areas) < 1.35 * min(areas)
    colours = [
        picture[..., :3].sum((0, 1)) / area
        for picture, area in zip((one, other), areas, strict=True)
    ]
    assert abs(colours[0] - colours[1]).max() > 60


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"subjects": 0}, "DEMO_PARAMS: the demo data set has subjects = 0; choose subjects from"),
        ({"views": 10}, "has views = 10; choose views from 1 to 9"),
        ({"repeats": -1}, "has repeats = -1; choose repeats from 1 to 99"),
        ({"frames": (29, 60)}, "has frames = 29 to 60; choose at least 30 frames"),
        ({"frames": (50, 40)}, "has frames = 50 to 40; choose at least 30 frames"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, int], text: str) -> None:
    with pytest.raises(ParamsError) as caught:
        plan_demo(seed=0, **wrong)  # type: ignore[arg-type]
    assert text in str(caught.value)

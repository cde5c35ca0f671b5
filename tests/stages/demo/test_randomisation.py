"""Everything drawn at random is drawn without the label."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.stages.demo.backgrounds import background
from stroi.stages.demo.clips import CLASSES, MOTION_PAIRS, PAIRS, DemoClip, plan_demo
from stroi.stages.demo.randomisation import (
    CLOTHS,
    SCENES,
    TICKS,
    draw_body,
    draw_nuisance,
    generator,
)
from stroi.stages.demo.textures import paint_appearance


@pytest.mark.parametrize("pair", PAIRS)
def test_both_members_of_a_pair_share_every_draw(pair: str) -> None:
    drawn = {
        label: [draw_nuisance(clip) for clip in plan_demo(seed=1) if clip.label == label]
        for label in PAIRS[pair]
    }
    one, other = drawn.values()
    assert one == other
    assert len(set(one)) == len(one)


@settings(max_examples=30, deadline=None)
@given(label=st.sampled_from((*CLASSES, "a class nobody has")), seed=st.integers(0, 2**40))
def test_draws_do_not_read_the_label(label: str, seed: int) -> None:
    clip = plan_demo(seed=seed, subjects=1, views=1)[0]
    other = replace(clip, label=label, sample_id=f"{label}_s01_c1")
    assert draw_nuisance(other) == draw_nuisance(clip)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    pair=st.sampled_from(list(PAIRS)),
    shortest=st.integers(30, 80),
    more=st.integers(0, 60),
)
def test_frames_and_tempo_stay_in_range(seed: int, pair: str, shortest: int, more: int) -> None:
    frames = (shortest, shortest + more)
    clip = DemoClip("x", PAIRS[pair][0], "s01", "c1", pair, seed, frames=frames)
    nuisance = draw_nuisance(clip)
    assert frames[0] <= nuisance.frames <= frames[1]
    slow = nuisance.tempo / TICKS
    assert 0.2 <= slow <= 0.45
    cycles_per_frame = (1 + slow) / (nuisance.frames // 6)
    assert cycles_per_frame <= 0.25
    assert 0 <= nuisance.phase < TICKS


def test_backgrounds_and_clothes_are_the_same_picture_for_both_members() -> None:
    clips = {clip.sample_id: clip for clip in plan_demo(seed=0)}
    one, other = (draw_nuisance(clips[f"{label}_s04_c2"]) for label in PAIRS["browse"])
    walls = [background(n.scene, n.scene_seed, (64, 48)) for n in (one, other)]
    assert np.array_equal(*walls)
    shirts = [paint_appearance(n.bodies[0], n.outfits[0]).shirt for n in (one, other)]
    assert np.array_equal(*shirts)


def test_no_pair_has_a_background_or_a_cloth_of_its_own() -> None:
    scenes: dict[str, Counter[str]] = {pair: Counter() for pair in PAIRS}
    cloths: dict[str, Counter[str]] = {pair: Counter() for pair in PAIRS}
    for seed in range(20):
        for clip in plan_demo(seed=seed, subjects=3):
            if clip.label == PAIRS[clip.pair][0]:
                nuisance = draw_nuisance(clip)
                scenes[clip.pair][nuisance.scene] += 1
                cloths[clip.pair][nuisance.outfits[0].cloth] += 1
    for counts, kinds in ((scenes, SCENES), (cloths, CLOTHS)):
        for pair in PAIRS:
            share = np.array([counts[pair][kind] for kind in kinds]) / counts[pair].total()
            # 120 draws of 5 or 6 kinds: four standard deviations.
            assert np.abs(share - 1 / len(kinds)).max() < 4 * np.sqrt(0.16 / 120), pair


def test_a_subject_keeps_the_body_and_changes_the_clothes() -> None:
    drawn = [draw_nuisance(clip) for clip in plan_demo(seed=0) if clip.subject == "s02"]
    assert len({nuisance.bodies[0] for nuisance in drawn}) == 1
    assert len({nuisance.outfits[0] for nuisance in drawn}) == len(PAIRS) * 2


def test_streams_depend_on_all_names_and_on_their_borders() -> None:
    draws = {
        tuple(generator(seed, *names).integers(2**32, size=2))
        for seed in (0, 1)
        for names in (("a", "b"), ("ab",), ("a",), ("b", "a"))
    }
    assert len(draws) == 8
    assert draw_body(generator(5, "x")) == draw_body(generator(5, "x"))


def test_motion_pairs_differ_in_nothing_but_the_tempo() -> None:
    assert all(PAIRS[pair][0].endswith("_slow") for pair in MOTION_PAIRS)
    assert all(PAIRS[pair][1].endswith("_fast") for pair in MOTION_PAIRS)

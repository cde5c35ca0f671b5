"""A flipped clip is the clip that a camera behind a mirror would have seen, in every part of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_inputs import CLASSES, SMALL_GCN, clip

from stroi.cache.layouts import BODY_25, KINECT_V1
from stroi.cache.rois import PAPER, Rows, mirrored_rows, read_rows
from stroi.cache.skeletons import Clip
from stroi.cache.skeletons3d import JointClip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import Cut, cut_mosaic
from stroi.trainer.config import GcnConfig, ResNetConfig
from stroi.trainer.data.skeleton_input import prepare
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.flip import flip_row_weights, flip_skeletons
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import Skeletons, WeightedMosaicNet

CELL = 24  # halves, thirds and quarters of it are whole, so that no edge is rounded
INDEX = np.array([2, 5, 8], np.int32)
CELLS = CellGrid(5, len(INDEX), CELL, CELL)
ROWS = {
    "paper": PAPER,
    "groups": read_rows(
        ["left_knee", {"left_arm": ["left_elbow", "left_wrist"]}, "head", "right_knee",
         {"trunk": ["neck", "mid_hip"]}, {"right_arm": ["right_elbow", "right_wrist"]},
         "right_hip", "left_hip"]
    ),
}  # fmt: skip
PERSONS = [(1, 2), (2, 2), (1, 1), (2, 3), (3, 3), (4, 4)]
"""Persons of a clip, and the most that it could have."""
TWINS = {"left": "right", "right": "left"}
GCN = GcnConfig(frames=SMALL_GCN.frames, channels=(6, 6), strides=(1, 1), temporal_kernel=3)


def twin(name: str) -> str:
    side, _, part = name.partition("_")
    return f"{TWINS[side]}_{part}" if side in TWINS else name


def seen_in_a_mirror(shown: Clip) -> Clip:
    """The clip as filmed through a mirror, every joint by its name."""
    keypoints = np.zeros_like(shown.keypoints)
    for person in range(shown.person_count):
        place = shown.person_count - 1 - person
        for number, name in enumerate(BODY_25.joints):
            path = shown.keypoints[:, person, number]
            turned = np.stack([shown.width - path[:, 0], path[:, 1], path[:, 2]], axis=1)
            absent = path[:, 2:] == 0
            keypoints[:, place, BODY_25.joints.index(twin(name))] = np.where(absent, 0, turned)
    return replace(shown, keypoints=keypoints)


def whole_pixels(seed: int, persons: int, people: int = 2) -> Clip:
    """A clip with joints on even pixels, so that no crop's edge is rounded; some absent."""
    shown = clip(seed, persons=persons, people=people)
    shown.keypoints[..., :2] = 2 * (shown.keypoints[..., :2] / 2).round()
    shown.keypoints[5, 0, BODY_25.joints.index("right_wrist")] = 0
    shown.keypoints[8, :, BODY_25.joints.index("left_ankle")] = 0
    shown.keypoints[2, 0, BODY_25.joints.index("right_knee")] = 0
    return shown


def cut(shown: Clip, frames: dict[int, NDArray[np.uint8]], rows: Rows = PAPER) -> Cut:
    params = MosaicParams(rows=rows, cell=CELL, size="native", min_confidence=0.1)
    return cut_mosaic(frames, shown, INDEX, params)


def pictures_of(shown: Clip) -> dict[int, NDArray[np.uint8]]:
    random = np.random.default_rng(7)
    size = (shown.height, shown.width, 3)
    return {time: random.integers(0, 256, size, np.uint8) for time in INDEX.tolist()}


def run(
    net: WeightedMosaicNet, shown: Clip, made: Cut, *, flip: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.from_numpy(prepare(shown, frames=GCN.frames))[None]
    present = (x != 0).any(-1).any(-1).any(-1)
    flags = torch.from_numpy(made.valid)[None]
    persons = torch.tensor([made.person_count])
    mosaics = torch.from_numpy(made.mosaic)[None]
    with torch.no_grad():
        rgb, skeleton = net(
            mosaics, None, Skeletons(x, present), person_count=persons, cell_valid=flags,
            flip_mask=torch.tensor([flip]),
        )  # fmt: skip
    assert skeleton is not None
    return rgb, skeleton


@pytest.mark.parametrize(("persons", "people"), PERSONS)
@pytest.mark.parametrize("bodies", ["strongest", "mean", "per_person"])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("images", ["mosaic", "cells"])
def test_joint_mode_sees_what_it_would_see_of_the_clip_in_a_mirror(
    persons: int, people: int, bodies: str, rows: str, images: str
) -> None:
    """Crops, their order in time, rows, people, weights, flags and skeletons all at once."""
    torch.manual_seed(3)
    config = ResNetConfig(missing="zero", person_pooling=bodies, images=images)
    cells = CellGrid(len(ROWS[rows]), len(INDEX), CELL, CELL, people)
    net = WeightedMosaicNet(
        CLASSES, cells, config, mode="end-to-end", gcn=GraphNet(CLASSES, GCN), rows=ROWS[rows]
    ).eval()
    shown = whole_pixels(persons, persons, people)
    frames = pictures_of(shown)
    other = seen_in_a_mirror(shown)
    mirrored = {time: np.ascontiguousarray(frame[:, ::-1]) for time, frame in frames.items()}
    one, two = cut(shown, frames, ROWS[rows]), cut(other, mirrored, ROWS[rows])
    assert not one.valid[: one.person_count].all(), "no absent joint, so flags are not tested"
    expected = run(net, other, two, flip=False)
    got = run(net, shown, one, flip=True)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    plain = run(net, shown, one, flip=False)
    assert not torch.allclose(plain[0], got[0], rtol=1e-3)
    assert not torch.allclose(plain[1], got[1], rtol=1e-3)


@pytest.mark.parametrize(("persons", "people"), PERSONS)
def test_weights_of_a_file_go_with_their_rows(persons: int, people: int) -> None:
    cells = replace(CELLS, people=people)
    net = WeightedMosaicNet(CLASSES, cells, ResNetConfig(missing="zero"), mode="fixed").eval()
    shown = whole_pixels(persons, persons, people)
    frames = pictures_of(shown)
    mirrored = {time: np.ascontiguousarray(frame[:, ::-1]) for time, frame in frames.items()}
    one, two = cut(shown, frames), cut(seen_in_a_mirror(shown), mirrored)
    weights = torch.rand(1, people, 5)
    rows = weights[..., [0, 2, 1, 4, 3]]
    order = [*reversed(range(persons)), *range(persons, people)]
    got = net.network_input(
        torch.from_numpy(one.mosaic)[None], weights, person_count=torch.tensor([persons]),
        flip_mask=torch.tensor([True]), cell_valid=torch.from_numpy(one.valid)[None],
    )  # fmt: skip
    expected = net.network_input(
        torch.from_numpy(two.mosaic)[None], rows[:, order], person_count=torch.tensor([persons]),
        cell_valid=torch.from_numpy(two.valid)[None],
    )  # fmt: skip
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert torch.equal(flip_row_weights(weights, mirrored_rows(PAPER)), rows)


def test_joints_of_a_sensor_are_mirrored_by_their_names() -> None:
    random = np.random.default_rng(2)
    position = random.normal(size=(9, 2, 20, 3)).astype(np.float32)
    position[:, 1] = 0
    state = np.where(position.any(axis=3), 2, 0).astype(np.uint8)
    order = [KINECT_V1.joints.index(twin(name)) for name in KINECT_V1.joints]
    turned = position[:, :, order] * np.array([-1, 1, 1], np.float32)
    x, wanted = (
        torch.from_numpy(prepare(JointClip(each, state, 1, KINECT_V1, 0.0), frames=12))[None]
        for each in (position, turned)
    )
    torch.testing.assert_close(flip_skeletons(x, KINECT_V1), wanted.flip(1))


@pytest.mark.parametrize("people", [1, 2, 3, 4])
def test_persons_come_in_the_opposite_order(people: int) -> None:
    x = torch.rand(3, people, 4, 25, 3)
    got = flip_skeletons(x, BODY_25)
    for number, person in np.ndindex(3, people):
        body = x[number, person][:, list(BODY_25.mirrored)] * torch.tensor([-1.0, 1.0, 1.0])
        assert torch.equal(got[number, people - 1 - person], body)
    assert torch.equal(flip_skeletons(got, BODY_25), x)

"""Layouts that a profile declares: a tree, closed pairs, a centre."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from own_people import LAYOUT

from stroi.cache.layouts import KINECT_V2, LAYOUTS
from stroi.cache.own_layouts import layout_json, own_layout, read_layout
from stroi.cache.rois import row_joints
from stroi.trainer.models.skeleton_graph import adjacency, parents

OWN: dict[str, Any] = LAYOUT | {
    "body25": {
        "nose": "top", "right_wrist": "RWr", "left_wrist": "LWr", "right_ankle": "RAn",
        "left_ankle": "LAn",
    },
}  # fmt: skip


def test_the_graph_follows_the_layout() -> None:
    layout = own_layout(**OWN)
    assert (len(layout.joints), layout.axes) == (13, 3)
    assert row_joints(layout=layout) == ((0,), (3,), (6,), (9,), (12,))
    assert layout.mirrored == (0, 4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9)
    assert [layout.joints[at] for at in parents(layout)][:4] == ["top", "top", "RSh", "REl"]
    graph = adjacency(layout)
    assert graph.shape == (3, 13, 13)
    joined = {frozenset(map(int, pair)) for pair in np.argwhere(graph.sum(0) > 0)}
    assert {pair for pair in joined if len(pair) == 2} == {frozenset(edge) for edge in layout.edges}


def test_pairs_are_found_by_name_and_a_hand_may_have_none() -> None:
    by_name = {
        one: one if one == "top" else f"{'left' if one[0] == 'L' else 'right'}_{one[1:].lower()}"
        for one in OWN["joints"]
    }
    named = own_layout(
        "named",
        by_name.values(),
        [[by_name[a], by_name[b]] for a, b in OWN["bones"]],
        "top",
        body25={joint: by_name[own] for joint, own in OWN["body25"].items()},
    )
    assert named.mirrored == own_layout(**OWN).mirrored


def test_it_survives_json_and_shipped_ones_are_names() -> None:
    layout = own_layout(**OWN)
    assert read_layout(json.loads(json.dumps(layout_json(layout)))) == layout
    for name, shipped in LAYOUTS.items():
        assert (layout_json(shipped), read_layout(name)) == (name, shipped)
    with pytest.raises(ValueError, match="no layout is called 'kinect_v3'; the layouts are body25"):
        read_layout("kinect_v3")


def without(part: str, at: int) -> list[Any]:
    return OWN[part][:at] + OWN[part][at + 1 :]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "loose joint": (
        {"bones": without("bones", 11)},
        "bones: they are no tree: none leads from 'top' to 'LAn'",
    ),
    "circle": (
        {"bones": [*OWN["bones"], ["LAn", "RAn"]]},
        "bones: they are no tree but have a circle: 13 joints have 12 bones, here are 13",
    ),
    "unknown bone": (
        {"bones": [*without("bones", 11), ["LKn", "LTo"]]},
        "bones: no joint is called 'LTo'",
    ),
    "no pair of names": ({"bones": [["top"]]}, "each of bones and pairs names two joints"),
    "centre": ({"centre": "hip"}, "centre: no joint is called 'hip'"),
    "pair twice": (
        {"pairs": [["LSh", "RSh"], ["LSh", "REl"]]},
        "pairs: 'LSh' stands in 2 of them",
    ),
    "unknown pair": ({"pairs": [["LSh", "Sh"]]}, "pairs: no joint is called 'Sh'"),
    "not of BODY_25": (
        {"body25": OWN["body25"] | {"tail": "top"}},
        "body25: 'tail' is no joint of BODY_25",
    ),
    "joint twice": (
        {"joints": [*OWN["joints"], "LAn"]},
        "joints: 'LAn' stands 2 times",
    ),
    "one joint": ({"joints": ["top"]}, "joints: there are 1, use 2 to 256"),
    "name of a joint": (
        {"joints": [*OWN["joints"], "\x1b[2J"]},
        "joints: '\\x1b[2J' cannot name a joint",
    ),
    "shipped name": (
        {"name": KINECT_V2.name},
        "name: 'kinect_v2' cannot name a layout: use at most 16 lower-case letters",
    ),
    "no text": ({"joints": [[1], [2]]}, "a layout has name, joints, bones, centre, pairs and"),
    "unknown key": ({"axes": 2}, "a layout has name, joints, bones, centre, pairs and body25"),
}


@pytest.mark.parametrize("changed", WRONG)
def test_what_is_no_layout_is_refused(changed: str) -> None:
    changes, text = WRONG[changed]
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_layout(OWN | changes)
    assert str(caught.value).startswith(text)
    assert str(caught.value).isprintable()


def test_a_left_joint_without_a_right_one() -> None:
    with pytest.raises(ValueError, match="pairs: 'left_b' has no 'right_b': name the pairs"):
        own_layout("half", ["a", "left_b"], [["a", "left_b"]], "a")

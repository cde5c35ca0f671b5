"""Rows of a mosaic: how they are written, what they show in each layout, and their mirror."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.layouts import BODY_25, COCO_17, KINECT_V1, KINECT_V2, LAYOUTS, Layout
from stroi.cache.rois import (
    PAPER,
    PRESETS,
    Row,
    mirrored_rows,
    read_rows,
    recorded_rows,
    require_same_rows,
    row_joints,
    rows_to_json,
)

ARMS = [{"right_arm": ["right_elbow", "right_wrist"]}, {"left_arm": ["left_wrist", "left_elbow"]}]


def names(rows: tuple[Row, ...]) -> list[str]:
    return [row.name for row in rows]


def test_the_papers_rows_are_those_of_openpose() -> None:
    assert names(PAPER) == ["head", "right_hand", "left_hand", "right_foot", "left_foot"]
    assert row_joints() == ((0,), (4,), (7,), (11,), (14,))
    assert row_joints(layout=COCO_17) == ((0,), (10,), (9,), (16,), (15,))
    # The vertices whose features weigh the rows, the same for both sensors.
    assert row_joints(layout=KINECT_V1) == ((3,), (11,), (7,), (18,), (14,))
    assert row_joints(layout=KINECT_V2) == row_joints(layout=KINECT_V1)


@pytest.mark.parametrize(
    ("preset", "count", "mirrored"),
    [
        ("paper", 5, (0, 2, 1, 4, 3)),
        ("upper_body", 5, (0, 2, 1, 4, 3)),
        ("with_elbows_knees", 9, (0, 2, 1, 4, 3, 6, 5, 8, 7)),
        ("full_body", 1, (0,)),
    ],
)
def test_presets(preset: str, count: int, mirrored: tuple[int, ...]) -> None:
    rows = read_rows(preset)
    assert len(rows) == count
    assert mirrored_rows(rows) == mirrored
    for row, twin in zip(rows, mirrored, strict=True):
        swapped = row.name.replace("right", "x").replace("left", "right").replace("x", "left")
        assert rows[twin].name == swapped
    assert set(PRESETS) == {"paper", "upper_body", "with_elbows_knees", "full_body"}


def test_names_groups_and_cells() -> None:
    rows = read_rows(
        ["head", "right_elbow", *ARMS, {"wide": {"joints": ["head", "neck"], "cell": 192}},
         {"left_foot": {"cell": 64}}, "full_body", {"near": {"joints": ["left_hand"]}}]
    )  # fmt: skip
    assert rows == (
        Row("head", ("nose",)),
        Row("right_elbow", ("right_elbow",)),
        Row("right_arm", ("right_elbow", "right_wrist")),
        # In the order of BODY_25, however they are written.
        Row("left_arm", ("left_elbow", "left_wrist")),
        Row("wide", ("nose", "neck"), 192),
        Row("left_foot", ("left_ankle",), 64),
        Row("full_body", BODY_25.joints, "fit"),
        Row("near", ("left_wrist",)),
    )
    assert rows[2].title == "right arm"


JOINT = st.sampled_from(BODY_25.joints)
CELL = st.none() | st.integers(4, 512).map(lambda half: 2 * half)
ROWS = st.lists(
    st.tuples(st.lists(JOINT, min_size=1, max_size=25), CELL),
    min_size=1,
    max_size=25,
    unique_by=lambda row: (frozenset(row[0]), row[1]),
)


@given(ROWS)
def test_any_rows_come_back_from_json(made: list[tuple[list[str], int | None]]) -> None:
    rows = read_rows(
        [{f"row_{n}": {"joints": joints, "cell": cell}} for n, (joints, cell) in enumerate(made)]
    )
    assert read_rows(json.loads(json.dumps(rows_to_json(rows)))) == rows
    assert recorded_rows({"rows": rows_to_json(rows)}, "m") == rows
    joints = row_joints(rows)
    assert [{BODY_25.joints[at] for at in own} for own in joints] == [set(own) for own, _ in made]


def test_a_manifest_without_rows_is_of_the_papers() -> None:
    assert recorded_rows({"columns": 5}, "m") == PAPER


KNOWN = "head, right_hand, left_hand, right_foot, left_foot, full_body"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("five", "unknown rows 'five': use paper, upper_body, with_elbows_knees, full_body or a"
         " list"),
        (5, "rows are a list of joints and groups of joints, or paper, upper_body,"
         " with_elbows_knees, full_body"),
        ([], "0 rows, allowed are 1 to 25"),
        ([{f"row_{n}": ["nose"]} for n in range(26)], "26 rows, allowed are 1 to 25"),
        (["right_hnd"], f"unknown joint 'right_hnd': use {KNOWN} or a joint of BODY_25, such as"
         " right_elbow"),
        ([{"arm": ["nose", "tail"]}], f"unknown joint 'tail': use {KNOWN} or a joint of BODY_25,"
         " such as right_elbow"),
        (["head", {"head": ["neck"]}], "two rows are called head: give each a name of its own"),
        (["nose", "head"], "the rows nose and head show the same: leave one out"),
        ([{"right arm": ["nose"]}], "'right arm' cannot name a row: use a-z, 0-9 and _"),
        ([{"arm": []}], "row arm needs a list of joints, such as [right_elbow, right_wrist]"),
        ([{"arm": "nose"}], "row arm needs a list of joints, such as [right_elbow, right_wrist]"),
        ([{"arm": [1]}], "row arm needs a list of joints, such as [right_elbow, right_wrist]"),
        ([{"a": ["nose"], "b": ["neck"]}],
         "a row is a name, or one name with its joints: {right_arm: [right_elbow]}"),
        ([None], "a row is a name, or one name with its joints: {right_arm: [right_elbow]}"),
        ([{"head": {"px": 9}}], "row head has the unknown key 'px': it takes joints and cell"),
        ([{"head": {"cell": 45}}], "row head has the cell '45': an even number of px from 8 to"
         " 1024"),
        ([{"head": {"cell": True}}], "row head has the cell 'True': an even number of px from 8 to"
         " 1024"),
        ([{"head": {"cell": "fit"}}], "row head has the cell 'fit': an even number of px from 8 to"
         " 1024"),
        ([{"arms": {"joints": ["left_hand", "nose"], "cell": "all"}}],
         "row arms has the cell 'all': an even number of px from 8 to 1024, or fit"),
    ],
)  # fmt: skip
def test_what_cannot_be_rows(value: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  all of it is compared
        read_rows(value)
    assert str(caught.value) == message
    with pytest.raises(RefusedInput) as refused:
        recorded_rows({"rows": value}, "M")
    assert str(refused.value) == f"ROWS: M: its rows: {message}; fetch or rebuild the folder"


@pytest.mark.parametrize(
    ("rows", "alone"),
    [
        (["head", "right_hand"], "right_hand"),
        (["left_foot", *ARMS[:1], "right_foot"], "right_arm"),
        # Not the same crop on the other side.
        (["right_hand", {"left_hand": {"cell": 64}}], "right_hand, left_hand"),
        ([{"both": ["right_hip", "left_knee"]}], "both"),
    ],
)
def test_rows_without_their_other_side_cannot_be_mirrored(rows: list[Any], alone: str) -> None:
    with pytest.raises(ParamsError) as caught:
        mirrored_rows(read_rows(rows))
    assert str(caught.value) == (
        "ROWS_MIRROR: clips are mirrored, and the rows of mosaics lack the other side of"
        f" {alone}; add that side to mosaics.rows, or set resnet.flip to 0"
    )


def test_the_mirror_goes_by_joints_whatever_the_rows_are_called() -> None:
    rows = read_rows([{"b": ["left_knee"]}, {"hips": ["left_hip", "right_hip"]}, "right_knee"])
    assert mirrored_rows(rows) == (2, 1, 0)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_weighs_every_row_and_its_mirror(layout: Layout) -> None:
    for joint, own in zip(
        BODY_25.joints, row_joints(read_rows(list(BODY_25.joints)), layout), strict=True
    ):
        twin = BODY_25.joints[BODY_25.mirrored[BODY_25.index(joint)]]
        [other] = row_joints(read_rows([twin]), layout)
        assert {layout.mirrored[at] for at in own} == set(other)
        assert [layout.joints[at] for at in own] == list(layout.weighing(joint))


def test_a_joint_counts_once_in_a_group() -> None:
    rows = read_rows([{"face": ["nose", "left_eye", "right_ear"]}, "full_body"])
    face, body = row_joints(rows, KINECT_V2)
    assert face == (KINECT_V2.index("head"),)
    assert len(set(body)) == len(body)
    assert row_joints(rows)[1] == tuple(range(25))


def test_a_layout_that_lacks_a_joint_is_named() -> None:
    short = Layout("short", ("nose", "right_wrist"), (("nose", "right_wrist"),), "nose")
    # A group has the weight of those of its joints that are there.
    rows = read_rows(["head", {"arm": ["right_hand", "right_elbow"]}, "full_body"])
    assert row_joints(rows, short) == ((0,), (1,), (0, 1))
    with pytest.raises(ParamsError) as caught:
        row_joints(read_rows(["head", {"leg": ["right_knee", "right_hip"]}]), short)
    assert str(caught.value) == (
        "ROWS_LAYOUT: row leg shows right_hip, right_knee, and the skeletons (short) have no such"
        " joint to weigh it by; name the joint that stands for it in body25 of their layout, or"
        " leave the row out of mosaics.rows"
    )


def test_what_stands_for_a_joint_weighs_its_row() -> None:
    known = ("left_shoulder", "right_shoulder", "RSh", "neck", "hand")
    bones = tuple(("neck", joint) for joint in known if joint != "neck")
    body25 = (("neck", "hand"), ("right_shoulder", "RSh"), ("right_wrist", "hand"))
    layout = Layout("own", known, bones, "neck", body25=body25)
    rows = read_rows(["right_shoulder", "left_shoulder", "neck", "right_hand"])
    # Also where another joint has that name.
    assert row_joints(rows, layout) == ((2,), (0,), (4,), (4,))
    headless = Layout("own", known[:3], bones, "RSh")
    assert row_joints(read_rows(["neck"]), headless) == ((0, 1),)
    hand = replace(layout, counterparts={"right_wrist": ("RSh",)})
    assert row_joints(rows, hand)[3] == (2,)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (["head", "left_hand"],
         "W has the rows head, left_hand; M has head, right_hand, left_hand, right_foot,"
         " left_foot"),
        # The same names: what differs is said.
        (["head", {"right_hand": ["right_wrist", "right_elbow"]}, "left_hand", "right_foot",
          {"left_foot": {"cell": 64}}],
         "W has the rows head; right_hand (right_elbow + right_wrist); left_hand; right_foot;"
         " left_foot (left_ankle, cell 64); M has head; right_hand (right_wrist); left_hand;"
         " right_foot; left_foot (left_ankle)"),
    ],
)  # fmt: skip
def test_other_rows_are_refused_by_name(found: list[Any], message: str) -> None:
    require_same_rows(PAPER, "M", read_rows("paper"), "W", "do it")
    with pytest.raises(RefusedInput) as caught:
        require_same_rows(PAPER, "M", read_rows(found), "W", "do it")
    assert str(caught.value) == f"ROWS_OTHER: {message}; do it"

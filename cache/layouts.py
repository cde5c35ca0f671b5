"""Named skeleton layouts: which joint stands at which index.

A layout is never inferred from a joint count: BODY_25 and Kinect v2 both have 25 joints
in different order. Left and right are the person's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Layout:
    """Joint names, bones and centre of a skeleton.

    Attributes:
        name: Name of the layout.
        joints: Joint names in index order, V of them.
        bones: Pairs of joint names; every pair is a spatial edge of the graph.
        centre: Joint that stands for the body's centre (paper, section III.C).
        pairs: Left and right joints that change places when a person is mirrored; if there are
            none, those called ``left_x`` and ``right_x``.
        body25: BODY_25 joint and the joint that stands for it, where their names differ.
        counterparts: BODY_25 joint and the joints that weigh its row of the mosaic (eq. 5), where
            they are not the one that stands for it.
        axes: 3 for x, y and z; 2 for x and y in a picture, and a confidence.
    """

    name: str
    joints: tuple[str, ...]
    bones: Pairs
    centre: str
    pairs: Pairs = ()
    body25: Pairs = ()
    counterparts: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    axes: int = 3

    def index(self, joint: str) -> int:
        """Index of `joint`.

        Raises:
            ValueError: If the layout has no such joint.
        """
        return self.joints.index(joint)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Bones as pairs of joint indices."""
        return tuple((self.index(a), self.index(b)) for a, b in self.bones)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """Index of the joint that each joint becomes when a person is mirrored, V of them."""
        other = {one: two for pair in self.pairs for one, two in (pair, pair[::-1])}
        twins = (other.get(one, one) if other else twin_name(one) for one in self.joints)
        return tuple(map(self.index, twins))

    def stand_in(self, joint: str) -> str:
        """The joint that stands for a BODY_25 joint; empty if none does."""
        name = dict(self.body25).get(joint, joint)
        return name if name in self.joints else ""

    def weighing(self, joint: str) -> tuple[str, ...]:
        """The joints whose weights are those of a BODY_25 joint (eq. 5); empty if it has none."""
        if joint in self.counterparts:
            return self.counterparts[joint]
        if own := self.stand_in(joint):
            return (own,)
        both = tuple(map(self.stand_in, MEANS.get(joint, ())))
        return both if all(both) else ()


def twin_name(joint: str) -> str:
    """``right_x`` for ``left_x`` and the other way round; any other name as it is."""
    side, _, part = joint.partition("_")
    return f"{_OTHER_SIDE[side]}_{part}" if side in _OTHER_SIDE else joint


_OTHER_SIDE = {"left": "right", "right": "left"}

MEANS: dict[str, tuple[str, str]] = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
}
"""BODY_25 joints that stand half-way between two others where a layout lacks them."""

BODY_25 = Layout(
    name="body25",
    joints=(
        "nose", "neck",
        "right_shoulder", "right_elbow", "right_wrist",
        "left_shoulder", "left_elbow", "left_wrist",
        "mid_hip",
        "right_hip", "right_knee", "right_ankle",
        "left_hip", "left_knee", "left_ankle",
        "right_eye", "left_eye", "right_ear", "left_ear",
        "left_big_toe", "left_small_toe", "left_heel",
        "right_big_toe", "right_small_toe", "right_heel",
    ),
    bones=(
        ("neck", "nose"), ("neck", "mid_hip"),
        ("neck", "right_shoulder"), ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"),
        ("neck", "left_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("mid_hip", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
        ("mid_hip", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("nose", "right_eye"), ("right_eye", "right_ear"),
        ("nose", "left_eye"), ("left_eye", "left_ear"),
        ("left_ankle", "left_big_toe"), ("left_big_toe", "left_small_toe"),
        ("left_ankle", "left_heel"),
        ("right_ankle", "right_big_toe"), ("right_big_toe", "right_small_toe"),
        ("right_ankle", "right_heel"),
    ),
    centre="mid_hip",
    axes=2,
)  # fmt: skip

_FEET = {
    f"{side}_{part}": (f"{side}_ankle",)
    for side in ("left", "right")
    for part in ("big_toe", "small_toe", "heel")
}

COCO_17 = Layout(
    name="coco17",
    joints=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "left_hip", "right_hip",
        "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    bones=(
        ("nose", "left_eye"), ("nose", "right_eye"),
        ("left_eye", "left_ear"), ("right_eye", "right_ear"),
        ("nose", "left_shoulder"), ("nose", "right_shoulder"),
        ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"),
        ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ),
    centre="nose",
    counterparts=_FEET,
    axes=2,
)  # fmt: skip

BODY_25_3D = replace(BODY_25, name="body25_3d", axes=3)
COCO_17_3D = replace(
    COCO_17,
    name="coco17_3d",
    axes=3,
    # Without the two that close a circle.
    bones=tuple(
        bone for bone in COCO_17.bones
        if bone not in (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))
    ),
)  # fmt: skip
"""The same joints in space."""

_KINECT_JOINTS = (
    "spine_base", "spine_mid", "neck", "head",
    "left_shoulder", "left_elbow", "left_wrist", "left_hand",
    "right_shoulder", "right_elbow", "right_wrist", "right_hand",
    "left_hip", "left_knee", "left_ankle", "left_foot",
    "right_hip", "right_knee", "right_ankle", "right_foot",
)  # fmt: skip
_KINECT_LIMBS = (
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("left_wrist", "left_hand"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("right_wrist", "right_hand"),
    ("spine_base", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("left_ankle", "left_foot"),
    ("spine_base", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("right_ankle", "right_foot"),
)  # fmt: skip
_FACE: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("left_eye", "right_eye", "left_ear", "right_ear"), ("head",)
)
_KINECT_COUNTERPARTS = _FACE | {
    # A hand is what the paper weighs; OpenPose's wrist is what it crops.
    "left_wrist": ("left_hand",), "right_wrist": ("right_hand",),
    "left_small_toe": ("left_foot",), "right_small_toe": ("right_foot",),
    "left_heel": ("left_ankle",), "right_heel": ("right_ankle",),
}  # fmt: skip
_KINECT_TOES = (("left_big_toe", "left_foot"), ("right_big_toe", "right_foot"))

KINECT_V2 = Layout(
    name="kinect_v2",
    joints=(
        *_KINECT_JOINTS,
        "spine_shoulder", "left_hand_tip", "left_thumb", "right_hand_tip", "right_thumb",
    ),
    bones=(
        ("spine_base", "spine_mid"), ("spine_mid", "spine_shoulder"),
        ("spine_shoulder", "neck"), ("neck", "head"),
        ("spine_shoulder", "left_shoulder"), ("spine_shoulder", "right_shoulder"),
        *_KINECT_LIMBS,
        ("left_hand", "left_thumb"), ("left_thumb", "left_hand_tip"),
        ("right_hand", "right_thumb"), ("right_thumb", "right_hand_tip"),
    ),
    centre="spine_shoulder",
    # Its neck is a hand's breadth above the line of the shoulders, on which BODY_25's lies.
    body25=(
        ("nose", "head"), ("neck", "spine_shoulder"), ("mid_hip", "spine_base"), *_KINECT_TOES,
    ),
    counterparts=_KINECT_COUNTERPARTS,
)  # fmt: skip
"""NTU RGB+D. The last two bones of a hand are those of ST-GCN's graph."""

KINECT_V1 = Layout(
    name="kinect_v1",
    joints=("hip_centre", "spine", "shoulder_centre", *_KINECT_JOINTS[3:]),
    bones=(
        ("hip_centre", "spine"), ("spine", "shoulder_centre"), ("shoulder_centre", "head"),
        ("shoulder_centre", "left_shoulder"), ("shoulder_centre", "right_shoulder"),
        *(("hip_centre" if a == "spine_base" else a, b) for a, b in _KINECT_LIMBS),
    ),
    centre="shoulder_centre",
    body25=(
        ("nose", "head"), ("neck", "shoulder_centre"), ("mid_hip", "hip_centre"), *_KINECT_TOES,
    ),
    counterparts=_KINECT_COUNTERPARTS,
)  # fmt: skip
"""Northwestern-UCLA."""


def _chains(*chains: Sequence[str]) -> Pairs:
    """The bones along chains of joints."""
    return tuple(bone for chain in chains for bone in pairwise(chain))


_SPINE = ("hips", "spine", "spine1", "spine2", "neck", "neck1", "head")
_ARMS, _LEGS = (
    {side: tuple(f"{side}_{part}" for part in parts) for side in ("right", "left")}
    for parts in (
        ("shoulder", "arm", "arm_roll", "fore_arm", "fore_arm_roll", "hand", "finger_base",
         "hand_index"),
        ("up_leg", "up_leg_roll", "leg", "leg_roll", "foot", "toe_base"),
    )
)  # fmt: skip
MOCAP_35 = Layout(
    name="mocap35",
    joints=(*_SPINE, *_ARMS["right"], *_ARMS["left"], *_LEGS["right"], *_LEGS["left"]),
    bones=_chains(
        _SPINE,
        *(("spine2", *_ARMS[side]) for side in _ARMS),
        *(("hips", *_LEGS[side]) for side in _LEGS),
    ),
    centre="hips",
    body25=(
        ("nose", "head"), ("mid_hip", "hips"),
        *(
            (f"{side}_{joint}", f"{side}_{own}")
            for side in ("right", "left")
            for joint, own in (
                ("shoulder", "arm"), ("elbow", "fore_arm"), ("wrist", "hand"), ("hip", "up_leg"),
                ("knee", "leg"), ("ankle", "foot"), ("big_toe", "toe_base"),
            )
        ),
    ),
    counterparts=_FACE | {
        "left_small_toe": ("left_toe_base",), "right_small_toe": ("right_toe_base",),
        "left_heel": ("left_foot",), "right_heel": ("right_foot",),
    },
)  # fmt: skip
"""Marker-based motion capture with the joints of a MotionBuilder skeleton, two of them per limb
segment, as Berkeley MHAD's BVH files have them."""

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (BODY_25, COCO_17, KINECT_V1, KINECT_V2, BODY_25_3D, COCO_17_3D, MOCAP_35)
}
"""By name, as files of joints and checkpoints give it."""

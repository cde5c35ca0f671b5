"""Named skeleton layouts: which joint stands at which index.

A layout is never inferred from a joint count: BODY_25 and Kinect v2 both have 25 joints
in different order. Left and right are the person's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layout:
    """Joint names, bones and centre of a skeleton.

    Attributes:
        name: Name of the layout.
        joints: Joint names in index order, V of them.
        bones: Pairs of joint names; every pair is a spatial edge of the graph.
        centre: Joint that stands for the body's centre (paper, section III.C).
        counterparts: Joints that stand for a joint of BODY_25 that this layout does not have
            under that name: they weigh its row of the mosaic (eq. 5).
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    centre: str
    counterparts: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

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
        return tuple(self.index(_twin(joint)) for joint in self.joints)


def _twin(joint: str) -> str:
    side, _, part = joint.partition("_")
    return f"{_OTHER_SIDE[side]}_{part}" if side in _OTHER_SIDE else joint


_OTHER_SIDE = {"left": "right", "right": "left"}

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
    counterparts=_FEET | {
        "neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip"),
    },
)  # fmt: skip

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
_KINECT_COUNTERPARTS = {
    **dict.fromkeys(("nose", "left_eye", "right_eye", "left_ear", "right_ear"), ("head",)),
    # A hand is what the paper weighs; OpenPose's wrist is what it crops.
    "left_wrist": ("left_hand",), "right_wrist": ("right_hand",),
    **{joint: (f"{joint.partition('_')[0]}_foot",) for joint in _FEET if "toe" in joint},
    "left_heel": ("left_ankle",), "right_heel": ("right_ankle",),
}  # fmt: skip

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
    counterparts=_KINECT_COUNTERPARTS | {"mid_hip": ("spine_base",)},
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
    counterparts=_KINECT_COUNTERPARTS | {
        "neck": ("shoulder_centre",), "mid_hip": ("hip_centre",),
    },
)  # fmt: skip
"""Northwestern-UCLA."""

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (BODY_25, COCO_17, KINECT_V1, KINECT_V2)
}
"""By name, as files of joints and checkpoints give it."""

"""Named skeleton layouts: which joint stands at which index, and which joints a mosaic shows.

A layout is never inferred from a joint count: BODY_25 and Kinect v2 both have 25 joints
in different order. Left and right are the person's own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Joint names, bones and centre of a skeleton.

    Attributes:
        name: Name of the layout.
        joints: Joint names in index order, V of them.
        bones: Pairs of joint names; every pair is a spatial edge of the graph.
        centre: Joint that stands for the body's centre (paper, section III.C).
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    centre: str

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
)  # fmt: skip

ROI_ROWS: dict[str, str] = {
    "head": "nose",
    "right_hand": "right_wrist",
    "left_hand": "left_wrist",
    "right_foot": "right_ankle",
    "left_foot": "left_ankle",
}
"""The mosaic's K = 5 rows, top to bottom, and the BODY_25 joint each is centred on (eq. 1)."""

MIRRORED_ROWS: tuple[int, ...] = (0, 2, 1, 4, 3)
"""Row that each mosaic row becomes when a clip is mirrored left to right."""


def roi_joints(layout: Layout = BODY_25) -> tuple[int, ...]:
    """Index in `layout` of the joint of each mosaic row, length K."""
    return tuple(layout.index(joint) for joint in ROI_ROWS.values())

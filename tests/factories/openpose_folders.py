"""Folders as OpenPose writes them, of people who stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from openpose_texts import openpose_frame

from stroi.cache.layouts import Layout

STANDING = {
    "nose": (0, -75), "neck": (0, -50), "upper_neck": (0, -58), "head_top": (0, -92),
    "right_shoulder": (-18, -50), "right_elbow": (-24, -22), "right_wrist": (-26, 4),
    "left_shoulder": (18, -50), "left_elbow": (24, -22), "left_wrist": (26, 4),
    "mid_hip": (0, 0), "right_hip": (-10, 0), "right_knee": (-11, 42), "right_ankle": (-12, 84),
    "left_hip": (10, 0), "left_knee": (11, 42), "left_ankle": (12, 84),
    "right_eye": (-4, -79), "left_eye": (4, -79), "right_ear": (-8, -76), "left_ear": (8, -76),
    "left_big_toe": (16, 94), "left_small_toe": (20, 92), "left_heel": (10, 90),
    "right_big_toe": (-16, 94), "right_small_toe": (-20, 92), "right_heel": (-10, 90),
}  # fmt: skip


CLIP = "clip_{:012d}_keypoints.json"


def body(layout: Layout, x: float = 100, y: float = 120) -> NDArray[np.float32]:
    """That person, (V, 3)."""
    places = [(x + STANDING[name][0], y + STANDING[name][1], 0.9) for name in layout.joints]
    return np.array(places, np.float32)


def write(folder: Path, frames: dict[int, list[NDArray[np.float32]]], name: str = CLIP) -> Path:
    """Write a folder as OpenPose does: a file for each frame, with its people."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, people in frames.items():
        values = [[round(float(v), 3) for v in person.ravel()] for person in people]
        (folder / name.format(number)).write_bytes(openpose_frame(values))
    return folder
